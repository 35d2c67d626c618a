"""A small machine in memory that the wires can serve: every kind of signal, no physics."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

from plc_interfaces.host import Act, ActKind, AlarmStatus, Event, Identity, Update, role_to_write
from twin.alarms import Alarm, AlarmDefinition, Priority
from twin.image import Frame, Quality
from twin.signals import (
    Component,
    Kind,
    Refused,
    SignalTable,
    Value,
    actuator,
    alarm,
    command,
    diagnostic,
    fault,
    image,
    measured,
    parameter,
    series,
    setpoint,
    status,
)

RUN_START = 1_700_000_000.0
SCAN_PERIOD = 0.05
PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(64)


class Chamber(Component):
    """Process chamber of the fake machine."""

    oxygen_top = measured(
        "ppm", low=0, high=250_000, start=209_500, noise=50, doc="O2 mole fraction, top sensor"
    )
    pressure = measured("mbar", low=-100, high=1100, start=0, doc="over-pressure in the chamber")
    door_closed = measured(bool, start=True, doc="door switch")
    purge_valve = actuator(bool, doc="argon purge valve")
    fan_speed = actuator("%", low=0, high=100, doc="gas circulation fan")
    leak = fault("mbar.L/s", doc="leak into the chamber")
    view = image(doc="camera picture of the powder bed")
    profile = series("degC", doc="temperatures along the platform")


class Laser(Component):
    """One of several like it."""

    power = measured("W", low=0, high=500, doc="emitted power")
    temperature = measured("degC", low=0, high=100, start=25, doc="collimator temperature")
    power_demand = actuator("W", low=0, high=500, doc="demanded power")


class Plant(Component):
    """The fake plant."""

    def __init__(self, lasers: int = 2) -> None:
        super().__init__()
        self.add("Chamber", Chamber())
        for i in range(lasers):
            self.add(f"Laser{i + 1}", Laser())


class Atmosphere(Component):
    """The controller's view of the gas."""

    oxygen_limit = setpoint(
        "ppm", low=10, high=10_000, start=1000, doc="oxygen above which nothing is exposed"
    )
    purge_cycles = parameter(int, low=1, high=10, start=3, doc="purge cycles before a start")
    purge_automatic = setpoint(bool, start=True, doc="purge as soon as the door is closed")
    oxygen_high = alarm(
        doc="Oxygen in the chamber is high",
        priority=Priority.HIGH,
        cause="leak or empty argon supply",
        consequence="oxidised powder and parts",
        response="check door seal and argon supply",
        source="Chamber.OxygenTop",
        high="Atmosphere.OxygenLimit",
        action="B",
    )


class Job(Component):
    """The controller's job."""

    state = status(int, choices=("Idle", "Running", "Held", "Aborted"), doc="state of the job")
    layer = status(int, low=0, high=100_000, doc="layer being built")
    name = status(str, length=32, start="none", doc="name of the job")
    recipe = setpoint(str, length=16, start="default", doc="recipe of the next job")
    door_open = alarm(
        doc="Door is open",
        priority=Priority.URGENT,
        cause="the door was opened",
        consequence="laser interlock",
        response="close the door",
        action="A",
    )

    def __init__(self, host: FakeHost) -> None:
        super().__init__()
        self._host = host

    @command(part=str, layers=int)
    def start(self, part: str, layers: int) -> str:
        """Start a job of so many layers."""
        if self.state == 1:
            raise Refused("a job is running already")
        if layers < 1:
            raise Refused("layers must be 1 or more", "range")
        self.state, self.name = 1, part
        return f"started {part}"

    @command()
    def abort(self) -> str:
        """Abort the job."""
        self.state = 3
        return "aborted"


class Timing(Component):
    """Facts about the emulation on the wall clock."""

    lateness_p99 = diagnostic("ms", low=0, high=1e6, doc="lateness of scans, 99th percentile")
    overruns = diagnostic(int, low=0, doc="scans that took longer than their period")


class Controller(Component):
    """The fake controller."""

    def __init__(self, host: FakeHost) -> None:
        super().__init__()
        self.add("Atmosphere", Atmosphere())
        self.add("Job", Job(host))
        self.add("Timing", Timing())


class FakeHost:
    """A `Host` whose acts are applied by `step()`; with `auto`, by `submit` itself.

    `put(path, value)` plays the plant: it sets a value in its engineering unit, seen from the
    next step on. `acts` are the accepted acts in order.
    """

    def __init__(
        self,
        name: str = "FAKE-01",
        lasers: int = 2,
        external_control: bool = False,
        auto: bool = True,
    ) -> None:
        self.identity = Identity(
            name=name,
            machine="fake",
            technology="PBF",
            model="Fake 100",
            serial="0001",
            software="1.0",
            location="test bench",
        )
        self.external_control = external_control
        self.auto = auto
        self.table = SignalTable(Plant(lasers), Controller(self))
        self.acts: list[Act] = []
        self._lock = threading.RLock()
        self._pending: list[tuple[Act, Future[Any]]] = []
        self._events: list[Event] = []
        self._listeners: list[Callable[[Update], None]] = []
        self._values: list[Any] = [s.start for s in self.table.values()]
        self._values[self.table.index["Chamber.View"]] = PICTURE
        self._values[self.table.index["Chamber.Profile"]] = (20.0, 21.5, 22.0)
        self._quality = [int(Quality.GOOD)] * len(self._values)
        self._alarms = {
            s.path: Alarm(s.alarm, s.path)
            for s in self.table.of_kind(Kind.ALARM)
            if s.alarm is not None
        }
        self.alarms: Mapping[str, AlarmDefinition] = {
            path: a.definition for path, a in self._alarms.items()
        }
        self._scan = 0
        self._shown: dict[str, tuple[Any, ...]] = {}
        self._frame = self._latch()

    def frame(self) -> Frame:
        return self._frame

    def alarm_states(self) -> list[AlarmStatus]:
        with self._lock:
            return [self._status(a) for a in self._alarms.values()]

    def listen(self, listener: Callable[[Update], None]) -> Callable[[], None]:
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def submit(self, act: Act) -> Future[Any]:
        if act.kind in (ActKind.WRITE, ActKind.CALL):
            signal = self.table.get(act.path)
            if signal is None or signal.kind is Kind.FAULT:
                raise Refused(f"no signal {act.path!r}", "unknown")
            is_command = signal.kind is Kind.COMMAND
            if role_to_write(signal, self.external_control) is None:
                raise Refused(f"{act.path} is read-only", "read-only")
            if is_command != (act.kind is ActKind.CALL):
                raise Refused(f"{act.path} cannot be used by {act.kind}", "type")
            if is_command:
                if len(act.value) != len(signal.arguments):
                    raise Refused(f"{act.path} takes {len(signal.arguments)} arguments", "type")
            else:
                signal.check(act.value)
        elif act.kind in (ActKind.ACKNOWLEDGE, ActKind.SHELVE, ActKind.UNSHELVE):
            if act.path not in self._alarms:
                raise Refused(f"no alarm {act.path!r}", "unknown")
        elif act.kind is ActKind.FORCE:
            self.table[act.path].check(act.value)
        future: Future[Any] = Future()
        with self._lock:
            self.acts.append(act)
            self._pending.append((act, future))
        if self.auto:
            self.step()
        return future

    def put(self, path: str, value: Value, quality: Quality = Quality.GOOD) -> None:
        with self._lock:
            i = self.table.index[path]
            self._values[i] = value
            self._quality[i] = int(quality)

    def raise_alarm(self, path: str, active: bool = True, value: float = 0.0) -> None:
        with self._lock:
            self._alarms[path].update(self._scan * SCAN_PERIOD, active, value)

    def tell(self, source: str, message: str, kind: str = "process", **fields: Value) -> None:
        with self._lock:
            time = self._scan * SCAN_PERIOD
            self._events.append(Event(RUN_START + time, time, source, kind, message, fields=fields))

    def step(self, scans: int = 1) -> None:
        for _ in range(scans):
            self._step()

    def _step(self) -> None:
        with self._lock:
            self._scan += 1
            pending, self._pending = self._pending, []
            answers: list[tuple[Future[Any], Any]] = []
            for act, future in pending:
                try:
                    answers.append((future, self._apply(act)))
                except Refused as error:
                    answers.append((future, error))
            before = self._frame
            self._frame = self._latch()
            changed = tuple(
                i
                for i, (old, new) in enumerate(zip(before.values, self._frame.values, strict=True))
                if old != new or before.quality[i] != self._frame.quality[i]
            )
            states = tuple(
                self._status(a) for a in self._alarms.values() if self._shown.get(a.path) != key(a)
            )
            self._shown = {a.path: key(a) for a in self._alarms.values()}
            events, self._events = tuple(self._events), []
            update = Update(self._frame, changed, states, events)
        for listener in list(self._listeners):
            listener(update)
        for future, answer in answers:
            if isinstance(answer, Refused):
                future.set_exception(answer)
            else:
                future.set_result(answer)

    def _apply(self, act: Act) -> Any:
        now = self._scan * SCAN_PERIOD
        match act.kind:
            case ActKind.WRITE:
                signal = self.table[act.path]
                self._values[self.table.index[act.path]] = signal.check(act.value)
                return ""
            case ActKind.CALL:
                signal, owner = self.table[act.path], self.table.owners[act.path]
                answer = getattr(owner, signal.attribute)(*act.value)
                for name, other in self.table.items():
                    if self.table.owners[name] is owner and other.kind is Kind.STATUS:
                        self._values[self.table.index[name]] = getattr(owner, other.attribute)
                return answer
            case ActKind.ACKNOWLEDGE:
                if not self._alarms[act.path].acknowledge(str(act.value or "")):
                    raise Refused(f"{act.path} has nothing to acknowledge")
            case ActKind.SHELVE:
                self._alarms[act.path].shelve(now, float(act.value))
            case ActKind.UNSHELVE:
                self._alarms[act.path].unshelve()
            case ActKind.FORCE:
                self._values[self.table.index[act.path]] = act.value
        return ""

    def _latch(self) -> Frame:
        for path, a in self._alarms.items():
            self._values[self.table.index[path]] = a.active
        time = self._scan * SCAN_PERIOD
        return Frame(self._scan, time, RUN_START + time, tuple(self._values), tuple(self._quality))

    def _status(self, a: Alarm) -> AlarmStatus:
        return AlarmStatus(
            path=a.path,
            definition=a.definition,
            state=a.state,
            active=a.active,
            acknowledged=a.acknowledged,
            retained=a.retained,
            shelved_until=a.shelved_until,
            value=a.value,
            comment=a.comment,
            stamp=RUN_START + self._scan * SCAN_PERIOD,
        )


def key(a: Alarm) -> tuple[Any, ...]:
    """What makes an alarm's state new to a listener."""
    return (a.state, a.active, a.acknowledged, a.shelved_until, a.comment)

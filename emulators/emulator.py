"""The emulator: a plant and its controller in one scanned, paced, journaled run that wires serve."""

from __future__ import annotations

import threading
import time as wall
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from math import floor, inf, isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from emulators.controllers.base import Controller
from emulators.journal import Entry, Journal
from emulators.pacer import Pacer, prompt_threads
from emulators.snapshots import Snapshot, SnapshotStore
from emulators.tracehash import TraceHash
from plc_interfaces.host import Act, ActKind, AlarmStatus, Event, Identity, Update
from twin.alarms import Alarm, AlarmDefinition
from twin.faults import SensorFault, SensorFaultKind
from twin.image import Frame, Quality, Readings
from twin.machine import Plant
from twin.signals import Component, Kind, Refused, SignalTable, diagnostic

if TYPE_CHECKING:
    from emulators.recorder import Recorder

__all__ = ["Emulator", "Simulation"]

_HASH_EVERY = 60.0  # simulated s
_PUBLISH_EVERY = 0.02  # wall s, when simulated time runs ahead of the wall clock
_LOOK_EVERY = 0.05  # wall s: how old a value may get that a client sees


class Simulation(Component):
    """Facts about the emulation itself; outside every hash."""

    simulated_time = diagnostic("s", low=0, high=1e10, doc="simulated time since the run began")
    speed_factor = diagnostic("", low=0, high=1e9, start=1, doc="simulated seconds per wall second; "
                              "0 frozen, 1e9 as fast as possible")
    branch = diagnostic(int, low=0, high=1_000_000, doc="branch of the run's journal")
    scans = diagnostic(int, low=0, high=2**31 - 1, doc="scans run")
    overruns = diagnostic(int, low=0, high=2**31 - 1, doc="scans that began late because earlier "
                          "ones were not done")
    lost_scans = diagnostic(int, low=0, high=2**31 - 1, doc="scans whose time slot was missed")
    lateness_p50 = diagnostic("ms", low=0, high=1e6, doc="median lateness of scans")
    lateness_p99 = diagnostic("ms", low=0, high=1e6, doc="99th percentile of the lateness of scans")
    lateness_max = diagnostic("ms", low=0, high=1e6, doc="largest lateness of a scan")


class _Root(Component):
    def __init__(self, simulation: Simulation) -> None:
        super().__init__()
        self.add("Simulation", simulation)


class Emulator:
    """One machine: a `Host` for the wires, a run on disk, a clock.

    Scan k is at k x `scan_period`. In one scan: plant up to that time, then queued acts (journaled
    first), readings, controller, hash, record, publication, snapshot. Scans in which nothing can
    happen are skipped unless `every_scan`.
    """

    def __init__(
        self,
        plant: Plant,
        controller: Controller | None,
        identity: Identity,
        *,
        scan_period: float = 0.05,
        speed: float = 1.0,
        epoch: float = 0.0,
        record_period: float = 1.0,
        recorder: Recorder | None = None,
        journal: Journal | None = None,
        snapshots: SnapshotStore | None = None,
        every_scan: bool = False,
        readings: Readings | None = None,
    ) -> None:
        self.plant, self.controller, self.identity = plant, controller, identity
        self.readings = readings or Readings(plant, plant.seed)
        self.simulation = Simulation()
        roots: list[Component] = [plant, *([controller] if controller else []),
                                  _Root(self.simulation)]
        self.table = SignalTable(*roots)
        self.external_control = controller is None
        self.scan_period, self.epoch = scan_period, epoch
        self.pacer = Pacer(speed, scan_period=scan_period)
        self.every_scan = every_scan
        self.record_period = record_period
        self.recorder, self.journal, self.snapshots = recorder, journal, snapshots
        self.trace = TraceHash(self.table)
        self.scan_number = 0
        self.next_scan = 1
        self.scans = 0
        self.alarm_count = 0
        self.branch = 0
        self.failure: BaseException | None = None
        self.keep_vectors = False
        """Whether every scan vector's melt pool is recorded."""
        self._queue: deque[tuple[Act, Future[Any]]] = deque()
        self._script: dict[int, list[Act]] = {}
        self._listeners: list[Callable[[Update], None]] = []
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._measured = {s.path: i for i, s in enumerate(self.readings.signals)}
        self._template: list[Any] = [
            False if s.kind is Kind.ALARM else "" for s in self.table.values()
        ]
        self._from_image = [
            (self.table.index[path], i) for path, i in self._measured.items()
        ]
        self._own: list[list[Any]] = [
            [self.table.index[s.path], self.table.owners[s.path], s.attribute, s, None, None]
            for s in self.table.values()
            if s.path not in self._measured and s.kind not in (Kind.ALARM, Kind.COMMAND)
        ]
        self._quality = [int(Quality.GOOD)] * len(self.table)
        self._pending_events: list[Event] = []
        self._pending_alarms: dict[str, AlarmStatus] = {}
        self._shown: list[Any] = [None] * len(self.table)
        self._published_at = self._diagnosed_at = -inf
        self._checkpoint = -1
        self._alarm_view: dict[str, AlarmStatus] = {}
        self._hash_scans = max(1, round(_HASH_EVERY / scan_period))
        self._record_scans = max(1, round(record_period / scan_period))
        self.readings.latch(0, 0.0)
        if controller is not None:
            for alarm in controller.alarms.values():
                self._alarm_view[alarm.path] = self._status(alarm)
        self._frame = self._make_frame()

    # -- the host's side: any thread ----------------------------------------------------------

    @property
    def alarms(self) -> Mapping[str, AlarmDefinition]:
        """Alarm definitions by path."""
        return {s.path: s.alarm for s in self.table.of_kind(Kind.ALARM) if s.alarm is not None}

    @property
    def time(self) -> float:
        """Simulated time of the newest scan, s."""
        return self.scan_number * self.scan_period

    def frame(self) -> Frame:
        """The newest published frame."""
        return self._frame

    def alarm_states(self) -> list[AlarmStatus]:
        """Every alarm as last published."""
        return list(self._alarm_view.values())

    def listen(self, listener: Callable[[Update], None]) -> Callable[[], None]:
        """Call `listener` after published scans; returns the way out."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def submit(self, act: Act) -> Future[Any]:
        """Queue an act for the next scan; `Refused` at once for what can be checked at once."""
        act = self._checked(act)
        future: Future[Any] = Future()
        if self._stop.is_set():
            raise Refused("the machine's emulation has ended")
        self._queue.append((act, future))
        self.pacer.poke()
        return future

    def _checked(self, act: Act) -> Act:
        if act.kind is ActKind.LOGIN:
            return act
        if act.kind is ActKind.SPEED:
            if not isinstance(act.value, (int, float)) or not act.value >= 0:
                raise Refused(f"speed takes 0 or more, not {act.value!r}", "range")
            return act
        try:
            signal = self.table[act.path]
        except KeyError:
            raise Refused(f"no signal {act.path!r}", "unknown") from None
        allowed = {
            ActKind.WRITE: (Kind.SETPOINT, Kind.PARAMETER,
                            *((Kind.ACTUATOR,) if self.external_control else ())),
            ActKind.CALL: (Kind.COMMAND,),
            ActKind.FAULT: (Kind.FAULT,),
            ActKind.SENSOR_FAULT: (Kind.MEASURED,),
            ActKind.FORCE: (Kind.MEASURED,),
            ActKind.UNFORCE: (Kind.MEASURED,),
        }.get(act.kind, (Kind.ALARM,))
        if signal.kind not in allowed:
            raise Refused(f"{act.path} is a {signal.kind.value}: {act.kind.value} is not possible",
                          "read-only")
        value = act.value
        if act.kind in (ActKind.WRITE, ActKind.FAULT, ActKind.FORCE):
            value = signal.check(value)
        elif act.kind is ActKind.CALL:
            value = _arguments(signal.path, signal.arguments, value)
        elif act.kind is ActKind.SENSOR_FAULT and value is not None:
            value = _sensor_fault(act.path, value)
        return Act(act.kind, act.path, value, act.user, act.source)

    # -- the run: one thread ------------------------------------------------------------------

    def script(self, acts: Mapping[int, list[Act]]) -> None:
        """Acts to apply at given scans, as from a journal; they are not journaled again."""
        self._script = {scan: list(found) for scan, found in acts.items()}

    def start(self, until: Callable[[Emulator], bool]) -> None:
        """Run in a thread of its own until `until` says so or `stop` is called."""
        self._thread = threading.Thread(target=self._guarded, args=(until,), name="emulation")
        self._thread.start()

    def _guarded(self, until: Callable[[Emulator], bool]) -> None:
        try:
            self.run(until)
        except BaseException as error:  # the caller's `join` raises it again
            self.failure = error
            self._stop.set()

    def join(self, timeout: float | None = None) -> bool:
        """Wait for the run's thread; True if it is over. Raises what ended it, if anything."""
        if self._thread is None:
            return True
        self._thread.join(timeout)
        if self.failure is not None:
            raise self.failure
        return not self._thread.is_alive()

    def stop(self) -> None:
        """End the run after the present scan."""
        self._stop.set()
        self.pacer.poke()

    def run(self, until: Callable[[Emulator], bool] | float) -> None:
        """Run in this thread until a simulated time (s), a condition, or `stop`."""
        if callable(until):
            self._run(until, inf)
        else:
            self.run_to(floor(until / self.scan_period + 1e-9))

    def run_to(self, scan: int, until: Callable[[Emulator], bool] | None = None) -> None:
        """Run in this thread up to a scan, which is run itself."""
        self._run(until or (lambda e: e.scan_number >= scan), scan)

    def _run(self, done: Callable[[Emulator], bool], last: float) -> None:
        self.pacer.restart(self.time)
        with prompt_threads():
            while not self._stop.is_set() and not done(self):
                if self._wait(int(min(self._look_ahead(), last))):
                    self.scan(self.next_scan)
        self._drain_refusing()
        self.publish(force=True)

    def _look_ahead(self) -> int:
        """The next scan that must be run."""
        factor = self.pacer.factor
        if self._queue and not isfinite(factor):
            return self.scan_number + 1
        limit = self.next_scan
        if isfinite(factor):
            # Looking is pure: at a pace that a client can follow it sees fresh values.
            limit = min(limit, self.scan_number
                        + max(1, floor(_LOOK_EVERY * factor / self.scan_period)))
        return max(limit, self.scan_number + 1)

    def _wait(self, scan: int) -> bool:
        if self.pacer.wait_until(scan * self.scan_period):
            self.next_scan = scan
            return True
        now = self.pacer.now_sim()
        if not self._queue:
            return False
        if not isfinite(now):
            self.next_scan = self.scan_number + 1
            return True
        reached = floor(now / self.scan_period)
        if reached <= self.scan_number:
            # The present slot is taken: the act is applied when the next one begins.
            reached = self.scan_number + 1
            if reached < scan and not self.pacer.wait_until(reached * self.scan_period):
                return False
        self.next_scan = min(reached, scan)
        return True

    def scan(self, number: int) -> None:
        """Run scan `number` (all earlier ones are over or skipped)."""
        if number <= self.scan_number:
            raise ValueError(f"scan {number} is over: the run is at {self.scan_number}")
        time = number * self.scan_period
        self.plant.advance(time)
        self.scan_number = number
        self.scans += 1
        acted = self._apply(number)
        self.readings.latch(number, time)
        controller, busy = self.controller, acted
        if controller is not None:
            busy = controller.scan(time) or busy
        busy = bool(self.plant.happened) or busy
        told = self._tell()
        if told or number % self._hash_scans == 0:
            self._hash(number)
        self.simulation.simulated_time = time
        recording = self.recorder is not None and number % self._record_scans == 0
        self.publish(force=recording)
        if recording:
            assert self.recorder is not None
            self.recorder.record(self._frame)
        self._keep(number, time)
        self.next_scan = number + 1 if busy or self.every_scan else self._next(number, time)

    def _next(self, number: int, time: float) -> int:
        """The next scan at which anything could happen."""
        period = self.scan_period
        limit = number + self._hash_scans - number % self._hash_scans
        if self.recorder is not None:
            limit = min(limit, number + self._record_scans - number % self._record_scans)
        event = self.plant.next_event()
        if event < limit * period:
            # An event at t is seen by the first scan later than t.
            limit = min(limit, max(floor(event / period) - 1, number) + 1)
            while limit * period <= event:
                limit += 1
        if self._script:
            limit = min([limit, *(s for s in self._script if s > number)])
        controller = self.controller
        if controller is None:
            return limit
        due = controller.next_look()
        if due < limit * period:
            limit = max(floor(due / period) - 1, number) + 1
            while limit * period < due:
                limit += 1
        levels = controller.levels()
        while limit > number + 1 and self._touches(levels, time, (limit - 1) * period):
            limit = number + max(1, (limit - number) // 2)
        return limit

    def _touches(self, levels: list[Any], start: float, end: float) -> bool:
        for watch in levels:
            low, high = self.readings.span(watch.path, start, end)
            if low <= watch.level <= high:
                return True
        return False

    # -- acts ---------------------------------------------------------------------------------

    def _apply(self, number: int) -> bool:
        scripted = self._script.pop(number, [])
        queued = []
        while self._queue:
            queued.append(self._queue.popleft())
        if queued and self.journal is not None:
            self.journal.append([Entry(number, self.time, act, self.branch) for act, _ in queued])
        for act in scripted:
            try:
                self._do(act)
            except Refused:
                pass  # It was refused in the recorded run, too.
        for act, future in queued:
            try:
                future.set_result(self._do(act))
            except Refused as refusal:
                future.set_exception(refusal)
        return bool(scripted or queued)

    def _do(self, act: Act) -> Any:
        if act.kind is ActKind.LOGIN:
            return ""
        if act.kind is ActKind.SPEED:
            self.pacer.set_factor(float(act.value))
            return ""
        signal = self.table[act.path]
        owner = self.table.owners[act.path]
        match act.kind:
            case ActKind.WRITE if signal.kind is not Kind.ACTUATOR:
                setattr(owner, signal.attribute, signal.to_si(act.value))
            case ActKind.WRITE | ActKind.FAULT:
                self.plant.drive(act.path, signal.to_si(act.value))
                if act.kind is ActKind.FAULT:
                    self._note(Event(0.0, self.time, act.path, "fault",
                                     f"{act.path} = {act.value}", 100, {"value": act.value}))
            case ActKind.CALL:
                return getattr(owner, signal.attribute)(*act.value)
            case ActKind.SENSOR_FAULT:
                self._sensor_fault(act)
            case ActKind.FORCE:
                self.readings.forced[act.path] = act.value
            case ActKind.UNFORCE:
                self.readings.forced.pop(act.path, None)
            case _:
                return self._alarm_act(act)
        return ""

    def _sensor_fault(self, act: Act) -> None:
        if act.value is None:
            self.readings.set_fault(act.path, None)
        else:
            held = self.readings.values[self.readings.index[act.path]]
            self.readings.set_fault(act.path, SensorFault(
                SensorFaultKind(act.value["kind"]), act.value["magnitude"], self.time,
                float(held) if isinstance(held, (int, float)) else 0.0))
        self._note(Event(0.0, self.time, act.path, "fault", f"sensor fault {act.value}", 100))

    def _alarm_act(self, act: Act) -> str:
        controller = self.controller
        assert controller is not None
        alarm = controller.alarms[act.path]
        if act.kind in (ActKind.ACKNOWLEDGE, ActKind.CONFIRM):
            if not alarm.acknowledge(str(act.value or "")):
                if act.kind is ActKind.CONFIRM:
                    return ""
                raise Refused(f"{act.path} is acknowledged already")
        elif act.kind is ActKind.COMMENT:
            alarm.comment = str(act.value or "")
        elif act.kind is ActKind.SHELVE:
            try:
                alarm.shelve(self.time, float(act.value))
            except (TypeError, ValueError) as error:
                raise Refused(str(error), "range") from None
        else:
            alarm.unshelve()
        controller.note(alarm)
        return ""

    def _drain_refusing(self) -> None:
        self._stop.set()
        while self._queue:
            _, future = self._queue.popleft()
            future.set_exception(Refused("the machine's emulation has ended"))

    # -- telling ------------------------------------------------------------------------------

    def _stamp(self, time: float) -> float:
        return self.epoch + time

    def _note(self, event: Event) -> None:
        self._pending_events.append(Event(self._stamp(event.time), *_rest(event)))
        if event.kind != "fault":
            self.trace.event(self.scan_number, event.source, event.kind, event.message,
                             {"time": event.time, **event.fields})
        if self.recorder is not None:
            self.recorder.event(self.scan_number, self._pending_events[-1])

    def _emit(self, happened: list[Any]) -> bool:
        """Pass the plant's events on; the list is emptied."""
        if not happened:
            return False
        for found in happened:
            fields = {k: v for k, v in found.fields.items() if isinstance(v, (int, float, str))}
            self._note(Event(0.0, found.time, found.source, found.kind, found.message, 100, fields))
            if found.kind == "layer" and self.recorder is not None:
                self.recorder.row("layers", self.scan_number, {"time": found.time, **fields})
        happened.clear()
        return True

    def _tell(self) -> bool:
        told = self._emit(self.plant.happened)
        self._products()
        controller = self.controller
        if controller is None:
            return told
        for event in controller.events:
            self._note(event)
        told = told or bool(controller.events)
        controller.events.clear()
        for alarm in controller.changed_alarms:
            status = self._status(alarm)
            self._pending_alarms[alarm.path] = self._alarm_view[alarm.path] = status
            self.trace.event(self.scan_number, alarm.path, "alarm", status.state.value,
                             {"active": alarm.active})
            if alarm.active and alarm.raised_at == self.time:
                self.alarm_count += 1
            if self.recorder is not None:
                self.recorder.alarm(self.scan_number, self.time, status)
        told = told or bool(controller.changed_alarms)
        controller.changed_alarms.clear()
        return told

    def _products(self) -> None:
        """Hand the plant's finished layers and defects to the recorder."""
        results, defects = getattr(self.plant, "results", None), getattr(self.plant, "defects", None)
        if results:
            for result, found in zip(results, defects or (), strict=False):
                if self.recorder is not None:
                    self.recorder.rows("defects", self.scan_number, _defect_columns(result, found))
                    if self.keep_vectors:
                        self.recorder.rows("vectors", self.scan_number, _vector_columns(result))
            results.clear()
        if defects:
            defects.clear()

    def _status(self, alarm: Alarm) -> AlarmStatus:
        return AlarmStatus(alarm.path, alarm.definition, alarm.state, alarm.active,
                           alarm.acknowledged, alarm.retained, alarm.shelved_until, alarm.value,
                           alarm.comment, self._stamp(self.time))

    def _hash(self, number: int) -> None:
        self.trace.image(number, self._values())

    def _values(self) -> list[Any]:
        values, latched = list(self._template), self.readings.values
        for slot, i in self._from_image:
            values[slot] = latched[i]
        for entry in self._own:
            slot, owner, attribute, signal, before, shown = entry
            value = getattr(owner, attribute)
            if value is not before:
                # Twelve digits: what an operator wrote as 1000 ppm must not read 1000.0000000000001.
                shown = value
                if signal.type is float:
                    shown = float(f"{signal.unit.from_si(value):.12g}")
                entry[4], entry[5] = value, shown
            values[slot] = shown
        return values

    def _make_frame(self) -> Frame:
        values = self._values()
        for path, status in self._alarm_view.items():
            values[self.table.index[path]] = status.active
        quality = self._quality
        if self.readings.faults or any(self.readings.quality):
            quality = list(quality)
            for path, i in self._measured.items():
                quality[self.table.index[path]] = self.readings.quality[i]
        return Frame(self.scan_number, self.time, self._stamp(self.time), tuple(values),
                     tuple(quality))

    def publish(self, force: bool = False) -> None:
        """Show the newest values to listeners, at most every 20 ms of wall time when ahead of it."""
        now = wall.perf_counter()
        if not force and self.pacer.factor > 1 and now < self._published_at + _PUBLISH_EVERY:
            return
        if not force and not self._listeners and not self._pending_alarms and self.pacer.factor > 1:
            return
        self._published_at = now
        if now > self._diagnosed_at + 0.2:
            self._diagnosed_at = now
            self._diagnose()
        frame, before = self._make_frame(), self._frame
        changed = tuple(
            i for i, (new, old) in enumerate(zip(frame.values, self._shown, strict=True))
            if new != old or frame.quality[i] != before.quality[i]
        )
        self._frame, self._shown = frame, list(frame.values)
        update = Update(frame, changed, tuple(self._pending_alarms.values()),
                        tuple(self._pending_events))
        self._pending_alarms, self._pending_events = {}, []
        for listener in list(self._listeners):
            listener(update)

    def _diagnose(self) -> None:
        s, late = self.simulation, self.pacer.lateness()
        factor = self.pacer.factor
        s.speed_factor = factor if isfinite(factor) else 1e9
        s.scans, s.overruns, s.lost_scans = self.scans, late.overruns, late.lost_scans
        s.lateness_p50, s.lateness_p99, s.lateness_max = late.p50, late.p99, late.max
        s.branch = self.branch

    # -- snapshots ----------------------------------------------------------------------------

    def _keep(self, number: int, time: float) -> None:
        controller = self.controller
        if controller is None:
            return
        checkpoint = controller.checkpoint
        if checkpoint is None or checkpoint == self._checkpoint or not self.plant.quiet:
            return
        self._checkpoint = checkpoint
        store = self.snapshots
        if store is None:
            return
        snapshot = Snapshot(number, time, checkpoint, self.state(), self.branch)
        if self.recorder is None:
            store.write(snapshot)
        else:
            self.recorder.flush(after=lambda: store.write(snapshot))

    def state(self) -> dict[str, Any]:
        """Everything the run needs to go on from this scan, as plain data."""
        assert self.controller is not None
        return {
            "scan": self.scan_number,
            "plant": self.plant.snapshot(),
            "controller": self.controller.snapshot(),
            "faults": {p: [f.kind.value, f.magnitude, f.since, f.held]
                       for p, f in self.readings.faults.items()},
            "forced": dict(self.readings.forced),
            "trace": self.trace.state(),
            "alarm_count": self.alarm_count,
            "checkpoint": self._checkpoint,
        }

    def reinstate(self, state: dict[str, Any]) -> None:
        """Go back to what `state` gave; the job's program must be loaded in the plant."""
        assert self.controller is not None
        self.scan_number = state["scan"]
        self.next_scan = self.scan_number + 1
        self.controller.reload(state["controller"])
        self.plant.reinstate(state["plant"])
        self.controller.reinstate(state["controller"])
        for path, (kind, magnitude, since, held) in state["faults"].items():
            self.readings.set_fault(path, SensorFault(SensorFaultKind(kind), magnitude, since, held))
        self.readings.forced = dict(state["forced"])
        self.trace.restore(state["trace"])
        self.alarm_count, self._checkpoint = state["alarm_count"], state["checkpoint"]
        for alarm in self.controller.alarms.values():
            self._alarm_view[alarm.path] = self._status(alarm)
        self.readings.latch(self.scan_number, self.time)
        self._frame = self._make_frame()


def _defect_columns(result: Any, found: Any) -> dict[str, Any]:
    count = len(found)
    layer, vectors = result.layer, found["vector"]
    return {
        "layer": np.full(count, layer.index + 1, np.int32),
        "kind": found["kind"].astype(np.int8),
        "x": found["x"].astype(np.float32), "y": found["y"].astype(np.float32),
        "z": np.full(count, layer.z, np.float32), "size": found["size_m"].astype(np.float32),
        "vector": vectors.astype(np.int32), "part": layer.part[vectors].astype(np.int16),
    }


def _vector_columns(result: Any) -> dict[str, Any]:
    layer, pool = result.layer, result.pool
    columns = {
        "begun": result.begun, "ended": result.ended,
        "x0": layer.start[:, 0], "y0": layer.start[:, 1],
        "x1": layer.end[:, 0], "y1": layer.end[:, 1],
        "power": result.power, "speed": result.speed, "width": pool.width, "depth": pool.depth,
        "length": pool.length, "photodiode": result.photodiode, "pyrometer": result.pyrometer,
    }
    return {
        "layer": np.full(len(layer.role), layer.index + 1, np.int32), "role": layer.role,
        "part": layer.part, "laser": layer.laser, "mode": pool.mode,
        **{name: values if name in ("begun", "ended") else values.astype(np.float32)
           for name, values in columns.items()},
    }


def _rest(event: Event) -> tuple[Any, ...]:
    return (event.time, event.source, event.kind, event.message, event.severity, event.fields)


def _arguments(path: str, declared: Mapping[str, type], given: Any) -> list[Any]:
    values = list(given or ())
    if len(values) != len(declared):
        raise Refused(f"{path} takes {len(declared)} arguments ({', '.join(declared)}), "
                      f"not {len(values)}", "type")
    for (name, kind), value in zip(declared.items(), values, strict=True):
        if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
            raise Refused(f"{path}: {name} takes {kind.__name__}, not {value!r}", "type")
        if isinstance(value, str) and len(value.encode()) > 256:
            raise Refused(f"{path}: {name} takes at most 256 bytes", "range")
    return values


def _sensor_fault(path: str, value: Any) -> dict[str, Any]:
    kinds = [k.value for k in SensorFaultKind]
    if not isinstance(value, dict) or value.get("kind") not in kinds:
        raise Refused(f"{path}: a sensor fault has a kind: {', '.join(kinds)}", "range")
    magnitude = value.get("magnitude", 0.0)
    if isinstance(magnitude, bool) or not isinstance(magnitude, (int, float)) \
            or not isfinite(magnitude):
        raise Refused(f"{path}: magnitude of a sensor fault is a number, not {magnitude!r}", "type")
    return {"kind": value["kind"], "magnitude": float(magnitude)}

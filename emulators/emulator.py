"""The emulator: a plant and its controller in one scanned, paced, journaled run."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import partial
from math import floor, inf
from typing import TYPE_CHECKING, Any

from emulators.acts import Performer, checked
from emulators.controllers.base import Controller, Watch
from emulators.journal import Entry, Journal, JournalError
from emulators.loop import Loop
from emulators.pacer import Pacer
from emulators.publication import Publication, Simulation
from emulators.snapshots import Snapshot, SnapshotStore
from emulators.tracehash import TraceHash
from plc_interfaces.host import Act, ActKind, AlarmStatus, Event, Identity, Update
from twin.alarms import AlarmDefinition
from twin.faults import SensorFault, SensorFaultKind
from twin.image import Frame, Readings
from twin.machine import Plant
from twin.signals import Component, Kind, Refused, SignalTable

if TYPE_CHECKING:
    from emulators.recorder import Recorder
    from twin.powder.operations import Operation

__all__ = ["Emulator"]

_logger = logging.getLogger(__name__)

_HASH_EVERY = 60.0  # simulated s
_KEEP_LAYER = 0.25  # wall s: layers that follow each other faster share a snapshot
_KEEP_ROWS = 10.0  # wall s
_MOST_QUEUED = 10_000
_MOST_NOTED = 20
_LONGEST_STEP = 600.0  # wall s


class Emulator:
    """One machine: a `Host` for the wires, a run on disk, a clock.

    Scan k is at k x `scan_period`. In one scan: plant up to that time, then queued acts (journaled
    first), readings, controller, hash, publication, record, snapshot. Scans in which nothing can
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
        record_period: float = 1.0,
        every_scan: bool = False,
        readings: Readings | None = None,
        pacer: Pacer | None = None,
    ) -> None:
        self.plant, self.controller, self.identity = plant, controller, identity
        self.readings = readings or Readings(plant, plant.seed)
        self.simulation = Simulation()
        emulation = Component()
        emulation.add("Simulation", self.simulation)
        trees: list[Component] = [plant, *([controller] if controller else []), emulation]
        self.table = SignalTable(*trees)
        self.external_control = controller is None
        self.scan_period, self.every_scan = scan_period, every_scan
        self.pacer = pacer or Pacer(speed, scan_period=scan_period)
        self.recorder: Recorder | None = None
        self.journal: Journal | None = None
        self.snapshots: SnapshotStore | None = None
        self.keep_vectors = False
        """Whether every scan vector's melt pool is recorded."""
        self.followers: list[Callable[[Operation], None]] = []
        """Told what the machine does to material."""
        self.trace = TraceHash(self.table)
        self.scan_number = 0
        self.next_scan = 1
        self.scans = 0
        self.alarm_count = 0
        self.shown = Publication(self.table, self.readings, self.simulation, self.pacer)
        self._performer = Performer(self.table, plant, controller, self.readings, self._note)
        self._queue: deque[tuple[Act, Future[Any]]] = deque()
        self._script: dict[int, list[Act]] = {}
        self._scripted: list[int] = []
        self._lock = threading.Lock()
        self._written_at: float | None = None
        self._noting_since, self._noted = -inf, 0
        self._instructions: deque[tuple[Act, Future[Any]]] = deque()
        self._ended = False
        self.loop = Loop([self], self.pacer)
        self._checkpoint = -1
        self._kept_at = -inf
        self.hash_period, self.record_period = _HASH_EVERY, record_period
        self._look()

    def keep_time(self, pacer: Pacer) -> None:
        """Go by a pacer that others go by, too; before the run."""
        self.pacer = self.shown.pacer = pacer

    def _look(self) -> None:
        """Readings, alarms and frame of the present scan, as nothing has been shown yet."""
        self.readings.latch(self.scan_number, self.time)
        if self.controller is not None:
            for alarm in self.controller.alarms.values():
                self.shown.alarm(alarm, self.time, changed=False)
        self.shown.look(self.scan_number, self.time)

    @property
    def time(self) -> float:
        """Simulated time of the newest scan, s."""
        return self.scan_number * self.scan_period

    @property
    def epoch(self) -> float:
        """Source time (POSIX s) of simulated 0."""
        return self.shown.epoch

    @epoch.setter
    def epoch(self, value: float) -> None:
        self.shown.epoch = value
        self._look()

    @property
    def branch(self) -> int:
        """Branch of the journal that the run is in."""
        return int(self.simulation.branch)

    @branch.setter
    def branch(self, value: int) -> None:
        self.simulation.branch = value

    @property
    def hash_period(self) -> float:
        """The image goes into the trace hash at events, and at least so often (simulated s)."""
        return self._hash_scans * self.scan_period

    @hash_period.setter
    def hash_period(self, seconds: float) -> None:
        self._hash_scans = max(1, round(seconds / self.scan_period))

    @property
    def record_period(self) -> float:
        """Signals are recorded so often, simulated s."""
        return self._record_scans * self.scan_period

    @record_period.setter
    def record_period(self, seconds: float) -> None:
        self._record_scans = max(1, round(seconds / self.scan_period))

    # -- the host's side: any thread ----------------------------------------------------------

    @property
    def alarms(self) -> Mapping[str, AlarmDefinition]:
        """Alarm definitions by path."""
        return {s.path: s.alarm for s in self.table.of_kind(Kind.ALARM) if s.alarm is not None}

    def frame(self) -> Frame:
        """The newest published frame."""
        return self.shown.frame

    def alarm_states(self) -> list[AlarmStatus]:
        """Every alarm as it is now."""
        return list(self.shown.statuses.values())

    def listen(self, listener: Callable[[Update], None]) -> Callable[[], None]:
        """Call `listener` after published scans; returns the way out."""
        self.shown.listeners.append(listener)
        return lambda: self.shown.listeners.remove(listener)

    def submit(self, act: Act) -> Future[Any]:
        """Queue an act for the next scan; `Refused` at once for what can be checked at once."""
        act = checked(act, self.table, self.external_control)
        if act.kind is ActKind.AUDIT and not self._may_note():
            raise Refused("too much is refused to note all of it")
        future: Future[Any] = Future()
        with self._lock:
            if self._ended:
                raise Refused("the machine's emulation has ended")
            if len(self._queue) >= _MOST_QUEUED:
                raise Refused(f"{_MOST_QUEUED} acts wait for a scan already; is the clock frozen?")
            if act.kind is ActKind.STEP:
                threading.Thread(
                    target=self._step, args=(int(act.value), future), daemon=True
                ).start()
                return future
            self._queue.append((act, future))
            if act.kind is ActKind.WRITE:
                self._written_at = self.pacer.wall()
        self.pacer.poke()
        if act.kind is ActKind.SPEED:
            # Done and answered before its scan comes: a frozen clock would never get there.
            self.pacer.set_factor(float(act.value))
            future = Future()
            future.set_result("")
        return future

    def _may_note(self) -> bool:
        """Whether the journal takes another refusal: at most `_MOST_NOTED` in a wall second."""
        now = self.pacer.wall()
        if now > self._noting_since + 1.0:
            self._noting_since, self._noted = now, 0
        self._noted += 1
        return self._noted <= _MOST_NOTED

    def silence(self) -> float | None:
        """Wall time (s) since a client last wrote; None if none ever did."""
        return None if self._written_at is None else self.pacer.wall() - self._written_at

    def _step(self, scans: int, future: Future[Any]) -> None:
        try:
            future.set_result(self.pacer.step(scans, timeout=_LONGEST_STEP))
        except (RuntimeError, TimeoutError) as error:
            future.set_exception(Refused(str(error)))

    # -- the run: one thread ------------------------------------------------------------------

    def script(self, acts: Mapping[int, list[Act]]) -> None:
        """Acts to apply at given scans, as from a journal; they are not journaled again."""
        self._script = {scan: list(found) for scan, found in acts.items()}
        self._scripted = sorted(acts, reverse=True)

    @property
    def scripted(self) -> bool:
        """Whether acts of a script are still to come."""
        return bool(self._script)

    def start(self, until: Callable[[Emulator], bool] | float) -> None:
        """`run` in a thread of its own."""
        self.loop.start(*self._end(until))

    def end(self) -> None:
        """The run is over: refuse what is queued and what is still to come."""
        with self._lock:
            self._ended = True
            left, self._queue = [*self._queue, *self._instructions], deque()
        for _, future in left:
            future.set_exception(Refused("the machine's emulation has ended"))

    def join(self, timeout: float | None = None) -> bool:
        """Wait for the run's thread; True if it is over. Raises what ended it, if anything."""
        return self.loop.join(timeout)

    def stop(self) -> None:
        """End the run after the present scan."""
        self.loop.stop()

    def _end(self, until: Callable[[Emulator], bool] | float) -> tuple[Callable[[], bool], float]:
        if callable(until):
            return partial(until, self), inf
        last = floor(until / self.scan_period + 1e-9)
        return (lambda: self.loop.number >= last), last

    def run(self, until: Callable[[Emulator], bool] | float) -> None:
        """Run in this thread until a simulated time (s), a condition, or `stop`."""
        self.loop.run(*self._end(until))

    def run_to(self, scan: int, until: Callable[[Emulator], bool] | None = None) -> None:
        """Run in this thread up to a scan, which is run itself."""
        done = partial(until, self) if until else lambda: self.loop.number >= scan
        self.loop.run(done, scan)

    @property
    def waiting(self) -> bool:
        """Whether acts are queued for the next scan."""
        return bool(self._queue or self._instructions)

    def instruct(self, act: Act) -> Future[Any]:
        """An act of the simulation's own, such as a works that gives its machine a job.

        Applied at the next scan and not journaled: it follows from seed and journal. The future
        gives the answer then, or raises `Refused`.
        """
        future: Future[Any] = Future()
        self._instructions.append((act, future))
        self.next_scan = self.scan_number + 1
        return future

    def scan(self, number: int) -> None:
        """Run scan `number`; all earlier ones are over or skipped."""
        if number <= self.scan_number:
            raise ValueError(f"scan {number} is over: the run is at {self.scan_number}")
        time = number * self.scan_period
        self.plant.advance(time)
        self.plant.stirred = False
        self.scan_number = number
        self.scans += 1
        if self.controller is not None:
            self.controller.now = time
        busy = self._apply(number, time)
        self.readings.latch(number, time)
        if self.controller is not None:
            busy = self.controller.scan(time) or busy
        told = self._tell(time)
        if told or number % self._hash_scans == 0:
            self.trace.image(number, self.shown.values())
        self.simulation.scans = self.scans
        if self.recorder is not None and number % self._record_scans == 0:
            self.recorder.record(self.shown.look(number, time))
        self.shown.publish(number, time)
        self._keep(number, time)
        busy = busy or told or self.every_scan
        self.next_scan = number + 1 if busy else self._next(number, time)

    def _next(self, number: int, time: float) -> int:
        """The next scan at which anything could happen."""
        period = self.scan_period
        limit = number + self._hash_scans - number % self._hash_scans
        if self.recorder is not None:
            limit = min(limit, number + self._record_scans - number % self._record_scans)
        while self._scripted and self._scripted[-1] <= number:
            self._scripted.pop()
        if self._scripted:
            limit = min(limit, self._scripted[-1])
        event = self.plant.next_event()
        if event < limit * period:
            # An event at t is seen by the first scan later than t.
            limit = max(floor(event / period) - 1, number) + 1
            while limit * period <= event:
                limit += 1
        if self.controller is None:
            return limit
        due = self.controller.next_look()
        if due < limit * period:
            limit = max(floor(due / period) - 1, number) + 1
            while limit * period < due:
                limit += 1
        levels = self.controller.levels()
        while limit > number + 1 and self._may_cross(levels, time, (limit - 1) * period):
            limit = number + max(1, (limit - number) // 2)
        return limit

    def _may_cross(self, levels: list[Watch], start: float, end: float) -> bool:
        for watch in levels:
            low, high = self.readings.span(watch.path, start, end)
            if low <= watch.level <= high:
                return True
        return False

    def _apply(self, number: int, time: float) -> bool:
        scripted = self._script.pop(number, [])
        queued = []
        while self._queue:
            queued.append(self._queue.popleft())
        if queued and self.journal is not None:
            try:
                self.journal.append([Entry(number, time, act, self.branch) for act, _ in queued])
            except JournalError:
                self._queue.extend(queued)  # the end of the run answers them
                raise
        instructed = [*self._instructions]
        self._instructions.clear()
        for act, future in [*((act, None) for act in scripted), *instructed, *queued]:
            try:
                answer = self._performer.do(act, time)
            except Exception as error:
                # A client's mistake must not stop the machine; what is no refusal is our defect.
                if not isinstance(error, Refused):
                    _logger.exception("%s %s failed", act.kind.value, act.path)
                if future is not None:
                    future.set_exception(error)
            else:
                if future is not None:
                    future.set_result(answer)
        return bool(scripted or instructed or queued)

    # -- telling ------------------------------------------------------------------------------

    def _note(self, event: Event) -> None:
        stamped = Event(
            self.epoch + event.time,
            event.time,
            event.source,
            event.kind,
            event.message,
            event.severity,
            event.fields,
        )
        self.shown.event(stamped)
        if event.kind != "fault":
            self.trace.event(
                self.scan_number,
                event.source,
                event.kind,
                event.message,
                {"time": event.time, **event.fields},
            )
        if self.recorder is not None:
            self.recorder.event(self.scan_number, stamped)

    def _tell(self, time: float) -> bool:
        """Pass on what plant and controller have to tell; True if they had."""
        controller, happened = self.controller, self.plant.happened
        told = bool(happened)
        for found in happened:
            fields = {k: v for k, v in found.fields.items() if isinstance(v, (int, float, str))}
            self._note(Event(0.0, found.time, found.source, found.kind, found.message, 100, fields))
            if found.kind == "layer" and self.recorder is not None:
                self.recorder.row("layers", self.scan_number, {"time": found.time, **fields})
        happened.clear()
        for name, columns in self.plant.take_tables(self.keep_vectors):
            if self.recorder is not None:
                self.recorder.rows(name, self.scan_number, columns)
        for operation in self.plant.take_operations():
            told = True
            if self.recorder is not None:
                self.recorder.operation(self.scan_number, operation)
            for follow in self.followers:
                follow(operation)
        if controller is None:
            return told
        told = told or bool(controller.events or controller.changed_alarms)
        for event in controller.events:
            self._note(event)
        for alarm in controller.changed_alarms:
            status = self.shown.alarm(alarm, time)
            self.trace.event(
                self.scan_number, alarm.path, "alarm", status.state.value, {"active": alarm.active}
            )
            self.alarm_count += alarm.active and alarm.raised_at == time
            if self.recorder is not None:
                self.recorder.alarm(self.scan_number, time, status)
        controller.events.clear()
        controller.changed_alarms.clear()
        return told

    # -- snapshots ----------------------------------------------------------------------------

    def _keep(self, number: int, time: float) -> None:
        """Put on disk what a crash must not take: rows now and then, layers with a snapshot."""
        if self.recorder is None and self.snapshots is None:
            return
        now = self.pacer.wall()
        store, checkpoint = self.snapshots, None
        if store is not None and self.controller is not None:
            checkpoint = self.controller.checkpoint
        at_layer = checkpoint is not None and checkpoint != self._checkpoint and self.plant.quiet
        if at_layer and now >= self._kept_at + _KEEP_LAYER:
            assert store is not None
            assert checkpoint is not None
            self._checkpoint, self._kept_at = checkpoint, now
            write = partial(
                store.write, Snapshot(number, time, checkpoint, self.state(), self.branch)
            )
            if self.recorder is None:
                write()
            else:
                self.recorder.flush(after=write)
        elif self.recorder is not None and now >= self._kept_at + _KEEP_ROWS:
            self._kept_at = now
            self.recorder.flush(wait=False)

    def state(self) -> dict[str, Any]:
        """Everything the run needs to go on from this scan, as plain data."""
        assert self.controller is not None
        return {
            "scan": self.scan_number,
            "plant": self.plant.snapshot(),
            "controller": self.controller.snapshot(),
            "faults": {
                path: [f.kind.value, f.magnitude, f.since, f.held]
                for path, f in self.readings.faults.items()
            },
            "forced": dict(self.readings.forced),
            "trace": self.trace.state(),
            "alarm_count": self.alarm_count,
            "checkpoint": self._checkpoint,
        }

    def reinstate(self, state: dict[str, Any]) -> None:
        """Go back to what `state` gave."""
        assert self.controller is not None
        self.scan_number = state["scan"]
        self.next_scan = self.scan_number + 1
        self.controller.reload(state["controller"])
        self.plant.reinstate(state["plant"])
        self.controller.reinstate(state["controller"])
        for path, (kind, magnitude, since, held) in state["faults"].items():
            self.readings.set_fault(
                path, SensorFault(SensorFaultKind(kind), magnitude, since, held)
            )
        self.readings.forced = dict(state["forced"])
        self.trace.restore(state["trace"])
        self.alarm_count, self._checkpoint = state["alarm_count"], state["checkpoint"]
        self._look()

"""What a running machine shows: frames of all values, changed alarms, events, to listeners."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, isfinite
from typing import Any

from emulators.pacer import Pacer
from plc_interfaces.host import AlarmStatus, Event, Update
from twin.alarms import Alarm
from twin.image import Frame, Quality, Readings
from twin.signals import Component, Kind, SignalTable, diagnostic

__all__ = ["Publication", "Simulation"]

_PUBLISH_EVERY = 0.02  # wall s, when simulated time runs ahead of the wall clock
_DIAGNOSE_EVERY = 0.2  # wall s


class Simulation(Component):
    """Facts about the emulation itself; outside every hash."""

    simulated_time = diagnostic("s", low=0, high=1e10, doc="simulated time since the run began")
    speed_factor = diagnostic(
        "",
        low=0,
        high=1e9,
        start=1,
        doc="simulated seconds per wall second; 0 frozen, 1e9 as fast as possible",
    )
    branch = diagnostic(int, low=0, high=1_000_000, doc="branch of the run's journal")
    scans = diagnostic(int, low=0, high=2**31 - 1, doc="scans run")
    overruns = diagnostic(
        int, low=0, high=2**31 - 1, doc="scans that began late because earlier ones were not done"
    )
    lost_scans = diagnostic(int, low=0, high=2**31 - 1, doc="scans whose time slot was missed")
    lateness_p50 = diagnostic("ms", low=0, high=1e6, doc="median lateness of scans")
    lateness_p99 = diagnostic("ms", low=0, high=1e6, doc="99th percentile of the lateness of scans")
    lateness_max = diagnostic("ms", low=0, high=1e6, doc="largest lateness of a scan")


class Publication:
    """Collects what happened since the last update and hands it to listeners.

    `image` may be called from any thread for the newest frame; the rest is for the emulation's.
    """

    def __init__(
        self, table: SignalTable, readings: Readings, simulation: Simulation, pacer: Pacer
    ) -> None:
        self.table, self._readings = table, readings
        self._simulation, self.pacer = simulation, pacer
        self.epoch = 0.0
        """Source time (POSIX s) of simulated 0."""
        self.listeners: list[Callable[[Update], None]] = []
        self.statuses: dict[str, AlarmStatus] = {}
        measured = {s.path: i for i, s in enumerate(readings.signals)}
        self._measured = [(table.index[path], i) for path, i in measured.items()]
        self._template: list[Any] = [False if s.kind is Kind.ALARM else "" for s in table.values()]
        # Slot, component, attribute, signal, value inside and on the wire when last looked at.
        self._own: list[list[Any]] = [
            [table.index[s.path], table.owners[s.path], s.attribute, s, None, None]
            for s in table.values()
            if s.path not in measured and s.kind not in (Kind.ALARM, Kind.COMMAND)
        ]
        self._good = (int(Quality.GOOD),) * len(table)
        self._events: list[Event] = []
        self._alarms: dict[str, AlarmStatus] = {}
        self._published_at = self._diagnosed_at = -inf
        self.frame = self._told = Frame(0, 0.0, 0.0, tuple(self._template), self._good)

    def values(self) -> list[Any]:
        """Every signal's value on the wire, in table order; alarms and commands are blank."""
        values, latched = list(self._template), self._readings.values
        for slot, i in self._measured:
            values[slot] = latched[i]
        for entry in self._own:
            slot, owner, attribute, signal, before, shown = entry
            value = getattr(owner, attribute)
            if value is not before:
                shown = value
                if signal.type is float:
                    # What an operator wrote as 1000 ppm must not read 1000.0000000000001.
                    shown = float(f"{signal.unit.from_si(value):.12g}")
                entry[4], entry[5] = value, shown
            values[slot] = shown
        return values

    def look(self, scan: int, time: float) -> Frame:
        """Make the frame of a scan the newest."""
        values: list[Any] = self.values()
        for path, status in self.statuses.items():
            values[self.table.index[path]] = status.active
        quality = self._good
        if any(self._readings.quality):
            marked = list(quality)
            for slot, i in self._measured:
                marked[slot] = self._readings.quality[i]
            quality = tuple(marked)
        self.frame = Frame(scan, time, self.epoch + time, tuple(values), quality)
        return self.frame

    def event(self, event: Event) -> None:
        """Something to tell with the next update."""
        self._events.append(event)

    def alarm(self, alarm: Alarm, time: float, changed: bool = True) -> AlarmStatus:
        """An alarm as it is now, to tell with the next update if it `changed`."""
        status = AlarmStatus(
            alarm.path,
            alarm.definition,
            alarm.state,
            alarm.active,
            alarm.acknowledged,
            alarm.retained,
            alarm.shelved_until,
            alarm.value,
            alarm.comment,
            self.epoch + time,
        )
        self.statuses[alarm.path] = status
        if changed:
            self._alarms[alarm.path] = status
        return status

    def publish(self, scan: int, time: float, force: bool = False) -> None:
        """Tell listeners; ahead of the wall clock at most every 20 ms of it unless `force`."""
        now = self.pacer.wall()
        if not force and self.pacer.factor > 1 and now < self._published_at + _PUBLISH_EVERY:
            return
        self._published_at = now
        self._simulation.simulated_time = time
        if now > self._diagnosed_at + _DIAGNOSE_EVERY:
            self._diagnosed_at = now
            self._diagnose()
        frame, shown = self.look(scan, time), self._told
        changed = [
            i
            for i, (new, old) in enumerate(zip(frame.values, shown.values, strict=True))
            if new != old
        ]
        if frame.quality != shown.quality:
            pairs = enumerate(zip(frame.quality, shown.quality, strict=True))
            changed = sorted({*changed, *(i for i, (new, old) in pairs if new != old)})
        self._told = frame
        update = Update(frame, tuple(changed), tuple(self._alarms.values()), tuple(self._events))
        self._alarms, self._events = {}, []
        for listener in list(self.listeners):
            listener(update)

    def _diagnose(self) -> None:
        s, late, factor = self._simulation, self.pacer.lateness(), self.pacer.factor
        s.speed_factor = factor if isfinite(factor) else 1e9
        s.overruns, s.lost_scans = late.overruns, late.lost_scans
        s.lateness_p50, s.lateness_p99, s.lateness_max = late.p50, late.p99, late.max

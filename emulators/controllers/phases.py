"""What a program does in a phase: phases that most machines have, waiting, looking, watching."""

from __future__ import annotations

from math import floor
from typing import Any, ClassVar

from emulators.controllers.base import Controller, Watch
from emulators.controllers.build_signals import MachineStatus
from emulators.controllers.jobs import JobControl

__all__ = ["PhasedController"]


class PhasedController(Controller):
    """One phase after the other.

    A machine says its phases and, for a phase ``pump down``, what begins it (`_begin_pump_down`)
    and what every scan in it does (`_pump_down`). Phases that most machines have (``load``,
    ``close``, ``cool``, ``unload``) are here; a machine says what they wait for.
    """

    WATER: ClassVar[float] = 0.0
    """Flow of cooling water from which the work may begin, m3/s; 0: there is no chiller."""
    LOOK: ClassVar[float] = 0.0
    """Time between two looks at what has no level of its own, s."""
    LOOK_AFTER: ClassVar[float] = 0.0
    """How long after a multiple of `LOOK` it looks, s: a plant that ticks then has done so."""
    machine: MachineStatus
    job: JobControl
    phases: tuple[str, ...]
    since: float
    """When the phase began, s."""
    looked: dict[str, bool]
    """What the latest look found."""
    _number: int
    """Of the latest look."""

    # -- what a machine says ------------------------------------------------------------------

    def loaded(self) -> bool:
        """At a scan of phase ``load``: whether the door may be closed."""
        raise NotImplementedError(f"{type(self).__name__} does not load")

    def closed(self) -> str:
        """Locked, the safety chain closed, water flowing: the phase that follows, or "" to wait."""
        raise NotImplementedError(f"{type(self).__name__} does not close")

    def cold(self) -> bool:
        """Whether what is in the machine may be unloaded, and its door opened."""
        raise NotImplementedError(f"{type(self).__name__} does not cool")

    def look(self) -> dict[str, bool]:
        """Conditions by name of alarm that are differences of noisy readings, see `looks`."""
        return {}

    def reset_drives(self) -> None:
        """On the way back, and on clear: acknowledge drive faults, close the safety chain."""
        self.io.safety.reset = not self.io.safety.chain_closed

    def restore_supplies(self) -> None:
        """Before completion goes on after a loss of power: water, pumps, locks as they were."""
        self._secure()

    def release(self) -> None:
        """At the end: gas, water, heat off; doors as soon as they may."""

    def finished(self) -> None:
        """The part is out: the job has ended."""

    # -- phases -------------------------------------------------------------------------------

    def enter(self, phase: str) -> None:
        """Begin a phase."""
        self.phase, self.since = phase, self.now
        self.machine.phase = self.phases.index(phase)
        self.tell("Machine", "process", f"phase {phase}", 50, layer=self.job.layer)
        entry = getattr(self, f"_begin_{phase.replace(' ', '_')}", None)
        if entry is not None:
            entry()

    def work(self) -> None:
        """What the phase in work does at a scan."""
        getattr(self, f"_{self.phase.replace(' ', '_')}")()

    def shown(self, reading: Any) -> bool:
        """Whether a reading that the phase waits for is true, and of this phase.

        What began the phase was written in that scan; readings show it in the next.
        """
        return self.now > self.since and bool(reading)

    def waited(self, seconds: float) -> bool:
        """Whether the phase has lasted so long (s); asks to be scanned when it will have."""
        due = self.since + seconds
        if self.now >= due:
            return True
        self.wake = min(self.wake, due)
        return False

    def looks(self, wanted: bool) -> dict[str, bool]:
        """What the latest look found.

        Differences of noisy readings are judged at fixed times only, every `LOOK` s, and at once
        when that begins; while it is not wanted, nothing is found.
        """
        if not wanted:
            self.looked = {}
            return self.looked
        number = floor((self.now - self.LOOK_AFTER) / self.LOOK) - 1
        # Exactly as the time is compared with that for which a scan is asked.
        while (number + 1) * self.LOOK + self.LOOK_AFTER <= self.now:
            number += 1
        if number != self._number or not self.looked:
            self._number = number
            self.looked = self.look()
        self.wake = min(self.wake, (number + 1) * self.LOOK + self.LOOK_AFTER)
        return self.looked

    # -- phases that most machines have -------------------------------------------------------

    def _load(self) -> None:
        if self.loaded():
            self.reset_drives()
            self.enter("close")

    def _secure(self) -> None:
        self.io.safety.door_lock = True
        if self.WATER:
            self.io.chiller.run = True

    def _begin_close(self) -> None:
        self._secure()

    def _close(self) -> None:
        safety = self.io.safety
        if not safety.door_locked:
            safety.door_lock = safety.door_closed
        elif safety.chain_closed and (not self.WATER or self.io.chiller.flow > self.WATER):
            following = self.closed()
            if following:
                self.enter(following)

    def _cool(self) -> None:
        if self.cold():
            self.enter("unload")

    def _begin_unload(self) -> None:
        self.release()

    def _unload(self) -> None:
        self.finished()

    # -- what to watch ------------------------------------------------------------------------

    def levels(self) -> list[Watch]:
        found = super().levels()
        if self.WATER and self.phase == "close":
            flow = self.readings.table["Chiller.Flow"]
            found.append(Watch(flow.path, flow.from_si(self.WATER)))
        return found

    def level(self, path: str, name: str, shift: float = 0.0) -> Watch:
        """A watch on a reading at a setting of the process, moved by `shift` (SI)."""
        settings = self.children["Process"]
        found = self.table[f"Process.{name}"]
        return Watch(path, found.from_si(getattr(settings, found.attribute) + shift))

"""The loop that runs emulators: one clock, one pacer, and for each the scans that it wants."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from math import floor, inf, isfinite
from typing import TYPE_CHECKING

from emulators.pacer import Pacer, prompt_threads

if TYPE_CHECKING:
    from emulators.emulator import Emulator

__all__ = ["Loop"]

_LOOK_EVERY = 0.05  # wall s: how old a value may get that a client sees


class Loop:
    """Runs one emulator, or several whose plants share an environment and a scan grid.

    The clock goes to the earliest scan that any of them wants; those that want it have it, in the
    order of `members`. A `leader` stands last and is scanned after every scan in which another
    member did something.
    """

    def __init__(
        self, members: Sequence[Emulator], pacer: Pacer, leader: Emulator | None = None
    ) -> None:
        """Raises `ValueError` if the members' scans are not of one length."""
        self.members = [*(m for m in members if m is not leader), *([leader] if leader else [])]
        periods = {m.scan_period for m in self.members}
        if len(periods) != 1:
            raise ValueError("machines that run together need one scan period, not "
                             + ", ".join(f"{p:g}" for p in sorted(periods)))
        self.scan_period = periods.pop()
        self.pacer, self.leader = pacer, leader
        self._reached = 0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None
        for member in self.members:
            member.loop = self

    @property
    def number(self) -> int:
        """The newest scan."""
        return max(self._reached, *(m.scan_number for m in self.members))

    def start(self, done: Callable[[], bool], last: float = inf) -> None:
        """`run` in a thread of its own."""
        self._thread = threading.Thread(
            target=self._guarded, args=(done, last), name="emulation")
        self._thread.start()

    def _guarded(self, done: Callable[[], bool], last: float) -> None:
        try:
            self.run(done, last)
        except BaseException as error:  # `join` raises it again, where somebody can act on it
            self._failure = error
        finally:
            for member in self.members:
                member.end()
            # Whoever waits for a step of the frozen clock is let go.
            self.pacer.set_factor(1.0)

    def join(self, timeout: float | None = None) -> bool:
        """Wait for the run's thread; True if it is over. Raises what ended it, if anything."""
        if self._thread is None:
            return True
        self._thread.join(timeout)
        if self._thread.is_alive():
            return False
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        return True

    def stop(self) -> None:
        """End the run after the present scan."""
        self._stop.set()
        self.pacer.poke()

    def run(self, done: Callable[[], bool], last: float = inf) -> None:
        """Run in this thread until scan `last`, a condition, or `stop`."""
        self.pacer.restart(self.number * self.scan_period)
        with prompt_threads():
            while not self._stop.is_set() and not done():
                number = self._wait(int(min(self._look_ahead(), last)))
                if number:
                    self._scan(number)
        number = self.number
        for member in self.members:
            if member.scan_number < number:
                member.scan(number)
            member.shown.publish(number, member.time, force=True)

    def _look_ahead(self) -> int:
        """The scan to wait for."""
        number = self.number
        factor, following = self.pacer.factor, number + 1
        due = max(min(m.next_scan for m in self.members), following)
        if not isfinite(factor):
            return following if any(m.waiting for m in self.members) else due
        # Looking is pure: at a pace that a client can follow it sees fresh values.
        skip = floor(_LOOK_EVERY * factor / self.scan_period) if factor > 1 else 1
        return max(min(due, number + skip), following)

    def _wait(self, scan: int) -> int:
        """Wait for a scan's moment; the scan to be run now, 0 if there is none yet."""
        if self.pacer.wait_until(scan * self.scan_period):
            return scan
        if not any(m.waiting for m in self.members):
            return 0
        now, number = self.pacer.now_sim(), self.number
        reached = floor(now / self.scan_period) if isfinite(now) else 0
        if reached <= number:
            # The present slot is taken: the act is applied when the next one begins.
            reached = number + 1
            if not self.pacer.wait_until(reached * self.scan_period):
                return 0
        return min(reached, scan)

    def _scan(self, number: int) -> None:
        everybody = isfinite(self.pacer.factor) or len(self.members) == 1
        if not everybody:
            # What one plant did to another belongs to this scan, too.
            self.members[0].plant.advance(number * self.scan_period)
        self._reached, busy = number, False
        for member in self.members:
            wanted = member.next_scan <= number or member.waiting or member.plant.stirred
            # The leader sees at any pace what the others did in the scan in which they did it.
            if everybody or wanted or (busy and member is self.leader):
                member.scan(number)
                busy = busy or member.next_scan == number + 1
        if busy and self.leader is not None:
            self.leader.next_scan = number + 1

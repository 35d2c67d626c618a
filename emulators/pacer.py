"""The pacer: makes simulated time follow the wall clock, and says how well it did."""

from __future__ import annotations

import math
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Clock", "Lateness", "LatenessHistogram", "Pacer", "WallClock", "prompt_threads"]

FINE_SLEEP = 1e-3
"""The last stretch before a moment (s) is slept without listening for pokes: it is more exact."""


class Clock(Protocol):
    """Where the pacer gets its wall time from; tests bring their own."""

    def now(self) -> float:
        """A monotonic time, s."""
        ...

    def sleep(self, seconds: float) -> None:
        """Block for so long."""
        ...

    def wait(self, condition: threading.Condition, seconds: float | None) -> None:
        """Wait on a held condition, at most so long (None: for ever)."""
        ...


class WallClock:
    """The computer's monotonic clock."""

    def now(self) -> float:
        """A monotonic time, s."""
        return time.perf_counter()

    def sleep(self, seconds: float) -> None:
        """Block for so long."""
        time.sleep(seconds)

    def wait(self, condition: threading.Condition, seconds: float | None) -> None:
        """Wait on a held condition, at most so long (None: for ever)."""
        condition.wait(seconds)


@dataclass(frozen=True, slots=True)
class Lateness:
    """How late scans began on the wall clock, s, over the run."""

    count: int
    """Scans that were due at a wall-clock moment."""
    p50: float
    p99: float
    max: float
    overruns: int
    """Scans whose moment had passed before the work on earlier scans was done."""
    lost_scans: int
    """Scans that began after the whole of their time slot, or whose slots were given up."""


class LatenessHistogram:
    """Counts in logarithmic bins from 1 us to 1000 s, so that memory does not grow with a run."""

    LOW = 1e-6
    PER_DECADE = 40
    BINS = 9 * PER_DECADE

    def __init__(self) -> None:
        self.counts = [0] * (self.BINS + 1)
        self.count = 0
        self.max = 0.0

    def add(self, seconds: float) -> None:
        """Count one lateness."""
        self.count += 1
        self.max = max(self.max, seconds)
        place = 0
        if seconds > self.LOW:
            place = min(self.BINS, math.ceil(math.log10(seconds / self.LOW) * self.PER_DECADE))
        self.counts[place] += 1

    def quantile(self, fraction: float) -> float:
        """Upper edge of the bin with the quantile, at most 6 % above it; 0 if nothing counted."""
        due = fraction * self.count
        seen = 0
        for place, count in enumerate(self.counts):
            seen += count
            if count and seen >= due:
                return min(self.max, self.LOW * math.pow(10.0, place / self.PER_DECADE))
        return 0.0


class Pacer:
    """Ties simulated time to the wall clock for one emulation thread.

    Factor 1 is real time, N is N times as fast, 0 frozen, infinity as fast as possible. The
    thread asks `wait_until` before each scan; anybody may `poke` it, change the factor, or hold
    the clock with `step`. Moments are computed from an absolute anchor, so sleeping errors do not
    add up; a change of factor sets a new anchor. A thread that falls behind catches up, unless
    it is behind by more than `max_lag` wall seconds: then the anchor moves and the time is lost.
    """

    def __init__(
        self,
        factor: float = 1.0,
        *,
        scan_period: float = 0.05,
        max_lag: float = 1.0,
        clock: Clock | None = None,
    ) -> None:
        if not scan_period > 0 or not max_lag > 0:
            raise ValueError("scan_period and max_lag must be above 0 s")
        self.scan_period = scan_period
        self.max_lag = max_lag
        self._clock = clock or WallClock()
        self._condition = threading.Condition()
        self._factor = _checked(factor)
        self._anchor_wall = self._clock.now()
        self._anchor_sim = 0.0
        self._position = 0.0
        """The last simulated time that was let pass."""
        self._poked = False
        self._granted = False
        """A step was granted and the emulation thread has not yet been woken at its end."""
        self._blocked_at = -math.inf
        """Where the frozen clock stood when the emulation thread had nothing left to do."""
        self._histogram = LatenessHistogram()
        self._overruns = 0
        self._lost = 0

    @property
    def factor(self) -> float:
        """Simulated seconds per wall second."""
        return self._factor

    def wall(self) -> float:
        """Wall time, s since some moment: for what must not happen too often."""
        return self._clock.now()

    def now_sim(self) -> float:
        """Simulated time that the wall clock has reached, s; infinity as fast as possible.

        In lock-step it stands in the middle of the last scan granted.
        """
        with self._condition:
            return self._now()

    def _now(self) -> float:
        if math.isinf(self._factor):
            return math.inf
        if self._factor == 0.0:
            return self._anchor_sim
        return self._anchor_sim + (self._clock.now() - self._anchor_wall) * self._factor

    def wait_until(self, sim_time: float) -> bool:
        """Block until the wall moment of `sim_time` (s); True when it has come.

        False means woken before it (poked, factor changed, step granted): look at what was
        queued, run the scan of `now_sim` if there is cause, and ask again.
        """
        clock, condition = self._clock, self._condition
        with condition:
            self._catch_up(sim_time)
            while True:
                if self._poked:
                    self._poked = False
                    if self._now() < sim_time or math.isinf(self._factor):
                        return False
                if math.isinf(self._factor) or sim_time <= self._anchor_sim:
                    self._position = sim_time
                    return True
                if self._factor == 0.0:
                    if self._granted:
                        self._granted = False
                        return False
                    self._blocked_at = self._anchor_sim
                    condition.notify_all()
                    clock.wait(condition, None)
                    continue
                moment = self._moment(sim_time)
                remaining = moment - clock.now()
                if remaining <= FINE_SLEEP:
                    self._position = sim_time
                    break
                clock.wait(condition, min(remaining - FINE_SLEEP / 2, threading.TIMEOUT_MAX))
        if remaining > 0.0:
            clock.sleep(remaining)
        self._note(max(0.0, clock.now() - moment))
        return True

    def _moment(self, sim_time: float) -> float:
        return self._anchor_wall + (sim_time - self._anchor_sim) / self._factor

    def _catch_up(self, sim_time: float) -> None:
        """On arrival: note an overrun; give time up if the lag is beyond bounds."""
        if self._factor == 0.0 or math.isinf(self._factor) or sim_time <= self._anchor_sim:
            return
        lag = self._clock.now() - self._moment(sim_time)
        if lag > 0.0:
            self._overruns += 1
        if lag > self.max_lag:
            self._lost += int(lag * self._factor / self.scan_period)
            self._anchor_wall += lag

    def _note(self, late: float) -> None:
        with self._condition:
            self._histogram.add(late)
            if late * self._factor >= self.scan_period and not math.isinf(self._factor):
                self._lost += 1

    def poke(self) -> None:
        """Wake the emulation thread, now or at its next wait."""
        with self._condition:
            self._poked = True
            self._condition.notify_all()

    def set_factor(self, factor: float) -> None:
        """Change the speed from this moment on; `ValueError` if negative or NaN."""
        factor = _checked(factor)
        with self._condition:
            now = self._now()
            self._anchor(self._position if math.isinf(now) else now)
            self._factor = factor
            self._poked = True
            self._condition.notify_all()

    def restart(self, sim_time: float) -> None:
        """Let the present moment be `sim_time` (s): at the start, after a resume or backtrack."""
        with self._condition:
            self._position = sim_time
            self._anchor(sim_time)

    def _anchor(self, sim_time: float) -> None:
        self._anchor_sim = sim_time
        self._anchor_wall = self._clock.now()
        self._blocked_at = -math.inf

    def step(self, scans: int = 1, timeout: float | None = None) -> float:
        """Lock-step: freeze the clock, let `scans` more scans pass, return when they are done.

        Returns the simulated time of the last scan granted (s). Raises `ValueError` for less than
        one scan, `TimeoutError` if the emulation thread is not done within `timeout` wall seconds,
        `RuntimeError` if the clock was set running meanwhile. Not to be called on the emulation
        thread.
        """
        if scans < 1:
            raise ValueError(f"step takes 1 scan or more, not {scans}")
        with self._condition:
            now = self._now()
            # Scans are counted, never summed; mid-slot leaves no doubt which scan is meant.
            reached = self._position if math.isinf(now) else now
            last = math.floor(reached / self.scan_period + 1e-6)
            self._factor = 0.0
            self._anchor((last + scans + 0.5) * self.scan_period)
            target = self._anchor_sim
            self._granted = True
            self._condition.notify_all()
            done = self._condition.wait_for(
                lambda: self._blocked_at >= target or self._factor != 0.0, timeout
            )
            if not done:
                raise TimeoutError(f"{scans} scans were not done within {timeout} s")
            if self._blocked_at < target:
                raise RuntimeError("the clock was set running before the step was done")
        return (last + scans) * self.scan_period

    def lateness(self) -> Lateness:
        """The statistics so far."""
        with self._condition:
            h = self._histogram
            return Lateness(
                h.count, h.quantile(0.5), h.quantile(0.99), h.max, self._overruns, self._lost
            )


def _checked(factor: float) -> float:
    if not factor >= 0.0:
        raise ValueError(f"speed factor must be 0 (frozen) to inf (as fast as possible): {factor}")
    return float(factor)


@contextmanager
def prompt_threads(interval: float = 0.5e-3) -> Iterator[None]:
    """Let a waking thread wait at most `interval` (s) for busy Python code in another one.

    The interpreter's own value of 5 ms would be the lateness of a paced thread beside a busy one.
    """
    before = sys.getswitchinterval()
    sys.setswitchinterval(interval)
    try:
        yield
    finally:
        sys.setswitchinterval(before)

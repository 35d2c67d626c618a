"""Closed forms of continuous states: a value as a function of time since its last anchor.

Looking at a trajectory is pure, so looking more often changes no bit; only an event replaces
one by another. ``span`` bounds a trajectory over an interval, which lets the clock jump over
scans at which nothing can happen.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import exp, expm1, inf, log, log1p
from typing import Any, Protocol

import numpy as np

__all__ = ["Constant", "Growth", "Polyline", "Ramp", "Relaxation", "Steps", "Trajectory", "revive"]


class Trajectory(Protocol):
    """A state as a function of simulated time, valid until the next event."""

    def at(self, time: float) -> float:
        """The value at `time` (s)."""
        ...

    def span(self, start: float, end: float) -> tuple[float, float]:
        """The lowest and highest value within [start, end]."""
        ...


@dataclass(frozen=True, slots=True)
class Constant:
    """A value that no process moves."""

    value: float

    def at(self, time: float) -> float:  # noqa: ARG002, RUF100
        """The value."""
        return self.value

    def span(self, start: float, end: float) -> tuple[float, float]:  # noqa: ARG002, RUF100
        """The value, twice."""
        return self.value, self.value


@dataclass(frozen=True, slots=True)
class Ramp:
    """A straight line from `first` at `since`, with `rate` per second, held at `last`."""

    since: float
    first: float
    last: float
    rate: float

    def __post_init__(self) -> None:
        if not self.rate > 0:
            raise ValueError(f"rate must be above 0, not {self.rate}")

    def at(self, time: float) -> float:
        """The value at `time` (s)."""
        moved = self.rate * (time - self.since)
        if moved >= abs(self.last - self.first):
            return self.last
        return self.first + (moved if self.last > self.first else -moved)

    def span(self, start: float, end: float) -> tuple[float, float]:
        """The lowest and highest value within [start, end]."""
        a, b = self.at(start), self.at(end)
        return (a, b) if a < b else (b, a)

    def end(self) -> float:
        """The time at which `last` is reached."""
        return self.since + abs(self.last - self.first) / self.rate


@dataclass(frozen=True, slots=True)
class Growth:
    """A value that grows from `first` at `since` by `rate` per second, without end."""

    since: float
    first: float
    rate: float

    def at(self, time: float) -> float:
        """The value at `time` (s)."""
        return self.first + self.rate * (time - self.since)

    def span(self, start: float, end: float) -> tuple[float, float]:
        """The lowest and highest value within [start, end]."""
        a, b = self.at(start), self.at(end)
        return (a, b) if a < b else (b, a)


@dataclass(frozen=True, slots=True)
class Relaxation:
    """First-order approach of x to `target` with `tau`, seen through a first-order lag.

    x(t) = target + (first - target) exp(-t/tau). With ``lag > 0`` the value is y, where
    lag dy/dt = x - y and y starts at `reading`: a sensor behind its own response time.
    """

    since: float
    first: float
    target: float
    tau: float
    lag: float = 0.0
    reading: float = 0.0

    def __post_init__(self) -> None:
        if not self.tau > 0:
            raise ValueError(f"tau must be above 0, not {self.tau}")

    def source(self, time: float) -> float:
        """The value before the lag."""
        return self.target + (self.first - self.target) * exp((self.since - time) / self.tau)

    def at(self, time: float) -> float:
        """The value at `time` (s), behind the lag if there is one."""
        if self.lag <= 0:
            return self.source(time)
        passed, tau, lag = time - self.since, self.tau, self.lag
        behind, drive = self.reading - self.target, self.first - self.target
        rate = 1 / lag - 1 / tau
        if abs(rate * passed) > 1.0:
            slow = drive * tau / (tau - lag)
            return self.target + slow * exp(-passed / tau) + (behind - slow) * exp(-passed / lag)
        # The same where both time constants are near each other or little time has passed.
        grown = expm1(rate * passed) / rate if rate else passed
        return self.target + (behind + drive * grown / lag) * exp(-passed / lag)

    def span(self, start: float, end: float) -> tuple[float, float]:
        """The lowest and highest value within [start, end]."""
        a, b = self.at(start), self.at(end)
        low, high = (a, b) if a < b else (b, a)
        if self.lag > 0:
            turn = self._turn()
            if start < turn < end:
                peak = self.at(turn)
                low, high = min(low, peak), max(high, peak)
        return low, high

    def _turn(self) -> float:
        """When the value meets what it lags behind, which is where it turns; infinity if never."""
        drive = self.first - self.target
        if drive == 0:
            return inf
        share = (self.reading - self.target) / drive
        q = 1 - self.lag / self.tau
        if q == 0:
            return self.since + self.lag * (1 - share)
        if share * q >= 1:
            return inf
        return self.since + self.lag / q * (log1p(-share * q) - log1p(-q))

    def crossing(self, level: float) -> float:
        """The time at which the value before the lag crosses `level`; infinity if never."""
        here, there = self.first - self.target, level - self.target
        if here == there:
            return self.since
        if here * there <= 0 or abs(there) > abs(here):
            return inf
        return self.since + self.tau * log(here / there)


@dataclass(frozen=True, slots=True)
class Polyline:
    """Straight lines between points, held outside them."""

    times: tuple[float, ...]
    values: tuple[float, ...]

    def at(self, time: float) -> float:
        """The value at `time` (s)."""
        times, values = self.times, self.values
        i = bisect_right(times, time)
        if i == 0:
            return values[0]
        if i == len(times):
            return values[-1]
        share = (time - times[i - 1]) / (times[i] - times[i - 1])
        return values[i - 1] + share * (values[i] - values[i - 1])

    def span(self, start: float, end: float) -> tuple[float, float]:
        """The lowest and highest value within [start, end]."""
        first, last = bisect_right(self.times, start), bisect_left(self.times, end)
        inside = (*self.values[first:last], self.at(start), self.at(end))
        return min(inside), max(inside)


class Steps:
    """A value that holds from each time to the next, such as one per scan vector."""

    __slots__ = ("times", "values")

    def __init__(self, times: np.ndarray[Any, Any], values: np.ndarray[Any, Any]) -> None:
        self.times = times
        self.values = values

    def at(self, time: float) -> float:
        """The value at `time` (s); the first one before the first time."""
        return float(self.values[max(int(self.times.searchsorted(time, "right")) - 1, 0)])

    def span(self, start: float, end: float) -> tuple[float, float]:
        """The lowest and highest value within [start, end]."""
        first = max(int(self.times.searchsorted(start, "right")) - 1, 0)
        last = max(int(self.times.searchsorted(end, "right")), first + 1)
        part = self.values[first:last]
        return float(part.min()), float(part.max())


_STORABLE: tuple[type[Any], ...] = (Constant, Growth, Ramp, Relaxation, Polyline)
_KINDS = {kind.__name__: kind for kind in _STORABLE}


def store(trajectory: Trajectory) -> list[Any]:
    """A trajectory as plain data for a snapshot; `revive` is its inverse."""
    name = type(trajectory).__name__
    if name not in _KINDS:
        raise TypeError(f"a {name} trajectory cannot cross a snapshot")
    return [name, asdict(trajectory)]  # type: ignore[call-overload]


def revive(stored: Sequence[Any]) -> Trajectory:
    """A trajectory from what `store` made of it."""
    name, fields = stored
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
    made: Trajectory = _KINDS[name](**values)
    return made

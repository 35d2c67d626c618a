"""Which levels of melt-pool physics an exposure uses, and a solver that follows a beam live.

The solver runs in a worker beside the simulation. At each tick of a fixed simulated grid what the
beam did since the last tick is frozen and handed over; the result joins a fixed number of ticks
later, and simulated time waits for it if it is late. So a run is the same at any speed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from typing import Generic, NamedTuple, Protocol, TypeVar

import numpy as np

from twin.equipment.exposure import Floats, Ints, Track
from twin.materials import Alloy
from twin.meltpool import BeamPath, Laws, MeltPool, MeltPoolModel, PathModel

__all__ = [
    "LONGEST_TICK",
    "MAX_LAG",
    "InlineWorker",
    "LivePool",
    "LiveSession",
    "LiveSolver",
    "PoolModels",
    "Worker",
]

MAX_LAG = 20  # ticks
LONGEST_TICK = 0.05  # s


class LiveSession(Protocol):
    """A temperature field that follows one beam through time."""

    def advance(self, paths: BeamPath, until: float, samples: Floats, /) -> MeltPool:
        """Go on along the next piece of path up to a time (s); pools at times within it."""
        ...


class LiveSolver(Protocol):
    """A level of melt-pool physics that keeps a temperature field."""

    def session(
        self, alloy: Alloy, *, preheat: float, wavelength: float, powder_layer: float,
        origin: tuple[float, float], begin: float,
    ) -> LiveSession:
        """A new field at `preheat` (K) around `origin` (m) under a powder layer (m), at a time."""
        ...


T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Pending(Protocol[T_co]):
    """A result that may not be there yet."""

    def done(self) -> bool:
        """Whether it is there."""
        ...

    def result(self) -> T_co:
        """Wait for it."""
        ...


class Worker(Protocol):
    """Does one piece of work after the other, in the order they are handed in."""

    def submit(self, work: Callable[[], T], /) -> Pending[T]:
        """Take a piece of work."""
        ...


@dataclass(frozen=True, slots=True)
class _Done(Generic[T]):
    value: T

    def done(self) -> bool:
        return True

    def result(self) -> T:
        return self.value


class InlineWorker:
    """Does the work at once, while the simulation waits."""

    def submit(self, work: Callable[[], T], /) -> Pending[T]:
        """Do a piece of work."""
        return _Done(work())


@dataclass(frozen=True)
class PoolModels:
    """The levels of melt-pool physics in an exposure.

    All stretches of a layer get their steady pool when they are planned. With `paths` the pools
    come from the beams' timed paths, shortly before they are marked; with `solver` that of the
    first laser comes from a field that follows it. `paths` and `solver` are called when they are
    first needed. ValueError for a tick outside (0, 0.05] s or a lag outside 0 to 20 ticks.
    """

    steady: MeltPoolModel = field(default_factory=Laws)
    paths: Callable[[], PathModel] | None = None
    solver: Callable[[], LiveSolver] | None = None
    worker: Worker = field(default_factory=InlineWorker)
    tick: float = LONGEST_TICK
    """Simulated s between two hand-overs to the solver."""
    lag: int = 2
    """Ticks from a hand-over to the tick at which its result joins."""
    most_powder: float = inf
    """Powder layer (m) that the solver can take; a thicker one counts as that."""

    def __post_init__(self) -> None:
        if not 0.0 < self.tick <= LONGEST_TICK:
            raise ValueError(f"tick {self.tick!r} s: allowed above 0 to {LONGEST_TICK:g} s")
        if not 0 <= self.lag <= MAX_LAG:
            raise ValueError(f"lag {self.lag!r} ticks: allowed 0 to {MAX_LAG}")


class Joined(NamedTuple):
    """A result of the solver: stretches of the track and the pools of their samples."""

    stretch: Ints
    pool: MeltPool
    late: bool
    """Whether it was waited for, which is a matter of the wall clock."""


@dataclass(slots=True)
class _Field:
    """A session, once the worker has made it, and where and when it begins."""

    begin: float
    origin: tuple[float, float]
    preheat: float
    session: LiveSession | None = None


class LivePool:
    """The solver's side of an exposure: hands over what a beam did, takes back its pools."""

    WARMER = 20.0  # K: the field begins anew where the part's temperature differs by more

    def __init__(self, models: PoolModels) -> None:
        assert models.solver is not None
        self._solver, self._worker, self._lag = models.solver, models.worker, models.lag
        self._most_powder = models.most_powder
        self._since = 0.0
        self.reset()

    def reset(self) -> None:
        """A new layer, or none: what is still under way is of no interest any more."""
        self._pending: deque[tuple[Ints, Pending[MeltPool]] | None] = deque()
        self._field: _Field | None = None

    def resume(self, now: float) -> None:
        """Marking begins or goes on at `now` (s); the heat of what was before is gone."""
        self._since, self._field = now, None

    @property
    def waiting(self) -> bool:
        """Whether results have yet to join."""
        return any(self._pending)

    def hand_over(
        self, track: Track, until: float, alloy: Alloy, preheat: Floats, wavelength: float
    ) -> None:
        """Freeze what the beam did up to `until` (s) and have the field follow it.

        `preheat`: temperature (K) at each of the layer's vectors; a field begins with it.
        """
        since, self._since = self._since, until
        first, last = track.first_after(since), track.first_from(until)
        times, stretch = track.sample_times(first, last, since, until)
        if not len(times):
            self._pending.append(None)
            self._field = None
            return
        path = track.path(since, until)
        warm = float(preheat[track.vector[stretch[0]]])
        field = self._field
        if field is None or abs(field.preheat - warm) > self.WARMER:
            x, y = path.start[0]
            field = self._field = _Field(float(path.begin[0]), (float(x), float(y)), warm)
        powder = min(float(np.median(track.powder)) / alloy.powder_packing, self._most_powder)

        def work() -> MeltPool:
            if field.session is None:
                field.session = self._solver().session(
                    alloy, preheat=field.preheat, wavelength=wavelength, powder_layer=powder,
                    origin=field.origin, begin=field.begin)
            return field.session.advance(path, until, times)

        self._pending.append((stretch, self._worker.submit(work)))

    def join(self) -> Joined | None:
        """The result due at this tick, if there is one; waits for it."""
        if len(self._pending) <= self._lag:
            return None
        due = self._pending.popleft()
        if due is None:
            return None
        stretch, pending = due
        late = not pending.done()
        return Joined(stretch, pending.result(), late)

"""Melt-pool levels for tests of the loop: steady pools of the laws at every moment of a path."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from twin.equipment.live_pool import LiveSession
from twin.materials import Alloy
from twin.meltpool import INFRARED, BeamPath, Laws, MeltPool, Preheat


def steady(alloy: Alloy, path: BeamPath, times: npt.ArrayLike, preheat: float, wavelength: float,
           powder_layer: float) -> MeltPool:
    """Pools of the laws with the beam as it is at times (m,)."""
    beam = path.at(times)
    speed = np.maximum(np.hypot(*beam.velocity.T), 1e-3)
    return Laws().pools(alloy, beam.power, speed, beam.sigma, preheat, wavelength, powder_layer)


class SteadyAlong(Laws):
    """A path model without memory, which keeps what it was asked for."""

    __slots__ = ("asked",)

    def __init__(self) -> None:
        super().__init__()
        object.__setattr__(self, "asked", [])

    def along(
        self, alloy: Alloy, paths: Sequence[BeamPath], times: npt.ArrayLike, *,
        preheat: Preheat = 293.15, wavelength: float = INFRARED, powder_layer: float = 0.0,
        beam: int = 0,
    ) -> MeltPool:
        assert not callable(preheat)
        assert np.all(np.diff(times) > 0)
        self.asked.append((list(paths), np.asarray(times), beam))  # type: ignore[attr-defined]
        return steady(alloy, paths[beam], times, preheat, wavelength, powder_layer)


@dataclass
class SteadySolver:
    """A solver without memory; `wait` is called in the worker before each piece of work."""

    wait: Callable[[], None] = lambda: None
    log: list[tuple[str, float]] = field(default_factory=list)
    """What was asked: a session with its preheat, an advance with its end."""
    threads: set[str] = field(default_factory=set)

    def session(
        self, alloy: Alloy, *, preheat: float, wavelength: float, powder_layer: float,
        origin: tuple[float, float], begin: float,
    ) -> LiveSession:
        self.log.append(("session", preheat))
        return _Session(self, alloy, preheat, wavelength, powder_layer, begin)


@dataclass
class _Session:
    solver: SteadySolver
    alloy: Alloy
    preheat: float
    wavelength: float
    powder_layer: float
    reached: float

    def advance(self, paths: BeamPath, until: float, samples: npt.NDArray[np.float64]) -> MeltPool:
        self.solver.wait()
        self.solver.threads.add(threading.current_thread().name)
        self.solver.log.append(("advance", until))
        assert self.reached <= paths.begin[0] + 1e-9
        assert paths.begin[0] < samples[0] <= samples[-1] < until
        assert paths.end[-1] <= until
        self.reached = until
        return steady(self.alloy, paths, samples, self.preheat, self.wavelength, self.powder_layer)

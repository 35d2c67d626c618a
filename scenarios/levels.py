"""Levels of melt-pool physics for people's work: chosen by name, timed, with their inputs."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self, cast

import numpy as np
import numpy.typing as npt

from twin.materials import Alloy
from twin.meltpool import BeamPath, MeltPool, MeltPoolModel
from twin.meltpool.pool import INFRARED, Array

if TYPE_CHECKING:
    from twin.meltpool.solver import EnthalpySolver, SolverSession
    from twin.meltpool.sources import MovingSources

__all__ = [
    "LEVELS",
    "SLOWEST",
    "BadInputError",
    "Process",
    "Progress",
    "Span",
    "Spent",
    "along",
    "model",
    "table_over",
    "temperature",
    "warm_up",
]

LEVELS: Final = ("laws", "table", "sources", "solver")
SLOWEST: Final = 1e-4  # m/s; what a beam at rest counts as in a level that knows speeds only

Progress = Callable[[float], None]


class BadInputError(ValueError):
    """Something asked for that makes no sense; the message names it and what is allowed."""


@dataclass(slots=True)
class Spent:
    """Wall time (s): of the computation, and of imports and compilation beside it."""

    wall: float = 0.0
    compiling: float = 0.0

    @contextmanager
    def starting(self) -> Iterator[None]:
        """Count all of what is done as start-up."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.compiling += time.perf_counter() - began

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Count what is done as wall time, but compilation (or reading its cache) as start-up."""
        began, before = time.perf_counter(), self.compiling
        try:
            if "numba" in sys.modules:
                from numba.core.event import install_timer

                with install_timer("numba:compiler_lock", self._compiled):
                    yield
            else:
                yield
        finally:
            self.wall += time.perf_counter() - began - (self.compiling - before)

    def _compiled(self, seconds: float) -> None:
        self.compiling += seconds


def model(
    level: str, cell: float = 20e-6, table: Callable[[], MeltPoolModel] | None = None
) -> MeltPoolModel:
    """The level of that name; ``cell`` (m) is the solver's.

    ``table`` makes the table, which holds one alloy and a span: see `table_over`. A level is
    imported when it is asked for, the compiled ones take a while. BadInputError.
    """
    if level not in LEVELS:
        raise BadInputError(f"level must be {', '.join(LEVELS)}, not {level!r}")
    if not 2e-6 <= cell <= 200e-6:
        raise BadInputError(f"cell-um {cell * 1e6:g}: allowed 2 to 200 um")
    if level == "laws":
        from twin.meltpool import Laws

        return Laws()
    if level == "sources":
        from twin.meltpool.sources import MovingSources

        return MovingSources()
    if level == "solver":
        from twin.meltpool.solver import EnthalpySolver

        return EnthalpySolver(cell=cell)
    if table is None:
        raise BadInputError("level must be laws, sources or solver here, not 'table'")
    return table()


@dataclass(frozen=True, slots=True)
class Span:
    """Lowest and highest power (W), speed (m/s), sigma (m), preheat (K), powder (m) asked for."""

    power: tuple[float, float]
    speed: tuple[float, float]
    sigma: tuple[float, float]
    preheat: tuple[float, float]
    powder: tuple[float, float]

    @classmethod
    def over(cls, *values: npt.ArrayLike) -> Self:
        """The span of power, speed, sigma, preheat and powder, numbers or arrays."""
        arrays = [np.asarray(value, float) for value in values]
        return cls(*((float(a.min()), float(a.max())) for a in arrays))


@dataclass(frozen=True, slots=True)
class Process:
    """What a track is made with, SI units."""

    alloy: Alloy
    power: float
    speed: float
    sigma: float
    preheat: float
    powder_layer: float = 0.0
    wavelength: float = INFRARED

    def pools(self, level: MeltPoolModel, power: Any = None, speed: Any = None) -> MeltPool:
        """Steady pools, at other powers (W) or speeds (m/s) if they are given."""
        return level.pools(
            self.alloy, self.power if power is None else power,
            self.speed if speed is None else speed, self.sigma, self.preheat, self.wavelength,
            self.powder_layer,
        )


def warm_up(level: MeltPoolModel, process: Process) -> None:
    """Load and compile what a level needs, by a short track; a table was warmed when made."""
    if level.name != "table":
        path = BeamPath.line(1e-4, power=process.power or 100.0, speed=process.speed or 1.0,
                             sigma=process.sigma)
        along(level, process, path)(path.end)


def along(
    level: MeltPoolModel, process: Process, path: BeamPath
) -> Callable[[Array], MeltPool]:
    """What tells the pools at rising times (m,) along a beam's path, one block after the other.

    A level without history takes the beam's state at each time.
    """
    if level.name == "sources":
        return cast("MovingSources", level).superposed(
            process.alloy, [path], preheat=process.preheat, wavelength=process.wavelength,
            powder_layer=process.powder_layer,
        ).along
    if level.name == "solver":
        session = solver_session(cast("EnthalpySolver", level), process, path)
        ahead = [path]

        def march(times: Array) -> MeltPool:
            # The session keeps the path: after the first call there is nothing to add.
            piece = ahead.pop() if ahead else path.clipped(-2.0, -1.0)
            return session.advance(piece, float(times[-1]), times)

        return march

    def by_state(times: Array) -> MeltPool:
        state = path.at(times)
        speed = np.maximum(np.hypot(state.velocity[:, 0], state.velocity[:, 1]), SLOWEST)
        return level.pools(process.alloy, state.power, speed, state.sigma, process.preheat,
                           process.wavelength, process.powder_layer)

    return by_state


def temperature(
    level: MeltPoolModel, process: Process, path: BeamPath, moment: float
) -> Callable[[Array], Array] | None:
    """What tells temperatures (K) at points (m, 3) in m at one time (s); None without a field."""
    if level.name == "sources":
        heat = cast("MovingSources", level).superposed(
            process.alloy, [path], preheat=process.preheat, wavelength=process.wavelength,
            powder_layer=process.powder_layer,
        )
        return lambda points: heat.at_points(moment, points)
    if level.name == "solver":
        session = solver_session(cast("EnthalpySolver", level), process, path)
        session.advance(path, moment)
        return session.temperature
    return None


def solver_session(level: EnthalpySolver, process: Process, path: BeamPath) -> SolverSession:
    """A fresh field of the solver where and when a path begins."""
    x, y = path.start[0]
    return level.session(
        process.alloy, preheat=process.preheat, wavelength=process.wavelength,
        powder_layer=process.powder_layer, origin=(float(x), float(y)), begin=float(path.begin[0]),
    )


def table_over(process: Process, span: Span, progress: Progress) -> MeltPoolModel:
    """A table of `sources` over a span, from the cache or computed; its errors go to stderr."""
    from plc_interfaces.home import home
    from twin.meltpool.sources import MovingSources
    from twin.meltpool.table import Ranges, table_for

    ranges = Ranges(span.power, span.speed, span.sigma, span.preheat, span.powder)
    table = table_for(process.alloy, MovingSources(), ranges, home() / "meltpool", progress,
                      wavelength=process.wavelength)
    print(table.describe(), file=sys.stderr)
    return table

"""The melt-pool physics of a run: what each level needs, loaded and worked beside the run."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, fields
from math import ceil
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from emulators.recipes.pbf_lb import Recipe
from plc_interfaces.home import home
from twin.equipment.live_pool import LONGEST_TICK, MAX_LAG, PoolModels
from twin.materials import Alloy, alloy
from twin.meltpool import INFRARED, BeamPath, MeltPool
from twin.meltpool.pool import POWDER_CELLS

if TYPE_CHECKING:
    from twin.equipment.live_pool import LiveSolver
    from twin.meltpool import MeltPoolModel, PathModel
    from twin.meltpool.table import ResponseTable

__all__ = ["LEVELS", "MeltPools", "melt_pools"]

USUAL_LAG = 0.1  # s
LEVELS = ("laws", "table", "sources", "solver")

T = TypeVar("T")


class _Later(Generic[T]):
    """Something that takes a while to load, in a thread of its own from `begin` or first use."""

    def __init__(self, load: Callable[[], T]) -> None:
        self._load = load
        self._lock = threading.Lock()
        self._future: Future[T] | None = None

    def begin(self) -> Future[T]:
        with self._lock:
            if self._future is None:
                self._future = Future()
                threading.Thread(target=self._run, args=(self._future,), name="warm-up").start()
            return self._future

    def _run(self, future: Future[T]) -> None:
        try:
            future.set_result(self._load())
        except BaseException as error:  # raised again in whoever asks for it
            future.set_exception(error)

    def get(self) -> T:
        return self.begin().result()


@dataclass(frozen=True)
class MeltPools:
    """The levels for a machine, and what to do about them."""

    models: PoolModels
    notes: tuple[str, ...] = ()
    about: dict[str, Any] = field(default_factory=dict)
    """For run.json."""
    _later: tuple[_Later[Any], ...] = ()

    def warm(self) -> None:
        """Begin to load compiled kernels in the background; without it, it is done when needed."""
        for part in self._later:
            part.begin()


def _fits(recipe: Recipe, cell: float) -> None:
    """ValueError if the solver could not resolve the recipe's spots with that cell (m)."""
    sets = (recipe.hatch, recipe.contour, recipe.support, recipe.upskin, recipe.downskin)
    spot = min(each.spot_d4sigma for each in sets if each is not None)
    most = spot / 2.0
    if cell > most:
        raise ValueError(f"melt_pool_cell_um must be at most {most * 1e6:g}, half of the smallest "
                         f"spot of {recipe.name}, not {cell * 1e6:g}")
    if recipe.layer_thickness > POWDER_CELLS * cell:
        least = recipe.layer_thickness / POWDER_CELLS
        raise ValueError(f"melt_pool_cell_um must be at least {least * 1e6:g} for layers of "
                         f"{recipe.layer_thickness * 1e6:g} um, not {cell * 1e6:g}")


def _track() -> BeamPath:
    """A short one, for a first call that compiles."""
    return BeamPath.line(2e-4, power=200.0, speed=1.0, sigma=25e-6)


def melt_pools(
    level: str,
    recipe: Recipe,
    *,
    lasers: int,
    cell: float,
    lag: int | None,
    scan_period: float,
    progress: Callable[[float], None] = lambda share: None,
) -> MeltPools:
    """What a run at `level` (of `LEVELS`) uses; `cell` (m) and `lag` (ticks) are the solver's.

    Without a `lag` results join `USUAL_LAG` s later: room for a solver that is slow for a moment.

    Only what the level needs is imported. A table is computed now, or read from the user's folder;
    `progress` gets the share that is done.
    """
    if level == "laws":
        return MeltPools(PoolModels())
    metal = alloy(recipe.alloy)
    if level == "table":
        return _table(recipe, metal, progress)
    sources = _Later(lambda: _sources(metal))
    worker = ThreadPoolExecutor(1, "melt-pool")
    if level == "sources":
        return MeltPools(PoolModels(paths=sources.get, worker=worker), _later=(sources,))
    _fits(recipe, cell)
    solver = _Later(lambda: _solver(metal, cell))
    others = lasers > 1
    tick = min(scan_period, LONGEST_TICK)
    models = PoolModels(
        paths=sources.get if others else None,
        solver=solver.get,
        worker=worker,
        tick=tick,
        lag=min(max(2, ceil(USUAL_LAG / tick)), MAX_LAG) if lag is None else lag,
        most_powder=POWDER_CELLS * cell / metal.powder_packing,
    )
    return MeltPools(models, _later=(solver, sources) if others else (solver,))


def _sources(metal: Alloy) -> PathModel:
    from twin.meltpool.sources import MovingSources

    model = MovingSources()
    model.along(metal, [_track()], [1e-4])
    return model


def _solver(metal: Alloy, cell: float) -> LiveSolver:
    from twin.meltpool.solver import EnthalpySolver

    solver = EnthalpySolver(cell=cell)
    path = _track()
    session = solver.session(metal, powder_layer=40e-6)
    session.advance(path, float(path.end[-1]), path.end / 2)
    return solver


class _Within:
    """Steady pools from a table; what a client sets outside it comes from the model itself."""

    name = "table"

    def __init__(self, table: ResponseTable, model: MeltPoolModel) -> None:
        self._table, self._model = table, model

    def pools(
        self,
        alloy: Alloy,
        power: npt.ArrayLike,
        speed: npt.ArrayLike,
        sigma: npt.ArrayLike,
        preheat: npt.ArrayLike,
        wavelength: npt.ArrayLike = INFRARED,
        powder_layer: npt.ArrayLike = 0.0,
    ) -> MeltPool:
        """See `MeltPoolModel.pools`."""
        given = np.broadcast_arrays(
            *(np.atleast_1d(np.asarray(a, float)) for a in (power, speed, sigma, preheat)),
            powder_layer,
        )
        held = given[0] == 0.0
        ranges = self._table.ranges
        limits = (ranges.power, ranges.speed, ranges.sigma, ranges.preheat, ranges.powder)
        held |= np.logical_and.reduce(
            [(v >= low) & (v <= high) for v, (low, high) in zip(given, limits, strict=True)]
        )

        def some(model: MeltPoolModel, which: npt.NDArray[np.bool_]) -> MeltPool:
            p, v, s, t, d = (values[which] for values in given)
            return model.pools(alloy, p, v, s, t, wavelength, d)

        if held.all():
            return some(self._table, held)
        near, far = some(self._table, held), some(self._model, ~held)
        merged = {}
        for part in fields(MeltPool):
            values = np.empty(len(held), getattr(near, part.name).dtype)
            values[held], values[~held] = getattr(near, part.name), getattr(far, part.name)
            merged[part.name] = values
        return MeltPool(**merged)


def _table(recipe: Recipe, metal: Alloy, progress: Callable[[float], None]) -> MeltPools:
    from twin.meltpool.sources import MovingSources
    from twin.meltpool.table import ranges_for, table_for

    sets = [recipe.hatch, recipe.contour, recipe.support, recipe.upskin, recipe.downskin]
    used = [each for each in sets if each is not None]
    ranges = ranges_for(
        power=[each.power for each in used],
        speed=[each.speed for each in used],
        sigma=[each.spot_d4sigma / 4 for each in used],
        preheat=recipe.temperature.preheat,
        powder=recipe.layer_thickness / metal.powder_packing,
    )
    model = MovingSources()
    table = table_for(
        metal, model, ranges, home() / "meltpool", progress, wavelength=recipe.wavelength
    )
    about = {
        "source": table.source,
        "nodes": table.nodes,
        "held_out": table.held_out,
        "mode_agreement": table.mode_agreement,
        "errors": {
            name: dict(zip(("median", "p95", "worst"), row, strict=True))
            for name, row in table.errors.items()
        },
    }
    return MeltPools(
        PoolModels(steady=_Within(table, model)),
        tuple(table.describe().splitlines()),
        {"melt_pool_table": about},
    )

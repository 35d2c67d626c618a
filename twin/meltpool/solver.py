"""Level 3: enthalpy on nested grids that travel with the beam, by explicit finite volumes.

Heat conduction with properties over temperature, latent heat, powder that melts for good,
evaporation and radiation. The finest grid holds the pool, each coarser one is twice as wide and
steps a quarter as often; what flows across an interface is taken from one side and given to the
other. Melt flow is not computed. Three closures stand for it, the same for all alloys unless
named in the alloy's data:

- metal is not heated above boiling: the rest of the beam goes deeper, which drills a keyhole as
  deep as conduction to its sides allows (as in Lankalapalli et al. 1996);
- absorption grows from that of the flat surface to that of a deep keyhole with its aspect ratio;
- in a keyhole a share of the heat is carried up and spread at the surface (`Alloy.upwelling`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import hypot
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.ndimage import map_coordinates

from twin.materials import STEFAN_BOLTZMANN, Alloy
from twin.meltpool import _stencil as stencil
from twin.meltpool.laws import (
    POWDER_DEPTH,
    POWDER_SCATTER,
    POWDER_TRAPPING,
    UNFITTED_SCATTER,
    Laws,
    within,
)
from twin.meltpool.path import BeamPath
from twin.meltpool.pool import INFRARED, POWDER_CELLS, Array, MeltPool, Mode, Preheat

__all__ = ["Energy", "EnthalpySolver", "SolverSession"]

Floats32 = npt.NDArray[np.float32]

SAFETY: Final = 0.96  # of the largest stable time step
# The outermost grid's cells along x, y, z; the others' buffers in cells.
WINDOW: Final = (40, 40, 10)
BUFFER: Final = 200_000  # with cells of 10 um or more; finer ones need more of them
COARSEST: Final = 150e-6  # m: cells are doubled until they are at least that wide
# Closures common to all alloys. The first was fitted to AM-Bench 2018-02 AMMT, the others
# together with `Alloy.upwelling` to AM-Bench 2018-02 CBM and 2022-03 (cases 0 and 1.1), Trapp et
# al. 2017 and Cunningham et al. 2019.
NARROWING: Final = 0.86  # heated spot over beam: the hot middle takes more
ONSET: Final = 0.18  # keyhole depth over beam diameter from which reflected light is caught again
GROWTH: Final = 0.75  # how fast absorption then grows with that aspect ratio
SPREAD: Final = 1.45  # width over beam of the heat that is carried up
TRAIL: Final = 8e-5  # s: so far behind the beam it comes up
RELAXATION: Final = 0.2  # share of the keyhole's depth renewed in 2.4 us
# Keyhole depth over beam diameter from which a pool is called transition and keyhole: default.
TRANSITION_ASPECT: Final = 0.25
KEYHOLE_ASPECT: Final = 1.0
NEAR: Final = 8.0  # sigma: molten metal farther from a beam is another one's pool
SCATTER: Final = np.array([0.0, 0.10, 0.20, 0.15])
# Added in quadrature, times the square of cell over spot: widths of tracks with cells of 10 to
# 40 um.
CELL_SCATTER: Final = 1.4
FUMING: Final = 3e6  # W/m2: a surface that loses more is looked at more often
COOLING_STEP: Final = 100.0  # K below the solidus over which the cooling rate is taken


class Energy(NamedTuple):
    """Where a session's heat is (J): absorbed = stored + evaporated + left."""

    absorbed: float
    stored: float
    evaporated: float
    left: float


@dataclass(frozen=True)
class _Metal:
    """What the loops need of an alloy, counted from one preheat."""

    vector: Floats32
    temperature: Array
    enthalpy: Array
    losses: Floats32
    per: float
    diffusivity: float
    """Largest slope of potential over enthalpy (m2/s): it limits the time step."""

    def potential_at(self, temperature: float) -> float:
        enthalpy = np.interp(temperature, self.temperature, self.enthalpy)
        return float(stencil.potential(np.float32(enthalpy), tuple(self.vector[:7])))

    def temperature_at(self, enthalpy: npt.ArrayLike) -> Array:
        found: Array = np.interp(np.asarray(enthalpy, float), self.enthalpy, self.temperature)
        return found


@lru_cache(maxsize=16)
def _metal(alloy: Alloy, preheat: float) -> _Metal:
    top = alloy.density.high
    t = np.unique(np.concatenate([np.linspace(preheat, top, 6001),
                                  [alloy.solidus, alloy.liquidus, alloy.boiling]]))
    u = alloy.enthalpy(t) - alloy.enthalpy(preheat)
    k = alloy.conductivity(t)
    q = np.concatenate([[0.0], np.cumsum(0.5 * (k[1:] + k[:-1]) * np.diff(t))])
    us, ul, ub = (float(np.interp(x, t, u)) for x in (alloy.solidus, alloy.liquidus, alloy.boiling))
    qs, ql, qb = (float(np.interp(x, t, q)) for x in (alloy.solidus, alloy.liquidus, alloy.boiling))
    # A cubic through both ends; least squares between.
    solid = t <= alloy.solidus
    x = u[solid] / us
    matrix = np.stack([x - x**3, x**2 - x**3], axis=1)
    c1, c2 = np.linalg.lstsq(matrix, q[solid] - qs * x**3, rcond=None)[0]
    c3 = qs - c1 - c2
    slope = (c1 + 2 * c2 * x + 3 * c3 * x**2) / us
    if slope.min() <= 0.0:
        raise ValueError(f"{alloy.name}: conductivity over enthalpy is too crooked for a cubic")
    mushy, liquid = (ql - qs) / (ul - us), (qb - ql) / (ub - ul)
    vector = np.zeros(9, np.float32)
    grid = np.linspace(0.0, 1.3 * ub, 1301)
    hot = np.interp(grid, u, t)
    losses = alloy.evaporation_flux(hot) * alloy.latent_vapour
    losses += alloy.emissivity * STEFAN_BOLTZMANN * (hot**4 - preheat**4)
    fumes = max(float(np.interp(FUMING, losses, grid)), us)
    vector[:] = (us, ul, c1 / us, c2 / us**2, c3 / us**3, mushy, liquid, ub, fumes)
    return _Metal(vector, t, u, losses.astype(np.float32), 1.0 / float(grid[1]),
                  max(float(slope.max()), mushy, liquid))


class SolverSession:
    """One temperature field being advanced; made by `EnthalpySolver.session`.

    ``advance`` may be called from any one thread; its loops release the interpreter. Steps are
    counted from its beginning.
    """

    def __init__(self, solver: EnthalpySolver, alloy: Alloy, preheat: float, wavelength: float,
                 powder_layer: float, sintering: float, origin: tuple[float, float],
                 begin: float) -> None:
        self.alloy, self.preheat, self.begin = alloy, preheat, begin
        self._wavelength, self._powder_layer = wavelength, powder_layer
        self.cell = solver.cell
        self._metal = _metal(alloy, preheat)
        metal = self._metal
        levels = 1 + max(0, int(np.ceil(np.log2(COARSEST / self.cell))))
        self.time_step = SAFETY * self.cell**2 / (6.0 * metal.diffusivity)
        sizes = self.cell * 2.0 ** np.arange(levels - 1, -1, -1)
        flat = float(alloy.absorptivity(wavelength))
        trapped = POWDER_TRAPPING * -float(np.expm1(-powder_layer / POWDER_DEPTH))
        self._closure = np.array([
            flat, alloy.keyhole_absorptivity, GROWTH, ONSET, alloy.upwelling, SPREAD, NARROWING,
            1.0 - (1.0 - RELAXATION) ** (self.time_step / 2.4e-6), TRAIL,
            flat + (1.0 - flat) * trapped])
        # Powder counts as the thickness of metal that it is.
        thick = powder_layer * alloy.powder_packing
        if thick > POWDER_CELLS * self.cell:
            most = POWDER_CELLS * self.cell / alloy.powder_packing
            raise ValueError(f"powder_layer {powder_layer:g} m: allowed 0 to {most:.2g} m "
                             f"with cells of {self.cell:g} m")
        planes = np.ceil(thick / sizes - 1e-9).astype(np.int64)
        self._powder = np.where(planes > 0, planes + 1, 0)
        ratio = alloy.bed_conductivity(sintering) / float(alloy.conductivity(alloy.solidus))
        depth = sizes[:, None] * np.arange(max(int(self._powder.max()), 1))
        share = np.clip((thick - depth) / sizes[:, None], 0.0, 1.0)
        self._virgin = (1.0 - share + share * ratio).astype(np.float32)
        grids = np.zeros((levels, stencil.GRID_COLUMNS), np.int64)
        grids[0, :3] = WINDOW
        for level in range(1, levels):
            grids[level, :3] = 16, 16, max(8, 2 * ((int(self._powder[level]) + 3) // 2))
        self._grids = grids
        room = max(int(BUFFER * max(1.0, 10e-6 / self.cell) ** 2),
                   (WINDOW[0] + 2) * (WINDOW[1] + 2) * (WINDOW[2] + 1))
        shape = 2, levels, room
        powdered = (2, levels, room if thick > 0.0 else 1)
        self._buffers: tuple[Floats32, Floats32, Floats32] = (
            np.empty(shape, np.float32), np.empty(shape, np.float32),
            np.empty(powdered, np.float32))  # each grid is filled when it gets its place
        self._which = np.zeros((levels, 2), np.int64)
        self._ledger = np.zeros(4)
        self._weights = np.zeros((4, 4096))
        # Cooler grids need not follow what is hardly warm.
        self._thresholds = np.array(
            [metal.vector[stencil.SOLIDUS] * (0.85 if level == levels - 1 else 0.5)
             for level in range(levels)], np.float32)
        self._scratch = np.empty((2, 2048)), np.empty(room, np.uint8), np.empty(room, np.int64)
        self._found = np.zeros(5)
        self._steps = 0
        self._beams = np.zeros((0, stencil.BEAM_COLUMNS))
        self._pieces: list[list[BeamPath]] = []
        stencil.settle(*self._buffers, self._which, self._grids, self._powder, self._virgin,
                       self.cell, origin[0], origin[1], metal.vector, self._ledger)
        self._ledger[:] = 0.0
        self._tail = metal.potential_at(alloy.solidus)
        # An etched section shows what was wholly liquid.
        self._rim = metal.potential_at(alloy.liquidus)
        self._cooled = metal.potential_at(alloy.solidus - COOLING_STEP)

    @property
    def time(self) -> float:
        """Time reached (s)."""
        return self.begin + self._steps * self.time_step

    @property
    def energy(self) -> Energy:
        """The heat balance so far."""
        stored = float(stencil.content(self._buffers[0], self._which, self._grids, self.cell))
        absorbed, evaporated, left, _ = (float(x) for x in self._ledger)
        return Energy(absorbed, stored, evaporated, left)

    def advance(
        self, paths: BeamPath | Sequence[BeamPath], until: float, samples: npt.ArrayLike = (),
        beam: int = 0,
    ) -> MeltPool:
        """Let the beams go along these further pieces of their paths, up to ``until`` (s).

        Returns the pools of ``beam`` at the rising times ``samples`` (m,) between the time
        reached before and ``until``. ValueError if a piece begins in the past, or if beams are
        farther apart than the window is wide; a call that is refused for its arguments has
        changed nothing.
        """
        pieces = [paths] if isinstance(paths, BeamPath) else list(paths)
        kept = self._pieces or [[] for _ in pieces]
        if len(pieces) != len(kept) or not pieces:
            raise ValueError(f"{len(pieces)} beams: allowed {len(kept) or 'one or more'}")
        if not 0 <= beam < len(pieces):
            raise ValueError(f"beam {beam}: allowed 0 to {len(pieces) - 1}")
        if until < self.time - self.time_step:
            raise ValueError(f"until {until:g} s: the field is at {self.time:g} s")
        times = np.atleast_1d(np.asarray(samples, float))
        _check_times(times, self.time, until)
        for piece in pieces:
            if len(piece) and piece.begin[0] < self.time - self.time_step:
                raise ValueError(f"path begins at {piece.begin[0]:g} s: the field is at "
                                 f"{self.time:g} s")
        grown = [_grown(old, new) for old, new in zip(kept, pieces, strict=True)]
        whole = [BeamPath.joined(parts) if parts else None for parts in grown]
        segments = np.concatenate([_segments(path, self.begin) for path in whole])
        if not self._pieces:
            self._beams = np.zeros((len(pieces), stencil.BEAM_COLUMNS))
            self._beams[:, stencil.ABSORPTIVITY] = self._closure[stencil.FLAT]
        # The last stretch before now may fall into the next step, and until another one begins
        # the pool is that of the last.
        now = self.time - 2.0 * self.time_step
        self._pieces = [[part for n, part in enumerate(parts)
                         if n + 1 == len(parts) or parts[n + 1].begin[0] > now]
                        for parts in grown]
        first = np.cumsum([0, *(0 if path is None else len(path) for path in whole)])
        cursor = first[:-1].astype(np.int64)
        rows = np.zeros((len(times), 7))
        own = segments[first[beam]:first[beam + 1]]
        for row, time in zip(rows, times, strict=True):
            self._run(float(time), segments, first, cursor)
            row[:] = self._measure(own, beam, float(time))
        self._run(until, segments, first, cursor)
        return self._pool(rows, own, times)

    def _run(self, until: float, segments: Array, first: npt.NDArray[np.int64],
             cursor: npt.NDArray[np.int64]) -> None:
        last = int(np.floor((until - self.begin) / self.time_step + 1e-9))
        if last <= self._steps:
            return
        metal = self._metal
        stencil.advance(*self._buffers, self._which, self._grids, self._powder, self._virgin,
                        self.cell, self._steps, last - self._steps, self.time_step,
                        metal.vector, metal.losses, metal.per, segments, first, cursor,
                        self._beams, self._closure, self._thresholds, self._ledger,
                        self._weights)
        self._steps = last
        if self._ledger[stencil.MISSED] > 0.0:
            reach = 0.4 * WINDOW[0] * self.cell * 2 ** (len(self._grids) - 1)
            raise ValueError(f"beams apart: allowed up to {reach * 1e3:.2g} mm from the first one "
                             f"that is on, with cells of {self.cell:g} m")

    def _measure(self, segments: Array, beam: int, time: float) -> tuple[float, ...]:
        """Pool of the beam with these segments: sizes, peak, cooling rate, mode, absorptivity."""
        since = time - self.begin
        index = int(np.searchsorted(segments[:, 0], since, side="left")) - 1
        if index < 0:
            return (0.0, 0.0, 0.0, self.preheat, 0.0, float(Mode.NONE), 0.0)
        # Where the beam is off, the pool is what is left of that of the segment before.
        begin, end, x0, y0, x1, y1, power, sigma = (float(v) for v in segments[index])
        lit = since <= end and power > 0.0
        share = min((since - begin) / (end - begin), 1.0)
        length = hypot(x1 - x0, y1 - y0)
        ex, ey = ((x1 - x0) / length, (y1 - y0) / length) if length > 0.0 else (1.0, 0.0)
        near = max(NEAR * sigma, 4.0 * self.cell) if lit else np.inf
        out = self._found
        stencil.measure(*self._buffers, self._which, self._grids, self._powder, self.cell,
                        x0 + share * (x1 - x0), y0 + share * (y1 - y0), ex, ey, near, self._tail,
                        self._rim, self._cooled, self._scratch, out)
        mode, peak, cooling = Mode.NONE, self.preheat, 0.0
        if out[0] > 0.0:
            aspect = float(self._beams[beam, stencil.DEPTH]) / (2.0 * sigma)
            mode = Mode.CONDUCTION
            if lit and aspect > TRANSITION_ASPECT:
                mode = Mode.KEYHOLE if aspect > KEYHOLE_ASPECT else Mode.TRANSITION
            peak = float(self._metal.temperature_at(out[3]))
            if lit and out[4] > 0.0:
                cooling = COOLING_STEP * length / (end - begin) / float(out[4])
        absorbed = float(self._beams[beam, stencil.ABSORPTIVITY]) if lit else 0.0
        return float(out[0]), float(out[1]), float(out[2]), peak, cooling, float(mode), absorbed

    def _pool(self, rows: Array, segments: Array, times: Array) -> MeltPool:
        length, width, depth, peak, cooling, mode, absorbed = rows.T.copy()
        modes = mode.astype(np.uint8)
        extra = UNFITTED_SCATTER**2 * self.alloy.is_default("upwelling")
        extra += POWDER_SCATTER**2 * (self._powder_layer > 0.0)
        spot = 4.0 * segments[:, 7].min() if len(segments) else 1.0
        extra += (CELL_SCATTER * (self.cell / spot) ** 2) ** 2
        scatter = np.where(modes > 0, np.sqrt(SCATTER[modes] ** 2 + extra), 0.0)
        return MeltPool(length=length, width=width, depth=depth, peak_temperature=peak,
                        cooling_rate=cooling, mode=modes, absorptivity=absorbed,
                        normalised_enthalpy=self._normalised_enthalpy(segments, times),
                        uncertainty=scatter)

    def _normalised_enthalpy(self, segments: Array, times: Array) -> Array:
        """That of King et al. 2014 where the beam moves, else 0, as in `Laws.pools`."""
        since = times - self.begin
        index = np.searchsorted(segments[:, 0], since, side="left") - 1
        result = np.zeros(len(times))
        lit = (index >= 0) & (since <= segments[np.maximum(index, 0), 1]) if len(segments) else (
            np.zeros(len(times), bool))
        begin, end, x0, y0, x1, y1, power, sigma = segments[index[lit]].T
        speed = np.hypot(x1 - x0, y1 - y0) / (end - begin)
        rho, cp, k = (float(v) for v in self.alloy.solid_means(self.preheat))
        spread = np.sqrt(np.pi * k / (rho * cp) * speed * (2.0 * sigma) ** 3)
        rise = rho * cp * (self.alloy.solidus - self.preheat)
        heat = self._closure[stencil.BEDDED] * power / rise
        result[lit] = np.divide(heat, spread, out=np.zeros_like(heat), where=spread > 0.0)
        return result

    def temperature(self, points: npt.ArrayLike) -> Array:
        """Temperature (K) at points (n, 3), x, y and depth in m; the preheat outside the window.

        Trilinear in the finest grid that holds the point; above the topmost cell centres the
        value there holds.
        """
        at = np.atleast_2d(np.asarray(points, float))
        result = np.full(len(at), self.preheat)
        for level, (nx, ny, nz, ox, oy) in enumerate(self._grids):
            size = self.cell * 2.0 ** (len(self._grids) - 1 - level)
            u = self._buffers[0][int(self._which[level, 0]), level]
            field = u[: (nx + 2) * (ny + 2) * nz].reshape(nz, ny + 2, nx + 2)[:, 1:-1, 1:-1]
            place = at / size - np.array([ox, oy, 0.0]) - 0.5
            place[:, 2] = np.maximum(place[:, 2], 0.0)
            inside = np.all((place >= 0.0) & (place <= np.array([nx, ny, nz]) - 1.0), axis=1)
            if inside.any():
                kelvin = self._metal.temperature_at(field)
                result[inside] = map_coordinates(kelvin, place[inside, ::-1].T, order=1)
        return result

    def state(self) -> dict[str, Any]:
        """Everything that `restore` needs to go on from here."""
        return {
            "steps": self._steps, "which": self._which.copy(), "grids": self._grids.copy(),
            "ledger": self._ledger.copy(), "beams": self._beams.copy(),
            "pieces": [list(kept) for kept in self._pieces],
            "buffers": [kind[:, :, : self._used(kind)].copy() for kind in self._buffers],
            "of": (self.alloy.name, self.preheat, self.cell, self._powder_layer, self._wavelength),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a `state`; ValueError if it is not of such a session."""
        of = (self.alloy.name, self.preheat, self.cell, self._powder_layer, self._wavelength)
        if state["of"] != of:
            raise ValueError(f"state of {state['of']}: this session is of {of}")
        self._steps = state["steps"]
        self._beams = state["beams"].copy()
        self._pieces = [list(kept) for kept in state["pieces"]]
        for mine, kept in ((self._which, state["which"]), (self._grids, state["grids"]),
                           (self._ledger, state["ledger"])):
            mine[:] = kept
        for kind, stored in zip(self._buffers, state["buffers"], strict=True):
            kind[:, :, : stored.shape[2]] = stored

    def _used(self, kind: Floats32) -> int:
        """Cells of a buffer that any grid uses."""
        cells = np.prod(self._grids[:, :2] + 2, axis=1) * (self._grids[:, 2] + 1)
        return min(int(cells.max()), int(kind.shape[2]))


def _grown(kept: list[BeamPath], piece: BeamPath) -> list[BeamPath]:
    """Pieces with one more; ValueError if it begins before the last one ends."""
    if not len(piece):
        return list(kept)
    if kept and piece.begin[0] < kept[-1].end[-1]:
        raise ValueError(f"path begins at {piece.begin[0]:g} s: the piece before ends at "
                         f"{kept[-1].end[-1]:g} s")
    return [*kept, piece]


def _check_times(times: Array, now: float, until: float) -> None:
    if len(times) and not bool(
        np.all(np.diff(times) >= 0.0) and times[0] >= now - 1e-12 and times[-1] <= until + 1e-12
    ):
        raise ValueError(f"sample times must rise from {now:g} to {until:g} s")


def _segments(path: BeamPath | None, begin: float) -> Array:
    if path is None:
        return np.zeros((0, 8))
    return np.column_stack([path.begin - begin, path.end - begin, path.start, path.stop,
                            path.power, path.sigma])


@dataclass(frozen=True, slots=True)
class EnthalpySolver:
    """Enthalpy level of `PathModel`; ``cell`` is the width of the finest cells (m)."""

    cell: float = 20e-6
    name: str = field(default="solver", init=False)

    def __post_init__(self) -> None:
        if not 2e-6 <= self.cell <= 2e-4:
            raise ValueError(f"cell {self.cell:g} m: allowed 2e-06 to 0.0002 m")

    def session(
        self,
        alloy: Alloy,
        *,
        preheat: float = 293.15,
        wavelength: float = INFRARED,
        powder_layer: float = 0.0,
        sintering: float = 0.0,
        origin: tuple[float, float] = (0.0, 0.0),
        begin: float = 0.0,
    ) -> SolverSession:
        """A fresh field at ``preheat`` (K), around ``origin`` (m), at time ``begin`` (s).

        ``powder_layer`` (m) of loose (``sintering`` 0) to sintered (1) powder covers it.
        """
        within("preheat", preheat, 250.0, alloy.solidus - 50.0, "K")
        within("powder_layer", powder_layer, 0.0, 5e-3, "m")
        return SolverSession(
            self, alloy, preheat, wavelength, powder_layer, sintering, origin, begin)

    def along(
        self,
        alloy: Alloy,
        paths: Sequence[BeamPath],
        times: npt.ArrayLike,
        *,
        preheat: Preheat = 293.15,
        wavelength: float = INFRARED,
        powder_layer: float = 0.0,
        beam: int = 0,
    ) -> MeltPool:
        """Pools of ``beam`` at rising ``times`` (m,), see `PathModel.along`.

        The field begins cold with the earliest beam; of a preheat that varies the value where
        ``beam`` begins is taken. Beams must stay within one window of the coarsest grid.
        """
        at = np.atleast_1d(np.asarray(times, float))
        if not len(paths) or not 0 <= beam < len(paths):
            raise ValueError(f"beam {beam} of {len(paths)} paths: allowed one or more paths, and "
                             f"0 to their number less one")
        if not len(paths[beam]) or not len(at):
            raise ValueError("path, times: allowed one or more segments, and times")
        origin = paths[beam].start[0]
        level = float(preheat(origin[None])[0]) if callable(preheat) else float(preheat)
        begin = min([float(path.begin[0]) for path in paths if len(path)] + [float(at[0])])
        session = self.session(
            alloy, preheat=level, wavelength=wavelength, powder_layer=powder_layer,
            origin=(float(origin[0]), float(origin[1])), begin=begin)
        return session.advance(paths, float(at[-1]), at, beam)

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
        """Pools at the end of straight tracks long enough to be steady, see `MeltPoolModel`.

        Equal rows are computed once; milliseconds to seconds each.
        """
        rows = np.column_stack([
            np.ravel(a) for a in np.broadcast_arrays(
                *(np.asarray(a, float)
                  for a in (power, speed, sigma, preheat, wavelength, powder_layer)))])
        unique, back = np.unique(rows, axis=0, return_inverse=True)
        found = [self._steady(alloy, *(float(v) for v in row)) for row in unique]
        back = back.ravel()
        return MeltPool(*(np.concatenate([getattr(p, f) for p in found])[back]
                          for f in MeltPool.__slots__))

    def _steady(self, alloy: Alloy, power: float, speed: float, sigma: float, preheat: float,
                wavelength: float, powder_layer: float) -> MeltPool:
        guess = Laws().pools(alloy, power, speed, sigma, preheat, wavelength, powder_layer)
        length = 1.5 * float(guess.length[0]) + 20.0 * sigma + 10.0 * self.cell
        path = BeamPath.line(length, power=power, speed=speed, sigma=sigma)
        return self.along(alloy, [path], path.end, preheat=preheat, wavelength=wavelength,
                          powder_layer=powder_layer)

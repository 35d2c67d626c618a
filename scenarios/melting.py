"""What `amtwin meltpool` computes: pools of a point, a path, a process window and a real layer."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from scenarios.levels import (
    SLOWEST,
    BadInputError,
    Process,
    Progress,
    Span,
    Spent,
    along,
    temperature,
)
from twin.materials import alloy
from twin.meltpool import BeamPath, MeltPool, MeltPoolModel, Mode
from twin.meltpool.defects import balling_index, keyhole_pore_rate, lack_of_fusion
from twin.meltpool.pool import Array

if TYPE_CHECKING:
    from emulators.recipes.pbf_lb import Recipe
    from twin.parts import Layer

__all__ = [
    "BALLING_LIMIT", "PORE_LIMIT", "LayerPools", "ProcessMap", "Section", "TrackPools",
    "layer_pools", "layer_row", "path_from_file", "path_section", "pool_row", "process_map",
    "recipe_points", "recipe_process", "recipe_rows", "sample_rows", "spanned",
    "steady_section", "track_pools", "verdict", "window",
]

BALLING_LIMIT: Final = 3.7
"""Pool length over pi widths that bare-plate tracks of AM-Bench still reach without balling."""
BLOCK_TIME: Final = 0.3
"""Wall time (s) that a block of work between two steps of a progress bar shall take."""
PORE_LIMIT: Final = 1.0
"""Keyhole pores per metre of track from which on a track counts as porous."""


@dataclass(frozen=True)
class Section:
    """Temperature (K) about a beam that moves along +x; distances from the beam in m.

    ``top`` (nx, ny) is the surface, ``side`` (nx, nz) the plane through the track; ``z`` counts
    downwards.
    """

    x: Array
    y: Array
    z: Array
    top: Array
    side: Array


@dataclass(frozen=True)
class ProcessMap:
    """Pools over ``power`` (m,) in W and ``speed`` (n,) in m/s; the arrays are (m, n)."""

    power: Array
    speed: Array
    mode: npt.NDArray[np.uint8]
    fusion: Array
    """Tang's criterion: full fusion at 1 or below."""
    pores: Array
    """Keyhole pores per metre of track."""
    balling: Array
    """Pool length over pi times width."""

    @property
    def sound(self) -> npt.NDArray[np.bool_]:
        """Where no limit is passed."""
        return (self.fusion <= 1.0) & (self.pores < PORE_LIMIT) & (self.balling < BALLING_LIMIT)

    def shares(self) -> dict[str, float]:
        """Shares of the map: each mode, what each limit takes, and what is sound."""
        parts = {
            **{mode.name.lower(): self.mode == mode for mode in Mode},
            "lack_of_fusion": self.fusion > 1.0,
            "keyhole_pores": self.pores >= PORE_LIMIT,
            "balling": self.balling >= BALLING_LIMIT,
            "sound": self.sound,
        }
        return {f"{name}_share": round(float(part.mean()), 4) for name, part in parts.items()}


def pool_row(pool: MeltPool, index: int, speed: float) -> dict[str, Any]:
    """One pool in engineering units, for JSON and tables; ``speed`` in m/s."""
    length = float(pool.length[index])
    return {
        "length_um": round(length * 1e6, 2),
        "width_um": round(float(pool.width[index]) * 1e6, 2),
        "depth_um": round(float(pool.depth[index]) * 1e6, 2),
        "peak_k": round(float(pool.peak_temperature[index]), 1),
        "cooling_rate_k_s": float(f"{pool.cooling_rate[index]:.6g}"),
        "mode": Mode(pool.mode[index]).name.lower(),
        "absorptivity": round(float(pool.absorptivity[index]), 4),
        "uncertainty": round(float(pool.uncertainty[index]), 3),
        "normalised_enthalpy": round(float(pool.normalised_enthalpy[index]), 3),
        # The liquid's passage over a point of the track: only of a beam that moves.
        "time_above_melting_ms": round(length / speed * 1e3, 4) if speed > SLOWEST else None,
    }


def _each(of: Callable[[Any], Any], pools: Sequence[MeltPool]) -> MeltPool:
    """A pool of what a function makes of the pools' arrays, field by field."""
    return MeltPool(**{f.name: of([getattr(p, f.name) for p in pools]) for f in fields(MeltPool)})


def _median_pool(pool: MeltPool, chosen: npt.NDArray[np.intp]) -> MeltPool:
    """The pool of medians over some of n pools, as a pool of shape (1,)."""
    middle = len(chosen) // 2
    # The upper of two in the middle: a mode half-way between two is none.
    return _each(lambda arrays: np.sort(arrays[0][chosen])[middle : middle + 1], [pool])


@dataclass(frozen=True, slots=True)
class TrackPools:
    """Pools (m,) along a path at ``times`` (m,), and the settled one: medians, shape (1,)."""

    path: BeamPath
    times: Array
    pool: MeltPool
    settled: MeltPool
    speed: float
    """Speed (m/s) of the settled pool."""
    shown: int
    """Sample to draw: lit, and late enough to be settled."""
    physical: float
    """Time (s) from the first light to the last."""


def _answered(
    level: MeltPoolModel, process: Process, path: BeamPath, times: Array, progress: Progress,
    spent: Spent,
) -> MeltPool:
    """Pools at all times, in blocks that take about a third of a second: progress is seen."""
    pools, done, size = [], 0, max(1, len(times) // 20)
    with spent.computing():
        answer = along(level, process, path)
    while done < len(times):
        before = spent.wall
        with spent.computing():
            pools.append(answer(times[done : done + size]))
        done = min(done + size, len(times))
        progress(done / len(times))
        # Each call has a cost of its own, so quick ones are joined.
        size = max(1, min(round(size * BLOCK_TIME / max(spent.wall - before, 1e-6)), 100 * size))
    return _each(np.concatenate, pools)


def track_pools(
    level: MeltPoolModel, process: Process, path: BeamPath, samples: int, progress: Progress,
    spent: Spent,
) -> TrackPools:
    """Pools at ``samples`` times spread evenly over a path.

    The settled pool is the median over the second half of the samples with light.
    """
    if not 2 <= samples <= 100_000:
        raise BadInputError(f"samples {samples}: allowed 2 to 100000")
    begin, end = float(path.begin[0]), float(path.end[-1])
    times = begin + (end - begin) * (np.arange(samples) + 1.0) / samples
    pool = _answered(level, process, path, times, progress, spent)
    state = path.at(times)
    lit = np.flatnonzero(state.power > 0.0)
    if not len(lit):
        raise BadInputError("path: the beam is never on at a sampled time; take more --samples")
    late = lit[len(lit) // 2 :]
    speeds = np.hypot(state.velocity[late, 0], state.velocity[late, 1])
    # The section to draw: the last sample well inside its vector, where the pool has its length.
    inside = np.minimum(times[late] - path.begin[state.segment[late]],
                        path.end[state.segment[late]] - times[late])
    shown = int(late[len(late) - 1 - int(np.argmax(inside[::-1] >= 0.5 * inside.max()))])
    return TrackPools(path, times, pool, _median_pool(pool, late), float(np.median(speeds)), shown,
                      end - begin)


def sample_rows(found: TrackPools) -> list[dict[str, Any]]:
    """Every sample of a path in engineering units: when, where, with what power, and the pool."""
    state = found.path.at(found.times)
    speed = np.hypot(state.velocity[:, 0], state.velocity[:, 1])
    return [
        {
            "time_ms": round(float(moment) * 1e3, 5),
            "x_mm": round(float(state.position[i, 0]) * 1e3, 5),
            "y_mm": round(float(state.position[i, 1]) * 1e3, 5),
            "power_w": float(state.power[i]),
            **pool_row(found.pool, i, float(speed[i])),
        }
        for i, moment in enumerate(found.times)
    ]


# Columns of a path file: unit and allowed range.
_COLUMNS: Final = {
    "x_mm": (-1e4, 1e4), "y_mm": (-1e4, 1e4), "power_w": (0.0, 1e5), "speed_mm_s": (1.0, 1e6),
    "dwell_ms": (1e-4, 1e5),
}


def path_from_file(file: Path, sigma: float) -> BeamPath:
    """The path in a CSV file with columns x_mm, y_mm, power_w, and speed_mm_s or dwell_ms or both.

    A row with a dwell is a spot at (x, y). A row with a speed is a straight line from the place of
    the row before; power 0 makes it a jump. The first row without a dwell is where the path begins;
    its power and speed do not count. BadInputError names file, row (the header is row 1) and field.
    """
    try:
        with file.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            header = [name.strip() for name in reader.fieldnames or ()]
            reader.fieldnames = header
            rows = [(reader.line_num, row) for row in reader]
    except OSError as error:
        raise BadInputError(f"path {file}: cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadInputError(f"path {file}: is not a CSV file: {error}") from None
    missing = [name for name in ("x_mm", "y_mm", "power_w") if name not in header]
    if missing or not {"speed_mm_s", "dwell_ms"} & set(header):
        raise BadInputError(
            f"path {file}: row 1: columns must be x_mm, y_mm, power_w and speed_mm_s or dwell_ms, "
            f"not {', '.join(header)}"
        )
    lit: list[tuple[float, float, tuple[float, float], tuple[float, float], float]] = []
    clock, place = 0.0, None
    for number, row in rows:
        where = f"path {file}: row {number}"
        if None in row:
            raise BadInputError(f"{where}: more cells than columns")
        x, y = _cell(row, "x_mm", where) * 1e-3, _cell(row, "y_mm", where) * 1e-3
        if (row.get("dwell_ms") or "").strip():
            lasts, begin = _cell(row, "dwell_ms", where) * 1e-3, (x, y)
        elif place is None:
            place = (x, y)
            continue
        else:
            begin = place
            way = float(np.hypot(x - begin[0], y - begin[1]))
            if way == 0.0:
                raise BadInputError(f"{where}: x_mm, y_mm are those of the row before; allowed: "
                                    "another place, or a dwell_ms")
            lasts = way / (_cell(row, "speed_mm_s", where) * 1e-3)
        power = _cell(row, "power_w", where)
        if power > 0.0:
            lit.append((clock, clock + lasts, begin, (x, y), power))
        clock, place = clock + lasts, (x, y)
    if not lit:
        raise BadInputError(f"path {file}: no row with power_w above 0")
    begins, ends, starts, stops, powers = (np.array(column, float) for column in zip(*lit,
                                                                                   strict=True))
    return BeamPath(begins, ends, starts, stops, powers, np.full(len(lit), sigma))


def _cell(row: dict[str, Any], name: str, where: str) -> float:
    low, high = _COLUMNS[name]
    text = str(row.get(name) or "").strip()
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise BadInputError(f"{where}: {name} {text or 'missing'}: allowed {low:g} to {high:g}")
    return value


def window(text: str, name: str, points: int, factor: float = 1.0) -> Array:
    """``points`` values over a range LOW:HIGH, times a factor; BadInputError."""
    low, colon, high = text.partition(":")
    try:
        ends = float(low), float(high)
    except ValueError:
        ends = (0.0, 0.0)
    if not colon or not 0.0 < ends[0] < ends[1] < 1e7:
        raise BadInputError(f"{name} takes LOW:HIGH above 0 with LOW below HIGH, not {text!r}")
    if not 2 <= points <= 500:
        raise BadInputError(f"points {points}: allowed 2 to 500")
    return np.linspace(*ends, points) * factor


def process_map(
    level: MeltPoolModel, process: Process, power: Array, speed: Array, hatch: float, layer: float,
    progress: Progress, spent: Spent,
) -> tuple[ProcessMap, list[MeltPool]]:
    """Steady pools over powers (m,) and speeds (n,), one `MeltPool` (n,) per power, and the map."""
    rows = []
    for done, watts in enumerate(power, start=1):
        with spent.computing():
            rows.append(process.pools(level, watts, speed))
        progress(done / len(power))
    found = ProcessMap(
        power, speed,
        mode=np.stack([p.mode for p in rows]),
        fusion=np.stack([lack_of_fusion(p.width, p.depth, hatch, layer).criterion for p in rows]),
        pores=np.stack([keyhole_pore_rate(p, process.sigma) for p in rows]),
        balling=np.stack([balling_index(p) for p in rows]),
    )
    return found, rows


def recipe_points(recipe: Recipe) -> dict[str, tuple[float, float, float]]:
    """Power (W), speed (m/s) and sigma (m) of each kind of scan vector in a recipe."""
    sets = {name: getattr(recipe, name)
            for name in ("hatch", "contour", "upskin", "downskin", "support")}
    return {name: (s.power, s.speed, s.spot_d4sigma / 4.0) for name, s in sets.items() if s}


def spanned(
    process: Process, power: npt.ArrayLike, speed: npt.ArrayLike,
    points: dict[str, tuple[float, float, float]],
) -> Span:
    """What is asked for: powers (W), speeds (m/s) with the process's spot, and `recipe_points`."""
    rows = np.array(list(points.values())).reshape(-1, 3)
    return Span.over(
        np.append(power, rows[:, 0]), np.append(speed, rows[:, 1]),
        np.append(process.sigma, rows[:, 2]), process.preheat, process.powder_layer,
    )


def recipe_rows(
    level: MeltPoolModel, process: Process, points: dict[str, tuple[float, float, float]],
    hatch: float, layer: float,
) -> list[dict[str, Any]]:
    """What each kind of scan vector of a recipe does, with its own spot: sizes and verdict."""
    rows = []
    for name, (power, speed, sigma) in points.items():
        pool = replace(process, power=power, speed=speed, sigma=sigma).pools(level)
        fusion = lack_of_fusion(pool.width, pool.depth, hatch, layer).criterion[0]
        # A contour or a support wall stands alone: it has no neighbour to overlap with.
        alone = name in ("contour", "support")
        sizes = pool_row(pool, 0, speed)
        kept = ("length_um", "width_um", "depth_um", "mode", "absorptivity")
        rows.append({
            "vectors": name, "power_w": round(power, 3), "speed_mm_s": round(speed * 1e3, 3),
            "d4sigma_um": round(sigma * 4e6, 3), **{key: sizes[key] for key in kept},
            "fusion": None if alone or np.isinf(fusion) else round(float(fusion), 3),
            "verdict": verdict(0.0 if alone else float(fusion),
                               float(keyhole_pore_rate(pool, sigma)[0]),
                               float(balling_index(pool)[0])),
        })
    return rows


def verdict(criterion: float, pores: float, balling: float) -> str:
    """What is wrong with a track, in words; ``sound`` if no limit is passed."""
    wrong = {"lack of fusion": criterion > 1.0, "keyhole pores": pores >= PORE_LIMIT,
             "balling": balling >= BALLING_LIMIT}
    return ", ".join(name for name, so in wrong.items() if so) or "sound"


@dataclass(frozen=True, slots=True)
class LayerPools:
    """Pools (m,) of the pieces of a layer's vectors; start, stop (m, 2) and length (m,) in m."""

    layer: Layer
    layers: int
    """Layers of the whole part."""
    process: Process
    start: Array
    stop: Array
    pool: MeltPool
    unfused: float
    """Share of the layer that no track melts."""
    duration: float
    """Time (s) the machine takes to mark the layer, recoating left out."""
    length: Array


def recipe_process(recipe: Recipe, preheat: float | None = None) -> Process:
    """The hatch of a recipe, on its powder, at its or another preheat (K)."""
    metal = alloy(recipe.alloy)
    return Process(
        metal, recipe.hatch.power, recipe.hatch.speed, recipe.hatch.spot_d4sigma / 4.0,
        recipe.temperature.preheat if preheat is None else preheat,
        recipe.layer_thickness / metal.powder_packing, recipe.wavelength,
    )


def layer_pools(
    level: MeltPoolModel, process: Process, part: str, number: int, recipe: Recipe, every: float,
    unit: str | None, supports: bool, progress: Progress, spent: Spent,
) -> LayerPools:
    """Pools along all vectors of layer ``number`` (from 1), in pieces of ``every`` (m)."""
    from emulators.part_files import is_layers, load_parts
    from emulators.programs import build_program, cli_program
    from twin.parts import Role

    if not 10e-6 <= every <= 0.1:
        raise BadInputError(f"every-um {every * 1e6:g}: allowed 10 to 100000 um")
    program = (
        cli_program(part, recipe)
        if is_layers(part)
        else build_program(load_parts([part], unit), recipe, supports=supports)
    )
    job = program.job
    if not 1 <= number <= len(job.plan):
        raise BadInputError(f"layer {number}: allowed 1 to {len(job.plan)}")
    layer = job.plan.layer(number - 1)
    start, stop = layer.start, layer.end
    marked = np.hypot(*(stop - start).T) > 0.0
    if not marked.any():
        raise BadInputError(f"layer {number} of {part}: there is nothing to mark")
    sets = np.ones((len(Role), 3))
    for role, factor in job.sets.items():
        sets[role] = factor.power, factor.speed, factor.spot
    factors = sets[layer.role[marked]]
    path = BeamPath.vectors(
        start[marked], stop[marked],
        power=factors[:, 0] * recipe.hatch.power, speed=factors[:, 1] * recipe.hatch.speed,
        sigma=factors[:, 2] * job.sigma, jump_speed=job.jump_speed,
        delay=job.laser_delay + job.mark_delay,
    )
    count = np.ceil(path.length / every).astype(np.intp)
    vector = np.repeat(np.arange(len(path)), count)
    piece = np.arange(len(vector)) - np.repeat(np.cumsum(count) - count, count)
    first, last = piece / count[vector], (piece + 1) / count[vector]
    times = path.begin[vector] + 0.5 * (first + last) * (path.end - path.begin)[vector]
    pool = _answered(level, process, path, times, progress, spent)
    step = (path.stop - path.start)[vector]
    length = (path.length / count)[vector]
    # Tracks of the hatch lie a hatch spacing apart; contours and supports stand alone.
    filled = np.isin(layer.role[marked], (Role.HATCH, Role.UPSKIN, Role.DOWNSKIN))[vector]
    fraction = lack_of_fusion(pool.width, pool.depth, job.hatch_spacing, layer.thickness).fraction
    unfused = float(np.average(fraction[filled], weights=length[filled])) if filled.any() else 0.0
    return LayerPools(
        layer, len(job.plan), process, path.start[vector] + first[:, None] * step,
        path.start[vector] + last[:, None] * step, pool, unfused, float(path.end[-1]), length,
    )


def layer_row(found: LayerPools) -> dict[str, Any]:
    """A layer in numbers: percentiles by length of track, shares of modes, times."""
    pool, melted = found.pool, found.pool.mode != Mode.NONE
    row: dict[str, Any] = {
        "vectors": len(found.layer.start), "pools": len(pool),
        "z_mm": round(found.layer.z * 1e3, 4),
        "track_mm": round(float(found.length.sum()) * 1e3, 3),
    }
    for name in ("length", "width", "depth"):
        values = getattr(pool, name)[melted] * 1e6
        for share in (5, 50, 95) if melted.any() else ():
            row[f"{name}_p{share}_um"] = round(float(np.quantile(
                values, share / 100, weights=found.length[melted], method="inverted_cdf")), 2)
    for mode in Mode:
        part = found.length[pool.mode == mode].sum() / found.length.sum()
        row[f"{mode.name.lower()}_share"] = round(float(part), 4)
    return {**row, "unfused_share": round(found.unfused, 6),
            "physical_s": round(found.duration, 4)}


def steady_section(level: MeltPoolModel, process: Process, pool: MeltPool) -> Section | None:
    """Temperatures about a settled pool, for a level that has a field.

    The field is that at the end of a track long enough to settle.
    """
    length = max(4.0 * float(pool.length[0]), 40.0 * process.sigma)
    path = BeamPath.line(length, power=process.power, speed=process.speed, sigma=process.sigma)
    return _section(level, process, path, float(path.end[-1]), pool, 0)


def path_section(level: MeltPoolModel, process: Process, found: TrackPools) -> Section | None:
    """Temperatures about the beam at the sample to draw, for a level that has a field."""
    return _section(level, process, found.path, float(found.times[found.shown]), found.pool,
                    found.shown)


def _section(
    level: MeltPoolModel, process: Process, path: BeamPath, moment: float, pool: MeltPool,
    index: int,
) -> Section | None:
    """Temperatures about a beam on its way at one time (s), as far as a pool reaches and more."""
    field = temperature(level, process, path, moment)
    if field is None:
        return None
    length, width, depth = (float(getattr(pool, name)[index])
                            for name in ("length", "width", "depth"))
    spot = 4.0 * process.sigma
    x = np.linspace(-1.1 * length - spot, 0.5 * width + 1.5 * spot, 420)
    y = np.linspace(-1.0, 1.0, 161) * (0.75 * width + 0.5 * spot)
    z = np.linspace(0.0, 1.25 * depth + 0.5 * spot, 141)
    state = path.at(moment)
    (ux, uy), speed = state.velocity[0], float(np.hypot(*state.velocity[0]))
    # A beam at rest has no direction: along x.
    along = np.array([ux, uy]) / speed if speed > 0.0 else np.array([1.0, 0.0])
    across = np.array([-along[1], along[0]])

    def at(sideways: Array, down: Array) -> Array:
        """Temperatures (nx, n) where x meets places to the side or below."""
        flat = state.position[0] + x[:, None, None] * along + sideways[:, None] * across
        deep = np.broadcast_to(down[:, None], (len(x), len(down), 1))
        points = np.concatenate([flat, deep], axis=2).reshape(-1, 3)
        return field(points).reshape(len(x), -1)

    return Section(x, y, z, at(y, np.zeros_like(y)), at(np.zeros_like(z), z))

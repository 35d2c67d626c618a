"""A response surface of melt pools, computed once from a slower level and read in microseconds.

The table holds one alloy and wavelength over power, speed, spot, preheat and powder. Power is
counted between the regime limits: 0 where the solidus is reached, 1 where the vapour depression
begins (`DEPRESSION_RATIO`), the logarithm beyond. So the sharp changes of a pool lie at the same
place for every speed and spot. Along power the interpolation is monotone (Fritsch and Carlson
1980, doi 10.1137/0717021, with the slopes of Fritsch and Butland 1984, doi 10.1137/0905021),
along the other four axes linear. Intervals are halved where the model between them is missed.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.ndimage import maximum_filter, minimum_filter

from twin.materials import Alloy, Curve
from twin.meltpool import eagar_tsai
from twin.meltpool.laws import DEPRESSION_RATIO, KEYHOLE_RATIO
from twin.meltpool.path import BeamPath
from twin.meltpool.pool import INFRARED, Array, MeltPool, MeltPoolModel, Preheat
from twin.meltpool.table_surface import COLUMNS, QUANTITIES, SIZES, Rest, Scale, Surface

__all__ = ["Ranges", "ResponseTable", "ranges_for", "table_for"]

UNITS: Final = {"power": "W", "speed": "m/s", "sigma": "m", "preheat": "K", "powder": "m"}
STEP: Final = 0.02  # width of the interval at which a regime may jump
NARROWEST: Final = 0.15  # interval of the other axes that is not halved, a factor of 1.16
CHUNK: Final = 512
SEED: Final = 20_240_229

Progress = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Ranges:
    """Lowest and highest power (W), speed (m/s), sigma (m), preheat (K) and powder (m)."""

    power: tuple[float, float]
    speed: tuple[float, float]
    sigma: tuple[float, float]
    preheat: tuple[float, float]
    powder: tuple[float, float]

    def __post_init__(self) -> None:
        for name, unit in UNITS.items():
            low, high = getattr(self, name)
            least = 0.0 if name == "powder" else 1e-9
            if not least <= low <= high < 1e6:
                raise ValueError(f"table {name} {low:g} to {high:g} {unit}: allowed rising, "
                                 f"{'0 or more' if name == 'powder' else 'above 0'}")


def ranges_for(
    power: npt.ArrayLike,
    speed: npt.ArrayLike,
    sigma: npt.ArrayLike,
    preheat: npt.ArrayLike,
    powder: npt.ArrayLike,
) -> Ranges:
    """Ranges around a recipe: its values (any shape, one per kind of vector), SI units.

    0.05 to 2.3 times the power: a window that lets a tenth through, a source that drifts by half,
    a calibration off by half. A quarter to twice the speed, 0.9 to 4 times the spot (focus off by
    four Rayleigh lengths), from 290 K or the preheat to 600 K above it (heat in the part), no
    powder to three times its depth (what a short feed leaves to the next layer). All default.
    """
    p, v, s, t, d = (np.atleast_1d(np.asarray(a, float))
                     for a in (power, speed, sigma, preheat, powder))
    return Ranges(
        (0.05 * float(p.min()), 2.3 * float(p.max())),
        (0.25 * float(v.min()), 2.0 * float(v.max())),
        (0.9 * float(s.min()), 4.0 * float(s.max())),
        (min(290.0, float(t.min())), float(t.max()) + 600.0),
        (0.0, 3.0 * float(d.max())),
    )


@dataclass(frozen=True, eq=False)
class ResponseTable:
    """Level of `MeltPoolModel` read from a table; made by `table_for`."""

    alloy: Alloy
    wavelength: float
    ranges: Ranges
    surface: Surface
    errors: dict[str, tuple[float, float, float]]
    """Median, 95th percentile and worst relative error of each quantity at held-out points."""
    source: str
    """Level it was computed from."""
    held_out: int
    """Held-out points."""
    mode_agreement: float
    """Share of them with the right mode."""
    own_scatter: float
    """Root mean square error of width and depth, which the stated uncertainty includes."""
    name: str = "table"

    @property
    def nodes(self) -> int:
        """Pools that were computed for the table."""
        return int(np.count_nonzero(np.isfinite(self.surface.values[0])))

    def describe(self) -> str:
        """Ranges, size and errors, for printing."""
        lines = [f"response table of {self.source}, {self.alloy.name}, "
                 f"{self.wavelength * 1e9:g} nm: {self.nodes} pools on "
                 + " x ".join(str(len(a)) for a in self.surface.axes)]
        for name, unit in UNITS.items():
            low, high = getattr(self.ranges, name)
            lines.append(f"  {name:<20}{low:>10.4g} to {high:.4g} {unit}")
        lines.append(f"error at {self.held_out} held-out points: median, 95 %, worst")
        for name, row in self.errors.items():
            lines.append(f"  {name:<20}" + "".join(f"{100 * e:>9.2f} %" for e in row))
        lines.append(f"  {'mode':<20}{100 * self.mode_agreement:>9.2f} % agree")
        return "\n".join(lines)

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
        """Steady pools, see `MeltPoolModel.pools`; arguments broadcast to (n,), SI units.

        ValueError if alloy, wavelength or a value is not in the table; where the power is 0 the
        other values do not matter. The stated uncertainty is the model's and the table's.
        """
        if alloy is not self.alloy and _figures(alloy) != _figures(self.alloy):
            raise ValueError(f"alloy {alloy.name}: the table holds {self.alloy.name}")
        if not bool(np.all(np.asarray(wavelength) == self.wavelength)):
            raise ValueError(f"wavelength {np.ravel(wavelength)[0]:g} m: the table holds "
                             f"{self.wavelength:g} m")
        given = np.broadcast_arrays(*(np.atleast_1d(np.asarray(a, float)) for a in (
            power, speed, sigma, preheat, powder_layer)))
        lit = given[0] != 0.0
        for (name, unit), value in zip(UNITS.items(), given, strict=True):
            low, high = getattr(self.ranges, name)
            # Rounding may carry a value that stands on a limit over it.
            bad = lit & ~((value >= low * (1 - 1e-9)) & (value <= high * (1 + 1e-9)))
            if bad.any():
                raise ValueError(f"{name} {value[bad].flat[0]:g} {unit}: the table holds {low:g} "
                                 f"to {high:g} {unit}")
        p, v, s, t, d = (np.ascontiguousarray(a.ravel()) for a in given)
        pool = self.surface.read(p, (v, s, t, d))
        scatter = np.hypot(pool.uncertainty, self.own_scatter)
        return replace(pool, uncertainty=np.where(pool.width > 0.0, scatter, 0.0))

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
        """The steady pools of a beam's state at times (m,) in s; the past plays no part.

        ValueError as from `pools`; a beam at rest is refused for its speed.
        """
        if not 0 <= beam < len(paths):
            raise ValueError(f"beam {beam}: allowed 0 to {len(paths) - 1}")
        state = paths[beam].at(times)
        start = preheat(state.position) if callable(preheat) else preheat
        speed = np.hypot(state.velocity[:, 0], state.velocity[:, 1])
        return self.pools(alloy, state.power, speed, state.sigma, start, wavelength, powder_layer)


def table_for(
    alloy: Alloy,
    model: MeltPoolModel,
    ranges: Ranges,
    cache: Path | None = None,
    progress: Progress | None = None,
    *,
    wavelength: float = INFRARED,
    budget: int = 60_000,
    tolerance: float = 0.01,
    held_out: int = 1000,
) -> ResponseTable:
    """The table of ``model`` over ``ranges``, from ``cache`` (a folder) or computed.

    ``budget`` bounds the pools asked of the model, ``tolerance`` is the error along one axis that
    is good enough; errors are measured at ``held_out`` further points, random within the ranges.
    ``progress`` gets the share that is done. A file in the cache holds good for the same alloy
    figures, model settings, ranges and source text; one that cannot be read is computed again.
    ValueError names a range the model does not allow.
    """
    limit = alloy.solidus - 50.0
    if ranges.preheat[1] > limit:
        raise ValueError(f"table preheat {ranges.preheat[1]:g} K: allowed up to {limit:g} K")
    if budget < 1 or held_out < 20 or not tolerance > 0.0:
        raise ValueError(f"budget {budget}, held_out {held_out}, tolerance {tolerance:g}: allowed "
                         "1 or more, 20 or more, above 0")
    settings = [wavelength, budget, tolerance, held_out]
    file = cache / f"{_key(alloy, model, ranges, settings)}.npz" if cache is not None else None
    table = _load(file, alloy, wavelength, ranges) if file is not None else None
    if table is None:
        build = _Build(alloy, model, wavelength, ranges, budget, progress or (lambda share: None))
        build.refine(tolerance)
        table = build.finish(held_out)
        if file is not None:
            _save(file, table)
    if progress is not None:
        progress(1.0)
    return table


class _Build:
    """A table in the making."""

    def __init__(self, alloy: Alloy, model: MeltPoolModel, wavelength: float, ranges: Ranges,
                 budget: int, progress: Progress) -> None:
        self.alloy, self.model, self.wavelength = alloy, model, wavelength
        self.ranges, self.budget, self.progress = ranges, budget, progress
        self.scale = Scale(alloy, wavelength)
        self.stream = np.random.Generator(np.random.Philox(SEED))
        self.samples = int(np.clip(budget // 1000, 8, 40))  # per interval
        self.done = 0
        others = [_spread(self.scale.ends(name, *getattr(ranges, name)))
                  for name in ("speed", "sigma", "preheat", "powder")]
        low, high = self._spans(others)
        fixed = [0.0, 1.0 - STEP, 1.0]
        keyhole = 1.0 + float(np.log(KEYHOLE_RATIO / DEPRESSION_RATIO))
        fixed += [keyhole - STEP, keyhole]
        inner = np.concatenate([np.linspace(0.0, 1.0, 7)[1:-1], fixed])
        first, last = float(low.min()) - 0.3, float(high.max()) + 0.1
        inner = inner[(inner > first) & (inner < last)]
        outer = np.concatenate([[first, last], inner])
        if last > keyhole + 0.5:
            outer = np.append(outer, np.linspace(max(keyhole, first), last, 6)[1:-1])
        self.axes: list[Array] = [np.unique(outer), *others]
        self.values = np.full((COLUMNS, *map(len, self.axes)), np.nan)
        if self.values[0].size > budget:
            raise ValueError(f"budget {budget}: allowed {self.values[0].size} or more for these "
                             "ranges")
        self._fill()

    def _spans(self, others: list[Array]) -> tuple[Array, Array]:
        """Lowest and highest power coordinate that a query next to each outer node can have."""
        grid = np.meshgrid(*others, indexing="ij")
        shape = grid[0].shape
        inside = self.scale.physical([a.ravel() for a in grid])
        low, high = (self.scale.coordinate(np.full(len(inside[0]), p), inside).reshape(shape)
                     for p in self.ranges.power)
        return minimum_filter(low, 3, mode="nearest"), maximum_filter(high, 3, mode="nearest")

    def _fill(self) -> None:
        """Compute the nodes that queries can need and that are not there yet."""
        low, high = self._spans(self.axes[1:])
        u = self.axes[0]
        # One node more on either side, for the slopes.
        first = np.searchsorted(u, low, "right") - 2
        last = np.searchsorted(u, high, "left") + 1
        number = np.arange(len(u)).reshape(-1, 1, 1, 1, 1)
        wanted = (number >= first) & (number <= last) & np.isnan(self.values[0])
        where = np.nonzero(wanted)
        at = [axis[i] for axis, i in zip(self.axes, where, strict=True)]
        rest = self.scale.physical(at[1:])
        power = self.scale.power(at[0], rest)
        self.values[:, wanted] = self.scale.columns(self.pools(power, rest), power, rest)

    def pools(self, power: Array, rest: Rest) -> MeltPool:
        """The model's pools, some at a time so that progress is seen."""
        speed, sigma, preheat, powder = rest
        found: list[MeltPool] = []
        for begin in range(0, len(power), CHUNK):
            part = slice(begin, begin + CHUNK)
            found.append(self.model.pools(self.alloy, power[part], speed[part], sigma[part],
                                          preheat[part], self.wavelength, powder[part]))
            self.done += len(found[-1])
            self.progress(min(0.95, self.done / self.budget))
        return MeltPool(*(np.concatenate([getattr(p, f.name) for p in found] or [np.zeros(0)])
                          for f in fields(MeltPool)))

    def surface(self) -> Surface:
        """What there is so far."""
        return Surface(self.scale, tuple(self.axes), self.values)

    def refine(self, tolerance: float) -> None:
        """Halve intervals until none misses the model or the budget is spent.

        The axes take turns, so that a place where the model jumps does not eat up all.
        """
        wanting = [axis for axis, nodes in enumerate(self.axes) if len(nodes) > 1]
        while wanting:
            wanting = [axis for axis in wanting if self._halve(axis, tolerance)]

    def _halve(self, axis: int, tolerance: float) -> bool:
        """Halve the worst intervals of an axis; whether any had to be and could be."""
        nodes = self.axes[axis]
        if self.done + self.samples * len(nodes) > self.budget:
            return False
        missed = self._missed(axis)
        room = max(int((self.budget - self.done) / self.nodes * len(nodes)), 0)
        worst = np.argsort(-missed, kind="stable")[:room]
        where = np.sort(worst[missed[worst] > tolerance]) + 1
        if not len(where):
            return False
        self.axes[axis] = np.insert(nodes, where, 0.5 * (nodes[where - 1] + nodes[where]))
        self.values = np.insert(self.values, where, np.nan, axis=axis + 1)
        self._fill()
        return True

    @property
    def nodes(self) -> int:
        """Nodes computed so far."""
        return int(np.count_nonzero(np.isfinite(self.values[0])))

    def _missed(self, axis: int) -> Array:
        """95th percentile of the error in the middle of each interval, on nodes of other axes."""
        nodes = self.axes[axis]
        count, n = len(nodes) - 1, self.samples
        interval = np.repeat(np.arange(count), n)
        at = [a[self.stream.integers(0, len(a), count * n)] for a in self.axes]
        at[axis] = 0.5 * (nodes[interval] + nodes[interval + 1])
        rest = self.scale.physical(at[1:])
        power = self.scale.power(at[0], rest)
        inside = np.flatnonzero((power >= self.ranges.power[0]) & (power <= self.ranges.power[1]))
        error = np.zeros(count * n)
        if len(inside):
            v, s, t, d = (a[inside] for a in rest)
            power, rest = power[inside], (v, s, t, d)
            wrong = _errors(self.surface().read(power, rest), self.pools(power, rest), s)
            error[inside] = np.max([wrong[q] for q in QUANTITIES], axis=0)
        worst: Array = np.quantile(error.reshape(count, n), 0.95, axis=1)
        # Noise of the model at a step is not to be resolved.
        return np.where(np.diff(nodes) > (2.0 * STEP if axis == 0 else NARROWEST), worst, 0.0)

    def finish(self, held_out: int) -> ResponseTable:
        """The table with its errors at seeded random points within the ranges."""
        stream = np.random.Generator(np.random.Philox(SEED + 1))
        r, share = self.ranges, stream.random((5, held_out))
        power, v, s = (low * (high / low) ** part for (low, high), part in zip(
            (r.power, r.speed, r.sigma), share[:3], strict=True))
        t, d = (low + part * (high - low)
                for (low, high), part in zip((r.preheat, r.powder), share[3:], strict=True))
        surface, rest = self.surface(), (v, s, t, d)
        truth, read = self.pools(power, rest), surface.read(power, rest)
        wrong = _errors(read, truth, s)
        errors = {q: (float(np.median(e)), float(np.quantile(e, 0.95)), float(e.max()))
                  for q, e in wrong.items()}
        scatter = float(np.sqrt(np.mean(np.maximum(wrong["width"], wrong["depth"]) ** 2)))
        return ResponseTable(self.alloy, self.wavelength, r, surface, errors, self.model.name,
                             held_out, float(np.mean(read.mode == truth.mode)), scatter)


def _spread(ends: Array) -> Array:
    """First nodes of an axis: one for a single value, else no more than 1 apart."""
    low, high = ends.tolist()
    if high - low < 1e-9:
        return np.array([low])
    return np.linspace(low, high, 1 + max(1, int(np.ceil(high - low))))


def _errors(read: MeltPool, truth: MeltPool, sigma: Array) -> dict[str, Array]:
    """Relative errors (n,); sizes below sigma count against sigma, others only where it melts."""
    both = (read.width > 0.0) & (truth.width > 0.0)
    errors: dict[str, Array] = {}
    for number, name in enumerate(QUANTITIES):
        a, b = getattr(read, name), getattr(truth, name)
        if number < SIZES:
            errors[name] = np.abs(a - b) / np.maximum(b, sigma)
        elif name == "cooling_rate":
            known = both & (b > 0.0)
            errors[name] = np.where(known, np.abs(a - b) / np.where(known, b, 1.0), 0.0)
        else:
            errors[name] = np.abs(a - b) / np.where(b > 0.0, b, 1.0)
    return errors


def _figures(alloy: Alloy) -> str:
    """All figures of an alloy as text."""
    plain: dict[str, Any] = {}
    for f in fields(alloy):
        value = getattr(alloy, f.name)
        if isinstance(value, Curve):
            value = [value.at.tolist(), value.value.tolist(), value.low, value.high]
        if f.name not in ("aliases", "sources"):
            plain[f.name] = value
    plain["defaults"] = [f for f, source in alloy.sources.items() if source.startswith("default")]
    return json.dumps(plain, sort_keys=True)


def _modules(start: ModuleType) -> dict[str, ModuleType]:
    """Modules of this project that a module's names come from, itself included."""
    root = __name__.partition(".")[0]
    found: dict[str, ModuleType] = {}
    queue = [start]
    while queue:
        module = queue.pop()
        if module.__name__ in found:
            continue
        found[module.__name__] = module
        for value in vars(module).values():
            name = value.__name__ if isinstance(value, ModuleType) else getattr(
                value, "__module__", None)
            if isinstance(name, str) and name.partition(".")[0] == root and name in sys.modules:
                queue.append(sys.modules[name])
    return found


def _key(alloy: Alloy, model: MeltPoolModel, ranges: Ranges, settings: list[Any]) -> str:
    """Digest of all that a table depends on."""
    if " object at 0x" in repr(model):
        raise TypeError(f"{type(model).__name__} must show its settings in its repr to be cached")
    digest = hashlib.blake2b(digest_size=16)
    for text in (_figures(alloy), type(model).__qualname__, repr(model), repr(ranges),
                 json.dumps(settings)):
        digest.update(text.encode() + b"\0")
    modules = _modules(sys.modules[type(model).__module__]) | _modules(sys.modules[__name__])
    for name in sorted(modules):
        file = modules[name].__file__
        if file is not None:
            digest.update(name.encode() + b"\0" + Path(file).read_bytes() + b"\0")
    digest.update(eagar_tsai.TABLE.read_bytes())
    return f"{alloy.name}-{model.name}-{digest.hexdigest()}".replace(" ", "_")


def _save(file: Path, table: ResponseTable) -> None:
    """Write beside the place and move there, so that nobody sees half a file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    about = {"errors": table.errors, "source": table.source, "held_out": table.held_out,
             "mode_agreement": table.mode_agreement, "own_scatter": table.own_scatter}
    surface = table.surface
    axes = {f"axis{i}": axis for i, axis in enumerate(surface.axes)}
    handle, name = tempfile.mkstemp(prefix=file.stem, suffix=".part", dir=file.parent)
    try:
        with os.fdopen(handle, "wb") as part:
            np.savez_compressed(part, values=surface.values, about=np.array(json.dumps(about)),
                                **axes)  # type: ignore[arg-type]
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _load(file: Path, alloy: Alloy, wavelength: float, ranges: Ranges) -> ResponseTable | None:
    """The table in a file; None if there is none or it cannot be read."""
    try:
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as stored:
            about = json.loads(str(stored["about"]))
            axes = tuple(stored[f"axis{i}"] for i in range(5))
            values = stored["values"]
        if values.shape != (COLUMNS, *map(len, axes)):
            return None
        errors = {name: (float(a), float(b), float(c))
                  for name, (a, b, c) in about["errors"].items()}
        surface = Surface(Scale(alloy, wavelength), axes, values)
        return ResponseTable(alloy, wavelength, ranges, surface, errors, about["source"],
                             about["held_out"], about["mode_agreement"], about["own_scatter"])
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile,
            zlib.error):
        return None

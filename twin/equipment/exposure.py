"""A layer under exposure: what is to be marked, what each beam marks when, what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import inf
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from twin.materials import Alloy
from twin.meltpool import BeamPath, MeltPool, sensors
from twin.parts.layers import Layer

if TYPE_CHECKING:
    from twin.equipment.marking import Rows
    from twin.parts.layers import BuildPlan
    from twin.parts.summaries import LayerSummary, SummaryPlan

__all__ = [
    "BuildJob",
    "Exposure",
    "ExposureResult",
    "Track",
    "VectorSet",
    "layer_tables",
    "seen",
]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.intp]

PHOTODIODE_GAIN = 2.0e5  # V/W of light collected: transimpedance amplifier, default
SAMPLE_EVERY = 10e-3  # s: a stretch that lasts longer is sampled more than once, default
SHORTEST = 1e-9  # s: what is shorter comes of rounding
_POOL = tuple(field.name for field in fields(MeltPool))


@dataclass(frozen=True, slots=True)
class VectorSet:
    """How vectors of one role differ from the hatch: factors on power, speed and spot."""

    power: float = 1.0
    speed: float = 1.0
    spot: float = 1.0
    dwell: float = 0.0
    """Time (s) that the beam stands on a vector, besides the time it takes to run along it: a
    vector without length is a point that is melted by standing on it."""


@dataclass(frozen=True)
class BuildJob:
    """What is loaded into the scanner before a build: layers, alloy, how vectors are marked."""

    name: str
    plan: BuildPlan | SummaryPlan
    alloy: Alloy
    sigma: float
    """Beam radius in focus, a quarter of D4sigma, m."""
    hatch_spacing: float
    sets: Mapping[int, VectorSet]
    """By role of a vector; a role that is missing is marked like the hatch."""
    jump_speed: float = 6.0
    laser_delay: float = 60e-6
    """Time that the beam takes to come on and go off, together, s per vector."""
    mark_delay: float = 300e-6
    """Time that the deflection takes to settle, s per vector."""
    bulk_density: float = 4400.0
    rated_power: float = 0.0
    """Power (W) of the hatch at which a spot that grows with power has that radius; 0: at any."""
    dosing: float = 1.0
    """Powder dosed per powder needed, which a lot must be enough for."""
    tank: float = 1.0
    """Edge (m) of the build tank if an insert makes it smaller than the machine's."""

    @property
    def layers(self) -> int:
        """Layers of the build."""
        return len(self.plan)


@dataclass(slots=True)
class Track:
    """What one beam marks of a layer, stretch by stretch: arrays (n,) in the order of time, SI.

    A vector is one stretch, or several if a setting changed while it was marked. Stretches that
    have begun keep their index for good. Groups of vectors may be marked side by side: then they
    begin and end together, each with the beam on for its part of the time.
    """

    vector: Ints
    """Row of the layer, see `Rows`."""
    begin: Floats
    end: Floats
    start: Floats
    """(n, 2)"""
    stop: Floats
    """(n, 2)"""
    demand: Floats
    """Power asked of the beam's source, W."""
    metered: Floats
    """Power that the source's own meter sees, W."""
    power: Floats
    """Power on the plate, W."""
    speed: Floats
    sigma: Floats
    powder: Floats
    """Height of powder that is there to melt, m of metal."""
    gas_speed: Floats
    back: Floats
    """Transmission of everything between the pool and the on-axis sensors."""
    duty: Floats
    """Part of the stretch for which the beam is on."""
    share: Floats
    """Part of the vector, or group of vectors, that is marked in it."""
    counts: Bools
    """False where marking was cut off and the vector is marked again."""
    samples: Floats
    """How many samples of a path model the pool is the mean of; 0: it is a steady one."""
    pool: MeltPool
    photodiode: Floats
    pyrometer: Floats

    def __len__(self) -> int:
        return len(self.vector)

    @classmethod
    def empty(cls) -> Self:
        """Nothing marked."""
        dtypes = {"vector": np.intp, "counts": np.bool_, "mode": np.uint8}
        made: dict[str, Any] = {
            name: np.zeros((0, 2) if name in ("start", "stop") else 0, dtypes.get(name, float))
            for name in _TRACK
        }
        made["pool"] = MeltPool(*(np.zeros(0, dtypes.get(name, float)) for name in _POOL))
        return cls(**made)

    @classmethod
    def joined(cls, first: Self, second: Self) -> Self:
        """One after the other."""
        made: dict[str, Any] = {}
        for name in _TRACK:
            a, b = getattr(first, name), getattr(second, name)
            made[name] = (
                MeltPool(*(np.concatenate([getattr(a, f), getattr(b, f)]) for f in _POOL))
                if isinstance(a, MeltPool) else np.concatenate([a, b])
            )
        return cls(**made)

    def begun(self, now: float) -> Self:
        """The stretches that had begun before `now` (s), whole, in arrays of their own."""
        n = self.first_from(now)
        made: dict[str, Any] = {}
        for name in _TRACK:
            value = getattr(self, name)
            made[name] = (
                MeltPool(*(getattr(value, f)[:n].copy() for f in _POOL))
                if isinstance(value, MeltPool) else value[:n].copy()
            )
        return type(self)(**made)

    def under_way(self, now: float) -> bool:
        """Whether the last stretch goes on after `now` (s)."""
        return len(self) > 0 and bool(self.end[-1] > now)

    def cut(self, now: float) -> None:
        """Let stretches under way end at `now` (s), where the beam is then."""
        under_way = np.flatnonzero(self.end > now)
        begin, start = self.begin[under_way], self.start[under_way]
        share = (now - begin) / (self.end[under_way] - begin)
        self.stop[under_way] = start + share[:, None] * (self.stop[under_way] - start)
        self.share[under_way] *= share
        self.end[under_way] = now

    @property
    def duration(self) -> Floats:
        """How long each stretch is marked, s."""
        return self.end - self.begin

    @property
    def lit(self) -> Floats:
        """How long the beam is on in each stretch, s."""
        return self.duration * self.duty

    @property
    def absorbed(self) -> Floats:
        """Energy that the part takes up from each stretch, J."""
        return self.power * self.pool.absorptivity * self.lit

    def path(self, begin: float, end: float) -> BeamPath:
        """The beam between two times (s), stretches cut there; none that takes no time."""
        lasting = self.duration > SHORTEST
        return BeamPath(
            self.begin[lasting], self.end[lasting], self.start[lasting], self.stop[lasting],
            self.power[lasting], self.sigma[lasting],
        ).clipped(begin, end)

    def first_after(self, time: float) -> int:
        """Index of the first stretch that ends after `time` (s)."""
        return int(np.searchsorted(self.end, time, side="right"))

    def first_from(self, time: float) -> int:
        """Index of the first stretch that begins at `time` (s) or later."""
        return int(np.searchsorted(self.begin, time, side="left"))

    def sample_times(
        self, first: int, last: int, begin: float = -inf, end: float = inf
    ) -> tuple[Floats, Ints]:
        """Times (s) at which to look at the pool, rising, and their stretches.

        Of stretches `first` to before `last` it is the middles of equal parts, each at most
        `SAMPLE_EVERY` long, of what lies within [begin, end] (s).
        """
        chosen = np.arange(first, last)
        a = np.maximum(self.begin[first:last], begin)
        span = np.minimum(self.end[first:last], end) - a
        parts = np.where(span > SHORTEST, np.ceil(span / SAMPLE_EVERY), 0).astype(int)
        stretch = np.repeat(chosen, parts)
        number = np.arange(len(stretch)) - np.repeat(np.cumsum(parts) - parts, parts)
        times = np.repeat(a, parts) + (number + 0.5) * np.repeat(span / np.maximum(parts, 1), parts)
        return times, stretch

    def take(self, stretch: Ints, pool: MeltPool, alloy: Alloy) -> None:
        """Let pools at sample times be the record of their stretches: the mean of a stretch's."""
        which, inverse, fresh = np.unique(stretch, return_inverse=True, return_counts=True)
        before = self.samples[which]
        self.samples[which] = before + fresh
        for name in _POOL:
            values, new = getattr(self.pool, name), getattr(pool, name)
            if name == "mode":
                values[stretch] = new
            else:
                sums = values[which] * before + np.bincount(inverse, new)
                values[which] = sums / (before + fresh)
        self.sense(alloy, which)

    def sense(self, alloy: Alloy, which: Ints | slice = slice(None)) -> None:
        """What photodiode and pyrometer see of the pools of some stretches."""
        self.photodiode[which], self.pyrometer[which] = seen(
            self.pools(which), alloy, self.back[which])

    def pools(self, which: Ints | slice) -> MeltPool:
        """The pools of some stretches."""
        return MeltPool(*(getattr(self.pool, name)[which] for name in _POOL))


_TRACK = tuple(field.name for field in fields(Track))


def seen(pool: MeltPool, alloy: Alloy, back: Floats) -> tuple[Floats, Floats]:
    """Photodiode (V) and pyrometer (K) of pools seen through optics that let `back` pass."""
    return (
        sensors.photodiode(pool, alloy, transmission=back, gain=PHOTODIODE_GAIN),
        sensors.pyrometer(pool, alloy, transmission=back),
    )


@dataclass(slots=True)
class ExposureResult:
    """What one exposed layer became; arrays have one row per scan vector or group, SI units.

    A vector whose settings changed while it was marked has their mean over its length.
    """

    layer: Layer | LayerSummary
    rows: Rows
    """What the arrays' rows are."""
    begun: Floats
    ended: Floats
    demand: Floats
    """Power asked of the beam's source, W."""
    metered: Floats
    """Power that the source's own meter sees, W."""
    power: Floats
    """Power on the plate, W."""
    speed: Floats
    sigma: Floats
    pool: MeltPool
    photodiode: Floats
    pyrometer: Floats
    duration: float
    absorbed: float
    """Energy taken up by the part, J."""
    powder: Floats
    """Height of powder that was there to melt, m of metal."""
    gas_speed: Floats
    back: Floats
    """Transmission of everything between the pool and the on-axis sensors."""
    covered: float
    interlayer_temperature: float


_MEANS = ("demand", "metered", "power", "speed", "sigma", "photodiode", "pyrometer", "powder",
          "gas_speed", "back")


@dataclass(slots=True)
class Exposure:
    """A layer that has been begun and not finished."""

    layer: Layer | LayerSummary
    rows: Rows
    tracks: list[Track]
    """By beam."""
    mapped: list[int]
    """By beam, how many stretches have their pool from the beams' paths."""
    preheat: Floats
    """Temperature (K) where each row lies when marking last began or went on."""
    covered: float
    interlayer_temperature: float
    duration: float = 0.0

    def result(self) -> ExposureResult:
        """What became of the layer, of which every vector has been marked."""
        track = self.tracks[0]
        for other in self.tracks[1:]:
            track = Track.joined(track, other)
        rows, row = self.rows.resolved(track.vector, track.share)
        n = len(rows)
        # Vectors without length take no time, and still are a row.
        weight = np.maximum(track.lit, 1e-12) * track.counts
        total = np.bincount(row, weight, n)

        def mean(values: Floats) -> Floats:
            found: Floats = np.bincount(row, weight * values, n) / total
            return found

        begun, ended = np.full(n, inf), np.full(n, -inf)
        np.minimum.at(begun, row[track.counts], track.begin[track.counts])
        np.maximum.at(ended, row[track.counts], track.end[track.counts])
        pool = {name: mean(getattr(track.pool, name)) for name in _POOL if name != "mode"}
        mode = np.zeros(n, np.uint8)
        longest = np.argsort(weight, kind="stable")
        mode[row[longest]] = track.pool.mode[longest]
        return ExposureResult(
            layer=self.layer, rows=rows, begun=begun, ended=ended,
            pool=MeltPool(mode=mode, **pool),
            **{name: mean(getattr(track, name)) for name in _MEANS},
            duration=self.duration, absorbed=float(track.absorbed.sum()), covered=self.covered,
            interlayer_temperature=self.interlayer_temperature,
        )


def layer_tables(
    result: ExposureResult, defects: np.ndarray[Any, Any], vectors: bool
) -> list[tuple[str, dict[str, np.ndarray[Any, Any]]]]:
    """A finished layer's placed defects (true state) and, if asked for, its scan vectors.

    Tables with their columns, for the record; SI units. Of a summary there are no vectors.
    """
    layer, count = result.layer, len(defects)
    tables: list[tuple[str, dict[str, np.ndarray[Any, Any]]]] = [("defects", {
        "layer": np.full(count, layer.index + 1, np.int32),
        "kind": defects["kind"].astype(np.int8),
        "x": defects["x"].astype(np.float32),
        "y": defects["y"].astype(np.float32),
        "z": np.full(count, layer.z, np.float32),
        "size": defects["size_m"].astype(np.float32),
        "vector": defects["vector"].astype(np.int32),
        "part": result.rows.part[defects["vector"]].astype(np.int16),
    })]
    if vectors and isinstance(layer, Layer):
        pool = result.pool
        single = {
            "x0": layer.start[:, 0], "y0": layer.start[:, 1],
            "x1": layer.end[:, 0], "y1": layer.end[:, 1],
            "power": result.power, "speed": result.speed,
            "width": pool.width, "depth": pool.depth, "length": pool.length,
            "photodiode": result.photodiode, "pyrometer": result.pyrometer,
        }
        tables.append(("vectors", {
            "layer": np.full(len(layer.role), layer.index + 1, np.int32),
            "role": layer.role,
            "part": layer.part,
            "laser": layer.laser,
            "mode": pool.mode,
            "begun": result.begun,
            "ended": result.ended,
            **{name: values.astype(np.float32) for name, values in single.items()},
        }))
    return tables

"""A job as sums over its phases and layers: what a coarse machine repeats without doing it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from twin.materials import Alloy
from twin.materials import alloy as find_alloy

__all__ = ["COUNTS", "Interruption", "JobSummary", "simplified"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

COUNTS: Final = ("defects", "indications")
"""Tables of which a summary keeps numbers by layer and kind."""


@dataclass(frozen=True)
class Interruption:
    """What a hold in the middle of the job did on the real machine, and the way back from it."""

    cause: str
    """hold or power loss."""
    outage: float
    """From the interruption to the order to go on, s."""
    power: float
    """Mean electrical power meanwhile, W."""
    gas: float
    """Mean gas flow meanwhile, m3/s at ambient."""
    resumes: bool
    """Whether the job could go on."""
    reason: str = ""
    """Why not."""
    phases: tuple[tuple[str, float], ...] = ()
    """Phases of the way back, each with its beginning, s after the order to go on."""
    prepared: float = 0.0
    """When the machine was building again, s after the order."""
    duration: float = 0.0
    """Time that the way back cost, s: until then, and what took longer in the layer after it."""
    energy: float = 0.0
    """That the way back cost, J."""
    gas_volume: float = 0.0
    """That the way back cost, m3."""

    def plain(self) -> dict[str, Any]:
        """As plain data."""
        return {**asdict(self), "phases": [list(p) for p in self.phases]}

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Interruption:
        """From what `plain` gave."""
        return cls(**{**data, "phases": tuple((str(n), float(t)) for n, t in data["phases"])})


def simplified(times: Floats, values: Sequence[Floats], tolerance: float,
               kept: Sequence[float] = ()) -> Ints:
    """Places of the points that straight lines need to stay near several courses at once.

    times: (n,) s, rising; values: each (n,); tolerance: share of each course's rise by which the
    lines may be off; kept: times whose points stay. Ramer (1972), Douglas and Peucker (1973), with
    vertical distances. Gives rising places, the first and last among them.
    """
    count = len(times)
    if count == 0:
        return np.zeros(0, np.int64)
    scaled = [v / max(float(np.ptp(v)), 1e-300) for v in values]
    fixed = np.unique([0, count - 1,
                       *(int(i) for i in np.searchsorted(times, kept).clip(0, count - 1))])
    found = set(fixed.tolist())
    stack = list(zip(fixed[:-1].tolist(), fixed[1:].tolist(), strict=True))
    while stack:
        first, last = stack.pop()
        if last - first < 2:
            continue
        share = (times[first:last + 1] - times[first]) / (times[last] - times[first])
        error = np.zeros(last - first + 1)
        for v in scaled:
            line = v[first] + share * (v[last] - v[first])
            error = np.maximum(error, np.abs(v[first:last + 1] - line))
        worst = int(error.argmax())
        if error[worst] > tolerance:
            middle = first + worst
            found.add(middle)
            stack += [(first, middle), (middle, last)]
    return np.array(sorted(found), np.int64)


@dataclass(frozen=True, eq=False)
class JobSummary:
    """One job of one machine, as its full plant and program did it; times in s from its start.

    Courses are straight lines between points; layers, phases and states are exact to the scan.
    """

    machine: str
    """Machine type of the catalogue."""
    technology: str
    program: str
    alloy: str
    layers: int
    phases: tuple[str, ...]
    """All that the machine's program knows, in the order of their numbers."""
    layer_phases: tuple[str, ...]
    resume: str
    """Phase that leads back to the work after a hold."""
    stage_start: Floats
    """Beginning of every phase in turn (n,); the last one is that of the end."""
    stage_phase: Ints
    """Number of the phase."""
    stage_state: Ints
    """State of the machine, by its number."""
    layer_end: Floats
    """(layers done,)"""
    knots: Floats
    """(k,) s"""
    energy: Floats
    """J used at the knots."""
    gas: Floats
    """m3 used at the knots, at ambient."""
    feed_times: Floats
    feed: Floats
    """kg of feedstock used by then."""
    built_times: Floats
    built: Floats
    """m3 built by then."""
    standby: float
    """Power before the job, W."""
    peak_power: float
    peak_gas: float
    locks: tuple[tuple[float, bool], ...]
    """When the door was locked and unlocked."""
    ready: float
    """When the machine could take the next job."""
    remaining: float
    """Feedstock in the supply once the job was loaded, kg."""
    rows: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    """The table of layers by column, among them ``time``."""
    defects: Ints = field(default_factory=lambda: np.zeros((0, 3), np.int64))
    """(n, 3): layer, kind, number."""
    indications: Ints = field(default_factory=lambda: np.zeros((0, 3), np.int64))
    alarms: tuple[tuple[float, str, float], ...] = ()
    """What was raised: when, path, until when."""
    parts: tuple[tuple[float, str, str, Mapping[str, Any]], ...] = ()
    """What was told of parts: time, source, message, fields."""
    operations: tuple[Mapping[str, Any], ...] = ()
    """What was done to material, plain; their ``time`` from the start of the job."""
    supplied: tuple[Mapping[str, Any], ...] = ()
    """The powder lots that the machine had been given, plain."""
    interruptions: tuple[Interruption, ...] = ()
    after: tuple[float, float] = (0.0, 0.0)
    """Power (W, 0: standby) and gas flow (m3/s) of the machine whose job has ended, until it is
    cleared or has the next one."""
    needs: Mapping[str, float] = field(default_factory=dict)
    """Powder (kg) by alloy without which a build cannot be finished."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Setpoints and parameters of the program's ``Process`` by attribute, SI."""
    use: str = ""
    """Process that the powder is worked up for, of a recycling line."""
    uses: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """What a build made of its powder by alloy: fields of `twin.powder.ageing.Use`."""

    @property
    def duration(self) -> float:
        """From the start of the job to its end, s."""
        return float(self.stage_start[-1])

    @cached_property
    def metal(self) -> Alloy:
        """The alloy of the job."""
        return find_alloy(self.alloy)

    def phase_at(self, time: float) -> int:
        """Place in the course of phases at `time`."""
        return max(int(np.searchsorted(self.stage_start, time, "right")) - 1, 0)

    def layers_at(self, time: float) -> int:
        """Layers finished at `time`."""
        return int(np.searchsorted(self.layer_end, time, "right"))

    def counts(self, table: str, layers: int | None = None) -> dict[int, int]:
        """Numbers by kind in table ``defects`` or ``indications``, of the first `layers`."""
        found: Ints = getattr(self, table)
        if layers is not None:
            found = found[found[:, 0] <= layers]
        return {int(kind): int(found[found[:, 1] == kind, 2].sum())
                for kind in np.unique(found[:, 1])}

    def interruption(self, power_lost: bool, outage: float) -> Interruption:
        """What a hold of that length does: found, or between two that were found.

        A loss of power longer than any that was tried takes in proportion as long to come back
        from, at most as long as the job took to its first layer.
        """
        cause = "power loss" if power_lost else "hold"
        known = sorted((i for i in self.interruptions if i.cause == cause), key=lambda i: i.outage)
        if not known:
            mean = float(self.energy[-1]) / max(self.duration, 1.0)
            return Interruption(cause, outage, 0.0 if power_lost else mean, 0.0, True)
        nearest = min(known, key=lambda i: abs(i.outage - outage))
        if len(known) < 2 or not all(i.resumes for i in known):
            return nearest
        ways = np.array([[i.duration, i.energy, i.gas_volume] for i in known])
        times = np.array([i.outage for i in known])
        way = np.array([np.interp(outage, times, column) for column in ways.T])
        if outage > times[-1]:
            way = way * outage / times[-1]
            limit = max(self.preparation, float(ways[-1, 0]))
            if way[0] > limit > 0:
                way = way * limit / way[0]
        stretch = way[0] / nearest.duration if nearest.duration > 0 else 1.0
        return replace(nearest, outage=outage, duration=float(way[0]), energy=float(way[1]),
                       gas_volume=float(way[2]), prepared=nearest.prepared * stretch,
                       phases=tuple((name, at * stretch) for name, at in nearest.phases))

    @cached_property
    def highest_power(self) -> float:
        """Highest mean power between two knots, which is what a coarse machine draws, W."""
        lasts = np.diff(self.knots)
        return float(np.max(np.diff(self.energy) / lasts)) if len(lasts) else self.standby

    @cached_property
    def main_stages(self) -> Ints:
        """Places in the course of phases that are not one layer's phase after another's (m,)."""
        inner = np.array([self.phases[i] in self.layer_phases for i in self.stage_phase])
        after = np.concatenate([[False], inner[:-1]])
        return np.flatnonzero(~(inner & after))

    @cached_property
    def preparation(self) -> float:
        """From the start to the first layer, s."""
        names = [self.phases[i] for i in self.stage_phase]
        first = next((i for i, name in enumerate(names) if name in self.layer_phases), 0)
        return float(self.stage_start[first])

    def stretched(self, factor: float, building: int,
                  proportional: Sequence[str] = ()) -> JobSummary:
        """The same job with its work (state number `building`) `factor` times as long.

        A torch or a sieve that takes so many kg an hour works longer on more powder; what is taken
        and given grows with it. `proportional`: the phases of which that is so, if not of all.
        """
        if factor == 1.0:
            return self
        lasts = np.diff(self.stage_start)
        working = self.stage_state[:-1] == building
        if proportional:
            names = np.array(self.phases)[self.stage_phase[:-1]]
            working &= np.isin(names, list(proportional))
        starts = np.concatenate([[0.0], np.cumsum(np.where(working, lasts * factor, lasts))])
        old = self.stage_start

        def move(times: Any) -> Floats:
            given = np.asarray(times, float)
            moved: Floats = np.interp(given, old, starts) + np.maximum(given - old[-1], 0.0)
            return moved

        def grow(times: Floats, values: Floats) -> Floats:
            """A course whose rises while working are `factor` times as large."""
            middle = (times[1:] + times[:-1]) / 2
            place = np.searchsorted(old, middle, "right") - 1
            inside = working[place.clip(0, len(working) - 1)] if len(working) else place < 0
            rises = np.diff(values) * np.where(inside, factor, 1.0)
            return np.concatenate([values[:1], values[0] + np.cumsum(rises)])

        shifted = tuple({**op, "time": float(move(op["time"]))} for op in self.operations)
        rows = {**self.rows, **({"time": move(self.rows["time"])} if "time" in self.rows else {})}
        return replace(
            self, stage_start=starts, layer_end=move(self.layer_end), knots=move(self.knots),
            energy=grow(self.knots, self.energy), gas=grow(self.knots, self.gas),
            feed_times=move(self.feed_times), feed=grow(self.feed_times, self.feed),
            built_times=move(self.built_times), built=grow(self.built_times, self.built),
            locks=tuple((float(move(t)), on) for t, on in self.locks),
            ready=float(move(self.ready)), rows=rows, operations=shifted,
            alarms=tuple((float(move(t)), path, float(move(end)))
                         for t, path, end in self.alarms),
            parts=tuple((float(move(t)), source, message, about)
                        for t, source, message, about in self.parts))

    # -- as plain data and arrays, for a file -------------------------------------------------

    def stored(self) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
        """Plain data and arrays; `revived` is the way back."""
        about: dict[str, Any] = {}
        arrays: dict[str, npt.NDArray[Any]] = {}
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name == "rows":
                arrays |= {f"rows.{name}": column for name, column in value.items()}
            elif item.name == "interruptions":
                about[item.name] = [i.plain() for i in value]
            elif isinstance(value, np.ndarray):
                arrays[item.name] = value
            else:
                about[item.name] = value
        return about, arrays

    @classmethod
    def revived(cls, about: Mapping[str, Any],
                arrays: Mapping[str, npt.NDArray[Any]]) -> JobSummary:
        """From what `stored` gave; `KeyError`, `TypeError` or `ValueError` if it is damaged."""
        own = {name: array for name, array in arrays.items() if not name.startswith("rows.")}
        rows = {name.removeprefix("rows."): array for name, array in arrays.items()
                if name.startswith("rows.")}
        listed: dict[str, Any] = {
            "after": tuple(about["after"]), "phases": tuple(about["phases"]),
            "layer_phases": tuple(about["layer_phases"]),
            "locks": tuple((float(t), bool(on)) for t, on in about["locks"]),
            "alarms": tuple((float(t), str(path), float(end))
                            for t, path, end in about["alarms"]),
            "parts": tuple(tuple(part) for part in about["parts"]),
            "operations": tuple(about["operations"]), "supplied": tuple(about["supplied"]),
            "interruptions": tuple(Interruption.of(i) for i in about["interruptions"])}
        return cls(**{**about, **listed, **own, "rows": rows})

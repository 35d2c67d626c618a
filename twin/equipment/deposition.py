"""What deposition is talked of in: job, stretch, deposit, process, and what a layer leaves.

What a machine deposits with (laser and powder, laser and wire, arc and wire) is its `Process`:
the head asks it for a stretch of a pass at a time, on a fixed grid of simulated time, and every
change of a setting acts from the next point of the grid on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from twin.materials import Alloy
from twin.parts.passes import Pass, PassLayer, PassPlan

__all__ = [
    "Deposit",
    "DepositionJob",
    "LayerRecord",
    "LayerResult",
    "Process",
    "Stretch",
    "pass_tables",
]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class DepositionJob:
    """What is loaded into a deposition machine before a build."""

    name: str
    plan: PassPlan
    alloy: Alloy
    feed: float
    """Travel speed of a pass that has none of its own, m/s; passes that have scale with it."""
    source: float
    """Demand of the energy source at the working point, in its own unit (laser: W)."""
    feedstock: float
    """Demand of the feeder at the working point, in its own unit."""
    step: float
    """Height by which the head goes up for each layer, m."""
    stand_off: float
    """Distance from the nozzle to the surface, m."""
    settings: Any = None
    """What more the machine's process takes from the recipe."""

    @property
    def layers(self) -> int:
        """How many layers there are."""
        return len(self.plan)


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of a pass to deposit: n intervals of time, arrays (n,) unless said; SI units."""

    job: DepositionJob
    layer: PassLayer
    run: Pass
    times: Floats
    """(n + 1,)"""
    points: Floats
    """On the path (n + 1, 2), m."""
    speed: Floats
    stand_off: Floats
    """True distance from the nozzle to the surface."""
    interpass: Floats
    """Temperature that the pass finds, K."""
    first: bool
    """Whether the pass begins here."""

    @property
    def middle(self) -> Floats:
        """Middles of the intervals, s."""
        found: Floats = (self.times[1:] + self.times[:-1]) / 2
        return found

    @property
    def step(self) -> Floats:
        """Lengths of the intervals, s."""
        return np.diff(self.times)


@dataclass(slots=True)
class Deposit:
    """What becomes of a stretch: arrays (n,), SI units."""

    area: Floats
    """Cross-section of metal added, m2."""
    width: Floats
    """Of the bead, m."""
    heat: Floats
    """What the part takes up, W."""
    fields: dict[str, Floats] = field(default_factory=dict)
    """More for the record, by name, all machines' own."""
    state: dict[str, Floats] = field(default_factory=dict)
    """Process state at the times of the stretch (n + 1,), by name."""

    def masses(self, whole: float, way: Floats) -> Floats:
        """Metal (kg) of each interval (n,) of a deposit of `whole` (kg), by their lengths (m)."""
        volume = self.area * way
        total = float(volume.sum())
        return volume * (whole / total) if total > 0 else volume

    def kept(self, n: int) -> Deposit:
        """The first `n` intervals."""
        return Deposit(self.area[:n], self.width[:n], self.heat[:n],
                       {name: values[:n] for name, values in self.fields.items()},
                       {name: values[: n + 1] for name, values in self.state.items()})

    @staticmethod
    def joined(a: Deposit, b: Deposit) -> Deposit:
        """One after the other; the state where they meet is that of `b`."""
        return Deposit(
            np.concatenate([a.area, b.area]), np.concatenate([a.width, b.width]),
            np.concatenate([a.heat, b.heat]),
            {name: np.concatenate([a.fields[name], values]) for name, values in b.fields.items()},
            {name: np.concatenate([a.state[name][:-1], values])
             for name, values in b.state.items()})


class Process(Protocol):
    """Energy source and feedstock of a machine, as its head knows them."""

    def prepare(self, job: DepositionJob | None) -> None:
        """A job is loaded (or taken out)."""
        ...

    def approach(self, run: Pass) -> None:
        """The head goes to a pass, before its dwell: the program's demands for it are known."""
        ...

    def ready_after(self) -> float:
        """How long the head waits at the start of a pass (s), asked when it has come there.

        The source may ignite meanwhile, the wire reach the pool.
        """
        ...

    def deposit(self, stretch: Stretch, state: dict[str, float]) -> Deposit:
        """What becomes of a stretch; `state` is that at its beginning, empty before the first.

        Pure: a change of settings asks again for the rest of the pass.
        """
        ...

    def show(self, times: Floats, deposit: Deposit) -> None:
        """Let sensors follow a pass from its beginning (n + 1 times); it may be cut off later."""
        ...

    def rest(self) -> None:
        """Nothing is deposited from now on."""
        ...

    def laid(self, mass: float, deposit: Deposit, step: Floats, way: Floats) -> None:
        """A pass (or the part of it before an interruption) has added `mass` (kg).

        It took `step` (s) for `way` (m), (n,).
        """
        ...


@dataclass(slots=True)
class LayerResult:
    """A finished layer: columns of its passes, and of its defects."""

    layer: PassLayer
    passes: dict[str, list[Any]]
    defects: list[tuple[float, float, float, int, int]]
    """x, y, size (m), kind, number of the pass."""


class LayerRecord:
    """What is noted of a layer in work: a row for each pass, and their means in the end."""

    OWN = ("run", "role", "part", "begun", "ended", "length", "volume", "energy", "x", "y",
           "stand_off_low", "stand_off_high")
    """Columns that no mean is taken of."""

    def __init__(self) -> None:
        self.rows: dict[str, list[Any]] = {}

    def note(self, row: dict[str, Any]) -> None:
        """A row about a pass, or about a piece of one that was interrupted."""
        for name, value in row.items():
            self.rows.setdefault(name, []).append(value)

    def mean(self, name: str) -> float:
        """Mean of a column by the lengths of the passes; 0 for what no pass has."""
        if name not in self.rows:
            return 0.0
        return float(np.average(self.rows[name], weights=np.array(self.rows["length"])))

    def figures(self) -> dict[str, float]:
        """Sums, extremes and means of the layer's passes, for the record; SI units."""
        rows = self.rows
        return {
            "path_length": float(np.array(rows.get("length", [1.0])).sum()),
            "volume": float(sum(rows.get("volume", []))),
            "energy_absorbed": float(sum(rows.get("energy", []))),
            "stand_off_low": float(min(rows.get("stand_off_low", [0.0]))),
            "stand_off_high": float(max(rows.get("stand_off_high", [0.0]))),
            **{name: self.mean(name) for name in rows if name not in self.OWN}}


def pass_tables(
    result: LayerResult, passes: bool
) -> list[tuple[str, dict[str, np.ndarray[Any, Any]]]]:
    """A finished layer's placed defects (true state) and, if asked for, a row for each pass.

    Tables with their columns, for the record; SI units.
    """
    layer, rows = result.layer, result.passes
    found = list(zip(*result.defects, strict=True)) or [()] * 5
    count = len(result.defects)
    tables: list[tuple[str, dict[str, np.ndarray[Any, Any]]]] = [("defects", {
        "layer": np.full(count, layer.index + 1, np.int32),
        "kind": np.array(found[3], np.int8),
        "x": np.array(found[0], np.float32),
        "y": np.array(found[1], np.float32),
        "z": np.full(count, layer.z, np.float32),
        "size": np.array(found[2], np.float32),
        "vector": np.array(found[4], np.int32),
        "part": np.array([rows["part"][i] for i in found[4]], np.int16),
    })]
    if passes and rows:
        whole = ("run", "role", "part")
        tables.append(("vectors", {
            "layer": np.full(len(rows["run"]), layer.index + 1, np.int32),
            **{name: np.array(values, np.int32 if name in whole else (
                np.float64 if name in ("begun", "ended") else np.float32))
               for name, values in rows.items()}}))
    return tables

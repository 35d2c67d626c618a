"""A recycling line on a bench: a few kilograms, quick gas, heat and laboratory."""

from __future__ import annotations

from typing import Any, Self

from emulators.controllers.build import Program
from emulators.controllers.recycling_line import RecyclingLineController
from emulators.machines.recycling_line import recycling_program, stock
from emulators.recipes import load_recipe
from tests.bench import MachineBench, dotted
from twin.machines.recycling_line import RecyclingLine
from twin.powder.lot import PowderLot
from twin.powder.operations import Operation

QUICK = {
    "stock.used": 8.0,
    "stock.virgin": 3.0,
    "gas.purge": 0.8 / 60,
    "gas.start_oxygen": 4000e-6,
    "recovery.batches": 1,
    "drying.temperature": 343.15,
    "drying.time": 600.0,
    "drying.dew_point": 263.15,
    "drying.unload": 333.15,
    "blending.time": 600.0,
    "blending.speed": 40 / 60,
}
"""Recipe changes that make a batch short."""


def program(name: str = "Ti-6Al-4V", lots: tuple[PowderLot, ...] = (), **changes: Any) -> Program:
    """A quick program of one batch; `changes` use __ for a dot."""
    recipe = load_recipe(name, "recycling-line").changed({**QUICK, **dotted(changes)})
    return recycling_program(recipe, lots or stock(recipe))[0]


class RecyclingBench(MachineBench):
    """A recycling line, its operations and what became of its batches."""

    plant: Any
    controller: Any

    def __init__(self, built: Program | None = None, *, seed: int = 1, every_scan: bool = False
                 ) -> None:
        built = built or program()
        super().__init__("recycling-line", RecyclingLine(seed), RecyclingLineController, built,
                         seed=seed, every_scan=every_scan, name="RECYCLING-01")

    def finish(self, limit: float = 3e4) -> Self:
        return super().finish(limit)

    def batch(self) -> dict[str, Any]:
        """What became of the last batch, as it truly is."""
        return self.layers()[-1]

    def operation(self, name: str) -> Operation:
        """The last operation of a name."""
        return next(o for o in reversed(self.operations) if o.name == name)

    def balance(self) -> float:
        """The worst error of an operation, and of the mass of all of them together."""
        made = {o.id: o.mass for op in self.operations for o in op.outputs}
        drawn: dict[str, float] = {}
        for op in self.operations:
            for d in op.inputs:
                drawn[d.id] = drawn.get(d.id, 0.0) + d.mass
        came = sum(m for name, m in drawn.items() if name not in made)
        came += sum(sum(op.gained.values()) for op in self.operations)
        # A sampled batch keeps its name: what is drawn of it last is what it was last.
        left = sum(sum(op.lost.values()) for op in self.operations)
        gone = {d.id for op in self.operations for d in op.inputs}
        kept = sum(o.mass for op in self.operations for o in op.outputs if o.id not in gone)
        whole = abs(came - left - kept) / came if came else 0.0
        return max(whole, *(op.error() for op in self.operations))


def finished(name: str = "Ti-6Al-4V", *, at: str = "", fault: tuple[str, Any] | None = None,
             **changes: Any) -> RecyclingBench:
    """A job run through, with a fault from the beginning of a phase on."""
    bench = RecyclingBench(program(name, **changes)).start()
    if fault is not None:
        bench.to(at)
        bench.fault(*fault)
    bench.finish()
    assert bench.balance() < 1e-9
    return bench


def out(bench: RecyclingBench) -> Any:
    """The lot that left the line."""
    return next(o for o in reversed(bench.operations)
                if o.name in ("release", "hold", "scrap")).outputs[0]

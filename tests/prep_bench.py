"""A rotating electrode machine on a bench: short rods, quick gas, run in the test's own thread."""

from __future__ import annotations

from typing import Any

from emulators.controllers.build import Program
from emulators.controllers.prep import PrepController
from emulators.machines.prep import prep_program
from emulators.recipes import load_recipe
from tests.bench import MachineBench, dotted
from twin.machines.prep import Prep
from twin.powder.lot import PowderLot

__all__ = ["PrepBench", "atomizing", "prep_bench_program"]

QUICK = {
    "rods.count": 2,
    "rods.length": 0.16,
    "rods.loading": 6.0,
    "rods.change": 5.0,
    "gas.vacuum": 20.0,
    "gas.fill_flow": 0.05,
    "rotation.speed": 20_000 / 60,
    "rotation.acceleration": 400 / 60,
    "rotation.braking": 400 / 60,
    "arc.power": 60e3,
    "arc.approach": 5e-3,
}
"""Recipe changes that make everything but the atomizing short."""


def prep_bench_program(alloy: str = "Ti-6Al-4V", **changes: Any) -> Program:
    """A quick program; `changes` use __ for a dot."""
    return prep_program(load_recipe(alloy, "prep").changed({**QUICK, **dotted(changes)}))


class PrepBench(MachineBench):
    """A rotating electrode machine."""

    plant: Prep
    controller: PrepController

    def __init__(self, built: Program | None = None, *, seed: int = 1,
                 every_scan: bool = False) -> None:
        built = built or prep_bench_program()
        super().__init__("prep", Prep(seed), PrepController, built, seed=seed,
                         every_scan=every_scan)

    @property
    def lot(self) -> PowderLot:
        """The powder that was discharged last."""
        lots = [o for op in self.operations for o in op.outputs if isinstance(o, PowderLot)]
        return lots[-1]

    def during(self, seconds: float) -> PowderLot:
        """The powder of the next seconds alone."""
        bench, stream = self, type(self.plant.canister.stream)
        before = stream.of(self.plant.canister.stream.plain())
        bench.rest(seconds)
        after = stream.of(self.plant.canister.stream.plain())
        for name in stream.NAMES:
            setattr(after, name, getattr(after, name) - getattr(before, name))
        job = self.controller.made
        return after.lot("part", job.alloy, job.composition)


def atomizing(built: Program | None = None, after: float = 60.0, **more: Any) -> PrepBench:
    """A machine whose first rod has been atomized for so long (s)."""
    bench = PrepBench(built, **more)
    bench.start()
    bench.to("atomize")
    bench.rest(after)
    return bench

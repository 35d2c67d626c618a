"""A PBF-EB machine on a bench: a small part, run in the test's own thread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from emulators.controllers.build import Program
from emulators.controllers.pbf_eb import PbfEbController
from emulators.machines.pbf_eb import pbf_eb_plan, pbf_eb_program
from emulators.recipes import recipe_for
from tests.bench import MachineBench, block, dotted
from twin.machines.pbf_eb import PbfEb
from twin.parts import Part

__all__ = ["EbBench", "eb_program", "hot"]

QUICK = {
    "raking.speed": 0.3,
    "preheat.tank": 0.1,
    "preheat.edge": 0.09,
    "preheat.plate_current": 30e-3,
    "preheat.current_1": 4e-3,
    "preheat.current_2": 5e-3,
    "vacuum.start_pressure": 1.0,
    "temperature.unpack": 873.15,
}
"""Recipe changes: a small build tank, which is hot and cold sooner."""


def eb_program(
    parts: Sequence[Part] = (), alloy: str = "Ti-6Al-4V", guns: int = 1, **changes: Any
) -> Program:
    """A program of `parts` (a block of six layers); `changes` use __ for a dot."""
    recipe = recipe_for(alloy, "pbf-eb").changed({**QUICK, **dotted(changes)})
    made = list(parts) or [block((8e-3, 8e-3, 3e-4))]
    return pbf_eb_program(made[0].name, pbf_eb_plan(made, recipe, guns), recipe)


class EbBench(MachineBench):
    """A PBF-EB machine."""

    plant: PbfEb
    controller: PbfEbController

    def __init__(
        self, built: Program | None = None, *, seed: int = 1, every_scan: bool = False,
        guns: int = 1,
    ) -> None:
        built = built or eb_program(guns=guns)
        super().__init__("pbf-eb", PbfEb(seed, guns, built.recipe.exposure.splits),
                         PbfEbController, built, seed=seed, every_scan=every_scan)


def hot(layer: int = 1, **more: Any) -> EbBench:
    """A bench amid its layers: raking, with so many layers done."""
    bench = EbBench(**more).start()
    return bench.to("rake", layer)

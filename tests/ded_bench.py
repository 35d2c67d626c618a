"""A powder deposition machine on a bench: a small part, run in the test's own thread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from emulators.controllers.build import Program
from emulators.controllers.ded_powder import DedPowderController
from emulators.machines.ded_powder import powder_program
from emulators.recipes import load_recipe
from tests.bench import MachineBench, block, dotted
from twin.machines.ded_powder import DedPowder
from twin.parts import Part, arrange
from twin.parts.passes import PassPlan

__all__ = ["DedBench", "at_layer", "ded_program"]

QUICK = {
    "passes.layer_height": 0.4e-3,
    "thermal.interpass_limit": 673.15,
    "thermal.unpack": 560.0,
    "thermal.dwell": 2.0,
    "powder.lead": 4.0,
}
"""Recipe changes: hotter layers, shorter waits."""
SIZE = (16e-3, 8e-3)


def ded_program(
    parts: Sequence[Part] = (), recipe: str = "316L", layers: int = 12, **changes: Any
) -> Program:
    """A program of `parts` (a block of so many layers); `changes` use __ for a dot."""
    chosen = load_recipe(recipe, "ded-powder").changed({**QUICK, **dotted(changes)})
    height = chosen.passes.layer_height
    made = list(parts) or [block((*SIZE, layers * height))]
    placed = arrange(made, DedPowder.PLATE, DedPowder.HEIGHT)
    plan = PassPlan(placed, height, chosen.passes.style())
    return powder_program(made[0].name, plan, chosen)


class DedBench(MachineBench):
    """A powder deposition machine."""

    plant: DedPowder
    controller: DedPowderController

    def __init__(
        self, built: Program | None = None, *, seed: int = 1, every_scan: bool = False,
        summary: bool = False,
    ) -> None:
        built = built or ded_program()
        super().__init__("ded-powder", DedPowder(seed, summary=summary), DedPowderController,
                         built, seed=seed, every_scan=every_scan)
        self.passes: list[dict[str, Any]] = []
        """Columns of each finished layer's passes."""
        take = self.plant.take_tables

        def keep(_: bool) -> list[tuple[str, dict[str, Any]]]:
            made = take(True)
            self.passes += [columns for name, columns in made if name == "vectors"]
            return made

        self.plant.take_tables = keep  # type: ignore[method-assign]

    def depositing(self) -> DedBench:
        """Run on to the middle of a pass."""
        self.until(lambda: bool(self.plant.head.depositing))
        self.rest(0.9)
        return self

    def late_layers(self, name: str, count: int = 3) -> float:
        """Mean of a figure over the last layers."""
        values = [layer[name] for layer in self.layers()[-count:]]
        return sum(values) / len(values)


def at_layer(layer: int = 2, built: Program | None = None, **more: Any) -> DedBench:
    """A machine that deposits, so many layers finished."""
    bench = DedBench(built, **more)
    bench.start()
    bench.to("pass", layer)
    return bench.depositing()

"""A binder-jet machine and a sinter furnace on the bench: quick, in the test's own thread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Self

from emulators.controllers.binder_jet import BinderJetController
from emulators.controllers.build import Program
from emulators.controllers.sinter_furnace import SinterFurnaceController
from emulators.machines.binder_jet import jet_program
from emulators.machines.sinter_furnace import _from_part, sinter_program
from emulators.recipes import recipe_for
from tests.bench import MachineBench, block, dotted
from twin.equipment.charge import GreenPart
from twin.machines.binder_jet import BinderJet
from twin.machines.sinter_furnace import SinterFurnace
from twin.parts import Part

JET = {
    "printing.head_temperature": 293.15,
    "printing.wipe_every": 0,
    "layer_thickness": 200e-6,
    "spreading.speed": 0.4,
    "spreading.roller": 10.0,
    "drying.box_temperature": 293.15,
    "drying.lamp": 0.8,
    "depowdering.time": 60.0,
    "curing.time": 0.0,
}
"""Recipe changes that make everything but the layers short."""

FURNACE = {
    "debinding.steps": 1,
    "debinding.first": 623.15,
    "debinding.last": 623.15,
    "debinding.rate": 5 / 60,
    "debinding.time": 3600.0,
    "presintering.hold": 0.0,
    "sintering.rate": 10 / 60,
    "purging.flow": 200e-3 / 60,
    "purging.leak_time": 60.0,
    "cooling.unload": 473.15,
}


def jet(parts: Sequence[Part] = (), **changes: Any) -> Program:
    """A quick program of `parts` (a block of six layers); `changes` use __ for a dot."""
    recipe = recipe_for("316L", "binder-jet").changed({**JET, **dotted(changes)})
    return jet_program(parts or [block((5e-3, 5e-3, 9.8e-4))], recipe)


def green(size: Sequence[float] = (20e-3, 10e-3, 10e-3), name: str = "block", **more: Any
          ) -> GreenPart:
    """A compensated green part for the furnace's quick programme."""
    part = _from_part(block(size, name), recipe_for("316L", "sinter-furnace").changed(FURNACE))
    return replace(part, **more)


def sinter(parts: Sequence[GreenPart] = (), **changes: Any) -> Program:
    """A quick program of green parts (one block)."""
    recipe = recipe_for("316L", "sinter-furnace").changed({**FURNACE, **dotted(changes)})
    return sinter_program(list(parts) or [green()], recipe)


class _Bench(MachineBench):
    def finish(self, limit: float = 2e5) -> Self:
        return super().finish(limit)

    def parts(self) -> list[dict[str, Any]]:
        """What became of the parts."""
        return [dict(e.fields) for e in self.events if e.kind == "part"]

    def came(self, kind: str, words: str) -> float:
        """When something was first told of, s."""
        return next((e.time for e in self.events if e.kind == kind and words in e.message),
                    float("inf"))


class JetBench(_Bench):
    """A binder-jet machine."""

    plant: Any
    controller: Any

    def __init__(self, built: Program | None = None, *, seed: int = 1, fidelity: str = "vector",
                 every_scan: bool = False) -> None:
        plant, built = BinderJet(seed, fidelity), built or jet()
        if built.recipe.curing.time == 0:
            # Hours in the oven take time to look at: a binder that sets by itself.
            plant.oven.fill = lambda: setattr(plant.oven, "_uncured", 0.02)  # type: ignore[method-assign]
        super().__init__("binder-jet", plant, BinderJetController, built, seed=seed,
                         every_scan=every_scan, name="M-01")


class FurnaceBench(_Bench):
    """A sinter furnace that looks ahead in steps of 30 s instead of 10."""

    plant: Any
    controller: Any

    def __init__(self, built: Program | None = None, *, seed: int = 1, every_scan: bool = False
                 ) -> None:
        plant = SinterFurnace(seed)
        plant.furnace.STEP = 30.0
        super().__init__("sinter-furnace", plant, SinterFurnaceController, built or sinter(),
                         seed=seed, every_scan=every_scan, name="M-01")

    def sintered(self) -> Self:
        """Run to the end of the programme and look at the parts without waiting for the cold."""
        self.to("cool", limit=2e5)
        self.plant.furnace.unload = True
        self.plant.furnace.driven("unload")
        return self.rest(0.1)

"""The wire machines, arc and laser, on a bench: a small part, run in the test's own thread."""

from __future__ import annotations

from typing import Any

from emulators.controllers.build import Program
from emulators.controllers.ded_arc import DedArcController
from emulators.controllers.ded_wire_laser import DedWireLaserController
from emulators.machines.ded_arc import arc_program
from emulators.machines.ded_wire_laser import wire_program
from emulators.recipes import load_recipe
from tests.bench import MachineBench, block, dotted
from twin.machines.ded_arc import DedArc
from twin.machines.ded_wire_laser import DedWireLaser
from twin.parts import arrange
from twin.parts.passes import PassPlan

__all__ = ["WireBench", "at_layer", "wire_job"]

QUICK = {"thermal.unpack": 560.0, "thermal.dwell": 1.0, "wire.pass_dwell": 0.0}
SIZE = (40e-3, 12e-3)
USUAL = {"ded-arc": "ER70S-6", "ded-wire-laser": "316L"}
PLANTS = {"ded-arc": DedArc, "ded-wire-laser": DedWireLaser}
CONTROLLERS = {"ded-arc": DedArcController, "ded-wire-laser": DedWireLaserController}
PROGRAMS: dict[str, Any] = {"ded-arc": arc_program, "ded-wire-laser": wire_program}


def wire_job(machine: str, recipe: str = "", layers: int = 8, size: tuple[float, float] = SIZE,
             **changes: Any) -> Program:
    """A program of a block of so many layers; `changes` use __ for a dot, SI."""
    chosen = load_recipe(recipe or USUAL[machine], machine).changed({**QUICK, **dotted(changes)})
    height = chosen.passes.layer_height
    plant = PLANTS[machine]
    placed = arrange([block((*size, layers * height))], plant.PLATE, plant.HEIGHT)
    plan = PassPlan(placed, height, chosen.passes.style())
    built: Program = PROGRAMS[machine]("block", plan, chosen)
    return built


class WireBench(MachineBench):
    """A wire deposition machine."""

    plant: Any
    controller: Any

    def __init__(self, machine: str, built: Program | None = None, *, seed: int = 1,
                 every_scan: bool = False, summary: bool = False) -> None:
        built = built or wire_job(machine)
        super().__init__(machine, PLANTS[machine](seed, summary), CONTROLLERS[machine], built,
                         seed=seed, every_scan=every_scan, name="DED-01")

    def depositing(self, seconds: float = 1.0) -> WireBench:
        """Run on to the middle of a pass."""
        self.until(lambda: bool(self.plant.head.depositing))
        self.rest(seconds)
        return self

    def work(self, *commands: str) -> WireBench:
        """Work done at the machine while it stands."""
        for command in commands:
            self.call(f"Service.{command}")
        return self

    def happened(self) -> list[str]:
        """What the plant told of the process, in order."""
        return [e.message for e in self.events if e.kind == "process" and "phase" not in e.message]

    def late(self, name: str, count: int = 3) -> float:
        """Mean of a figure over the last layers."""
        values = [layer[name] for layer in self.layers()[-count:]]
        return float(sum(values) / len(values))


def at_layer(machine: str, layer: int = 2, built: Program | None = None, **more: Any) -> WireBench:
    """A machine that deposits, so many layers finished."""
    bench = WireBench(machine, built, **more)
    bench.start()
    bench.to("pass", layer)
    return bench.depositing()

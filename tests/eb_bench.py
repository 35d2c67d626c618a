"""A PBF-EB machine on a bench: a small part, run in the test's own thread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from emulators.controllers.build import Program
from emulators.controllers.pbf_eb import PbfEbController
from emulators.emulator import Emulator
from emulators.machines.pbf_eb import pbf_eb_plan, pbf_eb_program
from emulators.recipes import recipe_for
from plc_interfaces.host import AlarmStatus, Event, Identity
from tests.bench import Bench, block
from twin.image import Readings
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
    dotted = {path.replace("__", "."): value for path, value in changes.items()}
    recipe = recipe_for(alloy, "pbf-eb").changed({**QUICK, **dotted})
    made = list(parts) or [block((8e-3, 8e-3, 3e-4))]
    return pbf_eb_program(made[0].name, pbf_eb_plan(made, recipe, guns), recipe)


class EbBench(Bench):
    """One machine, its events and alarms so far, and the usual things done to it."""

    plant: PbfEb  # type: ignore[assignment]
    controller: PbfEbController  # type: ignore[assignment]

    def __init__(
        self, built: Program | None = None, *, seed: int = 1, every_scan: bool = False,
        guns: int = 1,
    ) -> None:
        built = built or eb_program(guns=guns)
        self.name = built.job.name
        self.plant = PbfEb(seed, guns, built.recipe.exposure.splits)
        readings = Readings(self.plant, seed)
        self.controller = PbfEbController(self.plant, readings, {self.name: built})
        self.emulator = Emulator(
            self.plant, self.controller, Identity("PBF-EB-01", "pbf-eb", "PBF", "M", "1"),
            speed=float("inf"), readings=readings, every_scan=every_scan)
        self.events: list[Event] = []
        self.alarms: list[AlarmStatus] = []
        self._raised: dict[str, None] = {}
        self.traces: dict[str, list[tuple[float, float]]] = {}
        self.emulator.listen(self._update)


def hot(layer: int = 1, **more: Any) -> EbBench:
    """A bench amid its layers: raking, with so many layers done."""
    bench = EbBench(**more).start()
    return bench.to("rake", layer)

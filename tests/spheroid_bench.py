"""A spheroidizer on the bench: small batches, quick gas, in the test's own thread."""

from __future__ import annotations

from typing import Any

from emulators.controllers.build import Program
from emulators.controllers.spheroidizer import SpheroidizerController
from emulators.controllers.states import MachineState
from emulators.machines.spheroidizer import spheroid_program
from emulators.recipes import recipe_for
from tests.bench import MachineBench, dotted
from twin.machines.spheroidizer import Spheroidizer
from twin.powder.lot import PowderLot

QUICK = {
    "gas.purge": 0.4 / 60,
    "gas.oxygen_limit": 1e-3,
    "gas.oxygen_hold": 2e-3,
    "gas.dew_hold": 283.15,
    "feed.batch": 0.1,
    "feed.batches": 2,
}
"""Recipe changes that make everything but the feeding short."""


def program(alloy: str = "316L", lots: tuple[PowderLot, ...] = (), **changes: Any) -> Program:
    """A quick program; `changes` use __ for a dot."""
    recipe = recipe_for(alloy, "spheroidizer").changed({**QUICK, **dotted(changes)})
    return spheroid_program(recipe, lots)


class SpheroidBench(MachineBench):
    """A spheroidizer."""

    plant: Any
    controller: Any

    def __init__(self, built: Program | None = None, *, seed: int = 1, every_scan: bool = False
                 ) -> None:
        built = built or program()
        super().__init__("spheroidizer", Spheroidizer(seed), SpheroidizerController, built,
                         seed=seed, every_scan=every_scan, name="S-01")

    def feeding(self, seconds: float = 30.0, batch: int = 0) -> SpheroidBench:
        """A batch is being fed for so long."""
        self.start().to("feed", batch)
        self.rest(seconds)
        return self

    def held(self, limit: float = 600.0) -> SpheroidBench:
        self.to_state(MachineState.SUSPENDED, limit)
        return self

    def product(self, number: int = 0) -> PowderLot:
        """The product of a batch."""
        lot = [o for o in self.operations if o.name == "spheroidize"][number].outputs[0]
        assert isinstance(lot, PowderLot)
        return lot

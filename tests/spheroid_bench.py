"""A spheroidizer on the bench: small batches, quick gas, in the test's own thread."""

from __future__ import annotations

from typing import Any

from emulators.controllers.build import Program
from emulators.controllers.spheroidizer import SpheroidizerController
from emulators.controllers.states import MachineState
from emulators.emulator import Emulator
from emulators.machines.spheroidizer import spheroid_program
from emulators.recipes import recipe_for
from plc_interfaces.host import AlarmStatus, Event, Identity
from tests.bench import Bench
from twin.image import Readings
from twin.machines.spheroidizer import Spheroidizer
from twin.powder.lot import PowderLot
from twin.powder.operations import Operation

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
    dotted = {path.replace("__", "."): value for path, value in changes.items()}
    recipe = recipe_for(alloy, "spheroidizer").changed({**QUICK, **dotted})
    return spheroid_program(recipe, lots)


class SpheroidBench(Bench):
    """A spheroidizer."""

    plant: Any
    controller: Any

    def __init__(self, built: Program | None = None, *, seed: int = 1, every_scan: bool = False
                 ) -> None:
        built = built or program()
        self.name = built.job.name
        self.plant = Spheroidizer(seed)
        self.plant.name = "S-01"
        readings = Readings(self.plant, seed)
        self.controller = SpheroidizerController(self.plant, readings, {self.name: built})
        self.emulator = Emulator(
            self.plant, self.controller, Identity("S-01", "spheroidizer", "", "M", "1"),
            speed=float("inf"), readings=readings, every_scan=every_scan)
        self.events: list[Event] = []
        self.alarms: list[AlarmStatus] = []
        self.operations: list[Operation] = []
        self.traces = {}
        self._raised = {}
        self.emulator.listen(self._update)
        self.emulator.followers.append(self.operations.append)

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

"""A recycling line on a bench: a few kilograms, quick gas, heat and laboratory."""

from __future__ import annotations

from typing import Any

from emulators.controllers.build import Program
from emulators.controllers.recycling_line import RecyclingLineController
from emulators.controllers.states import MachineState
from emulators.emulator import Emulator
from emulators.machines.recycling_line import recycling_program, stock
from emulators.recipes import load_recipe
from plc_interfaces.host import AlarmStatus, Event, Identity
from tests.bench import Bench
from twin.image import Readings
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
    dotted = {path.replace("__", "."): value for path, value in changes.items()}
    recipe = load_recipe(name, "recycling-line").changed({**QUICK, **dotted})
    return recycling_program(recipe, lots or stock(recipe))[0]


class RecyclingBench(Bench):
    """A recycling line, its operations and what became of its batches."""

    plant: Any
    controller: Any

    def __init__(self, built: Program | None = None, *, seed: int = 1, every_scan: bool = False
                 ) -> None:
        built = built or program()
        self.name = built.job.name
        self.plant = RecyclingLine(seed)
        self.plant.name = "RECYCLING-01"
        self.operations: list[Operation] = []
        record = self.plant.record_operation

        def keep(operation: Operation) -> None:
            self.operations.append(operation)
            record(operation)

        self.plant.record_operation = keep
        readings = Readings(self.plant, seed)
        self.controller = RecyclingLineController(self.plant, readings, {self.name: built})
        self.emulator = Emulator(
            self.plant, self.controller, Identity("RECYCLING-01", "recycling-line", "", "M", "1"),
            speed=float("inf"), readings=readings, every_scan=every_scan)
        self.events: list[Event] = []
        self.alarms: list[AlarmStatus] = []
        self.traces = {}
        self._raised = {}
        self.emulator.listen(self._update)

    def finish(self, limit: float = 3e4) -> Bench:
        return self.to_state(MachineState.FINISHED, limit)

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

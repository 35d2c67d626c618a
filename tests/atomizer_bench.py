"""A gas atomizer on a bench: a small charge and short preparation, run in the test's own thread."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Self

from emulators.controllers.build import Program
from emulators.controllers.gas_atomizer import GasAtomizerController
from emulators.machines.gas_atomizer import atomizer_program
from emulators.recipes import recipe_for
from tests.bench import MachineBench, dotted
from twin.machines.gas_atomizer import GasAtomizer
from twin.powder.lot import PowderLot
from twin.powder.operations import Item

Poured = tuple[Any, str]
"""What a bench was made of, and its state."""

QUICK = {
    "charge.time": 2.0,
    "charge.mass": 16.0,
    "charge.power": 240e3,
    "charge.hold": 5.0,
    "chamber.vacuum": 500.0,
    "chamber.leak_time": 10.0,
    "chamber.leak_limit": 10.0,
    "chamber.oxygen_limit": 2e-3,
    "pour.level": 0.12,
    "pour.tail_level": 0.05,
    "nozzle.bore": 3.5e-3,
    "cooling.powder": 573.15,
    "cooling.vessel": 1673.15,
    "cooling.passivation": 10.0,
    "cooling.discharge": 2.0,
}
"""Recipe changes that make everything but the pour short."""


def program(alloy: str = "316L", **changes: Any) -> Program:
    """A quick program; `changes` use __ for a dot, SI values."""
    recipe = recipe_for(alloy, "gas-atomizer")
    quick = dict(QUICK)
    if recipe.charge.melting == "EIGA":
        quick |= {"charge.mass": 3.0, "charge.power": 60e3, "rod.stub": 0.3}
        del quick["nozzle.bore"]
    return atomizer_program(recipe.changed({**quick, **dotted(changes)}))


class AtomizerBench(MachineBench):
    """A gas atomizer, its operations kept."""

    plant: Any
    controller: Any

    def __init__(self, built: Program | None = None, *, seed: int = 1, every_scan: bool = False
                 ) -> None:
        built = built or program()
        super().__init__("gas-atomizer", GasAtomizer(seed, (built.job.melting,)),
                         GasAtomizerController, built, seed=seed, every_scan=every_scan,
                         name="ATM")

    def keep(self) -> str:
        """Its state, for `at`."""
        return json.dumps(self.emulator.state(), sort_keys=True)

    @classmethod
    def at(cls, built: Program, state: str, **more: Any) -> AtomizerBench:
        """A bench that goes on from a state."""
        made = cls(built, **more)
        made.emulator.reinstate(json.loads(state))
        made.emulator.next_scan = made.emulator.scan_number + 1
        return made

    def finish(self, limit: float = 2e5) -> Self:
        return super().finish(limit)

    def lots(self, what: str = "powder") -> list[PowderLot]:
        """Lots of a kind that came out."""
        return [lot for operation in self.operations for lot in operation.outputs
                if isinstance(lot, PowderLot) and lot.origin.endswith(f": {what}")]

    def scrap(self) -> dict[str, float]:
        """Scrap by kind, kg."""
        found: dict[str, float] = {}
        for operation in self.operations:
            for item in operation.outputs:
                if isinstance(item, Item):
                    what = str(item.about["what"])
                    found[what] = found.get(what, 0.0) + item.mass
        return found


def kept(built: Any, go: Callable[[AtomizerBench], Any]) -> Poured:
    """A bench that has gone so far, to be taken up by many tests."""
    bench = AtomizerBench(built)
    bench.start()
    go(bench)
    return built, bench.keep()


def first(bench: AtomizerBench, path: str, holds: Callable[[float], bool]) -> float:
    """When a watched reading was first so, s."""
    return next((t for t, v in bench.traces[path] if holds(v)), float("inf"))

"""A works with machines that are clocks: they take a time, powder, gas, power, and make parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any

from emulators.controllers.states import MachineState
from emulators.controllers.works import Dispatcher, Expectation
from emulators.emulator import Emulator
from emulators.works.plan import Plan, load_plan
from emulators.works.plant import make_works
from plc_interfaces.host import Act, ActKind, Identity
from twin.image import Readings
from twin.powder.lot import PowderLot, Status
from twin.powder.operations import Draw, Item, Operation, draw, renamed
from twin.works.plant import Works
from twin.works.stores import Thing

HOUR = 3600.0

PLAN = """
name = "bench"
begins = "Mon 06:00"
power_limit_kw = 20.0
cooling_kw = 30.0
products = ["ring", "green ring", "pin"]

[[gases]]
name = "argon"
capacity_m3 = 500
start_m3 = 400
reorder_m3 = 150
reserve_m3 = 20
lead_time_h = 24

[[shifts]]
name = "early"
days = ["Mon", "Tue", "Wed", "Thu", "Fri"]
begins = "06:00"
ends = "14:00"

[[shifts]]
name = "late"
days = ["Mon", "Tue", "Wed", "Thu", "Fri"]
begins = "14:00"
ends = "22:00"

[[people]]
name = "Anna"
skills = ["operator", "laboratory"]
shift = "early"

[[people]]
name = "Ben"
skills = ["operator", "maintenance"]
shift = "late"

[[stores]]
name = "Ti64"
alloy = "Ti-6Al-4V"
low_um = 15
high_um = 53
process = "pbf-lb"
used = "Ti64 used"
reorder_kg = 30
stock = [{ mass_kg = 40, d50_um = 34, oxygen_ppm = 1100, lots = 2 }]

[[stores]]
name = "Ti64 used"
holds = "used powder"
alloy = "Ti-6Al-4V"

[[machines]]
name = "LB-01"
type = "pbf-lb"
gas = "argon"
upkeep = { between_failures_h = 60, repair_h = 2, service_every_h = 100 }
  [[machines.programs]]
  name = "pins"
  makes = { product = "pin", count = 4 }
  takes = [{ store = "Ti64", kg = 20 }]

[[machines]]
name = "LB-02"
type = "pbf-lb"
gas = "argon"
  [[machines.programs]]
  name = "pins"
  makes = { product = "pin", count = 4 }
  takes = [{ store = "Ti64", kg = 20 }]
  [[machines.programs]]
  name = "green"
  makes = { product = "green ring", count = 2 }
  takes = [{ store = "Ti64", kg = 10 }]

[[machines]]
name = "OVEN-01"
type = "sinter-furnace"
setup_h = 0
unload_h = 0
  [[machines.programs]]
  name = "rings"
  makes = { product = "ring", count = 4 }
  takes = [{ product = "green ring", count = 4 }]

[[machines]]
name = "LINE-01"
type = "recycling-line"
attended = true
  [[machines.programs]]
  name = "recycle"
  makes = { store = "Ti64", kg = 15 }
  takes = [{ store = "Ti64 used", kg = 15 }]

[[orders]]
product = "pin"
quantity = 6
every_h = 48

[[orders]]
product = "ring"
quantity = 4
every_h = 96
priority = 3
"""


@dataclass
class ClockMachine:
    """A machine that does any program in a fixed time."""

    name: str
    works: Works
    seconds: float = 6 * HOUR
    watts: float = 8e3
    gas: float = 1.0 / HOUR
    state: MachineState = MachineState.IDLE
    reason: str = ""
    layer: int = 0
    job: str = ""
    told: list[str] = field(default_factory=list)
    done: list[Operation] = field(default_factory=list)
    refuses: str = ""
    porosity: float = 0.001
    verdict: Status = "new"
    """What a line says of what it made."""
    safe: bool = True
    left: float = 0.0
    began: float = 0.0
    epoch: int = 0
    things: list[Thing] = field(default_factory=list)

    def expected(self, program: str) -> Expectation:
        return Expectation(self.seconds, self.watts)

    def take_operations(self) -> list[Operation]:
        taken, self.done = self.done, []
        return taken

    def supply(self, program: str, things: Sequence[Thing]) -> str:
        self.things = [*things]
        return self.refuses

    def recall(self, things: Sequence[Thing]) -> bool:
        back, self.things = self.things, []
        return {t.id for t in things} <= {t.id for t in back}

    def _go(self, state: MachineState) -> None:
        self.state = state
        on = state is MachineState.BUILDING
        power, gas = (self.watts, self.gas) if on else (500.0, 0.05 * self.gas)
        self.works.metered(self.name, power, gas)
        self.epoch += 1
        if on:
            self.began = self.works.env.now
            epoch = self.epoch
            event = self.works.env.at(self.began + self.left)
            event.callbacks.append(lambda _: epoch == self.epoch and self._finish())

    def refusal(self) -> str:
        return ""

    def order(self, job_id: str, program: str) -> None:
        self.job = job_id
        self.told.append(f"order {program}")
        self.left = self.seconds
        self._go(MachineState.BUILDING)

    def pause(self) -> None:
        self.told.append("pause")
        if self.state is MachineState.BUILDING:
            self.left -= self.works.env.now - self.began
            self._go(MachineState.HELD)

    def resume(self) -> None:
        self.told.append("resume")
        self.safe = True
        self._go(MachineState.BUILDING)

    def abort(self) -> None:
        self.told.append("abort")
        self._go(MachineState.ABORTED)

    def clear(self) -> None:
        self.told.append("clear")
        self.safe = self.works.mains.present
        self._go(MachineState.IDLE)

    def maintain(self, on: bool) -> None:
        self.told.append(f"maintain {on}")
        self._go(MachineState.MAINTENANCE if on else MachineState.IDLE)

    def power(self, present: bool) -> None:
        self.told.append(f"power {present}")
        self.safe = self.safe and present
        if not present and self.state is MachineState.BUILDING:
            self.left -= self.works.env.now - self.began
            self._go(MachineState.SUSPENDED)

    def _finish(self) -> None:
        lots = [t for t in self.things if isinstance(t, PowderLot)]
        now = self.works.env.now
        if lots and self.name.startswith("LB"):
            outputs: list[Thing] = []
            for n, lot in enumerate(lots):
                part, rest = draw(lot, 0.1 * lot.mass)
                outputs.append(Item(self.works.new_id("P"), "part", lot.alloy, part.metal,
                                    dict(part.constituents[0].elements),
                                    {"porosity": self.porosity, "oxygen": lot.oxygen}))
                outputs.append(renamed(rest, self.works.new_id(f"U{n}"), parents=(lot.id,),
                                       cycle=lot.cycle + 1, status="new"))
                lost = {e: kg - part.constituents[0].elements.get(e, 0.0)
                        for e, kg in part.elements.items()}
                self.done.append(Operation("build", self.name, now, (Draw.all(lot),),
                                           tuple(outputs[-2:]), lost=lost))
        elif lots:
            for lot in lots:
                self.done.append(Operation(
                    "sieve", self.name, now, (Draw.all(lot),),
                    (renamed(lot, self.works.new_id("R"), parents=(lot.id,),
                             status=self.verdict),)))
        self.things = []
        self._go(MachineState.FINISHED)


class Bench:
    """A works of clock machines."""

    def __init__(self, folder: Path, text: str = PLAN, seed: int = 1, **about: Any) -> None:
        path = folder / "bench.toml"
        path.write_text(text)
        self.plan: Plan = load_plan(path)
        self.works = make_works(self.plan, seed)
        self.machines = {m.name: ClockMachine(m.name, self.works) for m in self.plan.machines}
        self.readings = Readings(self.works, seed)
        self.dispatcher = Dispatcher(self.works, self.readings, self.plan,
                                     [*self.machines.values()])
        identity = Identity("WORKS", "works", "", "amtwin works", "AMT-1")
        self.emulator = Emulator(self.works, self.dispatcher, identity, speed=inf,
                                 readings=self.readings, **about)
        self.emulator.hash_period = HOUR
        for machine in self.machines.values():
            self.works.metered(machine.name, 500.0, 0.05 * machine.gas)

    def run(self, hours: float) -> None:
        self.emulator.run(hours * HOUR)

    def fault(self, path: str, value: Any) -> None:
        self.emulator.instruct(Act(ActKind.FAULT, path, value))

    def call(self, path: str, *arguments: Any) -> str:
        future = self.emulator.submit(Act(ActKind.CALL, path, [*arguments]))
        self.run(self.emulator.time / HOUR + 0.01)
        return str(future.result(1))

    def active(self) -> set[str]:
        return {path.removeprefix("Alarms.") for path, alarm in self.dispatcher.alarms.items()
                if alarm.active}

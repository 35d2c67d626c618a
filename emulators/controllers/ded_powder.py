"""The soft PLC of a powder deposition machine: laser, powder, gas, and their interlocks."""

from __future__ import annotations

from collections.abc import Mapping
from math import isnan
from typing import Any

from emulators.controllers.base import Watch
from emulators.controllers.build import Program
from emulators.controllers.build_signals import Feedstock
from emulators.controllers.ded import DedController, LaserHeadService
from emulators.controllers.ded_powder_signals import Alarms, Machine, Process
from twin.image import Readings
from twin.machines.ded_powder import DedPowder
from twin.signals import command

__all__ = ["DedPowderController"]


class Service(LaserHeadService):
    """What an operator does with his hands at the machine while it stands."""

    _plant: DedPowder

    @command()
    def clear_feeder(self) -> str:
        """Clear discs and hose of the powder feeder, and calibrate it."""
        work = self.begin("feeder cleared and calibrated")
        for hopper in self._plant.feeder.hoppers:
            hopper.unblock()
        return self.tell(work, self._plant.feeder)

    @command()
    def change_nozzle(self) -> str:
        """Put a new powder nozzle into the head."""
        return self.mend("nozzle changed", self._plant.feeder, NozzleWear=0.0)

    @command()
    def refill(self) -> str:
        """Fill the hoppers."""
        work = self.begin("hoppers filled")
        for hopper in self._plant.feeder.hoppers:
            hopper.refill()
        return self.tell(work, self._plant.feeder)

    @command()
    def mend_gas(self) -> str:
        """Mend hoses and change the gas bottle."""
        return self.mend("gas supply mended", self._plant.gas, ShieldLoss=0.0, SupplyFailure=False)


class DedPowderController(DedController):
    """Sequence of the deposition machines with a laser and two to four hoppers of powder."""

    FLOW_BAND = (0.8, 1.25)  # of the flow demanded: outside, the alarms come
    LOST = 0.2  # of the flow demanded, below which nothing useful is laid, default
    ARRIVES = 6.0  # s in which powder comes through the hose and is weighed, default
    LEAST = 0.5 / 6e4  # kg/s demanded of a hopper below which its flow is not judged
    LOW, EMPTY = 0.5, 0.02  # kg in a hopper
    plant: DedPowder
    process: Process

    def __init__(self, plant: DedPowder, readings: Readings,
                 programs: Mapping[str, Program]) -> None:
        super().__init__(plant, readings, programs, Machine, Process(), Feedstock(), Alarms())
        self.add("Service", Service(plant, self.standing))
        self.assemble()

    def _hoppers(self) -> list[Any]:
        feeder = self.io.feeder
        return [getattr(feeder, f"hopper{i + 1}") for i in range(len(self.plant.feeder.hoppers))]

    def _shares(self) -> list[float]:
        second = self.process.second_share
        return [1 - second, second, *([0.0] * (len(self.plant.feeder.hoppers) - 2))]

    # -- what the base asks -------------------------------------------------------------------

    def load(self, program: Program) -> None:
        super().load(program)
        process = self.process
        if process.pool_regulation and process.pool_width <= 0:
            process.pool_width = program.job.settings.pool_width

    def follow_setpoints(self) -> None:
        super().follow_setpoints()
        if self.phase == "pass":
            self.waited(self._due())
        io, process = self.io, self.process
        io.laser.power = process.laser_power
        io.pool.regulate = process.pool_regulation and process.pool_width > 0
        io.pool.width_demand = process.pool_width
        io.pool.authority = process.regulator_authority
        if io.gas.shield_demand > 0:
            self.shield(True)
        if any(hopper.demand > 0 for hopper in self._hoppers()):
            self.feed(True)

    def energise(self, on: bool) -> None:
        self.io.laser.enable = on

    def feed(self, on: bool) -> None:
        for hopper, share in zip(self._hoppers(), self._shares(), strict=True):
            hopper.demand = self.process.powder_feed * share if on else 0.0

    def lead(self) -> float:
        return float(self.process.feed_lead)

    def _due(self) -> float:
        """How long after a layer has begun powder must flow, s."""
        return max(self.lead(), self.ARRIVES)

    def fed(self) -> bool:
        used = [hopper for hopper in self._hoppers() if hopper.demand > 0]
        low = self.FLOW_BAND[0]
        return bool(used) and all(h.mass_flow > low * h.flow_demand > 0 for h in used)

    def shield(self, on: bool) -> None:
        gas, process = self.io.gas, self.process
        gas.shield_demand = process.shield_flow if on else 0.0
        gas.carrier_demand = process.carrier_flow if on else 0.0

    def shielded(self) -> bool:
        gas, process = self.io.gas, self.process
        return bool(gas.shield_flow > 0.95 * process.shield_flow
                    and gas.carrier_flow > 0.95 * process.carrier_flow)

    def layer_begins(self, layer: int) -> None:
        grading = self.programs[self.job.program].recipe.grading
        if grading is not None:
            self.process.second_share = grading.share(layer)

    # -- what it sees -------------------------------------------------------------------------

    def observe(self) -> dict[str, bool]:
        hoppers, pool = self._hoppers(), self.io.pool
        masses = [hopper.mass for hopper in hoppers]
        if not any(map(isnan, masses)):
            self.feedstock.remaining_quantity = round(float(sum(masses)), 2)
        used = [hopper for hopper in hoppers if hopper.demand > 0]
        low, high = self.FLOW_BAND
        return {
            **super().observe(),
            "pool_saturated": bool(pool.saturated),
            "powder_flow_low": any(h.mass_flow < low * h.flow_demand for h in used),
            "powder_lost": bool(self.io.head.run) and self.now >= self.since + self._due() and any(
                h.mass_flow < self.LOST * h.flow_demand for h in used
                if h.flow_demand > self.LEAST),
            "powder_flow_high": any(h.mass_flow > high * h.flow_demand for h in used),
            "powder_low": any(hopper.mass < self.LOW for hopper in used),
            "powder_empty": any(hopper.mass < self.EMPTY for hopper in used),
        }

    def watches(self) -> list[Watch]:
        found = super().watches()
        process = self.process
        if self.phase == "purge":
            found += [Watch("Gas.ShieldFlow", 0.95 * process.shield_flow * 6e4),
                      Watch("Gas.CarrierFlow", 0.95 * process.carrier_flow * 6e4)]
        for number, hopper in enumerate(self._hoppers(), 1):
            if hopper.demand > 0:
                found += [Watch(f"Feeder.Hopper{number}.MassFlow", share * hopper.flow_demand * 6e4)
                          for share in (self.LOST, *self.FLOW_BAND)]
                found += [Watch(f"Feeder.Hopper{number}.Mass", level)
                          for level in (self.LOW, self.EMPTY)]
        return found

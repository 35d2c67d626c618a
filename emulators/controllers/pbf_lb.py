"""The soft PLC of a PBF-LB machine: its sequence and interlocks."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf, isnan
from typing import Any

from emulators.controllers.base import Watch
from emulators.controllers.build import WORKING, BuildController, Program
from emulators.controllers.build_signals import Feedstock
from emulators.controllers.pbf_lb_service import Service
from emulators.controllers.pbf_lb_signals import (
    INERT_GAS_ALARMS,
    LAYER_PHASES,
    VACUUM_ALARMS,
    Alarms,
    LaserAlarms,
    Machine,
    Process,
)
from twin.alarms import Alarm
from twin.image import Readings
from twin.machine import AMBIENT
from twin.machines.pbf_lb import PbfLb

__all__ = ["PbfLbController"]

_PLACES = ("Top", "Bottom")


class PbfLbController(BuildController):
    """Load, close, purge (or pump down), preheat, layers, cool, unload."""

    PURGE_AT = (0.5, 0.8)  # of the oxygen limit: purge gas is on from the upper to the lower
    LAYERS = LAYER_PHASES
    CHECKPOINT = "settle"
    RESET = ("recoater_fault",)
    WATER = 10e-3 / 60
    plant: PbfLb

    def __init__(self, plant: PbfLb, readings: Readings, programs: Mapping[str, Program]) -> None:
        self.process, alarms = Process(), Alarms()
        super().__init__(plant, readings, programs, Machine, self.process, Feedstock(), alarms)
        self.add("Service", Service(plant, lambda: self.state not in WORKING))
        for number in range(len(plant.lasers)):
            alarms.add(f"Laser{number + 1}", LaserAlarms())
        self.assemble()

    def regulate(self) -> None:
        # More gas before the limit is reached, also while the job is held.
        process, chamber = self.process, self.io.chamber
        if process.vacuum or self.phase not in ("preheat", *LAYER_PHASES):
            return
        low, high = (share * process.oxygen_limit for share in self.PURGE_AT)
        oxygen = self._oxygen()
        if oxygen > high:
            chamber.purge_flow = process.purge_flow
        elif oxygen < low:
            chamber.purge_flow = 0.0

    def observe(self) -> dict[str, bool]:
        io = self.io
        if not isnan(io.recoater.powder_level):
            level = round(io.recoater.powder_level * self.plant.recoater.CAPACITY, 2)
            self.feedstock.remaining_quantity = level
        return {
            "recoater_fault": io.recoater.fault_active,
            "scanner_fault": not io.scanner.ready,
        }

    def _relevant(self, alarm: Alarm) -> bool:
        name = self._alarm_names[alarm.path]
        if name in (INERT_GAS_ALARMS if self.process.vacuum else VACUUM_ALARMS):
            return False
        return super()._relevant(alarm)

    def rest(self) -> None:
        if self.io.safety.door_lock and self.cold():
            self.io.safety.door_lock = False

    def follow_setpoints(self) -> None:
        io, process = self.io, self.process
        for laser in self._laser_terminals():
            laser.power, laser.focus = process.laser_power, process.focus
        io.scanner.scan_speed = process.scan_speed
        io.recoater.travel_speed = process.recoating_speed
        io.recoater.dosing_factor = process.dosing_factor
        if self.phase in ("preheat", *LAYER_PHASES):
            io.platform.temperature_demand = process.preheat_temperature

    def _laser_terminals(self) -> list[Any]:
        return [getattr(self.io, f"laser{i + 1}") for i in range(len(self.plant.lasers))]

    def _emission(self, on: bool) -> None:
        for laser in self._laser_terminals():
            laser.enable = on

    # -- hold, abort, end ---------------------------------------------------------------------

    def stop_work(self) -> None:
        self.io.scanner.run = False
        self.io.recoater.recoat = False
        self._emission(False)

    def make_safe(self) -> None:
        self.io.platform.temperature_demand = AMBIENT

    def reset_drives(self) -> None:
        super().reset_drives()
        recoater = self.io.recoater
        recoater.reset_drive = recoater.fault_active or not recoater.at_home

    def release(self) -> None:
        """Gas, blower and water off; the door as soon as nobody gets burnt."""
        io = self.io
        io.gas.blower = 0.0
        io.chamber.process_flow = io.chamber.purge_flow = 0.0
        io.chamber.vacuum_pump = False
        io.safety.door_lock = not self.cold()
        io.chiller.run = False

    # -- preparing ---------------------------------------------------------------------------

    def _begin_load(self) -> None:
        self.io.platform.z_demand = 0.0

    def loaded(self) -> bool:
        return self.shown(self.io.platform.in_position)

    def closed(self) -> str:
        recoater = self.io.recoater
        if not recoater.at_home or recoater.fault_active:
            return ""
        return "pump down" if self.process.vacuum else "purge"

    def _begin_purge(self) -> None:
        io, process = self.io, self.process
        io.chamber.process_flow = process.process_flow
        if self._oxygen() >= process.oxygen_limit:
            io.chamber.purge_flow = process.purge_flow
        io.gas.blower = max(io.gas.blower, 0.72)

    def _oxygen(self) -> float:
        cells = (self.io.chamber.oxygen_top, self.io.chamber.oxygen_bottom)
        # A dead cell (not a number) vouches for nothing.
        return max(inf if isnan(cell) else cell for cell in cells)

    def _purge(self) -> None:
        if self._oxygen() < self.process.oxygen_limit and self.io.gas.speed > 12.0:
            self.enter("preheat")

    def _begin_pump_down(self) -> None:
        io = self.io
        io.chamber.purge_flow = io.chamber.process_flow = 0.0
        io.gas.blower = 0.0
        io.chamber.vacuum_pump = True

    def _pump_down(self) -> None:
        if self.io.chamber.vacuum < self.process.vacuum_limit:
            self.enter("preheat")

    def _preheat(self) -> None:
        if self.io.platform.temperature >= self.process.preheat_temperature - 2.0:
            self.begin_layers("recoat")

    # -- layers ------------------------------------------------------------------------------

    def _begin_recoat(self) -> None:
        self.io.recoater.recoat = True

    def _recoat(self) -> None:
        if self.shown(self.io.recoater.at_home):
            self.enter("settle")

    def _settle(self) -> None:
        if self.waited(self.process.settle_time):
            self.enter("expose")

    def _begin_expose(self) -> None:
        io = self.io
        io.scanner.layer = self.job.layer + 1
        # A hold may have come in the moment in which the layer was finished.
        io.scanner.run = io.scanner.layer_done != io.scanner.layer
        self._emission(io.scanner.run)

    def _expose(self) -> None:
        io = self.io
        if io.scanner.layer_done != self.job.layer + 1:
            return
        io.scanner.run = False
        self._emission(False)
        self.layer_finished("lower")

    def _begin_lower(self) -> None:
        io = self.io
        thickness = self.programs[self.job.program].job.plan.layer_thickness
        io.platform.z_demand = self.job.layer * thickness
        self._regulate_gas()

    def _regulate_gas(self) -> None:
        # Once per layer: the blower follows the filter so that the gas speed stays.
        io, wanted = self.io, self.process.gas_speed
        if not self.process.vacuum and io.gas.speed > 1.0:
            error = wanted / io.gas.speed
            if abs(error - 1) > 0.01:
                io.gas.blower = min(max(io.gas.blower * error, 0.2), 1.0)

    def _lower(self) -> None:
        if self.shown(self.io.platform.in_position):
            self.enter("recoat")

    # -- completing --------------------------------------------------------------------------

    def _begin_cool(self) -> None:
        self.io.platform.temperature_demand = AMBIENT

    def cold(self) -> bool:
        platform, limit = self.io.platform, self.process.unpack_temperature
        return bool(platform.temperature < limit and platform.part_temperature < limit)

    def _unload(self) -> None:
        self.feedstock.cycle += 1
        super()._unload()

    # -- what to watch -----------------------------------------------------------------------

    def watches(self) -> list[Watch]:
        process, level = self.process, self.level
        found = []
        if not process.vacuum and self.phase in ("preheat", *LAYER_PHASES):
            limit = process.oxygen_limit * 1e6
            share = self.PURGE_AT[0 if self.io.chamber.purge_flow > 0 else 1]
            found = [Watch(f"Chamber.Oxygen{place}", share * limit) for place in _PLACES]
        match self.phase:
            case "purge":
                found += [level(f"Chamber.Oxygen{place}", "OxygenLimit") for place in _PLACES]
                found += [Watch("Gas.Speed", 12.0)]
            case "pump down":
                found += [level("Chamber.Vacuum", "VacuumLimit")]
            case "preheat":
                found += [level("Platform.Temperature", "PreheatTemperature", -2.0)]
            case "cool" | "none":
                found += [
                    level("Platform.Temperature", "UnpackTemperature"),
                    level("Platform.PartTemperature", "UnpackTemperature"),
                ]
        return found

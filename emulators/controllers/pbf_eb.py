"""The soft PLC of a PBF-EB machine: its sequence and interlocks."""

from __future__ import annotations

from collections.abc import Mapping
from math import isnan
from typing import Any

from emulators.controllers.base import Watch
from emulators.controllers.build import WORKING, BuildController, Program
from emulators.controllers.build_signals import Feedstock
from emulators.controllers.pbf_eb_service import Service
from emulators.controllers.pbf_eb_signals import (
    LAYER_PHASES,
    Alarms,
    BeamAlarms,
    Machine,
    Process,
)
from emulators.controllers.states import MachineState
from twin.equipment.electron_gun import ElectronGun
from twin.image import Readings
from twin.machines.pbf_eb import PbfEb

__all__ = ["PbfEbController"]

ATMOSPHERE = 101_325.0


class PbfEbController(BuildController):
    """Load, pump down, helium, plate heat, layers, long cool-down, vent, break out, recover."""

    CROSSOVER = 15.0  # Pa at which the turbo pump takes over
    HELIUM_GAIN = 1.2  # Pa that the fully open helium valve makes at full pumping speed
    HELIUM_BAND = 0.1  # share of the helium pressure that is good enough
    HELIUM_LOOK = 5.0  # s between two corrections of the helium valve
    RECOVERY = (0.6, 2.5)  # factors on current and time of the preheats after smoke
    BREAK_OUT = 900.0  # s
    PUMP_DOWN = 5400.0  # s after which the alarm comes
    VENTED = 0.97 * ATMOSPHERE  # Pa at which the door may be opened
    VENTING = 600.0  # s after which the alarm comes
    MOST_PREHEAT = 6.0  # of the time of preheat 2: then the layer goes on, warm or not
    MOST_PLACES = 40  # that are melted again one by one; more mean that the layer is bad
    LAYERS = LAYER_PHASES
    CHECKPOINT = "settle"
    RESET = ("rake_fault", "smoke", "high_voltage_lost")
    WATER = 10e-3 / 60
    plant: PbfEb

    def __init__(self, plant: PbfEb, readings: Readings, programs: Mapping[str, Program]) -> None:
        self.process, alarms = Process(), Alarms()
        super().__init__(plant, readings, programs, Machine, self.process, Feedstock(), alarms)
        self.add("Service", Service(
            plant, lambda: self.state not in WORKING,
            lambda: self.state is MachineState.COMPLETING, self._open_to_hands))
        for number in range(len(plant.beams)):
            alarms.add(f"Beam{number + 1}", BeamAlarms())
        self._latched = False  # the high voltage was latched when last looked at
        self._recovering = False  # the layer in work is raked again and preheated longer
        self._remelts = 0  # of the layer in work
        self._flagged = False  # the last layer has indications left
        self.assemble()

    def memory(self) -> Any:
        return (super().memory(), self._latched, self._recovering, self._remelts)

    # -- inputs, setpoints --------------------------------------------------------------------

    def observe(self) -> dict[str, bool]:
        io, machine = self.io, self.machine
        assert isinstance(machine, Machine)
        if not isnan(io.rake.powder_level):
            level = round(io.rake.powder_level * self.plant.rake.CAPACITY, 2)
            self.feedstock.remaining_quantity = level
        latched = bool(io.high_voltage.latched)
        if latched and not self._latched and self.state in WORKING:
            machine.smoke_events += 1
        self._latched = latched
        return {
            "smoke": latched and machine.smoke_events < 2,
            "smoke_again": latched and machine.smoke_events >= 2,
            "high_voltage_lost": not latched and not io.high_voltage.ready,
            "rake_fault": io.rake.fault_active,
            "pump_down_slow": self.phase == "pump down" and self._pumped_long(),
            "vent_slow": self.phase == "vent" and self.now - self.since >= self.VENTING,
            "deflection_fault": not io.deflection.ready,
            "layer_flagged": self._flagged,
        }

    def load(self, program: Program) -> None:
        super().load(program)
        machine = self.machine
        assert isinstance(machine, Machine)
        machine.smoke_events = machine.flagged_layers = 0
        self._recovering = self._flagged = False
        self._remelts = 0

    def follow_setpoints(self) -> None:
        io, process = self.io, self.process
        for beam in self._beams():
            beam.demand_current, beam.focus = process.melt_current, process.focus
        io.deflection.scan_speed = process.scan_speed
        io.high_voltage.demand = process.voltage
        io.rake.travel_speed, io.rake.dosing_factor = process.raking_speed, process.dosing_factor
        heater = io.preheat
        heater.edge, heater.speed = process.preheat_edge, process.preheat_speed
        heater.spot = process.preheat_spot
        if heater.run:
            heater.current = self._preheat_current()

    def _beams(self) -> list[Any]:
        return [getattr(self.io, f"beam{i + 1}") for i in range(len(self.plant.beams))]

    def _emission(self, on: bool) -> None:
        for beam in self._beams():
            beam.enable = on

    def _preheat_current(self) -> float:
        process = self.process
        chosen = {"preheat 1": process.preheat_1_current, "preheat 2": process.preheat_2_current,
                  "post heat": process.post_current}
        current = float(chosen.get(self.phase, process.preheat_1_current))
        if self.phase == "plate heat" and self.job.layer == 0 and not self.resume_phase:
            # Once powder lies there, this current would charge it.
            return float(process.plate_current)
        return current * (self.RECOVERY[0] if self._recovering else 1.0)

    # -- hold, abort, end ---------------------------------------------------------------------

    def stop_work(self) -> None:
        io = self.io
        io.deflection.run = False
        io.preheat.run = False
        io.rake.recoat = False
        self._emission(False)

    def hold(self, state: MachineState, reason: str) -> None:
        smoked = self.io.high_voltage.latched
        super().hold(state, reason)
        if smoked and self.process.smoke_recovery:
            self._recovering = True
        if self._recovering and self.resume_phase:
            self.resume_phase = "inspect"

    def make_safe(self) -> None:
        io = self.io
        io.high_voltage.enable = False
        io.vacuum.column_valve = False
        io.vacuum.helium_valve = 0.0

    def reset_drives(self) -> None:
        super().reset_drives()
        io = self.io
        io.rake.reset_drive = io.rake.fault_active or not io.rake.at_home
        io.high_voltage.reset = io.high_voltage.latched

    def release(self) -> None:
        """High voltage, pumps and water off; the door as soon as nobody gets burnt."""
        io = self.io
        self.make_safe()
        io.vacuum.turbo_pump = io.vacuum.roughing_pump = io.vacuum.vent_valve = False
        io.safety.door_lock = not self._open_to_hands()
        io.chiller.run = False

    def restore_supplies(self) -> None:
        super().restore_supplies()
        io = self.io
        # While it cools under helium; venting shuts it again.
        io.vacuum.roughing_pump = io.vacuum.chamber_pressure < 0.5 * ATMOSPHERE

    def _open_to_hands(self) -> bool:
        """Whether the chamber is vented and what is in it is cool."""
        return self.cold() and self.io.vacuum.chamber_pressure > self.VENTED

    def rest(self) -> None:
        io = self.io
        if not (io.safety.door_lock and self.cold()):
            return
        # After an abort the chamber is still evacuated: nobody could open its door.
        io.vacuum.vent_valve = io.vacuum.chamber_pressure < self.VENTED
        io.safety.door_lock = io.vacuum.vent_valve

    # -- preparing ----------------------------------------------------------------------------

    def _begin_load(self) -> None:
        self.io.platform.z_demand = 0.0

    def loaded(self) -> bool:
        return self.shown(self.io.platform.in_position)

    def closed(self) -> str:
        rake = self.io.rake
        return "pump down" if rake.at_home and not rake.fault_active else ""

    def _begin_pump_down(self) -> None:
        vacuum = self.io.vacuum
        vacuum.vent_valve = False
        vacuum.roughing_pump = True
        # Whatever opened it wide before is no guide now.
        usual = min(self.process.helium_pressure / self.HELIUM_GAIN, 1.0)
        vacuum.helium_valve = min(vacuum.helium_valve, usual)

    def _pump_down(self) -> None:
        vacuum, process = self.io.vacuum, self.process
        self.waited(self.PUMP_DOWN)  # to be scanned when the alarm is due
        vacuum.turbo_pump = vacuum.turbo_pump or vacuum.chamber_pressure < self.CROSSOVER
        # On the way back helium is in the chamber already.
        enough = max(process.start_pressure, 1.3 * process.helium_pressure
                     if vacuum.helium_valve > 0 else 0.0)
        if vacuum.chamber_pressure < enough and vacuum.turbo_speed > 0.95:
            self.enter("helium")

    def _pumped_long(self) -> bool:
        return self.now - self.since >= self.PUMP_DOWN

    def _begin_helium(self) -> None:
        vacuum = self.io.vacuum
        vacuum.column_valve = True
        if vacuum.helium_valve == 0.0:
            vacuum.helium_valve = min(self.process.helium_pressure / self.HELIUM_GAIN, 1.0)
        self.io.high_voltage.enable = True
        for beam in self._beams():
            if beam.heating == 0.0:  # a loss of power let the cathodes go cold
                beam.heating = ElectronGun.HEATING

    def _helium(self) -> None:
        vacuum, wanted = self.io.vacuum, self.process.helium_pressure
        if not self.waited(self.HELIUM_LOOK):
            return
        error = vacuum.chamber_pressure - wanted
        if error < self.HELIUM_BAND * wanted or vacuum.helium_valve == 0.0:
            if self.io.high_voltage.ready:
                self.enter("plate heat")
            return
        self._regulate_helium()
        self.since = self.now

    def _regulate_helium(self) -> None:
        """Move the valve by what the pressure is off, once."""
        vacuum, wanted = self.io.vacuum, self.process.helium_pressure
        error = wanted - vacuum.chamber_pressure
        if abs(error) > self.HELIUM_BAND * max(wanted, 1e-3):
            moved = vacuum.helium_valve + error / self.HELIUM_GAIN
            vacuum.helium_valve = round(min(max(moved, 0.0), 1.0), 4)

    def _begin_plate_heat(self) -> None:
        self._emission(True)
        self.io.preheat.current = self._preheat_current()
        self.io.preheat.run = True

    def _plate_heat(self) -> None:
        platform, process = self.io.platform, self.process
        if self.job.layer == 0 and not self.resume_phase:
            warm = platform.temperature >= process.start_temperature
        else:
            warm = platform.surface_temperature >= process.bed_temperature - 15.0
        if warm and self.io.high_voltage.ready:
            self.io.preheat.run = False
            self._emission(False)
            self.begin_layers("rake")

    # -- layers -------------------------------------------------------------------------------

    def _begin_inspect(self) -> None:
        self.io.imaging.take = True

    def _inspect(self) -> None:
        if self.shown(not self.io.imaging.busy):
            # What lies on top was partly blown away: the layer is raked anew.
            self.enter("rake")

    def _begin_rake(self) -> None:
        self._regulate_helium()
        self.io.rake.recoat = True

    def _rake(self) -> None:
        if self.shown(self.io.rake.at_home):
            self.enter("settle")

    def _settle(self) -> None:
        if self.waited(self.process.settle_time):
            self.enter("preheat 1")

    def _heat_on(self) -> None:
        self._emission(True)
        self.io.preheat.current = self._preheat_current()
        self.io.preheat.run = True

    def _heat_off(self) -> None:
        self.io.preheat.run = False
        self._emission(False)

    def _begin_preheat_1(self) -> None:
        self._heat_on()

    def _longer(self) -> float:
        return self.RECOVERY[1] if self._recovering else 1.0

    def _preheat_1(self) -> None:
        if self.waited(self._longer() * self.process.preheat_1_time):
            self.enter("preheat 2")

    def _begin_preheat_2(self) -> None:
        self._heat_on()

    def _preheat_2(self) -> None:
        process = self.process
        time = self._longer() * process.preheat_2_time
        if process.fixed_preheat and not self._recovering:
            done = self.waited(time)
        else:
            warm = self.io.platform.surface_temperature >= process.bed_temperature
            done = (warm and self.waited(0.3 * time)) or self.waited(self.MOST_PREHEAT * time)
        if done:
            self._heat_off()
            self._recovering = False
            self.enter("melt")

    def _begin_melt(self) -> None:
        io = self.io
        self._remelts = 0
        io.deflection.layer = self.job.layer + 1
        # A hold may have come in the moment in which the layer was finished.
        io.deflection.run = io.deflection.layer_done != io.deflection.layer
        self._emission(io.deflection.run)

    def _melt(self) -> None:
        io = self.io
        if io.deflection.layer_done != self.job.layer + 1:
            return
        io.deflection.run = False
        self._emission(False)
        self.enter("post heat" if self.process.post_time > 0 else self._after_heat())

    def _after_heat(self) -> str:
        return "image" if self.process.imaging else "lower"

    def _begin_post_heat(self) -> None:
        self._heat_on()

    def _post_heat(self) -> None:
        if self.waited(self.process.post_time):
            self._heat_off()
            self.enter(self._after_heat())

    def _begin_image(self) -> None:
        self.io.imaging.take = True

    def _image(self) -> None:
        imaging = self.io.imaging
        if not self.now > self.since or imaging.busy:
            return
        few = 0 < imaging.indications <= self.MOST_PLACES
        if few and self._remelts < self.process.remelts:
            self._remelts += 1
            self.enter("remelt")
            return
        self._flagged = imaging.indications > 0
        if self._flagged:
            machine = self.machine
            assert isinstance(machine, Machine)
            machine.flagged_layers += 1
        self.enter("lower")

    def _begin_remelt(self) -> None:
        self.io.imaging.remelt = True

    def _remelt(self) -> None:
        if self.shown(not self.io.imaging.busy):
            self.enter("image")

    def _begin_lower(self) -> None:
        io = self.io
        io.imaging.accept = True
        thickness = self.programs[self.job.program].job.plan.layer_thickness
        io.platform.z_demand = (self.job.layer + 1) * thickness

    def _lower(self) -> None:
        io = self.io
        # The demand was written in the scan that began this phase; motion shows in the next.
        if not self.shown(io.platform.in_position):
            return
        if io.platform.part_temperature < self.process.part_limit:
            self.layer_finished("rake")

    # -- completing ---------------------------------------------------------------------------

    def _begin_cool(self) -> None:
        io = self.io
        self._emission(False)
        io.imaging.accept = True
        io.high_voltage.enable = False
        # Without the turbo pump, open helium cools the bed faster.
        io.vacuum.column_valve = False
        io.vacuum.turbo_pump = False
        io.vacuum.helium_valve = 1.0

    def _cool(self) -> None:
        if self.cold():
            self.enter("vent")

    def cold(self) -> bool:
        platform, limit = self.io.platform, self.process.unpack_temperature
        return bool(platform.temperature < limit and platform.surface_temperature < limit)

    def _begin_vent(self) -> None:
        vacuum = self.io.vacuum
        vacuum.roughing_pump = False
        vacuum.helium_valve = 0.0
        vacuum.vent_valve = True

    def _vent(self) -> None:
        self.waited(self.VENTING)  # to be scanned when the alarm is due
        if self.io.vacuum.chamber_pressure > self.VENTED:
            self.enter("break out")

    def _begin_break_out(self) -> None:
        self.release()

    def _break_out(self) -> None:
        if self.waited(self.BREAK_OUT):
            self.enter("recover powder")

    def _begin_recover_powder(self) -> None:
        self.io.rake.recover = True

    def _recover_powder(self) -> None:
        if self.shown(not self.io.rake.recovering):
            self.enter("unload")

    def _unload(self) -> None:
        self.feedstock.cycle += 1
        self.finished()

    # -- what to watch ------------------------------------------------------------------------

    def watches(self) -> list[Watch]:
        process, level = self.process, self.level
        match self.phase:
            case "pump down":
                back = 1.3 * process.helium_pressure / 100.0
                return [level("Vacuum.ChamberPressure", "StartPressure"),
                        Watch("Vacuum.ChamberPressure", back),
                        Watch("Vacuum.ChamberPressure", self.CROSSOVER / 100.0),
                        Watch("Vacuum.TurboSpeed", 95.0)]
            case "plate heat":
                return [level("Platform.Temperature", "StartTemperature"),
                        level("Platform.SurfaceTemperature", "BedTemperature", -15.0)]
            case "preheat 2":
                return [level("Platform.SurfaceTemperature", "BedTemperature")]
            case "lower":
                return [level("Platform.PartTemperature", "PartLimit")]
            case "cool" | "none":
                return [level("Platform.Temperature", "UnpackTemperature"),
                        level("Platform.SurfaceTemperature", "UnpackTemperature"),
                        Watch("Vacuum.ChamberPressure", self.VENTED / 100.0)]
            case "vent":
                return [Watch("Vacuum.ChamberPressure", self.VENTED / 100.0)]
        return []

    def snapshot(self) -> dict[str, Any]:
        own = {"latched": self._latched, "recovering": self._recovering,
               "remelts": self._remelts, "flagged": self._flagged}
        return {**super().snapshot(), "beam": own}

    def reinstate(self, snapshot: dict[str, Any]) -> None:
        super().reinstate(snapshot)
        own = snapshot["beam"]
        self._latched, self._recovering = own["latched"], own["recovering"]
        self._remelts, self._flagged = own["remelts"], own["flagged"]



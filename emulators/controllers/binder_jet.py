"""The soft PLC of a binder-jet machine: its sequence and interlocks."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf, isnan
from typing import Any

from emulators.controllers.base import Watch
from emulators.controllers.binder_jet_service import Service
from emulators.controllers.binder_jet_signals import LAYER_PHASES, Alarms, Machine, Process
from emulators.controllers.build import WORKING, BuildController, Program
from emulators.controllers.build_signals import Feedstock
from emulators.controllers.states import MachineState
from twin.image import Readings
from twin.machine import AMBIENT
from twin.machines.binder_jet import BinderJet
from twin.physics.binder import drop_volume_for

__all__ = ["BinderJetController"]


class BinderJetController(BuildController):
    """Load, close, warm up, layers {recoat, inspect, print, dry, lower}, cure, cool, depowder."""

    LAYERS = LAYER_PHASES
    CHECKPOINT = "inspect"
    COMPLETE = "cure"
    RESET = ("recoater_fault", "head_dirty", "oversaturated", "bed_wet")
    PATIENCE = 3.0  # times the drying time after which a layer counts as not drying
    DROP_ERROR = 0.1  # share by which drops may be off
    LATE = 4 * 3600.0  # s of heating after which the oven counts as too cold
    HEAT_UP = 6 * 3600.0  # s that the oven may take on top of twice the curing time
    LAMP = (0.05, 1.0)  # least and most of the lamp
    plant: BinderJet

    def __init__(self, plant: BinderJet, readings: Readings,
                 programs: Mapping[str, Program]) -> None:
        self.process, alarms = Process(), Alarms()
        super().__init__(plant, readings, programs, Machine, self.process, Feedstock(), alarms)
        self.add("Service", Service(plant, lambda: self.state not in WORKING))
        self.lamp = 0.0  # share of the lamp that the next layer gets
        self.tries = 0  # purges for this layer
        self.wiped = False  # this layer's wipe is done
        self.soaked = inf  # since when the box has been at the curing temperature
        self.hot = 0.0  # s that it was there before
        self.cured = True
        self.bleeds = False  # the last layer bled
        self.off = False  # the last look at the drops found their volume off
        self.assemble()

    def memory(self) -> Any:
        return (super().memory(), self.tries, self.wiped, self.soaked, self.hot,
                self.lamp, self.bleeds, self.off)

    def load(self, program: Program) -> None:
        super().load(program)
        self.lamp = program.recipe.drying.lamp
        self.tries, self.wiped, self.soaked, self.cured = 0, False, inf, True
        self.bleeds = self.off = False
        self.hot = 0.0

    def observe(self) -> dict[str, bool]:
        io, process = self.io, self.process
        if not isnan(io.recoater.powder_level):
            level = round(io.recoater.powder_level * self.plant.recoater.CAPACITY, 2)
            self.feedstock.remaining_quantity = level
        late = self.phase == "cure" and self.soaked == inf and \
            self.now >= self.since + self.LATE
        return {
            "recoater_fault": io.recoater.fault_active,
            "head_dirty": self.tries > process.clean_tries,
            "drop_volume_off": self.off,
            "oversaturated": self.bleeds,
            "bed_wet": self.phase == "dry" and self._waited_out()
            and self.state is MachineState.BUILDING,
            "lamp_at_limit": self.lamp >= self.LAMP[1] - 1e-9 and self.phase != "dry",
            "head_cold": io.head.temperature < process.head_temperature - 5.0,
            "roller_stopped": io.recoater.roller_speed_actual < 0.8 * process.roller_speed,
            "oven_cold": late,
            "undercured": not self.cured,
            "parts_broken": io.depowdering.done and io.depowdering.parts_broken > 0,
        }

    def _waited_out(self) -> bool:
        return bool(self.now >= self.since + self.PATIENCE * self.process.drying_time)

    def follow_setpoints(self) -> None:
        io, process = self.io, self.process
        io.recoater.travel_speed = process.recoating_speed
        io.recoater.dosing_factor = process.dosing_factor
        if self.phase in ("warm up", *LAYER_PHASES):
            io.platform.temperature_demand = process.box_temperature
            io.head.temperature_demand = process.head_temperature
            io.head.remap = process.remap
            io.hood.fan = process.fan_speed
            io.recoater.roller_speed = process.roller_speed

    # -- hold, abort, end ---------------------------------------------------------------------

    def stop_work(self) -> None:
        io = self.io
        io.head.run = False
        io.recoater.recoat = False
        io.dryer.lamp = 0.0
        self._cooled()
        # A layer that was not dry when it was held gets the lamp anew; a dirty head a purge.
        self.tries = 0

    def make_safe(self) -> None:
        io = self.io
        io.platform.temperature_demand = AMBIENT
        io.oven.temperature_demand = AMBIENT
        io.head.temperature_demand = AMBIENT

    def reset_drives(self) -> None:
        super().reset_drives()
        recoater = self.io.recoater
        self.bleeds = False  # The operator has seen it.
        recoater.reset_drive = recoater.fault_active or not recoater.at_home

    def release(self) -> None:
        """Heat off; fan and door wait for vapour and oven, see `rest`."""
        self.make_safe()
        io = self.io
        io.dryer.lamp = 0.0
        io.recoater.roller_speed = 0.0
        self.rest()

    def regulate(self) -> None:
        # The hood serves what is wet, the lock what is hot, however the job ended.
        if self.state in (MachineState.FINISHED, MachineState.ABORTED):
            self.rest()

    def rest(self) -> None:
        io = self.io
        if io.hood.vapour < 0.15:
            io.hood.fan = 0.0
        limit = self.process.unpack_temperature
        if io.oven.box_temperature < limit and io.oven.temperature < limit:
            io.safety.door_lock = False

    def restore_supplies(self) -> None:
        super().restore_supplies()
        self.io.hood.fan = self.process.fan_speed

    # -- preparing ----------------------------------------------------------------------------

    def _begin_load(self) -> None:
        self.io.platform.z_demand = 0.0
        self.io.oven.inserted = False

    def loaded(self) -> bool:
        return self.shown(self.io.platform.in_position)

    def closed(self) -> str:
        recoater = self.io.recoater
        return "warm up" if recoater.at_home and not recoater.fault_active else ""

    def _warm_up(self) -> None:
        io, process = self.io, self.process
        warm = io.platform.temperature >= process.box_temperature - 2.0
        warm = warm and io.head.temperature >= process.head_temperature - 2.0
        if warm and io.hood.vapour < 0.15 and io.head.ready:
            self.begin_layers("recoat")

    # -- layers -------------------------------------------------------------------------------

    def _begin_recoat(self) -> None:
        self.io.recoater.recoat = True
        self.tries, self.wiped = 0, False

    def _recoat(self) -> None:
        if self.shown(self.io.recoater.at_home):
            self.enter("inspect")

    def _begin_inspect(self) -> None:
        self.io.head.watch = True

    def _inspect(self) -> None:
        io, process = self.io, self.process
        if not self.waited(2.0) or not io.head.ready:
            return
        allowed = process.missing_limit * (10 if process.remap else 1)
        due = process.wipe_every > 0 and self.job.layer > 0 and \
            self.job.layer % process.wipe_every == 0 and not self.wiped
        if io.head.missing_nozzles > allowed:
            self.tries += 1
            if self.tries <= process.clean_tries:
                self.enter("clean")
        elif due:
            self.enter("clean")
        else:
            self.tries = 0
            # Readings are noisy: they are judged once, when they are new.
            asked = io.head.drop_demand
            found = io.head.drop_volume
            self.off = self.job.layer > 0 and abs(found / asked - 1.0) > self.DROP_ERROR
            self.enter("print")

    def _begin_clean(self) -> None:
        if self.tries:
            self.io.head.purge = True
        else:
            self.io.head.wipe = True
        self.wiped = True

    def _clean(self) -> None:
        if self.waited(1.0) and self.io.head.ready:
            self.enter("inspect")

    def _begin_print(self) -> None:
        io = self.io
        job = self.programs[self.job.program].job
        dx, dy = job.dot
        io.head.drop_demand = drop_volume_for(
            self.process.saturation, job.packing, dx, dy, job.plan.layer_thickness)
        io.head.layer = self.job.layer + 1
        # A hold may have come in the moment in which the layer was finished.
        io.head.run = io.head.layer_done != io.head.layer

    def _print(self) -> None:
        io = self.io
        if io.head.layer_done != self.job.layer + 1:
            return
        io.head.run = False
        self.bleeds = bool(io.camera.edge_growth > self.process.edge_limit)
        self.enter("dry")

    def _begin_dry(self) -> None:
        self.io.dryer.lamp = self.lamp

    def _dry(self) -> None:
        io, process = self.io, self.process
        self.wake = min(self.wake, self.since + self.PATIENCE * process.drying_time)
        if not self.waited(process.drying_time) or not io.dryer.moisture < process.dry_limit:
            return
        io.dryer.lamp = 0.0
        wanted, reached = process.bed_temperature - AMBIENT, io.dryer.bed_temperature - AMBIENT
        low, high = self.LAMP
        if reached > 1.0:
            step = min(max(wanted / reached, 0.8), 1.25)
            self.lamp = min(max(self.lamp * step, low), high)
        self.layer_finished("lower")

    def _begin_lower(self) -> None:
        thickness = self.programs[self.job.program].job.plan.layer_thickness
        self.io.platform.z_demand = self.job.layer * thickness

    def _lower(self) -> None:
        # The demand was written in the scan that began this phase; motion shows in the next.
        if self.shown(self.io.platform.in_position):
            self.enter("recoat")

    # -- completing ---------------------------------------------------------------------------

    def _begin_cure(self) -> None:
        io = self.io
        io.platform.temperature_demand = AMBIENT
        io.head.temperature_demand = AMBIENT
        io.recoater.roller_speed = 0.0
        io.oven.inserted = True
        self.soaked = inf
        if self.process.cure_time > 0:
            io.oven.temperature_demand = self.process.cure_temperature

    def _cure(self) -> None:
        io, process = self.io, self.process
        if process.cure_time <= 0:
            self.enter("cool")
            return
        if self.soaked == inf and io.oven.box_temperature >= process.cure_temperature - 5.0:
            self.soaked = self.now
        elif io.oven.box_temperature < process.cure_temperature - 7.0:
            self._cooled()
        if self.waited(self.HEAT_UP + 2.0 * process.cure_time):
            self.cured = False
            self.enter("cool")
        elif self.soaked < inf:
            due = self.soaked + process.cure_time - self.hot
            if self.now >= due:
                self.enter("cool")
            else:
                self.wake = min(self.wake, due)
        elif self.now < self.since + self.LATE:
            self.wake = min(self.wake, self.since + self.LATE)

    def _cooled(self) -> None:
        """The box is at temperature no more, or nobody sees to it: what it had counts."""
        if self.soaked < inf:
            self.hot += self.now - self.soaked
            self.soaked = inf

    def _begin_cool(self) -> None:
        self.io.oven.temperature_demand = AMBIENT

    def _cool(self) -> None:
        if self.io.oven.box_temperature < self.process.unpack_temperature:
            self.enter("depowder")

    def _begin_depowder(self) -> None:
        io, process = self.io, self.process
        io.depowdering.air_pressure = process.air_pressure
        io.depowdering.duration = process.depowdering_time
        io.depowdering.start = True

    def _depowder(self) -> None:
        if self.io.depowdering.done:
            self.enter("unload")

    def _unload(self) -> None:
        self.feedstock.cycle += 1
        super()._unload()

    # -- what to watch, what to keep ----------------------------------------------------------

    def watches(self) -> list[Watch]:
        level = self.level
        found = [
            level("Head.Temperature", "HeadTemperature", -5.0),
            Watch("Recoater.RollerSpeedActual", 0.8 * self.process.roller_speed * 60),
        ]
        match self.phase:
            case "warm up":
                found += [level("Platform.Temperature", "BoxTemperature", -2.0),
                          level("Head.Temperature", "HeadTemperature", -2.0),
                          Watch("Hood.Vapour", 15.0)]
            case "dry":
                found += [level("Dryer.Moisture", "DryLimit")]
            case "cure":
                found += [level("Oven.BoxTemperature", "CureTemperature", -5.0),
                          level("Oven.BoxTemperature", "CureTemperature", -7.0)]
            case "cool":
                found += [level("Oven.BoxTemperature", "UnpackTemperature")]
            case "none":
                found += [level("Oven.BoxTemperature", "UnpackTemperature"),
                          level("Oven.Temperature", "UnpackTemperature"),
                          Watch("Hood.Vapour", 15.0)]
        return found

    def snapshot(self) -> dict[str, Any]:
        taken = super().snapshot()
        taken["own"] |= {"lamp": self.lamp, "tries": self.tries, "wiped": self.wiped,
                         "soaked": None if self.soaked == inf else self.soaked,
                         "hot": self.hot, "cured": self.cured, "bleeds": self.bleeds,
                         "off": self.off}
        return taken

    def reinstate(self, snapshot: dict[str, Any]) -> None:
        super().reinstate(snapshot)
        own = snapshot["own"]
        self.lamp, self.tries, self.wiped = own["lamp"], own["tries"], own["wiped"]
        self.soaked = inf if own["soaked"] is None else own["soaked"]
        self.hot = own["hot"]
        self.cured, self.bleeds, self.off = own["cured"], own["bleeds"], own["off"]

"""The base of the deposition machines' programs: purge, probe, preheat, layers of passes, park."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf, isnan
from typing import ClassVar

from emulators.controllers.base import Watch
from emulators.controllers.build import WORKING, BuildController, MachineCommands, Program
from emulators.controllers.build_signals import Feedstock
from emulators.controllers.ded_signals import (
    INERT_ALARMS,
    LAYER_PHASES,
    DedAlarms,
    DedProcess,
)
from emulators.controllers.service import ServiceWork
from emulators.controllers.states import MachineState
from twin.alarms import Alarm
from twin.equipment.deposition import DepositionJob
from twin.image import Readings
from twin.machine import AMBIENT, Plant
from twin.signals import command

__all__ = ["DedController", "DedService", "LaserHeadService"]

PREPARES = ("close", "purge", "probe", "preheat")


class DedService(ServiceWork):
    """Work at any deposition machine while it stands."""

    @command()
    def reference_axes(self) -> str:
        """Reset the axis drives, reference and calibrate the axes."""
        return self.mend("axes referenced", self._plant.head, DriveFault=False, StepError=0.0)

    @command()
    def free_head(self) -> str:
        """Free the head after a collision and grind away what it struck."""
        work = self.begin("head freed")
        self._plant.head.free()
        return self.tell(work, self._plant.head)

    @command()
    def tighten_clamps(self) -> str:
        """Tighten the plate's clamps and open the table's cooling."""
        return self.mend("clamps tight", self._plant.part, CoolingLoss=0.0)


class LaserHeadService(DedService):
    """Work at a machine with a laser."""

    @command()
    def change_window(self) -> str:
        """Change the protective window of the laser head."""
        work = self.begin("window changed")
        self._plant.laser.clean()
        return self.tell(work, self._plant.laser)


class DedController(BuildController):
    """Load, close, purge, probe, preheat, {pass, dwell}, park, cool, unload.

    A machine says how its source and feed are switched (`energise`, `feed`), what gas it needs and
    which alarms it has. The height of each layer adds `layer_step` of that moment to the last, so
    that a step may be changed from outside between layers; travel speed, source and feed act
    within a pass.
    """

    LAYERS = LAYER_PHASES
    CHECKPOINT = "dwell"
    COMPLETE = "park"
    RESET = ("preparation_slow",)
    WATER = 10e-3 / 60
    PREPARED: ClassVar[float] = 1800.0  # s that a phase of the preparation may take, default
    ENCLOSED: ClassVar[bool] = True
    """Whether the machine has an enclosure that can be made inert."""
    process: DedProcess

    def __init__(self, plant: Plant, readings: Readings, programs: Mapping[str, Program],
                 machine: type[MachineCommands], process: DedProcess, feedstock: Feedstock,
                 alarms: DedAlarms) -> None:
        self.process = process
        super().__init__(plant, readings, programs, machine, process, feedstock, alarms)

    # -- what a machine says ------------------------------------------------------------------

    def energise(self, on: bool) -> None:
        """Laser or arc may work on passes, or not."""

    def feed(self, on: bool) -> None:
        """Start or stop the feedstock."""

    def lead(self) -> float:
        """How long feed runs before it is there, s."""
        return 0.0

    def fed(self) -> bool:
        """Whether the feed is there already."""
        return False

    def shield(self, on: bool) -> None:
        """Gas at the head on or off."""

    def shielded(self) -> bool:
        """Whether gas flows at the head."""
        return True

    def layer_begins(self, layer: int) -> None:
        """A layer, counted from 1, is about to be deposited: what the program sets for it."""

    # -- the sequence -------------------------------------------------------------------------

    def follow_setpoints(self) -> None:
        if self.phase in PREPARES:
            self.waited(self.PREPARED)  # asks for the scan at which it takes too long
        head, process = self.io.head, self.process
        head.feed = process.travel_speed
        head.stand_off_demand = process.stand_off
        if self.phase in ("preheat", *LAYER_PHASES):
            self.io.part.temperature_demand = process.preheat_temperature

    def stop_work(self) -> None:
        self.io.head.run = False
        self.energise(False)
        self.feed(False)
        # Out of the way; the way back comes down again.
        self.io.head.park = True

    def make_safe(self) -> None:
        self.io.part.temperature_demand = AMBIENT

    def release(self) -> None:
        """Gas, water and heat off; the door as soon as nobody gets burnt."""
        io = self.io
        self.shield(False)
        if self.ENCLOSED:
            io.enclosure.purge_flow = io.enclosure.process_flow = 0.0
        io.safety.door_lock = not self.cold()
        io.chiller.run = False

    def rest(self) -> None:
        if self.io.safety.door_lock and self.cold():
            self.io.safety.door_lock = False

    def _begin_load(self) -> None:
        head = self.io.head
        head.park, head.run = True, False
        head.layer, head.z_demand = 0, 0.0

    def loaded(self) -> bool:
        return self.shown(self.io.head.parked)

    def closed(self) -> str:
        return "purge" if self.io.head.ready else ""

    def _begin_purge(self) -> None:
        self.shield(True)
        if self.ENCLOSED and self.process.inert:
            enclosure, process = self.io.enclosure, self.process
            enclosure.process_flow = process.process_flow
            if self._oxygen() >= process.oxygen_limit:
                enclosure.purge_flow = process.purge_flow

    def _oxygen(self) -> float:
        cells = (self.io.enclosure.oxygen_top, self.io.enclosure.oxygen_bottom)
        # A dead cell (not a number) vouches for nothing.
        return max(inf if isnan(cell) else cell for cell in cells)

    def _purge(self) -> None:
        if self.ENCLOSED and self.process.inert:
            if self._oxygen() >= self.process.oxygen_limit:
                return
            self.io.enclosure.purge_flow = 0.0
        if self.shielded():
            self.enter("probe")

    def _begin_probe(self) -> None:
        self.io.head.park = False

    def _probe(self) -> None:
        # The head comes down and touches off on plate or part.
        if self.waited(self.process.probe_time) and not self.io.head.parked:
            self.enter("preheat")

    def _preheat(self) -> None:
        if self.io.part.plate_temperature >= self.process.preheat_temperature - 2.0:
            self.begin_layers("dwell")

    def _dwell(self) -> None:
        process = self.process
        least = process.dwell_time if self.job.layer > 0 else 0.0
        if not self.waited(least):
            return
        cool = self.io.part.temperature < process.interpass_limit
        if cool or not process.adaptive_dwell:
            self.enter("pass")

    def _begin_pass(self) -> None:
        head, number = self.io.head, self.job.layer + 1
        if head.layer != number:
            head.layer = number
            if number > 1:
                head.z_demand += self._step(number)
            self.layer_begins(number)
        self.feed(True)

    def _step(self, number: int) -> float:
        """How much higher layer `number` is laid than the one before, m."""
        job: DepositionJob = self.programs[self.job.program].job
        planned = job.plan.layer(number - 1).base - job.plan.layer(number - 2).base
        return float(planned * self.process.layer_step / job.step)

    def _pass(self) -> None:
        head = self.io.head
        if head.layer_done == self.job.layer + 1:
            head.run = False
            self.energise(False)
            # A pause shorter than the feed needs to come back is not worth stopping it.
            process = self.process
            cools = process.adaptive_dwell and self.io.part.temperature >= process.interpass_limit
            if cools or process.dwell_time >= self.lead():
                self.feed(False)
            self.layer_finished("dwell")
        elif not head.run and (self.fed() or self.waited(self.lead())):
            self.energise(True)
            head.run = True

    def _begin_park(self) -> None:
        self.stop_work()

    def _park(self) -> None:
        if self.shown(self.io.head.parked):
            self.enter("cool")

    def _begin_cool(self) -> None:
        self.io.part.temperature_demand = AMBIENT

    def cold(self) -> bool:
        part, limit = self.io.part, self.process.unpack_temperature
        return bool(part.temperature < limit and part.plate_temperature < limit)

    def _unload(self) -> None:
        self.feedstock.cycle += 1
        super()._unload()

    # -- alarms -------------------------------------------------------------------------------

    def _relevant(self, alarm: Alarm) -> bool:
        if not self.process.inert and self._alarm_names[alarm.path] in INERT_ALARMS:
            return False
        return super()._relevant(alarm)

    def observe(self) -> dict[str, bool]:
        slow = self.phase in PREPARES and self.now - self.since >= self.PREPARED
        # A pause of the operator's is not preparation.
        slow = slow and self.state in (MachineState.PREPARING, MachineState.SUSPENDED)
        return {"drive_fault": not self.io.head.ready,
                "collision": bool(self.io.head.collided),
                "preparation_slow": slow}

    def standing(self) -> bool:
        """Whether somebody may work at the machine."""
        return self.state not in WORKING

    def watches(self) -> list[Watch]:
        level, process = self.level, self.process
        match self.phase:
            case "purge" if self.ENCLOSED and process.inert:
                return [level(f"Enclosure.Oxygen{place}", "OxygenLimit")
                        for place in ("Top", "Bottom")]
            case "preheat":
                return [level("Part.PlateTemperature", "PreheatTemperature", -2.0)]
            case "dwell":
                return [level("Part.Temperature", "InterpassLimit")]
            case "cool" | "none":
                return [level("Part.Temperature", "UnpackTemperature"),
                        level("Part.PlateTemperature", "UnpackTemperature")]
        return []

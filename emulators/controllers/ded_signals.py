"""What the controllers of the deposition machines show and take in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from emulators.controllers.build import MachineCommands
from emulators.controllers.build_signals import BuildAlarms, ProcessSettings, phase_status
from emulators.controllers.shared_alarms import WATER_FLOW_LOW, WATER_WARM, like
from emulators.recipes.ded import DedRecipe
from twin.alarms import Priority
from twin.signals import alarm, parameter, setpoint

__all__ = ["INERT_ALARMS", "LAYER_PHASES", "PHASES", "POOL_SATURATED", "WINDOW_DIRTY",
           "WINDOW_HOT", "DedAlarms", "DedProcess", "Machine"]

PHASES = (
    "none",
    "load",
    "close",
    "purge",
    "probe",
    "preheat",
    "pass",
    "dwell",
    "park",
    "cool",
    "unload",
)
LAYER_PHASES = ("pass", "dwell")
WATER = ("purge", "probe", "preheat", *LAYER_PHASES)
INERT_ALARMS = ("oxygen_high",)
"""Alarms that mean nothing in air."""


class Machine(MachineCommands):
    """State of the machine, and commands to it as a whole."""

    phase = phase_status(PHASES)


class DedProcess(ProcessSettings, ABC):
    """Setpoints an operator may move during a build, and parameters of the recipe.

    Travel speed and stand-off act within a pass, the layer step from the next layer on.
    """

    travel_speed = setpoint("mm/s", low=0.5, high=200, start=10, doc="speed along a pass")
    stand_off = setpoint("mm", low=4, high=60, start=10, doc="nozzle over the surface, as the "
                         "program counts its height")
    layer_step = setpoint("mm", low=0.05, high=10, start=0.5,
                          doc="height by which the head goes up for the next layer")
    interpass_limit = setpoint("degC", low=50, high=1000, start=350,
                               doc="interpass temperature above which the next layer waits")
    dwell_time = setpoint("s", low=0, high=3600, start=5, doc="least dwell between layers")
    preheat_temperature = setpoint("degC", low=20, high=600, start=20, doc="plate while building")
    adaptive_dwell = parameter(bool, start=True, doc="dwell until the interpass temperature is "
                               "below its limit, not just for the least dwell")
    inert = parameter(bool, doc="enclosure filled with inert gas")
    oxygen_limit = parameter("ppm", low=5, high=20_000, start=50,
                             doc="oxygen in an inert enclosure above which no pass is begun")
    purge_flow = parameter("L/min", low=1, high=400, start=400, doc="gas flow while purging")
    process_flow = parameter("L/min", low=0, high=30, start=10, doc="gas flow while building")
    probe_time = parameter("s", low=0.1, high=600, start=8,
                           doc="time to touch off on plate or part")
    unpack_temperature = parameter("degC", low=25, high=300, start=60,
                                   doc="plate and part at which the door may be opened")
    interpass_alarm = parameter("degC", low=60, high=1400, start=550,
                                doc="interpass temperature above which the alarm comes; follows "
                                    "the limit at a job's start, 200 K above it")
    stand_off_low = parameter("mm", low=1, high=60, start=7, doc="stand-off below which the alarm "
                              "comes; 30 % below the demand at a job's start")
    stand_off_high = parameter("mm", low=1, high=100, start=13, doc="stand-off above which the "
                               "alarm comes; 30 % above the demand at a job's start")
    stand_off_lost = parameter("mm", low=1, high=100, start=18, doc="stand-off above which the "
                               "job is held; 80 % above the demand at a job's start")

    def adopt(self, recipe: DedRecipe) -> None:
        passes, motion, thermal, air = (recipe.passes, recipe.motion, recipe.thermal,
                                        recipe.atmosphere)
        self.travel_speed, self.stand_off = motion.travel_speed, motion.stand_off
        self.layer_step = passes.layer_height
        self.interpass_limit, self.dwell_time = thermal.interpass_limit, thermal.dwell
        self.preheat_temperature, self.adaptive_dwell = thermal.preheat, thermal.adaptive
        self.unpack_temperature = thermal.unpack
        self.inert, self.oxygen_limit = air.inert, air.oxygen_limit
        self.purge_flow, self.process_flow = air.purge_flow, air.process_flow
        self.interpass_alarm = thermal.interpass_limit + 200.0
        self.stand_off_low = 0.7 * motion.stand_off
        self.stand_off_high = 1.3 * motion.stand_off
        self.stand_off_lost = 1.8 * motion.stand_off
        self.adopt_own(recipe)

    @abstractmethod
    def adopt_own(self, recipe: Any) -> None:
        """Set what a machine's own recipe says beyond that."""


class DedAlarms(BuildAlarms):
    """The alarms that all deposition machines have."""

    collision = alarm(
        doc="head touched the part",
        priority=Priority.URGENT,
        cause="layers higher than the step, distorted part, wrong program",
        consequence="the safety chain opens, the job ends",
        response="free the head, grind the part, find out why it grew",
    )
    drive_fault = alarm(
        doc="axis drive error",
        priority=Priority.HIGH,
        action="B",
        phases=("close", "probe", *LAYER_PHASES),
        cause="following error, limit, drive fault",
        consequence="job held within the pass",
        response="reset the drive, resume; the pass goes on where it stopped",
    )
    preparation_slow = alarm(
        doc="preparation takes too long",
        priority=Priority.HIGH,
        action="B",
        phases=("close", "purge", "probe", "preheat"),
        cause="door not locked, no gas, no cooling water, plate heater or oxygen cell failed",
        consequence="what the phase waits for does not come; job held",
        response="look at gas, water and heater, mend them (Service), resume",
    )
    interpass_high = alarm(
        doc="interpass temperature too high",
        priority=Priority.HIGH,
        source="Part.Temperature",
        high="Process.InterpassAlarm",
        deadband=10,
        on_delay=2,
        phases=LAYER_PHASES,
        cause="dwell too short, table cooling lost, more power than the part can give away",
        consequence="wide and low beads, coarse grains, sagging edges",
        response="dwell until below the limit (adaptive dwell), restore cooling, lower the power",
    )
    interpass_runaway = alarm(
        doc="interpass temperature runs away",
        priority=Priority.HIGH,
        action="B",
        source="Part.Temperature",
        high=900,
        deadband=50,
        on_delay=2,
        phases=LAYER_PHASES,
        cause="interpass temperature was left to rise",
        consequence="the bead does not stand; job held",
        response="let it cool, dwell adaptively, resume",
    )
    stand_off_near = alarm(
        doc="surface too near to the nozzle",
        priority=Priority.HIGH,
        source="Head.StandOff",
        low="Process.StandOffLow",
        deadband=0.3,
        on_delay=1,
        phases=("pass",),
        cause="layers higher than the step: too much feed, speed too low",
        consequence="collision",
        response="faster travel, less feed or a larger step until it is back",
    )
    stand_off_far = alarm(
        doc="surface too far from the nozzle",
        priority=Priority.HIGH,
        source="Head.StandOff",
        high="Process.StandOffHigh",
        deadband=0.3,
        on_delay=1,
        phases=("pass",),
        cause="layers lower than the step: feed lost, speed too high",
        consequence="beyond the focus less and less is caught, shielding is lost",
        response="slower travel, more feed or a smaller step until it is back",
    )
    stand_off_lost = alarm(
        doc="surface out of reach",
        priority=Priority.HIGH,
        action="B",
        source="Head.StandOff",
        high="Process.StandOffLost",
        deadband=0.3,
        on_delay=1,
        phases=("pass",),
        cause="layers lower than the step for many layers",
        consequence="job held: nothing useful is deposited",
        response="find the loss of feed, lower the stand-off, resume",
    )
    chiller_flow_low = like(
        WATER_FLOW_LOW,
        action="B",
        on_delay=0.1,
        phases=WATER,
        consequence="job held; the safety chain opens when the flow is half",
        response="check the chiller, resume",
    )
    chiller_warm = like(
        WATER_WARM,
        action="B",
        high=40,
        deadband=2,
        on_delay=3,
        phases=WATER,
        cause="refrigeration lost, high heat load",
        consequence="job held before the optics take harm",
        response="check the chiller, resume when it is cool",
    )


WINDOW_DIRTY = alarm(
    doc="protective window scatters light",
    priority=Priority.MEDIUM,
    source="Laser.WindowScatter",
    high=6,
    deadband=0.5,
    on_delay=1,
    cause="spatter and fume on the window",
    consequence="power on the part falls, the window warms",
    response="hold, change the window, check the power by calorimeter, flag the layers",
)
WINDOW_HOT = alarm(
    doc="protective window too hot",
    priority=Priority.URGENT,
    action="A",
    source="Laser.WindowTemperature",
    high=70,
    deadband=5,
    phases=("pass",),
    cause="dirty window at high power",
    consequence="the window cracks; job ended before the optics are lost",
    response="change the window, inspect the optics",
)
POOL_SATURATED = alarm(
    doc="pool regulator at its limit",
    priority=Priority.HIGH,
    action="B",
    on_delay=2,
    phases=("pass",),
    cause="dirty window, power drift, wrong width demand: the regulator can no longer hide it",
    consequence="job held; what follows would be too narrow or too wide",
    response="look at window scatter and power at the pick-off, mend, flag the layers, resume",
)
"""Alarms of the machines with a laser, for `like`."""

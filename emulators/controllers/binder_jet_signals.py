"""What the binder-jet controller shows and takes: phases, setpoints, alarms."""

from __future__ import annotations

from emulators.controllers.build import MachineCommands
from emulators.controllers.build_signals import BuildAlarms, ProcessSettings, phase_status
from emulators.controllers.shared_alarms import (
    BED_STREAK,
    POWDER_EMPTY,
    POWDER_LOW,
    RECOATER_FAULT,
    SHORT_FEED,
    like,
)
from emulators.recipes.binder_jet import Recipe
from twin.alarms import Priority
from twin.signals import alarm, parameter, setpoint

__all__ = ["LAYER_PHASES", "PHASES", "Alarms", "Machine", "Process"]

PHASES = ("none", "load", "close", "warm up", "recoat", "inspect", "clean", "print", "dry",
          "lower", "cure", "cool", "depowder", "unload")
LAYER_PHASES = ("recoat", "inspect", "clean", "print", "dry", "lower")


class Machine(MachineCommands):
    """State of the machine, and commands to it as a whole."""

    phase = phase_status(PHASES)


class Process(ProcessSettings):
    """Setpoints an operator may move during a build, and parameters of the recipe."""

    saturation = setpoint("%", low=10, high=150, start=70,
                          doc="share of the pores that the drops shall fill")
    drying_time = setpoint("s", low=1, high=120, start=8, doc="time under the lamp per layer")
    bed_temperature = setpoint("degC", low=25, high=100, start=60,
                               doc="bed at the end of drying; the lamp follows it")
    box_temperature = setpoint("degC", low=20, high=90, start=40, doc="powder in the build box")
    head_temperature = setpoint("degC", low=20, high=60, start=30,
                                doc="binder in the print head")
    dosing_factor = setpoint("", low=0.5, high=5, start=1.8, doc="powder dosed per powder needed")
    roller_speed = setpoint("rpm", low=0, high=600, start=300, doc="turns of the roller")
    fan_speed = setpoint("%", low=10, high=100, start=80, doc="extraction of the vapour")
    remap = parameter(bool, doc="neighbours make up for silent nozzles, layers are shifted")
    missing_limit = parameter(int, low=0, high=1024, start=4,
                              doc="silent nozzles that are put up with; ten times as many once "
                                  "nozzles are remapped")
    clean_tries = parameter(int, low=0, high=10, start=2,
                            doc="purges of the head before the job is held for missing nozzles")
    wipe_every = parameter(int, low=0, high=1000, start=20,
                           doc="layers between two wipes of the nozzle plate, 0 = none")
    dry_limit = parameter("g/m2", low=0.1, high=1000, start=3,
                          doc="volatile binder that may be left when the next layer comes")
    edge_limit = parameter("um", low=10, high=2000, start=80,
                           doc="growth of the printed outline at which the job is held")
    recoating_speed = parameter("mm/s", low=10, high=500, start=120, doc="recoating speed")
    cure_temperature = parameter("degC", low=100, high=240, start=190, doc="curing oven")
    cure_time = parameter("h", low=0, high=24, start=4,
                          doc="time at temperature in the middle of the box; 0 = no cure here")
    unpack_temperature = parameter("degC", low=25, high=120, start=50,
                                   doc="box at which it is opened")
    air_pressure = parameter("bar", low=0.2, high=6, start=1.5, doc="air jets at depowdering")
    depowdering_time = parameter("min", low=0.1, high=240, start=60, doc="time for depowdering")

    def adopt(self, recipe: Recipe) -> None:
        printing, spreading, drying = recipe.printing, recipe.spreading, recipe.drying
        self.saturation, self.head_temperature = printing.saturation, printing.head_temperature
        self.remap, self.missing_limit = printing.remap, printing.missing_limit
        self.wipe_every = printing.wipe_every
        self.drying_time, self.bed_temperature = drying.time, drying.bed_temperature
        self.box_temperature, self.dry_limit = drying.box_temperature, drying.dry_limit
        self.fan_speed = drying.fan
        self.dosing_factor, self.roller_speed = spreading.dosing_factor, spreading.roller
        self.recoating_speed = spreading.speed
        self.cure_temperature, self.cure_time = recipe.curing.temperature, recipe.curing.time
        self.unpack_temperature = recipe.curing.unpack
        self.air_pressure = recipe.depowdering.pressure
        self.depowdering_time = recipe.depowdering.time


class Alarms(BuildAlarms):
    """The alarms of a binder-jet machine."""

    vapour_rising = alarm(
        doc="solvent vapour rising",
        priority=Priority.MEDIUM,
        source="Hood.Vapour",
        high=10,
        deadband=2,
        on_delay=1,
        cause="extraction weak, much binder on the bed",
        consequence="the job is held at 25 % of the explosive limit",
        response="check fan and filter of the extraction, print less at a time",
    )
    vapour_high = alarm(
        doc="solvent vapour high",
        priority=Priority.HIGH,
        action="B",
        source="Hood.Vapour",
        high=25,
        deadband=10,
        phases=LAYER_PHASES,
        cause="extraction failed",
        consequence="lamp off, job held; at 50 % the safety chain opens",
        response="restore the extraction, wait, resume",
    )
    nozzles_missing = alarm(
        doc="nozzles without drops",
        priority=Priority.MEDIUM,
        source="Head.MissingNozzles",
        high="Process.MissingLimit",
        deadband=0,
        phases=LAYER_PHASES,
        cause="nozzles dried up, air in the ink, meniscus pressure",
        consequence="dry lines along the print direction, weak planes in the part",
        response="the head is purged by itself; if that does not help, remap nozzles",
    )
    head_dirty = alarm(
        doc="purging does not bring the nozzles back",
        priority=Priority.HIGH,
        action="B",
        phases=LAYER_PHASES,
        cause="hard plugs, no ink, wrong meniscus pressure",
        consequence="job held",
        response="purge again, remap nozzles or change the head, then resume",
    )
    print_streak = alarm(
        doc="streak in the printed layer",
        priority=Priority.MEDIUM,
        source="Camera.Streak",
        high=35,
        deadband=5,
        phases=LAYER_PHASES,
        cause="silent nozzle that was not seen or not made up for",
        consequence="weak plane in the part if it repeats",
        response="purge, remap nozzles",
    )
    oversaturated = alarm(
        doc="layer takes more binder than it can hold",
        priority=Priority.MEDIUM,
        action="B",
        phases=LAYER_PHASES,
        cause="drops too large, layer below still wet, saturation too high",
        consequence="binder bleeds beyond the outline: part too large, powder sticks to it",
        response="lower the saturation, compare drop volume, dry longer; resume",
    )
    drop_volume_off = alarm(
        doc="drops are not as large as asked",
        priority=Priority.MEDIUM,
        on_delay=0,
        phases=LAYER_PHASES,
        cause="binder temperature or viscosity, meniscus pressure, waveform",
        consequence="saturation is off by as much",
        response="correct the saturation setpoint, check temperature and pressure of the head",
    )
    bed_wet = alarm(
        doc="layer does not dry",
        priority=Priority.HIGH,
        action="B",
        phases=LAYER_PHASES,
        cause="lamp failed, bed too cold",
        consequence="wet powder clings to the roller, binder adds up and bleeds",
        response="replace the lamp, resume",
    )
    lamp_at_limit = alarm(
        doc="lamp at full power and bed too cold",
        priority=Priority.MEDIUM,
        phases=LAYER_PHASES,
        cause="lamp old or failed, reflector dirty",
        consequence="drying takes longer, then fails",
        response="replace the lamp at the next hold",
    )
    head_cold = alarm(
        doc="binder in the head too cold",
        priority=Priority.MEDIUM,
        phases=LAYER_PHASES,
        on_delay=10,
        cause="head heater failed",
        consequence="smaller drops",
        response="check the head heater",
    )
    meniscus_off = alarm(
        doc="meniscus pressure off",
        priority=Priority.HIGH,
        source="Head.Pressure",
        low=-40,
        deadband=5,
        phases=LAYER_PHASES,
        cause="vacuum regulator of the ink supply",
        consequence="nozzles draw air, all drops are lost",
        response="check the ink supply, purge",
    )
    binder_low = like(
        POWDER_LOW,
        doc="binder supply low",
        cause="binder used up",
        consequence="job held when it is empty",
        response="refill binder",
        source="Head.BinderLevel",
    )
    binder_empty = like(
        POWDER_EMPTY,
        doc="binder supply empty",
        cause="binder used up",
        response="refill binder and resume",
        source="Head.BinderLevel",
        phases=LAYER_PHASES,
    )
    recoater_fault = like(
        RECOATER_FAULT,
        cause="roller blocked",
        consequence="layer not spread",
        response="free the roller, resume (which resets the drive)",
        phases=("close", *LAYER_PHASES),
    )
    roller_torque_high = alarm(
        doc="roller torque high",
        priority=Priority.MEDIUM,
        source="Recoater.Torque",
        high=1.2,
        deadband=0.2,
        phases=("recoat",),
        cause="wet powder clings to the roller",
        consequence="the bed is smeared",
        response="dry longer, clean the roller",
    )
    roller_stopped = alarm(
        doc="roller does not turn as asked",
        priority=Priority.MEDIUM,
        on_delay=3,
        phases=LAYER_PHASES,
        cause="roller motor or belt",
        consequence="loose bed: low green density, more shrinkage",
        response="hold, repair the drive",
    )
    roller_vibrates = alarm(
        doc="roller vibrates",
        priority=Priority.LOW,
        source="Recoater.Vibration",
        high=1.0,
        deadband=0.2,
        on_delay=5,
        cause="roller out of true, bearing worn",
        consequence="bands of thick and thin layer",
        response="change the roller",
    )
    short_feed = like(
        SHORT_FEED,
        consequence="thin layer, then a thick one: weak green part",
        phases=LAYER_PHASES,
    )
    streak_in_bed = like(
        BED_STREAK,
        cause="nick in or dirt on the roller, roller out of true",
        consequence="bands in the green part",
        response="hold, clean or change the roller, resume",
        phases=LAYER_PHASES,
    )
    powder_low = like(POWDER_LOW)
    powder_empty = like(POWDER_EMPTY, phases=LAYER_PHASES)
    bed_hot = alarm(
        doc="bed hot",
        priority=Priority.HIGH,
        source="Dryer.BedTemperature",
        high=95,
        deadband=5,
        cause="lamp control failed, lamp setpoint too high",
        consequence="binder sets before it spreads; at 110 degC the safety chain opens",
        response="lower the bed temperature, check the lamp's power controller",
    )
    oven_cold = alarm(
        doc="oven does not reach the curing temperature",
        priority=Priority.MEDIUM,
        phases=("cure",),
        cause="oven heater failed",
        consequence="binder is not cured, green parts break at depowdering",
        response="repair the heater; curing goes on by itself",
    )
    undercured = alarm(
        doc="box was taken out before it was cured",
        priority=Priority.HIGH,
        phases=("cool", "depowder", "unload"),
        cause="oven heater failed for too long",
        consequence="green parts break at depowdering",
        response="cure again before depowdering",
    )
    parts_broken = alarm(
        doc="green parts broken",
        priority=Priority.HIGH,
        phases=("depowder", "unload"),
        cause="undercured, dry lines, thin layers, air jets too strong",
        consequence="scrap",
        response="sort out; look at saturation, streaks and cure of the build",
    )

"""What the sinter furnace's controller shows and takes: phases, setpoints, alarms."""

from __future__ import annotations

from emulators.controllers.build import MachineCommands
from emulators.controllers.build_signals import BuildAlarms, ProcessSettings, phase_status
from emulators.controllers.shared_alarms import PURGE_FAILS, WATER_FLOW_LOW, like
from emulators.recipes.sinter_furnace import Recipe
from twin.alarms import Priority
from twin.equipment.furnace import Furnace
from twin.signals import Component, Refused, alarm, parameter, setpoint, status

__all__ = ["PHASES", "SEGMENT_PHASES", "Alarms", "Machine", "Process", "Programme"]

PHASES = ("none", "load", "close", "evacuate", "leak check", "purge", "gas", "ramp", "soak",
          "cool", "unload")
SEGMENT_PHASES = ("gas", "ramp", "soak")
_HEATED = ("ramp", "soak")
_MARGIN = 30.0  # K that a target must stay below the limiter: a load overshoots, default


class Machine(MachineCommands):
    """State of the machine, and commands to it as a whole."""

    phase = phase_status(PHASES)


class Programme(Component):
    """The segment in work. ``Job.Layer`` counts the segments that are done."""

    segment = status(str, length=32, doc="name of the segment in work")
    gas = status(str, length=16, doc="gas of the segment in work")
    target = status("degC", low=20, high=1500, start=20, doc="temperature of the segment in work")
    hold_left = status("min", low=0, high=1e5, doc="time at temperature that the segment still "
                       "has, when it was last counted")
    leak_rate = status("mbar.L/s", low=0, high=1000, doc="leak rate that the last check found")


class Process(ProcessSettings):
    """Setpoints an operator may move during a run, and parameters of the recipe."""

    sinter_temperature = setpoint("degC", low=25, high=1480, start=1370,
                                  doc="temperature of the sinter segment")
    sinter_hold = setpoint("min", low=0, high=1440, start=60, doc="time at that temperature")
    debind_hold = setpoint("min", low=0, high=1440, start=60,
                           doc="time at temperature of each debinding step")
    gas_flow = setpoint("L/min", low=1, high=400, start=60, doc="gas flow while debinding")
    sinter_flow = setpoint("L/min", low=1, high=200, start=20, doc="gas flow while sintering")
    debind_rate = parameter("K/min", low=0.1, high=50, start=2, doc="heating while debinding")
    sinter_rate = parameter("K/min", low=0.1, high=50, start=5, doc="heating after it")
    inert_only = parameter(bool, doc="argon in every segment that the recipe gives hydrogen")
    evacuation_pressure = parameter("mbar", low=0.01, high=500, start=20,
                                    doc="pressure of the leak check")
    leak_time = parameter("s", low=10, high=3600, start=120,
                          doc="time that the pressure is watched")
    leak_limit = parameter("mbar.L/s", low=0.01, high=100, start=0.1,
                           doc="leak rate at which the job does not go on")
    oxygen_limit = parameter("ppm", low=10, high=10_000, start=1000,
                             doc="oxygen at which heating may begin; hydrogen needs below 1 %")
    purge_flow = parameter("L/min", low=1, high=400, start=60, doc="gas flow while purging")
    dew_limit = parameter("degC", low=-80, high=30, start=-25,
                          doc="dew point at which the run is held")
    soak_band = parameter("K", low=2, high=100, start=10,
                          doc="below the target: where the time at temperature begins")
    lag_limit = parameter("K", low=5, high=300, start=40,
                          doc="zone below its setpoint at which the run is held")
    disagree_limit = parameter("K", low=2, high=500, start=25,
                               doc="between limiter and middle zone, where the run is held")
    fan_below = parameter("degC", low=25, high=1480, start=900,
                          doc="temperature from which the fan helps to cool")
    cooling_flow = parameter("L/min", low=1, high=400, start=20, doc="gas flow while cooling")
    unload_temperature = parameter("degC", low=25, high=200, start=80,
                                   doc="load at which the retort may be opened")

    def adopt(self, recipe: Recipe) -> None:
        purging, debinding, sintering = recipe.purging, recipe.debinding, recipe.sintering
        before = recipe.presintering
        hottest = Furnace.LIMIT - _MARGIN
        for name, target, done in (
            ("debinding.first", debinding.first, debinding.steps),
            ("debinding.last", debinding.last, debinding.steps > 1),
            ("presintering.temperature", before.temperature, before.hold > 0),
            ("sintering.temperature", sintering.temperature, True),
        ):
            if done and target > hottest:
                raise Refused(f"{name} {target - 273.15:.4g} degC is out of range 25 to "
                              f"{hottest - 273.15:.4g} degC: the over-temperature limiter opens "
                              f"at {Furnace.LIMIT - 273.15:.4g} degC")
        self.sinter_temperature, self.sinter_hold = sintering.temperature, sintering.hold
        self.debind_hold = debinding.time / max(debinding.steps, 1)
        self.gas_flow, self.sinter_flow = purging.flow, sintering.flow
        self.debind_rate, self.sinter_rate = debinding.rate, sintering.rate
        self.inert_only, self.soak_band = False, sintering.soak_band
        self.evacuation_pressure, self.leak_time = purging.vacuum, purging.leak_time
        self.leak_limit, self.oxygen_limit = purging.leak_limit, purging.oxygen_limit
        self.purge_flow = purging.flow
        self.fan_below, self.cooling_flow = recipe.cooling.fan_below, recipe.cooling.flow
        self.unload_temperature = recipe.cooling.unload


class Alarms(BuildAlarms):
    """The alarms of a sinter furnace."""

    leak_found = alarm(
        doc="retort leaks",
        priority=Priority.HIGH,
        action="B",
        phases=("leak check",),
        cause="door seal, thermocouple feed-through, valve",
        consequence="no heating; air would oxidise the parts and make hydrogen dangerous",
        response="find and tighten the leak, resume: the check is made again",
    )
    oxygen_high = alarm(
        doc="oxygen in the retort",
        priority=Priority.URGENT,
        action="B",
        source="Retort.Oxygen",
        high=1.0,
        deadband=0.2,
        on_delay=1,
        phases=SEGMENT_PHASES,
        cause="leak, gas supply out",
        consequence="hydrogen shut off by the gas safety unit, run held",
        response="leave the retort closed, purge with nitrogen, find the leak, resume",
    )
    oxygen_traces = alarm(
        doc="traces of oxygen while heating",
        priority=Priority.MEDIUM,
        source="Retort.Oxygen",
        high=0.2,
        deadband=0.05,
        on_delay=30,
        phases=_HEATED,
        cause="small leak, purge too short",
        consequence="parts oxidise",
        response="raise the gas flow, look for the leak",
    )
    dew_point_high = alarm(
        doc="gas too wet",
        priority=Priority.HIGH,
        action="B",
        source="Retort.DewPoint",
        high="Process.DewLimit",
        deadband=3,
        on_delay=60,
        phases=_HEATED,
        cause="air leak that burns with hydrogen, wet gas supply, water leak",
        consequence="chromium oxidises, parts do not densify",
        response="find the leak or change the gas, resume",
    )
    hydrogen_low = alarm(
        doc="hydrogen missing",
        priority=Priority.HIGH,
        action="B",
        phases=_HEATED,
        on_delay=60,
        cause="supply empty, valve shut by the gas safety unit",
        consequence="carbon of the resin stays, oxide is not reduced",
        response="restore the supply and resume, or go on in argon (Process.InertOnly) and accept "
                 "carbon",
    )
    flame_out = alarm(
        doc="burn-off flame not proven",
        priority=Priority.URGENT,
        action="B",
        phases=SEGMENT_PHASES,
        cause="pilot burner out",
        consequence="hydrogen shut off, nitrogen purges, run held",
        response="relight the pilot, resume",
    )
    pressure_low = alarm(
        doc="retort pressure low",
        priority=Priority.MEDIUM,
        phases=_HEATED,
        on_delay=60,
        cause="gas supply out, large leak",
        consequence="air is drawn in",
        response="check gas supply and seals",
    )
    purge_fails = like(PURGE_FAILS)
    resin_gas_high = alarm(
        doc="much gas of burnt-off resin",
        priority=Priority.MEDIUM,
        source="Retort.CarbonMonoxide",
        high=12,
        deadband=3,
        on_delay=10,
        cause="heated too fast, too much resin",
        consequence="parts blister or crack, soot",
        response="heat more slowly, raise the gas flow",
    )
    zone_lags = alarm(
        doc="zone does not follow its setpoint",
        priority=Priority.HIGH,
        action="B",
        phases=_HEATED,
        on_delay=240,
        cause="element open, mains low, heating too fast",
        consequence="parts in the zone sinter less",
        response="repair the element, resume; time at temperature is counted on",
    )
    load_lags = alarm(
        doc="load does not come to temperature",
        priority=Priority.MEDIUM,
        phases=("ramp",),
        cause="zone thermocouple drifted, zone weak, heavy load",
        consequence="the time at temperature does not begin",
        response="compare load, zone and limiter thermocouples",
    )
    element_current_low = alarm(
        doc="element current low",
        priority=Priority.MEDIUM,
        phases=_HEATED,
        on_delay=60,
        cause="element partly open, terminal loose",
        consequence="zone will not hold its temperature",
        response="compare the zones' currents; repair after the run",
    )
    thermocouples_disagree = alarm(
        doc="limiter and zone thermocouple disagree",
        priority=Priority.HIGH,
        action="B",
        phases=_HEATED,
        on_delay=600,
        cause="thermocouple drifted or slipped",
        consequence="true temperature is off: parts sinter too little or slump",
        response="compare with the load thermocouple, change the one that drifted, resume",
    )
    shell_hot = alarm(
        doc="shell hot",
        priority=Priority.MEDIUM,
        source="Furnace.ShellTemperature",
        high=60,
        deadband=5,
        on_delay=5,
        cause="low cooling water flow, insulation worn",
        consequence="seals suffer",
        response="check water and insulation",
    )
    chiller_flow_low = like(
        WATER_FLOW_LOW,
        consequence="heating stops when the flow is half",
        phases=("close", "purge", *SEGMENT_PHASES, "cool"),
    )
    parts_rejected = alarm(
        doc="parts rejected",
        priority=Priority.HIGH,
        phases=("unload",),
        cause="see the inspection: porous, distorted, cracked, oxidised, carburised",
        consequence="scrap",
        response="look at the run's temperature, gas and debinding",
    )

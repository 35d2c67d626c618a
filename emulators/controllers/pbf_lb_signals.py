"""What the PBF-LB controller shows and takes: states, setpoints, feedstock, alarms."""

from __future__ import annotations

from emulators.controllers.build import MachineCommands
from emulators.controllers.build_signals import BuildAlarms, ProcessSettings, phase_status
from emulators.controllers.shared_alarms import (
    BED_STREAK,
    OXYGEN_HIGH,
    POWDER_EMPTY,
    POWDER_LOW,
    RECOATER_FAULT,
    SHORT_FEED,
    WATER_FLOW_LOW,
    WATER_WARM,
    like,
)
from emulators.recipes.pbf_lb import Recipe
from twin.alarms import Priority
from twin.signals import Component, alarm, parameter, setpoint

__all__ = [
    "INERT_GAS_ALARMS",
    "PHASES",
    "VACUUM_ALARMS",
    "Alarms",
    "LaserAlarms",
    "Machine",
    "Process",
]

PHASES = (
    "none",
    "load",
    "close",
    "purge",
    "pump down",
    "preheat",
    "recoat",
    "settle",
    "expose",
    "lower",
    "cool",
    "unload",
)
LAYER_PHASES = ("recoat", "settle", "expose", "lower")
_WATER = ("close", "preheat", *LAYER_PHASES)
INERT_GAS_ALARMS = (
    "oxygen_high",
    "oxygen_bottom_high",
    "oxygen_dangerous",
    "pressure_low",
    "gas_speed_low",
)
"""Alarms that mean nothing while a job is built in vacuum."""
VACUUM_ALARMS = ("vacuum_lost",)
"""Alarms that mean nothing otherwise."""


class Machine(MachineCommands):
    """State of the machine, and commands to it as a whole."""

    phase = phase_status(PHASES)


class Process(ProcessSettings):
    """Setpoints an operator may move during a build, and parameters of the recipe."""

    laser_power = setpoint("W", low=0, high=1000, start=280, doc="hatch power of every laser")
    scan_speed = setpoint("mm/s", low=10, high=20_000, start=1000, doc="hatch scan speed")
    focus = setpoint("mm", low=-20, high=20, doc="focus offset from the build plane")
    preheat_temperature = setpoint(
        "degC", low=20, high=500, start=80, doc="build plate while building"
    )
    gas_speed = setpoint("m/s", low=1, high=30, start=20, doc="gas speed in the duct")
    dosing_factor = setpoint("", low=0.5, high=5, start=1.8, doc="powder dosed per powder needed")
    oxygen_limit = parameter(
        "ppm", low=10, high=20_000, start=1000, doc="oxygen above which the laser may not emit"
    )
    purge_flow = parameter("L/min", low=1, high=400, start=100, doc="gas flow while purging")
    process_flow = parameter("L/min", low=0, high=30, start=3, doc="gas flow while building")
    recoating_speed = parameter("mm/s", low=10, high=500, start=150, doc="recoating speed")
    settle_time = parameter("s", low=0, high=60, start=0.5, doc="wait between recoat and exposure")
    unpack_temperature = parameter(
        "degC", low=25, high=200, start=60, doc="plate and part at which the door may be opened"
    )
    vacuum = parameter(bool, doc="build in vacuum instead of inert gas")
    vacuum_limit = parameter(
        "Pa", low=1e-4, high=1000, start=0.01, doc="pressure at which a build in vacuum may start"
    )
    vacuum_alarm = parameter(
        "Pa", low=1e-3, high=10_000, start=1, doc="pressure above which a build in vacuum is held"
    )
    plate_low = parameter(
        "degC",
        low=-20,
        high=500,
        start=60,
        doc="plate temperature below which the alarm comes; follows the preheat "
        "setpoint at a job's start, 20 K below it",
    )

    def adopt(self, recipe: Recipe) -> None:
        air, recoating, temperature = recipe.atmosphere, recipe.recoating, recipe.temperature
        self.laser_power, self.scan_speed = recipe.hatch.power, recipe.hatch.speed
        self.focus = 0.0
        self.preheat_temperature = temperature.preheat
        self.plate_low = max(temperature.preheat - 20.0, 253.15)
        self.unpack_temperature = temperature.unpack
        self.gas_speed, self.oxygen_limit = air.duct_velocity, air.oxygen_limit
        self.purge_flow, self.process_flow = air.purge_flow, air.process_flow
        self.vacuum, self.vacuum_limit = air.vacuum, air.vacuum_pressure
        self.dosing_factor, self.recoating_speed = recoating.dosing_factor, recoating.speed
        self.settle_time = recoating.settle


class Alarms(BuildAlarms):
    """The alarms of a PBF-LB machine."""

    oxygen_high = like(
        OXYGEN_HIGH,
        cause="leak, purge gas out, door seal",
        consequence="laser inhibited, job held; oxide in the layer",
        source="Chamber.OxygenTop",
        deadband=50,
        on_delay=0.5,
        phases=LAYER_PHASES,
    )
    oxygen_bottom_high = like(
        OXYGEN_HIGH,
        doc="oxygen above the limit at the build plane",
        cause="leak near the build plane",
        consequence="laser inhibited, job held; oxide in the layer",
        source="Chamber.OxygenBottom",
        deadband=50,
        on_delay=0.5,
        phases=LAYER_PHASES,
    )
    oxygen_dangerous = alarm(
        doc="oxygen far too high while exposing",
        priority=Priority.URGENT,
        action="A",
        source="Chamber.OxygenBottom",
        high=20_000,
        deadband=1000,
        phases=("expose",),
        cause="chamber open or large leak",
        consequence="fire with reactive powder; job aborted",
        response="stay away, keep the chamber closed, flood with argon",
    )
    pressure_low = alarm(
        doc="chamber pressure low",
        priority=Priority.MEDIUM,
        source="Chamber.Pressure",
        low=1.0,
        deadband=0.5,
        on_delay=5,
        phases=LAYER_PHASES,
        cause="gas supply out, leak",
        consequence="air is drawn in",
        response="check gas supply and door seal",
    )
    vacuum_lost = alarm(
        doc="vacuum lost",
        priority=Priority.HIGH,
        action="B",
        source="Chamber.Vacuum",
        high="Process.VacuumAlarm",
        deadband=0,
        on_delay=0.5,
        phases=LAYER_PHASES,
        cause="leak, pump failed",
        consequence="laser inhibited, job held; oxide in the layer",
        response="find the leak, pump down, resume below the limit",
    )
    gas_speed_low = alarm(
        doc="gas speed over the bed low",
        priority=Priority.HIGH,
        action="B",
        source="Gas.Speed",
        low=12,
        deadband=1,
        on_delay=2,
        phases=LAYER_PHASES,
        cause="blower, flap, clogged filter",
        consequence="plume takes power, spatter falls on the part",
        response="check blower and filter, resume when the flow is back",
    )
    filter_high = alarm(
        doc="process filter nearly full",
        priority=Priority.LOW,
        source="Gas.FilterDifferentialPressure",
        high=80,
        deadband=5,
        on_delay=5,
        cause="condensate on the filter",
        consequence="gas speed will fall",
        response="plan a filter change after this job",
    )
    filter_full = alarm(
        doc="process filter full",
        priority=Priority.MEDIUM,
        action="B",
        source="Gas.FilterDifferentialPressure",
        high=100,
        deadband=5,
        on_delay=5,
        phases=LAYER_PHASES,
        cause="condensate on the filter",
        consequence="gas speed cannot be held",
        response="hold, change the filter wet under inert gas, resume",
    )
    blower_power_high = alarm(
        doc="blower power high",
        priority=Priority.LOW,
        source="Gas.BlowerPower",
        high=90,
        deadband=5,
        on_delay=5,
        cause="filter or duct blocked",
        consequence="blower overheats",
        response="check the filter",
    )
    chiller_flow_low = like(
        WATER_FLOW_LOW,
        consequence="laser stops when the flow is half",
        phases=_WATER,
    )
    chiller_warm = like(WATER_WARM, high=32, phases=_WATER)
    recoater_fault = like(RECOATER_FAULT, phases=("close", *LAYER_PHASES))
    recoater_torque_high = alarm(
        doc="recoater torque high",
        priority=Priority.MEDIUM,
        source="Recoater.Torque",
        high=2.0,
        deadband=0.3,
        phases=("recoat",),
        cause="part stands out of the powder",
        consequence="blade wear, crash to come",
        response="lower power at overhangs or raise dosing",
    )
    short_feed = like(SHORT_FEED, phases=LAYER_PHASES)
    blade_damaged = like(BED_STREAK, phases=LAYER_PHASES)
    powder_low = like(POWDER_LOW)
    powder_empty = like(POWDER_EMPTY, phases=LAYER_PHASES)
    plate_cold = alarm(
        doc="build plate too cold",
        priority=Priority.MEDIUM,
        source="Platform.Temperature",
        low="Process.PlateLow",
        deadband=2,
        on_delay=10,
        phases=LAYER_PHASES,
        cause="heater failed, loss of power",
        consequence="distortion, cracks",
        response="check the heater",
    )
    scanner_fault = alarm(
        doc="scanner stopped",
        priority=Priority.HIGH,
        action="B",
        phases=LAYER_PHASES,
        cause="mirror drive",
        consequence="layer stopped between vectors",
        response="reset the scanner, resume in the layer",
    )


class LaserAlarms(Component):
    """The alarms of one laser."""

    power_low = alarm(
        doc="laser power below the demand",
        priority=Priority.MEDIUM,
        source="{name}.PowerRatio",
        low=95,
        deadband=1,
        phases=LAYER_PHASES,
        cause="the source ages, its cooling fails",
        consequence="shallower melt pools, lack of fusion",
        response="measure the power on the plate, adjust the laser or raise the setpoint",
    )

    window_warm = alarm(
        doc="protective window warm",
        priority=Priority.MEDIUM,
        source="{name}.WindowTemperature",
        high=50,
        deadband=2,
        on_delay=5,
        cause="dirty window absorbs power",
        consequence="focus shift, less power on the bed",
        response="clean the window, check power on the plate",
    )

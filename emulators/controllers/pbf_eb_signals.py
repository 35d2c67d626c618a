"""What the PBF-EB controller shows and takes: states, setpoints, alarms."""

from __future__ import annotations

from emulators.controllers.build import MachineCommands
from emulators.controllers.build_signals import BuildAlarms, ProcessSettings, phase_status
from emulators.controllers.shared_alarms import (
    RECOATER_FAULT,
    SHORT_FEED,
    WATER_FLOW_LOW,
    WATER_WARM,
    like,
)
from emulators.recipes.pbf_eb import Recipe
from twin.alarms import Priority
from twin.equipment.heated_bed import BeamHeatedStage
from twin.signals import Component, Refused, alarm, parameter, setpoint, status

__all__ = ["LAYER_PHASES", "PHASES", "Alarms", "BeamAlarms", "Machine", "Process"]

LAYER_PHASES = ("inspect", "rake", "settle", "preheat 1", "preheat 2", "melt", "post heat",
                "image", "remelt", "lower")
PHASES = ("none", "load", "close", "pump down", "helium", "plate heat", *LAYER_PHASES, "cool",
          "vent", "break out", "recover powder", "unload")
_BEAM = ("plate heat", "preheat 1", "preheat 2", "melt", "post heat")
_GUN = ("plate heat", *LAYER_PHASES)
_WATER = ("pump down", "helium", *_GUN)


class Machine(MachineCommands):
    """State of the machine, and commands to it as a whole."""

    phase = phase_status(PHASES)
    smoke_events = status(int, low=0, high=1000, doc="smoke events of the job")
    flagged_layers = status(int, low=0, high=1_000_000, doc="layers with indications that melting "
                            "again did not remove")


class Process(ProcessSettings):
    """Setpoints an operator may move during a build, and parameters of the recipe."""

    melt_current = setpoint("mA", low=0.5, high=100, start=15, doc="hatch current of every gun")
    scan_speed = setpoint("mm/s", low=10, high=20_000, start=4500, doc="hatch scan speed")
    focus = setpoint("mm", low=-100, high=100, doc="focus offset while melting")
    bed_temperature = setpoint("degC", low=20, high=1200, start=730,
                               doc="bed surface at the end of preheat 2")
    preheat_1_current = setpoint("mA", low=0.5, high=100, start=20, doc="current of preheat 1")
    preheat_1_time = setpoint("s", low=0, high=600, start=6, doc="time of preheat 1")
    preheat_2_current = setpoint("mA", low=0.5, high=100, start=32, doc="current of preheat 2")
    preheat_2_time = setpoint("s", low=0, high=600, start=10,
                              doc="time of preheat 2 if it is fixed, else the least")
    helium_pressure = setpoint("mbar", low=0, high=0.02, start=4e-3,
                               doc="chamber pressure that helium makes while building")
    dosing_factor = setpoint("", low=0.5, high=5, start=1.5, doc="powder fetched per powder needed")
    fixed_preheat = parameter(bool, doc="preheat 2 takes a fixed time, whatever the bed "
                              "temperature")
    smoke_recovery = parameter(bool, start=True, doc="after smoke: image, rake again, preheat "
                               "longer at low current")
    preheat_edge = parameter("mm", low=20, high=250, start=200, doc="edge of the preheated square")
    preheat_speed = parameter("m/s", low=0.5, high=50, start=15, doc="speed of the preheating beam")
    preheat_spot = parameter("mm", low=0.3, high=20, start=4, doc="diameter of the preheating beam")
    plate_current = parameter("mA", low=0.5, high=100, start=27, doc="current that heats the plate")
    start_temperature = parameter("degC", low=20, high=1200, start=700,
                                  doc="start plate at which building begins")
    post_current = parameter("mA", low=0.5, high=100, start=15, doc="current of heating after "
                             "melting")
    post_time = parameter("s", low=0, high=600, doc="time of heating after melting")
    voltage = parameter("kV", low=10, high=70, start=60, doc="accelerating voltage")
    raking_speed = parameter("mm/s", low=10, high=500, start=100, doc="raking speed")
    settle_time = parameter("s", low=0, high=60, start=0.3, doc="wait after raking")
    start_pressure = parameter("mbar", low=1e-6, high=10, start=5e-4,
                               doc="chamber pressure at which the gun is opened")
    pressure_limit = parameter("mbar", low=1e-5, high=10, start=9e-3,
                               doc="chamber pressure above which the job is held")
    arc_limit = parameter("", low=1, high=1000, start=10, doc="arc trips in a minute above which "
                          "the job is held")
    bed_low = parameter("degC", low=-20, high=1200, start=690, doc="bed surface below which the "
                        "alarm comes; follows the bed temperature at a job's start, 40 K below")
    part_limit = parameter("degC", low=100, high=1600, start=1300,
                           doc="part surface above which the next layer waits")
    imaging = parameter(bool, start=True, doc="take an electron image of every layer")
    remelts = parameter(int, low=0, high=10, start=2, doc="times that indicated places are melted "
                        "again before the layer is flagged")
    unpack_temperature = parameter("degC", low=25, high=600, start=100,
                                   doc="bed and plate at which the chamber is vented")

    def adopt(self, recipe: Recipe) -> None:
        heat, vacuum, limits = recipe.preheat, recipe.vacuum, recipe.temperature
        coldest = BeamHeatedStage.COLD + 10.0
        if limits.unpack < coldest:
            raise Refused(f"temperature.unpack: {limits.unpack - 273.15:.0f} degC is never reached "
                          f"beside the walls; {coldest - 273.15:.0f} to 600 degC")
        if limits.part_limit <= heat.bed:
            raise Refused(f"temperature.part_limit: {limits.part_limit - 273.15:.0f} degC lets no "
                          f"layer go on; above the bed's {heat.bed - 273.15:.0f}, up to 1600 degC")
        self.melt_current, self.scan_speed = recipe.hatch.current, recipe.hatch.speed
        self.focus = recipe.hatch.focus_offset
        self.bed_temperature, self.start_temperature = heat.bed, heat.start
        self.bed_low = max(heat.bed - 40.0, 253.15)
        self.preheat_1_current, self.preheat_1_time = heat.current_1, heat.time_1
        self.preheat_2_current, self.preheat_2_time = heat.current_2, heat.time_2
        self.fixed_preheat = heat.fixed
        self.preheat_edge, self.preheat_speed = heat.edge, heat.speed
        self.preheat_spot, self.plate_current = heat.spot, heat.plate_current
        self.post_current, self.post_time = heat.post_current, heat.post_time
        self.voltage = heat.voltage
        self.dosing_factor, self.raking_speed = recipe.raking.dosing_factor, recipe.raking.speed
        self.settle_time = recipe.raking.settle
        self.start_pressure, self.helium_pressure = vacuum.start_pressure, vacuum.helium_pressure
        self.imaging, self.remelts = recipe.imaging.enabled, recipe.imaging.remelts
        self.part_limit = recipe.temperature.part_limit
        self.unpack_temperature = recipe.temperature.unpack


class Alarms(BuildAlarms):
    """The alarms of a PBF-EB machine."""

    smoke = alarm(
        doc="smoke: a burst of arcs latched the high voltage",
        priority=Priority.HIGH,
        action="B",
        phases=_GUN,
        cause="bed cold, oxidised or too little sintered; beam back too soon; helium low",
        consequence="beam off within milliseconds, powder blown away, job held",
        response="image, rake again, preheat longer at low current, check helium; resume once",
    )
    smoke_again = alarm(
        doc="second smoke event of the job",
        priority=Priority.URGENT,
        action="A",
        cause="what caused the first one is still there",
        consequence="the build is not worth its powder; the job ends",
        response="cool down, find the cause: powder lot, helium, beam current, bed temperature",
    )
    arc_rate_high = alarm(
        doc="many arc trips",
        priority=Priority.HIGH,
        action="B",
        source="HighVoltage.ArcRate",
        high="Process.ArcLimit",
        phases=_GUN,
        cause="metal on insulator or cathode, column gas",
        consequence="melting is cut again and again; job held",
        response="condition the gun, clean the insulator, resume below the limit",
    )
    column_pressure_high = alarm(
        doc="column pressure high",
        priority=Priority.URGENT,
        action="A",
        source="Vacuum.ColumnPressure",
        high=1e-5,
        deadband=1e-6,
        on_delay=0.5,
        phases=_GUN,
        cause="leak in the column, its pump, chamber pressure",
        consequence="the cathode burns, arcs; job aborted",
        response="close the column valve, find the leak, change the cathode if need be",
    )
    chamber_pressure_high = alarm(
        doc="chamber pressure high",
        priority=Priority.HIGH,
        action="B",
        source="Vacuum.ChamberPressure",
        high="Process.PressureLimit",
        deadband=5e-4,
        on_delay=3,
        phases=LAYER_PHASES,
        cause="leak, turbo pump, wet powder",
        consequence="beam scattered, bed oxidised; job held",
        response="find the leak, look at the pumps, resume below the limit",
    )
    pump_down_slow = alarm(
        doc="pump-down takes long",
        priority=Priority.MEDIUM,
        phases=("pump down",),
        cause="leak, wet powder, roughing or turbo pump",
        consequence="the job does not begin",
        response="look for leaks with helium, dry the powder, check the pumps",
    )
    vent_slow = alarm(
        doc="venting takes long",
        priority=Priority.MEDIUM,
        phases=("vent",),
        cause="helium supply out, vent valve, a pump's valve that does not shut",
        consequence="the door stays locked, the part cannot be taken out",
        response="connect a full helium bottle, which may be done meanwhile; look at the valves",
    )
    helium_low = alarm(
        doc="helium share low",
        priority=Priority.MEDIUM,
        source="Vacuum.HeliumShare",
        low=75,
        deadband=5,
        on_delay=5,
        phases=LAYER_PHASES,
        cause="helium supply out, or air takes its place at the same pressure: a leak",
        consequence="bed charges and oxidises, smoke",
        response="check helium supply and leak rate before going on",
    )
    high_voltage_lost = alarm(
        doc="high voltage lost",
        priority=Priority.HIGH,
        action="B",
        on_delay=5,
        phases=_BEAM,
        cause="interlock of the column gauge, supply fault",
        consequence="no beam; job held",
        response="look at the column pressure and the supply, resume",
    )
    xray_high = alarm(
        doc="X-ray dose rate high",
        priority=Priority.HIGH,
        source="HighVoltage.DoseRate",
        high=1.0,
        deadband=0.2,
        cause="gap in the shield, window",
        consequence="the monitor opens the safety chain at 5 uSv/h",
        response="keep away, end the job, have the shield surveyed",
    )
    bed_cold = alarm(
        doc="bed surface cold",
        priority=Priority.MEDIUM,
        source="Platform.SurfaceTemperature",
        low="Process.BedLow",
        deadband=5,
        on_delay=0.5,
        off_delay=60,
        phases=("melt", "post heat", "image", "remelt"),
        cause="beam current below what is measured, heat shields, larger area, short preheat",
        consequence="little sintering: smoke; cracks",
        response="preheat longer or with more current; check beam current on the bed",
    )
    part_hot = alarm(
        doc="part surface hot",
        priority=Priority.LOW,
        source="Platform.PartTemperature",
        high="Process.PartLimit",
        deadband=20,
        on_delay=2,
        phases=("lower", "rake"),
        cause="heat accumulation: more beam power than the section can lose",
        consequence="swelling, evaporation; the next layer waits",
        response="fewer beams or lower current for this section",
    )
    rake_fault = like(
        RECOATER_FAULT,
        doc="rake stopped",
        cause="part stands out of the powder, rake blocked",
        response="look through the window, free the rake, resume (which resets the drive)",
        phases=("close", *LAYER_PHASES),
    )
    rake_torque_high = alarm(
        doc="rake torque high",
        priority=Priority.MEDIUM,
        source="Rake.Torque",
        high=1.3,
        deadband=0.2,
        phases=("rake",),
        cause="swollen part, heaps of powder after smoke",
        consequence="bent teeth, crash to come",
        response="look at the image, lower the contour energy",
    )
    short_feed = like(
        SHORT_FEED,
        cause="low dosing factor, bridging in the hopper",
        response="raise the dosing factor, check the hoppers",
        source="Rake.BedBrightness",
        phases=LAYER_PHASES,
    )
    bed_dark = alarm(
        doc="dark patch in the electron image",
        priority=Priority.MEDIUM,
        source="Imaging.DarkShare",
        high=1.0,
        deadband=0.3,
        phases=LAYER_PHASES,
        cause="smoke or the rake left a place without powder",
        consequence="nothing to melt there, a thick layer next",
        response="rake again before melting",
    )
    layer_flagged = alarm(
        doc="indications left in a layer",
        priority=Priority.LOW,
        off_delay=30,
        phases=("lower",),
        cause="defects that melting again did not remove, or false calls",
        consequence="the layer is flagged for inspection",
        response="look at the image; have the part scanned there",
    )
    powder_low = alarm(
        doc="powder low",
        priority=Priority.MEDIUM,
        source="Rake.PowderLevel",
        low=5,
        deadband=1,
        cause="the job takes more than the hoppers held",
        consequence="short feed",
        response="pause, fill the hoppers under gas, resume",
    )
    deflection_fault = alarm(
        doc="deflection fault",
        priority=Priority.HIGH,
        action="B",
        phases=LAYER_PHASES,
        cause="amplifier, coil",
        consequence="beam blanked amid a vector",
        response="reset the amplifier, resume",
    )
    beam_drift = alarm(
        doc="beam position off",
        priority=Priority.MEDIUM,
        source="Deflection.PositionError",
        high=150,
        deadband=20,
        cause="drift of the deflection, magnetised parts near the bed",
        consequence="contours beside the part, seams between beams",
        response="calibrate the deflection on the pattern plate",
    )
    chiller_flow_low = like(WATER_FLOW_LOW, phases=_WATER)
    chiller_warm = like(WATER_WARM, consequence="coils drift, the focus moves", phases=_WATER)


class BeamAlarms(Component):
    """The alarms of one beam."""

    current_low = alarm(
        doc="beam current below its demand",
        priority=Priority.MEDIUM,
        source="{name}.CurrentRatio",
        low=97,
        deadband=1,
        cause="the cathode emits no more than this",
        consequence="shallow melt pools, cold bed",
        response="lower the current and speed together, change the cathode after this job",
    )
    cathode_worn = alarm(
        doc="grid bias low: cathode near its end",
        priority=Priority.LOW,
        source="{name}.Bias",
        low=350,
        deadband=30,
        off_delay=10,
        phases=("melt",),
        cause="the cathode ages",
        consequence="the current will soon fall short",
        response="plan a change of the cathode",
    )

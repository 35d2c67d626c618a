"""What the rotating electrode's controller shows and takes: phases, setpoints, alarms."""

from __future__ import annotations

from emulators.controllers.build import MachineCommands
from emulators.controllers.build_signals import BuildAlarms, ProcessSettings, phase_status
from emulators.controllers.shared_alarms import WATER_FLOW_LOW, WATER_LOST, like
from emulators.recipes.prep import Recipe
from twin.alarms import Priority
from twin.equipment.transferred_arc import PlasmaArc
from twin.materials import alloy
from twin.physics.rotating_electrode import radiated
from twin.signals import Component, Refused, alarm, parameter, setpoint, status

__all__ = ["HOT_PHASES", "PHASES", "ROD_PHASES", "Alarms", "Machine", "Process", "RodStatus"]

PHASES = ("none", "load", "close", "pump", "fill", "rod", "spin up", "arc on", "atomize", "stub",
          "spin down", "cool", "unload")
ROD_PHASES = ("rod", "spin up", "arc on", "atomize", "stub", "spin down")
HOT_PHASES = ("arc on", "atomize")


class Machine(MachineCommands):
    """State of the machine, and commands to it as a whole."""

    phase = phase_status(PHASES)


class RodStatus(Component):
    """The rod in work, as the program reckons it. ``Job.Layer`` counts the rods that are done."""

    number = status(int, low=0, high=1000, doc="rod in work, from 1")
    critical_speed = status("rpm", low=0, high=100_000,
                            doc="critical speed with what is left of the rod")
    speed_target = status("rpm", low=0, high=40_000,
                          doc="speed asked of the drive, outside of the skip band")
    expected_feed = status("mm/s", low=0, high=20,
                           doc="feed that the arc's power should need with a good torch")
    expected_size = status("um", low=0, high=5000, doc="mass median of the drops that speed and "
                           "rod should give")
    melt_rate = status("kg/h", low=0, high=1000, doc="from the feed and the rod's section")


class Process(ProcessSettings):
    """Setpoints an operator may move during a run, and parameters of the recipe."""

    speed = setpoint("rpm", low=1000, high=40_000, start=20_000, doc="speed while atomizing")
    power = setpoint("kW", low=5, high=200, start=40, doc="arc power")
    voltage = setpoint("V", low=30, high=140, start=57,
                       doc="arc voltage that the feed keeps; the gap follows from it")
    plasma_gas = setpoint("L/min", low=25, high=300, start=60, doc="plasma gas flow")
    helium = setpoint("%", low=0, high=100, start=70, doc="helium in the gas that is let in")
    purge_flow = setpoint("L/min", low=0, high=300,
                          doc="gas flow through the filled chamber while atomizing")
    argon_only = parameter(bool, doc="argon in place of helium, whatever the recipe says")
    skip_band = parameter(bool, start=True,
                          doc="keep the speed out of a band about the critical speed")
    band = parameter("%", low=1, high=50, start=15, doc="half width of that band")
    bare_critical = parameter("rpm", low=1000, high=100_000, start=10_000,
                              doc="critical speed of the spindle without a rod")
    acceleration = parameter("rpm/s", low=5, high=2000, start=100, doc="rate of spin-up")
    braking = parameter("rpm/s", low=5, high=2000, start=300, doc="rate of spin-down")
    vibration_limit = parameter("mm/s", low=0.5, high=7, start=4.5,
                                doc="vibration at which the run is held")
    vacuum = parameter("mbar", low=1e-4, high=500, start=0.01,
                       doc="pressure to which the chamber is pumped")
    pressure = parameter("mbar", low=1030, high=1400, start=1100, doc="filling pressure")
    fill_flow = parameter("L/min", low=50, high=6000, start=600, doc="gas flow while filling")
    oxygen_limit = parameter("ppm", low=5, high=5000, start=50,
                             doc="oxygen above which there is no arc")
    oxygen_warning = parameter("ppm", low=2, high=5000, start=25, doc="oxygen that is told of")
    ignition_gap = parameter("mm", low=5, high=24, start=18,
                             doc="gap at which the arc is struck")
    approach = parameter("mm/s", low=0.5, high=6, start=2, doc="feed up to that gap")
    stub = parameter("mm", low=30, high=300, start=50, doc="length at which a rod is finished")
    loading_time = parameter("min", low=0.02, high=240, start=15,
                             doc="time to load the magazine")
    unload_temperature = parameter("degC", low=22, high=150, start=40,
                                   doc="gas at which the canister may be taken away")

    def adopt(self, recipe: Recipe) -> None:
        rods, gas, rotation, arc = recipe.rods, recipe.gas, recipe.rotation, recipe.arc
        self.speed, self.acceleration = rotation.speed, rotation.acceleration
        self.braking, self.band = rotation.braking, rotation.band
        self.vibration_limit, self.skip_band = rotation.vibration, True
        self.power, self.voltage = arc.power, arc.voltage
        self.plasma_gas, self.ignition_gap = arc.gas, arc.ignition
        self.approach = arc.approach
        self.helium, self.argon_only, self.purge_flow = gas.helium, False, 0.0
        self.vacuum, self.pressure, self.fill_flow = gas.vacuum, gas.pressure, gas.fill_flow
        self.oxygen_limit, self.oxygen_warning = gas.oxygen_limit, 0.6 * gas.oxygen_limit
        self.stub, self.loading_time = rods.stub, rods.loading
        self.unload_temperature = recipe.cooling.unload
        metal = alloy(recipe.alloy)
        lost = radiated(metal, metal.liquidus, rods.diameter) / PlasmaArc.BEST
        if arc.power < 1.2 * lost:
            raise Refused(f"arc.power {1e-3 * arc.power:g} kW never melts the rod: at least "
                          f"{1.2e-3 * lost:.1f} kW make up for what its face radiates")


class Alarms(BuildAlarms):
    """The alarms of a plasma rotating electrode machine."""

    vibration_x_high = alarm(
        doc="horizontal vibration high",
        priority=Priority.URGENT,
        action="B",
        source="Spindle.VibrationX",
        high="Process.VibrationLimit",
        deadband=0.5,
        on_delay=2,
        phases=HOT_PHASES,
        cause="unbalance, bowed rod, critical speed, worn bearing",
        consequence="arc off and spin-down; above 7 mm/s the monitor trips by itself",
        response="let it run down without a stop, balance, change the rod, resume",
    )
    vibration_y_high = alarm(
        doc="vertical vibration high",
        priority=Priority.URGENT,
        action="B",
        source="Spindle.VibrationY",
        high="Process.VibrationLimit",
        deadband=0.5,
        on_delay=2,
        phases=HOT_PHASES,
        cause="unbalance, bowed rod, critical speed, worn bearing",
        consequence="arc off and spin-down; above 7 mm/s the monitor trips by itself",
        response="let it run down without a stop, balance, change the rod, resume",
    )
    vibration_rising = alarm(
        doc="vibration rising",
        priority=Priority.MEDIUM,
        source="Spindle.VibrationX",
        high=2.8,
        deadband=0.3,
        on_delay=3,
        phases=HOT_PHASES,
        cause="rod bows, chuck slips, bearing wears, a critical speed comes near",
        consequence="drops scatter in size",
        response="look at the phase; move the speed away from where it turns",
    )
    near_critical = alarm(
        doc="runs near a critical speed",
        priority=Priority.HIGH,
        phases=HOT_PHASES,
        on_delay=5,
        cause="speed in the band of the critical speed, which rises as the rod burns off; preload",
        consequence="vibration, hot bearings, drops scatter in size",
        response="change the speed away from it, do not stay",
    )
    bearing_hot = alarm(
        doc="bearing hot",
        priority=Priority.MEDIUM,
        source="Spindle.BearingTemperature",
        high=85,
        deadband=3,
        on_delay=2,
        cause="vibration, wear, preload, oil mist",
        consequence="preload rises, the bearing wears",
        response="lower the speed, find the cause",
    )
    bearing_too_hot = alarm(
        doc="bearing too hot",
        priority=Priority.URGENT,
        action="B",
        source="Spindle.BearingTemperature",
        high=105,
        deadband=5,
        on_delay=1,
        phases=ROD_PHASES,
        cause="vibration, wear, preload, oil mist",
        consequence="arc off and spin-down",
        response="change the bearings or correct the preload, resume",
    )
    speed_off = alarm(
        doc="speed out of its band",
        priority=Priority.HIGH,
        action="B",
        phases=("atomize",),
        on_delay=2,
        cause="drive",
        consequence="arc off: the drops would have another size",
        response="repair the drive, resume",
    )
    oxygen_high = alarm(
        doc="oxygen in the chamber",
        priority=Priority.URGENT,
        action="B",
        source="Chamber.Oxygen",
        high="Process.OxygenLimit",
        deadband=2,
        on_delay=1,
        phases=HOT_PHASES,
        cause="leak at the spindle's seals, impure gas",
        consequence="arc off; the powder of this rod has taken up oxygen",
        response="leave the chamber closed, mend the leak, resume: it is pumped and filled anew; "
                 "test the lot's oxygen",
    )
    oxygen_rising = alarm(
        doc="oxygen rising",
        priority=Priority.MEDIUM,
        source="Chamber.Oxygen",
        high="Process.OxygenWarning",
        deadband=1,
        on_delay=5,
        phases=HOT_PHASES,
        cause="small leak",
        consequence="powder takes up oxygen",
        response="purge (Process.PurgeFlow), look for the leak",
    )
    helium_low = alarm(
        doc="less helium than asked for",
        priority=Priority.MEDIUM,
        phases=("fill", *HOT_PHASES),
        on_delay=30,
        cause="helium supply empty",
        consequence="drops cool more slowly: large ones reach the wall as splats; the arc is "
                    "longer at the same voltage",
        response="restore the supply; or go on in argon with smaller drops",
    )
    arc_not_struck = alarm(
        doc="arc not struck",
        priority=Priority.HIGH,
        action="B",
        phases=("arc on",),
        cause="gap too long, no plasma gas, supply",
        consequence="the rod is not atomized",
        response="check gas and gap, resume",
    )
    arc_lost = alarm(
        doc="arc lost",
        priority=Priority.URGENT,
        action="B",
        phases=("atomize",),
        cause="gap too long: feed slips; no plasma gas",
        consequence="the face freezes; half-solid melt at the next start",
        response="check feed rollers and gas, resume",
    )
    arc_shorted = alarm(
        doc="rod touched the torch",
        priority=Priority.URGENT,
        action="B",
        phases=HOT_PHASES,
        cause="arc voltage reads too high for its gap, feed too fast",
        consequence="torch and face are damaged, metal of the torch in the powder",
        response="change the torch's nozzle, correct the voltage, resume",
    )
    gap_off = alarm(
        doc="gap does not fit the arc's voltage",
        priority=Priority.HIGH,
        phases=("atomize",),
        on_delay=10,
        cause="arc voltage drifted (impure gas, worn electrode), another gas mixture",
        consequence="the regulator moves the gap away: short or loss of the arc",
        response="trust the camera: correct Process.Voltage; change the electrode",
    )
    feed_high = alarm(
        doc="feed higher than the melting needs",
        priority=Priority.HIGH,
        phases=("atomize",),
        on_delay=10,
        cause="feed rollers slip on the rod",
        consequence="the gap grows once the drive is at its end; the arc is lost",
        response="tighten the rollers at the next stop",
    )
    feed_low = alarm(
        doc="rod melts more slowly than it should",
        priority=Priority.MEDIUM,
        phases=("atomize",),
        on_delay=10,
        cause="torch electrode worn",
        consequence="less powder per hour, more energy per kg",
        response="change the electrode at the next stop",
    )
    drops_off = alarm(
        doc="drops of another size than expected",
        priority=Priority.MEDIUM,
        phases=("atomize",),
        on_delay=20,
        cause="vibration, half-solid melt, speed",
        consequence="powder outside of its cut",
        response="look at vibration, speed and the face's temperature",
    )
    no_drops = alarm(
        doc="no drops leave the rod",
        priority=Priority.HIGH,
        action="B",
        phases=("atomize",),
        cause="too little power for the rod, torch worn out",
        consequence="energy without powder",
        response="raise Process.Power or change the electrode, resume",
    )
    limit_switch = alarm(
        doc="shortest stub reached",
        priority=Priority.HIGH,
        action="B",
        phases=HOT_PHASES,
        cause="length gauge wrong, stub set too short",
        consequence="arc cut to save the chuck",
        response="correct the gauge; stop the job or go on with the next rod",
    )
    no_rod = alarm(
        doc="no rod in the chuck",
        priority=Priority.HIGH,
        action="B",
        phases=("rod",),
        cause="magazine empty or jammed",
        consequence="the job waits",
        response="look into the magazine, resume",
    )
    pump_fails = alarm(
        doc="pressure of the chamber does not come down",
        priority=Priority.MEDIUM,
        phases=("pump",),
        cause="leak, pump",
        consequence="the job does not begin",
        response="find the leak",
    )
    fill_fails = alarm(
        doc="filling takes too long",
        priority=Priority.MEDIUM,
        phases=("fill",),
        cause="gas supply, leak",
        consequence="the job does not begin",
        response="check the gas supply; stop the job if oxygen does not come down",
    )
    chamber_hot = alarm(
        doc="chamber gas hot",
        priority=Priority.MEDIUM,
        source="Chamber.Temperature",
        high=200,
        deadband=10,
        on_delay=10,
        cause="wall cooling",
        consequence="drops cool more slowly",
        response="lower the power, check the water",
    )
    chiller_flow_low = like(
        WATER_FLOW_LOW,
        low=95,
        deadband=5,
        on_delay=1,
        phases=("pump", "fill", *ROD_PHASES, "cool"),
        consequence="the flow switch cuts the arc off when the flow is half",
    )
    water_lost = WATER_LOST

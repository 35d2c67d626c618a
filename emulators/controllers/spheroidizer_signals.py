"""What the spheroidizer's controller shows and takes: phases, setpoints, alarms."""

from __future__ import annotations

from emulators.controllers.build import MachineCommands
from emulators.controllers.build_signals import BuildAlarms, ProcessSettings, phase_status
from emulators.controllers.shared_alarms import PURGE_FAILS, WATER_FLOW_LOW, WATER_WARM, like
from emulators.recipes.spheroidizer import Recipe
from twin.alarms import Priority
from twin.signals import Component, alarm, parameter, setpoint, status

__all__ = ["BATCH_PHASES", "PHASES", "Alarms", "Batches", "Machine", "Process"]

PHASES = ("none", "load", "close", "purge", "ignite", "charge", "feed", "collect", "shutdown",
          "passivate", "discharge")
BATCH_PHASES = ("charge", "feed", "collect")
_HOT = ("ignite", *BATCH_PHASES, "shutdown")


class Machine(MachineCommands):
    """State of the machine, and commands to it as a whole."""

    phase = phase_status(PHASES)


class Batches(Component):
    """What the batches have given. ``Job.Layer`` counts those that are done."""

    sphericity = status("%", low=0, high=100, doc="round particles in the last batch, as the "
                        "camera saw them")
    spark = status(int, low=0, high=100, doc="sparks given to light the flame")
    pulses = status(int, low=0, high=1_000_000, doc="back-pulses of the filter in this job")


class Process(ProcessSettings):
    """Setpoints an operator may move during a run, and parameters of the recipe."""

    plate_power = setpoint("kW", low=8, high=100, start=45, doc="plate power")
    feed_rate = setpoint("kg/h", low=0.02, high=20, start=2, doc="powder feed")
    hydrogen_flow = setpoint("L/min", low=0, high=50, start=2, doc="hydrogen in the sheath gas")
    central_flow = setpoint("L/min", low=0, high=150, start=30, doc="central argon")
    sheath_flow = setpoint("L/min", low=0, high=250, start=80, doc="sheath argon")
    carrier_flow = setpoint("L/min", low=1, high=30, start=6, doc="carrier argon")
    blower = setpoint("%", low=0, high=100, start=80, doc="blower of the gas loop")
    ignition_power = parameter("kW", low=8, high=60, start=15, doc="plate power to light the flame")
    batch = parameter("kg", low=0.005, high=40, start=4, doc="powder of a batch")
    inert_only = parameter(bool, doc="no hydrogen, whatever the setpoint says")
    window_flow = parameter("L/min", low=0, high=30, start=5, doc="argon over the sight glasses")
    purge_flow = parameter("L/min", low=20, high=400, start=300, doc="argon while purging")
    reuse = parameter("%", low=0, high=100, doc="share of the argon that is cleaned and used again")
    oxygen_limit = parameter("ppm", low=5, high=150_000, start=100,
                             doc="oxygen at which the flame may be lit")
    oxygen_hold = parameter("ppm", low=10, high=150_000, start=300,
                            doc="oxygen at which feeding is stopped")
    dew_limit = parameter("degC", low=-80, high=30, start=-20,
                          doc="dew point at which feeding is stopped")
    pulse_pressure = parameter("mbar", low=5, high=140, start=45,
                               doc="filter difference at which it is back-pulsed")
    filter_limit = parameter("mbar", low=10, high=150, start=80,
                             doc="filter difference at which feeding is stopped")
    probe_limit = parameter("mbar", low=20, high=900, start=150,
                            doc="pressure over the probe at which feeding is stopped")
    gas_limit = parameter("degC", low=50, high=500, start=250,
                          doc="gas at the reactor's outlet at which feeding is stopped")
    wear_limit = parameter("%", low=50, high=100, start=90,
                           doc="emission over what the plate power should give: worn torch below")
    sphericity_limit = parameter("%", low=0, high=100, start=90,
                                 doc="least share of round particles in a batch")
    passivate = parameter(bool, start=True, doc="oxidise the soot slowly before it is taken out")
    unload_temperature = parameter("degC", low=25, high=150, start=45,
                                   doc="gas at which the reactor may be opened")

    def adopt(self, recipe: Recipe) -> None:
        torch, gas, feed = recipe.torch, recipe.gas, recipe.feed
        self.plate_power, self.ignition_power = torch.power, torch.ignition
        self.central_flow, self.sheath_flow = gas.central, gas.sheath
        self.hydrogen_flow, self.carrier_flow = gas.hydrogen, gas.carrier
        self.window_flow, self.purge_flow = gas.window, gas.purge
        self.oxygen_limit, self.oxygen_hold = gas.oxygen_limit, gas.oxygen_hold
        self.dew_limit = gas.dew_hold
        self.reuse, self.blower = gas.reuse, gas.blower
        self.feed_rate, self.batch = feed.rate, feed.batch
        self.sphericity_limit = recipe.quality.sphericity
        self.pulse_pressure = recipe.quality.pulse
        self.passivate, self.unload_temperature = recipe.cooling.passivate, recipe.cooling.unload


class Alarms(BuildAlarms):
    """The alarms of a spheroidizer."""

    plasma_lost = alarm(
        doc="plasma out",
        priority=Priority.HIGH,
        action="B",
        phases=BATCH_PHASES,
        cause="plate power or argon too low, generator tripped",
        consequence="powder falls through as it is, feeding stops",
        response="find out what failed first, resume: the flame is lit again",
    )
    ignition_fails = alarm(
        doc="plasma does not light",
        priority=Priority.HIGH,
        action="B",
        phases=("ignite",),
        cause="no spark, argon or plate power missing",
        consequence="the job waits",
        response="check spark gap and generator, resume",
    )
    plate_power_low = alarm(
        doc="plate power below its setpoint",
        priority=Priority.HIGH,
        action="B",
        phases=("feed",),
        on_delay=4,
        cause="mains sag, worn generator valve",
        consequence="large particles are not melted, product irregular",
        response="restore the power or lower setpoint and feed, resume",
    )
    torch_worn = alarm(
        doc="less light than the plate power should give",
        priority=Priority.MEDIUM,
        phases=("feed",),
        on_delay=6,
        cause="confinement tube metallised or worn, coil misaligned",
        consequence="less power in the gas at the same plate power, more irregular particles",
        response="change the tube after this job; until then lower the feed",
    )
    feed_deviates = alarm(
        doc="powder feed away from its setpoint",
        priority=Priority.MEDIUM,
        phases=("feed",),
        on_delay=4,
        cause="surging feeder, bridge in the hopper, calibration",
        consequence="too much is not melted, too little is evaporated",
        response="look at the hopper, lower the setpoint",
    )
    feed_lost = alarm(
        doc="powder feed stopped",
        priority=Priority.HIGH,
        action="B",
        phases=("feed",),
        on_delay=4,
        cause="bridge in the hopper",
        consequence="the flame burns for nothing",
        response="break the bridge, resume",
    )
    probe_clogged = alarm(
        doc="pressure over the powder probe high",
        priority=Priority.HIGH,
        action="B",
        source="Feeder.ProbePressure",
        high="Process.ProbeLimit",
        deadband=10,
        on_delay=2,
        phases=("feed",),
        cause="powder baked to the probe's tip",
        consequence="powder misses the flame and sticks to the wall",
        response="clean the probe, resume",
    )
    gas_low = alarm(
        doc="plasma gas below its setpoint",
        priority=Priority.HIGH,
        action="B",
        phases=BATCH_PHASES,
        on_delay=2,
        cause="supply empty, leak of the torch head",
        consequence="the tube overheats, the flame goes out",
        response="restore the supply, tighten the torch head, resume",
    )
    hydrogen_low = alarm(
        doc="hydrogen below its setpoint",
        priority=Priority.MEDIUM,
        phases=("feed",),
        on_delay=5,
        cause="bottle empty, valve",
        consequence="less heat to the particles, oxide is not reduced",
        response="change the bottle",
    )
    tube_hot = alarm(
        doc="confinement tube hot",
        priority=Priority.HIGH,
        source="Torch.TubeTemperature",
        high=800,
        deadband=20,
        cause="sheath gas missing, worn tube",
        consequence="the safety chain opens at 900 degC",
        response="lower the power, check the sheath gas",
    )
    oxygen_high = alarm(
        doc="oxygen in the reactor",
        priority=Priority.URGENT,
        action="B",
        source="Reactor.OxygenTop",
        high="Process.OxygenHold",
        deadband=10,
        on_delay=1,
        phases=("feed",),
        cause="leak, door seal, gas supply",
        consequence="powder takes up oxygen; the chain opens at 2 %",
        response="find the leak, resume: the reactor is purged again",
    )
    dew_point_high = alarm(
        doc="moisture in the reactor",
        priority=Priority.HIGH,
        action="B",
        source="Reactor.DewPoint",
        high="Process.DewLimit",
        deadband=2,
        on_delay=5,
        phases=("feed",),
        cause="cooling water drips into the reactor, air leak",
        consequence="powder takes up oxygen",
        response="mend the water leak, resume",
    )
    purge_fails = like(
        PURGE_FAILS,
        cause="leak, gas supply",
        consequence="the flame is not lit",
        response="find the leak",
    )
    pressure_high = alarm(
        doc="reactor pressure high",
        priority=Priority.HIGH,
        source="Reactor.Pressure",
        high=48,
        deadband=2,
        on_delay=1,
        cause="filter clogged, pressure regulator",
        consequence="the relief valve opens at 60 mbar and the job ends",
        response="clean the filter, check the regulator",
    )
    filter_loaded = alarm(
        doc="filter loaded with soot",
        priority=Priority.LOW,
        source="Loop.FilterDifferentialPressure",
        high=60,
        deadband=3,
        on_delay=2,
        cause="much evaporation, back-pulses do not clean it",
        consequence="less gas through the loop, soot stays in the powder",
        response="lower power or raise feed, change the filter soon",
    )
    filter_blocked = alarm(
        doc="filter blocked",
        priority=Priority.HIGH,
        action="B",
        source="Loop.FilterDifferentialPressure",
        high="Process.FilterLimit",
        deadband=5,
        on_delay=6,
        phases=BATCH_PHASES,
        cause="soot, wet or sticky",
        consequence="the pressure rises, soot stays in the powder",
        response="passivate the soot, change the filter, resume",
    )
    gas_hot = alarm(
        doc="gas at the reactor's outlet hot",
        priority=Priority.HIGH,
        action="B",
        source="Reactor.Temperature",
        high="Process.GasLimit",
        deadband=5,
        on_delay=2,
        phases=BATCH_PHASES,
        cause="gas loop slow: filter, blower, leak",
        consequence="powder cakes in the drum",
        response="clean the filter, check the blower, resume",
    )
    chiller_flow_low = like(WATER_FLOW_LOW, low=65, deadband=2, on_delay=2, phases=_HOT)
    water_warm = like(
        WATER_WARM,
        doc="cooling water warm",
        priority=Priority.HIGH,
        action="B",
        high=48,
        on_delay=2,
        phases=BATCH_PHASES,
        cause="refrigeration lost",
        consequence="torch and wall are at risk",
        response="check the chiller, resume",
    )
    supply_empty = alarm(
        doc="no powder to charge",
        priority=Priority.MEDIUM,
        action="B",
        phases=("charge",),
        cause="the supplied lots are used up",
        consequence="the job waits",
        response="supply a lot and resume, or stop the job",
    )
    sphericity_low = alarm(
        doc="batch not round enough",
        priority=Priority.MEDIUM,
        phases=("collect", "charge"),
        cause="too much feed, too little power, large particles",
        consequence="the product has to be treated again",
        response="lower the feed or raise the power",
    )
    soot_full = alarm(
        doc="soot bin nearly full",
        priority=Priority.LOW,
        source="Collector.SootMass",
        high=8,
        deadband=0.2,
        cause="much evaporation over many batches",
        consequence="the filter cannot be cleaned any more",
        response="end the job and empty the filter",
    )

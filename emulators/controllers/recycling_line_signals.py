"""What the recycling line's controller shows and takes: phases, setpoints, the batch, alarms."""

from __future__ import annotations

from emulators.controllers.build import MachineCommands
from emulators.controllers.build_signals import BuildAlarms, ProcessSettings, phase_status
from emulators.controllers.shared_alarms import PURGE_FAILS, like
from emulators.recipes.recycling_line import Recipe
from twin.alarms import Priority
from twin.equipment.powder_laboratory import TESTS
from twin.powder.laboratory import specification
from twin.signals import Component, alarm, parameter, setpoint, status

__all__ = ["BATCH_PHASES", "PHASES", "Alarms", "Batch", "Machine", "Process"]

PHASES = ("none", "load", "close", "purge", "recover", "magnet", "sieve", "separate", "heat",
          "dry", "cool", "surface", "sample", "blend", "laboratory", "decide", "empty", "open")
BATCH_PHASES = PHASES[PHASES.index("recover"):PHASES.index("empty")]
_MOVES = ("recover", "magnet", "sieve", "separate", "heat", "dry", "cool", "surface", "blend")
_WORK = ("purge", *BATCH_PHASES)


class Machine(MachineCommands):
    """State of the machine, and commands to it as a whole."""

    phase = phase_status(PHASES)


class Batch(Component):
    """The batch in work, and what became of the last one."""

    number = status(int, low=0, high=10_000, doc="batch in work")
    used_oxygen = status("ppm", low=0, high=50_000, doc="oxygen of the worked-up powder before "
                         "blending, as measured")
    virgin_share = status("%", low=0, high=100, doc="virgin powder in the blend")
    virgin_rule = status("%", low=0, high=100, doc="virgin share that keeps the powder at its "
                         "limit for ever: gain / (limit - virgin + gain)")
    deblinded = status(int, low=0, high=1000, doc="times the sieve was deblinded in this batch")
    suspect = status(bool, doc="something happened that the laboratory alone cannot clear")
    decision = status(str, length=16, doc="what became of the last batch: released, hold, scrap")
    reason = status(str, length=120, doc="why")
    released = status("kg", low=0, high=10_000, doc="powder of this job that was released")
    held = status("kg", low=0, high=10_000, doc="powder of this job that is held")
    scrapped = status("kg", low=0, high=10_000, doc="powder of this job that is scrap")


class Process(ProcessSettings):
    """Setpoints an operator may move during a run, and parameters of the recipe."""

    recovery_feed = setpoint("kg/h", low=0.1, high=1000, start=300, doc="conveying rate")
    magnet_feed = setpoint("kg/h", low=0.1, high=1000, start=200, doc="feed of the magnet")
    sieve_feed = setpoint("kg/h", low=0.1, high=1000, start=100, doc="feed of the sieve")
    amplitude = setpoint("%", low=5, high=100, start=60, doc="deck amplitude")
    ultrasonic = setpoint("%", low=0, high=100, start=60, doc="ultrasonic power")
    separator_feed = setpoint("kg/h", low=0.1, high=1000, start=8, doc="feed of the separator")
    surface_feed = setpoint("kg/h", low=0.1, high=1000, start=10, doc="feed of the treatment")
    drying_temperature = setpoint("degC", low=25, high=180, start=110, doc="powder in the dryer")
    drying_time = setpoint("min", low=0, high=1440, start=120, doc="time at that temperature")
    blending_time = setpoint("min", low=0, high=1440, start=35, doc="time of tumbling")
    use_magnet = parameter(bool, doc="powder passes the magnet")
    use_sieve = parameter(bool, doc="powder passes the sieve")
    use_separator = parameter(bool, doc="powder passes the separator")
    use_dryer = parameter(bool, doc="powder is dried")
    use_surface = parameter(bool, doc="grains' surface is treated")
    use_blender = parameter(bool, doc="virgin powder is added")
    coil = parameter("%", low=0, high=100, start=100, doc="coil current of the separator")
    frequency = parameter("kHz", low=1, high=5000, start=1000, doc="frequency of the coil")
    passes = parameter(int, low=1, high=5, start=1, doc="times that the product is sorted")
    mesh = parameter("um", low=5, high=500, start=63, doc="aperture of the upper deck")
    fine_mesh = parameter("um", low=0, high=100, doc="aperture of the fine deck; 0: none")
    sweep = parameter("L/min", low=0.5, high=100, start=20, doc="dry gas in the dryer")
    dew_limit = parameter("degC", low=-75, high=30, start=-40, doc="exhaust dew point above which "
                          "drying goes on")
    unload_temperature = parameter("degC", low=22, high=100, start=50,
                                   doc="powder temperature at which it leaves the dryer")
    rotor = parameter("%", low=0, high=100, start=80, doc="rotor of the treatment")
    plasma = parameter("kW", low=0, high=60, doc="plasma of the treatment")
    hydrogen = parameter("%", low=0, high=20, doc="hydrogen in the plasma gas")
    blender_speed = parameter("rpm", low=1, high=40, start=15, doc="drum speed of the blender")
    oxygen_limit = parameter("ppm", low=50, high=50_000, start=2000,
                             doc="oxygen in the gas at which powder may be moved")
    oxygen_trip = parameter("%", low=0.1, high=10, start=2, doc="oxygen at which the voter acts: "
                            "half of the powder's limiting oxygen concentration")
    purge_flow = parameter("L/min", low=1, high=2000, start=400, doc="argon while purging")
    hold_flow = parameter("L/min", low=1, high=800, start=20, doc="argon while working")
    disagree_limit = parameter("ppm", low=100, high=100_000, start=3000,
                               doc="between the analysers, where the line is held")
    earth_limit = parameter("Ohm", low=1, high=1e6, start=10, doc="resistance to earth that is "
                            "warned of")
    powder_limit = parameter("ppm", low=0, high=50_000, start=2000,
                             doc="oxygen limit of the powder")
    virgin_oxygen = parameter("ppm", low=0, high=50_000, start=800,
                              doc="oxygen of the virgin powder, as certified")
    gain = parameter("ppm", low=0, high=50_000, start=52, doc="oxygen that a use adds")
    least_virgin = parameter("%", low=0, high=100, doc="least share of virgin powder")
    oversize_limit = parameter("%", low=0, high=100, start=2, doc="most grains over the mesh")
    tests = parameter(int, choices=tuple(TESTS), start=3, doc="what the laboratory measures; a "
                      "batch whose limits are not all measured is held")
    repeats = parameter(int, low=1, high=5, start=1, doc="determinations of oxygen")
    retest_releases = parameter(bool, doc="a batch that had bad gas may be released if oxygen, "
                                "measured again, is within its limit")

    def adopt(self, recipe: Recipe) -> None:
        gas, sieve, dryer = recipe.gas, recipe.sieving, recipe.drying
        self.recovery_feed, self.magnet_feed = recipe.recovery.feed, recipe.magnet.feed
        self.sieve_feed, self.amplitude, self.ultrasonic = (
            sieve.feed, sieve.amplitude, sieve.ultrasonic)
        self.mesh, self.fine_mesh = sieve.mesh, sieve.fine_mesh
        self.use_magnet, self.use_sieve = recipe.magnet.use, sieve.use
        sorting = recipe.separating
        self.use_separator = sorting.method != "none"
        self.separator_feed, self.passes = sorting.feed, sorting.passes
        self.coil, self.frequency = sorting.field, sorting.frequency
        self.use_dryer, self.drying_temperature = dryer.use, dryer.temperature
        self.drying_time, self.sweep = dryer.time, dryer.sweep
        self.dew_limit, self.unload_temperature = dryer.dew_point, dryer.unload
        surface = recipe.surface
        self.use_surface, self.surface_feed = surface.use, surface.feed
        self.rotor, self.plasma, self.hydrogen = surface.rotor, surface.plasma, surface.hydrogen
        blend = recipe.blending
        self.use_blender, self.blending_time = blend.use, blend.time
        self.blender_speed, self.gain, self.least_virgin = blend.speed, blend.gain, blend.least
        self.virgin_oxygen = recipe.stock.virgin_oxygen
        self.oxygen_limit, self.oxygen_trip = gas.start_oxygen, gas.limiting_oxygen / 2.0
        self.purge_flow, self.hold_flow = gas.purge, gas.flow
        limits = specification(recipe.quality.process, recipe.alloy).limits
        self.powder_limit = limits["oxygen"].high if "oxygen" in limits else 0.05
        self.oversize_limit, self.repeats = recipe.quality.oversize, recipe.quality.repeats
        self.tests = tuple(TESTS).index(recipe.quality.tests)


class Alarms(BuildAlarms):
    """The alarms of a recycling line."""

    oxygen_rising = alarm(
        doc="oxygen above the start limit",
        priority=Priority.MEDIUM,
        source="Line.OxygenA",
        high="Process.OxygenLimit",
        deadband=100,
        on_delay=2,
        phases=BATCH_PHASES,
        cause="leak at the inlet, argon supply out",
        consequence="powder takes up oxygen, above all in the dryer; at half of the limiting "
                    "oxygen concentration the chain opens",
        response="look for the leak, raise the argon flow",
    )
    oxygen_high = alarm(
        doc="oxygen near the trip value",
        priority=Priority.HIGH,
        action="B",
        on_delay=2,
        phases=BATCH_PHASES,
        cause="leak, argon supply out",
        consequence="purge, transport and heat stop, batch suspect",
        response="do not open; close the leak, purge, resume; the batch's oxygen is measured again",
    )
    analysers_disagree = alarm(
        doc="oxygen analysers disagree",
        priority=Priority.HIGH,
        action="B",
        on_delay=30,
        phases=BATCH_PHASES,
        cause="analyser failed, leak near one of them",
        consequence="the voter is blind: purge, transport and heat stop, batch suspect",
        response="do not open; test both analysers with calibration gas, change the one that is "
                 "wrong, resume; the batch's oxygen is measured again",
    )
    earth_lost = alarm(
        doc="earth continuity lost",
        priority=Priority.URGENT,
        action="A",
        phases=_WORK,
        cause="bonding strap off, clamp dirty",
        consequence="charge gathers on moved powder; everything stops under argon",
        response="restore the strap, measure, clear",
    )
    isolation_lost = alarm(
        doc="explosion isolation not ready",
        priority=Priority.URGENT,
        action="A",
        phases=_WORK,
        cause="isolation valve or suppressor out of order",
        consequence="an explosion would run through the line; everything stops under argon",
        response="repair and test the valve, clear",
    )
    dust_breach = alarm(
        doc="dust behind the filter",
        priority=Priority.HIGH,
        source="Filter.Dust",
        high=10,
        deadband=3,
        on_delay=2,
        cause="filter element torn or not seated",
        consequence="fines are lost and lie in the duct; a large breach opens the chain",
        response="end the batch, change the filter, clean the duct under argon",
    )
    filter_clogged = alarm(
        doc="dust filter clogged",
        priority=Priority.MEDIUM,
        source="Filter.DifferentialPressure",
        high=50,
        deadband=10,
        on_delay=5,
        cause="dust, moisture, back-pulse out of order",
        consequence="suction falls; at 90 mbar the chain opens",
        response="the controller back-pulses; if that does not help, have the filter changed after "
                 "this batch, under argon",
    )
    filter_blocked = alarm(
        doc="dust filter blocked",
        priority=Priority.HIGH,
        action="B",
        source="Filter.DifferentialPressure",
        high=70,
        deadband=10,
        on_delay=5,
        phases=BATCH_PHASES,
        cause="back-pulses do not clean it: wet or sticky dust",
        consequence="transport and heat stop; at 90 mbar the chain opens and the job ends",
        response="change the filter under argon, resume",
    )
    conveying_slow = alarm(
        doc="powder conveyed too slowly",
        priority=Priority.MEDIUM,
        phases=("recover",),
        on_delay=20,
        cause="plug in the pipe, filter torn or clogged",
        consequence="recovery takes long",
        response="compare suction and filter pressure; clear the pipe",
    )
    magnet_weak = alarm(
        doc="magnet weak",
        priority=Priority.HIGH,
        source="Magnet.Field",
        low=300,
        deadband=10,
        on_delay=2,
        phases=("magnet",),
        cause="magnets too warm or demagnetised, gap too wide",
        consequence="ferromagnetic grains stay in the powder",
        response="pass the batch again after the repair; have irregular and foreign grains counted",
    )
    sieve_blinding = alarm(
        doc="sieve blinding",
        priority=Priority.MEDIUM,
        phases=("sieve",),
        cause="near-size or odd grains in the mesh, ultrasound weak, feed too high",
        consequence="rate falls, deck load rises, product goes to oversize",
        response="the controller cuts the feed, deblinds and leads the oversize back",
    )
    sieve_blinded = alarm(
        doc="sieve stays blinded",
        priority=Priority.HIGH,
        action="B",
        phases=("sieve",),
        cause="mesh needs to be cleaned, ultrasound out",
        consequence="the batch is held on the deck",
        response="clean or change the mesh, check the resonator, resume",
    )
    ultrasonic_low = alarm(
        doc="ultrasonic power low",
        priority=Priority.MEDIUM,
        phases=("sieve",),
        on_delay=10,
        cause="resonator loose, generator",
        consequence="the mesh blinds",
        response="tighten or change the resonator",
    )
    coil_weak = alarm(
        doc="separator field below demand",
        priority=Priority.HIGH,
        action="B",
        phases=("separate",),
        on_delay=2,
        cause="generator, coil, cooling of the coil",
        consequence="conducting grains are not carried off: feed stops",
        response="repair, resume; what has passed since is in the product: watch its foreign share",
    )
    classifier_off = alarm(
        doc="classifying gas off its setpoint",
        priority=Priority.HIGH,
        action="B",
        phases=("separate",),
        on_delay=10,
        cause="fan, flap, flow meter",
        consequence="the cut moves: light grains stay or heavy ones leave; feed stops",
        response="set the flow, resume; watch the product's foreign share",
    )
    not_separable = alarm(
        doc="batch cannot be separated",
        priority=Priority.HIGH,
        phases=("separate",),
        cause="the alloys in it are too much alike for the way that was asked for",
        consequence="the batch passes unsorted, the laboratory finds foreign grains",
        response="have the held batch separated in another way, or scrap it",
    )
    dryer_lags = alarm(
        doc="dryer does not come to temperature",
        priority=Priority.HIGH,
        phases=("heat",),
        cause="heater partly open, stirrer",
        consequence="drying does not begin",
        response="repair the heater; the powder keeps under argon",
    )
    gas_humid = alarm(
        doc="exhaust of the dryer stays wet",
        priority=Priority.HIGH,
        phases=("dry",),
        cause="wet sweep gas, leak, very wet powder",
        consequence="the powder dries only down to what the gas holds",
        response="change the gas dryer; drying goes on for as long again, then the laboratory "
                 "decides",
    )
    plasma_weak = alarm(
        doc="plasma power below demand",
        priority=Priority.MEDIUM,
        phases=("surface",),
        on_delay=4,
        cause="generator, torch worn",
        consequence="grains are not re-melted, oxide stays",
        response="repair, treat the batch again",
    )
    blender_slow = alarm(
        doc="blender too slow",
        priority=Priority.MEDIUM,
        phases=("blend",),
        on_delay=20,
        cause="drive slips",
        consequence="blend uneven; samples differ from the batch",
        response="blend for longer, sample again",
    )
    virgin_short = alarm(
        doc="too little virgin powder",
        priority=Priority.MEDIUM,
        phases=("blend", "laboratory", "decide"),
        cause="store empty",
        consequence="the blend stays above the oxygen asked for and will be held",
        response="bring virgin powder, blend the held lot again",
    )
    bin_full = alarm(
        doc="oversize bin full",
        priority=Priority.MEDIUM,
        source="Bins.Oversize",
        high=20,
        deadband=0.5,
        on_delay=2,
        cause="many coarse grains, blinded sieve, bin not emptied",
        consequence="oversize backs up onto the deck",
        response="empty the bin under argon",
    )
    not_cleaned = alarm(
        doc="line not cleaned since another alloy",
        priority=Priority.HIGH,
        phases=("load", "close", "purge"),
        cause="the last job was of another alloy, or of mixed powder",
        consequence="what lies in the line's corners gets into the first batches: foreign grains",
        response="pause before powder is recovered, clean the line, resume",
    )
    purge_fails = like(
        PURGE_FAILS,
        cause="argon supply out, leak, analyser",
        response="check supply, seals and both analysers",
    )
    batch_held = alarm(
        doc="batch on hold",
        priority=Priority.MEDIUM,
        phases=("decide",),
        cause="a property is not surely within its limit, or the gas was bad: see Batch.Reason",
        consequence="the batch may not be used",
        response="do what the reason asks for: dry, sieve, blend, measure again",
    )
    batch_scrapped = alarm(
        doc="batch is scrap",
        priority=Priority.HIGH,
        phases=("decide",),
        cause="a property is beyond what working-up can mend: see Batch.Reason",
        consequence="the batch is lost as powder",
        response="passivate, return to the supplier",
    )

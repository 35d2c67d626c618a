"""What the gas atomizer's controller shows and takes: phases, setpoints, alarms."""

from __future__ import annotations

from emulators.controllers.build import MachineCommands
from emulators.controllers.build_signals import BuildAlarms, ProcessSettings, phase_status
from emulators.controllers.shared_alarms import WATER_FLOW_LOW, WATER_LOST, WATER_WARM, like
from emulators.recipes.gas_atomizer import Recipe
from twin.alarms import Priority
from twin.equipment.electrode import Electrode
from twin.equipment.melting import Crucible
from twin.materials import alloy
from twin.physics.melting import bath_loss
from twin.physics.spray import aspiration, melt_flow
from twin.signals import Component, Refused, alarm, parameter, setpoint, status

__all__ = ["CHARGE_PHASES", "HOT_PHASES", "PHASES", "POUR_PHASES", "Alarms", "CrucibleAlarms",
           "Machine", "Pour", "Process", "RodAlarms"]

PHASES = ("none", "ready", "charge", "pump", "leak test", "fill", "melt", "superheat",
          "pour start", "steady", "tail", "restart", "cool", "passivate", "discharge", "clean")
CHARGE_PHASES = PHASES[2:-1]
POUR_PHASES = ("pour start", "steady", "tail", "restart")
HOT_PHASES = ("melt", "superheat", *POUR_PHASES)
_SPRAY = ("steady", "tail")
_DISSOLVING = ("Ti", "Zr", "Nb", "Ta", "Mo", "W")  # by main element
_ROD_SCALE = 200.0  # kg that the load cell of a rod reads at most


class Machine(MachineCommands):
    """State of the machine, and commands to it as a whole."""

    phase = phase_status(PHASES)


class Pour(Component):
    """The charge in work. ``Job.Layer`` counts the charges that are done."""

    permitted = status(bool, doc="nothing forbids to pour")
    hindrance = status(str, length=64, doc="what forbids to pour")
    restarts = status(int, low=0, high=100, doc="restarts of this charge's pour after a freeze-off")
    leak_rate = status("mbar.L/s", low=0, high=10_000, doc="leak rate that the last test found")
    quarantined = status(bool, doc="the pour was disturbed: what comes off is kept apart, on hold")


class Process(ProcessSettings):
    """Setpoints an operator may move during a run, and parameters of the recipe."""

    pressure = setpoint("bar", low=5, high=80, start=40, doc="atomizing gas pressure")
    gas_temperature = setpoint("degC", low=20, high=500, start=20, doc="atomizing gas temperature")
    curtain = setpoint("kg/min", low=0, high=9, start=3, doc="anti-satellite gas")
    superheat = setpoint("K", low=20, high=500, start=200, doc="melt over its liquidus")
    level = setpoint("mm", low=20, high=340, start=250, doc="melt level in the tundish")
    power = setpoint("kW", low=5, high=250, start=120, doc="most power of the generator")
    freeze_response = parameter(bool, start=True, doc="when the stream freezes: gas off at once, "
                                "tilt back, heat, one restart")
    recirculate = parameter(bool, start=True, doc="gas is used again")
    quarantine = parameter(bool, start=True, doc="the tail, and what comes off while the pour is "
                           "disturbed, goes into a can of its own")
    bypass = parameter(bool, doc="pour without regard to nozzle and tundish temperature")
    vacuum = parameter("mbar", low=0.01, high=1100, start=5, doc="pressure to evacuate to")
    leak_time = parameter("s", low=1, high=3600, start=120, doc="time that the pressure is watched")
    leak_limit = parameter("mbar.L/s", low=0.01, high=10_000, start=0.3,
                           doc="leak rate at which the job does not go on")
    oxygen_limit = parameter("ppm", low=5, high=250_000, start=200,
                             doc="oxygen at which melting and pouring stop")
    disagree_limit = parameter("ppm", low=5, high=250_000, start=100,
                               doc="between the two oxygen analysers, if it is also a third of "
                                   "what they read")
    settling = parameter("s", low=0, high=600, start=20,
                         doc="time that the oxygen analysers are given after filling")
    liquidus = parameter("degC", low=100, high=3500, start=1400, doc="liquidus of the alloy")
    preheat = parameter("K", low=0, high=400, start=80, doc="tundish over the liquidus")
    margin = parameter("K", low=-200, high=200, start=30,
                       doc="nozzle over the liquidus without which nothing is poured")
    expected_flow = parameter("kg/min", low=0.01, high=100, start=10,
                              doc="melt flow of a sound nozzle at its level")
    tail_level = parameter("mm", low=5, high=300, start=120, doc="level at which the tail begins")
    filter_pulse = parameter("mbar", low=1, high=90, start=15,
                             doc="filter differential pressure at which it is pulsed")
    filter_limit = parameter("mbar", low=2, high=95, start=40,
                             doc="filter differential pressure at which the pour is stopped")
    rod_feed = parameter("mm/min", low=1, high=200, start=75, doc="feed of the rod to begin with")
    rod_depth = parameter("mm", low=5, high=50, start=25, doc="place of the rod's tip in the coil")
    rod_rotation = parameter("rpm", low=0, high=20, start=5, doc="turning of the rod")
    stub = parameter("kg", low=0.05, high=50, start=0.5, doc="rod that is left")
    charge_time = parameter("s", low=0, high=20_000, start=1800, doc="time to put a charge in")
    hold = parameter("s", low=0, high=20_000, start=300, doc="time at temperature before the pour")
    powder_temperature = parameter("degC", low=21, high=300, start=40,
                                   doc="powder that may be taken out")
    open_temperature = parameter("degC", low=50, high=1400, start=300,
                                 doc="crucible, tundish or rod that may meet air; a pyrometer "
                                     "tells no less than 605 degC")
    passivation = parameter("s", low=0, high=20_000, start=900, doc="time under a little air")
    discharge_time = parameter("s", low=0, high=20_000, start=900, doc="time to clean up")

    def adopt(self, recipe: Recipe) -> None:
        """What a recipe says becomes setpoints and parameters; `Refused` names what cannot be."""
        charge, nozzle, pour, rod = recipe.charge, recipe.nozzle, recipe.pour, recipe.rod
        metal = alloy(recipe.alloy)
        self.pressure, self.gas_temperature = recipe.gas.pressure, recipe.gas.temperature
        self.curtain, self.recirculate = recipe.gas.curtain, recipe.gas.recirculate
        self.superheat, self.level, self.power = charge.superheat, pour.level, charge.power
        self.quarantine, self.tail_level = pour.quarantine, pour.tail_level
        chamber, cooling = recipe.chamber, recipe.cooling
        self.vacuum, self.leak_time = chamber.vacuum, chamber.leak_time
        self.leak_limit, self.oxygen_limit = chamber.leak_limit, chamber.oxygen_limit
        self.settling = chamber.settling
        self.disagree_limit = max(0.25 * chamber.oxygen_limit, 30e-6)
        self.liquidus, self.preheat, self.margin = metal.liquidus, nozzle.preheat, nozzle.margin
        hot = metal.liquidus + charge.superheat
        self.expected_flow = max(melt_flow(
            nozzle.bore, float(metal.density(min(hot, metal.density.high))), pour.level,
            aspiration(nozzle.protrusion, recipe.gas.pressure)), 1e-3)
        self.filter_pulse, self.filter_limit = recipe.filter.pulse, recipe.filter.limit
        self.rod_feed, self.rod_depth = rod.feed, rod.depth
        self.rod_rotation, self.stub = rod.rotation, rod.stub
        self.charge_time, self.hold = charge.time, charge.hold
        self.powder_temperature, self.open_temperature = cooling.powder, cooling.vessel
        self.passivation, self.discharge_time = cooling.passivation, cooling.discharge
        if self.tail_level >= self.level:
            raise Refused(f"pour.tail_level {1e3 * pour.tail_level:g} mm must be below pour.level "
                          f"{1e3 * pour.level:g} mm")
        if charge.melting == "EIGA" and charge.mass > _ROD_SCALE:
            raise Refused(f"charge.mass {charge.mass:g} kg: the scale of the rod ends at "
                          f"{_ROD_SCALE:g} kg")
        if charge.melting == "EIGA" and rod.stub >= charge.mass:
            raise Refused(f"rod.stub {rod.stub:g} kg must be below charge.mass {charge.mass:g} kg")
        main = max(metal.composition, key=lambda e: metal.composition[e])
        if charge.melting == "VIGA" and main in _DISSOLVING:
            raise Refused(f"charge.melting: {recipe.alloy} dissolves a ceramic crucible, use EIGA")
        if charge.melting == "VIGA":
            lost = bath_loss(hot, charge.mass, metal.emissivity) / Crucible.COUPLING
        else:
            lost = Electrode.radiated(metal, rod.diameter) / Electrode.COUPLING
        if charge.power < 1.2 * lost:
            raise Refused(f"charge.power {1e-3 * charge.power:g} kW never melts it: at least "
                          f"{1.2e-3 * lost:.0f} kW make up for what is lost")
        if charge.melting == "VIGA" and metal.liquidus + nozzle.preheat > 2023.15:
            raise Refused(f"nozzle.preheat {nozzle.preheat:g} K: the tundish stands 1750 degC")


class Alarms(BuildAlarms):
    """The alarms of a gas atomizer, whatever melts."""

    leak_found = alarm(
        doc="melting chamber or tower leaks", priority=Priority.HIGH, action="B",
        phases=("leak test",),
        cause="door seal, feed-through, valve, can flange",
        consequence="no melting; oxygen in the powder",
        response="find and close the leak, resume: it is pumped and tested again",
    )
    evacuation_slow = alarm(
        doc="evacuation takes too long", priority=Priority.MEDIUM, phases=("pump",),
        cause="leak, wet charge, pumps", consequence="the job does not begin",
        response="look for the leak, check the pumps",
    )
    fill_slow = alarm(
        doc="filling takes too long", priority=Priority.MEDIUM, action="B", phases=("fill",),
        cause="leak, impure or no gas, oxygen limit below what the gas has",
        consequence="nothing is melted, the job is held",
        response="look for the leak, check the gas, resume; stop the job if oxygen stays",
    )
    oxygen_high = alarm(
        doc="oxygen above the limit", priority=Priority.URGENT, action="B",
        source="Tower.OxygenA", high="Process.OxygenLimit", deadband=5, on_delay=2,
        phases=HOT_PHASES,
        cause="air leak, gas supply, analyser",
        consequence="heat and pour stopped; oxygen in the powder; fines become dangerous",
        response="compare the analysers, keep closed, find the leak, fill anew, resume; the lot is "
                 "on hold for an oxygen test",
    )
    analysers_disagree = alarm(
        doc="oxygen analysers disagree", priority=Priority.HIGH, action="B", on_delay=10,
        phases=HOT_PHASES,
        cause="one analyser has failed or drifted, its sample line is blocked",
        consequence="oxygen is not known for sure: heat and pour stopped, no opening",
        response="keep inert, calibrate or change the analyser, resume; the lot is on hold",
    )
    pressure_high = alarm(
        doc="tower pressure high", priority=Priority.HIGH, source="Tower.Pressure", high=1250,
        deadband=30, on_delay=1, phases=HOT_PHASES,
        cause="filter clogged, outlet valve, compressor",
        consequence="melt flows less; at 1500 mbar the pressure switch ends the job",
        response="pulse the filter, check the outlet; stop the pour",
    )
    filter_loaded = alarm(
        doc="filter differential pressure stays high", priority=Priority.MEDIUM, on_delay=10,
        phases=_SPRAY,
        cause="back-pulse without effect, much fine dust",
        consequence="tower pressure rises, melt flow falls, the ratio of gas to metal drifts",
        response="check the back-pulse valve",
    )
    filter_blocked = alarm(
        doc="filter blocked", priority=Priority.HIGH, action="B",
        source="Separator.FilterPressure", high="Process.FilterLimit", deadband=2, on_delay=3,
        phases=("pour start", *_SPRAY),
        cause="back-pulse valve stuck, cloth blinded",
        consequence="pour stopped; at 75 mbar a switch ends the job before the cloth bursts",
        response="mend the back-pulse and resume; a blinded cloth: stop the job, change it once "
                 "the dust is passivated",
    )
    gas_pressure_low = alarm(
        doc="atomizing pressure low", priority=Priority.HIGH, on_delay=2,
        phases=("pour start", *_SPRAY),
        cause="supply, regulator, receiver empty",
        consequence="coarser powder; a pour does not begin",
        response="check the supply; stop the pour if it falls on",
    )
    gas_lost = alarm(
        doc="atomizing gas fails", priority=Priority.URGENT, action="B", on_delay=0.5,
        phases=_SPRAY,
        cause="supply, regulator",
        consequence="the stream falls unbroken onto the tower's floor: pour stopped",
        response="restore the supply, resume",
    )
    gas_cold = alarm(
        doc="atomizing gas not at temperature", priority=Priority.MEDIUM, on_delay=20,
        phases=("steady",),
        cause="gas heater weak, flow too high for it", consequence="coarser powder",
        response="check the heater",
    )
    receiver_low = alarm(
        doc="gas receiver low", priority=Priority.MEDIUM, phases=("ready", *HOT_PHASES),
        on_delay=5, cause="supply or loop compressor", consequence="pressure cannot be held",
        response="check supply and compressor",
    )
    curtain_low = alarm(
        doc="anti-satellite gas low", priority=Priority.MEDIUM, on_delay=5, phases=_SPRAY,
        cause="valve, line, ring blocked", consequence="more satellites on the powder",
        response="check the ring; test the lot's flow",
    )
    melt_flow_high = alarm(
        doc="melt flow above that of the nozzle", priority=Priority.MEDIUM, on_delay=10,
        phases=("steady",),
        cause="nozzle worn or broken; rod melts too fast",
        consequence="less gas per metal: coarser powder",
        response="raise the pressure or accept; change the nozzle after the charge",
    )
    rotary_valve_stuck = alarm(
        doc="no powder passes the rotary valve", priority=Priority.MEDIUM,
        phases=("steady",),
        cause="rotary valve jammed", consequence="the cyclone fills and loses powder to the filter",
        response="free the valve; end the pour if it stays",
    )
    pour_blocked = alarm(
        doc="the pour is not permitted", priority=Priority.MEDIUM, on_delay=600,
        phases=("superheat",),
        cause="what Pour.Hindrance says: nozzle cold, oxygen, filter, gas",
        consequence="the melt waits and takes up oxygen",
        response="remove the cause",
    )
    melting_slow = alarm(
        doc="melting takes too long", priority=Priority.MEDIUM,
        phases=("melt", "superheat", "steady"),
        cause="generator weak, charge bridges",
        consequence="oxygen pick-up, time; a rod no longer drips",
        response="check generator and charge",
    )
    water_flow_low = like(
        WATER_FLOW_LOW, low=150, deadband=5, on_delay=2, phases=CHARGE_PHASES[1:-1],
        cause="pump, hose, filter of the cooling circuit",
        consequence="at half the flow the flow switch cuts the generator off; the job is held",
        response="check the circuit",
    )
    water_lost = WATER_LOST
    water_hot = like(
        WATER_WARM, doc="cooling water hot", priority=Priority.HIGH, high=45, deadband=3,
        on_delay=2, cause="refrigeration lost, coil losses", consequence="hoses and coil suffer",
    )


class CrucibleAlarms(Component):
    """Alarms of crucible, tundish and melt nozzle."""

    tilt_creeps = alarm(
        doc="crucible tilts by itself", priority=Priority.URGENT, action="B", on_delay=1,
        phases=("pump", "leak test", "fill", *HOT_PHASES),
        cause="valve of the tilting cylinder leaks",
        consequence="melt runs into a tundish that is closed, and over its rim",
        response="power off, mend the valve at once: what is not over the rim can be poured after "
                 "a resume",
    )
    earth_leakage = alarm(
        doc="earth leakage of the coil rises", priority=Priority.HIGH,
        source="Crucible.EarthLeakage", high=15, deadband=3,
        cause="crucible cracked: melt on its way to the coil; wet lining",
        consequence="at 50 mA the earth relay ends the job",
        response="cut the power, pour out if that is safe, break the lining out",
    )
    tundish_cold = alarm(
        doc="tundish not at its temperature", priority=Priority.MEDIUM, on_delay=20,
        phases=POUR_PHASES,
        cause="heater weak or broken", consequence="the nozzle may freeze",
        response="wait or repair the heater before the pour",
    )
    nozzle_cold = alarm(
        doc="nozzle near the liquidus", priority=Priority.HIGH, on_delay=1, phases=_SPRAY,
        cause="tundish cold, little superheat, much gas, back-pressure",
        consequence="the nozzle begins to freeze",
        response="more superheat and tundish heat; be ready to stop gas and pour",
    )
    freezing = alarm(
        doc="melt flow falls: nozzle freezing", priority=Priority.URGENT, on_delay=1,
        phases=(*_SPRAY, "restart"),
        cause="nozzle below the liquidus",
        consequence="stream lost, gas blows back, tundish runs over",
        response="stop the gas before it blows back, tilt back, heat; one restart if the nozzle is "
                 "over the liquidus, else drain; the tail is quarantined",
    )
    stream_lost = alarm(
        doc="melt stream lost", priority=Priority.URGENT, phases=("steady",), on_delay=0.5,
        cause="nozzle frozen or blocked",
        consequence="gas blows back through the nozzle, tundish runs over",
        response="gas off, tilt back, stopper down",
    )
    overflow = alarm(
        doc="tundish runs over", priority=Priority.URGENT, action="B",
        source="Tundish.LaunderTemperature", high=350, deadband=100, phases=POUR_PHASES,
        cause="nozzle frozen while the crucible pours on",
        consequence="melt in the launder; pour stopped",
        response="tilt back; look after the launder",
    )


class RodAlarms(Component):
    """Alarms of a rod in its coil."""

    earth_leakage = alarm(
        doc="rod near the coil", priority=Priority.HIGH, source="Electrode.EarthLeakage", high=15,
        deadband=3,
        cause="fed faster than it melts, bent", consequence="at 50 mA the earth relay ends the job",
        response="cut the power, take the rod back",
    )
    rod_lags = alarm(
        doc="rod tip above its place", priority=Priority.HIGH, on_delay=5, phases=("steady",),
        cause="feed slips", consequence="melts less: more gas per metal, drops instead of a stream",
        response="check the feed's clamp",
    )
    rod_wobbles = alarm(
        doc="rod wobbles", priority=Priority.MEDIUM, source="Electrode.Wobble", high=2,
        deadband=0.3, on_delay=2, phases=("steady",),
        cause="rod bent or hung askew", consequence="melt rate ripples: wide size distribution",
        response="straighten the next rod",
    )

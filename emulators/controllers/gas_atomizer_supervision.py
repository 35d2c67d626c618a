"""What the gas atomizer's program judges once a second, and how it stops, rests and is kept."""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from typing import Any, ClassVar

from emulators.controllers.build import (
    HOLDABLE,
    INTERRUPTED,
    WORKING,
    BuildController,
    Program,
)
from emulators.controllers.build_signals import Feedstock
from emulators.controllers.gas_atomizer_service import Service
from emulators.controllers.gas_atomizer_signals import (
    CHARGE_PHASES,
    HOT_PHASES,
    POUR_PHASES,
    Alarms,
    CrucibleAlarms,
    Machine,
    Pour,
    Process,
    RodAlarms,
)
from emulators.controllers.states import MachineState
from twin.equipment.services import SafetyChain
from twin.image import Readings
from twin.machines.gas_atomizer import GasAtomizer

__all__ = ["AtomizerSupervision"]

_BELOW_RANGE = 878.15  # K up to which a melt pyrometer may show its lower end
_ASKEW = 0.035  # rad by which a crucible may stand over the tilt that is asked for
_WAY_BACK = {**dict.fromkeys(HOT_PHASES, "fill"), "leak test": "pump", "tail": "cool"}
_POURED = ("cool", "passivate", "discharge")
_DISTURBED = ("gas_pressure_low", "gas_lost", "nozzle_cold", "freezing", "stream_lost")
_DOUBTFUL = ("oxygen_high", "analysers_disagree")


class AtomizerSupervision(BuildController):
    """Judgement, holds, rest and snapshots of a gas atomizer; the sequence is built on it.

    Everything but alarms with a source is judged once a second, on the plant's grid.
    """

    WATER = 150e-3 / 60  # m3/s without which no power is given, default
    # Without water the melt freezes, but nothing is lost for good.
    SPARED: ClassVar = {SafetyChain.COOLING_WATER: "water_lost"}
    LOOK = 1.0  # s
    PUMPING = 3600.0  # s that an evacuation may take
    FILLING = 1800.0  # s that filling may take
    AT_PRESSURE = 0.97  # share of the gas pressure from which the stopper is lifted
    NEAR = 8.0  # K of the nozzle over the liquidus at which it begins to freeze
    RISE = 10.0  # s in which a sound supply brings it
    plant: GasAtomizer

    def __init__(self, plant: GasAtomizer, readings: Readings,
                 programs: Mapping[str, Program]) -> None:
        self.process, alarms = Process(), Alarms()
        super().__init__(plant, readings, programs, Machine, self.process, Feedstock(), alarms)
        self.pour = self.add("Pour", Pour())
        self.viga = plant.crucible is not None
        if plant.crucible is not None:
            self.add("CrucibleAlarms", CrucibleAlarms())
        if plant.electrode is not None:
            self.add("RodAlarms", RodAlarms())
        self.add("Service", Service(plant, lambda: self.state not in WORKING))
        self._fresh = False  # this scan looks
        self._leaks = False
        self._first = 0.0  # Pa at the start of a leak test
        self._reached = -1.0  # s when the melt came to its temperature; below 0: not yet
        self._given_up = False  # the charge in work will not count
        self._settled = False  # idle and everything released
        self._opened = 0.0  # s when the gas valve opened, then when the stopper was lifted
        self._weighed = (0.0, 0.0)  # s and kg when the cans were last seen to grow
        self._tilted = 0.0  # rad at the last look
        self._bare = False  # there is powder that has not been passivated
        self._bled = -1.0  # s since when a little air is let to it; below 0: not yet
        self.assemble()

    def memory(self) -> Any:
        return (super().memory(), self._leaks, self._reached, self._settled, self._bare)

    def load(self, program: Program) -> None:
        super().load(program)
        self._leaks, self._reached, self._settled = False, -1.0, False
        self._bare, self._bled, self._given_up = False, -1.0, False
        self.pour.restarts, self.pour.quarantined = 0, False
        self.io.separator.quarantine = False

    # -- what is judged -----------------------------------------------------------------------

    def observe(self) -> dict[str, bool]:
        self._fresh = False
        waits = self.phase in ("charge", "discharge")  # for people's hands only
        self.looks(not waits and (self.state in (*WORKING, *INTERRUPTED) or not self._settled))
        return {"leak_found": self._leaks, **self.looked}

    def look(self) -> dict[str, bool]:
        self._fresh = True
        io, process, pour = self.io, self.process, self.pour
        unit = io.crucible if self.viga else io.electrode
        self.feedstock.remaining_quantity = round(max(float(unit.mass), 0.0), 1)
        pour.hindrance = self._hindrance()
        pour.permitted = not pour.hindrance
        lag = self.now > self.since + 60.0 or self.phase not in ("fill", "melt")
        wanted = self._program_pressure()
        # What a hold has switched off is no alarm of its own.
        working = self.state in WORKING
        found = {
            "evacuation_slow": self.phase == "pump" and self.now > self.since + self.PUMPING,
            "fill_slow": self.phase == "fill" and self.now > self.since + self.FILLING,
            "analysers_disagree": lag and self._apart(),
            "filter_loaded": bool(
                io.separator.filter_pressure > 1.3 * process.filter_pulse),
            "gas_pressure_low": bool(io.gas.pressure < self._least_share() * wanted),
            "gas_lost": bool(io.gas.pressure < 0.5 * wanted),
            "gas_cold": working and bool(io.gas.temperature < process.gas_temperature - 30.0),
            "receiver_low": bool(io.gas.receiver_pressure < process.pressure + 10e5),
            "curtain_low": working and bool(io.gas.curtain_flow < 0.7 * process.curtain),
            "melt_flow_high": bool(io.spray.melt_flow > 1.2 * self._expected()),
            "rotary_valve_stuck": self._starved(),
            "pour_blocked": self._reached >= 0.0 and bool(pour.hindrance),
            "melting_slow": self._melts_slowly(),
        }
        return {**found, **(self._judge_crucible() if self.viga else self._judge_rod())}

    def _apart(self) -> bool:
        """Whether the two oxygen analysers contradict each other."""
        a, b = float(self.io.tower.oxygen_a), float(self.io.tower.oxygen_b)
        # One that tells nothing at all agrees with nothing.
        return not (abs(a - b) <= self.process.disagree_limit or abs(a - b) <= 0.3 * max(a, b))

    def _pure(self) -> bool:
        """Whether both analysers show little oxygen; one that has failed shows none of it."""
        limit = self.process.oxygen_limit
        return bool(self.io.tower.oxygen_a < limit and self.io.tower.oxygen_b < limit)

    def _melts_slowly(self) -> bool:
        """Whether charge or rod does not melt, or the melt does not come to its temperature."""
        if self.state not in WORKING:
            return False
        if self.phase == "steady":
            return not self.viga and self.now > self.since + 15.0 and bool(
                self.io.spray.melt_flow < 0.05 * self._expected())
        waits = self.phase == "melt" or (self.phase == "superheat" and self._reached < 0.0)
        return waits and self.now > self.since + self._melting_time()

    def _starved(self) -> bool:
        """Whether the cans have not grown for a while though there is a spray."""
        io = self.io
        if self.phase != "steady" or not io.spray.stream:
            self._weighed = (self.now, float(io.separator.powder_mass))
        since, mass = self._weighed
        if io.separator.powder_mass > mass + 0.1:
            self._weighed = (self.now, float(io.separator.powder_mass))
            return False
        # A thin stream takes longer to bring what the cans' scale can tell.
        needed = 0.3 / max(float(io.spray.melt_flow), 1e-3)
        return bool(self.now > since + max(40.0, needed))

    def _least_share(self) -> float:
        """Of the pressure, what must be there: before the pour enough to begin, after a while."""
        if self.phase != "pour start":
            return 0.9
        return self.AT_PRESSURE if self.now > self._opened + self.RISE else 0.0

    def _program_pressure(self) -> float:
        return min(self.process.pressure, float(self.io.gas.target)) \
            if self.io.gas.valve else 0.0

    def _expected(self) -> float:
        if self.viga:
            return float(self.process.expected_flow)
        # Of a rod: what its feed brings.
        job = self.programs[self.job.program].job if self.job.program else None
        if job is None:
            return 1e9
        area = 0.7854 * job.rod_diameter**2
        return float(job.alloy.density(293.15) * area * self.process.rod_feed * 1.3)

    def _melting_time(self) -> float:
        """Time (s) that melting should not exceed: three times that of its energy at full power."""
        job = self.programs[self.job.program].job
        mass = job.mass if self.viga else 2.0
        return float(600.0 + 3.0 * mass * 1.6e6 / (0.5 * max(self.process.power, 1e3)))

    def _judge_crucible(self) -> dict[str, bool]:
        io, process = self.io, self.process
        liquidus = process.liquidus
        flowing = self.state in WORKING and self.phase == "steady" and self.now > self.since + 10.0
        before, self._tilted = self._tilted, float(io.crucible.tilt)
        return {
            "tilt_creeps": self._tilted > io.crucible.tilting + _ASKEW
            and self._tilted > before - 0.01,
            "tundish_cold": bool(io.tundish.temperature < liquidus + process.preheat - 40.0),
            "nozzle_cold": flowing and bool(
                io.tundish.nozzle_temperature < liquidus + self.NEAR),
            "freezing": self.phase == "restart" or (flowing and bool(
                io.spray.melt_flow < 0.6 * process.expected_flow * self._head()
                and io.tundish.level > process.tail_level)),
            "stream_lost": flowing and not io.spray.stream and bool(io.tundish.level > 0.03),
        }

    def _head(self) -> float:
        """Least share of the expected flow at the present level: that of a head alone."""
        return sqrt(min(self.io.tundish.level / self.process.level, 1.0))

    def _judge_rod(self) -> dict[str, bool]:
        return {"rod_lags": bool(self.io.electrode.position < self.process.rod_depth - 12e-3)}

    def _hindrance(self) -> str:
        """Why nothing may be poured now; empty if it may."""
        io, process = self.io, self.process
        if not self._pure():
            return "oxygen above the limit"
        if self._apart():
            return "oxygen analysers disagree"
        if not io.gas.receiver_pressure > process.pressure + 6e5:
            return "gas receiver low"
        if not io.separator.filter_pressure < process.filter_limit:
            return "filter blocked"
        if self.viga and not process.bypass:
            if not io.tundish.nozzle_temperature > process.liquidus + process.margin:
                return "nozzle cold"
        return ""

    def _power_allowed(self) -> bool:
        """Water, and vacuum or inert gas."""
        io = self.io
        inert = io.tower.vacuum < 100.0 or (self._pure() and not self._apart())
        return bool(io.chiller.flow > self.WATER and inert)

    # -- hold, abort, end ---------------------------------------------------------------------

    def stop_work(self) -> None:
        io = self.io
        if self.viga:
            io.tundish.stopper = False
            io.crucible.tilting = 0.0
            io.crucible.heat = False
        else:
            io.electrode.heat = False
            io.electrode.feed = 0.0
        io.generator.enable = False
        io.gas.valve = io.gas.compressor = False
        io.gas.curtain = 0.0
        io.tower.vacuum_pump = io.tower.filling = io.tower.bleed = False

    def _mark(self, everything: bool = False) -> None:
        """From now on this charge's powder is not as it should be: kept apart, on hold.

        ``everything``: what came before is in doubt, too, or there is no other can.
        """
        self.pour.quarantined = True
        if everything or not self.process.quarantine:
            self.io.separator.quarantine = True
        else:
            self.io.separator.divert = True

    def _divert(self, tail: bool = False) -> None:
        """What comes off while the pour is disturbed, or in the tail, goes into its own can."""
        io, process = self.io, self.process
        cold = self.viga and io.tundish.nozzle_temperature < process.liquidus + self.NEAR
        disturbed = tail or self.pour.quarantined or any(map(self.looked.get, _DISTURBED))
        io.separator.divert = bool(process.quarantine and (disturbed or cold))

    def hold(self, state: MachineState, reason: str) -> None:
        doubt = self.phase in HOT_PHASES and any(
            self._alarm_names[alarm.path] in _DOUBTFUL for alarm in self.acting("B"))
        if doubt:
            # What the powder met is not known: nothing is moved until it is.
            self.io.separator.rotary_valve = False
        if doubt or self.phase in POUR_PHASES:
            self._mark(doubt)
        super().hold(state, reason)
        if self.phase in CHARGE_PHASES:
            self.resume_phase = _WAY_BACK.get(self.phase, self.phase)

    def complete(self) -> None:
        if not self.resume_phase:
            super().complete()
            return
        # Stopped with a charge in work: it cools down and comes out; it counts if it was poured.
        self._given_up = self._given_up or self.resume_phase not in _POURED
        self.resume_phase, self.stopping = "", True
        self.enter_state(MachineState.COMPLETING)
        self.enter("cool")

    def make_safe(self) -> None:
        io = self.io
        if self.viga:
            io.tundish.heat = False
        io.gas.heat = io.gas.compressor = False
        io.separator.rotary_valve = True
        io.tower.outlet = True

    def release(self) -> None:
        self.make_safe()
        self._settled = False

    def rest(self) -> None:
        if not self._settled and self._fresh:
            self._calm()

    def regulate(self) -> None:
        if not self._fresh:
            return
        if self.state in (MachineState.FINISHED, MachineState.ABORTED) and not self._settled:
            self._calm()
        elif self.viga and self.state in (*HOLDABLE, *INTERRUPTED) and self.phase in (
                "pump", "leak test", "fill", *HOT_PHASES):
            self.io.tundish.heat = self.io.safety.chain_closed and self._power_allowed()
        if self.state in INTERRUPTED and self.phase in HOT_PHASES:
            self._flush()

    def _flush(self) -> None:
        """Inert gas through tower and outlet as long as a held job has met oxygen, or may have."""
        io = self.io
        if self._apart() or not self._pure():
            io.tower.outlet, io.gas.curtain = True, self.plant.gas.CURTAIN
        else:
            io.gas.curtain = 0.0

    def _hot(self) -> bool:
        """Whether crucible, tundish or rod are too hot for air."""
        io, most = self.io, float(self.process.open_temperature)
        melt = io.crucible.temperature if self.viga else io.electrode.temperature
        return bool(melt > max(most, _BELOW_RANGE)
                    or (self.viga and io.tundish.temperature > most))

    def _passivated(self) -> bool:
        """Let a little air to fresh powder by and by; whether that has lasted long enough."""
        io = self.io
        if self._bled < 0.0:
            self._bled = self.now
        io.tower.outlet = True
        # Air by and by: about 1 to 3 % of oxygen.
        io.tower.bleed = io.tower.oxygen_a < 0.02
        if self.now < self._bled + self.process.passivation:
            return False
        io.tower.bleed = self._bare = False
        self._bled = -1.0
        return True

    def _calm(self) -> None:
        """Water as long as anything is hot; the door is unlocked when nothing speaks against."""
        io = self.io
        if self._hot() or io.tower.gas_temperature > 333.15 \
                or io.separator.powder_temperature > max(353.15, self.process.powder_temperature):
            if io.safety.chain_closed:
                io.chiller.run = True
            return
        if self._bare and io.safety.door_locked and not self._passivated():
            return
        io.tower.outlet = io.separator.rotary_valve = io.separator.divert = False
        io.chiller.run = io.tower.bleed = False
        io.tower.vent = io.tower.pressure < 0.98e5
        if io.tower.vent:
            return
        io.safety.door_lock = False
        self._settled = True

    # -- what to keep -------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        taken = super().snapshot()
        taken["own"] |= {"leaks": self._leaks, "first": self._first, "reached": self._reached,
                         "settled": self._settled, "opened": self._opened,
                         "weighed": list(self._weighed), "tilted": self._tilted,
                         "bare": self._bare, "bled": self._bled, "given_up": self._given_up}
        return taken

    def reinstate(self, snapshot: dict[str, Any]) -> None:
        super().reinstate(snapshot)
        own = snapshot["own"]
        self._leaks, self._first = own["leaks"], own["first"]
        self._reached, self._settled = own["reached"], own["settled"]
        self._opened, self._tilted = own["opened"], own["tilted"]
        self._bare, self._bled = own["bare"], own["bled"]
        self._given_up = own["given_up"]
        since, mass = own["weighed"]
        self._weighed = (since, mass)

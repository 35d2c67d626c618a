"""What the gas atomizer's program judges once a second, and how it stops, rests and is kept."""

from __future__ import annotations

from collections.abc import Mapping
from math import floor, sqrt
from typing import Any

from emulators.controllers.build import INTERRUPTED, WORKING, BuildController, Program
from emulators.controllers.build_signals import Feedstock
from emulators.controllers.gas_atomizer_service import Service
from emulators.controllers.gas_atomizer_signals import (
    CHARGE_PHASES,
    POUR_PHASES,
    Alarms,
    CrucibleAlarms,
    Machine,
    Pour,
    Process,
    RodAlarms,
)
from emulators.controllers.states import MachineState
from twin.image import Readings
from twin.machines.gas_atomizer import GasAtomizer

__all__ = ["FLOWS", "AtomizerSupervision"]

FLOWS = 150e-3 / 60  # m3/s of water without which no power is given


class AtomizerSupervision(BuildController):
    """Judgement, holds, rest and snapshots of a gas atomizer; the sequence is built on it.

    Everything but alarms with a source is judged once a second, on the plant's grid.
    """

    LOOK = 1.0  # s
    PUMPING = 3600.0  # s that an evacuation may take
    AT_PRESSURE = 0.97  # share of the gas pressure from which the stopper is lifted
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
        self._index = -1  # seconds looked at last
        self._fresh = False  # a second has begun in this scan
        self._looked: dict[str, bool] = {}
        self._leaks = False
        self._first = 0.0  # Pa at the start of a leak test
        self._reached = -1.0  # s when the melt came to its temperature; below 0: not yet
        self._settled = False  # idle and everything released
        self._opened = 0.0  # s when the gas valve opened, then when the stopper was lifted
        self._weighed = (0.0, 0.0)  # s and kg when the cans were last seen to grow
        self.assemble()

    def memory(self) -> Any:
        return (super().memory(), self._leaks, self._reached, self._settled,
                tuple(self._looked.items()))

    def load(self, program: Program) -> None:
        super().load(program)
        self._leaks, self._reached, self._settled = False, -1.0, False
        self._looked = {}
        self.pour.restarts, self.pour.quarantined = 0, False
        self.io.separator.quarantine = False

    def _look(self) -> bool:
        """Whether a second has begun since the last look; asks to be scanned at the next."""
        index = floor(self.now / self.LOOK + 1e-9)
        self.wake = min(self.wake, (index + 1) * self.LOOK)
        if index == self._index:
            return False
        self._index = index
        return True

    # -- what is judged -----------------------------------------------------------------------

    def observe(self) -> dict[str, bool]:
        self._fresh = False
        if self.state in (*WORKING, *INTERRUPTED) or not self._settled:
            self._fresh = self._look()
            if self._fresh:
                self._looked = self._judge()
        return {"leak_found": self._leaks, **self._looked}

    def _judge(self) -> dict[str, bool]:
        io, process, pour = self.io, self.process, self.pour
        unit = io.crucible if self.viga else io.electrode
        self.feedstock.remaining_quantity = round(max(float(unit.mass), 0.0), 1)
        pour.hindrance = self._hindrance()
        pour.permitted = not pour.hindrance
        apart = abs(io.tower.oxygen_a - io.tower.oxygen_b)
        lag = self.now > self.since + 60.0 or self.phase not in ("fill", "melt")
        wanted = self._program_pressure()
        # What a hold has switched off is no alarm of its own.
        working = self.state in WORKING
        found = {
            "evacuation_slow": self.phase == "pump" and self.now > self.since + self.PUMPING,
            "analysers_disagree": lag and bool(
                apart > process.disagree_limit
                and apart > 0.3 * max(io.tower.oxygen_a, io.tower.oxygen_b)),
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
        return {
            "tundish_cold": bool(io.tundish.temperature < liquidus + process.preheat - 40.0),
            "nozzle_cold": flowing and bool(io.tundish.nozzle_temperature < liquidus + 8.0),
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
        if not io.tower.oxygen_a < process.oxygen_limit:
            return "oxygen above the limit"
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
        inert = io.tower.vacuum < 100.0 or io.tower.oxygen_a < self.process.oxygen_limit
        return bool(io.chiller.flow > FLOWS and inert)

    # -- hold, abort, end ---------------------------------------------------------------------

    def stop_work(self) -> None:
        io = self.io
        if self.phase in POUR_PHASES or self.phase in ("melt", "superheat"):
            self._mark()
        if self.viga:
            io.tundish.stopper = False
            io.crucible.tilting = 0.0
            io.crucible.heat = False
        else:
            io.electrode.heat = False
            io.electrode.feed = 0.0
        io.generator.enable = False
        io.gas.valve = False
        io.gas.curtain = 0.0
        io.tower.vacuum_pump = io.tower.filling = io.tower.bleed = False

    def _mark(self) -> None:
        """What this charge gives is not as it should be: on hold until it is tested."""
        self.io.separator.quarantine = self.pour.quarantined = True

    def hold(self, state: MachineState, reason: str) -> None:
        super().hold(state, reason)
        if self.phase in CHARGE_PHASES:
            self.resume_phase = self._way_back(self.phase)

    def _way_back(self, phase: str) -> str:
        if phase == "leak test" or phase == "pump":
            return "pump"
        if phase in ("tail", "cool"):
            return "cool"
        if phase == "fill":
            return "fill"
        if phase in ("melt", "superheat", *POUR_PHASES):
            return "fill"
        return phase

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
        if self.state in (MachineState.FINISHED, MachineState.ABORTED) \
                and not self._settled and self._fresh:
            self._calm()

    def _calm(self) -> None:
        """Water as long as anything is hot; the door is unlocked when nothing speaks against."""
        io = self.io
        hot = bool(io.tower.gas_temperature > 333.15 or io.separator.powder_temperature > 353.15)
        if self.viga:
            hot = hot or bool(io.crucible.temperature > 878.15 or io.tundish.temperature > 878.15)
        else:
            hot = hot or bool(io.electrode.temperature > 878.15)
        if hot:
            if io.safety.chain_closed:
                io.chiller.run = True
            return
        io.tower.outlet = io.separator.rotary_valve = io.separator.divert = False
        io.chiller.run = False
        io.tower.vent = io.tower.pressure < 0.98e5
        if io.tower.vent:
            return
        io.safety.door_lock = False
        self._settled = True

    def restore_supplies(self) -> None:
        super().restore_supplies()
        self.io.chiller.run = True

    # -- what to keep -------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        taken = super().snapshot()
        taken["own"] |= {"index": self._index, "looked": dict(self._looked), "leaks": self._leaks,
                         "first": self._first, "reached": self._reached,
                         "settled": self._settled, "opened": self._opened,
                         "weighed": list(self._weighed)}
        return taken

    def reinstate(self, snapshot: dict[str, Any]) -> None:
        super().reinstate(snapshot)
        own = snapshot["own"]
        self._index, self._looked = own["index"], dict(own["looked"])
        self._leaks, self._first = own["leaks"], own["first"]
        self._reached, self._settled = own["reached"], own["settled"]
        self._opened = own["opened"]
        since, mass = own["weighed"]
        self._weighed = (since, mass)

"""The soft PLC of a plasma rotating electrode machine: its sequence and interlocks."""

from __future__ import annotations

from collections.abc import Mapping
from math import pi, sqrt
from typing import Any, ClassVar

from emulators.controllers.base import Watch
from emulators.controllers.build import INTERRUPTED, WORKING, BuildController, Program
from emulators.controllers.build_signals import Feedstock
from emulators.controllers.prep_service import Service
from emulators.controllers.prep_signals import (
    HOT_PHASES,
    ROD_PHASES,
    Alarms,
    Machine,
    Process,
    RodStatus,
)
from emulators.controllers.states import MachineState
from twin.equipment.services import SafetyChain
from twin.image import Readings
from twin.machine import AMBIENT
from twin.machines.prep import Prep, PrepJob
from twin.physics import rotating_electrode as physics

__all__ = ["PrepController"]

_STANDS = 30.0 / 60.0  # 1/s below which the spindle counts as standing
_STANDING = Watch("Spindle.Speed", _STANDS * 60.0)
_IN_BAND = 0.01  # of the speed, within which an arc may be struck
_SPEED_OFF = 0.03  # of the speed, at which the arc is cut
_INERT = 0.9  # of the filling pressure: a chamber that is still full
_CAMERA = 6e-3  # m by which gap and voltage may disagree
_SETTLED = 60.0  # s of atomizing from which feed, gap and drops are judged


class PrepController(BuildController):
    """Load, close, pump, fill, rods {chuck, spin up, arc, atomize, stub, spin down}, cool, unload.

    In a hold the arc goes out first, then the spindle runs down without a stop; the way back
    begins with the spin-up.
    """

    LAYERS = ROD_PHASES
    CHECKPOINT = "rod"
    RESET = ("arc_lost", "arc_shorted", "arc_not_struck", "no_drops", "speed_off", "oxygen_high")
    WATER = 100e-3 / 60  # m3/s, default
    # Without water the arc is off and the spindle runs down, but nothing is lost for good.
    SPARED: ClassVar = {SafetyChain.COOLING_WATER: "water_lost"}
    LOOK = 10.0  # s
    PUMPING = 3600.0  # s that the pumps may take
    FILLING = 5400.0  # s that filling may take
    STRIKING = 20.0  # s that striking the arc may take
    APPROACH = 180.0  # s that the way to the gap may take
    NO_DROPS = 300.0  # s of arc after which any rod should melt
    CHUCKING = 150.0  # s that a rod may take
    plant: Prep

    def __init__(self, plant: Prep, readings: Readings, programs: Mapping[str, Program]) -> None:
        self.process = Process()
        super().__init__(plant, readings, programs, Machine, self.process, Feedstock(), Alarms())
        self.rod = self.add("Rod", RodStatus())
        self.add("Service", Service(plant, lambda: self.state not in WORKING))
        self.asked = False  # in this phase, what is asked for once
        self.arrival = 0.0  # s, when the spindle should be at its target
        self.assemble()

    def memory(self) -> Any:
        return (super().memory(), self.asked)

    def load(self, program: Program) -> None:
        super().load(program)
        self.asked = False

    @property
    def made(self) -> PrepJob:
        """The job in work."""
        job: PrepJob = self.programs[self.job.program].job
        return job

    # -- speed --------------------------------------------------------------------------------

    def _rod_mass(self) -> float:
        """A whole rod, kg."""
        job = self.made
        solid = float(job.alloy.density(293.15))
        return float(pi / 4.0 * job.diameter**2 * job.length * solid)

    def critical(self) -> float:
        """Critical speed (1/s) with what is left of the rod, by the spindle's data."""
        job, own = self.made, self.plant.spindle.MASS
        left = self.io.feed.length / job.length if self.io.feed.chucked else 1.0
        rod = self._rod_mass() * left
        return float(self.process.bare_critical * sqrt(own / (own + rod)))

    def wanted_speed(self) -> float:
        """The speed set, or the edge of the skip band if it is in it."""
        speed, critical = float(self.process.speed), self.critical()
        band = float(self.process.band)
        low, high = critical * (1.0 - band), critical * (1.0 + band)
        if not self.process.skip_band or not low < speed < high:
            return speed
        fastest = self.plant.table["Spindle.Target"]
        limit = float(fastest.to_si(fastest.high))
        return high if speed >= critical and high <= limit else low

    def expected_feed(self) -> float:
        """Feed (m/s) that the arc's power should need with a good torch."""
        job, arc = self.made, self.plant.arc
        taken = self.process.power * arc.BEST
        face = physics.face_temperature(job.alloy, taken, job.diameter)
        taken -= physics.radiated(job.alloy, face, job.diameter)
        heat = physics.melt_enthalpy(job.alloy, AMBIENT, face - job.alloy.liquidus)
        return physics.burn_rate(max(float(taken), 0.0) / heat, job.alloy, job.diameter)

    def expected_size(self) -> float:
        """Mass median (m) of the drops by the recipe's equation."""
        job = self.made
        solid = float(job.alloy.density(293.15))
        melt = self.expected_feed() * pi / 4.0 * job.diameter**2 * solid
        rate = melt / physics.melt_density(job.alloy)
        return job.atomizing.size(job.diameter, 2.0 * pi * max(self.rod.speed_target, 1.0),
                                  max(rate, 1e-12))

    def _reckon(self) -> None:
        """Speed target and what the program shows of the rod."""
        shown, signals = self.rod, self.rod.signals
        values = {"critical_speed": self.critical(), "speed_target": self.wanted_speed(),
                  "expected_feed": self.expected_feed()}
        for name, value in values.items():
            digits = round(signals[name].from_si(value), 3)
            setattr(shown, name, signals[name].to_si(digits))
        shown.expected_size = round(self.expected_size(), 8)
        section = pi / 4.0 * self.made.diameter**2 * float(self.made.alloy.density(293.15))
        rate = max(self.io.feed.feed_rate, 0.0) * section if self.phase == "atomize" else 0.0
        shown.melt_rate = round(rate, 5)

    # -- conditions ---------------------------------------------------------------------------

    def observe(self) -> dict[str, bool]:
        io = self.io
        self.looks(self.phase in ("spin up", *HOT_PHASES)
                   and self.state is MachineState.BUILDING)
        atomizing = self.phase == "atomize" and self.state is MachineState.BUILDING
        return {
            "arc_lost": atomizing and not io.arc.burning and not io.arc.shorted,
            "arc_shorted": bool(io.arc.shorted),
            "arc_not_struck": self.phase == "arc on" and not io.arc.burning
            and self.waited_for(self.STRIKING if self.asked else self.APPROACH),
            "limit_switch": bool(io.feed.limit_switch),
            "no_rod": self.phase == "rod" and not io.feed.chucked
            and self.waited_for(self.CHUCKING),
            "pump_fails": self.phase == "pump" and self.waited_for(self.PUMPING),
            "fill_fails": self.phase == "fill" and self.waited_for(self.FILLING),
            "speed_off": atomizing and self.now >= self.arrival
            and abs(io.spindle.speed - io.spindle.target) > _SPEED_OFF * io.spindle.target,
            "helium_low": self.phase in ("fill", *HOT_PHASES)
            and bool(io.chamber.helium < self.wanted_helium() - 0.1),
            **self.looked,
        }

    def waited_for(self, seconds: float) -> bool:
        """Whether the phase has lasted so long (s) while the machine works."""
        return self.state in WORKING and self.waited(seconds)

    def look(self) -> dict[str, bool]:
        self._reckon()
        io = self.io
        settled = self.phase == "atomize" and self.now > self.since + _SETTLED
        expected = self.expected_feed()
        gap = self._gap_of(io.arc.voltage)
        blind = self.phase == "atomize" and io.canister.drop_size == 0.0 \
            and self.now > self.since + self.NO_DROPS
        near = abs(io.spindle.phase - pi / 2.0) < pi / 6.0
        return {
            "near_critical": self.phase in HOT_PHASES and near
            and bool(io.spindle.vibration_x > 0.8e-3),
            "no_drops": blind,
            "gap_off": settled and abs(io.feed.stand_off - gap) > _CAMERA,
            "feed_high": settled and bool(io.feed.feed_rate > 1.25 * expected),
            "feed_low": settled and bool(io.feed.feed_rate < 0.85 * expected),
            "drops_off": settled
            and bool(abs(io.canister.drop_size / self.expected_size() - 1.0) > 0.15),
        }

    def _gap_of(self, voltage: float) -> float:
        """The gap (m) that an arc voltage means in the gas that is asked for."""
        arc = self.plant.arc
        argon, helium = arc.COLUMN
        return float(voltage - arc.SHEATH) / (argon + self.wanted_helium() * (helium - argon))

    def wanted_helium(self) -> float:
        """Helium share asked for."""
        return 0.0 if self.process.argon_only else float(self.process.helium)

    # -- hold, abort, end ---------------------------------------------------------------------

    def stop_work(self) -> None:
        """Arc off first; then down as fast as the drive may, through the critical speed."""
        io = self.io
        io.arc.enable = False
        io.feed.regulate, io.feed.feed = False, 0.0
        io.spindle.target, io.spindle.acceleration = 0.0, self.process.braking
        io.chamber.vacuum_pump, io.chamber.fill_flow = False, 0.0

    def hold(self, state: MachineState, reason: str) -> None:
        super().hold(state, reason)
        if self.resume_phase in ("spin up", *HOT_PHASES):
            self.resume_phase = "spin up"
        elif self.resume_phase == "stub":
            self.resume_phase = "spin down"

    def regulate(self) -> None:
        if self.state in (MachineState.FINISHED, MachineState.ABORTED):
            self.rest()
        elif self.state in INTERRUPTED:
            self._end_plasma_gas()

    def _end_plasma_gas(self) -> None:
        io = self.io
        if io.spindle.speed < _STANDS:
            io.arc.gas, io.chamber.purge_flow = 0.0, 0.0

    def make_safe(self) -> None:
        self.io.chamber.purge_flow = 0.0

    def release(self) -> None:
        """The canister goes, whatever is in it; water and lock once nothing turns or is hot."""
        self.io.canister.discharge = self.io.canister.full
        self.rest()

    def rest(self) -> None:
        io = self.io
        if io.spindle.speed >= _STANDS or io.chamber.temperature > \
                self.process.unload_temperature + 5.0:
            return
        self._end_plasma_gas()
        io.spindle.enable = False
        io.chamber.vent_valve = bool(io.safety.door_locked)
        if io.chamber.pressure < 102_000.0:
            io.safety.door_lock = False
            io.chiller.run = False

    # -- preparing ----------------------------------------------------------------------------

    def _begin_load(self) -> None:
        io = self.io
        io.chamber.vent_valve = False
        io.chamber.purge_flow = io.chamber.fill_flow = io.arc.gas = 0.0
        self.rod.number = 0

    def loaded(self) -> bool:
        return self.waited(self.process.loading_time)

    def _begin_close(self) -> None:
        super()._begin_close()
        self.io.chamber.vent_valve = False

    def closed(self) -> str:
        io = self.io
        if io.spindle.speed >= _STANDS:
            return ""
        full = io.chamber.pressure > _INERT * self.process.pressure
        inert = full and io.chamber.oxygen < self.process.oxygen_limit
        return "fill" if inert else "pump"

    def _begin_pump(self) -> None:
        io = self.io
        io.chamber.fill_flow = io.chamber.purge_flow = io.arc.gas = 0.0
        io.chamber.vacuum_pump = True

    def _pump(self) -> None:
        if self.io.chamber.pressure < self.process.vacuum:
            self.enter("fill")

    def _begin_fill(self) -> None:
        io = self.io
        io.chamber.vacuum_pump = False
        io.chamber.helium_demand = self.wanted_helium()
        full = io.chamber.pressure >= self.process.pressure - 500.0
        io.chamber.fill_flow = 0.0 if full else self.process.fill_flow

    def _fill(self) -> None:
        io = self.io
        if io.chamber.fill_flow > 0.0:
            if io.chamber.pressure >= self.process.pressure:
                io.chamber.fill_flow = 0.0
            return
        if not self.waited(2.0):
            return
        if io.chamber.oxygen < self.process.oxygen_limit:
            io.chamber.purge_flow = 0.0
            self.begin_layers("rod")
        else:
            # What is left of the air goes with gas that is let through.
            io.chamber.purge_flow = max(float(self.process.purge_flow), 200e-3 / 60)

    # -- rods ---------------------------------------------------------------------------------

    def _begin_rod(self) -> None:
        self.asked = False
        self.rod.number = self.job.layer + 1
        self.feedstock.identifier = f"{self.plant.name} rod {self.rod.number}"
        left = self.io.feed.rods_left + int(self.io.feed.chucked)
        self.feedstock.remaining_quantity = round(left * self._rod_mass(), 3)

    def _rod(self) -> None:
        io = self.io
        if io.feed.chucked:
            self.enter("spin up")
        elif self.waited(1.0) and not self.asked:
            io.feed.change = self.asked = True

    def _begin_spin_up(self) -> None:
        io, process = self.io, self.process
        self._reckon()
        io.spindle.acceleration = process.acceleration
        io.spindle.target, io.spindle.enable = self.rod.speed_target, True

    def follow_setpoints(self) -> None:
        io, process = self.io, self.process
        if self.phase in ("spin up", *HOT_PHASES) and io.spindle.target != self.rod.speed_target:
            io.spindle.target = self.rod.speed_target
            way = abs(io.spindle.target - io.spindle.speed)
            self.arrival = self.now + way / process.acceleration + 3.0
        if self.phase == "atomize" and self.now < self.arrival:
            self.wake = min(self.wake, self.arrival)
        if self.phase in HOT_PHASES:
            io.arc.power, io.arc.gas = process.power, process.plasma_gas
            io.feed.voltage_target = process.voltage
            io.chamber.helium_demand = self.wanted_helium()
            io.chamber.purge_flow = process.purge_flow

    def _spin_up(self) -> None:
        # The critical speed is passed without a stop: the ramp has none.
        if self._in_band():
            self.enter("arc on")

    def _in_band(self) -> bool:
        io = self.io
        return bool(abs(io.spindle.speed - io.spindle.target) < _IN_BAND * io.spindle.target)

    def _begin_arc_on(self) -> None:
        self.asked = False
        self.io.feed.feed = self.process.approach

    def _arc_on(self) -> None:
        io = self.io
        if io.arc.burning:
            self.enter("atomize")
            return
        if self.asked:
            return
        if io.feed.stand_off > self.process.ignition_gap:
            return
        io.feed.feed = 0.0
        safe = io.chamber.oxygen < self.process.oxygen_limit and io.chiller.flow > self.WATER
        if self._in_band() and safe and io.arc.gas_flow > 0.0:
            io.arc.enable = self.asked = True
            self.since = self.now

    def _begin_atomize(self) -> None:
        io = self.io
        self.looked = {}
        io.feed.feed, io.feed.regulate = self.expected_feed(), True

    def _atomize(self) -> None:
        if self.io.feed.length <= self.process.stub:
            self.enter("stub")

    def _begin_stub(self) -> None:
        io = self.io
        io.arc.enable = False
        io.feed.regulate, io.feed.feed = False, 0.0

    def _stub(self) -> None:
        if self.waited(2.0):
            self.enter("spin down")

    def _begin_spin_down(self) -> None:
        io = self.io
        self.asked = False
        io.arc.gas = 0.0
        io.spindle.acceleration, io.spindle.target = self.process.braking, 0.0

    def _spin_down(self) -> None:
        io = self.io
        if io.spindle.speed < _STANDS and not self.asked:
            io.feed.eject = self.asked = True
        elif self.asked and not io.feed.chucked:
            self.layer_finished("rod")

    # -- completing ---------------------------------------------------------------------------

    def _begin_cool(self) -> None:
        self.stop_work()
        self.asked = False

    def cold(self) -> bool:
        io = self.io
        if io.spindle.speed >= _STANDS:
            return False
        self._end_plasma_gas()
        return bool(io.chamber.temperature < self.process.unload_temperature)

    def _begin_unload(self) -> None:
        self.io.canister.discharge = True
        self.io.chamber.vent_valve = True

    def _unload(self) -> None:
        if self.waited(60.0):
            self.release()
            self.finished()

    # -- what to watch, what to keep ----------------------------------------------------------

    def watches(self) -> list[Watch]:
        level = self.level
        match self.phase:
            case "close":
                return [_STANDING]
            case "pump":
                return [level("Chamber.Pressure", "Vacuum")]
            case "fill":
                return [level("Chamber.Pressure", "Pressure"),
                        level("Chamber.Oxygen", "OxygenLimit"), self._helium()]
            case "spin up":
                return self._about(_IN_BAND)
            case "arc on":
                return [level("Feed.StandOff", "IgnitionGap"), Watch("Chiller.Flow", 100.0),
                        level("Chamber.Oxygen", "OxygenLimit"), *self._about(_IN_BAND),
                        self._helium()]
            case "atomize":
                return [level("Feed.Length", "Stub"), *self._about(_SPEED_OFF), self._helium()]
            case "spin down":
                return [_STANDING]
            case "cool":
                return [_STANDING, level("Chamber.Temperature", "UnloadTemperature")]
            case "none":
                return [_STANDING, Watch("Chamber.Pressure", 1020.0),
                        level("Chamber.Temperature", "UnloadTemperature", 5.0)]
        return []

    def levels(self) -> list[Watch]:
        found = super().levels()
        if self.state in INTERRUPTED:
            found.append(_STANDING)  # Plasma gas ends then, whatever the phase was.
        return found

    def _about(self, share: float) -> list[Watch]:
        target = self.io.spindle.target * 60.0
        return [Watch("Spindle.Speed", target * (1.0 + sign * share)) for sign in (-1.0, 1.0)]

    def _helium(self) -> Watch:
        return Watch("Chamber.Helium", (self.wanted_helium() - 0.1) * 100.0)

    def snapshot(self) -> dict[str, Any]:
        taken = super().snapshot()
        taken["own"] |= {"asked": self.asked, "arrival": self.arrival}
        return taken

    def reinstate(self, snapshot: dict[str, Any]) -> None:
        super().reinstate(snapshot)
        own = snapshot["own"]
        self.asked, self.arrival = own["asked"], own["arrival"]

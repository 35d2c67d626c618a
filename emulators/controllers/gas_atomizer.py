"""The soft PLC of a gas atomizer: its sequence, interlocks and answer to a freezing nozzle."""

from __future__ import annotations

from collections.abc import Mapping
from math import floor
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

__all__ = ["GasAtomizerController"]

_FLOWS = 150e-3 / 60  # m3/s of water without which no power is given
_AMBIENT = 1.0e5  # Pa from which a tower counts as filled
_FULL_TILT = 1.6  # rad, default: the crucible is empty
_SPRAY = ("steady", "tail")


class GasAtomizerController(BuildController):
    """Charge, pump, leak test, fill, melt, superheat, pour, tail, cool, passivate, discharge.

    A charge counts as a layer does. Everything but alarms with a source is judged once a second,
    on the plant's grid.
    """

    FIRST = "ready"
    RESUME = "ready"
    COMPLETE = "clean"
    LAYERS = CHARGE_PHASES
    CHECKPOINT = "charge"
    RESET = ("leak_found", "oxygen_high", "filter_blocked", "gas_lost", "overflow")
    LOOK = 1.0  # s
    PUMPING = 3600.0  # s that an evacuation may take
    RAMP = 20.0  # s that the gas may take to its pressure
    FILL = 200.0  # s that the tundish may take to fill
    GRACE = 4.0  # s that the stream may take to show
    RESTART = 400.0  # s that a frozen nozzle may take to thaw
    HOTTER = 90.0  # K of the nozzle over the liquidus for a restart: the gas cools it first
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
        self._looked: dict[str, bool] = {}
        self._leaks = False
        self._first = 0.0  # Pa at the start of a leak test
        self._reached = -1.0  # s when the melt came to its temperature; below 0: not yet
        self._settled = False  # idle and everything released
        self._opened = 0.0  # s when the stopper was lifted
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
        pour.hindrance = self._hindrance()
        pour.permitted = not pour.hindrance
        apart = abs(io.tower.oxygen_a - io.tower.oxygen_b)
        lag = self.now > self.since + 60.0 or self.phase not in ("fill", "melt")
        wanted = self._program_pressure()
        found = {
            "evacuation_slow": self.phase == "pump" and self.now > self.since + self.PUMPING,
            "analysers_disagree": lag and bool(
                apart > process.disagree_limit
                and apart > 0.3 * max(io.tower.oxygen_a, io.tower.oxygen_b)),
            "filter_loaded": bool(
                io.separator.filter_pressure > 1.3 * process.filter_pulse),
            "gas_pressure_low": bool(io.gas.pressure < 0.9 * wanted),
            "gas_lost": bool(io.gas.pressure < 0.5 * wanted),
            "gas_cold": bool(io.gas.temperature < process.gas_temperature - 30.0),
            "receiver_low": bool(io.gas.receiver_pressure < process.pressure + 10e5),
            "curtain_low": bool(io.gas.curtain_flow < 0.7 * process.curtain),
            "melt_flow_high": bool(io.spray.melt_flow > 1.2 * self._expected()),
            "rotary_valve_stuck": self._starved(),
            "pour_blocked": self._reached >= 0.0 and bool(pour.hindrance),
            "melting_slow": self.phase == "melt" and self.now > self.since + self._melting_time(),
        }
        return {**found, **(self._judge_crucible() if self.viga else self._judge_rod())}

    def _starved(self) -> bool:
        """Whether the cans have not grown for a while though there is a spray."""
        io = self.io
        if self.phase != "steady" or not io.spray.stream:
            self._weighed = (self.now, float(io.separator.powder_mass))
        since, mass = self._weighed
        if io.separator.powder_mass > mass + 0.1:
            self._weighed = (self.now, float(io.separator.powder_mass))
            return False
        return bool(self.now > since + 40.0)

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
        flowing = self.phase == "steady" and self.now > self.since + 10.0
        return {
            "tundish_cold": bool(io.tundish.temperature < liquidus + process.preheat - 40.0),
            "nozzle_cold": flowing and bool(io.tundish.nozzle_temperature < liquidus + 8.0),
            "freezing": self.phase == "restart" or (flowing and bool(
                io.spray.melt_flow < 0.6 * process.expected_flow
                and io.tundish.level > process.tail_level)),
            "stream_lost": flowing and not io.spray.stream and bool(io.tundish.level > 0.03),
        }

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
        return bool(io.chiller.flow > _FLOWS and inert)

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
            hot = hot or bool(io.crucible.temperature > 878.15)
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

    # -- preparing ----------------------------------------------------------------------------

    def _begin_ready(self) -> None:
        io = self.io
        io.chiller.run = True
        self.reset_drives()
        self._settled = False

    def _ready(self) -> None:
        io = self.io
        if not self._fresh or not self.waited(3.0):
            return
        if io.safety.chain_closed and io.chiller.flow > _FLOWS:
            self.begin_layers("charge")

    # -- a charge -----------------------------------------------------------------------------

    def _begin_charge(self) -> None:
        io = self.io
        io.safety.door_lock = False
        io.separator.divert = io.separator.quarantine = False
        self.pour.quarantined, self.pour.restarts = False, 0
        self._reached, self._leaks = -1.0, False
        (io.crucible if self.viga else io.electrode).charging = True

    def _charge(self) -> None:
        if not self.waited(max(self.process.charge_time, 1.0)):
            return
        self.io.safety.door_lock = True
        if self.io.safety.door_locked:
            self.enter("pump")

    def _begin_pump(self) -> None:
        io = self.io
        self._leaks = False
        io.safety.door_lock = True
        io.tower.vent = io.tower.outlet = io.tower.filling = False
        io.tower.vacuum_pump = True
        if self.viga:
            io.tundish.target = self.process.liquidus + self.process.preheat
            io.tundish.heat = True

    def _pump(self) -> None:
        if self._fresh and self.io.tower.vacuum < self.process.vacuum:
            self.enter("leak test")

    def _begin_leak_test(self) -> None:
        self.io.tower.vacuum_pump = False
        self._first = 0.0

    def _leak_test(self) -> None:
        settle = min(5.0, self.process.leak_time)
        if not self._fresh or not self.waited(settle):
            return
        if self._first == 0.0:
            self._first = float(self.io.tower.vacuum)
        if not self.waited(settle + self.process.leak_time):
            return
        rise = max(float(self.io.tower.vacuum) - self._first, 0.0)
        rate = rise * self.plant.tower.VOLUME / self.process.leak_time
        self.pour.leak_rate = round(rate, 5)
        if rate > self.process.leak_limit:
            self._leaks = True
        else:
            self.enter("fill")

    def _begin_fill(self) -> None:
        io = self.io
        io.tower.vacuum_pump = False
        io.tower.vent = False
        io.safety.door_lock = True
        io.tower.filling = True
        if self.viga:
            io.tundish.target = self.process.liquidus + self.process.preheat
            io.tundish.heat = True

    def _fill(self) -> None:
        io = self.io
        if not self._fresh or io.tower.pressure < _AMBIENT:
            return
        # Analysers need a while; what is not clean enough is flushed through the outlet.
        if not self.waited(self.process.settling):
            return
        if io.tower.oxygen_a < self.process.oxygen_limit \
                and io.tower.oxygen_b < self.process.oxygen_limit:
            io.tower.filling = False
            io.tower.outlet = False
            self.enter("melt")
        else:
            io.tower.outlet = True
            io.gas.curtain = self.plant.gas.CURTAIN

    def _begin_melt(self) -> None:
        io, process = self.io, self.process
        io.gas.curtain = 0.0
        io.generator.limit = process.power
        if self.viga:
            io.crucible.target = process.liquidus + process.superheat
        else:
            io.electrode.turn = process.rod_rotation
            io.generator.limit = 0.4 * process.power

    def _melt(self) -> None:
        io, process = self.io, self.process
        allowed = self._power_allowed()
        io.generator.enable = allowed
        if self.viga:
            io.crucible.heat = allowed
            if self._fresh and io.crucible.temperature > process.liquidus + 15.0:
                self.enter("superheat")
        else:
            io.electrode.heat = allowed
            if self._fresh and io.electrode.temperature > process.liquidus - 250.0:
                self.enter("superheat")

    def _begin_superheat(self) -> None:
        self._reached = -1.0
        if not self.viga:
            # A rod does not wait: the gas comes first, then full power.
            self.io.generator.limit = 0.15 * self.process.power

    def _superheat(self) -> None:
        if not self._fresh:
            return
        io, process = self.io, self.process
        if self.viga:
            ready = io.crucible.temperature > process.liquidus + process.superheat - 10.0
            if self._emptied():
                self.enter("cool")
                return
        else:
            ready = True
        if ready and self._reached < 0.0:
            self._reached = self.now
        hold = process.hold if self.viga else 0.0
        if self._reached >= 0.0 and self.now >= self._reached + hold and self.pour.permitted:
            self.enter("pour start")

    def _emptied(self) -> bool:
        """Whether next to nothing is left in the crucible."""
        job = self.programs[self.job.program].job
        return bool(self.io.crucible.mass < 0.025 * job.mass)

    # -- the pour -----------------------------------------------------------------------------

    def follow_setpoints(self) -> None:
        io, process = self.io, self.process
        if self.phase in ("pour start", *_SPRAY):
            io.gas.target, io.gas.heat_to = process.pressure, process.gas_temperature
            io.gas.heat = process.gas_temperature > 300.0
            if io.gas.valve:
                io.gas.curtain = process.curtain
        if self.phase in ("melt", "superheat", *POUR_PHASES) and self.viga:
            io.crucible.target = process.liquidus + process.superheat

    def _begin_pour_start(self) -> None:
        io = self.io
        io.tower.outlet = True
        io.gas.compressor = self.process.recirculate
        io.separator.rotary_valve = True

    def _pour_start(self) -> None:
        if not self._fresh:
            return
        io, process = self.io, self.process
        if self.viga and not io.gas.valve:
            # First the tundish is filled over its closed stopper.
            self._tilt(process.level)
            if io.tundish.level < 0.95 * process.level and not self._emptied():
                return
        if not io.gas.valve:
            io.gas.valve = True
            return
        if io.gas.pressure < 0.97 * process.pressure:
            if self.waited(self.RAMP + self.FILL):
                # The supply does not bring it: back, and say so.
                self._mark()
                self.enter("cool")
            return
        if self.viga:
            if not io.tundish.stopper:
                self._opened = self.now
            elif not io.spray.stream and self.now >= self._opened + self.GRACE:
                self.enter("restart" if process.freeze_response else "steady")
                return
            io.tundish.stopper = True
        else:
            io.generator.limit = process.power
            io.electrode.feed = process.rod_feed
        if io.spray.stream:
            self.enter("steady")

    def _tilt(self, level: float) -> None:
        """Tilt on as the melt runs out: by what flows, corrected by the level."""
        io, process = self.io, self.process
        job = self.programs[self.job.program].job
        per_kilogram = _FULL_TILT / job.mass
        wanted = process.expected_flow * self.LOOK * (io.tundish.stopper > 0)
        error = (level - io.tundish.level) / level
        if not io.tundish.stopper:
            wanted = max(2.0 * process.expected_flow, 0.05 * job.mass / 60.0) * (error > 0)
        else:
            # Not more than by a half: the level is a slow and noisy guide.
            wanted *= min(max(1.0 + 1.5 * error, 0.5), 1.5)
        # After a restart the melt stands as far below the lip as the crucible had tilted.
        lip = (1.0 - io.crucible.mass / job.mass) * _FULL_TILT - 0.02
        begun = max(float(io.crucible.tilting), min(float(lip), 1.6))
        io.crucible.tilting = min(begun + wanted * per_kilogram, 1.74)

    def _pulse(self) -> None:
        io = self.io
        io.separator.back_pulse = bool(
            io.separator.filter_pressure > self.process.filter_pulse
            and not io.separator.back_pulse)

    def _steady(self) -> None:
        if not self._fresh:
            return
        io, process = self.io, self.process
        self._pulse()
        if self.viga:
            self._tilt(process.level)
            if process.freeze_response and self._freezes():
                self.enter("restart")
            elif self._emptied() and io.tundish.level < process.tail_level:
                self.enter("tail")
        else:
            self._follow_tip()
            if io.electrode.mass < process.stub + 0.1:
                self.enter("tail")

    def _freezes(self) -> bool:
        """Whether the stream fails while there is melt over it."""
        return bool(self._looked.get("freezing") or self._looked.get("stream_lost"))

    def _follow_tip(self) -> None:
        """Feed the rod so that its tip keeps its place."""
        io, process = self.io, self.process
        error = (process.rod_depth - io.electrode.position) / process.rod_depth
        io.electrode.feed = process.rod_feed * min(max(1.0 + 2.0 * error, 0.0), 2.5)

    def _begin_tail(self) -> None:
        io = self.io
        io.separator.divert = self.process.quarantine
        if self.viga:
            io.crucible.heat = False
        io.generator.enable = False
        if not self.viga:
            io.electrode.heat = False
            io.electrode.feed = 0.0

    def _tail(self) -> None:
        if not self._fresh:
            return
        io = self.io
        self._pulse()
        if io.spray.stream and not self.waited(600.0):
            return
        # The last drops are through: stopper down, gas a little longer.
        if self.viga:
            io.tundish.stopper = False
            io.crucible.tilting = 0.0
        self.enter("cool")

    def _begin_restart(self) -> None:
        """The nozzle freezes: gas off before it blows back, stopper down, tilt back, heat."""
        io, process = self.io, self.process
        io.gas.valve = False
        io.gas.curtain = 0.0
        io.tundish.stopper = False
        io.crucible.tilting = 0.0
        io.tundish.target = min(process.liquidus + process.preheat + 150.0, 2023.15)
        io.separator.divert = True
        self._mark()

    def _restart(self) -> None:
        if not self._fresh:
            return
        io, process = self.io, self.process
        if self.pour.restarts > 0 or self.waited(self.RESTART):
            # Once is enough: what is in the crucible is drained into a mould.
            self.enter("cool")
            return
        if self.waited(20.0) and self.pour.permitted \
                and io.tundish.nozzle_temperature > process.liquidus + self.HOTTER:
            self.pour.restarts += 1
            self.enter("pour start")

    # -- after the pour -----------------------------------------------------------------------

    def _begin_cool(self) -> None:
        io = self.io
        if self.viga:
            io.tundish.heat = io.tundish.stopper = io.crucible.heat = False
            io.crucible.tilting = 0.0
        else:
            io.electrode.heat = False
            io.electrode.feed = io.electrode.turn = 0.0
        io.generator.enable = False

    def _cool(self) -> None:
        if not self._fresh:
            return
        io = self.io
        self._pulse()
        if self.waited(3.0):
            io.gas.valve = io.gas.heat = False
            io.gas.curtain = 0.0
        if self.waited(8.0):
            io.gas.compressor = False
            io.tower.outlet = False
            if io.separator.powder_temperature < self.process.powder_temperature:
                io.separator.rotary_valve = False
                self.enter("passivate")

    def _passivate(self) -> None:
        io = self.io
        if not self._fresh:
            return
        io.tower.outlet = True
        # Air by and by: about 1 to 3 % of oxygen.
        io.tower.bleed = io.tower.oxygen_a < 0.02
        if self.waited(self.process.passivation):
            io.tower.bleed = False
            self.enter("discharge")

    def _begin_discharge(self) -> None:
        io = self.io
        io.tower.vent = True
        io.safety.door_lock = False
        io.separator.discharge = True

    def _discharge(self) -> None:
        if not self.waited(max(self.process.discharge_time, 2.0)):
            return
        if self.io.separator.discharged:
            self.io.tower.vent = self.io.tower.outlet = False
            self.layer_finished("charge")

    def _clean(self) -> None:
        if self.waited(2.0):
            self.release()
            self.finished()

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

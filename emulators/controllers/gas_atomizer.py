"""The soft PLC of a gas atomizer: its sequence, and its answer to a freezing nozzle."""

from __future__ import annotations

from emulators.controllers.gas_atomizer_signals import CHARGE_PHASES, POUR_PHASES
from emulators.controllers.gas_atomizer_supervision import AtomizerSupervision

__all__ = ["GasAtomizerController"]

_AMBIENT = 1.0e5  # Pa from which a tower counts as filled
_FULL_TILT = 1.6  # rad, default: the crucible is empty
_SPRAY = ("steady", "tail")


class GasAtomizerController(AtomizerSupervision):
    """Charge, pump, leak test, fill, melt, superheat, pour, tail, cool, passivate, discharge.

    A charge counts as a layer does.
    """

    FIRST = "ready"
    RESUME = "ready"
    COMPLETE = "clean"
    LAYERS = CHARGE_PHASES
    CHECKPOINT = "charge"
    RESET = ("leak_found", "fill_slow", "oxygen_high", "filter_blocked", "gas_lost", "overflow")
    RAMP = 20.0  # s that the gas may take to its pressure
    GRACE = 4.0  # s that the stream may take to show
    RESTART = 400.0  # s that a frozen nozzle may take to thaw
    WAITS = 150.0  # K below its liquidus at which a rod waits for the gas
    HOTTER = 90.0  # K of the nozzle over the liquidus for a restart: the gas cools it first

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
        if io.safety.chain_closed and io.chiller.flow > self.WATER:
            self.begin_layers("charge")

    # -- a charge -----------------------------------------------------------------------------

    def _begin_charge(self) -> None:
        io = self.io
        io.safety.door_lock = False
        io.separator.divert = io.separator.quarantine = False
        self.pour.quarantined, self.pour.restarts, self._bare = False, 0, False
        self._reached, self._leaks = -1.0, False
        (io.crucible if self.viga else io.electrode).charging = True
        self.feedstock.identifier = f"CHARGE-{self.job.layer + 1:04d}"

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
            # It is heated (`regulate`) as soon as the air is gone.
            io.tundish.target = self.process.liquidus + self.process.preheat

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

    def _fill(self) -> None:
        io = self.io
        if not self._fresh or io.tower.pressure < _AMBIENT:
            return
        # Analysers need a while; what is not clean enough is flushed through the outlet.
        if not self.waited(self.process.settling):
            return
        if self._pure() and not self._apart():
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
        if not self._fresh:
            return
        allowed = self._power_allowed()
        io.generator.enable = allowed
        if self.viga:
            io.crucible.heat = allowed
            if io.crucible.temperature > process.liquidus + 15.0:
                self.enter("superheat")
        else:
            io.electrode.heat = allowed
            if io.electrode.temperature > process.liquidus - 250.0:
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
            # It waits warm, but does not drip.
            io.electrode.heat = bool(io.electrode.temperature < process.liquidus - self.WAITS)
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
        if self._fresh and self.phase in ("superheat", "pour start", "steady", "restart"):
            io.generator.enable = self._power_allowed()
        if self.phase in ("pour start", *_SPRAY):
            io.gas.target, io.gas.heat_to = process.pressure, process.gas_temperature
            io.gas.heat = process.gas_temperature > 300.0
            if io.gas.valve:
                io.gas.curtain = process.curtain
        if self.phase in ("melt", "superheat", *POUR_PHASES) and self.viga:
            io.crucible.target = process.liquidus + process.superheat

    def _begin_pour_start(self) -> None:
        io = self.io
        self._bare = True
        io.tower.outlet = True
        io.gas.compressor = self.process.recirculate
        io.separator.rotary_valve = True

    def _pour_start(self) -> None:
        if not self._fresh:
            return
        io, process = self.io, self.process
        self._divert()
        if self.viga and not io.gas.valve:
            # First the tundish is filled over its closed stopper.
            self._tilt(process.level)
            if io.tundish.level < 0.95 * process.level and not self._emptied():
                return
        if not io.gas.valve:
            io.gas.valve, self._opened = True, self.now
            return
        if io.gas.pressure < self.AT_PRESSURE * process.pressure:
            if self.now >= self._opened + self.RAMP:
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
            io.generator.limit, io.electrode.heat = process.power, True
            if io.electrode.temperature > process.liquidus - 20.0:
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
        self._divert()
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
        return bool(self.looked.get("freezing") or self.looked.get("stream_lost"))

    def _follow_tip(self) -> None:
        """Feed the rod so that its tip keeps its place."""
        io, process = self.io, self.process
        error = (process.rod_depth - io.electrode.position) / process.rod_depth
        io.electrode.feed = process.rod_feed * min(max(1.0 + 2.0 * error, 0.0), 2.5)

    def _begin_tail(self) -> None:
        io = self.io
        self._divert(tail=True)
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
            # A charge that is given up may stand in vacuum.
            io.tower.filling = io.tower.pressure < 0.98e5
            cold = io.separator.powder_temperature < self.process.powder_temperature
            if cold and not io.tower.filling and not self._hot():
                io.separator.rotary_valve = False
                self.enter("passivate" if self._bare else "discharge")

    def _begin_passivate(self) -> None:
        self._bled = -1.0

    def _passivate(self) -> None:
        if self._fresh and self._passivated():
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
            if self._given_up:
                self.complete()
            else:
                self.layer_finished("charge")

    def _clean(self) -> None:
        if self.waited(2.0):
            self.release()
            self.finished()

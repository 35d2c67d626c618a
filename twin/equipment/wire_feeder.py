"""Wire drive with spool, and the current source that heats a hot wire."""

from __future__ import annotations

from collections.abc import Callable, Generator
from math import exp
from typing import Any

import numpy as np
import numpy.typing as npt

from twin.machine import Equipment
from twin.physics.wire import wire_area
from twin.signals import actuator, fault, measured
from twin.trajectory import Ramp, Relaxation, Steps

__all__ = ["HotWireSource", "WireFeeder"]

Floats = npt.NDArray[np.float64]


def _nothing() -> None:
    pass


class WireFeeder(Equipment):
    """Drive rolls with motor and measuring wheel, liner, contact tip, spool on a scale.

    The motor follows its demand with a lag; the wire follows the rolls less their slip. Torque is
    what liner and pool push back with. A wire that freezes in the bead or burns onto the tip does
    not move until it is drawn off; rolls that push it slip beyond their grip.
    """

    RESPONSE = 0.05  # s, motor and its drive, default
    ROLL = 0.015  # m, radius of the drive rolls, default
    LINER = 15.0  # N, friction of a clean liner, default
    GRIP = 90.0  # N that the rolls hold before they slip, default
    PUSHED = 0.12  # s, response of the torque to a wire that strikes, default
    COMPARED = 0.3  # s over which wheel and rolls are compared, default
    SPOOL = 15.0  # kg on a fresh spool
    REEL = 0.02  # kg: what is left has come off the spool and is gone at once, default
    DRAW = 0.05  # m/s at which the wire is drawn back, default
    PULL_FREE = 5e-3  # m of retraction that tears a frozen wire free, default
    LOST = 25e-3  # m of retraction beyond which the wire leaves the contact tip, default
    MOTOR = 60.0  # W of a running drive, default

    speed = measured("m/min", low=0, high=30, noise=0.01, quantum=0.005,
                     companion="Monitoring/Process/{name}Speed",
                     doc="wire speed at the measuring wheel")
    motor_speed = measured("m/min", low=0, high=30, noise=0.005, quantum=0.005,
                           doc="circumferential speed of the drive rolls")
    motor_torque = measured("N.m", low=0, high=5, noise=0.005, quantum=0.001,
                            companion="Monitoring/Health/{name}Torque",
                            doc="torque of the wire drive")
    slippage = measured("%", low=0, high=100, noise=0.2, quantum=0.1,
                        companion="Monitoring/Health/{name}Slippage",
                        doc="share by which the measuring wheel lags the drive rolls")
    spool_mass = measured("kg", low=0, high=500, start=SPOOL, noise=0.002, quantum=0.001,
                          companion="Monitoring/Health/{name}SpoolMass",
                          doc="wire on the spool, weighed")
    wire_present = measured(bool, start=True, doc="wire between spool and rolls")
    at_tip = measured(bool, start=True, doc="wire in the contact tip")
    retracting = measured(bool, doc="the wire is being drawn back")
    feed_demand = actuator("m/min", low=0, high=25, doc="wire feed; 0 stops the drive")
    retract = actuator(bool, edge=True, doc="draw the wire back by the set length (rising edge)")
    retract_length = actuator("mm", low=0, high=50, start=10, doc="how far the wire is drawn back")
    slip = fault("%", low=0, high=100, doc="share of the rolls' way that the wire does not follow")
    liner_friction = fault("", low=1, high=20, start=1, doc="factor on the liner's friction")
    spool_missing = fault("kg", low=0, high=500, doc="wire that the spool had less than its label "
                                                     "says")

    def __init__(self, mass: float = SPOOL) -> None:
        super().__init__()
        self.changed: Callable[[], None] = _nothing
        """Called when the wire's speed changes its course, for whoever melts it."""
        self.next_spool: Callable[[], float] = lambda: mass
        """Asked for the wire (kg) that the label of the spool put on next says."""
        self.drew: Callable[[float], None] = lambda mass: None
        """Told what has come off the spool, kg."""
        self.lacks: Callable[[float], None] = lambda mass: None
        """Told what the spool has less than its label says, kg."""
        self.mass_per_length = 8.9e-3
        self.spool_mass = mass
        self.stuck = ""
        """What holds the wire: ``bead``, ``tip`` or nothing."""
        self.force = 0.0
        """N that the pool pushes back with."""
        self._taken = 0.0  # kg of the missing wire that is accounted for
        self.factor = 1.0
        """By which a program scales the feed of a pass."""
        self.gate = True
        """Whether who melts the wire lets the drive run."""
        self.drawn = 0.0
        """m of wire drawn back so far."""
        self._epoch = 0

    def load(self, density: float, diameter: float) -> None:
        """The next spool of wire of a density (kg/m3) and diameter (m), threaded to the tip."""
        self.mass_per_length = density * wire_area(diameter)
        mass = self.next_spool()
        self.settle("spool_mass", max(mass - self.spool_missing, 0.0))
        self.lacks(mass - self.spool_mass)
        self.wire_present = self.at_tip = True
        self._taken, self.stuck, self.drawn = mass - self.spool_mass, "", 0.0
        self._anchor()

    def _at(self, attribute: str, time: float) -> float:
        found = self.trajectories.get(attribute)
        return found.at(time) if found else float(getattr(self, attribute))

    @property
    def settled_speed(self) -> float:
        """Speed (m/s) that the wire comes to, or would if the drive were let run."""
        held = bool(self.stuck) or not self.wire_present or not self.at_tip
        if held or not self.plant.energised:
            return 0.0
        return float(self.feed_demand * self.factor * (1 - self.slip))

    def fed(self, since: float, until: float) -> float:
        """Wire (m) fed between two times (s) on the present course."""
        way = self.trajectories.get("speed")
        if not isinstance(way, Relaxation):
            return float(self.speed) * (until - since)
        decay = exp((way.since - since) / way.tau) - exp((way.since - until) / way.tau)
        return way.target * (until - since) + (way.first - way.target) * way.tau * decay

    def driven(self, attribute: str) -> None:
        if attribute == "retract":
            if self.retract and not self.retracting and self.plant.energised:
                self.plant.run(self._draw_back(self.retract_length))
            return
        if attribute == "retract_length":
            return
        if attribute == "spool_missing":
            self.sense(self.now)
            self._weigh(self.now)
            before = self.spool_mass
            self.settle("spool_mass", max(before - self.spool_missing + self._taken, 0.0))
            self.lacks(before - self.spool_mass)
            # No more than there was: nothing comes back that was not taken.
            self._taken += before - self.spool_mass
        self._anchor()

    def started(self) -> None:
        if self.trajectories:
            self._arm()
        else:
            self._anchor()

    def tripped(self, power_lost: bool) -> None:
        self.feed_demand = 0.0
        self._anchor()

    def press(self, force: float) -> None:
        """The pool or the bead pushes back with `force` (N) from now on."""
        if force != self.force:
            self.force = force
            self._anchor()

    def program(self, factor: float) -> None:
        """A pass of a program with a feed of its own scales the demand by `factor`."""
        if factor != self.factor:
            self.factor = factor
            self._anchor()

    def let(self, run: bool) -> None:
        """Let the drive run to its demand from now on, or stop it."""
        if run != self.gate:
            self.gate = run
            self._anchor()

    def pace(self, begin: Floats, speeds: Floats) -> None:
        """A regulator trims the feed of a pass: speeds (m/s), (n,) each from `begin` (s)."""
        # A regulator at its limit trims evenly.
        trimmed = float(np.abs(speeds - self.settled_speed).max()) > 1e-9
        if self.settled_speed > 0 and self.gate and trimmed:
            now = self.now
            self._weigh(now)
            left = self._at("spool_mass", now)
            ahead = speeds[max(int(np.searchsorted(begin, now, "right")) - 1, 0):]
            self.follow("speed", Steps(begin, speeds))
            self.follow("motor_speed", Steps(begin, speeds / max(1 - self.slip, 1e-3)))
            if left > 0:
                self.follow("spool_mass", Ramp(
                    now, left, 0.0, float(np.mean(ahead)) * self.mass_per_length))
                self._arm()

    def strain(self, begin: Floats, force: Floats) -> None:
        """The pool pushes back with forces (N), (n,), from `begin` (s), until further notice."""
        if self.motor_speed > 0 or self.settled_speed > 0:
            load = self.LINER * self.liner_friction + np.minimum(force, self.GRIP)
            self.follow("motor_torque", Steps(begin, load * self.ROLL))

    def stick(self, where: str) -> None:
        """The wire freezes in the ``bead`` or burns onto the ``tip``."""
        if not self.stuck:
            self.stuck = where
            self.log("process", f"wire stuck in the {where}")
            self._anchor()

    def _anchor(self) -> None:
        now = self.now
        before = self._at("speed", now)
        if self.trajectories:
            self._weigh(now)
        self.sense(now)
        if self.wire_present and self.spool_mass <= self.REEL:
            self.log("process", "the spool is empty")
            self.wire_present = False
        demand = self.feed_demand * self.factor if self.plant.energised and self.gate else 0.0
        held = bool(self.stuck) or not self.wire_present or not self.at_tip
        self.follow("motor_speed", Relaxation(now, self.motor_speed, demand, self.RESPONSE))
        wire = 0.0 if held else demand * (1 - self.slip)
        self.follow("speed", Relaxation(now, 0.0 if held else before, wire, self.RESPONSE))
        lag = 0.0 if demand <= 0 else 1.0 if held else self.slip
        self.follow("slippage", Relaxation(now, self.slippage, lag, self.COMPARED))
        pushed = self.GRIP if self.stuck and demand > 0 else min(self.force, self.GRIP)
        load = self.LINER * self.liner_friction * (0.3 if not self.wire_present else 1.0) + pushed
        torque = load * self.ROLL if demand > 0 else 0.0
        self.follow("motor_torque", Relaxation(now, self.motor_torque, torque, self.PUSHED))
        self.draw(self.MOTOR if demand > 0 else 0.0)
        if wire > 0 and self.spool_mass > 0:
            self.follow("spool_mass", Ramp(now, self.spool_mass, 0.0, wire * self.mass_per_length))
        else:
            self.settle("spool_mass", self.spool_mass)
        self._arm()
        self.changed()

    def _weigh(self, now: float) -> None:
        course = self.trajectories.get("spool_mass")
        if isinstance(course, Ramp):
            mass = course.first - course.at(now)
            self.take_feedstock(mass)
            self.drew(mass)

    def _arm(self) -> None:
        self._epoch += 1
        course = self.trajectories.get("spool_mass")
        if isinstance(course, Ramp) and self.wire_present:
            due = course.since + max(course.first - 0.999 * self.REEL, 0.0) / course.rate
            self.plant.run(self._run_out(due, self._epoch))

    def _run_out(self, due: float, epoch: int) -> Generator[Any, Any, None]:
        yield self.plant.env.at(due)
        if epoch == self._epoch:
            self._anchor()

    def _draw_back(self, length: float) -> Generator[Any, Any, None]:
        self.retracting = True
        yield self.plant.env.timeout(length / self.DRAW)
        self.retracting = False
        self.drawn += length
        if self.stuck and length >= self.PULL_FREE:
            self.log("process", f"wire torn free of the {self.stuck}")
            self.stuck = ""
        if length > self.LOST:
            self.log("process", "wire drawn out of the contact tip")
            self.at_tip = False
        self.force = 0.0
        self._anchor()

    def thread(self) -> None:
        """Somebody cuts the wire free, cleans its end and threads it to the tip."""
        self.at_tip = True
        self.stuck, self.force = "", 0.0
        self._anchor()

    def fresh(self) -> None:
        """Somebody puts on the next spool, whose label is true, and threads its wire."""
        self._weigh(self.now)
        self.spool_missing = self._taken = 0.0
        self.settle("spool_mass", self.next_spool())
        self.wire_present = True
        self.thread()

    def hidden_state(self) -> dict[str, Any]:
        return {"mass_per_length": self.mass_per_length, "stuck": self.stuck, "force": self.force,
                "taken": self._taken, "drawn": self.drawn,
                "gate": self.gate, "factor": self.factor}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        self.mass_per_length, self.stuck = hidden["mass_per_length"], hidden["stuck"]
        self.force, self._taken = hidden["force"], hidden["taken"]
        self.drawn = hidden["drawn"]
        self.gate, self.factor = hidden["gate"], hidden["factor"]


class HotWireSource(Equipment):
    """Constant-current source between contact tip and part; its voltage tells the wire's contact.

    The resistance it measures is that of the stick-out and the tip, so it rises when the surface
    falls back (Hagqvist, Heralic, Christiansson 2014) and flutters when the wire drips.
    """

    OPEN = 15.0  # V while the wire does not touch, default
    RESPONSE = 0.01  # s, default
    EFFICIENCY = 0.85  # electrical, default
    TIP = 1.0e-3  # Ohm of a fresh contact tip and cables, default

    current = measured("A", low=0, high=400, noise=0.3, quantum=0.1,
                       companion="Monitoring/Process/{name}Current", doc="hot-wire current")
    voltage = measured("V", low=0, high=30, noise=0.02, quantum=0.01,
                       companion="Monitoring/Process/{name}Voltage",
                       doc="voltage from contact tip to part")
    resistance = measured("mOhm", low=0, high=500, noise=0.1, quantum=0.05,
                          companion="Monitoring/Process/{name}Resistance",
                          doc="voltage over current; 0 without current")
    enable = actuator(bool, doc="hot-wire current on")
    current_demand = actuator("A", low=0, high=350, doc="hot-wire current")
    current_error = fault("%", low=-50, high=50, doc="current above or below what the source shows")

    def __init__(self) -> None:
        super().__init__()
        self.changed: Callable[[], None] = _nothing
        self.tip: Callable[[], float] = lambda: 0.0
        """Tells what a worn contact tip adds, Ohm."""
        self._bridged = False

    def driven(self, attribute: str) -> None:
        if not self._bridged:
            self.rest()
        self.changed()

    def tripped(self, power_lost: bool) -> None:
        self.enable = False
        self.rest()

    @property
    def heating(self) -> float:
        """True current (A) that the wire carries while it touches."""
        if not (self.enable and self.plant.energised):
            return 0.0
        amps: float = self.current_demand * (1 + self.current_error)
        return amps

    def show(self, begin: Floats, touching: Floats, volts: Floats) -> None:
        """The contact of a pass, (n,) each from `begin` (s): share of time, mean voltage (V)."""
        if self.heating <= 0:
            self.rest()
            return
        self._bridged = True
        amps = self.current_demand * touching
        total = volts + amps * (self.TIP + self.tip())
        self.follow("current", Steps(begin, amps))
        self.follow("voltage", Steps(begin, total))
        self.follow("resistance", Steps(begin, total / np.maximum(amps, 1.0)))
        self.draw(float(np.mean(amps * total)) / self.EFFICIENCY)

    def rest(self) -> None:
        """No wire in a pool: the source is blocked between passes."""
        self._bridged = False
        now = self.now
        self.sense(now)
        for name in ("current", "voltage", "resistance"):
            self.follow(name, Relaxation(now, getattr(self, name), 0.0, self.RESPONSE))
        self.draw(0.0)

    def hidden_state(self) -> dict[str, Any]:
        return {"bridged": self._bridged}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        self._bridged = hidden["bridged"]

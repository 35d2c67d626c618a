"""Spindle that turns a rod: drive, rotor dynamics with the rod's burn-off, bearings, trip."""

from __future__ import annotations

from collections.abc import Callable, Generator
from math import exp, hypot, pi
from typing import Any

from twin.equipment.services import SafetyChain
from twin.machine import AMBIENT, Equipment
from twin.physics import rotor
from twin.signals import actuator, fault, measured
from twin.trajectory import Polyline, Ramp, Relaxation

__all__ = ["Spindle"]


class Spindle(Equipment):
    """High-speed spindle with a chucked rod, supported in x and y with slightly unlike stiffness.

    The drive's speed is a ramp between events. Vibration has no closed form over a ramp: it is
    looked ahead on the grid of whoever calls `tick`, in straight lines. The vibration monitor is
    wired into the safety chain; when the chain opens the drive brakes as fast as it can, without
    power it coasts.
    """

    MASS = 20.0  # kg of spindle and chuck that move with the rod, default
    BARE_CRITICAL = 10_000 / 60  # 1/s without a rod, by its data sheet, default
    SUPPORT = 0.01  # standard deviation of ln of a spindle's own critical speed about that, default
    CROSS = 0.95  # critical speed in y over that in x, default
    DAMPING = 0.06  # with damping rollers, default
    OWN_ECCENTRICITY = 0.25e-6  # m of spindle and chuck, balanced to G 1, default
    ROD_ECCENTRICITY = (0.3e-6, 1.0e-6)  # m of a ground rod: from, to, default
    FLOOR = 0.15e-3  # m/s of rolling noise at 20 000 rpm, default
    WORN = 1.2e-3  # m/s more of a bearing that is worn out, default
    INERTIA = 0.08  # kg m2, default
    BRAKING = 400 / 60  # 1/s2 when the chain opens, default
    COASTING = 40 / 60  # 1/s2 without power, default
    TORQUE = 0.35  # N m of friction at 20 000 rpm, default
    SHAKEN = 1.5e7  # W of bearing heat per (m/s)^2 of vibration, default
    COOLING = 35.0  # W/K of the oil mist, default
    HEATING = 240.0  # s, default
    REAR = 0.55  # of the front bearing's rise that the rear one has, default
    TRIP = 7e-3  # m/s of vibration at which the monitor opens the chain
    PASSING = 3.0  # factor on it while the drive runs up or down, as API 670 has it, default
    RELEASE = 4e-3  # m/s below which it closes again
    BOWING = 0.08e-6  # m/s of bow that a hot rod gains per mm/s above `BOWS`, default
    BOWS = 4.5e-3  # m/s above which a hot rod bows further, default
    WEARS = 2e-5  # 1/s of wear at the trip level; with the cube of vibration, default
    STANDSTILL = 1.0 / 60  # 1/s

    speed = measured("rpm", low=0, high=45_000, noise=1, quantum=1,
                     companion="Monitoring/Process/SpindleSpeed", doc="speed of the rod")
    vibration_x = measured("mm/s", low=0, high=50, noise=0.02, quantum=0.01,
                           companion="Monitoring/Health/VibrationX",
                           doc="vibration velocity at the front bearing, horizontal, rms")
    vibration_y = measured("mm/s", low=0, high=50, noise=0.02, quantum=0.01,
                           companion="Monitoring/Health/VibrationY",
                           doc="vibration velocity at the front bearing, vertical, rms")
    phase = measured("deg", low=0, high=180, noise=0.5, quantum=0.1,
                     doc="phase of the horizontal vibration at turning speed behind the mark on "
                         "the chuck; 90 degrees at a critical speed")
    bearing_temperature = measured("degC", low=0, high=120, start=20, noise=0.1, quantum=0.1,
                                   companion="Monitoring/Health/BearingTemperature",
                                   doc="outer ring of the front bearing")
    rear_bearing_temperature = measured("degC", low=0, high=120, start=20, noise=0.1, quantum=0.1,
                                        companion="Monitoring/Health/RearBearingTemperature",
                                        doc="outer ring of the rear bearing, far from the rod")
    motor_power = measured("kW", low=-100, high=100, quantum=0.01, noise=0.01,
                           doc="power of the spindle drive; it feeds back when it brakes")
    enable = actuator(bool, doc="spindle drive on")
    target = actuator("rpm", low=0, high=40_000, doc="speed to go to")
    acceleration = actuator("rpm/s", low=1, high=2000, start=150,
                            doc="rate at which the drive changes speed")
    unbalance = fault("um", low=0, high=50, doc="shift of the rotor's centre of mass: chips in "
                      "the chuck, a rod that slipped")
    rod_bow = fault("um", low=0, high=100, doc="shift of the rod's centre of mass by its bow")
    drive_failure = fault(bool, doc="the drive gives no torque: the spindle coasts")
    bearing_wear = fault("%", low=0, high=100, doc="wear of the bearings")
    preload = fault("%", low=0, high=400, doc="bearing preload in excess: stiffer by as much")

    def __init__(self, chain: SafetyChain) -> None:
        super().__init__()
        self._chain = chain
        self.rod_mass = 0.0
        self.rod_eccentricity = 0.0
        self.bow = 0.0  # m that the rod has bent in this run
        self.wear = 0.0  # of the bearings in this run
        self.heat = 0.0
        self.bare = self.BARE_CRITICAL  # 1/s of this spindle
        self._epoch = 0
        self.changed: Callable[[], None] = lambda: None
        """Told before the drive's course changes."""
        self.after: Callable[[], None] = lambda: None
        """Told when it has changed."""

    def started(self) -> None:
        own = float(self.plant.stream("spindle's support").standard_normal())
        self.bare = self.BARE_CRITICAL * exp(self.SUPPORT * own)

    # -- state now ----------------------------------------------------------------------------

    @property
    def true_speed(self) -> float:
        """1/s, now."""
        course = self.trajectories.get("speed")
        return course.at(self.now) if course else float(self.speed)

    @property
    def turning(self) -> bool:
        """Whether it turns or is about to."""
        driven = self.enable and self.target > 0.0 and not self.drive_failure
        return bool(self.true_speed > self.STANDSTILL or driven)

    @property
    def mass(self) -> float:
        """Of what whirls, kg."""
        return self.MASS + self.rod_mass

    def critical(self) -> float:
        """Critical speed (1/s) in x with what is left of the rod."""
        stiffness = self.MASS * (2.0 * pi * self.bare) ** 2 * (1.0 + self.preload)
        return rotor.critical_speed(stiffness, self.mass) / (2.0 * pi)

    def eccentricity(self) -> float:
        """Distance (m) of the centre of mass from the axis; the parts point the same way."""
        rod = self.rod_eccentricity + self.rod_bow + self.bow
        return float((self.MASS * self.OWN_ECCENTRICITY + self.rod_mass * rod) / self.mass
                     + self.unbalance)

    def whirl(self, speed: float) -> tuple[float, float, float]:
        """Vibration (m/s, rms) in x and y and phase (rad) in x at a speed (1/s)."""
        omega, critical, worn = 2.0 * pi * speed, self.critical(), self.worn
        damping = self.DAMPING * (1.0 - 0.4 * worn)
        e = self.eccentricity()
        noise = (self.FLOOR + self.WORN * worn) * speed / (20_000 / 60)
        x = rotor.velocity(e, omega, speed / critical, damping)
        y = rotor.velocity(e, omega, speed / (critical * self.CROSS), damping)
        return (hypot(x, noise), hypot(y, noise), rotor.response(speed / critical, damping).phase)

    @property
    def worn(self) -> float:
        """Wear 0 to 1, of the fault and of this run."""
        return float(min(self.bearing_wear + self.wear, 1.0))

    @property
    def vibration(self) -> float:
        """The larger of the true vibrations (m/s, rms) now."""
        return max(self.whirl(self.true_speed)[:2])

    # -- drive --------------------------------------------------------------------------------

    def chuck(self, mass: float, name: str) -> None:
        """Take a rod (kg) into the chuck; how well it runs true is its own luck."""
        low, high = self.ROD_ECCENTRICITY
        draw = float(self.plant.stream(f"rod {name}").random())
        self.rod_mass, self.rod_eccentricity = mass, low + (high - low) * draw
        self.bow = 0.0

    def driven(self, attribute: str) -> None:
        self.changed()
        if attribute in ("enable", "target", "acceleration", "drive_failure"):
            self._drive()
        self.after()

    def tripped(self, power_lost: bool) -> None:
        self.changed()
        self.enable = False
        coasts = power_lost or self.drive_failure
        self._ramp(0.0, self.COASTING if coasts else self.BRAKING)
        self.after()

    def _drive(self) -> None:
        if self.drive_failure:
            self._ramp(0.0, self.COASTING)
        elif self.enable and self._chain.chain_closed:
            self._ramp(float(self.target), max(float(self.acceleration), 1e-3))
        else:
            powered = self._chain.first_out != SafetyChain.POWER_LOSS
            self._ramp(0.0, self.BRAKING if powered else self.COASTING)

    def _ramp(self, to: float, rate: float) -> None:
        now, speed = self.now, self.true_speed
        if abs(speed - to) < 1e-12:
            self.settle("speed", to)
        else:
            self.follow("speed", Ramp(now, speed, to, rate))

    # -- ticks --------------------------------------------------------------------------------

    def lived(self, step: float, hot: bool) -> None:
        """What a span of ``step`` (s) up to now has done to rod and bearings."""
        v = self.vibration
        if hot and self.rod_mass > 0.0:
            self.bow += self.BOWING * max(v - self.BOWS, 0.0) * 1e3 * step
        self.wear = min(self.wear + self.WEARS * (v / self.TRIP) ** 3 * step, 1.0)

    def look_ahead(self, until: float) -> None:
        """Let readings follow what is to come up to ``until`` (s) if nothing comes between."""
        now = self.now
        self.sense(now)
        speed = self.true_speed
        course = self.trajectories.get("speed")
        later = course.at(until) if course else speed
        a, b = self.whirl(speed), self.whirl(later)
        times = (now, until)
        for i, name in enumerate(("vibration_x", "vibration_y", "phase")):
            self.follow(name, Polyline(times, (a[i], b[i])))
        rate = course.rate if isinstance(course, Ramp) and later != speed else 0.0
        rate = -rate if later < speed else rate
        self._losses(speed, rate, max(a[0], a[1]))
        self._watch(now, until, max(a[0], a[1]), max(b[0], b[1]))

    def rest(self) -> None:
        """It stands: nothing shakes, the bearings cool."""
        self.sense(self.now)
        for name in ("vibration_x", "vibration_y", "phase"):
            self.settle(name, 0.0)
        self.settle("speed", 0.0)
        self._losses(0.0, 0.0, 0.0)
        self._switch(False)

    def _losses(self, speed: float, rate: float, vibration: float) -> None:
        torque = self.TORQUE * (1.0 + 0.6 * self.preload + 2.0 * self.worn**2)
        self.heat = rotor.bearing_loss(torque, speed, 20_000 / 60, vibration, self.SHAKEN)
        warm = AMBIENT + self.heat / self.COOLING
        self.follow("bearing_temperature", Relaxation(self.now, self.bearing_temperature, warm,
                                                      self.HEATING))
        self.follow("rear_bearing_temperature",
                    Relaxation(self.now, self.rear_bearing_temperature,
                               AMBIENT + self.REAR * (warm - AMBIENT), self.HEATING))
        turning = self.INERTIA * (2.0 * pi) ** 2 * rate * speed
        self.motor_power = turning + self.heat if speed > 0.0 else 0.0
        self.draw(round(max(self.motor_power, 0.0), -1))

    @property
    def trip_level(self) -> float:
        """Vibration (m/s) at which the monitor trips now."""
        course = self.trajectories.get("speed")
        passing = isinstance(course, Ramp) and self.now < course.end()
        return self.TRIP * (self.PASSING if passing else 1.0)

    def _watch(self, now: float, until: float, first: float, last: float) -> None:
        """The monitor trips, or lets go, the moment its level is crossed."""
        self._epoch += 1
        opened = SafetyChain.VIBRATION in self._chain.causes()
        level = self.RELEASE if opened else self.trip_level
        beyond = first < level if opened else first > level
        crosses = last < level if opened else last > level
        if beyond:
            self._switch(not opened)
        elif crosses:
            due = now + (until - now) * (level - first) / (last - first)
            self.plant.run(self._cross(due, not opened, self._epoch))

    def _cross(self, due: float, opens: bool, epoch: int) -> Generator[Any, Any, None]:
        yield self.plant.env.at(due)
        if epoch == self._epoch:
            self._switch(opens)

    def _switch(self, opens: bool) -> None:
        if opens:
            self.log("interlock", "vibration monitor: spindle tripped",
                     vibration=self.vibration, speed=self.true_speed)
        self._chain.switch(SafetyChain.VIBRATION, opens=opens)

    def balance(self) -> None:
        """Somebody cleans the chuck and balances rotor and rod."""
        self.bow = 0.0
        low = self.ROD_ECCENTRICITY[0]
        self.rod_eccentricity = min(self.rod_eccentricity, low)

    def hidden_state(self) -> dict[str, Any]:
        return {"rod_mass": self.rod_mass, "rod": self.rod_eccentricity, "bow": self.bow,
                "wear": self.wear, "heat": self.heat}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        self.rod_mass, self.rod_eccentricity = hidden["rod_mass"], hidden["rod"]
        self.bow, self.wear, self.heat = hidden["bow"], hidden["wear"], hidden["heat"]

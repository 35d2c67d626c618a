"""Vacuum of an electron-beam machine: pumps, chamber and column, helium, leaks and outgassing."""

from __future__ import annotations

from collections.abc import Callable, Generator
from math import exp, inf
from typing import Any

from twin.machine import Equipment
from twin.signals import actuator, fault, measured
from twin.trajectory import Polyline, Ramp, Relaxation

__all__ = ["ATMOSPHERE", "VacuumSystem", "rises_above"]

ATMOSPHERE = 101_325.0


def rises_above(course: Relaxation, level: float, now: float, horizon: float) -> float:
    """The first time (s) within `horizon` (s) from `now` at which a course is above `level`.

    Infinity if it never is; halving, 1 us. A course turns at most once.
    """
    if course.at(now) > level:
        return now
    end = now + horizon
    turn = min(max(course._turn(), now), end) if course.lag > 0 else end
    for first, last in ((now, turn), (turn, end)):
        if course.at(last) > level:
            low, high = first, last
            while high - low > 1e-6:
                middle = 0.5 * (low + high)
                low, high = (low, middle) if course.at(middle) > level else (middle, high)
            return high
    return inf


class VacuumSystem(Equipment):
    """Chamber and gun column, each with its pumps, and a helium leak valve.

    V dp/dt = Q_des exp(-t/tau) + Q_leak + Q_He - S p with pumping speed S constant between
    events: the lagged relaxation is its exact solution. The column is small and follows the
    chamber through a fine aperture, C (p - p_col) = S_col p_col, at once.
    """

    VOLUME = 0.2  # m3, default
    ROUGHING = 0.03  # m3/s, default
    TURBO = 0.5  # m3/s at full speed, for helium and air alike, default
    CROSSOVER = 20.0  # Pa below which the turbo pump may take over, default
    SPIN_UP = 240.0  # s to full speed, default
    HELD_UP = 1e-3  # m3/s that is left while the turbo pump stands
    DESORPTION = 0.3  # Pa m3/s of water from walls and powder just pumped, default
    DESORPTION_TIME = 800.0  # s, default
    COLUMN_PUMP = 0.1  # m3/s, default
    APERTURE = 3e-5  # m3/s between column and chamber, default
    COLUMN_GAS = 1e-6  # Pa m3/s that the column gives off, default
    COLUMN_LAG = 0.05  # s, V/S of the column, default
    HELIUM = 0.6  # Pa m3/s through the valve fully open, default
    VENTING = 25.0  # s, default: fills the chamber to 95 % in a bit more than a minute
    POWER = (2200.0, 600.0)  # W of roughing and turbo pumps, default
    HARD_LIMIT = 5e-3  # Pa in the column at which the gauge's relay cuts the high voltage, default

    chamber_pressure = measured("mbar", low=0, high=1100, start=1013.25,
                                companion="Monitoring/Process/ChamberPressure",
                                doc="chamber pressure, full-range gauge (Pirani and cold cathode)")
    column_pressure = measured("mbar", low=0, high=1100, start=3e-7,
                               companion="Monitoring/Health/ColumnPressure",
                               doc="pressure in the gun column, cold-cathode gauge")
    helium_share = measured("%", low=0, high=100, noise=0.3, quantum=0.1,
                            companion="Monitoring/Process/HeliumShare",
                            doc="helium in the chamber's gas, residual gas analyser; the rest is "
                                "water and, with a leak, air")
    helium_flow = measured("mbar.L/s", low=0, high=20, noise=0.002, quantum=0.001,
                           doc="helium through the leak valve")
    turbo_speed = measured("%", low=0, high=100, start=100, quantum=0.1,
                           doc="speed of the turbo pump; it runs on behind its valve between jobs")
    gun_vacuum = measured(bool, start=True, doc="relay of the column gauge: high voltage allowed")
    roughing_pump = actuator(bool, doc="roughing pump and its valve")
    turbo_pump = actuator(bool, doc="gate valve of the turbo pump; opens below the crossover")
    column_valve = actuator(bool, doc="valve between gun column and chamber open")
    helium_valve = actuator("%", low=0, high=100, doc="helium leak valve")
    vent_valve = actuator(bool, doc="let helium in up to ambient pressure")
    leak = fault("mbar.L/s", low=0, high=1000, doc="air leak into the chamber")
    column_leak = fault("mbar.L/s", low=0, high=1, doc="air leak into the gun column")
    pumping_loss = fault("%", low=0, high=100, doc="share of the turbo pump's speed that is lost")
    wet_powder = fault("", low=1, high=50, start=1, doc="factor on what powder and walls give off")
    helium_failure = fault(bool, doc="the helium supply is empty")

    def __init__(self) -> None:
        super().__init__()
        self._since = -1e9  # when pumping from air began
        self._epoch = 0
        self._dues: list[float] = []  # when the gas balance is made anew
        self._inlet = 0.0  # Pa m3/s of helium
        self._turning = True  # the turbo pump has power
        self._open = False  # the door stands open
        self.relay: Callable[[bool], None] = lambda closed: None
        """Told when the relay of the column gauge opens or closes."""

    @property
    def helium(self) -> float:
        """True helium partial pressure in the chamber (Pa) now."""
        share = self.trajectories.get("helium_share")
        part = share.at(self.now) if share else float(self.helium_share)
        return part * self.pressure

    @property
    def pressure(self) -> float:
        """True chamber pressure (Pa) now."""
        course = self.trajectories.get("chamber_pressure")
        return course.at(self.now) if course else float(self.chamber_pressure)

    @property
    def vented(self) -> bool:
        """Whether the chamber is at ambient pressure, so that the door opens."""
        return self.pressure > 0.95 * ATMOSPHERE

    def air(self) -> None:
        """The door was open: air in the chamber, water on its walls."""
        self._since = self.now
        self.settle("chamber_pressure", ATMOSPHERE)
        self._anchor()

    def door(self, open_: bool) -> None:
        """The door is opened or closed: while it stands open no pump makes a vacuum."""
        self._open = open_
        self.air()

    def burst(self, pressure: float) -> None:
        """Gas that was held in the bed is set free at once: so much pressure (Pa) more."""
        self.sense(self.now)
        self.settle("chamber_pressure", self.chamber_pressure + pressure)
        self.settle("column_pressure", self.column_pressure + self._passed() * pressure)
        self._anchor()

    def started(self) -> None:
        if self.trajectories:
            self.sense(self.now)
            self._arm(self._dues)
        else:
            self._anchor()

    def driven(self, attribute: str) -> None:
        if attribute == "roughing_pump" and self.roughing_pump and self.vented:
            self._since = self.now
        self._turning = self._turning or attribute == "turbo_pump"
        self._anchor()

    def tripped(self, power_lost: bool) -> None:
        # Valves fall shut without power; an open chain alone leaves the vacuum as it is.
        if power_lost:
            self.roughing_pump = self.turbo_pump = self.column_valve = self.vent_valve = False
            self.helium_valve = 0.0
            self._turning = False
            self._anchor()

    def _speed(self) -> float:
        """Pumping speed on the chamber (m3/s) now."""
        turbo = self.turbo_pump and self.chamber_pressure < self.CROSSOVER
        if turbo:
            left = float(self.turbo_speed) ** 2 - float(self.pumping_loss)
            return max(self.TURBO * left, self.HELD_UP)
        return self.ROUGHING if self.roughing_pump else 0.0

    def _anchor(self) -> None:
        now = self.now
        self.sense(now)
        spin = 1.0 if self._turning else 0.0
        if abs(spin - self.turbo_speed) > 1e-6:
            self.follow("turbo_speed", Ramp(now, self.turbo_speed, spin, 1.0 / self.SPIN_UP))
        else:
            self.settle("turbo_speed", spin)
        rough, turbo = self.POWER
        self.draw(rough * self.roughing_pump + turbo * self._turning)
        supplied = 0.0 if self.helium_failure else 1.0
        self._inlet = self.HELIUM * self.helium_valve * supplied
        self.settle("helium_flow", self._inlet)
        vent = supplied * self.vent_valve
        pumping = self._speed()
        air = self.leak * (1.0 - self.chamber_pressure / ATMOSPHERE)
        gone = exp(-min((now - self._since) / self.DESORPTION_TIME, 50.0))
        water = self.DESORPTION * self.wet_powder * gone + 1e-4 * self.wet_powder
        if self._open:
            course = Relaxation(now, ATMOSPHERE, ATMOSPHERE, 1.0)
        elif vent and not pumping:
            course = Relaxation(now, self.chamber_pressure, ATMOSPHERE, self.VENTING)
        elif pumping:
            target = (air + self._inlet + 1e-4 * self.wet_powder) / pumping
            course = Relaxation(now, target + self.DESORPTION * self.wet_powder * gone / pumping,
                                target, self.DESORPTION_TIME, self.VOLUME / pumping,
                                self.chamber_pressure)
        else:
            # Everything stays inside: it rises towards ambient with the leak, slowly without.
            filled = max(air + self._inlet + water, 1e-7) / self.VOLUME
            course = Relaxation(now, self.chamber_pressure, ATMOSPHERE, ATMOSPHERE / filled)
        # Mean over the time until it is looked at again; a full chamber takes no more.
        filled_up = course.at(now + self.VENTING / 2) - self.chamber_pressure if vent else 0.0
        flow = self.VOLUME * max(filled_up, 0.0) / ATMOSPHERE / (self.VENTING / 2)
        self.take_gas(self._inlet / ATMOSPHERE + flow)
        self.follow("chamber_pressure", course)
        self._share(now, air, self.DESORPTION * self.wet_powder * gone)
        self._column(now, course)
        self._arm()

    def _share(self, now: float, air: float, water: float) -> None:
        """Helium in what streams in, while the water goes."""
        if self.vent_valve or self._open:
            self.settle("helium_share", 0.0 if self._open else 1.0)
            return
        times = [i / 3.0 * self.DESORPTION_TIME for i in range(25)]
        rest = air + self._inlet + 1e-4 * self.wet_powder
        shares = [self._inlet / (rest + water * exp(-t / self.DESORPTION_TIME)) for t in times]
        self.follow("helium_share", Polyline(tuple(now + t for t in times), tuple(shares)))

    def _passed(self) -> float:
        """Pressure in the column over that in the chamber."""
        open_ = self.APERTURE / (self.COLUMN_PUMP + self.APERTURE)
        return open_ if self.column_valve else 0.0

    def _column(self, now: float, course: Relaxation) -> None:
        own = (self.COLUMN_GAS + self.column_leak) / self.COLUMN_PUMP
        share = self._passed()
        # The same course, scaled down; the column's own lag is far shorter than the chamber's.
        self.follow("column_pressure", Relaxation(
            now, own + share * course.first, own + share * course.target, course.tau,
            max(course.lag, self.COLUMN_LAG), self.column_pressure))

    def _arm(self, dues: list[float] | None = None) -> None:
        """Wait for the column's relay, for the crossover and for the turbo pump to spin up.

        `dues` (s): of a plant taken up again, when its gas balance is due.
        """
        self._epoch += 1
        now, epoch = self.now, self._epoch
        column = self.trajectories["column_pressure"]
        assert isinstance(column, Relaxation)
        due = rises_above(column, self.HARD_LIMIT, now, 4 * 3600.0)
        if due <= now:
            self._relay(False)
        else:
            self._relay(True)
            if due < inf:
                self.plant.run(self._lost(due, epoch))
        self._dues = self._next_dues(now) if dues is None else dues
        for each in self._dues:
            self.plant.run(self._again(each, epoch))

    def _next_dues(self, now: float) -> list[float]:
        """When the gas balance must be made anew (s), counted from now."""
        found = []
        speed = self.trajectories.get("turbo_speed")
        if isinstance(speed, Ramp):
            # In steps: pumping speed is constant between events.
            found.append(min(now + self.SPIN_UP / 8, speed.end()))
        elif self.turbo_pump and self.chamber_pressure >= self.CROSSOVER and not self._open:
            found.append(now + 10.0)
        if self.vent_valve and self.pressure < 0.94 * ATMOSPHERE:
            found.append(now + self.VENTING)
        return found

    def _again(self, due: float, epoch: int) -> Generator[Any, Any, None]:
        yield self.plant.env.at(due)
        if epoch == self._epoch:
            self._anchor()

    def _lost(self, due: float, epoch: int) -> Generator[Any, Any, None]:
        yield self.plant.env.at(due)
        if epoch == self._epoch:
            self._relay(False)

    def _relay(self, closed: bool) -> None:
        if closed == self.gun_vacuum:
            return
        self.gun_vacuum = closed
        if not closed:
            self.log("interlock", "column pressure: relay cuts the high voltage")
        self.relay(closed)

    def hidden_state(self) -> dict[str, Any]:
        return {"since": self._since, "inlet": self._inlet, "turning": self._turning,
                "dues": list(self._dues), "open": self._open}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        self._since, self._inlet = hidden["since"], hidden["inlet"]
        self._turning, self._dues = hidden["turning"], list(hidden["dues"])
        self._open = hidden["open"]

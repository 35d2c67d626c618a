"""Gas side of a closed powder line: inert gas, two oxygen analysers, dust filter, bonding."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from twin.equipment.chamber import AIR_OXYGEN, ATMOSPHERE, DRAUGHT, HUMID, MoistGas
from twin.equipment.services import SafetyChain
from twin.machine import Equipment
from twin.signals import actuator, fault, measured
from twin.trajectory import Relaxation

__all__ = ["Bonding", "DustFilter", "InertLine"]


class InertLine(MoistGas):
    """A closed line of pipes, hoppers and sifters under argon.

    Oxygen: V dC/dt = q_leak (0.2095 - C) - q_in (C - C_in), a closed form between events. Analyser
    A sits where powder comes in, B in the return line behind it. A hard-wired voter opens the
    safety chain when both are above the trip value, which is half of the limiting oxygen
    concentration of the powder; one alone does nothing, so a difference must be told.
    """

    VOLUME = 0.5  # m3 of gas, default
    PURITY = 5e-6  # oxygen in the argon supply, argon 4.8 class, default
    CELL_LAG = 4.3  # s: T90 = 10 s, default
    RETURN_LAG = 15.0  # s that the return line is behind, default
    SAFE_FLOW = 400e-3 / 60  # m3/s of the emergency purge, default
    OVER_PRESSURE = 500.0  # Pa, default
    VENT = 1e-4  # m3/s of leak that halves the over-pressure, default
    REGULATION = 4.0  # s, default
    PLUME = 0.03  # oxygen fraction that a large leak adds at analyser A, default
    PLUME_FLOW = 2e-3  # m3/s of leak that gives half of it, default
    OUTGASSING = 3e-5  # Pa m3/s of water from walls and powder, default
    DRY = 1.0  # Pa of water vapour in dry argon, default
    AGAIN = 0.8  # share of the trip value below which the voter closes

    oxygen_a = measured("ppm", low=0, high=250_000, start=209_500, noise=2, quantum=1,
                        companion="Monitoring/Process/OxygenA",
                        doc="oxygen mole fraction, analyser A at the inlet")
    oxygen_b = measured("ppm", low=0, high=250_000, start=209_500, noise=2, quantum=1,
                        companion="Monitoring/Process/OxygenB",
                        doc="oxygen mole fraction, analyser B in the return line")
    dew_point = measured("degC", low=-80, high=30, start=9, noise=0.1, quantum=0.1,
                         companion="Monitoring/Process/LineDewPoint", doc="dew point of the gas")
    pressure = measured("mbar", low=-100, high=100, noise=0.02, quantum=0.01,
                        companion="Monitoring/Process/LinePressure",
                        doc="pressure over ambient")
    safe_purge = measured(bool, doc="emergency purge open: it opens without power")
    purge_flow = actuator("L/min", low=0, high=2000, doc="argon flow demand")
    oxygen_trip = actuator("%", low=0.1, high=10, start=2,
                           doc="oxygen at which the voter opens the chain: half of the powder's "
                           "limiting oxygen concentration")
    armed = actuator(bool, doc="the line is inert: voter in force, transport and heat permitted")
    reset_purge = actuator(bool, edge=True, doc="close the emergency purge (rising edge)")
    leak = fault("mbar.L/s", low=0, high=2000, doc="air leak at the inlet")
    cell_drift = fault("ppm", low=-100_000, high=100_000, doc="error of analyser B")
    supply_failure = fault(bool, doc="no argon comes from the supply")

    def __init__(self, chain: SafetyChain) -> None:
        super().__init__()
        self._chain = chain
        self._epoch = 0
        self.moisture = HUMID

    @property
    def oxygen(self) -> float:
        """True mean oxygen mole fraction now."""
        course = self.trajectories.get("oxygen_b")
        if isinstance(course, Relaxation):
            return max(course.source(self.now) - float(self.cell_drift), 0.0)
        return float(self.oxygen_b)

    @property
    def permits(self) -> bool:
        """Whether powder may be moved and heated."""
        return bool(self.armed and self.plant.energised)

    def started(self) -> None:
        if self.trajectories:
            self._arm()
        else:
            self._anchor(AIR_OXYGEN)

    def air(self) -> None:
        """The line has been open: it is full of air."""
        for name, value in (("oxygen_a", AIR_OXYGEN), ("oxygen_b", AIR_OXYGEN),
                            ("moisture", HUMID), ("pressure", 0.0)):
            self.settle(name, value)
        self._anchor(AIR_OXYGEN)

    def driven(self, attribute: str) -> None:
        if attribute == "reset_purge" and self.reset_purge and self.plant.energised:
            self.safe_purge = False
        if attribute != "cell_drift":
            self._anchor(self.oxygen)
            return
        # The mean is what it was; only what the cell makes of it has changed.
        course = self.trajectories["oxygen_a"]
        assert isinstance(course, Relaxation)
        self._anchor(max(course.source(self.now) - self._plume(self._leaks()), 0.0))

    def tripped(self, power_lost: bool) -> None:
        # Both purge valves open without power, unless nothing needs them.
        if self.armed:
            self.safe_purge = True
        self._anchor(self.oxygen)

    def _leaks(self) -> float:
        return float(self.leak / ATMOSPHERE + (0.0 if self._chain.door_closed else DRAUGHT))

    def _plume(self, leak: float) -> float:
        return self.PLUME * leak / (leak + self.PLUME_FLOW)

    def _anchor(self, mean: float) -> None:
        now, leak = self.now, self._leaks()
        self.sense(now)
        wanted = max(self.purge_flow, self.SAFE_FLOW if self.safe_purge else 0.0)
        inlet = 0.0 if self.supply_failure else wanted
        self.take_gas(inlet)
        exchange = max(inlet + leak, 1e-7)
        target = (leak * AIR_OXYGEN + inlet * self.PURITY) / exchange
        tau = self.VOLUME / exchange
        plume = self._plume(leak)
        self.follow("oxygen_a", Relaxation(now, mean + plume, target + plume, tau,
                                           self.CELL_LAG, self.oxygen_a))
        self.follow("oxygen_b", Relaxation(
            now, mean + self.cell_drift, target + self.cell_drift, tau,
            self.CELL_LAG + self.RETURN_LAG, self.oxygen_b))
        wet = (leak * HUMID + self.OUTGASSING) / exchange + self.DRY
        self.follow("moisture", Relaxation(now, self.moisture, min(wet, HUMID), 1.5 * tau))
        over = self.OVER_PRESSURE * min(inlet / (20e-3 / 60), 1.0) / (1 + leak / self.VENT)
        self.follow("pressure", Relaxation(now, self.pressure, over, self.REGULATION))
        self._arm()

    # -- voter --------------------------------------------------------------------------------

    def _arm(self) -> None:
        self._epoch += 1
        if not self.armed:
            self._chain.switch(SafetyChain.OXYGEN, opens=False)
            return
        opened = SafetyChain.OXYGEN in self._chain.causes()
        level = self.oxygen_trip * (self.AGAIN if opened else 1.0)
        due = []
        for name in ("oxygen_a", "oxygen_b"):
            course = self.trajectories[name]
            assert isinstance(course, Relaxation)
            reached = _reached(course, level, not opened, self.now)
            if reached is not None:
                due.append(reached)
        if not opened and len(due) == 2:
            self.plant.run(self._vote(max(*due, self.now), True, self._epoch))
        elif opened and due:
            self.plant.run(self._vote(max(min(due), self.now), False, self._epoch))

    def _vote(self, due: float, opens: bool, epoch: int) -> Generator[Any, Any, None]:
        yield self.plant.env.at(due)
        if epoch == self._epoch and self.armed:
            if opens:
                self.log("interlock", "oxygen above the trip value at both analysers")
            self._chain.switch(SafetyChain.OXYGEN, opens=opens)
            self._arm()

    def hidden_state(self) -> dict[str, Any]:
        return {"moisture": self.moisture}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        self.moisture = hidden["moisture"]


def _reached(course: Relaxation, level: float, above: bool, now: float) -> float | None:
    """When, from `now` on, a reading is above (or below) a level; None if it does not stay so."""
    if (course.at(now) >= level) == above:
        return now
    if course.target == level or (course.target > level) != above:
        return None
    span = course.tau + course.lag
    while (course.at(now + span) >= level) != above:
        span *= 2.0
    low, high = 0.0, span
    for _ in range(60):
        middle = 0.5 * (low + high)
        if (course.at(now + middle) >= level) == above:
            high = middle
        else:
            low = middle
    return now + high


class DustFilter(Equipment):
    """Fan and filter of the conveying gas; its pressure switch opens the safety chain.

    dp = dp0 n^2 (1 + load/load0): a torn element lets gas and dust through, so dp falls.
    """

    NOMINAL = 2500.0  # Pa at full speed, clean, default
    DOUBLE = 0.4  # kg of dust that doubles it, default
    LOW = 0.4  # share of the clean pressure at which a breach counts as proven
    HIGH = 9000.0  # Pa at which the switch opens the chain
    RESPONSE = 2.0  # s, default
    FAN = 1500.0  # W, default
    AIRBORNE = 2e-3  # kg/m3 of dust in the gas before the filter, default
    PASSES = 2e-4  # share of it that a sound element lets through, default

    fan_speed = measured("%", low=0, high=120, noise=0.1, quantum=0.1, doc="speed of the fan")
    differential_pressure = measured(
        "mbar", low=0, high=200, noise=0.05, quantum=0.01,
        companion="Monitoring/Health/FilterDifferentialPressure",
        doc="pressure difference over the dust filter")
    dust = measured("mg/m3", low=0, high=5000, noise=0.02, quantum=0.01,
                    companion="Monitoring/Health/DustAfterFilter",
                    doc="dust behind the filter, by light scatter")
    fan = actuator("%", low=0, high=100, doc="fan speed demand")
    back_pulse = actuator(bool, edge=True, doc="clean the filter by a gas pulse (rising edge)")
    clog = fault("", low=1, high=20, start=1, doc="factor on the filter's resistance")
    breach = fault("%", low=0, high=100, doc="share of the filter that is torn")

    def __init__(self, chain: SafetyChain) -> None:
        super().__init__()
        self._chain = chain
        self._epoch = 0
        self.load = 0.0

    def started(self) -> None:
        if self.trajectories:
            self._arm()
        else:
            self._anchor()

    def driven(self, attribute: str) -> None:
        if attribute == "back_pulse":
            if not self.back_pulse:
                return
            self.load *= 0.1
        self._anchor()

    def tripped(self, power_lost: bool) -> None:
        self.fan = 0.0
        self._anchor()

    def collect(self, mass: float) -> float:
        """Dust (kg) reaches the filter; what passes it is returned, kg."""
        through = min(self.PASSES + self.breach, 1.0)
        self.load += mass * (1.0 - through)
        self._anchor()
        return float(mass * through)

    def _anchor(self) -> None:
        now = self.now
        self.sense(now)
        sound = max(1.0 - self.breach, 0.0)
        self.draw(self.FAN * self.fan**3)
        self.follow("fan_speed", Relaxation(now, self.fan_speed, self.fan, self.RESPONSE))
        clean = self.NOMINAL * self.fan**2
        pressure = clean * (1.0 + self.load / self.DOUBLE) * self.clog * sound**2
        self.follow("differential_pressure",
                    Relaxation(now, self.differential_pressure, pressure, self.RESPONSE))
        behind = self.AIRBORNE * self.fan * min(self.PASSES + self.breach, 1.0)
        self.follow("dust", Relaxation(now, self.dust, behind, 2.0 * self.RESPONSE))
        self._arm()

    def _arm(self) -> None:
        self._epoch += 1
        course = self.trajectories["differential_pressure"]
        assert isinstance(course, Relaxation)
        low = self.LOW * self.NOMINAL * self.fan**2
        if self.fan <= 0.0:
            self._chain.switch(SafetyChain.DUST_FILTER, opens=False)
        elif course.target < low < course.first:
            self.plant.run(self._switch(course.crossing(low), "low: filter torn", self._epoch))
        elif course.first < self.HIGH < course.target:
            self.plant.run(self._switch(course.crossing(self.HIGH), "high", self._epoch))

    def _switch(self, due: float, how: str, epoch: int) -> Generator[Any, Any, None]:
        yield self.plant.env.at(due)
        if epoch == self._epoch:
            self.log("interlock", f"pressure over the dust filter {how}")
            self._chain.switch(SafetyChain.DUST_FILTER, opens=True)

    def hidden_state(self) -> dict[str, Any]:
        return {"load": self.load}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        self.load = hidden["load"]


class Bonding(Equipment):
    """Earth continuity of hoppers and pipes, valves that isolate an explosion; hard-wired."""

    SOUND = 0.4  # Ohm, default
    BROKEN = 50_000.0  # Ohm, default

    earth_resistance = measured("Ohm", low=0, high=1e6, start=0.4, noise=0.01, quantum=0.01,
                                companion="Monitoring/Health/EarthResistance",
                                doc="largest resistance of a part to earth")
    isolation_ready = measured(bool, start=True,
                               doc="explosion isolation valves and suppressors are ready")
    earth_fault = fault(bool, doc="a bonding strap is off: charge cannot flow away")
    isolation_failure = fault(bool, doc="an explosion isolation valve is not ready")

    def __init__(self, chain: SafetyChain) -> None:
        super().__init__()
        self._chain = chain

    def driven(self, attribute: str) -> None:
        if attribute == "earth_fault":
            self.earth_resistance = self.BROKEN if self.earth_fault else self.SOUND
            if self.earth_fault:
                self.log("interlock", "earth continuity lost")
            self._chain.switch(SafetyChain.EARTH, opens=self.earth_fault)
        elif attribute == "isolation_failure":
            self.isolation_ready = not self.isolation_failure
            if self.isolation_failure:
                self.log("interlock", "explosion isolation not ready")
            self._chain.switch(SafetyChain.EXPLOSION, opens=self.isolation_failure)

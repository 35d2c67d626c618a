"""Drying of a printed layer: lamp, bed temperature, moisture, solvent vapour and its extraction."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from twin.equipment.services import SafetyChain
from twin.machine import AMBIENT, Equipment
from twin.materials import STEFAN_BOLTZMANN
from twin.physics.binder import Binder, drying_flux, vapour_pressure
from twin.signals import actuator, fault, measured
from twin.trajectory import Polyline

__all__ = ["Dryer", "Extraction"]


class Extraction(Equipment):
    """The hood: air is drawn through so that solvent vapour stays far from its explosive limit."""

    VOLUME = 0.4  # m3, default
    FLOW = 0.03  # m3/s at full fan speed, default
    BREATHING = 3e-4  # m3/s that leaks in and out without a fan, default
    HUMIDITY = 0.45  # of the room, default
    FAN = 250.0  # W, default
    TRIP = 0.50  # share of the lower explosive limit at which the hard-wired switch opens, default
    CLEAR = 0.20  # share at which it closes again, default

    vapour = measured("%", low=0, high=200, noise=0.1, quantum=0.1,
                      companion="Monitoring/Process/SolventVapour",
                      doc="solvent vapour, share of the lower explosive limit")
    humidity = measured("%", low=0, high=100, start=45, noise=0.2, quantum=0.1,
                        companion="Monitoring/Process/Humidity",
                        doc="relative humidity in the hood")
    fan = actuator("%", low=0, high=100, doc="speed of the extraction fan")
    fan_failure = fault("%", low=0, high=100, doc="share of the extraction that is lost")

    def __init__(self, changed: Callable[[], None]) -> None:
        """`changed` is called when the air flow changes."""
        super().__init__()
        self._changed = changed

    @property
    def flow(self) -> float:
        """Air through the hood, m3/s."""
        return float(self.FLOW * self.fan * (1.0 - self.fan_failure) + self.BREATHING)

    def driven(self, attribute: str) -> None:
        self.draw(self.FAN * self.fan)
        self._changed()

    def tripped(self, power_lost: bool) -> None:
        # The fan hangs on a supply of its own: vapour must not wait for a reset.
        if power_lost:
            self.fan = 0.0
            self.draw(0.0)
            self._changed()


class Dryer(Equipment):
    """Infrared lamp over the bed, and what it does to a freshly printed layer.

    Surface: C dT/dt = P a / A - h (T - T_a) - eps sigma (T^4 - T_a^4) - L j - G (T - T_box);
    carrier: dm/dt = -j, j = k (p_sat(T) - p), falling with the last of it. It is integrated ahead
    from every change on steps of its own, so looking is pure.
    """

    POWER = 4_000.0  # W electrical at full lamp, default
    ABSORBED = 0.45  # share of it that the bed takes up, default
    CAPACITY = 2_200.0  # J/(m2 K): the uppermost millimetre of powder, default
    TRANSFER = 30.0  # W/(m2 K) to the moving air, default
    EMISSIVITY = 0.7  # default
    INTO_BOX = 40.0  # W/(m2 K) to the powder below, default
    LAST = 2e-3  # kg/m2 of carrier below which drying slows down, default
    AMBIENT_SHARE = 0.5  # of a fresh layer's temperature that comes from the supply, default
    TRIP = 383.15  # K of the bed at which the lamp's limiter opens the chain, default
    STEPS = ((0.25, 120), (1.0, 90), (10.0, 48))  # s and how many of them

    bed_temperature = measured("degC", low=0, high=250, start=20, noise=0.2, quantum=0.1,
                               companion="Monitoring/Process/BedTemperature",
                               doc="surface temperature of the bed, infrared")
    moisture = measured("g/m2", low=0, high=1000, noise=0.02, quantum=0.01,
                        doc="volatile binder left in the bed, infrared absorption")
    lamp_current = measured("%", low=0, high=120, noise=0.1, quantum=0.1,
                            companion="Monitoring/Health/LampCurrent",
                            doc="lamp current, share of rated")
    lamp = actuator("%", low=0, high=100, doc="lamp power demand")
    lamp_failure = fault("%", low=0, high=100, doc="share of the lamp's light that is lost")
    lamp_runaway = fault(bool, doc="the lamp's power controller stays fully on")

    def __init__(self, chain: SafetyChain, extraction: Extraction, area: float,
                 box: Callable[[], float]) -> None:
        """`area` of the bed m2; `box` tells the temperature (K) of the powder below."""
        super().__init__()
        self._chain = chain
        self._hood = extraction
        self._area = area
        self._box = box
        self.binder = Binder()
        self.printed = 0.0  # m2 of the last layer that are wet
        self._epoch = 0

    def started(self) -> None:
        if self.trajectories:
            self._arm()
        else:
            self.anchor()

    def driven(self, attribute: str) -> None:
        self.anchor()

    def tripped(self, power_lost: bool) -> None:
        self.lamp = 0.0
        self.anchor()

    @property
    def light(self) -> float:
        """Share of the full lamp that shines now."""
        if not self.plant.energised:
            return 0.0
        return float((1.0 if self.lamp_runaway else self.lamp) * (1.0 - self.lamp_failure))

    def empty(self) -> None:
        """Another box is under the lamp: nothing in it is wet, its powder as warm as the room."""
        self.settle("moisture", 0.0)
        self.settle("bed_temperature", AMBIENT)
        self.printed = 0.0
        self.anchor()

    def cover(self) -> None:
        """A fresh layer of powder lies on the bed; what was wet below wets it."""
        self.sense(self.now)
        share = self.AMBIENT_SHARE
        self.settle("bed_temperature", (1 - share) * self.bed_temperature + share * AMBIENT)
        self.anchor()

    def wet(self, carrier: float, area: float) -> None:
        """So much more carrier (kg/m2) over the printed `area` (m2), at the head's temperature."""
        self.sense(self.now)
        self.settle("moisture", self.moisture + carrier)
        self.printed = area
        self.anchor()

    def anchor(self) -> None:
        """Look ahead from now."""
        now, hood, ink = self.now, self._hood, self.binder
        self.sense(now)
        hood.sense(now)
        box, light = self._box(), self.light
        demand = 1.0 if self.lamp_runaway and self.plant.energised else self.lamp
        self.lamp_current = demand * (1.0 - self.lamp_failure)
        self.draw(self.POWER * demand)
        heat = light * self.POWER * self.ABSORBED / self._area
        ambient = hood.HUMIDITY * vapour_pressure(AMBIENT)
        t, m, c = self.bed_temperature, self.moisture, hood.vapour * ink.flammable_limit
        limit, renewal = ink.flammable_limit, hood.flow / hood.VOLUME
        time, times, temperatures, moistures, vapours = now, [now], [t], [m], [c / limit]
        humid = [self._humidity(c, ambient)]
        for step, count in self.STEPS:
            for _ in range(count):
                flux = max(drying_flux(t, ambient, self.TRANSFER, ink), 0.0)
                flux = min(flux * min(m / self.LAST, 1.0), m / step)
                lost = self.TRANSFER * (t - AMBIENT) + self.INTO_BOX * (t - box)
                lost += self.EMISSIVITY * STEFAN_BOLTZMANN * (t**4 - AMBIENT**4)
                t += step * (heat - lost - ink.latent_heat * flux) / self.CAPACITY
                m = max(m - step * flux, 0.0)
                source = flux * self.printed * ink.vapour_share / hood.VOLUME
                # Exact over the step for a constant source.
                balance = source / renewal
                c = balance + (c - balance) * 2.718281828459045 ** (-renewal * step)
                time += step
                times.append(time)
                temperatures.append(t)
                moistures.append(m)
                vapours.append(c / limit)
                humid.append(self._humidity(c, ambient))
        at = tuple(times)
        self.follow("bed_temperature", Polyline(at, tuple(temperatures)))
        self.follow("moisture", Polyline(at, tuple(moistures)))
        hood.follow("vapour", Polyline(at, tuple(vapours)))
        hood.follow("humidity", Polyline(at, tuple(humid)))
        self._arm()

    def _humidity(self, vapour: float, ambient: float) -> float:
        ink = self.binder
        water = vapour * (1.0 - ink.vapour_share) / ink.vapour_share
        pressure = water / 0.018 * 8.314 * AMBIENT
        return min((ambient + pressure) / vapour_pressure(AMBIENT), 1.0)

    # -- hard-wired limits --------------------------------------------------------------------

    def _arm(self) -> None:
        self._epoch += 1
        for course, level, clear, cause, text in (
            (self.trajectories["bed_temperature"], self.TRIP, self.TRIP - 20.0,
             SafetyChain.OVER_TEMPERATURE, "bed over-temperature"),
            (self._hood.trajectories["vapour"], self._hood.TRIP, self._hood.CLEAR,
             SafetyChain.FLAMMABLE_GAS, "solvent vapour"),
        ):
            assert isinstance(course, Polyline)
            opened = cause in self._chain.causes()
            due = _passes(course, clear if opened else level, self.now, rising=not opened)
            if due is not None:
                self.plant.run(self._limit(due, cause, not opened, text, self._epoch))

    def _limit(self, due: float, cause: int, opens: bool, text: str,
               epoch: int) -> Generator[Any, Any, None]:
        yield self.plant.env.at(due)
        if epoch == self._epoch:
            if opens:
                self.log("interlock", f"{text} above its limit")
            self._chain.switch(cause, opens=opens)
            self._arm()

    def hidden_state(self) -> dict[str, Any]:
        return {"printed": self.printed}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        self.printed = hidden["printed"]


def _passes(course: Polyline, level: float, now: float, *, rising: bool) -> float | None:
    """When a polyline first is beyond `level` from `now` on, if ever."""
    sign = 1.0 if rising else -1.0
    if sign * (course.at(now) - level) >= 0:
        return now
    for (t0, t1), (v0, v1) in zip(zip(course.times, course.times[1:], strict=False),
                                  zip(course.values, course.values[1:], strict=False),
                                  strict=False):
        if t1 > now and sign * (v1 - level) >= 0 > sign * (v0 - level):
            return max(t0 + (t1 - t0) * (level - v0) / (v1 - v0), now)
    return None

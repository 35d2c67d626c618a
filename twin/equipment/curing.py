"""Curing oven for the build box, and the depowdering station after it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from math import floor
from typing import Any

import numpy as np
import simpy

from twin.machine import AMBIENT, Equipment
from twin.physics.binder import cure_rate
from twin.signals import actuator, fault, measured
from twin.trajectory import Ramp, Relaxation

_GRID = 300.0  # s between two counts of the oven's power

__all__ = ["CuringOven", "Depowdering"]


class CuringOven(Equipment):
    """Air oven about the build box: its air follows the setpoint, the box lags behind by hours.

    Resin cures by the box's core temperature, to first order; the integral is brought forward at
    every change, with Simpson's rule over what lies between.
    """

    RESPONSE = 900.0  # s of the air, default
    CORE = 1_800.0  # s of the powder box behind the air, default
    POWER = 6_000.0  # W at full heat, default
    LOSS = 12.0  # W/K, default
    CAPACITY = 40_000.0  # J/K of box and powder, default
    PIECES = 400  # of an integration

    temperature = measured("degC", low=0, high=300, start=20, noise=0.2, quantum=0.1,
                           companion="Monitoring/Process/OvenTemperature", doc="oven air")
    box_temperature = measured("degC", low=0, high=300, start=20, noise=0.02, quantum=0.05,
                               doc="thermocouple in the middle of the build box")
    temperature_demand = actuator("degC", low=20, high=250, start=20,
                                  doc="setpoint of the oven's controller; 20 or less = off")
    inserted = actuator(bool, doc="the build box stands in the oven, with what was printed")
    heater_failure = fault("%", low=0, high=100, doc="share of the oven's heat that is missing")

    def __init__(self) -> None:
        super().__init__()
        self._uncured = 1.0
        self._since = 0.0
        self._epoch = 0

    def started(self) -> None:
        if not self.trajectories:
            self._anchor()
        elif self._heats:
            self._count()

    def driven(self, attribute: str) -> None:
        if attribute == "inserted" and self.inserted:
            self.fill()
        self._anchor()

    def tripped(self, power_lost: bool) -> None:
        self.temperature_demand = AMBIENT
        self._anchor()

    def fill(self) -> None:
        """A box of uncured parts is put in."""
        self._advance()
        self._uncured = 1.0
        self.settle("box_temperature", AMBIENT)

    @property
    def cured(self) -> float:
        """Degree of cure (0 to 1) now."""
        return 1.0 - self._uncured * self._factor(self.now)

    def _factor(self, until: float) -> float:
        """What is left uncured at `until` of what was at the last change."""
        course = self.trajectories.get("box_temperature")
        span = until - self._since
        if course is None or span <= 0:
            return 1.0
        times = np.linspace(self._since, until, self.PIECES + 1)
        rates = cure_rate(np.array([course.at(t) for t in times]))
        weights = np.ones(self.PIECES + 1)
        weights[1:-1:2], weights[2:-1:2] = 4.0, 2.0
        return float(np.exp(-span / self.PIECES / 3.0 * (weights @ rates)))

    def _advance(self) -> None:
        self._uncured *= self._factor(self.now)
        self._since = self.now

    def _anchor(self) -> None:
        self._advance()
        now = self.now
        self.sense(now)
        target = self._target
        self.follow("temperature", Relaxation(now, self.temperature, target, self.RESPONSE))
        self.follow("box_temperature", Relaxation(now, self.temperature, target, self.RESPONSE,
                                                  self.CORE, self.box_temperature))
        self._meter()

    @property
    def _target(self) -> float:
        wanted = max(self.temperature_demand, AMBIENT)
        return float(AMBIENT + (wanted - AMBIENT) * (1.0 - self.heater_failure))

    @property
    def _heats(self) -> bool:
        return self._target > AMBIENT

    def _meter(self) -> None:
        """Heater power until the next count: what the walls lose and what the box takes up."""
        now, power = self.now, 0.0
        due = _GRID * (floor(now / _GRID + 1e-9) + 1)
        if self._heats:
            air, box = (self.trajectories[name] for name in ("temperature", "box_temperature"))
            mean = (air.at(now) + 4.0 * air.at(0.5 * (now + due)) + air.at(due)) / 6.0
            power = self.LOSS * (mean - AMBIENT)
            power += self.CAPACITY * (box.at(due) - box.at(now)) / (due - now)
        # The air is slow enough that the heater is never short of power with a full box.
        self.draw(max(power, 0.0))
        if self._heats:
            self._count()

    def _count(self) -> None:
        self._epoch += 1
        due = _GRID * (floor(self.now / _GRID + 1e-9) + 1)
        self.plant.run(self._next(due, self._epoch))

    def _next(self, due: float, epoch: int) -> Generator[Any, Any, None]:
        yield self.plant.env.at(due)
        if epoch == self._epoch and self._heats:
            self._meter()

    def hidden_state(self) -> dict[str, Any]:
        return {"uncured": self._uncured, "since": self._since}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        self._uncured, self._since = hidden["uncured"], hidden["since"]


class Depowdering(Equipment):
    """Brush, vacuum and air: loose powder goes back to the supply, weak green parts break."""

    SUCTION = 1_500.0  # W, default
    AIR = 2e-8  # m3/s of compressed air (at ambient) per Pa at the jets, default

    progress = measured("%", low=0, high=100, quantum=0.1, doc="share of the depowdering done")
    recovered_powder = measured("kg", low=0, high=500, quantum=0.01,
                                doc="loose powder recovered from the last box")
    parts_sound = measured(int, low=0, high=10_000, doc="green parts found sound at inspection")
    parts_broken = measured(int, low=0, high=10_000,
                            companion="Monitoring/Health/PartsBroken",
                            doc="green parts found broken at inspection")
    done = measured(bool, doc="the box is empty and the parts are inspected")
    air_pressure = actuator("bar", low=0.2, high=6, start=1.5, doc="pressure of the air jets")
    duration = actuator("min", low=0.1, high=240, start=60, doc="time to take")
    start = actuator(bool, edge=True, doc="begin (rising edge)")

    def __init__(self, finished: Callable[[], tuple[float, int, int]]) -> None:
        """`finished` inspects: powder recovered (kg), parts sound, parts broken."""
        super().__init__()
        self._finished = finished
        self._work: simpy.Process | None = None
        self._left: float | None = None

    @property
    def busy(self) -> bool:
        """Whether it is under way."""
        return self._work is not None and self._work.is_alive

    def empty(self) -> None:
        """A new box is to come."""
        self.done, self._left = False, None
        self.settle("progress", 0.0)

    def driven(self, attribute: str) -> None:
        if attribute == "start" and self.start and not self.busy and self.plant.energised:
            self._work = self.plant.run(self._clean())

    def tripped(self, power_lost: bool) -> None:
        if self.busy:
            assert self._work is not None
            self._work.interrupt("safety chain")

    def _run(self, on: bool) -> None:
        """Suction and air jets on or off."""
        self.draw(self.SUCTION * on)
        self.take_gas(self.AIR * self.air_pressure * on)

    def _clean(self) -> Generator[Any, Any, None]:
        begun, whole = self.now, max(self.duration, 1.0)
        left = whole if self._left is None else self._left
        self.sense(begun)
        self.follow("progress", Ramp(begun, 1.0 - left / whole, 1.0, 1.0 / whole))
        self._run(True)
        try:
            yield self.plant.env.timeout(left)
        except simpy.Interrupt:
            self._left = left - (self.now - begun)
            self.sense(self.now)
            self.settle("progress", self.progress)
            self._run(False)
            return
        self.settle("progress", 1.0)
        self._run(False)
        self._left = 0.0
        self.recovered_powder, self.parts_sound, self.parts_broken = self._finished()
        self.done = True

    def hidden_state(self) -> dict[str, Any]:
        return {"left": self._left}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        self._left = hidden["left"]
        self._work = None

"""Laser and process optics of a deposition head: power, window, and the camera's pool regulator."""

from __future__ import annotations

from collections.abc import Callable, Generator
from math import inf, log
from typing import Any

import numpy as np
import numpy.typing as npt

from twin.equipment.services import SafetyChain
from twin.machine import Equipment
from twin.materials import Alloy
from twin.meltpool.laws import Laws
from twin.physics.deposition import PoolLaw, follow_width
from twin.signals import actuator, fault, measured
from twin.trajectory import Relaxation, Steps

__all__ = ["DepositionLaser", "PoolCamera"]

Floats = npt.NDArray[np.float64]

ROOM = 295.15
SECOND_RADIATION = 1.438777e-2  # m K


def _nothing() -> None:
    """Nobody wants to know."""


class DepositionLaser(Equipment):
    """A fibre or diode laser of some kilowatts with its fibre, optics and protective window.

    Power on the part = demand x (1 - drift) x window. The pick-off power meter sits before the
    window, so it is blind to a dirty one; the window warms by what it absorbs and scatters.
    """

    WINDOW = 0.985  # transmission of a clean window, default
    HEATING = 0.2  # K per W absorbed in the window, default
    WARMING = 40.0  # s, default
    SCATTER = (0.5, 60.0)  # %: scattered light of a clean window, and per loss of transmission
    DEPOSIT = 4e-10  # loss of transmission per J on the part, by fume and grains, default
    CUT_OUT = 358.15  # K: the thermal switch at the window opens the safety chain, default
    WALL_PLUG = 0.35  # electrical to optical, default
    REFLECTED = 0.02  # of what the part does not take up, back into the fibre, default

    power_meter = measured("W", low=0, high=12_000, noise=1.0, quantum=0.5,
                           companion="Monitoring/Process/{name}Power",
                           doc="laser power at the pick-off, before the window")
    power_ratio = measured("%", low=0, high=200, start=100, noise=0.05, quantum=0.1,
                           companion="Monitoring/Health/{name}PowerRatio",
                           doc="power at the pick-off over what the source was asked for")
    back_reflection = measured("W", low=0, high=1000, noise=0.2, quantum=0.1,
                               doc="power reflected back into the fibre")
    window_temperature = measured("degC", low=0, high=200, start=22, noise=0.1, quantum=0.1,
                                  companion="Monitoring/Health/{name}WindowTemperature",
                                  doc="protective window temperature")
    window_scatter = measured("%", low=0, high=100, noise=0.05, quantum=0.01,
                              companion="Monitoring/Health/{name}WindowScatter",
                              doc="light scattered by the protective window, of full scale")
    emitting = measured(bool, doc="laser emits")
    enable = actuator(bool, doc="laser gate: emission while the head deposits")
    power = actuator("W", low=0, high=10_000, doc="power demand for a pass")
    power_drift = fault("%", low=-50, high=50, doc="loss of source power that its own meter sees")
    contamination = fault("%", low=0, high=90, doc="further loss in the protective window")

    def __init__(self, chain: SafetyChain, changed: Callable[[], None] = _nothing) -> None:
        """`changed` is told when what reaches the part changes."""
        super().__init__()
        self._chain, self._changed = chain, changed
        self.deposit = 0.0
        self._mean = 0.0  # W at the window
        self._epoch = 0

    @property
    def transmission(self) -> float:
        """True transmission of the protective window."""
        through: float = self.WINDOW * (1 - self.contamination) * (1 - self.deposit)
        return through

    def demand(self, factor: float = 1.0) -> float:
        """What is asked of the source (W), by a pass that scales it."""
        on = self.enable and self.plant.energised
        return self.power * factor if on else 0.0

    def source(self, demand: Floats) -> Floats:
        """Power (W) at the pick-off."""
        found: Floats = demand * (1 - self.power_drift)
        return found

    def driven(self, attribute: str) -> None:
        if attribute == "contamination":
            self._warm()
        self.power_ratio = 1 - self.power_drift
        self._changed()

    def started(self) -> None:
        if not self.trajectories:
            self._warm()
        else:
            self._arm()

    def tripped(self, power_lost: bool) -> None:
        self.enable = False
        self.power = 0.0
        self.dark()

    def fouled(self, energy: float) -> None:
        """So much energy (J) has gone to the part; fume and grains settle on the window."""
        self.deposit = min(self.deposit + self.DEPOSIT * energy, 0.9)
        self._warm()

    def clean(self) -> None:
        """A new protective window."""
        self.deposit = 0.0
        self.contamination = 0.0
        self._warm()

    def show(self, begin: Floats, metered: Floats, absorptivity: float, mean: float) -> None:
        """The readings of a pass: power at the pick-off (n,) from `begin` (s), its mean (W)."""
        self.emitting = mean > 0
        self.follow("power_meter", Steps(begin, metered))
        back = self.REFLECTED * (1 - absorptivity) * self.transmission
        self.follow("back_reflection", Steps(begin, back * metered))
        if mean != self._mean:
            self._mean = mean
            self._warm()

    def dark(self) -> None:
        """No emission from now on."""
        self.emitting = False
        self.settle("power_meter", 0.0)
        self.settle("back_reflection", 0.0)
        if self._mean:
            self._mean = 0.0
            self._warm()

    def _warm(self) -> None:
        now = self.now
        self.sense(now)
        target = ROOM + self.HEATING * self._mean * (1 - self.transmission)
        self.follow("window_temperature",
                    Relaxation(now, self.window_temperature, target, self.WARMING))
        clean, rise = self.SCATTER
        self.window_scatter = (clean + rise * (1 - self.transmission / self.WINDOW)) / 100
        self.draw(self._mean / self.WALL_PLUG)
        self._arm()

    def _arm(self) -> None:
        self._epoch += 1
        course = self.trajectories.get("window_temperature")
        if isinstance(course, Relaxation):
            due = course.crossing(self.CUT_OUT)
            if due < inf:
                self.plant.run(self._switch(due, course.target > course.first, self._epoch))

    def _switch(self, due: float, opens: bool, epoch: int) -> Generator[Any, Any, None]:
        yield self.plant.env.at(due)
        if epoch == self._epoch:
            if opens:
                self.log("interlock", "protective window too hot")
            self._chain.switch(SafetyChain.OPTICS, opens=opens)

    def hidden_state(self) -> dict[str, Any]:
        return {"deposit": self.deposit, "mean": self._mean}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        self.deposit, self._mean = hidden["deposit"], hidden["mean"]


class PoolCamera(Equipment):
    """Coaxial camera and pyrometer, and the camera's own regulator of laser power by pool width.

    The regulator is a PI controller on the tick of the head, faster than any scan. It must not
    hide a fault: what it adds or takes is a reading, and so is that it is at its limit.
    """

    GAIN = (0.35, 1.2)  # proportional (per relative error) and integral (1/s), default
    WAVELENGTH = 1.3e-6  # m of the pyrometer, default
    SETTLE = 2.0  # of the pool's time constant: the regulator waits so long at a pass's start
    DIM = 0.15  # exponent by which a dim window makes the pool look narrower, default
    DARK = 773.15  # K: what the pyrometer shows when it sees nothing

    width = measured("mm", low=0, high=20, noise=0.01, quantum=0.005,
                     companion="Monitoring/Process/MeltPoolWidth",
                     doc="melt-pool width, coaxial camera; 0 without a pool")
    area = measured("mm2", low=0, high=400, noise=0.02, quantum=0.01,
                    companion="Monitoring/Process/MeltPoolArea",
                    doc="melt-pool area, coaxial camera")
    temperature = measured("degC", low=500, high=4000, start=500, noise=8, quantum=1,
                           companion="Monitoring/Process/MeltPoolTemperature",
                           doc="melt-pool temperature, single-colour pyrometer; dims with the "
                               "window")
    correction = measured("%", low=-100, high=100, quantum=0.1,
                          companion="Monitoring/Process/PowerCorrection",
                          doc="what the pool regulator adds to the power demand")
    saturated = measured(bool, doc="pool regulator at the limit of its authority")
    regulate = actuator(bool, doc="let the camera regulate laser power by pool width")
    width_demand = actuator("mm", low=0, high=20, doc="pool width that the regulator holds")
    authority = actuator("%", low=0, high=50, start=15, doc="most that the regulator may add or "
                         "take")

    def __init__(self, changed: Callable[[], None] = _nothing) -> None:
        super().__init__()
        self._changed = changed
        self.law: PoolLaw | None = None
        self.absorptivity = 0.3
        self._peak = (2000.0, 0.0)  # K at the working point, K/W
        self._shape = 1.3  # pool length over width

    def load(self, alloy: Alloy, power: float, speed: float, sigma: float,
             temperature: float) -> PoolLaw:
        """The pool about a working point (W on the part, m/s, m, K); `ValueError` without one."""
        self.law = PoolLaw.of(alloy, power, speed, sigma, temperature)
        pool = Laws().pools(alloy, power * np.array([0.9, 1.0, 1.1]), speed, sigma,
                            self.law.temperature)
        self.absorptivity = float(pool.absorptivity[1])
        slope = float(pool.peak_temperature[2] - pool.peak_temperature[0]) / (0.2 * power)
        self._peak = (float(pool.peak_temperature[1]), slope)
        self._shape = float(pool.length[1] / pool.width[1])
        return self.law

    def driven(self, attribute: str) -> None:
        self._changed()

    def march(self, laser: DepositionLaser, demand: float, speed: Floats, warm: Floats,
              step: Floats, width: float, integral: float,
              age: Floats, regulated: bool = True) -> tuple[Floats, Floats, Floats]:
        """Power asked for (n,), widths and regulator integrals at the ends of steps (n + 1,).

        `demand` before correction (W), `step` (s), the state at the beginning, `age` (n,) of the
        pass (s): while the pool is being made the regulator only keeps what it found before. A
        pass with a power of its own is not `regulated`.
        """
        law = self.law
        assert law is not None
        n, through = len(step), (1 - laser.power_drift) * laser.transmission
        if not (self.regulate and regulated) or demand <= 0 or self.width_demand <= 0:
            asked = np.full(n, demand)
            steady = law.steady(asked * through, speed, warm)
            return asked, follow_width(width, steady, step, law.tau), np.full(n + 1, integral)
        proportional, rate = self.GAIN
        limit, wanted = self.authority, self.width_demand
        seen = (laser.transmission / laser.WINDOW) ** self.DIM
        base = law.steady(demand * through, speed, warm).tolist()
        slope = law.by_power * through
        decay = np.exp(-step / law.tau).tolist()
        asked, widths, integrals = np.empty(n), np.empty(n + 1), np.empty(n + 1)
        widths[0], integrals[0] = width, integral
        made = (age > self.SETTLE * law.tau).tolist()
        for i, dt in enumerate(step.tolist()):
            if dt > 2 * law.tau:
                # A coarse grid sees only where the regulator comes to rest.
                share = (wanted / seen - base[i]) / (slope * demand)
                integral = share = min(max(share, -limit), limit)
                asked[i] = demand * (1 + share)
                target = max(base[i] + slope * demand * share, 0.0)
                width = target + (width - target) * decay[i]
                widths[i + 1], integrals[i + 1] = width, integral
                continue
            error = (wanted - width * seen) / wanted
            trial = integral + rate * error * dt
            share = proportional * error + trial
            if not made[i]:
                share = min(max(integral, -limit), limit)
            elif -limit <= share <= limit:
                integral = trial
            else:
                share = min(max(share, -limit), limit)
                integral = min(max(integral, -limit), limit)
            asked[i] = demand * (1 + share)
            target = max(base[i] + slope * demand * share, 0.0)
            width = target + (width - target) * decay[i]
            widths[i + 1], integrals[i + 1] = width, integral
        return asked, widths, integrals

    def peak(self, power: Floats) -> Floats:
        """True surface temperature of the pool (K) at powers on the part (W)."""
        law, (at, slope) = self.law, self._peak
        assert law is not None
        return np.maximum(at + slope * (power - law.power), self.DARK)

    def show(self, begin: Floats, widths: Floats, peak: Floats, correction: Floats,
             laser: DepositionLaser, age: Floats) -> None:
        """The readings of a pass: arrays (n,) from `begin` (s), its `age` (s)."""
        relative = laser.transmission / laser.WINDOW
        seen = widths * relative**self.DIM
        self.follow("width", Steps(begin, seen))
        self.follow("area", Steps(begin, np.pi / 4 * self._shape * seen**2))
        # Wien: what dims by a factor reads as cooler, 1/Tr = 1/T + lambda/c2 ln(1/tau).
        shift = self.WAVELENGTH / SECOND_RADIATION * -log(max(relative, 1e-6))
        self.follow("temperature", Steps(begin, 1 / (1 / peak + shift)))
        self.follow("correction", Steps(begin, correction))
        assert self.law is not None
        lasting = np.abs(correction[age > self.SETTLE * self.law.tau])
        # The start of a pass says nothing; the lamp is for what lasts.
        if len(lasting):
            self.saturated = bool(
                self.regulate and (lasting >= 0.98 * self.authority).mean() > 0.5)

    def dark(self) -> None:
        """No pool from now on; the lamp keeps what it showed last."""
        for name in ("width", "area", "correction"):
            self.settle(name, 0.0)
        self.settle("temperature", self.DARK)

"""Directed energy deposition: powder catchment, bead and pool, layer height, interpass temperature.

Pure functions of arrays that broadcast, SI units. What is a default is a usual value without a
checked publication.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log, sqrt

import numpy as np
import numpy.typing as npt
from scipy.signal import lfilter

from twin.materials import STEFAN_BOLTZMANN, Alloy
from twin.meltpool.laws import Laws

__all__ = [
    "PoolLaw",
    "PowderCone",
    "bead_area",
    "bead_height",
    "dilution",
    "dwell_until",
    "equilibrium_stand_off",
    "follow_width",
    "interpass_steady",
    "layer_height",
    "layer_slope",
    "loss_conductance",
    "mean_width",
    "melted_area",
    "thick_rise",
    "thin_rise",
]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PowderCone:
    """Coaxial powder jet of a nozzle: a waist at the powder focus, all figures default."""

    share: float = 0.9
    """Of the powder, what sticks where the pool catches all of it."""
    radius: float = 1.25e-3
    """1/e2 radius at the focus, m."""
    focus: float = 12e-3
    """Distance of the focus from the nozzle, m."""
    reach: float = 4e-3
    """Distance from the focus at which the radius has grown by sqrt(2), m."""

    def radius_at(self, stand_off: npt.ArrayLike) -> Floats:
        """Radius (m) at a distance from the nozzle (m): rp^2 = rp0^2 (1 + ((s - sf)/zR)^2)."""
        away = (np.asarray(stand_off, float) - self.focus) / self.reach
        return np.asarray(self.radius * np.sqrt(1 + away**2))

    def catchment(self, pool_radius: npt.ArrayLike, stand_off: npt.ArrayLike) -> Floats:
        """Share of the powder that is built in: eta0 [1 - exp(-2 (rm/rp)^2)].

        What of a Gaussian jet falls on a round pool of radius rm (m); that the place of the pool
        in the jet sets it, and so the layer height, is measured by Donadello et al. 2021, doi
        10.1016/j.optlaseng.2021.106817.
        """
        ratio = np.asarray(pool_radius, float) / self.radius_at(stand_off)
        return np.asarray(-self.share * np.expm1(-2 * ratio**2))

    def catchment_slope(self, pool_radius: npt.ArrayLike, stand_off: npt.ArrayLike) -> Floats:
        """Derivative of `catchment` by the stand-off, 1/m."""
        s = np.asarray(stand_off, float)
        x = 2 * (np.asarray(pool_radius, float) / self.radius_at(s)) ** 2
        away = (s - self.focus) / self.reach**2 / (1 + ((s - self.focus) / self.reach) ** 2)
        return np.asarray(-self.share * np.exp(-x) * x * 2 * away)


def bead_area(catchment: npt.ArrayLike, mass_rate: npt.ArrayLike, density: npt.ArrayLike,
              speed: npt.ArrayLike) -> Floats:
    """Cross-section (m2) of what is added: A = eta m/(rho v), conservation of mass.

    Rates in kg/s, density in kg/m3, speed in m/s.
    """
    rho_v = np.asarray(density, float) * np.asarray(speed, float)
    return np.asarray(np.asarray(catchment, float) * np.asarray(mass_rate, float) / rho_v)


def bead_height(area: npt.ArrayLike, width: npt.ArrayLike) -> Floats:
    """Height (m) of a bead with a parabola for its cross-section: A = 2/3 W H; 0 without width."""
    w = np.asarray(width, float)
    return np.asarray(np.where(w > 0, 1.5 * np.asarray(area, float) / np.where(w > 0, w, 1.0), 0.0))


def melted_area(absorbed: npt.ArrayLike, speed: npt.ArrayLike, alloy: Alloy,
                start: npt.ArrayLike, efficiency: float) -> Floats:
    """Cross-section (m2) melted: eta_m P/(v rho (cp dT + L)), energy balance (Swift-Hook, Gick).

    `absorbed` (W) and the share of it that melts; `start` (K) below the solidus. Swift-Hook and
    Gick 1973 give 0.48 as the upper limit of that share for a line source in a plate.
    """
    cold = np.minimum(np.asarray(start, float), alloy.solidus - 50.0)
    density, heat, _ = alloy.solid_means(cold)
    enthalpy = heat * (alloy.solidus - cold) + alloy.latent_fusion
    return np.asarray(efficiency * np.asarray(absorbed, float)
                      / (np.asarray(speed, float) * density * enthalpy))


def dilution(melted: npt.ArrayLike, added: npt.ArrayLike) -> Floats:
    """Share of a bead's metal that comes from below: Am/(Am + A), Am = melted - added.

    0 where all that is melted is what was added: no bond.
    """
    extra = np.asarray(added, float)
    below = np.maximum(np.asarray(melted, float) - extra, 0.0)
    total = below + extra
    return np.where(total > 0, below / np.where(total > 0, total, 1.0), 0.0)


@dataclass(frozen=True, slots=True)
class PoolLaw:
    """Width of the pool about a working point: tau dW/dt = -W + steady width.

    Steady W = W0 + K_P (P - P0) - K_v (v - v0) + K_T (T_ip - T0), not below 0.
    """

    width: float
    power: float
    speed: float
    temperature: float
    by_power: float
    """m/W."""
    by_speed: float
    """m per m/s, what a faster feed takes away."""
    by_temperature: float
    """m/K."""
    tau: float
    """s."""

    @classmethod
    def of(cls, alloy: Alloy, power: float, speed: float, sigma: float, temperature: float,
           tau: float | None = None) -> PoolLaw:
        """The law linearised about a working point of the closed-form level (`Laws`).

        Steps of 5 % in power and speed and of 50 K. Without `tau`: the time in which the head
        passes half a pool width. Raises ValueError if nothing melts there.
        """
        t = min(temperature, alloy.solidus - 160.0)
        pool = Laws().pools(alloy, power * np.array([1, 0.95, 1.05, 1, 1, 1, 1]),
                            speed * np.array([1, 1, 1, 0.95, 1.05, 1, 1]), sigma,
                            t + np.array([0, 0, 0, 0, 0, -50.0, 50.0]).clip(260.0 - t))
        w = pool.width
        if not w[0] > 0:
            raise ValueError(f"{power:g} W at {speed * 1e3:g} mm/s melts nothing of {alloy.name}")
        rise = float(w[2] - w[1]) / (0.1 * power), float(w[3] - w[4]) / (0.1 * speed)
        span = min(t - 260.0, 50.0) + 50.0
        return cls(float(w[0]), power, speed, t, rise[0], rise[1], float(w[6] - w[5]) / span,
                   0.5 * float(w[0]) / speed if tau is None else tau)

    def steady(self, power: npt.ArrayLike, speed: npt.ArrayLike,
               temperature: npt.ArrayLike) -> Floats:
        """Steady width (m) at power (W), speed (m/s) and interpass temperature (K)."""
        p, v, t = (np.asarray(given, float) for given in (power, speed, temperature))
        width = (self.width + self.by_power * (p - self.power) - self.by_speed * (v - self.speed)
                 + self.by_temperature * (t - self.temperature))
        # Below half the working width the line would overstate: there the width is in proportion
        # to the power, and nothing is molten without any.
        share = np.clip(p / (0.5 * self.power), 0.0, 1.0)
        return np.asarray(np.maximum(width, 0.0) * share)


def follow_width(first: float, steady: Floats, step: Floats, tau: float) -> Floats:
    """Width (n + 1,) at the ends of n steps (s) with a steady width (n,) each: exact for the law.

    W' = target + (W - target) exp(-step/tau), one after the other.
    """
    decay = np.exp(-step / tau)
    widths = np.empty(len(steady) + 1)
    widths[0] = first
    if len(steady) > 1 and float(np.ptp(decay[:-1])) == 0.0:
        d = float(decay[0])
        widths[1:], _ = lfilter([1 - d], [1, -d], steady, zi=[d * first])
        last = float(decay[-1])
        widths[-1] = steady[-1] + (widths[-2] - steady[-1]) * last
        return widths
    for i, (target, share) in enumerate(zip(steady.tolist(), decay.tolist(), strict=True)):
        widths[i + 1] = target + (widths[i] - target) * share
    return widths


def mean_width(widths: Floats, step: Floats, tau: float) -> Floats:
    """Means (n,) over n steps (s) of what `follow_width` gave (n + 1,): exact for the law."""
    lasting = np.maximum(step, 1e-9 * tau)
    fallen = -np.expm1(-lasting / tau)
    target = (widths[1:] - widths[:-1] * (1 - fallen)) / fallen
    return np.asarray(target + (widths[:-1] - target) * fallen * tau / lasting)


def layer_height(cone: PowderCone, pool_radius: npt.ArrayLike, stand_off: npt.ArrayLike,
                 mass_rate: float, density: float, speed: float, pitch: float) -> Floats:
    """Height (m) that beads `pitch` (m) apart add: h(s) = eta(s) m/(rho v pitch)."""
    area = bead_area(cone.catchment(pool_radius, stand_off), mass_rate, density, speed)
    return np.asarray(area / pitch)


def layer_slope(cone: PowderCone, pool_radius: npt.ArrayLike, stand_off: npt.ArrayLike,
                mass_rate: float, density: float, speed: float, pitch: float) -> Floats:
    """dh/ds of `layer_height`. The map s' = s + dz - h(s) is stable where 0 < dh/ds < 2.

    So the head must work inside the focus: there a surface that lies too low catches more.
    """
    slope = cone.catchment_slope(pool_radius, stand_off)
    return np.asarray(slope * mass_rate / (density * speed * pitch))


def equilibrium_stand_off(cone: PowderCone, pool_radius: float, mass_rate: float, density: float,
                          speed: float, pitch: float, step: float) -> tuple[float, float] | None:
    """Where h(s) = dz: stand-offs (m) inside and beyond the focus; None if no h is so large.

    From 1 - exp(-2 (rm/rp)^2) = q follows rp, and s = sf -+ zR sqrt(rp^2/rp0^2 - 1).
    """
    needed = step * density * speed * pitch / (mass_rate * cone.share)
    if not 0.0 < needed < 1.0:
        return None
    wide = 2 * pool_radius**2 / -log(1 - needed) / cone.radius**2
    if wide < 1.0:
        return None
    away = cone.reach * sqrt(wide - 1)
    return cone.focus - away, cone.focus + away


def thick_rise(line_energy: npt.ArrayLike, conductivity: npt.ArrayLike,
               after: npt.ArrayLike) -> Floats:
    """Temperature rise (K) on the path of a pass, `after` (s), in a thick body: q'/(2 pi k t).

    `line_energy` absorbed per length (J/m): instant line source on a half space (Rosenthal 1946;
    Carslaw and Jaeger 1959).
    """
    return np.asarray(np.asarray(line_energy, float)
                      / (2 * np.pi * np.asarray(conductivity, float) * np.asarray(after, float)))


def thin_rise(line_energy: npt.ArrayLike, thickness: npt.ArrayLike, alloy: Alloy,
              temperature: float, after: npt.ArrayLike) -> Floats:
    """The same on top of a thin wall (m): q'/(d rho c sqrt(pi a t)), instant plane source."""
    rho, c, k = (float(f(min(temperature, alloy.solidus))) for f in (
        alloy.density, alloy.specific_heat, alloy.conductivity))
    spread = np.sqrt(np.pi * k / (rho * c) * np.asarray(after, float))
    return np.asarray(np.asarray(line_energy, float)
                      / (np.asarray(thickness, float) * rho * c * spread))


def loss_conductance(temperature: float, ambient: float, area: float, transfer: float,
                     emissivity: float) -> float:
    """W/K by convection and radiation from an area (m2): h A + eps sigma A (T^2 + Ta^2)(T + Ta)."""
    radiation = emissivity * STEFAN_BOLTZMANN * (temperature**2 + ambient**2) * (
        temperature + ambient)
    return area * (transfer + radiation)


def interpass_steady(power: float, duty: float, conductance: float, ambient: float) -> float:
    """Mean temperature (K) a part tends to: C dT/dt = P duty - G (T - Ta) at rest."""
    return ambient + power * duty / conductance


def dwell_until(temperature: float, limit: float, ambient: float, tau: float) -> float:
    """Time (s) for a part to cool to `limit`: tau ln((T - Ta)/(limit - Ta)); 0 if it has.

    Raises ValueError for a limit not above the ambient temperature: it is never reached.
    """
    if limit <= ambient:
        raise ValueError(f"limit {limit:g} K: allowed above the ambient {ambient:g} K")
    if temperature <= limit:
        return 0.0
    return tau * log((temperature - ambient) / (limit - ambient))

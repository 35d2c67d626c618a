"""Debinding and sintering: master sintering curve, shrinkage, burn-off, sag, oxide, solidus."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import exp, log

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import exp1

from twin.materials import GAS_CONSTANT

__all__ = [
    "DebindKinetics",
    "MasterCurve",
    "Segment",
    "anisotropic_shrinkage",
    "burst_index",
    "drag_rate",
    "isotropic_shrinkage",
    "liquid_share",
    "oxide_dew_point",
    "oxidising",
    "sag_rate",
    "sintering_viscosity",
    "solidus_lowering",
    "thermal_work",
]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Segment:
    """A step of a thermal programme: go to `target` (K) at `rate` (K/s), stay for `hold` (s)."""

    target: float
    rate: float
    hold: float = 0.0


def thermal_work(start: float, end: float, duration: float, energy: float) -> float:
    """Part of Theta = int exp(-Q/RT)/T dt over `duration` (s) with T from `start` to `end` (K).

    Straight in time. With a = Q/R and slope b it is [E1(a/T2) - E1(a/T1)]/b exactly, E1 the
    exponential integral; Q = `energy` in J/mol (Su and Johnson, 1996, for Theta).
    """
    a = energy / GAS_CONSTANT
    if abs(end - start) < 1e-3:
        middle = 0.5 * (start + end)
        return duration * exp(-a / middle) / middle
    return float(duration * (exp1(a / end) - exp1(a / start)) / (end - start))


@dataclass(frozen=True)
class MasterCurve:
    """Relative density as a function of thermal work alone, whatever the path of T(t).

    rho = rho0 + (1 - rho0) / (1 + exp(-n (ln Theta - c))) (Su and Johnson, 1996). Above `branch`
    (K) the activation energy is `energy`; below it `low_energy` if that is given, the two rates
    meeting there. Constants of 316L: see `MasterCurve.steel_316l`.
    """

    energy: float
    slope: float
    centre: float
    """ln of Theta in s/K at half of the densification."""
    green: float = 0.55
    """Relative density before sintering that the curve was fitted at."""
    low_energy: float | None = None
    branch: float = 1573.15

    @classmethod
    def steel_316l(cls) -> MasterCurve:
        """Fitted to 85.0 % at 1300 degC (10 K/min) and 96.4 % at 1370 degC (5 K/min).

        Densities: Cabo Rios et al. (2022); a hold of 1 h and a green density of 0.55 are assumed.
        """
        return cls(energy=500e3, slope=1.056, centre=-38.0)

    @classmethod
    def fitted(
        cls,
        points: Sequence[tuple[Segment, float]],
        energy: float,
        green: float = 0.55,
        low_energy: float | None = None,
        start: float = 293.15,
    ) -> MasterCurve:
        """The curve through two densities, each after one segment from `start` (K)."""
        trial = cls(energy, 1.0, 0.0, green, low_energy)
        (x1, y1), (x2, y2) = (
            (log(trial.work([segment], start)), log((rho - green) / (1.0 - rho)))
            for segment, rho in points
        )
        slope = (y2 - y1) / (x2 - x1)
        return replace(trial, slope=slope, centre=x1 - y1 / slope)

    def increment(self, start: float, end: float, duration: float) -> float:
        """Theta (s/K) gained in `duration` (s) while T goes straight from `start` to `end` (K)."""
        if self.low_energy is None or min(start, end) >= self.branch:
            return thermal_work(start, end, duration, self.energy)
        joined = exp((self.low_energy - self.energy) / (GAS_CONSTANT * self.branch))
        if max(start, end) <= self.branch:
            return joined * thermal_work(start, end, duration, self.low_energy)
        share = (self.branch - start) / (end - start)
        first = self.increment(start, self.branch, share * duration)
        return first + self.increment(self.branch, end, (1.0 - share) * duration)

    def work(self, programme: Sequence[Segment], start: float = 293.15) -> float:
        """Theta (s/K) of a programme that begins at `start` (K)."""
        total, at = 0.0, start
        for segment in programme:
            if segment.target != at:
                duration = abs(segment.target - at) / segment.rate
                total += self.increment(at, segment.target, duration)
            if segment.hold > 0:
                total += self.increment(segment.target, segment.target, segment.hold)
            at = segment.target
        return total

    def density(self, work: float, green: float | None = None) -> float:
        """Relative density after thermal `work` (s/K) of a part that was `green` before.

        A green density other than the fitted one keeps the share of its pores that is closed.
        """
        begin = self.green if green is None else green
        if work <= 0:
            return begin
        x = -self.slope * (log(work) - self.centre)
        share = 1.0 / (1.0 + exp(min(x, 700.0)))
        return begin + (1.0 - begin) * share


def isotropic_shrinkage(green: float, sintered: float) -> float:
    """Linear shrinkage 1 - (rho_g / rho_s)^(1/3) from relative densities, mass kept."""
    return float(1.0 - (green / sintered) ** (1.0 / 3.0))


def anisotropic_shrinkage(
    green: float, sintered: float, ratio: float = 1.15
) -> tuple[float, float]:
    """Linear shrinkage in the layer plane and along the build direction.

    (1 - s)^2 (1 - ratio s) = rho_g / rho_s; the usual ratio 1.15 is the "about 15 % larger along
    the building direction" of Cabo Rios et al. (2022).
    """
    def left(s: float) -> float:
        return (1.0 - s) ** 2 * (1.0 - ratio * s) - green / sintered

    if green >= sintered:
        return 0.0, 0.0
    plane = float(brentq(left, 0.0, 0.999 / ratio, xtol=1e-14))
    return plane, ratio * plane


# -- debinding ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class DebindKinetics:
    """Burn-off of a resin in two parallel first-order reactions, and the char it leaves.

    dX/dt = -k X, k = k_ref exp(-E/R (1/T - 1/T_ref)). All constants are defaults: a resin that is
    half gone near 330 and 430 degC at 5 K/min.
    """

    shares: tuple[float, float] = (0.6, 0.4)
    energies: tuple[float, float] = (120e3, 180e3)
    rates: tuple[float, float] = (6.0e-4, 6.0e-4)
    """1/s at the reference temperatures."""
    references: tuple[float, float] = (573.15, 673.15)
    char: tuple[float, float, float] = (0.012, 0.05, 0.004)
    """Mass share of the resin that stays as carbon when it goes in hydrogen, in inert gas, in
    air."""
    trapped: float = 0.4
    """Share that stays as carbon of resin still there when pores begin to close (900 degC)."""
    closing: float = 1173.15

    def rate(self, temperature: float) -> tuple[float, float]:
        """Rates (1/s) of the two reactions at `temperature` (K)."""
        first, second = (
            min(k * exp(-e / GAS_CONSTANT * (1.0 / temperature - 1.0 / t)), 1e3)
            for k, e, t in zip(self.rates, self.energies, self.references, strict=True)
        )
        return first, second

    def step(
        self, left: tuple[float, float], temperature: float, duration: float
    ) -> tuple[float, float]:
        """What is left of both shares after `duration` (s) at `temperature` (K)."""
        first, second = self.rate(temperature)
        return left[0] * exp(-first * duration), left[1] * exp(-second * duration)

    def carbon_yield(self, hydrogen: float, oxygen: float) -> float:
        """Mass share of burnt-off resin that stays as carbon in a gas with these fractions."""
        reducing, inert, burning = self.char
        base = inert + (reducing - inert) * min(hydrogen / 0.3, 1.0)
        return base + (burning - base) * min(oxygen / 0.05, 1.0)


def burst_index(gas_rate: float, thickness: float, limit: float = 1.5e-7) -> float:
    """How near the gas of burning resin comes to lifting the powder apart; above 1 it cracks.

    Pressure inside a wall rises as gas rate x thickness^2 (Darcy flow out of a slab, German,
    1987). gas_rate: share of the resin per second; thickness of the wall m; limit in m2/s, a
    default at which a wall of 10 mm stands the loss of 0.15 % of its resin per second.
    """
    return gas_rate * thickness**2 / limit


# -- shape ----------------------------------------------------------------------------------------


def sintering_viscosity(
    temperature: float,
    density: float,
    liquid: float = 0.0,
    at: tuple[float, float] = (1643.15, 6.0e9),
    energy: float = 310e3,
) -> float:
    """Uniaxial viscosity (Pa s) of a sintering skeleton.

    Arrhenius about `at` (K, Pa s; default for 316L), times rho^3 / (3 - 2 rho) for the pores
    (Bordia and Scherer, 1988), and a thousandfold softer per 15 % of `liquid` (share) at the
    grain boundaries (default, after German, 1997, on slumping in supersolidus sintering).
    """
    reference, value = at
    solid = value * exp(energy / GAS_CONSTANT * (1.0 / temperature - 1.0 / reference))
    pores = density**3 / (3.0 - 2.0 * density)
    return max(float(solid * pores * 10.0 ** (-20.0 * liquid)), 1e4)


def sag_rate(density: float, span: float, height: float, viscosity: float) -> float:
    """Speed (m/s) at which the middle of an unsupported span sinks under its weight.

    (5/32) rho g L^4 / (eta H^2): the elastic deflection of a beam on two supports with E replaced
    by the uniaxial viscosity. density kg/m3, span and height m, viscosity Pa s.
    """
    return 5.0 / 32.0 * density * 9.81 * span**4 / (viscosity * height**2)


def drag_rate(density: float, length: float, viscosity: float, friction: float = 0.3) -> float:
    """Strain rate (1/s) by which friction on the setter holds the base back.

    Mean stress mu rho g L / 2 in the lowest layer over the uniaxial viscosity; `friction` of a
    part on ceramic is a default. density kg/m3, length m, viscosity Pa s.
    """
    return friction * density * 9.81 * length / 2.0 / viscosity


# -- atmosphere and carbon ------------------------------------------------------------------------


def solidus_lowering(carbon: float, slope: float = 8.0e4) -> float:
    """By how much (K) carbon (mass fraction above the alloy's own) lowers the solidus.

    `slope` is a default: 80 K per 0.1 % of carbon in an austenitic steel.
    """
    return slope * max(carbon, 0.0)


def liquid_share(temperature: float, solidus: float, liquidus: float) -> float:
    """Mass share of liquid between solidus and liquidus (K), straight in temperature."""
    return float(np.clip((temperature - solidus) / max(liquidus - solidus, 1.0), 0.0, 1.0))


def oxide_dew_point(temperature: float, hydrogen: float = 1.0, activity: float = 1.0) -> float:
    """Water vapour pressure (Pa) at which chromium and its oxide are in balance at 1 atm.

    4/3 Cr + O2 = 2/3 Cr2O3 and 2 H2 + O2 = 2 H2O with Gibbs energies -746.8 + 0.1703 T and
    -494.5 + 0.1117 T kJ per mol O2 (Kubaschewski and Alcock, 1979, rounded). hydrogen: its mole
    fraction; activity of chromium in the alloy. Wetter gas oxidises.
    """
    chromium = -746_840.0 + 170.29 * temperature
    chromium -= 4.0 / 3.0 * GAS_CONSTANT * temperature * log(activity)
    water = -494_500.0 + 111.7 * temperature
    ratio = exp((chromium - water) / (2.0 * GAS_CONSTANT * temperature))
    return ratio * hydrogen * 101_325.0


def oxidising(temperature: float, vapour: float, hydrogen: float, oxygen: float) -> float:
    """0 where the gas reduces chromium oxide, to 1 where it oxidises fast.

    From the ratio of water vapour (Pa) to the pressure in balance with the oxide at chromium
    activity 0.2 (default), logarithmic over one decade, and from free oxygen (mole fraction)
    over 10 to 10 000 ppm; below 900 K steel does not oxidise enough to matter (default).
    """
    if temperature < 900.0:
        return 0.0
    by_oxygen = np.clip((log(max(oxygen, 1e-9)) - log(1e-5)) / log(1e3), 0.0, 1.0)
    if hydrogen < 1e-3:
        return float(by_oxygen)
    balance = oxide_dew_point(temperature, hydrogen, 0.2)
    by_water = np.clip(log(max(vapour, 1e-6) / balance) / log(10.0), 0.0, 1.0)
    return float(max(by_oxygen, by_water))


"""Plasma rotating electrode: drop size and mode, melt rate, face of the rod, shape and oxygen.

A rod turns about its axis, an arc melts its end face and the melt leaves the rim as drops.
Speeds are angular, rad/s, unless said otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from itertools import pairwise
from math import exp, log, pi, sqrt
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from twin.materials import STEFAN_BOLTZMANN, Alloy
from twin.powder.sizes import CENTRES

__all__ = [
    "ChampagneAngers",
    "Mode",
    "arc_efficiency",
    "burn_rate",
    "face_temperature",
    "force_balance",
    "formation_mode",
    "heat_up_time",
    "hinze_milborn",
    "hollow_share",
    "irregular_share",
    "melt_density",
    "melt_enthalpy",
    "melt_rate",
    "oxide_oxygen",
    "peeled_sizes",
    "radiated",
    "satellite_share",
    "settling_time",
    "spread",
]

Array = npt.NDArray[np.float64]

FLUX_DEPTH: Final = 150e-6
"""m of melt that the arc's heat passes on the wavy, moving end face, default."""
SPREADS: Final = (1.3, 1.5, 1.8)
"""Geometric standard deviation of direct drops, ligaments and films, default."""
MODE_LIMITS: Final = (0.07, 1.33)
"""Hinze and Milborn's number where ligaments and where films begin; the first two regimes are
those of Champagne and Angers, the figures default."""
BLENDING: Final = 0.35
"""Width in ln Hi over which one mode gives way to the next, default."""
PEEL: Final = 0.5
"""Share of what leaves a face that is not yet hot through that is torn off half solid, default."""
STEADY_PEEL: Final = 0.004
"""The same of a face in steady state: cracks, inclusions, the rim, default; 0.5 % is the most
that was seen with a nickel alloy (Wang et al. 2021)."""
OXIDE: Final = 4e-9
"""m of oxide that grows on a drop in clean gas, default."""
OXIDE_DENSITY: Final = 4230.0
"""kg/m3, titanium dioxide; other oxides differ by less than the thickness is known, default."""
OXYGEN_IN_OXIDE: Final = 0.40
"""Mass share of oxygen in titanium dioxide."""
OXIDE_PER_OXYGEN: Final = 60e-6
"""Mole fraction of oxygen in the gas that doubles the oxide, default."""
HOLLOW: Final = 5e-4
"""Share of hollow grains at 100 um: very few with this process, default."""


def force_balance(tension: float, density: float, diameter: float, omega: float) -> float:
    """Drop diameter (m) at which centrifugal force equals surface tension at the rim.

    d = sqrt(12 sigma / (rho D)) / omega: tension N/m, density of the melt kg/m3, rod diameter m,
    rad/s. ValueError unless all are above 0. Hinze and Milborn 1950 for a spinning cup.
    """
    if not min(tension, density, diameter, omega) > 0.0:
        raise ValueError("tension, density, diameter and speed must be above 0")
    return sqrt(12.0 * tension / (density * diameter)) / omega


@dataclass(frozen=True)
class ChampagneAngers:
    """Correlation of Champagne and Angers (1984) for the mass median, one factor per material.

    d50 = K sigma^a Q^b / (D^c rho^a omega^e), SI; other exponents have been printed too.
    """

    factor: float = 5.27
    tension: float = 0.43
    rate: float = 0.12
    diameter: float = 0.64
    speed: float = 0.98

    def size(self, tension: float, density: float, diameter: float, omega: float,
             rate: float) -> float:
        """Mass median (m) at a melt rate of ``rate`` m3/s, the rest as in `force_balance`."""
        if not min(tension, density, diameter, omega, rate) > 0.0:
            raise ValueError("tension, density, diameter, speed and rate must be above 0")
        material = (tension / density) ** self.tension
        return float(self.factor * material * rate**self.rate
                     / (diameter**self.diameter * omega**self.speed))


class Mode(IntEnum):
    """How the melt leaves the rim."""

    DIRECT_DROP = 0
    LIGAMENT = 1
    FILM = 2


def hinze_milborn(rate: float, density: float, viscosity: float, tension: float, diameter: float,
                  omega: float) -> float:
    """Number that tells drops from ligaments from films at the rim; 0 without melt.

    Hi = Q rho^0.71 eta^0.17 omega^0.6 / (D^0.68 sigma^0.88): melt rate m3/s, kg/m3, Pa s, N/m, m,
    rad/s (Hinze and Milborn 1950; Champagne and Angers 1984).
    """
    if not min(density, viscosity, tension, diameter) > 0.0 or rate < 0.0 or omega < 0.0:
        raise ValueError("properties must be above 0, rate and speed not below 0")
    return float(rate * density**0.71 * viscosity**0.17 * omega**0.6
                 / (diameter**0.68 * tension**0.88))


def formation_mode(number: float) -> Mode:
    """The mode of a Hinze-Milborn number."""
    ligament, film = MODE_LIMITS
    return Mode((number >= ligament) + (number >= film))


def spread(number: float, vibration: float = 0.0) -> float:
    """Geometric standard deviation of the drops; it does not depend on the speed itself.

    One mode gives way to the next about its limit. ``vibration`` (m/s, rms) of the rotor shakes
    the rim, which adds to the variance of ln d: default. That the spread is independent of speed:
    Liu et al. 2020, doi 10.1016/j.pnsc.2019.12.004.
    """
    place = log(max(number, 1e-6))
    width = log(SPREADS[0])
    for limit, (thin, wide) in zip(MODE_LIMITS, pairwise(SPREADS), strict=True):
        width += log(wide / thin) / (1.0 + exp(-(place - log(limit)) / BLENDING))
    return exp(sqrt(width**2 + (40.0 * vibration) ** 2))


def melt_density(alloy: Alloy) -> float:
    """Density (kg/m3) of the melt at its liquidus."""
    return _melt(alloy).density


def melt_enthalpy(alloy: Alloy, start: float, superheat: float) -> float:
    """Heat (J/kg) to bring a metal from ``start`` (K) to ``superheat`` K over its liquidus.

    The specific heat above it is that at the liquidus.
    """
    return _heat_to_melt(alloy, start) + _melt(alloy).heat * superheat


class _Melt(NamedTuple):
    """Properties at the liquidus, and the density at room temperature."""

    density: float
    heat: float
    conductivity: float
    solid: float


@lru_cache(maxsize=64)
def _melt(alloy: Alloy) -> _Melt:
    hot = alloy.liquidus
    return _Melt(float(alloy.density(hot)), float(alloy.specific_heat(hot)),
                 float(alloy.conductivity(hot)), float(alloy.density(293.15)))


@lru_cache(maxsize=256)
def _heat_to_melt(alloy: Alloy, start: float) -> float:
    warming = float(alloy.specific_heat.mean(start, alloy.liquidus)) * (alloy.liquidus - start)
    return warming + alloy.latent_fusion


@lru_cache(maxsize=256)
def _solid(alloy: Alloy, start: float) -> tuple[float, float, float]:
    density, heat, conductivity = (float(mean) for mean in alloy.solid_means(start))
    return density, heat, conductivity


def melt_rate(power: float, efficiency: float, alloy: Alloy, start: float,
              superheat: float) -> float:
    """Melt (kg/s) that an arc of ``power`` (W) makes of a rod at ``start`` (K): energy balance.

    m = eta P / (cp (Tm - T0 + dT) + L). ValueError for a negative power or an efficiency above 1.
    """
    if power < 0.0 or not 0.0 <= efficiency <= 1.0:
        raise ValueError(f"power {power:g} W, efficiency {efficiency:g}: out of range")
    return efficiency * power / melt_enthalpy(alloy, start, superheat)


def radiated(alloy: Alloy, temperature: float, diameter: float) -> float:
    """Heat (W) that a round face of ``diameter`` (m) at ``temperature`` (K) radiates."""
    area = pi / 4.0 * diameter**2
    return alloy.emissivity * STEFAN_BOLTZMANN * area * temperature**4


def burn_rate(melt: float, alloy: Alloy, diameter: float) -> float:
    """Speed (m/s) at which a rod of ``diameter`` (m) shortens at a melt rate (kg/s)."""
    return melt / (_melt(alloy).solid * pi / 4.0 * diameter**2)


def face_temperature(alloy: Alloy, power: float, diameter: float) -> float:
    """Temperature (K) of a face in steady state that takes up ``power`` (W), below boiling.

    Liquidus and the drop over the melt, flux times depth over conductivity of the melt.
    """
    flux = power / (pi / 4.0 * diameter**2)
    rise = flux * FLUX_DEPTH / _melt(alloy).conductivity
    return float(min(alloy.liquidus + rise, 0.95 * alloy.boiling))


def heat_up_time(alloy: Alloy, power: float, diameter: float, start: float) -> float:
    """Time (s) until a cold face begins to melt under a constant flux.

    Half-space: t = pi k rho c (Ts - T0)^2 / (4 q^2), Carslaw and Jaeger 1959. ``power`` W taken
    up by the face; infinite without any.
    """
    flux = power / (pi / 4.0 * diameter**2)
    if flux <= 0.0:
        return float("inf")
    density, heat, conductivity = _solid(alloy, start)
    return (pi * conductivity * density * heat * (alloy.solidus - start) ** 2 / (4.0 * flux**2))


def settling_time(alloy: Alloy, burn: float, start: float) -> float:
    """Time (s) in which the thermal layer of a face that burns off at ``burn`` (m/s) settles.

    a / v^2, of the steady profile exp(-v x / a) ahead of a moving front (Rosenthal 1946); at most
    300 s.
    """
    density, heat, conductivity = _solid(alloy, start)
    diffusivity = conductivity / (density * heat)
    return min(diffusivity / max(burn, 1e-9) ** 2, 300.0)


def arc_efficiency(best: float, gap: float, usual: float) -> float:
    """Share of an arc's power that the rod takes up; a longer arc loses more, default.

    ``best`` at the usual gap (m); the excess of the column goes to gas and walls.
    """
    return best / (1.0 + 0.25 * max(gap - usual, 0.0) / usual)


def irregular_share(diameters: npt.ArrayLike, critical: float) -> Array:
    """Share of grains that are not spherical, by size (m, any shape), of melt that is hot through.

    What is above the alloy's critical size is torn off half solid more and more often: 1 % at it,
    90 % at twice the size, default.
    """
    d = np.asarray(diameters, float)
    steepness = (log(9.0) + log(99.0)) / log(2.0)
    return np.asarray(1.0 / (1.0 + 99.0 * (critical / d) ** steepness))


def peeled_sizes(critical: float) -> tuple[float, float]:
    """Mass median (m) and spread of what is torn off half solid: above the critical size."""
    return 1.6 * critical, 1.35


def hollow_share(diameters: npt.ArrayLike) -> Array:
    """Share of hollow grains by size (m, any shape): p = p100 (d / 100 um)^2, default."""
    d = np.asarray(diameters, float)
    return np.asarray(np.minimum(HOLLOW * (d / 100e-6) ** 2, 1.0))


def satellite_share(fines: float) -> float:
    """Share of grains with satellites of a stream with ``fines`` (mass share below 30 um).

    All drops fly outwards at one speed and seldom meet, default.
    """
    return min(0.002 + 0.15 * fines, 1.0)


def oxide_oxygen(density: float, oxygen: float = 0.0, diameters: npt.ArrayLike = CENTRES) -> Array:
    """Mass fraction of oxygen that drops take up as a skin of oxide, by diameter (m).

    (6 / d) delta rho_ox w_O / rho; the skin ``delta`` is thicker in gas with ``oxygen`` (mole
    fraction). ``density`` of the metal kg/m3.
    """
    skin = OXIDE * (1.0 + oxygen / OXIDE_PER_OXYGEN)
    d = np.asarray(diameters, float)
    return np.asarray(6.0 / d * skin * OXIDE_DENSITY * OXYGEN_IN_OXIDE / density)

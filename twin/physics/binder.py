"""Binder jetting: drops into powder, capillary penetration, drying, cure, the green part."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, exp, expm1, pi, sqrt
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq

from twin.materials import GAS_CONSTANT, STEFAN_BOLTZMANN

__all__ = [
    "WATER",
    "Binder",
    "bleed_width",
    "cure_rate",
    "drop_diameter",
    "drop_volume_for",
    "drying_flux",
    "effective_saturation",
    "equilibrium_saturation",
    "green_strength",
    "line_forms",
    "line_spacing_limit",
    "packing_for",
    "penetration_depth",
    "penetration_time",
    "pore_radius",
    "rupture_probability",
    "saturation",
    "surface_temperature",
    "vapour_pressure",
]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Binder:
    """An ink: a resin in a volatile carrier. Figures without a source are defaults."""

    density: float = 1050.0
    """kg/m3, default."""
    viscosity: float = 8e-3
    """Pa s at the head's temperature, default."""
    surface_tension: float = 0.035
    """N/m, default."""
    contact_angle: float = 0.6
    """rad on the powder, default."""
    resin: float = 0.12
    """Mass share of resin that stays after drying, default."""
    vapour_share: float = 0.25
    """Share of the vapour that burns (alcohol or glycol ether in water), default."""
    flammable_limit: float = 0.05
    """Lower explosive limit of that share, kg/m3 of air, default (some 2 to 3 % by volume)."""
    molar_mass: float = 0.018
    """kg/mol of the carrier: water."""
    latent_heat: float = 2.4e6
    """J/kg of the carrier, water near 50 degC."""


WATER = Binder(density=998.0, viscosity=1e-3, surface_tension=0.0727, contact_angle=0.0, resin=0.0,
               latent_heat=2.45e6)


def saturation(volume: float, packing: float, dx: float, dy: float, dz: float) -> float:
    """Share of the pores that a drop fills in its voxel.

    S = V / [(1 - PR) dx dy dz] with `volume` (m3) of the drop, `packing` PR of the bed (0 to 1) and
    the spacings of drops and layers (m); 1 is full (Miyanaji et al., 2016).
    """
    return volume / ((1.0 - packing) * dx * dy * dz)


def packing_for(volume: float, filled: float, dx: float, dy: float, dz: float) -> float:
    """Packing of the bed at which a drop (m3) fills the share `filled` of its voxel's pores.

    Inverse of `saturation`; below 0 if the drop is too large for that.
    """
    return 1.0 - volume / (filled * dx * dy * dz)


def drop_volume_for(filled: float, packing: float, dx: float, dy: float, dz: float) -> float:
    """Drop (m3) that fills the share `filled` of its voxel's pores; inverse of `saturation`."""
    return filled * (1.0 - packing) * dx * dy * dz


def drop_diameter(volume: float) -> float:
    """Diameter (m) of a spherical drop of `volume` (m3)."""
    return float((6.0 * volume / pi) ** (1.0 / 3.0))


def pore_radius(grain: float, packing: float) -> float:
    """Effective capillary radius (m) between grains of surface-mean diameter `grain` (m).

    Twice the hydraulic radius of the packing, (1 - PR) d / (3 PR) (Kozeny, 1927).
    """
    return (1.0 - packing) * grain / (3.0 * packing)


def penetration_depth(time: float, radius: float, binder: Binder) -> float:
    """Depth (m) that binder reaches in `time` (s) from a free supply in pores of `radius` (m).

    z = sqrt(r gamma cos(theta) t / (2 mu)) (Washburn, 1921).
    """
    pull = radius * binder.surface_tension * cos(binder.contact_angle)
    return sqrt(pull * time / (2.0 * binder.viscosity))


def penetration_time(depth: float, radius: float, binder: Binder) -> float:
    """Time (s) to reach `depth` (m); inverse of `penetration_depth`."""
    pull = radius * binder.surface_tension * cos(binder.contact_angle)
    return 2.0 * binder.viscosity * depth**2 / pull


def line_spacing_limit(volume: float, interval: float, radius: float, binder: Binder) -> float:
    """Largest spacing (m) at which drops of `volume` (m3) still join to a line.

    A drop reaches its neighbour by its own width and by wicking between two arrivals (`interval`,
    s), so the limit grows with the root of the interval, as Colton and Crane (2021) measured.
    """
    return drop_diameter(volume) + penetration_depth(interval, radius, binder)


def line_forms(
    volume: float, spacing: float, interval: float, radius: float, binder: Binder
) -> bool:
    """Whether drops at `spacing` (m), `interval` (s) apart, join to a line without a gap."""
    return spacing <= line_spacing_limit(volume, interval, radius, binder)


def equilibrium_saturation(grain: float, packing: float, binder: Binder) -> float:
    """Saturation at which the powder around holds back as much as the printed region pulls.

    Capillary pressure over the height of a layer's neighbourhood: fine, dense, well wetted powder
    holds more. Default curve through 0.7 at 12 um, packing 0.55 and the default binder; Leverett
    scaling of the pressure (Leverett, 1941) with exponent 0.1 (default).
    """
    pull = binder.surface_tension * cos(binder.contact_angle) / pore_radius(grain, packing)
    reference = Binder()
    usual = reference.surface_tension * cos(reference.contact_angle) / pore_radius(12e-6, 0.55)
    return float(min(0.95, 0.7 * (pull / usual) ** 0.1))


_IMPACT = 60.0  # Weber number from which a drop throws powder up, default
_SCATTER = 0.1  # loss of saturation per multiple of it, default


def effective_saturation(
    asked: float, volume: float, velocity: float, spacing: float, binder: Binder
) -> float:
    """Saturation that drops really give where the recipe asks for `asked`.

    Fast large drops dig into the bed and drops far apart wet more powder each, so both lower it
    (Colton and Crane, 2021, who saw no effect of velocity on drops of 29 to 65 pL); the two
    constants are defaults. volume m3, velocity m/s, spacing m.
    """
    size = drop_diameter(volume)
    weber = binder.density * velocity**2 * size / binder.surface_tension
    dug = 1.0 + _SCATTER * max(weber / _IMPACT - 1.0, 0.0)
    apart = 1.0 + 0.15 * max(spacing / size - 1.5, 0.0)
    return asked / (dug * apart)


def bleed_width(filled: float | Floats, held: float, reach: float) -> Any:
    """How far (m) binder creeps out of a region filled to `filled` where `held` is in balance.

    The excess of a strip as wide as wicking can empty until the bed is dry (`reach`, m) fills
    powder outside to the same balance: w = (S / S_eq - 1) reach, at least 0.
    """
    return np.maximum(np.asarray(filled) / held - 1.0, 0.0) * reach


# -- drying ---------------------------------------------------------------------------------------

_DIFFUSIVITY = 2.55e-5  # m2/s of water vapour in air at 298 K (Massman, 1998)
_THERMAL = 2.25e-5  # m2/s of air at 300 K
_AIR = 1.177 * 1007.0  # J/(m3 K) of air at 300 K
_LEWIS = float((_DIFFUSIVITY / _THERMAL) ** (2.0 / 3.0))


def vapour_pressure(temperature: float) -> float:
    """Saturation pressure (Pa) of water at `temperature` (K), Magnus form (Sonntag, 1990)."""
    celsius = temperature - 273.15
    return 611.2 * exp(17.62 * celsius / (243.12 + celsius))




def drying_flux(
    temperature: float, partial_pressure: float, transfer: float, binder: Binder
) -> float:
    """Vapour (kg/(m2 s)) that leaves wet powder: dm/dt = k A (p_sat(T) - p).

    k follows from the heat transfer coefficient `transfer` (W/(m2 K)) by the Lewis relation
    (Chilton and Colburn, 1934), so it is no free constant. `temperature` of the surface K,
    `partial_pressure` of the vapour in the room Pa. Negative: it condenses.
    """
    speed = transfer / _AIR * _LEWIS  # m/s
    k = speed * binder.molar_mass / (GAS_CONSTANT * temperature)
    return k * (vapour_pressure(temperature) - partial_pressure)


def surface_temperature(
    ambient: float,
    partial_pressure: float,
    transfer: float,
    binder: Binder,
    irradiance: float = 0.0,
    emissivity: float = 0.0,
    wet: float = 1.0,
) -> float:
    """Steady temperature (K) of a surface under a lamp that is wet over the share `wet`.

    h (T - T_a) + eps sigma (T^4 - T_a^4) + L k (p_sat - p) wet = irradiance. Without lamp and
    radiation it is the wet-bulb temperature. `ambient` K, `irradiance` absorbed W/m2.
    """

    def balance(t: float) -> float:
        lost = transfer * (t - ambient) + emissivity * STEFAN_BOLTZMANN * (t**4 - ambient**4)
        vapour = drying_flux(t, partial_pressure, transfer, binder)
        return lost + wet * binder.latent_heat * vapour - irradiance

    return float(brentq(balance, 240.0, 2000.0, xtol=1e-6))


# -- cure and the green part ----------------------------------------------------------------------

CURE_ENERGY = 80e3  # J/mol, default
CURE_AT = 468.15  # K
CURE_TIME = 3.0 * 3600.0  # s in which 98 % cure there, default


def cure_rate(temperature: float | Floats) -> Any:
    """First-order rate (1/s) at which resin cures at `temperature` (K), Arrhenius; defaults.

    98 % in 3 h at 195 degC, half of it in some 4.5 h at 150 degC.
    """
    at = np.asarray(temperature, float)
    return 3.912 / CURE_TIME * np.exp(-CURE_ENERGY / GAS_CONSTANT * (1.0 / at - 1.0 / CURE_AT))


STRENGTH = 10e6  # Pa, fully cured at saturation 0.7 and packing 0.55, default
UNCURED = 0.02  # share of it that dried, uncured resin gives, default


def green_strength(filled: float | Floats, packing: float, cured: float) -> Any:
    """Bending strength (Pa) of the green part; the form is a default.

    In proportion to the resin at the contacts (`filled`, the mean saturation at which it was
    printed), to their number (packing) and to the degree of cure (0 to 1).
    """
    cure = UNCURED + (1.0 - UNCURED) * cured
    return STRENGTH * np.asarray(filled) / 0.7 * (packing / 0.55) ** 2 * cure


def rupture_probability(stress: float, strength: float, modulus: float = 8.0) -> float:
    """Probability that a part breaks under `stress` (Pa): 1 - exp(-(stress/strength)^m).

    Weibull (1951); `modulus` m is a default for green parts.
    """
    if strength <= 0:
        return 1.0
    return -expm1(-float(min(stress / strength, 10.0) ** modulus))

"""The oxide on powder grains: how it grows in bad gas, what hydrogen can take away, satellites."""

from __future__ import annotations

from collections.abc import Mapping
from math import exp, log
from typing import Final

from twin.materials import GAS_CONSTANT

__all__ = [
    "OXIDE_OXYGEN",
    "film_growth",
    "native_oxygen",
    "oxygen_of_film",
    "reducible",
    "rerounded",
    "water_ratio",
]

OXIDE_OXYGEN: Final = 1700.0
"""Oxygen in a volume of surface oxide, kg/m3: TiO2 1690, Al2O3 1860, Cr2O3 1650."""

NATIVE: Final = 4e-9
"""m of oxide on powder as it comes, default."""

_RATE: Final = 1e-14  # m/s on fresh metal in air at 293 K, default
_DECAY: Final = 0.5e-9  # m over which growth falls to 1/e, default
_ENERGY: Final = 40_000.0  # J/mol, default

# Gibbs energies of formation per mol O2, a + b T (J), Kubaschewski and Alcock 1979, rounded.
_OXIDES: Final[dict[str, tuple[float, float]]] = {
    "Fe": (-529.8e3, 113.0), "Ni": (-471.2e3, 172.1), "Co": (-467.8e3, 143.7),
    "Mo": (-587.9e3, 178.2), "W": (-581.2e3, 171.3), "Cu": (-339.0e3, 142.3),
    "Cr": (-746.8e3, 170.3), "Mn": (-769.9e3, 149.0), "V": (-802.0e3, 158.4),
    "Nb": (-784.0e3, 167.0), "Ta": (-806.0e3, 164.0), "Si": (-902.0e3, 174.0),
    "Ti": (-944.7e3, 177.6), "Al": (-1117.0e3, 214.2), "Mg": (-1202.0e3, 215.2),
}
_WATER: Final = (-494.5e3, 111.7)


def film_growth(extra: float, temperature: float, oxygen: float, step: float) -> float:
    """Oxide (m) grown beyond the native film after ``step`` (s) more, exact for constant gas.

    dx/dt = r exp(-x / x0), r = r0 sqrt(O2 / 0.21) exp(-E/R (1/T - 1/293)): direct logarithmic
    growth of thin films (after Cabrera and Mott 1949), constants default. ``oxygen``: fraction.
    """
    rate = _RATE * max(oxygen, 0.0) ** 0.5 / 0.21**0.5
    rate *= exp(-_ENERGY / GAS_CONSTANT * (1.0 / temperature - 1.0 / 293.15))
    return _DECAY * log(exp(extra / _DECAY) + rate * step / _DECAY)


def oxygen_of_film(thickness: float, area: float) -> float:
    """Oxygen (kg) in an oxide film of ``thickness`` (m) on ``area`` (m2)."""
    return OXIDE_OXYGEN * thickness * area


def native_oxygen(area: float) -> float:
    """Oxygen (kg) in the native film of powder with a surface of ``area`` (m2)."""
    return oxygen_of_film(NATIVE, area)


def water_ratio(element: str, temperature: float) -> float:
    """Water over hydrogen at which an oxide and its metal are in balance; drier gas reduces it.

    exp((G_oxide - G_water) / 2RT), both per mol O2. KeyError for an element without data.
    """
    a, b = _OXIDES[element]
    difference = (a + b * temperature) - (_WATER[0] + _WATER[1] * temperature)
    return exp(difference / (2.0 * GAS_CONSTANT * temperature))


def reducible(
    composition: Mapping[str, float], temperature: float, water: float, hydrogen: float
) -> float:
    """Share 0 to 1 of the surface oxide that gas with ``water`` and ``hydrogen`` can reduce.

    Mole fractions of the gas; the oxide is taken to hold the alloy's elements in proportion to
    mass fraction times affinity for oxygen (their Gibbs energy), so that in steel most of it is
    chromium's, in titanium and aluminium alloys nearly all is theirs.
    """
    if hydrogen <= 0.0:
        return 0.0
    total, gone = 0.0, 0.0
    for element, fraction in composition.items():
        if element not in _OXIDES:
            continue
        a, b = _OXIDES[element]
        weight = fraction * exp(-(a + b * 298.15) / 250e3)
        total += weight
        if water / hydrogen < water_ratio(element, temperature):
            gone += weight
    return gone / total if total else 0.0


def rerounded(power: float, feed: float, enthalpy: float, efficiency: float,
              best: float = 0.9) -> float:
    """Share of odd grains that a plasma makes round: best / (1 + (m / m_c)^4).

    m_c = efficiency power / enthalpy (kg/s) is the feed that the used heat can melt (J/kg);
    form and exponent default, after the concept of most efficient feed (ITSC 2000, p 887).
    """
    if power <= 0.0 or feed <= 0.0:
        return 0.0
    capacity = efficiency * power / enthalpy
    return best / (1.0 + (feed / capacity) ** 4)

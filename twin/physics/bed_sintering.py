"""Necks between the grains of a preheated powder bed, and what they do to its conductivity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from twin.materials import GAS_CONSTANT, Alloy
from twin.meltpool.pool import Array

__all__ = ["BRIDGE", "FULL_NECK", "Necks", "bed_conductivity", "degree", "grow", "sintering_rate"]

FULL_NECK: Final = 0.20
"""Neck over grain radius at which a bed counts as fully preheated: default."""
BRIDGE: Final = 0.05
"""Neck over grain radius below which the oxide film still parts the metal: default."""
CONTACTS: Final = 7.0
"""Contacts of a grain in a raked bed: default, 6 to 8 at 0.58 to 0.62 packing."""


@dataclass(frozen=True, slots=True)
class Necks:
    """Neck growth (x/a)^n = B t exp(-Q / RT) of one powder.

    ``exponent`` n: 5 for diffusion through the volume, 6 to 7 along the surface (Kingery and Berg
    1955); ``activation`` Q (J/mol); ``neck`` x/a that grows in ``time`` (s) at ``temperature`` (K),
    which gives B. Figures default.
    """

    exponent: float = 6.0
    activation: float = 150e3
    neck: float = 0.10
    temperature: float = 1023.0
    time: float = 20.0


def sintering_rate(necks: Necks, temperature: npt.ArrayLike) -> Array:
    """Rate d (x/a)^n / dt (1/s) at a temperature (K), any shape."""
    t = np.asarray(temperature, float)
    reference = necks.neck**necks.exponent / necks.time
    slope = necks.activation / GAS_CONSTANT * (1.0 / necks.temperature - 1.0 / t)
    return np.asarray(reference * np.exp(slope))


def grow(
    necks: Necks, neck: npt.ArrayLike, temperature: npt.ArrayLike, time: npt.ArrayLike
) -> Array:
    """Neck over grain radius after a time (s) at a temperature (K), starting from ``neck``."""
    x, t = np.asarray(neck, float), np.asarray(time, float)
    grown = x**necks.exponent + sintering_rate(necks, temperature) * t
    return np.asarray(grown ** (1.0 / necks.exponent))


def degree(neck: npt.ArrayLike) -> Array:
    """Degree of sintering: 0 while oxide parts the grains, 1 with the necks of a full preheat."""
    grown = (np.asarray(neck, float) - BRIDGE) / (FULL_NECK - BRIDGE)
    return np.asarray(np.clip(grown, 0.0, 1.0))


def bed_conductivity(
    alloy: Alloy, neck: npt.ArrayLike, temperature: npt.ArrayLike
) -> Array:
    """Conductivity (W/(m K)) of a bed: loose powder, and heat through necks beside it.

    Necks: k p N x / (pi a) with packing p and N contacts (Gusarov et al. 2003). In vacuum the
    gaps carry radiation only, 4 F sigma T^3 d with d = 70 um, F = 1/3: default.
    """
    t = np.asarray(temperature, float)
    through = alloy.conductivity(t) * alloy.powder_packing * CONTACTS * np.asarray(neck) / np.pi
    radiation = 4.0 / 3.0 * 5.670374419e-8 * t**3 * 70e-6
    return np.asarray(through + radiation)

"""Settling of grains in gas and what an air classifier does with that: cuts by size and density."""

from __future__ import annotations

from math import ceil, log, sqrt
from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = [
    "ARGON_VISCOSITY",
    "equal_settling_ratio",
    "partition",
    "settling_velocity",
    "stokes_velocity",
    "sub_cut_edges",
    "sub_cuts",
]

Array = npt.NDArray[np.float64]

GRAVITY: Final = 9.80665
ARGON_VISCOSITY: Final = 2.23e-5
"""Pa s at 293 K (Lemmon and Jacobsen 2004)."""
ARGON_DENSITY: Final = 1.66  # kg/m3 at 293 K, 1 atm


def stokes_velocity(
    diameter: npt.ArrayLike, density: npt.ArrayLike, viscosity: float = ARGON_VISCOSITY,
    fluid: float = 0.0,
) -> Array:
    """Settling velocity (m/s) of spheres in creeping flow: u = (rho - rho_f) g d^2 / (18 mu).

    Any common shape of ``diameter`` (m) and ``density`` (kg/m3); ``fluid`` density (Stokes 1851).
    """
    excess = np.asarray(density, float) - fluid
    return np.asarray(excess * GRAVITY * np.asarray(diameter, float) ** 2 / (18.0 * viscosity))


def settling_velocity(
    diameter: npt.ArrayLike, density: npt.ArrayLike, viscosity: float = ARGON_VISCOSITY,
    fluid: float = ARGON_DENSITY,
) -> Array:
    """Settling velocity (m/s) with the drag of Schiller and Naumann (1933), good to Re 800.

    u (1 + 0.15 Re^0.687) = u_Stokes, by Newton's method; any shape.
    """
    d = np.asarray(diameter, float)
    creeping = stokes_velocity(d, density, viscosity, fluid)
    per_speed = fluid * d / viscosity
    u = np.array(creeping, float)
    for _ in range(30):
        drag = 0.15 * (per_speed * u) ** 0.687
        step = (u * (1.0 + drag) - creeping) / (1.0 + 1.687 * drag)
        u = np.maximum(u - step, 1e-3 * u)
    return np.asarray(u)


def equal_settling_ratio(heavy: float, light: float, fluid: float = 0.0) -> float:
    """Size ratio of light to heavy grains that settle alike: sqrt of the ratio of densities.

    In creeping flow; densities in any common unit. ValueError unless heavy > light > fluid.
    """
    if not heavy > light > fluid >= 0.0:
        raise ValueError(f"needs heavy {heavy:g} > light {light:g} > fluid {fluid:g}")
    return sqrt((heavy - fluid) / (light - fluid))


def sub_cuts(low: float, high: float, ratio: float) -> int:
    """Into how many sizes a cut ``low`` .. ``high`` (m) is sieved so that none is wider than ratio.

    Within a sub-cut narrower than the equal-settling ratio, every heavy grain settles faster than
    any light one. ValueError unless 0 < low < high and ratio > 1.
    """
    if not (0.0 < low < high and ratio > 1.0):
        raise ValueError(f"no sub-cuts of {low:g} to {high:g} m at a ratio of {ratio:g}")
    return max(ceil(log(high / low) / log(ratio) - 1e-9), 1)


def sub_cut_edges(low: float, high: float, count: int) -> Array:
    """Edges (count + 1,) of sub-cuts of equal ratio."""
    return np.asarray(low * (high / low) ** (np.arange(count + 1) / count))


def partition(x: npt.ArrayLike, x50: float, imperfection: float) -> Array:
    """Share that goes with the coarse or heavy, any shape: 1 / (1 + exp(-2.2 (x - x50) / E)).

    E = imperfection * x50 is half the distance from the 25 to the 75 % point: ln 3 = 1.1 = 2.2 / 2
    makes (x75 - x25) = E; x and x50 are sizes, velocities or forces in one unit.
    """
    e = max(imperfection * abs(x50), 1e-300)
    return np.asarray(1.0 / (1.0 + np.exp(np.clip(-2.2 * (np.asarray(x, float) - x50) / e,
                                                  -700.0, 700.0))))

"""Particle size distributions: mass by size class, on one grid for every powder.

A distribution is an array (40,) of masses or mass shares in classes of equal width in ln d. Between
the class edges the cumulative distribution is a monotone cubic in ln d, so that a cut off the grid
and a quantile are smooth and consistent with each other.
"""

from __future__ import annotations

from math import exp, log
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

__all__ = ["BINS", "CENTRES", "EDGES", "below", "cut", "lognormal", "quantile", "sauter", "surface",
           "volume_mean"]

Array = npt.NDArray[np.float64]

BINS: Final = 40
"""Number of size classes."""

FINEST: Final = 0.5e-6
COARSEST: Final = 1e-3

_START: Final = log(FINEST)
_WIDTH: Final = log(COARSEST / FINEST) / BINS


def _grid() -> tuple[Array, Array]:
    edges = FINEST * (COARSEST / FINEST) ** (np.arange(BINS + 1) / BINS)
    edges[-1] = COARSEST
    centres = np.sqrt(edges[1:] * edges[:-1])
    edges.setflags(write=False)
    centres.setflags(write=False)
    return edges, centres


EDGES, CENTRES = _grid()
_LN_EDGES: Final = np.log(EDGES)


def lognormal(d50: float, s: float) -> Array:
    """Mass shares (40,) of a log-normal distribution; the tails are in the end classes.

    ``d50`` (m) mass median, ``s`` geometric standard deviation (d84/d50): P(<d) = Phi(ln(d/d50) /
    ln s), the usual form for atomized powder (Lubanska 1970). ValueError unless d50 > 0 and s > 1.
    """
    if not (d50 > 0.0 and s > 1.0):
        raise ValueError(f"d50 {d50:g} m must be above 0 and s {s:g} above 1")
    share = ndtr((_LN_EDGES - log(d50)) / log(s))
    share[0], share[-1] = 0.0, 1.0
    return np.asarray(np.diff(share))


def _cumulative(masses: npt.ArrayLike) -> tuple[Array, Array]:
    """Cumulated masses (41,) at the edges and their slopes (41,) per class.

    Slopes are harmonic means of neighbouring classes (Fritsch and Butland 1984): monotone.
    """
    m = np.asarray(masses, float)
    total = np.zeros(BINS + 1)
    np.cumsum(m, out=total[1:])
    slope = np.zeros(BINS + 1)
    both = m[1:] + m[:-1]
    np.divide(2.0 * m[1:] * m[:-1], both, out=slope[1:-1], where=both > 0.0)
    slope[0], slope[-1] = m[0], m[-1]
    return total, slope


def _hermite(u: Array | float, m: Array | float, s0: Array | float, s1: Array | float) -> Array:
    """Mass of a class below its part ``u`` 0..1; ``m`` in the class, slopes at its ends."""
    return np.asarray(
        u * (s0 + u * ((3.0 * m - 2.0 * s0 - s1) + u * (s0 + s1 - 2.0 * m))))


def below(masses: npt.ArrayLike, diameter: npt.ArrayLike) -> Array:
    """Mass share finer than ``diameter`` (m, any shape); 0 for an empty distribution."""
    m = np.asarray(masses, float)
    total, slope = _cumulative(m)
    d = np.asarray(diameter, float)
    if total[-1] <= 0.0:
        return np.zeros(d.shape)
    place = (np.log(np.clip(d, FINEST, COARSEST)) - _START) / _WIDTH
    i = np.minimum(place.astype(int), BINS - 1)
    part = np.clip(place - i, 0.0, 1.0)
    mass = total[i] + np.clip(_hermite(part, m[i], slope[i], slope[i + 1]), 0.0, m[i])
    return np.asarray(np.clip(mass / total[-1], 0.0, 1.0))


def quantile(masses: npt.ArrayLike, q: float) -> float:
    """Diameter (m) below which the share ``q`` of the mass lies; 0 for an empty distribution.

    ValueError unless 0 <= q <= 1.
    """
    if not 0.0 <= q <= 1.0:
        raise ValueError(f"share {q:g} must be from 0 to 1")
    m = np.asarray(masses, float)
    total, slope = _cumulative(m)
    if total[-1] <= 0.0:
        return 0.0
    target = q * float(total[-1])
    i = min(max(int(np.searchsorted(total, target)) - 1, 0), BINS - 1)
    mass, s0, s1 = float(m[i]), float(slope[i]), float(slope[i + 1])
    rest = target - float(total[i])
    if mass <= 0.0:
        return float(EDGES[i])
    low, high = 0.0, 1.0
    for _ in range(44):
        u = 0.5 * (low + high)
        if u * (s0 + u * ((3.0 * mass - 2.0 * s0 - s1) + u * (s0 + s1 - 2.0 * mass))) < rest:
            low = u
        else:
            high = u
    return exp(_START + _WIDTH * (i + 0.5 * (low + high)))


def cut(masses: npt.ArrayLike, low: float, high: float) -> Array:
    """Share (40,) of each class between ``low`` and ``high`` (m), 0 to 1.

    An ideal cut; what a real screen or classifier does is `twin.powder.operations.split` with
    shares of its own. ValueError unless low <= high.
    """
    if not low <= high:
        raise ValueError(f"a cut from {low:g} to {high:g} m has no width")
    m = np.asarray(masses, float)
    _, slope = _cumulative(m)
    parts = []
    for limit in (low, high):
        place = (log(min(max(limit, FINEST), COARSEST)) - _START) / _WIDTH - np.arange(BINS)
        u = np.clip(place, 0.0, 1.0)
        inside = _hermite(u, m, slope[:-1], slope[1:])
        parts.append(np.clip(np.divide(inside, m, out=u.copy(), where=m > 0.0), 0.0, 1.0))
    return np.asarray(np.clip(parts[1] - parts[0], 0.0, 1.0))


def sauter(masses: npt.ArrayLike) -> float:
    """Surface mean diameter d32 (m) = sum m / sum (m / d); 0 for an empty distribution."""
    m = np.asarray(masses, float)
    area = float((m / CENTRES).sum())
    return float(m.sum()) / area if area > 0.0 else 0.0


def volume_mean(masses: npt.ArrayLike) -> float:
    """Mass mean diameter d43 (m) = sum m d / sum m; 0 for an empty distribution."""
    m = np.asarray(masses, float)
    total = float(m.sum())
    return float((m * CENTRES).sum()) / total if total > 0.0 else 0.0


def surface(masses: npt.ArrayLike, density: float) -> float:
    """Surface (m2) of spheres with these masses (kg) and ``density`` (kg/m3): sum 6 m / (rho d)."""
    return float((np.asarray(masses, float) / CENTRES).sum()) * 6.0 / density

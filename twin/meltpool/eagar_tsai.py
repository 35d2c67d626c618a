"""Dimensionless Eagar-Tsai pool: a Gaussian surface source moving over a half space, as a table.

Lengths are counted in beam standard deviations s, times in s2/a, temperature rise in
``2 A P / ((2 pi)**1.5 k s)`` (Eagar and Tsai 1983, Welding Journal 62, 346s). A steady pool then
depends on two numbers only:

- ``peclet = v s / a``, speed times spot over diffusivity;
- ``ratio``, peak rise over the rise at the melting isotherm (above 1 something melts).

`solve` evaluates the integral (a second per Peclet number; builds and checks the table), `lookup`
interpolates the shipped table, `build` writes it.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

TABLE: Final = Path(__file__).with_name("eagar_tsai.npz")
LOG10_PECLET: Final = (-3.0, 4.0)
PECLET_POINTS: Final = 71
# Pools grow with sqrt(ln(ratio)) near threshold; on that axis they have no singular slope at 1.
MAX_ROOT: Final = 3.1
ROOT_POINTS: Final = 156


class Shape(NamedTuple):
    """Pool in units of s; ``gradient`` is s |dT/dx| / (T - T0) on the trailing isotherm."""

    width: Array
    depth: Array
    length: Array
    gradient: Array


def rise(peclet: float, x: Array, y: Array, z: Array) -> Array:
    """Dimensionless temperature rise at points (x forward, y across, z down), broadcast.

    Gauss-Legendre in ln(t) over three intervals per point: before, while and after the beam
    passes. The passage is narrow for a fast beam and would be missed by fixed nodes.
    """
    x, y, z = np.broadcast_arrays(*(np.asarray(c, float)[..., None] for c in (x, y, z)))
    node, weight = np.polynomial.legendre.leggauss(96)
    passage = np.maximum(-x / peclet, 0.0)
    half = 8.0 * np.sqrt(1.0 + 2.0 * passage) / peclet
    first, last = np.full_like(x, 1e-10), np.maximum(1e10, 1e3 * (passage + half))
    enter, leave = np.maximum(passage - half, first), np.maximum(passage + half, first)
    total = np.zeros(x.shape[:-1])
    for begin, end in ((first, enter), (enter, leave), (leave, last)):
        span = 0.5 * (np.log(end) - np.log(begin))
        t = np.exp(span * node + 0.5 * (np.log(end) + np.log(begin)))
        spread = 1.0 + 2.0 * t
        exponent = -((x + peclet * t) ** 2 + y**2) / (2.0 * spread) - z**2 / (4.0 * t)
        total += np.sum(span * weight * np.sqrt(0.5 * t) * np.exp(exponent) / spread, axis=-1)
    return total


def ridge(peclet: float, y: Array, z: Array) -> tuple[Array, Array]:
    """Position x and value of the maximum of `rise` along x at each (y, z), golden section."""
    # Far points are hottest a diffusion time later, when the beam is peclet * r2 further on.
    far = 5.0 + peclet * (1.0 + y**2 + z**2)
    low, high = np.arcsinh(-far), np.arcsinh(np.full_like(far, 1.0))
    golden = (np.sqrt(5.0) - 1.0) / 2.0
    for _ in range(45):
        left, right = high - golden * (high - low), low + golden * (high - low)
        keep_left = rise(peclet, np.sinh(left), y, z) > rise(peclet, np.sinh(right), y, z)
        low, high = np.where(keep_left, low, left), np.where(keep_left, right, high)
    x = np.sinh(0.5 * (low + high))
    return x, rise(peclet, x, y, z)


def solve(peclet: float, root: Array) -> tuple[float, Shape]:
    """Peak rise, and pool shapes at roots ``sqrt(ln(ratio))``, by direct integration.

    Along each axis the temperature is sampled and inverted; ln(root) against ln(distance) is
    nearly straight at both ends, so the inversion is good to about 0.1 %.
    """
    root = np.asarray(root, float)
    d = np.geomspace(1e-3, 3e4, 240)
    zero = np.zeros_like(d)
    x_peak, top = (float(v[0]) for v in ridge(peclet, np.zeros(1), np.zeros(1)))

    def distance(at: Array, value: Array) -> Array:
        level = 0.5 * np.log(np.maximum(np.log(top / np.maximum(value, 1e-300)), 1e-14))
        level, ln_at = np.maximum.accumulate(level), np.log(at)
        wanted = np.log(np.maximum(root, 1e-12))
        # Below the first clean sample the distance is a power of the root.
        power = (ln_at[40] - ln_at[20]) / (level[40] - level[20])
        start = ln_at[20] + power * (wanted - level[20])
        found = np.interp(wanted, level, ln_at)
        result: Array = np.where(root > 0.0, np.exp(np.where(wanted < level[20], start, found)), 0)
        return result

    width = 2.0 * distance(d, ridge(peclet, d, zero)[1])
    depth = distance(d, ridge(peclet, zero, d)[1])
    front = distance(d, rise(peclet, x_peak + d, zero, zero))
    along = np.geomspace(1e-3, 3e4 * (1.0 + peclet), 600)
    back = distance(along, rise(peclet, x_peak - along, np.zeros(600), np.zeros(600)))
    tail, step = x_peak - back, 1e-3 * back + 1e-6
    here = np.zeros_like(root)
    slope = rise(peclet, tail + step, here, here) - rise(peclet, tail - step, here, here)
    gradient = np.maximum(slope, 0.0) / (2.0 * step) * np.exp(root**2) / top
    return top, Shape(width, depth, front + back, gradient)


@lru_cache(maxsize=1)
def _table() -> tuple[Array, Array]:
    with np.load(TABLE) as stored:
        shape = np.ascontiguousarray(np.moveaxis(stored["shape"].astype(float), 1, 2))
        return stored["peak"], shape


def peak(peclet: Array) -> Array:
    """Dimensionless peak rise, shape as ``peclet``; pi/2 for a beam at rest."""
    table, _ = _table()
    at = np.log10(np.maximum(peclet, 1e-12))
    value: Array = np.interp(at, np.linspace(*LOG10_PECLET, PECLET_POINTS), table)
    return value / np.sqrt(1.0 + peclet)


def lookup(peclet: Array, ratio: Array) -> Shape:
    """Pool shapes in units of s for (n,) Peclet numbers and (n,) ratios; zero where ratio <= 1.

    Bilinear in log10(peclet) and sqrt(ln(ratio)); beyond the table its edge is held.
    """
    _, table = _table()
    column = (np.log10(np.maximum(peclet, 1e-12)) - LOG10_PECLET[0]) * (
        (PECLET_POINTS - 1) / (LOG10_PECLET[1] - LOG10_PECLET[0])
    )
    column = np.clip(column, 0.0, PECLET_POINTS - 1.000001)
    row = np.sqrt(np.log(np.maximum(ratio, 1.0))) * ((ROOT_POINTS - 1) / MAX_ROOT)
    row = np.minimum(row, ROOT_POINTS - 1.000001)
    i, j = column.astype(np.intp), row.astype(np.intp)
    f, g = (column - i)[:, None], (row - j)[:, None]
    cells = (1 - f) * ((1 - g) * table[i, j] + g * table[i, j + 1]) + f * (
        (1 - g) * table[i + 1, j] + g * table[i + 1, j + 1]
    )
    fast = 1.0 + peclet
    melted = ratio > 1.0
    width, depth, length, gradient = np.where(melted, cells.T, 0.0)
    return Shape(width, depth / np.sqrt(fast), length * fast, gradient / fast)


def build() -> None:
    """Compute the table and write it beside this module (under a minute)."""
    peclets = np.logspace(*LOG10_PECLET, PECLET_POINTS)
    root = np.linspace(0.0, MAX_ROOT, ROOT_POINTS)
    peaks, rows = [], []
    for peclet in peclets:
        top, shape = solve(float(peclet), root)
        fast = 1.0 + peclet
        # Dividing out the fast-beam limits leaves slowly varying numbers, so that holding the
        # edge value beyond the table is the right asymptote.
        rows.append(
            [shape.width, shape.depth * np.sqrt(fast), shape.length / fast, shape.gradient * fast]
        )
        peaks.append(top * np.sqrt(fast))
    np.savez_compressed(TABLE, peak=np.array(peaks), shape=np.array(rows, np.float32))

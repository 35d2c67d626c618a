"""The grid behind a response table: its coordinates, its columns, and reading between nodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numba
import numpy as np

from twin.materials import Alloy
from twin.meltpool import eagar_tsai
from twin.meltpool.laws import DEPRESSION_RATIO, LATENT_SHARE, POWDER_DEPTH, POWDER_TRAPPING
from twin.meltpool.pool import Array, MeltPool

QUANTITIES: Final = ("width", "depth", "length", "peak_temperature", "cooling_rate",
                     "absorptivity", "normalised_enthalpy")
SIZES: Final = 3  # width, depth, length lead the quantities and the columns of the grid
COLUMNS: Final = 9  # the quantities, mode, uncertainty
SHARPNESS: Final = 4.0  # of the scale for sizes: linear in the square below sigma / 2, then log

_DEPRESSION: Final = float(np.log(DEPRESSION_RATIO))

Rest = tuple[Array, Array, Array, Array]
"""Speed (m/s), sigma (m), preheat (K) and powder (m), each (n,)."""


class Scale:
    """Coordinates in which pools of one alloy and wavelength change smoothly.

    Power: 0 where the solidus is reached, 1 where the vapour depression begins, the logarithm of
    the power beyond. Others: ln speed, ln sigma, -ln(solidus - preheat), ln(1 + powder/depth).
    """

    def __init__(self, alloy: Alloy, wavelength: float) -> None:
        self.alloy, self.wavelength = alloy, wavelength
        self.metal = _metal(alloy, wavelength)

    def physical(self, at: Sequence[Array]) -> Rest:
        """Speed, sigma, preheat and powder at coordinates of the last four axes, (n,) each."""
        v, s, t, d = at
        return (np.exp(v), np.exp(s), self.alloy.solidus - np.exp(-t),
                POWDER_DEPTH * np.expm1(d))

    def ends(self, name: str, low: float, high: float) -> Array:
        """Coordinates of the ends of a range of speed, sigma, preheat or powder."""
        ends = np.array([low, high])
        if name == "powder":
            return np.log1p(ends / POWDER_DEPTH)
        return -np.log(self.alloy.solidus - ends) if name == "preheat" else np.log(ends)

    def coordinate(self, power: Array, rest: Rest) -> Array:
        """Power coordinate (n,) of powers (n,) in W."""
        arguments = (power, *rest, *self.metal)
        found: Array = _coordinate(*arguments)
        return found

    def power(self, u: Array, rest: Rest) -> Array:
        """Power (n,) in W at power coordinates (n,)."""
        arguments = (u, *rest, *self.metal)
        found: Array = _power(*arguments)
        return found

    def columns(self, pool: MeltPool, power: Array, rest: Rest) -> Array:
        """What is interpolated (COLUMNS, n); infinity where only a molten pool has a value."""
        _, sigma, t0, _ = rest
        melted = pool.width > 0.0
        found = [np.arcsinh(SHARPNESS * (getattr(pool, q) / sigma) ** 2)
                 for q in QUANTITIES[:SIZES]]
        rise = (pool.peak_temperature - t0) / (self.alloy.boiling - t0)
        cooling = np.log(np.maximum(pool.cooling_rate, 1.0))
        found += [
            np.log(np.maximum(rise, 1e-9)),
            np.where(melted & (pool.cooling_rate > 0.0), cooling, np.inf),
            pool.absorptivity,
            np.log(pool.normalised_enthalpy / power),
            np.where(melted, pool.mode, np.inf),
            np.where(melted, pool.uncertainty, np.inf),
        ]
        return np.array(found)


@dataclass(frozen=True, eq=False)
class Surface:
    """Columns (COLUMNS, *nodes) on the nodes of five axes; NaN where no query leads."""

    scale: Scale
    axes: tuple[Array, ...]
    values: Array

    def __post_init__(self) -> None:
        alloy = self.scale.alloy
        object.__setattr__(self, "_stored", (*self.scale.metal, alloy.solidus,
                                             *_packed(self.axes, self.values)))

    def read(self, power: Array, rest: Rest) -> MeltPool:
        """Pools (n,) within the axes; where the power is 0 there is none."""
        found = np.zeros((COLUMNS, len(power)))
        stored: tuple[Any, ...] = self._stored  # type: ignore[attr-defined]
        arguments = (power, *rest, *stored, found)
        _read(*arguments)
        width, depth, length, peak, cooling, absorbed, enthalpy, mode, scatter = found
        return MeltPool(length, width, depth, peak, cooling, mode.astype(np.uint8), absorbed,
                        enthalpy, scatter)


def _packed(axes: tuple[Array, ...], values: Array) -> tuple[Array, ...]:
    """Axes, and values with slopes along power: (v, sigma, preheat, powder, u, 2, COLUMNS).

    Where nothing melts, sizes go on below zero in a straight line, so that the onset may lie
    between two nodes; what only a molten pool has keeps its value at the onset.
    """
    u = axes[0]
    table = np.moveaxis(values, 0, -1).copy()
    flat = table.reshape(len(u), -1, COLUMNS)
    for column in range(flat.shape[1]):
        pools = flat[:, column]
        molten = np.flatnonzero(np.isfinite(pools[:, 7]))
        solid = np.flatnonzero(np.isposinf(pools[:, 7]))
        if len(molten) and len(solid):
            a, b = molten[0], molten[min(1, len(molten) - 1)]
            slope = (pools[b, :SIZES] - pools[a, :SIZES]) / max(u[b] - u[a], 1e-9)
            reach = np.minimum(u[solid] - u[a], 0.0)[:, None]
            pools[solid, :SIZES] = np.minimum(pools[a, :SIZES] + reach * slope, 0.0)
        else:
            pools[solid, :SIZES] = -1.0
        for c in (4, 7, 8):
            known = np.flatnonzero(np.isfinite(pools[:, c]))
            unknown = np.flatnonzero(np.isposinf(pools[:, c]))
            pools[unknown, c] = np.interp(u[unknown], u[known], pools[known, c]) if len(
                known) else 0.0
    slopes = _slopes(u, flat)
    both = np.stack([flat, slopes], axis=2).reshape(*table.shape[:-1], 2, COLUMNS)
    packed = np.ascontiguousarray(np.moveaxis(both, 0, 4))
    return (*(np.ascontiguousarray(a) for a in axes), packed)


def _slopes(u: Array, values: Array) -> Array:
    """Monotone slopes (Fritsch and Butland 1984): 0 at extremes, else a harmonic mean."""
    slopes = np.zeros_like(values)
    if len(u) < 2:
        return slopes
    step = np.diff(u)[:, None, None]
    rise = np.diff(values, axis=0) / step
    left, right = rise[:-1], rise[1:]
    w1, w2 = 2 * step[1:] + step[:-1], step[1:] + 2 * step[:-1]
    same = left * right > 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = (w1 + w2) / (w1 / left + w2 / right)
    slopes[1:-1] = np.where(same, mean, 0.0)
    # At the ends of what was computed the next interval's secant does.
    first = np.isfinite(values) & ~np.isfinite(np.roll(values, 1, axis=0))
    last = np.isfinite(values) & ~np.isfinite(np.roll(values, -1, axis=0))
    first[0], last[-1] = True, True
    slopes[:-1] = np.where(first[:-1], rise, slopes[:-1])
    slopes[1:] = np.where(last[1:], rise, slopes[1:])
    return np.nan_to_num(slopes)


def _metal(alloy: Alloy, wavelength: float) -> tuple[Array, Array, Array, float]:
    """What places a power among the regimes, over a fine grid of preheats; see `_scale`."""
    t0 = np.linspace(250.0, alloy.solidus - 50.0, 512)
    rho, cp, k = alloy.solid_means(t0)
    rise = alloy.boiling - t0
    onset = (alloy.solidus - t0 + LATENT_SHARE * alloy.latent_fusion / cp) / rise
    rows = np.column_stack([np.log(rho * cp / k), np.log(k * rise), np.log(onset), rise])
    peclet = np.logspace(*eagar_tsai.LOG10_PECLET, eagar_tsai.PECLET_POINTS)
    return t0, np.ascontiguousarray(rows), np.log(eagar_tsai.peak(peclet)), float(
        alloy.absorptivity(wavelength))


@numba.njit(cache=True, nogil=True)
def _scale(  # type: ignore[no-untyped-def]
    speed, sigma, t0, powder, preheats, rows, peaks, bare,
):
    """Logarithms of the power at boiling (W) and of the onset of melting as a share of it.

    Flat surface, peak of Eagar and Tsai 1983.
    """
    n = len(preheats)
    place = (t0 - preheats[0]) / (preheats[n - 1] - preheats[0]) * (n - 1)
    i = min(max(int(place), 0), n - 2)
    f = place - i
    resist = rows[i, 0] + f * (rows[i + 1, 0] - rows[i, 0])
    heat = rows[i, 1] + f * (rows[i + 1, 1] - rows[i, 1])
    onset = rows[i, 2] + f * (rows[i + 1, 2] - rows[i, 2])
    log_sigma = np.log(sigma)
    place = ((np.log(speed) + log_sigma + resist) / np.log(10.0) + 3.0) * (len(peaks) - 1) / 7.0
    place = min(max(place, 0.0), len(peaks) - 1.000001)
    i = int(place)
    top = peaks[i] + (place - i) * (peaks[i + 1] - peaks[i])
    flat = bare + (1.0 - bare) * POWDER_TRAPPING * (1.0 - np.exp(-powder / POWDER_DEPTH))
    boiling = heat + log_sigma - top - np.log(flat) + np.log((2.0 * np.pi) ** 1.5 / 2.0)
    return boiling, onset


@numba.njit(cache=True, nogil=True)
def _regime(log_ratio, onset):  # type: ignore[no-untyped-def]
    if log_ratio > _DEPRESSION:
        return 1.0 + log_ratio - _DEPRESSION
    return (log_ratio - onset) / (_DEPRESSION - onset)


@numba.njit(cache=True, nogil=True)
def _coordinate(  # type: ignore[no-untyped-def]
    power, speed, sigma, t0, powder, preheats, rows, peaks, bare,
):
    """Power coordinate (n,)."""
    out = np.empty(len(power))
    for i in range(len(power)):
        boiling, onset = _scale(speed[i], sigma[i], t0[i], powder[i], preheats, rows, peaks, bare)
        out[i] = _regime(np.log(power[i]) - boiling, onset)
    return out


@numba.njit(cache=True, nogil=True)
def _power(  # type: ignore[no-untyped-def]
    u, speed, sigma, t0, powder, preheats, rows, peaks, bare,
):
    """Power (n,) in W at power coordinates."""
    out = np.empty(len(u))
    for i in range(len(u)):
        boiling, onset = _scale(speed[i], sigma[i], t0[i], powder[i], preheats, rows, peaks, bare)
        if u[i] > 1.0:
            out[i] = np.exp(boiling + _DEPRESSION + u[i] - 1.0)
        else:
            out[i] = np.exp(boiling + onset + u[i] * (_DEPRESSION - onset))
    return out


@numba.njit(cache=True, nogil=True)
def _cell(nodes, at):  # type: ignore[no-untyped-def]
    """Interval of an axis and the share of it at a place; 0, 0 on an axis of one node."""
    n = len(nodes)
    if n == 1:
        return 0, 0.0
    low, high = 0, n - 1
    while high - low > 1:
        middle = (low + high) // 2
        if nodes[middle] <= at:
            low = middle
        else:
            high = middle
    return low, min(max((at - nodes[low]) / (nodes[low + 1] - nodes[low]), 0.0), 1.0)


@numba.njit(cache=True, nogil=True)
def _read(  # type: ignore[no-untyped-def]
    power, speed, sigma, t0, powder, preheats, rows, peaks, bare,
    solidus, axis_u, axis_v, axis_s, axis_t, axis_d, table, out,
):
    """Fill ``out`` (COLUMNS, n), SI units, in the order of the table's columns."""
    found = np.empty(COLUMNS)
    n_rows = len(preheats)
    for q in range(len(power)):
        if power[q] == 0.0:
            continue
        boiling, onset = _scale(speed[q], sigma[q], t0[q], powder[q], preheats, rows, peaks, bare)
        u, f = _cell(axis_u, _regime(np.log(power[q]) - boiling, onset))
        v, fv = _cell(axis_v, np.log(speed[q]))
        s, fs = _cell(axis_s, np.log(sigma[q]))
        t, ft = _cell(axis_t, -np.log(solidus - t0[q]))
        d, fd = _cell(axis_d, np.log1p(powder[q] / POWDER_DEPTH))
        h = axis_u[u + 1] - axis_u[u]
        g = 1.0 - f
        a0, a1 = g * g * (1.0 + 2.0 * f), f * f * (3.0 - 2.0 * f)
        b0, b1 = h * f * g * g, -h * f * f * g
        found[:] = 0.0
        for corner in range(16):
            weight = fv if corner & 1 else 1.0 - fv
            weight *= fs if corner & 2 else 1.0 - fs
            weight *= ft if corner & 4 else 1.0 - ft
            weight *= fd if corner & 8 else 1.0 - fd
            if weight == 0.0:
                continue
            column = table[v + (corner & 1), s + (corner >> 1 & 1), t + (corner >> 2 & 1),
                           d + (corner >> 3)]
            for c in range(COLUMNS):
                found[c] += weight * (a0 * column[u, 0, c] + a1 * column[u + 1, 0, c]
                                      + b0 * column[u, 1, c] + b1 * column[u + 1, 1, c])
        place = (t0[q] - preheats[0]) / (preheats[n_rows - 1] - preheats[0]) * (n_rows - 1)
        i = min(max(int(place), 0), n_rows - 2)
        rise = rows[i, 3] + (place - i) * (rows[i + 1, 3] - rows[i, 3])
        out[3, q] = t0[q] + np.exp(found[3]) * rise
        out[5, q] = found[5]
        out[6, q] = np.exp(found[6]) * power[q]
        if found[0] > 0.0 and found[1] > 0.0 and found[2] > 0.0:
            for c in range(SIZES):
                out[c, q] = sigma[q] * np.sqrt(np.sinh(found[c]) / SHARPNESS)
            out[4, q] = np.exp(found[4])
            out[7, q] = np.floor(found[7] + 0.5)
            out[8, q] = found[8]

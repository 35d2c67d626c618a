"""Coaxial melt-pool sensors: what a photodiode, pyrometers and a camera see of a pool.

The surface is an ellipse (length by width) whose temperature falls from the peak in the middle to
the solidus on the rim, linearly in area. So temperature is spread evenly between solidus and peak
over the pool, and any radiance integral is a difference of one tabulated antiderivative. Emission
is grey with the alloy's emissivity. Readings are noise-free; ``transmission`` is that of the
optics on the way back (a soiled window dims these readings besides weakening the beam on the way
in, which the caller expresses as less power).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from twin.materials import Alloy
from twin.meltpool.pool import Array, MeltPool

__all__ = [
    "INGAAS",
    "SILICON",
    "CameraView",
    "camera",
    "emission",
    "photodiode",
    "pyrometer",
    "ratio_pyrometer",
]

Band = tuple[float, float]

SILICON: Final[Band] = (700e-9, 1000e-9)
INGAAS: Final[Band] = (1100e-9, 1700e-9)
# Part of a Lambertian surface's light caught by a 10 mm radius aperture at 400 mm: default.
COLLECTION: Final = 6.25e-4
FILTER: Final = 20e-9  # default pass band of a pyrometer channel

_PLANCK: Final = 6.62607015e-34
_LIGHT: Final = 299_792_458.0
_BOLTZMANN: Final = 1.380649e-23
_GRID: Final = np.arange(300.0, 8001.0, 2.0)


def spectral_radiance(wavelength: npt.ArrayLike, temperature: npt.ArrayLike) -> Array:
    """Black-body radiance (W / (m2 sr m)) at wavelength (m) and temperature (K), Planck 1901."""
    lam, t = np.asarray(wavelength, float), np.asarray(temperature, float)
    power = np.expm1(_PLANCK * _LIGHT / (lam * _BOLTZMANN * t))
    return np.asarray(2.0 * _PLANCK * _LIGHT**2 / (lam**5 * power))


@lru_cache(maxsize=32)
def _band_tables(band: Band) -> tuple[Array, Array]:
    """Band radiance (W / (m2 sr)) over `_GRID`, and its running integral over temperature."""
    low, high = band
    if not 0.0 < low < high:
        raise ValueError(f"band {band!r} m: needs 0 < low < high")
    node, weight = np.polynomial.legendre.leggauss(24)
    lam = 0.5 * (high - low) * node + 0.5 * (high + low)
    radiance = spectral_radiance(lam, _GRID[:, None]) @ weight * (0.5 * (high - low))
    steps = 0.5 * (radiance[1:] + radiance[:-1]) * np.diff(_GRID)
    return radiance, np.concatenate([[0.0], np.cumsum(steps)])


def _mean_radiance(pool: MeltPool, alloy: Alloy, band: Band) -> Array:
    """Black-body band radiance averaged over the pool surface; 0 where nothing melts."""
    _, integral = _band_tables(band)
    # A pool that has only just melted has peak = solidus; a small spread keeps the mean defined.
    peak = np.maximum(pool.peak_temperature, alloy.solidus + 0.1)
    area = np.interp(peak, _GRID, integral) - np.interp(alloy.solidus, _GRID, integral)
    result: Array = np.where(pool.width > 0.0, area / (peak - alloy.solidus), 0.0)
    return result


def _surface(pool: MeltPool) -> Array:
    result: Array = np.pi / 4.0 * pool.length * pool.width
    return result


def _transmitted(transmission: npt.ArrayLike) -> Array:
    value = np.asarray(transmission, float)
    if not bool(np.all((value >= 0.0) & (value <= 1.0))):
        raise ValueError(f"transmission {value.min():g} to {value.max():g}: allowed 0 to 1")
    return value


def emission(pool: MeltPool, alloy: Alloy, band: Band = SILICON) -> Array:
    """Thermal power (W) the pool surface sends into the half space within ``band`` (m), (n,)."""
    result: Array = np.pi * alloy.emissivity * _surface(pool) * _mean_radiance(pool, alloy, band)
    return result


def photodiode(
    pool: MeltPool,
    alloy: Alloy,
    *,
    transmission: npt.ArrayLike = 1.0,
    gain: float = 1.0,
    collection: float = COLLECTION,
    band: Band = SILICON,
) -> Array:
    """Photodiode signal, shape (n,): collected pool emission in W, times ``gain`` (V/W for V)."""
    return gain * collection * _transmitted(transmission) * emission(pool, alloy, band)


def ratio_pyrometer(
    pool: MeltPool,
    alloy: Alloy,
    *,
    wavelengths: tuple[float, float] = (750e-9, 900e-9),
    transmission: tuple[npt.ArrayLike, npt.ArrayLike] = (1.0, 1.0),
    emissivity_ratio: float = 1.0,
    floor: float = 1000.0,
) -> Array:
    """Two-colour temperature (K), shape (n,); ``floor`` where nothing melts.

    ``transmission`` and ``emissivity_ratio`` (surface over the ratio the instrument assumes) act
    per channel, so equal dimming of both channels cancels exactly; unequal dimming does not.
    """
    bands = [(w - FILTER / 2.0, w + FILTER / 2.0) for w in wavelengths]
    short, long = (
        _mean_radiance(pool, alloy, band) * _transmitted(loss)
        for band, loss in zip(bands, transmission, strict=True)
    )
    seen = (pool.width > 0.0) & (short > 0.0) & (long > 0.0)
    ratio = emissivity_ratio * np.divide(short, long, out=np.zeros_like(long), where=seen)
    scale = _band_tables(bands[0])[0] / _band_tables(bands[1])[0]
    rising = scale if wavelengths[0] < wavelengths[1] else 1.0 / scale
    value = (
        ratio
        if wavelengths[0] < wavelengths[1]
        else np.divide(1.0, ratio, out=np.zeros_like(ratio), where=seen)
    )
    result: Array = np.where(seen, np.maximum(np.interp(value, rising, _GRID), floor), floor)
    return result


def pyrometer(
    pool: MeltPool,
    alloy: Alloy,
    *,
    wavelength: float = 900e-9,
    transmission: npt.ArrayLike = 1.0,
    assumed_emissivity: float | None = None,
    field_of_view: float = 200e-6,
    floor: float = 1000.0,
) -> Array:
    """Single-colour temperature (K), shape (n,), over a round ``field_of_view`` (diameter, m).

    Reads low when the optics are dimmed or the pool does not fill the field; ``floor`` where it
    sees too little.
    """
    band = (wavelength - FILTER / 2.0, wavelength + FILTER / 2.0)
    filled = np.minimum(_surface(pool) / (np.pi / 4.0 * field_of_view**2), 1.0)
    believed = alloy.emissivity if assumed_emissivity is None else assumed_emissivity
    seen = _mean_radiance(pool, alloy, band) * filled * _transmitted(transmission)
    reading = np.interp(seen * alloy.emissivity / believed, _band_tables(band)[0], _GRID)
    result: Array = np.maximum(reading, floor)
    return result


class CameraView(NamedTuple):
    """Bright spot on a coaxial camera: width and length (m), whole pixels, shape (n,)."""

    width: Array
    length: Array


def camera(
    pool: MeltPool,
    alloy: Alloy,
    *,
    speed: npt.ArrayLike = 0.0,
    exposure: float = 0.0,
    pixel: float = 15e-6,
    transmission: npt.ArrayLike = 1.0,
    band: Band = SILICON,
) -> CameraView:
    """Bright-spot size with the threshold set to the solidus on clean optics.

    Dimmed optics raise the isotherm that reaches the threshold, so the spot shrinks; the beam's
    ``speed`` (m/s) during ``exposure`` (s) lengthens it; both sizes are counted in whole pixels
    (``pixel`` in m on the bed).
    """
    radiance, _ = _band_tables(band)
    threshold = np.interp(alloy.solidus, _GRID, radiance)
    isotherm = np.interp(threshold / np.maximum(_transmitted(transmission), 1e-12), radiance, _GRID)
    span = np.maximum(pool.peak_temperature - alloy.solidus, 0.1)
    inside = np.clip(1.0 - (isotherm - alloy.solidus) / span, 0.0, 1.0)
    scale = np.sqrt(inside)
    blur = np.where(scale * pool.length > 0.0, np.asarray(speed, float) * exposure, 0.0)
    return CameraView(
        np.floor(pool.width * scale / pixel) * pixel,
        np.floor((pool.length * scale + blur) / pixel) * pixel,
    )

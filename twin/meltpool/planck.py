"""Thermal radiation: Planck's law, and band radiance tabulated over temperature both ways."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from twin.meltpool.pool import Array

__all__ = [
    "INGAAS",
    "LONGWAVE",
    "SILICON",
    "Band",
    "band_radiance",
    "band_table",
    "radiance_temperature",
    "spectral_radiance",
]

Band = tuple[float, float]

SILICON: Final[Band] = (700e-9, 1000e-9)
INGAAS: Final[Band] = (1100e-9, 1700e-9)
LONGWAVE: Final[Band] = (7.5e-6, 14e-6)  # uncooled bolometer

PLANCK: Final = 6.62607015e-34
LIGHT: Final = 299_792_458.0
BOLTZMANN: Final = 1.380649e-23
GRID: Final = np.arange(200.0, 8001.0, 2.0)


def spectral_radiance(wavelength: npt.ArrayLike, temperature: npt.ArrayLike) -> Array:
    """Black-body radiance (W / (m2 sr m)) at wavelength (m) and temperature (K), Planck 1901."""
    lam, t = np.asarray(wavelength, float), np.asarray(temperature, float)
    power = np.expm1(PLANCK * LIGHT / (lam * BOLTZMANN * t))
    return np.asarray(2.0 * PLANCK * LIGHT**2 / (lam**5 * power))


@lru_cache(maxsize=32)
def band_table(band: Band) -> Array:
    """Band radiance (W / (m2 sr)) over `GRID`.

    ValueError unless 0 < low < high.
    """
    low, high = band
    if not 0.0 < low < high:
        raise ValueError(f"band {band!r} m: needs 0 < low < high")
    node, weight = np.polynomial.legendre.leggauss(24)
    lam = 0.5 * (high - low) * node + 0.5 * (high + low)
    radiance = spectral_radiance(lam, GRID[:, None]) @ weight * (0.5 * (high - low))
    return np.asarray(radiance)


def band_radiance(temperature: npt.ArrayLike, band: Band) -> Array:
    """Black-body radiance (W / (m2 sr)) within ``band`` (m) at temperatures (K), any shape.

    Held at the ends of 200 to 8000 K.
    """
    return np.asarray(np.interp(np.asarray(temperature, float), GRID, band_table(band)))


def radiance_temperature(radiance: npt.ArrayLike, band: Band) -> Array:
    """Temperature (K) of the black body that shines with ``radiance`` (W / (m2 sr)) in ``band``."""
    return np.asarray(np.interp(np.asarray(radiance, float), band_table(band), GRID))

"""Coaxial melt-pool sensors: what a photodiode, pyrometers and a camera see of a pool.

The surface is an ellipse (length by width) whose temperature falls from the peak in the middle to
the solidus on the rim over its area as `twin.meltpool.field.surface_nodes` says. Emission is grey
with the alloy's emissivity. Readings are noise-free; ``transmission`` is that of the optics on the
way back (a soiled window dims these readings besides weakening the beam on the way in, which the
caller expresses as less power). `twin.meltpool.radiometry` reads the same from a whole surface
temperature field, with the noise of the electronics.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from twin.materials import Alloy
from twin.meltpool.field import egg, melt_temperature, surface_nodes
from twin.meltpool.planck import (
    GRID,
    INGAAS,
    SILICON,
    Band,
    band_radiance,
    band_table,
    spectral_radiance,
)
from twin.meltpool.pool import Array, MeltPool

__all__ = [
    "INGAAS",
    "SILICON",
    "CameraView",
    "camera",
    "emission",
    "in_stop",
    "photodiode",
    "pyrometer",
    "ratio_pyrometer",
    "spectral_radiance",
]

# Part of a Lambertian surface's light caught by a 10 mm radius aperture at 400 mm: default.
COLLECTION: Final = 6.25e-4
FILTER: Final = 20e-9  # default pass band of a pyrometer channel


def _mean_radiance(pool: MeltPool, alloy: Alloy, band: Band) -> Array:
    """Black-body band radiance averaged over the pool surface; 0 where nothing melts."""
    nodes, weights = surface_nodes(pool, alloy)
    result: Array = np.where(pool.width > 0.0, band_radiance(nodes, band) @ weights, 0.0)
    return result


def in_stop(pool: MeltPool, alloy: Alloy, band: Band, diameter: float) -> Array:
    """Black-body radiance (W/(m2 sr)) of the melt averaged over a round stop centred on the beam.

    Shape (n,), for a stop of that ``diameter`` (m) on the bed.

    Isotherms are eggs inside the rim: the stop holds the inner ones whole, and of those that
    reach beyond it a part of the angle that is known in closed form.
    """
    nodes, weights = np.polynomial.legendre.leggauss(16)
    u, w = 0.5 * (1.0 + nodes), 0.5 * weights
    # Bent at both ends, where the part of the angle starts and stops like a square root.
    bent, slope = 0.5 * (1.0 - np.cos(np.pi * u)), 0.5 * np.pi * np.sin(np.pi * u)
    stop = (0.5 * diameter) ** 2
    total = np.zeros(len(pool))
    for part in egg(pool.length, pool.width):
        along, aside = part**2, (0.5 * pool.width) ** 2
        far = np.maximum(np.maximum(along, aside), 1e-18)
        near = np.maximum(np.minimum(along, aside), 1e-18)
        whole, last = np.minimum(stop / far, 1.0), np.minimum(stop / near, 1.0)
        cut = whole[:, None] + (last - whole)[:, None] * bent
        split = (stop / cut - near[:, None]) / np.maximum(far - near, 1e-18)[:, None]
        held = 1.0 - 2.0 / np.pi * np.arccos(np.sqrt(np.clip(split, 0.0, 1.0)))
        inner = band_radiance(melt_temperature(pool, alloy, whole[:, None] * u), band) @ w
        outer = (band_radiance(melt_temperature(pool, alloy, cut), band) * held) @ (w * slope)
        total += np.pi / 4.0 * part * pool.width * (whole * inner + (last - whole) * outer)
    result: Array = total / (np.pi / 4.0 * diameter**2)
    return result


def _surface(pool: MeltPool) -> Array:
    result: Array = np.pi / 4.0 * pool.length * pool.width
    return result


def transmitted(transmission: npt.ArrayLike) -> Array:
    """The transmission as an array; ValueError outside 0 to 1."""
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
    return gain * collection * transmitted(transmission) * emission(pool, alloy, band)


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
        _mean_radiance(pool, alloy, band) * transmitted(loss)
        for band, loss in zip(bands, transmission, strict=True)
    )
    seen = (pool.width > 0.0) & (short > 0.0) & (long > 0.0)
    ratio = emissivity_ratio * np.divide(short, long, out=np.zeros_like(long), where=seen)
    scale = band_table(bands[0]) / band_table(bands[1])
    rising = scale if wavelengths[0] < wavelengths[1] else 1.0 / scale
    value = (
        ratio
        if wavelengths[0] < wavelengths[1]
        else np.divide(1.0, ratio, out=np.zeros_like(ratio), where=seen)
    )
    result: Array = np.where(seen, np.maximum(np.interp(value, rising, GRID), floor), floor)
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
    believed = alloy.emissivity if assumed_emissivity is None else assumed_emissivity
    seen = in_stop(pool, alloy, band, field_of_view) * transmitted(transmission)
    reading = np.interp(seen * alloy.emissivity / believed, band_table(band), GRID)
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
    radiance = band_table(band)
    threshold = np.interp(alloy.solidus, GRID, radiance)
    isotherm = np.interp(threshold / np.maximum(transmitted(transmission), 1e-12), radiance, GRID)
    span = np.maximum(pool.peak_temperature - alloy.solidus, 0.1)
    inside = 1.0 - np.sqrt(np.clip((isotherm - alloy.solidus) / span, 0.0, 1.0))
    scale = np.sqrt(inside)
    blur = np.where(scale * pool.length > 0.0, np.asarray(speed, float) * exposure, 0.0)
    return CameraView(
        np.floor(pool.width * scale / pixel) * pixel,
        np.floor((pool.length * scale + blur) / pixel) * pixel,
    )

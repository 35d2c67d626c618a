"""Pictures of a whole layer: optical tomography and the thermal camera."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from twin.materials import Alloy
from twin.meltpool.planck import LONGWAVE, Band, band_radiance, radiance_temperature
from twin.meltpool.pool import Array, MeltPool
from twin.meltpool.sensors import emission

__all__ = [
    "ThermalCamera",
    "Tomograph",
    "emissivity_map",
    "local_contrast",
    "powder_emissivity",
]

_CHUNK: Final = 1 << 20  # points laid down at once, bounds memory
_SPACING: Final = 0.5  # pixels between two points along a vector


@dataclass(frozen=True, slots=True)
class Tomograph:
    """Off-axis camera that keeps its shutter open for a whole layer.

    ``origin`` is the position (m) of the centre of pixel [0, 0], ``shape`` rows and columns,
    ``pixel`` (m), ``band`` (m) that of the filter, ``blur`` standard deviation (m) of the optics'
    point spread, ``full_scale`` time-integrated radiance (J / (m2 sr)) of the last grey value,
    ``noise`` relative standard deviation between pixels (fixed pattern and shot), ``bits``. All
    figures default.
    """

    origin: tuple[float, float]
    shape: tuple[int, int]
    pixel: float = 100e-6
    band: Band = (887.5e-9, 912.5e-9)
    blur: float = 80e-6
    full_scale: float = 20.0
    noise: float = 0.02
    bits: int = 16

    def __post_init__(self) -> None:
        if min(self.shape) < 1:
            raise ValueError(f"tomograph shape {self.shape!r}: allowed from 1 x 1")
        for name in ("pixel", "full_scale"):
            if not getattr(self, name) > 0.0:
                raise ValueError(f"tomograph {name} {getattr(self, name)!r}: allowed above 0")
        if not 1 <= self.bits <= 16:
            raise ValueError(f"tomograph bits {self.bits!r}: allowed 1 to 16")

    def exposure(
        self,
        start: npt.ArrayLike,
        end: npt.ArrayLike,
        pool: MeltPool,
        alloy: Alloy,
        *,
        speed: npt.ArrayLike,
        transmission: npt.ArrayLike = 1.0,
    ) -> Array:
        """Time integral of radiance (J / (m2 sr)), shape ``shape``, of n vectors and their pools.

        ``start``, ``end`` (n, 2) in m; ``speed`` (m/s) and ``transmission`` broadcast to (n,).
        Every vector leaves the light of its pool (`sensors.emission`) spread evenly along it, and
        across it as wide as the mean pool and the optics are together. Light that falls beyond
        the picture is lost, light inside is kept to rounding.
        """
        a, b = (np.asarray(p, float).reshape(-1, 2) for p in (start, end))
        n = len(pool)
        if a.shape != (n, 2) or b.shape != (n, 2):
            raise ValueError(f"start {a.shape} and end {b.shape}: need ({n}, 2), one per pool")
        v = np.broadcast_to(np.asarray(speed, float), (n,))
        if not bool(np.all(v > 0.0)):
            raise ValueError(f"speed {v.min():g} m/s: allowed above 0 m/s")
        length = np.hypot(*(b - a).T)
        light = emission(pool, alloy, self.band) / np.pi * length / v
        light = light * np.broadcast_to(np.asarray(transmission, float), (n,)) / self.pixel**2
        image = self._deposit(a, b, length, light)
        lit = light.sum()
        if not lit > 0.0:
            return image
        sideways = float((pool.width * light).sum() / lit) / 4.0
        sigma = float(np.hypot(self.blur, sideways)) / self.pixel
        return np.asarray(ndimage.gaussian_filter(image, sigma, mode="constant"))

    def _deposit(self, a: Array, b: Array, length: Array, amount: Array) -> Array:
        """Amounts laid along segments, each point shared between its four nearest pixels."""
        ny, nx = self.shape
        # A frame of one pixel takes what falls beyond the edges.
        flat = np.zeros((ny + 2) * (nx + 2))
        points = np.maximum(np.ceil(length / (_SPACING * self.pixel)).astype(np.int64), 1)
        last = np.cumsum(points)
        first = 0
        while first < len(points):
            done = last[first - 1] if first else 0
            stop = max(int(np.searchsorted(last, done + _CHUNK)), first + 1)
            number = points[first:stop]
            which = np.repeat(np.arange(first, stop), number)
            begin = np.repeat(last[first:stop] - number, number)
            share = (np.arange(done, last[stop - 1]) - begin + 0.5) / points[which]
            step = b[which] - a[which]
            u = (a[which, 0] + share * step[:, 0] - self.origin[0]) / self.pixel + 1.0
            v = (a[which, 1] + share * step[:, 1] - self.origin[1]) / self.pixel + 1.0
            u, v = np.clip(u, 0.0, nx + 1.0), np.clip(v, 0.0, ny + 1.0)
            i = np.minimum(u.astype(np.int64), nx)
            j = np.minimum(v.astype(np.int64), ny)
            u, v = u - i, v - j
            cell = j * (nx + 2) + i
            weight = amount[which] / points[which]
            for offset, part in (
                (0, (1 - u) * (1 - v)), (1, u * (1 - v)), (nx + 2, (1 - u) * v), (nx + 3, u * v),
            ):  # fmt: skip
                flat += np.bincount(cell + offset, weight * part, len(flat))
            first = stop
        return np.asarray(flat.reshape(ny + 2, nx + 2)[1:-1, 1:-1])

    def picture(
        self, exposure: Array, rng: np.random.Generator | None = None
    ) -> npt.NDArray[np.uint16]:
        """Grey values of an exposure, with noise if ``rng`` is given; saturates at the last."""
        seen = np.asarray(exposure, float)
        if rng is not None:
            seen = seen * (1.0 + self.noise * rng.standard_normal(seen.shape))
        top = 2**self.bits - 1
        grey: npt.NDArray[np.uint16] = np.clip(
            np.rint(seen / self.full_scale * top), 0, top
        ).astype(np.uint16)
        return grey


def local_contrast(image: npt.NDArray[np.generic], window: int = 15, least: float = 0.1) -> Array:
    """Deviation of each pixel from the mean of the lit pixels around it, over that mean.

    Pixels below ``least`` times the largest value are not lit: they count nowhere and give 0. Cold
    spots are negative, hot spots positive. ``window`` in pixels.
    """
    grey = np.asarray(image, float)
    lit = grey > least * grey.max()
    weight = ndimage.uniform_filter(lit.astype(float), window, mode="constant")
    total = ndimage.uniform_filter(np.where(lit, grey, 0.0), window, mode="constant")
    mean = np.divide(total, weight, out=np.ones_like(grey), where=lit & (weight > 0.0))
    return np.asarray(np.where(lit, grey / mean - 1.0, 0.0))


def powder_emissivity(solid: npt.ArrayLike, porosity: npt.ArrayLike) -> Array:
    """Emissivity of a powder bed of a metal's emissivity ``solid``, any shape: Sih and
    Barlow 2004.

    Gaps between grains act as cavities: the bed is brighter than the metal. ``porosity`` is one
    less the packing. ValueError outside 0 to 1.
    """
    eps, phi = np.asarray(solid, float), np.asarray(porosity, float)
    for name, value in (("emissivity", eps), ("porosity", phi)):
        if not bool(np.all((value > 0.0) & (value <= 1.0))):
            raise ValueError(f"{name} {value.min():g} to {value.max():g}: allowed above 0 to 1")
    holes = 0.908 * phi**2 / (1.908 * phi**2 - 2.0 * phi + 1.0)
    deep = 3.082 * ((1.0 - phi) / phi) ** 2
    cavity = eps * (2.0 + deep) / (eps * (1.0 + deep) + 1.0)
    return np.asarray(holes * cavity + (1.0 - holes) * eps)


def emissivity_map(alloy: Alloy, solid: npt.ArrayLike) -> Array:
    """Emissivity (any shape) of metal (true) and loose powder (false) of an alloy.

    Metal has the emissivity of the alloy data, also in a thermal camera's band, where rough and
    oxidised parts are as bright as clean ones near 0.9 um: default.
    """
    powder = float(powder_emissivity(alloy.emissivity, 1.0 - alloy.powder_packing))
    return np.where(np.asarray(solid, bool), alloy.emissivity, powder)


@dataclass(frozen=True, slots=True)
class ThermalCamera:
    """Infrared camera over the whole bed.

    ``band`` (m); ``netd``, the noise-equivalent temperature difference (K) against a black body
    at 303 K, the usual data-sheet condition; ``binning``, pixels of the map that one pixel of
    the camera averages, along each axis; ``assumed_emissivity`` the camera corrects for;
    ``surroundings`` (K) whose reflection it sees. All figures default.
    """

    band: Band = LONGWAVE
    netd: float = 0.05
    binning: int = 1
    assumed_emissivity: float = 1.0
    surroundings: float = 300.0

    REFERENCE = 303.0

    def __post_init__(self) -> None:
        if not 0.0 < self.assumed_emissivity <= 1.0:
            raise ValueError(
                f"assumed_emissivity {self.assumed_emissivity!r}: allowed above 0 to 1"
            )
        if self.binning < 1:
            raise ValueError(f"binning {self.binning!r}: allowed from 1")

    def noise(self) -> float:
        """Standard deviation of radiance (W / (m2 sr)) in one pixel, from the NETD."""
        low, high = band_radiance([self.REFERENCE - 1.0, self.REFERENCE + 1.0], self.band)
        return float(self.netd * 0.5 * (high - low))

    def image(
        self,
        temperature: npt.ArrayLike,
        emissivity: npt.ArrayLike,
        rng: np.random.Generator | None = None,
    ) -> Array:
        """Apparent temperature (K) of a map (ny, nx) in K, with an emissivity map (or one value).

        Radiance, not temperature, is what a pixel averages: emitted, plus what the surface
        reflects of the surroundings. Rows and columns beyond a whole number of camera pixels are
        left out. ValueError if an emissivity is outside 0 to 1.
        """
        t = np.asarray(temperature, float)
        eps = np.broadcast_to(np.asarray(emissivity, float), t.shape)
        if not bool(np.all((eps >= 0.0) & (eps <= 1.0))):
            raise ValueError(f"emissivity {eps.min():g} to {eps.max():g}: allowed 0 to 1")
        around = float(band_radiance(self.surroundings, self.band))
        radiance = eps * band_radiance(t, self.band) + (1.0 - eps) * around
        k = self.binning
        ny, nx = t.shape[0] // k, t.shape[1] // k
        radiance = radiance[: ny * k, : nx * k].reshape(ny, k, nx, k).mean(axis=(1, 3))
        if rng is not None:
            radiance = radiance + rng.normal(0.0, self.noise(), radiance.shape)
        believed = self.assumed_emissivity
        corrected = (radiance - (1.0 - believed) * around) / believed
        return radiance_temperature(corrected, self.band)

"""Coaxial melt-pool camera: frames from a temperature field, and the features read from them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from twin.materials import Alloy
from twin.meltpool.field import SurfaceField
from twin.meltpool.planck import LIGHT, PLANCK, SILICON, Band, band_radiance
from twin.meltpool.pool import Array
from twin.meltpool.radiometry import emissivity
from twin.meltpool.sensors import COLLECTION, transmitted

__all__ = ["Camera", "Frame", "FrameFeatures", "blurred", "features", "motion_kernel"]

Frame = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]

_DEEPEST: Final = 16


@dataclass(frozen=True, slots=True)
class Camera:
    """Silicon camera looking down the beam path, which stands at the middle of its frame.

    ``shape`` rows and columns, ``pixel`` on the bed (m), ``exposure`` (s), ``frame_rate`` (Hz),
    ``band`` (m), ``blur`` standard deviation of the optics' point spread on the bed (m),
    ``efficiency`` electrons per photon, ``full_well`` and ``read_noise`` in electrons, ``bits`` of
    the grey values, ``collection`` part of the half space's light. All figures default; the blur is
    that of diffraction at 900 nm through the aperture of the collection, 0.21 wavelength / NA.
    """

    shape: tuple[int, int] = (96, 96)
    pixel: float = 15e-6
    exposure: float = 20e-6
    frame_rate: float = 10e3
    band: Band = SILICON
    blur: float = 8e-6
    efficiency: float = 0.3
    full_well: float = 20e3
    read_noise: float = 20.0
    bits: int = 8
    collection: float = COLLECTION

    def __post_init__(self) -> None:
        if not 1 <= self.bits <= _DEEPEST:
            raise ValueError(f"camera bits {self.bits!r}: allowed 1 to {_DEEPEST}")
        if min(self.shape) < 4:
            raise ValueError(f"camera shape {self.shape!r}: allowed from 4 x 4")
        for name in ("pixel", "exposure", "frame_rate", "efficiency", "full_well"):
            if not getattr(self, name) > 0.0:
                raise ValueError(f"camera {name} {getattr(self, name)!r}: allowed above 0")
        if self.exposure * self.frame_rate > 1.0:
            raise ValueError(
                f"camera exposure {self.exposure:g} s: allowed to {1.0 / self.frame_rate:g} s"
            )

    def sensitivity(self, alloy: Alloy) -> float:
        """Electrons per pixel for a unit of black-body radiance (W / (m2 sr)) on that alloy."""
        middle = 0.5 * (self.band[0] + self.band[1])
        photon = PLANCK * LIGHT / middle
        light = np.pi * emissivity(alloy, middle) * self.collection * self.pixel**2
        return float(light * self.exposure * self.efficiency / photon)

    def level(self, alloy: Alloy, temperature: float, transmission: float = 1.0) -> float:
        """Grey value of a surface at ``temperature`` (K), before rounding and saturation."""
        radiance = float(band_radiance(temperature, self.band))
        electrons = self.sensitivity(alloy) * radiance * float(transmitted(transmission))
        level: float = electrons / self.full_well * (2**self.bits - 1)
        return level

    def exposed_for(self, alloy: Alloy, temperature: float, share: float = 0.2) -> Self:
        """The camera with the exposure that puts ``temperature`` (K) at a share of full scale.

        ValueError where that takes longer than a frame.
        """
        ratio = share * (2**self.bits - 1) / self.level(alloy, temperature)
        return replace(self, exposure=self.exposure * ratio)

    def electrons(
        self,
        surface: SurfaceField,
        alloy: Alloy,
        *,
        angle: float = 0.0,
        velocity: tuple[float, float] = (0.0, 0.0),
        transmission: float = 1.0,
    ) -> Array:
        """Mean electrons per pixel, ``shape``, before saturation; arguments as in `frame`."""
        radiance = band_radiance(surface.temperature, self.band)
        fine = max(1, int(np.ceil(self.pixel / surface.pixel - 1e-9)))
        rows, columns = (
            (np.arange(n * fine) + 0.5) / fine * self.pixel - 0.5 * n * self.pixel
            for n in self.shape
        )
        cosine, sine = np.cos(angle), np.sin(angle)
        x = cosine * columns[None, :] + sine * rows[:, None]
        y = cosine * rows[:, None] - sine * columns[None, :]
        at = [(y - surface.origin[1]) / surface.pixel, (x - surface.origin[0]) / surface.pixel]
        # Beyond the field the surface goes on as on its nearest edge.
        seen = ndimage.map_coordinates(radiance, at, order=1, mode="nearest")
        image = seen.reshape(self.shape[0], fine, self.shape[1], fine).mean(axis=(1, 3))
        image *= self.sensitivity(alloy) * float(transmitted(transmission))
        across, down = (v * self.exposure / self.pixel for v in velocity)
        return blurred(image, self.blur / self.pixel, (across, down))

    def frame(
        self,
        surface: SurfaceField,
        alloy: Alloy,
        *,
        angle: float = 0.0,
        velocity: tuple[float, float] = (0.0, 0.0),
        transmission: float = 1.0,
        rng: np.random.Generator | None = None,
    ) -> Frame:
        """One frame, ``shape``, uint8 up to 8 bits and uint16 above.

        ``angle``: direction of motion in the frame (rad from the columns' axis towards the rows').
        ``velocity`` (m/s): of what is seen against the frame, x and y of the frame; zero for a
        steady pool on a camera that rides with the beam, the scan velocity for a camera at rest.
        ``transmission`` of window and optics. ``rng`` adds photon shot noise and read noise.
        """
        mean = self.electrons(
            surface, alloy, angle=angle, velocity=velocity, transmission=transmission
        )
        if rng is not None:
            mean = rng.poisson(mean) + rng.normal(0.0, self.read_noise, mean.shape)
        top = 2**self.bits - 1
        grey = np.clip(np.rint(mean / self.full_well * top), 0, top)
        result: Any = grey.astype(np.uint8 if self.bits <= 8 else np.uint16)
        return result  # type: ignore[no-any-return]


def motion_kernel(travel: tuple[float, float]) -> Array:
    """Path of a point that moves evenly by ``travel`` (columns, rows) pixels; sums to 1."""
    length = float(np.hypot(*travel))
    half = int(np.ceil(0.5 * length)) + 1
    kernel = np.zeros((2 * half + 1, 2 * half + 1))
    points = 4 * int(np.ceil(length)) + 1
    share = (np.arange(points) + 0.5) / points - 0.5
    column, row = half + share * travel[0], half + share * travel[1]
    j, i = np.floor(column).astype(int), np.floor(row).astype(int)
    u, v = column - j, row - i
    for di, dj, weight in (
        (0, 0, (1 - u) * (1 - v)), (0, 1, u * (1 - v)), (1, 0, (1 - u) * v), (1, 1, u * v),
    ):  # fmt: skip
        np.add.at(kernel, (i + di, j + dj), weight)
    return np.asarray(kernel / kernel.sum())


def blurred(image: Array, sigma: float, travel: tuple[float, float] = (0.0, 0.0)) -> Array:
    """Image blurred by optics (Gaussian, ``sigma`` pixels) and motion (``travel`` pixels).

    Light is kept; what leaves over an edge comes back from the mirrored edge.
    """
    result = np.asarray(image, float)
    if sigma > 0.0:
        result = ndimage.gaussian_filter(result, sigma, mode="reflect")
    if np.hypot(*travel) > 0.0:
        result = ndimage.convolve(result, motion_kernel(travel), mode="reflect")
    return np.asarray(result)


class FrameFeatures(NamedTuple):
    """What a frame shows: area (m2), length and width (m), eccentricity (0 round, to 1),
    orientation (rad, -pi/2 to pi/2, of the long axis from the columns' axis towards the rows'),
    mean grey value of the pool, centroid (column, row), number of spatter particles.

    All 0 where nothing is bright enough.
    """

    area: float
    length: float
    width: float
    eccentricity: float
    orientation: float
    mean: float
    centroid: tuple[float, float]
    spatter: int


def features(
    frame: npt.NDArray[Any], pixel: float, threshold: float, smallest: int = 2
) -> FrameFeatures:
    """Features of a frame on pixels of ``pixel`` m, from what is at or above ``threshold``.

    The largest connected region is the pool, every other of at least ``smallest`` pixels a
    spatter particle. Length spans the region along its main axis of inertia, whole pixels
    included; width is four standard deviations across, exact for halves of ellipses; eccentricity
    is that of the ellipse of equal second moments.
    """
    bright = np.asarray(frame) >= threshold
    labels, count = ndimage.label(bright, structure=np.ones((3, 3)))
    if not count:
        return FrameFeatures(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, (0.0, 0.0), 0)
    sizes = np.bincount(labels.ravel())[1:]
    largest = int(np.argmax(sizes))
    row, column = np.nonzero(labels == largest + 1)
    cx, cy = float(column.mean()), float(row.mean())
    u, v = column - cx, row - cy
    # A pixel is a square, not a point: 1/12 of second moment of its own.
    xx, yy, xy = (u * u).mean() + 1 / 12, (v * v).mean() + 1 / 12, (u * v).mean()
    angle = 0.5 * np.arctan2(2.0 * xy, xx - yy)
    mean, spread = 0.5 * (xx + yy), np.hypot(0.5 * (xx - yy), xy)
    cosine, sine = np.cos(angle), np.sin(angle)
    along = cosine * u + sine * v
    return FrameFeatures(
        float(sizes[largest]) * pixel**2,
        float(np.ptp(along) + 1.0) * pixel,
        4.0 * float(np.sqrt(mean - spread)) * pixel,
        float(np.sqrt(1.0 - (mean - spread) / (mean + spread))),
        float(angle),
        float(np.asarray(frame)[row, column].mean()),
        (cx, cy),
        int(np.count_nonzero(np.delete(sizes, largest) >= smallest)),
    )

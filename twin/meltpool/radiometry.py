"""Photodiode and pyrometers on a surface temperature field, with amplifier, noise and converter."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.signal import lfilter

from twin.materials import Alloy
from twin.meltpool.field import SurfaceField
from twin.meltpool.planck import (
    BOLTZMANN,
    GRID,
    SILICON,
    Band,
    band_radiance,
    band_table,
    radiance_temperature,
)
from twin.meltpool.pool import Array
from twin.meltpool.sensors import COLLECTION, FILTER, transmitted

__all__ = ["Converter", "Detector", "RatioPyrometer", "collected", "emissivity", "pyrometer"]

CHARGE: Final = 1.602176634e-19
_REFERENCE: Final = 900e-9  # where the alloy data give the emissivity


def emissivity(alloy: Alloy, wavelength: float, exponent: float = 0.0) -> float:
    """Emissivity at a wavelength (m): that of the alloy data times (900 nm / wavelength)^exponent.

    ``exponent`` 0 is a grey body, 0.5 the infrared limit of a bare metal (Hagen and Rubens 1903).
    At most 1.
    """
    return float(min(alloy.emissivity * (_REFERENCE / wavelength) ** exponent, 1.0))


def _seen(surface: SurfaceField, field_of_view: float) -> npt.NDArray[np.bool_]:
    x, y = surface.axes
    inside: npt.NDArray[np.bool_] = (
        np.hypot(x[None, :], y[:, None]) <= 0.5 * field_of_view
    )
    return inside


def collected(
    surface: SurfaceField,
    alloy: Alloy,
    band: Band = SILICON,
    *,
    transmission: npt.ArrayLike = 1.0,
    collection: float = COLLECTION,
    field_of_view: float = np.inf,
    exponent: float = 0.0,
) -> Array:
    """Light (W) from the surface that reaches the detector within ``band`` (m).

    Planck emission of every pixel, Lambertian, of which the optics take the part ``collection``
    of what the half space gets; ``transmission`` (any shape, the result has it) is that of window,
    optics and filter, ``field_of_view`` the diameter (m) of a round stop centred on the beam,
    ``exponent`` that of `emissivity`.
    """
    radiance = band_radiance(surface.temperature, band)
    if np.isfinite(field_of_view):
        radiance = np.where(_seen(surface, field_of_view), radiance, 0.0)
    power = np.pi * float(radiance.sum()) * surface.pixel**2
    power *= emissivity(alloy, 0.5 * (band[0] + band[1]), exponent) * collection
    return np.asarray(power * transmitted(transmission))


def pyrometer(
    surface: SurfaceField,
    alloy: Alloy,
    *,
    wavelength: float = 900e-9,
    transmission: npt.ArrayLike = 1.0,
    assumed_emissivity: float | None = None,
    field_of_view: float = 200e-6,
    floor: float = 1000.0,
) -> Array:
    """Single-colour temperature (K) over a round ``field_of_view`` (m), not below ``floor``.

    The mean radiance over the stop is taken for that of a surface of ``assumed_emissivity`` (the
    alloy's by default), so dim optics and a pool that is smaller than the stop read low.
    """
    band = (wavelength - FILTER / 2.0, wavelength + FILTER / 2.0)
    light = collected(
        surface, alloy, band, transmission=transmission, collection=1.0,
        field_of_view=field_of_view,
    )  # fmt: skip
    believed = alloy.emissivity if assumed_emissivity is None else assumed_emissivity
    radiance = light / (np.pi * believed * np.pi / 4.0 * field_of_view**2)
    return np.asarray(np.maximum(radiance_temperature(radiance, band), floor))


@dataclass(frozen=True, slots=True)
class Converter:
    """Analogue-to-digital converter: ``bits``, and the voltages (V) of its first and last code."""

    bits: int = 16
    low: float = 0.0
    high: float = 10.0

    def __post_init__(self) -> None:
        if not 1 <= self.bits <= 32:
            raise ValueError(f"converter bits {self.bits!r}: allowed 1 to 32")
        if not self.low < self.high:
            raise ValueError(f"converter range {self.low:g} to {self.high:g} V: needs low < high")

    @property
    def step(self) -> float:
        """One least significant bit (V)."""
        return (self.high - self.low) / float(2**self.bits - 1)

    def codes(self, volts: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Codes of voltages, any shape; clipped to the range."""
        inside = np.clip(np.asarray(volts, float), self.low, self.high)
        codes: npt.NDArray[np.int64] = np.rint((inside - self.low) / self.step).astype(np.int64)
        return codes

    def __call__(self, volts: npt.ArrayLike) -> Array:
        """Voltages as they come out: clipped and in whole steps."""
        return np.asarray(self.low + self.step * self.codes(volts))


@dataclass(frozen=True, slots=True)
class Detector:
    """Photodiode with transimpedance amplifier, first-order low-pass and converter.

    ``responsivity`` (A/W), ``resistance`` of the feedback (V/A), ``bandwidth`` at -3 dB (Hz),
    ``dark_current`` (A), ``temperature`` of the feedback resistor (K). All figures default.
    """

    responsivity: float = 0.55
    resistance: float = 3.6e5
    bandwidth: float = 100e3
    dark_current: float = 1e-9
    temperature: float = 300.0
    converter: Converter = field(default_factory=Converter)

    def __post_init__(self) -> None:
        for name in ("responsivity", "resistance", "bandwidth"):
            if not getattr(self, name) > 0.0:
                raise ValueError(f"detector {name} {getattr(self, name)!r}: allowed above 0")

    @property
    def noise_bandwidth(self) -> float:
        """Width (Hz) of the ideal low-pass that lets the same white noise through."""
        return 0.5 * np.pi * self.bandwidth

    def shot_noise(self, power: npt.ArrayLike) -> Array:
        """Variance (A2) of the current at a light power (W), ``2 q I B`` (Schottky 1918)."""
        current = self.responsivity * np.asarray(power, float) + self.dark_current
        return np.asarray(2.0 * CHARGE * current * self.noise_bandwidth)

    @property
    def thermal_noise(self) -> float:
        """Variance (A2) of the current from the resistor, ``4 k T B / R`` (Nyquist 1928)."""
        variance: float = 4.0 * BOLTZMANN * self.temperature * self.noise_bandwidth
        return variance / self.resistance

    def analogue(
        self, power: npt.ArrayLike, rate: float, rng: np.random.Generator | None = None
    ) -> Array:
        """Amplifier output (V) for light (n,) in W at ``rate`` samples per second.

        Light counts as constant from one sample to the next, so the low-pass is exact; it has
        settled on the first sample before. Noise has the spectrum of the same low-pass. Without
        ``rng`` there is none.
        """
        light = np.atleast_1d(np.asarray(power, float))
        if not bool(np.all(light >= 0.0)):
            raise ValueError(f"power {light.min():g} W: allowed 0 W and above")
        if not rate > 0.0:
            raise ValueError(f"rate {rate!r} Hz: allowed above 0 Hz")
        keep = float(np.exp(-2.0 * np.pi * self.bandwidth / rate))
        slow, _ = lfilter([1.0 - keep], [1.0, -keep], light, zi=[keep * light[0]])
        current = self.responsivity * slow + self.dark_current
        if rng is not None:
            white = rng.standard_normal(len(light))
            white[0] /= np.sqrt(1.0 - keep**2)
            unit = lfilter([np.sqrt(1.0 - keep**2)], [1.0, -keep], white)
            current = current + unit * np.sqrt(self.shot_noise(slow) + self.thermal_noise)
        return np.asarray(self.resistance * current)

    def read(
        self, power: npt.ArrayLike, rate: float, rng: np.random.Generator | None = None
    ) -> Array:
        """What the converter gives (V), shape (n,), for light as in `analogue`."""
        return self.converter(self.analogue(power, rate, rng))

    def light(self, volts: npt.ArrayLike) -> Array:
        """Light (W) that a reading (V) stands for, dark current taken off."""
        return np.asarray(
            (np.asarray(volts, float) / self.resistance - self.dark_current) / self.responsivity
        )


@dataclass(frozen=True, slots=True)
class RatioPyrometer:
    """Two-colour pyrometer: temperature from the ratio of two narrow channels, short over long.

    ``wavelengths`` and ``width`` of the filters (m), ``field_of_view`` (m), ``detector`` of each
    channel, ``emissivity_ratio`` the instrument assumes, readings below ``floor`` (K) or from less
    light than ``threshold`` (W) are given as ``floor``. All figures default.
    """

    wavelengths: tuple[float, float] = (750e-9, 900e-9)
    width: float = FILTER
    field_of_view: float = 200e-6
    emissivity_ratio: float = 1.0
    floor: float = 1000.0
    threshold: float = 1e-10
    detector: Detector = field(
        default_factory=lambda: Detector(resistance=2e7, dark_current=1e-11)
    )

    def __post_init__(self) -> None:
        if not 0.0 < self.wavelengths[0] < self.wavelengths[1]:
            raise ValueError(f"wavelengths {self.wavelengths!r} m: needs 0 < short < long")

    @property
    def bands(self) -> tuple[Band, Band]:
        """Pass bands (m) of the two channels."""
        short, long = ((w - self.width / 2.0, w + self.width / 2.0) for w in self.wavelengths)
        return short, long

    def channels(
        self,
        surface: SurfaceField,
        alloy: Alloy,
        *,
        transmission: tuple[npt.ArrayLike, npt.ArrayLike] = (1.0, 1.0),
        collection: float = COLLECTION,
        exponent: float = 0.0,
    ) -> tuple[Array, Array]:
        """Light (W) in the short and the long channel; arguments as in `collected`."""
        short, long = (
            collected(surface, alloy, band, transmission=loss, collection=collection,
                      field_of_view=self.field_of_view, exponent=exponent)
            for band, loss in zip(self.bands, transmission, strict=True)
        )  # fmt: skip
        return short, long

    def temperature(self, short: npt.ArrayLike, long: npt.ArrayLike) -> Array:
        """Temperature (K) from light (W) in both channels, any shape."""
        a, b = np.broadcast_arrays(np.asarray(short, float), np.asarray(long, float))
        bright = (a > self.threshold) & (b > self.threshold)
        ratio = np.divide(a, b, out=np.zeros(a.shape), where=bright) / self.emissivity_ratio
        scale = band_table(self.bands[0]) / band_table(self.bands[1])
        reading = np.maximum(np.interp(ratio, scale, GRID), self.floor)
        return np.asarray(np.where(bright, reading, self.floor))

    def read(
        self,
        short: npt.ArrayLike,
        long: npt.ArrayLike,
        rate: float,
        rng: np.random.Generator | None = None,
    ) -> Array:
        """Readings (K), shape (n,), of light (W) at ``rate``, through amplifier and converter."""
        seen = [self.detector.light(self.detector.read(p, rate, rng)) for p in (short, long)]
        return self.temperature(*seen)

"""Electron image of the bed: backscattered electrons of the beam of an electron-beam machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from twin.materials import Alloy
from twin.meltpool.detection import spot_detection
from twin.meltpool.pool import Array

__all__ = ["ATOMIC_NUMBER", "ElectronImager", "alloy_yield", "backscatter_yield", "tilted_yield"]

ATOMIC_NUMBER: Final[Mapping[str, int]] = {
    "B": 5, "C": 6, "N": 7, "O": 8, "Mg": 12, "Al": 13, "Si": 14, "P": 15, "S": 16, "Ti": 22,
    "V": 23, "Cr": 24, "Mn": 25, "Fe": 26, "Co": 27, "Ni": 28, "Cu": 29, "Zn": 30, "Y": 39,
    "Zr": 40, "Nb": 41, "Mo": 42, "Ag": 47, "Sn": 50, "Hf": 72, "Ta": 73, "W": 74, "Re": 75,
    "Au": 79,
}  # fmt: skip
_GRAZING: Final = 0.89  # yield at grazing incidence, any element: Drescher et al. 1970
_CHARGE: Final = 1.602176634e-19


def backscatter_yield(atomic_number: npt.ArrayLike) -> Array:
    """Backscattered over incident electrons at normal incidence, any shape.

    The cubic of Reuter (1972) in the atomic number, from data of Heinrich at 20 keV; between 10
    and 100 keV it changes by a few hundredths only (Reimer 1998). ValueError outside 4 to 92.
    """
    z = np.asarray(atomic_number, float)
    if not bool(np.all((z >= 4.0) & (z <= 92.0))):
        raise ValueError(f"atomic_number {z.min():g} to {z.max():g}: allowed 4 to 92")
    return np.asarray(-0.0254 + 0.016 * z - 1.86e-4 * z**2 + 8.3e-7 * z**3)


def alloy_yield(alloy: Alloy) -> float:
    """Yield of an alloy: mean of its elements' by mass fraction (Castaing 1960; Heinrich 1964).

    ValueError for an element without a known atomic number.
    """
    unknown = [element for element in alloy.composition if element not in ATOMIC_NUMBER]
    if unknown:
        raise ValueError(
            f"composition of {alloy.name}: element {', '.join(unknown)} has no atomic number here"
        )
    return float(
        sum(
            part * float(backscatter_yield(ATOMIC_NUMBER[element]))
            for element, part in alloy.composition.items()
        )
    )


def tilted_yield(normal_yield: npt.ArrayLike, tilt: npt.ArrayLike) -> Array:
    """Yield of a surface tilted by ``tilt`` (rad, below pi/2): 0.89 (eta / 0.89)^cos(tilt).

    Drescher, Reimer and Seidel 1970.
    """
    eta = np.asarray(normal_yield, float)
    return np.asarray(_GRAZING * (eta / _GRAZING) ** np.cos(np.asarray(tilt, float)))


@dataclass(frozen=True, slots=True)
class ElectronImager:
    """Detector and scan of an electron image.

    ``pixel`` (m), ``current`` of the beam (A), ``dwell`` on a pixel (s), ``blur`` standard
    deviation of the beam (m), ``collection`` part of the electrons that hit the detector,
    ``noise`` of amplifier and scan over the signal of flat metal, ``direction`` towards the
    detector in the plane of the bed (x, y) whose length is the part by which facing slopes are
    brighter (0: a ring), ``powder`` yield of powder over that of metal and ``grain`` its spread
    from pixel to pixel. All figures default.
    """

    pixel: float = 100e-6
    current: float = 1e-3
    dwell: float = 1e-6
    blur: float = 60e-6
    collection: float = 0.05
    noise: float = 0.03
    direction: tuple[float, float] = (0.0, 0.0)
    powder: float = 0.75
    grain: float = 0.12

    def __post_init__(self) -> None:
        for name in ("pixel", "current", "dwell", "collection", "powder"):
            if not getattr(self, name) > 0.0:
                raise ValueError(f"electron image {name} {getattr(self, name)!r}: allowed above 0")

    def image(
        self,
        alloy: Alloy,
        height: npt.ArrayLike,
        solid: npt.ArrayLike = True,
        rng: np.random.Generator | None = None,
    ) -> Array:
        """Detector current (A), shape (ny, nx), of a surface ``height`` (ny, nx) in m.

        ``solid``: metal (true) or powder (false), broadcast to the picture. Slopes are brighter
        (`tilted_yield`). Shot noise of the electrons caught, amplifier noise and powder grain need
        ``rng``; without it the picture is the mean one.
        """
        z = np.asarray(height, float)
        if z.ndim != 2 or min(z.shape) < 2:
            raise ValueError(f"height shape {z.shape}: needs (ny, nx) from 2 x 2")
        metal = np.broadcast_to(np.asarray(solid, bool), z.shape)
        down, across = np.gradient(z, self.pixel)
        tilt = np.arctan(np.hypot(across, down))
        seen = tilted_yield(alloy_yield(alloy), tilt)
        facing = -(self.direction[0] * across + self.direction[1] * down) * np.cos(tilt)
        seen = seen * np.maximum(1.0 + facing, 0.0)
        rough = self.powder * np.ones(z.shape)
        if rng is not None:
            rough *= np.maximum(1.0 + self.grain * rng.standard_normal(z.shape), 0.0)
        seen = np.where(metal, seen, seen * rough)
        seen = ndimage.gaussian_filter(seen, self.blur / self.pixel, mode="nearest")
        signal = self.current * self.collection * seen
        if rng is not None:
            caught = signal * self.dwell / _CHARGE
            shot = signal / np.sqrt(np.maximum(caught, 1.0))
            flat = self.current * self.collection * alloy_yield(alloy)
            spread = np.hypot(shot, self.noise * flat)
            signal = np.maximum(signal + spread * rng.standard_normal(z.shape), 0.0)
        return np.asarray(signal, float)

    def detection(
        self, size: npt.ArrayLike, *, contrast: float = 0.5, false_alarm: float = 1e-4
    ) -> Array:
        """Probability that an open pore of diameter ``size`` (m) on metal is found, any shape.

        ``contrast``: part of the signal that a hole swallows (default); ``false_alarm`` per place.
        """
        return spot_detection(
            size, pixel=self.pixel, blur=self.blur, contrast=contrast, noise=self.noise,
            false_alarm=false_alarm,
        )  # fmt: skip

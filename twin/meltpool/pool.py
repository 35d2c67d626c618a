"""What every melt-pool level takes and gives: the beam, the pool, and the model protocol."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np
import numpy.typing as npt

from twin.materials import Alloy

if TYPE_CHECKING:
    from twin.meltpool.path import BeamPath

Array = npt.NDArray[np.float64]
Preheat = float | Callable[[Array], Array]

INFRARED: Final = 1070e-9
GREEN: Final = 515e-9
BLUE: Final = 450e-9
POWDER_CELLS: Final = 20  # finest cells of metal that powder on an `EnthalpySolver` may be worth


class Mode(IntEnum):
    """Regime of a melt pool."""

    NONE = 0
    CONDUCTION = 1
    TRANSITION = 2
    KEYHOLE = 3


def defocused_sigma(
    sigma: npt.ArrayLike, offset: npt.ArrayLike, rayleigh_length: npt.ArrayLike
) -> Array:
    """Beam standard deviation (m) at ``offset`` (m) from the focus, any shape.

    ``sigma sqrt(1 + (offset / rayleigh_length)^2)``, the propagation law of a beam of constant
    quality (ISO 11146-1). ValueError if the Rayleigh length (m) is not above 0.
    """
    length = np.asarray(rayleigh_length, float)
    if not bool(np.all(length > 0.0)):
        raise ValueError(f"rayleigh_length {length.min():g} m: allowed above 0 m")
    widening = np.sqrt(1.0 + (np.asarray(offset, float) / length) ** 2)
    return np.asarray(np.asarray(sigma, float) * widening)


@dataclass(frozen=True, slots=True)
class MeltPool:
    """Melt pools of n beam positions or vectors, each array of shape (n,).

    length, width, depth (m) of the melted region, depth below the consolidated surface; peak
    temperature (K); cooling rate (K/s) at the solidus on the trailing end; ``mode`` (`Mode` as
    uint8); ``absorptivity``, the absorbed fraction of the beam; ``normalised_enthalpy`` (King et
    al. 2014) with flat-surface absorptivity; ``uncertainty``, one relative standard deviation of
    width and depth. Where nothing melts the sizes are 0.
    """

    length: Array
    width: Array
    depth: Array
    peak_temperature: Array
    cooling_rate: Array
    mode: npt.NDArray[np.uint8]
    absorptivity: Array
    normalised_enthalpy: Array
    uncertainty: Array

    def __len__(self) -> int:
        return len(self.mode)


class MeltPoolModel(Protocol):
    """One level of melt-pool physics."""

    @property
    def name(self) -> str:
        """Name of the level."""
        ...

    def pools(
        self,
        alloy: Alloy,
        power: npt.ArrayLike,
        speed: npt.ArrayLike,
        sigma: npt.ArrayLike,
        preheat: npt.ArrayLike,
        wavelength: npt.ArrayLike = INFRARED,
        powder_layer: npt.ArrayLike = 0.0,
    ) -> MeltPool:
        """Steady pools for power on the surface (W), speed (m/s), sigma (m, D4sigma / 4), local
        temperature before the beam comes (K), wavelength (m) and powder thickness (m).

        Arguments broadcast to (n,). ValueError names a field outside its range.
        """
        ...


class PathModel(MeltPoolModel, Protocol):
    """A level that knows what the beams did before: starts, turns, neighbouring tracks."""

    def along(
        self,
        alloy: Alloy,
        paths: Sequence[BeamPath],
        times: npt.ArrayLike,
        *,
        preheat: Preheat = 293.15,
        wavelength: float = INFRARED,
        powder_layer: float = 0.0,
        beam: int = 0,
    ) -> MeltPool:
        """Pools of beam number ``beam`` at rising ``times`` (m,) in s, all ``paths`` heating.

        ``preheat``: temperature (K) before the first beam comes, one number or a function of
        positions (m, 2) in m that gives (m,). Where the beam is off the pool is what is left
        of it. ValueError names a field outside its range.
        """
        ...

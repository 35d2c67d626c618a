"""Sound of the process: the vapour plume, and how fast a keyhole swings."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from twin.materials import ATMOSPHERE, GAS_CONSTANT, Alloy
from twin.meltpool.pool import Array, MeltPool

__all__ = ["keyhole_frequency", "plume_pressure"]

ARGON: Final = 0.039948  # kg/mol
AMBIENT: Final = 300.0  # K of the chamber gas
SURFACE_TENSION: Final = 1.8  # N/m of liquid iron and nickel: default
KEYHOLE_BAND: Final = (5e3, 50e3)  # Hz, where swinging keyholes are seen: default


def plume_pressure(
    evaporation: npt.ArrayLike,
    rate: float,
    alloy: Alloy,
    *,
    distance: float = 0.3,
    pressure: float = ATMOSPHERE,
    molar_mass: float = ARGON,
) -> Array:
    """Sound pressure (Pa), shape (n,), of metal vapour (kg/s) sampled at ``rate`` (Hz).

    The plume is a compact monopole on a hard floor: rho0 V'' / (2 pi r) (Lighthill 1952), the
    volume that the vapour takes at the boiling point being evaporation / (p M / (R Tb)). So the
    sound follows the rate of change of evaporation and is silent when that is steady. ``distance``
    of the microphone (m), ``pressure`` (Pa) and ``molar_mass`` (kg/mol) of the chamber gas. The
    run time of the sound is left out. ValueError for fewer than two samples.
    """
    mass = np.asarray(evaporation, float)
    if mass.ndim != 1 or len(mass) < 2:
        raise ValueError(f"evaporation shape {mass.shape}: needs (n,) from 2 samples")
    for name, value in (("rate", rate), ("distance", distance), ("pressure", pressure)):
        if not value > 0.0:
            raise ValueError(f"{name} {value!r}: allowed above 0")
    vapour = pressure * alloy.molar_mass / (GAS_CONSTANT * alloy.boiling)
    gas = pressure * molar_mass / (GAS_CONSTANT * AMBIENT)
    slope = np.gradient(mass, 1.0 / rate)
    return np.asarray(gas / vapour * slope / (2.0 * np.pi * distance))


def keyhole_frequency(pool: MeltPool, alloy: Alloy) -> Array:
    """Frequency (Hz) at which a keyhole swings, shape (n,); the lowest where nothing melts.

    Capillary waves on liquid of the pool's half width R: omega^2 = 8 gamma / (rho R^3) (Rayleigh
    1879, lowest mode), kept within 5 to 50 kHz.
    """
    radius = np.maximum(0.5 * pool.width, 1e-6)
    density = float(alloy.density(alloy.liquidus))
    swing = np.sqrt(8.0 * SURFACE_TENSION / (density * radius**3)) / (2.0 * np.pi)
    inside = np.clip(swing, *KEYHOLE_BAND)
    return np.asarray(np.where(pool.width > 0.0, inside, KEYHOLE_BAND[0]))

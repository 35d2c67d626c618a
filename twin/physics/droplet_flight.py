"""Flight of melt drops through helium and argon to a wall: which freeze before they reach it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from twin.materials import GAS_CONSTANT, STEFAN_BOLTZMANN, Alloy
from twin.materials import alloy as find_alloy
from twin.powder.sizes import CENTRES

__all__ = ["Flight", "GasMixture", "flown", "fly", "splat_share"]

Array = npt.NDArray[np.float64]

STEPS: Final = 120
FLATTENS: Final = 0.3
"""Share of liquid from which a drop is a splat on the wall, default."""
# Molar mass (kg/mol), heat (J/(kg K)), conductivity (W/(m K)) and viscosity (Pa s) at 300 K with
# their powers of temperature; handbook values of the pure gases.
_HELIUM: Final = (4.0026e-3, 5193.0, 0.156, 0.71, 19.9e-6, 0.68)
_ARGON: Final = (39.948e-3, 520.0, 0.0177, 0.70, 22.7e-6, 0.72)


@dataclass(frozen=True)
class GasMixture:
    """Helium and argon: ``helium`` mole fraction, the rest argon (or air, which is like it)."""

    helium: float

    @property
    def molar_mass(self) -> float:
        """kg/mol."""
        return self.helium * _HELIUM[0] + (1.0 - self.helium) * _ARGON[0]

    def density(self, pressure: float, temperature: npt.ArrayLike) -> Array:
        """kg/m3 of an ideal gas, Pa and K."""
        t = np.asarray(temperature, float)
        return np.asarray(pressure * self.molar_mass / (GAS_CONSTANT * t))

    @property
    def heat(self) -> float:
        """Specific heat at constant pressure, J/(kg K)."""
        helium, argon = self.helium * _HELIUM[0], (1.0 - self.helium) * _ARGON[0]
        return (helium * _HELIUM[1] + argon * _ARGON[1]) / (helium + argon)

    def transport(self, temperature: npt.ArrayLike) -> tuple[Array, Array]:
        """Conductivity (W/(m K)) and viscosity (Pa s), any shape: Wassiljewa's and Wilke's rules.

        Both with Wilke's factors (Wilke 1950; Mason and Saxena 1958).
        """
        t = np.asarray(temperature, float) / 300.0
        k1, k2 = (gas[2] * t ** gas[3] for gas in (_HELIUM, _ARGON))
        m1, m2 = (gas[4] * t ** gas[5] for gas in (_HELIUM, _ARGON))
        x1, x2 = self.helium, 1.0 - self.helium
        ratio = _ARGON[0] / _HELIUM[0]
        f12 = (1.0 + np.sqrt(m1 / m2) * ratio**0.25) ** 2 / np.sqrt(8.0 * (1.0 + 1.0 / ratio))
        f21 = (1.0 + np.sqrt(m2 / m1) * ratio**-0.25) ** 2 / np.sqrt(8.0 * (1.0 + ratio))
        return (np.asarray(x1 * k1 / (x1 + x2 * f12) + x2 * k2 / (x2 + x1 * f21)),
                np.asarray(x1 * m1 / (x1 + x2 * f12) + x2 * m2 / (x2 + x1 * f21)))


class Flight(NamedTuple):
    """How drops arrive, by diameter."""

    liquid: Array
    """Share that is still melt at the wall."""
    temperature: Array
    """K at the wall."""
    cooling: Array
    """Rate (K/s) at which the melt cools when it leaves the rim."""


def fly(alloy: Alloy, speed: float, path: float, gas: GasMixture, pressure: float,
        temperature: float, superheat: float, diameters: npt.ArrayLike = CENTRES) -> Flight:
    """Drops of ``diameters`` (n,) m that leave at ``speed`` (m/s) and fly ``path`` (m).

    Drag of a sphere (Schiller and Naumann 1933), heat transfer Nu = 2 + 0.6 Re^1/2 Pr^1/3 (Ranz and
    Marshall 1952) and radiation; one temperature in a drop (Biot number below 0.1), freezing at the
    liquidus without undercooling. Gas at ``pressure`` (Pa) and ``temperature`` (K), as the wall.
    ValueError unless speed, path and pressure are above 0.
    """
    if not min(speed, path, pressure) > 0.0:
        raise ValueError("speed, path and pressure must be above 0")
    d = np.asarray(diameters, float)
    density = float(alloy.density(alloy.liquidus))
    melt_heat = float(alloy.specific_heat(alloy.liquidus))
    solid_heat = float(alloy.specific_heat(alloy.solidus))
    freezing, latent = alloy.liquidus, alloy.latent_fusion
    # Heat over that of the solid at the liquidus, J/kg.
    heat = np.full(d.shape, latent + melt_heat * superheat)
    v = np.full(d.shape, float(speed))
    edges = np.concatenate([[0.0], np.geomspace(2e-5 * path, path, STEPS)])
    first = np.zeros(d.shape)
    t = _temperature(heat, latent, freezing, melt_heat, solid_heat)
    for number, step in enumerate(np.diff(edges)):
        film = 0.5 * (t + temperature)
        conductivity, viscosity = gas.transport(film)
        thick = gas.density(pressure, film)
        reynolds = thick * v * d / viscosity
        prandtl = gas.heat * viscosity / conductivity
        transfer = (2.0 + 0.6 * np.sqrt(reynolds) * np.cbrt(prandtl)) * conductivity / d
        flux = transfer * (t - temperature) + alloy.emissivity * STEFAN_BOLTZMANN * (
            t**4 - temperature**4)
        rate = np.maximum(6.0 * flux / (density * d), 0.0)  # W/kg; rounding may cool the gas
        if number == 0:
            first = rate / melt_heat
        least = -solid_heat * (freezing - temperature)
        # Never below the gas: a small drop loses its heat within a step.
        room = np.maximum(heat - least, 1e-9)
        heat = least + room * np.exp(-rate * (step / v) / room)
        drag = 24.0 / np.maximum(reynolds, 1e-9) * (1.0 + 0.15 * reynolds**0.687)
        v = np.maximum(v * np.exp(-0.75 * drag * thick * step / (density * d)), 0.3)
        t = _temperature(heat, latent, freezing, melt_heat, solid_heat)
    return Flight(np.clip(heat / latent, 0.0, 1.0), t, first)


def _temperature(heat: Array, latent: float, freezing: float, melt: float, solid: float) -> Array:
    return np.asarray(freezing + np.maximum(heat - latent, 0.0) / melt + np.minimum(heat, 0.0)
                      / solid)


@lru_cache(maxsize=512)
def flown(alloy: str, speed: float, path: float, helium: float, pressure: float,
          temperature: float, superheat: float) -> Flight:
    """`fly` for the size classes, remembered; arguments as there, the gas by its helium."""
    return fly(find_alloy(alloy), speed, path, GasMixture(helium), pressure, temperature,
               superheat)


def splat_share(liquid: npt.ArrayLike) -> Array:
    """Share of drops that flatten on the wall by their share of liquid there (any shape)."""
    return np.asarray(np.clip(np.asarray(liquid, float) / FLATTENS, 0.0, 1.0))

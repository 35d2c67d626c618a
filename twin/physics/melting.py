"""Induction melting of a charge or a rod: heat content, losses, the melt nozzle's heat balance."""

from __future__ import annotations

from math import exp
from typing import Final

import numpy as np
import numpy.typing as npt

from twin.materials import STEFAN_BOLTZMANN, Alloy

__all__ = ["AMBIENT", "HeatContent", "bath_area", "bath_loss", "nozzle_rate", "nozzle_steady",
           "rod_melting_rate"]

Floats = npt.NDArray[np.float64]
AMBIENT: Final = 293.15


class HeatContent:
    """Enthalpy per mass of an alloy over temperature, from the hall's temperature, and back.

    The latent heat is spread evenly between solidus and liquidus. Temperatures outside the
    alloy's range of data are held at its ends.
    """

    def __init__(self, metal: Alloy) -> None:
        low, high = AMBIENT, min(metal.specific_heat.high, metal.boiling)
        self.temperatures: Floats = np.unique(np.concatenate([
            np.linspace(low, high, 400), [metal.solidus, metal.liquidus]]))
        heat = metal.specific_heat(self.temperatures)
        steps = 0.5 * (heat[1:] + heat[:-1]) * np.diff(self.temperatures)
        sensible = np.concatenate([[0.0], np.cumsum(steps)])
        mushy = np.clip((self.temperatures - metal.solidus)
                        / (metal.liquidus - metal.solidus), 0.0, 1.0)
        self.values: Floats = sensible + metal.latent_fusion * mushy
        self.liquid = self.at(metal.liquidus)
        """J/kg from which all is liquid."""
        self.solid = self.at(metal.solidus)
        """J/kg up to which all is solid."""

    def at(self, temperature: float) -> float:
        """J/kg at a temperature (K)."""
        return float(np.interp(temperature, self.temperatures, self.values))

    def temperature(self, content: float) -> float:
        """K at a heat content (J/kg)."""
        return float(np.interp(content, self.values, self.temperatures))


def bath_area(mass: float) -> float:
    """Free surface (m2) of a bath of so much melt (kg) in a crucible of its size, default."""
    return float(0.05 * (max(mass, 0.0) / 50.0) ** (2.0 / 3.0))


def bath_loss(temperature: float, mass: float, emissivity: float) -> float:
    """Heat (W) that a bath (K, kg) loses: radiation of its surface, conduction of the crucible.

    The crucible's conductance, 6 W/K for 50 kg and in proportion to its size, is a default.
    """
    radiated = emissivity * STEFAN_BOLTZMANN * bath_area(mass) * (temperature**4 - AMBIENT**4)
    size = (max(mass, 0.0) / 50.0) ** (1.0 / 3.0)
    return float(radiated + 6.0 * size * (temperature - AMBIENT))


# The melt nozzle: conductances (W/K) to melt, tundish and gas, and heat capacity (J/K); defaults.
BY_MELT: Final = 60.0
"""W/K while melt flows."""
BY_STANDING_MELT: Final = 12.0
"""W/K under melt that stands."""
BY_TUNDISH: Final = 8.0
BY_GAS: Final = 6.0
"""W/K at a gas flow of `REFERENCE_FLOW`."""
REFERENCE_FLOW: Final = 0.3
"""kg/s of atomizing gas."""
CAPACITY: Final = 350.0
COLD: Final = 0.75
"""Temperature of the gas around the nozzle over that before it: it has expanded."""


def _conductances(flow: float, gas: float, wet: bool) -> tuple[float, float]:
    melt = BY_MELT if flow > 0.0 else BY_STANDING_MELT if wet else 0.0
    return melt, BY_GAS * (max(gas, 0.0) / REFERENCE_FLOW) ** 0.8


def nozzle_steady(melt: float, tundish: float, around: float, flow: float, gas: float,
                  wet: bool = False) -> float:
    """Temperature (K) that a nozzle comes to: C dTn/dt = hm A (Tm - Tn) + ... - hg A (Tn - Tg) = 0.

    ``melt``, ``tundish`` and ``around`` (gas before the nozzle) in K; ``flow`` of melt and ``gas``
    in kg/s; ``wet``: melt stands over it, which heats it less than melt that flows.
    """
    to_melt, to_gas = _conductances(flow, gas, wet)
    whole = to_melt + BY_TUNDISH + to_gas
    return (to_melt * melt + BY_TUNDISH * tundish + to_gas * COLD * around) / whole


def nozzle_rate(flow: float, gas: float, wet: bool = False) -> float:
    """Inverse time constant (1/s) of a nozzle's temperature."""
    to_melt, to_gas = _conductances(flow, gas, wet)
    return (to_melt + BY_TUNDISH + to_gas) / CAPACITY


def rod_melting_rate(power: float, share: float, content: HeatContent, tip: float) -> float:
    """Melt (kg/s) that drips from a rod's tip at ``tip`` (K): m = eta P / (h(tip) - h(ambient)).

    ``power`` of the coil (W) and the ``share`` of it that goes into the tip and is not radiated.
    """
    return share * max(power, 0.0) / content.at(tip)


def coupling(place: float, best: float, width: float) -> float:
    """Share of a coil's best coupling with a rod whose tip is at ``place`` (m) in it, default."""
    return exp(-(((place - best) / width) ** 2))

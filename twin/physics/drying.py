"""Water on metal powder: adsorption isotherms, the monolayer, drying kinetics."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp
from typing import Final

from twin.materials import GAS_CONSTANT

__all__ = ["DryingKinetics", "bet", "gab", "monolayer", "saturation_pressure"]

MONOLAYER: Final = 0.26e-6
"""Water of one monolayer, kg/m2 (about 0.115 nm2 per molecule)."""


def monolayer(density: float, d32: float) -> float:
    """Water of a monolayer on grains, kg per kg: 0.26 mg/m2 x 6 / (rho d32)."""
    return MONOLAYER * 6.0 / (density * d32)


def saturation_pressure(temperature: float) -> float:
    """Saturation pressure (Pa) of water, Magnus form (Sonntag, 1990), up to about 150 degC."""
    celsius = temperature - 273.15
    return 611.2 * exp(17.62 * celsius / (243.12 + celsius))


def bet(activity: float, c: float) -> float:
    """Coverage in monolayers at a water activity 0 to 1 (Brunauer, Emmett and Teller 1938).

    c a / ((1 - a) (1 - a + c a)). ValueError outside 0 <= a < 1.
    """
    return gab(activity, c, 1.0)


def gab(activity: float, c: float, k: float) -> float:
    """Coverage in monolayers after Guggenheim, Anderson and de Boer; BET for k = 1.

    c k a / ((1 - k a) (1 - k a + c k a)). ValueError outside 0 <= k a < 1.
    """
    a = k * activity
    if not 0.0 <= a < 1.0:
        raise ValueError(f"water activity times k {a:g} must be from 0 to below 1")
    return c * a / ((1.0 - a) * (1.0 - a + c * a))


@dataclass(frozen=True)
class DryingKinetics:
    """dX/dt = -k0 exp(-Ea/RT) (X - Xeq); constants default."""

    rate: float = 60.0
    """k0, 1/s"""
    energy: float = 38_000.0
    """Ea, J/mol: with k0 about an hour at 100 degC in a thin bed."""
    affinity: float = 30.0
    """c of the isotherm at 293 K."""
    multilayer: float = 0.75
    """k of the isotherm."""
    heat: float = 12_000.0
    """J/mol more than condensation that the first layer gives: c falls with temperature."""
    bound: float = 0.35
    """Chemisorbed water in monolayers, which dry gas does not take below `releases`."""
    releases: float = 473.15
    """K from which the chemisorbed water leaves too."""

    def constant(self, temperature: float) -> float:
        """1/s at a temperature (K)."""
        return self.rate * exp(-self.energy / (GAS_CONSTANT * temperature))

    def coverage(self, temperature: float, vapour: float) -> float:
        """Monolayers in balance with a water vapour pressure (Pa), the chemisorbed part included.

        The isotherm's activity is p/psat at the powder's temperature, at most 0.95 (condensation
        in the gaps is left out); its c follows van 't Hoff.
        """
        activity = min(vapour / saturation_pressure(temperature), 0.95)
        c = self.affinity * exp(self.heat / GAS_CONSTANT * (1.0 / temperature - 1.0 / 293.15))
        physical = gab(activity, c, self.multilayer)
        bound = self.bound
        if temperature > self.releases:
            bound *= exp(-(temperature - self.releases) / 50.0)
        return max(physical, bound)

    def after(self, start: float, ends: float, temperature: float, step: float) -> float:
        """Water content after ``step`` (s) at constant temperature and balance, exact."""
        return ends + (start - ends) * exp(-self.constant(temperature) * step)

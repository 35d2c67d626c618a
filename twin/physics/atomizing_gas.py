"""Atomizing gas: properties, choked flow through a nozzle ring, speed of the jet."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Final

from twin.materials import GAS_CONSTANT

__all__ = ["AMBIENT_PRESSURE", "ARGON", "GASES", "NITROGEN", "AtomizingGas"]

AMBIENT_PRESSURE: Final = 101_325.0
REFERENCE: Final = 300.0
"""K at which the kinematic viscosity of the size correlation is taken."""


@dataclass(frozen=True, slots=True)
class AtomizingGas:
    """An ideal gas: molar mass (kg/mol), ratio of specific heats, Sutherland's viscosity.

    ``viscosity_300`` (Pa s) at 300 K and ``sutherland`` (K) after White (2006); ``prandtl`` is
    taken as constant.
    """

    name: str
    symbol: str
    molar_mass: float
    ratio: float
    viscosity_300: float
    sutherland: float
    prandtl: float

    @property
    def constant(self) -> float:
        """Specific gas constant, J/(kg K)."""
        return GAS_CONSTANT / self.molar_mass

    @property
    def heat(self) -> float:
        """Specific heat at constant pressure, J/(kg K)."""
        return self.ratio / (self.ratio - 1.0) * self.constant

    def density(self, temperature: float, pressure: float = AMBIENT_PRESSURE) -> float:
        """kg/m3 at a temperature (K) and pressure (Pa)."""
        return pressure / (self.constant * temperature)

    def viscosity(self, temperature: float) -> float:
        """Dynamic viscosity (Pa s) at a temperature (K), Sutherland (1893)."""
        t, s = temperature, self.sutherland
        return float(self.viscosity_300 * (t / 300.0) ** 1.5 * (300.0 + s) / (t + s))

    def kinematic(self, temperature: float = REFERENCE) -> float:
        """Kinematic viscosity (m2/s) at ambient pressure."""
        return self.viscosity(temperature) / self.density(temperature)

    def conductivity(self, temperature: float) -> float:
        """W/(m K), from viscosity and Prandtl number."""
        return self.viscosity(temperature) * self.heat / self.prandtl

    def flow(self, pressure: float, temperature: float, area: float, discharge: float) -> float:
        """Mass flow (kg/s) through a choked nozzle of an area (m2).

        m = Cd A p0 sqrt(g/(R T0)) (2/(g+1))^((g+1)/(2(g-1))); Saint-Venant and Wantzel (1839).
        Absolute pressure (Pa) and temperature (K) before the nozzle. Below the critical ratio to
        ambient pressure it is not choked and falls to nothing; the flow is then that of the
        isentropic nozzle.
        """
        g = self.ratio
        back = AMBIENT_PRESSURE / pressure if pressure > AMBIENT_PRESSURE else 1.0
        critical = (2.0 / (g + 1.0)) ** (g / (g - 1.0))
        base = discharge * area * pressure / sqrt(self.constant * temperature)
        if back <= critical:
            return float(base * sqrt(g) * (2.0 / (g + 1.0)) ** ((g + 1.0) / (2.0 * (g - 1.0))))
        inner = 2.0 * g / (g - 1.0) * (back ** (2.0 / g) - back ** ((g + 1.0) / g))
        return base * sqrt(max(inner, 0.0))

    def speed(self, pressure: float, temperature: float,
              back: float = AMBIENT_PRESSURE) -> float:
        """Speed (m/s) of gas expanded without loss from pressure (Pa), temperature (K) to `back`.

        v = sqrt(2g/(g-1) R T0 [1 - (pa/p0)^((g-1)/g)]), Saint-Venant and Wantzel (1839); 0 if the
        pressure is not above that behind the nozzle.
        """
        if pressure <= back:
            return 0.0
        g = self.ratio
        drop = 1.0 - (back / pressure) ** ((g - 1.0) / g)
        return sqrt(2.0 * g / (g - 1.0) * self.constant * temperature * drop)


NITROGEN: Final = AtomizingGas("nitrogen", "N", 0.0280134, 1.4, 1.787e-5, 107.0, 0.71)
ARGON: Final = AtomizingGas("argon", "Ar", 0.039948, 5.0 / 3.0, 2.27e-5, 144.0, 0.67)
GASES: Final[dict[str, AtomizingGas]] = {gas.name: gas for gas in (NITROGEN, ARGON)}

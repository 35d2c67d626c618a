"""Recipes of the plasma rotating electrode process."""

from __future__ import annotations

from typing import Annotated, Literal

from emulators.recipes.files import BaseRecipe, Quantity, Section

__all__ = ["Arc", "Cooling", "Drops", "Gas", "Recipe", "Rods", "Rotation"]


class Rods(Section):
    """What is loaded into the magazine."""

    count: Annotated[int, Quantity("1", 1, 100, whole=True)] = 4
    """How many rods a job takes."""
    diameter: Annotated[float, Quantity("mm", 15, 100)] = 75e-3
    """Diameter."""
    length: Annotated[float, Quantity("mm", 50, 1000)] = 0.4
    """Length."""
    oxygen: Annotated[float, Quantity("ppm", 0, 5000)] = 800e-6
    """Oxygen in the metal, by mass."""
    stub: Annotated[float, Quantity("mm", 30, 300)] = 50e-3
    """Length at which a rod is finished."""
    loading: Annotated[float, Quantity("min", 0.02, 240)] = 900.0
    """Time to load the magazine."""
    change: Annotated[float, Quantity("s", 1, 600)] = 60.0
    """Time to take a rod out of the magazine and chuck it."""


class Gas(Section):
    """Vacuum and filling of the chamber."""

    vacuum: Annotated[float, Quantity("mbar", 1e-4, 500)] = 1.0
    """Pressure to which the chamber is pumped, Pa."""
    pressure: Annotated[float, Quantity("mbar", 1030, 1400)] = 110_000.0
    """Pressure of the filled chamber."""
    helium: Annotated[float, Quantity("%", 0, 100)] = 0.7
    """Helium in the filling, the rest argon."""
    fill_flow: Annotated[float, Quantity("L/min", 50, 6000)] = 600e-3 / 60
    """Gas flow while filling."""
    oxygen_limit: Annotated[float, Quantity("ppm", 5, 5000)] = 50e-6
    """Oxygen above which there is no arc."""


class Rotation(Section):
    """Speed of the rod."""

    speed: Annotated[float, Quantity("rpm", 1000, 40_000)] = 20_000 / 60
    """Speed while atomizing."""
    acceleration: Annotated[float, Quantity("rpm/s", 5, 2000)] = 100 / 60
    """Rate of spin-up."""
    braking: Annotated[float, Quantity("rpm/s", 5, 2000)] = 300 / 60
    """Rate of spin-down."""
    band: Annotated[float, Quantity("%", 1, 50)] = 0.15
    """Half width of the band about the critical speed in which the spindle does not stay."""
    vibration: Annotated[float, Quantity("mm/s", 0.5, 7)] = 4.5e-3
    """Vibration at which the run is held."""


class Arc(Section):
    """Torch and gap."""

    power: Annotated[float, Quantity("kW", 5, 200)] = 40e3
    """Arc power."""
    voltage: Annotated[float, Quantity("V", 30, 140)] = 57.0
    """Arc voltage that the feed keeps; the gap follows from it."""
    ignition: Annotated[float, Quantity("mm", 5, 24)] = 18e-3
    """Gap at which the arc is struck."""
    approach: Annotated[float, Quantity("mm/s", 0.5, 6)] = 2e-3
    """Feed up to that gap."""
    gas: Annotated[float, Quantity("L/min", 25, 300)] = 60e-3 / 60
    """Plasma gas flow."""


class Drops(Section):
    """How the metal atomizes: the prediction that the machine is set up by."""

    model: Literal["force balance", "champagne-angers"] = "force balance"
    """Equation for the mass median."""
    factor: Annotated[float, Quantity("1", 0.2, 20)] = 1.0
    """On the force balance's diameter, or Champagne and Angers' constant in SI units."""
    critical: Annotated[float, Quantity("um", 50, 900)] = 250e-6
    """Size from which half-solid melt is torn off irregular."""


class Cooling(Section):
    """The way down."""

    unload: Annotated[float, Quantity("degC", 22, 150)] = 313.15
    """Gas temperature at which the canister may be taken away."""


class Recipe(BaseRecipe):
    """All settings of a job, in SI units; frozen."""

    rods: Rods = Rods()
    gas: Gas = Gas()
    rotation: Rotation = Rotation()
    arc: Arc = Arc()
    drops: Drops = Drops()
    cooling: Cooling = Cooling()

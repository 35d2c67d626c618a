"""Recipes for debinding and sintering."""

from __future__ import annotations

from typing import Annotated, Literal

from emulators.recipes.files import BaseRecipe, Quantity, Section

__all__ = [
    "Cooling",
    "Debinding",
    "Green",
    "Presintering",
    "Purging",
    "Quality",
    "Recipe",
    "Sintering",
]

_Rate = Annotated[float, Quantity("K/min", 0.1, 50)]
_Hot = Annotated[float, Quantity("degC", 25, 1480)]
_Time = Annotated[float, Quantity("min", 0, 1440)]
_Gas = Literal["hydrogen", "nitrogen", "argon", "vacuum"]


class Green(Section):
    """Green parts that come without a record of their printing."""

    density: Annotated[float, Quantity("%", 30, 74)] = 0.55
    """Relative density of the metal."""
    resin: Annotated[float, Quantity("%", 0, 5)] = 0.008
    """Mass of resin over mass of metal."""
    compensated: bool = True
    """They were enlarged for the shrinkage that this recipe expects."""


class Purging(Section):
    """What comes before heat."""

    vacuum: Annotated[float, Quantity("mbar", 0.01, 500)] = 2000.0
    """Pressure of the leak check."""
    leak_time: Annotated[float, Quantity("s", 10, 3600)] = 120.0
    """Time that the pressure is watched."""
    leak_limit: Annotated[float, Quantity("mbar.L/s", 0.01, 100)] = 0.1
    """Leak rate at which the job does not go on."""
    flow: Annotated[float, Quantity("L/min", 1, 400)] = 60e-3 / 60
    """Gas flow while purging and debinding."""
    oxygen_limit: Annotated[float, Quantity("ppm", 10, 10_000)] = 1e-3
    """Oxygen at which heating may begin."""


class Debinding(Section):
    """Burn-off of the resin in equal steps."""

    first: _Hot = 573.15
    """Temperature of the first step."""
    last: _Hot = 873.15
    """Temperature of the last step."""
    steps: Annotated[int, Quantity("1", 0, 200, whole=True)] = 4
    """How many steps."""
    rate: _Rate = 2 / 60
    """Heating between them."""
    time: _Time = 4 * 3600.0
    """Time at temperature, all steps together."""
    gas: _Gas = "hydrogen"
    """Gas."""


class Presintering(Section):
    """A hold in which the last carbon and oxide leave while pores are open."""

    hold: _Time = 1800.0
    """Time at temperature; 0: no such segment."""
    temperature: _Hot = 1273.15
    """Temperature."""
    rate: _Rate = 5 / 60
    """Heating."""
    gas: _Gas = "hydrogen"
    """Gas."""


class Sintering(Section):
    """The sinter segment, and how the powder sinters."""

    temperature: _Hot = 1643.15
    """Temperature."""
    rate: _Rate = 5 / 60
    """Heating."""
    hold: _Time = 3600.0
    """Time at temperature."""
    gas: _Gas = "hydrogen"
    """Gas."""
    flow: Annotated[float, Quantity("L/min", 1, 400)] = 20e-3 / 60
    """Gas flow."""
    soak_band: Annotated[float, Quantity("K", 2, 100)] = 10.0
    """Below the target: where the load's time at temperature begins."""
    energy: Annotated[float, Quantity("1", 50_000, 1_000_000)] = 500e3
    """Activation energy of the master curve, J/mol."""
    slope: Annotated[float, Quantity("1", 0.1, 10)] = 1.056
    """Slope n of the master curve."""
    centre: Annotated[float, Quantity("1", -100, 0)] = -38.0
    """Centre c of the master curve, ln(s/K)."""
    green: Annotated[float, Quantity("%", 30, 74)] = 0.55
    """Green density that the curve was fitted at."""
    ratio: Annotated[float, Quantity("1", 0.5, 2)] = 1.15
    """Shrinkage along the build direction over that in the layer."""
    solidus: Annotated[float, Quantity("degC", 1000, 1500)] = 1668.15
    """Solidus of the debound powder."""
    liquidus: Annotated[float, Quantity("degC", 1000, 1600)] = 1723.15
    """Liquidus."""


class Cooling(Section):
    """The way down."""

    fan_below: _Hot = 1173.15
    """Temperature from which the fan helps."""
    gas: Literal["nitrogen", "argon"] = "argon"
    """Gas."""
    flow: Annotated[float, Quantity("L/min", 1, 400)] = 20e-3 / 60
    """Gas flow."""
    unload: Annotated[float, Quantity("degC", 25, 200)] = 353.15
    """Load at which the retort may be opened."""


class Quality(Section):
    """What the parts are inspected against."""

    density: Annotated[float, Quantity("%", 50, 100)] = 0.95
    """Least relative density."""
    tolerance: Annotated[float, Quantity("%", 0.05, 20)] = 0.01
    """Largest deviation of a size."""
    carbon: Annotated[float, Quantity("ppm", 50, 20_000)] = 400e-6
    """Most carbon by mass."""


class Recipe(BaseRecipe):
    """All settings of a debinding and sintering job, in SI units; frozen."""

    green: Green = Green()
    purging: Purging = Purging()
    debinding: Debinding = Debinding()
    presintering: Presintering = Presintering()
    sintering: Sintering = Sintering()
    cooling: Cooling = Cooling()
    quality: Quality = Quality()

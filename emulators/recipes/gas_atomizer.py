"""Recipes for gas atomization from a crucible (VIGA) or a rod (EIGA)."""

from __future__ import annotations

from typing import Annotated, Literal

from emulators.recipes.files import BaseRecipe, Quantity, Section

__all__ = ["Chamber", "Charge", "Cooling", "Filter", "Gas", "Nozzle", "Pour", "Recipe", "Rod"]

_Time = Annotated[float, Quantity("s", 0, 20_000)]


class Charge(Section):
    """What is melted."""

    melting: Literal["VIGA", "EIGA"] = "VIGA"
    """Melting unit: induction crucible or induction-heated rod."""
    count: Annotated[int, Quantity("1", 1, 100, whole=True)] = 1
    """How many charges or rods."""
    mass: Annotated[float, Quantity("kg", 0.5, 400)] = 50.0
    """Mass of each."""
    oxygen: Annotated[float, Quantity("ppm", 1, 5000)] = 100e-6
    """Oxygen in it."""
    time: _Time = 1800.0
    """Time to put it in."""
    power: Annotated[float, Quantity("kW", 5, 250)] = 120e3
    """Most power of the generator."""
    superheat: Annotated[float, Quantity("K", 20, 500)] = 200.0
    """Melt over its liquidus; a rod has its own."""
    hold: _Time = 300.0
    """Time at that temperature before the pour."""


class Rod(Section):
    """The rod of an EIGA charge."""

    diameter: Annotated[float, Quantity("mm", 20, 150)] = 50e-3
    """Diameter."""
    feed: Annotated[float, Quantity("mm/min", 1, 200)] = 75e-3 / 60
    """Feed to begin with; then it follows the tip."""
    depth: Annotated[float, Quantity("mm", 5, 50)] = 25e-3
    """Place of the tip in the coil."""
    rotation: Annotated[float, Quantity("rpm", 0, 20)] = 5 / 60
    """Turning."""
    stub: Annotated[float, Quantity("kg", 0.05, 50)] = 0.5
    """What is left of it in the holder."""


class Chamber(Section):
    """What comes before heat."""

    vacuum: Annotated[float, Quantity("mbar", 0.01, 1100)] = 5.0
    """Pressure to evacuate to."""
    leak_time: Annotated[float, Quantity("s", 1, 3600)] = 120.0
    """Time that the pressure is watched."""
    leak_limit: Annotated[float, Quantity("mbar.L/s", 0.01, 10_000)] = 0.3
    """Leak rate at which the job does not go on."""
    oxygen_limit: Annotated[float, Quantity("ppm", 5, 250_000)] = 200e-6
    """Most oxygen while melting and pouring."""
    settling: Annotated[float, Quantity("s", 0, 600)] = 20.0
    """Time that the oxygen analysers are given after filling."""


class Nozzle(Section):
    """Melt and gas nozzle, and what was found of it."""

    bore: Annotated[float, Quantity("mm", 0.5, 12)] = 4e-3
    """Bore of the melt tube."""
    protrusion: Annotated[float, Quantity("mm", 0, 12)] = 5e-3
    """How far the melt tube stands out of the gas nozzle."""
    slit: Annotated[float, Quantity("mm2", 1, 300)] = 24e-6
    """Gas slit."""
    constant: Annotated[float, Quantity("1", 5, 1000)] = 77.5
    """K of the size correlation."""
    spread: Annotated[float, Quantity("1", 1.05, 4)] = 1.75
    """Geometric standard deviation of a steady spray."""
    hollow: Annotated[float, Quantity("%", 0, 50)] = 0.03
    """Hollow grains at 100 um."""
    preheat: Annotated[float, Quantity("K", 0, 400)] = 80.0
    """Tundish over the liquidus."""
    margin: Annotated[float, Quantity("K", -200, 200)] = 30.0
    """Nozzle over the liquidus without which nothing is poured."""


class Gas(Section):
    """Atomizing gas."""

    gas: Literal["argon", "nitrogen"] = "argon"
    """Gas."""
    pressure: Annotated[float, Quantity("bar", 5, 80)] = 40e5
    """Before the nozzle, absolute."""
    temperature: Annotated[float, Quantity("degC", 20, 500)] = 293.15
    """Before the nozzle."""
    curtain: Annotated[float, Quantity("kg/min", 0, 9)] = 3 / 60
    """Anti-satellite gas along the spray."""
    recirculate: bool = True
    """The tower's gas is compressed and used again."""


class Pour(Section):
    """The pour."""

    level: Annotated[float, Quantity("mm", 20, 340)] = 0.25
    """Melt in the tundish."""
    tail_level: Annotated[float, Quantity("mm", 5, 300)] = 0.12
    """Level below which the last of the charge counts as tail."""
    quarantine: bool = True
    """The tail goes into a can of its own."""


class Filter(Section):
    """The loop's filter."""

    pulse: Annotated[float, Quantity("mbar", 1, 90)] = 1500.0
    """Differential pressure at which it is pulsed."""
    limit: Annotated[float, Quantity("mbar", 2, 95)] = 4000.0
    """Differential pressure at which the pour is stopped."""


class Cooling(Section):
    """After the pour."""

    powder: Annotated[float, Quantity("degC", 21, 300)] = 313.15
    """Powder that may be taken out."""
    vessel: Annotated[float, Quantity("degC", 50, 1400)] = 573.15
    """Crucible, tundish or rod that may meet air."""
    passivation: _Time = 900.0
    """Time under a little air."""
    discharge: _Time = 900.0
    """Time to take the cans out and clean."""


class Recipe(BaseRecipe):
    """All settings of an atomizing job, in SI units; frozen."""

    charge: Charge = Charge()
    rod: Rod = Rod()
    chamber: Chamber = Chamber()
    nozzle: Nozzle = Nozzle()
    gas: Gas = Gas()
    pour: Pour = Pour()
    filter: Filter = Filter()
    cooling: Cooling = Cooling()

"""Recipes for spheroidizing powder in an induction plasma."""

from __future__ import annotations

from typing import Annotated

from emulators.recipes.files import BaseRecipe, Quantity, Section

__all__ = ["Cooling", "Feed", "Gas", "Powder", "Quality", "Recipe", "Torch"]

_Flow = Annotated[float, Quantity("L/min", 0, 250)]
_Share = Annotated[float, Quantity("%", 0, 100)]
_SLM = 1e-3 / 60


class Torch(Section):
    """Generator and flame."""

    power: Annotated[float, Quantity("kW", 8, 100)] = 45e3
    """Plate power."""
    ignition: Annotated[float, Quantity("kW", 8, 60)] = 15e3
    """Plate power at which the flame is lit."""


class Gas(Section):
    """Gases of the torch, of the reactor and of its loop; flows at ambient."""

    central: _Flow = 30 * _SLM
    """Central argon."""
    sheath: _Flow = 80 * _SLM
    """Argon along the tube."""
    hydrogen: Annotated[float, Quantity("L/min", 0, 50)] = 2 * _SLM
    """Hydrogen in the sheath gas."""
    carrier: Annotated[float, Quantity("L/min", 1, 30)] = 6 * _SLM
    """Argon that carries the powder."""
    window: Annotated[float, Quantity("L/min", 0, 30)] = 5 * _SLM
    """Argon over the sight glasses."""
    purge: Annotated[float, Quantity("L/min", 20, 400)] = 300 * _SLM
    """Argon while purging and cooling."""
    oxygen_limit: Annotated[float, Quantity("ppm", 5, 150_000)] = 100e-6
    """Oxygen at which the flame may be lit."""
    oxygen_hold: Annotated[float, Quantity("ppm", 10, 150_000)] = 300e-6
    """Oxygen at which feeding is stopped."""
    dew_hold: Annotated[float, Quantity("degC", -80, 30)] = 253.15
    """Dew point at which feeding is stopped."""
    reuse: _Share = 0.0
    """Share of the argon that is cleaned and used again."""
    blower: _Share = 0.8
    """Blower of the gas loop."""


class Feed(Section):
    """Batches and how fast they are fed."""

    rate: Annotated[float, Quantity("kg/h", 0.02, 20)] = 2 / 3600
    """Powder feed."""
    batch: Annotated[float, Quantity("kg", 0.005, 40)] = 4.0
    """Powder of a batch."""
    batches: Annotated[int, Quantity("1", 1, 500, whole=True)] = 4
    """Batches of a job."""


class Powder(Section):
    """The powder that waits at the machine when no lot is named."""

    d50: Annotated[float, Quantity("um", 3, 300)] = 45e-6
    """Mass median size."""
    spread: Annotated[float, Quantity("1", 1.05, 4)] = 1.4
    """Geometric standard deviation."""
    low: Annotated[float, Quantity("um", 0, 300)] = 0.0
    """Lower cut."""
    high: Annotated[float, Quantity("um", 10, 1000)] = 1e-3
    """Upper cut."""
    oxygen: Annotated[float, Quantity("ppm", 0, 50_000)] = 1e-3
    """Oxygen of metal and oxide."""
    moisture: Annotated[float, Quantity("ppm", 0, 5_000)] = 1e-4
    """Adsorbed water."""
    irregular: _Share = 1.0
    """Particles that are not round."""


class Quality(Section):
    """What a batch is judged by."""

    sphericity: _Share = 0.9
    """Least share of round particles."""
    pulse: Annotated[float, Quantity("mbar", 5, 140)] = 45e2
    """Filter difference at which it is back-pulsed."""


class Cooling(Section):
    """The end of a job."""

    unload: Annotated[float, Quantity("degC", 25, 150)] = 318.15
    """Gas at which the reactor may be opened."""
    passivate: bool = True
    """Soot is oxidised slowly before the filter is opened."""


class Recipe(BaseRecipe):
    """All settings of a spheroidizing job, in SI units; frozen."""

    torch: Torch = Torch()
    gas: Gas = Gas()
    feed: Feed = Feed()
    powder: Powder = Powder()
    quality: Quality = Quality()
    cooling: Cooling = Cooling()

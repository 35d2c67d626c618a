"""Settings of an arc deposition job."""

from __future__ import annotations

from typing import Annotated

from emulators.recipes.ded import DedRecipe
from emulators.recipes.ded_wire import Wire
from emulators.recipes.files import Quantity, Section

__all__ = ["ArcSet", "Recipe"]


class ArcSet(Section):
    """The welding source."""

    voltage: Annotated[float, Quantity("V", 12, 45)]
    """Voltage setting at the recipe's wire feed."""
    synergy: Annotated[float, Quantity("V", 0, 5)] = 1.1
    """What the voltage rises by for each m/min of wire feed above the recipe's."""


class Recipe(DedRecipe):
    """All settings of an arc deposition job, in SI units; frozen.

    The stand-off is the distance from contact tip to part.
    """

    wire: Wire
    arc: ArcSet

"""Settings of a wire-laser deposition job."""

from __future__ import annotations

from typing import Annotated

from emulators.recipes.ded import DedRecipe
from emulators.recipes.ded_wire import Wire
from emulators.recipes.files import Quantity, Section

__all__ = ["HotWire", "LaserSet", "Recipe"]


class LaserSet(Section):
    """Laser power and how the pool's width is held."""

    power: Annotated[float, Quantity("W", 200, 10_000)]
    """Laser power of a pass."""
    spot: Annotated[float, Quantity("mm", 1, 15)]
    """Width of the laser's spot on the surface."""
    regulate: bool = True
    """Let the camera regulate laser power by pool width."""
    authority: Annotated[float, Quantity("%", 0, 50)] = 0.15
    """Most that the regulator may add or take."""
    pool_width: Annotated[float, Quantity("mm", 0, 20)] = 0.0
    """Width that the regulator holds; 0: that of the working point."""


class HotWire(Section):
    """Resistive heating of the wire."""

    current: Annotated[float, Quantity("A", 0, 350)] = 0.0
    """Current at the recipe's wire feed; 0: cold wire."""
    stick_out: Annotated[float, Quantity("mm", 5, 80)] = 20e-3
    """Wire from contact tip to pool."""


class Recipe(DedRecipe):
    """All settings of a wire-laser deposition job, in SI units; frozen."""

    wire: Wire
    laser: LaserSet
    hot_wire: HotWire = HotWire()

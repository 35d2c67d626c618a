"""Settings of a powder deposition job."""

from __future__ import annotations

from typing import Annotated

from pydantic import field_validator

from emulators.recipes.ded import DedRecipe
from emulators.recipes.files import Quantity, Section
from twin.materials import MaterialError, alloy

__all__ = ["Grading", "LaserSet", "Nozzle", "Powder", "Recipe"]


class LaserSet(Section):
    """Laser power and how the pool's width is held."""

    power: Annotated[float, Quantity("W", 50, 10_000)]
    """Laser power of a pass."""
    spot_d4sigma: Annotated[float, Quantity("mm", 0.2, 12)]
    """Laser spot on the surface, second-moment width (ISO 11146)."""
    regulate: bool = True
    """Let the camera regulate laser power by pool width."""
    authority: Annotated[float, Quantity("%", 0, 50)] = 0.4
    """Most that the regulator may add or take."""
    pool_width: Annotated[float, Quantity("mm", 0, 20)] = 0.0
    """Width that the regulator holds; 0: that of the closed form at the working point."""


class Nozzle(Section):
    """The powder jet of the nozzle."""

    focus: Annotated[float, Quantity("mm", 3, 60)] = 12e-3
    """Distance of the powder focus from the nozzle."""
    radius: Annotated[float, Quantity("mm", 0.2, 10)] = 1.25e-3
    """1/e2 radius of the jet in its focus."""
    reach: Annotated[float, Quantity("mm", 0.5, 40)] = 4e-3
    """Distance from the focus at which the radius has grown by sqrt(2)."""
    share: Annotated[float, Quantity("%", 10, 100)] = 0.9
    """Of the powder, what sticks where the pool catches all of it."""


class Powder(Section):
    """How powder is fed."""

    disc_speed: Annotated[float, Quantity("1", 0.05, 20)]
    """Speed of the metering discs together, rpm."""
    carrier_flow: Annotated[float, Quantity("L/min", 1, 20)] = 6e-3 / 60
    """Carrier gas."""
    lead: Annotated[float, Quantity("s", 0, 60)] = 6.0
    """Feed before the first pass of a layer, until powder has come through the hose."""


class Grading(Section):
    """A second powder whose share changes from layer to layer in a straight line."""

    alloy: str
    """Alloy in the second hopper."""
    first_layer: Annotated[int, Quantity("1", 1, 100_000, whole=True)] = 1
    """Layer up to which the share is the first one."""
    last_layer: Annotated[int, Quantity("1", 1, 100_000, whole=True)] = 10
    """Layer from which the share is the last one."""
    first_share: Annotated[float, Quantity("%", 0, 100)] = 0.0
    """Share of the second powder's flow in the first of these layers."""
    last_share: Annotated[float, Quantity("%", 0, 100)] = 1.0
    """Share in the last of these layers."""

    @field_validator("alloy")
    @classmethod
    def _known_alloy(cls, name: str) -> str:
        try:
            return alloy(name).name
        except MaterialError as error:
            raise ValueError(f"must be a known alloy: {error}") from None

    def share(self, layer: int) -> float:
        """Share of the second powder in a layer, counted from 1."""
        span = max(self.last_layer - self.first_layer, 1)
        part = min(max((layer - self.first_layer) / span, 0.0), 1.0)
        return self.first_share + part * (self.last_share - self.first_share)


class Recipe(DedRecipe):
    """All settings of a powder deposition job, in SI units; frozen."""

    laser: LaserSet
    powder: Powder
    nozzle: Nozzle = Nozzle()
    grading: Grading | None = None

"""Settings that all directed energy deposition jobs have."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from emulators.recipes.files import BaseRecipe, Quantity, Section
from twin.parts.passes import PassStyle

__all__ = ["Atmosphere", "DedRecipe", "Motion", "Passes", "Thermal"]


class Passes(Section):
    """How a cross-section is filled with beads."""

    bead_width: Annotated[float, Quantity("mm", 0.1, 30)]
    """Width of a bead."""
    overlap: Annotated[float, Quantity("%", 0, 90)] = 1 / 3
    """Share of a bead's width that the next one covers."""
    layer_height: Annotated[float, Quantity("mm", 0.05, 10)]
    """Height by which the head goes up for each layer."""
    contours: Annotated[int, Quantity("1", 0, 20, whole=True)] = 1
    """Number of contours."""
    contour_first: bool = True
    """Contours before the hatch instead of after it."""
    rotation: Annotated[float, Quantity("deg", 0, 360)] = math.pi / 2
    """Turn of the direction from layer to layer."""
    start_angle: Annotated[float, Quantity("deg", 0, 360)] = 0.0
    """Direction in the first layer, from the x axis."""
    alternate: bool = True
    """Every second layer is run backwards."""
    dwell_unit: Literal["auto", "s", "ms"] = "auto"
    """Unit of G4 P in a G-code file."""

    def style(self) -> PassStyle:
        """The geometry side."""
        return PassStyle(self.bead_width, self.overlap, self.contours, self.contour_first,
                         self.rotation, self.start_angle, self.alternate)


class Motion(Section):
    """How the head moves."""

    travel_speed: Annotated[float, Quantity("mm/s", 0.5, 200)]
    """Speed along a pass."""
    stand_off: Annotated[float, Quantity("mm", 4, 60)]
    """Distance from nozzle (or contact tip) to the surface."""


class Thermal(Section):
    """Temperatures of the job."""

    preheat: Annotated[float, Quantity("degC", 20, 600)] = 293.15
    """Build plate before the first pass."""
    interpass_limit: Annotated[float, Quantity("degC", 50, 1000)]
    """Interpass temperature above which the next layer waits."""
    dwell: Annotated[float, Quantity("s", 0, 3600)] = 5.0
    """Least dwell between layers."""
    adaptive: bool = True
    """Dwell until the interpass temperature is below its limit, not just for the least dwell."""
    unpack: Annotated[float, Quantity("degC", 25, 300)] = 333.15
    """Part and plate at which the door may be opened."""


class Atmosphere(Section):
    """What surrounds the process."""

    inert: bool = False
    """Fill the enclosure with inert gas before the first pass."""
    oxygen_limit: Annotated[float, Quantity("ppm", 5, 20_000)] = 50e-6
    """Oxygen in an inert enclosure above which no pass is begun."""
    purge_flow: Annotated[float, Quantity("L/min", 1, 1000)] = 0.4 / 60
    """Gas flow into the enclosure while it is purged."""
    process_flow: Annotated[float, Quantity("L/min", 0, 100)] = 10e-3 / 60
    """Gas flow into an inert enclosure while building."""
    shield_flow: Annotated[float, Quantity("L/min", 0, 40)] = 18e-3 / 60
    """Shield gas at the head."""


class DedRecipe(BaseRecipe):
    """What every deposition job has, in SI units; frozen."""

    passes: Passes
    motion: Motion
    thermal: Thermal
    atmosphere: Atmosphere = Atmosphere()

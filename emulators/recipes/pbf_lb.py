"""Settings of a laser powder bed fusion job."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from emulators.recipes.files import BaseRecipe, Quantity, Section

__all__ = [
    "Atmosphere",
    "ContourSet",
    "HatchSet",
    "Recipe",
    "Recoating",
    "Scanner",
    "SkinSet",
    "SupportSet",
    "Temperatures",
]

_Power = Annotated[float, Quantity("W", 10, 2000)]
_Speed = Annotated[float, Quantity("mm/s", 10, 20_000)]
_Spot = Annotated[float, Quantity("um", 20, 1000)]
_Spacing = Annotated[float, Quantity("um", 10, 1000)]
_Angle = Annotated[float, Quantity("deg", 0, 360)]


class HatchSet(Section):
    """How the inside of a cross-section is melted."""

    power: _Power
    """Laser power on the powder bed."""
    speed: _Speed
    """Scan speed."""
    spot_d4sigma: _Spot
    """Beam diameter on the powder bed, second-moment width (ISO 11146)."""
    hatch_spacing: _Spacing
    """Distance between neighbouring hatch lines."""
    pattern: Literal["meander", "stripes", "islands"] = "stripes"
    """How hatch lines are cut and ordered."""
    stripe_width: Annotated[float, Quantity("mm", 0.5, 100)] = 7e-3
    """Width of a stripe."""
    stripe_overlap: Annotated[float, Quantity("mm", 0, 1)] = 0.0
    """How far neighbouring stripes or islands reach over each other."""
    island_size: Annotated[float, Quantity("mm", 0.5, 100)] = 5e-3
    """Edge of an island."""
    rotation: _Angle = math.radians(67.0)
    """Turn of the hatch direction from layer to layer."""
    start_angle: _Angle = 0.0
    """Hatch direction in the first layer, from the x axis."""


class ContourSet(Section):
    """How the edge of a cross-section is melted."""

    count: Annotated[int, Quantity("1", 0, 10, whole=True)] = 1
    """Number of contours."""
    power: _Power
    """Laser power on the powder bed."""
    speed: _Speed
    """Scan speed."""
    spot_d4sigma: _Spot
    """Beam diameter on the powder bed, second-moment width (ISO 11146)."""
    beam_offset: Annotated[float, Quantity("um", 0, 1000)] = 50e-6
    """Distance of the outermost contour from the surface, about half the width of a track."""
    spacing: _Spacing = 100e-6
    """Distance between contours, and from the innermost one to the ends of the hatches."""
    first: bool = False
    """Contours before the hatches instead of after them."""


class SkinSet(Section):
    """What differs from the hatch where the section is the top or the underside of the part."""

    layers: Annotated[int, Quantity("1", 1, 20, whole=True)] = 3
    """Sections with no solid within this many layers above or below belong to the skin."""
    power: _Power
    """Laser power on the powder bed."""
    speed: _Speed
    """Scan speed."""
    spot_d4sigma: _Spot
    """Beam diameter on the powder bed, second-moment width (ISO 11146)."""


class SupportSet(Section):
    """Where supports stand and how they are melted."""

    power: _Power
    """Laser power on the powder bed."""
    speed: _Speed
    """Scan speed."""
    spot_d4sigma: _Spot
    """Beam diameter on the powder bed, second-moment width (ISO 11146)."""
    kind: Literal["block", "line"] = "block"
    """Crossing or parallel walls."""
    wall_spacing: Annotated[float, Quantity("mm", 0.2, 20)] = 1e-3
    """Distance between parallel walls."""
    critical_angle: Annotated[float, Quantity("deg", 0, 89)] = math.radians(45.0)
    """Surfaces that look down flatter than this, from the horizontal, are supported."""


class Scanner(Section):
    """Timing of beam and mirrors; no light on a jump."""

    jump_speed: Annotated[float, Quantity("m/s", 0.1, 50)] = 6.0
    """Speed of the mirrors between vectors, on the powder bed."""
    jump_delay: Annotated[float, Quantity("ms", 0, 10)] = 0.0
    """Rest of the mirrors after a jump."""
    laser_on_delay: Annotated[float, Quantity("ms", 0, 10)] = 75e-6
    """From the start of a vector to the start of emission."""
    laser_off_delay: Annotated[float, Quantity("ms", 0, 10)] = 75e-6
    """From the end of a vector to the end of emission."""
    mark_delay: Annotated[float, Quantity("ms", 0, 10)] = 300e-6
    """Rest of the mirrors after a vector."""


class Recoating(Section):
    """How a layer of powder is spread."""

    dosing_factor: Annotated[float, Quantity("1", 0.5, 5)] = 1.8
    """Powder supplied, per powder that the layer takes."""
    speed: Annotated[float, Quantity("mm/s", 10, 1000)] = 0.15
    """Speed of the blade over the plate."""
    settle: Annotated[float, Quantity("s", 0, 60)] = 0.5
    """Wait between recoating and exposure."""


class Atmosphere(Section):
    """What surrounds the process."""

    gas: Literal["argon", "nitrogen"] = "argon"
    """Process gas."""
    oxygen_limit: Annotated[float, Quantity("ppm", 10, 20_000)] = 1000e-6
    """Oxygen mole fraction above which the laser does not start."""
    duct_velocity: Annotated[float, Quantity("m/s", 1, 50)] = 20.0
    """Gas speed in the duct of the recirculation."""
    purge_flow: Annotated[float, Quantity("L/min", 1, 1000)] = 0.1 / 60
    """Gas flow while purging."""
    process_flow: Annotated[float, Quantity("L/min", 0, 100)] = 3e-3 / 60
    """Gas flow while building."""
    vacuum: bool = False
    """Build in vacuum instead of process gas."""
    vacuum_pressure: Annotated[float, Quantity("Pa", 1e-4, 1000)] = 0.01
    """Pressure at which a build in vacuum may start."""


class Temperatures(Section):
    """Temperatures of the job."""

    preheat: Annotated[float, Quantity("degC", 20, 500)] = 353.15
    """Build plate while building."""
    unpack: Annotated[float, Quantity("degC", 25, 200)] = 333.15
    """Part at which the door may be opened."""


class Recipe(BaseRecipe):
    """All settings of a laser powder-bed job, in SI units; frozen."""

    layer_thickness: Annotated[float, Quantity("um", 10, 200)]
    """Height by which the plate goes down for each layer."""
    wavelength: Annotated[float, Quantity("nm", 400, 1100)] = 1070e-9
    """Wavelength of the laser; absorptivity follows it."""
    hatch: HatchSet
    contour: ContourSet
    support: SupportSet
    upskin: SkinSet | None = None
    downskin: SkinSet | None = None
    scanner: Scanner = Scanner()
    recoating: Recoating = Recoating()
    atmosphere: Atmosphere = Atmosphere()
    temperature: Temperatures = Temperatures()

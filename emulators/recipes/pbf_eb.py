"""Settings of an electron beam powder bed fusion job."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from emulators.recipes.files import BaseRecipe, Quantity, Section

__all__ = [
    "ContourSet",
    "Exposure",
    "HatchSet",
    "Imaging",
    "Preheat",
    "Raking",
    "Recipe",
    "SupportSet",
    "Temperatures",
    "Vacuum",
]

_Current = Annotated[float, Quantity("mA", 0.5, 100)]
_Speed = Annotated[float, Quantity("mm/s", 10, 20_000)]
_Spot = Annotated[float, Quantity("um", 50, 2000)]
_Spacing = Annotated[float, Quantity("um", 20, 2000)]
_Angle = Annotated[float, Quantity("deg", 0, 360)]
_Degrees = Annotated[float, Quantity("degC", 20, 1200)]
_Seconds = Annotated[float, Quantity("s", 0, 600)]


class HatchSet(Section):
    """How the inside of a cross-section is melted."""

    current: _Current
    """Beam current; of a gun that splits its beam, of all its beams together."""
    speed: _Speed
    """Scan speed."""
    spot_d4sigma: _Spot
    """Beam diameter on the bed at that current, second-moment width (ISO 11146)."""
    focus_offset: Annotated[float, Quantity("mm", -100, 100)] = 0.0
    """Focus beyond what gives the spot above."""
    hatch_spacing: _Spacing
    """Distance between neighbouring hatch lines."""
    pattern: Literal["meander", "stripes", "islands"] = "meander"
    """How hatch lines are cut and ordered."""
    stripe_width: Annotated[float, Quantity("mm", 0.5, 100)] = 20e-3
    """Width of a stripe, or edge of an island."""
    rotation: _Angle = math.radians(90.0)
    """Turn of the hatch direction from layer to layer."""


class ContourSet(Section):
    """How the edge of a cross-section is melted."""

    count: Annotated[int, Quantity("1", 0, 10, whole=True)] = 2
    """Number of contours."""
    current: _Current
    """Beam current."""
    speed: _Speed
    """Scan speed."""
    spot_d4sigma: _Spot
    """Beam diameter."""
    beam_offset: Annotated[float, Quantity("um", 0, 2000)] = 200e-6
    """Distance of the outermost contour from the surface."""
    spacing: _Spacing = 250e-6
    """Distance between contours, and from the innermost one to the ends of the hatches."""


class SupportSet(Section):
    """Where supports stand and how they are melted; the sintered bed carries much by itself."""

    current: _Current
    """Beam current."""
    speed: _Speed
    """Scan speed."""
    spot_d4sigma: _Spot
    """Beam diameter."""
    wall_spacing: Annotated[float, Quantity("mm", 0.5, 20)] = 3e-3
    """Distance between walls."""
    critical_angle: Annotated[float, Quantity("deg", 0, 89)] = math.radians(20.0)
    """Surfaces that look down flatter than this, from the horizontal, are supported."""


class Exposure(Section):
    """Lines, points or tiles, and how many beams a gun makes at once."""

    mode: Literal["lines", "spots", "tiles"] = "lines"
    """Hatch lines, points along them, or whole tiles melted by one pulse."""
    spot_pitch: Annotated[float, Quantity("um", 20, 2000)] = 300e-6
    """Distance between points."""
    spot_dwell: Annotated[float, Quantity("us", 1, 1e6)] = 515e-6
    """Time that the beam stands on a point."""
    tile_edge: Annotated[float, Quantity("mm", 0.3, 30)] = 2e-3
    """Edge of a tile."""
    tile_pulse: Annotated[float, Quantity("ms", 0.01, 5000)] = 5e-3
    """Time that the beam stands on a tile."""
    rounds: Annotated[int, Quantity("1", 1, 1000, whole=True)] = 7
    """Points or tiles are visited in so many rounds, each taking every so manieth."""
    splits: Annotated[int, Quantity("1", 1, 8, whole=True)] = 1
    """Beams that a gun makes at once by jumping between them."""
    jump_speed: Annotated[float, Quantity("m/s", 10, 20_000)] = 8000.0
    """Speed of the deflection between vectors."""


class Preheat(Section):
    """How the beam heats plate and bed."""

    voltage: Annotated[float, Quantity("kV", 10, 70)] = 60e3
    """Accelerating voltage of the whole job."""
    bed: _Degrees
    """Bed surface at the end of the preheat."""
    start: _Degrees
    """Start plate, at its thermocouple, at which building begins."""
    plate_current: _Current = 27e-3
    """Current that heats the bare plate."""
    tank: Annotated[float, Quantity("mm", 50, 250)] = 0.25
    """Edge of the build tank; an insert makes it smaller, and quicker to heat."""
    edge: Annotated[float, Quantity("mm", 20, 250)] = 0.2
    """Edge of the preheated square."""
    speed: Annotated[float, Quantity("m/s", 0.5, 50)] = 15.0
    """Speed of the preheating beam."""
    spot: Annotated[float, Quantity("mm", 0.5, 20)] = 4e-3
    """Diameter of the preheating beam, defocused."""
    current_1: _Current = 20e-3
    """Preheat 1: low, until the powder holds."""
    time_1: _Seconds = 6.0
    """Its time."""
    current_2: _Current = 32e-3
    """Preheat 2."""
    time_2: _Seconds = 10.0
    """Its time, if it is fixed; else the least."""
    fixed: bool = False
    """Preheat 2 takes that time; else until the bed surface is warm enough."""
    post_current: _Current = 15e-3
    """Current after melting."""
    post_time: _Seconds = 0.0
    """Time of heating after melting."""


class Raking(Section):
    """How a layer of powder is spread."""

    dosing_factor: Annotated[float, Quantity("1", 0.5, 5)] = 1.5
    """Powder fetched, per powder that the layer takes."""
    speed: Annotated[float, Quantity("mm/s", 10, 500)] = 0.1
    """Speed of the rake."""
    settle: Annotated[float, Quantity("s", 0, 60)] = 0.3
    """Wait after raking."""


class Vacuum(Section):
    """Vacuum and helium."""

    start_pressure: Annotated[float, Quantity("mbar", 1e-6, 10)] = 0.05
    """Chamber pressure at which the gun is opened."""
    helium_pressure: Annotated[float, Quantity("mbar", 0, 0.02)] = 0.4
    """Helium let in while building, against charging."""


class Imaging(Section):
    """Electron image of every layer, and what follows from it."""

    enabled: bool = True
    """Take an image after melting."""
    remelts: Annotated[int, Quantity("1", 0, 10, whole=True)] = 2
    """How often indicated places are melted again before the layer is flagged."""


class Temperatures(Section):
    """End of the job, and how warm parts may become."""

    unpack: Annotated[float, Quantity("degC", 25, 600)] = 373.15
    """Bed and plate at which the chamber is vented."""
    part_limit: Annotated[float, Quantity("degC", 100, 1600)] = 1573.15
    """Part surface above which the next layer waits: heat accumulation caps the rate."""


class Recipe(BaseRecipe):
    """All settings of an electron-beam job, in SI units; frozen."""

    layer_thickness: Annotated[float, Quantity("um", 20, 300)]
    """Height by which the plate goes down for each layer."""
    hatch: HatchSet
    contour: ContourSet
    support: SupportSet
    preheat: Preheat
    exposure: Exposure = Exposure()
    raking: Raking = Raking()
    vacuum: Vacuum = Vacuum()
    imaging: Imaging = Imaging()
    temperature: Temperatures = Temperatures()

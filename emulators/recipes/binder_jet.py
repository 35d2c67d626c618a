"""Recipes for metal binder jetting."""

from __future__ import annotations

from typing import Annotated

from emulators.recipes.files import BaseRecipe, Quantity, Section

__all__ = [
    "Curing",
    "Depowdering",
    "Drying",
    "Powder",
    "Printing",
    "Recipe",
    "Shrinkage",
    "Spreading",
]


class Powder(Section):
    """The powder and how densely it lies."""

    packing: Annotated[float, Quantity("%", 30, 74)] = 0.55
    """Relative density of the spread bed, which is that of the green part."""
    grain: Annotated[float, Quantity("um", 2, 100)] = 12e-6
    """Surface-mean particle diameter."""


class Printing(Section):
    """How binder is put into a layer."""

    saturation: Annotated[float, Quantity("%", 10, 150)] = 0.7
    """Share of the pores that the drops shall fill."""
    dot_x: Annotated[float, Quantity("um", 20, 200)] = 63.5e-6
    """Spacing of drops across the print direction, which is that of the nozzles."""
    dot_y: Annotated[float, Quantity("um", 20, 200)] = 59.9e-6
    """Spacing of drops along the print direction."""
    frequency: Annotated[float, Quantity("Hz", 100, 50_000)] = 2505.0
    """Firing frequency."""
    head_temperature: Annotated[float, Quantity("degC", 20, 60)] = 303.15
    """Binder in the print head."""
    remap: bool = False
    """Neighbours make up for silent nozzles, and layers are shifted, from the start."""
    missing_limit: Annotated[int, Quantity("1", 0, 1024, whole=True)] = 4
    """Silent nozzles that are put up with."""
    wipe_every: Annotated[int, Quantity("1", 0, 1000, whole=True)] = 20
    """Layers between two wipes of the nozzle plate; 0: none."""


class Spreading(Section):
    """How a layer of powder is spread."""

    dosing_factor: Annotated[float, Quantity("1", 0.5, 5)] = 1.8
    """Powder supplied, per powder that the layer takes."""
    speed: Annotated[float, Quantity("mm/s", 10, 500)] = 0.12
    """Speed of the roller over the bed."""
    roller: Annotated[float, Quantity("rpm", 0, 600)] = 5.0
    """Turns of the roller against its travel."""


class Drying(Section):
    """How a printed layer is dried."""

    lamp: Annotated[float, Quantity("%", 0, 100)] = 0.45
    """Lamp power that the first layer gets; then it follows the bed temperature."""
    time: Annotated[float, Quantity("s", 1, 120)] = 8.0
    """Time under the lamp."""
    bed_temperature: Annotated[float, Quantity("degC", 25, 100)] = 333.15
    """Bed at the end of drying."""
    box_temperature: Annotated[float, Quantity("degC", 20, 90)] = 313.15
    """Powder in the build box."""
    dry_limit: Annotated[float, Quantity("g/m2", 0.1, 100)] = 3e-3
    """Volatile binder that may be left when the next layer comes."""
    fan: Annotated[float, Quantity("%", 10, 100)] = 0.8
    """Extraction of the vapour."""


class Curing(Section):
    """How the box is cured."""

    temperature: Annotated[float, Quantity("degC", 100, 240)] = 463.15
    """Oven."""
    time: Annotated[float, Quantity("h", 0, 24)] = 4 * 3600.0
    """From the moment the middle of the box is within 5 K of it; 0: not cured here."""
    unpack: Annotated[float, Quantity("degC", 25, 120)] = 323.15
    """Box at which it is opened."""


class Depowdering(Section):
    """How loose powder is taken off."""

    pressure: Annotated[float, Quantity("bar", 0.2, 6)] = 1.5e5
    """Air jets."""
    time: Annotated[float, Quantity("min", 0.1, 240)] = 3600.0
    """Time to take."""


class Shrinkage(Section):
    """What the sintering to come will take away, for which parts are enlarged before printing."""

    compensate: bool = True
    """Enlarge the parts."""
    sintered_density: Annotated[float, Quantity("%", 60, 100)] = 0.964
    """Relative density that the furnace will reach."""
    ratio: Annotated[float, Quantity("1", 0.5, 2)] = 1.15
    """Shrinkage along the build direction over that in the layer."""


class Recipe(BaseRecipe):
    """All settings of a binder-jet job, in SI units; frozen."""

    layer_thickness: Annotated[float, Quantity("um", 20, 300)]
    """Height by which the box goes down for each layer."""
    powder: Powder = Powder()
    printing: Printing = Printing()
    spreading: Spreading = Spreading()
    drying: Drying = Drying()
    curing: Curing = Curing()
    depowdering: Depowdering = Depowdering()
    shrinkage: Shrinkage = Shrinkage()

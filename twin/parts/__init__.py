"""From part geometry to scan vectors: reading, placing, slicing, hatching, supports."""

from twin.parts.examples import EXAMPLES, example_part
from twin.parts.geometry import Part, PartError, load_part
from twin.parts.hatching import HatchStyle
from twin.parts.layers import BuildPlan, Layer, Role
from twin.parts.plate import Placement, arrange
from twin.parts.supports import SupportStyle

__all__ = [
    "EXAMPLES",
    "BuildPlan",
    "HatchStyle",
    "Layer",
    "Part",
    "PartError",
    "Placement",
    "Role",
    "SupportStyle",
    "arrange",
    "example_part",
    "load_part",
]

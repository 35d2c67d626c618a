"""The longest span of a part that nothing carries, which sags when the part is soft."""

from __future__ import annotations

import math

import numpy as np
import shapely

from twin.parts.geometry import Part
from twin.parts.slicing import Slicer

__all__ = ["unsupported_span"]

_SECTIONS = 40


def unsupported_span(part: Part, angle: float = math.radians(45.0)) -> tuple[float, float]:
    """Longest unsupported span (m) of a part that stands on z = 0, and the height (m) over it.

    Sections at 40 heights are compared: what lies over nothing, beyond what walls steeper than
    `angle` from the horizontal grow by, hangs. Its span is the distance between the places that
    carry it, or twice how far it reaches out if there is one only. 0 and the part's height if
    nothing hangs.
    """
    slicer = Slicer(np.asarray(part.mesh.vertices), np.asarray(part.mesh.faces))
    step = slicer.height / _SECTIONS
    heights = (np.arange(_SECTIONS) + 0.5) * step
    sections = [slicer.section(float(z)) for z in heights]
    grown = step / math.tan(angle)
    longest, over = 0.0, slicer.height
    for index in range(1, _SECTIONS):
        below = shapely.buffer(sections[index - 1], grown)
        for piece in shapely.get_parts(shapely.difference(sections[index], below)):
            if shapely.area(piece) < step**2:
                continue
            # What carries it: the places where it touches the section below.
            held = shapely.get_parts(shapely.intersection(shapely.buffer(piece, 0.5 * step), below))
            if len(held) > 1:
                span = max(float(shapely.distance(a, b)) for a in held for b in held)
            elif len(held) == 1:
                rim = shapely.points(shapely.get_coordinates(piece))
                span = 2.0 * float(shapely.distance(rim, held[0]).max())
            else:
                span = 0.0
            if span > longest:
                top = next((i for i in range(index, _SECTIONS) if not shapely.intersects(
                    sections[i], shapely.centroid(piece))), _SECTIONS)
                longest, over = span, max((top - index) * step, step)
    return longest, over

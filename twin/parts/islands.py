"""Connected regions of a layer, and what of the layer below they stand on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import shapely
from numpy.typing import NDArray

from twin.parts.layers import BuildPlan, Layer, Role
from twin.parts.slicing import Floats, Region

Ints = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Islands:
    """The n islands of one layer, part by part."""

    area: Floats
    """(n,), m²."""
    outline: Floats
    """Length of all outlines (n,), m."""
    support: Floats
    """Length of the support walls that end under an island (n,), m."""
    contacts: tuple[tuple[int, int, float], ...]
    """Island, island of the layer below, area they share (m²)."""
    vector: Ints
    """Island of each scan vector, or group of them, (m,); -1 for supports."""


class Summarised(Protocol):
    """A plan that knows its islands already."""

    def islands(self, index: int) -> Islands:
        """The islands of layer `index`."""
        ...


def islands(plan: BuildPlan | Summarised, index: int) -> Islands:
    """The islands of layer `index`, counted from 0; islands keep their numbers for one layer.

    Raises IndexError outside the build.
    """
    if not isinstance(plan, BuildPlan):
        return plan.islands(index)
    layer = plan.layer(index)
    regions = plan.regions(index)
    here, part = _split(regions)
    contacts: list[tuple[int, int, float]] = []
    if index > 0:
        lower = plan.regions(index - 1)
        below, below_part = _split(lower)
        for number, (region, old) in enumerate(zip(regions, lower, strict=True)):
            mine, theirs = np.flatnonzero(part == number), np.flatnonzero(below_part == number)
            contacts += _contacts(here, below, mine, theirs, region, old)
    length = np.zeros(len(here))
    held = np.bincount([c[0] for c in contacts], [c[2] for c in contacts], len(here))
    area = shapely.area(here)
    if index > 0 and bool(np.any(held < 0.999 * area)):
        length = _supported(here, plan.layer(index - 1))
    return Islands(area, shapely.length(here), length, tuple(contacts),
                   _of_vectors(layer, here, part))


def locate(plan: BuildPlan, index: int, points: Floats) -> Ints:
    """Island of layer `index` at points (m, 2) of the plate (m), outside of all the nearest; (m,).

    Raises IndexError outside the build, ValueError for a layer without islands.
    """
    here, _ = _split(plan.regions(index))
    if not len(here):
        raise ValueError(f"layer {index} has no islands")
    return _nearest(here, points)


def _split(regions: tuple[Region, ...]) -> tuple[NDArray[Any], Ints]:
    found, part = shapely.get_parts(np.array(regions, dtype=object), return_index=True)
    return found, part


def _contacts(
    here: NDArray[Any], below: NDArray[Any], mine: Ints, theirs: Ints, region: Region, old: Region
) -> list[tuple[int, int, float]]:
    if bool(shapely.equals_exact(region, old, 0.0)):
        return [(int(a), int(b), float(shapely.area(here[a])))
                for a, b in zip(mine, theirs, strict=True)]
    over, under = shapely.STRtree(below[theirs]).query(here[mine], predicate="intersects")
    shared = shapely.area(shapely.intersection(here[mine[over]], below[theirs[under]]))
    return sorted((int(mine[a]), int(theirs[b]), float(s))
                  for a, b, s in zip(over, under, shared, strict=True) if s > 0.0)


def _supported(here: NDArray[Any], below: Layer) -> Floats:
    """Length of the support walls of the layer below that lie under each island (n,), m."""
    walls = np.flatnonzero(below.role == Role.SUPPORT)
    start, end = below.start[walls], below.end[walls]
    middle = shapely.points((start + end) / 2)
    wall, island = shapely.STRtree(here).query(middle, predicate="intersects")
    span = np.hypot(*(end - start).T)
    return np.bincount(island, span[wall], len(here)).astype(np.float64)


def _of_vectors(layer: Layer, here: NDArray[Any], part: Ints) -> Ints:
    vector = np.full(len(layer.start), -1, np.intp)
    solid = layer.role != Role.SUPPORT
    for number in np.unique(part):
        mine = np.flatnonzero(part == number)
        chosen = np.flatnonzero(solid & (layer.part == number))
        if len(mine) == 1:
            vector[chosen] = mine[0]
            continue
        middle = (layer.start[chosen] + layer.end[chosen]) / 2
        vector[chosen] = mine[_nearest(here[mine], middle)]
    return vector


def _nearest(polygons: NDArray[Any], points: Floats) -> Ints:
    """Polygon in which each point (m, 2) lies, or else the nearest; (m,)."""
    found = np.full(len(points), -1, np.intp)
    x, y = points.T
    for number, polygon in enumerate(polygons):
        low_x, low_y, high_x, high_y = shapely.bounds(polygon)
        left = np.flatnonzero((found < 0) & (low_x <= x) & (x <= high_x)
                              & (low_y <= y) & (y <= high_y))
        shapely.prepare(polygon)
        found[left[shapely.contains_xy(polygon, points[left])]] = number
    rest = np.flatnonzero(found < 0)
    if len(rest):
        found[rest] = shapely.STRtree(polygons).nearest(shapely.points(points[rest]))
    return found

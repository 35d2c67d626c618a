"""Place parts on the build plate so that they fit and keep clear of each other."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely

from twin.parts.geometry import Part, PartError
from twin.parts.slicing import Floats, Region


@dataclass(frozen=True, eq=False)
class Placement:
    """A part at (x, y) metres from the centre of the plate, turned by `rotation` (rad) about z."""

    part: Part
    x: float = 0.0
    y: float = 0.0
    rotation: float = 0.0

    def vertices(self) -> Floats:
        """Vertices (n, 3) of the part in plate coordinates (m), the plate's top at z = 0."""
        cos, sin = math.cos(self.rotation), math.sin(self.rotation)
        placed = np.array(self.part.mesh.vertices, dtype=np.float64)
        placed[:, :2] = placed[:, :2] @ np.array([[cos, sin], [-sin, cos]])
        placed[:, :2] += (self.x, self.y)
        return placed


def arrange(
    parts: Sequence[Part],
    plate_size: tuple[float, float] = (0.25, 0.25),
    height: float = 0.3,
    spacing: float = 2e-3,
    positions: Sequence[tuple[float, float, float]] | None = None,
) -> list[Placement]:
    """Put parts on a plate of size (x, y), origin at its centre; all lengths in metres.

    `positions` gives (x, y, rotation) of each part; without it parts are packed in rows, in the
    order given, centred on the plate.  Raises PartError for a part that is larger than the build
    volume, hangs over the plate or comes closer to another than `spacing` (convex hulls of the
    footprints are compared).
    """
    if not parts:
        raise PartError("plate: there is no part to place")
    for part in parts:
        _check_size(part, plate_size, height, fixed=positions is None)
    if positions is None:
        placements = _rows(parts, plate_size, spacing)
    elif len(positions) != len(parts):
        raise PartError(f"plate: {len(positions)} positions for {len(parts)} parts")
    else:
        if not np.isfinite(np.asarray(positions, dtype=np.float64)).all():
            raise PartError("plate: a position is not a finite number")
        placements = [Placement(p, *at) for p, at in zip(parts, positions, strict=True)]
    _check_clear(placements, plate_size, spacing)
    return placements


def _check_size(part: Part, plate_size: tuple[float, float], height: float, *, fixed: bool) -> None:
    x, y, z = part.size
    room = plate_size if fixed else (math.hypot(*plate_size),) * 2
    if x > room[0] or y > room[1] or z > height:
        raise PartError(
            f"{part.source}: part is {_mm(x, y, z)}, larger than the build volume "
            f"{_mm(*plate_size, height)}"
        )


def _rows(
    parts: Sequence[Part], plate_size: tuple[float, float], spacing: float
) -> list[Placement]:
    rows: list[list[Part]] = [[]]
    used = 0.0
    for part in parts:
        if rows[-1] and used + spacing + part.size[0] > plate_size[0]:
            rows.append([])
        used = part.size[0] + (used + spacing if rows[-1] else 0.0)
        rows[-1].append(part)
    depths = [max(part.size[1] for part in row) for row in rows]
    depth = sum(depths) + spacing * (len(rows) - 1)
    if depth > plate_size[1]:
        raise PartError(
            f"plate: {len(parts)} parts packed in rows need {_mm(depth)} of depth, allowed up to "
            f"{_mm(plate_size[1])}"
        )
    placements, y = [], -depth / 2
    for row, row_depth in zip(rows, depths, strict=True):
        x = -(sum(part.size[0] for part in row) + spacing * (len(row) - 1)) / 2
        for part in row:
            placements.append(Placement(part, x + part.size[0] / 2, y + row_depth / 2))
            x += part.size[0] + spacing
        y += row_depth + spacing
    return placements


def _check_clear(
    placements: Sequence[Placement], plate_size: tuple[float, float], spacing: float
) -> None:
    rounding = 1e-9
    footprints: list[Region] = []
    for placement in placements:
        hull = shapely.convex_hull(shapely.MultiPoint(placement.vertices()[:, :2]))
        x0, y0, x1, y1 = shapely.bounds(hull)
        half_x, half_y = plate_size[0] / 2 + rounding, plate_size[1] / 2 + rounding
        if x0 < -half_x or x1 > half_x or y0 < -half_y or y1 > half_y:
            raise PartError(
                f"{placement.part.source}: hangs over the plate: x {_mm(x0)} to {_mm(x1)}, "
                f"y {_mm(y0)} to {_mm(y1)}, plate {_mm(*plate_size)} about its centre"
            )
        for other, footprint in zip(placements, footprints, strict=False):
            gap = float(shapely.distance(hull, footprint))
            if gap < spacing - rounding or shapely.intersects(hull, footprint):
                raise PartError(
                    f"{placement.part.source}: is {_mm(gap)} from '{other.part.name}', allowed "
                    f"from {_mm(spacing)}"
                )
        footprints.append(hull)


def _mm(*lengths: float) -> str:
    return " × ".join(f"{length * 1e3:.4g}" for length in lengths) + " mm"

"""Fill a cross-section with scan vectors: hatches by pattern, and contours."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Literal, NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray

from twin.parts.geometry import PartError
from twin.parts.slicing import Floats, Region, rings_of

Ints = NDArray[np.int64]


class Vectors(NamedTuple):
    """Scan vectors in marking order: `start`, `end` (n, 2) in metres.

    `field` (n,) numbers the stripe, island, outline or support wall a vector belongs to, from 0 in
    the order of marking.
    """

    start: Floats
    end: Floats
    field: Ints


@dataclass(frozen=True)
class HatchStyle:
    """How a cross-section is filled.  Lengths in metres, angles in radians.

    Defaults are customary for IN718 in 40 µm layers: 110 µm hatch, 7 mm stripes, 67° rotation.
    """

    pattern: Literal["meander", "stripes", "islands"] = "stripes"
    """`meander`: lines across the whole section; `stripes`: cut into stripes `stripe_width` wide;
    `islands`: squares of that size, as on a chessboard, the black ones hatched at a right angle."""
    hatch_spacing: float = 110e-6
    """Distance between neighbouring hatch lines."""
    stripe_width: float = 7e-3
    """Width of a stripe, edge of an island."""
    stripe_overlap: float = 0.0
    """How far vectors of neighbouring stripes or islands reach over each other, in total."""
    rotation: float = math.radians(67.0)
    """Turn of the hatch direction from layer to layer."""
    start_angle: float = 0.0
    """Hatch direction in the first layer, from the x axis."""
    beam_offset: float = 50e-6
    """Distance of the outermost contour from the surface: about half the width of a track."""
    contours: int = 1
    """Number of contours; 0 for none."""
    contour_spacing: float = 100e-6
    """Distance between contours, and from the innermost one to the ends of the hatches."""
    contour_first: bool = False
    """Mark contours before the hatches instead of after them."""
    upskin_layers: int = 0
    """What has no solid in one of this many layers above is up-skin; 0 turns up-skin off."""
    downskin_layers: int = 0
    """What has no solid in one of this many layers below is down-skin; 0 turns it off."""
    min_length: float = 20e-6
    """Shorter hatch vectors are not marked."""

    def __post_init__(self) -> None:
        """Raise PartError for a value out of its range."""
        if self.pattern not in ("meander", "stripes", "islands"):
            raise PartError(
                f"hatch style: pattern '{self.pattern}' is not known; "
                "allowed: meander, stripes, islands"
            )
        for field in fields(self):
            if field.name in _RANGES:
                low, high = _RANGES[field.name]
                check_range("hatch style", field.name, getattr(self, field.name), low, high)

    def angle(self, layer: int) -> float:
        """Hatch direction (rad) of a layer counted from 0."""
        return math.fmod(self.start_angle + layer * self.rotation, 2 * math.pi)

    @property
    def hatch_offset(self) -> float:
        """Distance (m) of the ends of the hatches from the surface."""
        return self.beam_offset + self.contours * self.contour_spacing


_RANGES: dict[str, tuple[float, float]] = {
    "hatch_spacing": (5e-6, 3e-2),
    "stripe_width": (1e-4, 1.0),
    "stripe_overlap": (0.0, 1e-3),
    "rotation": (-2 * math.pi, 2 * math.pi),
    "start_angle": (-2 * math.pi, 2 * math.pi),
    "beam_offset": (0.0, 3e-2),
    "contours": (0, 20),
    "contour_spacing": (0.0, 3e-2),
    "upskin_layers": (0, 50),
    "downskin_layers": (0, 50),
    "min_length": (0.0, 1e-3),
}


def check_range(what: str, name: str, value: float, low: float, high: float) -> None:
    """Raise PartError unless low <= value <= high (a NaN never is)."""
    if not low <= value <= high:
        raise PartError(f"{what}: {name} is {value}, allowed {low:g} to {high:g}")


def hatch(region: Region, style: HatchStyle, angle: float) -> Vectors:
    """Hatch vectors that fill a polygon geometry, in direction `angle` (rad).

    Hatch lines lie on a raster fixed to the plate, so neighbouring parts and repeated calls agree.
    Neighbouring lines run in opposite directions.
    """
    a, b = _border(region)
    if style.pattern == "islands":
        white = _fields(a, b, style, angle, islands=True)
        black = _fields(a, b, style, angle + math.pi / 2, islands=True)
        return join((white, black))
    return _fields(a, b, style, angle, islands=False)


def contours(region: Region, style: HatchStyle) -> Vectors:
    """Contour vectors of a polygon geometry, outermost contour first."""
    outlines: list[Floats] = []
    for index in range(style.contours):
        outlines += rings_of(inset(region, style.beam_offset + index * style.contour_spacing))
    return along(outlines)


def along(lines: Sequence[Floats]) -> Vectors:
    """Vectors from point to point of each line (k, 2); each line is a field of its own."""
    if not lines:
        return NOTHING
    field = np.repeat(np.arange(len(lines)), [len(line) - 1 for line in lines])
    return Vectors(
        np.concatenate([line[:-1] for line in lines]),
        np.concatenate([line[1:] for line in lines]),
        field,
    )


def inset(region: Region, distance: float) -> Region:
    """Polygon geometry drawn in by `distance` (m), corners kept sharp."""
    return shapely.buffer(region, -distance, join_style="mitre") if distance else region


def join(parts: Sequence[Vectors]) -> Vectors:
    """Vectors one after the other, fields numbered on."""
    shift, shifted = 0, []
    for part in parts:
        shifted.append(part.field + shift)
        shift += int(part.field.max()) + 1 if len(part.field) else 0
    if not shifted:
        return NOTHING
    return Vectors(
        np.concatenate([part.start for part in parts]),
        np.concatenate([part.end for part in parts]),
        np.concatenate(shifted),
    )


def crossings(a: Floats, b: Floats, spacing: float) -> tuple[Ints, Ints, Floats]:
    """Where edges from a to b (m,) cross the raster lines (k + ½) · spacing.

    Returns edge index, line number k and position along the edge from 0 to 1, one of each per
    crossing.  A line through a corner counts for exactly one of two edges that pass it, so a
    closed outline crosses every line an even number of times.
    """
    level_a, level_b = raster_level(a, spacing), raster_level(b, spacing)
    count = np.abs(level_a - level_b)
    edge = np.repeat(np.arange(len(a)), count)
    first = np.minimum(level_a, level_b)[edge]
    line = first + np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count)
    position = ((line + 0.5) * spacing - a[edge]) / (b[edge] - a[edge])
    return edge, line, position


def raster_level(x: Floats, spacing: float) -> Ints:
    """Number of the first raster line (k + ½) · spacing at or above x."""
    return np.ceil(x / spacing - 0.5).astype(np.int64)


NOTHING = Vectors(np.empty((0, 2)), np.empty((0, 2)), np.empty(0, dtype=np.int64))


def _border(region: Region) -> tuple[Floats, Floats]:
    """Start and end points (m, 2) of all edges of a polygon geometry."""
    vectors = along(rings_of(region))
    return vectors.start, vectors.end


def _fields(a: Floats, b: Floats, style: HatchStyle, angle: float, *, islands: bool) -> Vectors:
    """Hatch in one direction: everything, or with `islands` every second square of the board."""
    # u runs along the hatches, v across them.
    cos, sin = math.cos(angle), math.sin(angle)
    turn = np.array([[cos, -sin], [sin, cos]])
    a, b = a @ turn, b @ turn
    edge, line, position = crossings(a[:, 1], b[:, 1], style.hatch_spacing)
    u = a[edge, 0] + position * (b[edge, 0] - a[edge, 0])
    order = np.lexsort((u, line))
    line, low, high = line[order][::2], u[order][::2], u[order][1::2]
    if style.pattern == "meander":
        cell = np.zeros(len(line), dtype=np.int64)
    else:
        cell, line, low, high = _cut(line, low, high, style)
    row = np.zeros(len(line), dtype=np.int64)
    kept = high - low >= style.min_length
    if islands:
        row = np.floor((line + 0.5) * style.hatch_spacing / style.stripe_width).astype(np.int64)
        # Seen in the frame turned by a right angle, the other colour has the even squares.
        kept &= (row + cell) % 2 == 0
    backward = line % 2 == 1
    order = np.lexsort((np.where(backward, -low, low), line, cell, row))
    order = order[kept[order]]
    cell, row, line, backward = cell[order], row[order], line[order], backward[order]
    v = (line + 0.5) * style.hatch_spacing
    start = np.column_stack((np.where(backward, high[order], low[order]), v))
    end = np.column_stack((np.where(backward, low[order], high[order]), v))
    begins = (np.diff(cell, prepend=cell[:1]) != 0) | (np.diff(row, prepend=row[:1]) != 0)
    return Vectors(start @ turn.T, end @ turn.T, np.cumsum(begins))


def _cut(
    line: Ints, low: Floats, high: Floats, style: HatchStyle
) -> tuple[Ints, Ints, Floats, Floats]:
    """Cut raster segments at the borders of stripes; returns stripe, line, low and high."""
    width, reach = style.stripe_width, style.stripe_overlap / 2
    first = np.floor(low / width).astype(np.int64)
    count = np.maximum(np.ceil(high / width).astype(np.int64) - first, 1)
    piece = np.repeat(np.arange(len(line)), count)
    cell = first[piece] + np.arange(len(piece)) - np.repeat(np.cumsum(count) - count, count)
    low = np.maximum(low[piece], cell * width - reach)
    high = np.minimum(high[piece], (cell + 1) * width + reach)
    return cell, line[piece], low, high

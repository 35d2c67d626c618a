"""Thin support walls under overhangs, down to the plate or to the part beneath."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import trimesh

from twin.parts.geometry import PartError
from twin.parts.hatching import NOTHING, Ints, Vectors, check_range, crossings, join, raster_level
from twin.parts.slicing import Floats


@dataclass(frozen=True)
class SupportStyle:
    """Which surfaces get supports and of what kind.  Lengths in metres, angles in radians.

    All values are defaults in common use, not figures of one machine.
    """

    kind: Literal["block", "line"] = "block"
    """`block`: walls crossing at right angles; `line`: parallel walls along x."""
    critical_angle: float = math.radians(45.0)
    """A surface looking down flatter than this, measured from the horizontal, is supported."""
    spacing: float = 1e-3
    """Distance between parallel walls."""
    resolution: float = 0.1e-3
    """Step along a wall at which the part above and below is looked up."""

    def __post_init__(self) -> None:
        """Raise PartError for a value out of its range."""
        if self.kind not in ("block", "line"):
            raise PartError(f"supports: kind '{self.kind}' is not known; allowed: block, line")
        check_range("supports", "critical_angle", self.critical_angle, 0.0, math.pi / 2)
        check_range("supports", "spacing", self.spacing, 1e-4, 0.1)
        check_range("supports", "resolution", self.resolution, 1e-5, 1e-2)


class Supports:
    """Support walls of one part at its place on the plate."""

    def __init__(self, vertices: Floats, faces: Ints, style: SupportStyle) -> None:
        """Take vertices (n, 3) in metres and faces (m, 3)."""
        self._step = style.resolution
        self._spacing = style.spacing
        # Walls along x, then along y: the same search with x and y exchanged, which mirrors.
        self._walls = [_columns(vertices, faces, style)]
        if style.kind == "block":
            self._walls.append(_columns(vertices[:, [1, 0, 2]], faces[:, ::-1], style))

    def section(self, z: float) -> Vectors:
        """Support vectors at height z (m)."""
        parts = []
        for axis, (wall, place, low, high) in enumerate(self._walls):
            here = (low <= z) & (z < high)
            wall_here, place_here = wall[here], place[here]
            if not len(wall_here):
                continue
            begins = np.diff(wall_here, prepend=wall_here[0] - 1) != 0
            begins |= np.diff(place_here, prepend=place_here[0]) > 1
            first = np.flatnonzero(begins)
            last = np.append(first[1:], len(wall_here)) - 1
            across = (wall_here[first] + 0.5) * self._spacing
            start = np.column_stack((place_here[first] * self._step, across))
            end = np.column_stack(((place_here[last] + 1) * self._step, across))
            backward = wall_here[first] % 2 == 1
            start[backward], end[backward] = end[backward], start[backward]
            if axis == 1:
                start, end = start[:, ::-1], end[:, ::-1]
            parts.append(Vectors(start, end, np.arange(len(start))))
        return join(parts) if parts else NOTHING


def _columns(
    vertices: Floats, faces: Ints, style: SupportStyle
) -> tuple[Ints, Ints, Floats, Floats]:
    """Supported columns under sample points, as (wall, place along the wall, low z, high z).

    Point (i, j) lies at x = (i + ½) · resolution, y = (j + ½) · spacing.  Sorted by wall, place.
    """
    mesh = trimesh.Trimesh(vertices, faces, process=False)
    points = np.asarray(mesh.vertices)
    a, b = points[mesh.edges_unique[:, 0]], points[mesh.edges_unique[:, 1]]
    # Both faces of an edge use the same crossing, so no sample falls between them or into both.
    edge, wall, position = crossings(a[:, 1], b[:, 1], style.spacing)
    crossing_x = a[edge, 0] + position * (b[edge, 0] - a[edge, 0])
    of_edge = np.bincount(edge, minlength=len(a))
    first_of_edge = np.cumsum(of_edge) - of_edge
    face_edges = np.asarray(mesh.faces_unique_edges).ravel()
    count = of_edge[face_edges]
    face = np.repeat(np.arange(len(face_edges)) // 3, count)
    crossing = np.repeat(first_of_edge[face_edges] - (np.cumsum(count) - count), count)
    crossing += np.arange(len(crossing))
    order = np.lexsort((crossing_x[crossing], wall[crossing], face))
    face, wall = face[order][::2], wall[crossing][order][::2]
    x = crossing_x[crossing][order]
    low, high = raster_level(x[::2], style.resolution), raster_level(x[1::2], style.resolution)
    count = high - low
    hit = np.repeat(np.arange(len(face)), count)
    place = low[hit] + np.arange(len(hit)) - np.repeat(np.cumsum(count) - count, count)
    face, wall = face[hit], wall[hit]

    corners = np.asarray(mesh.triangles)[face]
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    at_x = (place + 0.5) * style.resolution - corners[:, 0, 0]
    at_y = (wall + 0.5) * style.spacing - corners[:, 0, 1]
    z = corners[:, 0, 2] - (cross[:, 0] * at_x + cross[:, 1] * at_y) / cross[:, 2]
    z = np.clip(z, corners[..., 2].min(axis=1), corners[..., 2].max(axis=1))
    entry = cross[:, 2] < 0
    # Steepness with a margin: a surface exactly at the critical angle carries itself.
    flat = -cross[:, 2] > (math.cos(style.critical_angle) + 1e-6) * np.linalg.norm(cross, axis=1)

    order = np.lexsort((~entry, z, place, wall))
    wall, place, z, entry, flat = wall[order], place[order], z[order], entry[order], flat[order]
    inside = np.cumsum(np.where(entry, 1, -1))
    starts = np.flatnonzero((inside == 1) & entry)
    same = (wall[starts] == wall[starts - 1]) & (place[starts] == place[starts - 1]) & (starts > 0)
    floor = np.where(same, z[starts - 1], 0.0)
    held = flat[starts] & (z[starts] - floor > 1e-9)
    chosen = starts[held]
    return wall[chosen], place[chosen], floor[held], z[chosen]

"""Cut a closed mesh with horizontal planes into polygons."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import shapely
import trimesh
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Region = Any
"""A shapely Polygon or MultiPolygon in plate coordinates (m); shapely ships no types."""

GRID = 1e-7
"""Coordinates of outlines are whole multiples of this (m): below what a scanner resolves, and it
makes the sections of a vertical wall equal from layer to layer."""
TOLERANCE = 1e-6
"""Largest distance (m) by which an outline may be simplified."""

# By which of a triangle's corners (bit 0, 1, 2) lie above the plane: the edge (k joins corner k
# and k + 1) where the outline enters and leaves the triangle with the solid on its left.
_ENTERS = np.array([-1, 0, 1, 1, 2, 0, 2, -1])
_LEAVES = np.array([-1, 2, 0, 2, 1, 1, 0, -1])


class Slicer:
    """Sections of one closed, consistently oriented mesh.

    Outlines are chained by shared edges, not by comparing coordinates, so they always close.
    """

    def __init__(self, vertices: Floats, faces: NDArray[np.int64]) -> None:
        """Take vertices (n, 3) in metres and faces (m, 3)."""
        mesh = trimesh.Trimesh(vertices, faces, process=False)
        self._vertices = np.asarray(mesh.vertices)
        self._edges = np.asarray(mesh.edges_unique)
        self._face_edges = np.asarray(mesh.faces_unique_edges)
        self._face_z = self._vertices[:, 2][mesh.faces]
        self._low = self._face_z.min(axis=1)
        self._high = self._face_z.max(axis=1)
        self.height = float(self._high.max())

    def section(self, z: float) -> Region:
        """Solid cross-section at height z (m) as a valid, possibly empty polygon geometry."""
        return assemble(self._outlines(z))

    def _outlines(self, z: float) -> list[Floats]:
        """Closed outlines, each (k, 2) without repeated end point, solid on the left."""
        # A corner counts as above only if strictly so: no corner ever lies *in* the plane.
        cut = np.flatnonzero((self._low <= z) & (z < self._high))
        if not len(cut):
            return []
        case = (self._face_z[cut] > z) @ np.array([1, 2, 4])
        enter = self._face_edges[cut, _ENTERS[case]]
        leave = self._face_edges[cut, _LEAVES[case]]
        # Every edge is left as often as entered: pairing the sorted lists gives the successor.
        follower = np.empty(len(cut), dtype=np.int64)
        follower[np.argsort(leave, kind="stable")] = np.argsort(enter, kind="stable")
        a, b = self._vertices[self._edges[enter, 0]], self._vertices[self._edges[enter, 1]]
        t = (z - a[:, 2]) / (b[:, 2] - a[:, 2])
        points = a[:, :2] + t[:, None] * (b[:, :2] - a[:, :2])
        return [points[loop] for loop in _cycles(follower.tolist())]


def assemble(outlines: Sequence[Floats]) -> Region:
    """Polygon geometry of all points that the outlines wind around more than zero times.

    Overlapping bodies are joined, cavities (clockwise outlines) are cut out.  Outlines that touch
    or cross are repaired by noding them first.  Each outline is (k, 2) in metres.
    """
    rings = [ring for ring in (_on_grid(outline) for outline in outlines) if len(ring) > 2]
    if not rings:
        return shapely.MultiPolygon()
    sign = np.sign([_area(ring) for ring in rings]).astype(np.int64)
    lone = shapely.polygons(
        shapely.linearrings(
            np.vstack(rings), indices=np.repeat(np.arange(len(rings)), [len(r) for r in rings])
        )
    )
    region = _nested(lone, sign)
    if region is None:
        region = _noded(rings)
    # Normalised first, an outline starts in a corner and simplifying can drop every other point.
    region = shapely.simplify(shapely.normalize(region), TOLERANCE, preserve_topology=True)
    return region if region.is_valid else shapely.buffer(region, 0.0)


def rings_of(region: Region) -> list[Floats]:
    """Outlines (k, 2) of a polygon geometry, first point repeated at the end, solid on the left."""
    rings = shapely.get_rings(shapely.orient_polygons(shapely.get_parts(region)))
    return [shapely.get_coordinates(ring) for ring in rings]


def _cycles(follower: list[int]) -> list[list[int]]:
    cycles, seen = [], [False] * len(follower)
    for first in range(len(follower)):
        if seen[first]:
            continue
        cycle, at = [], first
        while not seen[at]:
            seen[at] = True
            cycle.append(at)
            at = follower[at]
        cycles.append(cycle)
    return cycles


def _on_grid(outline: Floats) -> Floats:
    points: Floats = np.round(np.asarray(outline, dtype=np.float64) / GRID) * GRID
    repeated: NDArray[np.bool_] = (points == np.roll(points, 1, axis=0)).all(axis=1)
    return points[~repeated]


def _area(ring: Floats) -> float:
    x, y = (ring - ring[0]).T
    return 0.5 * float(x @ np.roll(y, -1) - y @ np.roll(x, -1))


def _nested(lone: NDArray[Any], sign: NDArray[np.int64]) -> Region | None:
    """Build the region when every outline is simple and none meets another; None otherwise."""
    if not shapely.is_valid(lone).all():
        return None
    winding = sign.copy()
    holes_of: dict[int, list[int]] = {}
    if len(lone) > 1:
        tree = shapely.STRtree(lone)
        inner, outer = tree.query(lone, predicate="within")
        inner, outer = inner[inner != outer], outer[inner != outer]
        met = tree.query(lone, predicate="intersects").shape[1]
        properly = shapely.contains_properly(lone[outer], lone[inner])
        if met != len(lone) + 2 * len(inner) or not properly.all():
            return None
        np.add.at(winding, inner, sign[outer])
    shells = np.flatnonzero((winding > 0) & (winding - sign <= 0))
    holes = np.flatnonzero((winding <= 0) & (winding - sign > 0))
    if len(holes):
        area = shapely.area(lone)
        for hole in holes:
            around = np.intersect1d(outer[inner == hole], shells)
            holes_of.setdefault(int(around[np.argmin(area[around])]), []).append(int(hole))
    border = shapely.get_exterior_ring(lone)
    return shapely.MultiPolygon(
        [shapely.Polygon(border[s], list(border[holes_of.get(int(s), [])])) for s in shells]
    )


def _noded(rings: Sequence[Floats]) -> Region:
    """Build the region from outlines that touch or cross: cut them into faces, keep the solid."""
    lines = [shapely.LinearRing(ring) for ring in rings]
    noded = shapely.union_all(lines, grid_size=GRID)
    faces = shapely.get_parts(shapely.polygonize(shapely.get_parts(noded)))
    if not len(faces):
        return shapely.MultiPolygon()
    inside = shapely.get_coordinates(shapely.point_on_surface(faces))
    winding = sum(_winding(inside, ring) for ring in rings)
    return shapely.union_all(faces[np.asarray(winding) > 0])


def _winding(points: Floats, ring: Floats) -> NDArray[np.int64]:
    """Winding number of a ring around each point, (n,) (Sunday 2001, crossings of a ray)."""
    a, b = ring[None], np.roll(ring, -1, axis=0)[None]
    p = points[:, None]
    left = (b[..., 0] - a[..., 0]) * (p[..., 1] - a[..., 1]) - (p[..., 0] - a[..., 0]) * (
        b[..., 1] - a[..., 1]
    )
    up = (a[..., 1] <= p[..., 1]) & (b[..., 1] > p[..., 1]) & (left > 0)
    down = (a[..., 1] > p[..., 1]) & (b[..., 1] <= p[..., 1]) & (left < 0)
    count: NDArray[np.int64] = up.sum(axis=1) - down.sum(axis=1)
    return count

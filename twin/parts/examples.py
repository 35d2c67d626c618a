"""The project's own example parts, made by calculation."""

from collections.abc import Callable

import numpy as np
import shapely
import trimesh

from twin.parts.geometry import Part, PartError, part_from_mesh
from twin.parts.slicing import Floats


def example_part(name: str) -> Part:
    """Part made by this project.  Raises PartError for a name not in `EXAMPLES`."""
    if name not in EXAMPLES:
        raise PartError(f"example part '{name}' is not known; allowed: {', '.join(EXAMPLES)}")
    return part_from_mesh(EXAMPLES[name](), name, f"example:{name}")


def _cube() -> trimesh.Trimesh:
    """Cube of 10 mm."""
    mesh: trimesh.Trimesh = trimesh.creation.box(extents=(0.01, 0.01, 0.01))
    return mesh


def _bracket() -> trimesh.Trimesh:
    """Angle bracket 30 × 20 × 25 mm: foot, wall with a gusset of 35°, a bore lying across."""
    profile = np.array(
        [(0, 0), (30, 0), (30, 4), (6, 4), (6, 16), (14, 21.6), (14, 25), (0, 25)], dtype=float
    )
    bore = shapely.Point(6.0, 20.5).buffer(2.5, quad_segs=12)
    return _standing(shapely.Polygon(profile, [shapely.get_coordinates(bore)]), 20.0)


def _cantilever() -> trimesh.Trimesh:
    """Comb-like beam for residual-stress trials: 48 × 6 × 8 mm, on a foot and eight teeth."""
    beam = shapely.box(0, 5, 48, 8)
    foot = shapely.box(0, 0, 10, 5)
    teeth = [shapely.box(12 + 4.5 * i, 0, 13 + 4.5 * i, 5) for i in range(8)]
    return _standing(shapely.union_all([beam, foot, *teeth]), 6.0)


def _pyramid() -> trimesh.Trimesh:
    """Pyramid on its tip, 12 mm wide at 12 mm height: its section, and the heat in it, grows."""
    tip, top = 0.5, 6.0
    square = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)], dtype=float)
    low = np.column_stack((square * tip, np.zeros(4)))
    high = np.column_stack((square * top, np.full(4, 12.0)))
    mesh: trimesh.Trimesh = trimesh.Trimesh(np.vstack((low, high)) * 1e-3).convex_hull
    return mesh


EXAMPLES: dict[str, Callable[[], trimesh.Trimesh]] = {
    "bracket": _bracket,
    "cantilever": _cantilever,
    "cube": _cube,
    "pyramid": _pyramid,
}


def _standing(profile: shapely.Polygon, width: float) -> trimesh.Trimesh:
    """Prism over a profile in (x, z), both in mm, `width` mm deep in y."""
    corners: Floats = np.concatenate(
        [shapely.get_coordinates(ring)[:-1] for ring in shapely.get_rings(profile)]
    )
    triangles = shapely.get_coordinates(
        shapely.get_parts(shapely.constrained_delaunay_triangles(profile))
    ).reshape(-1, 4, 2)[:, :3]
    index = {tuple(corner): i for i, corner in enumerate(corners.tolist())}
    faces = np.array([[index[tuple(c)] for c in triangle] for triangle in triangles.tolist()])
    mesh = trimesh.creation.extrude_triangulation(corners, faces, height=width)
    # Quarter turn about x: the profile's second axis becomes z, the extrusion runs along -y.
    quarter_turn = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]])
    return trimesh.Trimesh(np.asarray(mesh.vertices) @ quarter_turn.T * 1e-3, mesh.faces)

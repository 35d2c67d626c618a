"""Read a part from STL or 3MF into a closed mesh in metres, or say why it cannot be built."""

import io
import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import trimesh
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

UNITS: dict[str, float] = {
    "um": 1e-6, "micron": 1e-6, "micrometer": 1e-6,
    "mm": 1e-3, "millimeter": 1e-3, "millimeters": 1e-3,
    "cm": 1e-2, "centimeter": 1e-2,
    "m": 1.0, "meter": 1.0,
    "in": 0.0254, "inch": 0.0254,
    "ft": 0.3048, "foot": 0.3048,
}  # fmt: skip
"""Metres per unit, under the usual short names and the names of the 3MF core specification."""

SMALLEST_PART, LARGEST_PART = 1e-4, 10.0
"""Longest edge (m) of a part anybody can mean; outside it the unit is wrong."""

JUNCTION = 1e-6
"""A corner closer to an edge than this (m) lies on it."""


class PartError(ValueError):
    """A part, build plate or layer file cannot be used; the message says which and why."""


@dataclass(frozen=True, eq=False)
class Part:
    """One closed body (or several) to build.

    `mesh` has its vertices in metres, rests on z = 0 and is centred in x and y on its own origin.
    `notes` lists what the reader decided: the unit it took and what it repaired.
    """

    name: str
    mesh: trimesh.Trimesh
    source: str
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> tuple[float, float, float]:
        """Extents in x, y and z (m)."""
        x, y, z = np.ptp(self.mesh.vertices, axis=0)
        return float(x), float(y), float(z)

    @property
    def volume(self) -> float:
        """Enclosed volume (m³)."""
        return float(signed_volumes(self.mesh).sum())


def load_part(path: str | Path, unit: str | None = None) -> Part:
    """Read an STL (ASCII or binary) or 3MF file.

    An STL file carries no unit: `unit` names it, millimetre otherwise.  A 3MF file carries its own
    and `unit`, when given, has to agree.  All bodies of a file make one part.

    Raises PartError for anything that cannot be built: a missing, empty or unreadable file, an
    unknown or contradicted unit, a size nobody can mean, a mesh that encloses nothing or stays
    open after repair.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PartError(f"{path}: cannot be read: {error.strerror or error}") from error
    kind = path.suffix.lower().lstrip(".")
    if kind not in ("stl", "3mf"):
        raise PartError(
            f"{path}: file type '{kind}' is not known; allowed: .stl, .3mf, and .cli for layers"
        )
    mesh, file_unit = _read_mesh(path, data, kind)
    unit = _agreed_unit(path, unit, file_unit)
    notes = [f"unit read: {unit}" if file_unit else f"unit taken: {unit}"]
    mesh.vertices *= UNITS[unit]
    return part_from_mesh(mesh, path.stem, str(path), notes)


def part_from_mesh(
    mesh: trimesh.Trimesh, name: str, source: str, notes: list[str] | None = None
) -> Part:
    """Check, repair and seat a mesh whose vertices are in metres.

    Raises PartError if the mesh encloses no volume, has a size outside `SMALLEST_PART` to
    `LARGEST_PART`, or stays open after repair.
    """
    notes = list(notes or ())
    mesh = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    if not len(mesh.faces):
        raise PartError(f"{source}: holds no triangle")
    if not np.isfinite(mesh.vertices).all():
        raise PartError(f"{source}: has vertices that are not finite numbers")
    used = mesh.vertices[np.unique(mesh.faces)]
    longest = float(np.ptp(used, axis=0).max())
    if not SMALLEST_PART <= longest <= LARGEST_PART:
        raise PartError(
            f"{source}: longest edge is {longest:.3g} m, allowed {SMALLEST_PART:g} to "
            f"{LARGEST_PART:g} m; is the unit right?"
        )
    _close(mesh, source, notes)
    _orient(mesh, notes)
    volume = float(signed_volumes(mesh).sum())
    if volume < 1e-9 * longest**3:
        raise PartError(f"{source}: encloses no volume ({volume:.3g} m³)")
    mesh.remove_unreferenced_vertices()
    low, high = mesh.bounds
    mesh.apply_translation([-(low[0] + high[0]) / 2, -(low[1] + high[1]) / 2, -low[2]])
    return Part(name, mesh, source, tuple(notes))


def open_edges(mesh: trimesh.Trimesh) -> int:
    """Count the edges that are not run through equally often in both directions.

    Zero is what slicing needs for closed outlines.  It is wider than "two faces per edge": bodies
    that touch along an edge pass.
    """
    return len(np.unique(np.sort(mesh.edges[_unmatched(mesh)], axis=1), axis=0))


def signed_volumes(mesh: trimesh.Trimesh) -> NDArray[np.float64]:
    """Signed volume (m³) under each triangle, (n,); the sum is the enclosed volume."""
    a, b, c = np.moveaxis(mesh.triangles - mesh.vertices.mean(axis=0), 1, 0)
    volumes: NDArray[np.float64] = np.einsum("ij,ij->i", a, np.cross(b, c)) / 6.0
    return volumes


def _read_mesh(path: Path, data: bytes, kind: str) -> tuple[trimesh.Trimesh, str | None]:
    """Return all bodies of a file as one mesh in file units, and the unit the file names."""
    if not data:
        raise PartError(f"{path}: is empty")
    try:
        # A broken file makes the reader warn, or fail in whatever way its parser fails.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            scene = trimesh.load_scene(io.BytesIO(data), file_type=kind, process=False)
            units = scene.units if kind == "3mf" else None
            mesh = scene.to_mesh()
            # STL repeats every vertex per triangle; 3MF writers often do so per face group.
            mesh.merge_vertices(merge_tex=True, merge_norm=True)
    except Exception as error:
        raise PartError(f"{path}: is not a readable {kind.upper()} file: {error}") from error
    return mesh, units


def _agreed_unit(path: Path, wanted: str | None, file_unit: str | None) -> str:
    for name in (wanted, file_unit):
        if name is not None and name.strip().lower() not in UNITS:
            raise PartError(f"{path}: unit '{name}' is not known; allowed: {', '.join(UNITS)}")
    if wanted and file_unit and not math.isclose(UNITS[_key(wanted)], UNITS[_key(file_unit)]):
        raise PartError(f"{path}: unit '{wanted}' contradicts the file, which says '{file_unit}'")
    return _key(file_unit or wanted or "mm")


def _key(unit: str) -> str:
    return unit.strip().lower()


def _close(mesh: trimesh.Trimesh, source: str, notes: list[str]) -> None:
    """Close the mesh in place, from the gentlest repair to the roughest; note what was done."""
    found = open_edges(mesh)
    if not found:
        return
    repairs: tuple[tuple[str, Callable[[], object]], ...] = (
        ("merged close vertices", lambda: mesh.merge_vertices(digits_vertex=7)),
        ("removed repeated triangles", lambda: mesh.update_faces(_sound_faces(mesh))),
        ("turned triangles the same way round", lambda: trimesh.repair.fix_winding(mesh)),  # type: ignore[no-untyped-call]
        ("split edges at corners lying on them", lambda: _split_edges(mesh)),
        ("filled holes", lambda: trimesh.repair.fill_holes(mesh)),
    )
    done = []
    for what, repair in repairs:
        before = mesh.vertices.shape, mesh.faces.tobytes()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            repair()
        if (mesh.vertices.shape, mesh.faces.tobytes()) != before:
            done.append(what)
        if len(mesh.faces) and not open_edges(mesh):
            notes.append(f"repaired {found} open edges: {', '.join(done)}")
            return
    raise PartError(
        f"{source}: the mesh is not watertight: {open_edges(mesh)} open edges are left of {found} "
        f"after repair ({', '.join(done) or 'nothing could be repaired'}); allowed: 0"
    )


def _unmatched(mesh: trimesh.Trimesh) -> NDArray[np.bool_]:
    """Mask over `mesh.edges` (three per face): not run through equally often both ways."""
    directed = mesh.edges
    _, edge = np.unique(np.sort(directed, axis=1), axis=0, return_inverse=True)
    sign = np.where(directed[:, 0] < directed[:, 1], 1, -1)
    unmatched: NDArray[np.bool_] = np.bincount(edge.ravel(), weights=sign)[edge.ravel()] != 0
    return unmatched


def _split_edges(mesh: trimesh.Trimesh) -> None:
    """Split faces in place where a corner of another face lies on an open edge (a T-junction)."""
    # A mesh in shreds is refused anyway; the limits keep that quick.
    for _ in range(50):
        unmatched = np.flatnonzero(_unmatched(mesh))
        if len(unmatched) > 5_000:
            return
        corners = np.unique(mesh.edges[unmatched])
        split: dict[int, list[list[int]]] = {}
        for edge in unmatched:
            a, b = mesh.edges[edge]
            start, along = mesh.vertices[a], mesh.vertices[b] - mesh.vertices[a]
            length = float(np.linalg.norm(along))
            face = int(edge) // 3
            if face in split or length <= JUNCTION:
                continue
            offset = mesh.vertices[corners] - start
            at = offset @ along / length
            off_line = np.linalg.norm(offset - np.outer(at, along / length), axis=1)
            on = (at > JUNCTION) & (at < length - JUNCTION) & (off_line < JUNCTION)
            if on.any():
                middle = corners[on][np.argmin(at[on])]
                apex = mesh.faces[face][(edge % 3 + 2) % 3]
                split[face] = [[a, middle, apex], [middle, b, apex]]
        if not split:
            return
        kept = np.delete(mesh.faces, list(split), axis=0)
        mesh.faces = np.vstack([kept, *split.values()])


def _sound_faces(mesh: trimesh.Trimesh) -> NDArray[np.bool_]:
    """Mask of faces with three different corners, each set of corners once."""
    corners = np.sort(mesh.faces, axis=1)
    _, first = np.unique(corners, axis=0, return_index=True)
    sound = np.zeros(len(corners), dtype=np.bool_)
    sound[first] = True
    sound &= (corners[:, 0] != corners[:, 1]) & (corners[:, 1] != corners[:, 2])
    return sound


def _orient(mesh: trimesh.Trimesh, notes: list[str]) -> None:
    """Turn inside-out bodies right side out in place; a body inside another stays a cavity."""
    volumes = signed_volumes(mesh)
    neighbours = mesh.face_adjacency
    graph = coo_array((np.ones(len(neighbours)), neighbours.T), shape=(len(volumes),) * 2)
    body = connected_components(graph, directed=False)[1]
    count = int(body.max()) + 1
    body_volume = np.bincount(body, weights=volumes, minlength=count)
    low, high = np.full((count, 3), np.inf), np.full((count, 3), -np.inf)
    for corner in range(3):
        np.minimum.at(low, body, mesh.triangles[:, corner])
        np.maximum.at(high, body, mesh.triangles[:, corner])
    solid = body_volume > 0
    turned = np.zeros(count, dtype=np.bool_)
    for i in np.flatnonzero(body_volume < 0):
        around = solid & (low <= low[i]).all(axis=1) & (high >= high[i]).all(axis=1)
        turned[i] = not around.any()
    if turned.any():
        faces = mesh.faces.copy()
        faces[turned[body]] = faces[turned[body]][:, ::-1]
        mesh.faces = faces
        notes.append(f"turned {int(turned.sum())} inside-out bodies right side out")

"""Sections of meshes: area, cavities, overlapping and touching bodies."""

import numpy as np
import pytest
import shapely
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.parts.examples import EXAMPLES, example_part
from twin.parts.slicing import GRID, TOLERANCE, Slicer, assemble

MM = 1e-3


def box(x, y, z, sides=(10, 10, 10), inverted=False):
    mesh = trimesh.creation.box(extents=np.array(sides) * MM)
    mesh.apply_translation(np.array((x, y, z)) * MM)
    if inverted:
        mesh.invert()
    return mesh


def section(z, *bodies):
    mesh = trimesh.util.concatenate(bodies)
    mesh.merge_vertices()
    return Slicer(mesh.vertices, mesh.faces).section(z * MM)


@pytest.mark.parametrize("name", EXAMPLES)
def test_sections_add_up_to_the_volume(name):
    part = example_part(name)
    step = part.size[2] / 400
    slicer = Slicer(part.mesh.vertices, part.mesh.faces)
    sections = [slicer.section((i + 0.5) * step) for i in range(400)]
    assert all(region.is_valid and not region.is_empty for region in sections)
    assert sum(region.area for region in sections) * step == pytest.approx(part.volume, rel=2e-3)


def test_section_of_a_ball_is_its_circle():
    ball = trimesh.creation.icosphere(subdivisions=5, radius=0.01)
    slicer = Slicer(ball.vertices, ball.faces)
    for z in (-0.007, 0.0, 0.004):
        assert slicer.section(z).area == pytest.approx(np.pi * (0.01**2 - z**2), rel=3e-3)
    assert slicer.section(0.011).is_empty
    assert slicer.section(-0.011).is_empty


def test_plane_through_corners_and_faces_is_no_special_case():
    slicer = Slicer(*_parts(box(0, 0, 5)))
    assert slicer.section(0.0).area == pytest.approx(1e-4)
    assert slicer.section(0.010).is_empty


def _parts(mesh):
    return mesh.vertices, mesh.faces


def test_cavity_and_island_in_it():
    hollow = (box(0, 0, 0), box(0, 0, 0, (6, 6, 6), inverted=True), box(0, 0, 0, (2, 2, 2)))
    assert section(0, *hollow).area == pytest.approx((100 - 36 + 4) * 1e-6)
    assert section(2, *hollow).area == pytest.approx((100 - 36) * 1e-6)
    assert section(4, *hollow).area == pytest.approx(100e-6)


@pytest.mark.parametrize(
    ("shift", "area"),
    [((5, 5, 0), 175), ((10, 0, 0), 200), ((10, 10, 0), 200), ((0, 0, 0), 100), ((5, 0, 0), 150)],
)
def test_overlapping_and_touching_bodies_are_joined(shift, area):
    region = section(0.1, box(0, 0, 0), box(*shift))
    assert region.is_valid
    assert region.area == pytest.approx(area * 1e-6)


def test_body_inside_a_body_changes_nothing():
    assert section(0, box(0, 0, 0), box(1, 0, 0, (2, 2, 2))).area == pytest.approx(100e-6)


def test_crossing_outline_is_repaired_not_dropped():
    # A figure of eight winds around one of its halves the wrong way: only the other is solid.
    eight = np.array([(0, 0), (2, 2), (2, 0), (0, 2)]) * MM
    lobe = assemble([eight])
    assert lobe.is_valid
    assert lobe.area == pytest.approx(1e-6)
    star = np.array([(np.cos(a), np.sin(a)) for a in np.arange(5) * 4 * np.pi / 5]) * MM
    assert assemble([star]).is_valid
    assert assemble([star]).area > assemble([star[::-1]]).area == 0


def test_degenerate_outlines_hold_no_area():
    line = np.array([(0, 0), (1, 1), (2, 2)]) * MM
    assert assemble([]).is_empty
    assert assemble([line, line[:2], line[:1]]).is_empty


def test_vertical_wall_gives_equal_sections():
    part = example_part("cantilever")
    turned = part.mesh.vertices @ trimesh.transformations.rotation_matrix(0.3, (0, 0, 1))[:3, :3]
    slicer = Slicer(turned, part.mesh.faces)
    assert shapely.equals_exact(slicer.section(0.0012), slicer.section(0.0031), GRID)


def solid_angle(mesh, points):
    """Solid angle (n,) of a closed mesh seen from points (Van Oosterom and Strackee 1983)."""
    a, b, c = np.moveaxis(mesh.triangles[None] - points[:, None, None], 2, 0)
    la, lb, lc = (np.linalg.norm(corner, axis=-1) for corner in (a, b, c))
    triple = np.einsum("pfi,pfi->pf", a, np.cross(b, c))
    ab, bc, ca = ((u * v).sum(axis=-1) for u, v in ((a, b), (b, c), (c, a)))
    return 2 * np.arctan2(triple, la * lb * lc + ab * lc + bc * la + ca * lb).sum(axis=1)


@settings(deadline=None, max_examples=40)
@given(
    angles=st.tuples(*[st.floats(0, 6)] * 3),
    z=st.floats(-0.99, 0.99),
    name=st.sampled_from(sorted(EXAMPLES)),
)
def test_any_attitude_gives_the_points_inside_the_solid(angles, z, name):
    mesh = example_part(name).mesh.copy()
    mesh.apply_transform(trimesh.transformations.euler_matrix(*angles))
    low, high = mesh.bounds
    height = (low[2] + high[2]) / 2 + z * (high[2] - low[2]) / 2
    region = Slicer(mesh.vertices, mesh.faces).section(height)
    assert region.is_valid
    points = np.random.default_rng(3).uniform((*low[:2], height), (*high[:2], height), (100, 3))
    flat = shapely.points(points[:, :2])
    clear = shapely.distance(region.boundary, flat) > 2 * TOLERANCE
    inside = solid_angle(mesh, points) > 2 * np.pi
    np.testing.assert_array_equal(shapely.contains(region, flat)[clear], inside[clear])

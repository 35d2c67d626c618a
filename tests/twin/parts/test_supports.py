"""Supports: under flat overhangs only, down to what lies beneath."""

import math

import numpy as np
import pytest
import trimesh

from twin.parts.geometry import PartError
from twin.parts.supports import Supports, SupportStyle

MM = 1e-3


def supports(*boxes, **style):
    """Supports of a body joined from boxes ((x0, y0, z0), (x1, y1, z1)) in mm."""
    bodies = [trimesh.creation.box(bounds=np.array(bounds) * MM) for bounds in boxes]
    mesh = trimesh.util.concatenate(bodies)
    return Supports(mesh.vertices, mesh.faces, SupportStyle(**style))


def total(vectors):
    return np.hypot(*(vectors.end - vectors.start).T).sum()


STEM = ((-2, -5, 0), (2, 5, 8))
TABLE = ((-10, -5, 8), (10, 5, 10))
STEP = ((4, -5, 0), (8, 5, 3))


def test_walls_stand_under_a_table_down_to_the_plate():
    made = supports(STEM, TABLE, kind="line")
    for z in (0.02, 4, 7.98):
        vectors = made.section(z * MM)
        assert total(vectors) == pytest.approx(10 * 16 * MM, rel=0.02)
        middle = (vectors.start + vectors.end) / 2 / MM
        assert (np.abs(middle[:, 0]) > 2).all()
        assert (np.abs(vectors.start) <= np.array((10, 5)) * MM + 1e-9).all()
        assert len(np.unique(vectors.field)) == len(vectors.start) == 20
    assert total(made.section(8.02 * MM)) == 0


def test_block_has_walls_both_ways():
    block = supports(STEM, TABLE).section(4 * MM)
    lines = supports(STEM, TABLE, kind="line").section(4 * MM)
    assert total(block) == pytest.approx(2 * total(lines), rel=0.02)
    step = np.abs(block.end - block.start) > 1e-9
    assert (step.sum(axis=1) == 1).all()
    assert step.any(axis=0).all()


def test_supports_stand_on_the_part_beneath():
    made = supports(STEM, TABLE, STEP, kind="line")
    above, beside = made.section(4 * MM), made.section(2 * MM)
    assert total(above) == pytest.approx(10 * 16 * MM, rel=0.02)
    assert total(beside) == pytest.approx(10 * 12 * MM, rel=0.02)


@pytest.mark.parametrize(
    ("critical", "supported"), [(30, False), (44, False), (45, False), (46, True), (60, True)]
)
def test_only_surfaces_flatter_than_the_critical_angle(critical, supported):
    # Sides lean out by 45°; the tip stands on the plate.
    square = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * 5.0
    corners = [*np.column_stack((square * 0.2, np.zeros(4))), *np.column_stack((square, [4.0] * 4))]
    mesh = trimesh.Trimesh(np.array(corners) * MM).convex_hull
    made = Supports(mesh.vertices, mesh.faces, SupportStyle(critical_angle=math.radians(critical)))
    assert (total(made.section(1 * MM)) > 0) == supported


def test_a_body_on_the_plate_needs_none():
    assert total(supports(STEM).section(1 * MM)) == 0


def test_closer_walls_are_longer_in_total():
    coarse = total(supports(STEM, TABLE, spacing=2e-3).section(4 * MM))
    fine = total(supports(STEM, TABLE, spacing=0.5e-3).section(4 * MM))
    assert fine == pytest.approx(4 * coarse, rel=0.05)


@pytest.mark.parametrize(
    ("field", "value"),
    [("kind", "tree"), ("critical_angle", 2.0), ("spacing", 0.0), ("resolution", math.nan)],
)
def test_style_out_of_range_is_refused(field, value):
    with pytest.raises(PartError, match=rf"supports: {field} .*allowed"):
        SupportStyle(**{field: value})

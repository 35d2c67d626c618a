"""Placing parts: packed in rows or as told, refused when they do not fit."""

import numpy as np
import pytest

from twin.parts.examples import example_part
from twin.parts.geometry import PartError
from twin.parts.plate import Placement, arrange

PLATE = (0.1, 0.1)


@pytest.fixture(scope="module")
def cube():
    return example_part("cube")


def bounds(placement):
    vertices = placement.vertices()
    return vertices.min(axis=0), vertices.max(axis=0)


@pytest.mark.parametrize("count", [1, 2, 7, 8, 9, 49])
def test_rows_keep_their_distance_and_the_centre(cube, count):
    placements = arrange([cube] * count, PLATE, spacing=4e-3)
    assert len(placements) == count
    centres = np.array([(p.x, p.y) for p in placements])
    apart = np.abs(centres[:, None] - centres[None]).max(axis=2) + np.eye(count)
    assert apart.min() >= 14e-3 - 1e-12
    low = np.min([bounds(p)[0] for p in placements], axis=0)
    high = np.max([bounds(p)[1] for p in placements], axis=0)
    np.testing.assert_allclose((low + high)[:2], 0, atol=1e-12)
    assert high[:2].max() <= 0.05 + 1e-12
    assert low[2] == 0


def test_one_too_many_is_refused(cube):
    with pytest.raises(PartError, match="50 parts packed in rows need 108 mm of depth"):
        arrange([cube] * 50, PLATE, spacing=4e-3)


def test_given_positions_and_rotation_are_kept(cube):
    (placement,) = arrange([cube], PLATE, positions=[(0.02, -0.01, np.pi / 4)])
    low, high = bounds(placement)
    np.testing.assert_allclose((low + high)[:2] / 2, (0.02, -0.01), atol=1e-12)
    np.testing.assert_allclose((high - low)[:2], 0.01 * np.sqrt(2))


def test_rotation_is_counter_clockwise():
    part = example_part("cantilever")
    marked = np.argmax(part.mesh.vertices @ (1, 1, 0))
    x, y, _ = part.mesh.vertices[marked]
    turned = Placement(part, rotation=np.pi / 2).vertices()[marked]
    np.testing.assert_allclose(turned[:2], (-y, x), atol=1e-12)


@pytest.mark.parametrize(
    ("positions", "message"),
    [
        ([(0, 0, 0), (0.011, 0, 0)], "is 1 mm from 'cube', allowed from 2 mm"),
        ([(0, 0, 0), (0, 0, 0)], "is 0 mm from 'cube'"),
        ([(0, 0, 0), (0.0451, 0, 0)], "hangs over the plate"),
        ([(0, 0, 0), (0.045, 0, 0.1)], "hangs over the plate"),
        ([(0, 0, 0)], "1 positions for 2 parts"),
        ([(0, 0, 0), (np.nan, 0, 0)], "not a finite number"),
    ],
)
def test_overlap_and_overhang_are_refused(cube, positions, message):
    with pytest.raises(PartError, match=message):
        arrange([cube, cube], PLATE, positions=positions)


@pytest.mark.parametrize(("plate", "height"), [((9e-3, 0.1), 0.1), (PLATE, 9e-3)])
def test_part_larger_than_the_build_volume_is_refused(cube, plate, height):
    with pytest.raises(PartError, match="part is 10 × 10 × 10 mm, larger than the build volume"):
        arrange([cube], plate, height)


def test_empty_plate_is_refused():
    with pytest.raises(PartError, match="no part"):
        arrange([])

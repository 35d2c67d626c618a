"""Points and tiles cover what the hatch covers, in rounds, on all beams."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from twin.parts import BuildPlan, HatchStyle, Placement, Role
from twin.parts.geometry import part_from_mesh
from twin.parts.layers import Layer
from twin.parts.points import BeamPattern

PART = part_from_mesh(trimesh.creation.box(extents=(8e-3, 6e-3, 1e-4)), "block", "block")


def layer(pattern: BeamPattern | None) -> Layer:
    style = HatchStyle(pattern="meander", hatch_spacing=2e-4)
    return BuildPlan([Placement(PART, 0.0, 0.0)], 5e-5, style, arrange=pattern).layer(0)


def test_spots_are_a_pitch_apart_and_contours_stay() -> None:
    plain, spots = layer(None), layer(BeamPattern("spots", 2e-4))
    inside = spots.role == Role.HATCH
    assert np.array_equal(spots.start[inside], spots.end[inside])
    lines = np.hypot(*(plain.end - plain.start)[plain.role == Role.HATCH].T)
    assert inside.sum() == pytest.approx(lines.sum() / 2e-4, rel=0.02)
    assert (spots.role == Role.CONTOUR).sum() == (plain.role == Role.CONTOUR).sum()


@pytest.mark.parametrize("edge", [5e-4, 1e-3])
def test_tiles_are_as_many_as_fit(edge: float) -> None:
    tiles = layer(BeamPattern("tiles", edge))
    inside = tiles.role == Role.HATCH
    assert inside.sum() == pytest.approx(8e-3 * 6e-3 / edge**2, rel=0.25)
    assert np.unique(tiles.start[inside], axis=0).shape[0] == inside.sum()


def test_rounds_bring_neighbours_late() -> None:
    def nearest_in_time(skip: int) -> float:
        spots = layer(BeamPattern("spots", 2e-4, skip))
        points = spots.start[spots.role == Role.HATCH]
        return float(np.median(np.hypot(*np.diff(points, axis=0).T)))

    assert nearest_in_time(1) == pytest.approx(2e-4, rel=0.05)
    assert nearest_in_time(5) == pytest.approx(1e-3, rel=0.05)


def test_beams_share_alike() -> None:
    shared = layer(BeamPattern("spots", 2e-4, splits=3))
    number = np.bincount(shared.laser)
    assert len(number) == 3
    assert number.max() - number.min() <= 1
    assert np.all(np.diff(shared.laser.astype(int)) >= 0)


def test_a_million_spots_take_a_second_at_most() -> None:
    part = part_from_mesh(trimesh.creation.box(extents=(0.1, 0.1, 1e-4)), "slab", "slab")
    style = HatchStyle(pattern="meander", hatch_spacing=1e-4)
    plan = BuildPlan([Placement(part, 0.0, 0.0)], 5e-5, style, arrange=BeamPattern("spots", 1e-4))
    assert (plan.layer(0).role == Role.HATCH).sum() > 9e5


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="pitch"):
        BeamPattern("spots", 0.0)

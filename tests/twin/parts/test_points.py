"""Points and tiles cover what the hatch covers, in rounds, on all beams."""

from __future__ import annotations

from typing import Any

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


def points(made: Layer, pattern: BeamPattern) -> np.ndarray[Any, Any]:
    """Every point of a layer's hatch in the order in which the beam comes."""
    inside = made.role == Role.HATCH
    found = []
    for a, b in zip(made.start[inside], made.end[inside], strict=True):
        steps = round(float(np.hypot(*(b - a))) / pattern.stride)
        found.append(a + np.linspace(0.0, 1.0, steps + 1)[:, None] * (b - a))
    return np.concatenate(found)


@pytest.mark.parametrize("skip", [1, 5, 7])
def test_spots_are_a_pitch_apart_and_contours_stay(skip: int) -> None:
    pattern = BeamPattern("spots", 2e-4, skip)
    plain, spots = layer(None), layer(pattern)
    lines = np.hypot(*(plain.end - plain.start)[plain.role == Role.HATCH].T)
    found = points(spots, pattern)
    assert len(found) == np.maximum(np.rint(lines / 2e-4), 1).sum()
    assert (spots.role == Role.CONTOUR).sum() == (plain.role == Role.CONTOUR).sum()
    # Each point is there once, its nearest neighbour a pitch away.
    away = np.hypot(*(found[:, None] - found[None]).transpose(2, 0, 1))
    np.fill_diagonal(away, np.inf)
    assert away.min() > 1.9e-4
    assert np.median(away.min(axis=1)) == pytest.approx(2e-4, rel=0.01)


@pytest.mark.parametrize("edge", [5e-4, 1e-3])
def test_tiles_are_as_many_as_fit(edge: float) -> None:
    tiles = layer(BeamPattern("tiles", edge))
    inside = tiles.role == Role.HATCH
    assert inside.sum() == pytest.approx(8e-3 * 6e-3 / edge**2, rel=0.25)
    assert np.unique(tiles.start[inside], axis=0).shape[0] == inside.sum()


def test_rounds_bring_neighbours_late() -> None:
    def between(skip: int) -> float:
        """Median number of points between two neighbours on one line."""
        pattern = BeamPattern("spots", 2e-4, skip)
        found = points(layer(pattern), pattern)
        away = np.hypot(*(found[:, None] - found[None]).transpose(2, 0, 1))
        np.fill_diagonal(away, np.inf)
        return float(np.median(np.abs(away.argmin(axis=1) - np.arange(len(found)))))

    assert between(1) == 1
    assert between(5) > 100


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
    made = plan.layer(0)
    inside = made.role == Role.HATCH
    length = np.hypot(*(made.end - made.start)[inside].T)
    assert (np.rint(length / 1e-4) + 1).sum() > 9e5
    assert inside.sum() < 2e4


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="pitch"):
        BeamPattern("spots", 0.0)

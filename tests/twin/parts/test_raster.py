"""Rasters of cross-sections and the spans that hang."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
import trimesh

from twin.parts.geometry import Part, part_from_mesh
from twin.parts.raster import Grid, column_runs, raster
from twin.parts.spans import unsupported_span

GRID = Grid(50e-6, 60e-6, 0.02, 0.03)


def test_grid_is_centred() -> None:
    assert (GRID.columns, GRID.rows) == (400, 500)
    assert GRID.x(0) == pytest.approx(-0.01 + 25e-6)
    assert GRID.x(199) == pytest.approx(-25e-6)
    assert GRID.y(499) == pytest.approx(0.015 - 30e-6)


@pytest.mark.parametrize("seed", range(4))
def test_a_dot_is_set_if_its_middle_lies_inside(seed: int) -> None:
    rng = np.random.default_rng(seed)
    blobs = [shapely.Point(*p).buffer(r) for p, r in zip(
        rng.uniform(-4e-3, 4e-3, (6, 2)), rng.uniform(1e-3, 3e-3, 6), strict=True)]
    region = shapely.difference(shapely.union_all(blobs[:4]), shapely.union_all(blobs[4:]))
    first, low, mask = raster(region, GRID)
    x = GRID.x(first + np.arange(mask.shape[0]))
    y = GRID.y(low + np.arange(mask.shape[1]))
    truth = shapely.contains_xy(region, *np.meshgrid(x, y, indexing="ij"))
    assert (mask == truth).all()
    assert mask.sum() * GRID.dx * GRID.dy == pytest.approx(region.area, rel=0.01)
    # Nothing lies outside of the mask.
    everything = raster(region, GRID)[2].sum()
    assert everything == truth.sum()


def test_nothing_and_what_hangs_over_the_plate() -> None:
    assert raster(shapely.MultiPolygon(), GRID)[2].size == 0
    first, low, mask = raster(shapely.box(-0.02, -0.02, 0.02, 0.02), GRID)
    assert (first, low, mask.shape) == (0, 0, (400, 500))
    assert mask.all()


def test_runs_of_a_column() -> None:
    mask = np.zeros((3, 8), bool)
    mask[1, 1:4] = mask[1, 6:] = True
    columns, begin, end = column_runs(mask, np.array([0, 1]))
    assert columns.tolist() == [1, 1]
    assert begin.tolist() == [1, 6]
    assert end.tolist() == [4, 8]


def boxes(*sizes: tuple[tuple[float, float, float], tuple[float, float, float]]) -> Part:
    made = []
    for extents, middle in sizes:
        box = trimesh.creation.box(extents)
        box.apply_translation(middle)
        made.append(box)
    return part_from_mesh(trimesh.util.concatenate(made), "boxes", "boxes")


BEAM = ((0.04, 0.01, 0.004), (0.0, 0.0, 0.012))
LEGS = [((0.005, 0.01, 0.01), (x, 0.0, 0.005)) for x in (-0.0175, 0.0175)]


def test_a_bridge_spans_between_its_legs() -> None:
    span, over = unsupported_span(boxes(BEAM, *LEGS))
    assert span == pytest.approx(0.03, rel=0.06)
    assert over == pytest.approx(0.004, abs=5e-4)


def test_a_cantilever_counts_twice() -> None:
    span, over = unsupported_span(boxes(BEAM, LEGS[0]))
    assert span == pytest.approx(0.07, rel=0.06)
    assert over == pytest.approx(0.004, abs=5e-4)


def test_what_stands_spans_nothing() -> None:
    span, over = unsupported_span(boxes(LEGS[0]))
    assert span == 0
    assert over == pytest.approx(0.01)

"""Hatches and contours: they fill the section, stay inside it and keep their order."""

import math
from dataclasses import replace

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.parts.geometry import PartError
from twin.parts.hatching import HatchStyle, contours, hatch, inset

PATTERNS = ("meander", "stripes", "islands")
SPACING = 0.2e-3


def style(pattern="stripes", **changes):
    coarse = HatchStyle(pattern=pattern, hatch_spacing=SPACING, stripe_width=2e-3, min_length=0.0)
    return replace(coarse, **changes)


def lengths(vectors):
    return np.hypot(*(vectors.end - vectors.start).T)


@st.composite
def polygons(draw):
    """Star-shaped polygon of some 10 mm, mostly concave, with a hole half of the time."""
    count = draw(st.integers(3, 12))
    radii = draw(st.lists(st.floats(3e-3, 10e-3), min_size=count, max_size=count))
    centre = np.array(draw(st.tuples(st.floats(-0.05, 0.05), st.floats(-0.05, 0.05))))
    angle = np.arange(count) * 2 * np.pi / count
    ring = centre + np.array(radii)[:, None] * np.column_stack((np.cos(angle), np.sin(angle)))
    hole = [centre + (ring[::-1] - centre) * 0.3] if draw(st.booleans()) else []
    return shapely.Polygon(ring, hole)


@settings(deadline=None, max_examples=60)
@given(region=polygons(), pattern=st.sampled_from(PATTERNS), angle=st.floats(-7, 7))
def test_hatches_cover_the_area_and_stay_inside(region, pattern, angle):
    vectors = hatch(region, style(pattern), angle)
    # A raster of spacing h misses an area by less than h times what the outline spans across it.
    assert abs(lengths(vectors).sum() * SPACING - region.area) < SPACING * region.length / 2
    lines = shapely.linestrings(np.stack([vectors.start, vectors.end], axis=1))
    assert shapely.covers(region.buffer(1e-9), lines).all()
    assert (np.diff(vectors.field) >= 0).all()


@settings(deadline=None, max_examples=30)
@given(region=polygons(), pattern=st.sampled_from(("stripes", "islands")), angle=st.floats(-7, 7))
def test_fields_cut_the_same_lines_a_meander_has(region, pattern, angle):
    cut = hatch(region, style(pattern, stripe_overlap=0.0), angle)
    assert lengths(cut).max() <= 2e-3 + 1e-9
    if pattern == "stripes":
        whole = hatch(region, style("meander"), angle)
        assert lengths(cut).sum() == pytest.approx(lengths(whole).sum(), rel=1e-9)


def square(side=10e-3):
    return shapely.box(0, 0, side, side)


def test_neighbouring_lines_run_in_opposite_directions():
    vectors = hatch(square(), style("meander"), 0.0)
    assert len(vectors.start) == 50
    direction = np.sign(vectors.end[:, 0] - vectors.start[:, 0])
    assert (direction[1:] == -direction[:-1]).all()
    assert (np.diff(vectors.start[:, 1]) > 0).all()
    assert (vectors.field == 0).all()


def test_stripes_are_marked_one_after_the_other():
    vectors = hatch(square(), style("stripes"), 0.0)
    middle = (vectors.start + vectors.end)[:, 0] / 2
    np.testing.assert_array_equal(vectors.field, np.floor(middle / 2e-3))
    assert vectors.field.max() == 4


def test_stripe_overlap_reaches_over_but_not_out():
    overlap = hatch(square(), style("stripes", stripe_overlap=0.1e-3), 0.0)
    assert lengths(overlap).sum() == pytest.approx(50 * (10e-3 + 4 * 0.1e-3))
    assert overlap.start.min() >= 0
    assert overlap.end.max() <= 10e-3


def test_chessboard_marks_white_then_black_at_right_angles():
    vectors = hatch(square(8e-3), style("islands"), 0.0)
    along_x = np.abs((vectors.end - vectors.start)[:, 1]) < 1e-12
    changes = np.flatnonzero(np.diff(along_x.astype(int)))
    assert along_x[0]
    assert len(changes) == 1
    cell = np.floor((vectors.start + vectors.end) / 2 / 2e-3).astype(int)
    np.testing.assert_array_equal(cell.sum(axis=1) % 2 == 0, along_x)
    assert len(np.unique(vectors.field)) == 16
    for field in range(16):
        assert len(np.unique(cell[vectors.field == field], axis=0)) == 1


def test_short_vectors_are_left_out():
    tip = shapely.Polygon([(0, 0), (10e-3, 0), (0, 10e-3)])
    kept = hatch(tip, style("meander", min_length=1e-3), 0.0)
    assert lengths(kept).min() >= 1e-3
    assert len(kept.start) < len(hatch(tip, style("meander"), 0.0).start)


def test_direction_turns_with_the_layer():
    turning = style(rotation=math.radians(67), start_angle=0.1)
    assert turning.angle(0) == pytest.approx(0.1)
    vectors = hatch(square(), turning, turning.angle(2))
    along = vectors.end - vectors.start
    angle = np.arctan2(along[:, 1], along[:, 0]) % math.pi
    np.testing.assert_allclose(angle, (0.1 + math.radians(134)) % math.pi, atol=1e-9)


def test_contours_lie_inside_by_beam_offset_and_spacing():
    washer = square().difference(shapely.Point(5e-3, 5e-3).buffer(2e-3))
    made = contours(washer, style(beam_offset=0.1e-3, contours=2, contour_spacing=0.3e-3))
    assert len(np.unique(made.field)) == 4
    distance = shapely.distance(washer.boundary, shapely.points((made.start + made.end) / 2))
    for field, offset in enumerate((0.1e-3, 0.1e-3, 0.4e-3, 0.4e-3)):
        ring = made.field == field
        np.testing.assert_allclose(distance[ring], offset, rtol=0.05)
        np.testing.assert_array_equal(made.end[ring], np.roll(made.start[ring], -1, axis=0))


def test_hatches_end_inside_the_contours():
    chosen = style(beam_offset=0.1e-3, contours=2, contour_spacing=0.3e-3)
    assert chosen.hatch_offset == pytest.approx(0.7e-3)
    assert inset(square(), chosen.hatch_offset).area == pytest.approx(8.6e-3**2)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_empty_section_gives_no_vectors(pattern):
    assert len(hatch(shapely.Polygon(), style(pattern), 0.3).start) == 0
    assert len(contours(shapely.Polygon(), style(pattern)).start) == 0


@pytest.mark.parametrize(
    ("field", "value"),
    [("pattern", "spiral"), ("hatch_spacing", 0.0), ("hatch_spacing", math.nan),
     ("stripe_width", -1.0), ("contours", -1), ("beam_offset", math.inf), ("rotation", 400.0),
     ("upskin_layers", -1), ("min_length", -1e-6)],
)  # fmt: skip
def test_style_out_of_range_is_refused(field, value):
    with pytest.raises(PartError, match=rf"hatch style: {field} .*allowed"):
        HatchStyle(**{field: value})

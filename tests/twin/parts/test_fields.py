"""Sharing vectors among lasers: nothing lost, everyone in reach, loads alike."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.parts.fields import SHORTEST, LaserFields
from twin.parts.geometry import PartError

PLATE = (0.24, 0.2)


def random_vectors(seed, count=300, length=0.03):
    rng = np.random.default_rng(seed)
    start = rng.uniform(-0.1, 0.1, (count, 2))
    return start, np.clip(start + rng.uniform(-length, length, (count, 2)), -0.1, 0.1)


def lengths(start, end):
    return np.hypot(*(end - start).T)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10_000), lasers=st.integers(1, 9), overlap=st.floats(0, 0.02))
def test_pieces_follow_each_other_and_keep_the_length(seed, lasers, overlap):
    start, end = random_vectors(seed)
    fields = LaserFields(lasers, PLATE, overlap)
    a, b, source, laser = fields.share(start, end)
    assert (np.diff(source) >= 0).all()
    total = np.bincount(source, weights=lengths(a, b), minlength=len(start))
    np.testing.assert_allclose(total, lengths(start, end), rtol=1e-9, atol=1e-12)
    same = np.diff(source) == 0
    np.testing.assert_allclose(b[:-1][same], a[1:][same], atol=1e-12)

    columns, rows = fields.grid
    assert columns * rows == lasers
    half = np.array(PLATE) / (columns, rows) / 2
    column, row = np.divmod(laser, rows)
    centre = np.column_stack((2 * column + 1, 2 * row + 1)) * half - np.array(PLATE) / 2
    outer = (
        np.column_stack((column == 0, row == 0)),
        np.column_stack((column == columns - 1, row == rows - 1)),
    )
    reach = half + overlap / 2 + SHORTEST
    for point in (a, b):
        assert ((point >= centre - reach) | outer[0]).all()
        assert ((point <= centre + reach) | outer[1]).all()


def test_overlap_evens_out_the_loads():
    start, end = random_vectors(5, length=0.002)
    for points in (start, end):
        points[:, 0] += 0.012

    def loads(overlap):
        a, b, _, laser = LaserFields(2, PLATE, overlap).share(start, end)
        return np.bincount(laser, weights=lengths(a, b))

    uneven, even = loads(0.0), loads(0.05)
    assert uneven[1] > 1.15 * uneven[0]
    assert even[1] == pytest.approx(even[0], rel=0.02)


def test_grid_is_as_square_as_it_goes():
    assert [LaserFields(n, PLATE, 0.0).grid for n in (1, 2, 3, 4, 6, 7, 12)] == [
        (1, 1), (2, 1), (3, 1), (2, 2), (3, 2), (7, 1), (4, 3)
    ]  # fmt: skip


def test_empty_layer_has_nothing_to_share():
    for array in LaserFields(4, PLATE, 0.01).share(np.empty((0, 2)), np.empty((0, 2))):
        assert len(array) == 0


@pytest.mark.parametrize(("lasers", "overlap"), [(0, 0.0), (65, 0.0), (4, -1e-3), (4, 0.11)])
def test_fields_that_cannot_be_are_refused(lasers, overlap):
    with pytest.raises(PartError, match=r"laser fields: (lasers|overlap) is .*, allowed"):
        LaserFields(lasers, PLATE, overlap)

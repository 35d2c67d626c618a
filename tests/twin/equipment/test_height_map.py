"""Height map: it keeps volume, sees what was laid, and shows no ripple of the tick."""

from __future__ import annotations

import numpy as np
import pytest

from twin.equipment.height_map import HeightMap

BOUNDS = (-5e-3, -5e-3, 25e-3, 5e-3)


def _line(n: int) -> tuple[np.ndarray, np.ndarray]:
    x = np.linspace(0, 20e-3, n + 1)
    points = np.column_stack([x, np.zeros(n + 1)])
    return points[:-1], points[1:]


@pytest.mark.parametrize("n", [1, 7, 40, 333])
def test_verification_volume_is_kept_and_the_bead_is_even(n: int) -> None:
    surface = HeightMap(BOUNDS, 1.5e-3)
    start, end = _line(n)
    surface.add(start, end, np.full(n, 0.6e-6), np.full(n, 1.5e-3))
    assert surface.volume == pytest.approx(0.6e-6 * 20e-3, rel=1e-12)
    spots = np.column_stack([np.linspace(3e-3, 17e-3, 200), np.zeros(200)])
    seen = surface.under(spots, np.tile([0.0, 1.0], (200, 1)), 1.5e-3)
    assert np.ptp(seen) < 0.03 * seen.mean()
    # The crown of a parabola is 1.5 A/W high, the mean over the pool somewhat less.
    assert 0.8 * 0.4e-3 < seen.mean() < 1.5 * 0.4e-3


def test_verification_beads_side_by_side_rise_by_area_over_pitch() -> None:
    surface = HeightMap((-5e-3, -5e-3, 25e-3, 15e-3), 1.5e-3)
    start, end = _line(40)
    for k in range(11):
        shift = np.array([0.0, k * 1e-3])
        surface.add(start + shift, end + shift, np.full(40, 0.5e-6), np.full(40, 1.5e-3))
    spots = np.column_stack([np.linspace(5e-3, 15e-3, 100), np.full(100, 5.3e-3)])
    seen = surface.under(spots, np.tile([0.0, 1.0], (100, 1)), 1.5e-3)
    assert seen == pytest.approx(0.5e-3, rel=0.05)


def test_metre_scale_and_snapshots() -> None:
    surface = HeightMap((0, 0, 1.5, 1.0), 5e-3)
    assert surface.heights.size < 500_000
    start, end = np.array([[0.1, 0.5]]), np.array([[1.4, 0.5]])
    surface.add(start, end, np.array([12e-6]), np.array([6e-3]))
    other = HeightMap((0, 0, 1.5, 1.0), 5e-3)
    other.restore(surface.store())
    assert (other.heights == surface.heights).all()
    assert surface.grind(0.0) == pytest.approx(12e-6 * 1.3)
    assert surface.volume == 0.0

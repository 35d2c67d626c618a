"""The dimensionless conduction table against its integral and against analytic limits."""

import numpy as np
import pytest

from twin.meltpool import eagar_tsai as et

PECLETS = (0.02, 40.0, *(pytest.param(p, marks=pytest.mark.slow) for p in (0.7, 3.3)))
RATIOS = np.array([1.05, 1.7, 4.0, 20.0])


@pytest.mark.parametrize("peclet", PECLETS)
def test_table_agrees_with_the_integral(peclet: float) -> None:
    top, exact = et.solve(peclet, np.sqrt(np.log(RATIOS)))
    found = et.lookup(np.full(4, peclet), RATIOS)
    assert et.peak(np.array([peclet]))[0] == pytest.approx(top, rel=2e-3)
    for field, values in exact._asdict().items():
        assert getattr(found, field) == pytest.approx(values, rel=0.02), field


@pytest.mark.parametrize("peclet", PECLETS)
def test_boundary_of_the_table_is_on_the_isotherm(peclet: float) -> None:
    level = et.peak(np.array([peclet])) / RATIOS
    shape = et.lookup(np.full(4, peclet), RATIOS)
    nothing = np.zeros(4)
    assert et.ridge(peclet, shape.width / 2.0, nothing)[1] == pytest.approx(level, rel=0.02)
    assert et.ridge(peclet, nothing, shape.depth)[1] == pytest.approx(level, rel=0.02)


def test_beam_at_rest_has_the_textbook_peak() -> None:
    # A P / (2 sqrt(2 pi) k s), the Gaussian source at rest (Carslaw and Jaeger 1959).
    peak = et.peak(np.array([1e-6]))[0] * 2.0 / (2.0 * np.pi) ** 1.5
    assert peak == pytest.approx(1.0 / (2.0 * np.sqrt(2.0 * np.pi)), rel=1e-3)


def test_point_source_at_rest_melts_a_hemisphere() -> None:
    # Far from a beam at rest the rise is A P / (2 pi k R), at its centre A P / (2 sqrt(2 pi) k s).
    ratio = np.array([200.0])
    radius = ratio * np.sqrt(2.0 / np.pi)
    shape = et.lookup(np.array([1e-3]), ratio)
    assert shape.depth == pytest.approx(radius, rel=0.1)
    assert shape.width == pytest.approx(2.0 * radius, rel=0.1)


def test_fast_point_source_has_rosenthal_width() -> None:
    # W = sqrt(8 A P / (pi e rho cp v dT)); with T* it reads W^2 = 8 (2 pi)^1.5 / (2 pi e Pe theta).
    peclet, ratio = np.array([30.0]), np.array([3000.0])
    theta = et.peak(peclet) / ratio
    width = np.sqrt(8.0 * (2.0 * np.pi) ** 1.5 / (2.0 * np.pi * np.e * peclet * theta))
    shape = et.lookup(peclet, ratio)
    assert shape.width == pytest.approx(width, rel=0.05)
    assert shape.depth == pytest.approx(width / 2.0, rel=0.05)


def test_tail_of_a_point_source_is_that_of_rosenthal() -> None:
    # On the axis behind a point source dT = A P / (2 pi k |x|), whatever the speed.
    peclet, ratio = np.array([0.3, 3.0]), np.array([300.0, 1000.0])
    theta = et.peak(peclet) / ratio
    length = (2.0 * np.pi) ** 1.5 / (4.0 * np.pi * theta)
    shape = et.lookup(peclet, ratio)
    assert shape.length == pytest.approx(length, rel=0.08)
    assert shape.gradient == pytest.approx(1.0 / length, rel=0.08)


def test_nothing_melts_below_the_threshold_and_size_starts_from_zero() -> None:
    below = et.lookup(np.ones(3), np.array([0.0, 0.5, 1.0]))
    assert all(np.all(field == 0.0) for field in below)
    just = et.lookup(np.ones(1), np.array([1.0 + 1e-9]))
    assert 0.0 < just.width[0] < 1e-3

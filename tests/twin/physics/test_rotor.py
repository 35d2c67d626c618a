"""The unbalanced rotor against its textbook response."""

from __future__ import annotations

from math import pi, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.physics import rotor


def test_verification_resonance_is_where_the_amplitude_is_largest() -> None:
    """Jeffcott: 1 / (2 zeta) at the critical speed, phase 90 degrees; e far above it."""
    zeta = 0.05
    assert rotor.response(1.0, zeta).ratio == pytest.approx(1.0 / (2.0 * zeta))
    assert rotor.response(1.0, zeta).phase == pytest.approx(pi / 2.0)
    assert rotor.response(50.0, zeta).ratio == pytest.approx(1.0, rel=1e-3)
    assert rotor.response(50.0, zeta).phase == pytest.approx(pi, abs=0.01)
    assert rotor.response(0.01, zeta).phase == pytest.approx(0.0, abs=0.01)
    grid = np.linspace(0.5, 2.0, 3001)
    peak = grid[np.argmax([rotor.response(float(x), zeta).ratio for x in grid])]
    assert peak == pytest.approx(1.0 / sqrt(1.0 - 2.0 * zeta**2), abs=1e-3)


@given(st.floats(0.01, 0.2), st.floats(0.05, 5.0))
def test_verification_response_solves_the_equation_of_motion(zeta: float, r: float) -> None:
    """X (1 - r^2 + 2 i zeta r) = e r^2."""
    found = rotor.response(r, zeta)
    x = found.ratio * np.exp(-1j * found.phase)
    assert x * (1.0 - r**2 + 2j * zeta * r) == pytest.approx(r**2)


def test_critical_speed_rises_as_mass_goes() -> None:
    assert rotor.critical_speed(4.0e6, 4.0) == pytest.approx(1000.0)
    assert rotor.critical_speed(4.0e6, 3.0) > 1000.0
    with pytest.raises(ValueError, match="above 0"):
        rotor.critical_speed(4.0e6, 0.0)


def test_bearings_warm_with_speed_and_vibration() -> None:
    still = rotor.bearing_loss(0.3, 0.0, 300.0, 0.0, 1e7)
    turning = rotor.bearing_loss(0.3, 300.0, 300.0, 0.0, 1e7)
    assert still == 0.0
    assert turning == pytest.approx(0.3 * 2.0 * pi * 300.0)
    assert rotor.bearing_loss(0.3, 300.0, 300.0, 5e-3, 1e7) == pytest.approx(turning + 250.0)
    fast = rotor.velocity(1e-6, 2000.0, 20.0, 0.05)
    assert fast == pytest.approx(1e-6 * 2000 / sqrt(2), rel=0.01)

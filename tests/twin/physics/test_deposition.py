"""Deposition physics against analytic solutions; published beads are in the check values."""

from __future__ import annotations

from math import exp, pi

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from twin.materials import alloy
from twin.meltpool.laws import Laws
from twin.physics.deposition import (
    PoolLaw,
    PowderCone,
    bead_area,
    bead_height,
    dilution,
    dwell_until,
    equilibrium_stand_off,
    follow_width,
    interpass_steady,
    layer_height,
    layer_slope,
    loss_conductance,
    mean_width,
    melted_area,
    thick_rise,
    thin_rise,
)

CONE = PowderCone()
STEEL = alloy("316L")


def test_verification_catchment_is_the_gaussian_on_the_pool() -> None:
    # Integral of a Gaussian jet over a disc, by quadrature.
    rm, s = 0.9e-3, 10e-3
    rp = float(CONE.radius_at(s))
    r = np.linspace(0, rm, 20001)
    density = 2 / (pi * rp**2) * np.exp(-2 * r**2 / rp**2)
    caught = float(np.trapezoid(density * 2 * pi * r, r))
    assert float(CONE.catchment(rm, s)) == pytest.approx(CONE.share * caught, rel=1e-7)
    assert float(CONE.catchment(20e-3, s)) == pytest.approx(CONE.share)
    assert float(CONE.catchment(0.0, s)) == 0.0


@given(st.floats(0.2e-3, 3e-3), st.floats(2e-3, 25e-3))
def test_verification_slope_is_the_derivative(rm: float, s: float) -> None:
    d = 1e-7
    numeric = float(CONE.catchment(rm, s + d) - CONE.catchment(rm, s - d)) / (2 * d)
    assert float(CONE.catchment_slope(rm, s)) == pytest.approx(numeric, rel=1e-4, abs=1e-4)
    assert (s < CONE.focus) == (numeric > 0) or abs(s - CONE.focus) < 1e-6


@given(st.floats(0.5e-3, 1.4e-3), st.floats(0.3, 0.97))
def test_verification_the_height_settles_inside_the_focus_and_runs_away_beyond(
        rm: float, part: float) -> None:
    """The map s' = s + dz - h(s): from near the fixed point inside it returns, beyond it leaves."""
    m, rho, v, pitch = 1.5e-4, 7900.0, 10e-3, 1.1e-3
    best = float(layer_height(CONE, rm, CONE.focus, m, rho, v, pitch))
    step = part * best
    found = equilibrium_stand_off(CONE, rm, m, rho, v, pitch, step)
    assert found is not None
    inside, beyond = found
    for s in found:
        assert float(layer_height(CONE, rm, s, m, rho, v, pitch)) == pytest.approx(step, rel=1e-9)
    slopes = [float(layer_slope(CONE, rm, s, m, rho, v, pitch)) for s in found]
    assert slopes[0] > 0 > slopes[1]
    for start, slope in ((inside, slopes[0]), (beyond, slopes[1])):
        s = start + 1e-6
        for _ in range(20):
            s += step - float(layer_height(CONE, rm, s, m, rho, v, pitch))
        grown = abs(s - start) / 1e-6
        assert grown == pytest.approx(abs(1 - slope) ** 20, rel=0.2, abs=1e-4)
        assert (grown < 1) == (0 < slope < 2)


def test_no_equilibrium_where_too_little_is_fed() -> None:
    assert equilibrium_stand_off(CONE, 1e-3, 1e-5, 7900, 10e-3, 1e-3, 1e-3) is None
    assert equilibrium_stand_off(CONE, 0.2e-3, 1e-4, 7900, 10e-3, 1e-3, 1e-3) is None


def test_verification_mass_and_energy_balance() -> None:
    area = float(bead_area(0.6, 1.5e-4, 7900, 10e-3))
    assert area * 7900 * 10e-3 == pytest.approx(0.6 * 1.5e-4)
    width = 2e-3
    x = np.linspace(-width / 2, width / 2, 10001)
    height = float(bead_height(area, width))
    assert float(np.trapezoid(height * (1 - (2 * x / width) ** 2), x)) == pytest.approx(area)
    assert float(bead_height(area, 0.0)) == 0.0
    melted = float(melted_area(400.0, 10e-3, STEEL, 300.0, 0.3))
    rho, heat, _ = STEEL.solid_means(300.0)
    energy = melted * 10e-3 * rho * (heat * (STEEL.solidus - 300) + STEEL.latent_fusion)
    assert float(energy) == pytest.approx(0.3 * 400)
    assert float(dilution(1.5e-6, 1e-6)) == pytest.approx(1 / 3)
    assert float(dilution(0.5e-6, 1e-6)) == 0.0


def test_verification_width_follows_its_differential_equation() -> None:
    law = PoolLaw.of(STEEL, 1000, 10e-3, 0.5e-3, 400.0)
    step = np.append(np.full(40, 0.05), 0.02)
    power = np.where(np.arange(41) < 20, 1000.0, 800.0)
    steady = law.steady(power, 10e-3, 400.0)
    found = follow_width(1e-3, steady, step, law.tau)
    times = np.concatenate([[0.0], np.cumsum(step)])
    solved = solve_ivp(
        lambda t, w: (steady[min(np.searchsorted(times, t, "right") - 1, 40)] - w) / law.tau,
        (0, times[-1]), [1e-3], t_eval=times, max_step=0.005, rtol=1e-8)
    assert found == pytest.approx(solved.y[0], rel=1e-3)
    fine = solve_ivp(lambda t, w: (steady[0] - w) / law.tau, (0, 0.05), [1e-3], rtol=1e-10,
                     t_eval=np.linspace(0, 0.05, 2001)).y[0]
    assert mean_width(found, step, law.tau)[0] == pytest.approx(fine.mean(), rel=1e-4)
    uneven = np.linspace(0.01, 0.09, 41)
    assert follow_width(1e-3, steady, uneven, law.tau)[1] == pytest.approx(
        steady[0] + (1e-3 - steady[0]) * exp(-0.01 / law.tau))


def test_the_law_is_tangent_to_the_closed_forms() -> None:
    law = PoolLaw.of(STEEL, 1000, 10e-3, 0.5e-3, 500.0)
    for p, v, t in ((1030, 10e-3, 500.0), (1000, 10.3e-3, 500.0), (1000, 10e-3, 530.0)):
        exact = float(Laws().pools(STEEL, p, v, 0.5e-3, t).width[0])
        assert float(law.steady(p, v, t)) == pytest.approx(exact, rel=3e-3)
    assert law.by_power > 0
    assert law.by_speed > 0
    assert law.by_temperature > 0
    assert float(law.steady(0.0, 10e-3, 500.0)) == 0.0
    with pytest.raises(ValueError, match="melts nothing"):
        PoolLaw.of(STEEL, 20, 10e-3, 0.5e-3, 500.0)


def test_verification_interpass_closed_forms() -> None:
    # Newton cooling and its dwell.
    assert dwell_until(800.0, 500.0, 300.0, 100.0) == pytest.approx(100 * np.log(500 / 200))
    assert dwell_until(400.0, 500.0, 300.0, 100.0) == 0.0
    with pytest.raises(ValueError, match="ambient"):
        dwell_until(400.0, 290.0, 300.0, 100.0)
    g = loss_conductance(700.0, 300.0, 0.01, 15.0, 0.5)
    exact = 0.01 * (15 * 400 + 0.5 * 5.670374e-8 * (700**4 - 300**4))
    assert g * 400 == pytest.approx(exact, rel=1e-6)
    assert interpass_steady(1000, 0.5, 2.0, 300) == 550.0
    # Instant sources: the heat in the half space and in the wall is what was put in.
    k, rho, c = 25.0, 7800.0, 600.0
    a, t, q = k / (rho * c), 3.0, 5e4
    r = np.linspace(0, 60 * np.sqrt(a * t), 40001)
    rise = float(thick_rise(q, k, t)) * np.exp(-(r**2) / (4 * a * t))
    assert float(np.trapezoid(rho * c * rise * pi * r, r)) == pytest.approx(q, rel=1e-4)
    top = float(thin_rise(q, 2e-3, STEEL, 600.0, t))
    rho, c, k = (float(f(600.0)) for f in (STEEL.density, STEEL.specific_heat, STEEL.conductivity))
    z = np.linspace(0, 60 * np.sqrt(k / (rho * c) * t), 40001)
    wall = top * np.exp(-(z**2) / (4 * k / (rho * c) * t))
    assert float(np.trapezoid(rho * c * 2e-3 * wall, z)) == pytest.approx(q, rel=1e-4)

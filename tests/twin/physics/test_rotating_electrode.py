"""Drops of a rotating electrode against closed forms, and the directions they must show."""

from __future__ import annotations

from math import pi

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.materials import alloy
from twin.physics import rotating_electrode as r
from twin.powder.sizes import CENTRES, lognormal

TITANIUM = alloy("Ti-6Al-4V")
METALS = ("Ti-6Al-4V", "Ti-48Al-2Cr-2Nb", "IN718", "W", "Ta", "TZM")


def test_verification_at_the_balance_centrifugal_force_is_surface_tension() -> None:
    """Mass of a drop on the rim against the tension on its perimeter."""
    omega = 2200.0
    d = r.force_balance(1.5, 4100.0, 0.075, omega)
    pull = 4100.0 * pi / 6.0 * d**3 * omega**2 * 0.075 / 2.0
    assert pull == pytest.approx(pi * d * 1.5)


@given(st.floats(0.02, 0.1), st.floats(800.0, 4000.0), st.floats(1e-7, 1e-4))
def test_both_equations_know_the_same_directions(d: float, omega: float, rate: float) -> None:
    correlation = r.ChampagneAngers()
    size = correlation.size(1.5, 4100.0, d, omega, rate)
    assert correlation.size(1.5, 4100.0, 1.1 * d, omega, rate) < size
    assert correlation.size(1.5, 4100.0, d, 1.1 * omega, rate) < size
    assert correlation.size(1.5, 4100.0, d, omega, 1.1 * rate) > size
    assert correlation.size(1.6, 4100.0, d, omega, rate) > size
    balance = r.force_balance(1.5, 4100.0, d, omega)
    assert r.force_balance(1.5, 4100.0, d, 2.0 * omega) == pytest.approx(balance / 2.0)
    assert r.force_balance(1.5, 4100.0, 4.0 * d, omega) == pytest.approx(balance / 2.0)


@pytest.mark.parametrize("argument", range(4))
def test_what_cannot_be_is_refused(argument: int) -> None:
    values = [1.5, 4100.0, 0.075, 2000.0]
    values[argument] = 0.0
    with pytest.raises(ValueError, match="above 0"):
        r.force_balance(*values)
    with pytest.raises(ValueError, match="above 0"):
        r.ChampagneAngers().size(*values, 1e-6)
    with pytest.raises(ValueError, match="out of range"):
        r.melt_rate(-1.0, 0.5, TITANIUM, 293.0, 0.0)


def test_modes_follow_the_rate_and_widen_the_spread() -> None:
    numbers = np.geomspace(1e-3, 10.0, 60)
    modes = [r.formation_mode(float(n)) for n in numbers]
    assert modes == sorted(modes)
    assert set(modes) == set(r.Mode)
    spreads = [r.spread(float(n)) for n in numbers]
    assert spreads == sorted(spreads)
    assert spreads[0] == pytest.approx(r.SPREADS[0], abs=0.01)
    assert r.spread(0.3) == pytest.approx(r.SPREADS[1], abs=0.01)
    assert spreads[-1] == pytest.approx(r.SPREADS[2], abs=0.01)
    assert r.spread(0.3, 5e-3) > r.spread(0.3, 2e-3) > r.spread(0.3)


def test_verification_melting_spends_just_the_power() -> None:
    melt = r.melt_rate(60e3, 0.4, TITANIUM, 293.15, 40.0)
    heat = np.trapezoid(TITANIUM.specific_heat(np.linspace(293.15, 1973.0, 4001)),
                        np.linspace(293.15, 1973.0, 4001))
    spent = heat + TITANIUM.latent_fusion + 40.0 * float(TITANIUM.specific_heat(1973.0))
    assert melt * spent == pytest.approx(0.4 * 60e3, rel=1e-4)


def test_verification_face_begins_to_melt_when_the_half_space_does() -> None:
    """Against heat conduction step by step."""
    flux = 20e3 / (pi / 4.0 * 0.075**2)
    density, heat, conductivity = (float(v) for v in TITANIUM.solid_means(293.15))
    time = r.heat_up_time(TITANIUM, 20e3, 0.075, 293.15)
    # Finite differences of the half-space, one step of time per square of the cell.
    cell = 0.1e-3
    cells, step = 400, 0.4 * cell**2 * density * heat / conductivity
    warm = np.full(cells, 293.15)
    for _ in range(round(time / step)):
        flow = np.concatenate([[flux], -conductivity * np.diff(warm) / cell, [0.0]])
        warm -= step * np.diff(flow) / (cell * density * heat)
    face = warm[0] + flux * cell / (2.0 * conductivity)
    assert face == pytest.approx(TITANIUM.solidus, rel=0.01)
    assert r.heat_up_time(TITANIUM, 0.0, 0.075, 293.15) == float("inf")
    assert r.heat_up_time(TITANIUM, 40e3, 0.075, 293.15) == pytest.approx(time / 4.0)


@pytest.mark.parametrize("name", METALS)
def test_faces_are_hotter_than_the_liquidus_and_below_boiling(name: str) -> None:
    metal = alloy(name)
    faces = [r.face_temperature(metal, power, 0.04) for power in (1e3, 1e4, 1e5, 1e6)]
    assert faces == sorted(faces)
    assert metal.liquidus < faces[0] < faces[-1] < metal.boiling


def test_an_arc_that_is_longer_or_a_face_that_burns_faster() -> None:
    assert r.arc_efficiency(0.5, 0.01, 0.02) == r.arc_efficiency(0.5, 0.02, 0.02) == 0.5
    assert r.arc_efficiency(0.5, 0.04, 0.02) == pytest.approx(0.4)
    assert r.settling_time(TITANIUM, 1e-3, 293.15) > r.settling_time(TITANIUM, 2e-3, 293.15)
    assert r.settling_time(TITANIUM, 0.0, 293.15) == 300.0


def test_coarse_grains_are_irregular_hollow_and_poor_in_oxygen() -> None:
    for share in (r.irregular_share(CENTRES, 250e-6), r.hollow_share(CENTRES)):
        assert np.all(np.diff(share) >= 0.0)
        assert 0.0 <= share[0] < share[-1] <= 1.0
    assert float(r.irregular_share(250e-6, 250e-6)) == pytest.approx(0.01)
    assert float(r.irregular_share(500e-6, 250e-6)) == pytest.approx(0.90)
    skin = r.oxide_oxygen(4420.0)
    assert np.all(np.diff(skin) < 0.0)
    assert np.all(r.oxide_oxygen(4420.0, 500e-6) > 5.0 * skin)
    # What is torn off is coarser than what is irregular by itself.
    assert r.peeled_sizes(250e-6)[0] > 250e-6
    assert r.satellite_share(0.0) < r.satellite_share(0.1) < 0.02


def test_verification_skin_of_oxide_is_its_volume() -> None:
    """4 nm on spheres of 35 and 80 um: 262 and 115 ppm of oxygen."""
    found = r.oxide_oxygen(4420.0, 0.0, [35e-6, 80e-6]) * 1e6
    assert found == pytest.approx([262.0, 115.0], rel=0.01)


@given(st.floats(1e-3, 3.0), st.floats(0.0, 0.01))
def test_spread_makes_a_distribution(number: float, vibration: float) -> None:
    shares = lognormal(80e-6, r.spread(number, vibration))
    assert shares.sum() == pytest.approx(1.0)
    assert shares.min() >= 0.0

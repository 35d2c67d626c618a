"""Particles in an induction plasma: against closed forms, limits and conservation."""

from __future__ import annotations

from math import exp, pi

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.materials import ATMOSPHERE, GAS_CONSTANT, alloy
from twin.physics import plasma_particles as p

SLM = 1e-3 / 60
TI, W, STEEL = alloy("Ti64"), alloy("W"), alloy("316L")


def plasma(power: float = 9.9e3, argon: float = 100.0, **more: float) -> p.Plasma:
    return p.Plasma(power, argon * SLM, **more)


def test_verification_cold_argon_takes_its_ideal_heat_capacity() -> None:
    """Below ionisation h = 5/2 R (T - T0)."""
    gas = plasma(1e3)
    rise = 1e3 / gas.flow / (2.5 * GAS_CONSTANT)
    assert gas.temperature == pytest.approx(p.AMBIENT + rise, rel=1e-3)


def test_verification_ionisation_takes_heat_above_10000_k() -> None:
    """At 14 000 K argon holds some 40 MJ/kg less what 5/2 R would: half ionised, Saha."""
    t, h = p._enthalpies(0.0, 101_000.0)
    ideal = 2.5 * GAS_CONSTANT * (t - p.AMBIENT)
    extra = (h - ideal) / p.IONISATION
    assert float(np.interp(6000.0, t, extra)) < 1e-3
    # Degree of ionisation of argon at 1 atm: 0.02 at 10 000 K, 0.18 at 12 500 K (Saha, tables).
    assert float(np.interp(10_000.0, t, extra)) == pytest.approx(0.02, abs=0.01)
    assert float(np.interp(12_500.0, t, extra)) == pytest.approx(0.22, abs=0.06)


def test_hydrogen_cools_the_gas_and_carries_more_heat() -> None:
    pure, mixed = plasma(15e3), plasma(15e3, hydrogen=8 * SLM)
    assert mixed.temperature < pure.temperature
    assert mixed.conductance(2000.0, 4000.0) > 1.3 * pure.conductance(2000.0, 4000.0)


def test_verification_melting_time_is_that_of_the_closed_form() -> None:
    """Time rho d^2 [cp dT + L] / (6 Nu S r), S the conductivity's integral; and radiation."""
    gas, d = plasma(), 200e-6
    potential = gas.conductance(TI.liquidus, gas.temperature)
    factor = float(gas.rarefied(d, TI.liquidus))
    plain = float(TI.density(p.AMBIENT)) * d**2 * p.melt_heat(TI) / (12 * potential * factor)
    found = float(p.melting_time(d, TI, gas))
    radiated = TI.emissivity * 5.67e-8 * TI.liquidus**4
    flux = 2 * potential * factor / d
    assert found == pytest.approx(plain * flux / (flux - radiated), rel=1e-3)


def test_melting_time_goes_with_the_square_of_large_diameters() -> None:
    gas = plasma(14e3)
    small, large = p.melting_time(np.array([100e-6, 200e-6]), TI, gas)
    assert 3.0 < large / small < 4.5


def test_verification_heavy_particles_fall_in_with_the_probe_speed() -> None:
    """Without drag the flight is ballistic: L = v t + g t^2 / 2."""
    gas = plasma(carrier=4.0)
    t = float(p.flight_time(5e-3, 19_250.0, gas))
    assert 4.0 * t + 9.81 * t**2 / 2 == pytest.approx(p.LENGTH, rel=0.05)


def test_verification_small_particles_fly_with_the_gas() -> None:
    gas = plasma()
    assert float(p.flight_time(1e-6, 4000.0, gas)) == pytest.approx(p.LENGTH / gas.speed, rel=0.01)


def test_verification_gas_speed_is_volume_over_bore() -> None:
    gas = plasma()
    volume = gas.flow * GAS_CONSTANT * gas.temperature / ATMOSPHERE
    assert gas.speed == pytest.approx(volume / (pi * p.BORE**2 / 4))


def test_thin_gas_heats_small_particles_less() -> None:
    dense, thin = plasma(), plasma(pressure=20e3)
    assert float(thin.rarefied(15e-6, 3695.0)) < 0.5 * float(dense.rarefied(15e-6, 3695.0))
    assert float(dense.rarefied(1e-3, 3695.0)) > 0.9


def test_spheroidization_halves_at_the_critical_feed() -> None:
    assert p.spheroidized(0.0, 1.0) == p.BEST
    assert p.spheroidized(1.0, 1.0) == pytest.approx(p.BEST / 2)
    assert p.spheroidized(0.1, 1.0) > 0.99
    assert p.spheroidized(10.0, 1.0) < 2e-3
    assert p.spheroidized(1.0, 0.0) == 0.0


def test_evaporation_obeys_the_d_square_law() -> None:
    """Twice the time left shrinks the square of the diameter twice as much."""
    gas, d = plasma(14e3), 60e-6
    melting = float(p.melting_time(d, STEEL, gas))
    gone = [float(p.evaporated(d, STEEL, gas, melting + t, melting))
            for t in (0.004, 0.006, 0.008)]
    squares = [1 - (1 - g) ** (2 / 3) for g in gone]
    assert squares[2] - squares[1] == pytest.approx(squares[1] - squares[0], rel=1e-6)
    assert gone[0] > 0


def test_no_gas_below_the_boiling_point_evaporates_tungsten() -> None:
    gas = plasma(7e3)
    assert gas.temperature < W.boiling
    assert float(p.evaporated(15e-6, W, gas, 0.05, 0.001)) == 0.0


def test_hydrogen_reduces_steel_but_hardly_titanium() -> None:
    assert p.reduced_share(0.0, False) == 0.0
    assert p.reduced_share(0.1, False) > 0.7
    assert p.reduced_share(0.1, True) < 0.03
    assert p.reduced_share(0.03, False) == pytest.approx(0.75 * (1 - exp(-1)))


def test_vapour_is_rich_in_what_boils_easily() -> None:
    metal = {"Ti": 0.90, "Al": 0.06, "V": 0.04}
    gone = p.vapour(metal, 0.05)
    assert sum(gone.values()) == pytest.approx(0.05)
    assert gone["Al"] / 0.05 > 2 * 0.06


@given(
    parts=st.dictionaries(st.sampled_from(sorted(p.VOLATILITY)), st.floats(0.0, 10.0), min_size=1),
    share=st.floats(0.0, 1.0),
)
def test_vapour_takes_what_is_asked_and_no_more_than_there_is(
    parts: dict[str, float], share: float
) -> None:
    asked = share * sum(parts.values())
    gone = p.vapour(parts, asked)
    assert sum(gone.values()) == pytest.approx(asked, rel=1e-9, abs=1e-12)
    assert all(0.0 <= gone[e] <= parts[e] * (1 + 1e-12) for e in parts)


def test_more_vapour_than_metal_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot evaporate"):
        p.vapour({"W": 1.0}, 1.1)
    with pytest.raises(ValueError, match="needs argon"):
        p.Plasma(1e3, 0.0)


@given(st.floats(5e3, 30e3), st.floats(40.0, 200.0), st.floats(0.0, 10.0), st.floats(0.1, 12.0))
def test_treatment_is_a_share(power: float, argon: float, hydrogen: float, feed: float) -> None:
    sizes = np.geomspace(1e-6, 5e-4, 20)
    done = p.treat(sizes, TI, plasma(power, argon, hydrogen=hydrogen * SLM), feed / 3600)
    for found in (done.melted, done.softened, done.evaporated):
        assert np.all((found >= 0) & (found <= 1))
    assert np.all(done.melted + done.softened <= 1 + 1e-12)
    assert np.all(done.evaporated <= done.melted + 1e-12)


def test_a_larger_particle_melts_less_often_and_power_helps() -> None:
    sizes = np.array([30e-6, 60e-6, 120e-6, 240e-6])
    weak, strong = (p.treat(sizes, TI, plasma(power), 1 / 3600) for power in (7e3, 14e3))
    assert np.all(np.diff(weak.melted) < 1e-9)
    assert np.all(strong.melted >= weak.melted)
    assert strong.melted[3] > weak.melted[3]

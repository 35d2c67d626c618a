"""Physics of powder recycling: eddy currents, settling, sieving, water, oxide, reuse."""

from __future__ import annotations

from math import exp, pi, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.materials import alloy
from twin.physics import eddy_current as e
from twin.physics import powder_surface, reuse, settling
from twin.physics.drying import DryingKinetics, bet, gab, saturation_pressure
from twin.physics.sieving import Deck, Mesh, near_size, open_share, passing
from twin.physics.sorting import (
    AirClassifier,
    Drum,
    NotSeparable,
    TravellingField,
    grade,
    plan,
    product_share,
)
from twin.powder.lot import PowderLot
from twin.powder.sizes import CENTRES

FIELD, AIR = TravellingField(), AirClassifier()


def mixed(first: str, second: str, share: float = 0.5, **more: float) -> PowderLot:
    """Two powders of 20 to 63 um, ``share`` of them the first."""
    parts = [PowderLot.virgin(name, name, mass, 38e-6, 1.35, low=20e-6, high=63e-6, **more)
             for name, mass in ((first, 10 * share), (second, 10 * (1 - share)))]
    return PowderLot("mixed", (*parts[0].constituents, *parts[1].constituents),
                     parts[0].water + parts[1].water)


# -- eddy currents ----------------------------------------------------------------------------


@given(st.floats(1e-6, 1e-2), st.floats(1e2, 1e8), st.floats(1e5, 1e8))
def test_verification_polarizability_is_bounded_and_lossy(
    radius: float, frequency: float, conductivity: float
) -> None:
    alpha = complex(e.polarizability(radius, frequency, conductivity))
    limit = 2 * pi * radius**3
    assert -limit * (1 + 1e-9) <= alpha.real <= 0
    # The loss peaks at 0.355 of that limit near R = 2.4 skin depths.
    assert 0 <= alpha.imag <= 0.356 * limit


def test_verification_series_and_closed_form_meet() -> None:
    frequency, conductivity = 1e5, 1e7
    radii = 0.3 / sqrt(2 * pi * frequency * e.MU0 * conductivity) * np.array([1 - 1e-9, 1 + 1e-9])
    low, high = e.polarizability(radii, frequency, conductivity) / radii**3
    assert low.imag == pytest.approx(high.imag, rel=1e-8)
    assert low.real == pytest.approx(high.real, rel=1e-6)


def test_verification_powers_of_size_in_thick_skin() -> None:
    ratio = [e.polarizability(r, 1e5, 1e6) for r in (1e-5, 2e-5)]
    assert ratio[1].imag / ratio[0].imag == pytest.approx(2**5, rel=1e-4)
    assert ratio[1].real / ratio[0].real == pytest.approx(2**7, rel=1e-4)
    pull = e.force_over_weight(np.array([2e-5, 4e-5]), 2700.0, 1e7, 1e5, 0.02, 0.05)
    assert pull[1] / pull[0] == pytest.approx(4.0, rel=1e-3)


def test_forces_have_their_signs_and_scale_with_the_field() -> None:
    alpha = e.polarizability(1e-3, 1e5, 3e7)
    assert e.gradient_force(alpha, 1e10) < 0
    assert e.travelling_force(alpha, 0.02, 0.1) == pytest.approx(
        4 * e.travelling_force(alpha, 0.02, 0.05))
    assert e.clean_size(0.02, 2680.0, 16e6, 1e6, 0.02, 0.05) < 30e-6
    assert e.clean_size(10.0, 7956.0, 1.35e6, 1e3, 0.02, 0.05) == float("inf")
    with pytest.raises(ValueError, match="above 0"):
        e.polarizability(0.0, 1e5, 1e6)


# -- settling ---------------------------------------------------------------------------------


def test_verification_fine_grains_settle_after_stokes_and_coarse_slower() -> None:
    d = np.array([5e-6, 100e-6])
    creeping, true = settling.stokes_velocity(d, 7956.0), settling.settling_velocity(d, 7956.0)
    assert true[0] == pytest.approx(creeping[0], rel=0.01)
    assert true[1] < 0.7 * creeping[1]
    # The drag law holds at what was found.
    reynolds = settling.ARGON_DENSITY * true * d / settling.ARGON_VISCOSITY
    weight = settling.stokes_velocity(d, 7956.0, fluid=settling.ARGON_DENSITY)
    assert true * (1 + 0.15 * reynolds**0.687) == pytest.approx(weight, rel=1e-9)


@given(st.floats(10.0, 1e3), st.floats(0.02, 0.5))
def test_verification_partition_quartiles(x50: float, imperfection: float) -> None:
    quarter = x50 * imperfection / 2
    low, middle, high = settling.partition(
        np.array([x50 - quarter, x50, x50 + quarter]), x50, imperfection)
    assert middle == 0.5
    assert low == pytest.approx(0.25, abs=1e-3)
    assert high == pytest.approx(0.75, abs=1e-3)


def test_equal_settling_needs_two_densities_and_a_cut() -> None:
    with pytest.raises(ValueError, match="heavy"):
        settling.equal_settling_ratio(4420.0, 7956.0)
    with pytest.raises(ValueError, match="sub-cuts"):
        settling.sub_cuts(63e-6, 20e-6, 1.3)
    assert settling.sub_cuts(20e-6, 21e-6, 1.3) == 1


# -- what can be separated --------------------------------------------------------------------


@pytest.mark.parametrize("pair", [("Ti-6Al-4V", "316L"), ("Ti-6Al-4V", "IN718")])
def test_titanium_by_eddy_current_is_refused_with_the_way_out(pair: tuple[str, str]) -> None:
    with pytest.raises(NotSeparable, match=r"eddy current cannot.*use density with 4 sub-cuts"):
        plan(mixed(*pair), pair[0], "eddy current", FIELD)


def test_what_neither_can_do_is_refused_by_both() -> None:
    with pytest.raises(NotSeparable, match="density: equal-settling size ratio"):
        plan(mixed("316L", "IN718"), "316L", "auto", FIELD)
    with pytest.raises(NotSeparable, match="holds no Cu"):
        plan(mixed("316L", "IN718"), "Cu", "auto", FIELD)
    with pytest.raises(NotSeparable, match="use eddy current"):
        plan(mixed("Cu", "316L"), "Cu", "density", FIELD)


@pytest.mark.parametrize(("first", "second", "method"), [
    ("AlSi10Mg", "316L", "eddy current"), ("Cu", "316L", "eddy current"),
    ("Ti-6Al-4V", "316L", "density"), ("Ti-6Al-4V", "IN718", "density")])
def test_auto_takes_what_physics_allows(first: str, second: str, method: str) -> None:
    lot = mixed(first, second)
    way = plan(lot, first, "auto", FIELD)
    found = grade(lot, first, product_share(lot, way, FIELD, AIR))
    assert way.method == method
    assert found.purity > 0.9
    assert found.recovery > 0.85


def test_at_50_khz_not_even_aluminium_powder_is_moved() -> None:
    with pytest.raises(NotSeparable, match="50 kHz"):
        plan(mixed("AlSi10Mg", "316L"), "AlSi10Mg", "eddy current",
             TravellingField(frequency=5e4))


def test_fewer_sub_cuts_than_needed_separate_worse() -> None:
    lot = mixed("Ti-6Al-4V", "316L")
    way = plan(lot, "Ti-6Al-4V", "density", FIELD)
    whole = np.array([way.edges[0], way.edges[-1]])
    enough = grade(lot, way.wanted, AIR.light(lot, np.array(way.edges), 1.0, AIR.nominal))
    one = grade(lot, way.wanted, AIR.light(lot, whole, 1.0, AIR.nominal))
    assert one.purity < enough.purity - 0.05
    assert one.recovery < enough.recovery - 0.02


def test_weaker_field_and_more_feed_separate_worse() -> None:
    lot = mixed("AlSi10Mg", "316L")
    good = grade(lot, "AlSi10Mg", FIELD.taken(lot, FIELD.nominal))
    weak = grade(lot, "AlSi10Mg",
                 TravellingField(flux_density=0.025).taken(lot, FIELD.nominal))
    fast = grade(lot, "AlSi10Mg", FIELD.taken(lot, 5 * FIELD.nominal))
    assert weak.recovery < good.recovery - 0.2
    assert fast.purity < good.purity - 0.02


def test_magnet_takes_ferromagnetic_grains_and_spatter_of_steel_only() -> None:
    steel = PowderLot.virgin("a", "316L", 1.0, 40e-6, 1.3, irregular=0.1).main
    martensite = PowderLot.virgin("b", "17-4PH", 1.0, 40e-6, 1.3).main
    titanium = PowderLot.virgin("c", "Ti-6Al-4V", 1.0, 40e-6, 1.3, irregular=0.5).main
    magnet, dead = Drum(), Drum(flux_density=0.02)
    assert magnet.magnetic(titanium).max() == 0
    assert magnet.magnetic(martensite).min() == 1
    assert magnet.magnetic(steel) == pytest.approx(np.full(40, 0.05))
    assert magnet.caught(martensite) > 0.99
    assert dead.caught(martensite) < 0.5


# -- sieve ------------------------------------------------------------------------------------


@given(st.floats(0, 1), st.floats(0, 0.01), st.floats(0, 1), st.floats(0.1, 100))
def test_verification_open_share_is_the_exact_solution(
    start: float, near: float, power: float, time: float
) -> None:
    deck = Deck()
    once = open_share(start, near, power, time, deck)
    twice = open_share(open_share(start, near, power, time / 2, deck), near, power, time / 2, deck)
    assert 0 <= once <= 1
    assert once == pytest.approx(twice, abs=1e-12)


def test_mesh_passes_what_is_finer() -> None:
    mesh = Mesh(63e-6)
    chance = passing(mesh)
    assert np.all(np.diff(chance) <= 1e-12)
    assert chance[CENTRES < 45e-6].min() > 0.8
    assert chance[CENTRES > 75e-6].max() == 0
    masses = PowderLot.virgin("a", "316L", 1.0, 63e-6, 1.05).masses
    assert near_size(masses, mesh) > 0.9


# -- water ------------------------------------------------------------------------------------


def test_validation_saturation_pressure() -> None:
    """Water boils at 100 degC (101325 Pa); 2339 Pa at 20 degC (IAPWS); Magnus is within 4 %."""
    assert saturation_pressure(373.15) == pytest.approx(101_325, rel=0.04)
    assert saturation_pressure(293.15) == pytest.approx(2339, rel=0.003)


def test_verification_isotherms() -> None:
    # At small activity BET is Langmuir's; at c = 1 coverage is a / (1 - a); GAB with k = 1 is BET.
    assert bet(1e-6, 50.0) == pytest.approx(50e-6, rel=1e-3)
    assert bet(0.3, 1.0) == pytest.approx(0.3 / 0.7)
    assert gab(0.5, 30.0, 1.0) == bet(0.5, 30.0)
    with pytest.raises(ValueError, match="activity"):
        bet(1.0, 30.0)


def test_dry_gas_leaves_the_chemisorbed_water_and_humid_gas_more() -> None:
    kinetics = DryingKinetics()
    assert kinetics.coverage(383.15, 0.2) == kinetics.bound
    assert kinetics.coverage(523.15, 0.2) < 0.5 * kinetics.bound
    assert kinetics.coverage(313.15, 2000.0) > 2 * kinetics.bound
    half = kinetics.after(kinetics.after(1e-4, 1e-5, 373.15, 600), 1e-5, 373.15, 600)
    assert half == pytest.approx(kinetics.after(1e-4, 1e-5, 373.15, 1200), rel=1e-12)
    assert kinetics.constant(393.15) / kinetics.constant(373.15) == pytest.approx(
        exp(38_000 / 8.314462618 * (1 / 373.15 - 1 / 393.15)))


# -- oxide and reuse --------------------------------------------------------------------------


def test_hydrogen_reduces_iron_and_copper_but_not_titanium_or_aluminium() -> None:
    share = {name: powder_surface.reducible(alloy(name).composition, 1300.0, 1e-6, 0.05)
             for name in ("Cu", "316L", "Ti-6Al-4V", "AlSi10Mg")}
    assert share["Cu"] == 1
    assert share["316L"] > 0.5
    assert share["Ti-6Al-4V"] < 0.05
    assert share["AlSi10Mg"] < 0.05
    assert powder_surface.reducible(alloy("Cu").composition, 1300.0, 1e-6, 0.0) == 0


def test_validation_balance_of_chromium_oxide_and_wet_hydrogen() -> None:
    """Shops keep hydrogen below a dew point of about -30 degC at 1100 degC for stainless steel."""
    ratio = powder_surface.water_ratio("Cr", 1373.15)
    assert 20e-5 < ratio < 80e-5  # -30 degC over ice is 38 Pa, 0.04 %


def test_oxide_grows_with_oxygen_and_heat_and_slows_down() -> None:
    grow = powder_surface.film_growth
    assert grow(0.0, 393.15, 0.01, 3600.0) > 3 * grow(0.0, 393.15, 1e-5, 3600.0)
    assert grow(0.0, 393.15, 0.01, 3600.0) > 5 * grow(0.0, 293.15, 0.01, 3600.0)
    first = grow(0.0, 393.15, 0.21, 3600.0)
    assert grow(first, 393.15, 0.21, 3600.0) - first < 0.5 * first
    assert grow(grow(0, 393.15, 0.1, 60), 393.15, 0.1, 60) == pytest.approx(
        grow(0, 393.15, 0.1, 120), rel=1e-12)


@given(st.floats(0, 1e-3), st.floats(1.1e-3, 5e-3), st.floats(1e-4, 1e-3))
def test_verification_rule_share_keeps_the_limit(gain: float, limit: float, fresh: float) -> None:
    share = reuse.steady_virgin_share(gain, limit, fresh)
    assert reuse.after_use(limit, gain, fresh, share) == pytest.approx(limit)


def test_virgin_share_from_the_mass_balance() -> None:
    share = reuse.virgin_share(2.1e-3, 0.8e-3, 1.9e-3)
    assert reuse.blended(2.1e-3, 0.8e-3, share) == pytest.approx(1.9e-3)
    assert reuse.virgin_share(1.8e-3, 0.8e-3, 1.9e-3) == 0
    assert reuse.virgin_share(2.1e-3, 2.0e-3, 1.9e-3) == float("inf")
    with pytest.raises(ValueError, match="does not last"):
        reuse.exposed(30, 5.0, 30.0, 1.0)

"""Gas atomization: gas, melt, size, flight, shape and oxide against figures and limits."""

from __future__ import annotations

from math import exp, log, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from twin.materials import STEFAN_BOLTZMANN, alloy
from twin.physics import spray
from twin.physics.atomizing_gas import AMBIENT_PRESSURE, ARGON, NITROGEN
from twin.physics.melting import HeatContent, bath_loss, nozzle_rate, nozzle_steady
from twin.powder.sizes import BINS, CENTRES, lognormal, quantile

# -- gas ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("gas", "temperature", "published", "share"), [
    (NITROGEN, 300.0, 1.787e-5, 0.01), (NITROGEN, 600.0, 2.93e-5, 0.02),
    (ARGON, 300.0, 2.27e-5, 0.01), (ARGON, 600.0, 3.88e-5, 0.02),
], ids=lambda v: getattr(v, "name", v))
def test_validation_viscosity_of_gases(gas, temperature: float, published: float,  # type: ignore[no-untyped-def]
                                       share: float) -> None:
    """Handbook values (Lemmon and Jacobsen 2004); those at 300 K set the constant."""
    assert gas.viscosity(temperature) == pytest.approx(published, rel=share)


def test_verification_flow_is_continuous_where_it_chokes() -> None:
    critical = (2 / (NITROGEN.ratio + 1)) ** (NITROGEN.ratio / (NITROGEN.ratio - 1))
    edge = AMBIENT_PRESSURE / critical
    below, above = (NITROGEN.flow(edge * f, 293.15, 1e-6, 1.0) for f in (1 - 1e-9, 1 + 1e-9))
    assert below == pytest.approx(above, rel=1e-6)
    assert NITROGEN.flow(AMBIENT_PRESSURE, 293.15, 1e-6, 1.0) == 0.0
    assert NITROGEN.speed(AMBIENT_PRESSURE, 293.15) == 0.0


def test_speed_of_sound_at_the_throat() -> None:
    """Verification: mass flow is that of sonic gas at the critical state."""
    p0, t0, g = 40e5, 300.0, ARGON.ratio
    throat = t0 * 2 / (g + 1)
    density = ARGON.density(throat, p0 * (2 / (g + 1)) ** (g / (g - 1)))
    sonic = sqrt(g * ARGON.constant * throat)
    assert ARGON.flow(p0, t0, 1e-6, 1.0) == pytest.approx(density * sonic * 1e-6, rel=1e-12)


# -- melt --------------------------------------------------------------------------------------


def test_melt_flow_needs_a_drive() -> None:
    assert spray.melt_flow(4e-3, 6900, 0.0, -5e3) == 0.0
    assert spray.melt_flow(4e-3, 6900, 0.1, -1e4) == 0.0
    assert spray.melt_flow(0.0, 6900, 0.3, 0.0) == 0.0


@pytest.mark.parametrize(("protrusion", "sign"), [(0.0, -1), (3e-3, -1), (5e-3, 1), (8e-3, 1)])
def test_verification_short_tubes_press_back(protrusion: float, sign: int) -> None:
    """Wang et al. 2022: flush or 3 mm gave backflow; a longer tube a steady stream."""
    assert spray.aspiration(protrusion, 5e6) * sign > 0


def test_superheat_thins_the_melt() -> None:
    steel = alloy("316L")
    cold, hot = (spray.Melt.of(steel, steel.liquidus + t) for t in (0.0, 300.0))
    assert hot.viscosity < cold.viscosity
    assert hot.tension < cold.tension
    assert cold.viscosity == pytest.approx(steel.viscosity)


def test_dynamic_viscosities_would_be_wrong_by_a_factor_of_four() -> None:
    """Verification of the trap: K 50 with dynamic viscosities and the gas density gives 178 mm."""
    melt = spray.Melt(6900.0, 6e-3, 1.7)
    right = spray.lubanska(50.0, 4e-3, melt, 500.0, NITROGEN.kinematic(), 2.0)
    weber = NITROGEN.density(300.0) * 500.0**2 * 4e-3 / 1.7
    wrong = 50.0 * 4e-3 * sqrt(6e-3 / NITROGEN.viscosity(300.0) * 1.5 / weber)
    assert wrong > 0.1
    assert right < 3e-5


def test_size_refuses_what_cannot_be() -> None:
    with pytest.raises(ValueError, match="above 0"):
        spray.lubanska(50.0, 4e-3, spray.Melt(6900.0, 6e-3, 1.7), 0.0, 1.5e-5, 2.0)


def test_ripple_widens() -> None:
    assert spray.spread(1.75, 0.0) == pytest.approx(1.75)
    assert spray.spread(1.75, 0.6) == pytest.approx(exp(sqrt(log(1.75) ** 2 + 0.09)))


# -- heat --------------------------------------------------------------------------------------


def test_verification_heat_content_is_the_integral_and_back() -> None:
    steel = alloy("316L")
    content = HeatContent(steel)
    assert content.liquid - content.solid == pytest.approx(
        steel.latent_fusion + 70.0 * 800.0, rel=0.1)
    for t in (400.0, 1000.0, 1650.0, 1900.0):
        assert content.temperature(content.at(t)) == pytest.approx(t, abs=0.5)


def test_verification_nozzle_comes_to_its_balance() -> None:
    """C dTn/dt = sum G (T - Tn) integrated in small steps against the closed form."""
    end, rate = nozzle_steady(1900.0, 1750.0, 300.0, 0.15, 0.3), nozzle_rate(0.15, 0.3)
    t = 1500.0
    for _ in range(20_000):
        t += 0.01 * rate * (end - t)
    assert t == pytest.approx(end, abs=1e-3)
    assert nozzle_steady(1900.0, 1750.0, 300.0, 0.0, 0.3) < nozzle_steady(
        1900.0, 1750.0, 300.0, 0.15, 0.3)


def test_bath_loss_grows_with_temperature_and_size() -> None:
    assert bath_loss(293.15, 50.0, 0.3) == pytest.approx(0.0)
    assert bath_loss(1900.0, 100.0, 0.3) > bath_loss(1900.0, 50.0, 0.3) > bath_loss(
        1500.0, 50.0, 0.3)


# -- flight ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "gas", "diameter"), [
    ("316L", NITROGEN, 30e-6), ("316L", NITROGEN, 150e-6), ("Ti-6Al-4V", ARGON, 80e-6),
    ("AlSi10Mg", ARGON, 60e-6)], ids=str)
def test_verification_flight_against_a_fine_integration(name: str, gas, diameter: float) -> None:  # type: ignore[no-untyped-def]
    """The same balance integrated by a Runge-Kutta method with error control."""
    metal = alloy(name)
    bin_ = int(np.argmin(np.abs(CENTRES - diameter)))
    d, jet, around = float(CENTRES[bin_]), 500.0, 350.0
    hot = 5.0 * round((metal.liquidus + 200.0) / 5.0)
    density = float(metal.density(hot))
    heat = float(metal.specific_heat(metal.liquidus))
    film = 0.5 * (metal.liquidus + around)
    viscosity, conductivity = gas.viscosity(film), gas.conductivity(film)
    thin = gas.density(around)
    emitted = metal.emissivity * STEFAN_BOLTZMANN * (metal.liquidus**4 - around**4)

    def rates(_: float, y: list[float]) -> list[float]:
        place, speed, left = y
        wind = max(jet / (1 + place / 0.10), 4.0)
        reynolds = thin * abs(wind - speed) * d / viscosity
        nusselt = 2 + 0.6 * sqrt(reynolds) * gas.prandtl ** (1 / 3)
        t = metal.liquidus + max(left - metal.latent_fusion, 0.0) / heat
        flux = nusselt * conductivity / d * (t - around) + emitted
        relax = density * d**2 / (18 * viscosity * (1 + 0.15 * reynolds**0.687))
        return [speed, (wind - speed) / relax + spray.GRAVITY, -6 * flux / (density * d)]

    def solid(_: float, y: list[float]) -> float:
        return y[2]

    solid.terminal = True  # type: ignore[attr-defined]
    start = [1e-4, 5.0, heat * (hot - metal.liquidus) + metal.latent_fusion]
    found = solve_ivp(rates, (0.0, 5.0), start, events=solid, rtol=1e-7, atol=1e-9)
    lengths = spray.freezing_length(metal, gas, jet, hot, around)
    assert lengths[bin_] == pytest.approx(found.y[0, -1], rel=0.06)


def test_large_droplets_hit_the_wall() -> None:
    lengths = spray.freezing_length(alloy("316L"), NITROGEN, 600.0, 1900.0, 350.0)
    assert np.all(np.diff(lengths) > 0)
    share = spray.splat_share(lengths, 5.0)
    assert share[CENTRES < 100e-6].max() < 1e-3
    assert share[-1] > 0.95
    # A lower tower catches more.
    assert np.all(spray.splat_share(lengths, 1.0) >= share)


# -- shape -------------------------------------------------------------------------------------


@given(d50=st.floats(8e-6, 200e-6), s=st.floats(1.2, 3.0), r=st.floats(0, 1), a=st.floats(0, 1),
       hot=st.floats(0, 400))
def test_property_satellites_conserve_mass(d50: float, s: float, r: float, a: float, hot: float
                                           ) -> None:
    masses = 3.0 * lognormal(d50, s)
    stuck = spray.attach_satellites(masses, r, a, hot)
    assert stuck.masses.sum() == pytest.approx(3.0, rel=1e-12)
    assert np.all(stuck.masses >= 0)
    assert np.all((stuck.satellites >= 0) & (stuck.satellites <= 1))
    fine = CENTRES < 15e-6
    assert stuck.masses[fine].sum() <= masses[fine].sum() * (1 + 1e-12)


def test_finer_powder_has_more_satellites_and_gas_keeps_them_off() -> None:
    """Directions of AZoM 1541: worse as the powder gets finer, suppressible."""
    fine, coarse = (spray.attach_satellites(lognormal(d, 1.75), 0.5, 0.0, 200.0)
                    for d in (20e-6, 60e-6))
    assert fine.index > 5 * coarse.index
    assert spray.attach_satellites(lognormal(20e-6, 1.75), 0.5, 0.85, 200.0).index < fine.index


def test_superheat_takes_fines_into_coarse_grains() -> None:
    """Direction of Mater. Des. 199, 109441."""
    masses = lognormal(25e-6, 1.9)
    cold, hot = (spray.attach_satellites(masses, 0.5, 0.0, t).masses for t in (0.0, 300.0))
    assert hot[CENTRES < 10e-6].sum() < cold[CENTRES < 10e-6].sum()
    assert hot[CENTRES > 100e-6].sum() > cold[CENTRES > 100e-6].sum()


def test_verification_hollow_by_size() -> None:
    share = spray.hollow_share(0.03)
    at = int(np.argmin(np.abs(CENTRES - 100e-6)))
    assert share[at] == pytest.approx(0.03 * (CENTRES[at] / 100e-6) ** 2)
    assert share.max() == 0.5
    assert share.shape == (BINS,)


def test_little_superheat_makes_ligaments() -> None:
    assert spray.irregular_share(0.0) == pytest.approx(0.6)
    assert spray.irregular_share(200.0) < 0.03


# -- oxide -------------------------------------------------------------------------------------


def test_verification_oxygen_of_a_film_goes_with_the_surface() -> None:
    oxide = spray.OXIDES["Ti"]
    values = np.asarray(oxide.oxygen(CENTRES, 4430.0)) * CENTRES
    assert np.ptp(values) == pytest.approx(0.0, abs=1e-12)
    assert spray.hot_film(4e-3) == pytest.approx(2 * spray.hot_film(1e-3))
    assert spray.hot_film(0.0) == 0.0


def test_sizes_of_a_drifting_spray_are_wider() -> None:
    both = lognormal(20e-6, 1.7) + lognormal(35e-6, 1.7)
    width = sqrt(quantile(both, 0.8413) / quantile(both, 0.1587))
    assert width > 1.8


def test_nothing_freezes_in_gas_as_hot_as_the_melt() -> None:
    metal = alloy("316L")
    lengths = spray.freezing_length(metal, NITROGEN, 600.0, 1900.0, metal.liquidus + 10.0)
    assert np.isinf(lengths).all()
    assert spray.splat_share(lengths, 5.0) == pytest.approx(1.0)

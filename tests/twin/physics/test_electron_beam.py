"""Electron beam on metal: limits of the formulas and how they hang together."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.materials import alloy
from twin.meltpool import Laws, Mode
from twin.meltpool.electron_image import alloy_yield
from twin.physics import electron_beam as eb

TI = alloy("Ti-6Al-4V")
STEEL = alloy("316L")


def test_yield_of_an_alloy_by_atoms_is_that_by_mass() -> None:
    atoms = eb.atomic_fractions(TI.composition)
    assert sum(atoms.values()) == pytest.approx(1.0)
    # 6 % of aluminium by mass are 10 % of the atoms.
    assert atoms["Al"] == pytest.approx(0.102, abs=0.002)
    assert eb.mass_fractions(atoms) == pytest.approx(dict(TI.composition))
    assert eb.yield_by_atoms(atoms) == pytest.approx(alloy_yield(TI))


def test_verification_absorbed_share_is_near_the_usual_efficiency() -> None:
    # Usual melting efficiencies of electron beams on titanium are 0.8 to 0.9.
    assert 0.8 < eb.absorbed_share(TI) < 0.9
    assert eb.absorbed_share(alloy("W")) < eb.absorbed_share(STEEL) < eb.absorbed_share(TI)


def test_range_grows_with_energy_to_the_power_of_one_and_two_thirds() -> None:
    one, two = eb.electron_range([30.0, 60.0], 22, 47.867, 4506.0)
    assert two / one == pytest.approx(2.0**1.67)


SPOT = {"smallest": 140e-6, "per_ampere": 8e-3, "per_defocus": 8e-3, "per_metre": 5e-4}


def test_spot_widens_in_squares() -> None:
    d = eb.spot_diameter(0.02, 0.01, 0.1, **SPOT)
    assert d**2 == pytest.approx(140e-6**2 + 160e-6**2 + 80e-6**2 + 50e-6**2)
    assert eb.spot_diameter(0.0, **SPOT) == pytest.approx(140e-6)


@given(st.floats(1.0, 2000.0), st.floats(0.05, 8.0), st.floats(50.0, 1500.0))
def test_verification_rosenthal_isotherm(power: float, speed: float, rise: float) -> None:
    k, a = 25.0, 7e-6
    pool = eb.rosenthal_pool(power, speed, rise, k, a)

    def at(x: float, y: float) -> float:
        r = np.hypot(x, y)
        return float(power / (2 * np.pi * k * r) * np.exp(-speed * (x + r) / (2 * a)))

    # Behind the source on its axis the rise is P / (2 pi k r): the tail's end is known.
    tail = power / (2 * np.pi * k * rise)
    assert pool.length[0] >= tail
    assert pool.length[0] <= 2 * tail
    assert pool.depth[0] == pytest.approx(pool.width[0] / 2)
    # The widest place lies on the isotherm: nowhere along the edge is it hotter.
    xs = -np.linspace(0.0, tail, 400)[1:-1]
    hottest = max(at(x, float(pool.depth[0])) for x in xs)
    assert hottest == pytest.approx(rise, rel=0.03)


def test_rosenthal_far_from_and_near_a_fast_source() -> None:
    # Fast limit: half width sqrt(2 P / (pi e rho c v dT)).
    k, a, p, v, dt = 25.0, 7e-6, 800.0, 50.0, 900.0
    pool = eb.rosenthal_pool(p, v, dt, k, a)
    expected = np.sqrt(2 * p / (np.pi * np.e * k / a * v * dt))
    assert pool.depth[0] == pytest.approx(expected, rel=0.02)


def test_lack_of_fusion_and_keyholes() -> None:
    assert eb.lack_of_fusion_index(4e-4, 1e-4, 2e-4, 5e-5) == pytest.approx(0.5)
    assert eb.lack_of_fusion_index(0.0, 0.0, 2e-4, 5e-5) == np.inf
    tight, wide = eb.keyhole_number(800.0, 4.5, np.array([7e-5, 2e-4]), TI, 1003.0)
    assert tight > 6.0 > wide


def test_a_beam_as_wide_as_ebpbf_uses_melts_in_conduction_and_a_fine_one_keyholes() -> None:
    metal = eb.under_electrons(TI)
    assert eb.under_electrons(TI) is metal
    pool = Laws().pools(metal, 900.0, 4.5, np.array([100e-6, 600e-6]) / 4, 1003.0)
    assert list(pool.mode) == [Mode.KEYHOLE, Mode.CONDUCTION]
    assert pool.depth[0] > 2 * pool.depth[1] > 50e-6
    assert pool.absorptivity == pytest.approx(eb.absorbed_share(TI))
    assert np.all(pool.peak_temperature <= metal.boiling)


def test_a_wide_spot_on_cold_metal_does_not_melt() -> None:
    rho, cp, k = TI.solid_means(293.0)
    power = eb.absorbed_share(TI) * 660.0
    cold = eb.spot_rise(power, 515e-6, 1.0e-3, k, k / (rho * cp))
    assert cold < TI.solidus - 293.0


def test_spot_rise_has_its_limits() -> None:
    p, w, k, a = 500.0, 2e-4, 25.0, 7e-6
    # At rest for ever: P / (2 sqrt(pi) k w); at first: 2 P sqrt(t) / (pi^1.5 k w^2) sqrt(a).
    final = p / (2 * np.sqrt(np.pi) * k * w)
    assert eb.spot_rise(p, 1e6, w, k, a) == pytest.approx(final, rel=1e-3)
    t = 1e-8
    early = 2 * p * np.sqrt(a * t) / (np.pi**1.5 * k * w**2)
    assert eb.spot_rise(p, t, w, k, a) == pytest.approx(early, rel=1e-3)


def test_tiles() -> None:
    area = eb.tile_area(6000.0, 0.88, 200e6)
    assert area == pytest.approx(26.4e-6)
    assert eb.tile_rate(area, 50e-6, 1e-3, 1e-4) == pytest.approx(area * 50e-6 / 1.1e-3)


def test_several_beams_add_up_to_what_heat_allows() -> None:
    one = eb.multibeam_rate([4.5], 1e-4, 5e-5, 0.8)
    assert eb.multibeam_rate([4.5] * 3, 1e-4, 5e-5, 0.8) == pytest.approx(3 * one)
    with pytest.raises(ValueError, match="utilisation"):
        eb.multibeam_rate([4.5], 1e-4, 5e-5, 0.0)
    cap = eb.heat_capped_power(1e-3, [1200.0, 1400.0], 900.0, 0.4, 300.0)
    assert 0 < cap[0] < cap[1]


def test_vapour_is_mostly_aluminium_for_its_share_and_falls_with_activity() -> None:
    atoms = eb.atomic_fractions(TI.composition)
    pure = eb.partial_pressure("Al", 2300.0, {"Al": 1.0})
    # Aluminium boils at 2792 K (CRC), titanium at 3560 K: the two-term fits are within 2 %.
    assert eb.partial_pressure("Al", 2792.0, {"Al": 1.0}) == pytest.approx(101325.0, rel=0.3)
    assert eb.partial_pressure("Ti", 3560.0, {"Ti": 1.0}) == pytest.approx(101325.0, rel=0.1)
    inside = eb.partial_pressure("Al", 2300.0, atoms)
    assert inside < 0.1 * pure * atoms["Al"]
    ratio = eb.vapour_flux("Al", 2300.0, atoms) / eb.vapour_flux("Ti", 2300.0, atoms)
    assert ratio > 3 * TI.composition["Al"] / TI.composition["Ti"]


@pytest.mark.parametrize(("current", "speed"), [(15e-3, 4.5), (25e-3, 4.5), (10e-3, 2.0)])
def test_aluminium_lost_from_a_melt_in_conduction(current: float, speed: float) -> None:
    pool = Laws().pools(eb.under_electrons(TI), 60e3 * current, speed, 150e-6, 1003.0)
    lost = eb.vapour_loss(pool, TI, 1.0 / speed)
    built = 1e-4 * 5e-5 * float(TI.density(293.15))
    share = float(lost.aluminium[0]) / built
    assert 0.001 < share < 0.01
    assert lost.total[0] > lost.aluminium[0]


def test_a_melt_loses_no_more_than_it_holds() -> None:
    """*Verification*: m (1 - exp(-loss / m)); little is lost as it was, much is all there is."""
    left = eb.depleted([1e-9, 1e-6, 1e-3, 1.0], [1e-6, 1e-6, 1e-6, 0.0])
    assert left == pytest.approx([1e-9, (1 - np.exp(-1.0)) * 1e-6, 1e-6, 0.0], rel=1e-3)

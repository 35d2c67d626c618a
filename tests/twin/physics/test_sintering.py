"""Master sintering curve, shrinkage, debinding, shape and atmosphere against published figures."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad

from twin.equipment.chamber import dew_point
from twin.physics import sintering as s
from twin.physics.sintering import MasterCurve, Segment

K_MIN = 1 / 60
CABO_RIOS = [
    (Segment(1573.15, 10 * K_MIN, 3600.0), 0.850),
    (Segment(1643.15, 5 * K_MIN, 3600.0), 0.964),
]
"""Segments and relative densities of Cabo Rios et al., Powder Metall. 65 (2022) 273; the hold of
1 h and the green density 0.55 are assumed, densities +-0.3 % (default)."""


def test_verification_work_of_a_ramp_is_the_integral() -> None:
    for start, end in ((293.15, 1573.15), (1500.0, 1500.0), (1643.15, 900.0)):
        def rate(t: float, a: float = start, b: float = end) -> float:
            at = a + (b - a) * t / 4000.0
            return float(np.exp(-500e3 / s.GAS_CONSTANT / at) / at)

        truth = quad(rate, 0, 4000, epsabs=0, epsrel=1e-10, limit=400)[0]
        assert s.thermal_work(start, end, 4000.0, 500e3) == pytest.approx(truth, rel=1e-7)


@pytest.mark.parametrize(("segment", "density"), CABO_RIOS)
def test_verification_fitted_constants_reproduce_both_densities(
    segment: Segment, density: float
) -> None:
    curve = MasterCurve.steel_316l()
    assert curve.density(curve.work([segment])) == pytest.approx(density, abs=1.5e-3)


def test_verification_fit_finds_the_published_constants() -> None:
    found = MasterCurve.fitted(CABO_RIOS, 500e3)
    assert found.slope == pytest.approx(1.056, abs=1e-3)
    assert found.centre == pytest.approx(-38.0, abs=0.02)


def test_verification_two_branches_reproduce_both_densities() -> None:
    """Esmati et al. (2024): 25-162 kJ/mol between 1100 and 1300 degC, 490-623 above."""
    curve = MasterCurve.fitted(CABO_RIOS, 556e3, low_energy=94e3)
    for segment, density in CABO_RIOS:
        assert curve.density(curve.work([segment])) == pytest.approx(density, abs=1e-9)


def test_validation_miss_of_two_branches_at_1100_degc() -> None:
    """A miss, and why machines use one branch: loose 316L hardly densifies in 1 h at 1100 degC.

    Dilatometry of binder-jet 316L begins to shrink near 1050 to 1100 degC (Cabo Rios et al., 2022).
    The apparent energies of Esmati et al., put into the sigmoid as they are, would give 0.74.
    """
    soak = [Segment(1373.15, 10 * K_MIN, 3600.0)]
    single = MasterCurve.steel_316l()
    double = MasterCurve.fitted(CABO_RIOS, 556e3, low_energy=94e3)
    assert single.density(single.work(soak)) < 0.56
    assert 0.70 < double.density(double.work(soak)) < 0.78


def test_verification_only_the_work_counts() -> None:
    curve = MasterCurve.steel_316l()
    whole = curve.work([Segment(1600.0, 0.1, 1000.0)])
    half = curve.work([Segment(1400.0, 0.1), Segment(1600.0, 0.1), Segment(1600.0, 0.1, 1000.0)])
    assert whole == pytest.approx(half, rel=1e-9)
    branched = MasterCurve.fitted(CABO_RIOS, 556e3, low_energy=94e3)
    across = branched.increment(1500.0, 1640.0, 1000.0)
    parts = branched.increment(1500.0, 1573.15, 1000 * 73.15 / 140)
    parts += branched.increment(1573.15, 1640.0, 1000 * 66.85 / 140)
    assert across == pytest.approx(parts, rel=1e-9)


def test_verification_shrinkage_from_density() -> None:
    assert s.isotropic_shrinkage(0.55, 0.964) == pytest.approx(0.171, abs=5e-4)
    plane, build = s.anisotropic_shrinkage(0.55, 0.964)
    assert plane == pytest.approx(0.162, abs=5e-4)
    assert build == pytest.approx(0.187, abs=5e-4)
    assert (1 - plane) ** 2 * (1 - build) == pytest.approx(0.55 / 0.964, rel=1e-12)
    assert s.anisotropic_shrinkage(0.55, 0.55) == (0.0, 0.0)


def test_validation_largest_shrinkage_of_binder_jet_316l() -> None:
    """Measured: up to 20 % (Cabo Rios et al., 2022, dilatometry and final dimensions, +-0.5 %).

    Largest the model can give, along the build direction at full density: 19.8 %.
    """
    _, build = s.anisotropic_shrinkage(0.55, 1.0)
    assert build == pytest.approx(0.20, abs=0.005)


def test_validation_anisotropy_of_another_laboratory() -> None:
    """Esmati et al. (2024), other powder and printer: up to 16 % more out of plane, 96 % dense.

    The ratio 1.15 was set with Cabo Rios et al.: one point lower, within the spread of theirs
    (2 %). Their 15 % shrinkage above 1300 degC: 16.3 % at 96 % from a green 0.55, which fits if
    their green density was 0.58 (not given in the abstract).
    """
    plane, build = s.anisotropic_shrinkage(0.55, 0.96)
    assert build / plane - 1 == pytest.approx(0.16, abs=0.02)
    assert s.isotropic_shrinkage(0.58, 0.96) == pytest.approx(0.15, abs=0.005)


def test_validation_density_saturates_where_both_laboratories_stopped() -> None:
    """Both report at most 96 to 96.4 % below 1400 degC; 1 h at 1350 to 1370 gives 94.6 to 96.4.

    The density of Esmati et al. (96 %, +-0.5 %) at an unstated hold is within the model's range for
    1350 to 1380 degC and 1 to 2 h.
    """
    curve = MasterCurve.steel_316l()

    def after(celsius: float, hours: float) -> float:
        return curve.density(curve.work([Segment(celsius + 273.15, 5 * K_MIN, hours * 3600)]))

    assert after(1350, 1) < 0.96 < after(1380, 2)
    assert after(1350, 1) > 0.93


def test_debinding_is_faster_when_hot_and_carbon_stays_without_hydrogen() -> None:
    kinetics = s.DebindKinetics()
    left = kinetics.step(kinetics.shares, 623.15, 3600.0)
    assert left[0] < 1e-6
    assert 0.8 < left[1] / kinetics.shares[1] < 0.9
    assert sum(kinetics.step(kinetics.shares, 873.15, 600.0)) < 1e-9
    in_steps = kinetics.shares
    for _ in range(10):
        in_steps = kinetics.step(in_steps, 623.15, 360.0)
    assert in_steps == pytest.approx(left, rel=1e-9)
    assert kinetics.carbon_yield(1.0, 0.0) < kinetics.carbon_yield(0.0, 0.0)
    assert kinetics.carbon_yield(0.0, 0.2) < kinetics.carbon_yield(1.0, 0.0)
    assert s.burst_index(0.0015, 0.010) == pytest.approx(1.0)
    assert s.burst_index(0.0015, 0.020) == pytest.approx(4.0)


def test_sag_grows_with_the_fourth_power_of_the_span_and_with_liquid() -> None:
    stiff = s.sintering_viscosity(1643.15, 0.9)
    assert s.sag_rate(7000, 0.04, 0.004, stiff) == pytest.approx(
        16 * s.sag_rate(7000, 0.02, 0.004, stiff))
    assert s.sag_rate(7000, 0.02, 0.002, stiff) == pytest.approx(
        4 * s.sag_rate(7000, 0.02, 0.004, stiff))
    soft = s.sintering_viscosity(1643.15, 0.9, liquid=0.15)
    assert stiff / soft == pytest.approx(1000, rel=1e-9)
    assert s.sintering_viscosity(1573.15, 0.9) > stiff
    assert s.drag_rate(7000, 0.04, stiff) * 3600 < 0.01


def test_verification_elastic_analogue_of_sag() -> None:
    # 5 w L^4 / (384 E I) of a beam b wide, H high, with w = rho g b H and I = b H^3 / 12.
    w, inertia = 7000 * 9.81 * 0.01 * 0.004, 0.01 * 0.004**3 / 12
    assert s.sag_rate(7000, 0.03, 0.004, 2e9) == pytest.approx(
        5 * w * 0.03**4 / (384 * 2e9 * inertia))


def test_carbon_lowers_the_solidus() -> None:
    assert s.solidus_lowering(1e-3) == pytest.approx(80.0)
    assert s.solidus_lowering(-1e-3) == 0.0
    assert s.liquid_share(1650.0, 1650.0, 1700.0) == 0.0
    assert s.liquid_share(1675.0, 1650.0, 1700.0) == pytest.approx(0.5)


def test_validation_dry_hydrogen_reduces_chromium_oxide_at_the_usual_dew_points() -> None:
    """Chromium needs a dew point below some -25 to -30 degC in hydrogen at 1100 to 1150 degC.

    Read off the metal/oxide equilibrium diagrams that powder-metallurgy handbooks reprint (ASM
    Handbook 7), +-4 K; the Gibbs energies are not fitted to it. It rises with temperature.
    """
    found = [dew_point(s.oxide_dew_point(t + 273.15)) - 273.15 for t in (1100, 1150, 1300)]
    assert -31 < found[0] < -22
    assert -30 < found[1] < -18
    assert found == sorted(found)


def test_wet_or_leaky_gas_oxidises() -> None:
    assert s.oxidising(600.0, 1e3, 0.0, 0.2) == 0.0
    assert s.oxidising(1400.0, 1.0, 1.0, 0.0) == 0.0
    assert s.oxidising(1400.0, 2e3, 1.0, 0.0) > 0.3
    assert s.oxidising(1400.0, 1.0, 0.0, 1e-2) == pytest.approx(1.0)

"""Drops, powder, drying and cure of binder jetting against formulas and published figures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import quad, solve_ivp

from twin.physics import binder as b

PL = 1e-15
# Drop 68.4 pL, 63.5 x 59.9 x 50 um, 90 %, 2505 Hz, 150 mm/s: table 2 of PMC8302005 (2021), the
# settings of a 316L-class metal printer that built sound parts.
DROP, DX, DY, DZ = 68.4 * PL, 63.5e-6, 59.9e-6, 50e-6


def test_saturation_packing_and_drop_are_inverse_to_each_other() -> None:
    packing = b.packing_for(DROP, 0.9, DX, DY, DZ)
    assert b.saturation(DROP, packing, DX, DY, DZ) == pytest.approx(0.9, rel=1e-12)
    assert b.drop_volume_for(0.9, packing, DX, DY, DZ) == pytest.approx(DROP, rel=1e-12)


def test_verification_penetration_solves_the_washburn_equation() -> None:
    ink, radius = b.Binder(), b.pore_radius(12e-6, 0.55)
    pull = radius * ink.surface_tension * np.cos(ink.contact_angle) / (4 * ink.viscosity)
    # dz/dt = r gamma cos / (4 mu z), from a small depth on.
    truth = solve_ivp(lambda _, z: pull / z, (1e-9, 1e-2), [b.penetration_depth(1e-9, radius, ink)],
                      rtol=1e-10, atol=1e-15).y[0, -1]
    assert b.penetration_depth(1e-2, radius, ink) == pytest.approx(truth, rel=1e-6)
    assert b.penetration_time(truth, radius, ink) == pytest.approx(1e-2, rel=1e-6)


def test_verification_line_limit_grows_with_the_root_of_the_interval() -> None:
    ink, radius = b.Binder(), b.pore_radius(12e-6, 0.6)
    width = b.drop_diameter(DROP)
    grown = [b.line_spacing_limit(DROP, t, radius, ink) - width for t in (1e-4, 4e-4, 16e-4)]
    assert grown[1] / grown[0] == pytest.approx(2.0)
    assert grown[2] / grown[1] == pytest.approx(2.0)


def test_drops_too_far_apart_do_not_join_and_a_layer_is_wetted_in_time() -> None:
    for grain in (6e-6, 12e-6, 18e-6):
        for viscosity in (4e-3, 8e-3, 12e-3):
            ink = replace(b.Binder(), viscosity=viscosity)
            radius = b.pore_radius(grain, 0.6)
            assert b.line_forms(DROP, DY, 1 / 2505, radius, ink)
            assert b.penetration_time(DZ, radius, ink) < 5.0
    assert not b.line_forms(DROP, 2.5 * DY, 1 / 2505, b.pore_radius(6e-6, 0.6), b.Binder())


def test_wet_bulb_does_not_depend_on_the_transfer_of_heat() -> None:
    pressure = 0.5 * b.vapour_pressure(293.15)
    slow, fast = (b.surface_temperature(293.15, pressure, h, b.WATER) for h in (10.0, 30.0))
    assert slow == pytest.approx(fast, abs=1e-4)
    assert slow < 293.15


def test_verification_effective_saturation_falls_with_velocity_and_spacing() -> None:
    """The directions of Colton and Crane (2021), who saw no effect of velocity up to 65 pL."""
    ink = b.Binder()
    small = [b.effective_saturation(0.7, 46 * PL, v, 60e-6, ink) for v in (2, 5)]
    large = [b.effective_saturation(0.7, 212 * PL, v, 60e-6, ink) for v in (2, 8)]
    assert small[0] == small[1]
    assert large[1] < 0.95 * large[0]
    apart = [b.effective_saturation(0.7, 46 * PL, 5, x, ink) for x in (50e-6, 120e-6)]
    assert apart[1] < apart[0]


def test_bleed_begins_above_equilibrium() -> None:
    assert b.bleed_width(0.6, 0.7, 1e-3) == 0
    assert b.bleed_width(0.84, 0.7, 1e-3) == pytest.approx(0.2e-3)
    filled = np.array([0.5, 0.7, 1.05])
    assert b.bleed_width(filled, 0.7, 1e-3) == pytest.approx([0, 0, 0.5e-3])


def test_finer_and_better_wetted_powder_holds_more() -> None:
    ink = b.Binder()
    assert b.equilibrium_saturation(12e-6, 0.55, ink) == pytest.approx(0.7)
    assert b.equilibrium_saturation(6e-6, 0.55, ink) > b.equilibrium_saturation(24e-6, 0.55, ink)
    poor = replace(ink, contact_angle=1.3)
    assert b.equilibrium_saturation(12e-6, 0.55, poor) < 0.7


def test_lamp_warms_and_dries() -> None:
    ink = b.Binder()
    warm = [b.surface_temperature(300, 1200, 25, ink, watt, 0.8) for watt in (0, 1500, 6000)]
    assert warm[0] < 300 < warm[1] < warm[2]
    flux = [b.drying_flux(t, 1200, 25, ink) for t in warm]
    assert flux[0] < flux[1] < flux[2]
    # Energy balance closes.
    lost = 25 * (warm[2] - 300) + 0.8 * 5.670374419e-8 * (warm[2] ** 4 - 300**4)
    assert lost + ink.latent_heat * flux[2] == pytest.approx(6000, rel=1e-6)
    dry = b.surface_temperature(300, 1200, 25, ink, 6000, 0.8, wet=0)
    assert dry > warm[2] + 50


def test_cure_and_green_strength() -> None:
    def cured(celsius: float, hours: float) -> float:
        return float(1 - np.exp(-b.cure_rate(celsius + 273.15) * hours * 3600))

    assert cured(195, 3) == pytest.approx(0.98, abs=1e-3)
    assert cured(195, 6) > 0.999
    assert cured(120, 4) < 0.15
    assert b.green_strength(0.7, 0.55, 1.0) == pytest.approx(b.STRENGTH)
    assert b.green_strength(0.35, 0.55, 1.0) == pytest.approx(b.STRENGTH / 2)
    assert b.green_strength(0.7, 0.55, 0.0) == pytest.approx(b.UNCURED * b.STRENGTH)


def test_verification_weibull_mean_strength() -> None:
    # The mean of a Weibull variable of modulus 8 is Gamma(1 + 1/8) of its scale: 0.9417.
    mean = quad(lambda s: 1 - b.rupture_probability(s, 1.0), 0, 5)[0]
    assert mean == pytest.approx(0.9417, abs=1e-4)
    assert b.rupture_probability(1.0, 0.0) == 1.0


def test_pores_are_smaller_in_finer_and_denser_powder() -> None:
    assert b.pore_radius(12e-6, 0.6) == pytest.approx(12e-6 * 0.4 / 1.8)
    assert b.pore_radius(12e-6, 0.6) < b.pore_radius(12e-6, 0.5)
    assert b.drop_diameter(np.pi / 6) == pytest.approx(1.0)

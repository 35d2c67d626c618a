"""Drops in flight against closed forms, and what helium does for them."""

from __future__ import annotations

from math import log

import numpy as np
import pytest

from twin.materials import alloy
from twin.physics.droplet_flight import GasMixture, flown, fly, splat_share
from twin.powder.sizes import CENTRES

TITANIUM = alloy("Ti-6Al-4V")


def test_verification_mixture_rules_end_at_the_pure_gases() -> None:
    for share, conductivity, viscosity in ((1.0, 0.156, 19.9e-6), (0.0, 0.0177, 22.7e-6)):
        k, mu = GasMixture(share).transport(300.0)
        assert float(k) == pytest.approx(conductivity)
        assert float(mu) == pytest.approx(viscosity)
    half, _ = GasMixture(0.5).transport(300.0)
    assert 0.0177 < float(half) < 0.156


def test_verification_ideal_gas() -> None:
    assert float(GasMixture(0.0).density(101_325.0, 273.15)) == pytest.approx(1.783, rel=1e-3)
    assert float(GasMixture(1.0).density(101_325.0, 273.15)) == pytest.approx(0.1786, rel=1e-3)
    assert GasMixture(1.0).heat == pytest.approx(5193.0)


def test_verification_a_still_fine_drop_freezes_as_conduction_lets_it() -> None:
    """Nu = 2: t = rho L d^2 / (12 k dT), at a speed so low that flow does not matter."""
    d, speed = 30e-6, 0.5
    gas, room = GasMixture(1.0), 300.0
    conductivity = float(gas.transport(0.5 * (TITANIUM.liquidus + room))[0])
    density = float(TITANIUM.density(TITANIUM.liquidus))
    by_gas = 2.0 * conductivity / d * (TITANIUM.liquidus - room)
    by_light = TITANIUM.emissivity * 5.670374e-8 * (TITANIUM.liquidus**4 - room**4)
    time = density * d / 6.0 * TITANIUM.latent_fusion / (by_gas + by_light)
    path = 0.5 * speed * time
    left = float(fly(TITANIUM, speed, path, gas, 101_325.0, room, 0.0, [d]).liquid[0])
    assert left == pytest.approx(0.5, abs=0.07)


def test_coarse_drops_reach_the_wall_liquid_first_in_argon() -> None:
    kept = {}
    for helium in (0.0, 0.7, 1.0):
        flight = flown(TITANIUM.name, 110.0, 1.0, helium, 1.1e5, 350.0, 30.0)
        assert np.all(np.diff(flight.liquid) >= -1e-9)
        assert np.all(np.diff(flight.cooling) < 0.0)
        kept[helium] = float(CENTRES[flight.liquid < 0.01].max())
    assert kept[0.0] < kept[0.7] <= kept[1.0]
    assert kept[0.0] > 100e-6


def test_faster_drops_have_less_time() -> None:
    slow = fly(TITANIUM, 60.0, 1.0, GasMixture(0.0), 1.1e5, 350.0, 30.0)
    fast = fly(TITANIUM, 180.0, 1.0, GasMixture(0.0), 1.1e5, 350.0, 30.0)
    assert np.all(fast.liquid >= slow.liquid)
    assert float(fast.liquid.sum()) > float(slow.liquid.sum())
    # Heat that is there must go first.
    hot = fly(TITANIUM, 60.0, 1.0, GasMixture(0.0), 1.1e5, 350.0, 300.0)
    assert float(hot.liquid.sum()) > float(slow.liquid.sum())


def test_cooling_falls_with_the_power_of_size() -> None:
    """Between d^-2 (still) and d^-1.5 (fast): log slope of the rate at the rim."""
    flight = fly(TITANIUM, 80.0, 1.0, GasMixture(0.0), 1.1e5, 350.0, 30.0, [50e-6, 200e-6])
    slope = log(flight.cooling[1] / flight.cooling[0]) / log(4.0)
    assert -2.0 < slope < -1.4


def test_splats_and_bad_arguments() -> None:
    assert splat_share([0.0, 0.15, 0.3, 1.0]).tolist() == pytest.approx([0.0, 0.5, 1.0, 1.0])
    with pytest.raises(ValueError, match="above 0"):
        fly(TITANIUM, 0.0, 1.0, GasMixture(0.0), 1.1e5, 300.0, 0.0)

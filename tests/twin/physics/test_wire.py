"""Hot and cold wire: resistive heating, deposition limits, contact modes, beads."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from twin.machine import AMBIENT
from twin.materials import MaterialError, alloy
from twin.physics import wire
from twin.physics.wire import Contact

STEEL, D = alloy("308L"), 1.2e-3
STICKOUT = 0.045


def test_wire_temperature_verification_against_the_heat_equation() -> None:
    feed, current = 9 / 60, 140.0

    def rate(_: float, t: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
        heating = (current / wire.wire_area(D)) ** 2 * wire.resistivity("308L", t)
        return np.asarray(heating / (wire.wire_density(STEEL) * STEEL.specific_heat(t)))

    end = solve_ivp(rate, (0, STICKOUT / feed), [AMBIENT], rtol=1e-8).y[0, -1]
    found = float(wire.wire_temperature(STEEL, D, feed, STICKOUT, current))
    assert found == pytest.approx(end, rel=2e-3)
    assert end < STEEL.solidus


def test_current_goes_with_the_root_of_the_feed_verification() -> None:
    feeds = np.array([2.0, 8.0, 18.0]) / 60
    current = wire.hot_wire_current(STEEL, D, feeds, STICKOUT, 1400.0)
    assert current / np.sqrt(feeds) == pytest.approx(
        wire.amps_per_root(STEEL, D, STICKOUT, 1400.0), rel=1e-12)
    back = wire.wire_temperature(STEEL, D, feeds, STICKOUT, current)
    assert back == pytest.approx(1400.0, abs=0.5)


def test_feed_for_a_rate_is_the_inverse_of_the_rate() -> None:
    rate = float(wire.deposition_rate(STEEL, D, 15.1 / 60))
    assert wire.feed_for_rate(STEEL, D, rate) == pytest.approx(15.1 / 60)


def test_where_hot_wire_deposits_cold_wire_stubs() -> None:
    feed = 33 * 0.36 / 60
    hot = wire.contact(STEEL, D, feed, power=5500, length=STICKOUT, current=173.0)
    cold = wire.contact(STEEL, D, feed, power=5500, length=STICKOUT)
    assert hot.mode == Contact.SMOOTH
    assert cold.mode == Contact.STUB


def test_what_limits_cold_wire() -> None:
    most = wire.most_feed(STEEL, D, 6000.0)
    below = wire.contact(STEEL, D, 0.9 * most, power=6000, length=STICKOUT)
    above = wire.contact(STEEL, D, 1.4 * most, power=6000, length=STICKOUT)
    assert (below.mode, above.mode) == (Contact.SMOOTH, Contact.STUB)


def test_what_limits_hot_wire() -> None:
    feed = 10 / 60
    limit = float(wire.fusing_current(STEEL, D, feed, STICKOUT))
    below = wire.contact(STEEL, D, feed, power=5500, length=STICKOUT, current=0.97 * limit)
    above = wire.contact(STEEL, D, feed, power=5500, length=STICKOUT, current=1.03 * limit)
    assert below.mode == Contact.SMOOTH
    assert above.mode == Contact.FUSED
    assert above.voltage > below.voltage + 2


def test_stubbing_presses_and_dripping_flutters() -> None:
    cold = wire.contact(STEEL, D, 2 / 60, power=3000, length=0.02, gap=np.array([-3e-3, 0, 3e-3]))
    assert cold.mode.tolist() == [Contact.STUB, Contact.SMOOTH, Contact.DROPLET]
    assert cold.force[0] > 3 * cold.force[1] > cold.force[2] == 0.0
    hot = wire.contact(STEEL, D, 10 / 60, power=5500, length=STICKOUT, current=155.0,
                       gap=np.array([-1e-3, 0, 0.5e-3]))
    # A longer way to the pool is a higher voltage: a stand-off signal (Hagqvist et al. 2014).
    assert np.all(np.diff(hot.voltage) > 0)


def test_pool_width_verification_wells() -> None:
    # Wells: q = (5/4) pi W k dT (2/5 + v W/4a), put back in.
    q, v, part = 3000.0, 8e-3, 400.0
    width = float(wire.pool_width(STEEL, q, v, part))
    mean = 0.5 * (part + STEEL.solidus)
    k = float(STEEL.conductivity(mean))
    a = k / float(STEEL.density(mean) * STEEL.specific_heat(mean))
    rise = 0.5 * (STEEL.solidus + STEEL.liquidus) - part
    assert 1.25 * np.pi * width * k * rise * (0.4 + v * width / (4 * a)) == pytest.approx(q)


def test_bead_is_about_as_wide_as_the_spot() -> None:
    for spot in (3e-3, 5e-3, 7e-3):
        width = float(wire.laser_bead_width(STEEL, 3200.0, 6e-3, 400.0, spot))
        assert 0.8 * spot < width < 1.02 * spot
    wide, narrow = (wire.laser_bead_width(STEEL, p, 6e-3, 400.0, 6e-3) for p in (3000, 800))
    assert narrow < 0.8 * wide


def test_heat_content_is_that_of_the_alloy_verification() -> None:
    for name in ("308L", "IN625", "Ti-6Al-4V", "ER70S-6"):
        metal = alloy(name)
        whole = float(metal.specific_heat.mean(AMBIENT, metal.liquidus)) * (
            metal.liquidus - AMBIENT) + metal.latent_fusion
        assert float(wire.heat_content(metal, metal.liquidus)) == pytest.approx(whole, rel=1e-3)


def test_unknown_resistivity_is_refused() -> None:
    with pytest.raises(MaterialError, match="no resistivity of Cu"):
        wire.hot_wire_current(alloy("Cu"), D, 0.1, STICKOUT, 1000.0)

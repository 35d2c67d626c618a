"""Closed-form melt pools: limits, monotony, regimes, and bad input."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.materials import MaterialError, alloy, alloys
from twin.meltpool import BLUE, GREEN, INFRARED, Laws, Mode, defocused_sigma

LAWS = Laws()
SIZES = ("length", "width", "depth", "peak_temperature", "absorptivity", "normalised_enthalpy")
FIELDS = (*SIZES, "cooling_rate", "mode", "uncertainty")

names = st.sampled_from(alloys())
speeds = st.floats(-3.0, 1.3).map(lambda x: 10.0**x)
sigmas = st.floats(-5.5, -2.7).map(lambda x: 10.0**x)
shares = st.floats(0.0, 0.9)
wavelengths = st.sampled_from([INFRARED, GREEN, BLUE])
layers = st.sampled_from([0.0, 40e-6])


def preheat(name: str, share: float) -> float:
    return 260.0 + share * (alloy(name).solidus - 320.0)


@settings(deadline=None)
@given(names, speeds, sigmas, shares, wavelengths, layers)
def test_more_power_never_makes_a_smaller_or_colder_pool(
    name: str, speed: float, sigma: float, share: float, wavelength: float, layer: float
) -> None:
    power = np.concatenate([[0.0], np.geomspace(0.1, 2e4, 500)])
    pool = LAWS.pools(alloy(name), power, speed, sigma, preheat(name, share), wavelength, layer)
    for field in SIZES:
        values = getattr(pool, field)
        assert np.all(np.isfinite(values)), field
        assert np.all(np.diff(values) >= -1e-9 * values[1:]), field
    assert np.all(np.diff(pool.mode.astype(int)) >= 0)
    assert np.all(np.isfinite(pool.cooling_rate))
    assert np.all(pool.absorptivity <= 1.0)
    assert np.all(pool.peak_temperature <= alloy(name).boiling)


@settings(deadline=None)
@given(names, st.floats(10e-6, 200e-6), shares, st.floats(20.0, 2000.0))
def test_a_faster_beam_never_melts_wider_or_deeper(
    name: str, sigma: float, share: float, power: float
) -> None:
    speed = np.geomspace(0.05, 10.0, 150)
    pool = LAWS.pools(alloy(name), power, speed, sigma, preheat(name, share))
    assert np.all(np.diff(pool.absorptivity) <= 1e-9)
    assert np.all(np.diff(pool.depth) <= 0.0)
    # In keyholes ten spots deep width hardly depends on speed: allow 0.3 % per 3.6 % step.
    assert np.all(np.diff(pool.width) <= 3e-3 * pool.width[:-1])


@settings(deadline=None)
@given(names, speeds, sigmas, shares)
def test_pool_is_continuous_in_power(name: str, speed: float, sigma: float, share: float) -> None:
    power = np.linspace(1.0, 800.0, 8001)
    pool = LAWS.pools(alloy(name), power, speed, sigma, preheat(name, share))
    for values in (pool.width, pool.depth, pool.peak_temperature, pool.absorptivity):
        steps = np.abs(np.diff(values))
        # Starting like a square root, the largest step is the first; none is a jump.
        assert steps.max() <= 0.2 * (values.max() - values.min()) + 1e-12


def test_no_power_gives_nothing() -> None:
    pool = LAWS.pools(alloy("316L"), [0.0, 1.0, 200.0], 1.0, 20e-6, 300.0)
    assert list(pool.mode) == [Mode.NONE, Mode.NONE, Mode.KEYHOLE]
    assert all(getattr(pool, field)[0] == 0.0 for field in FIELDS)
    assert pool.width[1] == pool.depth[1] == pool.length[1] == pool.cooling_rate[1] == 0.0
    assert 300.0 < pool.peak_temperature[1] < alloy("316L").solidus


def test_arguments_broadcast_and_rows_do_not_influence_each_other() -> None:
    power = np.array([80.0, 150.0, 300.0])
    speed = np.array([0.5, 1.0, 1.5])
    many = LAWS.pools(alloy("IN718"), power, speed, 20e-6, [300.0, 400.0, 500.0], INFRARED, 4e-5)
    assert len(many) == 3
    for i in range(3):
        one = LAWS.pools(
            alloy("IN718"), power[i], speed[i], 20e-6, 300.0 + 100.0 * i, INFRARED, 4e-5
        )
        for field in FIELDS:
            assert getattr(one, field).shape == (1,)
            assert getattr(one, field)[0] == pytest.approx(getattr(many, field)[i], rel=1e-12)
    assert len(LAWS.pools(alloy("IN718"), [], 1.0, 20e-6, 300.0)) == 0


def test_normalised_enthalpy_is_that_of_king() -> None:
    metal = alloy("316L")
    rho, cp, k = (float(x) for x in metal.solid_means(300.0))
    radius, rise = 30e-6, metal.solidus - 300.0
    expected = 0.28 * 100.0 / (rho * cp * rise * np.sqrt(np.pi * k / (rho * cp) * 0.5 * radius**3))
    pool = LAWS.pools(metal, 100.0, 0.5, radius / 2.0, 300.0)
    assert pool.normalised_enthalpy[0] == pytest.approx(expected, rel=1e-9)


def test_keyhole_lines_of_titanium() -> None:
    # Cunningham et al. 2019, 95 um spot: depression from P = 96.3 + .0469 v, keyhole from
    # P = 102.1 + .0845 v (W, mm/s); the regimes are met within 12 %.
    v = np.array([300.0, 600.0, 900.0, 1300.0])
    for line, mode in (
        (96.3 + 0.0469 * v, Mode.TRANSITION),
        (102.1 + 0.0845 * v, Mode.KEYHOLE),
    ):
        above = LAWS.pools(alloy("Ti64"), 1.12 * line, v * 1e-3, 95e-6 / 4.0, 293.0)
        below = LAWS.pools(alloy("Ti64"), 0.88 * line, v * 1e-3, 95e-6 / 4.0, 293.0)
        assert np.all(above.mode >= mode)
        assert np.all(below.mode < mode)


def test_conductive_alloys_need_more_power_and_green_light_helps() -> None:
    copper = alloy("Cu")
    infrared, green = LAWS.pools(copper, 500.0, 0.3, 20e-6, 300.0, [INFRARED, GREEN]).width
    assert green > infrared
    width = [LAWS.pools(alloy(n), 200.0, 1.0, 20e-6, 300.0).width[0] for n in ("IN718", "Cu")]
    assert width[1] < width[0]


def test_preheat_widens_and_slows_cooling() -> None:
    pool = LAWS.pools(alloy("Ti64"), 200.0, 1.0, 20e-6, [300.0, 600.0, 1000.0])
    assert np.all(np.diff(pool.width) > 0.0)
    assert np.all(np.diff(pool.cooling_rate) < 0.0)


def test_powder_raises_absorption_and_uncertainty() -> None:
    pool = LAWS.pools(alloy("316L"), 60.0, 0.5, 20e-6, 300.0, INFRARED, [0.0, 50e-6])
    assert pool.absorptivity[1] > pool.absorptivity[0]
    assert pool.uncertainty[1] > pool.uncertainty[0]


def test_unfitted_alloys_say_so() -> None:
    fitted, unfitted = (
        LAWS.pools(alloy(n), 250.0, 1.0, 20e-6, 300.0).uncertainty[0] for n in ("316L", "CoCrMo")
    )
    assert unfitted > fitted + 0.1


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("power", -1.0, "power -1 W: allowed 0 to 100000 W"),
        ("power", float("nan"), "power nan W"),
        ("speed", 0.0, "speed 0 m/s: allowed 0.0001 to 1000 m/s"),
        ("speed", [1.0, -2.0], "speed -2 m/s"),
        ("sigma", 0.0, "sigma 0 m"),
        ("preheat", 2000.0, "preheat 2000 K: allowed 250 to 1483 K"),
        ("preheat", 20.0, "preheat 20 K"),
        ("powder_layer", -1e-6, "powder_layer -1e-06 m"),
    ],
)
def test_bad_input_names_field_and_range(field: str, value: object, message: str) -> None:
    good = {"power": 200.0, "speed": 1.0, "sigma": 20e-6, "preheat": 300.0}
    with pytest.raises(ValueError, match=message):
        LAWS.pools(alloy("IN718"), **(good | {field: value}))


def test_bad_wavelength_names_the_range() -> None:
    with pytest.raises(MaterialError, match=r"wavelength 1e-05 m, allowed 4\.3e-07"):
        LAWS.pools(alloy("IN718"), 200.0, 1.0, 20e-6, 300.0, 1e-5)


def test_focus() -> None:
    assert defocused_sigma(20e-6, 0.0, 3e-3) == pytest.approx(20e-6)
    assert defocused_sigma(20e-6, [3e-3, -3e-3], 3e-3) == pytest.approx(20e-6 * np.sqrt(2.0))
    with pytest.raises(ValueError, match="rayleigh_length 0 m"):
        defocused_sigma(20e-6, 1e-3, 0.0)


def test_defocus_makes_the_pool_shallower() -> None:
    sigma = defocused_sigma(20e-6, [0.0, 3e-3, 6e-3], 3e-3)
    pool = LAWS.pools(alloy("316L"), 250.0, 1.0, sigma, 300.0)
    assert np.all(np.diff(pool.depth) < 0.0)
    assert np.all(np.diff(pool.normalised_enthalpy) < 0.0)

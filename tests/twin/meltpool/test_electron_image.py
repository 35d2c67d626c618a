"""Electron image: published yields, tilt, powder contrast, noise, what can be found."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.materials import alloy, alloys
from twin.meltpool.electron_image import (
    ATOMIC_NUMBER,
    ElectronImager,
    alloy_yield,
    backscatter_yield,
    tilted_yield,
)


@pytest.mark.parametrize(
    ("element", "low", "high"),
    [
        # Spread of measurements at 20 to 60 keV (Heinrich 1966, Drescher et al. 1970, Neubert and
        # Rogaschewski 1980, as collected by Joy 1995), which agree to about 0.015.
        ("C", 0.05, 0.08),
        ("Al", 0.14, 0.17),
        ("Ti", 0.23, 0.26),
        ("Fe", 0.265, 0.30),
        ("Ni", 0.28, 0.315),
        ("Cu", 0.29, 0.33),
        ("Mo", 0.36, 0.40),
        ("W", 0.465, 0.50),
        ("Au", 0.47, 0.52),
    ],
)
def test_published_yields(element: str, low: float, high: float) -> None:
    assert low <= float(backscatter_yield(ATOMIC_NUMBER[element])) <= high


@given(st.floats(5.0, 78.0))
def test_heavier_is_brighter(z: float) -> None:
    assert backscatter_yield(z + 1.0) > backscatter_yield(z)


def test_alloys_in_order_of_weight() -> None:
    eta = {name: alloy_yield(alloy(name)) for name in alloys()}
    lightest = ["AlSi10Mg", "Ti-48Al-2Cr-2Nb", "Ti-6Al-4V"]
    assert list(sorted(eta, key=eta.__getitem__))[:3] == lightest
    assert max(eta, key=eta.__getitem__) == "W"
    assert eta["Cu"] == pytest.approx(float(backscatter_yield(29)))


@given(st.floats(0.05, 0.5), st.floats(0.0, 1.5), st.floats(0.0, 0.05))
def test_tilt_brightens(eta: float, tilt: float, more: float) -> None:
    assert tilted_yield(eta, 0.0) == pytest.approx(eta)
    assert eta - 1e-12 <= tilted_yield(eta, tilt) <= tilted_yield(eta, tilt + more) <= 0.89


def test_tilted_yield_of_a_sample() -> None:
    # Aluminium and gold at 60 degrees, 25 keV: 0.36 and 0.67 (Drescher et al. 1970, +- 0.03).
    assert tilted_yield(backscatter_yield(13), np.pi / 3.0) == pytest.approx(0.36, abs=0.03)
    assert tilted_yield(backscatter_yield(79), np.pi / 3.0) == pytest.approx(0.67, abs=0.03)


def test_flat_metal_gives_its_yield_and_powder_is_darker() -> None:
    metal, device = alloy("Ti-6Al-4V"), ElectronImager()
    solid = np.arange(40)[None, :].repeat(30, axis=0) < 20
    image = device.image(metal, np.zeros((30, 40)), solid)
    bright = device.current * device.collection * alloy_yield(metal)
    assert image[:, 2] == pytest.approx(bright)
    assert image[:, -2] == pytest.approx(device.powder * bright)


def test_slopes_and_the_side_of_the_detector() -> None:
    metal = alloy("IN718")
    ridge = 200e-6 * np.exp(-(((np.arange(60) - 30) / 8.0) ** 2))[None, :].repeat(20, axis=0)
    ring = ElectronImager().image(metal, ridge)[10]
    assert ring[25] > ring[3]
    assert ring[25] == pytest.approx(ring[35], rel=1e-6)
    # A detector on the +x side sees the slope that falls towards +x brighter.
    sided = ElectronImager(direction=(0.5, 0.0)).image(metal, ridge)[10]
    assert sided[35] > 1.1 * sided[25]


def test_noise_is_amplifier_and_shot() -> None:
    metal = alloy("IN718")
    flat = np.zeros((200, 200))
    weak = ElectronImager(current=1e-9, blur=1e-9, noise=0.03)
    image = weak.image(metal, flat, rng=np.random.default_rng(0))
    mean = weak.current * weak.collection * alloy_yield(metal)
    caught = mean * weak.dwell / 1.602176634e-19
    assert image.mean() == pytest.approx(mean, rel=2e-3)
    assert image.std() / mean == pytest.approx(np.hypot(0.03, caught**-0.5), rel=0.03)
    assert np.array_equal(image, weak.image(metal, flat, rng=np.random.default_rng(0)))


def test_finds_large_pores_and_misses_small_ones() -> None:
    device = ElectronImager()
    size = np.linspace(10e-6, 400e-6, 80)
    found = device.detection(size)
    assert np.all(np.diff(found) >= 0.0)
    assert found[0] < 1e-3
    assert found[-1] > 0.999
    half = np.interp(0.5, found, size)
    assert 50e-6 < half < 200e-6
    assert np.all(ElectronImager(noise=0.1).detection(size) <= found + 1e-12)


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="atomic_number 1 to 1: allowed 4 to 92"):
        backscatter_yield(1)
    with pytest.raises(ValueError, match=r"height shape \(3,\)"):
        ElectronImager().image(alloy("W"), np.zeros(3))
    with pytest.raises(ValueError, match="electron image pixel 0"):
        ElectronImager(pixel=0.0)

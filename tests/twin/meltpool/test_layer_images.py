"""Optical tomography and thermal camera: light kept, hot and cold spots, NETD, emissivity."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.materials import Alloy
from twin.meltpool import Laws, MeltPool, sensors
from twin.meltpool.layer_images import (
    ThermalCamera,
    Tomograph,
    emissivity_map,
    local_contrast,
    powder_emissivity,
)

VIEW = Tomograph((-2e-3, -2e-3), (140, 140), pixel=100e-6)


def hatch(n: int = 90, length: float = 9e-3) -> tuple[np.ndarray, np.ndarray]:
    y = np.arange(n) * 100e-6
    start = np.stack([np.zeros(n), y], axis=1)
    return start, start + np.array([length, 0.0])


def pools(metal: Alloy, power: np.ndarray | float, n: int = 90) -> MeltPool:
    return Laws().pools(metal, np.broadcast_to(power, (n,)), 0.96, 20e-6, 353.0)


def test_all_the_light_is_in_the_picture(metal: Alloy) -> None:
    start, end = hatch()
    pool = pools(metal, 285.0)
    seen = VIEW.exposure(start, end, pool, metal, speed=0.96)
    emitted = sensors.emission(pool, metal, VIEW.band) / np.pi * 9e-3 / 0.96
    assert seen.sum() * VIEW.pixel**2 == pytest.approx(emitted.sum(), rel=1e-6)


def test_even_hatch_is_even(metal: Alloy) -> None:
    start, end = hatch()
    pool = pools(metal, 285.0)
    seen = VIEW.exposure(start, end, pool, metal, speed=0.96)
    inner = seen[40:90, 40:90]
    per_area = sensors.emission(pool, metal, VIEW.band)[0] / np.pi / (0.96 * 100e-6)
    assert inner == pytest.approx(per_area, rel=0.01)


@given(st.floats(0.0, 2.0 * np.pi), st.floats(3.0, 60.0))
def test_direction_and_length_of_a_vector_do_not_change_its_light(
    angle: float, pixels: float
) -> None:
    plain = replace(VIEW, blur=1e-9)
    one = np.array([[5e-3, 5e-3]])
    end = one + 1e-4 * pixels * np.array([[np.cos(angle), np.sin(angle)]])
    image = plain._deposit(one, end, np.array([1e-4 * pixels]), np.array([3.0]))
    assert image.sum() == pytest.approx(3.0)
    y, x = np.mgrid[:140, :140] * 1e-4 - 2e-3
    middle = 0.5 * (one + end)[0]
    assert [(image * x).sum() / 3.0, (image * y).sum() / 3.0] == pytest.approx(middle, abs=1e-9)


def test_power_and_preheat_show_as_cold_and_hot_spots(metal: Alloy) -> None:
    start, end = hatch()
    power = np.full(90, 285.0)
    power[20:26] *= 0.85
    preheat = np.full(90, 353.0)
    preheat[60:66] = 800.0
    pool = Laws().pools(metal, power, 0.96, 20e-6, preheat)
    rng = np.random.default_rng(0)
    picture = VIEW.picture(VIEW.exposure(start, end, pool, metal, speed=0.96), rng)
    assert picture.dtype == np.uint16
    contrast = local_contrast(picture, window=25)
    row = contrast[:, 40:90].mean(axis=1)
    assert row[20 + 23] < -0.1
    assert row[20 + 63] > 0.1
    assert abs(row[20 + 43]) < 0.05
    assert np.all(contrast[:10] == 0.0)


def test_light_beyond_the_picture_is_lost(metal: Alloy) -> None:
    start, end = hatch()
    away = VIEW.exposure(start + 1.0, end + 1.0, pools(metal, 285.0), metal, speed=0.96)
    assert away.sum() == 0.0
    assert VIEW.exposure(start, end, pools(metal, 0.0), metal, speed=0.96).sum() == 0.0


def test_bad_layers_are_refused(metal: Alloy) -> None:
    start, end = hatch()
    with pytest.raises(ValueError, match=r"need \(90, 2\)"):
        VIEW.exposure(start[:5], end, pools(metal, 285.0), metal, speed=0.96)
    with pytest.raises(ValueError, match="speed 0 m/s: allowed above 0"):
        VIEW.exposure(start, end, pools(metal, 285.0), metal, speed=0.0)
    with pytest.raises(ValueError, match="pixel 0"):
        replace(VIEW, pixel=0.0)


class TestThermalCamera:
    """Part-level temperature map."""

    def test_noise_is_the_netd(self) -> None:
        camera = ThermalCamera(netd=0.05)
        room = np.full((200, 200), camera.REFERENCE)
        image = camera.image(room, 1.0, np.random.default_rng(0))
        assert image.std() == pytest.approx(0.05, rel=0.02)
        assert image.mean() == pytest.approx(camera.REFERENCE, abs=0.005)
        # A hotter body shines more per kelvin: the same electronics see finer steps.
        hot = camera.image(np.full((200, 200), 800.0), 1.0, np.random.default_rng(0))
        assert hot.std() < 0.02

    def test_powder_and_metal_at_one_temperature_look_different(self, metal: Alloy) -> None:
        eps = emissivity_map(metal, np.arange(40)[None, :].repeat(10, axis=0) < 20)
        assert eps[0, 0] == metal.emissivity
        image = ThermalCamera().image(np.full((10, 40), 500.0), eps)
        assert 300.0 < image[0, 0] < image[0, -1] < 500.0

    @given(st.floats(320.0, 1500.0), st.floats(0.1, 1.0))
    def test_right_emissivity_gives_the_temperature(self, temperature: float, eps: float) -> None:
        camera = ThermalCamera(assumed_emissivity=eps)
        assert camera.image(np.full((2, 2), temperature), eps) == pytest.approx(
            temperature, abs=0.05
        )

    @given(st.floats(0.01, 1.0), st.floats(0.05, 1.0))
    def test_powder_is_a_blacker_body_than_its_metal(self, eps: float, porosity: float) -> None:
        bed = powder_emissivity(eps, porosity)
        assert eps - 1e-12 <= bed <= 1.0 + 1e-12
        # Black stays black, however the grains lie.
        assert powder_emissivity(1.0, porosity) == pytest.approx(1.0)

    def test_pixels_average_radiance_not_temperature(self) -> None:
        checks = np.indices((8, 8)).sum(axis=0) % 2 * 600.0 + 400.0
        image = ThermalCamera(binning=2).image(checks, 1.0)
        assert image.shape == (4, 4)
        assert np.all(image > checks.mean())

    def test_bad_maps_are_refused(self) -> None:
        with pytest.raises(ValueError, match=r"emissivity 1.5 to 1.5: allowed 0 to 1"):
            ThermalCamera().image(np.full((2, 2), 400.0), 1.5)
        with pytest.raises(ValueError, match="assumed_emissivity 0"):
            ThermalCamera(assumed_emissivity=0.0)

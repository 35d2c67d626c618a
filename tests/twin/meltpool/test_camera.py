"""Camera frames: light kept by blur, noise, saturation; features give the pool back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.materials import Alloy, alloy
from twin.meltpool import Laws, MeltPool
from twin.meltpool.camera import Camera, blurred, features, motion_kernel
from twin.meltpool.field import SurfaceField, pool_field, with_spatter


@pytest.fixture(scope="module")
def pools() -> tuple[MeltPool, Alloy]:
    metal = alloy("IN718")
    return Laws().pools(metal, [120.0, 200.0, 285.0], 0.96, 20e-6, 353.0), metal


def sharp(metal: Alloy, pixel: float, bits: int = 12) -> Camera:
    """No optics blur, the solidus at a twentieth of full scale."""
    camera = Camera(shape=(180, 180), pixel=pixel, bits=bits, blur=0.0)
    return camera.exposed_for(metal, metal.solidus, 0.05)


@pytest.mark.parametrize("pixel", [10e-6, 15e-6, 20e-6])
@pytest.mark.parametrize("angle", [0.0, 0.6, np.pi / 2.0, 2.3])
def test_clean_frame_gives_the_pool_back(
    pools: tuple[MeltPool, Alloy], pixel: float, angle: float
) -> None:
    pool, metal = pools
    camera = sharp(metal, pixel)
    for i in range(2):
        surface = pool_field(pool, i, metal, preheat=353.0, pixel=2e-6)
        seen = features(camera.frame(surface, metal, angle=angle), pixel,
                        camera.level(metal, metal.solidus))
        assert seen.length == pytest.approx(pool.length[i], abs=1.7 * pixel)
        assert seen.width == pytest.approx(pool.width[i], abs=1.2 * pixel)
        # A rim of half a pixel around the ellipse is what a threshold can be wrong by.
        rim = 0.5 * pixel * np.pi / 2.0 * (pool.length[i] + pool.width[i])
        assert seen.area == pytest.approx(np.pi / 4 * pool.length[i] * pool.width[i], abs=rim)
        turn = np.mod(seen.orientation - angle + np.pi / 2.0, np.pi) - np.pi / 2.0
        assert abs(turn) < 0.05
        assert seen.eccentricity == pytest.approx(
            np.sqrt(1.0 - (pool.width[i] / pool.length[i]) ** 2), abs=0.06
        )
        assert seen.spatter == 0


def test_motion_lengthens_by_its_path(pools: tuple[MeltPool, Alloy]) -> None:
    pool, metal = pools
    camera = sharp(metal, 10e-6)
    surface = pool_field(pool, 0, metal, preheat=353.0, pixel=2e-6)
    level = camera.level(metal, metal.solidus)
    still = features(camera.frame(surface, metal), 10e-6, level)
    speed = 60e-6 / camera.exposure
    moved = features(camera.frame(surface, metal, velocity=(speed, 0.0)), 10e-6, 0.3 * level)
    assert 20e-6 < moved.length - still.length <= 80e-6
    assert moved.width == pytest.approx(still.width, abs=25e-6)


@given(
    st.floats(0.0, 4.0), st.floats(-12.0, 12.0), st.floats(-12.0, 12.0), st.integers(0, 2**32 - 1)
)
def test_blur_keeps_the_light(sigma: float, dx: float, dy: float, seed: int) -> None:
    image = np.zeros((64, 64))
    image[28:36, 28:36] = np.random.default_rng(seed).random((8, 8))
    assert blurred(image, sigma, (dx, dy)).sum() == pytest.approx(image.sum(), rel=1e-6)
    kernel = motion_kernel((dx, dy))
    assert kernel.sum() == pytest.approx(1.0)
    # Variance of an even movement, plus at most a quarter pixel from sharing between pixels.
    j = np.arange(kernel.shape[1]) - kernel.shape[1] // 2
    assert (kernel.sum(axis=0) * j**2).sum() == pytest.approx(dx**2 / 12.0, rel=0.1, abs=0.26)


def test_noise_of_a_flat_surface_is_shot_and_read_noise(metal: Alloy) -> None:
    camera = Camera(shape=(200, 200), bits=16, blur=0.0).exposed_for(metal, 1800.0, 0.4)
    surface = SurfaceField(np.full((20, 20), 1800.0), 20e-6, (-2e-4, -2e-4))
    frame = camera.frame(surface, metal, rng=np.random.default_rng(0)).astype(float)
    electrons = frame / (2**16 - 1) * camera.full_well
    assert electrons.mean() == pytest.approx(0.4 * camera.full_well, rel=1e-3)
    assert electrons.var() == pytest.approx(
        0.4 * camera.full_well + camera.read_noise**2, rel=0.05
    )


def test_saturates_and_counts_in_the_right_type(pools: tuple[MeltPool, Alloy]) -> None:
    pool, metal = pools
    surface = pool_field(pool, 2, metal)
    eight, twelve = (Camera(bits=b).frame(surface, metal) for b in (8, 12))
    assert (eight.dtype, twelve.dtype) == (np.uint8, np.uint16)
    assert (eight.max(), twelve.max()) == (255, 4095)


def test_window_dirt_dims_and_shrinks(pools: tuple[MeltPool, Alloy]) -> None:
    pool, metal = pools
    camera = sharp(metal, 10e-6)
    surface = pool_field(pool, 1, metal, preheat=353.0)
    level = camera.level(metal, metal.solidus)
    clean, dirty = (
        features(camera.frame(surface, metal, transmission=t), 10e-6, level) for t in (1.0, 0.5)
    )
    assert dirty.area < clean.area


def test_spatter_is_counted(pools: tuple[MeltPool, Alloy]) -> None:
    pool, metal = pools
    camera = sharp(metal, 10e-6)
    surface = pool_field(pool, 0, metal, preheat=353.0, pixel=3e-6, margin=3.0)
    level = camera.level(metal, metal.solidus)
    hot = with_spatter(surface, [0.0, -100e-6, 150e-6], [200e-6, -200e-6, 150e-6], 50e-6, 2200.0)
    assert features(camera.frame(surface, metal), 10e-6, level).spatter == 0
    assert features(camera.frame(hot, metal), 10e-6, level).spatter == 3


def test_same_generator_same_frame(pools: tuple[MeltPool, Alloy]) -> None:
    surface = pool_field(pools[0], 0, pools[1])
    frames = [
        Camera().frame(surface, pools[1], rng=np.random.default_rng(s)) for s in (1, 1, 2)
    ]
    assert np.array_equal(frames[0], frames[1])
    assert not np.array_equal(frames[0], frames[2])


def test_dark_frame_has_no_features() -> None:
    assert features(np.zeros((10, 10), np.uint8), 1e-5, 10.0).area == 0.0


def test_bad_cameras_are_refused() -> None:
    with pytest.raises(ValueError, match="bits 20: allowed 1 to 16"):
        Camera(bits=20)
    with pytest.raises(ValueError, match=r"exposure 0.001 s: allowed to 0.0001 s"):
        Camera(exposure=1e-3)
    with pytest.raises(ValueError, match="pixel 0"):
        Camera(pixel=0.0)

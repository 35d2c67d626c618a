"""Spatter: flights against ballistics, drift with the gas, layers raised where it lands."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.meltpool import spatter
from twin.meltpool.defects import DEFECTS
from twin.meltpool.spatter import landed_height, landing


def test_without_gas_heavy_grains_fly_parabolas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spatter, "SPEED", (2.0, 2.0))
    monkeypatch.setattr(spatter, "ELEVATION", (45.0, 45.0))
    flown = landing(np.random.default_rng(0), np.full(50, 2e-3), density=20_000.0, gas_density=1e-6)
    reach = np.hypot(*flown.offset.T)
    # v^2 sin(2 e) / g and 2 v sin(e) / g; drag takes the last per cent.
    assert reach == pytest.approx(4.0 / 9.81, rel=0.02)
    assert flown.time == pytest.approx(2.0 * 2.0 * np.sqrt(0.5) / 9.81, rel=0.02)


def test_gas_carries_small_grains_further() -> None:
    def drift(size: float, gas: float) -> float:
        flown = landing(
            np.random.default_rng(1), np.full(400, size), density=8000.0, gas=(0.0, gas)
        )
        return float(flown.offset[:, 1].mean())

    assert abs(drift(70e-6, 0.0)) < 0.03
    assert drift(70e-6, -1.0) < -0.04
    assert drift(70e-6, -2.0) < drift(70e-6, -1.0)
    assert drift(40e-6, -1.0) < drift(120e-6, -1.0)


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), st.floats(20e-6, 300e-6))
def test_all_land_and_the_seed_decides(seed: int, size: float) -> None:
    a, b = (
        landing(np.random.default_rng(seed), np.full(5, size), density=8000.0, gas=(0.3, -0.7))
        for _ in range(2)
    )
    assert np.array_equal(a.offset, b.offset)
    assert np.all((a.time > 0.0) & (a.time < 3.9))
    assert a.offset.shape == (5, 2)


def particles(*rows: tuple[float, float, float]) -> np.ndarray:
    found = np.zeros(len(rows), DEFECTS)
    for row, values in zip(found, rows, strict=True):
        row["x"], row["y"], row["size_m"] = values
    return found


def test_landed_grain_adds_its_volume_to_the_tracks_it_touches() -> None:
    y = np.arange(5) * 100e-6
    start = np.stack([np.zeros(5), y], axis=1)
    end = start + np.array([1e-3, 0.0])
    one = landed_height(particles((0.5e-3, 200e-6, 60e-6)), start, end, width=100e-6)
    # Metal in the track: height times width times length is the volume of the grain.
    assert one[2] * 100e-6 * 1e-3 == pytest.approx(np.pi / 6.0 * 60e-6**3)
    assert np.count_nonzero(one) == 1
    between = landed_height(particles((0.5e-3, 250e-6, 60e-6)), start, end, width=100e-6)
    assert np.flatnonzero(between).tolist() == [2, 3]
    both = landed_height(
        particles((0.5e-3, 200e-6, 60e-6), (0.2e-3, 200e-6, 60e-6)), start, end, width=100e-6
    )
    assert both[2] == pytest.approx(2.0 * one[2])


def test_nothing_landed_or_far_away_raises_nothing() -> None:
    start = np.zeros((1, 2))
    end = np.array([[1e-3, 0.0]])
    assert np.all(landed_height(particles(), start, end, width=1e-4) == 0.0)
    away = particles((5e-3, 5e-3, 60e-6))
    assert np.all(landed_height(away, start, end, width=1e-4) == 0.0)


def test_bad_grains_are_refused() -> None:
    with pytest.raises(ValueError, match="diameter 0 m: allowed above 0 m"):
        landing(np.random.default_rng(0), [0.0], density=8000.0)

"""Maps of a layer: every vector of every laser, neighbours felt, and bad input."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from twin.materials import Alloy
from twin.meltpool.layer_map import layer_map, layer_paths
from twin.meltpool.sources import MovingSources
from twin.parts.examples import example_part
from twin.parts.hatching import HatchStyle
from twin.parts.layers import BuildPlan, Layer
from twin.parts.plate import arrange

SOURCES = MovingSources()
RECIPE = {"power": 285.0, "speed": 0.96, "sigma": 20e-6}


def layer_of(lasers: int) -> Layer:
    style = HatchStyle(hatch_spacing=0.3e-3, stripe_width=3e-3)
    return BuildPlan(arrange([example_part("cube")]), 100e-6, style, lasers=lasers).layer(3)


@pytest.mark.parametrize("lasers", [1, 2])
def test_every_vector_is_mapped_where_and_when_its_laser_is_there(
    metal: Alloy, lasers: int
) -> None:
    layer = layer_of(lasers)
    paths = layer_paths(layer, **RECIPE)
    assert len(paths) == lasers
    found = layer_map(SOURCES, metal, layer, paths, shares=(0.25, 1.0))
    n = len(layer.start)
    np.testing.assert_array_equal(found.vector, np.repeat(np.arange(n), 2))
    np.testing.assert_allclose(found.position[1::2], layer.end, atol=1e-9)
    np.testing.assert_allclose(
        found.position[::2], 0.75 * layer.start + 0.25 * layer.end, atol=1e-9)
    for laser in range(lasers):
        mine = layer.laser[found.vector] == laser
        assert np.all(np.diff(found.time[mine]) > 0.0)
    assert len(found.pool) == 2 * n
    assert np.all(found.pool.width > 0.0)
    # Vectors after the first are scanned on metal that the earlier ones have warmed.
    alone = SOURCES.pools(metal, **RECIPE, preheat=293.15)
    assert np.median(found.pool.width) > alone.width[0]


def test_power_of_each_vector_counts(metal: Alloy) -> None:
    layer = layer_of(1)
    power = np.where(np.arange(len(layer.start)) % 2 == 0, 285.0, 0.0)
    paths = layer_paths(layer, power=power, speed=0.96, sigma=20e-6)
    found = layer_map(SOURCES, metal, layer, paths)
    assert np.all((found.pool.width > 0.0) == (power > 0.0))


def test_the_heat_of_all_lasers_is_prepared_once(
    metal: Alloy, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = layer_of(2)
    paths = layer_paths(layer, **RECIPE)
    beam = SOURCES.along(metal, paths, 0.5 * (paths[1].begin + paths[1].end), beam=1)
    calls = []
    prepare = MovingSources.superposed
    monkeypatch.setattr(
        MovingSources, "superposed",
        lambda *args, **options: calls.append(1) or prepare(*args, **options))
    found = layer_map(SOURCES, metal, layer, paths)
    assert len(calls) == 1
    np.testing.assert_array_equal(found.pool.width[layer.laser == 1], beam.width)


def test_a_layer_far_too_hot_is_mapped_within_what_can_melt(metal: Alloy) -> None:
    layer = layer_of(1)
    paths = layer_paths(layer, power=1000.0, speed=0.2, sigma=17e-6)
    found = layer_map(SOURCES, metal, layer, paths).pool
    for sizes in (found.width, found.depth, found.length):
        assert np.all(np.isfinite(sizes))
        assert sizes.max() < 8e-3
    assert found.peak_temperature.max() <= metal.boiling


def test_bad_input_is_refused_by_name(metal: Alloy) -> None:
    layer = layer_of(1)
    with pytest.raises(ValueError, match="power"):
        layer_paths(layer, power=-1.0, speed=0.96, sigma=20e-6)
    with pytest.raises(ValueError, match="speed"):
        layer_paths(layer, power=285.0, speed=0.0, sigma=20e-6)
    paths = layer_paths(layer, **RECIPE)
    with pytest.raises(ValueError, match="shares"):
        layer_map(SOURCES, metal, layer, paths, shares=(0.0,))
    with pytest.raises(ValueError, match="paths: laser 0"):
        layer_map(SOURCES, metal, layer, [paths[0].clipped(0.0, 0.5 * paths[0].end[-1])])
    empty = {f: getattr(layer, f)[:0] for f in ("start", "end", "role", "part", "laser", "field")}
    nothing = dataclasses.replace(layer, **empty)
    with pytest.raises(ValueError, match="layer"):
        layer_map(SOURCES, metal, nothing, layer_paths(nothing, **RECIPE))

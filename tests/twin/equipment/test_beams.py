"""A beam that is no laser: points, jumps that take no time, absorption that is not optical."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh

from twin.equipment.beam import Beam, Floats
from twin.equipment.deflection import Deflection
from twin.equipment.exposure import BuildJob, ExposureResult, VectorSet
from twin.equipment.live_pool import PoolModels
from twin.equipment.powder_bed import Platform, Recoater
from twin.machine import Plant
from twin.materials import Alloy, alloy
from twin.parts import BuildPlan, HatchStyle, Placement, Role
from twin.parts.geometry import part_from_mesh
from twin.parts.layers import Layer
from twin.parts.summaries import summaries_for
from twin.signals import actuator, measured

SHARE = 0.85
METAL = alloy("Ti-6Al-4V")


class Gun(Beam):
    """A beam whose spot grows with its power and that has one reading of its own."""

    emitting = measured(bool, doc="on")
    current = measured("mA", low=0, high=100, doc="beam current")
    power = actuator("W", low=0, high=6000, doc="demand")

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[str, Alloy] = {}

    def driven(self, attribute: str) -> None:
        self.changed()

    @property
    def demand(self) -> float:
        return float(self.power)

    def source_power(self, demand: Floats) -> Floats:
        return demand

    def plate_power(self, demand: Floats, plume: Floats) -> Floats:
        return demand

    def radius(self, sigma: float, factor: Floats, demand: Floats, position: Floats) -> Floats:
        return np.hypot(sigma * factor, 1e-8 * demand)

    def material(self, alloy: Alloy) -> Alloy:
        return self._seen.setdefault(alloy.name, alloy.absorbing(SHARE))

    def track_readings(self, track: Any) -> dict[str, Floats]:
        return {"current": track.power / 60e3}

    def beam(self, mean_power: float) -> None:
        self.emitting = mean_power > 0
        if not self.emitting:
            self.settle("current", 0.0)


class Points:
    """Every vector of the hatch becomes a point; points go to two beams in turn."""

    def __call__(self, layer: Layer) -> Layer:
        hatch = layer.role == Role.HATCH
        end = np.where(hatch[:, None], layer.start, layer.end)
        beam = (np.arange(len(hatch)) % 2).astype(np.uint8)
        return replace(layer, end=end, laser=beam)

    def describe(self) -> dict[str, Any]:
        return {"kind": "points"}


class Bench(Plant):
    """A platform and two beams, nothing else."""

    def __init__(self) -> None:
        super().__init__(1)
        self.platform = self.add("Platform", Platform(warms=lambda plate: None))
        self.recoater = self.add("Recoater", Recoater("hard", lambda: None, lambda: 0.0))
        self.guns = [self.add(f"Gun{n}", Gun()) for n in (1, 2)]
        self.results: list[ExposureResult] = []
        self.deflection = self.add("Deflection", Deflection(
            self.guns, PoolModels(), self.platform, self.recoater,
            gas=lambda times: (np.zeros_like(times), np.zeros_like(times)),
            heat=lambda power: None, exposed=self.results.append))
        self.assemble()


def marked(
    arrange: Points | None, sets: dict[int, VectorSet], folder: Path | None = None
) -> Bench:
    """Amid its first layer; by sums of vectors if there is a folder to keep them."""
    part = part_from_mesh(trimesh.creation.box(extents=(4e-3, 4e-3, 1e-4)), "block", "block")
    style = HatchStyle(hatch_spacing=2e-4)
    vectors = BuildPlan([Placement(part, 0.0, 0.0)], 5e-5, style, arrange=arrange)
    plan = vectors if folder is None else summaries_for(vectors, Recoater.cells(), folder)
    bench = Bench()
    bench.deflection.load(BuildJob(
        "job", plan, METAL, 1e-4, 2e-4, sets, jump_speed=8000.0, laser_delay=0.0, mark_delay=0.0))
    for gun in bench.guns:
        bench.drive(f"{gun.path}.Power", 600.0)
    bench.drive("Deflection.ScanSpeed", 1.0)
    bench.drive("Deflection.Layer", 1)
    bench.drive("Deflection.Run", True)
    return bench


def test_points_take_their_dwell_and_nothing_else_when_jumps_are_free() -> None:
    dwell = 5e-4
    bench = marked(Points(), {Role.HATCH: VectorSet(dwell=dwell)})
    bench.advance(60.0)
    (result,) = bench.results
    points = result.rows.role == Role.HATCH
    length = result.rows.length
    assert points.sum() > 10
    assert not length[points].any()
    assert np.allclose((result.ended - result.begun)[points], dwell)
    beams = [
        dwell * (points & mine).sum() + length[~points & mine].sum()
        for mine in (result.rows.beam == 0, result.rows.beam == 1)
    ]
    # Jumps of some millimetres at 8000 m/s: below a microsecond each.
    assert result.duration == pytest.approx(max(beams), abs=1e-6 * len(length))
    assert result.duration >= max(beams)


def test_points_at_layer_fidelity_take_as_long_and_as_much(tmp_path: Path) -> None:
    sets: dict[int, VectorSet] = {Role.HATCH: VectorSet(dwell=5e-4)}
    found = []
    for folder in (None, tmp_path):
        bench = marked(Points(), sets, folder)
        bench.advance(60.0)
        found += bench.results
    fine, sums = found
    assert len(sums.rows) < len(fine.rows) / 2
    assert sums.duration == pytest.approx(fine.duration, rel=1e-12)
    assert sums.absorbed == pytest.approx(fine.absorbed, rel=1e-12)
    assert sums.rows.count.sum() == pytest.approx(len(fine.rows))
    assert sums.rows.length.sum() == pytest.approx(fine.rows.length.sum())


def test_a_pause_within_groups_loses_nothing(tmp_path: Path) -> None:
    straight = marked(None, {}, tmp_path)
    straight.advance(60.0)
    bench = marked(None, {}, tmp_path)
    for pause in (0.01, 0.02, 0.03):
        bench.advance(bench.env.now + pause)
        bench.drive("Deflection.Run", False)
        bench.advance(bench.env.now + 1.0)
        assert not bench.results
        bench.drive("Deflection.Run", True)
    bench.advance(60.0)
    (one,), (other,) = straight.results, bench.results
    assert other.duration == pytest.approx(one.duration, rel=1e-9)
    assert other.absorbed == pytest.approx(one.absorbed, rel=0.02)
    assert other.rows.length.sum() == pytest.approx(one.rows.length.sum(), rel=1e-9)
    assert other.rows.count.sum() == pytest.approx(one.rows.count.sum(), rel=1e-9)


def test_each_beam_is_read_while_it_is_on() -> None:
    bench = marked(Points(), {Role.HATCH: VectorSet(dwell=5e-4)})
    bench.advance(1e-3)
    for gun in bench.guns:
        gun.sense(bench.env.now)
        assert gun.emitting
        assert gun.current == pytest.approx(600.0 / 60e3)
    bench.advance(60.0)
    assert not any(gun.emitting or gun.current for gun in bench.guns)


def test_absorption_is_that_of_the_beam_and_the_spot_grows_with_power() -> None:
    bench = marked(None, {})
    bench.advance(60.0)
    (result,) = bench.results
    assert np.all(result.pool.absorptivity >= SHARE)
    assert np.all(result.pool.absorptivity < SHARE + 0.02)
    assert result.sigma == pytest.approx(np.hypot(1e-4, 6e-6))
    share = METAL.absorbing(SHARE).absorptivity
    assert [float(share(w)) for w in (5e-12, 1e-6)] == [SHARE, SHARE]


def test_a_plan_that_is_arranged_is_another_build() -> None:
    plain, points = (marked(a, {}).deflection.job for a in (None, Points()))
    assert plain is not None
    assert points is not None
    assert plain.plan.digest != points.plan.digest
    assert points.plan.describe()["arrangement"] == {"kind": "points"}

"""The PBF-LB plant without a controller: power, optics and gas act on the pool as the laws say."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.bench import block, program
from twin.equipment.exposure import ExposureResult, VectorSet
from twin.machines.pbf_lb import PbfLb
from twin.meltpool import sensors
from twin.meltpool.laws import Laws
from twin.parts.layers import Role

BUILT = program([block((6e-3, 6e-3, 8e-5))])
JOB = BUILT.job
POWER, SPEED = BUILT.recipe.hatch.power, BUILT.recipe.hatch.speed


def ready(**more: Any) -> PbfLb:
    """A plant with gas flowing and the first layer of powder spread."""
    plant = PbfLb(1, **more)
    plant.load(JOB)
    plant.drive("Gas.Blower", 0.72)
    plant.drive("Recoater.Recoat", True)
    plant.advance(20.0)
    plant.drive("Scanner.ScanSpeed", SPEED)
    plant.drive("Laser1.Enable", True)
    plant.drive("Scanner.Layer", 1)
    return plant


def mark(plant: PbfLb, power: float = POWER, until: float = 100.0) -> ExposureResult:
    """Mark the first layer and let its result be."""
    plant.drive("Laser1.Power", power)
    plant.drive("Scanner.Run", True)
    plant.advance(until)
    assert not plant.scanner.busy
    return plant.finished[-1][0]


def hatch(result: ExposureResult) -> np.ndarray[Any, Any]:
    return result.layer.role != Role.CONTOUR


def by_law(power: float, depth: float = JOB.plan.layer_thickness) -> Any:
    """What the law itself says of the hatch."""
    window, plume = 0.985, 0.02
    return Laws().pools(JOB.alloy, power * window * (1 - plume), SPEED, JOB.sigma, 293.15, 1070e-9,
                        depth / JOB.alloy.powder_packing)


@pytest.mark.parametrize("change", [0.8, 0.9, 1.0, 1.1, 1.2])
def test_power_moves_the_pool_as_the_law_says(change: float) -> None:
    result = mark(ready(), POWER * change)
    law, usual = by_law(POWER * change), by_law(POWER)
    chosen = hatch(result)
    pool = result.pool
    for name in ("width", "depth", "length"):
        assert getattr(pool, name)[chosen].mean() == pytest.approx(
            float(getattr(law, name)[0]), rel=0.02)
    light = result.photodiode[chosen].mean() / mark(ready()).photodiode[chosen].mean()
    wanted = sensors.photodiode(law, JOB.alloy)[0] / sensors.photodiode(usual, JOB.alloy)[0]
    assert light == pytest.approx(wanted, rel=0.02)


def test_speed_and_focus_move_the_pool() -> None:
    usual = mark(ready())
    slow = ready()
    slow.drive("Scanner.ScanSpeed", SPEED * 0.8)
    blurred = ready()
    blurred.drive("Laser1.Focus", 6e-3)
    assert mark(slow).pool.depth.mean() > 1.05 * usual.pool.depth.mean()
    assert mark(blurred).pool.depth.mean() < 0.9 * usual.pool.depth.mean()


def test_a_dirty_window_is_a_weak_laser_that_its_meter_does_not_see() -> None:
    dirty, weak = ready(), ready()
    dirty.drive("Laser1.Contamination", 0.1)
    weak.drive("Laser1.PowerDrift", 0.1)
    seen = []
    for plant in (dirty, weak):
        plant.drive("Laser1.Power", POWER)
        plant.drive("Scanner.Run", True)
        plant.advance(20.1)
        plant.lasers[0].sense(20.1)
        seen.append(plant.lasers[0].power_meter)
        plant.advance(100.0)
    (one, _), (other, _) = dirty.finished[0], weak.finished[0]
    for name in ("width", "depth", "length"):
        assert np.allclose(getattr(one.pool, name), getattr(other.pool, name), rtol=2e-3)
    assert np.allclose(one.power, other.power)
    assert seen[0] > 1.1 * seen[1] * 0.999
    # On top the window dims what comes back.
    assert np.allclose(one.photodiode, 0.9 * other.photodiode, rtol=5e-3)
    assert dirty.lasers[0].window_temperature > weak.lasers[0].window_temperature


@pytest.mark.parametrize("change", [0.0, 3.7e-4, 2e-3])
def test_a_change_acts_at_once_within_a_vector_too(change: float) -> None:
    """`change` s after a vector's begin, or in the jump before it."""
    usual = mark(ready())
    under_way = int(np.searchsorted(usual.begun, 20.2))
    moment = float(usual.begun[under_way]) + change
    plant = ready()
    plant.drive("Laser1.Power", POWER)
    plant.drive("Scanner.Run", True)
    plant.advance(moment)
    plant.drive("Laser1.Power", 0.8 * POWER)
    plant.advance(100.0)
    result, _ = plant.finished[0]
    assert np.array_equal(result.power[:under_way], usual.power[:under_way])
    after = slice(under_way + 1, None)
    assert np.allclose(result.power[after], 0.8 * usual.power[after])
    span = usual.ended[under_way] - usual.begun[under_way]
    assert 0 <= change < span
    share = change / span
    assert result.power[under_way] == pytest.approx(
        (share + 0.8 * (1 - share)) * usual.power[under_way])
    # Its pool is the mean of what each setting makes of it.
    reduced = mark(ready(), 0.8 * POWER)
    for name in ("width", "depth"):
        more, less = getattr(usual.pool, name), getattr(reduced.pool, name)
        assert getattr(result.pool, name)[under_way] == pytest.approx(
            share * more[under_way] + (1 - share) * less[under_way], rel=0.02)
    assert np.allclose(result.ended, usual.ended, atol=1e-9), "power does not move the mirrors"
    assert result.duration == pytest.approx(usual.duration, abs=1e-9)
    energy = result.pool.absorptivity * result.power * (result.ended - result.begun)
    assert result.absorbed == pytest.approx(float(energy.sum()), rel=1e-3)


def test_layer_time_is_the_sum_over_its_vectors() -> None:
    result = mark(ready())
    layer, total, at = result.layer, 0.0, None
    for start, end, role in zip(layer.start, layer.end, layer.role, strict=True):
        chosen = JOB.sets.get(int(role), VectorSet())
        jump = float(np.hypot(*(start - at))) if at is not None else 0.0
        total += jump / JOB.jump_speed + JOB.laser_delay + JOB.mark_delay
        total += float(np.hypot(*(end - start))) / (SPEED * chosen.speed)
        at = end
    assert result.duration == pytest.approx(total, rel=1e-9)
    assert float(result.ended.max() - 20.0) == pytest.approx(total, rel=1e-9)


def test_energy_is_power_times_time() -> None:
    result = mark(ready())
    energy = result.power * result.pool.absorptivity * (result.ended - result.begun)
    assert result.absorbed == pytest.approx(float(energy.sum()), rel=1e-9)


@pytest.mark.parametrize("open_by", ["Safety.DoorForced", "Safety.EmergencyStop"])
def test_no_program_marks_or_recoats_with_the_chain_open(open_by: str) -> None:
    plant = ready()
    plant.drive(open_by, True)
    for path, value in (("Laser1.Enable", True), ("Laser1.Power", POWER), ("Scanner.Run", True)):
        plant.drive(path, value)
    plant.drive("Recoater.Recoat", False)
    plant.drive("Recoater.Recoat", True)
    plant.advance(30.0)
    assert not plant.scanner.busy
    assert not plant.lasers[0].emitting
    assert plant.recoater.at_home
    plant.drive("Safety.Reset", True)
    assert not plant.safety.chain_closed
    plant.drive(open_by, False)
    plant.drive("Safety.Reset", False)
    plant.drive("Safety.Reset", True)
    assert plant.safety.chain_closed


def test_fume_loads_the_filter_and_the_window() -> None:
    blown, still = ready(), ready()
    still.drive("Gas.FlowLoss", 1.0)
    still.advance(40.0)
    mark(blown)
    mark(still)
    assert blown.gas.fume > 1e5 * still.gas.fume
    assert still.lasers[0].deposit > blown.lasers[0].deposit > 0


def test_pictures_show_the_pool_and_the_layer() -> None:
    plant = ready(pictures=True)
    result = mark(plant)
    assert np.array_equal(result.pool.depth, mark(ready()).pool.depth), "looking changes nothing"
    frame, layer = (np.asarray(Image.open(BytesIO(picture))) for picture in (
        plant.lasers[0].camera_frame, plant.monitor.tomography))
    assert frame.shape == (96, 96)
    # As wide as the pool at the solidus, which is dim in a frame exposed for boiling metal.
    bright = (frame > 20).any(axis=1).sum() * 15e-6
    assert 0.4 * result.pool.width.mean() < bright < 1.3 * result.pool.width.mean()
    assert 100 < frame.max() <= 255
    # The block of 6 mm in a margin of 1 mm, 0.1 mm per pixel.
    assert layer.shape == pytest.approx((80, 80), abs=3)
    lit = layer > 0.5 * np.median(layer[20:60, 20:60])
    assert lit.mean() * layer.size * 0.01 == pytest.approx(36, rel=0.1)
    assert ready().lasers[0].camera_frame == b""


def test_a_job_for_more_lasers_is_refused() -> None:
    with pytest.raises(ValueError, match="for 2 lasers; the machine has 1"):
        PbfLb().load(program(lasers=2).job)


def test_bad_machines_are_refused() -> None:
    with pytest.raises(ValueError, match="1 to 12"):
        PbfLb(lasers=13)
    with pytest.raises(ValueError, match="hard, soft"):
        PbfLb(blade="rubber")
    with pytest.raises(KeyError, match="neither actuator nor fault"):
        PbfLb().drive("Chamber.OxygenTop", 0.0)

"""Pools along beam paths, and a solver beside the run: what they get, and what they give back."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
import pytest

from tests.bench import block, program
from tests.pools import SteadyAlong, SteadySolver
from twin.equipment.exposure import ExposureResult
from twin.equipment.live_pool import PoolModels
from twin.machines.pbf_lb import PbfLb

BUILT = program([block((6e-3, 6e-3, 8e-5))])
POWER, SPEED, LATER = BUILT.recipe.hatch.power, BUILT.recipe.hatch.speed, 200.0


def ready(models: PoolModels | None, lasers: int = 1) -> PbfLb:
    """A plant that begins to mark its first layer at 20 s."""
    job = BUILT.job if lasers == 1 else program([block((6e-3, 6e-3, 8e-5))], lasers=lasers).job
    plant = PbfLb(1, lasers, models=models)
    plant.load(job)
    plant.drive("Gas.Blower", 0.72)
    plant.drive("Recoater.Recoat", True)
    plant.advance(20.0)
    plant.drive("Scanner.ScanSpeed", SPEED)
    for number in range(lasers):
        plant.drive(f"Laser{number + 1}.Enable", True)
        plant.drive(f"Laser{number + 1}.Power", POWER)
    plant.drive("Scanner.Layer", 1)
    plant.drive("Scanner.Run", True)
    return plant


def result(plant: PbfLb) -> ExposureResult:
    plant.advance(100.0)
    assert not plant.scanner.busy
    taken: ExposureResult = plant.finished[-1][0]
    return taken


def depth(plant: PbfLb, at: float) -> float:
    """The first laser's true depth reading (m) at a time."""
    plant.advance(at)
    plant.lasers[0].sense(at)
    return float(plant.lasers[0].pool_depth)


@cache
def usual() -> ExposureResult:
    return result(ready(None))


def solver(lag: int) -> Any:
    return pytest.param(
        lambda: PoolModels(solver=SteadySolver, lag=lag, tick=0.01), id=f"solver, lag {lag}"
    )


LEVELS = [
    pytest.param(lambda: PoolModels(), id="laws"),
    pytest.param(lambda: PoolModels(paths=SteadyAlong), id="paths"),
    *map(solver, (0, 1, 3)),
]


@pytest.mark.parametrize("models", LEVELS)
def test_every_level_gives_what_its_steady_pools_are(models: Any) -> None:
    found, wanted = result(ready(models())), usual()
    for name in ("width", "depth", "length", "absorptivity", "peak_temperature"):
        assert np.allclose(getattr(found.pool, name), getattr(wanted.pool, name), rtol=2e-3)
    assert np.array_equal(found.pool.mode, wanted.pool.mode)
    assert np.allclose(found.photodiode, wanted.photodiode, rtol=5e-3)
    assert np.array_equal(found.ended, wanted.ended)
    assert found.duration == pytest.approx(wanted.duration, abs=1e-9)
    assert found.absorbed == pytest.approx(wanted.absorbed, rel=1e-3)


@pytest.mark.parametrize("models", LEVELS)
def test_readings_follow_a_power_step_within_a_vector(models: Any) -> None:
    plant = ready(models())
    before, moment = depth(plant, 20.2), 20.2005
    plant.advance(moment)
    plant.drive("Laser1.Power", LATER)
    weaker = ready(None)
    weaker.drive("Laser1.Power", LATER)
    last = moment + 5 * 0.01 + 0.001  # the longest lag and a tick
    lowered = depth(weaker, last)
    assert lowered < 0.8 * before
    assert depth(plant, last) == pytest.approx(lowered, rel=0.05)
    laser = plant.lasers[0]
    weaker.lasers[0].sense(last)
    for name in ("photodiode", "pyrometer", "pool_width", "pool_length"):
        assert getattr(laser, name) == pytest.approx(
            getattr(weaker.lasers[0], name), rel=0.05), name
    result(plant)
    assert laser.pool_depth == 0.0, "dark after the layer, whatever joined last"


def test_paths_of_all_beams_heat_each_pool() -> None:
    model = SteadyAlong()
    found = result(ready(PoolModels(paths=lambda: model), lasers=2))
    assert (np.bincount(found.layer.laser) > 10).all()
    asked = model.asked  # type: ignore[attr-defined]
    assert max(len(paths) for paths, _, _ in asked) == 2
    for paths, times, beam in asked:
        assert paths[beam].at(times).segment.min() >= 0, "looked at while its own beam is lit"
        for path in paths:
            assert path.end[-1] <= times[-1]
    # Every vector was looked at, with as many samples as it takes.
    assert sum(len(times) for _, times, _ in asked) >= len(found.layer.start)


def test_a_solver_follows_the_first_of_several_lasers() -> None:
    model, solver = SteadyAlong(), SteadySolver()
    plant = ready(PoolModels(paths=lambda: model, solver=lambda: solver), lasers=2)
    found = result(plant)
    looked: list[Any] = model.asked  # type: ignore[attr-defined]
    assert {beam for paths, _, beam in looked if len(paths) == 2} == {1}, (
        "the followed beam heats the other, whose pools are looked at")
    first = found.layer.laser == 0
    assert solver.log
    assert found.pool.depth[first].min() > 0
    assert found.pool.depth[~first].min() > 0


def test_a_solver_gets_each_moment_once_and_a_layer_ends_with_its_last_result() -> None:
    solver = SteadySolver()
    tick, lag = 0.05, 3
    plant = ready(PoolModels(solver=lambda: solver, lag=lag, tick=tick))
    while plant.scanner.busy:
        plant.advance(plant.next_event() + 1e-9)
    end = float(plant.env.now)
    found = plant.finished[-1][0]
    assert [what for what, _ in solver.log].count("session") == 1
    times = [at for what, at in solver.log if what == "advance"]
    assert np.allclose(np.diff(times), tick)
    assert times[-1] - tick < found.ended.max() <= times[-1]
    assert end == pytest.approx(times[-1] + lag * tick)
    assert found.duration == pytest.approx(usual().duration)


def test_pause_chain_and_resume_with_a_solver_under_way() -> None:
    solver = SteadySolver()
    plant = ready(PoolModels(solver=lambda: solver, lag=3, tick=0.05))
    plant.advance(20.17)
    plant.drive("Scanner.Run", False)
    assert plant.scanner.interrupted
    assert not plant.scanner.busy
    plant.advance(25.0)
    handed = len(solver.log)
    assert depth(plant, 26.0) == 0.0
    assert len(solver.log) == handed, "nothing ticks in a pause"
    plant.drive("Scanner.Run", True)
    plant.advance(26.1)
    assert solver.log[handed][0] == "session", "the pool was cold"
    plant.drive("Safety.EmergencyStop", True)
    plant.advance(30.0)
    assert not plant.scanner.busy
    plant.drive("Safety.EmergencyStop", False)
    plant.drive("Safety.Reset", True)
    plant.drive("Laser1.Enable", True)
    plant.drive("Laser1.Power", POWER)
    plant.drive("Scanner.Run", True)
    found = result(plant)
    assert np.allclose(found.pool.depth, usual().pool.depth, rtol=2e-3)
    assert plant.scanner.layer_done == 1


def test_a_lost_place_leaves_no_results_behind() -> None:
    solver = SteadySolver()
    plant = ready(PoolModels(solver=lambda: solver, lag=5, tick=0.05))
    plant.advance(20.17)
    plant.scanner.load(BUILT.job)
    assert not plant.scanner.busy
    plant.drive("Scanner.Run", False)
    plant.advance(60.0)  # what was marked has cooled
    plant.drive("Scanner.Run", True)
    found = result(plant)
    assert [what for what, _ in solver.log].count("session") == 2
    assert np.allclose(found.pool.depth, usual().pool.depth, rtol=2e-3)


def test_a_slow_worker_changes_nothing_but_the_count_of_late_results() -> None:
    outcomes = []
    for slow in (False, True):
        with ThreadPoolExecutor(1, "pools") as worker:
            solver = SteadySolver(wait=lambda slow=slow: time.sleep(0.01 * slow))
            plant = ready(PoolModels(solver=lambda s=solver: s, worker=worker, lag=1))
            plant.advance(20.2)
            plant.drive("Laser1.Power", LATER)
            outcomes.append((depth(plant, 20.31), result(plant)))
            assert solver.threads == {"pools_0"}
            late = plant.scanner.late_pools
    (one, first), (other, second) = outcomes
    assert late > 5
    assert one == other
    for name in ("depth", "width", "peak_temperature"):
        assert np.array_equal(getattr(first.pool, name), getattr(second.pool, name))


@pytest.mark.parametrize(("field", "value"), [("tick", 0.0), ("tick", 0.1), ("lag", -1),
                                              ("lag", 21)])
def test_bad_grids_are_refused(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{field} .*allowed"):
        PoolModels(**{field: value})  # type: ignore[arg-type]

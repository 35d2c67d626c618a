"""The bed-preheat loop in process, and its arithmetic."""

from __future__ import annotations

from pathlib import Path

import pytest

from scenarios.bed_preheat import _Loop
from tests.bed import losing_its_bed, watched

LAYERS = 40


@pytest.mark.timeout(90)
async def test_the_loop_holds_the_bed(tmp_path: Path) -> None:
    with losing_its_bed(tmp_path, "local", 80.0) as running:
        steps = await watched(running, "local", LAYERS)
        assert running.value("Machine.SmokeEvents") == 0
    assert len(steps) == LAYERS
    late = [step.temperature for step in steps[-6:]]
    assert all(abs(t - 730.0) < 30.0 for t in late), late
    assert steps[-1].effort > 1.3
    assert not any(step.saturated for step in steps[-6:])


@pytest.mark.timeout(90)
async def test_without_it_the_bed_gets_cold_and_smokes(tmp_path: Path) -> None:
    with losing_its_bed(tmp_path, "local", 80.0) as running:
        steps = await watched(running, "local", 150, proportional=0.0, integral=0.0)
        assert running.value("Machine.SmokeEvents") == 1
        assert running.value("Job.State") == 4
    assert len(steps) < 150
    assert steps[-1].temperature < 730.0 - 50.0


def test_a_loop_at_its_limit_does_not_wind_up() -> None:
    loop = _Loop(0.04, 0.012, 3.0)
    for _ in range(50):
        effort, saturated = loop.effort(200.0)
        assert (effort, saturated) == (3.0, True)
    assert loop.effort(-20.0)[0] < 1.0

"""The ready-made works: thirty days within a minute, accounts that close, one course of events."""

from __future__ import annotations

import time
from math import inf
from pathlib import Path

import pytest

from emulators.works.build import BuiltWorks, build_works
from emulators.works.plan import load_plan
from tests.machines import Amtwin

DAY = 86_400.0

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def run(built: BuiltWorks, days: float, factor: float = inf) -> float:
    """Runs to so many days; the wall time that it took."""
    last = round(days * DAY / built.loop.scan_period)
    built.loop.pacer.set_factor(factor)
    began = time.perf_counter()
    built.loop.run(lambda: built.loop.number >= last, last)
    return time.perf_counter() - began


def test_thirty_days_within_a_minute_on_a_fresh_computer(tmp_path: Path) -> None:
    """The whole command, with nothing at hand but the package."""
    began = time.perf_counter()
    code, lines, err = Amtwin(
        "run", "works", "--speed", "max", "--until", "30d", "--offline", "--json", "--record",
        tmp_path / "run", home=tmp_path / "home").finish(900)
    wall = time.perf_counter() - began
    assert code == 0, err
    told = next(line for line in lines if line.get("name") == "WORKS" and "balance" in line)
    print(f"30 days in {wall:.1f} s: {told}")
    assert "run once now" not in err, "its summaries are shipped"
    assert wall < 60
    assert abs(told["balance"]) < 1e-9
    assert told["worst_operation"] < 1e-9
    assert told["orders_done"] >= 25
    assert told["shipped"] >= 100


def test_the_same_seed_gives_the_same_works_at_any_pace() -> None:
    plan = load_plan("works")
    built = [build_works(plan, 5) for _ in range(2)]
    run(built[0], 3)
    run(built[1], 3, 20_000.0)
    assert built[0].trace_hash == built[1].trace_hash
    assert build_works(plan, 6).works.plant.seed != built[0].works.plant.seed

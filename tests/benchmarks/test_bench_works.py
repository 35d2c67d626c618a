"""The ready-made works: thirty days within a minute, accounts that close, one course of events."""

from __future__ import annotations

import time
from math import inf

import pytest

from emulators.works.build import BuiltWorks, build_works
from emulators.works.plan import load_plan
from emulators.works.report import figures

DAY = 86_400.0

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def run(built: BuiltWorks, days: float, factor: float = inf) -> float:
    """Runs to so many days; the wall time that it took."""
    last = round(days * DAY / built.loop.scan_period)
    built.loop.pacer.set_factor(factor)
    began = time.perf_counter()
    built.loop.run(lambda: built.loop.number >= last, last)
    return time.perf_counter() - began


def test_thirty_days_within_a_minute() -> None:
    built = build_works(load_plan("works"), 0)  # makes the summaries if there are none
    wall = run(built, 30)
    told = figures(built)
    print(f"30 days in {wall:.1f} s: {told}")
    assert wall < 60
    assert told["balance"] < 1e-9
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

"""The ready-made works: thirty days within a minute, accounts that close, one course of events."""

from __future__ import annotations

import time
from math import inf
from pathlib import Path
from typing import Any

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


def test_its_machines_are_busy_and_its_stores_neither_empty_nor_full() -> None:
    """Thirty days: build machines at work half of the time and more, orders in time, powder kept.

    What is bought and made for powder that goes round balances what leaves with parts, customers
    and scrap, so that no store grows beyond twice of what the works began with.
    """
    built = build_works(load_plan("works"), 5)
    dispatcher: Any = built.works.controller
    plant: Any = built.works.plant

    def powder(alloy: str) -> float:
        return sum(t.mass for name, s in plant.stores.items() if name not in ("scrap", "parts")
                   for t in s if t.alloy == alloy)

    before = {alloy: powder(alloy) for alloy in ("Ti-6Al-4V", "316L")}
    run(built, 30)
    used = dispatcher.used(built.works.time)
    shares = {name: ways.get("working", 0.0) / sum(ways.values()) for name, ways in used.items()}
    print({name: f"{share:.0%}" for name, share in shares.items()})
    for machine in built.plan.machines:
        if machine.type in ("pbf-lb", "pbf-eb", "ded-powder", "binder-jet", "sinter-furnace"):
            assert 0.35 < shares[machine.name] < 0.9, machine.name
    assert 0.3 < shares["RECYCLING-01"] < 0.8
    for name in ("VIGA-01", "PREP-01"):
        assert sum(j.machine == name and not j.failed for j in dispatcher.finished) >= 4
    late = sum(o.ended is not None and o.ended > o.due for o in dispatcher.book.orders.values())
    assert late + dispatcher.orders.late <= 3
    for alloy, mass in before.items():
        assert 0.4 * mass < powder(alloy) < 2.0 * mass, alloy
    borne, spent = plant.ledger.borne(plant.things).plain(), plant.ledger.spent.plain()
    assert borne == pytest.approx(spent, rel=1e-9)

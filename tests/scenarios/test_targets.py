"""`amtwin targets`: what counts, what it costs; the committed page is of the stored plan."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from scenarios import targets as t
from scenarios.cli import app
from scenarios.targets_page import page, verdict
from twin.powder.lot import PowderLot
from twin.powder.operations import Draw, Operation
from twin.powder.sizes import BINS, CENTRES

PAGE = Path(__file__).parents[2] / "docs" / "powder-targets.md"
QUICK = """
[[case]]
name = "Ti-6Al-4V, plasma spheroidizer"
recipe = "316L"
[case.baseline]
"gas.purge" = 400
"gas.oxygen_limit" = 1000
"gas.oxygen_hold" = 2000
"gas.dew_hold" = 20
"feed.batch" = 0.05
"feed.batches" = 1
"cooling.passivate" = false
[case.improved]
"gas.purge" = 400
"gas.oxygen_limit" = 1000
"gas.oxygen_hold" = 2000
"gas.dew_hold" = 20
"gas.reuse" = 80
"feed.batch" = 0.05
"feed.batches" = 2
"cooling.passivate" = false
"""


def lot(number: str, **more: object) -> PowderLot:
    about: dict[str, object] = {"hollow": 0.02, "satellites": 0.1, "irregular": 0.0, **more}
    return PowderLot.virgin(number, "316L", 10.0, 50e-6, 1.5, **about)  # type: ignore[arg-type]


def outcome(**more: float) -> t.Outcome:
    base = {"hours": 10.0, "held": 0.0, "charged": 100.0, "powder": 90.0, "in_cut": 60.0,
            "good": 50.0, "low_hollow": 40.0, "energy_kwh": 200.0, "gas_m3": 300.0}
    return t.Outcome(**{**base, **more}, shares={"feedstock": 500.0, "machine": 500.0})


def test_figures_are_per_hour_per_kilogram_and_per_cost() -> None:
    found = {name: outcome().figure(name) for name in t.FIGURES}
    assert found == pytest.approx({
        "powder_rate": 9.0, "cut_yield": 60.0, "cut_rate": 6.0, "good_rate": 5.0,
        "cost": 1000 / 60, "low_hollow_per_cost": 40.0, "energy": 200 / 60, "gas": 5.0})


def test_only_what_nobody_took_and_nobody_holds_counts() -> None:
    first, second, bad = lot("A"), lot("B"), lot("C", status="hold")
    merged = lot("D")
    operations = [Operation("atomize", "M", 0.0, (), (first, second, bad)),
                  Operation("discharge", "M", 1.0, (Draw.all(first),), (merged,))]
    assert [made.id for made in t.made(operations)] == ["B", "D"]


def test_low_hollow_counts_size_classes_and_defect_less_grains() -> None:
    quality = t.load_plan().quality
    hollow = np.where(CENTRES > 60e-6, 0.05, 0.001)
    powder, inside, good, low = t._kept([lot("A", hollow=hollow)], quality)
    assert powder == pytest.approx(10.0, rel=1e-3)
    assert 0 < low < inside < powder
    assert good < inside * 0.91
    everything = t._kept([lot("A", hollow=np.zeros(BINS))], quality)
    assert everything[3] == pytest.approx(everything[1])


def test_a_ratio_below_the_target_is_told_as_such() -> None:
    plan = t.load_plan()
    target = next(x for x in plan.target if x.figure == "low_hollow_per_cost")
    result = t.Result(plan.case[0], outcome(), outcome(low_hollow=56.0))
    assert verdict(result, target) == "not met: 1.4 of 10"
    assert verdict(replace(result, improved=outcome(low_hollow=440.0)), target) == "met: 11 of 10"


def test_machines_are_run_and_the_gas_that_is_reused_is_not_paid(tmp_path: Path) -> None:
    file = tmp_path / "quick.toml"
    file.write_text(QUICK, encoding="utf-8")
    (result,) = t.compute(t.load_plan(file), ["Ti-6Al-4V, plasma spheroidizer"])
    one, two = result.baseline, result.improved
    assert one.charged == pytest.approx(0.05, abs=0.005)
    assert two.charged == pytest.approx(0.10, abs=0.006)
    assert 0 < one.in_cut < one.powder < one.charged
    assert two.hours < 2 * one.hours
    assert two.figure("gas") < one.figure("gas")
    assert two.figure("powder_rate") > one.figure("powder_rate")
    assert one.shares["labour"] == pytest.approx(
        ((one.hours - 3.0) * 0.5 + 3.0) * 45.0)
    text = page([result], t.load_plan(file))
    assert "not met" in text
    assert "| energy | 0.15 | EUR/kWh |" in text


def test_a_plan_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    file = tmp_path / "plan.toml"
    for text, words in (
        ("not toml", "no TOML"),
        ('[[case]]\nname = "none"', "no case 'none'"),
        ("[prices]\nenergy = 3", "prices.energy"),
        ('[[case]]\nname = "316L, crucible (VIGA)"\nmachine = "lathe"', "no machine 'lathe'"),
        ('[[target]]\nname = "x"\nfigure = "beauty"\nratio = 2.0\nsays = "x"', "beauty"),
    ):
        file.write_text(text, encoding="utf-8")
        with pytest.raises(t.TargetError, match=words):
            t.load_plan(file)
    result = CliRunner().invoke(app, ["targets", "--case", "nothing"])
    assert result.exit_code == 2
    assert "no case 'nothing'" in result.stderr
    assert CliRunner().invoke(app, ["targets", "--json", "--write", "x"]).exit_code == 2


def test_json_is_one_object_per_case(tmp_path: Path) -> None:
    file = tmp_path / "quick.toml"
    file.write_text(QUICK, encoding="utf-8")
    result = CliRunner().invoke(app, [
        "targets", "--json", "--baseline", str(file), "--case", "Ti-6Al-4V, plasma spheroidizer"])
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert set(found["figures"]) == set(t.FIGURES)
    assert found["targets"]["powder productivity"]["target"] == 10.0
    assert found["held_hours"] == [0.0, 0.0]


def test_the_committed_page_is_of_the_stored_plan() -> None:
    """Computing it anew takes minutes; its words, changes and sums are checked here."""
    text, plan = PAGE.read_text(encoding="utf-8"), t.load_plan()
    for case in plan.case:
        assert f"## {case.name}\n" in text
        assert case.why in text
        for changes in (case.baseline, case.improved):
            assert ", ".join(f"`{p}` {v}" for p, v in changes.items()) in text
    for name, assumption in plan.prices:
        assert f"| {name} | {assumption.value:g} | {assumption.unit} |" in text
    rows = [[c.strip() for c in line.strip("|").split("|")] for line in text.splitlines()
            if line.startswith("|")]
    titles = {f"{title}, {unit}" for title, unit, _ in t.FIGURES.values()}
    figures = [row for row in rows if len(row) == 4 and row[0].partition(" (")[0] in titles]
    assert len(figures) == len(plan.case) * len(t.FIGURES)
    for row in figures:
        before, after, ratio = map(float, row[1:])
        assert after / before == pytest.approx(ratio, rel=0.01, abs=0.006)
    verdicts = [row for row in rows if row[0] in {c.name for c in plan.case} and "met:" in row[1]]
    assert len(verdicts) == len(plan.case)

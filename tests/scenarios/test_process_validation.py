"""`amtwin validate`: what it prints, and that the committed page is what it writes."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
from typer.testing import CliRunner

from scenarios import process_validation as pv
from scenarios.cli import app
from twin.physics.checks import CHECKS

PAGE = Path(__file__).parents[2] / "docs" / "process-validation.md"
NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")


class Ran(NamedTuple):
    code: int
    printed: str
    errors: str


def invoke(*arguments: str) -> Ran:
    result = CliRunner().invoke(app, arguments)
    return Ran(result.exit_code, result.stdout, result.stderr)


def figures(text: str) -> list[float]:
    return [float(number) for number in NUMBER.findall(text)]


def tables(page: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")]
            for line in page.splitlines() if line.startswith("|")]


def test_committed_page_is_what_the_command_writes(tmp_path: Path) -> None:
    result = invoke("validate", "--write", str(tmp_path / "page.md"))
    assert result == (0, "", "")
    written, committed = (file.read_text(encoding="utf-8") for file in (tmp_path / "page.md", PAGE))
    ours, theirs = tables(written), tables(committed)
    assert len(ours) == len(theirs)
    for new, old in zip(ours, theirs, strict=True):
        if len(new) == len(pv._HEADS):
            # Figures of the model differ in their last digits from machine to machine.
            assert figures(new[2]) == pytest.approx(figures(old[2]), rel=0.02)
            assert figures(new[3]) == pytest.approx(figures(old[3]), rel=0.02, abs=1.0)
            del new[2:4], old[2:4]
        assert new == old
    prose = [[line for line in page.splitlines() if not line.startswith(("|", "- "))]
             for page in (written, committed)]
    assert prose[0] == prose[1]
    missed = sum(check.miss is not None for check in CHECKS)
    assert sum(line.startswith("- ") for line in committed.splitlines()) == missed


def test_json_has_every_figure_of_a_machine() -> None:
    result = invoke("validate", "--machine", "ded-wire-laser", "--json")
    rows = [json.loads(line) for line in result.printed.splitlines()]
    assert result.code == 0
    assert len(rows) == sum(check.machine == "ded-wire-laser" for check in CHECKS)
    rate = next(row for row in rows if row["quantity"].startswith("15.1 m/min"))
    assert (rate["published"], rate["unit"], rate["kind"]) == (8.1, "kg/h", "verification")
    assert rate["computed"] == pytest.approx(8.15, abs=0.01)
    assert rate["deviation"] == pytest.approx(rate["computed"] / 8.1 - 1, abs=1e-4)
    assert {row["verdict"] for row in rows} == {"ok", "miss"}
    assert all((row["verdict"] == "miss") == (row["known_miss"] is not None) for row in rows)


def test_table_tells_misses_and_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    result = invoke("validate", "--machine", "ded-powder", "--machine", "ded-arc")
    assert result.code == 0
    assert "slow beads come out too high" in result.printed
    chosen = [check for check in CHECKS if check.machine in ("ded-powder", "ded-arc")]
    missed = sum(check.miss is not None for check in chosen)
    assert f"{len(chosen)} figures, {len(chosen) - missed} agree, {missed} known misses" in (
        result.printed)
    assert "pbf-eb" not in result.printed


def test_a_change_of_the_model_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    changed = tuple(
        replace(check, compute=lambda: 9.0) if check.unit == "kg/h" else check for check in CHECKS
    )
    monkeypatch.setattr(pv, "CHECKS", changed)
    result = invoke("validate", "--machine", "ded-wire-laser")
    assert result.code == 1
    assert "15.1 m/min of 1.2 mm wire: not as known, +11.1 %" in result.errors


@pytest.mark.parametrize(("options", "told"), [
    (("--machine", "pbf-lb"), "no check values of a machine 'pbf-lb'"),
    (("--json", "--write", "x.md"), "--json does not go with --write"),
    (("--write", "/nowhere/x.md"), "/nowhere/x.md"),
])
def test_bad_input_is_told(options: tuple[str, ...], told: str) -> None:
    result = invoke("validate", *options)
    assert result.code == 2
    assert told in result.errors


def test_every_machine_with_a_miss_is_summed_up() -> None:
    assert set(pv.SUMMED_UP) == set(pv.MACHINES)

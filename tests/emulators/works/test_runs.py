"""What a plan says of its run is what is run, and the record keeps the plan's files."""

from __future__ import annotations

import shutil
from dataclasses import replace
from math import inf
from pathlib import Path

import pytest
import yaml

from emulators import lots
from emulators.record import RecordError, open_run
from emulators.works import keys, rehearsal, runs
from emulators.works.build import BuiltWorks, jobs_of
from emulators.works.plan import load_plan
from emulators.works.runs import WorksRun, begin, close, replay, resume
from emulators.works.summaries import load, save
from tests.machines import TRIALS

CUT, LATER = 900.0, 1500.0
"""Simulated s."""


def _plan(folder: Path, fidelity: str) -> tuple[Path, list[Path]]:
    """A plan with one furnace, and the parts that it names."""
    trial = TRIALS["sinter-furnace"].settings(folder, 2)
    plan = folder / "plan.yaml"
    plan.write_text(yaml.safe_dump({
        "fidelity": fidelity, "products": ["bush"],
        "shifts": [{"name": "day", "days": ["Mon"], "begins": "00:00", "ends": "24:00"}],
        "people": [{"name": "Ann", "skills": ["operator", "maintenance"], "shift": "day"}],
        "gases": [{"name": "argon", "capacity_m3": 500, "start_m3": 500, "reorder_m3": 50}],
        "machines": [{
            "name": "SINTER-01", "type": "sinter-furnace", "gas": "argon",
            "setup_h": 0.05, "unload_h": 0.05,
            "programs": [{
                "name": "bushes", "makes": {"product": "bush"}, "parts": list(trial.parts),
                "unit": trial.unit, "recipe": trial.recipe}]}],
        "orders": [{"product": "bush"}]}))
    return plan, [Path(part) for part in trial.parts]


@pytest.mark.parametrize(("asked", "is_run"), [("", "vector"), ("vector", "vector")])
def test_fidelity_is_the_plans_unless_asked_otherwise(
    asked: str, is_run: str, tmp_path: Path
) -> None:
    plan, parts = _plan(tmp_path, "vector")
    folder = tmp_path / "run"
    built = begin(WorksRun(str(plan), fidelity=asked), folder)
    assert built.fidelity == is_run
    close(built, 1.0, 0.0, "finished")
    told = open_run(folder).meta["settings"]
    assert told["fidelity"] == is_run
    (program,) = load_plan(folder / told["plan"]).machines[0].programs
    assert [Path(p).name for p in program.parts] == [part.name for part in parts]
    parts[0].unlink()  # the record has its own
    assert replay(folder).same


def test_a_record_has_the_lots_that_its_plan_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copyfile(Path(lots.__file__).with_name("316l-fresh.toml"), tmp_path / "mine.toml")
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump({
        "products": ["bracket"],
        "shifts": [{"name": "day", "days": ["Mon"], "begins": "00:00", "ends": "24:00"}],
        "people": [{"name": "Ann", "skills": ["operator", "maintenance"], "shift": "day"}],
        "machines": [{"name": "LB-01", "type": "pbf-lb", "programs": [{
            "name": "bracket", "makes": {"product": "bracket"}, "parts": ["example:bracket"],
            "recipe": "316L", "settings": {"lots": ["mine.toml", "316l-fresh"]}}]}]}))
    plan = load_plan("plan.yaml")
    (before,) = jobs_of(plan, 50.0).values()
    key = keys.summary_key(before)
    folder = tmp_path / "run"
    kept = runs._keep_plan(plan, folder)
    (tmp_path / "mine.toml").unlink()
    (tmp_path / "elsewhere").mkdir()
    folder = folder.rename(tmp_path / "elsewhere" / "run")
    (after,) = jobs_of(runs._located(load_plan(folder / kept), folder), 50.0).values()
    assert after.lots[1] == "316l-fresh"
    assert keys.summary_key(after) == key


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, str]:
    """Half an hour of a works at layer fidelity that was cut off, and its hash a while later."""
    monkeypatch.setattr(rehearsal, "_HOLDS", (("hold", 60.0),))
    monkeypatch.setenv("AMTWIN_HOME", str(tmp_path / "home"))
    plan, _ = _plan(tmp_path, "layer")
    told: list[str] = []
    whole = begin(WorksRun(str(plan)), None, tell=told.append)
    assert "SINTER-01 (bushes)" in told[0]
    whole.works.pacer.set_factor(inf)
    whole.works.run(LATER)
    folder = tmp_path / "run"
    cut = begin(WorksRun(str(plan)), folder, tell=told.append)
    assert len(told) == 1, "what has been summed up is not told of again"
    cut.works.pacer.set_factor(inf)
    cut.works.run(CUT)
    for emulator in cut.emulators:
        assert emulator.recorder is not None
        emulator.recorder.flush()
    # Neither the summaries nor the place are what they were.
    shutil.rmtree(tmp_path / "home")
    (tmp_path / "elsewhere").mkdir()
    return folder.rename(tmp_path / "elsewhere" / "run"), whole.trace_hash


def _gone_on(folder: Path) -> BuiltWorks:
    built = resume(folder)
    built.works.run(LATER)
    close(built, 1.0, 0.0, "finished")
    return built


def test_a_record_has_the_summaries_that_its_run_needs(
    run: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, hash_later = run
    monkeypatch.setattr(rehearsal, "_run", lambda *told: pytest.fail("it is all in the record"))
    built = _gone_on(folder)
    assert built.trace_hash == hash_later
    assert not any("changed" in note for note in built.notes)
    found = replay(folder)
    assert (found.same, found.notes) == (True, ())


def test_models_that_changed_are_told_and_the_run_is_the_recorded_one(
    run: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, hash_later = run
    monkeypatch.setattr(keys, "source_digest", lambda machine: "another model")
    built = _gone_on(folder)
    assert built.trace_hash == hash_later
    assert "SINTER-01 (bushes)" in built.notes[0]
    found = replay(folder)
    assert found.same
    assert "changed" in found.notes[0]


def test_a_summary_that_is_not_the_runs_is_refused(run: tuple[Path, str]) -> None:
    folder, _ = run
    (file,) = (folder / "inputs" / "summaries").iterdir()
    whole = load(file)
    assert whole is not None
    save(file, replace(whole, standby=whole.standby + 1.0))
    with pytest.raises(RecordError, match="inputs are not what the run was made with"):
        resume(folder)

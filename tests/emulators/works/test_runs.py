"""What a plan says of its run is what is run, and the record keeps the plan's files."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from emulators.record import open_run
from emulators.works.plan import load_plan
from emulators.works.runs import WorksRun, begin, close, replay
from tests.machines import TRIALS


@pytest.mark.parametrize(("asked", "is_run"), [("", "vector"), ("vector", "vector")])
def test_fidelity_is_the_plans_unless_asked_otherwise(
    asked: str, is_run: str, tmp_path: Path
) -> None:
    trial = TRIALS["sinter-furnace"].settings(tmp_path, 2)
    plan = tmp_path / "plan.yaml"
    plan.write_text(yaml.safe_dump({
        "fidelity": "vector", "products": ["bush"],
        "shifts": [{"name": "day", "days": ["Mon"], "begins": "00:00", "ends": "24:00"}],
        "people": [{"name": "Ann", "skills": ["operator", "maintenance"], "shift": "day"}],
        "machines": [{"name": "SINTER-01", "type": "sinter-furnace", "programs": [{
            "name": "bushes", "makes": {"product": "bush"}, "parts": list(trial.parts),
            "unit": trial.unit, "recipe": trial.recipe}]}]}))
    folder = tmp_path / "run"
    built = begin(WorksRun(str(plan), fidelity=asked), folder)
    assert built.fidelity == is_run
    close(built, 1.0, 0.0, "finished")
    told = open_run(folder).meta["settings"]
    assert told["fidelity"] == is_run
    (program,) = load_plan(folder / told["plan"]).machines[0].programs
    assert [Path(p).name for p in program.parts] == [Path(p).name for p in trial.parts]
    Path(trial.parts[0]).unlink()  # the record has its own
    assert replay(folder).same

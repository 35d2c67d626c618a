"""A wire machine in a works: its spools are bought as they are used up, its parts are shipped."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from emulators.works.build import build_works
from emulators.works.plan import load_plan
from tests.machines import TRIALS
from twin.powder.genealogy import Genealogy
from twin.powder.operations import Item, Operation

WELDER = "DED-ARC-01"


@pytest.mark.parametrize("fidelity", ["layer", "vector"])
def test_walls_are_welded_shipped_and_traced_to_their_spool(
        fidelity: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMTWIN_HOME", str(tmp_path))
    settings = TRIALS["ded-arc"].settings(tmp_path, 3)
    path = tmp_path / "plan.yaml"
    path.write_text(yaml.safe_dump({
        "begins": "Mon 06:00", "products": ["wall"],
        "shifts": [{"name": "always", "days": ["Mon"], "begins": "06:00", "ends": "20:00"}],
        "people": [{"name": "Ann", "skills": ["operator", "maintenance"], "shift": "always"}],
        "machines": [{
            "name": WELDER, "type": "ded-arc", "upkeep": {"between_failures_h": 0},
            "programs": [{"name": "walls", "makes": {"product": "wall"}, "unit": "mm",
                          "parts": list(settings.parts), "recipe": settings.recipe}]}],
        "orders": [{"product": "wall", "quantity": 2}],
    }))
    built = build_works(load_plan(path), fidelity=fidelity)
    operations: list[Operation] = []
    built.works.followers.append(operations.append)
    built.loop.pacer.set_factor(float("inf"))
    last = round(12 * 3600.0 / built.loop.scan_period)
    built.loop.run(lambda: built.loop.number >= last, last)
    works = built.works.plant
    assert built.works.controller.orders.parts_shipped == 2
    assert works.close() < 1e-9
    builds = [op for op in operations if op.name == "ded-arc build"]
    assert len(builds) == 2
    drawn = [op.inputs[0] for op in builds]
    assert {draw.about["kind"] for draw in drawn} == {"spool"}
    # Only what was drawn is bought: nobody pays for a whole spool with each wall.
    assert works.ledger.bought.cost == pytest.approx(
        sum(draw.mass for draw in drawn) * works.ledger.rates.price_metal)
    genealogy = Genealogy(operations)
    parts = [out for op in builds for out in op.outputs
             if isinstance(out, Item) and out.kind == "part"]
    assert {*genealogy.origins(parts[0].id)} == {drawn[0].id}
    assert works.ledger.of(parts[0]).energy > 0.5 * builds[0].energy > 0.0

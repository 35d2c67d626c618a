"""A run on disk: its summary speaks of what its machine does; what cannot go on says why."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from emulators.lots.book import operations_of
from emulators.record import RecordError, open_run, write_meta
from emulators.runs import resume
from scenarios.cli import app
from tests.machines import TRIALS
from twin.powder.lot import PowderLot


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The record of a rotating electrode that made powder of two rods."""
    root = tmp_path_factory.mktemp("summary")
    recipe = TRIALS["prep"].settings(root, 2).recipe
    with pytest.MonkeyPatch.context() as patch:
        # A snapshot of each rod, however fast the computer.
        patch.setattr("emulators.emulator._KEEP_LAYER", 0.0)
        result = CliRunner().invoke(app, ["run", "prep", f"--recipe={recipe}", "--speed=max",
                                          "--offline", f"--record={root / 'run'}"])
    assert result.exit_code == 0, result.output
    return root / "run"


def test_a_job_is_counted_in_what_the_machine_works_on(folder: Path) -> None:
    text = (folder / "summary.md").read_text()
    assert "- rods: 2 of 2" in text
    assert "## Rods (true state)" in text
    assert "layer" not in text.partition("## Files")[0]
    assert "built" not in text  # It makes no parts.


def test_lots_are_those_at_the_end_not_what_went_into_them(folder: Path) -> None:
    text = (folder / "summary.md").read_text()
    rows = [line.split("|")[1:-1] for line in text.splitlines() if line.startswith("| PREP")]
    listed = {row[0].strip(): float(row[2]) for row in rows}
    operations = operations_of(open_run(folder))
    powders = [out for o in operations for out in o.outputs if isinstance(out, PowderLot)]
    assert len(powders) == 3  # Of each rod, and of both together.
    assert [name for name in listed if name in {p.id for p in powders}] == [powders[-1].id]
    assert min(listed.values()) > 0
    made = {out.id for o in operations for out in o.outputs}
    rods = sum(d.mass for o in operations for d in o.inputs if d.id not in made)
    assert sum(listed.values()) == pytest.approx(rods, rel=2e-3)


def test_a_snapshot_of_another_version_is_refused_in_one_line(
    folder: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(folder, run)
    meta = {k: v for k, v in open_run(run).meta.items() if k != "summary"}
    write_meta(run, meta)
    snapshots = list((run / "snapshots").glob("*.json"))
    assert snapshots
    for path in snapshots:
        body = json.loads(path.read_bytes().partition(b"\n")[2])
        hidden = next(c["hidden"] for c in body["state"]["plant"]["components"].values()
                      if c.get("hidden"))
        hidden.pop(next(iter(hidden)))
        kept = json.dumps(body).encode()
        path.write_bytes(hashlib.sha256(kept).hexdigest().encode() + b"\n" + kept)
    with pytest.raises(RecordError, match=r"run: .* another version .* \(KeyError: '\w+'\)"):
        resume(run)

"""The signal list of every machine type is what it was: what clients were built on stays.

A signal that came, went or changed is meant or a mistake; if it is meant, write the copies anew::

    AMTWIN_UPDATE_GOLDEN=1 pytest tests/golden
"""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from emulators.catalog import MACHINES
from scenarios.cli import app

HERE = Path(__file__).parent
Rows = dict[str, dict[str, str]]


@pytest.fixture(scope="module", params=[*MACHINES, "works"])
def machine_type(request: pytest.FixtureRequest) -> str:
    """Every machine type, and the works."""
    return str(request.param)


def listed(machine: str) -> str:
    """What ``amtwin signals MACHINE --format csv`` prints."""
    result = CliRunner().invoke(app, ["signals", machine, "--format", "csv"])
    assert result.exit_code == 0, result.output
    return result.stdout


def rows(text: str) -> Rows:
    found = list(csv.DictReader(io.StringIO(text)))
    by_path = {row["path"]: row for row in found}
    assert len(by_path) == len(found), "a path stands twice"
    return by_path


def differences(golden: Rows, present: Rows) -> list[str]:
    """One line for each signal that is not as it was."""
    lines = [f"{path} is gone" for path in golden if path not in present]
    lines += [f"{path} is new" for path in present if path not in golden]
    for path, row in present.items():
        before = golden.get(path, row)
        lines += [
            f"{path}: {column} was {before.get(column, '')!r}, is {value!r}"
            for column, value in row.items()
            if before.get(column, "") != value
        ]
    return lines


def test_signals_are_as_they_were(machine_type: str) -> None:
    path, text = HERE / f"{machine_type}.csv", listed(machine_type)
    if os.environ.get("AMTWIN_UPDATE_GOLDEN") == "1":
        path.write_text(text, encoding="utf-8", newline="")
    assert path.exists(), f"no {path.name}: AMTWIN_UPDATE_GOLDEN=1 pytest tests/golden makes it"
    changed = differences(rows(path.read_text(encoding="utf-8")), rows(text))
    assert not changed, "\n".join(
        [
            "the signal list changed; if that is meant: AMTWIN_UPDATE_GOLDEN=1 pytest tests/golden",
            *changed,
        ]
    )


def test_every_row_says_what_a_client_needs(machine_type: str) -> None:
    for path, row in rows(listed(machine_type)).items():
        for column in ("kind", "type", "doc"):
            assert row[column], (path, column)
        if row["kind"] in ("fault", "link", "component"):
            continue  # on no operator's OPC UA server
        assert row["node_id"].endswith(f".{path}"), path
        if row["type"] == "float":
            assert float(row["low"]) < float(row["high"]), path


def test_differences_are_explained() -> None:
    golden = rows("path,unit\nA.B,mm\nA.C,s\n")
    present = rows("path,unit\nA.B,um\nA.D,s\n")
    assert differences(golden, present) == [
        "A.C is gone",
        "A.D is new",
        "A.B: unit was 'mm', is 'um'",
    ]

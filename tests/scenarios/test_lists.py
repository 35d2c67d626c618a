"""What the lists of the command line say is true of the machines that run."""

from __future__ import annotations

import csv
import io

import pytest
from typer.testing import CliRunner

from emulators.catalog import MACHINES, Settings, build
from emulators.recipes import load_recipe, recipe_names
from scenarios.cli import app


def told(*arguments: str) -> str:
    result = CliRunner().invoke(app, [*arguments])
    assert result.exit_code == 0, result.output
    return str(result.stdout)


def node_ids(*arguments: str) -> set[str]:
    rows = csv.DictReader(io.StringIO(told("signals", *arguments, "--format", "csv")))
    return {row["node_id"].rsplit(";s=", 1)[0] for row in rows if row["node_id"]}


@pytest.mark.parametrize("machine", ["gas-atomizer", "prep", "sinter-furnace"])
def test_node_ids_of_the_list_are_those_of_a_run_without_a_name(machine: str) -> None:
    built = build(Settings(machine=machine))
    assert node_ids(machine) == {f"nsu=urn:amtwin:{built.emulator.identity.name}"}


def test_node_ids_of_a_machine_in_a_works() -> None:
    assert node_ids("gas-atomizer", "--name", "VIGA-01") == {"nsu=urn:amtwin:VIGA-01"}
    assert node_ids("works") == {"nsu=urn:amtwin:WORKS"}


@pytest.mark.parametrize("machine", MACHINES)
def test_every_field_of_a_recipe_is_told_in_full_on_a_narrow_terminal(
    machine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    name = recipe_names(machine)[0]
    text = told("recipes", name, "--machine", machine)
    words = {line.split()[0] for line in text.splitlines() if line.strip()}
    assert {row.field for row in load_recipe(name, machine).describe()} <= words


def test_a_recipe_that_only_another_machine_has_is_found() -> None:
    assert "rods.diameter" in told("recipes", "CoCrMo")

"""Lots that are brought to a spheroidizer or recycling line are there once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from emulators.lots import LotError
from tests.coarse_bench import Runner, quick, real
from twin.signals import Refused

MACHINES = {"spheroidizer": "spheroidize", "recycling-line": "recover"}


def taken(runner: Runner, name: str) -> list[str]:
    """Ids of what was taken by the operations of a name, each once."""
    return list(dict.fromkeys(draw.id for operation in runner.operations
                              if operation.name == name for draw in operation.inputs))


@pytest.mark.parametrize("machine", MACHINES)
def test_powder_of_a_recipe_is_bought_anew(machine: str, tmp_path: Path) -> None:
    runner = real(quick(machine, tmp_path, 1)).finish()
    (first,) = taken(runner, MACHINES[machine])
    runner.call("Job.StoreAndStart", "J2", runner.program)
    runner.step()
    runner.finish()
    assert len({first, *taken(runner, MACHINES[machine])}) == 2


def test_powder_that_was_brought_is_worked_up_once(tmp_path: Path) -> None:
    settings = replace(quick("recycling-line", tmp_path, 1), lots=("316l-mixed",))
    runner = real(settings)
    assert runner.emulator.plant.own.plain() == ["316l-mixed"]
    runner.call("Job.Abort", "J1")
    runner.step()
    with pytest.raises(Refused, match="316l-mixed was taken by an earlier job"):
        runner.call("Job.StoreAndStart", "J2", runner.program)


@pytest.mark.parametrize("machine", MACHINES)
def test_what_was_taken_is_in_a_snapshot(machine: str, tmp_path: Path) -> None:
    plant = real(quick(machine, tmp_path, 1)).rest(1.0).emulator.plant
    assert plant.own.plain()
    assert plant.snapshot()["own"] == plant.own.plain()


@pytest.mark.parametrize("machine", MACHINES)
def test_a_lot_named_twice_is_refused(machine: str, tmp_path: Path) -> None:
    lots = ("316l-water-atomized",) * 2
    with pytest.raises(LotError, match="named twice"):
        real(replace(quick(machine, tmp_path, 1), lots=lots))

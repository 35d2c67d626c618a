"""Spools at the wire machines: what a build draws is part, spatter, fume or ends, by element."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from emulators.controllers.states import MachineState as S
from emulators.lots import load_lot, load_spools
from tests.coarse_bench import coarse, quick, real, summary_of
from tests.wire_bench import WireBench, wire_job
from twin.materials import alloy
from twin.powder.operations import Item, Operation
from twin.powder.wire import spool
from twin.signals import Refused

MACHINES = ("ded-arc", "ded-wire-laser")
USUAL = {"ded-arc": "ER70S-6", "ded-wire-laser": "316L"}


def wound(machine: str, name: str = "W-1", mass: float = 2.0, diameter: float = 1.2e-3) -> Item:
    return spool(name, alloy(USUAL[machine]), mass, diameter, "H-77")


def wire(machine: str, *spools: Item, layers: int = 3,
         **changes: Any) -> tuple[WireBench, list[Operation]]:
    """A machine with these spools, and what it will record."""
    bench = WireBench(machine, wire_job(machine, layers=layers, **changes))
    bench.plant.name = "M"
    operations: list[Operation] = []
    bench.emulator.followers.append(operations.append)
    if spools:
        bench.plant.supply_items(spools)
    return bench, operations


def masses(operation: Operation) -> dict[str, float]:
    """Mass (kg) by kind of what came out."""
    return {str(o.about.get("what", o.kind)): o.mass for o in operation.outputs
            if isinstance(o, Item)}


@pytest.mark.parametrize("machine", MACHINES)
def test_verification_the_account_closes_and_is_that_of_spool_and_part(machine: str) -> None:
    bench, operations = wire(machine, wound(machine))
    bench.start().finish()
    (operation,) = operations
    assert operation.error() < 1e-12
    (taken,) = operation.inputs
    plant, found = bench.plant, masses(operation)
    assert taken.id == "W-1"
    assert taken.mass == pytest.approx(plant.consumption.feedstock, rel=1e-12)
    assert taken.mass == pytest.approx(2.0 - plant.feeder.spool_mass, rel=1e-9)
    laid = plant.head.map.volume * float(plant.head.job.alloy.density(300.0))
    fume = sum(operation.lost.values())
    assert found["part"] == pytest.approx(laid if machine == "ded-arc" else laid - fume, rel=1e-9)
    if machine == "ded-arc":
        wire_laid = laid / (1 - plant.bead.SPATTER)
        assert found["spatter"] + fume == pytest.approx(plant.bead.SPATTER * wire_laid, rel=1e-9)
    # Fume holds more of what boils easily than the wire does.
    share = operation.lost["Mn"] / fume
    assert share > 3 * taken.elements["Mn"] / taken.mass
    part = next(o for o in operation.outputs if isinstance(o, Item) and o.kind == "part")
    assert part.about["spools"] == ["W-1"]
    assert part.about["complete"]
    assert "oxygen" not in part.about or part.about["oxygen"] > 0
    assert taken.about["heat"] == "H-77"
    (left,) = plant.wire.waiting
    assert left.mass == pytest.approx(taken.about["left"])
    assert left.mass + taken.mass == pytest.approx(2.0)


@pytest.mark.parametrize("machine", MACHINES)
def test_without_spools_a_usual_one_is_put_on_and_shown(machine: str) -> None:
    bench, operations = wire(machine)
    bench.start().finish()
    (operation,) = operations
    assert operation.inputs[0].id == bench.read("Feedstock.Identifier") == "M-spool-0001"
    assert operation.inputs[0].about["left"] == pytest.approx(
        bench.plant.SPOOL - operation.inputs[0].mass)
    assert not bench.plant.wire.waiting


def test_a_spool_that_ends_is_changed_for_the_next_one() -> None:
    small = wound("ded-arc", "SMALL", 0.046)
    bench, operations = wire("ded-arc", small, wound("ded-arc", "NEXT", 1.0), layers=4)
    bench.start()
    bench.to_state(S.SUSPENDED, 4000)
    assert "SpoolEmpty" in bench.raised()
    assert bench.read("Feedstock.Identifier") == "SMALL"
    bench.work("ChangeSpool", "DressStop")
    bench.job("Resume")
    bench.finish()
    (operation,) = operations
    assert operation.error() < 1e-12
    assert [draw.id for draw in operation.inputs] == ["SMALL", "NEXT"]
    assert bench.read("Feedstock.Identifier") == "NEXT"
    first = operation.inputs[0]
    assert first.mass + first.about["left"] == pytest.approx(0.046)
    assert 0 < first.about["left"] <= bench.plant.feeder.REEL * 1.01


def test_what_is_ground_off_is_no_part() -> None:
    bench, operations = wire("ded-arc", layers=4)
    bench.start()
    bench.to("pass", 2)
    bench.depositing()
    bench.fault("Arc.VoltageError", -15)
    bench.to_state(S.SUSPENDED, 60)
    bench.work("MendSource", "DressStop")
    bench.job("Resume")
    bench.finish()
    found, plant = masses(operations[0]), bench.plant
    density = float(plant.head.job.alloy.density(300.0))
    assert found["grindings"] == pytest.approx(plant.head.ground * density, rel=1e-9)
    assert found["grindings"] > 1e-5
    assert found["part"] == pytest.approx(plant.head.map.volume * density, rel=1e-6)
    assert operations[0].error() < 1e-12


def test_wire_fed_without_a_pool_joins_nothing() -> None:
    """Monitoring off, laser dark: the head goes on, and lays wire that is not fused."""
    dark, operations = wire("ded-wire-laser")
    dark.start()
    dark.to("pass", 2)
    dark.write("Process.Monitoring", False)
    dark.write("Process.LaserPower", 0.0)
    dark.finish()
    lit, others = wire("ded-wire-laser")
    lit.start().finish()
    assert masses(operations[0])["part"] < 0.8 * masses(others[0])["part"]
    loose = dark.plant.wire.account.loose
    assert loose > 0.2e-3
    assert masses(operations[0])["wire ends"] > 0.9 * (loose + masses(others[0])["wire ends"])
    assert operations[0].error() < 1e-12


def test_a_spool_with_less_than_its_label_says_leaves_less() -> None:
    bench, operations = wire("ded-arc", wound("ded-arc"))
    bench.start()
    bench.to("pass", 1)
    bench.depositing()
    bench.fault("WireFeeder.SpoolMissing", 0.7)
    bench.finish()
    (operation,), (left,) = operations, bench.plant.wire.waiting
    assert left.mass == pytest.approx(2.0 - 0.7 - operation.inputs[0].mass)
    assert left.mass == pytest.approx(bench.plant.feeder.spool_mass, rel=1e-9)
    assert operation.inputs[0].mass == pytest.approx(bench.plant.consumption.feedstock, rel=1e-12)


def test_a_spool_has_no_less_than_nothing_and_the_next_one_is_whole() -> None:
    bench, _ = wire("ded-arc", wound("ded-arc"), wound("ded-arc", "W-2", 3.0))
    bench.start()
    bench.to("pass", 1)
    bench.depositing()
    feeder, before = bench.plant.feeder, bench.read("WireFeeder.SpoolMass")
    bench.fault("WireFeeder.SpoolMissing", 400.0)
    bench.fault("WireFeeder.SpoolMissing", 0.0)
    # What was never there does not come back.
    assert bench.read("WireFeeder.SpoolMass") == pytest.approx(before, abs=0.02)
    bench.fault("WireFeeder.SpoolMissing", 1.9)
    bench.to_state(S.SUSPENDED, 10)
    bench.work("ChangeSpool")
    assert feeder.spool_missing == 0.0
    assert feeder.spool_mass == pytest.approx(3.0)
    bench.fault("WireFeeder.SpoolMissing", 0.4)
    assert feeder.spool_mass == pytest.approx(2.6)


def test_an_aborted_job_is_a_part_of_a_part_and_the_next_one_takes_the_rest() -> None:
    bench, operations = wire("ded-arc", wound("ded-arc"), layers=4)
    bench.start()
    bench.to("pass", 1)
    bench.depositing()
    bench.job("Abort")
    bench.to_state(S.ABORTED)
    bench.rest(1.0)
    (operation,) = operations
    assert operation.error() < 1e-12
    part = next(o for o in operation.outputs if isinstance(o, Item) and o.kind == "part")
    assert part.about["complete"] is False
    assert part.about["layers"] == 1
    first, plant = operation.inputs[0], bench.plant
    assert plant.wire.waiting[0].mass == pytest.approx(first.about["left"])
    # The pass that the abort cut off is in the account, too: the scale and the part say the same.
    assert plant.feeder.spool_mass == pytest.approx(first.about["left"], rel=1e-12)
    laid = plant.head.map.volume * float(plant.head.job.alloy.density(300.0))
    assert part.mass == pytest.approx(laid, rel=1e-9)


@pytest.mark.parametrize(("bad", "words"), [
    (wound("ded-wire-laser"), r"spool W-1 is 316L; the job is for ER70S-6"),
    (wound("ded-arc", diameter=1.0e-3), r"spool W-1 is 1 mm wire; the job is for 1.2 mm"),
    (wound("ded-arc", mass=0.01), r"spool W-1 has 0.01 kg; the job needs 0.03"),
])
def test_a_spool_that_will_not_do_is_refused(bad: Item, words: str) -> None:
    bench, _ = wire("ded-arc", bad, layers=4)
    with pytest.raises(Refused, match=words):
        bench.start()


def test_what_is_no_spool_is_refused() -> None:
    bench, _ = wire("ded-arc", wound("ded-arc"))
    plant = bench.plant
    with pytest.raises(ValueError, match="at the machine already"):
        plant.supply_items([wound("ded-arc")])
    with pytest.raises(ValueError, match="W-2 is empty"):
        plant.supply_items([wound("ded-arc", "W-2", 0.0)])
    with pytest.raises(ValueError, match="spool G-1 is none, but green part"):
        plant.supply_items([Item("G-1", "green part", "316L", 1.0, {"Fe": 1.0})])
    with pytest.raises(ValueError, match="takes no powder lots"):
        plant.supply([load_lot("316l-fresh")])
    with pytest.raises(ValueError, match="powder lot; this machine takes spools"):
        load_spools(["316l-fresh"])
    with pytest.raises(ValueError, match="spool of wire, no powder lot"):
        load_lot("316l-wire")
    with pytest.raises(ValueError, match="named twice"):
        load_spools(["316l-wire", "316L-Wire"])


def test_a_spool_of_a_file_names_field_and_range(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    text = 'alloy = "316L"\nheat = "H 1"\nmass = { value = 5, unit = "kg" }\n'
    path.write_text(text + 'diameter = { value = 9, unit = "mm" }\n')
    with pytest.raises(ValueError, match=r"mine.toml: diameter .* 0\.6 .* 2\.4"):
        load_spools([str(path)])
    path.write_text(text + 'diameter = { value = 1, unit = "mm" }\n')
    (found,) = load_spools([str(path)])
    assert (found.id, found.mass, found.about["heat"]) == ("mine", 5.0, "H 1")


@pytest.mark.parametrize(("changes", "words"), [
    ({"mass": 3}, "its elements are 2 kg, its mass is 3 kg"),
    ({"mass": float("inf")}, "mass must be a number of 0 to 100000"),
    ({"about": {"diameter": "thick"}}, "diameter must be a number of 0.0006 to 0.0024"),
    ({"about": []}, "about must be a table"),
    ({"alloy": "unobtainium"}, "alloy 'unobtainium' is unknown"),
])
def test_plain_data_of_a_spool_that_cannot_be_are_refused(
        changes: dict[str, Any], words: str, tmp_path: Path) -> None:
    path = tmp_path / "spool.json"
    data = wound("ded-arc").plain()
    path.write_text(json.dumps(data))
    assert load_spools([str(path)])[0].mass == 2.0
    path.write_text(json.dumps({**data, **changes}))
    with pytest.raises(ValueError, match=f"spool.json: .*{words}"):
        load_spools([str(path)])


@pytest.mark.parametrize("machine", MACHINES)
def test_a_snapshot_amid_the_job_goes_on_to_the_same_account(machine: str) -> None:
    def end(cut: bool) -> dict[str, Any]:
        bench, operations = wire(machine, wound(machine))
        bench.start().until(lambda: bench.layer >= 1 and bench.plant.quiet
                            and bench.controller.checkpoint is not None)
        if cut:
            kept = bench.emulator.state()
            bench, operations = wire(machine, wound(machine))
            bench.emulator.reinstate(kept)
            assert not operations
        bench.to_state(S.FINISHED, 4e5)
        return operations[0].plain()

    assert end(True) == end(False)


@pytest.mark.parametrize("machine", MACHINES)
def test_a_coarse_machine_gives_the_same_account(
        machine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMTWIN_HOME", str(tmp_path))
    full, repeated = real(quick(machine, tmp_path)), coarse(summary_of(machine, tmp_path))
    for runner in (full, repeated):
        runner.finish()
    (mine,), (other,) = repeated.operations, full.operations
    assert mine.error() < 1e-12
    assert masses(mine) == pytest.approx(masses(other), rel=1e-6)
    assert mine.inputs[0].mass == pytest.approx(other.inputs[0].mass, rel=1e-6)

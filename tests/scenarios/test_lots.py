"""`amtwin lot`: state and genealogy over several run folders; one clear error for bad input."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import networkx as nx
import pytest
import trimesh
from PIL import Image
from typer.testing import CliRunner

from emulators.catalog import Settings
from emulators.catalog import build as build_machine
from emulators.journal import FILE as JOURNAL
from emulators.lots import LotError, load_lot, load_lots, load_spools, lot_names
from emulators.record import META
from emulators.recorder import Recorder
from scenarios.cli import app
from scenarios.lot_pictures import MOST, _chosen
from scenarios.lots import read_book
from twin.materials import alloy
from twin.powder.ageing import Use, build_operation
from twin.powder.genealogy import Genealogy
from twin.powder.lot import PowderLot
from twin.powder.operations import Draw, Item, Operation, draw, renamed
from twin.powder.wire import spool, wire_operation
from twin.signals import Component, SignalTable


def record(folder: Path, operations: list[Operation], lots: tuple[str, ...] = ()) -> Path:
    """A run folder with these operations."""
    recorder = Recorder(folder, SignalTable(Component()),
                        {"machine": "test", "lots_given": [*lots]})
    for number, operation in enumerate(operations):
        recorder.operation(number, operation)
    recorder.close()
    return folder


def build(lot: PowderLot, machine: str, time: float = 100.0) -> Operation:
    numbers = iter(range(1, 100))
    return build_operation((lot,), "pbf-lb", machine, time, Use(2.0, 10.0, 10.0, hours=10.0),
                           lambda kind: f"{machine}-{kind}-{next(numbers):04d}")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An atomizer's run, and two builds of machines of one name from its powder."""
    root = tmp_path_factory.mktemp("lots") / "runs"
    powder = PowderLot.virgin("GA-0001", "316L", 60.0, 34e-6, 1.4, low=15e-6, high=63e-6,
                              status="released", origin="atomize", machine="GA",
                              measured={"oxygen": 4.1e-4}, sigma={"oxygen": 2e-5})
    charge = Item("GA-charge", "charge", "316L", powder.mass, powder.elements)
    record(root / "melt", [Operation("atomize", "GA", 5.0, (Draw.all(charge),), (powder,))])
    first = build(powder, "LB")
    record(root / "one", [first], (f"{root / 'melt'}:GA-0001",))
    rest = next(o for o in first.outputs if o.id.startswith("LB-rest"))
    assert isinstance(rest, PowderLot)
    record(root / "two", [build(rest, "LB")], (f"{root / 'one'}:{rest.id}",))
    return root


def amtwin(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["lot", *map(str, arguments)])


def test_a_part_is_traced_over_run_folders_to_its_melt(runs: Path) -> None:
    told = amtwin("two:LB-part-0001", "--within", runs)
    assert told.exit_code == 0, told.output
    assert "in the end: GA-charge 100.0%" in told.output
    found = json.loads(amtwin("two:LB-part-0001", "--within", runs, "--json").output)
    assert {"GA-0001", "LB-rest-0003"} <= set(found["ancestors"])
    assert found["item"]["about"]["lots"] == ["LB-rest-0003"]
    assert found["run"].endswith("two")


def test_a_lot_is_told_with_what_was_measured_and_became_of_it(runs: Path) -> None:
    told = amtwin("GA-0001", "--within", runs)
    assert told.exit_code == 0, told.output
    row = next(line for line in told.output.splitlines() if line.split()[:1] == ["oxygen"])
    assert row.split()[1:] == ["300", "ppm", "410", "ppm", "20", "ppm"]
    for word in ("316L", "Cr 16.9", "released", "one:LB-part-0001", "GA-charge", "atomize"):
        assert word in told.output, word
    found = json.loads(amtwin("GA-0001", "--within", runs, "--json").output)
    assert PowderLot.of(found["lot"]).mass == pytest.approx(60.0)
    assert {"one:LB-part-0001", "two:LB-part-0001"} <= set(found["descendants"])


def test_spools_that_machines_bought_are_of_their_runs_and_one_given_is_the_same(
        tmp_path: Path) -> None:
    """Two runs that each bought a spool, and a third that took the rest of the first one's."""
    def weld(number: int, mass: float) -> Operation:
        bought = spool(f"ARC-spool-{number:04d}", alloy("316L"), mass, 1.2e-3)
        names = iter(["ARC-part-0002", "ARC-scrap-0003"])
        return wire_operation([(bought, 1.0, mass - 1.0)], "ded-arc", "ARC", 9.0,
                              Use(0.9, 1.0), lambda kind: next(names))

    root = tmp_path / "runs"
    record(root / "one", [weld(1, 15.0)])
    record(root / "two", [weld(1, 15.0)])
    rest = load_spools([f"{root / 'one'}:ARC-spool-0001"])[0]
    assert rest.mass == pytest.approx(14.0)
    record(root / "three", [weld(1, rest.mass)], (f"{root / 'one'}:ARC-spool-0001",))
    book = read_book(root)
    first = {"one:ARC-part-0002", "three:ARC-part-0002"}
    assert first <= book.genealogy.descendants("one:ARC-spool-0001")
    assert "two:ARC-part-0002" in book.genealogy.descendants("two:ARC-spool-0001")
    assert not first & book.genealogy.descendants("two:ARC-spool-0001")
    told = amtwin("one:ARC-spool-0001", "--within", root)
    assert told.exit_code == 0, told.output
    for word in ("spool", "1.2 mm", "three:ARC-part-0002"):
        assert word in told.output
    with pytest.raises(LotError, match="it made ARC-spool-0001"):
        load_lot(f"{root / 'one'}:ARC-nothing")


def test_a_works_and_its_machines_are_one_run(runs: Path, tmp_path: Path) -> None:
    """The works' record repeats what its machines' records tell, with energy entered."""
    lot = load_lot("316l-fresh")
    told = build(lot, "LB")
    outer = record(tmp_path / "runs" / "works", [replace(told, energy=5.0)])
    record(outer / "machines" / "LB", [told])
    book = read_book(tmp_path / "runs")
    assert "LB-part-0001" in book.genealogy
    assert book.genealogy.made["LB-part-0001"] == [replace(told, energy=5.0)]
    assert book.genealogy.children("316l-fresh")["LB-part-0001"] == pytest.approx(2.0)


def test_the_genealogy_is_drawn(runs: Path, tmp_path: Path) -> None:
    picture = tmp_path / "lot.png"
    assert amtwin("GA-0001", "--within", runs, "--picture", picture).exit_code == 0
    with Image.open(picture) as shown:
        assert shown.size[0] > 500
        colours = {c for _, c in shown.convert("RGB").getcolors(1_000_000) or []}
    assert {(0xcf, 0xe3, 0xf5), (0xf8, 0xcf, 0xc0), (0xe8, 0xe8, 0xe8)} <= colours


def test_a_lot_of_a_run_can_be_taken(runs: Path) -> None:
    lot = load_lot(f"{runs / 'one'}:LB-used-0002")
    assert (lot.cycle, lot.alloy) == (1, "316L")
    assert lot.parents == ("GA-0001",)


@pytest.mark.parametrize("name", lot_names())
def test_every_ready_made_lot_is_there_and_always_the_same(name: str) -> None:
    lot = load_lot(name)
    assert lot == load_lot(name.upper())
    assert {"oxygen", "hall", "d50"} <= set(lot.measured)
    told = amtwin(name)
    assert told.exit_code == 0
    assert lot.alloy in told.output


def refused(*arguments: object) -> str:
    told = amtwin(*arguments)
    assert told.exit_code == 2, told.output
    assert told.stdout == ""
    lines = [line for line in told.stderr.splitlines() if line]
    assert len(lines) == 1, lines
    return str(lines[0])


def test_what_a_run_has_used_up_is_shown_but_cannot_be_used_again(tmp_path: Path) -> None:
    lot = PowderLot.virgin("A", "316L", 2.0, 35e-6, 1.3, origin="atomize", machine="GA")
    part, rest = draw(lot, 0.5)
    sieved = renamed(rest, "B", parents=("A",), origin="sieve", machine="R")
    record(tmp_path / "run", [
        Operation("atomize", "GA", 1.0, (), (lot,), gained=lot.elements),
        Operation("sample", "R", 2.0, (Draw.all(part),),
                  (Item("A-sample", "sample", "316L", part.mass, part.elements),))])
    # A part of it is gone: only the rest can be used.
    assert load_lot(f"{tmp_path / 'run'}:A").mass == pytest.approx(1.5)
    record(tmp_path / "all", [
        Operation("atomize", "GA", 1.0, (), (rest,), gained=rest.elements),
        Operation("sieve", "R", 2.0, (Draw.all(rest),), (sieved,))])
    with pytest.raises(LotError, match=r"'A' was used up there \(sieve\); it made B"):
        load_lot(f"{tmp_path / 'all'}:A")
    told = amtwin(f"{tmp_path / 'all'}:A")
    assert told.exit_code == 0, told.output
    assert "B (powder, 1.5 kg, sieve)" in told.output


def test_bad_input_gives_one_clear_error(runs: Path, tmp_path: Path) -> None:
    assert "no lot or part 'nobody'; known: GA-charge" in refused("nobody", "--within", runs)
    assert "several runs; say which: one:LB-part-0001" in refused(
        "LB-part-0001", "--within", runs)
    assert "no such folder" in refused("x", "--within", tmp_path / "none")
    assert "no lot or part 'LB-77'" in refused(f"{runs / 'one'}:LB-77")
    assert "cannot be written" in refused(
        "GA-0001", "--within", runs, "--picture", tmp_path / "no" / "such.png")
    assert "no run here handled" in refused("316l-fresh", "--picture", tmp_path / "x.png")
    bad = tmp_path / "bad.toml"
    for text, words in [
        ("alloy = '316L'\nmass = 5\n", "mass needs its unit"),
        ("alloy = 'x'\n", "bad.toml"), ("[", "is not a powder lot"),
        ("alloy = '316L'\nmass = { value = 5, unit = 'kg' }\n[sizes]\nd5 = 3\n", "did you mean"),
    ]:
        bad.write_text(text)
        assert words in refused(bad)
    wrong = tmp_path / "lot.json"
    wrong.write_text("{}")
    assert "is not a powder lot" in refused(wrong)
    assert "cannot be read" in refused(tmp_path / "gone.toml")


@pytest.mark.parametrize(("change", "words"), [
    ({"id": ["x"]}, "must be text"), ({"id": ""}, "must be text"), ({"parents": "abc"}, "a list"),
    ({"cycle": "x"}, "cycle x"), ({"cycle": -1}, "cycle -1"), ({"made_at": float("nan")}, "time"),
    ({"measured": {"d50": float("nan")}}, "must be numbers"), ({"water": 30.0}, "of water per kg"),
    ({"alloy": None}, "must be text"), ({"alloy": "x", "elements": {"O": 60.0}}, "no known alloy"),
])
def test_a_lot_that_cannot_be_is_refused(change: dict[str, Any], words: str,
                                         tmp_path: Path) -> None:
    data = load_lot("316l-fresh").plain()
    for key, value in change.items():
        (data["constituents"][0] if key in ("alloy", "elements") else data)[key] = value
    if "elements" in change:
        data["constituents"][0]["masses"] = [1.5] * 40
    wrong = tmp_path / "wrong.json"
    wrong.write_text(json.dumps(data))
    assert words in refused(wrong)


def test_lots_to_be_worked_up_are_there_once_and_hold_something(tmp_path: Path) -> None:
    with pytest.raises(LotError, match="named twice"):
        load_lots(("316l-fresh", "316L-fresh"))
    lot = load_lot("316l-fresh")
    empty = replace(lot, water=0.0, constituents=tuple(
        replace(c, masses=c.masses * 0.0, elements={}) for c in lot.constituents))
    (tmp_path / "empty.json").write_text(json.dumps(empty.plain()))
    with pytest.raises(LotError, match="is empty"):
        load_lots((str(tmp_path / "empty.json"),))


def test_lots_that_are_sampled_belong_to_the_run_that_made_them(tmp_path: Path) -> None:
    for name in ("one", "two"):
        lot = PowderLot.virgin("RL-0001", "316L", 10.0, 34e-6, 1.4, origin="dry")
        sample, rest = draw(lot, 0.1, "RL-sample-0002")
        powder = PowderLot.virgin(f"from {name}", "316L", 10.0, 34e-6, 1.4)
        record(tmp_path / name, [
            Operation("dry", "RL", 1.0, (Draw.all(powder),), (lot,)),
            Operation("sample", "RL", 2.0, (Draw.all(lot),), (rest, sample))])
    book = read_book(tmp_path)
    assert book.genealogy.ancestors("two:RL-0001") == {"from two"}
    told = amtwin(f"{tmp_path / 'two'}:RL-0001", "--within", tmp_path)
    assert "from two" in told.output
    assert "from one" not in told.output


def test_what_a_machine_makes_is_not_called_like_what_was_brought(tmp_path: Path) -> None:
    made = replace(load_lot("316l-water-atomized"), id="SPHERO-01-0007")
    (tmp_path / "lot.json").write_text(json.dumps(made.plain()))
    given = (str(tmp_path / "lot.json"),)
    built = build_machine(Settings("spheroidizer", alloy="316L", lots=given))
    assert built.emulator.plant.new_id() == "SPHERO-01-0008"


def test_a_damaged_record_gives_one_clear_error(runs: Path, tmp_path: Path) -> None:
    lot = load_lot("316l-fresh")
    folder = record(tmp_path / "runs" / "hurt", [build(lot, "LB")])
    (file,) = (folder / "lots").glob("*.parquet")
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    assert "is damaged" in refused("LB-part-0001", "--within", tmp_path / "runs")
    file.write_bytes(whole)
    (folder / META).write_text("{")
    assert "run.json is damaged" in refused("LB-part-0001", "--within", tmp_path / "runs")
    with pytest.raises(LotError, match="damaged"):
        read_book(tmp_path / "runs")


def test_a_run_takes_a_lot_and_its_record_names_it(tmp_path: Path) -> None:
    part = tmp_path / "block.stl"
    trimesh.creation.box(extents=(3, 3, 0.08)).export(part)
    folder = tmp_path / "runs" / "built"
    ran = CliRunner().invoke(app, [
        "run", "pbf-lb", f"--part={part}", "--unit=mm", "--alloy=316L", "--lot=316l-hollow",
        "--speed=max", "--offline", f"--record={folder}"])
    assert ran.exit_code == 0, ran.output
    meta = json.loads((folder / META).read_text())
    assert meta["settings"]["lots"] == ["316l-hollow"]
    assert any("powder lot 316l-hollow: 60 kg 316L" in note for note in meta["notes"])
    assert (folder / JOURNAL).exists()
    found = read_book(folder).genealogy
    (name,) = (n for n in found.ids() if "part" in n)
    assert found.origins(name) == pytest.approx({"316l-hollow": 1.0})
    for lot, words in [("316l-mixed", "is on hold"), ("ti64-fresh", "the job is for 316L"),
                       ("nobody", "no powder lot")]:
        no = CliRunner().invoke(app, ["run", "pbf-lb", f"--part={part}", "--unit=mm",
                                      "--alloy=316L", f"--lot={lot}", "--no-record",
                                      "--offline"])
        assert no.exit_code == 2
        assert words in no.stderr


def test_a_record_keeps_the_lot_it_was_given(tmp_path: Path, runs: Path) -> None:
    """A replay gets the same powder though the run that made it has gone."""
    part = tmp_path / "block.stl"
    trimesh.creation.box(extents=(3, 3, 0.06)).export(part)
    source = tmp_path / "first"
    shutil.copytree(runs / "one", source)
    folder = tmp_path / "second"
    ran = CliRunner().invoke(app, [
        "run", "pbf-lb", f"--part={part}", "--unit=mm", "--alloy=316L",
        f"--lot={source}:LB-used-0002", "--speed=max", "--until=120", "--offline",
        f"--record={folder}"])
    assert ran.exit_code == 0, ran.output
    shutil.rmtree(source)
    assert json.loads((folder / META).read_text())["lots_given"] == [f"{source}:LB-used-0002"]
    again = CliRunner().invoke(app, ["replay", str(folder)])
    assert again.exit_code == 0, again.output
    assert "the same run" in again.output
    (kept,) = (folder / "inputs").glob("lot-*.json")
    other = PowderLot.of(json.loads(kept.read_text()))
    kept.write_text(json.dumps(replace(other, water=1e-3).plain()))
    changed = CliRunner().invoke(app, ["replay", str(folder)])
    assert changed.exit_code == 2
    assert "powder is not what the run was made with" in changed.stderr


def test_a_tree_without_end_is_cut(tmp_path: Path) -> None:
    folder = record(tmp_path / "runs" / "many", [
        Operation("build", "M", float(n), (Draw("store", 0.1, {"Fe": 0.1}),),
                  (Item(f"part-{n:03d}", "part", "316L", 0.1, {"Fe": 0.1}),)) for n in range(300)])
    told = amtwin("store", "--within", folder.parent)
    assert told.exit_code == 0
    assert len(told.output.splitlines()) < 140
    assert "and 180 lines more; --json tells all" in told.output
    assert len(json.loads(amtwin("store", "--within", folder.parent, "--json").output)[
        "children"]) == 300


def test_a_large_genealogy_is_drawn_reduced_and_still_reaches_its_origins() -> None:
    """A part made of powder that went round many times: the melt stays in the picture."""
    steel = PowderLot.virgin("melt", "316L", 60.0, 34e-6, 1.4, low=15e-6, high=63e-6,
                             status="released")
    operations = [Operation("atomize", "GA", 0.0, (), (steel,))]
    lot = steel
    for turn in range(60):
        used, rest = draw(lot, 2.0, f"used-{turn}")
        rest, sieved = replace(rest, id=f"rest-{turn}"), replace(used, id=f"sieved-{turn}")
        whole = replace(lot, id=f"lot-{turn}")
        operations += [
            Operation("build", "LB", turn + 0.1, (Draw.all(lot),), (used, rest)),
            Operation("sieve", "RL", turn + 0.2, (Draw.all(used),), (sieved,)),
            Operation("blend", "RL", turn + 0.3, (Draw.all(rest), Draw.all(sieved)), (whole,))]
        lot = whole
    graph, total = _chosen(Genealogy(operations), lot.id)
    assert total > 150
    assert 10 < len(graph) <= MOST
    assert {"melt", lot.id} <= set(graph)
    assert nx.has_path(graph, "melt", lot.id)

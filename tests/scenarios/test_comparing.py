"""`amtwin compare`: figures from the meters, a reason where there are none, never a traceback."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
import trimesh
from rich.console import Console

from emulators.catalog import Settings, build
from emulators.machines.sinter_furnace import green_parts
from emulators.recipes import recipe_for
from emulators.runs import finished, summarise
from plc_interfaces.host import Act, ActKind
from scenarios.comparing import (
    FURNACE,
    GREEN,
    Row,
    _together,
    comparable,
    compare,
    print_rows,
)
from tests.machines import invoke, trial
from twin.parts import example_part

SUM = f"{GREEN} + {FURNACE}"


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMTWIN_HOME", str(tmp_path / "home"))


@pytest.mark.parametrize("machine_type", comparable())
def test_figures_are_those_of_a_run(machine_type: str, tmp_path: Path) -> None:
    settings = trial(machine_type).settings(tmp_path, 3)
    (part,) = settings.parts
    recipes = {machine_type: str(settings.recipe)} if settings.recipe else {}
    rows = compare(part, [machine_type], unit=settings.unit, recipes=recipes, alloy=settings.alloy)
    row = rows[0]
    assert (row.machine, row.why) == (machine_type, "")

    built = build(Settings(machine_type, parts=(part,), unit=settings.unit, alloy=settings.alloy,
                           recipe=settings.recipe, fidelity=row.fidelity))
    emulator, order = built.emulator, ["JOB-0001", built.programs[0]]
    emulator.submit(Act(ActKind.CALL, "Job.StoreAndStart", order, "amtwin", "local"))
    while not finished(emulator):
        emulator.scan(emulator.next_scan)
    emulator.shown.look(emulator.scan_number, emulator.time)
    summary = summarise(emulator, 1.0)
    used = summary["consumption"]
    assert row.layers == (None if machine_type == FURNACE else summary["layers"])
    assert row.build_h == pytest.approx(emulator.time / 3600, rel=0.01)
    for name, meter in (("energy_kwh", "energy_kwh"), ("gas_l", "gas_l"),
                        ("feedstock_kg", "feedstock_kg"), ("built_cm3", "built_cm3")):
        assert getattr(row, name) == pytest.approx(used[meter], rel=1e-3), name
    assert row.energy_kwh
    assert row.build_h
    if row.built_cm3:
        assert row.rate_cm3_h == pytest.approx(row.built_cm3 / row.build_h)
    if row.mean_layer_s is not None and row.layers:
        assert 0 < row.mean_layer_s * (row.layers - 1) < row.build_h * 3600


def test_what_cannot_be_built_has_a_row_that_says_why(tmp_path: Path) -> None:
    huge = tmp_path / "huge.stl"
    trimesh.creation.box(extents=(9000, 9000, 9000)).export(huge)
    code, rows, err = invoke("compare", f"--part={huge}", "--unit=mm", "--json")
    assert "Traceback" not in err
    assert code == 1
    assert [row["machine"] for row in rows if row["machine"] != SUM] == comparable()
    assert all(row["why"] and row["layers"] is None for row in rows)
    (first, *_) = rows
    assert "larger than the build volume" in first["why"]


def test_an_alloy_nobody_knows_and_one_that_the_recipe_is_not_for(tmp_path: Path) -> None:
    settings = trial("pbf-lb").settings(tmp_path, 3)
    (unknown,) = compare(settings.parts[0], ["pbf-lb"], alloy="unobtainium", unit="mm")
    assert "unobtainium" in unknown.why
    (named,) = compare(settings.parts[0], ["pbf-lb"], alloy="Ti64", unit="mm",
                       recipes={"pbf-lb": str(settings.recipe)})
    assert (named.alloy, named.why) == ("IN718", "")
    assert named.notes == ("IN718, for which its recipe is",)


def test_another_alloy_is_stated(tmp_path: Path) -> None:
    settings = trial("pbf-lb").settings(tmp_path, 3)
    (row,) = compare(settings.parts[0], ["pbf-lb"], alloy="ER70S-6", unit="mm")
    assert row.alloy == "IN718"
    assert "no recipe for ER70S-6 on pbf-lb" in row.notes[0]


def test_print_and_sintering_are_added_up() -> None:
    green = Row(GREEN, "316L", layers=200, mean_layer_s=20.0, build_h=10.0, energy_kwh=20.0,
                gas_l=0.0, feedstock_kg=8.0, built_cm3=1.8, rate_cm3_h=0.18)
    sintered = Row(FURNACE, "316L", build_h=20.0, energy_kwh=80.0, gas_l=900.0, built_cm3=1.0)
    both = _together(green, sintered)
    assert (both.machine, both.why) == (SUM, "")
    assert (both.build_h, both.energy_kwh, both.gas_l) == (30.0, 100.0, 900.0)
    assert (both.layers, both.feedstock_kg, both.built_cm3) == (200, 8.0, 1.0)
    assert both.rate_cm3_h == pytest.approx(1.0 / 30.0)
    assert _together(green, replace(sintered, why="too large")).why == "it was not sintered"


def test_what_was_printed_is_sintered(tmp_path: Path) -> None:
    """The furnace gets the parts of the printer's record, not the part as drawn."""
    green = trial(GREEN).settings(tmp_path, 60)
    recipes = {GREEN: str(green.recipe)}
    rows = compare(green.parts[0], [FURNACE, GREEN], unit="mm", recipes=recipes)
    assert [(row.machine, row.why) for row in rows] == [(GREEN, ""), (FURNACE, ""), (SUM, "")]
    printed, sintered, both = rows
    assert printed.build_h
    assert sintered.build_h
    assert both.build_h == pytest.approx(printed.build_h + sintered.build_h)
    assert both.built_cm3 == sintered.built_cm3
    # Not enlarged for it, the part comes out smaller: a green density of 0.55 becomes 0.96.
    assert printed.built_cm3
    assert sintered.built_cm3
    assert sintered.built_cm3 / printed.built_cm3 == pytest.approx(0.55 / 0.96, rel=0.1)
    assert not list(tmp_path.glob("runs"))


def test_the_table_is_one_line_per_machine_and_says_what_there_is_to_say() -> None:
    rows = [
        Row("pbf-lb", "IN718", "IN718", "layer", 250, 8.1, 1.06, 2.31, 1400.0, 6.65, 1.0, 0.94),
        Row("pbf-eb", why="part is larger than the build volume"),
        Row("ded-arc", "ER70S-6", "", "vector", 12, None, 0.5, 3.0, 100.0, 0.2, 2.0, 4.0,
            notes=("no recipe for IN718: its own alloy instead",)),
    ]
    text = StringIO()
    print_rows(rows, "cube, 10 mm", Console(file=text, width=120))
    lines = text.getvalue().splitlines()
    figures = {line.split()[0]: line.split()[1:] for line in lines if line.strip()}
    assert figures["pbf-lb"] == ["IN718", "250", "8.1", "1.06", "2.31", "1400", "6.650", "1.000",
                                 "0.940"]
    (arc,) = (line.split() for line in lines if line.lstrip().startswith("ded-arc "))
    assert arc == ["ded-arc", "ER70S-6", "12", "–", "0.50", "3.00", "100", "0.200", "2.000",
                   "4.000"]
    assert "pbf-eb did not build it: part is larger than the build volume" in lines
    assert "ded-arc: no recipe for IN718: its own alloy instead" in lines
    assert "ded-arc: computed vector by vector" in lines


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--part=nowhere.stl"], "nowhere.stl"),
        (["--part=example:cube", "--machines=pbf-lb,magic"], "magic"),
        (["--part=example:cube", "--recipe=pbf-lb"], "MACHINE=FILE"),
        (["--part=example:cube", "--recipe=magic=x"], "magic"),
    ],
)
def test_bad_input(arguments: list[str], said: str) -> None:
    code, lines, err = invoke("compare", *arguments)
    assert (code, lines) == (2, [])
    assert err.startswith("amtwin: ")
    assert err.count("\n") == 1
    assert said in err


def test_the_command_prints_a_table(tmp_path: Path) -> None:
    settings = trial("pbf-lb").settings(tmp_path, 3)
    code, rows, err = invoke(
        "compare", f"--part={settings.parts[0]}", "--unit=mm", "--machines=pbf-lb",
        f"--recipe=pbf-lb={settings.recipe}", "--json")
    assert (code, err) == (0, "")
    (row,) = rows
    assert (row["event"], row["part"], row["layers"], row["fidelity"]) == (
        "row", "block3", 3, "layer")


def test_the_furnace_counts_what_a_part_fills_of_its_box() -> None:
    settings = Settings(FURNACE, parts=("example:bracket",))
    bracket = example_part("bracket")
    ((green,), _) = green_parts(settings, recipe_for("316L", FURNACE))
    size = bracket.size[0] * bracket.size[1] * bracket.size[2]
    assert green.fill == pytest.approx(bracket.volume / size)
    assert green.fill < 0.5

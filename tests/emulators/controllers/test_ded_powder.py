"""Powder deposition from the job to the part: sequence, grading, G-code, layer fidelity."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from emulators.catalog import Settings, build
from emulators.controllers.states import MachineState
from emulators.settings import SettingsError
from tests.ded_bench import DedBench, ded_program

pytestmark = pytest.mark.timeout(60)
REAL = Path(__file__).parents[4] / "shared" / "parts" / "lens450_lines.gcode"


def finished(**more: object) -> DedBench:
    summary = bool(more.pop("summary", False))
    return DedBench(ded_program(**more), summary=summary).start().finish()  # type: ignore[arg-type]


def test_the_sequence() -> None:
    bench = finished(layers=2)
    phases = [e.message.removeprefix("phase ") for e in bench.events if e.kind == "process"
              and e.message.startswith("phase ")]
    assert phases == ["load", "close", "purge", "probe", "preheat", "dwell", "pass", "dwell",
                      "pass", "park", "cool", "unload", "none"]
    assert bench.raised() == []
    assert not bench.plant.laser.emitting
    assert bench.plant.feeder.hoppers[0].demand == 0.0
    assert bench.plant.gas.shield_demand == 0.0


def test_a_block_comes_out_about_as_high_as_planned() -> None:
    bench = finished(layers=12)
    layers = bench.layers()
    # It settles where the catchment is that of the step, half a millimetre over the plan, and
    # then keeps to it.
    assert layers[-1]["height"] == pytest.approx(12 * 0.4e-3, abs=0.7e-3)
    assert layers[-1]["layer_height"] == pytest.approx(0.4e-3, rel=0.15)
    assert all(0.05 < layer["dilution"] < 0.6 for layer in layers)
    assert sum(layer["defects"] for layer in layers) == 0
    # Mass: what was built is what was caught of what came out of the nozzle in the passes.
    used = bench.plant.consumption.feedstock
    built = bench.plant.consumption.built_volume * 7956
    assert 0.2 < built / used < 0.6


def test_grading_follows_the_recipe_behind_hose_and_dilution() -> None:
    bench = finished(recipe="316L-to-IN625", layers=14)
    second = [layer["fraction_2"] for layer in bench.layers()]
    grading = ded_program(recipe="316L-to-IN625").recipe.grading
    assert second[0] == 0.0
    assert second[-1] > 0.85
    assert all(b >= a - 1e-9 for a, b in pairwise(second))
    # The bead is behind the powder: it takes metal in from below.
    for number, share in enumerate(second, 1):
        assert share <= grading.share(number) + 0.02
    middle = second[6]
    assert middle < grading.share(7)
    assert sum(second) > 3.0


def test_the_first_passes_of_a_layer_still_have_the_old_powder() -> None:
    bench = DedBench(ded_program(recipe="316L-to-IN625", layers=8, powder__lead=0.0)).start()
    bench.to("dwell", 7)
    early = [float(columns["fraction_2"][0]) for columns in bench.passes]
    late = [float(columns["fraction_2"][-1]) for columns in bench.passes]
    assert any(b > a + 0.02 for a, b in zip(early, late, strict=True))


def test_layer_fidelity_is_close_to_the_passes() -> None:
    """Summed in steps of seconds instead of ticks: time the same, the rest within 6 %."""
    fine, coarse = finished(layers=6), finished(layers=6, summary=True)
    a, b = fine.layers(), coarse.layers()
    assert [x["passes"] for x in a] == [x["passes"] for x in b]
    for name, rel in (("duration", 0.01), ("volume", 0.06), ("height", 0.06), ("width", 0.05),
                      ("catchment", 0.05), ("energy_absorbed", 0.05)):
        one, other = (sum(layer[name] for layer in layers) for layers in (a, b))
        assert other == pytest.approx(one, rel=rel), name
    assert coarse.raised() == fine.raised()


def test_a_gcode_job_is_run_with_its_own_settings(tmp_path: Path) -> None:
    path = tmp_path / "lines.nc"
    path.write_text("""G21 G90
M302 P3
G4 P6
M3 S600
G1 X20 F480
M5
G0 X0 Y4
M3 S700
G1 X20 F600
M5
G0 X0 Y0 Z0.4
M3 S600
G1 X20 F480
M5
M30
""")
    made = build(Settings("ded-powder", parts=(str(path),)))
    assert any("working point of the file: 600 W" in note for note in made.notes)
    controller = made.emulator.controller
    program = next(iter(controller.programs.values()))  # type: ignore[union-attr]
    bench = DedBench(program).start().finish()
    assert bench.layer == 2
    speeds = [round(float(v) * 1e3, 3) for table in bench.passes for v in table["speed"]]
    metered = [float(v) for table in bench.passes for v in table["metered"]]
    assert speeds == [8.0, 10.0, 8.0]
    assert metered[1] / metered[0] == pytest.approx(700 / 600, rel=1e-6)


@pytest.mark.skipif(not REAL.exists(), reason="the file is not part of the project")
def test_the_real_file_builds() -> None:
    made = build(Settings("ded-powder", parts=(str(REAL),), fidelity="layer"))
    controller = made.emulator.controller
    program = next(iter(controller.programs.values()))  # type: ignore[union-attr]
    bench = DedBench(program, summary=True).start()
    bench.to("pass", 1, 4000)
    assert bench.layers()[0]["passes"] == 55
    assert bench.state is MachineState.BUILDING


@pytest.mark.parametrize(("text", "what"), [
    ("G1 X1", "bad.nc, line 1"), ("G0 X1", "no stroke"),
    ("M3 S300\nG1 X5000 F600", "larger than the machine")])
def test_bad_gcode_is_refused(tmp_path: Path, text: str, what: str) -> None:
    path = tmp_path / "bad.nc"
    path.write_text(text)
    with pytest.raises(ValueError, match=what):
        build(Settings("ded-powder", parts=(str(path),)))


def test_settings_that_cannot_be() -> None:
    with pytest.raises(SettingsError, match="melt_pool"):
        build(Settings("ded-powder", melt_pool="solver"))
    with pytest.raises(SettingsError, match="fidelity"):
        build(Settings("ded-powder", fidelity="batch"))


def test_the_extremes_of_the_stand_off_are_those_within_a_pass(tmp_path: Path) -> None:
    path = tmp_path / "cross.nc"
    path.write_text("G21 G90\nM3 S900\nG1 X40 F600\nM5\nG0 X20 Y-20\nM3 S900\nG1 Y20\nM5")
    made = build(Settings("ded-powder", parts=(str(path),)))
    program = next(iter(made.emulator.controller.programs.values()))  # type: ignore[union-attr]
    bench = DedBench(program).start().finish()
    (columns,), (layer,) = bench.passes, bench.layers()
    # The second pass crosses the first: for a bead's width the surface is nearer.
    assert columns["stand_off_low"][1] < columns["stand_off"][1] - 0.1e-3
    assert columns["stand_off_high"][1] == pytest.approx(columns["stand_off_high"][0], abs=1e-6)
    assert layer["stand_off_low"] == pytest.approx(columns["stand_off_low"][1], rel=1e-5)
    assert layer["stand_off_high"] > layer["stand_off"] > layer["stand_off_low"]

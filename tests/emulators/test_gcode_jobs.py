"""G-code on the wire machines: what of a file's own settings is used, and that it finishes."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from emulators.catalog import build
from emulators.controllers.states import MachineState
from emulators.settings import Built, Settings, SettingsError
from tests.wire_bench import WireBench

REAL = Path(__file__).parents[3] / "shared" / "parts" / "lens450_lines.gcode"
WIRE = ("ded-wire-laser", "ded-arc")


def _built(machine: str, path: Path, **more: str) -> Built:
    module = import_module(f"emulators.machines.{machine.replace('-', '_')}")
    made: Built = module.build(Settings(machine, parts=(str(path),), **more), lambda *_, **__: None)
    return made


def _bench(machine: str, made: Built, summary: bool = False) -> WireBench:
    controller = made.emulator.controller
    program = next(iter(controller.programs.values()))  # type: ignore[union-attr]
    return WireBench(machine, program, summary=summary)


def _wall(path: Path, power: float, feed: float, wire: float = 0.0, step: float = 1.4) -> Path:
    lines = ["G21 G90", f"M302 P{wire}" if wire else ""]
    for layer in range(3):
        lines += [f"G0 X0 Y0 Z{layer * step}", f"M3 S{power}", f"G1 X40 F{feed}", "M5"]
    path.write_text("\n".join(lines))
    return path


def test_a_file_made_for_wire_is_run_with_its_own_settings(tmp_path: Path) -> None:
    file = _wall(tmp_path / "wall.nc", power=3600, feed=540, wire=2.4)
    made = _built("ded-wire-laser", file)
    assert "working point: 9 mm/s, 2.4 m/min of wire, 3600 W" in made.notes
    bench = _bench("ded-wire-laser", made).start().finish()
    assert bench.layer == 3
    assert [layer["speed"] for layer in bench.layers()] == pytest.approx([9e-3] * 3)
    assert bench.controller.process.laser_power == pytest.approx(3600)
    assert bench.controller.process.wire_feed == pytest.approx(2.4 / 60)


def test_the_arc_takes_the_feed_and_tells_that_it_ignores_a_power(tmp_path: Path) -> None:
    made = _built("ded-arc", _wall(tmp_path / "wall.nc", power=900, feed=540, step=2.5))
    assert any("power (S900) of the file not used" in note and "voltage" in note
               for note in made.notes)
    bench = _bench("ded-arc", made).start().finish()
    assert [layer["speed"] for layer in bench.layers()] == pytest.approx([9e-3] * 3)
    # The wire goes with the speed, so that the bead stays as it is.
    assert bench.controller.process.wire_feed == pytest.approx(
        bench.controller.process.travel_speed * 7.2 / 60 / 9e-3, rel=1e-3)


@pytest.mark.parametrize("machine", WIRE)
def test_a_file_made_for_powder_is_run_at_the_recipes_working_point(
        machine: str, tmp_path: Path) -> None:
    made = _built(machine, _wall(tmp_path / "wall.nc", power=200, feed=240, wire=0.05, step=0.25))
    told = " ".join(made.notes)
    assert "power (S200)" in told
    assert "not used" in told
    assert "drawn to the recipe's" in told
    bench = _bench(machine, made).start().finish()
    assert bench.layer == 3
    assert bench.raised() == []


@pytest.mark.parametrize("machine", WIRE)
@pytest.mark.skipif(not REAL.exists(), reason="the file is not part of the project")
def test_the_real_file_finishes(machine: str) -> None:
    bench = _bench(machine, _built(machine, REAL, fidelity="layer"), summary=True).start()
    bench.until(lambda: bench.state in (MachineState.FINISHED, MachineState.SUSPENDED,
                                        MachineState.ABORTED), 20_000)
    assert (bench.state, bench.layer) == (MachineState.FINISHED, 5)
    assert bench.raised() == []


@pytest.mark.parametrize("machine", [*WIRE, "ded-powder"])
@pytest.mark.parametrize("extra", [{"lasers": 2}, {"pictures": True}])
def test_what_only_powder_bed_machines_have_is_refused(machine: str, extra: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=next(iter(extra))):
        build(Settings(machine, **extra))

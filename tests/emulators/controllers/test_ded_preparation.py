"""Deposition machines: preparation that does not end, powder that does not come, lost power."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from emulators.controllers.states import MachineState
from emulators.machines.ded_powder import build
from emulators.settings import Settings
from tests.ded_bench import DedBench, ded_program
from tests.wire_bench import WireBench, wire_job

MACHINES = ("ded-powder", "ded-wire-laser", "ded-arc")


def _bench(machine: str, **changes: Any) -> Any:
    if machine == "ded-powder":
        return DedBench(ded_program(layers=2, **changes))
    return WireBench(machine, wire_job(machine, layers=2, **changes))


@pytest.mark.parametrize(("machine", "fault", "value"), [
    ("ded-powder", "Gas.SupplyFailure", True), ("ded-wire-laser", "Nozzle.GasLoss", 100),
    ("ded-arc", "Torch.GasLoss", 100)])
def test_gas_that_does_not_come_holds_the_job_until_it_is_mended(
        machine: str, fault: str, value: Any) -> None:
    bench = _bench(machine).start().to("purge")
    bench.fault(fault, value)
    bench.to_state(MachineState.SUSPENDED, 2000)
    assert bench.raised() == ["PreparationSlow"]
    assert bench.controller.phase == "purge"
    bench.rest(60)
    bench.call("Service.MendGas")
    bench.job("Resume")
    bench.finish()
    assert bench.layer == 2


def test_resumed_without_mending_it_is_held_again() -> None:
    bench = _bench("ded-arc").start().to("purge")
    bench.fault("Torch.GasLoss", 100)
    bench.to_state(MachineState.SUSPENDED, 2000)
    bench.job("Resume")
    bench.rest(30)
    assert bench.state is MachineState.PREPARING
    bench.to_state(MachineState.SUSPENDED, 2500)


@pytest.mark.parametrize("phase", ["park", "cool"])
@pytest.mark.parametrize("machine", MACHINES)
def test_completion_goes_on_after_a_loss_of_power(machine: str, phase: str) -> None:
    bench = _bench(machine, thermal__unpack=330.0).start().to(phase)
    bench.fault("Safety.PowerLoss", True)
    bench.to_state(MachineState.SUSPENDED, 10)
    bench.rest(5)
    bench.fault("Safety.PowerLoss", False)
    bench.rest(2)
    bench.job("Resume")
    bench.rest(1)
    assert bench.state is MachineState.COMPLETING
    assert bench.controller.phase in (phase, "cool")
    assert bench.plant.chiller.run
    bench.finish()


def test_a_dead_hopper_holds_the_job_and_cleared_it_builds_full_height() -> None:
    good = _bench("ded-powder").start().finish().layers()
    bench = _bench("ded-powder").start().to("purge")
    bench.fault("Feeder.Hopper1.Clog", 100)
    bench.until(lambda: bench.state in (MachineState.SUSPENDED, MachineState.FINISHED), 2000)
    assert bench.state is MachineState.SUSPENDED
    assert bench.raised()[-1] == "PowderLost"
    assert bench.layer == 0
    bench.call("Service.ClearFeeder")
    bench.job("Resume")
    bench.finish()
    assert bench.layers()[-1]["height"] > 0.75 * good[-1]["height"]


def test_passes_without_feedstock_are_told(tmp_path: Path) -> None:
    path = tmp_path / "dry.nc"
    path.write_text("G21 G90\nM302 P0\nM3 S600\nG1 X20 F480\nM5\nM302 P3\nG0 X0 Y4\nM3 S600\n"
                    "G1 X20\nM5")
    made = build(Settings("ded-powder", parts=(str(path),)), lambda *_, **__: None)
    assert any("1 passes with no feedstock" in note for note in made.notes)

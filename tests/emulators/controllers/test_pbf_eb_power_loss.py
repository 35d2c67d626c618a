"""An electron beam machine that has been without power gets back to its layers."""

from __future__ import annotations

from math import inf
from pathlib import Path

from emulators.catalog import build
from emulators.controllers.states import MachineState
from plc_interfaces.host import Act, ActKind
from tests.machines import TRIALS


def test_cathodes_are_heated_again(tmp_path: Path) -> None:
    built = build(TRIALS["pbf-eb"].settings(tmp_path, 4))
    emulator = built.emulator
    emulator.pacer.set_factor(inf)

    def call(path: str, *arguments: str) -> None:
        emulator.submit(Act(ActKind.CALL, path, list(arguments)))

    def power(lost: bool) -> None:
        emulator.submit(Act(ActKind.FAULT, "Safety.PowerLoss", lost, source="instructor"))

    controller = emulator.controller
    assert controller is not None
    job = controller.children["Job"]

    def state() -> MachineState:
        return MachineState(controller.children["Machine"].state)

    call("Job.StoreAndStart", "JOB-0001", built.programs[0])
    emulator.run(lambda e: job.layer >= 2)
    power(True)
    emulator.run(emulator.time + 600.0)  # long enough for the bed to want its preheat again
    power(False)
    emulator.run(emulator.time + 30.0)
    call("Job.Resume", "JOB-0001")
    last = emulator.time + 7200.0
    emulator.run(lambda e: e.time > last or state() is MachineState.BUILDING)
    assert state() is MachineState.BUILDING

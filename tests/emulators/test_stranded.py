"""A job that waits for somebody ends a run in which nobody can come."""

from __future__ import annotations

from pathlib import Path

from emulators.controllers.states import MachineState as S
from emulators.runs import finished, stranded
from plc_interfaces.host import Act, ActKind
from tests.bench import Bench
from tests.machines import block, invoke, recipe


def test_a_held_job_is_stranded_unless_acts_are_to_come() -> None:
    bench = Bench().start().to("expose", 1)
    assert not stranded(bench.emulator)
    bench.job("Pause")
    bench.to_state(S.HELD)
    assert stranded(bench.emulator)
    assert not finished(bench.emulator)
    later = bench.emulator.scan_number + 100
    bench.emulator.script({later: [Act(ActKind.CALL, "Job.Resume", ["J1"])]})
    assert not stranded(bench.emulator)


def test_offline_it_ends_with_the_reason(tmp_path: Path) -> None:
    """Five times the powder that a thick layer needs: the supply does not last."""
    greedy = recipe(
        tmp_path, recoating__dosing_factor=5, recoating__speed=500, layer_thickness=200,
        atmosphere__purge_flow=400, temperature__preheat=30, temperature__unpack=90)
    code, lines, _ = invoke(
        "run", "pbf-lb", "--part", block(tmp_path, 1000), "--unit", "mm", "--recipe", greedy,
        "--speed", "max", "--offline", "--no-record", "--json")
    assert (code, lines[-1]["state"]) == (1, "suspended")
    assert lines[-1]["reason"] == "powder supply empty"

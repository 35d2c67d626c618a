"""Work by hand: it mends what is wrong, and only on a machine that stands."""

from __future__ import annotations

import pytest

from emulators.controllers.states import MachineState as S
from tests.bench import Bench, block, program
from twin.signals import Kind, Refused


def test_only_on_a_machine_that_stands() -> None:
    bench = Bench()
    works = [s.path for s in bench.emulator.table.of_kind(Kind.COMMAND)
             if s.path.startswith("Service.")]
    assert len(works) == 5
    for path in works:
        assert bench.call(path)
    bench.start().to("expose")
    for path in works:
        with pytest.raises(Refused, match="pause the job first"):
            bench.call(path)
    bench.job("Pause")
    for path in works:
        assert bench.call(path)
    bench.job("Resume")
    bench.finish()


def test_powder_is_refilled_in_a_held_job() -> None:
    bench = Bench().start().to("recoat", 1)
    bench.plant.recoater.powder_level = 0.011
    bench.to_state(S.SUSPENDED, 100)
    with pytest.raises(Refused, match="powder supply empty"):
        bench.job("Resume")
    bench.call("Service.RefillPowder")
    bench.rest(2).job("Resume")
    bench.finish()
    assert bench.layers()[-1]["covered"] == 1.0


def test_a_full_filter_is_changed_in_a_held_job() -> None:
    bench = Bench(program([block((4e-3, 4e-3, 6e-4))])).start().to("recoat", 1)
    bench.plant.gas.load(0.35)
    bench.to_state(S.SUSPENDED, 300)
    assert bench.read("Machine.Reason") == "process filter full"
    bench.call("Service.ChangeFilter")
    bench.rest(20).job("Resume")
    bench.finish()


def test_clean_windows_give_the_power_back() -> None:
    bench = Bench().start().to("lower", 1)
    usual = bench.layers()[-1]["power_mean"]
    bench.fault("Laser1.Contamination", 30)
    bench.plant.lasers[0].deposit = 0.1
    bench.to("lower", 2)
    assert bench.layers()[-1]["power_mean"] < 0.7 * usual
    bench.job("Pause")
    bench.call("Service.CleanWindows")
    bench.job("Resume")
    bench.to("lower", 3)
    assert bench.layers()[-1]["power_mean"] == pytest.approx(usual, rel=0.005)


@pytest.mark.parametrize("freed", [True, False])
def test_after_a_crash_the_recoater_must_be_freed(freed: bool) -> None:
    bench = Bench().start().to("lower", 2)
    bench.plant.recoater.protrusion = 90e-6
    bench.to_state(S.SUSPENDED, 60)
    if freed:
        bench.call("Service.FreeRecoater")
    bench.job("Resume")
    bench.until(lambda: bench.state is S.SUSPENDED or bench.layer > 2)
    assert (bench.state is S.SUSPENDED) is not freed


def test_a_new_blade_leaves_no_streak() -> None:
    bench = Bench().start().to("lower", 1)
    bench.fault("Recoater.BladeNick", 150)
    bench.to("lower", 2).job("Pause")
    assert bench.read("Recoater.BedStreak") > 40
    bench.call("Service.ChangeBlade")
    bench.job("Resume")
    bench.to("lower", 3)
    assert bench.read("Recoater.BedStreak") < 2

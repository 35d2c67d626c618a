"""What must not be bypassed or hidden: blind sensors, low water, air in the chamber, odd acts."""

from __future__ import annotations

import pytest

from emulators.controllers.states import MachineState as S
from plc_interfaces.host import Act, ActKind
from tests.bench import Bench
from twin.signals import Refused


def break_sensor(bench: Bench, path: str, kind: str | None) -> None:
    value = None if kind is None else {"kind": kind, "magnitude": 0.0}
    bench.emulator.submit(Act(ActKind.SENSOR_FAULT, path, value, "ines", "instructor"))
    bench.rest(0.1)


def test_dead_oxygen_cells_stop_the_laser() -> None:
    """A dead cell reads 0 ppm; that must not pass for pure argon."""
    bench = Bench().start().to("settle", 2)
    for path in ("Chamber.OxygenTop", "Chamber.OxygenBottom"):
        break_sensor(bench, path, "dropout")
    bench.to_state(S.SUSPENDED, 60)
    with pytest.raises(Refused, match="oxygen"):
        bench.job("Resume")
    for path in ("Chamber.OxygenTop", "Chamber.OxygenBottom"):
        break_sensor(bench, path, None)
    bench.until(lambda: not bench.controller.acting("B"))
    bench.job("Resume")
    bench.finish()


def test_purge_waits_for_a_living_cell() -> None:
    bench = Bench().start().to("purge")
    break_sensor(bench, "Chamber.OxygenTop", "dropout")
    bench.rest(1500)
    assert bench.controller.phase == "purge"


def test_low_water_cannot_be_reset_away() -> None:
    bench = Bench().start().to("settle", 1)
    bench.fault("Chiller.FlowLoss", 100)
    bench.to_state(S.ABORTED, 20)
    with pytest.raises(Refused, match="cooling water"):
        bench.call("Machine.Clear")
    assert not bench.read("Safety.ResetPossible")
    bench.fault("Chiller.FlowLoss", 0)
    bench.rest(10)
    bench.call("Machine.Clear")
    assert bench.rest(1).read("Safety.ChainClosed")


def test_every_job_begins_in_air() -> None:
    bench = Bench().start()
    bench.finish()
    bench.call("Job.StoreAndStart", "J2", bench.name)
    bench.to("purge")
    assert bench.rest(30).read("Chamber.OxygenBottom") > 50_000
    bench.until(lambda: bench.controller.phase == "preheat")
    assert bench.plant.chamber.oxygen < 5e-3


def test_an_open_door_lets_air_in() -> None:
    bench = Bench().start().to("settle", 1)
    before = bench.plant.chamber.oxygen
    bench.fault("Safety.DoorForced", True)
    bench.rest(60)
    assert before < 6e-3
    assert bench.plant.chamber.oxygen > 0.2


def test_a_command_takes_the_time_of_its_scan() -> None:
    """However long the controller was not scanned before."""
    bench = Bench().start().to("settle", 1)
    bench.job("Abort")
    bench.to_state(S.ABORTED, 10)
    bench.rest(500)
    bench.emulator.next_scan = bench.emulator.scan_number + 400
    bench.call("Machine.Clear")
    idle = [e for e in bench.events if e.message == "idle"]
    assert idle[-1].time == pytest.approx(bench.time, abs=1.0)


def test_what_is_no_text_does_no_harm() -> None:
    bench = Bench()
    peer = {"login": "BadUserAccessDenied", "peer": "\udcff"}
    bench.emulator.submit(Act(ActKind.AUDIT, "", peer, "\udcff\udcfe", "opcua"))
    bench.rest(1)
    with pytest.raises(Refused, match="printable"):
        bench.call("Job.Store", "x\0y", bench.name)


@pytest.mark.parametrize(("kind", "value"), [
    (ActKind.SPEED, float("inf")), (ActKind.SPEED, float("nan")), (ActKind.SPEED, -1.0),
    (ActKind.SPEED, True), (ActKind.STEP, 0), (ActKind.STEP, float("inf")),
])
def test_speeds_and_steps_out_of_range_are_refused(kind: ActKind, value: float) -> None:
    with pytest.raises(Refused, match="takes"):
        Bench().emulator.submit(Act(kind, "", value))


def test_refusals_do_not_flood_the_journal() -> None:
    emulator = Bench().emulator
    taken = 0
    for _ in range(1000):
        try:
            emulator.submit(Act(ActKind.AUDIT, "", {"refused": "role"}))
            taken += 1
        except Refused:
            pass
    assert 0 < taken < 200

"""Faults of the wire-laser machine, and those that both wire machines have."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from emulators.controllers.states import MachineState as S
from tests.wire_bench import WireBench, at_layer, wire_job
from twin.signals import Refused

LASER = "ded-wire-laser"
BOTH = ("ded-arc", "ded-wire-laser")


def stubbed(**changes: Any) -> WireBench:
    """More cold wire comes than the laser melts: it strikes solid metal and freezes there."""
    bench = at_layer(LASER, 2, wire_job(LASER, layers=5, **changes))
    with bench.closely():
        bench.watch("Bead.Transfer", "WireFeeder.MotorTorque", "WireFeeder.Speed",
                    "Head.Depositing")
        bench.rest(0.2)
        bench.write("Process.WireFeed", 9.5)
        bench.to_state(S.SUSPENDED, 10)
        bench.rest(0.6)
    return bench


def test_a_whole_job_cold_and_hot() -> None:
    cold = WireBench(LASER, wire_job(LASER, layers=5)).start().finish()
    assert cold.layer == 5
    assert cold.raised() == []
    assert cold.late("stubbing") < 0.05
    hot = WireBench(LASER, wire_job(LASER, "308L", layers=5)).start()
    hot.depositing()
    amps, feed = hot.read("HotWire.Current"), hot.read("WireFeeder.Speed")
    assert amps == pytest.approx(50.2 * feed**0.5, rel=0.03)
    assert 3.0 < hot.read("HotWire.Voltage") < 9.0
    hot.finish()
    assert hot.late("wire_temperature") > 1300
    # What the heated wire buys: more metal in less laser time.
    rates = [b.late("volume") / b.late("work") for b in (cold, hot)]
    assert rates[1] > 1.8 * rates[0]


def test_wire_stub_in_order_and_held() -> None:
    bench = stubbed()
    stub = next(t for t, v in bench.traces["Bead.Transfer"] if v == 3)
    torque = next(t for t, v in bench.traces["WireFeeder.MotorTorque"] if v > 0.27)
    stuck = next(t for t, v in bench.traces["WireFeeder.MotorTorque"] if v > 1.0)
    held = next(t for t, v in bench.traces["Head.Depositing"] if not v)
    assert stub <= torque < stuck <= held
    assert "wire stub: the wire strikes solid metal" in bench.happened()
    assert bench.raised()[-1] == "WireStub"
    assert not bench.plant.laser.enable
    assert bench.plant.feeder.stuck == ""  # torn free by the retraction


def test_wire_stub_answered_rightly_saves_the_build() -> None:
    bench = stubbed()
    bench.write("Process.WireFeed", 2.72)
    bench.work("DressStop")
    bench.job("Resume")
    bench.finish()
    assert bench.layer == 5
    assert bench.late("stubbing", 2) < 0.05


def test_wire_stub_not_retracted_ends_the_build() -> None:
    bench = stubbed(wire__retract=3e-3)
    assert bench.plant.feeder.stuck == "bead"
    bench.write("Process.WireFeed", 2.72)
    bench.work("DressStop")
    bench.job("Resume")
    bench.to_state(S.ABORTED, 300)
    assert "RestartFailed" in bench.raised()


def test_retracted_too_far_the_wire_is_out_of_its_tip() -> None:
    bench = stubbed(wire__retract=40e-3)
    bench.rest(1)
    assert not bench.read("WireFeeder.AtTip")
    bench.write("Process.WireFeed", 2.72)
    with pytest.raises(Refused, match="no wire"):
        bench.job("Resume")
    bench.work("CutWire", "DressStop").rest(1)
    bench.job("Resume")
    bench.finish()
    assert bench.layer == 5


def dirty(regulate: bool) -> WireBench:
    bench = at_layer(LASER, 2, wire_job(LASER, layers=6, laser__regulate=regulate))
    bench.watch("Laser.WindowScatter", "Pool.Correction", "Pool.Temperature",
                "Laser.WindowTemperature", "Laser.PowerMeter", "Pool.Width")
    bench.rest(0.1)
    bench.fault("Laser.Contamination", 18.0)
    return bench


def test_dirty_window_the_regulator_must_not_hide() -> None:
    bench = dirty(regulate=True)
    bench.to_state(S.SUSPENDED, 600)
    order = bench.raised()
    assert order.index("WindowDirty") < order.index("PoolSaturated")
    scatter = bench.departs("Laser.WindowScatter", 0.5)
    assert scatter <= bench.departs("Pool.Correction", 0, 5) < float("inf")
    assert scatter <= bench.departs("Laser.WindowTemperature", 0.2) < float("inf")
    bench.work("ChangeWindow")
    bench.job("Resume")
    bench.finish()
    assert bench.layer == 6
    assert abs(bench.late("correction", 2)) < 0.12
    told = bench.layers()
    assert told[-1]["width"] > 0.95 * told[1]["width"]


def test_dirty_window_unregulated_makes_a_narrow_pool_at_steady_power() -> None:
    bench = dirty(regulate=False)
    before = bench.layers()[1]
    bench.finish()
    after = bench.layers()[-1]
    assert "WindowDirty" in bench.raised()
    meter = [v for t, v in bench.traces["Laser.PowerMeter"] if v > 100]
    assert np.ptp(meter) < 0.01 * meter[0]  # before the window: it sees nothing
    assert after["power"] < 0.85 * before["power"]
    assert after["width"] < 0.97 * before["width"]


def test_power_drift_shows_at_the_pick_off() -> None:
    bench = at_layer(LASER, 2, wire_job(LASER, layers=6, laser__regulate=False))
    power, width = bench.read("Laser.PowerMeter"), bench.read("Pool.Width")
    scatter = bench.read("Laser.WindowScatter")
    bench.fault("Laser.PowerDrift", 25.0)
    with bench.closely():
        bench.rest(0.15)
        assert bench.read("Laser.PowerMeter") == pytest.approx(0.75 * power, rel=0.02)
        assert bench.read("Pool.Width") > 0.95 * width  # the pool takes its time
        bench.rest(1.5)
    assert bench.read("Pool.Width") < 0.93 * width
    assert bench.read("Laser.WindowScatter") == pytest.approx(scatter, abs=0.4)
    with pytest.raises(Refused, match="working"):
        bench.call("Service.Calibrate")
    bench.job("Pause")
    bench.work("Calibrate")
    bench.job("Resume")
    bench.finish()
    assert bench.layers()[-1]["power"] == pytest.approx(bench.layers()[1]["power"], rel=0.02)


def test_hot_wire_too_hot_fuses_and_too_cold_stubs() -> None:
    bench = at_layer(LASER, 1, wire_job(LASER, "308L", layers=5))
    bench.watch("HotWire.Voltage", "Bead.ContactShare", "Bead.Transfer")
    bench.fault("HotWire.CurrentError", 25.0)
    bench.to_state(S.SUSPENDED, 60)
    assert "the hot wire has melted before the pool" in bench.happened()
    assert "HotWireFused" in bench.raised()
    assert max(v for _, v in bench.traces["HotWire.Voltage"]) > 9
    assert 4 in [v for _, v in bench.traces["Bead.Transfer"]]
    bench.work("Calibrate", "DressStop")
    bench.job("Resume")
    bench.finish()
    assert bench.layer == 5
    cold = at_layer(LASER, 1, wire_job(LASER, "308L", layers=5, laser__power=4300.0,
                                       laser__regulate=False))
    cold.fault("HotWire.CurrentError", -50.0)
    cold.to_state(S.SUSPENDED, 60)
    assert cold.raised()[-1] == "WireStub"


def test_height_left_alone_drifts_until_the_wire_drips_and_is_off() -> None:
    loose: dict[str, Any] = {"layers": 14, "wire__height_control": False,
                             "wire__track_surface": False}
    bench = WireBench(LASER, wire_job(LASER, **loose)).start().to("pass", 2)
    bench.fault("WireFeeder.Slip", 35.0)
    bench.to_state(S.SUSPENDED, 9000)
    order = [name for name in bench.raised() if name.startswith("Wire")]
    assert order == ["WireSlips", "WireDrips", "WireOff"]
    held = WireBench(LASER, wire_job(LASER, **{**loose, "layers": 6})).start().to("pass", 2)
    held.fault("WireFeeder.Slip", 35.0)
    held.until(lambda: "WireSlips" in held.raised(), 600)
    held.job("Pause")
    held.work("ServiceFeeder")
    held.job("Resume")
    held.finish()
    assert "WireOff" not in held.raised()


# -- both machines ----------------------------------------------------------------------------


@pytest.mark.parametrize("machine", BOTH)
def test_spool_runs_out(machine: str) -> None:
    full = {"ded-arc": 18.0, "ded-wire-laser": 15.0}[machine]
    bench = WireBench(machine, wire_job(machine, layers=5))
    bench.fault("WireFeeder.SpoolMissing", full - {"ded-arc": 0.06, LASER: 0.03}[machine])
    bench.start()
    bench.watch("WireFeeder.SpoolMass", "WireFeeder.WirePresent", "WireFeeder.Speed")
    bench.to_state(S.SUSPENDED, 3000)
    order = bench.raised()
    assert order.index("SpoolLow") < order.index("SpoolEmpty")
    gone = next(t for t, v in bench.traces["WireFeeder.WirePresent"] if not v)
    light = next(t for t, v in bench.traces["WireFeeder.SpoolMass"] if v < 0.028)
    assert light < gone
    with pytest.raises(Refused, match="no wire"):
        bench.job("Resume")
    bench.fault("WireFeeder.SpoolMissing", 0.0)
    bench.work("ChangeSpool", "DressStop").rest(1)
    bench.job("Resume")
    bench.finish()
    assert bench.layer == 5


@pytest.mark.parametrize("machine", BOTH)
def test_slip_is_seen_and_mended(machine: str) -> None:
    bench = at_layer(machine, 2, wire_job(machine, layers=6))
    bench.watch("WireFeeder.Speed", "WireFeeder.MotorSpeed")
    bench.fault("WireFeeder.Slip", 15.0)
    bench.until(lambda: "WireSlips" in bench.raised(), 600)
    assert bench.read("WireFeeder.Speed") < 0.9 * bench.read("WireFeeder.MotorSpeed")
    bench.job("Pause")
    bench.work("ServiceFeeder", "DressStop")
    bench.job("Resume")
    bench.finish()
    assert bench.layer == 6


def test_layers_too_high_end_in_a_collision() -> None:
    # Of the arc machine: a laser's wire strikes long before the head does.
    machine = "ded-arc"
    loose: dict[str, Any] = {"layers": 14, "wire__height_control": False,
                             "wire__track_surface": False}
    bench = WireBench(machine, wire_job(machine, **loose)).start().to("pass", 2)
    bench.fault("Head.StepError", -85.0)
    bench.write("Process.Monitoring", False)
    bench.until(lambda: bench.state in (S.ABORTED, S.SUSPENDED, S.FINISHED), 9000)
    assert bench.state is S.ABORTED
    order = bench.raised()
    assert order.index("StandOffNear") < order.index("Collision")
    assert bench.read("Safety.FirstOut") == 8
    # Answered at the warning: the z axis mended, the head gets away from the part.
    saved = WireBench(machine, wire_job(machine, **loose)).start().to("pass", 2)
    saved.fault("Head.StepError", -45.0)
    saved.write("Process.Monitoring", False)
    saved.until(lambda: "StandOffNear" in saved.raised(), 9000)
    saved.fault("Head.StepError", 0.0)
    saved.write("Process.LayerStep", round(1.4 * saved.read("Process.LayerStep"), 3))
    saved.finish()
    assert "Collision" not in saved.raised()


def test_chiller_loss_puts_the_laser_out() -> None:
    bench = at_layer(LASER, 2, wire_job(LASER, layers=5))
    bench.watch("Chiller.Flow", "Laser.Emitting")
    begun = bench.time
    bench.fault("Chiller.FlowLoss", 100.0)
    with bench.closely():
        bench.until(lambda: bench.state in (S.SUSPENDED, S.ABORTED), 5)
        bench.rest(0.2)
    bench.ordered("Chiller.Flow", "Laser.Emitting", share=0.1, floor=0.05)
    assert bench.departs("Laser.Emitting", 0.5) - begun < 1.0


@pytest.mark.parametrize("machine", BOTH)
def test_the_same_run_looked_at_and_not(machine: str) -> None:
    runs = []
    for closely in (False, True):
        bench = WireBench(machine, wire_job(machine, layers=3), every_scan=closely)
        bench.start().to("pass", 1)
        bench.fault("WireFeeder.Slip", 12.0)
        bench.finish()
        runs.append((bench.layers(), bench.raised()))
    assert runs[0] == runs[1]


@pytest.mark.parametrize("machine", BOTH)
def test_layer_fidelity_builds_nearly_the_same(machine: str) -> None:
    fine, coarse = (WireBench(machine, wire_job(machine, layers=4), summary=summary).start()
                    .finish() for summary in (False, True))
    for name, share in (("volume", 0.06), ("height", 0.06), ("duration", 0.03), ("width", 0.05)):
        assert coarse.late(name) == pytest.approx(fine.late(name), rel=share), name
    assert fine.raised() == coarse.raised()

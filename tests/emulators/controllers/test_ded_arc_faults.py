"""Faults of the arc machine: their signals in order, the right answer and a wrong one."""

from __future__ import annotations

from typing import Any

import pytest

from emulators.controllers.states import MachineState as S
from tests.wire_bench import WireBench, at_layer, wire_job
from twin.signals import Refused

ARC = "ded-arc"
ELECTRICAL = ("Arc.Voltage", "Arc.Current", "WireFeeder.MotorTorque")


def stubbed(**changes: Any) -> WireBench:
    """The voltage falls so low that more wire comes than melts; the job is held."""
    bench = at_layer(ARC, 2, wire_job(ARC, layers=5, **changes))
    with bench.closely():
        bench.rest(0.3)
        bench.watch(*ELECTRICAL, "Arc.ShortCircuit")
        bench.rest(0.1)
        bench.fault("Arc.VoltageError", -9.0)
        bench.to_state(S.SUSPENDED, 5)
        bench.rest(0.6)
    return bench


def test_a_whole_job() -> None:
    bench = WireBench(ARC, wire_job(ARC, layers=5)).start().finish()
    assert bench.layer == 5
    assert bench.raised() in ([], ["HeightSaturated"])
    assert bench.late("current") == pytest.approx(285, rel=0.1)
    assert bench.late("height_spread") < 1.5e-3
    assert bench.plant.meter.feedstock == pytest.approx(
        bench.plant.meter.built_volume * 7850, rel=0.05)  # spatter, run-in


def test_wire_stub_in_order_and_held() -> None:
    bench = stubbed()
    volts, amps, torque = (bench.traces[path] for path in ELECTRICAL)
    start = volts[0][0]
    fell = next(t for t, v in volts if v < 10)
    rose = next(t for t, a in amps if a > 380)
    strained = next(t for t, n in torque if n > 0.35)
    assert start < fell <= rose <= strained
    # The welding monitor saw it in milliseconds, before any scan.
    stub = next(e for e in bench.events if e.message.startswith("wire stub"))
    assert stub.message == "wire stub: feed above melting rate"
    assert bench.raised()[-1] == "WireStub"
    assert not bench.plant.source.enable
    assert bench.read("Arc.Current") < 5
    assert bench.plant.feeder.stuck == ""
    assert 0 < bench.read("Head.Progress") < 100


def test_wire_stub_answered_rightly_saves_the_build() -> None:
    bench = stubbed().work("MendSource", "DressStop")
    dressed = next(e for e in bench.events if e.message == "stop dressed")
    assert dressed.fields["volume"] > 5e-9  # lump and bead end, mm3
    bench.job("Resume")
    bench.finish()
    assert bench.layer == 5
    assert bench.late("height_spread", 1) < 1.6e-3


def test_wire_stub_not_dressed_leaves_a_bump() -> None:
    # With the feed's regulator off, which would level some of it.
    good = stubbed(wire__height_control=False).work("MendSource", "DressStop")
    bump = stubbed(wire__height_control=False).work("MendSource")
    for bench in (good, bump):
        bench.job("Resume")
        bench.to("dwell", 3)
    spreads = [bench.layers()[-1]["height_spread"] for bench in (good, bump)]
    assert spreads[1] > 1.03 * spreads[0]
    assert max(bump.plant.head.profile) > max(good.plant.head.profile) + 0.15e-3


def test_wire_stub_without_retraction_ends_the_build() -> None:
    bench = stubbed(wire__retract=0.0)
    bench.rest(3)
    assert bench.plant.feeder.stuck == "bead"
    bench.work("MendSource")
    bench.job("Resume")
    bench.to_state(S.ABORTED, 200)
    assert "RestartFailed" in bench.raised()
    assert "wire stub: the wire sticks" in bench.happened()
    # Had somebody cut the wire, it would have gone on.
    other = stubbed(wire__retract=0.0)
    other.rest(3)
    other.work("MendSource", "CutWire", "DressStop")
    other.job("Resume")
    other.finish()
    assert other.layer == 5


def test_arc_loss_in_order() -> None:
    bench = at_layer(ARC, 2, wire_job(ARC, layers=5))
    with bench.closely():
        bench.watch("Arc.Voltage", "Arc.Current", "Arc.ArcMissing", "Head.Depositing")
        bench.rest(0.1)
        bench.fault("Arc.ArcDisturbance", True)
        bench.to_state(S.SUSPENDED, 5)
        bench.rest(0.2)
    assert max(v for _, v in bench.traces["Arc.Voltage"]) > 55  # open circuit
    bench.ordered("Arc.Voltage", "Arc.Current", "Head.Depositing", share=0.4, floor=0.5)
    assert bench.raised()[-1] == "SourceLost"
    assert "arc lost: blown out" in bench.happened()
    # Resumed while the cause is there, the source fails again at once: the job ends.
    bench.job("Resume")
    bench.to_state(S.ABORTED, 200)
    assert "RestartFailed" in bench.raised()


def test_arc_loss_answered_rightly_saves_the_build() -> None:
    bench = at_layer(ARC, 2, wire_job(ARC, layers=5))
    bench.fault("Arc.ArcDisturbance", True)
    bench.to_state(S.SUSPENDED, 5)
    place = bench.read("Head.Progress")
    bench.work("MendSource", "DressStop")
    bench.job("Resume")
    bench.depositing(0.1)
    assert bench.read("Head.Progress") < place  # with overlap
    bench.finish()
    assert bench.layer == 5


def test_cold_start_stubs_at_the_beginning_of_a_pass() -> None:
    bench = WireBench(ARC, wire_job(ARC, layers=4)).start()
    bench.to("dwell", 1)
    bench.fault("Arc.IgnitionFailure", True)
    bench.to_state(S.SUSPENDED, 400)
    assert "wire stub: cold start" in bench.happened()
    bench.work("MendSource")
    bench.job("Resume")
    bench.finish()
    assert bench.layer == 4


def test_unwatched_the_head_goes_on_without_metal() -> None:
    watched = WireBench(ARC, wire_job(ARC, layers=5)).start().finish()
    bench = at_layer(ARC, 2, wire_job(ARC, layers=5))
    bench.write("Process.Monitoring", False)
    bench.fault("Arc.ArcDisturbance", True)
    bench.to("dwell", 3)
    layer = bench.layers()[-1]
    assert layer["volume"] < 0.7 * watched.layers()[2]["volume"]
    assert layer["profile_low"] < watched.layers()[2]["profile_low"] - 1e-3


def test_tip_distance_drifts_until_the_gas_is_lost() -> None:
    drift = {"layers": 14, "wire__height_control": False, "wire__track_surface": False}
    bench = WireBench(ARC, wire_job(ARC, **drift)).start().to("pass", 2)
    bench.fault("Head.StepError", 60.0)
    bench.until(lambda: "BeadOxidised" in bench.raised(), 1500)
    told = bench.layers()
    assert told[-1]["current"] < told[1]["current"] - 15  # farther away: less current
    assert told[-1]["stand_off"] > told[1]["stand_off"] + 5e-3
    order = bench.raised()
    assert order.index("StandOffFar") < order.index("BeadOxidised")
    # Answered at the first alarm: the regulator adds wire, and the gap stays.
    held = WireBench(ARC, wire_job(ARC, **drift)).start().to("pass", 2)
    held.fault("Head.StepError", 20.0)
    held.write("Process.HeightControl", True)
    held.finish()
    assert "BeadOxidised" not in held.raised()
    assert held.late("porosity") < 1e-3


def test_interpass_temperature_runs_away_without_dwell() -> None:
    rush = {"layers": 10, "size": (44e-3, 24e-3), "thermal__adaptive": False,
            "thermal__dwell": 0.0, "wire__height_control": False}
    bench = WireBench(ARC, wire_job(ARC, **rush)).start()
    bench.to_state(S.SUSPENDED, 3000)
    told = bench.layers()
    warm = [layer["interpass_temperature"] for layer in told]
    width = [layer["width"] for layer in told]
    assert warm == sorted(warm)
    assert width[-1] > 1.3 * width[0]
    low = [1.5 * layer["area"] / layer["width"] for layer in told]  # of a parabola
    assert low[-1] < 0.8 * low[0]
    order = bench.raised()
    assert order.index("InterpassHigh") < order.index("InterpassRunaway")
    # Answered at the warning by adaptive dwell, it cools and the beads are as they were.
    saved = WireBench(ARC, wire_job(ARC, **rush)).start()
    saved.until(lambda: "InterpassHigh" in saved.raised(), 3000)
    saved.write("Process.AdaptiveDwell", True)
    saved.finish()
    assert "InterpassRunaway" not in saved.raised()
    assert saved.late("interpass_temperature") < warm[-1] - 200


def test_shielding_lost() -> None:
    bench = at_layer(ARC, 2, wire_job(ARC, layers=5))
    bench.watch("Torch.GasFlow", "Bead.Discolouration")
    bench.fault("Torch.GasLoss", 80.0)
    with bench.closely():
        bench.to_state(S.SUSPENDED, 30)
        bench.rest(0.2)
    bench.ordered("Torch.GasFlow", "Bead.Discolouration", share=0.2, floor=0.1)
    assert "ShieldLow" in bench.raised()
    with pytest.raises(Refused, match="shielding gas low"):
        bench.job("Resume")
    bench.work("MendGas").rest(5)
    bench.job("Resume")
    bench.finish()
    assert bench.late("porosity") < 1e-3
    # The wrong answer: the limit lowered, and on without gas.
    wrong = at_layer(ARC, 2, wire_job(ARC, layers=5))
    wrong.write("Process.ShieldLow", 0.0)
    wrong.fault("Torch.GasLoss", 80.0)
    wrong.finish()
    assert "BeadOxidised" in wrong.raised()
    assert wrong.late("porosity") > 0.02
    assert sum(layer["defects"] for layer in wrong.layers()) > 10


def test_draught_oxidises_though_the_flow_is_there() -> None:
    bench = at_layer(ARC, 2, wire_job(ARC, layers=5))
    bench.fault("Torch.Draught", 3.5)
    bench.finish()
    assert "BeadOxidised" in bench.raised()
    assert "ShieldLow" not in bench.raised()
    assert bench.late("porosity") > 0.01


def test_chiller_loss_puts_the_arc_out() -> None:
    bench = at_layer(ARC, 2, wire_job(ARC, layers=5))
    bench.watch("Chiller.Flow", "Arc.ArcEstablished")
    begun = bench.time
    bench.fault("Chiller.FlowLoss", 100.0)
    with bench.closely():
        bench.until(lambda: bench.state in (S.SUSPENDED, S.ABORTED), 5)
        bench.rest(0.2)
    bench.ordered("Chiller.Flow", "Arc.ArcEstablished", share=0.1, floor=0.05)
    assert bench.departs("Arc.ArcEstablished", 0.5) - begun < 1.0

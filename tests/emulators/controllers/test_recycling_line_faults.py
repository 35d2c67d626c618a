"""Faults of the recycling line: signals in their order, the program's answer, the lot."""

from __future__ import annotations

import numpy as np
import pytest

from emulators.controllers.states import MachineState
from tests.recycling_bench import RecyclingBench, finished, out, program
from twin.signals import Refused

OXYGEN = ("Line.OxygenA", "Line.OxygenB")


# -- sieve ------------------------------------------------------------------------------------


def steady() -> RecyclingBench:
    """A sieve that has found its rate."""
    bench = RecyclingBench(program(stock__used=30.0, blending__use=False)).start()
    bench.to("sieve").rest(180)
    return bench


def test_sieving_starts_goes_on_evenly_and_decays() -> None:
    """The three stages of sieving (Materials 17, 3382): the deck fills, is even, runs empty."""
    bench = RecyclingBench(program(stock__used=30.0, blending__use=False)).start()
    bench.to("sieve")
    bench.watch("Sieve.ProductRate", "Sieve.Product", "Sieve.Remaining", "Sieve.DeckLoad")
    bench.until(lambda: any(o.name == "sieve" for o in bench.operations), 5000)
    began = bench.traces["Sieve.Product"][0][0]
    fed = next(t for t, v in bench.traces["Sieve.Remaining"] if t > began + 10 and v <= 0.002)
    rate, product, load = (np.array(bench.traces[f"Sieve.{name}"])
                           for name in ("ProductRate", "Product", "DeckLoad"))
    even = (rate[:, 0] > began + 0.4 * (fed - began)) & (rate[:, 0] < fed - 10)
    steady = rate[even, 1].mean()
    assert rate[even, 1].std() < 0.03 * steady
    early = rate[(rate[:, 0] > began + 4) & (rate[:, 0] < began + 40), 1]
    assert early[0] < 0.5 * steady
    assert (np.diff(early[::20]) > 0).all()
    # Even means: what has passed grows in a straight line.
    line = np.polyfit(*product[even].T, 1)
    assert np.abs(np.polyval(line, product[even, 0]) - product[even, 1]).max() < 0.05
    # After the last feed the rate falls; what lies there at the end is coarser than the mesh.
    late = rate[:, 0] > fed + 4
    assert rate[late, 1][-1] < 0.1 * steady
    assert load[-1, 1] < 0.6 * load[even, 1].mean()
    assert bench.operation("sieve").outputs[1].d50 > 63e-6


def test_blinding_shows_in_rate_then_load_then_oversize_and_is_answered() -> None:
    bench = steady()
    paths = ("Sieve.ProductRate", "Sieve.DeckLoad", "Sieve.OversizeRate")
    bench.watch(*paths)
    bench.fault("Sieve.Blinding", 60.0)
    bench.until(lambda: bench.controller.batch.deblinded == 1, 2000)
    rate, load, oversize = (bench.departs(path, floor=reach) for path, reach in zip(
        paths, (15.0, 0.2, 5.0), strict=True))
    assert rate < load < oversize < float("inf")
    # Feed cut, full ultrasound, then the oversize goes back to the feed, slower.
    bench.rest(5)
    assert "SieveBlinding" in bench.raised()
    assert bench.read("Sieve.Feed") == 0
    assert bench.read("Sieve.Ultrasonic") == 100
    lying = bench.read("Sieve.Oversize")
    bench.until(lambda: bench.controller.deblinding < 0, 2000)
    bench.rest(2)
    assert bench.read("Sieve.Oversize") < 0.2 * lying
    assert bench.read("Sieve.Feed") == pytest.approx(70)


def test_blinding_unanswered_sends_product_to_the_oversize() -> None:
    blinded, answered = steady(), steady()
    for bench in (blinded, answered):
        bench.fault("Sieve.Blinding", 40.0)
    blinded.controller.BLINDED = (0.0, 9.0)
    for bench in (blinded, answered):
        bench.until(lambda b=bench: b.operations[-1].name == "sieve"
                    or b.state is MachineState.SUSPENDED, 20_000)
    assert blinded.state is MachineState.BUILDING
    sieved = blinded.operation("sieve").outputs
    assert sieved[1].mass > 0.2 * sieved[0].mass
    # Product that the mesh would have passed is in there.
    assert sieved[1].d50 < 63e-6
    assert answered.controller.batch.deblinded >= 1


def test_a_mesh_that_stays_blinded_holds_the_line_until_it_is_cleaned() -> None:
    bench = steady()
    bench.fault("Sieve.Blinding", 200.0)
    bench.to_state(MachineState.SUSPENDED)
    assert bench.raised()[-1] == "SieveBlinded"
    assert bench.call("Service.CleanMesh") == "mesh cleaned"
    bench.job("Resume")
    bench.finish()
    assert bench.balance() < 1e-9
    assert out(bench).mass > 22


def test_lost_ultrasound_is_told_and_the_mesh_blinds() -> None:
    bench = steady()
    bench.fault("Sieve.UltrasonicLoss", 100.0)
    bench.until(lambda: bench.controller.batch.deblinded == 1, 3000)
    bench.rest(1)
    raised = bench.raised()
    assert raised.index("UltrasonicLow") < raised.index("SieveBlinding")


def test_a_torn_mesh_is_seen_by_the_laboratory_alone() -> None:
    torn = finished(at="sieve", fault=("Sieve.Torn", 30.0), stock__coarse=0.08)
    sound = finished(stock__coarse=0.08)
    assert torn.raised() == ["BatchHeld"]
    assert sound.read("Batch.Decision") == "released"
    assert torn.read("Batch.Decision") == "hold"
    assert "oversize" in torn.read("Batch.Reason")
    assert out(torn).d90 > 1.05 * out(sound).d90


# -- gas and dust -----------------------------------------------------------------------------


def test_a_leak_moves_a_then_b_and_is_purged_in_a_hold() -> None:
    bench = RecyclingBench(program()).start()
    bench.to("dry").rest(60)
    bench.watch(*OXYGEN)
    bench.fault("Line.Leak", 60.0)
    bench.to_state(MachineState.SUSPENDED)
    bench.ordered(*OXYGEN, floor=500)
    raised = bench.raised()
    assert raised[0] == "OxygenRising"
    assert {"OxygenHigh", "AnalysersDisagree"} & set(raised)
    assert bench.read("Line.PurgeFlow") == pytest.approx(800)
    assert bench.read("Dryer.Heat") is False
    assert bench.read("Safety.DoorLocked") is True
    bench.call("Service.TightenLine")
    bench.rest(600)
    bench.job("Resume")
    bench.finish()
    # Whatever the laboratory finds, twice: it was under bad gas.
    assert bench.read("Batch.Decision") == "hold"
    assert "bad gas" in bench.read("Batch.Reason") or "oxygen" in bench.read("Batch.Reason")
    assert bench.read("Laboratory.Repeats") == 2


def test_hot_powder_takes_up_oxygen_from_bad_gas() -> None:
    clean, bad = (RecyclingBench(program(drying__temperature=393.15, drying__time=3600.0)).start()
                  for _ in range(2))
    bad.to("dry")
    bad.fault("Line.Leak", 12.0)
    for bench in (clean, bad):
        bench.until(lambda b=bench: any(o.name == "dry" for o in b.operations)
                    or b.state is MachineState.SUSPENDED, 30_000)
        if bench.state is MachineState.SUSPENDED:
            bench.call("Service.TightenLine")
            bench.rest(1200)
            bench.job("Resume")
            bench.until(lambda b=bench: any(o.name == "dry" for o in b.operations))
    gained = [b.operation("dry").gained["O"] / b.operation("dry").inputs[0].mass
              for b in (clean, bad)]
    assert gained[1] > gained[0] + 3e-6


def test_a_large_leak_opens_the_hard_wired_chain_when_both_see_it() -> None:
    bench = RecyclingBench(program()).start()
    bench.to("sieve").rest(20)
    bench.watch(*OXYGEN)
    # The program is slow here: its own limits are out of the way.
    bench.controller.process.oxygen_limit = 0.05
    bench.controller.process.disagree_limit = 0.1
    bench.controller.look = lambda: {}
    bench.fault("Line.Leak", 2000.0)
    bench.to_state(MachineState.ABORTED)
    bench.ordered(*OXYGEN, floor=2000)
    assert bench.read("Safety.FirstOut") == 12
    assert bench.read("Line.SafePurge") is True
    assert bench.read("Sieve.Run") is False
    trip = next(e.time for e in bench.events if e.kind == "interlock")
    both = max(next(t for t, value in bench.traces[path] if value > 19_500) for path in OXYGEN)
    assert trip == pytest.approx(both, abs=2)
    with pytest.raises(Refused, match="first out: oxygen"):
        bench.call("Machine.Clear")
    bench.call("Service.TightenLine")
    bench.rest(1200)
    bench.call("Machine.Clear")
    bench.rest(1)
    assert bench.operation("turn out").outputs[0].status == "hold"
    assert bench.balance() < 1e-9


def test_two_analysers_that_disagree_are_a_fault() -> None:
    bench = RecyclingBench(program()).start()
    bench.to("dry").rest(60)
    bench.fault("Line.CellDrift", 8000.0)
    bench.to_state(MachineState.SUSPENDED)
    assert "AnalysersDisagree" in bench.raised()
    assert "OxygenHigh" not in bench.raised()
    bench.rest(2)
    assert bench.read("Line.PurgeFlow") == pytest.approx(800)
    assert bench.read("Dryer.Heat") is False
    assert bench.read("Dryer.Run") is False
    assert bench.read("Safety.DoorLocked") is True
    # Purging does not make a wrong analyser right.
    bench.rest(600)
    with pytest.raises(Refused, match="disagree"):
        bench.job("Resume")
    bench.call("Service.ChangeAnalyser")
    bench.rest(120)
    bench.job("Resume")
    bench.finish()
    assert bench.read("Batch.Decision") == "hold"
    assert "bad gas" in bench.read("Batch.Reason")
    assert bench.read("Laboratory.Repeats") == 2


def test_after_the_retest_an_engineer_may_let_the_batch_go() -> None:
    bench = RecyclingBench(program()).start()
    bench.write("Process.RetestReleases", True)
    bench.to("dry").rest(60)
    bench.sensor_fault("Line.OxygenB", "bias", 8000.0)
    bench.to_state(MachineState.SUSPENDED)
    bench.sensor_fault("Line.OxygenB", None)
    bench.rest(120)
    bench.job("Resume")
    bench.finish()
    assert bench.read("Batch.Decision") == "released"


def test_a_blind_analyser_leaves_the_voter_without_effect_and_is_noticed() -> None:
    bench = RecyclingBench(program()).start()
    bench.to("sieve").rest(10)
    bench.fault("Line.CellDrift", -100_000.0)
    bench.fault("Line.Leak", 40.0)
    bench.to_state(MachineState.SUSPENDED)
    assert bench.read("Safety.ChainClosed") is True
    assert bench.read("Line.OxygenB") == 0


@pytest.mark.parametrize(("fault", "number", "alarm", "mend"), [
    ("Bonding.EarthFault", 13, "EarthLost", "Service.RestoreEarth"),
    ("Bonding.IsolationFailure", 15, "IsolationLost", "Service.RepairIsolation"),
])
def test_earth_and_isolation_open_the_chain_at_once(
    fault: str, number: int, alarm: str, mend: str
) -> None:
    bench = RecyclingBench(program()).start()
    bench.to("sieve").rest(20)
    bench.fault(fault, True)
    began = bench.time
    bench.to_state(MachineState.ABORTED, 5)
    assert bench.time - began < 0.2
    assert bench.read("Safety.FirstOut") == number
    assert alarm in bench.raised()
    assert "SafetyChain" in bench.raised()
    with pytest.raises(Refused, match="kept open"):
        bench.call("Machine.Clear")
    bench.call(mend)
    bench.call("Machine.Clear")
    assert bench.state is MachineState.IDLE


def test_a_torn_filter_lets_dust_through_before_the_switch_opens() -> None:
    bench = RecyclingBench(program(stock__d50=20e-6, stock__used=8.0)).start()
    bench.to("recover").rest(20)
    bench.watch("Filter.Dust", "Filter.DifferentialPressure")
    bench.fault("Filter.Breach", 20.0)
    bench.until(lambda: any(o.name == "recover" for o in bench.operations), 2000)
    bench.ordered("Filter.Dust", "Filter.DifferentialPressure", share=0.3)
    assert "DustBreach" in bench.raised()
    recovered = bench.operation("recover")
    lost = sum(recovered.lost.values()) - recovered.about["heel"]
    assert lost > 50 * 2e-4 * sum(
        o.mass for o in bench.operation("recover").outputs if "dust" in o.id)
    bench.fault("Filter.Breach", 70.0)
    bench.to_state(MachineState.ABORTED, 60)
    assert bench.read("Safety.FirstOut") == 14


def test_a_clogged_filter_is_pulsed_and_then_trips() -> None:
    bench = RecyclingBench(program()).start()
    bench.to("sieve").rest(20)
    bench.fault("Filter.Clog", 4.0)
    bench.rest(30)
    assert "FilterClogged" in bench.raised()
    bench.fault("Filter.Clog", 20.0)
    bench.to_state(MachineState.ABORTED, 60)
    assert bench.read("Safety.FirstOut") == 14


# -- other stations ---------------------------------------------------------------------------


def test_a_weak_magnet_leaves_spatter_in_the_powder() -> None:
    weak = finished("316L", at="recover", fault=("Magnet.Weak", 95.0), stock__irregular=0.2,
                    surface__use=False)
    sound = finished("316L", stock__irregular=0.2, surface__use=False)
    assert "MagnetWeak" in weak.raised()
    taken = [sum(o.mass for o in b.operation("magnet").outputs if "magnetic" in o.id)
             for b in (weak, sound)]
    assert taken[0] < 0.1 * taken[1]
    assert out(weak).irregular > 1.3 * out(sound).irregular


def test_a_failing_coil_stops_the_feed_and_spoils_what_passed_since() -> None:
    sound = finished("AlSi10Mg-from-316L", stock__used=2.0, separating__passes=1,
                     separating__feed=20 / 3600, blending__use=False)
    bench = RecyclingBench(program("AlSi10Mg-from-316L", stock__used=2.0, separating__passes=1,
                                   separating__feed=20 / 3600, blending__use=False)).start()
    bench.to("separate").rest(60)
    bench.watch("Separator.FluxDensity", "Separator.ProductRate", "Separator.CoilTemperature")
    bench.rest(5)
    bench.fault("Separator.CoilLoss", 90.0)
    bench.to_state(MachineState.SUSPENDED)
    bench.ordered("Separator.FluxDensity", "Separator.ProductRate")
    assert "CoilWeak" in bench.raised()
    bench.rest(2)
    assert bench.read("Separator.Run") is False
    bench.call("Service.RepairSeparator")
    bench.job("Resume")
    bench.finish()
    done = bench.operation("separate").about
    assert done["recovery"] < sound.operation("separate").about["recovery"] - 0.01
    assert bench.balance() < 1e-9


def test_a_wrong_classifying_flow_moves_the_cut() -> None:
    bench = RecyclingBench(program("Ti-6Al-4V-from-316L", stock__used=2.0, blending__use=False)
                           ).start()
    bench.to("separate").rest(30)
    bench.fault("Separator.FlowDrift", 60.0)
    bench.to_state(MachineState.SUSPENDED)
    assert "ClassifierOff" in bench.raised()


def test_humid_gas_shows_in_the_exhaust_and_prolongs_drying() -> None:
    changes = {"drying__time": 1000.0, "drying__temperature": 353.15}
    dry = finished(**changes)
    wet = RecyclingBench(program(**changes)).start()
    wet.to("dry").rest(60)
    wet.watch("Dryer.ExhaustDewPoint", "Dryer.PowderTemperature")
    wet.rest(5)
    wet.fault("Dryer.HumidGas", 20_000.0)
    wet.finish()
    assert wet.departs("Dryer.ExhaustDewPoint", floor=10) < wet.departs(
        "Dryer.PowderTemperature", floor=10)
    assert "GasHumid" in wet.raised()
    assert wet.time > dry.time + 900
    # At 80 degC such gas holds grains no wetter than their chemisorbed water.
    kinetics = wet.plant.dryer.KINETICS
    assert kinetics.coverage(353.15, 2026.0) == kinetics.coverage(353.15, 0.2)


def test_humid_gas_wets_dry_powder_that_is_not_hot() -> None:
    changes = {"drying__time": 9000.0, "drying__temperature": 308.15, "stock__moisture": 4e-6}
    dry = finished(**changes)
    wet = finished(at="heat", fault=("Dryer.HumidGas", 20_000.0), **changes)
    assert "H" in wet.operation("dry").gained
    assert out(wet).moisture > out(dry).moisture + 2e-6


def test_a_heater_that_fails_keeps_the_dryer_cold() -> None:
    bench = RecyclingBench(program()).start()
    bench.to("heat")
    bench.fault("Dryer.HeaterFailure", 98.0)
    bench.until(lambda: "DryerLags" in bench.raised(), 10_000)
    assert bench.controller.phase == "heat"
    bench.fault("Dryer.HeaterFailure", 0.0)
    bench.finish()


def test_a_plug_slows_the_conveyor_and_raises_the_suction() -> None:
    bench = RecyclingBench(program(stock__used=30.0, recovery__feed=200 / 3600)).start()
    bench.to("recover").rest(30)
    bench.watch("Conveyor.Vacuum", "Conveyor.Rate")
    bench.fault("Conveyor.Blockage", 80.0)
    bench.until(lambda: "ConveyingSlow" in bench.raised(), 500)
    trace = bench.traces["Conveyor.Vacuum"]
    assert trace[-1][1] > 1.5 * trace[0][1]


def test_a_slipping_blender_gives_samples_that_differ_from_the_batch() -> None:
    changes = {"stock__oxygen": 1890e-6, "blending__least": 0.3, "quality__repeats": 5}
    errors = []
    for fault in (None, ("Blender.Slip", 97.0)):
        bench = finished(at="blend", fault=fault, **changes)
        told = out(bench).measured["oxygen"]
        errors.append(abs(told - out(bench).oxygen))
        if fault:
            assert "BlenderSlow" in bench.raised()
            assert bench.operation("blend").about["unmixed"] > 0.5
    assert errors[0] < 40e-6 < errors[1]


def test_a_weak_torch_leaves_oxide_and_odd_grains() -> None:
    changes = {"surface__feed": 20 / 3600, "surface__plasma": 60e3, "surface__hydrogen": 0.1,
               "magnet__use": False}
    sound = finished("316L", **changes)
    weak = finished("316L", at="surface", fault=("Surface.TorchLoss", 90.0), **changes)
    assert "PlasmaWeak" in weak.raised()
    assert out(sound).irregular < 0.65 * out(weak).irregular
    assert out(sound).oxygen < out(weak).oxygen - 20e-6


def test_without_argon_the_purge_does_not_end() -> None:
    bench = RecyclingBench(program())
    bench.fault("Line.SupplyFailure", True)
    bench.start().until(lambda: "PurgeFails" in bench.raised(), 10_000)
    assert bench.controller.phase == "purge"
    assert bench.read("Line.OxygenA") > 200_000
    bench.job("Pause")
    bench.call("Service.RestoreArgon")
    bench.job("Resume")
    bench.to("recover")


def test_a_full_bin_is_told_until_it_is_emptied() -> None:
    bench = RecyclingBench(program(stock__used=50.0, stock__coarse=0.48, blending__use=False))
    bench.controller.BLINDED = (0.0, 9.0)
    bench.start().finish()
    assert "BinFull" in bench.raised()
    assert bench.read("Bins.Oversize") > 20
    bench.call("Service.EmptyBins")
    assert bench.read("Bins.Oversize") == 0


def test_a_power_dip_stops_everything_under_argon_and_the_batch_goes_on() -> None:
    bench = RecyclingBench(program()).start()
    bench.to("sieve").rest(20)
    bench.fault("Safety.PowerLoss", True)
    bench.rest(5)
    assert bench.state is MachineState.SUSPENDED
    assert bench.read("Line.SafePurge") is True
    assert bench.read("Sieve.Run") is False
    bench.fault("Safety.PowerLoss", False)
    bench.job("Resume")
    bench.finish()
    assert bench.read("Line.SafePurge") is False
    assert out(bench).mass > 6
    assert bench.balance() < 1e-9

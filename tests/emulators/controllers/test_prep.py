"""The rotating electrode's sequence: rods one after another, interlocks, holds, what comes out."""

from __future__ import annotations

from itertools import pairwise

import pytest

from emulators.controllers.states import MachineState
from emulators.machines.prep import prep_program
from emulators.recipes import RecipeError, load_recipe, recipe_names
from emulators.settings import SettingsError
from tests.prep_bench import PrepBench, atomizing, prep_bench_program
from twin.powder.lot import PowderLot
from twin.powder.operations import Item
from twin.signals import Refused

pytestmark = pytest.mark.timeout(60)

SEQUENCE = ["load", "close", "pump", "fill", "rod", "spin up", "arc on", "atomize", "stub",
            "spin down", "rod", "spin up", "arc on", "atomize", "stub", "spin down", "cool",
            "unload", "none"]


@pytest.fixture(scope="module")
def finished() -> PrepBench:
    bench = PrepBench()
    bench.start()
    return bench.finish()


def test_phases_follow_each_other(finished: PrepBench) -> None:
    phases = [e.message.removeprefix("phase ") for e in finished.events
              if e.message.startswith("phase ")]
    assert phases == SEQUENCE
    assert finished.layer == 2
    assert finished.read("Feedstock.Name") == "Ti-6Al-4V"
    assert finished.read("Feedstock.Identifier") == "PREP-01 rod 2"
    assert finished.raised() == ["OxygenRising"] or finished.raised() == []


def test_every_operation_keeps_mass_and_elements(finished: PrepBench) -> None:
    assert [op.name for op in finished.operations] == ["atomize", "atomize", "discharge"]
    for op in finished.operations:
        assert op.error() < 1e-9
    first = finished.operations[0]
    kinds = {o.kind if isinstance(o, Item) else "lot": o for o in first.outputs}
    assert set(kinds) == {"lot", "scrap", "stub"}
    assert sum(o.mass for o in first.outputs) == pytest.approx(first.inputs[0].mass, rel=1e-3)
    lot = finished.lot
    assert lot.id.startswith("PREP-01-")
    assert len(lot.parents) == 2
    parents = [o.id for op in finished.operations[:2] for o in op.outputs
               if isinstance(o, PowderLot)]
    assert list(lot.parents) == parents
    assert lot.status == "new"
    assert PowderLot.of(lot.plain()) == lot


def test_rows_tell_of_each_rod(finished: PrepBench) -> None:
    rows = finished.layers()
    assert [row["layer"] for row in rows] == [1, 2]
    # 115 um of the force balance at 20 krpm; the start of a rod is coarser.
    for row in rows:
        assert row["d50"] == pytest.approx(116e-6, rel=0.05)
        assert 1.4 < row["spread"] < 1.7
        assert row["stub"] == pytest.approx(50e-3, abs=1e-3)
        assert row["hollow"] < 0.005
        assert row["satellites"] < 0.02
    # The second face is as cold at its start as the first was.
    assert rows[0]["irregular"] == pytest.approx(rows[1]["irregular"], rel=0.2)
    lot = finished.lot
    assert lot.oxygen > 800e-6
    assert lot.mass == pytest.approx(sum(row["mass"] for row in rows))


def test_critical_speed_is_passed_without_a_stop() -> None:
    bench = PrepBench()
    bench.start().to("spin up")
    bench.watch("Spindle.Speed", "Spindle.VibrationX", "Spindle.Phase")
    with bench.closely():
        bench.to("arc on")
    speed, phase = bench.traces["Spindle.Speed"], bench.traces["Spindle.Phase"]
    vibration = bench.traces["Spindle.VibrationX"]
    rates = [(b - a) / (t2 - t1) for (t1, a), (t2, b) in pairwise(speed[40::40])]
    assert min(rates[:-3]) > 300
    peak = max(range(len(vibration)), key=lambda i: vibration[i][1])
    critical = bench.plant.spindle.critical() * 60
    assert speed[peak][1] == pytest.approx(critical, rel=0.06)
    assert phase[peak][1] == pytest.approx(90, abs=25)
    assert vibration[peak][1] > 2 * vibration[-1][1]
    assert phase[-1][1] > 160


def test_critical_speed_rises_as_the_rod_burns_off() -> None:
    bench = atomizing()
    before = bench.read("Rod.CriticalSpeed")
    bench.rest(40)
    assert bench.read("Rod.CriticalSpeed") > before + 20
    found = bench.plant.spindle.critical() * 60
    assert bench.read("Rod.CriticalSpeed") == pytest.approx(found, rel=0.01)


def test_feed_follows_the_melting_and_keeps_the_gap() -> None:
    bench = atomizing(prep_bench_program(rods__length=0.4), after=90)
    arc, feed = bench.plant.arc, bench.plant.feed
    gap = (bench.read("Process.Voltage") - arc.column(0.0)) / (
        arc.column(1.0) - arc.column(0.0))
    assert feed.gap == pytest.approx(gap, rel=0.1)
    assert bench.read("Feed.FeedRate") == pytest.approx(bench.read("Rod.ExpectedFeed"), rel=0.05)
    bench.write("Process.Voltage", 66.0)
    bench.rest(60)
    assert feed.gap > gap + 6e-3
    assert bench.read("Arc.Voltage") == pytest.approx(66, abs=1.5)
    # More power: the rod melts faster, and the feed goes with it.
    before = bench.read("Feed.FeedRate")
    bench.write("Process.Power", 75.0)
    bench.rest(30)
    assert bench.read("Feed.FeedRate") > 1.1 * before


def test_speed_makes_the_size_second_by_second() -> None:
    bench = atomizing(prep_bench_program(rods__length=0.4))
    coarse = bench.during(30)
    bench.write("Process.Speed", 30_000.0)
    bench.rest(40)
    fine = bench.during(30)
    assert fine.d50 / coarse.d50 == pytest.approx(20 / 30, rel=0.04)
    assert fine.oxygen > coarse.oxygen
    assert bench.read("Canister.DropSize") == pytest.approx(fine.d50 * 1e6, rel=0.05)
    # Both are in the lot of the rod.
    lot = bench.plant.canister.stream.lot("x", bench.controller.made.alloy,
                                          bench.controller.made.composition)
    assert fine.d50 < lot.d50 < coarse.d50


def test_more_power_is_more_powder_but_wider() -> None:
    slow = atomizing(prep_bench_program(arc__power=25e3, rods__length=0.4), after=220)
    fast = atomizing(prep_bench_program(arc__power=120e3, rods__length=0.4), after=30)
    little, much = slow.during(20), fast.during(20)
    assert much.mass > 4.5 * little.mass
    assert much.d90 / much.d10 > 1.1 * little.d90 / little.d10


def test_start_of_a_rod_is_coarse_and_irregular() -> None:
    bench = PrepBench()
    bench.start().to("atomize")
    bench.rest(6)
    early = bench.during(3)
    bench.rest(40)
    late = bench.during(3)
    assert early.irregular > 0.1
    assert late.irregular < 0.02
    torn = early.masses * early.main.irregular
    coarse = torn[early.main.masses > 0]
    assert float(coarse[-14:].sum()) > 0.9 * float(torn.sum()), "they are the coarse ones"


def test_argon_lets_coarse_drops_reach_the_wall() -> None:
    helium = atomizing(prep_bench_program(rotation__speed=13_000 / 60), after=30)
    argon = PrepBench(prep_bench_program(rotation__speed=13_000 / 60, gas__helium=0.0,
                                         arc__voltage=49.0))
    argon.start().to("atomize")
    argon.rest(30)
    splats = [b.plant.canister.stream.splats / b.plant.canister.stream.melted
              for b in (helium, argon)]
    assert splats[1] > 4 * splats[0] > 0


def test_pause_is_arc_first_then_down_and_back_with_a_spin_up() -> None:
    bench = atomizing()
    bench.watch("Arc.Current", "Spindle.Speed")
    with bench.closely():
        bench.job("Pause")
        bench.rest(2)
    assert bench.state is MachineState.HELD
    assert bench.departs("Arc.Current") < bench.departs("Spindle.Speed", 0.01)
    assert bench.read("Canister.DropSize") == 0.0, "the camera sees none any more"
    bench.until(lambda: bench.plant.face._due is None, 200)
    assert bench.plant.spindle.speed == 0
    left = bench.plant.feed.rod.length
    bench.job("Resume")
    bench.to("atomize")
    assert bench.plant.feed.rod.length == pytest.approx(left)
    phases = [e.message.removeprefix("phase ") for e in bench.events
              if e.message.startswith("phase ")]
    assert phases[-5:] == ["close", "fill", "spin up", "arc on", "atomize"]
    bench.finish()
    assert all(op.error() < 1e-9 for op in bench.operations)


def test_aborted_rod_is_told_at_once() -> None:
    bench = atomizing()
    bench.job("Abort")
    assert bench.state is MachineState.ABORTED
    bench.rest(0.1)
    assert [op.name for op in bench.operations] == ["atomize", "discharge"]
    for op in bench.operations:
        assert op.error() < 1e-9
    rest = next(o for o in bench.operations[0].outputs if isinstance(o, Item) and o.kind == "stub")
    assert rest.about["length"] > 0.08
    # It still turns, with the rod in the chuck.
    assert bench.plant.spindle.turning
    assert bench.plant.spindle.rod_mass > 0.5 * rest.mass
    bench.until(lambda: bench.plant.face._due is None, 300)
    bench.call("Machine.Clear")
    bench.until(lambda: not bench.plant.safety.door_locked, 5000)
    bench.call("Job.StoreAndStart", "J2", bench.name)
    bench.finish()
    assert [op.name for op in bench.operations] == [
        "atomize", "discharge", "atomize", "atomize", "discharge"]
    assert len({draw.id for op in bench.operations for draw in op.inputs}) == sum(
        len(op.inputs) for op in bench.operations), "nothing is told twice"


def test_a_rod_on_its_way_out_of_the_magazine_goes_back_when_the_job_is_aborted() -> None:
    bench = PrepBench()
    bench.start().to("rod")
    bench.rest(3)
    bench.job("Abort")
    bench.rest(20)
    assert bench.operations == []
    assert bench.plant.feed.rod is None


def test_stop_ends_with_the_rod_in_work() -> None:
    bench = atomizing()
    bench.job("Stop")
    bench.finish()
    assert bench.layer == 1


def test_machine_rests_without_events_once_it_is_cold(finished: PrepBench) -> None:
    finished.rest(3000)
    assert finished.plant.next_event() == float("inf")
    assert not finished.read("Safety.DoorLocked")
    assert not finished.read("Chiller.Flow")
    before = finished.emulator.scans
    finished.rest(6000)
    assert finished.emulator.scans - before < 250


def test_service_waits_for_the_spindle() -> None:
    bench = atomizing()
    with pytest.raises(Refused, match="working"):
        bench.call("Service.Balance")
    bench.job("Pause")
    bench.rest(2)
    with pytest.raises(Refused, match="still turns"):
        bench.call("Service.Balance")
    bench.until(lambda: bench.plant.face._due is None, 200)
    assert bench.call("Service.Balance") == "rotor balanced"


@pytest.mark.parametrize("name", recipe_names("prep"))
def test_every_recipe_atomizes_a_rod(name: str) -> None:
    bench = PrepBench(prep_bench_program(
        name, rods__count=1, rods__length=0.09, rods__stub=0.06, arc__power=60e3,
        rotation__speed=25_000 / 60))
    bench.start().finish()
    lot = bench.lot
    assert lot.alloy == name
    assert 40e-6 < lot.d50 < 150e-6
    assert lot.mass > 0.1
    assert all(op.error() < 1e-9 for op in bench.operations)


def test_bad_recipes_are_told() -> None:
    with pytest.raises(SettingsError, match="leaves nothing of rods of 100 mm"):
        prep_program(load_recipe("W", "prep").changed({"rods.length": 0.1, "rods.stub": 0.1}))
    with pytest.raises(RecipeError, match=r"rotation\.speed must be 1000 to 40000 rpm"):
        load_recipe("W", "prep").changed({"rotation.speed": 1e4})


def test_power_that_never_melts_is_refused_or_told() -> None:
    with pytest.raises(ValueError, match=r"arc.power 5 kW never melts the rod: at least 8.0 kW"):
        PrepBench(prep_bench_program("Ta", arc__power=5e3))
    bench = PrepBench()
    bench.start().to("spin up")
    bench.write("Process.Power", 5.0)
    bench.to_state(MachineState.SUSPENDED, 900)
    assert bench.raised()[-1] == "NoDrops"
    bench.until(lambda: not bench.plant.spindle.turning, 100)
    bench.write("Process.Power", 60.0)
    bench.job("Resume")
    bench.finish()


@pytest.mark.parametrize("twice", [{"every_scan": True}, {}])
def test_looking_changes_nothing(twice: dict[str, bool]) -> None:
    hashes = []
    for more in ({}, twice):
        bench = PrepBench(prep_bench_program(rods__count=1, rods__length=0.08), **more)
        bench.start().to("atomize")
        bench.rest(10)
        bench.fault("Spindle.Unbalance", 2.0)
        if more:
            bench.read("Arc.Voltage")
        bench.to_state(MachineState.FINISHED)
        hashes.append((bench.emulator.trace.hexdigest, bench.lot.plain()))
    assert hashes[0] == hashes[1]


def test_plasma_gas_of_a_held_job_ends_in_the_same_scan_however_often_it_looks() -> None:
    ended = []
    for every_scan in (True, False):
        bench = PrepBench(prep_bench_program(rods__count=1, rods__length=0.08),
                          every_scan=every_scan)
        bench.start().to("atomize")
        bench.rest(17.3)
        bench.job("Pause")
        bench.until(lambda b=bench: b.plant.arc.gas_flow == 0.0, 200)
        ended.append(bench.time)
    assert ended[0] == ended[1]

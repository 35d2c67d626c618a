"""The spheroidizer: sequence, powder in and powder out, faults in their order, holds, trips."""

from __future__ import annotations

import random
from typing import Any

import pytest

from emulators.canonical import canonical_json, parse
from emulators.controllers.states import MachineState as S
from emulators.settings import SettingsError
from plc_interfaces.host import Act, ActKind
from tests.spheroid_bench import SpheroidBench, program
from twin.machines.spheroidizer import Spheroidizer
from twin.powder.lot import PowderLot
from twin.powder.operations import Item
from twin.signals import Kind, Refused


@pytest.fixture(scope="module")
def usual() -> SpheroidBench:
    bench = SpheroidBench()
    bench.watch("Reactor.OxygenTop", "Torch.PlatePower", "Feeder.Rate")
    bench.start().finish()
    return bench


# -- the way through ---------------------------------------------------------------------------


def test_sequence(usual: SpheroidBench) -> None:
    phases = [e.message.removeprefix("phase ") for e in usual.events
              if e.message.startswith("phase ")]
    batch = ["charge", "feed", "collect"]
    assert phases == ["load", "close", "purge", "ignite", *batch, *batch, "shutdown", "passivate",
                      "discharge", "none"]
    assert usual.raised() == []
    assert usual.read("Job.Layer") == 2
    assert [row["layer"] for row in usual.layers()] == [1, 2]
    # No flame in air, no powder without a flame.
    lit = next(t for t, v in usual.traces["Torch.PlatePower"] if v > 1)
    assert all(v < 1100 for t, v in usual.traces["Reactor.OxygenTop"] if t >= lit)
    fed = next(t for t, v in usual.traces["Feeder.Rate"] if v > 0.2)
    assert fed > lit + 5
    usual.until(lambda: not usual.plant.safety.door_locked, 3600)
    assert usual.read("Consumption.Energy") > 5
    assert usual.read("Consumption.Gas") > 1000
    assert usual.read("Consumption.Feedstock") == pytest.approx(0.2, abs=0.005)


def test_powder_in_powder_out(usual: SpheroidBench) -> None:
    """Two batches make two lots; nothing is lost on the way; soot is passivated with air."""
    names = [o.name for o in usual.operations]
    # What clings to the hopper is given back at the end.
    assert names == ["spheroidize", "spheroidize", "passivate", "return"]
    assert usual.operations[3].inputs[0].mass < 3e-3
    for operation in usual.operations:
        assert operation.error() < 1e-9
    first = usual.product()
    assert first.parents == ("RAW-316L",)
    assert first.id == "S-01-0001"
    assert first.irregular < 0.15
    assert first.oxygen < 2.7e-3 < 3e-3  # hydrogen reduced it
    soot = usual.operations[2].outputs[0]
    assert isinstance(soot, Item)
    assert usual.operations[2].gained["O"] == pytest.approx(0.03 * (soot.mass / 1.03))
    row = usual.layers()[0]
    assert row["product"] == pytest.approx(first.mass)
    assert 0 < row["energy"] < usual.plant.consumption.energy


def test_a_second_job_takes_what_is_left_and_asks_for_more() -> None:
    raw = PowderLot.virgin("LOT-A", "316L", 0.15, 35e-6, 1.6, irregular=1.0)
    bench = SpheroidBench(program(lots=(raw,), feed__batches=5))
    assert bench.controller.programs[bench.name].job.batches == 2
    bench.start().finish()
    masses = [sum(d.mass for d in o.inputs) for o in bench.operations if o.name == "spheroidize"]
    assert sum(masses) == pytest.approx(0.15, abs=0.005)
    assert masses[1] == pytest.approx(0.05, abs=0.005)


def test_a_job_waits_for_powder() -> None:
    built = program(feed__batches=3)
    short = PowderLot.virgin("LOT-B", "316L", 0.1, 35e-6, 1.6, irregular=1.0)
    bench = SpheroidBench(built)
    bench.plant.feeder.take([short])
    bench.start().held()
    assert "SupplyEmpty" in bench.raised()
    bench.plant.supply([PowderLot.virgin("LOT-C", "316L", 0.5, 35e-6, 1.6, irregular=1.0)])
    bench.job("Resume")
    bench.finish()
    assert {d.id for o in bench.operations if o.name == "spheroidize" for d in o.inputs} \
        == {"LOT-B", "LOT-C"}


def test_a_recipe_whose_cuts_leave_no_powder_is_refused() -> None:
    with pytest.raises(SettingsError, match="nothing of d50"):
        program(powder__d50=3e-6, powder__spread=1.05, powder__low=50e-6)


def test_powder_of_another_alloy_is_refused() -> None:
    tungsten = PowderLot.virgin("LOT-W", "W", 1.0, 25e-6, 1.5)
    with pytest.raises(SettingsError, match="LOT-W"):
        program(lots=(tungsten,))
    plant = Spheroidizer(0)
    plant.load(program().job)
    with pytest.raises(ValueError, match="LOT-W"):
        plant.supply([tungsten])
    # A machine that stands takes it for a job of its alloy, and refuses one of another.
    plant.unload()
    plant.supply([tungsten])
    assert "LOT-W is W" in plant.hindrance(program().job)
    assert plant.hindrance(program("W").job) == ""
    with pytest.raises(ValueError, match="already"):
        plant.supply([tungsten])
    assert [lot.id for lot in plant.recall({"LOT-W"})] == ["LOT-W"]
    assert plant.hindrance(program().job) == ""


def test_a_used_drum_of_water_is_no_matter(usual: SpheroidBench) -> None:
    """The lot's adsorbed water leaves as hydrogen and oxygen that are accounted for."""
    operation = usual.operations[0]
    assert operation.lost["H"] > 0
    assert usual.product().water == 0


# -- faults, in the order in which they show ---------------------------------------------------


def spoiled(path: str, value: Any, seconds: float = 0.0, **changes: Any) -> SpheroidBench:
    """A job with a fault from the first batch's start on, to its end."""
    bench = SpheroidBench(program(feed__batches=1, **changes))
    bench.feeding(seconds)
    bench.fault(path, value)
    return bench


def test_sagging_plate_power_is_seen_held_and_leaves_irregular_powder(usual: SpheroidBench
                                                                      ) -> None:
    bench = SpheroidBench()
    bench.feeding()
    bench.watch("Torch.PlatePower", "Torch.Emission", "Reactor.WallRise")
    bench.step()
    bench.fault("Torch.PlateSag", 45.0)
    bench.held()
    bench.ordered("Torch.PlatePower", "Reactor.WallRise", share=0.1)
    assert "PlatePowerLow" in bench.raised()
    bench.rest(2.0)
    assert bench.read("Torch.Lit") is False
    with pytest.raises(Refused):
        bench.call("Service.RepairGenerator", "x")
    bench.call("Service.RepairGenerator")
    bench.job("Resume")
    bench.finish()
    assert bench.product().irregular > usual.product().irregular + 0.01
    assert all(o.error() < 1e-9 for o in bench.operations)


def test_worn_torch_shows_in_light_before_in_powder(usual: SpheroidBench) -> None:
    bench = spoiled("Torch.TorchWear", 30.0)
    bench.watch("Torch.Emission", "Torch.PlatePower", "Chiller.ReturnTemperature")
    bench.finish()
    assert "TorchWorn" in bench.raised()
    assert "PlatePowerLow" not in bench.raised()
    assert bench.product().irregular > usual.product().irregular + 0.02


def test_a_surging_feeder_is_worse_than_its_mean(usual: SpheroidBench) -> None:
    bench = spoiled("Feeder.Surge", 150.0)
    bench.finish()
    assert "FeedDeviates" in bench.raised()
    assert bench.product().irregular > usual.product().irregular + 0.02


def test_a_bridge_stops_the_feed_and_is_cleared() -> None:
    bench = SpheroidBench()
    bench.feeding()
    bench.watch("Feeder.Rate", "Feeder.Drive")
    bench.step()
    bench.fault("Feeder.Bridging", 100.0)
    bench.held()
    assert bench.departs("Feeder.Rate") < float("inf") == bench.departs("Feeder.Drive")
    assert "FeedLost" in bench.raised()
    bench.call("Service.ClearFeeder")
    bench.job("Resume")
    bench.finish()
    assert bench.layers()[0]["fed"] == pytest.approx(0.1, abs=0.004)


def test_a_clogged_probe_builds_pressure_and_throws_powder_at_the_wall(usual: SpheroidBench
                                                                       ) -> None:
    bench = SpheroidBench()
    bench.feeding()
    bench.watch("Feeder.ProbePressure", "Gas.CarrierFlow")
    bench.step()
    bench.fault("Feeder.ProbeClog", 60.0)
    bench.held()
    assert bench.raised()[0] == "ProbeClogged"
    bench.call("Service.CleanProbe")
    bench.rest(10.0)
    bench.job("Resume")
    bench.finish()
    assert bench.layers()[0]["deposit"] > 1.02 * usual.layers()[0]["deposit"]


def test_an_air_leak_is_seen_below_first_and_is_in_the_oxygen() -> None:
    base = SpheroidBench(program("Ti-6Al-4V"))
    base.start().to("charge", 1)
    bench = SpheroidBench(program("Ti-6Al-4V"))
    bench.feeding()
    bench.watch("Reactor.OxygenBottom", "Reactor.OxygenTop")
    bench.step()
    bench.fault("Reactor.Leak", 60.0)
    bench.held(2000.0)
    bench.ordered("Reactor.OxygenBottom", "Reactor.OxygenTop", share=2.0)
    assert "OxygenHigh" in bench.raised()
    bench.call("Service.TightenReactor")
    bench.rest(10.0)
    bench.job("Resume")
    bench.to("charge", 1)
    assert bench.product().oxygen > base.product().oxygen + 20e-6


def test_much_air_opens_the_chain_without_the_program() -> None:
    bench = SpheroidBench(program(gas__oxygen_hold=0.1))
    bench.feeding()
    bench.fault("Reactor.Leak", 500.0)
    bench.to_state(S.ABORTED, 2000.0)
    assert bench.read("Safety.FirstOut") == 12
    assert bench.read("Torch.Lit") is False
    assert bench.operations[0].error() < 1e-9  # What had come through is accounted for.


def test_lost_water_opens_the_chain_before_the_program() -> None:
    bench = SpheroidBench()
    bench.feeding()
    bench.watch("Chiller.Flow", "Torch.PlatePower")
    bench.step()
    bench.fault("Chiller.FlowLoss", 100.0)
    bench.to_state(S.ABORTED, 60.0)
    bench.rest(2.0)
    bench.ordered("Chiller.Flow", "Torch.PlatePower")
    assert bench.read("Safety.FirstOut") == 3
    with pytest.raises(Refused):
        bench.call("Machine.Clear")
    bench.call("Service.RepairChiller")
    bench.call("Machine.Clear")
    assert bench.state is S.IDLE


def test_a_water_leak_shows_in_the_dew_point() -> None:
    bench = SpheroidBench()
    bench.feeding()
    bench.watch("Reactor.DewPoint", "Reactor.OxygenTop")
    bench.step()
    bench.fault("Reactor.WaterLeak", 100.0)
    bench.held()
    assert bench.raised() == ["DewPointHigh"]


def test_lost_sheath_gas_heats_the_tube_until_it_trips() -> None:
    bench = SpheroidBench(program(torch__power=60e3))
    bench.feeding()
    bench.watch("Gas.SheathFlow", "Torch.TubeTemperature")
    bench.step()
    bench.controller.RESET = ()
    bench.fault("Gas.SheathLoss", 100.0)
    bench.until(lambda: bench.state in (S.ABORTED, S.SUSPENDED), 120.0)
    bench.ordered("Gas.SheathFlow", "Torch.TubeTemperature")
    assert bench.raised()[0] in ("GasLow", "TubeHot")


def test_no_argon_puts_the_flame_out_and_shuts_the_hydrogen() -> None:
    bench = SpheroidBench()
    bench.feeding()
    bench.fault("Gas.SupplyFailure", True)
    bench.held()
    told = [e.message for e in bench.events if e.kind in ("interlock", "process")]
    assert told.index("plasma out: power or argon too low") > 0
    assert bench.read("Gas.HydrogenOpen") is False
    bench.call("Service.ChangeGas")
    bench.job("Resume")
    bench.finish()


def test_a_clogged_filter_slows_the_loop_and_leaves_soot_in_the_powder(usual: SpheroidBench
                                                                       ) -> None:
    bench = SpheroidBench()
    bench.feeding(10.0)
    bench.watch("Loop.FilterDifferentialPressure", "Loop.Speed", "Reactor.Pressure",
                "Reactor.Temperature")
    bench.step()
    bench.fault("Loop.FilterClog", 9.0)
    bench.rest(60.0)
    bench.ordered("Loop.FilterDifferentialPressure", "Reactor.Pressure")
    assert bench.departs("Loop.Speed") < bench.departs("Reactor.Temperature")
    assert bench.read("Batches.Pulses") > 0
    bench.to("charge", 1)
    assert bench.layers()[0]["fines"] > 1.2 * usual.layers()[0]["fines"]
    assert "FilterLoaded" in bench.raised()


def test_a_blocked_filter_holds_or_trips() -> None:
    bench = SpheroidBench()
    bench.feeding()
    bench.fault("Loop.FilterClog", 50.0)
    bench.until(lambda: bench.state in (S.SUSPENDED, S.ABORTED), 60.0)
    assert {"FilterBlocked", "PressureHigh"} & {*bench.raised()}


def test_soot_is_passivated_before_a_filter_is_changed_and_burns_if_somebody_just_opens() -> None:
    for careful in (True, False):
        bench = SpheroidBench()
        bench.feeding(10.0, batch=1)
        bench.fault("Loop.FilterClog", 50.0)
        bench.until(lambda b=bench: b.state in (S.SUSPENDED, S.ABORTED), 60.0)
        if careful:
            bench.call("Service.ChangeFilter")
        else:
            bench.fault("Safety.DoorForced", True)
        bench.rest(1.0)
        done = next(o for o in reversed(bench.operations) if o.name in ("passivate", "burn"))
        assert done.name == ("passivate" if careful else "burn")
        before = sum(d.mass for d in done.inputs)
        assert done.gained["O"] == pytest.approx((0.03 if careful else 0.3) * before)
        assert done.error() < 1e-9


def test_plate_power_goes_into_gas_water_and_hall_and_nowhere_else() -> None:
    bench = SpheroidBench()
    bench.feeding(60.0)
    plant = bench.plant
    plate, gas = 1e3 * bench.read("Torch.PlatePower"), plant.torch.gas_power
    hall = (plate - gas) * (1.0 - plant.torch.COOLED)
    rise = bench.read("Chiller.ReturnTemperature") - bench.read("Chiller.SupplyTemperature")
    water = rise * bench.read("Chiller.Flow") / 60e3 * 4.18e6
    assert gas == pytest.approx(0.33 * plate, rel=0.01)
    assert water + hall == pytest.approx(plate, rel=0.03)
    # What powder carries off is a few per cent of what is in the gas.
    heat = plant.feeder.content.heat * bench.read("Feeder.Rate") / 3600.0
    assert 0.005 * gas < heat < 0.2 * gas


def test_a_flame_that_does_not_light_holds_the_job() -> None:
    bench = SpheroidBench()
    bench.fault("Torch.IgnitionFailure", True)
    bench.start().held(2000.0)
    assert bench.raised() == ["IgnitionFails"]
    assert bench.read("Batches.Spark") == 3
    bench.call("Service.ChangeTube")
    bench.job("Resume")
    bench.finish()
    assert bench.read("Job.Layer") == 2


def test_lost_hydrogen_leaves_oxygen_in_the_powder(usual: SpheroidBench) -> None:
    bench = spoiled("Gas.HydrogenLoss", 100.0)
    bench.finish()
    assert "HydrogenLow" in bench.raised()
    assert bench.product().oxygen > 1.1 * usual.product().oxygen


def test_too_much_feed_makes_an_irregular_batch() -> None:
    bench = SpheroidBench(program(feed__rate=8 / 3600, quality__sphericity=0.8, feed__batches=1))
    bench.start().finish()
    assert "SphericityLow" in bench.raised()
    assert bench.read("Collector.Sphericity") < 60


def test_opened_soot_burns() -> None:
    bench = SpheroidBench(program(cooling__passivate=False, feed__batches=1))
    bench.start().finish()
    assert [o.name for o in bench.operations] == ["spheroidize", "burn", "return"]
    assert bench.operations[1].error() < 1e-9


# -- holds, stops, the same run ----------------------------------------------------------------


def test_hold_and_resume_feed_the_same_powder() -> None:
    bench = SpheroidBench()
    bench.feeding()
    bench.job("Pause")
    assert bench.state is S.HELD
    bench.rest(100.0)
    assert bench.read("Feeder.Rate") == pytest.approx(0.0, abs=0.05)
    bench.job("Resume")
    bench.finish()
    assert len(bench.layers()) == 2
    assert bench.layers()[0]["fed"] == pytest.approx(0.1, abs=0.004)


def test_stop_after_a_batch_and_abort_in_one() -> None:
    bench = SpheroidBench(program(feed__batches=5))
    bench.feeding()
    bench.job("Stop")
    bench.finish()
    assert bench.read("Job.Layer") == 1
    bench = SpheroidBench()
    bench.feeding()
    bench.job("Abort")
    bench.rest(2.0)
    assert bench.state is S.ABORTED
    done, back = bench.operations
    assert (done.name, back.name) == ("spheroidize", "return")
    assert sum(d.mass for d in done.inputs) < 0.09
    # What was not fed is given back under an id of its own; nothing is left, nothing is lost.
    assert done.inputs[0].mass + back.inputs[0].mass == pytest.approx(0.2, rel=1e-9)
    assert back.outputs[0].parents == ("RAW-316L",)
    assert bench.plant.feeder.content is None
    assert back.error() < 1e-9


BUILT = program(gas__oxygen_limit=0.05, gas__oxygen_hold=0.1, feed__batch=0.03,
                feed__rate=5 / 3600, gas__dew_hold=300.0,
                cooling__passivate=False)
LAST = 5200


def random_script(seed: int) -> dict[int, list[Act]]:
    """Faults, sensor faults, writes and wishes while batches are made."""
    pick = random.Random(seed)
    bench = SpheroidBench(BUILT)
    table = bench.emulator.table
    faults = table.of_kind(Kind.FAULT)
    script: dict[int, list[Act]] = {}
    for _ in range(3):
        scan, fault = pick.randint(1500, 3500), pick.choice(faults)
        low, high = fault.low or 0.0, fault.high or 0.0
        wrong: Any = True if fault.type is bool else low + (high - low) * pick.random()
        script.setdefault(scan, []).append(Act(ActKind.FAULT, fault.path, wrong))
        script.setdefault(scan + pick.randint(1, 300), []).append(
            Act(ActKind.FAULT, fault.path, fault.start))
    for scan in range(1600, LAST, 250):
        wish = pick.choice(["Pause", "Resume", "Resume"])
        script.setdefault(scan, []).append(Act(ActKind.CALL, f"Job.{wish}", ["J1"]))
    return script


def run(script: dict[int, list[Act]], every_scan: bool) -> SpheroidBench:
    bench = SpheroidBench(BUILT, every_scan=every_scan)
    start = Act(ActKind.CALL, "Job.StoreAndStart", ["J1", BUILT.job.name])
    bench.emulator.script({1: [start], **script})
    bench.emulator.run_to(LAST)
    return bench


@pytest.mark.parametrize("seed", range(4))
def test_skipped_scans_change_nothing(seed: int) -> None:
    script = random_script(seed) if seed else {}
    quiet, every = run(script, False), run(script, True)
    told = [(e.time, e.source, e.message) for e in quiet.events]
    assert told == [(e.time, e.source, e.message) for e in every.events]
    assert quiet.emulator.trace.hexdigest == every.emulator.trace.hexdigest
    assert quiet.emulator.scans < every.emulator.scans
    assert all(o.error() < 1e-9 for o in quiet.operations)


def test_a_run_goes_on_from_a_checkpoint_in_new_objects() -> None:
    first = SpheroidBench(BUILT)
    first.start().to("charge", 1)
    kept = canonical_json(first.emulator.state())
    other = SpheroidBench(BUILT)
    other.emulator.reinstate(parse(kept))
    for bench in (first, other):
        bench.emulator.run_to(LAST)
    assert other.state is first.state is S.FINISHED
    assert other.emulator.trace.hexdigest == first.emulator.trace.hexdigest
    assert other.product(-1) == first.product(-1)

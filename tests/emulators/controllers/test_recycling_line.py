"""The recycling line's sequence: batches, blend, decision, what is refused, what can be resumed."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emulators.catalog import Settings, SettingsError, build
from emulators.controllers.states import MachineState
from emulators.machines.recycling_line import recycling_program, stock
from emulators.recipes import load_recipe, recipe_names
from emulators.works.station import Station
from plc_interfaces.host import Act, ActKind
from tests.machines import recipe
from tests.recycling_bench import QUICK, RecyclingBench, program
from twin.physics.sorting import TravellingField, plan
from twin.powder.lot import PowderLot
from twin.powder.operations import blend, renamed
from twin.signals import Kind, Refused


def test_a_batch_passes_the_stations_in_their_order() -> None:
    bench = RecyclingBench(program("316L", surface__feed=60 / 3600)).start()
    bench.finish()
    done = [o.name for o in bench.operations]
    assert done == ["recover", "magnet", "sieve", "dry", "recondition", "sample", "blend",
                    "sample", "release", "return"]
    phases = [e.message.removeprefix("phase ") for e in bench.events if "phase" in e.message]
    assert phases == ["load", "close", "purge", "recover", "magnet", "sieve", "heat", "dry",
                      "cool", "surface", "sample", "blend", "laboratory", "decide", "empty",
                      "open", "none"]
    assert bench.balance() < 1e-9
    lot = bench.operation("release").outputs[0]
    assert isinstance(lot, PowderLot)
    assert lot.status == "released"
    assert {"oxygen", "moisture", "d90", "foreign"} <= set(lot.measured)
    assert lot.sigma["oxygen"] == pytest.approx(20e-6)
    assert lot.cycle == 5
    # Steel loses chromium's oxide to hydrogen only with plasma; its satellites go to the rotor.
    assert lot.satellites < 0.75 * 0.08


def test_steps_can_be_left_out() -> None:
    built = program("316L", magnet__use=False, sieving__use=False, drying__use=False,
                    surface__use=False, blending__use=False, quality__tests="none")
    bench = RecyclingBench(built).start()
    bench.finish()
    assert [o.name for o in bench.operations] == ["recover", "hold", "return"]
    assert bench.read("Batch.Decision") == "hold"
    assert "not measured" in bench.read("Batch.Reason")


def test_virgin_powder_is_added_by_the_rule() -> None:
    bench = RecyclingBench(program(stock__oxygen=1890e-6, stock__coarse=0.0)).start()
    bench.finish()
    # 52 / (2000 - 800 + 52): what keeps the limit for ever.
    assert bench.read("Batch.VirginRule") == pytest.approx(4.15, abs=0.05)
    share = bench.operation("blend").about["virgin_share"]
    assert share == pytest.approx(0.0415, abs=0.003)
    lot = bench.operation("release").outputs[0]
    assert lot.oxygen < 1900e-6


def test_powder_above_the_limit_takes_as_much_as_surely_mends_it() -> None:
    bench = RecyclingBench(program(stock__oxygen=2150e-6, stock__coarse=0.0)).start()
    bench.finish()
    share = bench.operation("blend").about["virgin_share"]
    assert 0.15 < share < 0.25
    assert bench.read("Batch.Decision") == "released"
    assert bench.batch()["oxygen"] < 2000e-6


def test_too_little_virgin_powder_is_told_and_the_batch_held() -> None:
    bench = RecyclingBench(program(stock__oxygen=2300e-6, stock__virgin=0.3)).start()
    bench.finish()
    assert "VirginShort" in bench.raised()
    assert bench.read("Batch.Decision") == "hold"
    assert "oxygen" in bench.read("Batch.Reason")


def test_hopeless_powder_is_scrap() -> None:
    bench = RecyclingBench(program(stock__oxygen=3400e-6, blending__use=False)).start()
    bench.finish()
    assert bench.read("Batch.Decision") == "scrap"
    assert bench.operation("scrap").outputs[0].status == "scrap"
    assert "BatchScrapped" in bench.raised()


def test_mixed_powder_by_eddy_current_and_by_density() -> None:
    for name, method, cuts in (("AlSi10Mg-from-316L", "eddy current", 0),
                               ("Ti-6Al-4V-from-316L", "density", 4)):
        built = program(name, stock__used=2.0, separating__feed=20 / 3600, blending__use=False)
        bench = RecyclingBench(built).start()
        bench.finish()
        done = bench.operation("separate")
        assert done.about["method"] == method
        assert done.about["sub_cuts"] >= cuts
        product, other = done.outputs
        assert done.about["purity"] == pytest.approx(1.0 - product.foreign)
        assert product.foreign < 0.01 < other.fraction("Fe")
        assert bench.balance() < 1e-9


def test_titanium_from_steel_by_eddy_current_is_refused(tmp_path: Any) -> None:
    path = recipe(tmp_path, "Ti-6Al-4V-from-316L", "recycling-line",
                  separating__method={"value": "eddy current"})
    with pytest.raises(SettingsError, match=r"eddy current cannot separate.*use density with"):
        build(Settings("recycling-line", recipe=str(path)))


@pytest.mark.parametrize(("changes", "words"), [
    ({"stock.used": 200.0}, "hopper holds"),
    ({"stock.d50": 90e-6}, r"8\d% of the powder is coarser than the mesh of 63 um"),
    ({"stock.foreign": "unobtainium", "stock.foreign_share": 0.1}, "unobtainium"),
])
def test_what_cannot_be_is_told_before_the_run(changes: dict[str, Any], words: str) -> None:
    made = load_recipe("Ti-6Al-4V", "recycling-line").changed({**QUICK, **changes})
    with pytest.raises(SettingsError, match=words):
        recycling_program(made, stock(made))


def test_lots_of_another_alloy_are_refused() -> None:
    made = load_recipe("Ti-6Al-4V", "recycling-line").changed(QUICK)
    used, fresh = (PowderLot.virgin(name, "316L", 5.0, 40e-6, 1.4, cycle=cycle)
                   for name, cycle in (("X", 3), ("N", 0)))
    mine = PowderLot.virgin("M", "Ti-6Al-4V", 5.0, 40e-6, 1.4, cycle=3)
    for lots, name in (((used,), "X"), ((mine, fresh), "N"), ((mine, used), "X")):
        with pytest.raises(SettingsError, match=rf"lot {name}.*316L"):
            recycling_program(made, lots)


def mixed(first: str, second: str, share: float, mass: float = 3.0) -> PowderLot:
    """A used lot of two alloys."""
    parts = [PowderLot.virgin(name, name, mass * part, 40e-6, 1.35, oxygen=1e-3, cycle=2)
             for name, part in ((first, 1 - share), (second, share))]
    return renamed(blend(parts, "MIX"), "MIX", parents=())


def test_a_machine_refuses_powder_that_it_cannot_separate_and_gives_it_back() -> None:
    bench = RecyclingBench(program(separating__method="eddy current", blending__use=False,
                                   stock__foreign="AlSi10Mg", stock__foreign_share=0.02,
                                   stock__used=2.0))
    bench.plant.supply([mixed("Ti-6Al-4V", "316L", 0.05)])
    with pytest.raises(Refused, match=r"eddy current cannot separate.*use density with"):
        bench.start()
    assert [lot.id for lot in bench.plant.recall({"MIX"})] == ["MIX"]
    assert bench.plant.recall({"MIX"}) == []
    # What it was set up for is taken.
    bench.plant.supply([mixed("Ti-6Al-4V", "AlSi10Mg", 0.05)])
    bench.start().finish()
    assert {d.id for d in bench.operation("recover").inputs} == {"MIX"}


def test_a_batch_that_turns_out_not_to_be_separable_passes_unsorted_and_is_held() -> None:
    bench = RecyclingBench(program(separating__method="eddy current", blending__use=False,
                                   stock__foreign="AlSi10Mg", stock__foreign_share=0.02,
                                   stock__used=2.0)).start()
    bench.to("sieve")
    bench.write("Process.Frequency", 50.0)  # twenty times less pull than at 1 MHz
    bench.finish()
    assert "NotSeparable" in bench.raised()
    assert any("not separated" in e.message and "50 kHz" in e.message for e in bench.events)
    assert all(o.name != "separate" for o in bench.operations)
    assert bench.read("Batch.Decision") == "hold"
    assert "foreign" in bench.read("Batch.Reason")


def test_foreign_is_what_is_not_the_alloy_of_the_order() -> None:
    """Even where there is more of it: a lot of mostly steel is no titanium powder."""
    bench = RecyclingBench(program("Ti-6Al-4V-from-316L", blending__use=False))
    bench.plant.supply([mixed("316L", "Ti-6Al-4V", 0.3)])
    bench.start().to("separate").rest(6)
    bench.plant.separator.plan = None  # sorts nothing
    bench.finish()
    assert bench.read("Laboratory.Foreign") == pytest.approx(70.0, abs=6.0)
    assert bench.read("Batch.Decision") == "scrap"


def test_titanium_is_sorted_from_steel_though_there_is_more_nickel() -> None:
    """The way is planned for the alloy that is wanted, not for the two that there is most of."""
    lots = [mixed("IN718", "Ti-6Al-4V", 0.4), mixed("316L", "Ti-6Al-4V", 0.1, 1.0)]
    way = plan(blend(lots, "B"), "Ti-6Al-4V", "density", TravellingField())
    assert "1.35" in way.why or "1.36" in way.why  # the ratio of titanium and IN718


def test_every_recipe_can_be_followed() -> None:
    for name in recipe_names("recycling-line"):
        made = load_recipe(name, "recycling-line")
        built, _ = recycling_program(made, stock(made))
        RecyclingBench(built)


def test_supplied_lots_come_before_those_of_the_job() -> None:
    bench = RecyclingBench()
    lots = [PowderLot.virgin("LOT-7", "Ti-6Al-4V", 6.0, 38e-6, 1.35, oxygen=1e-3, cycle=4),
            PowderLot.virgin("LOT-8", "Ti-6Al-4V", 2.0, 38e-6, 1.35, oxygen=8e-4)]
    bench.plant.supply(lots)
    with pytest.raises(ValueError, match="the line takes"):
        bench.plant.supply([PowderLot.virgin("L", "316L", 400.0, 38e-6, 1.35, cycle=1)])
    bench.start().finish()
    assert {d.id for d in bench.operation("recover").inputs} == {"LOT-7"}
    assert bench.read("Feedstock.Identifier") == "LOT-7"
    assert bench.read("Feedstock.Cycle") == 4
    assert bench.balance() < 1e-9


def test_a_pause_in_the_dryer_counts_what_is_over_and_powder_stays_under_argon() -> None:
    bench = RecyclingBench().start()
    bench.to("dry").rest(200)
    bench.job("Pause")
    assert bench.state is MachineState.HELD
    bench.rest(300)
    assert bench.read("Dryer.Heat") is False
    assert bench.read("Safety.DoorLocked") is True
    bench.job("Resume")
    bench.to("dry")
    began = bench.time
    bench.to("cool")
    assert bench.time - began < 500
    bench.finish()
    assert bench.read("Batch.Decision") == "released" or bench.read("Batch.Decision") == "hold"
    assert bench.balance() < 1e-9


@pytest.mark.parametrize("phase", ["recover", "sieve", "dry", "blend", "laboratory"])
def test_an_aborted_job_gives_all_its_powder_back_held(phase: str) -> None:
    bench = RecyclingBench(program(stock__oxygen=1890e-6)).start()
    bench.to(phase).rest(5)
    bench.job("Abort")
    assert bench.state is MachineState.ABORTED
    # At once, whether or not anybody clears the line.
    assert bench.plant.line.batch is None
    assert bench.operations[-1].name in ("turn out", "return")
    assert bench.balance() < 1e-9
    gone = {d.id for o in bench.operations for d in o.inputs}
    bench.rest(30)
    for reading in ("Conveyor.Remaining", "Sieve.Remaining", "Sieve.DeckLoad", "Bins.Batch"):
        assert bench.read(reading) == pytest.approx(0.0, abs=0.06), reading
    left = [o for op in bench.operations for o in op.outputs
            if isinstance(o, PowderLot) and o.id not in gone]
    # Samples, and what lies in the line's corners, are no lots.
    assert sum(o.mass for o in left) == pytest.approx(11.0, abs=0.25)
    assert all(o.status != "released" for o in left)


def after_steel(clean: bool) -> RecyclingBench:
    """A titanium job on a line that has worked steel up, cleaned in between or not."""
    quick = {"stock__used": 6.0, "drying__use": False, "surface__use": False,
             "blending__use": False, "stock__oxygen": 1300e-6}
    bench = RecyclingBench(program("316L", **{**quick, "stock__oxygen": 600e-6}))
    titanium = program("Ti-6Al-4V", **quick)
    bench.controller.programs["titanium"] = titanium
    bench.start().finish()
    bench.call("Job.StoreAndStart", "J2", "titanium")
    bench.to("purge").rest(2)
    assert "NotCleaned" in bench.raised()
    if clean:
        bench.call("Job.Pause", "J2")
        assert bench.call("Service.CleanLine") == "line cleaned"
        bench.call("Job.Resume", "J2")
    bench.until(lambda: bench.controller.job.id == "J2"
                and bench.state is MachineState.FINISHED, 30_000)
    assert bench.balance() < 1e-9
    return bench


def test_powder_of_the_last_alloy_gets_into_the_next_unless_the_line_is_cleaned() -> None:
    foul, clean = after_steel(False), after_steel(True)
    lots = [bench.operations[-2 if bench.operations[-1].name == "return" else -1].outputs[0]
            for bench in (foul, clean)]
    shares = [float(lot.foreign) for lot in lots if isinstance(lot, PowderLot)]
    # 60 g in 6 kg, less what the sieve took of it; the laboratory sees it.
    assert shares[0] == pytest.approx(0.01, rel=0.2)
    assert shares[1] == 0.0
    assert "foreign" in foul.read("Batch.Reason")
    assert "foreign" not in clean.read("Batch.Reason")
    swept = clean.operation("clean").outputs[0]
    assert isinstance(swept, PowderLot)
    assert (swept.alloy, swept.status) == ("316L", "scrap")
    assert swept.mass == pytest.approx(0.06, rel=0.01)


def test_what_mixed_powder_leaves_is_warned_of_though_its_alloy_is_the_same() -> None:
    quick = {"stock__used": 1.0, "drying__use": False, "surface__use": False,
             "blending__use": False}
    bench = RecyclingBench(program("Ti-6Al-4V-from-316L", **quick, separating__feed=60 / 3600))
    bench.controller.programs["pure"] = program("Ti-6Al-4V", **quick)
    bench.start().finish()
    assert bench.plant.line.foul
    bench.call("Job.StoreAndStart", "J2", bench.name)  # Mixed again: no harm.
    bench.to("recover").rest(1)
    assert "NotCleaned" not in bench.raised()
    bench.finish()
    bench.call("Job.StoreAndStart", "J3", "pure")
    bench.to("purge").rest(2)
    assert "NotCleaned" in bench.raised()


def test_a_line_cleaned_while_powder_is_recovered_is_not_clean_after_it() -> None:
    quick = {"stock__used": 2.0, "recovery__batches": 2, "drying__use": False,
             "surface__use": False, "blending__use": False}
    bench = RecyclingBench(program("316L", **quick)).start()
    bench.to("recover", 1).rest(3)
    bench.job("Pause")
    bench.call("Service.CleanLine")
    bench.job("Resume")
    bench.finish()
    assert bench.plant.line.heel is not None
    assert bench.controller.dirty_with == "316L"
    assert bench.balance() < 1e-9


def test_a_held_lot_is_measured_again_with_nothing_else_done_to_it() -> None:
    idle = {f"{step}__use": False for step in ("magnet", "sieving", "drying", "surface",
                                               "blending")}
    bench = RecyclingBench(program(quality__repeats=5, **idle))
    bench.plant.supply([PowderLot.virgin("HELD", "Ti-6Al-4V", 6.0, 38e-6, 1.3, oxygen=1.95e-3,
                                         cycle=3, high=60e-6, status="hold",
                                         measured={"oxygen": 1.97e-3}, sigma={"oxygen": 2e-5})])
    bench.start().finish()
    assert [o.name for o in bench.operations] == ["recover", "sample", "release"]
    lot = bench.operation("release").outputs[0]
    assert isinstance(lot, PowderLot)
    assert lot.measured["oxygen"] == pytest.approx(1.95e-3, abs=4 * 9e-6)
    assert lot.sigma["oxygen"] == pytest.approx(20e-6 / 5**0.5)


def test_a_works_cleans_the_line_when_the_alloy_changes() -> None:
    quick = {"drying__use": False, "surface__use": False, "blending__use": False}
    bench = RecyclingBench(program("316L", **quick))
    bench.controller.programs |= {"steel": program("316L", **quick),
                                  "titanium": program("Ti-6Al-4V", **quick)}
    station = Station(bench.emulator)
    for number, name in enumerate(("steel", "steel", "titanium")):
        alloy = "Ti-6Al-4V" if name == "titanium" else "316L"
        lot = PowderLot.virgin(f"U{number}", alloy, 4.0, 38e-6, 1.35, oxygen=5e-4, cycle=2)
        assert station.supply(name, [lot]) == ""
        station.order(f"W{number}", name)
        bench.until(lambda n=number: bench.controller.job.id == f"W{n}"
                    and bench.state is MachineState.FINISHED, 30_000)
        cleaned = [o for o in bench.operations if o.name == "clean"]
        assert len(cleaned) == (name == "titanium")
    out = [o for o in bench.operations if o.name in ("release", "hold")][-1].outputs[0]
    assert isinstance(out, PowderLot)
    assert (out.alloy, out.foreign) == ("Ti-6Al-4V", 0.0)


def test_hollow_grains_are_held_if_somebody_looks_for_them() -> None:
    """Working-up does not change them: the certificate stands unless they are counted."""
    for tests, decision in (("all", "released"), ("full", "hold")):
        bench = RecyclingBench(program(quality__tests=tests, stock__oxygen=1300e-6))
        waits = [PowderLot.virgin("H", "Ti-6Al-4V", 6.0, 40e-6, 1.35, oxygen=1.3e-3, hollow=0.1,
                                  cycle=1, high=60e-6)]
        bench.plant.supply(waits)
        bench.start().finish()
        assert bench.read("Batch.Decision") == decision
        assert ("hollow" in bench.read("Batch.Reason")) == (decision == "hold")
    assert bench.read("Laboratory.Hollow") == pytest.approx(10.0, abs=1.0)


def test_stop_ends_after_the_batch_and_returns_what_waits() -> None:
    bench = RecyclingBench(program(recovery__batches=2)).start()
    bench.to("sieve")
    bench.job("Stop")
    bench.finish()
    assert bench.layer == 1
    assert bench.operation("return").outputs
    assert bench.balance() < 1e-9


def test_from_a_snapshot_it_goes_on_as_it_did() -> None:
    bench = RecyclingBench(program("AlSi10Mg-from-316L", stock__used=1.0, recovery__batches=2,
                                   separating__feed=60 / 3600)).start()
    bench.until(lambda: bench.controller.checkpoint is not None and bench.layer == 1)
    state = bench.emulator.state()
    bench.finish()
    first = bench.emulator.trace.hexdigest
    bench.emulator.reinstate(state)
    bench.emulator.next_scan = bench.emulator.scan_number + 1
    bench.finish()
    assert bench.emulator.trace.hexdigest == first


SHORT = program("AlSi10Mg-from-316L", stock__used=0.3, stock__virgin=0.2, gas__start_oxygen=0.005,
                gas__limiting_oxygen=0.2, separating__feed=60 / 3600, drying__temperature=313.15,
                drying__time=40.0, surface__use=True, surface__feed=30 / 3600,
                quality__tests="none")
LAST = 9000


def random_script(seed: int) -> dict[int, list[Act]]:
    """Faults and wishes while a batch passes the stations."""
    pick, bench = random.Random(seed), RecyclingBench(SHORT)
    faults = bench.emulator.table.of_kind(Kind.FAULT)
    script: dict[int, list[Act]] = {}
    for _ in range(3):
        scan, fault = pick.randint(2800, 7000), pick.choice(faults)
        low, high = fault.low or 0.0, fault.high or 0.0
        wrong: Any = True if fault.type is bool else low + (high - low) * pick.random()
        script.setdefault(scan, []).append(Act(ActKind.FAULT, fault.path, wrong))
        script.setdefault(scan + pick.randint(1, 400), []).append(
            Act(ActKind.FAULT, fault.path, fault.start))
    for scan in range(2900, LAST, 400):
        wish = pick.choice(["Pause", "Resume", "Resume"])
        script.setdefault(scan, []).append(Act(ActKind.CALL, f"Job.{wish}", ["J1"]))
    return script


@pytest.mark.parametrize("seed", range(4))
def test_skipped_scans_change_nothing(seed: int) -> None:
    script = random_script(seed) if seed else {}
    start = {1: [Act(ActKind.CALL, "Job.StoreAndStart", ["J1", SHORT.job.name])]}
    benches = []
    for every_scan in (False, True):
        bench = RecyclingBench(SHORT, every_scan=every_scan)
        bench.emulator.script({**start, **script})
        bench.emulator.run_to(LAST)
        benches.append(bench)
    quiet, every = benches
    assert [(e.time, e.source, e.message) for e in quiet.events] \
        == [(e.time, e.source, e.message) for e in every.events]
    assert quiet.emulator.trace.hexdigest == every.emulator.trace.hexdigest
    assert quiet.emulator.scans < every.emulator.scans
    if not seed:
        assert {"recover", "sieve", "separate", "recondition"} <= {o.name for o in quiet.operations}


def test_parameters_out_of_range_are_refused() -> None:
    bench = RecyclingBench()
    with pytest.raises(Refused, match="SieveFeed"):
        bench.write("Process.SieveFeed", 5000.0)
    bench.to("none")
    with pytest.raises(Refused, match="working"):
        bench.start().to("sieve").call("Service.CleanMesh")


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.floats(0.3, 4.0), st.floats(25e-6, 50e-6), st.floats(1.1, 1.6),
       st.floats(3e-4, 2.5e-3), st.floats(0, 5e-4), st.floats(0, 0.6), st.floats(0, 0.1),
       st.sampled_from(["316L", "Ti-6Al-4V", "AlSi10Mg-from-316L"]))
def test_whatever_the_powder_mass_and_every_element_close(
    used: float, d50: float, spread: float, oxygen: float, moisture: float, irregular: float,
    coarse: float, name: str,
) -> None:
    built = program(name, stock__used=used, stock__d50=d50, stock__spread=spread,
                    stock__oxygen=oxygen, stock__moisture=moisture, stock__irregular=irregular,
                    stock__coarse=coarse, surface__use=True, surface__feed=200 / 3600,
                    surface__plasma=30e3, surface__hydrogen=0.1, sieving__fine_mesh=20e-6,
                    sieving__mesh=150e-6, separating__feed=200 / 3600, drying__time=60.0)
    bench = RecyclingBench(built).start()
    bench.finish()
    assert bench.balance() < 1e-9

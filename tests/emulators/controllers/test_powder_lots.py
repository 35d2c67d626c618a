"""Lots at build machines: a bad lot makes a bad part, the account closes and names the lot."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest

from emulators.controllers.states import MachineState
from emulators.lots import load_lot
from tests.bench import Bench, block, program
from tests.ded_bench import DedBench, ded_program
from tests.eb_bench import EbBench, eb_program
from tests.jet_bench import FurnaceBench, JetBench, jet, sinter
from twin.powder.lot import PowderLot, totals
from twin.powder.operations import Item, Operation, renamed, scaled
from twin.signals import Refused

BENCHES: dict[str, Callable[[], Any]] = {
    "pbf-lb": lambda: Bench(program([block((4e-3, 4e-3, 1.2e-4))], alloy="316L")),
    "pbf-eb": lambda: EbBench(eb_program([block((8e-3, 8e-3, 1e-4))])),
    "ded-powder": lambda: DedBench(ded_program(layers=2)),
    "binder-jet": lambda: JetBench(jet()),
}
GOOD = {"pbf-lb": "316l-fresh", "pbf-eb": "ti64-eb-fresh", "ded-powder": "316l-ded-fresh",
        "binder-jet": "316l-jet-fresh"}


def made(machine: str, *lots: PowderLot) -> tuple[Any, list[Operation]]:
    """A finished job of a machine with these lots, and what it recorded."""
    bench = BENCHES[machine]()
    bench.plant.name = "M"
    operations: list[Operation] = []
    bench.emulator.followers.append(operations.append)
    if lots:
        bench.plant.supply(lots)
    bench.start().to_state(MachineState.FINISHED, 4e5)
    return bench, operations


@cache
def finished(machine: str, name: str) -> tuple[Any, list[Operation]]:
    return made(machine, *([load_lot(name)] if name else []))


def mean(bench: Any, column: str) -> float:
    return float(np.mean([row[column] for row in bench.layers()]))


@pytest.mark.parametrize("machine", BENCHES)
def test_a_usual_lot_builds_what_no_lot_builds(machine: str) -> None:
    usual, without = finished(machine, GOOD[machine])[0], finished(machine, "")[0]
    assert len(usual.layers()) == len(without.layers()) > 1
    for one, other in zip(usual.layers(), without.layers(), strict=True):
        same = {key: value for key, value in one.items() if key not in ("energy",)}
        assert {key: other[key] for key in same} == pytest.approx(same, rel=1e-6), machine
    assert not finished(machine, "")[1]


@pytest.mark.parametrize("machine", BENCHES)
def test_the_account_of_a_build_closes_and_names_its_lot(machine: str) -> None:
    lot, (bench, operations) = load_lot(GOOD[machine]), finished(machine, GOOD[machine])
    (operation,) = operations
    assert operation.error() < 1e-9
    assert [draw.id for draw in operation.inputs] == [lot.id]
    assert operation.inputs[0].mass == lot.mass
    parts = [o for o in operation.outputs if isinstance(o, Item) and "part" in o.kind]
    back = [o for o in operation.outputs if isinstance(o, PowderLot)]
    assert parts
    for part in parts:
        assert part.about["lots"] == [lot.id]
        assert part.mass > 1e-6
    used = max(back, key=lambda found: found.cycle)
    assert (used.cycle, used.parents, used.status) == (1, (lot.id,), "new")
    assert used.oxygen > lot.oxygen
    assert not bench.plant.powder.taken
    held = totals([out.elements for out in operation.outputs])
    assert held["Fe" if "Fe" in held else "Ti"] == pytest.approx(
        lot.elements["Fe" if "Fe" in held else "Ti"], rel=1e-9)


@pytest.mark.parametrize(("machine", "acts"), [
    ("pbf-lb", {"Laser1.CalibrationError": -50, "Process.LaserPower": 60.0}),
    ("pbf-eb", {"Beam1.CalibrationLoss": 80}),
    ("ded-powder", {"Process.PoolRegulation": False, "Process.LaserPower": 350.0}),
])
def test_only_what_a_beam_has_melted_is_part(machine: str, acts: dict[str, Any]) -> None:
    """A beam that lost most of its power: less of the powder is part, the rest comes back."""
    def masses(fails: bool) -> tuple[float, float, float]:
        bench = BENCHES[machine]()
        operations: list[Operation] = []
        bench.emulator.followers.append(operations.append)
        bench.plant.supply([load_lot(GOOD[machine])])
        bench.start()
        for path, value in acts.items() if fails else ():
            (bench.write if path.startswith("Process.") else bench.fault)(path, value)
        bench.to_state(MachineState.FINISHED, 4e5)
        (operation,) = operations
        assert operation.error() < 1e-9
        part = sum(o.mass for o in operation.outputs
                   if isinstance(o, Item) and o.kind == "part")
        back = sum(o.mass for o in operation.outputs if isinstance(o, PowderLot))
        return part, back, float(bench.plant.consumption.built_volume)

    sound, failed = masses(False), masses(True)
    assert failed[0] < 0.5 * sound[0]
    assert failed[1] > sound[1]
    assert failed[0] == pytest.approx(sound[0] * failed[2] / sound[2], rel=0.05)


def test_feedstock_shows_the_lot() -> None:
    bench = BENCHES["pbf-lb"]()
    bench.plant.supply([renamed(load_lot("316l-fresh"), "LOT-77", cycle=3)])
    bench.start().to("recoat")
    assert bench.read("Feedstock.Identifier") == "LOT-77"
    assert bench.read("Feedstock.ReadyForProduction") is True
    assert bench.read("Feedstock.Cycle") == 3
    bench.finish().rest(1.0)
    assert bench.read("Feedstock.Identifier") == ""
    assert bench.read("Feedstock.ReadyForProduction") is False


# -- a bad lot makes a bad part ---------------------------------------------------------------


def test_hollow_powder_makes_a_porous_part_by_laser() -> None:
    good, bad = (finished("pbf-lb", name) for name in ("316l-fresh", "316l-hollow"))
    assert mean(bad[0], "porosity") > 10 * mean(good[0], "porosity")
    assert mean(bad[0], "gas_pores") > 5 * mean(good[0], "gas_pores")
    one, other = (found[1][0].outputs[0].about for found in (good, bad))  # type: ignore[union-attr]
    assert other["defects"] > one["defects"] + 3 * one["defects"] ** 0.5
    assert other["porosity"] > 10 * one["porosity"]


def test_moist_aluminium_spreads_badly_and_has_hydrogen_pores() -> None:
    def built(name: str) -> Any:
        bench = Bench(program([block((4e-3, 4e-3, 1.2e-4))], alloy="AlSi10Mg"))
        bench.plant.supply([load_lot(name)])
        bench.start().finish()
        return bench

    fresh, moist = built("alsi10mg-fresh"), built("alsi10mg-moist")
    assert mean(fresh, "covered") == 1.0
    assert mean(moist, "covered") < 0.8
    assert mean(moist, "gas_pores") > 10 * mean(fresh, "gas_pores")
    assert moist.read("Recoater.BedStreak") > 3 + fresh.read("Recoater.BedStreak")


@pytest.mark.parametrize(("name", "smokes"), [
    ("ti64-eb-fresh", False), ("ti64-eb-reused-21", False), ("ti64-eb-oxidised", True)])
def test_oxidised_powder_smokes_and_reused_powder_within_its_limit_does_not(
    name: str, smokes: bool
) -> None:
    bench = EbBench(eb_program([block((8e-3, 8e-3, 1e-4))]))
    bench.plant.supply([load_lot(name)])
    bench.start()
    bench.until(lambda: bool(bench.plant.smokes) or bench.state is MachineState.FINISHED, 4e4)
    assert bool(bench.plant.smokes) == smokes


def test_sticky_powder_bridges_in_the_hopper_and_the_machine_stops() -> None:
    flows = []
    for name in ("316l-ded-fresh", "316l-ded-sticky"):
        bench = BENCHES["ded-powder"]()
        bench.plant.supply([load_lot(name)])
        bench.start().until(lambda bench=bench: bench.layer >= 1  # type: ignore[misc]
                            or bench.state is MachineState.SUSPENDED, 4e3)
        flows.append((bench.plant.feeder.hoppers[0].flow_demand,
                      bench.plant.feeder.hoppers[0].mass_flow, bench.raised()))
    (asked, got, alarms), (_, given, raised) = flows
    assert got == pytest.approx(asked, rel=0.05)
    assert given < 0.4 * got
    assert "PowderLost" not in alarms
    assert "PowderLost" in raised


def test_hollow_powder_makes_pores_by_deposition() -> None:
    coarse = load_lot("316l-ded-fresh")
    hollow = PowderLot.virgin("H", "316L", 40.0, 75e-6, 1.3, low=45e-6, high=150e-6, hollow=0.15,
                              pore=0.2, oxygen=4e-4, satellites=0.1, irregular=0.03)
    found = [made("ded-powder", lot)[1][0].outputs[0] for lot in (coarse, hollow)]
    good, bad = (item.about for item in found)  # type: ignore[union-attr]
    assert good["porosity"] < 1e-9
    assert bad["porosity"] > 0.005
    assert bad["defects"] > good["defects"] + 5


def test_coarse_odd_powder_changes_the_green_part_and_what_becomes_of_it() -> None:
    """Coarse powder packs closer and holds less binder: it bleeds, and sinters to less."""
    def green(name: str) -> dict[str, Any]:
        item = finished("binder-jet", name)[1][0].outputs[0]
        assert isinstance(item, Item)
        return dict(item.about)

    good, bad = green("316l-jet-fresh"), green("316l-jet-coarse")
    assert bad["green_density"] > good["green_density"] + 0.01
    grown = [mean(finished("binder-jet", name)[0], "edge_growth")
             for name in ("316l-jet-fresh", "316l-jet-coarse")]
    assert grown[1] > grown[0] + 20e-6
    densities = []
    for name in ("316l-jet-fresh", "316l-jet-coarse"):
        bench = FurnaceBench(sinter())
        bench.plant.supply_items([finished("binder-jet", name)[1][0].outputs[0]])
        bench.start().to_state(MachineState.FINISHED, 4e5)
        densities.append(bench.parts()[0]["density"])
    assert densities[1] < densities[0] - 0.1


def test_a_green_part_becomes_a_sintered_one_with_its_lots() -> None:
    _, (printed,) = finished("binder-jet", "316l-jet-fresh")
    items = [o for o in printed.outputs if isinstance(o, Item) and o.kind == "green part"]
    bench = FurnaceBench(sinter())
    bench.plant.name = "F"
    operations: list[Operation] = []
    bench.emulator.followers.append(operations.append)
    bench.plant.supply_items(items)
    bench.start().to_state(MachineState.FINISHED, 4e5)
    (operation,) = operations
    assert operation.error() < 1e-9
    (part,) = operation.outputs
    assert isinstance(part, Item)
    assert part.kind == "part"
    assert part.about["lots"] == ["316l-jet-fresh"]
    assert part.about["green"] == items[0].id
    assert operation.lost["C"] > 0.9 * items[0].about["resin"] * 0.59
    with pytest.raises(ValueError, match="takes green parts"):
        bench.plant.supply_items([part])


def test_a_graded_part_is_one_part_of_both_powders() -> None:
    bench = DedBench(ded_program(recipe="316L-to-IN625", layers=4, grading__first_layer=1,
                                 grading__last_layer=4))
    bench.plant.name = "M"
    operations: list[Operation] = []
    bench.emulator.followers.append(operations.append)
    nickel = PowderLot.virgin("NI-1", "IN625", 20.0, 75e-6, 1.3, low=45e-6, high=106e-6,
                              status="released")
    bench.plant.supply([load_lot("316l-ded-fresh"), nickel])
    bench.start().to_state(MachineState.FINISHED, 4e5)
    (operation,) = operations
    assert operation.error() < 1e-9
    assert {d.id for d in operation.inputs} == {"316l-ded-fresh", "NI-1"}
    (part,) = (o for o in operation.outputs if isinstance(o, Item) and o.kind == "part")
    shares = part.about["alloys"]
    assert sum(shares.values()) == pytest.approx(1.0)
    assert shares["IN625"] == pytest.approx(0.5, abs=0.1)
    assert part.alloy == max(shares, key=shares.__getitem__)
    assert part.elements["Nb"] > 0.0
    assert set(part.about["lots"]) == {"316l-ded-fresh", "NI-1"}
    density = float(bench.plant.head.job.alloy.density(300.0))
    assert part.mass == pytest.approx(bench.plant.head.map.volume * density, rel=1e-6)
    back = [o for o in operation.outputs if isinstance(o, PowderLot)]
    assert {lot.alloy for lot in back} == {"316L", "IN625"}


# -- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize("machine", BENCHES)
@pytest.mark.parametrize("status", ["hold", "scrap"])
def test_a_lot_that_must_not_be_used_is_not_taken(machine: str, status: Any) -> None:
    lot = renamed(load_lot(GOOD[machine]), "X-1", status=status)
    with pytest.raises(ValueError, match=r"lot X-1 is (on hold|scrap)"):
        BENCHES[machine]().plant.supply([lot])


@pytest.mark.parametrize("machine", BENCHES)
def test_a_job_without_enough_powder_of_its_alloy_is_refused(machine: str) -> None:
    lot = load_lot(GOOD[machine])
    for bad, words in [
        (renamed(load_lot("in718-fresh"), "X-2"), "lot X-2 is IN718; the job is for"),
        (renamed(scaled(lot, 1e-6), "X-3"), "lot X-3 has .* kg; the job needs"),
    ]:
        bench = BENCHES[machine]()
        bench.plant.supply([bad])
        with pytest.raises(Refused, match=words):
            bench.start()
        bench.rest(5.0)
        assert bench.state is MachineState.IDLE
        assert bench.read("Job.Orders") == "[]"


def test_the_next_job_needs_powder_of_its_own() -> None:
    bench, _ = made("pbf-lb", load_lot("316l-fresh"))
    with pytest.raises(Refused, match="no lot of 316L is at the machine"):
        bench.call("Job.StoreAndStart", "J2", bench.name)
    with pytest.raises(ValueError, match="at the machine already"):
        bench.plant.supply([load_lot("316l-fresh"), load_lot("316l-fresh")])


def test_an_aborted_job_gives_its_powder_back() -> None:
    bench = BENCHES["pbf-lb"]()
    bench.plant.name = "M"
    operations: list[Operation] = []
    bench.emulator.followers.append(operations.append)
    bench.plant.supply([load_lot("316l-fresh")])
    bench.start().to("expose", 1)
    bench.job("Abort")
    bench.to_state(MachineState.ABORTED)
    (operation,) = operations
    assert operation.error() < 1e-9
    (part,) = (o for o in operation.outputs if isinstance(o, Item) and o.kind == "part")
    assert part.about["complete"] is False


# -- determinism ------------------------------------------------------------------------------


@pytest.mark.parametrize("machine", ["pbf-lb", "ded-powder", "binder-jet"])
def test_a_snapshot_amid_the_job_goes_on_to_the_same_account(machine: str) -> None:
    lot = load_lot({"pbf-lb": "316l-hollow", "ded-powder": "316l-ded-fresh",
                    "binder-jet": "316l-jet-coarse"}[machine])

    def end(cut: bool) -> dict[str, Any]:
        bench = BENCHES[machine]()
        bench.plant.name = "M"
        bench.plant.supply([lot])
        bench.start().until(lambda: bench.layer >= 1 and bench.plant.quiet
                            and bench.controller.checkpoint is not None)
        if cut:
            kept = bench.emulator.state()
            bench = BENCHES[machine]()
            bench.plant.name = "M"
            bench.plant.supply([lot])
            bench.emulator.reinstate(kept)
        operations: list[Operation] = []
        bench.emulator.followers.append(operations.append)
        bench.to_state(MachineState.FINISHED, 4e5)
        return operations[0].plain()

    assert end(True) == end(False)

"""Coarse machines against the real ones: phases, times, meters, layers, defects, powder."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from emulators.catalog import MACHINES
from emulators.controllers.states import MachineState
from emulators.works.coarse import coarse_member
from plc_interfaces.host import ActKind
from tests.coarse_bench import JOB, coarse, quick, real, summary_of
from twin.powder.lot import PowderLot
from twin.powder.operations import Item, Operation, renamed, scaled, with_oxygen
from twin.works.repeat import is_virgin
from twin.works.summary import JobSummary

SOME = ("pbf-lb", "binder-jet", "sinter-furnace")
KINDS = [*MACHINES]
OTHER_SEED = 7


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("coarse")


@pytest.fixture(autouse=True)
def home(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMTWIN_HOME", str(folder / "home"))


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def _near(count: int, other: int) -> bool:
    """Whether two numbers of rare events may be of one process: four standard deviations."""
    return abs(count - other) <= 4 * (count + other + 1) ** 0.5


def _masses(operations: list[Operation]) -> dict[str, float]:
    """Mass (kg) that came out, by operation and what it is."""
    found: dict[str, float] = {}
    for done in operations:
        for out in done.outputs:
            name = f"{done.name}: {getattr(out, 'origin', '') or getattr(out, 'kind', '')}"
            found[name] = found.get(name, 0.0) + out.mass
    return found


def test_is_the_real_machine_but_for_chance(kind: str, folder: Path) -> None:
    """The summary is of one seed, the real machine has another one: bounds of the fidelity."""
    summary = summary_of(kind, folder)
    full = real(replace(quick(kind, folder), seed=OTHER_SEED)).finish()
    own = coarse(summary, seed=OTHER_SEED).finish()
    assert own.phases() == full.phases()
    assert own.duration == pytest.approx(full.duration, rel=0.02)
    assert own.controller.job.layer == full.controller.job.layer > 0
    # Of four pours that last four seconds each, one second more or less is a matter of chance.
    near = 0.1 if kind == "gas-atomizer" else 0.03
    for meter, least in (("energy", 0.0), ("gas", 1e-6), ("feedstock", 1e-9),
                         ("built_volume", 1e-12)):
        expected = getattr(full.meter, meter)
        assert getattr(own.meter, meter) == pytest.approx(expected, rel=near, abs=least), meter
    assert own.raised() == full.raised() == []
    came, comes = (Counter(path for _, path in each.notes.alarms) for each in (own, full))
    for path in {*came, *comes}:
        assert _near(came[path], comes[path]), path
    found = own.emulator.plant.job.found["defects"]  # type: ignore[attr-defined]
    there = full.counts()
    for number in {*found, *there}:
        assert _near(found.get(number, 0), there.get(number, 0)), number
    made, wanted = _masses(own.operations), _masses(full.operations)
    for name, mass in wanted.items():
        bounds = {"rel": max(near, 0.05), "abs": 1e-3 * sum(wanted.values())}
        assert made[name] == pytest.approx(mass, **bounds), name
    for done in own.operations:
        assert done.error() < 1e-9


@pytest.mark.parametrize("kind", [k for k in KINDS if k in (*SOME, "gas-atomizer")])
def test_layers_are_those_of_the_real_one(kind: str, folder: Path) -> None:
    """Same seed as the summary: every layer ends in the scan in which it ended then."""
    full = real(quick(kind, folder)).finish()
    own = coarse(summary_of(kind, folder))
    own.emulator.every_scan = True
    own.finish()
    began, then = own.notes.stages[0][0], full.notes.stages[0][0]
    ends = [t - began for t in own.notes.layers]
    assert ends == pytest.approx([t - then for t in full.notes.layers], abs=0.051)


@pytest.mark.parametrize("kind", SOME)
def test_a_hold_costs_what_it_cost_the_real_machine(kind: str, folder: Path) -> None:
    """Held in a layer for ten minutes, then on: job time and energy to a few seconds' worth."""
    results = []
    for machine in (real(quick(kind, folder)), coarse(summary_of(kind, folder))):
        machine.to_layer(1)
        machine.call("Job.Pause", JOB)
        assert machine.state is MachineState.HELD
        layer = machine.controller.job.layer
        machine.rest(600.0)
        assert machine.controller.job.layer == layer
        machine.call("Job.Resume", JOB)
        assert machine.state in (MachineState.PREPARING, MachineState.BUILDING)
        machine.finish()
        assert machine.state is MachineState.FINISHED
        results.append(machine)
    full, own = results
    assert own.duration == pytest.approx(full.duration, rel=0.01)
    assert own.meter.energy == pytest.approx(full.meter.energy, rel=0.05)
    assert own.controller.job.layer == full.controller.job.layer


@pytest.mark.parametrize("what", ["undisturbed", "held", "power lost", "aborted", "stopped",
                                  "held while preparing"])
def test_looking_is_pure(what: str, folder: Path) -> None:
    """Same hash with every scan and with scans left out, whatever is done in a layer's middle."""
    summary = summary_of("pbf-lb", folder)
    hashes = []
    for every_scan in (False, True):
        machine = coarse(summary, every_scan=every_scan, hash_period=60.0, seed=3)
        _disturb(machine, summary, what)
        machine.rest(30.0)
        machine.emulator.run_to(11_000 if what == "power lost" else 7000)
        machine.emulator.trace.image(0, machine.emulator.shown.values())
        hashes.append((machine.emulator.trace.hexdigest, machine.state))
    assert hashes[0] == hashes[1]


def _disturb(machine, summary: JobSummary, what: str) -> None:  # type: ignore[no-untyped-def]
    if what == "undisturbed":
        machine.finish()
        return
    # A third of a second into the second layer, wherever scans happen to be.
    middle = float(summary.layer_end[0]) + 0.35
    machine.rest(20.0 if what == "held while preparing" else middle)
    match what:
        case "held" | "held while preparing":
            machine.call("Job.Pause", JOB)
            machine.rest(100.0)
            machine.call("Job.Resume", JOB)
            machine.finish()
            assert machine.controller.job.layer == summary.layers
        case "power lost":
            machine.act(ActKind.FAULT, "Safety.PowerLoss", True)
            machine.rest(200.0)
            assert machine.state is MachineState.SUSPENDED
            assert machine.raised() == ["Alarms.PowerLoss"]
            machine.act(ActKind.FAULT, "Safety.PowerLoss", False)
            machine.call("Job.Resume", JOB)
            machine.finish()
            assert machine.duration > summary.duration + 200.0
        case "aborted":
            machine.act(ActKind.FAULT, "Safety.EmergencyStop", True)
            machine.finish()
            assert machine.state is MachineState.ABORTED
            assert machine.raised() == ["Alarms.SafetyChain"]
            assert machine.controller.job.layer == 1
            assert len(machine.notes.layer_rows) == 0  # a table, handed over in one go
        case "stopped":
            machine.call("Job.Stop", JOB)
            machine.finish()
            assert machine.state is MachineState.FINISHED
            assert machine.controller.job.layer == 2


def test_a_snapshot_goes_on_to_the_same_hash(folder: Path) -> None:
    """State taken in the middle of a layer, put into another machine, gives the same run."""
    summary = summary_of("pbf-lb", folder)

    def made():  # type: ignore[no-untyped-def]
        return coarse(summary, lots=("in718-fresh",), hash_period=60.0, order=False)

    first = made().order()
    first.to_layer(1).rest(0.35)
    state = first.emulator.state()
    second = made()
    second.emulator.reinstate(state)
    for machine in (first, second):
        machine.finish()
        machine.emulator.run_to(12_000)
    assert first.emulator.trace.hexdigest == second.emulator.trace.hexdigest
    assert _masses(first.operations) == _masses(second.operations) != {}


@pytest.mark.parametrize(("kind", "lot"), [
    ("pbf-lb", "in718-fresh"), ("pbf-eb", "ti64-eb-fresh"), ("ded-powder", "316l-ded-fresh"),
    ("binder-jet", "316l-jet-fresh")])
def test_a_build_gives_its_powder_back_as_the_real_one(
    kind: str, lot: str, folder: Path
) -> None:
    """Powder of a build with lots: part, used powder and rest against the full model."""
    lots = (lot,)
    settings = quick(kind, folder)
    full = real(replace(settings, lots=lots, seed=OTHER_SEED)).finish()
    own = coarse(summary_of(kind, folder), lots=lots).finish()
    made, wanted = _masses(own.operations), _masses(full.operations)
    assert made.keys() == wanted.keys()
    for name, mass in wanted.items():
        assert made[name] == pytest.approx(mass, rel=0.05), name
    (done,), (then,) = own.operations, full.operations
    assert done.error() < 1e-9
    judged = ("complete", "sound", "good")
    own_parts, parts = ([{j: o.about[j] for j in judged if j in o.about} for o in d.outputs
                         if isinstance(o, Item) and o.kind in ("part", "green part")]
                        for d in (done, then))
    assert own_parts == parts != []
    used = [[o for o in d.outputs if getattr(o, "origin", "") == f"{kind} used"] for d in
            (done, then)]
    assert used[0][0].oxygen == pytest.approx(used[1][0].oxygen, rel=0.01)
    assert used[0][0].cycle == used[1][0].cycle
    assert [d.id for d in done.inputs] == [d.id for d in then.inputs]


def test_alarms_come_and_go_as_they_did(folder: Path) -> None:
    """A line that holds a batch raises the alarm of it, at the same time and for as long."""
    summary = summary_of("recycling-line", folder)
    told = ((60.0, "Alarms.BatchHeld", 90.0), (120.0, "Alarms.BatchHeld", 120.05))
    hashes = []
    for every_scan in (False, True):
        machine = coarse(replace(summary, alarms=told), every_scan=every_scan)
        alarm = machine.controller.alarms["Alarms.BatchHeld"]
        began = machine.notes.stages[0][0]
        machine.rest(59.0)
        assert not alarm.active
        machine.rest(2.0)
        assert alarm.active
        assert machine.state in (MachineState.PREPARING, MachineState.BUILDING)
        machine.finish()
        own = [time - began for time, path in machine.notes.alarms if path == alarm.path]
        assert own == pytest.approx([60.0, 120.0], abs=0.06)
        gone = [time - began for time, path in machine.notes.cleared if path == alarm.path]
        assert gone == pytest.approx([90.0, 120.05], abs=0.06)
        machine.emulator.trace.image(0, machine.emulator.shown.values())
        hashes.append(machine.emulator.trace.hexdigest)
    assert hashes[0] == hashes[1]


def test_half_a_build_takes_half_the_powder(folder: Path) -> None:
    summary = summary_of("pbf-lb", folder)
    machine = coarse(summary, lots=("in718-fresh",))
    machine.to_layer(2)
    machine.call("Job.Abort", JOB)
    (done,) = machine.operations
    part = next(o for o in done.outputs if getattr(o, "kind", "") == "part")
    assert part.about["complete"] is False
    assert part.about["layers"] == 2
    whole = summary.uses["IN718"]["melted"]
    assert 0.3 * whole < part.mass < 0.8 * whole
    assert done.error() < 1e-9


def test_a_bad_lot_shows_in_a_coarse_build(folder: Path) -> None:
    """Hollow powder brings its gas into the part; nothing is made without enough powder."""
    settings = quick("pbf-lb", folder)
    summary = summary_of("pbf-lb", folder)
    parts = []
    for name in ("in718-fresh", "in718-fresh"):
        machine = coarse(summary, lots=(name,), order=False)
        if parts:
            lot = machine.emulator.plant.powder.waiting[0]  # type: ignore[attr-defined]
            hollow = replace(lot, constituents=tuple(replace(c, hollow=c.hollow * 0 + 0.2)
                                                     for c in lot.constituents))
            machine.emulator.plant.powder.waiting = [hollow]  # type: ignore[attr-defined]
        machine.order().finish()
        parts.append(next(o for o in machine.operations[0].outputs
                          if getattr(o, "kind", "") == "part"))
    assert parts[1].about["porosity"] > parts[0].about["porosity"] + 1e-4
    assert settings.machine == "pbf-lb"


def test_a_thousand_layers_cost_no_time(folder: Path) -> None:
    """A build of hours takes milliseconds of the processor: nothing happens per layer."""
    summary = summary_of("pbf-lb", folder)
    layers = float(summary.layer_end[-1]) - summary.preparation
    long = summary.stretched(36_000.0 / layers, int(MachineState.BUILDING))
    assert long.duration > 36_000.0
    machine = coarse(long)
    began = time.process_time()
    machine.finish()
    assert time.process_time() - began < 0.05
    assert machine.emulator.scans < 100
    assert machine.duration == pytest.approx(long.duration, abs=0.2)


def test_the_door_stays_locked_until_the_part_is_cold(folder: Path) -> None:
    """A job that was aborted hot leaves the machine locked for as long as it cooled then."""
    summary = summary_of("pbf-lb", folder)
    machine = coarse(summary)
    machine.to_layer(2)
    machine.call("Job.Abort", JOB)
    machine.call("Machine.Clear")
    cooling = summary.ready - float(summary.layer_end[-1])
    plant = machine.emulator.plant
    machine.rest(cooling - 5.0)
    assert plant.safety.door_locked  # type: ignore[attr-defined]
    machine.rest(10.0)
    assert not plant.safety.door_locked  # type: ignore[attr-defined]


def test_refuses_what_is_not_its_own(folder: Path) -> None:
    summary = summary_of("pbf-lb", folder)
    with pytest.raises(ValueError, match="needs summaries of its own jobs, not part"):
        coarse_member("pbf-eb", "EB", {"part": summary})
    with pytest.raises(ValueError, match="no machine 'lathe'"):
        coarse_member("lathe", "L", {"part": summary})


def test_other_powder_than_the_summarys_is_worked_up_as_the_real_line_does(folder: Path) -> None:
    """Less of it, with more oxygen: yield, oxygen and verdict against the full model."""
    summary = summary_of("recycling-line", folder)
    lots = []
    for told in summary.supplied:
        lot = PowderLot.of(told)
        if not is_virgin(lot):
            lot = scaled(with_oxygen(lot, 2e-4 * lot.metal), 0.7)
        lots.append(renamed(lot, f"OTHER-{lot.id}"))
    results = []
    for machine in (real(replace(quick("recycling-line", folder), seed=OTHER_SEED), order=False),
                    coarse(summary, order=False)):
        machine.emulator.plant.supply(lots)
        machine.order().finish()
        out = [o for done in machine.operations if done.name in ("release", "hold", "scrap")
               for o in done.outputs if isinstance(o, PowderLot)]
        assert all(done.error() < 1e-9 for done in machine.operations)
        results.append((machine, out))
    (full, wanted), (own, made) = results
    assert [lot.status for lot in made] == [lot.status for lot in wanted]
    for lot, other in zip(made, wanted, strict=True):
        assert lot.mass == pytest.approx(other.mass, rel=0.05)
        assert lot.oxygen == pytest.approx(other.oxygen, rel=0.03)
        assert lot.d50 == pytest.approx(other.d50, rel=0.03)
    assert own.duration == pytest.approx(full.duration, rel=0.15)


def test_green_parts_of_a_stopped_build_are_not_complete(folder: Path) -> None:
    """The summary's were; those of a build that was stopped after a layer are not."""
    machine = coarse(summary_of("binder-jet", folder), lots=("316l-jet-fresh",))
    machine.to_layer(1)
    machine.call("Job.Stop", JOB)
    machine.finish()
    assert machine.state is MachineState.FINISHED
    (done,) = machine.operations
    parts = [o for o in done.outputs if isinstance(o, Item) and o.kind == "green part"]
    assert parts
    assert not any(part.about["complete"] for part in parts)
    assert done.error() < 1e-9

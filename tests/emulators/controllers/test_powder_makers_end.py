"""Jobs of gas atomizer and PREP that end, stand or lose power in any phase: nothing is lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from emulators.controllers.gas_atomizer_signals import PHASES as ATOMIZER_PHASES
from emulators.controllers.prep_signals import PHASES as PREP_PHASES
from emulators.controllers.states import MachineState as S
from tests.atomizer_bench import AtomizerBench, program
from tests.prep_bench import PrepBench, prep_bench_program

Made = AtomizerBench | PrepBench

MACHINES: dict[str, Callable[[], Made]] = {
    "crucible": lambda: AtomizerBench(program(
        charge__mass=8.0, pour__level=0.08, pour__tail_level=0.04)),
    "rod": lambda: AtomizerBench(program("Ti-6Al-4V", charge__mass=2.0)),
    "prep": lambda: PrepBench(prep_bench_program(
        rods__length=0.09, rods__stub=0.06, rods__count=1)),
}
PHASES = {
    # A rod is as warm as it may wait within a second, and drips no longer than that.
    "crucible": [p for p in ATOMIZER_PHASES if p not in ("none", "restart")],
    "rod": [p for p in ATOMIZER_PHASES if p not in ("none", "restart", "superheat", "tail")],
    "prep": [p for p in PREP_PHASES if p not in ("none", "cool")],
}
LAST = ("clean", "unload")


@cache
def states(machine: str) -> dict[str, str]:
    """State of a machine a good second after the beginning of each phase."""
    bench, found = MACHINES[machine](), {}
    bench.start()
    while bench.state is not S.FINISHED:
        bench.step()
        phase = bench.controller.phase
        if phase not in found and phase != "none":
            bench.rest(1.2)
            if bench.controller.phase == phase:
                found[phase] = json.dumps(bench.emulator.state())
    balanced(bench)
    return found


def at(machine: str, phase: str) -> Made:
    bench = MACHINES[machine]()
    bench.emulator.reinstate(json.loads(states(machine)[phase]))
    bench.emulator.next_scan = bench.emulator.scan_number + 1
    return bench


def balanced(bench: Made) -> None:
    drawn = [draw.id for operation in bench.operations for draw in operation.inputs]
    assert len(drawn) == len(set(drawn)), "told twice"
    assert all(operation.error() < 1e-9 for operation in bench.operations)


def in_work(bench: Made) -> bool:
    """Whether a charge or rod is in the machine whose end is not told."""
    plant: Any = bench.plant
    if isinstance(bench, AtomizerBench):
        return plant.charge is not None
    return (plant.feed.rod is not None and not plant.feed.rod.told) or bool(plant.canister.held)


def each(machines: tuple[str, ...] = tuple(MACHINES)) -> Any:
    return pytest.mark.parametrize(
        ("machine", "phase"), [(m, p) for m in machines for p in PHASES[m]])


@each()
def test_an_abort_tells_what_is_in_work_at_once(machine: str, phase: str) -> None:
    bench = at(machine, phase)
    inside = in_work(bench)
    bench.job("Abort")
    bench.rest(0.2)
    assert bench.state is S.ABORTED
    assert bool(bench.operations) is inside
    assert not in_work(bench)
    balanced(bench)
    told = len(bench.operations)
    bench.rest(30)
    assert len(bench.operations) == told


@each()
def test_a_stop_of_a_held_job_brings_out_what_is_in_work(machine: str, phase: str) -> None:
    if phase in LAST:
        pytest.skip("what is being completed cannot be held")
    bench = at(machine, phase)
    bench.job("Pause")
    bench.rest(2)
    assert bench.state is S.HELD
    inside = in_work(bench)
    bench.job("Stop")
    bench.finish()
    assert bool(bench.operations) is inside
    assert not in_work(bench)
    balanced(bench)


@pytest.mark.slow
@each()
def test_after_an_abort_the_next_job_runs(machine: str, phase: str) -> None:
    bench = at(machine, phase)
    bench.job("Abort")
    bench.until(lambda: bool(bench.plant.safety.reset_possible), 100)
    bench.call("Machine.Clear")
    bench.until(bench.controller.unblocked, 30_000)
    bench.call("Job.StoreAndStart", "J2", bench.name)
    bench.finish()
    assert bench.layer == 1
    balanced(bench)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["pause", "power"])
@each()
def test_a_job_goes_on_after_a_pause_and_after_a_loss_of_power(
    how: str, machine: str, phase: str
) -> None:
    if how == "pause" and phase in LAST:
        pytest.skip("what is being completed cannot be held")
    bench = at(machine, phase)
    if how == "pause":
        bench.job("Pause")
        bench.rest(20)
    else:
        bench.fault("Safety.PowerLoss", True)
        bench.rest(20)
        bench.fault("Safety.PowerLoss", False)
        bench.rest(2)
    assert bench.state in (S.HELD, S.SUSPENDED)
    bench.job("Resume")
    bench.finish()
    assert bench.layer == 1
    assert not in_work(bench)
    balanced(bench)


def test_what_was_never_melted_is_given_back_as_it_was() -> None:
    for machine, phase, kind in (("crucible", "fill", "charge"), ("rod", "fill", "rod"),
                                 ("prep", "spin up", "rod")):
        bench = at(machine, phase)
        bench.job("Abort")
        bench.rest(0.2)
        (operation,) = bench.operations
        (item,) = operation.outputs
        assert item.kind == kind  # type: ignore[union-attr]
        assert item.mass == pytest.approx(operation.inputs[0].mass, rel=1e-12)


def test_water_that_never_comes_is_told_instead_of_waited_for() -> None:
    for machine in MACHINES:
        bench = MACHINES[machine]()
        bench.fault("Chiller.FlowLoss", 100.0)
        bench.start().to_state(S.SUSPENDED, 700)
        assert bench.raised() == ["WaterLost"]
        bench.fault("Chiller.FlowLoss", 0.0)
        bench.rest(5)
        bench.job("Resume")
        bench.until(lambda b=bench: "pump" in b.controller.phase, 700)


@pytest.mark.parametrize(("phase", "counts"), [("melt", 0), ("steady", 0), ("cool", 1)])
def test_a_stopped_charge_counts_if_it_was_poured_power_lost_meanwhile_or_not(
    phase: str, counts: int
) -> None:
    for lost in (False, True):
        bench = at("crucible", phase)
        bench.job("Pause")
        bench.rest(2)
        bench.job("Stop")
        bench.to("cool")
        if lost:
            bench.fault("Safety.PowerLoss", True)
            bench.rest(20)
            bench.fault("Safety.PowerLoss", False)
            bench.rest(2)
            bench.job("Resume")
        bench.finish()
        assert bench.layer == counts
        balanced(bench)

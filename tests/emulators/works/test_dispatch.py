"""The dispatcher with machines that others use, too, and that refuse, fail and lose their power."""

from __future__ import annotations

from concurrent.futures import Future
from math import inf
from pathlib import Path
from typing import Any

import pytest
import yaml

from emulators.works.build import BuiltWorks, build_works
from emulators.works.plan import load_plan
from plc_interfaces.host import Act, ActKind
from tests.machines import TRIALS

HOUR = 3600.0
PRINTER = "PBF-LB-01"


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """One printer and the people that it needs."""
    settings = TRIALS["pbf-lb"].settings(tmp_path_factory.mktemp("trial"), 3)
    return {
        "begins": "Mon 06:00", "products": ["block"],
        "shifts": [{"name": "always", "days": ["Mon"], "begins": "06:00", "ends": "20:00"}],
        "people": [{"name": "Ann", "skills": ["operator", "maintenance"], "shift": "always"}],
        "stores": [
            {"name": "IN718", "alloy": "IN718", "stock": [{"mass_kg": 200, "d50_um": 33}]}],
        "machines": [{
            "name": PRINTER, "type": "pbf-lb", "upkeep": {"between_failures_h": 0},
            "programs": [{
                "name": "blocks", "makes": {"product": "block"},
                "takes": [{"store": "IN718", "kg": 20}], "parts": list(settings.parts),
                "unit": "mm", "recipe": settings.recipe}]}],
        "orders": [{"product": "block", "quantity": 2}],
    }


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


class Bench:
    """A works that is run a while at a time."""

    def __init__(self, told: dict[str, Any], folder: Path) -> None:
        path = folder / "plan.yaml"
        path.write_text(yaml.safe_dump(told))
        self.built: BuiltWorks = build_works(load_plan(path))
        self.built.loop.pacer.set_factor(inf)
        self.dispatcher: Any = self.built.works.controller
        self.plant: Any = self.built.works.plant
        self.printer = self.built.members[0].emulator

    def on(self, seconds: float) -> None:
        loop = self.built.loop
        last = loop.number + round(seconds / loop.scan_period)
        loop.run(lambda: loop.number >= last, last)

    def to_step(self, step: str) -> Any:
        """The printer's job, once it is so far."""
        for _ in range(2000):
            job = self.dispatcher.jobs.get(PRINTER)
            if job is not None and job.step == step:
                return job
            self.on(10.0)
        raise AssertionError(f"never {step}")

    def _act(self, emulator: Any, kind: ActKind, path: str, value: Any) -> Any:
        future: Future[Any] = emulator.submit(Act(kind, path, value))
        self.on(0.1)
        return future.result(0)

    def call(self, path: str, *arguments: Any) -> Any:
        return self._act(self.printer, ActKind.CALL, path, list(arguments))

    def fault(self, path: str, value: Any) -> None:
        self._act(self.built.works, ActKind.FAULT, path, value)

    def done(self) -> None:
        """Both parts are delivered and nothing got lost."""
        self.on(13 * HOUR - self.built.loop.number * self.built.loop.scan_period)
        assert self.dispatcher.orders.parts_shipped == 2
        assert not self.dispatcher.jobs
        assert self.plant.close() < 1e-9


@pytest.fixture
def bench(told: dict[str, Any], home: Path, tmp_path: Path,
          monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setenv("AMTWIN_HOME", str(home))
    return Bench(told, tmp_path)


def test_an_order_that_the_machine_refuses_is_given_again(bench: Bench) -> None:
    bench.to_step("setting up")
    for number in range(100):  # the list of orders is full
        bench.call("Job.Store", f"C{number}", "blocks")
    bench.on(HOUR)
    assert bench.dispatcher.jobs[PRINTER].step in ("ready", "ordered")
    for number in range(100):
        bench.call("Job.Cancel", f"C{number}")
    bench.done()


def test_a_machine_in_maintenance_is_waited_for(bench: Bench) -> None:
    bench.to_step("setting up")
    bench.call("Machine.Maintenance", True)
    bench.on(HOUR)
    assert bench.dispatcher.jobs[PRINTER].step == "ready"
    assert bench.dispatcher.shown[PRINTER].waits_for == "machine: maintenance"
    bench.call("Machine.Maintenance", False)
    bench.done()


def test_a_client_s_own_job_is_not_taken_for_the_ordered_one(bench: Bench) -> None:
    job = bench.to_step("setting up")
    bench.call("Job.StoreAndStart", "C1", "blocks")
    bench.on(60.0)
    assert job.step == "setting up"
    bench.done()
    assert [j.failed for j in bench.dispatcher.finished] == [False, False]


def test_powder_of_a_refused_order_is_not_there_for_a_client_s_job(bench: Bench) -> None:
    """It goes back with the refusal, and comes again with the next order."""
    job = bench.to_step("setting up")
    numbers = [f"C{number}" for number in range(100)]
    for number in numbers:  # the list of orders is full
        bench.call("Job.Store", number, "blocks")
    for _ in range(400):
        if job.refused:
            break
        bench.on(10.0)
    assert job.refused
    assert not job.robbed
    waiting = bench.printer.plant.powder.waiting
    assert not waiting
    assert {t.id for t in job.things} <= {*bench.plant.at[PRINTER]}
    for number in numbers:
        bench.call("Job.Cancel", number)
    bench.done()
    assert [j.failed for j in bench.dispatcher.finished] == [False, False]


def test_a_client_s_job_that_takes_the_ordered_one_s_powder(bench: Bench) -> None:
    """Our order comes behind a client's that was first: it is given up and made again."""
    job = bench.to_step("setting up")
    station = bench.dispatcher.stations[PRINTER]
    order = station.order

    def overtaken(job_id: str, program: str) -> None:
        # Between the look at the machine and the order, somebody else orders.
        station._call("Job.StoreAndStart", "C1", program)
        order(job_id, program)

    station.order = overtaken
    for _ in range(400):
        if job.step == "ordered":
            break
        bench.on(10.0)
    station.order = order
    bench.done()
    first, *others = bench.dispatcher.finished
    assert first is job
    assert first.failed
    assert first.started is None
    assert [j.failed for j in others] == [False, False]


def test_a_job_of_somebody_else_that_is_aborted_blocks_nothing(bench: Bench) -> None:
    bench.to_step("setting up")
    bench.call("Job.StoreAndStart", "C1", "blocks")
    bench.call("Job.Abort", "C1")
    bench.done()


def test_maintenance_waits_for_a_client_s_job_and_does_not_press_it(
    told: dict[str, Any], home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine whose job somebody else holds is not told to reset in every scan."""
    monkeypatch.setenv("AMTWIN_HOME", str(home))
    (machine,) = told["machines"]
    upkeep = {"between_failures_h": 0, "service_every_h": 0.01, "service_h": 0.5}
    bench = Bench(told | {"orders": [], "machines": [machine | {"upkeep": upkeep}]}, tmp_path)
    bench.call("Job.StoreAndStart", "C1", "blocks")
    bench.on(100.0)
    bench.call("Job.Pause", "C1")
    before = bench.printer.scans
    bench.on(HOUR)
    assert bench.plant.machines[PRINTER].service_due
    assert bench.printer.scans - before < 100
    assert not bench.dispatcher.repairs
    bench.call("Job.Resume", "C1")
    bench.on(2 * HOUR)
    assert not bench.plant.machines[PRINTER].service_due
    assert not bench.dispatcher.repairs


def test_mains_lost_while_a_failed_job_is_unloaded(bench: Bench) -> None:
    job = bench.to_step("running")
    bench.call("Job.Abort", job.id)
    assert job.step == "unloading"
    bench.fault("Mains.Lost", True)
    bench.on(2 * HOUR)
    bench.fault("Mains.Lost", False)
    bench.done()


def test_a_program_that_takes_twice_of_a_store_needs_the_sum(
    told: dict[str, Any], home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AMTWIN_HOME", str(home))
    (machine,) = told["machines"]
    (program,) = machine["programs"]
    takes = [{"store": "IN718", "kg": 150}, {"store": "IN718", "kg": 60}]
    changed = told | {"machines": [machine | {"programs": [program | {"takes": takes}]}]}
    bench = Bench(changed, tmp_path)
    bench.on(HOUR)
    assert not bench.dispatcher.jobs
    assert "200 of 210 kg" in bench.dispatcher.dispatch.reason


def test_powder_taken_by_mistake_leaves_the_rest_where_it_was(bench: Bench) -> None:
    """The second lot of a program is no longer there; what was fetched goes back."""
    stores, program = bench.plant.stores, bench.dispatcher.plan.machines[0].programs[0]
    before = stores["IN718"].mass
    take = program.takes[0]
    greedy = program.model_copy(update={"takes": (
        take, take.model_copy(update={"kg": before - 1.0}))})
    assert bench.dispatcher.material.fetch(greedy, PRINTER) is None
    assert stores["IN718"].mass == pytest.approx(before, rel=1e-12)
    assert not bench.plant.at[PRINTER]

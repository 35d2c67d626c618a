"""Failures come by working hours, and each machine has its own stream of them."""

from __future__ import annotations

import pytest

from twin.works.plant import Place, Works
from twin.works.upkeep import Upkeep

HOUR = 3600.0


def works(seed: int = 1, **about: float) -> Works:
    upkeep = Upkeep(**{"between_failures": 10 * HOUR, "interval": 50 * HOUR, **about})
    return Works(seed, [Place("A", upkeep=upkeep), Place("B", upkeep=upkeep)])


def failures(plant: Works, name: str, hours: float) -> list[float]:
    """Working hours at which a machine fails that is repaired at once."""
    machine, found = plant.machines[name], []
    machine.work(True)
    end = plant.env.now + hours * HOUR
    while plant.next_event() < end:
        plant.advance(plant.next_event() + 1e-3)
        if machine.broken:
            machine.sense(plant.env.now)
            found.append(machine.hours / HOUR)
            machine.repaired()
    plant.advance(end)
    return found


def test_verification_mean_time_between_failures() -> None:
    found = failures(works(), "A", 10_000)
    # A Poisson process: 1000 expected, standard deviation 32.
    assert 900 < len(found) < 1100


def test_the_same_seed_gives_the_same_failures_and_machines_differ() -> None:
    assert failures(works(), "A", 200) == failures(works(), "A", 200)
    assert failures(works(), "A", 200) != failures(works(), "B", 200)
    assert failures(works(2), "A", 200) != failures(works(1), "A", 200)


def test_a_machine_that_stands_does_not_fail() -> None:
    plant = works()
    first = failures(works(), "A", 100)[0]
    plant.machines["A"].work(True)
    plant.advance(0.5 * first * HOUR)
    plant.machines["A"].work(False)
    plant.advance(1000 * HOUR)
    assert not plant.machines["A"].broken
    plant.machines["A"].work(True)
    plant.advance((1000 + 0.5 * first) * HOUR + 60)
    assert plant.machines["A"].broken
    plant.machines["A"].sense(plant.env.now)
    assert plant.machines["A"].hours == pytest.approx(first * HOUR + 60, abs=1)


def test_fault_frailty_brings_failures_sooner() -> None:
    first = failures(works(), "A", 100)[0]
    plant = works()
    plant.drive("Machine1.Frailty", 4.0)
    assert failures(plant, "A", 100)[0] == pytest.approx(first / 4, rel=1e-4)


def test_fault_breakdown_breaks_the_machine_now() -> None:
    plant = works()
    plant.drive("Machine2.Breakdown", True)
    assert plant.machines["B"].broken
    assert plant.machines["B"].repair_time() > 0
    plant.machines["B"].repaired()
    assert not (plant.machines["B"].broken)
    assert not (plant.machines["B"].breakdown)


def test_service_is_due_by_working_hours() -> None:
    plant = works(between_failures=0)
    machine = plant.machines["A"]
    plant.advance(100 * HOUR)
    machine.work(True)
    plant.advance(149 * HOUR)
    assert not machine.service_due
    plant.advance(150 * HOUR)
    assert machine.service_due
    machine.serviced()
    assert not machine.service_due

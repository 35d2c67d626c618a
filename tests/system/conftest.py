"""Real machines with open ports that the tests of a module share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.machines import Machine, machine


@pytest.fixture(scope="module")
def paced(machine_type: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine at 20 times real time, recorded; idle until somebody starts a job."""
    folder = tmp_path_factory.mktemp("paced")
    with machine(machine_type, folder, served={}, layers=100, speed=20.0, record=True) as running:
        yield running


@pytest.fixture(scope="module")
def stepped(machine_type: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine amid a job whose clock stands still but for `Machine.step`."""
    with machine(
        machine_type,
        tmp_path_factory.mktemp("stepped"),
        served={},
        layers=40,
        speed=0.0,
        warm_up=lambda m: m.value(m.trial.counter) >= 2,
    ) as running:
        running.step()
        yield running

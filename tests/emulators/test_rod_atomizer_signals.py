"""A gas atomizer with a rod: every reading moves, every fault of its own changes a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from emulators.settings import Settings
from tests import machines
from tests.emulators.test_every_signal import Probe
from tests.machines import recipe

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def _rods(folder: Path, layers: int) -> Settings:
    """Hot gas, and a filter that is pulsed all the time."""
    quick = recipe(
        folder, "Ti-6Al-4V", "gas-atomizer", charge__count=layers, charge__mass=0.5,
        charge__time=0, charge__power=250, rod__diameter=80, rod__feed=130, rod__stub=0.3,
        chamber__vacuum=500, chamber__leak_time=1, chamber__leak_limit=10_000,
        chamber__oxygen_limit=250_000, chamber__settling=0, gas__temperature=120,
        filter__pulse=1, cooling__powder=300, cooling__passivation=0, cooling__discharge=0)
    return Settings("gas-atomizer", recipe=str(quick))


def test_every_fault_of_a_rod_changes_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch
                                            ) -> None:
    made = replace(machines.TRIALS["gas-atomizer"], thorough=_rods)
    monkeypatch.setitem(machines.TRIALS, "gas-atomizer", made)
    probe: Any = Probe("gas-atomizer", tmp_path)
    usual = probe.run()
    dead = [path for path in probe.faults if probe.run(path, probe.value(path)) == usual]
    assert [path for path in dead if not path.startswith("Safety.")] == []
    still = [path for path, _, _ in probe._sources if path not in probe.moved]
    assert still == []
    probe.machine.close()

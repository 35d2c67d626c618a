"""No signal for nothing: readings move, outputs are driven, every fault changes a run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from plc_interfaces.host import Act, ActKind
from tests.machines import Machine, trial
from twin.signals import Kind, Value

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

HORIZON = 60.0
"""Simulated s within which most faults show."""


class Probe:
    """A job at a checkpoint, from which it goes on again and again."""

    def __init__(self, kind: str, folder: Path) -> None:
        made = trial(kind)
        settings = (made.thorough or made.settings)(folder, 4)
        self.machine = Machine(settings, folder)
        self.emulator = self.machine.emulator
        plant, readings = self.emulator.plant, self.emulator.readings
        self._sources = [(s.path, *source) for s, source in
                         zip(readings.signals, readings._sources, strict=True)]
        self._first = {path: getattr(owner, name) for path, owner, name in self._sources}
        self.moved: set[str] = set()
        self.faults = {s.path: s for s in plant.table.of_kind(Kind.FAULT)}
        self.machine.order()
        controller: Any = self.emulator.controller
        self.controller = controller
        while not (controller.checkpoint is not None and controller.job.layer >= 1
                   and plant.quiet):
            self._scan()
        self._state = self.emulator.state()

    def _scan(self) -> None:
        self.emulator.scan(self.emulator.next_scan)
        self.moved |= {path for path, owner, name in self._sources
                       if path not in self.moved and getattr(owner, name) != self._first[path]}

    def run(self, path: str = "", value: Value = 0.0, horizon: float = HORIZON) -> str:
        """Go on from the checkpoint, with a fault or without; the trace hash at the end."""
        emulator = self.emulator
        emulator.reinstate(self._state)
        emulator.next_scan = emulator.scan_number + 1
        if path:
            emulator.submit(Act(ActKind.FAULT, path, value, "ines", "instructor"))
        end = emulator.time + horizon
        while emulator.time < end and not self.controller.over:
            self._scan()
        return str(emulator.trace.hexdigest)

    def value(self, path: str) -> Value:
        """A fault at its worst."""
        signal = self.faults[path]
        if signal.type is bool:
            return True
        worst = signal.high if signal.high != signal.start else signal.low
        assert worst is not None
        return worst


@pytest.fixture(scope="module")
def probe(machine_type: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Probe]:
    made = Probe(machine_type, tmp_path_factory.mktemp("probe"))
    yield made
    made.machine.close()


def test_every_fault_changes_a_run_and_every_reading_moves(probe: Probe) -> None:
    whole = 1e6
    soon, late = probe.run(), probe.run(horizon=whole)
    dead = [path for path in probe.faults
            if probe.run(path, probe.value(path)) == soon
            and probe.run(path, probe.value(path), whole) == late]
    assert dead == []
    still = [path for path, _, _ in probe._sources if path not in probe.moved]
    assert still == []

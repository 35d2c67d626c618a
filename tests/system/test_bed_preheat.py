"""One controller for the electron-beam preheat, unchanged over both wires."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bed import losing_its_bed, watched
from tests.machines import until

LAYERS = 34
pytestmark = pytest.mark.timeout(90)


@pytest.mark.parametrize("wire", ["opcua", "modbus"])
async def test_the_bed_is_held_over_a_wire(tmp_path: Path, wire: str) -> None:
    with losing_its_bed(tmp_path, wire, 60.0) as running:
        steps = await watched(running, wire, LAYERS)
        assert running.value("Machine.SmokeEvents") == 0
        # A write is answered when it is queued; the scan that applies it may be still to come.
        asked = pytest.approx(steps[-1].current)
        until(lambda: running.value("Process.Preheat2Current") == asked, what="current as asked")
    late = [step.temperature for step in steps[-6:]]
    assert all(abs(t - 730.0) < 30.0 for t in late), late
    assert steps[-1].effort > 1.3

"""What the deposition machines have in common: enclosure and door, jobs, tables."""

from __future__ import annotations

from typing import Any

import pytest

from tests.ded_bench import ded_program
from tests.wire_bench import wire_job
from twin.machines.ded_arc import DedArc
from twin.machines.ded_powder import DedPowder
from twin.machines.ded_wire_laser import DedWireLaser

MACHINES: dict[str, Any] = {
    "ded-powder": (DedPowder, lambda: ded_program(layers=2)),
    "ded-arc": (DedArc, lambda: wire_job("ded-arc", layers=2)),
    "ded-wire-laser": (DedWireLaser, lambda: wire_job("ded-wire-laser", layers=2)),
}


@pytest.mark.parametrize("machine", MACHINES)
def test_a_door_forced_open_lets_air_in_at_once(machine: str) -> None:
    kind, program = MACHINES[machine]
    plant = kind(seed=1)
    plant.load(program().job)
    plant.drive("Enclosure.PurgeFlow", 400e-3 / 60)
    plant.advance(4 * 3600.0)
    purged = plant.enclosure.oxygen
    assert purged < 1e-3
    plant.drive("Safety.DoorForced", True)
    plant.advance(4 * 3600.0 + 60.0)
    assert plant.enclosure.oxygen > 0.05
    plant.drive("Safety.DoorForced", False)
    rising = plant.enclosure.oxygen
    plant.advance(4 * 3600.0 + 120.0)
    assert plant.enclosure.oxygen < rising, "the gas still flows, the door is shut again"


@pytest.mark.parametrize("machine", MACHINES)
def test_a_job_taken_out_leaves_nothing_of_it(machine: str) -> None:
    kind, program = MACHINES[machine]
    plant = kind(seed=1)
    plant.load(program().job)
    plant.load(None)
    assert plant.feedstock_used() == {}
    assert plant.take_operations() == []
    assert plant.layers_done == 0

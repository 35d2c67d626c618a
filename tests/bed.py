"""A PBF-EB machine with fixed preheats that loses its bed, for tests of the loop that holds it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from emulators.catalog import Settings
from scenarios.bed_preheat import Step, hold_bed
from tests.machines import Machine, block, recipe

DAMAGE = 8.0
"""Factor on what the heat shields around the bed let through."""
CLEAN = 3
"""Layers before they are damaged."""


def settings(folder: Path, layers: int) -> Settings:
    """A small build tank, quick raking, preheats of fixed times."""
    chosen = recipe(
        folder, "Ti-6Al-4V", "pbf-eb", layer_thickness=40, raking__speed=500, preheat__tank=60,
        preheat__edge=50, preheat__plate_current=20, preheat__current_1=2, preheat__time_1=3,
        preheat__current_2=2.5, preheat__time_2=7, preheat__fixed=True,
        vacuum__start_pressure=1e-2, imaging__enabled=False)
    return Settings("pbf-eb", parts=(str(block(folder, layers, side=3.0)),), unit="mm",
                    recipe=str(chosen))


@contextmanager
def losing_its_bed(folder: Path, wire: str, speed: float) -> Iterator[Machine]:
    """Amid its layers, with one port at most."""
    ports: dict[str, Any] = {"opcua": None, "modbus": None, "instructor": None, wire: 0}
    ports.pop("local", None)
    made = Machine(settings(folder, 400), folder)
    try:
        made.order()
        made.scan_until(lambda: made.value("Job.Layer") >= 1)
        made.emulator.pacer.set_factor(speed)
        made.serve(**ports)
        yield made
    finally:
        made.close()


async def watched(running: Machine, wire: str, layers: int, **loop: float) -> list[Step]:
    """The loop beside a build whose heat shields fall off."""
    device = await running.device(wire, "olive")
    steps: list[Step] = []

    def report(step: Step) -> None:
        steps.append(step)
        if len(steps) == CLEAN:
            running.fault("Platform.ShieldDamage", DAMAGE)

    try:
        async with asyncio.timeout(60):
            return await hold_bed(device, layers=layers, report=report, **loop)
    finally:
        await device.close()

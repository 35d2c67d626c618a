"""The worked example holds the melt pool of a real machine, unchanged over every wire."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from statistics import mean

import pytest

from scenarios.compensation import Step, compensate
from tests.machines import WIRES, Machine, machine, until

pytestmark = pytest.mark.timeout(60)
LAYERS, CLEAN, LOST = 14, 4, 6.0
"""Layers watched, those before the window gets dirty, and what it then takes away (%)."""


async def watched(running: Machine, wire: str, gain: float) -> list[Step]:
    """The example beside a build whose window gets dirty."""
    device = await running.device(wire, "olive")
    steps: list[Step] = []

    def report(step: Step) -> None:
        steps.append(step)
        if len(steps) == CLEAN:
            running.fault("Laser1.Contamination", LOST)

    try:
        async with asyncio.timeout(40):
            return await compensate(device, layers=LAYERS, gain=gain, report=report)
    finally:
        await device.close()


@pytest.fixture(params=["local"])
def building(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Machine]:
    """Amid its layers, 25 times as fast as real time, with one port at most."""
    ports = {"opcua": None, "modbus": None, "instructor": None, request.param: 0}
    ports.pop("local", None)
    with machine(
        "pbf-lb",
        tmp_path,
        served=ports,
        layers=60,
        speed=25.0,
        warm_up=lambda m: m.value("Job.Layer") >= 1,
    ) as running:
        yield running


def deviation(steps: list[Step]) -> float:
    """Of the last three layers from the first three, share."""
    assert len(steps) == LAYERS
    assert [s.layer for s in steps] == sorted({s.layer for s in steps})
    reference = mean(s.photodiode for s in steps[:3])
    return mean(s.photodiode for s in steps[-3:]) / reference - 1


@pytest.mark.parametrize(
    ("building", "wire"), [(wire, wire) for wire in WIRES], indirect=["building"]
)
async def test_power_brings_the_photodiode_back(building: Machine, wire: str) -> None:
    before = building.value("Process.LaserPower")
    steps = await watched(building, wire, 0.6)
    assert deviation(steps) == pytest.approx(0.0, abs=0.02)
    # The laser gives what the window takes, and more: the photodiode looks through it, too.
    assert before / (1 - LOST / 100) < steps[-1].power < before / (1 - LOST / 100) ** 2
    assert not any(s.saturated for s in steps)
    until(lambda: building.value("Process.LaserPower") == steps[-1].power)
    assert building.value("Laser1.Power") == pytest.approx(steps[-1].power)


async def test_without_it_the_photodiode_stays_low(building: Machine) -> None:
    steps = await watched(building, "local", 0.0)
    assert deviation(steps) < -0.06
    assert steps[-1].power == steps[0].power

"""The height controller holds its target over every wire; without it the layers run away."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from plc_interfaces.host import Act, ActKind
from scenarios.layer_height import LOOPS, LayerSeen, hold_height
from tests.machines import Machine, machine, recipe, settled

pytestmark = pytest.mark.timeout(120)


@dataclass(frozen=True)
class Disturbance:
    """What makes the layers run away, and how far."""

    fault: tuple[str, float]
    layers: int
    alarm: str
    """That it leads to when nobody holds the height."""
    band: float
    """What the controller keeps the stand-off within in the end, mm."""
    gcode: str
    """A wall of one pass per layer, which is quick."""
    recipe: tuple[str, dict[str, Any]] = ("", {})
    """A packaged recipe, and what is quicker of it."""
    idle: int = 8
    """Scans between two looks while nothing is deposited."""


def wall(length: float, step: float, layers: int, feed: float) -> str:
    """A wall of one bead, mm and mm/min, run to and fro; power and feedstock by the recipe."""
    lines = ["G21 G90"]
    for layer in range(layers):
        start, end = (0.0, length) if layer % 2 == 0 else (length, 0.0)
        lines += [f"G0 X{start:g} Y0 Z{layer * step:g}", "M3", f"G1 X{end:g} F{feed:g}", "M5"]
    return "\n".join(lines) + "\n"


WIRE: dict[str, Any] = {
    "thermal__dwell": 0, "thermal__interpass_limit": 640, "wire__height_control": False,
    "wire__track_surface": False, "wire__pass_dwell": 0}

DISTURBED = {
    # A hose half clogged: less than the catchment can make good by coming nearer the focus.
    "ded-powder": Disturbance(("Feeder.Hopper1.Clog", 40.0), 22, "Alarms.StandOffFar", 0.8,
                              wall(40.0, 0.4, 80, 600),
                              ("316L", {"passes__layer_height": 0.4, "thermal__dwell": 2.5,
                                        "powder__lead": 3,
                                        "thermal__adaptive": False,
                                        "laser__regulate": False})),
    # Worn drive rolls; the machines' own regulator of the feed is off.
    "ded-wire-laser": Disturbance(("WireFeeder.Slip", 30.0), 16, "Alarms.WireDrips", 0.8,
                                  wall(40.0, 1.1, 60, 600),
                                  ("316L", {"passes__layer_height": 1.1, **WIRE,
                                            "laser__regulate": False}), 20),
    "ded-arc": Disturbance(("WireFeeder.Slip", 30.0), 15, "Alarms.StandOffFar", 1.0,
                           wall(60.0, 1.6, 60, 600),
                           ("ER70S-6", {"passes__layer_height": 1.6, **WIRE}), 40),
}


@pytest.fixture
def wire() -> str:
    """In process, unless a test says otherwise."""
    return "local"


@pytest.fixture(params=sorted(LOOPS))
def building(request: pytest.FixtureRequest, tmp_path: Path, wire: str) -> Iterator[Machine]:
    """Amid its layers, served on one wire, its clock in the test's hands."""
    kind = request.param
    ports = {port: 0 if port == wire else None for port in ("opcua", "modbus", "instructor")}
    path = tmp_path / "wall.nc"
    path.write_text(DISTURBED[kind].gcode)
    name, changes = DISTURBED[kind].recipe
    quick = str(recipe(tmp_path, name, kind, **changes))
    with machine(kind, tmp_path / "m", served=ports, parts=(str(path),), recipe=quick, speed=0.0,
                 warm_up=lambda m: m.value("Job.Layer") >= 3) as running:
        yield running


async def run(building: Machine, wire: str, held: bool) -> tuple[list[LayerSeen], set[str]]:
    """So many layers with the disturbance, with the controller or only looked at.

    What was seen of them, and the alarms that came.
    """
    disturbance, loop = DISTURBED[building.settings.machine], LOOPS[building.settings.machine]
    device = await building.device(wire, "olive")
    if not held:
        loop = type(loop)((), 0.0, 0.0)

    async def wait() -> None:
        works = building.value(loop.active)
        await asyncio.to_thread(building.step, 8 if works else disturbance.idle)
        await settled(building.emulator, device)

    steps: list[LayerSeen] = []
    raised: set[str] = set()
    building.emulator.listen(lambda update: raised.update(
        alarm.path for alarm in update.alarms if alarm.active))
    try:
        await asyncio.to_thread(building.step, 1)
        await asyncio.to_thread(disturb, building, *disturbance.fault)
        async with asyncio.timeout(100):
            steps = await hold_height(device, loop, layers=disturbance.layers, wait=wait)
    finally:
        await device.close()
    return steps, raised


def disturb(building: Machine, path: str, value: float) -> None:
    """At the next scan."""
    future = building.emulator.submit(Act(ActKind.FAULT, path, value, "ines", "instructor"))
    building.step(1)
    future.result(20)


@pytest.mark.parametrize("wire", ["opcua", pytest.param("modbus", marks=pytest.mark.slow)])
async def test_the_height_is_held(building: Machine, wire: str) -> None:
    disturbance = DISTURBED[building.settings.machine]
    steps, raised = await run(building, wire, held=True)
    assert len(steps) == disturbance.layers
    late = [step.error for step in steps[-4:]]
    assert max(map(abs, late)) < disturbance.band
    assert not any(step.saturated for step in steps[-4:])
    assert disturbance.alarm not in raised


async def test_without_it_the_fault_develops(building: Machine) -> None:
    disturbance = DISTURBED[building.settings.machine]
    steps, raised = await run(building, "local", held=False)
    errors = [step.error for step in steps]
    assert errors[-1] > 2 * disturbance.band
    assert errors[-1] > errors[len(errors) // 2] > errors[2]
    assert disturbance.alarm in raised

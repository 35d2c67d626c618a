"""Melt pools in the loop: a client steps the laser power, and what it reads follows the physics."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from math import inf
from pathlib import Path

import numpy as np
import pytest

from emulators.journal import read_journal
from emulators.recipes import load_recipe
from emulators.runs import replay
from plc_interfaces.host import Act, ActKind
from tests.machines import Machine, block, machine, trial
from twin.equipment.exposure import Track
from twin.image import Device
from twin.machines.pbf_lb import PbfLb
from twin.materials import alloy
from twin.meltpool import PathModel
from twin.meltpool.solver import EnthalpySolver
from twin.meltpool.sources import MovingSources
from twin.signals import Kind

FULL, REDUCED = 285.0, 200.0
CELL_UM = 40.0
"""A coarse grid keeps up with the clock on any computer that tests run on."""
SIGNALS = ("Laser1.PoolDepth", "Laser1.PoolWidth", "Laser1.Photodiode", "Laser1.Pyrometer")
LEVELS = ("sources", "solver")

pytestmark = pytest.mark.timeout(120)


def marking(machine: Machine) -> bool:
    """Whether the first layer's hatch is on its way."""
    return bool(machine.value("Scanner.Busy")) and machine.value("Scanner.Progress") > 5


@pytest.fixture(params=LEVELS)
def at_work(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Machine]:
    """In real time, in the middle of a layer that takes some seconds."""
    part = block(tmp_path, 2, side=24.0)
    with machine(
        "pbf-lb", tmp_path, served={}, speed=1.0, record=True, warm_up=marking,
        parts=(str(part),), melt_pool=request.param, melt_pool_cell_um=CELL_UM, melt_pool_lag=1,
    ) as running:
        yield running


def by_the_model(running: Machine, track: Track, begin: float, end: float) -> tuple[float, float]:
    """Median depth (um) that the level itself gives along the beam's path, and its error."""
    recipe = load_recipe(running.settings.recipe or "")
    path = track.path(begin - 0.1, end)
    middles = 0.5 * (path.begin + path.end)
    middles = middles[middles > begin]
    assert len(middles) > 20
    model: PathModel = MovingSources()
    if running.settings.melt_pool == "solver":
        model = EnthalpySolver(cell=CELL_UM * 1e-6)
    metal = alloy(recipe.alloy)
    pool = model.along(metal, [path], middles, preheat=303.0,
                       powder_layer=recipe.layer_thickness / metal.powder_packing)
    return float(np.median(pool.depth)) * 1e6, float(pool.uncertainty.max())


async def medians(device: Device) -> dict[str, float]:
    """Over some scans, while the hatch is marked."""
    seen: dict[str, list[float]] = {path: [] for path in SIGNALS}
    for _ in range(12):
        await asyncio.sleep(0.05)
        for path in SIGNALS:
            seen[path].append(float((await device.read(path)).value))
    return {path: float(np.median(values)) for path, values in seen.items()}


async def test_a_power_step_over_opc_ua_is_followed_by_pool_and_sensors(at_work: Machine) -> None:
    emulator = at_work.emulator
    device = await at_work.device("opcua")
    try:
        times = [emulator.time]
        before = await medians(device)
        times.append(emulator.time)
        await device.write("Process.LaserPower", REDUCED)
        await asyncio.sleep(0.3)
        times.append(emulator.time)
        after = await medians(device)
        times.append(emulator.time)
        assert isinstance(emulator.plant, PbfLb)
        exposure = emulator.plant.scanner._exposure
        assert exposure is not None, "still the same layer"
        track = exposure.tracks[0]
    finally:
        await device.close()
    for power, seen, (begin, end) in ((FULL, before, times[:2]), (REDUCED, after, times[2:])):
        marked = (track.begin > begin) & (track.end < end)
        assert set(track.demand[marked]) == {power}
        depth, error = by_the_model(at_work, track, begin, end)
        assert seen["Laser1.PoolDepth"] == pytest.approx(depth, rel=max(error, 0.1)), power
    for path in SIGNALS[:-1]:
        assert after[path] < before[path], path
    # A keyhole's surface stands near boiling at either power, but fills less of the view.
    assert -400 < after["Laser1.Pyrometer"] - before["Laser1.Pyrometer"] < 50
    assert after["Laser1.PoolDepth"] < 0.85 * before["Laser1.PoolDepth"]
    await asyncio.to_thread(at_work.close)
    writes = [e.act for e in read_journal(at_work.record).entries if e.act.kind is ActKind.WRITE]
    assert [(w.path, w.value) for w in writes] == [("Process.LaserPower", REDUCED)]
    assert replay(at_work.record).same


@pytest.mark.parametrize("level", LEVELS)
def test_real_time_and_as_fast_as_possible_are_one_run(tmp_path: Path, level: str) -> None:
    def run(speed: float, looking: bool, script: dict[int, list[Act]], last: int = 0) -> Machine:
        """Up to the first exposure, and from there to a scan."""
        folder = tmp_path / f"{speed} {len(script)}"
        folder.mkdir()
        settings = replace(
            trial("pbf-lb").settings(folder, 6), melt_pool=level, melt_pool_cell_um=CELL_UM)
        made = Machine(settings, folder, every_scan=looking)
        made.emulator.script(script)
        made.order()
        made.scan_until(lambda: made.value("Scanner.Busy"))
        made.emulator.pacer.set_factor(speed)
        made.emulator.run_to(max(last, made.emulator.scan_number))
        made.emulator.shown.look(made.emulator.scan_number, made.emulator.time)
        return made

    begun = run(inf, False, {}).emulator.scan_number
    step = {begun + 2: [Act(ActKind.WRITE, "Process.LaserPower", REDUCED)]}
    quick, paced = (run(*how, step, begun + 30) for how in ((inf, False), (1.0, True)))
    assert paced.emulator.trace.hexdigest == quick.emulator.trace.hexdigest
    shown = [p for p, s in quick.emulator.table.items() if s.kind is Kind.MEASURED]
    assert [paced.value(p) for p in shown] == [quick.value(p) for p in shown]
    assert quick.value("Layer.WidthMean") > 50, "the layer was finished meanwhile"

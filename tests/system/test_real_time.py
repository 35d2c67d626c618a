"""A machine in real time: simulated time is wall time, and the instructor holds the clock."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest
from asyncua import ua

from emulators.journal import read_journal
from emulators.runs import replay
from plc_interfaces.host import ActKind
from tests.machines import Machine, machine

TIME, FACTOR = "Simulation.SimulatedTime", "Simulation.SpeedFactor"


@pytest.fixture
def real_time(machine_type: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """At a scan of 10 ms, as beside real hardware; recorded, its job on the way."""
    folder = tmp_path_factory.mktemp("real")
    with machine(machine_type, folder, speed=1.0, record=True, scan_ms=10.0) as running:
        running.order()
        running.serve()
        yield running


async def test_real_time(real_time: Machine) -> None:
    device = await real_time.device("opcua")
    heard: list[tuple[float, float]] = []
    # The job is on its way, and diagnostics are published as it runs.
    subscription = await device.subscribe(
        [TIME],
        lambda _, s: heard.append((time.monotonic(), float(s.value))),
        0.05,  # type: ignore[arg-type]
    )
    await asyncio.sleep(2.0)
    await subscription.close()
    (wall_0, time_0), (wall_1, time_1) = heard[1], heard[-1]
    assert wall_1 - wall_0 > 1.0
    # As far as one can tell through a subscription on a busy computer.
    assert time_1 - time_0 == pytest.approx(wall_1 - wall_0, abs=0.8)
    assert (await device.read(FACTOR)).value == 1.0
    # Source times are the run's own, and run with it.
    sample = await device.read(real_time.trial.reading)
    assert sample.stamp == pytest.approx(
        real_time.emulator.epoch + real_time.emulator.time, abs=0.8
    )

    async with real_time.instructor() as instruct:
        await instruct("SetSpeed", 0.0)
        await asyncio.sleep(0.1)
        scan = real_time.emulator.scan_number
        await asyncio.sleep(0.3)
        assert real_time.emulator.scan_number == scan
        for _ in range(3):
            await instruct("Step", ua.Variant(5, ua.VariantType.Int32))
        assert real_time.emulator.scan_number == scan + 15
        await instruct("SetSpeed", 40.0)
        before = real_time.emulator.time
        await asyncio.sleep(0.5)
        assert real_time.emulator.time - before > 5.0
    await device.close()
    await asyncio.to_thread(real_time.close)
    speeds = [
        e.act.value for e in read_journal(real_time.record).entries if e.act.kind is ActKind.SPEED
    ]
    assert speeds == [0.0, 40.0]
    assert replay(real_time.record).same

"""The enthalpy solver in a machine's loop, in real time, while clients read both servers."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path

import pytest

from emulators.pacer import LatenessHistogram
from tests.machines import Machine, block, machine

SCAN_MS = 10.0
LATE_MS = 5.0
"""Lateness at the 99th percentile that is allowed."""
LOST = 2e-3
"""Part of the scans that may be lost to whatever else the computer does; 0 is the aim."""
SECONDS = 15.0

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


def marking(machine: Machine) -> bool:
    """Whether the first layer's hatch is on its way."""
    return bool(machine.value("Scanner.Busy")) and machine.value("Scanner.Progress") > 3


async def read_both(running: Machine, stop: threading.Event) -> int:
    """Read pool and photodiode over both wires, 50 times a second each; how often it was done."""
    devices = [await running.device(wire) for wire in ("opcua", "modbus")]
    count = 0

    async def poll(place: int) -> None:
        nonlocal count
        while not stop.is_set():
            for path in ("Laser1.PoolDepth", "Laser1.Photodiode"):
                assert (await devices[place].read(path)).value is not None
                count += 1
            await asyncio.sleep(0.02)

    await asyncio.gather(*(poll(place) for place in range(len(devices))))
    for device in devices:
        await device.close()
    return count


def test_scans_are_in_time_while_the_solver_follows_the_beam(tmp_path: Path) -> None:
    part = block(tmp_path, 2, side=60.0)
    with machine(
        "pbf-lb", tmp_path, served={}, speed=1.0, record=True, warm_up=marking,
        parts=(str(part),), melt_pool="solver", scan_ms=SCAN_MS,
    ) as running:
        pacer = running.emulator.pacer
        stop, reads = threading.Event(), []
        reader = threading.Thread(
            target=lambda: reads.append(asyncio.run(read_both(running, stop))))
        reader.start()
        time.sleep(2.0)
        late_before = running.value("Scanner.LatePools")
        pacer._histogram, pacer._lost = LatenessHistogram(), 0
        cpu = time.process_time()
        time.sleep(SECONDS)
        cpu = (time.process_time() - cpu) / SECONDS
        seen, late = pacer.lateness(), running.value("Scanner.LatePools") - late_before
        depth, busy = running.value("Laser1.PoolDepth"), running.value("Scanner.Busy")
        stop.set()
        reader.join()
    print(
        f"\n{SCAN_MS:g} ms scans: lateness p50 {seen.p50 * 1e3:.2f} p99 {seen.p99 * 1e3:.2f} "
        f"max {seen.max * 1e3:.2f} ms, lost {seen.lost_scans}, results late {late}, "
        f"{reads[0]} reads, {cpu:.2f} CPU s per s, depth {depth:.0f} um"
    )
    assert busy
    assert depth > 0.0
    assert seen.count > 0.9 * SECONDS / (SCAN_MS * 1e-3)
    assert seen.p99 / (LATE_MS * 1e-3) <= 1.0
    assert seen.lost_scans / seen.count <= LOST

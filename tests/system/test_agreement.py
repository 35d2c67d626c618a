"""Every signal is the same over every wire, at a frozen clock and one scan after a write."""

from __future__ import annotations

import asyncio
import struct
from typing import Any

import pytest
import pytest_asyncio

from plc_interfaces.host import Act, ActKind
from plc_interfaces.registers import has_registers
from tests.machines import WIRES, Machine, settled
from twin.image import Device, Quality, Sample
from twin.signals import Kind, Refused

pytestmark = pytest.mark.asyncio(loop_scope="module")
UNSEEN = (Kind.COMMAND, Kind.FAULT)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def devices(stepped: Machine) -> Any:
    made = {wire: await stepped.device(wire) for wire in WIRES}
    yield made
    for device in made.values():
        await device.close()


def float32(value: Any) -> Any:
    if isinstance(value, float):
        return struct.unpack(">f", struct.pack(">f", value))[0]
    return value


async def shown(device: Device, paths: list[str]) -> dict[str, Sample]:
    return {path: await device.read(path) for path in paths}


async def agree(machine: Machine, devices: dict[str, Device]) -> int:
    """Compare all signals of all wires with the machine's frame; how many there were."""
    frame, table = machine.emulator.frame(), machine.emulator.table
    visible = [p for p, s in table.items() if s.kind not in UNSEEN]
    for wire, device in devices.items():
        paths = [p for p in visible if wire != "modbus" or has_registers(table[p])]
        for path, sample in (await shown(device, paths)).items():
            expected = frame.values[table.index[path]]
            if wire == "modbus":  # registers hold 32 bits
                assert float32(sample.value) == float32(expected), path
            else:
                assert sample.value == expected, (wire, path)
            # An alarm over OPC UA carries the time of its last change.
            if wire != "opcua" or table[path].kind is not Kind.ALARM:
                assert sample.stamp == pytest.approx(frame.stamp, abs=1e-3), (wire, path)
    return len(visible)


async def follow(machine: Machine, devices: dict[str, Device]) -> None:
    """One scan; and let the OPC UA server, which is told of it, show it."""
    await asyncio.to_thread(machine.step)
    await settled(machine.emulator, *devices.values())


async def test_every_signal_of_every_wire(stepped: Machine, devices: dict[str, Device]) -> None:
    for _ in range(3):
        assert await agree(stepped, devices) > 100
        await follow(stepped, devices)


async def test_what_is_unseen_is_so_on_every_wire(
    stepped: Machine, devices: dict[str, Device]
) -> None:
    faults = [s.path for s in stepped.emulator.table.of_kind(Kind.FAULT)]
    assert faults
    for device in devices.values():
        for path in faults:
            with pytest.raises(Refused):
                await device.read(path)


@pytest.mark.parametrize("writer", WIRES)
async def test_a_write_is_seen_everywhere_one_scan_later(
    stepped: Machine, devices: dict[str, Device], writer: str
) -> None:
    path, good, _ = stepped.trial.setpoint
    wanted = good + 1.0 + WIRES.index(writer)
    before = stepped.value(path)
    assert before != wanted
    writing = asyncio.create_task(devices[writer].write(path, wanted))
    # The clock stands: the write is queued, and nobody sees it.
    async with asyncio.timeout(20):
        while not stepped.emulator.waiting:
            await asyncio.sleep(0.005)
    assert {(await d.read(path)).value for d in devices.values()} == {before}
    scan = stepped.emulator.scan_number
    await follow(stepped, devices)
    await asyncio.wait_for(writing, 5)
    assert stepped.emulator.scan_number == scan + 1
    assert {(await d.read(path)).value for d in devices.values()} == {wanted}
    await agree(stepped, devices)


async def test_quality_is_the_same_on_every_wire(
    stepped: Machine, devices: dict[str, Device]
) -> None:
    path = stepped.trial.reading
    lost = {"kind": "dropout", "magnitude": 0.0}
    for fault, expected in ((lost, Quality.BAD), (None, Quality.GOOD)):
        future = stepped.emulator.submit(Act(ActKind.SENSOR_FAULT, path, fault))
        await follow(stepped, devices)
        future.result(0)
        assert {w: (await d.read(path)).quality for w, d in devices.items()} == dict.fromkeys(
            devices, expected
        )
        await agree(stepped, devices)

"""A machine in this process as a device: threads and pace. What all devices share is elsewhere."""

from __future__ import annotations

import asyncio
import threading

import pytest

from plc_interfaces.local import LocalDevice
from tests.fakes import FakeHost
from twin.image import Sample


async def test_changes_within_a_period_are_told_once(fake_host: FakeHost) -> None:
    device = LocalDevice(fake_host)
    heard: list[Sample] = []
    loops: set[int] = set()

    def hear(_: str, sample: Sample) -> None:
        heard.append(sample)
        loops.add(threading.get_ident())

    await device.subscribe(["Job.Layer"], hear, period=0.05)

    def build() -> None:
        for layer in range(1, 1001):
            fake_host.put("Job.Layer", layer)
            fake_host.step()

    await asyncio.to_thread(build)
    async with asyncio.timeout(5):
        while heard[-1].value != 1000:
            await asyncio.sleep(0.01)
    values = [s.value for s in heard]
    assert len(values) < 100
    assert values == sorted(values)
    assert [s.stamp for s in heard] == sorted(s.stamp for s in heard)
    assert loops == {threading.get_ident()}
    await device.close()
    fake_host.put("Job.Layer", 1)
    fake_host.step()
    await asyncio.sleep(0.06)
    assert heard[-1].value == 1000
    assert fake_host._listeners == []


async def test_a_write_waits_for_its_scan() -> None:
    host = FakeHost(auto=False)
    device = LocalDevice(host)
    writing = asyncio.create_task(device.write("Atmosphere.PurgeCycles", 5))
    await asyncio.sleep(0.01)
    assert not writing.done()
    assert (await device.read("Atmosphere.PurgeCycles")).value == 3
    host.step()
    async with asyncio.timeout(5):
        await writing
    assert (await device.read("Atmosphere.PurgeCycles")).value == 5


async def test_pictures_and_rows_of_numbers(fake_host: FakeHost) -> None:
    device = LocalDevice(fake_host)
    assert (await device.read("Chamber.Profile")).value == (20.0, 21.5, 22.0)
    picture = (await device.read("Chamber.View")).value
    assert isinstance(picture, bytes)
    assert picture.startswith(b"\x89PNG")


async def test_the_last_change_is_not_lost(fake_host: FakeHost) -> None:
    """Subscribing while the machine runs ends with the value it ends with."""
    device = LocalDevice(fake_host)

    def build(first: int) -> None:
        for layer in range(first, first + 20):
            fake_host.put("Job.Layer", layer)
            fake_host.step()

    for start in range(0, 2000, 100):
        last: list[Sample] = []
        thread = threading.Thread(target=build, args=(start,))
        thread.start()
        running = await device.subscribe(["Job.Layer"], lambda _, s: last.append(s), period=0.0)  # noqa: B023
        await asyncio.to_thread(thread.join)
        await asyncio.sleep(0.005)
        assert last[-1].value == start + 19
        await running.close()


async def test_nothing_to_subscribe_to(fake_host: FakeHost) -> None:
    with pytest.raises(Exception, match=r"no signal 'Chamber\.Leak'"):
        await LocalDevice(fake_host).subscribe(["Chamber.Leak"], lambda *_: None)

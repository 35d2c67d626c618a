"""Updates come in on the emulation's thread and are handed over on the server's loop."""

from __future__ import annotations

import asyncio
import threading

from plc_interfaces.host import Event, Update
from plc_interfaces.opcua.server import Inbox
from tests.fakes import FakeHost
from twin.image import Frame


def update(scan: int, *changed: int, message: str = "") -> Update:
    frame = Frame(scan, scan * 0.05, scan * 0.05, (), ())
    events = (Event(0.0, 0.0, "Job", "job", message),) if message else ()
    return Update(frame, changed, (), events)


async def test_a_flood_becomes_few_deliveries_that_lose_nothing() -> None:
    delivered: list[Update] = []
    inbox = Inbox(asyncio.get_running_loop(), delivered.append)

    def flood() -> None:
        for scan in range(5000):
            inbox.put(update(scan, scan % 7, message="" if scan % 1000 else f"event {scan}"))

    thread = threading.Thread(target=flood)
    thread.start()
    async with asyncio.timeout(10):
        while not delivered or delivered[-1].frame.scan < 4999:
            await asyncio.sleep(0.01)
    thread.join()
    assert len(delivered) < 500
    assert [u.frame.scan for u in delivered] == sorted(u.frame.scan for u in delivered)
    assert {i for u in delivered for i in u.changed} == set(range(7))
    messages = [e.message for u in delivered for e in u.events]
    assert messages == [f"event {scan}" for scan in range(0, 5000, 1000)]


async def test_every_paced_scan_is_delivered() -> None:
    delivered: list[Update] = []
    inbox = Inbox(asyncio.get_running_loop(), delivered.append)
    for scan in range(10):
        inbox.put(update(scan, scan))
        await asyncio.sleep(0.01)
    assert [u.frame.scan for u in delivered] == list(range(10))


async def test_nothing_is_delivered_after_the_end() -> None:
    delivered: list[Update] = []
    host = FakeHost()
    inbox = Inbox(asyncio.get_running_loop(), delivered.append)
    leave = host.listen(inbox.put)
    host.step()
    inbox.close()
    await asyncio.sleep(0.05)
    assert delivered == []
    leave()


def test_a_machine_survives_a_loop_that_has_ended() -> None:
    async def make() -> Inbox:
        return Inbox(asyncio.get_running_loop(), lambda _: None)

    inbox = asyncio.run(make())
    inbox.put(update(1, 1))
    inbox.put(update(2, 2))

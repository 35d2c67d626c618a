"""Tasks end even if a cancellation is swallowed inside them."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from plc_interfaces.tasks import end


async def test_a_swallowed_cancellation_is_given_again() -> None:
    swallowed = []

    async def deaf() -> None:
        while True:
            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                if len(swallowed) == 2:
                    raise
                swallowed.append(1)

    async def failing() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(10)
        raise ValueError("on the way out")

    tasks = [asyncio.create_task(deaf()), asyncio.create_task(failing())]
    await asyncio.sleep(0.02)
    async with asyncio.timeout(5):
        await end(tasks)
    assert all(task.done() for task in tasks)
    assert len(swallowed) == 2

"""What the loops of the worked examples share: a look at a machine, its layers, a command line."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection

from plc_interfaces.connect import connect
from twin.image import Device, Sample
from twin.signals import Refused

__all__ = ["INTERRUPTED", "OVER", "command_line", "finished_layers", "number", "run"]

INTERRUPTED = 4
"""Number of the job state Interrupted (ISA-95)."""
OVER = (5, 6)
"""Those of Ended and Aborted."""


async def number(device: Device, path: str) -> float:
    """The newest value of a signal in its engineering unit; `TypeError` if it is no number."""
    value = (await device.read(path)).value
    if not isinstance(value, (int, float)):
        raise TypeError(f"{path} is no number: {value!r}")
    return float(value)


async def finished_layers(
    device: Device, count: int | None = None, until: Collection[int] = OVER
) -> AsyncGenerator[int]:
    """Numbers of the layers whose monitoring is complete, as they come.

    Ends after `count` of them, or when none has come for a second and the job is in one of the
    states `until`. Close it (`contextlib.aclosing`), whatever happens: it is a subscription.
    """
    finished: asyncio.Queue[int] = asyncio.Queue()

    def seen(path: str, sample: Sample) -> None:
        if isinstance(sample.value, int):
            finished.put_nowait(sample.value)

    subscription = await device.subscribe(["Layer.Layer"], seen, 0.05)
    last = told = 0
    try:
        while count is None or told < count:
            try:
                layer = await asyncio.wait_for(finished.get(), 1.0)
            except TimeoutError:
                if await number(device, "Job.State") in until:
                    return
                continue
            if layer not in (last, 0):
                last, told = layer, told + 1
                yield layer
    finally:
        await subscription.close()


def command_line(description: str, *machines: str) -> argparse.ArgumentParser:
    """The options of a loop for some machines; of several, the first argument names one."""
    parser = argparse.ArgumentParser(description=description)
    if len(machines) > 1:
        parser.add_argument("machine", choices=machines)
    names = machines[0] if len(machines) == 1 else "MACHINE"
    parser.add_argument("url", help=f"opc.tcp://… or modbus://…?map={names}")
    parser.add_argument("--user")
    parser.add_argument("--password", default=os.environ.get("AMTWIN_PASSWORD"))
    parser.add_argument("--layers", type=int, help="end after so many layers")
    return parser


def run(options: argparse.Namespace, loop: Callable[[Device], Awaitable[object]]) -> None:
    """Connect as the command line says, and run a loop to its end; one line if it cannot be."""

    async def connected() -> None:
        device = await connect(options.url, user=options.user, password=options.password)
        try:
            await loop(device)
        finally:
            await device.close()

    logging.getLogger("asyncua").setLevel(logging.CRITICAL)  # The one error is told below.
    try:
        asyncio.run(connected())
    except Exception as error:
        if not _of_the_user(error):
            raise
        raise SystemExit(f"{options.url}: {str(error).removeprefix(f'{options.url}: ')}") from None


def _of_the_user(error: Exception) -> bool:
    """Whether an error says what is wrong with an address, a password or a machine."""
    from asyncua.ua.uaerrors import UaError  # Takes a second, which only a failure waits for.

    return isinstance(error, (Refused, OSError, ValueError, TimeoutError, UaError))

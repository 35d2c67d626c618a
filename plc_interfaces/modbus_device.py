"""A controller on Modbus TCP, emulated or physical, as a `Device` over a register map."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.constants import ExcCodes
from pymodbus.exceptions import ModbusException

from plc_interfaces.codecs import WordOrder, decode, encode
from plc_interfaces.modbus_unit import CallResult
from plc_interfaces.registers import (
    ARGUMENT_TEXT,
    Place,
    Quality16,
    RegisterMap,
    Row,
    Table,
    argument_words,
)
from plc_interfaces.tables import table_of
from plc_interfaces.tasks import end
from twin.image import Quality, Sample, Subscription
from twin.signals import Kind, Refused, SignalTable, Value

__all__ = ["ModbusDevice"]

_logger = logging.getLogger(__name__)

LONGEST = {Table.COIL: 2000, Table.DISCRETE: 2000, Table.HOLDING: 125, Table.INPUT: 125}
"""Most registers or bits of one read (Modbus Application Protocol 1.1b3, 6.1 to 6.4)."""
REASONS = {
    ExcCodes.ILLEGAL_FUNCTION: ("role", "this client may not write, or the function is unknown"),
    ExcCodes.ILLEGAL_ADDRESS: ("read-only", "there is nothing to write or read"),
    ExcCodes.ILLEGAL_VALUE: ("range", "the value is not accepted"),
    ExcCodes.DEVICE_FAILURE: ("refused", "the device failed"),
    ExcCodes.DEVICE_BUSY: ("refused", "the device is busy"),
    ExcCodes.NEGATIVE_ACKNOWLEDGE: ("refused", "not in this state"),
    ExcCodes.GATEWAY_NO_RESPONSE: ("unknown", "there is no such unit"),
}
Block = tuple[Table, int, int]
"""Table, first address and count of one request."""


@dataclass(frozen=True, slots=True)
class _Item:
    """A signal to read: its place, its component's quality word."""

    path: str
    row: Row
    place: Place
    quality: Place | None


class ModbusDevice:
    """See `twin.image.Device`. Make one with `ModbusDevice.connect`.

    Quality is that of the signal's component, times are the machine's if the map has the link
    words and this computer's otherwise.
    """

    def __init__(
        self, client: AsyncModbusTcpClient, unit: int, registers: RegisterMap, order: WordOrder
    ) -> None:
        self._client = client
        self._unit = unit
        self._map = registers
        self._order = order
        self._gap = 8
        self._table = SignalTable()
        self._tasks: set[asyncio.Task[None]] = set()
        self._trigger = 0
        self._calling = asyncio.Lock()

    @classmethod
    async def connect(
        cls,
        host: str,
        port: int = 502,
        unit: int = 1,
        *,
        registers: RegisterMap,
        word_order: str = "big",
        gap: int = 8,
        heartbeat: float | None = None,
        timeout: float = 3.0,
    ) -> ModbusDevice:
        """Connect; ``ConnectionError`` naming the address if nobody answers.

        gap: registers nobody asked for that a request may include to save another one; 0 for
        controllers that refuse to read what they have not mapped. heartbeat: write the client's
        heartbeat every so many seconds.
        """
        client = AsyncModbusTcpClient(
            host, port=port, timeout=timeout, retries=1, reconnect_delay_max=5.0
        )
        device = cls(client, unit, registers, WordOrder(word_order))
        device._gap = gap
        try:
            if not await client.connect():
                raise ConnectionError(f"no Modbus controller answers on {host}:{port}")
            device._table = await device._present()
            if heartbeat:
                device._start_heartbeat(heartbeat)
        except BaseException:
            await device.close()
            raise
        return device

    @property
    def table(self) -> SignalTable:
        """The signals of the map, of the components that are there."""
        return self._table

    async def read(self, path: str) -> Sample:
        """The present value; `Refused` if there is no such signal or the device refuses."""
        return (await self.read_many([path]))[path]

    async def read_many(self, paths: Iterable[str]) -> dict[str, Sample]:
        """Present values in as few requests as their addresses allow."""
        return await self._poll([self._item(path) for path in paths])

    async def write(self, path: str, value: Value) -> None:
        """Write a value after checking it against the map; `Refused` if it is not accepted."""
        row = self._row(path)
        if row.write is None or row.kind == Kind.COMMAND:
            raise Refused(f"{path} is read-only", "read-only")
        checked = self._table[path].check(value)
        words = encode(checked, row.value_type, row.words, self._order)
        await self._write(row.write, words, path)

    async def call(self, path: str, *arguments: Value) -> str:
        """Call a command and wait for its result word; its answer, or `Refused`."""
        row = self._row(path)
        if row.kind != Kind.COMMAND or row.write is None or row.read is None:
            raise Refused(f"{path} is no command", "type")
        kinds = self._table[path].arguments
        if len(arguments) != len(kinds):
            raise Refused(f"{path} takes {', '.join(kinds) or 'no arguments'}", "type")
        words: list[int] = []
        for (name, kind), value in zip(kinds.items(), arguments, strict=True):
            if type(value) is not kind and not (kind is float and type(value) is int):
                raise Refused(f"{path}: {name} takes {kind.__name__}, not {value!r}", "type")
            if kind is str and len(str(value).encode()) > ARGUMENT_TEXT:
                raise Refused(f"{path}: {name} takes {ARGUMENT_TEXT} bytes of text", "range")
            words += encode(value, kind, argument_words(kind), self._order)
        async with self._calling:
            last = (await self._read(Table.INPUT, row.read.address, 1, path))[0]
            self._trigger = max(self._trigger, last) % 0xFFFF + 1
            await self._write(row.write, [self._trigger, *words], path)
            while True:
                answer = await self._read(row.read.table, row.read.address, row.read_words, path)
                if answer[0] != self._trigger:
                    raise Refused(f"{path} was called by somebody else meanwhile")
                if answer[1] != CallResult.PENDING:
                    break
                await asyncio.sleep(0.02)
        text = str(decode(answer[2:], str))
        if answer[1] == CallResult.REFUSED:
            raise Refused(text or f"{path} was refused")
        return text

    async def subscribe(
        self, paths: Sequence[str], callback: Callable[[str, Sample], None], period: float = 0.1
    ) -> Subscription:
        """Poll every `period` s; a lost connection is told as bad quality of the last values."""
        items = [self._item(path) for path in paths]
        task = asyncio.create_task(self._follow(items, callback, period))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return _Polling(task)

    async def close(self) -> None:
        """End subscriptions and the connection."""
        await end(self._tasks)
        self._client.close()

    def _row(self, path: str) -> Row:
        if path not in self._table:
            raise Refused(f"no signal {path!r}", "unknown")
        return self._map.locate(path)

    def _item(self, path: str) -> _Item:
        row = self._row(path)
        place = row.read or row.write
        if place is None or row.kind == Kind.COMMAND:
            raise Refused(f"{path} cannot be read", "type")
        component = self._map.component(path.rpartition(".")[0])
        return _Item(path, row, place, component.read if component else None)

    async def _present(self) -> SignalTable:
        """The signals of the components that the machine has, by their quality words."""
        rows = [row for row, _ in self._map.instances()]
        owners = {row.path.rpartition(".")[0] for row in rows}
        words = {o: c.read for o in owners if (c := self._map.component(o)) and c.read}
        got = await self._read_all((place.table, place.address, 1) for place in words.values())
        absent = {
            owner
            for owner, place in words.items()
            if not got[place.table, place.address] & Quality16.PRESENT
        }
        return table_of(row.signal() for row in rows if row.path.rpartition(".")[0] not in absent)

    async def _read_all(self, wanted: Iterable[Block]) -> dict[tuple[Table, int], int]:
        got: dict[tuple[Table, int], int] = {}
        for table, address, count in group(wanted, self._gap):
            values = await self._read(table, address, count, f"{table} {address}")
            got.update({(table, address + k): v for k, v in enumerate(values)})
        return got

    async def _poll(self, items: Sequence[_Item]) -> dict[str, Sample]:
        wanted: set[Block] = set()
        for item in items:
            wanted.add((item.place.table, item.place.address, item.row.words))
            if item.quality is not None:
                wanted.add((item.quality.table, item.quality.address, 1))
        links = [self._map.link(name) for name in ("Seconds", "Milliseconds")]
        stamped = [(r.read.table, r.read.address, r.words) for r in links if r and r.read]
        wanted |= set(stamped)
        got = await self._read_all(wanted)

        def words(table: Table, address: int, count: int) -> list[int]:
            return [got[table, address + k] for k in range(count)]

        stamp = time.time()
        if len(stamped) == 2:
            seconds = decode(words(*stamped[0]), int, self._order)
            stamp = float(seconds) + words(*stamped[1])[0] / 1000  # type: ignore[arg-type]
        samples = {}
        for item in items:
            quality = Quality.GOOD
            if item.quality is not None:
                quality = _quality(got[item.quality.table, item.quality.address])
            raw = words(item.place.table, item.place.address, item.row.words)
            try:
                value = decode(raw, item.row.value_type, self._order)
            except ValueError:
                value, quality = item.row.value_type(), Quality.BAD
            samples[item.path] = Sample(value, quality, stamp)
        return samples

    async def _follow(
        self, items: Sequence[_Item], callback: Callable[[str, Sample], None], period: float
    ) -> None:
        last: dict[str, Sample] = {}
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            try:
                samples = await self._poll(items)
            except (ConnectionError, Refused) as error:
                _logger.warning("polling: %s", error)
                now = time.time()
                samples = {p: Sample(s.value, Quality.BAD, now) for p, s in last.items()}
            for path, sample in samples.items():
                before = last.get(path)
                if before is None or (before.value, before.quality) != (
                    sample.value,
                    sample.quality,
                ):
                    callback(path, sample)
                last[path] = sample
            due = max(due + period, loop.time())
            await asyncio.sleep(due - loop.time())

    def _start_heartbeat(self, period: float) -> None:
        row = self._map.link("ClientHeartbeat")
        if row is None or row.write is None:
            raise ValueError(f"{self._map.name} has no row Link.ClientHeartbeat")
        place = row.write

        async def beat() -> None:
            count = 0
            while True:
                count = count % 0xFFFF + 1
                with suppress(ConnectionError, Refused):
                    await self._write(place, [count], "heartbeat")
                await asyncio.sleep(period)

        task = asyncio.create_task(beat())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _read(self, table: Table, address: int, count: int, what: str) -> list[int]:
        c = self._client
        function = {
            Table.COIL: c.read_coils,
            Table.DISCRETE: c.read_discrete_inputs,
            Table.HOLDING: c.read_holding_registers,
            Table.INPUT: c.read_input_registers,
        }[table]
        response = await self._ask(
            lambda: function(address, count=count, device_id=self._unit), what
        )
        bits = table in (Table.COIL, Table.DISCRETE)
        values = list(response.bits if bits else response.registers)[:count]
        if len(values) < count:
            raise ConnectionError(f"{what}: {len(values)} of {count} values came")
        return [int(v) for v in values]

    async def _write(self, place: Place, words: Sequence[int], what: str) -> None:
        c, at, unit = self._client, place.address, self._unit
        if place.table is Table.COIL:
            await self._ask(lambda: c.write_coil(at, bool(words[0]), device_id=unit), what)
        elif place.table is Table.HOLDING:
            await self._ask(lambda: c.write_registers(at, list(words), device_id=unit), what)
        else:
            raise Refused(f"{what}: {place.table} registers cannot be written", "read-only")

    async def _ask(self, ask: Callable[[], Awaitable[Any]], what: str) -> Any:
        try:
            # Not connected, pymodbus raises already when it is called.
            response = await ask()
        except ModbusException as error:
            raise ConnectionError(f"{what}: {error}") from error
        if response.isError():
            code, reason = REASONS.get(
                response.exception_code, ("refused", f"exception {response.exception_code}")
            )
            raise Refused(f"{what}: {reason}", code)
        return response


class _Polling:
    """A running poll."""

    def __init__(self, task: asyncio.Task[None]) -> None:
        self._task = task

    async def close(self) -> None:
        await end([self._task])


def group(wanted: Iterable[Block], gap: int) -> list[Block]:
    """Requests that cover what is wanted: neighbours joined, none split, none too long."""
    blocks: list[Block] = []
    for table, address, count in sorted(wanted):
        if blocks:
            last_table, first, length = blocks[-1]
            end = max(first + length, address + count)
            close = table == last_table and address <= first + length + gap
            if close and end - first <= LONGEST[table]:
                blocks[-1] = table, first, end - first
                continue
        blocks.append((table, address, count))
    return blocks


def _quality(word: int) -> Quality:
    if word & Quality16.BAD or not word & Quality16.PRESENT:
        return Quality.BAD
    return Quality.UNCERTAIN if word & Quality16.UNCERTAIN else Quality.GOOD

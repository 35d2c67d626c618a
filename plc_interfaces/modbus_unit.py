"""A machine behind one Modbus unit id: registers read straight from its frame, writes as acts."""

from __future__ import annotations

import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from enum import IntEnum
from functools import partial
from typing import Any

from pymodbus.constants import ExcCodes

from plc_interfaces.codecs import WordOrder, decode, encode, words_of
from plc_interfaces.host import Act, ActKind, AlarmStatus, Host, role_to_write
from plc_interfaces.registers import (
    ANSWER_WORDS,
    Quality16,
    RegisterMap,
    Row,
    Table,
    argument_words,
    has_registers,
)
from twin.image import Frame, Quality
from twin.signals import Kind, Refused, Signal, Value

__all__ = ["CallResult", "ModbusError", "ModbusUnit", "WatchdogState"]

CODES = {
    "type": ExcCodes.ILLEGAL_VALUE,
    "range": ExcCodes.ILLEGAL_VALUE,
    "unknown": ExcCodes.ILLEGAL_ADDRESS,
    "read-only": ExcCodes.ILLEGAL_ADDRESS,
    "role": ExcCodes.ILLEGAL_FUNCTION,
    "refused": ExcCodes.NEGATIVE_ACKNOWLEDGE,
}


class ModbusError(Exception):
    """A request answered by an exception response."""

    def __init__(self, code: ExcCodes, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class CallResult(IntEnum):
    """Result word of a command."""

    IDLE = 0
    ACCEPTED = 1
    REFUSED = 2
    PENDING = 3
    """Accepted by the check, to be done at the next scan."""


class WatchdogState(IntEnum):
    """The watchdog word."""

    OFF = 0
    WAITING = 1
    """The client has not written yet."""
    RUNNING = 2
    TRIPPED = 3


@dataclass(slots=True)
class _Field:
    """Registers that are read, and perhaps written, as a whole."""

    address: int
    words: int
    read: Callable[[Frame], list[int]]
    check: Callable[[list[int]], Any] | None = None
    """Decodes and checks what a client writes, changing nothing."""
    apply: Callable[[Any, str], None] | None = None
    """Does it; takes what `check` gave, and the user."""
    last: bool = False
    """Whether it is done after the others of a request."""


class _Call:
    """One command: trigger, arguments as last written, result word and answer."""

    def __init__(self, unit: ModbusUnit, signal: Signal) -> None:
        self.unit = unit
        self.signal = signal
        self.sizes = [argument_words(t) for t in signal.arguments.values()]
        self.arguments = [[0] * n for n in self.sizes]
        self.trigger = 0
        self.answer = [0, CallResult.IDLE, *[0] * ANSWER_WORDS]

    def fields(self, row: Row) -> list[_Field]:
        assert row.read is not None
        assert row.write is not None
        start = row.write.address
        fields = [_Field(row.read.address, row.read_words, lambda _: self.answer)]
        at = start + 1
        for i, kind in enumerate(self.signal.arguments.values()):
            fields.append(self.argument(at, i, kind))
            at += self.sizes[i]
        trigger = _Field(start, 1, lambda _: [self.trigger], self.check_trigger, self.fire, True)
        fields.append(trigger)
        return fields

    def argument(self, address: int, number: int, kind: type) -> _Field:
        def check(words: list[int]) -> list[int]:
            decode(words, kind, self.unit.order)
            return words

        def store(words: list[int], _: str) -> None:
            self.arguments[number] = words

        size = self.sizes[number]
        return _Field(address, size, lambda _: self.arguments[number], check, store)

    def check_trigger(self, words: list[int]) -> int:
        if self.answer[1] == CallResult.PENDING and words[0] != self.trigger:
            raise ModbusError(ExcCodes.DEVICE_BUSY, f"{self.signal.path} is being called")
        return words[0]

    def fire(self, trigger: int, user: str) -> None:
        # Only a change calls: many masters write all their outputs in every cycle.
        if trigger == self.trigger:
            return
        self.trigger = trigger
        if not trigger:
            self.answer = [0, CallResult.IDLE, *[0] * ANSWER_WORDS]
            return
        self.show(trigger, CallResult.PENDING, "")
        values = [
            decode(words, kind, self.unit.order)
            for words, kind in zip(self.arguments, self.signal.arguments.values(), strict=True)
        ]
        try:
            future = self.unit.host.submit(
                Act(ActKind.CALL, self.signal.path, values, user, "modbus")
            )
        except Refused as error:
            self.show(trigger, CallResult.REFUSED, str(error))
            return
        future.add_done_callback(lambda done: self.done(trigger, done))

    def done(self, trigger: int, future: Future[Any]) -> None:
        if future.cancelled():
            self.show(trigger, CallResult.REFUSED, "cancelled")
        elif error := future.exception():
            self.show(trigger, CallResult.REFUSED, str(error))
        else:
            self.show(trigger, CallResult.ACCEPTED, str(future.result() or ""))

    def show(self, trigger: int, result: CallResult, text: str) -> None:
        # One assignment: this also runs on the emulation's thread.
        self.answer = [trigger, result, *encode(text, str, ANSWER_WORDS)]


class ModbusUnit:
    """The address space of one machine.

    `read` and `write` are called on one thread; they never wait. `check_watchdog` is to be called
    a few times per `watchdog_ms`; `on_watchdog` is called when, under external control, the
    client stopped writing for so long on the wall clock. Without `on_watchdog` every actuator
    goes back to its start value, as a remote-I/O station drops its outputs.
    """

    def __init__(
        self,
        host: Host,
        registers: RegisterMap,
        order: WordOrder = WordOrder.BIG,
        watchdog_ms: float | None = None,
        on_watchdog: Callable[[Host], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.host = host
        self.order = order
        self.watchdog_ms = watchdog_ms if host.external_control else None
        self.watchdog = WatchdogState.OFF if self.watchdog_ms is None else WatchdogState.WAITING
        self._on_watchdog = on_watchdog or self._drop_outputs
        self._clock = clock
        self._life = 0.0
        self._heartbeat: int | None = None
        self._written: dict[str, Value] = {}
        self._ends = {table: registers.end(table) for table in Table}
        self._alarm_address: dict[str, int] = {}
        fields: dict[Table, list[_Field]] = {table: [] for table in Table}
        self._map_signals(registers, fields)
        self._map_links(registers, fields)
        self._fields = {t: sorted(f, key=lambda field: field.address) for t, f in fields.items()}
        self._starts = {t: [f.address for f in fs] for t, fs in self._fields.items()}
        self._first_out = 0
        self._raised: dict[str, float] = {}
        self._lock = threading.Lock()
        self._leave = host.listen(lambda update: self._follow_alarms(update.alarms))
        self._follow_alarms(host.alarm_states())

    def close(self) -> None:
        """Stop listening to the machine."""
        self._leave()

    def read(self, table: Table, address: int, count: int) -> list[int]:
        """`count` registers or bits, all of one frame; what is not mapped between them is 0.

        Raises `ModbusError` beyond the end of the table.
        """
        if address + count > self._ends[table]:
            raise ModbusError(
                ExcCodes.ILLEGAL_ADDRESS,
                f"{table} {address} to {address + count - 1} is not within 0 to "
                f"{self._ends[table] - 1}",
            )
        frame = self.host.frame()
        out = [0] * count
        for field in self._overlapping(table, address, count):
            values = field.read(frame)
            first = max(field.address, address)
            last = min(field.address + field.words, address + count)
            out[first - address : last - address] = values[
                first - field.address : last - field.address
            ]
        return out

    def write(self, table: Table, address: int, values: Sequence[int], user: str = "") -> None:
        """Check everything, then hand it to the machine; `ModbusError` and nothing done else."""
        fields = self._overlapping(table, address, len(values))
        end = address + len(values)
        covered = 0
        todo = []
        for field in fields:
            if field.check is None:
                raise ModbusError(ExcCodes.ILLEGAL_ADDRESS, f"{table} {field.address} is read-only")
            if field.address < address or field.address + field.words > end:
                raise ModbusError(
                    ExcCodes.ILLEGAL_VALUE,
                    f"{table} {field.address} takes all its {field.words} registers at once",
                )
            start = field.address - address
            covered += field.words
            todo.append((field, list(values[start : start + field.words])))
        if covered < len(values):
            raise ModbusError(
                ExcCodes.ILLEGAL_ADDRESS, f"{table} {address}: nothing to write there"
            )
        try:
            checked = [(f, f.check(words)) for f, words in todo if f.check is not None]
            for field, value in sorted(checked, key=lambda pair: pair[0].last):
                if field.apply is not None:
                    field.apply(value, user)
        except Refused as error:
            code = CODES.get(error.code, ExcCodes.NEGATIVE_ACKNOWLEDGE)
            raise ModbusError(code, str(error)) from error
        except ValueError as error:
            raise ModbusError(ExcCodes.ILLEGAL_VALUE, str(error)) from error
        if self._heartbeat is None:
            self._alive()

    def silence(self) -> float | None:
        """Wall time (s) since the client's last sign of life; None if there was none."""
        waiting = self.watchdog in (WatchdogState.OFF, WatchdogState.WAITING)
        return None if waiting else self._clock() - self._life

    def check_watchdog(self) -> bool:
        """Trip if the client was silent too long; True if it tripped just now."""
        if self.watchdog is not WatchdogState.RUNNING or self.watchdog_ms is None:
            return False
        if (self._clock() - self._life) * 1000 <= self.watchdog_ms:
            return False
        self.watchdog = WatchdogState.TRIPPED
        # What the client wrote before no longer stands.
        self._written.clear()
        self._on_watchdog(self.host)
        return True

    def _overlapping(self, table: Table, address: int, count: int) -> list[_Field]:
        starts, fields = self._starts[table], self._fields[table]
        first = bisect_right(starts, address)
        if first and fields[first - 1].address + fields[first - 1].words > address:
            first -= 1
        last = bisect_right(starts, address + count - 1)
        return fields[first:last]

    def _map_signals(self, registers: RegisterMap, fields: dict[Table, list[_Field]]) -> None:
        host = self.host
        members: dict[str, list[int]] = {}
        missing = []
        for path, signal in host.table.items():
            if not has_registers(signal):
                continue
            try:
                row = registers.locate(path)
            except KeyError:
                missing.append(path)
                continue
            members.setdefault(path.rpartition(".")[0], []).append(host.table.index[path])
            self._map_signal(signal, row, fields)
        if missing:
            machine = host.identity.machine
            raise ValueError(
                f"{registers.name} has no registers for {', '.join(missing[:5])}"
                f"{f' and {len(missing) - 5} more' if len(missing) > 5 else ''}; "
                f"add them with: amtwin signals {machine} --allocate"
            )
        kinds = [signal.kind for signal in host.table.values()]
        for component, indices in members.items():
            quality = registers.component(component)
            if quality is not None and quality.read is not None:
                alarms = [i for i in indices if kinds[i] is Kind.ALARM]
                read = partial(_quality, indices, alarms)
                fields[quality.read.table].append(_Field(quality.read.address, 1, read))

    def _map_signal(self, signal: Signal, row: Row, fields: dict[Table, list[_Field]]) -> None:
        if row.datatype != signal.type.__name__ or (row.words < _words(signal)):
            raise ValueError(
                f"{signal.path} is {signal.type.__name__} of {_words(signal)} words; its registers "
                f"are for {row.datatype} of {row.words}"
            )
        if signal.kind is Kind.COMMAND:
            assert row.read is not None
            assert row.write is not None
            answer, *inputs = _Call(self, signal).fields(row)
            fields[row.read.table].append(answer)
            fields[row.write.table] += inputs
            return
        index, kind, words = self.host.table.index[signal.path], signal.type, row.words

        def read(frame: Frame) -> list[int]:
            return encode(frame.values[index], kind, words, self.order)

        for place, _ in row.spans():
            field = _Field(place.address, words, read)
            if place == row.write and role_to_write(signal, self.host.external_control) is not None:
                field.check = lambda raw: signal.check(decode(raw, kind, self.order))
                field.apply = lambda value, user: self._submit(signal.path, index, value, user)
            fields[place.table].append(field)
        if signal.kind is Kind.ALARM and row.read is not None:
            self._alarm_address[signal.path] = row.read.address

    def _map_links(self, registers: RegisterMap, fields: dict[Table, list[_Field]]) -> None:
        def integer(value: int) -> list[int]:
            return encode(value, int, 2, self.order)

        readers: dict[str, Callable[[Frame], list[int]]] = {
            "Heartbeat": lambda f: [f.scan & 0xFFFF],
            "Scan": lambda f: integer(f.scan),
            "Seconds": lambda f: integer(round(f.stamp * 1000) // 1000),
            "Milliseconds": lambda f: [round(f.stamp * 1000) % 1000],
            "FirstOut": lambda _: [self._first_out],
            "Watchdog": lambda _: [int(self.watchdog)],
            "WatchdogTime": lambda _: [min(int(self.watchdog_ms or 0), 0xFFFF)],
            "ClientHeartbeat": lambda _: [self._heartbeat or 0],
        }
        for name, reader in readers.items():
            row = registers.link(name)
            if row is None or row.read is None:
                raise ValueError(f"{registers.name} has no row Link.{name}")
            field = _Field(row.read.address, row.words, reader)
            if row.write is not None:
                field.check = lambda words: words[0]
                field.apply = self._beat
            fields[row.read.table].append(field)

    def _submit(self, path: str, index: int, value: Value, user: str) -> None:
        # A master that writes all its outputs in every cycle is not to fill the journal: what it
        # wrote last and what still stands is no new act.
        if self._written.get(path) == value and self.host.frame().values[index] == value:
            return
        self.host.submit(Act(ActKind.WRITE, path, value, user, "modbus"))
        self._written[path] = value

    def _beat(self, value: int, _: str) -> None:
        if value != self._heartbeat:
            self._heartbeat = value
            self._alive()

    def _alive(self) -> None:
        if self.watchdog_ms is not None:
            self._life = self._clock()
            self.watchdog = WatchdogState.RUNNING

    def _drop_outputs(self, host: Host) -> None:
        for signal in host.table.of_kind(Kind.ACTUATOR):
            host.submit(Act(ActKind.WRITE, signal.path, signal.start, "watchdog", "modbus"))

    def _follow_alarms(self, alarms: Sequence[AlarmStatus]) -> None:
        """Of the alarms that trip or hold, show which came first until all of them are gone."""
        if not alarms:
            return
        with self._lock:
            for status in alarms:
                if status.active and status.definition.action in ("A", "B", "P"):
                    self._raised.setdefault(status.path, status.stamp)
                elif not status.retained:
                    self._raised.pop(status.path, None)
            if not self._raised:
                self._first_out = 0
            elif not self._first_out:
                first = min(self._raised, key=lambda path: self._raised[path])
                self._first_out = 1 + self._alarm_address[first]


def _words(signal: Signal) -> int:
    return words_of(signal.type, signal.length)


def _quality(indices: Sequence[int], alarms: Sequence[int], frame: Frame) -> list[int]:
    word = Quality16.PRESENT
    worst = max(frame.quality[i] for i in indices)
    if worst == Quality.BAD:
        word |= Quality16.BAD
    elif worst == Quality.UNCERTAIN:
        word |= Quality16.UNCERTAIN
    if any(frame.values[i] for i in alarms):
        word |= Quality16.ALARM
    return [int(word)]

"""Modbus TCP: serves machines from their newest frames and hands writes to them as acts.

Requests and responses are pymodbus's; the connections are kept here, because its server (3.16)
answers only the first of several requests that arrive together, echoes function code 0 on what it
cannot decode, and neither counts connections nor tells who is writing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from ipaddress import ip_address, ip_network
from typing import Any, cast

from pymodbus.constants import ExcCodes
from pymodbus.framer import FramerSocket
from pymodbus.pdu import DecodePDU, ExceptionResponse, ModbusPDU
from pymodbus.pdu.mei_message import ReadDeviceInformationRequest, ReadDeviceInformationResponse

from plc_interfaces.codecs import WordOrder
from plc_interfaces.host import Host
from plc_interfaces.modbus_unit import ModbusError, ModbusUnit
from plc_interfaces.registers import RegisterMap, Table, load_table
from plc_interfaces.tasks import end

__all__ = ["ModbusServer"]

_logger = logging.getLogger(__name__)

READS = {1: Table.COIL, 2: Table.DISCRETE, 3: Table.HOLDING, 4: Table.INPUT}
WRITES = {5: Table.COIL, 6: Table.HOLDING, 15: Table.COIL, 16: Table.HOLDING}
MASK_WRITE, READ_WRITE, IDENTIFY = 22, 23, 43
WRITING = {*WRITES, MASK_WRITE, READ_WRITE}
FUNCTIONS = {*READS, *WRITING, IDENTIFY}
FIXED_LENGTH = {1: 5, 2: 5, 3: 5, 4: 5, 5: 5, 6: 5, MASK_WRITE: 7, IDENTIFY: 4}
"""Bytes of a request whose length does not depend on its content."""
HEADER = 7
LONGEST = 254
"""Most bytes of unit id and request (Modbus Application Protocol 1.1b3, 4.1)."""
PATIENCE = 10.0
"""Seconds for the rest of a frame to come, and for a response to be taken."""


class ModbusServer:
    """One Modbus TCP endpoint for any number of machines, each with a unit id (1 to 247).

    tables: register tables by machine type; the committed ones by default. Clients on loopback
    may write if `writable`; others only if their address is in `allow` (addresses or networks).
    watchdog_ms, on_watchdog: see `ModbusUnit`. audit: called with the peer's address and what it
    did that was out of order, or came or went. With one machine, unit ids 0 and 255 are also its.
    """

    def __init__(
        self,
        hosts: Sequence[tuple[int, Host]],
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        writable: bool = True,
        allow: Sequence[str] = (),
        word_order: str = "big",
        tables: Mapping[str, RegisterMap] | None = None,
        watchdog_ms: float | None = None,
        on_watchdog: Callable[[Host], None] | None = None,
        audit: Callable[[str, str], None] | None = None,
        connections: int = 32,
        idle_s: float = 600.0,
    ) -> None:
        self._address = host, port
        self.writable = writable
        self._allow = [ip_network(a, strict=False) for a in allow]
        self._audit = audit or (lambda peer, message: _logger.info("%s: %s", peer, message))
        self._limit = connections
        self._idle_s = idle_s
        self._watchdog_ms = watchdog_ms
        self.units: dict[int, ModbusUnit] = {}
        for number, machine in hosts:
            if not 1 <= number <= 247 or number in self.units:
                raise ValueError(f"unit id: 1 to 247, each once, not {number}")
            kind = machine.identity.machine
            table = tables[kind] if tables and kind in tables else load_table(kind)
            self.units[number] = ModbusUnit(
                machine, table, WordOrder(word_order), watchdog_ms, on_watchdog
            )
        self._decoder = DecodePDU(True)
        self._framer = FramerSocket(self._decoder)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._watch: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port that is listened on."""
        if self._server is None:
            raise RuntimeError("the Modbus server is not running")
        return int(self._server.sockets[0].getsockname()[1])

    async def start(self) -> None:
        """Listen; ``OSError`` naming the address if that cannot be."""
        host, port = self._address
        try:
            self._server = await asyncio.start_server(self._accept, host, port)
        except OSError as error:
            why = error.strerror or error
            raise OSError(f"Modbus cannot listen on {host}:{port}: {why}") from error
        if self._watchdog_ms is not None:
            self._watch = asyncio.create_task(self._watchdog(self._watchdog_ms / 4000))

    async def stop(self) -> None:
        """Close all connections and stop listening."""
        if self._server is None:
            return
        self._server.close()
        await end([*self._tasks, *([self._watch] if self._watch else [])])
        await self._server.wait_closed()
        self._server = self._watch = None
        for unit in self.units.values():
            unit.close()

    async def __aenter__(self) -> ModbusServer:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def may_write(self, peer: str) -> bool:
        """Whether a client at this address may write."""
        if not self.writable or not peer:
            return False
        address = ip_address(peer.partition("%")[0])
        address = getattr(address, "ipv4_mapped", None) or address
        return address.is_loopback or any(address in network for network in self._allow)

    async def _watchdog(self, period: float) -> None:
        while True:
            await asyncio.sleep(period)
            for number, unit in self.units.items():
                try:
                    if unit.check_watchdog():
                        self._audit("watchdog", f"unit {number}: the client stopped writing")
                except Exception:
                    _logger.exception("watchdog of unit %d", number)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = (writer.get_extra_info("peername") or ("",))[0]
        if len(self._tasks) >= self._limit:
            self._audit(peer, f"connection refused, {self._limit} are open")
            writer.close()
            return
        task = cast("asyncio.Task[None]", asyncio.current_task())
        self._tasks.add(task)
        self._audit(peer, "connected")
        reason = "closed"
        try:
            reason = await self._serve(reader, writer, peer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        except TimeoutError:
            reason = "timed out"
        except asyncio.CancelledError:
            # Only `stop` cancels; asyncio would log a cancelled connection as an error.
            reason = "server stopped"
        finally:
            self._tasks.discard(task)
            self._audit(peer, reason)
            writer.close()
            with suppress(Exception, asyncio.CancelledError):
                await writer.wait_closed()

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: str
    ) -> str:
        """Answer requests one after the other; returns why it stopped."""
        while True:
            async with asyncio.timeout(self._idle_s):
                header = await reader.readexactly(HEADER)
            length = int.from_bytes(header[4:6], "big")
            if header[2:4] != b"\0\0" or not 2 <= length <= LONGEST:
                # Where the next frame begins in a stream that went wrong, nobody knows.
                return f"malformed header {header.hex()}"
            async with asyncio.timeout(PATIENCE):
                request = await reader.readexactly(length - 1)
            response = await self._answer(header[6], request, peer)
            response.dev_id = header[6]
            response.transaction_id = int.from_bytes(header[:2], "big")
            writer.write(self._framer.buildFrame(response))
            async with asyncio.timeout(PATIENCE):
                await writer.drain()
            # A client that never stops asking must not keep the others waiting.
            await asyncio.sleep(0)

    async def _answer(self, number: int, request: bytes, peer: str) -> ModbusPDU:
        function = request[0]
        try:
            unit = self._unit(number)
            pdu = self._decode(request)
            if function in WRITING and not self.may_write(peer):
                raise ModbusError(ExcCodes.ILLEGAL_FUNCTION, "this client may not write")
            if isinstance(pdu, ReadDeviceInformationRequest):
                return _identify(unit.host, pdu)
            # pymodbus wants its own store here but calls these two methods only.
            store = cast(Any, _Store(unit, peer))
            return await pdu.datastore_update(store, number)
        except ModbusError as error:
            code = error.code
            if function in WRITING:
                self._audit(peer, f"unit {number}, function {function} refused: {error}")
        except Exception:
            _logger.exception("request %s of %s", request.hex(), peer)
            code = ExcCodes.DEVICE_FAILURE
        return ExceptionResponse(function & 0x7F, code)

    def _unit(self, number: int) -> ModbusUnit:
        unit = self.units.get(number)
        if unit is None and number in (0, 255) and len(self.units) == 1:
            (unit,) = self.units.values()
        if unit is None:
            raise ModbusError(ExcCodes.GATEWAY_NO_RESPONSE, f"no unit {number}")
        return unit

    def _decode(self, request: bytes) -> ModbusPDU:
        function = request[0]
        if function not in FUNCTIONS:
            raise ModbusError(ExcCodes.ILLEGAL_FUNCTION, f"no function {function}")
        if len(request) != FIXED_LENGTH.get(function, len(request)):
            raise ModbusError(ExcCodes.ILLEGAL_VALUE, f"function {function}: wrong length")
        if function == 5 and request[3:5] not in (b"\xff\x00", b"\0\0"):
            raise ModbusError(ExcCodes.ILLEGAL_VALUE, "a coil is written as FF00 or 0000")
        pdu = self._decoder.decode(request)
        if pdu is None:
            raise ModbusError(ExcCodes.ILLEGAL_VALUE, f"function {function}: wrong count or length")
        if function == IDENTIFY and not isinstance(pdu, ReadDeviceInformationRequest):
            raise ModbusError(ExcCodes.ILLEGAL_FUNCTION, "no such encapsulated interface")
        return pdu


class _Store:
    """What pymodbus's requests read from and write to: one unit, for one request."""

    def __init__(self, unit: ModbusUnit, peer: str) -> None:
        self.unit = unit
        self.peer = peer
        self.written: dict[int, int] = {}

    async def async_getValues(  # noqa: N802
        self, _: int, function: int, address: int, count: int = 1
    ) -> list[int]:
        if function in (5, 6):
            # The echo of a single write; the machine shows the value after its next scan.
            return [self.written[address]]
        table = READS.get(function, Table.HOLDING)
        return self.unit.read(table, address, count)

    async def async_setValues(  # noqa: N802
        self, _: int, function: int, address: int, values: Sequence[int]
    ) -> None:
        self.unit.write(WRITES.get(function, Table.HOLDING), address, values, self.peer)
        self.written = dict(enumerate(values, start=address))


def _identify(host: Host, request: ReadDeviceInformationRequest) -> ModbusPDU:
    """Nameplate: basic and regular objects, or one of them (Application Protocol 1.1b3, 6.21)."""
    i = host.identity
    objects = {0: i.manufacturer, 1: i.machine, 2: i.software, 4: i.model, 6: i.name}
    if request.read_code == 4:
        if request.object_id not in objects:
            raise ModbusError(ExcCodes.ILLEGAL_ADDRESS, f"no object {request.object_id}")
        shown = {request.object_id: objects[request.object_id]}
    elif request.read_code in (1, 2, 3):
        last = 2 if request.read_code == 1 else 6
        first = request.object_id if request.object_id <= last else 0
        shown = {k: v for k, v in objects.items() if first <= k <= last}
    else:
        raise ModbusError(ExcCodes.ILLEGAL_VALUE, f"no read code {request.read_code}")
    information = {k: v.encode()[:60] for k, v in shown.items()}
    return ReadDeviceInformationResponse(request.read_code, information)

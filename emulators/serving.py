"""Wires for running emulators: OPC UA, the instructor's endpoint and Modbus, in a loop thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from asyncua import ua

from plc_interfaces.home import home
from plc_interfaces.host import Act, ActKind
from plc_interfaces.modbus_server import ModbusServer
from plc_interfaces.opcua.base import Security
from plc_interfaces.opcua.security import Users, is_loopback
from plc_interfaces.opcua.server import OpcUaServer
from plc_interfaces.tasks import end
from twin.signals import Refused

if TYPE_CHECKING:
    from emulators.emulator import Emulator
    from plc_interfaces.opcua.instructor import InstructorServer

__all__ = ["Ports", "Serving"]

_T = TypeVar("_T")


@dataclass(frozen=True)
class Ports:
    """Where to listen; port 0 takes a free one, None leaves that wire out."""

    host: str = "127.0.0.1"
    opcua: int | None = 4840
    modbus: int | None = 5020
    instructor: int | None = None
    insecure: bool = False
    trust_all: bool | None = None
    """Take any valid client certificate; by default on loopback only."""
    modbus_write: tuple[str, ...] = ()
    watchdog_ms: float | None = None


class Serving:
    """Servers for machines that run in this process; `start` returns when all listen."""

    def __init__(self, hosts: Sequence[Emulator], ports: Ports, folder: Path | None = None) -> None:
        self.hosts, self.ports = list(hosts), ports
        self.folder = folder or home()
        self.passwords: dict[str, str] = {}
        """Passwords made at the first start; shown once."""
        self.opcua: OpcUaServer | None = None
        self.instructor: InstructorServer | None = None
        self.modbus: ModbusServer | None = None
        self._guarding: asyncio.Task[None] | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="wires", daemon=True)

    def _run(self, work: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def start(self) -> None:
        """Listen on all ports; `OSError` or `SecurityError` if that cannot be."""
        self._thread.start()
        try:
            self._run(self._start())
        except BaseException:
            self.stop()
            raise

    async def _start(self) -> None:
        ports = self.ports
        if ports.modbus is not None:
            self.modbus = ModbusServer(
                [(number, host) for number, host in enumerate(self.hosts, 1)],
                ports.host,
                ports.modbus,
                allow=ports.modbus_write,
                writable=is_loopback(ports.host) or bool(ports.modbus_write),
                audit=self._modbus,
                watchdog_ms=ports.watchdog_ms,
                on_watchdog=lambda host: None,  # One watchdog for all wires: see `_guard`.
            )
            await self.modbus.start()
        if ports.watchdog_ms is not None:
            self._guarding = asyncio.create_task(self._guard(ports.watchdog_ms / 1000))
        if ports.opcua is None and ports.instructor is None:
            return
        self.passwords = Users.create(self.folder / "users.toml")
        trust = is_loopback(ports.host) if ports.trust_all is None else ports.trust_all
        security = Security(self.folder, ports.insecure, trust)
        if ports.opcua is not None:
            self.opcua = OpcUaServer(
                self.hosts, security, ports.host, ports.opcua, on_login=self._login
            )
            await self.opcua.start()
        if ports.instructor is not None:
            from plc_interfaces.opcua.instructor import InstructorServer

            self.instructor = InstructorServer(self.hosts, security, "127.0.0.1", ports.instructor)
            await self.instructor.start()

    async def _guard(self, limit: float) -> None:
        """Open a machine's safety chain when its PLC writes nothing, on no wire, for `limit` s.

        Armed by the first write; over when the PLC writes again (the chain still wants a reset);
        not while the clock is frozen.
        """
        tripped = [False] * len(self.hosts)
        while True:
            await asyncio.sleep(limit / 4)
            for number, host in enumerate(self.hosts):
                ages = [host.silence()]
                if self.modbus is not None:
                    ages.append(self.modbus.units[number + 1].silence())
                age = min((a for a in ages if a is not None), default=0.0)
                late = age > limit and host.external_control and host.pacer.factor > 0
                if late != tripped[number] and (late or age <= limit):
                    tripped[number] = late
                    with suppress(Refused):
                        host.submit(
                            Act(ActKind.FAULT, "Safety.WatchdogExpired", late, "watchdog", "local")
                        )

    def _login(self, user: str | None, peer: str, status: ua.StatusCode) -> None:
        """Failed logins are part of every machine's journal."""
        if not status.is_good():
            self._audit({"login": status.name, "peer": peer}, user or "", "opcua")

    def _modbus(self, peer: str, message: str) -> None:
        """So is what a Modbus client was refused."""
        if "refused" in message:
            self._audit({"refused": message, "peer": peer}, "", "modbus")

    def _audit(self, what: dict[str, str], user: str, source: str) -> None:
        for host in self.hosts:
            with suppress(Refused):
                host.submit(Act(ActKind.AUDIT, "", what, user, source))

    def stop(self) -> None:
        """Close all ports."""
        if self._thread.is_alive():
            self._run(self._stop())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
        self._loop.close()

    async def _stop(self) -> None:
        for server in (self.modbus, self.opcua, self.instructor):
            if server is not None:
                await server.stop()
        await end(t for t in asyncio.all_tasks() if t is not asyncio.current_task())

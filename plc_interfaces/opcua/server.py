"""The OPC UA server: machines' signals, companion models, methods, alarms and events."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from asyncua import ua
from asyncua.crypto.permission_rules import User

from plc_interfaces.host import Act, ActKind, AlarmStatus, Event, Host, Role, Update, role_to_write
from plc_interfaces.opcua.address_space import MachineNodes, add_signals, make_types
from plc_interfaces.opcua.alarms import Alarms, bad_status
from plc_interfaces.opcua.base import Security, make_server
from plc_interfaces.opcua.companion import JOBS, Machine, add_machine, bind, machines_folder
from plc_interfaces.opcua.discovery import allow_discovery
from plc_interfaces.opcua.events import Notifiers
from plc_interfaces.opcua.jobs import Jobs, add_event_type
from plc_interfaces.opcua.nodes import MethodCallback, NodeBuilder
from plc_interfaces.opcua.nodesets import collector_off, load_companions
from plc_interfaces.opcua.patches import Limits, LoginHook, PatchedServer, caller
from twin.signals import Refused, Signal

__all__ = ["Endpoint", "Inbox", "OpcUaServer"]

_logger = logging.getLogger(__name__)

_NOTIFICATION = 35
"""NotificationEventType in the MachineTool namespace."""
_COALESCE_S = 0.02
"""Least time between two publications while updates come faster than `_PACED_S`."""
_PACED_S = 0.004
_ANSWER_S = 4.0
"""Wall time a client waits for a command's answer before BadTimeout (default)."""
_MOST_PENDING = 1000
_CALL_CODES = {
    "type": ua.StatusCodes.BadInvalidArgument,
    "range": ua.StatusCodes.BadInvalidArgument,
    "unknown": ua.StatusCodes.BadNotFound,
}
"""Status codes of a refused call where they differ from those of a refused write."""


class Inbox:
    """Gathers a host's updates on the emulation's thread and hands them over on the loop's."""

    def __init__(self, loop: asyncio.AbstractEventLoop, deliver: Callable[[Update], None]) -> None:
        self._loop = loop
        self._deliver = deliver
        self._lock = threading.Lock()
        self._update: Update | None = None
        self._changed: set[int] = set()
        self._alarms: list[AlarmStatus] = []
        self._events: list[Event] = []
        self._arrived = 0.0
        self._gap = 1.0
        self._delivered = 0.0
        self._closed = False

    def put(self, update: Update) -> None:
        """Take an update; any thread, returns at once."""
        with self._lock:
            first = self._update is None
            self._update = update
            self._changed.update(update.changed)
            self._alarms.extend(update.alarms)
            self._events.extend(update.events)
            # A stalled loop must not fill the memory; the newest is what counts then.
            del self._alarms[:-_MOST_PENDING], self._events[:-_MOST_PENDING]
            now = time.monotonic()
            self._gap, self._arrived = now - self._arrived, now
            closed = self._closed
        if first and not closed:
            try:
                self._loop.call_soon_threadsafe(self._wake)
            except RuntimeError:  # the loop has ended; so has this listener's use
                self._closed = True

    def _wake(self) -> None:
        wait = self._delivered + _COALESCE_S - time.monotonic()
        if wait > 0 and self._gap < _PACED_S:
            self._loop.call_later(wait, self._hand_over)
        else:
            self._hand_over()

    def _hand_over(self) -> None:
        with self._lock:
            update, self._update = self._update, None
            if update is None or self._closed:
                return
            whole = Update(
                update.frame, tuple(self._changed), tuple(self._alarms), tuple(self._events)
            )
            self._changed, self._alarms, self._events = set(), [], []
        self._delivered = time.monotonic()
        self._deliver(whole)

    def close(self) -> None:
        """Deliver nothing any more."""
        self._closed = True


class Endpoint:
    """One OPC UA endpoint that serves hosts; subclasses say what of them, and who may do what."""

    source = "opcua"

    def __init__(
        self,
        hosts: Sequence[Host],
        security: Security,
        host: str = "127.0.0.1",
        port: int = 4840,
        *,
        name: str = "amtwin",
        limits: Limits | None = None,
        on_login: LoginHook | None = None,
    ) -> None:
        names = [h.identity.name for h in hosts]
        if len(set(names)) < len(names):
            raise ValueError(f"machines need names of their own, not {', '.join(names)}")
        self.hosts = list(hosts)
        self.security = security
        self.name = name
        self._address = (host, port)
        self._limits = limits
        self._on_login = on_login
        self._writable: dict[ua.NodeId, tuple[Host, Signal]] = {}
        self._nodes: dict[str, MachineNodes] = {}
        self._notifier: dict[str, ua.NodeId] = {}
        self._inboxes: list[Inbox] = []
        self._leave: list[Callable[[], None]] = []
        self._server: PatchedServer | None = None
        self._notifiers: Notifiers | None = None
        self._alarms: Alarms | None = None

    @property
    def server(self) -> PatchedServer:
        """The server underneath; RuntimeError before `start`."""
        if self._server is None:
            raise RuntimeError("the OPC UA server has not been started")
        return self._server

    @property
    def url(self) -> str:
        """Where clients connect, such as ``opc.tcp://127.0.0.1:4840/amtwin/``."""
        return str(self.server.endpoint.geturl())

    async def start(self) -> None:
        """Build the address space and listen; call it on the loop that is to do the work."""
        with collector_off():
            self._server = await make_server(
                *self._address,
                self.security,
                name=self.name,
                write_gate=self._gate,
                on_login=self._on_login,
                limits=self._limits,
            )
            self._notifiers = Notifiers(self._server)
            self._alarms = Alarms(self._server, self._notifiers, self.hosts, self.source)
            await self._build()
        gc.freeze()  # the collector need not walk the address space until `stop`
        loop = asyncio.get_running_loop()
        for host in self.hosts:
            inbox = Inbox(loop, lambda update, host=host: self._deliver(host, update))  # type: ignore[misc]
            self._inboxes.append(inbox)
            self._leave.append(host.listen(inbox.put))
            # Whatever changed while the nodes were being made.
            everything = tuple(range(len(host.table)))
            self._deliver(host, Update(host.frame(), everything, tuple(host.alarm_states()), ()))
        allow_discovery(self._server)
        try:
            await self._server.start()
        except OSError as error:
            self._detach()
            self._forget()
            address = "{}:{}".format(*self._address)
            why = error.strerror or error
            raise OSError(f"OPC UA cannot listen on {address}: {why}") from error

    def _detach(self) -> None:
        for leave in self._leave:
            leave()
        for inbox in self._inboxes:
            inbox.close()
        self._leave, self._inboxes = [], []

    async def stop(self) -> None:
        """Let the hosts and all clients go."""
        self._detach()
        if self._server is not None:
            await self._server.stop()
            self._forget()

    def _forget(self) -> None:
        assert self._server is not None
        # A million objects that point at each other would keep the collector busy for seconds.
        self._server.iserver.aspace._nodes.clear()
        self._server = None
        gc.unfreeze()

    async def __aenter__(self) -> Endpoint:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    # --- for subclasses ---

    async def _build(self) -> None:
        raise NotImplementedError

    def _act(self, signal: Signal, value: Any, user: User) -> Act:
        return Act(ActKind.WRITE, signal.path, value, user.name or "", self.source)

    def _may(self, host: Host, signal: Signal, user: User) -> bool:
        role = role_to_write(signal, host.external_control)
        return role is not None and getattr(user, "access", Role.OBSERVER) >= role

    async def _builder(self, host: Host) -> NodeBuilder:
        uri = f"urn:amtwin:{host.identity.name}"
        return NodeBuilder(self.server, int(await self.server.register_namespace(uri)))

    def _add_alarms(
        self, builder: NodeBuilder, host: Host, notifier: ua.NodeId, types: int
    ) -> None:
        assert self._alarms is not None
        self._notifier[host.identity.name] = notifier
        self._alarms.add(builder, host, notifier, types)

    def _take(self, host: Host, nodes: MachineNodes) -> None:
        self._nodes[host.identity.name] = nodes
        for node, signal in nodes.writable.items():
            self._writable[node] = (host, signal)

    # --- from the hosts ---

    def _deliver(self, host: Host, update: Update) -> None:
        nodes = self._nodes[host.identity.name]
        self.server.iserver.publish(nodes.values(update.frame, update.changed))
        assert self._alarms is not None
        self._alarms.limits_changed(host, update.frame, update.changed)
        if update.alarms:
            self._alarms.update(host, update.alarms, update.frame)
        for event in update.events:
            self._tell(host, event)

    def _tell(self, host: Host, event: Event) -> None:
        """Send an event of the host to the clients."""
        raise NotImplementedError

    # --- from the clients ---

    def _gate(
        self, user: User, node: ua.NodeId, attribute: ua.AttributeIds, value: ua.DataValue
    ) -> ua.StatusCode:
        codes = ua.StatusCodes
        found = self._writable.get(node)
        if found is None or attribute != ua.AttributeIds.Value:
            return ua.StatusCode(codes.BadNotWritable)
        host, signal = found
        if not self._may(host, signal, user):
            self._audit(host, signal, user, "role")
            return ua.StatusCode(codes.BadUserAccessDenied)
        written = value.Value.Value if value.Value is not None else None
        try:
            checked = signal.check(written)
            future = host.submit(self._act(signal, checked, user))
        except Refused as error:
            self._audit(host, signal, user, str(error))
            self._explain(host, signal, error)
            return ua.StatusCode(bad_status(error))
        future.add_done_callback(lambda f: _log_late_refusal(signal.path, f))
        return ua.StatusCode()

    def _command(self, host: Host) -> Callable[[Signal], MethodCallback]:
        def of(signal: Signal) -> MethodCallback:
            async def call(_: ua.NodeId, *arguments: ua.Variant) -> Any:
                try:
                    answer = await self._ask(host, signal, [a.Value for a in arguments])
                except Refused as error:
                    return _refused_call(error)
                return [ua.Variant(answer, ua.VariantType.String)]

            return call

        return of

    async def _ask(self, host: Host, signal: Signal, arguments: list[Any]) -> str:
        """Call a command for the client whose method call is being run; its answer."""
        user = caller().user
        if not self._may(host, signal, user):
            self._audit(host, signal, user, "role")
            raise Refused(f"{user.name} may not call {signal.path}", "role")
        act = Act(ActKind.CALL, signal.path, arguments, user.name or "", self.source)
        try:
            return str(await self.submit(host, act))
        except Refused as error:
            self._explain(host, signal, error)
            raise

    async def submit(self, host: Host, act: Act) -> Any:
        """What became of an act; `Refused`, or BadTimeout when no scan takes it."""
        future = asyncio.wrap_future(host.submit(act))
        try:
            # Shielded: the emulation must still be able to answer what nobody waits for.
            return await asyncio.wait_for(asyncio.shield(future), _ANSWER_S)
        except TimeoutError:
            future.add_done_callback(lambda f: f.cancelled() or f.exception())
            raise ua.UaStatusCodeError(ua.StatusCodes.BadTimeout) from None

    def _audit(self, host: Host, signal: Signal, user: User, reason: str) -> None:
        with suppress(Refused):
            host.submit(
                Act(ActKind.AUDIT, signal.path, {"refused": reason}, user.name or "", self.source)
            )

    def _explain(self, host: Host, signal: Signal, error: Refused) -> None:
        """Say in an event why something was refused: a bad status has no room for words."""
        stamp = host.frame()
        self._tell(host, Event(stamp.stamp, stamp.time, signal.path, "refused", str(error), 300))


def _refused_call(error: Refused) -> ua.CallMethodResult:
    """A bad status; why, in the diagnostic information, as outputs are not given then."""
    code = _CALL_CODES.get(error.code, bad_status(error))
    return ua.CallMethodResult(
        StatusCode=ua.StatusCode(code),
        InputArgumentDiagnosticInfos=[ua.DiagnosticInfo(AdditionalInfo=str(error))],
    )


def _log_late_refusal(path: str, future: Future[Any]) -> None:
    if not future.cancelled() and future.exception() is not None:
        _logger.warning("write to %s was not applied: %s", path, future.exception())


class OpcUaServer(Endpoint):
    """The trainee's endpoint: everything a machine's controller shows, no faults."""

    async def _build(self) -> None:
        self._namespaces = await load_companions(self.server)
        types = await make_types(self.server)
        notifiers = self._notifiers
        assert notifiers is not None
        self._jobs: dict[str, Jobs] = {}
        event_type = add_event_type(NodeBuilder(self.server, types), types, self._namespaces)
        for host in self.hosts:
            builder = await self._builder(host)
            machine = add_machine(builder, self._namespaces, host)
            nodes = add_signals(builder, host, machine.node, types, self._command(host))
            bind(builder, self._namespaces, host, machine, nodes)
            self._take(host, nodes)
            self._add_notifiers(machine)
            self._add_alarms(builder, host, machine.notifier, types)
            if "Job.Store" in host.table:
                self._jobs[host.identity.name] = Jobs(
                    builder, self._namespaces, host, machine, nodes, self._ask, event_type
                )
                control = machine.members[f"{JOBS}/JobOrderControl"]
                notifiers.add_source(control, machine.notifier)

    def _add_notifiers(self, machine: Machine) -> None:
        assert self._notifiers is not None
        machines = machines_folder(self._namespaces)
        self._notifiers.add(machines)
        self._notifiers.add(machine.node, machines)
        above = machine.node
        for path in ("Notification", "Notification/Messages"):
            if path in machine.members:
                self._notifiers.add(machine.members[path], above)
                above = machine.members[path]

    def _deliver(self, host: Host, update: Update) -> None:
        super()._deliver(host, update)
        jobs = self._jobs.get(host.identity.name)
        if jobs is not None:
            self.server.iserver.publish(jobs.values(update.frame, update.changed))

    def _tell(self, host: Host, event: Event) -> None:
        if event.kind == "fault":
            return
        assert self._notifiers is not None
        name = host.identity.name
        stamp = datetime.fromtimestamp(event.stamp, UTC)
        severity = max(1, min(event.severity, 1000))
        jobs = self._jobs.get(name)
        if event.kind == "job" and jobs is not None:
            jobs.tell(self._notifiers, event.message, severity, stamp, host.frame())
        self._notifiers.emit(
            self._notifier[name],
            severity,
            event.message,
            event_type=ua.NodeId(_NOTIFICATION, self._namespaces.machine_tool),
            fields={
                "Identifier": ua.Variant(event.kind, ua.VariantType.String),
                "SourceName": ua.Variant(event.source, ua.VariantType.String),
            },
            time=stamp,
        )

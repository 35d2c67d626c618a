"""An asyncua server with its defects mended, tight limits and checked connections."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import ParseResult, urlparse

import asyncua
from asyncua import ua
from asyncua.common.connection import TransportLimits
from asyncua.common.utils import ServiceError
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.binary_server_asyncio import BinaryServer, OPCUAProtocol
from asyncua.server.internal_server import InternalServer
from asyncua.server.uaprocessor import UaProcessor
from asyncua.server.user_managers import UserManager
from cryptography import x509

from plc_interfaces.opcua.patches.monitoring import SubscriptionLimits, Subscriptions
from plc_interfaces.opcua.patches.services import Methods, Nodes, Views
from plc_interfaces.opcua.patches.session import Channel, Session, WriteGate, current_channel

_logger = logging.getLogger(__name__)
_BUFFER_BYTES = 65_535
_MIN_BUFFER_BYTES = 8_192


@dataclass(frozen=True)
class Limits:
    """Bounds that keep one client from starving the others; asyncua allows 10 to 100 times more."""

    connections: int = 50
    sessions: int = 50
    subscriptions: int = 100
    queue: int = 1_000
    unacknowledged: int = 100
    session_timeout_s: float = 120.0
    """Life of a session without any message: those of lost clients must not fill the table."""
    message_bytes: int = 4 * 1024 * 1024
    pending_messages: int = 100
    lifetime_count: int = 10_000
    login_failures: int = 10
    login_window_s: float = 30.0
    subscription: SubscriptionLimits = field(default_factory=SubscriptionLimits)


class LoginThrottle:
    """Turns a host away after too many failed logins within a window (monotonic time, s)."""

    def __init__(self, failures: int, window_s: float) -> None:
        self._failures = failures
        self._window = window_s
        self._log: dict[str, deque[float]] = {}

    def is_closed(self, host: str) -> bool:
        """Tell whether ``host`` has used up its attempts."""
        log = self._log.get(host)
        while log and time.monotonic() - log[0] > self._window:
            log.popleft()
        return log is not None and len(log) >= self._failures

    def failed(self, host: str) -> None:
        """Count one failed login."""
        if len(self._log) > 1_000:
            self._log.clear()
        self._log.setdefault(host, deque(maxlen=self._failures)).append(time.monotonic())


LoginHook = Callable[[str | None, str, ua.StatusCode], None]
"""Told of each login: user name (None = anonymous), peer ``host:port``, outcome."""
TrustCheck = Callable[[x509.Certificate], None]
"""Raises ServiceError for a client certificate that may not open a secure channel."""


def _ignore_login(user: str | None, peer: str, status: ua.StatusCode) -> None:
    _logger.info("OPC UA login of %s from %s: %s", user or "anonymous", peer, status.name)


class PatchedInternalServer(InternalServer):  # type: ignore[misc]
    """Services of the server, each with asyncua's defects mended."""

    time_task: asyncio.Task[None] | None

    def __init__(
        self, user_manager: UserManager | None = None, limits: Limits | None = None
    ) -> None:
        super().__init__(user_manager)
        limits = limits or Limits()
        self.write_gate: WriteGate | None = None
        self.on_login: LoginHook = _ignore_login
        self.trust_check: TrustCheck | None = None
        self.login_throttle = LoginThrottle(limits.login_failures, limits.login_window_s)
        self.max_sessions = limits.sessions
        self.max_session_timeout_ms = limits.session_timeout_s * 1000
        self.max_connections = limits.connections
        self.max_subscriptions = limits.subscriptions
        self.max_monitored_item_queue_size = limits.queue
        self.max_unacked_messages_per_subscription = limits.unacknowledged
        self.max_pending_messages_per_connection = limits.pending_messages
        self.max_lifetime_count = limits.lifetime_count
        self.allow_remote_admin = False
        self.view_service = Views(self.aspace)
        self.node_mgt_service = Nodes(self.aspace, self.view_service)
        self.method_service = Methods(self.aspace)
        self.subscription_service = Subscriptions(self.aspace, self, limits.subscription)
        self.isession.subscription_service = self.subscription_service

    def create_session(
        self, name: str, user: User | None = None, external: bool = False
    ) -> Session:
        """Make a session for a client; BadTooManySessions past the limit."""
        if external and len(self._external_sessions) >= self.max_sessions:
            raise ServiceError(ua.StatusCodes.BadTooManySessions)
        return Session(
            self,
            self.aspace,
            self.subscription_service,
            name,
            user=user or User(role=UserRole.Anonymous),
            external=external,
        )

    def decrypt_user_token(self, isession: Any, token: ua.UserNameIdentityToken) -> tuple[str, str]:
        """Decrypt a password; PKCS#1 v1.5 padding is refused (padding oracle)."""
        if token.EncryptionAlgorithm and token.EncryptionAlgorithm.endswith("#rsa-1_5"):
            raise ServiceError(ua.StatusCodes.BadIdentityTokenInvalid)
        name, password = super().decrypt_user_token(isession, token)
        return name, password

    async def stop(self) -> None:
        """Stop without waiting for the clock's next second."""
        if self.time_task is not None:
            self.time_task.cancel()
            await asyncio.gather(self.time_task, return_exceptions=True)
            self.time_task = None
        await super().stop()

    def publish(self, values: Iterable[tuple[ua.NodeId, ua.DataValue]]) -> None:
        """Set values of Variables at once and pass them to the subscriptions.

        The short way for a scan: no type check and no coroutine per value. The DataValues must
        not be changed afterwards, since subscriptions hold them.
        """
        nodes = self.aspace._nodes
        value_id = ua.AttributeIds.Value
        for node, value in values:
            attribute = nodes[node].attributes[value_id]
            attribute.value = value
            attribute.value_callback = None
            for handle, callback in attribute.datachange_callbacks.items():
                callback(handle, value)


class Processor(UaProcessor):  # type: ignore[misc]
    """Connection whose client certificate is checked before the secure channel opens."""

    def open_secure_channel(self, algohdr: Any, seqhdr: Any, body: Any) -> None:
        """Open or renew the channel; ServiceError when the certificate is not trusted."""
        certificate = self._connection.security_policy.peer_certificate or None
        if certificate is not None and self.iserver.trust_check is not None:
            self.iserver.trust_check(x509.load_der_x509_certificate(certificate))
        super().open_secure_channel(algohdr, seqhdr, body)
        host, port = self.name[0], self.name[1]
        mode = self._connection.security_policy.Mode
        current_channel.set(Channel(f"{host}:{port}", mode, certificate))


class Protocol(OPCUAProtocol):  # type: ignore[misc]
    """Socket of one client; what cannot be decoded ends the connection."""

    processor: Processor | None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Accept the connection with our own processor."""
        super().connection_made(transport)
        if self.processor is not None:
            self.processor = Processor(self.iserver, self.transport, self.limits)
            self.processor.set_policies(self.policies)

    def data_received(self, data: bytes) -> None:
        """Take bytes; a frame that claims more than the receive buffer ends the connection."""
        buffered = self._buffer + data
        if len(buffered) >= 8:
            kind, size = buffered[:3], int.from_bytes(buffered[4:8], "little")
            known = kind in (b"HEL", b"OPN", b"MSG", b"CLO", b"ERR")
            if not known or not 8 < size <= self.limits.max_recv_buffer:
                self._reject(ua.StatusCodes.BadTcpMessageTypeInvalid, "not an OPC UA frame")
                return
        super().data_received(data)

    def _reject(self, code: int, reason: object) -> None:
        _logger.warning("closing OPC UA connection from %s: %s", self.peer_name, reason)
        if self.transport is not None and not self.transport.is_closing():
            # Only the code is for the client: the reason may tell of the server's insides.
            message = ua.ErrorMessage(ua.StatusCode(code), ua.StatusCode(code).name)
            self.transport.write(ua.ua_binary.uatcp_to_binary(ua.MessageType.Error, message))
            self.transport.close()

    async def _process_one_msg(self, header: Any, buf: Any) -> bool:
        try:
            return bool(await super()._process_one_msg(header, buf))
        except ServiceError as error:
            self._reject(error.code, ua.StatusCode(error.code).name)
        except Exception as error:
            self._reject(ua.StatusCodes.BadTcpInternalError, repr(error))
        return False


class Transport(TransportLimits):  # type: ignore[misc]
    """Size limits that a client may narrow, but not below what the protocol needs."""

    def create_acknowledge_and_set_limits(self, msg: ua.Hello) -> ua.Acknowledge:
        """Answer a Hello; ServiceError for buffers under 8192 bytes (Part 6, 7.1.2.3)."""
        if min(msg.ReceiveBufferSize, msg.SendBufferSize) < _MIN_BUFFER_BYTES:
            raise ServiceError(ua.StatusCodes.BadConnectionRejected)
        return super().create_acknowledge_and_set_limits(msg)


class Listener(BinaryServer):  # type: ignore[misc]
    """Listening socket that makes our protocol."""

    def _make_protocol(self) -> OPCUAProtocol:
        return Protocol(self.iserver, self._policies, self.clients, self.closing_tasks, self.limits)


class PatchedServer(asyncua.Server):  # type: ignore[misc]
    """asyncua server made of the parts above."""

    iserver: PatchedInternalServer
    endpoint: ParseResult

    def __init__(
        self, user_manager: UserManager | None = None, limits: Limits | None = None
    ) -> None:
        limits = limits or Limits()
        super().__init__(iserver=PatchedInternalServer(user_manager, limits))
        self.limits = Transport(
            max_recv_buffer=_BUFFER_BYTES,
            max_send_buffer=_BUFFER_BYTES,
            max_chunk_count=limits.message_bytes // _BUFFER_BYTES + 1,
            max_message_size=limits.message_bytes,
        )

    @property
    def port(self) -> int:
        """TCP port listened on; known after ``start`` when 0 was asked for."""
        return int(self.bserver.port if self.bserver is not None else self.endpoint.port)

    async def start(self) -> None:
        """Listen; port 0 takes a free port, which the endpoints then name."""
        await self._setup_server_nodes()
        await self.iserver.start()
        host, port = self._get_bind_socket_info()
        self.bserver = Listener(self.iserver, host, port, self.limits)
        self.bserver.set_policies(self._policies)
        try:
            await self.bserver.start()
        except OSError:
            await self.iserver.stop()
            raise
        if not port:
            self._name_port(self.bserver.port)

    def _name_port(self, port: int) -> None:
        self.endpoint = _with_port(self.endpoint, port)
        for endpoint in self.iserver.endpoints:
            endpoint.EndpointUrl = self.endpoint.geturl()
            endpoint.Server.DiscoveryUrls = [self.endpoint.geturl()]


def _with_port(url: ParseResult, port: int) -> ParseResult:
    host = url.hostname or ""
    host = f"[{host}]" if ":" in host else host
    return urlparse(url._replace(netloc=f"{host}:{port}").geturl())

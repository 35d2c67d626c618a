"""An asyncua server with its defects mended, tight limits and checked connections."""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import ParseResult, urlparse

import asyncua
from asyncua import ua
from asyncua.common.connection import TransportLimits
from asyncua.common.utils import ServiceError
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.address_space import (
    AddressSpace,
    AttributeValue,
    MethodService,
    NodeData,
    NodeManagementService,
    ViewService,
)
from asyncua.server.binary_server_asyncio import BinaryServer, OPCUAProtocol
from asyncua.server.internal_server import InternalServer
from asyncua.server.uaprocessor import UaProcessor
from asyncua.server.user_managers import UserManager
from cryptography import x509

from plc_interfaces.opcua.patches.monitoring import SubscriptionLimits, Subscriptions
from plc_interfaces.opcua.patches.session import Channel, Session, WriteGate, current_channel

_logger = logging.getLogger(__name__)
_HAS_SUBTYPE = ua.NodeId(ua.ObjectIds.HasSubtype)
_HAS_TYPE = ua.NodeId(ua.ObjectIds.HasTypeDefinition)
_INSTANCES = {ua.NodeClass.Object, ua.NodeClass.Variable}
_BUFFER_BYTES = 65_535
_MIN_BUFFER_BYTES = 8_192


def _attribute(
    name: str, kind: ua.VariantType | None, is_array: bool = False
) -> tuple[int, str, ua.AttributeIds, ua.VariantType | None, bool]:
    mask = getattr(ua.NodeAttributesMask, name)
    return int(mask), name, getattr(ua.AttributeIds, name), kind, is_array


_KIND = ua.VariantType
_ATTRIBUTES = [
    _attribute("AccessLevel", _KIND.Byte),
    _attribute("ArrayDimensions", _KIND.UInt32, is_array=True),
    _attribute("BrowseName", _KIND.QualifiedName),
    _attribute("ContainsNoLoops", _KIND.Boolean),
    _attribute("DataType", _KIND.NodeId),
    _attribute("Description", _KIND.LocalizedText),
    _attribute("DisplayName", _KIND.LocalizedText),
    _attribute("EventNotifier", _KIND.Byte),
    _attribute("Executable", _KIND.Boolean),
    _attribute("Historizing", _KIND.Boolean),
    _attribute("InverseName", _KIND.LocalizedText),
    _attribute("IsAbstract", _KIND.Boolean),
    _attribute("MinimumSamplingInterval", _KIND.Double),
    _attribute("NodeClass", _KIND.Int32),
    _attribute("NodeId", _KIND.NodeId),
    _attribute("Symmetric", _KIND.Boolean),
    _attribute("UserAccessLevel", _KIND.Byte),
    _attribute("UserExecutable", _KIND.Boolean),
    _attribute("UserWriteMask", _KIND.UInt32),
    _attribute("ValueRank", _KIND.Int32),
    _attribute("WriteMask", _KIND.UInt32),
    _attribute("DataTypeDefinition", _KIND.ExtensionObject),
]


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


class Views(ViewService):  # type: ignore[misc]
    """Browsing with the subtypes of each reference type looked up once."""

    def __init__(self, aspace: AddressSpace) -> None:
        super().__init__(aspace)
        self._subtypes: dict[ua.NodeId, frozenset[ua.NodeId]] = {}

    def forget_types(self) -> None:
        """Start anew after a change of the reference type hierarchy."""
        self._subtypes.clear()

    def _suitable_reftype(self, ref1: ua.NodeId, ref2: ua.NodeId, subtypes: bool) -> bool:
        if ref1 == ref2 or ref1.is_null():
            return True
        if not subtypes:
            return False
        known = self._subtypes.get(ref1)
        if known is None:
            known = self._subtypes[ref1] = frozenset(self._get_sub_ref(ref1))
        return ref2 in known


class Nodes(NodeManagementService):  # type: ignore[misc]
    """Adds nodes and references; duplicates are found by key, not by going through all."""

    def __init__(self, aspace: AddressSpace, views: Views) -> None:
        super().__init__(aspace)
        self._views = views
        # id of a list of references -> the list, and each one's direction by its key
        self._index: dict[int, tuple[list[Any], dict[tuple[ua.NodeId, ua.NodeId], bool]]] = {}

    def _add_unique_reference(
        self, nodedata: NodeData, desc: ua.ReferenceDescription
    ) -> ua.StatusCode:
        references = nodedata.references
        if desc.ReferenceTypeId == _HAS_SUBTYPE:
            self._views.forget_types()
        if len(references) < 16:
            return super()._add_unique_reference(nodedata, desc)
        entry = self._index.get(id(references))
        if entry is None or entry[0] is not references or len(entry[1]) != len(references):
            entry = (references, {(r.ReferenceTypeId, r.NodeId): r.IsForward for r in references})
            self._index[id(references)] = entry
        index = entry[1]
        key = (desc.ReferenceTypeId, desc.NodeId)
        forward = index.get(key)
        if forward is None:
            references.append(desc)
            index[key] = desc.IsForward
        elif forward != desc.IsForward:
            return ua.StatusCode(ua.StatusCodes.BadReferenceNotAllowed)
        return ua.StatusCode()

    def _add_nodeattributes(
        self, node_attributes: Any, nodedata: NodeData, add_timestamps: bool
    ) -> None:
        specified = node_attributes.SpecifiedAttributes
        for mask, name, attribute, kind, is_array in _ATTRIBUTES:
            if not specified & mask:
                continue
            value = getattr(node_attributes, name)
            if name == "DataTypeDefinition" and not isinstance(value, ua.DataTypeDefinition):
                variant = ua.Variant(None)
            else:
                variant = ua.Variant(value, kind, is_array=is_array)
            nodedata.attributes[attribute] = AttributeValue(ua.DataValue(variant))
        if specified & ua.NodeAttributesMask.Value:
            value = node_attributes.Value
            # asyncua copies it into a Variant that says it is no array.
            variant = value if isinstance(value, ua.Variant) else ua.Variant(value)
            stamp = datetime.now(UTC) if add_timestamps else None
            data = ua.DataValue(variant, SourceTimestamp=stamp, ServerTimestamp=stamp)
            nodedata.attributes[ua.AttributeIds.Value] = AttributeValue(data)

    def _add_reference_no_check(
        self, sourcedata: NodeData, addref: ua.AddReferencesItem
    ) -> ua.StatusCode:
        target = self._aspace[addref.TargetNodeId]
        attributes = target.attributes
        kind = addref.TargetNodeClass
        if kind == ua.NodeClass.Unspecified:
            kind = attributes[ua.AttributeIds.NodeClass].value.Value.Value
        description = ua.ReferenceDescription(
            ReferenceTypeId=addref.ReferenceTypeId,
            IsForward=addref.IsForward,
            NodeId=addref.TargetNodeId,
            BrowseName=attributes[ua.AttributeIds.BrowseName].value.Value.Value,
            DisplayName=attributes[ua.AttributeIds.DisplayName].value.Value.Value,
            NodeClass=kind,
        )
        if kind in _INSTANCES:
            for ref in target.references:
                if ref.IsForward and ref.ReferenceTypeId == _HAS_TYPE:
                    description.TypeDefinition = ref.NodeId
                    break
        return self._add_unique_reference(sourcedata, description)

    def _delete_node(self, item: ua.DeleteNodesItem, user: User) -> ua.StatusCode:
        self._index.clear()
        self._views.forget_types()
        return super()._delete_node(item, user)

    def _delete_reference(self, item: ua.DeleteReferencesItem, user: User) -> ua.StatusCode:
        self._index.clear()
        self._views.forget_types()
        return super()._delete_reference(item, user)


class Methods(MethodService):  # type: ignore[misc]
    """Method calls with checked arguments; a type's method means that of the object called."""

    async def _call(self, method: ua.CallMethodRequest) -> ua.CallMethodResult:
        codes = ua.StatusCodes
        owner = self._aspace.get(method.ObjectId)
        node = self._aspace.get(method.MethodId)
        if owner is None:
            return _refused(codes.BadNodeIdUnknown)
        if node is None:
            return _refused(codes.BadMethodInvalid)
        if node.call is None:
            node = self._instance_method(owner, node)
            if node is None:
                return _refused(codes.BadMethodInvalid)
        arguments = method.InputArguments or []
        result = self._check_arguments(node, arguments)
        if not result.StatusCode.is_good():
            return result
        try:
            output = await self._run_method(node.call, method.ObjectId, *arguments)
        except (ServiceError, ua.UaStatusCodeError) as error:
            result.StatusCode = ua.StatusCode(error.code)
        except Exception:
            _logger.exception("OPC UA method %s of %s failed", method.MethodId, method.ObjectId)
            result.StatusCode = ua.StatusCode(codes.BadUnexpectedError)
        else:
            if isinstance(output, ua.CallMethodResult):
                return output
            if isinstance(output, ua.StatusCode):
                result.StatusCode = output
            else:
                result.OutputArguments = output or []
        return result

    def _instance_method(self, owner: NodeData, declared: NodeData) -> NodeData | None:
        """Find the owner's method of the same browse name as a type's method declaration."""
        name = declared.attributes[ua.AttributeIds.BrowseName].value.Value.Value
        for ref in owner.references:
            if ref.IsForward and ref.NodeClass == ua.NodeClass.Method and ref.BrowseName == name:
                node: NodeData | None = self._aspace.get(ref.NodeId)
                if node is not None and node.call is not None:
                    return node
        return None

    def _check_arguments(self, node: NodeData, given: list[ua.Variant]) -> ua.CallMethodResult:
        expected = self._input_arguments(node)
        result = ua.CallMethodResult()
        if expected is None:
            return result
        if len(given) < len(expected):
            return _refused(ua.StatusCodes.BadArgumentsMissing)
        if len(given) > len(expected):
            return _refused(ua.StatusCodes.BadTooManyArguments)
        for argument, variant in zip(expected, given, strict=True):
            fits = self._fits(argument, variant)
            code = ua.StatusCodes.Good if fits else ua.StatusCodes.BadTypeMismatch
            result.InputArgumentResults.append(ua.StatusCode(code))
            if not fits:
                result.StatusCode = ua.StatusCode(ua.StatusCodes.BadInvalidArgument)
        return result

    def _input_arguments(self, node: NodeData) -> list[ua.Argument] | None:
        """Arguments a method declares; None when it declares nothing."""
        for ref in node.references:
            if ref.IsForward and ref.BrowseName == ua.QualifiedName("InputArguments", 0):
                value = self._aspace.read_attribute_value(ref.NodeId, ua.AttributeIds.Value)
                return value.Value.Value or [] if value.Value is not None else []
        return None

    def _fits(self, argument: ua.Argument, variant: ua.Variant) -> bool:
        if argument.ValueRank == ua.ValueRank.Scalar and variant.is_array:
            return False
        if argument.ValueRank >= ua.ValueRank.OneDimension and not (
            variant.is_array or variant.Value is None
        ):
            return False
        built_in = self._built_in(argument.DataType)
        return built_in is None or variant.VariantType == built_in

    def _built_in(self, data_type: ua.NodeId) -> ua.VariantType | None:
        """Built-in type a data type is encoded as; None when several are allowed."""
        for _ in range(20):
            if data_type.NamespaceIndex == 0 and isinstance(data_type.Identifier, int):
                if data_type.Identifier == ua.ObjectIds.Enumeration:
                    return ua.VariantType.Int32
                if data_type.Identifier in (24, 26, 27, 28):  # BaseDataType, Number, (U)Integer
                    return None
                if data_type.Identifier <= 25:
                    return ua.VariantType(data_type.Identifier)
            data = self._aspace.get(data_type)
            parents = data.references if data is not None else []
            parent = [
                r.NodeId for r in parents if r.ReferenceTypeId == _HAS_SUBTYPE and not r.IsForward
            ]
            if not parent:
                return None
            data_type = parent[0]
        return None

    async def _run_method(self, func: Callable[..., Any], parent: ua.NodeId, *args: Any) -> Any:
        if inspect.iscoroutinefunction(func):
            return await func(parent, *args)
        return await super()._run_method(func, parent, *args)


def _refused(code: int) -> ua.CallMethodResult:
    return ua.CallMethodResult(StatusCode=ua.StatusCode(code))


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

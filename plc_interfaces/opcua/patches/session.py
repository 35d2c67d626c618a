"""Sessions: guarded writes, calls that know their caller, and ownership of subscriptions."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.crypto.permission_rules import User
from asyncua.server.internal_session import InternalSession

WriteGate = Callable[[User, ua.NodeId, ua.AttributeIds, ua.DataValue], ua.StatusCode]
"""Decides on one written value: Good takes it (the gate has queued it), Bad refuses it.

The address space is left alone either way: what was accepted shows once it has been applied.
"""


@dataclass(frozen=True)
class Channel:
    """What is known of the secure channel that a request came over."""

    peer: str
    mode: ua.MessageSecurityMode
    certificate: bytes | None


@dataclass(frozen=True)
class Caller:
    """Who called a method."""

    user: User
    session_id: ua.NodeId


current_channel: ContextVar[Channel | None] = ContextVar("current_channel", default=None)
_current_caller: ContextVar[Caller | None] = ContextVar("current_caller", default=None)


def caller() -> Caller:
    """Return who called the method being run; only async callbacks of a remote call have one.

    Raises LookupError outside a remote call.
    """
    who = _current_caller.get()
    if who is None:
        raise LookupError("no OPC UA method call is being run here")
    return who


def _value_of(value: ua.DataValue) -> Any:
    return value.Value.Value if value.Value is not None else None


class Session(InternalSession):  # type: ignore[misc]
    """Session of a remote client."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._certificate: bytes | None = None
        self._login: str | None = None
        if self.external:
            # asyncua counts its tokens up from 1000: anybody could guess another's session.
            self.iserver.unregister_external_session(self)
            self.auth_token = ua.NodeId(secrets.token_bytes(32), 0)
            self.iserver.register_external_session(self)

    async def create_session(
        self, params: ua.CreateSessionParameters, sockname: tuple[str, int] | None = None
    ) -> ua.CreateSessionResult:
        """Create the session; its certificate must be the one that secures the channel."""
        channel = current_channel.get()
        if channel is not None and not self._is_offered(channel.mode):
            raise ServiceError(ua.StatusCodes.BadSecurityModeRejected)
        if channel is not None and channel.mode != ua.MessageSecurityMode.None_:
            if params.ClientCertificate != channel.certificate:
                raise ServiceError(ua.StatusCodes.BadSecurityChecksFailed)
            self._certificate = channel.certificate
        else:
            params.ClientCertificate = None  # proves nothing on an unsecured channel
        return await super().create_session(params, sockname)

    def _is_offered(self, mode: ua.MessageSecurityMode) -> bool:
        """Tell whether an endpoint has this mode: asyncua opens unsecured channels to anybody."""
        return any(endpoint.SecurityMode == mode for endpoint in self.iserver.endpoints)

    def activate_session(
        self, params: ua.ActivateSessionParameters, peer_certificate: bytes | None
    ) -> ua.ActivateSessionResult:
        """Log the user in and report the outcome to the server's login hook."""
        token = params.UserIdentityToken
        name = token.UserName if isinstance(token, ua.UserNameIdentityToken) else None
        channel = current_channel.get()
        peer = channel.peer if channel is not None else str(self.name)
        host = peer.rpartition(":")[0]
        try:
            if channel is not None:
                if self._certificate is not None and channel.certificate != self._certificate:
                    raise ServiceError(ua.StatusCodes.BadSecurityChecksFailed)
                is_clear = name is not None and not token.EncryptionAlgorithm
                if is_clear and channel.mode == ua.MessageSecurityMode.Sign:
                    raise ServiceError(ua.StatusCodes.BadIdentityTokenRejected)
            if name is not None and self.iserver.login_throttle.is_closed(host):
                raise ServiceError(ua.StatusCodes.BadUserAccessDenied)
            # Only a user certificate, whose signature was verified, may stand for a user.
            is_certificate = isinstance(token, ua.X509IdentityToken)
            result = super().activate_session(params, peer_certificate if is_certificate else None)
        except (ServiceError, ua.UaStatusCodeError) as error:
            if name is not None:
                self.iserver.login_throttle.failed(host)
            self.iserver.on_login(name, peer, ua.StatusCode(error.code))
            raise
        self._login = name
        self.iserver.on_login(name, peer, ua.StatusCode())
        return result

    async def write(self, params: ua.WriteParameters) -> list[ua.StatusCode]:
        """Write values; those of a remote client pass the write gate one by one."""
        gate = self.iserver.write_gate
        if not self.external or gate is None:
            codes: list[ua.StatusCode] = await super().write(params)
            return codes
        return [self._write_one(gate, item) for item in params.NodesToWrite]

    def _write_one(self, gate: WriteGate, item: ua.WriteValue) -> ua.StatusCode:
        status = self._precheck(item)
        if status == ua.StatusCodes.Good:
            return gate(self.user, item.NodeId, item.AttributeId, item.Value)
        return ua.StatusCode(status)

    def _precheck(self, item: ua.WriteValue) -> int:
        """Checks that need only the address space; the rest is the gate's."""
        present = self.aspace.read_attribute_value(item.NodeId, item.AttributeId)
        codes = ua.StatusCodes
        absent = {codes.BadNodeIdUnknown, codes.BadAttributeIdInvalid}
        if present.StatusCode is not None and present.StatusCode.value in absent:
            return int(present.StatusCode.value)
        access = self.aspace.read_attribute_value(item.NodeId, ua.AttributeIds.AccessLevel)
        writable = ua.ua_binary.test_bit(_value_of(access) or 0, ua.AccessLevel.CurrentWrite)
        if item.AttributeId != ua.AttributeIds.Value or not writable:
            return int(codes.BadNotWritable)
        if item.IndexRange or (item.Value.StatusCode and item.Value.StatusCode.value):
            return int(codes.BadWriteNotSupported)
        wanted, written = present.Value, item.Value.Value
        kind = self._kind(item.NodeId, wanted)
        if written is None or (kind is not None and written.VariantType != kind):
            return int(codes.BadTypeMismatch)
        is_typed = wanted is not None and wanted.VariantType != ua.VariantType.Null
        if is_typed and bool(written.is_array) != bool(wanted.is_array):
            return int(codes.BadTypeMismatch)
        return int(codes.Good)

    def _kind(self, node: ua.NodeId, present: ua.Variant | None) -> ua.VariantType | None:
        """Built-in type a value of this node has; None where only the gate can tell."""
        if present is not None and present.VariantType != ua.VariantType.Null:
            return present.VariantType
        data_type = _value_of(self.aspace.read_attribute_value(node, ua.AttributeIds.DataType))
        if data_type is not None and data_type.NamespaceIndex == 0 and data_type.Identifier <= 25:
            return ua.VariantType(data_type.Identifier)
        return None

    async def call(self, params: list[ua.CallMethodRequest]) -> list[ua.CallMethodResult]:
        """Call methods; an async callback learns by ``caller()`` for whom."""
        who = Caller(self.user, self.session_id) if self.external else None
        token = _current_caller.set(who)
        try:
            results: list[ua.CallMethodResult] = await super().call(params)
        finally:
            _current_caller.reset(token)
        return results

    # Subscription ids are small numbers: a session may touch only its own.

    def _own(self, subscription_id: int) -> bool:
        sub = self.subscription_service.subscriptions.get(subscription_id)
        return sub is not None and sub.session_id == self.session_id

    def _require_own(self, subscription_id: int) -> None:
        if not self._own(subscription_id):
            raise ServiceError(ua.StatusCodes.BadSubscriptionIdInvalid)

    async def create_monitored_items(
        self, params: ua.CreateMonitoredItemsParameters
    ) -> list[ua.MonitoredItemCreateResult]:
        """Create monitored items in one of the session's subscriptions."""
        self._require_own(params.SubscriptionId)
        results: list[ua.MonitoredItemCreateResult] = await super().create_monitored_items(params)
        return results

    async def modify_monitored_items(
        self, params: ua.ModifyMonitoredItemsParameters
    ) -> list[ua.MonitoredItemModifyResult]:
        """Modify monitored items in one of the session's subscriptions."""
        self._require_own(params.SubscriptionId)
        results: list[ua.MonitoredItemModifyResult] = await super().modify_monitored_items(params)
        return results

    async def delete_monitored_items(
        self, params: ua.DeleteMonitoredItemsParameters
    ) -> list[ua.StatusCode]:
        """Delete monitored items in one of the session's subscriptions."""
        self._require_own(params.SubscriptionId)
        results: list[ua.StatusCode] = await super().delete_monitored_items(params)
        return results

    async def set_monitoring_mode(
        self, params: ua.SetMonitoringModeParameters
    ) -> list[ua.StatusCode]:
        """Set the mode of items in one of the session's subscriptions."""
        self._require_own(params.SubscriptionId)
        results: list[ua.StatusCode] = await super().set_monitoring_mode(params)
        return results

    async def set_publishing_mode(
        self, params: ua.SetPublishingModeParameters
    ) -> list[ua.StatusCode]:
        """Enable or disable publishing of the session's subscriptions."""
        bad = ua.StatusCode(ua.StatusCodes.BadSubscriptionIdInvalid)
        results = []
        for subscription_id in params.SubscriptionIds:
            if self._own(subscription_id):
                sub = self.subscription_service.subscriptions[subscription_id]
                await sub.set_publishing_mode(params.PublishingEnabled)
                results.append(ua.StatusCode())
            else:
                results.append(bad)
        return results

    def modify_subscription(
        self, params: ua.ModifySubscriptionParameters
    ) -> ua.ModifySubscriptionResult:
        """Modify one of the session's subscriptions."""
        self._require_own(params.SubscriptionId)
        return super().modify_subscription(params)

    async def delete_subscriptions(self, ids: list[int]) -> list[ua.StatusCode]:
        """Delete subscriptions of the session."""
        own = [i for i in ids if self._own(i)]
        done = dict(zip(own, await super().delete_subscriptions(own), strict=True))
        bad = ua.StatusCode(ua.StatusCodes.BadSubscriptionIdInvalid)
        return [done.get(i, bad) for i in ids]

    def republish(self, params: ua.RepublishParameters) -> ua.NotificationMessage:
        """Send a message of one of the session's subscriptions again."""
        self._require_own(params.SubscriptionId)
        sub = self.subscription_service.subscriptions[params.SubscriptionId]
        if params.RetransmitSequenceNumber not in sub._not_acknowledged_results:
            raise ServiceError(ua.StatusCodes.BadMessageNotAvailable)
        return sub._not_acknowledged_results[params.RetransmitSequenceNumber].NotificationMessage

    async def transfer_subscriptions(
        self, params: ua.TransferSubscriptionsParameters, callback: Callable[..., Any]
    ) -> list[ua.TransferResult]:
        """Take over subscriptions of the same user's earlier session."""
        results: list[ua.TransferResult] = []
        for sub_id in params.SubscriptionIds:
            sub = self.subscription_service.subscriptions.get(sub_id)
            status = ua.StatusCodes.Good
            if sub is None:
                status = ua.StatusCodes.BadSubscriptionIdInvalid
            elif not self._may_take(sub.owner):
                status = ua.StatusCodes.BadUserAccessDenied
            result = ua.TransferResult(StatusCode=ua.StatusCode(status))
            if sub is not None and status == ua.StatusCodes.Good:
                sub.session_id = self.session_id
                sub.pub_result_callback = callback
                # asyncua leaves this one with the old connection, so nothing would arrive.
                sub.pub_request_callback = callback.__self__.get_publish_request  # type: ignore[attr-defined]
                result.AvailableSequenceNumbers = sorted(sub._not_acknowledged_results)
            results.append(result)
        return results

    async def create_subscription(
        self,
        params: ua.CreateSubscriptionParameters,
        callback: Callable[..., Any],
        request_callback: Callable[..., Any] | None = None,
    ) -> ua.CreateSubscriptionResult:
        """Create a subscription owned by this session and its user."""
        result = await super().create_subscription(params, callback, request_callback)
        owner = (self._login, self._certificate)
        self.subscription_service.subscriptions[result.SubscriptionId].owner = owner
        return result

    def _may_take(self, owner: tuple[str | None, bytes | None]) -> bool:
        """Tell whether it is the same user; of the anonymous, the same certificate holder."""
        if owner[0] is not None:
            return owner[0] == self._login
        return self._login is None and owner[1] is not None and owner[1] == self._certificate

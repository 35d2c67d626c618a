"""Alarms and conditions (OPC 10000-9) that mirror alarms whose life is lived elsewhere."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import IntEnum, StrEnum
from typing import Any

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.crypto.permission_rules import User, UserRole

from plc_interfaces.host import Role
from plc_interfaces.opcua.events import SERVER, EventRecord, Notifiers, event_fields
from plc_interfaces.opcua.instances import Instances, link
from plc_interfaces.opcua.patches import PatchedServer, caller

__all__ = [
    "AlarmKind",
    "ClientActs",
    "Condition",
    "ConditionManager",
    "ConditionState",
    "LimitState",
    "Shelving",
]


class AlarmKind(IntEnum):
    """Alarm types, by their node id in namespace 0."""

    EXCLUSIVE_LIMIT = ua.ObjectIds.ExclusiveLimitAlarmType
    EXCLUSIVE_DEVIATION = ua.ObjectIds.ExclusiveDeviationAlarmType
    OFF_NORMAL = ua.ObjectIds.OffNormalAlarmType


class LimitState(IntEnum):
    """States of the ExclusiveLimitStateMachineType, by node id."""

    HIGH_HIGH = ua.ObjectIds.ExclusiveLimitStateMachineType_HighHigh
    HIGH = ua.ObjectIds.ExclusiveLimitStateMachineType_High
    LOW = ua.ObjectIds.ExclusiveLimitStateMachineType_Low
    LOW_LOW = ua.ObjectIds.ExclusiveLimitStateMachineType_LowLow

    @property
    def text(self) -> str:
        """Name of the state in the standard."""
        return self.name.title().replace("_", "")


class Shelving(IntEnum):
    """States of the ShelvedStateMachineType, by node id."""

    UNSHELVED = ua.ObjectIds.ShelvedStateMachineType_Unshelved
    TIMED = ua.ObjectIds.ShelvedStateMachineType_TimedShelved
    ONE_SHOT = ua.ObjectIds.ShelvedStateMachineType_OneShotShelved

    @property
    def text(self) -> str:
        """Name of the state in the standard."""
        return {
            Shelving.UNSHELVED: "Unshelved",
            Shelving.TIMED: "TimedShelved",
            Shelving.ONE_SHOT: "OneShotShelved",
        }[self]


class ConditionClass(StrEnum):
    """What sort of people an alarm concerns (Part 9, 5.9)."""

    PROCESS = "ProcessConditionClassType"
    SAFETY = "SafetyConditionClassType"
    MAINTENANCE = "MaintenanceConditionClassType"
    SYSTEM = "SystemConditionClassType"


@dataclass(frozen=True)
class ConditionState:
    """State of an alarm as its controller has it.

    ``limit`` is the limit passed, for limit alarms while active. ``shelved_until`` ends a timed
    shelving. ``suppressed`` covers suppression by design and being out of service. ``retain``
    None derives it: whether somebody still has to look.
    """

    active: bool = False
    acked: bool = True
    confirmed: bool = True
    limit: LimitState | None = None
    shelving: Shelving = Shelving.UNSHELVED
    shelved_until: datetime | None = None
    suppressed: bool = False
    severity: int = 500
    message: str = ""
    quality: int = ua.StatusCodes.Good
    retain: bool | None = None

    @property
    def is_retained(self) -> bool:
        """Whether a client that refreshes should see it."""
        if self.retain is not None:
            return self.retain
        return self.active or not (self.acked and self.confirmed)


@dataclass(frozen=True)
class ClientActs:
    """Where acts of clients go: ``(path, user, ...)``.

    Each may raise ``ua.UaStatusCodeError`` to refuse. The act shows in the condition when the
    controller's next ``update`` says so; a comment alone shows at once.
    """

    acknowledge: Callable[[str, User, str], None]
    shelve: Callable[[str, User, float | None], None]
    """Seconds, or None for one shot."""
    unshelve: Callable[[str, User], None]
    confirm: Callable[[str, User, str], None] | None = None
    comment: Callable[[str, User, str], None] | None = None


@dataclass
class Condition:
    """One alarm's node and what clients were told last."""

    path: str
    node: ua.NodeId
    members: dict[str, ua.NodeId]
    notifiers: tuple[ua.NodeId, ...]
    confirmable: bool
    max_shelve_s: float
    state: ConditionState
    fields: dict[str, ua.Variant]
    last_severity: int
    event_ids: deque[bytes] = field(default_factory=lambda: deque(maxlen=64))
    """Ids since the alarm was last raised: any of them may be acknowledged."""
    pending: set[str] = field(default_factory=set)
    """Acts taken from clients that the controller has not answered yet."""


Verb = Callable[..., Awaitable[Any]]


def _may_operate(user: User, path: str) -> bool:
    return user.role == UserRole.Admin or getattr(user, "access", Role.OBSERVER) >= Role.OPERATOR


class ConditionManager:
    """All conditions of a server: their nodes, events, methods and refresh."""

    def __init__(
        self,
        server: PatchedServer,
        notifiers: Notifiers,
        acts: ClientActs,
        *,
        may: Callable[[User, str], bool] = _may_operate,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._server = server.iserver
        self._aspace = server.iserver.aspace
        self._notifiers = notifiers
        self._acts = acts
        self._may = may
        self._clock = clock
        self._instances = Instances(self._aspace)
        self._by_node: dict[ua.NodeId, Condition] = {}
        ids = ua.ObjectIds
        self._verbs: dict[str, Verb] = {
            "Acknowledge": self._acknowledge,
            "Confirm": self._confirm,
            "AddComment": self._add_comment,
            "Enable": self._enable,
            "Disable": self._disable,
            "ShelvingState/TimedShelve": self._timed_shelve,
            "ShelvingState/OneShotShelve": self._one_shot_shelve,
            "ShelvingState/Unshelve": self._unshelve,
        }
        for type_method, verb in (
            (ids.AcknowledgeableConditionType_Acknowledge, self._acknowledge),
            (ids.AcknowledgeableConditionType_Confirm, self._confirm),
            (ids.ConditionType_AddComment, self._add_comment),
            (ids.ConditionType_Enable, self._enable),
            (ids.ConditionType_Disable, self._disable),
            (ids.AlarmConditionType_ShelvingState_TimedShelve, self._timed_shelve),
            (ids.AlarmConditionType_ShelvingState_OneShotShelve, self._one_shot_shelve),
            (ids.AlarmConditionType_ShelvingState_Unshelve, self._unshelve),
            (ids.ShelvedStateMachineType_TimedShelve, self._timed_shelve),
            (ids.ShelvedStateMachineType_OneShotShelve, self._one_shot_shelve),
            (ids.ShelvedStateMachineType_Unshelve, self._unshelve),
            (ids.ConditionType_ConditionRefresh, self._refresh),
            (ids.ConditionType_ConditionRefresh2, self._refresh),
        ):
            self._aspace[ua.NodeId(type_method)].call = verb

    # --- the controller's side ---------------------------------------------------------------

    def add(
        self,
        path: str,
        node: ua.NodeId,
        parent: ua.NodeId,
        source: ua.NodeId,
        kind: AlarmKind,
        *,
        name: str = "",
        severity: int = 500,
        limits: Mapping[LimitState, float] | None = None,
        input_node: ua.NodeId | None = None,
        confirmable: bool = False,
        max_shelve_s: float = 86_400.0,
        condition_class: ConditionClass = ConditionClass.PROCESS,
        optional: Collection[str] = (),
    ) -> Condition:
        """Make an inactive, acknowledged condition under ``parent``; ``path`` is its key.

        ``source`` is the node it is about and should have been declared to the notifiers.
        ``limits`` gives limit values in the unit of ``input_node``. ``max_shelve_s`` is a
        default of one day.
        """
        wanted = ["ShelvingState", "MaxTimeShelved", *optional]
        if confirmable:
            wanted += ["ConfirmedState", "Confirm"]
        wanted += [f"{limit.text}Limit" for limit in limits or {}]
        namespace = node.NamespaceIndex
        members = self._instances.make(
            parent,
            ua.NodeId(kind),
            node,
            ua.QualifiedName(name or path, namespace),
            optional=wanted,
        )
        link(self._aspace, source, ua.NodeId(ua.ObjectIds.HasCondition), node)
        state = ConditionState(severity=severity)
        now = self._clock()
        fields = event_fields(
            ua.NodeId(kind), source, self._notifiers.name(source), severity, name or path, now
        )
        condition = Condition(
            path=path,
            node=node,
            members=members,
            notifiers=self._notifiers.above(source),
            confirmable=confirmable,
            max_shelve_s=max_shelve_s,
            state=state,
            fields=fields,
            last_severity=severity,
        )
        class_id = getattr(ua.ObjectIds, condition_class.value)
        fields |= {
            "NodeId": ua.Variant(node, ua.VariantType.NodeId),
            "ConditionName": ua.Variant(name or path, ua.VariantType.String),
            "ConditionClassId": ua.Variant(ua.NodeId(class_id), ua.VariantType.NodeId),
            "ConditionClassName": ua.Variant(ua.LocalizedText(condition_class.value)),
            "BranchId": ua.Variant(ua.NodeId(), ua.VariantType.NodeId),
            "InputNode": ua.Variant(input_node or ua.NodeId(), ua.VariantType.NodeId),
            "MaxTimeShelved": ua.Variant(max_shelve_s * 1000, ua.VariantType.Double),
            "ClientUserId": ua.Variant("", ua.VariantType.String),
            **_two_state("EnabledState", True, "Enabled", "Disabled"),
            **_stamped("Comment", ua.Variant(ua.LocalizedText("")), now),
        }
        for limit, value in (limits or {}).items():
            fields[f"{limit.text}Limit"] = ua.Variant(float(value), ua.VariantType.Double)
        if kind == AlarmKind.OFF_NORMAL:
            fields["NormalState"] = ua.Variant(ua.NodeId(), ua.VariantType.NodeId)
        fields |= _state_fields(condition, state, now, self._clock())
        for member, verb in self._verbs.items():
            if member in members:
                self._aspace[members[member]].call = verb
        self._by_node[node] = self._by_node[members["ShelvingState"]] = condition
        self._show(condition)
        unshelve = members["ShelvingState/UnshelveTime"]
        self._aspace.set_attribute_value_callback(
            unshelve, ua.AttributeIds.Value, lambda *_: self._unshelve_time(condition)
        )
        return condition

    def update(
        self, condition: Condition, state: ConditionState, time: datetime | None = None
    ) -> bool:
        """Show the controller's state; sends an event and returns True if anything changed."""
        old = condition.state
        condition.pending.clear()
        if state == old:
            return False
        stamp = time or self._clock()
        if state.active and not state.acked and (old.acked or not old.active):
            condition.event_ids.clear()  # raised anew: earlier events no longer stand for it
        if state.severity != old.severity:
            condition.last_severity = old.severity
        condition.state = state
        self._send(condition, _state_fields(condition, state, stamp, self._clock()), stamp)
        return True

    def set_limits(self, condition: Condition, limits: Mapping[LimitState, float]) -> None:
        """Show limit values that have changed; they must have been there from the start."""
        for limit, value in limits.items():
            name = f"{limit.text}Limit"
            if name not in condition.members:
                raise KeyError(f"condition {condition.path} has no {name}")
            condition.fields[name] = ua.Variant(float(value), ua.VariantType.Double)
        self._show(condition)

    def _send(
        self, condition: Condition, changes: Mapping[str, ua.Variant], stamp: datetime
    ) -> None:
        fields = condition.fields
        state = condition.state
        fields = {
            **fields,
            **event_fields(
                fields["EventType"].Value,
                fields["SourceNode"].Value,
                fields["SourceName"].Value,
                state.severity,
                state.message or fields["ConditionName"].Value,
                stamp,
            ),
            **changes,
        }
        condition.fields = fields
        condition.event_ids.append(fields["EventId"].Value)
        self._show(condition)
        self._notifiers.send(EventRecord(condition.node, condition.notifiers, fields))

    def _show(self, condition: Condition) -> None:
        """Write the fields to the condition's Variables."""
        stamp = condition.fields["Time"].Value
        members = condition.members
        self._server.publish(
            (members[name], ua.DataValue(value, SourceTimestamp=stamp))
            for name, value in condition.fields.items()
            if name in members and name != "ShelvingState/UnshelveTime"
        )

    def _unshelve_time(self, condition: Condition) -> ua.DataValue:
        return ua.DataValue(_unshelve_ms(condition, condition.state, self._clock()))

    # --- the clients' side -------------------------------------------------------------------

    def _asked(self, object_id: ua.NodeId) -> tuple[Condition, User]:
        """Condition a method was called on, and by whom; refuses those who may only look."""
        condition = self._by_node.get(object_id)
        if condition is None:
            raise ServiceError(ua.StatusCodes.BadNodeIdUnknown)
        try:
            user = caller().user
        except LookupError:
            user = User(role=UserRole.Admin, name="server")
        if not self._may(user, condition.path):
            raise ServiceError(ua.StatusCodes.BadUserAccessDenied)
        return condition, user

    async def _acknowledge(
        self, object_id: ua.NodeId, event_id: ua.Variant, comment: ua.Variant
    ) -> ua.StatusCode:
        condition, user = self._asked(object_id)
        _require_event(condition, event_id)
        if condition.state.acked or "acknowledge" in condition.pending:
            return ua.StatusCode(ua.StatusCodes.BadConditionBranchAlreadyAcked)
        self._acts.acknowledge(condition.path, user, _text(comment))
        condition.pending.add("acknowledge")
        self._note(condition, user, comment)
        return ua.StatusCode()

    async def _confirm(
        self, object_id: ua.NodeId, event_id: ua.Variant, comment: ua.Variant
    ) -> ua.StatusCode:
        condition, user = self._asked(object_id)
        if not condition.confirmable or self._acts.confirm is None:
            return ua.StatusCode(ua.StatusCodes.BadMethodInvalid)
        _require_event(condition, event_id)
        if condition.state.confirmed or "confirm" in condition.pending:
            return ua.StatusCode(ua.StatusCodes.BadConditionBranchAlreadyConfirmed)
        self._acts.confirm(condition.path, user, _text(comment))
        condition.pending.add("confirm")
        self._note(condition, user, comment)
        return ua.StatusCode()

    async def _add_comment(
        self, object_id: ua.NodeId, event_id: ua.Variant, comment: ua.Variant
    ) -> ua.StatusCode:
        condition, user = self._asked(object_id)
        _require_event(condition, event_id)
        if self._acts.comment is not None:
            self._acts.comment(condition.path, user, _text(comment))
        self._note(condition, user, comment)
        self._send(condition, {}, self._clock())
        return ua.StatusCode()

    def _note(self, condition: Condition, user: User, comment: ua.Variant) -> None:
        """Keep comment and author for the next event; a null comment leaves the old one."""
        changes = {"ClientUserId": ua.Variant(user.name or "", ua.VariantType.String)}
        if comment.Value is not None and comment.Value.Text is not None:
            changes |= _stamped("Comment", comment, self._clock())
        condition.fields = {**condition.fields, **changes}

    async def _enable(self, object_id: ua.NodeId) -> ua.StatusCode:
        self._asked(object_id)
        return ua.StatusCode(ua.StatusCodes.BadConditionAlreadyEnabled)

    async def _disable(self, object_id: ua.NodeId) -> ua.StatusCode:
        self._asked(object_id)
        return ua.StatusCode(ua.StatusCodes.BadNotSupported)

    async def _timed_shelve(self, object_id: ua.NodeId, duration: ua.Variant) -> ua.StatusCode:
        condition, user = self._asked(object_id)
        if _is_shelved(condition):
            return ua.StatusCode(ua.StatusCodes.BadConditionAlreadyShelved)
        if not 0 < duration.Value <= condition.max_shelve_s * 1000:
            return ua.StatusCode(ua.StatusCodes.BadShelvingTimeOutOfRange)
        self._acts.shelve(condition.path, user, duration.Value / 1000)
        return self._shelving_asked(condition, user, "shelve")

    async def _one_shot_shelve(self, object_id: ua.NodeId) -> ua.StatusCode:
        condition, user = self._asked(object_id)
        if _is_shelved(condition):
            return ua.StatusCode(ua.StatusCodes.BadConditionAlreadyShelved)
        self._acts.shelve(condition.path, user, None)
        return self._shelving_asked(condition, user, "shelve")

    async def _unshelve(self, object_id: ua.NodeId) -> ua.StatusCode:
        condition, user = self._asked(object_id)
        if not _is_shelved(condition) or "unshelve" in condition.pending:
            return ua.StatusCode(ua.StatusCodes.BadConditionNotShelved)
        self._acts.unshelve(condition.path, user)
        return self._shelving_asked(condition, user, "unshelve")

    def _shelving_asked(self, condition: Condition, user: User, act: str) -> ua.StatusCode:
        condition.pending.add(act)
        self._note(condition, user, ua.Variant(None))
        return ua.StatusCode()

    async def _refresh(
        self, object_id: ua.NodeId, subscription_id: ua.Variant, item_id: ua.Variant | None = None
    ) -> ua.StatusCode:
        """ConditionRefresh and ConditionRefresh2: send what is retained, between two brackets."""
        subscription = self._server.subscription_service.subscriptions.get(subscription_id.Value)
        session = caller().session_id
        if subscription is None or subscription.session_id != session:
            return ua.StatusCode(ua.StatusCodes.BadSubscriptionIdInvalid)
        service = subscription.monitored_item_srv
        watched = tuple(service._monitored_events)
        mid = item_id.Value if item_id is not None else None
        if mid is not None and all(mid not in ids for ids in service._monitored_events.values()):
            return ua.StatusCode(ua.StatusCodes.BadMonitoredItemIdInvalid)
        service.notify(self._bracket(ua.ObjectIds.RefreshStartEventType, watched), mid)
        for node, condition in self._by_node.items():
            if node == condition.node and condition.state.is_retained:
                event = EventRecord(condition.node, condition.notifiers, condition.fields)
                service.notify(event, mid)
        service.notify(self._bracket(ua.ObjectIds.RefreshEndEventType, watched), mid)
        return ua.StatusCode()

    def _bracket(self, kind: int, watched: tuple[ua.NodeId, ...]) -> EventRecord:
        fields = event_fields(ua.NodeId(kind), SERVER, "Server", 1, "", self._clock())
        return EventRecord(SERVER, watched, fields)


def _require_event(condition: Condition, event_id: ua.Variant) -> None:
    if event_id.Value not in condition.event_ids:
        raise ServiceError(ua.StatusCodes.BadEventIdUnknown)


def _is_shelved(condition: Condition) -> bool:
    return condition.state.shelving != Shelving.UNSHELVED or "shelve" in condition.pending


def _text(comment: ua.Variant) -> str:
    return (comment.Value.Text or "") if comment.Value is not None else ""


def _two_state(name: str, value: bool, yes: str, no: str) -> dict[str, ua.Variant]:
    return {
        name: ua.Variant(ua.LocalizedText(yes if value else no, "en")),
        f"{name}/Id": ua.Variant(value, ua.VariantType.Boolean),
    }


def _stamped(name: str, value: ua.Variant, stamp: datetime) -> dict[str, ua.Variant]:
    return {name: value, f"{name}/SourceTimestamp": ua.Variant(stamp, ua.VariantType.DateTime)}


def _machine_state(name: str, state: LimitState | Shelving | None) -> dict[str, ua.Variant]:
    text = state.text if state is not None else None
    node = ua.NodeId(state) if state is not None else ua.NodeId()
    return {
        f"{name}/CurrentState": ua.Variant(ua.LocalizedText(text, "en" if text else None)),
        f"{name}/CurrentState/Id": ua.Variant(node, ua.VariantType.NodeId),
    }


def _unshelve_ms(condition: Condition, state: ConditionState, now: datetime) -> ua.Variant:
    """Time left until the alarm unshelves itself, ms (Part 9, 5.8.17.2)."""
    left = 0.0
    if state.shelving == Shelving.ONE_SHOT:
        left = condition.max_shelve_s * 1000
    elif state.shelving == Shelving.TIMED and state.shelved_until is not None:
        left = max(0.0, (state.shelved_until - now) / timedelta(milliseconds=1))
    return ua.Variant(left, ua.VariantType.Double)


def _state_fields(
    condition: Condition, state: ConditionState, stamp: datetime, now: datetime
) -> dict[str, ua.Variant]:
    """Fields that follow from a state."""
    is_shelved = state.shelving != Shelving.UNSHELVED
    fields = {
        "Severity": ua.Variant(state.severity, ua.VariantType.UInt16),
        "Retain": ua.Variant(state.is_retained, ua.VariantType.Boolean),
        "SuppressedOrShelved": ua.Variant(is_shelved or state.suppressed, ua.VariantType.Boolean),
        **_two_state("AckedState", state.acked, "Acknowledged", "Unacknowledged"),
        **_two_state("ActiveState", state.active, "Active", "Inactive"),
        **_stamped("Quality", ua.Variant(ua.StatusCode(state.quality)), stamp),
        **_stamped(
            "LastSeverity", ua.Variant(condition.last_severity, ua.VariantType.UInt16), stamp
        ),
        **_machine_state("ShelvingState", state.shelving),
        "ShelvingState/UnshelveTime": _unshelve_ms(condition, state, now),
    }
    if condition.confirmable:
        fields |= _two_state("ConfirmedState", state.confirmed, "Confirmed", "Unconfirmed")
    if "LimitState" in condition.members:
        fields |= _machine_state("LimitState", state.limit if state.active else None)
    return fields

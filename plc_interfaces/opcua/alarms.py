"""A host's alarms as conditions: state one way, the operators' acts the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from asyncua import ua
from asyncua.crypto.permission_rules import User

from plc_interfaces.host import Act, ActKind, AlarmStatus, Host
from plc_interfaces.opcua.address_space import component
from plc_interfaces.opcua.conditions import (
    AlarmKind,
    ClientActs,
    Condition,
    ConditionManager,
    ConditionState,
    LimitState,
    Shelving,
)
from plc_interfaces.opcua.events import Notifiers
from plc_interfaces.opcua.nodes import NodeBuilder
from plc_interfaces.opcua.patches import PatchedServer
from twin.alarms import AlarmDefinition, AlarmState
from twin.image import Frame
from twin.signals import Kind, Refused

__all__ = ["Alarms", "bad_status"]

_CODES = {
    "type": ua.StatusCodes.BadTypeMismatch,
    "range": ua.StatusCodes.BadOutOfRange,
    "read-only": ua.StatusCodes.BadNotWritable,
    "unknown": ua.StatusCodes.BadNodeIdUnknown,
    "role": ua.StatusCodes.BadUserAccessDenied,
    "refused": ua.StatusCodes.BadInvalidState,
}


def bad_status(error: Refused) -> int:
    """The status code that says why something was refused."""
    return int(_CODES.get(error.code, ua.StatusCodes.BadInvalidState))


class Alarms:
    """All alarms of a server's hosts."""

    def __init__(
        self, server: PatchedServer, notifiers: Notifiers, hosts: Sequence[Host], source: str
    ) -> None:
        self._hosts: dict[str, tuple[Host, str]] = {}
        self._conditions: dict[tuple[str, str], Condition] = {}
        self._moving: dict[str, dict[int, list[tuple[Condition, LimitState]]]] = {}
        self._notifiers = notifiers
        self._source = source
        self._manager = ConditionManager(
            server,
            notifiers,
            ClientActs(
                acknowledge=self._acknowledge,
                shelve=self._shelve,
                unshelve=self._unshelve,
                comment=self._comment,
            ),
            clock=_newest_stamp(hosts),
        )

    def add(self, builder: NodeBuilder, host: Host, notifier: ua.NodeId, types: int) -> None:
        """Add a condition per alarm to its component below `notifier`, the machine."""
        name = host.identity.name
        frame = host.frame()
        for signal in host.table.of_kind(Kind.ALARM):
            definition = host.alarms[signal.path]
            prefix, _, leaf = signal.path.rpartition(".")
            parent = component(builder, host, notifier, prefix, types)
            watched = ua.NodeId(f"{name}.{definition.source}", builder.namespace)
            is_limit = _limit(definition) is not None and builder.has(watched)
            source = watched if is_limit else parent
            self._notifiers.add_source(source, notifier)
            path = f"{name}.{signal.path}"
            self._hosts[path] = (host, signal.path)
            limits = {_side(definition): _limit_value(definition, host, frame)} if is_limit else {}
            condition = self._manager.add(
                path,
                ua.NodeId(path, builder.namespace),
                parent,
                source,
                AlarmKind.EXCLUSIVE_LIMIT if is_limit else AlarmKind.OFF_NORMAL,
                name=leaf,
                severity=definition.priority.severity,
                limits=limits,
                input_node=watched if is_limit else None,
            )
            self._conditions[name, signal.path] = condition
            limit = _limit(definition)
            if is_limit and isinstance(limit, str):
                rows = self._moving.setdefault(name, {}).setdefault(host.table.index[limit], [])
                rows.append((condition, _side(definition)))
            # What an operator should know, for any client's faceplate.
            for title, text in (
                ("SignalKind", signal.kind.value),
                ("Cause", definition.cause),
                ("Consequence", definition.consequence),
                ("Response", definition.response),
                ("Action", definition.action),
            ):
                value = ua.Variant(text, ua.VariantType.String)
                title_name = ua.QualifiedName(title, types)
                builder.add_property(condition.node, title_name, value, ua.ObjectIds.String)
            builder.describe(condition.node, signal.doc)
        self.update(host, host.alarm_states(), frame)

    def update(self, host: Host, alarms: Sequence[AlarmStatus], frame: Frame) -> None:
        """Show new states and send their events."""
        for status in alarms:
            condition = self._conditions.get((host.identity.name, status.path))
            if condition is not None:
                stamp = datetime.fromtimestamp(status.stamp, UTC)
                self._manager.update(condition, _state(status, frame), stamp)

    def limits_changed(self, host: Host, frame: Frame, changed: Sequence[int]) -> None:
        """Show the limits that are setpoints and among the changed signals."""
        moving = self._moving.get(host.identity.name)
        if moving:
            for index in moving.keys() & set(changed):
                for condition, side in moving[index]:
                    self._manager.set_limits(condition, {side: float(frame.values[index])})  # type: ignore[arg-type]

    # --- what operators do ---

    def _submit(self, path: str, user: User, kind: ActKind, value: object) -> None:
        host, alarm = self._hosts[path]
        try:
            host.submit(Act(kind, alarm, value, user.name or "", self._source))
        except Refused as error:
            raise ua.UaStatusCodeError(bad_status(error)) from error

    def _acknowledge(self, path: str, user: User, comment: str) -> None:
        self._submit(path, user, ActKind.ACKNOWLEDGE, comment)

    def _shelve(self, path: str, user: User, seconds: float | None) -> None:
        if seconds is None:  # these alarms know only a time of shelving
            raise ua.UaStatusCodeError(ua.StatusCodes.BadNotSupported)
        self._submit(path, user, ActKind.SHELVE, seconds)

    def _comment(self, path: str, user: User, comment: str) -> None:
        self._submit(path, user, ActKind.COMMENT, comment)

    def _unshelve(self, path: str, user: User) -> None:
        self._submit(path, user, ActKind.UNSHELVE, None)


def _newest_stamp(hosts: Sequence[Host]) -> Callable[[], datetime]:
    """Source time of the newest scan: times of shelving run on the machines' own clock."""
    return lambda: datetime.fromtimestamp(max(h.frame().stamp for h in hosts), UTC)


def _limit(definition: AlarmDefinition) -> float | str | None:
    if not definition.source:
        return None
    return definition.high if definition.high is not None else definition.low


def _side(definition: AlarmDefinition) -> LimitState:
    return LimitState.HIGH if definition.high is not None else LimitState.LOW


def _limit_value(definition: AlarmDefinition, host: Host, frame: Frame) -> float:
    limit = _limit(definition)
    if isinstance(limit, str):
        limit = frame.values[host.table.index[limit]]  # type: ignore[assignment]
    return float(limit)  # type: ignore[arg-type]


def _state(status: AlarmStatus, frame: Frame) -> ConditionState:
    definition = status.definition
    is_shelved = status.state is AlarmState.SHELVED
    until = None
    if is_shelved:
        left = timedelta(seconds=status.shelved_until - frame.time)
        until = datetime.fromtimestamp(frame.stamp, UTC) + left
    return ConditionState(
        active=status.active,
        acked=status.acknowledged,
        limit=_side(definition) if status.active and _limit(definition) is not None else None,
        shelving=Shelving.TIMED if is_shelved else Shelving.UNSHELVED,
        shelved_until=until,
        suppressed=status.state in (AlarmState.SUPPRESSED, AlarmState.OUT_OF_SERVICE),
        severity=definition.priority.severity,
        message=definition.message,
        retain=status.retained,
    )

"""Events of the server: what they carry and which notifier objects pass them on."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from asyncua import ua

from plc_interfaces.opcua.instances import link, value_of
from plc_interfaces.opcua.patches import PatchedServer

__all__ = ["SERVER", "EventRecord", "Notifiers"]

SERVER = ua.NodeId(ua.ObjectIds.Server)
_NULL = ua.Variant(None)


class EventRecord:
    """One event: its fields by browse path (``"AckedState/Id"``), never changed once made."""

    def __init__(
        self,
        emitting_node: ua.NodeId,
        notifiers: tuple[ua.NodeId, ...],
        fields: Mapping[str, ua.Variant],
    ) -> None:
        self.emitting_node = emitting_node
        self.notifiers = notifiers
        self.fields = fields

    def __getattr__(self, name: str) -> Any:
        """Plain value of a field, as the event filter asks for it."""
        field = self.__dict__.get("fields", {}).get(name)
        if field is None:
            raise AttributeError(name)
        return field.Value

    def to_event_fields(self, clauses: list[ua.SimpleAttributeOperand]) -> list[ua.Variant]:
        """Values of the selected fields in order; null for those this event does not have."""
        values = []
        for clause in clauses:
            name = "/".join(part.Name for part in clause.BrowsePath)
            if not name and clause.AttributeId == ua.AttributeIds.NodeId:
                name = "NodeId"  # ConditionId (Part 9, 5.5.2)
            values.append(self.fields.get(name, _NULL))
        return values


def event_fields(
    event_type: ua.NodeId,
    source: ua.NodeId,
    source_name: str,
    severity: int,
    message: str,
    time: datetime,
) -> dict[str, ua.Variant]:
    """Fields of BaseEventType (Part 5, 6.4.2) with a new EventId; severity is 1 to 1000."""
    if not 1 <= severity <= 1000:
        raise ValueError(f"severity of {source_name}: {severity} is not in 1 to 1000")
    return {
        "EventId": ua.Variant(uuid.uuid4().bytes, ua.VariantType.ByteString),
        "EventType": ua.Variant(event_type, ua.VariantType.NodeId),
        "SourceNode": ua.Variant(source, ua.VariantType.NodeId),
        "SourceName": ua.Variant(source_name, ua.VariantType.String),
        "Time": ua.Variant(time, ua.VariantType.DateTime),
        "ReceiveTime": ua.Variant(datetime.now(UTC), ua.VariantType.DateTime),
        "Message": ua.Variant(ua.LocalizedText(message)),
        "Severity": ua.Variant(severity, ua.VariantType.UInt16),
    }


class Notifiers:
    """Tree of notifier objects below the Server object; an event goes to all above its source."""

    def __init__(self, server: PatchedServer) -> None:
        self._server = server
        self._aspace = server.iserver.aspace
        self._above: dict[ua.NodeId, tuple[ua.NodeId, ...]] = {SERVER: (SERVER,)}
        self._names: dict[ua.NodeId, str] = {}
        self._subscribable(SERVER)

    def _subscribable(self, node: ua.NodeId) -> None:
        attribute = self._aspace[node].attributes[ua.AttributeIds.EventNotifier]
        bits = (attribute.value.Value.Value or 0) | (1 << ua.EventNotifier.SubscribeToEvents)
        attribute.value = ua.DataValue(ua.Variant(bits, ua.VariantType.Byte))

    def add(self, node: ua.NodeId, parent: ua.NodeId = SERVER) -> None:
        """Make object ``node`` a notifier below ``parent``, which must be one already."""
        link(self._aspace, parent, ua.NodeId(ua.ObjectIds.HasNotifier), node)
        self._subscribable(node)
        self._above[node] = (node, *self._above[parent])

    def add_source(self, source: ua.NodeId, notifier: ua.NodeId) -> None:
        """Declare that events about ``source`` come through ``notifier``."""
        if source not in self._above:
            link(self._aspace, notifier, ua.NodeId(ua.ObjectIds.HasEventSource), source)
            self._above[source] = self._above[notifier]

    def above(self, node: ua.NodeId) -> tuple[ua.NodeId, ...]:
        """Notifiers an event about ``node`` goes to; the Server object alone if unknown."""
        return self._above.get(node, (SERVER,))

    def name(self, node: ua.NodeId) -> str:
        """Display name of a node, for SourceName."""
        known = self._names.get(node)
        if known is None:
            text = value_of(self._aspace, node, ua.AttributeIds.DisplayName)
            known = self._names[node] = text.Text if isinstance(text, ua.LocalizedText) else ""
        return known

    def emit(
        self,
        source: ua.NodeId,
        severity: int,
        message: str,
        *,
        event_type: ua.NodeId | None = None,
        fields: Mapping[str, ua.Variant] | None = None,
        time: datetime | None = None,
    ) -> None:
        """Send a plain event (BaseEventType unless told otherwise) about ``source``."""
        stamp = time or datetime.now(UTC)
        kind = event_type or ua.NodeId(ua.ObjectIds.BaseEventType)
        content = event_fields(kind, source, self.name(source), severity, message, stamp)
        content.update(fields or {})
        self.send(EventRecord(source, self.above(source), content))

    def send(self, event: EventRecord) -> None:
        """Queue an event for all subscriptions that watch one of its notifiers."""
        self._server.iserver.subscription_service.notify(event)

"""Monitored items and subscriptions with the sampling, queue and deadband rules of Part 4."""

from __future__ import annotations

import asyncio
import dataclasses
import math
import struct
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from asyncua import ua
from asyncua.common.event_objects import EventQueueOverflowEvent
from asyncua.common.utils import ServiceError
from asyncua.server.address_space import AddressSpace
from asyncua.server.internal_subscription import InternalSubscription
from asyncua.server.monitored_item_service import MonitoredItemData, MonitoredItemService
from asyncua.server.subscription_service import SubscriptionService
from asyncua.ua.uaprotocol_auto import DataChangeFilter  # what is decoded; ua's is a subclass

from plc_interfaces.opcua.patches.event_filter import EventFilterEvaluator
from plc_interfaces.opcua.patches.items import DataItem, ValueEncoder, content_of, status_of

_MIN_EVENTS = 10
_ALWAYS_PASS = {
    ua.NodeId(ua.ObjectIds.RefreshStartEventType),
    ua.NodeId(ua.ObjectIds.RefreshEndEventType),
}
_NUMERIC = {
    *(ua.VariantType(i) for i in range(ua.VariantType.SByte.value, ua.VariantType.Double.value + 1))
}
_DATA_CHANGE_ENCODING = ua.NodeId(ua.ObjectIds.DataChangeNotification_Encoding_DefaultBinary)


class ItemService(MonitoredItemService):  # type: ignore[misc]
    """Monitored item services of one subscription."""

    isub: Subscription

    def _common(
        self, item: MonitoredItemData, request: ua.MonitoredItemCreateRequest
    ) -> ua.MonitoredItemCreateResult:
        self._monitored_item_counter += 1
        item.monitored_item_id = self._monitored_item_counter
        item.read_value_id = request.ItemToMonitor
        item.mode = request.MonitoringMode
        item.client_handle = request.RequestedParameters.ClientHandle
        item.filter = request.RequestedParameters.Filter
        return ua.MonitoredItemCreateResult(MonitoredItemId=item.monitored_item_id)

    async def create_monitored_items(
        self, params: ua.CreateMonitoredItemsParameters
    ) -> list[ua.MonitoredItemCreateResult]:
        """Create items one by one; each has its own result."""
        results = []
        for request in params.ItemsToCreate:
            try:
                if len(self._monitored_items) >= self.isub.max_items:
                    raise ua.UaStatusCodeError(ua.StatusCodes.BadTooManyMonitoredItems)
                if request.ItemToMonitor.AttributeId == ua.AttributeIds.EventNotifier:
                    results.append(self._create_event_item(request))
                else:
                    results.append(self._create_data_item(request))
            except ua.UaStatusCodeError as error:
                status = ua.StatusCode(error.code)
                results.append(ua.MonitoredItemCreateResult(StatusCode=status))
        return results

    def _create_event_item(
        self, request: ua.MonitoredItemCreateRequest
    ) -> ua.MonitoredItemCreateResult:
        node = request.ItemToMonitor.NodeId
        notifier = self.aspace.read_attribute_value(node, ua.AttributeIds.EventNotifier)
        if notifier.StatusCode is not None:
            notifier.StatusCode.check()
        if not ua.ua_binary.test_bit(content_of(notifier) or 0, ua.EventNotifier.SubscribeToEvents):
            raise ua.UaStatusCodeError(ua.StatusCodes.BadNotSupported)
        item = MonitoredItemData()
        result = self._common(item, request)
        self._set_event_filter(item, request.RequestedParameters.Filter)
        item.discard_oldest = bool(request.RequestedParameters.DiscardOldest)
        item.queue_size = self._event_queue_size(request.RequestedParameters.QueueSize)
        result.RevisedQueueSize = item.queue_size
        self._monitored_items[item.monitored_item_id] = item
        self._monitored_events.setdefault(node, []).append(item.monitored_item_id)
        return result

    def _event_queue_size(self, requested: int) -> int:
        """0 asks for the most there is, 1 for the least (Part 4, 7.21)."""
        return int(self._revise_queue_size(max(requested, _MIN_EVENTS) if requested else 0))

    def _set_event_filter(self, item: MonitoredItemData, event_filter: Any) -> None:
        if not isinstance(event_filter, ua.EventFilter):
            raise ua.UaStatusCodeError(ua.StatusCodes.BadEventFilterInvalid)
        evaluator = EventFilterEvaluator(self.logger, self.aspace, event_filter.WhereClause)
        evaluator.check()
        item.filter = event_filter
        item.where_clause_evaluator = evaluator

    def _create_data_item(
        self, request: ua.MonitoredItemCreateRequest
    ) -> ua.MonitoredItemCreateResult:
        target = request.ItemToMonitor
        initial = self.aspace.read_attribute_value(target.NodeId, target.AttributeId)
        missing = {ua.StatusCodes.BadNodeIdUnknown, ua.StatusCodes.BadAttributeIdInvalid}
        if status_of(initial) in missing:
            raise ua.UaStatusCodeError(status_of(initial))
        item = DataItem(self.isub)
        result = self._common(item, request)
        self._set_parameters(item, request.RequestedParameters, result)
        result.StatusCode, item.callback_handle = self.aspace.add_datachange_callback(
            target.NodeId, target.AttributeId, item
        )
        result.StatusCode.check()
        self._monitored_items[item.monitored_item_id] = item
        self._monitored_datachange[item.callback_handle] = item.monitored_item_id
        item.offer(initial)
        return result

    def _set_parameters(
        self,
        item: DataItem,
        wanted: ua.MonitoringParameters,
        result: ua.MonitoredItemCreateResult | ua.MonitoredItemModifyResult,
    ) -> None:
        trigger, deadband = self._data_filter(item, wanted.Filter)
        interval = wanted.SamplingInterval
        if not interval >= 0 or math.isinf(interval):  # negative or NaN: the publishing interval
            interval = self.isub.data.RevisedPublishingInterval
        item.trigger, item.deadband, item.filter = trigger, deadband, wanted.Filter
        item.interval = interval / 1000
        item.queue_size = min(max(wanted.QueueSize, 1), self.isub.max_queue_size)
        item.discard_oldest = bool(wanted.DiscardOldest)
        item.client_handle = wanted.ClientHandle
        while len(item.queue) > item.queue_size:
            item.queue.popleft() if item.discard_oldest else item.queue.pop()
        result.RevisedSamplingInterval = interval
        result.RevisedQueueSize = item.queue_size

    def _data_filter(
        self, item: DataItem, data_filter: Any
    ) -> tuple[ua.DataChangeTrigger, float | None]:
        """Return trigger and absolute deadband, in the unit of the value."""
        # A null filter arrives as an extension object without type.
        if data_filter is None or type(data_filter) is ua.ExtensionObject:
            return ua.DataChangeTrigger.StatusValue, None
        if not isinstance(data_filter, DataChangeFilter):
            raise ua.UaStatusCodeError(ua.StatusCodes.BadFilterNotAllowed)
        band = data_filter.DeadbandValue
        if data_filter.DeadbandType == ua.DeadbandType.None_:
            return data_filter.Trigger, None
        node = item.read_value_id.NodeId
        value = self.aspace.read_attribute_value(node, ua.AttributeIds.Value).Value
        is_value = item.read_value_id.AttributeId == ua.AttributeIds.Value
        if not is_value or (value is not None and value.VariantType not in _NUMERIC):
            raise ua.UaStatusCodeError(ua.StatusCodes.BadFilterNotAllowed)
        if not 0 <= band < math.inf:
            raise ua.UaStatusCodeError(ua.StatusCodes.BadDeadbandFilterInvalid)
        if data_filter.DeadbandType == ua.DeadbandType.Absolute:
            return data_filter.Trigger, band
        if data_filter.DeadbandType != ua.DeadbandType.Percent or band > 100:
            raise ua.UaStatusCodeError(ua.StatusCodes.BadDeadbandFilterInvalid)
        span = self._eu_span(node)
        if span is None:
            raise ua.UaStatusCodeError(ua.StatusCodes.BadMonitoredItemFilterUnsupported)
        return data_filter.Trigger, band / 100 * span

    def _eu_span(self, node: ua.NodeId) -> float | None:
        """Width of the node's EURange property, None without one."""
        for ref in self.aspace[node].references:
            if ref.IsForward and ref.BrowseName == ua.QualifiedName("EURange", 0):
                eu_range = content_of(
                    self.aspace.read_attribute_value(ref.NodeId, ua.AttributeIds.Value)
                )
                if isinstance(eu_range, ua.Range) and eu_range.High > eu_range.Low:
                    return float(eu_range.High - eu_range.Low)
        return None

    def _modify_monitored_item(
        self, request: ua.MonitoredItemModifyRequest
    ) -> ua.MonitoredItemModifyResult:
        result = ua.MonitoredItemModifyResult()
        item = self._monitored_items.get(request.MonitoredItemId)
        wanted = request.RequestedParameters
        try:
            if item is None:
                raise ua.UaStatusCodeError(ua.StatusCodes.BadMonitoredItemIdInvalid)
            if isinstance(item, DataItem):
                self._set_parameters(item, wanted, result)
            else:
                if wanted.Filter is not None:
                    self._set_event_filter(item, wanted.Filter)
                item.client_handle = wanted.ClientHandle
                item.queue_size = self._event_queue_size(wanted.QueueSize)
                result.RevisedQueueSize = item.queue_size
        except ua.UaStatusCodeError as error:
            result.StatusCode = ua.StatusCode(error.code)
        return result

    async def _set_monitoring_mode(self, mode: ua.MonitoringMode, mid: int) -> ua.StatusCode:
        item = self._monitored_items.get(mid)
        if item is None:
            return ua.StatusCode(ua.StatusCodes.BadMonitoredItemIdInvalid)
        if not isinstance(item, DataItem):
            item.mode = mode
            return ua.StatusCode()
        was_disabled = item.mode == ua.MonitoringMode.Disabled
        item.set_mode(mode)
        if was_disabled and mode != ua.MonitoringMode.Disabled:
            target = item.read_value_id
            item.offer(self.aspace.read_attribute_value(target.NodeId, target.AttributeId))
        return ua.StatusCode()

    def _delete_monitored_items(self, mid: int) -> ua.StatusCode:
        item = self._monitored_items.get(mid)
        if isinstance(item, DataItem):
            item.set_mode(ua.MonitoringMode.Disabled)
        self.isub._triggered_events.pop(mid, None)
        return super()._delete_monitored_items(mid)

    def delete_all_monitored_items(self) -> None:
        """Delete every item of the subscription."""
        self.delete_monitored_items(list(self._monitored_items))

    def notify(self, event: Any, mid: int | None = None) -> None:
        """Queue an event for the items (or the one item) that watch one of its notifiers.

        An event reaches its ``emitting_node`` and every node in ``event.notifiers``, which its
        maker fills with the nodes above it in the notifier hierarchy.
        """
        nodes = {event.emitting_node, *getattr(event, "notifiers", ())}
        for node in nodes & self._monitored_events.keys():
            for item_id in self._monitored_events[node]:
                if mid is None or item_id == mid:
                    self._queue_event(event, self._monitored_items[item_id])

    def _queue_event(self, event: Any, item: MonitoredItemData) -> None:
        if item.mode == ua.MonitoringMode.Disabled:
            return
        evaluator = item.where_clause_evaluator
        if event.EventType not in _ALWAYS_PASS and not evaluator.eval(event):
            return
        fields = ua.EventFieldList(
            ClientHandle=item.client_handle,
            EventFields=event.to_event_fields(item.filter.SelectClauses),
        )
        queue = self.isub._triggered_events.setdefault(item.monitored_item_id, [])
        if len(queue) < item.queue_size:
            queue.append(fields)
            return
        # The overflow event comes on top of the queue size, once per publication.
        if len(queue) == item.queue_size:
            queue.insert(0 if item.discard_oldest else len(queue), _event_overflow(item))
        if item.discard_oldest:
            queue.pop(1)
            queue.append(fields)

    async def trigger_event(self, event: Any, mid: int | None = None) -> bool:
        """Queue an event (asyncua's own event generators come this way)."""
        self.notify(event, mid)
        return True


def _event_overflow(item: MonitoredItemData) -> ua.EventFieldList:
    event = EventQueueOverflowEvent(ua.NodeId(ua.ObjectIds.Server), "events were lost")
    event.EventId = uuid.uuid4().bytes
    event.SourceName = "Server"
    event.Time = event.ReceiveTime = datetime.now(UTC)
    return ua.EventFieldList(
        ClientHandle=item.client_handle,
        EventFields=event.to_event_fields(item.filter.SelectClauses),
    )


class Subscription(InternalSubscription):  # type: ignore[misc]
    """Subscription that publishes the queues of its items."""

    monitored_item_srv: ItemService

    def __init__(
        self,
        *args: Any,
        encoder: ValueEncoder,
        max_items: int,
        max_notifications: int,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.monitored_item_srv = ItemService(self, self.monitored_item_srv.aspace)
        self.ready: dict[int, DataItem] = {}
        self.waiting: dict[int, DataItem] = {}
        self.max_items = max_items
        self.max_notifications = max_notifications
        self._encoder = encoder

    def has_published_results(self) -> bool:
        """Tell whether something is to be sent now, be it a keep-alive."""
        if self.waiting:
            now = time.monotonic()
            self.waiting = {k: i for k, i in self.waiting.items() if not i.flush(now)}
        if self._publishing_enabled and self.ready:
            return True
        return bool(self._triggered_statuschanges) or super().has_published_results()

    async def _subscription_loop(self) -> None:
        due = time.monotonic()
        await self.publish_results()
        while not self._closing:
            # Read anew each cycle: ModifySubscription may have changed the interval.
            due = max(due + self.data.RevisedPublishingInterval / 1000, time.monotonic())
            await asyncio.sleep(due - time.monotonic())
            await self.publish_results()

    async def publish_results(self, requestdata: Any = None) -> bool:
        """Publish; when one message cannot hold everything, as many as there are requests for."""
        sent: bool = await super().publish_results(requestdata)
        more = sent
        while more and self.ready and self._publishing_enabled:
            more = await super().publish_results()
        return sent

    def _pop_publish_result(self) -> ua.PublishResult:
        result = super()._pop_publish_result()
        result.MoreNotifications = bool(self._publishing_enabled and self.ready)
        return result

    def _pop_triggered_datachanges(self, result: ua.PublishResult) -> None:
        if not self.ready:
            return
        notices: list[tuple[int, ua.DataValue]] = []
        room = self.max_notifications
        while self.ready and len(notices) < room:
            key, item = next(iter(self.ready.items()))
            queue = item.queue
            while queue and len(notices) < room:
                notices.append((item.client_handle, queue.popleft()))
            if not queue:
                del self.ready[key]
        result.NotificationMessage.NotificationData.append(
            self._encoded(notices) if self.pub_request_callback else _objects(notices)
        )

    def _encoded(self, notices: list[tuple[int, ua.DataValue]]) -> ua.ExtensionObject:
        """DataChangeNotification in binary form, put together from values encoded once."""
        encode, pack = self._encoder.encode, struct.Struct("<I").pack
        parts = [struct.pack("<i", len(notices))]
        for handle, value in notices:
            parts.append(pack(handle))
            parts.append(encode(value))
        parts.append(b"\xff\xff\xff\xff")  # no diagnostics
        return ua.ExtensionObject(TypeId=_DATA_CHANGE_ENCODING, Body=b"".join(parts))


def _objects(notices: list[tuple[int, ua.DataValue]]) -> ua.DataChangeNotification:
    items = [ua.MonitoredItemNotification(ClientHandle=h, Value=v) for h, v in notices]
    return ua.DataChangeNotification(MonitoredItems=items)


@dataclasses.dataclass(frozen=True)
class SubscriptionLimits:
    """Bounds of one server's subscriptions."""

    min_publishing_ms: float = 20.0
    max_items: int = 5_000
    max_notifications: int = 5_000


class Subscriptions(SubscriptionService):  # type: ignore[misc]
    """Subscription services of one server."""

    def __init__(self, aspace: AddressSpace, iserver: Any, limits: SubscriptionLimits) -> None:
        super().__init__(aspace, iserver)
        self._limits = limits
        self._encoder = ValueEncoder()

    def _publishing_interval(self, requested: float) -> float:
        low = self._limits.min_publishing_ms
        return requested if low <= requested <= 3_600_000 else low if not requested > low else 3.6e6

    def _notifications(self, requested: int) -> int:
        return min(requested or self._limits.max_notifications, self._limits.max_notifications)

    async def create_subscription(
        self,
        params: ua.CreateSubscriptionParameters,
        callback: Callable[..., Any],
        session_id: ua.NodeId,
        request_callback: Callable[..., Any] | None = None,
    ) -> ua.CreateSubscriptionResult:
        """Create and start a subscription; BadTooManySubscriptions past the limit."""
        if len(self.subscriptions) >= self.iserver.max_subscriptions:
            raise ServiceError(ua.StatusCodes.BadTooManySubscriptions)
        self._sub_id_counter += 1
        sub_id = self._sub_id_counter
        result = ua.CreateSubscriptionResult(
            SubscriptionId=sub_id,
            RevisedPublishingInterval=self._publishing_interval(params.RequestedPublishingInterval),
            RevisedLifetimeCount=self._clamp_lifetime_count(params.RequestedLifetimeCount),
            RevisedMaxKeepAliveCount=self._clamp_keep_alive_count(
                params.RequestedMaxKeepAliveCount
            ),
        )
        subscription = Subscription(
            result,
            self.aspace,
            callback,
            session_id,
            request_callback=request_callback,
            delete_callback=lambda: self.subscriptions.pop(sub_id, None),
            no_acks_limit=self.iserver.max_unacked_messages_per_subscription,
            max_queue_size=self.iserver.max_monitored_item_queue_size,
            publishing_enabled=params.PublishingEnabled,
            encoder=self._encoder,
            max_items=self._limits.max_items,
            max_notifications=self._notifications(params.MaxNotificationsPerPublish),
        )
        await subscription.start()
        self.subscriptions[sub_id] = subscription
        return result

    def modify_subscription(
        self, params: ua.ModifySubscriptionParameters
    ) -> ua.ModifySubscriptionResult:
        """Change intervals and counts; the new publishing interval holds from the next cycle."""
        sub = self.subscriptions.get(params.SubscriptionId)
        if sub is None:
            raise ServiceError(ua.StatusCodes.BadSubscriptionIdInvalid)
        data = sub.data
        data.RevisedPublishingInterval = self._publishing_interval(
            params.RequestedPublishingInterval
        )
        data.RevisedLifetimeCount = self._clamp_lifetime_count(params.RequestedLifetimeCount)
        data.RevisedMaxKeepAliveCount = self._clamp_keep_alive_count(
            params.RequestedMaxKeepAliveCount
        )
        sub.max_notifications = self._notifications(params.MaxNotificationsPerPublish)
        return ua.ModifySubscriptionResult(
            RevisedPublishingInterval=data.RevisedPublishingInterval,
            RevisedLifetimeCount=data.RevisedLifetimeCount,
            RevisedMaxKeepAliveCount=data.RevisedMaxKeepAliveCount,
        )

    def notify(self, event: Any) -> None:
        """Queue an event in every subscription that watches one of its notifiers."""
        for subscription in self.subscriptions.values():
            subscription.monitored_item_srv.notify(event)

    async def trigger_event(self, event: Any, subscription_id: int | None = None) -> None:
        """Queue an event (asyncua's own event generators come this way)."""
        if subscription_id is None:
            self.notify(event)
        elif subscription_id in self.subscriptions:
            self.subscriptions[subscription_id].monitored_item_srv.notify(event)

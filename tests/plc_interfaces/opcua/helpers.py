"""A subscription that keeps what it is told, and users to log in with."""

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field

from asyncua import Client, ua

USERS = {"olive": "Operator", "ed": "Engineer"}
PASSWORD = "quench-4340"


@dataclass
class Watch:
    """Subscription of a client with all it received."""

    client: Client
    id: int = 0
    values: dict[int, list[ua.DataValue]] = field(default_factory=lambda: defaultdict(list))
    events: dict[int, list[list]] = field(default_factory=lambda: defaultdict(list))
    messages: list[ua.NotificationMessage] = field(default_factory=list)

    @classmethod
    async def open(cls, client, period_ms=50, **parameters):
        watch = cls(client)
        params = ua.CreateSubscriptionParameters(
            RequestedPublishingInterval=period_ms,
            RequestedLifetimeCount=1000,
            RequestedMaxKeepAliveCount=100,
            **parameters,
        )
        result = await client.uaclient.session.create_subscription(params, watch._receive)
        watch.id = result.SubscriptionId
        return watch

    async def _receive(self, result):
        message = result.NotificationMessage
        self.messages.append(message)
        for data in message.NotificationData or []:
            if isinstance(data, ua.DataChangeNotification):
                for notice in data.MonitoredItems:
                    self.values[notice.ClientHandle].append(notice.Value)
            if isinstance(data, ua.EventNotificationList):
                for event in data.Events:
                    fields = [f.Value for f in event.EventFields]
                    self.events[event.ClientHandle].append(fields)

    async def item(
        self,
        node,
        handle=1,
        *,
        sampling=0.0,
        queue=100,
        discard_oldest=True,
        item_filter=None,
        mode=ua.MonitoringMode.Reporting,
        attribute=ua.AttributeIds.Value,
    ):
        request = ua.MonitoredItemCreateRequest(
            ItemToMonitor=ua.ReadValueId(NodeId=node, AttributeId=attribute),
            MonitoringMode=mode,
            RequestedParameters=ua.MonitoringParameters(
                ClientHandle=handle,
                SamplingInterval=sampling,
                QueueSize=queue,
                DiscardOldest=discard_oldest,
                Filter=item_filter,
            ),
        )
        params = ua.CreateMonitoredItemsParameters(SubscriptionId=self.id, ItemsToCreate=[request])
        return (await self.client.uaclient.session.create_monitored_items(params))[0]

    async def event_item(self, node, selected, *where, handle=1, **options):
        """Watch events of ``node``; ``selected`` are browse paths, ``where`` filter elements."""
        clauses = [
            ua.SimpleAttributeOperand(
                TypeDefinitionId=ua.NodeId(ua.ObjectIds.BaseEventType),
                BrowsePath=[ua.QualifiedName(part, 0) for part in path.split("/")] if path else [],
                AttributeId=ua.AttributeIds.Value if path else ua.AttributeIds.NodeId,
            )
            for path in selected
        ]
        event_filter = ua.EventFilter(
            SelectClauses=clauses, WhereClause=ua.ContentFilter(Elements=list(where))
        )
        notifier = ua.AttributeIds.EventNotifier
        return await self.item(
            node, handle, item_filter=event_filter, attribute=notifier, **options
        )

    def numbers(self, handle=1):
        return [value.Value.Value for value in self.values[handle]]

    async def settle(self, seconds=0.15):
        """Let the server publish."""
        await asyncio.sleep(seconds)


def of_type(type_id):
    literal = ua.LiteralOperand(Value=ua.Variant(ua.NodeId(type_id)))
    return ua.ContentFilterElement(
        FilterOperator=ua.FilterOperator.OfType, FilterOperands=[literal]
    )

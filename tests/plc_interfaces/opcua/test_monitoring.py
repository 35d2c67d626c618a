"""Sampling, queues, filters and modes of monitored items, over a real connection."""

import asyncio
import itertools

import pytest
from asyncua import Client, ua

from tests.plc_interfaces.opcua.helpers import PASSWORD, Watch

pytestmark = pytest.mark.asyncio(loop_scope="module")
OVERFLOW = 0x480
_count = itertools.count()


@pytest.fixture
def node(server):
    """Make a fresh Double variable with value 0."""
    return server.iserver, ua.NodeId(f"V{next(_count)}", server.test_namespace)


async def add(server, node, value=0.0):
    await server.nodes.objects.add_variable(node[1], node[1].Identifier, value)
    return node[1]


def write(server, node, *values):
    for value in values:
        server.iserver.publish([(node, ua.DataValue(ua.Variant(float(value))))])


def deadband(kind, value):
    return ua.DataChangeFilter(
        Trigger=ua.DataChangeTrigger.StatusValue, DeadbandType=kind, DeadbandValue=value
    )


async def test_interval_zero_samples_every_write(server, watch, node):
    target = await add(server, node)
    result = await watch.item(target, sampling=0)
    write(server, target, *range(1, 11))
    await watch.settle()
    assert result.RevisedSamplingInterval == 0
    assert watch.numbers() == [float(i) for i in range(11)]


async def test_writes_through_the_node_are_sampled_too(server, watch, node):
    target = await add(server, node)
    await watch.item(target)
    await server.get_node(target).write_value(7.0)
    await watch.settle()
    assert watch.numbers() == [0.0, 7.0]


async def test_samples_come_no_faster_than_the_sampling_interval(server, watch, node):
    target = await add(server, node)
    result = await watch.item(target, sampling=400)
    for value in range(1, 21):
        write(server, target, value)
        await asyncio.sleep(0.01)
    await watch.settle(0.05)
    assert result.RevisedSamplingInterval == 400
    assert watch.numbers() == [0.0]
    await watch.settle(0.4)
    assert watch.numbers() == [0.0, 20.0]  # the newest value when the next sample was due


async def test_negative_interval_means_the_publishing_interval(watch, server, node):
    result = await watch.item(await add(server, node), sampling=-1)
    assert result.RevisedSamplingInterval == 50


@pytest.mark.parametrize(
    ("discard_oldest", "kept", "marked"),
    [(True, [7.0, 8.0, 9.0], 0), (False, [0.0, 1.0, 9.0], 2)],
)
async def test_full_queue_discards_and_marks_overflow(
    server, watch, node, discard_oldest, kept, marked
):
    target = await add(server, node)
    await watch.item(target, queue=3, discard_oldest=discard_oldest)
    write(server, target, *range(1, 10))
    await watch.settle()
    assert watch.numbers() == kept
    codes = [value.StatusCode.value for value in watch.values[1]]
    assert codes == [OVERFLOW if i == marked else 0 for i in range(3)]


async def test_queue_of_one_keeps_the_newest_without_overflow_bit(server, watch, node):
    target = await add(server, node)
    result = await watch.item(target, queue=0)
    write(server, target, 1, 2, 3)
    await watch.settle()
    assert result.RevisedQueueSize == 1
    assert [(v.Value.Value, v.StatusCode.value) for v in watch.values[1]] == [(3.0, 0)]


async def test_queue_is_capped(server, watch, node):
    result = await watch.item(await add(server, node), queue=1_000_000)
    assert result.RevisedQueueSize == 50


async def test_absolute_deadband_compares_with_the_value_last_reported(server, watch, node):
    target = await add(server, node)
    await watch.item(target, item_filter=deadband(ua.DeadbandType.Absolute, 1.0))
    write(server, target, *(i / 2 for i in range(1, 9)))
    await watch.settle()
    assert watch.numbers() == [0.0, 1.5, 3.0]


async def test_percent_deadband_uses_the_range(server, watch, node):
    target = await add(server, node)
    limits = ua.Variant(ua.Range(-100.0, 100.0))
    await server.get_node(target).add_property(0, "EURange", limits)
    await watch.item(target, item_filter=deadband(ua.DeadbandType.Percent, 5.0))
    write(server, target, 5, 10, 10.5, 20, 21)
    await watch.settle()
    assert watch.numbers() == [0.0, 10.5, 21.0]


async def test_status_change_passes_any_deadband(server, watch, node):
    target = await add(server, node)
    await watch.item(target, item_filter=deadband(ua.DeadbandType.Absolute, 100.0))
    bad = ua.DataValue(ua.Variant(0.0), ua.StatusCode(ua.StatusCodes.BadSensorFailure))
    server.iserver.publish([(target, bad)])
    await watch.settle()
    codes = [value.StatusCode.value for value in watch.values[1]]
    assert codes == [0, ua.StatusCodes.BadSensorFailure]


@pytest.mark.parametrize(
    ("value", "item_filter", "code"),
    [
        (0.0, deadband(ua.DeadbandType.Percent, 5.0), "BadMonitoredItemFilterUnsupported"),
        (0.0, deadband(ua.DeadbandType.Absolute, -1.0), "BadDeadbandFilterInvalid"),
        (0.0, deadband(ua.DeadbandType.Percent, 101.0), "BadDeadbandFilterInvalid"),
        ("text", deadband(ua.DeadbandType.Absolute, 1.0), "BadFilterNotAllowed"),
        (0.0, ua.EventFilter(), "BadFilterNotAllowed"),
    ],
)
async def test_impossible_filters_are_refused(server, watch, node, value, item_filter, code):
    result = await watch.item(await add(server, node, value), item_filter=item_filter)
    assert result.StatusCode.name == code


async def test_nan_after_nan_is_no_change(server, watch, node):
    target = await add(server, node)
    await watch.item(target)
    write(server, target, float("nan"), float("nan"), 1)
    await watch.settle()
    assert [str(v) for v in watch.numbers()] == ["0.0", "nan", "1.0"]


async def test_sampling_mode_queues_and_disabled_forgets(server, watch, node):
    target = await add(server, node)
    result = await watch.item(target, mode=ua.MonitoringMode.Sampling)
    write(server, target, 1, 2)
    await watch.settle()
    assert watch.numbers() == []

    async def switch(mode):
        params = ua.SetMonitoringModeParameters(watch.id, mode, [result.MonitoredItemId])
        codes = await watch.client.uaclient.session.set_monitoring_mode(params)
        assert codes[0].is_good()

    await switch(ua.MonitoringMode.Reporting)
    await watch.settle()
    assert watch.numbers() == [0.0, 1.0, 2.0]
    await switch(ua.MonitoringMode.Disabled)
    write(server, target, 3, 4)
    await watch.settle()
    assert watch.numbers() == [0.0, 1.0, 2.0]
    await switch(ua.MonitoringMode.Reporting)
    await watch.settle()
    assert watch.numbers() == [0.0, 1.0, 2.0, 4.0]


async def modify(watch, item_id, **parameters):
    params = ua.ModifyMonitoredItemsParameters(
        SubscriptionId=watch.id,
        ItemsToModify=[
            ua.MonitoredItemModifyRequest(item_id, ua.MonitoringParameters(**parameters))
        ],
    )
    return (await watch.client.uaclient.session.modify_monitored_items(params))[0]


async def test_modifying_an_unknown_item_is_a_result_not_a_fault(watch):
    result = await modify(watch, 4711)
    assert result.StatusCode.name == "BadMonitoredItemIdInvalid"


async def test_modify_changes_queue_sampling_and_client_handle(server, watch, node):
    target = await add(server, node)
    created = await watch.item(target)
    await watch.settle()
    result = await modify(
        watch, created.MonitoredItemId, ClientHandle=9, QueueSize=2, SamplingInterval=0.0
    )
    write(server, target, 1, 2, 3)
    await watch.settle()
    assert result.RevisedQueueSize == 2
    assert watch.numbers(9) == [2.0, 3.0]


async def test_modify_subscription_changes_the_publishing_interval(server, client, node):
    target = await add(server, node)
    slow = await Watch.open(client, 5_000)
    await slow.item(target)
    params = ua.ModifySubscriptionParameters(slow.id, 1.0, 1000, 100)
    result = await client.uaclient.session.modify_subscription(params)
    assert result.RevisedPublishingInterval == 20  # the server's fastest


async def test_long_reports_are_split_over_messages(server, client, node):
    target = await add(server, node)
    watch = await Watch.open(client, MaxNotificationsPerPublish=4)
    await watch.item(target)
    write(server, target, *range(1, 10))
    await watch.settle(0.3)
    assert watch.numbers() == [float(i) for i in range(10)]
    sizes = [len(d.MonitoredItems) for m in watch.messages for d in m.NotificationData or []]
    assert max(sizes) == 4


def open_subscriptions(server):
    return server.iserver.subscription_service.subscriptions


async def test_too_many_items_and_subscriptions_are_refused(server, client, node):
    target = await add(server, node)
    watch = await Watch.open(client)
    codes = [(await watch.item(target)).StatusCode.name for _ in range(21)]
    assert codes == ["Good"] * 20 + ["BadTooManyMonitoredItems"]
    await asyncio.gather(*(Watch.open(client) for _ in range(8 - len(open_subscriptions(server)))))
    with pytest.raises(ua.UaStatusCodeError, match="BadTooManySubscriptions"):
        await Watch.open(client)


async def test_a_session_cannot_touch_anothers_subscription(server, watch, node):
    target = await add(server, node)
    async with Client(server.endpoint.geturl()) as other:
        thief = Watch(other, watch.id)
        with pytest.raises(ua.UaStatusCodeError):
            await thief.item(target)
        codes = await other.uaclient.session.delete_subscriptions([watch.id])
        assert codes[0].name == "BadSubscriptionIdInvalid"
    await watch.item(target)
    await watch.settle()
    assert watch.numbers() == [0.0]


async def test_deleted_node_is_reported(server, watch, node):
    target = await add(server, node)
    await watch.item(target)
    await watch.settle()
    await server.delete_nodes([server.get_node(target)])
    await watch.settle()
    assert watch.values[1][-1].StatusCode.name == "BadNodeIdUnknown"


async def take(client, watch):
    """Transfer a subscription to another client's session; name of the result."""
    params = ua.TransferSubscriptionsParameters([watch.id], True)
    return (await client.uaclient.session.transfer_subscriptions(params))[0].StatusCode.name


async def test_user_takes_a_subscription_along_to_a_new_session(server, operator, client, node):
    target = await add(server, node)
    watch = await Watch.open(operator)
    await watch.item(target)
    await watch.settle()
    assert await take(client, watch) == "BadUserAccessDenied"
    other = Client(server.endpoint.geturl())
    other.set_user("olive")
    other.set_password(PASSWORD)
    async with other:
        assert await take(other, watch) == "Good"
        other.uaclient.session._subscription_callbacks[watch.id] = watch._receive
        other.uaclient.session.ensure_publish_loop()
        operator.uaclient.session._subscription_callbacks.clear()
        write(server, target, 5)
        await watch.settle()
        assert watch.numbers() == [0.0, 5.0]


async def test_the_anonymous_cannot_take_each_others_subscriptions(server, watch):
    async with Client(server.endpoint.geturl()) as other:
        assert await take(other, watch) == "BadUserAccessDenied"

"""Alarms as a client sees them: events, acknowledgement, shelving, refresh."""

import itertools
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio
from asyncua import ua

from plc_interfaces.opcua.conditions import (
    AlarmKind,
    ClientActs,
    Condition,
    ConditionManager,
    ConditionState,
    LimitState,
    Shelving,
)
from plc_interfaces.opcua.events import SERVER, Notifiers
from tests.plc_interfaces.opcua.helpers import Watch, of_type

pytestmark = pytest.mark.asyncio(loop_scope="module")
IDS = ua.ObjectIds
NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
SELECTED = ["", "EventId", "EventType", "ConditionName", "ActiveState/Id", "AckedState/Id"]
SELECTED += ["Retain", "Severity", "Message", "SourceName", "Comment", "ClientUserId", "Time"]
SELECTED += ["LimitState/CurrentState/Id", "ShelvingState/CurrentState/Id", "SuppressedOrShelved"]
HIGH = ConditionState(
    active=True, acked=False, limit=LimitState.HIGH, severity=700, message="oxygen high"
)
_count = itertools.count()


@dataclass
class Plant:
    """A machine object with a chamber that alarms are about, and what clients did to them."""

    manager: ConditionManager
    notifiers: Notifiers
    machine: ua.NodeId
    chamber: ua.NodeId
    acts: list = field(default_factory=list)

    def add(self, kind=AlarmKind.EXCLUSIVE_LIMIT, **options) -> Condition:
        name = f"Oxygen{next(_count)}"
        node = ua.NodeId(f"M.{name}", self.machine.NamespaceIndex)
        options = {"limits": {LimitState.HIGH: 1000.0}} | options
        if kind == AlarmKind.OFF_NORMAL:
            options.pop("limits")
        return self.manager.add(name, node, self.machine, self.chamber, kind, **options)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def plant(server):
    index = server.test_namespace
    objects = server.nodes.objects
    machine = await objects.add_object(ua.NodeId("M", index), "M")
    chamber = await machine.add_object(ua.NodeId("M.Chamber", index), "Chamber")
    notifiers = Notifiers(server)
    notifiers.add(machine.nodeid)
    notifiers.add_source(chamber.nodeid, machine.nodeid)
    acts = []

    def record(kind):
        return lambda path, user, *rest: acts.append((kind, path, user.name, *rest))

    kinds = ("acknowledge", "shelve", "unshelve", "confirm", "comment")
    client_acts = ClientActs(**{kind: record(kind) for kind in kinds})
    manager = ConditionManager(server, notifiers, client_acts, clock=lambda: NOW)
    return Plant(manager, notifiers, machine.nodeid, chamber.nodeid, acts)


@pytest.fixture
def limit(plant):
    plant.acts.clear()
    condition = plant.add(confirmable=True)
    yield condition
    plant.manager.update(condition, replace(condition.state, active=False, acked=True))


async def see(watch, node=SERVER, *where, handle=1):
    result = await watch.event_item(node, SELECTED, *where, handle=handle)
    assert result.StatusCode.is_good(), result.StatusCode


def seen(watch, condition, handle=1):
    events = [dict(zip(SELECTED, event, strict=True)) for event in watch.events[handle]]
    return [event for event in events if event[""] == condition.node]


async def call(client, target, method, *arguments):
    request = ua.CallMethodRequest(target, method, [ua.Variant(*a) for a in arguments])
    return (await client.uaclient.session.call([request]))[0].StatusCode.name


def ack_arguments(event_id, text="seen"):
    comment = ua.LocalizedText(text)
    return (event_id, ua.VariantType.ByteString), (comment, ua.VariantType.LocalizedText)


def acknowledge(client, condition, event_id, method=None):
    method = method or condition.members["Acknowledge"]
    return call(client, condition.node, method, *ack_arguments(event_id))


def refresh(client, subscription_id, item_id=None):
    method = ua.NodeId(
        IDS.ConditionType_ConditionRefresh
        if item_id is None
        else IDS.ConditionType_ConditionRefresh2
    )
    ids = [subscription_id] if item_id is None else [subscription_id, item_id]
    arguments = [(i, ua.VariantType.UInt32) for i in ids]
    return call(client, ua.NodeId(IDS.ConditionType), method, *arguments)


@pytest.mark.parametrize(
    "where", [(), (of_type(IDS.ConditionType),), (of_type(IDS.LimitAlarmType),)]
)
@pytest.mark.parametrize("place", ["server", "machine"])
async def test_alarm_reaches_subscribers_of_server_and_machine(plant, watch, limit, where, place):
    await see(watch, SERVER if place == "server" else plant.machine, *where)
    plant.manager.update(limit, HIGH, NOW)
    await watch.settle()
    (event,) = seen(watch, limit)
    expected = {
        "EventType": ua.NodeId(IDS.ExclusiveLimitAlarmType),
        "ConditionName": limit.path,
        "ActiveState/Id": True,
        "AckedState/Id": False,
        "Retain": True,
        "Severity": 700,
        "Message": ua.LocalizedText("oxygen high"),
        "SourceName": "Chamber",
        "Time": NOW,
        "LimitState/CurrentState/Id": ua.NodeId(IDS.ExclusiveLimitStateMachineType_High),
        "ShelvingState/CurrentState/Id": ua.NodeId(IDS.ShelvedStateMachineType_Unshelved),
        "SuppressedOrShelved": False,
    }
    assert {key: event[key] for key in expected} == expected


async def test_filter_by_another_type_keeps_the_alarm_out(plant, watch, limit):
    await see(watch, SERVER, of_type(IDS.OffNormalAlarmType))
    other = plant.add(AlarmKind.OFF_NORMAL)
    plant.manager.update(limit, HIGH)
    plant.manager.update(other, ConditionState(active=True, acked=False))
    await watch.settle()
    assert seen(watch, limit) == []
    assert [e["ActiveState/Id"] for e in seen(watch, other)] == [True]


async def test_each_change_has_its_own_event_id_and_no_change_no_event(plant, watch, limit):
    await see(watch)
    acked = replace(HIGH, acked=True)
    changes = [HIGH, HIGH, acked, ConditionState(severity=700)]
    results = [plant.manager.update(limit, state) for state in changes]
    await watch.settle()
    assert results == [True, False, True, True]
    assert len({e["EventId"] for e in seen(watch, limit)}) == 3
    assert [e["Retain"] for e in seen(watch, limit)] == [True, True, False]


async def test_variables_show_the_same_as_the_event(plant, client, limit):
    plant.manager.update(limit, HIGH)

    async def read(member):
        return await client.get_node(limit.members[member]).read_value()

    assert await read("ActiveState/Id") is True
    assert await read("AckedState/Id") is False
    assert (await read("LimitState/CurrentState")).Text == "High"
    assert await read("HighLimit") == 1000.0
    assert await read("EventId") == limit.event_ids[-1]


@pytest.mark.parametrize("level", ["instance", "type"])
async def test_acknowledge_goes_to_the_controller_and_shows_after_its_update(
    plant, operator, limit, level
):
    watch = await Watch.open(operator)
    await see(watch)
    plant.manager.update(limit, HIGH)
    await watch.settle()
    event_id = seen(watch, limit)[0]["EventId"]
    type_method = ua.NodeId(IDS.AcknowledgeableConditionType_Acknowledge)
    method = type_method if level == "type" else None
    assert await acknowledge(operator, limit, event_id, method) == "Good"
    assert plant.acts == [("acknowledge", limit.path, "olive", "seen")]
    assert limit.state.acked is False
    plant.manager.update(limit, replace(HIGH, acked=True))
    await watch.settle()
    event = seen(watch, limit)[-1]
    shown = (event["AckedState/Id"], event["Comment"].Text, event["ClientUserId"])
    assert shown == (True, "seen", "olive")


async def test_acknowledge_errors(plant, operator, client, limit):
    plant.manager.update(limit, HIGH)
    event_id = limit.event_ids[-1]
    assert await acknowledge(operator, limit, b"nonsense") == "BadEventIdUnknown"
    assert await acknowledge(client, limit, event_id) == "BadUserAccessDenied"
    assert await acknowledge(operator, limit, event_id) == "Good"
    assert await acknowledge(operator, limit, event_id) == "BadConditionBranchAlreadyAcked"
    plant.manager.update(limit, replace(HIGH, acked=True))
    assert await acknowledge(operator, limit, event_id) == "BadConditionBranchAlreadyAcked"
    assert len(plant.acts) == 1
    method = limit.members["Acknowledge"]
    assert await call(operator, limit.node, method) == "BadArgumentsMissing"
    wrong = (1, ua.VariantType.Int32), (2, ua.VariantType.Int32)
    assert await call(operator, limit.node, method, *wrong) == "BadInvalidArgument"
    elsewhere = call(operator, plant.chamber, method, *ack_arguments(event_id))
    assert await elsewhere == "BadNodeIdUnknown"


async def test_events_of_an_earlier_occurrence_cannot_be_acknowledged(plant, operator, limit):
    plant.manager.update(limit, HIGH)
    old = limit.event_ids[-1]
    plant.manager.update(limit, ConditionState())
    plant.manager.update(limit, HIGH)
    assert await acknowledge(operator, limit, old) == "BadEventIdUnknown"


async def test_refused_act_gives_the_controllers_code(plant, operator, limit, monkeypatch):
    def refuse(*_):
        raise ua.UaStatusCodeError(ua.StatusCodes.BadInvalidState)

    monkeypatch.setattr(plant.manager, "_acts", replace(plant.manager._acts, acknowledge=refuse))
    plant.manager.update(limit, HIGH)
    assert await acknowledge(operator, limit, limit.event_ids[-1]) == "BadInvalidState"
    monkeypatch.undo()
    assert await acknowledge(operator, limit, limit.event_ids[-1]) == "Good"


async def test_confirm(plant, operator, limit):
    plant.manager.update(limit, replace(HIGH, acked=True, confirmed=False))
    arguments = ack_arguments(limit.event_ids[-1])
    method = limit.members["Confirm"]
    assert await call(operator, limit.node, method, *arguments) == "Good"
    plant.manager.update(limit, replace(HIGH, acked=True))
    again = await call(operator, limit.node, method, *arguments)
    assert again == "BadConditionBranchAlreadyConfirmed"
    assert plant.acts == [("confirm", limit.path, "olive", "seen")]


async def test_comment_shows_at_once_with_its_author(plant, operator, limit):
    watch = await Watch.open(operator)
    await see(watch)
    plant.manager.update(limit, HIGH)
    arguments = ack_arguments(limit.event_ids[-1], "valve V2?")
    assert await call(operator, limit.node, limit.members["AddComment"], *arguments) == "Good"
    await watch.settle()
    last = seen(watch, limit)[-1]
    assert (last["Comment"].Text, last["ClientUserId"]) == ("valve V2?", "olive")
    assert plant.acts == [("comment", limit.path, "olive", "valve V2?")]


MINUTE = (60_000.0, ua.VariantType.Double)


async def test_timed_shelving(plant, operator, limit):
    timed, unshelve = (limit.members[f"ShelvingState/{m}"] for m in ("TimedShelve", "Unshelve"))
    too_long = (8.64e7 + 1, ua.VariantType.Double)
    assert await call(operator, limit.node, timed, too_long) == "BadShelvingTimeOutOfRange"
    not_a_number = (float("nan"), ua.VariantType.Double)
    assert await call(operator, limit.node, timed, not_a_number) == "BadShelvingTimeOutOfRange"
    assert await call(operator, limit.node, unshelve) == "BadConditionNotShelved"
    assert await call(operator, limit.node, timed, MINUTE) == "Good"
    assert await call(operator, limit.node, timed, MINUTE) == "BadConditionAlreadyShelved"
    until = NOW + timedelta(seconds=45)
    shelved = ConditionState(shelving=Shelving.TIMED, shelved_until=until)
    plant.manager.update(limit, shelved)
    left = operator.get_node(limit.members["ShelvingState/UnshelveTime"])
    assert await left.read_value() == 45_000.0
    assert await operator.get_node(limit.members["SuppressedOrShelved"]).read_value() is True
    assert await call(operator, limit.node, unshelve) == "Good"
    assert plant.acts == [("shelve", limit.path, "olive", 60.0), ("unshelve", limit.path, "olive")]


@pytest.mark.parametrize(
    "method",
    [
        IDS.AlarmConditionType_ShelvingState_OneShotShelve,
        IDS.ShelvedStateMachineType_OneShotShelve,
    ],
)
@pytest.mark.parametrize("target", ["", "ShelvingState"])
async def test_shelving_by_type_method_on_condition_or_its_state(
    plant, operator, limit, method, target
):
    assert await call(operator, limit.members[target], ua.NodeId(method)) == "Good"
    assert plant.acts == [("shelve", limit.path, "olive", None)]


async def test_enable_and_disable_answer(operator, limit):
    answers = [await call(operator, limit.node, limit.members[m]) for m in ("Enable", "Disable")]
    assert answers == ["BadConditionAlreadyEnabled", "BadNotSupported"]


async def test_refresh_repeats_what_is_retained_between_brackets(plant, client, watch, limit):
    quiet = plant.add()
    plant.manager.update(limit, HIGH)
    await see(watch, SERVER, of_type(IDS.AlarmConditionType))
    assert await refresh(client, watch.id) == "Good"
    await watch.settle()
    types = [event[2].Identifier for event in watch.events[1]]
    assert types[0] == IDS.RefreshStartEventType
    assert types[-1] == IDS.RefreshEndEventType
    assert [e["EventId"] for e in seen(watch, limit)] == [limit.event_ids[-1]]
    assert seen(watch, quiet) == []


async def test_refresh2_serves_one_item(plant, client, watch, limit):
    plant.manager.update(limit, HIGH)
    await see(watch, handle=1)
    result = await watch.event_item(plant.machine, SELECTED, handle=2)
    assert await refresh(client, watch.id, result.MonitoredItemId) == "Good"
    await watch.settle()
    assert len(watch.events[2]) >= 3
    assert watch.events[1] == []


async def test_refresh_errors(client, operator, watch):
    assert await refresh(client, 999_999) == "BadSubscriptionIdInvalid"
    assert await refresh(operator, watch.id) == "BadSubscriptionIdInvalid"
    assert await refresh(client, watch.id, 5) == "BadMonitoredItemIdInvalid"


async def test_plain_event(plant, watch):
    await see(watch, plant.machine)
    plant.notifiers.emit(plant.chamber, 100, "purge begins", time=NOW)
    await watch.settle()
    (event,) = (dict(zip(SELECTED, e, strict=True)) for e in watch.events[1])
    assert (event["Message"].Text, event["Severity"], event["SourceName"]) == (
        "purge begins",
        100,
        "Chamber",
    )
    assert event["ActiveState/Id"] is None


async def test_severity_out_of_range_is_refused(plant):
    with pytest.raises(ValueError, match="1 to 1000"):
        plant.notifiers.emit(plant.chamber, 0, "nothing")


async def test_condition_is_found_by_browsing(plant, client, limit):
    children = await client.get_node(plant.machine).get_children(refs=IDS.HasEventSource)
    assert [child.nodeid for child in children] == [plant.chamber]
    conditions = await client.get_node(plant.chamber).get_referenced_nodes(IDS.HasCondition)
    assert limit.node in [node.nodeid for node in conditions]
    assert await client.get_node(limit.node).read_type_definition() == ua.NodeId(
        IDS.ExclusiveLimitAlarmType
    )


@pytest.mark.parametrize("discard_oldest", [True, False])
async def test_storm_of_events_is_bounded_and_the_loss_is_told(plant, watch, limit, discard_oldest):
    """A queue of 50 gives 50 events and one that says that others were lost."""
    await watch.event_item(SERVER, SELECTED, queue=50, discard_oldest=discard_oldest)
    storm = [replace(HIGH, message=f"alarm {number}") for number in range(200)]
    for state in storm:
        plant.manager.update(limit, state)
    await watch.settle(0.3)
    texts = [event["Message"].Text for event in seen(watch, limit)]
    kept = storm[-50:] if discard_oldest else storm[:50]
    assert texts == [state.message for state in kept]
    (place,) = [
        place
        for place, event in enumerate(watch.events[1])
        if event[2] == ua.NodeId(IDS.EventQueueOverflowEventType)
    ]
    assert place == (0 if discard_oldest else 50)

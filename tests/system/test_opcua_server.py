"""The OPC UA server on a socket: signals, writes, methods, jobs, alarms, the instructor."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio
from asyncua import Client, ua

from plc_interfaces.host import ActKind
from plc_interfaces.opcua.address_space import variant_type
from plc_interfaces.opcua.instructor import InstructorServer
from plc_interfaces.opcua.server import Endpoint
from tests.build_machine import BuildHost
from tests.fakes import PICTURE, RUN_START, FakeHost
from tests.opcua_machine import PASSWORD, logged_in, node_id, serving, signal_node, status_of
from twin.image import Quality
from twin.signals import Kind

pytestmark = pytest.mark.asyncio(loop_scope="module")
JOBS = "Machines/BUILD-01.MachineryBuildingBlocks.JobManagement"
AUX = "AUX-01"


@pytest.fixture(scope="module")
def host() -> BuildHost:
    return BuildHost()


@pytest.fixture(scope="module")
def aux() -> FakeHost:
    return FakeHost(AUX, external_control=True)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(
    tmp_path_factory: pytest.TempPathFactory, host: BuildHost, aux: FakeHost
) -> AsyncIterator[Endpoint]:
    async with serving(tmp_path_factory.mktemp("security"), host, aux) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def operator(server: Endpoint) -> AsyncIterator[Client]:
    async with logged_in(server, "olive") as client:
        yield client


async def write(client: Client, node: ua.NodeId, value: Any, kind: ua.VariantType) -> str:
    try:
        await client.get_node(node).write_value(ua.DataValue(ua.Variant(value, kind)))
    except ua.UaStatusCodeError as error:
        return status_of(error)
    return "Good"


async def until(client: Client, node: ua.NodeId, value: Any) -> ua.DataValue:
    """Wait for a node to show a value."""
    async with asyncio.timeout(5):
        while True:
            shown = await client.get_node(node).read_data_value(raise_on_bad_status=False)
            if shown.Value.Value == value:
                return shown
            await asyncio.sleep(0.01)


# --- signals ---


async def test_every_signal_but_faults_has_its_node(operator: Client, host: BuildHost) -> None:
    for path, signal in host.table.items():
        node = operator.get_node(await signal_node(operator, host, path))
        if signal.kind is Kind.FAULT:
            with pytest.raises(ua.UaStatusCodeError) as caught:
                await node.read_browse_name()
            assert status_of(caught.value) == "BadNodeIdUnknown"
            continue
        assert (await node.read_browse_name()).Name == path.rpartition(".")[2]
        assert (await node.read_description()).Text == signal.doc
        kind = await node.get_child(f"{await types(operator)}:SignalKind")
        assert await kind.read_value() == signal.kind.value
        if signal.kind in (Kind.COMMAND, Kind.ALARM):
            continue
        value = await node.read_data_value()
        assert value.Value.VariantType is variant_type(signal)
        is_writable = ua.AccessLevel.CurrentWrite in await node.get_access_level()
        assert is_writable == signal.writable


async def types(client: Client) -> int:
    return int(await client.get_namespace_index("urn:amtwin:types"))


async def test_analog_items(operator: Client, host: BuildHost) -> None:
    node = operator.get_node(await signal_node(operator, host, "Chamber.Pressure"))
    units = await (await node.get_child("0:EngineeringUnits")).read_value()
    assert units.UnitId == int.from_bytes(b"MBR", "big")
    assert units.DisplayName.Text == "mbar"
    limits = await (await node.get_child("0:EURange")).read_value()
    assert (limits.Low, limits.High) == (-100.0, 1100.0)
    node = operator.get_node(await signal_node(operator, host, "Machine.ItemState"))
    names = await (await node.get_child("0:EnumStrings")).read_value()
    assert [n.Text for n in names][2:] == ["NotExecuting", "Executing"]


async def test_pictures_and_rows(operator: Client, aux: FakeHost) -> None:
    view = operator.get_node(await signal_node(operator, aux, "Chamber.View"))
    assert await view.read_value() == PICTURE
    profile = operator.get_node(await signal_node(operator, aux, "Chamber.Profile"))
    assert await profile.read_value() == [20.0, 21.5, 22.0]


async def test_stamp_and_quality(operator: Client, host: BuildHost) -> None:
    node = await signal_node(operator, host, "Laser1.Temperature")
    other = await signal_node(operator, host, "Laser2.Temperature")
    host.put("Laser1.Temperature", 31.5)
    host.step()
    value = await until(operator, node, 31.5)
    stamp = datetime.fromtimestamp(host.frame().stamp, UTC)
    assert value.SourceTimestamp == stamp
    assert value.StatusCode.is_good()
    # Unchanged, but sampled in the same scan.
    assert (await operator.get_node(other).read_data_value()).SourceTimestamp == stamp
    host.put("Laser1.Temperature", 32.0, Quality.BAD)
    host.step()
    value = await until(operator, node, None)
    assert value.StatusCode.name == "BadSensorFailure"
    host.put("Laser1.Temperature", 33.0, Quality.UNCERTAIN)
    host.step()
    value = await until(operator, node, 33.0)
    assert value.StatusCode.is_uncertain()
    assert value.SourceTimestamp.timestamp() > RUN_START


# --- writes ---


@pytest.mark.parametrize(
    ("user", "path", "value", "kind", "expected"),
    [
        ("olive", "Gas.OxygenLimit", 700.0, ua.VariantType.Double, "Good"),
        ("ed", "Atmosphere.PurgeCycles", 5, ua.VariantType.Int32, "Good"),
        ("olive", "Job.Layer", 5, ua.VariantType.Int32, "BadNotWritable"),
        ("olive", "Atmosphere.PurgeCycles", 5, ua.VariantType.Int32, "BadUserAccessDenied"),
        ("ob", "Gas.OxygenLimit", 700.0, ua.VariantType.Double, "BadUserAccessDenied"),
        ("", "Gas.OxygenLimit", 700.0, ua.VariantType.Double, "BadUserAccessDenied"),
        ("olive", "Gas.OxygenLimit", 5.0, ua.VariantType.Double, "BadOutOfRange"),
        ("olive", "Gas.OxygenLimit", math.nan, ua.VariantType.Double, "BadOutOfRange"),
        ("olive", "Gas.OxygenLimit", math.inf, ua.VariantType.Double, "BadOutOfRange"),
        ("olive", "Gas.OxygenLimit", "700", ua.VariantType.String, "BadTypeMismatch"),
        ("olive", "Gas.Oxygen", 1.0, ua.VariantType.Double, "BadNotWritable"),
        ("olive", "Laser1.PowerDemand", 1.0, ua.VariantType.Double, "BadNotWritable"),
    ],
)
async def test_writes(
    server: Endpoint,
    host: BuildHost,
    user: str,
    path: str,
    value: Any,
    kind: ua.VariantType,
    expected: str,
) -> None:
    host.acts.clear()
    async with logged_in(server, user) as client:
        node = await signal_node(client, host, path)
        assert await write(client, node, value, kind) == expected
        if expected == "Good":
            assert [(a.path, a.value, a.user, a.source) for a in host.acts] == [
                (path, value, user, "opcua")
            ]
            await until(client, node, value)
        else:
            # Nothing is done, and what the gate refused is there for the audit.
            assert {a.kind for a in host.acts} <= {ActKind.AUDIT}
            assert all((a.path, a.user or "anonymous") == (path, user or "anonymous")
                       for a in host.acts)
            if expected in ("BadUserAccessDenied", "BadOutOfRange"):
                assert len(host.acts) == 1


async def test_an_alarm_tells_what_to_do(operator: Client, host: BuildHost) -> None:
    signal = host.table.of_kind(Kind.ALARM)[0]
    node = await signal_node(operator, host, signal.path)
    assert signal.alarm is not None
    told = {
        (await each.read_browse_name()).Name: await each.read_value()
        for each in await operator.get_node(node).get_properties()
    }
    for title in ("cause", "consequence", "response", "action"):
        assert told[title.capitalize()] == getattr(signal.alarm, title)


async def test_a_value_shows_once_it_is_applied(operator: Client, host: BuildHost) -> None:
    node = await signal_node(operator, host, "Gas.OxygenLimit")
    before = await operator.get_node(node).read_value()
    host.auto = False
    try:
        assert await write(operator, node, 555.0, ua.VariantType.Double) == "Good"
        await asyncio.sleep(0.05)
        assert await operator.get_node(node).read_value() == before
        host.step()
        await until(operator, node, 555.0)
    finally:
        host.auto = True


async def test_an_external_controller_writes_actuators(operator: Client, aux: FakeHost) -> None:
    node = await signal_node(operator, aux, "Laser1.PowerDemand")
    assert await write(operator, node, 200.0, ua.VariantType.Double) == "Good"
    await until(operator, node, 200.0)


# --- methods ---


async def test_methods_have_named_arguments(operator: Client, aux: FakeHost) -> None:
    method = operator.get_node(await signal_node(operator, aux, "Job.Start"))
    inputs = await (await method.get_child("0:InputArguments")).read_value()
    assert [(a.Name, a.DataType.Identifier) for a in inputs] == [
        ("part", ua.ObjectIds.String),
        ("layers", ua.ObjectIds.Int32),
    ]
    job = operator.get_node(await signal_node(operator, aux, "Job"))
    layers = ua.Variant(12, ua.VariantType.Int32)
    assert await job.call_method(method.nodeid, "bracket", layers) == "started bracket"
    for arguments, expected in (
        (("bracket", layers), "BadInvalidState"),
        (("bracket", "twelve"), "BadInvalidArgument"),
        (("bracket",), "BadArgumentsMissing"),
    ):
        with pytest.raises(ua.UaStatusCodeError) as caught:
            await job.call_method(method.nodeid, *arguments)
        assert status_of(caught.value) == expected
    abort = await signal_node(operator, aux, "Job.Abort")
    assert await job.call_method(abort) == "aborted"


async def test_observers_may_not_call(server: Endpoint, aux: FakeHost) -> None:
    async with logged_in(server, "ob") as client:
        job = client.get_node(await signal_node(client, aux, "Job"))
        with pytest.raises(ua.UaStatusCodeError) as caught:
            await job.call_method(await signal_node(client, aux, "Job.Abort"))
        assert status_of(caught.value) == "BadUserAccessDenied"


# --- jobs ---


async def isa95(client: Client, number: int) -> Any:
    index = await client.get_namespace_index("http://opcfoundation.org/UA/ISA95-JOBCONTROL_V2/")
    return ua.extension_objects_by_datatype[ua.NodeId(number, index)]


async def test_job_orders(operator: Client, host: BuildHost) -> None:
    control = operator.get_node(await node_id(operator, host, f"{JOBS}.JobOrderControl"))
    order_type, master_type = await isa95(operator, 3008), await isa95(operator, 3007)
    nothing = ua.Variant([], ua.VariantType.LocalizedText, is_array=True)

    async def call(name: str, argument: Any) -> tuple[str, int]:
        method = await node_id(operator, host, f"{JOBS}.JobOrderControl.{name}")
        request = ua.CallMethodRequest(
            ObjectId=control.nodeid,
            MethodId=method,
            InputArguments=[
                argument if isinstance(argument, ua.Variant) else ua.Variant(argument),
                nothing,
            ],
        )
        result = (await operator.uaclient.call([request]))[0]
        return result.StatusCode.name, result.OutputArguments[0].Value

    def order(id_: str, program: str) -> ua.Variant:
        masters = [master_type(ID=program)] if program else None
        value = order_type(JobOrderID=id_, WorkMasterID=masters)
        return ua.Variant(value, ua.VariantType.ExtensionObject)

    assert await call("Store", order("A", "frame.stl")) == ("Good", 1)
    assert await call("Store", order("A", "frame.stl")) == ("Uncertain", 1 << 4)
    assert await call("Store", order("B", "")) == ("Uncertain", 1 << 32)
    assert await call("Start", "B") == ("Uncertain", 1 << 1)
    assert await call("Resume", "A") == ("Uncertain", 1 << 3)
    assert await call("Start", "A") == ("Good", 1)
    assert await call("Pause", "A") == ("Good", 1)
    state = await node_id(operator, host, f"{JOBS}.JobOrderControl.CurrentState")
    await until(operator, state, ua.LocalizedText("Interrupted"))

    listed = await node_id(operator, host, f"{JOBS}.JobOrderControl.JobOrderList")
    (entry,) = await operator.get_node(listed).read_value()
    assert (entry.JobOrder.JobOrderID, entry.JobOrder.WorkMasterID[0].ID) == ("A", "frame.stl")
    assert [(s.StateText.Text, s.StateNumber) for s in entry.State] == [
        ("Interrupted", 4),
        ("Held", 1),
    ]
    results = operator.get_node(await node_id(operator, host, f"{JOBS}.JobOrderResults"))
    by_id = await node_id(operator, host, f"{JOBS}.JobOrderResults.RequestJobResponseByJobOrderID")
    response, status = await results.call_method(by_id, "A")
    assert status == 1
    data = {p.ID: p.Value.Value for p in response.JobResponseData}
    assert data["LayersPlanned"] == 10
    (run,) = data["Runs"]
    assert (run.CurrentLayer, run.RemainingTime) == (3, 90_000.0)
    state_type = await isa95(operator, 3006)
    by_state = await node_id(
        operator, host, f"{JOBS}.JobOrderResults.RequestJobResponseByJobOrderState"
    )
    for number, expected in ((4, ["A"]), (5, [])):
        wanted = state_type(
            BrowsePath=ua.RelativePath(), StateText=ua.LocalizedText(), StateNumber=number
        )
        argument = ua.Variant([wanted], ua.VariantType.ExtensionObject, is_array=True)
        found, status = await results.call_method(by_state, argument)
        assert (status, [r.JobOrderID for r in found]) == (1, expected)
    assert await call("Update", order("A", "other.stl")) == ("Uncertain", 1 << 4)
    assert await call("Stop", "A") == ("Good", 1)
    assert await call("Clear", "A") == ("Good", 1)
    await until(operator, listed, [])


# --- alarms and events ---


class Heard:
    """Collects what an event subscription brings."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    def event_notification(self, event: Any) -> None:
        self.events.append(event)

    async def first(self, **fields: Any) -> Any:
        async with asyncio.timeout(5):
            while True:
                for event in self.events:
                    if all(
                        getattr(event, n.replace("_", "/"), None) == v for n, v in fields.items()
                    ):
                        return event
                await asyncio.sleep(0.01)


async def test_an_alarm_is_raised_and_acknowledged(operator: Client, host: BuildHost) -> None:
    heard = Heard()
    subscription = await operator.create_subscription(20, heard)
    machine = await node_id(operator, host, "Machines/BUILD-01")
    await subscription.subscribe_events(
        machine, evtypes=[ua.ObjectIds.ExclusiveLimitAlarmType], queuesize=100
    )
    host.raise_alarm("Gas.OxygenHigh", True, 1500.0)
    host.step()
    event = await heard.first(ConditionName="OxygenHigh", ActiveState_Id=True)
    assert event.Severity == 750
    assert event.Message.Text == "Oxygen in the chamber is high"
    assert event.SourceName == "Oxygen"
    condition = operator.get_node(await signal_node(operator, host, "Gas.OxygenHigh"))
    comment = ua.Variant(ua.LocalizedText("seen"), ua.VariantType.LocalizedText)
    await condition.call_method(
        ua.NodeId(ua.ObjectIds.AcknowledgeableConditionType_Acknowledge),
        ua.Variant(event.EventId, ua.VariantType.ByteString),
        comment,
    )
    await heard.first(ConditionName="OxygenHigh", ActiveState_Id=True, AckedState_Id=True)
    act = host.acts[-1]
    assert (act.kind, act.path, act.value, act.user) == (
        ActKind.ACKNOWLEDGE,
        "Gas.OxygenHigh",
        "seen",
        "olive",
    )
    limit = await condition.get_child("0:HighLimit")
    assert (
        await limit.read_value()
        == await operator.get_node(
            await signal_node(operator, host, "Gas.OxygenLimit")
        ).read_value()
    )
    host.raise_alarm("Gas.OxygenHigh", False)
    host.step()
    await heard.first(ConditionName="OxygenHigh", ActiveState_Id=False)
    await subscription.delete()


async def test_shelving(operator: Client, host: BuildHost) -> None:
    path = "BUILD-01.Gas.FilterLoaded.ShelvingState"
    shelving = operator.get_node(await node_id(operator, host, path))
    state = await node_id(operator, host, f"{path}.CurrentState")
    shelve = await node_id(operator, host, f"{path}.TimedShelve")
    await shelving.call_method(shelve, ua.Variant(60_000.0, ua.VariantType.Double))
    await until(operator, state, ua.LocalizedText("TimedShelved", "en"))
    act = host.acts[-1]
    assert (act.kind, act.path, act.value) == (ActKind.SHELVE, "Gas.FilterLoaded", 60.0)
    await shelving.call_method(await node_id(operator, host, f"{path}.Unshelve"))
    await until(operator, state, ua.LocalizedText("Unshelved", "en"))


async def test_events_of_the_machine(operator: Client, host: BuildHost) -> None:
    heard = Heard()
    subscription = await operator.create_subscription(20, heard)
    messages = await node_id(operator, host, "Machines/BUILD-01.Notification.Messages")
    await subscription.subscribe_events(messages, queuesize=100)
    host.tell("Laser1", "laser 1 is ready")
    host.step()
    event = await heard.first(SourceName="Laser1")
    assert event.Message.Text == "laser 1 is ready"
    assert event.Time == datetime.fromtimestamp(host.frame().stamp - 0.05, UTC)
    await subscription.delete()


async def test_job_events_carry_order_and_state(operator: Client, host: BuildHost) -> None:
    heard = Heard()
    subscription = await operator.create_subscription(20, heard)
    jobs = await operator.get_namespace_index("http://opcfoundation.org/UA/ISA95-JOBCONTROL_V2/")
    status_event = operator.get_node(ua.NodeId(1006, jobs))
    await subscription.subscribe_events(evtypes=[status_event], queuesize=100)
    job = operator.get_node(await signal_node(operator, host, "Job"))
    call = await signal_node(operator, host, "Job.StoreAndStart")
    await job.call_method(call, "E", "part.stl")
    host.tell("Job", "job E is running", kind="job")
    host.tell("Job", "nothing about a job")
    host.step()
    event = await heard.first(Message=ua.LocalizedText("job E is running"))
    assert event.JobOrder.JobOrderID == "E"
    assert [s.StateText.Text for s in event.JobState] == ["Running"]
    assert event.JobResponse.JobOrderID == "E"
    await asyncio.sleep(0.1)
    assert len(heard.events) == 1
    await subscription.delete()


# --- the instructor ---


async def test_instructors_endpoint(
    tmp_path_factory: pytest.TempPathFactory, aux: FakeHost
) -> None:
    folder = tmp_path_factory.mktemp("instructor")
    async with serving(folder, aux, kind=InstructorServer) as running:
        for user in ("", "olive", "ed"):
            with pytest.raises((ua.UaError, ConnectionError)):
                async with logged_in(running, user):
                    pass
        async with logged_in(running, "ines") as client:
            leak = await signal_node(client, aux, "Chamber.Leak")
            assert await client.get_node(leak).read_value() == 0.0
            aux.acts.clear()
            machine = client.get_node(await node_id(client, aux, f"Machines/{AUX}"))
            name = await node_id(client, aux, f"Machines/{AUX}.SetSensorFault")
            await machine.call_method(
                name, "Chamber.OxygenTop", "bias", ua.Variant(50.0, ua.VariantType.Double)
            )
            force = await node_id(client, aux, f"Machines/{AUX}.Force")
            await machine.call_method(force, "Chamber.OxygenTop", 123.0)
            assert [(a.kind, a.path, a.value, a.source) for a in aux.acts] == [
                (
                    ActKind.SENSOR_FAULT,
                    "Chamber.OxygenTop",
                    {"kind": "bias", "magnitude": 50.0},
                    "instructor",
                ),
                (ActKind.FORCE, "Chamber.OxygenTop", 123.0, "instructor"),
            ]
            with pytest.raises(ua.UaStatusCodeError) as caught:
                await machine.call_method(force, "Chamber.OxygenTop", "much")
            assert status_of(caught.value) == "BadTypeMismatch"
            aux.acts.clear()
            assert await write(client, leak, 0.5, ua.VariantType.Double) == "Good"
            assert [(a.kind, a.path, a.value) for a in aux.acts] == [
                (ActKind.FAULT, "Chamber.Leak", 0.5)
            ]


async def test_without_insecure_nobody_gets_a_session_unencrypted(
    tmp_path_factory: pytest.TempPathFactory, aux: FakeHost
) -> None:
    folder = tmp_path_factory.mktemp("secure")
    async with serving(folder, aux, insecure=False, kind=InstructorServer) as running:
        client = Client(running.url)
        policies = {e.SecurityPolicyUri for e in await client.connect_and_get_server_endpoints()}
        assert "http://opcfoundation.org/UA/SecurityPolicy#Basic256Sha256" in policies
        assert "http://opcfoundation.org/UA/SecurityPolicy#None" not in policies
        client.set_user("ines")
        client.set_password(PASSWORD)
        with pytest.raises((ua.UaError, ConnectionError)):
            await client.connect()

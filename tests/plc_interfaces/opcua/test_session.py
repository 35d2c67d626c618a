"""Writes, calls, sessions and frames of clients that do what they should not."""

import asyncio

import pytest
import pytest_asyncio
from asyncua import Client, ua

from plc_interfaces.host import Role
from plc_interfaces.opcua.patches import caller
from plc_interfaces.opcua.patches.server import LoginThrottle
from plc_interfaces.opcua.security import Account
from tests.plc_interfaces.opcua.helpers import PASSWORD

pytestmark = pytest.mark.asyncio(loop_scope="module")
CODES = ua.StatusCodes


def node_id(server, name):
    return ua.NodeId(name, server.test_namespace)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def machine(server):
    """Setpoints that a gate guards: 0 to 100 for operators."""
    objects = server.nodes.objects
    machine = await objects.add_object(node_id(server, "M"), "M")
    for name, value in (("Power", 20.0), ("Name", "part"), ("Map", [1.0, 2.0])):
        variable = await machine.add_variable(node_id(server, name), name, value)
        await variable.set_writable()
    await machine.add_variable(node_id(server, "Oxygen"), "Oxygen", 5.0)
    taken = []

    def gate(user, node, attribute, value):
        if user.access < Role.OPERATOR:
            return ua.StatusCode(CODES.BadUserAccessDenied)
        number = value.Value.Value
        if isinstance(number, float) and not 0 <= number <= 100:
            return ua.StatusCode(CODES.BadOutOfRange)
        taken.append((user.name, node.Identifier, number))
        return ua.StatusCode()

    server.iserver.write_gate = gate
    yield taken
    server.iserver.write_gate = None


def variant(value, kind=None):
    return ua.DataValue(ua.Variant(value, kind))


async def write(client, *items):
    """Write (node id, DataValue[, attribute]) in one request; names of the results."""
    params = ua.WriteParameters(
        NodesToWrite=[
            ua.WriteValue(NodeId=i[0], AttributeId=(*i, ua.AttributeIds.Value)[2], Value=i[1])
            for i in items
        ]
    )
    return [code.name for code in await client.uaclient.session.write(params)]


async def test_each_write_of_a_request_has_its_own_answer(server, operator, machine):
    power, name, oxygen = (node_id(server, n) for n in ("Power", "Name", "Oxygen"))
    machine.clear()
    codes = await write(
        operator,
        (power, variant(30.0)),
        (power, variant(101.0)),
        (power, variant(float("nan"))),
        (power, variant("high")),
        (power, variant(30, ua.VariantType.Int32)),
        (power, variant([30.0])),
        (name, variant("bracket")),
        (oxygen, variant(1.0)),
        (power, variant(ua.LocalizedText("P")), ua.AttributeIds.DisplayName),
        (node_id(server, "Nothing"), variant(1.0)),
        (power, ua.DataValue(ua.Variant(1.0), ua.StatusCode(CODES.BadSensorFailure))),
        (power, variant(40.0)),
    )
    assert codes == [
        "Good",
        "BadOutOfRange",
        "BadOutOfRange",
        "BadTypeMismatch",
        "BadTypeMismatch",
        "BadTypeMismatch",
        "Good",
        "BadNotWritable",
        "BadNotWritable",
        "BadNodeIdUnknown",
        "BadWriteNotSupported",
        "Good",
    ]
    assert machine == [
        ("olive", "Power", 30.0),
        ("olive", "Name", "bracket"),
        ("olive", "Power", 40.0),
    ]


async def test_accepted_write_shows_only_when_applied(server, operator, machine):
    node = operator.get_node(node_id(server, "Power"))
    before = await node.read_value()
    assert await write(operator, (node.nodeid, variant(77.0))) == ["Good"]
    assert await node.read_value() == before
    server.iserver.publish([(node.nodeid, variant(77.0))])
    assert await node.read_value() == 77.0


async def test_anonymous_may_read_but_not_write(server, client, machine):
    power = node_id(server, "Power")
    assert await write(client, (power, variant(1.0))) == ["BadUserAccessDenied"]
    assert isinstance(await client.get_node(power).read_value(), float)


async def test_array_is_written_whole_or_not_at_all(server, operator, machine):
    shape = node_id(server, "Map")
    codes = await write(operator, (shape, variant([3.0])), (shape, variant(3.0)))
    assert codes == ["Good", "BadTypeMismatch"]
    value = ua.WriteValue(node_id(server, "Map"), ua.AttributeIds.Value, "0", variant([9.0]))
    codes = await operator.uaclient.session.write(ua.WriteParameters([value]))
    assert codes[0].name == "BadWriteNotSupported"


async def test_nobody_may_add_or_delete_nodes(server, operator):
    with pytest.raises(ua.UaStatusCodeError):
        await operator.nodes.objects.add_object(node_id(server, "X"), "X")
    with pytest.raises(ua.UaStatusCodeError):
        await operator.delete_nodes([operator.nodes.server])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def job(server):
    """Type with a Start method and an instance whose Start is bound."""
    ids = ua.ObjectIds
    base = server.get_node(ids.BaseObjectType)
    argument = ua.Argument(
        Name="layers", DataType=ua.NodeId(ids.UInt32), ValueRank=ua.ValueRank.Scalar
    )
    kind = await base.add_object_type(node_id(server, "JobType"), "JobType")
    declared = await kind.add_method(
        node_id(server, "JobType.Start"), f"{server.test_namespace}:Start", None, [argument]
    )
    instance = await server.nodes.objects.add_object(node_id(server, "Job"), "Job")

    async def start(parent, layers):
        if layers.Value > 1000:
            raise ua.UaStatusCodeError(CODES.BadOutOfRange)
        who = caller().user
        return [ua.Variant(f"{parent.Identifier} {who.name} {layers.Value}")]

    bound = await instance.add_method(
        node_id(server, "Job.Start"),
        f"{server.test_namespace}:Start",
        start,
        [argument],
        [argument],
    )
    return kind.nodeid, declared.nodeid, instance.nodeid, bound.nodeid


async def call(client, target, method, *arguments):
    request = ua.CallMethodRequest(target, method, list(arguments))
    return (await client.uaclient.session.call([request]))[0]


async def test_method_knows_its_caller_by_instance_and_by_type(operator, job):
    layers = ua.Variant(7, ua.VariantType.UInt32)
    _, declared, instance, bound = job
    for method in (bound, declared):
        result = await call(operator, instance, method, layers)
        assert result.StatusCode.is_good()
        assert result.OutputArguments[0].Value == "Job olive 7"


async def test_wrong_calls_have_their_codes(server, operator, job):
    kind, _, instance, bound = job
    layers = ua.Variant(7, ua.VariantType.UInt32)
    calls = {
        "BadArgumentsMissing": (instance, bound),
        "BadTooManyArguments": (instance, bound, layers, layers),
        "BadInvalidArgument": (instance, bound, ua.Variant("7")),
        "BadOutOfRange": (instance, bound, ua.Variant(1001, ua.VariantType.UInt32)),
        "BadNodeIdUnknown": (node_id(server, "None"), bound, layers),
        "BadMethodInvalid": (instance, node_id(server, "None"), layers),
    }
    for code, arguments in calls.items():
        assert (await call(operator, *arguments)).StatusCode.name == code
    not_bound = await call(operator, kind, job[1], layers)
    assert not_bound.StatusCode.name == "BadMethodInvalid"


async def test_outside_a_call_there_is_no_caller():
    with pytest.raises(LookupError):
        caller()


async def test_logins_are_reported_and_throttled(server, monkeypatch):
    seen = []
    monkeypatch.setattr(server.iserver, "login_throttle", LoginThrottle(3, 600.0))
    monkeypatch.setattr(
        server.iserver, "on_login", lambda user, peer, code: seen.append((user, code.name))
    )

    async def login(user, password):
        client = Client(server.endpoint.geturl())
        client.set_user(user)
        client.set_password(password)
        async with client:
            pass

    for _ in range(3):
        with pytest.raises(ua.UaStatusCodeError):
            await login("olive", "wrong")
    with pytest.raises(ua.UaStatusCodeError):
        await login("olive", PASSWORD)  # right, but too late
    assert seen == [("olive", "BadUserAccessDenied")] * 4
    monkeypatch.setattr(server.iserver, "login_throttle", LoginThrottle(3, 600.0))
    await login("olive", PASSWORD)
    assert seen[-1] == ("olive", "Good")


async def test_session_tokens_cannot_be_counted(client, operator):
    tokens = [c.uaclient.session.authentication_token for c in (client, operator)]
    assert all(isinstance(t.Identifier, bytes) and len(t.Identifier) == 32 for t in tokens)


@pytest.mark.parametrize(
    "frame",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"MSGF\xff\xff\xff\x7f" + bytes(20),
        b"HELF\x04\x00\x00\x00",
        b"HELF\x20\x00\x00\x00" + bytes(20) + b"\xff" * 4,  # buffers of no size
        b"OPNF\x40\x00\x00\x00" + b"\xff" * 56,
        bytes(64),
    ],
)
async def test_garbage_closes_the_connection_and_the_server_runs_on(server, frame):
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        writer.write(frame)
        answer = await asyncio.wait_for(reader.read(), 2)
    finally:
        writer.close()
    assert answer == b"" or answer.startswith(b"ERRF")
    async with Client(server.endpoint.geturl()) as client:
        assert await client.nodes.server.read_browse_name()


async def test_account_is_never_asyncuas_administrator():
    assert Account().role.name == "User"

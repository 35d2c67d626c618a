"""Companion specifications and instances of their types."""

import pytest
import pytest_asyncio
from asyncua import Client, ua

from plc_interfaces.opcua.instances import Instances
from plc_interfaces.opcua.nodesets import COMPANIONS, load_companions

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def spaces(server):
    return await load_companions(server)


@pytest.fixture
def instances(server, spaces):
    return Instances(server.iserver.aspace)


async def test_every_namespace_is_there_and_described(server, spaces):
    uris = await server.get_namespace_array()
    assert [uris[index] for index in vars(spaces).values()] == list(COMPANIONS.values())
    described = {
        child.BrowseName.Name for child in await server.nodes.namespaces.get_children_descriptions()
    }
    assert described >= set(COMPANIONS.values())


async def test_client_finds_the_machine_type_below_machine_tool(server, spaces):
    async with Client(server.endpoint.geturl()) as client:
        machine_type = client.get_node(ua.NodeId(1005, spaces.additive_manufacturing))
        assert (await machine_type.read_browse_name()).Name == "AdditiveManufacturingType"
        (parent,) = await machine_type.get_referenced_nodes(
            ua.ObjectIds.HasSubtype, ua.BrowseDirection.Inverse
        )
        assert (await parent.read_browse_name()).Name == "MachineToolType"
        machines = client.get_node(ua.NodeId(1001, spaces.machinery))
        (above,) = await machines.get_referenced_nodes(
            ua.ObjectIds.HierarchicalReferences, ua.BrowseDirection.Inverse
        )
        assert above == client.nodes.objects


async def test_references_lead_both_ways(server, spaces):
    aspace = server.iserver.aspace
    component = ua.NodeId(ua.ObjectIds.HasComponent)
    for index in vars(spaces).values():
        for node_id in list(aspace.keys()):
            if node_id.NamespaceIndex != index:
                continue
            for ref in aspace[node_id].references:
                if ref.ReferenceTypeId == component:
                    back = aspace[ref.NodeId].references
                    assert any(
                        b.NodeId == node_id and b.IsForward != ref.IsForward for b in back
                    ), (node_id, ref.NodeId)


async def test_structures_of_the_specifications_travel(server, client, spaces):
    running = ua.ISA95StateDataType(
        BrowsePath=ua.RelativePath(), StateText=ua.LocalizedText("Running"), StateNumber=3
    )
    run = ua.RunInfoDataType(CurrentLayer=17, Identifier="part 4", State=running)
    order = ua.ISA95JobOrderDataType(JobOrderID="J-1")
    for name, value in (("Run", run), ("Order", order)):
        node = await server.nodes.objects.add_variable(
            ua.NodeId(name, server.test_namespace), name, [value]
        )
        assert await client.get_node(node.nodeid).read_value() == [value]


async def test_machine_has_its_mandatory_members(server, spaces, instances):
    space = server.test_namespace
    made = instances.make(
        ua.NodeId(1001, spaces.machinery),
        ua.NodeId(1005, spaces.additive_manufacturing),
        ua.NodeId("PBF-01", space),
        ua.QualifiedName("PBF-01", space),
        optional=["Equipment/Feedstock", "Monitoring/Process"],
        reference=ua.ObjectIds.Organizes,
    )
    expected = {
        "Equipment/Feedstock",
        "Identification/AMTechnologyIdentifier",
        "Identification/SerialNumber",
        "Identification/ProductInstanceUri",
        "Monitoring/MachineTool/OperationMode",
        "Monitoring/Process",
        "Production/ActiveProgram/State/CurrentState/Id",
        "Notification",
    }
    assert expected <= made.keys()
    assert not any("<" in path for path in made)
    assert "Monitoring/Health" not in made
    node = server.get_node(made["Identification/AMTechnologyIdentifier"])
    assert (await node.read_browse_name()).NamespaceIndex == spaces.additive_manufacturing
    assert made["Identification/SerialNumber"].Identifier == "PBF-01.Identification.SerialNumber"


async def test_nested_optional_members_bring_their_parents(server, spaces, instances):
    space = server.test_namespace
    made = instances.make(
        server.nodes.objects.nodeid,
        ua.NodeId(ua.ObjectIds.ExclusiveLimitAlarmType),
        ua.NodeId("Alarm", space),
        ua.QualifiedName("Alarm", space),
        optional=["LimitState/LastTransition/TransitionTime"],
    )
    assert {"LimitState/LastTransition", "LimitState/LastTransition/TransitionTime"} <= made.keys()


@pytest.mark.parametrize(
    ("kind", "name", "optional", "message"),
    [
        (ua.ObjectIds.OffNormalAlarmType, "A", ["HighLimit"], "OffNormalAlarmType declares no"),
        (ua.ObjectIds.FolderType, "Twice", [], "exists already"),
    ],
)
async def test_impossible_instances_are_refused(server, instances, kind, name, optional, message):
    space = server.test_namespace
    if name == "Twice":
        await server.nodes.objects.add_folder(ua.NodeId(name, space), name)
    with pytest.raises(KeyError, match=message):
        instances.make(
            server.nodes.objects.nodeid,
            ua.NodeId(kind),
            ua.NodeId(name, space),
            ua.QualifiedName(name, space),
            optional=optional,
        )


async def test_variable_instance_takes_data_type_and_properties(server, instances):
    space = server.test_namespace
    made = instances.make(
        server.nodes.objects.nodeid,
        ua.NodeId(ua.ObjectIds.AnalogUnitType),
        ua.NodeId("Flow", space),
        ua.QualifiedName("Flow", space),
    )
    node = server.get_node(made[""])
    assert await node.read_node_class() == ua.NodeClass.Variable
    assert await node.read_data_type() == ua.NodeId(ua.ObjectIds.Number)
    assert "EngineeringUnits" in made

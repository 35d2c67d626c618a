"""Machines have every member that the published NodeSets demand, with a value."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from importlib.resources import files

import pytest
import pytest_asyncio
from asyncua import ua
from lxml import etree

from plc_interfaces.opcua.nodesets import COMPANIONS
from plc_interfaces.opcua.server import Endpoint
from tests.build_machine import BuildHost
from tests.opcua_machine import serving

pytestmark = pytest.mark.asyncio(loop_scope="module")

UA_URI = "http://opcfoundation.org/UA/"
AM_URI = COMPANIONS["additive_manufacturing"]
SET = "{http://opcfoundation.org/UA/2011/03/UANodeSet.xsd}"
AGGREGATES = {"i=47": 1, "i=46": 1, "i=49": 1, "i=35": 1, "i=17604": 1}
NodeKey = tuple[str, str]


@dataclass
class XmlNode:
    """A node of a NodeSet file."""

    name: NodeKey
    children: list[NodeKey] = field(default_factory=list)
    type: NodeKey | None = None
    base: NodeKey | None = None
    rule: str = ""
    data_type: NodeKey | None = None


def read_xml() -> dict[NodeKey, XmlNode]:
    """All nodes of the NodeSets by namespace and identifier, read without the server."""
    nodes: dict[NodeKey, XmlNode] = {}
    links: list[tuple[NodeKey, NodeKey]] = []
    for name in ("ns0", *COMPANIONS):
        data = (files("o6_nodeset_compiler") / "bundle" / f"{name}.xml.gz").read_bytes()
        root = etree.fromstring(gzip.decompress(data), etree.XMLParser(huge_tree=True))
        uris = [UA_URI, *(u.text for u in root.iterfind(f"{SET}NamespaceUris/{SET}Uri"))]
        aliases = {a.get("Alias"): a.text for a in root.iterfind(f"{SET}Aliases/{SET}Alias")}

        def key(text: str, aliases=aliases, uris=uris) -> NodeKey:  # type: ignore[no-untyped-def]
            text = aliases.get(text, text)
            if text.startswith("ns="):
                index, _, identifier = text[3:].partition(";")
                return uris[int(index)], identifier
            return UA_URI, text

        for element in root:
            if element.get("NodeId") is None:
                continue
            me = key(element.get("NodeId"))
            index, colon, leaf = element.get("BrowseName").partition(":")
            browse = (uris[int(index)], leaf) if colon else (UA_URI, element.get("BrowseName"))
            node = nodes[me] = XmlNode(browse)
            if element.tag == f"{SET}UAVariable":
                node.data_type = key(element.get("DataType", "i=24"))
            for ref in element.iterfind(f"{SET}References/{SET}Reference"):
                kind, target = key(ref.get("ReferenceType"))[1], key(ref.text)
                forward = ref.get("IsForward") != "false"
                if kind == "i=40":
                    node.type = target
                elif kind == "i=37":
                    node.rule = target[1]
                elif kind == "i=45" and not forward:
                    node.base = target
                elif kind in AGGREGATES:
                    links.append((me, target) if forward else (target, me))
    for parent, child in links:
        if parent in nodes and child not in nodes[parent].children:
            nodes[parent].children.append(child)
    return nodes


@pytest.fixture(scope="module")
def xml() -> dict[NodeKey, XmlNode]:
    return read_xml()


def lineage(xml: dict[NodeKey, XmlNode], type_: NodeKey | None) -> Iterator[NodeKey]:
    while type_ is not None and type_ in xml:
        yield type_
        type_ = xml[type_].base


def demanded(
    xml: dict[NodeKey, XmlNode], layers: list[NodeKey]
) -> dict[NodeKey, tuple[bool, list[NodeKey]]]:
    """Members declared by `layers`: browse name to (mandatory, declaring nodes and types)."""
    found: dict[NodeKey, tuple[bool, list[NodeKey]]] = {}
    for layer in layers:
        for child in xml[layer].children:
            node = xml.get(child)
            if node is None or node.rule not in ("i=78", "i=80"):
                continue
            mandatory, below = found.get(node.name, (False, []))
            below = [*below, child, *lineage(xml, node.type)]
            found[node.name] = (mandatory or node.rule == "i=78", below)
    return found


@pytest.fixture(scope="module")
def host() -> BuildHost:
    return BuildHost()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(
    tmp_path_factory: pytest.TempPathFactory, host: BuildHost
) -> AsyncIterator[Endpoint]:
    folder = tmp_path_factory.mktemp("security")
    async with serving(folder, host, BuildHost("AUX-01", technology="")) as running:
        yield running


class Space:
    """The server's address space by browse paths."""

    def __init__(self, server: Endpoint, uris: list[str]) -> None:
        self.nodes = server.server.iserver.aspace
        self.uris = uris

    def name(self, qualified: ua.QualifiedName) -> NodeKey:
        return self.uris[qualified.NamespaceIndex], qualified.Name

    def children(self, node: ua.NodeId) -> dict[NodeKey, ua.NodeId]:
        kinds = {int(k[2:]) for k in AGGREGATES}
        return {
            self.name(r.BrowseName): r.NodeId
            for r in self.nodes[node].references
            if r.IsForward and r.ReferenceTypeId.Identifier in kinds
        }

    def at(self, node: ua.NodeId, path: str) -> ua.NodeId:
        for step in path.split("/"):
            node = next(n for (_, name), n in self.children(node).items() if name == step)
        return node

    def value(self, node: ua.NodeId) -> ua.DataValue:
        return self.nodes.read_attribute_value(node, ua.AttributeIds.Value)

    def type_of(self, node: ua.NodeId) -> NodeKey | None:
        for ref in self.nodes[node].references:
            if ref.IsForward and ref.ReferenceTypeId == ua.NodeId(ua.ObjectIds.HasTypeDefinition):
                return self.uris[ref.NodeId.NamespaceIndex], f"i={ref.NodeId.Identifier}"
        return None

    def data_type(self, node: ua.NodeId) -> NodeKey:
        data_type = self.nodes.read_attribute_value(node, ua.AttributeIds.DataType).Value.Value
        return self.uris[data_type.NamespaceIndex], f"i={data_type.Identifier}"

    def is_variable(self, node: ua.NodeId) -> bool:
        node_class = self.nodes.read_attribute_value(node, ua.AttributeIds.NodeClass)
        return bool(node_class.Value.Value == ua.NodeClass.Variable)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def space(server: Endpoint) -> Space:
    return Space(server, await server.server.get_namespace_array())


def machine(space: Space, name: str) -> ua.NodeId:
    return ua.NodeId(f"Machines/{name}", space.uris.index(f"urn:amtwin:{name}"))


def faults(
    space: Space,
    xml: dict[NodeKey, XmlNode],
    node: ua.NodeId,
    layers: list[NodeKey],
    path: str,
    seen: set[ua.NodeId],
) -> Iterator[str]:
    """What is missing or has no value below `node`, which `layers` declare."""
    if node in seen:
        return
    seen.add(node)
    members = demanded(xml, layers)
    have = space.children(node)
    for name, (mandatory, below) in members.items():
        if mandatory and name not in have:
            yield f"{path}/{name[1]} is missing"
        if name in have:
            yield from faults(space, xml, have[name], below, f"{path}/{name[1]}", seen)
    for name, child in have.items():
        if name not in members:
            own = list(lineage(xml, space.type_of(child)))
            yield from faults(space, xml, child, own, f"{path}/{name[1]}", seen)
    if space.is_variable(node):
        declared = [xml[k].data_type for k in layers if xml[k].data_type is not None]
        own = space.data_type(node)
        if declared and declared[0] not in lineage(xml, own):
            yield f"{path} has data type {own}, not {declared[0]}"
        value = space.value(node)
        if value.Value is None or (value.Value.Value is None and not value.Value.is_array):
            yield f"{path} has no value"
        if value.StatusCode is not None and value.StatusCode.is_bad():
            yield f"{path} is {value.StatusCode.name}"


@pytest.mark.parametrize("name", ["BUILD-01", "AUX-01"])
async def test_every_mandatory_member_is_there_with_a_value(
    space: Space, xml: dict[NodeKey, XmlNode], name: str
) -> None:
    node = machine(space, name)
    own = list(lineage(xml, space.type_of(node)))
    seen: set[ua.NodeId] = set()
    assert list(faults(space, xml, node, own, name, seen)) == []
    assert len(seen) > 300


async def test_the_check_finds_what_is_missing(space: Space, xml: dict[NodeKey, XmlNode]) -> None:
    node = space.at(machine(space, "AUX-01"), "Gas")
    own = list(lineage(xml, (AM_URI, "i=1005")))
    found = list(faults(space, xml, node, own, "Gas", set()))
    assert "Gas/Production is missing" in found
    assert "Gas/Identification is missing" in found


async def test_a_build_machine_is_an_additive_manufacturing_machine(space: Space) -> None:
    node = machine(space, "BUILD-01")
    assert space.type_of(node) == (AM_URI, "i=1005")
    machines = ua.NodeId(1001, space.uris.index(COMPANIONS["machinery"]))
    assert node in [r.NodeId for r in space.nodes[machines].references if r.IsForward]
    for path, value in {
        "Identification/AMTechnologyIdentifier": "PBF",
        "Identification/DeviceClass": "Additive Manufacturing machine",
        "Identification/SerialNumber": "4711",
        "Identification/Manufacturer": ua.LocalizedText("amtwin"),
        "Equipment/Feedstock/Powder/Identifier": "LOT-7",
        "Equipment/Feedstock/Powder/RemainingQuantity": 42.5,
        "Equipment/Feedstock/Powder/Function": 1,
        "Monitoring/MachineTool/OperationMode": 1,
        "Monitoring/Process/ChamberOxygen/AnalogSignal": 500.0,
        "Monitoring/Process/ChamberOxygen/AnalogSignal/HighLimit": 1000.0,
        "Monitoring/Process/ChamberOxygen/Category": 2,
        "Monitoring/Health/FilterDifferentialPressure/AnalogSignal/HighLimit": 80.0,
        "Monitoring/Health/FilterDifferentialPressure/AnalogSignal/HighHighLimit": 100.0,
        "Monitoring/Stacklight/Lamp/SignalColor": 2,
        "Production/ActiveProgram/Name": "none",
        "Production/ActiveProgram/NumberInList": 1,
        "Production/ActiveProgram/State/CurrentState": ua.LocalizedText("Ended"),
        "Production/ActiveProgram/State/CurrentState/Number": 2,
        "MachineryBuildingBlocks/MachineryItemState/CurrentState": ua.LocalizedText("NotExecuting"),
        "MachineryBuildingBlocks/MachineryOperationMode/CurrentState": ua.LocalizedText(
            "Processing"
        ),
    }.items():
        shown = space.value(space.at(node, path))
        assert (path, shown.Value.Value) == (path, value)


async def test_units_of_process_values_are_unece(space: Space) -> None:
    signal = space.at(machine(space, "BUILD-01"), "Monitoring/Process/ChamberOxygen/AnalogSignal")
    units = space.value(space.at(signal, "EngineeringUnits")).Value.Value
    assert units.NamespaceUri == "http://www.opcfoundation.org/UA/units/un/cefact"
    assert units.UnitId == 13625  # "59", parts per million
    limits = space.value(space.at(signal, "EURange")).Value.Value
    assert (limits.Low, limits.High) == (0.0, 250_000.0)


async def test_both_trees_show_one_stored_value(space: Space, host: BuildHost) -> None:
    node = machine(space, "BUILD-01")
    own = ua.NodeId("BUILD-01.Gas.Oxygen", node.NamespaceIndex)
    member = space.at(node, "Monitoring/Process/ChamberOxygen/AnalogSignal")
    value = ua.AttributeIds.Value
    assert space.nodes[own].attributes[value] is space.nodes[member].attributes[value]


async def test_a_state_machine_follows_its_signal(
    space: Space, server: Endpoint, host: BuildHost
) -> None:
    node = machine(space, "BUILD-01")
    state = space.at(node, "Production/ActiveProgram/State/CurrentState")
    host.put("BuildMode.ProgramState", 1)
    host.step()
    await asyncio.sleep(0.1)
    assert space.value(state).Value.Value.Text == "Running"
    running = space.value(space.at(state, "Id")).Value.Value
    name = space.nodes.read_attribute_value(running, ua.AttributeIds.BrowseName)
    assert name.Value.Value.Name == "Running"

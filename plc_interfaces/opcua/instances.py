"""Make instances of OPC UA types: mandatory members, and of the optional ones those asked for."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from asyncua import ua
from asyncua.server.address_space import AddressSpace, AttributeValue, NodeData

__all__ = ["Instances", "link", "value_of"]

_HAS_SUBTYPE = ua.NodeId(ua.ObjectIds.HasSubtype)
_HAS_TYPE = ua.NodeId(ua.ObjectIds.HasTypeDefinition)
_HAS_RULE = ua.NodeId(ua.ObjectIds.HasModellingRule)
_HAS_INTERFACE = ua.NodeId(ua.ObjectIds.HasInterface)
_HAS_PROPERTY = ua.NodeId(ua.ObjectIds.HasProperty)
_MANDATORY = ua.NodeId(ua.ObjectIds.ModellingRule_Mandatory)
_PLACEHOLDERS = {
    ua.NodeId(ua.ObjectIds.ModellingRule_MandatoryPlaceholder),
    ua.NodeId(ua.ObjectIds.ModellingRule_OptionalPlaceholder),
}
_NO_RULE = ua.NodeId()
_Name = tuple[int, str]  # namespace index and name: a QualifiedName cannot be a key


def value_of(aspace: AddressSpace, node: ua.NodeId, attribute: ua.AttributeIds) -> object:
    """Return an attribute's plain value, None where there is none."""
    value = aspace.read_attribute_value(node, attribute).Value
    return value.Value if value is not None else None


def _targets(node: NodeData, reference: ua.NodeId, forward: bool = True) -> Iterator[ua.NodeId]:
    for ref in node.references:
        if ref.ReferenceTypeId == reference and ref.IsForward == forward:
            yield ref.NodeId


def _describe(node: NodeData, reference: ua.NodeId, forward: bool) -> ua.ReferenceDescription:
    attributes = node.attributes
    return ua.ReferenceDescription(
        ReferenceTypeId=reference,
        IsForward=forward,
        NodeId=node.nodeid,
        BrowseName=attributes[ua.AttributeIds.BrowseName].value.Value.Value,
        DisplayName=attributes[ua.AttributeIds.DisplayName].value.Value.Value,
        NodeClass=ua.NodeClass(attributes[ua.AttributeIds.NodeClass].value.Value.Value),
        TypeDefinition=next(_targets(node, _HAS_TYPE), ua.NodeId()),
    )


def link(aspace: AddressSpace, source: ua.NodeId, reference: ua.NodeId, target: ua.NodeId) -> None:
    """Add a reference and its inverse, unless it is there already. Raises KeyError for no node."""
    origin, end = aspace[source], aspace[target]
    if target not in _targets(origin, reference):
        origin.references.append(_describe(end, reference, True))
        end.references.append(_describe(origin, reference, False))


@dataclass
class _Member:
    """Declared member of a type, merged over the type's hierarchy."""

    node: NodeData
    reference: ua.NodeId
    rule: ua.NodeId
    members: dict[_Name, _Member] = field(default_factory=dict)


class Instances:
    """Instantiates types of one address space; what it learns of a type it keeps."""

    def __init__(self, aspace: AddressSpace) -> None:
        self._aspace = aspace
        self._types: dict[ua.NodeId, dict[_Name, _Member]] = {}
        self._hierarchical = self._subtypes(ua.NodeId(ua.ObjectIds.Aggregates))
        self._hierarchical |= self._subtypes(ua.NodeId(ua.ObjectIds.Organizes))

    def _subtypes(self, node: ua.NodeId) -> set[ua.NodeId]:
        found = {node}
        for child in _targets(self._aspace[node], _HAS_SUBTYPE):
            found |= self._subtypes(child)
        return found

    def make(
        self,
        parent: ua.NodeId,
        type_id: ua.NodeId,
        node_id: ua.NodeId,
        name: ua.QualifiedName,
        *,
        optional: Collection[str] = (),
        reference: int = ua.ObjectIds.HasComponent,
        display: str | None = None,
    ) -> dict[str, ua.NodeId]:
        """Make an instance of ``type_id`` under ``parent``; return its members' node ids by path.

        ``node_id`` has a string identifier; members append ``.<browse name>``. ``optional`` names
        optional members by path of browse names (``"ShelvingState/LastTransition"``); parents of
        a named path are made too. The instance itself has the path ``""``. Placeholders are
        never made: make their instances one by one. Raises KeyError when ``optional`` names a
        member the type does not have, or a node does not exist.
        """
        wanted = {path[:i] for path in optional for i in _ends(path)}
        prototype = self._aspace[type_id]
        kind = ua.NodeClass(prototype.attributes[ua.AttributeIds.NodeClass].value.Value.Value)
        top = NodeData(node_id)
        if kind == ua.NodeClass.VariableType:
            _set(top, _VARIABLE_DEFAULTS)
            for attribute in _FROM_VARIABLE_TYPE:
                if attribute in prototype.attributes:
                    known = prototype.attributes[attribute].value
                    top.attributes[attribute] = AttributeValue(known)
        else:
            _set(top, _OBJECT_DEFAULTS)
        text = ua.LocalizedText(display or name.Name)
        _set(top, {ua.AttributeIds.DisplayName: ua.Variant(text)})
        made: dict[str, ua.NodeId] = {}
        link_type = ua.NodeId(reference)
        self._insert(top, name, parent, link_type, type_id)
        made[""] = node_id
        self._fill(node_id, self.members(type_id), "", wanted, made)
        missing = wanted - made.keys()
        if missing:
            type_name = prototype.attributes[ua.AttributeIds.BrowseName].value.Value.Value.Name
            raise KeyError(f"{type_name} declares no member {', '.join(sorted(missing))}")
        return made

    def members(self, type_id: ua.NodeId) -> dict[_Name, _Member]:
        """Members declared by a type, its interfaces and its supertypes; the nearest wins."""
        known = self._types.get(type_id)
        if known is None:
            self._types[type_id] = known = {}  # a type may hold members of its own type
            node = self._aspace[type_id]
            for base in _targets(node, _HAS_SUBTYPE, forward=False):
                known.update(self.members(base))
            for interface in _targets(node, _HAS_INTERFACE):
                known.update(self.members(interface))
            self._declare(node, known)
        return known

    def _declare(self, node: NodeData, into: dict[_Name, _Member]) -> None:
        for ref in node.references:
            if not ref.IsForward or ref.ReferenceTypeId not in self._hierarchical:
                continue
            child = self._aspace.get(ref.NodeId)
            if child is None:
                continue
            rule = next(_targets(child, _HAS_RULE), _NO_RULE)
            is_method_property = ref.ReferenceTypeId == _HAS_PROPERTY and ref.BrowseName.Name in (
                "InputArguments",
                "OutputArguments",
            )
            if rule == _NO_RULE and not is_method_property:
                continue  # belongs to the type itself, such as the states of a state machine
            key = (ref.BrowseName.NamespaceIndex, ref.BrowseName.Name)
            inherited = into.get(key)
            member = _Member(child, ref.ReferenceTypeId, _MANDATORY if rule == _NO_RULE else rule)
            for type_id in _targets(child, _HAS_TYPE):
                member.members.update(self.members(type_id))
            if inherited is not None:
                member.members.update(inherited.members)
            self._declare(child, member.members)
            into[key] = member

    def _fill(
        self,
        owner: ua.NodeId,
        members: dict[_Name, _Member],
        prefix: str,
        wanted: set[str],
        made: dict[str, ua.NodeId],
    ) -> None:
        for (namespace, name), member in members.items():
            path = f"{prefix}{name}"
            if member.rule in _PLACEHOLDERS or (member.rule != _MANDATORY and path not in wanted):
                continue
            node = NodeData(ua.NodeId(f"{owner.Identifier}.{name}", owner.NamespaceIndex))
            for attribute, known in member.node.attributes.items():
                node.attributes[attribute] = AttributeValue(known.value)
            type_id = next(_targets(member.node, _HAS_TYPE), None)
            browse_name = ua.QualifiedName(name, namespace)
            self._insert(node, browse_name, owner, member.reference, type_id)
            made[path] = node.nodeid
            self._fill(node.nodeid, member.members, f"{path}/", wanted, made)

    def _insert(
        self,
        node: NodeData,
        name: ua.QualifiedName,
        parent: ua.NodeId,
        reference: ua.NodeId,
        type_id: ua.NodeId | None,
    ) -> None:
        if node.nodeid in self._aspace:
            raise KeyError(f"node id {node.nodeid.to_string()} exists already")
        node_id = ua.Variant(node.nodeid, ua.VariantType.NodeId)
        _set(node, {ua.AttributeIds.NodeId: node_id, ua.AttributeIds.BrowseName: ua.Variant(name)})
        self._aspace[node.nodeid] = node
        if type_id is not None:
            type_ref = _describe(self._aspace[type_id], _HAS_TYPE, True)
            node.references.append(type_ref)
        owner = self._aspace[parent]
        owner.references.append(_describe(node, reference, True))
        node.references.append(_describe(owner, reference, False))


def _ends(path: str) -> list[int]:
    return [i for i, char in enumerate(path) if char == "/"] + [len(path)]


def _set(node: NodeData, values: dict[ua.AttributeIds, ua.Variant]) -> None:
    for attribute, variant in values.items():
        node.attributes[attribute] = AttributeValue(ua.DataValue(variant))


_OBJECT_DEFAULTS = {
    ua.AttributeIds.NodeClass: ua.Variant(ua.NodeClass.Object, ua.VariantType.Int32),
    ua.AttributeIds.Description: ua.Variant(ua.LocalizedText("")),
    ua.AttributeIds.EventNotifier: ua.Variant(0, ua.VariantType.Byte),
    ua.AttributeIds.WriteMask: ua.Variant(0, ua.VariantType.UInt32),
    ua.AttributeIds.UserWriteMask: ua.Variant(0, ua.VariantType.UInt32),
}
_VARIABLE_DEFAULTS = {
    ua.AttributeIds.NodeClass: ua.Variant(ua.NodeClass.Variable, ua.VariantType.Int32),
    ua.AttributeIds.Description: ua.Variant(ua.LocalizedText("")),
    ua.AttributeIds.AccessLevel: ua.Variant(1, ua.VariantType.Byte),
    ua.AttributeIds.UserAccessLevel: ua.Variant(1, ua.VariantType.Byte),
    ua.AttributeIds.MinimumSamplingInterval: ua.Variant(0.0, ua.VariantType.Double),
    ua.AttributeIds.Historizing: ua.Variant(False),
    ua.AttributeIds.WriteMask: ua.Variant(0, ua.VariantType.UInt32),
    ua.AttributeIds.UserWriteMask: ua.Variant(0, ua.VariantType.UInt32),
    ua.AttributeIds.Value: ua.Variant(None),
}
_FROM_VARIABLE_TYPE = (
    ua.AttributeIds.DataType,
    ua.AttributeIds.ValueRank,
    ua.AttributeIds.ArrayDimensions,
)

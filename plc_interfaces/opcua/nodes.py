"""Adds nodes to a server's address space, also whole instances of the types that are loaded."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from asyncua import Server, ua
from asyncua.server.address_space import AttributeValue

from plc_interfaces.opcua.instances import Instances, link, value_of

__all__ = ["MethodCallback", "NodeBuilder"]

MethodCallback = Callable[..., Awaitable[Any]]

_HAS_SUBTYPE = ua.NodeId(ua.ObjectIds.HasSubtype)
_HAS_TYPE = ua.NodeId(ua.ObjectIds.HasTypeDefinition)
_HAS_COMPONENT = ua.NodeId(ua.ObjectIds.HasComponent)
_HAS_PROPERTY = ua.NodeId(ua.ObjectIds.HasProperty)
_PROPERTY_TYPE = ua.NodeId(ua.ObjectIds.PropertyType)
_LAST_BUILT_IN = ua.VariantType.DiagnosticInfo.value
_ABSTRACT = {
    ua.ObjectIds.Number: ua.VariantType.Double,
    ua.ObjectIds.Integer: ua.VariantType.Int32,
    ua.ObjectIds.UInteger: ua.VariantType.UInt32,
}
_ENCODED_AS = {
    **_ABSTRACT,
    ua.ObjectIds.Enumeration: ua.VariantType.Int32,
    ua.ObjectIds.Structure: ua.VariantType.ExtensionObject,
    ua.ObjectIds.BaseDataType: ua.VariantType.String,
}
_READ = 1 << ua.AccessLevel.CurrentRead.value
_WRITE = 1 << ua.AccessLevel.CurrentWrite.value
_NO_VALUE: dict[ua.VariantType, Any] = {
    ua.VariantType.Boolean: False,
    ua.VariantType.Float: 0.0,
    ua.VariantType.Double: 0.0,
    ua.VariantType.String: "",
    ua.VariantType.ByteString: b"",
    ua.VariantType.DateTime: datetime(1601, 1, 1, tzinfo=UTC),
    ua.VariantType.NodeId: ua.NodeId(),
    ua.VariantType.QualifiedName: ua.QualifiedName(),
    ua.VariantType.LocalizedText: ua.LocalizedText(""),
    ua.VariantType.StatusCode: ua.StatusCode(),
}


class NodeBuilder:
    """Adds nodes to the address space of a server that does not listen yet.

    Ids of the nodes made here are strings in `namespace`; a child's id is its parent's, a slash
    and its name.
    """

    def __init__(self, server: Server, namespace: int) -> None:
        self.namespace = namespace
        self._space = server.iserver.aspace
        self._service = server.iserver.node_mgt_service
        self._instances = Instances(self._space)
        self._now = datetime.now(UTC)

    def value_of(self, node: ua.NodeId, attribute: ua.AttributeIds) -> Any:
        """An attribute's value, None if the node lacks it."""
        return value_of(self._space, node, attribute)

    def has(self, node: ua.NodeId) -> bool:
        """Whether there is such a node."""
        return node in self._space

    def describe(self, node: ua.NodeId, text: str) -> None:
        """Set a node's description."""
        value = ua.DataValue(ua.Variant(ua.LocalizedText(text)))
        self._space[node].attributes[ua.AttributeIds.Description] = AttributeValue(value)

    def is_variable(self, node: ua.NodeId) -> bool:
        """Whether a node is a variable."""
        return bool(self.value_of(node, ua.AttributeIds.NodeClass) == ua.NodeClass.Variable)

    def children(self, node: ua.NodeId) -> Iterator[tuple[str, ua.NodeId, ua.NodeId]]:
        """Components and properties of a node: browse name, id and type definition."""
        for ref in self._space[node].references:
            if ref.IsForward and ref.ReferenceTypeId in (_HAS_COMPONENT, _HAS_PROPERTY):
                yield ref.BrowseName.Name, ref.NodeId, ref.TypeDefinition

    def types_of(self, node: ua.NodeId) -> Iterator[ua.NodeId]:
        """The type definition of a node and its supertypes, most derived first."""
        for ref in self._space[node].references:
            if ref.IsForward and ref.ReferenceTypeId == _HAS_TYPE:
                yield from self._lineage(ref.NodeId)

    def _lineage(self, type_: ua.NodeId) -> Iterator[ua.NodeId]:
        following: ua.NodeId | None = type_
        while following is not None and following in self._space:
            yield following
            following = next(
                (
                    r.NodeId
                    for r in self._space[following].references
                    if r.ReferenceTypeId == _HAS_SUBTYPE and not r.IsForward
                ),
                None,
            )

    def built_in(self, data_type: ua.NodeId) -> ua.VariantType:
        """How a value of the data type is encoded; a number of no certain type as Double."""
        for parent in self._lineage(data_type):
            if parent.NamespaceIndex == 0:
                if parent.Identifier in _ENCODED_AS:
                    return _ENCODED_AS[parent.Identifier]
                if parent.Identifier <= _LAST_BUILT_IN:
                    return ua.VariantType(parent.Identifier)
        raise ValueError(f"data type {data_type.to_string()} comes from no built-in type")

    def variant(self, data_type: ua.NodeId, value: Any, rank: int = -1) -> ua.Variant:
        """`value` encoded as the data type wants it; None gives its empty value."""
        kind = self.built_in(data_type)
        is_array = rank >= 0
        if value is None:
            value = [] if is_array else _NO_VALUE.get(kind, 0)
            if kind is ua.VariantType.ExtensionObject and not is_array:
                value = None
        elif kind is ua.VariantType.LocalizedText and isinstance(value, str):
            value = ua.LocalizedText(value)
        return ua.Variant(value, kind, is_array=is_array)

    def add(
        self,
        node: ua.NodeId,
        parent: ua.NodeId,
        name: ua.QualifiedName,
        attributes: Any,
        node_class: ua.NodeClass,
        type_: ua.NodeId | None,
        reference: ua.NodeId,
        description: str,
    ) -> ua.NodeId:
        """Add one node; ValueError naming it if the address space refuses it."""
        attributes.DisplayName = ua.LocalizedText(name.Name)
        attributes.Description = ua.LocalizedText(description)
        item = ua.AddNodesItem(
            RequestedNewNodeId=node,
            BrowseName=name,
            NodeClass=node_class,
            ParentNodeId=parent,
            ReferenceTypeId=reference,
            NodeAttributes=attributes,
            TypeDefinition=type_ or ua.NodeId(),
        )
        result = self._service.add_nodes([item])[0]
        if not result.StatusCode.is_good():
            raise ValueError(f"cannot add node {node.to_string()}: {result.StatusCode.name}")
        return node

    def below(self, parent: ua.NodeId, name: str) -> ua.NodeId:
        """Id of a child of `parent` in this builder's namespace."""
        return ua.NodeId(f"{parent.Identifier}/{name}", self.namespace)

    def add_object(
        self,
        parent: ua.NodeId,
        name: ua.QualifiedName,
        *,
        node: ua.NodeId | None = None,
        type_: ua.NodeId | None = None,
        reference: ua.NodeId = _HAS_COMPONENT,
        description: str = "",
    ) -> ua.NodeId:
        """Add an object, by itself."""
        attributes = ua.ObjectAttributes()
        return self.add(
            node or self.below(parent, name.Name),
            parent,
            name,
            attributes,
            ua.NodeClass.Object,
            type_ or ua.NodeId(ua.ObjectIds.BaseObjectType),
            reference,
            description,
        )

    def add_variable(
        self,
        parent: ua.NodeId,
        name: ua.QualifiedName,
        value: ua.DataValue | ua.Variant,
        data_type: ua.NodeId,
        *,
        node: ua.NodeId | None = None,
        type_: ua.NodeId | None = None,
        reference: ua.NodeId = _HAS_COMPONENT,
        description: str = "",
        writable: bool = False,
        rank: int | None = None,
    ) -> ua.NodeId:
        """Add a variable, by itself."""
        data_value = value if isinstance(value, ua.DataValue) else ua.DataValue(value)
        variant = data_value.Value or ua.Variant()
        access = _READ | (_WRITE if writable else 0)
        attributes = ua.VariableAttributes(
            Value=variant,
            DataType=data_type,
            ValueRank=rank if rank is not None else (1 if variant.is_array else -1),
            AccessLevel=access,
            UserAccessLevel=access,
        )
        made = self.add(
            node or self.below(parent, name.Name),
            parent,
            name,
            attributes,
            ua.NodeClass.Variable,
            type_ or ua.NodeId(ua.ObjectIds.BaseDataVariableType),
            reference,
            description,
        )
        if isinstance(value, ua.DataValue):
            self.attribute(made).value = value
        return made

    def add_property(
        self,
        parent: ua.NodeId,
        name: str | ua.QualifiedName,
        value: ua.Variant,
        data_type: int,
    ) -> ua.NodeId:
        """Add a property; a plain name is one of the standard's own."""
        return self.add_variable(
            parent,
            name if isinstance(name, ua.QualifiedName) else ua.QualifiedName(name, 0),
            value,
            ua.NodeId(data_type),
            type_=_PROPERTY_TYPE,
            reference=_HAS_PROPERTY,
        )

    def add_method(
        self,
        parent: ua.NodeId,
        name: ua.QualifiedName,
        callback: MethodCallback,
        inputs: Iterable[ua.Argument] = (),
        outputs: Iterable[ua.Argument] = (),
        *,
        node: ua.NodeId | None = None,
        description: str = "",
    ) -> ua.NodeId:
        """Add a method; `callback` gets the object's node id and a variant per argument."""
        attributes = ua.MethodAttributes(Executable=True, UserExecutable=True)
        made = self.add(
            node or self.below(parent, name.Name),
            parent,
            name,
            attributes,
            ua.NodeClass.Method,
            None,
            _HAS_COMPONENT,
            description,
        )
        for which, arguments in (("InputArguments", inputs), ("OutputArguments", outputs)):
            row = list(arguments)
            if row:
                value = ua.Variant(row, ua.VariantType.ExtensionObject, is_array=True)
                self.add_property(made, which, value, ua.ObjectIds.Argument)
        self.on_call(made, callback)
        return made

    def on_call(self, method: ua.NodeId, callback: MethodCallback) -> None:
        """Say what a method does."""
        self._space.add_method_callback(method, callback)

    def refer(self, source: ua.NodeId, reference: int, target: ua.NodeId) -> None:
        """Add a reference in both directions."""
        link(self._space, source, ua.NodeId(reference), target)

    def attribute(self, node: ua.NodeId) -> AttributeValue:
        """The stored value of a variable."""
        return self._space[node].attributes[ua.AttributeIds.Value]

    def replace_attribute(
        self, node: ua.NodeId, make: Callable[[ua.DataValue], AttributeValue]
    ) -> None:
        """Keep a variable's value in another kind of store."""
        attributes = self._space[node].attributes
        value = attributes[ua.AttributeIds.Value].value
        if value is not None:
            attributes[ua.AttributeIds.Value] = make(value)

    def share(self, source: ua.NodeId, alias: ua.NodeId) -> None:
        """Let `alias` show the value of `source` from now on: one stored value with two names."""
        self._space[alias].attributes[ua.AttributeIds.Value] = self.attribute(source)

    def set_value(self, node: ua.NodeId, value: Any, status: int = ua.StatusCodes.Good) -> None:
        """Give a variable a value as its data type wants it; None gives the empty one."""
        declared = self.value_of(node, ua.AttributeIds.ValueRank)
        rank = -1 if declared is None or declared < -1 else int(declared)
        data_type = self.value_of(node, ua.AttributeIds.DataType)
        self.attribute(node).value = ua.DataValue(
            self.variant(data_type, value, rank),
            ua.StatusCode(status),
            SourceTimestamp=self._now,
            ServerTimestamp=self._now,
        )

    def instantiate(
        self,
        type_: ua.NodeId,
        parent: ua.NodeId,
        name: ua.QualifiedName,
        values: Mapping[str, Any],
        *,
        node: ua.NodeId | None = None,
        reference: int = ua.ObjectIds.HasComponent,
    ) -> dict[str, ua.NodeId]:
        """Add an instance of an object type; returns its members' ids by path.

        Every mandatory member comes into being, and every optional one that is named in `values`
        by its path: browse names below the instance, joined by slashes, namespaces left out. The
        value of a path is the variable's; None is the empty one, and all there is for objects
        and methods. KeyError names what the type does not have.
        """
        made = self._instances.make(
            parent,
            type_,
            node or self.below(parent, name.Name),
            name,
            optional=list(values),
            reference=reference,
        )
        for path, member in made.items():
            if self.is_variable(member):
                self._finish(member, values.get(path))
        return made

    def _finish(self, node: ua.NodeId, value: Any) -> None:
        """Make a declared variable one of a certain data type, read-only, and with a value."""
        attributes = self._space[node].attributes
        data_type = self.value_of(node, ua.AttributeIds.DataType)
        if data_type.NamespaceIndex == 0 and data_type.Identifier in _ABSTRACT:
            concrete = ua.NodeId(_ABSTRACT[data_type.Identifier].value)
            attributes[ua.AttributeIds.DataType] = AttributeValue(
                ua.DataValue(ua.Variant(concrete, ua.VariantType.NodeId))
            )
        rank = self.value_of(node, ua.AttributeIds.ValueRank)
        if rank is not None and rank < -1:
            scalar = ua.Variant(-1, ua.VariantType.Int32)
            attributes[ua.AttributeIds.ValueRank] = AttributeValue(ua.DataValue(scalar))
        for access in (ua.AttributeIds.AccessLevel, ua.AttributeIds.UserAccessLevel):
            level = ua.Variant(_READ, ua.VariantType.Byte)
            attributes[access] = AttributeValue(ua.DataValue(level))
        if value is not None or self.value_of(node, ua.AttributeIds.Value) is None:
            self.set_value(node, value)

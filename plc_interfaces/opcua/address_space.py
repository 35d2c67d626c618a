"""A machine's signals as OPC UA nodes: one variable per signal, one method per command."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from asyncua import Server, ua
from asyncua.server.address_space import AttributeValue

from plc_interfaces.host import Host, role_to_write
from plc_interfaces.opcua.nodes import MethodCallback, NodeBuilder
from twin.image import Frame, Quality
from twin.signals import Kind, Signal, Value
from twin.units import Unit

__all__ = [
    "TRAINEE_KINDS",
    "TYPES_URI",
    "UNECE_URI",
    "MachineNodes",
    "add_signals",
    "argument",
    "component",
    "data_value",
    "engineering_units",
    "make_types",
    "variant",
]

TYPES_URI = "urn:amtwin:types"
UNECE_URI = "http://www.opcfoundation.org/UA/units/un/cefact"

TRAINEE_KINDS = frozenset(Kind) - {Kind.FAULT, Kind.ALARM}
"""What everybody's address space shows; alarms are conditions, made elsewhere."""

_STATUS = {
    Quality.GOOD: ua.StatusCode(ua.StatusCodes.Good),
    Quality.UNCERTAIN: ua.StatusCode(ua.StatusCodes.UncertainSensorNotAccurate),
    Quality.BAD: ua.StatusCode(ua.StatusCodes.BadSensorFailure),
}
_NOTHING = ua.Variant(None, ua.VariantType.Null)
_INT32 = 2**31
_ARGUMENT_TYPES = {
    bool: ua.ObjectIds.Boolean,
    int: ua.ObjectIds.Int32,
    float: ua.ObjectIds.Double,
    str: ua.ObjectIds.String,
}


class Sampled(AttributeValue):  # type: ignore[misc]
    """A signal's stored value, which was sampled again in the newest scan though it is the same.

    Only changes are stored; the time stamp of what is read is nevertheless the newest scan's.
    """

    _value: ua.DataValue | None

    def __init__(self, value: ua.DataValue, newest: Callable[[], datetime]) -> None:
        self._newest = newest
        super().__init__(value)

    @property
    def value(self) -> ua.DataValue | None:
        """What a client reads."""
        stamp = self._newest()
        if self._value is not None and self._value.SourceTimestamp != stamp:
            now = datetime.now(UTC)
            self._value = replace(self._value, SourceTimestamp=stamp, ServerTimestamp=now)
        return self._value

    @value.setter
    def value(self, value: ua.DataValue | None) -> None:
        self._value = value


@dataclass
class MachineNodes:
    """Where a machine's signals are in an address space."""

    host: Host
    machine: ua.NodeId
    variables: dict[int, ua.NodeId] = field(default_factory=dict)
    """Variable of a signal by its index in the table."""
    writable: dict[ua.NodeId, Signal] = field(default_factory=dict)
    derived: dict[int, list[tuple[ua.NodeId, Callable[[Any], ua.Variant]]]] = field(
        default_factory=dict
    )
    """Further variables that follow from a signal's value in another form."""
    kinds: dict[int, ua.VariantType] = field(default_factory=dict)
    stamp: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    """Source time of the newest scan that was published."""

    def values(
        self, frame: Frame, indices: Collection[int]
    ) -> Iterator[tuple[ua.NodeId, ua.DataValue]]:
        """The variables that show the signals of `indices`, and what they show in `frame`."""
        source = self.stamp = datetime.fromtimestamp(frame.stamp, UTC)
        server = datetime.now(UTC)
        for i in indices:
            node = self.variables.get(i)
            if node is None:
                continue
            value = frame.values[i]
            status = _STATUS[Quality(frame.quality[i])]
            is_bad = frame.quality[i] == Quality.BAD
            shown = _NOTHING if is_bad else variant(self.kinds[i], value)
            yield node, ua.DataValue(shown, status, SourceTimestamp=source, ServerTimestamp=server)
            for other, convert in self.derived.get(i, ()):
                yield (
                    other,
                    ua.DataValue(
                        _NOTHING if is_bad else convert(value),
                        status,
                        SourceTimestamp=source,
                        ServerTimestamp=server,
                    ),
                )


def variant(kind: ua.VariantType, value: Value) -> ua.Variant:
    """A signal's value as OPC UA encodes it."""
    if isinstance(value, tuple):
        return ua.Variant(list(value), kind, is_array=True)
    return ua.Variant(value, kind)


def data_value(kind: ua.VariantType, value: Value, stamp: float) -> ua.DataValue:
    """A good value of one signal; `stamp` in POSIX s."""
    return ua.DataValue(
        variant(kind, value),
        _STATUS[Quality.GOOD],
        SourceTimestamp=datetime.fromtimestamp(stamp, UTC),
        ServerTimestamp=datetime.now(UTC),
    )


def engineering_units(unit: Unit) -> ua.EUInformation:
    """The unit as OPC 10000-8 (5.6.3) describes it, by its UNECE code."""
    text = unit.symbol or "1"
    return ua.EUInformation(
        NamespaceUri=UNECE_URI if unit.code else TYPES_URI,
        UnitId=unit.unit_id,
        DisplayName=ua.LocalizedText(text),
        Description=ua.LocalizedText(text),
    )


def variant_type(signal: Signal) -> ua.VariantType:
    """The built-in type of a signal's values."""
    if signal.type is int:
        if signal.choices:
            return ua.VariantType.UInt32  # MultiStateDiscreteType asks for a UInteger
        reach = max(abs(signal.low or 0), abs(signal.high or 0))
        return ua.VariantType.Int32 if reach < _INT32 else ua.VariantType.Int64
    return {
        bool: ua.VariantType.Boolean,
        float: ua.VariantType.Double,
        tuple: ua.VariantType.Double,
        str: ua.VariantType.String,
        bytes: ua.VariantType.ByteString,
    }[signal.type]


def argument(name: str, type_: type, description: str = "") -> ua.Argument:
    """A method's argument of a Python type."""
    return ua.Argument(
        Name=name,
        DataType=ua.NodeId(_ARGUMENT_TYPES[type_]),
        ValueRank=-1,
        Description=ua.LocalizedText(description),
    )


async def make_types(server: Server) -> int:
    """Add this project's own types; returns the index of their namespace."""
    namespace = int(await server.register_namespace(TYPES_URI))
    builder = NodeBuilder(server, namespace)
    builder.add(
        ua.NodeId("ComponentType", namespace),
        ua.NodeId(ua.ObjectIds.BaseObjectType),
        ua.QualifiedName("ComponentType", namespace),
        ua.ObjectTypeAttributes(IsAbstract=False),
        ua.NodeClass.ObjectType,
        None,
        ua.NodeId(ua.ObjectIds.HasSubtype),
        "Part of a machine; its variables and methods carry a SignalKind.",
    )
    return namespace


def add_signals(
    builder: NodeBuilder,
    host: Host,
    machine: ua.NodeId,
    types: int,
    on_command: Callable[[Signal], MethodCallback],
    kinds: Collection[Kind] = TRAINEE_KINDS,
    can_write: Callable[[Signal], bool] | None = None,
) -> MachineNodes:
    """Add the host's signals of `kinds` below its machine object.

    A signal's id is ``s=<MACHINE>.<path>`` in the machine's namespace. `on_command` gives what a
    command's method does; `can_write` says which variables are writable (by default those that
    some role may write over a wire).
    """
    nodes = MachineNodes(host, machine)
    frame = host.frame()
    name = host.identity.name
    for i, (path, signal) in enumerate(host.table.items()):
        if signal.kind not in kinds:
            continue
        prefix, _, leaf = path.rpartition(".")
        parent = component(builder, host, machine, prefix, types)
        node = ua.NodeId(f"{name}.{path}", builder.namespace)
        browse_name = ua.QualifiedName(leaf, builder.namespace)
        if signal.kind is Kind.COMMAND:
            builder.add_method(
                parent,
                browse_name,
                on_command(signal),
                [argument(a, t) for a, t in signal.arguments.items()],
                [argument("Answer", str, "what the machine says to it")],
                node=node,
                description=signal.doc,
            )
        else:
            writable = (
                can_write(signal)
                if can_write is not None
                else role_to_write(signal, host.external_control) is not None
            )
            _add_variable(builder, nodes, i, signal, parent, node, browse_name, writable, frame)
        kind = ua.Variant(signal.kind.value, ua.VariantType.String)
        builder.add_property(node, ua.QualifiedName("SignalKind", types), kind, ua.ObjectIds.String)
    return nodes


def component(
    builder: NodeBuilder, host: Host, machine: ua.NodeId, path: str, types: int
) -> ua.NodeId:
    """The object of a component below its machine's; it and those above it are added if missing."""
    if not path:
        return machine
    node = ua.NodeId(f"{host.identity.name}.{path}", builder.namespace)
    if builder.has(node):
        return node
    prefix, _, leaf = path.rpartition(".")
    parent = component(builder, host, machine, prefix, types)
    own = next((o for p, o in host.table.owners.items() if p.rpartition(".")[0] == path), None)
    return builder.add_object(
        parent,
        ua.QualifiedName(leaf, builder.namespace),
        node=node,
        type_=ua.NodeId("ComponentType", types),
        description=(type(own).__doc__ or "").partition("\n")[0] if own is not None else "",
    )


def _add_variable(
    builder: NodeBuilder,
    nodes: MachineNodes,
    index: int,
    signal: Signal,
    parent: ua.NodeId,
    node: ua.NodeId,
    name: ua.QualifiedName,
    writable: bool,
    frame: Frame,
) -> None:
    kind = variant_type(signal)
    has_range = signal.low is not None and signal.high is not None and not signal.choices
    is_float = signal.type in (float, tuple)
    if signal.choices:
        type_ = ua.ObjectIds.MultiStateDiscreteType
    elif is_float:
        type_ = ua.ObjectIds.AnalogUnitRangeType if has_range else ua.ObjectIds.AnalogUnitType
    elif has_range:
        type_ = ua.ObjectIds.AnalogItemType
    else:
        type_ = ua.ObjectIds.BaseDataVariableType
    builder.add_variable(
        parent,
        name,
        data_value(kind, signal.start if signal.type is not tuple else (), frame.stamp),
        ua.NodeId(kind.value),
        node=node,
        type_=ua.NodeId(type_),
        description=signal.doc,
        writable=writable,
    )
    builder.replace_attribute(node, lambda value: Sampled(value, lambda: nodes.stamp))
    nodes.variables[index] = node
    nodes.kinds[index] = kind
    if writable:
        nodes.writable[node] = signal
    if is_float:
        units = ua.Variant(engineering_units(signal.unit), ua.VariantType.ExtensionObject)
        builder.add_property(node, "EngineeringUnits", units, ua.ObjectIds.EUInformation)
    if has_range:
        limits = ua.Range(Low=float(signal.low or 0), High=float(signal.high or 0))
        builder.add_property(
            node, "EURange", ua.Variant(limits, ua.VariantType.ExtensionObject), ua.ObjectIds.Range
        )
    if signal.choices:
        texts = ua.Variant(
            [ua.LocalizedText(c) for c in signal.choices],
            ua.VariantType.LocalizedText,
            is_array=True,
        )
        builder.add_property(node, "EnumStrings", texts, ua.ObjectIds.LocalizedText)
    if signal.type is str:
        length = ua.Variant(signal.length, ua.VariantType.UInt32)
        builder.add_property(node, "MaxStringLength", length, ua.ObjectIds.UInt32)

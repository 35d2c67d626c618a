"""Machines as the OPC UA companion specifications want to see them, bound to signals.

A build machine is an instance of AdditiveManufacturingType (OPC 40540), any other machine one of
Machinery's building blocks (OPC 40001-1); both stand under ``Machines``. A signal's `companion`
is the browse path, below the machine, of the member that shows its value. Members have browse
names and types of their own, so each is a variable; where the data types agree it shares the
stored value of the signal's variable, else it is converted whenever that changes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from asyncua import ua

from plc_interfaces.host import Host
from plc_interfaces.opcua.address_space import MachineNodes, engineering_units
from plc_interfaces.opcua.nodes import NodeBuilder
from plc_interfaces.opcua.nodesets import Namespaces
from twin.signals import Kind, Signal

__all__ = [
    "JOBS",
    "JOB_METHODS",
    "Machine",
    "add_machine",
    "bind",
    "follow_state",
    "machines_folder",
]

_AM_TYPE, _AM_PROCESS_VALUE, _FEEDSTOCK = 1005, 1002, 1000
_MACHINE_IDENTIFICATION, _MONITORING, _ITEM_STATE, _OPERATION_MODE = 1012, 1014, 1002, 1008
_MACHINES, _PROCESS_VALUE, _JOB_MANAGEMENT, _LIGHT = 1001, 1003, 1003, 1006
_CATEGORY = {"Process": 2, "Health": 0}
"""SensorCategory (OPC 40540, 10.4): ProcessMonitoring, MachineHealth."""
_BLOCKS = "MachineryBuildingBlocks"
JOBS = f"{_BLOCKS}/JobManagement"
JOB_METHODS = (
    "Store StoreAndStart Start Stop Pause Resume Update Abort Cancel Clear RevokeStart".split()
)
_STATE_MACHINES = (
    f"{_BLOCKS}/MachineryItemState",
    f"{_BLOCKS}/MachineryOperationMode",
    "Production/ActiveProgram/State",
)
_STATE_TYPES = {ua.NodeId(ua.ObjectIds.StateType), ua.NodeId(ua.ObjectIds.InitialStateType)}
_OF_MACHINE_TOOLS = ("Equipment/", "Production/", "Monitoring/MachineTool/")
"""Members that only a machine tool has, of which a build machine is one."""
_OTHER_MODE = 5
"""MachineOperationMode Other (OPC 40501-1): what is shown while nothing says the mode."""


@dataclass
class Machine:
    """A machine object and its companion members by browse path."""

    node: ua.NodeId
    members: dict[str, ua.NodeId] = field(default_factory=dict)

    @property
    def notifier(self) -> ua.NodeId:
        """The object whose events are the machine's messages."""
        return self.members.get("Notification/Messages", self.node)


@dataclass
class _Wanted:
    """What the signals of a machine ask of the companion specification."""

    values: dict[str, Any] = field(default_factory=dict)
    direct: dict[str, Signal] = field(default_factory=dict)
    process: dict[str, Signal] = field(default_factory=dict)
    groups: dict[str, dict[str, Signal]] = field(default_factory=dict)
    """Instances of placeholders: feedstock lots and lamps, with their members."""


def _sort(host: Host) -> _Wanted:
    wanted = _Wanted()
    for signal in host.table.values():
        path = signal.companion
        if not path or signal.kind in (Kind.COMMAND, Kind.ALARM, Kind.FAULT):
            continue
        if not host.identity.technology and path.startswith(_OF_MACHINE_TOOLS):
            continue
        steps = path.split("/")
        if steps[0] == "Stacklight":
            steps.insert(0, "Monitoring")
        match steps:
            case ["Monitoring", "Process" | "Health", _]:
                wanted.process[path] = signal
                wanted.values["/".join(steps[:2])] = None
            case ["Equipment", "Feedstock", _, _] | ["Monitoring", "Stacklight", _, _]:
                wanted.groups.setdefault("/".join(steps[:3]), {})[steps[3]] = signal
                wanted.values["/".join(steps[:2])] = None
            case _:
                wanted.direct["/".join(steps)] = signal
                wanted.values["/".join(steps)] = None
    for path in _STATE_MACHINES:
        if path in wanted.direct:
            wanted.values[f"{path}/CurrentState/Number"] = None
    if "Job.Store" in host.table:
        for method in JOB_METHODS:
            wanted.values[f"{JOBS}/JobOrderControl/{method}"] = None
        wanted.values[f"{JOBS}/JobOrderResults/JobOrderResponseList"] = None
    return wanted


def _identification(host: Host) -> dict[str, Any]:
    identity = host.identity
    return {
        "Manufacturer": identity.manufacturer,
        "ManufacturerUri": f"urn:{identity.manufacturer}",
        "Model": identity.model,
        "SerialNumber": identity.serial,
        "ProductInstanceUri": f"urn:{identity.manufacturer}:{identity.machine}:{identity.serial}",
        "SoftwareRevision": identity.software,
        "ComponentName": identity.name,
        "Location": identity.location,
    }


def machines_folder(namespaces: Namespaces) -> ua.NodeId:
    """The object under which all machines of a server are found."""
    return ua.NodeId(_MACHINES, namespaces.machinery)


def add_machine(builder: NodeBuilder, namespaces: Namespaces, host: Host) -> Machine:
    """Add the machine object with every member it must have and those its signals speak of.

    KeyError names the signal's member that the companion specification does not have.
    """
    wanted = _sort(host)
    parent = machines_folder(namespaces)
    name = ua.QualifiedName(host.identity.name, builder.namespace)
    node = ua.NodeId(f"Machines/{host.identity.name}", builder.namespace)
    identification = _identification(host)
    if host.identity.technology:
        values = wanted.values | {f"Identification/{k}": v for k, v in identification.items()}
        values |= {
            "Identification/AMTechnologyIdentifier": host.identity.technology,
            "Identification/DeviceClass": "Additive Manufacturing machine",
            "Notification/Messages": None,
            _BLOCKS: None,
        }
        members = builder.instantiate(
            ua.NodeId(_AM_TYPE, namespaces.additive_manufacturing),
            parent,
            name,
            values,
            node=node,
            reference=ua.ObjectIds.Organizes,
        )
    else:
        members = _add_building_blocks(
            builder, namespaces, parent, name, node, identification, wanted
        )
    builder.refer(members[_BLOCKS], ua.ObjectIds.HasAddIn, members["Identification"])
    for path, member in members.items():
        if path.startswith(("Monitoring/", "Production/")) and builder.is_variable(member):
            builder.set_value(member, None, ua.StatusCodes.UncertainInitialValue)
    mode = members.get("Monitoring/MachineTool/OperationMode")
    if mode is not None:
        builder.set_value(mode, _OTHER_MODE, ua.StatusCodes.UncertainInitialValue)
    return Machine(node, members)


def _add_building_blocks(
    builder: NodeBuilder,
    namespaces: Namespaces,
    parent: ua.NodeId,
    name: ua.QualifiedName,
    node: ua.NodeId,
    identification: Mapping[str, Any],
    wanted: _Wanted,
) -> dict[str, ua.NodeId]:
    """A machine that builds nothing: what Machinery, ProcessValues and Jobs say of it."""
    builder.add_object(parent, name, node=node, reference=ua.NodeId(ua.ObjectIds.Organizes))
    members = {"": node}
    blocks: dict[str, tuple[int, int, int]] = {
        "Identification": (_MACHINE_IDENTIFICATION, namespaces.machinery, namespaces.di),
        _BLOCKS: (ua.ObjectIds.FolderType, 0, namespaces.machinery),
        "Monitoring": (_MONITORING, namespaces.machinery, namespaces.machinery),
        f"{_BLOCKS}/MachineryItemState": (_ITEM_STATE, namespaces.machinery, namespaces.machinery),
        f"{_BLOCKS}/MachineryOperationMode": (
            _OPERATION_MODE,
            namespaces.machinery,
            namespaces.machinery,
        ),
        JOBS: (_JOB_MANAGEMENT, namespaces.jobs, namespaces.jobs),
    }
    values = {f"Identification/{k}": v for k, v in identification.items()} | wanted.values
    for path, (type_, type_namespace, own) in blocks.items():
        below = {p[len(path) + 1 :]: v for p, v in values.items() if p.startswith(path + "/")}
        if path == _BLOCKS:
            below = {}
        elif not below and path not in values:
            continue
        above, _, leaf = path.rpartition("/")
        made = builder.instantiate(
            ua.NodeId(type_, type_namespace),
            members[above],
            ua.QualifiedName(leaf, own),
            below,
            node=ua.NodeId(f"{node.Identifier}.{path.replace('/', '.')}", builder.namespace),
            reference=ua.ObjectIds.HasAddIn,
        )
        members |= {f"{path}/{p}".rstrip("/"): n for p, n in made.items()}
    missing = [p for p in wanted.values if p not in members]
    if missing:
        raise KeyError(f"Machinery has no {', '.join(sorted(missing))}")
    return members


def bind(
    builder: NodeBuilder, namespaces: Namespaces, host: Host, machine: Machine, nodes: MachineNodes
) -> None:
    """Let the companion members show their signals; ValueError for a type they cannot have."""
    wanted = _sort(host)
    for path, signal in wanted.process.items():
        _add_process_value(builder, namespaces, host, machine, nodes, path, signal)
    for path, signals in wanted.groups.items():
        _add_group(builder, namespaces, machine, path, signals)
        for member, signal in signals.items():
            _show(builder, host, nodes, signal, machine.members[f"{path}/{member}"])
    for path, signal in wanted.direct.items():
        if path in _STATE_MACHINES:
            follow_state(builder, host, nodes, signal, machine.members, path)
        else:
            _show(builder, host, nodes, signal, machine.members[path])
    for path in _STATE_MACHINES:
        if path in machine.members and path not in wanted.direct:
            state = machine.members[f"{path}/CurrentState"]
            name, node = _state_values(builder, machine.members[path])(0)
            unknown = ua.StatusCodes.UncertainInitialValue
            builder.set_value(state, name, unknown)
            builder.set_value(machine.members[f"{path}/CurrentState/Id"], node, unknown)


def _show(
    builder: NodeBuilder, host: Host, nodes: MachineNodes, signal: Signal, member: ua.NodeId
) -> None:
    index = host.table.index[signal.path]
    variable = nodes.variables[index]
    kind = builder.built_in(builder.value_of(member, ua.AttributeIds.DataType))
    if kind is nodes.kinds[index]:
        builder.share(variable, member)
    else:
        nodes.derived.setdefault(index, []).append((member, _converter(signal, kind)))
    builder.refer(member, ua.ObjectIds.RepresentsSameEntityAs, variable)


def _converter(signal: Signal, kind: ua.VariantType) -> Callable[[Any], ua.Variant]:
    types = ua.VariantType
    if kind in (types.Double, types.Float):
        cast: Callable[[Any], Any] = float
    elif types.SByte.value <= kind.value <= types.UInt64.value:
        lowest = 0 if kind.name.startswith("U") or kind is types.Byte else -sys.maxsize
        cast = lambda value: max(int(value), lowest)  # noqa: E731
    elif kind is types.LocalizedText:
        cast = lambda value: ua.LocalizedText(str(value))  # noqa: E731
    elif kind is types.String:
        cast = str
    elif kind is types.Boolean:
        cast = bool
    else:
        raise ValueError(f"{signal.path} cannot be shown as {signal.companion}: {kind.name}")
    if signal.type in (tuple, bytes) or (signal.type is str and cast in (float, bool)):
        raise ValueError(f"{signal.path} cannot be shown as {signal.companion}: {kind.name}")
    return lambda value: ua.Variant(cast(value), kind)


# --- state machines ---


def _state_values(
    builder: NodeBuilder, machine: ua.NodeId
) -> Callable[[Any], tuple[ua.LocalizedText, ua.NodeId]]:
    """Name and node of a state by its StateNumber, after the state machine's type."""
    states: dict[int, tuple[ua.LocalizedText, ua.NodeId]] = {}
    for type_ in builder.types_of(machine):
        for name, node, declared in builder.children(type_):
            if declared in _STATE_TYPES:
                for what, number, _ in builder.children(node):
                    if what == "StateNumber":
                        value = builder.value_of(number, ua.AttributeIds.Value)
                        states.setdefault(int(value), (ua.LocalizedText(name), node))
    unknown = (ua.LocalizedText(""), ua.NodeId())
    return lambda value: states.get(int(value), unknown)


def follow_state(
    builder: NodeBuilder,
    host: Host,
    nodes: MachineNodes,
    signal: Signal,
    members: Mapping[str, ua.NodeId],
    path: str,
) -> None:
    """Let the state machine at `path` be in the state whose StateNumber the signal gives."""
    find = _state_values(builder, members[path])
    state = members[f"{path}/CurrentState"]
    types = ua.VariantType
    index = host.table.index[signal.path]
    builder.refer(state, ua.ObjectIds.RepresentsSameEntityAs, nodes.variables[index])
    rows = nodes.derived.setdefault(index, [])
    rows.append((state, lambda value: ua.Variant(find(value)[0], types.LocalizedText)))
    id_ = members[f"{path}/CurrentState/Id"]
    rows.append((id_, lambda value: ua.Variant(find(value)[1], types.NodeId)))
    number = members.get(f"{path}/CurrentState/Number")
    if number is not None:
        rows.append((number, lambda value: ua.Variant(int(value), types.UInt32)))


# --- process values, feedstock, lamps ---


def _limits(host: Host, signal: Signal) -> dict[str, float | str]:
    """Limits of the alarms on a signal by the name that ProcessValueVariableType gives them."""
    found: dict[str, float | str] = {}
    for side, is_outer in (("high", max), ("low", min)):
        limits: list[tuple[float, float | str]] = []
        for definition in host.alarms.values():
            limit = getattr(definition, side)
            if definition.source == signal.path and limit is not None:
                start = host.table[limit].start if isinstance(limit, str) else limit
                limits.append((float(start), limit))  # type: ignore[arg-type]
        name = side.capitalize()
        if limits:
            outer = is_outer(limits, key=lambda pair: pair[0])
            inner = (min if side == "high" else max)(limits, key=lambda pair: pair[0])
            found[f"{name}Limit"] = inner[1]
            if outer[0] != inner[0]:
                found[f"{name}{name}Limit"] = outer[1]
    return found


def _add_process_value(
    builder: NodeBuilder,
    namespaces: Namespaces,
    host: Host,
    machine: Machine,
    nodes: MachineNodes,
    path: str,
    signal: Signal,
) -> None:
    folder, _, name = path.rpartition("/")
    if signal.type not in (float, int):
        raise ValueError(f"{signal.path} is no number and cannot be the process value {path}")
    units = engineering_units(signal.unit)
    unbounded = sys.float_info.max
    low = -unbounded if signal.low is None else float(signal.low)
    high = unbounded if signal.high is None else float(signal.high)
    limits = _limits(host, signal)
    values: dict[str, Any] = {
        "SignalTag": signal.path,
        "AnalogSignal/EngineeringUnits": units,
        "AnalogSignal/EURange": ua.Range(Low=low, High=high),
    }
    for limit, value in limits.items():
        values[f"AnalogSignal/{limit}"] = None if isinstance(value, str) else float(value)
        values[f"AnalogSignal/{limit}/EngineeringUnits"] = units
    type_ = ua.NodeId(_PROCESS_VALUE, namespaces.process_values)
    if host.identity.technology:
        type_ = ua.NodeId(_AM_PROCESS_VALUE, namespaces.additive_manufacturing)
        values["Category"] = _CATEGORY[folder.rpartition("/")[2]]
    made = builder.instantiate(
        type_,
        machine.members[folder],
        ua.QualifiedName(name, builder.namespace),
        values,
        node=ua.NodeId(f"{machine.members[folder].Identifier}.{name}", builder.namespace),
    )
    machine.members |= {f"{path}/{p}".rstrip("/"): n for p, n in made.items()}
    _show(builder, host, nodes, signal, made["AnalogSignal"])
    for limit, value in limits.items():
        if isinstance(value, str):
            _show(builder, host, nodes, host.table[value], made[f"AnalogSignal/{limit}"])


def _add_group(
    builder: NodeBuilder,
    namespaces: Namespaces,
    machine: Machine,
    path: str,
    signals: Mapping[str, Signal],
) -> None:
    folder, _, name = path.rpartition("/")
    values: dict[str, Any] = {member: None for member in signals}
    if folder == "Equipment/Feedstock":
        type_ = ua.NodeId(_FEEDSTOCK, namespaces.additive_manufacturing)
        values.setdefault("Identifier", name)
        quantity = signals.get("RemainingQuantity")
        if quantity is not None:
            values["RemainingQuantity/EngineeringUnits"] = engineering_units(quantity.unit)
    else:
        type_ = ua.NodeId(_LIGHT, namespaces.ia)
    made = builder.instantiate(
        type_,
        machine.members[folder],
        ua.QualifiedName(name, builder.namespace),
        values,
        node=ua.NodeId(f"{machine.members[folder].Identifier}.{name}", builder.namespace),
        reference=(
            ua.ObjectIds.HasComponent
            if folder == "Equipment/Feedstock"
            else ua.ObjectIds.HasOrderedComponent
        ),
    )
    machine.members |= {f"{path}/{p}".rstrip("/"): n for p, n in made.items()}
    if folder != "Equipment/Feedstock":
        order = sum(p.startswith(folder + "/") and p.count("/") == 2 for p in machine.members)
        builder.set_value(made["NumberInList"], order - 1)

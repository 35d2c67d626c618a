"""ISA-95 job control (OPC 10031-4) in terms of the commands and signals of component ``Job``.

A controller with jobs has the commands ``Job.Store(job_order_id, program)``, ``StoreAndStart``,
``Update`` alike, and ``Start``, ``Stop``, ``Pause``, ``Resume``, ``Abort``, ``Cancel``, ``Clear``,
``RevokeStart`` of a job_order_id; and the signals ``Job.Orders`` (JSON list of objects with id,
program, state and substate, in ISA-95 StateNumbers), ``Job.Id``, ``Job.State``, ``Job.Layer``,
``Job.LayersPlanned`` and ``Job.RemainingTime`` (s).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from asyncua import ua

from plc_interfaces.host import Host
from plc_interfaces.opcua.address_space import MachineNodes
from plc_interfaces.opcua.companion import JOB_METHODS, JOBS, Machine, follow_state
from plc_interfaces.opcua.events import Notifiers
from plc_interfaces.opcua.nodes import MethodCallback, NodeBuilder
from plc_interfaces.opcua.nodesets import Namespaces
from twin.image import Frame
from twin.signals import Refused, Signal

__all__ = ["STATES", "SUBSTATES", "Jobs", "Order", "add_event_type", "read_orders"]

_logger = logging.getLogger(__name__)

STATES = {
    1: "NotAllowedToStart",
    2: "AllowedToStart",
    3: "Running",
    4: "Interrupted",
    5: "Ended",
    6: "Aborted",
}
"""States of a job order by StateNumber (OPC 10031-4, 6.2.1)."""
SUBSTATES = {
    1: ("NotAllowedToStartSubstates", {1: "Waiting", 2: "Ready", 3: "Loaded"}),
    2: ("AllowedToStartSubstates", {1: "Waiting", 2: "Ready", 3: "Loaded"}),
    4: ("InterruptedSubstates", {1: "Held", 2: "Suspended"}),
    5: ("EndedSubstates", {1: "Completed", 2: "Closed"}),
}
"""Machine and states below a state (6.2.2 to 6.2.5)."""
_NO_RESPONSE = (1, 2)
"""States of a job order that has not begun: no response speaks of it (OPC 40001-3, 8.1)."""

# Return status, a bit map (OPC 10031-4, annex B.2).
_DONE, _UNKNOWN, _WRONG_STATE, _NOT_ACCEPTED, _INVALID = (1 << bit for bit in (0, 1, 3, 4, 32))
_TAKES_ORDER = ("Store", "StoreAndStart", "Update")
_EVENT_TYPE = "JobOrderStatusEventType"
_STATUS_EVENT, _STATE, _WORK_MASTER, _ORDER, _RESPONSE, _ORDER_AND_STATE, _PARAMETER = (
    1006,
    3006,
    3007,
    3008,
    3013,
    3015,
    3003,
)
_RUN_INFO = 3001
_NO_LIMIT = 2**16 - 1

Ask = Callable[[Host, Signal, list[Any]], Awaitable[str]]


@dataclass(frozen=True)
class Order:
    """One entry of ``Job.Orders``."""

    id: str
    program: str
    state: int
    substate: int


def read_orders(text: str) -> list[Order]:
    """The orders in a ``Job.Orders`` text; ValueError for anything else than such a list."""
    try:
        return [
            Order(str(o["id"]), str(o["program"]), int(o["state"]), int(o.get("substate") or 0))
            for o in json.loads(text or "[]")
        ]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(
            f"Job.Orders must be a JSON list of id, program, state, substate: {error!r}"
        ) from error


def add_event_type(builder: NodeBuilder, types: int, namespaces: Namespaces) -> ua.NodeId:
    """A concrete type of the events that the abstract ISA95JobOrderStatusEventType describes."""
    return builder.add(
        ua.NodeId(_EVENT_TYPE, types),
        ua.NodeId(_STATUS_EVENT, namespaces.job_control),
        ua.QualifiedName(_EVENT_TYPE, types),
        ua.ObjectTypeAttributes(IsAbstract=False),
        ua.NodeClass.ObjectType,
        None,
        ua.NodeId(ua.ObjectIds.HasSubtype),
        "A job order entered another state.",
    )


class Jobs:
    """JobManagement of one machine."""

    def __init__(
        self,
        builder: NodeBuilder,
        namespaces: Namespaces,
        host: Host,
        machine: Machine,
        nodes: MachineNodes,
        ask: Ask,
        event_type: ua.NodeId,
    ) -> None:
        self._host = host
        self._ask = ask
        self._event_type = event_type
        self._builder = builder
        self._namespace = namespaces.job_control
        members = machine.members
        self._control = members[f"{JOBS}/JobOrderControl"]
        self._order_list = members[f"{JOBS}/JobOrderControl/JobOrderList"]
        self._response_list = members[f"{JOBS}/JobOrderResults/JobOrderResponseList"]
        types = ua.extension_objects_by_datatype
        self._types = {
            i: types[ua.NodeId(i, namespaces.job_control)]
            for i in (_STATE, _WORK_MASTER, _ORDER, _RESPONSE, _ORDER_AND_STATE, _PARAMETER)
        }
        self._run_info = types[ua.NodeId(_RUN_INFO, namespaces.additive_manufacturing)]
        self._watched = {
            host.table.index[f"Job.{name}"]
            for name in ("Orders", "Id", "State", "Substate", "Layer", "LayersPlanned")
            if f"Job.{name}" in host.table
        }
        control = f"{JOBS}/JobOrderControl"
        builder.set_value(members[f"{control}/EquipmentID"], [host.identity.name])
        builder.set_value(members[f"{control}/PhysicalAssetID"], [host.identity.serial])
        most = members[f"{control}/MaxDownloadableJobOrders"]
        if not any(
            s.companion == f"{control}/MaxDownloadableJobOrders" for s in host.table.values()
        ):
            builder.set_value(most, _NO_LIMIT)
        if "Job.State" in host.table:
            follow_state(builder, host, nodes, host.table["Job.State"], members, control)
        for name in JOB_METHODS:
            method = members[f"{control}/{name}"]
            builder.on_call(method, self._method(host.table[f"Job.{name}"], name))
        results = f"{JOBS}/JobOrderResults"
        builder.on_call(members[f"{results}/RequestJobResponseByJobOrderID"], self._by_id)
        builder.on_call(members[f"{results}/RequestJobResponseByJobOrderState"], self._by_state)

    # --- methods ---

    def _method(self, signal: Signal, name: str) -> MethodCallback:
        async def call(_: ua.NodeId, order: ua.Variant, comment: ua.Variant) -> Any:
            if name in _TAKES_ORDER:
                if not isinstance(order.Value, self._types[_ORDER]):
                    raise ua.UaStatusCodeError(ua.StatusCodes.BadInvalidArgument)
                arguments = [order.Value.JobOrderID or "", _program(order.Value)]
            else:
                arguments = [order.Value or ""]
            try:
                await self._ask(self._host, signal, arguments)
            except Refused as error:
                if error.code == "role":
                    raise ua.UaStatusCodeError(ua.StatusCodes.BadUserAccessDenied) from error
                return _not_done(_return_status(name, error))
            return [ua.Variant(_DONE, ua.VariantType.UInt64)]

        return call

    async def _by_id(self, _: ua.NodeId, order_id: ua.Variant) -> Any:
        frame = self._host.frame()
        for order in self._orders(frame):
            if order.id == order_id.Value and order.state not in _NO_RESPONSE:
                response = ua.Variant(self._response(order, frame), ua.VariantType.ExtensionObject)
                return [response, ua.Variant(_DONE, ua.VariantType.UInt64)]
        nothing = ua.Variant(None, ua.VariantType.ExtensionObject)
        return _not_done(_UNKNOWN, nothing)

    async def _by_state(self, _: ua.NodeId, states: ua.Variant) -> Any:
        frame = self._host.frame()
        numbers = [
            s.StateNumber for s in states.Value or [] if not s.BrowsePath.Elements
        ]  # substates come after the state they belong to and narrow it down
        below = [s.StateNumber for s in states.Value or [] if s.BrowsePath.Elements]
        if not numbers or any(n not in STATES for n in numbers):
            nothing = ua.Variant([], ua.VariantType.ExtensionObject, is_array=True)
            return _not_done(_WRONG_STATE, nothing)
        found = [
            self._response(order, frame)
            for order in self._orders(frame)
            if order.state in numbers
            and order.state not in _NO_RESPONSE
            and (not below or order.substate in below)
        ]
        return [
            ua.Variant(found, ua.VariantType.ExtensionObject, is_array=True),
            ua.Variant(_DONE, ua.VariantType.UInt64),
        ]

    # --- values ---

    def values(self, frame: Frame, changed: Collection[int]) -> list[tuple[ua.NodeId, Any]]:
        """The lists of orders and responses, if one of the changed signals speaks of them."""
        if not self._watched.intersection(changed):
            return []
        orders = self._orders(frame)
        entries = [
            self._types[_ORDER_AND_STATE](JobOrder=self._order(o), State=self._states(o))
            for o in orders
        ]
        responses = [self._response(o, frame) for o in orders if o.state not in _NO_RESPONSE]
        return [
            (self._order_list, self._array(entries, frame)),
            (self._response_list, self._array(responses, frame)),
        ]

    def _array(self, objects: list[Any], frame: Frame) -> ua.DataValue:
        return ua.DataValue(
            ua.Variant(objects, ua.VariantType.ExtensionObject, is_array=True),
            ua.StatusCode(),
            SourceTimestamp=datetime.fromtimestamp(frame.stamp, UTC),
            ServerTimestamp=datetime.now(UTC),
        )

    def _read(self, frame: Frame, name: str) -> Any:
        index = self._host.table.index.get(f"Job.{name}")
        return None if index is None else frame.values[index]

    def _orders(self, frame: Frame) -> list[Order]:
        try:
            return read_orders(self._read(frame, "Orders") or "")
        except ValueError as error:
            _logger.error("%s: %s", self._host.identity.name, error)
            return []

    def _order(self, order: Order) -> Any:
        masters = [self._types[_WORK_MASTER](ID=order.program)] if order.program else None
        return self._types[_ORDER](JobOrderID=order.id, WorkMasterID=masters)

    def _states(self, order: Order) -> list[Any]:
        state_type = self._types[_STATE]
        states = [
            state_type(
                BrowsePath=ua.RelativePath(),
                StateText=ua.LocalizedText(STATES.get(order.state, "")),
                StateNumber=order.state,
            )
        ]
        machine, names = SUBSTATES.get(order.state, ("", {}))
        if order.substate in names:
            step = ua.RelativePathElement(
                ReferenceTypeId=ua.NodeId(ua.ObjectIds.HasComponent),
                IsInverse=False,
                IncludeSubtypes=True,
                TargetName=ua.QualifiedName(machine, self._namespace),
            )
            states.append(
                state_type(
                    BrowsePath=ua.RelativePath(Elements=[step]),
                    StateText=ua.LocalizedText(names[order.substate]),
                    StateNumber=order.substate,
                )
            )
        return states

    def _response(self, order: Order, frame: Frame) -> Any:
        data = []
        if order.id == self._read(frame, "Id"):
            layers = self._read(frame, "LayersPlanned")
            if layers is not None:
                planned = ua.Variant(max(int(layers), 0), ua.VariantType.UInt32)
                data.append(self._types[_PARAMETER](ID="LayersPlanned", Value=planned))
            runs = ua.Variant(
                [self._run(order, frame)], ua.VariantType.ExtensionObject, is_array=True
            )
            data.append(self._types[_PARAMETER](ID="Runs", Value=runs))
        return self._types[_RESPONSE](
            JobResponseID=order.id,
            JobOrderID=order.id,
            JobState=self._states(order),
            JobResponseData=data or None,
        )

    def _run(self, order: Order, frame: Frame) -> Any:
        layer = self._read(frame, "Layer")
        left = self._read(frame, "RemainingTime")
        return self._run_info(
            CurrentLayer=None if layer is None else max(int(layer), 0),
            Identifier=order.id,
            State=self._states(order)[0],
            # Duration is milliseconds by its data type, whatever the prose of OPC 40540 says.
            RemainingTime=None if left is None else float(left) * 1000.0,
        )

    def tell(
        self, notifiers: Notifiers, message: str, severity: int, stamp: datetime, frame: Frame
    ) -> None:
        """Send an event about the present job."""
        present = self._read(frame, "Id")
        order = next((o for o in self._orders(frame) if o.id == present), None)
        if order is None:
            return
        objects = ua.VariantType.ExtensionObject
        notifiers.emit(
            self._control,
            severity,
            message,
            event_type=self._event_type,
            fields={
                "JobOrder": ua.Variant(self._order(order), objects),
                "JobState": ua.Variant(self._states(order), objects, is_array=True),
                "JobResponse": ua.Variant(self._response(order, frame), objects),
            },
            time=stamp,
        )


def _program(order: Any) -> str:
    """What to build: the work master, or a job order parameter called Program."""
    for master in order.WorkMasterID or []:
        if master.ID:
            return str(master.ID)
    for parameter in order.JobOrderParameters or []:
        if parameter.ID == "Program" and parameter.Value is not None:
            return str(parameter.Value.Value)
    return ""


def _return_status(method: str, error: Refused) -> int:
    if error.code == "unknown":
        return _UNKNOWN
    if error.code in ("type", "range"):
        return _INVALID
    return _NOT_ACCEPTED if method in _TAKES_ORDER else _WRONG_STATE


def _not_done(status: int, *before: ua.Variant) -> ua.CallMethodResult:
    """Uncertain, since with a bad status no return status could be given (annex B.2)."""
    return ua.CallMethodResult(
        StatusCode=ua.StatusCode(ua.StatusCodes.Uncertain),
        OutputArguments=[*before, ua.Variant(status, ua.VariantType.UInt64)],
    )

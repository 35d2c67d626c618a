"""The instructor's OPC UA endpoint: faults, sensor faults and forcing, out of trainees' sight."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from asyncua import ua
from asyncua.crypto.permission_rules import User
from asyncua.server.user_managers import UserManager

from plc_interfaces.host import Act, ActKind, Event, Host
from plc_interfaces.opcua.address_space import add_signals, argument, make_types
from plc_interfaces.opcua.alarms import bad_status
from plc_interfaces.opcua.nodes import NodeBuilder
from plc_interfaces.opcua.patches import caller
from plc_interfaces.opcua.security import Duty
from plc_interfaces.opcua.server import Endpoint
from twin.signals import Kind, Refused, Signal

__all__ = ["InstructorServer"]

_SERVED = frozenset({Kind.FAULT})


class _Instructors(UserManager):  # type: ignore[misc]
    """Lets in whom the users file calls an instructor, and nobody else."""

    def __init__(self, users: UserManager) -> None:
        self._users = users

    def get_user(self, *args: Any, **kwargs: Any) -> User | None:
        """The account that logs in, None when it is no instructor's."""
        user = self._users.get_user(*args, **kwargs)
        return user if getattr(user, "duty", None) is Duty.INSTRUCTOR else None


class InstructorServer(Endpoint):
    """Serves the process faults of the hosts as writable variables, and what else breaks things.

    Each machine object has the methods ``SetSensorFault(Path, Kind, Magnitude)`` (kinds:
    `twin.faults.SensorFaultKind`; magnitude in the signal's engineering unit),
    ``ClearSensorFault(Path)``, ``Force(Path, Value)``, ``Unforce(Path)``, ``SetSpeed(Factor)`` and
    ``Step(Scans)``. Alarms are shown; acknowledging them is left to the operators.
    """

    source = "instructor"

    async def _build(self) -> None:
        iserver = self.server.iserver
        iserver.set_user_manager(_Instructors(iserver.user_manager))
        self.server.set_identity_tokens([ua.UserNameIdentityToken])
        types = await make_types(self.server)
        assert self._notifiers is not None
        for host in self.hosts:
            builder = await self._builder(host)
            name = host.identity.name
            machine = builder.add_object(
                ua.NodeId(ua.ObjectIds.ObjectsFolder),
                ua.QualifiedName(name, builder.namespace),
                node=ua.NodeId(f"Machines/{name}", builder.namespace),
                reference=ua.NodeId(ua.ObjectIds.Organizes),
            )
            nodes = add_signals(
                builder, host, machine, types, self._command(host), _SERVED, lambda _: True
            )
            self._take(host, nodes)
            self._notifiers.add(machine)
            self._add_methods(builder, host, machine)
            self._add_alarms(builder, host, machine, types)

    def _add_methods(self, builder: NodeBuilder, host: Host, machine: ua.NodeId) -> None:
        path = argument("Path", str, "signal, such as Chamber.OxygenTop")
        kind = argument("Kind", str, "stuck, bias, scale, drift, noise or dropout")
        magnitude = argument("Magnitude", float, "in the signal's engineering unit")
        factor = argument("Factor", float, "simulated seconds per wall second; 0 freezes")
        scans = argument("Scans", int, "scans to let pass on a frozen clock")
        value = ua.Argument(
            Name="Value", DataType=ua.NodeId(ua.ObjectIds.BaseDataType), ValueRank=-1
        )
        methods: dict[str, tuple[list[ua.Argument], Callable[..., Act]]] = {
            "SetSensorFault": (
                [path, kind, magnitude],
                lambda p, k, m: self._break(p, {"kind": k, "magnitude": m}),
            ),
            "ClearSensorFault": ([path], lambda p: self._break(p, None)),
            "Force": ([path, value], lambda p, v: self._by(ActKind.FORCE, p, v)),
            "Unforce": ([path], lambda p: self._by(ActKind.UNFORCE, p, None)),
            "SetSpeed": ([factor], lambda f: self._by(ActKind.SPEED, "", f)),
            "Step": ([scans], lambda n: self._by(ActKind.STEP, "", n)),
        }
        for name, (arguments, act) in methods.items():
            builder.add_method(
                machine,
                ua.QualifiedName(name, builder.namespace),
                self._does(host, act),
                arguments,
                node=ua.NodeId(f"Machines/{host.identity.name}.{name}", builder.namespace),
            )

    def _does(self, host: Host, act: Callable[..., Act]) -> Callable[..., Awaitable[Any]]:
        async def call(_: ua.NodeId, *arguments: ua.Variant) -> list[ua.Variant]:
            try:
                await self.submit(host, act(*(a.Value for a in arguments)))
            except Refused as error:
                raise ua.UaStatusCodeError(bad_status(error)) from error
            return []

        return call

    def _by(self, kind: ActKind, path: str, value: Any) -> Act:
        return Act(kind, path, value, caller().user.name or "", self.source)

    def _break(self, path: str, value: Any) -> Act:
        return self._by(ActKind.SENSOR_FAULT, path, value)

    def _may(self, host: Host, signal: Signal, user: User) -> bool:
        return getattr(user, "duty", None) is Duty.INSTRUCTOR

    def _act(self, signal: Signal, value: Any, user: User) -> Act:
        return Act(ActKind.FAULT, signal.path, value, user.name or "", self.source)

    def _tell(self, host: Host, event: Event) -> None:
        assert self._notifiers is not None
        self._notifiers.emit(
            self._notifier[host.identity.name], max(1, min(event.severity, 1000)), event.message
        )

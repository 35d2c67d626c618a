"""`amtwin fault`: break a running machine on purpose, through its instructor's endpoint."""

from __future__ import annotations

from asyncua import Client, ua

from plc_interfaces.home import home
from plc_interfaces.mapping import instance_namespace
from plc_interfaces.opcua.device import OpcUaDevice, address, client_for
from twin.faults import SensorFaultKind
from twin.signals import Kind, Refused

__all__ = ["break_sensor", "set_fault"]


async def set_fault(url: str, path: str, value: float, user: str, password: str) -> None:
    """Set a process fault (engineering unit; its start value ends it). `Refused` if it is none."""
    device = await OpcUaDevice.connect(
        url, user=user, password=password, security=home() / "client"
    )
    try:
        faults = [s.path for s in device.table.of_kind(Kind.FAULT)]
        if path not in faults:
            known = ", ".join(faults) or "none: is this the instructor's endpoint?"
            raise Refused(f"no fault {path!r}; there are: {known}", "unknown")
        signal = device.table[path]
        await device.write(path, bool(value) if signal.type is bool else value)
    finally:
        await device.close()


async def break_sensor(
    url: str, path: str, kind: str | None, magnitude: float, user: str, password: str
) -> None:
    """Set (or with `kind` None end) a fault of a sensor; `Refused` if it cannot be."""
    kinds = [each.value for each in SensorFaultKind]
    if kind is not None and kind not in kinds:
        raise Refused(f"a sensor fault is {', '.join(kinds)} (or clear), not {kind!r}")
    url, named = address(url)
    client: Client = await client_for(url, user, password, home() / "client")
    async with client:
        names = await client.get_namespace_array()
        machines = [
            u
            for u in names
            if u.startswith(instance_namespace(""))
            and u.count(":") == 2
            and not u.endswith(":types")
        ]
        known = [uri.rpartition(":")[2] for uri in machines]
        if named is None and len(known) > 1:
            raise Refused("the server has several machines, name one with ?machine=NAME at the "
                          f"end of its address: {', '.join(known)}")
        name = named or known[0]
        if name not in known:
            raise Refused(f"the server has no machine {name!r} but {', '.join(known)}")
        index = names.index(instance_namespace(name))
        machine = client.get_node(ua.NodeId(f"Machines/{name}", index))
        try:
            if kind is None:
                await machine.call_method(f"{index}:ClearSensorFault", path)
            else:
                await machine.call_method(f"{index}:SetSensorFault", path, kind, magnitude)
        except ua.UaStatusCodeError as error:
            raise Refused(f"{path}, {kind}: {error}") from None

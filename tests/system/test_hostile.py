"""Bad input on the wires of a real machine: each gets its error, and the machine runs on."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from asyncua import ua

from emulators.journal import read_journal
from plc_interfaces.connect import connect
from plc_interfaces.host import ActKind
from plc_interfaces.opcua.device import OpcUaDevice
from plc_interfaces.registers import load_table
from tests.machines import WIRES, Machine, until
from twin.signals import Kind, Refused

GARBAGE = {
    "http": b"GET / HTTP/1.1\r\nHost: machine\r\n\r\n",
    "zeros": bytes(4096),
    "ones": b"\xff" * 4096,
    "tls": bytes.fromhex("16030100dc010000d80303") + bytes(200),
    "huge OPC UA message": b"HELF" + struct.pack("<I", 0xFFFF_FFFF) + bytes(64),
    "huge OPC UA strings": b"HELF"
    + struct.pack("<IIIIIII", 32, 0, 0xFFFF_FFFF, 0xFFFF_FFFF, 0, 0, 0x7FFF_FFFF),
    "OPC UA message out of turn": b"MSGF" + struct.pack("<I", 24) + bytes(16),
    "cut-off OPC UA hello": b"HELF" + struct.pack("<II", 64, 0),
    "Modbus of another protocol": struct.pack(">HHHB", 1, 7, 6, 1) + bytes(5),
    "Modbus without end": struct.pack(">HHHB", 1, 0, 0xFFFF, 1) + bytes(32),
    "nothing": b"",
}


@pytest.fixture(autouse=True)
def runs_on(paced: Machine) -> Iterator[None]:
    """After each test the machine still scans, and serves both wires."""
    yield
    before = paced.emulator.scan_number
    until(lambda: paced.emulator.scan_number > before + 5, what="the machine runs on")

    async def look() -> None:
        for wire in WIRES:
            device = await paced.device(wire, "ob")
            assert (await device.read(paced.trial.reading)).value is not None
            await device.close()

    asyncio.run(look())
    assert not paced.emulator.join(0)


def first(machine: Machine, kind: Kind, type_: type = float) -> str:
    return next(s.path for s in machine.emulator.table.of_kind(kind) if s.type is type_)


@pytest.mark.parametrize("wire", WIRES)
async def test_refused_writes(paced: Machine, wire: str) -> None:
    path, _, bad = paced.trial.setpoint
    before = paced.value(path)
    acts = len(read_journal(paced.record).entries)
    device = await paced.device(wire)
    attempts: list[tuple[str, Any, str]] = [
        (path, bad, "range"),
        (path, float("nan"), "range"),
        (path, float("inf"), "range"),
        (path, "much", "type"),
        (path, True, "type"),
        (paced.trial.switch, 2.5, "type"),
        (paced.trial.reading, 1.0, "read-only"),
        (first(paced, Kind.ACTUATOR), 1.0, "read-only"),
        (first(paced, Kind.STATUS), 1.0, "read-only"),
        (first(paced, Kind.FAULT), 1.0, "unknown"),
        ("No.Such", 1.0, "unknown"),
    ]
    try:
        for name, value, code in attempts:
            with pytest.raises(Refused) as caught:
                await device.write(name, value)
            assert (caught.value.code, name, value) == (code, name, value)
            assert "\n" not in str(caught.value)
        with pytest.raises(Refused) as caught:
            await device.call("Job.Start", "NO-SUCH-ORDER")
        assert "NO-SUCH-ORDER" in str(caught.value)
    finally:
        await device.close()
    assert paced.value(path) == before
    # What the machine refused at a scan is journaled as what it was, the rest for the audit.
    added = [e.act for e in read_journal(paced.record).entries[acts:]]
    assert [a.path for a in added if a.kind is not ActKind.AUDIT] == ["Job.Start"]
    audited = [a for a in added if a.kind is ActKind.AUDIT]
    assert all(a.source == wire and "refused" in a.value for a in audited)


async def test_writes_that_only_a_wrong_client_sends(paced: Machine) -> None:
    """OPC UA variants of a wrong type, which a `Device` would not send."""
    device = await paced.device("opcua")
    assert isinstance(device, OpcUaDevice)
    client, path = device._client, paced.trial.setpoint[0]
    name = paced.emulator.identity.name
    index = await client.get_namespace_index(f"urn:amtwin:{name}")
    node = client.get_node(ua.NodeId(f"{name}.{path}", index))
    try:
        for variant in (
            ua.Variant("much", ua.VariantType.String),
            ua.Variant(b"\0", ua.VariantType.ByteString),
            ua.Variant([1.0, 2.0], ua.VariantType.Double),
            ua.Variant(None, ua.VariantType.Null),
        ):
            with pytest.raises(ua.UaStatusCodeError) as caught:
                await node.write_value(ua.DataValue(variant))
            assert caught.value.code == ua.StatusCodes.BadTypeMismatch, variant
        with pytest.raises(ua.UaStatusCodeError) as caught:
            await node.write_value(ua.Variant(paced.trial.setpoint[2], ua.VariantType.Double))
        assert caught.value.code == ua.StatusCodes.BadOutOfRange
        nowhere = client.get_node(ua.NodeId("No.Such", index))
        with pytest.raises(ua.UaStatusCodeError) as caught:
            await nowhere.write_value(ua.DataValue(ua.Variant(1.0, ua.VariantType.Double)))
        assert caught.value.code == ua.StatusCodes.BadNodeIdUnknown
        for attribute in (ua.AttributeIds.DisplayName, ua.AttributeIds.NodeId):
            with pytest.raises(ua.UaStatusCodeError):
                await node.write_attribute(
                    attribute, ua.DataValue(ua.Variant("x", ua.VariantType.String))
                )
    finally:
        await device.close()

    def audited() -> bool:
        entries = [e.act for e in read_journal(paced.record).entries]
        return any(
            a.kind is ActKind.AUDIT and (a.path, a.source) == (path, "opcua")
            for a in entries
        )

    await asyncio.to_thread(until, audited, 5, "the refusal is in the journal")


def ports(machine: Machine) -> list[int]:
    """Of operators, of instructors, of Modbus clients."""
    urls = (machine.opcua_url, machine.instructor_url)
    return [urlsplit(url).port or 0 for url in urls] + [machine.modbus_port]


def modbus(machine: Machine, pdu: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", machine.modbus_port), timeout=5) as client:
        client.sendall(struct.pack(">HHHB", 1, 0, len(pdu) + 1, 1) + pdu)
        return client.recv(300)[7:]


def test_unmapped_registers(paced: Machine) -> None:
    place = load_table(paced.settings.machine).locate(paced.trial.reading).read
    assert place is not None
    assert modbus(paced, struct.pack(">BHH", 6, 65_000, 1)) == bytes([0x86, 2])
    assert modbus(paced, struct.pack(">BHH", 5, 65_000, 0xFF00)) == bytes([0x85, 2])
    assert modbus(paced, struct.pack(">BHH", 4, 65_000, 2)) == bytes([0x84, 2])
    # An input register's number among the holding registers is no place to write to.
    assert modbus(paced, struct.pack(">BHHBI", 16, place.address, 2, 4, 0))[0] == 0x90


@pytest.mark.parametrize("what", GARBAGE)
def test_garbage(paced: Machine, what: str) -> None:
    for port in ports(paced):
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
                client.sendall(GARBAGE[what])
                # Closing with linger 0 resets the connection.
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def test_half_open_connections(paced: Machine) -> None:
    """Clients that connect, begin to say something and fall silent do not keep others out."""
    silent = []
    try:
        for number, begun in zip(ports(paced), (b"HELF", b"HELF", b"\0\1\0\0"), strict=True):
            for _ in range(12):
                client = socket.create_connection(("127.0.0.1", number), timeout=5)
                client.sendall(begun)
                silent.append(client)

        async def look() -> None:
            for wire in ("modbus", "opcua"):
                device = await paced.device(wire, "ob")
                assert (await device.read(paced.trial.reading)).value is not None
                await device.close()

        asyncio.run(look())
    finally:
        for client in silent:
            client.close()


@pytest.mark.parametrize(("user", "password"), [("olive", "wrong"), ("nobody", "x")])
async def test_a_failed_login_is_audited(paced: Machine, user: str, password: str) -> None:
    with pytest.raises((ConnectionError, ua.UaError)):
        await connect(
            paced.opcua_url, user=user, password=password, security=paced.folder / "client"
        )

    def logins() -> list[Any]:
        return [
            e.act
            for e in read_journal(paced.record).entries
            if e.act.kind is ActKind.AUDIT and e.act.user == user and "login" in e.act.value
        ]

    await asyncio.to_thread(until, lambda: len(logins()) == 1, 5, "the login is in the journal")
    (act,) = logins()
    assert act.source == "opcua"
    assert "127.0.0.1" in act.value["peer"]
    assert act.value["login"].startswith("Bad")
    assert password not in str(act.value)


async def test_roles_over_the_wire(paced: Machine) -> None:
    path, good, _ = paced.trial.setpoint
    for user, wrong in (("ob", path), ("olive", paced.trial.switch)):
        device = await paced.device("opcua", user)
        with pytest.raises(Refused) as caught:
            await device.write(wrong, good if wrong == path else True)
        assert caught.value.code == "role"
        await device.close()

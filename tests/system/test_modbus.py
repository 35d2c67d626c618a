"""The Modbus server on a socket: foreign clients, exception codes, hostile bytes."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyModbusTCP.client import ModbusClient
from pyModbusTCP.utils import decode_ieee, encode_ieee, long_list_to_word, word_list_to_long

from plc_interfaces.modbus_server import ModbusServer
from plc_interfaces.registers import Place, RegisterMap
from tests.fakes import FakeHost

Tables = dict[str, RegisterMap]


@pytest.fixture
def tables(fake_registers: RegisterMap) -> Tables:
    return {"fake": fake_registers}


@pytest.fixture
async def server(fake_host: FakeHost, tables: Tables) -> AsyncIterator[ModbusServer]:
    async with ModbusServer([(1, fake_host)], tables=tables, connections=4) as running:
        yield running


def at(registers: RegisterMap, path: str, write: bool = False) -> Place:
    row = registers.locate(path)
    place = row.write if write else row.read
    assert place is not None
    return place


async def exchange(port: int, *frames: bytes, answers: int = 1) -> list[bytes]:
    """Send frames in one go; the answers (without MBAP header), fewer if the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"".join(frames))
    got = []
    try:
        async with asyncio.timeout(5):
            for _ in range(answers):
                header = await reader.readexactly(7)
                got.append(await reader.readexactly(int.from_bytes(header[4:6], "big") - 1))
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    writer.close()
    return got


def frame(pdu: bytes, unit: int = 1, transaction: int = 1) -> bytes:
    return struct.pack(">HHHB", transaction, 0, len(pdu) + 1, unit) + pdu


READ_STATE = struct.pack(">BHH", 4, 0, 2)


async def test_pymodbustcp(
    server: ModbusServer, fake_host: FakeHost, fake_registers: RegisterMap
) -> None:
    fake_host.put("Laser2.Power", 285.25)
    fake_host.step()

    def script() -> None:
        client = ModbusClient("127.0.0.1", server.port, unit_id=1, auto_open=True)
        power = client.read_input_registers(at(fake_registers, "Laser2.Power").address, 2)
        assert decode_ieee(word_list_to_long(power)[0]) == 285.25
        assert client.read_discrete_inputs(at(fake_registers, "Chamber.DoorClosed").address) == [
            True
        ]
        limit = at(fake_registers, "Atmosphere.OxygenLimit", write=True).address
        words = long_list_to_word([encode_ieee(640.0)])
        assert client.write_multiple_registers(limit, words)
        assert client.read_holding_registers(limit, 2) == words
        automatic = at(fake_registers, "Atmosphere.PurgeAutomatic", write=True).address
        assert client.write_single_coil(automatic, False)
        assert client.read_coils(automatic) == [False]
        assert client.write_multiple_coils(automatic, [True])
        assert not client.write_single_register(limit, 1)
        assert client.last_except == 3
        assert not client.write_multiple_registers(limit, [0x7FC0, 0])
        assert client.last_except == 3
        assert not client.write_multiple_registers(60_000, [1])
        assert client.last_except == 2
        assert client.write_single_register(0, 77)
        assert client.write_read_multiple_registers(0, [78], 0, 1) == [78]
        nameplate = client.read_device_identification(2)
        assert nameplate.vendor_name == b"amtwin"
        assert nameplate.user_application_name == b"FAKE-01"
        client.close()

    await asyncio.to_thread(script)
    assert [a.value for a in fake_host.acts] == [640.0, False, True]
    assert {(a.source, a.user) for a in fake_host.acts} == {("modbus", "127.0.0.1")}


@pytest.mark.parametrize(
    ("pdu", "unit", "code"),
    [
        (struct.pack(">BHH", 4, 0, 126), 1, 3),
        (struct.pack(">BHH", 4, 0, 0), 1, 3),
        (struct.pack(">BHH", 4, 65_535, 2), 1, 2),
        (struct.pack(">BHHB", 4, 0, 1, 0), 1, 3),
        (struct.pack(">BHH", 5, 1, 0x1234), 1, 3),
        (struct.pack(">BHHBH", 16, 0, 2, 4, 1), 1, 3),
        (struct.pack(">BHHBB", 15, 0, 3, 2, 1), 1, 3),
        (b"\x04", 1, 3),
        (b"\x10", 1, 3),
        (b"\x2b\x0d\x00\x00", 1, 1),
        (b"\x08\x00\x01\x00\x00", 1, 1),
        (b"\x63", 1, 1),
        (b"\x84\x02", 1, 1),
        (READ_STATE, 9, 11),
    ],
)
async def test_exceptions(server: ModbusServer, pdu: bytes, unit: int, code: int) -> None:
    (answer,) = await exchange(server.port, frame(pdu, unit))
    assert answer == bytes([pdu[0] | 0x80, code])


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=200
)
@given(
    request_bytes=st.one_of(
        st.binary(min_size=1, max_size=253),
        st.builds(
            lambda function, rest: bytes([function]) + rest,
            st.sampled_from([1, 2, 3, 4, 5, 6, 15, 16, 22, 23, 43]),
            st.binary(max_size=20),
        ),
    )
)
def test_any_request_has_a_proper_answer(
    fake_host: FakeHost, tables: Tables, request_bytes: bytes
) -> None:
    server = ModbusServer([(1, fake_host)], tables=tables)
    answer = asyncio.run(server._answer(1, request_bytes, "127.0.0.1"))
    server.units[1].close()
    function = request_bytes[0] & 0x7F
    if answer.function_code >= 0x80:
        assert answer.function_code == function | 0x80
        # 4, device failure, would be a defect here.
        assert answer.exception_code in (1, 2, 3, 6, 7)
    else:
        assert answer.function_code == function
        assert len(answer.encode()) < 253


@pytest.mark.parametrize("unit", [0, 1, 255])
async def test_a_lone_machine_answers_for_the_gateway_too(server: ModbusServer, unit: int) -> None:
    (answer,) = await exchange(server.port, frame(READ_STATE, unit))
    assert answer[:2] == bytes([4, 4])


async def test_pipelined_requests_are_all_answered(server: ModbusServer) -> None:
    frames = [frame(struct.pack(">BHH", 4, 0, k), transaction=k) for k in range(1, 21)]
    answers = await exchange(server.port, *frames, answers=20)
    assert [a[1] for a in answers] == [2 * k for k in range(1, 21)]


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\0" * 300,
        b"\xff" * 7,
        struct.pack(">HHHB", 1, 0, 0, 1),
        struct.pack(">HHHB", 1, 0, 60_000, 1),
        struct.pack(">HHHB", 1, 7, 6, 1) + READ_STATE,
    ],
)
async def test_garbage_ends_its_own_connection_only(server: ModbusServer, garbage: bytes) -> None:
    assert await exchange(server.port, garbage) == []
    assert len(await exchange(server.port, frame(READ_STATE))) == 1


async def test_half_frames_and_resets(server: ModbusServer) -> None:
    whole = frame(READ_STATE)
    for length in range(1, len(whole)):
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(whole[:length])
            # Closing with linger 0 resets the connection.
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await asyncio.sleep(0)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    for byte in whole:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.001)
    async with asyncio.timeout(5):
        assert (await reader.readexactly(13))[7:9] == bytes([4, 4])
    writer.close()


async def test_connections_are_limited(fake_host: FakeHost, tables: Tables) -> None:
    told: list[str] = []
    server = ModbusServer(
        [(1, fake_host)],
        tables=tables,
        connections=2,
        audit=lambda peer, message: told.append(f"{peer} {message}"),
    )
    async with server:
        kept = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(2)]
        for reader, writer in kept:
            writer.write(frame(READ_STATE))
            await reader.readexactly(13)
        assert await exchange(server.port, frame(READ_STATE)) == []
        assert "127.0.0.1 connection refused, 2 are open" in told
        kept[0][1].close()
        await kept[0][1].wait_closed()
        async with asyncio.timeout(5):
            while not await exchange(server.port, frame(READ_STATE)):
                await asyncio.sleep(0.01)
        kept[1][1].close()


async def test_writes_are_refused_and_told(fake_host: FakeHost, tables: Tables) -> None:
    told: list[str] = []
    server = ModbusServer(
        [(1, fake_host)], tables=tables, writable=False, audit=lambda _, m: told.append(m)
    )
    async with server:
        (answer,) = await exchange(server.port, frame(struct.pack(">BHH", 6, 0, 1)))
    assert answer == bytes([0x86, 1])
    assert any("function 6 refused" in message for message in told)
    assert fake_host.acts == []


def test_beyond_loopback_only_the_listed_may_write(fake_host: FakeHost, tables: Tables) -> None:
    def may(peer: str, **options: object) -> bool:
        server = ModbusServer([(1, fake_host)], tables=tables, **options)  # type: ignore[arg-type]
        return server.may_write(peer)

    assert may("127.0.0.1")
    assert may("::1")
    assert not may("192.168.0.7")
    assert may("192.168.0.7", allow=["192.168.0.0/24"])
    assert may("::ffff:192.168.0.7", allow=["192.168.0.7"])
    assert not may("192.168.1.7", allow=["192.168.0.0/24"])
    assert not may("127.0.0.1", writable=False)


async def test_several_machines(
    make_host: Callable[..., FakeHost], fake_registers: RegisterMap, tables: Tables
) -> None:
    first, second = make_host("A", lasers=1), make_host("B", lasers=2)
    second.put("Job.Layer", 42)
    second.step()
    layer = struct.pack(">BHH", 4, at(fake_registers, "Job.Layer").address, 2)
    async with ModbusServer([(1, first), (2, second)], tables=tables) as server:
        frames = (frame(layer, 1), frame(layer, 2), frame(layer, 0))
        answers = await exchange(server.port, *frames, answers=3)
    assert [a[-1] for a in answers[:2]] == [0, 42]
    assert answers[2] == bytes([0x84, 11])


async def test_one_request_shows_one_frame(
    server: ModbusServer, fake_host: FakeHost, fake_registers: RegisterMap
) -> None:
    """A thread steps the machine all the while; both lasers always show the same number."""
    first = at(fake_registers, "Laser1.Power").address
    offset = at(fake_registers, "Laser2.Power").address - first
    going = True

    def run() -> None:
        count = 0
        while going:
            count += 1
            with fake_host._lock:
                fake_host.put("Laser1.Power", float(count % 500))
                fake_host.put("Laser2.Power", float(count % 500))
            fake_host.step()

    stepping = asyncio.create_task(asyncio.to_thread(run))
    try:
        request = frame(struct.pack(">BHH", 4, first, offset + 2))
        powers: set[tuple[int, ...]] = set()
        for _ in range(20):
            answers = await exchange(server.port, *[request] * 300, answers=300)
            seen = [struct.unpack(f">{offset + 2}H", a[2:]) for a in answers]
            assert len(seen) == 300
            assert all(p[:2] == p[offset:] for p in seen)
            powers |= {p[:2] for p in seen}
            if len(powers) > 1:
                break  # On a busy computer the machine may not step while 300 are answered.
    finally:
        going = False
        await stepping
    assert len(powers) > 1


def test_unit_ids(fake_host: FakeHost, tables: Tables) -> None:
    for hosts in ([(0, fake_host)], [(248, fake_host)], [(1, fake_host), (1, fake_host)]):
        with pytest.raises(ValueError, match="unit id: 1 to 247"):
            ModbusServer(hosts, tables=tables)


async def test_a_taken_port_is_named(
    server: ModbusServer, fake_host: FakeHost, tables: Tables
) -> None:
    with pytest.raises(OSError, match=str(server.port)):
        await ModbusServer([(1, fake_host)], port=server.port, tables=tables).start()

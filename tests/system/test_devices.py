"""What every `Device` does alike, whatever is between it and the machine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from plc_interfaces.allocation import allocate
from plc_interfaces.connect import connect
from plc_interfaces.host import Host, Role
from plc_interfaces.mapping import render, signal_list
from plc_interfaces.modbus_device import ModbusDevice, group
from plc_interfaces.modbus_server import ModbusServer
from plc_interfaces.registers import RegisterMap, Table
from plc_interfaces.sync import SyncDevice
from tests.fakes import FakeHost, Plant
from tests.opcua_machine import PASSWORD, serving
from twin.image import Device, Quality, Sample
from twin.signals import Kind, Refused, SignalTable, Value

contract = pytest.mark.asyncio(loop_scope="module")
"""For the tests that every kind of device takes, on one machine that is served once."""


@pytest.fixture(scope="module")
def host() -> FakeHost:
    return FakeHost()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def urls(
    host: FakeHost, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[dict[str, str]]:
    """Where to reach the machine, by wire."""
    folder = tmp_path_factory.mktemp("fake")
    registers = allocate(host.table, RegisterMap((), "fake.csv"))[0]
    table = folder / "fake.csv"
    table.write_text(registers.text())
    async with (
        ModbusServer([(3, host)], tables={"fake": registers}) as modbus,
        serving(folder, host, insecure=False) as opcua,
    ):
        yield {
            "modbus": f"modbus://127.0.0.1:{modbus.port}/3?map={table}",
            "opcua": opcua.url,
            "client": str(folder / "client"),
        }


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["local", "modbus", "opcua"])
async def shared(
    request: pytest.FixtureRequest, host: FakeHost, urls: dict[str, str]
) -> AsyncIterator[Device]:
    if request.param == "local":
        made = await connect(host)
    elif request.param == "modbus":
        made = await connect(urls["modbus"])
    else:
        made = await connect(
            urls["opcua"], user="ed", password=PASSWORD, security=Path(urls["client"])
        )
    yield made
    await made.close()


@pytest.fixture
def device(shared: Device, host: FakeHost) -> Device:
    """A device of every kind, of a machine to which nothing has been done yet."""
    host.acts.clear()
    return shared


async def shows(device: Device, path: str, value: Value) -> Sample:
    """Wait until a device shows a value: over a wire it takes a moment after the scan."""
    async with asyncio.timeout(5):
        while (sample := await device.read(path)).value != value:
            await asyncio.sleep(0.005)
    return sample


@pytest.fixture
async def modbus_url(
    fake_host: FakeHost, fake_registers: RegisterMap, tmp_path: Path
) -> AsyncIterator[str]:
    table = tmp_path / "fake.csv"
    table.write_text(fake_registers.text())
    async with ModbusServer([(3, fake_host)], tables={"fake": fake_registers}) as server:
        yield f"modbus://127.0.0.1:{server.port}/3?map={table}"


@contract
async def test_reads_what_the_machine_shows(device: Device, host: FakeHost) -> None:
    host.put("Chamber.OxygenTop", 750.5)
    host.put("Laser2.Temperature", 31.25, Quality.BAD)
    host.put("Job.Name", "bracket")
    host.step()
    frame = host.frame()
    await shows(device, "Job.Name", "bracket")
    shown = [s for s in device.table.values() if s.kind is not Kind.COMMAND]
    assert len(shown) > 15
    for signal in shown:
        if signal.kind in (Kind.IMAGE, Kind.SERIES):
            continue
        sample = await device.read(signal.path)
        i = host.table.index[signal.path]
        # What is bad over OPC UA has no value.
        if sample.quality is not Quality.BAD:
            assert sample.value == frame.values[i], signal.path
        if signal.kind is not Kind.ALARM:
            assert sample.stamp == pytest.approx(frame.stamp, abs=1e-3)
    assert (await device.read("Laser2.Temperature")).quality is Quality.BAD
    assert (await device.read("Laser1.Temperature")).quality is Quality.GOOD


@contract
async def test_faults_and_absent_components_are_not_there(device: Device) -> None:
    assert "Chamber.Leak" not in device.table
    assert "Laser2.Power" in device.table
    assert "Laser3.Power" not in device.table
    for path in ("Chamber.Leak", "Laser3.Power"):
        with pytest.raises(Refused) as caught:
            await device.read(path)
        assert caught.value.code == "unknown"


@contract
@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("Atmosphere.OxygenLimit", 0.1 + 499.9),
        ("Atmosphere.PurgeCycles", 7),
        ("Atmosphere.PurgeAutomatic", False),
        ("Job.Recipe", "Ti64-60µm"),
    ],
)
async def test_writes(device: Device, host: FakeHost, path: str, value: Value) -> None:
    await device.write(path, value)
    await shows(device, path, value)
    assert [(a.path, a.value) for a in host.acts] == [(path, value)]


@contract
@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        ("Atmosphere.OxygenLimit", 5.0, "range"),
        ("Atmosphere.PurgeCycles", 2.5, "type"),
        ("Atmosphere.PurgeAutomatic", 1, "type"),
        ("Job.Recipe", "much too long a name for it", "range"),
        ("Chamber.OxygenTop", 1.0, "read-only"),
        ("Chamber.FanSpeed", 1.0, "read-only"),
        ("Chamber.Nothing", 1.0, "unknown"),
    ],
)
async def test_refusals(device: Device, host: FakeHost, path: str, value: Value, code: str) -> None:
    with pytest.raises(Refused) as caught:
        await device.write(path, value)
    assert caught.value.code == code
    assert host.acts == []


@contract
async def test_calls(device: Device) -> None:
    assert await device.call("Job.Start", "bracket", 12) == "started bracket"
    with pytest.raises(Refused, match="running already"):
        await device.call("Job.Start", "bracket", 12)
    assert await device.call("Job.Abort") == "aborted"
    with pytest.raises(Refused, match="takes"):
        await device.call("Job.Start", "bracket")
    with pytest.raises(Refused):
        await device.call("Job.Nothing")


@contract
async def test_subscription(device: Device, host: FakeHost) -> None:
    heard: list[tuple[str, Sample]] = []
    arrived = asyncio.Event()

    def hear(path: str, sample: Sample) -> None:
        heard.append((path, sample))
        arrived.set()

    async def until(count: int) -> None:
        async with asyncio.timeout(5):
            while len(heard) < count:
                arrived.clear()
                await arrived.wait()

    paths = ["Chamber.OxygenTop", "Chamber.DoorClosed"]
    host.put(paths[0], 209_500.0)
    host.step()
    await shows(device, paths[0], 209_500.0)
    running = await device.subscribe(paths, hear, period=0.01)
    await until(2)
    assert {p: s.value for p, s in heard} == {paths[0]: 209_500.0, paths[1]: True}
    host.put("Chamber.OxygenTop", 1000.0)
    host.put("Chamber.Pressure", 12.0)
    host.step()
    await until(3)
    assert (heard[2][0], heard[2][1].value) == (paths[0], 1000.0)
    await running.close()
    host.put("Chamber.OxygenTop", 2000.0)
    host.step()
    await asyncio.sleep(0.05)
    assert len(heard) == 3


async def test_roles(fake_host: FakeHost) -> None:
    device = await connect(fake_host, user="anna", role=Role.OPERATOR)
    await device.write("Atmosphere.OxygenLimit", 500.0)
    assert fake_host.acts[-1].user == "anna"
    with pytest.raises(Refused) as caught:
        await device.write("Atmosphere.PurgeCycles", 2)
    assert caught.value.code == "role"


async def test_synchronous(modbus_url: str, fake_host: FakeHost) -> None:
    def script() -> list[Value]:
        heard: list[Value] = []
        with SyncDevice(modbus_url) as device:
            running = device.subscribe(["Job.State"], lambda _, s: heard.append(s.value), 0.01)
            answer = device.call("Job.Start", "ring", 3)
            device.write("Atmosphere.PurgeCycles", 4)
            value = device.read("Atmosphere.PurgeCycles").value
            with pytest.raises(Refused):
                device.write("Atmosphere.PurgeCycles", 40)
            running.close()
        device.close()
        with pytest.raises(ConnectionError):
            device.read("Job.State")
        return [answer, value, len(heard) > 0]

    assert await asyncio.to_thread(script) == ["started ring", 4, True]


async def test_only_components_that_are_there(
    fake_host: FakeHost, fake_registers: RegisterMap
) -> None:
    """Under external control the machine has no controller: a map of the whole type shows none."""
    fake_host.table = SignalTable(Plant(1))
    tables = {"fake": fake_registers}
    async with ModbusServer([(1, fake_host)], tables=tables) as server:
        device = await connect(f"modbus://127.0.0.1:{server.port}/1", table=fake_registers)
        assert {path.partition(".")[0] for path in device.table} == {"Chamber", "Laser1"}
        await device.close()


async def test_a_signal_list_is_a_map(
    modbus_url: str, fake_host: FakeHost, fake_registers: RegisterMap, tmp_path: Path
) -> None:
    listed = tmp_path / "list.csv"
    listed.write_text(render(signal_list("F", fake_host.table, fake_registers), "csv"))
    device = await connect(f"{modbus_url.partition('?')[0]}?map={listed}&gap=0")
    assert (await device.read("Laser2.Temperature")).value == 25.0
    await device.close()


async def test_lost_connection_is_bad_quality_and_comes_back(
    fake_host: FakeHost, fake_registers: RegisterMap
) -> None:
    tables = {"fake": fake_registers}
    server = ModbusServer([(1, fake_host)], tables=tables)
    await server.start()
    port = server.port
    device = await ModbusDevice.connect("127.0.0.1", port, registers=fake_registers, timeout=0.3)
    heard: asyncio.Queue[Quality] = asyncio.Queue()
    await device.subscribe(["Job.Layer"], lambda _, s: heard.put_nowait(s.quality), 0.02)
    async with asyncio.timeout(10):
        assert await heard.get() is Quality.GOOD
        await server.stop()
        assert await heard.get() is Quality.BAD
        server = ModbusServer([(1, fake_host)], port=port, tables=tables)
        await server.start()
        assert await heard.get() is Quality.GOOD
    await device.close()
    await server.stop()


async def test_heartbeat_keeps_the_watchdog_quiet(
    make_host: Callable[..., FakeHost], fake_registers: RegisterMap
) -> None:
    host = make_host(external_control=True)
    tripped = asyncio.Event()

    def trip(_: Host) -> None:
        tripped.set()

    server = ModbusServer(
        [(1, host)],
        tables={"fake": fake_registers},
        watchdog_ms=500,
        on_watchdog=trip,
    )
    async with server:
        device = await ModbusDevice.connect(
            "127.0.0.1", server.port, registers=fake_registers, heartbeat=0.02
        )
        await device.write("Chamber.FanSpeed", 60.0)
        await asyncio.sleep(1.0)
        assert not tripped.is_set()
        await device.close()
        async with asyncio.timeout(5):
            await tripped.wait()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://127.0.0.1", "begins with modbus:// or opc.tcp://"),
        ("modbus://127.0.0.1/1", "add .map="),
        ("modbus:///1?map=x", "HOST:PORT"),
        ("modbus://127.0.0.1/300?map=x", "unit id 0 to 255"),
        ("modbus://127.0.0.1/1?map=x&speed=3", "unknown speed; known: map"),
        ("modbus://127.0.0.1/1?map=nothing.csv", "no such register file"),
        ("modbus://127.0.0.1/1?map=nothing", "neither a register file nor a machine type"),
    ],
)
async def test_urls_that_say_too_little(url: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        await connect(url)


async def test_nobody_answers(fake_registers: RegisterMap, unused_tcp_port: int) -> None:
    with pytest.raises(ConnectionError, match=str(unused_tcp_port)):
        await connect(f"modbus://127.0.0.1:{unused_tcp_port}/1", table=fake_registers)


def test_grouping() -> None:
    wanted = [(Table.INPUT, 0, 2), (Table.INPUT, 4, 2), (Table.INPUT, 20, 2), (Table.COIL, 0, 1)]
    assert group(wanted, 8) == [(Table.COIL, 0, 1), (Table.INPUT, 0, 6), (Table.INPUT, 20, 2)]
    assert group(wanted, 0) == [(Table.COIL, 0, 1), *wanted[:3]]
    blocks = group([(Table.INPUT, k, 2) for k in range(0, 400, 2)], 8)
    assert max(count for _, _, count in blocks) == 124
    assert all(address % 2 == 0 for _, address, _ in blocks)

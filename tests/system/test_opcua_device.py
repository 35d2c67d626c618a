"""`OpcUaDevice`: the table out of a server's tree or out of a file, and secured connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from plc_interfaces.opcua.device import OpcUaDevice, address, read_node_map
from plc_interfaces.opcua.server import Endpoint
from tests.build_machine import BuildHost
from tests.opcua_machine import PASSWORD, serving
from twin.image import Device, Quality, Sample
from twin.signals import Kind, Refused
from twin.units import unit

pytestmark = pytest.mark.asyncio(loop_scope="module")
MAP = """path,node_id,kind,type,unit,low,high,doc
Oven.Oxygen,nsu=urn:amtwin:BUILD-01;s=BUILD-01.Gas.Oxygen,measured,float,ppm,0,250000,O2
Oven.Limit,nsu=urn:amtwin:BUILD-01;s=BUILD-01.Gas.OxygenLimit,setpoint,float,ppm,10,10000,limit
"""


@pytest.fixture(scope="module")
def host() -> BuildHost:
    return BuildHost()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(
    tmp_path_factory: pytest.TempPathFactory, host: BuildHost
) -> AsyncIterator[Endpoint]:
    folder = tmp_path_factory.mktemp("security")
    async with serving(folder, host, BuildHost("AUX-01", technology="")) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def device(
    server: Endpoint, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Device]:
    """An engineer's connection, signed and encrypted."""
    made = await OpcUaDevice.connect(
        server.url,
        "BUILD-01",
        user="ed",
        password=PASSWORD,
        security=tmp_path_factory.mktemp("client"),
    )
    yield made
    await made.close()


async def test_the_table_is_the_machines_own(device: Device, host: BuildHost) -> None:
    shown = [path for path, s in host.table.items() if s.kind is not Kind.FAULT]
    assert list(device.table) == shown
    for path, signal in device.table.items():
        own = host.table[path]
        for what in ("kind", "type", "unit", "high", "doc", "choices", "arguments"):
            assert (path, what, getattr(signal, what)) == (path, what, getattr(own, what))
        if own.type is str and own.kind is not Kind.COMMAND:
            assert signal.length == own.length


async def test_subscribed_values_and_alarms(device: Device, host: BuildHost) -> None:
    heard: list[tuple[str, Sample]] = []
    paths = ["Gas.Oxygen", "Gas.FilterClogged"]
    running = await device.subscribe(paths, lambda *pair: heard.append(pair), 0.02)
    host.put("Gas.Oxygen", 321.0, Quality.UNCERTAIN)
    host.raise_alarm("Gas.FilterClogged", True, 120.0)
    host.step()
    async with asyncio.timeout(5):
        while len(heard) < 4:
            await asyncio.sleep(0.01)
    last = dict(heard)
    assert last["Gas.Oxygen"] == Sample(321.0, Quality.UNCERTAIN, host.frame().stamp)
    assert last["Gas.FilterClogged"].value is True
    await running.close()
    host.put("Gas.Oxygen", 322.0)
    host.step()
    await asyncio.sleep(0.1)
    assert len(heard) == 4


async def test_refusals_carry_code_and_text(device: Device) -> None:
    with pytest.raises(Refused, match="no job order 'X'") as caught:
        await device.call("Job.Start", "X")
    assert caught.value.code == "unknown"
    with pytest.raises(Refused, match="program is missing") as caught:
        await device.call("Job.Store", "X", "")
    assert caught.value.code == "range"
    with pytest.raises(Refused) as caught:
        await device.write("Gas.Oxygen", 1.0)
    assert caught.value.code == "read-only"


async def test_which_machine_must_be_said(server: Endpoint) -> None:
    with pytest.raises(ValueError, match=r"several machines.*BUILD-01, AUX-01"):
        await OpcUaDevice.connect(server.url)
    with pytest.raises(ValueError, match="no machine 'PBF'"):
        await OpcUaDevice.connect(server.url, "PBF")
    named = await OpcUaDevice.connect(f"{server.url}?machine=AUX-01", user="olive",
                                      password=PASSWORD)
    await named.close()
    with pytest.raises(ValueError, match="no machine 'PBF'"):
        await OpcUaDevice.connect(f"{server.url}?machine=PBF")


@pytest.mark.parametrize("url", ["", "nonsense", "http://h:1/", "opc.tcp://", "opc.tcp://h:99999/"])
async def test_what_is_no_address_is_told(url: str) -> None:
    with pytest.raises(ValueError, match=r"an address is opc\.tcp://HOST:PORT"):
        address(url)


async def test_the_machine_of_an_address() -> None:
    assert address("opc.tcp://h:4840/a/") == ("opc.tcp://h:4840/a/", None)
    assert address("opc.tcp://h:4840/a/?machine=B-1") == ("opc.tcp://h:4840/a/", "B-1")


async def test_a_node_map(server: Endpoint, host: BuildHost, tmp_path: Path) -> None:
    file = tmp_path / "oven.csv"
    file.write_text(MAP)
    device = await OpcUaDevice.connect(server.url, user="olive", password=PASSWORD, node_map=file)
    assert list(device.table) == ["Oven.Oxygen", "Oven.Limit"]
    assert device.table["Oven.Oxygen"].unit is unit("ppm")
    await device.write("Oven.Limit", 444)
    assert host.acts[-1].value == 444.0
    async with asyncio.timeout(5):
        while (await device.read("Oven.Limit")).value != 444.0:
            await asyncio.sleep(0.01)
    await device.close()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("path,", "name,", "columns missing: path"),
        (",ppm,", ",ppb,", "line 2, unit: .*unknown unit 'ppb'"),
        ("measured", "measure", "line 2, kind"),
        (",10,", ",ten,", "line 3, low"),
        ("BUILD-01;s", "BUILD-02;s", "line 2, node_id: .*no namespace"),
    ],
)
async def test_a_bad_node_map(tmp_path: Path, old: str, new: str, message: str) -> None:
    file = tmp_path / "oven.csv"
    file.write_text(MAP.replace(old, new))
    with pytest.raises(ValueError, match=message):
        read_node_map(file, ["urn:amtwin:BUILD-01"])

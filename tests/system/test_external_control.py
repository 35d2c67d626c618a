"""Hardware in the loop: a PLC outside drives the plant over the wire, and may fall silent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from emulators.journal import read_journal
from emulators.record import open_run
from emulators.runs import replay
from plc_interfaces.connect import connect
from plc_interfaces.host import Act, ActKind
from tests.machines import Machine, machine, until
from twin.image import Device
from twin.signals import Kind, Refused

pytestmark = pytest.mark.timeout(60)
WATCHDOG_MS = 1000
LAYERS = 2


async def wait(device: Device, path: str, met: Callable[[Any], bool], timeout: float = 20) -> Any:
    """Poll an input like a PLC's scan."""
    try:
        async with asyncio.timeout(timeout):
            while True:
                value = (await device.read(path)).value
                if met(value):
                    return value
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"{path} is {value!r} after {timeout} s") from None


def acts(machine: Machine, kind: ActKind) -> list[Act]:
    """Those of a kind in the journal so far."""
    return [e.act for e in read_journal(machine.record).entries if e.act.kind is kind]


async def prepare(device: Device) -> None:
    """Close, purge, heat."""
    await device.write("Safety.DoorLock", True)
    await device.write("Chiller.Run", True)
    await wait(device, "Safety.DoorLocked", bool)
    await wait(device, "Chiller.Flow", lambda flow: flow > 10)
    await device.write("Gas.Blower", 72.0)
    await device.write("Chamber.ProcessFlow", 3.0)
    await device.write("Chamber.PurgeFlow", 400.0)
    for sensor in ("Chamber.OxygenTop", "Chamber.OxygenBottom"):
        await wait(device, sensor, lambda oxygen: oxygen < 5000)
    await device.write("Chamber.PurgeFlow", 0.0)
    await device.write("Platform.TemperatureDemand", 40.0)
    await wait(device, "Platform.Temperature", lambda plate: plate > 35)
    await device.write("Recoater.TravelSpeed", 250.0)
    await device.write("Scanner.ScanSpeed", 960.0)
    await device.write("Laser1.Power", 285.0)


async def build(device: Device, layer: int) -> None:
    """Recoat, expose, lower."""
    await device.write("Recoater.Recoat", True)
    await wait(device, "Recoater.AtHome", lambda home: not home)
    await wait(device, "Recoater.AtHome", bool)
    await device.write("Recoater.Recoat", False)
    await device.write("Laser1.Enable", True)
    await device.write("Scanner.Layer", layer)
    await device.write("Scanner.Run", True)
    await wait(device, "Scanner.LayerDone", lambda done: done == layer)
    await device.write("Scanner.Run", False)
    await device.write("Laser1.Enable", False)
    await device.write("Platform.ZDemand", layer * 0.04)
    await wait(device, "Platform.Z", lambda z: abs(z - layer * 0.04) < 0.01)


@pytest.fixture(params=["opcua"])
def plant(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """A plant without a controller, 60 times as fast as real time; OPC UA if asked for."""
    ports = {"opcua": 0 if request.param == "opcua" else None, "instructor": None}
    with machine(
        "pbf-lb",
        tmp_path,
        served={"watchdog_ms": WATCHDOG_MS, **ports},
        speed=60.0,
        record=True,
        control="external",
    ) as running:
        yield running


@asynccontextmanager
async def plc(running: Machine, wire: str, writes: bool = True) -> AsyncIterator[Device]:
    """The PLC's connection, with a sign of life: a heartbeat, or an output written again."""

    async def live(device: Device) -> None:
        while True:
            await device.write("Laser1.Focus", 0.0)
            await asyncio.sleep(WATCHDOG_MS / 1000 / 4)

    if wire == "modbus":
        url = f"modbus://127.0.0.1:{running.modbus_port}/1?map=pbf-lb&heartbeat=0.05"
        device = await connect(url)
    else:
        device = await running.device(wire, "olive")
    alive = asyncio.create_task(live(device)) if wire == "opcua" and writes else None
    try:
        yield device
    finally:
        if alive is not None:
            alive.cancel()
            await asyncio.gather(alive, return_exceptions=True)
        await device.close()


@pytest.mark.parametrize(
    ("plant", "wire"), [("modbus", "modbus"), ("opcua", "opcua")], indirect=["plant"]
)
async def test_a_plc_builds_layers(plant: Machine, wire: str) -> None:
    async with plc(plant, wire) as device:
        # What only a controller can know is absent, not faked.
        assert not {"Job", "Process", "Machine", "Alarms"} & {p.split(".")[0] for p in device.table}
        with pytest.raises(Refused):
            await device.call("Job.Start", "J1")
        with pytest.raises(Refused) as caught:
            await device.write("Laser1.Power", 5000.0)
        assert caught.value.code == "range"
        await prepare(device)
        # The recoater's stroke is to be seen by polling.
        plant.emulator.pacer.set_factor(10.0)
        for layer in range(1, LAYERS + 1):
            await build(device, layer)
        assert (await device.read("Layer.Layer")).value == LAYERS
        await wait(device, "Layer.WidthMean", lambda width: 50 < width < 300, 1)
        await wait(device, "Layer.PhotodiodeMean", lambda signal: signal > 100, 1)
        assert (await device.read("Safety.ChainClosed")).value is True
        # A laser that is on demand without a scanner that runs emits nothing.
        await device.write("Laser1.Enable", True)
        assert (await device.read("Laser1.Emitting")).value is False

    await asyncio.to_thread(plant.close)
    rows = open_run(plant.record).sql("select layer, vectors, width_mean from layers").fetchall()
    assert [row[0] for row in rows] == [1, 2]
    assert all(row[1] > 10 and 50e-6 < row[2] < 300e-6 for row in rows)
    writes = acts(plant, ActKind.WRITE)
    assert {a.source for a in writes} == {wire}
    assert [a.value for a in writes if a.path == "Scanner.Layer"] == [1, 2]
    assert replay(plant.record).same


async def test_the_chain_opens_when_the_plc_falls_silent(plant: Machine) -> None:
    async with plc(plant, "modbus") as device:
        await device.write("Chiller.Run", True)
        await device.write("Gas.Blower", 72.0)
        await asyncio.sleep(WATCHDOG_MS / 1000 * 1.5)
        # The heartbeat alone keeps it quiet.
        assert plant.value("Safety.ChainClosed") is True
    async with plc(plant, "opcua", writes=False) as observer:
        await wait(observer, "Safety.ChainClosed", lambda closed: not closed, timeout=5)
        causes = observer.table["Safety.FirstOut"].choices
        await wait(observer, "Safety.FirstOut", lambda cause: causes[cause] == "watchdog", 1)
        # No program can bypass it: the laser stays dark whatever is asked.
        await observer.write("Laser1.Enable", True)
        await observer.write("Scanner.Layer", 1)
        await observer.write("Scanner.Run", True)
        async with asyncio.timeout(10):
            while len(trips := acts(plant, ActKind.FAULT)) < 2:
                await asyncio.sleep(0.05)
        assert (await observer.read("Scanner.Busy")).value is False
    # It expired once; that somebody writes again ends this, and the chain still wants a reset.
    assert [(a.path, a.value, a.user) for a in trips] == [
        ("Safety.WatchdogExpired", True, "watchdog"),
        ("Safety.WatchdogExpired", False, "watchdog"),
    ]
    assert plant.value("Safety.ChainClosed") is False
    await asyncio.to_thread(plant.close)
    assert replay(plant.record).same


@pytest.mark.parametrize("plant", ["modbus"], indirect=True)
def test_a_plc_that_never_spoke_trips_nothing(plant: Machine) -> None:
    began = plant.emulator.time
    until(lambda: plant.emulator.time > began + WATCHDOG_MS / 1000 * 60 * 1.5)
    assert plant.value("Safety.ChainClosed") is True
    assert not read_journal(plant.record).entries
    kinds = {s.kind for s in plant.emulator.table.values()}
    assert kinds == {Kind.ACTUATOR, Kind.MEASURED, Kind.FAULT, Kind.DIAGNOSTIC, Kind.IMAGE}

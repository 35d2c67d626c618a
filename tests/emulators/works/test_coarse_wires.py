"""A coarse machine on the wires: node ids and registers of the real one, no others."""

from __future__ import annotations

import asyncio
from math import inf
from pathlib import Path

import pytest
from pymodbus.client import ModbusTcpClient

from emulators.catalog import signal_trees
from emulators.controllers.states import MachineState
from emulators.serving import Ports, Serving
from emulators.works.coarse import coarse_member
from plc_interfaces.connect import connect
from plc_interfaces.host import Act, ActKind, role_to_write
from plc_interfaces.registers import has_registers, load_table
from tests.coarse_bench import JOB, coarse, summary_of
from tests.machines import settled
from tests.opcua_machine import PASSWORD, security
from twin.signals import Kind, Refused, SignalTable

PATHS = ("Machine.State", "Machine.Phase", "Job.Layer", "Consumption.Energy",
         "Feedstock.RemainingQuantity", "Safety.ChainClosed", "Job.LayersPlanned")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("wires")


@pytest.fixture(autouse=True)
def home(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMTWIN_HOME", str(folder / "home"))


@pytest.mark.parametrize("kind", ["pbf-lb", "binder-jet", "sinter-furnace", "spheroidizer"])
def test_signals_are_the_real_ones(kind: str, folder: Path) -> None:
    """Every signal is one of the real machine's, as that declares it, and has its registers."""
    emulator = coarse(summary_of(kind, folder), order=False).emulator
    real = SignalTable(*signal_trees(kind))
    registers = load_table(kind)
    for path, signal in emulator.table.items():
        if path.startswith("Simulation."):
            continue
        wanted = real[path]
        assert (signal.kind, signal.type, signal.unit, signal.choices, signal.companion,
                signal.length, signal.doc) == (
            wanted.kind, wanted.type, wanted.unit, wanted.choices, wanted.companion,
            wanted.length, wanted.doc), path
        if has_registers(signal):
            assert path in registers
    summary = summary_of(kind, folder)
    shown = emulator.table.of_kind(Kind.SETPOINT, Kind.PARAMETER)
    assert {s.path for s in shown} == {p for p in real if p.startswith("Process.")
                                       and real[p].kind in (Kind.SETPOINT, Kind.PARAMETER)}
    assert all(s.fixed and role_to_write(s) is None for s in shown), "nothing follows them"
    runner = coarse(summary, order=True)
    for signal in shown:
        value = getattr(runner.controller.children["Process"], signal.attribute)
        assert value == summary.settings[signal.attribute], signal.path
    with pytest.raises(Refused, match="cannot be written"):
        runner.emulator.submit(Act(ActKind.WRITE, shown[0].path, shown[0].low or 0.0))


def test_a_client_sees_the_real_machines_nodes_and_registers(folder: Path) -> None:
    """Both wires over sockets: a job ordered by OPC UA, read by both at the real addresses."""
    summary = summary_of("pbf-lb", folder)
    emulator = coarse_member("pbf-lb", "PBF-LB-07", {"part": summary}, seed=1)
    emulator.pacer.set_factor(100.0)
    security(folder)
    serving = Serving([emulator], Ports(opcua=0, modbus=0), folder)
    serving.start()
    emulator.start(lambda e: False)
    try:
        assert serving.opcua is not None
        assert serving.modbus is not None
        asyncio.run(_session(serving.opcua.url, serving.modbus.port, folder, emulator))
    finally:
        emulator.stop()
        emulator.join(10)
        serving.stop()


async def _session(url: str, port: int, folder: Path, emulator) -> None:  # type: ignore[no-untyped-def]
    opcua = await connect(url, user="ed", password=PASSWORD, security=folder / "client")
    modbus = await connect(f"modbus://127.0.0.1:{port}/1?map=pbf-lb")
    try:
        await opcua.call("Job.StoreAndStart", JOB, "part")
        building = int(MachineState.BUILDING)
        while (await opcua.read("Machine.State")).value != building:
            await asyncio.sleep(0.05)
        # Frozen, and the scan that was under way is done.
        await asyncio.to_thread(emulator.pacer.step, 1, 20)
        await settled(emulator, opcua, modbus)
        for path in PATHS:
            seen, read = (await opcua.read(path)).value, (await modbus.read(path)).value
            assert read == pytest.approx(seen, rel=1e-6), path
        emulator.pacer.set_factor(inf)
        finished = int(MachineState.FINISHED)
        while (await modbus.read("Machine.State")).value != finished:
            await asyncio.sleep(0.05)
        assert (await opcua.read("Job.Layer")).value == 4
        _gap(port, emulator)
    finally:
        await opcua.close()
        await modbus.close()


def _gap(port: int, emulator) -> None:  # type: ignore[no-untyped-def]
    """What only the full model knows has its registers, which read nothing."""
    absent = "Chamber.OxygenTop"
    assert absent not in emulator.table
    row = load_table("pbf-lb").locate(absent)
    assert row.read is not None
    client = ModbusTcpClient("127.0.0.1", port=port)
    assert client.connect()
    try:
        answer = client.read_input_registers(row.read.address, count=row.words, device_id=1)
        assert answer.registers == [0] * row.words
    finally:
        client.close()

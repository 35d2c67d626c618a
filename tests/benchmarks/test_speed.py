"""How fast it is, and where the time goes: tables and figures, no promises.

Run them with ``pytest -m slow tests/benchmarks -s``. Each prints a table and writes its figures as
JSON to ``$AMTWIN_BENCHMARKS`` (a folder; default: the test's own). ``$AMTWIN_BENCHMARK_PART`` names
another part to build, ``$AMTWIN_BENCHMARK_SECONDS`` how long each is measured (wall s).
"""

from __future__ import annotations

import asyncio
import cProfile
import json
import os
import pstats
import re
import socket
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from math import inf
from pathlib import Path
from typing import Any

import pytest
import trimesh
from asyncua import Client, Server, ua
from rich.console import Console
from rich.table import Table

from emulators.catalog import MACHINES, Settings
from emulators.emulator import Emulator
from emulators.record import open_run
from emulators.runs import begin, finish, finished, summarise
from plc_interfaces.connect import connect
from plc_interfaces.host import Act, ActKind
from plc_interfaces.opcua.patches import PatchedServer
from tests.machines import Amtwin, trial
from tests.opcua_machine import PASSWORD, security

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
SECONDS = float(os.environ.get("AMTWIN_BENCHMARK_SECONDS", "20"))
Report = Callable[[str, dict[str, Any]], None]


@pytest.fixture
def report(tmp_path: Path) -> Report:
    """Prints figures, and keeps them."""
    folder = Path(os.environ.get("AMTWIN_BENCHMARKS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)

    def tell(name: str, figures: dict[str, Any]) -> None:
        table = Table(title=name)
        table.add_column("figure")
        table.add_column("value", justify="right")
        for key, value in figures.items():
            if isinstance(value, list):
                continue
            table.add_row(key, f"{value:,.4g}" if isinstance(value, float) else f"{value}")
        Console(width=110).print(table)
        file = folder / f"{name.replace(' ', '-')}.json"
        file.write_text(json.dumps(figures, indent=2) + "\n")

    return tell


# -- an accelerated run


def job(machine: str, folder: Path) -> tuple[Emulator, Path]:
    """The example part, or another, recorded, in layers."""
    part = os.environ.get("AMTWIN_BENCHMARK_PART", "example:bracket")
    parts = (part,) if MACHINES[machine].technology else ()
    built = begin(Settings(machine, parts=parts), folder / "run", 0.0)
    emulator = built.emulator
    emulator.pacer.set_factor(inf)
    emulator.submit(Act(ActKind.CALL, "Job.StoreAndStart", ["J1", built.programs[0]]))
    counter = trial(machine).counter
    index = emulator.table.index[counter]
    # Preparing a job takes no computing: it would flatter the figures.
    emulator.run(lambda e: e.shown.values()[index] >= 1)
    return emulator, folder / "run"


def for_seconds(seconds: float) -> Callable[[Emulator], bool]:
    end = time.perf_counter() + seconds
    return lambda emulator: time.perf_counter() > end or finished(emulator)


def test_accelerated_run(machine_type: str, tmp_path: Path, report: Report) -> None:
    """Layers only, record on, one core."""
    emulator, folder = job(machine_type, tmp_path)
    began, wall = emulator.time, time.perf_counter()
    emulator.run(for_seconds(SECONDS))
    wall = time.perf_counter() - wall
    finish(emulator, summarise(emulator, wall, began))
    simulated = emulator.time - began
    run = open_run(folder)
    columns = {name for (name,) in run.sql("select column_name from (describe layers)").fetchall()}
    layers = run.sql(f"select count(*) from layers where time > {began}").fetchall()[0][0]
    counted = {
        name: run.sql(f"select sum({name}) from layers where time > {began}").fetchall()[0][0] or 0
        for name in ("vectors", "passes", "scan_length")
        if name in columns
    }
    report(
        f"accelerated run {machine_type}",
        {
            "part": os.environ.get("AMTWIN_BENCHMARK_PART", "example:bracket"),
            "layers": layers,
            "simulated s": simulated,
            "wall s": wall,
            "speed factor (mark 200)": simulated / wall,
            **{f"{name} per wall s": total / wall for name, total in counted.items()},
            "wall ms per layer": wall / max(layers, 1) * 1e3,
            "megabytes of record": sum(f.stat().st_size for f in folder.rglob("*.*")) / 1e6,
        },
    )


@pytest.mark.parametrize("machine", ["pbf-lb", "pbf-eb"])
def test_layer_fidelity(
    machine: str, tmp_path: Path, report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A block of 60 x 60 mm: processor time of a layer by vectors, and by their sums once kept."""
    monkeypatch.setenv("AMTWIN_HOME", str(tmp_path))
    part = tmp_path / "block.stl"
    trimesh.creation.box(extents=(60, 60, 3)).export(part)
    cost: dict[str, float] = {}
    for name in ("vector", "layer", "layer, kept"):
        cpu = time.process_time()
        fidelity = name.partition(",")[0]
        built = begin(Settings(machine, parts=(str(part),), unit="mm", fidelity=fidelity), None)
        cost[f"{name}: build s"] = time.process_time() - cpu
        emulator = built.emulator
        emulator.submit(Act(ActKind.CALL, "Job.StoreAndStart", ["J1", built.programs[0]]))
        while emulator.plant.layers_done < 2:
            emulator.scan(emulator.next_scan)
        cpu, began, since = time.process_time(), emulator.time, emulator.plant.layers_done
        while emulator.plant.layers_done < since + 20:
            emulator.scan(emulator.next_scan)
        cpu = time.process_time() - cpu
        cost[f"{name}: ms per layer"] = cpu / 20 * 1e3
        cost[f"{name}: speed factor"] = (emulator.time - began) / cpu
    gain = cost["vector: ms per layer"] / cost["layer, kept: ms per layer"]
    report(f"layer fidelity {machine}", {**cost, "gain (mark 3)": gain})
    assert cost["layer, kept: build s"] < 0.5 * cost["layer: build s"]


def test_where_the_time_goes(machine_type: str, tmp_path: Path, report: Report) -> None:
    """The same under a profiler: functions by their own time."""
    emulator, _ = job(machine_type, tmp_path)
    profile = cProfile.Profile()
    profile.enable()
    emulator.run(for_seconds(SECONDS / 2))
    profile.disable()
    finish(emulator, summarise(emulator, SECONDS))
    stats: dict[Any, Any] = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    total = sum(row[2] for row in stats.values())
    top = sorted(stats.items(), key=lambda item: -item[1][2])[:25]
    table = Table(title=f"own time, of {total:.1f} s")
    for column in ("share", "calls", "cumulative s", "function"):
        table.add_column(column, justify="right" if column != "function" else "left")
    rows = []
    for (file, line, name), (_, calls, own, cumulative, _) in top:
        where = f"{Path(file).parent.name}/{Path(file).name}:{line} {name}"
        rows.append({"share": own / total, "calls": calls, "function": where})
        table.add_row(f"{own / total:.1%}", f"{calls:,}", f"{cumulative:.2f}", where)
    Console(width=110).print(table)
    report(f"profile {machine_type}", {"profiled s": total, "top": rows})


# -- a cold start


async def test_cold_start(machine_type: str, tmp_path: Path, report: Report) -> None:
    """From the command to the first OPC UA session, in a process of its own."""
    security(tmp_path)
    figures: dict[str, Any] = {}
    for attempt in ("first", "second"):  # the first makes certificates
        began = time.perf_counter()
        running = Amtwin(
            "run",
            machine_type,
            "--json",
            "--timing-report",
            "--no-record",
            "--opcua-port=0",
            "--modbus-port=0",
            "--until=forever",
            home=tmp_path,
        )
        try:
            ready = await asyncio.to_thread(running.ready)
            listening = time.perf_counter() - began
            client = await connect(
                ready["opcua"], user="ob", password=PASSWORD, security=tmp_path / "client"
            )
            await client.read(trial(machine_type).reading)
            figures[f"{attempt}: ports open after s"] = listening
            figures[f"{attempt}: first value over OPC UA after s"] = time.perf_counter() - began
            await client.close()
        finally:
            running.process.terminate()
            _, _, err = await asyncio.to_thread(running.finish)
        told = re.search(r"start-up: (.*? s), together", " ".join(err.split()))
        figures[f"{attempt}: parts"] = told[1] if told else err
    report(f"cold start {machine_type}", figures)


# -- lateness


async def read_all(url: str, stop: asyncio.Event, **options: Any) -> int:
    """A client that subscribes to all and polls; how many values it got."""
    device = await connect(url, **options)
    got = 0

    def hear(path: str, sample: Any) -> None:
        nonlocal got
        got += 1

    paths = [p for p, s in device.table.items() if s.kind in ("measured", "status", "diagnostic")]
    subscription = await device.subscribe(paths, hear, 0.1)
    await stop.wait()
    await subscription.close()
    await device.close()
    return got


@pytest.mark.parametrize("load", ["idle", "loaded"])
async def test_lateness(machine_type: str, load: str, tmp_path: Path, report: Report) -> None:
    """Real time at a scan of 10 ms; loaded: three OPC UA and three Modbus clients read it all."""
    security(tmp_path)
    running = Amtwin(
        "run",
        machine_type,
        "--json",
        "--speed=1",
        "--scan-ms=10",
        "--no-record",
        "--opcua-port=0",
        "--modbus-port=0",
        f"--until={SECONDS}",
        home=tmp_path,
    )
    stop, clients = asyncio.Event(), []
    try:
        ready = await asyncio.to_thread(running.ready)
        if load == "loaded":
            urls = [f"modbus://{ready['modbus']}/1?map={machine_type}", ready["opcua"]] * 3
            for url in urls:
                options: dict[str, Any] = (
                    {}
                    if url.startswith("modbus")
                    else {"user": "ob", "password": PASSWORD, "security": tmp_path / "client"}
                )
                clients.append(asyncio.create_task(read_all(url, stop, **options)))
        await asyncio.sleep(max(SECONDS - 3, 1))
        stop.set()
        values = sum(await asyncio.gather(*clients))
        _, (summary,), _ = await asyncio.to_thread(running.finish)
    finally:
        running.kill()
    late = summary["lateness_ms"]
    report(
        f"lateness {load} {machine_type}",
        {
            "scans": summary["scans"],
            "p50 ms": late["p50"],
            "p99 ms": late["p99"],
            "max ms": late["max"],
            "overruns": summary["overruns"],
            "lost scans": summary["lost_scans"],
            "values told to clients per s": values / SECONDS,
        },
    )


# -- the OPC UA library, with and without its defects mended

ITEMS, CLIENTS = 100, 3


async def notifications(server: Any, port: int, seconds: float) -> tuple[float, float]:
    """Notifications per wall s and per CPU s (clients included) with all items changing."""
    got = 0

    class Handler:
        def datachange_notification(self, node: Any, value: Any, data: Any) -> None:
            nonlocal got
            got += 1

    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}/")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    index = await server.register_namespace("urn:benchmark")
    nodes = [
        await server.nodes.objects.add_variable(ua.NodeId(f"V{i}", index), f"V{i}", 0.0)
        for i in range(ITEMS)
    ]
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(server)
        for _ in range(CLIENTS):
            client = await stack.enter_async_context(Client(f"opc.tcp://127.0.0.1:{port}/"))
            subscription = await client.create_subscription(50, Handler())
            await subscription.subscribe_data_change(
                [client.get_node(n.nodeid) for n in nodes], sampling_interval=0
            )
        await asyncio.sleep(0.5)
        got, value = 0, 0.0
        wall, cpu = time.perf_counter(), time.process_time()
        while time.perf_counter() - wall < seconds:
            value += 1.0
            change = ua.DataValue(ua.Variant(value, ua.VariantType.Double))
            if isinstance(server, PatchedServer):
                server.iserver.publish([(n.nodeid, change) for n in nodes])
            else:
                for n in nodes:
                    await server.write_attribute_value(n.nodeid, change)
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.2)
        return got / (time.perf_counter() - wall), got / (time.process_time() - cpu)


async def test_mended_notifications(report: Report) -> None:
    """The library as it is beside the library as it is used here, in the same minute."""
    found = {}
    for name, make in (("as it is", Server), ("mended", PatchedServer)):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            number = free.getsockname()[1]
        found[name] = await notifications(make(), number, SECONDS / 4)
    plain, mended = found["as it is"], found["mended"]
    report(
        "asyncua notifications",
        {
            "as it is: per wall s": plain[0],
            "mended: per wall s": mended[0],
            "as it is: per CPU s": plain[1],
            "mended: per CPU s": mended[1],
            "ratio per CPU s": mended[1] / plain[1],
        },
    )

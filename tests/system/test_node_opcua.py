"""A client nobody here wrote (node-opcua) visits a machine."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.build_machine import BuildHost
from tests.opcua_machine import PASSWORD, serving

HERE = Path(__file__).parent / "node"
MODULES = Path(os.environ.get("AMTWIN_NODE_MODULES", HERE / "node_modules"))

pytestmark = [
    pytest.mark.foreign,
    pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed"),
    pytest.mark.skipif(
        not (MODULES / "node-opcua-client").is_dir(),
        reason="node-opcua-client is not installed: npm install in tests/system/node",
    ),
]
AM = "http://opcfoundation.org/UA/AdditiveManufacturing/"
MANDATORY = (
    "Identification/AMTechnologyIdentifier",
    "Identification/Manufacturer",
    "Identification/ProductInstanceUri",
    "Identification/SerialNumber",
    "Monitoring/MachineTool/OperationMode",
    "Production/ActiveProgram/Name",
    "Production/ActiveProgram/NumberInList",
    "Production/ActiveProgram/State/CurrentState",
    "Production/ActiveProgram/State/CurrentState/Id",
    "Production/ActiveProgram/State/CurrentState/Number",
)


@dataclass
class RunningMachine:
    """A machine that listens, and what the visitor is to do there."""

    url: str
    name: str
    user: str
    password: str
    values: list[str]
    """Paths of 50 signals to subscribe to."""
    setpoint: tuple[str, float, float]
    """Path, a value in range and one out of range."""
    program: str
    raise_alarm: Callable[[], Awaitable[None]]
    """Makes an alarm active."""


@pytest.fixture
async def running_machine(tmp_path: Path) -> AsyncIterator[RunningMachine]:
    host = BuildHost()
    analog = [p for p, s in host.table.items() if s.kind in ("measured", "actuator")]

    async def raise_alarm() -> None:
        host.raise_alarm("Gas.OxygenHigh", True, 1500.0)
        host.step()

    async with serving(tmp_path, host, insecure=False) as server:
        yield RunningMachine(
            url=server.url,
            name=host.identity.name,
            user="olive",
            password=PASSWORD,
            values=analog[:50],
            setpoint=("Gas.OxygenLimit", 800.0, 1e9),
            program="frame.stl",
            raise_alarm=raise_alarm,
        )


def node(machine: RunningMachine, path: str) -> str:
    return f"nsu=urn:amtwin:{machine.name};s={machine.name}.{path}"


async def visit(machine: RunningMachine, pki: Path) -> dict[str, Any]:
    """Let the visitor do all it can; returns its report."""
    path, good, bad = machine.setpoint
    order = "ORDER-1"
    wanted = {
        "url": machine.url,
        "machine": machine.name,
        "user": machine.user,
        "password": machine.password,
        "pki": str(pki),
        "values": [node(machine, p) for p in machine.values],
        "setpoint": {"node": node(machine, path), "good": good, "bad": bad},
        "steps": [
            ["Store", order, machine.program],
            ["Start", order],
            ["Pause", order],
            ["Resume", order],
            ["Start", "NO-SUCH-ORDER"],
        ],
        "refused": {
            "object": node(machine, "Job"),
            "method": node(machine, "Job.Resume"),
            "arguments": ["NO-SUCH-ORDER"],
        },
        "alarm": True,
    }
    process = await asyncio.create_subprocess_exec(
        "node",
        str(HERE / "opcua_client.js"),
        json.dumps(wanted),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=2**24,
        env={**os.environ, "NODE_PATH": str(MODULES)},
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        async with asyncio.timeout(60):
            async for line in process.stdout:
                if not line.startswith(b"{"):
                    continue  # the library's own chatter
                message = json.loads(line)
                if message.get("ready"):
                    await machine.raise_alarm()
                elif "report" in message:
                    report: dict[str, Any] = message["report"]
                    return report
            raise AssertionError((await process.stderr.read()).decode())
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_a_foreign_client(running_machine: RunningMachine, tmp_path: Path) -> None:
    report = await visit(running_machine, tmp_path / "visitor")

    assert report["policy"] == "SignAndEncrypt"
    assert report["machinesNamespace"]
    assert report["typeDefinition"] == [AM, 1005]
    for path in MANDATORY:
        member = report["members"][path]
        assert member["value"] is not None, path
        assert not member["status"].startswith("Bad"), path
    assert len(report["subscribed"]) == len(running_machine.values) == 50
    for path, value in report["subscribed"].items():
        assert value["sourceTimestamp"] is not None, path
    # UInt64 is [high, low] in JavaScript; bit 0 is "no error", bit 1 "unknown job order".
    assert [(c["status"], c["returnStatus"]) for c in report["calls"]] == [
        ("Good", [0, 1]),
        ("Good", [0, 1]),
        ("Good", [0, 1]),
        ("Good", [0, 1]),
        ("Uncertain", [0, 2]),
    ]
    assert report["writes"] == {
        "good": "Good",
        "bad": "BadOutOfRange",
        "text": "BadTypeMismatch",
        "nan": "BadOutOfRange",
        "shown": running_machine.setpoint[1],
    }
    assert report["refused"]["status"] == "BadNotFound"
    assert "NO-SUCH-ORDER" in report["refused"]["why"][0]
    alarm = report["alarm"]
    assert alarm["received"]
    assert alarm["acknowledge"] == "Good"
    assert alarm["acknowledged"]

"""A client nobody here wrote (node-opcua) visits a real machine."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from emulators.catalog import MACHINES
from tests.conftest import NODE_FOLDER
from tests.machines import Machine
from tests.opcua_machine import PASSWORD
from twin.signals import Kind

pytestmark = pytest.mark.foreign("node-opcua-client")
AM = ["http://opcfoundation.org/UA/AdditiveManufacturing/", 1005]
PLAIN = ["http://opcfoundation.org/UA/", 58]
"""BaseObjectType: a machine that is none of additive manufacturing has no type of its own."""
COMMON = (
    "Identification/Manufacturer",
    "Identification/ProductInstanceUri",
    "Identification/SerialNumber",
)
MANDATORY = (
    *COMMON,
    "Identification/AMTechnologyIdentifier",
    "Monitoring/MachineTool/OperationMode",
    "Production/ActiveProgram/Name",
    "Production/ActiveProgram/NumberInList",
    "Production/ActiveProgram/State/CurrentState",
    "Production/ActiveProgram/State/CurrentState/Id",
    "Production/ActiveProgram/State/CurrentState/Number",
)


def node(machine: Machine, path: str) -> str:
    name = machine.emulator.identity.name
    return f"nsu=urn:amtwin:{name};s={name}.{path}"


async def visit(
    machine: Machine, wanted: dict[str, Any], environment: dict[str, str]
) -> dict[str, Any]:
    """Let the visitor do all it can; a sensor fails when it is ready for the alarm."""
    process = await asyncio.create_subprocess_exec(
        "node",
        str(NODE_FOLDER / "opcua_client.js"),
        json.dumps(wanted),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=2**24,
        env=environment,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        async with asyncio.timeout(60), machine.instructor() as instruct:
            async for line in process.stdout:
                if not line.startswith(b"{"):
                    continue  # the library's own chatter
                message = json.loads(line)
                if message.get("ready"):
                    path, bias, _ = machine.trial.failure
                    await instruct("SetSensorFault", path, "bias", bias)
                elif "report" in message:
                    report: dict[str, Any] = message["report"]
                    return report
            raise AssertionError((await process.stderr.read()).decode())
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_a_foreign_client(
    paced: Machine, tmp_path: Path, node_environment: dict[str, str]
) -> None:
    table = paced.emulator.table
    numbers = [
        p
        for p, s in table.items()
        if s.kind in (Kind.MEASURED, Kind.SETPOINT, Kind.PARAMETER) and s.type is float
    ]
    assert len(numbers) >= 50
    path, good, bad = paced.trial.setpoint
    wanted = {
        "url": paced.opcua_url,
        "machine": paced.emulator.identity.name,
        "user": "olive",
        "password": PASSWORD,
        "pki": str(tmp_path / "visitor"),
        "values": [node(paced, p) for p in numbers[:50]],
        "setpoint": {"node": node(paced, path), "good": good, "bad": bad},
        "steps": [
            ["Store", "ORDER-1", paced.program],
            ["Start", "ORDER-1"],
            ["Pause", "ORDER-1"],
            ["Resume", "ORDER-1"],
            ["Start", "NO-SUCH-ORDER"],
        ],
        "refused": {
            "object": node(paced, "Job"),
            "method": node(paced, "Job.Resume"),
            "arguments": ["NO-SUCH-ORDER"],
        },
        "alarm": True,
    }

    report = await visit(paced, wanted, node_environment)

    assert report["policy"] == "SignAndEncrypt"
    assert report["machinesNamespace"]
    additive = bool(MACHINES[paced.settings.machine].technology)
    assert report["typeDefinition"] == (AM if additive else PLAIN)
    for member in MANDATORY if additive else COMMON:
        shown = report["members"][member]
        assert shown["value"] is not None, member
        assert not shown["status"].startswith("Bad"), member
    assert len(report["subscribed"]) == 50
    for name, value in report["subscribed"].items():
        assert value["sourceTimestamp"] is not None, name
        assert value["status"] == "Good", name
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
        "shown": good,
    }
    assert report["refused"]["status"] == "BadNotFound"
    assert "NO-SUCH-ORDER" in report["refused"]["why"][0]
    alarm = report["alarm"]
    assert alarm["received"]
    assert alarm["name"] == paced.trial.failure[2].rpartition(".")[2]
    assert alarm["acknowledge"] == "Good"
    assert alarm["acknowledged"]
    (status,) = [a for a in paced.emulator.alarm_states() if a.path == paced.trial.failure[2]]
    assert status.acknowledged
    assert status.comment == "seen by node-opcua"
    assert paced.value("Job.Id") == "ORDER-1"

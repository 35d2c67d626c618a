"""Machines served over OPC UA for tests, with users that have passwords."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from asyncua import Client, ua

from plc_interfaces.opcua.base import Security
from plc_interfaces.opcua.instructor import InstructorServer
from plc_interfaces.opcua.security import Users
from plc_interfaces.opcua.server import Endpoint, OpcUaServer
from tests.fakes import FakeHost

PASSWORD = "quench-4340"
ROLES = {"ob": "Observer", "olive": "Operator", "ed": "Engineer", "ines": "Instructor"}


def security(folder: Path, insecure: bool = True) -> Security:
    """Settings that let any client in, with the users of `ROLES`."""
    entries = [Users.entry(name, PASSWORD, role) for name, role in ROLES.items()]
    (folder / "users.toml").write_text("\n".join(entries))
    return Security(folder, insecure=insecure, trust_all=True)


@asynccontextmanager
async def serving(
    folder: Path,
    *hosts: FakeHost,
    insecure: bool = True,
    kind: type[OpcUaServer] | type[InstructorServer] = OpcUaServer,
) -> AsyncIterator[Endpoint]:
    """A started server of `hosts` on a free port."""
    server = kind(hosts, security(folder, insecure), port=0)
    try:
        await server.start()
        yield server
    finally:
        await server.stop()


@asynccontextmanager
async def logged_in(server: Endpoint, user: str = "") -> AsyncIterator[Client]:
    """A client of `server`, as one of `ROLES` or as nobody."""
    client = Client(server.url)
    client.session_timeout = 60_000
    if user:
        client.set_user(user)
        client.set_password(PASSWORD)
    async with client:
        yield client


async def node_id(client: Client, host: FakeHost, text: str) -> ua.NodeId:
    """Node id of a string in the machine's namespace."""
    index = await client.get_namespace_index(f"urn:amtwin:{host.identity.name}")
    return ua.NodeId(text, index)


async def signal_node(client: Client, host: FakeHost, path: str) -> ua.NodeId:
    """Node id of a signal."""
    return await node_id(client, host, f"{host.identity.name}.{path}")


def status_of(error: BaseException) -> str:
    """Name of the status code of an OPC UA error."""
    assert isinstance(error, ua.UaStatusCodeError)
    return str(ua.StatusCode(error.code).name)


__all__: Sequence[str] = (
    "PASSWORD",
    "ROLES",
    "logged_in",
    "node_id",
    "security",
    "serving",
    "signal_node",
    "status_of",
)

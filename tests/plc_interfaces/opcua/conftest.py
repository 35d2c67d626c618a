"""A started server and clients on it."""

import pytest
import pytest_asyncio
from asyncua import Client

from plc_interfaces.opcua.base import Security, make_server
from plc_interfaces.opcua.patches import Limits, SubscriptionLimits
from plc_interfaces.opcua.security import Users
from tests.plc_interfaces.opcua.helpers import PASSWORD, USERS, Watch

URI = "urn:amtwin:test"


@pytest.fixture(scope="session")
def security_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("security")
    entries = [Users.entry(name, PASSWORD, role) for name, role in USERS.items()]
    (folder / "users.toml").write_text("\n".join(entries))
    return folder


SMALL = Limits(
    subscriptions=8,
    queue=50,
    login_failures=3,
    login_window_s=600.0,
    subscription=SubscriptionLimits(max_items=20, max_notifications=40),
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(security_folder):
    server = await make_server(
        "127.0.0.1",
        0,
        Security(security_folder, insecure=True, trust_all=True),
        limits=SMALL,
    )
    server.test_namespace = await server.register_namespace(URI)
    async with server:
        yield server


@pytest_asyncio.fixture(loop_scope="module")
async def client(server):
    async with Client(server.endpoint.geturl()) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="module")
async def operator(server):
    """Client logged in as an Operator."""
    client = Client(server.endpoint.geturl())
    client.set_user("olive")
    client.set_password(PASSWORD)
    async with client:
        yield client


@pytest_asyncio.fixture(loop_scope="module")
async def watch(client):
    return await Watch.open(client)

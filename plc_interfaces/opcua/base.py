"""Make an OPC UA server ready to be filled with nodes: limits, certificates, users, policies."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from asyncua import ua

from plc_interfaces.opcua.nodesets import collector_off
from plc_interfaces.opcua.patches import Limits, LoginHook, PatchedServer, WriteGate
from plc_interfaces.opcua.security import CertificateStore, TrustList, Users, policies


@dataclass(frozen=True)
class Security:
    """Security settings of one endpoint.

    ``folder`` holds the certificate store and ``users.toml``. ``insecure`` offers policy None
    too, on loopback only. ``trust_all`` takes any valid self-signed client certificate at first
    use. ``anonymous`` lets clients observe without a user name.
    """

    folder: Path
    insecure: bool = False
    trust_all: bool = False
    anonymous: bool = True


def application_uri() -> str:
    """Return this host's ApplicationUri."""
    return f"urn:{socket.gethostname()}:amtwin"


def _software_version() -> str:
    try:
        return version("amtwin")
    except PackageNotFoundError:
        return "0"


async def make_server(
    host: str,
    port: int,
    security: Security,
    *,
    name: str = "amtwin",
    write_gate: WriteGate | None = None,
    on_login: LoginHook | None = None,
    limits: Limits | None = None,
) -> PatchedServer:
    """Make a server; add nodes, then ``await server.start()`` or use ``async with server``.

    Port 0 takes a free port (``server.port`` once started). ``security.folder/users.toml`` must
    exist: see ``Users.create``. Raises SecurityError for settings that cannot be used.
    """
    offered = policies(host, security.insecure)
    uri = application_uri()
    store = CertificateStore(security.folder / "pki")
    store.prepare(uri, host)
    users = Users(security.folder / "users.toml", anonymous=security.anonymous)
    server = PatchedServer(users, limits)
    server.set_server_name(name)
    server.product_uri = "urn:amtwin"
    server.manufacturer_name = "amtwin"
    server.application_type = ua.ApplicationType.Server
    with collector_off():
        await server.init()
    await server.set_application_uri(uri)
    await server.set_build_info(
        server.product_uri,
        server.manufacturer_name,
        name,
        _software_version(),
        "0",
        datetime.now(UTC),
    )
    netloc = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    server.set_endpoint(f"opc.tcp://{netloc}/amtwin/")
    await server.load_certificate(store.certificate)
    await server.load_private_key(store.private_key)
    server.set_security_policy(offered)
    tokens: list[type] = [ua.UserNameIdentityToken]
    if security.anonymous:
        tokens.insert(0, ua.AnonymousIdentityToken)
    server.set_identity_tokens(tokens)
    trust = TrustList(store, trust_all=security.trust_all)
    server.iserver.trust_check = trust.check_channel
    server.iserver.certificate_validator = trust.check_session
    server.iserver.write_gate = write_gate
    if on_login is not None:
        server.iserver.on_login = on_login
    return server

"""Lets clients of a server without security policy None ask for its endpoints (Part 4, 5.5.1)."""

from __future__ import annotations

from typing import Any

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.crypto import security_policies

from plc_interfaces.opcua.patches import PatchedServer
from plc_interfaces.opcua.patches.session import current_channel

__all__ = ["allow_discovery"]


def allow_discovery(server: PatchedServer) -> None:
    """Accept unsecured channels for GetEndpoints and FindServers, but no session on them.

    Without this a client cannot learn the server's certificate, which it needs for a secured
    channel. Nothing to do for a server that offers policy None anyway.
    """
    if ua.SecurityPolicyType.NoSecurity in server._security_policy:
        return
    server._policies.append(
        security_policies.SecurityPolicyFactory(
            security_policies.SecurityPolicyNone, ua.MessageSecurityMode.None_
        )
    )
    create = server.iserver.create_session

    def create_session(name: str, user: Any = None, external: bool = False) -> Any:
        channel = current_channel.get()
        if external and (channel is None or channel.mode == ua.MessageSecurityMode.None_):
            raise ServiceError(ua.StatusCodes.BadSecurityPolicyRejected)
        return create(name, user, external)

    server.iserver.create_session = create_session  # type: ignore[method-assign]

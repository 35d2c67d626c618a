"""One way to any machine: a URL or a host in this process becomes a `Device`."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from plc_interfaces.home import home
from plc_interfaces.host import Host, Role
from plc_interfaces.local import LocalDevice
from plc_interfaces.registers import RegisterMap, load_table
from twin.image import Device

__all__ = ["connect"]

MODBUS_OPTIONS = ("map", "word_order", "gap", "heartbeat", "timeout")


async def connect(
    target: str | Host,
    *,
    table: RegisterMap | None = None,
    user: str | None = None,
    password: str | None = None,
    role: Role = Role.ENGINEER,
    **options: Any,
) -> Device:
    """Connect to a machine.

    ``modbus://host:port/unit?map=FILE_OR_MACHINE`` (further: word_order, gap, heartbeat, timeout,
    see `ModbusDevice.connect`; `table` takes the map's place), ``opc.tcp://…`` (user, password
    and options go to `OpcUaDevice.connect`; ``security=None`` asks for policy None), or a `Host`
    (user, role).

    Raises ``ValueError`` for a URL that says too little or too much, ``ConnectionError`` if nobody
    answers.
    """
    if not isinstance(target, str):
        return LocalDevice(target, user or "local", role)
    scheme = urlsplit(target).scheme
    if scheme == "opc.tcp":
        # Its library takes a second to import, which only those who use it shall wait for.
        from plc_interfaces.opcua.device import OpcUaDevice

        # Without a word on security the connection is signed and encrypted.
        options.setdefault("security", home() / "client")
        opcua: Device = await OpcUaDevice.connect(
            target, user=user or "", password=password or "", **options
        )
        return opcua
    if scheme == "modbus":
        if options:
            raise TypeError(f"for Modbus, {', '.join(options)} belong into the URL")
        return await _connect_modbus(target, table)
    raise ValueError(f"{target}: a URL begins with modbus:// or opc.tcp://")


async def _connect_modbus(url: str, table: RegisterMap | None) -> Device:
    from plc_interfaces.modbus_device import ModbusDevice

    parts = urlsplit(url)
    if not parts.hostname:
        raise ValueError(f"{url}: modbus://HOST:PORT/UNIT?map=FILE_OR_MACHINE")
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    unknown = set(query) - set(MODBUS_OPTIONS)
    if unknown:
        raise ValueError(
            f"{url}: unknown {', '.join(sorted(unknown))}; known: {', '.join(MODBUS_OPTIONS)}"
        )
    unit = parts.path.strip("/") or "1"
    if not unit.isdecimal() or not 0 <= int(unit) <= 255:
        raise ValueError(f"{url}: unit id 0 to 255, not {unit!r}")
    name = query.pop("map", None)
    if table is None:
        if not name:
            raise ValueError(f"{url}: add ?map= and a register file or machine type")
        table = _load(name)
    if (order := query.get("word_order", "big")) not in ("big", "little"):
        raise ValueError(f"{url}: word_order big or little, not {order!r}")
    numbers: dict[str, float] = {}
    for key, raw in query.items():
        if key == "word_order":
            continue
        try:
            numbers[key] = float(raw)
        except ValueError:
            numbers[key] = -1.0
        if not 0 <= numbers[key] < 1e6:
            raise ValueError(f"{url}: {key} takes a number from 0 on, not {raw!r}")
    return await ModbusDevice.connect(
        parts.hostname,
        parts.port or 502,
        int(unit),
        registers=table,
        word_order=order,
        gap=int(numbers.get("gap", 8)),
        heartbeat=numbers.get("heartbeat"),
        timeout=numbers.get("timeout", 3.0),
    )


def _load(name: str) -> RegisterMap:
    path = Path(name)
    if path.is_file():
        return RegisterMap.parse(path.read_text(encoding="utf-8"), path.name)
    if path.suffix or len(path.parts) > 1:
        raise ValueError(f"{name}: no such register file")
    table = load_table(name)
    if not table.rows:
        raise ValueError(f"{name}: neither a register file nor a machine type with registers")
    return table

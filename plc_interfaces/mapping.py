"""Where a machine's signals are on the wires: node ids and registers, as a list people can read."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from plc_interfaces.allocation import row_of
from plc_interfaces.host import role_to_write
from plc_interfaces.registers import COLUMNS, RegisterMap, Row, has_registers, to_cells
from twin.signals import Kind, SignalTable

__all__ = ["FORMATS", "Listed", "instance_namespace", "node_id", "render", "signal_list"]

FORMATS = ("table", "csv", "json")


def instance_namespace(name: str) -> str:
    """The OPC UA namespace of a machine, such as ``urn:amtwin:PBF-LB-01``."""
    return f"urn:amtwin:{name}"


def node_id(name: str, path: str) -> str:
    """The node id of a signal in a form that does not depend on a server's namespace table."""
    return f"nsu={instance_namespace(name)};s={name}.{path}"


@dataclass(frozen=True, slots=True)
class Listed:
    """A line of the signal list: the signal with its registers, who may write it, its node."""

    row: Row
    role: str
    """Least role that may write or call it; empty if nobody may."""
    node_id: str
    """Empty for words that only Modbus has."""


def signal_list(
    name: str, table: SignalTable, registers: RegisterMap, external_control: bool = False
) -> list[Listed]:
    """All signals a client can see, then the words that only Modbus has.

    name: the machine's instance name. Faults are left out; pictures, series and what `registers`
    does not know have no registers.
    """
    listed = []
    components = dict.fromkeys(
        path.rpartition(".")[0] for path, s in table.items() if has_registers(s)
    )
    for path, signal in table.items():
        if signal.kind is Kind.FAULT:
            continue
        row = replace(row_of(signal), path=path, read=None, write=None)
        if has_registers(signal) and path in registers:
            place = registers.locate(path)
            row = replace(row, read=place.read, write=place.write)
        role = role_to_write(signal, external_control)
        listed.append(
            Listed(row, role.name.lower() if role is not None else "", node_id(name, path))
        )
    words = [row for row in registers.rows if row.kind == "link"]
    words += [row for row in map(registers.component, components) if row is not None]
    return [*listed, *(Listed(row, "", "") for row in words)]


def render(listed: Sequence[Listed], form: str = "table") -> str:
    """The list as ``table``, ``csv`` (which `RegisterMap.parse` reads) or ``json`` text."""
    match form:
        case "csv":
            out = io.StringIO()
            writer = csv.DictWriter(out, [*COLUMNS, "role", "node_id"], lineterminator="\n")
            writer.writeheader()
            writer.writerows(_cells(item) for item in listed)
            return out.getvalue()
        case "json":
            return json.dumps([_fields(item) for item in listed], indent=1) + "\n"
        case "table":
            return _table(listed)
    raise ValueError(f"format: one of {', '.join(FORMATS)}, not {form!r}")


def _cells(item: Listed) -> dict[str, Any]:
    return {**to_cells(item.row), "role": item.role, "node_id": item.node_id}


def _fields(item: Listed) -> dict[str, Any]:
    row = item.row

    def place(which: str) -> dict[str, Any] | None:
        at = getattr(row, which)
        if at is None:
            return None
        return {
            "table": at.table.value,
            "address": at.address,
            "words": getattr(row, f"{which}_words"),
        }

    return {
        "path": row.path,
        "kind": row.kind,
        "type": row.datatype,
        "unit": row.unit,
        "low": row.low,
        "high": row.high,
        "length": row.length or None,
        "choices": list(row.choices),
        "arguments": dict(row.arguments),
        "role": item.role or None,
        "node_id": item.node_id or None,
        "read": place("read"),
        "write": place("write"),
        "doc": row.doc,
    }


def _table(listed: Iterable[Listed]) -> str:
    lines: list[tuple[str, ...]] = [
        ("signal", "kind", "type", "unit", "range", "write", "read at", "write at", "node id")
    ]
    for item in listed:
        row = item.row
        places = [
            f"{at.table} {at.address}" + (f"-{at.address + words - 1}" if words > 1 else "")
            if at is not None
            else ""
            for at, words in ((row.read, row.read_words), (row.write, row.write_words))
        ]
        low, high = ("" if x is None else f"{x:g}" for x in (row.low, row.high))
        limits = f"{low} to {high}" if low or high else ""
        lines.append(
            (row.path, row.kind, row.datatype, row.unit, limits, item.role, *places, item.node_id)
        )
    widths = [max(len(line[k]) for line in lines) for k in range(len(lines[0]))]
    return "".join(
        "  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip() + "\n"
        for line in lines
    )

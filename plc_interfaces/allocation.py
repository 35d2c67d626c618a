"""Gives registers to signals that have none yet; what was given once is never moved or reused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from plc_interfaces.registers import (
    INSTANCES,
    MOST_ARGUMENTS,
    TYPES,
    Place,
    RegisterMap,
    Row,
    Table,
    has_registers,
    template,
)
from twin.signals import Kind, Signal, SignalTable

__all__ = ["allocate", "row_of"]

LINK_ROWS = tuple(
    Row(path=f"Link.{name}", kind="link", datatype=kind, read=Place(Table(table), -1), doc=doc)
    for name, kind, table, doc in (
        ("Heartbeat", "word", "input", "scan number modulo 65536"),
        ("Scan", "int", "input", "scan number"),
        ("Seconds", "int", "input", "source time, whole seconds since 1970"),
        ("Milliseconds", "word", "input", "source time, milliseconds of the second"),
        ("FirstOut", "word", "input", "1 + address of the alarm that came first; 0 = none"),
        ("Watchdog", "word", "input", "0 off, 1 waiting for the client, 2 running, 3 tripped"),
        ("WatchdogTime", "word", "input", "time-out of the client's heartbeat, ms"),
        ("ClientHeartbeat", "word", "holding", "written by the client, another value each time"),
    )
)
LINK_ROWS = tuple(
    replace(r, write=r.read) if r.path == "Link.ClientHeartbeat" else r for r in LINK_ROWS
)


def allocate(table: SignalTable, present: RegisterMap) -> tuple[RegisterMap, list[Row]]:
    """`present` with rows added for what `table` has more, and the rows that were added.

    Addresses never change; units, ranges and texts of present rows follow the declarations.
    Raises ``ValueError`` if a signal with registers changed its kind, type or size.
    """
    wanted = _wanted(table)
    kept: list[Row] = []
    for row in present.rows:
        new = wanted.pop(row.key, None)
        kept.append(row if new is None else _refresh(row, new, present.name))
    groups: dict[str, list[Row]] = {}
    for row in wanted.values():
        groups.setdefault(_group(row), []).append(row)
    ends = {t: present.end(t) for t in Table}
    added: list[Row] = []
    for rows in groups.values():
        added += _place(rows, ends)
    return RegisterMap([*kept, *added], present.name), added


def _wanted(table: SignalTable) -> dict[tuple[str, str], Row]:
    wanted = {row.key: row for row in LINK_ROWS}
    for signal in table.values():
        if not has_registers(signal):
            continue
        row = row_of(signal)
        owner = row.path.rpartition(".")[0]
        if owner:
            wanted.setdefault(
                ("component", owner),
                Row(owner, "component", "word", Place(Table.INPUT, -1), doc=f"quality of {owner}"),
            )
        other = wanted.setdefault(row.key, row)
        if other.shape() != row.shape():
            raise ValueError(f"{signal.path} and others of {row.path} differ in type or size")
    return wanted


def row_of(signal: Signal) -> Row:
    """A signal's row before it has addresses (they are -1); pictures and the like get no places."""
    mapped = has_registers(signal)
    if mapped and signal.type not in TYPES.values():
        raise ValueError(f"{signal.path}: {signal.type.__name__} has no place in registers")
    bit = signal.type is bool
    inputs = Place(Table.DISCRETE if bit else Table.INPUT, -1)
    outputs = Place(Table.COIL if bit else Table.HOLDING, -1)
    read: Place | None
    write: Place | None
    match signal.kind:
        case _ if not mapped:
            read = write = None
        case Kind.SETPOINT | Kind.PARAMETER:
            read = write = outputs
        case Kind.ACTUATOR:
            read, write = inputs, outputs
        case Kind.COMMAND:
            read, write = Place(Table.INPUT, -1), Place(Table.HOLDING, -1)
        case _:
            read, write = inputs, None
    row = Row(
        path=template(signal.path)[0],
        kind=signal.kind.value,
        datatype=signal.type.__name__,
        read=read,
        write=write,
        unit=signal.unit.symbol,
        low=signal.low,
        high=signal.high,
        length=signal.length if signal.type is str else 0,
        choices=signal.choices,
        arguments={name: t.__name__ for name, t in signal.arguments.items()},
        doc=signal.doc,
    )
    if signal.kind is Kind.COMMAND and row.write_words > 1 + MOST_ARGUMENTS:
        raise ValueError(
            f"{signal.path}: its arguments take {row.write_words - 1} registers; at most "
            f"{MOST_ARGUMENTS} fit into one request"
        )
    return row


def _refresh(old: Row, new: Row, name: str) -> Row:
    if old.shape() != new.shape():
        raise ValueError(
            f"{name}: {old.path} was {old.datatype} of {old.words} words and is now {new.datatype} "
            f"of {new.words}; registers never change their meaning, so give the signal another name"
        )
    return replace(new, read=old.read, write=old.write)


def _group(row: Row) -> str:
    """Rows of a group get one block; a repeated component's is as long as its stride."""
    if "#" in row.path:
        return row.path[: row.path.index("#") + 1]
    return row.path if row.kind == "component" else row.path.rpartition(".")[0]


def _place(rows: Sequence[Row], ends: dict[Table, int]) -> list[Row]:
    repeated = "#" in rows[0].path
    sizes = dict.fromkeys(Table, 0)
    for row in rows:
        for place, words in row.spans():
            sizes[place.table] += words
    cursor = dict(ends)

    def at(place: Place, words: int) -> Place:
        given = Place(place.table, cursor[place.table], sizes[place.table] if repeated else 0)
        cursor[place.table] += words
        return given

    placed = []
    for row in rows:
        read = None if row.read is None else at(row.read, row.read_words)
        if row.write is None or row.write == row.read:
            write = None if row.write is None else read
        else:
            write = at(row.write, row.write_words)
        placed.append(replace(row, read=read, write=write))
    for table in Table:
        ends[table] += sizes[table] * (INSTANCES if repeated else 1)
    return placed

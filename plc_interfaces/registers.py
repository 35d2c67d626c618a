"""Register tables of machine types: rows with addresses, repeated components, the CSV form.

A table has one row per signal. A component whose name ends in a number from 1 to 12 (``Laser1``)
is a repeated one: its signals share a row for ``Laser#`` with a fixed stride, so all twelve have
their room from the start. Rows are only ever added; what was once given an address keeps it.

Beside the signals a table holds rows of two more kinds: ``link`` (heartbeats, watchdog, time,
first-out) and ``component`` (a quality word per component).
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import IntFlag, StrEnum
from pathlib import Path
from typing import Any

from plc_interfaces.codecs import words_of
from twin.signals import Kind, Signal
from twin.units import unit

__all__ = [
    "ANSWER_WORDS",
    "ARGUMENT_TEXT",
    "COLUMNS",
    "FOLDER",
    "INSTANCES",
    "Place",
    "Quality16",
    "RegisterMap",
    "Row",
    "Table",
    "argument_words",
    "has_registers",
    "load_table",
    "template",
    "to_cells",
]

FOLDER = Path(__file__).with_name("registers")
INSTANCES = 12
"""Most components of a repeated kind; the room for all of them is set aside at once."""
ANSWER_WORDS = 32
"""Registers for the text a command answers with."""
SIZE = 65_536
TYPES: Mapping[str, type] = {"float": float, "int": int, "bool": bool, "str": str}
LONGEST_TEXT = 240
"""Bytes of text that one request can still carry; longer ones have no registers."""
ARGUMENT_TEXT = 64
"""Bytes set aside for a text among a command's arguments."""
MOST_ARGUMENTS = 122
"""Registers of a command's arguments, which one request writes together with the trigger."""
COLUMNS = (
    "path kind type unit low high length choices arguments words "
    "read_table read_address read_stride write_table write_address write_stride doc"
).split()


class Table(StrEnum):
    """The four tables of Modbus."""

    COIL = "coil"
    DISCRETE = "discrete"
    HOLDING = "holding"
    INPUT = "input"


class Quality16(IntFlag):
    """Bits of a component's quality word."""

    UNCERTAIN = 1
    BAD = 2
    ALARM = 4
    PRESENT = 0x8000


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value begins; `stride` is the distance to the next of repeated components."""

    table: Table
    address: int
    stride: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """One signal, link word or quality word and its places.

    A command is written as trigger word and arguments, in this order, and read as the trigger
    last seen, a result word and the answer's text.
    """

    path: str
    kind: str
    datatype: str
    read: Place | None = None
    write: Place | None = None
    unit: str = ""
    low: float | None = None
    high: float | None = None
    length: int = 0
    choices: tuple[str, ...] = ()
    arguments: Mapping[str, str] = field(default_factory=dict)
    doc: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from other rows: a signal may change its kind, not its path."""
        return self.kind if self.kind in ("link", "component") else "signal", self.path

    @property
    def value_type(self) -> type:
        """The Python type of its value; a ``word`` is a plain register."""
        return TYPES.get(self.datatype, int)

    @property
    def words(self) -> int:
        """Registers (or bits) of its value."""
        return 1 if self.datatype == "word" else words_of(self.value_type, self.length)

    @property
    def read_words(self) -> int:
        """Registers taken where it is read."""
        return 2 + ANSWER_WORDS if self.kind == Kind.COMMAND else self.words

    @property
    def write_words(self) -> int:
        """Registers taken where it is written."""
        if self.kind == Kind.COMMAND:
            return 1 + sum(argument_words(TYPES[t]) for t in self.arguments.values())
        return self.words

    def spans(self) -> Iterator[tuple[Place, int]]:
        """Its places (once each) and the registers taken there by one instance."""
        if self.read is not None:
            yield self.read, self.read_words
        if self.write is not None and self.write != self.read:
            yield self.write, self.write_words

    def shape(self) -> tuple[Any, ...]:
        """What must never change once it has an address: type, tables and sizes."""
        spans = [(place.table, words) for place, words in self.spans()]
        return self.datatype, spans, tuple(self.arguments.values())

    def instance(self, number: int) -> Row:
        """The row of one of its repeated components, counted from 1."""

        def move(place: Place | None) -> Place | None:
            if place is None:
                return None
            return Place(place.table, place.address + place.stride * (number - 1))

        return replace(
            self,
            path=self.path.replace("#", str(number), 1),
            read=move(self.read),
            write=move(self.write),
        )

    def signal(self) -> Signal:
        """The signal this row tells of; start value, noise and alarm texts are not known."""
        value_type = self.value_type
        return Signal(
            kind=Kind(self.kind),
            type=value_type,
            unit=unit(self.unit),
            low=self.low,
            high=self.high,
            start=value_type(),
            doc=self.doc,
            choices=self.choices,
            length=self.length,
            arguments={name: TYPES[t] for name, t in self.arguments.items()},
            attribute=self.path.rpartition(".")[2],
            path=self.path,
        )


def has_registers(signal: Signal) -> bool:
    """Whether a signal is on Modbus: no pictures, no series, no long texts, never a fault."""
    if signal.type is str and signal.length > LONGEST_TEXT:
        return False
    return signal.kind not in (Kind.IMAGE, Kind.SERIES, Kind.FAULT)


def argument_words(kind: type) -> int:
    """Registers of one argument of a command."""
    return words_of(kind, ARGUMENT_TEXT)


def template(path: str) -> tuple[str, int]:
    """``Laser2.Power`` → (``Laser#.Power``, 2); a path without repeated component → (path, 0).

    Only the outermost repeated component is one; the last name is the signal's own.
    """
    names = path.split(".")
    for i, name in enumerate(names[:-1]):
        found = re.fullmatch(r"(.*\D)([1-9]\d?)", name)
        if found and int(found[2]) <= INSTANCES:
            names[i] = found[1] + "#"
            return ".".join(names), int(found[2])
    return path, 0


class RegisterMap:
    """The rows of one machine type, no two of which overlap."""

    def __init__(self, rows: Iterable[Row], name: str = "register table") -> None:
        self.rows = tuple(rows)
        self.name = name
        self.by_path = {row.key: row for row in self.rows}
        self._signals = {
            path: row for (what, path), row in self.by_path.items() if what == "signal"
        }
        if len(self.by_path) != len(self.rows):
            raise ValueError(f"{name}: a path occurs twice")
        self._check_overlap()

    def _check_overlap(self) -> None:
        for table in Table:
            taken: list[tuple[int, int, str]] = []
            for row in self.rows:
                for place, words in row.spans():
                    if place.table is table:
                        count = INSTANCES if place.stride else 1
                        taken += [
                            (place.address + k * place.stride, words, row.path)
                            for k in range(count)
                        ]
            end, last = 0, ""
            for address, words, path in sorted(taken):
                if address < end:
                    raise ValueError(
                        f"{self.name}: {path} at {table} {address} overlaps {last}"
                        if last
                        else f"{self.name}: {path} has a negative address"
                    )
                end, last = address + words, path
            if end > SIZE:
                raise ValueError(f"{self.name}: {last} ends beyond {table} {SIZE - 1}")

    def end(self, table: Table) -> int:
        """The first address of a table after everything that was ever given out."""
        ends = [0]
        for row in self.rows:
            for place, words in row.spans():
                if place.table is table:
                    ends.append(place.address + (INSTANCES * place.stride or words))
        return max(ends)

    def __contains__(self, path: str) -> bool:
        return path in self._signals or template(path)[0] in self._signals

    def locate(self, path: str) -> Row:
        """The row of a signal; `KeyError` if it has none."""
        pattern, number = template(path)
        if path in self._signals:
            return self._signals[path]
        if number and pattern in self._signals:
            return self._signals[pattern].instance(number)
        raise KeyError(f"{self.name} has no signal {path!r}")

    def link(self, name: str) -> Row | None:
        """A link word, such as ``Heartbeat``."""
        return self.by_path.get(("link", f"Link.{name}"))

    def component(self, path: str) -> Row | None:
        """The quality word of a component."""
        row = self.by_path.get(("component", path))
        if row is None:
            pattern, number = template(path + ".")
            row = self.by_path.get(("component", pattern[:-1]))
            return row.instance(number) if row and number else None
        return row

    def instances(self) -> Iterator[tuple[Row, int]]:
        """Every row of a signal, repeated ones twelve times with their number, else 0."""
        for row in self._signals.values():
            if "#" in row.path:
                yield from ((row.instance(k), k) for k in range(1, INSTANCES + 1))
            else:
                yield row, 0

    def text(self) -> str:
        """The table as CSV."""
        out = io.StringIO()
        writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for row in self.rows:
            writer.writerow(to_cells(row))
        return out.getvalue()

    def save(self, machine: str, folder: Path = FOLDER) -> Path:
        """Write the table of a machine type; returns the file."""
        folder.mkdir(exist_ok=True)
        path = folder / f"{machine}.csv"
        path.write_text(self.text(), encoding="utf-8")
        return path

    @classmethod
    def parse(cls, text: str, name: str = "register table") -> RegisterMap:
        """A table from CSV; further columns are ignored.

        Raises ``ValueError`` naming file, line and field of what is wrong.
        """
        reader = csv.DictReader(io.StringIO(text))
        needed = {"path", "kind", "type", "read_table", "read_address"}
        missing = needed - set(reader.fieldnames or ())
        if missing:
            raise ValueError(f"{name}: no column {', '.join(sorted(missing))}")
        rows = []
        for line, cells in enumerate(reader, start=2):
            row = _from_cells(cells, f"{name}, line {line}")
            # A signal list shows pictures and series too, which have no registers.
            if row.read is not None or row.write is not None:
                rows.append(row)
        return cls(rows, name)


def load_table(machine: str, folder: Path = FOLDER) -> RegisterMap:
    """The committed table of a machine type; empty if there is none yet."""
    path = folder / f"{machine}.csv"
    if not path.exists():
        return RegisterMap((), f"{machine}.csv")
    return RegisterMap.parse(path.read_text(encoding="utf-8"), path.name)


def to_cells(row: Row) -> dict[str, Any]:
    """A row as the cells of `COLUMNS`."""

    def number(value: float | None) -> str:
        return "" if value is None else f"{value:.12g}"

    cells: dict[str, Any] = {
        "path": row.path,
        "kind": row.kind,
        "type": row.datatype,
        "unit": row.unit,
        "low": number(row.low),
        "high": number(row.high),
        "length": row.length if row.datatype == "str" else "",
        "choices": "|".join(row.choices),
        "arguments": "|".join(f"{n}:{t}" for n, t in row.arguments.items()),
        "words": row.words if row.read or row.write else "",
        "doc": " ".join(row.doc.split()),
    }
    for name, place in (("read", row.read), ("write", row.write)):
        cells[f"{name}_table"] = "" if place is None else place.table.value
        cells[f"{name}_address"] = "" if place is None else place.address
        cells[f"{name}_stride"] = (place.stride or "") if place is not None else ""
    return cells


def _from_cells(cells: Mapping[str, str | None], where: str) -> Row:
    def cell(name: str) -> str:
        return (cells.get(name) or "").strip()

    def integer(name: str, default: int, low: int, high: int) -> int:
        raw = cell(name)
        if not raw:
            return default
        if not re.fullmatch(r"\d+", raw) or not low <= int(raw) <= high:
            raise ValueError(f"{where}, {name}: {low} to {high}, not {raw!r}")
        return int(raw)

    def number(name: str) -> float | None:
        try:
            return float(cell(name)) if cell(name) else None
        except ValueError:
            raise ValueError(f"{where}, {name}: a number, not {cell(name)!r}") from None

    def one_of(name: str, allowed: Iterable[str]) -> str:
        if cell(name) not in (known := list(allowed)):
            raise ValueError(f"{where}, {name}: one of {', '.join(known)}, not {cell(name)!r}")
        return cell(name)

    def place(name: str) -> Place | None:
        if not cell(f"{name}_table"):
            return None
        table = Table(one_of(f"{name}_table", (t.value for t in Table)))
        if not cell(f"{name}_address"):
            raise ValueError(f"{where}, {name}_address: 0 to {SIZE - 1}, not empty")
        address = integer(f"{name}_address", 0, 0, SIZE - 1)
        return Place(table, address, integer(f"{name}_stride", 0, 0, SIZE // INSTANCES))

    path = cell("path")
    if not path:
        raise ValueError(f"{where}, path: a signal's path, not empty")
    kind = one_of("kind", (*(k.value for k in Kind), "link", "component"))
    read, write = place("read"), place("write")
    placed = read is not None or write is not None
    arguments = {}
    if placed:
        one_of("type", (*TYPES, "word"))
        for argument in filter(None, cell("arguments").split("|")):
            name, _, argument_type = argument.partition(":")
            if argument_type not in TYPES:
                raise ValueError(f"{where}, arguments: name:type, not {argument!r}")
            arguments[name] = argument_type
    try:
        unit(cell("unit"))
    except KeyError as error:
        raise ValueError(f"{where}, unit: {error.args[0]}") from None
    return Row(
        path=path,
        kind=kind,
        datatype=cell("type"),
        read=read,
        write=write,
        unit=cell("unit"),
        low=number("low"),
        high=number("high"),
        length=integer("length", 32, 1, LONGEST_TEXT) if placed and cell("type") == "str" else 0,
        choices=tuple(filter(None, cell("choices").split("|"))),
        arguments=arguments,
        doc=cell("doc"),
    )

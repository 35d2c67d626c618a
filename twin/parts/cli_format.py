"""Read and write Common Layer Interface files (CLI 2.0, ASCII and binary).

The format is the one published by the Brite-EuRam project BE2578 RPT (1994): a text header, then
layers of polylines and hatches, as text or as little-endian binary commands.
"""

import hashlib
import math
import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from twin.parts.geometry import LARGEST_PART, PartError
from twin.parts.slicing import Floats

MILLIMETRE = 1e-3
CLOCKWISE, COUNTER_CLOCKWISE, OPEN = 0, 1, 2
"""Directions of a polyline: inner outline, outer outline, open line."""

_HEADER_END = b"$$HEADEREND"
_LAYER_LONG, _LAYER_SHORT = 127, 128
_POLYLINE_SHORT, _POLYLINE_LONG, _HATCH_SHORT, _HATCH_LONG = 129, 130, 131, 132

_ALLOWED = f"allowed -{LARGEST_PART:g} to {LARGEST_PART:g} m"


@dataclass(frozen=True, eq=False)
class CliItem:
    """A polyline, or hatches if `direction` is None, of the part with number `part`.

    `points` (n, 2) in metres: of a polyline its corners, of hatches start and end by turns.
    """

    part: int
    direction: int | None
    points: Floats

    @property
    def outline(self) -> bool:
        """Whether this is a closed polyline, the border of solid."""
        return self.direction in (CLOCKWISE, COUNTER_CLOCKWISE)

    def wound(self) -> Floats:
        """Corners of a closed polyline, turned the way `direction` says, first one not repeated."""
        x, y = self.points.T
        area = float(x[:-1] @ y[1:] - y[:-1] @ x[1:])
        backward = (area > 0) != (self.direction == COUNTER_CLOCKWISE)
        return self.points[:0:-1] if backward else self.points[:-1]


@dataclass(frozen=True, eq=False)
class CliLayer:
    """Polylines and hatches, in order, of the layer whose top is at height `z` (m)."""

    z: float
    items: tuple[CliItem, ...]


@dataclass(frozen=True, eq=False)
class CliFile:
    """Layers of a file, and the names it gives to part numbers."""

    layers: tuple[CliLayer, ...]
    labels: dict[int, str]


def polyline(part: int, points: Floats) -> CliItem:
    """Polyline through `points` (n, 2) in metres; closed if its last point is its first."""
    if (points[0] != points[-1]).any():
        return CliItem(part, OPEN, points)
    x, y = points.T
    turn = float(x[:-1] @ y[1:] - y[:-1] @ x[1:])
    return CliItem(part, COUNTER_CLOCKWISE if turn > 0 else CLOCKWISE, points)


def digest(layers: Iterable[CliLayer]) -> bytes:
    """SHA-256 of the content of layers."""
    content = hashlib.sha256()
    for layer in layers:
        content.update(struct.pack("<d", layer.z))
        for item in layer.items:
            direction = -1 if item.direction is None else item.direction
            content.update(struct.pack("<qqq", item.part, direction, len(item.points)))
            content.update(np.ascontiguousarray(item.points, dtype="<f8").tobytes())
    return content.digest()


def read_cli(path: str | Path) -> CliFile:
    """Read an ASCII or binary CLI file.

    Raises PartError naming the line (ASCII) or byte offset (binary) of what is malformed.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PartError(f"{path}: cannot be read: {error.strerror or error}") from error
    head, mark, _ = data.partition(_HEADER_END)
    if b"$$HEADERSTART" not in head or not mark:
        raise PartError(f"{path}: is not a CLI file: no $$HEADERSTART … $$HEADEREND")
    body = len(head) + len(mark)
    # The format wants no line end here; some writers add one, and no command begins like one.
    while data[body : body + 1] in (b"\r", b"\n"):
        body += 1
    header = _Header(path, head.decode("latin-1"))
    if header.binary:
        layers = _layers(path, _binary_commands(path, data, body, header.aligned), header.scale)
    else:
        text = data[body:].decode("latin-1")
        first_line = data.count(b"\n", 0, body) + 1
        layers = _layers(path, _ascii_commands(path, text, first_line), header.scale)
    if header.layers not in (None, len(layers)):
        raise PartError(f"{path}: $$LAYERS says {header.layers}, the file has {len(layers)}")
    if not layers:
        raise PartError(f"{path}: holds no layer")
    return CliFile(tuple(layers), header.labels)


def write_cli(
    path: str | Path, file: CliFile, *, binary: bool = False, unit: float = MILLIMETRE
) -> None:
    """Write a CLI file with coordinates in `unit` (m).

    Binary files use the long commands, whose coordinates are 32-bit floats.
    """
    lines = [
        "$$HEADERSTART",
        "$$BINARY" if binary else "$$ASCII",
        f"$$UNITS/{unit / MILLIMETRE!r}",
        "$$VERSION/200",
        *(f"$$LABEL/{part},{name}" for part, name in sorted(file.labels.items())),
        f"$$LAYERS/{len(file.layers)}",
        "$$HEADEREND",
    ]
    if binary:
        # Geometry starts with the very byte after the header's last character.
        content = "\n".join(lines).encode("latin-1", "replace") + _binary_body(file, unit)
    else:
        lines += _ascii_body(file, unit)
        content = ("\n".join(lines) + "\n").encode("latin-1", "replace")
    Path(path).write_bytes(content)


class _Header:
    """What the header says; raises PartError if that cannot be."""

    def __init__(self, path: Path, text: str) -> None:
        self.labels: dict[int, str] = {}
        self.aligned = False
        self.layers: int | None = None
        unit, kinds = None, set()
        for number, raw in enumerate(text.splitlines(), 1):
            command, _, value = _without_comments(raw).strip().partition("/")
            where = f"{path}: line {number}"
            if command in ("$$ASCII", "$$BINARY"):
                kinds.add(command)
            elif command == "$$ALIGN":
                self.aligned = True
            elif command == "$$UNITS":
                unit = _number(where, "$$UNITS", value)
                if not 0 < unit <= 1e6:
                    raise PartError(f"{where}: $$UNITS is {value}, allowed above 0 to 1e6 mm")
            elif command == "$$LAYERS":
                self.layers = int(_number(where, "$$LAYERS", value))
            elif command == "$$LABEL":
                part, _, name = value.partition(",")
                self.labels[int(_number(where, "$$LABEL", part))] = name.strip().strip('"')
        if len(kinds) != 1:
            raise PartError(f"{path}: header needs exactly one of $$ASCII and $$BINARY")
        if unit is None:
            raise PartError(f"{path}: header has no $$UNITS")
        self.binary = "$$BINARY" in kinds
        self.scale = unit * MILLIMETRE


_Command = tuple[str, float, CliItem | None]
"""Where it stands in the file; height of a layer, or else the item, both in units of the file."""


def _layers(path: Path, commands: Iterator[_Command], scale: float) -> list[CliLayer]:
    layers: list[tuple[float, list[CliItem]]] = []
    for where, z, item in commands:
        if item is None:
            if not 0 <= z * scale <= LARGEST_PART:
                raise PartError(f"{path}: {where}: layer height is {z * scale:g} m, {_ALLOWED}")
            layers.append((z * scale, []))
        elif not layers:
            raise PartError(f"{path}: {where}: geometry before the first layer")
        elif not (np.abs(item.points) <= LARGEST_PART / scale).all():
            raise PartError(f"{path}: {where}: a coordinate is out of range, {_ALLOWED}")
        else:
            layers[-1][1].append(_checked(path, where, item, scale))
    return [CliLayer(z, tuple(items)) for z, items in layers]


def _checked(path: Path, where: str, item: CliItem, scale: float) -> CliItem:
    if item.direction is not None and item.direction not in (CLOCKWISE, COUNTER_CLOCKWISE, OPEN):
        raise PartError(f"{path}: {where}: direction is {item.direction}, allowed 0, 1, 2")
    points = item.points
    if item.direction is not None and len(points) < 2:
        raise PartError(f"{path}: {where}: a polyline has {len(points)} points, allowed from 2")
    # Not every writer repeats the first point of a closed polyline.
    if item.outline and (points[0] != points[-1]).any():
        points = np.vstack([points, points[:1]])
    return CliItem(item.part, item.direction, points * scale)


def _ascii_commands(path: Path, text: str, first_line: int) -> Iterator[_Command]:
    started = False
    for number, raw in enumerate(text.split("\n"), first_line):
        line = _without_comments(raw).strip()
        where = f"line {number}"
        command, _, value = line.partition("/")
        if command == "$$GEOMETRYSTART":
            started = True
        elif command == "$$GEOMETRYEND":
            return
        elif command == "$$LAYER":
            yield where, _number(f"{path}: {where}", command, value), None
        elif command in ("$$POLYLINE", "$$HATCHES"):
            yield where, 0.0, _ascii_item(f"{path}: {where}", command, value)
        elif line:
            raise PartError(f"{path}: {where}: '{line[:40]}' is not a CLI command")
    what = "$$GEOMETRYEND" if started else "$$GEOMETRYSTART"
    raise PartError(f"{path}: ends without {what}")


def _ascii_item(where: str, command: str, value: str) -> CliItem:
    try:
        numbers = np.array(value.split(","), dtype=np.float64)
    except ValueError as error:
        raise PartError(f"{where}: {command}: {error}") from error
    fixed = 3 if command == "$$POLYLINE" else 2
    head = numbers[:fixed]
    whole = (np.abs(head) < 2**31) & (head == np.floor(head))
    if len(head) < fixed or not whole.all():
        raise PartError(f"{where}: {command} does not begin with {fixed} whole numbers")
    per_element = 2 if fixed == 3 else 4
    found, promised = len(numbers) - fixed, int(head[-1]) * per_element
    if found != promised:
        raise PartError(f"{where}: {command} promises {promised} coordinates and has {found}")
    points = numbers[fixed:].reshape(-1, 2)
    return CliItem(int(head[0]), int(head[1]) if fixed == 3 else None, points)


def _binary_commands(path: Path, data: bytes, at: int, aligned: bool) -> Iterator[_Command]:
    def take(layout: str) -> tuple[float, ...]:
        nonlocal at
        size = struct.calcsize(layout)
        if at + size > len(data):
            raise PartError(f"{path}: offset {at}: the file ends in the middle of a command")
        values = struct.unpack_from(layout, data, at)
        at += size
        return values

    body = at
    while at < len(data):
        where = f"offset {at}"
        (command,) = take("<H")
        if aligned:
            # Parameters begin at, and commands are filled up to, a multiple of four bytes.
            take("<H")
        if command in (_LAYER_LONG, _LAYER_SHORT):
            (z,) = take("<f" if command == _LAYER_LONG else "<H")
            yield where, z, None
        elif _POLYLINE_SHORT <= command <= _HATCH_LONG:
            long = command in (_POLYLINE_LONG, _HATCH_LONG)
            line = command in (_POLYLINE_SHORT, _POLYLINE_LONG)
            head = [int(v) for v in take("<" + ("i" if long else "H") * (3 if line else 2))]
            count = head[-1] * (2 if line else 4)
            number = np.dtype("<f4" if long else "<u2")
            if count < 0 or at + count * number.itemsize > len(data):
                raise PartError(f"{path}: {where}: {head[-1]} elements do not fit into the file")
            points = np.frombuffer(data, number, count, at).astype(np.float64).reshape(-1, 2)
            at += count * number.itemsize
            yield where, 0.0, CliItem(head[0], head[1] if line else None, points)
        else:
            raise PartError(f"{path}: {where}: {command} is not a CLI command, allowed 127 to 132")
        if aligned:
            at += -(at - body) % 4


def _ascii_body(file: CliFile, unit: float) -> Iterator[str]:
    yield "$$GEOMETRYSTART"
    for layer in file.layers:
        yield f"$$LAYER/{layer.z / unit!r}"
        for item in layer.items:
            numbers: list[float] = [item.part, *_direction(item), _count(item)]
            numbers += (item.points / unit).ravel().tolist()
            name = "HATCHES" if item.direction is None else "POLYLINE"
            yield f"$${name}/{','.join(map(repr, numbers))}"
    yield "$$GEOMETRYEND"


def _binary_body(file: CliFile, unit: float) -> bytes:
    body = bytearray()
    for layer in file.layers:
        body += struct.pack("<Hf", _LAYER_LONG, layer.z / unit)
        for item in layer.items:
            command = _HATCH_LONG if item.direction is None else _POLYLINE_LONG
            numbers = [item.part, *_direction(item), _count(item)]
            body += struct.pack(f"<H{len(numbers)}i", command, *numbers)
            body += (item.points / unit).astype("<f4").tobytes()
    return bytes(body)


def _direction(item: CliItem) -> list[int]:
    return [] if item.direction is None else [item.direction]


def _count(item: CliItem) -> int:
    return len(item.points) // 2 if item.direction is None else len(item.points)


def _without_comments(line: str) -> str:
    return re.sub(r"//.*?//", "", line)


def _number(where: str, what: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise PartError(f"{where}: {what} is '{text.strip()[:40]}', which is not a finite number")
    return value

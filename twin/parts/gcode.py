"""Read the subset of G-code that deposition machines run: strokes of the head and pauses.

The subset follows RS274/NGC (Kramer, Proctor, Messina 2000, NISTIR 6556) as LinuxCNC and Mach
read it, with the words by which deposition heads are switched:

=====================  ==========================================================================
G0, G1                 rapid and feed motion in X, Y, Z (modal; axis words alone repeat the last)
G2, G3                 arcs in the XY plane by I, J (incremental) or R, with Z a helix
G4 P | S | X | F | U   dwell; S, X, F and U are seconds, for P see `dwell_unit`
G17, G20, G21          XY plane; inches; millimetres
G28                    rapid by way of the named axes to zero, in the coordinates at power-on
G90, G91, G92, G92.1   absolute, incremental; set the position, take that back
G94, F                 feed in length units per minute
M3 | M4 S…, M5         energy source on with demand S, off; S alone changes the demand
M302 P…                feedstock demand, of the powder feeder or the wire drive
M2, M30                end; what follows is not read
( ) ; % / N O          comments, tape marks, block delete (which is off), line and program numbers
=====================  ==========================================================================

Words that change nothing here (offsets cancelled, exact stop, coolant, tool numbers) are listed
as notes. Everything else is an error that names file, line and word: a word that was not
understood could change where metal goes.
"""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin.parts.geometry import PartError

__all__ = ["GcodeError", "GcodeProgram", "Pause", "Stroke", "read_gcode"]

Floats = NDArray[np.float64]
DwellUnit = Literal["auto", "s", "ms"]

CHORD = 10e-6
"""Largest distance (m) of an arc from the chords that stand for it."""
FARTHEST = 100.0
"""Coordinates beyond this (m) are a mistake."""
LONGEST = 600.0
"""A dwell of more seconds is taken as milliseconds where the unit is to be found out."""
MANY = 2_000_000
"""Points of one file, more of which are a mistake."""

_WORD = re.compile(r"\s*([A-Z])\s*([+-]?\s*(?:\d+\.?\d*|\.\d+))(?![\d.])")
_IGNORED_G: dict[float, str] = {
    17: "", 40: "cutter compensation off", 49: "tool length offset off", 54: "work offset 1",
    61: "exact stop", 64: "path blending", 80: "canned cycles off",
    91.1: "arc centres incremental", 94: "feed per minute", 98: "", 99: ""}
_IGNORED_M: dict[float, str] = {
    0: "program stop", 1: "optional stop", 6: "tool change", 7: "coolant", 8: "coolant",
    9: "coolant off", 48: "overrides on", 49: "overrides off"}
_MOTION = (0, 1, 2, 3, 80)


class GcodeError(PartError):
    """A file that cannot be read as G-code; the message names file, line and word."""


class Stroke(NamedTuple):
    """The head moves along `points` (n, 3) in metres, the first one where it was."""

    points: Floats
    feed: float
    """Feed, m/s; infinity for a rapid."""
    on: bool
    """Whether the energy source is on."""
    demand: float
    """S word: what the source was asked for, in its own unit (laser: W); nan before the first."""
    feedstock: float
    """P word of M302; nan before the first one."""
    line: int


class Pause(NamedTuple):
    """The head waits, s."""

    seconds: float
    line: int


@dataclass(frozen=True, eq=False)
class GcodeProgram:
    """What a file makes the head do, in order, and what in it was ignored."""

    name: str
    strokes: tuple[Stroke | Pause, ...]
    notes: tuple[str, ...]
    digest: str
    """SHA-256 (hex) of the file."""


@dataclass
class _Machine:
    """Modal state while a program is read; lengths in metres."""

    name: str
    dwell_unit: DwellUnit
    at: Floats = field(default_factory=lambda: np.zeros(3))
    shift: Floats = field(default_factory=lambda: np.zeros(3))  # of G92: program + shift = at
    unit: float = 1e-3
    absolute: bool = True
    motion: float | None = None
    feed: float = 0.0
    on: bool = False
    demand: float = math.nan
    feedstock: float = math.nan
    strokes: list[Stroke | Pause] = field(default_factory=list)
    notes: dict[str, int] = field(default_factory=dict)
    points: int = 0

    def note(self, text: str, line: int) -> None:
        self.notes.setdefault(text, line)

    def fail(self, line: int, word: str, why: str) -> GcodeError:
        return GcodeError(f"{self.name}, line {line}, word {word}: {why}")


Words = list[tuple[str, float, str]]


def read_gcode(path: str | Path, dwell_unit: DwellUnit = "auto") -> GcodeProgram:
    """Read a file. Coordinates of the file are plate coordinates.

    `dwell_unit` is that of G4 P, where dialects differ: seconds (LinuxCNC), milliseconds (Marlin,
    and Mach by its setting); ``auto`` takes more than `LONGEST` as milliseconds and says so in the
    notes. `GcodeError` names file, line and word; `OSError` if the file cannot be read.
    """
    path = Path(path)
    data = path.read_bytes()
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    machine = _Machine(path.name, dwell_unit)
    for number, raw in enumerate(text.splitlines(), 1):
        if not _block(machine, number, _words(machine, number, raw)):
            break
    return GcodeProgram(path.name, tuple(machine.strokes),
                        tuple(f"line {line}: {note}" for note, line in machine.notes.items()),
                        hashlib.sha256(data).hexdigest())


def _words(machine: _Machine, number: int, raw: str) -> Words:
    """The words of a line: letter, value, as written."""
    kept, comment = [], False
    for char in raw:
        if comment:
            comment = char != ")"
        elif char == ";":
            break
        elif char == "(":
            comment = True
        else:
            kept.append(char)
    if comment:
        raise machine.fail(number, "(", "the comment is not closed on its line")
    code = "".join(kept).upper().strip()
    if code.startswith("%"):
        return []
    if code.startswith("/"):
        machine.note("block delete is off: lines that begin with / are run", number)
        code = code[1:]
    words: Words = []
    at = 0
    while at < len(code):
        found = _WORD.match(code, at)
        if found is None:
            rest = code[at:].split()
            raise machine.fail(number, rest[0] if rest else code[at:],
                               "not a letter with a number")
        value = float(found[2].replace(" ", ""))
        if not math.isfinite(value):
            raise machine.fail(number, found[0].strip(), "not a finite number")
        words.append((found[1], value, found[0].strip()))
        at = found.end()
        while at < len(code) and code[at].isspace():
            at += 1
    return words


def _block(machine: _Machine, number: int, words: Words) -> bool:
    """Run one line; False if it ends the program."""
    codes, values = _sorted(machine, number, words)
    dwell, move, set_position, home, ends = False, None, False, False, False
    motions = [code for code, _ in codes["G"] if code in _MOTION]
    if len(motions) > 1:
        raise machine.fail(number, codes["G"][-1][1], "two motions in one line")
    for code, word in codes["G"]:
        if code in (0, 1, 2, 3):
            machine.motion = move = code
        elif code == 4:
            dwell = True
        elif code in (20, 21):
            machine.unit = 25.4e-3 if code == 20 else 1e-3
        elif code in (90, 91):
            machine.absolute = code == 90
        elif code == 92:
            set_position = True
        elif code == 92.1:
            machine.shift[:] = 0.0
        elif code == 28:
            home = True
        elif code in _IGNORED_G:
            if code == 80:
                machine.motion = None
            if _IGNORED_G[code]:
                machine.note(f"{word} ({_IGNORED_G[code]}) changes nothing", number)
        else:
            raise machine.fail(number, word, "not in the subset that is read")
    if "F" in values and not dwell:
        machine.feed = values["F"][0] * machine.unit / 60
        if machine.feed <= 0:
            raise machine.fail(number, values.pop("F")[1], "the feed must be above 0")
        del values["F"]
    if "S" in values and not dwell:
        machine.demand = _positive(machine, number, values.pop("S"))
    for code, word in codes["M"]:
        if code in (3, 4):
            machine.on = True
        elif code == 5:
            machine.on = False
        elif code == 302:
            if "P" not in values:
                raise machine.fail(number, word, "needs P, the feedstock demand")
            machine.feedstock = _positive(machine, number, values.pop("P"))
        elif code in (2, 30):
            ends = True
        elif code in _IGNORED_M:
            machine.note(f"{word} ({_IGNORED_M[code]}) is not run", number)
        else:
            raise machine.fail(number, word, "not in the subset that is read")
    if "T" in values:
        machine.note(f"{values.pop('T')[1]} (tool number) changes nothing", number)
    if dwell:
        _dwell(machine, number, values)
    elif set_position:
        _set_position(machine, number, values)
    elif home:
        _home(machine, number, values)
    elif any(axis in values for axis in "XYZ") or (move in (2, 3) and "I" in values):
        _move(machine, number, values)
    if values:
        word = next(iter(values.values()))[1]
        raise machine.fail(number, word, "has no meaning in this line")
    return not ends


def _sorted(
    machine: _Machine, number: int, words: Words
) -> tuple[dict[str, list[tuple[float, str]]], dict[str, tuple[float, str]]]:
    codes: dict[str, list[tuple[float, str]]] = {"G": [], "M": []}
    values: dict[str, tuple[float, str]] = {}
    for letter, value, word in words:
        if letter in codes:
            codes[letter].append((value, word))
        elif letter in "NO":
            continue
        elif letter not in "XYZIJKRFPSTU":
            raise machine.fail(number, word, "the letter is not in the subset that is read")
        elif letter in values:
            raise machine.fail(number, word, "the letter stands twice in one line")
        else:
            values[letter] = (value, word)
    return codes, values


def _positive(machine: _Machine, number: int, entry: tuple[float, str]) -> float:
    if entry[0] < 0:
        raise machine.fail(number, entry[1], "must not be negative")
    return entry[0]


def _dwell(machine: _Machine, number: int, values: dict[str, tuple[float, str]]) -> None:
    for letter in "SXFU":
        if letter in values:
            machine.strokes.append(Pause(_positive(machine, number, values.pop(letter)), number))
            return
    if "P" not in values:
        raise machine.fail(number, "G4", "a dwell needs P, S, X, U or F")
    entry = values.pop("P")
    seconds = _positive(machine, number, entry)
    milli = machine.dwell_unit == "ms"
    if machine.dwell_unit == "auto" and seconds > LONGEST:
        milli = True
        machine.note(f"dwell {entry[1]} is taken as milliseconds", number)
    machine.strokes.append(Pause(seconds / 1000 if milli else seconds, number))


def _target(machine: _Machine, number: int, values: dict[str, tuple[float, str]]) -> Floats:
    target = machine.at.copy()
    for axis, letter in enumerate("XYZ"):
        if letter in values:
            value, word = values.pop(letter)
            length = value * machine.unit
            origin = machine.shift[axis] if machine.absolute else machine.at[axis]
            target[axis] = origin + length
            if abs(target[axis]) > FARTHEST:
                raise machine.fail(number, word, f"more than {FARTHEST:g} m away")
    return target


def _set_position(machine: _Machine, number: int, values: dict[str, tuple[float, str]]) -> None:
    axes = [letter for letter in "XYZ" if letter in values]
    if not axes:
        raise machine.fail(number, "G92", "needs X, Y or Z")
    for letter in axes:
        axis = "XYZ".index(letter)
        machine.shift[axis] = machine.at[axis] - values.pop(letter)[0] * machine.unit


def _home(machine: _Machine, number: int, values: dict[str, tuple[float, str]]) -> None:
    named = [letter for letter in "XYZ" if letter in values]
    axes = [("XYZ".index(letter)) for letter in named] or [0, 1, 2]
    via = _target(machine, number, values)
    home = via.copy()
    home[axes] = 0.0
    machine.note("G28 (home) is a rapid to zero", number)
    _stroke(machine, number, np.array([machine.at, via, home]), math.inf)


def _move(machine: _Machine, number: int, values: dict[str, tuple[float, str]]) -> None:
    start, end = machine.at.copy(), _target(machine, number, values)
    if machine.motion is None:
        raise machine.fail(number, "X, Y or Z", "axis words without a motion (G0, G1, G2, G3)")
    if machine.motion == 0:
        _stroke(machine, number, np.array([start, end]), math.inf)
        return
    if machine.feed <= 0:
        raise machine.fail(number, f"G{machine.motion:g}", "no feed (F) has been given")
    if machine.motion == 1:
        _stroke(machine, number, np.array([start, end]), machine.feed)
        return
    if "K" in values:
        raise machine.fail(number, values["K"][1], "arcs are read in the XY plane only")
    points = _arc(machine, number, start, end, values, machine.motion == 2)
    _stroke(machine, number, points, machine.feed)


def _arc(machine: _Machine, number: int, start: Floats, end: Floats,
         values: dict[str, tuple[float, str]], clockwise: bool) -> Floats:
    word = "G2" if clockwise else "G3"
    chord = end[:2] - start[:2]
    if "R" in values:
        value, word = values.pop("R")
        radius, half = value * machine.unit, float(np.hypot(*chord)) / 2
        if half == 0.0:
            raise machine.fail(number, word, "an arc by R needs another end point")
        if abs(radius) < half * (1 - 1e-6):
            raise machine.fail(number, word, "the radius is less than half the distance")
        rise = math.sqrt(max(radius**2 - half**2, 0.0))
        # A negative radius asks for the arc of more than half a turn.
        left = (radius > 0) != clockwise
        normal = np.array([-chord[1], chord[0]]) / (2 * half)
        centre = start[:2] + chord / 2 + (rise if left else -rise) * normal
    elif "I" in values or "J" in values:
        offset = [values.pop(a)[0] * machine.unit if a in values else 0.0 for a in "IJ"]
        centre = start[:2] + offset
    else:
        raise machine.fail(number, word, "an arc needs I, J or R")
    first, last = start[:2] - centre, end[:2] - centre
    radius, other = float(np.hypot(*first)), float(np.hypot(*last))
    if radius == 0.0 or abs(other - radius) > max(0.05e-3, 1e-3 * radius):
        raise machine.fail(number, word, "start and end are not equally far from the centre")
    if radius > FARTHEST:
        raise machine.fail(number, word, f"the radius is more than {FARTHEST:g} m")
    begin = math.atan2(first[1], first[0])
    turn = math.atan2(last[1], last[0]) - begin
    turn = turn % (2 * math.pi) if not clockwise else -((-turn) % (2 * math.pi))
    if np.hypot(*chord) < 1e-9:
        turn = -2 * math.pi if clockwise else 2 * math.pi
    step = 2 * math.acos(max(1 - CHORD / radius, 0.0))
    count = max(math.ceil(abs(turn) / step), 1)
    share = np.linspace(0.0, 1.0, count + 1)
    angle, reach = begin + share * turn, radius + share * (other - radius)
    points = np.column_stack([centre[0] + reach * np.cos(angle), centre[1] + reach * np.sin(angle),
                              start[2] + share * (end[2] - start[2])])
    points[0], points[-1] = start, end
    return points


def _stroke(machine: _Machine, number: int, points: Floats, feed: float) -> None:
    machine.points += len(points)
    if machine.points > MANY:
        raise machine.fail(number, f"G{machine.motion or 0:g}", f"more than {MANY} points")
    machine.at = points[-1].copy()
    on = machine.on and math.isfinite(feed)
    if machine.on and not on:
        machine.note("rapids are run with the energy source off", number)
    machine.strokes.append(
        Stroke(points, feed, on, machine.demand, machine.feedstock, number))

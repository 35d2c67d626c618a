"""What `amtwin lot` tells: a powder lot, what it came of and what became of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from emulators.lots import LotError, load_lot, lot_names, operations_of
from emulators.lots.book import run_folders
from emulators.record import RecordError, open_run, to_json
from scenarios.lot_pictures import draw_genealogy
from twin.powder.genealogy import Genealogy
from twin.powder.lot import PowderLot
from twin.powder.operations import Item, Operation

__all__ = ["USUAL", "Book", "read_book", "tell", "tree"]

USUAL: Final = Path("runs")
"""Where runs are, unless somebody says so."""
DEEPEST = 12  # levels of a tree that are printed
LONGEST = 120  # lines of a tree that are printed
SHOWN = ("d10", "d50", "d90", "hall", "apparent", "tap", "oxygen", "moisture", "hollow",
         "satellites", "irregular", "foreign")
UNITS: Mapping[str, tuple[float, str]] = {
    "d10": (1e6, "um"), "d50": (1e6, "um"), "d90": (1e6, "um"), "hall": (1.0, "s/50 g"),
    "apparent": (1.0, "kg/m3"), "tap": (1.0, "kg/m3"), "oxygen": (1e6, "ppm"),
    "moisture": (1e6, "ppm"), "hollow": (1e2, "%"), "satellites": (1e2, "%"),
    "irregular": (1e2, "%"), "foreign": (1e2, "%")}
ABOUT: Mapping[str, tuple[float, str]] = {
    "diameter": (1e3, "mm"), "oxygen": (1e6, "ppm"), "porosity": (1e2, "%"), "left": (1.0, "kg")}
"""Units of what is known of an item."""


@dataclass(frozen=True)
class Book:
    """The operations of one or several runs, every lot and item under one id of its own."""

    genealogy: Genealogy
    runs: Mapping[str, str]
    """Run folder by id."""

    def find(self, identity: str) -> str:
        """The id in the graph; `LotError` if there is none, or several that are called so."""
        if identity in self.genealogy:
            return identity
        alike = [name for name in self.genealogy.ids() if name.endswith(f":{identity}")]
        run, _, short = identity.rpartition(":")
        home = Path(run).name
        for name in (short, f"{home}:{short}"):
            if run and name in self.runs and Path(self.runs[name]).name == home:
                return name
        if alike:
            raise LotError(f"{identity} was made by several runs; say which: {', '.join(alike)}")
        raise LotError(f"no lot or part {identity!r}; known: {_some(self.genealogy.ids())}")

    def holds(self, identity: str) -> bool:
        """Whether `find` finds it."""
        try:
            return bool(self.find(identity))
        except LotError:
            return False


def _some(names: list[str], most: int = 12) -> str:
    if not names:
        return "none, as no run here handled powder lots"
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _renamed(operation: Operation, name: Callable[[str], str]) -> Operation:
    def out(thing: PowderLot | Item) -> PowderLot | Item:
        if isinstance(thing, PowderLot):
            return replace(thing, id=name(thing.id), parents=tuple(map(name, thing.parents)))
        return replace(thing, id=name(thing.id))

    return replace(operation, inputs=tuple(replace(d, id=name(d.id)) for d in operation.inputs),
                   outputs=tuple(map(out, operation.outputs)))


def _made(operations: list[Operation]) -> set[str]:
    # What goes in and out of an operation under one id, such as a lot of which a sample is taken,
    # was made before it, here or elsewhere.
    return {out.id for op in operations for out in op.outputs
            if out.id not in {draw.id for draw in op.inputs}}


def _bought(operations: list[Operation]) -> set[str]:
    """What machines took that has a name of their own: a rod, a spool of their usual stock."""
    return {draw.id for op in operations for draw in op.inputs
            if draw.id.startswith(f"{op.machine}-")}


def _key(operation: Operation) -> tuple[Any, ...]:
    return (operation.machine, tuple(draw.id for draw in operation.inputs),
            tuple(out.id for out in operation.outputs), operation.name)


def read_book(within: str | Path) -> Book:
    """All runs in and below a folder; `LotError` naming the one that is damaged.

    Machines of different runs may have made lots of the same id: those are called RUN:ID. A run
    that was given a lot as RUN:ID is joined to the run that made it. Runs within a run (the
    machines of a works) are part of it.
    """
    told: dict[Path, list[Operation]] = {}
    given: dict[Path, dict[str, Path]] = {}
    for inner in run_folders(within):
        try:
            run = open_run(inner)
        except RecordError as error:
            raise LotError(str(error)) from None
        # A works and its machines are one run; what they did stands in the records of both.
        folder = next((outer for outer in told if outer in inner.parents), inner)
        known = {_key(operation) for operation in told.setdefault(folder, [])}
        told[folder] += [op for op in operations_of(run) if _key(op) not in known]
        given.setdefault(folder, {})
        for reference in run.meta.get("lots_given", ()):
            source, colon, identity = str(reference).rpartition(":")
            if colon and source:
                given[folder][identity] = Path(source).resolve()
    made = {folder: _made(done) for folder, done in told.items()}
    everywhere = {identity for ids in made.values() for identity in ids}
    for folder, done in told.items():
        # What is bought is known in its own run only, unless it came from another one.
        made[folder] |= _bought(done) - everywhere - given[folder].keys()
    count = Counter(identity for ids in made.values() for identity in ids)
    homes = {identity: folder for folder, ids in made.items() for identity in ids}
    by_path = {folder.resolve(): folder for folder in told}
    operations: list[Operation] = []
    runs: dict[str, str] = {}

    def label(folder: Path, identity: str) -> str:
        return f"{folder.name}:{identity}" if count[identity] > 1 else identity

    for folder, found in told.items():
        def name(identity: str, folder: Path = folder) -> str:
            if identity in made[folder]:
                return label(folder, identity)
            source = by_path.get(given[folder].get(identity, Path()))
            if source is not None and identity in made[source]:
                return label(source, identity)
            alone = homes.get(identity) if count[identity] == 1 else None
            return label(alone, identity) if alone is not None else identity

        for operation in found:
            operations.append(_renamed(operation, name))
        runs.update({label(folder, identity): str(folder) for identity in made[folder]})
    return Book(Genealogy(operations), runs)


def _value(name: str, value: float) -> str:
    factor, unit = UNITS[name]
    return f"{value * factor:.4g} {unit}" if value != float("inf") else "does not flow"


def _lines(found: PowderLot) -> list[str]:
    kind = f"{found.alloy}, {found.mass:.4g} kg, {found.status}, used {found.cycle} times"
    origin = f"{found.origin or 'unknown origin'}"
    if found.machine:
        origin += f" on {found.machine} at {found.made_at:.0f} s"
    lines = [f"{found.id}: {kind}", f"  {origin}", "",
             f"  {'':<12}{'true':>16}{'measured':>16}{'1 sigma':>14}"]
    for name in SHOWN:
        row = f"  {name:<12}{_value(name, getattr(found, name)):>16}"
        if name in found.measured:
            row += f"{_value(name, found.measured[name]):>16}"
            row += f"{_value(name, found.sigma.get(name, 0.0)):>14}"
        lines.append(row.rstrip())
    lines.append("")
    for grains in found.constituents:
        held = sorted(grains.elements.items(), key=lambda pair: -pair[1])
        parts = ", ".join(f"{e} {m / grains.mass:.3%}" for e, m in held if m > 0.0)
        lines.append(f"  {grains.alloy} {grains.mass:.4g} kg: {parts}" if grains.mass
                     else f"  {grains.alloy}: none")
    return lines


def _item_lines(thing: Item) -> list[str]:
    return [f"{thing.id}: {thing.kind}, {thing.alloy}, {thing.mass:.4g} kg",
            *_about_lines(thing.about)]


def _about_lines(about: Mapping[str, Any]) -> list[str]:
    lines = []
    for key, value in about.items():
        factor, unit = ABOUT.get(key, (1.0, ""))
        if isinstance(value, float):
            shown = f"{value * factor:.4g} {unit}".rstrip()
        else:
            shown = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
        lines.append(f"  {key:<12} {shown}")
    return lines


def tree(genealogy: Genealogy, identity: str, up: bool) -> list[str]:
    """Lines of the tree of what something came of (`up`) or what became of it."""
    step = genealogy.parents if up else genealogy.children
    lines: list[str] = []
    seen: set[str] = set()

    def branch(node: str, lead: str, depth: int) -> None:
        nearest = sorted(step(node).items(), key=lambda pair: (-pair[1], pair[0]))
        for number, (other, mass) in enumerate(nearest, 1):
            last = number == len(nearest)
            edge = genealogy.graph[other][node] if up else genealogy.graph[node][other]
            about = genealogy.describe(other)
            text = f"{other} ({about['kind']}, {mass:.4g} kg"
            text += f", {edge['operation']})" if edge["operation"] else ")"
            again = other in seen
            lines.append(f"{lead}{'`-- ' if last else '|-- '}{text}{' ...' if again else ''}")
            if not again and depth < DEEPEST:
                seen.add(other)
                branch(other, lead + ("    " if last else "|   "), depth + 1)

    branch(identity, "  ", 1)
    if len(lines) > LONGEST:
        lines[LONGEST:] = [f"  ... and {len(lines) - LONGEST} lines more; --json tells all"]
    return lines


def _told(book: Book | None, identity: str, thing: PowderLot | Item | None) -> dict[str, Any]:
    told: dict[str, Any] = {"id": identity}
    if isinstance(thing, PowderLot):
        told["lot"] = thing.plain()
        told["state"] = {name: getattr(thing, name) for name in SHOWN}
    elif thing is not None:
        told["item"] = thing.plain()
    if book is not None and identity in book.genealogy:
        genealogy = book.genealogy
        told |= {"run": book.runs.get(identity, ""), "parents": genealogy.parents(identity),
                 "children": genealogy.children(identity),
                 "ancestors": sorted(genealogy.ancestors(identity)),
                 "descendants": sorted(genealogy.descendants(identity)),
                 "contributions": genealogy.contributions(identity)}
    return told


def tell(identity: str, within: Path, as_json: bool, picture: Path | None) -> str:
    """What the command prints of a lot or part; the picture is drawn if a file is named.

    `LotError` or `PictureError` in one sentence for what cannot be.
    """
    run, _, name = identity.rpartition(":")
    if run and Path(run).is_dir() and not (within.is_dir() and read_book(within).holds(identity)):
        # As a lot is named for a run: that record, and what became of it there.
        within, identity = Path(run), name
    book = read_book(within) if within.is_dir() else None
    if book is None and within != USUAL:
        raise LotError(f"{within}: no such folder")
    thing: PowderLot | Item | None = None
    if book is not None and (book.holds(identity) or not _elsewhere(identity)):
        identity = book.find(identity)
        thing = book.genealogy.things.get(identity)
    if thing is None and _elsewhere(identity):
        thing = load_lot(identity)
    if thing is None and book is None:
        raise LotError(f"no lot or part {identity!r}: {within} is no folder of runs; ready-made "
                       f"lots: {', '.join(lot_names())}")
    if picture is not None:
        if book is None or identity not in book.genealogy:
            raise LotError(f"picture {picture}: no run here handled {identity}")
        draw_genealogy(book.genealogy, identity, picture)
    return to_json(_told(book, identity, thing)) if as_json else _text(book, identity, thing)


def _elsewhere(identity: str) -> bool:
    """Whether an id is that of a ready-made lot or a file rather than of a record."""
    known = identity.casefold() in {name.casefold() for name in lot_names()}
    file = Path(identity).suffix.lower() in (".toml", ".yaml", ".yml", ".json")
    return known or file


def _text(book: Book | None, identity: str, thing: PowderLot | Item | None) -> str:
    if isinstance(thing, PowderLot):
        lines = _lines(thing)
    elif thing is not None:
        lines = _item_lines(thing)
    else:
        lines = [f"{identity}: supplied from outside the runs searched"]
        if book is not None:
            lines += _about_lines(book.genealogy.supplied(identity))
    if book is not None and identity in book.genealogy:
        genealogy = book.genealogy
        above, below = tree(genealogy, identity, True), tree(genealogy, identity, False)
        if identity in book.runs:
            lines.append(f"  recorded in {book.runs[identity]}")
        lines += ["", "came of:", *(above or ["  nothing recorded"])]
        origins = genealogy.origins(identity)
        if origins:
            shares = sorted(origins.items(), key=lambda pair: -pair[1])
            lines.append("  in the end: " + ", ".join(f"{n} {s:.1%}" for n, s in shares[:12]))
        lines += ["", "became:", *(below or ["  nothing recorded"])]
    return "\n".join(lines)

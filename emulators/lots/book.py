"""Operations on material as runs recorded them, and the lots that came of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from emulators.journal import JournalError
from emulators.recipes.files import RecipeError
from emulators.record import META, RecordError, Run, open_run
from twin.powder.lot import PowderLot
from twin.powder.operations import Draw, Item, Operation, draw

__all__ = ["LotError", "find_feedstock", "operations_of", "read_lots", "run_folders"]


class LotError(RecipeError):
    """A powder lot that cannot be found or read; one sentence says which and why."""


def run_folders(within: str | Path) -> list[Path]:
    """Run folders in and below a folder, a run itself included; `LotError` if it is none."""
    root = Path(within)
    if not root.is_dir():
        raise LotError(f"{root}: no such folder")
    return sorted({path.parent for path in root.rglob(META)}, key=str)


def operations_of(run: Run) -> list[Operation]:
    """The operations of one run, in order; `LotError` if its table is damaged."""
    try:
        branch = run.history().newest_branch
        rows = run.table("lots", branch or None)
    except (RecordError, JournalError, OSError) as error:
        raise LotError(f"{run.folder}: {error}") from None
    if run.damaged:
        raise LotError(f"{run.damaged[0]}: is damaged")
    if not rows.num_rows:
        return []
    if "operation" not in rows.column_names:
        raise LotError(f"{run.folder}: its table of lots holds no operations")
    found = []
    for text in rows["operation"].to_pylist():
        try:
            found.append(Operation.of(json.loads(text)))
        except (TypeError, ValueError) as error:
            raise LotError(f"{run.folder}: a recorded operation is damaged: {error}") from None
    return found


def read_lots(folders: str | Path | Iterable[str | Path]) -> list[Operation]:
    """The operations of one or several run folders, run by run; `LotError` if one is damaged."""
    many: Sequence[str | Path] = [folders] if isinstance(folders, str | Path) else list(folders)
    found: list[Operation] = []
    for folder in many:
        try:
            run = open_run(folder)
        except RecordError as error:
            raise LotError(str(error)) from None
        found += operations_of(run)
    return found


def _left(drawn: Draw) -> Item | None:
    """What a build has left on a spool."""
    left = float(drawn.about.get("left", 0.0))
    if drawn.about.get("kind") != "spool" or not left > 0.0 or not drawn.mass > 0.0:
        return None
    about = {k: v for k, v in drawn.about.items() if k not in ("kind", "alloy", "left")}
    elements = {e: m * left / drawn.mass for e, m in drawn.elements.items()}
    return Item(drawn.id, "spool", str(drawn.about["alloy"]), left, elements, about)


def find_feedstock(folder: str | Path, identity: str) -> PowderLot | Item:
    """What is left of a lot that a recorded run made, or of a spool that it drew from.

    `LotError` if there is none, or nothing is left.
    """
    made: dict[str, PowderLot | Item] = {}
    gone: dict[str, str] = {}
    for operation in read_lots(folder):
        for drawn in operation.inputs:
            rest = _left(drawn)
            held = made.pop(drawn.id, None)
            if rest is not None:
                made[drawn.id] = rest
            elif isinstance(held, PowderLot) and drawn.mass < held.mass * (1.0 - 1e-9):
                made[drawn.id] = draw(held, drawn.mass)[1]
            else:
                gone[drawn.id] = operation.name
        for out in operation.outputs:
            if isinstance(out, PowderLot):
                made[out.id] = out
    if identity in made:
        return made[identity]
    known = f"it made {', '.join(list(made)[-8:])}" if made else "it made none"
    if identity in gone:
        raise LotError(f"{folder}: lot {identity!r} was used up there ({gone[identity]}); {known}")
    raise LotError(f"{folder}: no powder lot {identity!r}; {known}")

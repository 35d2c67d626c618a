"""What a job summary depends on, as one content hash: settings, files, program text."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from emulators import catalog
from emulators.canonical import content_hash
from emulators.catalog import Settings
from emulators.lots import load_feedstock
from emulators.works.digests import meaning, module

__all__ = ["source_digest", "sources", "summary_key"]

_FORMAT = 11
_ASIDE = frozenset(
    "acts canonical catalog emulator journal loop pacer publication record recorder runs serving "
    "snapshots tracehash works".split())
"""Modules of `emulators` that no machine's figures depend on: any way of running gives the same."""
_MAKER = ("emulators/works/rehearsal.py", "twin/works/summary.py")
"""How a job is run and summed up."""
_DATA = (".toml", ".npz", ".csv")


def _root() -> Path:
    return Path(catalog.__file__).resolve().parents[1]


def sources(machine: str) -> list[Path]:
    """Files of program text and data that a machine type's summaries are made by."""
    root = _root()
    own = machine.replace("-", "_")
    waiting = [f"emulators.machines.{own}", f"emulators.recipes.{own}"]
    files: set[Path] = set((root / "emulators" / "recipes" / machine).glob("*.toml"))
    files |= {root / name for name in _MAKER}
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        parts = name.split(".")
        if name in seen or (parts[0] == "emulators" and len(parts) > 1 and parts[1] in _ASIDE):
            continue
        seen.add(name)
        base = root.joinpath(*parts)
        path = base / "__init__.py" if base.is_dir() else base.with_suffix(".py")
        if not path.is_file():
            continue
        files.add(path)
        files |= {p for p in path.parent.iterdir() if p.suffix in _DATA}
        waiting += module(path).imports
        waiting += [".".join(parts[:n]) for n in range(1, len(parts))]
    return sorted(files)


@cache
def source_digest(machine: str) -> str:
    """SHA-256 of what the program text and data mean that a machine type's summaries are made by.

    The version number alone would let a summary survive a change of the model in a checkout; the
    bytes would lose it to a change of a comment. Version, Python and processor are not in it: they
    change no more than the last digits of a figure, and a summary that is found is used as it is.
    """
    digest = hashlib.sha256()
    for path in sources(machine):
        name = path.relative_to(_root()).as_posix()
        told = module(path).meaning if path.suffix == ".py" else meaning(path)
        digest.update(f"{name}\0{told}\0".encode())
    return digest.hexdigest()


def _content(name: str) -> list[str]:
    """A file by name and meaning, wherever it is; else what was named."""
    path = Path(name)
    return [path.name, meaning(path)] if path.is_file() else [name]


def summary_key(settings: Settings) -> str:
    """Content hash of all that a summary depends on. Raises what `load_feedstock` raises."""
    plain = settings.plain() | {"name": "", "control": "internal", "vectors": False,
                                "pictures": False}
    return content_hash({
        **plain, "format": _FORMAT, "sources": source_digest(settings.machine),
        "recipe": _content(settings.recipe or ""), "parts": [*map(_content, settings.parts)],
        "lots": [load_feedstock(lot).plain() for lot in settings.lots]})

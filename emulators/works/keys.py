"""What a job summary depends on, as one content hash: settings, files, program text."""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from pathlib import Path

from emulators import catalog
from emulators.canonical import content_hash
from emulators.catalog import Settings
from emulators.settings import release

__all__ = ["source_digest", "sources", "summary_key"]

_FORMAT = 9
_ASIDE = frozenset(
    "acts canonical catalog emulator journal loop pacer publication record recorder runs serving "
    "settings snapshots tracehash works".split())
"""Modules of `emulators` that no machine's figures depend on."""
_DATA = (".toml", ".npz", ".csv")


@cache
def _imports(path: Path) -> frozenset[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(n for n in found if n.split(".")[0] in ("twin", "emulators"))


def _root() -> Path:
    return Path(catalog.__file__).resolve().parents[1]


def sources(machine: str) -> list[Path]:
    """Files of program text and data that a machine type is made of."""
    root = _root()
    own = machine.replace("-", "_")
    waiting = [f"emulators.machines.{own}", f"emulators.recipes.{own}"]
    files: set[Path] = set((root / "emulators" / "recipes" / machine).glob("*.toml"))
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
        waiting += _imports(path)
        waiting += [".".join(parts[:n]) for n in range(1, len(parts))]
    return sorted(files)


def source_digest(machine: str) -> str:
    """SHA-256 of the program text and data that a machine type is made of.

    The version number alone would let a summary survive a change of the model in a checkout.
    """
    digest = hashlib.sha256()
    for path in sources(machine):
        name = str(path.relative_to(_root()))
        digest.update(name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _content(name: str) -> str:
    """A file's digest, or that of the record that a folder holds; else the name itself."""
    path = Path(name)
    if path.is_dir():
        path = path / "run.json"
    if name.startswith("example:") or not path.is_file():
        return name
    return hashlib.sha256(path.read_bytes()).hexdigest()


def summary_key(settings: Settings) -> str:
    """Content hash of all that a summary depends on."""
    plain = settings.plain() | {"name": "", "control": "internal", "vectors": False,
                                "pictures": False}
    return content_hash({
        "format": _FORMAT, "release": release(), "sources": source_digest(settings.machine),
        "settings": plain, "recipe": _content(settings.recipe or ""),
        "parts": [[Path(p).name, _content(p)] for p in settings.parts],
        "lots": [_content(lot) for lot in settings.lots]})

"""Digests of what program text and data mean: words that are for people only leave them alone."""

from __future__ import annotations

import ast
import hashlib
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from emulators.canonical import content_hash

__all__ = ["Text", "meaning", "module"]

_WORDS = frozenset(("doc", "cause", "consequence", "response"))
"""Arguments of a declaration that are read by people only."""
_DECLARERS = frozenset(
    "actuator alarm command diagnostic fault image like measured parameter series setpoint status"
    .split())
"""Functions of `twin.signals` that declare, and `like`, which declares an alarm as another."""
_SOURCE = "source"
"""Where a data file says where a figure is from."""


def _run(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes that a run can come by: those for the type checker alone are left out."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.If) and _for_the_checker(node):
            waiting += node.orelse
        else:
            waiting += ast.iter_child_nodes(node)


def _for_the_checker(node: ast.If) -> bool:
    return isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


@dataclass(frozen=True)
class Text:
    """A module of ours."""

    imports: frozenset[str]
    """Modules and names that it has from `twin` and `emulators`."""
    meaning: str
    """Digest of what it means."""


@cache
def module(path: Path) -> Text:
    """A module's text, read once: it does not change under a program that runs.

    Raises `OSError` and `SyntaxError`.
    """
    tree = ast.parse(path.read_bytes())
    found: set[str] = set()
    for node in _run(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    told: list[str] = []
    _tell(tree, told.append)
    return Text(frozenset(n for n in found if n.split(".")[0] in ("twin", "emulators")),
                hashlib.sha256("\0".join(told).encode()).hexdigest())


def meaning(path: Path) -> str:
    """SHA-256 of what a file of data means. Raises `OSError`.

    Of TOML: the data without comments and without what `source` says. Of any other file, and of
    what is no TOML after all: its bytes.
    """
    told = path.read_bytes()
    if path.suffix == ".toml":
        try:
            return content_hash(_figures(tomllib.loads(told.decode())))
        except ValueError:  # whoever needs the file will say what is wrong with it
            pass
    return hashlib.sha256(told).hexdigest()


def _figures(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _figures(value) for key, value in data.items()
                if key != _SOURCE or not isinstance(value, str)}
    if isinstance(data, list):
        return [_figures(value) for value in data]
    return data if isinstance(data, str | int | float) else str(data)


def _tell(node: ast.AST, put: Callable[[str], None]) -> None:
    """A tree in words, the same on any Python: newer ones have more fields that are empty.

    Comments and formatting are not in a tree; docstrings, hints at the types of arguments, imports
    for the type checker and the words of a declaration (`_WORDS`) are left out.
    """
    put(type(node).__name__)
    for name in node._fields:
        value = getattr(node, name, None)
        if value is None or value == [] or _is_for_people(node, name):
            continue
        put(name)
        if isinstance(value, list):
            put("[")
            for item in value:
                if isinstance(item, ast.AST):
                    if not _is_words(node, item):
                        _tell(item, put)
                else:
                    put(repr(item))
            put("]")
        elif isinstance(value, ast.AST):
            _tell(value, put)
        else:
            put(repr(value))


def _is_for_people(node: ast.AST, field: str) -> bool:
    """Whether a field of a node changes nothing that the program does."""
    return ((field == "annotation" and isinstance(node, ast.arg))
            or field == "returns"
            or field == "type_comment"
            or (field == "kind" and isinstance(node, ast.Constant)))


def _is_words(parent: ast.AST, node: ast.AST) -> bool:
    """Docstrings, also of attributes; words of a declaration; imports for the type checker."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    if isinstance(node, ast.keyword):
        return (node.arg in _WORDS and isinstance(node.value, ast.Constant)
                and isinstance(parent, ast.Call) and isinstance(parent.func, ast.Name)
                and parent.func.id in _DECLARERS)
    if isinstance(node, ast.Constant):
        # Some Pythons end f"{number:{digits}}" with a piece of text in which nothing is.
        return isinstance(parent, ast.JoinedStr) and node.value == ""
    return isinstance(node, ast.If) and _for_the_checker(node) and not node.orelse

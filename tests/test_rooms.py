"""The four rooms of the house: who may import whom, and what has no place in which."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("twin", "plc_interfaces", "emulators", "scenarios")
"""In order: each may import itself and those before it."""
SHARED = {"signals", "image", "alarms", "units", "faults"}
"""The modules of twin that the wires may use."""
MACHINES = ("twin.machines", "emulators.controllers")
WALL_CLOCK = {"time", "datetime", "zoneinfo", "sched"}
NETWORK = {
    "asyncio",
    "socket",
    "socketserver",
    "selectors",
    "ssl",
    "http",
    "urllib",
    "asyncua",
    "pymodbus",
    "threading",
    "multiprocessing",
    "concurrent",
}
GLOBAL_RANDOM = {"random", "secrets", "uuid"}
PURE = ("twin", "emulators/controllers")
"""Folders whose code depends on nothing but its arguments, seed and simulated time."""


def modules(folder: str) -> list[Path]:
    found = sorted((ROOT / folder).rglob("*.py"))
    assert found, folder
    return found


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """Line and dotted name of everything a module imports, also inside functions."""
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)


def offences(folder: str, wrong: Callable[[str], bool]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in modules(folder)
        for line, name in imported(path)
        if wrong(name)
    ]


def top(name: str) -> str:
    return name.partition(".")[0]


@pytest.mark.parametrize("room", ROOMS)
def test_imports_run_one_way(room: str) -> None:
    later = {*ROOMS[ROOMS.index(room) + 1 :], "tests"}
    assert offences(room, lambda name: top(name) in later) == []


def test_wires_know_signals_but_no_machine() -> None:
    assert (
        offences(
            "plc_interfaces",
            lambda name: top(name) == "twin" and name.split(".")[1] not in SHARED,
        )
        == []
    )


@pytest.mark.parametrize("folder", PURE)
def test_no_sockets_clocks_or_global_random_state(folder: str) -> None:
    barred = WALL_CLOCK | NETWORK | GLOBAL_RANDOM
    assert offences(folder, lambda name: top(name) in barred) == []


@pytest.mark.parametrize("folder", PURE)
def test_no_use_of_numpys_global_random_state(folder: str) -> None:
    allowed = {"Generator", "Philox", "PCG64", "SeedSequence", "BitGenerator"}
    found = []
    for path in modules(folder):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Attribute)
                and node.attr not in allowed
                and isinstance(node.value, ast.Attribute)
                and node.value.attr == "random"
            ):
                found.append(f"{path.relative_to(ROOT)}:{node.lineno} random.{node.attr}")
    assert found == []


def test_emulation_is_timed_by_the_pacer_alone() -> None:
    """The wall clock decides in few places of `emulators`: pace, publication, names of folders."""
    may = {"pacer.py", "publication.py", "recorder.py", "runs.py"}
    assert {
        line.partition(":")[0].rpartition("/")[2]
        for line in offences("emulators", lambda name: top(name) in WALL_CLOCK)
    } <= may


@pytest.mark.parametrize("package", MACHINES)
def test_machines_never_import_each_other(package: str) -> None:
    """What two machines share is equipment, a base, or states; never one of them."""
    folder = ROOT / package.replace(".", "/")
    names = {path.stem for path in (ROOT / "twin/machines").glob("*.py")} - {"__init__"}
    for path in folder.glob("*.py"):
        others = [n for n in names if not path.stem.startswith(n)]
        for line, name in imported(path):
            inside = any(name.startswith(f"{p}.{other}") for p in MACHINES for other in others)
            assert not inside, f"{path.name}:{line} imports {name}"


def test_the_rule_finds_offenders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    room = tmp_path / "twin" / "deep"
    room.mkdir(parents=True)
    (room / "bad.py").write_text(
        "def f():\n    import socket\n    from emulators import pacer\n    from .. import wrong\n"
    )
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    assert [name for _, name in imported(room / "bad.py")] == [
        "socket",
        "emulators.pacer",
        "twin.wrong",
    ]
    assert offences("twin", lambda name: top(name) == "emulators") == [
        "twin/deep/bad.py:3 imports emulators.pacer"
    ]

"""The journal: every act from outside, on disk before it is applied; a tree of branches.

``journal.jsonl`` in the run folder holds one JSON object per line: a header, then acts
``{scan, time, kind, path, value, user, source, branch}`` and forks ``{branch, parent, scan}``.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from emulators.canonical import parse, plain
from plc_interfaces.host import Act, ActKind

__all__ = ["Entry", "Fork", "History", "Journal", "JournalError", "Reach", "read_journal"]

FILE = "journal.jsonl"
VERSION = 1


class JournalError(Exception):
    """A journal that cannot be read or written; the message names the file and why."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An act and the scan it is applied at."""

    scan: int
    time: float
    """Simulated time, s."""
    act: Act
    branch: int = 0


@dataclass(frozen=True, slots=True)
class Fork:
    """A branch that goes on from its parent's state after a scan."""

    branch: int
    parent: int
    scan: int


@dataclass(frozen=True, slots=True)
class Reach:
    """Part of a branch's past: what `branch` did up to and including scan `upto`."""

    branch: int
    upto: float


@dataclass
class History:
    """What a journal says."""

    header: dict[str, Any]
    entries: list[Entry] = field(default_factory=list)
    forks: dict[int, Fork] = field(default_factory=dict)

    @property
    def newest_branch(self) -> int:
        """The branch opened last; 0 if there was no backtrack."""
        return max(self.forks, default=0)

    def lineage(self, branch: int) -> list[Reach]:
        """The branch and its ancestors, youngest first, each up to where it was left.

        Raises `JournalError` for a branch that the journal does not know.
        """
        reaches = [Reach(branch, math.inf)]
        while branch != 0:
            fork = self.forks.get(branch)
            if fork is None:
                raise JournalError(f"the journal has no branch {branch}")
            branch = fork.parent
            reaches.append(Reach(branch, min(fork.scan, reaches[-1].upto)))
        return reaches

    def entries_for_branch(self, branch: int) -> list[Entry]:
        """The acts that led to a branch's state, oldest first: its ancestors' and its own."""
        reaches = reversed(self.lineage(branch))
        return [
            e for r in reaches for e in self.entries if e.branch == r.branch and e.scan <= r.upto
        ]


def _line(data: Mapping[str, Any]) -> bytes:
    text = json.dumps(data, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    # Clients send what is no text, too; a surrogate is written as its escape.
    return text.encode(errors="backslashreplace") + b"\n"


def _entry_line(entry: Entry) -> bytes:
    act = entry.act
    try:
        return _line(
            {
                "scan": int(entry.scan),
                "time": plain(entry.time, "time", finite=True),
                "kind": act.kind.value,
                "path": act.path,
                "value": plain(act.value, act.path, finite=True),
                "user": act.user,
                "source": act.source,
                "branch": int(entry.branch),
            }
        )
    except ValueError as error:
        raise JournalError(f"cannot be put in the journal: {error}") from None


def _take(history: History, data: Mapping[str, Any]) -> None:
    if "parent" in data:
        fork = Fork(data["branch"], data["parent"], data["scan"])
        history.forks[fork.branch] = fork
        return
    act = Act(ActKind(data["kind"]), data["path"], data["value"], data["user"], data["source"])
    history.entries.append(Entry(data["scan"], data["time"], act, data["branch"]))


def _read(path: Path) -> tuple[History, int]:
    """The history, and how many bytes of the file are whole lines."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise JournalError(f"{path}: cannot be read: {error.strerror}") from None
    history: History | None = None
    good = 0
    lines = content.splitlines(keepends=True)
    for number, line in enumerate(lines, 1):
        try:
            if not line.endswith(b"\n"):
                raise ValueError("no end of line")
            data = parse(line)
            if history is None:
                if data["journal"] != VERSION:
                    raise JournalError(f"{path}: version {data['journal']} is not {VERSION}")
                history = History(data)
            else:
                _take(history, data)
        except (ValueError, KeyError, TypeError) as error:
            # A line cut off by a crash was never answered, so nothing that happened is lost.
            if number == len(lines) and history is not None:
                break
            raise JournalError(f"{path}: line {number} is not a journal line: {error}") from None
        good += len(line)
    if history is None:
        raise JournalError(f"{path}: is empty")
    return history, good


def read_journal(folder: str | Path) -> History:
    """The journal of a run folder; a torn last line is left out.

    Raises `JournalError` naming file and line if it is anything but a journal.
    """
    return _read(Path(folder) / FILE)[0]


class Journal:
    """The journal of a running machine, open for appending.

    A new file begins with `header` (such as seed and machine); an existing one goes on, without
    what a crash cut off. Raises `JournalError` if it cannot be read or written.
    """

    def __init__(self, folder: str | Path, header: Mapping[str, Any] | None = None) -> None:
        self.path = Path(folder) / FILE
        exists = self.path.exists() and self.path.stat().st_size > 0
        self.history, good = _read(self.path) if exists else (History({}), 0)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            os.ftruncate(self._file, good)
        except OSError as error:
            raise JournalError(f"{self.path}: cannot be written: {error.strerror}") from None
        self._size = good
        if not exists:
            self.history.header = {"journal": VERSION, **plain(header or {}, "header")}
            self._write(_line(self.history.header))

    def append(self, entries: Iterable[Entry]) -> None:
        """Put acts on disk; when this returns they are there.

        Raises `JournalError` for values JSON cannot hold exactly (NaN, infinity, objects) and if
        the disk refuses; then none of them is in the journal.
        """
        entries = list(entries)
        if entries:
            self._write(b"".join(_entry_line(entry) for entry in entries))

    def fork(self, parent: int, scan: int) -> int:
        """Open a branch from the state of `parent` after `scan`; its number."""
        self.history.lineage(parent)
        fork = Fork(self.history.newest_branch + 1, parent, scan)
        self._write(_line({"branch": fork.branch, "parent": parent, "scan": int(scan)}))
        self.history.forks[fork.branch] = fork
        return fork.branch

    def _write(self, data: bytes) -> None:
        try:
            done = 0
            while done < len(data):
                done += os.write(self._file, data[done:])
            os.fsync(self._file)
        except OSError as error:
            os.ftruncate(self._file, self._size)
            raise JournalError(f"{self.path}: cannot be written: {error.strerror}") from None
        self._size += len(data)

    def close(self) -> None:
        """Close the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

"""Snapshots: a machine's whole state at a boundary, to go on from after a crash or a backtrack."""

from __future__ import annotations

import hashlib
import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emulators.canonical import canonical_json, content_hash, parse
from emulators.journal import Reach

__all__ = ["Snapshot", "SnapshotError", "SnapshotStore", "state_hash"]

FOLDER = "snapshots"
_NAME = re.compile(r"b(\d+)-s(\d+)-l(\d+)\.json")
_ALL: tuple[Reach, ...] = (Reach(0, math.inf),)

state_hash = content_hash


class SnapshotError(Exception):
    """A snapshot that cannot be written; the message names the file and why."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state after a scan; numbers, text, lists and dicts only."""

    scan: int
    time: float
    """Simulated time, s."""
    layer: int
    state: dict[str, Any]
    branch: int = 0


class SnapshotStore:
    """The snapshots of a run folder: JSON files that open with the SHA-256 of what follows.

    Of each branch the last `keep` are kept, and those of every `every`-th layer.
    """

    def __init__(self, folder: str | Path, keep: int = 3, every: int = 50) -> None:
        if keep < 1 or every < 1:
            raise ValueError("keep and every must be 1 or more")
        self.folder = Path(folder) / FOLDER
        self.keep = keep
        self.every = every

    def write(self, snapshot: Snapshot) -> Path:
        """Put a snapshot on disk, whole or not at all, and remove those no longer kept.

        Raises `SnapshotError` if the disk refuses, `ValueError` if the state is not plain data.
        """
        body = canonical_json(
            {
                "scan": snapshot.scan,
                "time": snapshot.time,
                "layer": snapshot.layer,
                "branch": snapshot.branch,
                "state": snapshot.state,
            }
        ).encode()
        name = f"b{snapshot.branch:03d}-s{snapshot.scan:012d}-l{snapshot.layer:06d}.json"
        path = self.folder / name
        aside = path.with_suffix(".tmp")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with aside.open("wb") as file:
                file.write(hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
                file.flush()
                os.fsync(file.fileno())
            aside.replace(path)
            entry = os.open(self.folder, os.O_RDONLY)
            try:
                os.fsync(entry)  # The new name, too, has to survive a power cut.
            finally:
                os.close(entry)
            self._prune(snapshot.branch)
        except OSError as error:
            raise SnapshotError(f"{path}: cannot be written: {error.strerror}") from None
        return path

    def newest(self, lineage: Sequence[Reach] = _ALL) -> Snapshot | None:
        """The newest snapshot of a branch or its ancestors that can be read."""
        return self.at_or_before(math.inf, lineage)

    def at_or_before(self, scan: float, lineage: Sequence[Reach] = _ALL) -> Snapshot | None:
        """The newest readable snapshot not after `scan`, in a branch's lineage, youngest first.

        `lineage` is what `History.lineage` gives; without it, that of a run without branches.
        """
        for reach in lineage:
            for at, _, path in reversed(self._files(reach.branch)):
                if at <= min(scan, reach.upto) and (snapshot := _load(path)) is not None:
                    return snapshot
        return None

    def _files(self, branch: int) -> list[tuple[int, int, Path]]:
        """Scan, layer and path of a branch's snapshots, oldest first."""
        found = []
        for path in self.folder.glob(f"b{branch:03d}-*.json"):
            if match := _NAME.fullmatch(path.name):
                found.append((int(match[2]), int(match[3]), path))
        return sorted(found)

    def _prune(self, branch: int) -> None:
        for _, layer, path in self._files(branch)[: -self.keep]:
            if layer % self.every:
                path.unlink(missing_ok=True)


def _load(path: Path) -> Snapshot | None:
    """A snapshot, or None if the file is damaged."""
    try:
        digest, _, body = path.read_bytes().partition(b"\n")
        if hashlib.sha256(body).hexdigest().encode() != digest:
            return None
        return Snapshot(**parse(body))
    except (OSError, ValueError, TypeError):
        return None

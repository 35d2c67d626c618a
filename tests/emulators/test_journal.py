"""The journal: exact round trips, torn files, a killed writer, and the tree of branches."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulators.journal import Entry, Fork, Journal, JournalError, read_journal
from plc_interfaces.host import Act, ActKind

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["kind", "magnitude", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)
acts = st.builds(
    Act,
    st.sampled_from(ActKind),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    values,
    st.sampled_from(["", "anna", "Jörg"]),
)


def write(scan: int, value: Any = 1.0, branch: int = 0) -> Entry:
    return Entry(scan, scan * 0.05, Act(ActKind.WRITE, "Laser1.Power", value, "anna"), branch)


@given(st.lists(acts, max_size=5))
def test_round_trip_is_exact(tmp_path_factory: pytest.TempPathFactory, made: list[Act]) -> None:
    folder = tmp_path_factory.mktemp("journal")
    entries = [Entry(k, k * 0.05, act) for k, act in enumerate(made)]
    with Journal(folder, {"seed": 7}) as journal:
        journal.append(entries)
    history = read_journal(folder)
    assert history.entries == entries
    assert history.header == {"journal": 1, "seed": 7}


def test_values_come_back_as_they_are(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal.append([write(1, (1.5, 2.5)), write(2, np.float32(0.1)), write(3, b"\x00\xff")])
        journal.append([write(4, "no text: \udcff")])
    values = [e.act.value for e in read_journal(tmp_path).entries]
    assert values == [[1.5, 2.5], float(np.float32(0.1)), b"\x00\xff", "no text: \udcff"]


@pytest.mark.parametrize("value", [math.nan, -math.inf, [1.0, math.inf], {1: 2}, {1, 2}, object()])
def test_values_that_json_cannot_hold_are_refused_whole(tmp_path: Path, value: object) -> None:
    with Journal(tmp_path) as journal:
        with pytest.raises(JournalError, match=r"cannot be put in the journal: Laser1\.Power"):
            journal.append([write(1), write(2, value)])
        journal.append([write(3)])
    assert read_journal(tmp_path).entries == [write(3)]


@given(cut=st.integers(1, 60))
def test_torn_last_line_is_left_out_and_written_over(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    with Journal(folder, {"seed": 1}) as journal:
        journal.append([write(1), write(2)])
    content = journal.path.read_bytes()
    journal.path.write_bytes(content[:-cut])
    assert read_journal(folder).entries == [write(1)]
    with Journal(folder) as journal:
        journal.append([write(3)])
    assert read_journal(folder).entries == [write(1), write(3)]
    assert all(json.loads(line) for line in journal.path.read_text().splitlines())


def test_damage_in_the_middle_is_an_error(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal.append([write(1), write(2)])
    lines = journal.path.read_bytes().splitlines(keepends=True)
    journal.path.write_bytes(lines[0] + b"{garbage\n" + lines[2])
    with pytest.raises(JournalError, match=r"journal\.jsonl: line 2 is not a journal line"):
        read_journal(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ('{"journal": 99}\n', "version 99 is not 1"),
        ('{"a": 1}\n', "line 1 is not a journal line"),
        ("[]\n", "line 1 is not a journal line"),
    ],
)
def test_what_is_no_journal(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "journal.jsonl").write_text(content)
    with pytest.raises(JournalError, match=message):
        read_journal(tmp_path)


def test_missing_and_unwritable(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="cannot be read: No such file"):
        read_journal(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match="cannot be written: "):
        Journal(tmp_path / "file" / "run")


def test_full_disk_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    true_write = os.write
    with Journal(tmp_path) as journal:
        journal.append([write(1)])
        rooms = [10]

        def full(file: int, data: bytes) -> int:
            if not rooms:
                raise OSError(28, "No space left on device")
            return true_write(file, data[: rooms.pop()])

        monkeypatch.setattr(os, "write", full)
        with pytest.raises(JournalError, match="No space left on device"):
            journal.append([write(2)])
        monkeypatch.undo()
        journal.append([write(3)])
        assert read_journal(tmp_path).entries == [write(1), write(3)]


def test_branches_follow_the_tree(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal.append([write(10), write(20), write(30)])
        assert journal.fork(0, 20) == 1
        journal.append([write(25, branch=1), write(40, branch=1)])
        assert journal.fork(1, 30) == 2
        journal.append([write(35, branch=2)])
        assert journal.fork(2, 15) == 3
        with pytest.raises(JournalError, match="no branch 9"):
            journal.fork(9, 1)
    history = read_journal(tmp_path)
    scans = {b: [e.scan for e in history.entries_for_branch(b)] for b in range(4)}
    assert scans == {0: [10, 20, 30], 1: [10, 20, 25, 40], 2: [10, 20, 25, 35], 3: [10]}
    assert history.newest_branch == 3
    assert history.forks[2] == Fork(2, 1, 30)
    assert [(r.branch, r.upto) for r in history.lineage(3)] == [
        (3, math.inf),
        (2, 15),
        (1, 15),
        (0, 15),
    ]

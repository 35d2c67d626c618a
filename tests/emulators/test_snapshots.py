"""Snapshots: exact states, damage, what is kept, branches; the state and trace hashes."""

from __future__ import annotations

import math
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulators.canonical import canonical_json, parse
from emulators.journal import Reach
from emulators.snapshots import Snapshot, SnapshotError, SnapshotStore, state_hash
from emulators.tracehash import TraceHash
from tests.fakes import FakeHost
from twin.signals import Kind

states = st.dictionaries(
    st.text("abc", max_size=3),
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False)
        | st.binary()
        | st.text(st.characters(exclude_categories=["Cs"])),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("xy"), inner),
        max_leaves=8,
    ),
)


def snapshot(scan: int, layer: int = 1, branch: int = 0, **state: Any) -> Snapshot:
    return Snapshot(scan, scan * 0.05, layer, state, branch)


@given(states)
def test_round_trip_is_exact(tmp_path_factory: pytest.TempPathFactory, state: dict) -> None:  # type: ignore[type-arg]
    store = SnapshotStore(tmp_path_factory.mktemp("run"))
    made = Snapshot(5, 0.25, 1, state)
    store.write(made)
    found = store.newest()
    assert found == made
    assert found is not None
    assert state_hash(found.state) == state_hash(state)


def test_state_hash_sees_values_not_containers() -> None:
    class Phase(StrEnum):
        PURGE = "purge"

    class State(IntEnum):
        IDLE = 4

    state = {
        "b": np.float64(0.1),
        "a": (1, np.int32(2)),
        "p": Phase.PURGE,
        "s": State.IDLE,
        "n": np.array([1.5, 2.5]),
        "f": np.bool_(True),
        "i": -math.inf,
    }
    same = {"a": [1, 2], "b": 0.1, "p": "purge", "s": 4, "n": [1.5, 2.5], "f": True, "i": -math.inf}
    assert state_hash(state) == state_hash(same)
    assert parse(canonical_json(state)) == same
    for other in ({"b": 0.1 + 1e-16 * 2}, {"a": [2, 1]}, {"f": 1}, {"s": 4.0}, {"i": math.inf}):
        assert state_hash({**same, **other}) != state_hash(same)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"a": {1: 2}}, r"state\.a has a key 1"),
        ({"a": [object()]}, r"a\[0\] is a object"),
        ({"a": {1, 2}}, "a is a set"),
        ({"a": {"$bytes": "x"}}, "has a key"),
    ],
)
def test_what_is_not_plain_data_is_refused(
    tmp_path: Path, state: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        SnapshotStore(tmp_path).write(Snapshot(1, 0.05, 1, state))


def test_damaged_snapshots_are_passed_over(tmp_path: Path) -> None:
    store = SnapshotStore(tmp_path, keep=5)
    paths = [store.write(snapshot(scan, x=scan)) for scan in (10, 20, 30, 40)]
    paths[3].write_bytes(paths[3].read_bytes()[:-5])
    paths[2].write_bytes(paths[2].read_bytes().replace(b"30", b"31"))
    (tmp_path / "snapshots" / "b000-s000000000050-l000001.tmp").write_text("half")
    assert store.newest() == snapshot(20, x=20)
    assert store.at_or_before(15) == snapshot(10, x=10)
    assert store.at_or_before(9) is None


def test_the_last_and_every_nth_layer_are_kept(tmp_path: Path) -> None:
    store = SnapshotStore(tmp_path, keep=3, every=50)
    for layer in range(1, 121):
        store.write(snapshot(layer * 100, layer))
    kept = [store.at_or_before(scan) for scan in (4999, 5000, 10_000, 11_800, 11_900, 12_000)]
    assert [s.layer if s else None for s in kept] == [None, 50, 100, 118, 119, 120]
    assert len(list((tmp_path / "snapshots").iterdir())) == 5


def test_branches_see_their_ancestors_up_to_the_fork(tmp_path: Path) -> None:
    store = SnapshotStore(tmp_path, keep=10)
    for scan in (10, 20, 30):
        store.write(snapshot(scan, branch=0))
    lineage = [Reach(1, math.inf), Reach(0, 20)]
    assert store.newest(lineage) == snapshot(20, branch=0)
    store.write(snapshot(25, branch=1))
    assert store.newest(lineage) == snapshot(25, branch=1)
    assert store.at_or_before(24, lineage) == snapshot(20, branch=0)
    assert store.newest() == snapshot(30, branch=0)


def test_unwritable_folder_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "snapshots").write_text("a file")
    with pytest.raises(SnapshotError, match="cannot be written"):
        SnapshotStore(tmp_path).write(snapshot(1))


@pytest.fixture
def hashed(fake_host: FakeHost) -> tuple[FakeHost, TraceHash]:
    return fake_host, TraceHash(fake_host.table)


def altered(host: FakeHost, path: str, value: Any) -> list[Any]:
    values = list(host.frame().values)
    values[host.table.index[path]] = value
    return values


def test_trace_hash_goes_on_from_its_state(hashed: tuple[FakeHost, TraceHash]) -> None:
    host, first = hashed
    values = host.frame().values
    first.event(1, "Job", "state", "started", {"layer": 1})
    first.image(1, values)
    second = TraceHash(host.table)
    second.restore(first.state())
    for trace in (first, second):
        trace.image(2, values)
        trace.event(2, "Job", "state", "held")
    assert first.hexdigest == second.hexdigest
    assert first.count == second.count == 4


def test_trace_hash_depends_on_order_scan_and_values(hashed: tuple[FakeHost, TraceHash]) -> None:
    host, start = hashed
    values = list(host.frame().values)
    door = host.table.index["Chamber.DoorClosed"]
    histories = [
        [(1, values)],
        [(2, values)],
        [(1, values), (1, values)],
        [(1, altered(host, "Chamber.Pressure", 1.0))],
        [(1, altered(host, "Chamber.DoorClosed", not values[door]))],
    ]
    found = set()
    for history in histories:
        trace = TraceHash(host.table)
        trace.restore(start.state())
        for scan, image in history:
            trace.image(scan, image)
        found.add(trace.hexdigest)
    assert len(found) == len(histories)


def test_what_lies_outside_the_trace_hash(hashed: tuple[FakeHost, TraceHash]) -> None:
    host, _ = hashed
    reference = TraceHash(host.table)
    reference.image(1, host.frame().values)
    outside = host.table.of_kind(Kind.DIAGNOSTIC, Kind.FAULT)
    assert {s.kind for s in outside} == {Kind.DIAGNOSTIC, Kind.FAULT}
    for signal in outside:
        trace = TraceHash(host.table)
        trace.image(1, altered(host, signal.path, signal.type(3)))
        assert trace.hexdigest == reference.hexdigest
    below_float32 = TraceHash(host.table)
    below_float32.image(1, altered(host, "Chamber.OxygenTop", 1e5 + 1e-9))
    exact = TraceHash(host.table)
    exact.image(1, altered(host, "Chamber.OxygenTop", 1e5))
    assert below_float32.hexdigest == exact.hexdigest != reference.hexdigest

"""The run folder: what goes in comes out, also after a kill, a resume and a backtrack."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulators.journal import Journal
from emulators.recorder import Recorder, RecordError, open_run
from plc_interfaces.host import Event
from tests.fakes import FakeHost
from twin.image import Frame, Quality
from twin.signals import Kind

ROOT = Path(__file__).parents[2]


def frames(host: FakeHost, scans: range) -> list[Frame]:
    """Frames of a machine whose pressure is its scan number."""
    first = host.frame()
    pressure = host.table.index["Chamber.Pressure"]
    made = []
    for scan in scans:
        values = list(first.values)
        values[pressure] = float(scan)
        made.append(Frame(scan, scan * 0.05, 1e9 + scan * 0.05, tuple(values), first.quality))
    return made


def recorded(host: FakeHost, folder: Path, scans: range, **options: Any) -> Recorder:
    recorder = Recorder(folder, host.table, {"seed": 7}, **options)
    for frame in frames(host, scans):
        recorder.record(frame)
    return recorder


def scans_of(folder: Path, branch: int | None = None) -> list[int]:
    table = open_run(folder).table("signals", branch)
    return [int(p) for p in table["Chamber.Pressure"].to_pylist()] if table.num_rows else []


@pytest.mark.parametrize("close", [True, False])
def test_signals_come_back(fake_host: FakeHost, tmp_path: Path, close: bool) -> None:
    recorder = recorded(fake_host, tmp_path / "run", range(100), rows_per_part=30)
    recorder.close({"layers": 3}) if close else recorder.flush()
    run = open_run(tmp_path / "run")
    rows = run.table("signals")
    columns = [
        s.path
        for s in fake_host.table.values()
        if s.kind not in (Kind.COMMAND, Kind.IMAGE, Kind.SERIES)
    ]
    assert rows.column_names == ["branch", "scan", "time", "stamp", "quality", *columns]
    last = frames(fake_host, range(99, 100))[0]
    found = rows.slice(99).to_pylist()[0]
    assert (found["scan"], found["time"], found["stamp"]) == (99, last.time, last.stamp)
    for path in columns:
        assert found[path] == pytest.approx(last.values[fake_host.table.index[path]])
    assert run.sql('select count(*), max("Chamber.Pressure") from signals').fetchall() == [
        (100, 99)
    ]
    files = list((tmp_path / "run" / "signals").iterdir())
    assert len(files) == (1 if close else 4)
    assert run.meta["state"] == ("finished" if close else "running")
    assert run.meta["seed"] == 7
    assert run.meta["signals"]["Chamber.Pressure"]["unit"] == "mbar"
    anywhere = duckdb.sql(f"select count(*) from '{tmp_path}/run/signals/*.parquet'")
    assert anywhere.fetchall() == [(100,)]


def test_parts_are_gathered_while_the_machine_runs(
    fake_host: FakeHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emulators.recorder._PARTS", 4)
    recorder = recorded(fake_host, tmp_path / "run", range(100), rows_per_part=10)
    recorder.flush()
    names = sorted(p.name for p in (tmp_path / "run" / "signals").iterdir())
    assert names == ["000001-000004.parquet", "000005-000008.parquet",
                     "000009.parquet", "000010.parquet"]
    scans = open_run(tmp_path / "run").table("signals")["scan"].to_pylist()
    assert scans == list(range(100))
    recorder.close()
    assert open_run(tmp_path / "run").table("signals")["scan"].to_pylist() == scans


def test_quality_is_told_where_it_is_not_good(fake_host: FakeHost, tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "run", fake_host.table)
    good = fake_host.frame()
    quality = list(good.quality)
    quality[fake_host.table.index["Chamber.Pressure"]] = Quality.BAD
    recorder.record(good)
    recorder.record(replace(good, quality=quality))
    recorder.close()
    found = open_run(tmp_path / "run").table("signals")["quality"].to_pylist()
    assert found == ["", "Chamber.Pressure=BAD"]


def test_events_alarms_and_rows(fake_host: FakeHost, tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "run", fake_host.table)
    recorder.event(5, Event(1e9, 0.25, "Job", "state", "held", 300, {"layer": 4}))
    status = replace(fake_host.alarm_states()[0], value=math.nan)
    recorder.alarm(6, 0.3, status)
    recorder.row("layers", 10, {"layer": 1, "time": 61.5})
    recorder.flush()
    recorder.row("layers", 20, {"layer": 2, "time": None, "note": "short feed"})
    recorder.rows("vectors", 20, {"x": np.arange(3.0), "laser": np.array([0, 0, 1])})
    recorder.close()
    run = open_run(tmp_path / "run")
    assert run.tables() == ["events", "layers", "vectors"]
    state, alarm = run.table("events").to_pylist()
    assert (state["scan"], state["kind"], json.loads(state["fields"])) == (5, "state", {"layer": 4})
    assert (alarm["source"], alarm["kind"]) == (status.path, "alarm")
    assert json.loads(alarm["fields"])["value"] is None
    layers = run.sql("select scan, layer, time, note from layers order by scan").fetchall()
    assert layers == [(10, 1, 61.5, None), (20, 2, None, "short feed")]
    assert run.sql("select sum(x), max(laser), min(scan) from vectors").fetchall() == [(3, 1, 20)]


KILLED = """
import itertools, sys
from pathlib import Path
from emulators.journal import Journal, Entry
from emulators.recorder import Recorder
from plc_interfaces.host import Act, ActKind
from tests.emulators.test_recorder import FakeHost, frames

host = FakeHost()
folder = Path(sys.argv[1])
journal = Journal(folder)
recorder = Recorder(folder, host.table, rows_per_part=10)
for layer in itertools.count(1):
    journal.append([Entry(layer * 25, 0.0, Act(ActKind.WRITE, "x", layer))])
    for frame in frames(host, range(layer * 25 - 25, layer * 25)):
        recorder.record(frame)
    recorder.row("layers", layer * 25 - 1, {"layer": layer})
    recorder.flush()
    print(layer, flush=True)
"""


def test_killed_run_is_readable_and_resumed(fake_host: FakeHost, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) == 4:
            break
    process.send_signal(signal.SIGKILL)
    told = [int(line) for line in process.stdout.read().split()]
    process.stdout.close()
    assert process.wait(10) == -signal.SIGKILL
    flushed = max([4, *told]) * 25

    scans = scans_of(folder)
    assert scans == list(range(len(scans)))
    assert len(scans) >= flushed
    run = open_run(folder)
    assert run.meta["state"] == "running"
    assert run.sql("select max(layer) from layers").fetchall()[0][0] >= flushed // 25
    assert len(run.history().entries) >= flushed // 25

    recorder = Recorder.resume(folder, fake_host.table, scan=74)
    assert scans_of(folder) == list(range(75))
    for frame in frames(fake_host, range(75, 130)):
        recorder.record(frame)
    recorder.close()
    run = open_run(folder)
    assert scans_of(folder) == list(range(130))
    assert run.table("layers")["layer"].to_pylist() == [1, 2, 3]
    assert run.meta["state"] == "finished"
    assert not list(folder.rglob("*.tmp"))


@settings(max_examples=15, deadline=None)
@given(
    rows=st.integers(1, 60),
    per_part=st.integers(1, 25),
    kept=st.integers(-1, 70),
    closed=st.booleans(),
)
def test_resume_at_any_scan(
    tmp_path_factory: pytest.TempPathFactory, rows: int, per_part: int, kept: int, closed: bool
) -> None:
    host, folder = FakeHost(), tmp_path_factory.mktemp("any") / "run"
    recorder = recorded(host, folder, range(rows), rows_per_part=per_part)
    recorder.close() if closed else recorder.flush()
    recorder = Recorder.resume(folder, host.table, kept)
    left = list(range(min(rows, kept + 1)))
    assert scans_of(folder) == left
    for frame in frames(host, range(100, 103)):
        recorder.record(frame)
    recorder.close()
    assert scans_of(folder) == [*left, 100, 101, 102]


def test_backtrack_keeps_both_branches(fake_host: FakeHost, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    recorder = recorded(fake_host, folder, range(10))
    with Journal(folder) as journal:
        recorder.branch = journal.fork(0, 4)
    for frame in frames(fake_host, range(5, 8)):
        recorder.record(frame)
    recorder.close()
    assert len(scans_of(folder)) == 13
    assert scans_of(folder, branch=0) == list(range(10))
    assert scans_of(folder, branch=1) == list(range(8))
    Recorder.resume(folder, fake_host.table, scan=5, branch=1).close()
    assert scans_of(folder, branch=1) == list(range(6))
    assert scans_of(folder, branch=0) == list(range(10))


def test_crash_while_merging_counts_no_row_twice(fake_host: FakeHost, tmp_path: Path) -> None:
    folder, parts = tmp_path / "run", tmp_path / "parts"
    recorder = recorded(fake_host, folder, range(40), rows_per_part=10)
    recorder.flush()
    shutil.copytree(folder / "signals", parts)
    recorder.close()
    shutil.copytree(parts, folder / "signals", dirs_exist_ok=True)
    (folder / "signals" / "000009.tmp").write_bytes(b"PAR1 half")
    assert scans_of(folder) == list(range(40))
    Recorder.resume(folder, fake_host.table, scan=39).close()
    assert [p.name for p in (folder / "signals").iterdir()] == ["000001-000004.parquet"]


def test_damaged_part_is_left_out_and_named(fake_host: FakeHost, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    recorded(fake_host, folder, range(30), rows_per_part=10).flush()
    damaged = folder / "signals" / "000002.parquet"
    damaged.write_bytes(damaged.read_bytes()[:100])
    run = open_run(folder)
    assert run.sql("select count(*) from signals").fetchall() == [(20,)]
    assert run.damaged == [damaged]


def test_clear_errors(fake_host: FakeHost, tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "run", fake_host.table)
    with pytest.raises(RecordError, match="holds a run already"):
        Recorder(tmp_path / "run", fake_host.table)
    with pytest.raises(RecordError, match="no table 'layer'; it has signals, events, layers"):
        recorder.row("layer", 1, {})
    with pytest.raises(RecordError, match="no table 'layer'"):
        open_run(tmp_path / "run").table("layer")
    with pytest.raises(RecordError, match="gone"):
        open_run(tmp_path / "run").sql("select * from gone")
    with pytest.raises(RecordError, match="is not a run folder"):
        open_run(tmp_path)
    recorder.row("layers", 1, {"layer": 1})
    recorder.flush()
    recorder.row("layers", 2, {"layer": "two"})
    recorder.row("layers", 3, {"layer": 3})
    with pytest.raises(RecordError, match="the record cannot be written: "):
        recorder.flush()
    recorder.row("layers", 2, {"layer": "two"})
    with pytest.raises(RecordError, match=r"the record cannot be written: .*layer"):
        recorder.close()
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordError, match="the record cannot be written: "):
        Recorder(tmp_path / "file" / "run", fake_host.table)
    (tmp_path / "file.d").mkdir()
    (tmp_path / "file.d" / "run.json").write_text("{")
    with pytest.raises(RecordError, match="is damaged"):
        open_run(tmp_path / "file.d")


def test_full_disk_is_told_at_the_next_call(fake_host: FakeHost, tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "run", fake_host.table, rows_per_part=5)
    (tmp_path / "run" / "signals").write_text("a file where the folder should be")
    made = frames(fake_host, range(20))
    for frame in made[:9]:
        recorder.record(frame)
    with pytest.raises(RecordError, match="run: the record cannot be written: File exists"):
        recorder.record(made[9])

"""A run that is killed leaves a record that can be read, resumed and replayed."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from emulators.journal import read_journal
from emulators.record import open_run, write_meta
from emulators.runs import begin, finish, replay, resume, summarise
from plc_interfaces.host import Act, ActKind
from tests.machines import Amtwin, invoke, run_amtwin, trial
from twin.signals import Kind

LAYERS = 40
pytestmark = pytest.mark.timeout(90)


@pytest.fixture(scope="module")
def killed(machine_type: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recorded run, killed amid its layers with eight of them on disk."""
    folder, machine, layers = tmp_path_factory.mktemp("killed"), machine_type, 8
    run = folder / "run"
    settings = trial(machine).settings(folder, LAYERS)
    running = Amtwin(
        "run",
        machine,
        *[f"--part={p}" for p in settings.parts],
        f"--recipe={settings.recipe}",
        "--unit=mm",
        "--speed=150",
        "--json",
        "--opcua-port=0",
        "--modbus-port=0",
        f"--record={run}",
        home=folder,
    )
    try:
        ready = running.ready()
        assert ready["record"] == str(run)
        until = time.monotonic() + 40
        while True:
            assert time.monotonic() < until, "too few layers on disk"
            time.sleep(0.05)
            if (run / "layers").is_dir():
                found = open_run(run)
                if "layers" in found.tables() and found.table("layers").num_rows >= layers:
                    break
        assert running.process.poll() is None
    finally:
        running.kill()
    assert running.process.returncode == -9
    return run


@pytest.fixture
def folder(killed: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    shutil.copytree(killed, tmp_path / "run")
    return tmp_path / "run"


def test_kill_resume_replay(machine_type: str, folder: Path, tmp_path: Path) -> None:
    run = open_run(folder)

    # What was recorded can be read: nothing is damaged, rows are in order and without gaps.
    assert "summary" not in run.meta
    assert run.damaged == []
    done = run.sql("select count(*), max(layer) from layers").fetchall()[0]
    assert 8 <= done[0] == done[1] < LAYERS
    states = run.sql("select message from events where kind = 'state'").fetchall()
    assert ("building",) in states
    (scans, ordered) = run.sql("select count(*), count(distinct scan) from signals").fetchall()[0]
    assert scans == ordered > 100
    # A run without an end is compared at its newest snapshot.
    cut = replay(folder)
    assert cut.same

    code, (ready, summary), err = run_amtwin(
        "run",
        machine_type,
        f"--resume={folder}",
        "--speed=max",
        "--json",
        "--opcua-port=0",
        "--modbus-port=0",
        home=tmp_path,
    )
    assert "Traceback" not in err
    assert (code, ready["record"]) == (0, str(folder))
    assert (summary["state"], summary["layers"], summary["branch"]) == ("finished", LAYERS, 0)

    again = open_run(folder)
    assert again.meta["summary"]["trace_hash"] == summary["trace_hash"]
    # It went on where the newest snapshot was, in the same branch: every layer is there once.
    assert [each["scan"] for each in again.meta["resumed"]] == [cut.scan]
    assert read_journal(folder).forks == {}
    assert again.sql("select layer from layers order by scan").fetchall() == [
        (layer,) for layer in range(1, LAYERS + 1)
    ]
    assert again.sql(
        "select count(*) from events where source = 'Machine' and message = 'finished'"
    ).fetchall() == [(1,)]

    # Resumed or not, seed and journal give the same run.
    found = replay(folder)
    assert found.same
    assert found.recorded == summary["trace_hash"]


def test_the_last_part_of_a_table_may_be_torn(folder: Path) -> None:
    """Power may fail while a file is written: what came before is still there."""
    run = open_run(folder)
    whole = run.table("layers").num_rows
    last = run.files("layers")[-1]
    (last.with_name("999999.parquet")).write_bytes(last.read_bytes()[:200])
    with (folder / "journal.jsonl").open("a") as journal:
        journal.write('{"scan": 99999, "ti')
    torn = open_run(folder)
    assert torn.table("layers").num_rows == whole
    assert [p.name for p in torn.damaged] == ["999999.parquet"]
    assert replay(folder).same


@pytest.mark.parametrize("what", ["nothing", "over"])
def test_what_cannot_be_resumed_is_said(
    machine_type: str, folder: Path, tmp_path: Path, what: str
) -> None:
    if what == "nothing":
        folder = tmp_path / "nowhere"
    else:
        run = open_run(folder)
        write_meta(folder, {**run.meta, "summary": {"state": "finished"}})
    code, lines, err = invoke("run", machine_type, f"--resume={folder}", "--offline")
    assert (code, lines) == (2, [])
    assert err.count("\n") == 1
    assert err.startswith("amtwin: ")
    assert str(folder) in err


def test_acts_after_the_newest_snapshot_are_done_again(machine_type: str, tmp_path: Path) -> None:
    """A crash before the first layer: what clients had asked for and got is still so."""
    settings = trial(machine_type).settings(tmp_path, LAYERS)
    run = tmp_path / "run"
    emulator = begin(settings, run).emulator
    emulator.pacer.set_factor(float("inf"))
    setpoint = emulator.table.of_kind(Kind.SETPOINT)[0]
    value = setpoint.low
    emulator.submit(Act(ActKind.WRITE, setpoint.path, value, "anna", "opcua"))
    emulator.run(20.0)
    emulator.journal.close()
    emulator.recorder.flush()
    # Nothing else: the process is gone.
    again = resume(run).emulator
    again.pacer.set_factor(float("inf"))
    assert again.scan_number == 0
    again.run(20.0)
    assert again.frame().values[again.table.index[setpoint.path]] == value
    assert again.trace.hexdigest == emulator.trace.hexdigest
    finish(again, summarise(again, 1.0), "stopped")

"""Summaries of several jobs at once: all are made, it tells how far it is, nothing is left."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from emulators.works.preparing import missing, prepare
from emulators.works.summaries import summarise
from tests.coarse_bench import quick
from tests.machines import Amtwin


def test_all_are_made_on_several_processors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AMTWIN_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    job = quick("sinter-furnace", tmp_path)
    jobs = {"one": job, "the same": replace(job, name="ELSEWHERE"), "other": replace(job, seed=1),
            "no lot": replace(job, lots=("nowhere",)), "no part": replace(job, parts=("no.stl",))}
    wanted = missing(jobs)
    # Whose files are not there is told when the works is built.
    assert {*wanted} == {"one", "other", "no part"}
    shares: list[float] = []
    prepare([*wanted.values()], shares.append)
    assert shares == sorted(shares)
    assert shares[-1] >= 2 / 3
    assert {*missing(jobs)} == {"no part"}
    assert summarise(jobs["one"]).layers == summarise(jobs["other"]).layers


def _children(process: int) -> set[int]:
    told = subprocess.run(["ps", "-o", "pid=", "--ppid", str(process)], capture_output=True,
                          text=True, check=False)
    return {int(number) for number in told.stdout.split()}


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks ps for child processes")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_who_interrupts_it_leaves_no_processes(number: int, tmp_path: Path) -> None:
    # Another scan period: nobody ships summaries of these.
    run = Amtwin("run", "--plant", "cell", "--scan-ms", "40", "--offline", "--no-record", "--json",
                 home=tmp_path / "home")
    workers: set[int] = set()
    end = time.monotonic() + 60
    while len(workers) < 3 and time.monotonic() < end:  # two, and one that counts what they share
        time.sleep(0.2)
        workers = _children(run.process.pid)
    assert len(workers) == 3, run.finish(1)
    run.process.send_signal(number)
    code, _, _ = run.finish(30)
    assert code != 0
    while any(Path(f"/proc/{pid}").exists() for pid in workers) and time.monotonic() < end:
        time.sleep(0.1)
    assert not [pid for pid in workers if Path(f"/proc/{pid}").exists()]

"""The same seed and journal give the same run, however fast and however often one looks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from math import inf
from pathlib import Path
from typing import Any

import pytest

from emulators.journal import read_journal
from emulators.runs import finish, finished, replay, resume, summarise
from emulators.settings import Settings
from plc_interfaces.host import Act, ActKind
from tests.machines import Amtwin, Machine, invoke, trial, until
from twin.signals import Kind, Refused

END = 4600
"""Scans of the scripted run: preparation, all layers, the end of the job."""
SHORT = 40
"""Scans for which real time is awaited."""


@dataclass(frozen=True)
class Outcome:
    """What two runs are compared by."""

    trace_hash: str
    values: Mapping[str, Any]
    scan: int
    layers: int


def script(machine: Machine) -> dict[int, list[Act]]:
    """Client writes, faults, mistakes and operator acts at fixed scans."""
    path, good, bad = machine.trial.setpoint
    sensor, bias, alarm = machine.trial.failure
    acts = {
        1: [Act(ActKind.CALL, "Job.StoreAndStart", ["J1", machine.program])],
        20: [Act(ActKind.WRITE, path, good), Act(ActKind.FAULT, *machine.trial.fault)],
        33: [Act(ActKind.CALL, "Job.Resume", ["J1"]), Act(ActKind.CALL, "Job.Pause", ["J1"])],
        47: [Act(ActKind.CALL, "Job.Resume", ["J1"])],
        3890: [Act(ActKind.SENSOR_FAULT, sensor, {"kind": "bias", "magnitude": bias})],
        4001: [Act(ActKind.ACKNOWLEDGE, alarm, "seen")],
        4010: [Act(ActKind.CALL, "Job.Pause", ["J1"]), Act(ActKind.SENSOR_FAULT, sensor, None)],
        4050: [Act(ActKind.CALL, "Job.Resume", ["J1"])],
    }
    table = machine.emulator.table
    for acts_of_scan in acts.values():
        for act in acts_of_scan:
            assert act.path in table
    with pytest.raises(Refused):
        machine.emulator.submit(Act(ActKind.WRITE, path, bad))
    return acts


def outcome(
    kind: str,
    folder: Path,
    end: int,
    *,
    speed: float = inf,
    every_scan: bool = False,
    looking: bool = False,
    **changes: Any,
) -> Outcome:
    """Run the script to a scan."""
    folder.mkdir(exist_ok=True)
    settings = replace(trial(kind).settings(folder, 6), **changes)
    machine = Machine(settings, folder, every_scan=every_scan, speed=speed)
    emulator = machine.emulator
    if looking:
        emulator.listen(lambda update: None)
    emulator.script(script(machine))
    emulator.run_to(end)
    emulator.shown.look(emulator.scan_number, emulator.time)
    hidden = (Kind.DIAGNOSTIC, Kind.FAULT)
    values = {p: machine.value(p) for p, s in emulator.table.items() if s.kind not in hidden}
    return Outcome(
        emulator.trace.hexdigest, values, emulator.scan_number, machine.value(machine.trial.counter)
    )


Reference = Callable[[str, int], Outcome]


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    """The run as fast as possible, once."""

    @cache
    def run(kind: str, end: int) -> Outcome:
        return outcome(kind, tmp_path_factory.mktemp("reference"), end)

    return run


@pytest.mark.parametrize(
    ("end", "how"),
    [
        pytest.param(END, {}, id="again"),
        pytest.param(END, {"every_scan": True}, id="every scan"),
        pytest.param(END, {"looking": True}, id="somebody looks"),
        pytest.param(END, {"speed": 100.0}, id="100 x", marks=pytest.mark.timeout(30)),
        pytest.param(SHORT, {"speed": 1.0}, id="real time"),
        pytest.param(SHORT, {"speed": 1.0, "every_scan": True}, id="real time, every scan"),
    ],
)
def test_same_seed_and_journal_same_run(
    machine_type: str, tmp_path: Path, reference: Reference, end: int, how: dict[str, Any]
) -> None:
    expected, found = reference(machine_type, end), outcome(machine_type, tmp_path, end, **how)
    assert found.values == expected.values
    assert found == expected
    assert found.scan == end
    if end == END:
        assert found.layers == 6


@pytest.fixture
def layered(machine_type: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A machine at layer fidelity, its own place for what it keeps, a snapshot of each layer."""
    monkeypatch.setenv("AMTWIN_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("emulators.emulator._KEEP_LAYER", 0.0)
    return replace(trial(machine_type).settings(tmp_path, 6), fidelity="layer")


def test_layer_fidelity_is_as_determined(layered: Settings, tmp_path: Path) -> None:
    kind = layered.machine
    usual = outcome(kind, tmp_path / "usual", END, fidelity="layer")
    closely = outcome(kind, tmp_path / "closely", END, fidelity="layer", every_scan=True)
    assert usual.layers == 6
    assert closely == usual


def test_a_run_at_layer_fidelity_is_resumed_and_replayed(layered: Settings, tmp_path: Path) -> None:
    """Cut after some layers and taken up again, it ends as if nothing had been."""

    def begun(folder: Path) -> Machine:
        folder.mkdir()
        machine = Machine(layered, folder, record=True)
        machine.order()
        return machine

    whole, cut = begun(tmp_path / "whole"), begun(tmp_path / "cut")
    whole.scan_until(lambda: finished(whole.emulator))
    whole.close()
    cut.scan_until(lambda: cut.value(cut.trial.counter) >= 3)
    assert cut.emulator.journal is not None
    assert cut.emulator.recorder is not None
    cut.emulator.journal.close()
    cut.emulator.recorder.flush()
    # Nothing else: the process is gone.
    again = resume(cut.record).emulator
    assert 0 < again.scan_number <= cut.emulator.scan_number
    while not finished(again):
        again.scan(again.next_scan)
    assert again.trace.hexdigest == whole.emulator.trace.hexdigest
    finish(again, summarise(again, 1.0), "finished")
    assert replay(cut.record).same


def test_another_seed_is_another_run(
    machine_type: str, tmp_path: Path, reference: Reference
) -> None:
    other = outcome(machine_type, tmp_path, END, seed=1)
    assert other.trace_hash != reference(machine_type, END).trace_hash


def test_another_journal_is_another_run(
    machine_type: str, tmp_path: Path, reference: Reference
) -> None:
    machine = Machine(trial(machine_type).settings(tmp_path, 6), tmp_path)
    acts = script(machine)
    # The same acts, one pause a scan later.
    acts[34] = acts.pop(33)
    machine.emulator.script(acts)
    machine.emulator.run_to(END)
    assert machine.emulator.trace.hexdigest != reference(machine_type, END).trace_hash


async def test_a_run_with_clients_and_faults_is_replayed(machine_type: str, tmp_path: Path) -> None:
    """What came over the wires while the wall clock ran is in the journal, in order."""
    settings = trial(machine_type).settings(tmp_path, 60)  # The job outlasts what clients do.
    machine = Machine(settings, tmp_path, record=True, speed=100.0)
    machine.order()
    machine.serve()
    try:
        modbus, opcua = await machine.device("modbus"), await machine.device("opcua", "olive")
        path, good, bad = machine.trial.setpoint
        for number, device in enumerate((modbus, opcua)):
            await device.write(path, good + number)
            with pytest.raises(Refused):
                await device.write(path, bad)
        await asyncio.to_thread(machine.fault, *machine.trial.fault)
        await opcua.call("Job.Pause", "JOB-0001")
        await modbus.call("Job.Resume", "JOB-0001")
        await modbus.close()
        await opcua.close()
        await asyncio.to_thread(
            until, lambda: machine.value(machine.trial.counter) >= 2, 20, "two layers"
        )
    finally:
        await asyncio.to_thread(machine.close)
    kinds = [(e.act.kind, e.act.source, e.act.user) for e in read_journal(machine.record).entries]
    assert kinds == [
        (ActKind.CALL, "local", "test"),
        (ActKind.WRITE, "modbus", "127.0.0.1"),
        (ActKind.WRITE, "opcua", "olive"),
        (ActKind.FAULT, "instructor", "ines"),
        (ActKind.CALL, "opcua", "olive"),
        (ActKind.CALL, "modbus", "127.0.0.1"),
    ]
    found = replay(machine.record)
    assert found.recorded == machine.emulator.trace.hexdigest
    assert found.replayed == found.recorded
    assert found.same


def test_the_command_replays_a_run_and_notices_a_changed_one(
    machine_type: str, tmp_path: Path
) -> None:
    settings = trial(machine_type).settings(tmp_path, 6)
    part = [f"--part={p}" for p in settings.parts]
    code, (ready, summary), _ = invoke(
        "run",
        machine_type,
        *part,
        *(["--unit=mm"] if part else []),
        f"--recipe={settings.recipe}",
        "--speed=max",
        "--offline",
        "--json",
        f"--record={tmp_path / 'run'}",
    )
    assert (code, ready["event"], summary["state"]) == (0, "ready", "finished")
    code, (result,), _ = invoke("replay", tmp_path / "run", "--json")
    assert (code, result["same"]) == (0, True)
    assert result["replayed"] == summary["trace_hash"]

    journal = tmp_path / "run" / "journal.jsonl"
    text = journal.read_text()
    assert '"scan": 1,' in text or '"scan":1,' in text, text
    journal.write_text(text.replace('"scan": 1,', '"scan": 2,').replace('"scan":1,', '"scan":2,'))
    code, (result,), _ = invoke("replay", tmp_path / "run", "--json")
    assert (code, result["same"]) == (1, False)


def test_stopped_by_the_user(machine_type: str, tmp_path: Path) -> None:
    """Interrupted from the keyboard, a run is closed in order and can be replayed."""
    running = Amtwin(
        "run",
        machine_type,
        "--offline",
        "--json",
        "--until=forever",
        f"--record={tmp_path / 'run'}",
        home=tmp_path,
    )
    running.ready()
    running.process.send_signal(2)
    code, (summary,), err = running.finish()
    assert code == 0
    assert "Traceback" not in err
    assert summary["event"] == "summary"
    assert replay(tmp_path / "run").same

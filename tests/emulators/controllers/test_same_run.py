"""One seed and one list of acts give one run: skipped or every scan, from a snapshot, again."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from emulators.canonical import canonical_json, parse
from emulators.controllers.states import MachineState as S
from plc_interfaces.host import Act, ActKind
from tests.bench import Bench, block, program
from twin.faults import SensorFaultKind
from twin.signals import Kind, Refused

BUILT = program([block((4e-3, 4e-3, 1.6e-4))])
START = Act(ActKind.CALL, "Job.StoreAndStart", ["J1", BUILT.job.name])
LAST = 5600  # scans: 280 s, some way past the end of a build without disturbance
WISHES = [Act(ActKind.CALL, f"Job.{wish}", ["J1"]) for wish in ("Pause", "Resume")]


def run(script: dict[int, list[Act]], *, every_scan: bool, seed: int = 1, lasers: int = 1) -> Bench:
    built = BUILT if lasers == 1 else program([block((8e-3, 8e-3, 1.6e-4))], lasers=lasers)
    bench = Bench(built, seed=seed, every_scan=every_scan, lasers=lasers)
    bench.emulator.script({1: [START], **script})
    bench.emulator.run_to(LAST)
    return bench


def both_ways(script: dict[int, list[Act]], seed: int = 1, lasers: int = 1) -> Bench:
    quiet = run(script, every_scan=False, seed=seed, lasers=lasers)
    every = run(script, every_scan=True, seed=seed, lasers=lasers)
    assert every.emulator.scans == LAST
    assert quiet.emulator.scans < LAST
    told = [(e.time, e.source, e.message) for e in quiet.events]
    assert told == [(e.time, e.source, e.message) for e in every.events]
    assert quiet.emulator.trace.hexdigest == every.emulator.trace.hexdigest
    return quiet


def random_script(seed: int) -> dict[int, list[Act]]:
    """Faults, writes, wishes, alarms acknowledged and shelved, about the time of the layers."""
    draw = random.Random(seed)
    signals = Bench(BUILT).emulator.table
    faults, sensors = signals.of_kind(Kind.FAULT), signals.of_kind(Kind.MEASURED)
    setpoints = [s for s in signals.of_kind(Kind.SETPOINT) if s.path != "Process.DosingFactor"]
    script: dict[int, list[Act]] = {}

    def do(scan: int, kind: ActKind, path: str, value: Any) -> None:
        script.setdefault(scan, []).append(Act(kind, path, value))

    for _ in range(3):
        scan, fault = draw.randint(3000, 4800), draw.choice(faults)
        low, high = fault.low or 0.0, fault.high or 0.0
        wrong: Any = True if fault.type is bool else low + (high - low) * draw.random()
        do(scan, ActKind.FAULT, fault.path, wrong)
        do(scan + draw.randint(1, 300), ActKind.FAULT, fault.path, fault.start)
        sensor = draw.choice([s for s in sensors if s.type is float])
        kind = draw.choice(list(SensorFaultKind))
        size = draw.uniform(0.2, 2) * (sensor.high or 1.0) * 0.1
        scan = draw.randint(3000, 4800)
        do(scan, ActKind.SENSOR_FAULT, sensor.path, {"kind": kind.value, "magnitude": size})
        do(scan + draw.randint(1, 300), ActKind.SENSOR_FAULT, sensor.path, None)
        chosen = draw.choice(setpoints)
        do(draw.randint(3000, 4800), ActKind.WRITE, chosen.path,
           draw.uniform(chosen.low or 0.0, (chosen.high or 0.0) / 2))
    alarms = signals.of_kind(Kind.ALARM)
    for _ in range(10):
        do(draw.randint(3000, LAST), ActKind.ACKNOWLEDGE, draw.choice(alarms).path, "seen")
        do(draw.randint(3000, LAST), ActKind.SHELVE, draw.choice(alarms).path,
           draw.uniform(1.0, 60.0))
    for scan in range(3000, LAST, 150):
        script.setdefault(scan, []).extend(WISHES[draw.randint(0, 1):])
    return script


def test_undisturbed() -> None:
    assert both_ways({}).state is S.FINISHED


def test_two_lasers() -> None:
    both_ways({}, lasers=2)


@pytest.mark.parametrize("seed", range(8))
def test_disturbed(seed: int) -> None:
    both_ways(random_script(seed), seed=seed)


def test_looking_at_odd_times_changes_nothing() -> None:
    plain = run({}, every_scan=False)
    bench = Bench(BUILT)
    bench.emulator.script({1: [START]})
    draw = random.Random(7)
    while bench.emulator.scan_number < LAST:
        wanted = bench.emulator.scan_number + draw.randint(1, 40)
        bench.emulator.next_scan = min(bench.emulator.next_scan, wanted, LAST)
        bench.step()
    assert bench.emulator.trace.hexdigest == plain.emulator.trace.hexdigest


def test_seed_and_faults_are_part_of_the_run() -> None:
    fault = {4000: [Act(ActKind.FAULT, "Laser1.PowerDrift", 5.0)]}
    hashes = [
        run(script, every_scan=False, seed=seed).emulator.trace.hexdigest
        for script, seed in (({}, 1), ({}, 1), ({}, 2), (fault, 1))
    ]
    assert hashes[0] == hashes[1]
    assert len(set(hashes)) == 3


@pytest.mark.parametrize("disturbed", [False, True])
def test_a_run_goes_on_from_a_checkpoint_in_new_objects(disturbed: bool) -> None:
    script = {3000: [Act(ActKind.SENSOR_FAULT, "Gas.Speed", {"kind": "drift", "magnitude": 5.0}),
                     Act(ActKind.FAULT, "Chamber.Leak", 5.0),
                     Act(ActKind.FAULT, "Recoater.ShortFeed", 60.0)]} if disturbed else {}

    def fresh() -> Bench:
        bench = Bench(BUILT)
        bench.emulator.script({1: [START], **script})
        return bench

    first = fresh().to("settle", 2)
    assert first.plant.quiet
    assert first.controller.checkpoint == 2
    kept = first.emulator.state()
    text = canonical_json(kept)
    other = Bench(BUILT)
    other.emulator.reinstate(parse(text))
    assert json.loads(canonical_json(other.emulator.state())) == json.loads(text)
    first.emulator.run_to(LAST)
    other.emulator.run_to(LAST)
    assert other.state is first.state is S.FINISHED
    assert other.emulator.trace.hexdigest == first.emulator.trace.hexdigest


def test_a_held_job_does_not_stop_snapshots_from_being_true() -> None:
    """What was asked but not yet done crosses a snapshot, too."""
    bench = Bench(BUILT).start().to("settle", 1)
    bench.controller.job.pause("J1")
    state = parse(canonical_json(bench.emulator.state()))
    other = Bench(BUILT)
    other.emulator.reinstate(state)
    other.emulator.scan(other.emulator.scan_number + 1)
    assert other.state is S.HELD
    with pytest.raises(Refused):
        other.controller.job.pause("J1")

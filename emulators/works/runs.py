"""A works on disk: its record and its machines', the summary, replay and resumption."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from typing import Any

import yaml

from emulators.catalog import Progress
from emulators.emulator import Emulator
from emulators.journal import Journal, read_journal
from emulators.record import RecordError, Run, open_run
from emulators.recorder import Recorder
from emulators.runs import Replay, acts, keep_lot, summarise
from emulators.works.build import BuiltWorks, build_works, jobs_of
from emulators.works.keys import summary_key
from emulators.works.plan import Plan, load_plan
from emulators.works.report import figures, report
from emulators.works.summaries import load, save

__all__ = ["MACHINES", "WORKS", "WorksRun", "begin", "close", "replay", "resume"]

WORKS = "works"
"""What a works calls its machine type in its record."""
MACHINES = "machines"
"""Folder, in that of a works' run, with the runs of its machines."""
_PERIODS = {"layer": 3600.0, "vector": 60.0}
"""How often signals are recorded (simulated s), by fidelity."""


@dataclass(frozen=True)
class WorksRun:
    """What a run of a works is made of."""

    plan: str
    """Plan file, or the name of a ready-made one."""
    seed: int = 0
    fidelity: str = ""
    """layer or vector; empty: as the plan says."""
    scan_ms: float = 50.0


def _folders(built: BuiltWorks, folder: Path) -> list[tuple[Emulator, Path]]:
    own = [(m.emulator, folder / MACHINES / m.plan.name) for m in built.members]
    return [(built.works, folder), *own]


def _with_files(plan: Plan, name: Callable[[str | None], str | None],
                lot: Callable[[str], str | None]) -> Plan:
    """The plan with other names of its part and recipe files, and of its lots."""
    machines = tuple(machine.model_copy(update={"programs": tuple(
        p.model_copy(update={
            "parts": tuple(map(name, p.parts)), "recipe": name(p.recipe),
            "settings": p.settings | ({"lots": [*map(lot, p.settings["lots"])]}
                                      if "lots" in p.settings else {})})
        for p in machine.programs)}) for machine in plan.machines)
    return plan.model_copy(update={"machines": machines})


def _keep_plan(plan: Plan, folder: Path) -> str:
    """The plan and the files that it names, in the run folder, so that it can be run anywhere."""
    inputs = folder / "inputs"
    inputs.mkdir(parents=True, exist_ok=True)
    kept: dict[str, str] = {}

    def keep(name: str | None) -> str | None:
        if name is None or not Path(name).is_file():
            return name
        if name not in kept:
            # Parts and recipes are told by the names of their files: these stay.
            target = inputs / f"{len(kept) + 1}" / Path(name).name
            target.parent.mkdir()
            shutil.copyfile(name, target)
            kept[name] = str(target.relative_to(inputs))
        return kept[name]

    def keep_feedstock(reference: str) -> str:
        return keep_lot(reference, inputs).removeprefix("inputs/")

    told = _with_files(plan, keep, keep_feedstock).model_dump(mode="json")
    path = inputs / "plan.yaml"
    path.write_text(yaml.safe_dump(told, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return str(Path("inputs") / path.name)


def _keep_summaries(built: BuiltWorks, scan_ms: float, folder: Path) -> dict[str, dict[str, str]]:
    """Put the job summaries in the run folder, too; their keys by machine and program.

    So the run can be made again when the models have changed, and where none of them is at hand.
    """
    jobs, keys = jobs_of(built.plan, scan_ms), dict[str, dict[str, str]]()
    for member in built.members:
        for program, summary in member.summaries.items():
            key = summary_key(jobs[member.plan.name, program])
            keys.setdefault(member.plan.name, {})[program] = key
            if not (file := _summary(folder, key)).exists():
                save(file, summary)
    return keys


def _summary(folder: Path, key: str) -> Path:
    return folder / "inputs" / "summaries" / f"{key}.npz"


def _digest(folder: Path) -> str:
    """SHA-256 over the plan and all other files that a works was made from."""
    digest = hashlib.sha256()
    inputs = folder / "inputs"
    for path in sorted(p for p in inputs.rglob("*") if p.is_file()):
        digest.update(str(path.relative_to(inputs)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def begin(
    run: WorksRun,
    folder: Path | None,
    prepare: Callable[[BuiltWorks], None] = lambda built: None,
    progress: Progress = lambda share: None,
    epoch: float | None = None,
    tell: Callable[[str], None] = lambda text: None,
) -> BuiltWorks:
    """Build a works and open its record in `folder` (None: no record); compare `runs.begin`.

    What takes long is told before it is done (`tell`), and how far it is (`progress`).

    Raises `PlanError`, `SettingsError` and what else `build_works` raises, `RecordError`.
    """
    plan = load_plan(run.plan)
    if folder is not None and (folder / "run.json").exists():
        raise RecordError(f"{folder} holds a run already; name another folder")
    built = build_works(plan, run.seed, run.fidelity or plan.fidelity, run.scan_ms, progress,
                        tell=tell)
    stamp = time.time() if epoch is None else epoch
    for emulator in built.emulators:
        emulator.epoch = stamp
    prepare(built)
    if folder is None:
        return built
    try:
        kept = _keep_plan(plan, folder)
        summaries = _keep_summaries(built, run.scan_ms, folder)
        for emulator, own in _folders(built, folder):
            meta = {
                "machine": emulator.identity.machine, "name": emulator.identity.name,
                "seed": emulator.plant.seed, "epoch": stamp, "scan_ms": run.scan_ms,
                "settings": {"plan": kept if own == folder else "", "seed": run.seed,
                             "fidelity": built.fidelity, "scan_ms": run.scan_ms},
                **({"summaries": summaries} if own == folder else {}),
                "inputs_digest": _digest(folder), "notes": [*built.notes] if own == folder else []}
            emulator.record_period = _PERIODS[built.fidelity]
            emulator.recorder = Recorder(own, emulator.table, meta)
            emulator.journal = Journal(own, {
                "machine": emulator.identity.machine, "seed": emulator.plant.seed})
    except OSError as error:
        raise RecordError(f"{folder}: the record cannot be written: {error.strerror}") from None
    return built


def close(built: BuiltWorks, wall_s: float, began_at: float, state: str) -> list[dict[str, Any]]:
    """Finish all records; the summaries of the works and its machines, in their order."""
    summaries = []
    for emulator in built.emulators:
        summary = summarise(emulator, wall_s, began_at)
        if emulator is built.works:
            summary["works_hash"] = built.trace_hash
            summary |= figures(built.works)
        if emulator.journal is not None:
            emulator.journal.close()
        if emulator.recorder is not None:
            emulator.recorder.close({**summary, "scan": built.loop.number}, state)
        summaries.append(summary)
    recorder = built.works.recorder
    if recorder is not None:
        text = report(built, summaries[0])
        (recorder.folder / "summary.md").write_text(text, encoding="utf-8")
    return summaries


def _rebuilt(run: Run, folder: Path) -> BuiltWorks:
    """The works of a record again, with all acts of its journals to come.

    Raises `RecordError` if its inputs are no longer what they were.
    """
    told = run.meta["settings"]
    if _digest(folder) != run.meta["inputs_digest"]:
        raise RecordError(f"{folder}: the files in inputs are not what the run was made with")
    plan = _located(load_plan(folder / told["plan"]), folder)
    keys = {(machine, program): key for machine, own in run.meta.get("summaries", {}).items()
            for program, key in own.items()}
    given = {job: found for job, key in keys.items()
             if (found := load(_summary(folder, key))) is not None}
    if len(given) < len(keys):
        raise RecordError(f"{folder}: a summary in inputs/summaries is of another version")
    built = build_works(
        plan, told["seed"], told["fidelity"], told["scan_ms"], given=given or None)
    jobs = jobs_of(plan, told["scan_ms"])
    changed = [f"{machine} ({program})" for (machine, program), key in keys.items()
               if summary_key(jobs[machine, program]) != key]
    if changed:
        built = replace(built, notes=(
            *built.notes, f"models have changed since; as recorded: {', '.join(changed)}"))
    for emulator, own in _folders(built, folder):
        emulator.epoch = run.meta["epoch"]
        emulator.script(acts(read_journal(own)))
    return built


def _located(plan: Plan, folder: Path) -> Plan:
    """The plan with its files found in the run folder."""
    def find(name: str | None) -> str | None:
        kept = folder / "inputs" / (name or "")
        return str(kept) if name and kept.is_file() else name

    return _with_files(plan, find, find)


def _reached(folder: Path, names: list[Path]) -> int:
    """The newest scan that is on disk of any machine of a works."""
    found = 0
    for own in names:
        run = open_run(own)
        for table in ("signals", "events"):
            if run.files(table):
                found = max(found, run.sql(f"select max(scan) from {table}").fetchall()[0][0] or 0)
        history = read_journal(own)
        found = max([found, *(e.scan for e in history.entries_for_branch(0))])
    return found


def resume(folder: Path, progress: Progress = lambda share: None) -> BuiltWorks:
    """Go on with a works that was cut off: all of it again, with its journals' acts, up to then.

    A works has no snapshots: at layer fidelity a month is made again within a minute. Raises
    `RecordError` for a run that is over.
    """
    run = open_run(folder)
    if run.meta["state"] != "running":
        raise RecordError(f"{folder}: nothing to resume, the run is {run.meta['state']}")
    built = _rebuilt(run, folder)
    pairs = _folders(built, folder)
    reached = _reached(folder, [own for _, own in pairs])
    for emulator, own in pairs:
        emulator.record_period = _PERIODS[run.meta["settings"]["fidelity"]]
        emulator.recorder = Recorder.resume(own, emulator.table, -1)
    loop = built.loop
    loop.pacer.set_factor(inf)

    def done() -> bool:
        progress(loop.number / reached if reached else 1.0)
        return loop.number >= reached

    loop.run(done, reached)
    latest = time.time()
    for emulator, own in pairs:
        # Source stamps never run backwards: new ones begin after all that were shown.
        emulator.epoch = max(emulator.epoch, latest - emulator.time)
        emulator.journal = Journal(own)
        assert emulator.recorder is not None
        emulator.recorder.update({"resumed": [*run.meta.get("resumed", []),
                                              {"scan": reached, "time": emulator.time}]})
    note = f"made again up to {loop.number * loop.scan_period / 3600:.2f} h simulated"
    return replace(built, notes=(*built.notes, note))


def replay(folder: Path, progress: Callable[[float], None] | None = None) -> Replay:
    """Run a recorded works again from seed and journals, and compare the hash of all.

    Raises `RecordError` for a run that was cut off; `resume` goes on with it.
    """
    run = open_run(folder)
    summary = run.meta.get("summary")
    if not summary:
        raise RecordError(f"{folder}: the works was cut off and has no hash to compare with; "
                          "--resume it")
    built = _rebuilt(run, folder)
    scan, loop = int(summary["scan"]), built.loop
    loop.pacer.set_factor(inf)

    def done() -> bool:
        if progress is not None:
            progress(loop.number / scan if scan else 1.0)
        return loop.number >= scan

    loop.run(done, scan)
    recorded = str(summary["works_hash"])
    return Replay(built.trace_hash == recorded, recorded, built.trace_hash, scan, built.notes)

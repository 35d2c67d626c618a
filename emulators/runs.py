"""A run on disk: begin, resume and replay a run folder, and the summary it ends with."""

from __future__ import annotations

import re
import shutil
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from emulators.catalog import MACHINES, Built, Progress, Settings, build, figures
from emulators.controllers.build import INTERRUPTED, BuildController
from emulators.emulator import Emulator
from emulators.journal import History, Journal, read_journal
from emulators.lots import load_feedstock, lot_names, spool_names
from emulators.lots.book import operations_of
from emulators.record import RecordError, Run, open_run, to_json
from emulators.recorder import Recorder
from emulators.snapshots import SnapshotStore
from plc_interfaces.host import Act, ActKind
from twin.powder.lot import PowderLot
from twin.powder.operations import Item

__all__ = [
    "Replay",
    "acts",
    "begin",
    "finish",
    "finished",
    "new_folder",
    "replay",
    "resume",
    "stranded",
    "summarise",
]


def new_folder(machine: str, within: Path = Path("runs")) -> Path:
    """A new folder of its own for a run that starts now. Raises `RecordError`."""
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    folder, number = within / f"{stamp}-{machine}", 1
    while True:
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            number += 1
            folder = within / f"{stamp}-{machine}-{number}"
        except OSError as error:
            raise RecordError(f"{folder}: cannot be made: {error.strerror}") from None
        else:
            return folder


def _keep_inputs(settings: Settings, folder: Path) -> Settings:
    """Copy part and recipe files into the run folder, so that it can be replayed anywhere."""
    inputs = folder / "inputs"

    def keep(name: str) -> str:
        path = Path(name)
        if name.startswith("example:") or not path.is_file():
            return name
        inputs.mkdir(parents=True, exist_ok=True)
        target = inputs / path.name
        if target.exists():
            target = inputs / f"{len(list(inputs.iterdir()))}-{path.name}"
        shutil.copyfile(path, target)
        return str(Path("inputs") / target.name)

    try:
        parts = tuple(keep(part) for part in settings.parts)
        recipe = keep(settings.recipe) if settings.recipe else settings.recipe
        lots = tuple(keep_lot(lot, inputs) for lot in settings.lots)
    except OSError as error:
        raise RecordError(f"{folder}: the record cannot be written: {error.strerror}") from None
    return replace(settings, parts=parts, recipe=recipe, lots=lots)


def keep_lot(reference: str, inputs: Path) -> str:
    """A lot of a file or of another run is kept as it was; a ready-made one by its name."""
    if reference.casefold() in {name.casefold() for name in (*lot_names(), *spool_names())}:
        return reference
    inputs.mkdir(parents=True, exist_ok=True)
    target = inputs / f"lot-{len(list(inputs.iterdir()))}.json"
    target.write_text(to_json(load_feedstock(reference).plain()), encoding="utf-8")
    return str(Path("inputs") / target.name)


def _located(settings: Settings, folder: Path) -> Settings:
    def find(name: str) -> str:
        kept = folder / name
        return str(kept) if name.startswith("inputs/") and kept.is_file() else name

    return replace(
        settings,
        parts=tuple(find(p) for p in settings.parts),
        recipe=find(settings.recipe) if settings.recipe else None,
        lots=tuple(find(lot) for lot in settings.lots),
    )


def _absolute(reference: str) -> str:
    """A lot's reference that means the same from everywhere."""
    run, colon, identity = reference.rpartition(":")
    return f"{Path(run).resolve()}:{identity}" if colon and Path(run).is_dir() else reference


def begin(
    settings: Settings,
    folder: Path | None,
    epoch: float | None = None,
    prepare: Callable[[Built], None] = lambda built: None,
    progress: Progress = lambda share: None,
) -> Built:
    """Build a machine and open its record in `folder` (None: no record).

    `epoch`: POSIX time of simulated 0 (default now). `prepare` gets the machine before anything is
    written, so that what fails there leaves no record; `progress` is for `build`. Raises what
    `build` raises, `RecordError`.
    """
    built = build(settings, progress)
    emulator = built.emulator
    emulator.epoch = time.time() if epoch is None else epoch
    if folder is not None and (folder / "run.json").exists():
        raise RecordError(f"{folder} holds a run already; --resume it or name another folder")
    prepare(built)
    if folder is not None:
        kept = _keep_inputs(settings, folder)
        emulator.recorder = Recorder(
            folder,
            emulator.table,
            {
                "settings": kept.plain(),
                "machine": settings.machine,
                "name": emulator.identity.name,
                "seed": settings.seed,
                "epoch": emulator.epoch,
                "scan_ms": settings.scan_ms,
                "notes": list(built.notes),
                "lots_given": [_absolute(lot) for lot in settings.lots],
                **built.about,
            },
        )
        emulator.journal = Journal(folder, {"machine": settings.machine, "seed": settings.seed})
        emulator.snapshots = SnapshotStore(folder)
        emulator.keep_vectors = settings.vectors
    return built


def resume(folder: Path) -> Built:
    """Go on with a run that was cut off: its newest snapshot, then the journal's later acts.

    Without a snapshot the run begins again, with all its acts. Raises `RecordError` for a run that
    is over, and what `build` raises.
    """
    run = open_run(folder)
    ended = run.meta.get("summary") or {}
    if ended.get("state") in ("finished", "aborted"):
        raise RecordError(f"{folder}: nothing to resume, the run is {ended['state']}")
    built = _rebuilt(run, folder)
    emulator = built.emulator
    if emulator.controller is None:
        raise RecordError(f"{folder}: a run under external control has no state to resume from")
    journal = Journal(folder)
    branch = journal.history.newest_branch
    store = SnapshotStore(folder)
    snapshot = store.newest(journal.history.lineage(branch))
    emulator.epoch, emulator.branch = run.meta["epoch"], branch
    if snapshot is not None:
        try:
            emulator.reinstate(snapshot.state)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            # States have the fields of the program that kept them; another one has others.
            raise RecordError(f"{folder}: its snapshots are of another version of this program "
                              f"({type(error).__name__}: {error}); run it again with the same "
                              "seed, or resume it with that version") from error
    reached = emulator.scan_number
    emulator.script(acts(journal.history, branch, reached))
    # Source stamps never run backwards: new ones begin after all that were shown.
    latest = time.time()
    if run.files("signals"):
        rows = run.sql("select max(stamp) from signals").fetchall()
        latest = max(latest, rows[0][0] + emulator.scan_period)
    emulator.epoch = max(emulator.epoch, latest - emulator.time)
    emulator.recorder = Recorder.resume(folder, emulator.table, reached, branch)
    again = {"scan": reached, "time": emulator.time}
    emulator.recorder.meta.pop("summary", None)
    emulator.recorder.update({"resumed": [*run.meta.get("resumed", []), again]})
    emulator.journal, emulator.snapshots = journal, store
    emulator.keep_vectors = bool(run.meta["settings"].get("vectors"))
    where = f"resumed at layer {snapshot.layer}" if snapshot else "begun again, no snapshot yet"
    return replace(built, notes=(*built.notes, f"{where}, {emulator.time:.2f} s simulated"))


def _rebuilt(run: Run, folder: Path) -> Built:
    """The machine of a run again; `RecordError` if its inputs are no longer what they were."""
    built = build(_located(Settings.of(run.meta["settings"]), folder))
    for what in ("recipe_digest", "plan_digest", "powder_digest"):
        if run.meta.get(what) != built.about.get(what):
            raise RecordError(f"{folder}: {what.partition('_')[0]} is not what the run was made "
                              "with; its files or this program have changed")
    return built


def acts(history: History, branch: int = 0, after: int = 0) -> dict[int, list[Act]]:
    """The acts of a branch later than scan `after`, by scan, that do something to the machine."""
    found: dict[int, list[Act]] = defaultdict(list)
    for entry in history.entries_for_branch(branch):
        if entry.scan > after and entry.act.kind not in (ActKind.SPEED, ActKind.AUDIT):
            found[entry.scan].append(entry.act)
    return found


def finished(emulator: Emulator) -> bool:
    """Whether the machine's job is over, however it ended."""
    return emulator.controller is not None and emulator.controller.over


def stranded(emulator: Emulator) -> bool:
    """Whether the job is held and no act that could resume it is to come from a journal."""
    controller: Any = emulator.controller
    return controller is not None and controller.state in INTERRUPTED and not emulator.scripted


def summarise(emulator: Emulator, wall_s: float, began_at: float = 0.0) -> dict[str, Any]:
    """The figures a run ends with, as plain data; `wall_s` for the time from `began_at` on."""
    controller: Any = emulator.controller
    simulated = emulator.time - began_at
    late = emulator.pacer.lateness()
    if controller is None:
        state, reason, layers = "external control", "", emulator.plant.layers_done
    elif isinstance(controller, BuildController):
        state, reason = controller.state.name.lower(), controller.machine.reason
        layers = controller.job.layer
    else:
        state, reason, layers = "done" if controller.over else "running", "", 0
    return {
        "machine": emulator.identity.machine,
        "name": emulator.identity.name,
        "state": state,
        "reason": reason,
        "layers": layers,
        "simulated_s": emulator.time,
        "wall_s": wall_s,
        "speed_factor": simulated / wall_s if wall_s > 0 else 0.0,
        "alarms": emulator.alarm_count,
        "scans": emulator.scans,
        "overruns": late.overruns,
        "lost_scans": late.lost_scans,
        "lateness_ms": {"p50": late.p50 * 1e3, "p99": late.p99 * 1e3, "max": late.max * 1e3},
        "seed": emulator.plant.seed,
        "branch": emulator.branch,
        "trace_hash": emulator.trace.hexdigest,
        "consumption": _consumption(emulator),
        "record": str(emulator.recorder.folder) if emulator.recorder is not None else "",
    }


def _consumption(emulator: Emulator) -> dict[str, float]:
    """What the machine's meters show at the end, in the unit that the name ends with."""
    frame, table = emulator.frame(), emulator.table
    found = {}
    for name, key in (("Energy", "energy_kwh"), ("Gas", "gas_l"), ("Feedstock", "feedstock_kg"),
                      ("BuiltVolume", "built_cm3")):
        path = f"Consumption.{name}"
        if path in table:
            found[key] = float(frame.values[table.index[path]])  # type: ignore[arg-type]
    return found


def finish(emulator: Emulator, summary: dict[str, Any], state: str = "finished") -> None:
    """Close the record, and write `summary.md` beside it."""
    if emulator.journal is not None:
        emulator.journal.close()
    if emulator.recorder is None:
        return
    emulator.recorder.close({**summary, "scan": emulator.scan_number}, state)
    folder = emulator.recorder.folder
    text = report(open_run(folder), summary)
    (folder / "summary.md").write_text(text, encoding="utf-8")


def report(run: Run, summary: dict[str, Any]) -> str:
    """The run's short summary as Markdown: build, melt pools, alarms, timing, files."""
    late = summary["lateness_ms"]
    counts = MACHINES[run.meta["machine"]].counts
    lines = [
        f"# {summary['name']}: {summary['state']}"
        + (f", {summary['reason']}" if summary["reason"] else ""),
        "",
        f"- {counts}: {summary['layers']} of {run.meta.get('layers', '?')}",
        f"- time: {_span(summary['simulated_s'])} simulated, {summary['wall_s']:.1f} s wall "
        f"({summary['speed_factor']:.0f} x)",
        f"- seed {summary['seed']}, trace hash `{summary['trace_hash']}`",
        f"- consumption: {_consumed(summary['consumption'], run.meta['machine'])}",
        f"- alarms: {summary['alarms']}",
        f"- timing: {summary['scans']} scans, {summary['overruns']} overruns, "
        f"{summary['lost_scans']} lost; lateness p50 {late['p50']:.2f} ms, "
        f"p99 {late['p99']:.2f} ms, max {late['max']:.2f} ms",
    ]
    if "layers" in run.tables():
        told = _figures(run)
        if told:
            lines += ["", f"## {counts.capitalize()} (true state)", ""]
            lines += [f"- {line}" for line in told]
    if "lots" in run.tables():
        lines += _lots(run)
    if "events" in run.tables():
        raised = run.sql(
            "select source, count(*), min(time) from events where kind = 'alarm' and "
            "fields like '%\"active\": true%' and fields like '%unacknowledged%' "
            "group by source order by 3"
        ).fetchall()
        if raised:
            lines += ["", "## Alarms", "", "| alarm | raised | first at |", "|-|-|-|"]
            lines += [f"| {name} | {count} | {_span(first)} |" for name, count, first in raised]
    lines += [
        "",
        "## Files",
        "",
        "`run.json`, `journal.jsonl`, `snapshots/`; Parquet tables: "
        + ", ".join(f"`{name}/`" for name in run.tables()),
    ]
    return "\n".join(lines) + "\n"


_MOST_LOTS = 30


_LEAST = 0.5e-3
"""Mass (kg) below which the summary is silent on a lot: it would tell of it as 0.000 kg."""


def _lots(run: Run) -> list[str]:
    """Powder lots and items for `amtwin lot`, those at the end: not what a later step took."""
    made: dict[str, PowderLot | Item] = {}
    left: dict[str, float] = {}
    for operation in operations_of(run):
        for draw in operation.inputs:
            left[draw.id] = left.get(draw.id, 0.0) - draw.mass
        for thing in operation.outputs:
            made[thing.id], left[thing.id] = thing, thing.mass
    there = [thing for name, thing in made.items() if left[name] >= _LEAST]
    if not there:
        return []
    lines = ["", "## Lots (true state)", "", "| id | kind | kg | d50 um | O ppm | status |",
             "|-|-|-:|-:|-:|-|"]
    for thing in there[-_MOST_LOTS:]:
        mass = f"{left[thing.id]:.3f}"
        if isinstance(thing, PowderLot):
            lines.append(f"| {thing.id} | {thing.alloy} powder | {mass} | "
                         f"{thing.d50 * 1e6:.1f} | {thing.oxygen * 1e6:.0f} | {thing.status} |")
        else:
            lines.append(f"| {thing.id} | {thing.alloy} {thing.kind} | {mass} | | | |")
    if len(there) > _MOST_LOTS:
        lines += ["", f"The last {_MOST_LOTS} of {len(there)}."]
    return [*lines, "", f"`amtwin lot ID --within {run.folder}` tells more."]


def _consumed(found: Mapping[str, float], machine: str) -> str:
    units = {"energy_kwh": "kWh", "gas_l": "L gas", "feedstock_kg": "kg feedstock"}
    if MACHINES[machine].technology:
        units["built_cm3"] = "cm3 built"
    return ", ".join(f"{found[name]:,.2f} {unit}" for name, unit in units.items() if name in found)


def _figures(run: Run) -> list[str]:
    """What the machine type has to tell of its layers."""
    (columns,) = zip(*run.sql("select column_name from (describe layers)").fetchall(), strict=True)
    told = []
    for figure in figures(run.meta["machine"]):
        words = set(re.findall(r"\b[a-z_][a-z0-9_]*\b(?!\s*\()", figure.expression))
        if not words <= {*columns}:
            continue
        ((value,),) = run.sql(f"select {figure.expression} from layers").fetchall()
        if value is not None:
            told.append(f"{figure.name}: {value:,.{figure.digits}f} {figure.unit}".rstrip())
    return told


def _span(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    return (
        f"{hours} h {rest // 60:02d} min {rest % 60:02d} s"
        if hours
        else f"{rest // 60} min {rest % 60:02d} s"
    )


@dataclass(frozen=True)
class Replay:
    """What a replay found."""

    same: bool
    recorded: str
    """Trace hash in the record; of the last snapshot's state if the run was cut off."""
    replayed: str
    scan: int
    notes: tuple[str, ...] = ()
    """What may be why."""


def replay(folder: Path, progress: Callable[[float], None] | None = None) -> Replay:
    """Run a recorded run again from its seed and journal, and compare trace hashes.

    A run that was cut off is compared at its newest snapshot. Writes nothing.
    """
    run = open_run(folder)
    history = read_journal(folder)
    branch = history.newest_branch
    summary = run.meta.get("summary")
    if summary:
        scan, recorded = int(summary["scan"]), str(summary["trace_hash"])
    else:
        snapshot = SnapshotStore(folder).newest(history.lineage(branch))
        if snapshot is None:
            raise RecordError(f"{folder}: neither a summary nor a snapshot to compare with")
        scan, recorded = snapshot.scan, str(snapshot.state["trace"]["digest"])
    emulator = _rebuilt(run, folder).emulator
    emulator.pacer.set_factor(float("inf"))
    emulator.script(acts(history, branch, 0))
    shown = [0.0]

    def done(e: Emulator) -> bool:
        if progress is not None and e.time - shown[0] > 60:
            shown[0] = e.time
            progress(e.scan_number / scan if scan else 1.0)
        return e.scan_number >= scan

    emulator.run_to(scan, done)
    return Replay(emulator.trace.hexdigest == recorded, recorded, emulator.trace.hexdigest, scan)

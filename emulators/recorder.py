"""The recorder: writes a run folder while a machine runs, so that a crash loses little."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from importlib import metadata
from itertools import compress
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from emulators.record import TABLES, RecordError, open_run, parts_of, to_json, write_meta
from plc_interfaces.host import AlarmStatus, Event
from twin.image import Frame, Quality
from twin.signals import Kind, Signal, SignalTable

if TYPE_CHECKING:
    from twin.powder.operations import Operation

__all__ = ["RecordError", "Recorder", "open_run", "software_versions"]

FORMAT = 1
_ROW_GROUP = 50_000
_PARTS = 500
_LIBRARIES = ("amtwin", "numpy", "scipy", "numba", "simpy", "pyarrow")
_UNRECORDED = (Kind.COMMAND, Kind.IMAGE, Kind.SERIES)
_INT32 = 2**31 - 1
# The disk's, and Arrow's for values that do not fit their column.
_FAILURES = (OSError, pa.ArrowInvalid, pa.ArrowTypeError)


def software_versions() -> dict[str, str]:
    """Versions of what a run's numbers depend on, and the processor."""
    found = {"python": sys.version.split()[0], "processor": _processor()}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _arrow_type(signal: Signal) -> pa.DataType:
    if signal.type is float:
        return pa.float32()
    if signal.type is bool:
        return pa.bool_()
    if signal.type is str:
        return pa.string()
    small = signal.low is not None and signal.low >= -_INT32 and (signal.high or 0) <= _INT32
    return pa.int32() if small and signal.high is not None else pa.int64()


class Recorder:
    """Writes one run folder.

    Rows are gathered in memory and written as Parquet parts by a thread of its own: signals every
    `rows_per_part` rows, everything at `flush`. `close` merges
    the parts of each table into one file. Rows carry their branch and scan. All methods are for
    the emulation thread. A failed write raises `RecordError` at the next call.
    """

    def __init__(
        self,
        folder: str | Path,
        table: SignalTable,
        meta: Mapping[str, Any] | None = None,
        *,
        rows_per_part: int = 2000,
    ) -> None:
        folder = Path(folder)
        if (folder / "run.json").exists():
            raise RecordError(f"{folder} holds a run already; resume it or choose another folder")
        self._prepare(folder, table, rows_per_part)
        self.meta: dict[str, Any] = {
            "format": FORMAT,
            "state": "running",
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "software": software_versions(),
            **(meta or {}),
            "signals": self._columns_told(),
        }
        self._write_meta()

    @classmethod
    def resume(
        cls,
        folder: str | Path,
        table: SignalTable,
        scan: int,
        branch: int = 0,
        *,
        rows_per_part: int = 2000,
    ) -> Recorder:
        """Go on with a run from its snapshot at `scan`.

        Rows of `branch` later than that are removed: they are about to be made again. Those of
        other branches stay.
        """
        recorder = cls.__new__(cls)
        recorder.meta = {**open_run(folder).meta, "state": "running"}
        recorder._prepare(Path(folder), table, rows_per_part)
        recorder.branch = branch
        recorder.meta["signals"] = recorder._columns_told()
        try:
            for name in TABLES:
                _drop_later(recorder.folder / name, scan, branch)
        except OSError as error:
            raise recorder._failure(error) from None
        recorder._write_meta()
        return recorder

    def _prepare(self, folder: Path, table: SignalTable, rows_per_part: int) -> None:
        self.folder = folder
        self.branch = 0
        """Branch that rows belong to from now on; set it after a backtrack."""
        self._rows_per_part = rows_per_part
        self._signals = [s for s in table.values() if s.kind not in _UNRECORDED]
        indices = [table.index[s.path] for s in self._signals]
        # Of a single index itemgetter would give the bare value, not a tuple.
        self._pick: Callable[[Sequence[Any]], Any] = (
            itemgetter(*indices) if len(indices) > 1 else _picker(indices)
        )
        self._paths = list(table)
        self._schema = pa.schema(
            [
                ("branch", pa.int32()),
                ("scan", pa.int64()),
                ("time", pa.float64()),
                ("stamp", pa.float64()),
                ("quality", pa.string()),
                *((s.path, _arrow_type(s)) for s in self._signals),
            ]
        )
        self._frames: list[tuple[Any, ...]] = []
        self._rows: dict[str, list[Mapping[str, Any]]] = {}
        self._columns: dict[str, list[pa.Table]] = {}
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="recorder")
        self._pending: Future[None] | None = None
        self._next: dict[str, int] = {}
        for name in TABLES:
            parts = parts_of(folder / name)
            self._next[name] = parts[-1][1] + 1 if parts else 1
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._failure(error) from None

    def _columns_told(self) -> dict[str, Any]:
        return {
            s.path: {"kind": s.kind.value, "unit": s.unit.symbol, "doc": s.doc}
            for s in self._signals
        }

    def _failure(self, error: Exception) -> RecordError:
        reason = getattr(error, "strerror", None) or error
        return RecordError(f"{self.folder}: the record cannot be written: {reason}")

    # -- rows ------------------------------------------------------------------------------------

    def record(self, frame: Frame) -> None:
        """Add a frame to ``signals``."""
        quality = ""
        if any(frame.quality):
            bad = compress(range(len(self._paths)), frame.quality)
            quality = " ".join(f"{self._paths[i]}={Quality(frame.quality[i]).name}" for i in bad)
        self._frames.append(
            (self.branch, frame.scan, frame.time, frame.stamp, quality, self._pick(frame.values))
        )
        if len(self._frames) >= self._rows_per_part:
            self._submit({"signals": self._take_frames()})

    def event(self, scan: int, event: Event) -> None:
        """Add an event to ``events``."""
        self._event(
            scan,
            event.time,
            event.stamp,
            event.source,
            event.kind,
            event.message,
            event.severity,
            event.fields,
        )

    def alarm(self, scan: int, time: float, status: AlarmStatus) -> None:
        """Add an alarm's new state to ``events``; its kind is ``alarm``."""
        definition = status.definition
        fields = {
            "state": status.state.value,
            "active": status.active,
            "acknowledged": status.acknowledged,
            "value": status.value,
            "priority": definition.priority.name,
            "comment": status.comment,
        }
        severity = definition.priority.severity
        self._event(
            scan, time, status.stamp, status.path, "alarm", definition.message, severity, fields
        )

    def _event(
        self,
        scan: int,
        time: float,
        stamp: float,
        source: str,
        kind: str,
        message: str,
        severity: int,
        fields: Mapping[str, Any],
    ) -> None:
        self.row(
            "events",
            scan,
            {
                "time": time,
                "stamp": stamp,
                "source": source,
                "kind": kind,
                "message": message,
                "severity": severity,
                "fields": to_json(fields),
            },
        )

    def row(self, table: str, scan: int, values: Mapping[str, Any]) -> None:
        """Add a row to ``layers``, ``defects``, ``indications`` …; keys become columns."""
        self._known(table)
        self._rows.setdefault(table, []).append({"branch": self.branch, "scan": scan, **values})

    def operation(self, scan: int, operation: Operation) -> None:
        """Add what was done to material to ``lots``, whole in column ``operation``."""
        told = operation.plain()
        self.row("lots", scan, {
            "time": operation.time, "machine": operation.machine, "name": operation.name,
            "inputs": [draw.id for draw in operation.inputs],
            "outputs": [made.id for made in operation.outputs], "operation": to_json(told)})

    def rows(self, table: str, scan: int, columns: Mapping[str, Any]) -> None:
        """Add many rows at once, as columns (arrays) of one length, such as a layer's vectors."""
        self._known(table)
        arrays = {name: pa.array(column) for name, column in columns.items()}
        count = len(next(iter(arrays.values()), ()))
        own = {
            "branch": pa.array(np.full(count, self.branch, np.int64)),
            "scan": pa.array(np.full(count, scan, np.int64)),
        }
        self._columns.setdefault(table, []).append(pa.table({**own, **arrays}))

    @staticmethod
    def _known(table: str) -> None:
        if table not in TABLES[1:]:
            raise RecordError(f"a record has no table {table!r}; it has {', '.join(TABLES)}")

    # -- parts -----------------------------------------------------------------------------------

    def _take_frames(self) -> list[tuple[Any, ...]]:
        taken, self._frames = self._frames, []
        return taken

    def _submit(
        self, work: Mapping[str, Any], after: Callable[[], object] | None = None
    ) -> None:
        """Hand rows to the writing thread; waits for its last part, which bounds what is open."""
        self._settle()
        self._pending = self._writer.submit(self._write, work, after)

    def _settle(self) -> None:
        if self._pending is not None:
            pending, self._pending = self._pending, None
            try:
                pending.result()
            except _FAILURES as error:
                raise self._failure(error) from None

    def _write(self, work: Mapping[str, Any], after: Callable[[], object] | None = None) -> None:
        for name, rows in work.items():
            table = self._signal_table(rows) if name == "signals" else _joined(rows)
            folder = self.folder / name
            folder.mkdir(exist_ok=True)
            path = folder / f"{self._next[name]:06d}.parquet"
            aside = path.with_suffix(".tmp")
            pq.write_table(table, aside, compression="zstd")
            aside.replace(path)
            if self._next[name] % _PARTS == 0:
                # A run of months must not end up with a million files.
                _merge(folder, [p for p in parts_of(folder) if p[0] == p[1]])
            self._next[name] += 1
        if after is not None:
            after()

    def _signal_table(self, frames: list[tuple[Any, ...]]) -> pa.Table:
        *own, values = zip(*frames, strict=True)
        columns = [*own, *zip(*values, strict=True)]
        arrays = [
            pa.array(column, type=field.type)
            for column, field in zip(columns, self._schema, strict=True)
        ]
        return pa.Table.from_arrays(arrays, schema=self._schema)

    def flush(self, after: Callable[[], object] | None = None, wait: bool = True) -> None:
        """Put every row on disk.

        Without `wait` the call returns at once. With `after` it does, too, and `after` is called,
        on the writing thread, when the rows are there: a snapshot goes on from rows that must not
        be missing.
        """
        gathered, self._rows = self._rows, {}
        try:
            for name, rows in gathered.items():
                self._columns.setdefault(name, []).append(_from_rows(rows))
        except _FAILURES as error:
            raise self._failure(error) from None
        work: dict[str, Any] = {**self._columns}
        self._columns = {}
        if self._frames:
            work["signals"] = self._take_frames()
        if work or after is not None:
            self._submit(work, after)
        if after is None and wait:
            self._settle()

    def update(self, meta: Mapping[str, Any]) -> None:
        """Put more into ``run.json`` now."""
        self.meta.update(meta)
        self._write_meta()

    def _write_meta(self) -> None:
        try:
            write_meta(self.folder, self.meta)
        except OSError as error:
            raise self._failure(error) from None

    def close(self, summary: Mapping[str, Any] | None = None, state: str = "finished") -> None:
        """Write what is left, merge the parts of each table, and the summary into ``run.json``."""
        try:
            self.flush()
            for name in TABLES:
                _merge(self.folder / name, parts_of(self.folder / name))
        except _FAILURES as error:
            raise self._failure(error) from None
        finally:
            self._writer.shutdown()
        ended = datetime.now(UTC).isoformat(timespec="seconds")
        self.update({"state": state, "ended": ended, "summary": dict(summary or {})})


def _picker(indices: list[int]) -> Any:
    return lambda values: tuple(values[i] for i in indices)


def _from_rows(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    names = list(dict.fromkeys(name for row in rows for name in row))
    return pa.table({name: [row.get(name) for row in rows] for name in names})


def _joined(tables: Sequence[pa.Table]) -> pa.Table:
    return pa.concat_tables(tables, promote_options="permissive")


def _drop_later(folder: Path, scan: int, branch: int) -> None:
    """Remove a table's rows of `branch` after `scan`, and files that are damaged or half there."""
    for aside in folder.glob("*.tmp"):
        aside.unlink()
    kept = {path for _, _, path in parts_of(folder)}
    for path in folder.glob("*.parquet"):
        if path not in kept:
            path.unlink()  # Merged into another file already.
    for path in sorted(kept):
        try:
            own = pq.ParquetFile(path).read(["branch", "scan"])
        except pa.ArrowInvalid:
            path.unlink()
            continue
        later = pc.and_(pc.equal(own["branch"], branch), pc.greater(own["scan"], scan))
        if not pc.any(later).as_py():
            continue
        rows = pq.ParquetFile(path).read().filter(pc.invert(later))
        if rows.num_rows == 0:
            path.unlink()
            continue
        aside = path.with_suffix(".tmp")
        pq.write_table(rows, aside, compression="zstd")
        aside.replace(path)


def _merge(folder: Path, parts: Sequence[tuple[int, int, Path]]) -> None:
    """Make one file of some parts of a table, in row groups of a size that reads fast."""
    if len(parts) < 2:
        return
    schema = pa.unify_schemas(
        [pq.read_schema(path) for _, _, path in parts], promote_options="permissive"
    )
    merged = folder / f"{parts[0][0]:06d}-{parts[-1][1]:06d}.parquet"
    aside = merged.with_suffix(".tmp")
    with pq.ParquetWriter(aside, schema, compression="zstd") as writer:
        gathered, count = [schema.empty_table()], 0
        for number, (_, _, path) in enumerate(parts, 1):
            gathered.append(pq.ParquetFile(path).read())
            count += len(gathered[-1])
            if count >= _ROW_GROUP or number == len(parts):
                writer.write_table(_joined(gathered).select(schema.names))
                gathered, count = [schema.empty_table()], 0
    aside.replace(merged)
    for _, _, path in parts:
        if path != merged:
            path.unlink()

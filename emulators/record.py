"""A run folder as it is read: its description, its tables, and SQL over them.

Each table is a folder of Parquet files. A running machine adds parts (``000007.parquet``); a
finished one has a single file named after the parts it holds (``000001-000412.parquet``).
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from emulators.canonical import plain
from emulators.journal import FILE as JOURNAL_FILE
from emulators.journal import History, read_journal

if TYPE_CHECKING:
    import duckdb

__all__ = ["TABLES", "RecordError", "Run", "open_run", "parts_of", "to_json", "write_meta"]

TABLES = ("signals", "events", "layers", "defects", "indications", "vectors", "lots")
META = "run.json"
_PART = re.compile(r"(\d+)(?:-(\d+))?\.parquet")


class RecordError(Exception):
    """A run folder that cannot be written or read; the message names it and why."""


def _write_aside(path: Path, data: bytes) -> None:
    """Write a file under another name and rename it, so that it is never half there."""
    aside = path.with_suffix(".tmp")
    with aside.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)


def _nulls(value: Any) -> Any:
    """Plain data with null for NaN and infinities, which JSON does not have."""
    if isinstance(value, dict):
        return {name: _nulls(v) for name, v in value.items()}
    if isinstance(value, list):
        return [_nulls(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def to_json(data: Any, indent: int | None = None) -> str:
    """JSON that every reader takes."""
    return json.dumps(_nulls(plain(data)), indent=indent, ensure_ascii=False, allow_nan=False)


def write_meta(folder: Path, meta: Mapping[str, Any]) -> None:
    """Write ``run.json``."""
    text = to_json(meta, indent=2)
    _write_aside(folder / META, text.encode() + b"\n")


def parts_of(folder: Path) -> list[tuple[int, int, Path]]:
    """First and last part number and path of a table's files, without those merged into others."""
    found = []
    for path in folder.glob("*.parquet"):
        if match := _PART.fullmatch(path.name):
            found.append((int(match[1]), int(match[2] or match[1]), path))
    # A crash between merging and clearing away leaves both; the wider file comes first.
    found.sort(key=lambda part: (part[0], -part[1]))
    kept: list[tuple[int, int, Path]] = []
    for part in found:
        if not kept or part[1] > kept[-1][1]:
            kept.append(part)
    return kept


class Run:
    """A recorded run, finished, running or killed."""

    def __init__(self, folder: Path, meta: dict[str, Any]) -> None:
        self.folder = folder
        self.meta = meta
        self.damaged: list[Path] = []
        """Files that could not be read and were left out."""
        self._connection: duckdb.DuckDBPyConnection | None = None

    def tables(self) -> list[str]:
        """Names of the tables that have rows."""
        return [name for name in TABLES if self.files(name)]

    def files(self, name: str) -> list[Path]:
        """The readable files of a table, in order."""
        if name not in TABLES:
            raise RecordError(f"a run has no table {name!r}; it has {', '.join(TABLES)}")
        good = []
        for _, _, path in parts_of(self.folder / name):
            try:
                pq.read_schema(path)
            except (OSError, pa.ArrowInvalid):
                if path not in self.damaged:
                    self.damaged.append(path)
                continue
            good.append(path)
        return good

    def table(self, name: str, branch: int | None = None) -> pa.Table:
        """All rows of a table, or those that led to the end of a branch.

        An empty table without columns if there are none. Raises `RecordError` for an unknown name.
        """
        files = self.files(name)
        if not files:
            return pa.table({})
        # One file at a time: these are files, not a folder partitioned by its name.
        rows = pa.concat_tables(
            [pq.ParquetFile(path).read() for path in files], promote_options="permissive"
        )
        if branch is None:
            return rows
        wanted = " or ".join(
            f"(branch = {reach.branch} and scan <= {min(reach.upto, 2**62):.0f})"
            for reach in self.history().lineage(branch)
        )
        import duckdb  # Only who asks a question waits for it.

        with duckdb.connect() as connection:
            relation = connection.from_arrow(rows).filter(wanted).order("scan")
            return relation.to_arrow_table()

    def history(self) -> History:
        """The run's journal; an empty one if it has none."""
        if not (self.folder / JOURNAL_FILE).exists():
            return History({})
        return read_journal(self.folder)

    def sql(self, query: str) -> duckdb.DuckDBPyRelation:
        """The answer to a query over the tables, by name (``signals``, ``events``, ``layers``).

        Signal columns have dots in their names: ``select "Chamber.OxygenTop" from signals``.
        Raises `RecordError` with DuckDB's message.
        """
        import duckdb

        if self._connection is None:
            self._connection = duckdb.connect()
        try:
            for name in TABLES:
                if files := self.files(name):
                    names = ", ".join("'" + str(f).replace("'", "''") + "'" for f in files)
                    self._connection.execute(
                        f"create or replace view {name} as "
                        f"select * from read_parquet([{names}], union_by_name = true)"
                    )
            return self._connection.sql(query)
        except duckdb.Error as error:
            raise RecordError(f"{self.folder}: {error}") from None


def open_run(folder: str | Path) -> Run:
    """A run folder for reading; `RecordError` if it is none."""
    folder = Path(folder)
    try:
        meta = json.loads((folder / META).read_text(encoding="utf-8"))
    except OSError as error:
        raise RecordError(f"{folder} is not a run folder: {META}: {error.strerror}") from None
    except ValueError as error:
        raise RecordError(f"{folder / META} is damaged: {error}") from None
    if not isinstance(meta, dict):
        raise RecordError(f"{folder / META} is damaged: it holds no fields")
    return Run(folder, meta)

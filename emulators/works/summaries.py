"""Job summaries by content: shipped with the package, kept in the user's folder, or made now."""

from __future__ import annotations

import json
import os
import tempfile
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from emulators.canonical import canonical_json, parse
from emulators.catalog import Progress, Settings, SettingsError
from emulators.works.keys import summary_key
from emulators.works.rehearsal import rehearse
from plc_interfaces.home import home
from twin.works.summary import JobSummary

__all__ = ["SHIPPED", "kept", "load", "save", "summarise"]

SHIPPED = Path(__file__).with_name("ready")
"""Summaries of the ready-made plans: what they need is at hand on a fresh computer."""


def kept(key: str) -> Path | None:
    """The file of a summary under its key. A shipped one comes first: it is the same everywhere."""
    for folder in (SHIPPED, home() / "summaries"):
        if (file := folder / f"{key}.npz").is_file():
            return file
    return None


def summarise(settings: Settings, progress: Progress = lambda share: None) -> JobSummary:
    """The summary of a machine's job: shipped, from the user's folder, or made now and kept there.

    `progress` is told the share that is done. Raises `SettingsError` for external control and if
    the folder cannot be written, and what `rehearse` raises.
    """
    if settings.control != "internal":
        raise SettingsError("control: a machine under external control has no jobs to summarise")
    key = summary_key(settings)
    if (file := kept(key)) is not None and (found := load(file)) is not None:
        progress(1.0)
        return found
    file = home() / "summaries" / f"{key}.npz"
    if (found := load(file)) is not None:  # the shipped one is damaged
        return found
    summary = rehearse(replace(settings, name="", vectors=False, pictures=False), progress)
    try:
        save(file, summary)
    except OSError as error:
        raise SettingsError(
            f"job summaries cannot be kept in {file.parent}: {error}") from None
    progress(1.0)
    # As it is read back: the same run follows from a summary that was just made and a kept one.
    return load(file) or summary


def save(file: Path, summary: JobSummary) -> None:
    """Write beside the place and move there, so that nobody sees half a file. Raises `OSError`."""
    about, arrays = summary.stored()
    told = np.frombuffer(canonical_json(about).encode(), np.uint8)
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=file.stem[:16], suffix=".part", dir=file.parent)
    try:
        with os.fdopen(handle, "wb") as part:
            np.savez_compressed(part, about=told, **arrays)  # type: ignore[arg-type]
        Path(name).chmod(0o644)  # whoever may read the record, or the package, may read it, too
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def load(file: Path) -> JobSummary | None:
    """What a file holds; None if there is none or it is damaged."""
    try:
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as read:
            arrays = {name: read[name] for name in read.files}
        about = parse(arrays.pop("about").tobytes())
        return JobSummary.revived(about, arrays)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error,
            json.JSONDecodeError):
        return None

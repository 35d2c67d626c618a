"""From the files that settings name to parts, and to the name of the job that builds them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from emulators.settings import Settings, SettingsError
from twin.equipment.charge import GreenPart
from twin.parts import Part, example_part, load_part

__all__ = ["file_name", "is_layers", "job_name", "load_parts", "parts_of"]


def load_parts(files: Sequence[str | Path], unit: str | None = None) -> list[Part]:
    """Parts of the named files; ``example:NAME`` is one of the project's own. `PartError`."""
    parts = []
    for file in files:
        kind, _, name = str(file).partition(":")
        parts.append(example_part(name) if kind == "example" else load_part(file, unit))
    return parts


def parts_of(settings: Settings) -> tuple[list[Part], list[str]]:
    """The parts that the settings name, and what was noted of their files.

    `PartError` if one cannot be read, `SettingsError` if places are named and not as many.
    """
    parts = load_parts(settings.parts, settings.unit)
    if settings.places and len(settings.places) != len(parts):
        raise SettingsError(f"{len(settings.places)} places for {len(parts)} parts")
    return parts, [f"{part.name}: {note}" for part in parts for note in part.notes]


def is_layers(file: str | Path) -> bool:
    """Whether a file holds ready layers (Common Layer Interface) instead of a part's surface."""
    return not str(file).startswith("example:") and Path(file).suffix.lower() == ".cli"


def job_name(parts: Sequence[Part | GreenPart]) -> str:
    """What a job of these parts is called; short enough for every list."""
    name, more = parts[0].name.encode()[:48].decode(errors="ignore"), len(parts) - 1
    return f"{name}+{more}" if more else name


def file_name(file: str | Path) -> str:
    """What a job is called that a file says as it is."""
    return Path(file).stem.encode()[:56].decode(errors="ignore")

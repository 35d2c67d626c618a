"""What a trial of a machine type is, and the files that its quick job needs."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import trimesh
import yaml

from emulators.catalog import Settings

__all__ = ["Trial", "block", "recipe"]


@dataclass(frozen=True)
class Trial:
    """What tests must know of a machine type to try it: a short job, and things to do to it."""

    settings: Callable[[Path, int], Settings]
    """A quick job of so many layers (or lots); its files go into the folder."""
    counter: str
    """Counts the layers (or lots) finished."""
    setpoint: tuple[str, float, float]
    """An operator may write it: path, a value in range, one out of range."""
    switch: str
    """A bool that an engineer may write, and that an idle machine has off."""
    reading: str
    """A measured value."""
    failure: tuple[str, float, str]
    """A bias of a sensor, and the alarm that it raises at any time while the machine works."""
    fault: tuple[str, float]
    """A process fault that a job survives."""
    interlock: tuple[str, str]
    """A fault that ends a job, and its alarm."""
    thorough: Callable[[Path, int], Settings] | None = None
    """A job that uses all the machine has, if the quick one does not."""


def block(folder: Path, layers: int, side: float = 4.0) -> Path:
    """A block in an STL file (mm), so many layers of 40 um high."""
    path = folder / f"block{layers}.stl"
    trimesh.creation.box(extents=(side, side, layers * 0.04)).export(path)
    return path


def recipe(folder: Path, name: str = "IN718", machine: str = "pbf-lb", **changes: Any) -> Path:
    """A packaged recipe with other values: ``section__field=value`` in its unit."""
    source = files("emulators") / "recipes" / machine / f"{name}.toml"
    data = tomllib.loads(source.read_text(encoding="utf-8"))
    for dotted, value in changes.items():
        *above, last = dotted.split("__")
        section = data
        for part in above:
            section = section[part]
        section[last] = value if isinstance(value, dict) else {**section[last], "value": value}
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(data))
    return path

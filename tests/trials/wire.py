"""The small wall that both wire machines are tried with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import trimesh

from emulators.catalog import Settings
from tests.trials.trial import recipe

__all__ = ["THOROUGH", "wall"]

THOROUGH: dict[str, Any] = {
    "atmosphere__inert": True,
    "atmosphere__oxygen_limit": 20_000,
    "thermal__preheat": 60,
    "wire__retract": 40,
}
"""Gas around the job, a heated plate; a wire drawn back too far is out of its tip."""


def wall(folder: Path, layers: int, machine: str, alloy: str, height: float,
         **changes: Any) -> Settings:
    """A job of so many layers, `height` mm each, with other values in the recipe."""
    quick = recipe(
        folder,
        alloy,
        machine,
        passes__layer_height=height,
        thermal__interpass_limit=500,
        thermal__unpack=290,
        thermal__dwell=31,
        wire__pass_dwell=0,
        **changes,
    )
    part = folder / f"wall{layers}.stl"
    trimesh.creation.box(extents=(24.0, 8.0, layers * height)).export(part)
    return Settings(machine, parts=(str(part),), unit="mm", recipe=str(quick))

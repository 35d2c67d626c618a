"""From part or G-code files and a recipe to the passes of a deposition job."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from emulators.programs import load_parts
from emulators.recipes.ded import DedRecipe
from emulators.settings import Settings, SettingsError
from twin.parts import PartError, arrange
from twin.parts.passes import PassPlan

__all__ = ["GCODE", "gcode_plan", "is_gcode", "job_name", "pass_plan"]

GCODE = (".gcode", ".nc", ".ngc", ".tap", ".cnc")


def is_gcode(file: str | Path) -> bool:
    """Whether a file holds a toolpath instead of a part's surface."""
    return not str(file).startswith("example:") and Path(file).suffix.lower() in GCODE


def job_name(names: Sequence[str]) -> str:
    """What a job of these parts is called."""
    name, more = names[0].encode()[:48].decode(errors="ignore"), len(names) - 1
    return f"{name}+{more}" if more else name


def gcode_plan(file: str | Path, recipe: DedRecipe, area: tuple[float, float],
               height: float) -> PassPlan:
    """The passes of a G-code file; `PartError` if it cannot be read or leaves the machine.

    Only its size is checked: a program has its zero where the operator sets it. `area` and
    `height` in metres.
    """
    passes = recipe.passes
    plan = PassPlan.from_gcode(file, passes.style(), passes.layer_height, passes.dwell_unit)
    x0, y0, x1, y1 = plan.bounds
    if x1 - x0 > area[0] or y1 - y0 > area[1] or plan.height > height:
        raise PartError(
            f"{Path(file).name}: the toolpath is {(x1 - x0) * 1e3:.0f} x {(y1 - y0) * 1e3:.0f} x "
            f"{plan.height * 1e3:.0f} mm, larger than the machine: "
            f"{area[0] * 1e3:.0f} x {area[1] * 1e3:.0f} x {height * 1e3:.0f} mm")
    return plan


def pass_plan(settings: Settings, recipe: DedRecipe, area: tuple[float, float],
              height: float) -> tuple[str, PassPlan, list[str]]:
    """Name, passes and notes of a job from a run's settings; `PartError` or `SettingsError`."""
    if len(settings.parts) == 1 and is_gcode(settings.parts[0]):
        plan = gcode_plan(settings.parts[0], recipe, area, height)
        name = Path(settings.parts[0]).stem.encode()[:56].decode(errors="ignore")
        return name, plan, list(plan.notes)
    parts = load_parts(settings.parts, settings.unit)
    notes = [f"{part.name}: {note}" for part in parts for note in part.notes]
    if settings.places and len(settings.places) != len(parts):
        raise SettingsError(f"{len(settings.places)} places for {len(parts)} parts")
    spacing = 2 * recipe.passes.bead_width
    placed = arrange(parts, area, height, spacing, positions=settings.places or None)
    plan = PassPlan(placed, recipe.passes.layer_height, recipe.passes.style(), settings.supports)
    return job_name([part.name for part in parts]), plan, notes

"""Directed energy deposition with arc and wire, put together from settings."""

from __future__ import annotations

from emulators.controllers.base import Controller
from emulators.controllers.build import Program
from emulators.controllers.ded_arc import DedArcController
from emulators.deposition import WIRE_FIGURES, WIRE_QUALITY, build_wire, deposition_job
from emulators.recipes.ded_arc import Recipe
from emulators.settings import Built, Figure, Progress, Settings
from twin.equipment.arc_deposition import ArcSettings
from twin.image import Readings
from twin.machine import Plant
from twin.machines.ded_arc import DedArc
from twin.parts.passes import PassPlan

__all__ = ["FIGURES", "arc_program", "build", "trees"]

FIGURES = (
    *WIRE_FIGURES,
    Figure("current", "avg(current)", "A", 0),
    Figure("voltage", "avg(voltage)", "V", 1),
    Figure("heat input", "avg(heat_input) / 1e6", "kJ/mm", 3),
    *WIRE_QUALITY,
)


def arc_program(name: str, plan: PassPlan, recipe: Recipe) -> Program:
    """A program from ready passes and a recipe."""
    return Program(deposition_job(name, plan, recipe, recipe.arc.voltage, recipe.wire.feed,
                                  ArcSettings(recipe.wire.diameter)), recipe)


def build(settings: Settings, progress: Progress) -> Built:
    """The machine of some settings; `SettingsError`, `PartError` or `RecipeError`."""
    return build_wire(settings, "ER70S-6", DedArc, DedArcController, arc_program)


def trees() -> tuple[Plant, Controller]:
    """Plant and controller as declared."""
    plant = DedArc(0)
    return plant, DedArcController(plant, Readings(plant, 0), {})

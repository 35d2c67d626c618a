"""Directed energy deposition with arc and wire, put together from settings."""

from __future__ import annotations

from emulators.catalog import MACHINES
from emulators.controllers.base import Controller
from emulators.controllers.build import Program
from emulators.controllers.ded_arc import DedArcController
from emulators.deposition import no_extras, pass_plan, wire_point
from emulators.recipes import RecipeError
from emulators.recipes.ded_arc import Recipe
from emulators.settings import (
    Built,
    Figure,
    Progress,
    Settings,
    SettingsError,
    assemble,
    check_common,
    chosen_recipe,
    one_of,
)
from twin.equipment.arc_deposition import ArcSettings
from twin.equipment.deposition import DepositionJob
from twin.image import Readings
from twin.machine import Plant
from twin.machines.ded_arc import DedArc
from twin.materials import alloy
from twin.parts.passes import PassPlan

__all__ = ["FIGURES", "arc_program", "build", "trees"]

FIGURES = (
    Figure("passes", "sum(passes)", digits=0),
    Figure("path", "sum(path_length)", "m", 1),
    Figure("deposition", "sum(work) / 60", "min", 1),
    Figure("deposited volume", "sum(volume) * 1e6", "cm3", 2),
    Figure("height built", "max(height) * 1e3", "mm", 2),
    Figure("height of a layer", "avg(layer_height) * 1e3", "mm", 3),
    Figure("stand-off, lowest", "min(stand_off_low) * 1e3", "mm", 2),
    Figure("stand-off, highest", "max(stand_off_high) * 1e3", "mm", 2),
    Figure("bead width", "avg(width) * 1e3", "mm", 2),
    Figure("wire trimmed by the scanner", "(avg(trim) - 1) * 100", "%", 1),
    Figure("current", "avg(current)", "A", 0),
    Figure("voltage", "avg(voltage)", "V", 1),
    Figure("heat input", "avg(heat_input) / 1e6", "kJ/mm", 3),
    Figure("porosity", "avg(porosity) * 100", "%", 3),
    Figure("hottest interpass", "max(interpass_temperature) - 273.15", "°C", 0),
    Figure("defects placed", "sum(defects)", digits=0),
)


def arc_program(name: str, plan: PassPlan, recipe: Recipe) -> Program:
    """A program from ready passes and a recipe."""
    job = DepositionJob(
        name=name,
        plan=plan,
        alloy=alloy(recipe.alloy),
        feed=recipe.motion.travel_speed,
        source=recipe.arc.voltage,
        feedstock=recipe.wire.feed,
        step=recipe.passes.layer_height,
        stand_off=recipe.motion.stand_off,
        settings=ArcSettings(recipe.wire.diameter),
    )
    return Program(job, recipe)


def build(settings: Settings, progress: Progress) -> Built:
    """The machine of some settings; `SettingsError`, `PartError` or `RecipeError`."""
    one_of("fidelity", settings.fidelity, ("vector", "layer"), ("batch",))
    one_of("melt_pool", settings.melt_pool, ("laws",), ("table", "sources", "solver"))
    check_common(settings)
    no_extras(settings)
    recipe = chosen_recipe(settings, "ER70S-6")
    name, plan, notes = pass_plan(settings, recipe, DedArc.PLATE, DedArc.HEIGHT)
    plan, own, told = wire_point(plan, recipe)
    notes += told
    try:
        recipe = recipe.changed(own) if own else recipe
    except RecipeError as error:
        raise SettingsError(str(error)) from None
    program = arc_program(name, plan, recipe)
    plant = DedArc(settings.seed, summary=settings.fidelity == "layer")
    about = {"plan": plan.describe(), "plan_digest": plan.digest}
    return assemble(settings, MACHINES["ded-arc"], plant, DedArcController, program,
                    notes=notes, about=about)


def trees() -> tuple[Plant, Controller]:
    """Plant and controller as declared."""
    plant = DedArc(0)
    return plant, DedArcController(plant, Readings(plant, 0), {})

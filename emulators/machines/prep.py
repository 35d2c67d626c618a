"""The plasma rotating electrode machine, put together from settings: rods in, powder out."""

from __future__ import annotations

from typing import Any

from emulators.canonical import content_hash
from emulators.catalog import MACHINES
from emulators.controllers.base import Controller
from emulators.controllers.build import Program
from emulators.controllers.prep import PrepController
from emulators.recipes.prep import Recipe
from emulators.settings import (
    Built,
    Figure,
    Progress,
    Settings,
    SettingsError,
    assemble,
    check_common,
    chosen_recipe,
)
from twin.equipment.melt_face import Atomizing
from twin.image import Readings
from twin.machine import Plant
from twin.machines.prep import Prep, PrepJob
from twin.materials import alloy

__all__ = ["FIGURES", "build", "prep_program", "trees"]

KIND = MACHINES["prep"]
FIGURES = (
    Figure("powder", "sum(mass)", "kg", 2),
    Figure("mass median", "sum(d50 * mass) / sum(mass) * 1e6", "um", 1),
    Figure("spread", "sum(spread * mass) / sum(mass)", digits=2),
    Figure("45-150 um", "sum(product) / sum(mass) * 100", "%", 1),
    Figure("not spherical", "sum(irregular * mass) / sum(mass) * 100", "%", 2),
    Figure("oxygen", "sum(oxygen * mass) / sum(mass) * 1e6", "ppm", 0),
    Figure("melt rate", "sum(mass) / sum(atomizing) * 3600", "kg/h", 1),
    Figure("energy", "sum(energy) / 3.6e6 / sum(mass)", "kWh/kg", 2),
    Figure("largest vibration while atomizing", "max(vibration) * 1e3", "mm/s", 2),
)


def prep_job(recipe: Recipe) -> PrepJob:
    """What the recipe's rods are and how they atomize."""
    metal, rods, drops = alloy(recipe.alloy), recipe.rods, recipe.drops
    make = Atomizing(metal, drops.model, drops.factor, drops.critical)
    name = f"{metal.name} {rods.count} x {rods.diameter * 1e3:g} mm"
    return PrepJob(name, metal, rods.count, rods.diameter, rods.length, rods.oxygen, make,
                   rods.change)


def prep_program(recipe: Recipe) -> Program:
    """A program that atomizes the recipe's rods; `SettingsError` for rods that do not fit."""
    rods = recipe.rods
    if rods.stub >= rods.length:
        raise SettingsError(f"recipe {recipe.name}: rods.stub {rods.stub * 1e3:g} mm leaves "
                            f"nothing of rods of {rods.length * 1e3:g} mm")
    return Program(prep_job(recipe), recipe)


def build(settings: Settings, progress: Progress) -> Built:
    """The machine of some settings; `SettingsError` or `RecipeError`."""
    check_common(settings)
    recipe = chosen_recipe(settings, "Ti-6Al-4V")
    program = prep_program(recipe)
    job = program.job
    rods: dict[str, Any] = {"alloy": recipe.alloy, "count": job.rods, "diameter": job.diameter,
                            "length": job.length, "oxygen": job.oxygen}
    about = {"rods": rods, "plan_digest": content_hash(rods)}
    return assemble(settings, KIND, Prep(settings.seed), PrepController, program, about=about)


def trees() -> tuple[Plant, Controller]:
    """Plant and controller as declared."""
    plant = Prep(0)
    return plant, PrepController(plant, Readings(plant, 0), {})


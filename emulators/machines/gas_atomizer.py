"""The gas atomizer, put together from settings: charges or rods in, powder lots out."""

from __future__ import annotations

from emulators.canonical import content_hash
from emulators.catalog import MACHINES
from emulators.controllers.base import Controller
from emulators.controllers.build import Program
from emulators.controllers.gas_atomizer import GasAtomizerController
from emulators.recipes.gas_atomizer import Recipe
from emulators.settings import (
    Built,
    Figure,
    Progress,
    Settings,
    assemble,
    check_common,
    chosen_recipe,
)
from twin.equipment.spray import Nozzle
from twin.image import Readings
from twin.machine import Plant
from twin.machines.gas_atomizer import AtomizerJob, GasAtomizer
from twin.materials import alloy

__all__ = ["FIGURES", "atomizer_program", "build", "trees"]

KIND = MACHINES["gas-atomizer"]
FIGURES = (
    Figure("charged", "sum(charged)", "kg", 2),
    Figure("powder", "sum(powder)", "kg", 2),
    Figure("quarantined tail", "sum(tail)", "kg", 2),
    Figure("fines", "sum(fines)", "kg", 3),
    Figure("splats on the wall", "sum(splat)", "kg", 3),
    Figure("median diameter", "sum(d50 * powder) / sum(powder) * 1e6", "um", 1),
    Figure("geometric standard deviation", "avg(deviation)", digits=2),
    Figure("oxygen", "sum(oxygen * powder) / sum(powder) * 1e6", "ppm", 0),
    Figure("hollow", "sum(hollow * powder) / sum(powder) * 100", "%", 2),
    Figure("gas per metal", "sum(gas_to_metal * powder) / sum(powder)", digits=2),
    Figure("yield 15-45 um", "sum(yield_15_45 * powder) / sum(powder) * 100", "%", 1),
    Figure("yield 20-63 um", "sum(yield_20_63 * powder) / sum(powder) * 100", "%", 1),
    Figure("energy", "sum(energy) / 3.6e6", "kWh", 1),
)


def atomizer_program(recipe: Recipe) -> Program:
    """A program that atomizes what a recipe says."""
    charge, nozzle = recipe.charge, recipe.nozzle
    job = AtomizerJob(
        f"{recipe.alloy} {charge.melting}", alloy(recipe.alloy), charge.melting, charge.count,
        charge.mass, charge.oxygen,
        Nozzle(nozzle.constant, nozzle.spread, nozzle.hollow, nozzle.bore, nozzle.protrusion,
               nozzle.slit),
        recipe.gas.gas, recipe.rod.diameter)
    return Program(job, recipe)


def build(settings: Settings, progress: Progress) -> Built:
    """The machine of some settings; `SettingsError` or `RecipeError`."""
    check_common(settings)
    recipe = chosen_recipe(settings, "316L")
    program = atomizer_program(recipe)
    about = {"plan_digest": content_hash(recipe.model_dump(exclude={"name"}))}
    return assemble(settings, KIND, GasAtomizer(settings.seed, (recipe.charge.melting,)),
                    GasAtomizerController, program, about=about)


def trees() -> tuple[Plant, Controller]:
    """Plant and controller as declared, with both melting units."""
    plant = GasAtomizer(0, ("VIGA", "EIGA"))
    return plant, GasAtomizerController(plant, Readings(plant, 0), {})

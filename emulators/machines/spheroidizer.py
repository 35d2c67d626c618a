"""The spheroidizer, put together from settings: lots of irregular powder, batches, a recipe."""

from __future__ import annotations

from math import ceil

from emulators.canonical import content_hash
from emulators.catalog import MACHINES
from emulators.controllers.base import Controller
from emulators.controllers.build import Program
from emulators.controllers.spheroidizer import SpheroidizerController
from emulators.lots import load_lots
from emulators.recipes.spheroidizer import Recipe
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
from twin.image import Readings
from twin.machine import Plant
from twin.machines.spheroidizer import Spheroidizer, SpheroidJob
from twin.materials import alloy
from twin.powder.lot import PowderLot

__all__ = ["FIGURES", "build", "feedstock", "spheroid_program", "trees"]

KIND = MACHINES["spheroidizer"]
FIGURES = (
    Figure("product", "sum(product)", "kg", 3),
    Figure("yield", "sum(product) / sum(fed) * 100", "%", 1),
    Figure("round particles", "sum(product * (1 - irregular)) / sum(product) * 100", "%", 1),
    Figure("soot", "sum(soot)", "kg", 3),
    Figure("feed over critical feed", "sum(fed * load) / sum(fed)", digits=2),
    Figure("median size, in", "avg(d50_in) * 1e6", "um", 1),
    Figure("median size, out", "avg(d50) * 1e6", "um", 1),
    Figure("oxygen, in", "sum(fed * oxygen_in) / sum(fed) * 1e6", "ppm", 0),
    Figure("oxygen, out", "sum(product * oxygen) / sum(product) * 1e6", "ppm", 0),
)


def feedstock(recipe: Recipe) -> PowderLot:
    """The powder that the recipe expects, as much as its batches take.

    `SettingsError` if its cuts leave nothing of it.
    """
    powder = recipe.powder
    try:
        return PowderLot.virgin(
            f"RAW-{recipe.alloy}", recipe.alloy, recipe.feed.batch * recipe.feed.batches,
            powder.d50, powder.spread, low=powder.low or None, high=powder.high,
            oxygen=powder.oxygen, moisture=powder.moisture, irregular=powder.irregular,
            origin="bought")
    except ValueError as error:
        raise SettingsError(f"recipe {recipe.name}, powder: {error}") from None


def spheroid_program(recipe: Recipe, lots: tuple[PowderLot, ...] = ()) -> Program:
    """A program of batches; of lots that are named, as many as there is powder for.

    `SettingsError` for powder of another alloy than the recipe's.
    """
    batches = recipe.feed.batches
    if lots:
        wrong = [lot for lot in lots if lot.alloy != recipe.alloy]
        if wrong:
            raise SettingsError(f"lot {wrong[0].id} is {wrong[0].alloy}; the recipe {recipe.name} "
                                f"is for {recipe.alloy}")
        there = sum(lot.mass for lot in lots)
        batches = min(batches, max(ceil(there / recipe.feed.batch - 1e-6), 1))
    job = SpheroidJob(recipe.name, alloy(recipe.alloy), batches, recipe.feed.batch,
                      lots or (feedstock(recipe),), bool(lots))
    return Program(job, recipe)


def build(settings: Settings, progress: Progress) -> Built:
    """The machine of some settings; `SettingsError` or `RecipeError`."""
    check_common(settings)
    recipe = chosen_recipe(settings, "Ti-6Al-4V")
    lots = load_lots(settings.lots)
    program = spheroid_program(recipe, lots)
    job = program.job
    notes = [f"{lot.id}: {lot.mass:.4g} kg, d50 {lot.d50 * 1e6:.3g} um, "
             f"{lot.oxygen * 1e6:.0f} ppm oxygen" for lot in job.lots]
    about = {"lots": [lot.id for lot in job.lots],
             "plan_digest": content_hash([[lot.plain() for lot in job.lots], job.batches,
                                          job.batch])}
    return assemble(settings, KIND, Spheroidizer(settings.seed), SpheroidizerController, program,
                    notes=notes, about=about)


def trees() -> tuple[Plant, Controller]:
    """Plant and controller as declared."""
    plant = Spheroidizer(0)
    return plant, SpheroidizerController(plant, Readings(plant, 0), {})

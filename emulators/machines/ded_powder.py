"""Directed energy deposition with laser and powder, put together from settings."""

from __future__ import annotations

from math import sqrt

from emulators.catalog import MACHINES
from emulators.controllers.base import Controller
from emulators.controllers.build import Program
from emulators.controllers.ded_powder import DedPowderController
from emulators.deposition import FIGURES as START
from emulators.deposition import HOTTEST, deposition_job, pass_plan
from emulators.recipes import RecipeError
from emulators.recipes.ded_powder import Recipe
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
from twin.equipment.deposition_laser import DepositionLaser
from twin.image import Readings
from twin.machine import Plant
from twin.machines.ded_powder import DedPowder, PowderSettings
from twin.materials import alloy
from twin.meltpool.laws import Laws
from twin.parts.passes import PassPlan
from twin.physics.deposition import PoolLaw, PowderCone

__all__ = ["FIGURES", "build", "powder_program", "trees"]

FIGURES = (
    *START,
    Figure("pool width", "avg(width) * 1e3", "mm", 2),
    Figure("powder caught", "avg(catchment) * 100", "%", 1),
    Figure("dilution", "avg(dilution) * 100", "%", 1),
    HOTTEST,
    Figure("beads not fused", "sum(defects)", digits=0),
)


def powder_program(name: str, plan: PassPlan, recipe: Recipe) -> Program:
    """A program from ready passes and a recipe; `ValueError` if its laser melts nothing."""
    metal, laser, nozzle = alloy(recipe.alloy), recipe.laser, recipe.nozzle
    preheat = recipe.thermal.interpass_limit
    law = PoolLaw.of(metal, laser.power * DepositionLaser.WINDOW, recipe.motion.travel_speed,
                     laser.spot_d4sigma / 4, preheat)
    second = (alloy(recipe.grading.alloy),) if recipe.grading else ()
    settings = PowderSettings(
        spot=laser.spot_d4sigma,
        preheat=preheat,
        cone=PowderCone(nozzle.share, nozzle.radius, nozzle.focus, nozzle.reach),
        alloys=(metal, *second),
        pool_width=round(law.width, 5),
    )
    return Program(deposition_job(name, plan, recipe, laser.power, recipe.powder.disc_speed,
                                  settings), recipe)


def _of_the_file(plan: PassPlan, recipe: Recipe) -> dict[str, float]:
    """Recipe fields at the working point of passes that have settings of their own.

    That is the median of each. Where the file's power melts nothing with the recipe's spot, the
    spot shrinks with it, at the recipe's intensity.
    """
    found = plan.own_settings()
    changes: dict[str, float] = {}
    if "feed" in found:
        changes["motion.travel_speed"] = found["feed"]
    if "feedstock" in found:
        changes["powder.disc_speed"] = found["feedstock"]
    if "demand" in found:
        power = changes["laser.power"] = found["demand"]
        metal, spot = alloy(recipe.alloy), recipe.laser.spot_d4sigma
        speed = found.get("feed", recipe.motion.travel_speed)
        preheat = recipe.thermal.interpass_limit
        for chosen in (spot, spot * sqrt(power / recipe.laser.power)):
            width = float(Laws().pools(metal, power, speed, chosen / 4, preheat).width[0])
            if width > 0.7 * chosen:
                break
        changes["laser.spot_d4sigma"] = round(chosen, 5)
        changes["passes.bead_width"] = round(max(width, 0.3e-3), 5)
    return changes


def build(settings: Settings, progress: Progress) -> Built:
    """The machine of some settings; `SettingsError`, `PartError` or `RecipeError`."""
    check_common(settings)
    recipe = chosen_recipe(settings, "316L")
    name, plan, notes = pass_plan(settings, recipe, DedPowder.PLATE, DedPowder.HEIGHT)
    try:
        own = _of_the_file(plan, recipe)
        if own:
            recipe = recipe.changed(own)
            name, plan, notes = pass_plan(settings, recipe, DedPowder.PLATE, DedPowder.HEIGHT)
            notes.append(
                f"working point of the file: {recipe.laser.power:g} W, "
                f"{recipe.motion.travel_speed * 1e3:g} mm/s, {recipe.powder.disc_speed:g} rpm; "
                f"spot {recipe.laser.spot_d4sigma * 1e3:g} mm")
        program = powder_program(name, plan, recipe)
    except RecipeError as error:
        raise SettingsError(str(error)) from None
    except ValueError as error:
        raise SettingsError(f"recipe {recipe.name}: {error}") from None
    plant = DedPowder(settings.seed, summary=settings.fidelity == "layer")
    about = {"plan": plan.describe(), "plan_digest": plan.digest}
    return assemble(settings, MACHINES["ded-powder"], plant, DedPowderController, program,
                    notes=notes, about=about)


def trees() -> tuple[Plant, Controller]:
    """Plant and controller as declared."""
    plant = DedPowder(0)
    return plant, DedPowderController(plant, Readings(plant, 0), {})

"""Directed energy deposition with laser and wire, put together from settings."""

from __future__ import annotations

from emulators.catalog import MACHINES
from emulators.controllers.base import Controller
from emulators.controllers.build import Program
from emulators.controllers.ded_wire_laser import DedWireLaserController
from emulators.deposition import no_extras, pass_plan, wire_point
from emulators.recipes import RecipeError
from emulators.recipes.ded_wire_laser import Recipe
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
from twin.equipment.deposition import DepositionJob
from twin.equipment.deposition_laser import DepositionLaser
from twin.equipment.wire_deposition import WireSettings
from twin.image import Readings
from twin.machine import Plant
from twin.machines.ded_wire_laser import DedWireLaser
from twin.materials import alloy
from twin.parts.passes import PassPlan
from twin.physics.wire import ABSORBED, laser_bead_width

__all__ = ["FIGURES", "build", "trees", "wire_program"]

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
    Figure("wire flowing smoothly", "(1 - avg(dripping) - avg(stubbing)) * 100", "%", 1),
    Figure("hot-wire temperature", "avg(wire_temperature) - 273.15", "°C", 0),
    Figure("porosity", "avg(porosity) * 100", "%", 3),
    Figure("hottest interpass", "max(interpass_temperature) - 273.15", "°C", 0),
    Figure("defects placed", "sum(defects)", digits=0),
)


def wire_program(name: str, plan: PassPlan, recipe: Recipe) -> Program:
    """A program from ready passes and a recipe."""
    metal, laser = alloy(recipe.alloy), recipe.laser
    preheat = recipe.thermal.interpass_limit + 20.0  # with what is left of the bead beside it
    width = float(laser_bead_width(
        metal, ABSORBED * laser.power * DepositionLaser.WINDOW, recipe.motion.travel_speed,
        preheat, laser.spot))
    settings = WireSettings(
        wire_diameter=recipe.wire.diameter,
        spot=laser.spot,
        stick_out=recipe.hot_wire.stick_out,
        preheat=preheat,
        width=round(width, 5),
    )
    job = DepositionJob(
        name=name,
        plan=plan,
        alloy=metal,
        feed=recipe.motion.travel_speed,
        source=laser.power,
        feedstock=recipe.wire.feed,
        step=recipe.passes.layer_height,
        stand_off=recipe.motion.stand_off,
        settings=settings,
    )
    return Program(job, recipe)


def build(settings: Settings, progress: Progress) -> Built:
    """The machine of some settings; `SettingsError`, `PartError` or `RecipeError`."""
    one_of("fidelity", settings.fidelity, ("vector", "layer"), ("batch",))
    one_of("melt_pool", settings.melt_pool, ("laws",), ("table", "sources", "solver"))
    check_common(settings)
    no_extras(settings)
    recipe = chosen_recipe(settings, "316L")
    name, plan, notes = pass_plan(settings, recipe, DedWireLaser.PLATE, DedWireLaser.HEIGHT)
    plan, own, told = wire_point(plan, recipe, "laser.power")
    notes += told
    try:
        recipe = recipe.changed(own) if own else recipe
    except RecipeError as error:
        raise SettingsError(str(error)) from None
    program = wire_program(name, plan, recipe)
    plant = DedWireLaser(settings.seed, summary=settings.fidelity == "layer")
    about = {"plan": plan.describe(), "plan_digest": plan.digest}
    return assemble(settings, MACHINES["ded-wire-laser"], plant, DedWireLaserController, program,
                    notes=notes, about=about)


def trees() -> tuple[Plant, Controller]:
    """Plant and controller as declared."""
    plant = DedWireLaser(0)
    return plant, DedWireLaserController(plant, Readings(plant, 0), {})

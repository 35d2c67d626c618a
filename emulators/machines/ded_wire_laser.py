"""Directed energy deposition with laser and wire, put together from settings."""

from __future__ import annotations

from emulators.controllers.base import Controller
from emulators.controllers.build import Program
from emulators.controllers.ded_wire_laser import DedWireLaserController
from emulators.deposition import WIRE_FIGURES, WIRE_QUALITY, build_wire, deposition_job
from emulators.recipes.ded_wire_laser import Recipe
from emulators.settings import Built, Figure, Progress, Settings
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
    *WIRE_FIGURES,
    Figure("wire flowing smoothly", "(1 - avg(dripping) - avg(stubbing)) * 100", "%", 1),
    Figure("hot-wire temperature", "avg(wire_temperature) - 273.15", "°C", 0),
    *WIRE_QUALITY,
)


def wire_program(name: str, plan: PassPlan, recipe: Recipe) -> Program:
    """A program from ready passes and a recipe."""
    laser = recipe.laser
    preheat = recipe.thermal.interpass_limit + 20.0  # with what is left of the bead beside it
    width = float(laser_bead_width(
        alloy(recipe.alloy), ABSORBED * laser.power * DepositionLaser.WINDOW,
        recipe.motion.travel_speed, preheat, laser.spot))
    settings = WireSettings(
        wire_diameter=recipe.wire.diameter,
        spot=laser.spot,
        stick_out=recipe.hot_wire.stick_out,
        preheat=preheat,
        width=round(width, 5),
    )
    return Program(deposition_job(name, plan, recipe, laser.power, recipe.wire.feed, settings),
                   recipe)


def build(settings: Settings, progress: Progress) -> Built:
    """The machine of some settings; `SettingsError`, `PartError` or `RecipeError`."""
    return build_wire(settings, "316L", DedWireLaser, DedWireLaserController, wire_program,
                      power="laser.power")


def trees() -> tuple[Plant, Controller]:
    """Plant and controller as declared."""
    plant = DedWireLaser(0)
    return plant, DedWireLaserController(plant, Readings(plant, 0), {})

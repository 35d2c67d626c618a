"""The recycling line, put together from settings: used and virgin lots, batches, a recipe."""

from __future__ import annotations

import numpy as np

from emulators.canonical import content_hash
from emulators.catalog import MACHINES
from emulators.controllers.base import Controller
from emulators.controllers.build import Program
from emulators.controllers.recycling_line import RecyclingLineController
from emulators.recipes.recycling_line import Recipe
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
from twin.machines.recycling_line import RecyclingJob, RecyclingLine, check_powder, virgin
from twin.materials import MaterialError, alloy
from twin.powder.lot import PowderLot
from twin.powder.operations import blend, renamed
from twin.powder.sizes import below

__all__ = ["FIGURES", "build", "recycling_program", "stock", "trees"]

KIND = MACHINES["recycling-line"]
COARSE = 0.5
"""Share of the powder that may be over the mesh: what is sieved should be mostly product."""
FIGURES = (
    Figure("released powder", "sum(mass * released)", "kg", 2),
    Figure("powder turned out", "sum(mass)", "kg", 2),
    Figure("yield", "sum(mass * (1 - virgin_share)) / max(fed) * 100", "%", 1),
    Figure("oxygen", "sum(mass * oxygen) / sum(mass) * 1e6", "ppm", 0),
    Figure("moisture", "sum(mass * moisture) / sum(mass) * 1e6", "ppm", 0),
    Figure("virgin share", "sum(mass * virgin_share) / sum(mass) * 100", "%", 1),
    Figure("purity", "sum(mass * purity) / sum(mass) * 100", "%", 3),
    Figure("energy per kg", "sum(energy) / 3.6e6 / sum(mass)", "kWh/kg", 2),
    Figure("time of a batch", "avg(duration) / 3600", "h", 2),
)


def stock(recipe: Recipe) -> tuple[PowderLot, ...]:
    """The powder of a recipe when no lots are named: used, and virgin for blending.

    `SettingsError` for a foreign alloy that is not known.
    """
    told = recipe.stock

    def used(name: str, mass: float) -> list[PowderLot]:
        shape = {"satellites": told.satellites, "irregular": told.irregular}
        parts = [PowderLot.virgin("used", name, mass * (1.0 - told.coarse), told.d50, told.spread,
                                  oxygen=told.oxygen, moisture=told.moisture, **shape)]
        if told.coarse > 0.0:
            # Spatter is coarse and odd.
            parts.append(PowderLot.virgin(
                "spatter", name, mass * told.coarse, 3.0 * told.d50, told.spread,
                oxygen=2.0 * told.oxygen, moisture=told.moisture,
                irregular=np.full(40, 0.6)))
        return parts

    foreign = told.foreign_share if told.foreign else 0.0
    parts = used(recipe.alloy, told.used * (1.0 - foreign))
    if foreign > 0.0:
        try:
            parts += used(alloy(told.foreign).name, told.used * foreign)
        except MaterialError as error:
            raise SettingsError(f"stock.foreign: {error}") from None
    whole = renamed(blend(parts, f"USED-{recipe.name}"), f"USED-{recipe.name}", parents=(),
                    cycle=max(told.uses, 1), origin="used")
    lots = [whole]
    if told.virgin > 0.0:
        lots.append(PowderLot.virgin(
            f"NEW-{recipe.alloy}", recipe.alloy, told.virgin, told.d50, told.spread,
            high=1.5 * told.d50, oxygen=told.virgin_oxygen, moisture=40e-6, satellites=0.05,
            irregular=0.01, origin="bought", measured={"oxygen": told.virgin_oxygen},
            sigma={"oxygen": 20e-6}))
    return tuple(lots)


def recycling_program(
    recipe: Recipe, lots: tuple[PowderLot, ...], given: bool = False
) -> tuple[Program, list[str]]:
    """A program of batches, and what its separation promises.

    `SettingsError` for what cannot be separated so, for too much powder or none, and for powder
    that is mostly coarser than the mesh.
    """
    used = [lot for lot in lots if not virgin(lot)] or list(lots)
    mass, batches = sum(lot.mass for lot in used), recipe.recovery.batches
    if mass > RecyclingLine.ROOM:
        raise SettingsError(f"lots: {mass:.4g} kg of used powder, the line takes "
                            f"{RecyclingLine.ROOM:g} kg")
    if mass / batches > RecyclingLine.HOPPER:
        raise SettingsError(f"recovery.batches: {mass:.4g} kg in {batches} batches are more than "
                            f"the {RecyclingLine.HOPPER:g} kg that the line's hopper holds")
    separating, mesh = recipe.separating, recipe.sieving.mesh
    job = RecyclingJob(recipe.name, alloy(recipe.alloy), batches, separating.method, lots, given,
                       separating.frequency)
    try:
        promise = check_powder(lots, job)
    except ValueError as reason:
        raise SettingsError(str(reason)) from None
    notes = [promise] if promise else []
    coarse = 1.0 - below(blend(used, "used").masses, mesh) if recipe.sieving.use else 0.0
    told = f"{coarse:.0%} of the powder is coarser than the mesh of {mesh * 1e6:.4g} um"
    if coarse > COARSE:
        raise SettingsError(f"sieving.mesh: {told}; take a coarser mesh or another recipe for "
                            f"{recipe.alloy}")
    if coarse > 0.1:
        notes.append(told)
    return Program(job, recipe), notes


def build(settings: Settings, progress: Progress) -> Built:
    """The machine of some settings; `SettingsError` or `RecipeError`."""
    check_common(settings)
    recipe = chosen_recipe(settings, "Ti-6Al-4V")
    lots: tuple[PowderLot, ...] = ()
    if settings.lots:
        from emulators.lots import load_lots

        lots = load_lots(settings.lots)
        certified = [lot.measured["oxygen"] for lot in lots
                     if virgin(lot) and "oxygen" in lot.measured]
        if certified:
            recipe = recipe.changed({"stock.virgin_oxygen": max(certified)})
    lots = lots or stock(recipe)
    program, notes = recycling_program(recipe, lots, bool(settings.lots))
    plain = [lot.plain() for lot in lots]
    about = {"lots": [lot.id for lot in lots], "plan_digest": content_hash(plain)}
    return assemble(settings, KIND, RecyclingLine(settings.seed), RecyclingLineController, program,
                    notes=notes, about=about)


def trees() -> tuple[Plant, Controller]:
    """Plant and controller as declared."""
    plant = RecyclingLine(0)
    return plant, RecyclingLineController(plant, Readings(plant, 0), {})


"""Binder jetting, put together from settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from emulators.catalog import MACHINES
from emulators.controllers.base import Controller
from emulators.controllers.binder_jet import BinderJetController
from emulators.controllers.build import Program
from emulators.part_files import job_name, parts_of
from emulators.recipes.binder_jet import Recipe
from emulators.settings import (
    Built,
    Figure,
    Progress,
    Settings,
    assemble,
    check_common,
    chosen_recipe,
)
from twin.equipment.print_head import JetJob
from twin.image import Readings
from twin.machine import Plant
from twin.machines.binder_jet import BinderJet
from twin.materials import alloy
from twin.parts import BuildPlan, Part, arrange
from twin.parts.spans import unsupported_span
from twin.physics.sintering import anisotropic_shrinkage

__all__ = ["FIGURES", "build", "jet_program", "oversize", "trees"]

KIND = MACHINES["binder-jet"]
FIGURES = (
    Figure("printed area", "sum(area) * 1e4", "cm2", 1),
    Figure("printing", "sum(duration) / 60", "min", 1),
    Figure("binder saturation", "avg(saturation) * 100", "%", 1),
    Figure("weakest column of a layer", "min(saturation_weakest) * 100", "%", 1),
    Figure("strongest streak", "max(streak) * 100", "%", 1),
    Figure("green density", "avg(green_density) * 100", "%", 1),
    Figure("growth of the outline, most", "max(edge_growth) * 1e6", "um", 0),
    Figure("bed when printed", "avg(bed_temperature) - 273.15", "°C", 0),
    Figure("binder used", "sum(binder) * 1e3", "g", 2),
)


def oversize(recipe: Recipe) -> tuple[float, float, float]:
    """Factors in x, y and z by which parts are enlarged for the sintering to come."""
    shrinkage = recipe.shrinkage
    if not shrinkage.compensate:
        return 1.0, 1.0, 1.0
    plane, build_up = anisotropic_shrinkage(
        recipe.powder.packing, shrinkage.sintered_density, shrinkage.ratio)
    return 1.0 / (1.0 - plane), 1.0 / (1.0 - plane), 1.0 / (1.0 - build_up)


def _enlarged(part: Part, scale: tuple[float, float, float]) -> Part:
    mesh = part.mesh.copy()
    mesh.vertices = mesh.vertices * scale
    return replace(part, mesh=mesh)


def jet_program(
    parts: Sequence[Part],
    recipe: Recipe,
    positions: Sequence[tuple[float, float, float]] | None = None,
) -> Program:
    """A program that prints parts side by side in one box, enlarged for their shrinkage.

    Raises `PartError` if they do not fit the build volume.
    """
    scale = oversize(recipe)
    large = [_enlarged(part, scale) for part in parts]
    placed = arrange(large, BinderJet.PLATE, BinderJet.HEIGHT, positions=positions)
    plan = BuildPlan(placed, recipe.layer_thickness, plate_size=BinderJet.PLATE)
    spans = [unsupported_span(part) for part in large]
    job = JetJob(
        name=job_name(parts),
        plan=plan,
        alloy=alloy(recipe.alloy),
        nominal=tuple(part.size for part in parts),
        scale=scale,
        packing=recipe.powder.packing,
        grain=recipe.powder.grain,
        dot=(recipe.printing.dot_x, recipe.printing.dot_y),
        frequency=recipe.printing.frequency,
        dosing=recipe.spreading.dosing_factor,
        # Of a plate the volume over half of the surface is the thickness.
        walls=tuple(2.0 * part.volume / float(part.mesh.area) for part in large),
        spans=tuple(spans),
    )
    return Program(job, recipe)


def build(settings: Settings, progress: Progress) -> Built:
    """The machine of some settings; `SettingsError`, `PartError` or `RecipeError`."""
    check_common(settings)
    recipe = chosen_recipe(settings, "316L")
    parts, notes = parts_of(settings)
    program = jet_program(parts, recipe, settings.places or None)
    x, _, z = program.job.scale
    notes.append(f"parts enlarged by {x:.4f} in x and y and {z:.4f} in z for sintering")
    plant = BinderJet(settings.seed, settings.fidelity, settings.pictures)
    plan = program.job.plan
    about = {"plan": plan.describe(), "plan_digest": plan.digest,
             "scale": list(program.job.scale), "nominal": [list(s) for s in program.job.nominal]}
    return assemble(settings, KIND, plant, BinderJetController, program, notes=notes, about=about)


def trees() -> tuple[Plant, Controller]:
    """Plant and controller as declared."""
    plant = BinderJet(0)
    return plant, BinderJetController(plant, Readings(plant, 0), {})

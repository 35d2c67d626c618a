"""From part files and a recipe to a program that a PBF-LB machine can build."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from emulators.controllers.build import Program
from emulators.part_files import file_name, job_name
from emulators.recipes.pbf_lb import Recipe
from twin.equipment.exposure import BuildJob, VectorSet
from twin.machines.pbf_lb import PbfLb
from twin.materials import alloy
from twin.parts import (
    BuildPlan,
    HatchStyle,
    Part,
    Placement,
    Role,
    SupportStyle,
    arrange,
)

__all__ = ["build_program", "cli_program", "pbf_lb_program"]


def hatch_style(recipe: Recipe) -> HatchStyle:
    """The geometry side of a recipe."""
    hatch, contour = recipe.hatch, recipe.contour
    islands = hatch.pattern == "islands"
    return HatchStyle(
        pattern=hatch.pattern,
        hatch_spacing=hatch.hatch_spacing,
        stripe_width=hatch.island_size if islands else hatch.stripe_width,
        stripe_overlap=hatch.stripe_overlap,
        rotation=hatch.rotation,
        start_angle=hatch.start_angle,
        beam_offset=contour.beam_offset,
        contours=contour.count,
        contour_spacing=contour.spacing,
        contour_first=contour.first,
        upskin_layers=recipe.upskin.layers if recipe.upskin else 0,
        downskin_layers=recipe.downskin.layers if recipe.downskin else 0,
    )


def pbf_lb_program(name: str, plan: BuildPlan, recipe: Recipe) -> Program:
    """A program from ready layers and a recipe."""
    hatch, metal = recipe.hatch, alloy(recipe.alloy)
    sets = {}
    for role, chosen in (
        (Role.CONTOUR, recipe.contour),
        (Role.SUPPORT, recipe.support),
        (Role.UPSKIN, recipe.upskin),
        (Role.DOWNSKIN, recipe.downskin),
    ):
        if chosen is not None:
            sets[int(role)] = VectorSet(
                chosen.power / hatch.power,
                chosen.speed / hatch.speed,
                chosen.spot_d4sigma / hatch.spot_d4sigma,
            )
    timing = recipe.scanner
    job = BuildJob(
        name=name,
        plan=plan,
        alloy=metal,
        sigma=hatch.spot_d4sigma / 4,
        hatch_spacing=hatch.hatch_spacing,
        sets=sets,
        jump_speed=timing.jump_speed,
        laser_delay=timing.laser_on_delay + timing.laser_off_delay,
        mark_delay=timing.mark_delay + timing.jump_delay,
        bulk_density=float(metal.density(300.0)) * metal.powder_packing,
        dosing=recipe.recoating.dosing_factor,
    )
    return Program(job, recipe)


def build_program(
    parts: Sequence[Part],
    recipe: Recipe,
    lasers: int = 1,
    supports: bool = True,
    positions: Sequence[tuple[float, float, float]] | None = None,
) -> Program:
    """A program that builds parts side by side on one plate.

    Raises `PartError` if they do not fit the build volume of the machine.
    """
    placed: list[Placement] = arrange(parts, PbfLb.PLATE, PbfLb.HEIGHT, positions=positions)
    support = recipe.support
    style = (
        SupportStyle(
            kind=support.kind, critical_angle=support.critical_angle, spacing=support.wall_spacing
        )
        if supports
        else None
    )
    plan = BuildPlan(
        placed, recipe.layer_thickness, hatch_style(recipe), style, lasers, plate_size=PbfLb.PLATE
    )
    return pbf_lb_program(job_name(parts), plan, recipe)


def cli_program(file: str | Path, recipe: Recipe, lasers: int = 1) -> Program:
    """A program that marks the layers of a Common Layer Interface file as they are."""
    plan = BuildPlan.from_cli(file, None, lasers, plate_size=PbfLb.PLATE)
    return pbf_lb_program(file_name(file), plan, recipe)

"""Electron beam powder bed fusion, put together from settings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from emulators.catalog import MACHINES
from emulators.controllers.base import Controller
from emulators.controllers.build import Program
from emulators.controllers.pbf_eb import PbfEbController
from emulators.layer_fidelity import check_fidelity, with_fidelity
from emulators.melt_pools import melt_pools
from emulators.part_files import file_name, is_layers, job_name, parts_of
from emulators.recipes.pbf_eb import Recipe
from emulators.settings import (
    Built,
    Figure,
    Progress,
    Settings,
    SettingsError,
    assemble,
    check_common,
    chosen_recipe,
    in_range,
    one_of,
)
from twin.equipment.exposure import BuildJob, VectorSet
from twin.image import Readings
from twin.machine import Plant
from twin.machines.pbf_eb import PbfEb
from twin.materials import alloy
from twin.parts import BuildPlan, HatchStyle, Part, Role, SupportStyle, arrange
from twin.parts.points import BeamPattern
from twin.physics.electron_beam import (
    absorbed_share,
    area_energy,
    keyhole_number,
    lack_of_fusion_index,
    melt_energy,
    rosenthal_pool,
    spot_rise,
    tile_area,
    tile_power,
    tile_rate,
)

__all__ = ["FIGURES", "build", "pbf_eb_plan", "pbf_eb_program", "trees"]

KIND = MACHINES["pbf-eb"]
LEVELS = ("laws", "sources")
FIGURES = (
    Figure("scan vectors or points", "sum(vectors)", digits=0),
    Figure("melting", "sum(duration) / 60", "min", 1),
    Figure("areal energy of the hatch", "avg(area_energy) / 1e6", "J/mm²", 2),
    Figure("melt-pool width over the hatch", "avg(width_mean) * 1e6", "um", 1),
    Figure("melt-pool depth over the hatch", "avg(depth_mean) * 1e6", "um", 1),
    Figure("bed surface while melting", "avg(bed_temperature) - 273.15", "°C", 0),
    Figure("aluminium lost by evaporation", "avg(aluminium_loss) * 100", "% of mass", 3),
    Figure("heat brought in over what can flow off", "max(heat_share)", digits=2),
    Figure("indications of the electron image", "sum(indications)", digits=0),
    Figure("porosity", "avg(porosity) * 100", "%", 3),
    Figure("defects placed", "sum(defects)", digits=0),
    Figure("hottest interlayer", "max(interlayer_temperature) - 273.15", "°C", 0),
)

MUCH = 40.0
"""Times the energy that melts a layer, above which a recipe deserves a warning, default."""


def _pitch(recipe: Recipe) -> float:
    """What a line, a point or a tile takes across, m."""
    exposure = recipe.exposure
    return {"lines": recipe.hatch.hatch_spacing, "spots": exposure.spot_pitch,
            "tiles": exposure.tile_edge}[exposure.mode]


def _style(recipe: Recipe) -> HatchStyle:
    hatch, contour = recipe.hatch, recipe.contour
    return HatchStyle(
        pattern=hatch.pattern,
        hatch_spacing=hatch.hatch_spacing if recipe.exposure.mode != "spots" else _pitch(recipe),
        stripe_width=hatch.stripe_width,
        rotation=hatch.rotation,
        beam_offset=contour.beam_offset,
        contours=contour.count,
        contour_spacing=contour.spacing,
    )


def _pattern(recipe: Recipe, guns: int) -> BeamPattern | None:
    """Every gun reaches the whole bed, so that all beams share every section alike."""
    exposure = recipe.exposure
    beams = guns * exposure.splits
    if exposure.mode == "lines" and beams == 1:
        return None
    return BeamPattern(exposure.mode, _pitch(recipe), exposure.rounds, beams)


def pbf_eb_program(name: str, plan: BuildPlan, recipe: Recipe) -> Program:
    """A program from ready layers and a recipe."""
    hatch, exposure, metal = recipe.hatch, recipe.exposure, alloy(recipe.alloy)
    sets = {}
    for role, chosen in ((Role.CONTOUR, recipe.contour), (Role.SUPPORT, recipe.support)):
        sets[int(role)] = VectorSet(
            chosen.current / hatch.current,
            chosen.speed / hatch.speed,
            chosen.spot_d4sigma / hatch.spot_d4sigma,
        )
    if exposure.mode != "lines":
        spots = exposure.mode == "spots"
        dwell = exposure.spot_dwell if spots else exposure.tile_pulse
        # A tile is as wide as a Gaussian of its area: pi w^2, w = sqrt(2) sigma.
        wide = 4.0 * exposure.tile_edge / math.sqrt(2.0 * math.pi)
        spot = 1.0 if spots else wide / hatch.spot_d4sigma
        # From point to point of a vector in one dwell.
        speed = exposure.spot_pitch * exposure.rounds / dwell / hatch.speed if spots else 1.0
        for role in (Role.HATCH, Role.UPSKIN, Role.DOWNSKIN):
            sets[int(role)] = VectorSet(1.0, speed, spot, dwell)
    job = BuildJob(
        name=name,
        plan=plan,
        alloy=metal,
        sigma=hatch.spot_d4sigma / 4,
        hatch_spacing=_pitch(recipe),
        sets=sets,
        jump_speed=exposure.jump_speed,
        laser_delay=0.0,
        mark_delay=0.0,
        bulk_density=float(metal.density(300.0)) * metal.powder_packing,
        rated_power=hatch.current * recipe.preheat.voltage,
        dosing=recipe.raking.dosing_factor,
        tank=recipe.preheat.tank,
    )
    return Program(job, recipe)


def pbf_eb_plan(
    parts: Sequence[Part], recipe: Recipe, guns: int = 1, supports: bool = True,
    positions: Sequence[tuple[float, float, float]] | None = None,
) -> BuildPlan:
    """The layers of parts side by side on one plate; `PartError` if they do not fit."""
    placed = arrange(parts, PbfEb.PLATE, PbfEb.HEIGHT, positions=positions)
    support = recipe.support
    style = (
        SupportStyle(
            kind="line", critical_angle=support.critical_angle, spacing=support.wall_spacing)
        if supports
        else None
    )
    return BuildPlan(
        placed, recipe.layer_thickness, _style(recipe), style, plate_size=PbfEb.PLATE,
        arrange=_pattern(recipe, guns))


def forecast(recipe: Recipe) -> list[str]:
    """What closed forms say of a recipe before anything is melted, for notes."""
    hatch, exposure, volts = recipe.hatch, recipe.exposure, recipe.preheat.voltage
    power = hatch.current * volts
    energy = {
        "lines": power / (hatch.speed * hatch.hatch_spacing),
        "spots": power * exposure.spot_dwell / exposure.spot_pitch**2,
        "tiles": power * exposure.tile_pulse / exposure.tile_edge**2,
    }[exposure.mode]
    needed = float(melt_energy(alloy(recipe.alloy), recipe.layer_thickness, recipe.preheat.bed))
    times = absorbed_share(alloy(recipe.alloy)) * energy / max(needed, 1e-9)
    much = [f"{energy * 1e-6:.3g} J/mm² is {times:.0f} times what melts a layer: metal boils off, "
            "the part swells"] if times > MUCH else []
    return [*_outlook(recipe), *much]


def _outlook(recipe: Recipe) -> list[str]:
    """What the pools will be like."""
    metal, hatch, bed = alloy(recipe.alloy), recipe.hatch, recipe.preheat.bed
    rho, cp, k = (float(x) for x in metal.solid_means(bed))
    power, share = hatch.current * recipe.preheat.voltage, absorbed_share(metal)
    if recipe.exposure.mode == "tiles":
        pulse, edge = recipe.exposure.tile_pulse, recipe.exposure.tile_edge
        flux = float(tile_power(metal.liquidus - bed, pulse, k, k / (rho * cp)))
        flux += float(melt_energy(metal, recipe.layer_thickness, bed)) / pulse
        possible = float(tile_area(power, share, flux))
        rate = float(tile_rate(edge**2, recipe.layer_thickness, pulse, 0.0))
        return [f"tiles of {edge * 1e3:g} mm: the beam can melt {possible**0.5 * 1e3:.1f} mm in "
                f"{pulse * 1e3:g} ms from {bed - 273.15:.0f} °C; {rate * 3.6e9:.0f} cm³/h while "
                "melting"]
    if recipe.exposure.mode == "spots":
        times = np.geomspace(1e-7, 1.0, 400)
        rise = spot_rise(share * power, times, hatch.spot_d4sigma / 8**0.5, k, k / (rho * cp))
        melts = float(np.interp(metal.liquidus - bed, rise, times))
        area = power * recipe.exposure.spot_dwell / recipe.exposure.spot_pitch**2
        layer = float(melt_energy(metal, recipe.layer_thickness, bed))
        dwell = recipe.exposure.spot_dwell
        return [f"points: {area * 1e-6:.2f} J/mm², of which {layer * 1e-6:.2f} melt the layer; "
                f"the middle melts after {melts * 1e6:.0f} us of {dwell * 1e6:.0f}"]
    area = float(area_energy(recipe.preheat.voltage, hatch.current, hatch.speed,
                             hatch.hatch_spacing))
    pool = rosenthal_pool(share * power, hatch.speed, metal.solidus - bed, k, k / (rho * cp))
    gaps = float(lack_of_fusion_index(pool.width[0], pool.depth[0], hatch.hatch_spacing,
                                      recipe.layer_thickness))
    keyhole = float(keyhole_number(share * power, hatch.speed, hatch.spot_d4sigma / 8**0.5,
                                   metal, bed))
    return [f"hatch: {area * 1e-6:.2f} J/mm², point source {pool.width[0] * 1e6:.0f} um wide and "
            f"{pool.depth[0] * 1e6:.0f} um deep (gaps above 1: {gaps:.2f}; keyholes above about 6: "
            f"{keyhole:.1f})"]


def build(settings: Settings, progress: Progress) -> Built:
    """The machine of some settings; `SettingsError`, `PartError` or `RecipeError`."""
    one_of("melt_pool", settings.melt_pool, LEVELS, ("table", "solver"))
    check_fidelity(settings)
    check_common(settings)
    recipe: Recipe = chosen_recipe(settings, "Ti-6Al-4V")
    most = PbfEb.MOST_BEAMS // recipe.exposure.splits
    in_range("beams", settings.beams, 1, most)
    notes: list[str] = []
    if len(settings.parts) == 1 and is_layers(settings.parts[0]):
        file = settings.parts[0]
        if _pattern(recipe, settings.beams) is not None:
            raise SettingsError(f"{file}: ready layers are marked as they are, with the lines of "
                                f"one beam; recipe {recipe.name} or beams want another pattern")
        plan = BuildPlan.from_cli(file, None, plate_size=PbfEb.PLATE)
        name = file_name(file)
    else:
        parts, notes = parts_of(settings)
        plan = pbf_eb_plan(parts, recipe, settings.beams, settings.supports,
                           settings.places or None)
        name = job_name(parts)
    program = pbf_eb_program(name, plan, recipe)
    program = with_fidelity(program, settings, PbfEb.CELLS, progress)
    chosen: Any = recipe
    pools = melt_pools(
        settings.melt_pool, chosen, lasers=settings.beams, cell=30e-6, lag=None,
        scan_period=settings.scan_ms / 1000, progress=progress)
    notes += [*forecast(recipe), *pools.notes]
    plant = PbfEb(settings.seed, settings.beams, recipe.exposure.splits, pools.models,
                  settings.pictures)
    about = {"plan": program.job.plan.describe(), "plan_digest": program.job.plan.digest,
             **pools.about}
    return assemble(settings, KIND, plant, PbfEbController, program, notes=notes, about=about,
                    warm=pools.warm)


def trees() -> tuple[Plant, Controller]:
    """Plant and controller as declared."""
    plant = PbfEb(0)
    return plant, PbfEbController(plant, Readings(plant, 0), {})

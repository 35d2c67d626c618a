"""Laser powder bed fusion, put together from settings."""

from __future__ import annotations

from emulators.catalog import MACHINES
from emulators.controllers.base import Controller
from emulators.controllers.build import Program
from emulators.controllers.pbf_lb import PbfLbController
from emulators.layer_fidelity import check_fidelity, with_fidelity
from emulators.melt_pools import LEVELS, melt_pools
from emulators.part_files import is_layers, parts_of
from emulators.programs import build_program, cli_program
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
from twin.equipment.live_pool import MAX_LAG
from twin.image import Readings
from twin.machine import Plant
from twin.machines.pbf_lb import PbfLb

__all__ = ["FIGURES", "build", "trees"]

KIND = MACHINES["pbf-lb"]
FIGURES = (
    Figure("scan vectors", "sum(vectors)", digits=0),
    Figure("scan length", "sum(scan_length) / 1000", "km", 3),
    Figure("exposure", "sum(duration) / 60", "min", 1),
    Figure("melt-pool width over the hatch", "avg(width_mean) * 1e6", "um", 1),
    Figure("its deviation from layer to layer", "stddev(width_mean) * 1e6", "um", 1),
    Figure("melt-pool depth over the hatch", "avg(depth_mean) * 1e6", "um", 1),
    Figure("photodiode over the hatch", "avg(photodiode_mean) * 1e3", "mV", 0),
    Figure("keyhole share", "avg(keyhole_share) * 100", "%", 1),
    Figure("porosity", "avg(porosity) * 100", "%", 3),
    Figure("defects placed", "sum(defects)", digits=0),
    Figure("hottest interlayer", "max(interlayer_temperature) - 273.15", "°C", 0),
)


def build(settings: Settings, progress: Progress) -> Built:
    """The machine of some settings; `SettingsError`, `PartError` or `RecipeError`."""
    one_of("melt_pool", settings.melt_pool, LEVELS)
    check_fidelity(settings)
    in_range("melt_pool_cell_um", settings.melt_pool_cell_um, 5, 100)
    if settings.melt_pool_lag is not None:
        in_range("melt_pool_lag", settings.melt_pool_lag, 0, MAX_LAG)
    check_common(settings)
    one_of("blade", settings.blade, ("hard", "soft"))
    in_range("lasers", settings.lasers, 1, 12)
    recipe = chosen_recipe(settings, "IN718")
    notes: list[str] = []
    program: Program
    if len(settings.parts) == 1 and is_layers(settings.parts[0]):
        program = cli_program(settings.parts[0], recipe, settings.lasers)
    else:
        parts, notes = parts_of(settings)
        program = build_program(
            parts, recipe, settings.lasers, settings.supports, settings.places or None
        )
    program = with_fidelity(program, settings, PbfLb.CELLS, progress)
    try:
        pools = melt_pools(
            settings.melt_pool,
            recipe,
            lasers=settings.lasers,
            cell=settings.melt_pool_cell_um * 1e-6,
            lag=settings.melt_pool_lag,
            scan_period=settings.scan_ms / 1000,
            progress=progress,
        )
    except ValueError as error:
        raise SettingsError(str(error)) from None
    notes += pools.notes
    plant = PbfLb(
        settings.seed,
        settings.lasers,
        settings.blade,
        recipe.wavelength,
        pools.models,
        settings.pictures,
    )
    plan = program.job.plan
    about = {"plan": plan.describe(), "plan_digest": plan.digest, **pools.about}
    return assemble(settings, KIND, plant, PbfLbController, program, notes=notes, about=about,
                    warm=pools.warm)


def trees() -> tuple[Plant, Controller]:
    """Plant and controller as declared."""
    plant = PbfLb(0)
    return plant, PbfLbController(plant, Readings(plant, 0), {})

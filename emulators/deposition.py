"""From settings to a deposition machine: part or G-code files to passes, recipe to job."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from pathlib import Path
from typing import Any

from emulators.catalog import MACHINES
from emulators.controllers.build import BuildController, Program
from emulators.part_files import file_name, job_name, parts_of
from emulators.recipes import RecipeError
from emulators.recipes.ded import DedRecipe
from emulators.settings import (
    Built,
    Figure,
    Settings,
    SettingsError,
    assemble,
    check_common,
    chosen_recipe,
)
from twin.equipment.deposition import DepositionJob
from twin.equipment.wire_plant import WirePlant
from twin.materials import alloy
from twin.parts import PartError, arrange
from twin.parts.passes import PassPlan

__all__ = ["FIGURES", "GCODE", "HOTTEST", "WIRE_FIGURES", "WIRE_QUALITY", "build_wire",
           "deposition_job", "gcode_plan", "is_gcode", "pass_plan", "wire_point"]

GCODE = (".gcode", ".nc", ".ngc", ".tap", ".cnc")

HOTTEST = Figure("hottest interpass", "max(interpass_temperature) - 273.15", "°C", 0)
FIGURES = (
    Figure("passes", "sum(passes)", digits=0),
    Figure("path", "sum(path_length)", "m", 1),
    Figure("deposition", "sum(work) / 60", "min", 1),
    Figure("deposited volume", "sum(volume) * 1e6", "cm3", 2),
    Figure("height built", "max(height) * 1e3", "mm", 2),
    Figure("height of a layer", "avg(layer_height) * 1e3", "mm", 3),
    Figure("stand-off, lowest", "min(stand_off_low) * 1e3", "mm", 2),
    Figure("stand-off, highest", "max(stand_off_high) * 1e3", "mm", 2),
)
"""What every deposition machine's summary begins with."""
WIRE_FIGURES = (
    *FIGURES,
    Figure("bead width", "avg(width) * 1e3", "mm", 2),
    Figure("wire trimmed by the scanner", "(avg(trim) - 1) * 100", "%", 1),
)
WIRE_QUALITY = (
    Figure("porosity", "avg(porosity) * 100", "%", 3),
    HOTTEST,
    Figure("defects placed", "sum(defects)", digits=0),
)
"""What a wire machine's ends with."""

NEAR = (0.5, 2.0)
"""Of the recipe's, what speeds, powers and feeds a wire machine takes from a file; default."""
BEAD = (0.6, 1.6)
"""Of the recipe's cross-section of a bead and height of a layer, the same; default."""
MELTS = (0.75, 1.5)
"""Of the recipe's power for each metre of wire, the same; default."""


def is_gcode(file: str | Path) -> bool:
    """Whether a file holds a toolpath instead of a part's surface."""
    return not str(file).startswith("example:") and Path(file).suffix.lower() in GCODE


def gcode_plan(file: str | Path, recipe: DedRecipe, area: tuple[float, float],
               height: float) -> PassPlan:
    """The passes of a G-code file; `PartError` if it cannot be read or leaves the machine.

    Only its size is checked: a program has its zero where the operator sets it. `area` and
    `height` in metres.
    """
    passes = recipe.passes
    plan = PassPlan.from_gcode(file, passes.style(), passes.layer_height, passes.dwell_unit)
    x0, y0, x1, y1 = plan.bounds
    if x1 - x0 > area[0] or y1 - y0 > area[1] or plan.height > height:
        raise PartError(
            f"{Path(file).name}: the toolpath is {(x1 - x0) * 1e3:.0f} x {(y1 - y0) * 1e3:.0f} x "
            f"{plan.height * 1e3:.0f} mm, larger than the machine: "
            f"{area[0] * 1e3:.0f} x {area[1] * 1e3:.0f} x {height * 1e3:.0f} mm")
    return plan


def pass_plan(settings: Settings, recipe: DedRecipe, area: tuple[float, float],
              height: float) -> tuple[str, PassPlan, list[str]]:
    """Name, passes and notes of a job from a run's settings; `PartError` or `SettingsError`."""
    if len(settings.parts) == 1 and is_gcode(settings.parts[0]):
        plan = gcode_plan(settings.parts[0], recipe, area, height)
        name = file_name(settings.parts[0])
        notes = list(plan.notes)
        empty = sum(each.feedstock == 0 for i in range(len(plan)) for each in plan.layer(i).passes)
        if empty:
            notes.append(f"{empty} passes with no feedstock (M302 P0): nothing is laid in them")
        return name, plan, notes
    parts, notes = parts_of(settings)
    spacing = 2 * recipe.passes.bead_width
    placed = arrange(parts, area, height, spacing, positions=settings.places or None)
    plan = PassPlan(placed, recipe.passes.layer_height, recipe.passes.style(), settings.supports)
    return job_name(parts), plan, notes


def wire_point(
    plan: PassPlan, recipe: Any, power: str = ""
) -> tuple[PassPlan, dict[str, float], list[str]]:
    """How a wire machine runs the settings that the passes of a file have: plan, changes, notes.

    The file's medians become the working point where a bead can be laid with them: `power` names
    the recipe's field of the source's demand (empty: the machine takes none from a program). What
    cannot be used is taken out of the passes, and layers that are much lower or higher than the
    bead are drawn to the recipe's layer height.
    """
    found = plan.own_settings()
    if not found:
        return plan, {}, []
    section, _, name = power.partition(".")
    usual = {"feed": recipe.motion.travel_speed, "feedstock": recipe.wire.feed,
             "demand": getattr(getattr(recipe, section), name) if power else inf}

    def near(value: float, of: float, band: tuple[float, float]) -> bool:
        return band[0] <= value / of <= band[1]

    scale = {"feed": 1.0, "feedstock": 60.0, "demand": 1.0}  # wire feed of a file is in m/min
    usable = {each for each in found if (each != "demand" or power) and all(
        near(value / scale[each], usual[each], NEAR) for value in plan.own_values(each))}
    height = recipe.passes.layer_height
    lower = plan.layer_thickness / height if len(plan) > 1 else 1.0
    fits = near(lower, 1.0, BEAD)

    def point(names: set[str], by_height: float) -> dict[str, float] | None:
        v, p = (found[n] if n in names else usual[n] for n in ("feed", "demand"))
        w = usual["feedstock"] * v / usual["feed"] * by_height
        if "feedstock" in names:
            w = found["feedstock"] / 60
        metal = (w / v) / (usual["feedstock"] / usual["feed"])
        heat = (p / w) / (usual["demand"] / usual["feedstock"]) if power else 1.0
        good = near(metal, by_height, BEAD) and near(heat, 1.0, MELTS)
        return {"feed": v, "feedstock": w, "demand": p} if good else None

    first = lower if fits else 1.0
    tries = [(names, by) for by in dict.fromkeys((first, 1.0)) for names in (
        usable, usable - {"feedstock"}, usable - {"demand"}, usable - {"demand", "feedstock"})]
    used, by, chosen = next(((names, by, made) for names, by in tries
                             if (made := point(names, by)) is not None), (set(), 1.0, usual))
    changes = {"motion.travel_speed": chosen["feed"], "wire.feed": chosen["feedstock"]}
    if power:
        changes[power] = chosen["demand"]
    words = [f"{chosen['feed'] * 1e3:g} mm/s", f"{chosen['feedstock'] * 60:.3g} m/min of wire"]
    words += [f"{chosen['demand']:g} W"] if power else []
    notes = ["working point: " + ", ".join(words)]
    said = {"feed": f"feed ({found.get('feed', 0) * 1e3:g} mm/s)",
            "demand": f"power (S{found.get('demand', 0):g})",
            "feedstock": f"feedstock demand (P{found.get('feedstock', 0):g})"}
    left = [each for each in found if each not in used]
    if left:
        why = ("no bead of wire can be laid with it" if power or left != ["demand"]
               else "the arc keeps the recipe's voltage")
        notes.append(f"{', '.join(said[each] for each in left)} of the file not used, the "
                     f"recipe's instead: {why}")
    step = 0.0
    if by != lower and not near(lower, by, (0.99, 1.01)):
        step = height
        notes.append(f"layers of {plan.layer_thickness * 1e3:.3g} mm are not those of this wire: "
                     f"drawn to the recipe's {height * 1e3:g} mm")
    return plan.adapted(left, step), changes, notes


def deposition_job(name: str, plan: PassPlan, recipe: DedRecipe, source: float, feedstock: float,
                   settings: Any) -> DepositionJob:
    """A job of ready passes at a recipe's working point.

    `source` and `feedstock`: demands in the machine's own units; `settings` of its process.
    """
    return DepositionJob(
        name=name, plan=plan, alloy=alloy(recipe.alloy), feed=recipe.motion.travel_speed,
        source=source, feedstock=feedstock, step=recipe.passes.layer_height,
        stand_off=recipe.motion.stand_off, settings=settings)


def build_wire(
    settings: Settings, usual: str, plant: type[WirePlant],
    control: Callable[..., BuildController],
    program: Callable[[str, PassPlan, Any], Program], power: str = "",
) -> Built:
    """A wire machine of some settings; `usual` recipe, `power` as for `wire_point`.

    `SettingsError`, `PartError` or `RecipeError`.
    """
    check_common(settings)
    recipe = chosen_recipe(settings, usual)
    name, plan, notes = pass_plan(settings, recipe, plant.PLATE, plant.HEIGHT)
    plan, own, told = wire_point(plan, recipe, power)
    try:
        recipe = recipe.changed(own) if own else recipe
    except RecipeError as error:
        raise SettingsError(str(error)) from None
    return assemble(
        settings, MACHINES[settings.machine],
        plant(settings.seed, summary=settings.fidelity == "layer"), control,
        program(name, plan, recipe), notes=[*notes, *told],
        about={"plan": plan.describe(), "plan_digest": plan.digest})

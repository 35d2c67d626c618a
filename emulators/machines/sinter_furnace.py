"""The sinter furnace, put together from settings: green parts in, sintered parts out."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from emulators.canonical import content_hash
from emulators.catalog import MACHINES
from emulators.controllers.base import Controller
from emulators.controllers.build import Program
from emulators.controllers.sinter_furnace import SinterFurnaceController
from emulators.lots import LotError, operations_of
from emulators.part_files import job_name, load_parts
from emulators.recipes.sinter_furnace import Recipe
from emulators.record import RecordError, open_run
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
from twin.equipment.charge import GreenPart, SinterMaterial
from twin.image import Readings
from twin.machine import Plant
from twin.machines.sinter_furnace import SinterFurnace, SinterJob, SinterSegment
from twin.materials import alloy
from twin.parts import Part, PartError
from twin.parts.spans import unsupported_span
from twin.physics.sintering import MasterCurve, Segment, anisotropic_shrinkage
from twin.powder.operations import Item

__all__ = ["FIGURES", "build", "expected", "green_parts", "sinter_program", "trees"]

KIND = MACHINES["sinter-furnace"]
FIGURES = (
    Figure("relative density", "max(density) * 100", "%", 2),
    Figure("carbon", "max(carbon) * 1e6", "ppm", 0),
    Figure("sag of the longest span", "max(sag) * 1e6", "um", 0),
    Figure("burst index while debinding", "max(burst_index)", digits=2),
    Figure("programme", "sum(duration) / 3600", "h", 1),
)
_AXES = "xyz"


def material(recipe: Recipe) -> SinterMaterial:
    """How the recipe's powder sinters."""
    sintering = recipe.sintering
    metal = alloy(recipe.alloy)
    carbon = float(metal.composition.get("C", 2e-4))
    return SinterMaterial(
        curve=MasterCurve(sintering.energy, sintering.slope, sintering.centre, sintering.green),
        solid_density=float(metal.density(300.0)),
        solidus=sintering.solidus,
        liquidus=sintering.liquidus,
        own_carbon=carbon,
        ratio=sintering.ratio,
    )


def segments(recipe: Recipe) -> tuple[SinterSegment, ...]:
    """The furnace's programme: debinding in steps, a hold before sintering, sintering."""
    debinding, before, sintering = recipe.debinding, recipe.presintering, recipe.sintering
    found = []
    for step in range(debinding.steps):
        share = step / max(debinding.steps - 1, 1)
        found.append(SinterSegment(
            f"debind {step + 1}", debinding.first + share * (debinding.last - debinding.first),
            debinding.rate, debinding.time / debinding.steps, debinding.gas))
    if before.hold > 0:
        found.append(SinterSegment("presinter", before.temperature, before.rate, before.hold,
                                   before.gas))
    found.append(SinterSegment("sinter", sintering.temperature, sintering.rate, sintering.hold,
                               sintering.gas))
    return tuple(found)


def expected(recipe: Recipe, green: float) -> float:
    """Relative density that a part of relative density `green` will reach, by the curve alone."""
    made = material(recipe)
    steps = [Segment(s.target, s.rate, s.hold) for s in segments(recipe)]
    return made.curve.density(made.curve.work(steps), green)


def _from_part(part: Part, recipe: Recipe) -> GreenPart:
    """A part file: its green part was enlarged for what this recipe will do, or not at all."""
    density = recipe.green.density
    plane, build_up = 0.0, 0.0
    if recipe.green.compensated:
        plane, build_up = anisotropic_shrinkage(
            density, expected(recipe, density), recipe.sintering.ratio)
    scale = (1 / (1 - plane), 1 / (1 - plane), 1 / (1 - build_up))
    x, y, z = (edge * factor for edge, factor in zip(part.size, scale, strict=True))
    span, over = unsupported_span(part)
    return GreenPart(
        part.name, part.size, (x, y, z), density, recipe.green.resin,
        wall=2.0 * part.volume / float(part.mesh.area) * scale[0],
        span=span * scale[0], span_height=over * scale[2],
        fill=part.volume / math.prod(part.size))


def _from_record(folder: str, recipe: Recipe) -> list[GreenPart]:
    """The sound green parts of a binder-jet run's record; `SettingsError` if there are none."""
    try:
        run = open_run(folder)
        if run.meta["machine"] != "binder-jet":
            raise SettingsError(f"{folder}: the record of a {run.meta['machine']} run holds no "
                                "green parts; name that of a binder-jet run or a part file")
        rows = run.sql("select fields from events where kind = 'part' order by time").fetchall() \
            if "events" in run.tables() else []
    except RecordError as error:
        raise SettingsError(str(error)) from None
    told: list[dict[str, Any]] = [json.loads(fields) for (fields,) in rows]
    sound = [fields for fields in told if fields["sound"] and fields["complete"]]
    if not sound:
        reason = f"{len(told)} broke or were never finished" if told else \
            "the run has not come to its depowdering"
        raise SettingsError(f"{folder}: no sound green part in the record; {reason}")
    if sound[0]["alloy"] != recipe.alloy:
        raise SettingsError(f"{folder}: the green parts are of {sound[0]['alloy']}, the recipe "
                            f"{recipe.name} is for {recipe.alloy}")
    return [
        GreenPart(
            fields["name"],
            tuple(fields[f"nominal_{axis}"] for axis in _AXES),
            tuple(fields[f"green_{axis}"] for axis in _AXES),
            fields["green_density"], fields["resin"], fields["wall"], fields["span"],
            fields["span_height"], fields["weakest"],
            min(fields["volume"] / math.prod(fields[f"green_{axis}"] for axis in _AXES), 1.0),
            fields.get("grain", 1.0))
        for fields in sound
    ]


def green_parts(settings: Settings, recipe: Recipe) -> tuple[list[GreenPart], list[str]]:
    """Green parts of the settings' part files and records, and notes on them."""
    found: list[GreenPart] = []
    notes: list[str] = []
    seen: set[Path] = set()
    for name in settings.parts:
        if Path(name).is_dir():
            if Path(name).resolve() in seen:
                raise SettingsError(f"{name}: named twice; a green part can be sintered only once")
            seen.add(Path(name).resolve())
            from_record = _from_record(name, recipe)
            found += from_record
            notes.append(f"{name}: {len(from_record)} green parts of a binder-jet run")
            continue
        for part in load_parts([name], settings.unit):
            notes += [f"{part.name}: {note}" for note in part.notes]
            found.append(_from_part(part, recipe))
    _fit(found)
    return found, notes


def _items(settings: Settings) -> list[Item]:
    """The same green parts as the records of their printing tell of their material."""
    found: list[Item] = []
    for name in settings.parts:
        if not Path(name).is_dir():
            continue
        try:
            made = [out for operation in operations_of(open_run(name))
                    for out in operation.outputs if isinstance(out, Item)]
        except (RecordError, LotError) as error:
            raise SettingsError(str(error)) from None
        found += sorted((item for item in made if item.kind == "green part"
                         and item.about["sound"] and item.about["complete"]),
                        key=lambda item: int(item.about["number"]))
    return found


def _fit(parts: list[GreenPart]) -> None:
    """`PartError` if green parts are too large or too many for the furnace's room."""
    for part in parts:
        if any(edge > room for edge, room in zip(part.green, SinterFurnace.ROOM, strict=True)):
            size, room = (" × ".join(f"{edge * 1e3:.4g}" for edge in edges)
                          for edges in (part.green, SinterFurnace.ROOM))
            raise PartError(f"{part.name}: the green part is {size} mm, larger than the furnace's "
                            f"room {room} mm")
    taken = sum(math.prod(part.green) for part in parts)
    offered = SinterFurnace.CHARGE * math.prod(SinterFurnace.ROOM)
    if len(parts) > 1 and taken > offered:
        raise PartError(f"{len(parts)} green parts take {taken * 1e3:.4g} L with their boxes, the "
                        f"furnace's trays hold {offered * 1e3:.4g} L")


def sinter_program(parts: list[GreenPart], recipe: Recipe) -> Program:
    """A program that debinds and sinters parts."""
    quality = recipe.quality
    job = SinterJob(job_name(parts), alloy(recipe.alloy), tuple(parts), material(recipe),
                    segments(recipe), quality.tolerance, quality.density, quality.carbon)
    return Program(job, recipe)


def build(settings: Settings, progress: Progress) -> Built:
    """The machine of some settings; `SettingsError`, `PartError` or `RecipeError`."""
    check_common(settings)
    recipe = chosen_recipe(settings, "316L")
    parts, notes = green_parts(settings, recipe)
    if not parts:
        raise SettingsError("the furnace has nothing to sinter: name a part or a record")
    program = sinter_program(parts, recipe)
    items = _items(settings)
    if len(items) == len(parts):
        program = replace(program, job=replace(program.job, items=tuple(items)))
    # A replay notices green parts that are no longer what they were.
    about = {"parts": [asdict(part) for part in parts],
             "plan_digest": content_hash([asdict(part) for part in parts])}
    return assemble(settings, KIND, SinterFurnace(settings.seed), SinterFurnaceController, program,
                    notes=notes, about=about)


def trees() -> tuple[Plant, Controller]:
    """Plant and controller as declared."""
    plant = SinterFurnace(0)
    return plant, SinterFurnaceController(plant, Readings(plant, 0), {})

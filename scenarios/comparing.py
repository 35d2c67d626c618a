"""`amtwin compare`: the same part on every build machine, offline and as fast as possible."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

if TYPE_CHECKING:
    from emulators.catalog import Built, Settings
    from emulators.emulator import Emulator
    from twin.parts import Part

__all__ = ["FURNACE", "Row", "comparable", "compare", "print_rows", "run_comparison"]

DONE, FAILED, BAD_INPUT = 0, 1, 2
FURNACE = "sinter-furnace"
GREEN = "binder-jet"
"""What it prints is no part before the furnace."""
LONGEST = 90 * 86_400.0
"""Simulated s after which a build is given up."""
LONGEST_STOP = 4 * 3_600.0
"""Simulated s that a build may wait for an operator, who is not there."""

WIDE = 120
"""Columns of a table that is written to a file."""

Tell = Callable[[str, float], None]


@dataclass(frozen=True)
class Row:
    """What one machine made of the part; None where there is nothing to tell."""

    machine: str
    alloy: str = ""
    recipe: str = ""
    fidelity: str = ""
    layers: int | None = None
    mean_layer_s: float | None = None
    """From layer to layer, everything included; None for a single layer."""
    build_h: float | None = None
    """From the order to the end of the job, preparation and cooling included."""
    energy_kwh: float | None = None
    gas_l: float | None = None
    feedstock_kg: float | None = None
    """Powder or wire taken from the supply, whether it became part or not."""
    built_cm3: float | None = None
    rate_cm3_h: float | None = None
    why: str = ""
    """Why the machine did not build the part; empty if it did."""
    notes: tuple[str, ...] = field(default=())


def comparable() -> list[str]:
    """The machines of the catalogue that make a part, in its order."""
    from emulators.catalog import MACHINES

    return [name for name, kind in MACHINES.items() if kind.technology or name == FURNACE]


def compare(
    part: str,
    machines: Iterable[str],
    *,
    alloy: str | None = None,
    unit: str | None = None,
    recipes: Mapping[str, str] | None = None,
    seed: int = 0,
    tell: Tell = lambda text, share: None,
) -> list[Row]:
    """Build a part on machines, one after the other; a row each, and one for print and sintering.

    `recipes`: by machine, instead of that of the alloy. `tell` gets what is done and the share of
    the present machine's layers.
    """
    rows: list[Row] = []
    chosen = list(machines)
    with TemporaryDirectory(prefix="amtwin-") as folder:
        # What the printer has made is in its record, which the furnace reads.
        record = Path(folder) / "green" if {GREEN, FURNACE} <= set(chosen) else None
        for machine in sorted(chosen, key=lambda name: name == FURNACE):
            tell(machine, 0.0)
            green = [row for row in rows if row.machine == GREEN and not row.why]
            printed = machine == FURNACE and record is not None and bool(green)
            settings = _settings(machine, str(record) if printed else part, alloy, unit,
                                 (recipes or {}).get(machine), seed)
            rows.append(_built_by(settings, alloy, record if machine == GREEN else None, tell))
            if printed:
                rows.append(_together(green[0], rows[-1]))
    return rows


def _settings(
    machine: str, part: str, alloy: str | None, unit: str | None, recipe: str | None, seed: int
) -> Settings:
    from emulators.catalog import Settings

    # What its recipe is for is the alloy of a machine that has one.
    return Settings(machine=machine, parts=(part,), unit=unit, recipe=recipe,
                    alloy=alloy if recipe is None else None, seed=seed, fidelity="layer")


def _built_by(settings: Settings, alloy: str | None, record: Path | None, tell: Tell) -> Row:
    """A run of the settings; `alloy`: the one asked for; it is recorded in `record` if given."""
    machine = settings.machine
    row = Row(machine)
    notes: list[str] = []
    try:
        built, settings, notes = _assembled(
            settings, record, lambda share: tell(f"{machine}: layers", share))
        about: Mapping[str, Any] = built.about.get("recipe", {})
        row = replace(row, fidelity=settings.fidelity, alloy=str(about.get("alloy", "")),
                      recipe=str(about.get("name", "")))
        if alloy is not None and settings.recipe is not None:
            notes.append(f"{row.alloy}, for which its recipe is")
        return replace(_run(row, built, tell), notes=tuple(notes))
    except _bad_input() as error:
        return replace(row, why=str(error), notes=tuple(notes))


def _bad_input() -> tuple[type[Exception], ...]:
    from emulators.catalog import SettingsError
    from emulators.recipes import RecipeError
    from twin.materials import MaterialError
    from twin.parts import PartError
    from twin.signals import Refused

    return SettingsError, RecipeError, MaterialError, PartError, Refused, OSError


def _assembled(
    settings: Settings, record: Path | None, progress: Callable[[float], None]
) -> tuple[Built, Settings, list[str]]:
    """The machine at layer fidelity if it has it, of the alloy wanted if it has a recipe for it.

    Raises what building a machine raises, `MaterialError` for an alloy that nobody knows.
    """
    from emulators.recipes import RecipeError, recipe_for
    from emulators.runs import begin
    from twin.materials import alloy as find_alloy

    notes: list[str] = []
    if settings.alloy is not None:
        find_alloy(settings.alloy)
        try:
            recipe_for(settings.alloy, settings.machine)
        except RecipeError as error:
            notes.append(f"{error}: its own alloy instead")
            settings = replace(settings, alloy=None)
    try:
        return begin(settings, record, progress=progress), settings, notes
    except _bad_input() as error:
        if "fidelity" not in str(error):
            raise
        settings = replace(settings, fidelity="vector")
        return begin(settings, record, progress=progress), settings, notes


def _run(row: Row, built: Built, tell: Tell) -> Row:
    from emulators.runs import finish, finished, summarise
    from plc_interfaces.host import Act, ActKind

    emulator = built.emulator
    emulator.pacer.set_factor(math.inf)
    order = emulator.submit(
        Act(ActKind.CALL, "Job.StoreAndStart", ["JOB-0001", built.programs[0]], "amtwin", "local"))
    began, layers, times = emulator.time, 0, []
    stopped = math.inf
    why = ""
    while not finished(emulator) and not why:
        emulator.scan(emulator.next_scan)
        if order.done():
            order.result()  # A job that was refused would be waited for in vain.
        controller: Any = emulator.controller
        if controller.job.layer > layers:
            layers = controller.job.layer
            times.append(emulator.time)
            tell(row.machine, layers / max(controller.job.layers_planned, 1))
        stopped = min(stopped, emulator.time) if _stands(emulator) else math.inf
        if emulator.time - stopped > LONGEST_STOP:
            why = f"stopped after {layers} layers: {_reason(emulator)}"
        elif emulator.time - began > LONGEST:
            why = f"not finished after {LONGEST / 86_400:.0f} days"
    emulator.shown.look(emulator.scan_number, emulator.time)
    summary = summarise(emulator, 1.0)
    finish(emulator, summary)
    if summary["state"] == "aborted":
        why = f"aborted after {layers} layers: {_reason(emulator)}"
    hours = (emulator.time - began) / 3600.0
    used = summary["consumption"]
    volume = used.get("built_cm3")
    row = replace(
        row, build_h=hours, why=why,
        energy_kwh=used.get("energy_kwh"), gas_l=used.get("gas_l"),
        feedstock_kg=used.get("feedstock_kg"), built_cm3=volume,
        rate_cm3_h=volume / hours if volume else None)
    if row.machine == FURNACE:  # What it counts are steps of its cycle.
        return row
    mean = (times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else None
    return replace(row, layers=layers, mean_layer_s=mean)


def _stands(emulator: Emulator) -> bool:
    """Whether the machine waits for somebody."""
    controller: Any = emulator.controller
    return controller.state.name in ("HELD", "SUSPENDED")


def _reason(emulator: Emulator) -> str:
    controller: Any = emulator.controller
    return controller.machine.reason or "no reason given"


def _together(green: Row, sintered: Row) -> Row:
    """Printing and sintering as one way to the part."""
    row = Row(f"{GREEN} + {FURNACE}", green.alloy, why=sintered.why and "it was not sintered")
    if row.why:
        return row

    def total(name: str) -> float | None:
        found = [v for v in (getattr(green, name), getattr(sintered, name)) if v is not None]
        return sum(found) if found else None

    # What leaves the furnace is the part; what the printer made is larger and porous.
    volume = sintered.built_cm3 or green.built_cm3
    hours = total("build_h")
    return replace(
        row, layers=green.layers, mean_layer_s=green.mean_layer_s, build_h=hours,
        energy_kwh=total("energy_kwh"), gas_l=total("gas_l"), feedstock_kg=green.feedstock_kg,
        built_cm3=volume, rate_cm3_h=volume / hours if volume and hours else None)


_COLUMNS = (
    ("layers", "layers", 0), ("layer\ns", "mean_layer_s", 1), ("build\nh", "build_h", 2),
    ("energy\nkWh", "energy_kwh", 2), ("gas\nL", "gas_l", 0),
    ("feedstock\nkg", "feedstock_kg", 3), ("built\ncm³", "built_cm3", 3),
    ("rate\ncm³/h", "rate_cm3_h", 3),
)


def print_rows(rows: Iterable[Row], title: str, console: Console) -> None:
    """The rows as one table, and below it what there is to say about them."""
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    for name in ("machine", "alloy"):
        table.add_column(name, no_wrap=True)
    for name, _, _ in _COLUMNS:
        table.add_column(name, justify="right", no_wrap=True)
    remarks = []
    for row in rows:
        figures = [getattr(row, key) for _, key, _ in _COLUMNS]
        table.add_row(row.machine, row.alloy, *(
            "–" if value is None or row.why else f"{value:.{digits}f}"
            for value, (_, _, digits) in zip(figures, _COLUMNS, strict=True)))
        if row.why:
            remarks.append(f"{row.machine} did not build it: {row.why}")
        remarks += [f"{row.machine}: {note}" for note in row.notes]
        if row.fidelity == "vector":
            remarks.append(f"{row.machine}: computed vector by vector")
    console.print(table)
    for remark in remarks:
        console.print(remark, markup=False, soft_wrap=True)


def run_comparison(
    part: str, machines: Iterable[str], alloy: str | None, unit: str | None,
    recipes: Mapping[str, str], seed: int, as_json: bool,
) -> int:
    """The command: a table, or a JSON object per row; the exit code.

    1 if no machine could build the part. Raises what loading a part raises.
    """
    from emulators.part_files import load_parts

    (loaded,) = load_parts([part], unit)
    errors = Console(stderr=True)
    with Progress(TextColumn("{task.description}"), BarColumn(), console=errors, transient=True,
                  disable=as_json or not errors.is_terminal) as bar:
        task = bar.add_task("", total=1.0)
        rows = compare(
            part, machines, alloy=alloy, unit=unit, recipes=recipes, seed=seed,
            tell=lambda text, share: bar.update(task, description=text, completed=share))
    if as_json:
        for row in rows:
            print(json.dumps({"event": "row", "part": loaded.name, **asdict(row)}), flush=True)
    else:
        console = Console(highlight=False)
        if not console.is_terminal:
            console = Console(highlight=False, width=WIDE)
        print_rows(rows, _title(loaded), console)
    return DONE if any(not row.why for row in rows) else FAILED


def _title(part: Part) -> str:
    size = " x ".join(f"{side * 1e3:.1f}" for side in part.size)
    return f"{part.name}, {size} mm, {part.volume * 1e6:.3f} cm³"

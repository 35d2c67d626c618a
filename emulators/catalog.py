"""The machines there are, and how each is put together from the settings of a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from emulators.controllers.base import Controller
from emulators.controllers.pbf_lb import PbfLbController, Program
from emulators.emulator import Emulator
from emulators.melt_pools import LEVELS, melt_pools
from emulators.programs import build_program, cli_program, is_layers, load_parts
from emulators.recipes import Recipe, load_recipe, recipe_for
from plc_interfaces.host import Identity
from twin.equipment.live_pool import MAX_LAG
from twin.image import Readings
from twin.machine import Plant
from twin.machines.pbf_lb import PbfLb

__all__ = [
    "MACHINES",
    "Built",
    "MachineType",
    "Progress",
    "Settings",
    "SettingsError",
    "build",
    "signal_trees",
]


Progress = Callable[[float], None]
"""Told the share of a long preparation that is done."""


class SettingsError(ValueError):
    """A setting of a run that cannot be used; the message names it and what is allowed."""


@dataclass(frozen=True)
class Settings:
    """What makes a run: the same settings, seed and journal give the same run."""

    machine: str = "pbf-lb"
    name: str = ""
    parts: tuple[str, ...] = ("example:bracket",)
    unit: str | None = None
    places: tuple[tuple[float, float, float], ...] = ()
    """Centre x, y (m) from the plate's and rotation (rad) of each part; empty: in rows."""
    recipe: str | None = None
    alloy: str | None = None
    lasers: int = 1
    blade: str = "hard"
    supports: bool = True
    seed: int = 0
    scan_ms: float = 50.0
    fidelity: str = "vector"
    melt_pool: str = "laws"
    melt_pool_cell_um: float = 30.0
    """Edge of the solver's cells."""
    melt_pool_lag: int | None = None
    """Ticks (a scan period, at most 50 ms) after which the solver's results join."""
    control: str = "internal"
    powder_lot: str = "LOT-0001"
    vectors: bool = False
    """Whether the record keeps every scan vector's melt pool."""
    pictures: bool = False
    """Whether camera frames and layer images are made; they take time."""

    def plain(self) -> dict[str, Any]:
        """For run.json."""
        return {**asdict(self), "parts": list(self.parts), "places": [*map(list, self.places)]}

    @classmethod
    def of(cls, data: dict[str, Any]) -> Settings:
        """From what `plain` gave; `SettingsError` for an unknown setting."""
        unknown = set(data) - {f.name for f in fields(cls)}
        if unknown:
            raise SettingsError(f"unknown settings: {', '.join(sorted(unknown))}")
        places = tuple(tuple(place) for place in data.get("places", ()))
        return cls(**{**data, "parts": tuple(data.get("parts", ())), "places": places})


@dataclass(frozen=True)
class Built:
    """A machine ready to run, not yet running."""

    emulator: Emulator
    programs: tuple[str, ...]
    notes: tuple[str, ...]
    about: dict[str, Any] = field(default_factory=dict)
    """Parts, recipe and plan for run.json."""
    warm: Callable[[], None] = lambda: None
    """Loads in the background what the first exposure would wait for."""


@dataclass(frozen=True)
class MachineType:
    """An entry of the catalogue."""

    title: str
    technology: str
    build: Callable[[Settings, Progress], Built]
    trees: Callable[[], tuple[Plant, Controller]]
    """Plant and controller as declared, without a part: for signal lists."""


def _release() -> str:
    try:
        return version("amtwin")
    except PackageNotFoundError:
        return "0"


def _recipe(settings: Settings) -> Recipe:
    if settings.recipe is not None:
        recipe = load_recipe(settings.recipe)
        if settings.alloy is not None and recipe_for(settings.alloy).alloy != recipe.alloy:
            raise SettingsError(
                f"alloy {settings.alloy}: the recipe {recipe.name} is for {recipe.alloy}"
            )
        return recipe
    return recipe_for(settings.alloy or "IN718")


def _one_of(name: str, value: str, allowed: tuple[str, ...], later: tuple[str, ...] = ()) -> None:
    if value in later:
        raise SettingsError(
            f"{name} {value!r} is not available for this machine; use {' or '.join(allowed)}"
        )
    if value not in allowed:
        raise SettingsError(f"{name} must be {' or '.join(allowed)}, not {value!r}")


def _in_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise SettingsError(f"{name} must be {low:g} to {high:g}, not {value:g}")


def _build_pbf_lb(settings: Settings, progress: Progress) -> Built:
    _one_of("fidelity", settings.fidelity, ("vector",), ("layer", "batch"))
    _one_of("melt_pool", settings.melt_pool, LEVELS)
    _in_range("melt_pool_cell_um", settings.melt_pool_cell_um, 5, 100)
    if settings.melt_pool_lag is not None:
        _in_range("melt_pool_lag", settings.melt_pool_lag, 0, MAX_LAG)
    _one_of("control", settings.control, ("internal", "external"))
    _one_of("blade", settings.blade, ("hard", "soft"))
    _in_range("lasers", settings.lasers, 1, 12)
    _in_range("scan_ms", settings.scan_ms, 1, 1000)
    recipe = _recipe(settings)
    notes: list[str] = []
    program: Program
    if len(settings.parts) == 1 and is_layers(settings.parts[0]):
        program = cli_program(settings.parts[0], recipe, settings.lasers)
    else:
        parts = load_parts(settings.parts, settings.unit)
        notes += [f"{part.name}: {note}" for part in parts for note in part.notes]
        if settings.places and len(settings.places) != len(parts):
            raise SettingsError(f"{len(settings.places)} places for {len(parts)} parts")
        program = build_program(
            parts, recipe, settings.lasers, settings.supports, settings.places or None
        )
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
    readings = Readings(plant, settings.seed)
    name = settings.name or "PBF-LB-01"
    controller: PbfLbController | None = None
    if settings.control == "internal":
        try:
            controller = PbfLbController(plant, readings, {program.job.name: program})
        except ValueError as error:
            raise SettingsError(str(error)) from None
        controller.feedstock.identifier = settings.powder_lot
    else:
        plant.load(program.job)
    identity = Identity(
        name,
        "pbf-lb",
        "PBF",
        "amtwin PBF-LB",
        f"AMT-{settings.seed:06d}",
        software=_release(),
        location="emulated",
    )
    emulator = Emulator(
        plant, controller, identity, scan_period=settings.scan_ms / 1000, readings=readings
    )
    about = {
        "recipe": recipe.model_dump(),
        "recipe_digest": recipe.digest,
        "plan": program.job.plan.describe(),
        "plan_digest": program.job.plan.digest,
        "layers": len(program.job.plan),
        **pools.about,
    }
    return Built(emulator, (program.job.name,), tuple(notes), about, pools.warm)


def _trees_pbf_lb() -> tuple[Plant, Controller]:
    plant = PbfLb(0)
    return plant, PbfLbController(plant, Readings(plant, 0), {})


MACHINES: dict[str, MachineType] = {
    "pbf-lb": MachineType("laser powder bed fusion", "PBF", _build_pbf_lb, _trees_pbf_lb),
}


def _type(machine: str) -> MachineType:
    try:
        return MACHINES[machine]
    except KeyError:
        raise SettingsError(f"no machine {machine!r}; there are: {', '.join(MACHINES)}") from None


def build(settings: Settings, progress: Progress = lambda share: None) -> Built:
    """A machine from its settings; `SettingsError`, `PartError` or `RecipeError`.

    `progress` is told the share done of what takes long, such as a table of melt pools.
    """
    return _type(settings.machine).build(settings, progress)


def signal_trees(machine: str) -> tuple[Plant, Controller]:
    """Plant and controller of a machine type, for lists and register tables."""
    return _type(machine).trees()

"""What makes a run, and what a machine type is: the words the catalogue is written in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Protocol

from emulators.canonical import content_hash
from emulators.controllers.base import Controller
from emulators.controllers.build import BuildController, Program
from emulators.emulator import Emulator
from emulators.lots import load_lots, load_spools
from emulators.recipes import load_recipe, recipe_for
from plc_interfaces.host import Identity
from twin.equipment.powder_lots import PowderPlant
from twin.equipment.wire_plant import WirePlant
from twin.image import Readings
from twin.machine import Plant
from twin.materials import alloy
from twin.powder.lot import PowderLot
from twin.powder.operations import Item

__all__ = [
    "Built",
    "Figure",
    "MachineModule",
    "MachineType",
    "Progress",
    "Settings",
    "SettingsError",
    "assemble",
    "check_common",
    "chosen_recipe",
    "in_range",
    "one_of",
    "release",
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
    parts: tuple[str, ...] = ()
    """Part files; empty: the example bracket on a machine that builds."""
    unit: str | None = None
    places: tuple[tuple[float, float, float], ...] = ()
    """Centre x, y (m) from the plate's and rotation (rad) of each part; empty: in rows."""
    recipe: str | None = None
    alloy: str | None = None
    lasers: int = 1
    beams: int = 1
    """Electron beams."""
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
    lots: tuple[str, ...] = ()
    """Powder lots (or spools of wire) at the machine: ready-made names, files, or RUN:ID of a run's
    record."""
    vectors: bool = False
    """Whether the record keeps every scan vector's melt pool."""
    pictures: bool = False
    """Whether camera frames and layer images are made; they take time."""

    def plain(self) -> dict[str, Any]:
        """For run.json."""
        listed = {"parts": [*self.parts], "lots": [*self.lots]}
        return {**asdict(self), **listed, "places": [*map(list, self.places)]}

    @classmethod
    def of(cls, data: dict[str, Any]) -> Settings:
        """From what `plain` gave; `SettingsError` for an unknown setting."""
        unknown = set(data) - {f.name for f in fields(cls)}
        if unknown:
            raise SettingsError(f"unknown settings: {', '.join(sorted(unknown))}")
        places = tuple(tuple(place) for place in data.get("places", ()))
        listed = {name: tuple(data.get(name, ())) for name in ("parts", "lots")}
        return cls(**{**data, **listed, "places": places})


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
class Figure:
    """A figure of the run's summary, from the table of layers."""

    name: str
    expression: str
    """SQL over the columns of ``layers`` (SI); the figure is left out where one is missing."""
    unit: str = ""
    digits: int = 2


class MachineModule(Protocol):
    """What a module of `emulators.machines` offers."""

    FIGURES: tuple[Figure, ...]

    def build(self, settings: Settings, progress: Progress) -> Built:
        """A machine ready to run."""
        ...

    def trees(self) -> tuple[Plant, Controller]:
        """Plant and controller as declared, without a part: for signal lists."""
        ...


@dataclass(frozen=True)
class MachineType:
    """An entry of the catalogue."""

    title: str
    technology: str
    """ISO/ASTM 52900 process category as OPC 40540 abbreviates it; empty: no build machine."""
    name: str
    """What its first instance is called."""
    counts: str = "layers"
    """What a job is counted in, in the plural."""


def release() -> str:
    """The version of this program."""
    try:
        return version("amtwin")
    except PackageNotFoundError:
        return "0"


def chosen_recipe(settings: Settings, usual: str) -> Any:
    """The recipe that the settings name, or that of their alloy, or that of the `usual` one.

    `SettingsError` if alloy and recipe contradict one another, `RecipeError` if there is none.
    """
    machine = settings.machine
    if settings.recipe is None:
        return recipe_for(settings.alloy or usual, machine)
    recipe = load_recipe(settings.recipe, machine)
    if settings.alloy is not None and alloy(settings.alloy).name != recipe.alloy:
        raise SettingsError(
            f"alloy {settings.alloy}: the recipe {recipe.name} is for {recipe.alloy}"
        )
    return recipe


def one_of(name: str, value: str, allowed: tuple[str, ...], later: tuple[str, ...] = ()) -> None:
    """`SettingsError` unless a setting is one of those allowed; `later` are known elsewhere."""
    if value in later:
        raise SettingsError(
            f"{name} {value!r} is not available for this machine; use {' or '.join(allowed)}"
        )
    if value not in allowed:
        raise SettingsError(f"{name} must be {' or '.join(allowed)}, not {value!r}")


def in_range(name: str, value: float, low: float, high: float) -> None:
    """`SettingsError` unless a setting is within its range."""
    if not low <= value <= high:
        raise SettingsError(f"{name} must be {low:g} to {high:g}, not {value:g}")


def check_common(settings: Settings) -> None:
    """`SettingsError` for what no machine can do."""
    one_of("fidelity", settings.fidelity, ("vector", "layer"), ("batch",))
    one_of("control", settings.control, ("internal", "external"))
    in_range("scan_ms", settings.scan_ms, 1, 1000)


def _supply(settings: Settings, plant: Plant, program: Program) -> list[PowderLot | Item]:
    """Put the lots or spools that the settings name at a build machine.

    A machine that is made for its lots has taken them with its program. `SettingsError` if it
    cannot be.
    """
    if not settings.lots or not (
            isinstance(plant, PowderPlant) or type(plant).supply is Plant.supply):
        return []
    things: list[PowderLot | Item] = []
    try:
        if isinstance(plant, WirePlant):
            spools = load_spools(settings.lots)
            plant.supply_items(spools)
            things += spools
        else:
            lots = load_lots(settings.lots)
            plant.supply(lots)
            things += lots
        reason = plant.hindrance(program.job)
    except ValueError as error:
        reason = str(error)
    if reason:
        raise SettingsError(reason)
    return things


def _of_lot(lot: PowderLot | Item) -> str:
    if isinstance(lot, Item):
        heat = f", heat {lot.about['heat']}" if "heat" in lot.about else ""
        return f"spool {lot.id}: {lot.mass:.4g} kg {lot.alloy}{heat}"
    return (f"powder lot {lot.id}: {lot.mass:.4g} kg {lot.alloy}, d50 {lot.d50 * 1e6:.3g} um, "
            f"{lot.oxygen * 1e6:.0f} ppm O, {lot.moisture * 1e6:.0f} ppm water, "
            f"{lot.hollow:.1%} hollow, used {lot.cycle} times")


def assemble(
    settings: Settings,
    kind: MachineType,
    plant: Plant,
    control: Callable[[Any, Readings, Mapping[str, Program]], BuildController],
    program: Program,
    *,
    notes: Sequence[str] = (),
    about: Mapping[str, Any] | None = None,
    warm: Callable[[], None] = lambda: None,
) -> Built:
    """Plant, controller (unless a client's PLC takes its place) and program as one emulator.

    `control` makes the controller. Raises `SettingsError` if the machine cannot follow the recipe.
    """
    readings = Readings(plant, settings.seed)
    plant.name = settings.name or kind.name
    lots = _supply(settings, plant, program)
    plant.number_after(lot.id for lot in (*lots, *getattr(program.job, "lots", ())))
    controller: BuildController | None = None
    name = program.job.name
    if settings.control == "internal":
        try:
            controller = control(plant, readings, {name: program})
        except ValueError as error:
            raise SettingsError(str(error)) from None
    else:
        loadable: Any = plant
        loadable.load(program.job)
    identity = Identity(
        plant.name,
        settings.machine,
        kind.technology,
        f"amtwin {settings.machine.upper()}",
        f"AMT-{settings.seed:06d}",
        software=release(),
        location="emulated",
    )
    emulator = Emulator(
        plant, controller, identity, scan_period=settings.scan_ms / 1000, readings=readings
    )
    told = {
        "recipe": program.recipe.model_dump(),
        "recipe_digest": program.recipe.digest,
        "layers": program.job.layers,
        **({"powder_digest": content_hash([lot.plain() for lot in lots])} if lots else {}),
        **(about or {}),
    }
    return Built(emulator, (name,), (*notes, *map(_of_lot, lots)), told, warm)

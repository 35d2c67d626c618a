"""Recipes for laser powder-bed fusion: files in engineering units, checked, as SI values.

A field of a file is a table ``{ value = 285, unit = "W", source = "…" }``; text, numbers without
a unit and switches may also stand alone. A field that is left out takes its default. Files are
TOML or YAML. Figures marked ``default`` are customary ones without a checked publication.
"""

from __future__ import annotations

import difflib
import math
import tomllib
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import yaml
from pydantic import BaseModel, ConfigDict, PrivateAttr, ValidationError, field_validator
from pydantic_core import CoreSchema, core_schema

from emulators.canonical import content_hash
from twin.materials import MaterialError, alloy
from twin.units import Unit, unit

__all__ = [
    "Atmosphere",
    "ContourSet",
    "HatchSet",
    "Recipe",
    "RecipeError",
    "Recoating",
    "Row",
    "Scanner",
    "SkinSet",
    "SupportSet",
    "Temperatures",
    "load_recipe",
    "recipe_for",
    "recipe_names",
]

_FOLDER = Path(__file__).with_name("recipes")
_DEFAULT = "default"

# Units that may stand for one another; the unit of a declaration is the one that is shown.
_FAMILIES = (
    ("1",),
    ("W", "kW"),
    ("nm", "um", "mm", "m"),
    ("mm/s", "m/s"),
    ("ms", "s", "min", "h"),
    ("degC", "K"),
    ("ppm", "%"),
    ("Pa", "mbar", "bar"),
    ("L/min", "m3/h"),
    ("deg",),
)


class RecipeError(ValueError):
    """A recipe that cannot be used; the message names file, field, allowed range and unit."""


class Row(NamedTuple):
    """One field of a recipe for a document; value and range in the engineering unit."""

    field: str
    value: str
    unit: str
    range: str
    source: str
    doc: str


def _tidy(value: float) -> float:
    # Conversion leaves a residue in the last digit: 40 um would be 3.9999999999999996e-05 m.
    return float(f"{value:.15g}")


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # An integer of hundreds of digits.
        return math.inf


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _unit(symbol: str) -> Unit:
    return unit("" if symbol == "1" else symbol)


@dataclass(frozen=True)
class _Quantity:
    """Unit and range of a number; in a model it checks the SI value."""

    unit: str
    low: float
    high: float
    whole: bool = False

    @property
    def range(self) -> str:
        return f"{self.low:g} to {self.high:g}"

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        inner = core_schema.int_schema() if self.whole else core_schema.float_schema()
        return core_schema.no_info_before_validator_function(self.check, inner)

    def refuse(self, value: object) -> ValueError:
        shown = f"{self.range} {self.unit}" if self.unit != "1" else self.range
        return ValueError(f"must be {shown}, not {value}")

    def check(self, value: object) -> float:
        """An SI value, if it is a number in range; else `ValueError`."""
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.refuse(repr(value))
        engineering = _tidy(_unit(self.unit).from_si(_float(value)))
        if not self.low <= engineering <= self.high:
            raise self.refuse(f"{engineering:g}")
        if self.whole and value != int(value):
            raise ValueError(f"must be a whole number, not {value:g}")
        return value

    def to_si(self, value: object, symbol: object) -> float:
        """A value of a file, given in `symbol`, in SI; `ValueError` if it makes no sense."""
        family = next(f for f in _FAMILIES if self.unit in f)
        if symbol is None and self.unit != "1":
            raise ValueError(
                f"needs its unit: {{ value = …, unit = {self.unit!r} }}, range {self.range}"
            )
        symbol = "1" if symbol in (None, "") else symbol
        if symbol not in family:
            raise ValueError(f"must be in {' or '.join(family)}, not in {symbol!r}")
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.refuse(repr(value))
        return value if self.whole else _tidy(_unit(str(symbol)).to_si(_float(value)))


_Power = Annotated[float, _Quantity("W", 10, 2000)]
_Speed = Annotated[float, _Quantity("mm/s", 10, 20_000)]
_Spot = Annotated[float, _Quantity("um", 20, 1000)]
_Spacing = Annotated[float, _Quantity("um", 10, 1000)]
_Angle = Annotated[float, _Quantity("deg", 0, 360)]


class _Section(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="forbid",
        use_attribute_docstrings=True,
        validate_default=True,
    )


class HatchSet(_Section):
    """How the inside of a cross-section is melted."""

    power: _Power
    """Laser power on the powder bed."""
    speed: _Speed
    """Scan speed."""
    spot_d4sigma: _Spot
    """Beam diameter on the powder bed, second-moment width (ISO 11146)."""
    hatch_spacing: _Spacing
    """Distance between neighbouring hatch lines."""
    pattern: Literal["meander", "stripes", "islands"] = "stripes"
    """How hatch lines are cut and ordered."""
    stripe_width: Annotated[float, _Quantity("mm", 0.5, 100)] = 7e-3
    """Width of a stripe."""
    stripe_overlap: Annotated[float, _Quantity("mm", 0, 1)] = 0.0
    """How far neighbouring stripes or islands reach over each other."""
    island_size: Annotated[float, _Quantity("mm", 0.5, 100)] = 5e-3
    """Edge of an island."""
    rotation: _Angle = math.radians(67.0)
    """Turn of the hatch direction from layer to layer."""
    start_angle: _Angle = 0.0
    """Hatch direction in the first layer, from the x axis."""


class ContourSet(_Section):
    """How the edge of a cross-section is melted."""

    count: Annotated[int, _Quantity("1", 0, 10, whole=True)] = 1
    """Number of contours."""
    power: _Power
    """Laser power on the powder bed."""
    speed: _Speed
    """Scan speed."""
    spot_d4sigma: _Spot
    """Beam diameter on the powder bed, second-moment width (ISO 11146)."""
    beam_offset: Annotated[float, _Quantity("um", 0, 1000)] = 50e-6
    """Distance of the outermost contour from the surface, about half the width of a track."""
    spacing: _Spacing = 100e-6
    """Distance between contours, and from the innermost one to the ends of the hatches."""
    first: bool = False
    """Contours before the hatches instead of after them."""


class SkinSet(_Section):
    """What differs from the hatch where the section is the top or the underside of the part."""

    layers: Annotated[int, _Quantity("1", 1, 20, whole=True)] = 3
    """Sections with no solid within this many layers above or below belong to the skin."""
    power: _Power
    """Laser power on the powder bed."""
    speed: _Speed
    """Scan speed."""
    spot_d4sigma: _Spot
    """Beam diameter on the powder bed, second-moment width (ISO 11146)."""


class SupportSet(_Section):
    """Where supports stand and how they are melted."""

    power: _Power
    """Laser power on the powder bed."""
    speed: _Speed
    """Scan speed."""
    spot_d4sigma: _Spot
    """Beam diameter on the powder bed, second-moment width (ISO 11146)."""
    kind: Literal["block", "line"] = "block"
    """Crossing or parallel walls."""
    wall_spacing: Annotated[float, _Quantity("mm", 0.2, 20)] = 1e-3
    """Distance between parallel walls."""
    critical_angle: Annotated[float, _Quantity("deg", 0, 89)] = math.radians(45.0)
    """Surfaces that look down flatter than this, from the horizontal, are supported."""


class Scanner(_Section):
    """Timing of beam and mirrors; no light on a jump."""

    jump_speed: Annotated[float, _Quantity("m/s", 0.1, 50)] = 6.0
    """Speed of the mirrors between vectors, on the powder bed."""
    jump_delay: Annotated[float, _Quantity("ms", 0, 10)] = 0.0
    """Rest of the mirrors after a jump."""
    laser_on_delay: Annotated[float, _Quantity("ms", 0, 10)] = 75e-6
    """From the start of a vector to the start of emission."""
    laser_off_delay: Annotated[float, _Quantity("ms", 0, 10)] = 75e-6
    """From the end of a vector to the end of emission."""
    mark_delay: Annotated[float, _Quantity("ms", 0, 10)] = 300e-6
    """Rest of the mirrors after a vector."""


class Recoating(_Section):
    """How a layer of powder is spread."""

    dosing_factor: Annotated[float, _Quantity("1", 0.5, 5)] = 1.8
    """Powder supplied, per powder that the layer takes."""
    speed: Annotated[float, _Quantity("mm/s", 10, 1000)] = 0.15
    """Speed of the blade over the plate."""
    settle: Annotated[float, _Quantity("s", 0, 60)] = 0.5
    """Wait between recoating and exposure."""


class Atmosphere(_Section):
    """What surrounds the process."""

    gas: Literal["argon", "nitrogen"] = "argon"
    """Process gas."""
    oxygen_limit: Annotated[float, _Quantity("ppm", 10, 20_000)] = 1000e-6
    """Oxygen mole fraction above which the laser does not start."""
    duct_velocity: Annotated[float, _Quantity("m/s", 1, 50)] = 20.0
    """Gas speed in the duct of the recirculation."""
    purge_flow: Annotated[float, _Quantity("L/min", 1, 1000)] = 0.1 / 60
    """Gas flow while purging."""
    process_flow: Annotated[float, _Quantity("L/min", 0, 100)] = 3e-3 / 60
    """Gas flow while building."""
    vacuum: bool = False
    """Build in vacuum instead of process gas."""
    vacuum_pressure: Annotated[float, _Quantity("Pa", 1e-4, 1000)] = 0.01
    """Pressure at which a build in vacuum may start."""


class Temperatures(_Section):
    """Temperatures of the job."""

    preheat: Annotated[float, _Quantity("degC", 20, 500)] = 353.15
    """Build plate while building."""
    unpack: Annotated[float, _Quantity("degC", 25, 200)] = 333.15
    """Part at which the door may be opened."""


class Recipe(_Section):
    """All settings of a laser powder-bed job, in SI units; frozen."""

    name: str = "recipe"
    """What the recipe is called."""
    alloy: str
    """Alloy of the powder; common other names are understood."""
    layer_thickness: Annotated[float, _Quantity("um", 10, 200)]
    """Height by which the plate goes down for each layer."""
    wavelength: Annotated[float, _Quantity("nm", 400, 1100)] = 1070e-9
    """Wavelength of the laser; absorptivity follows it."""
    hatch: HatchSet
    contour: ContourSet
    support: SupportSet
    upskin: SkinSet | None = None
    downskin: SkinSet | None = None
    scanner: Scanner = Scanner()
    recoating: Recoating = Recoating()
    atmosphere: Atmosphere = Atmosphere()
    temperature: Temperatures = Temperatures()

    _sources: dict[str, str] = PrivateAttr(default_factory=dict)

    @field_validator("alloy")
    @classmethod
    def _known_alloy(cls, name: str) -> str:
        try:
            return alloy(name).name
        except MaterialError as error:
            raise ValueError(f"must be a known alloy: {error}") from None

    @property
    def digest(self) -> str:
        """SHA-256 of all settings; name and sources are no part of it."""
        return content_hash(self.model_dump(exclude={"name"}))

    def source(self, field: str) -> str:
        """Where the value of a field comes from, such as ``hatch.power``."""
        return self._sources.get(field, _DEFAULT)

    def describe(self) -> list[Row]:
        """Every field with value, unit, range and source, for documents and screens."""
        rows = []
        for path, info, value in _leaves(self):
            quantity = _quantity(info)
            shown, symbol, allowed = str(value), "", "text"
            if quantity is not None:
                symbol, allowed = quantity.unit, quantity.range
                shown = f"{_tidy(_unit(symbol).from_si(value)):g}"
            elif typing.get_origin(info.annotation) is Literal:
                allowed = ", ".join(typing.get_args(info.annotation))
            elif info.annotation is bool:
                shown, allowed = str(value).lower(), "true, false"
            rows.append(
                Row(path, shown, symbol, allowed, self.source(path), info.description or "")
            )
        return rows

    def changed(self, values: Mapping[str, Any]) -> Recipe:
        """A checked copy with other SI values, such as ``{"hatch.power": 300.0}``.

        Raises `RecipeError` for an unknown field or a value out of range.
        """
        data = self.model_dump()
        for path, value in values.items():
            section = data
            *above, last = path.split(".")
            for part in above:
                inner = section.get(part)
                if not isinstance(inner, dict):
                    raise RecipeError(f"{self.name}: no section {part} to change {path} in")
                section = inner
            section[last] = value
        return _validated(data, {**self._sources, **dict.fromkeys(values, "changed")}, self.name)


def _quantity(info: Any) -> _Quantity | None:
    return next((m for m in info.metadata if isinstance(m, _Quantity)), None)


def _section_type(info: Any) -> type[_Section] | None:
    annotation = info.annotation
    options = typing.get_args(annotation) if isinstance(annotation, types.UnionType) else ()
    for option in options or (annotation,):
        if isinstance(option, type) and issubclass(option, _Section):
            return option
    return None


def _leaves(section: _Section, prefix: str = "") -> Iterator[tuple[str, Any, Any]]:
    for name, info in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, _Section):
            yield from _leaves(value, f"{prefix}{name}.")
        elif _section_type(info) is None:
            yield f"{prefix}{name}", info, value


def _unknown(where: str, path: str, model: type[_Section]) -> RecipeError:
    fields = list(model.model_fields)
    above, dot, name = path.rpartition(".")
    near = difflib.get_close_matches(name, fields, 1)
    hint = f"did you mean {above}{dot}{near[0]}?" if near else f"known here: {', '.join(fields)}"
    return RecipeError(f"{where}: unknown field {path}; {hint}")


def _read(
    model: type[_Section],
    data: Mapping[Any, Any],
    where: str,
    sources: dict[str, str],
    prefix: str = "",
) -> dict[str, Any]:
    """The tables of a file as SI values; sources by field path are added to `sources`."""
    values: dict[str, Any] = {}
    for key, entry in data.items():
        path = f"{prefix}{key}"
        info = model.model_fields.get(key) if isinstance(key, str) else None
        if info is None:
            raise _unknown(where, path, model)
        section = _section_type(info)
        if section is not None:
            if not isinstance(entry, Mapping):
                raise RecipeError(f"{where}: {path} must be a section, not {_short(entry)}")
            values[key] = _read(section, entry, where, sources, f"{path}.")
            continue
        table = entry if isinstance(entry, Mapping) else {"value": entry}
        extra = [name for name in table if name not in ("value", "unit", "source")]
        if extra or "value" not in table:
            raise RecipeError(f"{where}: {path} takes value, unit and source, not {_short(table)}")
        quantity = _quantity(info)
        try:
            if quantity is not None:
                values[key] = quantity.to_si(table["value"], table.get("unit"))
            elif "unit" in table:
                raise ValueError("has no unit")
            else:
                values[key] = table["value"]
        except ValueError as error:
            raise RecipeError(f"{where}: {path} {error}") from None
        sources[path] = str(table.get("source", where))
    return values


def _validated(data: Mapping[str, Any], sources: dict[str, str], where: str) -> Recipe:
    try:
        recipe = Recipe.model_validate(data)
    except ValidationError as error:
        raise _clear(error, where) from None
    recipe._sources = sources
    return recipe


def _clear(error: ValidationError, where: str) -> RecipeError:
    """The first of pydantic's complaints in one sentence."""
    first = error.errors()[0]
    parents = first["loc"][:-1]
    model: type[_Section] = Recipe
    for part in parents:
        model = _section_type(model.model_fields[str(part)]) or model
    path, name = ".".join(map(str, first["loc"])), str(first["loc"][-1])
    if first["type"] == "extra_forbidden":
        return _unknown(where, path, model)
    if first["type"] == "missing":
        quantity = _quantity(model.model_fields[name])
        hint = f", {quantity.range} {quantity.unit}" if quantity else ""
        return RecipeError(f"{where}: {path} is missing{hint}")
    if first["type"] == "value_error":
        return RecipeError(f"{where}: {path} {first['ctx']['error']}")
    expected = first.get("ctx", {}).get("expected") or first["msg"].removeprefix("Input should be ")
    return RecipeError(f"{where}: {path} must be {expected}, not {_short(first['input'])}")


def recipe_names() -> list[str]:
    """Names of the recipes that come with the package."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def load_recipe(name_or_path: str | Path) -> Recipe:
    """A packaged recipe by name, or one from a ``.toml``, ``.yaml`` or ``.yml`` file.

    Raises `RecipeError` naming the file, the field and what is allowed.
    """
    path = Path(name_or_path)
    if path.suffix.lower() not in (".toml", ".yaml", ".yml"):
        names = {name.casefold(): name for name in recipe_names()}
        known = names.get(str(name_or_path).casefold())
        if known is None:
            raise RecipeError(
                f"no recipe {str(name_or_path)!r}; known: {', '.join(recipe_names())}, "
                "or a .toml, .yaml or .yml file"
            )
        path = _FOLDER / f"{known}.toml"
    where = path.name
    try:
        text = path.read_text(encoding="utf-8")
        data = tomllib.loads(text) if path.suffix.lower() == ".toml" else yaml.safe_load(text)
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        raise RecipeError(f"{where}: is not a recipe: {' '.join(str(error).split())}") from None
    if not isinstance(data, Mapping):
        raise RecipeError(f"{where}: is not a recipe: no fields in it")
    sources: dict[str, str] = {}
    values = {"name": path.stem, **_read(Recipe, data, where, sources)}
    return _validated(values, sources, where)


def recipe_for(alloy_name: str) -> Recipe:
    """The packaged recipe for an alloy, by its name or an alias; `RecipeError` if there is none."""
    try:
        wanted = alloy(alloy_name).name
    except MaterialError as error:
        raise RecipeError(str(error)) from None
    if wanted not in recipe_names():
        raise RecipeError(f"no recipe for {wanted}; there are some for {', '.join(recipe_names())}")
    return load_recipe(wanted)

"""Recipe files: settings in engineering units with their sources, checked, as SI values.

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
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, PrivateAttr, ValidationError, field_validator
from pydantic_core import CoreSchema, core_schema

from emulators.canonical import content_hash
from twin.materials import MaterialError, alloy
from twin.units import Unit, unit

__all__ = [
    "BaseRecipe",
    "Quantity",
    "RecipeError",
    "Row",
    "Section",
    "load_recipe",
    "read_file",
    "read_raw",
    "recipe_for",
    "recipe_model",
    "recipe_names",
]

_FOLDER = Path(__file__).parent
_DEFAULT = "default"

# Units that may stand for one another; any other stands for itself alone. The unit of a
# declaration is the one that is shown.
_FAMILIES = (
    ("W", "kW"),
    ("V", "kV"),
    ("mA", "A"),
    ("nm", "um", "mm", "m"),
    ("mm/s", "mm/min", "m/min", "m/s"),
    ("us", "ms", "s", "min", "h"),
    ("degC", "K"),
    ("K/min", "K/s"),
    ("ppm", "%"),
    ("Pa", "mbar", "bar"),
    ("L/min", "m3/h"),
    ("g/min", "kg/h", "kg/min"),
    ("Hz", "kHz"),
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
class Quantity:
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
        family = next((f for f in _FAMILIES if self.unit in f), (self.unit,))
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


class Section(BaseModel):
    """A group of settings in a recipe."""

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="forbid",
        use_attribute_docstrings=True,
        validate_default=True,
    )


class BaseRecipe(Section):
    """All settings of a job on one type of machine, in SI units; frozen."""

    name: str = "recipe"
    """What the recipe is called."""
    alloy: str
    """Alloy of the feedstock; common other names are understood."""

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

    def changed(self, values: Mapping[str, Any]) -> Self:
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
        sources = {**self._sources, **dict.fromkeys(values, "changed")}
        return _validated(type(self), data, sources, self.name)


_R = TypeVar("_R", bound=BaseRecipe)


def _quantity(info: Any) -> Quantity | None:
    return next((m for m in info.metadata if isinstance(m, Quantity)), None)


def _section_type(info: Any) -> type[Section] | None:
    annotation = info.annotation
    options = typing.get_args(annotation) if isinstance(annotation, types.UnionType) else ()
    for option in options or (annotation,):
        if isinstance(option, type) and issubclass(option, Section):
            return option
    return None


def _leaves(section: Section, prefix: str = "") -> Iterator[tuple[str, Any, Any]]:
    for name, info in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, Section):
            yield from _leaves(value, f"{prefix}{name}.")
        elif _section_type(info) is None:
            yield f"{prefix}{name}", info, value


def _unknown(where: str, path: str, model: type[Section]) -> RecipeError:
    fields = list(model.model_fields)
    above, dot, name = path.rpartition(".")
    near = difflib.get_close_matches(name, fields, 1)
    hint = f"did you mean {above}{dot}{near[0]}?" if near else f"known here: {', '.join(fields)}"
    return RecipeError(f"{where}: unknown field {path}; {hint}")


def _read(
    model: type[Section],
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


def _validated(
    model: type[_R], data: Mapping[str, Any], sources: dict[str, str], where: str
) -> _R:
    try:
        recipe = model.model_validate(data)
    except ValidationError as error:
        raise _clear(model, error, where) from None
    recipe._sources = sources
    return recipe


def _clear(model: type[Section], error: ValidationError, where: str) -> RecipeError:
    """The first of pydantic's complaints in one sentence."""
    first = error.errors()[0]
    parents = first["loc"][:-1]
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


def recipe_model(machine: str) -> type[BaseRecipe]:
    """The class of a machine type's recipes: ``Recipe`` in the module named after it."""
    model: type[BaseRecipe] = import_module(
        f"{__package__}.{machine.replace('-', '_')}"
    ).Recipe
    return model


def recipe_names(machine: str = "pbf-lb") -> list[str]:
    """Names of the recipes that come with the package for a machine type."""
    return sorted(path.stem for path in (_FOLDER / machine).glob("*.toml"))


def load_recipe(name_or_path: str | Path, machine: str = "pbf-lb") -> Any:
    """A packaged recipe by name, or one from a ``.toml``, ``.yaml`` or ``.yml`` file.

    It is of the machine type's own class, see `recipe_model`. Raises `RecipeError` naming the
    file, the field and what is allowed.
    """
    path = Path(name_or_path)
    if path.suffix.lower() not in (".toml", ".yaml", ".yml"):
        names = {name.casefold(): name for name in recipe_names(machine)}
        known = names.get(str(name_or_path).casefold())
        if known is None:
            raise RecipeError(
                f"no recipe {str(name_or_path)!r} for {machine}; known: "
                f"{', '.join(recipe_names(machine))}, or a .toml, .yaml or .yml file"
            )
        path = _FOLDER / machine / f"{known}.toml"
    return read_file(recipe_model(machine), path)


def read_raw(path: Path, what: str = "recipe") -> Mapping[Any, Any]:
    """The fields of a TOML or YAML file as they stand there; `RecipeError` if it has none."""
    where = path.name
    try:
        text = path.read_text(encoding="utf-8")
        data = tomllib.loads(text) if path.suffix.lower() == ".toml" else yaml.safe_load(text)
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        raise RecipeError(f"{where}: is not a {what}: {' '.join(str(error).split())}") from None
    if not isinstance(data, Mapping):
        raise RecipeError(f"{where}: is not a {what}: no fields in it")
    return data


def read_file(model: type[_R], path: Path, what: str = "recipe") -> _R:
    """Settings of a class from a TOML or YAML file; `RecipeError` naming the field."""
    sources = dict[str, str]()
    values = {"name": path.stem, **_read(model, read_raw(path, what), path.name, sources)}
    return _validated(model, values, sources, path.name)


def recipe_for(alloy_name: str, machine: str = "pbf-lb") -> Any:
    """The packaged recipe of a machine type for an alloy, by its name or an alias.

    Raises `RecipeError` if there is none.
    """
    try:
        wanted = alloy(alloy_name).name
    except MaterialError as error:
        raise RecipeError(str(error)) from None
    names = recipe_names(machine)
    if wanted not in names:
        raise RecipeError(f"no recipe for {wanted} on {machine}; there are some for "
                          f"{', '.join(names)}")
    return load_recipe(wanted, machine)

"""Recipes: packaged files, units, and one clear error for each kind of bad input."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulators import recipes
from emulators.recipes import RecipeError, load_recipe, recipe_for, recipe_names
from emulators.recipes.pbf_lb import Recipe
from twin.units import UNITS

IN718 = Path(recipes.__file__).parent / "pbf-lb" / "IN718.toml"
POWER = 'power = { value = 285, unit = "W", source = "default" }'

MINIMAL = """
alloy: Inconel 718
layer_thickness: {value: 0.04, unit: mm, source: "maker's sheet"}
hatch: &set
  power: {value: 0.285, unit: kW}
  speed: {value: 0.96, unit: m/s}
  spot_d4sigma: {value: 80, unit: um}
  hatch_spacing: {value: 110, unit: um}
contour: &edge
  power: {value: 150, unit: W}
  speed: {value: 700, unit: mm/s}
  spot_d4sigma: {value: 80, unit: um}
support: *edge
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def to(text: str, name: str = "mine.toml") -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return to


def test_the_five_alloys_have_recipes() -> None:
    assert recipe_names() == sorted(["Ti-6Al-4V", "IN718", "IN625", "316L", "AlSi10Mg"])
    assert len({load_recipe(name).digest for name in recipe_names()}) == 5


@pytest.mark.parametrize("name", recipe_names())
def test_packaged_recipes_state_every_field_with_a_source(name: str) -> None:
    recipe = load_recipe(name)
    data = tomllib.loads((IN718.with_name(f"{name}.toml")).read_text(encoding="utf-8"))
    for row in recipe.describe():
        if row.field in ("name", "alloy"):
            continue
        entry = data
        for part in row.field.split("."):
            entry = entry[part]
        assert entry["source"] == row.source == recipe.source(row.field)
        assert entry.get("unit", "") == row.unit
        assert row.range
        assert row.doc


def test_attributes_are_si() -> None:
    recipe = load_recipe("in718")
    assert recipe.layer_thickness == 40e-6
    assert recipe.hatch.speed == 0.96
    assert recipe.hatch.rotation == pytest.approx(math.radians(67))
    assert recipe.temperature.preheat == pytest.approx(353.15)
    assert recipe.atmosphere.oxygen_limit == 1e-3
    assert recipe.scanner.mark_delay == 3e-4


def test_recipes_are_found_by_alias() -> None:
    assert recipe_for("ti64").alloy == "Ti-6Al-4V"
    with pytest.raises(RecipeError, match="no recipe for W on pbf-lb; there are some for 316L"):
        recipe_for("tungsten")
    with pytest.raises(RecipeError, match="'cheese' is unknown"):
        recipe_for("cheese")


def test_yaml_other_units_and_defaults(write: Callable[..., Path]) -> None:
    recipe = load_recipe(write(MINIMAL, "mine.yaml"))
    assert recipe.alloy == "IN718"
    assert recipe.name == "mine"
    assert (recipe.layer_thickness, recipe.hatch.power, recipe.hatch.speed) == (40e-6, 285.0, 0.96)
    assert recipe.source("layer_thickness") == "maker's sheet"
    assert recipe.source("hatch.power") == "mine.yaml"
    assert recipe.source("recoating.speed") == "default"


def test_digest_follows_settings_only(write: Callable[..., Path]) -> None:
    text = IN718.read_text(encoding="utf-8")
    reference = load_recipe("IN718")
    same = load_recipe(write(text.replace(POWER, 'power = { value = 0.285, unit = "kW" }')))
    other = load_recipe(write(text.replace(POWER, 'power = { value = 286, unit = "W" }')))
    assert same.digest == reference.digest != other.digest
    assert Recipe.model_validate(reference.model_dump()).digest == reference.digest


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("value = 960", "value = -960", "hatch.speed must be 10 to 20000 mm/s, not -960"),
        ("value = 960", "value = nan", "hatch.speed must be 10 to 20000 mm/s, not nan"),
        ("value = 960", "value = 1" + "0" * 400, "hatch.speed must be 10 to 20000 mm/s, not inf"),
        ("value = 285", "value = true", "hatch.power must be 10 to 2000 W, not True"),
        ("value = 285", 'value = "x"', "hatch.power must be 10 to 2000 W, not 'x'"),
        (POWER, "power = 285", "hatch.power needs its unit: .*'W'.* range 10 to 2000"),
        (POWER, POWER.replace("W", "mm"), "hatch.power must be in W or kW, not in 'mm'"),
        (POWER, POWER.replace("value", "valu"), "hatch.power takes value, unit and source"),
        (POWER, POWER.replace("power", "powr"), "unknown field hatch.powr; .* hatch.power"),
        (POWER, "", "hatch.power is missing, 10 to 2000 W"),
        ("[scanner]", "[scaner]", "unknown field scaner; did you mean scanner"),
        ("[scanner]", "[[scanner]]", "scanner must be a section, not "),
        ('"stripes"', '"zigzag"', "hatch.pattern must be 'meander', 'stripes' or 'islands', not"),
        ("count = { value = 1,", "count = { value = 1.5,", "contour.count must be a whole number"),
        ("first = { value = false", "first = { value = 3", "contour.first must be a valid bool"),
        ("first = { value = false", 'first = { value = false, unit = "W"', "first has no unit"),
        ('alloy = "IN718"', 'alloy = "cheese"', "alloy must be a known alloy: .*known: Ti-6Al-4V"),
        ('alloy = "IN718"', "alloy = [", "is not a recipe: "),
    ],
)
def test_bad_fields(write: Callable[..., Path], old: str, new: str, message: str) -> None:
    text = IN718.read_text(encoding="utf-8")
    assert old in text
    with pytest.raises(RecipeError, match=f"^mine.toml: .*{message}"):
        load_recipe(write(text.replace(old, new, 1)))


@pytest.mark.parametrize(
    "text", ["", "- 1\n- 2", "just text", "a: [", "\x07: 1", "a: &a [*b]", "[" * 5000]
)
def test_yaml_garbage(write: Callable[..., Path], text: str) -> None:
    with pytest.raises(RecipeError, match=r"^mine\.yaml: is not a recipe: "):
        load_recipe(write(text, "mine.yaml"))


@given(st.binary(max_size=60))
def test_any_bytes_give_one_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    for name in ("garbage.yaml", "garbage.toml"):
        path = tmp_path_factory.getbasetemp() / name
        path.write_bytes(data)
        with pytest.raises(RecipeError, match=f"^{name}: "):
            load_recipe(path)


def test_unknown_names_and_missing_files(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="no recipe 'nope' for pbf-lb; known: 316L, AlSi10Mg"):
        load_recipe("nope")
    with pytest.raises(RecipeError, match=r"gone\.toml: cannot be read: No such file"):
        load_recipe(tmp_path / "gone.toml")


def test_changed_is_checked_and_marked() -> None:
    recipe = load_recipe("IN718")
    other = recipe.changed({"hatch.power": 300.0, "layer_thickness": 30e-6})
    assert (other.hatch.power, other.layer_thickness) == (300.0, 30e-6)
    assert other.source("hatch.power") == "changed"
    assert other.digest != recipe.digest
    for values, message in (
        ({"hatch.power": 1e9}, "IN718: hatch.power must be 10 to 2000 W"),
        ({"hatch.power": math.nan}, "IN718: hatch.power must be 10 to 2000 W"),
        ({"hatch.powr": 1.0}, "unknown field hatch.powr"),
        ({"upskin.power": 100.0}, "no section upskin"),
    ):
        with pytest.raises(RecipeError, match=message):
            recipe.changed(values)


@given(st.floats(10, 2000), st.sampled_from(["W", "kW"]))
def test_limits_survive_conversion(watts: float, symbol: str) -> None:
    data = load_recipe("IN718").model_dump()
    data["hatch"]["power"] = UNITS[symbol].to_si(UNITS[symbol].from_si(watts))
    assert Recipe.model_validate(data).hatch.power == pytest.approx(watts)

"""Recipes of binder jet and furnace: they fit the machines and one another."""

from __future__ import annotations

import pytest

from emulators.controllers.binder_jet_signals import Process as JetProcess
from emulators.controllers.sinter_furnace_signals import Process as FurnaceProcess
from emulators.machines.binder_jet import oversize
from emulators.machines.sinter_furnace import expected, segments
from emulators.recipes import RecipeError, load_recipe, recipe_for, recipe_names

ALLOYS = ["17-4PH", "316L"]


@pytest.mark.parametrize("machine", ["binder-jet", "sinter-furnace"])
def test_alloys(machine: str) -> None:
    assert recipe_names(machine) == ALLOYS


@pytest.mark.parametrize("alloy", ALLOYS)
def test_machines_take_their_recipes(alloy: str) -> None:
    JetProcess().take(recipe_for(alloy, "binder-jet"))
    FurnaceProcess().take(recipe_for(alloy, "sinter-furnace"))


@pytest.mark.parametrize("alloy", ALLOYS)
def test_printing_expects_what_the_furnace_does(alloy: str) -> None:
    """The parts are enlarged for the density that the furnace's recipe gives, within 0.3 points."""
    jet, furnace = recipe_for(alloy, "binder-jet"), recipe_for(alloy, "sinter-furnace")
    found = expected(furnace, jet.powder.packing)
    assert jet.shrinkage.sintered_density == pytest.approx(found, abs=3e-3)
    assert jet.shrinkage.ratio == furnace.sintering.ratio
    assert found > furnace.quality.density


def test_oversize_is_the_inverse_of_the_shrinkage() -> None:
    recipe = recipe_for("316L", "binder-jet")
    x, y, z = oversize(recipe)
    assert x == y
    assert x == pytest.approx(1 / (1 - 0.1624), abs=1e-4)
    assert z == pytest.approx(1 / (1 - 0.1868), abs=2e-4)
    assert oversize(recipe.changed({"shrinkage.compensate": False})) == (1.0, 1.0, 1.0)


def test_programme_of_segments() -> None:
    recipe = recipe_for("316L", "sinter-furnace")
    names = [s.name for s in segments(recipe)]
    assert names == ["debind 1", "debind 2", "debind 3", "debind 4", "presinter", "sinter"]
    assert segments(recipe)[0].target == pytest.approx(573.15)
    assert segments(recipe)[3].target == pytest.approx(873.15)
    short = segments(recipe.changed({"debinding.steps": 0, "presintering.hold": 0.0}))
    assert [s.name for s in short] == ["sinter"]


def test_a_value_out_of_range_is_named() -> None:
    with pytest.raises(RecipeError, match=r"sintering\.temperature must be 25 to 1480 degC"):
        recipe_for("316L", "sinter-furnace").changed({"sintering.temperature": 2000.0})
    with pytest.raises(RecipeError, match="no recipe 'IN718' for binder-jet"):
        load_recipe("IN718", "binder-jet")

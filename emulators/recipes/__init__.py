"""Recipes of all machines: one module of settings per machine type, and the files' reader."""

from emulators.recipes.files import (
    BaseRecipe,
    Quantity,
    RecipeError,
    Row,
    Section,
    load_recipe,
    recipe_for,
    recipe_model,
    recipe_names,
)

__all__ = [
    "BaseRecipe",
    "Quantity",
    "RecipeError",
    "Row",
    "Section",
    "load_recipe",
    "recipe_for",
    "recipe_model",
    "recipe_names",
]

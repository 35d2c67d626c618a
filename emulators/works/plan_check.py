"""What the fields of a plan say about one another, and about the machines' recipes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NoReturn

from pydantic import BaseModel

from emulators.catalog import MACHINES
from emulators.recipes import RecipeError, load_recipe
from emulators.works.plan import (
    DAYS,
    PARTS,
    RESIDUES,
    SCRAP,
    WORKS,
    MachinePlan,
    Plan,
    PlanError,
    ProgramPlan,
)
from twin.powder.laboratory import specification

__all__ = ["check", "gases_of"]

_GASES = {
    "pbf-eb": ("helium",), "ded-powder": ("argon",), "ded-wire-laser": ("argon",),
    "ded-arc": ("argon",), "binder-jet": ("air",), "prep": ("helium", "argon"),
    "spheroidizer": ("argon",), "recycling-line": ("argon",),
}
"""What machines take whose recipes do not name their gas."""


def check(plan: Plan, where: str) -> None:
    """What fields of the plan in file `where` say about one another; `PlanError`."""
    def wrong(field: str, why: str) -> NoReturn:
        raise PlanError(f"{where}: {field} {why}")

    def known(field: str, name: str, names: list[str]) -> None:
        if name not in names:
            wrong(field, f"must be one of {', '.join(names) or '(there are none)'}, not {name!r}")

    if not re.fullmatch(rf"({'|'.join(DAYS)}) ([01]?\d|2[0-3]):[0-5]\d", plan.begins):
        wrong("begins", f"must be a day ({', '.join(DAYS)}) and a time 00:00 to 23:59, not "
                        f"{plan.begins!r}")
    for field in ("gases", "shifts", "people", "stores", "machines", "products"):
        names = [getattr(each, "name", each) for each in getattr(plan, field)]
        for name in names:
            if names.count(name) > 1:
                wrong(field, f"has {name!r} more than once")
    shifts, stores = [s.name for s in plan.shifts], [s.name for s in plan.stores]
    skills = {skill for p in plan.people for skill in p.skills}
    for person in plan.people:
        known(f"people ({person.name}).shift", person.shift, shifts)
    for gas in plan.gases:
        if gas.start_m3 > gas.capacity_m3 or gas.reorder_m3 >= gas.capacity_m3:
            wrong(f"gases ({gas.name})", f"start_m3 and reorder_m3 must be 0 to capacity_m3 "
                  f"({gas.capacity_m3:g})")
        if gas.reserve_m3 >= gas.capacity_m3:
            wrong(f"gases ({gas.name}).reserve_m3", f"must be below capacity_m3 "
                  f"({gas.capacity_m3:g}), or no job will ever start")
    used = [s.name for s in plan.stores if s.holds == "used powder"]
    for store in plan.stores:
        field = f"stores ({store.name})"
        if store.name in (SCRAP, RESIDUES, PARTS):
            wrong(field, "is a store that every works has; give it another name")
        if store.holds != "items" and not store.alloy:
            wrong(f"{field}.alloy", "is missing; a store of powder has one alloy")
        if store.low_um >= store.high_um:
            wrong(f"{field}.low_um", f"must be below high_um ({store.high_um:g})")
        if store.used:
            known(f"{field}.used", store.used, used)
        if store.stock and store.holds == "items":
            wrong(f"{field}.stock", "is for powder only")
        if store.buys is not None and (store.holds != "powder" or store.reorder_kg <= 0):
            wrong(f"{field}.buys", "is for powder with a reorder_kg above 0 at which it is bought")
        if store.sells and store.holds != "powder":
            wrong(f"{field}.sells", f"is for powder, not for {store.holds}")
        if store.sells and store.name in plan.products:
            wrong(f"{field}.sells", "cannot be: a product has that name")
        if store.process:
            try:
                specification(store.process, store.alloy)
            except ValueError as error:
                wrong(f"{field}.process", f"cannot be: {error}")
    made = [p.makes for m in plan.machines for p in m.programs]
    for product in plan.products:
        if product not in [m.product for m in made]:
            wrong("products", f"has {product!r}, which no program makes")
    for number, machine in enumerate(plan.machines):
        field = f"machines[{number}] ({machine.name})"
        if machine.name.upper() == WORKS:
            wrong(f"{field}.name", "is that of the works itself")
        known(f"{field}.type", machine.type, list(MACHINES))
        if machine.gas:
            known(f"{field}.gas", machine.gas, [g.name for g in plan.gases])
            kind = next(g.kind or g.name for g in plan.gases if g.name == machine.gas)
        for what, skill in (("skill", machine.skill), ("upkeep.skill", machine.upkeep.skill)):
            known(f"{field}.{what}", skill, sorted(skills))
        names = [p.name for p in machine.programs]
        for program in machine.programs:
            at = f"{field}.programs ({program.name})"
            if names.count(program.name) > 1:
                wrong(at, "is there more than once")
            takes = gases_of(machine, program) if machine.gas else ()
            if takes and kind not in takes:
                wrong(f"{field}.gas", f"is {kind}, but program {program.name!r} takes "
                      f"{' or '.join(takes)}"
                      + (f" (recipe {program.recipe})" if program.recipe else ""))
            makes = program.makes
            if bool(makes.product) == bool(makes.store):
                wrong(f"{at}.makes", "needs either a product or a store")
            if makes.product:
                known(f"{at}.makes.product", makes.product, list(plan.products))
            else:
                known(f"{at}.makes.store", makes.store, stores)
            for take in program.takes:
                if bool(take.product) == bool(take.store):
                    wrong(f"{at}.takes", "needs either a product or a store")
                if take.store:
                    known(f"{at}.takes.store", take.store, stores)
                    if take.kg is None:
                        wrong(f"{at}.takes.kg", "is missing, above 0 to 100000")
                    if plan.store(take.store).holds == "items":
                        wrong(f"{at}.takes.store", f"must be a store of powder, not "
                              f"{take.store!r}")
                elif take.top_up:
                    wrong(f"{at}.takes.top_up", "is for powder only")
                elif take.product not in [m.product for m in made]:
                    wrong(f"{at}.takes.product", f"must be a product that a machine makes, not "
                          f"{take.product!r}")
    if any(s.process for s in plan.stores):
        known("laboratory", plan.laboratory, sorted(skills))
    circle = _circle(plan)
    if circle:
        wrong("machines", f"make products of one another in a circle: {', '.join(circle)}")
    for number, order in enumerate(plan.orders):
        if 0 < order.every_h < 0.1:
            wrong(f"orders[{number}].every_h", f"must be 0 (once) or 0.1 to 100000, not "
                  f"{order.every_h:g}")
        known(f"orders[{number}].product", order.product, [*plan.sold])


def _circle(plan: Plan) -> list[str]:
    """Products that cannot be made as each is made of the next; empty if there are none."""
    needs: dict[str, list[set[str]]] = {}
    for machine in plan.machines:
        for program in machine.programs:
            if program.makes.product:
                needs.setdefault(program.makes.product, []).append(
                    {take.product for take in program.takes if take.product})
    possible: set[str] = set()
    while more := [product for product, ways in needs.items() if product not in possible
                   and any(way <= possible for way in ways)]:
        possible |= {*more}
    return [p for p in plan.products if p in needs and p not in possible]


def gases_of(machine: MachinePlan, program: ProgramPlan) -> tuple[str, ...]:
    """Kinds of gas that a program takes; empty if that is not known.

    Most recipes name their gas; the other machines always take the same.
    """
    name = program.recipe or program.alloy
    if name is not None:
        try:
            named = {*_named(load_recipe(name, machine.type))}
        except RecipeError:
            named = set()  # that it cannot be read is told when it is
        if named:
            return tuple(sorted(named))
    return _GASES.get(machine.type, ())


def _named(section: BaseModel) -> Iterator[str]:
    """What fields called ``gas`` say, wherever they are in a recipe."""
    for name in type(section).model_fields:
        value: Any = getattr(section, name)
        if isinstance(value, BaseModel):
            yield from _named(value)
        elif name == "gas" and isinstance(value, str):
            yield value

"""What of a plan cannot be run, told before anything is made; and what of it will never happen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from emulators.catalog import MACHINES
from emulators.recipes import RecipeError, load_recipe
from emulators.settings import SettingsError
from emulators.works.plan import MachinePlan, Plan, ProgramPlan
from emulators.works.plan_check import gases_of
from twin.works.people import HOUR, WEEK

if TYPE_CHECKING:
    from emulators.controllers.works_jobs import Expectation
    from twin.works.plant import Works

__all__ = ["check_programs", "hints"]


def check_programs(plan: Plan) -> None:
    """Recipes and parts of all programs; `SettingsError` names machine, program and field."""
    for machine in plan.machines:
        for program in machine.programs:
            for field, why in _wrong(plan, machine, program):
                raise SettingsError(
                    f"machines ({machine.name}).programs ({program.name}).{field} {why}")


def _wrong(plan: Plan, machine: MachinePlan, program: ProgramPlan) -> Iterator[tuple[str, str]]:
    if MACHINES[machine.type].technology and not program.parts:
        yield "parts", f"is missing: what a {machine.type} builds"
    for part in program.parts:
        if not part.startswith("example:") and not Path(part).is_file():
            yield "parts", f"has {part!r}, and there is no such file"
    name = program.recipe or program.alloy
    if name is None:
        return
    try:
        metal = load_recipe(name, machine.type).alloy
    except RecipeError as error:
        yield "recipe", f"cannot be: {error}"
        return
    taken = {plan.store(take.store).alloy for take in program.takes if take.store}
    if taken and metal not in taken:
        yield "takes", f"must have powder of {metal}, which recipe {name} is for, not only of " \
                       + ", ".join(sorted(taken))
    made = plan.store(program.makes.store).alloy if program.makes.store else metal
    if made != metal:
        yield "makes.store", f"must be of {metal}, which recipe {name} is for, not of {made}"


def hints(plan: Plan, works: Works,
          expected: Mapping[tuple[str, str], Expectation]) -> tuple[str, ...]:
    """What a plan allows but will not do as its author may think, one sentence each."""
    return tuple(_hints(plan, works, expected))


def _hints(plan: Plan, works: Works,
           expected: Mapping[tuple[str, str], Expectation]) -> Iterator[str]:
    powers = {m.name: float(works.machines[m.name].power) for m in plan.machines}
    for machine in plan.machines:
        for program in machine.programs:
            found = expected[machine.name, program.name]
            about = f"{machine.name}, {program.name}"
            others = sum(powers.values()) - powers[machine.name]
            needed = (max(found.power, powers[machine.name]) + others) / 1e3
            if needed > plan.power_limit_kw:
                yield (f"{about}: never starts, with all other machines at rest it takes the works "
                       f"to {needed:.1f} kW, beyond power_limit_kw ({plan.power_limit_kw:g})")
            elif needed * works.water.share > plan.cooling_kw:
                yield (f"{about}: never starts, its heat of {needed * works.water.share:.1f} kW is "
                       f"beyond cooling_kw ({plan.cooling_kw:g})")
            if machine.attended and (most := _longest(works, machine.skill)) < found.duration:
                yield (f"{about}: never starts, it is attended for {found.duration / HOUR:.1f} h "
                       f"and nobody with skill {machine.skill!r} is there for more than "
                       f"{most / HOUR:.1f} h without a gap")
            if not machine.gas and (gases := gases_of(machine, program)) not in ((), ("air",)):
                yield (f"{about}: takes {' or '.join(gases)}, but no tank is named; its gas is not "
                       "in the ledger")
    made = {p.makes.store for m in plan.machines for p in m.programs}
    for store in plan.stores:
        takers = [f"{m.name}, {p.name}" for m in plan.machines for p in m.programs
                  if any(t.store == store.name for t in p.takes)]
        comes = store.stock or store.buys or store.name in made or any(
            other.used == store.name for other in plan.stores)
        if takers and not comes:
            yield (f"store {store.name}: nobody makes or buys its powder and there is none; "
                   f"{', '.join(takers)} never start")
        elif takers and store.holds == "powder" and not store.buys and store.name not in made:
            yield f"store {store.name}: nobody makes or buys its powder; one day it will be empty"


def _longest(works: Works, skill: str) -> float:
    """The longest time (s) of a week for which somebody with a skill is there without a gap."""
    people, longest, time = works.people, 0.0, 0.0
    while time < WEEK:
        until = people.present_until(skill, time)
        longest = max(longest, until - time)
        following = [p.shift.following(time + people.start) - people.start
                     for p in people.people if skill in p.skills]
        if not following:
            break
        time = max(until, min(following))
    return longest

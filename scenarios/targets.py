"""The plan's targets for powder: improved recipes against a baseline, computed by the twin.

Both recipes are run offline on the machine of the catalogue, from loading to discharge, holds and
cooling included. What a kilogram in the cut costs follows from the meters and from prices that are
all assumptions, see ``targets.toml``.
"""

from __future__ import annotations

import tempfile
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from emulators.catalog import MACHINES, Settings
from emulators.runs import begin, finished, stranded
from plc_interfaces.host import Act, ActKind
from twin.powder.lot import PowderLot
from twin.powder.operations import Operation
from twin.powder.sizes import cut

__all__ = ["FIGURES", "Assumption", "Case", "Outcome", "Plan", "Result", "TargetError", "compute",
           "load_plan", "made", "run"]

LONGEST: Final = 30 * 86_400.0
"""Simulated s after which a job that is not over is given up."""

FIGURES: Final[Mapping[str, tuple[str, str, str]]] = {
    "powder_rate": ("all powder", "kg/h", "over the whole time, changeover included"),
    "cut_yield": ("in the cut", "%", "of what was charged"),
    "cut_rate": ("powder in the cut", "kg/h", ""),
    "good_rate": ("defect-less powder", "kg/h", "in the cut, not hollow, no satellites, round"),
    "cost": ("cost", "EUR/kg", "of powder in the cut"),
    "low_hollow_per_cost": ("low-hollow powder", "kg/1000 EUR", "in the cut, per cost"),
    "energy": ("energy", "kWh/kg", "of powder in the cut"),
    "gas": ("gas", "m3/kg", "of powder in the cut"),
}
"""Figures of an outcome: what they are called, their unit, what they count."""


class TargetError(ValueError):
    """A plan of targets that cannot be used; the message names file and field."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Assumption(_Strict):
    """A figure with its unit and where it comes from."""

    value: float
    unit: str
    source: str


class Prices(_Strict):
    """What things cost, for all machines."""

    energy: Assumption
    argon: Assumption
    nitrogen: Assumption
    helium: Assumption
    labour: Assumption
    hours: Assumption
    years: Assumption
    upkeep: Assumption


class Quality(_Strict):
    """Which powder counts."""

    low: Assumption
    high: Assumption
    hollow: Assumption


class Target(_Strict):
    """A ratio that the plan asks for."""

    name: str
    figure: str
    ratio: float
    says: str


class Case(_Strict):
    """A machine with a baseline and an improved recipe."""

    name: str
    machine: str
    recipe: str
    gas: dict[str, float]
    """Shares of the gas that the meter counts."""
    price: Assumption
    attended: Assumption
    changeover: Assumption
    feed: Assumption
    remelt: Assumption
    why: str
    baseline: dict[str, Any]
    improved: dict[str, Any]


class Plan(_Strict):
    """All of a file."""

    prices: Prices
    quality: Quality
    target: list[Target]
    case: list[Case]


@dataclass(frozen=True)
class Outcome:
    """What a recipe gave and took, changeover included; SI units but for money."""

    hours: float
    """h that the machine is taken."""
    held: float
    """h of them in a hold."""
    charged: float
    """kg"""
    powder: float
    """kg of all that came out as powder."""
    in_cut: float
    good: float
    low_hollow: float
    energy_kwh: float
    gas_m3: float
    shares: Mapping[str, float]
    """Cost by kind, EUR."""

    @property
    def cost(self) -> float:
        """EUR of the job."""
        return sum(self.shares.values())

    def figure(self, name: str) -> float:
        """One of `FIGURES`."""
        inside = max(self.in_cut, 1e-12)
        return {
            "powder_rate": self.powder / self.hours,
            "cut_yield": 100 * self.in_cut / max(self.charged, 1e-12),
            "cut_rate": self.in_cut / self.hours,
            "good_rate": self.good / self.hours,
            "cost": self.cost / inside,
            "low_hollow_per_cost": 1000 * self.low_hollow / self.cost,
            "energy": self.energy_kwh / inside,
            "gas": self.gas_m3 / inside,
        }[name]


@dataclass(frozen=True)
class Result:
    """A case with both outcomes."""

    case: Case
    baseline: Outcome
    improved: Outcome

    def ratio(self, figure: str) -> float:
        """The improved figure over that of the baseline."""
        before = self.baseline.figure(figure)
        return self.improved.figure(figure) / before if before else float("inf")

    @property
    def ceiling(self) -> float:
        """Productivity over the baseline's if only feedstock cost and all were in the cut."""
        return 1000 / self.case.feed.value / self.baseline.figure("low_hollow_per_cost")


def load_plan(baseline: Path | None = None) -> Plan:
    """The stored plan, or one whose prices, quality or cases a file replaces.

    A case in the file takes the place of the one of that name, field by field. Raises
    `TargetError` for a file that cannot be used.
    """
    stored = tomllib.loads((files("scenarios") / "targets.toml").read_text(encoding="utf-8"))
    if baseline is not None:
        try:
            other = tomllib.loads(baseline.read_text(encoding="utf-8"))
        except OSError as error:
            raise TargetError(f"{baseline}: cannot be read: {error.strerror}") from None
        except ValueError as error:
            raise TargetError(f"{baseline}: is no TOML: {error}") from None
        stored = _merged(stored, other, baseline)
    try:
        plan = Plan.model_validate(stored)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise TargetError(f"{baseline or 'targets.toml'}: {where}: {first['msg']}") from None
    for case in plan.case:
        if case.machine not in MACHINES:
            raise TargetError(f"case {case.name}: no machine {case.machine!r}")
        unknown = set(case.gas) - {"argon", "nitrogen", "helium"}
        if unknown:
            raise TargetError(f"case {case.name}: no price of {', '.join(sorted(unknown))}")
    for target in plan.target:
        if target.figure not in FIGURES:
            raise TargetError(f"target {target.name}: no figure {target.figure!r}; there are "
                              f"{', '.join(FIGURES)}")
    return plan


def _merged(stored: dict[str, Any], other: Mapping[str, Any], where: Path) -> dict[str, Any]:
    found = dict(stored)
    for key, value in other.items():
        if key == "case":
            cases = {case["name"]: case for case in stored["case"]}
            for case in value:
                name = case.get("name")
                if name not in cases:
                    raise TargetError(f"{where}: no case {name!r}; there are {', '.join(cases)}")
                cases[name] = {**cases[name], **case}
            found["case"] = list(cases.values())
        elif isinstance(stored.get(key), dict) and isinstance(value, Mapping):
            found[key] = {**stored[key], **value}
        else:
            found[key] = value
    return found


def _recipe(case: Case, changes: Mapping[str, Any], folder: Path) -> Path:
    """The packaged recipe with other values, as a file."""
    source = files("emulators") / "recipes" / case.machine / f"{case.recipe}.toml"
    data = tomllib.loads(source.read_text(encoding="utf-8"))
    for dotted, value in changes.items():
        *above, last = dotted.split(".")
        section = data
        for part in above:
            section = section.setdefault(part, {})
        entry = section.get(last)
        if isinstance(entry, Mapping):
            section[last] = {**entry, "value": value, "source": "changed"}
        else:
            section[last] = {"value": value, "source": "changed"}
    path = folder / f"{case.recipe}.yaml"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return path


def made(operations: Sequence[Operation]) -> list[PowderLot]:
    """The lots that no later operation took, those on hold or scrapped left out."""
    taken = {draw.id for operation in operations for draw in operation.inputs}
    return [lot for operation in operations for lot in operation.outputs
            if isinstance(lot, PowderLot) and lot.id not in taken
            and lot.status not in ("hold", "scrap")]


def _kept(lots: Sequence[PowderLot], quality: Quality) -> tuple[float, float, float, float]:
    """All powder, that in the cut, what of it has no defect, what of it is low in hollow; kg."""
    powder = inside = good = low = 0.0
    for lot in lots:
        for grains in lot.constituents:
            within = grains.masses * cut(grains.masses, quality.low.value * 1e-6,
                                         quality.high.value * 1e-6)
            powder += grains.mass
            inside += float(within.sum())
            sound = (1 - grains.hollow) * (1 - grains.satellites) * (1 - grains.irregular)
            good += float((within * np.clip(sound, 0.0, 1.0)).sum())
            low += float(within[grains.hollow <= quality.hollow.value].sum())
    return powder, inside, good, low


def run(case: Case, changes: Mapping[str, Any], plan: Plan, *, seed: int = 0,
        progress: Callable[[float], None] = lambda hours: None) -> Outcome:
    """A case's machine with a recipe changed so, run to the end of its job.

    `progress` is told the simulated hours. Raises `TargetError` if the job does not finish, and
    what building the machine raises.
    """
    operations: list[Operation] = []
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(case.machine, recipe=str(_recipe(case, changes, Path(folder))),
                            seed=seed)
        built = begin(settings, None, 0.0)
    emulator = built.emulator
    emulator.pacer.set_factor(float("inf"))
    emulator.followers.append(operations.append)
    controller: Any = emulator.controller
    emulator.submit(Act(ActKind.CALL, "Job.StoreAndStart", ["TARGET", built.programs[0]]))
    held, before, told = 0.0, 0.0, 0.0
    while not finished(emulator):
        emulator.scan(emulator.next_scan)
        if stranded(emulator) or emulator.time > LONGEST:
            raise TargetError(f"case {case.name}: the job is "
                              f"{controller.state.name.lower()}: {controller.machine.reason}")
        if controller.state.name in ("HELD", "SUSPENDED"):
            held += emulator.time - before
        before = emulator.time
        if before > told + 600.0:
            told = before
            progress(before / 3600)
    if controller.state.name != "FINISHED":
        raise TargetError(f"case {case.name}: the job was {controller.state.name.lower()}: "
                          f"{controller.machine.reason}")
    plant: Any = emulator.plant
    meter = plant.meter
    meter.sense(emulator.time)
    return _outcome(case, plan, emulator.time / 3600, held / 3600, operations,
                    meter.feedstock, meter.energy / 3.6e6, meter.gas)


def _outcome(case: Case, plan: Plan, hours: float, held: float, operations: Sequence[Operation],
             charged: float, energy: float, gas: float) -> Outcome:
    prices = plan.prices
    powder, inside, good, low = _kept(made(operations), plan.quality)
    taken = hours + case.changeover.value
    yearly = case.price.value * (1 / prices.years.value + prices.upkeep.value)
    per_gas = sum(share * float(getattr(prices, name).value) for name, share in case.gas.items())
    shares = {
        "feedstock": charged * case.feed.value,
        "remelt": -max(powder - inside, 0.0) * case.remelt.value,
        "machine": taken * yearly / prices.hours.value,
        "labour": (hours * case.attended.value + case.changeover.value) * prices.labour.value,
        "energy": energy * prices.energy.value,
        "gas": gas * per_gas,
    }
    return Outcome(taken, held, charged, powder, inside, good, low, energy, gas, shares)


def compute(plan: Plan, cases: Sequence[str] = (), *, seed: int = 0,
            progress: Callable[[str], None] = lambda text: None) -> list[Result]:
    """Both outcomes of each case (of those named); `progress` is told what is being run.

    Raises `TargetError` for an unknown case or a job that does not finish.
    """
    known = {case.name: case for case in plan.case}
    for name in cases:
        if name not in known:
            raise TargetError(f"no case {name!r}; there are {', '.join(known)}")
    found = []
    for case in plan.case:
        if cases and case.name not in cases:
            continue
        outcomes = []
        for kind, changes in (("baseline", case.baseline), ("improved", case.improved)):
            progress(f"{case.name}: {kind}")
            outcomes.append(run(case, changes, plan, seed=seed))
        found.append(Result(case, *outcomes))
    return found

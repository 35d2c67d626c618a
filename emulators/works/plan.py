"""The plan of a works: a TOML or YAML file with its machines, stores, supplies, people and orders.

Figures are in the unit that a field's name ends in. All of them are defaults of the planner, none
is measured; the packaged plans say so too.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from emulators.canonical import content_hash
from emulators.settings import SettingsError
from emulators.works.plan_errors import clear
from twin.materials import MaterialError, alloy
from twin.powder.laboratory import specification
from twin.works.account import Rates
from twin.works.people import DAY, HOUR, Person, Shift
from twin.works.plant import MOST, GasSupply, Place, Works
from twin.works.upkeep import Upkeep

__all__ = ["MachinePlan", "OrderPlan", "Plan", "PlanError", "ProgramPlan", "StorePlan",
           "load_plan", "make_works", "plan_names"]

_FOLDER = Path(__file__).with_name("plans")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
WORKS = "WORKS"
"""What the works itself is called among its machines."""
SCRAP, RESIDUES, PARTS = "scrap", "residues", "parts"
"""Stores that every works has: what leaves its use, powder that fits no store, finished parts."""


class PlanError(SettingsError):
    """A plan that cannot be used; the message names file, field and what is allowed."""


class Section(BaseModel):
    """A part of a plan."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True,
                              validate_default=True)


Name = Annotated[str, Field(min_length=1, max_length=32, pattern=r"^[^/\\.]+$")]
Amount = Annotated[float, Field(gt=0, le=1e6)]
Hours = Annotated[float, Field(ge=0, le=1e5)]
Clock = Annotated[str, Field(pattern=r"^([01]?\d|2[0-4]):[0-5]\d$")]


def _seconds(clock: str) -> float:
    hours, minutes = clock.split(":")
    return int(hours) * HOUR + int(minutes) * 60.0


class GasPlan(Section):
    """A tank of gas, volumes at ambient."""

    name: Name
    capacity_m3: Amount
    start_m3: Annotated[float, Field(ge=0, le=1e6)]
    reorder_m3: Annotated[float, Field(ge=0, le=1e6)]
    """Level at which a delivery is ordered."""
    lead_time_h: Annotated[float, Field(ge=0, le=2000)] = 48.0
    reserve_m3: Annotated[float, Field(ge=0, le=1e6)] = 0.0
    """No job starts below this level."""
    carbon_kg_m3: Annotated[float, Field(ge=0, le=100)] = 0.5
    price_m3: Annotated[float, Field(ge=0, le=1000)] = 2.0


class ShiftPlan(Section):
    """When people work."""

    name: Name
    days: Annotated[tuple[Literal["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"], ...],
                    Field(min_length=1)]
    begins: Clock
    ends: Clock


class PersonPlan(Section):
    """People of one kind."""

    name: Name
    skills: Annotated[tuple[Name, ...], Field(min_length=1)]
    shift: Name
    count: Annotated[int, Field(ge=1, le=200)] = 1


class StockPlan(Section):
    """A lot that a store begins with: typical powder of the store's alloy, log-normal."""

    mass_kg: Amount
    d50_um: Annotated[float, Field(ge=1, le=500)]
    spread: Annotated[float, Field(ge=1.05, le=4)] = 1.35
    oxygen_ppm: Annotated[float, Field(ge=0, le=20_000)] = 300.0
    moisture_ppm: Annotated[float, Field(ge=0, le=5000)] = 30.0
    lots: Annotated[int, Field(ge=1, le=50)] = 1
    """So many lots of this mass."""


class StorePlan(Section):
    """A store. Powder has an alloy and a cut; what comes back from a build goes to `used`."""

    name: Name
    holds: Literal["powder", "used powder", "items"] = "powder"
    alloy: str = ""
    low_um: Annotated[float, Field(ge=0, le=1000)] = 0.0
    high_um: Annotated[float, Field(gt=0, le=1000)] = 1000.0
    process: str = ""
    """Machine type whose powder specification the laboratory goes by; empty: none, all is
    released."""
    used: str = ""
    """Store that takes this powder back from builds."""
    reorder_kg: Annotated[float, Field(ge=0, le=1e5)] = 0.0
    """Powder is made when there is less than this."""
    stock: tuple[StockPlan, ...] = ()

    @field_validator("alloy")
    @classmethod
    def _known(cls, name: str) -> str:
        if not name:
            return name
        try:
            return alloy(name).name
        except MaterialError as error:
            raise ValueError(f"must be a known alloy: {error}") from None


class Take(Section):
    """What a program needs: powder (kg) of a store, or a number of parts of a product."""

    store: str = ""
    kg: Annotated[float, Field(gt=0, le=1e5)] | None = None
    product: str = ""
    count: Annotated[int, Field(ge=1, le=1000)] = 1


class Make(Section):
    """What a program makes: so many of a product, or powder (kg, about) for a store."""

    product: str = ""
    count: Annotated[int, Field(ge=1, le=1000)] = 1
    store: str = ""
    kg: Annotated[float, Field(gt=0, le=1e5)] = 1.0


class ProgramPlan(Section):
    """A job that a machine can do."""

    name: Annotated[str, Field(min_length=1, max_length=64)]
    makes: Make
    takes: tuple[Take, ...] = ()
    parts: tuple[str, ...] = ()
    unit: str | None = None
    recipe: str | None = None
    alloy: str | None = None
    settings: dict[str, Any] = Field(default_factory=dict)
    """Further settings of the run of a machine, such as ``lasers``."""
    hours: Annotated[float, Field(gt=0, le=2000)] | None = None
    """How long it takes; from the job's summary if not given."""
    power_kw: Annotated[float, Field(ge=0, le=5000)] | None = None
    """Highest mean power of a phase; from the job's summary if not given."""


class UpkeepPlan(Section):
    """Failures and maintenance of a machine, in working hours; 0 = none."""

    between_failures_h: Hours = 400.0
    repair_h: Annotated[float, Field(gt=0, le=1000)] = 3.0
    repair_spread: Annotated[float, Field(ge=1, le=5)] = 1.8
    fatal_share: Annotated[float, Field(ge=0, le=1)] = 0.15
    service_every_h: Hours = 500.0
    service_h: Annotated[float, Field(gt=0, le=1000)] = 4.0
    skill: Name = "maintenance"


class MachinePlan(Section):
    """A machine, how it is looked after, and the jobs it can do."""

    name: Annotated[str, Field(min_length=1, max_length=32, pattern=r"^[A-Za-z0-9_-]+$")]
    type: str
    gas: str = ""
    skill: Name = "operator"
    attended: bool = False
    """Whether somebody of the skill has to be there all the time a job runs."""
    setup_h: Annotated[float, Field(ge=0, le=100)] = 0.75
    unload_h: Annotated[float, Field(ge=0, le=100)] = 0.75
    upkeep: UpkeepPlan = UpkeepPlan()
    programs: Annotated[tuple[ProgramPlan, ...], Field(min_length=1)]


class OrderPlan(Section):
    """An order, or one that comes again and again."""

    product: str
    quantity: Annotated[int, Field(ge=1, le=100_000)] = 1
    first_h: Hours = 0.0
    due_h: Annotated[float, Field(gt=0, le=1e5)] = 168.0
    """From its coming to when it is wanted."""
    every_h: Annotated[float, Field(ge=0, le=1e5)] = 0.0
    """0: it comes once."""
    priority: Annotated[int, Field(ge=1, le=9)] = 5
    """1 is the most urgent."""


class InspectionPlan(Section):
    """What a part has to be; beyond it is rejected, and made again."""

    porosity_percent: Annotated[float, Field(ge=0, le=100)] = 1.0
    """Mean porosity of the part."""
    oxygen: bool = True
    """Whether its oxygen has to be what the powder's specification allows."""


class LedgerPlan(Section):
    """What energy, metal, water and labour bring with them. All defaults."""

    carbon_kg_kwh: Annotated[float, Field(ge=0, le=5)] = 0.35
    carbon_kg_per_kg_metal: Annotated[float, Field(ge=0, le=500)] = 8.0
    heat_share: Annotated[float, Field(ge=0, le=1)] = 0.7
    """Share of the electrical power that the cooling water takes up."""
    water_kg_kwh: Annotated[float, Field(ge=0, le=10)] = 1.47
    """Evaporated per kWh of heat: 3.6 MJ over 2.45 MJ/kg of latent heat."""
    price_kwh: Annotated[float, Field(ge=0, le=10)] = 0.18
    price_kg_metal: Annotated[float, Field(ge=0, le=10_000)] = 25.0
    price_labour_h: Annotated[float, Field(ge=0, le=1000)] = 55.0
    price_kg_water: Annotated[float, Field(ge=0, le=1)] = 0.004


class Plan(Section):
    """A works."""

    name: Name = "works"
    about: str = ""
    begins: str = "Mon 06:00"
    """Day and time of simulated 0."""
    fidelity: Literal["layer", "vector"] = "layer"
    power_limit_kw: Annotated[float, Field(gt=0, le=1e5)] = 250.0
    cooling_kw: Annotated[float, Field(gt=0, le=1e5)] = 200.0
    laboratory: Name = "laboratory"
    """Skill of those who analyse powder."""
    gases: Annotated[tuple[GasPlan, ...], Field(max_length=MOST)] = ()
    shifts: Annotated[tuple[ShiftPlan, ...], Field(min_length=1)]
    people: Annotated[tuple[PersonPlan, ...], Field(min_length=1)]
    stores: Annotated[tuple[StorePlan, ...], Field(max_length=MOST - 3)] = ()
    products: tuple[Name, ...] = ()
    machines: Annotated[tuple[MachinePlan, ...], Field(min_length=1, max_length=MOST)]
    orders: tuple[OrderPlan, ...] = ()
    inspection: InspectionPlan = InspectionPlan()
    ledger: LedgerPlan = LedgerPlan()

    @property
    def digest(self) -> str:
        """SHA-256 of all that the plan says."""
        return content_hash(self.model_dump(mode="json"))

    @property
    def start(self) -> float:
        """Simulated 0, s from Monday midnight."""
        day, clock = self.begins.split()
        return _DAYS.index(day) * DAY + _seconds(clock)

    def store(self, name: str) -> StorePlan:
        """A store of powder or items by name; `KeyError` if there is none."""
        found = next((s for s in self.stores if s.name == name), None)
        if found is None:
            raise KeyError(name)
        return found

    def machine(self, name: str) -> MachinePlan:
        """A machine by name; `KeyError` if there is none."""
        found = next((m for m in self.machines if m.name == name), None)
        if found is None:
            raise KeyError(name)
        return found


def plan_names() -> list[str]:
    """Names of the plans that come with the package."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def load_plan(name_or_file: str | Path) -> Plan:
    """A packaged plan by name, or one from a ``.toml``, ``.yaml`` or ``.yml`` file.

    Raises `PlanError` naming the file, the field and what is allowed.
    """
    path = Path(name_or_file)
    if path.suffix.lower() not in (".toml", ".yaml", ".yml"):
        if str(name_or_file) not in plan_names():
            raise PlanError(f"no plan {str(name_or_file)!r}; there are: {', '.join(plan_names())}, "
                            "or a .toml, .yaml or .yml file")
        path = _FOLDER / f"{name_or_file}.toml"
    where = path.name
    try:
        text = path.read_text(encoding="utf-8")
        data = tomllib.loads(text) if path.suffix.lower() == ".toml" else yaml.safe_load(text)
    except OSError as error:
        raise PlanError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        raise PlanError(f"{where}: is not a plan: {' '.join(str(error).split())}") from None
    if not isinstance(data, Mapping):
        raise PlanError(f"{where}: is not a plan: no fields in it")
    try:
        plan = Plan.model_validate({"name": path.stem.replace(".", "-")[:32], **data})
    except ValidationError as error:
        raise PlanError(f"{where}: {clear(error, data, Plan)}") from None
    _check(plan, where)
    return plan


def _check(plan: Plan, where: str) -> None:
    """What fields say about one another; `PlanError`."""
    from emulators.catalog import MACHINES

    def wrong(field: str, why: str) -> NoReturn:
        raise PlanError(f"{where}: {field} {why}")

    def known(field: str, name: str, names: list[str]) -> None:
        if name not in names:
            wrong(field, f"must be one of {', '.join(names) or '(there are none)'}, not {name!r}")

    if not re.fullmatch(rf"({'|'.join(_DAYS)}) ([01]?\d|2[0-3]):[0-5]\d", plan.begins):
        wrong("begins", f"must be a day ({', '.join(_DAYS)}) and a time 00:00 to 23:59, not "
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
        for what, skill in (("skill", machine.skill), ("upkeep.skill", machine.upkeep.skill)):
            known(f"{field}.{what}", skill, sorted(skills))
        names = [p.name for p in machine.programs]
        for program in machine.programs:
            at = f"{field}.programs ({program.name})"
            if names.count(program.name) > 1:
                wrong(at, "is there more than once")
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
        known(f"orders[{number}].product", order.product,
              [p for p in plan.products if p in [m.product for m in made]])


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


def make_works(plan: Plan, seed: int) -> Works:
    """The plant of a plan, its stores filled."""
    from twin.powder.lot import PowderLot

    shifts = {}
    for s in plan.shifts:
        begins, ends = _seconds(s.begins), _seconds(s.ends)
        lasts = (ends - begins) % DAY or DAY
        shifts[s.name] = Shift(s.name, tuple(_DAYS.index(d) for d in s.days), begins % DAY, lasts)
    people = [Person(p.name if p.count == 1 else f"{p.name} {n + 1}", frozenset(p.skills),
                     shifts[p.shift]) for p in plan.people for n in range(p.count)]
    ledger = plan.ledger
    rates = Rates(
        carbon_energy=ledger.carbon_kg_kwh / 3.6e6,
        carbon_gas={g.name: g.carbon_kg_m3 for g in plan.gases},
        carbon_metal=ledger.carbon_kg_per_kg_metal,
        water_heat=ledger.water_kg_kwh / 3.6e6,
        heat_share=ledger.heat_share,
        price_energy=ledger.price_kwh / 3.6e6,
        price_gas={g.name: g.price_m3 for g in plan.gases},
        price_metal=ledger.price_kg_metal,
        price_labour=ledger.price_labour_h / HOUR,
        price_water=ledger.price_kg_water)
    works = Works(
        seed,
        [Place(m.name, m.gas, _upkeep(m.upkeep)) for m in plan.machines],
        [SCRAP, RESIDUES, PARTS, *(s.name for s in plan.stores)],
        [GasSupply(g.name, g.capacity_m3, g.start_m3, g.reorder_m3, g.lead_time_h * HOUR,
                   g.reserve_m3)
         for g in plan.gases],
        people, start=plan.start, cooling=plan.cooling_kw * 1e3, rates=rates)
    for store in plan.stores:
        for stock in store.stock:
            for _ in range(stock.lots):
                powder = PowderLot.virgin(
                    works.new_id("STOCK"), store.alloy, stock.mass_kg, stock.d50_um * 1e-6,
                    stock.spread, low=store.low_um * 1e-6 or None, high=store.high_um * 1e-6,
                    oxygen=stock.oxygen_ppm * 1e-6, moisture=stock.moisture_ppm * 1e-6,
                    origin="bought", machine=works.name, status="released")
                works.receive(powder, store.name)
    return works


def _upkeep(plan: UpkeepPlan) -> Upkeep:
    return Upkeep(plan.between_failures_h * HOUR, plan.repair_h * HOUR, plan.repair_spread,
                  plan.fatal_share, plan.service_every_h * HOUR, plan.service_h * HOUR, plan.skill)

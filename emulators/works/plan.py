"""The plan of a works: a TOML or YAML file with its machines, stores, supplies, people and orders.

Figures are in the unit that a field's name ends in. All of them are defaults of the planner, none
is measured; the packaged plans say so too.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from emulators.canonical import content_hash
from emulators.settings import SettingsError
from emulators.works.plan_errors import clear
from twin.materials import MaterialError, alloy
from twin.works.people import DAY, HOUR
from twin.works.plant import MOST

__all__ = ["DAYS", "MachinePlan", "OrderPlan", "Plan", "PlanError", "ProgramPlan", "PurchasePlan",
           "StockPlan", "StorePlan", "UpkeepPlan", "load_plan", "plan_names", "seconds"]

_FOLDER = Path(__file__).with_name("plans")
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
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


Name = Annotated[str, Field(min_length=1, max_length=32, pattern=r"^[^/\\.]+$",
                            description="a name without / \\ and .")]
Amount = Annotated[float, Field(gt=0, le=1e6)]
Hours = Annotated[float, Field(ge=0, le=1e5)]
Clock = Annotated[str, Field(pattern=r"^(([01]?\d|2[0-3]):[0-5]\d|24:00)$",
                             description="a time 00:00 to 24:00")]


def seconds(clock: str) -> float:
    """``06:30`` as s after midnight."""
    hours, minutes = clock.split(":")
    return int(hours) * HOUR + int(minutes) * 60.0


class GasPlan(Section):
    """A tank of gas, volumes at ambient."""

    name: Name
    kind: Literal["argon", "nitrogen", "hydrogen", "helium", "air", ""] = ""
    """What is in it; its name if not given."""
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


class PurchasePlan(StockPlan):
    """How powder is bought: lots like a `StockPlan`'s, so long after they were ordered."""

    lead_time_h: Annotated[float, Field(ge=0, le=5000)] = 240.0


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
    """Powder is made, or bought if `buys` says how, when there is less than this."""
    stock: tuple[StockPlan, ...] = ()
    buys: PurchasePlan | None = None
    sells: bool = False
    """Whether customers order powder of this store, by its name, in kg."""

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
    top_up: bool = False
    """Powder that was never used, for the machine to blend in as it needs: at most `kg`, and
    none if there is none."""


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
    copies: Annotated[int, Field(ge=1, le=200)] = 1
    """So many of each part."""
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

    name: Annotated[str, Field(min_length=1, max_length=32, pattern=r"^[A-Za-z0-9_-]+$",
                               description="a name of letters (A to Z), digits, - and _")]
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
    """Or a store that sells powder."""
    quantity: Annotated[int, Field(ge=1, le=100_000)] = 1
    """Parts, or kg of powder."""
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
        return DAYS.index(day) * DAY + seconds(clock)

    @property
    def sold(self) -> tuple[str, ...]:
        """What can be ordered: products, and stores that sell powder."""
        return (*self.products, *(s.name for s in self.stores if s.sells))

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
    from emulators.works.plan_check import check

    check(plan, where)
    return plan

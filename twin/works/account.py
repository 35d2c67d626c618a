"""What things cost: energy, gas, water, carbon, labour and money, carried from step to part."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from math import fsum
from typing import Any

from twin.machine import Equipment
from twin.powder.lot import PowderLot, totals
from twin.powder.operations import Item, Operation
from twin.signals import measured

__all__ = ["SCRAP", "Charge", "Footprint", "Ledger", "Rates", "is_scrap"]

_TOTALS = ("bought", "unborne", "gone")
PARTS = ("part", "green part")
SCRAP = ("scrap", "sample", "soot", "stub", "skull", "filter dust", "dust", "slag", "sludge",
         "rejected part")
"""Kinds of items that leave the works' use: they carry no share of what was spent."""


@dataclass(frozen=True)
class Footprint:
    """What was spent: J, m3 of gas, kg of water, kg of CO2 equivalent, s of labour, money."""

    energy: float = 0.0
    gas: float = 0.0
    water: float = 0.0
    carbon: float = 0.0
    labour: float = 0.0
    cost: float = 0.0

    def __add__(self, other: Footprint) -> Footprint:
        return Footprint(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def __sub__(self, other: Footprint) -> Footprint:
        return self + other * -1.0

    def __mul__(self, factor: float) -> Footprint:
        return Footprint(*(getattr(self, f.name) * factor for f in fields(self)))

    def plain(self) -> dict[str, float]:
        """As plain data."""
        return asdict(self)

    @staticmethod
    def total(parts: Iterable[Footprint]) -> Footprint:
        """The sum, free of the order of its terms."""
        found = list(parts)
        return Footprint(*(fsum(getattr(p, f.name) for p in found) for f in fields(Footprint)))


@dataclass(frozen=True)
class Rates:
    """What a unit of something brings with it (SI); every figure is a default of the plan file.

    Water: what a cooling tower evaporates, heat / 2.45 MJ/kg of latent heat.
    """

    carbon_energy: float = 0.35 / 3.6e6  # kg/J: 0.35 kg/kWh of a mixed grid, default
    carbon_gas: Mapping[str, float] = field(default_factory=dict)  # kg/m3
    carbon_metal: float = 8.0  # kg/kg of bought metal, default
    water_heat: float = 1 / 2.45e6  # kg/J
    heat_share: float = 0.7  # of the power that the cooling water takes up, default
    price_energy: float = 0.18 / 3.6e6  # per J, default
    price_gas: Mapping[str, float] = field(default_factory=dict)  # per m3
    price_metal: float = 25.0  # per kg of bought metal, default
    price_labour: float = 55.0 / 3600  # per s, default
    price_water: float = 0.004  # per kg, default

    def spent(self, energy: float, gas: float, kind: str, labour: float) -> Footprint:
        """The footprint of energy (J), gas (m3 of `kind`) and labour (s)."""
        water = energy * self.heat_share * self.water_heat
        carbon = energy * self.carbon_energy + gas * self.carbon_gas.get(kind, 0.0)
        cost = (energy * self.price_energy + gas * self.price_gas.get(kind, 0.0)
                + labour * self.price_labour + water * self.price_water)
        return Footprint(energy, gas, water, carbon, labour, cost)

    def bought(self, mass: float) -> Footprint:
        """The footprint that bought metal (kg) brings along."""
        return Footprint(carbon=mass * self.carbon_metal, cost=mass * self.price_metal)


@dataclass
class Charge:
    """A line of the ledger: a step on a machine, how often, with what mass (kg), at what cost."""

    machine: str
    step: str
    times: int = 0
    mass: float = 0.0
    spent: Footprint = Footprint()


def is_scrap(thing: PowderLot | Item) -> bool:
    """Whether something leaves the works' use."""
    return thing.status == "scrap" if isinstance(thing, PowderLot) else thing.kind in SCRAP


class Ledger(Equipment):
    """The accounts: what each step spent, what each lot and part carries, balance of elements.

    A lot carries its footprint per kg, so what is drawn from it takes its share. What an operation
    spends goes to the parts that it makes, or, if it makes none, to its lots by mass; powder that
    only passed through a build keeps what it carried. Scrap carries nothing: what made it is borne
    by what is kept.
    """

    energy = measured("kWh", low=0, high=1e8, quantum=0.001,
                      doc="electrical energy of all steps and of machines that stand")
    gas = measured("m3", low=0, high=1e8, quantum=0.001, doc="gas of all steps, at ambient")
    water = measured("kg", low=0, high=1e9, quantum=0.001, doc="water evaporated for cooling")
    carbon = measured("kg", low=0, high=1e8, quantum=0.001,
                      doc="carbon dioxide equivalent of energy, gas and bought metal")
    labour = measured("h", low=0, high=1e7, quantum=0.001, doc="time that people worked")
    cost = measured("", low=0, high=1e12, quantum=0.01, doc="cost in the plan's currency")
    closure = measured("", low=0, high=1, doc="largest relative error of the balance of any "
                       "element, received and gained against present, lost and shipped")

    def __init__(self, rates: Rates) -> None:
        super().__init__()
        self.rates = rates
        self.lines: dict[tuple[str, str], Charge] = {}
        self.carried: dict[str, Footprint] = {}
        """By id of a lot or item: what a kg of it carries."""
        self.parents: dict[str, tuple[str, ...]] = {}
        self.received: dict[str, float] = {}
        self.gained: dict[str, float] = {}
        self.lost: dict[str, float] = {}
        self.shipped: dict[str, float] = {}
        self.bought = Footprint()
        self.unborne = Footprint()
        """What was spent without anything kept to bear it."""
        self.gone = Footprint()
        """What shipped parts and powder carried."""
        self.worst = 0.0
        """The largest relative error of a single operation."""

    # -- what is spent ------------------------------------------------------------------------

    def charge(self, machine: str, step: str, spent: Footprint, mass: float = 0.0,
               times: int = 1) -> None:
        """Enter what a step on a machine spent."""
        line = self.lines.setdefault((machine, step), Charge(machine, step))
        line.times += times
        line.mass += mass
        line.spent = line.spent + spent
        self._show(spent)

    def _show(self, spent: Footprint) -> None:
        for name in ("energy", "gas", "water", "carbon", "labour", "cost"):
            setattr(self, name, getattr(self, name) + getattr(spent, name))

    def buy(self, thing_id: str, mass: float, elements: Mapping[str, float]) -> None:
        """Metal or powder comes into the works from outside."""
        new = self.rates.bought(mass)
        self.received = totals([self.received, elements])
        self.bought = self.bought + new
        self.carried[thing_id] = self.rates.bought(1.0)
        self._show(new)

    def ship(self, thing: PowderLot | Item) -> None:
        """A part or powder leaves the works."""
        self.shipped = totals([self.shipped, thing.elements])
        self.gone = self.gone + self.of(thing)

    # -- what carries it ----------------------------------------------------------------------

    def operation(self, done: Operation, spent: Footprint) -> None:
        """What an operation did: its cost and its inputs' go over to what it made."""
        self.worst = max(self.worst, done.error())
        self.gained = totals([self.gained, done.gained])
        self.lost = totals([self.lost, done.lost])
        brought = Footprint.total(
            self.carried.get(d.id, Footprint()) * d.mass for d in done.inputs)
        kept = [o for o in done.outputs if o.mass > 0 and not is_scrap(o)]
        made = [o for o in kept if isinstance(o, Item) and o.kind in PARTS]
        through = [o for o in kept if isinstance(o, PowderLot)] if made else []
        into = sum(d.mass for d in done.inputs)
        each = brought * (1 / into) if into > 0 else Footprint()
        for lot in through:
            self.carried[lot.id] = each
        bearing = made or kept
        borne = brought - each * sum(lot.mass for lot in through) + spent
        mass = sum(o.mass for o in bearing)
        if mass > 0:
            for thing in bearing:
                self.carried[thing.id] = borne * (1 / mass)
        else:
            self.unborne = self.unborne + borne
        for thing in done.outputs:
            self.parents[thing.id] = tuple(d.id for d in done.inputs)
            if is_scrap(thing):
                self.carried[thing.id] = Footprint()

    def bear(self, things: Iterable[PowderLot | Item], spent: Footprint) -> None:
        """What is spent on things afterwards, such as unloading or a laboratory's work."""
        found = [t for t in things if t.mass > 0 and not is_scrap(t)]
        bearing = [t for t in found if isinstance(t, Item) and t.kind in PARTS] or found
        mass = sum(t.mass for t in bearing)
        if mass <= 0:
            self.unborne = self.unborne + spent
        for thing in bearing:
            self.carried[thing.id] = (
                self.carried.get(thing.id, Footprint()) + spent * (1 / mass))

    def of(self, thing: PowderLot | Item) -> Footprint:
        """What a lot or item carries as a whole."""
        return self.carried.get(thing.id, Footprint()) * thing.mass

    @property
    def spent(self) -> Footprint:
        """All that was entered: steps, and what was bought."""
        return Footprint.total([*(line.spent for line in self.lines.values()), self.bought])

    def borne(self, things: Iterable[PowderLot | Item]) -> Footprint:
        """What `things` in the works carry, with what was shipped and what nothing bears.

        With all things that are there it is what was spent.
        """
        return Footprint.total([*map(self.of, things), self.gone, self.unborne])

    # -- balance ------------------------------------------------------------------------------

    def balance(self, present: Mapping[str, float]) -> dict[str, tuple[float, float]]:
        """By element: kg that came in, and kg that came in less present, lost and shipped."""
        into = totals([self.received, self.gained])
        out = totals([present, self.lost, self.shipped])
        return {e: (into.get(e, 0.0), into.get(e, 0.0) - out.get(e, 0.0))
                for e in sorted({*into, *out})}

    def close(self, present: Mapping[str, float]) -> float:
        """The largest relative error of the balance; shown as `closure`."""
        self.closure = max((abs(error) / handled if handled > 0 else abs(error)
                            for handled, error in self.balance(present).values()), default=0.0)
        return float(self.closure)

    def hidden_state(self) -> dict[str, Any]:
        return {
            "lines": [{**asdict(line), "spent": line.spent.plain()} for line in
                      self.lines.values()],
            "carried": {i: f.plain() for i, f in self.carried.items()},
            "parents": {i: list(p) for i, p in self.parents.items()},
            **{name: dict(getattr(self, name)) for name in
               ("received", "gained", "lost", "shipped")},
            **{name: getattr(self, name).plain() for name in _TOTALS}, "worst": self.worst}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        self.lines = {
            (line["machine"], line["step"]): Charge(**{**line, "spent": Footprint(**line["spent"])})
            for line in hidden["lines"]}
        self.carried = {i: Footprint(**f) for i, f in hidden["carried"].items()}
        self.parents = {i: tuple(p) for i, p in hidden["parents"].items()}
        for name in ("received", "gained", "lost", "shipped"):
            setattr(self, name, dict(hidden[name]))
        for name in _TOTALS:
            setattr(self, name, Footprint(**hidden[name]))
        self.worst = hidden["worst"]

"""The works: its stores, supplies, people and machines' places in one plant, and the accounts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from typing import Any

from twin.machine import Plant
from twin.powder.lot import PowderLot, totals
from twin.powder.operations import Draw, Item, Operation, draw
from twin.works.account import Footprint, Ledger, Rates
from twin.works.people import People, Person
from twin.works.stores import Purchase, Store, Thing
from twin.works.supplies import ChilledWater, GasTank, Mains
from twin.works.upkeep import Machine, Upkeep

__all__ = ["BLOCK", "BLOCKS", "MOST", "GasSupply", "Place", "Works", "numbered"]

BLOCK = 12
BLOCKS = 8
MOST = BLOCK * BLOCKS
"""Machines, stores or gases that a works has room for."""


def numbered(kind: str, number: int) -> str:
    """What the component of a repeated kind is called, counted from 1.

    Register tables set room aside for twelve of a name, so the thirteenth is the first of another.
    """
    block, place = divmod(number - 1, BLOCK)
    return f"{kind}{' BCDEFGH'[block].strip()}{place + 1}"


@dataclass(frozen=True)
class Place:
    """A machine's place in the works."""

    name: str
    gas: str = ""
    """The tank it is connected to; empty if to none."""
    upkeep: Upkeep = field(default_factory=Upkeep)


@dataclass(frozen=True)
class GasSupply:
    """A tank: m3 at ambient, s."""

    name: str
    capacity: float
    start: float
    reorder: float
    lead_time: float
    reserve: float = 0.0
    """No job starts below this level."""


class Works(Plant):
    """What the machines of a works share. Times in s from the start; a Monday midnight is week 0.

    Material is in a store, at a machine, or gone: `hand_over` and `operation` move it, and the
    balance of every element can be drawn at any time (`present`, `ledger.close`).
    """

    SCRAP = "scrap"

    def __init__(
        self,
        seed: int = 0,
        places: Sequence[Place] = (),
        stores: Sequence[str] = (),
        gases: Sequence[GasSupply] = (),
        people: Sequence[Person] = (),
        *,
        start: float = 0.0,
        cooling: float = 200e3,
        rates: Rates | None = None,
        purchases: Mapping[str, Purchase] | None = None,
        step: int = 1,
    ) -> None:
        """`start`: s from Monday midnight at simulated 0; `cooling`: W of the chillers;
        `purchases`: what is bought for stores, by their names.

        Every `step`-th number is given: a list of signals needs only the first of each block.
        """
        super().__init__(seed)
        for what, names in (("machine", [p.name for p in places]), ("store", stores),
                            ("gas", [g.name for g in gases])):
            if len(set(names)) != len(names):
                raise ValueError(f"two {what}s of the works have one name")
            if len(names) > MOST:
                raise ValueError(f"{len(names)} {what}s; a works has room for {MOST}")
        self.name = "WORKS"
        self.start = start
        self.ledger = self.add("Ledger", Ledger(rates or Rates()))
        rate = self.ledger.rates
        self.mains = self.add("Mains", Mains())
        self.water = self.add("ChilledWater", ChilledWater(
            cooling, rate.heat_share, rate.water_heat))
        self.people = self.add("People", People(people, start))
        self.gases = {g.name: self.add(numbered("Gas", n), GasTank(
            g.name, g.capacity, g.start, g.reorder, g.lead_time, g.reserve))
            for n, g in zip(count(1, step), gases, strict=False)}
        bought = purchases or {}
        self.stores = {name: self.add(numbered("Store", n), Store(name, bought.get(name)))
                       for n, name in zip(count(1, step), stores, strict=False)}
        for store in self.stores.values():
            store.wrong = self._wrong(store)
            store.receive = partial(self._delivered, store.name)
        self.arrived: list[str] = []
        """Lots that were delivered and that nobody has taken note of yet."""
        self.places = {p.name: p for p in places}
        for place in places:
            if place.gas and place.gas not in self.gases:
                raise ValueError(f"machine {place.name}: no gas {place.gas!r}; there are: "
                                 + ", ".join(self.gases))
        self.machines = {p.name: self.add(numbered("Machine", n), Machine(p.name, p.upkeep))
                         for n, p in zip(count(1, step), places, strict=False)}
        self.numbers = dict(zip(self.machines, count(1, step), strict=False))
        """Of the machines' components."""
        self.at: dict[str, dict[str, Thing]] = {p.name: {} for p in places}
        """What has been handed over to each machine and not yet worked up."""
        self.charged: dict[str, tuple[float, float]] = {p.name: (0.0, 0.0) for p in places}
        """Meters (J, m3) of each machine when they were last entered in the ledger."""
        self.assemble()

    def _wrong(self, store: Store) -> Any:
        def other() -> Store | None:
            found = [s for s in self.stores.values() if s is not store and s.lots("released")]
            alloys = {lot.alloy for lot in store.lots()}
            # What looks alike is taken by mistake rather than something else.
            return max(found, key=lambda s: (bool(alloys & {lot.alloy for lot in s.lots()}),
                                             s.released, s.name), default=None)
        return other

    # -- consumption --------------------------------------------------------------------------

    def metered(self, machine: str, power: float, flow: float) -> None:
        """A machine takes so much power (W) and gas (m3/s at ambient) from now on."""
        self.stirred = True  # events of the works may now come sooner than was foreseen
        self.machines[machine].metered(power, flow)
        gas = self.places[machine].gas
        if gas:
            self.gases[gas].flows(machine, flow)
        self.mains.draws(machine, power)
        self.water.takes(self.mains.power)

    def _since_charged(self, machine: str) -> tuple[float, float]:
        """Energy (J) and gas (m3) of the works' tanks that a machine took since the last call."""
        now = self.machines[machine].read_meters()
        before, self.charged[machine] = self.charged[machine], now
        return now[0] - before[0], now[1] - before[1] if self.places[machine].gas else 0.0

    def spend(self, machine: str, labour: float = 0.0) -> Footprint:
        """What a machine spent since it was last asked, with so much labour (s)."""
        energy, gas = self._since_charged(machine)
        return self.ledger.rates.spent(energy, gas, self.places[machine].gas, labour)

    # -- material -----------------------------------------------------------------------------

    def receive(self, thing: Thing, store: str) -> None:
        """Something bought comes into a store."""
        self.ledger.buy(thing.id, thing.mass, thing.elements)
        self.stores[store].put(thing)

    def _delivered(self, store: str, purchase: Purchase) -> None:
        for lot in purchase.lots(self.new_id, self.name, "new", float(self.env.now)):
            self.receive(lot, store)
            self.arrived.append(lot.id)

    def fetch(self, store: str, mass: float, machine: str,
              states: Sequence[str] = ("released",), fresh: bool = False) -> list[PowderLot]:
        """Draw powder (kg), such as is released, from a store and hand it over to a machine.

        `fresh`: only powder that was never used.

        `ValueError`, and nothing moved, if there is not enough.
        """
        found = []
        for lot in self._drawn(store, mass, states, fresh, machine):
            self.at[machine][lot.id] = lot
            found.append(lot)
        return found

    def _drawn(self, store: str, mass: float, states: Sequence[str], fresh: bool,
               whereto: str) -> list[PowderLot]:
        found = []
        for lot, account in self.stores[store].withdraw(mass, self.new_id, states, fresh):
            if account is not None:
                done = Operation("draw", self.name, float(self.env.now), (account,), (lot,),
                                 about={"store": store, "machine": whereto})
                self.ledger.operation(done, Footprint())
                self.record_operation(done)
            found.append(lot)
        return found

    def sell(self, store: str, mass: float) -> list[PowderLot]:
        """Released powder (kg) leaves the works; `ValueError` if there is not enough."""
        lots = self._drawn(store, mass, ("released",), False, "customer")
        for lot in lots:
            self.ledger.ship(lot)
        return lots

    def fetch_things(self, store: str, ids: Iterable[str], machine: str) -> list[Thing]:
        """Hand items or whole lots over to a machine."""
        found = [self.stores[store].take(each) for each in ids]
        self.at[machine].update({t.id: t for t in found})
        return found

    def operation(self, machine: str, done: Operation, labour: float = 0.0) -> Operation:
        """`operations` for a single one."""
        return self.operations(machine, [done], labour)[0]

    def operations(self, machine: str, batch: Sequence[Operation], labour: float = 0.0,
                   steps: Sequence[tuple[float, float]] = ()) -> list[Operation]:
        """A machine has done something to material: its inputs leave, its outputs are there.

        What the machine took that the works did not give it was bought. Several operations that
        are told at once share what was spent like `steps` (J and m3 of each), or evenly. Returns
        the operations with what they spent (J, m3, kg, s) filled in.
        """
        energy, gas = self._since_charged(machine)
        kind, many = self.places[machine].gas, len(batch)
        entered = []
        for number, done in enumerate(batch):
            share = [_part([step[i] for step in steps[:many]], number, many) for i in (0, 1)]
            spent = self.ledger.rates.spent(energy * share[0], gas * share[1], kind, labour / many)
            self._enter(machine, done, spent)
            entered.append(replace(done, energy=spent.energy, gas=spent.gas, water=spent.water,
                                   labour=spent.labour))
        return entered

    def _enter(self, machine: str, done: Operation, spent: Footprint) -> None:
        at = self.at[machine]
        for taken in done.inputs:
            have = at.get(taken.id)
            if have is None:
                self.ledger.buy(taken.id, taken.mass, taken.elements)
                continue
            rest = _without(have, taken)
            if rest is None:
                del at[taken.id]
            else:
                at[taken.id] = rest
        self.ledger.operation(done, spent)
        self.ledger.charge(machine, done.name, spent, sum(o.mass for o in done.outputs))
        for thing in done.outputs:
            if thing.mass > 0:
                if thing.id in at:
                    raise ValueError(f"{machine}: {done.name} gave {thing.id}, which is there")
                at[thing.id] = thing

    def put_away(self, machine: str, thing_id: str, store: str) -> Thing:
        """Take something from a machine to a store."""
        thing = self.at[machine].pop(thing_id)
        self.stores[store].put(thing)
        return thing

    def ship(self, store: str, item_id: str) -> None:
        """A part leaves the works."""
        item = self.stores[store].take(item_id)
        if not isinstance(item, Item):
            raise ValueError(f"{item_id} is a powder lot; only items are shipped")
        self.ledger.ship(item)

    @property
    def things(self) -> list[Thing]:
        """All that is in the stores and at the machines."""
        return [*(t for s in self.stores.values() for t in s),
                *(t for at in self.at.values() for t in at.values())]

    def present(self) -> dict[str, float]:
        """Each element (kg) in the stores and at the machines."""
        return totals([t.elements for t in self.things])

    def close(self) -> float:
        """Draw the balance of elements; its largest relative error."""
        return self.ledger.close(self.present())

    def snapshot(self) -> dict[str, Any]:
        from twin.works.stores import plain

        return {**super().snapshot(), "arrived": [*self.arrived],
                "charged": {m: list(c) for m, c in self.charged.items()},
                "at": {m: [plain(t) for t in things.values()] for m, things in self.at.items()}}

    def reinstate(self, snapshot: dict[str, Any]) -> None:
        from twin.works.stores import revived

        self.arrived = [*snapshot["arrived"]]
        self.charged = {m: (c[0], c[1]) for m, c in snapshot["charged"].items()}
        self.at = {m: {t.id: t for t in map(revived, things)}
                   for m, things in snapshot["at"].items()}
        super().reinstate(snapshot)


def _part(steps: Sequence[float], number: int, count: int) -> float:
    """The share of one of several steps; even where they are not known or all nothing."""
    total = sum(steps)
    return steps[number] / total if len(steps) == count and total > 0 else 1 / count


def _without(thing: Thing, taken: Draw) -> Thing | None:
    """What is left after a draw; None if that is nothing."""
    if taken.mass >= thing.mass * (1 - 1e-12):
        return None
    if isinstance(thing, PowderLot):
        return draw(thing, taken.mass)[1]
    share = 1 - taken.mass / thing.mass
    return replace(thing, mass=thing.mass * share,
                   elements={e: m * share for e, m in thing.elements.items()})

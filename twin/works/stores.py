"""Stores of powder lots and items; nothing is in two places, and nothing gets lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

from twin.machine import Equipment
from twin.powder.lot import PowderLot, Status, totals
from twin.powder.operations import Draw, Item, draw
from twin.signals import fault, measured
from twin.works.timer import Timer

__all__ = ["Purchase", "Store", "Thing"]

Thing = PowderLot | Item
CRUMB = 1e-6  # kg: a rest that nobody would keep as a lot of its own, default


def plain(thing: Thing) -> dict[str, Any]:
    """A lot or item as plain data."""
    return {"lot" if isinstance(thing, PowderLot) else "item": thing.plain()}


def revived(data: dict[str, Any]) -> Thing:
    """What `plain` gave, as lot or item."""
    return PowderLot.of(data["lot"]) if "lot" in data else Item.of(data["item"])


@dataclass(frozen=True)
class Purchase:
    """Powder as a supplier sends it: so many lots of a log-normal distribution; SI units."""

    alloy: str
    mass: float
    """kg of each lot."""
    count: int
    d50: float
    spread: float
    """Geometric standard deviation of the sizes."""
    low: float | None
    high: float
    oxygen: float
    moisture: float
    lead_time: float = 0.0
    """From the order to the delivery, s."""

    def lots(self, new_id: Callable[[str], str], owner: str, status: Status,
             now: float) -> list[PowderLot]:
        """The lots of a delivery to `owner` at `now` (s)."""
        return [PowderLot.virgin(
            new_id("STOCK"), self.alloy, self.mass, self.d50, self.spread, low=self.low,
            high=self.high, oxygen=self.oxygen, moisture=self.moisture, origin="bought",
            machine=owner, status=status, made_at=now) for _ in range(self.count)]


class Store(Equipment):
    """A place for lots and items; lots that are released can be drawn from."""

    name = measured(str, length=32, doc="what is stored here")
    mass = measured("kg", low=0, high=1e6, quantum=0.001, doc="all that lies in the store")
    released = measured("kg", low=0, high=1e6, quantum=0.001,
                        doc="powder that may be used, or all of what is no powder")
    waiting = measured("kg", low=0, high=1e6, quantum=0.001,
                       doc="powder that the laboratory has not released, or put on hold")
    count = measured(int, low=0, high=1_000_000, doc="lots and items in the store")
    on_order = measured("kg", low=0, high=1e6, quantum=0.001, doc="bought powder on its way")
    bought = measured("kg", low=0, high=1e8, quantum=0.001, doc="powder bought so far")
    late = fault("h", low=0, high=5000, doc="so much later powder comes that is ordered")
    mixed_up = fault(bool, doc="while set, any lot of the works is taken for what this store gives")

    def __init__(self, name: str, purchase: Purchase | None = None) -> None:
        """`purchase`: what its supplier sends; None if it is not bought."""
        super().__init__()
        self.name = name
        self.purchase = purchase
        self.receive: Callable[[Purchase], None] = lambda purchase: None
        """Takes in what a lorry brings."""
        self._delivery = Timer(self, self._deliver)
        self.things: dict[str, Thing] = {}
        self.wrong: Callable[[], Store | None] = lambda: None
        """Where a lot is taken by mistake while `mixed_up`."""

    def __iter__(self) -> Iterator[Thing]:
        return iter(self.things.values())

    def elements(self) -> dict[str, float]:
        """Each element (kg) in the store."""
        return totals([thing.elements for thing in self])

    def put(self, thing: Thing) -> None:
        """Lay something down; `ValueError` if something of its id is here already."""
        if thing.id in self.things:
            raise ValueError(f"{self.name}: {thing.id} is here already")
        self.things[thing.id] = thing
        self._weigh()

    def replace(self, thing: Thing) -> None:
        """The same thing in a new state, such as released; `KeyError` if it is not here."""
        self.things[thing.id]
        self.things[thing.id] = thing
        self._weigh()

    def take(self, thing_id: str) -> Thing:
        """Take a thing away; `KeyError` if it is not here."""
        thing = self.things.pop(thing_id)
        self._weigh()
        return thing

    def withdraw(
        self, mass: float, new_id: Callable[[], str], states: Sequence[str] = ("released",),
        fresh: bool = False,
    ) -> list[tuple[PowderLot, Draw | None]]:
        """Powder of `mass` (kg), the oldest first, of lots in one of the `states`.

        `fresh`: only of lots that were never used.

        A lot that is needed in part is divided: what is drawn is a lot of its own, the child of
        the one that stays, and comes with the account of that division. `ValueError`, and nothing
        taken, if there is not enough.
        """
        source = self
        if self.mixed_up:
            other = self.wrong()
            if other is not None and other.available(states, fresh) >= mass:
                source = other
                self.log("process", f"powder taken from {other.name} by mistake", store=other.name)
        there = source.available(states, fresh)
        if mass > there * (1 + 1e-9):
            raise ValueError(f"{source.name}: {mass:g} kg asked for, {there:g} kg are "
                             + " or ".join(states))
        found: list[tuple[PowderLot, Draw | None]] = []
        left = mass
        found_there = [lot for lot in source.lots(*states) if not (fresh and lot.cycle)]
        for lot in sorted(found_there, key=lambda lot: (lot.made_at, lot.id)):
            if left <= CRUMB:
                break
            if lot.mass <= left + CRUMB:
                del source.things[lot.id]
                found.append((lot, None))
            else:
                taken, rest = draw(lot, left, new_id())
                source.things[lot.id] = rest
                found.append((taken, Draw(lot.id, taken.mass, dict(taken.elements))))
            left -= found[-1][0].mass
        source._weigh()
        return found

    def order(self) -> None:
        """Buy powder; it comes after its lead time. Nothing if some is on its way already."""
        if self.purchase is None or self.on_order > 0:
            return
        self.on_order = self.purchase.mass * self.purchase.count
        self._delivery.set(self.now + self.purchase.lead_time + self.late)
        self.log("process", f"{self.name}: {self.on_order:g} kg ordered", mass=self.on_order)

    def _deliver(self) -> None:
        assert self.purchase is not None
        self.bought += self.on_order
        self.log("process", f"{self.name}: {self.on_order:g} kg delivered", mass=self.on_order)
        self.on_order = 0.0
        self.receive(self.purchase)

    def started(self) -> None:
        self._delivery.arm()

    def available(self, states: Sequence[str] = ("released",), fresh: bool = False) -> float:
        """Powder (kg) of lots in one of the states; `fresh`: of those that were never used."""
        return sum(lot.mass for lot in self.lots(*states) if not (fresh and lot.cycle))

    def lots(self, *states: str) -> list[PowderLot]:
        """Lots in one of the states, all if none is named."""
        return [t for t in self if isinstance(t, PowderLot) and (not states or t.status in states)]

    def items(self, *kinds: str) -> list[Item]:
        """Items of one of the kinds, all if none is named."""
        return [t for t in self if isinstance(t, Item) and (not kinds or t.kind in kinds)]

    def _weigh(self) -> None:
        self.mass = sum(t.mass for t in self)
        self.waiting = sum(lot.mass for lot in self.lots("new", "hold"))
        self.released = (sum(lot.mass for lot in self.lots("released"))
                         + sum(item.mass for item in self.items()))
        self.count = len(self.things)

    def hidden_state(self) -> dict[str, Any]:
        due = self._delivery.due
        return {"things": [plain(t) for t in self], "delivery": None if due == inf else due}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        found = [revived(data) for data in hidden["things"]]
        self.things = {t.id: t for t in found}
        self._delivery.due = inf if hidden["delivery"] is None else hidden["delivery"]

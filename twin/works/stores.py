"""Stores of powder lots and items; nothing is in two places, and nothing gets lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from twin.machine import Equipment
from twin.powder.lot import PowderLot, totals
from twin.powder.operations import Draw, Item, draw
from twin.signals import fault, measured

__all__ = ["Store", "Thing"]

Thing = PowderLot | Item
CRUMB = 1e-6  # kg: a rest that nobody would keep as a lot of its own, default


def plain(thing: Thing) -> dict[str, Any]:
    """A lot or item as plain data."""
    return {"lot" if isinstance(thing, PowderLot) else "item": thing.plain()}


def revived(data: dict[str, Any]) -> Thing:
    """What `plain` gave, as lot or item."""
    return PowderLot.of(data["lot"]) if "lot" in data else Item.of(data["item"])


class Store(Equipment):
    """A place for lots and items; lots that are released can be drawn from."""

    name = measured(str, length=32, doc="what is stored here")
    mass = measured("kg", low=0, high=1e6, quantum=0.001, doc="all that lies in the store")
    released = measured("kg", low=0, high=1e6, quantum=0.001,
                        doc="powder that may be used, or all of what is no powder")
    waiting = measured("kg", low=0, high=1e6, quantum=0.001,
                       doc="powder that the laboratory has not released, or put on hold")
    count = measured(int, low=0, high=1_000_000, doc="lots and items in the store")
    mixed_up = fault(bool, doc="somebody takes any lot of the works for this store's next draw")

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
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
        self, mass: float, new_id: Callable[[], str], states: Sequence[str] = ("released",)
    ) -> list[tuple[PowderLot, Draw | None]]:
        """Powder of `mass` (kg), the oldest first, of lots in one of the `states`.

        A lot that is needed in part is divided: what is drawn is a lot of its own, the child of
        the one that stays, and comes with the account of that division. `ValueError`, and nothing
        taken, if there is not enough.
        """
        source = self
        if self.mixed_up:
            other = self.wrong()
            if other is not None and other.available(states) >= mass:
                source = other
                self.log("process", f"powder taken from {other.name} by mistake", store=other.name)
        there = source.available(states)
        if mass > there * (1 + 1e-9):
            raise ValueError(f"{source.name}: {mass:g} kg asked for, {there:g} kg are "
                             + " or ".join(states))
        found: list[tuple[PowderLot, Draw | None]] = []
        left = mass
        for lot in sorted(source.lots(*states), key=lambda lot: (lot.made_at, lot.id)):
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

    def available(self, states: Sequence[str] = ("released",)) -> float:
        """Powder (kg) of lots in one of the states."""
        return sum(lot.mass for lot in self.lots(*states))

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
        return {"things": [plain(t) for t in self]}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        found = [revived(data) for data in hidden["things"]]
        self.things = {t.id: t for t in found}

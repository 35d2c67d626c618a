"""Feedstock that was brought to a build machine: what waits, what a job takes, why it may not."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import ClassVar, Generic, TypeVar

from twin.machine import Equipment
from twin.powder.lot import PowderLot
from twin.powder.operations import Item

__all__ = ["Stock", "refuse_twice"]

T = TypeVar("T", PowderLot, Item)


class Stock(Equipment, Generic[T]):
    """Lots or spools at a machine; without any it has its usual feedstock, as much as it needs."""

    NOUN: ClassVar[str] = "lot"

    def __init__(self, process: str) -> None:
        super().__init__()
        self.process = process
        self.waiting: list[T] = []
        """At the machine, for the next job."""
        self.taken: list[T] = []
        """In the machine, for the present one."""
        self.managed = False
        """Whether any was ever brought: from then on, no job begins without."""
        self.began = 0.0

    def unfit(self, thing: T) -> str:
        """Why something must not be used, ``is empty`` and the like; empty if it may."""
        return ""

    def held(self) -> Iterable[str]:
        """Ids of all that is at the machine."""
        return [thing.id for thing in (*self.waiting, *self.taken)]

    def put(self, things: Sequence[T]) -> None:
        """Bring some; `ValueError`, and none brought, for what must not be used."""
        for thing in things:
            wrong = self.unfit(thing)
            if wrong:
                raise ValueError(f"{self.NOUN} {thing.id} {wrong}")
        refuse_twice(things, self.held(), self.NOUN)
        self.waiting += things
        self.managed = self.managed or bool(things)

    def recall(self, ids: Collection[str]) -> list[T]:
        """Take away again what waits."""
        gone = [thing for thing in self.waiting if thing.id in ids]
        self.waiting = [thing for thing in self.waiting if thing.id not in ids]
        return gone

    def hindrance(self, needs: Mapping[str, float]) -> str:
        """Why a job that needs so much (kg by alloy) cannot begin; empty if it can."""
        if not self.managed:
            return ""
        for thing in self.waiting:
            if thing.alloy not in needs:
                return (f"{self.NOUN} {thing.id} is {thing.alloy}; the job is for "
                        + " and ".join(needs))
        for alloy, mass in needs.items():
            there = [thing for thing in self.waiting if thing.alloy == alloy]
            held = sum(thing.mass for thing in there)
            if not there:
                return f"no {self.NOUN} of {alloy} is at the machine"
            if held < mass:
                names = ", ".join(thing.id for thing in there)
                return (f"{self.NOUN} {names} has {held:.4g} kg; the job needs {mass:.4g} kg")
        return ""

    def for_job(self, needs: Mapping[str, float]) -> list[T]:
        """Take what waits of a job's alloys."""
        found = [thing for thing in self.waiting if thing.alloy in needs]
        self.waiting = [thing for thing in self.waiting if thing.alloy not in needs]
        self.began = self.now
        return found


def refuse_twice(things: Iterable[PowderLot | Item], there: Iterable[str],
                 noun: str = "lot") -> None:
    """`ValueError` for what is brought twice, or is at the machine already."""
    seen = set(there)
    for thing in things:
        if thing.id in seen:
            raise ValueError(f"{noun} {thing.id} is at the machine already")
        seen.add(thing.id)

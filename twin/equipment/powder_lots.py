"""The powder lots at a build machine: which one is in use, and what became of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from twin.equipment.feedstock_plant import FeedstockPlant
from twin.equipment.stock import Stock, refuse_twice
from twin.powder.ageing import Use, build_operation, joined
from twin.powder.effects import NEUTRAL, Effects, effects
from twin.powder.lot import PowderLot
from twin.powder.operations import Item, blend, renamed

__all__ = ["OwnLots", "PowderLots", "PowderPlant", "refuse_twice"]

_REFUSED = {"hold": "is on hold", "scrap": "is scrap"}


class PowderLots(Stock[PowderLot]):
    """Lots that were put at a machine; without any it has the usual powder, as much as it needs.

    A job takes all lots of its alloys; when it is over, what is left comes back as new lots.
    """

    def __init__(self, process: str) -> None:
        super().__init__(process)
        self._known: dict[str, tuple[PowderLot, Effects]] = {}

    def unfit(self, thing: PowderLot) -> str:
        return _REFUSED.get(thing.status, "" if thing.metal > 0.0 else "is empty")

    def begin(self, needs: Mapping[str, float]) -> None:
        """A job takes the lots of its alloys."""
        self.taken = self.for_job(needs)
        self._known = {}

    def of(self, alloy: str) -> tuple[PowderLot, ...]:
        """The lots in the machine of an alloy."""
        return tuple(lot for lot in self.taken if lot.alloy == alloy)

    def mass(self, alloy: str) -> float:
        """Powder of an alloy (kg) that the job was given; infinite without lots."""
        lots = self.of(alloy)
        return sum(lot.mass for lot in lots) if lots else float("inf")

    def mixed(self, alloy: str) -> PowderLot | None:
        """The powder of an alloy in the machine, all its lots together; None without lots."""
        found = self._find(alloy)
        return found[0] if found else None

    def effects(self, alloy: str, d50: float | None = None) -> Effects:
        """What the powder of an alloy does to the build; nothing without lots."""
        found = self._find(alloy, d50)
        return found[1] if found else NEUTRAL

    def _find(self, alloy: str, d50: float | None = None) -> tuple[PowderLot, Effects] | None:
        lots = self.of(alloy)
        if not lots:
            return None
        key = f"{alloy} {d50}"
        if key not in self._known:
            lot = blend(lots, lots[0].id) if len(lots) > 1 else lots[0]
            self._known[key] = lot, effects(lot, self.process, d50)
        return self._known[key]

    @property
    def told(self) -> bool:
        """Whether there is something to show: which powder it is, is known."""
        return self.managed

    @property
    def shown(self) -> PowderLot | None:
        """The lot that the machine shows: the first in use, or the first that waits."""
        lots = self.taken or self.waiting
        return lots[0] if lots else None

    def close(self, uses: Mapping[str, Use]) -> None:
        """The job is over: part and powder of all alloys leave the machine; one operation."""
        plant = self.plant
        made = [build_operation(lots, self.process, plant.name, self.now, use, plant.new_id)
                for alloy, use in uses.items() if (lots := self.of(alloy))]
        if made:
            plant.record_operation(joined(made))
        self.taken, self._known = [], {}

    def forget(self) -> None:
        """Let go of a job whose state is about to be put back."""
        self.taken = []

    def hidden_state(self) -> dict[str, Any]:
        return {"waiting": [lot.plain() for lot in self.waiting],
                "taken": [lot.plain() for lot in self.taken],
                "managed": self.managed, "began": self.began}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        self.waiting = [PowderLot.of(data) for data in hidden["waiting"]]
        self.taken = [PowderLot.of(data) for data in hidden["taken"]]
        self.managed, self.began = hidden["managed"], hidden["began"]
        self._known = {}


class OwnLots:
    """The lots that a machine's jobs bring along: nothing is worked up twice under one id."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)

    def gone(self, lots: Sequence[PowderLot]) -> str:
        """Why lots that are there once cannot be taken; empty if they can."""
        gone = [lot.id for lot in lots if lot.id in self._taken]
        return f"lot {', '.join(gone)} was taken by an earlier job" if gone else ""

    def take(
        self, lots: Sequence[PowderLot], new_id: Callable[[str], str]
    ) -> list[PowderLot]:
        """The lots of a job; what was taken before is bought anew, and called otherwise."""
        found = [renamed(lot, new_id("bought")) if lot.id in self._taken else lot for lot in lots]
        self._taken.update(lot.id for lot in lots)
        return found

    def plain(self) -> list[str]:
        """As plain data."""
        return sorted(self._taken)


class PowderPlant(FeedstockPlant):
    """A build machine that takes powder lots."""

    powder: PowderLots

    def supply(self, lots: Sequence[PowderLot]) -> None:
        self.powder.put(lots)
        self.stirred = True

    def recall(self, ids: Collection[str]) -> list[PowderLot | Item]:
        return [*self.powder.recall(ids)]

    def hindrance(self, job: Any) -> str:
        return self.powder.hindrance(self.feedstock_needed(job))

    def unload(self) -> None:
        if self.powder.taken:
            self.powder.close(self.feedstock_used())

    def take_lots(self, job: Any) -> None:
        """Begin a job with its lots, after settling for one that nobody ended."""
        self.unload()
        self.powder.begin(self.feedstock_needed(job) if job is not None else {})

    def forget_job(self) -> None:
        self.powder.forget()

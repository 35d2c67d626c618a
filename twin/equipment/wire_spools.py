"""The spools at a wire machine: which one is on the feeder, and what became of its wire."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twin.equipment.stock import Stock
from twin.equipment.wire_account import WireAccount
from twin.materials import alloy as metal_of
from twin.powder.ageing import Use
from twin.powder.effects import NEUTRAL, Effects
from twin.powder.operations import Item
from twin.powder.wire import spool, wire_operation

__all__ = ["WIRE_PROCESSES", "WireSpools"]

WIRE_PROCESSES = ("ded-arc", "ded-wire-laser")
CRUMB = 1e-9  # kg: a spool with less is empty


class WireSpools(Stock[Item]):
    """Spools that were brought; without any the machine puts on usual ones, as many as it needs.

    A job takes the spools of its alloy in the order in which they came; what is left on them when
    it is over stays at the machine for the next one. Of those ``taken`` the last is on the feeder.
    """

    NOUN = "spool"

    def __init__(self, process: str) -> None:
        super().__init__(process)
        self.ready: list[Item] = []
        """Of the present job, not put on yet."""
        self.account = WireAccount()
        self._needs: dict[str, float] = {}
        self._drawn: dict[str, float] = {}  # kg by spool
        self._short: dict[str, float] = {}  # kg that a spool had less than its label says

    # -- bringing, beginning ------------------------------------------------------------------

    def unfit(self, thing: Item) -> str:
        if getattr(thing, "kind", "powder") != "spool":
            return "is none, but " + str(getattr(thing, "kind", "powder"))
        return "" if thing.mass > CRUMB else "is empty"

    def held(self) -> list[str]:
        return [*super().held(), *(each.id for each in self.ready)]

    def fits(self, diameter: float) -> str:
        """Why a job with wire of a diameter (m) cannot have the spools here; empty if it can."""
        for each in self.waiting:
            own = float(each.about.get("diameter", diameter))
            if abs(own - diameter) > 1e-6:
                return (f"spool {each.id} is {own * 1e3:g} mm wire; the job is for "
                        f"{diameter * 1e3:g} mm")
        return ""

    def begin(self, needs: Mapping[str, float]) -> None:
        """A job takes the spools of its alloy."""
        self.ready = self.for_job(needs)
        self.taken, self._drawn, self._short = [], {}, {}
        self._needs, self.account = dict(needs), WireAccount()

    def effects(self, alloy: str) -> Effects:
        """What wire does to a build: nothing that powder would do."""
        return NEUTRAL

    # -- on the feeder ------------------------------------------------------------------------

    def mount(self, usual: float, diameter: float) -> float:
        """Put the next spool on the feeder, or a usual one (kg, m) if none is left; its mass, kg.

        0 while no job is loaded.
        """
        if self.ready:
            self.taken.append(self.ready.pop(0))
        elif self._needs:
            self._buy(usual, diameter)
        else:
            return usual
        return self.taken[-1].mass

    def _buy(self, mass: float, diameter: float) -> None:
        identity = self.plant.new_id("spool")
        self.taken.append(spool(identity, metal_of(next(iter(self._needs))), mass, diameter))

    def draw_off(self, mass: float) -> None:
        """So much wire (kg) has come off the spool on the feeder."""
        if self.taken:
            identity = self.taken[-1].id
            self._drawn[identity] = self._drawn.get(identity, 0.0) + mass

    def lacks(self, mass: float) -> None:
        """The spool on the feeder had so much (kg) less than its label says."""
        if self.taken:
            identity = self.taken[-1].id
            self._short[identity] = self._short.get(identity, 0.0) + mass

    @property
    def drawn(self) -> float:
        """Wire (kg) that the present job has drawn."""
        return sum(self._drawn.values())

    @property
    def told(self) -> bool:
        """Whether there is something to show: a spool is there that has a name."""
        return self.managed or bool(self.taken)

    @property
    def shown(self) -> Item | None:
        """The spool that the machine shows: the one on the feeder, or the first that waits."""
        return self.taken[-1] if self.taken else next(iter([*self.ready, *self.waiting]), None)

    # -- the end of a job ---------------------------------------------------------------------

    def close(self, uses: Mapping[str, Use]) -> None:
        """The job is over: what it made of its wire is told as an operation."""
        plant = self.plant
        for use in uses.values():
            drawn = self._accounts(use)
            if drawn:
                plant.record_operation(wire_operation(
                    drawn, self.process, plant.name, self.now, use, plant.new_id))
        for each in self.taken:
            left = self._left(each)
            if left > CRUMB and self.managed:
                share = left / each.mass
                self.waiting.append(Item(
                    each.id, each.kind, each.alloy, left,
                    {e: m * share for e, m in each.elements.items()}, each.about))
        self.waiting = [*self.waiting, *self.ready]
        self.taken, self.ready, self._drawn, self._short, self._needs = [], [], {}, {}, {}

    def _left(self, each: Item) -> float:
        """What is left on a spool that the job has taken, kg."""
        gone = self._drawn.get(each.id, 0.0) + self._short.get(each.id, 0.0)
        return max(each.mass - gone, 0.0)

    def _accounts(self, use: Use) -> list[tuple[Item, float, float]]:
        """Spools, what was drawn and is left of each (kg).

        Of those at hand in order, if nobody weighed.
        """
        if not self._drawn and use.spread > 0.0:
            left = use.spread
            while left > CRUMB:
                mass = self.mount(left, float(use.about.get("diameter", 0.0)))
                self._drawn[self.taken[-1].id] = min(left, mass)
                left -= min(left, mass)
        return [(each, self._drawn[each.id], self._left(each)) for each in self.taken
                if self._drawn.get(each.id, 0.0) > 0.0]

    def forget(self) -> None:
        """Let go of a job whose state is about to be put back."""
        self.taken, self.ready, self._drawn, self._short, self._needs = [], [], {}, {}, {}

    _LISTS = ("waiting", "taken", "ready")

    def hidden_state(self) -> dict[str, Any]:
        return {**{name: [each.plain() for each in getattr(self, name)] for name in self._LISTS},
                "managed": self.managed, "began": self.began, "needs": dict(self._needs),
                "drawn": dict(self._drawn), "short": dict(self._short),
                "account": self.account.plain()}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        for name in self._LISTS:
            setattr(self, name, [Item.of(data) for data in hidden[name]])
        self.managed, self.began = hidden["managed"], hidden["began"]
        self._needs, self._drawn = dict(hidden["needs"]), dict(hidden["drawn"])
        self._short, self.account = dict(hidden["short"]), WireAccount(**hidden["account"])

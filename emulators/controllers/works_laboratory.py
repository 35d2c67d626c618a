"""The powder laboratory of a works: what is analysed, released, held, scrapped, given up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from emulators.controllers.works_jobs import Job
from emulators.works.plan import SCRAP, StorePlan
from twin.powder.laboratory import Specification, analysed, decide, measure, specification
from twin.powder.lot import PowderLot, Status
from twin.powder.operations import renamed
from twin.signals import Refused
from twin.works.plant import Works

__all__ = ["Laboratory"]

REFUSALS = 4
"""Lots in a row that may fail their analysis before no more are made for their store, default."""
MENDS = ("blend", "sieve", "dry", "classify", "separate")
"""What a recycling line can do about a lot on hold."""


class Laboratory:
    """Analyses lots of stores that have a specification, and knows whose lots fail again."""

    def __init__(self, works: Works, powders: Sequence[StorePlan], skill: str,
                 say: Callable[..., None]) -> None:
        """`powders`: stores of powder; `skill`: of those who analyse."""
        self.works, self._say, self._skill = works, say, skill
        self._plans: Mapping[str, StorePlan] = {s.name: s for s in powders}
        self.rules: dict[str, Specification] = {
            s.name: specification(s.process, s.alloy) for s in powders if s.process}
        """What the powder of a store has to be."""
        self._refused: dict[str, int] = {}
        """Lots in a row that were not released, by machine and program."""
        self._makers: dict[str, str] = {}
        """Of lots that wait for their analysis: machine and program."""
        self._testing: dict[str, str] = {}
        """Lots that wait for their analysis, with their stores."""

    def stopped(self) -> list[str]:
        """Programs that make no powder any more: lot after lot of theirs was not released."""
        return [name for name, count in self._refused.items() if count >= REFUSALS]

    def given_up(self, machine: str, program: str) -> bool:
        """Whether a program is one of them."""
        return self._refused.get(f"{machine}: {program}", 0) >= REFUSALS

    def again(self) -> None:
        """Let all programs make powder again."""
        self._refused.clear()

    def held(self) -> list[PowderLot]:
        """Lots on hold."""
        return [lot for s in self._plans.values() for lot in self.works.stores[s.name].lots("hold")]

    def arrived(self, lot_id: str, job: Job | None) -> None:
        """New powder in a store, made by a job or bought, is analysed before anybody uses it."""
        for store in self._plans.values():
            lot = self.works.stores[store.name].things.get(lot_id)
            if not isinstance(lot, PowderLot):
                continue
            maker = f"{job.machine}: {job.program.name}" if job and job.program.makes.store else ""
            if lot.status != "new":
                if lot.status == "released" and maker:
                    self._refused[maker] = 0
                return
            rule = self.rules.get(store.name)
            if rule is None:
                self.works.stores[store.name].replace(renamed(lot, lot.id, status="released"))
                return
            self._testing[lot_id] = store.name
            if maker:
                self._makers[lot_id] = maker
            analysis = measure(lot, rule.methods, self.works.stream(f"laboratory/{lot_id}"))
            self.works.people.request("analysis", "laboratory", self._skill,
                                      analysis.time, lot_id, 4)

    def held_back(self, job: Job) -> None:
        """A machine made nothing for its store but what it put on hold itself."""
        maker = f"{job.machine}: {job.program.name}"
        self._refused[maker] = self._refused.get(maker, 0) + 1

    def analysed(self, lot_id: str, labour: float) -> None:
        """The laboratory is done with a lot: it is released, held or scrapped."""
        works, store = self.works, self._testing.pop(lot_id)
        lot = works.stores[store].things.get(lot_id)
        if not isinstance(lot, PowderLot):
            return  # somebody took it by mistake
        rule = self.rules[store]
        found = measure(lot, rule.methods, works.stream(f"laboratory/{lot_id}"))
        decision = decide(analysed(lot, found), rule)
        lot = renamed(analysed(lot, found), lot.id, status=decision.status)
        spent = works.ledger.rates.spent(0.0, 0.0, "", labour)
        works.ledger.charge("laboratory", "analysis", spent, lot.mass)
        works.ledger.bear([lot], spent)
        target, used = store, self._plans[store].used
        refused, maker = decision.status != "released", self._makers.pop(lot_id, "")
        if maker:
            self._refused[maker] = self._refused.get(maker, 0) + 1 if refused else 0
        if decision.status == "scrap":
            target = SCRAP
        elif decision.status == "hold" and used and any(
                word in remedy for remedy in decision.remedies for word in MENDS):
            target = used
        works.stores[store].take(lot_id)
        works.stores[target].put(lot)
        why = f": {'; '.join(decision.reasons)}" if decision.reasons else ""
        self._say("Laboratory", f"{lot_id} {decision.status}{why}"[:240], lot=lot_id,
                  store=target, status=decision.status)

    def decide(self, lot_id: str, release: bool) -> str:
        """Somebody decides on a lot that is on hold; `Refused` if there is none of that id."""
        for plan in self._plans.values():
            store = self.works.stores[plan.name]
            lot = store.things.get(lot_id)
            if isinstance(lot, PowderLot) and lot.status == "hold":
                status: Status = "released" if release else "scrap"
                target = plan.name if release else SCRAP
                store.take(lot_id)
                self.works.stores[target].put(renamed(lot, lot_id, status=status))
                self._say("Laboratory", f"{lot_id} {status} by decision"[:240], lot=lot_id,
                          store=target, status=status)
                return target
        held = ", ".join(lot.id for lot in self.held()) or "none"
        raise Refused(f"no lot {lot_id!r} is on hold; on hold: {held}"[:240], "unknown")

"""What clients may ask of the dispatcher of a works: orders, jobs of their own, decisions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulators.controllers.works_jobs import Wish
from twin.signals import Refused
from twin.works.people import HOUR

if TYPE_CHECKING:
    from emulators.controllers.works import Dispatcher

__all__ = ["Desk"]


class Desk:
    """Takes the dispatcher's commands; each answers with text or raises `Refused`."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._of = dispatcher

    def order(self, product: str, quantity: int, due: float) -> str:
        order = self._of.book.add(product, quantity, due * HOUR, self._of.now)
        self._of.say("Orders", f"order {order.number}: {quantity} {product}", number=order.number,
                  quantity=quantity)
        return str(order.number)

    def cancel(self, number: int) -> str:
        self._of.book.cancel(number, self._of.now)
        self._of.say("Orders", f"order {number} cancelled", number=number)
        return str(number)

    def rank(self, number: int, priority: int) -> str:
        self._of.book.rank(number, priority)
        self._of.say("Orders", f"order {number} has priority {priority}", number=number)
        return str(number)

    def wanted(self, machine: str, program: str) -> str:
        """A job that somebody else plans: a client that is the MES itself._of."""
        plan = self._of.plans.get(machine)
        if plan is None:
            raise Refused(f"no machine {machine!r}; there are: {', '.join(self._of.plans)}",
                          "unknown")
        found = next((p for p in plan.programs if p.name == program), None)
        if found is None:
            raise Refused(f"{machine} has no program {program!r}; it has: "
                          + ", ".join(p.name for p in plan.programs), "unknown")
        if machine in self._of.jobs:
            raise Refused(f"{machine} has {self._of.jobs[machine].id}")
        if not self._of.free(machine):
            way = self._of.repairs.get(machine) or self._of.stations[machine].state.name.lower()
            raise Refused(f"{machine} is not free: {way}")
        short = self._of.material.short_of(found)
        if short:
            raise Refused(f"{program} lacks {short}")
        if not self._of.begin(plan, found, Wish((1, self._of.now, 0), about="a client")):
            raise Refused(f"{program}: its material is not where it should be")
        return self._of.jobs[machine].id

    def decide(self, lot: str, release: bool) -> str:
        return self._of.material.laboratory.decide(lot, release)

    def again(self) -> str:
        programs = self._of.given_up()
        self._of.material.laboratory.again()
        self._of.refused.clear()
        self._of.say("Dispatch", "tried again: " + (", ".join(programs) or "all"))
        return ", ".join(programs)[:240]

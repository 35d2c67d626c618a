"""The order book of a works: what is wanted, until when, and what is still to be made."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

from emulators.works.plan import OrderPlan
from twin.signals import Refused
from twin.works.people import HOUR

__all__ = ["Order", "OrderBook"]

_LONGEST = 16_384  # bytes of the list that a signal carries


@dataclass
class Order:
    """So many parts of a product, or kg of a powder, until a time (s)."""

    number: int
    product: str
    quantity: int
    due: float
    priority: int
    placed: float
    delivered: int = 0
    ended: float | None = None
    cancelled: bool = False

    @property
    def open(self) -> bool:
        """Whether parts are still wanted."""
        return self.ended is None

    @property
    def rank(self) -> tuple[int, float, int]:
        """Sorts orders by urgency."""
        return self.priority, self.due, self.number


class OrderBook:
    """Orders of the plan as they come, and those that somebody adds."""

    MOST = 100  # open orders that are taken

    def __init__(self, plans: Sequence[OrderPlan], products: Sequence[str]) -> None:
        self.products = tuple(products)
        self.orders: dict[int, Order] = {}
        self._live: list[Order] = []
        """All open ones, and some that ended since somebody asked last."""
        self._plans = list(plans)
        self._next = [p.first_h * HOUR for p in plans]

    def open(self) -> list[Order]:
        """Open orders, the most urgent first."""
        self._live = [o for o in self._live if o.open]
        return sorted(self._live, key=lambda o: o.rank)

    def late(self, now: float) -> list[Order]:
        """Open orders past their due date."""
        return [o for o in self.open() if now > o.due]

    def next_time(self, now: float) -> float:
        """When the next order comes or becomes late (s); infinity if none will."""
        return min([*self._next, *(o.due for o in self.open() if o.due >= now)], default=inf)

    @property
    def all_done(self) -> bool:
        """Whether nothing is wanted and nothing will be."""
        return not self.open() and all(t == inf for t in self._next)

    def release(self, now: float) -> list[Order]:
        """Take in the orders of the plan that have come."""
        came = []
        for i, plan in enumerate(self._plans):
            while self._next[i] <= now:
                came.append(self._place(plan.product, plan.quantity, self._next[i],
                                        plan.due_h * HOUR, plan.priority))
                self._next[i] += plan.every_h * HOUR if plan.every_h else inf
        return came

    def _place(self, product: str, quantity: int, now: float, due: float,
               priority: int = 5) -> Order:
        number = len(self.orders) + 1
        order = self.orders[number] = Order(number, product, quantity, now + due, priority, now)
        self._live.append(order)
        return order

    def add(self, product: str, quantity: int, due: float, now: float) -> Order:
        """A new order, wanted `due` s from now; `Refused` for what cannot be ordered."""
        if product not in self.products:
            raise Refused(f"no product {product!r}; there are: {', '.join(self.products)}",
                          "unknown")
        if not 1 <= quantity <= 100_000:
            raise Refused(f"quantity takes 1 to 100000, not {quantity}", "range")
        if not 0 < due <= 1e5 * HOUR:
            raise Refused(f"due takes hours above 0 to 100000, not {due / HOUR:g}", "range")
        if len(self.open()) >= self.MOST:
            raise Refused(f"{self.MOST} orders are open already")
        return self._place(product, quantity, now, due)

    def find(self, number: int) -> Order:
        """An open order; `Refused` if there is none of that number."""
        order = self.orders.get(number)
        if order is None or not order.open:
            raise Refused(f"no open order {number}", "unknown")
        return order

    def cancel(self, number: int, now: float) -> Order:
        """Take an open order out; `Refused` if there is none of that number."""
        order = self.find(number)
        order.ended, order.cancelled = now, True
        return order

    def rank(self, number: int, priority: int) -> Order:
        """Give an open order another priority, 1 to 9; `Refused` for what cannot be."""
        order = self.find(number)
        if not 1 <= priority <= 9:
            raise Refused(f"priority takes 1 to 9, not {priority}", "range")
        order.priority = priority
        return order

    def missing(self, product: str) -> int:
        """Parts of a product that open orders still want."""
        return sum(o.quantity - o.delivered for o in self._live
                   if o.open and o.product == product)

    def urgent(self, product: str) -> Order | None:
        """The most urgent open order of a product."""
        return next((o for o in self.open() if o.product == product), None)

    def deliver(self, product: str, now: float, quantity: int = 1) -> Order | None:
        """Give parts (or kg) to the most urgent order that wants it; that order, or None."""
        order = self.urgent(product)
        if order is not None:
            order.delivered += quantity
            if order.delivered >= order.quantity:
                order.ended = now
        return order

    def text(self) -> str:
        """Open orders as JSON; as many as fit."""
        found = ({"number": o.number, "product": o.product, "quantity": o.quantity,
                  "delivered": o.delivered, "due": o.due, "priority": o.priority}
                 for o in self.open())
        # Of thousands of orders only the first ones are written out, not all again and again.
        told, length = [], 2
        for order in found:
            text = json.dumps(order, ensure_ascii=False)
            length += len(text.encode()) + 2
            if length > _LONGEST + 2:
                break
            told.append(text)
        return f"[{', '.join(told)}]"

"""What the dispatcher of a works shows, and how its machines spend their time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulators.controllers.works_signals import STEPS

if TYPE_CHECKING:
    from emulators.controllers.works import Dispatcher

__all__ = ["Board"]

PREPARATION = ("setting up", "ready", "ordered")


class Board:
    """Counts and states of the dispatcher's signals, and the time accounts behind them."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._of = dispatcher
        self._spent: dict[str, dict[str, float]] = {name: {} for name in dispatcher.shown}
        self._way: dict[str, tuple[str, float]] = {}

    def way(self, name: str) -> str:
        """How a machine spends its time now."""
        job, machine = self._of.jobs.get(name), self._of.works.machines[name]
        if machine.broken:
            return "failed"
        if self._of.repairs.get(name) == "maintenance":
            return "service"
        if job is None:
            return "no job"
        if job.step in ("running", "held"):
            return "working" if machine.working else "held"
        return "starting" if job.step in PREPARATION else "unloading"

    def used(self, now: float) -> dict[str, dict[str, float]]:
        """Seconds each machine spent in each way until `now`."""
        found = {name: dict(ways) for name, ways in self._spent.items()}
        for name, (way, since) in self._way.items():
            found[name][way] = found[name].get(way, 0.0) + now - since
        return found

    def show(self, now: float) -> None:
        """Bring the signals to `now`."""
        of, ways = self._of, []
        for name in of.stations:
            ways.append(self._mark(name, now))
            self._station(name, ways[-1])
        dispatch, orders, book = of.dispatch, of.orders, of.book
        dispatch.running, dispatch.held = ways.count("working"), ways.count("held")
        dispatch.idle = ways.count("no job")
        dispatch.down = ways.count("failed") + ways.count("service")
        dispatch.waiting = ways.count("starting") + ways.count("unloading")
        dispatch.on_hold = sum(lot.mass for lot in of.material.laboratory.held())
        dispatch.committed = of.limits.committed()
        orders.open, orders.late = len(book.open()), len(book.late(now))
        orders.done = sum(not o.open and not o.cancelled for o in book.orders.values())
        orders.parts_shipped = of.material.shipped
        orders.list = book.text()

    def _mark(self, name: str, now: float) -> str:
        way = self.way(name)
        before, since = self._way.get(name, (way, now))
        if way != before:
            spent = self._spent[name]
            spent[before] = spent.get(before, 0.0) + now - since
            since = now
        self._way[name] = (way, since)
        return way

    def _station(self, name: str, way: str) -> None:
        job, shown = self._of.jobs.get(name), self._of.shown[name]
        shown.state = int(self._of.stations[name].state)
        step = job.step if job else "service" if way == "service" else "free"
        shown.step = STEPS.index(step)
        if job is None or job.step != "ready":
            shown.waits_for = ", ".join(sorted(job.reasons))[:64] if job else ""
        shown.busy_time = self._spent[name].get("working", 0.0)

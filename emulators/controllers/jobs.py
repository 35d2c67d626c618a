"""Job orders as ISA-95 job control has them: a list of orders and what may be done to each."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from emulators.controllers.states import JobState
from twin.signals import Component, Refused, command, status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["JobControl", "JobOrder"]

_WAITING = (JobState.NOT_ALLOWED_TO_START, JobState.ALLOWED_TO_START)
_OVER = (JobState.ENDED, JobState.ABORTED)


@dataclass(slots=True)
class JobOrder:
    """One order: which program to build, and how far it is."""

    id: str
    program: str
    state: int = JobState.NOT_ALLOWED_TO_START
    substate: int = 1


class JobControl(Component):
    """Job orders; the machine's program takes the first that is allowed to start."""

    LIMIT = 100

    id = status(str, length=64, doc="job order in work, or the last one")
    program = status(
        str,
        length=64,
        companion="Production/ActiveProgram/Name",
        doc="program (build file) of that order",
    )
    number = status(
        int,
        low=0,
        high=65_535,
        companion="Production/ActiveProgram/NumberInList",
        doc="position of the order in the list",
    )
    state = status(
        int,
        choices=(
            "none",
            "not allowed to start",
            "allowed to start",
            "running",
            "interrupted",
            "ended",
            "aborted",
        ),
        doc="ISA-95 job state",
    )
    substate = status(int, low=0, high=3, doc="ISA-95 job substate number, 0 = none")
    layer = status(int, low=0, high=1_000_000,
                   doc="layers, segments, charges, rods or batches finished")
    layers_planned = status(int, low=0, high=1_000_000,
                            doc="layers, segments, charges, rods or batches of the job")
    remaining_time = status("s", low=0, high=1e8, doc="estimate of the time left")
    orders_limit = status(
        int,
        low=0,
        high=65_535,
        start=LIMIT,
        companion="MachineryBuildingBlocks/JobManagement/JobOrderControl/MaxDownloadableJobOrders",
        doc="job orders that the list holds",
    )
    orders = status(
        str,
        length=16_384,
        start="[]",
        doc="all job orders, a JSON list of objects with id, program, state, substate",
    )

    def __init__(
        self, programs: Callable[[], Iterable[str]], hindrance: Callable[[str], str]
    ) -> None:
        """`programs` names the build files; `hindrance` why a wish cannot be met now, or ""."""
        super().__init__()
        self._programs = programs
        self._hindrance = hindrance
        self._orders: dict[str, JobOrder] = {}
        self.wishes: list[str] = []
        """What was asked of the running job since the program last looked: pause, resume, …"""

    def _find(self, job_order_id: str, *states: int) -> JobOrder:
        order = self._orders.get(job_order_id)
        if order is None:
            raise Refused(f"no job order {job_order_id!r}", "unknown")
        if states and order.state not in states:
            raise Refused(f"job order {job_order_id!r} is {JobState(order.state).name.lower()}")
        return order

    def _wish(self, wish: str) -> None:
        reason = self._hindrance(wish)
        if reason:
            raise Refused(f"no {wish}: {reason}")
        self.wishes.append(wish)

    def _publish(self) -> None:
        text = json.dumps([asdict(o) for o in self._orders.values()], ensure_ascii=False)
        if len(text.encode()) > self.signals["orders"].length:
            raise Refused("the list of job orders is full; clear some")
        self.orders = text

    def show(self, state: JobState, substate: int) -> None:
        """Give the order in work its state."""
        order = self._orders.get(self.id)
        if order is not None and (order.state, order.substate) != (state, substate):
            order.state, order.substate = int(state), substate
            self.state, self.substate = int(state), substate
            self._publish()

    def take(self) -> JobOrder | None:
        """The first order allowed to start, which becomes the one in work."""
        for number, order in enumerate(self._orders.values()):
            if order.state == JobState.ALLOWED_TO_START:
                self.id, self.program, self.number = order.id, order.program, number
                return order
        return None

    @property
    def waiting(self) -> bool:
        """Whether an order is allowed to start."""
        return any(o.state == JobState.ALLOWED_TO_START for o in self._orders.values())

    @command(job_order_id=str, program=str)
    def store(self, job_order_id: str, program: str) -> str:
        """Add a job order without allowing it to start."""
        if not job_order_id or len(job_order_id.encode()) > 64:
            raise Refused("a job order id has 1 to 64 bytes", "range")
        if job_order_id in self._orders:
            raise Refused(f"job order {job_order_id!r} exists already")
        if len(self._orders) >= self.LIMIT:
            raise Refused(f"the list holds {self.LIMIT} orders; clear some")
        if program not in self._programs():
            known = ", ".join(self._programs()) or "none"
            raise Refused(f"no program {program!r}; known: {known}", "unknown")
        self._orders[job_order_id] = JobOrder(job_order_id, program)
        try:
            self._publish()
        except Refused:
            del self._orders[job_order_id]
            raise
        return job_order_id

    @command(job_order_id=str, program=str)
    def store_and_start(self, job_order_id: str, program: str) -> str:
        """Add a job order and allow it to start."""
        self.store(job_order_id, program)
        try:
            return self.start(job_order_id)
        except Refused:
            del self._orders[job_order_id]
            self._publish()
            raise

    @command(job_order_id=str)
    def start(self, job_order_id: str) -> str:
        """Allow a job order to start; the machine begins when it is idle."""
        order = self._find(job_order_id, JobState.NOT_ALLOWED_TO_START)
        reason = self._hindrance(f"start {order.program}")
        if reason:
            raise Refused(f"no start: {reason}")
        order.state, order.substate = JobState.ALLOWED_TO_START, 2
        self._publish()
        return job_order_id

    @command(job_order_id=str)
    def revoke_start(self, job_order_id: str) -> str:
        """Take back the permission to start."""
        order = self._find(job_order_id, JobState.ALLOWED_TO_START)
        order.state, order.substate = JobState.NOT_ALLOWED_TO_START, 1
        self._publish()
        return job_order_id

    @command(job_order_id=str, program=str)
    def update(self, job_order_id: str, program: str) -> str:
        """Change the program of an order that has not started."""
        order = self._find(job_order_id, *_WAITING)
        if program not in self._programs():
            raise Refused(f"no program {program!r}", "unknown")
        before, order.program = order.program, program
        try:
            self._publish()
        except Refused:
            order.program = before
            raise
        return job_order_id

    @command(job_order_id=str)
    def pause(self, job_order_id: str) -> str:
        """Hold the running job at the next place where that does no harm."""
        self._find(job_order_id, JobState.RUNNING)
        self._wish("pause")
        return job_order_id

    @command(job_order_id=str)
    def resume(self, job_order_id: str) -> str:
        """Go on with the interrupted job, if no interlock forbids it."""
        self._find(job_order_id, JobState.INTERRUPTED)
        self._wish("resume")
        return job_order_id

    @command(job_order_id=str)
    def stop(self, job_order_id: str) -> str:
        """End the job after the layer, charge, rod or batch in work, then cool down and unload."""
        self._find(job_order_id, JobState.RUNNING, JobState.INTERRUPTED)
        self._wish("stop")
        return job_order_id

    @command(job_order_id=str)
    def abort(self, job_order_id: str) -> str:
        """End the job at once."""
        order = self._find(job_order_id, *_WAITING, JobState.RUNNING, JobState.INTERRUPTED)
        if order.state in _WAITING:
            order.state, order.substate = JobState.ABORTED, 0
            self._publish()
        else:
            self._wish("abort")
        return job_order_id

    @command(job_order_id=str)
    def cancel(self, job_order_id: str) -> str:
        """Remove an order that has not started."""
        self._find(job_order_id, *_WAITING)
        del self._orders[job_order_id]
        self._publish()
        return job_order_id

    @command(job_order_id=str)
    def clear(self, job_order_id: str) -> str:
        """Remove an order that is over."""
        self._find(job_order_id, *_OVER)
        del self._orders[job_order_id]
        self._publish()
        return job_order_id

    def hidden_state(self) -> dict[str, Any]:
        return {"orders": [asdict(o) for o in self._orders.values()], "wishes": list(self.wishes)}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        self._orders = {o["id"]: JobOrder(**o) for o in hidden["orders"]}
        self.wishes = list(hidden["wishes"])

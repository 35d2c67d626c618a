"""A small build machine in memory: jobs, companion members, limits, 60 process values."""

from __future__ import annotations

import json
from typing import Any

from tests.fakes import PICTURE, Controller, FakeHost, Plant
from twin.alarms import Alarm, Priority
from twin.image import Quality
from twin.signals import (
    Component,
    Kind,
    Refused,
    SignalTable,
    alarm,
    command,
    measured,
    setpoint,
    status,
)

NOT_ALLOWED, ALLOWED, RUNNING, INTERRUPTED, ENDED, ABORTED = range(1, 7)


class Gas(Component):
    """Gas system with process values of the companion specification."""

    oxygen = measured(
        "ppm",
        low=0,
        high=250_000,
        start=500,
        doc="O2 mole fraction",
        companion="Monitoring/Process/ChamberOxygen",
    )
    filter_pressure = measured(
        "mbar",
        low=0,
        high=200,
        start=20,
        doc="filter differential pressure",
        companion="Monitoring/Health/FilterDifferentialPressure",
    )
    oxygen_limit = setpoint("ppm", low=10, high=10_000, start=1000, doc="limit of oxygen")
    oxygen_high = alarm(
        doc="Oxygen in the chamber is high",
        priority=Priority.HIGH,
        cause="leak",
        consequence="oxidised powder",
        response="check the door seal",
        source="Gas.Oxygen",
        high="Gas.OxygenLimit",
    )
    filter_loaded = alarm(
        doc="Filter is loaded",
        priority=Priority.LOW,
        cause="process by-products",
        consequence="less flow",
        response="change the filter",
        source="Gas.FilterPressure",
        high=80.0,
    )
    filter_clogged = alarm(
        doc="Filter is clogged",
        priority=Priority.HIGH,
        cause="process by-products",
        consequence="no flow",
        response="change the filter",
        source="Gas.FilterPressure",
        high=100.0,
    )


class Powder(Component):
    """Powder supply."""

    lot = status(
        str, start="LOT-7", doc="powder lot", companion="Equipment/Feedstock/Powder/Identifier"
    )
    name = status(str, start="IN718", doc="alloy", companion="Equipment/Feedstock/Powder/Name")
    remaining = measured(
        "kg",
        low=0,
        high=100,
        start=42.5,
        doc="powder in the supply",
        companion="Equipment/Feedstock/Powder/RemainingQuantity",
    )
    ready = status(
        bool,
        start=True,
        doc="powder may be used",
        companion="Equipment/Feedstock/Powder/ReadyForProduction",
    )
    cycle = status(
        int, low=0, high=1000, doc="reuses", companion="Equipment/Feedstock/Powder/Cycle"
    )
    function = status(
        int,
        choices=("Undefined", "Main", "Ancillary", "Consumable"),
        start=1,
        doc="what it is for",
        companion="Equipment/Feedstock/Powder/Function",
    )


class Machine(Component):
    """State of the machine as the companion specifications see it."""

    item_state = status(
        int,
        choices=("NotAvailable", "OutOfService", "NotExecuting", "Executing"),
        start=2,
        doc="item state",
        companion="MachineryBuildingBlocks/MachineryItemState",
    )
    mode = status(
        int,
        choices=("None", "Maintenance", "Setup", "Processing"),
        start=3,
        doc="operation mode",
        companion="MachineryBuildingBlocks/MachineryOperationMode",
    )
    lamp = status(
        int,
        choices=("Off", "Red", "Green", "Blue", "Yellow"),
        start=2,
        doc="colour of the lamp",
        companion="Monitoring/Stacklight/Lamp/SignalColor",
    )
    lamp_on = status(
        bool, start=True, doc="lamp is lit", companion="Monitoring/Stacklight/Lamp/SignalOn"
    )


class BuildMode(Component):
    """What only a machine tool has."""

    operation_mode = status(
        int,
        choices=("Manual", "Automatic", "Setup", "AutoWithManual", "Service", "Other"),
        start=1,
        doc="operation mode",
        companion="Monitoring/MachineTool/OperationMode",
    )
    program = status(
        str,
        start="none",
        doc="program",
        companion="Production/ActiveProgram/Name",
    )
    number = status(
        int,
        low=0,
        high=1000,
        start=1,
        doc="program number",
        companion="Production/ActiveProgram/NumberInList",
    )
    program_state = status(
        int,
        choices=("Initializing", "Running", "Ended", "Interrupted", "Aborted"),
        start=2,
        doc="state of the program",
        companion="Production/ActiveProgram/State",
    )


class Job(Component):
    """ISA-95 job control, with no more states than the test needs."""

    orders = status(str, length=4000, start="[]", doc="orders, JSON")
    id = status(str, doc="present order")
    state = status(int, low=0, high=6, doc="StateNumber of the present order")
    substate = status(int, low=0, high=3, doc="StateNumber of its substate")
    layer = status(int, low=0, high=100_000, start=3, doc="layer")
    layers_planned = status(int, low=0, high=100_000, start=10, doc="layers planned")
    remaining_time = status("s", low=0, high=1e7, start=90, doc="time left")

    def __init__(self) -> None:
        super().__init__()
        self._orders: dict[str, dict[str, Any]] = {}

    def _enter(self, job_order_id: str, state: int, *allowed: int, substate: int = 0) -> str:
        order = self._orders.get(job_order_id)
        if order is None:
            raise Refused(f"no job order {job_order_id!r}", "unknown")
        if allowed and order["state"] not in allowed:
            raise Refused(f"job order {job_order_id} is in state {order['state']}")
        order.update(state=state, substate=substate)
        self.id, self.state, self.substate = job_order_id, state, substate
        return self._show()

    def _show(self) -> str:
        self.orders = json.dumps(list(self._orders.values()))
        return "done"

    @command(job_order_id=str, program=str)
    def store(self, job_order_id: str, program: str) -> str:
        """Store an order."""
        if job_order_id in self._orders:
            raise Refused(f"job order {job_order_id} is there already")
        if not program:
            raise Refused("program is missing", "range")
        self._orders[job_order_id] = {
            "id": job_order_id,
            "program": program,
            "state": NOT_ALLOWED,
            "substate": 2,
        }
        return self._show()

    @command(job_order_id=str, program=str)
    def store_and_start(self, job_order_id: str, program: str) -> str:
        """Store an order and start it."""
        self.store(job_order_id, program)
        return self.start(job_order_id)

    @command(job_order_id=str, program=str)
    def update(self, job_order_id: str, program: str) -> str:
        """Change an order that has not begun."""
        self._enter(job_order_id, NOT_ALLOWED, NOT_ALLOWED)
        self._orders[job_order_id]["program"] = program
        return self._show()

    @command(job_order_id=str)
    def start(self, job_order_id: str) -> str:
        """Start an order."""
        return self._enter(job_order_id, RUNNING, NOT_ALLOWED, ALLOWED)

    @command(job_order_id=str)
    def pause(self, job_order_id: str) -> str:
        """Hold the build."""
        return self._enter(job_order_id, INTERRUPTED, RUNNING, substate=1)

    @command(job_order_id=str)
    def resume(self, job_order_id: str) -> str:
        """Go on."""
        return self._enter(job_order_id, RUNNING, INTERRUPTED)

    @command(job_order_id=str)
    def stop(self, job_order_id: str) -> str:
        """End the build early."""
        return self._enter(job_order_id, ENDED, RUNNING, INTERRUPTED, substate=2)

    @command(job_order_id=str)
    def abort(self, job_order_id: str) -> str:
        """Abort the build."""
        return self._enter(job_order_id, ABORTED, ALLOWED, RUNNING, INTERRUPTED)

    @command(job_order_id=str)
    def cancel(self, job_order_id: str) -> str:
        """Forget an order that has not begun."""
        self._enter(job_order_id, NOT_ALLOWED, NOT_ALLOWED)
        del self._orders[job_order_id]
        return self._show()

    @command(job_order_id=str)
    def clear(self, job_order_id: str) -> str:
        """Forget an order that has ended."""
        self._enter(job_order_id, ENDED, ENDED, ABORTED)
        del self._orders[job_order_id]
        return self._show()

    @command(job_order_id=str)
    def revoke_start(self, job_order_id: str) -> str:
        """Take a start back."""
        return self._enter(job_order_id, NOT_ALLOWED, ALLOWED)


class BuildHost(FakeHost):
    """A build machine (or, with technology "", another one with jobs and process values)."""

    def __init__(
        self, name: str = "BUILD-01", technology: str = "PBF", lasers: int = 20, **more: Any
    ) -> None:
        super().__init__(name, **more)
        self.identity = type(self.identity)(
            name, "build", technology, "Build 250", "4711", software="1.2", location="cell 1"
        )
        plant = Plant(lasers)
        plant.add("Gas", Gas())
        plant.add("Powder", Powder()) if technology else None
        plant.add("Machine", Machine()) if technology else None
        controller = Controller(self)
        controller.children["Job"] = Job()
        if technology:
            controller.add("BuildMode", BuildMode())
        self.table = SignalTable(plant, controller)
        self._values = [s.start for s in self.table.values()]
        self._values[self.table.index["Chamber.View"]] = PICTURE
        self._quality = [int(Quality.GOOD)] * len(self._values)
        alarms = [s for s in self.table.of_kind(Kind.ALARM) if s.alarm is not None]
        self._alarms = {s.path: Alarm(s.alarm, s.path) for s in alarms if s.alarm is not None}
        self.alarms = {path: a.definition for path, a in self._alarms.items()}
        self._frame = self._latch()

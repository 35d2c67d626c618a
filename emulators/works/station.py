"""A machine of a works as its dispatcher sees it, whatever its fidelity."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from emulators.controllers.states import JobState, MachineState
from emulators.controllers.works import Expectation
from emulators.emulator import Emulator
from plc_interfaces.host import Act, ActKind
from twin.powder.lot import PowderLot
from twin.powder.operations import Item, Operation
from twin.works.plant import Works
from twin.works.stores import Thing

__all__ = ["Station"]

CLEAN = "Service.CleanLine"
"""Command of a machine through which powder of several alloys goes."""


class Station:
    """Orders jobs of an emulator's machine and listens to what it does."""

    def __init__(
        self,
        emulator: Emulator,
        programs: Mapping[str, str] | None = None,
        expectations: Mapping[str, Expectation] | None = None,
    ) -> None:
        """`programs`: the machine's name of each program of the plan, if it is another one."""
        self.emulator = emulator
        self.name = emulator.identity.name
        self.machine = emulator.identity.machine
        self._programs = dict(programs or {})
        self._expectations = dict(expectations or {})
        self._operations: list[Operation] = []
        self._job = ""
        self._alloy = ""
        """Of the powder that was supplied last."""
        self._new_alloy = False
        self._answer: Future[Any] | None = None
        emulator.followers.append(self._operations.append)

    def connect(self, works: Works) -> None:
        """Let the works' supplies and meters follow what the machine takes, from now on."""
        meter: Any = self.emulator.plant.meter
        if meter is None:
            return

        def tell(power: float, flow: float) -> None:
            works.metered(self.name, power, flow)

        meter.listeners.append(tell)
        flow = meter.trajectories.get("gas")
        tell(float(meter.power), float(flow.rate) if flow is not None else 0.0)

    @property
    def _controller(self) -> Any:
        return self.emulator.controller

    @property
    def state(self) -> MachineState:
        """State of the machine's controller."""
        return MachineState(self._controller.state)

    @property
    def phase(self) -> str:
        """Phase of its program."""
        return str(self._controller.phase)

    @property
    def safe(self) -> bool:
        """Whether its safety chain is closed."""
        return bool(self.emulator.plant.energised)

    @property
    def layer(self) -> int:
        """Layers (or what counts as such) of the job that are done."""
        return int(self._controller.job.layer)

    @property
    def reason(self) -> str:
        """Why a job is held or was aborted."""
        return str(self._controller.machine.reason)

    @property
    def job(self) -> str:
        """The order that it works on, or the last one."""
        return str(self._controller.job.id)

    def refusal(self) -> str:
        """Why it will not do what was ordered last; "" while it may."""
        if self._answer is None or not self._answer.done():
            return ""
        error = self._answer.exception()
        if error is not None:
            return str(error)
        orders = {o["id"]: o["state"] for o in json.loads(self._controller.job.orders)}
        if self._job not in orders:
            return "somebody removed the order"
        return "the order was aborted" if orders[self._job] == JobState.ABORTED else ""

    def expected(self, program: str) -> Expectation:
        """What a program will take."""
        return self._expectations.get(program, Expectation())

    def take_operations(self) -> list[Operation]:
        """What it did to material since the last call."""
        taken = [*self._operations]
        self._operations.clear()
        return taken

    def _call(self, path: str, *arguments: Any) -> Future[Any]:
        return self.emulator.instruct(
            Act(ActKind.CALL, path, list(arguments), "dispatcher", "works"))

    def supply(self, program: str, things: Sequence[Thing]) -> str:
        """Put material at the machine for a job of a program; why it does not take it, or ""."""
        plant: Any = self.emulator.plant
        lots, items = self._taken(things)
        alloy = lots[0].alloy if lots else self._alloy
        self._new_alloy = self._new_alloy or (bool(self._alloy) and alloy != self._alloy)
        self._alloy = alloy
        try:
            if lots:
                plant.supply(lots)
            if items:
                plant.supply_items(items)
        except ValueError as error:
            self.recall(things)
            return str(error)
        hindrance = getattr(plant, "hindrance", None)
        if not lots or hindrance is None:
            return ""
        name = self._programs.get(program, program)
        problem = str(hindrance(self._controller.programs[name].job))
        if problem:
            self.recall(things)  # before anybody fills it in
        return problem

    def recall(self, things: Sequence[Thing]) -> bool:
        """Take back what was supplied; False if another job has taken of it."""
        plant: Any = self.emulator.plant
        back = {thing.id: thing.mass for thing in plant.recall({t.id for t in things})}
        lots, items = self._taken(things)
        given: list[Thing] = [*lots, *items]
        return all(back.get(t.id, 0.0) >= t.mass * (1 - 1e-9) for t in given)

    def _taken(self, things: Sequence[Thing]) -> tuple[list[PowderLot], list[Item]]:
        """What of it goes into the machine: not all know what to do with items."""
        lots = [t for t in things if isinstance(t, PowderLot)]
        items = [t for t in things if isinstance(t, Item)]
        return lots, items if hasattr(self.emulator.plant, "supply_items") else []

    def order(self, job_id: str, program: str) -> None:
        """Have a job done; its material has been supplied."""
        if self._job:
            self._call("Job.Clear", self._job)  # the list of orders is not endless
        self._job = job_id
        if self._new_alloy and CLEAN in self.emulator.table:
            self._call(CLEAN)  # who sets it up cleans it, too
        self._new_alloy = False
        self._answer = self._call("Job.StoreAndStart", job_id, self._programs.get(program, program))

    def pause(self) -> None:
        """Hold the job."""
        self._call("Job.Pause", self._job)

    def resume(self) -> None:
        """Go on with the job."""
        self._call("Job.Resume", self._job)

    def abort(self) -> None:
        """End the job at once."""
        self._call("Job.Abort", self._job)

    def clear(self) -> None:
        """Reset the machine after a job that was aborted."""
        self._call("Machine.Clear")

    def maintain(self, on: bool) -> None:
        """Enter or leave maintenance."""
        self._call("Machine.Maintenance", on)

    def power(self, present: bool) -> None:
        """Mains voltage is lost or back."""
        self.emulator.instruct(
            Act(ActKind.FAULT, "Safety.PowerLoss", not present, "mains", "works"))

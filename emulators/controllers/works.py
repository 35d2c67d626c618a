"""The dispatcher of a works, its MES: orders become jobs, and jobs get machines, powder, people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from emulators.controllers.base import Controller
from emulators.controllers.build import INTERRUPTED, WORKING
from emulators.controllers.states import MachineState
from emulators.controllers.works_board import Board
from emulators.controllers.works_desk import Desk
from emulators.controllers.works_jobs import Expectation, Job, StationView, Wish
from emulators.controllers.works_limits import FREE, RETRY, Limits
from emulators.controllers.works_material import Materials
from emulators.controllers.works_signals import Dispatch, Orders, StationStatus, WorksAlarms
from emulators.works.orders import OrderBook
from emulators.works.plan import MachinePlan, Plan, ProgramPlan
from twin.image import Readings
from twin.works.people import HOUR, Task
from twin.works.plant import Works, numbered

__all__ = ["Dispatcher", "Expectation", "Job", "StationView"]

CHECK = 0.5 * HOUR
"""How long somebody looks at a machine that has stopped by itself, default."""
TRIES = 10
"""Orders to go on that a machine may refuse, default."""
_BEGUN = (*WORKING, *INTERRUPTED, MachineState.FINISHED, MachineState.ABORTED)
_BEFORE = ("setting up", "ready", "ordered")
REFUSALS = 3
"""So often in a row a machine may refuse the material for a program before it is left alone."""


class Dispatcher(Controller):
    """Orders to machines. Looks when a machine, a person or a supply has told something.

    A job: material is fetched, somebody sets the machine up, the job starts as soon as power, gas
    and water allow, somebody unloads, what came out goes to the stores. A job is paused while gas,
    water, mains or those who must attend it are missing, or its machine is broken.
    """

    def __init__(
        self,
        plant: Works,
        readings: Readings,
        plan: Plan | None = None,
        stations: Sequence[StationView] = (),
    ) -> None:
        """Without a `plan` it has nothing to do: for lists of signals."""
        super().__init__(plant, readings)
        self.works = plant
        self.plan = plan
        self.stations = {s.name: s for s in stations}
        self.book = OrderBook(plan.orders if plan else (), plan.sold if plan else ())
        desk = Desk(self)
        self.orders = self.add("Orders", Orders(desk.order, desk.cancel, desk.rank))
        self.dispatch = self.add("Dispatch", Dispatch(desk.wanted, desk.decide, desk.again))
        self.shown = {name: self.add(numbered("Station", n), StationStatus())
                      for name, n in plant.numbers.items()}
        self.add("Alarms", WorksAlarms())
        self.material = Materials(plant, self.book, plan, self.say)
        self.jobs: dict[str, Job] = {}
        """The job that each machine is busy with, by machine."""
        self.finished: list[Job] = []
        self.board = Board(self)
        self.limits = Limits(self)
        self._states: dict[str, MachineState] = {}
        self.repairs: dict[str, str] = {}
        """Machines that wait for repair or maintenance, and for which."""
        self._cleared: dict[str, float] = {}
        self.refused: dict[tuple[str, str], int] = {}
        self.plans: dict[str, MachinePlan] = (
            {m.name: m for m in plan.machines} if plan else {})
        self._count = self._failed_now = 0
        self.short: set[str] = set()
        if plan is not None:
            self.dispatch.power_limit = plan.power_limit_kw * 1e3
        for name, shown in self.shown.items():
            shown.name = name
        plant.mains.listeners.append(self._mains)
        self.assemble()

    # -- the controller's frame ---------------------------------------------------------------

    @property
    def over(self) -> bool:
        return self.plan is not None and self.book.all_done and not self.jobs

    def memory(self) -> Any:
        return self._count, len(self.jobs), len(self.finished), tuple(sorted(self.short))

    def inputs(self) -> None:
        works, now = self.works, self.now
        queue = works.people.queue
        missing = any(works.people.present_until(t.skill, now) <= now for t in queue)
        attended = any("staff" in job.reasons for job in self.jobs.values())
        self.conditions = {
            "mains_lost": not works.mains.present,
            "power_limit": "power" in self.short,
            "gas_low": any(g.on_order for g in works.gases.values()),
            "gas_empty": any(g.empty for g in works.gases.values()),
            "machine_down": any(m.broken for m in works.machines.values()),
            "staff_missing": missing or attended,
            "stock_low": bool(self.material.low()),
            "lot_on_hold": bool(self.material.laboratory.held()),
            "powder_stopped": bool(self.given_up()),
            "order_late": bool(self.book.late(now)),
            "job_failed": self._failed_now > 0,
        }

    def program(self) -> None:
        if self.plan is None:
            return
        self._failed_now = 0
        for order in self.book.release(self.now):
            self.say("Orders", f"order {order.number}: {order.quantity} {order.product}",
                      number=order.number, quantity=order.quantity)
        self._collect()
        for task in self.works.people.take():
            self._task_done(task)
        for name in self.stations:
            self._follow(name)
        self.material.buy()
        self.material.deliver(self.now)
        self.limits.serve()
        self._dispatch()
        self.wake = min(self.wake, self.book.next_time(self.now))
        self.board.show(self.now)

    def say(self, source: str, message: str, **fields: Any) -> None:
        """Tell of something that was done."""
        self._count += 1
        self.tell(source, "process", message, 100, **fields)

    def _mains(self, present: bool) -> None:
        for station in self.stations.values():
            station.power(present)

    def given_up(self) -> list[str]:
        """Programs that are not run any more, with their machines."""
        refused = [f"{machine}: {program}" for (machine, program), count in self.refused.items()
                   if count >= REFUSALS]
        return [*self.material.laboratory.stopped(), *refused]

    # -- what machines and people did ---------------------------------------------------------

    def _collect(self) -> None:
        for name, station in self.stations.items():
            batch = station.take_operations()
            if not batch:
                continue
            job = self.jobs.get(name)
            if job is not None and job.step in ("setting up", "ready"):
                job = None  # somebody else ordered it
            labour = job.take_labour() if job else 0.0
            steps = station.expected(job.program.name).steps if job else ()
            for done in self.works.operations(name, batch, labour, steps):
                self.works.record_operation(done)
                if job is not None:
                    job.operations.append(done)
                self.say("Ledger", f"{name}: {done.name}", machine=name, energy=done.energy,
                          gas=done.gas, labour=done.labour)

    def _task_done(self, task: Task) -> None:
        job = self.jobs.get(task.machine)
        if job is not None and task.about == job.id:
            job.labour += task.duration
        match task.kind:
            case "set-up" if job is not None:
                job.step = "ready"
            case "check" if job is not None:
                job.checked = True
            case "unload" if job is not None:
                self._close(job)
            case "repair":
                self.repairs.pop(task.machine, None)
                self.works.machines[task.machine].repaired()
                self.material.overhead(task.machine, "repair", task.duration)
            case "maintenance":
                self.repairs.pop(task.machine, None)
                self.works.machines[task.machine].serviced()
                self.stations[task.machine].maintain(False)
                self.material.overhead(task.machine, "maintenance", task.duration)
            case "analysis":
                self.material.laboratory.analysed(task.about, task.duration)

    def _follow(self, name: str) -> None:
        """A machine's state, and what it means for its job."""
        station, machine = self.stations[name], self.works.machines[name]
        state, before = station.state, self._states.get(name, MachineState.IDLE)
        self._states[name] = state
        working = state in WORKING
        if working != machine.working:
            machine.work(working)
            self._count += 1
        job = self.jobs.get(name)
        blocked = (not station.safe and state in FREE) or (
            state is MachineState.ABORTED and (job is None or job.step in _BEFORE))
        if blocked and self.works.mains.present:
            # A loss of power opened its safety chain, or a job that is not ours was aborted, or
            # it could not be reset when it was unloaded: nobody can start it like this.
            self.reset(name)
        if job is None:
            return
        if job.step == "ordered":
            self._ordered(job, station, state)
        if job.step not in ("running", "held"):
            return
        if working:
            job.step = "running"
        elif state in INTERRUPTED:
            job.step = "held"
            if before not in INTERRUPTED:
                job.asked, job.tries = "", 0
                if not job.reasons and self.works.mains.present:
                    # It stopped by itself: somebody has to look why.
                    job.checked = False
                    self.works.people.request("check", name, self.plans[name].skill, CHECK,
                                              job.id, 2)
        elif state in (MachineState.FINISHED, MachineState.ABORTED):
            self._end(job, state is MachineState.ABORTED)
            return
        self.limits.reasons(job)
        self._steer(job, station, state)

    def reset(self, name: str) -> None:
        """Have a machine reset; so often at most, as it may refuse while a cause remains."""
        if self.now >= self._cleared.get(name, -RETRY) + RETRY:
            self._cleared[name] = self.now
            self.stations[name].clear()
        self.wake = min(self.wake, self._cleared[name] + RETRY)

    def _ordered(self, job: Job, station: StationView, state: MachineState) -> None:
        """Whether a machine begins what it was ordered to do: somebody else may order it, too."""
        if station.job == job.id and state in _BEGUN:
            job.step, job.started = "running", self.now
            return
        why = station.refusal()
        if why:
            job.step, job.asked_at, job.refused = "ready", self.now, True
            # Nobody else's job may use its powder while it waits.
            job.robbed = not station.recall(job.things)
            self.say("Dispatch", f"{job.id} on {job.machine} is refused: {why}"[:240],
                      job=job.id, machine=job.machine)

    def _steer(self, job: Job, station: StationView, state: MachineState) -> None:
        """Pause, resume or abort a job as its reasons want it."""
        machine = self.works.machines[job.machine]
        if machine.broken and machine.fatal:
            if job.asked != "abort":
                job.asked, job.why = "abort", "a breakdown of its machine"
                station.abort()
        elif job.reasons:
            if state in (MachineState.PREPARING, MachineState.BUILDING) and job.asked != "pause":
                job.asked = "pause"
                station.pause()
        elif state in INTERRUPTED and job.checked:
            if job.asked != "resume" or self.now >= job.asked_at + RETRY:
                job.asked, job.asked_at = "resume", self.now
                job.tries += 1
                if job.tries > TRIES:
                    job.asked, job.why = "abort", "its machine did not go on"
                    station.abort()
                else:
                    station.resume()
            self.wake = min(self.wake, job.asked_at + RETRY)
        elif state in WORKING:
            job.asked = ""

    # -- the end of a job ---------------------------------------------------------------------

    def _end(self, job: Job, failed: bool) -> None:
        """A machine is done with a job, one way or another: somebody unloads it."""
        job.failed, job.ended, job.step, job.reasons = failed, self.now, "unloading", set()
        self._failed_now += failed
        station, plan = self.stations[job.machine], self.plans[job.machine]
        job.layers = station.layer
        self.works.people.withdraw(job.id)
        # Who aborted it here knows better why than the machine.
        job.why = (job.why or station.reason) if failed else ""
        why = f": {job.why}" if job.why else ""
        self.say("Dispatch", f"{job.id} on {job.machine} "
                  + ("failed" if failed else "finished") + why, job=job.id, machine=job.machine)
        if plan.unload_h > 0:
            self.works.people.request("unload", job.machine, plan.skill, plan.unload_h * HOUR,
                                      job.id, 3)
        else:
            self._close(job)

    def _close(self, job: Job) -> None:
        if job.failed:
            self.stations[job.machine].clear()
            self._cleared[job.machine] = self.now
        good, bad = self.material.clear(job)
        self.works.close()
        self.orders.parts_finished += good
        self.orders.parts_rejected += bad
        job.closed = self.now
        self.dispatch.jobs_failed += job.failed
        self.dispatch.jobs_done += not job.failed
        del self.jobs[job.machine]
        self.finished.append(job)
        self.say("Dispatch", f"{job.id} on {job.machine} closed: {good} good, {bad} not",
                  job=job.id, machine=job.machine, good=good, rejected=bad)

    # -- new jobs -----------------------------------------------------------------------------

    def _dispatch(self) -> None:
        """Start what is ready, then find jobs for machines that are free."""
        self.short = set()
        self.dispatch.reason = ""
        for name, job in sorted(self.jobs.items(), key=lambda pair: pair[1].rank):
            if job.step == "ready":
                hindrance = self.limits.hindrance(name, job)
                self.shown[name].waits_for = hindrance
                if job.robbed and self.stations[name].state in FREE:
                    self.material.sweep(name, {thing.id for thing in job.things})
                    self._lost(job, "has lost its material to another job")
                elif not hindrance:
                    self._start(job)
        if not self.dispatch.release_jobs:
            return
        while self._assign():
            pass

    def free(self, name: str) -> bool:
        """Whether a machine could take a job."""
        if name in self.jobs or name in self.repairs:
            return False
        machine = self.works.machines[name]
        return (not machine.broken and not machine.service_due
                and self.stations[name].state in FREE)

    def _assign(self) -> bool:
        """Give the most urgent wish that can be met to a machine; whether there was one."""
        free = [m for n, m in self.plans.items() if n in self.stations and self.free(n)]
        if not free:
            return False
        for wish in self.material.wishes(self.jobs.values()):
            able = [(m, p) for m in free for p in m.programs
                    if wish.met_by(p) and self.refused.get((m.name, p.name), 0) < REFUSALS
                    and not self.material.laboratory.given_up(m.name, p.name)]
            able.sort(key=lambda pair: self.works.machines[pair[0].name].hours)
            for machine, program in able:
                short = self.material.short_of(program)
                if not short:
                    if self.begin(machine, program, wish):
                        return True
                    short = "not where it should be"
                self.dispatch.reason = self.dispatch.reason or f"{program.name}: {short}"[:64]
        return False

    def begin(self, machine: MachinePlan, program: ProgramPlan, wish: Wish) -> bool:
        """Fetch what a job needs, and have its machine set up; False if it cannot be fetched."""
        name = machine.name
        self.material.standby(name)
        self.material.sweep(name)
        fetched = self.material.fetch(program, name)
        if fetched is None:
            return False
        job = Job(f"JOB-{len(self.finished) + len(self.jobs) + 1:04d}", name, program, wish.rank,
                  self.now)
        job.things, job.came = fetched
        self.jobs[name] = job
        shown = self.shown[name]
        shown.job, shown.program, shown.waits_for = job.id, program.name, ""
        self.say("Dispatch", f"{job.id}: {program.name} on {name} for {wish.about}", job=job.id,
                  machine=name, program=program.name)
        if machine.setup_h > 0:
            self.works.people.request("set-up", name, machine.skill, machine.setup_h * HOUR,
                                      job.id, min(wish.rank[0], 9))
        else:
            job.step = "ready"
        return True

    def _start(self, job: Job) -> None:
        station = self.stations[job.machine]
        self.material.sweep(job.machine, job.came)
        problem = station.supply(job.program.name, job.things)
        if problem:
            key = job.machine, job.program.name
            self.refused[key] = self.refused.get(key, 0) + 1
            self._lost(job, f"cannot be supplied: {problem}")
            return
        self.refused.pop((job.machine, job.program.name), None)
        station.order(job.id, job.program.name)
        job.step = "ordered"
        self.say("Dispatch", f"{job.id} on {job.machine} started", job=job.id, machine=job.machine)

    def _lost(self, job: Job, why: str) -> None:
        """A job that was never begun is given up; what is left of its material goes back."""
        self.say("Dispatch", f"{job.id} on {job.machine} {why}"[:240], job=job.id,
                  machine=job.machine)
        job.failed, job.ended, job.why = True, self.now, why
        self._failed_now += 1
        self._close(job)

    # -- what is shown ------------------------------------------------------------------------

    def way(self, name: str) -> str:
        """How a machine spends its time now."""
        return self.board.way(name)

    def used(self, now: float) -> dict[str, dict[str, float]]:
        """Seconds each machine spent in each way until `now`."""
        return self.board.used(now)

    def told(self) -> str:
        """How things stand, in a line."""
        dispatch, orders = self.dispatch, self.orders
        return (f"{dispatch.running} of {len(self.stations)} machines work, {dispatch.down} down, "
                f"{orders.done} orders done, {orders.open} open, {orders.late} late, "
                f"{orders.parts_finished} parts")

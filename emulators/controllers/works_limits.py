"""What keeps jobs of a works from starting or going on, and machines from being looked after."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulators.controllers.states import MachineState
from emulators.controllers.works_jobs import Job
from emulators.works.plan import ProgramPlan

if TYPE_CHECKING:
    from emulators.controllers.works import Dispatcher

__all__ = ["FREE", "RETRY", "Limits"]

RETRY = 60.0
"""s between orders that a machine refuses, default."""
FREE = (MachineState.IDLE, MachineState.FINISHED)


class Limits:
    """Power, gas, water, people and failures, as a dispatcher has to heed them."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._of = dispatcher

    def hindrance(self, name: str, job: Job) -> str:
        """Why a job cannot start now; empty if it can."""
        works, machine, program = self._of.works, self._of.plans[name], job.program
        state = self._of.stations[name].state
        if state not in FREE:
            return f"machine: {state.name.lower()}"
        if job.refused and self._of.now < job.asked_at + RETRY:
            self._of.wake = min(self._of.wake, job.asked_at + RETRY)
            return "machine: refused"
        if works.machines[name].broken:
            return "repair"
        if not works.mains.present:
            return "mains"
        tank = works.gases.get(machine.gas)
        if tank is not None and (tank.empty or tank.scarce):
            return f"gas: {machine.gas}"
        if self._of.alarms["Alarms.WaterWarm"].active:
            return "cooling water"
        power = self.power_with(name, program)
        if power > self._of.dispatch.power_limit:
            self._of.short.add("power")
            return "power"
        if power * works.water.share > works.water.available:
            return "cooling capacity"
        if machine.attended:
            there = works.people.present_until(machine.skill, self._of.now)
            expected = self._of.stations[name].expected(program.name)
            if there < self._of.now + expected.duration:
                return f"people: {machine.skill}"
        return ""

    def reasons(self, job: Job) -> None:
        """Why a job must not go on at the moment."""
        works, plan = self._of.works, self._of.plans[job.machine]
        machine = works.machines[job.machine]
        tank = works.gases.get(plan.gas)
        found = {
            "failure": machine.broken,
            "gas": tank is not None and tank.empty,
            # It is no use to go on with chillers that will not do: it would be warm again soon.
            "water": self._of.alarms["Alarms.WaterWarm"].active or (
                "water" in job.reasons and self.power_with(job.machine, job.program)
                * works.water.share > works.water.available),
            "mains": not works.mains.present,
            "staff": plan.attended and works.people.present_until(
                plan.skill, self._of.now) <= self._of.now,
        }
        reasons = {name for name, on in found.items() if on}
        if reasons != job.reasons:
            job.reasons = reasons
            job.tries = 0
            self._of.say("Dispatch", f"{job.id} on {job.machine}: " + (
                "waits for " + ", ".join(sorted(reasons)) if reasons else "may go on"),
                job=job.id, machine=job.machine)

    def power_with(self, name: str, program: ProgramPlan) -> float:
        """Power (W) of the works with a program at work on a machine."""
        own = max(self._of.stations[name].expected(program.name).power,
                  float(self._of.works.machines[name].power))
        return self.committed(name) + own

    def committed(self, without: str = "") -> float:
        """Power (W) of the jobs in work at their highest, and of the machines that stand."""
        total = 0.0
        for name, machine in self._of.works.machines.items():
            if name == without:
                continue
            job = self._of.jobs.get(name)
            most = self._of.stations[name].expected(job.program.name).power \
                if job is not None and job.step in ("ordered", "running", "held") else 0.0
            total += max(most, float(machine.power))
        return total

    def serve(self) -> None:
        """Ask for repairs and, between jobs, for planned maintenance."""
        works = self._of.works
        for name, machine in works.machines.items():
            if name in self._of.repairs or name not in self._of.stations:
                continue
            skill = self._of.plans[name].upkeep.skill
            if machine.broken:
                self._of.repairs[name] = "repair"
                works.people.request("repair", name, skill, machine.repair_time(), f"repair {name}",
                                     1)
                self._of.say("Dispatch", f"{name} has failed: a repair is asked for", machine=name)
            elif name not in self._of.jobs and machine.service_due:
                if (state := self._of.stations[name].state) is not MachineState.IDLE:
                    if state is MachineState.FINISHED:
                        self._of.reset(name)
                    continue  # somebody else works with it, or it is reset already
                self._of.repairs[name] = "maintenance"
                self._of.stations[name].maintain(True)
                works.people.request("maintenance", name, skill, machine.upkeep.service,
                                     f"maintenance {name}", 4)
                self._of.say("Dispatch", f"{name}: planned maintenance", machine=name)

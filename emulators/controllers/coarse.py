"""The program of a machine that repeats a job's summary: its states, phases, holds and counters."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from emulators.controllers.base import Controller
from emulators.controllers.build import BuildController, MachineCommands, Program
from emulators.controllers.build_signals import BuildAlarms, Feedstock, phase_status
from emulators.controllers.states import MachineState
from twin.image import Readings
from twin.signals import Component, Kind, public_name
from twin.works.coarse import CoarseJob, CoarseMachine

__all__ = ["CoarseController", "coarse_controller"]

_EARLY = 1e-6  # s by which the last bits of a time may be off
_STANDING = (MachineState.IDLE, MachineState.FINISHED, MachineState.ABORTED)


class Followed(Component):
    """What the job was summarised with: shown, and not to be changed any more."""

    def take(self, recipe: Any) -> None:
        """Show the settings of a program."""
        for name, value in recipe.settings.items():
            if name in self.signals:
                setattr(self, name, value)


def followed(process: type[Component]) -> type[Followed]:
    """A machine's setpoints and parameters as those of a job that is repeated."""
    return type("Process", (Followed,), {
        name: replace(signal, fixed=True) for name, signal in process.signals.items()})


def recalled(bank: type[BuildAlarms], paths: Collection[str]) -> type[BuildAlarms]:
    """Of a machine's alarms those that all machines have, and those of some paths.

    They come and go as they did; what they made the machine do is in the summary already.
    """
    known = {f"Alarms.{public_name(name)}": signal for name, signal in bank.signals.items()}
    own = {}
    for path in {*paths} & known.keys():
        signal = known[path]
        if signal.attribute not in BuildAlarms.signals and signal.alarm is not None:
            bare = replace(signal.alarm, action="C", source="", phases=(), high=None, low=None,
                           on_delay=0.0, off_delay=0.0)
            own[signal.attribute] = replace(signal, alarm=bare)
    # In the machine's own order, so that lists of alarms look alike.
    return type("Alarms", (BuildAlarms,), {n: own[n] for n in bank.signals if n in own})


class CoarseController(BuildController):
    """Phases one after the other as the real machine's program had them.

    Phases outside the layers are told as events; those of a layer, and the number of the layer,
    are looked up whenever somebody looks. Times of the course are those of the plant's `Work`.
    """

    plant: CoarseMachine

    def __init__(self, plant: CoarseMachine, readings: Readings, programs: Mapping[str, Program],
                 machine: type[MachineCommands], process: type[Component],
                 bank: type[BuildAlarms]) -> None:
        super().__init__(plant, readings, programs, machine, process(), Feedstock(), bank())
        self._recalled = {name: f"Alarms.{public_name(name)}" for name in bank.signals
                          if name not in BuildAlarms.signals
                          and bank.signals[name].kind is Kind.ALARM}
        self.stage = 0
        """Place in the course of phases that was reached."""
        self.returning = False
        """On the way back from a hold."""
        self.assemble()

    def memory(self) -> Any:
        # The layer and its phase follow from the time: that they change is no reason to look.
        return (self.state, self.stage, self.returning, self.job.orders, self.stopping)

    @property
    def checkpoint(self) -> int | None:
        return self.stage if self.state is MachineState.BUILDING else None

    # -- looking ------------------------------------------------------------------------------

    def observe(self) -> dict[str, bool]:
        self._look()
        if not self._recalled:
            return {}
        on = self._raised()
        return {name: path in on for name, path in self._recalled.items()}

    def _raised(self) -> set[str]:
        """Alarms that were active at this place of the job; asks to be scanned at the next."""
        work, summary = self.plant.job, self.plant.job.summary
        if summary is None:
            return set()
        position = work.position(self.now) + _EARLY
        if work.moving:
            # Times of the work: on its way back from a hold it stands where it was.
            ahead = [t for begin, _, end in summary.alarms for t in (begin, end) if t > position]
            if ahead:
                self._wake(work.due(min(ahead)))
        return {path for begin, path, end in summary.alarms if begin <= position < end}

    def _look(self) -> None:
        """Layer, phase and feedstock as they are now."""
        work, summary = self.plant.job, self.plant.job.summary
        if summary is None:
            return
        self.job.layer = work.layers(self.now)
        left = max(summary.remaining - work.fed, 0.0)
        self.feedstock.remaining_quantity = round(left, 2)
        position = work.position(self.now)
        if self.state is MachineState.BUILDING:
            last = float(summary.layer_end[-1]) if len(summary.layer_end) else summary.duration
            self.job.remaining_time = max(last - position, 0.0)
            stage = summary.phase_at(position + _EARLY)
            if summary.stage_state[stage] == MachineState.BUILDING:
                self._show_phase(int(summary.stage_phase[stage]))
        elif self.state is MachineState.COMPLETING:
            self.job.remaining_time = 0.0

    def _show_phase(self, number: int) -> None:
        self.phase, self.machine.phase = self.phases[number], number

    # -- jobs -----------------------------------------------------------------------------------

    def load(self, program: Program) -> None:
        super().load(program)
        self.stage, self.returning = 0, False

    def work(self) -> None:
        work, summary = self.plant.job, self.plant.job.summary
        assert summary is not None
        if self.returning and not self._came_back():
            return
        position = work.position(self.now) + _EARLY
        reached = summary.phase_at(position)
        mains = summary.main_stages
        for stage in mains[(mains > self.stage) & (mains <= reached)].tolist():
            self.stage = stage
            state = MachineState(int(summary.stage_state[stage]))
            if state is MachineState.FINISHED:
                self.finished()
                return
            self.enter_state(state)
            self.enter(self.phases[int(summary.stage_phase[stage])])
        if self.state is MachineState.BUILDING:
            self._look()
            if self.stopping:
                self._stop()
                if self.state is not MachineState.BUILDING:
                    return
        self._lock(position)
        following = mains[mains > self.stage]
        if len(following):
            self._wake(work.due(float(summary.stage_start[following[0]])))

    def _wake(self, due: float) -> None:
        self.wake = min(self.wake, max(due - _EARLY, self.now + _EARLY))

    def _lock(self, position: float) -> None:
        """The door is locked and unlocked as it was."""
        work, summary = self.plant.job, self.plant.job.summary
        assert summary is not None
        locked = False
        for time, on in summary.locks:
            if time > position:
                self._wake(work.due(time))
                break
            locked = on
        self.io.safety.door_lock = locked

    def _stop(self) -> None:
        """An ordered stop: complete as soon as the layer in work is done."""
        work, summary = self.plant.job, self.plant.job.summary
        assert summary is not None
        done = int(self.job.layer)
        if self._stop_after < 0:
            self._stop_after = done + 1
        if done >= min(self._stop_after, summary.layers):
            self.complete()
        else:
            self._wake(work.due(float(summary.layer_end[self._stop_after - 1])))

    @property
    def stopping(self) -> bool:
        """Whether the job is to end after the layer in work."""
        return self._stopping

    @stopping.setter
    def stopping(self, on: bool) -> None:
        self._stopping = on
        self._stop_after = -1

    def complete(self) -> None:
        work, summary = self.plant.job, self.plant.job.summary
        assert summary is not None
        self.resume_phase, self.returning = "", False
        stage = int(np.flatnonzero(summary.stage_state == MachineState.COMPLETING)[0])
        self.stage = stage
        work.jump(float(summary.stage_start[stage]))
        self.reset_drives()
        self.enter_state(MachineState.COMPLETING)
        self.enter(self.phases[int(summary.stage_phase[stage])])

    # -- hold, resume, end ------------------------------------------------------------------------

    def stop_work(self) -> None:
        self.plant.job.pause()

    def hold(self, state: MachineState, reason: str) -> None:
        self._held_in = self.state
        super().hold(state, reason)

    def resume(self) -> None:
        self.reset_drives()
        work = self.plant.job
        completing = self._held_in is MachineState.COMPLETING
        preparing = self._held_in is MachineState.PREPARING and not self.returning
        way = work.resume(anew=preparing and work.power_lost, at_once=completing)
        if not way.resumes:
            self.abort(way.reason or f"the job cannot go on after {way.cause}")
            return
        summary = work.summary
        assert summary is not None
        self.resume_phase = ""
        if completing:
            self.enter_state(MachineState.COMPLETING)
            self.enter(self.phases[int(summary.stage_phase[self.stage])])
            return
        self.enter_state(MachineState.PREPARING)
        if way.duration > 0:
            self.returning, self._way_stage = True, -1
            self._came_back()
        else:
            self.stage, self.returning = 0 if preparing else self.stage, False
            self.enter(self.phases[int(summary.stage_phase[self.stage])])

    def _came_back(self) -> bool:
        """Go on with the way back; True when it is over."""
        work, summary = self.plant.job, self.plant.job.summary
        way = work.way
        assert summary is not None
        assert way is not None
        passed = self.now - work.ordered + _EARLY
        begun = self._held_in is MachineState.BUILDING
        while self._way_stage + 1 < len(way.phases):
            name, at = way.phases[self._way_stage + 1]
            if passed < at:
                break
            self._way_stage += 1
            self.enter(name)
        if passed < (way.prepared if begun else way.duration):
            following = way.phases[self._way_stage + 1:]
            at = following[0][1] if following else way.duration
            self._wake(work.ordered + min(at, way.prepared if begun else way.duration))
            return False
        self.returning = False
        stage = summary.phase_at(work.position(self.now) + _EARLY)
        self.enter_state(MachineState(int(summary.stage_state[stage])))
        self.enter(self.phases[int(summary.stage_phase[stage])])
        self.stage = max(self.stage, int(summary.main_stages[
            np.searchsorted(summary.main_stages, stage, "right") - 1]))
        return True

    def finished(self) -> None:
        if self.plant.powder is None or not self.plant.powder.managed:
            self.feedstock.cycle += 1
        super().finished()

    def _idle(self) -> None:
        super()._idle()
        self.plant.job.rest()

    def regulate(self) -> None:
        # What is hot stays locked up until it is cold.
        if self.state in _STANDING and self.io.safety.door_lock:
            ready = self.plant.job.ready
            if self.now >= ready - _EARLY:
                self.io.safety.door_lock = False
            else:
                self._wake(ready)

    # -- what to keep -----------------------------------------------------------------------------

    _held_in = MachineState.IDLE
    _way_stage = -1
    _stopping = False
    _stop_after = -1

    def snapshot(self) -> dict[str, Any]:
        taken = super().snapshot()
        taken["own"] |= {"stage": self.stage, "returning": self.returning,
                         "held_in": int(self._held_in), "way_stage": self._way_stage,
                         "stop_after": self._stop_after}
        return taken

    def reinstate(self, snapshot: dict[str, Any]) -> None:
        super().reinstate(snapshot)
        own = snapshot["own"]
        self.stopping = own["stopping"]
        self.stage, self.returning = own["stage"], own["returning"]
        self._held_in, self._way_stage = MachineState(own["held_in"]), own["way_stage"]
        self._stop_after = own["stop_after"]


def coarse_controller(
    plant: CoarseMachine, readings: Readings, programs: Mapping[str, Program], real: Controller
) -> CoarseController:
    """The controller for summaries of one machine type; `ValueError` if they are of several.

    `real`: a controller of that type, whose settings and alarms are declared here again.
    """
    jobs: list[CoarseJob] = [p.job for p in programs.values()]
    kinds = {(j.summary.machine, j.summary.phases, j.summary.layer_phases) for j in jobs}
    if len(kinds) != 1:
        raise ValueError("job summaries are of " + (", ".join(sorted({k[0] for k in kinds}))
                                                    or "no machine")
                         + "; a machine needs those of one program")
    summary = jobs[0].summary
    names = [summary.phases[i] for i in summary.stage_phase]
    machine = type("Machine", (MachineCommands,), {"phase": phase_status(summary.phases)})
    complete = next((n for n, state in zip(names, summary.stage_state, strict=True)
                     if state == MachineState.COMPLETING), "none")
    made = type("CoarseController", (CoarseController,), {
        "FIRST": names[0], "RESUME": summary.resume, "COMPLETE": complete,
        "LAYERS": summary.layer_phases})
    raised = {path for job in jobs for _, path, _ in job.summary.alarms}
    bank: Any = type(real.children["Alarms"])
    controller: CoarseController = made(
        plant, readings, programs, machine, followed(type(real.children["Process"])),
        recalled(bank, raised))
    return controller

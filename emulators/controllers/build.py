"""The base of every build machine's program: states, phases, jobs, holds, interlocks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import floor
from typing import Any, ClassVar, Protocol

from emulators.controllers.build_signals import BuildAlarms, Feedstock, MachineStatus
from emulators.controllers.jobs import JobControl
from emulators.controllers.phases import PhasedController
from emulators.controllers.states import JobState, MachineState, views
from emulators.recipes import BaseRecipe
from twin.alarms import Alarm
from twin.equipment.services import SafetyChain
from twin.image import Readings
from twin.machine import Plant
from twin.materials import Alloy
from twin.powder.lot import PowderLot
from twin.signals import Component, Refused, command

__all__ = ["HOLDABLE", "INTERRUPTED", "WORKING", "BuildController", "MachineCommands", "Program"]

HOLDABLE = (MachineState.PREPARING, MachineState.BUILDING)
WORKING = (*HOLDABLE, MachineState.COMPLETING)
INTERRUPTED = (MachineState.HELD, MachineState.SUSPENDED)


class Job(Protocol):
    """What is built: the geometry side of a program, made before it is loaded."""

    @property
    def name(self) -> str:
        """Name of the build file."""
        ...

    @property
    def alloy(self) -> Alloy:
        """Alloy of the part."""
        ...

    @property
    def layers(self) -> int:
        """How many layers (or steps, of a machine without layers) there are to do."""
        ...


@dataclass(frozen=True)
class Program:
    """A build file: what to build and with which recipe."""

    job: Any
    """A `Job` of the machine's kind."""
    recipe: Any
    """A `BaseRecipe` of the machine's kind."""


class MachineCommands(MachineStatus):
    """The machine's state, and what may be asked of the machine as a whole.

    A machine's own class says its phases: ``phase = phase_status(PHASES)``.
    """

    def __init__(self, controller: BuildController) -> None:
        super().__init__()
        self._controller = controller

    @command()
    def clear(self) -> str:
        """After an abort or at the end of a job: reset the safety chain and drives, go idle."""
        return self._controller.clear()

    @command(on=bool)
    def maintenance(self, on: bool) -> str:
        """Enter or leave maintenance; only from idle."""
        return self._controller.maintain(on)


class BuildController(PhasedController):
    """A job from its start to the unloaded part; hold, resume, stop, abort, clear.

    A machine says its phases (see `PhasedController`), states are the same for all machines.
    Alarms act: class A ends the job, B suspends it, P (loss of power) too.
    """

    FIRST: ClassVar[str] = "load"
    """Phase that a job begins with."""
    RESUME: ClassVar[str] = "close"
    """Phase that leads back to the work after a hold."""
    COMPLETE: ClassVar[str] = "cool"
    """Phase that follows the last layer."""
    LAYERS: ClassVar[tuple[str, ...]] = ()
    """Phases of a layer: a hold comes back to the one that it interrupted."""
    CHECKPOINT: ClassVar[str] = ""
    """Phase of a layer at which a run can be re-entered from a snapshot."""
    SPARED: ClassVar[dict[int, str]] = {}
    """What opens the safety chain and yet only holds the job: cause, and the alarm that does so."""
    RESET: ClassVar[tuple[str, ...]] = ()
    """Alarms (by name) whose cause the way back removes by itself, such as a drive's fault."""
    machine: MachineCommands

    def __init__(
        self,
        plant: Plant,
        readings: Readings,
        programs: Mapping[str, Program],
        machine: type[MachineCommands],
        process: Component,
        feedstock: Feedstock,
        alarms: BuildAlarms,
    ) -> None:
        """Build the tree's common part; the machine adds its own and calls `assemble`.

        Raises `ValueError` for a program whose recipe the machine cannot follow.
        """
        super().__init__(plant, readings)
        self.programs = dict(programs)
        for name, program in programs.items():
            try:
                settings: Any = type(process)()
                settings.take(program.recipe)
            except Refused as refusal:
                recipe: BaseRecipe = program.recipe
                raise ValueError(f"program {name}, recipe {recipe.name}: {refusal}") from None
        self.phases: tuple[str, ...] = machine.signals["phase"].choices
        self.machine = self.add("Machine", machine(self))
        self.job = self.add("Job", JobControl(lambda: self.programs, self.hindrance))
        self.add("Process", process)
        self.feedstock = self.add("Feedstock", feedstock)
        self.bank = alarms
        self.state = MachineState.IDLE
        self.since = 0.0
        self.looked = {}
        self._number = -1
        self.resume_phase = ""
        self.stopping = False
        self._began = 0.0  # when the layer now in work began
        self._layer_time = 0.0  # s, smoothed
        self._worked = 0.0  # s of operation until the present state began
        self._entered = 0.0  # when it began

    def assemble(self) -> None:
        self.add("Alarms", self.bank)
        super().assemble()

    def memory(self) -> Any:
        return (self.phase, self.state, self.job.layer, self.job.orders, self.stopping,
                tuple(self.looked.values()))

    # -- what a machine says ------------------------------------------------------------------

    def regulate(self) -> None:
        """At every scan, before interlocks and sequence: loops that never rest."""

    def load(self, program: Program) -> None:
        """A job begins: take its recipe, load the plant."""
        settings: Any = self.children["Process"]
        settings.take(program.recipe)
        plant: Any = self.plant
        plant.load(program.job)
        self.looked = {}
        self.feedstock.name = program.job.alloy.name
        self._show_lot()

    def _show_lot(self) -> None:
        """Show the powder lot or the spool at the machine, if it is known."""
        supply = getattr(self.plant, "powder", None) or getattr(self.plant, "wire", None)
        if supply is None or not supply.told:
            return
        there, feedstock = supply.shown, self.feedstock
        feedstock.identifier = there.id[:64] if there else ""
        feedstock.ready_for_production = (
            there is not None and getattr(there, "status", "released") == "released")
        if isinstance(there, PowderLot):
            feedstock.cycle = there.cycle

    def follow_setpoints(self) -> None:
        """At every scan while the machine works: setpoints to outputs."""

    def stop_work(self) -> None:
        """Beam off, motion stopped: at once, on hold and abort."""

    def make_safe(self) -> None:
        """What an abort does beyond `stop_work`, such as heat off."""

    def rest(self) -> None:
        """At every scan while the machine is idle."""

    def unblocked(self) -> bool:
        """Whether an idle machine may take a job: it can be loaded only if its door opens."""
        return bool(self.io.safety.chain_closed and not self.io.safety.door_locked)

    def observe(self) -> dict[str, bool]:
        """Conditions by name of alarm; inputs may be copied to status signals on the way."""
        return {}

    # -- states -------------------------------------------------------------------------------

    def enter_state(self, state: MachineState, reason: str = "") -> None:
        """Go to a state, and tell it in every state model."""
        if state == self.state:
            return
        self._worked, self._entered = self._operation(), self.now
        self.state = state
        seen = views(state)
        machine = self.machine
        machine.state, machine.packml, machine.reason = int(state), seen.packml, reason[:64]
        machine.item_state, machine.operation_mode = seen.machinery_item, seen.operation_mode
        machine.machine_tool_mode, machine.program_state = seen.machine_tool_mode, seen.program
        if state in (MachineState.IDLE, MachineState.MAINTENANCE):
            self.job.state, self.job.substate = int(JobState.NONE), 0
        else:
            self.job.show(seen.job, seen.job_substate)
            self.tell(
                "Job",
                "job",
                f"job {self.job.id} {seen.job.name.lower()}",
                200,
                job_order_id=self.job.id,
                job_state=int(seen.job),
                job_substate=seen.job_substate,
            )
        text = f"{state.name.lower()}: {reason}" if reason else state.name.lower()
        self.tell("Machine", "state", text, 300 if reason else 100, state=int(state))

    def _operation(self) -> float:
        return self._worked + (self.now - self._entered if self.state in WORKING else 0.0)

    @property
    def over(self) -> bool:
        ended = self.state in (MachineState.FINISHED, MachineState.ABORTED)
        return ended and self.now > self._entered

    @property
    def checkpoint(self) -> int | None:
        return self.job.layer if self.phase == self.CHECKPOINT else None

    def program(self) -> None:
        self.regulate()
        if self._interlocks():
            return
        self._wishes()
        match self.state:
            case MachineState.IDLE if self.job.waiting and self.unblocked():
                self._start_job()
            case state if state in WORKING:
                self.follow_setpoints()
                self.work()
            case MachineState.FINISHED if self.job.waiting:
                self._idle()
            case MachineState.IDLE:
                self.rest()

    def inputs(self) -> None:
        io = self.io
        self._show_lot()
        lost = io.safety.first_out == SafetyChain.POWER_LOSS
        self.machine.power_on_duration = float(floor(self.now))
        self.machine.operation_duration = float(floor(self._operation()))
        idle = self.state in (MachineState.IDLE, MachineState.FINISHED)
        spared = "" if io.safety.chain_closed else self.SPARED.get(io.safety.first_out, "")
        self.conditions = {
            "safety_chain": not (io.safety.chain_closed or lost or spared),
            "power_loss": lost,
            "start_blocked": idle and self.job.waiting and not self.unblocked(),
            **self.observe(),
        }
        if spared:
            self.conditions[spared] = True

    def _interlocks(self) -> bool:
        """Trips and holds; True if the program must not go on in this scan."""
        if self.state not in (*WORKING, *INTERRUPTED):
            return False
        trips = self.acting("A")
        if trips:
            self.abort(trips[0].definition.message)
            return True
        # What is cooling down cannot be held; without power it stands all the same.
        holds = self.acting("P") if self.state in WORKING else []
        if self.state in HOLDABLE:
            holds = [*holds, *self.acting("B")]
        if holds:
            self.hold(MachineState.SUSPENDED, holds[0].definition.message)
        return bool(holds)

    def _relevant(self, alarm: Alarm) -> bool:
        definition = alarm.definition
        # What must end an exposure at once means less to a machine that stands.
        if definition.action == "A" and definition.phases and self.state in INTERRUPTED:
            return False
        return super()._relevant(alarm)

    def hindrance(self, wish: str) -> str:
        """Why the running job cannot be asked to pause, resume or stop now; empty if it can.

        ``start`` with the name of a program: why it could not begin with the powder at hand.
        """
        if wish == "resume":
            if not self.io.safety.chain_closed:
                # The chain took gas and heat away; the way back restores them.
                possible = self.io.safety.reset_possible
                return "" if possible else "something keeps the safety chain open"
            blocking = [a for a in (*self.acting("A"), *self.acting("B"))
                        if self._alarm_names[a.path] not in self.RESET]
            return blocking[0].definition.message if blocking else ""
        if wish.startswith("start "):
            return self.plant.hindrance(self.programs[wish.removeprefix("start ")].job)
        if wish in ("pause", "stop") and self.state is MachineState.COMPLETING:
            return "the job is being completed"
        return ""

    def _wishes(self) -> None:
        wishes, self.job.wishes = self.job.wishes, []
        for wish in wishes:
            if wish == "pause" and self.state in HOLDABLE:
                self.hold(MachineState.HELD, "operator")
            elif wish == "resume" and self.state in INTERRUPTED:
                self.resume()
            elif wish == "abort" and self.state in (*WORKING, *INTERRUPTED):
                self.abort("operator")
            elif wish == "stop" and self.state is MachineState.BUILDING:
                self.stopping = True
            elif wish == "stop" and self.state in (MachineState.PREPARING, *INTERRUPTED):
                self.complete()

    def _start_job(self) -> None:
        order = self.job.take()
        assert order is not None
        program = self.programs[order.program]
        missing = self.plant.hindrance(program.job)
        if missing:
            # The powder has gone since the order was allowed to start.
            self.job.show(JobState.ABORTED, 0)
            self.tell("Job", "job", f"job {order.id} not begun: {missing}", 300)
            return
        self.stopping, self.resume_phase = False, ""
        self.load(program)
        self.job.layer, self.job.layers_planned = 0, program.job.layers
        self.job.remaining_time = self._layer_time = 0.0
        self.enter_state(MachineState.PREPARING)
        self.enter(self.FIRST)

    # -- hold, resume, abort ------------------------------------------------------------------

    def hold(self, state: MachineState, reason: str) -> None:
        """Stop where it is, to go on later."""
        self.stop_work()
        if self.phase in self.LAYERS or self.state is MachineState.COMPLETING:
            self.resume_phase = self.phase
        self.enter_state(state, reason)

    def resume(self) -> None:
        """Go back to what was interrupted, by way of all that prepares it."""
        self.reset_drives()
        if self.resume_phase and self.resume_phase not in self.LAYERS:
            phase, self.resume_phase = self.resume_phase, ""
            self.restore_supplies()
            self.enter_state(MachineState.COMPLETING)
            self.enter(phase)
            return
        self.enter_state(MachineState.PREPARING)
        # The way back passes purge and preheat, which are over at once if nothing was lost.
        self.enter(self.RESUME if self.resume_phase else self.FIRST)

    def abort(self, reason: str) -> None:
        """End the job for good."""
        self.stop_work()
        self.make_safe()
        # It stops before what it has made is counted: nothing is laid or fed after that.
        self.rack.write()
        self.plant.unload()
        self.enter_state(MachineState.ABORTED, reason)
        self.enter("none")

    def clear(self) -> str:
        """Reset after an abort or the end of a job; `Refused` while a cause remains."""
        io = self.io
        open_in_idle = self.state is MachineState.IDLE and not io.safety.chain_closed
        if not open_in_idle and self.state not in (MachineState.ABORTED, MachineState.FINISHED):
            raise Refused(f"nothing to clear: the machine is {self.state.name.lower()}")
        if not io.safety.chain_closed and not io.safety.reset_possible:
            cause = SafetyChain.CAUSES[io.safety.first_out]
            raise Refused(f"safety chain kept open; first out: {cause}")
        self.reset_drives()
        self.release()
        if not open_in_idle:
            self._idle()
        return "idle"

    def _idle(self) -> None:
        self.enter_state(MachineState.IDLE)
        self.enter("none")

    def maintain(self, on: bool) -> str:
        """Enter maintenance from idle, or leave it."""
        wanted = MachineState.IDLE if on else MachineState.MAINTENANCE
        if self.state is not wanted:
            raise Refused(f"the machine is {self.state.name.lower()}")
        self.enter_state(MachineState.MAINTENANCE if on else MachineState.IDLE)
        return self.state.name.lower()

    # -- layers and completion ----------------------------------------------------------------

    def begin_layers(self, first: str) -> None:
        """Preparation is over: the first layer, or the phase that a hold interrupted."""
        self.enter_state(MachineState.BUILDING)
        phase, self.resume_phase = self.resume_phase or first, ""
        self._began = self.now
        self.enter(phase)

    def layer_finished(self, following: str) -> None:
        """Count a layer, and go on to phase `following` or, after the last one, complete."""
        self.job.layer += 1
        # Layers differ; the last few tell most of what is to come.
        latest = self.now - self._began
        known = self._layer_time
        self._layer_time = latest if known == 0.0 else 0.8 * known + 0.2 * latest
        self._began = self.now
        left = 0 if self.stopping else self.job.layers_planned - self.job.layer
        self.job.remaining_time = left * self._layer_time
        if left <= 0:
            self.complete()
        else:
            self.enter(following)

    def complete(self) -> None:
        """No more layers: cool down (or whatever comes then) and unload."""
        self.resume_phase = ""
        self.enter_state(MachineState.COMPLETING)
        self.enter(self.COMPLETE)

    def finished(self) -> None:
        """The part is out: the job has ended."""
        self.job.remaining_time = 0.0
        self.machine.operation_cycle_counter += 1
        self.plant.unload()
        self.enter_state(MachineState.FINISHED)
        self.enter("none")

    # -- what to keep -------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        return {
            **super().snapshot(),
            "own": {
                "state": int(self.state),
                "since": self.since,
                "looked": dict(self.looked),
                "number": self._number,
                "resume_phase": self.resume_phase,
                "stopping": self.stopping,
                "began": self._began,
                "layer_time": self._layer_time,
                "worked": self._worked,
                "entered": self._entered,
                "job": self.job.program,
            },
        }

    def reload(self, snapshot: dict[str, Any]) -> None:
        program = self.programs.get(snapshot["own"]["job"])
        plant: Any = self.plant
        plant.forget_job()  # Nothing has been used: what follows puts it back.
        plant.load(program.job if program else None)

    def reinstate(self, snapshot: dict[str, Any]) -> None:
        super().reinstate(snapshot)
        own = snapshot["own"]
        self.state, self.since = MachineState(own["state"]), own["since"]
        self.resume_phase, self.stopping = own["resume_phase"], own["stopping"]
        self.looked, self._number = dict(own["looked"]), own["number"]
        self._began, self._layer_time = own["began"], own["layer_time"]
        self._worked, self._entered = own["worked"], own["entered"]

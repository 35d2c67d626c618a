"""The soft PLC of a PBF-LB machine: sequence, interlocks, jobs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import floor, inf, isnan
from typing import Any

from emulators.controllers.base import Controller, Watch
from emulators.controllers.jobs import JobControl
from emulators.controllers.pbf_lb_service import Service
from emulators.controllers.pbf_lb_signals import (
    INERT_GAS_ALARMS,
    LAYER_PHASES,
    PHASES,
    VACUUM_ALARMS,
    Alarms,
    Feedstock,
    LaserAlarms,
    MachineStatus,
    Process,
)
from emulators.controllers.states import JobState, MachineState, views
from emulators.recipes import Recipe
from twin.alarms import Alarm
from twin.equipment.exposure import BuildJob
from twin.equipment.services import SafetyChain
from twin.image import Readings
from twin.machine import AMBIENT
from twin.machines.pbf_lb import PbfLb
from twin.signals import Refused, command

__all__ = ["PbfLbController", "Program"]

_PLACES = ("Top", "Bottom")
_HOLDABLE = (MachineState.PREPARING, MachineState.BUILDING)
_WORKING = (*_HOLDABLE, MachineState.COMPLETING)
_INTERRUPTED = (MachineState.HELD, MachineState.SUSPENDED)


@dataclass(frozen=True)
class Program:
    """A build file: what to mark and with which recipe."""

    job: BuildJob
    recipe: Recipe


class MachineCommands(MachineStatus):
    """The machine's state, and what may be asked of the machine as a whole."""

    def __init__(self, controller: PbfLbController) -> None:
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


class PbfLbController(Controller):
    """Load, close, purge (or pump down), preheat, layers, cool, unload; hold, resume, abort."""

    PURGE_AT = (0.5, 0.8)  # of the oxygen limit: purge gas is on from the upper to the lower
    plant: PbfLb

    def __init__(self, plant: PbfLb, readings: Readings, programs: Mapping[str, Program]) -> None:
        super().__init__(plant, readings)
        self.programs = dict(programs)
        for name, program in programs.items():
            try:
                Process().take(program.recipe)
            except Refused as refusal:
                recipe = program.recipe.name
                raise ValueError(f"program {name}, recipe {recipe}: {refusal}") from None
        self.machine = self.add("Machine", MachineCommands(self))
        self.job = self.add("Job", JobControl(lambda: self.programs, self.hindrance))
        self.process = self.add("Process", Process())
        self.feedstock = self.add("Feedstock", Feedstock())
        self.add("Service", Service(plant, lambda: self.state not in _WORKING))
        self.bank = self.add("Alarms", Alarms())
        for number in range(len(plant.lasers)):
            self.bank.add(f"Laser{number + 1}", LaserAlarms())
        self.state = MachineState.IDLE
        self.since = 0.0
        self.resume_phase = ""
        self.stopping = False
        self._began = 0.0  # when the layer now in work began
        self._layer_time = 0.0  # s, smoothed
        self._worked = 0.0  # s of operation until the present state began
        self._entered = 0.0  # when it began
        self.assemble()

    def memory(self) -> Any:
        return (self.phase, self.state, self.job.layer, self.job.orders, self.stopping)

    # -- states and phases -------------------------------------------------------------------

    def _enter_state(self, state: MachineState, reason: str = "") -> None:
        if state == self.state:
            return
        self._worked, self._entered = self._operation(), self.now
        self.state = state
        seen = views(state)
        machine = self.machine
        machine.state, machine.packml, machine.reason = int(state), seen.packml, reason
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
        return self._worked + (self.now - self._entered if self.state in _WORKING else 0.0)

    def _enter(self, phase: str) -> None:
        self.phase, self.since = phase, self.now
        self.machine.phase = PHASES.index(phase)
        self.tell("Machine", "process", f"phase {phase}", 50, layer=self.job.layer)
        entry = getattr(self, f"_begin_{phase.replace(' ', '_')}", None)
        if entry is not None:
            entry()

    @property
    def over(self) -> bool:
        ended = self.state in (MachineState.FINISHED, MachineState.ABORTED)
        return ended and self.now > self._entered

    @property
    def checkpoint(self) -> int | None:
        return self.job.layer if self.phase == "settle" else None

    def program(self) -> None:
        self._hold_oxygen()
        if self._interlocks():
            return
        self._wishes()
        match self.state:
            case MachineState.IDLE if self.job.waiting and self.io.safety.chain_closed:
                self._start_job()
            case state if state in _WORKING:
                self._follow_setpoints()
                getattr(self, f"_{self.phase.replace(' ', '_')}")()
            case MachineState.FINISHED if self.job.waiting:
                self._idle()
            case MachineState.IDLE if self.io.safety.door_lock and self._cool_enough():
                self.io.safety.door_lock = False

    def inputs(self) -> None:
        io = self.io
        if not isnan(io.recoater.powder_level):
            level = round(io.recoater.powder_level * self.plant.recoater.CAPACITY, 2)
            self.feedstock.remaining_quantity = level
        lost = io.safety.first_out == SafetyChain.POWER_LOSS
        self.machine.power_on_duration = float(floor(self.now))
        self.machine.operation_duration = float(floor(self._operation()))
        idle = self.state in (MachineState.IDLE, MachineState.FINISHED)
        self.conditions = {
            "safety_chain": not io.safety.chain_closed and not lost,
            "power_loss": lost,
            "recoater_fault": io.recoater.fault_active,
            "scanner_fault": not io.scanner.ready,
            "start_blocked": idle and self.job.waiting and not io.safety.chain_closed,
        }

    def _interlocks(self) -> bool:
        """Trips and holds; True if the program must not go on in this scan."""
        if self.state not in (*_WORKING, *_INTERRUPTED):
            return False
        trips = self.acting("A")
        if trips:
            self._abort(trips[0].definition.message)
            return True
        # What is cooling down cannot be held.
        holds = [*self.acting("P"), *self.acting("B")] if self.state in _HOLDABLE else []
        if holds:
            self._hold(MachineState.SUSPENDED, holds[0].definition.message)
        return bool(holds)

    def _relevant(self, alarm: Alarm) -> bool:
        name, definition = self._alarm_names[alarm.path], alarm.definition
        if name in (INERT_GAS_ALARMS if self.process.vacuum else VACUUM_ALARMS):
            return False
        # What must end an exposure at once means less to a machine that stands.
        if definition.action == "A" and definition.phases and self.state in _INTERRUPTED:
            return False
        return super()._relevant(alarm)

    def hindrance(self, wish: str) -> str:
        """Why the running job cannot be asked to pause, resume or stop now; empty if it can."""
        if wish == "resume":
            if not self.io.safety.chain_closed:
                # The chain took gas and heat away; the way back restores them.
                possible = self.io.safety.reset_possible
                return "" if possible else "something keeps the safety chain open"
            # Resuming resets the recoater's drive.
            blocking = [a for a in (*self.acting("A"), *self.acting("B"))
                        if self._alarm_names[a.path] != "recoater_fault"]
            return blocking[0].definition.message if blocking else ""
        if wish in ("pause", "stop") and self.state is MachineState.COMPLETING:
            return "the job is cooling down"
        return ""

    def _wishes(self) -> None:
        wishes, self.job.wishes = self.job.wishes, []
        for wish in wishes:
            if wish == "pause" and self.state in _HOLDABLE:
                self._hold(MachineState.HELD, "operator")
            elif wish == "resume" and self.state in _INTERRUPTED:
                self._resume()
            elif wish == "abort" and self.state in (*_WORKING, *_INTERRUPTED):
                self._abort("operator")
            elif wish == "stop" and self.state is MachineState.BUILDING:
                self.stopping = True
            elif wish == "stop" and self.state in (MachineState.PREPARING, *_INTERRUPTED):
                self._complete()

    def _start_job(self) -> None:
        order = self.job.take()
        assert order is not None
        program = self.programs[order.program]
        self.stopping, self.resume_phase = False, ""
        self.process.take(program.recipe)
        self.plant.load(program.job)
        self.feedstock.name = program.job.alloy.name
        self.job.layer, self.job.layers_planned = 0, len(program.job.plan)
        self.job.remaining_time = self._layer_time = 0.0
        self._enter_state(MachineState.PREPARING)
        self._enter("load")

    def _follow_setpoints(self) -> None:
        io, process = self.io, self.process
        for laser in self._laser_terminals():
            laser.power, laser.focus = process.laser_power, process.focus
        io.scanner.scan_speed = process.scan_speed
        io.recoater.travel_speed = process.recoating_speed
        io.recoater.dosing_factor = process.dosing_factor
        if self.phase in ("preheat", *LAYER_PHASES):
            io.platform.temperature_demand = process.preheat_temperature

    def _laser_terminals(self) -> list[Any]:
        return [getattr(self.io, f"laser{i + 1}") for i in range(len(self.plant.lasers))]

    def _emission(self, on: bool) -> None:
        for laser in self._laser_terminals():
            laser.enable = on

    # -- hold, resume, abort -----------------------------------------------------------------

    def _hold(self, state: MachineState, reason: str) -> None:
        self.io.scanner.run = False
        self.io.recoater.recoat = False
        self._emission(False)
        if self.phase in LAYER_PHASES:
            self.resume_phase = self.phase
        self._enter_state(state, reason)

    def _resume(self) -> None:
        self._reset_drives()
        self._enter_state(MachineState.PREPARING)
        # The way back passes purge and preheat, which are over at once if nothing was lost.
        self._enter("close" if self.resume_phase else "load")

    def _reset_drives(self) -> None:
        io = self.io
        io.safety.reset = not io.safety.chain_closed
        io.recoater.reset_drive = io.recoater.fault_active or not io.recoater.at_home

    def _abort(self, reason: str) -> None:
        io = self.io
        io.scanner.run = False
        io.recoater.recoat = False
        self._emission(False)
        io.platform.temperature_demand = AMBIENT
        self._enter_state(MachineState.ABORTED, reason)
        self._enter("none")

    def clear(self) -> str:
        """Reset after an abort or the end of a job; `Refused` while a cause remains."""
        io = self.io
        open_in_idle = self.state is MachineState.IDLE and not io.safety.chain_closed
        if not open_in_idle and self.state not in (MachineState.ABORTED, MachineState.FINISHED):
            raise Refused(f"nothing to clear: the machine is {self.state.name.lower()}")
        if not io.safety.chain_closed and not io.safety.reset_possible:
            cause = SafetyChain.CAUSES[io.safety.first_out]
            raise Refused(f"safety chain kept open; first out: {cause}")
        self._reset_drives()
        self._release()
        if not open_in_idle:
            self._idle()
        return "idle"

    def _idle(self) -> None:
        self._enter_state(MachineState.IDLE)
        self._enter("none")

    def maintain(self, on: bool) -> str:
        """Enter maintenance from idle, or leave it."""
        wanted = MachineState.IDLE if on else MachineState.MAINTENANCE
        if self.state is not wanted:
            raise Refused(f"the machine is {self.state.name.lower()}")
        self._enter_state(MachineState.MAINTENANCE if on else MachineState.IDLE)
        return self.state.name.lower()

    # -- preparing ---------------------------------------------------------------------------

    def _begin_load(self) -> None:
        self.io.platform.z_demand = 0.0

    def _load(self) -> None:
        # The demand was written in the scan that began the phase; motion shows in the next.
        if self.now > self.since and self.io.platform.in_position:
            self._reset_drives()
            self._enter("close")

    def _begin_close(self) -> None:
        self.io.safety.door_lock = True
        self.io.chiller.run = True

    def _close(self) -> None:
        io = self.io
        if not io.safety.door_locked:
            io.safety.door_lock = io.safety.door_closed
            return
        ready = io.safety.chain_closed and io.recoater.at_home and not io.recoater.fault_active
        if ready and io.chiller.flow > 10e-3 / 60:
            self._enter("pump down" if self.process.vacuum else "purge")

    def _begin_purge(self) -> None:
        io, process = self.io, self.process
        io.chamber.process_flow = process.process_flow
        if self._oxygen() >= process.oxygen_limit:
            io.chamber.purge_flow = process.purge_flow
        io.gas.blower = max(io.gas.blower, 0.72)

    def _oxygen(self) -> float:
        cells = (self.io.chamber.oxygen_top, self.io.chamber.oxygen_bottom)
        # A dead cell (not a number) vouches for nothing.
        return max(inf if isnan(cell) else cell for cell in cells)

    def _purge(self) -> None:
        if self._oxygen() < self.process.oxygen_limit and self.io.gas.speed > 12.0:
            self._enter("preheat")

    def _begin_pump_down(self) -> None:
        io = self.io
        io.chamber.purge_flow = io.chamber.process_flow = 0.0
        io.gas.blower = 0.0
        io.chamber.vacuum_pump = True

    def _pump_down(self) -> None:
        if self.io.chamber.vacuum < self.process.vacuum_limit:
            self._enter("preheat")

    def _preheat(self) -> None:
        if not self.io.platform.temperature >= self.process.preheat_temperature - 2.0:
            return
        self._enter_state(MachineState.BUILDING)
        phase, self.resume_phase = self.resume_phase or "recoat", ""
        self._began = self.now
        self._enter(phase)

    def _hold_oxygen(self) -> None:
        # More gas before the limit is reached, also while the job is held.
        process, chamber = self.process, self.io.chamber
        if process.vacuum or self.phase not in ("preheat", *LAYER_PHASES):
            return
        low, high = (share * process.oxygen_limit for share in self.PURGE_AT)
        oxygen = self._oxygen()
        if oxygen > high:
            chamber.purge_flow = process.purge_flow
        elif oxygen < low:
            chamber.purge_flow = 0.0

    # -- layers ------------------------------------------------------------------------------

    def _begin_recoat(self) -> None:
        self.io.recoater.recoat = True

    def _recoat(self) -> None:
        if self.now > self.since and self.io.recoater.at_home:
            self._enter("settle")

    def _settle(self) -> None:
        due = self.since + self.process.settle_time
        if self.now >= due:
            self._enter("expose")
        else:
            self.wake = due

    def _begin_expose(self) -> None:
        io = self.io
        io.scanner.layer = self.job.layer + 1
        # A hold may have come in the moment in which the layer was finished.
        io.scanner.run = io.scanner.layer_done != io.scanner.layer
        self._emission(io.scanner.run)

    def _expose(self) -> None:
        io = self.io
        if io.scanner.layer_done != self.job.layer + 1:
            return
        io.scanner.run = False
        self._emission(False)
        self.job.layer += 1
        self._estimate()
        if self.stopping or self.job.layer >= self.job.layers_planned:
            self._complete()
        else:
            self._enter("lower")

    def _estimate(self) -> None:
        # Layers differ; the last few tell most of what is to come.
        latest = self.now - self._began
        known = self._layer_time
        self._layer_time = latest if known == 0.0 else 0.8 * known + 0.2 * latest
        self._began = self.now
        left = 0 if self.stopping else self.job.layers_planned - self.job.layer
        self.job.remaining_time = left * self._layer_time

    def _begin_lower(self) -> None:
        io = self.io
        thickness = self.programs[self.job.program].job.plan.layer_thickness
        io.platform.z_demand = self.job.layer * thickness
        self._regulate_gas()

    def _regulate_gas(self) -> None:
        # Once per layer: the blower follows the filter so that the gas speed stays.
        io, wanted = self.io, self.process.gas_speed
        if not self.process.vacuum and io.gas.speed > 1.0:
            error = wanted / io.gas.speed
            if abs(error - 1) > 0.01:
                io.gas.blower = min(max(io.gas.blower * error, 0.2), 1.0)

    def _lower(self) -> None:
        # The demand was written in the scan that began this phase; motion shows in the next.
        if self.now > self.since and self.io.platform.in_position:
            self._enter("recoat")

    # -- completing --------------------------------------------------------------------------

    def _complete(self) -> None:
        self.resume_phase = ""
        self._enter_state(MachineState.COMPLETING)
        self._enter("cool")

    def _begin_cool(self) -> None:
        self.io.platform.temperature_demand = AMBIENT

    def _cool(self) -> None:
        if self._cool_enough():
            self._enter("unload")

    def _cool_enough(self) -> bool:
        platform, limit = self.io.platform, self.process.unpack_temperature
        return bool(platform.temperature < limit and platform.part_temperature < limit)

    def _begin_unload(self) -> None:
        self._release()

    def _release(self) -> None:
        """Gas, blower and water off; the door as soon as nobody gets burnt."""
        io = self.io
        io.gas.blower = 0.0
        io.chamber.process_flow = io.chamber.purge_flow = 0.0
        io.chamber.vacuum_pump = False
        io.safety.door_lock = not self._cool_enough()
        io.chiller.run = False

    def _unload(self) -> None:
        self.job.remaining_time = 0.0
        self.feedstock.cycle += 1
        self.machine.operation_cycle_counter += 1
        self._enter_state(MachineState.FINISHED)
        self._enter("none")

    # -- what to watch -----------------------------------------------------------------------

    def watches(self) -> list[Watch]:
        process = self.process
        signal = self.table

        def level(path: str, name: str, shift: float = 0.0) -> Watch:
            found = signal[f"Process.{name}"]
            value = getattr(process, found.attribute) + shift
            return Watch(path, found.from_si(value))

        found = []
        if not process.vacuum and self.phase in ("preheat", *LAYER_PHASES):
            limit = process.oxygen_limit * 1e6
            share = self.PURGE_AT[0 if self.io.chamber.purge_flow > 0 else 1]
            found = [Watch(f"Chamber.Oxygen{place}", share * limit) for place in _PLACES]
        match self.phase:
            case "close":
                found += [Watch("Chiller.Flow", 10.0)]
            case "purge":
                found += [level(f"Chamber.Oxygen{place}", "OxygenLimit") for place in _PLACES]
                found += [Watch("Gas.Speed", 12.0)]
            case "pump down":
                found += [level("Chamber.Vacuum", "VacuumLimit")]
            case "preheat":
                found += [level("Platform.Temperature", "PreheatTemperature", -2.0)]
            case "cool" | "none":
                found += [
                    level("Platform.Temperature", "UnpackTemperature"),
                    level("Platform.PartTemperature", "UnpackTemperature"),
                ]
        return found

    def snapshot(self) -> dict[str, Any]:
        return {
            **super().snapshot(),
            "own": {
                "state": int(self.state),
                "since": self.since,
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
        self.plant.load(program.job if program else None)

    def reinstate(self, snapshot: dict[str, Any]) -> None:
        super().reinstate(snapshot)
        own = snapshot["own"]
        self.state, self.since = MachineState(own["state"]), own["since"]
        self.resume_phase, self.stopping = own["resume_phase"], own["stopping"]
        self._began, self._layer_time = own["began"], own["layer_time"]
        self._worked, self._entered = own["worked"], own["entered"]

"""A job done once by the whole machine, as fast as it can: what it told, summed up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from math import inf
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from emulators import catalog
from emulators.catalog import MACHINES, Progress, Settings, SettingsError
from emulators.controllers.states import MachineState
from emulators.emulator import Emulator
from emulators.lots import load_feedstock
from plc_interfaces.host import Act, ActKind, AlarmStatus, Event
from twin.equipment.feedstock_plant import FeedstockPlant
from twin.signals import Refused
from twin.works.summary import COUNTS, Interruption, JobSummary, simplified

if TYPE_CHECKING:
    from emulators.recorder import Recorder
    from twin.powder.operations import Operation

__all__ = ["Notes", "SummaryError", "rehearse"]

_JOB = "SUMMARY"
_COURSE = 0.01  # share of a job's energy and gas by which straight lines may be off, default
_FEED = 0.005  # the same of feedstock and built volume, default
_LONGEST = 90 * 86400.0  # simulated s
_COOLING = 10 * 86400.0  # simulated s after its end in which a machine must be ready again
_AFTER = 600.0  # simulated s after the end over which what the machine draws then is averaged
_HOLDS = (("hold", 600.0), ("power loss", 60.0), ("power loss", 3600.0))
"""Interruptions that are tried, each with its length, s, default."""
_PATIENCE = (30.0, 20)  # s, times: how often a refused order to go on is repeated
_WAY_BACK = 4 * 3600.0  # simulated s
_BACK = (MachineState.BUILDING, MachineState.COMPLETING)
_WAY = (MachineState.PREPARING, *_BACK)
_RATHER_LATE = 1e9  # s: never


class SummaryError(RuntimeError):
    """A job that cannot be summarised: the machine did not get to its end."""


# -- what is told of a job -----------------------------------------------------------------------


class Notes:
    """Stands where a recorder would, and keeps what a summary needs."""

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator
        self.stages: list[tuple[float, str, int]] = []
        self.layer_rows: list[dict[str, Any]] = []
        self.counts: dict[str, dict[tuple[int, int], int]] = {
            name: defaultdict(int) for name in COUNTS}
        self.alarms: list[tuple[float, str]] = []
        self.cleared: list[tuple[float, str]] = []
        self.parts: list[tuple[float, str, str, dict[str, Any]]] = []
        self.operations: list[dict[str, Any]] = []
        self.meters: list[tuple[float, float, float, float, float]] = []
        self.layers: list[float] = []
        self.locks: list[tuple[float, bool]] = []
        self.uses: dict[str, dict[str, Any]] = {}
        self.peak_power = self.peak_gas = 0.0
        self._state = int(MachineState.IDLE)
        self._gas = 0.0
        plant: Any = emulator.plant
        plant.meter.listeners.append(self._draws)
        emulator.recorder = cast("Recorder", self)
        emulator.record_period = _RATHER_LATE
        emulator.hash_period = 3600.0

    def _draws(self, power: float, gas: float) -> None:
        self.peak_power, self.peak_gas = max(self.peak_power, power), max(self.peak_gas, gas)

    def look(self) -> None:
        """After a scan: meters, layers, door."""
        plant: Any = self.emulator.plant
        controller: Any = self.emulator.controller
        meter, now = plant.meter, self.emulator.time
        self.meters.append((now, meter.energy, meter.gas, meter.feedstock, meter.built_volume))
        done = int(controller.job.layer)
        while len(self.layers) < done:
            self.layers.append(now)
        locked = bool(plant.safety.door_locked)
        if locked != (self.locks[-1][1] if self.locks else False):
            self.locks.append((now, locked))

    # what an emulator tells its recorder

    def record(self, frame: Any) -> None:
        """Signals are not kept."""

    def flush(self, after: Callable[[], object] | None = None, wait: bool = True) -> None:
        """Nothing is on disk."""

    def event(self, scan: int, event: Event) -> None:
        """Phases, states and parts."""
        if event.kind == "state" and event.source == "Machine":
            self._state = int(cast("int", event.fields["state"]))
        elif event.source == "Machine" and event.message.startswith("phase "):
            self.stages.append((event.time, event.message.removeprefix("phase "), self._state))
        elif event.kind == "part":
            self.parts.append((event.time, event.source, event.message, dict(event.fields)))

    def alarm(self, scan: int, time: float, status: AlarmStatus) -> None:
        """What was raised."""
        if status.active and not status.acknowledged:
            self.alarms.append((time, status.path))
        elif not status.active:
            self.cleared.append((time, status.path))

    def row(self, table: str, scan: int, values: Mapping[str, Any]) -> None:
        """Rows of layers."""
        if table == "layers":
            self.layer_rows.append(dict(values))

    def rows(self, table: str, scan: int, columns: Mapping[str, Any]) -> None:
        """Numbers of defects and indications."""
        self._count(table, columns)

    def _count(self, table: str, columns: Mapping[str, Any]) -> None:
        if table not in COUNTS or "kind" not in columns:
            return
        kinds = np.asarray(columns["kind"]).astype(int)
        layers = np.asarray(columns.get("layer", np.zeros(len(kinds)))).astype(int)
        for layer, kind in zip(layers.tolist(), kinds.tolist(), strict=True):
            self.counts[table][layer, kind] += 1

    def operation(self, scan: int, operation: Operation) -> None:
        """What was done to material."""
        self.operations.append(operation.plain())


# -- running it ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Middle:
    """The machine in the middle of its job, and how the job went on from there."""

    state: dict[str, Any]
    ends: npt.NDArray[np.float64]
    """When each layer ended, s of the run."""
    meters: npt.NDArray[np.float64]
    """(n, 5): time, energy, gas, feedstock, built volume."""


def _controller(emulator: Emulator) -> Any:
    if emulator.controller is None:
        raise SettingsError("control: a machine under external control has no jobs to summarise")
    return emulator.controller


def _scan(emulator: Emulator, notes: Notes) -> None:
    emulator.scan(emulator.next_scan)
    notes.look()


def _do(emulator: Emulator, notes: Notes, act: Act) -> Any:
    future = emulator.submit(act)
    emulator.next_scan = emulator.scan_number + 1
    _scan(emulator, notes)
    return future.result(0)


def _made(settings: Settings, progress: Progress) -> tuple[Emulator, str]:
    built = catalog.build(settings, progress)
    built.emulator.pacer.set_factor(inf)
    return built.emulator, built.programs[0]


def _until(emulator: Emulator, notes: Notes, done: Callable[[], bool], limit: float) -> bool:
    """Scan until it is so (True) or `limit` simulated s have passed."""
    end = emulator.time + limit
    while not done():
        if emulator.time >= end:
            return False
        emulator.next_scan = min(emulator.next_scan,
                                 max(round(end / emulator.scan_period), emulator.scan_number + 1))
        _scan(emulator, notes)
    return True


def _run(settings: Settings, progress: Progress) -> tuple[JobSummary, _Middle | None]:
    """The job from its order to its end, and the machine's state in the middle of it."""
    emulator, program = _made(settings, lambda share: progress(0.2 * share))
    controller, plant = _controller(emulator), cast("Any", emulator.plant)
    notes = Notes(emulator)
    notes.look()
    standby = float(plant.meter.power)
    _do(emulator, notes, Act(ActKind.CALL, "Job.StoreAndStart", [_JOB, program]))
    planned = controller.programs[program].job.layers
    middle: dict[str, Any] | None = None
    remaining: list[float] = []

    def over() -> bool:
        nonlocal middle
        done = int(controller.job.layer)
        if controller.state is MachineState.BUILDING:
            progress(0.2 + 0.7 * done / max(planned, 1))
            boundary = controller.checkpoint is not None and plant.quiet
            if middle is None and boundary and planned // 2 <= done:
                middle = emulator.state()
        if controller.state is MachineState.COMPLETING and isinstance(plant, FeedstockPlant):
            # As it is last: how green parts are is known only when they are out of the powder.
            used = plant.feedstock_used()
            notes.uses = {alloy: asdict(use) for alloy, use in used.items()} or notes.uses
        if not remaining and len(notes.stages) > 1:
            remaining.append(float(controller.feedstock.remaining_quantity))
        if controller.state in (MachineState.HELD, MachineState.SUSPENDED):
            raise SummaryError(f"{settings.machine}, program {program}: the job is held in phase "
                               f"{controller.phase}: {controller.machine.reason}")
        return bool(controller.over)

    if not _until(emulator, notes, over, _LONGEST):
        raise SummaryError(f"{settings.machine}, program {program}: not done after "
                           f"{_LONGEST / 86400:g} days, in phase {controller.phase}")
    if controller.state is not MachineState.FINISHED:
        raise SummaryError(f"{settings.machine}, program {program}: {controller.machine.reason}")
    stages = list(notes.stages)
    counted, ends = len(notes.meters), np.array(notes.layers)
    over_at, energy, gas = emulator.time, plant.meter.energy, plant.meter.gas
    _until(emulator, notes, lambda: False, _AFTER)
    after = ((plant.meter.energy - energy) / _AFTER, (plant.meter.gas - gas) / _AFTER)
    _do(emulator, notes, Act(ActKind.CALL, "Machine.Clear", []))
    cleared = emulator.time
    _until(emulator, notes, controller.unblocked, _COOLING)
    ready = emulator.time if emulator.time > cleared + 1.0 else over_at
    start, end = stages[0][0], stages[-1][0]
    meters = np.array([m for m in notes.meters[:counted] if m[0] <= end])
    summary = _summed(settings, emulator, notes, stages, meters, program,
                      standby, ready - start, (remaining or [0.0])[0])
    summary = replace(summary, after=after)
    return summary, None if middle is None else _Middle(middle, ends, meters)


def _end(notes: Notes, time: float, path: str) -> float:
    """When an alarm that was raised at `time` (s) was over; the end of all that was seen if not."""
    return min((t for t, name in notes.cleared if name == path and t >= time),
               default=notes.meters[-1][0])


def _summed(settings: Settings, emulator: Emulator, notes: Notes,
            stages: list[tuple[float, str, int]], meters: npt.NDArray[np.float64], program: str,
            standby: float, ready: float, remaining: float) -> JobSummary:
    controller, plant = _controller(emulator), emulator.plant
    job = controller.programs[program].job
    start = stages[0][0]
    idle = meters[meters[:, 0] < start][-1]
    meters = meters[meters[:, 0] >= start]
    times = meters[:, 0] - start
    phases: tuple[str, ...] = controller.phases
    inner = set(controller.LAYERS)
    # Where a phase outside the layers begins, the course keeps its point.
    kept = [t - start for i, (t, name, _) in enumerate(stages)
            if name not in inner or (i and stages[i - 1][1] not in inner)]
    energy, gas = (column - column[0] for column in meters[:, 1:3].T)
    # What is loaded goes into the machine in the very scan that begins the job.
    feed, built = (column - before for column, before in
                   zip(meters[:, 3:].T, idle[3:], strict=True))
    knots = simplified(times, [energy, gas], _COURSE, kept)
    fed, grown = simplified(times, [feed], _FEED), simplified(times, [built], _FEED)
    rows: dict[str, npt.NDArray[Any]] = {}
    told = notes.layer_rows
    if told:
        names = [n for n in told[0] if all(n in row for row in told)]
        rows = {name: np.array([row[name] for row in told]) for name in names}
        rows["time"] = rows["time"] - start

    def counts(table: str) -> npt.NDArray[np.int64]:
        found = [[layer, kind, n] for (layer, kind), n in sorted(notes.counts[table].items())]
        return np.array(found, np.int64).reshape(-1, 3)

    return JobSummary(
        machine=settings.machine, technology=MACHINES[settings.machine].technology,
        program=program, alloy=job.alloy.name, layers=int(controller.job.layer), phases=phases,
        layer_phases=tuple(controller.LAYERS), resume=controller.RESUME,
        stage_start=np.array([t - start for t, _, _ in stages]),
        stage_phase=np.array([phases.index(name) for _, name, _ in stages], np.int64),
        stage_state=np.array([state for _, _, state in stages], np.int64),
        layer_end=np.array([t - start for t in notes.layers]),
        knots=times[knots], energy=energy[knots], gas=gas[knots],
        feed_times=times[fed], feed=feed[fed], built_times=times[grown], built=built[grown],
        standby=standby, peak_power=notes.peak_power, peak_gas=notes.peak_gas,
        locks=tuple((t - start, on) for t, on in notes.locks if t >= start),
        ready=ready, remaining=remaining, rows=rows, defects=counts("defects"),
        indications=counts("indications"),
        alarms=tuple((t - start, path, _end(notes, t, path) - start)
                     for t, path in notes.alarms if t >= start),
        parts=tuple((t - start, source, message, about)
                    for t, source, message, about in notes.parts),
        operations=tuple({**op, "time": op["time"] - start} for op in notes.operations),
        supplied=tuple(_lots(settings, job)), uses=notes.uses,
        settings={name: getattr(controller.children["Process"], name)
                  for name in controller.children["Process"].signals},
        use=str(getattr(controller, "process_name", "")),
        needs=plant.feedstock_needed(job) if isinstance(plant, FeedstockPlant) else {})


def _lots(settings: Settings, job: Any) -> list[dict[str, Any]]:
    """Powder that was at the machine: what the settings name, or what the recipe brings."""
    if settings.lots:
        return [load_feedstock(reference).plain() for reference in settings.lots]
    return [lot.plain() for lot in getattr(job, "lots", ())]


# -- interruptions -------------------------------------------------------------------------------


def _interrupted(settings: Settings, middle: _Middle, cause: str, outage: float) -> Interruption:
    """Hold the job in the middle, go on after `outage` s, and see what that takes."""
    emulator, _ = _made(settings, lambda share: None)
    controller, plant = _controller(emulator), cast("Any", emulator.plant)
    emulator.reinstate(middle.state)
    notes = Notes(emulator)
    layer = int(controller.job.layer)
    notes.layers = [0.0] * layer
    meter = plant.meter
    _until(emulator, notes, lambda: controller.state is not MachineState.BUILDING, 1.0)
    began, energy, gas = emulator.time, meter.energy, meter.gas
    if cause == "hold":
        _do(emulator, notes, Act(ActKind.CALL, "Job.Pause", [_JOB]))
        _until(emulator, notes, lambda: False, outage)
    else:
        _do(emulator, notes, Act(ActKind.FAULT, "Safety.PowerLoss", True))
        _until(emulator, notes, lambda: False, outage - 10.0)
        _do(emulator, notes, Act(ActKind.FAULT, "Safety.PowerLoss", False))
        _until(emulator, notes, lambda: False, 10.0)
    lasted = emulator.time - began
    found = Interruption(cause, lasted, (meter.energy - energy) / lasted,
                         (meter.gas - gas) / lasted, resumes=False)
    refusal = _resumed(emulator, notes)
    if refusal:
        return replace(found, reason=refusal)
    order, energy, gas = emulator.time, meter.energy, meter.gas
    _until(emulator, notes, lambda: controller.state in _BACK or controller.state not in _WAY,
           _WAY_BACK)
    if controller.state not in _BACK:
        return replace(found, reason=controller.machine.reason or f"not beyond {controller.phase} "
                       f"in {_WAY_BACK / 3600:g} h")
    prepared = emulator.time - order
    phases = tuple((name, max(t - order, 0.0)) for t, name, state in notes.stages
                   if state == MachineState.PREPARING)
    if len(middle.ends) == 1:
        # One charge is the whole job: its end tells little of what the way back took.
        return replace(found, resumes=True, phases=phases, prepared=prepared, duration=prepared,
                       energy=meter.energy - energy, gas_volume=meter.gas - gas)
    # What was lost meanwhile, such as heat, may cost time in the layer too.
    times, *columns = middle.meters.T
    undisturbed = float(middle.ends[layer])
    left = undisturbed - began
    _until(emulator, notes, lambda: controller.job.layer > layer
           or controller.state is not MachineState.BUILDING, left + _WAY_BACK)
    if controller.job.layer <= layer:
        return replace(found, reason=controller.machine.reason or "the layer was not finished")
    spent = [float(np.interp(undisturbed, times, c) - np.interp(began, times, c))
             for c in columns[:2]]
    delay = max(emulator.time - order - left, prepared)
    return replace(found, resumes=True, phases=phases, prepared=prepared, duration=delay,
                   energy=max(meter.energy - energy - spent[0], 0.0),
                   gas_volume=max(meter.gas - gas - spent[1], 0.0))


def _resumed(emulator: Emulator, notes: Notes) -> str:
    """Order the job to go on until it is not refused; why it never did, or ""."""
    controller = _controller(emulator)
    wait, times = _PATIENCE
    refusal = ""
    for _ in range(times):
        if controller.state not in (MachineState.HELD, MachineState.SUSPENDED):
            return str(controller.machine.reason or controller.state.name.lower())
        notes.stages.clear()
        try:
            _do(emulator, notes, Act(ActKind.CALL, "Job.Resume", [_JOB]))
        except Refused as error:
            refusal = str(error)
            _until(emulator, notes, lambda: False, wait)
        else:
            return ""
    return refusal


def rehearse(settings: Settings, progress: Progress = lambda share: None) -> JobSummary:
    """Do the job of a machine once, undisturbed, and once more from its middle for each `_HOLDS`.

    `progress` is told the share that is done. Raises `SummaryError` if the machine does not get
    to the end of the job, and what `catalog.build` raises.
    """
    summary, middle = _run(settings, progress)
    if middle is None:
        return summary
    found: list[Interruption] = []
    for number, (cause, outage) in enumerate(_HOLDS, 1):
        # What one loss of power ended a longer one ends as well.
        if all(i.resumes for i in found if i.cause == cause):
            found.append(_interrupted(settings, middle, cause, outage))
        progress(0.9 + 0.1 * number / len(_HOLDS))
    return replace(summary, interruptions=tuple(found))

"""Real and coarse machines side by side: the same job, what it took and what was told of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import groupby
from math import inf
from pathlib import Path
from typing import Any

from emulators.catalog import Settings, build
from emulators.controllers.states import MachineState
from emulators.emulator import Emulator
from emulators.lots import load_lot
from emulators.works.coarse import coarse_member
from emulators.works.rehearsal import Notes
from emulators.works.summaries import summarise
from plc_interfaces.host import Act, ActKind
from tests.machines import trial
from twin.powder.operations import Operation
from twin.works.summary import JobSummary

JOB = "J1"
BASE_ALARMS = ("Alarms.SafetyChain", "Alarms.PowerLoss", "Alarms.StartBlocked")
"""The alarms that a coarse machine has."""


def quick(kind: str, folder: Path, layers: int = 4) -> Settings:
    """A job of a few simulated minutes."""
    settings = trial(kind).settings(folder, layers)
    return replace(settings, fidelity="layer") if kind.startswith("pbf") else settings


@dataclass
class Runner:
    """An emulator that is stepped, with notes of what it told."""

    emulator: Emulator
    program: str
    notes: Notes = field(init=False)
    operations: list[Operation] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.emulator.pacer.set_factor(inf)
        self.emulator.followers.append(self.operations.append)
        period = self.emulator.hash_period
        self.notes = Notes(self.emulator)
        self.emulator.hash_period = period

    @property
    def controller(self) -> Any:
        return self.emulator.controller

    @property
    def state(self) -> MachineState:
        return MachineState(self.controller.state)

    @property
    def meter(self) -> Any:
        return self.emulator.plant.meter

    def step(self) -> None:
        self.emulator.scan(self.emulator.next_scan)
        self.notes.look()

    def act(self, kind: ActKind, path: str, value: Any) -> Any:
        future = self.emulator.submit(Act(kind, path, value))
        self.emulator.next_scan = self.emulator.scan_number + 1
        self.step()
        return future.result(0)

    def call(self, path: str, *arguments: Any) -> Any:
        return self.act(ActKind.CALL, path, list(arguments))

    def order(self) -> Runner:
        self.call("Job.StoreAndStart", JOB, self.program)
        return self

    def until(self, done: Callable[[], bool], limit: float = 1e6) -> Runner:
        end = self.emulator.time + limit
        while not done():
            assert self.emulator.time < end, f"{self.state.name}, {self.controller.phase}"
            self.step()
        return self

    def to_layer(self, number: int) -> Runner:
        """Run, looking often, until so many layers are done and the next one is in work."""
        building = MachineState.BUILDING

        def there() -> bool:
            return self.state is building and int(self.controller.job.layer) >= number

        end = self.emulator.time + 1e5
        while not there():
            assert self.emulator.time < end, self.state.name
            assert not self.controller.over, "the job ended before"
            self.rest(0.2)
        return self

    def rest(self, seconds: float) -> Runner:
        """Let simulated time pass, to the scan."""
        emulator = self.emulator
        last = emulator.scan_number + round(seconds / emulator.scan_period)
        while emulator.scan_number < last:
            emulator.next_scan = min(emulator.next_scan, last)
            self.step()
        return self

    def finish(self) -> Runner:
        return self.until(lambda: bool(self.controller.over))

    # -- what was told

    @property
    def duration(self) -> float:
        """From the first phase to the end of the job, s."""
        return self.notes.stages[-1][0] - self.notes.stages[0][0]

    def phases(self) -> list[str]:
        """Phases outside the layers in their order; a run of layers is one ``layers``."""
        inner = self.controller.LAYERS
        names = ["layers" if name in inner else name for _, name, _ in self.notes.stages]
        return [name for name, _ in groupby(names)]

    def counts(self, table: str = "defects") -> dict[int, int]:
        """Numbers by kind."""
        found: dict[int, int] = {}
        for (_, kind), number in self.notes.counts[table].items():
            found[kind] = found.get(kind, 0) + number
        return found

    def raised(self) -> list[str]:
        """Alarms that a coarse machine has, too, in their order."""
        return [path for _, path in self.notes.alarms if path in BASE_ALARMS]


def real(settings: Settings, order: bool = True) -> Runner:
    """The catalogue's machine, its job ordered."""
    built = build(settings)
    made = Runner(built.emulator, built.programs[0])
    return made.order() if order else made


def coarse(summary: JobSummary, *, lots: tuple[str, ...] = (), order: bool = True,
           **more: Any) -> Runner:
    """A machine that repeats a summary, its job ordered."""
    emulator = coarse_member(summary.machine, "X-01", {"part": summary}, **more)
    if lots:
        emulator.plant.supply([load_lot(name) for name in lots])
    made = Runner(emulator, "part")
    return made.order() if order else made


def summary_of(kind: str, folder: Path, **changes: Any) -> JobSummary:
    """The summary of a quick job, kept in the user's folder of this test run."""
    return summarise(replace(quick(kind, folder), **changes))

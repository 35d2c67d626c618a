"""A machine on a bench, run in the test's own thread; a PBF-LB one with a small quick part."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Self

import trimesh

from emulators.controllers.build import Program
from emulators.controllers.pbf_lb import PbfLbController
from emulators.controllers.states import MachineState
from emulators.emulator import Emulator
from emulators.programs import build_program
from emulators.recipes import recipe_for
from plc_interfaces.host import Act, ActKind, AlarmStatus, Event, Identity, Update
from twin.image import Readings
from twin.machines.pbf_lb import PbfLb
from twin.parts import Part
from twin.parts.geometry import part_from_mesh
from twin.powder.operations import Operation

QUICK = {
    "atmosphere.purge_flow": 0.4 / 60,
    "atmosphere.oxygen_limit": 5e-3,
    "temperature.preheat": 303.15,
    "temperature.unpack": 363.15,
    "recoating.speed": 0.25,
}
"""Recipe changes that make everything but the layers short."""


def block(size: Sequence[float] = (4e-3, 4e-3, 2.4e-4), name: str = "block") -> Part:
    """A block, m."""
    return part_from_mesh(trimesh.creation.box(extents=size), name, name)


def dotted(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Changes of a recipe, named with __ for a dot as keywords can be."""
    return {path.replace("__", "."): value for path, value in changes.items()}


def program(
    parts: Sequence[Part] = (),
    alloy: str = "IN718",
    lasers: int = 1,
    positions: Sequence[tuple[float, float, float]] | None = None,
    **changes: Any,
) -> Program:
    """A quick program of `parts` (a block of six layers); `changes` use __ for a dot."""
    recipe = recipe_for(alloy).changed({**QUICK, **dotted(changes)})
    return build_program(parts or [block()], recipe, lasers, positions=positions)


class MachineBench:
    """One machine, its events, alarms and operations so far, and the usual things done to it."""

    def __init__(self, kind: str, plant: Any, control: Callable[..., Any], built: Program, *,
                 seed: int = 1, every_scan: bool = False, name: str = "") -> None:
        self.name = built.job.name
        self.plant = plant
        plant.name = name = name or f"{kind.upper()}-01"
        self.operations: list[Operation] = []
        record = plant.record_operation

        def keep(operation: Operation) -> None:
            self.operations.append(operation)
            record(operation)

        plant.record_operation = keep
        readings = Readings(plant, seed)
        self.controller = control(plant, readings, {self.name: built})
        self.emulator = Emulator(
            plant, self.controller, Identity(name, kind, "", "M", "1"), speed=float("inf"),
            readings=readings, every_scan=every_scan)
        self.events: list[Event] = []
        self.alarms: list[AlarmStatus] = []
        self._raised: dict[str, None] = {}
        self.traces: dict[str, list[tuple[float, float]]] = {}
        self.emulator.listen(self._update)

    def _update(self, update: Update) -> None:
        self.events += update.events
        self.alarms += update.alarms

    @property
    def time(self) -> float:
        return self.emulator.time

    @property
    def state(self) -> MachineState:
        return self.controller.state

    @property
    def layer(self) -> int:
        return int(self.controller.job.layer)

    def read(self, path: str) -> Any:
        """The newest value of a signal, engineering unit."""
        self.publish()
        return self.emulator.frame().values[self.emulator.table.index[path]]

    def publish(self) -> None:
        """Tell listeners of everything up to the present scan."""
        self.emulator.run_to(self.emulator.scan_number)

    def watch(self, *paths: str) -> None:
        """Keep every later reading of measured signals."""
        self.traces.update({path: [] for path in paths})

    def step(self) -> None:
        """One scan, the next that is due."""
        emulator = self.emulator
        emulator.scan(emulator.next_scan)
        # Clients are told of what changed now and then: an alarm may have come and gone by then.
        self._raised |= {path: None for path, alarm in self.controller.alarms.items()
                         if alarm.raised_at == self.time}
        for path, trace in self.traces.items():
            readings = emulator.readings
            trace.append((self.time, float(readings.values[readings.index[path]])))

    def until(self, done: Callable[[], bool], limit: float = 20_000.0) -> Self:
        """Scan until something is so; fails after `limit` simulated s."""
        end = self.time + limit
        while not done():
            assert self.time < end, f"not so after {limit} s: {self.state.name} {self.where()}"
            self.step()
        self.publish()
        return self

    def where(self) -> str:
        """For messages: phase, layer, active alarms."""
        active = [p for p, a in self.controller.alarms.items() if a.active]
        return f"{self.controller.phase}, layer {self.layer}, {active}"

    def rest(self, seconds: float) -> Self:
        """Let simulated time pass, to the scan."""
        emulator = self.emulator
        last = emulator.scan_number + round(seconds / emulator.scan_period)
        while emulator.scan_number < last:
            emulator.next_scan = min(emulator.next_scan, last)
            self.step()
        self.publish()
        return self

    @contextmanager
    def closely(self) -> Iterator[Self]:
        """Look at every scan meanwhile."""
        emulator = self.emulator
        emulator.every_scan, emulator.next_scan = True, emulator.scan_number + 1
        yield self
        emulator.every_scan = False

    def act(self, kind: ActKind, path: str, value: Any = None) -> Any:
        """Do something at the next scan; its answer, or `Refused`."""
        emulator = self.emulator
        future = emulator.submit(Act(kind, path, value))
        emulator.next_scan = emulator.scan_number + 1
        self.step()
        self.publish()
        return future.result(0)

    def call(self, path: str, *arguments: Any) -> Any:
        return self.act(ActKind.CALL, path, list(arguments))

    def job(self, command: str) -> Any:
        """A command to the job in work."""
        return self.call(f"Job.{command}", "J1")

    def write(self, path: str, value: Any) -> Any:
        return self.act(ActKind.WRITE, path, value)

    def fault(self, path: str, value: Any) -> Any:
        return self.act(ActKind.FAULT, path, value)

    def sensor_fault(self, path: str, kind: str | None, magnitude: float = 0.0) -> Any:
        value = None if kind is None else {"kind": kind, "magnitude": magnitude}
        return self.act(ActKind.SENSOR_FAULT, path, value)

    def start(self) -> Self:
        self.call("Job.StoreAndStart", "J1", self.name)
        return self

    def to(self, phase: str, layer: int = 0, limit: float = 20_000.0) -> Self:
        """Run to a phase, with so many layers finished."""
        return self.until(
            lambda: self.controller.phase == phase and self.layer >= layer, limit
        )

    def to_state(self, state: MachineState, limit: float = 20_000.0) -> Self:
        return self.until(lambda: self.state is state, limit)

    def finish(self, limit: float = 20_000.0) -> Self:
        return self.to_state(MachineState.FINISHED, limit)

    def layers(self) -> list[dict[str, Any]]:
        """What became of each layer exposed so far."""
        return [dict(e.fields) for e in self.events if e.kind == "layer"]

    def raised(self) -> list[str]:
        """Names of the alarms that came, in order."""
        return [path.removeprefix("Alarms.") for path in self._raised]

    def departs(self, path: str, share: float = 0.1, floor: float = 0.0) -> float:
        """When a watched reading first left its first value by a share of it (or `floor`), s."""
        trace = self.traces[path]
        first = trace[0][1]
        reach = max(abs(first) * share, floor)
        return next((t for t, value in trace if abs(value - first) > reach), float("inf"))

    def ordered(self, *paths: str, share: float = 0.1, floor: float = 0.0) -> None:
        """Assert that watched readings left their first values in this order."""
        times = [self.departs(path, share, floor) for path in paths]
        assert times == sorted(times), dict(zip(paths, times, strict=True))
        assert times[-1] < float("inf"), dict(zip(paths, times, strict=True))


class Bench(MachineBench):
    """A PBF-LB machine."""

    plant: PbfLb
    controller: PbfLbController

    def __init__(
        self,
        built: Program | None = None,
        *,
        seed: int = 1,
        every_scan: bool = False,
        lasers: int = 1,
        blade: str = "hard",
    ) -> None:
        built = built or program(lasers=lasers)
        plant = PbfLb(seed, lasers, blade, built.recipe.wavelength)
        super().__init__("pbf-lb", plant, PbfLbController, built, seed=seed,
                         every_scan=every_scan)

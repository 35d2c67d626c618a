"""The base of every plant: one SimPy environment, seeded streams, events, snapshots."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Generator, Iterable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import simpy
from simpy.events import NORMAL

from twin.signals import Component, Kind, SignalTable, Value

if TYPE_CHECKING:
    from twin.powder.lot import PowderLot
    from twin.powder.operations import Item, Operation

__all__ = ["AMBIENT", "Clockwork", "Equipment", "Meter", "Plant", "PlantEvent"]


@dataclass(frozen=True, slots=True)
class PlantEvent:
    """Something that happened in the plant, with its own time, whatever the scan."""

    time: float
    source: str
    kind: str
    """process, interlock, fault or defect."""
    message: str
    fields: dict[str, Any] = field(default_factory=dict)


AMBIENT = 293.15
"""Temperature of the hall, K, default."""


class Clockwork(simpy.Environment):
    """An environment that is moved to exact times.

    ``run(until=t)`` adds a difference to the time and leaves an event behind, so that the last bit
    would depend on how often one looks.
    """

    def at(self, time: float) -> simpy.Event:
        """An event at exactly `time` (s), or now if that is over.

        ``timeout`` adds a delay to the present time, whose last bit depends on when one asks.
        """
        event = self.event()
        event._ok, event._value = True, None
        heappush(self._queue, (max(time, self._now), NORMAL, next(self._eid), event))
        return event

    def advance(self, until: float) -> None:
        """Process all events before `until` (s) and let it be that time."""
        while self.peek() < until:
            self.step()
        self._now = max(self._now, until)

    @property
    def due(self) -> float:
        """The time (s) of the next event; infinity if there is none."""
        return float(self.peek())


class Share(Clockwork):
    """One plant's share of an environment that several plants live in.

    Time and events are the whole's; the share knows which of the events are its plant's own, so
    that a machine need not be looked at whenever something happens in another one.
    """

    def __init__(self, whole: Clockwork) -> None:
        super().__init__(initial_time=whole.now)
        self.whole = whole
        self._queue, self._eid = whole._queue, whole._eid  # one queue, one order of events
        self._own: list[float] = []

    @property
    def now(self) -> float:
        return self.whole._now

    def schedule(self, event: simpy.Event, priority: Any = NORMAL, delay: float = 0) -> None:
        time = self.whole._now + delay
        heappush(self._queue, (time, priority, next(self._eid), event))
        heappush(self._own, time)

    def at(self, time: float) -> simpy.Event:
        event = self.event()
        event._ok, event._value = True, None
        time = max(time, self.whole._now)
        heappush(self._queue, (time, NORMAL, next(self._eid), event))
        heappush(self._own, time)
        return event

    def step(self) -> None:
        self.whole.step()

    def advance(self, until: float) -> None:
        self.whole.advance(until)

    @property
    def due(self) -> float:
        while self._own and self._own[0] < self.whole._now:
            heappop(self._own)
        return self._own[0] if self._own else float("inf")


class Meter(Protocol):
    """What counts a machine's consumption."""

    def draws(self, consumer: str, power: float) -> None:
        """A consumer takes so much electrical power (W) from now on."""
        ...

    def flows(self, consumer: str, rate: float) -> None:
        """A consumer takes so much gas (m3/s at ambient) from now on."""
        ...

    def used(self, mass: float) -> None:
        """So much feedstock (kg) has left the supply."""
        ...

    def built(self, volume: float) -> None:
        """So much of the part (m3) has been made."""
        ...


class Equipment(Component):
    """A component of a plant; it reaches the plant's clock, streams, log and meters."""

    plant: Plant
    path: str = ""

    @property
    def now(self) -> float:
        """Simulated time, s."""
        return float(self.plant.env.now)

    def log(self, kind: str, message: str, **fields: Any) -> None:
        """Tell what happened."""
        self.plant.happened.append(PlantEvent(self.now, self.path, kind, message, fields))

    def draw(self, power: float) -> None:
        """Take electrical power (W) from now on."""
        if self.plant.meter is not None:
            self.plant.meter.draws(self.path, power)

    def take_gas(self, rate: float) -> None:
        """Take gas from the supply (m3/s at ambient) from now on."""
        if self.plant.meter is not None:
            self.plant.meter.flows(self.path, rate)

    def take_feedstock(self, mass: float) -> None:
        """Take feedstock (kg) out of the supply."""
        if self.plant.meter is not None:
            self.plant.meter.used(mass)

    def started(self) -> None:
        """Called when the plant is assembled and again after a restore: arm timed events here."""

    def tripped(self, power_lost: bool) -> None:
        """Called the moment the hard-wired safety chain opens, whether or not power is lost."""


class Plant(Component):
    """A machine's hardware: a tree of equipment in one simulated time."""

    meter: Meter | None = None

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.seed = seed
        self.env = Clockwork()
        self.happened: list[PlantEvent] = []
        self.stirred = False
        """Whether an actuator or a fault was set since the last scan."""
        self.name = ""
        """What the machine is called; lots that it makes are named after it."""
        self._operations: list[Operation] = []
        self._ids = 0

    def assemble(self) -> None:
        """Connect the finished tree; call once at the end of a machine's constructor."""
        self.table = SignalTable(self)
        for path, component in self.walk():
            if isinstance(component, Equipment):
                component.plant = self
                component.path = path
        self._start()

    def _start(self) -> None:
        for _, component in self.walk():
            if isinstance(component, Equipment):
                component.started()

    def run(self, process: Generator[Any, Any, Any]) -> simpy.Process:
        """Start a process in this plant."""
        return self.env.process(process)

    def advance(self, until: float) -> None:
        """Let everything before `until` (s) happen."""
        self.env.advance(until)

    def next_event(self) -> float:
        """The time of the next event (s); infinity if none is due."""
        return self.env.due

    def join(self, whole: Clockwork) -> None:
        """Live in an environment with other plants from now on; before anything has happened."""
        self.env = Share(whole)
        self._start()

    def stream(self, name: str, number: int = 0) -> np.random.Generator:
        """A random stream of its own for a purpose and, say, a layer."""
        digest = hashlib.blake2b(f"{self.seed}/{name}/{number}".encode(), digest_size=16).digest()
        return np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little")))

    def drive(self, path: str, value: Value) -> bool:
        """Set an actuator or a fault (SI); True if that changed it."""
        signal = self.table[path]
        if signal.kind not in (Kind.ACTUATOR, Kind.FAULT):
            raise KeyError(f"{path} is neither actuator nor fault")
        owner = self.table.owners[path]
        if getattr(owner, signal.attribute) == value:
            return False
        setattr(owner, signal.attribute, value)
        self.stirred = True
        owner.driven(signal.attribute)
        return True

    @property
    def energised(self) -> bool:
        """Whether the hard-wired chain, if there is one, lets beams and drives work."""
        chain: Any = self.children.get("Safety")
        return chain is None or bool(chain.chain_closed)

    @property
    def layers_done(self) -> int:
        """Layers finished in the present job; 0 for a machine that builds nothing."""
        return 0

    def take_tables(self, vectors: bool) -> list[tuple[str, dict[str, np.ndarray[Any, Any]]]]:
        """What finished layers left for the record since the last call: tables with their columns.

        Tables are ``defects`` (true state), ``indications`` (what monitoring reported) and, asked
        for with `vectors`, ``vectors``; columns have one length, SI units.
        """
        return []

    def supply(self, lots: Sequence[PowderLot]) -> None:
        """Powder is put at the machine for its next job.

        Raises `ValueError` if the machine takes none, or not this.
        """
        raise ValueError(f"{self.name or type(self).__name__} takes no powder lots, given "
                         + ", ".join(lot.id for lot in lots))

    def hindrance(self, job: Any) -> str:  # noqa: ARG002, RUF100
        """Why a job cannot begin with what is at the machine; empty if it can."""
        return ""

    def recall(self, ids: Collection[str]) -> list[PowderLot | Item]:  # noqa: ARG002, RUF100
        """Take away again what was supplied and still waits for a job."""
        return []

    def unload(self) -> None:
        """A job has ended, well or not: what was made of the material is told as operations."""

    def new_id(self, kind: str = "") -> str:
        """An identifier of its own for a lot, a rod, a part that the machine makes."""
        self._ids += 1
        return "-".join(part for part in (self.name, kind, f"{self._ids:04d}") if part)

    def number_after(self, identities: Iterable[str]) -> None:
        """Let nothing that is made here be called like something that was brought.

        Ids that this machine gave in an earlier run may come back to it with what they name.
        """
        for identity in identities:
            head, _, number = identity.rpartition("-")
            if number.isdecimal() and (head == self.name or head.startswith(f"{self.name}-")):
                self._ids = max(self._ids, int(number))

    def record_operation(self, operation: Operation) -> None:
        """Material has changed: tell those who follow it."""
        self._operations.append(operation)

    def take_operations(self) -> list[Operation]:
        """What has been done to material since the last call."""
        taken, self._operations = self._operations, []
        return taken

    def forget_job(self) -> None:
        """Let go of a job's material untold: its state is about to be put back."""

    @property
    def quiet(self) -> bool:
        """Whether no process is under way, so that a snapshot holds all there is."""
        return True

    def trip(self, power_lost: bool) -> None:
        """Tell all equipment that the safety chain opened."""
        for _, component in self.walk():
            if isinstance(component, Equipment):
                component.tripped(power_lost)

    def snapshot(self) -> dict[str, Any]:
        """The state of the whole plant as plain data; only when `quiet`."""
        return {
            "time": float(self.env.now),
            "ids": self._ids,
            "components": {path: component.keep() for path, component in self.walk()},
        }

    def reinstate(self, snapshot: dict[str, Any]) -> None:
        """Take back what `snapshot` gave."""
        self.env = Clockwork(initial_time=snapshot["time"])
        self._ids = snapshot["ids"]
        for path, component in self.walk():
            component.restore(snapshot["components"][path])
        self._start()

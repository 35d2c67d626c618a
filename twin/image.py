"""The process image: what sensors read at a scan, on its way from plant to controller and wire."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from math import inf
from typing import Any, Protocol

import numpy as np

from twin.faults import SensorFault, SensorFaultKind
from twin.signals import Component, Kind, SignalTable, Value

__all__ = [
    "NOISE_BOUND",
    "Device",
    "Frame",
    "Quality",
    "Readings",
    "Sample",
    "Subscription",
]

NOISE_BOUND = 12.0**0.5
"""No draw of the counter-based noise is farther from 0 than this many standard deviations."""


class Quality(IntEnum):
    """Trust in a value; OPC UA StatusCodes and Modbus status words follow from it."""

    GOOD = 0
    UNCERTAIN = 1
    BAD = 2


@dataclass(frozen=True, slots=True)
class Sample:
    """One value as a client sees it: engineering unit, quality, source time (POSIX s)."""

    value: Value
    quality: Quality
    stamp: float


@dataclass(frozen=True, slots=True)
class Frame:
    """All values of a machine after one scan, in the order of its signal table."""

    scan: int
    time: float
    """Simulated time, s."""
    stamp: float
    """Source time, POSIX s."""
    values: Sequence[Value]
    quality: Sequence[int]


class Subscription(Protocol):
    """A running subscription."""

    async def close(self) -> None:
        """End it."""
        ...


class Device(Protocol):
    """A machine's controller seen through its signal paths, emulated or physical."""

    @property
    def table(self) -> SignalTable:
        """The machine's signals."""
        ...

    async def read(self, path: str) -> Sample:
        """The present value of a signal."""
        ...

    async def write(self, path: str, value: Value) -> None:
        """Write a signal; `Refused` if it is not accepted."""
        ...

    async def call(self, path: str, *arguments: Value) -> str:
        """Call a command; its answer, or `Refused`."""
        ...

    async def subscribe(
        self, paths: Sequence[str], callback: Callable[[str, Sample], None], period: float = 0.1
    ) -> Subscription:
        """Call back with the first value and every later change, at most once per `period` s."""
        ...

    async def close(self) -> None:
        """Let the connection go."""
        ...


_GOLDEN = 0x9E3779B97F4A7C15
_MASK = 0xFFFFFFFFFFFFFFFF
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_LOW_16 = np.uint64(0xFFFF)


def noise_key(seed: int, path: str) -> int:
    """A 64-bit key for the noise stream of one signal in one run."""
    digest = hashlib.blake2b(f"{seed}/{path}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def gauss(keys: np.ndarray[Any, np.dtype[np.uint64]], scan: int) -> np.ndarray[Any, Any]:
    """Near-normal draws, mean 0, deviation 1, bounded, a pure function of key and scan.

    keys: (n,) uint64. SplitMix64's finaliser (Steele, Lea, Flood, 2014) of key and counter; the
    sum of its four 16-bit parts is an Irwin-Hall variable of order 4, scaled to deviation 1.
    """
    z = keys + np.uint64(scan * _GOLDEN & _MASK)
    z = (z ^ (z >> np.uint64(30))) * _MIX_1
    z = (z ^ (z >> np.uint64(27))) * _MIX_2
    z = z ^ (z >> np.uint64(31))
    total = (
        (z & _LOW_16)
        + ((z >> np.uint64(16)) & _LOW_16)
        + ((z >> np.uint64(32)) & _LOW_16)
        + (z >> np.uint64(48))
    )
    scaled: np.ndarray[Any, Any] = (total.astype(np.float64) / 65535.0 - 2.0) * 3.0**0.5
    return scaled


class Readings:
    """Turns a plant's true state into readings: noise, quantisation, sensor faults, range.

    Response lag and slow drift of a healthy sensor belong to the plant's closed forms.
    """

    def __init__(self, plant: Component, seed: int) -> None:
        self.table = SignalTable(plant)
        self.signals = self.table.of_kind(Kind.MEASURED)
        self.paths = [s.path for s in self.signals]
        self.index = {path: i for i, path in enumerate(self.paths)}
        self._components = [component for _, component in plant.walk()]
        self._sources = [(self.table.owners[s.path], s.attribute) for s in self.signals]
        self._analog = np.array(
            [i for i, s in enumerate(self.signals) if s.type is float], dtype=np.intp
        )
        analog = [self.signals[i] for i in self._analog]
        self._analog_sources = [self._sources[i] for i in self._analog]
        self._other = [i for i, s in enumerate(self.signals) if s.type is not float]
        self._keys = np.array([noise_key(seed, s.path) for s in analog], dtype=np.uint64)
        self._noise = np.array([s.noise for s in analog])
        self._quantum = np.array([s.quantum if s.quantum > 0 else 1.0 for s in analog])
        self._step = np.array([s.quantum > 0 for s in analog])
        self._factor = np.array([s.unit.factor for s in analog])
        self._offset = np.array([s.unit.offset for s in analog])
        self._low = np.array([-np.inf if s.low is None else s.low for s in analog])
        self._high = np.array([np.inf if s.high is None else s.high for s in analog])
        self._position = {self.paths[i]: j for j, i in enumerate(self._analog)}
        self.faults: dict[str, SensorFault] = {}
        self.forced: dict[str, Value] = {}
        self.values: list[Any] = [s.start for s in self.signals]
        self.quality: list[int] = [Quality.GOOD] * len(self.signals)

    def latch(self, scan: int, time: float) -> None:
        """Bring the plant's closed forms to `time` and take the readings of scan `scan`."""
        for component in self._components:
            if component.trajectories:
                component.sense(time)
        truth = np.array([getattr(c, a) for c, a in self._analog_sources])
        draws = gauss(self._keys, scan)
        reading = (truth - self._offset) / self._factor
        # At the end of its range, such as in the dark, a sensor shows just that.
        reading += self._noise * draws * (reading > self._low)
        for path, fault in self.faults.items():
            j = self._position.get(path)
            if j is not None:
                if fault.since >= time:
                    # What a sensor sticks at is its reading in the scan in which it sticks.
                    self.faults[path] = fault = replace(fault, held=float(reading[j]))
                # The draw of another scan number, so that added noise is not the sensor's own.
                extra = float(gauss(self._keys[j : j + 1], scan + (1 << 62))[0])
                reading[j] = fault.apply(float(reading[j]), extra, time)
        stepped = np.where(
            # The second rounding turns 12.030000000000001 into 12.03.
            self._step, np.round(np.round(reading / self._quantum) * self._quantum, 9), reading
        )
        clipped = np.minimum(np.maximum(stepped, self._low), self._high)
        values = self.values
        for i, value in zip(self._analog, clipped.tolist(), strict=True):
            values[i] = value
        for i in self._other:
            component, attribute = self._sources[i]
            values[i] = getattr(component, attribute)
        if self.faults or self.forced:
            self._disturb(time)

    def _disturb(self, time: float) -> None:
        for path, fault in self.faults.items():
            i = self.index[path]
            if path not in self._position and fault.kind is SensorFaultKind.STUCK:
                # Of bools and integers no other fault is known.
                if fault.since >= time:
                    self.faults[path] = fault = replace(fault, held=float(self.values[i]))
                self.values[i] = self.signals[i].type(fault.held)
            self.quality[i] = (
                Quality.BAD if fault.kind is SensorFaultKind.DROPOUT else Quality.GOOD
            )
        for path, value in self.forced.items():
            self.values[self.index[path]] = value

    def set_fault(self, path: str, fault: SensorFault | None) -> None:
        """Begin or end a sensor fault; `KeyError` if the path is no measured signal."""
        i = self.index[path]
        if fault is None:
            self.faults.pop(path, None)
            self.quality[i] = Quality.GOOD
        else:
            self.faults[path] = fault

    def span(self, path: str, start: float, end: float, scale: float = 1.0) -> tuple[float, float]:
        """Bounds of a reading within [start, end] (engineering unit) if no event comes between."""
        i = self.index[path]
        signal = self.signals[i]
        if path in self.forced:
            value = float(self.forced[path])  # type: ignore[arg-type]
            return value, value
        component, attribute = self._sources[i]
        low, high = component.span(attribute, start, end)
        low, high = signal.from_si(low), signal.from_si(high)
        fault = self.faults.get(path)
        reach = signal.noise * NOISE_BOUND + signal.quantum
        if fault is not None:
            if fault.kind is SensorFaultKind.NOISE:
                reach += abs(fault.magnitude) * NOISE_BOUND
            else:
                bounds = [fault.apply(v, 0.0, t) for v in (low, high) for t in (start, end)]
                low, high = min(bounds), max(bounds)
                if fault.kind is SensorFaultKind.SCALE:
                    reach *= max(1.0, abs(fault.magnitude))
        low, high = low - reach * scale, high + reach * scale
        if signal.type is float:
            floor = -inf if signal.low is None else signal.low
            ceiling = inf if signal.high is None else signal.high
            low, high = min(max(low, floor), ceiling), min(max(high, floor), ceiling)
        return low, high

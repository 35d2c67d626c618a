"""Print head for binder: nozzles and their health, drops, swaths over a layer, maintenance."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
import simpy

from twin.machine import AMBIENT, Equipment
from twin.materials import Alloy
from twin.parts.layers import BuildPlan
from twin.parts.raster import Grid, raster
from twin.physics.binder import Binder
from twin.signals import actuator, fault, measured
from twin.trajectory import Polyline, Relaxation

__all__ = ["JetJob", "PrintHead", "PrintedLayer", "wicked"]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.intp]


@dataclass(frozen=True)
class JetJob:
    """What is loaded into a binder-jet machine: layers of the enlarged parts, and their marks."""

    name: str
    plan: BuildPlan
    alloy: Alloy
    nominal: tuple[tuple[float, float, float], ...]
    """Size (m) that each part shall have after sintering."""
    scale: tuple[float, float, float]
    """By what each part was enlarged for the shrinkage to come."""
    packing: float
    """Relative density of the spread bed with the recipe's powder and roller."""
    grain: float
    """Surface-mean particle diameter, m."""
    dot: tuple[float, float]
    """Spacing of drops across and along the print direction, m."""
    frequency: float
    """Firing frequency, Hz."""
    binder: Binder = field(default_factory=Binder)
    dosing: float = 1.0
    """Powder dosed per powder needed, which a lot must be enough for."""
    walls: tuple[float, ...] = ()
    """Typical wall thickness (m) of each part as printed."""
    spans: tuple[tuple[float, float], ...] = ()
    """Longest unsupported span of each part as printed, and the height of material over it, m."""

    @property
    def layers(self) -> int:
        """How many layers there are."""
        return len(self.plan)


@dataclass(slots=True)
class PrintedLayer:
    """What the head put on a layer; columns are those of the mask."""

    index: int
    first: int
    """Column of the plate that the mask begins with."""
    low: int
    """Row of the plate that the mask begins with."""
    mask: Bools
    """Dots asked for (columns, rows)."""
    dose: Floats
    """Liquid per dot over the demand, by column, before it spreads."""
    silent: Bools
    """Columns whose nozzle did not fire."""
    demand: float
    """Drop asked for, m3."""
    duration: float


def wicked(dose: Floats) -> Floats:
    """Liquid by column after the neighbours have shared theirs: a quarter goes to either side.

    A single silent nozzle leaves half, a doubled neighbour fills it up again; default.
    """
    padded = np.concatenate([[dose[0]], dose, [dose[-1]]]) if len(dose) else np.zeros(2)
    spread: Floats = 0.25 * padded[:-2] + 0.5 * padded[1:-1] + 0.25 * padded[2:]
    return spread


class PrintHead(Equipment):
    """A scanning head of one row of nozzles, as wide as a swath.

    Nozzle n of the head prints column n of each swath. A clogged nozzle is silent; its column gets
    what wicks in from its neighbours. With `remap` the neighbours give half as much again, and
    the head is shifted from layer to layer, so that faults do not lie upon one another.
    """

    NOZZLES = 1024
    SPEED_TRAVEL = 0.5  # m/s from the park position to the first swath, default
    TURN = 0.35  # s between swaths, default
    MARGIN = 0.02  # m of run-up at either end of a swath, default
    PARK = 0.30  # m from the park position to the middle of the bed, default
    SCATTER = 0.015  # deviation of drop volume from nozzle to nozzle, default
    SHIFT = 7  # nozzles by which a remapped head moves from layer to layer, default
    WATCH = 1.5  # s of a look at all drops, default
    PURGE = (8.0, 0.3)  # s, and how much of a clog's hardness it takes, default
    WIPE = (4.0, 0.15)  # the same of a wipe, default
    SPENT = 0.004  # share of the binder supply that a purge takes, default
    SUPPLY = 5e-3  # m3 of binder, default
    WARMING = 90.0  # s, default
    MENISCUS = -1000.0  # Pa that holds the ink in the nozzles, default
    BY_PRESSURE = 1.5e-4  # share of drop volume per Pa, default
    BY_TEMPERATURE = 0.008  # share of drop volume per K (viscosity), default
    VELOCITY = 7.0  # m/s of a drop as asked, default; 1 to 10 m/s in the literature
    DRYING_OUT = 2e-6  # clogs per nozzle and layer, default
    HEATER = 60.0  # W, default
    DRIVE = 300.0  # W while printing, default

    temperature = measured("degC", low=0, high=100, start=20, noise=0.05, quantum=0.1,
                           companion="Monitoring/Process/HeadTemperature",
                           doc="binder temperature in the print head")
    pressure = measured("mbar", low=-100, high=100, start=-10, noise=0.02, quantum=0.01,
                        companion="Monitoring/Health/MeniscusPressure",
                        doc="meniscus pressure behind the nozzles")
    position = measured("mm", low=0, high=1000, quantum=0.1, doc="head position along the swath")
    ready = measured(bool, start=True, doc="head parked, no maintenance under way")
    layer_done = measured(int, low=0, high=1_000_000, doc="layer whose printing is complete")
    swath = measured(int, low=0, high=1000, doc="swath of the layer in work, 0 = none")
    missing_nozzles = measured(int, low=0, high=10_000,
                               companion="Monitoring/Health/MissingNozzles",
                               doc="nozzles without a drop at the last look of the drop watcher")
    drop_volume = measured("pL", low=0, high=500, noise=0.1, quantum=0.1,
                           companion="Monitoring/Process/DropVolume",
                           doc="mean drop volume at the last look of the drop watcher")
    drop_velocity = measured("m/s", low=0, high=20, noise=0.02, quantum=0.01,
                             doc="mean drop velocity at the last look of the drop watcher")
    binder_level = measured("%", low=0, high=100, start=100, noise=0.05, quantum=0.1,
                            companion="Monitoring/Health/BinderLevel", doc="binder supply level")
    drop_demand = actuator("pL", low=1, high=300, start=60, doc="drop volume asked of the waveform")
    temperature_demand = actuator("degC", low=20, high=60, start=20,
                                  doc="setpoint of the head heater's controller; 20 or less = off")
    layer = actuator(int, low=0, high=1_000_000, doc="layer to print")
    run = actuator(bool, doc="print; falling stops after the swath in work")
    remap = actuator(bool, doc="neighbours make up for silent nozzles, layers are shifted")
    watch = actuator(bool, edge=True, doc="look at all drops (rising edge)")
    purge = actuator(bool, edge=True, doc="press binder through all nozzles (rising edge)")
    wipe = actuator(bool, edge=True, doc="wipe the nozzle plate (rising edge)")
    nozzle_clog = fault("%", low=0, high=100, doc="share of the nozzles that dry up when it is set")
    drop_drift = fault("%", low=-90, high=200, doc="error of every drop's volume")
    pressure_error = fault("mbar", low=-50, high=50, doc="error of the meniscus pressure")
    heater_failure = fault(bool, doc="the head heater gives no heat")

    def __init__(self, plate: tuple[float, float], fidelity: str,
                 printed: Callable[[PrintedLayer], None]) -> None:
        """`printed` gets each finished layer; `fidelity` is ``vector`` (per swath) or ``layer``."""
        super().__init__()
        self._plate = plate
        self._whole = fidelity == "layer"
        self._printed = printed
        self.job: JetJob | None = None
        self.gain: Floats = np.ones(self.NOZZLES)
        self.hardness: Floats = np.zeros(self.NOZZLES)
        """Of the plug in each nozzle, 0 = open, up to 1."""
        self._clogs = 0  # times that nozzles were told to clog
        self._work: simpy.Process | None = None
        self._next = 0  # swath of the layer that is printed next
        self._twice = 0.0  # share of it that an interruption has printed already
        self._began: int = 0  # layer that `_next` belongs to
        self._dose: Floats = np.zeros(0)
        self._silent: Bools = np.zeros(0, bool)
        self._time = 0.0
        self._cache: tuple[int, tuple[int, int, Bools]] | None = None

    # -- job and state ------------------------------------------------------------------------

    def load(self, job: JetJob | None) -> None:
        """Take a job; nozzles are as they were."""
        self.job = job
        self._cache = None
        self.layer_done = self.swath = self._next = self._began = 0
        self._twice = self._time = 0.0

    @property
    def grid(self) -> Grid:
        """Dots of the plate for the job loaded."""
        assert self.job is not None
        return Grid(*self.job.dot, *self._plate)

    @property
    def busy(self) -> bool:
        """Whether the head prints or is being looked after."""
        return self._work is not None and self._work.is_alive

    def started(self) -> None:
        if not self.trajectories:
            stream = self.plant.stream("nozzles")
            self.gain = 1.0 + self.SCATTER * stream.standard_normal(self.NOZZLES)
            self._anchor()

    def driven(self, attribute: str) -> None:
        match attribute:
            case "temperature_demand" | "heater_failure" | "pressure_error":
                self._anchor()
            case "nozzle_clog" if self.nozzle_clog > 0:
                self._dry_up(self.nozzle_clog)
            case "run" if self.run and self.job is not None and self.plant.energised:
                if not self.busy and self.layer_done != self.layer:
                    self._work = self.plant.run(self._print())
            case "watch" if self.watch:
                self._begin(self._look())
            case "purge" if self.purge:
                self._begin(self._clean("purge", *self.PURGE))
            case "wipe" if self.wipe:
                self._begin(self._clean("wipe", *self.WIPE))

    def _begin(self, work: Generator[Any, Any, None]) -> None:
        if self.busy or not self.plant.energised:
            return
        self.ready = False
        self._work = self.plant.run(work)

    def tripped(self, power_lost: bool) -> None:
        self.run = False
        self.temperature_demand = AMBIENT
        self._anchor()
        if self.busy:
            assert self._work is not None
            self._work.interrupt("safety chain")

    def _anchor(self) -> None:
        now = self.now
        self.sense(now)
        demand = AMBIENT if self.heater_failure else self.temperature_demand
        self.follow("temperature", Relaxation(now, self.temperature, demand, self.WARMING))
        self.follow("pressure", Relaxation(now, self.pressure,
                                           self.MENISCUS + self.pressure_error, 5.0))
        self.draw(self.HEATER * (demand > AMBIENT) + self.DRIVE * (self.swath > 0))

    def _dry_up(self, share: float) -> None:
        stream = self.plant.stream("clog", self._clogs)
        self._clogs += 1
        count = round(share * self.NOZZLES)
        chosen = stream.choice(self.NOZZLES, count, replace=False)
        self.hardness[chosen] = np.maximum(self.hardness[chosen], stream.uniform(0.05, 1.0, count))
        self.log("process", f"{count} nozzles dried up", nozzles=count)

    # -- drops --------------------------------------------------------------------------------

    def true_drop(self) -> float:
        """Mean drop (m3) of an open nozzle now."""
        self.sense(self.now)
        job_temperature = max(self.temperature_demand, AMBIENT)
        factor = 1.0 + self.BY_PRESSURE * (self.pressure - self.MENISCUS)
        factor *= 1.0 + self.BY_TEMPERATURE * (self.temperature - job_temperature)
        return float(max(self.drop_demand * factor * (1.0 + self.drop_drift), 0.0))

    def velocity(self) -> float:
        """Mean drop velocity (m/s) now: a larger drop of the same pulse flies faster."""
        return float(self.VELOCITY * self.true_drop() / max(self.drop_demand, 1e-18))

    @property
    def starved(self) -> bool:
        """Whether the meniscus has been drawn in or the supply is empty: no drops at all."""
        return bool(self.pressure < -4000.0 or self.binder_level <= 0.0)

    def open_nozzles(self) -> Bools:
        """Nozzles that give drops now (n,)."""
        if self.starved:
            return np.zeros(self.NOZZLES, bool)
        opened: Bools = self.hardness <= 0.0
        return opened

    def _look(self) -> Generator[Any, Any, None]:
        try:
            yield self.plant.env.timeout(self.WATCH)
        except simpy.Interrupt:
            self.ready = True
            return
        live = self.open_nozzles()
        self.missing_nozzles = int((~live).sum())
        self.drop_volume = self.true_drop() * float(self.gain[live].mean()) if live.any() else 0.0
        self.drop_velocity = self.velocity() if live.any() else 0.0
        self.ready = True

    def _clean(self, what: str, duration: float, strength: float) -> Generator[Any, Any, None]:
        try:
            yield self.plant.env.timeout(duration)
        except simpy.Interrupt:
            self.ready = True
            return
        before = int((self.hardness > 0).sum())
        self.hardness = np.maximum(self.hardness - strength, 0.0)
        after = int((self.hardness > 0).sum())
        if what == "purge":
            self.binder_level = max(self.binder_level - self.SPENT, 0.0)
        self.log("process", f"{what}: {before - after} nozzles freed", freed=before - after,
                 clogged=after)
        self.ready = True

    # -- printing -----------------------------------------------------------------------------

    def dots(self, index: int) -> tuple[int, int, Bools]:
        """First column, first row and mask of layer `index` (from 0) of the job."""
        assert self.job is not None
        if self._cache is None or self._cache[0] != index:

            region = shapely.union_all(list(self.job.plan.regions(index)))
            self._cache = (index, raster(region, self.grid))
        return self._cache[1]

    def _swaths(self, first: int, columns: int, shift: int) -> list[tuple[int, int]]:
        """Columns of the mask, from and to, that each swath prints."""
        found, at = [], 0
        while at < columns:
            nozzle = (first + at + shift) % self.NOZZLES
            end = min(at + self.NOZZLES - nozzle, columns)
            found.append((at, end))
            at = end
        return found

    def _print(self) -> Generator[Any, Any, None]:
        job, env, number = self.job, self.plant.env, self.layer
        assert job is not None
        first, low, mask = self.dots(number - 1)
        columns = mask.shape[0]
        if self._began != number:
            self._began, self._next, self._twice, self._time = number, 0, 0.0, 0.0
            self._dose, self._silent = np.zeros(columns), np.zeros(columns, bool)
            stray = self.plant.stream("drying out", number)
            drying = stray.random(self.NOZZLES) < self.DRYING_OUT
            self.hardness[drying & (self.hardness <= 0)] = 0.3
        shift = self.SHIFT * number if self.remap else 0
        swaths = self._swaths(first, columns, shift)
        run = mask.shape[1] * job.dot[1] + 2 * self.MARGIN
        sweep = run / (job.dot[1] * job.frequency)
        self.ready = False
        start = self.now
        try:
            while self.run and self._next < len(swaths):
                yield env.timeout(self.PARK / self.SPEED_TRAVEL)
                while self._next < len(swaths) and self.run:
                    rest = len(swaths) - self._next if self._whole else 1
                    begun = self.now
                    for at in range(self._next, self._next + rest):
                        self._lay(swaths[at], first, shift)
                    self.swath = self._next + 1
                    self._anchor()
                    self.follow("position", Polyline((begun, begun + sweep), (0.0, run)))
                    yield env.timeout(rest * (sweep + self.TURN))
                    self._next, self._twice = self._next + rest, 0.0
                self.swath = 0
                self.settle("position", 0.0)
                yield env.timeout(self.PARK / self.SPEED_TRAVEL)
        except simpy.Interrupt:
            # What the cut swath has had already it will get again.
            self._twice = 0.5 if self.swath else 0.0
            self.settle("position", 0.0)
        self.swath, self.ready = 0, True
        self._anchor()
        self._time += self.now - start
        if self._next >= len(swaths) and self.layer_done != number:
            self.layer_done = number
            # The dose is what was dispensed over what was asked for.
            liquid = self.drop_demand * float(self._dose @ mask.sum(axis=1))
            self.binder_level = max(self.binder_level - liquid / self.SUPPLY, 0.0)
            self._printed(PrintedLayer(number - 1, first, low, mask, self._dose, self._silent,
                                       self.drop_demand, self._time))

    def _lay(self, swath: tuple[int, int], first: int, shift: int) -> None:
        """Dose of a swath's columns with the nozzles as they are now."""
        begin, end = swath
        nozzle = (first + np.arange(begin, end) + shift) % self.NOZZLES
        live = self.open_nozzles()
        weight = np.where(live, self.gain, 0.0)
        if self.remap:
            # Half of a silent nozzle's dose from either side, if that side is open.
            left, right = np.roll(~live, 1), np.roll(~live, -1)
            weight = weight * (1.0 + 0.5 * left + 0.5 * right)
        ratio = self.true_drop() / max(self.drop_demand, 1e-18)
        self._dose[begin:end] = weight[nozzle] * ratio * (1.0 + self._twice)
        self._silent[begin:end] = ~live[nozzle]

    def hidden_state(self) -> dict[str, Any]:
        return {"gain": self.gain.tolist(), "hardness": self.hardness.tolist(),
                "clogs": self._clogs, "next": self._next, "twice": self._twice,
                "began": self._began, "dose": self._dose.tolist(),
                "silent": self._silent.tolist(), "time": self._time}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        self.gain, self.hardness = np.array(hidden["gain"]), np.array(hidden["hardness"])
        self._clogs, self._next, self._twice = hidden["clogs"], hidden["next"], hidden["twice"]
        self._began, self._time = hidden["began"], hidden["time"]
        self._dose = np.array(hidden["dose"], float)
        self._silent = np.array(hidden["silent"], bool)
        self._work = None

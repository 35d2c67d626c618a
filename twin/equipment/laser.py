"""Laser sources, their optics and the scanner that leads the beams along a layer's vectors."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from twin.machine import Equipment
from twin.materials import Alloy
from twin.meltpool import MeltPool, MeltPoolModel, defocused_sigma, sensors
from twin.parts.layers import Role
from twin.signals import actuator, fault, measured
from twin.trajectory import Polyline, Relaxation, Steps

if TYPE_CHECKING:
    from twin.equipment.powder_bed import Platform, Recoater
    from twin.parts.layers import BuildPlan, Layer

__all__ = ["BuildJob", "ExposureResult", "LaserSource", "Scanner", "VectorSet"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class VectorSet:
    """How vectors of one role differ from the hatch: factors on power, speed and spot."""

    power: float = 1.0
    speed: float = 1.0
    spot: float = 1.0


@dataclass(frozen=True)
class BuildJob:
    """What is loaded into the scanner before a build: layers, alloy, how vectors are marked."""

    name: str
    plan: BuildPlan
    alloy: Alloy
    sigma: float
    """Beam radius in focus, a quarter of D4sigma, m."""
    hatch_spacing: float
    sets: Mapping[int, VectorSet]
    """By role of a vector; a role that is missing is marked like the hatch."""
    jump_speed: float = 6.0
    laser_delay: float = 60e-6
    """Laser on and off delay together, s per vector."""
    mark_delay: float = 300e-6
    """Settling of the mirrors, s per vector."""
    bulk_density: float = 4400.0


@dataclass(slots=True)
class ExposureResult:
    """What one exposed layer became; arrays have one row per scan vector, SI units."""

    layer: Layer
    begun: Floats
    ended: Floats
    demand: Floats
    """Power asked of the laser, W."""
    metered: Floats
    """Power at the pick-off, before the window, W."""
    power: Floats
    """Power on the plate, W."""
    speed: Floats
    sigma: Floats
    pool: MeltPool
    photodiode: Floats
    pyrometer: Floats
    duration: float
    absorbed: float
    """Energy taken up by the part, J."""
    powder: Floats
    """Height of powder that was there to melt, m of metal."""
    flicker: Floats
    """By how many standard deviations the plume is denser than usual while a vector is marked."""
    gas_speed: Floats
    covered: float
    interlayer_temperature: float
    marked: npt.NDArray[np.bool_]


class LaserSource(Equipment):
    """A fibre (or green, blue) laser with collimator, protective window and on-axis sensors.

    Power on the plate = demand x calibration x (1 - drift) x window x (1 - plume). The pick-off
    power meter sits before the window, so it is blind to a dirty one. Power absorbed by the window
    shifts the focus (Rayleigh length z_R; spot = s0 sqrt(1 + (dz/z_R)^2)).
    """

    WINDOW = 0.985  # transmission of a clean window, default
    SHIFT = 2.0e-5  # m of focus shift per W absorbed in the window, default
    WINDOW_HEATING = 1.2  # K per W absorbed, default
    WINDOW_TIME = 60.0  # s, default
    WALL_PLUG = 0.35  # electrical to optical, default
    RAYLEIGH = 3.5e-3  # m, default
    DARK = 973.15  # K: what the pyrometer shows when it sees nothing

    power_meter = measured("W", low=0, high=1200, noise=0.4, quantum=0.1,
                           companion="Monitoring/Process/{name}Power",
                           doc="laser power at the pick-off, before the window")
    power_ratio = measured("%", low=0, high=200, start=100, noise=0.05, quantum=0.1,
                           companion="Monitoring/Health/{name}PowerRatio",
                           doc="power at the pick-off over the demand, mean over the last layer")
    back_reflection = measured("W", low=0, high=200, noise=0.05, quantum=0.01,
                               doc="power reflected back into the laser")
    window_temperature = measured("degC", low=0, high=200, start=22, noise=0.1, quantum=0.1,
                                  companion="Monitoring/Health/{name}WindowTemperature",
                                  doc="protective window temperature")
    emitting = measured(bool, doc="laser emits")
    photodiode = measured("mV", low=0, high=10_000, noise=4, quantum=0.5,
                          companion="Monitoring/Process/{name}Photodiode",
                          doc="on-axis photodiode, mean over the present vector")
    pyrometer = measured("degC", low=700, high=4000, start=700, noise=15, quantum=1,
                         companion="Monitoring/Process/{name}Pyrometer",
                         doc="on-axis single-colour pyrometer, mean over the present vector; "
                             "dims with the window")
    pool_width = measured("um", low=0, high=2000, noise=3, quantum=1,
                          companion="Monitoring/Process/{name}MeltPoolWidth",
                          doc="melt-pool width, coaxial camera")
    pool_length = measured("um", low=0, high=10_000, noise=10, quantum=1,
                           companion="Monitoring/Process/{name}MeltPoolLength",
                           doc="melt-pool length, coaxial camera")
    pool_depth = measured("um", low=0, high=3000, noise=5, quantum=1,
                          companion="Monitoring/Process/{name}MeltPoolDepth",
                          doc="melt-pool depth: a model value that the machine's monitoring "
                              "publishes; no sensor measures it")
    enable = actuator(bool, doc="laser gate: emission when the scanner marks")
    power = actuator("W", low=0, high=1000, doc="power demand for the hatch")
    focus = actuator("mm", low=-20, high=20, doc="focus offset from the build plane")
    power_drift = fault("%", low=-50, high=50, doc="loss of source power that its own meter sees")
    calibration_error = fault("%", low=-50, high=50, doc="power on the plate above or below the "
                              "demand, unseen by the power meter")
    contamination = fault("%", low=0, high=90, doc="further loss in the protective window")
    focus_error = fault("mm", low=-20, high=20, doc="focus offset nobody set")

    def __init__(self, wavelength: float = 1070e-9) -> None:
        super().__init__()
        self.wavelength = wavelength
        self.deposit = 0.0  # loss of transmission by fume
        self.scanner: Scanner | None = None

    def driven(self, attribute: str) -> None:
        if self.scanner is not None:
            self.scanner.replan()

    def tripped(self, power_lost: bool) -> None:
        self.enable = False
        self.power = 0.0

    @property
    def transmission(self) -> float:
        """True transmission of the protective window."""
        through: float = self.WINDOW * (1 - self.contamination) * (1 - self.deposit)
        return through

    def source_power(self, demand: Floats) -> Floats:
        """Power (W) at the pick-off for a demand."""
        power: Floats = demand * (1 - self.power_drift)
        return power

    def plate_power(self, demand: Floats, plume: Floats | float) -> Floats:
        """Power (W) on the plate behind window and plume."""
        through = (1 + self.calibration_error) * self.transmission * (1 - plume)
        power: Floats = self.source_power(demand) * through
        return power

    def sigma(self, sigma: float) -> float:
        """Beam radius on the plate (m) with focus offset, error and thermal shift.

        The window's temperature must be that of now (see `sense`).
        """
        heating = max(self.window_temperature - 295.15, 0.0) / self.WINDOW_HEATING
        offset = self.focus + self.focus_error + self.SHIFT * heating
        return float(defocused_sigma(sigma, offset, self.RAYLEIGH))

    def beam(self, mean_power: float) -> None:
        """The laser emits `mean_power` (W) from now on; 0 ends it."""
        now = self.now
        self.sense(now)
        self.emitting = mean_power > 0
        lost = mean_power * (1 - self.transmission)
        target = 295.15 + self.WINDOW_HEATING * lost
        self.follow("window_temperature",
                    Relaxation(now, self.window_temperature, target, self.WINDOW_TIME))
        if not self.emitting:
            for name in ("power_meter", "back_reflection", "photodiode", "pyrometer",
                         "pool_width", "pool_length", "pool_depth"):
                self.settle(name, self.DARK if name == "pyrometer" else 0.0)

    def hidden_state(self) -> dict[str, Any]:
        return {"deposit": self.deposit}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        self.deposit = hidden["deposit"]


class Scanner(Equipment):
    """Marks a layer's vectors with one beam per laser; layer time follows from the vectors.

    A change of power, speed, focus or window while a layer is marked re-plans all vectors that
    have not begun.
    """

    PHOTODIODE_GAIN = 2.0e5  # V/W of light collected: transimpedance amplifier, default
    FLICKER = 0.3  # standard deviation of the plume's loss over its mean, default
    SHADE = 0.3  # share of the pool's light that grains lifted from the powder take, default
    SHADE_DEPTH = 30e-6  # m of powder for most of that, default

    busy = measured(bool, doc="marking a layer")
    layer_done = measured(int, low=0, high=1_000_000, doc="number of the last layer finished")
    progress = measured("%", low=0, high=100, quantum=0.1, doc="share of the layer that is marked")
    position_error = measured("um", low=0, high=10_000, noise=1, quantum=1,
                              companion="Monitoring/Health/ScannerPositionError",
                              doc="largest mirror position error, on the plate")
    ready = measured(bool, start=True, doc="scanner without error")
    layer = actuator(int, low=0, high=1_000_000, doc="layer to mark, from 1")
    scan_speed = actuator("mm/s", low=1, high=20_000, start=1000, doc="scan speed for the hatch")
    run = actuator(bool, doc="mark the demanded layer while true; false pauses between vectors")
    galvo_fault = fault(bool, doc="a mirror drive fails")

    def __init__(
        self,
        lasers: list[LaserSource],
        model: MeltPoolModel,
        platform: Platform,
        recoater: Recoater,
        gas: Callable[[Floats], tuple[Floats, Floats]],
        heat: Callable[[float], None],
        exposed: Callable[[ExposureResult], None],
    ) -> None:
        """`gas` gives gas speed (m/s) and the share of power that the plume takes, at times (s)."""
        super().__init__()
        self.lasers = lasers
        self.model = model
        self.job: BuildJob | None = None
        self._gas = gas
        self._platform = platform
        self._recoater = recoater
        self._heat = heat
        self._exposed = exposed
        self._result: ExposureResult | None = None
        self._epoch = 0
        self._since: float | None = None
        for laser in lasers:
            laser.scanner = self

    def load(self, job: BuildJob | None) -> None:
        """Take a job's vectors; the plate is at its first layer again."""
        self.forget()
        self.job = job
        self.layer_done = 0

    def forget(self) -> None:
        """Lose the place in a layer that is not finished: it would be marked from its start."""
        self._epoch += 1
        self._result = None
        self.settle("progress", 0.0)

    def driven(self, attribute: str) -> None:
        if attribute == "run" and self.run:
            self._begin()
        elif attribute == "run":
            self._pause()
        elif attribute == "scan_speed":
            self.replan()
        elif attribute == "galvo_fault":
            self.ready = not self.galvo_fault
            self.position_error = 3e-3 if self.galvo_fault else 0.0
            if self.galvo_fault:
                self.log("process", "scanner position error, marking stopped")
                self._pause(cut=True)

    def tripped(self, power_lost: bool) -> None:
        self._pause(cut=True)
        self.run = False
        if power_lost:
            self.forget()

    @property
    def marking(self) -> bool:
        """Whether beams are moving."""
        return bool(self.busy)

    @property
    def interrupted(self) -> bool:
        """Whether a layer has been begun and not finished."""
        return self._result is not None

    def _begin(self) -> None:
        if self.busy or not self.ready or self.job is None or not self.plant.energised:
            return
        if not 1 <= self.layer <= len(self.job.plan) or self.layer == self.layer_done:
            self.log("process", f"nothing to mark for layer {self.layer}")
            return
        if self._result is None or self._result.layer.index != self.layer - 1:
            self._result = self._blank(self.job, self.job.plan.layer(self.layer - 1))
            self.settle("progress", 0.0)
        self.busy = True
        self._plan(self.now)

    def _blank(self, job: BuildJob, layer: Layer) -> ExposureResult:
        n = len(layer.start)
        nothing = np.zeros(n)
        self._platform.sense(self.now)
        return ExposureResult(
            layer=layer, begun=np.full(n, inf), ended=np.full(n, inf), demand=nothing.copy(),
            metered=nothing.copy(), power=nothing.copy(),
            speed=np.ones(n), sigma=np.full(n, job.sigma),
            pool=self.model.pools(job.alloy, nothing, 1.0, job.sigma, 300.0, 1070e-9, 0.0),
            photodiode=nothing.copy(), pyrometer=nothing.copy(), duration=0.0, absorbed=0.0,
            powder=self._recoater.powder((layer.start + layer.end) / 2),
            flicker=self.plant.stream("plume", layer.index).standard_normal(n).clip(-3, 3),
            gas_speed=nothing.copy(), covered=self._recoater.covered,
            interlayer_temperature=self._platform.part_temperature, marked=np.zeros(n, bool))

    def replan(self) -> None:
        """Apply present settings to all vectors that have not begun."""
        if self.busy:
            self._plan(self.now)

    def _plan(self, now: float) -> None:
        job, result = self.job, self._result
        assert job is not None
        assert result is not None
        self._account(now)
        # Temperatures of this moment, whenever somebody looked last.
        for part in (self, self._platform, *self.lasers):
            part.sense(now)
        self._epoch += 1
        layer = result.layer
        finishes = []
        absorbed = 0.0
        for number, laser in enumerate(self.lasers):
            mine = np.flatnonzero((layer.laser == number) & ~result.marked)
            if not len(mine):
                laser.beam(0.0)
                continue
            finish, energy = self._plan_laser(job, result, laser, number, mine, now)
            finishes.append((finish, laser))
            absorbed += energy
        end = max((finish for finish, _ in finishes), default=now)
        for finish, laser in finishes:
            if finish < end:
                self.plant.run(self._extinguish(laser, finish, self._epoch))
        self._since = now
        if end > now:
            self.follow("progress", Polyline((now, end), (self.progress, 1.0)))
        # The heat of all vectors still to mark, spread evenly over the time that they take.
        self._platform.absorb(absorbed / max(end - now, 1e-6))
        emitted = sum(laser.power for laser in self.lasers if laser.enable)
        self._heat(emitted * (1 / LaserSource.WALL_PLUG - 1))
        self.plant.run(self._finish(end, self._epoch))

    def _plan_laser(self, job: BuildJob, result: ExposureResult, laser: LaserSource, number: int,
                    mine: npt.NDArray[np.intp], now: float) -> tuple[float, float]:
        layer = result.layer
        begun = (layer.laser == number) & result.marked
        free = max(now, float(result.ended[begun].max())) if begun.any() else now
        start, end = layer.start[mine], layer.end[mine]
        length = np.hypot(*(end - start).T)
        before = np.vstack([start[:1], end[:-1]])
        jump = np.hypot(*(start - before).T)
        sets = [job.sets.get(role, VectorSet()) for role in range(len(Role))]
        factors = np.array([[s.power, s.speed, s.spot] for s in sets])[layer.role[mine]]
        speed = factors[:, 1] * self.scan_speed
        demand = factors[:, 0] * (laser.power if laser.enable else 0.0)
        mark = length / speed
        idle = jump / job.jump_speed + job.laser_delay + job.mark_delay
        ended = free + np.cumsum(idle + mark)
        gas_speed, plume = self._gas(ended - mark)
        plume = plume * (1 + self.FLICKER * result.flicker[mine])
        power = laser.plate_power(demand, plume)
        sigma = laser.sigma(job.sigma) * factors[:, 2]
        pool = self.model.pools(job.alloy, power, speed, sigma,
                                self._interlayer(job), laser.wavelength,
                                result.powder[mine] / job.alloy.powder_packing)
        shade = self.SHADE * -np.expm1(-result.powder[mine] / self.SHADE_DEPTH)
        back = laser.transmission * (1 - plume) * (1 - shade)
        result.begun[mine], result.ended[mine] = ended - mark, ended
        result.gas_speed[mine] = gas_speed
        result.demand[mine], result.metered[mine] = demand, laser.source_power(demand)
        result.power[mine], result.speed[mine], result.sigma[mine] = power, speed, sigma
        for name in MELT_POOL_FIELDS:
            getattr(result.pool, name)[mine] = getattr(pool, name)
        result.photodiode[mine] = sensors.photodiode(pool, job.alloy, transmission=back,
                                                     gain=self.PHOTODIODE_GAIN)
        result.pyrometer[mine] = sensors.pyrometer(pool, job.alloy, transmission=back)
        laser.beam(float((demand * mark).sum() / max(float(mark.sum()), 1e-9)))
        if laser.emitting:
            times = result.begun[mine]
            for name, values in (
                ("power_meter", laser.source_power(demand)),
                ("back_reflection", 0.02 * power * (1 - pool.absorptivity)),
                ("photodiode", result.photodiode[mine]),
                ("pyrometer", result.pyrometer[mine]),
                ("pool_width", pool.width),
                ("pool_length", pool.length),
                ("pool_depth", pool.depth),
            ):
                laser.follow(name, Steps(times, np.asarray(values, float)))
        return float(ended[-1]), float((power * pool.absorptivity * mark).sum())

    def _interlayer(self, job: BuildJob) -> float:
        # The laws hold up to the mushy range; a part that hot has other troubles.
        return min(float(self._platform.part_temperature), job.alloy.solidus - 60.0)

    def _extinguish(self, laser: LaserSource, finish: float,
                    epoch: int) -> Generator[Any, Any, None]:
        yield self.plant.env.timeout(finish - self.now)
        if epoch == self._epoch:
            laser.beam(0.0)

    def _account(self, now: float, cut: bool = False) -> None:
        """Settle which vectors have begun; what has begun will be finished as it is.

        If they are `cut`, those that have begun and not ended will be marked again.
        """
        result = self._result
        assert result is not None
        fresh = ~result.marked & (result.begun <= now)
        if fresh.any():
            until = np.minimum(result.ended[fresh], now) if cut else result.ended[fresh]
            mark = until - result.begun[fresh]
            absorbed = result.power[fresh] * result.pool.absorptivity[fresh] * mark
            result.absorbed += float(absorbed.sum())
            result.marked |= fresh & (result.ended <= now) if cut else fresh
        result.duration += now - self._since if self._since is not None else 0.0
        self._since = None

    def _pause(self, cut: bool = False) -> None:
        if not self.busy:
            return
        self._account(self.now, cut)
        if self._result is not None:
            # The times planned for the rest no longer hold.
            rest = ~self._result.marked
            self._result.begun[rest] = self._result.ended[rest] = inf
        self.sense(self.now)
        self.settle("progress", self.progress)
        self._epoch += 1
        self._stop()

    def _stop(self) -> None:
        self.busy = False
        self._platform.absorb(0.0)
        for laser in self.lasers:
            laser.beam(0.0)
        self._heat(0.0)

    def _finish(self, end: float, epoch: int) -> Generator[Any, Any, None]:
        yield self.plant.env.at(end)
        if epoch != self._epoch:
            return
        self._account(self.now)
        result = self._result
        assert result is not None
        # The last vectors end exactly now; rounding must not leave one unmarked.
        result.marked[:] = True
        self.settle("progress", 1.0)
        self.layer_done = self.layer
        self._stop()
        self._result = None
        self._exposed(result)

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        self._result = None
        self._epoch += 1


MELT_POOL_FIELDS = tuple(MeltPool.__dataclass_fields__)

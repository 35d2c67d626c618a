"""Electron guns: high voltage with its trips, X-rays, cathode, grid and focus."""

from __future__ import annotations

from collections.abc import Callable, Generator
from math import exp, inf, log, sqrt
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from twin.equipment.beam import Beam
from twin.equipment.services import SafetyChain
from twin.machine import Equipment
from twin.materials import Alloy
from twin.meltpool import MeltPool, MeltPoolModel
from twin.meltpool.standing import point_pools
from twin.physics.electron_beam import spot_diameter, under_electrons
from twin.signals import actuator, fault, measured
from twin.trajectory import Polyline, Relaxation

if TYPE_CHECKING:
    from twin.equipment.exposure import Track
    from twin.equipment.vacuum import VacuumSystem

__all__ = ["ElectronGun", "HighVoltage", "life_left"]

Floats = npt.NDArray[np.float64]


class HighVoltage(Equipment):
    """Supply of the accelerating voltage, its arc trips and the X-rays that it makes.

    An arc lets the voltage collapse; the supply cuts the beam within microseconds and is back
    after `RECOVERY`. A burst of arcs latches it off. What is hard-wired here is faster than a
    scan: column vacuum, safety chain, X-ray monitor.
    """

    RISE = 1.5  # s, first-order rise of the voltage, default
    RECOVERY = 0.03  # s from an arc to full voltage, default
    COLLAPSE = 1e-4  # s, default
    BURST = 3  # arcs within `WITHIN` that latch the supply off, default
    WITHIN = 0.1  # s
    WINDOW = 60.0  # s over which trips are counted for the rate
    PEAK_HELD = 1.0  # s
    DOSE = 3.0  # uSv/h for each mA at 60 kV through a gap in the shield, default
    THROUGH = 0.01  # uSv/h for each mA through a sound shield, default
    BACKGROUND = 0.15e-6 / 3600  # Sv/s
    DOSE_LIMIT = 5e-6 / 3600  # Sv/s at which the monitor opens the safety chain, default

    voltage = measured("kV", low=0, high=100, noise=0.01, quantum=0.01,
                       companion="Monitoring/Process/AcceleratingVoltage",
                       doc="accelerating voltage")
    current = measured("mA", low=0, high=200, noise=0.02, quantum=0.01,
                       companion="Monitoring/Process/BeamCurrent",
                       doc="current of all beams, from the supply")
    peak_current = measured("mA", low=0, high=1000, noise=0.02, quantum=0.1,
                            companion="Monitoring/Health/PeakCurrent",
                            doc="highest current of the last second, peak detector at the supply")
    ready = measured(bool, doc="voltage at its demand, nothing latched")
    arc_trips = measured(int, low=0, high=1_000_000_000,
                         companion="Monitoring/Health/ArcTrips",
                         doc="arc trips since the machine was switched on")
    arc_rate = measured(int, low=0, high=10_000, companion="Monitoring/Health/ArcTripRate",
                        doc="arc trips in the last minute")
    latched = measured(bool, doc="a burst of arcs latched the supply off; needs a reset")
    dose_rate = measured("uSv/h", low=0, high=1000, start=0.15, noise=0.01, quantum=0.01,
                         doc="X-ray monitor at the chamber")
    enable = actuator(bool, doc="high voltage on")
    demand = actuator("kV", low=0, high=70, start=60, doc="accelerating voltage")
    reset = actuator(bool, edge=True, doc="acknowledge a latched trip (rising edge)")
    arcing = fault("1/min", low=0, high=600, doc="arcs per minute over a dirty insulator")
    drift = fault("%", low=-20, high=20, doc="voltage below its demand, unseen by its meter")
    shield_gap = fault(bool, doc="a gap in the X-ray shield")

    def __init__(self, chain: SafetyChain, vacuum: VacuumSystem) -> None:
        super().__init__()
        self._chain = chain
        self._vacuum = vacuum
        self._guns: list[ElectronGun] = []
        self._times: list[float] = []  # of the last arcs
        self._epoch = 0
        self._arcs = 0  # arcs that the dirty insulator has made, for its stream
        self._peak_until = 0.0  # when the peak detector lets go
        self._arc_due = inf  # when it will arc next
        self._fresh = True  # the plant has just been made
        vacuum.relay = self._relay

    def feed(self, guns: list[ElectronGun]) -> None:
        """The guns on this supply."""
        self._guns = guns

    @property
    def actual(self) -> float:
        """True accelerating voltage (V) once it stands."""
        return float(self.demand * (1.0 - self.drift))

    @property
    def possible(self) -> bool:
        """Whether hard-wired interlocks let the voltage be on."""
        return bool(self._vacuum.gun_vacuum and self.plant.energised and not self.latched)

    def driven(self, attribute: str) -> None:
        if attribute == "reset":
            if self.reset and self.latched:
                self.latched = False
                self._times = []
                self.log("process", "high voltage reset")
                self._anchor()
        elif attribute == "shield_gap":
            self.emission()
        elif attribute == "arcing":
            self._arm()
        elif attribute == "drift":
            for gun in self._guns:
                gun.supplied()
        else:
            self._anchor()

    def started(self) -> None:
        if self._fresh:
            self._fresh = False
            self._anchor()
        else:
            self._arm(restored=True)

    def tripped(self, power_lost: bool) -> None:
        self.enable = False
        self._anchor()

    def _relay(self, closed: bool) -> None:
        if not closed:
            self.enable = False
        self._anchor()

    def _anchor(self) -> None:
        """Begin the voltage's course anew."""
        now = self.now
        self.sense(now)
        on = self.enable and self.possible
        self.ready = False
        target = float(self.demand) if on else 0.0
        self.follow("voltage", Relaxation(now, self.voltage, target, self.RISE if on else 0.05))
        for gun in self._guns:
            gun.supplied()
        self.emission()
        self._arm()

    def _arm(self, restored: bool = False) -> None:
        self._epoch += 1
        epoch = self._epoch
        on = self.enable and self.possible and self.demand > 0
        if on and not self.ready:
            way = self.trajectories.get("voltage")
            due = self.now
            enough = 0.99 * float(self.demand)
            if isinstance(way, Relaxation) and way.at(self.now) < enough:
                due = max(self.now, way.crossing(enough))
            if due < inf:
                self.plant.run(self._up(due, epoch))
        if on and self.arcing > 0:
            if not restored:
                self._arcs += 1
                wait = self.plant.stream("arcs", self._arcs).exponential(1.0 / self.arcing)
                self._arc_due = self.now + float(wait)
            self.plant.run(self._flash(self._arc_due, epoch))
        if self._times:
            self.plant.run(self._forget(self._times[0] + self.WINDOW, epoch))

    def _up(self, due: float, epoch: int) -> Generator[Any, Any, None]:
        yield self.plant.env.at(due)
        if epoch == self._epoch:
            self._stand()

    def _stand(self) -> None:
        self.settle("voltage", float(self.demand))
        self.ready = True
        for gun in self._guns:
            gun.supplied()
        self._arm()

    def _flash(self, due: float, epoch: int) -> Generator[Any, Any, None]:
        """The dirty insulator arcs at random."""
        yield self.plant.env.at(due)
        if epoch == self._epoch:
            self.arc()

    def _forget(self, due: float, epoch: int) -> Generator[Any, Any, None]:
        yield self.plant.env.at(due)
        if epoch == self._epoch:
            self._count()
            self._arm()

    def _count(self) -> None:
        self._times = [t for t in self._times if t > self.now - self.WINDOW + 1e-9]
        self.arc_rate = len(self._times)

    def arc(self) -> None:
        """The voltage collapses now; the supply cuts the beams and comes back, or latches off."""
        now = self.now
        self._times.append(now)
        self.arc_trips += 1
        self._count()
        burst = sum(t > now - self.WITHIN for t in self._times) >= self.BURST
        self.log("interlock", "arc trip", trips=self.arc_trips)
        self.ready = False
        for gun in self._guns:
            gun.surge()
        self._peak_until = now + self.PEAK_HELD
        peak = ElectronGun.SURGE_CURRENT * len(self._guns)
        self.follow("peak_current", Polyline(
            (now, self._peak_until, self._peak_until + 0.01), (peak, peak, 0.0)))
        if burst:
            self.latched = True
            self.log("interlock", "burst of arcs: high voltage latched off")
            self._anchor()
            return
        self._epoch += 1
        self.follow("voltage", Polyline(
            (now, now + self.COLLAPSE, now + self.RECOVERY), (self.voltage, 0.0,
                                                              float(self.demand))))
        self.plant.run(self._back(now + self.RECOVERY, self._epoch))

    def _back(self, due: float, epoch: int) -> Generator[Any, Any, None]:
        yield self.plant.env.at(due)
        if epoch == self._epoch:
            if self.enable and self.possible:
                self._stand()
            else:
                self._anchor()

    def emission(self) -> None:
        """The guns' current changed: electrical power and X-rays follow it."""
        total = sum(gun.mean_current for gun in self._guns)
        self.draw(total * self.actual / ElectronGun.WALL_PLUG)
        passed = self.DOSE if self.shield_gap else self.THROUGH
        hard = (self.actual / 60e3) ** 2  # quanta from a thick target carry more at more voltage
        dose = self.BACKGROUND + passed * 1e-6 / 3600 * total * 1e3 * hard
        self.dose_rate = dose
        self.settle("current", total)
        if self.now > self._peak_until:
            self.settle("peak_current", total)
        self._chain.switch(SafetyChain.X_RAY, opens=dose > self.DOSE_LIMIT)

    def hidden_state(self) -> dict[str, Any]:
        return {"times": list(self._times), "arcs": self._arcs, "arc_due": self._arc_due,
                "peak": self._peak_until}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        self._times, self._arcs = list(hidden["times"]), hidden["arcs"]
        self._peak_until = hidden["peak"]
        self._arc_due, self._fresh = hidden["arc_due"], False


class ElectronGun(Beam):
    """One beam: cathode, grid, focus and stigmator; several may share a gun by splitting.

    The grid sets the current up to what the cathode emits (Richardson: T^2 exp(-phi / kT), T by
    heating current); as a cathode ages it emits less, and the bias that gives a current falls
    first. Spot: d^2 = d0^2 + (cI I)^2 + (cf df)^2 + (cr r)^2, I that of the whole gun.
    """

    WALL_PLUG: ClassVar[float] = 0.75  # beam over electrical power of supply and coils, default
    EMISSION = 0.12  # A of a new cathode at the usual heating, default
    HEATING = 1.3  # A, usual heating current, default
    WORK = 2.7 * 11604.5  # K: work function of LaB6 over k, default
    CATHODE = 1800.0  # K at the usual heating, default
    CUT_OFF = 1500.0  # V of grid bias that holds all current back, default
    LIFE = 500 * 3600.0  # s at 20 mA until half of the emission is gone, default
    PER_AMPERE = 8e-3  # m of spot per A, default
    PER_DEFOCUS = 0.012  # m of spot per m of focus offset, default
    PER_METRE = 1.2e-3  # m of spot per m from the axis, default
    STIGMATISM = 4e-4  # m of spot at full astigmatism, default
    SURGE = 1.5e-3  # s that the current shoots up in an arc, default
    SURGE_CURRENT = 0.095  # A, default

    emitting = measured(bool, doc="the beam is on the bed")
    current = measured("mA", low=0, high=100, noise=0.01, quantum=0.01,
                       companion="Monitoring/Process/{name}Current",
                       doc="beam current, measured at the gun, mean over the present vector")
    current_ratio = measured("%", low=0, high=200, start=100, noise=0.05, quantum=0.1,
                             companion="Monitoring/Health/{name}CurrentRatio",
                             doc="current over its demand, last time the beam was on")
    bias = measured("V", low=0, high=2000, start=1500, noise=1, quantum=1,
                    companion="Monitoring/Health/{name}Bias",
                    doc="grid bias; falls for the same current as the cathode ages")
    cathode_current = measured("A", low=0, high=5, noise=0.001, quantum=0.001,
                               doc="heating current of the cathode")
    cathode_hours = measured("h", low=0, high=10_000, quantum=0.01,
                             companion="Monitoring/Health/{name}CathodeHours",
                             doc="time that the cathode has emitted")
    cathode_left = measured("h", low=0, high=10_000, start=1000, quantum=0.1,
                            companion="Monitoring/Health/{name}CathodeLeft",
                            doc="time until the cathode can no longer give the hatch current, if "
                                "it ages on as it did; from emission and bias")
    pool_width = measured("um", low=0, high=5000, noise=5, quantum=1,
                          companion="Monitoring/Process/{name}MeltPoolWidth",
                          doc="melt-pool width: a model value that monitoring publishes")
    pool_depth = measured("um", low=0, high=5000, noise=5, quantum=1,
                          companion="Monitoring/Process/{name}MeltPoolDepth",
                          doc="melt-pool depth: a model value; no sensor measures it")
    enable = actuator(bool, doc="beam not blanked")
    demand_current = actuator("mA", low=0, high=100, doc="current of the whole gun for the hatch")
    focus = actuator("mm", low=-100, high=100, doc="focus offset while melting")
    stigmator = actuator("%", low=-100, high=100, doc="correction of astigmatism")
    heating = actuator("A", low=0, high=3, start=1.3, doc="heating current of the cathode")
    cathode_wear = fault("%", low=0, high=95, doc="share of the emission that is lost")
    calibration_loss = fault("%", low=-50, high=80, doc="current on the bed below what the gun "
                             "measures")
    focus_drift = fault("mm", low=-100, high=100, doc="focus offset nobody set")
    astigmatism = fault("%", low=-100, high=100, doc="astigmatism of the column")

    def __init__(self, supply: HighVoltage, share: float = 1.0) -> None:
        """`share`: part of its gun's current, where one gun serves several beams at once."""
        super().__init__()
        self._supply = supply
        self.share = share
        self.mean_current = 0.0  # A now
        self.kept_current = 0.0  # A asked of it now
        self.aged = 0.0  # A s emitted
        self._since = 0.0
        self.watchers: list[Callable[[], None]] = []
        """Told when the high voltage came or went, or a setting of the beam changed."""

    # -- the chain of emission ----------------------------------------------------------------

    @property
    def emission(self) -> float:
        """Current (A) that the cathode can give."""
        heating = max(float(self.heating), 1e-3)
        t = self.CATHODE * sqrt(heating / self.HEATING)
        hot = (t / self.CATHODE) ** 2 * exp(self.WORK * (1 / self.CATHODE - 1 / t))
        age = 0.5 ** (self.aged / (self.LIFE * 20e-3))
        given: float = self.EMISSION * min(hot, 3.0) * age * (1.0 - float(self.cathode_wear))
        return given

    def measured_current(self, demand: npt.ArrayLike) -> Floats:
        """Current (A) that the gun gives and measures for a demand (A)."""
        return np.asarray(np.minimum(np.asarray(demand, float), self.emission * self.share))

    @property
    def landed_current(self) -> float:
        """Current (A) that reaches the bed now."""
        landed: float = self.mean_current * (1.0 - self.calibration_loss)
        return landed

    @property
    def demand(self) -> float:
        if not (self.enable and self._supply.ready):
            return 0.0
        return float(self.demand_current) * self.share * float(self._supply.demand)

    def source_power(self, demand: Floats) -> Floats:
        volts = max(float(self._supply.demand), 1.0)
        return np.asarray(self.measured_current(demand / volts) * volts)

    def plate_power(self, demand: Floats, plume: Floats) -> Floats:
        power: Floats = (
            self.source_power(demand) * (1.0 - self.calibration_loss) * (1.0 - self._supply.drift)
            * (1.0 - plume))
        return power

    def radius(self, sigma: float, factor: Floats, demand: Floats, position: Floats) -> Floats:
        """Standard deviation of the spot; `sigma` is that of the recipe at its own current.

        The recipe's diameters are calibrated ones: what changes them is a current, a focus and a
        place other than those of the calibration, in squares.
        """
        volts = max(float(self._supply.demand), 1.0)
        current = demand / volts / self.share
        asked = float(self.demand_current)
        job = self.scanner.job if self.scanner is not None else None
        rated = job.rated_power / volts if job is not None and job.rated_power > 0 else asked
        usual = current * (rated / asked if asked > 0 else 1.0)
        diameter = 4.0 * sigma * factor
        more = self.PER_AMPERE**2 * (current**2 - usual**2)
        wide = spot_diameter(
            0.0, self.focus + self.focus_drift, np.hypot(*position.T), smallest=0.0,
            per_ampere=0.0, per_defocus=self.PER_DEFOCUS, per_metre=self.PER_METRE)
        squint = self.STIGMATISM * (self.astigmatism - self.stigmator)
        squares = diameter**2 + more + wide**2 + squint**2
        return np.asarray(np.sqrt(np.maximum(squares, (0.25 * diameter) ** 2)) / 4.0)

    def back(self, plume: Floats) -> Floats:
        return np.ones_like(plume)

    def material(self, alloy: Alloy) -> Alloy:
        return under_electrons(alloy)

    def pools(
        self, steady: MeltPoolModel, alloy: Alloy, power: Floats, speed: Floats, sigma: Floats,
        preheat: Floats, powder_layer: Floats, dwell: Floats,
    ) -> MeltPool:
        metal = self.material(alloy)
        points = dwell > 0.0
        if not points.any():
            return super().pools(steady, alloy, power, speed, sigma, preheat, powder_layer, dwell)
        standing = point_pools(metal, power, sigma, preheat, dwell)
        if points.all():
            return standing
        moving = super().pools(steady, alloy, power, speed, sigma, preheat, powder_layer, dwell)
        return MeltPool(*(np.where(points, getattr(standing, f), getattr(moving, f))
                          for f in MeltPool.__slots__))

    def track_readings(self, track: Track) -> dict[str, Floats]:
        current = track.metered / max(float(self._supply.demand), 1.0)
        return {"current": current, "bias": self._bias(current)}

    def pool_readings(
        self, pool: MeltPool, photodiode: Floats, pyrometer: Floats
    ) -> dict[str, Floats]:
        return {"pool_width": pool.width, "pool_depth": pool.depth}

    # -- on and off ---------------------------------------------------------------------------

    def driven(self, attribute: str) -> None:
        if attribute in ("heating", "cathode_wear"):
            self.cathode_current = float(self.heating)
            self._grid()
        self._tell()
        self._supply.emission()

    def started(self) -> None:
        self.cathode_current = float(self.heating)

    def tripped(self, power_lost: bool) -> None:
        self.enable = False
        self.demand_current = 0.0
        if power_lost:
            self.heating = self.cathode_current = 0.0

    def supplied(self) -> None:
        """The high voltage came or went."""
        self._tell()

    def _tell(self) -> None:
        self.changed()
        for watcher in self.watchers:
            watcher()

    def _age(self) -> None:
        now = self.now
        if self.mean_current > 0:
            self.aged += self.mean_current / self.share * (now - self._since)
            self.cathode_hours += now - self._since
        self._since = now

    def _bias(self, current: npt.ArrayLike) -> Floats:
        """Bias (V) that holds back all but a current (A), any shape.

        Space charge (Child 1911): the current grows as the 1.5th power of the field let through.
        """
        part = np.asarray(current, float) / max(self.emission * self.share, 1e-9)
        return np.asarray(self.CUT_OFF * (1.0 - np.clip(part, 0.0, 1.0) ** (2.0 / 3.0)))

    def _grid(self) -> None:
        self.settle("bias", float(self._bias(self.mean_current)))

    def beam(self, mean_power: float) -> None:
        volts = max(float(self._supply.demand), 1.0)
        self.glow(mean_power / volts)

    def glow(self, current: float) -> None:
        """So much current (A) is asked on the bed from now on; 0 blanks the beam."""
        self._age()
        given = float(self.measured_current(current))
        self.kept_current, self.mean_current = current, given
        self.emitting = given > 0
        if current > 0:
            self.current_ratio = given / current
        self.settle("current", given)
        self._grid()
        if self.emitting:
            whole = given / self.share
            hours = life_left(self.emission, max(float(self.demand_current), whole), whole)
            self.cathode_left = min(hours, 1e4) * 3600.0
        else:
            self.settle("pool_width", 0.0)
            self.settle("pool_depth", 0.0)
        self._supply.emission()

    def surge(self) -> None:
        """An arc: the current shoots up, then there is none until the voltage is back."""
        now = self.now
        self.sense(now)
        if self.scanner is not None:
            self.scanner.interrupt()
        self._age()
        self.mean_current, self.emitting = 0.0, False
        self.follow("current", Polyline(
            (now, now + 0.3 * self.SURGE, now + self.SURGE), (self.current, self.SURGE_CURRENT,
                                                              0.0)))

    def hidden_state(self) -> dict[str, Any]:
        return {"mean": self.mean_current, "asked": self.kept_current, "aged": self.aged,
                "since": self._since}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        self.mean_current, self.kept_current = hidden["mean"], hidden["asked"]
        self.aged, self._since = hidden["aged"], hidden["since"]


def life_left(emission: float, needed: float, at: float) -> float:
    """Hours until a cathode that emits ``emission`` (A) can no longer give ``needed`` (A).

    At the mean current ``at`` (A); ageing halves the emission every `ElectronGun.LIFE` at 20 mA.
    """
    if emission <= needed:
        return 0.0
    return ElectronGun.LIFE * 20e-3 / max(at, 1e-6) * log(emission / needed) / log(2.0) / 3600.0

"""Powder feed of a deposition head: hoppers with metering discs, a hose, carrier and shield gas."""

from __future__ import annotations

from collections.abc import Callable, Generator
from math import exp, inf, isfinite, pi
from typing import Any

import numpy as np
import numpy.typing as npt

from twin.machine import Equipment
from twin.signals import actuator, fault, measured
from twin.trajectory import Growth, Relaxation

__all__ = ["HeadGas", "Hopper", "PowderFeeder"]

Floats = npt.NDArray[np.float64]
LITRE_PER_MIN = 1e-3 / 60


def _nothing() -> None:
    """Nobody wants to know."""


class Hopper(Equipment):
    """A hopper over a metering disc: flow out = disc speed x volume per turn x bulk density.

    The outlet follows the disc with a lag, and pulses with the grooves of the disc. Weight is that
    of the hopper on its load cells; the loss-in-weight flow is what they say of it, slowly.
    """

    PER_TURN = 0.55e-6  # m3, default
    CAPACITY = 2.0e-3  # m3, default
    LAG = 1.2  # s, default
    SCALE = 4.0  # s of the loss-in-weight evaluation, default
    HELD = 12.0  # s of flow that are remembered: longer than any way through the hose
    GROOVES = 12  # pulses per turn, default
    PULSE = 0.015  # amplitude of the pulses, default
    TORQUE = (0.4, 2.5)  # N m running free, and blocked, default

    disc_speed = measured("rpm", low=0, high=30, noise=0.005, quantum=0.01,
                          doc="speed of the metering disc")
    torque = measured("N.m", low=0, high=20, noise=0.01, quantum=0.01,
                      doc="torque of the metering disc's motor")
    mass_flow = measured("g/min", low=0, high=100, noise=0.02, quantum=0.01,
                         companion="Monitoring/Process/{name}MassFlow",
                         doc="powder flow, loss in weight")
    flow_demand = measured("g/min", low=0, high=100, quantum=0.001,
                           doc="powder flow demanded, by the disc's calibration")
    mass = measured("kg", low=0, high=50, start=8, noise=0.001, quantum=0.001,
                    companion="Monitoring/Process/{name}Mass", doc="powder in the hopper")
    demand = actuator("rpm", low=0, high=20, doc="speed demand of the metering disc")
    clog = fault("%", low=0, high=100, doc="share of the flow that a clog or bridging holds back")
    pulsation = fault("%", low=0, high=100, doc="further amplitude of the flow's pulses: worn disc "
                      "or scraper")
    overfeed = fault("%", low=-50, high=200, doc="share by which the disc meters more than its "
                     "calibration says")
    missing = fault("kg", low=0, high=50, doc="powder that the hopper has less than was filled in")

    def __init__(self, changed: Callable[[], None] = _nothing) -> None:
        """`changed` is told when the flow to come changes."""
        super().__init__()
        self._changed = changed
        self.bulk = 4400.0  # kg/m3
        self.calibrated = 4400.0  # kg/m3, that the disc was calibrated with
        self.flows = 1.0  # of the flow, if the powder bridges
        self.unsteady = 0.0  # amplitude that the powder adds to the pulses
        self.stock = inf  # kg given to it for the job
        self.fed = 0.0  # kg that have left since it was loaded
        self.factor = 1.0  # of the demand, by the program in the machine
        self._regimes: list[tuple[float, float, float]] = [(0.0, 0.0, 0.0)]
        """Since when (s), flow then and flow it tends to (kg/s)."""
        self._gone = 0.0  # kg that the fault has taken so far
        self._epoch = 0

    # -- flow ---------------------------------------------------------------------------------

    @property
    def empty(self) -> bool:
        """Whether nothing is left in it."""
        return bool(self.mass <= 1e-9)

    def _target(self) -> float:
        if self.empty:
            return 0.0
        rate = self.demand * self.factor * self.PER_TURN * self.bulk
        return max(float(rate * self.flows * (1 - self.clog) * (1 + self.overfeed)), 0.0)

    def outlet(self, times: Floats) -> Floats:
        """Flow (kg/s) out of the disc at times (n,) in s, past or to come."""
        since, first, target = np.array(self._regimes).T
        own = np.searchsorted(since, times, side="right") - 1
        late = np.maximum(own, 0)
        flow = target[late] + (first - target)[late] * np.exp((since[late] - times) / self.LAG)
        flow = np.where(own >= 0, flow, self._regimes[0][1])
        amplitude = self.PULSE + self.pulsation + self.unsteady
        pulses = 2 * pi * self.GROOVES * self.demand * self.factor  # rad/s
        found: Floats = flow * (1 + amplitude * np.sin(pulses * times))
        return np.maximum(found, 0.0)

    def program(self, factor: float) -> None:
        """The program in the machine scales the demand from now on."""
        if factor != self.factor:
            self.factor = factor
            self._anchor()
            self._changed()

    def driven(self, attribute: str) -> None:
        if attribute == "missing":
            self._weigh(self.now)
            self.mass = max(self.mass - max(self.missing - self._gone, 0.0), 0.0)
            self._gone = max(self.missing, self._gone)
        self._anchor()
        self._changed()

    def started(self) -> None:
        if self.trajectories:
            self._arm()
        else:
            self._anchor()

    def tripped(self, power_lost: bool) -> None:
        self.demand = 0.0
        self._anchor()

    def load(self, bulk_density: float, density: float = 1.0, flows: float = 1.0,
             unsteady: float = 0.0, stock: float = inf) -> None:
        """Powder of another bulk density (kg/m3); the hopper is full, if there is so much.

        A lot's powder may have another ``density`` than that the disc is calibrated with, flow
        worse (``flows``) and less steadily; ``stock`` kg of it are given for the job.
        """
        self.calibrated, self.bulk = bulk_density, bulk_density * density
        self.flows, self.unsteady = flows, unsteady
        self._regimes = [(self.now, 0.0, 0.0)]
        self.factor = 1.0
        self.stock = inf
        self.refill()
        self.stock, self.fed = stock, 0.0
        if stock < self.mass:
            self.refill()

    def refill(self) -> None:
        """Somebody fills it up."""
        self._weigh(self.now)
        self.mass = min(self.CAPACITY * self.bulk, max(self.stock - self.fed, 0.0))
        self._gone = self.missing
        self._anchor()
        self._changed()

    def unblock(self) -> None:
        """Somebody clears disc, scraper and hose."""
        self.clog = self.pulsation = self.overfeed = 0.0
        self._anchor()
        self._changed()

    def _flow(self, time: float) -> float:
        since, first, target = self._regimes[-1]
        return target + (first - target) * exp((since - time) / self.LAG)

    def _weigh(self, now: float) -> float:
        """Bring the true mass to now; what has left since the last anchor, kg."""
        since, first, target = self._regimes[-1]
        passed = now - since
        left = target * passed + (first - target) * self.LAG * (1 - exp(-passed / self.LAG))
        held = self._held
        self.settle("mass", max(held - left, 0.0))
        self._held = float(self.mass)
        self.take_feedstock(held - self._held)
        self.fed += held - self._held
        return held - self._held

    def account(self) -> None:
        """Count what has left up to now."""
        self._anchor()

    _held = 8.0  # kg at the last anchor

    def _anchor(self) -> None:
        now = self.now
        self.sense(now)
        flow = self._flow(now)
        if "mass" in self.trajectories:
            self._weigh(now)
        else:
            self._held = float(self.mass)
        target = self._target()
        self._regimes = [r for r in self._regimes if r[0] < now]
        # The hose still holds what left the disc in the last seconds, and before.
        while len(self._regimes) > 1 and self._regimes[1][0] < now - self.HELD:
            self._regimes.pop(0)
        self._regimes.append((now, flow, target))
        if self._held > 0:
            # The ramp that the mass comes to when the lag is over.
            self.follow("mass", Growth(now, self._held - (flow - target) * self.LAG, -target))
        else:
            self.follow("mass", Growth(now, 0.0, 0.0))
        self.follow("mass_flow", Relaxation(now, flow, target, self.LAG, self.SCALE,
                                            self.mass_flow))
        speed = self.demand * self.factor
        self.flow_demand = speed * self.PER_TURN * self.calibrated
        self.follow("disc_speed", Relaxation(now, self.disc_speed, speed, 0.3))
        free, blocked = self.TORQUE
        turning = speed > 0
        torque = (free + (blocked - free) * self.clog) * turning
        self.follow("torque", Relaxation(now, self.torque, torque, 0.5))
        self._arm()

    def sense(self, time: float) -> None:
        super().sense(time)
        self.mass = max(self.mass, 0.0)

    def _arm(self) -> None:
        self._epoch += 1
        since, first, target = self._regimes[-1]
        if target > 0 and self._held > 0:
            left = self._held - (first - target) * self.LAG
            self.plant.run(self._run_out(since + max(left, 0.0) / target, self._epoch))

    def _run_out(self, due: float, epoch: int) -> Generator[Any, Any, None]:
        yield self.plant.env.at(due)
        if epoch == self._epoch:
            self.log("process", "hopper empty")
            flow = self._flow(self.now)
            self.take_feedstock(self._held)
            self.fed += self._held
            self._held = 0.0
            self.settle("mass", 0.0)
            self._regimes.append((self.now, flow, 0.0))
            self._anchor()
            self._changed()

    def hidden_state(self) -> dict[str, Any]:
        return {"regimes": [list(r) for r in self._regimes], "gone": self._gone,
                "held": self._held, "bulk": self.bulk, "factor": self.factor,
                "calibrated": self.calibrated, "flows": self.flows, "unsteady": self.unsteady,
                "stock": self.stock if isfinite(self.stock) else None, "fed": self.fed}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        self._regimes = [(float(a), float(b), float(c)) for a, b, c in hidden["regimes"]]
        self._gone, self._held = hidden["gone"], hidden["held"]
        self.bulk, self.factor = hidden["bulk"], hidden["factor"]
        self.calibrated, self.flows = hidden["calibrated"], hidden["flows"]
        self.unsteady, self.fed = hidden["unsteady"], hidden["fed"]
        self.stock = inf if hidden["stock"] is None else hidden["stock"]


class HeadGas(Equipment):
    """Carrier gas that brings the powder, and shield gas around the pool."""

    RESPONSE = 0.8  # s, default
    NEEDED = 3.0 * LITRE_PER_MIN  # m3/s of shield gas that thins air by e at the nominal distance
    NOMINAL = 10e-3  # m, default

    carrier_flow = measured("L/min", low=0, high=40, noise=0.02, quantum=0.01,
                            companion="Monitoring/Process/CarrierGasFlow", doc="carrier gas flow")
    shield_flow = measured("L/min", low=0, high=60, noise=0.05, quantum=0.01,
                           companion="Monitoring/Process/ShieldGasFlow", doc="shield gas flow")
    supply_pressure = measured("bar", low=0, high=20, start=6, noise=0.01, quantum=0.01,
                               doc="pressure of the gas supply")
    carrier_demand = actuator("L/min", low=0, high=20, doc="carrier gas flow demand")
    shield_demand = actuator("L/min", low=0, high=40, doc="shield gas flow demand")
    shield_loss = fault("%", low=0, high=100, doc="share of the shield gas that is lost on its way")
    supply_failure = fault(bool, doc="no gas comes from the supply")

    def __init__(self, changed: Callable[[], None] = _nothing) -> None:
        super().__init__()
        self._changed = changed

    def driven(self, attribute: str) -> None:
        self._anchor()
        self._changed()

    def started(self) -> None:
        if not self.trajectories:
            self._anchor()

    def tripped(self, power_lost: bool) -> None:
        if power_lost:
            self.carrier_demand = self.shield_demand = 0.0
            self._anchor()

    def _anchor(self) -> None:
        now = self.now
        self.sense(now)
        there = not self.supply_failure
        carrier, shield = self.carrier_demand * there, self.shield_demand * there
        self.follow("carrier_flow", Relaxation(now, self.carrier_flow, carrier, self.RESPONSE))
        self.follow("shield_flow", Relaxation(now, self.shield_flow,
                                              shield * (1 - self.shield_loss), self.RESPONSE))
        self.follow("supply_pressure",
                    Relaxation(now, self.supply_pressure, 6e5 * there, 2.0))
        self.take_gas(carrier + shield)

    def _course(self, name: str, times: Floats) -> Floats:
        flow = self.trajectories[name]
        assert isinstance(flow, Relaxation)
        found: Floats = flow.target + (flow.first - flow.target) * np.exp(
            (flow.since - times) / flow.tau)
        return found

    def carrier(self, times: Floats) -> Floats:
        """Carrier gas flow (m3/s) at times (n,) from now on."""
        return self._course("carrier_flow", times)

    def oxygen(self, times: Floats, stand_off: Floats, around: float) -> Floats:
        """Oxygen mole fraction over the pool, in an atmosphere with `around` of it.

        Air that is drawn in falls with the flow and rises with the distance: default.
        """
        cover = self._course("shield_flow", times) / self.NEEDED
        near = np.minimum((self.NOMINAL / np.maximum(stand_off, 1e-4)) ** 2, 2.0)
        found: Floats = around * np.exp(-cover * near) + 5e-6
        return found


class PowderFeeder(Equipment):
    """Two to four hoppers that share one hose: transport delay and mixing on the way."""

    DELAY = 2.0  # s from disc to nozzle at the nominal carrier flow, default
    NOMINAL = 6.0 * LITRE_PER_MIN  # m3/s, default
    LOWEST = 1.5 * LITRE_PER_MIN  # m3/s below which powder settles in the hose, default

    hose_pressure = measured("mbar", low=0, high=500, noise=0.2, quantum=0.1,
                             doc="pressure of the carrier gas at the hose's inlet")
    nozzle_wear = fault("%", low=0, high=300, doc="share by which a worn nozzle's powder jet is "
                        "wider than a new one's")

    def __init__(self, hoppers: int, gas: HeadGas,
                 changed: Callable[[], None] = _nothing) -> None:
        super().__init__()
        if not 1 <= hoppers <= 4:
            raise ValueError(f"hoppers must be 1 to 4, not {hoppers}")
        self._gas, self._changed = gas, changed
        self.hoppers = [self.add(f"Hopper{i + 1}", Hopper(changed)) for i in range(hoppers)]

    def driven(self, attribute: str) -> None:
        self._changed()

    def flows(self, times: Floats) -> Floats:
        """Powder flows (n, hoppers) in kg/s that leave the nozzle at times (n,) from now on."""
        gas = self._gas.carrier(times)
        delay = self.DELAY * self.NOMINAL / np.maximum(gas, self.LOWEST)
        carried = np.clip(gas / self.LOWEST - 1, 0.0, 1.0)
        return np.column_stack([hopper.outlet(times - delay) for hopper in self.hoppers]
                               ) * carried[:, None]

    def account(self) -> None:
        """Count what has left the hoppers, and show the hose's pressure."""
        for hopper in self.hoppers:
            hopper.account()
        flow = float(self._gas.carrier(np.array([self.now]))[0])
        clog = max(float(hopper.clog) for hopper in self.hoppers)
        self.hose_pressure = 40e2 * (flow / self.NOMINAL) ** 2 * (1 + 2 * clog)

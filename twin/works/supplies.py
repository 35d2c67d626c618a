"""What all machines of a works draw on: gas tanks with deliveries, mains, chilled water."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

from twin.machine import AMBIENT, Equipment
from twin.signals import fault, measured
from twin.trajectory import Constant, Growth, Ramp, Relaxation
from twin.works.timer import Timer

__all__ = ["ChilledWater", "GasTank", "Mains"]


class GasTank(Equipment):
    """A tank of liquefied gas, measured as gas at ambient; a lorry fills it after it was asked.

    The flow is a step between events, so the level falls in straight lines and the moments at
    which it passes the reorder level and runs dry are known beforehand.
    """

    name = measured(str, length=32, doc="gas in the tank")
    level = measured("m3", low=0, high=1e6, quantum=0.1, doc="gas in the tank, at ambient")
    flow = measured("m3/h", low=0, high=1e5, quantum=0.01, doc="flow to all machines")
    delivered = measured("m3", low=0, high=1e8, quantum=0.1, doc="gas delivered so far")
    taken = measured("m3", low=0, high=1e8, quantum=0.1, doc="gas taken so far")
    missing = measured("m3", low=0, high=1e8, quantum=0.1,
                       doc="gas that machines asked for while the tank was empty")
    on_order = measured(bool, doc="a delivery is on its way")
    scarce = measured(bool, doc="below the level at which no job starts any more")
    empty = measured(bool, doc="the tank is empty")
    late = fault("h", low=0, high=2000, doc="so much later every delivery comes that is ordered")
    leak = fault("m3/h", low=0, high=1000, doc="gas lost from the tank")

    def __init__(self, name: str, capacity: float, start: float, reorder: float,
                 lead_time: float, reserve: float = 0.0) -> None:
        """Levels in m3 at ambient; `lead_time`: s from order to delivery."""
        super().__init__()
        self.name, self.level = name, start
        self.capacity, self.reorder, self.lead_time = capacity, reorder, lead_time
        self.reserve = reserve
        self._flows: dict[str, float] = {}
        self._crossing = Timer(self, self._crossed)
        self._delivery = Timer(self, self._deliver)

    def started(self) -> None:
        if not self.trajectories:
            self._anchor()
        self._crossing.arm()
        self._delivery.arm()

    def flows(self, consumer: str, rate: float) -> None:
        """A machine takes so much gas (m3/s at ambient) from now on."""
        if self._flows.get(consumer, 0.0) != rate:
            self._flows[consumer] = rate
            self._anchor()

    def driven(self, attribute: str) -> None:
        self._anchor()

    def _anchor(self) -> None:
        now = self.now
        self.sense(now)
        self.flow = sum(self._flows.values())
        out = self.flow + self.leak
        self.empty, self.scarce = self.level <= 0.0, self.level <= self.reserve
        if out > 0 and not self.empty:
            self.follow("level", Ramp(now, self.level, 0.0, out))
        else:
            self.settle("level", max(self.level, 0.0))
            self.follow("level", Constant(self.level))
        self.follow("taken", Growth(now, self.taken, 0.0 if self.empty else self.flow))
        self.follow("missing", Growth(now, self.missing, self.flow if self.empty else 0.0))
        due = inf
        if out > 0 and not self.empty:
            below = max(m for m in (0.0, self.reserve, self.reorder) if m < self.level)
            due = now + (self.level - below) / out
        if self.level <= self.reorder and not self.on_order:
            self._order()
        self._crossing.set(due)

    def _crossed(self) -> None:
        self.sense(self.now)
        # Rounding leaves a trace above the level that has just been reached.
        for level in (0.0, self.reserve, self.reorder):
            if abs(self.level - level) <= 1e-9 * self.capacity:
                self.settle("level", level)
                if level == 0.0:
                    self.log("process", f"{self.name}: the tank is empty")
        self._anchor()

    def _order(self) -> None:
        self.on_order = True
        self._delivery.set(self.now + self.lead_time + self.late)
        self.log("process", f"{self.name}: delivery ordered", level=self.level)

    def _deliver(self) -> None:
        self.sense(self.now)
        filled = self.capacity - self.level
        self.settle("level", self.capacity)
        self.delivered += filled
        self.on_order = False
        self.log("process", f"{self.name}: delivered", volume=filled)
        self._anchor()

    def hidden_state(self) -> dict[str, Any]:
        return {"flows": dict(self._flows), "crossing": _due(self._crossing),
                "delivery": _due(self._delivery)}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        self._flows = dict(hidden["flows"])
        self._crossing.due = _back(hidden["crossing"])
        self._delivery.due = _back(hidden["delivery"])


def _due(timer: Timer) -> float | None:
    return None if timer.due == inf else timer.due  # JSON knows no infinity


def _back(due: float | None) -> float:
    return inf if due is None else due


class Mains(Equipment):
    """The works' electrical supply: the sum of what its machines draw."""

    power = measured("kW", low=0, high=1e5, quantum=0.01, doc="electrical power of all machines")
    energy = measured("kWh", low=0, high=1e8, quantum=0.001, doc="electrical energy so far")
    peak = measured("kW", low=0, high=1e5, quantum=0.01, doc="highest power so far")
    present = measured(bool, start=True, doc="mains voltage")
    lost = fault(bool, doc="mains voltage of the whole works is lost while true")

    def __init__(self) -> None:
        super().__init__()
        self._powers: dict[str, float] = {}
        self.listeners: list[Callable[[bool], None]] = []
        """Told whether there is voltage."""

    def started(self) -> None:
        if not self.trajectories:
            self._anchor()

    def draws(self, consumer: str, power: float) -> None:
        """A machine takes so much power (W) from now on."""
        if self._powers.get(consumer, 0.0) != power:
            self._powers[consumer] = power
            self._anchor()

    def driven(self, attribute: str) -> None:
        self.present = not self.lost
        self.log("process", "mains voltage is " + ("lost" if self.lost else "back"))
        for listen in self.listeners:
            listen(self.present)

    def _anchor(self) -> None:
        now = self.now
        self.sense(now)
        self.power = sum(self._powers.values())
        self.peak = max(self.peak, self.power)
        self.follow("energy", Growth(now, self.energy, self.power))

    def hidden_state(self) -> dict[str, Any]:
        return {"powers": dict(self._powers)}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        self._powers = dict(hidden["powers"])


class ChilledWater(Equipment):
    """Cooling water of the works: machines' heat against what the chillers can remove.

    Heat above the capacity warms the water: C dT/dt = Q - capacity - K (T - T_set), so that the
    supply temperature relaxes to T_set + (Q - capacity) / K within C / K. Pipes and tank lose
    little heat: without chillers even a few machines warm it in hours. Chillers that can do more
    than they must bring it back within `COOLING`.
    """

    SETPOINT = AMBIENT - 5.0  # K, default
    WARMING = 9000.0  # s: C / K, default
    SPAN = 250.0  # K that heat of one capacity beyond it warms the water by, default
    HOTTEST = AMBIENT + 60.0  # K: machines trip long before, default
    COOLING = 900.0  # s, default

    heat = measured("kW", low=0, high=1e5, quantum=0.01, doc="heat that machines give to the water")
    supply_temperature = measured("degC", low=0, high=90, start=15, quantum=0.01,
                                  doc="water to the machines")
    evaporated = measured("kg", low=0, high=1e9, quantum=0.01,
                          doc="water that the cooling tower evaporated")
    capacity_loss = fault("%", low=0, high=100, doc="share of the chillers that has failed")

    def __init__(self, capacity: float, share: float, water: float) -> None:
        """`capacity`: W; `share` of electrical power that is heat here; `water`: kg per J."""
        super().__init__()
        self.capacity, self.share, self.water = capacity, share, water
        self.supply_temperature = self.SETPOINT

    @property
    def available(self) -> float:
        """Heat (W) that can be removed now."""
        return float(self.capacity * (1 - self.capacity_loss))

    def started(self) -> None:
        if not self.trajectories:
            self._anchor()

    def takes(self, power: float) -> None:
        """All machines draw so much power (W) from now on."""
        if self.share * power != self.heat:
            self.heat = self.share * power
            self._anchor()

    def driven(self, attribute: str) -> None:
        self._anchor()

    def _anchor(self) -> None:
        now = self.now
        self.sense(now)
        beyond = max(self.heat - self.available, 0.0)
        target = min(self.SETPOINT + self.SPAN * beyond / self.capacity, self.HOTTEST)
        within = self.WARMING if beyond > 0 else self.COOLING
        self.follow("supply_temperature",
                    Relaxation(now, self.supply_temperature, target, within))
        self.follow("evaporated", Growth(now, self.evaporated, self.heat * self.water))

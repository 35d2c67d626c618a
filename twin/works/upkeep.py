"""A machine as the works sees it: its meters, its hours, when it breaks and when it is served."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, inf, log
from typing import Any

from twin.machine import Equipment
from twin.signals import fault, measured
from twin.trajectory import Constant, Growth
from twin.works.timer import Timer

__all__ = ["Machine", "Upkeep"]


@dataclass(frozen=True)
class Upkeep:
    """How a machine fails and what is done for it; times in s. Every figure is a default.

    Failures come at random in working hours (exponential, so a worn machine is no likelier to
    fail than a new one); repairs are log-normal around their median.
    """

    between_failures: float = 400 * 3600.0
    """Mean working time between failures; 0 = never."""
    repair: float = 3 * 3600.0
    """Median time of a repair."""
    spread: float = 1.8
    """Geometric standard deviation of repair times."""
    fatal: float = 0.15
    """Share of failures that end the job in work."""
    interval: float = 500 * 3600.0
    """Working time between planned maintenances; 0 = none."""
    service: float = 4 * 3600.0
    """Time of a planned maintenance."""
    skill: str = "maintenance"


class Machine(Equipment):
    """A place in the works with a machine on it."""

    name = measured(str, length=32, doc="name of the machine")
    power = measured("kW", low=0, high=5000, quantum=0.01, doc="electrical power")
    energy = measured("kWh", low=0, high=1e7, quantum=0.001, doc="electrical energy so far")
    gas = measured("m3", low=0, high=1e7, quantum=0.001, doc="gas taken so far, at ambient")
    working = measured(bool, doc="the machine works on a job")
    hours = measured("h", low=0, high=1e6, quantum=0.001, doc="time that it worked on jobs")
    since_service = measured("h", low=0, high=1e6, quantum=0.001,
                             doc="working time since the last planned maintenance")
    broken = measured(bool, doc="the machine has failed and waits for its repair")
    failures = measured(int, low=0, high=100_000, doc="failures so far")
    breakdown = fault(bool, doc="the machine fails now")
    frailty = fault("", low=0, high=100, start=1, doc="failures come so many times as often")

    def __init__(self, name: str, upkeep: Upkeep) -> None:
        super().__init__()
        self.name, self.upkeep = name, upkeep
        self._left = inf  # s of work until the next failure
        self._anchored = 0.0
        self.fatal = False
        """Whether the present failure ended the job in work."""
        self._failure = Timer(self, self._fail)
        self._flow = 0.0
        self._rate = 1.0  # frailty since the anchor

    def started(self) -> None:
        if not self.trajectories:
            self._left = self._draw()
            self.metered(0.0, 0.0)
            self.work(False)
        self._failure.arm()

    def _draw(self) -> float:
        if self.upkeep.between_failures <= 0:
            return inf
        u = float(self.plant.stream(f"{self.name}/failure", self.failures).random())
        return -log(1 - u) * self.upkeep.between_failures

    def repair_time(self) -> float:
        """How long the repair of the present failure takes, s."""
        z = float(self.plant.stream(f"{self.name}/repair", self.failures).standard_normal())
        return self.upkeep.repair * exp(z * log(self.upkeep.spread))

    def metered(self, power: float, flow: float) -> None:
        """The machine draws so much power (W) and gas (m3/s) from now on."""
        now = self.now
        self.sense(now)
        self.power, self._flow = power, flow
        self.follow("energy", Growth(now, self.energy, power))
        self.follow("gas", Growth(now, self.gas, flow))

    def work(self, on: bool) -> None:
        """Whether it works on a job from now on."""
        now = self.now
        self._age(now)
        self.working, self._rate = on, self.frailty
        for name in ("hours", "since_service"):
            rate = 1.0 if on else 0.0
            self.follow(name, Growth(now, getattr(self, name), rate) if on
                        else Constant(getattr(self, name)))
        self._failure.set(now + self._left / self.frailty
                          if on and self.frailty > 0 and not self.broken else inf)

    def _age(self, now: float) -> None:
        self.sense(now)
        if self.working and not self.broken:
            self._left = max(self._left - (now - self._anchored) * self._rate, 0.0)
        self._anchored = now

    def driven(self, attribute: str) -> None:
        if attribute == "breakdown":
            if self.breakdown and not self.broken:
                self._fail()
            return
        self.work(self.working)

    def _fail(self) -> None:
        self._age(self.now)
        self.failures += 1
        self.broken = True
        draw = float(self.plant.stream(f"{self.name}/fatal", self.failures).random())
        self.fatal = draw < self.upkeep.fatal
        self._left = inf
        self._failure.set(inf)
        self.log("process", f"{self.name} has failed", fatal=int(self.fatal))

    def repaired(self) -> None:
        """The failure is mended; the next one comes when it comes."""
        self.broken = self.breakdown = self.fatal = False
        self._left = self._draw()
        self.log("process", f"{self.name} is repaired")
        self.work(self.working)

    @property
    def service_due(self) -> bool:
        """Whether planned maintenance is due."""
        self.sense(self.now)
        return bool(0 < self.upkeep.interval <= self.since_service)

    def serviced(self) -> None:
        """Planned maintenance is done."""
        self.settle("since_service", 0.0)
        self.work(self.working)

    def read_meters(self) -> tuple[float, float]:
        """Energy (J) and gas (m3) so far."""
        self.sense(self.now)
        return self.energy, self.gas

    def hidden_state(self) -> dict[str, Any]:
        return {"left": None if self._left == inf else self._left, "anchored": self._anchored,
                "fatal": self.fatal, "flow": self._flow, "rate": self._rate,
                "failure": None if self._failure.due == inf else self._failure.due}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        self._left = inf if hidden["left"] is None else hidden["left"]
        self._anchored, self.fatal = hidden["anchored"], hidden["fatal"]
        self._flow, self._rate = hidden["flow"], hidden["rate"]
        self._failure.due = inf if hidden["failure"] is None else hidden["failure"]

"""Magazine, chuck feed and gap of a rotating electrode: what rod there is and where its face is."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import asdict, dataclass
from math import pi
from typing import Any

from twin.machine import Equipment
from twin.materials import Alloy
from twin.signals import actuator, fault, measured
from twin.trajectory import Polyline

__all__ = ["Rod", "RodFeed"]


@dataclass
class Rod:
    """A rod that is in the machine or was."""

    id: str
    number: int
    diameter: float
    """m"""
    first: float
    """Length (m) as loaded."""
    length: float
    """What is left, m."""
    density: float
    """At room temperature, kg/m3."""
    oxygen: float
    """Mass fraction."""
    drops: float = 1.0
    """Its melt's drops over those of the usual melt: surface tension follows traces."""
    told: bool = False
    """Whether what became of it is accounted for."""

    @classmethod
    def of(cls, id: str, number: int, alloy: Alloy, diameter: float, length: float,
           oxygen: float, drops: float = 1.0) -> Rod:
        """A rod as loaded."""
        return cls(id, number, diameter, length, length, float(alloy.density(293.15)), oxygen,
                   drops)

    @property
    def area(self) -> float:
        """Of the face, m2."""
        return pi / 4.0 * self.diameter**2

    @property
    def mass(self) -> float:
        """Of what is left, kg."""
        return self.density * self.area * self.length

    def plain(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


class RodFeed(Equipment):
    """Pushes the rod after its melting face, by itself on the arc's voltage if told so.

    The regulator compares the voltage with its setpoint once a second: feed = lead + K (V - Vset)
    and an integral of it. What the rod really does is less where the rollers slip.
    """

    HOME = 50e-3  # m of gap with a new rod, default
    FASTEST = 6e-3  # m/s, default
    RETRACT = 3e-3  # m/s backwards, default
    GAIN = 1.0e-4  # m/s per V, default
    RESET = 40.0  # s of the integral, default
    LIMIT = 25e-3  # m of rod at which the limit switch cuts the arc

    length = measured("mm", low=0, high=2000, noise=0.02, quantum=0.1,
                      companion="Monitoring/Process/RodLength",
                      doc="what is left of the rod, laser at the feed carriage and the face")
    stand_off = measured("mm", low=0, high=200, start=50, noise=0.4, quantum=0.1,
                         doc="gap between torch and face, by the camera at the window")
    feed_rate = measured("mm/s", low=-10, high=10, noise=0.002, quantum=0.001,
                         companion="Monitoring/Process/FeedRate",
                         doc="speed of the feed drive, tachometer")
    rods_left = measured(int, low=0, high=100, doc="rods in the magazine")
    chucked = measured(bool, doc="a rod is in the chuck")
    limit_switch = measured(bool, doc="shortest stub reached: the arc is cut")
    change = actuator(bool, edge=True, doc="take the next rod out of the magazine and chuck it "
                      "(rising edge)")
    eject = actuator(bool, edge=True, doc="let the stub go (rising edge)")
    feed = actuator("mm/s", low=-6, high=6, doc="feed demand; lead of the regulator")
    regulate = actuator(bool, doc="regulate the feed on the arc's voltage")
    voltage_target = actuator("V", low=20, high=140, start=60, doc="arc voltage to keep")
    gauge_error = fault("mm", low=-50, high=50, doc="what the length gauge reads over the truth: "
                        "metal on its window")
    jam = fault(bool, doc="the magazine jams: no rod comes out of it")
    slip = fault("%", low=0, high=100, doc="share of the feed that slips on the rod")

    def __init__(self) -> None:
        super().__init__()
        self.rod: Rod | None = None
        self.gap = self.HOME
        self.integral = 0.0  # V s
        self.drive = 0.0  # m/s of the carriage
        self.taken = 0  # rods taken out of the magazine in this job
        self.change_time = 60.0  # s to take a rod out of the magazine and chuck it
        self._due: float | None = None
        self._epoch = 0
        self.loads: Callable[[int], Rod | None] = lambda number: None
        """Gives the rod of a number, or none if the magazine is empty."""
        self.let_go: Callable[[], None] = lambda: None
        """Told that the stub is to go."""
        self.changed: Callable[[], None] = lambda: None
        """Told before the feed changes."""
        self.after: Callable[[], None] = lambda: None
        """Told when rod or feed have changed."""

    @property
    def moving(self) -> bool:
        """Whether the carriage moves or is to."""
        return bool(self.feed != 0.0 or self.regulate)

    @property
    def true_rate(self) -> float:
        """Speed (m/s) of the rod itself towards the torch."""
        return self.drive * (1.0 - float(self.slip)) if self.rod is not None else 0.0

    def steer(self, voltage: float, burning: bool, step: float) -> None:
        """Once a tick: what the drive does until the next one."""
        asked = float(self.feed)
        if self.regulate and burning:
            error = voltage - self.voltage_target
            asked += self.GAIN * (error + self.integral / self.RESET)
            if -self.RETRACT < asked < self.FASTEST:
                self.integral += error * step
        elif self.regulate:
            # Without an arc the voltage says nothing: the carriage waits.
            asked, self.integral = 0.0, 0.0
        if self.rod is not None and self.rod.length <= self.LIMIT and asked > 0.0:
            asked = 0.0
        self.drive = min(max(asked, -self.RETRACT), self.FASTEST)
        self.feed_rate = self.drive

    def halt(self) -> None:
        """Nothing moves."""
        self.drive = self.feed_rate = 0.0
        self.settle("stand_off", self.gap)
        self.settle("length", self._seen(self.rod.length) if self.rod else 0.0)

    def show(self, burn: float, until: float) -> None:
        """Readings up to ``until`` (s) while the face burns off at ``burn`` (m/s)."""
        now = self.now
        later = self.gap + (burn - self.true_rate) * (until - now)
        self.follow("stand_off", Polyline((now, until), (self.gap, max(later, 0.0))))
        left = self.rod.length if self.rod else 0.0
        ends = (left, max(left - burn * (until - now), 0.0))
        if self.rod is not None:
            ends = (self._seen(ends[0]), self._seen(ends[1]))
        self.follow("length", Polyline((now, until), ends))

    def _seen(self, length: float) -> float:
        return float(max(length + self.gauge_error, 0.0))

    def driven(self, attribute: str) -> None:
        if attribute == "change" and self.change:
            if self._due is None and self.rod is None:
                self._due = self.now + self.change_time
                self.plant.run(self._load(self._due, self._epoch))
            return
        if attribute == "eject":
            if self.eject and self.rod is not None:
                self.let_go()
            return
        if attribute == "jam":
            return
        if attribute == "regulate":
            self.integral = 0.0
        self.changed()
        self.after()

    def tripped(self, power_lost: bool) -> None:
        self.changed()
        self.regulate, self.feed, self.integral = False, 0.0, 0.0
        self.after()

    def started(self) -> None:
        if self._due is not None:
            self.plant.run(self._load(self._due, self._epoch))

    def _load(self, due: float, epoch: int) -> Generator[Any, Any, None]:
        yield self.plant.env.at(due)
        if epoch != self._epoch:
            return
        self._due = None
        rod = None if self.jam else self.loads(self.taken)
        if rod is None:
            self.log("process", "no rod came out of the magazine")
            return
        self.taken += 1
        self.place(rod)
        self.log("process", f"rod {rod.number + 1} chucked", mass=rod.mass, length=rod.length)

    def stop_change(self) -> None:
        """A rod that is on its way out of the magazine goes back."""
        self._due, self._epoch = None, self._epoch + 1

    def place(self, rod: Rod | None) -> None:
        """A rod in the chuck, or none."""
        self.rod, self.gap, self.integral = rod, self.HOME, 0.0
        self.chucked = rod is not None
        self.limit_switch = False
        self.halt()
        self.after()

    def hidden_state(self) -> dict[str, Any]:
        return {"rod": self.rod.plain() if self.rod else None, "gap": self.gap,
                "integral": self.integral, "drive": self.drive, "taken": self.taken,
                "due": self._due}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        self.rod = Rod(**hidden["rod"]) if hidden["rod"] else None
        self.gap, self.integral, self.drive = hidden["gap"], hidden["integral"], hidden["drive"]
        self.taken, self._due = hidden["taken"], hidden["due"]

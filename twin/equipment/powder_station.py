"""What stations of a powder line share: the powder in it, its account, ticks while at work."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Any

import numpy as np

from twin.equipment.inert_line import InertLine
from twin.machine import AMBIENT, Equipment, Plant
from twin.physics.powder_surface import film_growth, oxygen_of_film
from twin.powder.lot import PowderLot
from twin.powder.operations import Draw, Item, Operation, renamed, with_oxygen
from twin.signals import actuator, measured
from twin.trajectory import Polyline

__all__ = ["FlowStation", "PowderLine", "Station"]


@dataclass
class PowderLine:
    """The powder in the line: what waits, the batch in work, what has been turned out.

    Every change of it goes through `operate`, which keeps the account.
    """

    feed: list[PowderLot] = field(default_factory=list)
    """Used powder that waits."""
    virgin: list[PowderLot] = field(default_factory=list)
    batch: PowderLot | None = None
    film: float = 0.0
    """Oxide (m) that has grown on the batch since it came and is in no account yet."""
    unmixed: float = 0.0
    """How uneven the batch still is over how it was when its parts were put together, 0 to 1."""
    contrast: float = 0.0
    """Standard deviation of oxygen (mass fraction) between samples then."""
    alloy: str = ""
    """Of the job's product."""
    heel: PowderLot | None = None
    """What lies in corners where powder does not flow: it is in no account but the line's own."""
    filled: dict[str, float] = field(default_factory=dict)
    """kg turned out into bins since they were emptied, by bin."""
    plant: Plant | None = None
    changed: Callable[[], None] = lambda: None
    """Told when powder has moved: load cells."""

    def new_id(self, kind: str = "") -> str:
        """An id for a lot that is made here."""
        assert self.plant is not None
        return self.plant.new_id(kind)

    def operate(
        self,
        name: str,
        inputs: Sequence[Draw],
        outputs: Sequence[PowderLot | Item],
        gained: Mapping[str, float] | None = None,
        lost: Mapping[str, float] | None = None,
        **about: Any,
    ) -> tuple[PowderLot | Item, ...]:
        """Enter an operation; its outputs as they are from now on, empty ones left out."""
        assert self.plant is not None
        now = float(self.plant.env.now)
        made = tuple(
            renamed(o, o.id, origin=name, made_at=now, machine=self.plant.name)
            if isinstance(o, PowderLot) else o
            for o in outputs if o.mass > 0.0)
        self.plant.record_operation(Operation(
            name, self.plant.name, now, tuple(inputs), made, gained or {}, lost or {},
            about=about))
        self.changed()
        return made

    def put(self, bin_: str, mass: float) -> None:
        """So much (kg) has gone into a bin."""
        self.filled[bin_] = self.filled.get(bin_, 0.0) + mass

    def oxidised(self, lot: PowderLot) -> tuple[PowderLot, dict[str, float]]:
        """The lot with the oxide that has grown on it, and the oxygen gained (kg)."""
        gained = oxygen_of_film(self.film, lot.area)
        self.film = 0.0
        if gained <= 0.0:
            return lot, {}
        return with_oxygen(lot, gained), {"O": gained}

    @property
    def foul(self) -> bool:
        """Whether powder of another alloy than the job's lies in the line."""
        return self.heel is not None and any(
            c.alloy != self.alloy and c.mass > 0.0 for c in self.heel.constituents)

    def plain(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "alloy": self.alloy, "heel": self.heel.plain() if self.heel else None,
            "feed": [lot.plain() for lot in self.feed],
            "virgin": [lot.plain() for lot in self.virgin],
            "batch": self.batch.plain() if self.batch else None,
            "film": self.film, "unmixed": self.unmixed, "contrast": self.contrast,
            "filled": dict(self.filled)}

    def restore(self, data: Mapping[str, Any]) -> None:
        """Take back what `plain` gave."""
        self.alloy = data["alloy"]
        self.heel = PowderLot.of(data["heel"]) if data["heel"] else None
        self.feed = [PowderLot.of(lot) for lot in data["feed"]]
        self.virgin = [PowderLot.of(lot) for lot in data["virgin"]]
        self.batch = PowderLot.of(data["batch"]) if data["batch"] else None
        self.film, self.unmixed = data["film"], data["unmixed"]
        self.contrast, self.filled = data["contrast"], dict(data["filled"])


class Station(Equipment):
    """One station: it works on the batch while it is told to run and the line permits it.

    It ticks on a grid of simulated time while at work, and looks one step ahead, so that readings
    between two ticks lie on straight lines.
    """

    STEP = 2.0  # s
    POWER = 300.0  # W while at work, default
    MIXES = 1.0
    """How uneven a batch is behind the station over how it was before, default."""

    run = actuator(bool, doc="station on; off in between is a pause")
    done = measured(bool, doc="the batch has passed the station; until it is started again")

    def __init__(self, line: PowderLine, gas: InertLine) -> None:
        super().__init__()
        self._line = line
        self._gas = gas
        self._due: float | None = None
        self.begun = False

    # -- what a station says ------------------------------------------------------------------

    def begin(self) -> None:
        """Take the batch in."""

    def work(self, now: float, step: float) -> bool:
        """One step of work; whether the batch is through."""
        raise NotImplementedError

    def finish(self) -> None:
        """The batch is through: what became of it."""

    def idle(self) -> None:
        """Bring readings to rest."""

    def clear(self) -> None:
        """What was in it has been taken out."""
        self.begun = self.done = False

    def always(self) -> bool:
        """Whether it must tick though it does not work, such as while hot."""
        return False

    def passive(self, now: float, step: float) -> None:
        """What goes on in a step without work."""

    def temperature(self) -> float:
        """Of the powder, K."""
        return AMBIENT

    # -- ticks --------------------------------------------------------------------------------

    @property
    def working(self) -> bool:
        """Whether it works at this moment."""
        return bool(self.run and not self.done and self._gas.permits)

    def driven(self, attribute: str) -> None:
        if attribute == "run" and self.run and self.done:
            self.done, self.begun = False, False
        self.wake()

    def tripped(self, power_lost: bool) -> None:
        self.run = False
        self.wake()

    def started(self) -> None:
        if self._due is not None:
            self.plant.run(self._ticks(self._due))

    def wake(self) -> None:
        """Begin to tick if it rests."""
        if self._due is None and (self.working or self.always()):
            self._due = self.STEP * ceil(self.now / self.STEP + 1e-9)
            self.plant.run(self._ticks(self._due))

    def _ticks(self, due: float) -> Generator[Any, Any, None]:
        while True:
            yield self.plant.env.at(due)
            if not (self.working or self.always()):
                self._due = None
                self.rest()
                return
            self._tick(due)
            due = self._due = (round(due / self.STEP) + 1) * self.STEP

    def rest(self) -> None:
        """Readings and power as of a station that stands."""
        self.draw(0.0)
        self.idle()

    def _tick(self, now: float) -> None:
        line = self._line
        if not self.working:
            self.passive(now, self.STEP)
            return
        if not self.begun:
            self.begun = True
            self.begin()
        self.draw(self.POWER)
        if line.batch is not None and line.batch.metal > 0.0:
            line.film = film_growth(line.film, self.temperature(), self._gas.oxygen, self.STEP)
        if self.work(now, self.STEP):
            self.finish()
            line.unmixed *= self.MIXES
            self.done = True

    def show(self, attribute: str, now: float, step: float, value: float) -> None:
        """A reading goes to a value within the step, from what it is."""
        self.sense(now)
        self.follow(attribute, Polyline((now, now + step), (getattr(self, attribute), value)))

    def hidden_state(self) -> dict[str, Any]:
        return {"due": self._due, "begun": self.begun}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        self._due, self.begun = hidden["due"], hidden["begun"]


class FlowStation(Station):
    """A station that the batch flows through; what it does is summed up over the flow."""

    MIXES = 0.5

    feed = actuator("kg/h", low=0, high=1000, start=100, doc="feed rate demand")
    rate = measured("kg/h", low=0, high=1200, noise=0.1, quantum=0.1, doc="powder fed, from the "
                    "loss in weight")
    remaining = measured("kg", low=0, high=1000, noise=0.002, quantum=0.001,
                         doc="powder before the station, load cell")

    def __init__(self, line: PowderLine, gas: InertLine) -> None:
        super().__init__(line, gas)
        self.left = 0.0
        self.total = 0.0
        self._sum: np.ndarray[Any, Any] | float = 0.0  # of shares times mass

    def begin(self) -> None:
        batch = self._line.batch
        self.total = self.left = batch.metal if batch is not None else 0.0
        self._sum = 0.0

    def share(self, rate: float) -> np.ndarray[Any, Any] | float:
        """Share of each size class (n, 40) that goes the product's way now, at a feed (kg/s)."""
        return 1.0

    def flow(self) -> float:
        """Feed, kg/s."""
        return float(self.feed)

    def work(self, now: float, step: float) -> bool:
        moved = min(self.flow() * step, self.left)
        self._sum = self._sum + np.asarray(self.share(moved / step)) * moved
        if self.left - moved < 1e-9 * self.total:
            moved = self.left
        self.left -= moved
        self.show("rate", now, step, moved / step)
        self.show("remaining", now, step, self.left)
        return self.left <= 0.0

    def kept(self) -> np.ndarray[Any, Any]:
        """The mean share over all that has flown."""
        return np.clip(np.asarray(self._sum) / self.total, 0.0, 1.0)

    def clear(self) -> None:
        super().clear()
        self.left = 0.0
        self.settle("remaining", 0.0)

    def idle(self) -> None:
        self.settle("rate", 0.0)
        self.settle("remaining", self.left)

    def hidden_state(self) -> dict[str, Any]:
        held = self._sum.tolist() if isinstance(self._sum, np.ndarray) else self._sum
        return {**super().hidden_state(), "left": self.left, "total": self.total, "sum": held}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        super().restore_hidden(hidden)
        self.left, self.total = hidden["left"], hidden["total"]
        held = hidden["sum"]
        self._sum = np.array(held) if isinstance(held, list) else held

"""Ways of powder into a recycling line and out: vacuum conveyor, drum magnet, bins with scales."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import sqrt
from typing import Any

import numpy as np

from twin.equipment.inert_line import DustFilter, InertLine
from twin.equipment.powder_station import FlowStation, PowderLine
from twin.machine import Equipment
from twin.physics.sorting import AUSTENITIC, Drum
from twin.powder.lot import PowderLot, totals
from twin.powder.operations import Draw, blend, draw, renamed, split
from twin.powder.sizes import CENTRES
from twin.signals import actuator, fault, measured
from twin.trajectory import Relaxation

__all__ = ["Bins", "Conveyor", "DrumMagnet", "take"]


def take(waiting: list[PowderLot], mass: float) -> tuple[list[PowderLot], list[PowderLot]]:
    """Take ``mass`` (kg) from lots in their order: what was drawn, and what waits still."""
    drawn: list[PowderLot] = []
    rest: list[PowderLot] = []
    for lot in waiting:
        if mass <= 0.0:
            rest.append(lot)
        elif lot.mass <= mass * (1.0 + 1e-9):
            drawn.append(lot)
            mass -= lot.mass
        else:
            part, left = draw(lot, mass)
            drawn.append(part)
            rest.append(left)
            mass = 0.0
    return drawn, rest


class Conveyor(FlowStation):
    """Vacuum conveyor: it recovers used powder into the line's hopper; the finest goes to dust."""

    POWER = 800.0  # W besides the fan, default
    AIRBORNE = (10e-6, 0.3)  # m below which a grain may stay in the gas, share of them, default
    SUCTION = 25_000.0  # Pa at full fan speed, default
    HOPPER = 60.0  # kg that a batch may have, default
    MIXES = 1.0
    HEEL = 0.06  # kg that a clean line keeps in its corners, default

    vacuum = measured("mbar", low=0, high=500, noise=0.2, quantum=0.1,
                      companion="Monitoring/Process/ConveyingVacuum", doc="suction")
    charge = actuator("kg", low=0, high=1000, doc="powder to recover; 0: all that waits")
    blockage = fault("%", low=0, high=100, doc="share of the pipe that a plug closes")

    def __init__(self, line: PowderLine, gas: InertLine, filter_: DustFilter) -> None:
        super().__init__(line, gas)
        self._filter = filter_
        self._inputs: list[PowderLot] = []

    def begin(self) -> None:
        line = self._line
        waits = sum(lot.mass for lot in line.feed)
        wanted = min(self.charge, waits) if self.charge > 0.0 else waits
        self._inputs, line.feed = take(line.feed, min(wanted, self.HOPPER))
        line.film = line.unmixed = line.contrast = 0.0
        line.batch = blend(self._inputs, line.new_id()) if self._inputs else None
        super().begin()

    def driven(self, attribute: str) -> None:
        super().driven(attribute)
        self.suck()

    def suck(self) -> None:
        """The suction follows the fan and what closes the pipe."""
        self.sense(self.now)
        wanted = self.SUCTION * self._filter.fan**2 * (1.0 + 1.5 * self.blockage) * (
            1.0 - self._filter.breach)
        self.follow("vacuum", Relaxation(self.now, self.vacuum, wanted, 1.5))

    def flow(self) -> float:
        # Without suction nothing moves.
        pull = min(self._filter.fan / 0.5, 1.0) * (1.0 - 0.9 * self._filter.breach)
        return float(self.feed * (1.0 - self.blockage) * pull)

    def finish(self) -> None:
        line = self._line
        if line.batch is None:
            return
        came, left, heel = self._corners()
        size, share = self.AIRBORNE
        keep = 1.0 - share * np.clip((size - CENTRES) / size + 0.3, 0.0, 1.0)
        batch, dust = split(line.batch, np.minimum(keep, 1.0), (line.batch.id, line.new_id("dust")))
        through = self._filter.collect(dust.metal)
        lost: dict[str, float] = {}
        if dust.mass > 0.0:
            gone, dust = draw(dust, min(through / max(dust.metal, 1e-300), 1.0) * dust.mass)
            lost = gone.elements
            line.put("dust", dust.mass)
        parents = tuple(dict.fromkeys(lot.id for lot in self._inputs))
        # Lots lie in the hopper one above the other.
        whole = sum(lot.metal for lot in self._inputs)
        uneven = sum(lot.metal * (lot.oxygen - line.batch.oxygen) ** 2 for lot in self._inputs)
        line.contrast, line.unmixed = sqrt(uneven / whole) if whole else 0.0, 1.0
        batch = renamed(batch, batch.id, parents=parents, status="new")
        batch, gained = line.oxidised(batch)
        made = line.operate(
            "recover", [Draw.all(lot) for lot in self._inputs],
            [batch, renamed(dust, dust.id, parents=parents, status="scrap")],
            gained=totals([gained, came]), lost=totals([lost, left]), heel=heel)
        line.batch = next((o for o in made if isinstance(o, PowderLot) and o.id == batch.id), None)
        self._inputs = []
        line.changed()

    def _corners(self) -> tuple[dict[str, float], dict[str, float], float]:
        """The corners of the line fill, or give up powder of another alloy and fill again.

        Powder of the same alloy stays there. What came out of them and what went into them, by
        element, and the latter's mass, kg.
        """
        line = self._line
        assert line.batch is not None
        if line.heel is not None and not line.foul:
            return {}, {}, 0.0
        came: dict[str, float] = {}
        if line.heel is not None:
            came = line.heel.elements
            line.batch = renamed(blend([line.batch, line.heel], line.batch.id), line.batch.id)
        kept = min(self.HEEL, 0.5 * line.batch.mass)
        line.heel, line.batch = draw(line.batch, kept)
        return came, line.heel.elements, line.heel.mass

    def give_back(self) -> list[PowderLot]:
        """Powder that was on its way and is in no batch yet."""
        given, self._inputs = self._inputs, []
        return given

    def hidden_state(self) -> dict[str, Any]:
        return {**super().hidden_state(), "inputs": [lot.plain() for lot in self._inputs]}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        super().restore_hidden(hidden)
        self._inputs = [PowderLot.of(lot) for lot in hidden["inputs"]]


class DrumMagnet(FlowStation):
    """A drum of permanent magnets: it takes ferromagnetic grains out of the falling powder."""

    FIELD = 0.4  # T at the drum, default
    POWER = 250.0

    field = measured("mT", low=0, high=1000, start=400, noise=0.5, quantum=1,
                     companion="Monitoring/Health/MagnetField", doc="Hall probe at the drum")
    speed = measured("rpm", low=0, high=120, noise=0.1, quantum=0.1, doc="drum speed")
    drum = actuator("rpm", low=0, high=100, start=40, doc="drum speed demand")
    weak = fault("%", low=0, high=100, doc="share of the field that the magnets have lost")

    def driven(self, attribute: str) -> None:
        super().driven(attribute)
        self.settle("field", self.FIELD * (1.0 - self.weak))

    def rest(self) -> None:
        super().rest()
        self.settle("speed", 0.0)

    def _magnet(self) -> Drum:
        # A drum that stands carries nothing away.
        turns = min(self.drum / (20.0 / 60.0), 1.0)
        return Drum(flux_density=max(self.field, 1e-6) * max(turns, 1e-3))

    def share(self, rate: float) -> np.ndarray[Any, Any]:
        assert self._line.batch is not None
        magnet = self._magnet()
        return np.array([[magnet.caught(c)] for c in self._line.batch.constituents])

    def work(self, now: float, step: float) -> bool:
        self.settle("speed", self.drum)
        return super().work(now, step)

    def finish(self) -> None:
        line, batch = self._line, self._line.batch
        if batch is None:
            return
        magnet, caught = self._magnet(), self.kept()
        kept_parts, left_parts = [], []
        for part, held in zip(batch.constituents, caught[:, 0], strict=True):
            single = replace(batch, constituents=(part,), water=0.0)
            # Magnetic grains first; of what is not, a little clings to them.
            share = magnet.magnetic(part)
            iron, other = split(single, share, ("iron", "other"))
            out, stays = split(iron, float(held), ("out", "stays"))
            clings, rest = split(other, magnet.entrained * float(held) * min(
                float(share.max()) * 10.0, 1.0), ("clings", "rest"))
            spatter = 1.0 if part.alloy in AUSTENITIC else None
            left_parts.append(_shaped(out, spatter).constituents[0])
            left_parts.append(clings.constituents[0])
            kept_parts.append(_restored(part, (stays.constituents[0], rest.constituents[0]),
                                        out.constituents[0], spatter))
        area = sum(c.area for c in (*kept_parts, *left_parts))
        wet = batch.water * (sum(c.area for c in left_parts) / area if area else 0.0)
        ids = (batch.id, line.new_id("magnetic"))
        kept = blend([replace(batch, constituents=tuple(kept_parts), water=batch.water - wet)],
                     line.new_id())
        left = blend([replace(batch, constituents=tuple(left_parts), water=wet)], ids[1])
        about = {"parents": (batch.id,)}
        kept, gained = line.oxidised(renamed(kept, kept.id, **about))
        left = renamed(left, left.id, parents=(batch.id,), status="scrap")
        line.put("magnetic", left.mass)
        made = line.operate("magnet", [Draw.all(batch)], [kept, left], gained=gained)
        line.batch = next((o for o in made if isinstance(o, PowderLot) and o.id == kept.id), None)
        line.changed()


def _shaped(lot: PowderLot, irregular: float | None) -> PowderLot:
    """Magnetic grains of austenitic steel are the irregular ones."""
    if irregular is None or not lot.constituents[0].mass:
        return lot
    part = lot.constituents[0]
    return replace(lot, constituents=(replace(part, irregular=np.ones(len(part.masses))),))


def _restored(whole: Any, parts: tuple[Any, ...], out: Any, spatter: float | None) -> Any:
    """What stays, with the irregular grains that went out taken off its share."""
    stays, rest = parts
    masses = stays.masses + rest.masses
    elements = {e: stays.elements[e] + rest.elements[e] for e in stays.elements}
    irregular = whole.irregular
    if spatter is not None:
        left = np.maximum(whole.masses * whole.irregular - out.masses, 0.0)
        irregular = np.divide(left, masses, out=np.zeros(len(masses)), where=masses > 0.0)
    return replace(whole, masses=masses, elements=elements, irregular=np.clip(irregular, 0.0, 1.0))


class Bins(Equipment):
    """Load cells of the line's hoppers and bins, and the gate through which a batch leaves."""

    DECISIONS = ("none", "release", "hold", "scrap")

    waiting = measured("kg", low=0, high=2000, noise=0.005, quantum=0.01,
                       doc="used powder that waits")
    virgin = measured("kg", low=0, high=2000, noise=0.005, quantum=0.01,
                      doc="virgin powder for blending")
    batch = measured("kg", low=0, high=1000, noise=0.005, quantum=0.01,
                     companion="Monitoring/Process/BatchMass", doc="batch in the line")
    magnetic = measured("kg", low=0, high=1000, noise=0.002, quantum=0.001,
                        doc="magnetic grains taken out")
    oversize = measured("kg", low=0, high=1000, noise=0.002, quantum=0.001,
                        doc="oversize and fines from the sieve")
    separated = measured("kg", low=0, high=1000, noise=0.002, quantum=0.001,
                         doc="the other stream of the separator")
    dust = measured("kg", low=0, high=1000, noise=0.002, quantum=0.001,
                    doc="dust and soot from filter and plasma")
    product = measured("kg", low=0, high=2000, noise=0.005, quantum=0.01,
                       companion="Monitoring/Process/ProductMass", doc="batches turned out")
    batches = measured(int, low=0, high=10_000, doc="batches of the job that are done")
    decision = actuator(int, choices=DECISIONS, doc="what becomes of the batch that leaves")
    discharge = actuator(bool, edge=True, doc="let the batch out (rising edge)")
    count = actuator(int, low=0, high=10_000, doc="batches of the job that are done")

    def __init__(self, line: PowderLine, out: Callable[[str], None]) -> None:
        super().__init__()
        self._line = line
        self._out = out

    def started(self) -> None:
        self.weigh()

    def weigh(self) -> None:
        """Read the scales."""
        line = self._line
        self.waiting = sum(lot.mass for lot in line.feed)
        self.virgin = sum(lot.mass for lot in line.virgin)
        self.batch = line.batch.mass if line.batch is not None else 0.0
        for name in ("magnetic", "oversize", "separated", "dust", "product"):
            setattr(self, name, line.filled.get(name, 0.0))

    def driven(self, attribute: str) -> None:
        if attribute == "discharge" and self.discharge:
            self._out(self.DECISIONS[self.decision])
            self.weigh()
        elif attribute == "count":
            self.batches = self.count

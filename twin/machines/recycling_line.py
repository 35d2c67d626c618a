"""Line that recycles used powder, batch by batch: the plant."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from twin.equipment.consumption import Consumption
from twin.equipment.inert_line import Bonding, DustFilter, InertLine
from twin.equipment.powder_dryer import PowderDryer
from twin.equipment.powder_laboratory import PowderLaboratory
from twin.equipment.powder_lots import OwnLots, refuse_twice
from twin.equipment.powder_separator import Separator
from twin.equipment.powder_station import PowderLine, Station
from twin.equipment.powder_transport import Bins, Conveyor, DrumMagnet
from twin.equipment.reconditioner import Blender, Reconditioner
from twin.equipment.services import SafetyChain
from twin.equipment.sieve_deck import SieveDeck
from twin.machine import Plant
from twin.materials import Alloy
from twin.physics.sorting import Method, grade, plan, product_share
from twin.powder.lot import PowderLot
from twin.powder.operations import Draw, Item, blend, renamed

__all__ = ["RecyclingJob", "RecyclingLine", "check_powder", "virgin"]

_STATUS: dict[str, Any] = {"release": "released", "hold": "hold", "scrap": "scrap"}


@dataclass(frozen=True)
class RecyclingJob:
    """Used powder to be worked up in so many batches."""

    name: str
    alloy: Alloy
    """Of the product."""
    batches: int
    separate: Method
    """How foreign powder is taken out; ``none``: not at all."""
    lots: tuple[PowderLot, ...] = ()
    """Powder that is worked up if none has been supplied."""
    given: bool = False
    """Whether the lots are ones that somebody brought, there once; else they are bought anew for
    every job."""
    frequency: float = 1e6
    """Hz, of the separator's coil."""

    @property
    def layers(self) -> int:
        """Batches; they count as layers do on other machines."""
        return self.batches


class RecyclingLine(Plant):
    """Conveyor, magnet, sieve, separator, dryer, surface, blender, laboratory under argon."""

    STANDBY = 600.0  # W, default
    HOPPER = Conveyor.HOPPER
    ROOM = 300.0  # kg of used powder that fits in front of the line, default

    def __init__(self, seed: int = 0) -> None:
        super().__init__(seed)
        self.line = PowderLine(plant=self)
        self.safety = self.add("Safety", SafetyChain())
        self.gas = self.add("Line", InertLine(self.safety))
        self.filter = self.add("Filter", DustFilter(self.safety))
        self.bonding = self.add("Bonding", Bonding(self.safety))
        self.conveyor = self.add("Conveyor", Conveyor(self.line, self.gas, self.filter))
        self.magnet = self.add("Magnet", DrumMagnet(self.line, self.gas))
        self.sieve = self.add("Sieve", SieveDeck(self.line, self.gas))
        self.separator = self.add("Separator", Separator(self.line, self.gas))
        self.dryer = self.add("Dryer", PowderDryer(self.line, self.gas))
        self.surface = self.add("Surface", Reconditioner(self.line, self.gas))
        self.blender = self.add("Blender", Blender(self.line, self.gas))
        self.laboratory = self.add("Laboratory", PowderLaboratory(self.line))
        self.bins = self.add("Bins", Bins(self.line, self._out))
        self.meter = self.consumption = self.add("Consumption", Consumption(self.STANDBY))
        self.job: RecyclingJob | None = None
        self._supplied: list[PowderLot] = []
        self.own = OwnLots()
        self._began = 0.0
        self._energy = 0.0
        self._fed = 0.0
        self.line.changed = self.bins.weigh
        self.assemble()

    @property
    def stations(self) -> tuple[Station, ...]:
        """In the order in which a batch passes them."""
        return (self.conveyor, self.magnet, self.sieve, self.separator, self.dryer, self.surface,
                self.blender)

    # -- lots and jobs ------------------------------------------------------------------------

    def supply(self, lots: Sequence[PowderLot]) -> None:
        """Used lots, and virgin ones (never used, nothing foreign) for blending.

        Raises `ValueError` for too much, or for a lot that is there already.
        """
        there = [lot.id for lot in (*self.line.feed, *self.line.virgin, *self._supplied)]
        refuse_twice(lots, there)
        used = sum(lot.mass for lot in (*self._supplied, *lots) if not virgin(lot))
        if used > self.ROOM:
            raise ValueError(f"{used:.4g} kg of used powder, the line takes {self.ROOM:g} kg")
        self._supplied += list(lots)

    def recall(self, ids: Collection[str]) -> list[PowderLot | Item]:
        gone = [lot for lot in self._supplied if lot.id in ids]
        self._supplied = [lot for lot in self._supplied if lot.id not in ids]
        return [*gone]

    def hindrance(self, job: RecyclingJob) -> str:
        if not self._supplied:
            return self.own.gone(job.lots) if job.given else ""
        try:
            check_powder(self._supplied, job)
        except ValueError as reason:
            return str(reason)
        return ""

    def load(self, job: RecyclingJob | None) -> None:
        """Take a job: what was supplied waits at the line, what was left over is turned out."""
        self.job = job
        line = self.line
        if job is None:
            return
        self.unload()
        self.laboratory.specified = line.alloy = job.alloy.name
        self.sieve.mount()
        lots, self._supplied = self._supplied or self.own.take(job.lots, self.new_id), []
        line.feed, line.virgin = _divided(lots, job.alloy.name)
        line.filled = {}
        self.separator.wanted = job.alloy.name if job.separate != "none" else ""
        self.separator.method = job.separate
        self._fed = sum(lot.mass for lot in line.feed)
        self.consumption.used(self._fed)
        self._began, self._energy = float(self.env.now), self._used_energy()
        self.bins.weigh()

    def unload(self) -> None:
        """All that is still in the line leaves it: begun powder held, the rest as it came."""
        line, conveyor = self.line, self.conveyor
        waits = [*line.feed, *line.virgin]
        if conveyor.begun and not conveyor.done:
            # Not yet recovered: it is still the lots that it was drawn from.
            waits = [*conveyor.give_back(), *waits]
            line.batch = None
        if self.dryer.begun and not self.dryer.done:
            self.dryer.abandon()
        if self.blender.begun and not self.blender.done:
            self.blender.finish()
        waits += self.blender.give_back()
        if line.batch is not None:
            lot, gained = line.oxidised(line.batch)
            line.operate("turn out", [Draw.all(line.batch)],
                         [renamed(lot, line.new_id(), parents=(line.batch.id,), status="hold")],
                         gained=gained)
        for lot in waits:
            line.operate("return", [Draw.all(lot)],
                         [renamed(lot, line.new_id(), parents=(lot.id,))])
        line.batch, line.feed, line.virgin = None, [], []
        line.film = line.unmixed = line.contrast = 0.0
        for station in self.stations:
            station.clear()
        self.bins.weigh()

    def clean(self) -> None:
        """The line is taken apart and brushed out: what lay in its corners is scrap."""
        heel, self.line.heel = self.line.heel, None
        if heel is not None:
            lot = renamed(heel, self.new_id("heel"), parents=(), status="scrap", cycle=heel.cycle)
            self.line.operate("clean", [], [lot], gained=lot.elements)
            self.line.put("oversize", lot.mass)

    def _used_energy(self) -> float:
        self.consumption.sense(float(self.env.now))
        return float(self.consumption.energy)

    def _out(self, decision: str) -> None:
        """The batch leaves the line."""
        line, batch = self.line, self.line.batch
        if decision == "none":
            self.unload()
            return
        if batch is None:
            return
        lot, gained = line.oxidised(batch)
        lot = renamed(lot, line.new_id(), parents=(batch.id,), status=_STATUS[decision])
        (made,) = line.operate(decision, [Draw.all(batch)], [lot], gained=gained)
        assert isinstance(made, PowderLot)
        line.put("product", made.mass)
        line.batch = None
        if decision == "release":
            self.consumption.built(made.metal / made.density)
        now = float(self.env.now)
        energy = self._used_energy()
        self.bins.log("layer", f"batch {self.bins.batches + 1} {decision}", **{
            "layer": self.bins.batches + 1, "lot": made.id, "decision": decision,
            "released": float(decision == "release"), "mass": made.mass,
            "oxygen": made.oxygen, "moisture": made.moisture, "d10": made.d10, "d50": made.d50,
            "d90": made.d90, "hall": min(made.hall, 999.0), "foreign": made.foreign,
            "satellites": made.satellites, "irregular": made.irregular,
            "purity": 1.0 - made.foreign,
            "magnetic": line.filled.get("magnetic", 0.0),
            "oversize": line.filled.get("oversize", 0.0),
            "separated": line.filled.get("separated", 0.0),
            "virgin_share": self.blender.added / made.mass if made.mass else 0.0,
            "fed": self._fed, "duration": now - self._began, "energy": energy - self._energy})
        self._began, self._energy = now, energy
        self.blender.added = 0.0

    # -- state --------------------------------------------------------------------------------

    def drive(self, path: str, value: Any) -> bool:
        changed = super().drive(path, value)
        if changed and path.startswith(("Filter.", "Conveyor.")):
            self.conveyor.suck()
        if changed and path == "Safety.DoorForced" and value:
            self.gas.air()
        if changed and path in ("Line.Armed", "Safety.Reset"):
            for station in self.stations:
                station.wake()
        return changed

    @property
    def layers_done(self) -> int:
        return int(self.bins.batches)

    def snapshot(self) -> dict[str, Any]:
        return {**super().snapshot(), "line": self.line.plain(),
                "supplied": [lot.plain() for lot in self._supplied], "began": self._began,
                "energy": self._energy, "fed": self._fed, "own": self.own.plain()}

    def reinstate(self, snapshot: dict[str, Any]) -> None:
        self.line.restore(snapshot["line"])
        self._supplied = [PowderLot.of(lot) for lot in snapshot["supplied"]]
        self._began, self._energy = snapshot["began"], snapshot["energy"]
        self._fed = snapshot["fed"]
        self.own = OwnLots(snapshot["own"])
        self._operations.clear()
        super().reinstate(snapshot)
        self.separator.resume()


def virgin(lot: PowderLot) -> bool:
    """Whether a lot is for blending: never used, of one alloy, fit for use."""
    return lot.cycle == 0 and lot.foreign == 0.0 and lot.status in ("new", "released")


def _divided(
    lots: Sequence[PowderLot], wanted: str
) -> tuple[list[PowderLot], list[PowderLot]]:
    """What is worked up, and virgin powder of the alloy that is wanted, for blending.

    Virgin powder of another alloy has no place in a blend; if nothing is used, all is worked up.
    """
    feed: list[PowderLot] = []
    fresh: list[PowderLot] = []
    for lot in lots:
        (fresh if virgin(lot) and lot.alloy == wanted else feed).append(lot)
    return (feed, fresh) if feed else (fresh, [])


def check_powder(lots: Sequence[PowderLot], job: RecyclingJob) -> str:
    """What the separation of the lots of a job promises; empty if there is nothing to separate.

    Raises `ValueError` for powder that the job cannot work up: none, without the alloy that it is
    for, or mixed so that it cannot be separated as the job says (`NotSeparable`).
    """
    wanted = job.alloy.name
    used, _ = _divided(lots, wanted)
    if not sum(lot.mass for lot in used) > 0.0:
        raise ValueError("there is no powder to work up")
    there = {c.alloy for lot in used for c in lot.constituents if c.mass > 0.0}
    wrong = [lot.id for lot in used if lot.alloy != wanted]
    if wanted not in there or (wrong and job.separate == "none"):
        raise ValueError(f"lot {', '.join(wrong)}: the job is for {wanted}, the powder holds "
                         f"{', '.join(sorted(there))}")
    if job.separate == "none" or there == {wanted}:
        return ""
    whole = blend(used, " and ".join(lot.id for lot in used))
    field = replace(Separator.FIELD, frequency=job.frequency)
    way = plan(whole, wanted, job.separate, field)
    found = grade(whole, wanted, product_share(whole, way, field, Separator.AIR))
    return (f"separation by {way.method}: {way.why}; {found.purity:.2%} {wanted} expected, "
            f"{found.recovery:.0%} of it recovered")

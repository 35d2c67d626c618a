"""What the wire machines are: a cell, a welded part, a wire feeder, and a nozzle for the gas."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import ClassVar

from twin.equipment.arc_deposition import ArcDeposition, ArcSettings
from twin.equipment.arc_source import Torch
from twin.equipment.cell import Cell
from twin.equipment.deposition import DepositionJob, LayerResult
from twin.equipment.deposition_plant import DepositionPlant
from twin.equipment.feedstock_plant import FeedstockPlant
from twin.equipment.height_regulator import HeightRegulator
from twin.equipment.welded_part import WeldedPart
from twin.equipment.wire_defects import wire_defects
from twin.equipment.wire_deposition import WireDeposition
from twin.equipment.wire_feeder import WireFeeder
from twin.equipment.wire_spools import WireSpools
from twin.powder.ageing import Use
from twin.powder.lot import PowderLot
from twin.powder.operations import Item

__all__ = ["WirePlant"]


class WirePlant(DepositionPlant, FeedstockPlant):
    """A deposition machine that feeds wire from a spool, in a cell with a tent."""

    SPOOL: ClassVar[float]  # kg
    ENCLOSURE = Cell
    PART = WeldedPart
    LAYER_TICK = 0.12  # s
    enclosure: Cell
    bead: WireDeposition | ArcDeposition
    nozzle: Torch

    def add_feeder(self) -> WireFeeder:
        """Add the wire feeder."""
        self.feeder = feeder = self.add("WireFeeder", WireFeeder(self.SPOOL))
        feeder.next_spool = lambda: self.wire.mount(self.SPOOL, _diameter(self.job))
        feeder.drew = lambda mass: self.wire.draw_off(mass)
        feeder.lacks = lambda mass: self.wire.lacks(mass)
        return feeder

    def add_supplies(self, process: str) -> None:
        """Add the meter, and the spools at the machine; last of all."""
        self.add_meter()
        self.wire = self.add("Wire", WireSpools(process))

    def add_height(self) -> HeightRegulator:
        """Add what trims the feed by the height of the surface."""
        self.height = self.add("Height", HeightRegulator())
        return self.height

    def add_bead(self, bead: WireDeposition | ArcDeposition) -> None:
        """Add what becomes of wire and source, and the head that goes with it."""
        self.bead = self.add("Bead", bead)
        head = self.add_head(bead)
        bead.replan, bead.heats = head.replan, self.source_heats
        bead.air = lambda: self.enclosure.airy
        bead.account = lambda: self.wire.account

    @property
    def quiet(self) -> bool:
        return super().quiet and not self.feeder.retracting

    def inspect(self, result: LayerResult) -> None:
        result.defects.extend(wire_defects(self.stream("defects", result.layer.index), result))
        self.wire.account.flaws += len(result.defects)

    # -- wire ---------------------------------------------------------------------------------

    def feedstock_needed(self, job: DepositionJob) -> dict[str, float]:
        volume = sum(job.plan.layer(i).area for i in range(job.layers)) * job.step
        return {job.alloy.name: volume * float(job.alloy.density(300.0))}

    def feedstock_used(self) -> dict[str, Use]:
        job, wire, account = self.job, self.wire, self.wire.account
        if job is None or wire.drawn <= 0.0:
            return {}
        ground = self.head.ground * float(job.alloy.density(300.0))
        about = {"name": job.name, "layers": self.layers_done, "defects": account.flaws,
                 "complete": self.layers_done >= job.layers, "porosity": account.porosity,
                 "diameter": _diameter(job)}
        return {job.alloy.name: Use(
            max(account.melted - ground, 0.0), wire.drawn, spatter=account.spatter,
            fume=account.fume, hours=(float(self.env.now) - wire.began) / 3600.0, about=about,
            ground=min(ground, account.melted))}

    def supply_items(self, items: Sequence[Item]) -> None:
        """Spools are brought for the next jobs; `ValueError` for anything else."""
        self.wire.put(items)
        self.stirred = True

    def recall(self, ids: Collection[str]) -> list[PowderLot | Item]:
        return [*self.wire.recall(ids)]

    def hindrance(self, job: DepositionJob) -> str:
        wire = self.wire
        return wire.hindrance(self.feedstock_needed(job)) or wire.fits(_diameter(job))

    def load(self, job: DepositionJob | None) -> None:
        self.unload()
        self.wire.begin(self.feedstock_needed(job) if job is not None else {})
        self.job = job  # The feeder asks for its wire.
        super().load(job)

    def unload(self) -> None:
        self.wire.close(self.feedstock_used())

    def forget_job(self) -> None:
        self.wire.forget()


def _diameter(job: DepositionJob | None) -> float:
    """Of a job's wire, m; of the usual one if it does not say."""
    settings = job.settings if job is not None else None
    return float((settings or ArcSettings()).wire_diameter)

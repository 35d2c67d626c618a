"""What the wire machines are: a cell, a welded part, a wire feeder, and a nozzle for the gas."""

from __future__ import annotations

from typing import ClassVar

from twin.equipment.arc_deposition import ArcDeposition
from twin.equipment.cell import Cell
from twin.equipment.deposition import LayerResult
from twin.equipment.deposition_plant import DepositionPlant
from twin.equipment.height_regulator import HeightRegulator
from twin.equipment.welded_part import WeldedPart
from twin.equipment.wire_defects import wire_defects
from twin.equipment.wire_deposition import WireDeposition
from twin.equipment.wire_feeder import WireFeeder

__all__ = ["WirePlant"]


class WirePlant(DepositionPlant):
    """A deposition machine that feeds wire from a spool, in a cell with a tent."""

    SPOOL: ClassVar[float]  # kg
    ENCLOSURE = Cell
    PART = WeldedPart
    LAYER_TICK = 0.12  # s
    enclosure: Cell
    bead: WireDeposition | ArcDeposition

    def add_feeder(self) -> WireFeeder:
        """Add the wire feeder."""
        self.feeder = self.add("WireFeeder", WireFeeder(self.SPOOL))
        return self.feeder

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

    @property
    def quiet(self) -> bool:
        return super().quiet and not self.feeder.retracting

    def inspect(self, result: LayerResult) -> None:
        result.defects.extend(wire_defects(self.stream("defects", result.layer.index), result))

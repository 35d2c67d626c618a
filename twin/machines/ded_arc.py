"""Directed energy deposition with arc and wire (DED-arc, WAAM): the plant."""

from __future__ import annotations

from twin.equipment.arc_deposition import ArcDeposition
from twin.equipment.arc_source import ArcSource, Torch
from twin.equipment.wire_plant import WirePlant

__all__ = ["DedArc"]


class DedArc(WirePlant):
    """A welding robot in a cell: parts up to some metres, under the torch's gas or in a tent."""

    PLATE = (2.0, 1.0)  # m
    HEIGHT = 1.5  # m
    STANDBY = 900.0  # W: robot, cabinet, fume extraction, default
    SPOOL = 18.0  # kg
    TORCH_HEAT = 0.12  # share of the arc's power that the torch's water takes, default

    def __init__(self, seed: int = 0, summary: bool = False) -> None:
        super().__init__(seed, summary)
        feeder = self.add_feeder()
        self.nozzle = self.add("Torch", Torch())
        self.source = self.add("Arc", ArcSource(feeder, self.nozzle))
        height = self.add_height()
        self.add_bead(ArcDeposition(self.source, self.nozzle, feeder, height))
        self.add_supplies("ded-arc")
        self.assemble()

    def source_heats(self, power: float) -> None:
        self.chiller.heat(self.TORCH_HEAT * power)
        self.enclosure.warm(laser=power)

"""Directed energy deposition with laser and wire, cold or hot (DED-LB/wire): the plant."""

from __future__ import annotations

from twin.equipment.arc_source import Torch
from twin.equipment.deposition_laser import DepositionLaser
from twin.equipment.wire_deposition import SpotCamera, WireDeposition
from twin.equipment.wire_feeder import HotWireSource
from twin.equipment.wire_plant import WirePlant

__all__ = ["DedWireLaser"]


class DedWireLaser(WirePlant):
    """A gantry over a table with a laser of some kilowatts and a wire from the side."""

    PLATE = (1.5, 1.0)  # m
    HEIGHT = 1.0  # m
    STANDBY = 1_200.0  # W: gantry, cabinet, extraction, default
    SPOOL = 15.0  # kg

    def __init__(self, seed: int = 0, summary: bool = False) -> None:
        super().__init__(seed, summary)
        self.laser = self.add("Laser", DepositionLaser(self.safety, self._replan))
        self.pool = self.add("Pool", SpotCamera(self._replan))
        feeder = self.add_feeder()
        self.hot = self.add("HotWire", HotWireSource())
        self.nozzle = self.add("Nozzle", Torch())
        height = self.add_height()
        self.add_bead(WireDeposition(
            self.laser, self.pool, self.hot, self.nozzle, feeder, height))
        self.add_supplies("ded-wire-laser")
        self.assemble()

    def _replan(self) -> None:
        self.head.replan()

    def source_heats(self, power: float) -> None:
        self.chiller.heat(power * (1 / DepositionLaser.WALL_PLUG - 1))
        self.enclosure.warm(laser=power)

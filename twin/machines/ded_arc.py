"""Directed energy deposition with arc and wire (DED-arc, WAAM): the plant."""

from __future__ import annotations

from typing import Any

import numpy as np

from twin.equipment.arc_deposition import ArcDeposition
from twin.equipment.arc_source import ArcSource, Torch
from twin.equipment.cell import Cell
from twin.equipment.consumption import Consumption
from twin.equipment.deposition import (
    DepositionJob,
    LayerResult,
    pass_tables,
)
from twin.equipment.deposition_head import DepositionHead
from twin.equipment.height_regulator import HeightRegulator
from twin.equipment.services import Chiller, SafetyChain
from twin.equipment.welded_part import WeldedPart
from twin.equipment.wire_defects import wire_defects
from twin.equipment.wire_feeder import WireFeeder
from twin.machine import Plant

__all__ = ["DedArc"]


class DedArc(Plant):
    """A welding robot in a cell: parts up to some metres, under the torch's gas or in a tent."""

    PLATE = (2.0, 1.0)  # m
    HEIGHT = 1.5  # m
    BASE_POWER = 900.0  # W: robot, cabinet, fume extraction, default
    SPOOL = 18.0  # kg
    TORCH_HEAT = 0.12  # share of the arc's power that the torch's water takes, default

    LAYER_TICK = 0.12  # s: grid of a run by layer summaries

    def __init__(self, seed: int = 0, summary: bool = False) -> None:
        super().__init__(seed)
        self.safety = self.add("Safety", SafetyChain())
        self.chiller = self.add("Chiller", Chiller(self.safety))
        self.enclosure = self.add("Enclosure", Cell(self.safety))
        self.part = self.add("Part", WeldedPart())
        self.feeder = self.add("WireFeeder", WireFeeder(self.SPOOL))
        self.nozzle = self.add("Torch", Torch())
        self.source = self.add("Arc", ArcSource(self.feeder, self.nozzle))
        self.height = self.add("Height", HeightRegulator())
        self.bead = self.add("Bead", ArcDeposition(
            self.source, self.nozzle, self.feeder, self.height))
        tick = self.LAYER_TICK if summary else DepositionHead.TICK
        self.head = self.add("Head", DepositionHead(
            self.safety, self.part, self.bead, self._solidify, tick))
        self.bead.replan = self.head.replan
        self.bead.heats = self._heat
        self.bead.air = lambda: self.enclosure.airy
        self.meter = self.add("Consumption", Consumption(self.BASE_POWER))
        self._finished: list[LayerResult] = []
        self.assemble()

    def _heat(self, power: float) -> None:
        self.chiller.heat(self.TORCH_HEAT * power)
        self.enclosure.warm(laser=power)

    def load(self, job: DepositionJob | None) -> None:
        """Take a job: its passes and its wire, on a clean plate."""
        self.head.load(job)
        self.part.load(job.alloy if job is not None else None)
        if job is not None:
            self.enclosure.air()  # A fresh plate came in through the door.
        self._finished = []

    def drive(self, path: str, value: Any) -> bool:
        changed = super().drive(path, value)
        if changed and path == "Safety.DoorForced":
            self.enclosure.driven("door")
        return changed

    @property
    def energised(self) -> bool:
        return bool(self.safety.chain_closed)

    @property
    def layers_done(self) -> int:
        return int(self.head.layer_done)

    @property
    def quiet(self) -> bool:
        return not (self.head.busy or self.head.interrupted or self.feeder.retracting)

    def _solidify(self, result: LayerResult) -> None:
        result.defects.extend(wire_defects(self.stream("defects", result.layer.index), result))
        self._finished.append(result)

    def take_tables(self, vectors: bool) -> list[tuple[str, dict[str, np.ndarray[Any, Any]]]]:
        taken, self._finished = self._finished, []
        return [table for result in taken for table in pass_tables(result, vectors)]

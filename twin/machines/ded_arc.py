"""Directed energy deposition with arc and wire (DED-arc, WAAM): the plant."""

from __future__ import annotations

from typing import Any

import numpy as np

from twin.equipment.arc_deposition import ArcDeposition
from twin.equipment.arc_source import ArcSource, Torch
from twin.equipment.consumption import Consumption
from twin.equipment.deposition import (
    DepositionHead,
    DepositionJob,
    LayerResult,
    pass_tables,
)
from twin.equipment.height_regulator import HeightRegulator
from twin.equipment.services import Chiller, SafetyChain
from twin.equipment.substrate import DepositedPart
from twin.equipment.wire_defects import wire_defects
from twin.equipment.wire_feeder import WireFeeder
from twin.machine import Plant

__all__ = ["DedArc"]


class DedArc(Plant):
    """A welding robot over a table: parts up to some metres, under shielding gas of the torch."""

    PLATE = (2.0, 1.0)  # m
    HEIGHT = 1.5  # m
    BASE_POWER = 900.0  # W: robot, cabinet, fume extraction, default
    SPOOL = 18.0  # kg
    TORCH_HEAT = 0.12  # share of the arc's power that the torch's water takes, default

    LAYER_TICK = 5.0  # s: grid of a run by layer summaries

    def __init__(self, seed: int = 0, summary: bool = False) -> None:
        super().__init__(seed)
        self.safety = self.add("Safety", SafetyChain())
        self.chiller = self.add("Chiller", Chiller(self.safety))
        self.part = self.add("Part", DepositedPart())
        self.feeder = self.add("WireFeeder", WireFeeder(self.SPOOL))
        self.torch = self.add("Torch", Torch())
        self.source = self.add("Arc", ArcSource(self.feeder, self.torch))
        self.height = self.add("Height", HeightRegulator())
        self.bead = self.add("Bead", ArcDeposition(
            self.source, self.torch, self.feeder, self.height))
        tick = self.LAYER_TICK if summary else DepositionHead.TICK
        self.head = self.add("Head", DepositionHead(
            self.safety, self.part, self.bead, self._solidify, tick))
        self.bead.replan = self.head.replan
        self.bead.heats = lambda power: self.chiller.heat(self.TORCH_HEAT * power)
        self.meter = self.add("Consumption", Consumption(self.BASE_POWER))
        self._finished: list[LayerResult] = []
        self.assemble()

    def load(self, job: DepositionJob | None) -> None:
        """Take a job: its passes and its wire, on a clean plate."""
        self.head.load(job)
        self.part.load(job.alloy if job is not None else None)
        self._finished = []

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

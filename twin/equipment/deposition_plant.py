"""What all deposition machines are: a head over a growing part on its plate, in an enclosure."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np

from twin.equipment.chamber import InertChamber
from twin.equipment.consumption import Consumption
from twin.equipment.deposition import DepositionJob, LayerResult, Process, pass_tables
from twin.equipment.deposition_head import DepositionHead
from twin.equipment.services import Chiller, SafetyChain
from twin.equipment.substrate import DepositedPart
from twin.machine import Plant

__all__ = ["DepositionPlant"]

Columns = dict[str, np.ndarray[Any, Any]]


class DepositionPlant(Plant, ABC):
    """Safety chain, cooling water, enclosure, part and head; a machine adds source and feedstock.

    A machine's constructor adds its equipment, with `add_head` and `add_meter` where they belong
    in its list of signals, and assembles.
    """

    PLATE: ClassVar[tuple[float, float]]  # m
    HEIGHT: ClassVar[float]  # m
    STANDBY: ClassVar[float]  # W of cabinet and drives at rest
    ENCLOSURE: ClassVar[type[InertChamber]]
    PART: ClassVar[type[DepositedPart]] = DepositedPart
    LAYER_TICK: ClassVar[float]  # s: grid of a run by layer summaries

    head: DepositionHead
    consumption: Consumption

    def __init__(self, seed: int = 0, summary: bool = False) -> None:
        """`summary`: on the coarse grid of a run by layer summaries."""
        super().__init__(seed)
        self._tick = self.LAYER_TICK if summary else DepositionHead.TICK
        self.job: DepositionJob | None = None
        self._finished: list[LayerResult] = []
        self.safety = self.add("Safety", SafetyChain())
        self.chiller = self.add("Chiller", Chiller(self.safety))
        self.enclosure = self.add("Enclosure", self.ENCLOSURE(self.safety))
        self.part = self.add("Part", self.PART())

    def add_head(self, process: Process) -> DepositionHead:
        """Add the head that asks `process` what becomes of its passes."""
        self.head = self.add("Head", DepositionHead(
            self.safety, self.part, process, self._solidified, self._tick))
        return self.head

    def add_meter(self) -> None:
        """Add the meter of power, gas, feedstock and what is built."""
        self.meter = self.consumption = self.add("Consumption", Consumption(self.STANDBY))

    # -- what a machine says ------------------------------------------------------------------

    @abstractmethod
    def source_heats(self, power: float) -> None:
        """Laser or arc works with so much mean power (W) from now on: water and gas warm up."""

    @abstractmethod
    def inspect(self, result: LayerResult) -> None:
        """A layer is finished: add its defects, take note of what it leaves."""

    # -- what the emulation asks --------------------------------------------------------------

    def load(self, job: DepositionJob | None) -> None:
        """Take a job: its passes and its feedstock, on a clean plate."""
        self.job = job
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
    def layers_done(self) -> int:
        return int(self.head.layer_done)

    @property
    def quiet(self) -> bool:
        return not (self.head.busy or self.head.interrupted)

    def _solidified(self, result: LayerResult) -> None:
        self.inspect(result)
        self._finished.append(result)

    def take_tables(self, vectors: bool) -> list[tuple[str, Columns]]:
        taken, self._finished = self._finished, []
        return [table for result in taken for table in pass_tables(result, vectors)]

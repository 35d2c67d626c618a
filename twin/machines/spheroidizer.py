"""Induction plasma spheroidizer: irregular powder in, round powder and soot out."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from twin.equipment.consumption import Consumption
from twin.equipment.plasma_feeder import Collector, ProbeFeeder
from twin.equipment.plasma_reactor import QuenchLoop, Reactor, TorchWater
from twin.equipment.plasma_torch import PlasmaGas, PlasmaTorch
from twin.equipment.powder_lots import OwnLots, refuse_twice
from twin.equipment.services import SafetyChain
from twin.machine import Plant
from twin.materials import Alloy
from twin.powder.lot import PowderLot
from twin.powder.operations import Draw, Item, Operation, renamed

__all__ = ["SpheroidJob", "Spheroidizer"]


@dataclass(frozen=True)
class SpheroidJob:
    """Batches of one powder."""

    name: str
    alloy: Alloy
    batches: int
    batch: float
    """kg"""
    lots: tuple[PowderLot, ...] = ()
    """Powder that is put at a machine which has none when the job begins."""
    given: bool = False
    """Whether the lots are ones that somebody brought, there once; else they are bought anew for
    every job."""

    @property
    def layers(self) -> int:
        """Batches; they count as layers do on other machines."""
        return self.batches


class Spheroidizer(Plant):
    """Torch over a cooled reactor with feeder, gas loop, filter and collector."""

    STANDBY = 1_500.0  # W, default

    def __init__(self, seed: int = 0) -> None:
        super().__init__(seed)
        self.safety = self.add("Safety", SafetyChain())
        self.water = self.add("Chiller", TorchWater(self.safety))
        self.gas = self.add("Gas", PlasmaGas(self._gas_changed))
        self.torch = self.add("Torch", PlasmaTorch(self.safety, self.gas, self._flame_changed))
        self.loop = self.add("Loop", QuenchLoop(self._loop_changed))
        self.reactor = self.add("Reactor", Reactor(self.safety, self.gas, self.loop))
        self.feeder = self.add("Feeder", ProbeFeeder(self.torch, self.gas, self.reactor, self.loop))
        self.collector = self.add("Collector", Collector(self.feeder, self.loop, self._batch))
        self.meter = self.consumption = self.add("Consumption", Consumption(self.STANDBY))
        self.job: SpheroidJob | None = None
        self.own = OwnLots()
        self._began = 0.0
        self._energy = self._bought = 0.0
        self.assemble()

    # -- what changes one another -------------------------------------------------------------

    def _gas_changed(self) -> None:
        if self.torch.trajectories:
            self.torch.anchor()
        self.reactor.changed()
        if self.feeder.trajectories:
            self.feeder.press()

    def _loop_changed(self) -> None:
        self.reactor.changed()

    def _flame_changed(self) -> None:
        torch = self.torch
        in_gas = torch._target * torch.COUPLING * (1 - torch.torch_wear) * torch.lit
        if self.reactor.trajectories:
            self.reactor.flame(in_gas, bool(torch.lit))
        if self.water.trajectories:
            # Tube, coil and valve; wall and gas cooler. What powder carries off is next to nothing.
            self.water.heat(torch.water_heat + in_gas)

    def drive(self, path: str, value: Any) -> bool:
        changed = super().drive(path, value)
        if changed and path == "Safety.DoorForced" and value:
            self.collector.burn()
            self.reactor.changed()
        if changed and path.startswith("Chiller."):
            self._flame_changed()
        return changed

    # -- jobs ---------------------------------------------------------------------------------

    def supply(self, lots: Sequence[PowderLot]) -> None:
        """Powder is put at the machine, after what waits there already.

        ValueError for powder that is mostly another alloy than the job's, and for a lot that is
        there already.
        """
        if self.job is not None:
            wrong = [lot.id for lot in lots if lot.alloy != self.job.alloy.name]
            if wrong:
                raise ValueError(f"{self.name or 'spheroidizer'} is set up for "
                                 f"{self.job.alloy.name}, not for {', '.join(wrong)}")
        refuse_twice(lots, [lot.id for lot in self.feeder.lots])
        self.feeder.take(lots)

    def recall(self, ids: Collection[str]) -> list[PowderLot | Item]:
        return [*self.feeder.recall(ids)]

    @property
    def _waits(self) -> bool:
        """Whether powder is at the machine."""
        return bool(self.feeder.lots) or self.feeder.content is not None

    def hindrance(self, job: SpheroidJob) -> str:
        if not self._waits:
            return self.own.gone(job.lots) if job.given else ""
        wrong = [lot for lot in self.feeder.lots if lot.alloy != job.alloy.name]
        if wrong:
            return f"lot {wrong[0].id} is {wrong[0].alloy}; the job is for {job.alloy.name}"
        return ""

    def load(self, job: SpheroidJob | None) -> None:
        """Take a job: an empty drum, and its own powder if none waits at the machine."""
        self.job = job
        self.collector.begin()
        self.consumption.sense(float(self.env.now))
        self._began = float(self.env.now)
        self._energy, self._bought = self.consumption.energy, self.consumption.gas
        if job is not None and job.lots and not self._waits:
            self.feeder.take(self.own.take(job.lots, self.new_id))
        if not self.torch.lit and self.safety.door_closed and not self.safety.door_locked:
            self.reactor.air()

    def unload(self) -> None:
        """The job has ended: what came through is a batch, and what was not fed is given back."""
        self.collector.close()
        for lot in self.feeder.give_back():
            given = renamed(lot, self.new_id(), parents=(lot.id,), origin="return",
                            made_at=float(self.env.now), machine=self.name)
            self.record_operation(Operation(
                "return", self.name, given.made_at, (Draw.all(lot),), (given,)))
        self.job = None

    @property
    def layers_done(self) -> int:
        return int(self.collector.batches)

    def _batch(self, figures: Mapping[str, float]) -> None:
        """A batch is closed: what it took and gave."""
        now = float(self.env.now)
        self.consumption.sense(now)
        number = int(self.collector.batches)
        if self.job is not None:
            self.consumption.built(figures["product"] / float(self.job.alloy.density(293.15)))
        self.collector.log("layer", f"batch {number} done", **{
            "layer": number, "duration": now - self._began, **figures,
            "energy": self.consumption.energy - self._energy,
            "gas": self.consumption.gas - self._bought})
        self._began = now
        self._energy, self._bought = self.consumption.energy, self.consumption.gas

    def snapshot(self) -> dict[str, Any]:
        return {**super().snapshot(), "began": self._began, "energy": self._energy,
                "bought": self._bought, "own": self.own.plain()}

    def reinstate(self, snapshot: dict[str, Any]) -> None:
        super().reinstate(snapshot)
        self._began, self._energy = snapshot["began"], snapshot["energy"]
        self._bought = snapshot["bought"]
        self.own = OwnLots(snapshot["own"])

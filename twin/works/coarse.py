"""A machine that repeats a job's summary: its meters are closed forms, nothing happens per layer.

What it shows is the real machine's phases, layers, consumption and safety chain; what only the
full model knows (powers, temperatures, pools) it does not have.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from twin.equipment.consumption import Consumption
from twin.equipment.powder_lots import PowderLots
from twin.equipment.services import SafetyChain
from twin.equipment.wire_spools import WIRE_PROCESSES, WireSpools
from twin.machine import Plant
from twin.materials import Alloy
from twin.powder.effects import PROCESSES
from twin.powder.lot import PowderLot
from twin.powder.operations import Item
from twin.works.course import Columns, Work
from twin.works.repeat import Rules
from twin.works.summary import JobSummary

__all__ = ["CoarseJob", "CoarseMachine"]


@dataclass(frozen=True)
class CoarseJob:
    """A job that is repeated from its summary."""

    name: str
    summary: JobSummary
    rules: Rules | None = None
    """What the machine decides about powder."""

    @property
    def alloy(self) -> Alloy:
        """Alloy of the part or powder."""
        return self.summary.metal

    @property
    def layers(self) -> int:
        """Layers (or charges, rods, batches) of the job."""
        return self.summary.layers


class CoarseMachine(Plant):
    """Safety chain, meters and the work of a machine that repeats its jobs' summaries."""

    def __init__(self, seed: int = 0, machine: str = "", standby: float = 0.0) -> None:
        """`machine`: its type in the catalogue; `standby`: power when idle, W."""
        super().__init__(seed)
        self.safety = self.add("Safety", SafetyChain())
        self.powder: PowderLots | WireSpools | None = None
        """Feedstock of a build machine."""
        if machine in PROCESSES:
            self.powder = self.add("Powder", PowderLots(machine))
        elif machine in WIRE_PROCESSES:
            self.powder = self.add("Wire", WireSpools(machine))
        self.meter = self.consumption = self.add("Consumption", Consumption(standby))
        self.job = self.add("Work", Work(self.consumption, self.powder))
        self.assemble()

    def load(self, job: CoarseJob | None) -> None:
        """Take a job and begin it."""
        if self.powder is not None:
            self.powder.begin(job.summary.needs if job is not None else {})
        self.job.rules = job.rules if job is not None else None
        self.job.load(job.summary if job is not None else None)

    def supply(self, lots: Sequence[PowderLot]) -> None:
        """Powder for the next job. `ValueError` for a lot that must not be used."""
        if isinstance(self.powder, PowderLots):
            self.powder.put(lots)
        elif self.powder is not None:
            super().supply(lots)
        else:
            self.job.waiting += lots
        self.stirred = True

    def supply_items(self, items: Sequence[Item]) -> None:
        """Green parts, spools and the like for the next job."""
        if isinstance(self.powder, WireSpools):
            self.powder.put(items)
        else:
            self.job.waiting += items
        self.stirred = True

    def recall(self, ids: Collection[str]) -> list[PowderLot | Item]:
        if self.powder is not None:
            return [*self.powder.recall(ids)]
        gone = [thing for thing in self.job.waiting if thing.id in ids]
        self.job.waiting = [thing for thing in self.job.waiting if thing.id not in ids]
        return gone

    def hindrance(self, job: CoarseJob) -> str:
        return self.powder.hindrance(job.summary.needs) if self.powder is not None else ""

    def unload(self) -> None:
        self.job.end()

    def forget_job(self) -> None:
        if self.powder is not None:
            self.powder.forget()

    @property
    def energised(self) -> bool:
        return bool(self.safety.chain_closed)

    @property
    def layers_done(self) -> int:
        return self.job.layers(float(self.env.now))

    def take_tables(self, vectors: bool) -> list[tuple[str, Columns]]:
        return self.job.tables()

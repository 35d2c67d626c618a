"""What the dispatcher of a works plans with: jobs, wishes, and machines as it sees them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from emulators.controllers.states import MachineState
from emulators.works.plan import ProgramPlan
from twin.powder.operations import Operation
from twin.works.stores import Thing

__all__ = ["Expectation", "Job", "Rank", "StationView", "Wish"]

Rank = tuple[int, float, int]
"""Priority, due time (s), number: the smaller the more urgent."""


@dataclass(frozen=True)
class Expectation:
    """What a job will take, as far as is known beforehand; 0 = not known."""

    duration: float = 0.0
    """s"""
    power: float = 0.0
    """W, the highest."""
    gas: float = 0.0
    """m3 at ambient."""
    steps: tuple[tuple[float, float], ...] = ()
    """Energy (J) and gas (m3) of each of its operations in turn."""


class StationView(Protocol):
    """A machine, whatever stands behind it."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def state(self) -> MachineState:
        """State of its controller."""
        ...

    @property
    def safe(self) -> bool:
        """Whether its safety chain is closed."""
        ...

    @property
    def layer(self) -> int:
        """Layers of the job that are done."""
        ...

    @property
    def reason(self) -> str:
        """Why a job is held or was aborted."""
        ...

    @property
    def job(self) -> str:
        """The order that it works on, or the last one."""
        ...

    def refusal(self) -> str:
        """Why it will not do what was ordered last; "" while it may."""
        ...

    def expected(self, program: str) -> Expectation:
        """What a program will take."""
        ...

    def take_operations(self) -> list[Operation]:
        """What it did to material since the last call."""
        ...

    def supply(self, program: str, things: Sequence[Thing]) -> str:
        """Put material at the machine for a job; why it does not take it, or ""."""
        ...

    def recall(self, things: Sequence[Thing]) -> bool:
        """Take back what was supplied; False if another job has taken of it."""
        ...

    def order(self, job_id: str, program: str) -> None:
        """Have a job done."""
        ...

    def pause(self) -> None:
        """Hold the job."""
        ...

    def resume(self) -> None:
        """Go on with the job."""
        ...

    def abort(self) -> None:
        """End the job at once."""
        ...

    def clear(self) -> None:
        """Reset the machine after a job that was aborted."""
        ...

    def maintain(self, on: bool) -> None:
        """Enter or leave maintenance."""
        ...

    def power(self, present: bool) -> None:
        """Mains voltage is lost or back."""
        ...


@dataclass(frozen=True)
class Wish:
    """Something that should be made: parts of a product, or powder for a store."""

    rank: Rank
    product: str = ""
    store: str = ""
    source: str = ""
    """Only by programs that take from this store."""
    about: str = ""

    def met_by(self, program: ProgramPlan) -> bool:
        """Whether a program makes it."""
        if self.source and self.source not in [t.store for t in program.takes]:
            return False
        makes = program.makes
        return makes.product == self.product if self.product else makes.store == self.store


@dataclass
class Job:
    """A program on a machine, from the fetching of its material to its closing."""

    id: str
    machine: str
    program: ProgramPlan
    rank: Rank
    begun: float
    step: str = "setting up"
    things: list[Thing] = field(default_factory=list)
    """Material that was handed over."""
    came: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Store and product that it came from, by id."""
    operations: list[Operation] = field(default_factory=list)
    started: float | None = None
    ended: float | None = None
    closed: float | None = None
    failed: bool = False
    why: str = ""
    """Why it failed."""
    layers: int = 0
    reasons: set[str] = field(default_factory=set)
    """Why it must not go on now."""
    checked: bool = True
    """Somebody has looked at a machine that stopped by itself."""
    refused: bool = False
    """Its machine did not take the last order."""
    robbed: bool = False
    """A job that somebody else ordered of the machine took its material."""
    asked: str = ""
    """What the machine was last asked: pause, resume or abort."""
    asked_at: float = 0.0
    tries: int = 0
    labour: float = 0.0
    """s since the last entry in the ledger."""
    labour_total: float = 0.0

    def take_labour(self) -> float:
        """Labour (s) since the last call."""
        taken, self.labour = self.labour, 0.0
        self.labour_total += taken
        return taken

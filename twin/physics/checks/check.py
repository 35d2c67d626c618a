"""A published figure beside the model's own: what is compared, how near it must be, and why not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

__all__ = ["Bound", "Check", "Found", "Kind", "Source"]

Kind = Literal["verification", "validation"]
Bound = Literal["", "at least", "at most"]


class Source(NamedTuple):
    """Who published a figure."""

    author: str
    year: int | None = None
    where: str = ""
    """Doi, or journal, volume and page; empty if neither is known."""

    def __str__(self) -> str:
        year = "" if self.year is None else f" {self.year}"
        return f"{self.author}{year}" + (f", {self.where}" if self.where else "")


class Found(NamedTuple):
    """What the model says."""

    value: float
    """In the check's unit."""
    deviation: float
    """Over the published figure and less one; in the check's unit if it is absolute."""
    hit: bool


@dataclass(frozen=True, slots=True)
class Check:
    """One published figure and how the model's is computed, both in `unit`.

    Kind: a *verification* follows from the formula that the model uses, or a constant was set with
    it; a *validation* was measured by somebody and set no constant of the model.
    """

    machine: str
    quantity: str
    kind: Kind
    source: Source
    published: float
    unit: str
    compute: Callable[[], float]
    allowed: float
    """Largest deviation that counts as agreement: a share, or in `unit` if `absolute`."""
    uncertainty: float | None = None
    """Of the published figure, in `unit`; None: not stated."""
    absolute: bool = False
    bound: Bound = ""
    """Whether `published` is only a limit that the figure keeps."""
    miss: float | None = None
    """Known size of a deviation that is more than allowed."""
    spread: float = 0.03
    """By how much a miss may differ from its known size before it is another one."""
    why: str = ""
    """What is assumed or, for a miss, what is wrong; with the origin of a verification's figure."""

    def __post_init__(self) -> None:
        """ValueError for a miss that is within what is allowed or that nobody explains."""
        if self.miss is not None and (abs(self.miss) <= self.allowed or not self.why):
            raise ValueError(f"{self.machine}, {self.quantity}: no miss, or none that is explained")

    def find(self) -> Found:
        """The model's figure now, how far off it is, and whether that counts as agreement."""
        value = float(self.compute())
        if self.absolute:
            deviation = value - self.published
        else:
            deviation = value / self.published - 1.0
        beyond = {"at least": -deviation, "at most": deviation}.get(self.bound, abs(deviation))
        return Found(value, deviation, beyond <= self.allowed)

    def as_known(self, found: Found) -> bool:
        """Whether it agrees where it should, and misses by what is told where it does not."""
        if self.miss is None:
            return found.hit
        return not found.hit and abs(found.deviation - self.miss) <= self.spread

"""What a layer's exposure counts in, vectors or groups of like vectors, and when each is marked."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from twin.parts.summaries import LayerSummary

if TYPE_CHECKING:
    from twin.equipment.exposure import Track
    from twin.parts.layers import Layer

__all__ = ["Groups", "Pace", "Places", "Rows", "Schedule", "VectorRows", "groups"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]

# Gauss-Hermite nodes of a normal distribution: exact for polynomials up to the fifth degree.
NODES: Final = np.sqrt(3.0) * np.array([-1.0, 0.0, 1.0])
SHARES: Final = np.array([1.0, 4.0, 1.0]) / 6.0
DONE: Final = 1e-12  # share of a group that is rounding


class Pace(NamedTuple):
    """How fast a layer's rows are marked, SI."""

    speed: Floats
    """(n,)"""
    dwell: Floats
    """Time that the beam stands on each vector, (n,)."""
    jump_speed: float
    delay: float
    """Time lost per vector."""


class Schedule(NamedTuple):
    """m stretches of one beam in the order of time: when each is marked, and where, SI."""

    row: Ints
    begin: Floats
    end: Floats
    start: Floats
    stop: Floats
    speed: Floats
    duty: Floats
    """Part of the stretch for which the beam is on."""
    share: Floats
    """Part of the row that is marked in it."""


class Places(NamedTuple):
    """m lines that show where rows lie; a row's shares add up to 1."""

    row: Ints
    share: Floats
    start: Floats
    end: Floats


@dataclass(frozen=True, eq=False)
class Rows(ABC):
    """The n rows of a layer; arrays (n,) unless said otherwise, SI."""

    role: npt.NDArray[np.uint8]
    part: npt.NDArray[np.uint16]
    beam: npt.NDArray[np.uint8]
    island: Ints
    """Island of the part level, -1 for supports."""
    count: Floats
    """Vectors in the row."""
    length: Floats
    """Of all of them together."""
    powder: Floats
    """Height of powder that is there to melt, m of metal."""
    flicker: Floats
    """By how many standard deviations the plume is denser than usual."""
    start: Floats
    """Where the row begins to be marked (n, 2)."""

    def __len__(self) -> int:
        return len(self.role)

    @property
    @abstractmethod
    def places(self) -> Places:
        """Where the rows lie."""

    @abstractmethod
    def schedule(self, number: int, pace: Pace, begun: Track, now: float, since: float) -> Schedule:
        """What beam `number` has still to mark; cuts what is under way in `begun` at `now` (s).

        `since` (s): when marking last began or went on.
        """

    @abstractmethod
    def resolved(self, row: Ints, share: Floats) -> tuple[Rows, Ints]:
        """For stretches (m,) in which shares of rows were marked: the rows by which a layer's
        result is told, and which of them each stretch belongs to, (m,).
        """

    @abstractmethod
    def stop(self, begun: Track, now: float, cut: bool) -> None:
        """Marking ends at `now` (s) with what has begun; with `cut` at once."""


@dataclass(frozen=True, eq=False)
class VectorRows(Rows):
    """One row per scan vector."""

    end: Floats
    """(n, 2)"""

    @classmethod
    def of(cls, layer: Layer, island: Ints, powder: Floats, flicker: Floats) -> VectorRows:
        """The vectors of a layer, with what is known of each (n,)."""
        return cls(layer.role, layer.part, layer.laser, island, np.ones(len(layer.role)),
                   np.hypot(*(layer.end - layer.start).T), powder, flicker, layer.start, layer.end)

    @property
    def places(self) -> Places:
        """The vectors themselves."""
        return Places(np.arange(len(self)), np.ones(len(self)), self.start, self.end)

    def schedule(self, number: int, pace: Pace, begun: Track, now: float, since: float) -> Schedule:
        """Vector by vector; what is under way goes on as it is."""
        rest = self.beam == number
        rest[begun.vector[begun.counts]] = False
        row = np.flatnonzero(rest)
        start, stop, speed = self.start[row], self.end[row], pace.speed[row]
        mark = np.hypot(*(stop - start).T) / speed + pace.dwell[row]
        # The way to the first vector is from where the beam ended, if it marked before.
        first = begun.stop[-1:] if len(begun) else start[:1]
        before = np.vstack([first, stop])[: len(start)]
        jump = np.hypot(*(start - before).T)
        idle = jump / pace.jump_speed + pace.delay
        free = max(since, float(begun.end[-1])) if len(begun) else since
        end = free + np.cumsum(idle + mark)
        begin = end - mark
        # A jump that takes no time must not begin before the last vector's end, by rounding.
        begin[1:] = np.maximum(begin[1:], end[:-1])
        share = np.ones(len(row))
        if begun.under_way(now):
            last, goal, whole = (a[-1:].copy() for a in (begun.end, begun.stop, begun.share))
            begun.cut(now)
            row = np.concatenate([begun.vector[-1:], row])
            begin, end = np.concatenate([[now], begin]), np.concatenate([last, end])
            start = np.concatenate([begun.stop[-1:], start])
            stop = np.concatenate([goal, stop])
            speed = np.concatenate([begun.speed[-1:], speed])
            share = np.concatenate([whole - begun.share[-1:], share])
        return Schedule(row, begin, end, start, stop, speed, np.ones(len(row)), share)

    def resolved(self, row: Ints, share: Floats) -> tuple[Rows, Ints]:
        """Vectors are told of as wholes."""
        return self, row

    def stop(self, begun: Track, now: float, cut: bool) -> None:
        """A vector that has begun is finished as it is, or `cut` and marked again."""
        if cut and begun.under_way(now):
            begun.cut(now)
            begun.counts[begun.vector == begun.vector[-1]] = False


@dataclass(frozen=True, eq=False)
class Groups(Rows):
    """One row per group of like vectors; the groups of a block are marked side by side."""

    block: Ints
    """Rising."""
    jump: Floats
    """All ways to the row's vectors together."""
    shown: Places

    @property
    def places(self) -> Places:
        """Some vectors of each group."""
        return self.shown

    def schedule(self, number: int, pace: Pace, begun: Track, now: float, since: float) -> Schedule:
        """Block by block; what is left of a block under way takes its new settings at once."""
        begun.cut(now)
        left = 1.0 - np.bincount(begun.vector, begun.share, len(self))
        row = np.flatnonzero((self.beam == number) & (left > DONE))
        share = np.asarray(left[row], float)
        speed = pace.speed[row]
        mark = share * (self.length[row] / speed + self.count[row] * pace.dwell[row])
        idle = share * (self.jump[row] / pace.jump_speed + self.count[row] * pace.delay)
        _, block = np.unique(self.block[row], return_inverse=True)
        span = np.bincount(block, mark + idle)
        free = max(since, float(begun.end[-1])) if len(begun) else since
        ends = free + np.cumsum(span)
        end, span = np.asarray(ends[block], float), span[block]
        begin = np.asarray(end - span, float)
        duty = np.divide(mark, span, out=np.ones(len(row)), where=span > 0.0)
        return Schedule(row, begin, end, self.start[row], self.start[row], speed, duty, share)

    def resolved(self, row: Ints, share: Floats) -> tuple[Rows, Ints]:
        """Each stretch is a group of its own: what a setting changed shows, not the mean."""
        m = len(row)
        # Of each stretch, the places of its row.
        order = np.argsort(self.shown.row, kind="stable")
        size = np.bincount(self.shown.row, minlength=len(self))
        first, each = (np.cumsum(size) - size)[row], size[row]
        number = np.arange(each.sum()) - np.repeat(np.cumsum(each) - each, each)
        place = order[np.repeat(first, each) + number]
        shown = Places(np.repeat(np.arange(m), each), self.shown.share[place],
                       self.shown.start[place], self.shown.end[place])
        return replace(
            self, role=self.role[row], part=self.part[row], beam=self.beam[row],
            island=self.island[row], count=self.count[row] * share,
            length=self.length[row] * share, powder=self.powder[row], flicker=self.flicker[row],
            start=self.start[row], block=self.block[row], jump=self.jump[row] * share, shown=shown,
        ), np.arange(m)

    def stop(self, begun: Track, now: float, cut: bool) -> None:
        """A block that has begun is left where it is and goes on from there."""
        begun.cut(now)


def groups(
    layer: LayerSummary, island: Ints, powder: Floats, rng: np.random.Generator
) -> Groups:
    """The rows of a summary: groups of one block and island under equal powder, three of each.

    `island` and `powder` (m of metal): of the summary's groups (n,). The three stand for the
    plume's flicker, as nodes of Gauss-Hermite quadrature with their share of the vectors, around
    the mean of so many draws.
    """
    keys = np.column_stack([layer.block, island, powder])
    kinds, first, kind = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    kind, m = kind.ravel(), len(kinds)
    count = np.bincount(kind, layer.count, m)
    length, jump = np.bincount(kind, layer.length, m), np.bincount(kind, layer.jump, m)
    mean = rng.standard_normal(m) / np.sqrt(np.maximum(count, 1.0))
    # Longest last in its block: that is the one which readings show.
    order = np.lexsort((np.outer(length, SHARES).ravel(), np.repeat(layer.block[first], 3)))
    of, node = np.divmod(order, 3)
    share, example = SHARES[node], first[of]
    weight = layer.length + 1e-12 * layer.count
    kept = np.bincount(layer.place, minlength=len(weight))
    part = weight[layer.place] / kept[layer.place] / np.bincount(kind, weight, m)[kind[layer.place]]
    where = np.argsort(order).reshape(m, 3)[kind[layer.place]]
    shown = Places(where.ravel(), np.repeat(part, 3), np.repeat(layer.place_start, 3, axis=0),
                   np.repeat(layer.place_end, 3, axis=0))
    start = np.zeros((len(layer.role), 2))
    start[layer.place[::-1]] = layer.place_start[::-1]
    return Groups(
        layer.role[example], layer.part[example], layer.laser[example], island[example],
        count[of] * share, length[of] * share, powder[example], NODES[node] + mean[of],
        start[example], layer.block[example].astype(np.intp), jump[of] * share, shown)

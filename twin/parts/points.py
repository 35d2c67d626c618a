"""Points instead of lines: spots and tiles that an electron beam stands on, and in which order."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from twin.parts.layers import Layer, Role

__all__ = ["BeamPattern"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_FILLED = (Role.HATCH, Role.UPSKIN, Role.DOWNSKIN)


@dataclass(frozen=True, slots=True)
class BeamPattern:
    """Arranges a layer's hatch for beams that jump for free; contours and supports stay lines.

    ``lines``: as they are. ``spots``: points ``pitch`` (m) apart along the hatch lines.
    ``tiles``: the middles of the squares of that edge that the hatch covers. Points are visited
    in ``skip`` rounds, each taking every skip-th point, so that neighbours come late: their
    return time grows. The points of one line in one round are one vector, from the first to the
    last of them: the beam stands on each for the role's dwell and is back on the next one after
    skip x pitch, see `stride`. Vectors are shared out among ``splits`` beams in turn.
    """

    mode: Literal["lines", "spots", "tiles"] = "lines"
    pitch: float = 2e-4
    skip: int = 1
    splits: int = 1

    def __post_init__(self) -> None:
        for name, value in (("pitch", self.pitch), ("skip", self.skip), ("splits", self.splits)):
            if not value > 0:
                raise ValueError(f"beam pattern {name} {value!r}: allowed above 0")

    def __call__(self, layer: Layer) -> Layer:
        """The layer with its hatch arranged."""
        if self.mode != "lines":
            layer = self._points(layer)
        if self.splits > 1:
            beam = layer.laser.astype(np.int64) * self.splits
            layer = replace(layer, laser=(beam + np.arange(len(beam)) % self.splits).astype(
                np.uint8))
        return _in_order(layer)

    def describe(self) -> dict[str, Any]:
        """Settings, for the plan's digest."""
        return {"kind": "beam pattern", **asdict(self)}

    @property
    def stride(self) -> float:
        """Way (m) from one point of a vector to the next: over the dwell it is its speed."""
        return self.pitch * self.skip

    def _points(self, layer: Layer) -> Layer:
        filled = np.isin(layer.role, [int(r) for r in _FILLED])
        lines, rest = np.flatnonzero(filled), np.flatnonzero(~filled)
        start, end = layer.start[lines], layer.end[lines]
        if self.mode == "spots":
            first, last, own = self._spots(start, end)
        else:
            first, own = self._tiles(start, end, layer.part[lines])
            last = first
        source = lines[own]

        def joined(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
            return np.concatenate([values[source], values[rest]])

        return replace(
            layer, start=np.concatenate([first, layer.start[rest]]),
            end=np.concatenate([last, layer.end[rest]]), role=joined(layer.role),
            part=joined(layer.part), laser=joined(layer.laser), field=joined(layer.field))

    def _spots(self, start: Floats, end: Floats) -> tuple[Floats, Floats, Ints]:
        """First and last points of each round on each line, (n, 2), and their lines (n,)."""
        length = np.hypot(*(end - start).T)
        number = np.maximum(np.rint(length / self.pitch), 1).astype(np.int64)
        rounds = np.arange(self.skip)
        # By rounds, then by lines; a short line has no point in the later rounds.
        line = np.tile(np.arange(len(number)), self.skip)
        begin = np.repeat(rounds, len(number))
        held = begin < number[line]
        line, begin = line[held], begin[held]
        count = (number[line] - begin + self.skip - 1) // self.skip
        unit = (end - start)[line] / np.maximum(length[line], 1e-12)[:, None]
        # The points sit in the middle of the line, a pitch apart whatever its length.
        margin = 0.5 * (length - (number - 1) * self.pitch)
        first = start[line] + unit * (margin[line] + begin * self.pitch)[:, None]
        last = first + unit * ((count - 1) * self.stride)[:, None]
        return first, last, line

    def _tiles(
        self, start: Floats, end: Floats, part: npt.NDArray[np.uint16]
    ) -> tuple[Floats, Ints]:
        """Middles of the tiles (n, 2) in the order of their rounds, and a line of each (n,)."""
        length = np.hypot(*(end - start).T)
        number = np.maximum(np.rint(length / (0.5 * self.pitch)), 1).astype(np.int64)
        own = np.repeat(np.arange(len(number)), number)
        place = np.arange(len(own)) - np.repeat(np.cumsum(number) - number, number)
        share = (place + 0.5) / number[own]
        points = start[own] + share[:, None] * (end - start)[own]
        if not len(points):
            return points, own
        cell = np.floor(points / self.pitch).astype(np.int64)
        _, first, inverse, count = np.unique(
            np.column_stack([part[own].astype(np.int64), cell]), axis=0, return_index=True,
            return_inverse=True, return_counts=True)
        inverse = inverse.reshape(-1)
        middle = np.column_stack([
            np.bincount(inverse, points[:, axis]) / count for axis in (0, 1)])
        order = _rounds(len(middle), self.skip)
        return middle[order], own[first][order]


def _rounds(count: int, skip: int) -> Ints:
    """Every skip-th of `count` numbers from 0, then those after them, and so on."""
    numbers = np.arange(count)
    return np.asarray(np.lexsort((numbers, numbers % skip)), np.int64)


def _in_order(layer: Layer) -> Layer:
    """Beam by beam, as the machine takes them."""
    order = np.argsort(layer.laser, kind="stable")
    made = {name: getattr(layer, name)[order]
            for name in ("start", "end", "role", "part", "laser", "field")}
    for values in made.values():
        values.setflags(write=False)
    return replace(layer, **made)

"""Share the scan vectors of a layer among several lasers by plate fields that overlap."""

import math
from dataclasses import dataclass

import numpy as np

from twin.parts.geometry import PartError
from twin.parts.hatching import Ints
from twin.parts.slicing import Floats

SHORTEST = 20e-6
"""A cut that would leave a piece shorter than this (m) is not made."""


@dataclass(frozen=True)
class LaserFields:
    """Grid of fields over a plate centred on the origin, one laser each, as square as it goes.

    Neighbouring fields overlap by `overlap` (m).  Inside the overlap the border of a layer, its
    seam, goes where it shares the marking length best; there a vector that crosses it is cut.
    Laser numbers run along y first.
    """

    lasers: int
    plate_size: tuple[float, float]
    overlap: float

    def __post_init__(self) -> None:
        """Raise PartError if the fields cannot be laid out."""
        if not 1 <= self.lasers <= 64:
            raise PartError(f"laser fields: lasers is {self.lasers}, allowed 1 to 64")
        columns, rows = self.grid
        widest = min(self.plate_size[0] / columns, self.plate_size[1] / rows)
        if not 0 <= self.overlap <= widest:
            raise PartError(
                f"laser fields: overlap is {self.overlap:g} m, allowed 0 to {widest:g} m, the "
                "narrowest field"
            )

    @property
    def grid(self) -> tuple[int, int]:
        """Number of fields along x and along y."""
        rows = max(n for n in range(1, math.isqrt(self.lasers) + 1) if self.lasers % n == 0)
        return self.lasers // rows, rows

    def share(self, start: Floats, end: Floats) -> tuple[Floats, Floats, Ints, Ints]:
        """Cut vectors (n, 2) at the seams.

        Returns start and end of the pieces in their old order, the index of the vector each piece
        comes from, and its laser.
        """
        columns, rows = self.grid
        source = np.arange(len(start))
        start, end, source, column = self._cut(start, end, source, 0, columns)
        row = np.zeros_like(column)
        if rows > 1:
            parts = []
            for one in range(columns):
                mine = np.flatnonzero(column == one)
                cut = self._cut(start[mine], end[mine], mine, 1, rows)
                parts.append(cut)
            start, end, piece, row = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
            order = np.argsort(piece, kind="stable")
            start, end, row = start[order], end[order], row[order]
            source, column = source[piece[order]], column[piece[order]]
        return start, end, source, column * rows + row

    def _cut(
        self, start: Floats, end: Floats, source: Ints, axis: int, count: int
    ) -> tuple[Floats, Floats, Ints, Ints]:
        strip = np.zeros(len(start), dtype=np.int64)
        for seam in self._seams(start, end, axis, count):
            from_seam, to_seam = start[:, axis] - seam, end[:, axis] - seam
            length = np.hypot(*(end - start).T)
            with np.errstate(invalid="ignore", divide="ignore"):
                at = from_seam / (from_seam - to_seam)
            crosses = (from_seam * to_seam < 0) & (np.minimum(at, 1 - at) * length > SHORTEST)
            cut = np.flatnonzero(crosses)
            piece = np.repeat(np.arange(len(start)), 1 + crosses)
            first = np.flatnonzero(np.diff(piece, append=-1) == 0)
            middle = start[cut] + at[cut, None] * (end[cut] - start[cut])
            start, end, source, strip = start[piece], end[piece], source[piece], strip[piece]
            end[first], start[first + 1] = middle, middle
            strip += (start[:, axis] + end[:, axis]) / 2 > seam
        return start, end, source, strip

    def _seams(self, start: Floats, end: Floats, axis: int, count: int) -> list[float]:
        """Positions (m) that share the length evenly, as far as the overlaps allow."""
        size = self.plate_size[axis]
        middle = (start[:, axis] + end[:, axis]) / 2
        order = np.argsort(middle, kind="stable")
        done = np.cumsum(np.hypot(*(end - start).T)[order])
        seams = []
        for border in range(1, count):
            nominal = (border / count - 0.5) * size
            wanted = nominal
            if len(done):
                wanted = middle[order][np.searchsorted(done, done[-1] * border / count)]
            reach = self.overlap / 2
            seams.append(float(np.clip(wanted, nominal - reach, nominal + reach)))
        return seams

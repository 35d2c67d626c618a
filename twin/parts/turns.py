"""A path of a file that rises over itself, cut into its turns."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from twin.parts.slicing import Floats

__all__ = ["SAME_LEVEL", "turns"]

SAME_LEVEL = 5e-6
"""Strokes of a file whose heights (m) differ by less are in one layer."""
STRAIGHT = 1e-6
"""A stroke that moves by less (m) in the plane goes straight up."""


def turns(points: Floats, bead: float) -> list[Floats]:
    """A path (n, 3) cut where, higher up, it comes back over itself.

    A head that looks at the surface before a pass does not see what the same pass has laid. Half a
    `bead` (m) is near enough to be over it; a step straight up is a cut, too.
    """
    if np.ptp(points[:, 2]) <= SAME_LEVEL:
        return [points]
    steps = np.diff(points, axis=0)
    along = np.concatenate([[0.0], np.cumsum(np.sqrt((steps**2).sum(axis=1)))])
    rises = (np.hypot(*steps[:, :2].T) < STRAIGHT) & (steps[:, 2] > SAME_LEVEL)
    up = set(along[1:][rises].tolist())
    at = np.unique(np.concatenate([along, np.arange(0.0, along[-1], 0.4 * bead)]))
    dense = np.column_stack([np.interp(at, along, points[:, i]) for i in range(3)])
    cells = np.floor(dense[:, :2] / (0.5 * bead)).astype(int).tolist()
    spots, way = dense.tolist(), at.tolist()
    cuts: list[int] = []
    seen: dict[tuple[int, int], int] = {}
    i = 0
    while i < len(way):
        (x, y, z), (a, b) = spots[i], cells[i]
        over = next((j for da in (-1, 0, 1) for db in (-1, 0, 1)
                     if (j := seen.get((a + da, b + db), -1)) >= 0
                     and way[i] - way[j] > 3 * bead and z - spots[j][2] > SAME_LEVEL
                     and math.hypot(x - spots[j][0], y - spots[j][1]) < 0.5 * bead), None)
        if over is not None or (way[i] in up and i > 0):
            if over is not None:
                there = spots[over][:2]
                while i + 1 < len(way) and (
                        math.dist(spots[i + 1][:2], there) < math.dist(spots[i][:2], there)):
                    i += 1
            cuts.append(i)
            seen = {}
        seen.setdefault((cells[i][0], cells[i][1]), i)
        i += 1
    # What is left at the end is a layer only if it is more than a bead long.
    cuts = [c for c in cuts if way[-1] - way[c] > bead]
    ends = [0, *cuts, len(way) - 1]
    return [np.vstack([dense[a], points[(along > way[a]) & (along < way[b])], dense[b]])
            for a, b in pairwise(ends) if b > a]

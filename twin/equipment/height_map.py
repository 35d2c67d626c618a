"""The surface of what has been deposited: a height map over the plate that keeps its volume.

Beads are spread bilinearly over cells of a third of a bead, so that volume is kept to the last
bit of rounding and neither speed nor tick leaves ripples.
"""

from __future__ import annotations

import base64
import math
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["HeightMap"]

Floats = npt.NDArray[np.float64]

CELLS = 400_000
"""Most cells of a map; a larger plate gets coarser ones."""
_ACROSS = np.array([-0.4, -0.2, 0.0, 0.2, 0.4])
_PARABOLA = (1 - (2 * _ACROSS) ** 2) / (1 - (2 * _ACROSS) ** 2).sum()
_SEEN = np.array([-0.25, 0.0, 0.25])


class HeightMap:
    """Heights (ny, nx) in metres over the plate, of cells `cell` (m) wide from `origin` (x, y)."""

    def __init__(self, bounds: tuple[float, float, float, float], width: float) -> None:
        """Cover x0, y0, x1, y1 (m) for beads of `width` (m)."""
        x0, y0, x1, y1 = bounds
        self.cell = max(width / 3, math.sqrt((x1 - x0) * (y1 - y0) / CELLS))
        margin = width + 2 * self.cell
        self.origin = np.array([x0 - margin, y0 - margin])
        self.heights: Floats = np.zeros((math.ceil((y1 - y0 + 2 * margin) / self.cell) + 1,
                                         math.ceil((x1 - x0 + 2 * margin) / self.cell) + 1))

    @property
    def volume(self) -> float:
        """Volume of all that lies on the plate, m3."""
        return float(self.heights.sum()) * self.cell**2

    def _cells(self, points: Floats) -> tuple[npt.NDArray[np.intp], Floats]:
        """Flat indices (4, n) of the cells around points (n, 2), and their shares (4, n)."""
        ny, nx = self.heights.shape
        at = (points - self.origin) / self.cell
        np.clip(at, 0.0, [nx - 1.001, ny - 1.001], out=at)
        low = at.astype(np.intp)
        fx, fy = (at - low).T
        first = low[:, 1] * nx + low[:, 0]
        return (np.stack([first, first + 1, first + nx, first + nx + 1]),
                np.stack([(1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy]))

    def under(self, points: Floats, normal: Floats, width: float) -> Floats:
        """Mean height (n,) that a pool `width` (m) wide stands on, at points (n, 2).

        `normal` (n, 2): unit vectors across the path.
        """
        spots = points[:, None] + (width * _SEEN)[None, :, None] * normal[:, None]
        index, share = self._cells(spots.reshape(-1, 2))
        found: Floats = (self.heights.ravel()[index] * share).sum(axis=0)
        mean: Floats = found.reshape(len(points), -1).mean(axis=1)
        return mean

    def add(self, start: Floats, end: Floats, area: Floats, width: Floats,
            way: Floats | None = None) -> None:
        """Lay beads from `start` to `end` (n, 2) with cross-sections (n,) m2 and widths (n,) m.

        `way` (n,): lengths of the paths if they are not straight, m; their volume is kept.
        """
        step = end - start
        length = np.hypot(*step.T)
        area = area if way is None else area * way / np.where(length > 0, length, 1.0)
        kept = (length > 0) & (area > 0)
        if not kept.any():
            return
        start, step, length, area, width = (
            a[kept] for a in (start, step, length, area, width))
        parts = np.ceil(length / (0.5 * self.cell)).astype(int)
        bead = np.repeat(np.arange(len(parts)), parts)
        number = np.arange(len(bead)) - np.repeat(np.cumsum(parts) - parts, parts)
        middle = start[bead] + ((number + 0.5) / parts[bead])[:, None] * step[bead]
        normal = np.column_stack([-step[:, 1], step[:, 0]])[bead] / length[bead, None]
        volume = (area * length / parts)[bead]
        spots = middle[:, None] + (width[bead, None] * _ACROSS)[..., None] * normal[:, None]
        index, share = self._cells(spots.reshape(-1, 2))
        amount = share * (volume[:, None] * _PARABOLA).reshape(-1)
        flat = self.heights.reshape(-1)
        flat += np.bincount(index.ravel(), amount.ravel(), len(flat)) / self.cell**2

    def grind(self, level: float) -> float:
        """Take off what stands above `level` (m); the volume taken, m3."""
        before = self.volume
        np.minimum(self.heights, level, out=self.heights)
        return before - self.volume

    def cut(self, spots: Floats, radius: float, levels: Floats) -> float:
        """Take off what stands above levels (n,) m within `radius` (m) of spots (n, 2); m3 taken.

        Where spots are near each other the higher level holds.
        """
        before = self.volume
        ny, nx = self.heights.shape
        x = self.origin[0] + self.cell * np.arange(nx)
        y = self.origin[1] + self.cell * np.arange(ny)
        limit = np.full((ny, nx), -np.inf)
        for spot, level in zip(spots, levels, strict=True):
            near = ((x - spot[0]) ** 2)[None, :] + ((y - spot[1]) ** 2)[:, None] <= radius**2
            limit[near] = np.maximum(limit[near], level)
        np.minimum(self.heights, limit, out=self.heights, where=np.isfinite(limit))
        return before - self.volume

    def store(self) -> dict[str, Any]:
        """The heights as plain data."""
        packed = zlib.compress(np.ascontiguousarray(self.heights, "<f8").tobytes(), 1)
        return {"shape": list(self.heights.shape),
                "heights": base64.b64encode(packed).decode("ascii")}

    def restore(self, stored: dict[str, Any]) -> None:
        """Take back what `store` gave of a map with the same bounds."""
        data = zlib.decompress(base64.b64decode(stored["heights"]))
        self.heights = np.frombuffer(data, "<f8").astype(float).reshape(stored["shape"])

"""Raster a cross-section into the dots of a print head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

__all__ = ["Grid", "column_runs", "raster"]

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Grid:
    """Dots of a plate: columns along x, one per nozzle line, rows along y; the plate is centred."""

    dx: float
    dy: float
    width: float
    length: float

    @property
    def columns(self) -> int:
        """How many columns cover the plate."""
        return int(np.ceil(self.width / self.dx - 1e-9))

    @property
    def rows(self) -> int:
        """How many rows cover the plate."""
        return int(np.ceil(self.length / self.dy - 1e-9))

    def x(self, column: Any) -> Any:
        """Middle (m) of columns."""
        return (np.asarray(column) + 0.5) * self.dx - 0.5 * self.width

    def y(self, row: Any) -> Any:
        """Middle (m) of rows."""
        return (np.asarray(row) + 0.5) * self.dy - 0.5 * self.length


def raster(region: Any, grid: Grid) -> tuple[int, int, Bools]:
    """Dots of a polygon geometry: first column, first row, mask (columns, rows) of its bounds.

    A dot is set if its middle lies inside; parity along each column, so holes stay open.
    """
    rings = shapely.get_rings(shapely.get_parts(region))
    if not len(rings):
        return 0, 0, np.zeros((0, 0), bool)
    coords, ring = shapely.get_coordinates(rings, return_index=True)
    joined = ring[1:] == ring[:-1]
    a, b = coords[:-1][joined], coords[1:][joined]
    # In dots, with the middle of dot i at i.
    ax, bx = ((p[:, 0] + 0.5 * grid.width) / grid.dx - 0.5 for p in (a, b))
    ay, by = ((p[:, 1] + 0.5 * grid.length) / grid.dy - 0.5 for p in (a, b))
    first = int(np.clip(np.ceil(ax.min()), 0, grid.columns))
    last = int(np.clip(np.ceil(ax.max()), first, grid.columns))
    low = int(np.clip(np.ceil(ay.min()), 0, grid.rows))
    high = int(np.clip(np.ceil(ay.max()), low, grid.rows))
    columns, rows = last - first, high - low
    c0 = np.clip(np.ceil(np.minimum(ax, bx)), first, last).astype(np.intp)
    c1 = np.clip(np.ceil(np.maximum(ax, bx)), first, last).astype(np.intp)
    counts = c1 - c0
    edge = np.repeat(np.arange(len(a)), counts)
    column = np.arange(len(edge)) - np.repeat(np.cumsum(counts) - counts - c0, counts)
    share = (column - ax[edge]) / (bx[edge] - ax[edge])
    crossing = ay[edge] + share * (by[edge] - ay[edge])
    row = np.clip(np.ceil(crossing), low, high).astype(np.intp) - low
    toggles = np.zeros(columns * (rows + 1), np.uint8)
    np.bitwise_xor.at(toggles, (column - first) * (rows + 1) + row, 1)
    inside = np.bitwise_xor.accumulate(toggles.reshape(columns, rows + 1), axis=1)
    return first, low, inside[:, :rows].view(bool)


def column_runs(mask: Bools, columns: Ints) -> tuple[Ints, Ints, Ints]:
    """Runs of set dots in some columns of a mask: column, first row, row after the last."""
    chosen = np.zeros((len(columns), mask.shape[1] + 2), np.int8)
    chosen[:, 1:-1] = mask[columns]
    change = np.diff(chosen, axis=1)
    where, begin = np.nonzero(change == 1)
    end = np.nonzero(change == -1)[1]
    return columns[where], begin, end

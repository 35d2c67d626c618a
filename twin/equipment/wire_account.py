"""Where the wire of a job has gone so far: part, spatter, fume, wire that joined nothing, pores."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["WireAccount"]

Floats = npt.NDArray[np.float64]


@dataclass
class WireAccount:
    """kg of metal since the job began."""

    melted: float = 0.0
    """In the part."""
    spatter: float = 0.0
    fume: float = 0.0
    loose: float = 0.0
    """Laid without a pool: it lies there, but joins nothing."""
    pores: float = 0.0
    """What would fill the part's pores."""
    flaws: int = 0
    """Defects placed."""

    def laid(self, part: Floats, porosity: Floats, *, spatter: float = 0.0, fume: float = 0.0,
             loose: float = 0.0) -> None:
        """A pass has added masses (n,) with pore fractions (n,) to the part, and beside it."""
        self.melted += float(part.sum())
        self.pores += float((part * porosity).sum())
        self.spatter += spatter
        self.fume += fume
        self.loose += loose

    @property
    def porosity(self) -> float:
        """Mean pore fraction of the part."""
        return self.pores / self.melted if self.melted > 0 else 0.0

    def plain(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)

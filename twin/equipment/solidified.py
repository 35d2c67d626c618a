"""What an exposed layer adds to the part: powder that was there, as far as it was melted."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from twin.meltpool.pool import MeltPool

__all__ = ["solid_height"]

Floats = npt.NDArray[np.float64]


def solid_height(
    pool: MeltPool, powder: Floats, weight: Floats, hatch_spacing: float, thickness: float
) -> float:
    """Mean height (m) of solid metal that n tracks have added to a layer's area.

    ``powder`` (n,): height of metal that lay there as powder, m; ``weight`` (n,): lengths of the
    tracks that cover the area. A track melts as much of its ``hatch_spacing`` as its pool is wide,
    and of the layer's ``thickness`` as it is deep (m). 0 where nothing is melted.
    """
    whole = float(weight.sum())
    if whole <= 0.0:
        return 0.0
    share = (np.clip(pool.width / hatch_spacing, 0.0, 1.0)
             * np.clip(pool.depth / thickness, 0.0, 1.0))
    return float((weight * share * np.maximum(powder, 0.0)).sum()) / whole

"""Defects of wire-fed beads: pores where shielding lacked, gaps where the wire was not fused."""

from __future__ import annotations

from typing import Any

import numpy as np

from twin.equipment.deposition import LayerResult
from twin.meltpool.defects import DefectKind

__all__ = ["wire_defects"]

SOUND = 1e-3
"""Pore fraction below which pores are too few and small to be placed, default."""
PORE = 0.6e-3
"""m, median diameter of pores in wire-fed beads, default."""
SPREAD = 0.35
MOST = 200
"""Pores placed per pass; more say nothing more."""


def wire_defects(
    rng: np.random.Generator, result: LayerResult
) -> list[tuple[float, float, float, int, int]]:
    """Placed defects of a layer: x, y, size (m), kind, number of the pass.

    Pores by the pass's pore fraction over a pore's volume (Poisson), somewhere on its path; one
    lack of fusion where a pass was laid with wire that was not molten through (``unfused``).
    """
    found: list[tuple[float, float, float, int, int]] = []
    rows: dict[str, list[Any]] = result.passes
    volume_of_one = np.pi / 6 * PORE**3
    for number, (run, share, volume) in enumerate(zip(
            rows.get("run", []), rows.get("porosity", []), rows.get("volume", []), strict=True)):
        points = result.layer.passes[run - 1].points
        if share > SOUND:
            count = min(int(rng.poisson((share - SOUND) * volume / volume_of_one)), MOST)
            sizes = PORE * np.exp(SPREAD * rng.standard_normal(count))
            at = rng.uniform(0, len(points) - 1, count)
            for where, size in zip(at.tolist(), sizes.tolist(), strict=True):
                x, y = (float(np.interp(where, np.arange(len(points)), points[:, axis]))
                        for axis in (0, 1))
                found.append((x, y, size, int(DefectKind.GAS_PORE), number))
        if rows.get("unfused", [0.0] * (number + 1))[number] > 0.05:
            found.append((rows["x"][number], rows["y"][number], rows["width"][number],
                          int(DefectKind.LACK_OF_FUSION), number))
    return found

"""Rules of powder reuse: how much virgin powder a blend needs, how much has seen a build."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

__all__ = [
    "after_use",
    "blended",
    "exposed",
    "gain_per_cycle",
    "steady_virgin_share",
    "virgin_share",
]


def blended(used: float, virgin: float, share: float) -> float:
    """A mass fraction (oxygen, say) of a blend with ``share`` of virgin powder, 0 to 1."""
    return (1.0 - share) * used + share * virgin


def after_use(oxygen: float, gain: float, virgin: float, share: float) -> float:
    """Oxygen after a use and a blend: O' = (1 - f)(O + dO) + f Ov."""
    return blended(oxygen + gain, virgin, share)


def steady_virgin_share(gain: float, limit: float, virgin: float) -> float:
    """Virgin share that keeps powder at its limit for ever: dO / (Olim - Ov + dO).

    From O' = O = Olim. ValueError unless gain >= 0 and limit > virgin.
    """
    if not (gain >= 0.0 and limit > virgin):
        raise ValueError(f"gain {gain:g} must not be below 0, limit {limit:g} above virgin "
                         f"{virgin:g}")
    return gain / (limit - virgin + gain)


def virgin_share(used: float, virgin: float, target: float) -> float:
    """Virgin share that brings used powder down to ``target``, 0 if it is there; inf if none can.

    From the mass balance (1 - f) O + f Ov = target.
    """
    if used <= target:
        return 0.0
    if virgin > target:
        return float("inf")
    return (used - target) / (used - virgin)


def exposed(builds: int, melted: float, stock: float, consumed: float = 0.0) -> float:
    """Share of a stock that has been in the beam's way at least once: 1 - prod(1 - m / M_k).

    Each build takes ``melted`` kg of a well mixed stock into its hot zone; of the stock, ``stock``
    kg at first, ``consumed`` kg per build stay in parts. ValueError if the stock runs out.
    """
    stocks = [stock - consumed * k for k in range(builds)]
    if stocks and stocks[-1] < melted:
        raise ValueError(f"the stock of {stock:g} kg does not last {builds} builds")
    return 1.0 - prod(1.0 - melted / mass for mass in stocks)


def gain_per_cycle(cycles: Sequence[float], oxygen: Sequence[float]) -> tuple[float, float]:
    """Intercept and slope of oxygen over uses, by least squares.

    ValueError for fewer than two points.
    """
    if len(cycles) < 2 or len(cycles) != len(oxygen):
        raise ValueError("needs two points or more, as many cycles as values")
    n = len(cycles)
    mean_x, mean_y = sum(cycles) / n, sum(oxygen) / n
    slope = sum((x - mean_x) * (y - mean_y) for x, y in zip(cycles, oxygen, strict=True)) \
        / sum((x - mean_x) ** 2 for x in cycles)
    return mean_y - slope * mean_x, slope

"""Heat of a powder bed that a beam keeps hot: two nodes, radiation, one closed course."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Final

from twin.materials import STEFAN_BOLTZMANN

__all__ = ["BedHeat", "course"]

_GAMMA: Final = 1.0 - 1.0 / sqrt(2.0)
FIRST: Final = 0.25  # s
GROWTH: Final = 1.18
LONGEST: Final = 1500.0  # s
LAST: Final = 1e5  # s


@dataclass(frozen=True, slots=True)
class BedHeat:
    """What the surface of a bed and the stack beneath it exchange; SI.

    ``surface`` and ``stack`` heat capacities (J/K), ``between`` them (W/K), ``walls`` from the
    stack and ``gas`` from the surface to walls (W/K), ``radiating`` area x emissivity (m2), walls
    behind the heat shields at ``shield`` x the surface's own temperature in K, water-cooled ones
    at ``cold`` (K).
    """

    surface: float
    stack: float
    between: float
    walls: float
    gas: float
    radiating: float
    cold: float

    def rates(self, ts: float, tp: float, power: float) -> tuple[float, float]:
        """K/s of surface and stack at their temperatures (K) with absorbed `power` (W)."""
        radiated = self.radiating * STEFAN_BOLTZMANN * (ts**4 - self.cold**4)
        down = self.between * (ts - tp)
        lost = self.gas * (ts - self.cold)
        return ((power - radiated - down - lost) / self.surface,
                (down - self.walls * (tp - self.cold)) / self.stack)


def course(
    heat: BedHeat, power: float, surface: float, stack: float
) -> tuple[list[float], list[float], list[float]]:
    """Times (s) from now and both temperatures (K) there, while nothing changes.

    C dT/dt = P - eps sigma A (T^4 - Tw^4) - G dT for the surface, conduction to the stack beneath
    and from there to the walls. Rosenbrock method of second order, L-stable (Verwer et al. 1999,
    ROS2), steps growing with time.
    """
    times, tops, feet = [0.0], [surface], [stack]
    t, ts, tp, step = 0.0, surface, stack, FIRST
    while t < LAST:
        slope = (4.0 * heat.radiating * STEFAN_BOLTZMANN * ts**3 + heat.gas + heat.between)
        a = 1.0 + _GAMMA * step * slope / heat.surface
        b = -_GAMMA * step * heat.between / heat.surface
        c = -_GAMMA * step * heat.between / heat.stack
        d = 1.0 + _GAMMA * step * (heat.between + heat.walls) / heat.stack
        det = a * d - b * c
        fs, fp = heat.rates(ts, tp, power)
        k1s, k1p = (d * fs - b * fp) / det, (a * fp - c * fs) / det
        gs, gp = heat.rates(ts + step * k1s, tp + step * k1p, power)
        rs, rp = gs - 2.0 * k1s, gp - 2.0 * k1p
        k2s, k2p = (d * rs - b * rp) / det, (a * rp - c * rs) / det
        t += step
        ts += step * (1.5 * k1s + 0.5 * k2s)
        tp += step * (1.5 * k1p + 0.5 * k2p)
        times.append(t)
        tops.append(ts)
        feet.append(tp)
        step = min(step * GROWTH, LONGEST)
    return times, tops, feet

"""How a powder flows and packs, from its sizes, shapes and moisture."""

from __future__ import annotations

from math import inf, sqrt
from typing import Final

__all__ = ["MONOLAYER", "cohesion", "hall_time", "loose_packing", "tapped_packing"]

MONOLAYER: Final = 0.26e-6
"""Water of one monolayer, kg/m2: a molecule of 3e-26 kg takes about 0.115 nm2."""

_GRAVITY: Final = 9.80665
_ORIFICE: Final = 2.54e-3  # Hall funnel, ASTM B213
_SAMPLE: Final = 0.050

# Default figures. The discharge constant is near that of flat-bottomed bins, 0.58, over the steeper
# cone of the funnel; cohesion is set so that 20-63 um Ti-6Al-4V and 15-45 um steel flow and
# 15-45 um aluminium does not.
_DISCHARGE: Final = 1.0
_EMPTY_RING: Final = 1.4
_STICKY: Final = 2.5e-6  # kg/m
_BY_WATER: Final = 0.08
_BY_SHAPE: Final = 0.6
_SLOWED_BY_WATER: Final = 0.02
_SLOWED_BY_SATELLITES: Final = 0.5
_SLOWED_BY_FINES: Final = 3.0
_SLOWED_BY_SHAPE: Final = 0.8
_LOOSE: Final = 0.55
_TAPPED: Final = 0.62
_BY_SPAN: Final = 0.06
_SPARSE_BY_SATELLITES: Final = 0.10
_SPARSE_BY_SHAPE: Final = 0.22
_LOOSENED: Final = 0.10
_LOOSENED_TAPPED: Final = 0.03
_STICKIEST: Final = 5.0  # cohesion beyond which nothing packs more loosely


def cohesion(d32: float, density: float, monolayers: float, irregular: float) -> float:
    """Cohesion index: what sticks grains together over what it takes to keep them from flowing.

    A granular Bond number: adhesion ~ d (van der Waals at rough contacts) over weight ~ rho d^3,
    times 1 + a x (monolayers of water above one) + b x irregular share; default figures. ``d32``
    m, ``density`` kg/m3. Above 1 the powder does not flow.
    """
    sticks = 1.0 + _BY_WATER * max(monolayers - 1.0, 0.0) + _BY_SHAPE * irregular
    return _STICKY / (density * d32**2) * sticks


def hall_time(
    apparent: float, d32: float, sticky: float, monolayers: float, satellites: float,
    fines: float, irregular: float,
) -> float:
    """Hall flow time, s per 50 g: t0 (1 + a X + b satellites + c fines + e irregular).

    t0 is the discharge of Beverloo (1961) through 2.54 mm: C rho sqrt(g) (D - k d)^2.5, with
    ``apparent`` density in kg/m3; infinite for a cohesion index ``sticky`` of 1 and more. The
    factors are defaults.
    """
    if sticky >= 1.0:
        return inf
    opening = max(_ORIFICE - _EMPTY_RING * d32, 0.0)
    if opening == 0.0:
        return inf
    rate = _DISCHARGE * apparent * sqrt(_GRAVITY * opening) * opening**2
    slowed = (1.0 + _SLOWED_BY_WATER * monolayers + _SLOWED_BY_SATELLITES * satellites
              + _SLOWED_BY_FINES * fines + _SLOWED_BY_SHAPE * irregular)
    return _SAMPLE / rate * slowed


def _packing(dense: float, span: float, sticky: float, satellites: float, irregular: float,
             loosened: float) -> float:
    filled = 1.0 + _BY_SPAN * min(max(span - 1.0, -1.0), 1.0)
    rough = 1.0 - _SPARSE_BY_SATELLITES * satellites - _SPARSE_BY_SHAPE * irregular
    return dense * filled * rough / (1.0 + loosened * min(sticky, _STICKIEST))


def loose_packing(span: float, sticky: float, satellites: float, irregular: float) -> float:
    """Volume fraction of grains in poured powder; default figures.

    A broader distribution fills the gaps; satellites, irregular shape and cohesion (``sticky``,
    the index) keep grains apart.
    """
    return _packing(_LOOSE, span, sticky, satellites, irregular, _LOOSENED)


def tapped_packing(span: float, sticky: float, satellites: float, irregular: float) -> float:
    """Volume fraction of grains in tapped powder: as `loose_packing`, less open by cohesion."""
    return _packing(_TAPPED, span, sticky, satellites, irregular, _LOOSENED_TAPPED)

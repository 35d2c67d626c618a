"""What the state of a lot does to a build made from it, against the powder a machine is tuned to.

Everything is relative to the usual powder of a process: a lot that is that powder changes nothing,
exactly. All coefficients are defaults; the directions and forms have the sources named.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Final

from twin.materials import ATMOSPHERE, GAS_CONSTANT
from twin.materials import alloy as find_alloy
from twin.physics.powder_surface import NATIVE, OXIDE_OXYGEN
from twin.powder import flow
from twin.powder.lot import HYDROGEN_OF_WATER, Constituent, PowderLot

__all__ = ["NEUTRAL", "PROCESSES", "Effects", "Usual", "effects", "film_ratio", "hydrogen_gas",
           "usual_lot"]


@dataclass(frozen=True, slots=True)
class Usual:
    """Sizes (m) of the powder that a process usually takes, default."""

    d50: float
    s: float
    low: float
    high: float


PROCESSES: Final[Mapping[str, Usual]] = {
    "pbf-lb": Usual(34e-6, 1.35, 15e-6, 63e-6),
    "pbf-eb": Usual(70e-6, 1.30, 45e-6, 106e-6),
    "ded-powder": Usual(75e-6, 1.30, 45e-6, 150e-6),
    "binder-jet": Usual(12e-6, 1.60, 2e-6, 38e-6),
}

_OXYGEN: Final = {"Ti-6Al-4V": 1.1e-3, "Ti-48Al-2Cr-2Nb": 5.6e-4, "AlSi10Mg": 7e-4, "IN718": 1.8e-4,
                  "IN625": 1.8e-4}
_PLAIN_OXYGEN: Final = 4e-4
_MOISTURE: Final = {"AlSi10Mg": 6e-5}
_PLAIN_MOISTURE: Final = 3e-5
_SHAPE: Final = {"hollow": 0.005, "satellites": 0.10, "irregular": 0.03, "pore": 0.05}

# Share of the oxygen above the usual that is in the film; titanium dissolves the most. Default.
_IN_FILM: Final = {"Ti": 0.12}
_PLAIN_IN_FILM: Final = 0.8
_THICKEST: Final = 40.0
# Share of the hydrogen in adsorbed water that ends as gas in pores. Aluminium rejects it when it
# freezes; titanium keeps it dissolved. Default.
_KEPT: Final = {"Al": 3e-3, "Ti": 2e-5}
_PLAIN_KEPT: Final = 5e-5
_MOST_GAS: Final = 0.05


@dataclass(frozen=True, slots=True)
class Effects:
    """What a lot does, each over the usual powder of the process; the defaults do nothing."""

    packing: float = 1.0
    """Packing of a spread layer."""
    density: float = 1.0
    """Bulk density: packing, and grains that are lighter by their pores."""
    absorptivity: float = 1.0
    """Absorbed share of a laser: a thicker oxide film absorbs more."""
    gas: float = 0.0
    """Volume fraction of gas that it brings into the melt more than usual."""
    uneven: float = 0.0
    """Relative deviation of the layer's thickness from place to place."""
    spatter: float = 1.0
    """Spatter that lands in the bed."""
    film: float = 1.0
    """Thickness of the oxide film: how slowly a charge leaks."""
    grip: float = 1.0
    """How firmly grains lie against being lifted by charge; fines make it smaller."""
    grain: float = 1.0
    """Median size."""
    feed: float = 1.0
    """Flow out of a metering disc; below 1 when the powder bridges."""
    pulsation: float = 0.0
    """Further amplitude of that flow's pulses."""


NEUTRAL: Final = Effects()


@cache
def usual_lot(process: str, alloy: str, d50: float | None = None) -> PowderLot:
    """The powder that a process is tuned to, 1 kg; `d50` (m) if the recipe names one.

    ValueError for an unknown process, MaterialError for an unknown alloy.
    """
    if process not in PROCESSES:
        raise ValueError(f"process {process!r} is unknown; known: {', '.join(PROCESSES)}")
    sizes, name = PROCESSES[process], find_alloy(alloy).name
    scale = 1.0 if d50 is None else d50 / sizes.d50
    return PowderLot.virgin(
        f"usual {name}", name, 1.0, sizes.d50 * scale, sizes.s, low=sizes.low * scale,
        high=sizes.high * scale, oxygen=_OXYGEN.get(name, _PLAIN_OXYGEN),
        moisture=_MOISTURE.get(name, _PLAIN_MOISTURE), hollow=_SHAPE["hollow"],
        satellites=_SHAPE["satellites"], irregular=_SHAPE["irregular"], pore=_SHAPE["pore"])


def _base(grains: Constituent) -> str:
    return max(grains.elements, key=lambda element: grains.elements[element])


def film_ratio(lot: PowderLot, usual: PowderLot) -> float:
    """Thickness of the oxide film over that of the usual powder, 0.5 to 40.

    The usual one has its native film; of the oxygen beyond the usual, a share by alloy is in the
    film and spreads over the surface.
    """
    share = _IN_FILM.get(_base(lot.main), _PLAIN_IN_FILM)
    more = share * (lot.oxygen - usual.oxygen) * lot.metal / lot.area
    return min(max(1.0 + more / (OXIDE_OXYGEN * NATIVE), 0.5), _THICKEST)


def hydrogen_gas(lot: PowderLot) -> float:
    """Volume fraction of gas that the hydrogen of its water and metal makes in the melt.

    n R T / p at the solidus and one atmosphere of the share that is not held in solution.
    """
    material = find_alloy(lot.alloy)
    hydrogen = lot.moisture * HYDROGEN_OF_WATER + lot.fraction("H")
    kept = _KEPT.get(_base(lot.main), _PLAIN_KEPT)
    moles = kept * hydrogen / 2.01588e-3
    density = float(material.density(material.solidus))
    return moles * GAS_CONSTANT * material.solidus / ATMOSPHERE * density


def effects(lot: PowderLot, process: str, d50: float | None = None) -> Effects:
    """What a lot does to a build by a process; `d50` (m) that the recipe reckons with, if any.

    Spreading: cohesion (fines, moisture, light grains), satellites and shape make layers uneven
    and loose. Gas: hollow grains bring theirs, water its hydrogen (both into pores). Film: oxide
    absorbs more light, and holds charge (smoke; Chiba et al. 2021). Fines lift sooner (Cordero et
    al. 2017). ValueError for an unknown process or an empty lot.
    """
    if not lot.metal:
        raise ValueError(f"lot {lot.id} is empty")
    usual = usual_lot(process, lot.alloy, d50)
    film = film_ratio(lot, usual)
    stickier = max(lot.cohesion - usual.cohesion, 0.0)
    rougher = max(lot.irregular - usual.irregular, 0.0)
    knobbly = max(lot.satellites - usual.satellites, 0.0)
    packing = _packed(lot) / _packed(usual)
    gas = lot.gas - usual.gas + hydrogen_gas(lot) - hydrogen_gas(usual)
    wetter = max(lot.monolayers - usual.monolayers, 0.0)
    fines = max(lot.fines - usual.fines, 0.0)
    found = Effects(
        packing=packing,
        density=packing * (lot.density / usual.density),
        absorptivity=min(max(1.0 + 0.02 * (film - 1.0), 0.9), 1.25),
        gas=min(gas, _MOST_GAS),
        uneven=min(0.22 * stickier + 0.25 * rougher + 0.08 * knobbly, 0.6),
        spatter=min(1.0 + 0.10 * max(film - 1.0, 0.0) + 0.02 * wetter, 4.0),
        film=film,
        grip=lot.d32 / usual.d32 / (1.0 + 5.0 * fines),
        grain=lot.d50 / usual.d50,
        feed=min((max(usual.cohesion, 1.0) / max(lot.cohesion, 1.0)) ** 2, 1.0),
        pulsation=min(0.3 * stickier + 0.15 * rougher, 0.8))
    # A lot as usual does nothing, whatever its mass: rounding is no effect.
    return Effects(**{f.name: round(getattr(found, f.name), 12) + 0.0 for f in fields(found)})


def _packed(lot: PowderLot) -> float:
    return flow.loose_packing(lot.span, lot.cohesion, lot.satellites, lot.irregular)

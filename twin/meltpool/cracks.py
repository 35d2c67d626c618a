"""Cracks: solidification cracks between grains that still hold liquid, cold cracks of stress.

Indices are 1 where cracking becomes likely. The alloy's part follows from how it freezes and what
strain it bears (``solidification.toml``), the process' part from the melt pool and the preheat.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from twin.materials import Alloy
from twin.meltpool.pool import Array, MeltPool

__all__ = [
    "Solute",
    "cold_crack_index",
    "cold_crack_rate",
    "crack_susceptibility",
    "ductility",
    "scheil",
    "segregating",
    "solidification_crack_index",
    "solidification_crack_rate",
    "susceptibility",
    "thermal_stress",
]

DATA: Final = Path(__file__).with_name("solidification.toml")

VULNERABLE: Final = (0.87, 0.94)  # solid fraction while grains grow together: Liu and Kou 2017
SHRINKAGE: Final = 0.04  # of volume on freezing: default
GRAIN_CELLS: Final = 10.0  # dendrites from one grain boundary to the next: default
POISSON: Final = 0.3  # default
CREEP_SHARE: Final = 0.6  # of the solidus (K): above it stress relaxes at once: default
NOTCH: Final = 3.0  # strain at pores and track edges over the mean: default
TRANSITION_WIDTH: Final = 40.0  # K, from brittle to tough: default
ONSET: Final = (0.6, 1.6)  # index from the first cracks to cracks everywhere: default
SOLIDIFICATION_RATE: Final = 2000.0  # 1/m of track where cracks are everywhere: default
COLD_RATE: Final = 5000.0  # 1/m of track where cracks are everywhere: default


class Solute(NamedTuple):
    """Dilute solute: mass ``fraction``, liquidus ``slope`` (K per fraction), ``partition``."""

    fraction: float
    slope: float
    partition: float


@cache
def _data() -> dict[str, Any]:
    return tomllib.loads(DATA.read_text(encoding="utf-8"))


def _freezing(alloy: Alloy) -> dict[str, Any]:
    found = _data()["alloys"].get(alloy.name)
    if found is None:
        raise ValueError(f"alloy {alloy.name!r}: no solidification data in {DATA.name}")
    return dict(found)


def segregating(composition: Mapping[str, float]) -> list[Solute]:
    """Solutes of a composition (mass fractions by element) that segregate in its main element.

    ValueError if nothing is known about that element.
    """
    solvent = max(composition, key=lambda element: float(composition[element]))
    table = _data()["segregation"].get(solvent)
    if table is None:
        raise ValueError(f"composition: no segregation data for {solvent} in {DATA.name}")
    return [
        Solute(float(part), *table[element])
        for element, part in composition.items()
        if element in table
    ]


def scheil(
    solid: npt.ArrayLike, liquidus: float, terminal: float, solutes: Sequence[Solute]
) -> Array:
    """Temperature (K) at solid fractions below 1, any shape: Gulliver 1913, Scheil 1942.

    Each solute piles up in the liquid by itself, C = C0 (1 - fs)^(k - 1); the curve starts at
    ``liquidus`` and what is left at ``terminal`` (K) freezes there.
    """
    fs = np.asarray(solid, float)
    if not bool(np.all((fs >= 0.0) & (fs < 1.0))):
        raise ValueError(f"solid fraction {fs.min():g} to {fs.max():g}: allowed 0 to below 1")
    t = np.full(fs.shape, float(liquidus))
    for fraction, slope, partition in solutes:
        t += slope * fraction * ((1.0 - fs) ** (partition - 1.0) - 1.0)
    return np.asarray(np.maximum(t, terminal))


def crack_susceptibility(liquidus: float, terminal: float, solutes: Sequence[Solute]) -> float:
    """Kou's index (K): fall of temperature over that of the square root of the solid fraction.

    Mean |dT / d(fs^1/2)| over the solid fractions where grains grow together (Kou 2015,
    Acta Materialia 88). A steep curve means long thin films of liquid between grains.
    """
    hot, cold = scheil(VULNERABLE, liquidus, terminal, solutes)
    return float((hot - cold) / (np.sqrt(VULNERABLE[1]) - np.sqrt(VULNERABLE[0])))


def susceptibility(alloy: Alloy) -> float:
    """Kou's index (K) of an alloy; ValueError if its freezing is not known."""
    return crack_susceptibility(
        alloy.liquidus, float(_freezing(alloy)["terminal"]), segregating(alloy.composition)
    )


def solidification_crack_index(pool: MeltPool, alloy: Alloy) -> Array:
    """Strain rate between two grains over the rate at which they grow together, shape (n,).

    Kou's criterion without feeding, per kelvin of cooling: contraction times |dT / d(fs^1/2)|
    over (1 - shrinkage)^1/2. The contraction of the pool's width is borne by its grain
    boundaries, which lie ``GRAIN_CELLS`` primary spacings apart; the spacing falls with the cube
    root of the cooling rate (Kurz and Fisher 1989). So quenched, wide pools crack more, and
    preheat helps. 0 where nothing melts.
    """
    molten = (pool.width > 0.0) & (pool.cooling_rate > 0.0)
    rate = np.where(molten, pool.cooling_rate, 1.0)
    grain = GRAIN_CELLS * float(_freezing(alloy)["spacing"]) * rate ** (-1.0 / 3.0)
    strain = alloy.thermal_expansion * np.maximum(pool.width / grain, 1.0)
    index = strain * susceptibility(alloy) / np.sqrt(1.0 - SHRINKAGE)
    return np.asarray(np.where(molten, index, 0.0))


def ductility(alloy: Alloy, temperature: npt.ArrayLike) -> Array:
    """Strain to fracture at a temperature (K), any shape; rises over the brittle transition."""
    data = _freezing(alloy)
    low = float(data["ductility"])
    high = float(data.get("tough", low))
    middle = float(data.get("transition", 0.0))
    share = 1.0 / (1.0 + np.exp((middle - np.asarray(temperature, float)) / TRANSITION_WIDTH))
    return np.asarray(low + (high - low) * share)


def thermal_stress(alloy: Alloy, preheat: npt.ArrayLike) -> Array:
    """Elastic stress (Pa) of a layer held in its plane that cooled to ``preheat`` (K), any shape.

    E alpha dT / (1 - nu) (Timoshenko and Goodier 1951), counted from where creep ends. Beyond the
    yield strength it is a measure of the strain that must be borne by plastic flow.
    """
    free = CREEP_SHARE * alloy.solidus
    fall = np.maximum(free - np.asarray(preheat, float), 0.0)
    return np.asarray(
        alloy.youngs_modulus / (1.0 - POISSON) * alloy.thermal_expansion * fall
    )


def cold_crack_index(
    alloy: Alloy, preheat: npt.ArrayLike, *, restraint: npt.ArrayLike = 1.0
) -> Array:
    """Thermal stress at notches over what the metal bears before it breaks, any shape.

    What it bears is the yield strength plus, as if elastic, the `ductility` at ``preheat`` (K),
    the temperature that the part cools to between layers. ``restraint``: part of the contraction
    that is held, 0 free to 1 clamped.
    """
    stiffness = alloy.youngs_modulus / (1.0 - POISSON)
    bears = alloy.yield_strength + stiffness * ductility(alloy, preheat)
    held = np.asarray(restraint, float)
    if not bool(np.all((held >= 0.0) & (held <= 1.0))):
        raise ValueError(f"restraint {held.min():g} to {held.max():g}: allowed 0 to 1")
    return np.asarray(NOTCH * held * thermal_stress(alloy, preheat) / bears)


def _onset(index: Array, rate: float) -> Array:
    low, high = ONSET
    step = np.clip((index - low) / (high - low), 0.0, 1.0)
    return np.asarray(rate * step**2 * (3.0 - 2.0 * step))


def solidification_crack_rate(pool: MeltPool, alloy: Alloy) -> Array:
    """Solidification cracks per metre of track, shape (n,)."""
    return _onset(solidification_crack_index(pool, alloy), SOLIDIFICATION_RATE)


def cold_crack_rate(
    alloy: Alloy, preheat: npt.ArrayLike, *, restraint: npt.ArrayLike = 1.0
) -> Array:
    """Cold cracks per metre of track; arguments as in `cold_crack_index`."""
    return _onset(cold_crack_index(alloy, preheat, restraint=restraint), COLD_RATE)

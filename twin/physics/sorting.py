"""Sorting of mixed powders: by a magnet, by a travelling field, by settling in an air classifier.

What a method can do follows from forces and settling; where physics does not allow it, `plan` says
so in one sentence and names what does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from twin.materials import alloy
from twin.physics.eddy_current import GRAVITY, MU0, force_over_weight
from twin.physics.settling import (
    equal_settling_ratio,
    partition,
    settling_velocity,
    sub_cut_edges,
    sub_cuts,
)
from twin.powder.lot import Constituent, PowderLot
from twin.powder.sizes import CENTRES, quantile

__all__ = [
    "AirClassifier",
    "Drum",
    "Grade",
    "Method",
    "NotSeparable",
    "NothingToSeparate",
    "Plan",
    "TravellingField",
    "grade",
    "plan",
]

Array = npt.NDArray[np.float64]
Method = Literal["none", "auto", "eddy current", "density", "both"]


class NotSeparable(ValueError):  # noqa: N818 - it is an answer, not a defect
    """Physics does not allow what was asked for; the message says why and what to use."""


class NothingToSeparate(NotSeparable):
    """The powder is of one alloy."""


# -- magnet -----------------------------------------------------------------------------------

SATURATION: Final[Mapping[str, float]] = {"17-4PH": 1.1e6, "ER70S-6": 1.7e6}
"""Magnetization (A/m) of saturated ferromagnetic alloys, default."""
AUSTENITIC: Final = ("316L", "308L")
FERRITE: Final = (0.3, 0.5)
"""Ferrite in spatter of austenitic steel, and share of its irregular grains that is such spatter,
default; that spatter gains ferrite: OSTI 1485816."""


@dataclass(frozen=True)
class Drum:
    """A drum magnet; default figures."""

    flux_density: float = 0.4
    """T at the drum's surface."""
    reach: float = 0.02
    """m over which the field falls to 1/e: gradient = flux density / reach."""
    holds: float = 3.0
    """Force over weight at which half is held against the drum's own acceleration."""
    imperfection: float = 0.4
    entrained: float = 0.002
    """Share of what is not magnetic that clings to what is."""

    def force_over_weight(self, saturation: float, density: float) -> float:
        """Of a soft ferromagnetic sphere: M dB/dx / (rho g), M at most 3 B / mu0 (sphere)."""
        magnetization = min(saturation, 3.0 * self.flux_density / MU0)
        return magnetization * self.flux_density / self.reach / (density * GRAVITY)

    def magnetic(self, part: Constituent) -> Array:
        """Share (40,) of each size class that is ferromagnetic."""
        if part.alloy in SATURATION:
            return np.ones(len(part.masses))
        if part.alloy in AUSTENITIC:
            return np.asarray(FERRITE[1] * part.irregular)
        return np.zeros(len(part.masses))

    def caught(self, part: Constituent) -> float:
        """Share of the ferromagnetic grains that the drum takes out."""
        saturation = SATURATION.get(part.alloy, FERRITE[0] * 1.4e6)
        ratio = self.force_over_weight(saturation, part.density)
        return float(partition(ratio, self.holds, self.imperfection))


# -- travelling field -------------------------------------------------------------------------


@dataclass(frozen=True)
class TravellingField:
    """A thin curtain of powder falls past a coil whose field travels across it; default figures.

    Field pull and weight are met by the same creeping drag, so a grain drifts sideways by the
    height times force over weight, whatever its terminal velocity. The curtain's own width and the
    gas spread it; a splitter divides what drifted far from the rest.
    """

    frequency: float = 1e6
    flux_density: float = 0.05
    """T, peak in the curtain."""
    wavelength: float = 0.02
    height: float = 0.3
    splitter: float = 3.5e-3
    """m from the undisturbed curtain."""
    spread: float = 1.2e-3
    """m, standard deviation of where grains of one kind land."""
    entrained: float = 0.03
    """Share of grains that go where their neighbours go (clusters), at the nominal feed."""
    nominal: float = 8.0 / 3600.0
    """kg/s of feed."""

    def force_over_weight(self, part: Constituent) -> Array:
        """By size class (40,)."""
        return force_over_weight(CENTRES, part.density, alloy(part.alloy).electrical_conductivity,
                                 self.frequency, self.wavelength, self.flux_density)

    def taken(self, lot: PowderLot, feed: float) -> Array:
        """Share (n, 40) of each constituent's size classes that lands beyond the splitter.

        ``feed`` kg/s: clusters grow in proportion to it.
        """
        drift = np.array([self.height * self.force_over_weight(c) for c in lot.constituents])
        own = ndtr((drift - self.splitter) / self.spread)
        return _entrain(lot, own, min(self.entrained * feed / self.nominal, 0.5))


def _entrain(lot: PowderLot, own: Array, entrained: float) -> Array:
    """Some grains go with the crowd instead of by themselves."""
    masses = np.array([c.masses for c in lot.constituents])
    total = float(masses.sum())
    crowd = float((masses * own).sum()) / total if total else 0.0
    return np.asarray((1.0 - entrained) * own + entrained * crowd)


# -- air classifier ---------------------------------------------------------------------------


@dataclass(frozen=True)
class AirClassifier:
    """Sieved sub-cuts, each classified in rising gas at a velocity of its own; default figures."""

    imperfection: float = 0.12
    """E / x50 of the classifier in settling velocity."""
    sieving: float = 0.04
    """E / x50 of the sub-cut sieves in size."""
    entrained: float = 0.02
    nominal: float = 20.0 / 3600.0
    """kg/s"""

    def light(self, lot: PowderLot, edges: Array, flow: float, feed: float) -> Array:
        """Share (n, 40) that leaves with the gas (light), for sub-cuts with ``edges`` (m).

        ``flow``: gas flow over what the plan asks for; ``feed`` kg/s.
        """
        heavy = max(c.density for c in lot.constituents)
        least = min(c.density for c in lot.constituents)
        speeds = [settling_velocity(CENTRES, c.density) for c in lot.constituents]
        total = np.zeros((len(lot.constituents), len(CENTRES)))
        ones = np.zeros(len(CENTRES))
        for low, high in pairwise(edges.tolist()):
            inside = np.ones(len(CENTRES))
            if low > edges[0]:
                inside = inside * partition(CENTRES, float(low), self.sieving)
            if high < edges[-1]:
                inside = inside * (1.0 - partition(CENTRES, float(high), self.sieving))
            # Between the slowest heavy and the fastest light grain of the sub-cut.
            middle = float(np.sqrt(settling_velocity(low, heavy) * settling_velocity(high, least)))
            for i, speed in enumerate(speeds):
                rises = 1.0 - partition(np.log(speed / (middle * flow)) + 1.0, 1.0,
                                        self.imperfection)
                total[i] += inside * rises
            ones += inside
        own = total / np.maximum(ones, 1e-12)
        return _entrain(lot, own, min(self.entrained * feed / self.nominal, 0.5))


# -- plans ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Plan:
    """How a mixed lot is separated."""

    method: Literal["eddy current", "density", "both"]
    wanted: str
    """Alloy of the product."""
    edges: tuple[float, ...] = ()
    """Of the sub-cuts, m; none for eddy current alone."""
    why: str = ""

    @property
    def cuts(self) -> int:
        """Number of sub-cuts."""
        return max(len(self.edges) - 1, 0)


MOVES: Final = 0.02
"""Force over weight of the better conductor's median grain below which a field does not sort it."""
APART: Final = 3.0
"""Ratio of force over weight that two streams need."""
SETTLES: Final = 1.15
"""Least equal-settling size ratio that sieves can follow."""
MOST_CUTS: Final = 8
SIMPLER: Final = 1.06
"""What a way without sub-cuts may be worse by (purity times recovery) and still be taken."""


def _two(lot: PowderLot, wanted: str) -> tuple[Constituent, Constituent]:
    """The alloy that is wanted, and the one of which there is most besides."""
    there = [c for c in lot.constituents if c.mass > 0]
    others = sorted((c for c in there if c.alloy != wanted), key=lambda c: -c.mass)
    if not others:
        raise NothingToSeparate(
            f"{lot.id} is of one alloy, {lot.alloy}: there is nothing to separate")
    return next(c for c in there if c.alloy == wanted), others[0]


def _density_plan(lot: PowderLot, wanted: str) -> Plan | str:
    first, second = _two(lot, wanted)
    heavy, light = sorted((first, second), key=lambda c: -c.density)
    low, high = (quantile(lot.masses, q) for q in (0.02, 0.98))
    if heavy.density <= 1.01 * light.density:
        return f"{heavy.alloy} and {light.alloy} are of the same density"
    ratio = equal_settling_ratio(heavy.density, light.density)
    if ratio < SETTLES:
        return (f"equal-settling size ratio {ratio:.2f} of {heavy.alloy} and {light.alloy} is "
                f"below {SETTLES:g}, finer than sieves can follow")
    count = sub_cuts(low, high, ratio)
    if count > MOST_CUTS:
        return (f"{count} sub-cuts of {low * 1e6:.0f} to {high * 1e6:.0f} um are needed, at most "
                f"{MOST_CUTS} can be sieved")
    edges = tuple(float(e) for e in sub_cut_edges(low, high, count))
    return Plan("density", wanted, edges, f"equal-settling size ratio {ratio:.2f}: {count} "
                f"sub-cuts of {low * 1e6:.0f} to {high * 1e6:.0f} um")


def _eddy_plan(lot: PowderLot, wanted: str, field: TravellingField) -> Plan | str:
    pulls = []
    for part in _two(lot, wanted):
        d50 = quantile(part.masses, 0.5)
        pull = float(force_over_weight(
            d50, part.density, alloy(part.alloy).electrical_conductivity, field.frequency,
            field.wavelength, field.flux_density))
        pulls.append((pull, part.alloy))
    pulls.sort(reverse=True)
    (most, good), (least, poor) = pulls
    told = (f"force over weight {most:.2g} ({good}) and {least:.2g} ({poor}) of their median "
            f"grains at {field.frequency / 1e3:g} kHz")
    if most < MOVES or most < APART * least:
        return f"{told}; {MOVES:g} and a ratio of {APART:g} are needed"
    return Plan("eddy current", wanted, (), told)


def plan(lot: PowderLot, wanted: str, method: Method, field: TravellingField) -> Plan:
    """How to separate a mixed lot, its product being alloy ``wanted``.

    ``auto`` takes the feasible method of the better grade. `NotSeparable` says why a method that
    was asked for cannot work, and what can.
    """
    if all(c.alloy != wanted for c in lot.constituents if c.mass > 0):
        raise NotSeparable(f"{lot.id} holds no {wanted}: "
                           + ", ".join(c.alloy for c in lot.constituents))
    eddy, dense = _eddy_plan(lot, wanted, field), _density_plan(lot, wanted)
    if method in ("eddy current", "both") and isinstance(eddy, str):
        advice = (f"use density with {dense.cuts} sub-cuts" if isinstance(dense, Plan)
                  else "density does not do it either: " + dense)
        raise NotSeparable(f"{lot.id}: eddy current cannot separate it: {eddy}; {advice}")
    if method in ("density", "both") and isinstance(dense, str):
        advice = "use eddy current" if isinstance(eddy, Plan) else "nor can eddy current: " + eddy
        raise NotSeparable(f"{lot.id}: density cannot separate it: {dense}; {advice}")
    if method == "both":
        assert isinstance(dense, Plan)
        assert isinstance(eddy, Plan)
        return replace(dense, method="both", why=f"{eddy.why}; {dense.why}")
    if method == "eddy current":
        assert isinstance(eddy, Plan)
        return eddy
    if method == "density":
        assert isinstance(dense, Plan)
        return dense
    ways = [way for way in (eddy, dense) if isinstance(way, Plan)]
    if not ways:
        raise NotSeparable(f"{lot.id} cannot be separated; eddy current: {eddy}; density: {dense}")

    def worth(way: Plan) -> float:
        found = grade(lot, wanted, product_share(lot, way, field, AirClassifier()))
        return found.purity * found.recovery * (SIMPLER if way.method == "eddy current" else 1.0)

    return max(ways, key=worth)


def product_share(lot: PowderLot, way: Plan, field: TravellingField, air: AirClassifier,
                  feed: float | None = None) -> Array:
    """Share (n, 40) of each size class that goes to the product, everything as planned."""
    by_alloy = {c.alloy: c for c in lot.constituents}
    share = np.ones((len(lot.constituents), len(CENTRES)))
    if way.method in ("eddy current", "both"):
        taken = field.taken(lot, field.nominal if feed is None else feed)
        share = share * (taken if conducts(lot, way.wanted) else 1.0 - taken)
    if way.method in ("density", "both"):
        light = air.light(lot, np.array(way.edges), 1.0, air.nominal if feed is None else feed)
        heavy = by_alloy[way.wanted].density >= max(c.density for c in lot.constituents)
        share = share * (1.0 - light if heavy else light)
    return share


def conducts(lot: PowderLot, wanted: str) -> bool:
    """Whether the alloy asked for is the better conductor of the lot, by conductivity/density."""
    def pull(part: Constituent) -> float:
        return alloy(part.alloy).electrical_conductivity / part.density
    best = max(lot.constituents, key=pull)
    return best.alloy == wanted


@dataclass(frozen=True)
class Grade:
    """What a separation gives."""

    purity: float
    """Mass share of the wanted alloy in the product."""
    recovery: float
    """Share of the wanted alloy that is in the product."""


def grade(lot: PowderLot, wanted: str, share: Array) -> Grade:
    """Purity and recovery of ``wanted`` for product shares (n, 40)."""
    masses = np.array([c.masses for c in lot.constituents]) * share
    own = sum(float(m.sum()) for m, c in zip(masses, lot.constituents, strict=True)
              if c.alloy == wanted)
    there = sum(c.mass for c in lot.constituents if c.alloy == wanted)
    total = float(masses.sum())
    return Grade(own / total if total else 0.0, own / there if there else 0.0)

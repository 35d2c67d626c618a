"""A powder lot: what it is made of by size, shape and element, and where it came from.

A lot is a value: operations (`twin.powder.operations`) take lots and give new ones. Constituents
are powders of one alloy each; a lot of one alloy has one. Water is what the grains have adsorbed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache, cached_property
from math import isfinite, isnan
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from twin.materials import MaterialError
from twin.materials import alloy as find_alloy
from twin.powder import flow
from twin.powder.sizes import BINS, CENTRES, cut, lognormal, quantile, sauter

__all__ = ["HYDROGEN_OF_WATER", "OXYGEN_OF_WATER", "STATES", "Constituent", "PowderLot",
           "density_of", "totals"]

Array = npt.NDArray[np.float64]
Status = Literal["new", "hold", "released", "scrap"]

STATES: Final[tuple[str, ...]] = ("new", "hold", "released", "scrap")

HYDROGEN_OF_WATER: Final = 2 * 1.00794 / (2 * 1.00794 + 15.9994)
OXYGEN_OF_WATER: Final = 1.0 - HYDROGEN_OF_WATER

CLOSURE: Final = 1e-9
"""Part by which the masses by size and those by element may differ (rounding of long chains)."""

NOTHING: Final = 1e-18
"""kg that no balance sees and that rounding may leave."""

_ELEMENT_DENSITY: Final[dict[str, float]] = {
    "Al": 2700.0, "B": 2340.0, "C": 2260.0, "Co": 8900.0, "Cr": 7190.0, "Cu": 8960.0, "Fe": 7874.0,
    "Hf": 13310.0, "Mg": 1738.0, "Mn": 7470.0, "Mo": 10280.0, "Nb": 8570.0, "Ni": 8908.0,
    "Si": 2330.0, "Sn": 7265.0, "Ta": 16650.0, "Ti": 4507.0, "V": 6110.0, "W": 19250.0,
    "Zn": 7140.0, "Zr": 6511.0,
}
"""kg/m3 of the solid elements at room temperature (handbook), for what is no alloy of the file."""


@cache
def _alloy_density(name: str) -> float | None:
    try:
        return float(find_alloy(name).density(293.15))
    except MaterialError:
        return None


def density_of(name: str, elements: Mapping[str, float]) -> float:
    """Density (kg/m3) of pore-free grains at 293 K: the alloy's, or a mixture of the elements.

    What is no alloy of the material file (a tramp) mixes by volume; elements without a density of
    their own (gases) take none. ValueError if nothing of it has a density.
    """
    known = _alloy_density(name)
    if known is not None:
        return known
    volume = sum(m / _ELEMENT_DENSITY[e] for e, m in elements.items() if e in _ELEMENT_DENSITY)
    if volume <= 0.0:
        raise ValueError(f"{name!r} is no known alloy and holds no element of known density")
    return sum(elements.values()) / volume


def _frozen(values: npt.ArrayLike, name: str) -> Array:
    array = np.array(values, float)
    if array.ndim == 0:
        array = np.full(BINS, float(array))
    if array.shape != (BINS,):
        raise ValueError(f"{name} has shape {array.shape}, expected ({BINS},)")
    array.setflags(write=False)
    return array


@dataclass(frozen=True, eq=False)
class Constituent:
    """Powder of one alloy.

    ``masses`` (40,) kg by size class; ``elements`` kg of each element, oxygen, nitrogen and
    hydrogen of the metal and its oxide among them but not the adsorbed water, together the masses;
    ``hollow``, ``satellites``, ``irregular`` (40,) mass share 0 to 1 of each class that is hollow,
    carries satellites, is not spherical; ``pore`` mean gas volume fraction of hollow grains. Every
    size has the same composition. ValueError for what cannot be.
    """

    alloy: str
    masses: Array
    elements: Mapping[str, float]
    hollow: Array = field(default_factory=lambda: np.zeros(BINS))
    satellites: Array = field(default_factory=lambda: np.zeros(BINS))
    irregular: Array = field(default_factory=lambda: np.zeros(BINS))
    pore: float = 0.0

    def __post_init__(self) -> None:
        put = object.__setattr__
        masses = _frozen(self.masses, "masses")
        put(self, "masses", masses)
        total = float(masses.sum())
        if not (total < np.inf and float(masses.min()) >= 0.0):
            raise ValueError(f"{self.alloy}: masses must be finite and not below 0")
        # In one order, so that a lot from a snapshot adds up to the last bit as it did before.
        elements = {name: float(mass) for name, mass in sorted(self.elements.items())}
        put(self, "elements", elements)
        if elements and not min(elements.values()) >= 0.0:
            raise ValueError(f"{self.alloy}: less than nothing of an element, {elements}")
        held = sum(elements.values())
        if not abs(held - total) <= CLOSURE * max(held, total) + NOTHING:
            raise ValueError(f"{self.alloy}: {total:.12g} kg by size but {held:.12g} kg by element")
        for name in ("hollow", "satellites", "irregular"):
            share = _frozen(getattr(self, name), name)
            if not (float(share.min()) >= 0.0 and float(share.max()) <= 1.0 + 1e-12):
                raise ValueError(f"{self.alloy}: {name} must be from 0 to 1")
            put(self, name, share)
        if not 0.0 <= self.pore < 1.0:
            raise ValueError(f"{self.alloy}: pore {self.pore:g} must be from 0 to below 1")

    @cached_property
    def mass(self) -> float:
        """Metal and oxide, kg."""
        return float(self.masses.sum())

    @cached_property
    def density(self) -> float:
        """Of pore-free grains, kg/m3."""
        return density_of(self.alloy, self.elements)

    @cached_property
    def area(self) -> float:
        """Surface of the grains as smooth spheres, m2."""
        return 6.0 * float((self.masses / CENTRES).sum()) / self.density if self.mass else 0.0

    @cached_property
    def volume(self) -> float:
        """Volume of the grains with their pores, m3."""
        gas = self.pore * float((self.masses * self.hollow).sum())
        return (self.mass + gas / (1.0 - self.pore)) / self.density if self.mass else 0.0

    def share(self, name: str) -> float:
        """Mass mean of ``hollow``, ``satellites`` or ``irregular``; 0 if there is no mass."""
        mean = float((self.masses * getattr(self, name)).sum())
        return mean / self.mass if self.mass else 0.0

    def plain(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "alloy": self.alloy, "masses": self.masses.tolist(), "elements": dict(self.elements),
            "hollow": self.hollow.tolist(), "satellites": self.satellites.tolist(),
            "irregular": self.irregular.tolist(), "pore": self.pore}


@dataclass(frozen=True, eq=False)
class PowderLot:
    """A quantity of powder that is handled as one.

    ``water`` kg adsorbed; ``parents`` ids of the lots, charges or rods it was made from;
    ``origin`` the operation that made it, at ``made_at`` s on ``machine``; ``cycle`` how often it
    has been through a build; ``measured`` what the laboratory found, by property, with its
    standard deviation in ``sigma``. All else is the true state. An empty lot (mass 0) has sizes 0.
    """

    id: str
    constituents: tuple[Constituent, ...]
    water: float = 0.0
    parents: tuple[str, ...] = ()
    origin: str = ""
    made_at: float = 0.0
    machine: str = ""
    cycle: int = 0
    status: Status = "new"
    sigma: Mapping[str, float] = field(default_factory=dict)
    measured: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "constituents", tuple(self.constituents))
        put(self, "parents", tuple(self.parents))
        for name in ("sigma", "measured"):
            values = {key: float(value) for key, value in getattr(self, name).items()}
            if any(isnan(value) for value in values.values()):
                raise ValueError(f"lot {self.id}: {name} must be numbers")
            put(self, name, values)
        if not self.constituents:
            raise ValueError(f"lot {self.id}: no constituents")
        named = (self.id, self.origin, self.machine, *self.parents,
                 *(grains.alloy for grains in self.constituents))
        if not (self.id and all(isinstance(name, str) for name in named)):
            raise ValueError("id, origin, machine, parents and alloys must be text, no empty id")
        if not (isinstance(self.cycle, int) and self.cycle >= 0 and isfinite(self.made_at)):
            raise ValueError(f"lot {self.id}: cycle {self.cycle} or time {self.made_at} is wrong")
        if not 0.0 <= self.water < np.inf:
            raise ValueError(f"lot {self.id}: {self.water:g} kg of water")
        if self.status not in STATES:
            raise ValueError(f"lot {self.id}: status {self.status!r}; allowed: {', '.join(STATES)}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PowderLot) and self.plain() == other.plain()

    def __hash__(self) -> int:
        return hash(self.id)

    @classmethod
    def virgin(
        cls, id: str, alloy: str, mass: float, d50: float, s: float, *,
        low: float | None = None, high: float | None = None, oxygen: float = 3e-4,
        moisture: float = 3e-5, nitrogen: float = 0.0, hydrogen: float = 0.0,
        hollow: npt.ArrayLike = 0.0, satellites: npt.ArrayLike = 0.0,
        irregular: npt.ArrayLike = 0.0, pore: float = 0.05, **about: Any,
    ) -> PowderLot:
        """A log-normal lot of one alloy, cut to ``low`` .. ``high`` (m) where given.

        ``mass`` kg with its water; ``oxygen``, ``nitrogen``, ``hydrogen`` mass fractions of the
        metal, whose other elements are the alloy's, scaled; ``moisture`` kg of water per kg of
        metal; shares one for all sizes or (40,). ``about``: further fields of the lot. ValueError
        for figures that cannot be, MaterialError for an unknown alloy.
        """
        material = find_alloy(alloy)
        if not (mass > 0.0 and moisture >= 0.0 and min(oxygen, nitrogen, hydrogen) >= 0.0
                and oxygen + nitrogen + hydrogen < 1.0):
            raise ValueError(f"lot {id}: mass or a share of gases is out of range")
        shares = lognormal(d50, s)
        if low is not None or high is not None:
            shares = shares * cut(shares, low or 0.0, high or 1.0)
        if not float(shares.sum()) > 0.0:
            raise ValueError(f"lot {id}: nothing of d50 {d50:g} m is left in the cut")
        metal = mass / (1.0 + moisture)
        masses = shares * (metal / float(shares.sum()))
        gases = {"O": oxygen, "N": nitrogen, "H": hydrogen}
        base = {e: f for e, f in material.composition.items() if e not in gases}
        scale = (1.0 - sum(gases.values())) / sum(base.values())
        total = float(masses.sum())
        elements = {e: total * f * scale for e, f in base.items()}
        elements.update({e: total * f for e, f in gases.items() if f > 0.0})
        grains = Constituent(material.name, masses, elements, _frozen(hollow, "hollow"),
                             _frozen(satellites, "satellites"),
                             _frozen(irregular, "irregular"), pore)
        return cls(id, (grains,), moisture * metal, **about)

    @cached_property
    def main(self) -> Constituent:
        """The largest constituent."""
        return max(self.constituents, key=lambda c: c.mass)

    @property
    def alloy(self) -> str:
        """Of the largest constituent."""
        return self.main.alloy

    @cached_property
    def metal(self) -> float:
        """Mass without the water, kg."""
        return sum(c.mass for c in self.constituents)

    @cached_property
    def mass(self) -> float:
        """Metal and water, kg."""
        return self.metal + self.water

    @cached_property
    def masses(self) -> Array:
        """Metal (40,) kg by size class."""
        if len(self.constituents) == 1:
            return self.main.masses
        total: Array = np.sum([c.masses for c in self.constituents], axis=0)
        total.setflags(write=False)
        return total

    @cached_property
    def elements(self) -> dict[str, float]:
        """Mass (kg) of each element, with the hydrogen and oxygen of the water."""
        water = {"H": self.water * HYDROGEN_OF_WATER, "O": self.water * OXYGEN_OF_WATER}
        return totals([*(c.elements for c in self.constituents), water if self.water else {}])

    @cached_property
    def d10(self) -> float:
        """m, by mass."""
        return quantile(self.masses, 0.1)

    @cached_property
    def d50(self) -> float:
        """m, by mass."""
        return quantile(self.masses, 0.5)

    @cached_property
    def d90(self) -> float:
        """m, by mass."""
        return quantile(self.masses, 0.9)

    @property
    def span(self) -> float:
        """(d90 - d10) / d50; 0 if empty."""
        return (self.d90 - self.d10) / self.d50 if self.d50 else 0.0

    @cached_property
    def d32(self) -> float:
        """Surface mean diameter, m."""
        return sauter(self.masses)

    @cached_property
    def area(self) -> float:
        """Surface of the grains as smooth spheres, m2."""
        return sum(c.area for c in self.constituents)

    @property
    def oxygen(self) -> float:
        """Mass fraction in the metal and its oxide, without water."""
        return self.fraction("O")

    @property
    def moisture(self) -> float:
        """Water per metal, kg/kg."""
        return self.water / self.metal if self.metal else 0.0

    @property
    def hollow(self) -> float:
        """Mass share of hollow grains."""
        return self._mean("hollow")

    @property
    def satellites(self) -> float:
        """Mass share of grains with satellites."""
        return self._mean("satellites")

    @property
    def irregular(self) -> float:
        """Mass share of grains that are not spherical."""
        return self._mean("irregular")

    @property
    def foreign(self) -> float:
        """Mass share of other alloys than the main one."""
        return (self.metal - self.main.mass) / self.metal if self.metal else 0.0

    @cached_property
    def gas(self) -> float:
        """Volume of the gas in hollow grains per volume of the metal."""
        solid = sum(c.mass / c.density for c in self.constituents if c.mass)
        return sum(c.volume for c in self.constituents) / solid - 1.0 if solid else 0.0

    @cached_property
    def density(self) -> float:
        """Of the grains with their pores, as a pycnometer finds it, kg/m3; 0 if empty."""
        volume = sum(c.volume for c in self.constituents)
        return self.metal / volume if volume else 0.0

    @cached_property
    def monolayers(self) -> float:
        """Layers of adsorbed water on the grains, at 0.26 mg/m2 each."""
        return self.water / (flow.MONOLAYER * self.area) if self.area else 0.0

    @cached_property
    def fines(self) -> float:
        """Mass share below 10 um, which make a powder sticky."""
        total = float(self.masses.sum())
        return float((self.masses * cut(self.masses, 0.0, 10e-6)).sum()) / total if total else 0.0

    @cached_property
    def cohesion(self) -> float:
        """Cohesion index (`twin.powder.flow.cohesion`); above 1 the powder does not flow."""
        if not self.metal:
            return 0.0
        return flow.cohesion(self.d32, self.density, self.monolayers, self.irregular)

    @cached_property
    def hall(self) -> float:
        """Hall flow time, s per 50 g; infinite if the powder does not flow."""
        if not self.metal:
            return 0.0
        return flow.hall_time(self.apparent, self.d32, self.cohesion, self.monolayers,
                              self.satellites, self.fines, self.irregular)

    @cached_property
    def apparent(self) -> float:
        """Apparent (poured) density, kg/m3."""
        return self.density * flow.loose_packing(
            self.span, self.cohesion, self.satellites, self.irregular)

    @cached_property
    def tap(self) -> float:
        """Tap density, kg/m3."""
        return self.density * flow.tapped_packing(
            self.span, self.cohesion, self.satellites, self.irregular)

    def fraction(self, element: str) -> float:
        """Mass fraction of an element in the metal and its oxide, without water."""
        held = sum(c.elements.get(element, 0.0) for c in self.constituents)
        return held / self.metal if self.metal else 0.0

    def _mean(self, name: str) -> float:
        held = sum(float((c.masses * getattr(c, name)).sum()) for c in self.constituents)
        return held / self.metal if self.metal else 0.0

    def plain(self) -> dict[str, Any]:
        """As plain data (JSON, snapshots); `of` gives the same lot back, bit for bit."""
        data = {f.name: getattr(self, f.name) for f in fields(self)}
        data["constituents"] = [c.plain() for c in self.constituents]
        data["parents"] = list(self.parents)
        for name in ("sigma", "measured"):
            # JSON has no infinity, which a Hall time can be.
            data[name] = {k: v if isfinite(v) else str(v) for k, v in data[name].items()}
        return data

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> PowderLot:
        """The lot of `plain` data; ValueError for data that are no lot."""
        try:
            parts = tuple(Constituent(**part) for part in data["constituents"])
            if isinstance(data.get("parents", ()), str):
                raise TypeError("parents must be a list")
            return cls(**{**data, "constituents": parts})
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"these data are no powder lot: {error}") from error


def totals(parts: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Sum of element masses (kg) over mappings."""
    total: dict[str, float] = {}
    for part in parts:
        for element, mass in part.items():
            total[element] = total.get(element, 0.0) + mass
    return total

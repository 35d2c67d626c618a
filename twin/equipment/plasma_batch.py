"""What a plasma makes of a batch of powder: the sum over the seconds in which it was fed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import log
from typing import Any

import numpy as np
import numpy.typing as npt

from twin.materials import Alloy, MaterialError, alloy
from twin.physics import plasma_particles as plasma
from twin.powder.lot import Constituent, PowderLot
from twin.powder.operations import Draw, Item, Operation, blend, scaled, water_elements
from twin.powder.sizes import BINS, CENTRES, EDGES, below

__all__ = ["Batch", "Conditions"]

Floats = npt.NDArray[np.float64]
_WIDTH = log(EDGES[1] / EDGES[0])


@dataclass(frozen=True, slots=True)
class Conditions:
    """What the flame and the chamber are like while some powder passes."""

    plasma: plasma.Plasma
    caught: float
    """Share of the powder that the probe brings into the flame."""
    oxygen: float
    """Mole fraction of oxygen in the chamber."""
    carried: float
    """Share of the soot that the gas carries to the filter."""


@dataclass
class _Account:
    """Sums of one constituent, kg; shares by size class as masses."""

    fed: float = 0.0
    vapour: float = 0.0
    kept: float = 0.0
    """Of the vapour: what stays in the powder as soot."""
    deposit: float = 0.0
    reduced: float = 0.0
    gained: float = 0.0
    shaped: float = 0.0
    """Fed mass that was not round and became so."""
    masses: Floats = field(default_factory=lambda: np.zeros(BINS))
    hollow: Floats = field(default_factory=lambda: np.zeros(BINS))
    satellites: Floats = field(default_factory=lambda: np.zeros(BINS))
    irregular: Floats = field(default_factory=lambda: np.zeros(BINS))


_ARRAYS = ("masses", "hollow", "satellites", "irregular")


def _moved(masses: Floats, shrink: Floats) -> Floats:
    """Masses (40,) whose diameters became so many times what they were, in the classes again."""
    place = np.clip(np.arange(BINS) + np.log(np.maximum(shrink, 1e-6)) / _WIDTH, 0.0, BINS - 1.0)
    low = np.minimum(place.astype(int), BINS - 2)
    part = place - low
    found = np.bincount(low, masses * (1 - part), BINS)
    return np.asarray(found + np.bincount(low + 1, masses * part, BINS), float)


class Batch:
    """Powder of one or more lots on its way through the flame; it closes as an `Operation`."""

    STICKS = 0.004  # share of the powder that ends at the wall, default
    STRAYS = 0.05  # the same of powder that misses the flame, default
    CATCHES = 0.3  # share of particles with a molten skin that come out with satellites, default
    OWN_ALLOY = "316L"  # whose heat is taken for a tramp that no alloy file knows, default

    def __init__(self, lots: Sequence[PowderLot], fed: float = 0.0) -> None:
        """`lots`: drawn parts under the ids of the lots that they come from."""
        self.lots = tuple(lots)
        self.fed = fed
        mixed = blend(self.lots, "mixed")
        self.mass = mixed.mass
        self._mixed = mixed
        self._materials = [self._material(c.alloy) for c in mixed.constituents]
        self.accounts = [_Account() for _ in mixed.constituents]
        self.load = 0.0
        """kg-weighted sum of feed over critical feed."""
        self._boiled = 0.0  # mass fraction evaporated in the last step
        self._last: tuple[Any, list[plasma.Treatment]] | None = None

    def _material(self, name: str) -> Alloy:
        try:
            return alloy(name)
        except MaterialError:
            return alloy(self.OWN_ALLOY)

    @property
    def left(self) -> float:
        """Powder still in the hopper, kg."""
        return max(self.mass - self.fed, 0.0)

    @property
    def heat(self) -> float:
        """J that a kg of powder takes out of the flame, melted and boiled off as it was last."""
        metal = sum(c.mass for c in self._mixed.constituents)
        return sum(c.mass * (plasma.melt_heat(m) + self._boiled * m.latent_vapour) for c, m in
                   zip(self._mixed.constituents, self._materials, strict=True)) / metal

    def _treated(self, feed: float, at: Conditions) -> list[plasma.Treatment]:
        key = (feed, at.plasma, at.caught)
        if self._last is None or self._last[0] != key:
            self._last = key, [
                plasma.treat(CENTRES, material, at.plasma, feed, caught=at.caught,
                             irregular=c.irregular)
                for c, material in zip(self._mixed.constituents, self._materials, strict=True)]
        return self._last[1]

    def step(self, mass: float, feed: float, at: Conditions) -> float:
        """Feed `mass` (kg) of it at a rate (kg/s); kg of soot that goes to the filter."""
        mass = min(mass, self.left)
        if mass <= 0:
            return 0.0
        self.fed += mass
        soot = boiled = 0.0
        stuck = self.STICKS + self.STRAYS * (1 - at.caught)
        for c, material, account, done in zip(
                self._mixed.constituents, self._materials, self.accounts,
                self._treated(feed, at), strict=True):
            if c.mass <= 0:
                continue
            part = c.masses * (mass / self._mixed.mass)
            whole = float(part.sum())
            kept = part * (1 - stuck)
            account.fed += whole
            account.deposit += whole - float(kept.sum())
            gone = kept * done.evaporated
            vapour = float(gone.sum())
            account.vapour += vapour
            account.kept += vapour * (1 - at.carried)
            soot += vapour * at.carried
            boiled += vapour
            round_ = kept * done.melted - gone
            same = kept * (1 - done.melted)
            soft = kept * done.softened
            became = _moved(round_, done.shrink)
            account.masses += became + same
            account.irregular += same * c.irregular
            account.satellites += same * c.satellites + soft * self.CATCHES * (1 - c.satellites)
            closed = round_ * c.hollow * (1 - plasma.DENSIFIED)
            account.hollow += same * c.hollow + _moved(closed, done.shrink)
            account.shaped += float((kept * done.melted * c.irregular).sum())
            molten = float((kept * done.melted).sum())
            own = c.elements.get("O", 0.0) / c.mass
            account.reduced += own * molten * plasma.reduced_share(at.plasma.share,
                                                                   material.reactive)
            account.gained += whole / mass * mass / feed * plasma.oxygen_pickup(
                at.oxygen, at.plasma.flow, material.reactive)
            self.load += whole * min(done.ratio, 100.0)
        # Half of the change at a time, so that load and evaporation settle instead of swinging.
        self._boiled += 0.5 * (boiled / mass - self._boiled)
        return soot

    # -- the end ------------------------------------------------------------------------------

    def close(self, name: str, machine: str, time: float, ids: Mapping[str, str],
              about: Mapping[str, Any]) -> tuple[Operation, list[PowderLot], dict[str, float]]:
        """The operation on what was fed, the parts of the lots that were not, and figures of it.

        `ids`: of the ``product``, ``soot`` and ``deposit``. ValueError if nothing was fed.
        """
        if self.fed <= 0:
            raise ValueError("nothing of the batch was fed")
        share = min(self.fed / self.mass, 1.0)
        used = [scaled(lot, share) for lot in self.lots]
        rest = [scaled(lot, 1 - share) for lot in self.lots] if share < 1 else []
        mixed = blend(used, ids["product"])
        gained: dict[str, float] = {}
        lost: dict[str, float] = {}
        soot: dict[str, float] = {}
        deposit: dict[str, float] = {}
        made = []
        water = mixed.water
        metal = sum(c.mass for c in mixed.constituents)
        for c, material, account in zip(mixed.constituents, self._materials, self.accounts,
                                        strict=True):
            wet = water * (c.mass / metal if metal else 0.0)
            made.append(self._closed(c, material, account, wet, soot, deposit, gained, lost))
        product = PowderLot(
            ids["product"], tuple(made), 0.0, tuple(dict.fromkeys(lot.id for lot in self.lots)),
            name, time, machine, mixed.cycle)
        outputs: list[PowderLot | Item] = [product]
        for kind, elements in (("soot", soot), ("deposit", deposit)):
            elements = dict(sorted(elements.items()))
            mass = sum(elements.values())
            if mass > 0:
                outputs.append(Item(ids[kind], kind, product.alloy, mass, elements))
        figures = self._figures(mixed, product, sum(soot.values()), sum(deposit.values()))
        operation = Operation(
            name, machine, time, tuple(Draw.all(lot) for lot in used), tuple(outputs),
            gained=gained, lost=lost, about={**about, **figures})
        return operation, rest, figures

    def _closed(self, c: Constituent, material: Alloy, account: _Account, water: float,
                soot: dict[str, float], deposit: dict[str, float], gained: dict[str, float],
                lost: dict[str, float]) -> Constituent:
        """What became of a constituent; adds its part to soot, deposit, gains and losses."""
        elements = dict(c.elements)
        if c.mass <= 0 or account.fed <= 0:
            return Constituent(c.alloy, np.zeros(BINS), dict.fromkeys(elements, 0.0))

        def take(amounts: Mapping[str, float], into: dict[str, float]) -> None:
            for element, amount in amounts.items():
                amount = min(amount, elements.get(element, 0.0))
                if amount > 0:
                    elements[element] -= amount
                    into[element] = into.get(element, 0.0) + amount

        stuck = account.deposit / account.fed
        take({e: m * stuck for e, m in elements.items()}, deposit)
        off = plasma.vapour(elements, min(account.vapour, sum(elements.values())))
        filtered = 1 - account.kept / account.vapour if account.vapour > 0 else 0.0
        take({e: m * filtered for e, m in off.items()}, soot)
        take({"O": account.reduced}, lost)
        # Adsorbed water boils off; hot metal keeps some of its oxygen.
        steam = water_elements(water)
        held = steam["O"] * plasma.CAPTURE[material.reactive]
        for element, amount in (("H", steam["H"]), ("O", steam["O"] - held)):
            if amount > 0:
                lost[element] = lost.get(element, 0.0) + amount
        if account.gained > 0:
            gained["O"] = gained.get("O", 0.0) + account.gained
        if account.gained + held > 0:
            elements["O"] = elements.get("O", 0.0) + account.gained + held
        masses = account.masses.copy()
        masses[0] += account.kept
        total = sum(elements.values())
        masses *= total / float(masses.sum())
        whole = account.masses.copy()
        whole[0] += account.kept

        def share(name: str) -> Floats:
            held = getattr(account, name)
            part = np.divide(held, whole, out=np.zeros(BINS), where=whole > 0)
            return np.asarray(np.clip(part, 0.0, 1.0))

        return Constituent(c.alloy, masses, elements, share("hollow"), share("satellites"),
                           share("irregular"), c.pore)

    def _figures(self, fed: PowderLot, product: PowderLot, soot: float, deposit: float
                 ) -> dict[str, float]:
        metal = sum(a.fed for a in self.accounts)
        angular = sum(float((c.masses * c.irregular).sum()) for c in fed.constituents)
        shaped = sum(a.shaped for a in self.accounts)
        return {
            "fed": fed.mass, "product": product.mass, "soot": soot, "deposit": deposit,
            "yield": product.mass / fed.mass,
            "spheroidized": shaped / angular if angular > 0 else 1.0,
            "irregular_in": fed.irregular, "irregular": product.irregular,
            "satellites": product.satellites, "hollow": product.hollow,
            "d50_in": fed.d50, "d50": product.d50, "d10": product.d10, "d90": product.d90,
            "fines": float(below(product.masses, 1e-6)),
            "oxygen_in": fed.oxygen, "oxygen": product.oxygen,
            "evaporated": sum(a.vapour for a in self.accounts) / metal if metal > 0 else 0.0,
            "load": self.load / metal if metal > 0 else 0.0,
        }

    # -- snapshots ----------------------------------------------------------------------------

    def plain(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "lots": [lot.plain() for lot in self.lots], "fed": self.fed, "load": self.load,
            "boiled": self._boiled,
            "accounts": [{**{k: v for k, v in vars(a).items() if k not in _ARRAYS},
                          **{k: getattr(a, k).tolist() for k in _ARRAYS}}
                         for a in self.accounts]}

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Batch:
        """The batch of `plain` data."""
        made = cls([PowderLot.of(lot) for lot in data["lots"]], data["fed"])
        made.load, made._boiled = data["load"], data["boiled"]
        for account, sums in zip(made.accounts, data["accounts"], strict=True):
            for name, value in sums.items():
                setattr(account, name, np.array(value) if name in _ARRAYS else value)
        return made

"""The account of a charge that was atomized: powder, fines, dust and scrap by element."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from math import exp, log
from typing import Any, Final

import numpy as np

from twin.equipment.spray import Catch, Droplets
from twin.materials import Alloy
from twin.physics.spray import oxide_of
from twin.powder.flow import MONOLAYER
from twin.powder.lot import HYDROGEN_OF_WATER, OXYGEN_OF_WATER, Constituent, PowderLot, Status
from twin.powder.operations import Draw, Item, Operation
from twin.powder.sizes import CENTRES, below, quantile, surface

__all__ = ["Charge", "PowderAccounts"]

COVER: Final = 0.6
"""Monolayers of water that powder takes up as it is taken out, default."""
PORE: Final = 0.15
"""Gas volume fraction of a hollow grain, default."""
SCRAP: Final = ("skull", "overflow", "splash", "puddle", "splat")
LOTS: Final[tuple[tuple[str, str, Status], ...]] = (
    ("powder", "powder", "new"), ("tail", "quarantined tail", "hold"),
    ("fines", "cyclone fines", "new"))
LEAST: Final = 1e-6
"""kg below which no lot of its own is made of a can: it stays in the tower as scrap."""


@dataclass(frozen=True)
class Charge:
    """A charge or rod in work."""

    id: str
    mass: float
    oxygen: float
    since: float
    energy: float
    """J on the meter when it went in."""
    gas: float
    """m3 on the meter then."""

    def plain(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


@dataclass
class PowderAccounts:
    """Where the metal of one charge has gone so far."""

    powder: Catch = field(default_factory=Catch)
    tail: Catch = field(default_factory=Catch)
    fines: Catch = field(default_factory=Catch)
    dust: Catch = field(default_factory=Catch)
    spilt: dict[str, float] = field(default_factory=dict)
    """kg of metal by kind of scrap."""
    spilt_oxygen: dict[str, float] = field(default_factory=dict)
    skull: float = 0.0
    """kg that the melting unit says is left."""
    melt_oxygen: float = 0.0
    """kg taken up by the melt."""
    flight_oxygen: float = 0.0
    """kg taken up in flight."""
    atomized: float = 0.0
    gas: float = 0.0
    """kg of atomizing gas that met melt."""
    log_ratio: float = 0.0
    log_ratio_squares: float = 0.0
    """Sums of mass times ln of the gas-to-metal ratio, and times its square."""
    passive_oxygen: float = 0.0

    def spill(self, kind: str, mass: float, oxygen: float) -> None:
        """So much melt (kg, with its mass fraction of oxygen) became scrap of a kind."""
        if mass > 0.0:
            self.spilt[kind] = self.spilt.get(kind, 0.0) + mass * (1.0 - oxygen)
            self.spilt_oxygen[kind] = self.spilt_oxygen.get(kind, 0.0) + mass * oxygen

    def sum_up(self, metal: float, droplets: Droplets, gas: float) -> None:
        """A step of the spray: metal and gas (kg)."""
        self.atomized += metal
        self.gas += gas
        self.log_ratio += metal * log(droplets.ratio)
        self.log_ratio_squares += metal * log(droplets.ratio) ** 2

    # -- closing ------------------------------------------------------------------------------

    def close(self, charge: Charge, metal: Alloy, *, machine: str, time: float, name: str,
              passivated: float, held: bool, new_id: Callable[[str], str],
              about: Mapping[str, Any], rest: str = "skull") -> Operation:
        """The operation that made of a charge what is in the cans and what is scrap.

        ``passivated`` 0 to 1: how far the oxide grew in a little air; what met air at once is
        thicker by half. ``held``: all lots are on hold. ``rest``: what is left in the melting unit
        is a skull, a stub, or a charge or rod that was never melted. ValueError if more came out
        than went in.
        """
        base = {e: f for e, f in metal.composition.items() if e != "O"}
        scale = 1.0 / sum(base.values())
        base = {e: f * scale for e, f in base.items()}
        pure = charge.mass * (1.0 - charge.oxygen)
        inside = charge.mass * charge.oxygen + self.melt_oxygen
        outputs: list[PowderLot | Item] = []
        gained = {"O": self.melt_oxygen + self.flight_oxygen, "H": 0.0}
        away = kept = 0.0  # metal and oxygen that are accounted for
        for kind, amount in self.spilt.items():
            outputs.append(_scrap(new_id("scrap"), kind, metal.name, base, amount,
                                  self.spilt_oxygen[kind], charge))
            away, kept = away + amount, kept + self.spilt_oxygen[kind]
        oxide, density = oxide_of(metal), float(metal.density(293.15))
        film = oxide.film * (1.0 + 0.5 * (1.0 - passivated))
        for catch, what in ((self.powder, "powder"), (self.tail, "tail"), (self.fines, "fines"),
                            (self.dust, "filter dust")):
            if catch.mass <= 0.0:
                continue
            away, kept = away + catch.mass, kept + catch.oxygen
            grown = float((catch.masses * oxide.oxygen(CENTRES, density, film)).sum())
            gained["O"] += grown
            self.passive_oxygen += grown
            catch.oxygen += grown
            lot = next((row for row in LOTS if row[0] == what), None)
            if lot is None or catch.mass < LEAST:
                outputs.append(_scrap(new_id("scrap"), what, metal.name, base, catch.mass,
                                      catch.oxygen, charge))
                continue
            water = COVER * MONOLAYER * surface(catch.masses, density)
            gained["H"] += water * HYDROGEN_OF_WATER
            gained["O"] += water * OXYGEN_OF_WATER
            outputs.append(_lot(new_id("lot"), catch, metal.name, base, water, charge, name,
                                lot[1], "hold" if held else lot[2], machine, time))
        left = pure - away
        if left < -1e-9 * charge.mass:
            raise ValueError(f"{charge.id}: {-left:g} kg more came out than went in")
        # Oxygen of the flight is in the cans; what is left is that of the skull.
        oxygen = inside + self.flight_oxygen - kept
        if left > 0.0:
            kind = rest if rest in ("charge", "rod") else "scrap"
            outputs.append(_scrap(new_id(kind), rest, metal.name, base, left, max(oxygen, 0.0),
                                  charge, kind))
        inlet = {e: pure * f for e, f in base.items()} | {"O": charge.mass * charge.oxygen}
        return Operation(
            name, machine, time, (Draw(charge.id, charge.mass, inlet),), tuple(outputs),
            gained={e: m for e, m in gained.items() if m > 0.0},
            about={**about, "alloy": metal.name, **self.figures(metal)})

    def figures(self, metal: Alloy) -> dict[str, float]:
        """What is told of the charge: sizes (m), shares, masses (kg)."""
        masses = self.powder.masses + self.tail.masses
        whole = float(masses.sum())
        mean = self.gas / self.atomized if self.atomized else 0.0
        drift = 0.0
        if self.atomized:
            middle = self.log_ratio / self.atomized
            drift = max(self.log_ratio_squares / self.atomized - middle**2, 0.0) ** 0.5
        found: dict[str, float] = {
            "powder": self.powder.mass, "tail": self.tail.mass, "fines": self.fines.mass,
            "dust": self.dust.mass, "skull": self.skull,
            **{kind: self.spilt.get(kind, 0.0) for kind in SCRAP[1:]},
            "gas_to_metal": mean,
            "gas_to_metal_drift": drift,
            "flight_oxygen": self.flight_oxygen / self.atomized if self.atomized else 0.0}
        if whole > 0.0:
            low, high = quantile(masses, 0.1587), quantile(masses, 0.8413)
            found |= {
                "d10": quantile(masses, 0.1), "d50": quantile(masses, 0.5),
                "d90": quantile(masses, 0.9),
                "deviation": exp(0.5 * log(high / low)) if low > 0.0 else 1.0,
                "oxygen": (self.powder.oxygen + self.tail.oxygen) / (
                    whole + self.powder.oxygen + self.tail.oxygen),
                "hollow": float((self.powder.hollow + self.tail.hollow).sum()) / whole,
                "satellites": float((self.powder.satellites + self.tail.satellites).sum()) / whole,
                "yield_15_45": float(below(masses, 45e-6) - below(masses, 15e-6)),
                "yield_20_63": float(below(masses, 63e-6) - below(masses, 20e-6)),
                "yield_45_105": float(below(masses, 105e-6) - below(masses, 45e-6)),
                "yield_20_105": float(below(masses, 105e-6) - below(masses, 20e-6))}
        return found

    def plain(self) -> dict[str, Any]:
        """As plain data."""
        return {name: value.plain() if isinstance(value, Catch) else
                dict(value) if isinstance(value, dict) else value
                for name, value in vars(self).items()}

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> PowderAccounts:
        """From what `plain` gave."""
        cans = {name: Catch.of(data[name]) for name in ("powder", "tail", "fines", "dust")}
        return cls(**{**data, **cans})


def _elements(base: Mapping[str, float], metal: float, oxygen: float) -> dict[str, float]:
    return {**{e: metal * f for e, f in base.items()}, "O": oxygen}


def _scrap(id: str, kind: str, alloy: str, base: Mapping[str, float], metal: float,
           oxygen: float, charge: Charge, of_kind: str = "scrap") -> Item:
    elements = _elements(base, metal, oxygen)
    return Item(id, of_kind, alloy, sum(elements.values()), elements,
                {"what": kind, "charge": charge.id})


def _lot(id: str, catch: Catch, alloy: str, base: Mapping[str, float], water: float,
         charge: Charge, origin: str, what: str, status: Status, machine: str, time: float
         ) -> PowderLot:
    elements = _elements(base, catch.mass, catch.oxygen)
    masses = catch.masses * (sum(elements.values()) / catch.mass)
    grains = Constituent(alloy, np.asarray(masses), elements, catch.share("hollow"),
                         catch.share("satellites"), catch.share("irregular"), PORE)
    return PowderLot(id, (grains,), water, (charge.id,), f"{origin}: {what}", time, machine,
                     status=status)

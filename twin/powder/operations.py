"""What is done with powder: pure functions that give new lots, and the account of one operation.

No function loses mass: what leaves a lot is in another, or the caller names it as gained or lost
in the `Operation`, whose imbalance is nothing but rounding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from twin.powder.lot import (
    HYDROGEN_OF_WATER,
    OXYGEN_OF_WATER,
    Constituent,
    PowderLot,
    totals,
)
from twin.powder.sizes import BINS

__all__ = ["Draw", "Item", "Operation", "blend", "draw", "recomposed", "renamed", "reshaped",
           "scaled", "split", "water_elements", "with_oxygen", "with_water"]

Array = npt.NDArray[np.float64]
T = TypeVar("T")

ROUNDING = 1e-9
"""Part of a lot by which a draw may ask for more than there is, and gets all."""
_ATOM = 1.67e-27  # kg, of hydrogen: less than one of any element is rounding


@dataclass(frozen=True)
class Item:
    """What is no powder: a charge, rod, part, green part, scrap, soot, binder and the like.

    ``mass`` kg with ``elements`` kg of each element, together the mass; ``about`` plain data.
    """

    id: str
    kind: str
    alloy: str
    mass: float
    elements: Mapping[str, float]
    about: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # In one order, so that an item from a snapshot adds up to the last bit as it did before.
        object.__setattr__(self, "elements", dict(sorted(self.elements.items())))

    def plain(self) -> dict[str, Any]:
        """As plain data."""
        return {**_shallow(self), "elements": dict(self.elements), "about": dict(self.about)}

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Item:
        """The item of `plain` data; ValueError for data that are none."""
        return _made(cls, data, "item")


@dataclass(frozen=True)
class Draw:
    """What an operation took of a lot or item: ``mass`` kg, ``elements`` kg of each.

    ``about``: of what came from outside, so that no operation made it: kind, alloy and more.
    """

    id: str
    mass: float
    elements: Mapping[str, float]
    about: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def all(cls, what: PowderLot | Item) -> Draw:
        """All of a lot or item."""
        return cls(what.id, what.mass, dict(what.elements))

    def plain(self) -> dict[str, Any]:
        """As plain data."""
        return {**_shallow(self), "elements": dict(self.elements), "about": dict(self.about)}

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Draw:
        """The draw of `plain` data; ValueError for data that are none."""
        return _made(cls, data, "draw")


@dataclass(frozen=True)
class Operation:
    """The account of one operation on powder at ``time`` (s) on ``machine``.

    ``gained`` and ``lost`` kg of each element from and to what is not tracked as a lot or item
    (process gas, filter, pumps, air). ``energy`` J, ``gas`` m3 at ambient, ``water`` kg of cooling
    water, ``labour`` s.
    """

    name: str
    machine: str
    time: float
    inputs: tuple[Draw, ...]
    outputs: tuple[PowderLot | Item, ...]
    gained: Mapping[str, float] = field(default_factory=dict)
    lost: Mapping[str, float] = field(default_factory=dict)
    energy: float = 0.0
    gas: float = 0.0
    water: float = 0.0
    labour: float = 0.0
    about: Mapping[str, Any] = field(default_factory=dict)

    def imbalance(self) -> dict[str, float]:
        """Mass (kg) of each element that came out less what went in: no more than rounding."""
        into = totals([*(d.elements for d in self.inputs), self.gained])
        out = totals([*(o.elements for o in self.outputs), self.lost])
        return {e: out.get(e, 0.0) - into.get(e, 0.0) for e in sorted({*into, *out})}

    def error(self) -> float:
        """The largest imbalance of mass or of any element relative to what was handled of it."""
        into = totals([*(d.elements for d in self.inputs), self.gained])
        out = totals([*(o.elements for o in self.outputs), self.lost])
        worst = 0.0
        for element, difference in self.imbalance().items():
            handled = max(into.get(element, 0.0), out.get(element, 0.0))
            worst = max(worst, abs(difference) / handled if handled > _ATOM else 0.0)
        mass_in = sum(d.mass for d in self.inputs) + sum(self.gained.values())
        mass_out = sum(o.mass for o in self.outputs) + sum(self.lost.values())
        handled = max(mass_in, mass_out)
        return max(worst, abs(mass_out - mass_in) / handled if handled else 0.0)

    def plain(self) -> dict[str, Any]:
        """As plain data; `of` gives the same operation back."""
        return {
            **_shallow(self),
            "inputs": [d.plain() for d in self.inputs],
            "outputs": [{"lot" if isinstance(o, PowderLot) else "item": o.plain()}
                        for o in self.outputs],
            "gained": dict(self.gained), "lost": dict(self.lost), "about": dict(self.about)}

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Operation:
        """The operation of `plain` data; ValueError for data that are none."""
        try:
            inputs = tuple(Draw.of(d) for d in data["inputs"])
            outputs = tuple(PowderLot.of(o["lot"]) if "lot" in o else Item.of(o["item"])
                            for o in data["outputs"])
            return cls(**{**data, "inputs": inputs, "outputs": outputs})
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"these data are no operation: {error}") from error


def _shallow(thing: Any) -> dict[str, Any]:
    return {f.name: getattr(thing, f.name) for f in fields(thing)}


def _made(kind: type[T], data: Mapping[str, Any], name: str) -> T:
    try:
        made = kind(**data)
        float(data["mass"])
        dict(data["elements"])
    except (TypeError, ValueError) as error:
        raise ValueError(f"these data are no {name}: {error}") from error
    return made


def _part(grains: Constituent, share: float | Array) -> Constituent:
    """The given share of a constituent, one for all or by size class (40,)."""
    masses = grains.masses * share
    whole = grains.mass
    part = float(masses.sum()) / whole if whole else 0.0
    elements = {e: m * part for e, m in grains.elements.items()}
    return replace(grains, masses=masses, elements=elements)


def _rest(grains: Constituent, taken: Constituent) -> Constituent:
    """What is left of a constituent; a rounding below zero is nothing."""
    masses = np.maximum(grains.masses - taken.masses, 0.0)
    elements = {e: max(m - taken.elements[e], 0.0) for e, m in grains.elements.items()}
    left = float(masses.sum())
    if not abs(sum(elements.values()) - left) <= 1e-12 * left:
        # Next to nothing is left, of which rounding is a large part: the elements decide.
        kept = sum(elements.values())
        masses = masses * (kept / left) if left else masses
        elements = elements if left else dict.fromkeys(elements, 0.0)
    return replace(grains, masses=masses, elements=elements)


def scaled(lot: PowderLot, share: float) -> PowderLot:
    """The ``share`` (0 to 1) of a lot, all of it alike; ValueError outside."""
    if not 0.0 <= share <= 1.0:
        raise ValueError(f"lot {lot.id}: share {share:g} must be from 0 to 1")
    return replace(lot, constituents=tuple(_part(c, share) for c in lot.constituents),
                   water=lot.water * share)


def draw(lot: PowderLot, mass: float, new_id: str | None = None) -> tuple[PowderLot, PowderLot]:
    """Take ``mass`` (kg with its water) out of a lot: (drawn, rest).

    What is drawn under a ``new_id`` has the lot as its parent; without one it keeps the lot's id,
    as the rest does. ValueError if it is negative or more than there is.
    """
    if not 0.0 <= mass <= lot.mass * (1.0 + ROUNDING):
        raise ValueError(f"lot {lot.id}: {mass:g} kg asked for, {lot.mass:g} kg are there")
    share = min(mass / lot.mass, 1.0) if lot.mass else 0.0
    taken = scaled(lot, share)
    rest = replace(
        lot, constituents=tuple(map(_rest, lot.constituents, taken.constituents)),
        water=max(lot.water - taken.water, 0.0))
    if new_id is not None:
        taken = replace(taken, id=new_id, parents=(lot.id,))
    return taken, rest


def split(
    lot: PowderLot, keep: npt.ArrayLike, ids: tuple[str, str]
) -> tuple[PowderLot, PowderLot]:
    """Divide a lot by size, and by constituent where ``keep`` is (n, 40): (kept, left).

    ``keep`` is the share 0 to 1 of each class that is kept. Both have the lot as their parent and
    its state otherwise; the water goes with the surface. ValueError for shares out of range.
    """
    share = np.asarray(keep, float)
    shape = (len(lot.constituents), BINS)
    if share.shape not in ((), (BINS,), shape):
        raise ValueError(f"lot {lot.id}: shares of shape {share.shape}, expected (40,) or {shape}")
    if not (float(share.min()) >= 0.0 and float(share.max()) <= 1.0):
        raise ValueError(f"lot {lot.id}: shares must be from 0 to 1")
    rows = np.broadcast_to(share, shape)
    kept = tuple(map(_part, lot.constituents, rows))
    left = tuple(map(_rest, lot.constituents, kept))
    area, area_kept = lot.area, sum(c.area for c in kept)
    water = lot.water * min(area_kept / area, 1.0) if area else 0.0
    child = replace(lot, parents=(lot.id,), measured={}, sigma={})
    dry = max(lot.water - water, 0.0)
    return (replace(child, id=ids[0], constituents=kept, water=water),
            replace(child, id=ids[1], constituents=left, water=dry))


def _together(parts: Sequence[Constituent]) -> Constituent:
    if len(parts) == 1:
        return parts[0]
    masses = np.sum([c.masses for c in parts], axis=0)
    about: dict[str, Any] = {}
    for name in ("hollow", "satellites", "irregular"):
        held = np.sum([c.masses * getattr(c, name) for c in parts], axis=0)
        share = np.divide(held, masses, out=np.zeros(BINS), where=masses > 0.0)
        about[name] = np.minimum(share, 1.0)
    hollow = [float((c.masses * c.hollow).sum()) for c in parts]
    about["pore"] = parts[0].pore
    if sum(hollow) > 0.0:  # so that the volume of the gas is kept
        gas = sum(h * c.pore / (1.0 - c.pore) for h, c in zip(hollow, parts, strict=True))
        about["pore"] = gas / (gas + sum(hollow))
    return Constituent(parts[0].alloy, masses, totals([c.elements for c in parts]), **about)


def blend(lots: Sequence[PowderLot], id: str) -> PowderLot:
    """All lots as one, constituents of one alloy put together; unmeasured, status new.

    Its cycle is the highest, its parents the lots, the rest of what it is about that of the first
    (set origin, time and machine with `renamed`). ValueError without lots.
    """
    if not lots:
        raise ValueError(f"lot {id}: nothing to blend")
    groups: dict[str, list[Constituent]] = {}
    for lot in lots:
        for grains in lot.constituents:
            groups.setdefault(grains.alloy, []).append(grains)
    return replace(
        lots[0], id=id, constituents=tuple(_together(parts) for parts in groups.values()),
        water=sum(lot.water for lot in lots),
        parents=tuple(dict.fromkeys(lot.id for lot in lots)),
        cycle=max(lot.cycle for lot in lots), status="new", measured={}, sigma={})


def _changed(grains: Constituent, changes: Mapping[str, float]) -> Constituent:
    """With so much more or less (kg) of each element; every size grows or shrinks alike."""
    elements = dict(grains.elements)
    for element, change in changes.items():
        held = elements.get(element, 0.0)
        if held + change < -ROUNDING * held:
            raise ValueError(f"{grains.alloy}: {-change:g} kg of {element} asked for, "
                             f"{held:g} kg are there")
        elements[element] = max(held + change, 0.0)
    factor = sum(elements.values()) / grains.mass if grains.mass else 0.0
    return replace(grains, masses=grains.masses * factor, elements=elements)


def with_oxygen(lot: PowderLot, kg: float) -> PowderLot:
    """With so much more oxygen (kg) in the oxide, or less; over constituents by their surface.

    A loss is taken in proportion to what each holds. ValueError for more than there is.
    """
    weight = [c.area if kg > 0.0 else c.elements.get("O", 0.0) for c in lot.constituents]
    whole = sum(weight)
    if kg and not whole:
        raise ValueError(f"lot {lot.id}: no surface or oxygen to change by {kg:g} kg")
    return replace(lot, constituents=tuple(
        _changed(c, {"O": kg * w / whole}) if kg and w else c
        for c, w in zip(lot.constituents, weight, strict=True)))


def with_water(lot: PowderLot, kg: float) -> PowderLot:
    """With so much more adsorbed water (kg), or less; ValueError for more than there is."""
    water = lot.water + kg
    if water < -ROUNDING * lot.water:
        raise ValueError(f"lot {lot.id}: {-kg:g} kg of water asked for, {lot.water:g} kg are there")
    return replace(lot, water=max(water, 0.0))


def water_elements(kg: float) -> dict[str, float]:
    """Hydrogen and oxygen (kg) in so much water (kg)."""
    return {"H": kg * HYDROGEN_OF_WATER, "O": kg * OXYGEN_OF_WATER}


def recomposed(
    lot: PowderLot, changes: Mapping[str, float], alloy: str | None = None
) -> PowderLot:
    """With so much more or less (kg) of each element: evaporation, leaching, reduction, pick-up.

    In the constituents of ``alloy`` (all if not given): a gain in proportion to their masses, a
    loss to what they hold of the element. ValueError for more than there is.
    """
    chosen = [c for c in lot.constituents if alloy is None or c.alloy == alloy]
    shares: list[dict[str, float]] = [{} for _ in chosen]
    for element, change in changes.items():
        if not change:
            continue
        weight = [c.mass if change > 0.0 else c.elements.get(element, 0.0) for c in chosen]
        whole = sum(weight)
        if not whole:
            raise ValueError(f"lot {lot.id}: no {element} to change by {change:g} kg")
        for share, w in zip(shares, weight, strict=True):
            share[element] = change * w / whole
    new = iter([_changed(c, s) for c, s in zip(chosen, shares, strict=True)])
    return replace(lot, constituents=tuple(
        next(new) if alloy is None or c.alloy == alloy else c for c in lot.constituents))


def reshaped(
    lot: PowderLot, alloy: str | None = None, *, masses: npt.ArrayLike | None = None,
    hollow: npt.ArrayLike | None = None, satellites: npt.ArrayLike | None = None,
    irregular: npt.ArrayLike | None = None, pore: float | None = None,
) -> PowderLot:
    """With other sizes or shapes of the constituent of ``alloy`` (the largest if not given).

    ``masses`` (40,) is the new distribution, scaled to the mass there is; the shares are (40,) or
    one for all sizes. ValueError for shares out of range or an alloy the lot does not hold.
    """
    name = lot.alloy if alloy is None else alloy
    if name not in {c.alloy for c in lot.constituents}:
        raise ValueError(f"lot {lot.id} holds no {name}")
    new: dict[str, Any] = {"hollow": hollow, "satellites": satellites, "irregular": irregular,
                           "pore": pore}
    about = {key: value for key, value in new.items() if value is not None}

    def other(grains: Constituent) -> Constituent:
        if grains.alloy != name:
            return grains
        if masses is None:
            return replace(grains, **about)
        shares = np.asarray(masses, float)
        whole = float(shares.sum())
        if grains.mass and not whole > 0.0:
            raise ValueError(f"lot {lot.id}: a distribution without mass")
        return replace(grains, masses=shares * (grains.mass / whole if whole else 0.0), **about)

    return replace(lot, constituents=tuple(other(c) for c in lot.constituents))


def renamed(lot: PowderLot, id: str, **about: Any) -> PowderLot:
    """Under another id, with other fields that change nothing in the powder.

    ``about``: parents, origin, made_at, machine, cycle, status, measured, sigma. ValueError for a
    field of the powder itself.
    """
    wrong = sorted({"constituents", "water"} & about.keys())
    if wrong:
        raise ValueError(f"lot {lot.id}: {', '.join(wrong)} cannot be changed by renaming")
    return replace(lot, id=id, **about)

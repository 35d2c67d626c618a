"""What a summary's operations make of other powder than it was made with.

An operation of the full model is taken as a transfer: of every size of every alloy in its input
it says which share went to which output, and how much oxygen and water an output gained per
mass. Applied to the lots that are there, the account closes element by element.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from twin.equipment.powder_laboratory import NO_FLOW
from twin.machine import Plant
from twin.powder.laboratory import METHODS, true_value
from twin.powder.lot import Constituent, PowderLot, Status, totals
from twin.powder.operations import (
    Draw,
    Item,
    Operation,
    blend,
    draw,
    renamed,
    with_water,
)
from twin.powder.sizes import BINS

__all__ = ["Pool", "Rules", "is_virgin", "repeat_operations", "transferred"]

Thing = PowderLot | Item
_WHOLE = 1e-6
"""Excess of shares over one, by which outputs still count as parts of the input."""
_FULL = 1.0 - 1e-9
_GASES = ("O", "N", "H")
_READ = frozenset(name for method in METHODS.values() for name in method.properties)


class Rules(Protocol):
    """What the real machine's program decides about powder, as far as it is a pure function."""

    @property
    def proportional(self) -> tuple[str, ...]:
        """Phases that last as long as there is powder."""
        ...

    def virgin_share(self, lot: PowderLot) -> float:
        """Share of virgin powder in a blend with a used lot."""
        ...

    def oversize(self, lot: PowderLot) -> float:
        """Share of grains that are too coarse for the mesh."""
        ...

    def judge(self, lot: PowderLot) -> Status:
        """What becomes of a lot with its readings."""
        ...


VERDICTS: Mapping[str, str] = {"released": "release", "hold": "hold", "scrap": "scrap"}
"""Operations that turn powder out, by the status they give it."""


def is_virgin(lot: PowderLot) -> bool:
    """Whether a lot is for topping up: never used, of one alloy."""
    return lot.cycle == 0 and lot.foreign == 0.0


@dataclass
class Pool:
    """Material that stands for one input of the summary: lots or items, drawn from alike."""

    things: list[Thing]
    left: list[Thing] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.left = list(self.things)

    @property
    def mass(self) -> float:
        """What is left, kg."""
        return sum(t.mass for t in self.left)

    def take(self, share: float) -> tuple[list[Draw], list[Thing]]:
        """A share (0 to 1) of what is left of each."""
        share = min(share, 1.0)
        accounts: list[Draw] = []
        taken: list[Thing] = []
        kept: list[Thing] = []
        for thing in self.left:
            if share >= _FULL:
                part: Thing = thing
            elif isinstance(thing, PowderLot):
                part, rest = draw(thing, thing.mass * share)
                kept.append(rest)
            else:
                part, other = _part(thing, share), _part(thing, 1.0 - share)
                kept.append(other)
            if part.mass > 0:
                accounts.append(Draw.all(part))
                taken.append(part)
        self.left = kept
        return accounts, taken


def _part(item: Item, share: float) -> Item:
    return replace(item, mass=item.mass * share,
                   elements={e: m * share for e, m in item.elements.items()})


def _powder(things: Sequence[Thing]) -> PowderLot | None:
    lots = [t for t in things if isinstance(t, PowderLot) and t.mass > 0]
    if not lots:
        return None
    return lots[0] if len(lots) == 1 else blend(lots, lots[0].id)


def _ratio(over: npt.NDArray[np.float64], under: npt.NDArray[np.float64],
           rest: float) -> npt.NDArray[np.float64]:
    """Bin by bin; where there was nothing, what the whole went through with."""
    found: npt.NDArray[np.float64] = np.divide(
        over, under, out=np.full(BINS, rest), where=under > 1e-12 * under.sum())
    return found


def _composed(grains: Constituent, source: Constituent, result: Constituent, then: float,
              now: float) -> dict[str, float]:
    """Elements (kg) of a share `now` of grains that change as a share `then` of `source` did.

    Of a metal the same part goes on; gases gain or lose so much per mass of powder.
    """
    scale, found = now / then, {}
    for element in {**grains.elements, **result.elements}:
        own = grains.elements.get(element, 0.0)
        old, new = source.elements.get(element, 0.0), result.elements.get(element, 0.0)
        if element in _GASES:
            change = (new - old * then) * scale * grains.mass / source.mass
            found[element] = max(own * now + change, 0.0)
        else:
            found[element] = own * (min(new / old * scale, 1.0) if old > 0 else now)
    return found


def transferred(made: PowderLot, before: PowderLot, actual: PowderLot,
                parts: bool) -> PowderLot:
    """What `actual` becomes where `before` became `made`; sizes, shape, oxygen and water.

    `parts`: the operation divided its input, so that shares count by size; else (sintered or
    remelted grains) each alloy keeps its share of mass and its sizes change alike.
    """
    known = {c.alloy: c for c in before.constituents}
    became = {c.alloy: c for c in made.constituents}
    found = []
    for grains in actual.constituents:
        source, result = known.get(grains.alloy), became.get(grains.alloy)
        if source is None or not source.mass:
            # An alloy that the summary had not: it goes where the main one goes.
            source, result = before.main, became.get(before.main.alloy)
        if result is None or not grains.mass or not source.mass:
            continue
        rest = min(result.mass / source.mass, 1.0)
        shares = _ratio(result.masses, source.masses, rest)
        if parts:
            masses = grains.masses * np.clip(shares, 0.0, 1.0)
            then = float(np.minimum(result.masses, source.masses).sum()) / source.mass
            now = float(masses.sum()) / grains.mass
        else:
            masses, then, now = grains.masses * shares, rest, rest
        whole = float(masses.sum())
        if not (whole > 0.0 and then > 0.0):
            continue
        shape: dict[str, Any] = {
            name: np.clip(getattr(grains, name) + getattr(result, name) - getattr(source, name),
                          0.0, 1.0)
            for name in ("hollow", "satellites", "irregular")}
        elements = _composed(grains, source, result, then, now)
        masses = masses * (sum(elements.values()) / whole)
        pore = result.pore if float(np.max(shape["hollow"])) > 0 else grains.pore
        found.append(Constituent(grains.alloy, masses, elements, pore=pore, **shape))
    if not found:
        return replace(actual, constituents=tuple(
            replace(c, masses=np.zeros(BINS), elements={}) for c in actual.constituents[:1]),
            water=0.0)
    lot = replace(actual, constituents=tuple(found), water=0.0)
    # Drying takes a part of the water that is there; wet air brings as much to any powder.
    if made.moisture < before.moisture:
        moisture = actual.moisture * made.moisture / before.moisture
    else:
        moisture = actual.moisture + made.moisture - before.moisture
    return with_water(lot, moisture * lot.metal)


def _left(into: Mapping[str, float], lots: Mapping[str, float]) -> dict[str, float]:
    """What of each element is not in the lots that came out; a gain is nothing left."""
    return {e: max(m - lots.get(e, 0.0), 0.0) for e, m in into.items()}


def _item(made: Item, then: Mapping[str, float], now: Mapping[str, float],
          scale: float) -> Item:
    """An item of the same share of what did not become powder.

    then, now: what was left of each element (kg) in the summary and is left here; scale: material
    here over that of the summary, by which goes what an item took from gas or air.
    """
    whole = sum(then.values())
    share = min(made.mass / whole, 1.0) if whole > 0 else 0.0
    elements = {}
    for element, mass in now.items():
        held = then.get(element, 0.0)
        part = made.elements.get(element, 0.0) / held if held > 1e-9 * whole else share
        elements[element] = mass * min(part, 1.0)
    for element, mass in made.elements.items():
        more = mass - then.get(element, 0.0)
        if more > 0:
            elements[element] = elements.get(element, 0.0) + more * scale
    elements = {e: m for e, m in elements.items() if m > 0}
    return replace(made, mass=sum(elements.values()), elements=elements)


class _Repeat:
    """One job's operations, one after the other."""

    def __init__(self, plant: Plant, supplied: Sequence[PowderLot], lots: Sequence[Thing],
                 rules: Rules | None = None) -> None:
        self.plant, self.rules = plant, rules
        self.then: dict[str, Thing] = {lot.id: lot for lot in supplied}
        """The summary's material by id, what is left of it."""
        self.now: dict[str, Pool] = {}
        """What stands for it."""
        self.ids: dict[str, tuple[str, ...]] = {}
        self.supplied = {lot.id for lot in supplied}
        used = [lot for lot in supplied if not is_virgin(lot)] or list(supplied)
        top = [lot for lot in supplied if lot not in used]
        powder = [t for t in lots if isinstance(t, PowderLot)]
        self.items = [t for t in lots if isinstance(t, Item)]
        """What was brought that is no powder, such as green parts, and not used yet."""
        if not powder:
            # Nothing was brought: the machine bought what it took then.
            powder = [renamed(lot, plant.new_id("bought")) for lot in supplied]
        mine = [lot for lot in powder if not is_virgin(lot)] or powder
        mine_top = [lot for lot in powder if lot not in mine]
        self.scale = (sum(lot.mass for lot in mine) / sum(lot.mass for lot in used)
                      if used and mine else 1.0)
        for group, actual in ((used, mine), (top, mine_top)):
            self._stand_in(group, actual)

    def _stand_in(self, group: Sequence[PowderLot], actual: Sequence[PowderLot]) -> None:
        """The actual lots of a role stand for the summary's, each for its share."""
        pools = [Pool([]) for _ in group]
        whole = sum(lot.mass for lot in group)
        for pool, lot in zip(pools, group, strict=True):
            share = lot.mass / whole
            for thing in actual:
                part = draw(thing, thing.mass * share)[0] if share < _FULL else thing
                pool.things.append(part)
            pool.__post_init__()
            self.now[lot.id] = pool
            self.ids[lot.id] = tuple(t.id for t in actual)

    def repeat(self, told: Operation) -> None:
        """Do an operation with what is here."""
        sources: list[Thing] = []
        inputs: list[Draw] = []
        actual: list[Thing] = []
        # What is topped up comes first, for the virgin powder goes by it.
        order = sorted(told.inputs, key=lambda account: self._tops_up(account, told))
        for account in order:
            source = self.then.get(account.id)
            if source is None or account.id not in self.now:
                # Brought, such as a green part; or bought: a charge or rod of its recipe.
                own = self._brought(account) or self._own(account)
                inputs.append(Draw(own.id, own.mass, own.elements))
                sources.append(Item(account.id, own.kind, own.alloy, account.mass,
                                    dict(account.elements)))
                actual.append(own)
                continue
            pool = self.now[account.id]
            share = min(account.mass / source.mass, 1.0) if source.mass else 1.0
            if self._tops_up(account, told) and pool.mass > 0:
                share = self._topping(account, actual, pool)
            accounts, things = pool.take(share)
            inputs += accounts
            actual += things
            if isinstance(source, PowderLot):
                part, rest = draw(source, min(account.mass, source.mass))
                self.then[account.id] = rest
                sources.append(part)
            else:
                used = min(account.mass / source.mass, 1.0) if source.mass else 1.0
                sources.append(_part(source, used))
                self.then[account.id] = _part(source, 1.0 - used)
        if not inputs:
            return
        outputs = self._outputs(told, sources, actual)
        name = told.name
        if self.rules is not None and name in VERDICTS.values():
            outputs = [replace(o, status=self.rules.judge(o))
                       if isinstance(o, PowderLot) and o.measured else o for o in outputs]
            judged = [o.status for o in outputs if isinstance(o, PowderLot)]
            name = VERDICTS.get(judged[0], name) if judged else name
        into = totals([d.elements for d in inputs])
        out = totals([o.elements for o in outputs])
        gained, lost = _difference(into, out)
        self.plant.record_operation(Operation(
            name, self.plant.name, float(self.plant.env.now), tuple(inputs), tuple(outputs),
            gained, lost, about=told.about))

    def _tops_up(self, account: Draw, told: Operation) -> bool:
        source = self.then.get(account.id)
        return (len(told.inputs) > 1 and account.id in self.supplied
                and isinstance(source, PowderLot) and is_virgin(source))

    def _topping(self, account: Draw, actual: Sequence[Thing], pool: Pool) -> float:
        """Share of the virgin powder at hand that goes into a blend: by the machine's own rule."""
        used = _powder(actual)
        if self.rules is None or used is None:
            return min(account.mass * self.scale / pool.mass, 1.0)
        virgin = min(self.rules.virgin_share(used), 0.99)
        return min(used.mass * virgin / (1.0 - virgin) / pool.mass, 1.0)

    def _brought(self, account: Draw) -> Item | None:
        """The next item at hand of the kind that the summary's machine took."""
        for item in self.items:
            if item.kind.split()[0] == _kind(account.id):
                self.items.remove(item)
                self.ids[account.id] = (item.id,)
                return item
        return None

    def _own(self, account: Draw) -> Item:
        kind = _kind(account.id)
        new = self.plant.new_id(kind)
        self.ids[account.id] = (new,)
        return Item(new, kind or "charge", "", account.mass, dict(account.elements))

    def _outputs(self, told: Operation, sources: Sequence[Thing],
                 actual: Sequence[Thing]) -> list[Thing]:
        before, now = _powder(sources), _powder(actual)
        then, here = (totals([t.elements for t in things]) for things in (sources, actual))
        scale = sum(here.values()) / max(sum(then.values()), 1e-300)
        powders = [o for o in told.outputs if isinstance(o, PowderLot)]
        parts = before is not None and _divides(powders, before)
        found: dict[str, Thing] = {}
        for made in told.outputs:
            self.ids[made.id] = (self.plant.new_id(_kind(made.id)),)
            self.then[made.id] = made
            if isinstance(made, PowderLot):
                lot = (transferred(made, before, now, parts)
                       if before is not None and now is not None else _scaled(made, scale))
                cycles = (now.cycle if now else 0) - (before.cycle if before else 0)
                lot = replace(
                    lot, id=self.ids[made.id][0], parents=self._parents(made.parents),
                    origin=made.origin, made_at=float(self.plant.env.now),
                    machine=self.plant.name, cycle=max(made.cycle + cycles, 0),
                    status=made.status, measured=dict(made.measured), sigma=dict(made.sigma))
                found[made.id] = self._judged(lot, made)
        # What did not become powder is in the items, or gone, in the proportion of the summary.
        then = _left(then, totals([p.elements for p in powders]))
        here = _left(here, totals([f.elements for f in found.values()]))
        for made in told.outputs:
            if isinstance(made, Item):
                item = _item(made, then, here, scale)
                about = {name: self.ids[value][0] if isinstance(value, str) and value in self.ids
                         else value for name, value in item.about.items()}
                found[made.id] = replace(item, id=self.ids[made.id][0], about=about)
        outputs = []
        for made in told.outputs:
            thing = found[made.id]
            self.now[made.id] = Pool([thing] if thing.mass > 0 else [])
            if thing.mass > 0:
                outputs.append(thing)
        return outputs

    def _parents(self, parents: Sequence[str]) -> tuple[str, ...]:
        found: dict[str, None] = {}
        for parent in parents:
            for own in self.ids.get(parent, (parent,)):
                found[own] = None
        return tuple(found)

    def _judged(self, lot: PowderLot, made: PowderLot) -> PowderLot:
        """What the laboratory would read of this lot, with its own errors."""
        if not made.measured or not lot.metal:
            return lot
        noise = self.plant.stream(f"laboratory {lot.id}")
        readings = {}
        for name, then in made.measured.items():
            error = made.sigma.get(name, 0.0) * float(noise.standard_normal())
            # What was true then, as far as it is a property of the lot alone.
            known = name in _READ or len(name) <= 2
            truth = true_value(lot, name) if known else then
            if name == "oversize" and self.rules is not None:
                truth, known = self.rules.oversize(lot), True
            readings[name] = max(truth + error, 0.0) if known else then
        if "hall" in readings:
            readings["hall"] = min(readings["hall"], NO_FLOW)
        return replace(lot, measured=readings)


def _divides(powders: Sequence[PowderLot], before: PowderLot) -> bool:
    """Whether outputs are parts of the input, size by size."""
    for source in before.constituents:
        given = np.sum([c.masses for lot in powders for c in lot.constituents
                        if c.alloy == source.alloy] or [np.zeros(BINS)], axis=0)
        if np.any(given > source.masses * (1 + 1e-3) + _WHOLE * source.mass):
            return False
    return True


def _scaled(made: PowderLot, factor: float) -> PowderLot:
    return replace(made, constituents=tuple(replace(
        c, masses=c.masses * factor, elements={e: m * factor for e, m in c.elements.items()})
        for c in made.constituents), water=made.water * factor)


def _difference(into: Mapping[str, float],
                out: Mapping[str, float]) -> tuple[dict[str, float], dict[str, float]]:
    """What must have come from or gone to gas, filter and pumps: (gained, lost), kg."""
    gained, lost = {}, {}
    for element in sorted({*into, *out}):
        more = out.get(element, 0.0) - into.get(element, 0.0)
        if more > 0:
            gained[element] = more
        elif more < 0:
            lost[element] = -more
    return gained, lost


def _kind(id_: str) -> str:
    """``GA-01-soot-0003`` → ``soot``; ``GA-01-0003`` → nothing."""
    names = id_.split("-")
    return names[-2] if len(names) > 2 and names[-2].isalpha() and names[-2].islower() else ""


def repeat_operations(plant: Plant, operations: Sequence[Mapping[str, Any]],
                      supplied: Sequence[Mapping[str, Any]], things: Sequence[Thing],
                      until: float, rules: Rules | None = None) -> bool:
    """Record on `plant` what a summary's operations up to a place (s) make of `things`.

    operations, supplied: the summary's, plain; rules: what the machine decides about powder by
    itself, such as how much virgin powder is blended in. Gives whether there were any.
    """
    told = [Operation.of(o) for o in operations if o["time"] <= until + 1e-6]
    if not told:
        return False
    work = _Repeat(plant, [PowderLot.of(lot) for lot in supplied], things, rules)
    for operation in told:
        work.repeat(operation)
    return True

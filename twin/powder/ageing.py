"""What a build makes of its powder: parts, powder that has aged, spatter and waste, to the gram."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import exp
from typing import Any, Final

import numpy as np

from twin.physics.drying import DryingKinetics, saturation_pressure
from twin.powder import flow
from twin.powder.lot import PowderLot, Status, totals
from twin.powder.operations import (
    Draw,
    Item,
    Operation,
    blend,
    draw,
    recomposed,
    renamed,
    reshaped,
    split,
    water_elements,
    with_oxygen,
    with_water,
)
from twin.powder.sizes import CENTRES, lognormal

__all__ = ["AGEING", "Ageing", "Use", "aged", "ageing_of", "build_operation", "joined"]


@dataclass(frozen=True, slots=True)
class Ageing:
    """What one build of the usual length does to powder that comes back from it.

    All figures default but the oxygen, where a source is named. ``oxygen`` and ``aluminium`` are
    mass fractions gained and lost per use, ``hours`` the usual length of a build; ``irregular``
    and ``satellites`` the part of the good grains that become so, ``fines`` the part of what is
    finer than half the median that is lost, ``rejoined`` the part of the spatter that ends in the
    powder, ``exposed_air`` hours in room air at unpacking; ``dry``: the bed is hot in a vacuum.
    """

    oxygen: float
    hours: float = 20.0
    aluminium: float = 0.0
    irregular: float = 0.002
    satellites: float = 0.001
    fines: float = 0.02
    rejoined: float = 0.5
    exposed_air: float = 2.0
    dry: bool = False


AGEING: Final[Mapping[tuple[str, str], Ageing]] = {
    # Carney et al.: 0.11 to 0.12 % in 10 uses (doi 10.1080/00325899.2022.2133357).
    ("pbf-lb", "Ti-6Al-4V"): Ageing(10e-6),
    ("pbf-lb", "AlSi10Mg"): Ageing(15e-6),
    ("pbf-lb", "316L"): Ageing(12e-6, irregular=0.004),
    ("pbf-lb", ""): Ageing(8e-6),
    # 0.11 % in 21 uses, cited in doi 10.1007/s11837-018-3305-2.
    ("pbf-eb", "Ti-6Al-4V"): Ageing(52e-6, 24.0, 2e-6, 0.006, -0.01, 0.05, 1.0, dry=True),
    # Recycled Ti-48Al-2Cr-2Nb in PBF-EB, full text: 560 to 1200 ppm in 30 uses, Al 1.6 to 2 at.%
    # less; irregular over 30 % after 45.
    ("pbf-eb", "Ti-48Al-2Cr-2Nb"): Ageing(20.8e-6, 24.0, 7.7e-4, 0.008, -0.01, 0.05, 1.0, dry=True),
    ("pbf-eb", ""): Ageing(20e-6, 24.0, 0.0, 0.006, -0.01, 0.05, 1.0, dry=True),
    ("ded-powder", ""): Ageing(60e-6, 8.0, 0.0, 0.05, 0.05, 0.10, 1.0),
    ("binder-jet", ""): Ageing(6e-6, 12.0, 0.0, 0.0005, 0.0005, 0.01, 1.0, 4.0),
}

ROOM: Final = (295.15, 0.45)
"""Temperature (K) and relative humidity of the room where powder is unpacked, default."""

_KINETICS: Final = DryingKinetics()
_WASTE: Final = ("dust", "scrap")
_SPATTER_SIZE: Final = (70e-6, 1.6)  # median and width of spatter, default
_SPATTER_OXYGEN: Final = 1.5e-3  # mass fraction that spatter takes up in flight, default
_LONGEST: Final = 3.0  # times the usual length, beyond which nothing more happens, default


def ageing_of(process: str, alloy: str) -> Ageing:
    """The figures for a process and alloy; `KeyError` for a process without any."""
    found = AGEING.get((process, alloy))
    return found if found is not None else AGEING[(process, "")]


@dataclass(frozen=True)
class Use:
    """What a build took from its feedstock and where it went, kg of metal.

    ``melted`` into the part (as it is, what evaporated off), ``spatter``, ``fume`` and ``ground``
    (cut off the part again) on top of it; ``spread`` on the bed in all, or fed to the head, the
    part included; what is neither is in overflow and supply. ``hours`` it took; ``kind`` of what
    was made.
    """

    melted: float
    spread: float
    overflow: float = 0.0
    spatter: float = 0.0
    fume: float = 0.0
    hours: float = 0.0
    kind: str = "part"
    about: Mapping[str, Any] = field(default_factory=dict)
    pieces: tuple[tuple[float, Mapping[str, Any]], ...] = ()
    """Share of the mass, and what is known, of each piece if several are told apart."""
    added: Mapping[str, float] = field(default_factory=dict)
    """kg of elements of something else in what was made, such as a binder."""
    ground: float = 0.0


def aged(lot: PowderLot, figures: Ageing, hours: float) -> tuple[PowderLot, dict[str, float],
                                                                  dict[str, float]]:
    """A lot after a build of so many hours: (lot, gained, lost), the latter kg by element.

    Oxygen in proportion to the time, up to three times the usual; water: gone from a hot bed in
    vacuum, else as it was, then towards balance with the room's air (`twin.physics.drying`);
    grains go odd, evaporation takes aluminium.
    """
    part = min(hours / figures.hours, _LONGEST)
    gained: dict[str, float] = {}
    lost: dict[str, float] = {}
    oxygen = figures.oxygen * lot.metal * part
    lot = with_oxygen(lot, oxygen)
    gained["O"] = oxygen
    held = lot.fraction("Al") * lot.metal
    metal = min(figures.aluminium * lot.metal * part, 0.5 * held)
    if metal:
        lot = recomposed(lot, {"Al": -metal})
        lost["Al"] = metal
    if figures.dry and lot.water:
        lost = totals([lost, water_elements(lot.water)])
        lot = with_water(lot, -lot.water)
    temperature, humidity = ROOM
    monolayers = _KINETICS.coverage(temperature, humidity * saturation_pressure(temperature))
    balance = monolayers * flow.MONOLAYER * lot.area
    reached = 1.0 - exp(-_KINETICS.constant(temperature) * 3600.0 * figures.exposed_air)
    change = (balance - lot.water) * reached
    if change > 0.0:
        gained = totals([gained, water_elements(change)])
    else:
        lost = totals([lost, water_elements(-change)])
    lot = with_water(lot, change)
    for grains in lot.constituents:
        lot = reshaped(
            lot, grains.alloy,
            irregular=grains.irregular + (1.0 - grains.irregular) * figures.irregular * part,
            satellites=_moved(grains.satellites, figures.satellites * part))
    return lot, gained, lost


def _moved(share: Any, change: float) -> Any:
    """Towards 1 by a part of the rest, or towards 0 by a part of what is there."""
    return share + (1.0 - share) * change if change > 0.0 else share * (1.0 + change)


def _pieces(elements: Mapping[str, float], use: Use, alloy: str, about: Mapping[str, Any],
            new_id: Callable[[str], str]) -> list[Item]:
    """What was made, in the pieces it is told apart by; the last one takes the rounding."""
    pieces = use.pieces or ((1.0, {}),)
    whole = sum(share for share, _ in pieces)
    left, made = dict(elements), []
    for number, (share, known) in enumerate(pieces, 1):
        part = {e: m * share / whole for e, m in elements.items()} if number < len(pieces) else left
        left = {e: max(m - part[e], 0.0) for e, m in left.items()}
        made.append(Item(new_id(use.kind.split()[0]), use.kind, alloy, sum(part.values()), part,
                         {**about, **known}))
    return made


def _common(lots: tuple[PowderLot, ...]) -> Status:
    """The status that all share, else new."""
    found = {lot.status for lot in lots}
    return found.pop() if len(found) == 1 else "new"


def _with_spatter(lot: PowderLot, share: float) -> PowderLot:
    """A share of a lot becomes spatter: coarse and odd; its mass and elements stay."""
    if share <= 0.0:
        return lot
    coarse = lognormal(*_SPATTER_SIZE)
    for grains in lot.constituents:
        if not grains.mass:
            continue
        masses = (1.0 - share) * grains.masses + share * grains.mass * coarse
        odd = np.divide((1.0 - share) * grains.masses * grains.irregular
                        + share * grains.mass * coarse * 0.6, masses,
                        out=np.zeros_like(masses), where=masses > 0.0)
        lot = reshaped(lot, grains.alloy, masses=masses, irregular=np.minimum(odd, 1.0))
    return lot


def build_operation(
    lots: tuple[PowderLot, ...], process: str, machine: str, time: float, use: Use,
    new_id: Callable[[str], str],
) -> Operation:
    """The account of a build that took all of ``lots`` (of one alloy) and gives back the rest.

    Out come the part (an `Item` of ``use.kind`` with what the metal holds, the water of what
    melted having gone off), the powder of bed and overflow, aged and with its spatter, powder that
    never left the supply as it was, and the dust of filter and blasting (an `Item`). More than
    there is, is cut down to what is there. ``new_id`` makes an id for a kind.
    """
    whole = blend(lots, lots[0].id) if len(lots) > 1 else lots[0]
    figures = ageing_of(process, whole.alloy)
    inputs = tuple(Draw.all(lot) for lot in lots)
    parents = tuple(lot.id for lot in lots)
    gone = min(use.melted + use.ground + use.fume, whole.metal)
    handled = min(max(use.spread, gone) + use.overflow + use.spatter, whole.metal)
    wet = 1.0 + whole.moisture
    melted, rest = draw(whole, min(gone * wet, whole.mass))
    used, unused = draw(rest, min(max(handled - gone, 0.0) * wet, rest.mass))
    outputs: list[PowderLot | Item] = []
    gained: dict[str, float] = {}
    lost: dict[str, float] = water_elements(melted.water)
    metal = totals([c.elements for c in melted.constituents])
    fume = min(use.fume / gone, 1.0) if gone > 0.0 else 0.0
    smoke = {element: mass * fume for element, mass in metal.items()}
    solid = {element: mass - smoke[element] for element, mass in metal.items()}
    cut = use.ground / (use.melted + use.ground) if use.ground > 0.0 else 0.0
    off = {element: mass * cut for element, mass in solid.items()}
    part = {element: mass - off[element] for element, mass in solid.items()}
    if cut:
        outputs.append(Item(new_id("scrap"), "scrap", whole.alloy, sum(off.values()), off,
                            {"what": "grindings", "lots": list(parents)}))
    if sum(part.values()) > 0.0:
        about = {**use.about, "oxygen": part.get("O", 0.0) / sum(part.values()),
                 "lots": list(parents), "cycle": whole.cycle}
        gained = dict(use.added)
        outputs += _pieces(totals([part, use.added]), use, whole.alloy, about, new_id)
    dust: list[Mapping[str, float]] = [smoke] if fume > 0.0 else []
    stamp = {"parents": parents, "made_at": time, "machine": machine}
    if used.metal > 0.0:
        fines = np.where(CENTRES < 0.5 * used.d50, min(max(figures.fines, 0.0), 1.0), 0.0)
        fine, used = split(used, fines, (used.id, used.id))
        dust.append(totals([c.elements for c in fine.constituents]))
        used = with_water(used, fine.water)
        took = min(use.spatter * figures.rejoined, 0.9 * used.metal)
        flight = _SPATTER_OXYGEN * took
        used = with_oxygen(_with_spatter(used, took / used.metal), flight)
        used, more, less = aged(used, figures, use.hours)
        gained, lost = totals([gained, more, {"O": flight}]), totals([lost, less])
        outputs.append(renamed(
            used, new_id("used"), origin=f"{process} used", cycle=whole.cycle + 1, status="new",
            measured={}, sigma={}, **stamp))
    if unused.mass > 0.0:
        outputs.append(renamed(unused, new_id("rest"), origin=f"{process} unused",
                               status=_common(lots), **stamp))
    waste = totals(dust)
    if sum(waste.values()) > 0.0:
        outputs.append(Item(new_id("dust"), "dust", whole.alloy, sum(waste.values()), waste,
                            {"lots": list(parents)}))
    return Operation(f"{process} build", machine, time, inputs, tuple(outputs), gained, lost,
                     about={**use.about, "hours": use.hours, "process": process})


def joined(operations: Sequence[Operation]) -> Operation:
    """What one build did to several alloys, as one operation that makes one part of them all.

    The part is of the alloy of which most is in it; ``alloys`` tells the share of each.
    """
    if len(operations) == 1:
        return operations[0]
    first = operations[0]
    found = [(op, out) for op in operations for out in op.outputs
             if isinstance(out, Item) and out.kind not in _WASTE]
    outputs = [out for op in operations for out in op.outputs
               if not any(out is piece for _, piece in found)]
    if found:
        pieces = [piece for _, piece in found]
        main = max(pieces, key=lambda piece: piece.mass)
        elements = totals([piece.elements for piece in pieces])
        mass = sum(elements.values())
        shares: dict[str, float] = {}
        for piece in pieces:
            shares[piece.alloy] = shares.get(piece.alloy, 0.0) + piece.mass / mass
        lots = [lot for piece in pieces for lot in piece.about.get("lots", ())]
        about = {**main.about, "oxygen": elements.get("O", 0.0) / mass,
                 "lots": list(dict.fromkeys(lots)), "alloys": shares}
        outputs.insert(0, Item(pieces[0].id, main.kind, main.alloy, mass, elements, about))
    return Operation(
        first.name, first.machine, first.time, tuple(d for op in operations for d in op.inputs),
        tuple(outputs), totals([op.gained for op in operations]),
        totals([op.lost for op in operations]), about=first.about)

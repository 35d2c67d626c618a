"""Wire on spools, and what a build makes of it: part, spatter, fume, ends, to the gram."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from twin.materials import Alloy
from twin.physics.plasma_particles import vapour
from twin.powder.ageing import Use
from twin.powder.lot import totals
from twin.powder.operations import Draw, Item, Operation

__all__ = ["spool", "wire_operation"]

LEAST = 1e-9
"""Part of what was drawn below which there is no scrap of a kind."""


def spool(identity: str, metal: Alloy, mass: float, diameter: float, heat: str = "") -> Item:
    """A spool of `mass` (kg) of wire of a `diameter` (m); `heat`: number of its melt, if known."""
    whole = sum(metal.composition.values())
    elements = {e: mass * share / whole for e, share in metal.composition.items()}
    about = {"diameter": diameter, **({"heat": heat} if heat else {})}
    return Item(identity, "spool", metal.name, mass, elements, about)


def _share(elements: Mapping[str, float], share: float) -> dict[str, float]:
    return {element: mass * share for element, mass in elements.items()}


def wire_operation(
    drawn: Sequence[tuple[Item, float, float]], process: str, machine: str, time: float, use: Use,
    new_id: Callable[[str], str],
) -> Operation:
    """The account of a build: spools of one alloy, what it drew and what it left of each (kg).

    Of the use, ``melted`` is the part as it is and ``ground`` what was cut off it; ``spatter`` is
    beside it, ``fume`` (volatile elements before others) went to the extraction and counts as
    lost. What is none of these was fed without being laid: ends, lumps and globules. More than was
    drawn is cut down to it. ``new_id`` makes an id for a kind. ValueError if nothing was drawn.
    """
    inputs = tuple(
        Draw(each.id, mass, _share(each.elements, mass / each.mass),
             {"kind": each.kind, "alloy": each.alloy, **each.about, "left": left})
        for each, mass, left in drawn if mass > 0.0)
    if not inputs:
        raise ValueError(f"{machine}: no wire was drawn")
    alloy = drawn[0][0].alloy
    whole = totals([draw.elements for draw in inputs])
    mass = sum(whole.values())
    fume = vapour(whole, min(max(use.fume, 0.0), mass))
    metal = {element: m - fume[element] for element, m in whole.items()}
    whole_metal = sum(metal.values())
    outputs: list[Item] = []
    ids = [draw.id for draw in inputs]
    rest = 1.0
    for kind, what, kg in (("part", "", use.melted), ("scrap", "spatter", use.spatter),
                           ("scrap", "grindings", use.ground), ("scrap", "wire ends", mass)):
        share = min(max(kg, 0.0) / whole_metal, rest) if whole_metal > 0.0 else 0.0
        rest = max(rest - share, 0.0)
        if share <= LEAST:
            continue
        made = _share(metal, share)
        held = sum(made.values())
        about = {"what": what, "spools": ids} if what else {
            **use.about, **({"oxygen": made["O"] / held} if "O" in made else {}), "spools": ids}
        outputs.append(Item(new_id(use.kind.split()[0] if kind == "part" else kind),
                            use.kind if kind == "part" else kind, alloy, held, made, about))
    return Operation(
        f"{process} build", machine, time, inputs, tuple(outputs),
        lost={element: m for element, m in fume.items() if m > 0.0},
        about={**use.about, "hours": use.hours, "process": process})

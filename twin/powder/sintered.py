"""Green parts become sintered ones: the account of a furnace, element by element."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from twin.powder.lot import totals
from twin.powder.operations import Draw, Item, Operation

__all__ = ["RESIN", "sinter_operation"]

RESIN: Final[Mapping[str, float]] = MappingProxyType({"C": 0.5998, "H": 0.0805, "O": 0.3197})
"""Mass fractions of the elements of an acrylate binder, C5H8O2."""


def sinter_operation(
    items: Sequence[Item], found: Sequence[Mapping[str, Any]], machine: str, time: float,
    new_id: Callable[[str], str],
) -> Operation:
    """The account of a furnace run: what came of green parts (n items, n findings).

    A green part says in ``about`` how much ``resin`` (kg) it holds. A finding has ``resin_left``
    (share that did not burn off), ``carbon_kept`` (kg/kg of metal that stayed as carbon), and
    whatever else is to be kept of the part. What burnt off is lost to the gas. ValueError unless
    there are as many findings as items.
    """
    if len(items) != len(found):
        raise ValueError(f"{len(items)} green parts, but {len(found)} findings")
    outputs: list[Item] = []
    lost: dict[str, float] = {}
    for item, known in zip(items, found, strict=True):
        resin = min(float(item.about.get("resin", 0.0)), item.mass)
        left = min(max(float(known.get("resin_left", 0.0)), 0.0), 1.0)
        burnt = {e: min(resin * share * (1.0 - left), item.elements.get(e, 0.0))
                 for e, share in RESIN.items()}
        kept = min(float(known.get("carbon_kept", 0.0)) * (item.mass - resin), burnt["C"])
        burnt["C"] -= kept
        elements = {e: m - burnt.get(e, 0.0) for e, m in item.elements.items()}
        about = {**item.about, **known, "resin": resin * left, "green": item.id}
        outputs.append(Item(new_id("part"), "part", item.alloy, sum(elements.values()), elements,
                            about))
        lost = totals([lost, burnt])
    return Operation("sinter", machine, time, tuple(map(Draw.all, items)), tuple(outputs),
                     lost=lost)

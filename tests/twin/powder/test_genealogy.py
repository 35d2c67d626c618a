"""Genealogy: from the melt to the part and back, with shares by mass."""

from __future__ import annotations

import pytest

from twin.powder.genealogy import Genealogy
from twin.powder.lot import PowderLot
from twin.powder.operations import Draw, Item, Operation, blend, draw, renamed, split


def lot(name: str, mass: float = 10.0) -> PowderLot:
    return PowderLot.virgin(name, "316L", mass, 34e-6, 1.4)


def works() -> list[Operation]:
    """Two melts, sieved; their products blended 3 : 1, built from, and the rest blended again."""
    operations = []
    products = []
    for number, mass in enumerate((40.0, 20.0), 1):
        powder = lot(f"A{number}", mass)
        charge = Item(f"charge-{number}", "charge", "316L", powder.mass, powder.elements)
        operations.append(Operation("atomize", "A", number, (Draw.all(charge),), (powder,)))
        fine, coarse = split(powder, 0.75, (f"fine-{number}", f"coarse-{number}"))
        operations.append(Operation("sieve", "S", 10.0 + number, (Draw.all(powder),),
                                    (fine, coarse)))
        products.append(fine)
    first, _ = draw(products[0], 15.0)
    second, _ = draw(products[1], 5.0)
    mixed = blend([first, second], "mixed")
    operations.append(Operation("blend", "B", 20.0, (Draw.all(first), Draw.all(second)), (mixed,)))
    melted, rest = draw(mixed, 8.0)
    part = Item("part", "part", "316L", melted.mass, melted.elements)
    operations.append(Operation("build", "M", 30.0, (Draw.all(mixed),),
                                (part, renamed(rest, "used", parents=("mixed",)))))
    return operations


def test_a_part_is_traced_to_its_melts_with_their_shares() -> None:
    found = Genealogy(reversed(works()))
    assert found.ancestors("part") == {
        "mixed", "fine-1", "fine-2", "A1", "A2", "charge-1", "charge-2"}
    assert found.origins("part") == pytest.approx({"charge-1": 0.75, "charge-2": 0.25})
    assert found.contributions("part")["fine-2"] == pytest.approx(0.25)
    assert found.parents("mixed") == pytest.approx({"fine-1": 15.0, "fine-2": 5.0})


def test_a_melt_is_traced_to_everything_made_of_it() -> None:
    found = Genealogy(works())
    assert found.descendants("charge-2") == {"A2", "fine-2", "coarse-2", "mixed", "part", "used"}
    assert found.children("mixed") == pytest.approx({"part": 8.0, "used": 12.0})
    assert found.descendants("part") == set()
    assert [op.name for op in found.made["part"]] == ["build"]


def test_what_comes_out_under_its_own_id_has_only_been_taken_from() -> None:
    store = lot("store", 100.0)
    taken, rest = draw(store, 5.0, "drawn")
    found = Genealogy([Operation("draw", "W", 1.0, (Draw.all(store),), (taken, rest))])
    assert found.children("store") == pytest.approx({"drawn": 5.0})
    assert found.ancestors("store") == set()
    assert found.describe("store")["mass"] == pytest.approx(95.0)


def test_a_lot_knows_its_parents_without_the_operation() -> None:
    child = renamed(lot("child"), "child", parents=("gone",))
    found = Genealogy([Operation("release", "L", 1.0, (), (child,))])
    assert found.parents("child") == {"gone": pytest.approx(10.0)}


def test_powder_that_goes_round_is_no_endless_tale() -> None:
    a, b = lot("a"), lot("b")
    found = Genealogy([
        Operation("use", "M", 1.0, (Draw.all(a),), (b,)),
        Operation("refill", "M", 2.0, (Draw.all(b),), (a,))])
    assert found.ancestors("a") == {"b"}
    assert sum(found.contributions("b").values()) > 0.0


def test_an_unknown_id_is_refused() -> None:
    found = Genealogy(works())
    assert "part" in found
    assert "nobody" not in found
    for question in (found.ancestors, found.descendants, found.contributions):
        with pytest.raises(KeyError, match="nobody"):
            question("nobody")
    assert found.describe("nobody-at-all")["kind"] == "supplied"

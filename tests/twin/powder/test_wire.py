"""Wire: no build loses an element of what it drew, whatever it is told to have made."""

from __future__ import annotations

from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.materials import alloy
from twin.powder.ageing import Use
from twin.powder.genealogy import Genealogy
from twin.powder.lot import totals
from twin.powder.operations import Item, Operation
from twin.powder.wire import spool, wire_operation

kg = st.floats(0.0, 3.0)


def account(use: Use, *drawn: float, name: str = "316L") -> Operation:
    numbers = count(1)
    spools = [(spool(f"S-{n}", alloy(name), 2.0, 1.2e-3, f"H{n}"), mass, 2.0 - mass)
              for n, mass in enumerate(drawn)]
    return wire_operation(spools, "ded-arc", "M", 5.0, use,
                          lambda kind: f"M-{kind}-{next(numbers)}")


@given(st.lists(st.floats(1e-6, 2.0), min_size=1, max_size=3), kg, kg, kg, kg,
       st.sampled_from(["316L", "ER70S-6", "Ti-6Al-4V"]))
def test_mass_and_elements_are_conserved(drawn: list[float], part: float, spatter: float,
                                         fume: float, ground: float, name: str) -> None:
    use = Use(part, sum(drawn), spatter=spatter, fume=fume, ground=ground)
    found = account(use, *drawn, name=name)
    assert found.error() < 1e-9
    assert all(mass >= 0.0 for o in found.outputs for mass in o.elements.values())
    assert sum(found.lost.values()) == pytest.approx(min(fume, sum(drawn)), abs=1e-12)
    made = sum(o.mass for o in found.outputs if isinstance(o, Item) and o.kind == "part")
    assert made == pytest.approx(min(part, sum(drawn) - min(fume, sum(drawn))), abs=1e-9)


def test_kinds_are_those_named() -> None:
    use = Use(0.8, 1.0, spatter=0.05, fume=0.01, ground=0.04, about={"name": "wall"})
    found = account(use, 0.4, 0.6)
    told = {str(o.about.get("what", o.kind)): o for o in found.outputs if isinstance(o, Item)}
    assert {name: round(o.mass, 9) for name, o in told.items()} == {
        "part": 0.8, "spatter": 0.05, "grindings": 0.04, "wire ends": 0.1}
    assert told["part"].about["name"] == "wall"
    assert told["part"].about["spools"] == ["S-0", "S-1"]
    # The rest has what the fume left.
    rest = totals([o.elements for o in found.outputs])
    assert rest["Mn"] / 0.99 < alloy("316L").composition["Mn"]
    with pytest.raises(ValueError, match="M: no wire was drawn"):
        account(use, 0.0)


def test_genealogy_tells_of_a_spool_that_nobody_made() -> None:
    found = Genealogy([account(Use(0.9, 1.0), 1.0)])
    assert found.describe("S-0") == {"kind": "spool", "alloy": "316L", "diameter": 1.2e-3,
                                     "heat": "H0", "left": 1.0, "mass": 1.0}
    assert found.origins("M-part-1") == {"S-0": 1.0}
    assert found.supplied("S-0")["heat"] == "H0"
    assert found.supplied("M-part-1") == {}


def test_plain_data_give_the_same_operation() -> None:
    made = account(Use(0.9, 1.0), 1.0)
    assert Operation.of(made.plain()) == made

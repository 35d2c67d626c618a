"""Lots: nothing is lost over any operation or chain of them, and plain data are exact."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from math import inf

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.powder.lot import Constituent, PowderLot, totals
from twin.powder.operations import (
    Draw,
    Item,
    Operation,
    blend,
    draw,
    recomposed,
    renamed,
    reshaped,
    scaled,
    split,
    water_elements,
    with_oxygen,
    with_water,
)
from twin.powder.sizes import BINS

CLOSE = 1e-9
few = settings(max_examples=40, deadline=None)
ALLOYS = ("Ti-6Al-4V", "316L", "AlSi10Mg", "IN718", "Cu", "Ti-48Al-2Cr-2Nb")
fractions = st.floats(0.0, 1.0, allow_subnormal=False).map(lambda f: f if f > 1e-9 else 0.0)
shares = st.lists(fractions, min_size=BINS, max_size=BINS).map(np.array)


@st.composite
def single(draw: st.DrawFn, name: str = "lot") -> PowderLot:
    low = draw(st.one_of(st.none(), st.floats(1e-6, 30e-6)))
    return PowderLot.virgin(
        draw(st.text("ab-0123", min_size=1, max_size=6)), draw(st.sampled_from(ALLOYS)),
        draw(st.floats(1e-3, 500.0)), draw(st.floats(10e-6, 150e-6)), draw(st.floats(1.2, 2.5)),
        low=low, oxygen=draw(st.floats(0.0, 0.01)), nitrogen=draw(st.floats(0.0, 1e-3)),
        moisture=draw(st.floats(0.0, 2e-3)), hollow=draw(fractions), satellites=draw(shares),
        irregular=draw(fractions), pore=draw(st.floats(0.0, 0.5)), cycle=draw(st.integers(0, 30)))


@st.composite
def powders(draw: st.DrawFn) -> PowderLot:
    lots = draw(st.lists(single(), min_size=1, max_size=3))
    return lots[0] if len(lots) == 1 else blend(lots, "mixed")


def held(things: Sequence[PowderLot | Item]) -> dict[str, float]:
    return totals([t.elements for t in things])


def close(before: dict[str, float], after: dict[str, float], rel: float = CLOSE) -> None:
    for element in {*before, *after}:
        wanted = pytest.approx(before.get(element, 0.0), rel=rel, abs=1e-27)
        assert after.get(element, 0.0) == wanted, element


def sound(lot: PowderLot) -> None:
    """What must hold of every lot."""
    assert sum(lot.elements.values()) == pytest.approx(lot.mass, rel=CLOSE)
    assert float(lot.masses.sum()) == pytest.approx(lot.metal, rel=CLOSE)
    assert lot.d10 <= lot.d50 <= lot.d90
    for value in (lot.oxygen, lot.hollow, lot.satellites, lot.irregular, lot.foreign):
        assert -1e-12 <= value <= 1.0 + 1e-12
    assert lot.hall > 0.0 or not lot.metal
    assert lot.apparent <= lot.tap <= lot.density or not lot.metal


@few
@given(powders(), fractions)
def test_draw_conserves_mass_and_elements(lot: PowderLot, part: float) -> None:
    taken, rest = draw(lot, part * lot.mass, "new")
    close(lot.elements, held([taken, rest]))
    assert taken.mass + rest.mass == pytest.approx(lot.mass, rel=CLOSE)
    assert taken.mass == pytest.approx(part * lot.mass, rel=CLOSE)
    assert (taken.id, taken.parents, rest.id) == ("new", (lot.id,), lot.id)
    sound(taken)
    sound(rest)


@few
@given(powders(), st.data())
def test_split_conserves_mass_and_elements(lot: PowderLot, data: st.DataObject) -> None:
    n = len(lot.constituents)
    keep = data.draw(st.one_of(
        shares, st.lists(shares, min_size=n, max_size=n).map(np.array)))
    kept, left = split(lot, keep, ("fine", "coarse"))
    close(lot.elements, held([kept, left]))
    rows = np.broadcast_to(keep, (n, BINS))
    for whole, part, row in zip(lot.constituents, kept.constituents, rows, strict=True):
        np.testing.assert_allclose(part.masses, whole.masses * row)
    assert kept.parents == left.parents == (lot.id,)
    sound(kept)
    sound(left)


@few
@given(st.lists(single(), min_size=1, max_size=4))
def test_blend_conserves_mass_elements_and_shapes(lots: list[PowderLot]) -> None:
    mixed = blend(lots, "mixed")
    close(held(lots), mixed.elements)
    assert mixed.mass == pytest.approx(sum(lot.mass for lot in lots), rel=CLOSE)
    for name in ("hollow", "satellites", "irregular"):
        before = sum(getattr(lot, name) * lot.metal for lot in lots)
        assert getattr(mixed, name) * mixed.metal == pytest.approx(before, rel=1e-9, abs=1e-12)
    gas = sum(c.volume - c.mass / c.density for lot in lots for c in lot.constituents)
    after = sum(c.volume - c.mass / c.density for c in mixed.constituents)
    assert after == pytest.approx(gas, rel=1e-9, abs=1e-15)
    assert len({c.alloy for c in mixed.constituents}) == len(mixed.constituents)
    sound(mixed)


@few
@given(powders(), st.floats(0.0, 5e-3), st.floats(0.0, 1.0))
def test_oxygen_and_water_change_only_themselves(
    lot: PowderLot, more: float, back: float
) -> None:
    kg = more * lot.metal
    richer = with_oxygen(lot, kg)
    close({**lot.elements, "O": lot.elements.get("O", 0.0) + kg}, richer.elements)
    poorer = with_oxygen(richer, -back * kg)
    assert poorer.elements.get("O", 0.0) == pytest.approx(
        lot.elements.get("O", 0.0) + (1.0 - back) * kg, rel=CLOSE, abs=1e-15)
    wet = with_water(lot, kg)
    close(totals([lot.elements, water_elements(kg)]), wet.elements)
    assert with_water(wet, -wet.water).moisture == 0.0
    sound(richer)
    sound(poorer)
    sound(wet)


@few
@given(powders(), st.data())
def test_elements_lost_and_gained_are_the_ones_named(lot: PowderLot, data: st.DataObject) -> None:
    element = data.draw(st.sampled_from(sorted(lot.main.elements)))
    lost = data.draw(fractions) * lot.main.elements[element]
    grams = data.draw(st.floats(0.0, 1e-3))
    changes = {element: -lost} if element == "N" else {element: -lost, "N": grams}
    after = recomposed(lot, changes, lot.alloy)
    want = dict(lot.elements)
    for name, kg in changes.items():
        want[name] = want.get(name, 0.0) + kg
    close({e: m for e, m in want.items() if m > 1e-9}, {
        e: m for e, m in after.elements.items() if want.get(e, 0.0) > 1e-9})
    sound(after)


Step = Callable[[list[PowderLot], st.DataObject], Operation]


def _drawn(lots: list[PowderLot], data: st.DataObject) -> Operation:
    lot = lots.pop(data.draw(st.integers(0, len(lots) - 1)))
    parts = draw(lot, data.draw(fractions) * lot.mass, "drawn")
    lots.extend(parts)
    return Operation("draw", "bench", 0.0, (Draw.all(lot),), parts)


def _sieved(lots: list[PowderLot], data: st.DataObject) -> Operation:
    lot = lots.pop(data.draw(st.integers(0, len(lots) - 1)))
    parts = split(lot, data.draw(shares), ("under", "over"))
    lots.extend(parts)
    return Operation("sieve", "bench", 0.0, (Draw.all(lot),), parts)


def _blended(lots: list[PowderLot], data: st.DataObject) -> Operation:
    count = data.draw(st.integers(1, len(lots)))
    taken = [lots.pop() for _ in range(count)]
    mixed = blend(taken, "blend")
    lots.append(mixed)
    return Operation("blend", "bench", 0.0, tuple(map(Draw.all, taken)), (mixed,))


def _oxidised(lots: list[PowderLot], data: st.DataObject) -> Operation:
    lot = lots.pop(data.draw(st.integers(0, len(lots) - 1)))
    kg = data.draw(st.floats(0.0, 1e-3)) * lot.metal
    after = with_oxygen(lot, kg) if lot.area else lot
    lots.append(after)
    return Operation("use", "bench", 0.0, (Draw.all(lot),), (after,),
                     gained={"O": kg if lot.area else 0.0})


def _dried(lots: list[PowderLot], data: st.DataObject) -> Operation:
    lot = lots.pop(data.draw(st.integers(0, len(lots) - 1)))
    kg = data.draw(fractions) * lot.water
    after = with_water(lot, -kg)
    lots.append(after)
    return Operation("dry", "bench", 0.0, (Draw.all(lot),), (after,), lost=water_elements(kg))


def _consumed(lots: list[PowderLot], data: st.DataObject) -> Operation:
    lot = lots.pop(data.draw(st.integers(0, len(lots) - 1)))
    used, rest = draw(lot, data.draw(fractions) * lot.mass)
    part = Item("part", "part", lot.alloy, used.mass, used.elements)
    lots.append(rest)
    return Operation("build", "bench", 0.0, (Draw.all(lot),), (part, rest))


STEPS: tuple[Step, ...] = (_drawn, _sieved, _blended, _oxidised, _dried, _consumed)


@few
@given(st.lists(single(), min_size=1, max_size=3), st.lists(
    st.sampled_from(STEPS), min_size=1, max_size=12), st.data())
def test_a_chain_of_operations_loses_nothing(
    lots: list[PowderLot], steps: list[Step], data: st.DataObject
) -> None:
    start = held(lots)
    gained: dict[str, float] = {}
    lost: dict[str, float] = {}
    parts: list[Item] = []
    for step in steps:
        operation = step(lots, data)
        assert operation.error() < CLOSE
        gained = totals([gained, operation.gained])
        lost = totals([lost, operation.lost])
        parts += [o for o in operation.outputs if isinstance(o, Item)]
        again = Operation.of(json.loads(json.dumps(operation.plain())))
        assert again.plain() == operation.plain()
    close(totals([start, gained]), totals([held([*lots, *parts]), lost]))
    for lot in lots:
        sound(lot)


@few
@given(powders())
def test_plain_data_give_the_same_lot_bit_for_bit(lot: PowderLot) -> None:
    again = PowderLot.of(json.loads(json.dumps(lot.plain())))
    assert again == lot
    assert again.elements == lot.elements
    assert (again.hall, again.d50, again.mass) == (lot.hall, lot.d50, lot.mass)


def test_an_operation_that_loses_something_says_so() -> None:
    lot = PowderLot.virgin("L", "Ti64", 10.0, 35e-6, 1.5)
    kept, _ = split(lot, 0.9, ("under", "over"))
    operation = Operation("sieve", "bench", 0.0, (Draw.all(lot),), (kept,))
    assert operation.error() == pytest.approx(0.1)
    assert operation.imbalance()["Ti"] == pytest.approx(-0.1 * lot.elements["Ti"])


def test_what_cannot_be_is_refused() -> None:
    lot = PowderLot.virgin("L", "Ti64", 10.0, 35e-6, 1.5, oxygen=1e-3)
    refused: list[Callable[[], object]] = [
        lambda: draw(lot, 10.1), lambda: draw(lot, -1.0), lambda: scaled(lot, 1.1),
        lambda: split(lot, np.full(BINS, 1.1), ("a", "b")), lambda: split(lot, [1.0], ("a", "b")),
        lambda: blend([], "x"), lambda: with_oxygen(lot, -0.1), lambda: with_water(lot, -0.1),
        lambda: recomposed(lot, {"Fe": -1.0}), lambda: renamed(lot, "x", water=0.0),
        lambda: reshaped(lot, "316L"), lambda: reshaped(lot, masses=np.zeros(BINS)),
        lambda: PowderLot.virgin("L", "Ti64", 0.0, 35e-6, 1.5),
        lambda: PowderLot.virgin("L", "Ti64", 1.0, 35e-6, 0.9),
        lambda: PowderLot.virgin("L", "unobtainium", 1.0, 35e-6, 1.5),
        lambda: PowderLot.virgin("L", "Ti64", 1.0, 35e-6, 1.5, hollow=1.5),
        lambda: Constituent("316L", np.ones(BINS), {"Fe": 39.0}),
        lambda: Constituent("316L", np.ones(39), {"Fe": 39.0}),
        lambda: Constituent("dust", np.ones(BINS), {"He": 40.0}).density,
        lambda: PowderLot.of({"id": "x"}), lambda: Operation.of({"inputs": 3}),
    ]
    for attempt in refused:
        with pytest.raises(ValueError, match=r"."):
            attempt()


def test_an_empty_lot_has_no_figures_but_stands() -> None:
    lot = PowderLot.virgin("L", "Ti64", 10.0, 35e-6, 1.5)
    _, rest = draw(lot, lot.mass)
    assert (rest.mass, rest.d50, rest.hall, rest.density, rest.moisture) == (0, 0, 0, 0, 0)
    assert blend([rest, lot], "x").mass == lot.mass


def test_a_tramp_that_is_no_alloy_has_the_density_of_its_elements() -> None:
    """Tungsten carbide, 15.6 g/cm3, is found 16 % too light: carbon hardly widens the metal."""
    grains = Constituent("WC", np.ones(BINS), {"W": 40 * 0.9387, "C": 40 * 0.0613})
    assert grains.density == pytest.approx(0.843 * 15630.0, rel=0.01)


def test_moisture_slows_and_stops_the_flow() -> None:
    def lot(ppm: float) -> PowderLot:
        return PowderLot.virgin("L", "Ti64", 10.0, 35e-6, 1.5, low=20e-6, high=63e-6,
                                moisture=ppm * 1e-6)

    times = [lot(ppm).hall for ppm in (0, 50, 100, 400)]
    assert times == sorted(times)
    assert times[0] < times[2] < inf
    assert times[3] == inf


def test_arrays_of_a_lot_cannot_be_changed() -> None:
    lot = PowderLot.virgin("L", "Ti64", 10.0, 35e-6, 1.5)
    for array in (lot.masses, lot.main.hollow, blend([lot, lot], "x").masses):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1.0

"""A batch of powder in a plasma: nothing is lost, conditions of each second count."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.equipment.plasma_batch import Batch, Conditions
from twin.physics.plasma_particles import Plasma
from twin.powder.lot import PowderLot
from twin.powder.operations import Operation, blend

SLM = 1e-3 / 60
IDS = {"product": "P", "soot": "S", "deposit": "D"}


def lot(alloy: str = "316L", mass: float = 2.0, d50: float = 40e-6, **more: float) -> PowderLot:
    about: dict[str, float] = {"oxygen": 3e-3, "moisture": 1e-4, "irregular": 1.0, **more}
    return PowderLot.virgin(f"RAW-{alloy}", alloy, mass, d50, 1.5, **about)


def at(power: float = 10e3, *, hydrogen: float = 2.0, oxygen: float = 1e-4, caught: float = 1.0,
       carried: float = 0.85, argon: float = 100.0) -> Conditions:
    return Conditions(Plasma(power, argon * SLM, hydrogen * SLM), caught, oxygen, carried)


def treated(powder: PowderLot, *conditions: Conditions, feed: float = 1 / 3600
            ) -> tuple[Operation, dict[str, float]]:
    """Equal parts of all the powder under each of the conditions."""
    batch = Batch([powder])
    for each in conditions or (at(),):
        batch.step(batch.mass / max(len(conditions), 1), feed, each)
    operation, _, figures = batch.close("spheroidize", "S-1", 0.0, IDS, {})
    return operation, figures


@settings(max_examples=60, deadline=None)
@given(
    alloys=st.lists(st.sampled_from(["316L", "Ti64", "W", "AlSi10Mg"]), min_size=1, max_size=3,
                    unique=True),
    d50=st.floats(8e-6, 120e-6), oxygen=st.floats(0.0, 0.02), moisture=st.floats(0.0, 1e-3),
    hollow=st.floats(0.0, 0.3), power=st.floats(0.0, 30e3), hydrogen=st.floats(0.0, 12.0),
    air=st.floats(0.0, 0.02), caught=st.floats(0.1, 1.0), carried=st.floats(0.0, 1.0),
    feed=st.floats(0.05, 15.0), part=st.floats(0.05, 1.0),
)
def test_mass_and_every_element_close(
    alloys: list[str], d50: float, oxygen: float, moisture: float, hollow: float, power: float,
    hydrogen: float, air: float, caught: float, carried: float, feed: float, part: float,
) -> None:
    mixed = blend([lot(a, 1.0 + i, d50, oxygen=oxygen, moisture=moisture, hollow=hollow)
                   for i, a in enumerate(alloys)], "MIX")
    batch = Batch([mixed])
    conditions = at(power, hydrogen=hydrogen, oxygen=air, caught=caught, carried=carried)
    for _ in range(3):
        batch.step(mixed.mass * part / 3, feed / 3600, conditions)
    operation, rest, figures = batch.close("spheroidize", "S-1", 0.0, IDS, {})
    assert operation.error() < 1e-9
    drawn = sum(d.mass for d in operation.inputs)
    assert drawn + sum(r.mass for r in rest) == pytest.approx(mixed.mass, rel=1e-12)
    product = operation.outputs[0]
    assert isinstance(product, PowderLot)
    assert product.parents == ("MIX",)
    assert 0 <= figures["spheroidized"] <= 1
    assert Operation.of(json.loads(json.dumps(operation.plain()))).plain() == operation.plain()


def test_round_powder_comes_out_and_flows() -> None:
    operation, figures = treated(lot("Ti64", d50=60e-6, low=30e-6), at(11e3, hydrogen=0.0))
    product = operation.outputs[0]
    assert isinstance(product, PowderLot)
    assert figures["irregular"] < 0.15 < figures["irregular_in"]
    assert product.irregular == pytest.approx(figures["irregular"])
    assert product.hall < lot("Ti64", d50=60e-6, low=30e-6).hall


def test_an_hour_with_less_power_is_in_the_lot() -> None:
    """A disturbance for a third of the time leaves a third of its irregular powder."""
    whole = treated(lot(), at(12e3))[1]["irregular"]
    weak = treated(lot(), at(1.5e3))[1]["irregular"]
    third = treated(lot(), at(12e3), at(1.5e3), at(12e3))[1]["irregular"]
    assert weak > 0.9
    assert whole < third < weak
    assert third == pytest.approx((2 * whole + weak) / 3, abs=0.08)


def test_beyond_the_critical_feed_it_stays_as_it_was() -> None:
    few, much = (treated(lot(), feed=kg_h / 3600)[1] for kg_h in (0.5, 12.0))
    assert few["load"] < 0.3 < 1.0 < much["load"]
    assert much["irregular"] > 0.7 > 0.3 > few["irregular"]


def test_power_evaporates_the_fine_end_into_soot() -> None:
    mild, fierce = (treated(lot(d50=25e-6), at(power))[1] for power in (5e3, 20e3))
    assert fierce["soot"] > 5 * mild["soot"]
    assert fierce["fines"] > mild["fines"]
    assert fierce["yield"] < mild["yield"]


def test_soot_that_is_not_carried_away_stays_as_fines() -> None:
    fast, slow = (treated(lot(d50=25e-6), at(15e3, carried=c))[1] for c in (0.9, 0.2))
    assert slow["fines"] > 4 * fast["fines"]
    assert slow["soot"] < fast["soot"]


def test_hydrogen_takes_oxygen_and_a_leak_brings_it() -> None:
    base = treated(lot(), at(hydrogen=0.0, oxygen=0.0))[1]["oxygen"]
    reduced = treated(lot(), at(hydrogen=8.0, oxygen=0.0))[1]["oxygen"]
    leaky = treated(lot(), at(hydrogen=0.0, oxygen=2e-3))[1]["oxygen"]
    assert reduced < 0.6 * base
    assert leaky > base + 1e-4
    titanium = [treated(lot("Ti64"), at(hydrogen=h, oxygen=0.0))[1]["oxygen"] for h in (0.0, 8.0)]
    assert titanium[1] > 0.9 * titanium[0]


def test_powder_beside_the_flame_sticks_to_the_wall() -> None:
    good, bad = (treated(lot(), at(caught=c))[1] for c in (1.0, 0.4))
    assert bad["deposit"] > 5 * good["deposit"]
    assert bad["irregular"] > good["irregular"] + 0.3


def test_what_was_not_fed_goes_back() -> None:
    batch = Batch([lot(mass=1.0), lot("316L", mass=3.0)])
    batch.step(1.0, 1 / 3600, at())
    operation, rest, _ = batch.close("spheroidize", "S-1", 0.0, IDS, {})
    assert [r.mass for r in rest] == pytest.approx([0.75, 2.25])
    assert sum(d.mass for d in operation.inputs) == pytest.approx(1.0)
    with pytest.raises(ValueError, match="nothing"):
        Batch([lot()]).close("spheroidize", "S-1", 0.0, IDS, {})


def test_a_batch_crosses_a_snapshot() -> None:
    one = Batch([lot(), lot("Ti64", 0.3)])
    one.step(0.5, 1 / 3600, at())
    other = Batch.of(json.loads(json.dumps(one.plain(), sort_keys=True)))
    for each in (one, other):
        each.step(0.7, 2 / 3600, at(9e3))
    first, second = (b.close("spheroidize", "S-1", 0.0, IDS, {})[0].plain() for b in (one, other))
    assert first == second

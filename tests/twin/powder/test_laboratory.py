"""The laboratory: readings scatter as stated, decisions keep their distance from limits."""

from __future__ import annotations

import json
from dataclasses import replace
from math import inf
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest

from twin.materials import alloys
from twin.powder.laboratory import (
    METHODS,
    Limit,
    Method,
    Specification,
    analysed,
    chemistry,
    decide,
    measure,
    processes,
    specification,
    true_value,
)
from twin.powder.lot import PowderLot
from twin.powder.operations import blend, renamed, with_oxygen

LOT = PowderLot.virgin("L", "Ti64", 10.0, 34e-6, 1.35, low=20e-6, high=63e-6, oxygen=1.1e-3,
                       moisture=40e-6, hollow=0.01, satellites=0.1, irregular=0.05)
ALL = (*METHODS, "chemistry")


def noise(number: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(number))


@pytest.mark.parametrize("name", ALL)
def test_readings_scatter_about_the_truth_by_their_sigma(name: str) -> None:
    method = chemistry(LOT.alloy) if name == "chemistry" else METHODS[name]
    stream = noise(1)
    for prop in method.properties:
        one = Method("one", (prop,), 1.0, method.absolute, method.relative, method.grains)
        truth = true_value(LOT, prop)
        readings = np.array([measure(LOT, [one], stream).values[prop] for _ in range(400)])
        sigma = method.sigma(truth)
        if truth > 4 * sigma:
            assert readings.std() == pytest.approx(sigma, rel=0.15)
            assert readings.mean() == pytest.approx(truth, abs=4 * sigma / 20)
        else:
            assert readings.max() <= truth + 5 * sigma


def test_the_same_noise_gives_the_same_readings_and_time_adds_up() -> None:
    first, again = (measure(LOT, ALL, noise(2)) for _ in range(2))
    assert first == again
    assert first.time == sum(m.time for m in METHODS.values()) + chemistry("Ti64").time
    assert measure(LOT, ["psd"], noise(3)).time == 300.0


@pytest.mark.parametrize(("ppm", "status"), [
    (1900, "released"), (1985, "hold"), (2015, "hold"), (2500, "hold"), (3200, "scrap")])
def test_oxygen_decides_with_two_sigma_of_guard(ppm: float, status: str) -> None:
    rule = Specification("oxygen", "Ti-6Al-4V", {"oxygen": Limit(high=2e-3, scrap=3e-3,
                                                                 remedy="blend")})
    lot = renamed(LOT, "L", measured={"oxygen": ppm * 1e-6}, sigma={"oxygen": 20e-6})
    decision = decide(lot, rule)
    assert decision.status == status
    assert decision.remedies == (("blend",) if status == "hold" else ())
    assert bool(decision.reasons) == (status != "released")


def test_two_sigma_let_few_bad_lots_through() -> None:
    """At a true value on the limit, a reading passes in 2.3 % of the cases."""
    rule = Specification("oxygen", "Ti-6Al-4V", {"oxygen": Limit(high=LOT.oxygen)})
    stream = noise(4)
    passed = sum(
        decide(analysed(LOT, measure(LOT, ["oxygen"], stream)), rule).status == "released"
        for _ in range(1000))
    assert 5 <= passed <= 45


def released(truth: float, limit: float, repeats: int = 1, draws: int = 4000,
             tries: int = 1) -> float:
    """Share of decisions that release powder of a true oxygen, measured so often each."""
    lot = with_oxygen(LOT, LOT.metal * (truth - LOT.oxygen) / (1.0 - truth))
    rule = Specification("oxygen", "Ti-6Al-4V", {"oxygen": Limit(high=limit)})
    stream = noise(int(1e6 * truth) + repeats)
    passed = 0
    for _ in range(draws):
        for _ in range(tries):
            mean = sum(measure(lot, ["oxygen"], stream).values["oxygen"]
                       for _ in range(repeats)) / repeats
            known = renamed(lot, lot.id, measured={"oxygen": mean},
                            sigma={"oxygen": 20e-6 / repeats**0.5})
            if decide(known, rule).status == "released":
                passed += 1
                break
    return passed / draws


@pytest.mark.parametrize(("off", "repeats"), [
    (20e-6, 1), (0.0, 1), (-20e-6, 1), (-40e-6, 1), (-80e-6, 1), (0.0, 4), (-40e-6, 4)])
def test_wrong_decisions_are_as_frequent_as_the_guard_says(off: float, repeats: int) -> None:
    """Verification: a normal reading is 2 sigma inside with Phi((limit - truth) / sigma - 2).

    A lot on the limit is released wrongly once in 44 times, one 40 ppm inside is held wrongly every
    second time; four determinations release the latter in all but 2.3 % of the cases. Counted
    within four standard deviations of 4000 draws.
    """
    limit, sigma = 2e-3, 20e-6 / repeats**0.5
    chance = NormalDist().cdf(-off / sigma - 2.0)
    spread = (chance * (1 - chance) / 4000) ** 0.5
    assert released(limit + off, limit, repeats) == pytest.approx(chance, abs=4 * spread + 1e-3)


def test_measuring_until_it_fits_releases_what_is_bad() -> None:
    """Three tries for a lot on the limit: 1 - (1 - 0.023)^3, near 7 %; a mean of three: 2.3 %."""
    assert released(2e-3, 2e-3, tries=3) == pytest.approx(0.0667, abs=0.016)
    assert released(2e-3, 2e-3, repeats=3) == pytest.approx(0.0228, abs=0.01)


def test_what_is_not_measured_holds_the_lot() -> None:
    rule = specification("pbf-lb", "Ti64")
    lot = analysed(LOT, measure(LOT, ["psd", "oxygen"], noise(5)))
    decision = decide(lot, rule)
    assert decision.status == "hold"
    assert {"moisture", "foreign", "hollow"} <= set(decision.missing)
    full = analysed(lot, measure(lot, rule.methods, noise(6)))
    assert decide(full, rule).status == "released", decide(full, rule)


def test_a_moist_lot_is_to_be_dried_and_a_mixed_one_separated() -> None:
    rule = specification("pbf-lb", "Ti64")
    steel = PowderLot.virgin("S", "316L", 0.3, 34e-6, 1.35)
    bad = replace(blend([LOT, steel], "B"), water=LOT.metal * 600e-6)
    decision = decide(analysed(bad, measure(bad, rule.methods, noise(7))), rule)
    assert decision.status == "hold"
    assert {"dry", "separate"} <= set(decision.remedies)
    heavy = blend([LOT, PowderLot.virgin("S", "316L", 40.0, 34e-6, 1.35)], "B")
    assert decide(heavy, rule).status == "scrap"


def test_powder_that_does_not_flow_has_no_finite_hall_time() -> None:
    sticky = PowderLot.virgin("L", "AlSi10Mg", 1.0, 20e-6, 1.5)
    lot = analysed(sticky, measure(sticky, ["hall"], noise(8)))
    assert lot.measured["hall"] == inf
    text = json.dumps(lot.plain(), allow_nan=False)
    assert PowderLot.of(json.loads(text)) == lot
    decision = decide(lot, Specification("flow", "AlSi10Mg", {"hall": Limit(high=40.0)}))
    assert decision.status == "hold"


@pytest.mark.parametrize("process", processes())
@pytest.mark.parametrize("alloy", alloys())
def test_every_specification_can_be_measured(process: str, alloy: str) -> None:
    rule = specification(process, alloy)
    able = {p for name in rule.methods for p in (
        chemistry(alloy) if name == "chemistry" else METHODS[name]).properties}
    assert set(rule.limits) <= able


def test_what_cannot_be_is_refused(tmp_path: Path) -> None:
    empty = PowderLot.virgin("L", "Ti64", 1.0, 30e-6, 1.5)
    with pytest.raises(ValueError, match="empty"):
        measure(replace(empty, constituents=(replace(
            empty.main, masses=np.zeros(40), elements={"Ti": 0.0}),), water=0.0), ["psd"], noise(9))
    with pytest.raises(ValueError, match="known: psd"):
        measure(LOT, ["taste"], noise(9))
    with pytest.raises(ValueError, match="unknown"):
        true_value(LOT, "colour")
    with pytest.raises(ValueError, match="known: pbf-lb"):
        specification("welding", "Ti64")
    for text in ("[any.any]\noxygen = 3\n", "[any.any]\noxygen = { high = 'x' }\n",
                 "[any.any]\noxygen = { low = 2, high = 1 }\n", "nonsense"):
        file = tmp_path / f"{abs(hash(text))}.toml"
        file.write_text(text)
        with pytest.raises(ValueError, match=file.name):
            specification("pbf-lb", "Ti64", file)

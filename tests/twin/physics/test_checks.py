"""Published figures: each agrees, or misses by the size that is told of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from twin.physics.checks import CHECKS, Check

NEW = ("pbf-eb", "ded-powder", "ded-wire-laser", "ded-arc", "binder-jet", "sinter-furnace",
       "spheroidizer", "prep", "gas-atomizer", "powder", "recycling-line")


def named(check: Check) -> str:
    miss = "" if check.miss is None else "-miss"
    return f"{check.kind}{miss}-{check.machine}-{check.quantity}"


@pytest.mark.parametrize("check", CHECKS, ids=named)
def test_figure_is_where_it_is_told_to_be(check: Check) -> None:
    found = check.find()
    assert check.as_known(found), f"{found.value:g} {check.unit}, {found.deviation:+.3g}"


@pytest.mark.parametrize("check", CHECKS, ids=named)
def test_a_model_that_were_further_off_would_be_seen(check: Check) -> None:
    scale = 1.0 if check.absolute else abs(check.published)
    if check.miss is None:
        away = 1.1 * check.allowed + 1e-3
        value = check.published + (-away if check.bound == "at least" else away) * scale
    else:
        value = check.find().value + 2.1 * check.spread * scale
    other = replace(check, compute=lambda: value)
    assert not other.as_known(other.find())


def test_each_machine_has_two_validations_and_no_figure_twice() -> None:
    counts = Counter(check.machine for check in CHECKS if check.kind == "validation")
    assert all(counts[machine] >= 2 for machine in NEW)
    assert {check.machine for check in CHECKS} == set(NEW)
    assert max(Counter((c.machine, c.quantity) for c in CHECKS).values()) == 1


def test_a_miss_has_to_be_one_and_to_be_explained() -> None:
    missed = next(check for check in CHECKS if check.miss is not None)
    with pytest.raises(ValueError, match="no miss"):
        replace(missed, miss=missed.allowed / 2)
    with pytest.raises(ValueError, match="explained"):
        replace(missed, why="")


def test_bounds_are_of_one_side() -> None:
    base = replace(CHECKS[0], published=10.0, allowed=0.0, bound="at least", miss=None)
    assert replace(base, compute=lambda: 12.0).find().hit
    assert not replace(base, compute=lambda: 9.9).find().hit
    assert replace(base, bound="at most", compute=lambda: 9.9).find().hit
    assert not replace(base, bound="at most", compute=lambda: 12.0).find().hit

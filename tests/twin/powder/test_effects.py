"""Effects of a lot: the usual powder does nothing, every property acts in its known direction."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from twin.materials import alloys
from twin.powder.effects import (
    NEUTRAL,
    PROCESSES,
    Effects,
    effects,
    film_ratio,
    hydrogen_gas,
    usual_lot,
)
from twin.powder.lot import PowderLot
from twin.powder.operations import draw, renamed, scaled, with_oxygen, with_water


@pytest.mark.parametrize("process", PROCESSES)
@pytest.mark.parametrize("alloy", alloys())
def test_the_usual_powder_does_nothing(process: str, alloy: str) -> None:
    usual = usual_lot(process, alloy)
    assert effects(usual, process) == NEUTRAL
    assert effects(renamed(scaled(usual, 0.37), "other"), process) == NEUTRAL
    assert effects(usual_lot(process, alloy, 20e-6), process, 20e-6) == NEUTRAL


def changed(process: str = "pbf-lb", alloy: str = "316L", **more: Any) -> Effects:
    sizes = PROCESSES[process]
    usual = usual_lot(process, alloy)
    given: dict[str, Any] = {
        "d50": sizes.d50, "s": sizes.s, "low": sizes.low, "high": sizes.high,
        "oxygen": usual.oxygen, "moisture": usual.moisture, "hollow": usual.hollow,
        "satellites": usual.satellites, "irregular": usual.irregular, **more}
    return effects(PowderLot.virgin("L", alloy, 10.0, **given), process)


@pytest.mark.parametrize(("process", "alloy", "change", "acts"), [
    ("pbf-lb", "316L", {"hollow": 0.1, "pore": 0.1}, {"gas": 1, "density": -1}),
    ("pbf-lb", "316L", {"satellites": 0.5}, {"uneven": 1, "packing": -1, "density": -1}),
    ("pbf-lb", "316L", {"irregular": 0.6}, {"uneven": 1, "packing": -1}),
    ("pbf-lb", "AlSi10Mg", {"moisture": 5e-4}, {"gas": 1, "uneven": 1, "spatter": 1}),
    ("pbf-lb", "Ti64", {"oxygen": 4e-3}, {"film": 1, "absorptivity": 1, "spatter": 1}),
    ("pbf-eb", "Ti64", {"oxygen": 4e-3}, {"film": 1}),
    ("pbf-eb", "Ti64", {"d50": 30e-6, "low": 5e-6}, {"grip": -1, "grain": -1}),
    ("ded-powder", "316L", {"d50": 25e-6, "low": 2e-6, "moisture": 5e-4},
     {"feed": -1, "pulsation": 1}),
    ("binder-jet", "316L", {"d50": 24e-6}, {"grain": 1, "packing": 1}),
])
def test_a_property_acts_in_its_direction(
    process: str, alloy: str, change: dict[str, Any], acts: dict[str, int]
) -> None:
    found = changed(process, alloy, **change)
    for name, sign in acts.items():
        assert (getattr(found, name) - getattr(NEUTRAL, name)) * sign > 1e-4, name


def test_effects_stay_within_reason_for_the_worst_powder() -> None:
    worst = PowderLot.virgin("L", "AlSi10Mg", 1.0, 8e-6, 2.5, oxygen=0.1, moisture=0.01,
                             hollow=1.0, satellites=1.0, irregular=1.0, pore=0.4)
    for process in PROCESSES:
        found = effects(worst, process)
        for field in fields(found):
            assert -1.0 <= getattr(found, field.name) <= 50.0, field.name
        assert 0.3 < found.packing < 1.0
    rest = draw(worst, worst.mass)[1]
    with pytest.raises(ValueError, match="empty"):
        effects(rest, "pbf-lb")
    with pytest.raises(ValueError, match="known: pbf-lb"):
        usual_lot("welding", "316L")


def test_the_film_of_titania_by_its_oxygen() -> None:
    """*Verification*: 4 nm of TiO2 hold 262 ppm of oxygen at 35 um; so much more doubles it.

    Of the oxygen 12 % is taken to be in the film: 262 / 0.12 ppm more in the metal.
    """
    lot = PowderLot.virgin("L", "Ti64", 1.0, 35e-6, 1.02, oxygen=1e-3)
    more = with_oxygen(lot, 262e-6 / 0.12 * lot.metal)
    assert film_ratio(more, lot) == pytest.approx(2.0, abs=0.05)


def test_hydrogen_of_water_as_gas_at_the_solidus() -> None:
    """*Verification*: n R T / p by hand for 500 ppm of water in aluminium, 0.3 % kept."""
    lot = PowderLot.virgin("L", "AlSi10Mg", 1.0, 35e-6, 1.4, moisture=5e-4)
    moles = 500e-6 * 0.1119 / 2.016e-3 * 3e-3
    volume = moles * 8.314 * 843.0 / 101325.0 * 2565.0
    assert hydrogen_gas(lot) == pytest.approx(volume, rel=1e-3)
    assert hydrogen_gas(with_water(lot, -lot.water)) == 0.0

"""Used powder: what a build does to a lot, checked against published series, account exact."""

from __future__ import annotations

from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.powder.ageing import AGEING, Use, aged, ageing_of, build_operation
from twin.powder.lot import PowderLot
from twin.powder.operations import Item, blend, draw, renamed

FEW = settings(max_examples=40, deadline=None)
PROCESSES = sorted({process for process, _ in AGEING})


def ids() -> object:
    numbers = count(1)
    return lambda kind: f"{kind}-{next(numbers)}"


def lot(
    alloy: str = "Ti64", mass: float = 50.0, oxygen: float = 1.1e-3, **more: float
) -> PowderLot:
    return PowderLot.virgin("L", alloy, mass, 70e-6, 1.3, low=45e-6, high=106e-6, oxygen=oxygen,
                            satellites=0.1, irregular=0.03, **more)


def used(start: PowderLot, process: str, uses: int) -> PowderLot:
    """A lot after so many builds of the usual length."""
    figures = ageing_of(process, start.alloy)
    for _ in range(uses):
        start, _, _ = aged(start, figures, figures.hours)
    return start


@FEW
@given(st.sampled_from(PROCESSES), st.sampled_from(["Ti64", "316L", "AlSi10Mg", "TiAl"]),
       st.floats(0.0, 70.0), st.floats(0.0, 70.0), st.floats(0.0, 40.0), st.floats(0.0, 2.0),
       st.floats(0.0, 0.5), st.floats(0.0, 200.0), st.booleans())
def test_every_build_keeps_mass_and_elements(
    process: str, alloy: str, melted: float, spread: float, overflow: float, spatter: float,
    fume: float, hours: float, two: bool,
) -> None:
    lots = (lot(alloy), renamed(lot(alloy, 10.0), "M"))[: 1 + two]
    use = Use(melted, spread, overflow, spatter, fume, hours)
    operation = build_operation(lots, process, "M", 5.0, use, ids())  # type: ignore[arg-type]
    assert operation.error() < 1e-9
    for out in operation.outputs:
        assert sum(out.elements.values()) == pytest.approx(out.mass, rel=1e-9)
        if isinstance(out, PowderLot):
            assert out.parents == tuple(given.id for given in lots)


# Published points that set the figure are verifications; the others are validations.
@pytest.mark.parametrize(("process", "alloy", "virgin", "uses", "expected", "within"), [
    pytest.param("pbf-eb", "Ti64", 0.8e-3, 21, 1.9e-3, 0.005, id="verification-Ti64-EB-21"),
    pytest.param("pbf-lb", "Ti64", 1.1e-3, 10, 1.2e-3, 0.005, id="verification-Ti64-LB-10"),
    pytest.param("pbf-eb", "TiAl", 5.6e-4, 30, 1.2e-3, 0.01, id="verification-TiAl-EB-30"),
    pytest.param("pbf-eb", "TiAl", 5.6e-4, 1, 5.8e-4, 0.01, id="validation-TiAl-EB-1"),
    pytest.param("pbf-eb", "TiAl", 5.6e-4, 5, 6.6e-4, 0.02, id="validation-TiAl-EB-5"),
    pytest.param("pbf-eb", "TiAl", 5.6e-4, 15, 8.9e-4, 0.02, id="validation-TiAl-EB-15"),
])
def test_oxygen_over_uses(
    process: str, alloy: str, virgin: float, uses: int, expected: float, within: float
) -> None:
    """TiAl: paper on recycled Ti-48Al-2Cr-2Nb; Ti64 EB: doi 10.1007/s11837-018-3305-2; LB:
    10.1080/00325899.2022.2133357.

    Oxygen of the metal, as inert gas fusion of dry powder finds it.
    """
    after = used(lot(alloy, oxygen=virgin), process, uses)
    assert after.oxygen == pytest.approx(expected, rel=within)


def test_validation_tial_after_the_blend_gains_faster_than_the_model() -> None:
    """The same paper: 860 ppm after a blend at 30, 1300 at 45 and 2000 at 70 uses.

    The model's constant gain gives 1180 and 1731: 9 and 13 % low, a known miss.
    """
    blended = lot("TiAl", oxygen=8.6e-4)
    assert used(blended, "pbf-eb", 15).oxygen == pytest.approx(1.3e-3 * 0.907, rel=0.01)
    assert used(blended, "pbf-eb", 40).oxygen == pytest.approx(2.0e-3 * 0.866, rel=0.01)


def test_validation_irregular_grains_pass_30_percent_at_45_uses_of_tial() -> None:
    assert used(lot("TiAl"), "pbf-eb", 30).irregular < 0.30
    assert 0.30 < used(lot("TiAl"), "pbf-eb", 46).irregular < 0.40


def test_aluminium_leaves_tial_as_measured() -> None:
    """*Verification*: 1.6 to 2 at.% less after 30 uses (the same paper)."""
    def share(powder: PowderLot) -> float:
        atoms = {"Ti": 47.867, "Al": 26.982, "Cr": 51.996, "Nb": 92.906}
        moles = {e: powder.fraction(e) / m for e, m in atoms.items()}
        return 100 * moles["Al"] / sum(moles.values())

    start = lot("TiAl")
    assert 1.6 <= share(start) - share(used(start, "pbf-eb", 30)) <= 2.0


def test_a_vacuum_bed_is_dry_and_room_air_wets_it_again() -> None:
    moist = lot(moisture=5e-4)
    after, gained, lost = aged(moist, ageing_of("pbf-eb", moist.alloy), 24.0)
    assert after.monolayers < 4.0
    assert lost["H"] == pytest.approx(moist.water * 0.1119, rel=0.01)
    assert gained["H"] > 0.0
    damp, _, _ = aged(moist, ageing_of("pbf-lb", moist.alloy), 24.0)
    assert damp.moisture > after.moisture


def test_time_counts_up_to_three_times_the_usual() -> None:
    figures, start = ageing_of("pbf-eb", "Ti-6Al-4V"), lot()
    gains = [aged(start, figures, figures.hours * part)[0].oxygen - start.oxygen
             for part in (0.0, 0.5, 1.0, 3.0, 9.0)]
    assert gains[0] == 0.0
    assert gains[1] == pytest.approx(26e-6, rel=0.01)
    assert gains[3] == pytest.approx(156e-6, rel=0.01)
    assert gains[4] == gains[3]


def test_spatter_makes_used_powder_coarser_and_odder() -> None:
    start = PowderLot.virgin("L", "316L", 50.0, 34e-6, 1.35, low=15e-6, high=63e-6, oxygen=4e-4)

    def back(spatter: float) -> PowderLot:
        use = Use(5.0, 20.0, 20.0, spatter, 0.01, 20.0)
        operation = build_operation((start,), "pbf-lb", "M", 0.0, use, ids())  # type: ignore[arg-type]
        return next(o for o in operation.outputs if isinstance(o, PowderLot) and o.cycle == 1)

    clean, dirty = back(0.0), back(3.0)
    assert dirty.d90 > clean.d90 + 1e-6
    assert dirty.irregular > clean.irregular + 0.01
    assert dirty.oxygen > clean.oxygen


def test_a_build_gives_back_what_never_left_the_supply_as_it_was() -> None:
    start = renamed(lot(), "L", measured={"oxygen": 1e-3}, status="released")
    use = Use(2.0, 10.0, 8.0, 0.0, 0.0, 10.0, about={"name": "job"})
    operation = build_operation((start,), "pbf-eb", "M", 0.0, use, ids())  # type: ignore[arg-type]
    part, back, rest = operation.outputs[:3]
    assert isinstance(part, Item)
    assert isinstance(back, PowderLot)
    assert isinstance(rest, PowderLot)
    assert part.mass == pytest.approx(2.0)
    assert back.metal == pytest.approx(16.0, rel=0.01)
    assert (rest.status, rest.cycle, rest.measured) == ("released", 0, {"oxygen": 1e-3})
    assert rest.metal == pytest.approx(start.metal - 18.0)
    assert rest.oxygen == pytest.approx(start.oxygen)
    with_two = build_operation((start, renamed(lot(), "N")), "pbf-eb", "M", 0.0, use,
                               ids())  # type: ignore[arg-type]
    assert [d.id for d in with_two.inputs] == ["L", "N"]


def test_virgin_powder_keeps_ti64_at_its_limit() -> None:
    """*Verification*: 52 ppm per use and 4.2 % virgin powder hold 0.20 % for ever."""
    powder, virgin = lot(oxygen=2e-3), lot(oxygen=0.8e-3)
    for _ in range(5):
        powder = used(powder, "pbf-eb", 1)
        gain = powder.oxygen - 2e-3
        share = gain / (2e-3 - 0.8e-3 + gain)
        assert share == pytest.approx(0.042, abs=0.001)
        kept, _ = draw(powder, powder.mass * (1 - share))
        fresh, _ = draw(virgin, powder.mass * share)
        powder = blend([kept, fresh], "L")
        assert powder.oxygen == pytest.approx(2e-3, rel=1e-3)

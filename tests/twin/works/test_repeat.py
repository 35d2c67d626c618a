"""Operations of a summary on other powder: nothing is lost, sizes and oxygen follow the lot."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.machine import Plant
from twin.powder.lot import PowderLot, Status
from twin.powder.operations import (
    Draw,
    Item,
    Operation,
    blend,
    draw,
    renamed,
    split,
    with_oxygen,
    with_water,
)
from twin.powder.sizes import CENTRES
from twin.works.repeat import repeat_operations

MESH = 63e-6


class Bare(Plant):
    """A plant without anything in it."""

    def __init__(self) -> None:
        super().__init__(1)
        self.name = "RL-01"
        self.assemble()


def used(name: str, mass: float = 10.0, d50: float = 40e-6, oxygen: float = 1.2e-3,
         **more: float) -> PowderLot:
    return PowderLot.virgin(name, "Ti-6Al-4V", mass, d50, 1.4, oxygen=oxygen, cycle=3, **more)


def fresh(name: str, mass: float = 5.0) -> PowderLot:
    return PowderLot.virgin(name, "Ti-6Al-4V", mass, 35e-6, 1.35, oxygen=8e-4)


def sieved(lot: PowderLot) -> Operation:
    keep = (CENTRES < MESH).astype(float) * 0.98
    fine, coarse = split(lot, keep, ("L-0001", "L-coarse-0002"))
    waste = Item("L-oversize-0003", "scrap", lot.alloy, coarse.mass, coarse.elements)
    return Operation("sieve", "L", 10.0, (Draw.all(lot),), (fine, waste))


def dried(lot: PowderLot, at: float = 20.0) -> Operation:
    dry = renamed(with_oxygen(with_water(lot, -0.5 * lot.water), 2e-5 * lot.metal), "L-0004")
    operation = Operation("dry", "L", at, (Draw.all(lot),), (dry,))
    gained = {e: max(m, 0.0) for e, m in operation.imbalance().items()}
    lost = {e: max(-m, 0.0) for e, m in operation.imbalance().items()}
    return replace(operation, gained=gained, lost=lost)


def topped(lot: PowderLot, virgin: PowderLot, mass: float) -> Operation:
    part, _ = draw(virgin, mass)
    return Operation("blend", "L", 30.0, (Draw.all(lot), Draw.all(part)),
                     (renamed(blend([lot, part], "L-0005"), "L-0005"),))


def repeated(operations: list[Operation], supplied: list[PowderLot], lots: list[PowderLot],
             rules: object = None) -> list[Operation]:
    plant = Bare()
    repeat_operations(plant, [o.plain() for o in operations], [s.plain() for s in supplied], lots,
                      1e9, rules)  # type: ignore[arg-type]
    return plant.take_operations()


def template() -> tuple[list[Operation], list[PowderLot]]:
    lot, virgin = used("U"), fresh("V")
    first = sieved(lot)
    fine = first.outputs[0]
    assert isinstance(fine, PowderLot)
    second = dried(fine)
    dry = second.outputs[0]
    assert isinstance(dry, PowderLot)
    return [first, second, topped(dry, virgin, 2.0)], [lot, virgin]


@settings(max_examples=30, deadline=None)
@given(st.floats(0.5, 60.0), st.floats(15e-6, 120e-6), st.floats(4e-4, 5e-3),
       st.floats(0.0, 5e-4), st.integers(1, 3), st.floats(0.0, 1.0))
def test_every_element_is_there_afterwards(
    mass: float, d50: float, oxygen: float, moisture: float, count: int, hollow: float
) -> None:
    """Verification: whatever powder comes, each operation closes and no powder is made."""
    operations, supplied = template()
    lots = [used(f"A{n}", mass, d50, oxygen, moisture=moisture, hollow=hollow)
            for n in range(count)] + [fresh("B", 30.0)]
    done = repeated(operations, supplied, lots)
    assert [o.name for o in done] == ["sieve", "dry", "blend"]
    for operation in done:
        assert operation.error() < 1e-9
        assert all(m > 0 for m in (o.mass for o in operation.outputs))
        # Metal comes from nowhere; only the dryer's gas and water have to do with the outside.
        metal = [m for e, m in operation.gained.items() if e not in ("O", "H")]
        assert all(m < 1e-12 * mass for m in metal)
    taken = sum(d.mass for d in done[0].inputs)
    assert taken == pytest.approx(mass * count)
    assert {d.id for d in done[0].inputs} == {f"A{n}" for n in range(count)}


def test_the_same_powder_gives_the_same() -> None:
    """Verification: the summary's own lots come out as they came out."""
    operations, supplied = template()
    done = repeated(operations, supplied, supplied)
    for then, now in zip(operations, done, strict=True):
        for made, own in zip(then.outputs, now.outputs, strict=True):
            assert own.mass == pytest.approx(made.mass, rel=1e-9)
            if isinstance(made, PowderLot):
                assert isinstance(own, PowderLot)
                assert own.masses == pytest.approx(made.masses, rel=1e-6, abs=1e-9)
                assert own.oxygen == pytest.approx(made.oxygen, rel=1e-6)
                assert own.water == pytest.approx(made.water, rel=1e-6)


def test_coarser_powder_leaves_more_on_the_sieve() -> None:
    operations, supplied = template()
    shares = []
    for d50 in (30e-6, 40e-6, 55e-6):
        sieve = repeated(operations, supplied, [used("A", 20.0, d50), fresh("B")])[0]
        shares.append(sieve.outputs[1].mass / 20.0)
    assert shares[0] < shares[1] < shares[2]
    # By size: exactly what of it is coarser than the mesh, and two hundredths of the rest.
    lot = used("A", 20.0, 55e-6)
    coarse = float(lot.masses[CENTRES >= MESH].sum())
    assert shares[2] * 20.0 == pytest.approx(coarse + 0.02 * (lot.metal - coarse), rel=1e-3)


def test_oxygen_and_parents_follow_the_lot() -> None:
    operations, supplied = template()
    done = repeated(operations, supplied, [used("A", 8.0, oxygen=2e-3), fresh("B")])
    dry = done[1].outputs[0]
    assert isinstance(dry, PowderLot)
    assert dry.oxygen == pytest.approx(2e-3 + 2e-5, rel=1e-3)
    last = done[2].outputs[0]
    assert isinstance(last, PowderLot)
    assert last.oxygen < dry.oxygen  # virgin powder was blended in
    virgin = next(d for d in done[2].inputs if d.id == "B")
    assert virgin.mass == pytest.approx(2.0 * 8.0 / 10.0)
    assert last.machine == "RL-01"
    assert last.id.startswith("RL-01-")


class Strict:
    """Half virgin powder, and nothing with much oxygen is good enough."""

    proportional = ()

    def virgin_share(self, lot: PowderLot) -> float:
        return 0.5

    def oversize(self, lot: PowderLot) -> float:
        return 0.0

    def judge(self, lot: PowderLot) -> Status:
        return "hold" if lot.measured["oxygen"] > 1e-3 else "released"


@pytest.mark.parametrize(("oxygen", "name"), [(6e-4, "release"), (3e-3, "hold")])
def test_the_machines_own_rules_decide(oxygen: float, name: str) -> None:
    lot, virgin = used("U"), fresh("V")
    mixed = topped(lot, virgin, 2.0)
    out = mixed.outputs[0]
    assert isinstance(out, PowderLot)
    read = renamed(out, "L-0006", measured={"oxygen": out.oxygen}, sigma={"oxygen": 1e-5},
                   status="released")
    verdict = Operation("release", "L", 40.0, (Draw.all(out),), (read,))
    done = repeated([mixed, verdict], [lot, virgin],
                    [used("A", 4.0, oxygen=oxygen), replace(fresh("B"), cycle=0)], Strict())
    assert done[1].name == name
    assert sum(d.mass for d in done[0].inputs if d.id == "B") == pytest.approx(4.0)
    found = done[1].outputs[0]
    assert isinstance(found, PowderLot)
    assert found.measured["oxygen"] == pytest.approx(found.oxygen, abs=5e-5)


def test_a_machine_that_buys_its_own_charge() -> None:
    """An atomizer's charge is bought anew for every job; its powder is that of the summary."""
    powder = renamed(fresh("X", 9.0), "VIGA-0002", parents=("VIGA-charge-0001",))
    elements = {e: m for e, m in powder.elements.items()}
    operation = Operation("atomize", "VIGA", 5.0,
                          (Draw("VIGA-charge-0001", sum(elements.values()), elements),), (powder,))
    (first,) = repeated([operation], [], [])
    out = first.outputs[0]
    assert isinstance(out, PowderLot)
    assert first.error() < 1e-9
    assert out.mass == pytest.approx(9.0)
    assert np.array_equal(out.masses, powder.masses)
    assert out.parents == (first.inputs[0].id,) != ("VIGA-charge-0001",)


def test_what_was_not_yet_done_is_not_done() -> None:
    operations, supplied = template()
    plant = Bare()
    repeat_operations(plant, [o.plain() for o in operations], [s.plain() for s in supplied],
                      [used("A"), fresh("B")], until=15.0)
    assert [o.name for o in plant.take_operations()] == ["sieve"]


def test_what_was_brought_is_worked_up_and_not_bought_again() -> None:
    """A furnace sinters the green part that it was given, and says so."""
    metal = {"Fe": 0.9, "Cr": 0.1}
    then = Item("L-green-0001", "green part", "316L", 1.0, metal)
    sintered = Item("L-part-0002", "part", "316L", 1.0, metal, {"green": then.id})
    told = Operation("sinter", "L", 10.0, (Draw.all(then),), (sintered,))
    green = Item("BJT-01-green-0007", "green part", "316L", 2.0, {"Fe": 1.8, "Cr": 0.2})
    plant = Bare()
    repeat_operations(plant, [told.plain()], [], [green], 1e9)
    (done,) = plant.take_operations()
    assert [d.id for d in done.inputs] == [green.id]
    (part,) = done.outputs
    assert isinstance(part, Item)
    assert part.about["green"] == green.id
    assert part.mass == pytest.approx(2.0)
    assert done.error() < 1e-12
    # Without any it buys its own, as a machine does that is run alone.
    repeat_operations(plant, [told.plain()], [], [], 1e9)
    (done,) = plant.take_operations()
    assert done.inputs[0].id.startswith("RL-01-green")

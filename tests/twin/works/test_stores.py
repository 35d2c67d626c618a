"""Stores and accounts: nothing gets lost, nothing is in two places, what is spent is borne."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.powder.lot import PowderLot
from twin.powder.operations import Draw, Item, Operation, draw, renamed
from twin.works.account import Footprint, Rates
from twin.works.plant import Place, Works, numbered


def lot(name: str, mass: float, alloy: str = "Ti-6Al-4V", **about: Any) -> PowderLot:
    return PowderLot.virgin(name, alloy, mass, 35e-6, 1.4, **{"status": "released", **about})


def works() -> Works:
    return Works(1, [Place("A"), Place("B")], ["powder", "other", "parts", "scrap"],
                 rates=Rates(carbon_metal=10.0, price_metal=0.0))


def spent_total(plant: Works) -> Footprint:
    ledger = plant.ledger
    return Footprint.total([ledger.bought, *(line.spent for line in ledger.lines.values())])


def borne_total(plant: Works) -> Footprint:
    things = [*(t for s in plant.stores.values() for t in s),
              *(t for at in plant.at.values() for t in at.values())]
    return Footprint.total([plant.ledger.unborne, *map(plant.ledger.of, things)])


def test_the_oldest_released_lots_are_drawn_first() -> None:
    plant = works()
    store = plant.stores["powder"]
    for name, made, status in (("new", 0.0, "new"), ("old", 1.0, "released"),
                               ("young", 2.0, "released")):
        plant.receive(renamed(lot(name, 10.0), name, made_at=made, status=status), "powder")
    assert (store.mass, store.released, store.waiting, store.count) == (
        pytest.approx(30), pytest.approx(20), pytest.approx(10), 3)
    found = plant.fetch("powder", 15.0, "A")
    assert found[0].id == "old"
    assert found[1].parents == ("young",)
    assert found[1].mass == pytest.approx(5.0)
    with pytest.raises(ValueError, match="6 kg asked for, 5 kg are released"):
        plant.fetch("powder", 6.0, "A")
    assert store.released == pytest.approx(5.0)
    assert plant.close() < 1e-12


def test_fault_mixed_up_takes_powder_from_another_store() -> None:
    plant = works()
    plant.receive(lot("ti", 10.0), "powder")
    plant.receive(lot("steel", 30.0, "316L"), "other")
    plant.drive("Store1.MixedUp", True)
    assert plant.fetch("powder", 5.0, "A")[0].alloy == "316L"
    assert plant.happened[-1].message == "powder taken from other by mistake"
    plant.drive("Store1.MixedUp", False)
    assert plant.fetch("powder", 5.0, "A")[0].alloy == "Ti-6Al-4V"


def build(plant: Works, machine: str, lots: list[PowderLot], share: float) -> Operation:
    """A part of a share of the powder; the rest comes back."""
    outputs: list[Any] = []
    for each in lots:
        part, rest = draw(each, each.metal * share)
        outputs.append(Item(plant.new_id("part"), "part", each.alloy, part.mass,
                            dict(part.elements)))
        outputs.append(renamed(rest, plant.new_id("used"), parents=(each.id,), status="new"))
    return Operation("build", machine, 0.0, tuple(map(Draw.all, lots)), tuple(outputs))


def test_verification_a_part_bears_its_step_and_its_powder() -> None:
    plant = works()
    plant.receive(lot("ti", 10.0), "powder")
    plant.metered("A", 1000.0, 0.0)
    powder = plant.fetch("powder", 10.0, "A")
    plant.advance(3600.0)
    done = plant.operation("A", build(plant, "A", powder, 0.2), labour=1800.0)
    assert done.energy == pytest.approx(3.6e6)
    part, used = done.outputs
    carried = plant.ledger.of(part)
    assert carried.energy == pytest.approx(3.6e6)
    assert carried.labour == pytest.approx(1800.0)
    step = 3.6e6 * plant.ledger.rates.carbon_energy
    assert carried.carbon == pytest.approx(10.0 * part.mass + step)
    assert plant.ledger.of(used).carbon == pytest.approx(10.0 * used.mass)
    assert plant.ledger.of(used).energy == 0.0
    assert plant.ledger.parents[part.id] == ("ti",)


def test_scrap_bears_nothing_and_what_makes_only_scrap_is_borne_by_nobody() -> None:
    plant = works()
    plant.receive(lot("ti", 10.0), "powder")
    plant.fetch("powder", 10.0, "A")
    [had] = plant.at["A"].values()
    kept, left = draw(had, 4.0)
    plant.operation("A", Operation("sieve", "A", 0.0, (Draw.all(had),), (
        renamed(kept, "kept"), renamed(left, "coarse", status="scrap"))))
    assert plant.ledger.of(plant.at["A"]["coarse"]) == Footprint()
    assert plant.ledger.of(plant.at["A"]["kept"]).carbon == pytest.approx(100.0)
    scrap = Item("s", "scrap", "", kept.mass, dict(kept.elements))
    plant.operation("A", Operation("melt", "A", 0.0, (Draw.all(plant.at["A"]["kept"]),), (scrap,)))
    assert plant.ledger.unborne.carbon == pytest.approx(100.0)


def test_what_a_machine_takes_that_it_was_not_given_was_bought() -> None:
    plant = works()
    charge = Item("charge", "charge", "316L", 50.0, {"Fe": 50.0})
    made = Item("bar", "part", "316L", 49.0, {"Fe": 49.0})
    plant.operation("A", Operation("cast", "A", 0.0, (Draw.all(charge),), (made,),
                                   lost={"Fe": 1.0}))
    assert plant.ledger.received == {"Fe": 50.0}
    assert plant.ledger.of(made).carbon == pytest.approx(500.0)
    assert plant.close() < 1e-12


def test_an_operation_that_loses_mass_shows_in_the_balance() -> None:
    plant = works()
    charge = Item("charge", "charge", "316L", 50.0, {"Fe": 50.0})
    made = Item("bar", "part", "316L", 49.0, {"Fe": 49.0})
    plant.operation("A", Operation("cast", "A", 0.0, (Draw.all(charge),), (made,)))
    assert plant.close() == pytest.approx(0.02)
    assert plant.ledger.worst == pytest.approx(0.02)


STEPS = st.lists(st.tuples(st.sampled_from(["receive", "fetch", "build", "store", "ship", "time"]),
                           st.floats(0.01, 1.0), st.sampled_from("AB")), max_size=40)


@settings(max_examples=20, deadline=None)
@given(steps=STEPS)
def test_mass_elements_and_footprints_are_conserved(steps: list[tuple[str, float, str]]) -> None:
    plant = works()
    shipped = Footprint()
    known: set[str] = set()

    def put(store: str, chosen: Callable[[Any], bool], machine: str) -> None:
        for thing in [*plant.at[machine].values()]:
            if chosen(thing):
                plant.put_away(machine, thing.id, store)

    for n, (what, share, machine) in enumerate(steps):
        match what:
            case "receive":
                plant.receive(lot(f"L{n}", 20 * share, oxygen=1e-3 * share), "powder")
            case "fetch":
                plant.fetch("powder", share * plant.stores["powder"].available(), machine)
            case "build":
                lots = [t for t in plant.at[machine].values() if isinstance(t, PowderLot)]
                if lots:
                    plant.operation(machine, build(plant, machine, lots, share * 0.9), 60 * share)
            case "store":
                put("other", lambda t: isinstance(t, PowderLot), machine)
                put("parts", lambda t: isinstance(t, Item), machine)
            case "ship":
                for item in plant.stores["parts"].items()[:1]:
                    shipped += plant.ledger.of(item)
                    plant.ship("parts", item.id)
            case "time":
                plant.metered(machine, 1e4 * share, 1e-3 * share)
                plant.advance(plant.env.now + 3600 * share)
        ids = [t.id for s in plant.stores.values() for t in s]
        ids += [i for at in plant.at.values() for i in at]
        assert len(ids) == len(set(ids))
        known |= set(ids)
    assert plant.close() < 1e-9
    assert plant.ledger.worst < 1e-9
    spent, borne = spent_total(plant), borne_total(plant) + shipped
    for name, value in spent.plain().items():
        assert borne.plain()[name] == pytest.approx(value, rel=1e-9, abs=1e-9), name


def test_stores_come_back_from_a_snapshot() -> None:
    plant = works()
    plant.receive(lot("ti", 10.0), "powder")
    plant.fetch("powder", 4.0, "A")
    plant.metered("A", 1000.0, 0.0)
    plant.advance(100.0)
    kept = plant.snapshot()
    other = works()
    other.reinstate(kept)
    assert other.snapshot() == kept
    assert other.stores["powder"].things["ti"] == plant.stores["powder"].things["ti"]
    assert other.close() < 1e-12


def test_components_are_numbered_in_blocks_of_twelve() -> None:
    assert [numbered("Store", n) for n in (1, 12, 13, 24, 25, 96)] == [
        "Store1", "Store12", "StoreB1", "StoreB12", "StoreC1", "StoreH12"]

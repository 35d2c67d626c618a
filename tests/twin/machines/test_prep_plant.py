"""The rotating electrode's plant alone: rod, powder and bearings without a program."""

from __future__ import annotations

import json
from math import pi
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.equipment.melt_face import Atomizing, Drops
from twin.equipment.powder_canister import Gas, Stream
from twin.machines.prep import Prep, PrepJob
from twin.materials import alloy
from twin.powder.lot import PowderLot
from twin.powder.operations import Item

METAL = alloy("Ti-6Al-4V")
MAKE = Atomizing(METAL, "force balance", 1.0, 250e-6)


def job(rods: int = 2, length: float = 0.4) -> PrepJob:
    return PrepJob("rods", METAL, rods, 0.075, length, 8e-4, MAKE, change=5.0)


class Hall:
    """A plant whose outputs somebody drives by hand."""

    def __init__(self, made: PrepJob | None = None, speed: float = 20_000) -> None:
        self.plant = plant = Prep(1)
        plant.name = "PREP-01"
        plant.load(made or job())
        self.drive(Chiller_Run=True, Chamber_VacuumPump=True)
        self.rest(120)
        self.drive(Chamber_VacuumPump=False, Chamber_HeliumDemand=0.7, Chamber_FillFlow=0.05)
        self.rest(45)
        self.drive(Chamber_FillFlow=0.0, Feed_Change=True)
        self.rest(6)
        self.drive(Feed_Change=False, Spindle_Acceleration=1000 / 60, Spindle_Target=speed / 60,
                   Spindle_Enable=True)
        self.rest(speed / 1000 + 1)

    def rest(self, seconds: float) -> None:
        self.plant.advance(self.plant.env.now + seconds)
        for _, component in self.plant.walk():
            component.sense(self.plant.env.now)

    def drive(self, **outputs: Any) -> None:
        for name, value in outputs.items():
            self.plant.drive(name.replace("_", ".", 1), value)

    def burn(self, seconds: float = 60.0, power: float = 60e3) -> Hall:
        self.drive(Feed_Feed=5e-3)
        while self.plant.feed.gap > 0.018:
            self.rest(1)
        self.drive(Feed_Feed=0.0, Arc_Gas=1e-3, Arc_Power=power, Arc_Enable=True)
        self.rest(1)
        self.drive(Feed_VoltageTarget=57.0, Feed_Feed=power * 1.6e-8, Feed_Regulate=True)
        self.rest(seconds)
        assert self.plant.arc.burning
        return self

    def out(self) -> None:
        self.drive(Arc_Enable=False, Feed_Regulate=False, Feed_Feed=0.0)


def test_arc_off_first_and_no_dwelling_against_the_wrong_order() -> None:
    """A bowed rod is run down: in one go without the arc, or slowly with it burning."""
    ends = []
    for right in (True, False):
        hall = Hall().burn()
        plant = hall.plant
        hall.drive(Spindle_RodBow=7e-6)
        if right:
            hall.out()
            hall.drive(Spindle_Acceleration=400 / 60, Spindle_Target=0.0)
        else:
            hall.drive(Spindle_Acceleration=50 / 60, Spindle_Target=0.0)
        hottest = 0.0
        for _ in range(290):
            hall.rest(1)
            hottest = max(hottest, plant.spindle.bearing_temperature)
        ends.append((plant.spindle.bow, hottest, plant.spindle.wear,
                     plant.canister.stream.lot("x", METAL, plant.job.composition)))
    right, wrong = ends
    assert right[0] == 0.0
    assert wrong[0] > 0.3e-6, "hot and shaken, it bends further"
    assert wrong[1] > right[1] + 3.0
    assert wrong[2] > 3 * right[2]
    assert wrong[3].d50 > 1.3 * right[3].d50
    assert wrong[3].d90 / wrong[3].d10 > 1.3 * right[3].d90 / right[3].d10


def test_every_mass_is_accounted_for_whatever_is_done() -> None:
    hall = Hall(job(3, 0.2)).burn(30)
    plant = hall.plant
    hall.drive(Chamber_Leak=1.0)
    hall.rest(20)
    hall.drive(Safety_PowerLoss=True)
    hall.rest(10)
    hall.drive(Canister_Discharge=True)
    done = plant.take_operations()
    assert [op.name for op in done] == ["atomize", "discharge"]
    assert all(op.error() < 1e-9 for op in done)
    rod = done[0].inputs[0]
    whole = METAL.density(293.15) * pi / 4 * 0.075**2 * 0.2
    assert rod.mass == pytest.approx(float(whole))
    assert sum(rod.elements.values()) == pytest.approx(rod.mass, rel=1e-12)
    assert rod.elements["O"] == pytest.approx(8e-4 * rod.mass)
    assert "O" in done[0].gained
    assert done[0].lost["Ti"] > 0.0


def test_unused_rod_comes_out_as_a_rod() -> None:
    hall = Hall()
    hall.drive(Feed_Eject=True)
    op, = hall.plant.take_operations()
    item, = op.outputs
    assert isinstance(item, Item)
    assert (item.kind, op.error()) == ("rod", pytest.approx(0.0, abs=1e-12))


def test_state_can_be_kept_and_taken_back_in_the_middle_of_a_rod() -> None:
    hall = Hall().burn(40)
    kept = json.loads(json.dumps(hall.plant.snapshot()))
    other = Prep(1)
    other.name = "PREP-01"
    other.load(hall.plant.job)
    other.reinstate(kept)
    again = Hall.__new__(Hall)
    again.plant = other
    for one in (hall, again):
        one.rest(30)
        one.drive(Spindle_Target=25_000 / 60)
        one.rest(30)
        one.out()
        one.drive(Spindle_Target=0.0)
        one.rest(60)
        one.drive(Canister_Discharge=True)
    ours, theirs = (one.plant.take_operations()[-1].outputs[0] for one in (hall, again))
    assert isinstance(ours, PowderLot)
    assert ours.plain() == theirs.plain()
    assert hall.plant.snapshot() == other.snapshot()


def test_power_loss_stops_the_arc_and_lets_the_spindle_coast() -> None:
    hall = Hall().burn(20)
    hall.drive(Safety_PowerLoss=True)
    assert not hall.plant.arc.burning
    before = hall.plant.spindle.true_speed
    hall.rest(60)
    slower = before - hall.plant.spindle.true_speed
    assert slower == pytest.approx(60 * hall.plant.spindle.COASTING)


def test_chain_needs_the_vibration_gone() -> None:
    hall = Hall()
    plant = hall.plant
    hall.drive(Spindle_Unbalance=6e-6)
    hall.rest(2)
    assert not plant.safety.chain_closed
    assert not plant.safety.reset_possible
    trip = [e for e in plant.happened if "vibration monitor" in e.message]
    assert len(trip) == 1
    hall.rest(120)
    assert plant.safety.reset_possible
    hall.drive(Safety_Reset=True)
    assert plant.safety.chain_closed


def test_melt_of_a_rod_that_hardly_turns_is_scrap() -> None:
    hall = Hall(speed=300).burn(30)
    stream = hall.plant.canister.stream
    assert stream.splats > 0.05
    assert stream.powder == 0.0


def test_door_lets_air_in() -> None:
    hall = Hall()
    hall.drive(Safety_DoorForced=True)
    hall.rest(30)
    assert hall.plant.chamber.oxygen == pytest.approx(0.2095, rel=0.01)
    assert not hall.plant.safety.chain_closed


def test_gas_and_energy_are_counted() -> None:
    hall = Hall()
    filled = 45 * 0.05
    assert hall.plant.consumption.gas == pytest.approx(filled, rel=1e-6)
    before = hall.plant.consumption.energy
    hall.burn(60)
    taken = hall.plant.consumption.energy - before
    # Supply and chiller on top of the arc.
    assert 60 * 60e3 / 0.9 < taken < 1.3 * 60 * 60e3 / 0.9


drops = st.builds(
    Drops, mass=st.floats(1e-6, 0.1), fume=st.floats(0.0, 1e-7), median=st.floats(20e-6, 5e-3),
    spread=st.floats(1.1, 2.5), peeled=st.floats(0.0, 0.9),
    speed=st.sampled_from([0.0, 20.0, 80.0, 160.0]), superheat=st.floats(0.0, 150.0),
    mode=st.integers(0, 2))


@settings(max_examples=40, deadline=None)
@given(st.lists(drops, min_size=1, max_size=5), st.floats(0.0, 0.01), st.sampled_from([0.0, 0.7]))
def test_sums_of_any_drops_are_a_lot_that_balances(
    given_drops: list[Drops], oxygen: float, helium: float
) -> None:
    stream = Stream()
    for each in given_drops:
        stream.add(each, METAL, 250e-6, Gas(helium, 1.1e5, 340.0, oxygen, 1.0), 1.0)
    melted = sum(d.mass for d in given_drops)
    assert stream.melted == pytest.approx(melted, rel=1e-12)
    lot = stream.lot("x", METAL, job().composition)
    assert sum(lot.elements.values()) == pytest.approx(lot.mass, rel=1e-12, abs=1e-18)
    assert 0.0 <= lot.irregular <= 1.0
    assert Stream.of(json.loads(json.dumps(stream.plain()))).plain() == stream.plain()

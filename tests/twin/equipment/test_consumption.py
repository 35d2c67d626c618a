"""The meters: what they show is the integral of what the equipment says it takes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bench import Bench
from twin.equipment.consumption import Consumption
from twin.equipment.services import Chiller, SafetyChain
from twin.machine import Equipment, Plant


class Lamp(Equipment):
    """Something that takes power, gas and powder."""


class Hall(Plant):
    """Two lamps and the meters."""

    def __init__(self) -> None:
        super().__init__(0)
        self.first, self.second = self.add("First", Lamp()), self.add("Second", Lamp())
        self.consumption = self.add("Consumption", Consumption(100.0))
        self.meter = self.consumption
        self.assemble()

    def look(self, time: float) -> Consumption:
        self.advance(time)
        self.consumption.sense(time)
        return self.consumption


steps = st.lists(
    st.tuples(st.floats(0.1, 1000), st.floats(0, 5000), st.floats(0, 1e-3)), max_size=8)


@given(steps)
def test_energy_and_gas_are_integrals(taken: list[tuple[float, float, float]]) -> None:
    hall, time, energy, gas = Hall(), 0.0, 0.0, 0.0
    for span, power, flow in taken:
        hall.first.draw(power)
        hall.second.draw(2 * power)
        hall.first.take_gas(flow)
        time += span
        energy += (100.0 + 3 * power) * span
        gas += flow * span
        seen = hall.look(time)
        assert seen.energy == pytest.approx(energy, rel=1e-9)
        assert seen.gas == pytest.approx(gas, rel=1e-9, abs=1e-15)


def test_looking_changes_nothing() -> None:
    often, seldom = Hall(), Hall()
    for hall in (often, seldom):
        hall.first.draw(123.4)
    for k in range(1, 1000):
        often.look(0.1 * k)
    assert often.look(100.0).energy == seldom.look(100.0).energy


def test_a_snapshot_keeps_who_takes_what() -> None:
    hall, other = Hall(), Hall()
    hall.first.draw(400.0)
    hall.first.take_feedstock(0.5)
    hall.look(10.0)
    other.reinstate(hall.snapshot())
    for each in (hall, other):
        each.second.draw(50.0)
    assert other.look(20.0).energy == hall.look(20.0).energy == 100 * 20 + 400 * 20 + 50 * 10
    assert other.consumption.feedstock == 0.5


def test_without_meters_equipment_works_as_well() -> None:
    plant = Plant(0)
    chain = plant.add("Safety", SafetyChain())
    chiller = plant.add("Chiller", Chiller(chain))
    plant.assemble()
    plant.drive("Chiller.Run", True)
    plant.advance(60.0)
    chiller.sense(60.0)
    assert chiller.flow == pytest.approx(Chiller.NOMINAL)


def test_a_build_is_billed() -> None:
    bench = Bench().start()
    bench.finish()
    read: Any = bench.read
    layers = bench.layers()
    assert read("Consumption.BuiltVolume") == pytest.approx(
        sum(layer["area"] for layer in layers) * 40e-6 * 1e6, abs=2e-3)
    recoater = bench.plant.recoater
    assert read("Consumption.Feedstock") == pytest.approx(
        (1 - recoater.powder_level) * recoater.CAPACITY, abs=1e-3)
    hours = bench.time / 3600
    least = bench.plant.STANDBY / 1000 * hours
    assert least < read("Consumption.Energy") < 10 * hours
    laser_kwh = sum(layer["duration"] * layer["power_mean"] for layer in layers) / 0.35 / 3.6e6
    assert read("Consumption.Energy") > least + laser_kwh
    assert read("Consumption.Gas") > 100.0

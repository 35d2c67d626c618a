"""Gas, mains and cooling water against what can be reckoned by hand."""

from __future__ import annotations

from math import exp

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.works.plant import GasSupply, Place, Works

HOUR = 3600.0


def works(**gas: float) -> Works:
    about = {"capacity": 1000.0, "start": 800.0, "reorder": 300.0, "lead_time": 24 * HOUR,
             "reserve": 100.0, **gas}
    return Works(1, [Place("A", "argon"), Place("B", "argon")],
                 gases=[GasSupply("argon", **about)], cooling=50e3)


def look(plant: Works, time: float) -> None:
    plant.advance(time)
    for _, component in plant.walk():
        component.sense(time)


def test_verification_level_reorder_and_delivery() -> None:
    plant = works()
    tank = plant.gases["argon"]
    plant.metered("A", 0.0, 20 / HOUR)
    plant.metered("B", 0.0, 5 / HOUR)
    look(plant, 10 * HOUR)
    assert tank.level == pytest.approx(550.0)
    assert not tank.on_order
    look(plant, 20 * HOUR + 1)
    assert tank.on_order  # 500 m3 at 25 m3/h
    look(plant, 28 * HOUR + 1)
    assert tank.scarce
    assert not tank.empty  # 100 m3 are left
    look(plant, 32 * HOUR + 1)
    assert tank.empty
    assert tank.level == 0.0
    look(plant, 44 * HOUR + 1)  # ordered at 20 h, 24 h
    assert tank.level == pytest.approx(1000.0, abs=0.01)
    assert tank.missing == pytest.approx(12 * 25.0)
    assert tank.delivered == pytest.approx(1000.0)
    assert not (tank.empty)
    assert not (tank.scarce)
    assert not (tank.on_order)
    times = {e.message: e.time for e in plant.happened}
    assert times["argon: the tank is empty"] == pytest.approx(32 * HOUR)
    assert times["argon: delivered"] == pytest.approx(44 * HOUR)


def test_fault_delivery_is_late_then_the_tank_runs_dry() -> None:
    plant = works(start=320.0)
    plant.drive("Gas1.Late", 48 * HOUR)
    plant.metered("A", 0.0, 20 / HOUR)
    look(plant, 60 * HOUR)
    messages = [(e.message, round(e.time / HOUR, 6)) for e in plant.happened]
    assert messages == [("argon: delivery ordered", 1.0), ("argon: the tank is empty", 16.0)]
    look(plant, 74 * HOUR)
    assert plant.happened[-1].message == "argon: delivered"
    assert plant.happened[-1].time == pytest.approx((1 + 24 + 48) * HOUR)


def test_fault_leak_empties_the_tank_though_no_machine_takes_gas() -> None:
    plant = works()
    plant.drive("Gas1.Leak", 50 / HOUR)
    look(plant, 4 * HOUR)
    tank = plant.gases["argon"]
    assert tank.level == pytest.approx(600.0)
    assert tank.flow == tank.taken == 0.0


FLOWS = st.lists(st.tuples(st.floats(0, 20 * HOUR), st.sampled_from("AB"), st.floats(0, 100)),
                 min_size=1, max_size=15)


@settings(max_examples=20, deadline=None)
@given(flows=FLOWS, looks=st.lists(st.floats(0, 20 * HOUR), max_size=5))
def test_gas_is_conserved_however_it_is_looked_at(
    flows: list[tuple[float, str, float]], looks: list[float]
) -> None:
    def run(often: list[float]) -> tuple[float, ...]:
        plant = works(lead_time=3 * HOUR)
        rest = sorted(flows)
        for when in sorted([*(t for t, _, _ in flows), *often]):
            look(plant, when)
            while rest and rest[0][0] <= when:
                _, name, rate = rest.pop(0)
                plant.metered(name, 0.0, rate / HOUR)
        look(plant, 30 * HOUR)
        tank = plant.gases["argon"]
        assert 0.0 <= tank.level <= tank.capacity
        assert 800.0 + tank.delivered - tank.taken == pytest.approx(tank.level, abs=1e-6)
        metered = sum(m.gas for m in plant.machines.values())
        assert tank.taken + tank.missing == pytest.approx(metered, abs=1e-6)
        return float(tank.level), float(tank.taken), float(tank.delivered)

    assert run([]) == run(looks)


def test_verification_mains_sum_energy_and_peak() -> None:
    plant = works()
    plant.metered("A", 10e3, 0.0)
    plant.advance(HOUR)
    plant.metered("B", 30e3, 0.0)
    plant.advance(2 * HOUR)
    plant.metered("B", 0.0, 0.0)
    look(plant, 4 * HOUR)
    mains = plant.mains
    assert (mains.power, mains.peak) == (10e3, 40e3)
    assert mains.energy == pytest.approx((4 * 10e3 + 30e3) * HOUR)
    assert mains.energy == pytest.approx(sum(m.energy for m in plant.machines.values()))


def test_fault_mains_lost_is_told_to_the_machines() -> None:
    plant = works()
    told: list[bool] = []
    plant.mains.listeners.append(told.append)
    plant.drive("Mains.Lost", True)
    assert not plant.mains.present
    plant.drive("Mains.Lost", False)
    assert told == [False, True]


def test_verification_water_warms_when_the_heat_is_beyond_the_chillers() -> None:
    plant = works()
    water = plant.water
    plant.metered("A", 60e3, 0.0)  # 42 kW of heat, 50 kW of chillers
    look(plant, HOUR)
    assert water.supply_temperature == pytest.approx(water.SETPOINT)
    plant.drive("ChilledWater.CapacityLoss", 0.5)
    look(plant, HOUR + 600.0)
    beyond = min((42e3 - 25e3) / 50e3 * water.SPAN, water.HOTTEST - water.SETPOINT)
    rise = beyond * (1 - exp(-600.0 / water.WARMING))
    assert water.supply_temperature == pytest.approx(water.SETPOINT + rise)
    # So much warmer water is what its heat capacity says: C = WARMING K, K = capacity / SPAN.
    assert rise < (42e3 - 25e3) * 600.0 / (water.WARMING * 50e3 / water.SPAN)
    # 3.6 MJ/kWh of heat over 2.45 MJ/kg.
    assert water.evaporated == pytest.approx(42e3 * (HOUR + 600) / 2.45e6)

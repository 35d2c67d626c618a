"""Chamber, gas circuit, platform, recoater and chiller against their equations."""

from __future__ import annotations

import json
from math import exp, log

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from tests.bench import block, program
from twin.equipment.chamber import ATMOSPHERE, Chamber, GasCircuit, dew_point
from twin.equipment.powder_bed import Platform, Recoater
from twin.machines.pbf_lb import PbfLb

LITRE_PER_MIN = 1e-3 / 60


def test_oxygen_follows_its_equation() -> None:
    plant = PbfLb()
    chamber = plant.chamber
    flow, leak = 100 * LITRE_PER_MIN, 3.0
    plant.drive("Chamber.PurgeFlow", flow)
    plant.drive("Chamber.Leak", leak)
    air = leak / ATMOSPHERE

    def rate(_: float, c: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
        return (air * (0.2095 - c) + Chamber.DESORPTION - flow * (c - Chamber.GAS_PURITY)
                ) / Chamber.VOLUME

    times = np.array([10.0, 100.0, 600.0, 3000.0])
    truth = solve_ivp(rate, (0, 3000), [0.2095], t_eval=times, rtol=1e-9, atol=1e-12).y[0]
    for time, wanted in zip(times, truth, strict=True):
        plant.advance(time)
        assert chamber.oxygen == pytest.approx(wanted, rel=1e-3)


def test_purge_time() -> None:
    plant = PbfLb()
    plant.drive("Chamber.PurgeFlow", 100 * LITRE_PER_MIN)
    wanted = Chamber.VOLUME / (100 * LITRE_PER_MIN) * log(0.2095 / 1e-3)
    assert 5 * 60 < wanted < 20 * 60
    plant.advance(wanted)
    assert plant.chamber.oxygen == pytest.approx(1e-3, rel=0.02)


def test_sensors_lag_and_the_lower_one_sees_a_leak_first() -> None:
    plant = PbfLb()
    chamber = plant.chamber
    plant.drive("Chamber.PurgeFlow", 400 * LITRE_PER_MIN)
    plant.advance(1000.0)
    chamber.sense(1000.0)
    low, top = chamber.oxygen_bottom, chamber.oxygen_top
    plant.drive("Chamber.Leak", 20.0)
    chamber.sense(1010.0)
    assert chamber.oxygen_bottom - low > 3 * (chamber.oxygen_top - top) > 0


def test_recoating_stirs_a_little_oxygen_out_of_the_powder() -> None:
    plant = PbfLb()
    plant.drive("Chamber.PurgeFlow", 400 * LITRE_PER_MIN)
    plant.advance(600.0)
    before = plant.chamber.oxygen
    plant.chamber.stir()
    assert 0 < plant.chamber.oxygen - before <= Chamber.STIRRED


def test_pump_down() -> None:
    plant = PbfLb()
    plant.drive("Chamber.VacuumPump", True)
    wanted = Chamber.PUMP_TIME * log((ATMOSPHERE - Chamber.ULTIMATE) / (0.01 - Chamber.ULTIMATE))
    assert 20 * 60 < wanted < 40 * 60
    plant.chamber.sense(wanted)
    assert plant.chamber.vacuum == pytest.approx(0.01, rel=1e-6)
    assert plant.chamber.pressure == pytest.approx(0.01 - ATMOSPHERE, rel=1e-6)
    plant.advance(wanted)
    plant.drive("Chamber.VacuumPump", False)
    plant.chamber.sense(wanted + 60)
    assert plant.chamber.vacuum == pytest.approx(ATMOSPHERE, rel=1e-3)


def test_relief_opens_at_its_pressure_whatever_the_scan() -> None:
    plant = PbfLb()
    plant.drive("Chamber.ProcessFlow", 3 * LITRE_PER_MIN)
    plant.drive("Chamber.RegulatorFailure", True)
    plant.advance(60.0)
    event = next(e for e in plant.happened if "relief" in e.message)
    assert event.time == pytest.approx(4.0 * log(120e2 / (120e2 - Chamber.RELIEF)))
    assert plant.safety.first_out == 4


@pytest.mark.parametrize(("pressure", "celsius"), [(611.2, 0.0), (2339, 20.0), (103.3, -20.0),
                                                   (12.84, -40.0)])
def test_dew_point_of_tabulated_vapour_pressures(pressure: float, celsius: float) -> None:
    assert dew_point(pressure) - 273.15 == pytest.approx(celsius, abs=0.15)


def test_dew_point_falls_with_dry_gas() -> None:
    plant = PbfLb()
    plant.drive("Chamber.PurgeFlow", 200 * LITRE_PER_MIN)
    plant.chamber.sense(0.0)
    wet = plant.chamber.dew_point
    plant.chamber.sense(1200.0)
    assert plant.chamber.dew_point < wet - 30
    low, high = plant.chamber.span("dew_point", 0.0, 1200.0)
    assert low == pytest.approx(plant.chamber.dew_point)
    assert high == pytest.approx(wet)


def test_blower_meets_the_system_curve() -> None:
    plant = PbfLb()
    gas = plant.gas
    plant.drive("Gas.Blower", 0.8)
    plant.advance(60.0)
    gas.sense(60.0)
    filter_, duct = GasCircuit.CLEAN, GasCircuit.DUCT + 6.0
    assert gas.speed**2 * (filter_ + duct) == pytest.approx(0.8**2 * GasCircuit.STALL)
    assert gas.filter_differential_pressure == pytest.approx(filter_ * gas.speed**2)
    clean = gas.filter_differential_pressure
    gas.load(GasCircuit.FUME_FOR_DOUBLE)
    gas.sense(120.0)
    assert gas.filter_differential_pressure == pytest.approx(2 * filter_ * gas.speed**2)
    assert gas.filter_differential_pressure > clean


def test_plate_heats_at_full_power_and_is_then_held() -> None:
    plant = PbfLb()
    plate, target = plant.platform, 353.15
    plant.drive("Platform.TemperatureDemand", target)
    tau = Platform.HEAT_CAPACITY / Platform.LOSS
    hot = Platform.POWER / Platform.LOSS
    due = -tau * log(1 - (target - 293.15) / hot)
    plant.advance(due - 1)
    assert plate.heater_power == Platform.POWER
    plate.sense(due - 1)
    assert plate.temperature < target
    plant.advance(due + 1)
    assert plate.temperature == target
    assert plate.heater_power == pytest.approx(Platform.LOSS * 60)
    assert plant.chamber.temperature > 293.15
    plant.drive("Platform.TemperatureDemand", 293.15)
    plate.sense(due + 1 + tau)
    assert plate.temperature == pytest.approx(293.15 + 60 * exp(-1))


TWO = program([block((6e-3, 6e-3, 4e-4), "big"), block((2e-3, 2e-3, 4e-4), "small")]).job


def expose(plant: PbfLb, index: int, dose: float = 2e6) -> np.ndarray:
    """Lay a layer of two blocks and mark it in 2 s with `dose` (J/m2); islands of the vectors."""
    platform, layer = plant.platform, TWO.plan.layer(index)
    island = platform.lay(TWO.plan, index, TWO.alloy)
    now, n = plant.env.now, len(island)
    length = np.hypot(*(layer.end - layer.start).T)
    begun = now + 2.0 * np.arange(n) / n
    platform.expose(island, begun, begun + 2.0 / n, dose * layer.area * length / length.sum())
    return island


def test_islands_take_the_heat_of_their_vectors() -> None:
    plant = PbfLb()
    platform = plant.platform
    island = expose(plant, 0)
    layer = TWO.plan.layer(0)
    assert sorted(set(island.tolist())) == [0, 1]
    assert np.array_equal(island, layer.part)
    assert (platform.interlayer(island) < 294).all()
    plant.advance(1.0)
    halfway = platform.interlayer(np.array([0, 1, -1]))
    plant.advance(2.0)
    done = platform.interlayer(np.array([0, 1, -1]))
    assert halfway[0] > 295
    assert done[1] > halfway[1]
    assert done[2] == halfway[2] == platform.temperature
    plant.advance(3.0)
    platform.lay(TWO.plan, 1, TWO.alloy)
    taken = platform.parts.energy["absorbed"]
    assert taken == pytest.approx(2e6 * layer.area, rel=0.01)
    mean = np.average(platform.parts.tops(3.0), weights=platform.parts.areas)
    platform.sense(3.0)
    assert platform.part_temperature == pytest.approx(mean, abs=1e-9)
    layer = TWO.plan.layer(1)
    field = platform.preheat(TWO.plan, 1)((layer.start + layer.end) / 2)
    assert (field == platform.interlayer(layer.part.astype(int))).all()
    assert len(set(field.tolist())) == 2


def test_a_layer_is_laid_once() -> None:
    plant = PbfLb()
    for _ in range(2):
        plant.platform.lay(TWO.plan, 0, TWO.alloy)
    once = TWO.plan.layer(0).area * TWO.plan.layer_thickness
    assert plant.platform.parts.mass / once == pytest.approx(8129.0, rel=0.02)
    plant.platform.clear()
    assert plant.platform.parts.mass == 0.0
    assert plant.platform.part_temperature == plant.platform.temperature


def test_parts_go_on_to_the_same_bits_after_a_restore() -> None:
    def some_layers(plant: PbfLb, first: int, last: int, looks: int) -> None:
        for index in range(first, last):
            begin = plant.env.now
            expose(plant, index)
            for look in range(1, looks):
                plant.advance(begin + 9.0 * look / looks)
                plant.platform.sense(plant.env.now)
            plant.advance(begin + 9.0)

    straight, seen, again = PbfLb(), PbfLb(), PbfLb()
    for plant in (straight, seen):
        plant.drive("Platform.TemperatureDemand", 353.15)
    some_layers(straight, 0, 8, looks=1)
    some_layers(seen, 0, 4, looks=7)
    again.reinstate(json.loads(json.dumps(seen.snapshot())))
    some_layers(again, 4, 8, looks=3)
    assert straight.platform.keep() == again.platform.keep()
    assert straight.platform.parts.tops(80.0)[0] > 300


def test_parts_follow_the_plate() -> None:
    plant = PbfLb()
    plant.platform.lay(TWO.plan, 0, TWO.alloy)
    plant.drive("Platform.TemperatureDemand", 353.15)
    plant.advance(5000.0)
    plant.platform.sense(5000.0)
    assert plant.platform.temperature == 353.15
    assert plant.platform.part_temperature == pytest.approx(353.15, abs=0.1)


def test_platform_goes_beyond_and_returns() -> None:
    plant = PbfLb()
    plant.drive("Platform.ZDemand", 40e-6)
    far = 40e-6 + Platform.RETURN
    plant.advance(1e-3)
    plant.platform.sense(far / Platform.Z_SPEED)
    assert plant.platform.z == pytest.approx(far)
    plant.advance((far + Platform.RETURN) / Platform.Z_SPEED + 1e-6)
    assert plant.platform.in_position
    assert plant.platform.z == 40e-6


def stroke(plant: PbfLb) -> None:
    plant.drive("Recoater.Recoat", True)
    plant.advance(plant.env.now + 20.0)
    plant.drive("Recoater.Recoat", False)
    assert plant.recoater.at_home


def test_powder_is_conserved() -> None:
    plant = PbfLb()
    job = program().job
    plant.load(job)
    recoater = plant.recoater
    plant.drive("Recoater.DosingFactor", 2.0)
    layer = Recoater.BED[0] * Recoater.BED[1] * job.plan.layer_thickness * job.bulk_density
    stroke(plant)
    taken = (1 - recoater.powder_level) * Recoater.CAPACITY
    assert taken == pytest.approx(2 * layer)
    assert recoater.overflow_level * Recoater.CAPACITY == pytest.approx(layer)
    # The platform did not move: nothing is needed, all of the next dose runs over.
    stroke(plant)
    assert recoater.overflow_level * Recoater.CAPACITY == pytest.approx(3 * layer)


def test_what_is_missing_far_away_is_filled_later() -> None:
    plant = PbfLb()
    job = program().job
    plant.load(job)
    recoater, t = plant.recoater, job.plan.layer_thickness
    plant.drive("Recoater.DosingFactor", 2.0)
    plant.drive("Recoater.ShortFeed", 0.75)
    stroke(plant)
    ends = np.array([[-0.13, 0.05], [0.13, 0.05]])
    assert recoater.covered == pytest.approx(0.5, abs=0.02)
    assert np.allclose(recoater.powder(ends), [t, 0.0])
    recoater.melted()
    plant.drive("Recoater.ShortFeed", 0.0)
    plant.drive("Platform.ZDemand", t)
    plant.advance(plant.env.now + 10)
    stroke(plant)
    assert recoater.covered == 1.0
    assert np.allclose(recoater.powder(ends), [t, 2 * t])


def test_an_empty_supply_gives_nothing() -> None:
    plant = PbfLb()
    plant.load(program().job)
    plant.recoater.powder_level = 0.0
    stroke(plant)
    assert plant.recoater.covered == 0.0


def test_torque_rises_with_what_stands_out_and_crashes() -> None:
    def highest(protrusion: float, blade: str = "hard") -> tuple[float, bool]:
        plant = PbfLb(blade=blade)
        plant.load(program().job)
        plant.recoater.protrusion = protrusion
        plant.drive("Recoater.Recoat", True)
        plant.advance(1e-3)
        top = plant.recoater.span("torque", 0.0, 10.0)[1]
        plant.advance(10.0)
        return top, bool(plant.recoater.fault_active)

    free, touched, crashed = highest(0.0), highest(20e-6), highest(30e-6)
    assert free[0] == pytest.approx(Recoater.FRICTION)
    assert touched[0] == pytest.approx(Recoater.FRICTION + Recoater.STIFFNESS * 20e-6)
    assert [free[1], touched[1], crashed[1]] == [False, False, True]
    assert not highest(30e-6, "soft")[1]


def test_cooling_water_carries_the_heat() -> None:
    plant = PbfLb()
    plant.drive("Chiller.Run", True)
    plant.advance(30.0)
    plant.chiller.heat(800.0)
    plant.chiller.sense(130.0)
    rise = plant.chiller.return_temperature - plant.chiller.supply_temperature
    assert rise == pytest.approx(800 / (4.18e6 * plant.chiller.NOMINAL), rel=1e-3)
    plant.drive("Chiller.FlowLoss", 1.0)
    plant.advance(140.0)
    trip = next(e for e in plant.happened if "flow low" in e.message)
    assert trip.time - 30.0 == pytest.approx(plant.chiller.RESPONSE * log(2), rel=1e-6)
    assert trip.time - 30.0 < 1.0

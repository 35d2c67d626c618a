"""Pumps, helium, leaks and the gun column against their equations."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from twin.equipment.vacuum import ATMOSPHERE, VacuumSystem, rises_above
from twin.machine import Plant
from twin.trajectory import Relaxation


class Bench(Plant):
    """A vacuum system by itself."""

    def __init__(self) -> None:
        super().__init__(1)
        self.vacuum = self.add("Vacuum", VacuumSystem())
        self.assemble()

    def at(self, seconds: float) -> VacuumSystem:
        self.advance(seconds)
        self.vacuum.sense(seconds)
        return self.vacuum


def pumped(helium: float = 0.0) -> Bench:
    """Half an hour of pumping, the turbo pump at speed."""
    bench = Bench()
    bench.drive("Vacuum.RoughingPump", True)
    bench.at(180.0)
    bench.drive("Vacuum.TurboPump", True)
    bench.at(1800.0)
    bench.drive("Vacuum.HeliumValve", helium)
    bench.drive("Vacuum.ColumnValve", True)
    bench.at(2400.0)
    return bench


def test_verification_roughing_follows_its_equation() -> None:
    bench = Bench()
    bench.drive("Vacuum.RoughingPump", True)
    v = VacuumSystem

    def rate(t: float, p: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
        water = v.DESORPTION * np.exp(-t / v.DESORPTION_TIME) + 1e-4
        return (water - v.ROUGHING * p) / v.VOLUME

    times = np.array([10.0, 30.0, 50.0, 70.0])
    truth = solve_ivp(rate, (0, 80), [ATMOSPHERE], t_eval=times, rtol=1e-9, atol=1e-9).y[0]
    for time, wanted in zip(times, truth, strict=True):
        assert bench.at(time).chamber_pressure == pytest.approx(wanted, rel=1e-3)


def test_pump_down_takes_half_an_hour_to_an_hour() -> None:
    # 5e-4 mbar before helium (data sheet of a commercial machine); 30 to 60 min is usual.
    bench = Bench()
    bench.drive("Vacuum.RoughingPump", True)
    bench.at(180.0)
    bench.drive("Vacuum.TurboPump", True)
    assert bench.at(1000.0).chamber_pressure > 0.05
    assert bench.at(3600.0).chamber_pressure < 0.05


def test_the_turbo_pump_does_nothing_above_its_crossover() -> None:
    bench = Bench()
    bench.drive("Vacuum.TurboPump", True)
    assert bench.at(600.0).chamber_pressure > 0.9 * ATMOSPHERE


def test_helium_comes_on_top_and_the_column_stays_low() -> None:
    bench = pumped(helium=0.33)
    vacuum = bench.vacuum
    expected = VacuumSystem.HELIUM * 0.33 / VacuumSystem.TURBO
    assert vacuum.chamber_pressure == pytest.approx(expected, rel=0.1)
    assert vacuum.helium_share > 0.85
    # Some 1e-6 mbar in the column at 4e-3 mbar in the chamber.
    assert 1e-4 < vacuum.column_pressure < 3e-4


def test_a_leak_that_hides_behind_the_helium_valve_shows_in_its_share() -> None:
    bench = pumped(helium=0.33)
    before = bench.vacuum.chamber_pressure
    bench.drive("Vacuum.Leak", 0.15)
    bench.drive("Vacuum.HeliumValve", 0.08)
    vacuum = bench.at(2460.0)
    assert vacuum.chamber_pressure == pytest.approx(before, rel=0.15)
    assert vacuum.helium_share < 0.5


@pytest.mark.parametrize(("path", "value"), [
    ("Vacuum.Leak", 20.0), ("Vacuum.ColumnLeak", 1e-3), ("Vacuum.PumpingLoss", 0.999)])
def test_the_column_gauge_cuts_the_high_voltage_in_its_own_time(path: str, value: float) -> None:
    bench = pumped(helium=0.33)
    cut: list[float] = []
    bench.vacuum.relay = lambda closed: cut.append(bench.env.now) if not closed else None
    assert bench.vacuum.gun_vacuum
    bench.drive(path, value)
    bench.at(2460.0)
    assert not bench.vacuum.gun_vacuum
    assert len(cut) == 1
    assert 2400.0 <= cut[0] < 2440.0
    assert any("relay" in event.message for event in bench.happened)


def test_a_burst_of_gas_is_pumped_off_within_seconds() -> None:
    bench = pumped(helium=0.33)
    before = bench.vacuum.chamber_pressure
    bench.vacuum.burst(0.3)
    assert bench.at(2400.01).chamber_pressure == pytest.approx(before + 0.3, rel=0.03)
    assert bench.at(2410.0).chamber_pressure == pytest.approx(before, rel=0.02)
    assert bench.vacuum.gun_vacuum


def test_without_pumps_a_leak_fills_the_chamber() -> None:
    bench = pumped()
    bench.drive("Vacuum.TurboPump", False)
    bench.drive("Vacuum.RoughingPump", False)
    bench.drive("Vacuum.Leak", 10.0)
    rise = bench.at(2500.0).chamber_pressure
    assert rise == pytest.approx(10.0 * 100.0 / VacuumSystem.VOLUME, rel=0.2)


def test_venting_ends_at_ambient() -> None:
    bench = pumped()
    bench.drive("Vacuum.ColumnValve", False)
    bench.drive("Vacuum.TurboPump", False)
    bench.drive("Vacuum.RoughingPump", False)
    bench.drive("Vacuum.VentValve", True)
    assert bench.at(2500.0).vented
    assert bench.vacuum.gun_vacuum, "the column valve is shut"


def test_loss_of_power_shuts_the_valves() -> None:
    bench = pumped(helium=0.33)
    bench.trip(power_lost=True)
    vacuum = bench.vacuum
    assert not any((vacuum.turbo_pump, vacuum.column_valve, vacuum.helium_valve))


def test_first_crossing_of_a_course_that_turns() -> None:
    course = Relaxation(0.0, 10.0, 0.0, 100.0, 5.0, 0.0)
    due = rises_above(course, 5.0, 0.0, 1000.0)
    assert course.at(due) == pytest.approx(5.0, abs=1e-4)
    assert due < course._turn()
    assert rises_above(course, 11.0, 0.0, 1000.0) == float("inf")
    assert rises_above(course, 5.0, due + 1.0, 1000.0) == due + 1.0

"""High voltage with its trips, X-rays, cathode and spot."""

from __future__ import annotations

import numpy as np
import pytest

from twin.equipment.electron_gun import ElectronGun, HighVoltage, life_left
from twin.equipment.services import SafetyChain
from twin.equipment.vacuum import VacuumSystem
from twin.machine import Plant
from twin.materials import alloy
from twin.meltpool import Mode
from twin.meltpool.standing import point_pools
from twin.physics.electron_beam import under_electrons


class Bench(Plant):
    """A gun on its supply; the column is under vacuum."""

    def __init__(self) -> None:
        super().__init__(1)
        self.safety = self.add("Safety", SafetyChain())
        self.vacuum = self.add("Vacuum", VacuumSystem())
        self.supply = self.add("HighVoltage", HighVoltage(self.safety, self.vacuum))
        self.gun = self.add("Beam1", ElectronGun(self.supply))
        self.supply.feed([self.gun])
        self.assemble()
        self.drive("HighVoltage.Enable", True)
        self.advance(20.0)

    @property
    def energised(self) -> bool:
        return bool(self.safety.chain_closed)

    def at(self, seconds: float) -> Bench:
        self.advance(seconds)
        for part in (self.supply, self.gun):
            part.sense(seconds)
        return self


def test_the_voltage_stands_after_a_while_and_only_with_a_vacuum() -> None:
    bench = Bench()
    assert bench.supply.ready
    assert bench.supply.voltage == pytest.approx(60e3)
    bench.drive("Vacuum.ColumnLeak", 1e-3)
    bench.at(22.0)
    assert not bench.supply.ready
    assert not bench.supply.enable, "the relay cut it"
    assert bench.supply.voltage < 1.0
    bench.drive("HighVoltage.Enable", True)
    assert not bench.at(40.0).supply.ready


def test_one_arc_is_over_in_milliseconds() -> None:
    bench = Bench()
    bench.supply.arc()
    assert bench.at(20.001).supply.voltage < 30e3
    assert bench.supply.arc_trips == 1
    bench.at(20.0 + HighVoltage.RECOVERY + 1e-6)
    assert bench.supply.ready
    assert bench.supply.voltage == pytest.approx(60e3)
    assert bench.supply.arc_rate == 1
    assert bench.at(90.0).supply.arc_rate == 0


def test_the_current_shoots_up_and_the_beam_is_off_within_ten_milliseconds() -> None:
    bench = Bench()
    bench.drive("Beam1.Enable", True)
    bench.gun.glow(0.02)
    bench.supply.arc()
    assert bench.at(20.0 + 0.3 * ElectronGun.SURGE).gun.current > 0.09
    assert bench.at(20.01).gun.current == 0.0
    assert not bench.gun.emitting


def test_a_burst_of_arcs_latches_the_supply_until_it_is_reset() -> None:
    bench = Bench()
    for n in range(3):
        bench.at(20.0 + n * 2e-3)
        bench.supply.arc()
    assert bench.supply.latched
    assert not bench.at(30.0).supply.ready
    bench.drive("HighVoltage.Reset", True)
    assert bench.at(40.0).supply.ready


def test_a_dirty_insulator_arcs_as_often_as_it_is_dirty() -> None:
    bench = Bench()
    bench.drive("HighVoltage.Arcing", 30.0 / 60.0)
    bench.at(620.0)
    assert 220 < bench.supply.arc_trips < 380
    assert 15 < bench.supply.arc_rate < 50


def test_x_rays_through_a_gap_open_the_chain_at_once() -> None:
    bench = Bench()
    bench.drive("HighVoltage.ShieldGap", True)
    assert bench.safety.chain_closed, "no beam, no X-rays"
    bench.drive("Beam1.Enable", True)
    bench.gun.glow(0.02)
    assert not bench.safety.chain_closed
    assert SafetyChain.CAUSES[bench.safety.first_out] == "x-ray"
    assert not bench.supply.enable
    assert bench.gun.mean_current == 0.0 or not bench.gun.enable


def test_cathode_gives_less_as_it_ages_and_the_bias_tells_before() -> None:
    bench = Bench()
    bench.gun.glow(0.03)
    fresh = bench.gun.bias
    assert bench.gun.current_ratio == 1.0
    bench.drive("Beam1.CathodeWear", 0.7)
    bench.gun.glow(0.03)
    assert bench.gun.bias < 0.6 * fresh
    assert bench.gun.current_ratio == 1.0, "it still gives what is asked"
    bench.drive("Beam1.CathodeWear", 0.85)
    bench.gun.glow(0.03)
    assert bench.gun.current_ratio == pytest.approx(0.6, abs=0.01)
    assert bench.gun.bias == 0.0


def test_verification_cathode_life() -> None:
    bench = Bench()
    bench.gun.glow(0.02)
    bench.at(20.0 + ElectronGun.LIFE)
    bench.gun.glow(0.0)
    assert bench.gun.emission == pytest.approx(0.5 * ElectronGun.EMISSION, rel=1e-6)
    assert bench.gun.cathode_hours == pytest.approx(ElectronGun.LIFE)
    assert life_left(ElectronGun.EMISSION, 0.5 * ElectronGun.EMISSION, 0.02) == pytest.approx(
        ElectronGun.LIFE / 3600.0)
    assert life_left(0.01, 0.02, 0.02) == 0.0
    bench.drive("Beam1.DemandCurrent", 0.25 * ElectronGun.EMISSION)
    bench.gun.glow(0.02)
    # Half of the emission is gone; half of the rest may go.
    assert bench.gun.cathode_left == pytest.approx(ElectronGun.LIFE, rel=1e-6)


def test_heating_makes_emission() -> None:
    bench = Bench()
    usual = bench.gun.emission
    bench.drive("Beam1.Heating", 1.1)
    assert bench.gun.emission < 0.5 * usual


def test_spot_grows_with_current_focus_place_and_astigmatism_in_squares() -> None:
    bench = Bench()
    gun = bench.gun
    bench.drive("Beam1.DemandCurrent", 0.015)
    one, here = np.ones(1), np.zeros((1, 2))
    power = np.array([900.0])
    base = float(gun.radius(125e-6, one, power, here)[0])
    assert base == pytest.approx(125e-6)
    bench.drive("Beam1.FocusDrift", 0.03)
    wide = float(gun.radius(125e-6, one, power, here)[0])
    assert (4 * wide) ** 2 == pytest.approx((4 * base) ** 2 + (ElectronGun.PER_DEFOCUS * 0.03) ** 2)
    bench.drive("Beam1.FocusDrift", 0.0)
    bench.drive("Beam1.Astigmatism", 0.5)
    assert float(gun.radius(125e-6, one, power, here)[0]) > base
    bench.drive("Beam1.Stigmator", 0.5)
    assert float(gun.radius(125e-6, one, power, here)[0]) == pytest.approx(base)
    away = np.array([[0.1, 0.0]])
    assert float(gun.radius(125e-6, one, power, away)[0]) > base


def test_calibration_loss_is_unseen_by_the_gun() -> None:
    bench = Bench()
    before = bench.gun.plate_power(np.array([900.0]), np.zeros(1))
    bench.drive("Beam1.CalibrationLoss", 0.2)
    assert bench.gun.plate_power(np.array([900.0]), np.zeros(1)) == pytest.approx(0.8 * before)
    assert bench.gun.source_power(np.array([900.0])) == pytest.approx(900.0)


def test_points_melt_when_the_beam_stands_long_enough() -> None:
    metal = under_electrons(alloy("Ti-6Al-4V"))
    dwell = np.array([1e-7, 1e-4, 5e-4, 5e-3])
    pool = point_pools(metal, np.full(4, 660.0), np.full(4, 100e-6), np.full(4, 1003.0), dwell)
    assert pool.mode[0] == Mode.NONE
    assert np.all(np.diff(pool.depth) > 0)
    assert np.all(pool.peak_temperature <= metal.boiling)
    # Heat diffuses about sqrt(4 a t) down: some 0.1 mm in half a millisecond.
    assert 5e-5 < pool.depth[2] < 3e-4

"""Deposition equipment: heat against its differential equations, powder's way, window, head."""

from __future__ import annotations

from math import exp

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from tests.ded_bench import ded_program
from twin.equipment.deposition_head import DepositionHead
from twin.equipment.deposition_laser import DepositionLaser
from twin.equipment.powder_feeder import Hopper
from twin.equipment.substrate import DepositedPart
from twin.machine import AMBIENT, Plant
from twin.machines.ded_powder import DedPowder
from twin.materials import STEFAN_BOLTZMANN, alloy

STEEL = alloy("316L")


class Bed(Plant):
    """A part on its plate and nothing else."""

    def __init__(self) -> None:
        super().__init__(1)
        self.part = self.add("Part", DepositedPart())
        self.assemble()


def test_verification_part_and_plate_follow_their_differential_equations() -> None:
    """Two coupled bodies with radiation, against a stiff solver: within 2 % of the rise."""
    bed = Bed()
    part = bed.part
    part.load(STEEL)
    part.laid(0.05, 6e-4, 12e-3, 0.0)
    power, began = 250.0, bed.env.now
    part.heat(power)

    def rates(_: float, y: np.ndarray) -> list[float]:
        t, tp = y
        warm = min(max(t, 300.0), STEEL.solidus)
        near = 0.5 * 2 / 3 * np.pi * (6e-4 / np.pi) ** 1.5 * float(STEEL.density(300.0))
        capacity = (0.05 + near) * float(STEEL.specific_heat(warm))
        k = float(STEEL.conductivity(warm))
        through = 1 / (1 / (part.SPREADING * k * np.sqrt(6e-4)) + 0.5 * 12e-3 / (k * 6e-4))
        skin = 6e-4 + 4 * np.sqrt(6e-4) * 12e-3
        lost = skin * (part.TRANSFER * (t - AMBIENT)
                       + part.EMISSIVITY * STEFAN_BOLTZMANN * (t**4 - AMBIENT**4))
        flow = through * (t - tp)
        return [(power - flow - lost) / capacity,
                (flow - part.TABLE * (tp - AMBIENT)) / part.PLATE_CAPACITY]

    times = np.array([5.0, 20.0, 60.0, 300.0, 1200.0])
    solved = solve_ivp(rates, (0, 1200), [AMBIENT, AMBIENT], t_eval=times, method="LSODA",
                       rtol=1e-8)
    for at, wanted, plate in zip(times, *solved.y, strict=True):
        bed.advance(began + at)
        part.sense(bed.env.now)
        assert part.temperature - AMBIENT == pytest.approx(wanted - AMBIENT, rel=0.02, abs=2.0)
        assert part.plate_temperature - AMBIENT == pytest.approx(plate - AMBIENT, rel=0.03, abs=1.0)


def test_looking_at_the_part_changes_nothing() -> None:
    seen = []
    for looks in (1, 400):
        bed = Bed()
        bed.part.load(STEEL)
        bed.part.laid(0.05, 6e-4, 12e-3, 0.0)
        bed.part.heat(300.0)
        for moment in np.linspace(0, 600, looks + 1)[1:]:
            bed.advance(float(moment))
            bed.part.sense(float(moment))
        seen.append((bed.part.temperature, bed.part.plate_temperature))
    assert seen[0] == seen[1]


def test_verification_plate_heater_holds_its_setpoint() -> None:
    bed = Bed()
    bed.part.load(STEEL)
    bed.drive("Part.TemperatureDemand", 473.15)
    bed.advance(2000.0)
    bed.part.sense(2000.0)
    assert bed.part.plate_temperature == pytest.approx(473.15, abs=1e-6)
    # What the heater gives is what the table takes.
    assert bed.part.heater_power == pytest.approx(bed.part.TABLE * 180.0, rel=0.01)
    bed.drive("Part.HeaterFailure", True)
    bed.advance(4000.0)
    bed.part.sense(4000.0)
    assert bed.part.plate_temperature < 320.0


# -- powder --------------------------------------------------------------------------------------


@pytest.fixture
def fed() -> DedPowder:
    """A machine with its gas on, both hoppers full."""
    plant = DedPowder(1)
    plant.load(ded_program(recipe="316L-to-IN625").job)
    plant.drive("Gas.CarrierDemand", 6e-3 / 60)
    plant.advance(20.0)
    return plant


def test_verification_flow_lags_is_delayed_and_mixes(fed: DedPowder) -> None:
    feeder = fed.feeder
    rate = 2.0 / 60  # turns per s
    fed.drive("Feeder.Hopper1.Demand", rate)
    flow = rate * Hopper.PER_TURN * feeder.hoppers[0].bulk
    times = 20.0 + np.array([1.0, 2.0 + 1.2, 30.0])
    seen = feeder.flows(times)[:, 0]
    assert seen[0] == 0.0
    assert seen[1] == pytest.approx(flow * (1 - exp(-1)), rel=0.03)
    assert seen[2] == pytest.approx(flow, rel=0.02)
    fed.advance(60.0)
    fed.drive("Feeder.Hopper1.Demand", 0.5 * rate)
    fed.drive("Feeder.Hopper2.Demand", 0.5 * rate)
    fed.advance(90.0)
    late = feeder.flows(np.linspace(90.0, 92.0, 200)).mean(axis=0)
    share = late[1] / late.sum()
    dense = [hopper.bulk for hopper in feeder.hoppers]
    assert share == pytest.approx(dense[1] / sum(dense), rel=0.01)


def test_verification_many_changes_lose_no_powder(fed: DedPowder) -> None:
    """Written 20 times a second, the demand's mean is what comes out behind lag and hose."""
    for number in range(400):
        fed.drive("Feeder.Hopper1.Demand", (2.0 + (number % 2)) / 60)
        fed.advance(20.0 + 0.05 * (number + 1))
    now = fed.env.now
    flow = fed.feeder.flows(np.linspace(now, now + 1.9, 800))[:, 0].mean()
    hopper = fed.feeder.hoppers[0]
    assert flow == pytest.approx(2.5 / 60 * Hopper.PER_TURN * hopper.bulk, rel=0.02)


def test_verification_what_leaves_the_hopper_is_what_the_meter_counts(fed: DedPowder) -> None:
    hopper = fed.feeder.hoppers[0]
    before, metered = float(hopper.mass), fed.consumption.feedstock
    fed.drive("Feeder.Hopper1.Demand", 3.0 / 60)
    fed.advance(50.0)
    fed.drive("Feeder.Hopper1.Demand", 1.0 / 60)
    fed.advance(400.0)
    fed.drive("Feeder.Hopper1.Demand", 0.0)
    fed.advance(500.0)
    fed.feeder.account()
    turns = 3.0 / 60 * 30.0 + 1.0 / 60 * 350.0
    wanted = turns * Hopper.PER_TURN * hopper.bulk
    assert before - hopper.mass == pytest.approx(wanted, rel=1e-6)
    assert fed.consumption.feedstock - metered == pytest.approx(wanted, rel=1e-6)


def test_without_carrier_gas_no_powder_comes(fed: DedPowder) -> None:
    fed.drive("Feeder.Hopper1.Demand", 2.0 / 60)
    fed.advance(60.0)
    fed.drive("Gas.SupplyFailure", True)
    fed.advance(70.0)
    assert fed.feeder.flows(np.array([70.0])).sum() < 1e-7


def test_a_hopper_runs_empty_at_its_time(fed: DedPowder) -> None:
    hopper = fed.feeder.hoppers[0]
    fed.drive("Feeder.Hopper1.Missing", float(hopper.mass) - 0.01)
    fed.drive("Feeder.Hopper1.Demand", 2.0 / 60)
    rate = 2.0 / 60 * Hopper.PER_TURN * hopper.bulk
    due = 20.0 + 0.01 / rate + Hopper.LAG
    fed.advance(due - 2.0)
    fed.sense(fed.env.now)
    hopper.sense(fed.env.now)
    assert hopper.mass > 0
    fed.advance(due + 2.0)
    assert hopper.empty
    fed.advance(due + 30.0)
    assert fed.feeder.flows(np.array([due + 30.0])).sum() == pytest.approx(0.0, abs=1e-9)


# -- laser and camera ----------------------------------------------------------------------------


def test_verification_window_warms_by_what_it_absorbs(fed: DedPowder) -> None:
    laser = fed.laser
    fed.drive("Laser.Contamination", 0.2)
    laser.show(np.array([20.0]), np.array([1000.0]), 0.3, 1000.0)
    fed.advance(20.0 + 3 * laser.WARMING)
    laser.sense(fed.env.now)
    absorbed = 1000.0 * (1 - DepositionLaser.WINDOW * 0.8)
    rise = laser.HEATING * absorbed * (1 - exp(-3))
    assert laser.window_temperature - 295.15 == pytest.approx(rise, rel=1e-6)


def test_a_hot_window_opens_the_chain(fed: DedPowder) -> None:
    fed.drive("Laser.Contamination", 0.5)
    fed.laser.show(np.array([20.0]), np.array([1000.0]), 0.3, 1000.0)
    fed.advance(200.0)
    assert not fed.safety.chain_closed
    assert fed.safety.first_out == fed.safety.OPTICS


def test_the_regulator_holds_the_width_until_its_limit(fed: DedPowder) -> None:
    pool, laser = fed.pool, fed.laser
    law = pool.law
    assert law is not None
    fed.drive("Pool.Regulate", True)
    fed.drive("Pool.WidthDemand", law.width)
    fed.drive("Pool.Authority", 0.2)
    n = 200
    step, speed = np.full(n, 0.05), np.full(n, law.speed)
    age = np.cumsum(step)
    for cold, reached in ((80.0, True), (500.0, False)):
        warm = np.full(n, law.temperature - cold)
        asked, widths, _ = pool.march(laser, law.power / laser.WINDOW, speed, warm, step,
                                      law.width, 0.0, age)
        held = bool(abs(widths[-1] / law.width - 1) < 0.002)
        assert held is reached
        assert asked.max() <= 1.2 * law.power / laser.WINDOW * (1 + 1e-9)


# -- head ----------------------------------------------------------------------------------------


def _running(layers: int = 3) -> DedPowder:
    plant = DedPowder(1)
    plant.load(ded_program(layers=layers).job)
    for path, value in (("Chiller.Run", True), ("Gas.CarrierDemand", 6e-3 / 60),
                        ("Gas.ShieldDemand", 18e-3 / 60), ("Laser.Power", 950.0),
                        ("Feeder.Hopper1.Demand", 2.2 / 60), ("Head.StandOffDemand", 10e-3),
                        ("Head.Feed", 10e-3), ("Head.Park", False)):
        plant.drive(path, value)
    plant.advance(15.0)
    plant.drive("Laser.Enable", True)
    plant.drive("Head.Layer", 1)
    return plant


def test_verification_the_surface_holds_what_was_caught() -> None:
    plant = _running()
    plant.drive("Head.Run", True)
    plant.advance(100.0)
    assert plant.layers_done == 1
    assert plant.head.map is not None
    assert plant.head.map.volume == pytest.approx(plant.consumption.built_volume, rel=1e-9)


def test_a_pause_within_a_pass_leaves_no_gap() -> None:
    volumes = []
    for pauses in (0, 3):
        plant = _running()
        plant.drive("Head.Run", True)
        for number in range(pauses):
            plant.advance(17.3 + 2.7 * number)
            plant.drive("Head.Run", False)
            plant.advance(18.1 + 2.7 * number)
            plant.drive("Head.Run", True)
        plant.advance(120.0)
        assert plant.layers_done == 1
        (event,) = [e for e in plant.happened if e.kind == "layer"]
        assert plant.head.map is not None
        volumes.append((event.fields["path_length"], plant.head.map.volume))
    assert volumes[1][0] == pytest.approx(volumes[0][0], rel=1e-9)
    # The pool has to be made again at each start.
    assert volumes[1][1] / volumes[0][1] == pytest.approx(1.0, abs=0.1)


def test_twenty_writes_a_second_act_within_the_pass() -> None:
    plant = _running()
    plant.drive("Head.Run", True)
    plant.advance(16.0)
    assert plant.head.depositing
    begun, speeds = plant.env.now, []
    for number in range(20):
        plant.drive("Head.Feed", 10e-3 * (1 + 0.3 * ((number % 2) * 2 - 1)))
        plant.advance(begun + 0.05 * (number + 1) + 1e-6)
        plant.head.sense(plant.env.now)
        speeds.append(plant.head.speed)
    assert {round(s * 1e3, 6) for s in speeds[2:]} == {7.0, 13.0}
    run = plant.head._run
    assert run is not None
    assert (np.diff(run.reached) > 0).all()
    assert np.diff(run.reached) == pytest.approx(run.speed * np.diff(run.times), rel=1e-6)


def test_every_change_acts_from_the_next_tick_and_what_was_is_kept() -> None:
    plant = _running()
    plant.drive("Head.Run", True)
    plant.advance(16.0)
    run = plant.head._run
    assert run is not None
    assert run.deposit is not None
    k = int(np.searchsorted(run.times, plant.env.now))
    before = run.deposit.fields["power"].copy()
    plant.drive("Laser.Power", 700.0)
    after = run.deposit.fields["power"]
    assert (after[:k] == before[:k]).all()
    assert (after[k:] < 0.8 * before[k:]).all()
    assert abs(plant.head.tick - DepositionHead.TICK) < 1e-12

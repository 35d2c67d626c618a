"""The bed's course against an accurate integration, and at rest against its balance."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

from twin.materials import STEFAN_BOLTZMANN
from twin.physics.bed_heat import BedHeat, course

HEAT = BedHeat(surface=800.0, stack=3500.0, between=15.0, walls=0.25, gas=0.1,
               radiating=0.0075, cold=300.0)


@pytest.mark.parametrize(("power", "surface", "stack"), [
    (1500.0, 293.0, 293.0), (0.0, 1003.0, 960.0), (600.0, 980.0, 990.0)])
def test_verification_course(power: float, surface: float, stack: float) -> None:
    times, tops, feet = course(HEAT, power, surface, stack)
    truth = solve_ivp(lambda _, y: HEAT.rates(y[0], y[1], power), (0.0, 40_000.0),
                      [surface, stack], t_eval=[t for t in times if t < 40_000.0],
                      method="LSODA", rtol=1e-9, atol=1e-6).y
    n = truth.shape[1]
    assert np.abs(np.array(tops[:n]) - truth[0]).max() < 2.5
    assert np.abs(np.array(feet[:n]) - truth[1]).max() < 2.5
    # Where a layer takes place it is far better.
    soon = sum(t < 60.0 for t in times)
    assert np.abs(np.array(tops[:soon]) - truth[0][:soon]).max() < 0.3


def test_at_rest_power_is_what_is_lost() -> None:
    _, tops, feet = course(HEAT, 700.0, 900.0, 900.0)
    ts, tp = tops[-1], feet[-1]
    lost = (HEAT.radiating * STEFAN_BOLTZMANN * (ts**4 - 300.0**4) + HEAT.walls * (tp - 300.0)
            + HEAT.gas * (ts - 300.0))
    assert lost == pytest.approx(700.0, rel=1e-4)
    balance = brentq(lambda t: HEAT.radiating * STEFAN_BOLTZMANN * (t**4 - 300.0**4)
                     + 0.1 * (t - 300.0) + 0.25 * (tp - 300.0) - 700.0, 300.0, 2000.0)
    assert ts == pytest.approx(balance, abs=0.1)

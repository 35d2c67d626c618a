"""The gas metal arc: melting rate, circuit, self-regulation, beads, interpass heat, shielding."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from twin.machine import AMBIENT
from twin.materials import STEFAN_BOLTZMANN, alloy
from twin.physics import arc
from twin.physics.arc import arc_for

STEEL, D = alloy("ER70S-6"), 1.2e-3
ARC = arc_for(STEEL, D)


def test_usual_deposition_rates_need_usual_currents() -> None:
    # 15 to 160 g/min are usual with gas metal arcs (Rodrigues et al. 2019): 1.2 mm wire, and
    # 1.6 mm at the upper end, carry it with currents that such wires are used at.
    for rate, diameter, gap in ((15.0, D, 0.016), (80.0, D, 0.016), (160.0, 1.6e-3, 0.029)):
        feed = rate * 1e-3 / 60 / (float(STEEL.density(AMBIENT)) * np.pi * diameter**2 / 4)
        wire_ = arc_for(STEEL, diameter)
        state = wire_.steady(feed, gap, wire_.setting_for(feed, gap, 4e-3))
        assert 45 < float(state.current) < 500
        assert float(state.length) == pytest.approx(4e-3, abs=1e-6)


def test_steady_arc_verification_satisfies_both_equations() -> None:
    feed, gap = np.meshgrid(np.array([3.0, 6.0, 10.0]) / 60, [0.010, 0.015, 0.020])
    state = ARC.steady(feed, gap, 27.0)
    assert ARC.melting_rate(state.current, state.extension) == pytest.approx(feed, rel=1e-9)
    assert state.voltage + ARC.slope * state.current == pytest.approx(27.0, rel=1e-9)
    assert state.length + state.extension == pytest.approx(gap)


def test_more_distance_is_less_current() -> None:
    gaps = np.linspace(0.010, 0.022, 7)
    current = ARC.steady(6 / 60, gaps, 26.8).current
    assert np.all(np.diff(current) < 0)
    assert -6.0 < (current[-1] - current[0]) / 12 < -2.0  # A per mm


def test_self_regulation_verification_against_integration() -> None:
    feed, gap = 6 / 60, 0.015
    setting = ARC.setting_for(feed, gap, 4e-3)
    steady = ARC.steady(feed, gap, setting)

    def rate(_: float, length: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
        extension = gap - length
        ohms = ARC.ohmic + ARC.slope + ARC.ohms * extension
        current = (setting - ARC.fixed - ARC.gradient * length) / ohms
        return np.asarray(ARC.melting_rate(current, extension) - feed)

    tau = ARC.regulation_time(float(steady.current), float(steady.extension))
    disturbed = solve_ivp(rate, (0, 6 * tau), [4.2e-3], rtol=1e-9, dense_output=True)
    back = (disturbed.sol(tau)[0] - 4e-3) / 0.2e-3
    assert back == pytest.approx(np.exp(-1), abs=0.05)
    assert disturbed.y[0, -1] == pytest.approx(4e-3, abs=2e-6)
    assert 0.03 < tau < 0.3


def test_too_little_voltage_stubs_and_too_much_is_long() -> None:
    assert float(ARC.steady(10 / 60, 0.015, 22.0).length) < 0
    assert float(ARC.steady(4 / 60, 0.015, 33.0).length) > ARC.longest


def test_heat_input_and_bead() -> None:
    assert float(arc.heat_input(24.0, 200.0, 8e-3)) == pytest.approx(0.8 * 4800 / 8e-3)
    state = ARC.steady(6 / 60, 0.015, 26.8)
    widths, heights, areas = arc.arc_bead(STEEL, D, 6 / 60, 8e-3, state.power,
                                          np.array([300.0, 450.0, 600.0, 750.0]))
    assert np.all(np.diff(widths) > 0)
    assert np.all(np.diff(heights) < 0)
    assert areas == pytest.approx(0.1 * np.pi * D**2 / 4 / 8e-3)
    assert 2 / 3 * widths * heights == pytest.approx(areas)
    # Usual gas-metal-arc walls of steel: 5 to 10 mm wide, 1.5 to 4 mm a layer.
    assert 5e-3 < widths[1] < 10e-3
    assert 1.5e-3 < heights[1] < 4e-3


WALL = {"capacity": 4000.0, "area": 0.08, "convection": 10.0, "emissivity": 0.7}


def test_interpass_balance_verification_against_integration() -> None:
    def rate(_: float, t: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
        lost = 0.08 * (10.0 * (t - AMBIENT) + 0.7 * STEFAN_BOLTZMANN * (t**4 - AMBIENT**4))
        return np.asarray((1500.0 - lost) / 4000.0)

    truth = solve_ivp(rate, (0, 600), [AMBIENT], rtol=1e-9, t_eval=[100.0, 300.0, 600.0]).y[0]
    temperature, seen = AMBIENT, []
    for step in range(60):
        temperature = arc.interpass_step(temperature, 10.0, power=1500.0, **WALL)
        if step + 1 in (10, 30, 60):
            seen.append(temperature)
    assert np.array(seen) == pytest.approx(truth, rel=2e-3)


def test_dwell_verification_against_stepping() -> None:
    dwell = arc.cooling_time(700.0, 423.0, **WALL)
    temperature = 700.0
    for _ in range(100):
        temperature = arc.interpass_step(temperature, dwell / 100, power=0.0, **WALL)
    assert temperature == pytest.approx(423.0, abs=1.0)
    assert arc.cooling_time(400.0, 423.0, **WALL) == 0.0
    with pytest.raises(ValueError, match="limit must be above ambient"):
        arc.cooling_time(700.0, 290.0, **WALL)


def test_shielding() -> None:
    litre = 1e-3 / 60
    assert float(arc.shielding(16 * litre, 0.015)) == 1.0
    assert float(arc.shielding(6 * litre, 0.015)) == pytest.approx(0.5)
    assert float(arc.shielding(16 * litre, 0.015, draught=3.0)) == pytest.approx(0.5)
    assert float(arc.shielding(16 * litre, 0.040)) < 0.3
    assert float(arc.porosity_of_shielding(0.0)) > 0.05
    assert float(arc.porosity_of_shielding(1.0)) < 1e-3

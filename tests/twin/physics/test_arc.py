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


def test_melting_rate_constants_verification() -> None:
    # Usual figures of 1.2 mm steel wire: a 0.3 mm/(A s), b 5e-5 1/(A2 s) (Norrish after Halmoy).
    assert pytest.approx(0.3e-3, rel=0.02) == ARC.alpha
    assert pytest.approx(5e-5, rel=0.02) == ARC.beta


@pytest.mark.parametrize(("diameter", "current", "ipm", "miss"), [
    (0.045, 125.0, 125.0, -0.08), (0.035, 125.0, 200.0, 0.05), (0.030, 90.0, 180.0, 0.13),
    (0.030, 62.5, 125.0, 0.06), (0.035, 62.5, 100.0, -0.07)])
def test_melting_rate_validation_chart(diameter: float, current: float, ipm: float,
                                       miss: float) -> None:
    # Solid steel wire, short-circuit range, extension about 8 mm: setting charts of Miller
    # (OM-228042) and Hobart (OM-283007, OM-925): 1, 1.6 and 2 in/min per A. +- 15 %.
    found = float(arc_for(STEEL, diameter * 0.0254).melting_rate(current, 8e-3)) / 0.0254 * 60
    assert found / ipm - 1 == pytest.approx(miss, abs=0.03)


@pytest.mark.parametrize(("diameter", "extension", "current", "feed", "miss"), [
    (1.143, 17, 120, 3.4, -0.04), (1.143, 17, 150, 4.7, -0.08), (1.143, 17, 180, 6.4, -0.14),
    (1.143, 17, 275, 11.5, -0.12), (1.143, 17, 340, 16.5, -0.16), (1.588, 23, 235, 3.8, -0.04),
    (1.588, 23, 325, 6.4, -0.11), (1.588, 23, 460, 11.4, -0.17)])
def test_melting_rate_validation_metal_cored_miss(
    diameter: float, extension: float, current: float, feed: float, miss: float
) -> None:
    # Lincoln MC-715 metal-cored steel wire, 75-95 % Ar, tip distance 19-25 and 25-32 mm: the
    # maker's table of feed (m/min) and current. A solid wire's model is 4 to 17 % low, as it
    # must be: only the sheath carries current, so it is hotter. Shape over 1:4 in feed holds.
    wire_ = arc_for(STEEL, diameter * 1e-3)
    found = float(wire_.melting_rate(current, extension * 1e-3)) * 60
    assert found / feed - 1 == pytest.approx(miss, abs=0.03)


def test_arc_efficiency_validation() -> None:
    # GMAW 0.84 +- 0.04 by calorimeter (DuPont and Marder 1995); the model's is that of EN 1011-1.
    assert pytest.approx(0.84, abs=0.05) == arc.ARC_EFFICIENCY


def test_deposition_range_validation() -> None:
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


@pytest.mark.parametrize(("quantity", "measured", "miss"), [("width", 0.752, 0.13),
                                                            ("height", 0.806, 0.05)])
def test_bead_over_travel_speed_validation_316l(quantity: str, measured: float,
                                                miss: float) -> None:
    # 316L, 5 m/min, 19 V, travel 125 and 175 mm/min: beads 8.28 x 5.30 and 6.23 x 4.27 mm
    # (dataset of GMAW-based WAAM of SS316L, published with Deepug-07/Bead_predictor). Ratios, as
    # the wire's diameter is not given. The source's own section falls by 39 %, a mass balance
    # asks for 29 %: the width misses by 13 %, the height by 5 %.
    metal = alloy("316L")
    wire_ = arc_for(metal, D)
    power = wire_.steady(5 / 60, 0.015, wire_.setting_for(5 / 60, 0.015, 3e-3)).power
    speeds = np.array([125.0, 175.0]) / 60e3
    width, height, _ = arc.arc_bead(metal, D, 5 / 60, speeds, power, 350.0)
    ratio = (width if quantity == "width" else height)
    assert ratio[1] / ratio[0] / measured - 1 == pytest.approx(miss, abs=0.05)


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

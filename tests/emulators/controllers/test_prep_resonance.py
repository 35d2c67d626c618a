"""Resonance of a rotating electrode: order of the signals, right and wrong answers to it."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, log
from statistics import pstdev

import pytest

from emulators.controllers.states import MachineState as S
from tests.prep_bench import PrepBench, atomizing, prep_bench_program

pytestmark = pytest.mark.timeout(60)


def scatter(trace: Sequence[tuple[float, float]], window: float = 20.0
            ) -> list[tuple[float, float]]:
    """Standard deviation of ln of the drops' size over the last seconds, one value a second."""
    seconds = {int(t): log(v) for t, v in trace if v > 0.0}
    found = []
    for t in sorted(seconds)[int(window):]:
        found.append((float(t), pstdev([v for s, v in seconds.items() if t - window < s <= t])))
    return found


def test_order_of_signals_of_a_rod_that_bows_more_and_more() -> None:
    """Vibration, then the bearing's temperature, then drops that scatter; a calm run beside it."""
    calm, bowed = (atomizing(prep_bench_program(rods__length=0.6, rods__count=1), after=80)
                   for _ in range(2))
    drops = "Canister.DropSize"
    bowed.watch(drops)
    bow, seen = 0.0, []
    while bowed.state is S.BUILDING and bow < 9.0:
        bow += 0.15
        bowed.fault("Spindle.RodBow", bow)
        bowed.rest(4.0)
        calm.rest(bowed.time - calm.time)
        seen.append((bowed.time, *(
            bowed.read(path) - calm.read(path) for path in (
                "Spindle.VibrationX", "Spindle.BearingTemperature"))))
    shakes = next(t for t, vibration, _ in seen if vibration > 0.3)
    heats = next(t for t, _, warmer in seen if warmer > 0.5)
    # Four times what the camera's noise makes of even drops.
    scatters = next((t for t, v in scatter(bowed.traces[drops]) if v > 0.02), inf)
    assert shakes < heats < scatters < inf
    assert "VibrationRising" in bowed.raised()


def approaching(unbalance: float, skip: bool) -> PrepBench:
    """A rod that runs a little above its critical speed, which rises as it burns off."""
    bench = atomizing(prep_bench_program(
        rods__length=0.5, rods__count=1, rotation__speed=9400 / 60, arc__power=120e3,
        rotation__band=0.1), after=0)
    if not skip:
        bench.write("Process.SkipBand", False)
    bench.fault("Spindle.Unbalance", unbalance)
    return bench


def test_vibration_at_turning_speed_shifts_its_phase_before_it_is_too_much() -> None:
    bench = approaching(0.9, skip=False)
    bench.watch("Spindle.Phase", "Spindle.VibrationX")
    bench.until(lambda: bench.state is not S.BUILDING, 300)
    assert bench.raised()[-1] in ("VibrationXHigh", "VibrationYHigh")
    held = bench.time
    grows = bench.departs("Spindle.VibrationX", 0.1)
    turns = bench.departs("Spindle.Phase", 0.05)
    assert max(grows, turns) < held


def test_right_answer_arc_off_then_down_then_balanced_saves_the_rod() -> None:
    bench = approaching(0.9, skip=False)
    bench.watch("Arc.Current", "Spindle.Speed", "Spindle.VibrationX")
    with bench.closely():
        bench.until(lambda: bench.state is S.SUSPENDED, 300)
        bench.rest(3)
    assert bench.departs("Arc.Current", 0.5) <= bench.departs("Spindle.Speed", 0.01)
    bench.until(lambda: not bench.plant.spindle.turning, 300)
    # Straight down: the rod has not bent and the monitor, at its passing level, has not tripped.
    assert bench.plant.safety.chain_closed
    assert bench.plant.spindle.bow < 0.2e-6
    assert bench.call("Service.Balance") == "rotor balanced"
    bench.write("Process.SkipBand", True)
    bench.job("Resume")
    bench.finish()
    assert bench.layers()[0]["stub"] == pytest.approx(50e-3, abs=1e-3)
    assert bench.layers()[0]["vibration"] < 7e-3


def test_wrong_answer_slower_with_the_arc_on_stays_at_the_critical_speed_and_loses_the_rod(
) -> None:
    bench = approaching(0.9, skip=False)
    bench.write("Process.VibrationLimit", 7.0)
    bench.rest(20)
    critical = bench.read("Rod.CriticalSpeed")
    bench.write("Process.Speed", critical)
    bench.to_state(S.ABORTED, 300)
    assert bench.read("Safety.FirstOut") == bench.plant.safety.VIBRATION
    (rod,) = [op for op in bench.operations if op.name == "atomize"]
    rest = [o for o in rod.outputs if getattr(o, "kind", "") == "stub"]
    assert rest[0].mass > 0.5 * rod.inputs[0].mass
    assert bench.plant.spindle.wear > 0.0


def test_skip_band_keeps_a_speed_out_of_it() -> None:
    """Asked for the critical speed, the program takes the edge of its band, arc on."""
    bench = approaching(0.4, skip=True)
    bench.rest(20)
    bench.write("Process.Speed", bench.read("Rod.CriticalSpeed"))
    bench.rest(60)
    critical = bench.plant.spindle.critical() * 60
    assert abs(bench.read("Spindle.Speed") / critical - 1.0) > 0.07
    assert bench.state is S.BUILDING
    assert "VibrationXHigh" not in bench.raised()

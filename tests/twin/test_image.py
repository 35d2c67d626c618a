"""Readings: bounded noise that does not depend on looking, faults, spans that really bound."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.faults import SensorFault, SensorFaultKind
from twin.image import NOISE_BOUND, Quality, Readings, gauss, noise_key
from twin.signals import Component, measured
from twin.trajectory import Relaxation


class Probe(Component):
    """Sensors of every sort."""

    warmth = measured("degC", low=0, high=100, start=20, noise=0.5, quantum=0.1, doc="noisy")
    exact = measured("m", low=0, high=10, start=5, doc="noiseless")
    light = measured("mV", low=0, high=1000, noise=4, quantum=0.5, doc="dark at 0")
    count = measured(int, low=0, high=9, start=3, doc="integer")
    switch = measured(bool, doc="bool")


def readings(seed: int = 1) -> tuple[Probe, Readings]:
    root, probe = Component(), Probe()
    root.add("Probe", probe)
    return probe, Readings(root, seed)


def value(found: Readings, name: str) -> object:
    return found.values[found.index[f"Probe.{name}"]]


@given(st.integers(0, 2**40), st.integers(0, 2**31))
def test_noise_is_bounded(seed: int, scan: int) -> None:
    draws = gauss(np.array([noise_key(seed, p) for p in ("a", "b")], np.uint64), scan)
    assert (np.abs(draws) <= NOISE_BOUND).all()
    assert draws[0] != draws[1]


def test_noise_is_near_normal() -> None:
    keys = np.array([noise_key(s, "x") for s in range(20_000)], np.uint64)
    draws = gauss(keys, 17)
    assert draws.mean() == pytest.approx(0, abs=0.03)
    assert draws.std() == pytest.approx(1, abs=0.02)
    later = np.array([gauss(keys[:1], k)[0] for k in range(5000)])
    assert abs(np.corrcoef(later[1:], later[:-1])[0, 1]) < 0.05


@given(st.sets(st.integers(1, 500), max_size=30))
def test_a_reading_does_not_depend_on_how_often_one_looks(scans: set[int]) -> None:
    (_, often), (_, once) = readings(), readings()
    for scan in sorted(scans):
        often.latch(scan, scan * 0.05)
    often.latch(501, 25.05)
    once.latch(501, 25.05)
    assert often.values == once.values


def test_quantum_and_seed() -> None:
    (_, one), (_, two) = readings(1), readings(2)
    one.latch(1, 0.05)
    two.latch(1, 0.05)
    assert round(value(one, "Warmth"), 1) == value(one, "Warmth")  # type: ignore[call-overload]
    assert value(one, "Warmth") != value(two, "Warmth")
    assert value(one, "Exact") == 5.0


def test_a_sensor_at_the_end_of_its_range_is_silent() -> None:
    probe, found = readings()
    probe.warmth = 1000.0
    for scan in range(1, 50):
        found.latch(scan, scan * 0.05)
        assert value(found, "Light") == 0.0
        assert value(found, "Warmth") == 100.0


faults = st.builds(
    SensorFault,
    st.sampled_from(SensorFaultKind),
    st.floats(-50, 50),
    st.floats(0, 0.05),
    st.floats(0, 100),
)


@given(
    st.floats(250, 400), st.floats(250, 400), st.floats(0.1, 100), st.none() | faults,
    st.integers(1, 5000), st.integers(1, 400),
)
def test_span_bounds_readings(
    first: float, target: float, tau: float, wrong: SensorFault | None, scan: int, length: int
) -> None:
    probe, found = readings()
    start = scan * 0.05
    probe.follow("warmth", Relaxation(0.0, first, target, tau))
    if wrong is not None:
        found.set_fault("Probe.Warmth", wrong)
    found.latch(scan, start)
    low, high = found.span("Probe.Warmth", start, (scan + length) * 0.05)
    for k in np.linspace(scan, scan + length, 9).astype(int):
        found.latch(int(k), k * 0.05)
        assert low - 1e-6 <= value(found, "Warmth") <= high + 1e-6  # type: ignore[operator]


@pytest.mark.parametrize(
    ("kind", "size", "wanted"),
    [("bias", 2.0, 7.0), ("scale", 0.5, 2.5), ("drift", 36.0, 5.5), ("stuck", 9.0, 5.0),
     ("dropout", 0.0, 0.0)],
)
def test_sensor_faults(kind: str, size: float, wanted: float) -> None:
    probe, found = readings()
    found.set_fault("Probe.Exact", SensorFault(SensorFaultKind(kind), size, 10.0))
    found.latch(200, 10.0)
    if kind == "stuck":
        probe.exact = 8.0
    found.latch(1200, 60.0)
    assert value(found, "Exact") == pytest.approx(wanted)
    quality = found.quality[found.index["Probe.Exact"]]
    assert quality == (Quality.BAD if kind == "dropout" else Quality.GOOD)
    found.set_fault("Probe.Exact", None)
    found.latch(1201, 60.05)
    assert value(found, "Exact") == probe.exact
    assert found.quality[found.index["Probe.Exact"]] == Quality.GOOD


def test_added_noise_is_reproducible_and_not_the_sensor_s_own() -> None:
    (_, one), (_, two) = readings(), readings()
    for found in (one, two):
        found.set_fault("Probe.Exact", SensorFault(SensorFaultKind.NOISE, 1.0, 0.0))
    seen = set()
    for scan in range(1, 20):
        one.latch(scan, scan * 0.05)
        seen.add(value(one, "Exact"))
    two.latch(19, 0.95)
    assert value(two, "Exact") == value(one, "Exact")
    assert len(seen) == 19


def test_bools_and_integers_stick_too() -> None:
    probe, found = readings()
    for path in ("Probe.Switch", "Probe.Count"):
        found.set_fault(path, SensorFault(SensorFaultKind.STUCK, 0.0, 0.05))
    found.latch(1, 0.05)
    probe.switch, probe.count = True, 7
    found.latch(2, 0.1)
    assert (value(found, "Switch"), value(found, "Count")) == (False, 3)


def test_forced_values_win_and_end() -> None:
    _, found = readings()
    found.forced["Probe.Exact"] = 1.25
    found.latch(1, 0.05)
    assert value(found, "Exact") == 1.25
    assert found.span("Probe.Exact", 0.0, 9.0) == (1.25, 1.25)
    del found.forced["Probe.Exact"]
    found.latch(2, 0.1)
    assert value(found, "Exact") == 5.0


def test_a_fault_needs_a_sensor() -> None:
    with pytest.raises(KeyError):
        readings()[1].set_fault("Probe.Missing", None)

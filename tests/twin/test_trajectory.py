"""Closed forms: spans bound what is seen, looking changes nothing, snapshots are exact."""

from __future__ import annotations

import json
from math import exp, inf, isfinite

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from twin.trajectory import (
    Constant,
    Polyline,
    Ramp,
    Relaxation,
    Steps,
    Trajectory,
    revive,
    store,
)

numbers = st.floats(-1e3, 1e3)
times = st.floats(0.0, 1e3)
rates = st.floats(1e-3, 1e3)


@st.composite
def polylines(draw: st.DrawFn) -> Polyline:
    at = sorted(draw(st.lists(times, min_size=1, max_size=6, unique=True)))
    return Polyline(tuple(at), tuple(draw(numbers) for _ in at))


@st.composite
def steps(draw: st.DrawFn) -> Steps:
    at = sorted(draw(st.lists(times, min_size=1, max_size=6)))
    return Steps(np.array(at), np.array([draw(numbers) for _ in at]))


storable = st.one_of(
    st.builds(Constant, numbers),
    st.builds(Ramp, times, numbers, numbers, rates),
    st.builds(Relaxation, times, numbers, numbers, rates),
    st.builds(Relaxation, times, numbers, numbers, rates, rates, numbers),
    polylines(),
)


@given(storable | steps(), st.lists(times, min_size=2, max_size=30))
def test_span_bounds_every_value_within_it(form: Trajectory, moments: list[float]) -> None:
    since = getattr(form, "since", 0.0)
    looks = sorted(since + t for t in moments)
    low, high = form.span(looks[0], looks[-1])
    reach = 1e-9 * (1 + abs(low) + abs(high))
    for look in looks:
        assert low - reach <= form.at(look) <= high + reach


@given(storable, st.lists(times, max_size=20), times)
def test_looking_is_pure(form: Trajectory, looks: list[float], last: float) -> None:
    since = getattr(form, "since", 0.0)
    before = form.at(since + last)
    for look in looks:
        form.at(since + look)
        form.span(since + look, since + look + 1.0)
    assert form.at(since + last) == before


@given(storable, times)
def test_snapshot_is_exact(form: Trajectory, time: float) -> None:
    back = revive(json.loads(json.dumps(store(form))))
    assert back == form
    time += getattr(form, "since", 0.0)
    assert back.at(time) == form.at(time)


def test_steps_stay_out_of_snapshots() -> None:
    with pytest.raises(TypeError, match="cannot cross a snapshot"):
        store(Steps(np.array([0.0]), np.array([1.0])))


@pytest.mark.parametrize("lag", [0.5, 4.0, 10.0, 10.0000001, 40.0])
def test_lagged_relaxation_solves_its_equations(lag: float) -> None:
    form = Relaxation(5.0, 100.0, 20.0, 10.0, lag, 60.0)
    looks = np.array([6.0, 10.0, 20.0, 60.0])
    truth = solve_ivp(
        lambda _, y: [(20.0 - y[0]) / 10.0, (y[0] - y[1]) / lag],
        (5.0, 60.0), [100.0, 60.0], t_eval=looks, rtol=1e-10, atol=1e-10,
    ).y[1]
    assert [form.at(t) for t in looks] == pytest.approx(truth, rel=1e-5)
    assert form.source(15.0) == pytest.approx(20 + 80 * exp(-1))


@given(numbers, numbers, rates, numbers)
def test_crossing(first: float, target: float, tau: float, level: float) -> None:
    form = Relaxation(0.0, first, target, tau)
    due = form.crossing(level)
    if isfinite(due):
        assert due >= 0
        assert form.at(due) == pytest.approx(level, rel=1e-6, abs=1e-6)
    else:
        low, high = form.span(0.0, 100 * tau)
        reach = 1e-9 * (1 + abs(level))
        assert level <= low + reach or level >= high - reach


def test_ramp_stops_at_its_end() -> None:
    ramp = Ramp(10.0, 4.0, 1.0, 0.5)
    assert [ramp.at(t) for t in (10.0, 12.0, 16.0, 99.0)] == [4.0, 3.0, 1.0, 1.0]
    assert ramp.end() == 16.0


@pytest.mark.parametrize("bad", [0.0, -1.0, float("nan")])
def test_what_would_never_move_is_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="rate must be above 0"):
        Ramp(0.0, 0.0, 1.0, bad)
    with pytest.raises(ValueError, match="tau must be above 0"):
        Relaxation(0.0, 0.0, 1.0, bad)


def test_never_crossed() -> None:
    assert Relaxation(0.0, 1.0, 2.0, 1.0).crossing(3.0) == inf
    assert Relaxation(0.0, 1.0, 2.0, 1.0).crossing(0.0) == inf

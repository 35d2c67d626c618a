"""Summaries as data: simplified courses, stretched work, interruptions between those known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.works.summary import Interruption, JobSummary, simplified

PHASES = ("none", "load", "recoat", "expose", "cool")
BUILDING = 3


def summary(**changes: Any) -> JobSummary:
    """Two layers of 100 s after 50 s of loading, 30 s of cooling."""
    ends = np.array([150.0, 250.0])
    made = JobSummary(
        machine="pbf-lb", technology="PBF", program="part", alloy="316L", layers=2, phases=PHASES,
        layer_phases=("recoat", "expose"), resume="load",
        stage_start=np.array([0.0, 50.0, 60.0, 150.0, 160.0, 250.0, 280.0]),
        stage_phase=np.array([1, 2, 3, 2, 3, 4, 0]),
        stage_state=np.array([2, 3, 3, 3, 3, 6, 7]), layer_end=ends,
        knots=np.array([0.0, 50.0, 250.0, 280.0]),
        energy=np.array([0.0, 50e3, 850e3, 880e3]), gas=np.array([0.0, 0.1, 0.3, 0.3]),
        feed_times=np.array([0.0, 50.0, 250.0]), feed=np.array([0.0, 0.0, 2.0]),
        built_times=np.array([0.0, 50.0, 250.0]), built=np.array([0.0, 0.0, 1e-6]),
        standby=800.0, peak_power=5000.0, peak_gas=0.002, locks=((1.0, True), (281.0, False)),
        ready=281.0, remaining=10.0, rows={"time": ends, "layer": np.array([1, 2])},
        defects=np.array([[1, 4, 10], [2, 4, 20], [2, 1, 3]]),
        operations=({"time": 280.0},))
    return replace(made, **changes)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(0.01, 100.0), st.floats(0.0, 50.0), st.floats(0.0, 5.0)),
                min_size=1, max_size=60), st.sampled_from([0.001, 0.01, 0.2]))
def test_straight_lines_stay_within_the_tolerance(
    steps: list[tuple[float, float, float]], tolerance: float
) -> None:
    """Verification: every point left out lies near the line between those kept, and no knot
    that was asked for is left out.
    """
    times = np.concatenate([[0.0], np.cumsum([s[0] for s in steps])])
    courses = [np.concatenate([[0.0], np.cumsum([s[k] for s in steps])]) for k in (1, 2)]
    asked = float(times[len(times) // 2])
    kept = simplified(times, courses, tolerance, [asked])
    assert kept[0] == 0
    assert kept[-1] == len(times) - 1
    assert asked in times[kept]
    for course in courses:
        off = np.abs(np.interp(times, times[kept], course[kept]) - course).max()
        assert off <= tolerance * max(np.ptp(course), 1e-300) * (1 + 1e-9) + 1e-12


def test_what_is_where() -> None:
    made = summary()
    assert made.duration == 280.0
    assert made.preparation == 50.0
    assert made.layers_at(149.9) == 0
    assert made.layers_at(150.0) == 1
    assert PHASES[made.stage_phase[made.phase_at(155.0)]] == "recoat"
    assert made.main_stages.tolist() == [0, 1, 5, 6]
    assert made.counts("defects") == {4: 30, 1: 3}
    assert made.counts("defects", 1) == {4: 10}
    assert made.highest_power == pytest.approx(4000.0)


@pytest.mark.parametrize("factor", [0.25, 1.0, 3.0])
def test_more_powder_takes_longer_and_more(factor: float) -> None:
    """Only the work grows: loading and cooling take what they took."""
    made = summary().stretched(factor, BUILDING)
    work = 200.0 * factor
    assert made.duration == pytest.approx(80.0 + work)
    assert made.layer_end == pytest.approx([50.0 + work / 2, 50.0 + work])
    assert made.energy[-1] == pytest.approx(80e3 + 800e3 * factor)
    assert made.gas[-1] == pytest.approx(0.1 + 0.2 * factor)
    assert made.feed[-1] == pytest.approx(2.0 * factor)
    assert made.ready == pytest.approx(made.duration + 1.0)
    assert made.operations[0]["time"] == pytest.approx(made.duration)
    assert made.highest_power == pytest.approx(4000.0)


def test_only_some_phases_grow_with_the_powder() -> None:
    """Recoating takes 10 s a layer, whatever the exposure takes."""
    made = summary().stretched(2.0, BUILDING, ("expose",))
    assert made.duration == pytest.approx(80.0 + 2 * 10.0 + 2 * 180.0)
    assert made.layer_end == pytest.approx([50.0 + 190.0, 50.0 + 380.0])


def _lost(outage: float, duration: float, resumes: bool = True) -> Interruption:
    return Interruption("power loss", outage, 500.0, 0.0, resumes, phases=(("load", 0.0),),
                        prepared=duration, duration=duration, energy=100.0 * duration)


def test_a_loss_of_power_between_two_that_were_tried() -> None:
    made = summary(interruptions=(_lost(60.0, 10.0), _lost(3600.0, 40.0)))
    assert made.interruption(True, 60.0).duration == pytest.approx(10.0)
    halfway = made.interruption(True, 1830.0)
    assert halfway.duration == pytest.approx(25.0)
    assert halfway.energy == pytest.approx(2500.0)
    # Longer than any: in proportion, but never longer than to begin anew.
    assert made.interruption(True, 4000.0).duration == pytest.approx(40.0 * 4000 / 3600)
    assert made.interruption(True, 1e6).duration == pytest.approx(50.0)


def test_what_ended_the_job_ends_it_again() -> None:
    made = summary(interruptions=(_lost(60.0, 10.0), _lost(3600.0, 0.0, resumes=False)))
    assert made.interruption(True, 100.0).resumes
    assert not made.interruption(True, 3000.0).resumes


def test_a_hold_that_was_never_tried_costs_nothing_but_time() -> None:
    way = summary().interruption(False, 600.0)
    assert way.resumes
    assert way.duration == 0.0


def test_stored_and_revived() -> None:
    made = summary(interruptions=(_lost(60.0, 10.0),))
    again = JobSummary.revived(*made.stored())
    assert again.stored()[0] == made.stored()[0]
    for name, array in made.stored()[1].items():
        assert np.array_equal(again.stored()[1][name], array)
    with pytest.raises(KeyError):
        JobSummary.revived({}, {})

"""The pacer on a clock made for the test, once on the real one, and beside other threads."""

from __future__ import annotations

import math
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulators.pacer import LatenessHistogram, Pacer, prompt_threads

PERIOD = 0.05


class FakeClock:
    """Time that passes only by sleeping, a little too long each time."""

    def __init__(self, sleep_error: float = 0.0) -> None:
        self.time = 100.0
        self.sleep_error = sleep_error
        self.naps = 0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.naps += 1
        self.time += seconds + self.sleep_error

    def wait(self, condition: threading.Condition, seconds: float | None) -> None:
        assert seconds is not None, "would block for ever"
        self.sleep(seconds)


def paced(factor: float, sleep_error: float = 0.0) -> tuple[Pacer, FakeClock]:
    clock = FakeClock(sleep_error)
    pacer = Pacer(factor, scan_period=PERIOD, clock=clock)
    pacer.restart(0.0)
    return pacer, clock


@pytest.mark.parametrize("factor", [1.0, 50.0])
def test_sleeping_errors_do_not_add_up(factor: float) -> None:
    pacer, clock = paced(factor, sleep_error=1e-4)
    for scan in range(1, 1001):
        assert pacer.wait_until(scan * PERIOD)
    assert clock.time == pytest.approx(100.0 + 1000 * PERIOD / factor, abs=1e-3)
    assert pacer.lateness().count == 1000
    assert pacer.lateness().p99 <= 2e-4 * 1.06
    assert pacer.lateness().lost_scans == 0


def test_as_fast_as_possible_never_sleeps() -> None:
    pacer, clock = paced(math.inf)
    assert all(pacer.wait_until(scan * PERIOD) for scan in range(100))
    assert clock.naps == 0
    assert pacer.now_sim() == math.inf
    pacer.set_factor(1.0)
    assert pacer.now_sim() == pytest.approx(99 * PERIOD)


def test_change_of_factor_sets_a_new_anchor() -> None:
    pacer, clock = paced(1.0)
    pacer.wait_until(10.0)
    pacer.set_factor(10.0)
    assert not pacer.wait_until(20.0), "a change of factor wakes the thread"
    assert pacer.wait_until(20.0)
    assert clock.time == pytest.approx(111.0)
    pacer.set_factor(0.0)
    clock.time += 1000.0
    assert pacer.now_sim() == pytest.approx(20.0)
    pacer.set_factor(2.0)
    clock.time += 1.0
    assert pacer.now_sim() == pytest.approx(22.0)


def test_short_overrun_is_caught_up() -> None:
    pacer, clock = paced(1.0)
    pacer.wait_until(PERIOD)
    clock.time += 2.5 * PERIOD
    for scan in range(2, 6):
        assert pacer.wait_until(scan * PERIOD)
    assert clock.time == pytest.approx(100.0 + 5 * PERIOD)
    lateness = pacer.lateness()
    assert (lateness.overruns, lateness.lost_scans) == (2, 1)
    assert lateness.max == pytest.approx(1.5 * PERIOD)


def test_long_overrun_is_lost_not_caught_up() -> None:
    pacer, clock = paced(1.0)
    pacer.wait_until(PERIOD)
    clock.time += 60.0
    pacer.wait_until(2 * PERIOD)
    assert pacer.now_sim() == pytest.approx(2 * PERIOD)
    pacer.wait_until(3 * PERIOD)
    assert clock.time == pytest.approx(160.0 + 2 * PERIOD)
    assert pacer.lateness().lost_scans == int((60.0 - PERIOD) / PERIOD)


def test_poke_before_the_wait_is_not_forgotten() -> None:
    for factor in (1.0, math.inf):
        pacer, _ = paced(factor)
        pacer.poke()
        assert not pacer.wait_until(5.0)
        assert pacer.wait_until(5.0)


def test_what_is_due_runs_though_poked() -> None:
    pacer, clock = paced(1.0)
    clock.time += 0.1
    pacer.poke()
    assert pacer.wait_until(PERIOD)


@pytest.mark.parametrize("factor", [-1.0, math.nan])
def test_bad_factors(factor: float) -> None:
    with pytest.raises(ValueError, match="speed factor must be 0"):
        Pacer(factor)
    with pytest.raises(ValueError, match="speed factor must be 0"):
        Pacer().set_factor(factor)


class Emulation:
    """A thread with a scan due every `quiet` scans, which also runs scans when woken."""

    def __init__(self, pacer: Pacer, quiet: int) -> None:
        self.pacer, self.quiet = pacer, quiet
        self.scans: list[int] = [0]
        self.ending = False
        self.busy = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self) -> None:
        while not self.ending:
            due = self.scans[-1] + self.quiet
            if self.pacer.wait_until(due * PERIOD):
                self.scans.append(due)
            elif (reached := self.pacer.now_sim() / PERIOD) >= self.scans[-1] + 1:
                self.scans.append(min(due, math.floor(min(reached, 1e9))))
            if len(self.scans) >= 100:
                self.busy.set()

    def end(self) -> None:
        self.ending = True
        self.pacer.poke()
        self.thread.join(10.0)
        assert not self.thread.is_alive()


@pytest.mark.parametrize("quiet", [1, 7, 1000])
def test_lock_step_runs_exactly_the_scans_granted(quiet: int) -> None:
    pacer = Pacer(0.0, scan_period=PERIOD)
    emulation = Emulation(pacer, quiet)
    total = 0
    for scans in (1, 3, 1, 20, 14):
        total += scans
        assert pacer.step(scans, timeout=10.0) == pytest.approx(total * PERIOD)
        assert emulation.scans[-1] == total
    emulation.end()


def test_step_freezes_a_running_clock_and_says_if_it_is_not_served() -> None:
    pacer, clock = paced(1.0)
    clock.time += 1.02
    with pytest.raises(TimeoutError, match="2 scans were not done"):
        pacer.step(2, timeout=0.0)
    assert pacer.factor == 0.0
    assert math.floor(pacer.now_sim() / PERIOD) == 22
    with pytest.raises(ValueError, match="1 scan or more"):
        pacer.step(0)


def test_poke_wakes_a_sleeping_thread_on_the_real_clock() -> None:
    pacer = Pacer(1.0)
    pacer.restart(0.0)
    assert pacer.wait_until(0.02)
    answers: list[bool] = []
    thread = threading.Thread(target=lambda: answers.append(pacer.wait_until(3600.0)))
    thread.start()
    pacer.poke()
    thread.join(10.0)
    assert answers == [False]
    assert 0.02 <= pacer.now_sim() < 3600.0


def test_frozen_clock_is_woken_by_a_change_of_factor() -> None:
    pacer = Pacer(0.0)
    emulation = Emulation(pacer, quiet=1)
    pacer.set_factor(math.inf)
    assert emulation.busy.wait(10.0)
    emulation.end()


def test_switch_interval_is_put_back() -> None:
    before = sys.getswitchinterval()
    with prompt_threads(1e-4):
        assert sys.getswitchinterval() == pytest.approx(1e-4)
    assert sys.getswitchinterval() == before


@given(st.lists(st.floats(0, 1e4), min_size=1, max_size=200))
def test_quantiles_are_within_a_bin(values: list[float]) -> None:
    histogram = LatenessHistogram()
    for value in values:
        histogram.add(value)
    for fraction in (0.5, 0.99, 1.0):
        exact = sorted(values)[math.ceil(fraction * len(values)) - 1]
        found = histogram.quantile(fraction)
        top = min(exact, histogram.LOW * 1e9)
        assert top * (1 - 1e-9) <= found <= max(top * 1.06, histogram.LOW)
    assert sum(histogram.counts) == histogram.count == len(values)

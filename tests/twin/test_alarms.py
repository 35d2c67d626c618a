"""The life of an alarm: a state machine against a plain model of ISA-18.2, and its corners."""

from __future__ import annotations

import json
from math import inf
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from twin.alarms import Alarm, AlarmDefinition, AlarmState, Priority


def definition(**more: Any) -> AlarmDefinition:
    return AlarmDefinition("hot", Priority.HIGH, "cause", "consequence", "response", **more)


class Life(RuleBasedStateMachine):
    """The model keeps the history of raw conditions and derives what must be so from it."""

    ON, OFF = 2.0, 3.0

    def __init__(self) -> None:
        super().__init__()
        self.alarm = Alarm(definition(on_delay=self.ON, off_delay=self.OFF), "Alarms.Hot")
        self.now = 0.0
        self.raw, self.same_since = False, -inf
        self.active, self.acknowledged, self.shelved = False, True, -inf

    @rule(raw=st.booleans(), wait=st.sampled_from([0.25, 0.5, 1.0, 2.0, 3.5]))
    def scan(self, raw: bool, wait: float) -> None:
        self.now += wait
        if raw != self.raw:
            self.raw, self.same_since = raw, self.now
        lasted = self.now - self.same_since
        if raw and not self.active and lasted >= self.ON:
            self.active, self.acknowledged = True, False
        elif not raw and self.active and lasted >= self.OFF:
            self.active = False
        shown = self.alarm.state
        if self.shelved <= self.now:
            self.shelved = -inf
        if self.alarm.update(self.now, raw, 5.0) is False:
            assert self.alarm.state is shown

    @rule()
    def acknowledge(self) -> None:
        assert self.alarm.acknowledge("seen") is not self.acknowledged
        self.acknowledged = True

    @rule(seconds=st.sampled_from([1.0, 5.0]))
    def shelve(self, seconds: float) -> None:
        self.alarm.shelve(self.now, seconds)
        self.shelved = self.now + seconds

    @rule()
    def unshelve(self) -> None:
        self.alarm.unshelve()
        self.shelved = -inf

    @rule(which=st.sampled_from(["suppressed", "out_of_service"]), on=st.booleans())
    def put_aside(self, which: str, on: bool) -> None:
        setattr(self.alarm, which, on)

    @rule()
    def snapshot(self) -> None:
        other = Alarm(self.alarm.definition, self.alarm.path)
        other.restore(json.loads(json.dumps(self.alarm.store())))
        assert other == self.alarm
        self.alarm = other

    @precondition(lambda self: self.alarm.pending_since is not None)
    @rule()
    def skip_to_the_next_look(self) -> None:
        due = self.alarm.next_look()
        assert due < inf
        wait = max(due - self.now, 0.0)
        self.scan(self.raw, wait)

    @invariant()
    def agrees(self) -> None:
        alarm = self.alarm
        assert (alarm.active, alarm.acknowledged) == (self.active, self.acknowledged)
        cycle = {
            (True, False): AlarmState.UNACKNOWLEDGED,
            (True, True): AlarmState.ACKNOWLEDGED,
            (False, False): AlarmState.RETURNED,
            (False, True): AlarmState.NORMAL,
        }[self.active, self.acknowledged]
        if alarm.out_of_service:
            cycle = AlarmState.OUT_OF_SERVICE
        elif alarm.suppressed:
            cycle = AlarmState.SUPPRESSED
        elif self.shelved > -inf:
            cycle = AlarmState.SHELVED
        assert alarm.state is cycle
        aside = alarm.suppressed or alarm.out_of_service
        assert alarm.acts == (self.active and not aside)
        assert alarm.retained == (
            not alarm.out_of_service and (self.active or not self.acknowledged)
        )


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)


@pytest.mark.parametrize(("side", "comes", "stays", "goes"), [("high", 81, 79, 77),
                                                              ("low", 79, 81, 83)])
def test_deadband(side: str, comes: float, stays: float, goes: float) -> None:
    alarm = Alarm(definition(deadband=2.0, **{side: 80.0}), "A")
    assert not alarm.raw(stays, 80.0)
    for now, value, active in ((1, comes, True), (2, stays, True), (3, goes, False)):
        alarm.update(now, alarm.raw(value, 80.0), value)
        assert alarm.active is active
    assert alarm.value == comes


def test_a_condition_that_goes_before_its_delay_leaves_no_trace() -> None:
    alarm = Alarm(definition(on_delay=1.0), "A")
    for now in range(0, 20, 2):
        assert not alarm.update(now * 0.4, raw=now % 4 == 0)
    assert alarm.state is AlarmState.NORMAL


@pytest.mark.parametrize("priority", Priority)
def test_only_low_priority_that_went_away_needs_no_acknowledgement(priority: Priority) -> None:
    alarm = Alarm(AlarmDefinition("full", priority, "c", "c", "r"), "A")
    alarm.update(1.0, True)
    alarm.update(2.0, False)
    low = priority is Priority.LOW
    assert alarm.state is (AlarmState.NORMAL if low else AlarmState.RETURNED)


@pytest.mark.parametrize("seconds", [0.0, 0.5, 86_401.0, float("nan")])
def test_shelving_time_is_bounded(seconds: float) -> None:
    with pytest.raises(ValueError, match="1 to 86400 s"):
        Alarm(definition(), "A").shelve(0.0, seconds)


def test_severity_rises_with_priority() -> None:
    severities = [p.severity for p in Priority]
    assert severities == sorted(severities)
    assert severities[0] >= 1
    assert severities[-1] <= 1000

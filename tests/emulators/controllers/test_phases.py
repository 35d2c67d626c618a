"""What every program does in its phases: loading, closing, looking at fixed times."""

from __future__ import annotations

from dataclasses import fields
from math import inf, nan
from types import SimpleNamespace
from typing import Any

import pytest

from emulators.controllers.phases import PhasedController
from emulators.controllers.shared_alarms import WATER_FLOW_LOW, like
from twin.alarms import AlarmDefinition


class Phased(PhasedController):
    """A program without plant, states or signals: it notes what it looks at and enters."""

    LOOK, LOOK_AFTER = 10.0, 0.05

    def __init__(self) -> None:
        self.now, self.since, self.wake, self.looked, self._number = 0.0, 0.0, inf, {}, -1
        self.seen: list[float] = []
        self.entered: list[str] = []
        safety = SimpleNamespace(door_lock=False, door_locked=False, door_closed=True,
                                 chain_closed=True, reset=False)
        self.io: Any = SimpleNamespace(
            safety=safety, chiller=SimpleNamespace(run=False, flow=0.0))

    def look(self) -> dict[str, bool]:
        self.seen.append(self.now)
        return {"odd": bool(len(self.seen) % 2)}

    def enter(self, phase: str) -> None:
        self.entered.append(phase)

    def closed(self) -> str:
        return "work"


class Watered(Phased):
    WATER = 1e-4


def looking(start: float, end: float, period: float, every_scan: bool) -> list[float]:
    """When a program looks that is scanned whenever it asks, or always."""
    program = Phased()
    scan = round(start / period)
    while scan * period < end:
        program.now, program.wake = scan * period, inf
        program.looks(True)
        scan += 1
        while not every_scan and scan * period < program.wake:
            scan += 1  # as an emulator does
    return program.seen


@pytest.mark.parametrize("period", [0.05, 0.03, 0.007, 0.4])
@pytest.mark.parametrize("start", [0.0, 12.0, 18.0])
def test_looks_are_at_fixed_times_however_often_it_is_scanned(start: float, period: float) -> None:
    seen = looking(start, 60.0, period, every_scan=False)
    assert seen == looking(start, 60.0, period, every_scan=True)
    # At once, and at the first scan after each multiple of the time between two looks.
    first = int(start // 10) + 1
    due = [10.0 * n + 0.05 for n in range(first, 6)]
    assert len(seen) == 1 + len(due) + (start == 0.0)  # the one at 0.05 s
    for time, wanted in zip(seen[-len(due):], due, strict=True):
        assert wanted - 1e-9 <= time < wanted + period + 1e-9


def test_nothing_is_found_where_nobody_looks() -> None:
    program = Phased()
    assert program.looks(True) == {"odd": True}
    assert program.looks(False) == {}
    assert program.looks(True) == {"odd": False}, "it looks anew at once"


def test_work_begins_locked_and_with_water() -> None:
    program = Watered()
    safety, chiller = program.io.safety, program.io.chiller
    program._begin_close()
    assert (safety.door_lock, chiller.run) == (True, True)
    safety.door_lock = False
    program._close()
    assert safety.door_lock, "asked for again: the door is closed"
    safety.door_locked = True
    for flow in (0.0, 1e-4, nan):
        chiller.flow = flow
        program._close()
    assert program.entered == [], "a dead sensor vouches for no water"
    chiller.flow = 2e-4
    safety.chain_closed = False
    program._close()
    assert program.entered == []
    safety.chain_closed = True
    program._close()
    assert program.entered == ["work"]


def test_a_machine_without_chiller_asks_for_none() -> None:
    program = Phased()
    program._begin_close()
    assert not program.io.chiller.run
    program.io.safety.door_locked = True
    program._close()
    assert program.entered == ["work"]


def test_an_alarm_like_another_differs_only_where_it_says_so() -> None:
    mine = like(WATER_FLOW_LOW, doc="no water", low=60, phases=("melt",)).alarm
    pattern = WATER_FLOW_LOW.alarm
    differ = {f.name for f in fields(AlarmDefinition)
              if getattr(mine, f.name) != getattr(pattern, f.name)}
    assert differ == {"message", "low", "phases"}
    assert mine.message == "no water"
    with pytest.raises(TypeError, match="lowest"):
        like(WATER_FLOW_LOW, lowest=1)

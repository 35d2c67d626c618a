"""Shifts by the calendar; nobody does two things at once."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.works.people import DAY, HOUR, WEEK, Person, Shift
from twin.works.plant import Works

DAYS = (0, 1, 2, 3, 4)
EARLY = Shift("early", DAYS, 6 * HOUR, 8 * HOUR)
LATE = Shift("late", DAYS, 14 * HOUR, 8 * HOUR)
NIGHT = Shift("night", (4, 6), 22 * HOUR, 8 * HOUR)


def works(*people: Person, start: float = 6 * HOUR) -> Works:
    return Works(1, people=people, start=start)


def person(name: str = "Anna", shift: Shift = EARLY, *skills: str) -> Person:
    return Person(name, frozenset(skills or ("operator",)), shift)


@pytest.mark.parametrize(
    ("shift", "time", "until"),
    [
        (EARLY, 7 * HOUR, 14 * HOUR),
        (EARLY, 14 * HOUR, 14 * HOUR),  # it has just ended
        (EARLY, 5 * DAY + 7 * HOUR, 5 * DAY + 7 * HOUR),  # Saturday
        (NIGHT, 5 * DAY + 2 * HOUR, 5 * DAY + 6 * HOUR),  # Friday's night ends on Saturday
        (NIGHT, WEEK + 2 * HOUR, WEEK + 6 * HOUR),  # Sunday's ends in the next week
        (Shift("round the clock", tuple(range(7)), 0.0, DAY), 3 * DAY, 10 * DAY),  # a week at most
    ],
)
def test_verification_until_when_a_shift_is_on(shift: Shift, time: float, until: float) -> None:
    assert shift.until(time) == until
    assert shift.on(time) == (until > time)


@pytest.mark.parametrize("time", [0.0, 6 * HOUR, 13.5 * HOUR, 4 * DAY + 20 * HOUR, 6 * DAY])
@pytest.mark.parametrize("shift", [EARLY, LATE, NIGHT])
def test_nothing_changes_before_the_next_edge(shift: Shift, time: float) -> None:
    edge = shift.following(time)
    assert edge > time
    between = [time + (edge - time) * share for share in (0.001, 0.5, 0.999)]
    assert len({shift.on(t) for t in between}) == 1
    assert shift.on(edge - 1.0) != shift.on(edge)


def test_two_shifts_that_follow_leave_no_gap() -> None:
    plant = works(person(), person("Ben", LATE))
    # Monday 6:00 is simulated 0: one goes at 14:00, the other at 22:00.
    assert plant.people.present_until("operator", 0.0) == 16 * HOUR
    plant.people.people[0].shift, plant.people.people[1].shift = EARLY, EARLY
    assert plant.people.present_until("operator", 0.0) == 8 * HOUR


def test_a_task_waits_for_somebody_with_the_skill_on_shift() -> None:
    plant = works(person(), person("Ben", LATE, "maintenance"))
    task = plant.people.request("repair", "M", "maintenance", 2 * HOUR)
    plant.advance(8 * HOUR - 1.0)
    assert task.person == ""
    assert (plant.people.waiting, plant.people.busy) == (1, 0)
    plant.advance(11 * HOUR)
    assert (task.person, task.begins, task.ends) == ("Ben", 8 * HOUR, 10 * HOUR)
    assert plant.people.take() == [task]
    assert plant.people.labour == 2 * HOUR
    with pytest.raises(ValueError, match="nobody has the skill 'laboratory'"):
        plant.people.request("analysis", "M", "laboratory", 1.0)


def test_a_task_that_was_begun_is_finished_in_overtime() -> None:
    plant = works(person())
    plant.people.request("set-up", "M", "operator", 7 * HOUR)
    plant.people.request("set-up", "N", "operator", 3 * HOUR)
    plant.advance(20 * HOUR)
    assert plant.people.overtime == 2 * HOUR
    assert plant.people.labour == 10 * HOUR


def test_urgent_tasks_come_first() -> None:
    plant = works(person())
    plant.people.request("set-up", "A", "operator", HOUR)
    late = plant.people.request("set-up", "B", "operator", HOUR, priority=5)
    urgent = plant.people.request("repair", "C", "operator", HOUR, priority=1)
    plant.advance(5 * HOUR)
    assert urgent.begins == HOUR
    assert late.begins == 2 * HOUR


def test_who_is_absent_finishes_the_task_and_takes_no_other() -> None:
    plant = works(person())
    plant.people.request("set-up", "A", "operator", HOUR)
    second = plant.people.request("set-up", "B", "operator", HOUR)
    plant.advance(0.5 * HOUR)
    plant.drive("People.Absent", 1)
    plant.advance(5 * HOUR)
    assert [t.machine for t in plant.people.take()] == ["A"]
    assert plant.people.present == 0
    plant.drive("People.Absent", 0)
    assert second.begins == 5 * HOUR


TASKS = st.lists(
    st.tuples(st.floats(0, 3 * DAY), st.sampled_from(["operator", "maintenance", "laboratory"]),
              st.floats(60, 9 * HOUR), st.integers(1, 9)), max_size=25)


@settings(max_examples=15, deadline=None)
@given(tasks=TASKS, absent=st.integers(0, 3))
def test_nobody_is_ever_booked_twice(
    tasks: list[tuple[float, str, float, int]], absent: int
) -> None:
    people = (person("Anna", EARLY, "operator", "laboratory"),
              person("Ben", LATE, "operator", "maintenance"),
              person("Cem", NIGHT, "maintenance"), person("Dora", LATE, "laboratory"))
    plant = works(*people)
    wanted = []
    for when, skill, duration, priority in sorted(tasks):
        plant.advance(when)
        wanted.append(plant.people.request("task", "M", skill, duration, priority=priority))
        if when > DAY:
            plant.drive("People.Absent", absent)
    plant.drive("People.Absent", 0)
    plant.advance(30 * DAY)
    assert len(plant.people.take()) == len(wanted)
    by_name = {p.name: p for p in people}
    for task in wanted:
        assert task.begins is not None
        assert task.ends is not None
        who = by_name[task.person]
        assert task.skill in who.skills
        assert who.shift.on(task.begins + plant.start)
        assert task.begins >= task.since
    for who in people:
        spells = sorted((t.begins, t.ends) for t in wanted if t.person == who.name)
        assert all(a[1] <= b[0] for a, b in pairwise(spells))
        assert who.worked == pytest.approx(sum(e - b for b, e in spells))
    assert plant.people.labour == pytest.approx(sum(t.duration for t in wanted))

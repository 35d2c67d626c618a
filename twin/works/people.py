"""People of a works: shifts by the calendar, skills, and tasks that wait for somebody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cache, partial
from math import floor, inf
from typing import Any

from twin.machine import Equipment
from twin.signals import fault, measured
from twin.works.timer import Timer

__all__ = ["DAY", "HOUR", "WEEK", "People", "Person", "Shift", "Task"]

HOUR = 3600.0
DAY = 24 * HOUR
WEEK = 7 * DAY


@dataclass(frozen=True)
class Shift:
    """A time of the day on some days of the week (0 is Monday); it may end after midnight."""

    name: str
    days: tuple[int, ...]
    begins: float
    """s after midnight."""
    lasts: float
    """s, at most a day."""

    def __post_init__(self) -> None:
        if not (self.days and 0 <= self.begins < DAY and 0 < self.lasts <= DAY):
            raise ValueError(f"shift {self.name}: needs days, a beginning within the day and a "
                             "length of at most a day")

    def spans(self) -> list[tuple[float, float]]:
        """Its times within a week, s from Monday midnight; the last may end in the next week."""
        return [(day * DAY + self.begins, day * DAY + self.begins + self.lasts)
                for day in sorted(self.days)]

    def on(self, time: float) -> bool:
        """Whether it is on at `time`, s from a Monday midnight."""
        return self.until(time) > time

    def until(self, time: float) -> float:
        """When it ends if it is on at `time`, spells that follow without a gap together."""
        end = time
        for begin, ending in self._around(floor(time / WEEK)):
            if begin > end:
                break
            end = max(end, ending)
        return min(end, time + WEEK)

    def following(self, time: float) -> float:
        """The next time after `time` at which it begins or ends."""
        spans = self._around(floor(time / WEEK))
        return min(t for span in spans for t in span if t > time)

    @cache  # noqa: B019 - there are few shifts and few weeks
    def _around(self, week: int) -> list[tuple[float, float]]:
        """Its times from the week before to two weeks after, s."""
        return [(b + (week + w) * WEEK, e + (week + w) * WEEK)
                for w in (-1, 0, 1, 2) for b, e in self.spans()]


@dataclass
class Task:
    """Something that a person of a skill has to do at a machine."""

    number: int
    kind: str
    machine: str
    skill: str
    duration: float
    """s"""
    about: str = ""
    """What it is for, such as a job or a lot."""
    priority: int = 5
    """The lower the sooner."""
    since: float = 0.0
    person: str = ""
    begins: float | None = None
    ends: float | None = None


@dataclass
class Person:
    """Somebody who works in a shift."""

    name: str
    skills: frozenset[str]
    shift: Shift
    task: Task | None = None
    worked: float = 0.0
    """s of tasks."""
    overtime: float = 0.0
    """s of tasks after the end of the shift."""
    history: list[tuple[float, float, int]] = field(default_factory=list)
    """Begin, end and number of every task, for the report."""


class People(Equipment):
    """Who is there and does what. A task that was begun is finished, in overtime if need be.

    Nobody does two things at once; who is free takes the task that is most urgent, then the
    oldest; of several free people the one with the fewest skills, so that others stay free.
    """

    present = measured(int, low=0, high=10_000, doc="people on their shift")
    busy = measured(int, low=0, high=10_000, doc="people at a task")
    waiting = measured(int, low=0, high=100_000, doc="tasks that wait for somebody")
    labour = measured("h", low=0, high=1e7, quantum=0.001, doc="time that people worked")
    overtime = measured("h", low=0, high=1e7, quantum=0.001, doc="of it after the end of a shift")
    absent = fault(int, low=0, high=10_000, doc="so many people, the first of the list, do not "
                   "come; who is at a task finishes it")

    def __init__(self, people: Sequence[Person], start: float) -> None:
        """`start`: s from Monday midnight at simulated 0."""
        super().__init__()
        self.people = list(people)
        self.start = start
        self.queue: list[Task] = []
        self.done: list[Task] = []
        """Finished tasks that nobody has taken note of yet."""
        self._number = 0
        self._edge = Timer(self, self._changed)
        self._ends = {p.name: Timer(self, partial(self._finish, p)) for p in self.people}

    def started(self) -> None:
        for timer in (self._edge, *self._ends.values()):
            timer.arm()
        self._changed()

    def driven(self, attribute: str) -> None:
        self._changed()

    def _here(self, person: Person, time: float) -> float:
        """Until when a person is there, simulated s; `time` if absent."""
        if self.people.index(person) < self.absent:
            return time
        clock = time + self.start
        until = person.shift.until(clock)
        # Who is not there is not there: no rounding may make it otherwise.
        return until - self.start if until > clock else time

    def present_until(self, skill: str, time: float) -> float:
        """Until when somebody with a skill will be there without a gap; `time` if nobody is."""
        end = time
        for _ in range(len(self.people) + 1):
            later = max((self._here(p, end) for p in self.people if skill in p.skills),
                        default=end)
            if later <= end or later >= time + WEEK:
                return max(end, later)
            end = later
        return end

    def has(self, skill: str) -> bool:
        """Whether anybody has a skill at all."""
        return any(skill in p.skills for p in self.people)

    def request(self, kind: str, machine: str, skill: str, duration: float, about: str = "",
                priority: int = 5) -> Task:
        """A task comes up now; `ValueError` if nobody has the skill."""
        if not self.has(skill):
            raise ValueError(f"{kind} at {machine}: nobody has the skill {skill!r}")
        self._number += 1
        task = Task(self._number, kind, machine, skill, duration, about, priority, self.now)
        self.queue.append(task)
        self._assign()
        return task

    def withdraw(self, about: str) -> None:
        """Tasks for something are no longer wanted, if they have not begun."""
        self.queue = [t for t in self.queue if t.about != about]
        self._show()

    def take(self) -> list[Task]:
        """Tasks finished since the last call."""
        taken, self.done = self.done, []
        return taken

    def _changed(self) -> None:
        """A shift began or ended, or somebody stays away."""
        now = self.now
        self._edge.set(min((p.shift.following(now + self.start) - self.start
                            for p in self.people), default=inf))
        self._assign()

    def _assign(self) -> None:
        now = self.now
        free = [p for p in self.people if p.task is None and self._here(p, now) > now]
        free.sort(key=lambda p: len(p.skills))
        for task in sorted(self.queue, key=lambda t: (t.priority, t.number)):
            person = next((p for p in free if task.skill in p.skills), None)
            if person is None:
                continue
            free.remove(person)
            self.queue.remove(task)
            task.person, task.begins, task.ends = person.name, now, now + task.duration
            person.task = task
            self._ends[person.name].set(task.ends)
        self._show()

    def _finish(self, person: Person) -> None:
        task, now = person.task, self.now
        assert task is not None
        assert task.begins is not None
        person.task = None
        spent = now - task.begins
        over = min(max(now - max(self._shift_end(person, task.begins), task.begins), 0.0), spent)
        person.worked += spent
        person.overtime += over
        person.history.append((task.begins, now, task.number))
        self.labour += spent
        self.overtime += over
        self.done.append(task)
        self.log("process", f"{task.kind} at {task.machine} done", task=task.number,
                 person=person.name, task_kind=task.kind, machine=task.machine, about=task.about)
        self._assign()

    def _shift_end(self, person: Person, time: float) -> float:
        return person.shift.until(time + self.start) - self.start

    def _show(self) -> None:
        now = self.now
        self.present = sum(self._here(p, now) > now for p in self.people)
        self.busy = sum(p.task is not None for p in self.people)
        self.waiting = len(self.queue)

    def hidden_state(self) -> dict[str, Any]:
        return {
            "number": self._number, "queue": [asdict(t) for t in self.queue],
            "done": [asdict(t) for t in self.done],
            "people": [[p.name, asdict(p.task) if p.task else None, p.worked, p.overtime,
                        [list(h) for h in p.history]] for p in self.people]}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        self._number = hidden["number"]
        self.queue = [Task(**t) for t in hidden["queue"]]
        self.done = [Task(**t) for t in hidden["done"]]
        for person, (_, task, worked, overtime, history) in zip(
                self.people, hidden["people"], strict=True):
            person.task = Task(**task) if task else None
            person.worked, person.overtime = worked, overtime
            person.history = [(b, e, n) for b, e, n in history]
            due = person.task.ends if person.task else None
            self._ends[person.name].due = inf if due is None else due
        self._edge.due = inf

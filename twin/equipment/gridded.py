"""Equipment that a plant advances on one grid of simulated time, looking one step ahead."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from math import exp, floor
from typing import Any

from twin.equipment.services import SafetyChain
from twin.machine import Equipment
from twin.trajectory import Polyline

__all__ = ["EARLY", "Gridded", "Guards", "next_tick"]

EARLY = 0.02
"""s before a multiple of its step that a grid ticks: scan and record of that moment show it."""


def next_tick(now: float, step: float) -> float:
    """The first tick (s) after `now` of a grid of so many seconds."""
    return (floor((now + EARLY) / step + 1e-9) + 1) * step - EARLY


Guards = Sequence[tuple[str, float, int, str]]
"""Attribute, level (SI) at which it opens the chain, cause, words for the log."""


class Gridded(Equipment):
    """Advanced by its plant's grid (`plant.wake` starts it); readings lie on straight lines.

    Switches that are faster than a scan open the safety chain where the line crosses their level.
    """

    GUARDS: Guards = ()
    chain: SafetyChain

    def driven(self, attribute: str) -> None:
        plant: Any = self.plant
        plant.wake()

    def show(self, attribute: str, step: float, value: float, lag: float = 0.0) -> None:
        """Let a reading go to `value` (SI) within `step` (s), behind a first-order lag (s)."""
        before = float(getattr(self, attribute))
        after = value + (before - value) * exp(-step / lag) if lag > 0.0 else value
        if after == before:
            self.settle(attribute, before)
        else:
            now = self.now
            self.follow(attribute, Polyline((now, now + step), (before, after)))

    def started(self) -> None:
        self.guard()

    def guard(self) -> None:
        """Wait for the moments at which a hard-wired switch opens or closes again."""
        now = self.now
        for attribute, level, cause, words in self.GUARDS:
            course = self.trajectories.get(attribute)
            opened = cause in self.chain.causes()
            limit = 0.9 * level if opened else level
            if not isinstance(course, Polyline):
                value = float(getattr(self, attribute))
                if (value > limit) != opened:
                    self._switch(cause, words, not opened)
                continue
            (t0, t1), (v0, v1) = course.times, course.values
            if (v0 > limit) != opened:
                self._switch(cause, words, not opened)
            elif (v1 > limit) != opened:
                due = t0 + (t1 - t0) * (limit - v0) / (v1 - v0)
                if due >= now:
                    self.plant.run(self._later(due, cause, words, not opened))

    def _later(self, due: float, cause: int, words: str, opens: bool) -> Generator[Any, Any, None]:
        yield self.plant.env.at(due)
        self._switch(cause, words, opens)

    def _switch(self, cause: int, words: str, opens: bool) -> None:
        if opens and cause not in self.chain.causes():
            self.log("interlock", words)
        self.chain.switch(cause, opens=opens)

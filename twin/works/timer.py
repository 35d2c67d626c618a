"""A timer of a piece of equipment: one moment at which something happens, unless put off."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import inf, isfinite
from typing import Any

from twin.machine import Equipment

__all__ = ["Timer"]


class Timer:
    """Calls `act` at the time it is set to; setting it again forgets the earlier time."""

    def __init__(self, owner: Equipment, act: Callable[[], None]) -> None:
        self._owner, self._act = owner, act
        self.due = inf
        """Simulated s; infinity if it is not set."""
        self._epoch = 0

    def set(self, due: float) -> None:
        """Ring at `due` (s), at once if that is over; infinity stops the timer."""
        if due == self.due:
            return
        self.due = due
        self.arm()

    def arm(self) -> None:
        """Wait in the plant's present environment; after it was joined or a state taken back."""
        self._epoch += 1
        if isfinite(self.due):
            event = self._owner.plant.env.at(self.due)
            assert event.callbacks is not None
            event.callbacks.append(partial(self._ring, self._epoch))

    def _ring(self, epoch: int, _: Any) -> None:
        if epoch == self._epoch:
            self.due = inf
            self._act()

"""A wire machine's own height regulator: it trims the wire feed along a pass by the stand-off."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from twin.machine import Equipment
from twin.signals import actuator, measured
from twin.trajectory import Steps

__all__ = ["HeightRegulator"]

Floats = npt.NDArray[np.float64]


def _nothing() -> None:
    pass


class HeightRegulator(Equipment):
    """More wire where the surface is low, less where it is high.

    Wire goes into the bead whole, so that nothing steadies the height of layers by itself: what is
    too low stays so. A scanner ahead of the wire and a proportional law in the feed mend that
    (Heralic, Christiansson, Lennartson 2012). What it adds is a reading, and so is its limit.
    """

    correction = measured("%", low=-100, high=100, quantum=0.1,
                          companion="Monitoring/Process/FeedCorrection",
                          doc="what the height regulator adds to the wire feed")
    saturated = measured(bool, doc="height regulator at its limit for most of the pass")
    regulate = actuator(bool, doc="let the scanner trim the wire feed")
    gain = actuator("%", low=0, high=100, start=40, doc="wire added for an error of one layer step")
    authority = actuator("%", low=0, high=60, start=40, doc="most that is added or taken")

    def __init__(self) -> None:
        super().__init__()
        self.changed: Callable[[], None] = _nothing

    def driven(self, attribute: str) -> None:
        self.changed()

    def trim(self, error: Floats, step: float) -> Floats:
        """Factor (n,) on the wire feed where the surface lies low by `error` (m), (n,)."""
        if not self.regulate:
            return np.ones(len(error))
        most: float = self.authority
        return np.asarray(1.0 + np.clip(self.gain * error / step, -most, most))

    def show(self, begin: Floats, factor: Floats) -> None:
        """A pass: factors (n,) from `begin` (s)."""
        self.follow("correction", Steps(begin, factor - 1.0))
        limit = np.abs(factor - 1.0) >= 0.99 * self.authority
        self.saturated = bool(self.regulate and len(limit) and limit.mean() > 0.5)

    def rest(self) -> None:
        """No pass; the lamp keeps what it showed last."""
        self.settle("correction", 0.0)

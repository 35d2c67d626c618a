"""Faults of a sensor or its wiring: what they do to a reading, as a pure function."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["SensorFault", "SensorFaultKind"]


class SensorFaultKind(StrEnum):
    """How a reading goes wrong."""

    STUCK = "stuck"
    BIAS = "bias"
    SCALE = "scale"
    DRIFT = "drift"
    NOISE = "noise"
    DROPOUT = "dropout"


@dataclass(frozen=True, slots=True)
class SensorFault:
    """A fault on one reading since a time (s); `magnitude` in the signal's engineering unit.

    stuck: the reading stays at `held`, which is that of the scan in which the fault began. bias:
    magnitude is added. scale: the reading is multiplied by magnitude. drift: magnitude per hour is
    added. noise: standard deviation is added. dropout: the reading is 0 with bad quality.
    """

    kind: SensorFaultKind
    magnitude: float
    since: float
    held: float = 0.0

    def apply(self, reading: float, gauss: float, time: float) -> float:
        """The reading as the fault leaves it; `gauss` is a standard normal draw."""
        match self.kind:
            case SensorFaultKind.STUCK:
                return self.held
            case SensorFaultKind.BIAS:
                return reading + self.magnitude
            case SensorFaultKind.SCALE:
                return reading * self.magnitude
            case SensorFaultKind.DRIFT:
                return reading + self.magnitude * (time - self.since) / 3600.0
            case SensorFaultKind.NOISE:
                return reading + self.magnitude * gauss
            case SensorFaultKind.DROPOUT:
                return 0.0

"""Magnetic deflection of electron beams."""

from __future__ import annotations

from collections.abc import Callable

from twin.equipment.deflection import Deflection
from twin.signals import fault

__all__ = ["ElectronDeflection"]


class ElectronDeflection(Deflection):
    """Magnetic deflection: jumps cost nearly nothing; arcs interrupt it, an amplifier may fail."""

    amplifier_fault = fault(bool, doc="a deflection amplifier fails")
    drift = fault("um", low=0, high=5000, doc="the beam lands this far from where it should")

    charged: Callable[[], None] | None = None
    """Called when marking begins or goes on: the bed may not bear it."""

    def driven(self, attribute: str) -> None:
        if attribute == "amplifier_fault":
            if self.amplifier_fault:
                self.fail("deflection amplifier failed, beam blanked", 3e-3)
            else:
                self.recover()
        elif attribute == "drift":
            self.position_error = float(self.drift)
        else:
            super().driven(attribute)
            if attribute == "run" and self.busy and self.charged is not None:
                self.charged()

    def replan(self) -> None:
        if self.run and not self.busy and self.interrupted and not self._ended:
            # Marking was interrupted by an arc; it goes on once all is ready again.
            if any(beam.demand > 0 for beam in self.beams):
                self._begin()
        elif self.busy and not any(beam.demand > 0 for beam in self.beams):
            # Nothing is skipped for want of a beam.
            self._pause(cut=True)
        else:
            super().replan()

"""The scan head of a laser machine: beams led by mirrors."""

from __future__ import annotations

from twin.equipment.deflection import Deflection
from twin.signals import fault, measured

__all__ = ["Scanner"]


class Scanner(Deflection):
    """Deflection of laser beams by mirrors on galvanometers."""

    LOST = 3e-3  # m on the plate that a beam is off after a drive failed, default

    position_error = measured("um", low=0, high=10_000, noise=1, quantum=1,
                              companion="Monitoring/Health/ScannerPositionError",
                              doc="largest mirror position error, on the plate")
    ready = measured(bool, start=True, doc="scanner without error")
    galvo_fault = fault(bool, doc="a mirror drive fails")

    def driven(self, attribute: str) -> None:
        if attribute != "galvo_fault":
            super().driven(attribute)
        elif self.galvo_fault:
            self.fail("scanner position error, marking stopped", self.LOST)
        else:
            self.recover()

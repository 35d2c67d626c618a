"""The base of what an operator does with his hands at a machine that stands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twin.machine import Equipment
from twin.signals import Component, Refused

__all__ = ["ServiceWork"]


class ServiceWork(Component):
    """Work at the machine while it is idle, held or suspended; it ends the fault it mends."""

    def __init__(self, plant: Any, stands: Callable[[], bool]) -> None:
        """`stands` tells whether nothing moves that could hurt somebody."""
        super().__init__()
        self._plant = plant
        self._stands = stands

    def begin(self, work: str) -> str:
        """The name of the work, or `Refused` while the machine is working."""
        if not self._stands():
            raise Refused(f"{work}: the machine is working; pause the job first")
        return work

    def end(self, at: Equipment, **faults: float | bool) -> None:
        """Faults of a component, by the names that the wires show, take the value of none."""
        for name, value in faults.items():
            self._plant.drive(f"{at.path}.{name}", value)

    def tell(self, work: str, at: Equipment) -> str:
        """Tell that work was done at a component; its name."""
        at.log("process", work)
        return work

    def mend(self, work: str, at: Equipment, **faults: float | bool) -> str:
        """Work at one component that ends faults of it; `Refused` while the machine is working."""
        self.begin(work)
        self.end(at, **faults)
        return self.tell(work, at)

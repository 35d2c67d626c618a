"""What an operator does with his hands at a PBF-LB machine that stands."""

from __future__ import annotations

from collections.abc import Callable

from twin.machines.pbf_lb import PbfLb
from twin.signals import Component, Refused, command

__all__ = ["Service"]


class Service(Component):
    """Work at the machine while it is idle, held or suspended; it ends the fault it mends."""

    def __init__(self, plant: PbfLb, stands: Callable[[], bool]) -> None:
        """`stands` tells whether nothing moves that could hurt somebody."""
        super().__init__()
        self._plant = plant
        self._stands = stands

    def _begin(self, work: str) -> str:
        if not self._stands():
            raise Refused(f"{work}: the machine is working; pause the job first")
        return work

    @command()
    def refill_powder(self) -> str:
        """Fill the powder supply and empty the overflow."""
        done = self._begin("powder refilled")
        self._plant.recoater.refill()
        self._plant.recoater.log("process", done)
        return done

    @command()
    def change_filter(self) -> str:
        """Put a fresh filter into the gas circuit."""
        done = self._begin("filter changed")
        self._plant.gas.fume = 0.0
        self._plant.gas.driven("fume")
        self._plant.drive("Gas.FilterClog", 1.0)
        self._plant.gas.log("process", done)
        return done

    @command()
    def clean_windows(self) -> str:
        """Clean the protective windows of all lasers."""
        done = self._begin("windows cleaned")
        for laser in self._plant.lasers:
            laser.deposit = 0.0
            self._plant.drive(f"{laser.path}.Contamination", 0.0)
            laser.log("process", done)
        return done

    @command()
    def change_blade(self) -> str:
        """Put in a blade without nicks."""
        done = self._begin("blade changed")
        self._plant.drive("Recoater.BladeNick", 0.0)
        self._plant.recoater.log("process", done)
        return done

    @command()
    def free_recoater(self) -> str:
        """Take away what blocks the recoater, and level what stands out of the powder."""
        done = self._begin("recoater freed")
        self._plant.drive("Recoater.Jam", False)
        self._plant.recoater.protrusion = 0.0
        self._plant.recoater.log("process", done)
        return done

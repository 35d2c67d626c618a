"""What an operator does with his hands at a PBF-LB machine that stands."""

from __future__ import annotations

from emulators.controllers.service import ServiceWork
from twin.machines.pbf_lb import PbfLb
from twin.signals import command

__all__ = ["Service"]


class Service(ServiceWork):
    """Work at a PBF-LB machine."""

    _plant: PbfLb

    @command()
    def refill_powder(self) -> str:
        """Fill the powder supply and empty the overflow."""
        done = self.begin("powder refilled")
        self._plant.recoater.refill()
        return self.tell(done, self._plant.recoater)

    @command()
    def change_filter(self) -> str:
        """Put a fresh filter into the gas circuit."""
        done = self.begin("filter changed")
        self._plant.gas.fume = 0.0
        self._plant.gas.driven("fume")
        self.end(self._plant.gas, FilterClog=1.0)
        return self.tell(done, self._plant.gas)

    @command()
    def clean_windows(self) -> str:
        """Clean the protective windows of all lasers."""
        done = self.begin("windows cleaned")
        for laser in self._plant.lasers:
            laser.deposit = 0.0
            self.end(laser, Contamination=0.0)
            self.tell(done, laser)
        return done

    @command()
    def change_blade(self) -> str:
        """Put in a blade without nicks."""
        return self.mend("blade changed", self._plant.recoater, BladeNick=0.0)

    @command()
    def free_recoater(self) -> str:
        """Take away what blocks the recoater, and level what stands out of the powder."""
        done = self.begin("recoater freed")
        self.end(self._plant.recoater, Jam=False)
        self._plant.recoater.protrusion = 0.0
        return self.tell(done, self._plant.recoater)

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
        self._plant.recoater.log("process", done)
        return done

    @command()
    def change_filter(self) -> str:
        """Put a fresh filter into the gas circuit."""
        done = self.begin("filter changed")
        self._plant.gas.fume = 0.0
        self._plant.gas.driven("fume")
        self._plant.drive("Gas.FilterClog", 1.0)
        self._plant.gas.log("process", done)
        return done

    @command()
    def clean_windows(self) -> str:
        """Clean the protective windows of all lasers."""
        done = self.begin("windows cleaned")
        for laser in self._plant.lasers:
            laser.deposit = 0.0
            self._plant.drive(f"{laser.path}.Contamination", 0.0)
            laser.log("process", done)
        return done

    @command()
    def change_blade(self) -> str:
        """Put in a blade without nicks."""
        done = self.begin("blade changed")
        self._plant.drive("Recoater.BladeNick", 0.0)
        self._plant.recoater.log("process", done)
        return done

    @command()
    def free_recoater(self) -> str:
        """Take away what blocks the recoater, and level what stands out of the powder."""
        done = self.begin("recoater freed")
        self._plant.drive("Recoater.Jam", False)
        self._plant.recoater.protrusion = 0.0
        self._plant.recoater.log("process", done)
        return done

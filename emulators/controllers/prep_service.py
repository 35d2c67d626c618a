"""What an operator does with his hands at a rotating electrode machine that stands."""

from __future__ import annotations

from emulators.controllers.service import ServiceWork
from twin.machines.prep import Prep
from twin.signals import Refused, command

__all__ = ["Service"]


class Service(ServiceWork):
    """Work at the machine; at spindle, torch and rod only once the spindle has stopped."""

    _plant: Prep

    def _stopped(self, work: str) -> str:
        done = self.begin(work)
        if self._plant.spindle.turning:
            raise Refused(f"{work}: the spindle still turns")
        return done

    @command()
    def balance(self) -> str:
        """Clean the chuck, straighten or turn the rod and balance the rotor."""
        done = self._stopped("rotor balanced")
        self._plant.spindle.balance()
        self.end(self._plant.spindle, Unbalance=0.0, RodBow=0.0)
        return self.tell(done, self._plant.spindle)

    @command()
    def change_bearings(self) -> str:
        """Put in new bearings with the right preload."""
        done = self._stopped("bearings changed")
        self._plant.spindle.wear = 0.0
        self.end(self._plant.spindle, BearingWear=0.0, Preload=0.0)
        return self.tell(done, self._plant.spindle)

    @command()
    def repair_drive(self) -> str:
        """Repair the spindle's drive."""
        return self.mend("spindle drive repaired", self._plant.spindle, DriveFailure=False)

    @command()
    def change_electrode(self) -> str:
        """Put a new electrode and nozzle into the torch and set its gas right."""
        done = self._stopped("electrode changed")
        self.end(self._plant.arc, ElectrodeWear=0.0, VoltageDrift=0.0, GasLoss=False)
        return self.tell(done, self._plant.arc)

    @command()
    def clear_magazine(self) -> str:
        """Free a rod that has jammed in the magazine."""
        done = self._stopped("magazine cleared")
        self.end(self._plant.feed, Jam=False)
        return self.tell(done, self._plant.feed)

    @command()
    def clean_gauge(self) -> str:
        """Clean the window of the length gauge."""
        return self.mend("length gauge cleaned", self._plant.feed, GaugeError=0.0)

    @command()
    def tighten_rollers(self) -> str:
        """Clean and tighten the feed rollers."""
        done = self._stopped("feed rollers tightened")
        self.end(self._plant.feed, Slip=0.0)
        return self.tell(done, self._plant.feed)

    @command()
    def mend_seals(self) -> str:
        """Change the seals of the spindle."""
        done = self._stopped("seals changed")
        self.end(self._plant.chamber, Leak=0.0)
        return self.tell(done, self._plant.chamber)

    @command()
    def change_gas(self) -> str:
        """Connect full bottles of helium and argon."""
        return self.mend("gas supply changed", self._plant.chamber,
                         HeliumLoss=False, SupplyFailure=False)

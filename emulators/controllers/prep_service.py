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
        self._plant.drive("Spindle.Unbalance", 0.0)
        self._plant.drive("Spindle.RodBow", 0.0)
        self._plant.spindle.log("process", done)
        return done

    @command()
    def change_bearings(self) -> str:
        """Put in new bearings with the right preload."""
        done = self._stopped("bearings changed")
        self._plant.spindle.wear = 0.0
        self._plant.drive("Spindle.BearingWear", 0.0)
        self._plant.drive("Spindle.Preload", 0.0)
        self._plant.spindle.log("process", done)
        return done

    @command()
    def repair_drive(self) -> str:
        """Repair the spindle's drive."""
        done = self.begin("spindle drive repaired")
        self._plant.drive("Spindle.DriveFailure", False)
        self._plant.spindle.log("process", done)
        return done

    @command()
    def change_electrode(self) -> str:
        """Put a new electrode and nozzle into the torch and set its gas right."""
        done = self._stopped("electrode changed")
        self._plant.drive("Arc.ElectrodeWear", 0.0)
        self._plant.drive("Arc.VoltageDrift", 0.0)
        self._plant.drive("Arc.GasLoss", False)
        self._plant.arc.log("process", done)
        return done

    @command()
    def clear_magazine(self) -> str:
        """Free a rod that has jammed in the magazine."""
        done = self._stopped("magazine cleared")
        self._plant.drive("Feed.Jam", False)
        self._plant.feed.log("process", done)
        return done

    @command()
    def clean_gauge(self) -> str:
        """Clean the window of the length gauge."""
        done = self.begin("length gauge cleaned")
        self._plant.drive("Feed.GaugeError", 0.0)
        self._plant.feed.log("process", done)
        return done

    @command()
    def tighten_rollers(self) -> str:
        """Clean and tighten the feed rollers."""
        done = self._stopped("feed rollers tightened")
        self._plant.drive("Feed.Slip", 0.0)
        self._plant.feed.log("process", done)
        return done

    @command()
    def mend_seals(self) -> str:
        """Change the seals of the spindle."""
        done = self._stopped("seals changed")
        self._plant.drive("Chamber.Leak", 0.0)
        self._plant.chamber.log("process", done)
        return done

    @command()
    def change_gas(self) -> str:
        """Connect full bottles of helium and argon."""
        done = self.begin("gas supply changed")
        self._plant.drive("Chamber.HeliumLoss", False)
        self._plant.drive("Chamber.SupplyFailure", False)
        self._plant.chamber.log("process", done)
        return done

"""What an operator does with his hands at a binder-jet machine that stands."""

from __future__ import annotations

import numpy as np

from emulators.controllers.service import ServiceWork
from twin.machines.binder_jet import BinderJet
from twin.signals import command

__all__ = ["Service"]


class Service(ServiceWork):
    """Work at a binder-jet machine."""

    _plant: BinderJet

    @command()
    def refill_powder(self) -> str:
        """Fill the powder supply and empty the overflow."""
        done = self.begin("powder refilled")
        self._plant.recoater.refill()
        self._plant.recoater.log("process", done)
        return done

    @command()
    def refill_binder(self) -> str:
        """Fill the binder supply."""
        done = self.begin("binder refilled")
        self._plant.head.binder_level = 1.0
        self._plant.head.log("process", done)
        return done

    @command()
    def change_head(self) -> str:
        """Put in a print head whose nozzles are all open."""
        done = self.begin("print head changed")
        head = self._plant.head
        head.hardness = np.zeros(head.NOZZLES)
        for name, value in (("NozzleClog", 0.0), ("DropDrift", 0.0), ("PressureError", 0.0),
                            ("HeaterFailure", False)):
            self._plant.drive(f"Head.{name}", value)
        head.log("process", done)
        return done

    @command()
    def change_lamp(self) -> str:
        """Put a new lamp and power controller into the dryer."""
        done = self.begin("lamp changed")
        self._plant.drive("Dryer.LampFailure", 0.0)
        self._plant.drive("Dryer.LampRunaway", False)
        self._plant.dryer.log("process", done)
        return done

    @command()
    def clean_extraction(self) -> str:
        """Change the extraction's filter and repair its fan."""
        done = self.begin("extraction cleaned")
        self._plant.drive("Hood.FanFailure", 0.0)
        self._plant.hood.log("process", done)
        return done

    @command()
    def change_roller(self) -> str:
        """Put in a roller that runs true, and repair its drive."""
        done = self.begin("roller changed")
        for name, value in (("BladeNick", 0.0), ("RollerRunout", 0.0), ("RollerFailure", False)):
            self._plant.drive(f"Recoater.{name}", value)
        self._plant.recoater.log("process", done)
        return done

    @command()
    def free_recoater(self) -> str:
        """Take away what blocks the roller."""
        done = self.begin("recoater freed")
        self._plant.drive("Recoater.Jam", False)
        self._plant.recoater.log("process", done)
        return done

    @command()
    def repair_oven(self) -> str:
        """Repair the oven's heater, also while the box stands in it."""
        done = "oven repaired"
        self._plant.drive("Oven.HeaterFailure", 0.0)
        self._plant.oven.log("process", done)
        return done

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
        return self.tell(done, self._plant.recoater)

    @command()
    def refill_binder(self) -> str:
        """Fill the binder supply."""
        done = self.begin("binder refilled")
        self._plant.head.binder_level = 1.0
        return self.tell(done, self._plant.head)

    @command()
    def change_head(self) -> str:
        """Put in a print head whose nozzles are all open."""
        done = self.begin("print head changed")
        head = self._plant.head
        head.hardness = np.zeros(head.NOZZLES)
        self.end(head, NozzleClog=0.0, DropDrift=0.0, PressureError=0.0, HeaterFailure=False)
        return self.tell(done, head)

    @command()
    def change_lamp(self) -> str:
        """Put a new lamp and power controller into the dryer."""
        return self.mend("lamp changed", self._plant.dryer, LampFailure=0.0, LampRunaway=False)

    @command()
    def clean_extraction(self) -> str:
        """Change the extraction's filter and repair its fan."""
        return self.mend("extraction cleaned", self._plant.hood, FanFailure=0.0)

    @command()
    def change_roller(self) -> str:
        """Put in a roller that runs true, and repair its drive."""
        return self.mend("roller changed", self._plant.recoater, BladeNick=0.0, RollerRunout=0.0,
                         RollerFailure=False)

    @command()
    def free_recoater(self) -> str:
        """Take away what blocks the roller."""
        return self.mend("recoater freed", self._plant.recoater, Jam=False)

    @command()
    def repair_oven(self) -> str:
        """Repair the oven's heater, also while the box stands in it."""
        self.end(self._plant.oven, HeaterFailure=0.0)
        return self.tell("oven repaired", self._plant.oven)

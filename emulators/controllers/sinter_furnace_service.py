"""What an operator does with his hands at a sinter furnace that stands."""

from __future__ import annotations

from emulators.controllers.service import ServiceWork
from twin.machines.sinter_furnace import SinterFurnace
from twin.signals import command

__all__ = ["Service"]


class Service(ServiceWork):
    """Work at a sinter furnace; what is outside of the retort can be done while it is hot."""

    _plant: SinterFurnace

    @command()
    def tighten_retort(self) -> str:
        """Find and close the air leak."""
        return self.mend("retort tightened", self._plant.retort, Leak=0.0)

    @command()
    def change_gas(self) -> str:
        """Connect full bottles of dry hydrogen, nitrogen and argon."""
        return self.mend("gas supply changed", self._plant.retort, HydrogenLoss=False,
                         InertLoss=False, WetGas=0.0)

    @command()
    def relight_pilot(self) -> str:
        """Clean and relight the pilot burner."""
        return self.mend("pilot relit", self._plant.retort, PilotFailure=False)

    @command()
    def repair_elements(self) -> str:
        """Repair heating elements and their power controllers."""
        done = self.begin("elements repaired")
        for zone in self._plant.zones:
            self.end(zone, ElementFailure=0.0, Runaway=False)
        return self.tell(done, self._plant.furnace)

    @command()
    def change_thermocouples(self) -> str:
        """Put new thermocouples into the zones."""
        done = self.begin("thermocouples changed")
        for zone in self._plant.zones:
            self.end(zone, ThermocoupleDrift=0.0)
        return self.tell(done, self._plant.furnace)

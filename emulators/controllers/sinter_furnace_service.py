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
        done = self.begin("retort tightened")
        self._plant.drive("Retort.Leak", 0.0)
        self._plant.retort.log("process", done)
        return done

    @command()
    def change_gas(self) -> str:
        """Connect full bottles of dry hydrogen, nitrogen and argon."""
        done = self.begin("gas supply changed")
        for name, value in (("HydrogenLoss", False), ("InertLoss", False), ("WetGas", 0.0)):
            self._plant.drive(f"Retort.{name}", value)
        self._plant.retort.log("process", done)
        return done

    @command()
    def relight_pilot(self) -> str:
        """Clean and relight the pilot burner."""
        done = self.begin("pilot relit")
        self._plant.drive("Retort.PilotFailure", False)
        self._plant.retort.log("process", done)
        return done

    @command()
    def repair_elements(self) -> str:
        """Repair heating elements and their power controllers."""
        done = self.begin("elements repaired")
        for zone in self._plant.zones:
            self._plant.drive(f"{zone.path}.ElementFailure", 0.0)
            self._plant.drive(f"{zone.path}.Runaway", False)
        self._plant.furnace.log("process", done)
        return done

    @command()
    def change_thermocouples(self) -> str:
        """Put new thermocouples into the zones."""
        done = self.begin("thermocouples changed")
        for zone in self._plant.zones:
            self._plant.drive(f"{zone.path}.ThermocoupleDrift", 0.0)
        self._plant.furnace.log("process", done)
        return done

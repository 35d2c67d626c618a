"""What people do with their hands at a gas atomizer that stands."""

from __future__ import annotations

from emulators.controllers.service import ServiceWork
from twin.machines.gas_atomizer import GasAtomizer
from twin.signals import Refused, command

__all__ = ["Service"]


class Service(ServiceWork):
    """Work at a gas atomizer; what is outside of the vessel can be done while it is inert."""

    HANDS = 900.0  # K up to which crucible and tundish can be handled, default
    TAME = 0.5  # share of the full film of oxide from which dust stands air, default
    _plant: GasAtomizer

    def _mend(self, done: str, **faults: float | bool) -> str:
        for name, value in faults.items():
            component, _, signal = name.partition("__")
            path = f"{component}.{signal}"
            if path in self._plant.table:
                self._plant.drive(path, value)
        self._plant.separator.log("process", done)
        return done

    @command()
    def tighten_vessel(self) -> str:
        """Find and close air leaks of melting chamber, tower and loop."""
        return self._mend(self.begin("vessel tightened"), Tower__Leak=0.0)

    @command()
    def mend_gas_supply(self) -> str:
        """Mend regulator, gas heater and anti-satellite ring."""
        return self._mend(self.begin("gas supply mended"), Gas__SupplyLoss=0.0,
                          Gas__CurtainLoss=0.0, Gas__HeaterFailure=0.0)

    @command()
    def mend_outlet(self) -> str:
        """Free the tower's outlet valve and the cyclone's rotary valve."""
        return self._mend(self.begin("outlet mended"), Tower__OutletStuck=False,
                          Separator__ValveJam=False)

    @command()
    def mend_back_pulse(self) -> str:
        """Mend the filter's back-pulse valve and pulse the filter clean."""
        done = self._mend(self.begin("back-pulse mended"), Separator__PulseStuck=False)
        self._plant.separator.cake = 0.0
        return done

    @command()
    def change_filter(self) -> str:
        """Put a new filter cloth in; fresh dust in the housing must have been passivated."""
        work, plant = self.begin("filter changed"), self._plant
        if plant.accounts.dust.mass > 0.0 and plant.tower.passivated < self.TAME:
            raise Refused(f"{work}: its fresh dust would burn in air, passivate it first")
        done = self._mend(work, Separator__Blinding=0.0)
        self._plant.separator.cake = 0.0
        return done

    @command()
    def repair_heating(self) -> str:
        """Repair generator and tundish heater."""
        return self._mend(self.begin("heating repaired"), Generator__Weakness=0.0,
                          Tundish__HeaterWeakness=0.0)

    def _cold(self, work: str) -> str:
        """The name of the work; `Refused` while what is to be taken apart holds hot metal."""
        done = self.begin(work)
        tundish, crucible = self._plant.tundish, self._plant.crucible
        if (tundish is not None and tundish.wall > self.HANDS) \
                or (crucible is not None and crucible.true > self.HANDS):
            raise Refused(f"{work}: crucible or tundish is still hot")
        return done

    @command()
    def change_nozzle(self) -> str:
        """Put a new melt nozzle in."""
        return self._mend(self._cold("nozzle changed"), Tundish__NozzleWear=0.0)

    @command()
    def reline_crucible(self) -> str:
        """Break the lining out, ram a new one."""
        return self._mend(self._cold("crucible relined"), Crucible__Crack=False)

    @command()
    def mend_tilting(self) -> str:
        """Mend the tilting cylinder's valve."""
        return self._mend(self.begin("tilting mended"), Crucible__TiltCreep=False)

    @command()
    def straighten_rod(self) -> str:
        """Straighten the rod and clamp it anew."""
        return self._mend(self.begin("rod straightened"), Electrode__Bow=0.0,
                          Electrode__FeedSlip=0.0)

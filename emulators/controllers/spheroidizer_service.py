"""What an operator does with his hands at a spheroidizer that stands."""

from __future__ import annotations

from emulators.controllers.service import ServiceWork
from twin.machines.spheroidizer import Spheroidizer
from twin.signals import command

__all__ = ["Service"]


class Service(ServiceWork):
    """Work at a spheroidizer."""

    _plant: Spheroidizer

    def _mend(self, work: str, **faults: float | bool) -> str:
        done = self.begin(work)
        for name, value in faults.items():
            component, _, signal = name.partition("__")
            self._plant.drive(f"{component}.{signal}", value)
        self._plant.feeder.log("process", done)
        return done

    @command()
    def change_tube(self) -> str:
        """Put a new confinement tube into the torch and tighten its head."""
        return self._mend("tube changed", Torch__TorchWear=0.0, Gas__SheathLoss=0.0,
                          Torch__IgnitionFailure=False)

    @command()
    def repair_generator(self) -> str:
        """Change the valve of the generator."""
        return self._mend("generator repaired", Torch__PlateSag=0.0)

    @command()
    def clean_probe(self) -> str:
        """Take the powder probe out and clean it."""
        return self._mend("probe cleaned", Feeder__ProbeClog=0.0)

    @command()
    def clear_feeder(self) -> str:
        """Break bridges, adjust and calibrate the feeder."""
        return self._mend("feeder cleared", Feeder__Bridging=0.0, Feeder__Surge=0.0,
                          Feeder__Overfeed=0.0)

    @command()
    def change_filter(self) -> str:
        """Passivate the soot, put new cartridges in, check hoses and flaps of the gas loop."""
        self._plant.collector.make_safe()
        done = self._mend("filter changed", Loop__FilterClog=1.0, Loop__FlowLoss=0.0)
        self._plant.loop.clean()
        return done

    @command()
    def tighten_reactor(self) -> str:
        """Find and close leaks of air and water."""
        return self._mend("reactor tightened", Reactor__Leak=0.0, Reactor__WaterLeak=0.0)

    @command()
    def change_gas(self) -> str:
        """Connect full argon and hydrogen, adjust the pressure regulator."""
        return self._mend("gas supply changed", Gas__SupplyFailure=False, Gas__HydrogenLoss=0.0,
                          Reactor__SupplyFailure=False, Reactor__RegulatorFailure=False)

    @command()
    def repair_chiller(self) -> str:
        """Bring flow and refrigeration of the cooling water back."""
        return self._mend("chiller repaired", Chiller__FlowLoss=0.0, Chiller__CoolingLoss=0.0)

"""What an operator does with his hands at a recycling line that stands."""

from __future__ import annotations

from collections.abc import Callable

from emulators.controllers.service import ServiceWork
from twin.machines.recycling_line import RecyclingLine
from twin.signals import command

__all__ = ["Service"]


class Service(ServiceWork):
    """Work at a recycling line; what lies outside of the closed line can be done in a hold."""

    _plant: RecyclingLine

    def __init__(self, plant: RecyclingLine, stands: Callable[[], bool],
                 cleaned: Callable[[], None]) -> None:
        super().__init__(plant, stands)
        self._cleaned = cleaned

    def _mend(self, work: str, *faults: tuple[str, float | bool]) -> str:
        done = self.begin(work)
        for path, sound in faults:
            self._plant.drive(path, sound)
        self._plant.bins.log("process", done)
        return done

    @command()
    def tighten_line(self) -> str:
        """Find and close the air leak."""
        return self._mend("line tightened", ("Line.Leak", 0.0))

    @command()
    def restore_argon(self) -> str:
        """Connect full argon bottles."""
        return self._mend("argon restored", ("Line.SupplyFailure", False))

    @command()
    def change_analyser(self) -> str:
        """Test both oxygen analysers with calibration gas and change the one that is wrong."""
        return self._mend("oxygen analyser changed", ("Line.CellDrift", 0.0))

    @command()
    def change_filter(self) -> str:
        """Put a new dust filter in, under argon."""
        self._plant.filter.load = 0.0
        return self._mend("filter changed", ("Filter.Breach", 0.0), ("Filter.Clog", 1.0))

    @command()
    def restore_earth(self) -> str:
        """Fasten the bonding straps and measure them."""
        return self._mend("earth restored", ("Bonding.EarthFault", False))

    @command()
    def repair_isolation(self) -> str:
        """Repair and test the explosion isolation."""
        return self._mend("isolation repaired", ("Bonding.IsolationFailure", False))

    @command()
    def clear_pipe(self) -> str:
        """Clear the plug in the conveying pipe."""
        return self._mend("pipe cleared", ("Conveyor.Blockage", 0.0))

    @command()
    def clean_line(self) -> str:
        """Take the line apart and brush it out, for powder of another alloy; a new mesh, too."""
        done = self._mend("line cleaned", ("Sieve.Blinding", 1.0))
        self._plant.clean()
        self._cleaned()
        self._plant.sieve.mount()
        return done

    @command()
    def clean_mesh(self) -> str:
        """Clean the sieve's mesh."""
        self._plant.sieve.mount()
        return self._mend("mesh cleaned", ("Sieve.Blinding", 1.0))

    @command()
    def change_mesh(self) -> str:
        """Mount a new mesh and tighten the resonator."""
        self._plant.sieve.mount()
        return self._mend("mesh changed", ("Sieve.Torn", 0.0), ("Sieve.Blinding", 1.0),
                          ("Sieve.UltrasonicLoss", 0.0))

    @command()
    def change_magnet(self) -> str:
        """Mount a drum with sound magnets."""
        return self._mend("magnet changed", ("Magnet.Weak", 0.0))

    @command()
    def repair_separator(self) -> str:
        """Repair coil and generator, set the classifying gas."""
        return self._mend("separator repaired", ("Separator.CoilLoss", 0.0),
                          ("Separator.FlowDrift", 0.0))

    @command()
    def repair_dryer(self) -> str:
        """Change the gas dryer's charge and the heater."""
        return self._mend("dryer repaired", ("Dryer.HumidGas", 0.0), ("Dryer.HeaterFailure", 0.0))

    @command()
    def repair_drives(self) -> str:
        """Repair plasma generator and blender drive."""
        return self._mend("drives repaired", ("Surface.TorchLoss", 0.0), ("Blender.Slip", 0.0))

    @command()
    def calibrate_laboratory(self) -> str:
        """Calibrate the laboratory's instruments with reference powder."""
        return self._mend("laboratory calibrated", ("Laboratory.OxygenError", 0.0),
                          ("Laboratory.PsdError", 0.0), ("Laboratory.MoistureError", 0.0))

    @command()
    def empty_bins(self) -> str:
        """Empty the bins of what was taken out, under argon."""
        done = self.begin("bins emptied")
        for name in ("magnetic", "oversize", "separated", "dust"):
            self._plant.line.filled.pop(name, None)
        self._plant.bins.weigh()
        return done

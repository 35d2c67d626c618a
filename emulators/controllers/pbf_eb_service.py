"""What an operator does with his hands at a PBF-EB machine that stands."""

from __future__ import annotations

from collections.abc import Callable

from emulators.controllers.service import ServiceWork
from twin.machines.pbf_eb import PbfEb
from twin.signals import Refused, command

__all__ = ["Service"]


class Service(ServiceWork):
    """Work at a PBF-EB machine."""

    _plant: PbfEb

    def __init__(
        self, plant: PbfEb, stands: Callable[[], bool], completing: Callable[[], bool],
        opened: Callable[[], bool],
    ) -> None:
        """`completing`: a job is cooling down or being unloaded; `opened`: vented and cool."""
        super().__init__(plant, stands)
        self._completing = completing
        self._opened = opened

    def _outside(self, work: str) -> str:
        """The name of work at the supplies, which a completing job does not forbid."""
        return work if self._completing() else self.begin(work)

    def _inside(self, work: str) -> str:
        """The name of work in the chamber, or `Refused` while it is hot or evacuated."""
        self.begin(work)
        if not self._opened():
            raise Refused(f"{work}: the chamber is hot or under vacuum; end the job first")
        return work

    @command()
    def refill_powder(self) -> str:
        """Fill the hoppers; during a job through the lock, under gas."""
        done = self.begin("powder refilled")
        self._plant.rake.refill()
        return self.tell(done, self._plant.rake)

    @command()
    def change_powder(self) -> str:
        """Empty the hoppers and fill them with dry powder of another lot."""
        done = self.begin("powder changed")
        self.end(self._plant.stage, OxidisedPowder=1.0)
        self.end(self._plant.vacuum, WetPowder=1.0)
        self._plant.rake.refill()
        return self.tell(done, self._plant.rake)

    @command()
    def change_cathode(self) -> str:
        """Put a new cathode into every gun and condition it."""
        done = self._inside("cathodes changed")
        for beam in self._plant.beams:
            beam.aged, beam.cathode_hours = 0.0, 0.0
            self.end(beam, CathodeWear=0.0)
            self.tell(done, beam)
        return done

    @command()
    def calibrate_beam(self) -> str:
        """Measure current, focus and position of the beams on the pattern plate; correct them."""
        done = self.begin("beams calibrated")
        for beam in self._plant.beams:
            self.end(beam, CalibrationLoss=0.0, FocusDrift=0.0, Astigmatism=0.0)
        self.end(self._plant.deflection, Drift=0.0)
        return self.tell(done, self._plant.deflection)

    @command()
    def condition_gun(self) -> str:
        """Burn dirt off the insulator at raised voltage, without beam."""
        return self.mend("gun conditioned", self._plant.high_voltage, Arcing=0.0)

    @command()
    def mend_leak(self) -> str:
        """Find the leaks of chamber and column with a helium spray and close them."""
        return self.mend("leaks mended", self._plant.vacuum, Leak=0.0, ColumnLeak=0.0)

    @command()
    def change_helium(self) -> str:
        """Connect a full helium bottle."""
        done = self._outside("helium bottle changed")
        self.end(self._plant.vacuum, HeliumFailure=False)
        return self.tell(done, self._plant.vacuum)

    @command()
    def change_heat_shields(self) -> str:
        """Put new heat shields around the bed."""
        done = self._inside("heat shields changed")
        self.end(self._plant.stage, ShieldDamage=1.0)
        return self.tell(done, self._plant.stage)

    @command()
    def free_rake(self) -> str:
        """Take away what blocks the rake, straighten its teeth, level what stands out.

        Allowed under vacuum, by a feed-through in the wall: only so can a held job go on.
        """
        done = self.begin("rake freed")
        self.end(self._plant.rake, Jam=False, BladeNick=0.0)
        self._plant.rake.protrusion = 0.0
        return self.tell(done, self._plant.rake)

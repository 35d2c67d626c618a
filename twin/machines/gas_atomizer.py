"""Gas atomizer with vacuum induction (VIGA) or electrode induction (EIGA) melting: the plant."""

from __future__ import annotations

from collections.abc import Generator as Process
from dataclasses import asdict, dataclass
from typing import Any, Literal

from twin.equipment.atomizing_gas import GasSupply
from twin.equipment.atomizing_tower import Separator, Tower
from twin.equipment.consumption import Consumption
from twin.equipment.electrode import Electrode
from twin.equipment.gridded import next_tick
from twin.equipment.melting import CoilWater, Crucible, Generator
from twin.equipment.powder_accounts import Charge, PowderAccounts
from twin.equipment.services import SafetyChain
from twin.equipment.spray import Droplets, Nozzle, Spray
from twin.equipment.tundish import Tundish
from twin.machine import Plant
from twin.materials import Alloy
from twin.physics.atomizing_gas import GASES
from twin.physics.melting import bath_loss

__all__ = ["AtomizerJob", "GasAtomizer", "Melting"]

Melting = Literal["VIGA", "EIGA"]


@dataclass(frozen=True)
class AtomizerJob:
    """What is atomized: charges of one alloy through one nozzle."""

    name: str
    alloy: Alloy
    melting: Melting
    charges: int
    mass: float
    """kg of each charge (VIGA) or rod (EIGA)."""
    oxygen: float
    """Mass fraction in it."""
    nozzle: Nozzle
    gas: str
    rod_diameter: float
    """m, EIGA."""

    @property
    def layers(self) -> int:
        """How many charges there are; they count as layers do on other machines."""
        return self.charges


class GasAtomizer(Plant):
    """Melting unit, gas nozzle, tower and closed gas loop, on one grid of simulated time.

    The lots are the sum of what came off second by second, so that a disturbance of the pour is in
    them.
    """

    STANDBY = 3_000.0  # W, default
    STEP = 1.0  # s

    def __init__(self, seed: int = 0, melting: tuple[Melting, ...] = ("VIGA",)) -> None:
        super().__init__(seed)
        self.safety = self.add("Safety", SafetyChain())
        self.water = self.add("Chiller", CoilWater(self.safety))
        self.generator = self.add("Generator", Generator(self.safety, self.water))
        self.crucible: Crucible | None = None
        self.tundish: Tundish | None = None
        self.electrode: Electrode | None = None
        if "VIGA" in melting:
            self.crucible = self.add("Crucible", Crucible(self.safety, self.generator))
            self.tundish = self.add("Tundish", Tundish(self.safety))
        if "EIGA" in melting:
            self.electrode = self.add("Electrode", Electrode(self.safety, self.generator))
        self.gas = self.add("Gas", GasSupply(self.safety))
        self.tower = self.add("Tower", Tower(self.safety))
        self.separator = self.add("Separator", Separator(self.safety))
        self.spray = self.add("Spray", Spray(self.safety))
        self.meter = self.consumption = self.add("Consumption", Consumption(self.STANDBY))
        self.job: AtomizerJob | None = None
        self.accounts = PowderAccounts()
        self.charge: Charge | None = None
        self.nozzle: Nozzle | None = None
        """The nozzle that is in: what it really does, near what the job's design says."""
        self.done = 0
        self._due: float | None = None
        self.assemble()

    # -- jobs ---------------------------------------------------------------------------------

    def load(self, job: AtomizerJob | None) -> None:
        """Take a job: nozzle and gas are set up; what an earlier one left is taken out."""
        self.unload()
        self._clear()
        self.job, self.done = job, 0
        self.separator.discharged = False
        self.nozzle = None
        if job is None:
            return
        gas = GASES[job.gas]
        # The gas nozzle is this machine's; every melt tube is another one.
        self.nozzle = job.nozzle.made(self.stream(f"gas nozzle {job.nozzle.slit:.9g}"))
        self.gas.set_up(gas, job.nozzle.slit)
        self.tower.gas = gas
        if self.crucible is not None and self.tundish is not None:
            self.crucible.set_up(job.alloy)
            self.tundish.set_up(job.alloy, job.nozzle.bore, job.nozzle.protrusion)
        if self.electrode is not None:
            self.electrode.set_up(job.alloy, job.rod_diameter)

    def put_in(self) -> None:
        """The next charge goes in; the melting chamber was open for that."""
        job = self.job
        if job is None or self.charge is not None:
            return
        kind = "rod" if job.melting == "EIGA" else "charge"
        self.charge = Charge(self.new_id(kind), job.mass, job.oxygen, float(self.env.now),
                             self._energy(), self._gas_used())
        self._clear()
        unit = self.electrode or self.crucible
        assert unit is not None
        unit.fill(job.mass, job.oxygen)
        if self.tundish is not None:
            self.tundish.new_tube(self.charge.id)
        self.consumption.used(job.mass)
        self.tower.passivated = 0.0
        self.tower.air()
        self.separator.discharged = False
        self.separator.log("process", f"{kind} {self.charge.id} put in", mass=job.mass)

    def _energy(self) -> float:
        self.consumption.sense(float(self.env.now))
        return float(self.consumption.energy)

    def _gas_used(self) -> float:
        self.consumption.sense(float(self.env.now))
        return float(self.consumption.gas)

    def take_out(self) -> None:
        """Cans, scrap and stub come out."""
        if self.job is None:
            return
        self._settle(self.separator.quarantine)
        self._clear()
        self.separator.discharged = True
        self.wake()

    def unload(self) -> None:
        """A job has ended; if a charge is still in work, what became of it is told, on hold.

        Skull, powder and scrap may be hot and stay where they are until somebody takes them out;
        powder that has not been passivated counts as met by air at once.
        """
        self._settle(held=True)

    def _clear(self) -> None:
        """Crucible, tundish, holder and cans are empty and clean."""
        if self.crucible is not None and self.tundish is not None:
            self.crucible.empty()
            self.tundish.clean()
        if self.electrode is not None:
            self.electrode.empty()
        self.accounts = PowderAccounts()
        self.separator.empty()

    def _settle(self, held: bool) -> None:
        """Close the account of the charge in work, if any; ``held``: all its lots are on hold."""
        job, charge, accounts = self.job, self.charge, self.accounts
        if job is None or charge is None:
            return
        now = float(self.env.now)
        rest = "stub" if job.melting == "EIGA" else "skull"
        if self.crucible is not None and self.tundish is not None:
            accounts.melt_oxygen = self.crucible.gained
            accounts.skull = self.crucible.left + self.tundish.held
            if not self.crucible.was_molten:
                rest = "charge"
        if self.electrode is not None:
            accounts.skull = self.electrode.left
            if self.electrode.left == self.electrode.charge:
                rest = "rod"
        operation = accounts.close(
            charge, job.alloy, machine=self.name, time=now, name="gas atomization", rest=rest,
            passivated=self.tower.passivated, held=held, new_id=self.new_id,
            about={"melting": job.melting, "gas": job.gas, "charge": self.done + 1})
        self.record_operation(operation)
        made = accounts.powder.mass + accounts.tail.mass + accounts.fines.mass
        self.consumption.built(made / float(job.alloy.density(293.15)))
        self.charge = None
        self.done += 1
        self._tell(job, charge, now)

    def _tell(self, job: AtomizerJob, charge: Charge, now: float) -> None:
        accounts = self.accounts
        found = accounts.figures(job.alloy)
        self.separator.log("layer", f"charge {self.done} atomized", **{
            "layer": self.done, "charge": charge.id, "charged": charge.mass,
            "duration": now - charge.since, **found,
            "energy": self._energy() - charge.energy, "gas": self._gas_used() - charge.gas})

    def drive(self, path: str, value: Any) -> bool:
        changed = super().drive(path, value)
        if changed and path == "Safety.DoorForced" and value:
            if self.separator.hot > 350.0 and self.accounts.powder.mass > 0.0 \
                    and self.tower.passivated < 0.5:
                self.separator.log("process", "air met hot fresh powder: it glows",
                                   mass=self.accounts.powder.mass)
            self.tower.air()
        return changed

    @property
    def layers_done(self) -> int:
        return self.done

    # -- the grid -----------------------------------------------------------------------------

    def _start(self) -> None:
        super()._start()
        if self._due is not None:
            self.run(self._run(self._due))

    def wake(self) -> None:
        """Begin to tick if it rests."""
        if self._due is None:
            self._due = next_tick(float(self.env.now), self.STEP)
            self.run(self._run(self._due))

    @property
    def _resting(self) -> bool:
        melts = [unit for unit in (self.crucible, self.tundish, self.electrode)
                 if unit is not None]
        return self.generator.power == 0.0 and all(unit.resting for unit in melts) \
            and self.gas.resting and self.tower.resting and self.separator.resting \
            and self.spray.resting

    def _run(self, due: float) -> Process[Any, Any, None]:
        while True:
            yield self.env.at(due)
            for _, component in self.walk():
                if component.trajectories:
                    component.sense(due)
            if self._resting:
                self._due = None
                return
            self._tick(self.STEP)
            due = self._due = next_tick(due, self.STEP)

    def _tick(self, step: float) -> None:
        """What happens from now to the next tick."""
        tower, gas, job = self.tower, self.gas, self.job
        entering = gas.tick(step, tower.leaving, tower.oxygen)
        flow, diameter, hot, oxygen, ripple, given, loss = 0.0, 0.0, 0.0, 0.0, 0.05, 0.0, 0.0
        if self.crucible is not None and self.tundish is not None:
            crucible, tundish = self.crucible, self.tundish
            given = crucible.tick(step, tower.oxygen_pressure)
            if crucible.left > 0.0 and crucible.metal is not None:
                loss = bath_loss(crucible.true, crucible.left, crucible.metal.emissivity)
            tundish.tick(step, crucible.poured, crucible.enthalpy, crucible.oxygen, gas.now_flow,
                         gas.before, gas.hot, tower.back)
            self.accounts.spill("overflow", tundish.spilt * step, tundish.oxygen)
            self.accounts.spill("splash", tundish.splashed * step, tundish.oxygen)
            flow, diameter, hot = tundish.flow, tundish.opening, tundish.melt
            oxygen = tundish.oxygen
        if self.electrode is not None:
            rod = self.electrode
            given = rod.tick(step)
            flow, hot, oxygen, ripple = rod.flow, rod.tip, rod.oxygen, rod.ripple
            diameter = rod.stream(flow)
        droplets: Droplets | None = None
        heat = taken = caught = dust = 0.0
        if flow > 0.0 and job is not None:
            droplets, heat, taken, caught, dust = self._spray(
                step, job, flow, diameter, hot, oxygen, ripple)
        self.spray.tick(step, flow, diameter, droplets, gas.now_flow)
        separator, accounts = self.separator, self.accounts
        tower.tick(step, entering, gas.oxygen, heat, taken, separator.resistance)
        separator.tick(step, tower.volume_flow, caught, dust, tower.warm,
                       accounts.powder.mass + accounts.tail.mass, accounts.fines.mass)
        wall = tower.WALL * max(tower.warm - 293.15, 0.0)
        self.generator.warm(wall + loss, given)

    def _spray(self, step: float, job: AtomizerJob, flow: float, diameter: float, hot: float,
               oxygen: float, ripple: float) -> tuple[Droplets | None, float, float, float, float]:
        """Droplets, heat (W), oxygen taken, powder caught and dust (kg/s) of a step."""
        tower, gas, accounts, separator = self.tower, self.gas, self.accounts, self.separator
        mass = flow * step
        metal, held = mass * (1.0 - oxygen), mass * oxygen
        speed = gas.gas.speed(gas.before, gas.hot, max(tower.pure, 1e4))
        droplets = self.spray.atomize(
            metal, job.alloy, hot, diameter, self.nozzle or job.nozzle, gas.gas, gas.now_flow,
            speed,
            gas.now_flow / flow, ripple, gas.now_curtain, tower.warm, tower.oxygen,
            tower.offered(step) * step, tower.HEIGHT)
        if droplets is None:
            # A stream that nothing breaks up: a cake on the tower's floor.
            accounts.spill("puddle", mass, oxygen)
            return None, 0.0, 0.0, 0.0, 0.0
        accounts.spill("splat", droplets.splats / (1.0 - oxygen), oxygen)
        past, caked = separator.grades(tower.volume_flow)
        fine = droplets.flown * past
        into = accounts.tail if separator.divert else accounts.powder
        whole = metal if metal > 0.0 else 1.0
        for can, masses, share in ((into, droplets.flown - fine, 1.0 - past),
                                   (accounts.fines, fine * (1.0 - caked), past * (1.0 - caked)),
                                   (accounts.dust, fine * caked, past * caked)):
            can.add(masses, droplets, held * float(masses.sum()) / whole
                    + float((droplets.film * share).sum()))
        film = float(droplets.film.sum())
        accounts.flight_oxygen += film
        accounts.sum_up(metal, droplets, gas.now_flow * step)
        # What the powder keeps goes with it into the cans: it is as warm as the gas.
        given = max(self._content(hot) - self._content(tower.warm), 0.0)
        return (droplets, flow * given, film / step, float((droplets.flown - fine).sum()) / step,
                float((fine * caked).sum()) / step)

    def _content(self, hot: float) -> float:
        unit = self.tundish or self.electrode
        assert unit is not None
        return 0.0 if unit.content is None else unit.content.at(hot)

    # -- snapshots ----------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        return {**super().snapshot(), "due": self._due, "done": self.done,
                "charge": None if self.charge is None else self.charge.plain(),
                "nozzle": None if self.nozzle is None else asdict(self.nozzle),
                "accounts": self.accounts.plain()}

    def reinstate(self, snapshot: dict[str, Any]) -> None:
        self._due, self.done = snapshot["due"], snapshot["done"]
        charge = snapshot["charge"]
        self.charge = None if charge is None else Charge(**charge)
        nozzle = snapshot["nozzle"]
        self.nozzle = None if nozzle is None else Nozzle(**nozzle)
        self.accounts = PowderAccounts.of(snapshot["accounts"])
        super().reinstate(snapshot)

"""Plasma rotating electrode machine: the plant."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import exp, inf
from typing import Any

import numpy as np

from twin.equipment.consumption import Consumption
from twin.equipment.drop_chamber import DropChamber
from twin.equipment.melt_face import Atomizing, Drops, MeltFace
from twin.equipment.powder_canister import Canister, Gas, Stream
from twin.equipment.rod_feed import Rod, RodFeed
from twin.equipment.rotor import Spindle
from twin.equipment.services import SafetyChain
from twin.equipment.transferred_arc import PlasmaArc, TorchWater
from twin.machine import Plant
from twin.materials import Alloy
from twin.powder.lot import PowderLot
from twin.powder.operations import Draw, Item, Operation, blend
from twin.powder.sizes import cut

__all__ = ["Prep", "PrepJob"]

Columns = dict[str, np.ndarray[Any, Any]]


@dataclass(frozen=True)
class PrepJob:
    """Rods of one alloy and size, and how the metal atomizes."""

    name: str
    alloy: Alloy
    rods: int
    diameter: float
    """m"""
    length: float
    """m"""
    oxygen: float
    """Of the rods, mass fraction."""
    atomizing: Atomizing
    change: float = 60.0
    """Time (s) to take a rod out of the magazine and chuck it."""

    @property
    def layers(self) -> int:
        """How many rods; they count as layers do on other machines."""
        return self.rods

    @property
    def composition(self) -> dict[str, float]:
        """Mass fractions by element, the alloy's scaled for the oxygen."""
        metal = {e: f for e, f in self.alloy.composition.items() if e != "O"}
        scale = (1.0 - self.oxygen) / sum(metal.values())
        return {**{e: f * scale for e, f in metal.items()}, "O": self.oxygen}


class Prep(Plant):
    """A spindle with a rod magazine, a torch, and a chamber in whose cold gas the drops freeze."""

    STANDBY = 1_500.0  # W, default
    PRODUCT = (45e-6, 150e-6)  # m: cut that the summary counts
    MELTS = 0.015  # standard deviation of ln of the drops' size from rod to rod, default
    SUSPECT = 100e-6  # oxygen in the gas above which the powder is held for a test, default

    def __init__(self, seed: int = 0) -> None:
        super().__init__(seed)
        self.safety = self.add("Safety", SafetyChain())
        self.water = self.add("Chiller", TorchWater(self.safety))
        self.chamber = self.add("Chamber", DropChamber(self.safety))
        self.spindle = self.add("Spindle", Spindle(self.safety))
        self.arc = self.add("Arc", PlasmaArc(self.safety, self.water))
        self.feed = self.add("Feed", RodFeed())
        self.face = self.add("Face", MeltFace(self.spindle, self.arc, self.feed))
        self.canister = self.add("Canister", Canister())
        self.meter = self.consumption = self.add("Consumption", Consumption(self.STANDBY))
        self.job: PrepJob | None = None
        self._done = 0
        self._began = 0.0
        self._energy = 0.0
        self._worst = 0.0
        self._connect()
        self.assemble()

    def _connect(self) -> None:
        face, arc, feed, spindle, chamber = (self.face, self.arc, self.feed, self.spindle,
                                             self.chamber)
        for part in (arc, feed, spindle):
            part.changed, part.after = face.before, face.after
        arc.gap = lambda: feed.gap if feed.rod is not None else inf
        arc.helium = lambda: chamber.true_helium
        arc.gave_heat, arc.gave_gas = chamber.warm, chamber.inject
        feed.loads, feed.let_go = self._rod, self._close_rod
        face.gives, face.ends = self._give, self.canister.blind
        self.canister.empties = self._discharge

    # -- job ----------------------------------------------------------------------------------

    def load(self, job: PrepJob | None) -> None:
        """Take a job: rods go into the magazine, the chamber was open."""
        self.unload()
        self._let_go()
        self.job = job
        self._done = 0
        self.feed.taken = 0
        self.feed.rods_left = job.rods if job else 0
        self.feed.change_time = job.change if job else 60.0
        self.face.atomizing = job.atomizing if job else None
        self.face.cold()
        if job is not None:
            self.chamber.air()

    def drive(self, path: str, value: Any) -> bool:
        changed = super().drive(path, value)
        if changed and path == "Safety.DoorForced":
            self.chamber.door()
        return changed

    @property
    def layers_done(self) -> int:
        return self._done

    def _rod(self, number: int) -> Rod | None:
        job = self.job
        if job is None or number >= job.rods:
            return None
        name = self.new_id("rod")
        melt = exp(self.MELTS * float(self.stream(f"melt of {name}").standard_normal()))
        rod = Rod.of(name, number, job.alloy, job.diameter, job.length, job.oxygen, melt)
        self.spindle.chuck(rod.mass, name)
        self.face.cold()
        self.feed.rods_left = job.rods - number - 1
        self.consumption.used(rod.mass)
        self.consumption.sense(float(self.env.now))
        self._began, self._energy = float(self.env.now), self.consumption.energy
        self._worst = 0.0
        return rod

    def unload(self) -> None:
        """A job has ended: the rod in work and the canister are told, hot as they may be.

        A rod that is in the chuck stays there until it is ejected or the next job is loaded.
        """
        self._discharge()

    def _give(self, drops: Drops, step: float) -> None:
        job, chamber = self.job, self.chamber
        if job is None:
            return
        rod = self.feed.rod
        radius = rod.diameter / 2.0 if rod else 0.0
        gas = Gas(chamber.true_helium, chamber.true_pressure, chamber.true_temperature,
                  chamber.true_oxygen, (chamber.RADIUS**2 - radius**2) ** 0.5)
        self._worst = max(self._worst, self.spindle.vibration)
        self.canister.collect(drops, job.alloy, job.atomizing.critical, gas, step)

    # -- what leaves the machine --------------------------------------------------------------

    def _close_rod(self) -> None:
        """The rod in work, used up or not, leaves the chuck."""
        self._settle()
        self._let_go()

    def _let_go(self) -> None:
        """The chuck is empty."""
        self.face.before()
        self.spindle.rod_mass = 0.0
        self.feed.place(None)

    def _settle(self) -> None:
        """Account for what became of the rod in the chuck, used up or not, once."""
        job, rod, canister = self.job, self.feed.rod, self.canister
        if job is None or rod is None or rod.told:
            return
        self.face.before()
        now, stream, mix = float(self.env.now), canister.stream, job.composition
        whole = replace(rod, length=rod.first)
        stub = whole.mass - stream.melted
        outputs: list[PowderLot | Item] = []
        if stream.powder > 0.0:
            held = stream.worst_oxygen > self.SUSPECT
            lot = stream.lot(self.new_id(), job.alloy, mix, parents=(rod.id,), origin="atomize",
                             made_at=now, machine=self.name, status="hold" if held else "new")
            canister.held.append(lot)
            outputs.append(lot)
        if stream.splats > 0.0:
            outputs.append(self._item("scrap", stream.splats, mix, {"what": "splats"}))
        outputs.append(self._item("stub" if stream.melted > 0.0 else "rod", stub, mix,
                                  {"length": rod.length, "diameter": rod.diameter}))
        taken = float(stream.taken.sum())
        self.record_operation(Operation(
            "atomize", self.name, now,
            (Draw(rod.id, whole.mass, {e: f * whole.mass for e, f in mix.items()}),),
            tuple(outputs), gained={"O": taken} if taken > 0.0 else {},
            lost={e: f * stream.fume for e, f in mix.items()} if stream.fume > 0.0 else {},
            about={"rod": rod.number + 1, "worst_oxygen": stream.worst_oxygen}))
        if stream.powder > 0.0:
            self._tell_rod(rod, stream, canister.held[-1])
        self._done += 1
        canister.stream = Stream()
        canister.weigh()
        rod.told = True

    def _item(self, kind: str, mass: float, mix: dict[str, float], about: dict[str, Any]) -> Item:
        assert self.job is not None
        mass = max(mass, 0.0)
        return Item(self.new_id(kind), kind, self.job.alloy.name, mass,
                    {e: f * mass for e, f in mix.items()}, about)

    def _tell_rod(self, rod: Rod, stream: Stream, lot: PowderLot) -> None:
        """A row of the table of layers."""
        now = float(self.env.now)
        self.consumption.sense(now)
        product = float((lot.masses * cut(lot.masses, *self.PRODUCT)).sum())
        kept = stream.powder + stream.splats
        self.feed.log("layer", f"rod {rod.number + 1} atomized", **{
            "layer": rod.number + 1, "duration": now - self._began, "atomizing": stream.seconds,
            "mass": lot.mass, "melt_rate": stream.melted / max(stream.seconds, 1e-9),
            "d10": lot.d10, "d50": lot.d50, "d90": lot.d90,
            "spread": (lot.d90 / max(lot.d10, 1e-9)) ** (1.0 / 2.5631),
            "product": product, "irregular": lot.irregular, "hollow": lot.hollow,
            "satellites": lot.satellites, "splats": stream.splats / kept,
            "fume": stream.fume, "oxygen": lot.oxygen, "worst_oxygen": stream.worst_oxygen,
            "vibration": self._worst, "wear": self.spindle.worn, "bow": self.spindle.bow,
            "direct_drop": stream.modes[0] / max(sum(stream.modes), 1e-12),
            "stub": rod.length, "energy": self.consumption.energy - self._energy})
        self._began, self._energy = now, self.consumption.energy

    def _discharge(self) -> None:
        """The canister is closed and taken away: all its powder is one lot."""
        canister = self.canister
        if self.job is None:
            return
        self.feed.stop_change()
        self._settle()
        if not canister.held:
            return
        now, held = float(self.env.now), canister.held
        lot = replace(blend(held, self.new_id()), origin="discharge", made_at=now,
                      machine=self.name,
                      status="hold" if any(part.status == "hold" for part in held) else "new")
        self.record_operation(Operation(
            "discharge", self.name, now, tuple(Draw.all(part) for part in held), (lot,),
            about={"rods": len(held)}))
        canister.log("process", f"lot {lot.id} discharged", mass=lot.mass, d50=lot.d50,
                     oxygen=lot.oxygen)
        self.consumption.built(lot.metal / float(self.job.alloy.density(293.15)))
        canister.held = []
        canister.weigh()

    def snapshot(self) -> dict[str, Any]:
        return {**super().snapshot(), "done": self._done, "began": self._began,
                "energy": self._energy, "worst": self._worst}

    def reinstate(self, snapshot: dict[str, Any]) -> None:
        super().reinstate(snapshot)
        self._done, self._began = snapshot["done"], snapshot["began"]
        self._energy, self._worst = snapshot["energy"], snapshot["worst"]


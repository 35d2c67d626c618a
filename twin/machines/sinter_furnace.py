"""Debinding and sintering furnace for green parts: the plant."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

import numpy as np

from twin.equipment.charge import ChargedPart, GreenPart, SinterMaterial
from twin.equipment.consumption import Consumption
from twin.equipment.furnace import Furnace, HeatingZone
from twin.equipment.furnace_gas import Retort
from twin.equipment.services import Chiller, SafetyChain
from twin.machine import Equipment, Plant
from twin.materials import Alloy
from twin.powder.lot import PowderLot
from twin.powder.operations import Item
from twin.powder.sintered import RESIN, sinter_operation
from twin.signals import measured

__all__ = ["Inspection", "SinterDefect", "SinterFurnace", "SinterJob", "SinterSegment"]

Columns = dict[str, np.ndarray[Any, Any]]


class SinterDefect(IntEnum):
    """Kinds of defects of a sintered part, as numbered in the record's table."""

    CRACKED = 30
    """Resin gas lifted it apart: debound too fast."""
    POROUS = 31
    """Density below what was asked for."""
    DISTORTED = 32
    """Size or shape out of tolerance."""
    OXIDISED = 33
    """Oxide that hydrogen did not take away."""
    CARBURISED = 34
    """Carbon of the resin that stayed."""


@dataclass(frozen=True)
class SinterSegment:
    """A step of the furnace's programme."""

    name: str
    target: float
    """K"""
    rate: float
    """K/s"""
    hold: float
    """s at temperature."""
    gas: str
    """hydrogen, nitrogen, argon or vacuum."""


@dataclass(frozen=True)
class SinterJob:
    """What is loaded into the furnace: parts, how their powder sinters, the programme."""

    name: str
    alloy: Alloy
    parts: tuple[GreenPart, ...]
    material: SinterMaterial
    segments: tuple[SinterSegment, ...]
    tolerance: float
    """Deviation of a size that is put up with, share."""
    density: float
    """Relative density asked for."""
    carbon: float
    """Most carbon, mass fraction."""
    items: tuple[Item, ...] = ()
    """The green parts as they were made, one for each part, if that is known."""

    @property
    def layers(self) -> int:
        """How many segments there are; they count as layers do on other machines."""
        return len(self.segments)


class Inspection(Equipment):
    """Gauge and balance: what came out of the furnace."""

    done = measured(bool, doc="the parts are out and inspected")
    density = measured("%", low=0, high=100, noise=0.05, quantum=0.01,
                       companion="Monitoring/Process/SinteredDensity",
                       doc="mean relative density, by Archimedes")
    deviation = measured("%", low=0, high=100, noise=0.02, quantum=0.01,
                         companion="Monitoring/Process/SizeDeviation",
                         doc="largest deviation of a size from the nominal part")
    distortion = measured("um", low=0, high=100_000, noise=2, quantum=1,
                          doc="largest sag or drag of a part")
    carbon = measured("ppm", low=0, high=50_000, noise=10, quantum=1,
                      doc="mean carbon content by mass, by combustion")
    parts_good = measured(int, low=0, high=10_000, doc="parts within tolerance")
    parts_rejected = measured(int, low=0, high=10_000,
                              companion="Monitoring/Health/PartsRejected",
                              doc="parts out of tolerance, cracked or too porous")


class SinterFurnace(Plant):
    """A retort furnace of three zones with hydrogen, inert gas and vacuum."""

    ROOM = (0.4, 0.4, 0.3)  # m: retort, usable length, width and height, default
    CHARGE = 0.5  # share of the room that several parts can fill between trays, default
    STANDBY = 500.0  # W, default
    ZONES = 3
    LEAN = 0.04  # hydrogen in air that burns
    OXIDE = 0.5  # hours of oxidising gas from which a part counts as oxidised, default

    def __init__(self, seed: int = 0) -> None:
        super().__init__(seed)
        self.safety = self.add("Safety", SafetyChain())
        self.water = self.add("Chiller", Chiller(self.safety))
        self.retort = self.add("Retort", Retort(self.safety))
        self.zones = [self.add(f"Zone{i + 1}", HeatingZone()) for i in range(self.ZONES)]
        self.furnace = self.add("Furnace", Furnace(
            self.safety, self.retort, self.water, self.zones, self._segment, self._inspect))
        self.inspection = self.add("Inspection", Inspection())
        self.meter = self.consumption = self.add("Consumption", Consumption(self.STANDBY))
        self.job: SinterJob | None = None
        self._began = 0.0
        self._energy = 0.0
        self._tables: list[tuple[str, Columns]] = []
        self.waiting: list[Item] = []
        """Green parts at the furnace, for its next job."""
        self.charged: list[Item] = []
        """Green parts in the furnace, in the order of its parts."""
        self.assemble()

    def supply_items(self, items: Sequence[Item]) -> None:
        """Green parts are brought for the next job; `ValueError` for anything else."""
        wrong = [item.id for item in items if item.kind != "green part"]
        if wrong:
            raise ValueError(f"{self.name or 'the furnace'} takes green parts, not "
                             + ", ".join(wrong))
        self.waiting += items

    def recall(self, ids: Collection[str]) -> list[PowderLot | Item]:
        gone = [item for item in self.waiting if item.id in ids]
        self.waiting = [item for item in self.waiting if item.id not in ids]
        return [*gone]

    def forget_job(self) -> None:
        self.charged = []

    def unload(self) -> None:
        if not self.charged or self.job is None:
            return
        findings = []
        for part in self.furnace.parts[:len(self.charged)]:
            found = part.final(self.job.material)
            findings.append({**found, "carbon_kept": part.carbon,
                             "good": not self._faults(part, found, self.job)})
        self.record_operation(sinter_operation(
            self.charged[:len(findings)], findings, self.name, float(self.env.now), self.new_id))
        self.charged = []

    def load(self, job: SinterJob | None) -> None:
        """Take a job: the retort was open, parts stand in it."""
        self.unload()
        self.job = job
        self.charged = []
        if job is not None:
            self.charged = [*self.waiting, *job.items][:len(job.parts)]
            self.waiting = self.waiting[len(job.parts):]
            self.charged += [self._brought(part, job) for part in job.parts[len(self.charged):]]
        self.furnace.charge(self._parts(job) if job else (), job.material if job else None)
        inspection = self.inspection
        inspection.done = False
        self._began, self._energy = float(self.env.now), self.consumption.energy
        if job is not None:
            if not self.furnace.hot:
                self.retort.air()
            mass = sum(math.prod(p.green) * p.fill * p.density for p in job.parts)
            self.consumption.used(mass * job.material.solid_density)

    def _brought(self, part: GreenPart, job: SinterJob) -> Item:
        """A green part that nobody has told of: from elsewhere, as its file and recipe say."""
        metal = math.prod(part.green) * part.fill * part.density * job.material.solid_density
        resin = metal * part.resin
        elements = {e: metal * share for e, share in job.alloy.composition.items()}
        for element, share in RESIN.items():
            elements[element] = elements.get(element, 0.0) + resin * share
        return Item(self.new_id("green"), "green part", job.alloy.name, sum(elements.values()),
                    elements, {"resin": resin, "name": part.name, "green_density": part.density})

    def _parts(self, job: SinterJob) -> tuple[GreenPart, ...]:
        """The job's parts, those that are here as what they were made as."""
        made = [replace(part, density=float(item.about["green_density"]),
                        grain=float(item.about.get("grain", 1.0)))
                for part, item in zip(job.parts, self.charged, strict=False)]
        return (*made, *job.parts[len(made):])

    def drive(self, path: str, value: Any) -> bool:
        changed = super().drive(path, value)
        if changed and path.startswith("Retort."):
            self.furnace.wake()
        if changed and path == "Safety.DoorForced" and value:
            if self.retort.mix["hydrogen"] > self.LEAN:
                self.retort.log("process", "air met hydrogen in the retort: deflagration",
                                hydrogen=self.retort.mix["hydrogen"])
            self.retort.air()
            self.furnace.wake()
        return changed

    @property
    def layers_done(self) -> int:
        return int(self.furnace.segment)

    def take_tables(self, vectors: bool) -> list[tuple[str, Columns]]:
        taken, self._tables = self._tables, []
        return taken

    def _segment(self) -> None:
        """A segment is over: how the parts stand."""
        job, furnace = self.job, self.furnace
        if job is None or not furnace.parts:
            return
        now = float(self.env.now)
        material = job.material
        self.consumption.sense(now)
        self.retort.sense(now)
        segment = job.segments[min(furnace.segment, len(job.segments)) - 1]
        mean = float(np.mean([p.density(material) for p in furnace.parts]))
        left = float(np.mean([sum(p.left) for p in furnace.parts]))
        furnace.log("layer", f"segment {furnace.segment} {segment.name} done", **{
            "layer": furnace.segment, "name": segment.name, "target": segment.target,
            "duration": now - self._began, "density": mean, "resin_left": left,
            "carbon": material.own_carbon + float(np.mean([p.carbon for p in furnace.parts])),
            "oxide": float(np.mean([p.oxide for p in furnace.parts])),
            "sag": max(p.sag for p in furnace.parts),
            "burst_index": max(p.burst for p in furnace.parts),
            "load_temperature": max(z.load for z in self.zones),
            "zone_spread": max(z.true for z in self.zones) - min(z.true for z in self.zones),
            "energy": self.consumption.energy - self._energy, "dew_point": self.retort.dew_point})
        self._began, self._energy = now, self.consumption.energy

    def _faults(
        self, part: ChargedPart, found: Mapping[str, float], job: SinterJob
    ) -> list[SinterDefect]:
        """What is wrong with a part that came out as `found`."""
        return [kind for kind, bad in (
            (SinterDefect.CRACKED, found["cracked"] > 0),
            (SinterDefect.POROUS, found["density"] < job.density),
            (SinterDefect.DISTORTED, found["deviation"] > job.tolerance
             or found["distortion"] > job.tolerance * max(part.part.nominal)),
            (SinterDefect.OXIDISED, found["oxide"] > self.OXIDE),
            (SinterDefect.CARBURISED, found["carbon"] > job.carbon)) if bad]

    def _inspect(self) -> None:
        """The parts come out: sizes against the nominal part, density, what is wrong with them."""
        job, inspection = self.job, self.inspection
        if job is None or inspection.done:
            return
        results, rows = [], []
        for number, part in enumerate(self.furnace.parts):
            found = part.final(job.material)
            wrong = self._faults(part, found, job)
            rows += [(kind, number, found) for kind in wrong]
            results.append((found, not wrong))
            inspection.log("part", f"part {number + 1} " + ("good" if not wrong else "rejected: "
                           + ", ".join(kind.name.lower() for kind in wrong)), **{
                "part": number, "good": int(not wrong), **found})
            box = math.prod(found[f"final_{axis}"] for axis in "xyz")
            self.consumption.built(box * part.part.fill)
        if results:
            inspection.density = float(np.mean([f["density"] for f, _ in results]))
            inspection.deviation = max(f["deviation"] for f, _ in results)
            inspection.distortion = max(f["distortion"] for f, _ in results)
            inspection.carbon = float(np.mean([f["carbon"] for f, _ in results]))
        inspection.parts_good = sum(good for _, good in results)
        inspection.parts_rejected = len(results) - inspection.parts_good
        inspection.done = True
        if rows:
            count = len(rows)
            self._tables.append(("defects", {
                "layer": np.full(count, self.furnace.segment, np.int32),
                "kind": np.array([k for k, _, _ in rows], np.int8),
                "x": np.zeros(count, np.float32), "y": np.zeros(count, np.float32),
                "z": np.zeros(count, np.float32),
                "size": np.array([f["distortion"] for _, _, f in rows], np.float32),
                "vector": np.full(count, -1, np.int32),
                "part": np.array([n for _, n, _ in rows], np.int16)}))

    def snapshot(self) -> dict[str, Any]:
        return {**super().snapshot(), "began": self._began, "energy": self._energy,
                "waiting": [item.plain() for item in self.waiting],
                "charged": [item.plain() for item in self.charged]}

    def reinstate(self, snapshot: dict[str, Any]) -> None:
        super().reinstate(snapshot)
        self._began, self._energy = snapshot["began"], snapshot["energy"]
        self.waiting = [Item.of(data) for data in snapshot["waiting"]]
        self.charged = [Item.of(data) for data in snapshot["charged"]]

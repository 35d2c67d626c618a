"""Metal binder jetting (BJT): the plant, from the spread layer to the depowdered green part."""

from __future__ import annotations

import io
from dataclasses import replace
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from twin.equipment.consumption import Consumption
from twin.equipment.curing import CuringOven, Depowdering
from twin.equipment.dryer import Dryer, Extraction
from twin.equipment.powder_bed import Platform
from twin.equipment.powder_lots import PowderLots, PowderPlant
from twin.equipment.print_head import JetJob, PrintedLayer, PrintHead, wicked
from twin.equipment.roller import RollerRecoater
from twin.equipment.services import SafetyChain
from twin.machine import Equipment
from twin.parts.raster import column_runs
from twin.physics import binder as ink
from twin.powder.ageing import Use
from twin.powder.sintered import RESIN
from twin.signals import image, measured

__all__ = ["BinderJet", "JetDefect", "LayerCamera"]

Floats = npt.NDArray[np.float64]
Columns = dict[str, np.ndarray[Any, Any]]


class JetDefect(IntEnum):
    """Kinds of placed defects of a green part, as numbered in the record's table."""

    DRY_LINE = 20
    """A column that got too little binder: a plane of weakness."""
    BLEED = 21
    """Binder beyond the outline."""
    THIN_LAYER = 22
    """Powder that did not reach so far."""
    SMEAR = 23
    """Powder dragged by a roller that wet powder clings to."""
    BROKEN = 24
    """A green part that broke at depowdering."""


class LayerCamera(Equipment):
    """Camera over the printed layer, and what the layer became."""

    layer = measured(int, low=0, high=1_000_000, doc="layer that the figures belong to")
    area = measured("mm2", low=0, high=250_000, doc="printed area of the layer")
    saturation = measured("%", low=0, high=200, noise=0.3, quantum=0.1,
                          companion="Monitoring/Process/LayerSaturation",
                          doc="mean binder saturation of the layer, from its darkness")
    streak = measured("%", low=0, high=100, noise=0.2, quantum=0.1,
                      companion="Monitoring/Process/PrintStreak",
                      doc="contrast of the strongest streak along the print direction")
    edge_growth = measured("um", low=0, high=2000, noise=2, quantum=1,
                           companion="Monitoring/Process/EdgeGrowth",
                           doc="printed outline beyond the demanded one")
    indications = measured(int, low=0, high=100_000,
                           companion="Monitoring/Process/LayerIndications",
                           doc="dry lines that the camera reports in the layer")
    picture = image(doc="saturation of the last layer; empty unless the run has pictures")


class BinderJet(PowderPlant):
    """A binder-jet machine with its curing oven and depowdering station."""

    PLATE = (0.28, 0.28)  # m
    HEIGHT = 0.20  # m
    STANDBY = 600.0  # W, default
    REACH = 0.5e-3  # m over which a layer's edge can give off its excess until it is dry, default
    WEAK = 0.75  # share of the layer's median saturation below which a line counts as dry, default
    SEEN = (0.3, 0.05)  # contrast of a line that the camera reports half of the time, its slope
    FALSE_CALLS = 0.02  # lines per layer that are none, default
    MEDIUM = 0.03  # deviation of the packing of a layer from another, default
    SCRAPE = 20e-6  # m of powder that clings to each face after depowdering, default
    JET = 0.02  # bending stress in a wall over the air jet's pressure, at slenderness 1, default

    def __init__(self, seed: int = 0, fidelity: str = "vector", pictures: bool = False) -> None:
        super().__init__(seed)
        self.safety = self.add("Safety", SafetyChain())
        self.box = self.add("Platform", Platform(warms=lambda plate: self.dryer.anchor()))
        self.recoater = self.add("Recoater", RollerRecoater(
            self._spread, lambda: self.box.depth, self._moisture))
        self.head = self.add("Head", PrintHead(self.PLATE, fidelity, self._printed))
        self.hood = self.add("Hood", Extraction(lambda: self.dryer.anchor()))
        self.dryer = self.add("Dryer", Dryer(
            self.safety, self.hood, self.PLATE[0] * self.PLATE[1], self._below))
        self.camera = self.add("Camera", LayerCamera())
        self.oven = self.add("Oven", CuringOven())
        self.depowdering = self.add("Depowdering", Depowdering(self._inspect))
        self.meter = self.consumption = self.add("Consumption", Consumption(self.STANDBY))
        self.powder = self.add("Powder", PowderLots("binder-jet"))
        self.pictures = pictures
        self.job: JetJob | None = None
        self._asked: JetJob | None = None  # as it was given, before its powder was known
        self._pieces: list[tuple[float, dict[str, Any]]] = []
        self.sums: list[dict[str, float]] = []
        self.fresh_packing = 0.55
        self._tables: list[tuple[str, Columns]] = []
        self.assemble()

    def _below(self) -> float:
        """Temperature (K) of the powder under the layer, now: whenever it was last looked at."""
        self.box.sense(float(self.env.now))
        return float(self.box.temperature)

    def load(self, job: JetJob | None) -> None:
        """Take a job: an empty box, powder filled up."""
        self.take_lots(job)
        self._asked, self._pieces = job, []
        self._follow_lot()
        job = self.job
        self.head.load(job)
        self.box.clear()
        self.recoater.empty()
        self.dryer.empty()
        self.depowdering.empty()
        self.sums = []
        if job is None:
            return
        self.sums = [dict.fromkeys(("area", "saturation", "packing", "growth", "lines", "volume",
                                    "binder"), 0.0) | {"weakest": 1.0} for _ in job.nominal]
        self.dryer.binder = job.binder
        self.recoater.layer = job.plan.layer_thickness
        self.fresh_packing = job.packing
        solid = float(job.alloy.density(300.0))
        self.recoater.powder_density = job.packing * solid
        effect = self.powder.effects(job.alloy.name, self._usual_grain())
        self.recoater.uneven = effect.uneven
        self.recoater.stock = self.powder.mass(job.alloy.name)
        self.recoater.refill()

    def _usual_grain(self) -> float | None:
        return self._asked.grain if self._asked is not None else None

    def _follow_lot(self) -> None:
        """The job with the packing and grain of the powder it gets."""
        job = self._asked
        if job is not None:
            effect = self.powder.effects(job.alloy.name, job.grain)
            job = replace(job, packing=min(job.packing * effect.packing, 0.74),
                          grain=job.grain * effect.grain)
        self.job = job

    def feedstock_needed(self, job: JetJob) -> dict[str, float]:
        height = job.layers * job.plan.layer_thickness
        area = self.recoater.BED[0] * self.recoater.BED[1]
        mass = area * height * job.packing * float(job.alloy.density(300.0))
        return {job.alloy.name: mass * job.dosing}

    def feedstock_used(self) -> dict[str, Use]:
        job, recoater = self.job, self.recoater
        if job is None:
            return {}
        pieces = self._pieces or [
            (self._metal(sums), {"name": name, "sound": False, "complete": False})
            for name, sums in zip(job.plan.parts, self.sums, strict=False) if sums["area"] > 0]
        metal = sum(share for share, _ in pieces)
        resin = sum(sums["binder"] for sums in self.sums) * job.binder.resin
        hours = (self.env.now - self.powder.began) / 3600.0
        return {job.alloy.name: Use(
            metal, max(recoater.spread, metal), recoater.dosed - recoater.spread, hours=hours,
            kind="green part", pieces=tuple(
                (share, {**known, "resin": resin * share / metal}) for share, known in pieces),
            added={e: resin * share for e, share in RESIN.items()} if metal else {},
            about={"job": job.name, "layers": self.layers_done})}

    def _coarser(self) -> float:
        """Grain size over what the recipe reckons with."""
        return self.job.grain / self._asked.grain if self.job and self._asked else 1.0

    def _metal(self, sums: dict[str, float]) -> float:
        """Metal (kg) in a green part."""
        job = self.job
        assert job is not None
        packing = sums["packing"] / sums["area"]
        return packing * float(job.alloy.density(300.0)) * sums["volume"]

    @property
    def layers_done(self) -> int:
        return int(self.head.layer_done)

    @property
    def quiet(self) -> bool:
        return not (self.recoater.moving or self.box.moving or self.head.busy
                    or self.depowdering.busy)

    def take_tables(self, vectors: bool) -> list[tuple[str, Columns]]:
        taken, self._tables = self._tables, []
        return taken if vectors else [t for t in taken if t[0] != "vectors"]

    def _moisture(self) -> float:
        self.dryer.sense(float(self.env.now))
        return float(self.dryer.moisture)

    def _spread(self) -> None:
        job = self.job
        if job is not None:
            layer = round(self.box.depth / job.plan.layer_thickness)
            chance = float(self.stream("packing", layer).standard_normal())
            best = job.packing * (1.0 + self.MEDIUM * 0.2 * chance)
            smear = 1.0 - 0.1 * self.recoater.smeared
            self.fresh_packing = min(best * self.recoater.compaction * smear, 0.74)
        self.dryer.cover()

    # -- a layer ------------------------------------------------------------------------------

    def _printed(self, done: PrintedLayer) -> None:
        """What a printed layer is: its saturation, where binder went, what is missing."""
        job, head = self.job, self.head
        assert job is not None
        thickness = job.plan.layer_thickness
        dx, dy = job.dot
        packing = self.fresh_packing
        grid, mask = head.grid, done.mask
        count = mask.sum(axis=1)
        x = grid.x(done.first + np.arange(mask.shape[0]))
        asked = ink.saturation(done.demand, packing, dx, dy, thickness)
        given = ink.effective_saturation(asked, done.demand, head.velocity(), dy, job.binder)
        radius = ink.pore_radius(job.grain, packing)
        joins = ink.line_forms(done.demand, dy, 1.0 / job.frequency, radius, job.binder)
        liquid = (1.0 - packing) * thickness * job.binder.density  # kg/m2 at saturation 1
        volatile = 1.0 - job.binder.resin
        left = self._moisture() / (liquid * volatile)
        filled = given * wicked(done.dose) + left
        held = ink.equilibrium_saturation(job.grain, packing, job.binder)
        long = count > 10
        weight = count / max(count.sum(), 1)
        mean = float(filled @ weight)
        median = float(np.median(filled[long])) if long.any() else mean
        weakest = float(filled[long].min()) if long.any() else mean
        width = ink.bleed_width(filled, held, self.REACH)
        growth = float(width @ weight)
        powder = np.clip(self.recoater.powder(np.stack([x, np.zeros_like(x)], 1)) / thickness,
                         0.0, 3.0) if len(x) else np.zeros(0)
        self.recoater.melted()
        covered = np.minimum(powder, 1.0)
        # Overlapping lines share pores, but every drop counts.
        dose = float(asked * (done.dose @ weight))
        area = float(count.sum()) * dx * dy
        self.dryer.wet(dose * liquid * volatile, area)
        streak = max(1.0 - weakest / median, 0.0) if median > 0 else 1.0
        camera = self.camera
        camera.layer, camera.area = done.index + 1, area
        camera.saturation, camera.streak, camera.edge_growth = mean, streak, growth
        dry = (filled < self.WEAK * median) & (count > 0)
        self._defects(done, dry, filled, median, growth, covered)
        self._add_up(done, filled, covered, dry, width, packing, asked * liquid)
        if self.pictures and mask.size:
            camera.picture = _picture(mask, filled)
        self.consumption.built(area * thickness)
        camera.log("layer", f"layer {done.index + 1} printed", **{
            "layer": done.index + 1, "z": (done.index + 1) * thickness, "area": area,
            "duration": done.duration, "saturation": mean, "saturation_weakest": weakest,
            "streak": streak, "edge_growth": growth, "packing": packing,
            "residual_moisture": left, "silent_nozzles": int(done.silent.sum()),
            "dry_columns": int(dry.sum()), "covered": float(covered @ weight),
            "line_formed": float(joins), "bed_temperature": float(self.dryer.bed_temperature),
            "smeared": self.recoater.smeared, "binder": dose * liquid * area,
            "green_density": packing * float(covered @ weight)})

    def _defects(self, done: PrintedLayer, dry: npt.NDArray[np.bool_], filled: Floats,
                 median: float, growth: float, covered: Floats) -> None:
        job = self.job
        assert job is not None
        grid, (dx, dy), rows = self.head.grid, job.dot, []
        # Neighbouring dry columns are one line.
        columns = np.flatnonzero(dry)
        first = columns[np.diff(columns, prepend=-2) > 1]
        for column, begin, end in zip(*column_runs(done.mask, first), strict=True):
            width = 1
            while column + width < len(dry) and dry[column + width]:
                width += 1
            rows.append((JetDefect.DRY_LINE, grid.x(done.first + column + 0.5 * (width - 1)),
                         grid.y(done.low + 0.5 * (begin + end - 1)), (end - begin) * dy,
                         width))
        if growth > dx:
            middle = done.first + 0.5 * len(dry)
            rows.append((JetDefect.BLEED, grid.x(middle),
                         grid.y(done.low + 0.5 * done.mask.shape[1]), growth, 0))
        thin = np.flatnonzero((covered < 0.8) & (done.mask.any(axis=1)))
        if len(thin):
            rows.append((JetDefect.THIN_LAYER, grid.x(done.first + float(thin.mean())),
                         grid.y(done.low + 0.5 * done.mask.shape[1]), len(thin) * dx, 0))
        if self.recoater.smeared > 0.2:
            rows.append((JetDefect.SMEAR, grid.x(done.first + 0.5 * len(dry)),
                         grid.y(done.low + 0.5 * done.mask.shape[1]),
                         self.recoater.smeared * 1e-3, 0))
        if rows:
            kind, xs, ys, size, vector = (np.array(c) for c in zip(*rows, strict=True))
            self._tables.append(("defects", {
                "layer": np.full(len(rows), done.index + 1, np.int32),
                "kind": kind.astype(np.int8), "x": xs.astype(np.float32),
                "y": ys.astype(np.float32),
                "z": np.full(len(rows), (done.index + 1) * job.plan.layer_thickness, np.float32),
                "size": size.astype(np.float32), "vector": vector.astype(np.int32),
                "part": self._part_at(xs, ys, done.index)}))
        self._indicate(done, first, filled, median)
        count = done.mask.sum(axis=1)
        self._tables.append(("vectors", {
            "layer": np.full(len(dry), done.index + 1, np.int32),
            "column": (done.first + np.arange(len(dry))).astype(np.int32),
            "x0": grid.x(done.first + np.arange(len(dry))).astype(np.float32),
            "dots": count.astype(np.int32), "saturation": filled.astype(np.float32),
            "silent": done.silent.copy()}))

    def _indicate(self, done: PrintedLayer, lines: npt.NDArray[np.intp], filled: Floats,
                  median: float) -> None:
        """What the camera reports: lines by their contrast, and now and then one that is none."""
        rng = self.stream("camera", done.index)
        contrast = 1.0 - filled[lines] / max(median, 1e-9)
        middle, slope = self.SEEN
        found = lines[rng.random(len(lines)) < 1.0 / (1.0 + np.exp(-(contrast - middle) / slope))]
        printed = np.flatnonzero(done.mask.any(axis=1))
        calls = rng.poisson(self.FALSE_CALLS) if len(printed) else 0
        columns = np.sort(np.concatenate([found, rng.choice(printed, calls)])).astype(np.intp) \
            if calls else np.sort(found)
        self.camera.indications = len(columns)
        if len(columns):
            self._tables.append(("indications", {
                "layer": np.full(len(columns), done.index + 1, np.int32),
                "x": self.head.grid.x(done.first + columns).astype(np.float32),
                "y": np.full(len(columns), self.head.grid.y(
                    done.low + 0.5 * done.mask.shape[1]), np.float32),
                "size": np.full(len(columns), done.mask.shape[1] * self.head.grid.dy,
                                np.float32)}))

    def _bounds(self, index: int) -> list[tuple[float, float, float, float]]:
        job = self.job
        assert job is not None
        return [tuple(region.bounds) if not region.is_empty else (np.nan,) * 4
                for region in job.plan.regions(index)]

    def _part_at(self, x: Floats, y: Floats, index: int) -> npt.NDArray[np.int16]:
        part = np.zeros(len(x), np.int16)
        for number, (x0, y0, x1, y1) in enumerate(self._bounds(index)):
            part[(x >= x0) & (x <= x1) & (y >= y0) & (y <= y1)] = number
        return part

    def _add_up(self, done: PrintedLayer, filled: Floats, covered: Floats,
                dry: npt.NDArray[np.bool_], width: Floats, packing: float,
                liquid: float) -> None:
        """Keep what each green part is made of; `liquid`: kg/m2 of binder at a dose of 1."""
        job = self.job
        assert job is not None
        grid, cell = self.head.grid, job.dot[0] * job.dot[1]
        x = grid.x(done.first + np.arange(done.mask.shape[0]))
        y = grid.y(done.low + np.arange(done.mask.shape[1]))
        whole = done.mask.sum(axis=1)
        alone = len(self.sums) == 1
        for sums, (x0, y0, x1, y1) in zip(self.sums, self._bounds(done.index), strict=True):
            mine = slice(*np.searchsorted(x, (x0, x1)))
            along = slice(*np.searchsorted(y, (y0, y1)))
            count = whole[mine] if alone else done.mask[mine, along].sum(axis=1)
            if not count.sum():
                continue
            area = float(count.sum()) * cell
            sums["area"] += area
            sums["volume"] += area * job.plan.layer_thickness
            sums["saturation"] += float(filled[mine] @ count) * cell
            sums["packing"] += float(covered[mine] @ count) * cell * packing
            sums["binder"] += float(done.dose[mine] @ count) * cell * liquid
            sums["growth"] += float(width[mine] @ count) * cell
            sums["lines"] += int(dry[mine].sum())
            mean = float(filled[mine] @ count) / count.sum()
            long = whole[mine] > 10
            if long.any() and mean > 0:
                sums["weakest"] = min(sums["weakest"], float(filled[mine][long].min() / mean))

    # -- the green parts ----------------------------------------------------------------------

    def _inspect(self) -> tuple[float, int, int]:
        """Depowdering is over: what is whole, what broke, how each green part is."""
        job, sound, broken = self.job, 0, 0
        if job is None:
            return 0.0, 0, 0
        cured = self.oven.cured
        solid = float(job.alloy.density(300.0))
        stream = self.stream("depowdering")
        for number, (sums, size) in enumerate(zip(self.sums, job.nominal, strict=True)):
            if sums["area"] <= 0:
                continue
            filled = sums["saturation"] / sums["area"]
            packing = sums["packing"] / sums["area"]
            growth = sums["growth"] / sums["area"]
            strength = float(ink.green_strength(filled, packing, cured))
            strength *= min(2.0 * sums["weakest"], 1.0)
            wall = job.walls[number] if number < len(job.walls) else min(size)
            slender = max(size) * job.scale[2] / max(wall, 1e-4)
            stress = self.JET * self.depowdering.air_pressure * slender**2
            breaks = bool(stream.random() < ink.rupture_probability(stress, strength))
            broken, sound = broken + breaks, sound + (not breaks)
            if breaks:
                self._tables.append(("defects", {
                    "layer": np.array([self.head.layer_done], np.int32),
                    "kind": np.array([JetDefect.BROKEN], np.int8),
                    **{axis: np.zeros(1, np.float32) for axis in "xyz"},
                    "size": np.array([max(size)], np.float32),
                    "vector": np.array([-1], np.int32), "part": np.array([number], np.int16)}))
            grown = 2.0 * (growth + self.SCRAPE * (1.0 - min(filled, 1.0)))
            green = [edge * scale + grown * (axis < 2)
                     for axis, (edge, scale) in enumerate(zip(size, job.scale, strict=True))]
            green[2] = max(self.head.layer_done, 1) * job.plan.layer_thickness \
                if len(job.nominal) == 1 else green[2]
            span, over = job.spans[number] if number < len(job.spans) else (0.0, wall)
            resin = sums["binder"] * job.binder.resin / (packing * solid * sums["volume"])
            self._pieces.append((self._metal(sums), {
                "name": job.plan.parts[number], "number": number, "sound": not breaks,
                "complete": self.head.layer_done >= job.layers, "green_density": packing,
                "strength": strength, "resin_share": resin, "grain": self._coarser()}))
            self.depowdering.log("part", f"green part {number + 1} "
                                 + ("broken" if breaks else "sound"), **{
                "part": number, "name": job.plan.parts[number], "alloy": job.alloy.name,
                "sound": int(not breaks), "complete": int(self.head.layer_done >= job.layers),
                **{f"nominal_{axis}": size[i] for i, axis in enumerate("xyz")},
                **{f"green_{axis}": green[i] for i, axis in enumerate("xyz")},
                "green_density": packing, "saturation": filled, "cured": cured,
                "strength": strength, "stress": stress, "resin": resin, "wall": wall,
                "span": span, "span_height": over,
                "grain": self._coarser(), "weakest": sums["weakest"], "dry_columns": sums["lines"],
                "volume": sums["volume"]})
        loose = self.PLATE[0] * self.PLATE[1] * self.head.layer_done * job.plan.layer_thickness
        loose -= sum(s["volume"] for s in self.sums)
        return max(loose, 0.0) * job.packing * solid, sound, broken

    def snapshot(self) -> dict[str, Any]:
        return {**super().snapshot(), "sums": [dict(s) for s in self.sums],
                "packing": self.fresh_packing,
                "pieces": [[share, dict(about)] for share, about in self._pieces]}

    def reinstate(self, snapshot: dict[str, Any]) -> None:
        super().reinstate(snapshot)
        self.sums = [dict(s) for s in snapshot["sums"]]
        self.fresh_packing = snapshot["packing"]
        self._pieces = [(share, dict(about)) for share, about in snapshot["pieces"]]
        self._follow_lot()
        self.head.job = self.job


def _picture(mask: npt.NDArray[np.bool_], filled: Floats) -> bytes:
    """The layer's saturation as a PNG, at most some 600 dots wide."""
    step = max(1, max(mask.shape) // 600)
    grey = np.where(mask, np.clip(filled, 0, 1.2)[:, None] / 1.2 * 200 + 55, 0)[::step, ::step]
    out = io.BytesIO()
    Image.fromarray(grey.T[::-1].astype(np.uint8)).save(out, "PNG")
    return out.getvalue()

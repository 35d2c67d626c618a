"""Electron image of each melted layer: what it shows of the surface, re-melting, the verdict."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from twin.equipment.pictures import LONGEST_SIDE, png
from twin.machine import Equipment
from twin.meltpool.defects import DefectKind
from twin.meltpool.electron_image import ElectronImager
from twin.signals import actuator, image, measured

if TYPE_CHECKING:
    from twin.equipment.exposure import ExposureResult
    from twin.materials import Alloy

__all__ = ["OPEN", "ElectronImaging", "Finished"]

Table = dict[str, npt.NDArray[Any]]

OPEN = (DefectKind.LACK_OF_FUSION, DefectKind.KEYHOLE_PORE, DefectKind.BALLING,
        DefectKind.SPATTER)
"""Kinds that reach the surface, so that electrons see them."""


@dataclass
class Finished:
    """A melted layer until the machine goes on to the next one."""

    result: ExposureResult
    defects: np.ndarray[Any, Any]
    report: dict[str, Any]
    """Its figures for the record."""
    indications: list[Table] = field(default_factory=list)
    newest: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 2)))
    """Places (m, 2) of the newest image's indications."""
    passes: int = 0
    images: int = 0


class ElectronImaging(Equipment):
    """Takes an image with the beam at low current; finds defects with a probability, and others.

    An open defect is found with `ElectronImager.detection`; besides, calls for nothing come at
    `FALSE_CALLS` per area. Re-melting the indicated places closes what is there with `HEALED`.
    """

    DURATION = 2.0  # s per image, default
    REMELT = 0.4  # s per place, default
    HEALED = 0.85  # share of open defects that a second melting closes, default
    FALSE_CALLS = 40.0  # 1/m2, default
    MARGIN = 2e-3  # m around the part in the picture

    busy = measured(bool, doc="an image is taken, or places are melted again")
    layer = measured(int, low=0, high=1_000_000, doc="layer that the figures belong to")
    indications = measured(int, low=0, high=1_000_000,
                           companion="Monitoring/Process/LayerIndications",
                           doc="places that the newest electron image of the layer marks")
    remelts = measured(int, low=0, high=100, doc="times that places of the layer were melted again")
    brightness = measured("%", low=0, high=200, start=100, noise=0.3, quantum=0.1,
                          doc="mean signal of the image over that of flat metal and powder")
    dark_share = measured("%", low=0, high=100, noise=0.05, quantum=0.1,
                          companion="Monitoring/Process/DarkShare",
                          doc="share of the bed that is dark: no powder where some should lie")
    electron_image = image(doc="backscattered-electron image of the last layer; empty unless the "
                               "run has pictures")
    take = actuator(bool, edge=True, doc="take an image (rising edge)")
    remelt = actuator(bool, edge=True, doc="melt the indicated places again (rising edge)")
    accept = actuator(bool, edge=True, doc="keep the layer as it is: its record is complete "
                      "(rising edge)")

    def __init__(self, pictures: bool) -> None:
        super().__init__()
        self.device = ElectronImager()
        self.pictures = pictures
        self.open: Finished | None = None
        """The layer on top, whose record is not complete."""
        self.done: list[Finished] = []
        """Complete layers, not yet taken for the record."""
        self.alloy: Alloy | None = None
        self.patches: list[tuple[float, float, float]] = []
        """Places (x, y, radius in m) from which smoke took the powder."""
        self.bare = 0.0  # share of the bed that the rake did not cover
        self.bed = (0.25, 0.25)
        self._work: int = 0

    def driven(self, attribute: str) -> None:
        if attribute == "take" and self.take and not self.busy and self.plant.energised:
            self._begin(self.DURATION, self._image)
        elif attribute == "remelt" and self.remelt and not self.busy and self.open is not None:
            places = len(self.open.newest)
            if places:
                self._begin(self.REMELT * places, self._melt_again)
        elif attribute == "accept" and self.accept:
            self.keep_layer()

    def tripped(self, power_lost: bool) -> None:
        self._work += 1
        self.busy = False

    def _begin(self, seconds: float, then: Any) -> None:
        self._work += 1
        self.busy = True
        self.plant.run(self._during(seconds, then, self._work))

    def _during(self, seconds: float, then: Any, work: int) -> Generator[Any, Any, None]:
        yield self.plant.env.timeout(seconds)
        if work == self._work:
            self.busy = False
            then()

    def finish(self, finished: Finished) -> None:
        """A layer has been melted; what was not accepted before it, is so now."""
        self.keep_layer()
        self.open = finished
        self.layer, self.indications, self.remelts = finished.result.layer.index + 1, 0, 0

    def keep_layer(self) -> None:
        """The record of the layer on top is complete."""
        if self.open is None:
            return
        kept, self.open = self.open, None
        kept.report |= {"indications": len(kept.newest), "remelts": kept.passes,
                        "images": kept.images, "defects": len(kept.defects)}
        self.log("layer", f"layer {kept.report['layer']} solidified", **kept.report)
        self.done.append(kept)

    def forget(self) -> None:
        """A clean plate."""
        self.open, self.patches, self.bare = None, [], 0.0
        self.indications = self.remelts = 0
        self.dark_share, self.brightness = 0.0, 1.0

    # -- the image ----------------------------------------------------------------------------

    def _dark(self) -> float:
        blown = sum(np.pi * r**2 for _, _, r in self.patches) / (self.bed[0] * self.bed[1])
        return float(min(blown + self.bare, 1.0))

    def _image(self) -> None:
        self.dark_share = self._dark()
        self.brightness = 1.0 - 0.6 * self.dark_share
        layer = self.open
        if layer is None:
            return
        layer.images += 1
        rng = self.plant.stream(f"image {layer.images}", layer.result.layer.index)
        defects = layer.defects
        seen = np.isin(defects["kind"], [int(k) for k in OPEN])
        chance = np.zeros(len(defects))
        if seen.any():
            chance[seen] = self.device.detection(defects["size_m"][seen])
        found = np.flatnonzero(rng.random(len(defects)) < chance)
        places = np.column_stack([defects["x"][found], defects["y"][found]])
        area = layer.result.layer.area
        false = int(rng.poisson(self.FALSE_CALLS * area))
        low, high = self._extent(layer)
        calls = low + rng.random((false, 2)) * (high - low)
        layer.newest = np.vstack([places, calls])
        # What a monitor knows: a place and a size from the contrast, right or wrong.
        size = np.concatenate([
            defects["size_m"][found] * np.exp(0.25 * rng.standard_normal(len(found))),
            self.device.pixel * np.exp(0.4 * rng.standard_normal(false))])
        order = np.lexsort((layer.newest[:, 1], layer.newest[:, 0]))
        layer.newest, size = layer.newest[order], size[order]
        count = len(size)
        layer.indications.append({
            "layer": np.full(count, layer.result.layer.index + 1, np.int32),
            "image": np.full(count, layer.images, np.int32),
            "x": layer.newest[:, 0].astype(np.float32),
            "y": layer.newest[:, 1].astype(np.float32),
            "size": size.astype(np.float32),
        })
        self.indications = count
        if self.pictures:
            self.electron_image = self._picture(layer, rng)

    def _extent(self, layer: Finished) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        places = layer.result.rows.places
        points = np.concatenate([places.start, places.end])
        if not len(points):
            return np.zeros(2), np.zeros(2)
        return points.min(axis=0), points.max(axis=0)

    def _picture(self, layer: Finished, rng: np.random.Generator) -> bytes:
        """PNG of the true surface around the part as electrons see it; x right, y up."""
        assert self.alloy is not None
        low, high = self._extent(layer)
        low, high = low - self.MARGIN, high + self.MARGIN
        pixel = max(self.device.pixel, float((high - low).max()) / (LONGEST_SIDE - 1))
        columns, rows = (int(n) + 2 for n in np.ceil((high - low) / pixel))
        height, solid = np.zeros((rows, columns)), np.zeros((rows, columns), bool)
        where = layer.result.rows.places
        length = np.hypot(*(where.end - where.start).T)
        steps = np.maximum(np.ceil(length / (0.5 * pixel)), 1).astype(int)
        own = np.repeat(np.arange(len(steps)), steps)
        part = (np.arange(len(own)) - np.repeat(np.cumsum(steps) - steps, steps) + 0.5) / steps[own]
        points = where.start[own] + part[:, None] * (where.end - where.start)[own]
        i, j = ((points - low) / pixel).astype(int).T
        width = layer.result.pool.width[where.row[own]]
        reach = max(int(np.median(width) / pixel / 2), 0) if len(width) else 0
        for dx in range(-reach, reach + 1):
            for dy in range(-reach, reach + 1):
                solid[np.clip(j + dy, 0, rows - 1), np.clip(i + dx, 0, columns - 1)] = True
        # Tracks leave ripples of a few micrometres; powder stands half a layer above the metal.
        height += np.where(solid, 0.0, 0.5 * layer.result.layer.thickness)
        y, x = np.mgrid[0:rows, 0:columns] * pixel
        for defect in layer.defects[np.isin(layer.defects["kind"], [int(k) for k in OPEN])]:
            near = np.hypot(x - (defect["x"] - low[0]), y - (defect["y"] - low[1]))
            bead = defect["kind"] in (DefectKind.BALLING, DefectKind.SPATTER)
            hole = near < 0.5 * defect["size_m"]
            height += np.where(hole, (1.0 if bead else -1.0) * defect["size_m"], 0.0)
        for px, py, radius in self.patches:
            blown = np.hypot(x - (px - low[0]), y - (py - low[1])) < radius
            height -= np.where(blown & ~solid, 1.5 * layer.result.layer.thickness, 0.0)
        signal = self.device.image(self.alloy, height, solid, rng)
        for px, py, radius in self.patches:
            blown = np.hypot(x - (px - low[0]), y - (py - low[1])) < radius
            signal = np.where(blown, 0.35 * signal, signal)
        grey = np.clip(signal / (1.6 * float(np.median(signal))) * 255.0, 0.0, 255.0)
        return png(grey[::-1].astype(np.uint8))

    # -- melting again ------------------------------------------------------------------------

    def _melt_again(self) -> None:
        layer = self.open
        if layer is None:
            return
        layer.passes += 1
        self.remelts = layer.passes
        defects = layer.defects
        if len(defects) and len(layer.newest):
            gap = np.hypot(defects["x"][:, None] - layer.newest[:, 0],
                           defects["y"][:, None] - layer.newest[:, 1]).min(axis=1)
            rng = self.plant.stream(f"remelt {layer.passes}", layer.result.layer.index)
            closed = (gap < 2 * self.device.pixel) & (rng.random(len(defects)) < self.HEALED)
            closed &= np.isin(defects["kind"], [int(k) for k in OPEN])
            layer.defects = defects[~closed]
        self.log("process", f"{len(layer.newest)} places melted again")

    def hidden_state(self) -> dict[str, Any]:
        return {"patches": [list(p) for p in self.patches], "bare": self.bare}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        self.patches = [(float(x), float(y), float(r)) for x, y, r in hidden["patches"]]
        self.bare = hidden["bare"]
        self.open = None

"""Toolpaths of deposition: layers of passes, generated from parts or read from G-code.

A pass is one stretch of path along which material is deposited; between passes the head travels
with the source off. Each layer is computed when asked for, so that a part of a metre costs no
more memory than one of its layers.
"""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
import math
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import shapely

from twin.parts.gcode import DwellUnit, GcodeProgram, Pause, Stroke, read_gcode
from twin.parts.geometry import PartError
from twin.parts.hatching import HatchStyle, check_range, contours, hatch, inset
from twin.parts.layers import Role
from twin.parts.plate import Placement
from twin.parts.slicing import Floats, Region, Slicer, rings_of
from twin.parts.turns import SAME_LEVEL, turns

__all__ = ["Pass", "PassLayer", "PassPlan", "PassStyle"]

CACHED_LAYERS = 4
SLIVER = 0.98
"""Share of the largest inset at which the middle line of a wall thinner than a bead is taken."""
GRID = 1e-6
"""Grid (m) on which sections are joined."""


@dataclasses.dataclass(frozen=True)
class PassStyle:
    """How a cross-section is filled with beads. Lengths in metres, angles in radians."""

    bead_width: float = 1.6e-3
    overlap: float = 1 / 3
    """Share of a bead's width that the next one covers: a third for parabolas (Suryakumar et al.
    2011, doi 10.1016/j.cad.2011.01.006)."""
    contours: int = 1
    contour_first: bool = True
    rotation: float = math.pi / 2
    """Turn of the direction from layer to layer."""
    start_angle: float = 0.0
    alternate: bool = True
    """Every second layer is run backwards, so that starts and ends do not pile up."""
    min_length: float = 1e-3
    """Shorter passes are left out."""

    def __post_init__(self) -> None:
        """Raise PartError for a value out of its range."""
        for name, low, high in (("bead_width", 0.1e-3, 0.03), ("overlap", 0.0, 0.9),
                                ("contours", 0, 20), ("rotation", -2 * math.pi, 2 * math.pi),
                                ("start_angle", -2 * math.pi, 2 * math.pi),
                                ("min_length", 0.0, 0.1)):
            check_range("pass style", name, getattr(self, name), low, high)

    @property
    def pitch(self) -> float:
        """Distance of neighbouring beads, m."""
        return self.bead_width * (1 - self.overlap)


@dataclasses.dataclass(frozen=True, eq=False)
class Pass:
    """One bead: a polyline with the source on. What is nan is up to the recipe."""

    points: Floats
    """(n, 3) in plate coordinates (m); z over the surface that the layer is laid on."""
    role: Role = Role.HATCH
    part: int = 0
    feed: float = math.nan
    """m/s."""
    demand: float = math.nan
    """Of the energy source, in its own unit."""
    feedstock: float = math.nan
    """Of the feeder, in its own unit."""
    pause: float = 0.0
    """Dwell before the pass that the program asks for, s."""

    @property
    def length(self) -> float:
        """Length of the path, m."""
        return float(np.sqrt((np.diff(self.points, axis=0) ** 2).sum(axis=1)).sum())


@dataclasses.dataclass(frozen=True, eq=False)
class PassLayer:
    """The passes of one layer in their order."""

    index: int
    """Number of the layer from 0, at the plate."""
    base: float
    """Nominal height over the plate of the surface it is laid on, m."""
    thickness: float
    passes: tuple[Pass, ...]
    area: float
    """Solid cross-section, m²; of a file, length times pitch."""
    pause: float = 0.0
    """Dwell after the last pass that the program asks for, s."""

    @property
    def z(self) -> float:
        """Nominal height of its top over the plate, m."""
        return self.base + self.thickness

    @property
    def length(self) -> float:
        """Length of all passes, m."""
        return math.fsum(each.length for each in self.passes)


class _Source(Protocol):
    @property
    def names(self) -> tuple[str, ...]: ...
    bases: Floats
    thicknesses: Floats

    def layer(self, index: int, style: PassStyle) -> tuple[tuple[Pass, ...], float, float]: ...
    def bounds(self, style: PassStyle) -> tuple[float, float, float, float]: ...
    def content(self) -> bytes: ...
    def describe(self) -> list[dict[str, Any]]: ...


class PassPlan:
    """All layers of a deposition, computed one by one when asked for.

    A layer depends on geometry and settings alone: any order of access gives the same bits.
    """

    def __init__(self, placements: Sequence[Placement], layer_thickness: float,
                 style: PassStyle | None = None, filled: bool = True) -> None:
        """Plan placed parts in layers of `layer_thickness` (m).

        `filled`: what hangs over is filled below with metal to be machined off, as a bead cannot
        be laid on nothing. Raises PartError for values out of range and if there is no part.
        """
        check_range("pass plan", "layer_thickness", layer_thickness, 0.05e-3, 10e-3)
        if not placements:
            raise PartError("pass plan: there is no part on the plate")
        self._set_up(_Meshes(placements, layer_thickness, filled), style or PassStyle())

    @classmethod
    def from_gcode(cls, path: str | Path, style: PassStyle | None = None,
                   layer_thickness: float = 0.5e-3, dwell_unit: DwellUnit = "auto") -> PassPlan:
        """Plan what a G-code file does: its passes, feeds, demands and dwells, layers by height.

        `layer_thickness` (m) is that of a file of one height only. Heights count from the first
        pass, which lies on the plate. Raises `GcodeError` (a PartError) for what cannot be read,
        PartError for a file without a pass, or with one below the first.
        """
        check_range("pass plan", "layer_thickness", layer_thickness, 0.05e-3, 10e-3)
        plan = cls.__new__(cls)
        style = style or PassStyle()
        program = read_gcode(path, dwell_unit)
        plan._set_up(_File(program, layer_thickness, style.bead_width), style)
        return plan

    def _set_up(self, source: _Source, style: PassStyle) -> None:
        self._source, self.style = source, style
        self._settings = {"passes": dataclasses.asdict(style)}
        self._layer = lru_cache(CACHED_LAYERS)(self._make)

    def __len__(self) -> int:
        """Number of layers."""
        return len(self._source.bases)

    @property
    def layer_thickness(self) -> float:
        """Thickness (m) of the layers, the median of uneven ones."""
        return float(np.median(self._source.thicknesses))

    @property
    def height(self) -> float:
        """Nominal height of the build over the plate, m."""
        return float((self._source.bases + self._source.thicknesses).max())

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts, in the order `Pass.part` counts them."""
        return self._source.names

    @property
    def notes(self) -> tuple[str, ...]:
        """What was ignored in a file."""
        return getattr(self._source, "notes", ())

    def own_settings(self) -> dict[str, float]:
        """Medians of what passes of a file say themselves: ``feed``, ``demand``, ``feedstock``.

        Empty for passes that were generated; what no pass says is left out.
        """
        if not isinstance(self._source, _File):
            return {}
        found = {}
        for name in ("feed", "demand", "feedstock"):
            if said := self.own_values(name):
                found[name] = float(np.median(said))
        return found

    def own_values(self, name: str) -> list[float]:
        """What passes of a file say of ``feed``, ``demand`` or ``feedstock``, zeros left out."""
        if not isinstance(self._source, _File):
            return []
        passes = [each for index in range(len(self)) for each in self.layer(index).passes]
        return [v for each in passes if not math.isnan(v := getattr(each, name)) and v > 0]

    def adapted(self, without: Sequence[str] = (), step: float = 0.0) -> PassPlan:
        """The plan of a file without some settings of its own; heights drawn to a `step` (m)."""
        if not isinstance(self._source, _File):
            raise ValueError("only passes of a file have settings of their own")
        stretch = step / self.layer_thickness if step > 0 else 1.0
        plan = PassPlan.__new__(PassPlan)
        plan._set_up(self._source.adapted(tuple(without), stretch), self.style)
        return plan

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Smallest and largest x and y that beads may reach: x0, y0, x1, y1 (m)."""
        return self._source.bounds(self.style)

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of geometry and settings: two plans with one digest are the same build."""
        settings = json.dumps(self._settings, sort_keys=True).encode()
        return hashlib.sha256(settings + b"\0" + self._source.content()).hexdigest()

    def describe(self) -> dict[str, Any]:
        """Summary for reports: JSON types only, SI units."""
        return {"parts": self._source.describe(), "layers": len(self),
                "layer_thickness": self.layer_thickness, "height": self.height,
                **self._settings, "notes": list(self.notes), "digest": self.digest}

    def layer(self, index: int) -> PassLayer:
        """Layer `index`, counted from 0.  Raises IndexError outside the build."""
        if not 0 <= index < len(self):
            raise IndexError(f"layer {index} is outside 0 to {len(self) - 1}")
        return self._layer(index)

    def _make(self, index: int) -> PassLayer:
        passes, area, pause = self._source.layer(index, self.style)
        for each in passes:
            each.points.setflags(write=False)
        return PassLayer(index, float(self._source.bases[index]),
                         float(self._source.thicknesses[index]), passes, area, pause)


class _Meshes:
    """Passes that fill the sections of placed parts at half the height of each layer."""

    def __init__(self, placements: Sequence[Placement], thickness: float, filled: bool) -> None:
        self._placements, self._thickness = tuple(placements), thickness
        self._filled = filled
        self._below: list[list[Region]] = []  # by part, sections and all that lies above them
        self.names = tuple(placement.part.name for placement in placements)
        self._slicers = [Slicer(placement.vertices(), np.asarray(placement.part.mesh.faces))
                         for placement in placements]
        height = max(slicer.height for slicer in self._slicers)
        count = max(1, math.ceil(height / thickness - 0.5 - 1e-6))
        self.bases: Floats = np.arange(count, dtype=np.float64) * thickness
        self.thicknesses: Floats = np.full(count, thickness)

    def layer(self, index: int, style: PassStyle) -> tuple[tuple[Pass, ...], float, float]:
        regions = self._regions(index)
        passes: list[Pass] = []
        for part, region in enumerate(regions):
            passes += _fill(region, part, index, style)
        return tuple(passes), math.fsum(float(shapely.area(r)) for r in regions), 0.0

    def _regions(self, index: int) -> list[Region]:
        """The section of each part in a layer."""
        if not self._filled:
            z = (index + 0.5) * self._thickness
            return [slicer.section(z) for slicer in self._slicers]
        if not self._below:
            for slicer in self._slicers:
                sections: list[Region] = []
                above: Region = shapely.MultiPolygon()
                for number in reversed(range(len(self.bases))):
                    section = slicer.section((number + 0.5) * self._thickness)
                    if not shapely.is_empty(section):
                        above = shapely.union(above, section, grid_size=GRID)
                    sections.append(above)
                self._below.append(sections[::-1])
        return [sections[index] for sections in self._below]

    def bounds(self, style: PassStyle) -> tuple[float, float, float, float]:
        points = np.vstack([placement.vertices()[:, :2] for placement in self._placements])
        (x0, y0), (x1, y1) = points.min(axis=0), points.max(axis=0)
        edge = style.bead_width
        return float(x0 - edge), float(y0 - edge), float(x1 + edge), float(y1 + edge)

    def content(self) -> bytes:
        digest = hashlib.sha256(f"{self._thickness!r} {self._filled}".encode())
        for placement in self._placements:
            digest.update(np.ascontiguousarray(placement.vertices()).tobytes())
            digest.update(np.ascontiguousarray(placement.part.mesh.faces, dtype="<i8").tobytes())
        return digest.digest()

    def describe(self) -> list[dict[str, Any]]:
        return [{"name": p.part.name, "source": p.part.source, "notes": list(p.part.notes),
                 "size": list(p.part.size), "volume": p.part.volume, "x": p.x, "y": p.y,
                 "rotation": p.rotation} for p in self._placements]


def _fill(region: Region, part: int, index: int, style: PassStyle) -> list[Pass]:
    """Passes of one part in one layer: contours, hatch, and the middle of what is too thin."""
    if shapely.is_empty(region):
        return []
    half = style.bead_width / 2
    wide: list[Region] = []
    thin: list[Region] = []
    for polygon in shapely.get_parts(region):
        (thin if shapely.is_empty(inset(polygon, half)) else wide).append(polygon)
    outline: list[Pass] = [Pass(_flat(line), Role.CONTOUR, part)
                           for polygon in thin if (line := _middle(polygon)) is not None]
    lines: list[Pass] = []
    if wide:
        body = shapely.MultiPolygon(wide)
        fill = HatchStyle(pattern="meander", contours=style.contours, beam_offset=half,
                          contour_spacing=style.pitch)
        outline += [Pass(_flat(line), Role.CONTOUR, part) for line in _chains(contours(body, fill))]
        # Half a pitch is left to the innermost contour, or half a bead to the edge.
        deep = half + (style.contours - 0.5) * style.pitch
        angle = math.fmod(style.start_angle + index * style.rotation, 2 * math.pi)
        for polygon in shapely.get_parts(inset(body, deep)):
            if shapely.is_empty(polygon):
                continue
            lines += [Pass(_flat(line), Role.HATCH, part) for line in _lines(polygon, style, angle)]
    passes = outline + lines if style.contour_first else lines + outline
    if style.alternate and index % 2:
        passes = [dataclasses.replace(p, points=p.points[::-1].copy()) for p in reversed(passes)]
    return passes


def _lines(polygon: Region, style: PassStyle, angle: float) -> list[Floats]:
    """Hatch lines of one polygon, their distance drawn out so that they fill it evenly."""
    cos, sin = math.cos(angle), math.sin(angle)
    turn = np.array([[cos, -sin], [sin, cos]])
    _, low, _, high = shapely.bounds(turned := shapely.transform(polygon, lambda xy: xy @ turn))
    # Too near is made good by catching less, too far apart would leave a furrow.
    count = max(math.ceil((high - low) / style.pitch - 0.1), 1)
    raised = shapely.transform(turned, lambda xy: xy - [0.0, low])
    made = hatch(raised, HatchStyle(pattern="meander", hatch_spacing=(high - low) / count,
                                    min_length=0.0), 0.0)
    return [line @ turn.T + low * turn[:, 1]
            for line in (np.array(ends) for ends in zip(made.start, made.end, strict=True))
            if np.hypot(*(line[1] - line[0])) >= style.min_length]


def _flat(line: Floats) -> Floats:
    return np.column_stack([line, np.zeros(len(line))])


def _chains(vectors: Any) -> list[Floats]:
    """Outlines as polylines again, one per field."""
    return [np.vstack([vectors.start[chosen], vectors.end[chosen][-1:]])
            for chosen in (vectors.field == number for number in np.unique(vectors.field))]


def _middle(polygon: Region) -> Floats | None:
    """The line along which one bead builds a wall thinner than it; None of a mere speck."""
    low, high = 0.0, math.sqrt(float(shapely.area(polygon)))
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (low, middle) if shapely.is_empty(inset(polygon, middle)) else (middle, high)
    sliver = inset(polygon, SLIVER * low)
    if low <= 0.0 or shapely.is_empty(sliver):
        return None
    body = max(shapely.get_parts(sliver), key=shapely.area)
    (ring, *holes) = rings_of(body)
    if holes:
        return ring
    ends = _farthest(ring[:-1])
    line = np.roll(ring[:-1], -ends[0], axis=0)[: (ends[1] - ends[0]) + 1]
    return line if len(line) > 1 and float(np.hypot(*np.diff(line, axis=0).T).sum()) > 0 else None


def _farthest(points: Floats) -> tuple[int, int]:
    """Indices of the two points of an outline that are farthest apart, in their order."""
    apart = ((points[:, None] - points[None]) ** 2).sum(axis=2)
    a, b = divmod(int(apart.argmax()), len(points))
    return min(a, b), max(a, b)


class _File:
    """Passes as a G-code program has them."""

    def __init__(self, program: GcodeProgram, thickness: float, bead: float) -> None:
        self._digest, self._thickness = program.digest, thickness
        self.names = (program.name,)
        self.notes = program.notes
        self._layers, self._after, levels = _grouped(program, bead)
        if not self._layers:
            raise PartError(f"{program.name}: no stroke with the energy source on (M3 S…, G1)")
        if (low := min(levels) - levels[0]) < -SAME_LEVEL:
            raise PartError(f"{program.name}: a pass {-low * 1e3:.3g} mm below the first one, "
                            "which lies on the plate")
        steps = np.diff(levels)
        usual = float(np.median(steps[steps > 0])) if (steps > 0).any() else thickness
        self.bases: Floats = np.array(levels) - levels[0]
        self.thicknesses: Floats = np.append(np.where(steps > 0, steps, usual), usual)

    def layer(self, index: int, style: PassStyle) -> tuple[tuple[Pass, ...], float, float]:
        passes = self._layers[index]
        return passes, math.fsum(p.length for p in passes) * style.pitch, self._after[index]

    def bounds(self, style: PassStyle) -> tuple[float, float, float, float]:
        points = np.vstack([p.points[:, :2] for layer in self._layers for p in layer])
        (x0, y0), (x1, y1) = points.min(axis=0), points.max(axis=0)
        edge = style.bead_width
        return float(x0 - edge), float(y0 - edge), float(x1 + edge), float(y1 + edge)

    def adapted(self, without: tuple[str, ...], stretch: float) -> _File:
        """The same passes without some of their settings, heights multiplied."""
        made = copy.copy(self)
        nothing = dict.fromkeys(without, math.nan)
        made._layers = [tuple(dataclasses.replace(
            p, points=p.points * [1.0, 1.0, stretch], **nothing) for p in layer)  # type: ignore[arg-type]
            for layer in self._layers]
        made.bases, made.thicknesses = self.bases * stretch, self.thicknesses * stretch
        made._digest += f" {sorted(without)} {stretch!r}"
        return made

    def content(self) -> bytes:
        return f"{self._digest} {self._thickness!r}".encode()

    def describe(self) -> list[dict[str, Any]]:
        x0, y0, x1, y1 = self.bounds(PassStyle())
        return [{"name": self.names[0], "source": self.names[0], "notes": list(self.notes),
                 "size": [x1 - x0, y1 - y0, float((self.bases + self.thicknesses).max())],
                 "passes": sum(map(len, self._layers))}]


def _grouped(
    program: GcodeProgram, bead: float,
) -> tuple[list[tuple[Pass, ...]], list[float], list[float]]:
    """Layers of passes, the pause after each, and their levels (m)."""
    layers: list[list[Pass]] = []
    after: list[float] = []
    levels: list[float] = []
    chain: list[Stroke] = []
    waited, before = 0.0, 0.0

    def close() -> None:
        nonlocal chain, before
        if not chain:
            return
        first = chain[0]
        points = np.vstack([chain[0].points[:1], *(s.points[1:] for s in chain)])
        chain = []
        if not np.any(np.diff(points, axis=0)):
            return
        for turn in turns(points, bead):
            level = float(turn[0, 2])
            if not levels or abs(level - levels[-1]) > SAME_LEVEL:
                levels.append(level)
                layers.append([])
                after.append(0.0)
            turn[:, 2] -= levels[-1]
            layers[-1].append(Pass(turn, Role.HATCH, 0, first.feed, first.demand, first.feedstock,
                                   before))
            before = 0.0

    for item in program.strokes:
        if isinstance(item, Pause):
            close()
            waited += item.seconds
            continue
        if not item.on:
            close()
            continue
        alike = chain and all(
            a == b or (math.isnan(a) and math.isnan(b)) for a, b in (
                (item.feed, chain[-1].feed), (item.demand, chain[-1].demand),
                (item.feedstock, chain[-1].feedstock)))
        if not alike:
            close()
        if not chain:
            before, waited = waited, 0.0
        chain.append(item)
    close()
    if after:
        after[-1] = waited
    return [tuple(layer) for layer in layers], after, levels

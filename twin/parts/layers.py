"""Turn placed parts, or a ready-made layer file, into layers of scan vectors, each on demand."""

import dataclasses
import hashlib
import json
import math
from collections.abc import Callable, Sequence
from enum import IntEnum
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import shapely
from numpy.typing import NDArray

from twin.parts import cli_format
from twin.parts.fields import LaserFields
from twin.parts.geometry import PartError
from twin.parts.hatching import (
    NOTHING,
    HatchStyle,
    Vectors,
    along,
    check_range,
    contours,
    hatch,
    inset,
    join,
)
from twin.parts.plate import Placement
from twin.parts.slicing import Floats, Region, Slicer, assemble
from twin.parts.supports import Supports, SupportStyle

CACHED_LAYERS = 4
"""Layers kept ready: a machine marks one, a monitor looks at the one before."""


class Role(IntEnum):
    """What a scan vector is for; recipes set laser power and speed by role."""

    HATCH = 0
    CONTOUR = 1
    UPSKIN = 2
    DOWNSKIN = 3
    SUPPORT = 4


@dataclasses.dataclass(frozen=True, eq=False)
class Layer:
    """Scan vectors of one layer, in marking order, laser by laser.  The arrays are read-only."""

    index: int
    """Number of the layer from 0, at the plate."""
    z: float
    """Height of the top of the layer over the plate (m)."""
    thickness: float
    """Thickness (m)."""
    start: Floats
    """Start points (n, 2) in plate coordinates (m), origin at the centre of the plate."""
    end: Floats
    """End points (n, 2) (m)."""
    role: NDArray[np.uint8]
    """`Role` of each vector (n,)."""
    part: NDArray[np.uint16]
    """Index into `BuildPlan.parts` (n,)."""
    laser: NDArray[np.uint8]
    """Laser that marks the vector (n,)."""
    field: NDArray[np.int32]
    """Stripe, island, outline or support wall (n,), numbered from 0 within the layer."""
    area: float
    """Solid cross-section of all parts (m²), without supports."""
    part_area: tuple[float, ...]
    """Solid cross-section of each part (m²)."""
    overhang_area: float
    """Part of `area` that lies over powder instead of over the layer below (m²)."""


class Arrangement(Protocol):
    """Makes of a layer's vectors what a machine marks: points, another order, other beams."""

    def __call__(self, layer: Layer) -> Layer:
        """The layer with other vectors; it depends on the layer alone."""
        ...

    def describe(self) -> dict[str, Any]:
        """Kind and settings, JSON types only: part of what a build is."""
        ...


class _Source(Protocol):
    """Where outlines come from: sliced meshes or a layer file."""

    names: tuple[str, ...]
    tops: Floats
    thicknesses: Floats

    def regions(self, index: int) -> tuple[Region, ...]: ...
    def vectors(self, index: int, part: int) -> list[tuple[Role, Vectors]] | None: ...
    def support(self, index: int, part: int) -> Vectors: ...
    def content(self) -> bytes: ...
    def describe(self) -> list[dict[str, Any]]: ...


class BuildPlan:
    """All layers of a build, computed one by one when asked for.

    A layer depends on geometry and settings alone: any order of access gives the same bits.
    """

    def __init__(
        self,
        placements: Sequence[Placement],
        layer_thickness: float,
        style: HatchStyle | None = None,
        supports: SupportStyle | None = None,
        lasers: int = 1,
        field_overlap: float = 0.02,
        plate_size: tuple[float, float] = (0.25, 0.25),
        arrange: Arrangement | None = None,
    ) -> None:
        """Plan the build of placed parts.

        `layer_thickness` and `field_overlap` in metres, `plate_size` (x, y) in metres; overlap and
        plate matter with more than one laser only.  `arrange` makes of each layer what is marked.
        Raises PartError for values out of range.
        """
        check_range("build plan", "layer_thickness", layer_thickness, 5e-6, 5e-3)
        if not placements:
            raise PartError("build plan: there is no part on the plate")
        source = _Meshes(placements, layer_thickness, supports)
        self._set_up(source, style or HatchStyle(), supports, lasers, field_overlap, plate_size,
                     arrange)

    @classmethod
    def from_cli(
        cls,
        path: str | Path,
        style: HatchStyle | None = None,
        lasers: int = 1,
        field_overlap: float = 0.02,
        plate_size: tuple[float, float] = (0.25, 0.25),
    ) -> "BuildPlan":
        """Plan the layers of a Common Layer Interface file.

        Without `style` its polylines and hatches are marked as they are, in their order.  With
        `style` its closed polylines are taken as outlines and filled anew; hatches of the file are
        left out.  Coordinates of the file are plate coordinates; areas are those inside its closed
        polylines.  Raises PartError for a file that is malformed or has no usable layers.
        """
        source = _LayerFile(Path(path), as_marked=style is None)
        plan = cls.__new__(cls)
        plan._set_up(source, style or HatchStyle(), None, lasers, field_overlap, plate_size)
        return plan

    def _set_up(
        self,
        source: _Source,
        style: HatchStyle,
        supports: SupportStyle | None,
        lasers: int,
        field_overlap: float,
        plate_size: tuple[float, float],
        arrange: Arrangement | None = None,
    ) -> None:
        self._source, self._style, self._arrange = source, style, arrange
        overlap = field_overlap if lasers > 1 else 0.0
        self._fields = LaserFields(lasers, plate_size, overlap)
        self._settings = {
            "hatch": dataclasses.asdict(style),
            "supports": dataclasses.asdict(supports) if supports else None,
            "lasers": dataclasses.asdict(self._fields),
        }
        if arrange is not None:
            self._settings["arrangement"] = arrange.describe()
        window = style.upskin_layers + style.downskin_layers + 3
        self._regions: Callable[[int], tuple[Region, ...]] = lru_cache(window)(source.regions)
        self._layer: Callable[[int], Layer] = lru_cache(CACHED_LAYERS)(
            lambda index: self._make(index, self._fields)
        )

    def __len__(self) -> int:
        """Number of layers."""
        return len(self._source.tops)

    @property
    def layer_thickness(self) -> float:
        """Thickness (m) of the layers; of a layer file with uneven ones, the median."""
        return float(np.median(self._source.thicknesses))

    @property
    def height(self) -> float:
        """Height of the build over the plate (m)."""
        return float(self._source.tops[-1])

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts, in the order `Layer.part` counts them."""
        return self._source.names

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of geometry and settings: two plans with one digest are the same build."""
        settings = json.dumps(self._settings, sort_keys=True).encode()
        return hashlib.sha256(settings + b"\0" + self._source.content()).hexdigest()

    def describe(self) -> dict[str, Any]:
        """Summary for reports: JSON types only, SI units."""
        return {
            "parts": self._source.describe(),
            "layers": len(self),
            "layer_thickness": self.layer_thickness,
            "height": self.height,
            **self._settings,
            "digest": self.digest,
        }

    def layer(self, index: int) -> Layer:
        """Layer `index`, counted from 0.  Raises IndexError outside the build."""
        if not 0 <= index < len(self):
            raise IndexError(f"layer {index} is outside 0 to {len(self) - 1}")
        return self._layer(index)

    def regions(self, index: int) -> tuple[Region, ...]:
        """Solid cross-section of each part in layer `index`; IndexError outside the build."""
        if not 0 <= index < len(self):
            raise IndexError(f"layer {index} is outside 0 to {len(self) - 1}")
        return self._regions(index)

    def export_cli(self, path: str | Path, *, binary: bool = False) -> None:
        """Write the whole build as a Common Layer Interface file.

        The format knows no lasers: vectors are in the order one laser would mark them.
        """
        one = LaserFields(1, self._fields.plate_size, 0.0)
        layers = [_cli_layer(self._make(index, one)) for index in range(len(self))]
        labels = dict(enumerate(self.parts))
        cli_format.write_cli(path, cli_format.CliFile(tuple(layers), labels), binary=binary)

    def _make(self, index: int, fields: LaserFields) -> Layer:
        regions = self._regions(index)
        areas = tuple(float(shapely.area(region)) for region in regions)
        blocks: list[Vectors] = []
        roles: list[NDArray[np.uint8]] = []
        parts: list[NDArray[np.uint16]] = []
        for part, region in enumerate(regions):
            made = self._source.vectors(index, part)
            if made is None:
                made = self._fill(index, part, region)
            for role, vectors in made:
                blocks.append(vectors)
                roles.append(np.full(len(vectors.start), role, dtype=np.uint8))
                parts.append(np.full(len(vectors.start), part, dtype=np.uint16))
        start, end, field = join(blocks)
        start, end, source, laser = fields.share(start, end)
        order = np.argsort(laser, kind="stable")
        source = source[order]
        role_all = np.concatenate(roles) if roles else np.empty(0, dtype=np.uint8)
        part_all = np.concatenate(parts) if parts else np.empty(0, dtype=np.uint16)
        layer = Layer(
            index=index,
            z=float(self._source.tops[index]),
            thickness=float(self._source.thicknesses[index]),
            start=start[order],
            end=end[order],
            role=role_all[source],
            part=part_all[source],
            laser=laser[order].astype(np.uint8),
            field=field[source].astype(np.int32),
            area=math.fsum(areas),
            part_area=areas,
            overhang_area=self._overhang(index, regions),
        )
        if self._arrange is not None:
            layer = self._arrange(layer)
        for array in (layer.start, layer.end, layer.role, layer.part, layer.laser, layer.field):
            array.setflags(write=False)
        return layer

    def _fill(self, index: int, part: int, region: Region) -> list[tuple[Role, Vectors]]:
        """Vectors of one part in one layer, in marking order."""
        style = self._style
        made = [(Role.SUPPORT, self._source.support(index, part))]
        if shapely.is_empty(region):
            return made
        angle = style.angle(index)
        outline = (Role.CONTOUR, contours(region, style))
        if style.contour_first:
            made.append(outline)
        core = inset(region, style.hatch_offset)
        down = self._exposed(part, region, range(index - style.downskin_layers, index))
        up = self._exposed(part, region, range(index + 1, index + 1 + style.upskin_layers))
        if down is not None:
            made.append((Role.DOWNSKIN, hatch(shapely.intersection(core, down), style, angle)))
            core = shapely.difference(core, down)
        skin = None
        if up is not None:
            skin = (Role.UPSKIN, hatch(shapely.intersection(core, up), style, angle))
            core = shapely.difference(core, up)
        made.append((Role.HATCH, hatch(core, style, angle)))
        if skin is not None:
            made.append(skin)
        if not style.contour_first:
            made.append(outline)
        return made

    def _exposed(self, part: int, region: Region, others: range) -> Region | None:
        """What of a section is not covered by all of some other layers; None if all of it is."""
        exposed = []
        for other in others:
            # The plate carries the first layers: nothing is a down-skin over it.
            if other < 0:
                continue
            cover = self._regions(other)[part] if other < len(self) else shapely.MultiPolygon()
            if not _same(region, cover):
                exposed.append(shapely.difference(region, cover))
        if not exposed:
            return None
        # A skin narrower than one hatch line would be noise: erode, then grow back.
        half = self._style.hatch_spacing / 2
        skin = inset(inset(shapely.union_all(exposed), half), -half)
        return None if shapely.is_empty(skin) else skin

    def _overhang(self, index: int, regions: tuple[Region, ...]) -> float:
        if index == 0:
            return 0.0
        over_powder = [
            float(shapely.area(shapely.difference(region, below)))
            for region, below in zip(regions, self._regions(index - 1), strict=True)
            if not _same(region, below)
        ]
        return math.fsum(over_powder)


class _Meshes:
    """Outlines sliced from placed parts, at half the height of each layer."""

    def __init__(
        self, placements: Sequence[Placement], thickness: float, supports: SupportStyle | None
    ) -> None:
        self._placements = tuple(placements)
        self._thickness = thickness
        self._support_style = supports
        self.names = tuple(placement.part.name for placement in placements)
        height = max(
            float(placement.vertices()[:, 2][placement.part.mesh.faces].max())
            for placement in placements
        )
        # The last layer is the last one whose middle is still inside a part.
        count = max(1, math.ceil(height / thickness - 0.5 - 1e-6))
        self.tops: Floats = np.arange(1, count + 1, dtype=np.float64) * thickness
        self.thicknesses: Floats = np.full(count, thickness)
        self._supports = lru_cache(None)(self._make_supports)

    @cached_property
    def _slicers(self) -> list[Slicer]:
        # Late: a build whose layers are known already needs none.
        return [
            Slicer(placement.vertices(), np.asarray(placement.part.mesh.faces))
            for placement in self._placements
        ]

    def regions(self, index: int) -> tuple[Region, ...]:
        z = (index + 0.5) * self._thickness
        return tuple(slicer.section(z) for slicer in self._slicers)

    def vectors(self, index: int, part: int) -> None:
        return None

    def support(self, index: int, part: int) -> Vectors:
        if self._support_style is None:
            return NOTHING
        return self._supports(part).section((index + 0.5) * self._thickness)

    def _make_supports(self, part: int) -> Supports:
        assert self._support_style is not None
        placement = self._placements[part]
        faces = np.asarray(placement.part.mesh.faces)
        return Supports(placement.vertices(), faces, self._support_style)

    def content(self) -> bytes:
        digest = hashlib.sha256(repr(self._thickness).encode())
        for placement in self._placements:
            digest.update(np.ascontiguousarray(placement.vertices()).tobytes())
            digest.update(np.ascontiguousarray(placement.part.mesh.faces, dtype="<i8").tobytes())
        return digest.digest()

    def describe(self) -> list[dict[str, Any]]:
        return [
            {
                "name": placement.part.name,
                "source": placement.part.source,
                "notes": list(placement.part.notes),
                "size": list(placement.part.size),
                "volume": placement.part.volume,
                "x": placement.x,
                "y": placement.y,
                "rotation": placement.rotation,
            }
            for placement in self._placements
        ]


class _LayerFile:
    """Outlines, and if wanted the vectors too, as a CLI file has them."""

    def __init__(self, path: Path, *, as_marked: bool) -> None:
        self._path, self._as_marked = path, as_marked
        file = cli_format.read_cli(path)
        self._layers = file.layers
        self._ids = sorted({item.part for layer in file.layers for item in layer.items})
        if not self._ids:
            raise PartError(f"{path}: no layer holds a polyline or a hatch")
        self.names = tuple(file.labels.get(part, f"part {part}") for part in self._ids)
        z = np.array([layer.z for layer in file.layers])
        steps = np.diff(z)
        if (steps <= 0).any():
            at = int(np.argmax(steps <= 0)) + 1
            raise PartError(f"{path}: layer {at} is not above layer {at - 1}")
        first = float(steps[0]) if len(steps) else float(z[0])
        if first <= 0:
            raise PartError(f"{path}: the only layer has no height")
        # Some writers name the bottom of a layer, some stand on supports: seat it on the plate.
        self.thicknesses = np.concatenate(([first], steps))
        self.tops = np.cumsum(self.thicknesses)
        outlined = {item.part for layer in file.layers for item in layer.items if item.outline}
        for part in self._ids:
            if part not in outlined:
                raise PartError(
                    f"{path}: part {part} has no closed polyline in any layer: "
                    "its solid area cannot be known"
                )

    def regions(self, index: int) -> tuple[Region, ...]:
        items = self._layers[index].items
        return tuple(
            assemble([item.wound() for item in items if item.part == part and item.outline])
            for part in self._ids
        )

    def vectors(self, index: int, part: int) -> list[tuple[Role, Vectors]] | None:
        if not self._as_marked:
            return None
        made = []
        for item in self._layers[index].items:
            if item.part != self._ids[part]:
                continue
            if item.direction is None:
                field = np.zeros(len(item.points) // 2, dtype=np.int64)
                vectors = Vectors(item.points[::2], item.points[1::2], field)
                made.append((Role.HATCH, vectors))
            else:
                made.append((Role.CONTOUR, along([item.points])))
        return made

    def support(self, index: int, part: int) -> Vectors:
        return NOTHING

    def content(self) -> bytes:
        return b"%d" % self._as_marked + cli_format.digest(self._layers)

    def describe(self) -> list[dict[str, Any]]:
        return [{"name": name, "source": str(self._path)} for name in self.names]


def _same(one: Region, other: Region) -> bool:
    return bool(shapely.equals_exact(one, other, 0.0))


def _cli_layer(layer: Layer) -> cli_format.CliLayer:
    """Runs of vectors as hatches; contour runs that join up as polylines."""
    change = np.zeros(len(layer.start), dtype=np.bool_)
    change[1:] = (
        (np.diff(layer.field) != 0) | (np.diff(layer.part) != 0) | (np.diff(layer.role) != 0)
    )
    contour = layer.role == Role.CONTOUR
    change[1:] |= contour[1:] & (layer.start[1:] != layer.end[:-1]).any(axis=1)
    items = []
    for run in np.split(np.arange(len(change)), np.flatnonzero(change)):
        if not len(run):
            continue
        part = int(layer.part[run[0]])
        if contour[run[0]]:
            points = np.vstack([layer.start[run], layer.end[run[-1:]]])
            items.append(cli_format.polyline(part, points))
        else:
            points = np.stack([layer.start[run], layer.end[run]], axis=1).reshape(-1, 2)
            items.append(cli_format.CliItem(part, None, points))
    return cli_format.CliLayer(layer.z, tuple(items))

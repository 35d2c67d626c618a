"""Layers as sums over groups of like vectors: computed once for a plan, kept on disk, read fast.

A group holds the vectors of one beam, part, role and island that lie in one cell of the powder
bed. What is additive is exact (number, length, jumps); where its vectors lie is kept for a few of
them.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from twin.parts.islands import Ints, Islands, islands
from twin.parts.layers import BuildPlan
from twin.parts.slicing import Floats

__all__ = ["Cells", "LayerSummary", "SummaryPlan", "summaries_for", "summarise"]

PLACES: Final = 4  # vectors of a group that are kept to show where it lies
_VERSION: Final = b"2"
_OFFSETS: Final = ("groups", "places", "parts", "islands", "contacts")

Progress = Callable[[float], None]


@dataclass(frozen=True, eq=False)
class Cells:
    """How a powder bed is divided: within a cell powder is equally high."""

    name: str
    """Names division and size; part of the key under which summaries are kept."""
    of: Callable[[Floats], Ints]
    """Cell of each point of the plate (m, 2), in m; (m,)."""


@dataclass(frozen=True, eq=False)
class LayerSummary:
    """One layer as n groups of vectors, beam by beam in the order in which they are marked.

    Groups of one beam, part and role are a *block* and marked together. SI units.
    """

    index: int
    """Number of the layer from 0, at the plate."""
    z: float
    thickness: float
    area: float
    part_area: tuple[float, ...]
    overhang_area: float
    role: NDArray[np.uint8]
    part: NDArray[np.uint16]
    laser: NDArray[np.uint8]
    """Beam that marks the group (n,)."""
    block: NDArray[np.int32]
    """Number of the block (n,), rising."""
    island: NDArray[np.int32]
    """Island of the layer, -1 for supports (n,)."""
    cell: NDArray[np.int32]
    """Cell of the powder bed in which the middles of the vectors lie (n,)."""
    count: NDArray[np.int64]
    """Vectors of the group (n,)."""
    length: Floats
    """Of all its vectors together (n,), m."""
    jump: Floats
    """All ways to its vectors together (n,), m; none to the first of a beam."""
    place: Ints
    """Group of some vectors (m,) that show where the groups lie."""
    place_start: Floats
    """(m, 2)"""
    place_end: Floats
    """(m, 2)"""


_BY_GROUP: Final = ("role", "part", "laser", "block", "island", "cell", "count", "length", "jump")


def summarise(plan: BuildPlan, index: int, cells: Cells) -> tuple[LayerSummary, Islands]:
    """Layer `index` of a plan, from 0, as groups, and its islands with one entry per group.

    Raises IndexError outside the build.
    """
    layer, found = plan.layer(index), islands(plan, index)
    length = np.hypot(*(layer.end - layer.start).T)
    # Each beam's vectors in their order, whether or not the beams take turns in the layer.
    own = np.argsort(layer.laser, kind="stable")
    laser, way = layer.laser[own], layer.start[own[1:]] - layer.end[own[:-1]]
    jump = np.zeros(len(length))
    jump[own[1:]] = np.where(laser[1:] == laser[:-1], np.hypot(*way.T), 0.0)
    cell = cells.of((layer.start + layer.end) / 2)
    keys = np.column_stack([layer.laser, layer.part, layer.role, found.vector, cell])
    groups, first, group = np.unique(
        keys.astype(np.int64), axis=0, return_index=True, return_inverse=True)
    _, block = np.unique(groups[:, :3], axis=0, return_inverse=True)
    begins = np.full(len(groups), len(length))
    np.minimum.at(begins, block, first)
    order = np.lexsort((first, begins[block]))
    group = np.argsort(order)[group.ravel()]
    groups, block = groups[order], begins[block][order]
    n = len(groups)
    lengths: Floats = np.bincount(group, length, n).astype(float)
    jumps: Floats = np.bincount(group, jump, n).astype(float)
    place, vector = _places(group, np.maximum(length, 1e-12))
    summary = LayerSummary(
        index=layer.index, z=layer.z, thickness=layer.thickness, area=layer.area,
        part_area=layer.part_area, overhang_area=layer.overhang_area,
        role=groups[:, 2].astype(np.uint8), part=groups[:, 1].astype(np.uint16),
        laser=groups[:, 0].astype(np.uint8),
        block=np.cumsum(np.diff(block, prepend=block[:1]) != 0).astype(np.int32),
        island=groups[:, 3].astype(np.int32), cell=groups[:, 4].astype(np.int32),
        count=np.bincount(group, minlength=n), length=lengths, jump=jumps,
        place=place,
        place_start=layer.start[vector], place_end=layer.end[vector])
    return summary, Islands(found.area, found.outline, found.support, found.contacts,
                            summary.island.astype(np.intp))


def _places(group: Ints, length: Floats) -> tuple[Ints, Ints]:
    """Some vectors of each group, in the middles of equal shares of its length; group, vector."""
    order = np.argsort(group, kind="stable")
    ends = np.cumsum(length[order])
    size = np.bincount(group)
    last = np.cumsum(size) - 1
    total = np.diff(ends[last], prepend=0.0)
    kept = np.minimum(size, PLACES)
    place = np.repeat(np.arange(len(size)), kept)
    number = np.arange(len(place)) - np.repeat(np.cumsum(kept) - kept, kept)
    target = (ends[last] - total)[place] + (number + 0.5) / kept[place] * total[place]
    at = np.searchsorted(ends, target)
    return place, order[np.clip(at, (last - size + 1)[place], last[place])]


class SummaryPlan:
    """All layers of a build as summaries; stands in for the `BuildPlan` that they are of."""

    def __init__(self, plan: BuildPlan, stored: dict[str, NDArray[Any]]) -> None:
        """`stored`: what `summaries_for` keeps on disk."""
        self._plan, self._stored = plan, stored

    def __len__(self) -> int:
        """Number of layers."""
        return len(self._plan)

    @property
    def layer_thickness(self) -> float:
        """Thickness (m) of the layers; of a layer file with uneven ones, the median."""
        return self._plan.layer_thickness

    @property
    def height(self) -> float:
        """Height of the build over the plate (m)."""
        return self._plan.height

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts."""
        return self._plan.parts

    @property
    def digest(self) -> str:
        """That of the plan."""
        return self._plan.digest

    def describe(self) -> dict[str, Any]:
        """That of the plan."""
        return self._plan.describe()

    def layer(self, index: int) -> LayerSummary:
        """Layer `index`, counted from 0.  Raises IndexError outside the build."""
        stored, groups, places = self._stored, self._of(index, "groups"), self._of(index, "places")
        return LayerSummary(
            index=index, z=float(stored["z"][index]), thickness=float(stored["thickness"][index]),
            area=float(stored["area"][index]),
            part_area=tuple(stored["part_area"][self._of(index, "parts")].tolist()),
            overhang_area=float(stored["overhang_area"][index]),
            **{name: stored[name][groups] for name in _BY_GROUP},
            place=stored["place"][places], place_start=stored["place_start"][places],
            place_end=stored["place_end"][places])

    def islands(self, index: int) -> Islands:
        """The islands of layer `index`, with one entry per group of the summary."""
        stored, mine, contacts = (
            self._stored, self._of(index, "islands"), self._of(index, "contacts"))
        pairs, shared = stored["contact"][contacts], stored["shared"][contacts]
        return Islands(
            stored["island_area"][mine], stored["outline"][mine], stored["support"][mine],
            tuple((int(a), int(b), float(s))
                  for (a, b), s in zip(pairs.tolist(), shared.tolist(), strict=True)),
            stored["island"][self._of(index, "groups")].astype(np.intp))

    def _of(self, index: int, what: str) -> slice:
        if not 0 <= index < len(self):
            raise IndexError(f"layer {index} is outside 0 to {len(self) - 1}")
        first, last = self._stored[f"{what}_from"][index:index + 2]
        return slice(int(first), int(last))


def summaries_for(
    plan: BuildPlan, cells: Cells, folder: Path, progress: Progress = lambda share: None
) -> SummaryPlan:
    """Summaries of a plan, from `folder` or else computed and kept there.

    Their file's name is a hash of all that they depend on. `progress` gets the share of the layers
    that is done. Raises OSError if the folder cannot be written.
    """
    key = hashlib.sha256(b"\0".join([_VERSION, plan.digest.encode(), cells.name.encode()]))
    file = folder / f"{key.hexdigest()}.npz"
    stored = _load(file, len(plan))
    if stored is None:
        stored = _compute(plan, cells, progress)
        _save(file, stored)
    return SummaryPlan(plan, stored)


def _compute(plan: BuildPlan, cells: Cells, progress: Progress) -> dict[str, NDArray[Any]]:
    rows: dict[str, list[Any]] = {}
    sizes: dict[str, list[int]] = {what: [0] for what in _OFFSETS}
    for index in range(len(plan)):
        layer, found = summarise(plan, index, cells)
        single = {"z": layer.z, "thickness": layer.thickness, "area": layer.area,
                  "overhang_area": layer.overhang_area}
        many = {
            **{name: getattr(layer, name) for name in _BY_GROUP},
            "place": layer.place, "place_start": layer.place_start, "place_end": layer.place_end,
            "part_area": layer.part_area, "island_area": found.area, "outline": found.outline,
            "support": found.support,
            "contact": np.array([c[:2] for c in found.contacts], np.int64).reshape(-1, 2),
            "shared": np.array([c[2] for c in found.contacts], float)}
        for name, value in single.items():
            rows.setdefault(name, []).append([value])
        for name, values in many.items():
            rows.setdefault(name, []).append(np.asarray(values))
        for what, size in zip(_OFFSETS, (len(layer.role), len(layer.place), len(layer.part_area),
                                         len(found.area), len(found.contacts)), strict=True):
            sizes[what].append(size)
        progress((index + 1) / len(plan))
    return {**{name: np.concatenate(values) for name, values in rows.items()},
            **{f"{what}_from": np.cumsum(each) for what, each in sizes.items()}}


def _save(file: Path, stored: dict[str, NDArray[Any]]) -> None:
    """Write beside the place and move there, so that nobody sees half a file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=file.stem[:16], suffix=".part", dir=file.parent)
    try:
        with os.fdopen(handle, "wb") as part:
            np.savez_compressed(part, **stored)  # type: ignore[arg-type]
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _load(file: Path, layers: int) -> dict[str, NDArray[Any]] | None:
    """What a file holds; None if there is none or it cannot be read."""
    try:
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as read:
            stored = {name: read[name] for name in read.files}
        whole = all(len(stored[f"{what}_from"]) == layers + 1 for what in _OFFSETS) and all(
            len(stored[name]) == stored["groups_from"][-1] for name in _BY_GROUP)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        return None
    return stored if whole else None

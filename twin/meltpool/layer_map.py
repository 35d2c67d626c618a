"""Melt pools along all vectors of a layer of scan vectors, several lasers at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from twin.materials import Alloy
from twin.meltpool.path import BeamPath
from twin.meltpool.pool import INFRARED, Array, MeltPool, PathModel, Preheat
from twin.meltpool.sources import MovingSources
from twin.parts.layers import Layer

__all__ = ["LayerMap", "layer_map", "layer_paths"]


class LayerMap(NamedTuple):
    """Pools at m places of a layer, vector by vector: number of the vector (m,), position (m, 2)
    in m, time (m,) in s from the first beam on, and the pools.
    """

    vector: npt.NDArray[np.intp]
    position: Array
    time: Array
    pool: MeltPool


def layer_paths(
    layer: Layer,
    *,
    power: npt.ArrayLike,
    speed: npt.ArrayLike,
    sigma: npt.ArrayLike,
    jump_speed: float = 6.0,
    delay: float = 360e-6,
) -> list[BeamPath]:
    """Path of each laser of a layer, from laser 0 up; a laser without vectors has an empty path.

    ``power`` (W), ``speed`` (m/s) and ``sigma`` (m) of the vectors broadcast to (n,); lasers begin
    together, jump at ``jump_speed`` (m/s) and settle for ``delay`` (s). ValueError names a field
    outside its range.
    """
    n = len(layer.start)
    p, v, s = (np.broadcast_to(np.asarray(a, float), (n,)) for a in (power, speed, sigma))
    paths = []
    for laser in range(int(layer.laser.max()) + 1 if n else 0):
        mine = np.flatnonzero(layer.laser == laser)
        paths.append(BeamPath.vectors(
            layer.start[mine], layer.end[mine], power=p[mine], speed=v[mine], sigma=s[mine],
            jump_speed=jump_speed, delay=delay))
    return paths


def layer_map(
    model: PathModel,
    alloy: Alloy,
    layer: Layer,
    paths: Sequence[BeamPath],
    *,
    shares: Sequence[float] = (0.5,),
    preheat: Preheat = 293.15,
    wavelength: float = INFRARED,
    powder_layer: float = 0.0,
) -> LayerMap:
    """Pools at ``shares`` (above 0 to 1) of the length of every vector, all beams heating.

    ``paths`` are those of `layer_paths` with the same vectors. ValueError if a share is outside
    its range, or the paths do not have as many segments as their lasers have vectors.
    """
    fractions = np.asarray(shares, float)
    if not len(fractions) or not bool(np.all((fractions > 0.0) & (fractions <= 1.0))):
        raise ValueError(f"shares {tuple(shares)}: allowed one or more above 0 to 1")
    lit = [laser for laser, path in enumerate(paths) if len(path)]
    burning = [paths[laser] for laser in lit]
    shared: dict[str, Any] = {
        "preheat": preheat, "wavelength": wavelength, "powder_layer": powder_layer}
    # What all paths heat is prepared once for all lasers where a level can do so.
    heat = (model.superposed(alloy, burning, **shared)
            if isinstance(model, MovingSources) and burning else None)
    vectors, times, places, pools = [], [], [], []
    for beam, laser in enumerate(lit):
        path, mine = paths[laser], np.flatnonzero(layer.laser == laser)
        if len(path) != len(mine):
            raise ValueError(f"paths: laser {laser} has {len(path)} segments, "
                             f"expected {len(mine)}, one per vector")
        span = path.end - path.begin
        t = (path.begin[:, None] + span[:, None] * fractions).ravel()
        vectors.append(np.repeat(mine, len(fractions)))
        times.append(t)
        places.append(path.at(t).position)
        pools.append(heat.along(t, beam) if heat is not None
                     else model.along(alloy, burning, t, beam=beam, **shared))
    if not pools:
        raise ValueError("layer: has no vectors, allowed one or more")
    order = np.argsort(np.concatenate(vectors), kind="stable")
    joined = {
        name: np.concatenate([getattr(pool, name) for pool in pools])[order]
        for name in MeltPool.__dataclass_fields__
    }
    return LayerMap(
        np.concatenate(vectors)[order], np.concatenate(places)[order],
        np.concatenate(times)[order], MeltPool(**joined))

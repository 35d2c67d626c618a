"""Where spatter lands, and how much thicker it makes the layer there."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import shapely

from twin.meltpool.pool import Array

__all__ = ["Landing", "landed_height", "landing"]

SPEED: Final = (0.5, 6.0)  # m/s at which particles leave, uniform: default (observed to 20)
ELEVATION: Final = (20.0, 80.0)  # degrees above the bed, uniform: default
GRAVITY: Final = 9.81
ARGON_DENSITY: Final = 1.6  # kg/m3 at 300 K and 1 bar
ARGON_VISCOSITY: Final = 2.27e-5  # Pa s at 300 K
GAS_HEIGHT: Final = 0.02  # m above the bed where the gas jet is fastest: default
_STEP: Final = 1e-3  # s; the drag is exact within one
_LONGEST: Final = 4.0  # s


class Landing(NamedTuple):
    """Offset (n, 2) in m from where particles left, and time of flight (n,) in s."""

    offset: Array
    time: Array


def landing(
    rng: np.random.Generator,
    diameter: npt.ArrayLike,
    *,
    density: float,
    gas: tuple[float, float] = (0.0, 0.0),
    gas_density: float = ARGON_DENSITY,
) -> Landing:
    """Flights of n spherical particles of ``diameter`` (m) and ``density`` (kg/m3) to the bed.

    They leave to all sides with evenly spread speed and elevation, and fly under gravity and drag
    (Schiller and Naumann 1935) in a jet of gas over the bed: ``gas`` (x, y) in m/s where it is
    fastest, z / h exp(1 - z / h) of it at a height z. ValueError if a diameter is not above 0.
    """
    d = np.atleast_1d(np.asarray(diameter, float))
    if not bool(np.all(d > 0.0)):
        raise ValueError(f"diameter {d.min():g} m: allowed above 0 m")
    n = len(d)
    speed = rng.uniform(*SPEED, n)
    rise = np.radians(rng.uniform(*ELEVATION, n))
    heading = rng.uniform(0.0, 2.0 * np.pi, n)
    flat = speed * np.cos(rise)
    velocity = np.stack([flat * np.cos(heading), flat * np.sin(heading), speed * np.sin(rise)])
    position = np.zeros((3, n))
    wind = np.array([[gas[0]], [gas[1]], [0.0]])
    down = np.array([[0.0], [0.0], [-GRAVITY]])
    stokes = density * d**2 / (18.0 * ARGON_VISCOSITY)
    time = np.zeros(n)
    flying = np.arange(n)
    for _ in range(int(_LONGEST / _STEP)):
        if not len(flying):
            break
        p, v = position[:, flying], velocity[:, flying]
        high = p[2] / GAS_HEIGHT
        around = wind * (high * np.exp(1.0 - high))
        slip = np.sqrt(((around - v) ** 2).sum(axis=0))
        reynolds = gas_density * slip * d[flying] / ARGON_VISCOSITY
        relax = stokes[flying] / (1.0 + 0.15 * reynolds**0.687)
        # Constant drag time and wind over a step: the velocity decays to its terminal value.
        final = around + down * relax
        keep = np.exp(-_STEP / relax)
        position[:, flying] = p + final * _STEP + (v - final) * relax * (1.0 - keep)
        velocity[:, flying] = final + (v - final) * keep
        time[flying] += _STEP
        flying = flying[position[2, flying] > 0.0]
    return Landing(np.ascontiguousarray(position[:2].T), time)


def landed_height(
    particles: npt.NDArray[np.void],
    start: npt.ArrayLike,
    end: npt.ArrayLike,
    *,
    width: npt.ArrayLike,
) -> Array:
    """Metal (m) that landed particles add to the layer of n vectors, mean along each, (n,).

    ``particles`` rows with x, y, size_m as in `defects.DEFECTS`; a particle counts for a vector
    from ``start`` to ``end`` (n, 2) whose track of ``width`` (m) it touches. Its volume is spread
    over the part of the track that it covers and averaged over the vector.
    """
    a, b = (np.asarray(p, float).reshape(-1, 2) for p in (start, end))
    n = len(a)
    wide = np.broadcast_to(np.asarray(width, float), (n,))
    size = np.asarray(particles["size_m"])
    if not len(size):
        return np.zeros(n)
    tree = shapely.STRtree(shapely.points(particles["x"], particles["y"]))
    reach = 0.5 * (wide + float(size.max()))
    vector, particle = tree.query(
        shapely.linestrings(np.stack([a, b], axis=1)), predicate="dwithin", distance=reach
    )
    step, d = (b - a)[vector], size[particle]
    away = np.stack([particles["x"], particles["y"]], axis=1)[particle] - a[vector]
    square = np.maximum((step**2).sum(axis=1), 1e-18)
    along = np.clip((away * step).sum(axis=1) / square, 0.0, 1.0)
    touch = np.hypot(*(away - along[:, None] * step).T) <= 0.5 * (wide[vector] + d)
    track = np.maximum(wide[vector], d) * np.maximum(np.sqrt(square), d)
    height = np.bincount(vector, touch * np.pi / 6.0 * d**3 / track, n)
    return np.asarray(height)

"""Surface temperature fields: what every imaging and radiating model of a melt pool looks at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from twin.materials import Alloy
from twin.meltpool.planck import GRID
from twin.meltpool.pool import Array, MeltPool

__all__ = [
    "SurfaceField",
    "egg",
    "melt_temperature",
    "pool_field",
    "sampled_field",
    "surface_nodes",
    "with_spatter",
]

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)

# Fall of T - T0 with distance r in units of the solidus rim, r^-p. Behind the source p = 1
# (Rosenthal 1946); sideways and ahead heat has no time to spread: default.
_WAKE: Final = 1.0
_AHEAD: Final = 4.0


@dataclass(frozen=True, slots=True)
class SurfaceField:
    """Surface temperature (ny, nx) in K on square pixels (m); ``origin`` = centre of pixel [0, 0].

    Position is x = origin[0] + column * pixel, y = origin[1] + row * pixel, the beam stands at
    (0, 0) and moves towards +x. Any source of temperatures will do. ValueError names what is
    outside its range.
    """

    temperature: Array
    pixel: float
    origin: tuple[float, float]

    def __post_init__(self) -> None:
        t = self.temperature
        if t.ndim != 2 or not t.size:
            raise ValueError(f"temperature shape {t.shape}: needs (ny, nx)")
        if not bool(np.all((t >= GRID[0]) & (t <= GRID[-1]))):
            raise ValueError(
                f"temperature {t.min():g} to {t.max():g} K: allowed {GRID[0]:g} to {GRID[-1]:g} K"
            )
        if not 1e-8 <= self.pixel <= 0.1:
            raise ValueError(f"pixel {self.pixel!r} m: allowed 1e-8 to 0.1 m")

    @property
    def axes(self) -> tuple[Array, Array]:
        """Positions of columns (nx,) and rows (ny,) in m."""
        ny, nx = self.temperature.shape
        return (
            np.asarray(self.origin[0] + self.pixel * np.arange(nx)),
            np.asarray(self.origin[1] + self.pixel * np.arange(ny)),
        )


def melt_temperature(pool: MeltPool, alloy: Alloy, share: npt.ArrayLike) -> Array:
    """Surface temperature (n, k) in K where a ``share`` (k,) or (n, k) of the melt is hotter.

    It falls from the peak to the solidus as (1 - share)^2: in fields of the enthalpy solver over
    five alloys exponents are 1.9 to 2.8 beyond the hottest tenth, and the mean lies 0.29 to 0.36
    of the way up from the solidus, here 1/3. A pool that has only just melted counts as 0.1 K
    above the solidus.
    """
    span = np.maximum(pool.peak_temperature - alloy.solidus, 0.1)
    return np.asarray(alloy.solidus + span[:, None] * (1.0 - np.asarray(share, float)) ** 2)


def surface_nodes(pool: MeltPool, alloy: Alloy) -> tuple[Array, Array]:
    """Temperatures (n, k) in K and weights (k,), adding up to 1, for means over n pools' melt."""
    return melt_temperature(pool, alloy, 0.5 * (1.0 + _NODES)), 0.5 * _WEIGHTS


def egg(length: npt.ArrayLike, width: npt.ArrayLike) -> tuple[Array, Array]:
    """How far a pool's rim reaches ahead of the beam and behind it (m), any shape.

    Half an ellipse of the pool's width lies ahead, as long as the pool is wide at most, and
    another behind.
    """
    whole = np.asarray(length, float)
    front = 0.5 * np.minimum(whole, np.asarray(width, float))
    return np.asarray(front), np.asarray(whole - front)


def pool_field(
    pool: MeltPool,
    index: int,
    alloy: Alloy,
    *,
    preheat: float = 293.15,
    pixel: float = 5e-6,
    margin: float = 1.0,
) -> SurfaceField:
    """Surface field of pool number ``index`` on a surface at ``preheat`` (K).

    The rim is an `egg`, whose area is that of the ellipse in `twin.meltpool.sensors`, and inside
    it temperature falls as `melt_temperature` says: both levels see the same light from the melt.
    Outside, T - T0 falls with a power of the distance, the first power in the wake (Rosenthal
    1946). ``margin``: how far around the rim the field reaches, in pool widths. Where nothing
    melts the field is all at ``preheat``.
    """
    length, width = float(pool.length[index]), float(pool.width[index])
    if not width > 0.0:
        return SurfaceField(np.full((16, 16), preheat), pixel, (-8.0 * pixel, -8.0 * pixel))
    front, rear = (float(part) for part in egg(length, width))
    reach = margin * width + pixel
    x = pixel * np.arange(-np.ceil((rear + reach) / pixel), np.ceil((front + reach) / pixel) + 1)
    half = int(np.ceil((0.5 * width + reach) / pixel))
    y = pixel * np.arange(-half, half + 1)
    along = np.where(x > 0.0, x / front, x / rear)
    square = along[None, :] ** 2 + (y[:, None] / (0.5 * width)) ** 2
    peak = max(float(pool.peak_temperature[index]), alloy.solidus + 0.1)
    inside = alloy.solidus + (peak - alloy.solidus) * (1.0 - np.minimum(square, 1.0)) ** 2
    outer = np.maximum(square, 1.0)
    behind = np.where(along < 0.0, along, 0.0)[None, :] ** 2 / outer
    fall = _AHEAD + (_WAKE - _AHEAD) * np.minimum(behind, 1.0)
    outside = preheat + (alloy.solidus - preheat) * outer ** (-0.5 * fall)
    return SurfaceField(np.where(square <= 1.0, inside, outside), pixel, (float(x[0]), float(y[0])))


def sampled_field(
    temperature: Callable[[Array], Array],
    *,
    behind: float,
    ahead: float,
    aside: float,
    position: tuple[float, float] = (0.0, 0.0),
    heading: float = 0.0,
    pixel: float = 5e-6,
) -> SurfaceField:
    """Surface field around a beam from any level that knows the temperature at points.

    ``temperature`` takes points (n, 3) in m and gives (n,) in K, as `SolverSession.temperature`
    or `MovingSources.at_points`. The beam stands at ``position`` (m) and moves along ``heading``
    (rad); the field reaches ``behind``, ``ahead`` and ``aside`` (to both sides, m) of it.
    ValueError if one of these is below 0 or the field has no extent.
    """
    if min(behind, ahead, aside) < 0.0 or behind + ahead < pixel:
        raise ValueError(
            f"behind {behind:g}, ahead {ahead:g}, aside {aside:g} m: allowed 0 m and above, "
            "behind and ahead together at least a pixel"
        )
    x = pixel * np.arange(-np.ceil(behind / pixel), np.ceil(ahead / pixel) + 1)
    y = pixel * np.arange(-np.ceil(aside / pixel), np.ceil(aside / pixel) + 1)
    u, v = np.meshgrid(x, y)
    cosine, sine = np.cos(heading), np.sin(heading)
    points = np.stack(
        [
            position[0] + cosine * u.ravel() - sine * v.ravel(),
            position[1] + sine * u.ravel() + cosine * v.ravel(),
            np.zeros(u.size),
        ],
        axis=1,
    )
    found = np.asarray(temperature(points), float).reshape(u.shape)
    return SurfaceField(found, pixel, (float(x[0]), float(y[0])))


def with_spatter(
    field: SurfaceField,
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    diameter: npt.ArrayLike,
    temperature: npt.ArrayLike,
) -> SurfaceField:
    """The field with flying particles over it: discs at x, y (m), of a diameter (m), at K; (k,).

    A particle hides what is below it, so a cold one in front of the pool dims the picture.
    """
    columns, rows = field.axes
    picture = field.temperature.copy()
    for cx, cy, d, t in np.broadcast(x, y, diameter, temperature):
        disc = (columns[None, :] - cx) ** 2 + (rows[:, None] - cy) ** 2 <= (0.5 * d) ** 2
        picture[disc] = t
    return SurfaceField(picture, field.pixel, field.origin)

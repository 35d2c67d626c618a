"""Where beams go and when: timed straight segments and spots, the input of every path model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from twin.meltpool.pool import Array

__all__ = ["BeamPath", "BeamState"]

Bools = npt.NDArray[np.bool_]

_LIMITS = {"power": (0.0, 1e5, "W"), "sigma": (1e-7, 1e-2, "m"), "speed": (1e-4, 1e3, "m/s")}


def _within(field: str, values: Array, unlit: Bools | None = None) -> None:
    low, high, unit = _LIMITS[field]
    bad = ~((values >= low) & (values <= high))
    if unlit is not None:
        bad &= ~unlit
    if bool(np.any(bad)):
        worst = np.broadcast_to(values, bad.shape)[bad].flat[0]
        raise ValueError(f"{field} {worst:g} {unit}: allowed {low:g} to {high:g} {unit}")


class BeamState(NamedTuple):
    """A beam at m times: position (m, 2), velocity (m, 2) in m/s, power (W), sigma (m), segment.

    ``segment`` is the index in the path, -1 where the beam is off; then power is 0.
    """

    position: Array
    velocity: Array
    power: Array
    sigma: Array
    segment: npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class BeamPath:
    """One beam's lit segments: begin, end (n,) in s, start, stop (n, 2) in m, power, sigma (n,).

    ``power`` is that on the surface (W), ``sigma`` a quarter of the 1/e2 diameter (m). Segments
    follow each other without overlap; in the gaps the beam is off. A segment whose start equals
    its stop is a spot. ValueError names a field outside its range.
    """

    begin: Array
    end: Array
    start: Array
    stop: Array
    power: Array
    sigma: Array

    def __post_init__(self) -> None:
        n = len(self.begin)
        for field, shape in (("end", (n,)), ("start", (n, 2)), ("stop", (n, 2)),
                             ("power", (n,)), ("sigma", (n,))):
            if getattr(self, field).shape != shape:
                raise ValueError(f"path {field}: shape {getattr(self, field).shape}, "
                                 f"expected {shape}")
        _within("power", self.power)
        _within("sigma", self.sigma)
        if not bool(np.all(np.isfinite(self.start)) and np.all(np.isfinite(self.stop))):
            raise ValueError("path start, stop: allowed finite positions")
        if not bool(np.all(self.end > self.begin) and np.all(self.begin[1:] >= self.end[:-1])):
            raise ValueError("path begin, end: segments must last and follow each other in time")

    def __len__(self) -> int:
        return len(self.begin)

    @property
    def length(self) -> Array:
        """Length of each segment (m)."""
        step = self.stop - self.start
        return np.hypot(step[:, 0], step[:, 1])

    @property
    def speed(self) -> Array:
        """Speed along each segment (m/s); 0 for a spot."""
        return self.length / (self.end - self.begin)

    @classmethod
    def vectors(
        cls,
        start: npt.ArrayLike,
        stop: npt.ArrayLike,
        *,
        power: npt.ArrayLike,
        speed: npt.ArrayLike,
        sigma: npt.ArrayLike,
        jump_speed: float = 6.0,
        delay: float = 360e-6,
        begin: float = 0.0,
    ) -> Self:
        """Scan vectors (n, 2) marked one after the other, the beam off between them.

        From one vector to the next: the jump at ``jump_speed`` (m/s) and ``delay`` (s).
        ValueError if a speed is not above 0 or a vector has no length.
        """
        a = np.atleast_2d(np.asarray(start, float))
        b = np.atleast_2d(np.asarray(stop, float))
        n = len(a)
        v = np.broadcast_to(np.asarray(speed, float), (n,))
        _within("speed", v)
        length = np.hypot(*(b - a).T)
        if not bool(np.all(length > 0.0)):
            raise ValueError("vector length 0 m: allowed above 0 m; use spots for a beam at rest")
        jump = np.hypot(*(a[1:] - b[:-1]).T)
        idle = np.concatenate([[0.0], jump / jump_speed + delay])
        end = begin + np.cumsum(idle + length / v)
        return cls(
            end - length / v, end, a, b,
            np.broadcast_to(np.asarray(power, float), (n,)),
            np.broadcast_to(np.asarray(sigma, float), (n,)),
        )

    @classmethod
    def line(
        cls, length: float, *, power: float, speed: float, sigma: float
    ) -> Self:
        """One straight track along +x from the origin."""
        return cls.vectors([[0.0, 0.0]], [[length, 0.0]], power=power, speed=speed, sigma=sigma)

    @classmethod
    def raster(
        cls,
        length: float,
        tracks: int,
        hatch_spacing: float,
        *,
        power: float,
        speed: float,
        sigma: float,
        delay: float = 360e-6,
    ) -> Self:
        """Tracks of ``length`` (m) to and fro along x, ``hatch_spacing`` (m) apart in y."""
        if tracks < 1:
            raise ValueError(f"tracks {tracks}: allowed 1 or more")
        forth = np.arange(tracks) % 2 == 0
        y = hatch_spacing * np.arange(tracks)
        a = np.column_stack([np.where(forth, 0.0, length), y])
        b = np.column_stack([np.where(forth, length, 0.0), y])
        return cls.vectors(a, b, power=power, speed=speed, sigma=sigma, delay=delay)

    @classmethod
    def spots(
        cls,
        at: npt.ArrayLike,
        *,
        power: npt.ArrayLike,
        dwell: float,
        sigma: npt.ArrayLike,
        gap: float = 0.0,
    ) -> Self:
        """Spots (n, 2) lit for ``dwell`` (s) each, ``gap`` (s) between them."""
        if not dwell > 0.0 or gap < 0.0:
            raise ValueError(f"dwell {dwell:g} s, gap {gap:g} s: allowed above 0, and 0 or more")
        points = np.atleast_2d(np.asarray(at, float))
        n = len(points)
        begin: Array = np.asarray((dwell + gap) * np.arange(n), float)
        return cls(
            begin, begin + dwell, points, points,
            np.broadcast_to(np.asarray(power, float), (n,)),
            np.broadcast_to(np.asarray(sigma, float), (n,)),
        )

    @classmethod
    def joined(cls, pieces: Sequence[BeamPath]) -> Self:
        """Paths of one beam that follow each other in time."""
        return cls(*(np.concatenate([getattr(p, f) for p in pieces]) for f in cls.__slots__))

    def clipped(self, begin: float, end: float) -> Self:
        """What lies between two times (s); segments that reach over an end are cut there."""
        keep = (self.end > begin) & (self.begin < end)
        a, b = np.maximum(self.begin[keep], begin), np.minimum(self.end[keep], end)
        span = (self.end - self.begin)[keep]
        step = (self.stop - self.start)[keep]
        first = ((a - self.begin[keep]) / span)[:, None]
        last = ((b - self.begin[keep]) / span)[:, None]
        start = self.start[keep]
        return type(self)(a, b, start + first * step, start + last * step,
                          self.power[keep], self.sigma[keep])

    def at(self, times: npt.ArrayLike) -> BeamState:
        """The beam at times (m,); on a boundary the earlier segment holds.

        Where the beam is off, position is that of the last end (or the first start).
        """
        t = np.atleast_1d(np.asarray(times, float))
        index = np.searchsorted(self.begin, t, side="left") - 1
        held = np.clip(index, 0, max(len(self) - 1, 0))
        lit = (index >= 0) & (t <= self.end[held])
        share = np.clip((t - self.begin[held]) / (self.end - self.begin)[held], 0.0, 1.0)
        step = (self.stop - self.start)[held]
        position = self.start[held] + np.where(index >= 0, share, 0.0)[:, None] * step
        velocity = np.where(lit[:, None], step / (self.end - self.begin)[held][:, None], 0.0)
        return BeamState(
            position, velocity, np.where(lit, self.power[held], 0.0), self.sigma[held],
            np.where(lit, index, -1),
        )

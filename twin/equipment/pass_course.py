"""A pass in work: its path, the grid of times at which it is looked at, what it has deposited."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from twin.equipment.deposition import Deposit
from twin.parts.passes import Pass, PassLayer

__all__ = ["PassCourse", "Spots", "lengths", "on", "probes"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Spots:
    """Places (n, 2) on paths in metres, and unit vectors (n, 2) across the paths there."""

    points: Floats
    normals: Floats


@dataclass(slots=True)
class PassCourse:
    """A pass under way: arrays (n + 1,) at its times and (n,) in between; SI units."""

    number: int
    run: Pass
    length: Floats
    """Arc length of the path's points, m."""
    begun: float
    """Arc length at which it began, m."""
    times: Floats
    reached: Floats
    """Arc length at the times, m."""
    made: Deposit | None = None
    speed: Floats = field(default_factory=lambda: np.empty(0))
    stand_off: Floats = field(default_factory=lambda: np.empty(0))

    @classmethod
    def at(cls, number: int, run: Pass, begun: float, now: float) -> PassCourse:
        """A pass that begins `now` (s) at an arc length (m)."""
        return cls(number, run, lengths(run.points), begun, np.array([now]), np.array([begun]))

    @property
    def deposit(self) -> Deposit:
        """What it makes of the pass, as far as it is planned."""
        assert self.made is not None
        return self.made

    def ahead(self, k: int, feed: float, tick: float) -> tuple[Floats, Floats]:
        """Times (s) and arc lengths (m) from time number `k` to the end, every `tick` (s)."""
        start, s0 = float(self.times[k]), float(self.reached[k])
        left = float(self.length[-1]) - s0
        ticks = max(int(np.ceil(left / feed / tick - 1e-9)), 1)
        times: Floats = start + tick * np.arange(ticks + 1, dtype=np.float64)
        times[-1] = start + left / feed
        reached = np.minimum(s0 + feed * (times - start), self.length[-1])
        reached[-1] = self.length[-1]
        return times, reached

    def points(self, reached: Floats) -> Floats:
        """Points (n, 3) of the path at arc lengths (n,)."""
        path = self.run.points
        return np.column_stack([np.interp(reached, self.length, path[:, i]) for i in range(3)])

    def looks(self, reached: Floats, count: int) -> tuple[Spots, Floats]:
        """Where the surface is looked at, `count` times in each interval between arc lengths.

        With the height of the path there above its layer (n * count,), m.
        """
        share = (np.arange(count) + 0.5) / count
        at = (reached[:-1, None] + share * np.diff(reached)[:, None]).ravel()
        spots, path = self.points(at), self.run.points[:, :2]
        way = on(path, self.length, at + 1e-5) - on(path, self.length, at - 1e-5)
        return Spots(spots[:, :2], _normals(way)), spots[:, 2]

    def renew(self, k: int, times: Floats, reached: Floats, speed: Floats, stand_off: Floats,
              made: Deposit) -> None:
        """Take another course from time number `k` on."""
        if k:
            made = Deposit.joined(self.deposit.kept(k), made)
            times = np.concatenate([self.times[:k], times])
            reached = np.concatenate([self.reached[:k], reached])
            speed = np.concatenate([self.speed[:k], speed])
            stand_off = np.concatenate([self.stand_off[:k], stand_off])
        self.times, self.reached, self.made = times, reached, made
        self.speed, self.stand_off = speed, stand_off

    def pieces(self, n: int) -> tuple[Floats, Floats, npt.NDArray[np.intp]]:
        """The first `n` intervals as straight pieces of the path, corners within them included.

        Points (m + 1, 2), lengths along the path (m,), and the interval that each is of (m,).
        """
        reached = self.reached[: n + 1]
        inside = self.length[(self.length > reached[0]) & (self.length < reached[-1])]
        knots = np.unique(np.concatenate([reached, inside]))
        spots = on(self.run.points[:, :2], self.length, knots)
        own = np.clip(np.searchsorted(reached, knots[:-1], side="right") - 1, 0, max(n - 1, 0))
        return spots, np.diff(knots), own


    def row(self, made: Deposit, way: Floats, n: int, *, volume: float, energy: float,
            interpass_temperature: float) -> dict[str, Any]:
        """What is recorded of the first `n` intervals, each `way` (m) long (n,); SI units."""
        def mean(values: Floats) -> float:
            return float(np.average(values, weights=way))

        end = on(self.run.points[:, :2], self.length, self.reached[n:n + 1])[0]
        return {
            "run": self.number + 1, "role": int(self.run.role), "part": self.run.part,
            "begun": float(self.times[0]), "ended": float(self.times[n]),
            "length": float(way.sum()), "volume": volume, "energy": energy,
            "speed": mean(self.speed[:n]), "width": mean(made.width), "area": mean(made.area),
            "stand_off": mean(self.stand_off[:n]),
            "stand_off_low": float(self.stand_off[:n].min()),
            "stand_off_high": float(self.stand_off[:n].max()),
            "interpass_temperature": interpass_temperature,
            **{name: mean(values) for name, values in made.fields.items()},
            "x": float(end[0]), "y": float(end[1]),
        }


def probes(layer: PassLayer, count: int) -> Spots:
    """About `count` places evenly along a layer's passes, where a scanner looks at the surface."""
    total = max(layer.length, 1e-9)
    points, normals = [], []
    for each in layer.passes:
        flat = each.points[:, :2]
        along = lengths(each.points)
        own = max(round(count * along[-1] / total), 1)
        at = (np.arange(own) + 0.5) / own * along[-1]
        way = on(flat, along, np.minimum(at + 1e-5, along[-1])) - on(
            flat, along, np.maximum(at - 1e-5, 0.0))
        points.append(on(flat, along, at))
        normals.append(_normals(way))
    return Spots(np.vstack(points), np.vstack(normals))


def lengths(points: Floats) -> Floats:
    """Arc length (n,) of the points of a path (n, d), m."""
    steps = np.sqrt((np.diff(points, axis=0) ** 2).sum(axis=1))
    return np.concatenate([[0.0], np.cumsum(steps)])


def on(path: Floats, along: Floats, at: Floats) -> Floats:
    """Points (m, 2) of a path (n, 2) at arc lengths."""
    return np.column_stack([np.interp(at, along, path[:, i]) for i in range(2)])


def _normals(way: Floats) -> Floats:
    """Unit vectors (n, 2) across ways (n, 2); along y where there is no way."""
    length = np.hypot(*way.T)
    safe = np.where(length > 0, length, 1.0)
    across = np.column_stack([-way[:, 1], way[:, 0]]) / safe[:, None]
    return np.where(length[:, None] > 0, across, [[0.0, 1.0]])

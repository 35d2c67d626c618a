"""Heat of the parts on a plate: blocks of metal that layers build up, and how warm each island is.

An island is a connected region of a layer. Its layers gather in blocks; each block has one
temperature. Blocks conduct to those they touch (necks by constriction), the lowest to the plate,
all through their skin to the powder, the top ones to gas and walls:

    C dT/dt = P + sum G (T_other - T) - h S (T - T_gas) - eps sigma S (T^4 - T_gas^4)

Far below the top, blocks are joined: their size grows with depth, heat content and the resistance
of a column stay what they were. Within a block nothing varies sideways: the overhanging end of
an island is as warm as its foot.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from math import inf, pi, sqrt
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from twin.materials import STEFAN_BOLTZMANN, Alloy
from twin.meltpool.part_heat_kernel import PLATE, Program, march
from twin.meltpool.pool import Array

__all__ = ["HeatLoss", "PartHeat", "solid"]

Metal = Callable[[float], tuple[float, float, float]]
"""Density (kg/m3), specific heat (J/(kg K)), conductivity (W/(m K)) at a temperature (K)."""

# Instants after an event at which temperatures are computed, s; straight lines join them. They
# are finer than what a layer needs and reach beyond any pause.
FIRST, GROWTH, LAST = 0.03, 1.3, 2e5
DAMPED: Final = 3  # steps of implicit Euler at the beginning: thin metal settles at once
_STEPS: Final = np.concatenate(
    [[0.0], FIRST * np.cumsum(GROWTH ** np.arange(int(np.log(LAST * GROWTH) / np.log(GROWTH))))]
)
BRANCHING: Final = 10.0  # resistance of a branch over that between two blocks to be joined
MANY: Final = 200  # blocks below the top ones
FETCHED: Final = 10.0  # heat content of the metal that warms a new layer, over the layer's
_SDIRK: Final = 1.0 - 1.0 / sqrt(2.0)


@dataclass(frozen=True, slots=True)
class HeatLoss:
    """How a part loses heat, and how fine its blocks are; SI units, all default."""

    gas_transfer: float = 20.0
    """Convection from the top, W/(m2 K)."""
    emissivity: float = 0.4
    """Of the top, towards walls as warm as the gas."""
    powder_conductivity: float = 0.2
    """Of the bed in argon, W/(m K)."""
    powder_distance: float = 0.01
    """To where the powder stays as warm as plate and gas in the mean, m."""
    contact: float = 2e-5
    """Resistance between part and plate, m2 K/W."""
    wall: float = 1.5e-4
    """Thickness of a support wall, one track, m."""
    block: float = 5e-4
    """Height of a block at the top, m."""
    coarsening: float = 0.25
    """Height of a block over its depth below the top."""

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not 0.0 <= value < inf or (value == 0.0 and name in ("powder_distance", "block")):
                raise ValueError(f"heat loss {name} {value!r}: allowed 0 or more, the distance "
                                 "and the block above 0")

    @property
    def powder_transfer(self) -> float:
        """From metal to powder, W/(m2 K)."""
        return self.powder_conductivity / self.powder_distance


@dataclass(slots=True)
class _Block:
    capacity: float  # J/K
    temperature: float  # K
    powder: float  # W/K to the powder
    low: float  # m
    high: float  # m
    half: float  # K/W from its middle to its top or foot
    growing: bool = True


def solid(alloy: Alloy) -> Metal:
    """Properties of an alloy below its solidus; a part hotter than that has other troubles."""

    def at(temperature: float) -> tuple[float, float, float]:
        warm = min(max(temperature, 280.0), alloy.solidus)
        return (float(alloy.density(warm)), float(alloy.specific_heat(warm)),
                float(alloy.conductivity(warm)))

    return at


def _constriction(contact: float, area: float, conductivity: float) -> float:
    """Resistance (K/W) of heat gathering from ``area`` into ``contact`` (m2) on one side.

    Flux tube with a round spot: (1 - sqrt(contact/area))^1.5 / (2 k a), a the spot's radius
    (Cooper, Mikic and Yovanovich 1969, doi 10.1016/0017-9310(69)90011-8).
    """
    free = 1.0 - sqrt(min(contact / area, 1.0))
    result: float = free**1.5 / (2.0 * conductivity * sqrt(contact / pi))
    return result


class PartHeat:
    """The blocks of all parts on one plate and the heat that flows between them.

    State changes only by `lay`, `heat` and `advance`; between them the temperatures follow a
    course that was computed at the last of them, so that looking changes no bit.
    """

    def __init__(self, loss: HeatLoss | None = None) -> None:
        self.loss = loss or HeatLoss()
        self.clear()

    def clear(self) -> None:
        """A clean plate."""
        self.height = 0.0
        self.mass = 0.0
        self.areas: list[float] = []
        self.energy = {"absorbed": 0.0, "plate": 0.0, "powder": 0.0, "gas": 0.0, "laid": 0.0}
        """What the part took up (J) by heat and by new layers (over 0 K), what it gave away."""
        self._blocks: dict[int, _Block] = {}
        self._links: dict[tuple[int, int], float] = {}
        self._tops: list[int] = []
        self._next = 0
        self._heat: list[tuple[int, float, float, float]] = []
        self._since = 0.0
        self._program: Program | None = None
        self._times = np.zeros(1)
        self._course = np.zeros((1, 0))
        self._given = np.zeros((1, 4))

    def __len__(self) -> int:
        return len(self._blocks)

    def lay(
        self,
        thickness: float,
        area: npt.ArrayLike,
        outline: npt.ArrayLike,
        contacts: Sequence[tuple[int, int, float]],
        metal: Metal,
        temperature: float,
        support: npt.ArrayLike = 0.0,
    ) -> None:
        """A layer (m thick) of n islands comes on top, its powder at ``temperature`` (K).

        ``area`` (n,) in m2, ``outline`` (n,) in m, ``contacts``: island, island of the layer
        before and area they share (m2; empty on the plate), ``support`` (n,): length of the walls
        that end under an island (m). An island that lies on one other, about as large, goes on
        with its block; else, or if that is tall enough, a new block begins. ``metal`` is asked at
        the temperature of what lies beneath. Call `advance` before and `follow` after it.
        ValueError if the thickness or an area is not above 0.
        """
        areas = [float(a) for a in np.atleast_1d(np.asarray(area, float))]
        outlines, supports = (np.broadcast_to(np.asarray(a, float), len(areas)).tolist()
                              for a in (outline, support))
        for name, value in (("thickness", thickness), ("area", min(areas, default=1.0))):
            if not value > 0.0:
                raise ValueError(f"layer {name} {value!r}: allowed above 0")
        low, high, h = self.height, self.height + thickness, self.loss.powder_transfer
        under: list[list[tuple[int, float]]] = [[] for _ in areas]
        uses = [0] * len(self._tops)
        bare = list(self.areas)
        for upper, lower, shared in contacts:
            if shared > 0.0:
                under[upper].append((lower, shared))
                bare[lower] -= shared
                uses[lower] += 1
        for top, left in zip(self._tops, bare, strict=True):
            self._blocks[top].powder += h * max(left, 0.0)
        tops, begun = [], False
        for size, edge, walls, mine in zip(areas, outlines, supports, under, strict=True):
            main, shared = max(mine, key=lambda c: c[1], default=(PLATE, size))
            warm = temperature if main == PLATE else self._blocks[self._tops[main]].temperature
            density, heat, k = metal(warm)
            capacity = density * heat * size * thickness
            over = max(size - sum(s for _, s in mine), 0.0) if low > 0.0 else 0.0
            skin = h * (edge * thickness + over)
            half = 0.5 * thickness / (k * size)
            self.mass += density * size * thickness
            self.energy["laid"] += capacity * temperature
            if len(mine) == 1 and uses[main] == 1 and self._goes_on(main, shared, size):
                top = self._tops[main]
                block = self._blocks[top]
                self._settled(capacity, temperature, mine)
                block.capacity, block.high = block.capacity + capacity, high
                block.powder += skin
                block.half += half + 0.5 * self._squeezed(shared, self.areas[main], size, k)
            else:
                top, begun = self._next, True
                self._next += 1
                start = self._settled(capacity, temperature, mine)
                self._blocks[top] = _Block(capacity, start, skin, low, high, half)
                if low <= 0.0:
                    self._join(PLATE, top, self.loss.contact / size)
                for lower, spot in mine:
                    foot = self._tops[lower]
                    self._close(foot)
                    self._join(foot, top, self._blocks[foot].half
                               + self._squeezed(spot, self.areas[lower], size, k))
            if walls > 0.0 and low > 0.0:
                section = walls * self.loss.wall
                self._join(PLATE, top, (low / k + self.loss.contact) / section)
            tops.append(top)
        for top in set(self._tops) - set(tops):
            self._close(top)
        self._tops, self.areas, self.height = tops, areas, high
        self._heat = []
        if begun:
            self._coarsen()
            self._program = None

    def _settled(self, capacity: float, temperature: float, mine: list[tuple[int, float]]) -> float:
        """Temperature of new metal (J/K, K) once each piece is as warm as what it lies on.

        A layer is so thin that this takes milliseconds; the heat comes from the next blocks below.
        """
        whole, start = sum(shared for _, shared in mine), 0.0
        for lower, shared in mine:
            foot, share = self._tops[lower], shared / whole
            piece = share * capacity
            reached, held = {foot}, self._blocks[foot].capacity
            while held < FETCHED * piece:
                more = {low for low, high in self._links if high in reached} - reached - {PLATE}
                if not more:
                    break
                reached |= more
                held = sum(self._blocks[name].capacity for name in sorted(reached))
            drop = (self._blocks[foot].temperature - temperature) / (1.0 + held / piece)
            for name in reached:
                self._blocks[name].temperature -= drop
            start += share * self._blocks[foot].temperature
        return start if mine else temperature

    @staticmethod
    def _squeezed(contact: float, below: float, above: float, conductivity: float) -> float:
        return _constriction(contact, below, conductivity) + _constriction(
            contact, above, conductivity)

    def _goes_on(self, lower: int, shared: float, size: float) -> bool:
        block = self._blocks[self._tops[lower]]
        like = shared >= 0.9 * max(size, self.areas[lower])
        return like and block.growing and self.height - block.low < self.loss.block * (1 - 1e-9)

    def _join(self, one: int, other: int, resistance: float) -> None:
        key = (min(one, other), max(one, other))
        also = self._links.get(key)
        self._links[key] = 1 / (1 / resistance + 1 / also) if also else resistance

    def _close(self, top: int) -> None:
        """A block grows no more: half of its resistance now belongs to its links."""
        block = self._blocks[top]
        if block.growing:
            block.growing = False
            for key in self._links:
                if key[1] == top:
                    self._links[key] += block.half

    def _coarsen(self) -> None:
        """Join blocks whose height together is small against their depth below the top.

        More than `MANY` blocks (lattices) are too many: coarser ones must do, and branches are
        no obstacle then.
        """
        coarser = 1.0
        while True:
            merged = False
            at: dict[int, list[float]] = {name: [] for name in self._blocks}
            for (low, high), resistance in self._links.items():
                at[high].append(resistance)
                if low != PLATE:
                    at[low].append(resistance)
            for low, high in sorted(self._links):
                if low != PLATE and (low, high) in self._links and self._may_merge(
                    low, high, at, coarser
                ):
                    self._merge(low, high)
                    merged = True
            if not merged:
                if len(self._blocks) <= MANY + len(self._tops) or coarser > 1e3:
                    return
                coarser *= 1.5

    def _may_merge(self, low: int, high: int, at: dict[int, list[float]], coarser: float) -> bool:
        a, b = self._blocks[low], self._blocks[high]
        if a.growing or b.growing or low in self._tops or high in self._tops:
            return False
        span, top = max(a.high, b.high) - min(a.low, b.low), max(a.high, b.high)
        limit = max(self.loss.block, self.loss.coarsening * (self.height - top))
        if span > coarser * limit:
            return False
        if coarser > 1.0:
            return True
        # In a column this is exact at rest. Where heat can branch off, what is between must be
        # small against the other branches, or it would stand in the way of them too.
        between = self._links[low, high]
        branches = [r for one in (low, high) for r in sorted(
            at[one], key=lambda r: (r != between, r))[2:]]
        return all(r >= BRANCHING * between for r in branches)

    def _merge(self, low: int, high: int) -> None:
        a, b = self._blocks[low], self._blocks.pop(high)
        between = self._links.pop((low, high))
        total = a.capacity + b.capacity
        share = {low: b.capacity / total, high: a.capacity / total}
        a.temperature = (a.capacity * a.temperature + b.capacity * b.temperature) / total
        a.capacity = total
        a.powder += b.powder
        a.low, a.high = min(a.low, b.low), max(a.high, b.high)
        # The middle moves: each link gains the piece of resistance up to where it was.
        for key in [k for k in self._links if low in k or high in k]:
            own = low if low in key else high
            other = key[0] if key[1] == own else key[1]
            self._join(low, other, self._links.pop(key) + share[own] * between)

    def heat(self, windows: Sequence[tuple[int, float, float, float]]) -> None:
        """From now on the islands of the last layer take up heat: (island, begin, end, W).

        Replaces what was said before; an end of infinity is allowed. See `follow`.
        """
        self._heat = [(self._tops[i], begin, end, power) for i, begin, end, power in windows]

    def advance(self, time: float) -> None:
        """The state of ``time`` (s) becomes the present one; the course is used up.

        What follows needs `follow` again; ValueError for a time before the last one.
        """
        if time < self._since:
            raise ValueError(f"time {time:g} s: allowed from {self._since:g} s on")
        if self._course.shape[1] == len(self._blocks) and len(self._blocks):
            at, given = self._look(time, self._course), self._look(time, self._given)
            for temperature, block in zip(at, self._ordered(), strict=True):
                block.temperature = float(temperature)
            for name, amount in zip(("absorbed", "plate", "powder", "gas"), given, strict=True):
                self.energy[name] += float(amount)
            self._course = np.zeros((1, 0))
        self._since = time

    def follow(self, plate: Callable[[float], float], gas: float) -> tuple[Array, Array]:
        """Compute the course from the present state: times (k,) in s and tops (k,) in K.

        ``plate``: its temperature (K) over time (s); ``gas``: that of gas and walls (K). The
        second array is the mean of the islands of the last layer by area. Alexander 1977's
        stiffly accurate SDIRK of second order (doi 10.1137/0714068) after a few steps of implicit
        Euler, which damp what is quicker than they; radiation is linearised in each step.
        """
        if not self._tops:
            raise ValueError("the last layer has no islands: there is no course to follow")
        if self._program is None:
            self._program = Program.of(list(reversed(self._blocks)), self._links)
        program = self._program
        ends = [end for _, _, end, _ in self._heat if self._since < end < inf]
        times = self._since + _STEPS
        gamma = np.full(len(times) - 1, _SDIRK)
        gamma[:DAMPED] = 1.0
        if ends:  # What begins then wants short steps again.
            times = np.append(times[times < max(ends)], max(ends) + _STEPS)
            gamma = np.concatenate([gamma[: len(times) - len(_STEPS)], gamma])
        step = np.diff(times)
        order = {name: row for row, name in enumerate(program.names)}
        blocks = self._ordered()
        foot = np.array([[plate(t + share * dt), plate(t + dt)] for t, dt, share in zip(
            times[:-1].tolist(), step.tolist(), gamma.tolist(), strict=True)])
        source = np.zeros((len(step), len(blocks)))
        for top, begin, end, power in self._heat:
            lit = np.minimum(times[1:], end) - np.maximum(times[:-1], begin)
            source[:, order[top]] += power * np.maximum(lit, 0.0) / np.where(step > 0, step, 1.0)
        open_air = np.zeros(len(blocks))
        for top, area in zip(self._tops, self.areas, strict=True):
            open_air[order[top]] += area
        grounded = np.zeros(len(blocks))
        links = np.zeros(program.slots)
        for (low, high), resistance in self._links.items():
            block = self._blocks[high]
            conductance = 1.0 / (resistance + (block.half if block.growing else 0.0))
            if low == PLATE:
                grounded[order[high]] += conductance
            else:
                links[program.slot[low, high]] += conductance
        self._times = times
        self._course, self._given = march(
            step, gamma, np.array([b.temperature for b in blocks]),
            np.array([b.capacity for b in blocks]), grounded,
            np.array([b.powder for b in blocks]), open_air, links, foot, gas, source,
            self.loss.gas_transfer, self.loss.emissivity * STEFAN_BOLTZMANN,
            program.first, program.other, program.pair, program.target)
        return times, self._course @ (open_air / open_air.sum())

    def tops(self, time: float) -> Array:
        """Temperature (K) of each island of the last layer at ``time`` (s), (n,); pure."""
        assert self._program is not None
        rows = [self._program.names.index(top) for top in self._tops]
        return self._look(time, self._course)[rows]

    def content(self) -> float:
        """Heat (J) in the parts over 0 K, at the last `advance`."""
        return sum(b.capacity * b.temperature for b in self._blocks.values())

    def _ordered(self) -> list[_Block]:
        return list(reversed(self._blocks.values()))

    def _look(self, time: float, table: Array) -> Array:
        right = min(max(int(self._times.searchsorted(time, "right")), 1), len(self._times) - 1)
        first, last = self._times[right - 1], self._times[right]
        share = min(max((time - first) / (last - first), 0.0), 1.0) if last > first else 1.0
        value: Array = (1.0 - share) * table[right - 1] + share * table[right]
        return value

    def state(self) -> dict[str, Any]:
        """The state as plain data; `restore` and then `follow` go on to the same bits."""
        return {
            "height": self.height, "mass": self.mass, "areas": list(self.areas),
            "energy": dict(self.energy), "tops": list(self._tops), "next": self._next,
            "since": self._since, "heat": [list(w) for w in self._heat],
            "blocks": [[name, *(getattr(b, f) for f in _Block.__slots__)]
                       for name, b in self._blocks.items()],
            "links": [[*key, value] for key, value in self._links.items()],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take back what `state` gave."""
        self.clear()
        self.height, self.mass = state["height"], state["mass"]
        self.areas, self.energy = list(state["areas"]), dict(state["energy"])
        self._tops, self._next, self._since = list(state["tops"]), state["next"], state["since"]
        self._heat = [(int(t), float(a), float(b), float(p)) for t, a, b, p in state["heat"]]
        self._blocks = {name: _Block(*fields) for name, *fields in state["blocks"]}
        self._links = {(low, high): value for low, high, value in state["links"]}

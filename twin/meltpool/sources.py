"""Moving sources: the temperature field of beams on arbitrary paths, and the pools in it.

Level 2: heat of Gaussian beams on a half space with constant properties (means from the local
preheat to the solidus), superposed over the whole history, so starts, turns, neighbouring tracks
and other beams count. The field is linear in power; the keyhole closure is not. Not covered:
powder as an insulator, temperature-dependent properties within one pool, the flow of the melt.
Pools melt no more than the absorbed heat can, and old heat alone comes no closer to the solidus
than `sources_kernel.MARGIN`; sizes of pools on metal that hot are rough.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isfinite
from typing import Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from twin.materials import Alloy
from twin.meltpool import eagar_tsai, laws
from twin.meltpool import sources_kernel as kernel
from twin.meltpool.path import BeamPath
from twin.meltpool.pool import INFRARED, Array, MeltPool, Mode, Preheat

__all__ = ["MovingSources", "Superposition", "Wall"]

# The melt takes up latent heat in front and gives it back at the tail: a share of it narrows the
# widest section, and a share lengthens the tail. Fitted to all tracks together.
SECTION_SHARE: Final = 0.2
TAIL_SHARE: Final = 0.55
# Calculated surface rise over the rise to boiling at which vapour depresses the surface: above 1
# because stirring and evaporation, which conduction leaves out, hold the surface below boiling.
# Fitted; the depression line of Cunningham et al. 2019 (Ti-6Al-4V) lies at 1.8 to 2.3, their
# keyhole line at 2.4 to 2.7.
DEPRESSION_RATIO: Final = 1.95
KEYHOLE_RATIO: Final = 2.5
# The same for the wall of the keyhole, and the keyhole depth, counted in D4sigma, that catches
# 63 % of the light that can be caught: fitted to melt depths and calorimetry together.
WALL_RATIO: Final = 1.75
TRAPPING_DEPTH: Final = 0.65
SOFTNESS: Final = 10.0  # of the limit that the absorbed heat sets to a pool; higher is harder
PARALLEL: Final = 3  # mirror images on either side of two parallel walls


class Wall(NamedTuple):
    """Insulated side wall: the plane ``axis`` = ``at`` (m), metal on the beams' side of it."""

    axis: Literal["x", "y"]
    at: float


class _Scene(NamedTuple):
    """Paths packed for the kernels; a source is a beam or its mirror image."""

    segments: Array
    closures: Array
    totals: Array
    sources: Array
    plate: tuple[float, float]


def _segments(paths: Sequence[BeamPath]) -> Array:
    """Rows begin, end, x, y, vx, vy, power, sigma of all segments, path after path."""
    rows = []
    for p in paths:
        velocity = (p.stop - p.start) / (p.end - p.begin)[:, None]
        rows.append(np.column_stack([p.begin, p.end, p.start, velocity, p.power, p.sigma]))
    return np.ascontiguousarray(np.concatenate(rows))


def _totals(segments: Array, closures: Array) -> Array:
    """Running sums of absorbed energy and its moments before each segment, see `far_field`."""
    begin, end, x, y, vx, vy, _, sigma = segments.T
    span = end - begin
    energy = (closures[:, 0] + closures[:, 1]) * span
    mx, my = x + 0.5 * span * vx, y + 0.5 * span * vy
    third = span**2 / 12.0
    rows = energy[:, None] * np.column_stack([
        np.ones_like(mx), mx, my, mx**2 + third * vx**2 + sigma**2,
        my**2 + third * vy**2 + sigma**2, mx * my + third * vx * vy, 0.5 * (begin + end)])
    return np.concatenate([np.zeros((1, 7)), np.cumsum(rows, axis=0)])


@dataclass(frozen=True, slots=True)
class MovingSources:
    """Level 2 of `PathModel`: stateless; every query is answered on its own.

    ``walls``: insulated side walls, which mirror every beam; a pool that reaches one is told with
    its mirror image. ``plate``: thickness (m) of the metal
    under the surface, its lower face ``insulated`` or held ``cold``; infinite by default. Pools
    must be shallow against it.
    """

    walls: tuple[Wall, ...] = ()
    plate: float = inf
    bottom: Literal["insulated", "cold"] = "insulated"
    name: str = "sources"

    def __post_init__(self) -> None:
        if not self.plate >= 1e-4:
            raise ValueError(f"plate {self.plate:g} m: allowed 0.0001 m or more")
        if self.bottom not in ("insulated", "cold"):
            raise ValueError(f"bottom {self.bottom!r}: allowed insulated, cold")
        for wall in self.walls:
            if wall.axis not in ("x", "y") or not isfinite(wall.at):
                raise ValueError(f"wall {wall!r}: allowed axis x or y at a finite position")
        for axis in ("x", "y"):
            at = sorted(wall.at for wall in self.walls if wall.axis == axis)
            if len(at) > 2:
                raise ValueError(f"walls: more than two across {axis}, allowed at most 2")
            if len(at) == 2 and at[1] - at[0] < 1e-4:
                raise ValueError(f"walls: {at[1] - at[0]:g} m apart across {axis}, "
                                 "allowed 0.0001 m or more")

    def pools(
        self,
        alloy: Alloy,
        power: npt.ArrayLike,
        speed: npt.ArrayLike,
        sigma: npt.ArrayLike,
        preheat: npt.ArrayLike,
        wavelength: npt.ArrayLike = INFRARED,
        powder_layer: npt.ArrayLike = 0.0,
    ) -> MeltPool:
        """Steady pools of independent long tracks, walls left out; see `MeltPoolModel.pools`."""
        inputs = {"power": power, "speed": speed, "sigma": sigma, "powder_layer": powder_layer}
        given = [_within(field, values) for field, values in inputs.items()]
        start = _preheat(alloy, preheat)
        flat = _flat(alloy, wavelength, given.pop())
        p, v, s, t0, flat = (
            np.atleast_1d(a) for a in np.broadcast_arrays(*given, start, flat))
        n = len(p)
        queries = _queries(alloy, t0, flat, p, v, s)
        diffusivity = queries[:, kernel.Q_A]
        # Long enough that what is older has been left behind.
        lasting = queries[:, kernel.Q_REACH] / v
        for _ in range(40):
            width = np.sqrt(s**2 + 2.0 * diffusivity * lasting)
            lasting = (queries[:, kernel.Q_REACH] + kernel.REACH * width) / v
        lasting *= 1.2
        queries[:, kernel.Q_TIME], queries[:, kernel.Q_UX] = lasting, 1.0
        zero = np.zeros(n)
        segments = np.column_stack([zero, lasting, -v * lasting, zero, v, zero, p, s])
        each = np.ones(n)
        sources = np.column_stack([np.arange(n) * each, each, zero, each, zero, each])
        sign = 1.0 if self.bottom == "insulated" else -1.0
        scene = _Scene(
            segments, np.zeros((n, 3)), np.zeros((n + 1, 7)), sources, (self.plate, sign))
        answers, _ = _answers(kernel.STEADY, alloy, queries, scene, 0)
        _limit(alloy, queries, answers, answers[:, kernel.A_ABSORBED] * p, np.full(n, inf))
        return _pools(alloy, queries, answers, np.full(n, inf), powder_layer)

    def along(
        self,
        alloy: Alloy,
        paths: Sequence[BeamPath],
        times: npt.ArrayLike,
        *,
        preheat: Preheat = 293.15,
        wavelength: float = INFRARED,
        powder_layer: float = 0.0,
        beam: int = 0,
    ) -> MeltPool:
        """Pools of one beam at times (m,) in s, all paths heating; see `PathModel.along`.

        Any order of times, any grouping into calls gives the same bits.
        """
        return self.superposed(
            alloy, paths, preheat=preheat, wavelength=wavelength, powder_layer=powder_layer
        ).along(times, beam)

    def superposed(
        self,
        alloy: Alloy,
        paths: Sequence[BeamPath],
        *,
        preheat: Preheat = 293.15,
        wavelength: float = INFRARED,
        powder_layer: float = 0.0,
    ) -> Superposition:
        """Prepare paths once for many questions, as of every beam's pools: each `along` closes the
        keyholes of all paths again. Arguments and errors as for `along`.
        """
        if not paths or not all(len(p) for p in paths):
            raise ValueError("paths: allowed one or more, each with at least one segment")
        for wall in self.walls:
            column = "xy".index(wall.axis)
            beside = np.concatenate([np.r_[p.start, p.stop][:, column] for p in paths]) - wall.at
            if beside.min() < 0.0 < beside.max():
                raise ValueError(f"paths: cross the wall {wall.axis} = {wall.at:g} m, "
                                 "allowed all on one side of it")
        flat = float(_flat(alloy, wavelength, _within("powder_layer", powder_layer)))
        sign = 1.0 if self.bottom == "insulated" else -1.0
        scene = _scene(alloy, paths, preheat, flat, self.walls, (self.plate, sign))
        return Superposition(alloy, tuple(paths), preheat, flat, powder_layer, scene)


def _mirrors(walls: Sequence[Wall], axis: str) -> list[tuple[float, float]]:
    """Images (offset, sign) of a coordinate between the walls across one axis."""
    at = sorted(wall.at for wall in walls if wall.axis == axis)
    if not at:
        return [(0.0, 1.0)]
    if len(at) == 1:
        return [(0.0, 1.0), (2.0 * at[0], -1.0)]
    step = 2.0 * (at[1] - at[0])
    turns = range(-PARALLEL, PARALLEL + 1)
    return [(n * step, 1.0) for n in turns] + [(2.0 * at[0] + n * step, -1.0) for n in turns]


def _scene(
    alloy: Alloy, paths: Sequence[BeamPath], preheat: Preheat, flat: float,
    walls: Sequence[Wall], plate: tuple[float, float],
) -> _Scene:
    """Pack the paths, and close the keyhole of every segment in its middle, twice: the second
    time with what the first found out about the others.
    """
    segments = _segments(paths)
    counts = [len(p) for p in paths]
    offsets = np.concatenate([[0], np.cumsum(counts)])
    images = [(*x, *y) for x in _mirrors(walls, "x") for y in _mirrors(walls, "y")]
    images.sort(key=lambda image: image != (0.0, 1.0, 0.0, 1.0))  # the beams themselves come first
    sources = np.array(
        [(offsets[k], counts[k], *image) for image in images for k in range(len(paths))])
    closures = np.zeros((len(segments), 3))
    closures[:, 0] = flat * segments[:, 6]
    scene = _Scene(segments, closures, _totals(segments, closures), sources, plate)
    for _ in range(2):
        found = []
        for k, path in enumerate(paths):
            queries, _ = _at(
                alloy, path, 0.5 * (path.begin + path.end), preheat, flat, segments[:, 6].max())
            found.append(_answers(kernel.CLOSE, alloy, queries, scene, k)[1])
        closures = np.concatenate(found)
        closures[:, :2] *= segments[:, 6:7]
        scene = scene._replace(closures=closures, totals=_totals(segments, closures))
    return scene


@dataclass(frozen=True, slots=True)
class Superposition:
    """Heat of given paths in one alloy, prepared: see `MovingSources.superposed`."""

    alloy: Alloy
    paths: tuple[BeamPath, ...]
    preheat: Preheat
    flat: float
    powder_layer: float
    scene: _Scene

    def along(self, times: npt.ArrayLike, beam: int = 0) -> MeltPool:
        """Pools of one beam at times (m,) in s; ValueError for a beam that is not there."""
        if not 0 <= beam < len(self.paths):
            raise ValueError(f"beam {beam}: allowed 0 to {len(self.paths) - 1}")
        queries, lit = self._queries(beam, times)
        answers, inputs = _answers(kernel.ALONG, self.alloy, queries, self.scene, beam)
        now = inputs[:, kernel.C_SURFACE] + inputs[:, kernel.C_DEEP]
        power, energy = self._absorbed(
            queries, answers[:, kernel.A_LENGTH], now * queries[:, kernel.Q_POWER], beam)
        _limit(self.alloy, queries, answers, power, energy)
        return _pools(self.alloy, queries, answers, lit, self.powder_layer)

    def _queries(self, beam: int, times: npt.ArrayLike) -> tuple[Array, Array]:
        strongest = float(self.scene.segments[:, 6].max())
        return _at(
            self.alloy, self.paths[beam], times, self.preheat, self.flat, strongest)

    def _absorbed(
        self, queries: Array, length: Array, now: Array, beam: int
    ) -> tuple[Array, Array]:
        """Power (W) and energy (J) absorbed from all beams and their mirror images up to queries.

        Power of beams that are off is their last; that of others counts less if they are more than
        the ``length`` (m) of the pool away. ``now`` (W) is that of the ``beam`` itself.
        """
        times, places = queries[:, kernel.Q_TIME], queries[:, [kernel.Q_X, kernel.Q_Y]]
        reach = length + 4.0 * queries[:, kernel.Q_SIGMA]
        segments, closures, totals, sources, _ = self.scene
        absorbed = closures[:, kernel.C_SURFACE] + closures[:, kernel.C_DEEP]
        power, energy = np.zeros(len(times)), np.zeros(len(times))
        for k, path in enumerate(self.paths):
            offset = int(sources[k, 0])
            index = np.searchsorted(path.begin, times, side="left") - 1
            row = offset + np.maximum(index, 0)
            lit = np.maximum.accumulate(np.where(path.power > 0.0, np.arange(len(path)), -1))
            last = np.where(index >= 0, lit[row - offset], -1)
            strength = np.where(last >= 0, absorbed[offset + last], 0.0)
            if k == beam:
                strength = np.where(now > 0.0, now, strength)
            begin, end = segments[row, 0], segments[row, 1]
            brought = totals[row, 0] - totals[offset, 0]
            brought += absorbed[row] * (np.clip(times, begin, end) - begin)
            position = path.at(times).position
            for _, _, x, sx, y, sy in sources[k::len(self.paths)]:
                away = np.hypot(*((x, y) + (sx, sy) * position - places).T) / reach
                power += strength * np.exp(-0.5 * away**2)
                energy += brought
        return power, energy

    def at_points(self, time: float, points: npt.ArrayLike) -> Array:
        """Temperature (K) at points (m, 3) in m, z down from the surface, at one ``time`` (s).

        The solidus lies where the pools of `along` end sideways and below, unless old heat alone
        comes close to it; above it temperature saturates at boiling, as `MeltPool.peak_temperature`
        does. ValueError names bad points.
        """
        at = _points(points)
        t0 = _local(self.alloy, self.preheat, at[:, :2])
        latent = SECTION_SHARE * self.alloy.latent_fusion / self.alloy.solid_means(t0)[1]
        return laws.peak_temperature(self.alloy, t0, self.rise_at(time, at), latent)

    def rise_at(self, time: float, points: npt.ArrayLike) -> Array:
        """The linear field behind `at_points`: rise (K) over the preheat, without latent heat and
        boiling. Over all space it holds just the absorbed energy.
        """
        at = _points(points)
        closures = self.scene.closures.copy()
        offset = 0
        # What the beams put in just now, instead of in the middle of their vectors.
        for k, path in enumerate(self.paths):
            queries, lit = self._queries(k, time)
            if lit[0] > 0.0:
                _, now = _answers(kernel.CLOSE, self.alloy, queries, self.scene, k)
                power = queries[0, kernel.Q_POWER]
                row = offset + int(path.at(time).segment[0])
                closures[row] = now[0] * (power, power, 1.0)
            offset += len(path)
        middle = 0.5 * (at.min(axis=0) + at.max(axis=0))
        one = np.ones(1)
        t0 = _local(self.alloy, self.preheat, middle[None, :2])
        query = _queries(self.alloy, t0, self.flat * one, one, one, 1e-4 * one)[0]
        query[[kernel.Q_TIME, kernel.Q_X, kernel.Q_Y, kernel.Q_UX, kernel.Q_REACH]] = (
            time, middle[0], middle[1], 1.0, np.hypot(*(at[:, :2] - middle[:2]).T).max())
        segments, _, totals, sources, plate = self.scene
        out = np.zeros(len(at))
        kernel.field(out, at, segments, closures, totals, sources, query, *plate)
        return out


def _answers(
    task: int, alloy: Alloy, queries: Array, scene: _Scene, own: int
) -> tuple[Array, Array]:
    """Answers of the kernel, and what the beam puts in per watt at each query."""
    answers, out = np.zeros((len(queries), kernel.ANSWER)), np.zeros((len(queries), 3))
    metal = np.array([
        alloy.solidus, alloy.boiling, alloy.keyhole_absorptivity, DEPRESSION_RATIO,
        alloy.sources_keyhole_factor / WALL_RATIO, TRAPPING_DEPTH])
    segments, closures, totals, sources, plate = scene
    kernel.solve(
        task, queries, segments, closures, totals, sources, own, metal, *plate, answers, out)
    return answers, out


def _limit(
    alloy: Alloy, queries: Array, answers: Array, power: Array, energy: Array
) -> None:
    """Cut pools in ``answers`` to what ``power`` (W) and ``energy`` (J) absorbed can melt.

    A linear field leaves out most of the latent heat, which counts most where the metal is close to
    the solidus already. Section and volume are those of a half ellipsoid.
    """
    latent = queries[:, kernel.Q_WIDE] / SECTION_SHARE
    rise = alloy.solidus - queries[:, kernel.Q_T0] + latent
    sizes = answers[:, kernel.A_LENGTH:kernel.A_DEPTH + 1]
    # Heat of other beams and earlier vectors has been spent on the metal before the beam comes.
    room = queries[:, kernel.Q_RHOCP] * (rise - answers[:, kernel.A_BACKGROUND])
    section = np.pi / 4.0 * sizes[:, 1] * sizes[:, 2]
    melted = queries[:, kernel.Q_SPEED] * section * room
    sizes[:, 1:] *= np.sqrt(_cut(melted, power))[:, None]
    volume = np.pi / 6.0 * sizes.prod(axis=1)
    sizes *= np.cbrt(_cut(queries[:, kernel.Q_RHOCP] * rise * volume, energy))[:, None]


def _cut(melted: Array, most: Array) -> Array:
    """Factor on ``melted`` that takes it smoothly below ``most``; 1 where nothing melted."""
    filled = np.clip(melted / np.maximum(most, 1e-12), 1e-30, 1e30)
    result: Array = np.exp(np.logaddexp(0.0, SOFTNESS * np.log(filled)) / -SOFTNESS)
    return result


def _within(field: str, values: npt.ArrayLike) -> Array:
    return laws.within(field, values, *laws.RANGES[field])


def _preheat(alloy: Alloy, values: npt.ArrayLike) -> Array:
    return laws.within("preheat", values, 250.0, alloy.solidus - 50.0, "K")


def _flat(alloy: Alloy, wavelength: npt.ArrayLike, layer: Array) -> Array:
    """Absorptivity of the flat surface, with what molten powder (m) adds to it."""
    bare = alloy.absorptivity(wavelength)
    caught = laws.POWDER_TRAPPING * -np.expm1(-layer / laws.POWDER_DEPTH)
    result: Array = bare + (1.0 - bare) * caught
    return result


def _local(alloy: Alloy, preheat: Preheat, at: Array) -> Array:
    """Preheat (K) at positions (m, 2), shape (m,)."""
    values = np.asarray(preheat(at) if callable(preheat) else preheat, float)
    if values.shape not in ((), (len(at),)):
        raise ValueError(f"preheat: shape {values.shape}, allowed one number or a function of "
                         f"positions (m, 2) that gives (m,)")
    return np.broadcast_to(_preheat(alloy, values), (len(at),))


def _points(points: npt.ArrayLike) -> Array:
    at = np.ascontiguousarray(np.atleast_2d(np.asarray(points, float)))
    if at.ndim != 2 or at.shape[1] != 3 or not len(at) or not bool(np.all(np.isfinite(at))):
        raise ValueError(f"points: shape {at.shape}, allowed (m, 3) of finite positions")
    if bool(np.any(at[:, 2] < 0.0)):
        raise ValueError(f"points: z {at[:, 2].min():g} m, allowed 0 or more (down)")
    return at


def _queries(alloy: Alloy, t0: Array, flat: Array, p: Array, v: Array, s: Array) -> Array:
    """Query rows with everything but time, place and direction."""
    rho, cp, k = alloy.solid_means(t0)
    a = k / (rho * cp)
    rows = np.zeros((len(p), kernel.QUERY))
    latent = alloy.latent_fusion / cp
    # How far a pool that absorbed all it can would reach.
    peclet = np.maximum(v, 1e-9) * s / a
    most = np.maximum(alloy.keyhole_absorptivity, flat) * p
    rise = most * eagar_tsai.peak(peclet) * 2.0 / ((2.0 * np.pi) ** 1.5 * k * s)
    # Near the solidus there is little left to cool: the tail must still end somewhere.
    given = np.minimum(TAIL_SHARE * latent, 0.4 * (alloy.solidus - t0))
    # A beam at rest has no tail: its pool is round.
    given -= (given + SECTION_SHARE * latent) * np.exp(-peclet / kernel.ROUND_PECLET)
    level = alloy.solidus - t0 - np.maximum(given, 0.0)
    reach = np.maximum(eagar_tsai.lookup(peclet, rise / level).length * s, 4.0 * s)
    for column, value in (
        (kernel.Q_SPEED, v), (kernel.Q_SIGMA, s), (kernel.Q_POWER, p), (kernel.Q_T0, t0),
        (kernel.Q_A, a), (kernel.Q_RHOCP, rho * cp), (kernel.Q_FLAT, flat),
        (kernel.Q_REACH, reach), (kernel.Q_WIDE, SECTION_SHARE * latent),
        (kernel.Q_TAIL, given),
    ):
        rows[:, column] = value
    return rows


def _at(
    alloy: Alloy, path: BeamPath, times: npt.ArrayLike, preheat: Preheat, flat: float,
    strongest: float,
) -> tuple[Array, Array]:
    """Query rows along a path, and for how long (s) the beam has been on at each time.

    ``strongest``: highest power (W) of all paths.
    """
    t = np.atleast_1d(np.asarray(times, float))
    if t.ndim != 1 or not bool(np.all(np.isfinite(t))):
        raise ValueError(f"times: shape {t.shape}, allowed (m,) of finite times in s")
    state = path.at(t)
    held = np.clip(np.searchsorted(path.begin, t, side="left") - 1, 0, None)
    t0 = _local(alloy, preheat, state.position)
    # Where the beam is off or at rest the frame keeps the last direction.
    step = path.stop - path.start
    speed = path.speed
    power = path.power
    # Off the beam the reach is that of the pool left behind; without power, of any pool.
    left = np.where(power[held] > 0.0, power[held], strongest)
    rows = _queries(alloy, t0, np.full(len(t), flat), left, speed[held], path.sigma[held])
    rows[:, kernel.Q_POWER] = state.power
    norm = np.hypot(step[held, 0], step[held, 1])
    moving = norm > 0.0
    rows[:, kernel.Q_TIME] = t
    rows[:, kernel.Q_X], rows[:, kernel.Q_Y] = state.position.T
    rows[:, kernel.Q_UX] = np.where(moving, step[held, 0] / np.where(moving, norm, 1.0), 1.0)
    rows[:, kernel.Q_UY] = np.where(moving, step[held, 1] / np.where(moving, norm, 1.0), 0.0)
    # Since when the beam has been on without a break.
    fresh = np.concatenate([[True], path.begin[1:] - path.end[:-1] > 1e-9])
    since = path.begin[np.maximum.accumulate(np.where(fresh, np.arange(len(path)), 0))]
    return rows, np.where(state.segment >= 0, t - since[held], 0.0)


def _pools(
    alloy: Alloy, queries: Array, answers: Array, lit: Array, powder_layer: npt.ArrayLike
) -> MeltPool:
    """`MeltPool` from the kernel's answers; ``lit`` (n,) s that the beam has been on."""
    length, width, depth, peak, cooling, ratio, absorbed, background = answers.T
    t0, sigma = queries[:, kernel.Q_T0], queries[:, kernel.Q_SIGMA]
    power, a, rhocp = (queries[:, c] for c in (kernel.Q_POWER, kernel.Q_A, kernel.Q_RHOCP))
    latent_rise = queries[:, kernel.Q_WIDE]
    melt_rise = alloy.solidus - t0
    on, melted = power > 0.0, width > 0.0
    # King et al. 2014, with the time the beam has had where that is less than its passage.
    radius = 2.0 * sigma
    passage = np.minimum(radius / np.maximum(queries[:, kernel.Q_SPEED], 1e-9), lit)
    room = melt_rise - background
    enthalpy = queries[:, kernel.Q_FLAT] * power / (np.sqrt(np.pi) * radius**2 * rhocp * room)
    enthalpy *= np.sqrt(passage / a)
    mode = np.searchsorted(
        [DEPRESSION_RATIO, KEYHOLE_RATIO], ratio, side="right") + 1
    mode = np.where(melted, np.where(on, mode, Mode.CONDUCTION), Mode.NONE).astype(np.uint8)
    powder = np.where(np.asarray(powder_layer) > 0.0, laws.POWDER_SCATTER**2, 0.0)
    extra = laws.UNFITTED_SCATTER**2 * alloy.is_default("sources_keyhole_factor") + powder
    return MeltPool(
        length=length.copy(), width=width.copy(), depth=depth.copy(),
        peak_temperature=np.where(
            on | melted, laws.peak_temperature(alloy, t0, peak, latent_rise), 0.0),
        cooling_rate=cooling,
        mode=mode,
        absorptivity=np.where(on, absorbed, 0.0),
        normalised_enthalpy=enthalpy,
        uncertainty=np.where(melted, np.sqrt(laws.SCATTER[mode] ** 2 + extra), 0.0),
    )

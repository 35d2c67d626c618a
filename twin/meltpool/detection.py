"""How defects show in the monitoring signals, and with what probability a monitor finds them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import chdtrc, chdtri, ndtr, ndtri
from scipy.stats import ncx2

from twin.materials import Alloy
from twin.meltpool.acoustics import keyhole_frequency
from twin.meltpool.defects import DefectKind
from twin.meltpool.pool import Array, MeltPool

__all__ = [
    "INDICATIONS",
    "MONITORS",
    "Channel",
    "Monitor",
    "Signature",
    "alarms",
    "detection_probability",
    "imprint",
    "indications",
    "roc",
    "signatures",
    "spot_detection",
    "windows",
]

Bools = npt.NDArray[np.bool_]


class Channel(IntEnum):
    """A monitoring signal."""

    PHOTODIODE = 1
    PYROMETER = 2
    CAMERA = 3
    ACOUSTIC = 4


@dataclass(frozen=True, slots=True)
class Monitor:
    """Alarm on one channel: its signal over the usual one, watched in windows.

    ``noise``: relative standard deviation from sample to sample in sound track, ``drift``: that of
    the mean from window to window (geometry, powder, plume), ``bandwidth`` (Hz): so there are
    2 x bandwidth independent samples a second. All figures default.
    """

    noise: float
    drift: float
    bandwidth: float

    def __post_init__(self) -> None:
        for name in ("noise", "drift", "bandwidth"):
            if not getattr(self, name) > 0.0:
                raise ValueError(f"monitor {name} {getattr(self, name)!r}: allowed above 0")

    def samples(self, duration: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Independent samples in a ``duration`` (s), at least 2, any shape."""
        count = np.floor(2.0 * self.bandwidth * np.asarray(duration, float)).astype(np.int64)
        return np.maximum(count, 2)


MONITORS: Final[Mapping[Channel, Monitor]] = MappingProxyType(
    {
        Channel.PHOTODIODE: Monitor(noise=0.12, drift=0.05, bandwidth=50e3),
        Channel.PYROMETER: Monitor(noise=0.012, drift=0.008, bandwidth=25e3),
        Channel.CAMERA: Monitor(noise=0.06, drift=0.04, bandwidth=5e3),
        Channel.ACOUSTIC: Monitor(noise=0.5, drift=0.15, bandwidth=150e3),
    }
)


class Signature(NamedTuple):
    """What m defects do to one channel, arrays (m,): relative ``change`` of the mean, relative
    effective value ``flicker`` of an oscillation at ``frequency`` (Hz), ``duration`` (s).
    """

    change: Array
    flicker: Array
    frequency: Array
    duration: Array


# Change and flicker of each channel for a defect as large as the track is wide: default. Signs
# and order of size after the reviews of Everton et al. 2016 and McCann et al. 2021: a pool that
# does not fuse is dim and cool; a keyhole about to shed a pore flickers at 5 to 50 kHz and booms
# when it closes; a particle in flight is a bright streak that is colder than the pool; beads swing
# pool and light; a crack is silent to light and a burst to a microphone; a gas pore shows nowhere.
_SHOWS: Final[Mapping[DefectKind, Mapping[Channel, tuple[float, float]]]] = MappingProxyType(
    {
        DefectKind.LACK_OF_FUSION: {
            Channel.PHOTODIODE: (-0.35, 0.0),
            Channel.PYROMETER: (-0.03, 0.0),
            Channel.CAMERA: (-0.25, 0.0),
            Channel.ACOUSTIC: (-0.40, 0.0),
        },
        DefectKind.KEYHOLE_PORE: {
            Channel.PHOTODIODE: (0.10, 0.35),
            Channel.PYROMETER: (0.0, 0.03),
            Channel.CAMERA: (0.05, 0.15),
            Channel.ACOUSTIC: (0.0, 0.9),
        },
        DefectKind.GAS_PORE: {},
        DefectKind.SPATTER: {
            Channel.PHOTODIODE: (0.25, 0.0),
            Channel.PYROMETER: (-0.04, 0.0),
            Channel.CAMERA: (0.30, 0.0),
        },
        DefectKind.BALLING: {
            Channel.PHOTODIODE: (0.0, 0.20),
            Channel.PYROMETER: (0.0, 0.02),
            Channel.CAMERA: (0.0, 0.25),
        },
        DefectKind.SOLIDIFICATION_CRACK: {Channel.ACOUSTIC: (0.0, 1.5)},
        DefectKind.COLD_CRACK: {Channel.ACOUSTIC: (0.0, 4.0)},
    }
)
PRECURSOR: Final = 150e-6  # s that a keyhole swings before it sheds a pore: default
PASSAGE: Final = 300e-6  # s that a particle is seen in flight: default
BURST: Final = 60e-6  # s of a crack's sound: default
BURST_TONE: Final = 80e3  # Hz of a crack's sound: default
BEADS: Final = 3.0  # beads in a row that a monitor sees together: default


def signatures(
    kind: npt.ArrayLike,
    size: npt.ArrayLike,
    channel: Channel,
    pool: MeltPool,
    alloy: Alloy,
    *,
    speed: npt.ArrayLike,
) -> Signature:
    """What m defects of a ``kind`` and ``size`` (m) do to a channel; pools are theirs, one each.

    The effect grows with the size over the width of the track, up to that. A lack of fusion lasts
    as long as the beam (``speed`` in m/s) takes over a track's width and itself; a keyhole swings
    at `acoustics.keyhole_frequency`; beads come at the Plateau-Rayleigh wavelength pi W.
    """
    m = len(pool)
    kinds = np.broadcast_to(np.asarray(kind, np.int64), (m,))
    sizes = np.broadcast_to(np.asarray(size, float), (m,))
    v = np.broadcast_to(np.asarray(speed, float), (m,))
    if not bool(np.all(v > 0.0)):
        raise ValueError(f"speed {v.min():g} m/s: allowed above 0 m/s")
    width = np.maximum(pool.width, 1e-6)
    shows = np.zeros((max(DefectKind) + 1, 2))
    for member, effect in _SHOWS.items():
        shows[member] = effect.get(channel, (0.0, 0.0))
    part = np.minimum(sizes / width, 1.0)
    beads = v / (np.pi * width)
    crack = (kinds == DefectKind.SOLIDIFICATION_CRACK) | (kinds == DefectKind.COLD_CRACK)
    frequency = np.select(
        [kinds == DefectKind.BALLING, crack],
        [beads, np.full(m, BURST_TONE)],
        keyhole_frequency(pool, alloy),
    )
    duration = np.select(
        [
            kinds == DefectKind.KEYHOLE_PORE,
            kinds == DefectKind.SPATTER,
            kinds == DefectKind.BALLING,
            crack,
        ],
        [np.full(m, PRECURSOR), np.full(m, PASSAGE), BEADS / beads, np.full(m, BURST)],
        (sizes + width) / v,
    )
    return Signature(part * shows[kinds, 0], part * shows[kinds, 1], frequency, duration)


def _heard(signature: Signature, monitor: Monitor) -> Array:
    """Flicker behind the first-order low-pass of the monitor."""
    return np.asarray(signature.flicker / np.hypot(1.0, signature.frequency / monitor.bandwidth))


def _half(false_alarm: npt.ArrayLike) -> Array:
    """False-alarm probability of each of two independent tests that have this one together."""
    p = np.asarray(false_alarm, float)
    if not bool(np.all((p > 0.0) & (p < 1.0))):
        raise ValueError(f"false_alarm {p.min():g} to {p.max():g}: allowed above 0 to below 1")
    return np.asarray(-np.expm1(0.5 * np.log1p(-p)))


def detection_probability(
    signature: Signature, monitor: Monitor, false_alarm: npt.ArrayLike = 1e-3
) -> Array:
    """Probability (m,) that a window over the defect raises an alarm.

    The monitor alarms when the mean of a window or the scatter within it leaves what sound track
    gives, each at half the ``false_alarm`` probability per window. The mean is normal; the sum of
    squares about it follows the chi-square law, with an oscillation the noncentral one (Kay 1998,
    Fundamentals of Statistical Signal Processing II). Both are independent. ``false_alarm``
    broadcasts against (m,).
    """
    each = _half(false_alarm)
    n = monitor.samples(signature.duration)
    scatter = np.sqrt(monitor.drift**2 + monitor.noise**2 / n)
    limit, shift = -ndtri(0.5 * each), signature.change / scatter
    level = ndtr(shift - limit) + ndtr(-shift - limit)
    freedom = n - 1.0
    strength = n * (_heard(signature, monitor) / monitor.noise) ** 2
    above = chdtri(freedom, each)
    # At 0 the noncentral law is the central one, which scipy computes better by itself.
    swung = np.where(
        strength > 0.0, ncx2.sf(above, freedom, np.maximum(strength, 1e-9)), chdtrc(freedom, above)
    )
    return np.asarray(1.0 - (1.0 - level) * (1.0 - swung))


class Roc(NamedTuple):
    """Receiver operating characteristic: false-alarm and detection probabilities, and the area."""

    false_alarm: Array
    detection: Array
    area: float


def roc(signature: Signature, monitor: Monitor, points: int = 201) -> Roc:
    """Curve of a monitor against m defects, mean of all of them.

    ``points`` false-alarm probabilities from 0 to 1, closer together near 0. Area 0.5 is a guess,
    1 is perfect.
    """
    inner = np.unique(
        np.concatenate([np.geomspace(1e-6, 0.1, points // 2), np.linspace(0.1, 0.999, points // 2)])
    )
    found = detection_probability(
        Signature(*(np.asarray(part)[:, None] for part in signature)), monitor, inner
    ).mean(axis=0)
    x = np.concatenate([[0.0], inner, [1.0]])
    y = np.concatenate([[0.0], found, [1.0]])
    return Roc(x, y, float(np.trapezoid(y, x)))


def windows(
    rng: np.random.Generator, signature: Signature, monitor: Monitor, count: int
) -> Array:
    """Signals (count, n) over the usual one, as the first defect of ``signature`` makes them."""
    change, frequency, duration = (
        float(part[0]) for part in (signature.change, signature.frequency, signature.duration)
    )
    n = int(monitor.samples(duration))
    time = np.arange(n) / (2.0 * monitor.bandwidth)
    phase = rng.uniform(0.0, 2.0 * np.pi, (count, 1))
    swing = np.sqrt(2.0) * float(_heard(signature, monitor)[0])
    signal = 1.0 + change + swing * np.sin(2.0 * np.pi * frequency * time + phase)
    signal = signal + monitor.drift * rng.standard_normal((count, 1))
    return np.asarray(signal + monitor.noise * rng.standard_normal((count, n)))


def alarms(signal: npt.ArrayLike, monitor: Monitor, false_alarm: float = 1e-3) -> Bools:
    """Whether windows (count, n) of independent samples over the usual signal raise an alarm."""
    x = np.atleast_2d(np.asarray(signal, float))
    n = x.shape[1]
    if n < 2:
        raise ValueError(f"signal shape {x.shape}: needs (count, n) from 2 samples")
    each = float(_half(false_alarm))
    mean = x.mean(axis=1)
    scatter = np.sqrt(monitor.drift**2 + monitor.noise**2 / n)
    level = np.abs(mean - 1.0) > -ndtri(0.5 * each) * scatter
    energy = ((x - mean[:, None]) ** 2).sum(axis=1) / monitor.noise**2
    result: Bools = level | (energy > chdtri(n - 1.0, each))
    return result


def imprint(
    rng: np.random.Generator,
    times: npt.ArrayLike,
    signal: npt.ArrayLike,
    signature: Signature,
    begin: npt.ArrayLike,
) -> Array:
    """A channel's signal (n,) at rising ``times`` (s) with m defects in it from ``begin`` (m,) s.

    Each multiplies what is there while it lasts; its oscillation starts at a random phase.
    """
    t = np.asarray(times, float)
    result = np.array(signal, float)
    phases = rng.uniform(0.0, 2.0 * np.pi, len(signature.change))
    first = np.asarray(begin, float)
    a = np.searchsorted(t, first)
    b = np.searchsorted(t, first + signature.duration)
    for i, phase in enumerate(phases):
        part = slice(int(a[i]), int(b[i]))
        swing = np.sin(2.0 * np.pi * signature.frequency[i] * (t[part] - first[i]) + phase)
        factor = 1.0 + signature.change[i] + np.sqrt(2.0) * signature.flicker[i] * swing
        result[part] *= np.maximum(factor, 0.0)
    return result


INDICATIONS: Final = np.dtype(
    [
        ("vector", np.int64),
        ("channel", np.uint8),
        ("x", float),
        ("y", float),
        ("defect", np.int64),
    ]
)


def indications(
    rng: np.random.Generator,
    found: npt.NDArray[np.void],
    pool: MeltPool,
    alloy: Alloy,
    start: npt.ArrayLike,
    end: npt.ArrayLike,
    *,
    speed: npt.ArrayLike,
    channel: Channel,
    monitor: Monitor | None = None,
    false_alarm: float = 1e-4,
    window: float = 500e-6,
) -> npt.NDArray[np.void]:
    """What a monitor reports of a layer of n vectors with the defects ``found``: `INDICATIONS`.

    ``found``: rows of `defects.DEFECTS`, ``pool``, ``start``, ``end`` (n, 2) in m and ``speed``
    (m/s) those of the vectors. Every defect is reported with its `detection_probability` (spatter
    where it took off), and every ``window`` (s) of scanning raises an alarm for nothing with
    probability ``false_alarm``. Field ``defect`` is the row in ``found`` or -1: truth that a real
    monitor does not have. Sorted by vector.
    """
    a, b = (np.asarray(p, float).reshape(-1, 2) for p in (start, end))
    n = len(pool)
    if a.shape != (n, 2) or b.shape != (n, 2):
        raise ValueError(f"start {a.shape} and end {b.shape}: need ({n}, 2), one per pool")
    watch = MONITORS[channel] if monitor is None else monitor
    v = np.broadcast_to(np.asarray(speed, float), (n,))
    own = found["vector"]
    local = MeltPool(*(np.asarray(getattr(pool, name))[own] for name in MeltPool.__slots__))
    signature = signatures(found["kind"], found["size_m"], channel, local, alloy, speed=v[own])
    seen = np.flatnonzero(
        rng.random(len(found)) < detection_probability(signature, watch, false_alarm)
    )
    takeoff = rng.random((len(seen), 1))
    spatter = found["kind"][seen] == DefectKind.SPATTER
    along = a[own[seen]] + takeoff * (b - a)[own[seen]]
    length = np.hypot(*(b - a).T)
    wrong = np.repeat(np.arange(n), rng.poisson(false_alarm * length / v / window))
    place = a[wrong] + rng.random((len(wrong), 1)) * (b - a)[wrong]
    report = np.empty(len(seen) + len(wrong), INDICATIONS)
    report["vector"] = np.concatenate([own[seen], wrong])
    report["channel"] = channel
    report["x"] = np.concatenate([np.where(spatter, along[:, 0], found["x"][seen]), place[:, 0]])
    report["y"] = np.concatenate([np.where(spatter, along[:, 1], found["y"][seen]), place[:, 1]])
    report["defect"] = np.concatenate([seen, np.full(len(wrong), -1)])
    return report[np.argsort(report["vector"], kind="stable")]


def spot_detection(
    size: npt.ArrayLike,
    *,
    pixel: float,
    blur: float,
    contrast: float,
    noise: float,
    false_alarm: float = 1e-4,
) -> Array:
    """Probability that a round spot of diameter ``size`` (m) is found in a picture, any shape.

    The spot changes the grey value by ``contrast`` where it fills a pixel; it is seen through the
    pixel (m) and the Gaussian ``blur`` (m), whose effective area is 4 pi blur^2, and compared with
    ``noise`` per pixel by a matched filter over the area it covers (Rose 1948), one-sided.
    """
    for name, value in (("pixel", pixel), ("noise", noise)):
        if not value > 0.0:
            raise ValueError(f"{name} {value!r}: allowed above 0")
    if not 0.0 < false_alarm < 1.0:
        raise ValueError(f"false_alarm {false_alarm!r}: allowed above 0 to below 1")
    area = np.pi / 4.0 * np.asarray(size, float) ** 2
    smeared = area + pixel**2 + 4.0 * np.pi * blur**2
    signal = contrast * area / smeared * np.sqrt(smeared / pixel**2)
    return np.asarray(ndtr(signal / noise + ndtri(false_alarm)))

"""Signals over time while a beam runs: photodiode, two-colour pyrometer and microphone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from twin.materials import Alloy
from twin.meltpool.acoustics import keyhole_frequency, plume_pressure
from twin.meltpool.defects import PORE_ASPECT, evaporation_rate
from twin.meltpool.detection import Channel, Signature, imprint
from twin.meltpool.pool import Array, MeltPool, Mode
from twin.meltpool.radiometry import Detector, RatioPyrometer
from twin.meltpool.sensors import COLLECTION, emission, in_stop, transmitted

__all__ = ["Events", "Traces", "keyhole_flicker", "traces"]

# Relative effective value of the light's oscillation: steady pool, keyhole that sheds pores all
# the time; it grows from half the aspect ratio at which the first pores come: default.
FLICKER: Final = (0.01, 0.35)
EARLY: Final = 0.5

Events = Mapping[Channel, tuple[Signature, npt.ArrayLike]]


class Traces(NamedTuple):
    """Signals (n,): photodiode (V), pyrometer (K), sound pressure at the microphone (Pa)."""

    photodiode: Array
    pyrometer: Array
    sound: Array


def keyhole_flicker(pool: MeltPool, sigma: npt.ArrayLike) -> Array:
    """Relative effective value of the light's oscillation, shape (n,): a precursor of pores.

    Rises with depth over D4sigma before the first pores come (`defects.keyhole_pore_rate`), for
    ``sigma`` of the beam (m); outside keyhole mode that of a steady pool, 0 where nothing melts.
    """
    low, high = EARLY * PORE_ASPECT[0], PORE_ASPECT[1]
    aspect = pool.depth / (4.0 * np.asarray(sigma, float))
    step = np.clip((aspect - low) / (high - low), 0.0, 1.0)
    rise = np.where(pool.mode == Mode.KEYHOLE, step**2 * (3.0 - 2.0 * step), 0.0)
    swing = FLICKER[0] + (FLICKER[1] - FLICKER[0]) * rise
    return np.asarray(np.where(pool.width > 0.0, swing, 0.0))


def traces(
    rng: np.random.Generator,
    times: npt.ArrayLike,
    pool: MeltPool,
    alloy: Alloy,
    *,
    sigma: npt.ArrayLike,
    transmission: npt.ArrayLike = 1.0,
    photodiode: Detector | None = None,
    pyrometer: RatioPyrometer | None = None,
    events: Events | None = None,
    distance: float = 0.3,
) -> Traces:
    """What the on-axis sensors and a microphone give at evenly spaced ``times`` (n,) in s.

    ``pool``: the pools at these times (n of them), ``sigma`` of the beam (m). Light and vapour
    swing with `keyhole_flicker` at `acoustics.keyhole_frequency`; ``events`` lays the marks of
    defects over a channel (`detection.signatures` and when each begins, s). Then come the
    electronics of ``photodiode`` and ``pyrometer``, and ``distance`` (m) to the microphone. Times
    should be at least twice as dense as the highest frequency of interest. ValueError if they are
    not even or not as many as pools.
    """
    t = np.asarray(times, float)
    if t.shape != (len(pool),) or len(t) < 2:
        raise ValueError(f"times shape {t.shape}: needs ({len(pool)},), from 2, one per pool")
    step = np.diff(t)
    if not (step[0] > 0.0 and bool(np.all(np.abs(step - step[0]) < 1e-3 * step[0]))):
        raise ValueError(f"times {step.min():g} to {step.max():g} s apart: must be even and rise")
    rate = 1.0 / float(step.mean())
    # The phase goes on when the frequency changes.
    turns = np.cumsum(keyhole_frequency(pool, alloy)) / rate + rng.random()
    swing = keyhole_flicker(pool, sigma) * np.sqrt(2.0) * np.sin(2.0 * np.pi * turns)
    marks = dict(events or {})

    def marked(channel: Channel, signal: Array) -> Array:
        if channel not in marks:
            return signal
        signature, begin = marks[channel]
        return imprint(rng, t, signal, signature, begin)

    back = COLLECTION * transmitted(transmission) * np.maximum(1.0 + swing, 0.0)
    diode, ratio = photodiode or Detector(), pyrometer or RatioPyrometer()
    light = marked(Channel.PHOTODIODE, emission(pool, alloy) * back)
    stop = np.pi * alloy.emissivity * np.pi / 4.0 * ratio.field_of_view**2
    short, long = (
        stop * in_stop(pool, alloy, band, ratio.field_of_view) * back for band in ratio.bands)
    reading = marked(Channel.PYROMETER, ratio.read(short, long, rate, rng))
    vapour = evaporation_rate(pool, alloy) * (1.0 + swing)
    return Traces(
        diode.read(light, rate, rng),
        np.maximum(reading, ratio.floor),
        marked(Channel.ACOUSTIC, plume_pressure(vapour, rate, alloy, distance=distance)),
    )

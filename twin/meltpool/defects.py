"""Defects that follow from a melt pool: expected numbers per scan vector, and seeded samples.

Lack of fusion is geometry; evaporation is kinetics. Pore and spatter rates are phenomenological:
their shapes follow the cited work, the figures marked default want calibration against sections
of real parts. Rates are per metre of track, counts per vector.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import IntEnum
from functools import cache
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from twin.materials import Alloy
from twin.meltpool.cracks import cold_crack_rate, solidification_crack_rate
from twin.meltpool.field import surface_nodes
from twin.meltpool.pool import Array, MeltPool, Mode
from twin.meltpool.spatter import landing

__all__ = [
    "DEFECTS",
    "DefectCounts",
    "DefectKind",
    "LackOfFusion",
    "balling_index",
    "balling_rate",
    "evaporation_rate",
    "expected_defects",
    "gas_pore_density",
    "keyhole_pore_rate",
    "lack_of_fusion",
    "porosity_estimate",
    "sample_defects",
    "spatter_rate",
]

REMELTING_LAYERS: Final = 8  # layers whose pools may reach down to a gap; more change nothing
JITTER: Final = 0.08  # default: relative standard deviation of one track's width and depth
# Depth over D4sigma between which keyholes start to shed pores and shed them all the time. Gan et
# al. 2021 put it at Ke 16 and 30, that is 2.9 and 5.7 before the per-alloy factor, which is at
# most 1: default.
PORE_ASPECT: Final = (2.5, 5.5)
PORE_RATE: Final = 2000.0  # 1/m in an unstable keyhole: default
PORE_SIZE: Final = 0.3  # median pore diameter over pool depth: default
GAS_POROSITY: Final = 5e-4  # gas carried in by the powder, volume fraction: default
GAS_ESCAPE: Final = 0.5  # part of it that escapes while molten: default
GAS_SIZE: Final = 15e-6  # m, median pore diameter: default
LOG_SPREAD: Final = 0.35  # standard deviation of ln(size), all kinds: default
# Balling index between which tracks start to break up and break up everywhere; sound tracks in
# `validation.toml` reach 2.4 to 3.7: default.
BALLING_INDEX: Final = (5.0, 9.0)
CRACK_SIZE: Final = 0.6  # median length of a solidification crack over pool depth: default
# Vapour drags powder along (Ly et al. 2017): ejected over evaporated mass, and particle size.
ENTRAINMENT: Final = 5.0  # default
SPATTER_SIZE: Final = 70e-6  # m, median particle diameter: default
REDEPOSITION: Final = 0.05  # part of the ejected particles that land on the bed: default
SPATTER_FLIGHT: Final = 10e-3  # m, standard deviation of the landing distance: default

_MEAN_VOLUME: Final = float(np.exp(4.5 * LOG_SPREAD**2))  # mean of size^3 over median^3


class DefectKind(IntEnum):
    """What a sampled defect is."""

    LACK_OF_FUSION = 1
    KEYHOLE_PORE = 2
    GAS_PORE = 3
    SPATTER = 4
    BALLING = 5
    SOLIDIFICATION_CRACK = 6
    COLD_CRACK = 7


DEFECTS: Final = np.dtype(
    [("vector", np.int64), ("kind", np.uint8), ("x", float), ("y", float), ("size_m", float)]
)


class LackOfFusion(NamedTuple):
    """Tang criterion (fully fused at 1 or below) and unfused area fraction, arrays (n,)."""

    criterion: Array
    fraction: Array


def lack_of_fusion(
    width: npt.ArrayLike,
    depth: npt.ArrayLike,
    hatch_spacing: npt.ArrayLike,
    layer_thickness: npt.ArrayLike,
    jitter: float = 0.0,
) -> LackOfFusion:
    """Overlap of neighbouring tracks in one layer, all in m, broadcast to (n,).

    Criterion: (hatch/width)^2 + (layer/depth)^2 (Tang, Pistorius and Beuth 2017, doi
    10.1016/j.addma.2016.12.001), infinite where nothing melts. Fraction: part of a layer that
    half-elliptical tracks of this and the next layers leave unmelted, the scan being rotated
    between layers so that tracks of different layers meet at random; 0 where the criterion is at
    most 1 without ``jitter``, which averages over normally distributed width and depth of that
    relative standard deviation. ValueError if hatch or layer is not above 0.
    """
    w, d, h, t = np.broadcast_arrays(
        *(
            np.atleast_1d(np.asarray(a, float))
            for a in (width, depth, hatch_spacing, layer_thickness)
        )
    )
    for field, value in (("hatch_spacing", h), ("layer_thickness", t)):
        if not bool(np.all(value > 0.0)):
            raise ValueError(f"{field} {value.min():g} m: allowed above 0 m")
    molten = (w > 0.0) & (d > 0.0)
    across = np.divide(h, w, out=np.full_like(w, np.inf), where=molten)
    down = np.divide(t, d, out=np.full_like(d, np.inf), where=molten)
    criterion = across**2 + down**2
    nodes, weights = _hermite(5 if jitter > 0.0 else 1)
    scales = np.maximum(1.0 + jitter * nodes, 0.05)
    fraction = np.where(molten, 0.0, 1.0)
    # Most tracks are safe even at their narrowest: only the others cost the integral.
    doubtful = np.flatnonzero(molten & (criterion > scales.min() ** 2))
    scaled = scales[:, None]
    for unfused, share in zip(_unfused(across[doubtful] / scaled, down[doubtful] / scaled),
                              weights / weights.sum(), strict=True):
        fraction[doubtful] += share * unfused
    return LackOfFusion(criterion, fraction)


def _unfused(across: Array, down: Array) -> Array:
    """Unmelted part of a layer, from hatch/width and layer/depth, any shape, both finite."""
    node, weight = _legendre(6)
    unfused = np.zeros_like(across)
    for height, share in zip(0.5 * (1.0 + node), 0.5 * weight, strict=True):
        survives = np.ones_like(across)
        for later in range(REMELTING_LAYERS):
            reach = np.sqrt(np.maximum(1.0 - (down * (later + height)) ** 2, 0.0))
            survives *= 1.0 - np.minimum(reach / across, 1.0)
        unfused += share * survives
    return unfused


# Finding the nodes costs more than using them.
_hermite = cache(np.polynomial.hermite_e.hermegauss)
_legendre = cache(np.polynomial.legendre.leggauss)


def balling_index(pool: MeltPool) -> Array:
    """Pool length over pi times width, shape (n,); 0 where nothing melts.

    A free liquid cylinder breaks up above 1 (Plateau-Rayleigh). A track wetting its plate holds
    longer: the AM-Bench tracks in ``validation.toml`` reach 2.4 to 3.7, so an alarm belongs above.
    """
    slender = np.divide(
        pool.length, pool.width, out=np.zeros_like(pool.width), where=pool.width > 0.0
    )
    result: Array = slender / np.pi
    return result


def balling_rate(pool: MeltPool) -> Array:
    """Beads per metre of track, shape (n,): one per Plateau-Rayleigh wavelength of a bad track.

    The wavelength is pi times the width, the part of the track that breaks up rises between the
    two figures of ``BALLING_INDEX``.
    """
    low, high = BALLING_INDEX
    step = np.clip((balling_index(pool) - low) / (high - low), 0.0, 1.0)
    beads = np.divide(
        1.0, np.pi * pool.width, out=np.zeros_like(pool.width), where=pool.width > 0.0
    )
    result: Array = beads * step**2 * (3.0 - 2.0 * step)
    return result


def keyhole_pore_rate(pool: MeltPool, sigma: npt.ArrayLike, *, rate: float = PORE_RATE) -> Array:
    """Keyhole pores per metre of track, shape (n,), for beam standard deviation ``sigma`` (m).

    Rises smoothly from none to ``rate`` between two aspect ratios depth / D4sigma, the closed-form
    equivalent of the keyhole numbers of Gan et al. 2021; none outside `Mode.KEYHOLE`.
    """
    low, high = PORE_ASPECT
    aspect = pool.depth / (4.0 * np.asarray(sigma, float))
    step = np.clip((aspect - low) / (high - low), 0.0, 1.0)
    result: Array = np.where(pool.mode == Mode.KEYHOLE, rate * step**2 * (3.0 - 2.0 * step), 0.0)
    return result


def gas_pore_density(
    gas_porosity: npt.ArrayLike = GAS_POROSITY, escape: float = GAS_ESCAPE
) -> Array:
    """Gas pores per m3 of melted powder that stay in the metal, for a gas fraction by volume."""
    return np.asarray(gas_porosity, float) * (1.0 - escape) / _volume(GAS_SIZE)


def _volume(median_size: npt.ArrayLike) -> Array:
    """Mean volume (m3) of spheres with lognormal diameter of that median (m)."""
    return np.asarray(np.pi / 6.0 * np.asarray(median_size, float) ** 3 * _MEAN_VOLUME)


def evaporation_rate(pool: MeltPool, alloy: Alloy) -> Array:
    """Metal vapour leaving the pool surface (kg/s), shape (n,).

    Hertz-Knudsen flux with Clausius-Clapeyron vapour pressure, over the elliptical surface and the
    temperatures of `twin.meltpool.field.surface_nodes`; walls of a keyhole are not counted.
    """
    t, weights = surface_nodes(pool, alloy)
    flux = alloy.evaporation_flux(t)
    result: Array = np.pi / 4.0 * pool.length * pool.width * (flux @ weights)
    return result


def spatter_rate(pool: MeltPool, alloy: Alloy, *, entrainment: float = ENTRAINMENT) -> Array:
    """Ejected particles per second, shape (n,): proportional to the evaporated mass."""
    particle = _volume(SPATTER_SIZE) * float(alloy.density(300.0))
    return entrainment * evaporation_rate(pool, alloy) / particle


@dataclass(frozen=True, slots=True)
class DefectCounts:
    """Expected number of defects per scan vector, and the median size (m) of each kind; (n,).

    ``spatter`` counts only particles that land on the bed. Beads of a balling track and cold
    cracks are about as large as the track is wide (``track``).
    """

    lack_of_fusion: Array
    keyhole_pores: Array
    gas_pores: Array
    spatter: Array
    balling: Array
    solidification_cracks: Array
    cold_cracks: Array
    lack_of_fusion_size: Array
    keyhole_size: Array
    solidification_crack_size: Array
    track: Array

    def shared(self, row: npt.NDArray[np.intp], share: Array) -> DefectCounts:
        """For m places (m,), each with a share of the numbers of one of the n vectors."""
        sizes = ("lack_of_fusion_size", "keyhole_size", "solidification_crack_size", "track")
        chosen = {each.name: getattr(self, each.name)[row] for each in fields(self)}
        return DefectCounts(**{
            name: values if name in sizes else values * share for name, values in chosen.items()})


def expected_defects(
    pool: MeltPool,
    alloy: Alloy,
    *,
    vector_length: npt.ArrayLike,
    speed: npt.ArrayLike,
    sigma: npt.ArrayLike,
    hatch_spacing: npt.ArrayLike,
    layer_thickness: npt.ArrayLike,
    gas_porosity: npt.ArrayLike = GAS_POROSITY,
    redeposition: npt.ArrayLike = REDEPOSITION,
    jitter: float = JITTER,
    preheat: npt.ArrayLike | None = None,
) -> DefectCounts:
    """Expected defects of n vectors, SI units, everything broadcasting to (n,).

    Lack-of-fusion voids carry the unfused volume; one void is about a layer high, and grows to
    some hatch spacings where little is melted at all. ``preheat`` (K), the temperature that the
    part cools to, gives cold cracks; none without it.
    """
    length = np.asarray(vector_length, float)
    h, t = np.asarray(hatch_spacing, float), np.asarray(layer_thickness, float)
    unfused = lack_of_fusion(pool.width, pool.depth, h, t, jitter).fraction
    void = t + 4.0 * h * unfused
    n = len(pool)
    return DefectCounts(
        lack_of_fusion=_spread(length * unfused * h * t / _volume(void), n),
        keyhole_pores=_spread(length * keyhole_pore_rate(pool, sigma), n),
        gas_pores=_spread(length * h * t * gas_pore_density(gas_porosity) * (pool.width > 0), n),
        spatter=_spread(
            length
            / np.asarray(speed, float)
            * np.asarray(redeposition, float)
            * spatter_rate(pool, alloy),
            n,
        ),
        balling=_spread(length * balling_rate(pool), n),
        solidification_cracks=_spread(length * solidification_crack_rate(pool, alloy), n),
        cold_cracks=_spread(
            0.0
            if preheat is None
            else length * cold_crack_rate(alloy, preheat) * (pool.width > 0.0),
            n,
        ),
        lack_of_fusion_size=_spread(void, n),
        keyhole_size=_spread(PORE_SIZE * pool.depth, n),
        solidification_crack_size=_spread(CRACK_SIZE * pool.depth, n),
        track=_spread(pool.width, n),
    )


def _spread(values: npt.ArrayLike, n: int) -> Array:
    return np.broadcast_to(np.asarray(values, float), (n,))


def porosity_estimate(
    counts: DefectCounts,
    *,
    vector_length: npt.ArrayLike,
    hatch_spacing: npt.ArrayLike,
    layer_thickness: npt.ArrayLike,
) -> Array:
    """Expected void volume over built volume of each vector, shape (n,), at most 1."""
    built = np.asarray(vector_length) * np.asarray(hatch_spacing) * np.asarray(layer_thickness)
    voids = (
        counts.lack_of_fusion * _volume(counts.lack_of_fusion_size)
        + counts.keyhole_pores * _volume(counts.keyhole_size)
        + counts.gas_pores * _volume(GAS_SIZE)
    )
    result: Array = np.minimum(voids / built, 1.0)
    return result


def sample_defects(
    rng: np.random.Generator,
    counts: DefectCounts,
    start: npt.ArrayLike,
    end: npt.ArrayLike,
    *,
    width: npt.ArrayLike,
    hatch_spacing: float,
    drift: tuple[float, float] = (0.0, 0.0),
    gas: tuple[float, float] | None = None,
    density: float = 8000.0,
) -> npt.NDArray[np.void]:
    """Defects drawn for n vectors from ``start`` to ``end`` (n, 2) in m: structured `DEFECTS`.

    Numbers are Poisson, sizes lognormal, places uniform along the vector; voids lie between two
    tracks, gas pores anywhere in the track of ``width`` (m), all else on the centre line but
    spatter. That lands ``drift`` (m, by the gas flow) away with a normal spread; or, if ``gas``
    (m/s over the bed) is given, where particles of ``density`` (kg/m3) fly (`spatter.landing`).
    The same generator state gives the same defects. Sorted by vector, then kind.
    """
    a, b = (np.asarray(p, float).reshape(-1, 2) for p in (start, end))
    n = len(counts.gas_pores)
    if a.shape != (n, 2) or b.shape != (n, 2):
        raise ValueError(f"start {a.shape} and end {b.shape}: need ({n}, 2) points, one per vector")
    along = b - a
    norm = np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-12)
    normal = np.stack([-along[:, 1], along[:, 0]], axis=1) / norm[:, None]
    half = 0.5 * np.broadcast_to(np.asarray(width, float), (n,))
    kinds = (
        (DefectKind.LACK_OF_FUSION, counts.lack_of_fusion, counts.lack_of_fusion_size),
        (DefectKind.KEYHOLE_PORE, counts.keyhole_pores, counts.keyhole_size),
        (DefectKind.GAS_PORE, counts.gas_pores, np.full(n, GAS_SIZE)),
        (DefectKind.SPATTER, counts.spatter, np.full(n, SPATTER_SIZE)),
        (DefectKind.BALLING, counts.balling, counts.track),
        (
            DefectKind.SOLIDIFICATION_CRACK,
            counts.solidification_cracks,
            counts.solidification_crack_size,
        ),
        (DefectKind.COLD_CRACK, counts.cold_cracks, counts.track),
    )
    drawn = []
    for kind, expected, size in kinds:
        vector = np.repeat(np.arange(n), rng.poisson(expected))
        m = len(vector)
        place = a[vector] + rng.random((m, 1)) * along[vector]
        if kind is DefectKind.LACK_OF_FUSION:
            place += normal[vector] * (0.5 * hatch_spacing * rng.choice([-1.0, 1.0], (m, 1)))
        elif kind is DefectKind.GAS_PORE:
            place += normal[vector] * half[vector, None] * rng.uniform(-1.0, 1.0, (m, 1))
        elif kind is DefectKind.SPATTER and gas is None:
            place += np.asarray(drift) + rng.normal(0.0, SPATTER_FLIGHT, (m, 2))
        found = np.empty(m, DEFECTS)
        found["vector"], found["kind"] = vector, kind
        found["size_m"] = size[vector] * np.exp(rng.normal(0.0, LOG_SPREAD, m))
        if kind is DefectKind.SPATTER and gas is not None:
            place += landing(rng, found["size_m"], density=density, gas=gas).offset
        found["x"], found["y"] = place[:, 0], place[:, 1]
        drawn.append(found)
    every = np.concatenate(drawn)
    return every[np.lexsort((every["kind"], every["vector"]))]

"""Closed-form melt pools: Eagar-Tsai conduction, keyhole depth and absorption, in microseconds.

Steady pools on a half space, one beam, straight track. Constants are solid means from the local
preheat to the solidus (liquid values at the liquidus for the keyhole). The closures marked
*fitted* were adjusted on the tracks in ``validation.toml``; residuals: `validation_table`.
Fitted for laser spots of 50-170 um and 0.4-1.5 m/s in four alloys; elsewhere it extrapolates with
the right conduction limits (point source, fast beam, beam at rest). The stated uncertainty grows
for alloys without fitted tracks and on powder, not with the distance from the fitted range. Keyhole
depths below 0.05 m/s are not to be trusted. Not covered: shape of the keyhole, turns and starts,
neighbouring beams.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from twin.materials import Alloy
from twin.meltpool import eagar_tsai
from twin.meltpool.pool import INFRARED, Array, MeltPool, Mode

__all__ = ["Laws"]

# Boiling ratio: Eagar-Tsai peak rise with flat-surface absorptivity over the rise to boiling. It
# marks the regimes of all alloys and speeds with the same numbers: vapour depression and keyhole
# lines of Cunningham et al. 2019 (Ti-6Al-4V) lie at 2.6-2.9 and 3.3-3.5; the absorptivity of Trapp
# et al. 2017 starts to climb between 2.5 and 3.2 in steel and has climbed by 2.5 in tungsten and
# 2.4 in aluminium. Above 1 because stirring and evaporation,
# absent from Eagar-Tsai, hold the surface below boiling for longer.
DEPRESSION_RATIO: Final = 2.6
KEYHOLE_RATIO: Final = 3.35
ONSET_WIDTH: Final = 0.15  # default; smooths the onset of absorption
ABSORPTION_GROWTH: Final = 2.2  # fitted to Trapp et al. 2017
ABSORPTION_PECLET: Final = 0.35  # fitted to Trapp et al. 2017
# Latent heat is taken up at the front and given back at the tail, so only part of it narrows the
# widest section; the rest lengthens the tail and slows cooling.
LATENT_SHARE: Final = 0.25  # default; the tracks do not tell 0 from 0.5
TAIL_FACTOR: Final = 1.16  # fitted to AM-Bench lengths
KEYHOLE_ONSET: Final = 1.4  # Gan et al. 2021
KEYHOLE_SLOPE: Final = 0.4  # Gan et al. 2021
# Heat put in deep widens the pool less; fitted to Trapp et al. 2017. Up to 1 the width provably
# never falls when power rises.
NARROWING: Final = 0.73
# Part of the reflected light caught after all: Trapp et al. 2017, 100 um of 316L powder, molten.
POWDER_TRAPPING: Final = 0.083
POWDER_DEPTH: Final = 30e-6  # default; layer that gives most of that
# Relative standard deviation of width and depth by mode: rounded residuals of the fitted tracks.
SCATTER: Final = np.array([0.0, 0.16, 0.20, 0.15])
UNFITTED_SCATTER: Final = 0.25  # default, added in quadrature where no track was fitted
POWDER_SCATTER: Final = 0.08  # default, added in quadrature with powder

RANGES: Final = {
    "power": (0.0, 1e5, "W"),
    "speed": (1e-4, 1e3, "m/s"),
    "sigma": (1e-7, 1e-2, "m"),
    "powder_layer": (0.0, 5e-3, "m"),
}


def within(field: str, values: npt.ArrayLike, low: float, high: float, unit: str) -> Array:
    """Values as an array; ValueError naming the field and its range if any lies outside."""
    array = np.asarray(values, float)
    bad = ~((array >= low) & (array <= high))
    if bool(np.any(bad)):
        worst = array[bad].flat[0]
        raise ValueError(f"{field} {worst:g} {unit}: allowed {low:g} to {high:g} {unit}")
    return array


@dataclass(frozen=True, slots=True)
class Laws:
    """Closed-form level of `MeltPoolModel`; stateless, vectorised, continuous in every input."""

    name: str = "laws"

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
        """Steady melt pools; arguments broadcast to (n,), SI units, see `MeltPoolModel.pools`.

        Width, depth, length and cooling rate: Eagar and Tsai 1983 at the solidus, raised by a
        share of the latent heat. Normalised enthalpy: King et al. 2014, A P / (rho cp dT
        sqrt(pi a v r^3)) with the 1/e2 radius r. Keyhole depth: Gan et al. 2021, 0.4 r (Ke - onset)
        times `Alloy.keyhole_factor`. Width, depth, length and peak temperature never fall when
        power rises. Zero power gives `Mode.NONE` and zeros. ValueError names field and range.
        """
        inputs = {"power": power, "speed": speed, "sigma": sigma, "powder_layer": powder_layer}
        given = [within(field, values, *RANGES[field]) for field, values in inputs.items()]
        start = within("preheat", preheat, 250.0, alloy.solidus - 50.0, "K")
        bare = alloy.absorptivity(wavelength)
        rho, cp, k = alloy.solid_means(start)
        p, v, s, layer, t0, flat, rho, cp, k = (
            np.atleast_1d(a) for a in np.broadcast_arrays(*given, start, bare, rho, cp, k)
        )
        flat = flat + (1.0 - flat) * POWDER_TRAPPING * -np.expm1(-layer / POWDER_DEPTH)

        diffusivity = k / (rho * cp)
        peclet = v * s / diffusivity
        radius = 2.0 * s
        melt_rise = alloy.solidus - t0
        rise_per_watt = eagar_tsai.peak(peclet) * 2.0 / ((2.0 * np.pi) ** 1.5 * k * s)
        boiling_power = (alloy.boiling - t0) / rise_per_watt
        boiling_ratio = flat * p / boiling_power
        enthalpy = flat * p / (rho * cp * melt_rise * np.sqrt(np.pi * diffusivity * v * radius**3))

        absorbed = _absorptivity(alloy, flat, boiling_ratio, peclet)
        rise = absorbed * p * rise_per_watt
        latent_rise = LATENT_SHARE * alloy.latent_fusion / cp
        ratio = rise / (melt_rise + latent_rise)
        shape = eagar_tsai.lookup(peclet, ratio)

        # Smooth maximum of the conduction and the keyhole depth.
        shallow = shape.depth * s
        keyhole, onset = _keyhole_depth(
            alloy, absorbed * p, DEPRESSION_RATIO * boiling_power, v, radius, t0
        )
        depth = np.cbrt(shallow**3 + keyhole**3)
        deepening = 1.0 + NARROWING * keyhole / (shallow + onset)
        at_surface = np.where(ratio > 1.0, 1.0 + (ratio - 1.0) / deepening, ratio)
        width = eagar_tsai.lookup(peclet, at_surface).width * s

        sensible = cp * melt_rise
        cooling = v * melt_rise * shape.gradient / (s * TAIL_FACTOR)
        cooling *= sensible / (sensible + alloy.latent_fusion)

        mode = np.searchsorted([DEPRESSION_RATIO, KEYHOLE_RATIO], boiling_ratio, side="right")
        mode = np.where(shape.width > 0.0, mode + 1, Mode.NONE).astype(np.uint8)
        melted, lit = mode != Mode.NONE, p > 0.0
        extra = UNFITTED_SCATTER**2 * alloy.is_default("keyhole_factor")
        scatter = np.sqrt(SCATTER[mode] ** 2 + extra + np.where(layer > 0.0, POWDER_SCATTER**2, 0))
        return MeltPool(
            length=shape.length * s * TAIL_FACTOR,
            width=width,
            depth=np.where(melted, depth, 0.0),
            peak_temperature=np.where(lit, peak_temperature(alloy, t0, rise, latent_rise), 0.0),
            cooling_rate=cooling,
            mode=mode,
            absorptivity=np.where(lit, absorbed, 0.0),
            normalised_enthalpy=enthalpy,
            uncertainty=np.where(melted, scatter, 0.0),
        )


def _absorptivity(alloy: Alloy, flat: Array, boiling_ratio: Array, peclet: Array) -> Array:
    """Absorbed fraction: flat surface up to the vapour depression, then towards a deep keyhole.

    Form fitted to the calorimetry of Trapp et al. 2017 at 0.1, 0.5 and 1.5 m/s.
    """
    deep = np.maximum(alloy.keyhole_absorptivity, flat)
    excess = ONSET_WIDTH * np.logaddexp(0.0, (boiling_ratio - DEPRESSION_RATIO) / ONSET_WIDTH)
    growth = ABSORPTION_GROWTH / (ABSORPTION_PECLET + peclet)
    result: Array = flat + (deep - flat) * -np.expm1(-growth * excess)
    return result


def _keyhole_depth(
    alloy: Alloy, absorbed: Array, depressing: Array, v: Array, radius: Array, t0: Array
) -> tuple[Array, Array]:
    """Keyhole depth and its offset (m): ``slope (Ke - onset)`` and ``slope onset``.

    Ke is the keyhole number of Gan et al. 2021 with liquid properties and the ``absorbed`` power
    (W). The depth starts at their onset, but not before the ``depressing`` power (W absorbed) at
    which a vapour depression forms: in aluminium and copper, which melt far below boiling, that
    comes much later.
    """
    rho, cp, k = (
        float(curve(alloy.liquidus))
        for curve in (alloy.density, alloy.specific_heat, alloy.conductivity)
    )
    spread = np.sqrt(k / (rho * cp) * v * radius**3)
    per_watt = 1.0 / ((alloy.liquidus - t0) * np.pi * rho * cp * spread)
    slope = alloy.keyhole_factor * KEYHOLE_SLOPE * radius
    onset = np.maximum(KEYHOLE_ONSET, per_watt * depressing)
    return slope * np.maximum(per_watt * absorbed - onset, 0.0), slope * onset


def peak_temperature(alloy: Alloy, t0: Array, rise: Array, latent_rise: Array) -> Array:
    """Peak surface temperature (K): conduction to the solidus, then saturating at boiling.

    Evaporation and stirring hold the surface near boiling; the exponential reaches it to 2 % where
    the vapour depression is observed to begin.
    """
    above = np.maximum(rise - (alloy.solidus - t0) - latent_rise, 0.0)
    span = alloy.boiling - alloy.solidus
    liquid = alloy.solidus - span * np.expm1(-above / span)
    return np.where(above > 0.0, liquid, np.minimum(t0 + rise, alloy.solidus))

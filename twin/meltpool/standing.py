"""Melt pools of points that a beam stands on, in closed form."""

from __future__ import annotations

import numpy as np

from twin.materials import Alloy
from twin.meltpool.laws import LATENT_SHARE, peak_temperature
from twin.meltpool.pool import Array, MeltPool, Mode

__all__ = ["point_pools"]


def point_pools(
    metal: Alloy, power: Array, sigma: Array, preheat: Array, dwell: Array
) -> MeltPool:
    """Pools of points (n,) that a beam (W, absorbed by `metal`) stands on for a time (s).

    Middle: `twin.physics.electron_beam.spot_rise`. Away from it the rise falls as the Gaussian
    that heat and beam make together, w^2 + 4 a t across and 4 a t down (Carslaw and Jaeger 1959);
    a share of the latent heat is added to the rise to the solidus, as in the laws of lines.
    """
    from twin.physics.electron_beam import spot_rise

    rho, cp, k = metal.solid_means(preheat)
    share = float(metal.absorptivity(1e-6))
    a = k / (rho * cp)
    time = np.maximum(dwell, 1e-9)
    w2 = 2.0 * sigma**2
    rise = spot_rise(share * power, time, np.sqrt(w2), k, a)
    latent = LATENT_SHARE * metal.latent_fusion / cp
    melt = metal.solidus - preheat
    ratio = rise / (melt + latent)
    spread = np.log(np.maximum(ratio, 1.0))
    width = 2.0 * np.sqrt((w2 + 4.0 * a * time) * spread)
    depth = np.sqrt(4.0 * a * time * spread)
    peak = peak_temperature(metal, preheat, rise, latent)
    boils = peak > metal.boiling - 1.0
    mode = np.where(ratio > 1.0, np.where(boils, Mode.TRANSITION, Mode.CONDUCTION), Mode.NONE)
    lit = power > 0.0
    return MeltPool(
        length=width, width=width, depth=depth,
        peak_temperature=np.where(lit, peak, 0.0),
        cooling_rate=np.where(ratio > 1.0, 0.5 * melt / time, 0.0),
        mode=mode.astype(np.uint8), absorptivity=np.where(lit, share, 0.0),
        normalised_enthalpy=ratio, uncertainty=np.where(ratio > 1.0, 0.25, 0.0))

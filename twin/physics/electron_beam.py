"""Electron beams on metal: what stays in it, how wide the beam is, what it melts, what boils off.

Lengths in m, temperatures in K, currents in A; arrays broadcast. Figures marked default are usual
values without a checked publication.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from twin.materials import GAS_CONSTANT, Alloy
from twin.meltpool.electron_image import ATOMIC_NUMBER, alloy_yield, backscatter_yield
from twin.meltpool.pool import Array, MeltPool

__all__ = [
    "ATOMIC_MASS",
    "VapourLoss",
    "absorbed_share",
    "area_energy",
    "atomic_fractions",
    "depleted",
    "electron_range",
    "heat_capped_power",
    "keyhole_number",
    "lack_of_fusion_index",
    "mass_fractions",
    "melt_energy",
    "multibeam_rate",
    "partial_pressure",
    "rosenthal_pool",
    "spot_diameter",
    "spot_rise",
    "tile_area",
    "tile_power",
    "tile_rate",
    "under_electrons",
    "vapour_flux",
    "vapour_loss",
    "yield_by_atoms",
]

ATOMIC_MASS: Final[Mapping[str, float]] = {
    "B": 10.81, "C": 12.011, "N": 14.007, "O": 15.999, "Mg": 24.305, "Al": 26.982, "Si": 28.085,
    "P": 30.974, "S": 32.06, "Ti": 47.867, "V": 50.942, "Cr": 51.996, "Mn": 54.938, "Fe": 55.845,
    "Co": 58.933, "Ni": 58.693, "Cu": 63.546, "Zn": 65.38, "Y": 88.906, "Zr": 91.224, "Nb": 92.906,
    "Mo": 95.95, "Ag": 107.868, "Sn": 118.71, "Hf": 178.49, "Ta": 180.948, "W": 183.84,
    "Re": 186.207, "Au": 196.967,
}  # fmt: skip
"""g/mol (IUPAC)."""

# Liquid metals, log10(p / atm) = a - b / T: Alcock, Itkin and Horrigan 1984. Of Cr and Nb
# only the solid is tabulated there: the figures here are those of the solid near its melting point,
# to two terms: default.
_VAPOUR: Final[Mapping[str, tuple[float, float]]] = {
    "Al": (5.911, 16_211.0),
    "Ti": (6.358, 22_747.0),
    "V": (6.929, 25_011.0),
    "Fe": (6.347, 19_574.0),
    "Ni": (6.666, 20_765.0),
    "Cu": (5.849, 16_415.0),
    "Cr": (7.04, 19_760.0),
    "Nb": (7.70, 37_000.0),
}
_ATMOSPHERE: Final = 101_325.0
MIXING: Final = -75e3
"""J/mol: a regular solution of aluminium in liquid titanium. Default, from an activity coefficient
of 0.03 at 10 at.% and 2073 K, the order that Semiatin et al. 2004 found for melts of Ti-6Al-4V."""
_NODES: Final = 400


def atomic_fractions(composition: Mapping[str, float]) -> dict[str, float]:
    """Mole fractions of mass fractions by element; KeyError for an element without a known mass."""
    moles = {element: part / ATOMIC_MASS[element] for element, part in composition.items()}
    total = sum(moles.values())
    return {element: amount / total for element, amount in moles.items()}


def mass_fractions(atoms: Mapping[str, float]) -> dict[str, float]:
    """Mass fractions of mole fractions by element."""
    masses = {element: part * ATOMIC_MASS[element] for element, part in atoms.items()}
    total = sum(masses.values())
    return {element: mass / total for element, mass in masses.items()}


# -- what stays in the metal ----------------------------------------------------------------------


def yield_by_atoms(atoms: Mapping[str, float]) -> float:
    """Backscattered over incident electrons of an alloy given by mole fractions.

    Yields add by mass fraction (Castaing 1960), so these are formed first. KeyError for an element
    that has no atomic number here.
    """
    return float(sum(
        part * float(backscatter_yield(ATOMIC_NUMBER[element]))
        for element, part in mass_fractions(atoms).items()
    ))


def absorbed_share(alloy: Alloy) -> float:
    """Part of the beam's power that stays in an alloy.

    1 - yield x mean energy of a backscattered electron over that of the beam, 0.45 + 0.002 Z
    (Sternglass 1954), Z the mean by mass.
    """
    z = sum(ATOMIC_NUMBER[element] * part for element, part in alloy.composition.items())
    return 1.0 - alloy_yield(alloy) * (0.45 + 2e-3 * z)


DEPRESSION: Final = 10e3
"""Pa of vapour that pushes a molten surface in, in vacuum: the capillary pressure 2 x 1.5 N/m over
0.3 mm. Default. In air and argon it is the ambient pressure and more."""


@lru_cache(32)
def under_electrons(alloy: Alloy) -> Alloy:
    """An alloy as melt-pool models have to take it under an electron beam in vacuum.

    Electrons do not care about colour and lose their energy inside: the absorbed part is
    `absorbed_share` at any wavelength, in a keyhole as on a flat surface. The surface boils
    through where its vapour reaches `DEPRESSION` instead of one atmosphere. Vapour pressures must
    not be taken from what this returns.
    """
    share = absorbed_share(alloy)
    slope = alloy.latent_vapour * alloy.molar_mass / GAS_CONSTANT
    boiling = 1.0 / (1.0 / alloy.boiling - np.log(DEPRESSION / _ATMOSPHERE) / slope)
    return replace(alloy.absorbing(share), keyhole_absorptivity=share, boiling=float(boiling))


def electron_range(
    energy_kev: npt.ArrayLike, atomic_number: float, mass: float, density: float
) -> Array:
    """Depth (m) that electrons of an energy (keV) reach: Kanaya and Okayama 1972.

    R = 0.0276 A E^1.67 / (Z^0.889 rho) um, with ``mass`` A in g/mol and ``density`` in kg/m3.
    """
    e = np.asarray(energy_kev, float)
    grams = density * 1e-3
    return np.asarray(0.0276e-6 * mass * e**1.67 / (atomic_number**0.889 * grams))


# -- the spot -------------------------------------------------------------------------------------


def spot_diameter(
    current: npt.ArrayLike,
    defocus: npt.ArrayLike = 0.0,
    deflection: npt.ArrayLike = 0.0,
    *,
    smallest: float,
    per_ampere: float,
    per_defocus: float,
    per_metre: float,
) -> Array:
    """Diameter (m) of a spot: d^2 = d0^2 + (cI I)^2 + (cf df)^2 + (cr r)^2.

    Independent widenings add in squares: space charge and cathode image with the current (A),
    focus error ``defocus`` (m), distance ``deflection`` (m) from the axis.
    """
    i, f, r = (np.asarray(a, float) for a in (current, defocus, deflection))
    return np.asarray(np.sqrt(
        smallest**2 + (per_ampere * i) ** 2 + (per_defocus * f) ** 2 + (per_metre * r) ** 2
    ))


def area_energy(
    voltage: npt.ArrayLike, current: npt.ArrayLike, speed: npt.ArrayLike, spacing: npt.ArrayLike
) -> Array:
    """Energy per area (J/m2) of a hatch: U I / (v h)."""
    u, i, v, h = (np.asarray(a, float) for a in (voltage, current, speed, spacing))
    return np.asarray(u * i / (v * h))


# -- lines ----------------------------------------------------------------------------------------


class Pool(NamedTuple):
    """Isotherm of a moving point source, m, any shape."""

    length: Array
    width: Array
    depth: Array


def rosenthal_pool(
    power: npt.ArrayLike, speed: npt.ArrayLike, rise: npt.ArrayLike, conductivity: npt.ArrayLike,
    diffusivity: npt.ArrayLike,
) -> Pool:
    """The isotherm ``rise`` (K) above the preheat under a moving point source: Rosenthal 1946.

    T - T0 = P / (2 pi k r) exp(-v (xi + r) / 2a) with the absorbed ``power`` (W). Half as wide
    below as across. With X = v r / 2a and n = P v / (4 pi k a dT) the isotherm is
    cos psi = ln(n / X) / X - 1, and its half width the largest X sin psi.
    """
    p, v, dt, k, a = (
        np.atleast_1d(x) for x in np.broadcast_arrays(
            *(np.asarray(y, float) for y in (power, speed, rise, conductivity, diffusivity)))
    )
    n = p * v / (4.0 * np.pi * k * a * dt)
    ahead = _lambert(2.0 * n) / 2.0  # where cos psi = 1: 2 X = ln(n / X)
    share = (1.0 - np.cos(np.linspace(0.0, np.pi, _NODES))) / 2.0
    x = ahead[:, None] + (n - ahead)[:, None] * share
    cosine = np.clip(np.log(n[:, None] / x) / x - 1.0, -1.0, 1.0)
    half = (x * np.sqrt(1.0 - cosine**2)).max(axis=1)
    scale = 2.0 * a / v
    return Pool(scale * (n + ahead), 2.0 * scale * half, scale * half)


def _lambert(y: Array) -> Array:
    """W with W exp(W) = y for y >= 0 (Corless et al. 1996), by Halley's steps."""
    w = np.log1p(y)
    for _ in range(12):
        e = np.exp(w)
        f = w * e - y
        w = w - f / (e * (w + 1.0) - (w + 2.0) * f / (2.0 * w + 2.0))
    return np.asarray(w)


def lack_of_fusion_index(
    width: npt.ArrayLike, depth: npt.ArrayLike, spacing: npt.ArrayLike, layer: npt.ArrayLike
) -> Array:
    """(h/W)^2 + (t/D)^2: above 1 neighbouring tracks leave gaps (Tang, Pistorius and Beuth 2017).

    Infinite where nothing melts.
    """
    w, d, h, t = np.broadcast_arrays(
        *(np.asarray(a, float) for a in (width, depth, spacing, layer)))
    with np.errstate(divide="ignore"):
        return np.asarray((h / w) ** 2 + (t / d) ** 2)


def keyhole_number(
    absorbed: npt.ArrayLike, speed: npt.ArrayLike, radius: npt.ArrayLike, alloy: Alloy,
    preheat: npt.ArrayLike = 293.15,
) -> Array:
    """Normalised enthalpy P / (pi rho hs sqrt(a v w^3)): King et al. 2014; keyholes above about 6.

    ``absorbed`` power (W), 1/e radius ``radius`` (m); hs is the heat to the solidus from the
    ``preheat`` (K). The limit of 6 is a default.
    """
    p, v, w = (np.asarray(a, float) for a in (absorbed, speed, radius))
    t0 = np.asarray(preheat, float)
    rho, cp, k = alloy.solid_means(t0)
    spread = np.sqrt(k / (rho * cp) * v * w**3)
    return np.asarray(p / (np.pi * rho * cp * (alloy.solidus - t0) * spread))


# -- spots and tiles ------------------------------------------------------------------------------


def spot_rise(
    absorbed: npt.ArrayLike, time: npt.ArrayLike, radius: npt.ArrayLike,
    conductivity: npt.ArrayLike, diffusivity: npt.ArrayLike,
) -> Array:
    """Rise (K) in the middle of a Gaussian spot at rest after a time (s), any shape.

    dT = P / (pi^1.5 k w) atan(2 sqrt(a t) / w) for the intensity P / (pi w^2) exp(-r^2 / w^2):
    Carslaw and Jaeger 1959.
    """
    p, t, w, k, a = (
        np.asarray(x, float) for x in (absorbed, time, radius, conductivity, diffusivity))
    return np.asarray(p / (np.pi**1.5 * k * w) * np.arctan(2.0 * np.sqrt(a * t) / w))


def tile_power(
    rise: npt.ArrayLike, time: npt.ArrayLike, conductivity: npt.ArrayLike,
    diffusivity: npt.ArrayLike,
) -> Array:
    """Absorbed power per area (W/m2) that warms a wide surface by ``rise`` (K) in a time (s).

    q = k dT sqrt(pi / (4 a t)): constant flux into a half space (Carslaw and Jaeger 1959).
    """
    dt, t, k, a = (np.asarray(x, float) for x in (rise, time, conductivity, diffusivity))
    return np.asarray(k * dt * np.sqrt(np.pi / (4.0 * a * t)))


def melt_energy(alloy: Alloy, layer: npt.ArrayLike, preheat: npt.ArrayLike = 293.15) -> Array:
    """Energy per area (J/m2) that warms a layer of metal (m) from the preheat and melts it."""
    start, t = np.asarray(preheat, float), np.asarray(layer, float)
    heat = alloy.enthalpy(alloy.liquidus) - alloy.enthalpy(start)
    return np.asarray(heat * t)


def tile_area(
    beam_power: npt.ArrayLike, absorbed: float, flux: npt.ArrayLike
) -> Array:
    """Area (m2) that a beam (W) can hold at an absorbed flux (W/m2)."""
    return np.asarray(absorbed * np.asarray(beam_power, float) / np.asarray(flux, float))


def tile_rate(
    area: npt.ArrayLike, layer: npt.ArrayLike, pulse: npt.ArrayLike, index_time: npt.ArrayLike
) -> Array:
    """Volume melted per time (m3/s): tile area x layer / (pulse + time to the next tile)."""
    a, t, on, off = (np.asarray(x, float) for x in (area, layer, pulse, index_time))
    return np.asarray(a * t / (on + off))


# -- several beams --------------------------------------------------------------------------------


def multibeam_rate(
    speed: npt.ArrayLike, spacing: npt.ArrayLike, layer: npt.ArrayLike, utilisation: float
) -> float:
    """Volume melted per time (m3/s) by beams (n,): sum of v h t, times the part of time they melt.

    ValueError if the utilisation is not above 0 to 1.
    """
    if not 0.0 < utilisation <= 1.0:
        raise ValueError(f"utilisation {utilisation:g}: allowed above 0 to 1")
    v, h, t = np.broadcast_arrays(*(np.asarray(a, float) for a in (speed, spacing, layer)))
    return float(np.sum(v * h * t) * utilisation)


def heat_capped_power(
    area: npt.ArrayLike, limit: npt.ArrayLike, around: npt.ArrayLike, emissivity: float,
    conductance: npt.ArrayLike,
) -> Array:
    """Mean power (W) that a melted area (m2) can lose while its surface stays below a limit (K).

    Radiation to walls at ``around`` (K) and conduction downwards with ``conductance`` (W/(m2 K)).
    More, however many beams bring it, runs hot.
    """
    a, hot, cold, g = (np.asarray(x, float) for x in (area, limit, around, conductance))
    radiated = emissivity * 5.670374419e-8 * (hot**4 - cold**4)
    return np.asarray(a * (radiated + g * (hot - cold)))


# -- what boils off -------------------------------------------------------------------------------


def partial_pressure(
    element: str, temperature: npt.ArrayLike, atoms: Mapping[str, float]
) -> Array:
    """Pressure (Pa) of an element's vapour over a melt of mole fractions ``atoms``, any shape.

    Pure liquid (Alcock et al. 1984) x mole fraction x activity coefficient; for aluminium in
    titanium RT ln gamma = `MIXING` (1 - x)^2, else 1. KeyError for an element without data.
    """
    t = np.asarray(temperature, float)
    a, b = _VAPOUR[element]
    x = atoms[element]
    pure = _ATMOSPHERE * 10.0 ** (a - b / t)
    if element == "Al" and atoms.get("Ti", 0.0) > 0.3:
        return np.asarray(x * pure * np.exp(MIXING * (1.0 - x) ** 2 / (GAS_CONSTANT * t)))
    return np.asarray(x * pure)


def vapour_flux(element: str, temperature: npt.ArrayLike, atoms: Mapping[str, float]) -> Array:
    """Mass of an element that leaves a melt into vacuum (kg/(m2 s)): Langmuir 1913.

    p sqrt(M / (2 pi R T)), nothing coming back: the mean free path at 0.4 Pa is centimetres.
    """
    t = np.asarray(temperature, float)
    molar = ATOMIC_MASS[element] * 1e-3
    return np.asarray(
        partial_pressure(element, t, atoms) * np.sqrt(molar / (2.0 * np.pi * GAS_CONSTANT * t)))


class VapourLoss(NamedTuple):
    """What n tracks lost."""

    total: Array
    """Mass of all elements that left, kg, (n,)."""
    aluminium: Array
    """Aluminium that left, kg, (n,)."""


def vapour_loss(pool: MeltPool, alloy: Alloy, time: npt.ArrayLike) -> VapourLoss:
    """What n pools lose in vacuum while each lasts for a ``time`` (s, (n,)).

    Langmuir fluxes over the temperatures and the elliptical surface of
    `twin.meltpool.field.surface_nodes`; an element without vapour data does not leave.
    """
    from twin.meltpool.field import surface_nodes

    atoms = atomic_fractions(alloy.composition)
    t, weights = surface_nodes(pool, alloy)
    surface = np.pi / 4.0 * pool.length * pool.width * np.asarray(time, float)
    # Grains of the same surface temperature recur: a table is faster than powers for each.
    grid = np.linspace(1000.0, alloy.boiling + 400.0, 512)
    rates = {e: vapour_flux(e, grid, atoms) for e in alloy.composition if e in _VAPOUR}

    def lost(rate: Array) -> Array:
        return np.asarray(surface * (np.interp(t, grid, rate) @ weights))

    aluminium = lost(rates["Al"]) if "Al" in rates else np.zeros(len(pool))
    return VapourLoss(lost(np.sum(list(rates.values()), axis=0)), aluminium)


def depleted(loss: npt.ArrayLike, there: npt.ArrayLike) -> Array:
    """What leaves (kg) a melt that holds so much (kg) of it, any shape.

    ``loss`` (kg): at the rate of the first moment. The rate falls with what is left,
    dm/dt = -m / tau, so that m (1 - exp(-loss / m)) leaves.
    """
    m, fresh = np.asarray(there, float), np.asarray(loss, float)
    safe = np.where(m > 0.0, m, 1.0)
    return np.asarray(np.where(m > 0.0, -safe * np.expm1(-fresh / safe), 0.0))

"""Particles in an induction plasma: heat taken up, melting against flight, evaporation, shape.

An argon-hydrogen plasma is told by the power that stays in its gas and by its flows; a particle by
its diameter. The gas is taken as mixed over the torch's bore, so its temperature is a mean, below
that of the hottest ring by some thousand kelvin.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import exp, log, pi, sqrt

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from twin.materials import ATMOSPHERE, GAS_CONSTANT, STEFAN_BOLTZMANN, Alloy

__all__ = [
    "REDUCTION",
    "VOLATILITY",
    "Plasma",
    "Treatment",
    "critical_feed",
    "evaporated",
    "flight_time",
    "melt_heat",
    "melting_time",
    "oxygen_pickup",
    "reduced_share",
    "spheroidized",
    "treat",
    "vapour",
    "weber",
]

Floats = npt.NDArray[np.float64]

AMBIENT = 293.15
NORMAL_MOLES = ATMOSPHERE / (GAS_CONSTANT * AMBIENT)  # mol/m3 of gas at ambient
ARGON = 39.948e-3  # kg/mol
HYDROGEN = 2.016e-3
IONISATION = 15.76 * 96_485.0  # J/mol of argon
DISSOCIATION = (450e3, 118.0)  # J/mol and J/(mol K) of hydrogen near 3800 K, default
CONDUCTIVITY = (0.0177, 300.0, 0.70)  # W/(m K) of argon at K, power of T: kinetic theory
VISCOSITY = (2.27e-5, 300.0, 0.70)  # Pa s of argon, the same way
HYDROGEN_GAIN = 6.0  # conductivity gained per mole fraction of hydrogen, default
MEAN_FREE_PATH = 0.068e-6  # m of argon at 300 K and ambient pressure
JUMP = 5.6  # temperature jump distance over mean free path: Chen and Pfender 1983, a = 0.8

BORE = 0.050  # m, inner diameter of the torch, default
LENGTH = 0.175  # m of hot zone, set with the flight time of tungsten in Zhu et al. 2017
USE = 0.20  # share of the gas's power that powder can take up: critical feed, default
EXPONENT = 3.0  # n of SR = SR0 / (1 + (m/mc)^n), default
BEST = 0.995  # SR0: some particles miss the flame, default
SCATTER = 0.35  # ln-scale scatter of flight over melting time between trajectories, default
SHIELDED = 0.4  # share of the heat that reaches a particle wrapped in its own vapour, default
ROUNDING = 0.90  # diameter of the sphere over the size of the irregular particle, default
BREAKS = 12.0  # Weber number from which gas breaks a drop up: Hinze 1955
DENSIFIED = 0.5  # share of hollow particles whose gas escapes while they are liquid, default

VOLATILITY: Mapping[str, float] = {
    "Al": 4.0, "Mn": 6.0, "Cr": 1.6, "Cu": 2.5, "Fe": 1.0, "Ni": 0.9, "Si": 0.8, "Co": 0.8,
    "Ti": 0.8, "V": 0.5, "Mo": 0.05, "Nb": 0.03, "W": 0.01, "Ta": 0.01, "C": 0.1, "O": 0.5,
    "N": 0.5,
}
"""Evaporation of an element over what its mass fraction says, default (by boiling points)."""
REDUCTION = {True: 0.02, False: 0.75}
"""Oxygen that hydrogen plasma can take from a reactive alloy and from others, share, default."""
HYDROGEN_NEEDED = 0.03  # mole fraction of hydrogen that does 63 % of what it can, default
CAPTURE = {True: 0.6, False: 0.25}
"""Share of the gas's oxygen that hot metal takes up, reactive and not, default."""


@lru_cache(maxsize=64)
def _enthalpies(hydrogen: float, pressure: float) -> tuple[Floats, Floats]:
    """Temperatures (K) and enthalpy over ambient (J per mol of cold gas) of a mixture."""
    t = np.linspace(AMBIENT, 14_000.0, 2400)
    # Saha for singly ionised argon; ratio of statistical weights of ion and atom 6 to 1.
    debroglie = (2 * pi * 9.109e-31 * 1.381e-23 * t / 6.626e-34**2) ** 1.5
    saha = 2 * 6.0 * debroglie * 1.381e-23 * t / pressure * np.exp(-IONISATION / (8.314 * t))
    ions = np.sqrt(saha / (1 + saha))
    argon = 2.5 * GAS_CONSTANT * (t - AMBIENT) * (1 + ions) + ions * IONISATION
    heat, entropy = DISSOCIATION
    balance = np.exp(np.clip(-(heat - t * entropy) / (GAS_CONSTANT * t), -300.0, 50.0))
    apart = np.sqrt(balance / (balance + 4 * pressure / 1e5))
    molecules = 3.7 * GAS_CONSTANT * (t - AMBIENT)
    atoms = 5.0 * GAS_CONSTANT * (t - AMBIENT) + heat
    return t, (1 - hydrogen) * argon + hydrogen * ((1 - apart) * molecules + apart * atoms)


@dataclass(frozen=True)
class Plasma:
    """The gas that particles fly through.

    Temperature: the enthalpy of argon (Saha) and hydrogen (mass action) that `power` can pay for.
    """

    power: float
    """W that stay in the gas, after generator, coil and wall."""
    argon: float
    """m3/s at ambient."""
    hydrogen: float = 0.0
    """m3/s at ambient."""
    pressure: float = ATMOSPHERE
    """Pa."""
    load: float = 0.0
    """W that powder takes out of it."""
    carrier: float = 8.0
    """m/s with which powder leaves the probe."""

    def __post_init__(self) -> None:
        """ValueError for a plasma without gas or pressure."""
        if self.argon <= 0 or self.hydrogen < 0 or self.pressure <= 0:
            raise ValueError("a plasma needs argon and pressure")

    @property
    def flow(self) -> float:
        """mol/s of cold gas."""
        return (self.argon + self.hydrogen) * NORMAL_MOLES

    @property
    def share(self) -> float:
        """Mole fraction of hydrogen."""
        return self.hydrogen / (self.argon + self.hydrogen)

    @cached_property
    def temperature(self) -> float:
        """Mean temperature (K)."""
        # Rounded so that the table is the same for flows that hardly differ.
        t, h = _enthalpies(round(self.share, 3), round(self.pressure, -3) or 1e3)
        left = max(self.power - self.load, 0.0)
        return float(np.interp(left / self.flow, h, t))

    @cached_property
    def speed(self) -> float:
        """Mean gas speed (m/s) in the bore."""
        volume = self.flow * GAS_CONSTANT * self.temperature / self.pressure
        return float(volume / (pi / 4 * BORE**2))

    def conductance(self, low: float, high: float) -> float:
        """Integral of the gas's conductivity (W/m) between two temperatures (K)."""
        k, t0, n = CONDUCTIVITY
        grown = k * t0 / (n + 1)
        up, down = (grown * (t / t0) ** (n + 1) for t in (high, low))
        return float((up - down) * (1 + HYDROGEN_GAIN * self.share))

    def viscosity(self) -> float:
        """Pa s at its temperature."""
        mu, t0, n = VISCOSITY
        return float(mu * (self.temperature / t0) ** n)

    def rarefied(self, diameter: npt.ArrayLike, surface: float) -> Floats:
        """Factor (any shape) on the heat flow to particles (m) because gas is thin near them.

        Chen and Pfender (1983): 1 / (1 + z/r), z the temperature jump distance in the film.
        """
        film = 0.5 * (self.temperature + surface)
        path = MEAN_FREE_PATH * (film / 300.0) ** 1.2 * ATMOSPHERE / self.pressure
        return np.asarray(1 / (1 + 2 * JUMP * path / np.asarray(diameter, float)))

    def flux(self, diameter: npt.ArrayLike, surface: float, emissivity: float) -> Floats:
        """Net heat flux (W/m2, any shape) to particles (m) whose surface is that hot (K).

        Nu = 2 with the conductivity's integral (Bourdin, Fauchais and Boulos 1983), less what
        they radiate to cold walls.
        """
        d = np.asarray(diameter, float)
        conducted = 2.0 * self.conductance(surface, self.temperature) / d
        lost = emissivity * STEFAN_BOLTZMANN * (surface**4 - AMBIENT**4)
        return np.asarray(conducted * self.rarefied(d, surface) - lost)


@lru_cache(maxsize=256)
def melt_heat(alloy: Alloy, start: float = AMBIENT) -> float:
    """Heat (J/kg) that brings an alloy from `start` (K) to its liquidus, all melted."""
    means = alloy.specific_heat.mean(start, alloy.liquidus)
    return float(means) * (alloy.liquidus - start) + alloy.latent_fusion


@lru_cache(maxsize=128)
def _solid_density(alloy: Alloy) -> float:
    return float(alloy.density(AMBIENT))


@lru_cache(maxsize=128)
def _boil(alloy: Alloy) -> tuple[float, float, float]:
    """Boiling point (K), density of the melt (kg/m3), heat from liquidus to boiling (J/kg)."""
    hottest = alloy.density.high
    boiling = min(alloy.boiling, hottest)
    heat = float(alloy.specific_heat(alloy.liquidus)) * (boiling - alloy.liquidus)
    return boiling, float(alloy.density(min(alloy.liquidus, hottest))), heat


def critical_feed(alloy: Alloy, power: float, use: float = USE) -> float:
    """Feed (kg/s) beyond which the flame can no longer melt all: use P / (cp dT + L).

    Maximum-energy-efficiency concept of ITSC 2000, p. 887; `power` (W) that of the gas.
    """
    return use * max(power, 0.0) / melt_heat(alloy)


def flight_time(diameter: npt.ArrayLike, density: float, plasma: Plasma) -> Floats:
    """Time (s, any shape) that particles (m) of a density (kg/m3) spend in the hot zone.

    Stokes drag from the probe's speed to that of the gas plus fall, solved by Newton's method.
    """
    d = np.asarray(diameter, float)
    lag = density * d**2 / (18 * plasma.viscosity())
    last = plasma.speed + 9.81 * lag
    start = np.minimum(plasma.carrier, last)
    t = np.full(d.shape, LENGTH) / np.maximum(0.5 * (start + last), 1e-3)
    for _ in range(12):
        fade = np.exp(-t / lag)
        way = last * t - (last - start) * lag * (1 - fade)
        t = np.maximum(t - (way - LENGTH) / (last - (last - start) * fade), 1e-6)
    return np.asarray(t)


def melting_time(diameter: npt.ArrayLike, alloy: Alloy, plasma: Plasma) -> Floats:
    """Time (s, any shape) that particles (m) need to melt; infinity where they never do.

    rho d^2 (cp dT + L) / (6 Nu k (Tp - Tm)), with the conductivity's integral instead of k dT, the
    particle's radiation taken off and rarefaction.
    """
    d = np.asarray(diameter, float)
    density = _solid_density(alloy)
    taken = density * d / 6 * melt_heat(alloy)  # J/m2 of surface
    flux = plasma.flux(d, alloy.liquidus, alloy.emissivity)
    return np.asarray(np.where(flux > 0, taken / np.maximum(flux, 1e-9), np.inf))


def evaporated(diameter: npt.ArrayLike, alloy: Alloy, plasma: Plasma,
               flight: npt.ArrayLike, melting: npt.ArrayLike) -> Floats:
    """Mass fraction (any shape) of molten particles (m) that boils off in what is left of flight.

    First to the boiling point, then the d-square law d(d^2)/dt = -8 k dT / (rho Lv): heat only
    limits it; evaporation below the boiling point is left out.
    """
    d = np.asarray(diameter, float)
    boiling, density, heat = _boil(alloy)
    middle = plasma.flux(d, 0.5 * (boiling + alloy.liquidus), alloy.emissivity)
    warming = np.where(middle > 0, density * d / 6 * heat / np.maximum(middle, 1e-9), np.inf)
    left = np.maximum(np.asarray(flight) - np.asarray(melting) - warming, 0.0)
    flux = SHIELDED * np.maximum(plasma.flux(d, boiling, alloy.emissivity), 0.0)
    shrunk = np.clip(4 * flux * left / (density * alloy.latent_vapour * d), 0.0, 1.0)
    return np.asarray(1 - (1 - shrunk) ** 1.5)


def weber(diameter: npt.ArrayLike, alloy: Alloy, plasma: Plasma, speed: float) -> Floats:
    """Weber number rho_gas u^2 d / sigma (any shape) of molten particles (m) at a slip (m/s).

    Below `BREAKS` (12, Hinze 1955, for a sudden exposure) surface tension holds a drop together.
    The hot gas is so thin that no molten particle of a powder comes near it, so break-up is left
    out: see the check of a direct-current jet.
    """
    moles = plasma.pressure / (GAS_CONSTANT * plasma.temperature)
    density = moles * (ARGON * (1 - plasma.share) + HYDROGEN * plasma.share)
    return np.asarray(density * speed**2 * np.asarray(diameter, float) / alloy.surface_tension)


def spheroidized(feed: float, critical: float, best: float = BEST,
                 exponent: float = EXPONENT) -> float:
    """Share that becomes round at a feed (kg/s): SR0 / (1 + (m/mc)^n); 0 without power."""
    if feed <= 0:
        return best
    if critical <= 1e-6 * feed:
        return 0.0
    return float(best / (1 + (feed / critical) ** exponent))


def reduced_share(hydrogen: float, reactive: bool) -> float:
    """Share of a particle's oxygen that plasma with a mole fraction of hydrogen takes away."""
    return REDUCTION[reactive] * (1 - exp(-max(hydrogen, 0.0) / HYDROGEN_NEEDED))


def oxygen_pickup(oxygen: float, flow: float, reactive: bool) -> float:
    """Oxygen (kg/s) that hot powder takes from gas (mol/s) with a mole fraction of it."""
    return CAPTURE[reactive] * max(oxygen, 0.0) * flow * 31.998e-3


def vapour(elements: Mapping[str, float], mass: float) -> dict[str, float]:
    """Elements (kg) that leave metal of `elements` (kg) when `mass` (kg) of it evaporates.

    In proportion to amount times volatility, none beyond what is there. ValueError if there is
    less metal than that.
    """
    whole = sum(elements.values())
    if mass > whole * (1 + 1e-12):
        raise ValueError(f"{mass:g} kg cannot evaporate from {whole:g} kg")
    gone = dict.fromkeys(elements, 0.0)
    left = min(mass, whole)
    for _ in range(len(elements) + 1):
        pull = {e: (m - gone[e]) * VOLATILITY.get(e, 0.5) for e, m in elements.items()}
        total = sum(pull.values())
        if left <= 0 or total <= 0:
            break
        # No element gives more than it has; the others make up for it in the next round.
        part = {e: min(left * p / total, elements[e] - gone[e]) for e, p in pull.items()}
        for element, amount in part.items():
            gone[element] += amount
        left -= sum(part.values())
    return gone


@dataclass(frozen=True, slots=True)
class Treatment:
    """What a second in the flame does to powder of each size (arrays of the sizes given)."""

    melted: Floats
    """Share that melts through and becomes round."""
    softened: Floats
    """Share that melts in part: it stays as it was, with molten skin that catches others."""
    evaporated: Floats
    """Mass fraction that leaves as vapour."""
    shrink: Floats
    """Diameter over what it was, of what melted."""
    flight: Floats
    """s."""
    melting: Floats
    """s."""
    ratio: float
    """Feed over critical feed."""


def treat(diameter: Floats, alloy: Alloy, plasma: Plasma, feed: float, *, caught: float = 1.0,
          irregular: npt.ArrayLike = 1.0) -> Treatment:
    """What the plasma does to powder of diameters (n,) in m, fed at `feed` (kg/s).

    `caught`: share that the probe brings into the flame. `irregular` (n,): share that is not round
    and so is smaller as a sphere. Melting is lost where flight is too short (log-normal scatter
    between trajectories) and, over all sizes, beyond the critical feed.
    """
    density = _solid_density(alloy)
    critical = critical_feed(alloy, plasma.power)
    flight = flight_time(diameter, density, plasma)
    melting = melting_time(diameter, alloy, plasma)
    with np.errstate(divide="ignore"):
        margin = np.log(flight / np.maximum(melting, 1e-12))
    through = ndtr(margin / SCATTER)
    share = spheroidized(feed, critical)
    melted = through * share * caught
    # Those that stay longer than half of their melting time have a molten skin.
    touched = ndtr((margin + log(2.0)) / SCATTER) * caught
    gone = evaporated(diameter, alloy, plasma, flight, melting) * melted
    rest = np.where(melted > 0, 1 - gone / np.maximum(melted, 1e-12), 1.0)
    rounder = 1 - (1 - ROUNDING) * np.asarray(irregular, float)
    return Treatment(melted, np.maximum(touched - melted, 0.0), gone,
                     np.cbrt(np.maximum(rest, 0.0)) * rounder, flight, melting,
                     feed / critical if critical > 1e-6 * feed else 1e6)


def collection(speed: float, nominal: float, cut: float = 0.85) -> float:
    """Share of the soot that gas of a speed (m/s) carries to the filter; the rest stays in the
    powder. `cut` at the nominal speed, default.
    """
    return float(1 - (1 - cut) ** sqrt(max(speed, 0.0) / nominal))

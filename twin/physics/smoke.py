"""Charging of a powder bed under an electron beam, and when it bursts into smoke.

A grain keeps part of the electrons that hit it until they leak away through its oxide and its
necks. Once the electrostatic pressure lifts grains, each charges the next: the bed flies up within
milliseconds. The form and the sourced directions (grain size, bed temperature, current: Cordero et
al. 2017; beam diameter and return time: Ye et al. 2024, doi 10.3390/jmmp8030103; oxide film:
Chiba et al. 2021, doi 10.3390/ma14164662) are kept; every figure is a default.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from twin.meltpool.pool import Array

__all__ = ["VACUUM_PERMITTIVITY", "Powder", "charge_peak", "charge_relaxation", "lifting_index",
           "resistivity"]

VACUUM_PERMITTIVITY: Final = 8.8541878128e-12
_BOLTZMANN: Final = 8.617333262e-5  # eV/K
_GRAVITY: Final = 9.80665


@dataclass(frozen=True, slots=True)
class Powder:
    """What decides how a bed charges; all figures default.

    ``diameter`` (m) of the grains, ``bulk_density`` (kg/m3), ``permittivity`` of the bed relative
    to vacuum, ``cold_resistivity`` (Ohm m) of loose powder at 300 K with the usual oxide film,
    ``activation`` (eV) of conduction through the oxide, ``metal_resistivity`` (Ohm m) of a bed
    whose grains have grown together, ``adhesion`` (N) between loose grains, ``neck_adhesion`` (N)
    of fully sintered ones, ``trapped`` part of the electrons that do not flow off at once,
    ``isolated`` part of these that sits on grains with bad contacts in a loose bed, from which it
    leaks slower by the factor ``isolation`` and which falls to 1/e with a degree of sintering of
    ``joining``, ``helium`` (1/(Pa s)) discharge by ionised gas.
    """

    diameter: float = 70e-6
    bulk_density: float = 2500.0
    permittivity: float = 3.0
    cold_resistivity: float = 2e9
    activation: float = 0.25
    metal_resistivity: float = 1e-2
    adhesion: float = 6e-8
    neck_adhesion: float = 3e-6
    trapped: float = 1.1e-4
    isolated: float = 0.2
    isolation: float = 1e4
    joining: float = 0.08
    helium: float = 30.0


def resistivity(
    powder: Powder, temperature: npt.ArrayLike, oxide: npt.ArrayLike = 1.0,
    sintering: npt.ArrayLike = 0.0,
) -> Array:
    """Resistivity of a bed (Ohm m), any shape.

    Through the oxide: cold value x ``oxide`` (thickness over the usual one) x
    exp(Ea / k (1/T - 1/300 K)); necks (``sintering`` 0 to 1) bridge it: the logarithm goes in
    proportion from the oxide's to the metal's.
    """
    t, film, s = (np.asarray(a, float) for a in (temperature, oxide, sintering))
    through = powder.activation / _BOLTZMANN * (1.0 / t - 1.0 / 300.0)
    loose = np.log(powder.cold_resistivity * film) + through
    metal = np.log(powder.metal_resistivity)
    return np.asarray(np.exp(np.maximum((1.0 - s) * loose + s * metal, metal)))


def charge_relaxation(
    powder: Powder, temperature: npt.ArrayLike, oxide: npt.ArrayLike = 1.0,
    sintering: npt.ArrayLike = 0.0,
) -> Array:
    """Time (s) in which charge falls to 1/e through contacts: eps0 eps_r rho, any shape."""
    rho = resistivity(powder, temperature, oxide, sintering)
    return np.asarray(VACUUM_PERMITTIVITY * powder.permittivity * rho)


def charge_peak(
    powder: Powder, current: npt.ArrayLike, kept: npt.ArrayLike, speed: npt.ArrayLike,
    diameter: npt.ArrayLike, return_time: npt.ArrayLike, relaxation: npt.ArrayLike,
    helium: npt.ArrayLike = 0.0, sintering: npt.ArrayLike = 0.0,
) -> Array:
    """Highest charge per area (C/m2) of a bed that a beam passes again and again, any shape.

    dq/dt = J - q / tau - k_He p_He q with J = trapped x kept x I / d^2 during a passage of d / v,
    ``kept`` being 1 less the backscattered part and ``diameter`` d (m) that of the beam, and with
    J = 0 until the beam is back after the ``return_time`` (s). In the end the peak is
    J tau (1 - exp(-d / (v tau))) / (1 - exp(-return / tau)); the isolated part has a tau of its
    own. ``relaxation`` (s): `charge_relaxation`; ``helium`` partial pressure in Pa, ``sintering``
    degree.
    """
    i, share, v, d, t, leak, gas, s = (
        np.asarray(a, float)
        for a in (current, kept, speed, diameter, return_time, relaxation, helium, sintering))
    apart = powder.isolated * np.exp(-s / powder.joining)
    density = powder.trapped * share * i / d**2
    peak = np.zeros(())
    for part, slower in ((1.0 - apart, 1.0), (apart, powder.isolation)):
        tau = 1.0 / (1.0 / (slower * leak) + powder.helium * gas)
        peak = peak + part * density * tau * np.expm1(-d / (v * tau)) / np.expm1(-t / tau)
    return np.asarray(peak)


def lifting_index(
    powder: Powder, charge: npt.ArrayLike, sintering: npt.ArrayLike = 0.0
) -> Array:
    """Electrostatic pressure q^2 / (2 eps0) over what holds the grains, any shape; smoke above 1.

    They are held by weight, rho g d, and by adhesion, F / d^2, which grows with the necks.
    """
    q, s = np.asarray(charge, float), np.asarray(sintering, float)
    force = powder.adhesion + (powder.neck_adhesion - powder.adhesion) * s
    held = powder.bulk_density * _GRAVITY * powder.diameter + force / powder.diameter**2
    return np.asarray(q**2 / (2.0 * VACUUM_PERMITTIVITY) / held)

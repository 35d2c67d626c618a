"""Forces of alternating magnetic fields on conducting spheres, for sorting powder by conductivity.

An alternating field induces eddy currents in a grain. Seen from outside they are a magnetic dipole
m = alpha H with the exact polarizability of a conducting, non-magnetic sphere; the field pushes
that dipole. Fields are peak values, frequencies in Hz, sizes are diameters unless told otherwise.
"""

from __future__ import annotations

from math import exp, log, pi, sqrt
from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = [
    "MU0",
    "clean_size",
    "force_over_weight",
    "gradient_force",
    "polarizability",
    "skin_depth",
    "travelling_force",
]

Array = npt.NDArray[np.float64]
Complex = npt.NDArray[np.complex128]

MU0: Final = 4e-7 * pi
GRAVITY: Final = 9.80665

# x cot x = 1 - x2/3 - x4/45 - 2 x6/945 ... ; what is left of 1 - 3/x2 + (3/x) cot x after its
# two large terms cancel. Abramowitz and Stegun 4.3.70.
_SERIES: Final = (
    -1.0 / 15.0,
    -2.0 / 315.0,
    -1.0 / 1575.0,
    -2.0 / 31_185.0,
    -1382.0 / 212_837_625.0,
    -4.0 / 6_081_075.0,
)
_SMALL: Final = 0.3


def skin_depth(frequency: float, conductivity: float) -> float:
    """Depth (m) in which a field falls to 1/e: sqrt(2 / (w mu0 sigma))."""
    return sqrt(2.0 / (2.0 * pi * frequency * MU0 * conductivity))


def _bracket(x: Complex) -> Complex:
    """1 - 3/x2 + (3/x) cot x without loss of digits at small and without overflow at large |x|."""
    result = np.empty_like(x)
    small = np.abs(x) < _SMALL
    square = x[small] ** 2
    total = np.zeros_like(square)
    for factor in reversed(_SERIES):
        total = (total + factor) * square
    result[small] = total
    large = x[~small]
    # With Im x > 0, exp(2ix) fades: cot x = -i (1 + q) / (1 - q).
    q = np.exp(2j * large)
    result[~small] = 1.0 - 3.0 / large**2 - 3j / large * (1.0 + q) / (1.0 - q)
    return result


def polarizability(
    radius: npt.ArrayLike, frequency: npt.ArrayLike, conductivity: npt.ArrayLike
) -> Complex:
    """Magnetic polarizability (m3) of spheres, any common shape; exact at every skin depth.

    alpha = -2 pi R^3 [1 - 3/x^2 + (3/x) cot x], x = R sqrt(i w mu0 sigma) (Landau and Lifshitz,
    Electrodynamics of Continuous Media, section 59; Smythe 1950). Time goes as exp(-i w t), so that
    Im alpha > 0 is loss and Re alpha < 0 repulsion. ValueError unless all are above 0.
    """
    r, f, s = np.broadcast_arrays(*(np.asarray(v, float)
                                    for v in (radius, frequency, conductivity)))
    if not bool(np.all((r > 0) & (f > 0) & (s > 0))):
        raise ValueError("radius, frequency and conductivity must be above 0")
    x = np.atleast_1d(r * np.sqrt(1j * 2.0 * pi * f * MU0 * s))
    alpha: Complex = (-2.0 * pi * np.atleast_1d(r) ** 3 * _bracket(x)).reshape(r.shape)
    return alpha


def gradient_force(alpha: npt.ArrayLike, gradient: float) -> Array:
    """Mean force (N) along the gradient of |H|^2 (A2/m3) of a standing field.

    F = (mu0/4) Re(alpha) grad |H|^2: a conductor is pushed out of the field.
    """
    return np.asarray(MU0 / 4.0 * np.real(alpha) * gradient)


def travelling_force(alpha: npt.ArrayLike, wavelength: float, flux_density: float) -> Array:
    """Mean force (N) along a travelling field of ``wavelength`` (m) and peak flux density (T).

    F = (mu0/2) k Im(alpha) |H|^2 with k = 2 pi / wavelength: the field drags a conductor along.
    """
    return np.asarray(
        MU0 / 2.0 * 2.0 * pi / wavelength * np.imag(alpha) * (flux_density / MU0) ** 2
    )


def force_over_weight(
    diameter: npt.ArrayLike, density: npt.ArrayLike, conductivity: float, frequency: float,
    wavelength: float, flux_density: float,
) -> Array:
    """Travelling-field force over weight of spheres of ``diameter`` (m) and ``density`` (kg/m3)."""
    d = np.asarray(diameter, float)
    force = travelling_force(
        polarizability(d / 2.0, frequency, conductivity), wavelength, flux_density)
    return np.asarray(force / (np.asarray(density) * pi / 6.0 * d**3 * GRAVITY))


def clean_size(
    threshold: float, density: float, conductivity: float, frequency: float, wavelength: float,
    flux_density: float,
) -> float:
    """Diameter (m) from which the travelling field moves a grain with ``threshold`` of its weight.

    Between 0.1 um and 1 m; infinite if none is moved so. In thin skin F/weight no longer grows, so
    the first crossing is meant.
    """
    sizes = np.exp(np.linspace(log(1e-7), 0.0, 1601))
    ratio = force_over_weight(sizes, density, conductivity, frequency, wavelength, flux_density)
    above = np.flatnonzero(ratio >= threshold)
    if not len(above):
        return float("inf")
    i = int(above[0])
    if i == 0:
        return float(sizes[0])
    share = (log(threshold) - log(ratio[i - 1])) / (log(ratio[i]) - log(ratio[i - 1]))
    return exp(log(sizes[i - 1]) + share * (log(sizes[i]) - log(sizes[i - 1])))

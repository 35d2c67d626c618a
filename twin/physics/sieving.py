"""Sieving of powder on an ultrasonic deck: passage, near-size grains that blind, deblinding."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, pi

import numpy as np
import numpy.typing as npt

from twin.powder.sizes import CENTRES, EDGES

__all__ = ["Deck", "Mesh", "near_size", "open_share", "passing"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Deck:
    """Constants of a deck; all default."""

    diameter: float = 0.8
    """m"""
    rate: float = 0.16
    """ks: kg/(m2 s) through an open mesh when all on it may pass: 290 kg/h on 0.8 m."""
    full: float = 1.5
    """kg on the deck from which the passage no longer rises."""
    blinding: float = 0.8
    """kb: open share lost per kg of near-size grains fed to 1 m2 of mesh."""
    deblinding: float = 0.05
    """kc: 1/s at which full ultrasonic power clears what is blinded."""
    residence: float = 600.0
    """s in which a full deck discharges what has not passed, as oversize; the more the faster."""

    @property
    def area(self) -> float:
        """Of the mesh, m2."""
        return pi / 4.0 * self.diameter**2


@dataclass(frozen=True)
class Mesh:
    """A mesh on the deck."""

    aperture: float
    """m"""
    near: tuple[float, float] = (0.9, 1.1)
    """Size over aperture of the grains that stick in it, default."""

    def shares(self) -> Array:
        """Share (40,) of each size class that is finer than the aperture."""
        below = np.clip((np.log(self.aperture) - np.log(EDGES[:-1]))
                        / (np.log(EDGES[1:]) - np.log(EDGES[:-1])), 0.0, 1.0)
        return np.asarray(below)


def passing(mesh: Mesh) -> Array:
    """Relative chance (40,) that a grain on an open mesh passes it, 1 for small grains.

    (1 - d/a)^2 per presentation (Gaudin 1939), of which a grain has many: what has a fifth or
    more of the aperture to spare passes freely, default.
    """
    spare = np.clip((1.0 - CENTRES / mesh.aperture) / 0.2, 0.0, 1.0)
    shares = mesh.shares()
    # The class that holds the aperture passes as its finer part does.
    partly = (shares > 0.0) & (spare <= 0.05)
    return np.asarray(np.where(partly, 0.05, spare**2 * 0.75 + 0.25 * spare) * (shares > 0.0))


def near_size(masses: npt.ArrayLike, mesh: Mesh) -> float:
    """Mass (kg) of ``masses`` (40,) that is nearly of the aperture's size."""
    low, high = (np.log(mesh.aperture * edge) for edge in mesh.near)
    edges = np.log(EDGES)
    inside = np.clip((np.minimum(edges[1:], high) - np.maximum(edges[:-1], low))
                     / (edges[1:] - edges[:-1]), 0.0, 1.0)
    return float((np.asarray(masses, float) * inside).sum())


def open_share(start: float, near: float, ultrasonic: float, step: float, deck: Deck,
               worse: float = 1.0) -> float:
    """Open share of the mesh after ``step`` (s), exact for constant conditions.

    dphi/dt = -kb q_near phi + kc P (1 - phi): near-size feed ``near`` (kg/s) blinds what is open,
    ultrasound (``ultrasonic`` 0 to 1) clears what is not. ``worse`` multiplies kb.
    """
    blind = worse * deck.blinding * near / deck.area
    clear = deck.deblinding * ultrasonic
    rate = blind + clear
    if rate <= 0.0:
        return start
    ends = clear / rate
    return ends + (start - ends) * exp(-rate * step)

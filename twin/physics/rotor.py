"""Unbalanced rotor on elastic bearings: critical speed, response, friction of the bearings."""

from __future__ import annotations

from math import atan2, hypot, pi, sqrt
from typing import NamedTuple

__all__ = ["Response", "bearing_loss", "critical_speed", "response", "velocity"]


class Response(NamedTuple):
    """Whirl of a rotor under its own unbalance."""

    ratio: float
    """Amplitude over the eccentricity of the centre of mass."""
    phase: float
    """rad, 0 to pi, by which the whirl lags behind the heavy side."""


def critical_speed(stiffness: float, mass: float) -> float:
    """Angular speed (rad/s) of resonance: sqrt(k / m), N/m and kg (Jeffcott 1919)."""
    if not (stiffness > 0.0 and mass > 0.0):
        raise ValueError("stiffness and mass must be above 0")
    return sqrt(stiffness / mass)


def response(r: float, damping: float) -> Response:
    """Response at ``r`` times the critical speed with a damping ratio (Jeffcott 1919).

    r^2 / sqrt((1 - r^2)^2 + (2 zeta r)^2), and atan(2 zeta r / (1 - r^2)).
    """
    stiff, viscous = 1.0 - r * r, 2.0 * damping * r
    return Response(r * r / max(hypot(stiff, viscous), 1e-12), atan2(viscous, stiff))


def velocity(eccentricity: float, omega: float, r: float, damping: float) -> float:
    """Vibration velocity (m/s, rms) at ``omega`` (rad/s) of a rotor with an eccentricity (m)."""
    return eccentricity * response(r, damping).ratio * omega / sqrt(2.0)


def bearing_loss(torque: float, speed: float, reference: float, vibration: float,
                 shaken: float) -> float:
    """Heat (W) of the bearings: friction that grows with speed, and what vibration works.

    Torque (N m) at the ``reference`` speed (1/s) grows with the power 2/3 of speed (viscous part,
    Palmgren 1959); ``shaken`` W per (m/s)^2 of vibration velocity (m/s): default.
    """
    friction = torque * (max(speed, 0.0) / reference) ** (2.0 / 3.0)
    return float(friction * 2.0 * pi * max(speed, 0.0) + shaken * vibration**2)

"""Wire in a laser's melt pool: resistive heating, what limits cold and hot wire, contact, bead.

A wire that carries a current from contact tip to pool is heated adiabatically: every piece of it
sees the same current for the time it takes through the stick-out. With the resistivity rho_e and
the enthalpy h (J/kg) functions of temperature alone,

    (I/A)^2 L / w = integral of rho dh / rho_e = G(T),

the *action integral* of fuse theory (Preece 1884, Onderdonk 1928), so that the current for a
temperature goes with the square root of the feed w whatever rho_e(T) and h(T) are. With mean
values it is the usual I^2 rho_e L/A = m (cp dT + f Lf).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from math import pi, sqrt
from typing import Final

import numpy as np
import numpy.typing as npt

from twin.machine import AMBIENT
from twin.materials import Alloy, MaterialError, alloy

__all__ = [
    "RESISTIVITY",
    "Contact",
    "WireContact",
    "action",
    "amps_per_root",
    "contact",
    "deposition_rate",
    "feed_for_rate",
    "fusing_current",
    "heat_content",
    "hot_wire_current",
    "laser_bead_width",
    "most_feed",
    "pool_width",
    "resistivity",
    "to_pool",
    "wire_area",
    "wire_density",
    "wire_temperature",
    "wire_voltage",
]

Floats = npt.NDArray[np.float64]

# Electrical resistivity (Ohm m) over temperature (K), piecewise linear, held at the ends.
RESISTIVITY: Final[dict[str, tuple[tuple[float, ...], tuple[float, ...], str]]] = {
    "316L": ((293.0, 500.0, 800.0, 1100.0, 1400.0, 1673.0),
             (0.74e-6, 0.87e-6, 1.01e-6, 1.11e-6, 1.19e-6, 1.25e-6),
             "default, austenitic 18/8 steels near Ho and Chu 1977"),
    "308L": ((293.0, 500.0, 800.0, 1100.0, 1400.0, 1673.0),
             (0.72e-6, 0.85e-6, 1.00e-6, 1.10e-6, 1.18e-6, 1.24e-6),
             "default, austenitic 18/8 steels near Ho and Chu 1977"),
    "IN625": ((294.0, 366.0, 478.0, 589.0, 700.0, 811.0, 922.0, 1033.0, 1144.0, 1255.0),
              (1.29e-6, 1.32e-6, 1.34e-6, 1.35e-6, 1.36e-6, 1.38e-6, 1.38e-6, 1.37e-6, 1.36e-6,
               1.35e-6),
              "usual data sheet of alloy 625 (Special Metals)"),
    "IN718": ((293.0, 800.0, 1500.0), (1.25e-6, 1.33e-6, 1.35e-6), "default"),
    "Ti-6Al-4V": ((293.0, 600.0, 1000.0, 1250.0, 1900.0),
                  (1.70e-6, 1.88e-6, 1.95e-6, 1.60e-6, 1.72e-6), "default"),
    "ER70S-6": ((293.0, 500.0, 700.0, 900.0, 1033.0, 1200.0, 1500.0, 1750.0),
                (0.20e-6, 0.32e-6, 0.52e-6, 0.80e-6, 1.02e-6, 1.14e-6, 1.22e-6, 1.27e-6),
                "default, low-carbon steel; iron above the Curie point"),
}

ABSORBED: Final = 0.40
"""Share of the laser's power taken up by pool and wire at 1 um, default."""
TO_METAL: Final = 0.60
"""Share of what is absorbed that may go into melting wire, the rest leaves by conduction, default.

With ``ABSORBED`` it gives about 4 kg/h of cold steel wire at 6 kW.
"""
ON_WIRE: Final = 0.15
"""Share of what is absorbed that meets the wire above the pool, default."""
SUPERHEAT: Final = 150.0
"""K above the liquidus at which metal joins the pool, default."""
NEAREST: Final = 500.0
"""K that a part must be below the solidus for the width of a pool on it, default."""
POOL_DEPTH: Final = 2.5e-3
"""m that a wire may reach into the pool before it strikes solid metal, default."""


def wire_area(diameter: float) -> float:
    """Cross-section (m2) of a round wire of `diameter` (m)."""
    return 0.25 * pi * diameter**2


def wire_density(metal: Alloy) -> float:
    """Density (kg/m3) of cold wire."""
    return float(metal.density(AMBIENT))


def deposition_rate(metal: Alloy, diameter: float, feed: npt.ArrayLike) -> Floats:
    """Mass (kg/s) that a feed (m/s) of wire of `diameter` (m) brings: rho A w, mass balance."""
    return np.asarray(wire_density(metal) * wire_area(diameter) * np.asarray(feed, float))


def feed_for_rate(metal: Alloy, diameter: float, rate: float) -> float:
    """Wire feed (m/s) that brings `rate` (kg/s)."""
    return rate / (wire_density(metal) * wire_area(diameter))


def resistivity(name: str, temperature: npt.ArrayLike) -> Floats:
    """Electrical resistivity (Ohm m), any shape, of the wire alloy `name` at temperatures (K).

    `MaterialError` if none is known for the alloy.
    """
    found = RESISTIVITY.get(name)
    if found is None:
        raise MaterialError(f"no resistivity of {name}; known: {', '.join(RESISTIVITY)}")
    return np.asarray(np.interp(np.asarray(temperature, float), found[0], found[1]))


def heat_content(metal: Alloy, temperature: npt.ArrayLike) -> Floats:
    """Enthalpy (J/kg) above `AMBIENT`, any shape: integral of cp dT and f Lf in the mushy range."""
    t = np.asarray(temperature, float)
    nodes, enthalpy, _ = _tables(metal.name)
    return np.asarray(np.interp(t, nodes, enthalpy))


@cache
def _tables(name: str) -> tuple[Floats, Floats, Floats]:
    """Temperatures (K), enthalpy (J/kg) and action integral (A2 s/m4), each (n,), rising."""
    metal = alloy(name)
    top = metal.liquidus + 600.0
    fixed = [AMBIENT, metal.solidus, metal.liquidus, top]
    nodes = np.unique(np.concatenate([np.linspace(AMBIENT, top, 601), fixed]))
    middle = 0.5 * (nodes[1:] + nodes[:-1])
    molten = np.clip((nodes - metal.solidus) / (metal.liquidus - metal.solidus), 0.0, 1.0)
    steps = metal.specific_heat(middle) * np.diff(nodes) + metal.latent_fusion * np.diff(molten)
    enthalpy = np.concatenate([[0.0], np.cumsum(steps)])
    if metal.name not in RESISTIVITY:
        return nodes, enthalpy, np.zeros(0)
    ohmic = wire_density(metal) * steps / resistivity(metal.name, middle)
    return nodes, enthalpy, np.concatenate([[0.0], np.cumsum(ohmic)])


def action(metal: Alloy, temperature: npt.ArrayLike) -> Floats:
    """Action integral G (A2 s/m4), any shape, that heats a wire from ambient to temperatures (K).

    `MaterialError` if no resistivity of the alloy is known.
    """
    nodes, _, integral = _tables(metal.name)
    if not len(integral):
        resistivity(metal.name, AMBIENT)
    return np.asarray(np.interp(np.asarray(temperature, float), nodes, integral))


def hot_wire_current(
    metal: Alloy, diameter: float, feed: npt.ArrayLike, length: float, temperature: float,
    eta: float = 1.0,
) -> Floats:
    """Current (A), shape of `feed`, that brings a wire to `temperature` (K) over `length` (m).

    `feed` (m/s); `eta` is the share of the electrical heat that stays in the wire. I ~ sqrt(feed).
    """
    through = np.asarray(feed, float) * float(action(metal, temperature)) / (length * eta)
    return np.asarray(wire_area(diameter) * np.sqrt(through))


def fusing_current(metal: Alloy, diameter: float, feed: npt.ArrayLike, length: float,
                   eta: float = 1.0) -> Floats:
    """Current (A) at which the wire starts to melt just before the pool: what limits hot wire."""
    return hot_wire_current(metal, diameter, feed, length, metal.solidus, eta)


def wire_temperature(metal: Alloy, diameter: float, feed: npt.ArrayLike, length: npt.ArrayLike,
                     current: npt.ArrayLike, eta: float = 1.0) -> Floats:
    """Temperature (K) of the wire where it meets the pool; arrays broadcast, feed above 0 (m/s)."""
    density = np.asarray(current, float) / wire_area(diameter)
    received = eta * density**2 * np.asarray(length, float) / np.asarray(feed, float)
    if not np.any(received):
        return np.full(np.shape(received), AMBIENT)
    nodes, _, integral = _tables(metal.name)
    action(metal, AMBIENT)
    return np.asarray(np.interp(received, integral, nodes))


def wire_voltage(metal: Alloy, diameter: float, feed: npt.ArrayLike, temperature: npt.ArrayLike,
                 current: npt.ArrayLike, eta: float = 1.0) -> Floats:
    """Voltage (V) along the stick-out: the heat that is carried off with the wire over I eta."""
    amps = np.maximum(np.asarray(current, float), 1e-9)
    power = deposition_rate(metal, diameter, feed) * heat_content(metal, temperature) / eta
    return np.asarray(power / amps)


def to_pool(metal: Alloy) -> float:
    """Heat (J/kg) that cold metal needs to join the pool: to the liquidus and `SUPERHEAT`."""
    return float(heat_content(metal, metal.liquidus + SUPERHEAT))


def most_feed(metal: Alloy, diameter: float, power: float, temperature: float = AMBIENT,
              absorbed: float = ABSORBED) -> float:
    """Wire feed (m/s) that a laser of `power` (W on the part) can just melt.

    `temperature` (K) of the wire where it meets the pool: `AMBIENT` for cold wire.
    """
    lacking = to_pool(metal) - float(heat_content(metal, temperature))
    able = power * absorbed * TO_METAL
    return able / (max(lacking, 1.0) * wire_density(metal) * wire_area(diameter))


class Contact(IntEnum):
    """How the wire joins the pool (Abioye et al. 2013: dripping, smooth transfer, stubbing)."""

    DROPLET = 0
    SMOOTH = 1
    STUB = 2
    FUSED = 3
    """A hot wire that melts on its way: it parts, and an arc strikes."""


@dataclass(frozen=True, slots=True)
class WireContact:
    """The contact of wire and pool, and what electrical and mechanical signals say of it.

    Arrays of one shape.
    """

    mode: npt.NDArray[np.intp]
    """Numbers of `Contact`."""
    melt_length: Floats
    """m below the pool's surface at which the wire has melted; below 0: above it."""
    temperature: Floats
    """K, of the wire where it meets the pool."""
    voltage: Floats
    """V, mean, over the stick-out and the contact; 0 of cold wire."""
    touching: Floats
    """Share of the time in which wire and pool touch and current flows."""
    force: Floats
    """N that the wire presses on the pool with."""


def contact(
    metal: Alloy, diameter: float, feed: npt.ArrayLike, *, power: npt.ArrayLike, length: float,
    gap: npt.ArrayLike = 0.0, current: npt.ArrayLike = 0.0, angle: float = 0.79,
    absorbed: float = ABSORBED, eta: float = 1.0, depth: float = POOL_DEPTH, supply: float = 15.0,
) -> WireContact:
    """How a wire meets the pool: heat balance along its way against the distance to the pool.

    `feed` (m/s, above 0); `power` (W on the part) of the laser; `length` (m) of the stick-out at
    no height error; `gap` (m) by which the surface lies lower than planned, so that the wire, fed
    at `angle` (rad) to the surface, has gap/sin(angle) further to go; `current` (A) of a hot wire;
    `supply` (V) is the open-circuit voltage. Arrays broadcast. What the wire still
     lacks when it reaches the surface is taken from the pool over a length in proportion to
    lack over supply (default model).
    """
    watts, low, feed, amps = np.broadcast_arrays(
        *(np.asarray(given, float) for given in (power, gap, feed, current)))
    way = np.maximum(length + low / np.sin(angle), 0.25 * length)
    hot = wire_temperature(metal, diameter, feed, way, amps, eta)
    rate = deposition_rate(metal, diameter, feed)
    # A lower surface keeps the wire longer in the beam, a higher one hardly lets it in.
    direct = watts * absorbed * ON_WIRE * np.clip(1.0 + low / (2 * depth), 0.0, 3.0)
    lacking = rate * (to_pool(metal) - heat_content(metal, hot)) - direct
    able = np.maximum(watts * absorbed * TO_METAL - direct, 1e-9)
    melt = depth * np.clip(lacking / able, -20.0, 20.0) - low
    fused = (hot >= metal.solidus) & (amps > 0)
    stub, drop = ~fused & (melt > depth), ~fused & (melt < 0)
    touching = np.where(fused, 0.5, np.where(drop, np.maximum(0.1, 1 + 2 * melt / depth), 1.0))
    volts = np.zeros(melt.shape)
    if np.any(amps > 0):
        bridge = wire_voltage(metal, diameter, feed, hot, amps, eta)
        volts = np.where(amps > 0, touching * bridge + (1 - touching) * supply, 0.0)
    force = np.where(stub, 4.0 + 3.0 * np.minimum(melt / depth - 1.0, 3.0),
                     np.where(drop | fused, 0.0, 0.3 + 1.2 * melt / depth))
    mode = np.select([fused, stub, drop], [int(Contact.FUSED), int(Contact.STUB),
                                           int(Contact.DROPLET)], int(Contact.SMOOTH))
    return WireContact(np.asarray(mode), melt, hot, volts, touching, force)


def pool_width(metal: Alloy, power: npt.ArrayLike, speed: npt.ArrayLike,
               part: npt.ArrayLike) -> Floats:
    """Width (m) of a pool on a thick part at `part` (K) under absorbed `power` (W), `speed` (m/s).

    Wells (1952): q = (5/4) pi W k dT (2/5 + v W/(4 a)), the closed form of Rosenthal's point
    source; properties at the mean of `part` and the solidus. Arrays broadcast. A part less than
    `NEAREST` below the solidus is taken as that much below: a point source says nothing there.
    """
    q, v = np.asarray(power, float), np.asarray(speed, float)
    start = np.clip(np.asarray(part, float), 250.0, metal.solidus - NEAREST)
    mean = 0.5 * (start + metal.solidus)
    k = metal.conductivity(mean)
    a = k / (metal.density(mean) * metal.specific_heat(mean))
    rise = 0.5 * (metal.solidus + metal.liquidus) - start
    square, linear = v / (4 * a), 0.4
    reach = q / (1.25 * pi * k * rise)
    # W of square W^2 + linear W = reach, in a form that holds at no speed too.
    return np.asarray(2 * reach / (linear + np.sqrt(linear**2 + 4 * square * reach)))


def laser_bead_width(metal: Alloy, power: npt.ArrayLike, speed: npt.ArrayLike,
                     part: npt.ArrayLike, spot: float) -> Floats:
    """Width (m) of a bead under a wide spot: the spot's where the power suffices, else the pool's.

    `power` absorbed (W), `speed` (m/s), `part` (K), `spot` (m). The softer of the two wins
    (W^-4 = Wells^-4 + spot^-4, default); the bead is about as wide as the spot at usual power.
    """
    pool = pool_width(metal, power, speed, part)
    return np.asarray(pool / (1.0 + (pool / spot) ** 4) ** 0.25)


def amps_per_root(metal: Alloy, diameter: float, length: float, temperature: float) -> float:
    """The constant in I = k sqrt(feed), A/(m/s)^0.5."""
    return wire_area(diameter) * sqrt(float(action(metal, temperature)) / length)

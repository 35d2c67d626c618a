"""Gas metal arc with a consumable wire: melting rate, circuit, bead, interpass heat, shielding.

Melting rate of the wire (Lesnewich 1958; Halmoy 1979): WFS = a I + b L I^2, anode heating and the
resistance of the extension L. Circuit: U - r I = V0 + (Ra + R_L) I + Ea l, with arc length l =
contact-tip distance - L. As the wire melts faster than it is fed the arc grows, current falls,
and so does the melting rate: the arc holds its own length.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log
from typing import Final

import numpy as np
import numpy.typing as npt

from twin.machine import AMBIENT
from twin.materials import Alloy
from twin.physics.deposition import bead_height, loss_conductance
from twin.physics.wire import (
    heat_content,
    pool_width,
    resistivity,
    wire_area,
    wire_density,
)

__all__ = [
    "Arc",
    "ArcState",
    "arc_bead",
    "arc_for",
    "cooling_time",
    "heat_input",
    "interpass_step",
    "porosity_of_shielding",
    "shielding",
]

Floats = npt.NDArray[np.float64]

ANODE: Final = 4.9
"""V, effective anode melting potential of steel wire in argon mixtures.

From a = 0.3 mm/(A s) of 1.2 mm steel wire, the usual figure (Norrish 2006 after Halmoy 1979), with
drops at `DROP`.
"""
DROP: Final = 2500.0
"""K, mean temperature of the drops, default."""
LIQUID_HEAT: Final = 780.0
"""J/(kg K) of liquid metal above the alloy's last point, default."""
EXTENSION: Final = 0.775
"""Mean resistivity of the extension over that at 1400 K.

Sets b = 5e-5 1/(A2 s) of 1.2 mm steel wire (Norrish 2006 after Halmoy 1979).
"""
ARC_EFFICIENCY: Final = 0.80
"""Share of the arc's power that enters the part, EN 1011-1 (k of MAG welding)."""


@dataclass(frozen=True, slots=True)
class ArcState:
    """A steady arc; arrays of one shape, SI."""

    current: Floats
    voltage: Floats
    """V from contact tip to part, as the power source's sensor has it."""
    length: Floats
    """m; 0 or less: the wire meets the part, which is a short circuit."""
    extension: Floats
    """m of wire from contact tip to arc."""

    @property
    def power(self) -> Floats:
        """Electrical power (W) from tip to part."""
        return np.asarray(self.current * self.voltage)


@dataclass(frozen=True, slots=True)
class Arc:
    """A wire, a gas and a constant-voltage source: the constants of melting rate and circuit."""

    alpha: float
    """m/(A s), anode heating."""
    beta: float
    """1/(A2 s), resistance heating."""
    ohms: float
    """Ohm/m of the extension, mean of hot and cold."""
    fixed: float = 15.7
    """V0, V: anode and cathode drop, usual figure of argon-rich gas (Bingul and Cook 2006)."""
    ohmic: float = 0.022
    """Ra, Ohm, the same source."""
    gradient: float = 636.0
    """Ea, V/m, the same source."""
    slope: float = 0.010
    """r, Ohm, of source and cables, default."""
    open_circuit: float = 65.0
    """V, default."""
    short_current: float = 480.0
    """A that the source drives into a short circuit, default."""
    longest: float = 14e-3
    """m; a longer arc goes out, default."""
    least: float = 45.0
    """A; with less current the arc goes out, default."""

    def melting_rate(self, current: npt.ArrayLike, extension: npt.ArrayLike) -> Floats:
        """Speed (m/s) at which wire melts, arrays broadcast: a I + b L I^2 (Lesnewich 1958)."""
        i = np.asarray(current, float)
        return np.asarray(self.alpha * i + self.beta * np.asarray(extension, float) * i**2)

    def current_for(self, feed: npt.ArrayLike, extension: npt.ArrayLike) -> Floats:
        """Current (A) that melts wire as fast as it is fed (m/s) at an extension (m)."""
        w, b = np.asarray(feed, float), self.beta * np.asarray(extension, float)
        return np.asarray(2 * w / (self.alpha + np.sqrt(self.alpha**2 + 4 * b * w)))

    def voltage(self, current: npt.ArrayLike, length: npt.ArrayLike,
                extension: npt.ArrayLike) -> Floats:
        """Voltage (V) from contact tip to part: V0 + Ra I + Ea l and the extension's drop."""
        i = np.asarray(current, float)
        return np.asarray(self.fixed + (self.ohmic + self.ohms * np.asarray(extension, float)) * i
                          + self.gradient * np.asarray(length, float))

    def steady(self, feed: npt.ArrayLike, distance: npt.ArrayLike, setting: npt.ArrayLike,
               resistance: npt.ArrayLike = 0.0) -> ArcState:
        """The arc that holds itself at wire `feed` (m/s) and contact-tip `distance` (m).

        `setting` is the source's voltage (V), `resistance` (Ohm) that of a worn contact tip. All
        broadcast. The length may come out negative, which means that the wire stubs. By bisection
        on the extension: the voltage that an extension asks for falls as it grows.
        """
        w, d, u, r = np.broadcast_arrays(
            *(np.asarray(a, float) for a in (feed, distance, setting, resistance)))
        low, high = np.full(d.shape, 1e-4), d + 0.05
        for _ in range(48):
            middle = 0.5 * (low + high)
            current = self.current_for(w, middle)
            asks = self.voltage(current, d - middle, middle) + (self.slope + r) * current
            longer = asks > u
            low, high = np.where(longer, middle, low), np.where(longer, high, middle)
        extension = 0.5 * (low + high)
        current = self.current_for(w, extension)
        return ArcState(current, self.voltage(current, d - extension, extension),
                        d - extension, extension)

    def regulation_time(self, current: float, extension: float) -> float:
        """Time constant (s) with which the arc returns to its length.

        dl/dt = melting rate - feed; at constant voltage dI/dl = -Ea/(Ra + r + R_L), so that
        tau = (Ra + r + R_L)/(Ea (a + 2 b L I)) for small deviations.
        """
        ohms = self.ohmic + self.slope + self.ohms * extension
        return ohms / (self.gradient * (self.alpha + 2 * self.beta * extension * current))

    def setting_for(self, feed: float, distance: float, length: float) -> float:
        """Source voltage (V) that gives an arc of `length` (m) at a feed and a distance."""
        extension = distance - length
        current = float(self.current_for(feed, extension))
        return float(self.voltage(current, length, extension)) + self.slope * current


def _drop_heat(metal: Alloy) -> float:
    """Heat (J/kg) from cold wire to drops at `DROP`."""
    top = metal.liquidus + 400.0
    return float(heat_content(metal, top)) + LIQUID_HEAT * (DROP - top)


def arc_for(metal: Alloy, diameter: float) -> Arc:
    """The arc of a wire: a = anode potential/(rho A h), b = rho_e/(rho A^2 h) with h of the drops.

    `diameter` (m). `MaterialError` if no resistivity of the alloy is known.
    """
    area, heat = wire_area(diameter), _drop_heat(metal)
    ohms = EXTENSION * float(resistivity(metal.name, 1400.0))
    mass = wire_density(metal) * heat
    return Arc(ANODE / (mass * area), ohms / (mass * area**2), 0.7 * ohms / area)


def heat_input(voltage: npt.ArrayLike, current: npt.ArrayLike, speed: npt.ArrayLike,
               efficiency: float = ARC_EFFICIENCY) -> Floats:
    """Heat per length of bead (J/m): E = eta V I/v (EN 1011-1); arrays broadcast, SI."""
    power = np.asarray(voltage, float) * np.asarray(current, float)
    return np.asarray(efficiency * power / np.asarray(speed, float))


def arc_bead(metal: Alloy, diameter: float, feed: npt.ArrayLike, speed: npt.ArrayLike,
             power: npt.ArrayLike, part: npt.ArrayLike,
             efficiency: float = ARC_EFFICIENCY) -> tuple[Floats, Floats, Floats]:
    """Width, height (m) and cross-section (m2) of a bead; arrays broadcast, SI.

    Section by mass balance, width that of the pool which the arc's heat makes on a part at `part`
    (K) (Wells 1952), height that of a parabola. So a warmer part makes it wider and lower.
    """
    area = np.asarray(feed, float) * wire_area(diameter) / np.asarray(speed, float)
    width = pool_width(metal, efficiency * np.asarray(power, float), speed, part)
    return width, bead_height(area, width), area


def interpass_step(temperature: float, seconds: float, *, power: float, capacity: float,
                   area: float, convection: float, emissivity: float,
                   ambient: float = AMBIENT, conduction: float = 0.0) -> float:
    """Temperature (K) of a part after `seconds`: C dT/dt = P - (h A + G)(T - Ta) - radiation.

    `power` (W) is the mean over the time (eta V I x duty), `capacity` (J/K), `area` (m2),
    `conduction` G (W/K) into the table. Closed form with the radiation's secant at the middle of
    the step (found once by a half step), so keep steps short against the time constant.
    """
    def ahead(over: float, at: float) -> float:
        loss = loss_conductance(at, ambient, area, convection, emissivity) + conduction
        target = ambient + power / loss
        return target + (temperature - target) * exp(-over * loss / capacity)

    return ahead(seconds, ahead(0.5 * seconds, temperature))


def cooling_time(temperature: float, limit: float, *, capacity: float, area: float,
                 convection: float, emissivity: float, ambient: float = AMBIENT,
                 conduction: float = 0.0) -> float:
    """Dwell (s) until a part at `temperature` (K) has cooled to `limit` (K), 0 if it has.

    `ValueError` if `limit` is not above ambient. In sixteen stretches of temperature, each with
    the radiation's secant at its middle.
    """
    if limit <= ambient:
        raise ValueError(f"limit must be above ambient {ambient:g} K, not {limit:g} K")
    if temperature <= limit:
        return 0.0
    time, above = 0.0, temperature
    for below in np.linspace(temperature, limit, 17)[1:].tolist():
        middle = 0.5 * (above + below)
        loss = loss_conductance(middle, ambient, area, convection, emissivity) + conduction
        time += capacity / loss * log((above - ambient) / (below - ambient))
        above = below
    return time


SHIELD_NEED: Final = 12e-3 / 60
"""m3/s of gas below which air gets to the pool, default."""
SHIELD_REACH: Final = 17e-3
"""m from nozzle to pool beyond which air gets in, default."""


def shielding(flow: npt.ArrayLike, distance: npt.ArrayLike, draught: float = 0.0) -> Floats:
    """How well the gas covers the pool, 0..1; arrays broadcast (default model).

    `flow` (m3/s), `distance` (m) from nozzle to part, `draught` (m/s) across it; above 2 m/s it
    blows the gas away (usual limit for gas-shielded welding).
    """
    given = np.clip(np.asarray(flow, float) / SHIELD_NEED, 0.0, 1.0)
    near = np.clip(2.0 - np.asarray(distance, float) / SHIELD_REACH, 0.0, 1.0)
    return np.asarray(given * near * float(np.clip(2.0 - draught / 2.0, 0.0, 1.0)))


def porosity_of_shielding(cover: npt.ArrayLike) -> Floats:
    """Pore fraction of a bead laid under a gas cover (0..1): 0.02 % whole, 6 % in air, default."""
    lacking = 1.0 - np.clip(np.asarray(cover, float), 0.0, 1.0)
    return np.asarray(2e-4 + 0.06 * lacking**2)

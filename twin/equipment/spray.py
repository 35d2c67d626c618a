"""The spray of a gas atomizer: second by second what droplets become, and where they end."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from twin.equipment.gridded import Gridded
from twin.equipment.services import SafetyChain
from twin.materials import Alloy
from twin.physics.atomizing_gas import AtomizingGas
from twin.physics.spray import (
    Melt,
    attach_satellites,
    freezing_length,
    hollow_share,
    hot_film,
    irregular_share,
    lubanska,
    oxide_of,
    splat_share,
    spread,
)
from twin.powder.sizes import BINS, CENTRES, lognormal
from twin.signals import measured

__all__ = ["Catch", "Droplets", "Nozzle", "Spray"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Nozzle:
    """An atomizing nozzle: what it is built like and what was found of it.

    ``constant`` K of the size correlation, ``spread`` geometric standard deviation of a steady
    spray, ``hollow`` share of hollow grains at 100 um, ``bore`` of the melt tube and its
    ``protrusion`` (m; not used by a rod), ``slit`` area for gas (m2).
    """

    constant: float
    spread: float
    hollow: float
    bore: float
    protrusion: float
    slit: float

    # One standard deviation of ln of a nozzle's own figures about those of its design, default.
    SCATTER: ClassVar[tuple[float, float, float]] = (0.02, 0.004, 0.10)

    def made(self, draw: np.random.Generator) -> Nozzle:
        """A nozzle of this design: constant, spread and hollow share are near it, not on it."""
        constant, spread, hollow = np.exp(np.array(self.SCATTER) * draw.standard_normal(3))
        return replace(self, constant=self.constant * float(constant),
                       spread=self.spread ** float(spread), hollow=self.hollow * float(hollow))


def _zeros() -> Floats:
    return np.zeros(BINS)


@dataclass
class Catch:
    """Powder in one can: metal (kg, without oxygen) by size and shape, oxygen (kg)."""

    masses: Floats = field(default_factory=_zeros)
    hollow: Floats = field(default_factory=_zeros)
    satellites: Floats = field(default_factory=_zeros)
    irregular: Floats = field(default_factory=_zeros)
    oxygen: float = 0.0

    @property
    def mass(self) -> float:
        """Metal, kg."""
        return float(self.masses.sum())

    def add(self, masses: Floats, droplets: Droplets, oxygen: float) -> None:
        """Put in metal by size (kg), shaped as the droplets are, with its oxygen (kg)."""
        self.masses += masses
        self.hollow += masses * droplets.hollow
        self.satellites += masses * droplets.satellites
        self.irregular += masses * droplets.irregular
        self.oxygen += oxygen

    def share(self, name: str) -> Floats:
        """Mass share (40,) of each class that is ``hollow``, ``satellites`` or ``irregular``."""
        held = getattr(self, name)
        share = np.divide(held, self.masses, out=np.zeros(BINS), where=self.masses > 0.0)
        return np.asarray(np.clip(share, 0.0, 1.0))

    def plain(self) -> dict[str, Any]:
        """As plain data."""
        return {"masses": self.masses.tolist(), "hollow": self.hollow.tolist(),
                "satellites": self.satellites.tolist(), "irregular": self.irregular.tolist(),
                "oxygen": self.oxygen}

    @classmethod
    def of(cls, data: dict[str, Any]) -> Catch:
        """From what `plain` gave."""
        by_size = {name: np.array(data[name], float) for name in
                   ("masses", "hollow", "satellites", "irregular")}
        return cls(**by_size, oxygen=data["oxygen"])


@dataclass(frozen=True)
class Droplets:
    """What a step of the spray gave: metal by size (kg) and shape, what hit the wall."""

    flown: Floats
    splats: float
    hollow: Floats
    satellites: Floats
    irregular: float
    film: Floats
    """Oxygen (kg) of the film grown in flight, by size."""
    d50: float
    """m, of the droplets."""
    ratio: float
    """kg of gas per kg of melt."""


class Spray(Gridded):
    """Atomization in the gas jet, and what is seen of it: stream camera, scales, in-line sizer."""

    RECIRCULATED = 0.5  # share of the tower's gas that comes back to the spray, default
    CURTAIN = 0.05  # kg/s of anti-satellite gas that has its full effect, default
    SUPPRESSED = 0.85  # share of the fines that it keeps away, default
    LEAST_SPEED = 60.0  # m/s of gas below which a stream is not broken up, default
    LEAST_RATIO = 0.10  # gas-to-metal ratio below which it is not, default

    melt_flow = measured("kg/min", low=0, high=60, noise=0.02, quantum=0.01,
                         companion="Monitoring/Process/MeltFlow",
                         doc="melt flow: slope of the load cells")
    gas_to_metal = measured("", low=0, high=200, noise=0.005, quantum=0.001,
                            companion="Monitoring/Process/GasToMetalRatio",
                            doc="mass of atomizing gas per mass of melt; 0 without melt")
    d50 = measured("um", low=0, high=1000, noise=0.1, quantum=0.1,
                   companion="Monitoring/Process/MedianDiameter",
                   doc="mass median diameter before the cyclone, in-line laser diffraction")
    stream = measured(bool, doc="stream camera sees melt below the nozzle")
    stream_diameter = measured("mm", low=0, high=20, noise=0.01, quantum=0.01,
                               companion="Monitoring/Process/StreamDiameter",
                               doc="diameter of the melt stream, camera")

    def __init__(self, chain: SafetyChain) -> None:
        super().__init__()
        self.chain = chain

    def atomize(self, mass: float, metal: Alloy, temperature: float, diameter: float,
                nozzle: Nozzle, gas: AtomizingGas, flow: float, speed: float, ratio: float,
                ripple: float, curtain: float, around: float, oxygen: float, offered: float,
                way: float) -> Droplets | None:
        """Break up ``mass`` (kg of metal) of a stream; None if the gas does not do so.

        Of the stream: ``temperature`` K, ``diameter`` m; of the gas: ``flow`` and ``curtain``
        kg/s, ``speed`` m/s, ``ratio`` to the melt, ``around`` K in the tower with a mole fraction
        of ``oxygen``, of which ``offered`` kg can be taken; ``way`` m to the wall.
        """
        if speed < self.LEAST_SPEED or ratio < self.LEAST_RATIO or flow <= 0.0:
            return None
        melt = Melt.of(metal, temperature)
        d50 = lubanska(nozzle.constant, max(diameter, 1e-4), melt, speed, gas.kinematic(), ratio)
        d50 = min(max(d50, 1.5e-6), 700e-6)
        drops = mass * lognormal(d50, spread(nozzle.spread, ripple))
        lengths = freezing_length(metal, gas, speed, temperature, around)
        wall = drops * splat_share(lengths, way)
        flown = drops - wall
        superheat = temperature - metal.liquidus
        kept_away = self.SUPPRESSED * min(curtain / self.CURTAIN, 1.0)
        stuck = attach_satellites(flown, self.RECIRCULATED, kept_away, superheat)
        density = float(metal.density(293.15))
        film = stuck.masses * oxide_of(metal).oxygen(CENTRES, density, hot_film(oxygen))
        needed = float(film.sum())
        if needed > offered:
            film = film * (offered / needed)
        return Droplets(stuck.masses, float(wall.sum()), hollow_share(nozzle.hollow),
                        stuck.satellites, irregular_share(superheat), film, d50, ratio)

    def tick(self, step: float, flow: float, diameter: float, droplets: Droplets | None,
             gas: float) -> None:
        """Show the stream (kg/s, m) and what became of it; ``gas`` kg/s of atomizing gas."""
        self.sense(self.now)
        ratio = gas / flow if flow > 1e-6 else 0.0
        self.stream = flow > 1e-4
        self.show("stream_diameter", step, diameter if flow > 1e-6 else 0.0, 0.2)
        self.show("melt_flow", step, flow, 3.0)
        self.show("gas_to_metal", step, min(ratio, 200.0), 3.0)
        self.show("d50", step, 0.0 if droplets is None else droplets.d50, 4.0)

    @property
    def resting(self) -> bool:
        """Whether its readings have come to rest."""
        return not self.stream and self.melt_flow < 1e-4 and self.d50 < 0.05e-6 \
            and self.gas_to_metal < 1e-3

"""Canister under a rotating electrode: what has come off it so far, by size, shape and element."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from twin.equipment.melt_face import Drops
from twin.machine import Equipment
from twin.materials import Alloy
from twin.physics import rotating_electrode as physics
from twin.physics.droplet_flight import flown, splat_share
from twin.powder.lot import Constituent, PowderLot
from twin.powder.sizes import BINS, CENTRES, below, lognormal, quantile
from twin.signals import actuator, measured

__all__ = ["Canister", "Gas", "Stream"]

Array = npt.NDArray[np.float64]

PORE = 0.05  # gas volume fraction of a hollow grain, default


class Gas:
    """What the drops fly through: helium share, Pa, K, oxygen (mole fraction), wall (m)."""

    __slots__ = ("helium", "oxygen", "path", "pressure", "temperature")

    def __init__(self, helium: float, pressure: float, temperature: float, oxygen: float,
                 path: float) -> None:
        self.helium, self.pressure, self.temperature = helium, pressure, temperature
        self.oxygen, self.path = oxygen, path


class Stream:
    """Sums over what has come off one rod; all masses in kg, arrays by size class."""

    NAMES = ("metal", "taken", "irregular", "hollow", "satellites")

    def __init__(self) -> None:
        self.metal = np.zeros(BINS)
        self.taken = np.zeros(BINS)  # oxygen from the gas
        self.irregular = np.zeros(BINS)
        self.hollow = np.zeros(BINS)
        self.satellites = np.zeros(BINS)
        self.splats = 0.0
        self.fume = 0.0
        self.peeled = 0.0
        self.seconds = 0.0
        self.worst_oxygen = 0.0
        self.modes = [0.0, 0.0, 0.0]  # kg by mode

    @property
    def melted(self) -> float:
        """Of the rod, so far."""
        return float(self.metal.sum()) + self.splats + self.fume

    @property
    def powder(self) -> float:
        """In the canister."""
        return float(self.metal.sum() + self.taken.sum())

    def add(self, drops: Drops, alloy: Alloy, critical: float, gas: Gas, step: float) -> Array:
        """What left the rim in ``step`` s; returns the size distribution (40,) of it in kg."""
        left = drops.mass - drops.fume
        whole = left * (1.0 - drops.peeled) * lognormal(drops.median, drops.spread)
        torn = left * drops.peeled * lognormal(*physics.peeled_sizes(critical))
        flat = np.ones(BINS)
        if drops.speed > 0.0:
            # Rounded, so that seconds that are alike share one integration.
            flight = flown(alloy.name, _steps(drops.speed, 0.03), gas.path,
                           round(gas.helium * 25.0) / 25.0, _steps(gas.pressure, 0.03),
                           round(gas.temperature / 25.0) * 25.0,
                           round(drops.superheat / 15.0) * 15.0)
            flat = splat_share(flight.liquid)
        splats = whole * flat
        drops_kept = whole - splats
        if drops.speed <= 0.0:
            splats, torn = splats + torn, np.zeros(BINS)
        kept = drops_kept + torn
        self.metal += kept
        self.taken += kept * physics.oxide_oxygen(float(alloy.density(293.15)), gas.oxygen)
        self.irregular += drops_kept * physics.irregular_share(CENTRES, critical) + torn
        self.hollow += drops_kept * physics.hollow_share(CENTRES)
        fines = float(below(kept, 30e-6)) if kept.any() else 0.0
        self.satellites += kept * physics.satellite_share(fines)
        self.splats += float(splats.sum())
        # What rounding of the shares leaves over goes with the fume, so that nothing is lost.
        self.fume += drops.mass - float(kept.sum()) - float(splats.sum())
        self.peeled += float(torn.sum())
        self.seconds += step
        self.worst_oxygen = max(self.worst_oxygen, gas.oxygen)
        self.modes[drops.mode] += left
        return kept

    def lot(self, id: str, alloy: Alloy, composition: dict[str, float], **about: Any) -> PowderLot:
        """The powder as a lot; ``composition`` mass fractions of the rod."""
        metal = float(self.metal.sum())
        elements = {e: f * metal for e, f in composition.items()}
        elements["O"] = elements.get("O", 0.0) + float(self.taken.sum())
        masses = self.metal + self.taken

        def share(part: Array) -> Array:
            of = np.divide(part, self.metal, out=np.zeros(BINS), where=self.metal > 0.0)
            return np.asarray(np.clip(of, 0.0, 1.0))

        grains = Constituent(alloy.name, masses, elements, share(self.hollow),
                             share(self.satellites), share(self.irregular), PORE)
        return PowderLot(id, (grains,), **about)

    def plain(self) -> dict[str, Any]:
        """As plain data."""
        data: dict[str, Any] = {name: getattr(self, name).tolist() for name in self.NAMES}
        return {**data, "splats": self.splats, "fume": self.fume, "peeled": self.peeled,
                "seconds": self.seconds, "worst_oxygen": self.worst_oxygen, "modes": self.modes}

    @classmethod
    def of(cls, data: dict[str, Any]) -> Stream:
        """From what `plain` gave."""
        made = cls()
        for name, value in data.items():
            setattr(made, name, np.array(value) if name in cls.NAMES else value)
        made.modes = list(data["modes"])
        return made


def _steps(value: float, ratio: float) -> float:
    """A value rounded in steps of a ratio."""
    return float((1.0 + ratio) ** round(np.log(value) / np.log1p(ratio)))


class Canister(Equipment):
    """Load cell and drop camera, and the sums over the rod in work."""

    mass = measured("kg", low=0, high=500, noise=0.005, quantum=0.01,
                    companion="Monitoring/Process/PowderMass",
                    doc="powder in the canister, load cell")
    drop_size = measured("um", low=0, high=1000, noise=0.5, quantum=0.1,
                         companion="Monitoring/Process/DropSize",
                         doc="mass median of the drops, high-speed camera, mean of a second")
    drop_spread = measured("", low=0, high=5, noise=0.005, quantum=0.001,
                           doc="geometric standard deviation of the drops, high-speed camera")
    full = measured(bool, doc="powder in the canister")
    discharge = actuator(bool, edge=True, doc="close the canister and take it away (rising edge)")

    def __init__(self) -> None:
        super().__init__()
        self.stream = Stream()
        self.held: list[PowderLot] = []
        """Powder of the rods before."""
        self.empties: Callable[[], None] = lambda: None
        """Told that the canister is to be taken away."""

    def collect(self, drops: Drops, alloy: Alloy, critical: float, gas: Gas, step: float) -> None:
        """Drops fly to the wall and fall into the canister."""
        kept = self.stream.add(drops, alloy, critical, gas, step)
        total = float(kept.sum())
        if total > 0.0:
            self.drop_size = quantile(kept, 0.5)
            low, high = quantile(kept, 0.16), quantile(kept, 0.84)
            self.drop_spread = float(np.sqrt(high / max(low, 1e-9)))
        self.weigh()

    def blind(self) -> None:
        """No drops fly: the camera sees none."""
        self.drop_size = self.drop_spread = 0.0

    def weigh(self) -> None:
        """What the load cell carries."""
        self.mass = sum(lot.mass for lot in self.held) + self.stream.powder
        self.full = self.mass > 1e-6

    def driven(self, attribute: str) -> None:
        if attribute == "discharge" and self.discharge:
            self.empties()

    def hidden_state(self) -> dict[str, Any]:
        return {"stream": self.stream.plain(), "held": [lot.plain() for lot in self.held]}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        self.stream = Stream.of(hidden["stream"])
        self.held = [PowderLot.of(data) for data in hidden["held"]]

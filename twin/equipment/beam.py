"""What a scanner leads over the powder: a laser's beam or an electron gun's."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from twin.machine import Equipment
from twin.materials import Alloy
from twin.meltpool import INFRARED, MeltPool, MeltPoolModel

if TYPE_CHECKING:
    from twin.equipment.deflection import Deflection
    from twin.equipment.exposure import Track

__all__ = ["Beam"]

Floats = npt.NDArray[np.float64]


class Beam(Equipment, ABC):
    """The source of one beam as its deflection sees it.

    A subclass declares its signals; a boolean `emitting` must be among them, and `driven` must
    call `changed` for what acts on a beam that marks. All methods are looked up when a layer is
    planned, with readings as they are at that moment; what changes later is planned anew.
    """

    WALL_PLUG: ClassVar[float] = 1.0
    """Power of the beam over electrical power; what is lost is cooling water's to carry off."""

    emitting: bool
    wavelength: float = INFRARED
    """What the levels of melt-pool physics are told, m; see `material`."""
    scanner: Deflection | None = None

    def changed(self) -> None:
        """A setting changed that acts on what is being marked."""
        if self.scanner is not None:
            self.scanner.replan()

    @property
    @abstractmethod
    def demand(self) -> float:
        """Power (W) asked for the hatch; 0 while the beam is blanked."""

    @abstractmethod
    def source_power(self, demand: Floats) -> Floats:
        """Power (W) that the source's own meter sees for a demand (W), (n,)."""

    @abstractmethod
    def plate_power(self, demand: Floats, plume: Floats) -> Floats:
        """Power (W) that reaches the plate for a demand (W) behind a plume that takes a share."""

    @abstractmethod
    def radius(self, sigma: float, factor: Floats, demand: Floats, position: Floats) -> Floats:
        """Standard deviation of the spot (m), (n,).

        `sigma` (m): in focus at the hatch's setting, `factor`: of the vector's role, `demand`:
        power asked (W), `position`: where the vector begins on the plate (n, 2), m.
        """

    @abstractmethod
    def beam(self, mean_power: float) -> None:
        """The beam is on with `mean_power` (W demanded, mean over time) from now on; 0 ends it."""

    def back(self, plume: Floats) -> Floats:
        """Share of the pool's light (or electrons) that reaches the sensors along the beam, (n,).

        `plume`: share of power that the plume takes, (n,).
        """
        passed: Floats = 1.0 - plume
        return passed

    def material(self, alloy: Alloy) -> Alloy:
        """The alloy as the beam sees it, see `Alloy.absorbing`; the same object each time."""
        return alloy

    def pools(
        self, steady: MeltPoolModel, alloy: Alloy, power: Floats, speed: Floats, sigma: Floats,
        preheat: Floats, powder_layer: Floats, dwell: Floats,
    ) -> MeltPool:
        """Steady pools of stretches, all (n,), SI; see `MeltPoolModel.pools`.

        `dwell`: time (s) that the beam stands on each point of a stretch; 0 for lines. A beam
        that melts points must say here what their pools are.
        """
        return steady.pools(self.material(alloy), power, speed, sigma, preheat, self.wavelength,
                            powder_layer)

    def track_readings(self, track: Track) -> dict[str, Floats]:
        """By attribute, what readings of the beam itself are along its stretches (n,)."""
        return {}

    def pool_readings(
        self, pool: MeltPool, photodiode: Floats, pyrometer: Floats
    ) -> dict[str, Floats]:
        """By attribute, what readings along the beam are for pools (n,) and their light."""
        return {}

    def take_frame(
        self, pool: MeltPool, alloy: Alloy, preheat: float, angle: float, back: float, number: int
    ) -> None:
        """Frame `number` of the camera that looks along the beam, if there is one.

        One pool on a surface at `preheat` (K), the beam's direction (rad), `back` as above.
        """

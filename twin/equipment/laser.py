"""Laser sources with their optics, protective window and on-axis sensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from twin.equipment.beam import Beam
from twin.equipment.pictures import coaxial_frame
from twin.materials import Alloy
from twin.meltpool import MeltPool, defocused_sigma
from twin.signals import actuator, fault, image, measured
from twin.trajectory import Relaxation

if TYPE_CHECKING:
    from twin.equipment.exposure import Track

__all__ = ["LaserSource"]

Floats = npt.NDArray[np.float64]


class LaserSource(Beam):
    """A fibre (or green, blue) laser with collimator, protective window and on-axis sensors.

    Power on the plate = demand x calibration x (1 - drift) x window x (1 - plume). The pick-off
    power meter sits before the window, so it is blind to a dirty one. Power absorbed by the window
    shifts the focus (Rayleigh length z_R; spot = s0 sqrt(1 + (dz/z_R)^2)).
    """

    WINDOW = 0.985  # transmission of a clean window, default
    SHIFT = 2.0e-5  # m of focus shift per W absorbed in the window, default
    WINDOW_HEATING = 1.2  # K per W absorbed, default
    WINDOW_TIME = 60.0  # s, default
    WALL_PLUG = 0.35  # electrical to optical, default
    RAYLEIGH = 3.5e-3  # m, default
    DARK = 973.15  # K: what the pyrometer shows when it sees nothing

    power_meter = measured("W", low=0, high=1200, noise=0.4, quantum=0.1,
                           companion="Monitoring/Process/{name}Power",
                           doc="laser power at the pick-off, before the window")
    power_ratio = measured("%", low=0, high=200, start=100, noise=0.05, quantum=0.1,
                           companion="Monitoring/Health/{name}PowerRatio",
                           doc="power at the pick-off over the demand, mean over the last layer")
    back_reflection = measured("W", low=0, high=200, noise=0.05, quantum=0.01,
                               doc="power reflected back into the laser")
    window_temperature = measured("degC", low=0, high=200, start=22, noise=0.1, quantum=0.1,
                                  companion="Monitoring/Health/{name}WindowTemperature",
                                  doc="protective window temperature")
    emitting = measured(bool, doc="laser emits")
    photodiode = measured("mV", low=0, high=10_000, noise=4, quantum=0.5,
                          companion="Monitoring/Process/{name}Photodiode",
                          doc="on-axis photodiode, mean over the present vector")
    pyrometer = measured("degC", low=700, high=4000, start=700, noise=15, quantum=1,
                         companion="Monitoring/Process/{name}Pyrometer",
                         doc="on-axis single-colour pyrometer, mean over the present vector; "
                             "dims with the window")
    pool_width = measured("um", low=0, high=2000, noise=3, quantum=1,
                          companion="Monitoring/Process/{name}MeltPoolWidth",
                          doc="melt-pool width, coaxial camera")
    pool_length = measured("um", low=0, high=10_000, noise=10, quantum=1,
                           companion="Monitoring/Process/{name}MeltPoolLength",
                           doc="melt-pool length, coaxial camera")
    pool_depth = measured("um", low=0, high=3000, noise=5, quantum=1,
                          companion="Monitoring/Process/{name}MeltPoolDepth",
                          doc="melt-pool depth: a model value that the machine's monitoring "
                              "publishes; no sensor measures it")
    camera_frame = image(doc="newest coaxial frame of the melt pool, at most 5 per second; empty "
                             "unless the run has pictures")
    enable = actuator(bool, doc="laser gate: emission when the scanner marks")
    power = actuator("W", low=0, high=1000, doc="power demand for the hatch")
    focus = actuator("mm", low=-20, high=20, doc="focus offset from the build plane")
    power_drift = fault("%", low=-50, high=50, doc="loss of source power that its own meter sees")
    calibration_error = fault("%", low=-50, high=50, doc="power on the plate above or below the "
                              "demand, unseen by the power meter")
    contamination = fault("%", low=0, high=90, doc="further loss in the protective window")
    focus_error = fault("mm", low=-20, high=20, doc="focus offset nobody set")

    def __init__(self, wavelength: float = 1070e-9) -> None:
        super().__init__()
        self.wavelength = wavelength
        self.deposit = 0.0  # loss of transmission by fume

    def driven(self, attribute: str) -> None:
        self.changed()

    def tripped(self, power_lost: bool) -> None:
        self.enable = False
        self.power = 0.0

    @property
    def transmission(self) -> float:
        """True transmission of the protective window."""
        through: float = self.WINDOW * (1 - self.contamination) * (1 - self.deposit)
        return through

    @property
    def demand(self) -> float:
        """Power (W) asked for the hatch; 0 while the gate is closed."""
        return self.power if self.enable else 0.0

    def source_power(self, demand: Floats) -> Floats:
        """Power (W) at the pick-off for a demand."""
        power: Floats = demand * (1 - self.power_drift)
        return power

    def plate_power(self, demand: Floats, plume: Floats | float) -> Floats:
        """Power (W) on the plate behind window and plume."""
        through = (1 + self.calibration_error) * self.transmission * (1 - plume)
        power: Floats = self.source_power(demand) * through
        return power

    def sigma(self, sigma: float) -> float:
        """Beam radius on the plate (m) with focus offset, error and thermal shift.

        The window's temperature must be that of now (see `sense`).
        """
        heating = max(self.window_temperature - 295.15, 0.0) / self.WINDOW_HEATING
        offset = self.focus + self.focus_error + self.SHIFT * heating
        return float(defocused_sigma(sigma, offset, self.RAYLEIGH))

    def radius(self, sigma: float, factor: Floats, demand: Floats, position: Floats) -> Floats:
        """Standard deviation of the spot (m): lenses keep it over the plate and all powers."""
        return self.sigma(sigma) * factor

    def back(self, plume: Floats) -> Floats:
        """Transmission of plume and window, (n,)."""
        passed: Floats = self.transmission * (1 - plume)
        return passed

    def track_readings(self, track: Track) -> dict[str, Floats]:
        """What the pick-off sees on the way out and on the way back."""
        return {
            "power_meter": track.metered,
            "back_reflection": 0.02 * track.power * (1 - track.pool.absorptivity),
        }

    def pool_readings(
        self, pool: MeltPool, photodiode: Floats, pyrometer: Floats
    ) -> dict[str, Floats]:
        """What the on-axis sensors see."""
        return {"photodiode": photodiode, "pyrometer": pyrometer, "pool_width": pool.width,
                "pool_length": pool.length, "pool_depth": pool.depth}

    def take_frame(
        self, pool: MeltPool, alloy: Alloy, preheat: float, angle: float, back: float, number: int
    ) -> None:
        """The coaxial camera's newest frame."""
        self.camera_frame = coaxial_frame(pool, alloy, preheat, angle, back,
                                          self.plant.stream(f"{self.path}.camera", number))

    def beam(self, mean_power: float) -> None:
        """The laser emits `mean_power` (W) from now on; 0 ends it."""
        now = self.now
        self.sense(now)
        self.emitting = mean_power > 0
        self.draw(mean_power / self.WALL_PLUG)
        lost = mean_power * (1 - self.transmission)
        target = 295.15 + self.WINDOW_HEATING * lost
        self.follow("window_temperature",
                    Relaxation(now, self.window_temperature, target, self.WINDOW_TIME))
        if not self.emitting:
            for name in ("power_meter", "back_reflection", "photodiode", "pyrometer",
                         "pool_width", "pool_length", "pool_depth"):
                self.settle(name, self.DARK if name == "pyrometer" else 0.0)

    def hidden_state(self) -> dict[str, Any]:
        return {"deposit": self.deposit}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        self.deposit = hidden["deposit"]

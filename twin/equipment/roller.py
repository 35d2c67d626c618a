"""Counter-rotating roller instead of a blade: how densely it spreads, and wet powder on it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from math import exp, pi
from typing import Any

from twin.equipment.powder_bed import Recoater
from twin.signals import actuator, fault, measured
from twin.trajectory import Relaxation

__all__ = ["RollerRecoater"]


class RollerRecoater(Recoater):
    """A recoater whose roller turns against its travel.

    It packs the bed best when its surface is several times as fast as its travel. Powder that is
    still wet sticks to it: the torque rises and the bed is smeared.
    """

    DIAMETER = 0.02  # m, default
    RATIO = 0.6  # surface over travel speed in which two thirds of the packing are won, default
    LOOSE = 0.08  # share of the packing that a roller which does not turn loses, default
    STICKY = 4e-3  # kg/m2 of carrier from which powder sticks, default
    CLING = 250.0  # N m per kg/m2 beyond it, default
    FRICTION = 0.5  # N m, default

    roller_speed_actual = measured("rpm", low=0, high=1000, noise=0.3, quantum=0.1,
                                   doc="roller speed")
    vibration = measured("mm/s", low=0, high=50, noise=0.02, quantum=0.01,
                         companion="Monitoring/Health/RollerVibration",
                         doc="vibration of the roller's bearings, r.m.s.")
    roller_speed = actuator("rpm", low=0, high=600, start=300, doc="roller speed demand")
    roller_runout = fault("um", low=0, high=200, doc="eccentricity of the roller: the layer's "
                          "thickness waves with its turns")
    roller_failure = fault(bool, doc="the roller's motor stands still")

    def __init__(self, spread: Callable[[], None], depth: Callable[[], float],
                 moisture: Callable[[], float]) -> None:
        """`moisture` tells the carrier (kg/m2) that the bed still holds."""
        super().__init__("soft", spread, depth)
        self._moisture = moisture
        self.smeared = 0.0  # share by which wet powder disturbed the last layer

    def driven(self, attribute: str) -> None:
        if attribute in ("roller_speed", "roller_failure", "roller_runout"):
            self._spin()
        elif attribute == "recoat" and self.recoat:
            wet = max(self._moisture() - self.STICKY, 0.0)
            self.smeared = 1.0 - exp(-wet / self.STICKY)
            self.FRICTION = type(self).FRICTION + self.CLING * wet
        super().driven(attribute)

    def started(self) -> None:
        super().started()
        if "roller_speed_actual" not in self.trajectories:
            self._spin()

    def _spin(self) -> None:
        now = self.now
        self.sense(now)
        speed = 0.0 if self.roller_failure else self.roller_speed
        self.follow("roller_speed_actual", Relaxation(now, self.roller_speed_actual, speed, 1.0))
        shaken = 0.2e-3 + self.roller_runout * speed * 2 * pi * 0.7
        self.follow("vibration", Relaxation(now, self.vibration, shaken * (speed > 0), 2.0))

    @property
    def compaction(self) -> float:
        """Packing of the bed over that of a roller at its best."""
        self.sense(self.now)
        surface = pi * self.DIAMETER * self.roller_speed_actual
        return 1.0 - self.LOOSE * exp(-surface / (self.RATIO * max(self.travel_speed, 1e-3)))

    def _spread(self) -> Generator[Any, Any, None]:
        yield from super()._spread()
        if self.at_home:
            # Runout shows as bands across the stroke, seen by the camera as streaks are.
            self.bed_streak = max(self.bed_streak, self.roller_runout / (
                self.roller_runout + 4 * max(self.layer, 1e-9)))

    def hidden_state(self) -> dict[str, Any]:
        return {**super().hidden_state(), "smeared": self.smeared, "friction": self.FRICTION}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        super().restore_hidden(hidden)
        self.smeared, self.FRICTION = hidden["smeared"], hidden["friction"]

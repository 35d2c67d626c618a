"""Powder bed: platform with heater and the part on it, recoater, powder supply and overflow."""

from __future__ import annotations

from collections.abc import Callable, Generator
from math import exp, inf, isfinite
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import simpy

from twin.machine import AMBIENT, Equipment
from twin.materials import Alloy
from twin.meltpool.part_heat import HeatLoss, PartHeat, solid
from twin.parts.islands import islands, locate
from twin.parts.layers import BuildPlan
from twin.parts.summaries import Cells, SummaryPlan
from twin.signals import actuator, fault, measured
from twin.trajectory import Constant, Polyline, Relaxation

__all__ = ["Platform", "Recoater", "Stage"]

Floats = npt.NDArray[np.float64]


class Stage(Equipment):
    """Build platform: Z axis and the parts on it; what keeps the plate warm is a subclass's.

    Parts: see `PartHeat`; they warm as they grow, over narrow feet and overhangs, and when a
    layer takes less time.
    """

    Z_SPEED = 5e-3  # m/s, default
    RETURN = 2e-3  # m: lowers further and returns, against backlash, default

    z = measured("mm", low=0, high=500, quantum=0.001,
                 companion="Monitoring/Process/PlatformPosition",
                 doc="platform depth below the first layer")
    in_position = measured(bool, start=True, doc="platform stands at the demanded depth")
    temperature = measured("degC", low=0, high=600, start=20, noise=0.1, quantum=0.1,
                           companion="Monitoring/Process/PlateTemperature",
                           doc="build plate temperature")
    part_temperature = measured("degC", low=0, high=1500, start=20, noise=0.5, quantum=0.1,
                                companion="Monitoring/Process/InterlayerTemperature",
                                doc="surface temperature of the part between layers, infrared")
    z_demand = actuator("mm", low=0, high=500, doc="depth to move to")

    def __init__(self, loss: HeatLoss | None = None) -> None:
        super().__init__()
        self.parts = PartHeat(loss)
        self._laid = -1  # number of the layer last laid, from 0

    @property
    def around(self) -> float:
        """Temperature (K) of gas and walls, and of the powder before it is spread."""
        return AMBIENT

    @property
    def depth(self) -> float:
        """True depth (m) now."""
        way = self.trajectories.get("z")
        return way.at(self.now) if way else self.z

    @property
    def moving(self) -> bool:
        """Whether the Z axis is under way."""
        return not self.in_position

    def driven(self, attribute: str) -> None:
        if attribute == "z_demand":
            self.plant.run(self._move(self.z_demand))

    def tripped(self, power_lost: bool) -> None:
        self.parts.advance(self.now)
        self.parts.heat([])
        self._anchor_part()
        if not self.in_position:
            # The drive brakes where it is, and that is its new demand.
            self.settle("z", self.z)
            self.z_demand, self.in_position = self.z, True

    def _move(self, target: float) -> Generator[Any, Any, None]:
        self.in_position = False
        start = self.now
        self.sense(start)
        beyond = target + self.RETURN if target > self.z else target
        first = abs(beyond - self.z) / self.Z_SPEED
        second = abs(beyond - target) / self.Z_SPEED
        times = [start, start + first] + ([start + first + second] if second else [])
        self.follow("z", Polyline(tuple(times), (self.z, beyond, target)[: len(times)]))
        yield self.plant.env.timeout(first + second)
        if self.z_demand == target:
            self.settle("z", target)
            self.in_position = True

    def _anchor_part(self, time: float | None = None) -> None:
        """Begin the parts' course anew from what they are at `time`."""
        now = self.now if time is None else time
        self.sense(now)
        self.parts.advance(now)
        plate = self.trajectories.get("temperature")
        if self.parts.areas:
            times, tops = self._course()
            self.follow("part_temperature", Polyline(tuple(times.tolist()), tuple(tops.tolist())))
        elif plate is None:
            self.settle("part_temperature", self.temperature)
        else:
            self.follow("part_temperature", plate)

    def _course(self) -> tuple[Floats, Floats]:
        plate = self.trajectories.get("temperature") or Constant(self.temperature)
        return self.parts.follow(plate.at, self.around)

    def clear(self) -> None:
        """A clean plate."""
        self.parts.clear()
        self._laid = -1
        self._anchor_part()

    def lay(
        self, plan: BuildPlan | SummaryPlan, index: int, alloy: Alloy
    ) -> npt.NDArray[np.intp]:
        """Layer `index` (from 0) is about to be marked; the island of each vector or group (n,).

        -1 stands for vectors of supports. The first call for a layer puts it on the parts, a
        further one (marked again) changes nothing; layer 0 begins on a clean plate.
        """
        found = islands(plan, index)
        if index != self._laid:
            if index == 0:
                self.parts.clear()
            now = self.now
            self.sense(now)
            self.parts.advance(now)
            # The first powder lies on the plate.
            bed = 0.5 * (self.temperature + self.around) if index > 0 else self.temperature
            self.parts.lay(plan.layer(index).thickness, found.area, found.outline, found.contacts,
                           solid(alloy), bed, found.support)
            self._laid = index
            self._anchor_part(now)
        return found.vector

    def interlayer(self, island: npt.NDArray[np.intp]) -> Floats:
        """Temperature (K) now at vectors on these islands (n,) before the beam comes.

        That of the plate for vectors of supports, -1.
        """
        self.sense(self.now)
        warm = np.append(self.parts.tops(self.now) if self.parts.areas else [], self.temperature)
        chosen: Floats = warm[island]
        return chosen

    def preheat(self, plan: BuildPlan, index: int) -> Callable[[Floats], Floats]:
        """The parts' temperature (K) now over positions (m, 2) in layer `index`, just laid."""
        tops = self.parts.tops(self.now)
        return lambda points: tops[locate(plan, index, points)]

    def expose(
        self, island: npt.NDArray[np.intp], begun: Floats, ended: Floats, energy: Floats
    ) -> None:
        """The heat to come: vectors on islands (n,), from `begun` to `ended` (s), `energy` (J).

        Replaces what was said before, so all vectors that still mark belong to it; what lies
        before now has been taken up already. Each island takes its energy evenly between its
        first and its last vector. Supports give theirs to plate and powder.
        """
        windows = []
        for number in range(len(self.parts.areas)):
            mine = (island == number) & np.isfinite(ended) & (ended > self.now)
            if mine.any():
                left = (ended[mine] - np.maximum(begun[mine], self.now)) / np.maximum(
                    ended[mine] - begun[mine], 1e-12)
                first = max(float(begun[mine].min()), self.now)
                last = float(ended[mine].max())
                windows.append((number, first, last, float(energy[mine] @ left) / (last - first)))
        self.parts.advance(self.now)
        self.parts.heat(windows)
        self._anchor_part()

    def hidden_state(self) -> dict[str, Any]:
        return {"parts": self.parts.state(), "laid": self._laid}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        self.parts.restore(hidden["parts"])
        self._laid = hidden["laid"]
        if self.parts.areas:
            self._course()


class Platform(Stage):
    """A stage whose plate has an electrical heater with its own temperature controller.

    Plate: C dT/dt = P - G (T - T_amb), full power until the setpoint, then held there by the
    heater's controller.
    """

    HEAT_CAPACITY = 11_000.0  # J/K: steel plate and heater block, default
    LOSS = 5.0  # W/K, default
    POWER = 2_500.0  # W, default

    heater_power = measured("W", low=0, high=4000, quantum=1, doc="electrical heater power")
    heater_failure = fault(bool, doc="the plate heater gives no heat")
    temperature_demand = actuator("degC", low=0, high=500, start=20,
                                  doc="setpoint of the plate heater's controller; 20 or less = off")

    def __init__(self, warms: Callable[[float], None], loss: HeatLoss | None = None) -> None:
        super().__init__(loss)
        self._warms = warms
        self._epoch = 0  # of the plate's regime; what waits for an older one has nothing to do

    def driven(self, attribute: str) -> None:
        if attribute == "z_demand":
            super().driven(attribute)
        else:
            self._anchor_plate()

    def started(self) -> None:
        if self.trajectories:
            self._arm()

    def tripped(self, power_lost: bool) -> None:
        self.temperature_demand = AMBIENT
        self._anchor_plate()
        super().tripped(power_lost)

    def _anchor_plate(self, time: float | None = None) -> None:
        now = self.now if time is None else time
        self.sense(now)
        demand = AMBIENT if self.heater_failure else self.temperature_demand
        self._warms(demand)
        if demand <= AMBIENT + 1e-9 or self.temperature > demand + 1e-6:
            self.heater_power = 0.0
            self._plate(Relaxation(now, self.temperature, AMBIENT, self._plate_tau))
        elif self.temperature < demand - 1e-6:
            self.heater_power = self.POWER
            hot = AMBIENT + self.POWER / self.LOSS
            self._plate(Relaxation(now, self.temperature, hot, self._plate_tau))
        else:
            self.heater_power = self.LOSS * (demand - AMBIENT)
            self.settle("temperature", demand)
        self.draw(self.heater_power)
        self._arm()
        self._anchor_part(now)

    @property
    def _plate_tau(self) -> float:
        return self.HEAT_CAPACITY / self.LOSS

    def _plate(self, trajectory: Relaxation) -> None:
        self.follow("temperature", trajectory)

    def _arm(self) -> None:
        self._epoch += 1
        plate = self.trajectories.get("temperature")
        if not isinstance(plate, Relaxation):
            return
        if self.temperature_demand > AMBIENT + 1e-9 and not self.heater_failure:
            due = plate.crossing(self.temperature_demand)
            if isfinite(due):
                self.plant.run(self._reached(due, self._epoch))

    def _reached(self, due: float, epoch: int) -> Generator[Any, Any, None]:
        # The heater's controller takes over when the setpoint is reached, from either side.
        yield self.plant.env.at(due)
        if epoch == self._epoch:
            self.settle("temperature", self.temperature_demand)
            self._anchor_plate(due)


class Recoater(Equipment):
    """Recoater with powder supply and overflow: one stroke per layer, there and back.

    Torque = friction + stiffness x protrusion; a protrusion above a share of the layer that
    depends on the blade stops the stroke: a crash.

    Powder is counted in `CELLS` strips along the stroke. A stroke brings dosing factor x layer x
    bed area, wherever it is needed, and fills the strips from near to far; what is missing at the
    far end is missing there until a later dose reaches so far.
    """

    TRAVEL = 0.42  # m, default
    FRICTION = 0.8  # N m, default
    STIFFNESS = 1.5e5  # N m per m of protrusion, hard blade, default
    CRASH_SHARE = MappingProxyType({"hard": 0.6, "soft": 1.2})  # per layer thickness, default
    CRASH_TORQUE = 15.0  # N m at which the drive gives up, default
    TORN = 0.5  # share of a protrusion that is left after a crash, default
    CRASH_TIME = 0.1  # s from contact to the stop, default
    CELLS = 56
    FAR = 0.3  # share of the bed that the camera's far field shows
    NICK = (0.0, 1e-3)  # m: middle and half width of the streak that a nick leaves, default
    CAPACITY = 60.0  # kg of powder in the supply, default
    TORN_OPEN = 0.3  # of the layer: what torn powder leaves lower than that looks bare, default
    BED = (0.28, 0.28)  # m: width and length covered

    position = measured("mm", low=0, high=500, quantum=0.1, doc="recoater position")
    at_home = measured(bool, start=True, doc="recoater at its home position")
    torque = measured("N.m", low=0, high=20, noise=0.03, quantum=0.01,
                      companion="Monitoring/Health/RecoaterTorque", doc="drive torque")
    fault_active = measured(bool, doc="drive stopped: torque limit or position error")
    powder_level = measured("%", low=0, high=100, start=100, noise=0.05, quantum=0.1,
                            companion="Monitoring/Health/PowderLevel", doc="powder supply level")
    overflow_level = measured("%", low=0, high=100, noise=0.05, quantum=0.1,
                              doc="overflow container level")
    bed_brightness = measured("%", low=0, high=100, start=80, noise=0.3, quantum=0.1,
                              companion="Monitoring/Process/BedBrightness",
                              doc="camera: mean brightness of the far end of the bed after recoat; "
                                  "falls when powder does not reach it")
    bed_streak = measured("%", low=0, high=100, noise=0.2, quantum=0.1,
                          doc="camera: contrast of the strongest streak along the stroke")
    position_error = measured("mm", low=0, high=500, noise=0.02, quantum=0.01,
                              companion="Monitoring/Health/RecoaterPositionError",
                              doc="recoater position behind its demand")
    travel_speed = actuator("mm/s", low=10, high=500, start=150, doc="recoating speed")
    dosing_factor = actuator("", low=0.5, high=5, start=2, doc="powder dosed per powder needed")
    recoat = actuator(bool, edge=True, doc="recoat (rising edge)")
    reset_drive = actuator(bool, edge=True, doc="acknowledge a drive fault and go home (rising "
                           "edge)")
    short_feed = fault("%", low=0, high=100, doc="share of the dose that is missing")
    blade_nick = fault("um", low=0, high=500, doc="depth of a nick in the blade")
    jam = fault(bool, doc="recoater drive blocked")

    def __init__(self, blade: str, spread: Callable[[], None],
                 depth: Callable[[], float]) -> None:
        """`spread` is called when powder was spread; `depth` tells how far the platform is down."""
        super().__init__()
        if blade not in self.CRASH_SHARE:
            raise ValueError(f"blade must be one of {', '.join(self.CRASH_SHARE)}, not {blade!r}")
        self.blade = blade
        self._spread_over = spread
        self._depth = depth
        self.layer = 0.0  # m, thickness of the layer to spread
        self.powder_density = 4000.0  # kg/m3, bulk
        self.protrusion = 0.0  # m, highest point of the part above the plane
        self.covered = 1.0  # share of the bed that is full after the last stroke
        self.uneven = 0.0  # relative deviation of the layer from place to place, by the powder
        self.stock = inf  # kg that the machine was given for the job, supply included
        self.dosed = self.spread = 0.0  # kg since the plate was clean; the spread part lies on it
        self._strokes = 0
        self._filled = np.zeros(self.CELLS)  # m over the first layer's floor, by strip
        self._fresh = np.zeros(self.CELLS)  # m of it that is unmelted since the last exposure
        self._stroke: simpy.Process | None = None

    def driven(self, attribute: str) -> None:
        ready = self.at_home and not self.fault_active and self.plant.energised
        if attribute == "recoat" and self.recoat and ready:
            self._stroke = self.plant.run(self._spread())
        elif attribute == "jam" and self.jam and self.moving:
            self.crash()
        elif attribute == "reset_drive" and self.reset_drive and not self.jam \
                and self.plant.energised:
            self.fault_active = False
            self.settle("position_error", 0.0)
            if not self.at_home and not self.moving:
                self._stroke = self.plant.run(self._retract())

    def tripped(self, power_lost: bool) -> None:
        self.recoat = False
        if self._stroke is not None and self._stroke.is_alive:
            self._stroke.interrupt("safety chain")
            self._stop()

    @property
    def moving(self) -> bool:
        """Whether a stroke is under way."""
        return self._stroke is not None and self._stroke.is_alive

    def empty(self) -> None:
        """A clean plate: no powder lies on the bed, nothing stands out of it."""
        self._filled = np.zeros(self.CELLS)
        self._fresh = np.zeros(self.CELLS)
        self.protrusion, self.covered = 0.0, 1.0
        self.dosed = self.spread = 0.0
        self._strokes = 0

    def powder(self, points: Floats) -> Floats:
        """Height (m) of unmelted powder at points (n, 2) of the plate, m; shape (n,).

        It is the height before it settles: the metal that it becomes is as high.
        """
        return self.height(self.cell_of(points))

    def height(self, cell: npt.NDArray[np.integer[Any]]) -> Floats:
        """Height (m) of unmelted powder in cells of the bed (n,)."""
        strip, streak = cell // 2, cell % 2 == 1
        height = self._fresh[strip]
        nicked: Floats = height + self.blade_nick * (streak & (height > 0))
        return nicked

    @classmethod
    def cell_of(cls, points: Floats) -> npt.NDArray[np.intp]:
        """Cell of the bed at points (n, 2) of the plate, m; within one, powder is equally high.

        Even numbers are strips along the stroke, odd ones the part of a strip below the nick.
        """
        strip = ((points[:, 0] / cls.BED[0] + 0.5) * cls.CELLS).astype(int)
        middle, half = cls.NICK
        streak = np.abs(points[:, 1] - middle) <= half
        found: npt.NDArray[np.intp] = 2 * np.clip(strip, 0, cls.CELLS - 1) + streak
        return found

    @classmethod
    def cells(cls) -> Cells:
        """How the bed is divided, for summaries of layers."""
        return Cells(f"{cls.CELLS} strips of {cls.BED}, nick {cls.NICK}", cls.cell_of)

    def melted(self) -> None:
        """The bed was exposed: its powder is no longer fresh."""
        self._fresh = np.zeros(self.CELLS)

    def _dose(self) -> None:
        area = self.BED[0] * self.BED[1]
        dose = area * self.layer * self.powder_density * self.dosing_factor
        dose = min(dose * (1 - self.short_feed), self.powder_level * self.CAPACITY)
        self.powder_level -= dose / self.CAPACITY
        self.take_feedstock(dose)
        gap = np.maximum(self._depth() + self.layer - self._filled, 0.0)
        strip = area / self.CELLS * self.powder_density  # kg per m of height
        needed = np.cumsum(gap) * strip
        # What reaches a strip is what the nearer ones left.
        fill = np.clip(dose - (needed - gap * strip), 0.0, gap * strip) / strip
        full = 1e-9
        self._strokes += 1
        if self.uneven > 0.0:
            # Powder that flows badly tears: places stay lower, and are filled by later strokes.
            chance = self.plant.stream("spreading", self._strokes).standard_normal(self.CELLS)
            fill = fill * np.clip(1.0 - self.uneven * np.abs(chance), 0.1, 1.0)
            full = self.TORN_OPEN * self.layer
        self._filled = self._filled + fill
        self._fresh = self._fresh + fill
        left = gap - fill > full
        self.covered = 1.0 - float(left.mean())
        spread = float(fill.sum()) * strip
        self.dosed += dose
        self.spread += spread
        self.overflow_level = min(1.0, self.overflow_level + (dose - spread) / self.CAPACITY)
        far = left[int((1 - self.FAR) * self.CELLS):]
        self.bed_brightness = 0.8 - 0.5 * float(far.mean())
        self.bed_streak = max(self.blade_nick / (self.blade_nick + 2 * self.layer),
                              float(fill.std()) / self.layer if self.uneven > 0.0 else 0.0)
        if left.any():
            self.log("process", "powder did not cover the bed", covered=self.covered)

    def _spread(self) -> Generator[Any, Any, None]:
        env, start = self.plant.env, self.now
        self.at_home = False
        stroke = self.TRAVEL / self.travel_speed
        contact = start + 0.5 * stroke
        rise = self.STIFFNESS * self.protrusion * (1.0 if self.blade == "hard" else 0.25)
        limit = self.CRASH_SHARE[self.blade] * self.layer
        crashes = self.jam or (self.layer > 0 and self.protrusion > limit)
        self.follow("position", Polyline((start, start + stroke, start + 2 * stroke),
                                         (0.0, self.TRAVEL, 0.0)))
        low = self.FRICTION
        self.follow("torque", Polyline(
            (start, start + 0.1, contact - 0.05, contact, contact + 0.3 * stroke,
             start + stroke, start + 2 * stroke, start + 2 * stroke + 0.1),
            (0.0, low, low, low + rise, low + 0.5 * rise, low, 0.6 * low, 0.0)))
        try:
            if crashes:
                yield env.timeout(contact - start)
                self.crash()
                return
            yield env.timeout(stroke)
            self._dose()
            self._spread_over()
            yield env.timeout(stroke)
        except simpy.Interrupt:
            return
        self.settle("position", 0.0)
        self.settle("torque", 0.0)
        self.at_home = True

    def crash(self) -> None:
        """The blade meets something: the torque rises to its limit, then the drive stops."""
        now = self.now
        if self._stroke is not None and self._stroke.is_alive and \
                self._stroke is not self.plant.env.active_process:
            self._stroke.interrupt("crash")
        self.log("process", "recoater crash", protrusion=self.protrusion, blade=self.blade)
        self._stop()
        end = now + self.CRASH_TIME
        self.follow("torque", Polyline((now, end, end + 1.0),
                                       (self.FRICTION, self.CRASH_TORQUE, 0.0)))
        self.follow("position_error", Polyline((now, end),
                                               (0.0, self.CRASH_TIME * self.travel_speed)))
        self._stroke = self.plant.run(self._give_up())
        # The blade takes part of the raised edge with it.
        self.protrusion *= self.TORN

    def _give_up(self) -> Generator[Any, Any, None]:
        try:
            yield self.plant.env.timeout(self.CRASH_TIME)
        except simpy.Interrupt:
            return
        self.fault_active = True
        self.log("interlock", "recoater drive stopped: torque limit")

    def _stop(self) -> None:
        self.sense(self.now)
        self.settle("position", self.position)
        self.settle("torque", 0.0)

    def _retract(self) -> Generator[Any, Any, None]:
        start, first = self.now, self.position
        duration = max(first / self.travel_speed, 0.05)
        self.follow("position", Polyline((start, start + duration), (first, 0.0)))
        try:
            yield self.plant.env.timeout(duration)
        except simpy.Interrupt:
            return
        self.settle("position", 0.0)
        self.at_home = True

    def refill(self) -> None:
        """Fill the supply and empty the overflow, as an operator does before a job."""
        left = max(self.stock - self.dosed, 0.0)
        self.powder_level, self.overflow_level = min(1.0, left / self.CAPACITY), 0.0

    def curl(self, thickness: float, overhang: float, drop: float) -> None:
        """Curl of the layer just exposed, from its unsupported share and temperature drop (K).

        Thermal strain alpha dT bends unsupported edges up; default constant: an unsupported
        share of 1 at a drop of 1300 K protrudes by 0.45 of the layer.
        """
        raised = 0.45 * thickness * overhang * drop / 1300.0
        # Each layer on top presses the older curl down.
        self.protrusion = self.protrusion * exp(-1 / 3) + raised

    def hidden_state(self) -> dict[str, Any]:
        return {"layer": self.layer, "density": self.powder_density, "covered": self.covered,
                "protrusion": self.protrusion, "uneven": self.uneven, "dosed": self.dosed,
                "stock": self.stock if isfinite(self.stock) else None,
                "spread": self.spread, "strokes": self._strokes, "filled": self._filled.tolist(),
                "fresh": self._fresh.tolist()}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        self.layer, self.powder_density = hidden["layer"], hidden["density"]
        self.covered, self.protrusion = hidden["covered"], hidden["protrusion"]
        self._filled, self._fresh = np.array(hidden["filled"]), np.array(hidden["fresh"])
        self.uneven, self._strokes = hidden["uneven"], hidden["strokes"]
        self.dosed, self.spread = hidden["dosed"], hidden["spread"]
        self.stock = inf if hidden["stock"] is None else hidden["stock"]
        self._stroke = None

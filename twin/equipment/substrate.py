"""The part that grows by deposition and the plate under it: interpass temperature.

Two bodies, part and plate:

    C dT/dt = P - G (T - Tp) - (h + h_rad) S (T - Ta),
    Cp dTp/dt = Ph + G (T - Tp) - Gt (Tp - Ta)

Each follows a closed form with the other held and radiation linearised; both are anchored anew
when either has moved by a step, so that no look changes a bit.
"""

from __future__ import annotations

from collections.abc import Generator
from math import inf, pi, sqrt
from typing import Any

from twin.machine import AMBIENT, Equipment
from twin.materials import Alloy
from twin.physics.deposition import loss_conductance, thick_rise
from twin.signals import actuator, fault, measured
from twin.trajectory import Relaxation

__all__ = ["DepositedPart"]


class DepositedPart(Equipment):
    """Part and heated plate on the machine's table."""

    PLATE_CAPACITY = 8_000.0  # J/K: about 17 kg of steel, default
    TABLE = 12.0  # W/K from the plate through the clamps into the table, default
    SPREADING = 2.26  # of k sqrt(A): an isothermal spot on a half space, 4 k a (Carslaw, Jaeger)
    TRANSFER = 15.0  # W/(m2 K) convection in quiet shielding gas, default
    EMISSIVITY = 0.5  # oxidised metal, default
    HEATER = 3_000.0  # W of the plate heater, default
    STEP = 40.0  # K: no closed form is followed further than this
    SOONEST = 0.5  # s between two anchors that time alone brings

    temperature = measured("degC", low=0, high=1500, start=20, noise=1.0, quantum=0.1,
                           companion="Monitoring/Process/InterpassTemperature",
                           doc="interpass temperature: the part's surface, infrared")
    plate_temperature = measured("degC", low=0, high=1000, start=20, noise=0.2, quantum=0.1,
                                 companion="Monitoring/Process/PlateTemperature",
                                 doc="build plate temperature")
    heater_power = measured("W", low=0, high=5000, quantum=1, doc="electrical heater power")
    temperature_demand = actuator("degC", low=0, high=700, start=20,
                                  doc="setpoint of the plate heater's controller; 20 or less = off")
    cooling_loss = fault("%", low=0, high=100, doc="share of the heat flow into table and gas "
                         "that is lost: clamps loose, table water off")
    heater_failure = fault(bool, doc="the plate heater gives no heat")

    def __init__(self) -> None:
        super().__init__()
        self.alloy: Alloy | None = None
        self.mass = self.height = self.footprint = 0.0
        self._power = 0.0
        self._local = (0.0, 0.0)  # line energy of the last pass (J/m), when it ended
        self._epoch = 0

    def load(self, alloy: Alloy | None) -> None:
        """A clean plate for an alloy."""
        self.alloy = alloy
        self.mass = self.height = self.footprint = 0.0
        self._power, self._local = 0.0, (0.0, 0.0)
        self.sense(self.now)
        self.settle("temperature", self.plate_temperature)
        self._anchor()

    # -- what deposition does -----------------------------------------------------------------

    def heat(self, power: float) -> None:
        """The part takes up so much (W) from now on."""
        if power != self._power:
            self._power = power
            self._anchor()

    def laid(self, mass: float, footprint: float, height: float, line_energy: float) -> None:
        """A pass has added `mass` (kg) of a layer over `footprint` (m2), up to `height` (m).

        `line_energy`: what it took up per length, J/m.
        """
        now = self.now
        self.sense(now)
        total = self.mass + mass
        if total > 0:
            # The metal comes in cold; the heat that melted it is in what the part takes up.
            cold = self.plate_temperature if self.mass == 0 else AMBIENT
            warm = (self.mass * self.temperature + mass * cold) / total
            self.settle("temperature", warm)
        self.mass, self.height, self.footprint = total, max(height, 1e-5), footprint
        self._local = (line_energy, now)
        self._anchor()

    def interpass(self, time: float) -> float:
        """Temperature (K) that a pass beginning at `time` (s), now or later, finds.

        That of the part, and what is left of the last pass's heat in a thick body.
        """
        assert self.alloy is not None
        body = self._at("temperature", time)
        energy, ended = self._local
        if energy > 0:
            k = float(self.alloy.conductivity(min(max(body, 300.0), self.alloy.solidus)))
            body += min(float(thick_rise(energy, k, max(time - ended, 0.5))),
                        0.5 * max(self.alloy.solidus - body, 0.0))
        return body

    def _at(self, name: str, time: float) -> float:
        course = self.trajectories.get(name)
        return course.at(time) if course else float(getattr(self, name))

    # -- the two bodies -----------------------------------------------------------------------

    def driven(self, attribute: str) -> None:
        self._anchor()

    def started(self) -> None:
        if self.trajectories:
            self._arm()

    def tripped(self, power_lost: bool) -> None:
        self.temperature_demand = AMBIENT
        self._power = 0.0
        self._anchor()

    def _conductance(self) -> float:
        """Between part and plate, W/K."""
        if self.alloy is None or self.footprint <= 0:
            return 0.0
        k = float(self.alloy.conductivity(min(max(self.temperature, 300.0), self.alloy.solidus)))
        into = 1 / (self.SPREADING * k * sqrt(self.footprint))
        return 1 / (into + 0.5 * self.height / (k * self.footprint))

    def _capacity(self, warm: float) -> float:
        """Of the part, and of the plate near it: half of a hemisphere over the footprint, J/K."""
        assert self.alloy is not None
        near = 0.5 * 2 / 3 * pi * (self.footprint / pi) ** 1.5
        mass = self.mass + near * float(self.alloy.density(300.0))
        return float(mass * float(self.alloy.specific_heat(warm)))

    def _anchor(self) -> None:
        now = self.now
        self.sense(now)
        alloy, share = self.alloy, 1 - self.cooling_loss
        part, plate = self.temperature, self.plate_temperature
        inward = 0.0
        if alloy is None or self.mass <= 0:
            inward = self._power
            self.settle("temperature", plate)
        else:
            warm = min(max(part, 300.0), alloy.solidus)
            capacity = self._capacity(warm)
            through = self._conductance()
            skin = self.footprint + 4 * sqrt(self.footprint) * self.height
            lost = share * loss_conductance(warm, AMBIENT, skin, self.TRANSFER, self.EMISSIVITY)
            total = through + lost
            rest = (through * plate + lost * AMBIENT + self._power) / total
            self.follow("temperature", Relaxation(now, part, rest, capacity / total))
            # The part will have gone half its step by the middle of the time ahead.
            ahead = 0.5 * min(max(rest - part, -self.STEP), self.STEP)
            inward = through * (part + ahead - plate)
        self._warm_plate(now, plate, inward, max(self.TABLE * share, 0.3))
        self._arm()

    def _warm_plate(self, now: float, plate: float, inward: float, table: float) -> None:
        demand = AMBIENT if self.heater_failure else self.temperature_demand
        free = AMBIENT + inward / table
        tau = self.PLATE_CAPACITY / table
        self.heater_power = 0.0
        if demand > AMBIENT + 1e-9 and plate < demand - 1e-6:
            self.heater_power = self.HEATER
            self.follow("plate_temperature",
                        Relaxation(now, plate, free + self.HEATER / table, tau))
        elif demand > AMBIENT + 1e-9 and plate <= demand + 1e-6 and free < demand:
            self.heater_power = min(table * (demand - free), self.HEATER)
            self.settle("plate_temperature", demand)
        else:
            self.follow("plate_temperature", Relaxation(now, plate, free, tau))
        if self.mass <= 0:
            # Nothing is on the plate: what looks at the part sees the plate.
            course = self.trajectories.get("plate_temperature")
            if course is not None:
                self.follow("temperature", course)
            else:
                self.settle("temperature", self.plate_temperature)
        self.draw(self.heater_power)

    def _arm(self) -> None:
        """Anchor again where one of the two has gone its step, or the heater's setpoint is met."""
        self._epoch += 1
        due = inf
        for name in ("temperature", "plate_temperature"):
            course = self.trajectories.get(name)
            if not isinstance(course, Relaxation):
                continue
            step = self.STEP if course.target > course.first else -self.STEP
            level = course.first + step
            if abs(course.target - course.first) > 1.02 * self.STEP:
                due = min(due, max(course.crossing(level), course.since + self.SOONEST))
            if name == "plate_temperature" and not self.heater_failure:
                due = min(due, course.crossing(self.temperature_demand)
                          if self.temperature_demand > AMBIENT + 1e-9
                          and abs(course.first - self.temperature_demand) > 1e-6 else inf)
        if due < inf:
            self.plant.run(self._again(due, self._epoch))

    def _again(self, due: float, epoch: int) -> Generator[Any, Any, None]:
        yield self.plant.env.at(due)
        if epoch == self._epoch:
            demand = self.temperature_demand
            if abs(self._at("plate_temperature", due) - demand) < 1e-6:
                self.settle("plate_temperature", demand)
            self._anchor()

    def hidden_state(self) -> dict[str, Any]:
        return {"mass": self.mass, "height": self.height, "footprint": self.footprint,
                "power": self._power, "local": list(self._local)}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        self.mass, self.height = hidden["mass"], hidden["height"]
        self.footprint, self._power = hidden["footprint"], hidden["power"]
        first, second = hidden["local"]
        self._local = (first, second)

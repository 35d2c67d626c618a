"""Hot zones of a sintering furnace: elements, thermocouples, load, limiter, programme."""

from __future__ import annotations

from collections.abc import Callable, Generator
from math import ceil, exp
from typing import Any

from twin.equipment.charge import ChargedPart, GreenPart, SinterMaterial
from twin.equipment.furnace_gas import Retort
from twin.equipment.services import Chiller, SafetyChain
from twin.machine import AMBIENT, Equipment
from twin.materials import STEFAN_BOLTZMANN
from twin.signals import actuator, fault, measured
from twin.trajectory import Polyline, Ramp

__all__ = ["Furnace", "HeatingZone"]


class HeatingZone(Equipment):
    """One zone: heating element, and the thermocouple that its controller goes by."""

    POWER = 15_000.0  # W, default
    VOLTAGE = 60.0  # V at full power, default
    LAG = 20.0  # s of the thermocouple, default

    temperature = measured("degC", low=0, high=1600, start=20, noise=0.05, quantum=0.1,
                           companion="Monitoring/Process/{name}Temperature",
                           doc="thermocouple of the zone")
    power = measured("W", low=0, high=20_000, noise=5, quantum=1, doc="electrical power")
    current = measured("A", low=0, high=400, noise=0.3, quantum=0.1,
                       companion="Monitoring/Health/{name}Current", doc="element current")
    demand = measured("%", low=0, high=100, quantum=0.1,
                      doc="output of the zone's temperature controller")
    element_failure = fault("%", low=0, high=100, doc="share of the element that is open")
    thermocouple_drift = fault("K", low=-200, high=200,
                               doc="error of the thermocouple: what it reads over the truth")
    runaway = fault(bool, doc="the zone's power controller stays fully on")

    def __init__(self) -> None:
        super().__init__()
        self.true = AMBIENT
        self.load = AMBIENT
        self.seen = AMBIENT
        self.integral = 0.0

    def driven(self, attribute: str) -> None:
        furnace: Any = self.plant.children["Furnace"]
        furnace.wake()

    def hidden_state(self) -> dict[str, Any]:
        return {"true": self.true, "load": self.load, "seen": self.seen,
                "integral": self.integral}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        self.true, self.load, self.seen = hidden["true"], hidden["load"], hidden["seen"]
        self.integral = hidden["integral"]


class Furnace(Equipment):
    """Three zones in a row on one grid of simulated time, with the programme controller's setpoint.

    Zone: C dT/dt = P - e A sigma (T^4 - T_shell^4) - G_gas (T - T_shell) - exchange with the load
    and the neighbours. Every step is looked ahead, so readings between two ticks lie on straight
    lines. Zone power: PI on the zone's own thermocouple. The limiter is wired into the safety
    chain and knows nothing of the programme.
    """

    STEP = 10.0  # s
    CAPACITY = 26_000.0  # J/K of a zone, default
    LEAKAGE = 4.0e-3  # m2: emissivity times area of the way to the shell, default
    IN_VACUUM = 0.4  # W/K to the shell without gas, default
    BY_GAS = (0.6, 2.0)  # W/K more in nitrogen or argon, in hydrogen, default
    FAN = 12.0  # W/K of the cooling fan, default
    EXCHANGE = 0.05  # m2: emissivity times area between zone and load, default
    CONVECTION = 5.0  # W/K between zone and load in gas, default
    NEIGHBOUR = 4.0  # W/K between zones, default
    TRAY = 5.0  # kg of trays and setters per zone, default
    HEAT = 600.0  # J/(kg K) of load and trays, default
    SHELL = (2.0e5, 800.0)  # J/K; W/K to the cooling water, default
    GAIN = 0.03  # per K of error, default
    RESET = 1_200.0  # s, default
    LIMIT = 1_703.15  # K at which the limiter opens the chain (1430 degC)
    LIMITER_LAG = 30.0  # s, default
    OFF_BELOW = 5.0  # K over the hall at which it counts as cold

    setpoint = measured("degC", low=0, high=1600, start=20, quantum=0.1,
                        doc="present setpoint of the programme controller")
    limiter_temperature = measured("degC", low=0, high=1600, start=20, noise=0.3, quantum=0.1,
                                   doc="thermocouple of the over-temperature limiter, middle zone")
    load_temperature = measured("degC", low=0, high=1600, start=20, noise=0.05, quantum=0.1,
                                companion="Monitoring/Process/LoadTemperature",
                                doc="thermocouple at the load in the middle zone")
    shell_temperature = measured("degC", low=0, high=150, start=20, noise=0.1, quantum=0.1,
                                 companion="Monitoring/Health/ShellTemperature",
                                 doc="inner wall of the water-cooled shell")
    segment = measured(int, low=0, high=1000, doc="segments of the programme that are done")
    enable = actuator(bool, doc="heating on")
    target = actuator("degC", low=20, high=1500, start=20, doc="temperature to go to")
    ramp = actuator("K/min", low=0.1, high=50, start=5, doc="rate at which the setpoint goes there")
    freeze = actuator(bool, doc="keep the setpoint where it is")
    cooling_fan = actuator(bool, doc="circulate gas over the shell to cool")
    count = actuator(int, low=0, high=1000, doc="segments of the programme that are done")
    unload = actuator(bool, edge=True, doc="take the parts out and inspect them (rising edge)")
    power_dip = fault("%", low=0, high=100, doc="share of the heating power that the mains lack")

    def __init__(self, chain: SafetyChain, retort: Retort, water: Chiller,
                 zones: list[HeatingZone], done: Callable[[], None],
                 out: Callable[[], None]) -> None:
        """`done` is told that a segment is over, `out` that the parts are to be inspected."""
        super().__init__()
        self._chain = chain
        self._retort = retort
        self._water = water
        self.zones = zones
        self._done, self._out = done, out
        self.material: SinterMaterial | None = None
        self.parts: list[ChargedPart] = []
        self.masses = [0.0] * len(zones)
        self._due: float | None = None
        self._shell = AMBIENT
        self._limiter = AMBIENT
        self._load = AMBIENT
        self._given = 0.0  # kg/s of resin gas in the last step
        self._told = 0.0  # W last told to the water
        self._epoch = 0

    # -- charge and programme -----------------------------------------------------------------

    def charge(self, parts: tuple[GreenPart, ...], material: SinterMaterial | None) -> None:
        """Put parts in, the first one in the middle zone."""
        self.material, self.parts = material, []
        self.masses = [0.0] * len(self.zones)
        order = (1, 0, 2) if len(self.zones) == 3 else tuple(range(len(self.zones)))
        self.segment = 0
        if material is None:
            return
        for number, part in enumerate(parts):
            zone = order[number % len(order)]
            self.parts.append(ChargedPart.of(part, zone, material))
            volume = part.green[0] * part.green[1] * part.green[2]
            self.masses[zone] += part.fill * volume * part.density * material.solid_density

    @property
    def hot(self) -> bool:
        """Whether any zone or load is above the hall."""
        return any(max(z.true, z.load) > AMBIENT + self.OFF_BELOW for z in self.zones)

    def driven(self, attribute: str) -> None:
        if attribute == "enable":
            # A programme begins where the furnace is, not where the last one ended.
            self.settle("setpoint", max(zone.seen for zone in self.zones))
        if attribute in ("target", "ramp", "freeze", "enable"):
            self._programme()
        elif attribute == "count":
            if self.count > self.segment:
                self.segment = self.count
                self._done()
            self.segment = self.count
        elif attribute == "unload" and self.unload:
            self._out()
        self.wake()

    def _programme(self) -> None:
        now = self.now
        self.sense(now)
        if not self.enable:
            self.settle("setpoint", self.setpoint)
        elif self.freeze or self.target == self.setpoint:
            self.settle("setpoint", self.setpoint)
        else:
            self.follow("setpoint", Ramp(now, self.setpoint, self.target, max(self.ramp, 1e-4)))

    def tripped(self, power_lost: bool) -> None:
        self.enable = False
        self.cooling_fan = False
        self._programme()
        for zone in self.zones:
            zone.integral = 0.0
        self.wake()

    # -- ticks --------------------------------------------------------------------------------

    def started(self) -> None:
        if self._due is not None:
            self.plant.run(self._run(self._due))
            self._arm()

    def wake(self) -> None:
        """Begin to tick if it rests."""
        if self._due is None:
            self._due = self.STEP * ceil(self.now / self.STEP + 1e-9)
            self.plant.run(self._run(self._due))

    @property
    def _resting(self) -> bool:
        return not (self.enable or self.hot or not self._retort.still
                    or any(zone.runaway for zone in self.zones))

    def _run(self, due: float) -> Generator[Any, Any, None]:
        while True:
            yield self.plant.env.at(due)
            if self._resting:
                self._due = None
                self.draw(0.0)
                return
            self._tick(due)
            number = round(due / self.STEP) + 1
            due = self._due = number * self.STEP

    def _tick(self, now: float) -> None:
        step, zones, retort = self.STEP, self.zones, self._retort
        self.sense(now)
        wanted = self.setpoint
        gas = retort.gas
        dense = min(retort.pure / 101_325.0, 1.0)
        by_gas = self.IN_VACUUM + dense * (self.BY_GAS[0] + self.BY_GAS[1] * gas.hydrogen)
        if self.cooling_fan and self.plant.energised:
            by_gas += self.FAN * dense
        true = [zone.true for zone in zones]
        total, lost = 0.0, 0.0
        times = (now, now + step)
        loads: list[tuple[float, float]] = []
        for i, zone in enumerate(zones):
            share = self._power(zone, wanted, step)
            whole = 1.0 - self.power_dip
            current = share * whole * (1.0 - zone.element_failure)
            power = current * zone.POWER * (self.plant.energised or 0.0)
            beside = sum(self.NEIGHBOUR * (true[j] - true[i]) for j in (i - 1, i + 1)
                         if 0 <= j < len(zones))
            to_shell = self.LEAKAGE * STEFAN_BOLTZMANN * (true[i] ** 4 - self._shell**4)
            to_shell += by_gas * (true[i] - self._shell)
            to_load = self.EXCHANGE * STEFAN_BOLTZMANN * (true[i] ** 4 - zone.load**4)
            to_load += self.CONVECTION * dense * (true[i] - zone.load)
            mass = self.TRAY + self.masses[i]
            before, seen = zone.load, zone.seen
            zone.true += step * (power + beside - to_shell - to_load) / self.CAPACITY
            zone.load += step * to_load / (mass * self.HEAT)
            reads = zone.true + zone.thermocouple_drift
            zone.seen = reads + (seen - reads) * exp(-step / zone.LAG)
            zone.follow("temperature", Polyline(times, (seen, zone.seen)))
            zone.power, zone.current, zone.demand = power, power / zone.VOLTAGE, share
            loads.append((before, zone.load))
            total, lost = total + power, lost + to_shell
        middle = zones[len(zones) // 2]
        before, self._limiter = self._limiter, middle.true + (
            self._limiter - middle.true) * exp(-step / self.LIMITER_LAG)
        self.follow("limiter_temperature", Polyline(times, (before, self._limiter)))
        before, self._load = self._load, middle.load + (
            self._load - middle.load) * exp(-step / middle.LAG)
        self.follow("load_temperature", Polyline(times, (before, self._load)))
        capacity, to_water = self.SHELL
        flow = self._water.NOMINAL
        wet = min(self._water.flow / flow, 1.0) if flow > 0 else 0.0
        taken = to_water * wet * (self._shell - self._water.supply_temperature)
        before, self._shell = self._shell, self._shell + step * (
            lost - taken - 3.0 * (self._shell - AMBIENT)) / capacity
        self.follow("shell_temperature", Polyline(times, (before, self._shell)))
        if abs(taken - self._told) > max(0.05 * abs(self._told), 20.0):
            self._told = taken
            self._water.heat(max(taken, 0.0))
        self.draw(total)
        self._given = self._treat(loads, step)
        retort.tick(now, step, max(sum(true) / len(true), AMBIENT), self._given)
        self._arm()

    def _power(self, zone: HeatingZone, wanted: float, step: float) -> float:
        """Share of its power that a zone's controller asks for."""
        if zone.runaway:
            return 1.0
        if not self.enable:
            zone.integral = 0.0
            return 0.0
        error = wanted - zone.seen
        asked = self.GAIN * error + zone.integral
        if 0.0 < asked < 1.0 or asked * error < 0:
            zone.integral = min(max(zone.integral + self.GAIN * error * step / self.RESET, 0.0),
                                1.0)
        return min(max(asked, 0.0), 1.0)

    def _treat(self, loads: list[tuple[float, float]], step: float) -> float:
        """What the step does to the parts; resin gas given off (kg/s)."""
        if self.material is None:
            return 0.0
        gas, given = self._retort.gas, 0.0
        for part in self.parts:
            start, end = loads[part.zone]
            burnt = part.advance(start, end, step, gas, self.material)
            volume = part.part.green[0] * part.part.green[1] * part.part.green[2]
            given += burnt * part.part.fill * volume * part.part.density \
                * self.material.solid_density / step
        return given

    # -- limiter ------------------------------------------------------------------------------

    def _arm(self) -> None:
        self._epoch += 1
        cause = SafetyChain.OVER_TEMPERATURE
        course = self.trajectories.get("limiter_temperature")
        if not isinstance(course, Polyline):
            return
        (t0, t1), (v0, v1) = course.times, course.values
        opened = cause in self._chain.causes()
        level = self.LIMIT - 50.0 if opened else self.LIMIT
        if (v0 - level) * (v1 - level) < 0 and (v1 < v0) == opened:
            due = t0 + (t1 - t0) * (level - v0) / (v1 - v0)
            if due >= self.now:
                self.plant.run(self._limit(due, cause, not opened, self._epoch))

    def _limit(self, due: float, cause: int, opens: bool, epoch: int) -> Generator[Any, Any, None]:
        yield self.plant.env.at(due)
        if epoch == self._epoch:
            if opens:
                self.log("interlock", "over-temperature limiter opened")
            self._chain.switch(cause, opens=opens)

    def hidden_state(self) -> dict[str, Any]:
        return {"due": self._due, "shell": self._shell, "limiter": self._limiter,
                "load": self._load, "given": self._given, "told": self._told,
                "parts": [part.state() for part in self.parts]}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        self._due, self._shell = hidden["due"], hidden["shell"]
        self._limiter, self._load = hidden["limiter"], hidden["load"]
        self._given, self._told = hidden["given"], hidden["told"]
        for part, state in zip(self.parts, hidden["parts"], strict=True):
            part.restore(state)

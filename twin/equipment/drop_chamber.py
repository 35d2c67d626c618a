"""Containment of a rotating electrode: vacuum, helium and argon, oxygen, gas temperature."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from twin.equipment.services import SafetyChain
from twin.machine import AMBIENT, Equipment
from twin.signals import actuator, fault, measured
from twin.trajectory import (
    Constant,
    Growth,
    Polyline,
    Relaxation,
    Trajectory,
    revive,
    store,
)

__all__ = ["DropChamber"]

AIR_OXYGEN = 0.2095
ATMOSPHERE = 101_325.0


class DropChamber(Equipment):
    """A large stirred volume that is pumped down once and filled with helium and argon.

    Each partial pressure follows V dp/dt = inflow - outflow p / p_total, whose coefficients are
    constant between events: exact closed forms. The oxygen cell answers to the partial pressure.
    Leaks are at the seals of the spindle: they let air in at over-pressure too.
    """

    VOLUME = 2.0  # m3, default
    RADIUS = 1.0  # m from the rod's axis to the wall, default
    PUMPING = 0.25  # m3/s of the pump set, default
    PUMP_POWER = 9_000.0  # W, default
    ULTIMATE = 0.02  # Pa, default
    OUTGASSING = 4e-3  # Pa m3/s of walls after pumping, a fifth of it oxygen, default
    PURITY = 3e-6  # oxygen in the gas supply, default
    SEALS = 0.3  # share of a leak that gets in against over-pressure, default
    VENT = 102_500.0  # Pa at which purge gas leaves through the vent
    RELIEF = 160_000.0  # Pa at which the relief valve opens the safety chain, default
    DRAUGHT = 0.2  # m3/s of air through an open door, default
    CELL_LAG = 4.0  # s, default
    WALLS = 400.0  # W/K from the gas to the water-cooled walls, default
    WARMING = 150.0  # s, default
    VENTING = 15.0  # s, default

    pressure = measured("mbar", low=0, high=2000, start=1013.25, noise=0.002, quantum=0.001,
                        companion="Monitoring/Process/ChamberPressure",
                        doc="absolute pressure in the chamber")
    oxygen = measured("ppm", low=0, high=250_000, start=209_500, noise=0.3, quantum=0.1,
                      companion="Monitoring/Process/ChamberOxygen",
                      doc="oxygen in the chamber, of one atmosphere")
    helium = measured("%", low=0, high=100, noise=0.3, quantum=0.1,
                      companion="Monitoring/Process/HeliumShare",
                      doc="helium in the chamber's gas, thermal conductivity cell")
    temperature = measured("degC", low=0, high=400, start=20, noise=0.2, quantum=0.1,
                           companion="Monitoring/Process/ChamberTemperature",
                           doc="gas temperature")
    vacuum_pump = actuator(bool, doc="vacuum pumps and their valve")
    fill_flow = actuator("L/min", low=0, high=6000, doc="gas flow demand to fill the chamber")
    purge_flow = actuator("L/min", low=0, high=300,
                          doc="gas flow demand through the filled chamber to the vent")
    helium_demand = actuator("%", low=0, high=100, doc="helium in the gas let in, the rest argon")
    vent_valve = actuator(bool, doc="let over-pressure out")
    leak = fault("mbar.L/s", low=0, high=500, doc="air leak at the seals of the spindle")
    helium_loss = fault(bool, doc="no helium comes from the supply; its valve lets argon through")
    supply_failure = fault(bool, doc="no gas comes from the supply at all")

    def __init__(self, chain: SafetyChain) -> None:
        super().__init__()
        self._chain = chain
        self._pure = AIR_OXYGEN * ATMOSPHERE  # true oxygen partial pressure (Pa) then
        self._courses: dict[str, Trajectory] = {}
        self._epoch = 0
        self._heat = 0.0
        self._torch = 0.0  # m3/s of plasma gas

    @property
    def true_oxygen(self) -> float:
        """Oxygen partial pressure over one atmosphere, now."""
        course = self._courses.get("oxygen")
        return (course.at(self.now) if course else self._pure) / ATMOSPHERE

    @property
    def true_helium(self) -> float:
        """Helium mole fraction now."""
        course = self.trajectories.get("helium")
        return course.at(self.now) if course else float(self.helium)

    @property
    def true_pressure(self) -> float:
        """Pa, now."""
        course = self.trajectories.get("pressure")
        return course.at(self.now) if course else float(self.pressure)

    @property
    def true_temperature(self) -> float:
        """K, now."""
        course = self.trajectories.get("temperature")
        return course.at(self.now) if course else float(self.temperature)

    def air(self) -> None:
        """The door was open: air fills the chamber."""
        self._courses.clear()
        self._pure = AIR_OXYGEN * ATMOSPHERE
        self.settle("pressure", ATMOSPHERE)
        self.settle("oxygen", AIR_OXYGEN)
        self.settle("helium", 0.0)
        self._anchor()

    def warm(self, power: float) -> None:
        """The gas takes up so much heat (W) from now on."""
        if abs(power - self._heat) < 0.02 * max(power, self._heat):
            return
        self._heat = power
        self.sense(self.now)
        self.follow("temperature", Relaxation(self.now, self.temperature,
                                              AMBIENT + power / self.WALLS, self.WARMING))

    def inject(self, flow: float) -> None:
        """Plasma gas (m3/s at ambient) streams in from now on; somebody else counts it."""
        self._torch = flow
        self._anchor()

    def started(self) -> None:
        if self.trajectories:
            self._arm()

    def driven(self, attribute: str) -> None:
        self._anchor()

    def tripped(self, power_lost: bool) -> None:
        # An open chain leaves the gas as it is; without power the valves fall shut.
        if power_lost:
            self.vacuum_pump = False
            self.fill_flow = self.purge_flow = 0.0
            self._anchor()

    def door(self) -> None:
        """The door was opened or closed."""
        if self._chain.door_closed:
            self._anchor()
        else:
            self.air()

    def _anchor(self) -> None:
        now = self.now
        self.sense(now)
        self._pure = self.true_oxygen * ATMOSPHERE
        pressure, helium = float(self.pressure), float(self.helium) * float(self.pressure)
        supplied = 0.0 if self.supply_failure else self.fill_flow + self.purge_flow
        self.take_gas(supplied)
        supplied += self._torch
        share = 0.0 if self.helium_loss else self.helium_demand
        inlet = supplied * ATMOSPHERE  # Pa m3/s
        leak = self.leak * (1.0 if pressure < ATMOSPHERE else self.SEALS)
        self.draw(self.PUMP_POWER * self.vacuum_pump)
        if not self._chain.door_closed:
            self._still()
            return
        if self.vent_valve and pressure > ATMOSPHERE and not self.vacuum_pump:
            self._vent(pressure)
            return
        speed = self.PUMPING if self.vacuum_pump else 0.0
        total = inlet + leak + self.OUTGASSING * (pressure < ATMOSPHERE / 2)
        venting = not self.vacuum_pump and self.fill_flow == 0 and pressure >= self.VENT - 1e-3
        out = speed / self.VOLUME + (total / (pressure * self.VOLUME) if venting else 0.0)
        oxygen = inlet * self.PURITY + AIR_OXYGEN * (total - inlet)
        rest = self.ULTIMATE * self.PUMPING if self.vacuum_pump else 0.0
        if venting:
            self.settle("pressure", pressure)
        else:
            self.follow("pressure", self._course(pressure, total + rest, out))
        self._courses["oxygen"] = self._course(self._pure, oxygen, out)
        self.follow("oxygen", self._cell(oxygen, out))
        self._mix(pressure, helium, inlet * share, total, out, venting)
        self._arm()

    def _course(self, first: float, inflow: float, out: float) -> Trajectory:
        """A partial pressure (Pa) with so much coming in (Pa m3/s) and the rate that goes (1/s)."""
        if out > 0.0:
            return Relaxation(self.now, first, inflow / (self.VOLUME * out), 1.0 / out)
        if inflow > 0.0:
            return Growth(self.now, first, inflow / self.VOLUME)
        return Constant(first)

    def _cell(self, inflow: float, out: float) -> Trajectory:
        """What the oxygen cell shows of it."""
        course = self._course(self._pure / ATMOSPHERE, inflow / ATMOSPHERE, out)
        if isinstance(course, Relaxation):
            return Relaxation(course.since, course.first, course.target, course.tau, self.CELL_LAG,
                              float(self.oxygen))
        if isinstance(course, Growth):
            return course
        if course.at(self.now) == self.oxygen:
            return course
        return Relaxation(self.now, float(self.oxygen), course.at(self.now), self.CELL_LAG)

    def _mix(self, pressure: float, helium: float, inflow: float, total: float, out: float,
             venting: bool) -> None:
        """The helium share: exact where the pressure stands, straight lines while it moves."""
        if venting and total > 0.0:
            self.follow("helium", Relaxation(self.now, helium / pressure, inflow / total,
                                             1.0 / out))
        elif not self.vacuum_pump and total > 0.0:
            times = [0.0, *(2.0**i for i in range(16))]
            self.follow("helium", Polyline(
                tuple(self.now + t for t in times),
                tuple((helium + inflow * t / self.VOLUME) / (pressure + total * t / self.VOLUME)
                      for t in times)))
        else:
            self.settle("helium", helium / pressure)

    def _vent(self, pressure: float) -> None:
        """Down to the hall's pressure; what the gas is made of stays."""
        now, share = self.now, ATMOSPHERE / pressure
        self._epoch += 1
        self.follow("pressure", Relaxation(now, pressure, ATMOSPHERE, self.VENTING))
        self._courses["oxygen"] = Relaxation(now, self._pure, self._pure * share, self.VENTING)
        self.follow("oxygen", Relaxation(now, self._pure / ATMOSPHERE,
                                         self._pure / ATMOSPHERE * share, self.VENTING,
                                         self.CELL_LAG, float(self.oxygen)))
        self.settle("helium", self.helium)

    def _still(self) -> None:
        for name in ("pressure", "oxygen", "helium"):
            self.settle(name, getattr(self, name))
        self._courses.clear()

    def _arm(self) -> None:
        """Wait for the pressures at which something changes."""
        self._epoch += 1
        course = self.trajectories.get("pressure")
        if not isinstance(course, Growth) or course.rate < 2.0 * self.OUTGASSING / self.VOLUME:
            return
        for level, act in ((self.VENT, self._anchor), (self.RELIEF, self._relieve),
                           (ATMOSPHERE, self._anchor)):
            if course.first < level - 1e-3:
                due = course.since + (level - course.first) / course.rate
                self.plant.run(self._reach(due, act, self._epoch))

    def _reach(self, due: float, act: Any, epoch: int) -> Generator[Any, Any, None]:
        yield self.plant.env.at(due)
        if epoch == self._epoch:
            act()

    def _relieve(self) -> None:
        self.log("interlock", "chamber over-pressure, relief valve opened")
        self.fill_flow = self.purge_flow = 0.0
        self._anchor()
        self._chain.open(SafetyChain.OVER_PRESSURE)

    def hidden_state(self) -> dict[str, Any]:
        return {"pure": self._pure, "heat": self._heat, "torch": self._torch,
                "courses": {name: store(course) for name, course in self._courses.items()}}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        self._pure, self._heat = hidden["pure"], hidden["heat"]
        self._torch = hidden["torch"]
        self._courses = {name: revive(course) for name, course in hidden["courses"].items()}

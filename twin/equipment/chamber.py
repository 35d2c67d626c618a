"""Process chamber and gas circuit: oxygen, moisture, pressure, vacuum, blower and filter."""

from __future__ import annotations

from collections.abc import Generator
from math import exp, log, sqrt
from typing import Any

import numpy as np
import numpy.typing as npt

from twin.equipment.services import SafetyChain
from twin.machine import AMBIENT, Equipment
from twin.signals import actuator, fault, measured
from twin.trajectory import Relaxation

__all__ = ["Chamber", "GasCircuit", "InertChamber"]

AIR_OXYGEN = 0.2095
ATMOSPHERE = 101_325.0
LITRE_PER_MIN = 1e-3 / 60
HUMID = 1150.0  # Pa of water vapour in room air, 20 degC and 50 %, default
DRAUGHT = 0.05  # m3/s of air through an open door, default


def dew_point(vapour_pressure: float) -> float:
    """Dew or frost point (K) of a water vapour pressure (Pa), Magnus form (Sonntag, 1990)."""
    x = log(max(vapour_pressure, 1e-6) / 611.2)
    over_ice = vapour_pressure < 611.2
    a, b = (22.46, 272.62) if over_ice else (17.62, 243.12)
    return 273.15 + b * x / (a - x)


class MoistGas(Equipment):
    """Gas with water vapour: its dew point follows from the vapour pressure."""

    moisture: float
    """Pa"""
    dew_point: Any

    def sense(self, time: float) -> None:
        super().sense(time)
        self.dew_point = dew_point(self.moisture)

    def span(self, attribute: str, start: float, end: float) -> tuple[float, float]:
        if attribute == "dew_point":
            low, high = super().span("moisture", start, end)
            return dew_point(low), dew_point(high)
        return super().span(attribute, start, end)


class InertChamber(MoistGas):
    """Gas-tight process chamber: a stirred volume with purge, leak and desorption.

    Oxygen: V dC/dt = q_leak (0.2095 - C) + q_des - q_in (C - C_in), linear between events, so
    its closed form is exact. Desorption falls over hours and is held over a layer.
    """

    VOLUME = 0.2  # m3, default
    GAS_PURITY = 5e-6  # oxygen in the argon supply, argon 4.8 class, default
    DESORPTION = 6e-9  # m3/s of oxygen from walls and powder at the start, default
    DESORPTION_TIME = 4 * 3600.0  # s, default
    STIRRED = 2e-7  # oxygen fraction set free by recoating fresh powder, default
    CELL_LAG = 4.3  # s: T90 = 10 s, default
    MIXING_LAG = 18.0  # s: top of the chamber after the bottom, default
    OVER_PRESSURE = 1200.0  # Pa at process gas flow, default
    PURGE_RISE = 8.0  # Pa of over-pressure per L/min of purge gas, default
    RUNAWAY = 120e2  # Pa over ambient that a regulator which stays open leads to, default
    REGULATION = 4.0  # s, response of the pressure, default
    DRYING = 4e-4  # Pa m3/s of water vapour from walls and powder at the start, default
    RELIEF = 60e2  # Pa over ambient, default
    VENT = 1.5e-5  # m3/s of leak that halves the over-pressure, default
    LASER_SHARE = 0.1  # share of the laser's power that the gas takes up, default
    PLATE_LOSS = 1.0  # W/K from plate to gas, default
    WALL_LOSS = 12.0  # W/K from gas to walls, default
    WARMING = 900.0  # s, default
    PLUME = 0.06  # oxygen fraction that a large leak adds at the build plane, default
    PLUME_FLOW = 2e-3  # m3/s of leak that gives half of it, default

    oxygen_top = measured("ppm", low=0, high=250_000, start=209_500, noise=2, quantum=1,
                          companion="Monitoring/Process/ChamberOxygen",
                          doc="oxygen mole fraction at the top of the chamber")
    oxygen_bottom = measured("ppm", low=0, high=250_000, start=209_500, noise=2, quantum=1,
                             companion="Monitoring/Process/ChamberOxygenBottom",
                             doc="oxygen mole fraction above the build plane")
    dew_point = measured("degC", low=-80, high=30, start=9, noise=0.1, quantum=0.1,
                         companion="Monitoring/Process/ChamberDewPoint", doc="dew point of the gas")
    pressure = measured("mbar", low=-1013, high=100, noise=0.05, quantum=0.01,
                        companion="Monitoring/Process/ChamberPressure",
                        doc="chamber pressure over ambient")
    temperature = measured("degC", low=0, high=150, start=20, noise=0.05, quantum=0.01,
                           companion="Monitoring/Process/ChamberTemperature",
                           doc="chamber gas temperature")
    purge_flow = actuator("L/min", low=0, high=400, doc="purge gas flow demand")
    process_flow = actuator("L/min", low=0, high=30, doc="process gas flow demand")
    leak = fault("mbar.L/s", low=0, high=500, doc="leak into the chamber near the build plane")
    supply_failure = fault(bool, doc="no gas comes from the supply")
    regulator_failure = fault(bool, doc="the pressure regulator stays open")

    def __init__(self, chain: SafetyChain) -> None:
        super().__init__()
        self._chain = chain
        self._epoch = 0
        self.moisture = HUMID
        self._since = 0.0  # when the chamber was closed
        self._laser_heat = 0.0
        self._plate = AMBIENT

    @property
    def oxygen(self) -> float:
        """True mean oxygen mole fraction now."""
        trajectory = self.trajectories.get("oxygen_top")
        if isinstance(trajectory, Relaxation):
            return trajectory.source(self.now)
        return float(self.oxygen_top)

    def started(self) -> None:
        if self.trajectories:
            self._arm()
        else:
            self._anchor()

    def driven(self, attribute: str) -> None:
        self._anchor()

    def air(self) -> None:
        """The door was open long enough for air to fill the chamber; now it is closed again."""
        self._since = self.now
        for name, value in (("oxygen_top", AIR_OXYGEN), ("oxygen_bottom", AIR_OXYGEN),
                            ("moisture", HUMID), ("pressure", 0.0)):
            self.settle(name, value)
        self._anchor()

    def stir(self) -> None:
        """Recoating sets free a little of the oxygen held between fresh powder grains."""
        self._anchor(self.STIRRED * exp(-(self.now - self._since) / self.DESORPTION_TIME))

    def warm(self, *, laser: float | None = None, plate: float | None = None) -> None:
        """The gas is heated from now on by laser power (W) and a plate (K, where it tends to)."""
        self._laser_heat = self._laser_heat if laser is None else laser
        self._plate = self._plate if plate is None else plate
        self.sense(self.now)
        heat = self.LASER_SHARE * self._laser_heat + self.PLATE_LOSS * (self._plate - AMBIENT)
        self.follow("temperature", Relaxation(self.now, self.temperature,
                                              AMBIENT + heat / self.WALL_LOSS, self.WARMING))

    def tripped(self, power_lost: bool) -> None:
        # An open chain leaves the inert gas on; without power the valves fall shut.
        if power_lost:
            self.purge_flow = self.process_flow = 0.0
            self._anchor()

    def _anchor(self, added: float = 0.0) -> None:
        now = self.now
        self.sense(now)
        mean = self.oxygen + added
        volume_leak = self.leak / ATMOSPHERE  # Pa m3/s to m3/s at ambient
        if not self._chain.door_closed:
            volume_leak += DRAUGHT
        inlet = self._inlet()
        self.take_gas(inlet)
        desorbed = self.DESORPTION * exp(-(now - self._since) / self.DESORPTION_TIME)
        exchange = max(inlet + volume_leak, 1e-8)
        target = (volume_leak * AIR_OXYGEN + desorbed + inlet * self.GAS_PURITY) / exchange
        target = min(target, AIR_OXYGEN)
        tau = self.VOLUME / exchange
        tau, target = self._pumped(tau, target)
        # The leak sits at the bottom: its sensor sees a plume before the gas is mixed.
        plume = self.PLUME * volume_leak / (volume_leak + self.PLUME_FLOW)
        self.follow("oxygen_bottom", Relaxation(now, mean + plume, target + plume, tau,
                                                self.CELL_LAG, self.oxygen_bottom))
        self.follow("oxygen_top", Relaxation(now, mean, target, tau,
                                             self.CELL_LAG + self.MIXING_LAG, self.oxygen_top))
        dry = (volume_leak * HUMID + desorbed / self.DESORPTION * self.DRYING) / exchange + 1.0
        self.follow("moisture", Relaxation(now, self.moisture, min(dry, HUMID), 1.5 * tau))
        self._press(inlet, volume_leak)
        self._arm()

    def _inlet(self) -> float:
        """Gas that is let in, m3/s at ambient."""
        return 0.0 if self.supply_failure else self.purge_flow + self.process_flow

    def _pumped(self, tau: float, target: float) -> tuple[float, float]:
        """Time constant (s) and end value of the oxygen, given those of a chamber without pump."""
        return tau, target

    def _press(self, inlet: float, leak: float) -> float:
        """Let the pressure follow gas let in and leaking (m3/s); where it tends to, Pa."""
        # The gas leaves through a vent, so that flow lifts the pressure; a leak lowers it.
        over = self.OVER_PRESSURE * min(inlet / (5 * LITRE_PER_MIN), 1.0)
        over += self.PURGE_RISE * max(inlet - self.process_flow, 0.0) / LITRE_PER_MIN
        over /= 1 + leak / self.VENT
        if self.regulator_failure and inlet > 0:
            over = self.RUNAWAY
        self.follow("pressure", Relaxation(self.now, self.pressure, over, self.REGULATION))
        return over

    def _arm(self) -> None:
        self._epoch += 1
        rising = self.trajectories["pressure"]
        if isinstance(rising, Relaxation) and rising.first < self.RELIEF < rising.target:
            self.plant.run(self._relieve(rising.crossing(self.RELIEF), self._epoch))

    def _relieve(self, due: float, epoch: int) -> Generator[Any, Any, None]:
        yield self.plant.env.at(due)
        if epoch == self._epoch:
            self.log("interlock", "chamber over-pressure, relief valve opened")
            self.purge_flow = self.process_flow = 0.0
            self._anchor()
            self._chain.open(SafetyChain.OVER_PRESSURE)

    def hidden_state(self) -> dict[str, Any]:
        return {"since": self._since, "moisture": self.moisture, "laser_heat": self._laser_heat,
                "plate": self._plate}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        self._since, self.moisture = hidden["since"], hidden["moisture"]
        self._laser_heat, self._plate = hidden["laser_heat"], hidden["plate"]


class Chamber(InertChamber):
    """A chamber that can also be pumped down."""

    PUMP_TIME = 95.0  # s, V/S of the vacuum pump set, default
    PUMP_POWER = 1500.0  # W of the vacuum pump set, default
    ULTIMATE = 5e-3  # Pa, default

    vacuum = measured("Pa", low=0, high=120_000, start=101_325, noise=0,
                      doc="absolute chamber pressure, wide-range gauge")
    vacuum_pump = actuator(bool, doc="vacuum pumps and their valve")

    def air(self) -> None:
        self.settle("vacuum", ATMOSPHERE)
        super().air()

    def tripped(self, power_lost: bool) -> None:
        if power_lost:
            self.vacuum_pump = False
        super().tripped(power_lost)

    @property
    def _floor(self) -> float:
        return float(self.ULTIMATE + self.leak * self.PUMP_TIME / self.VOLUME)

    def _pumped(self, tau: float, target: float) -> tuple[float, float]:
        self.draw(self.PUMP_POWER * self.vacuum_pump)
        if not self.vacuum_pump:
            return tau, target
        # The cells answer to the partial pressure.
        return self.PUMP_TIME, AIR_OXYGEN * self._floor / ATMOSPHERE

    def _press(self, inlet: float, leak: float) -> float:
        now = self.now
        if self.vacuum_pump:
            floor = self._floor
            self.follow("vacuum", Relaxation(now, self.vacuum, floor, self.PUMP_TIME))
            self.follow("pressure",
                        Relaxation(now, self.pressure, floor - ATMOSPHERE, self.PUMP_TIME))
            return floor - ATMOSPHERE
        over = super()._press(inlet, leak)
        self.follow("vacuum", Relaxation(now, self.vacuum, ATMOSPHERE + over, self.REGULATION))
        return over


class GasCircuit(Equipment):
    """Recirculation: a blower drives gas over the build plane and through a filter.

    Blower and system curves are quadratic: n^2 a = (b + k_duct + k_filter) v^2.
    """

    STALL = 160e2  # Pa at full speed and no flow, default
    DUCT = 12.0  # Pa s2/m2: duct and chamber, default
    CLEAN = 3.5  # Pa s2/m2: a fresh filter, default
    FUME_FOR_DOUBLE = 0.03  # kg of condensate that doubles the resistance, default
    INSIDE = 6.0  # Pa s2/m2: the blower's own curve, default
    POWER = (0.55, 0.5)  # share of rated power at full speed: no filter, rise to stall, default
    RESPONSE = 1.5  # s, default
    AVERAGING = 4.0  # s, of the power meter, default
    RATED = 2200.0  # W of the blower, default
    GAUGE = 0.5  # s, response of the differential pressure gauge, default

    speed = measured("m/s", low=0, high=40, noise=0.05, quantum=0.01,
                     companion="Monitoring/Process/GasSpeed", doc="gas speed in the duct")
    filter_differential_pressure = measured(
        "mbar", low=0, high=150, noise=0.05, quantum=0.01,
        companion="Monitoring/Health/FilterDifferentialPressure",
        doc="pressure difference over the process filter")
    blower_power = measured("%", low=0, high=120, noise=0.1, quantum=0.1,
                            companion="Monitoring/Health/BlowerPower",
                            doc="electrical power of the blower, share of rated")
    blower = actuator("%", low=0, high=100, doc="blower speed demand, share of rated")
    filter_clog = fault("", low=1, high=50, start=1, doc="factor on the filter's resistance")
    flow_loss = fault("%", low=0, high=100, doc="share of the gas flow that is lost (hose, flap)")

    def __init__(self) -> None:
        super().__init__()
        self.fume = 0.0

    def driven(self, attribute: str) -> None:
        self._anchor()

    def started(self) -> None:
        if not self.trajectories:
            self._anchor()

    def tripped(self, power_lost: bool) -> None:
        if power_lost:
            self.blower = 0.0
            self._anchor()

    def speeds(self, times: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Gas speed (m/s) at `times` (s) from now on, if nothing comes between."""
        flow = self.trajectories["speed"]
        assert isinstance(flow, Relaxation)
        decay = np.exp((flow.since - times) / flow.tau)
        speeds: npt.NDArray[np.float64] = flow.target + (flow.first - flow.target) * decay
        return speeds

    def load(self, fume: float) -> None:
        """Condensate (kg) that reached the filter."""
        self.fume += fume
        self._anchor()

    def _anchor(self) -> None:
        now = self.now
        self.sense(now)
        filter_ = self.CLEAN * (1 + self.fume / self.FUME_FOR_DOUBLE) * self.filter_clog
        n = self.blower
        flow = n * sqrt(self.STALL / (self.DUCT + filter_ + self.INSIDE))
        speed = flow * (1 - self.flow_loss)
        self.follow("speed", Relaxation(now, self.speed, speed, self.RESPONSE))
        # The pressure follows resistance at once and speed as that changes, behind the gauge.
        self.follow("filter_differential_pressure",
                    Relaxation(now, filter_ * self.speed**2, filter_ * speed**2, self.RESPONSE,
                               self.GAUGE, self.filter_differential_pressure))
        # Near the stall point a side-channel blower draws more power for the same speed.
        idle, rise = self.POWER
        share = n**3 * (idle + rise * filter_ / (self.DUCT + filter_))
        self.follow("blower_power", Relaxation(now, self.blower_power, share, self.AVERAGING))
        self.draw(self.RATED * share)

    def hidden_state(self) -> dict[str, Any]:
        return {"fume": self.fume}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        self.fume = hidden["fume"]

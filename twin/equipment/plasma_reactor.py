"""Reactor under a plasma torch: chamber gas, its loop with cyclone and filter, wall water."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twin.equipment.chamber import ATMOSPHERE, GasCircuit, InertChamber
from twin.equipment.plasma_torch import PlasmaGas
from twin.equipment.services import Chiller, SafetyChain
from twin.machine import AMBIENT
from twin.physics.plasma_particles import collection
from twin.signals import actuator, fault, measured
from twin.trajectory import Relaxation

__all__ = ["QuenchLoop", "Reactor", "TorchWater"]


def _nothing() -> None:
    """Nobody wants to know."""


class TorchWater(Chiller):
    """Cooling water of torch, coil and reactor wall; loss of flow opens the safety chain."""

    NOMINAL = 80e-3 / 60  # m3/s, default
    PUMP = 1_500.0  # W, default
    RESERVOIR = 45.0
    HIGHEST = 330.15  # K of the return: above, water boils at the tube; hard-wired, default

    flow = measured("L/min", low=0, high=150, noise=0.2, quantum=0.1,
                    companion="Monitoring/Health/ChillerFlow", doc="cooling water flow")
    supply_temperature = measured("degC", low=0, high=60, start=20, noise=0.02, quantum=0.01,
                                  companion="Monitoring/Health/ChillerSupplyTemperature",
                                  doc="water to torch and wall")
    return_temperature = measured("degC", low=0, high=80, start=20, noise=0.02, quantum=0.01,
                                  companion="Monitoring/Health/ChillerReturnTemperature",
                                  doc="water from torch and wall")


class QuenchLoop(GasCircuit):
    """Gas drawn out of the reactor through cyclone and filter and blown back cold.

    It cools powder and gas, and carries the soot; a cake of soot slows it down. Back-pulses blow
    most of the cake off.
    """

    FUME_FOR_DOUBLE = 0.25  # kg of soot that doubles the filter's resistance, default
    NOMINAL = 20.0  # m/s in the duct at full blower speed with a clean filter, default
    PULSED = 0.7  # share of the cake that a back-pulse takes off, default
    RATED = 5_500.0  # W, default

    back_pulse = actuator(bool, edge=True, doc="clean the filter with a back-pulse (rising edge)")

    def __init__(self, changed: Callable[[], None] = _nothing) -> None:
        super().__init__()
        self._changed = changed

    def driven(self, attribute: str) -> None:
        if attribute == "back_pulse":
            if not self.back_pulse:
                return
            self.fume *= 1 - self.PULSED
            self.log("process", "filter cleaned by a back-pulse")
        super().driven(attribute)
        self._changed()

    def clean(self) -> None:
        """The filter is emptied by hand."""
        self.fume = 0.0
        self._anchor()
        self._changed()

    @property
    def carried(self) -> float:
        """Share of the soot that the gas carries to the filter now."""
        course = self.trajectories["speed"]
        return collection(course.at(self.now), self.NOMINAL)


class Reactor(InertChamber):
    """Water-cooled chamber below the torch: the plasma's gas comes in, the vent lets it out."""

    VOLUME = 0.4  # m3, default
    PURGE_RISE = 3.0  # Pa per L/min of purge gas, default
    OVER_PRESSURE = 800.0
    SOOTED = 0.55  # Pa of over-pressure per Pa over the filter: the vent is behind it, default
    PURGE = 400e-3 / 60
    COOLING = (8.0, 2.4)  # W/K of the drum, and per m/s of loop gas through its cooler, default
    WARMING = 20.0  # s, default
    LIMIT = 0.02  # oxygen at which the hard-wired analyser opens the chain with a flame, default
    WALL_SHARE = 0.8  # share of the gas's heat that the wall's water takes, default
    WALL_WATER = 0.35  # share of the water that goes through the wall, default
    WALL_TIME = 15.0  # s, default

    temperature = measured("degC", low=0, high=600, start=20, noise=0.1, quantum=0.1,
                           companion="Monitoring/Process/QuenchGasTemperature",
                           doc="gas at the reactor's outlet")
    wall_rise = measured("K", low=0, high=60, noise=0.02, quantum=0.01,
                         companion="Monitoring/Health/WallWaterRise",
                         doc="rise of the wall's cooling water")
    water_leak = fault("g/min", low=0, high=200, doc="cooling water that drips into the reactor")

    def __init__(self, chain: SafetyChain, gas: PlasmaGas, loop: QuenchLoop) -> None:
        super().__init__(chain)
        self._gas, self._loop = gas, loop
        self._power = 0.0
        self._burns = False

    @property
    def absolute(self) -> float:
        """Pressure (Pa) now."""
        return float(ATMOSPHERE + self.trajectories["pressure"].at(self.now))

    @property
    def steam(self) -> float:
        """Oxygen mole fraction that dissociated water adds to what powder sees."""
        flow = max(self._inlet(), 1e-6)
        return float(self.water_leak / 18e-3 * 0.02405 / flow * 0.5)

    def changed(self) -> None:
        """Gas of the torch or the loop has changed."""
        if hasattr(self, "plant") and self.trajectories:
            self._anchor()
            self.flame(self._power, self._burns)

    def _inlet(self) -> float:
        own = 0.0 if self.supply_failure else self.purge_flow + self.process_flow
        return float(own + self._gas.inlet())

    def take_gas(self, rate: float) -> None:
        # What is cleaned and used again does not come from the supply.
        super().take_gas(rate - self._gas.reused())

    def _press(self, inlet: float, leak: float) -> float:
        super()._press(inlet, leak)
        over = self.trajectories["pressure"]
        assert isinstance(over, Relaxation)
        course = self._loop.trajectories.get("filter_differential_pressure")
        soot = course.target if isinstance(course, Relaxation) else 0.0
        full = over.target + self.SOOTED * soot * (inlet > 0)
        if not self.plant.energised:
            # The relief valve stays open until the chain is closed again.
            full = min(full, 0.9 * self.RELIEF)
        self.follow("pressure", Relaxation(self.now, self.pressure, full, self.REGULATION))
        return full

    def flame(self, power: float, burns: bool) -> None:
        """The flame heats the gas with `power` (W) from now on."""
        self._power, self._burns = power, burns
        now = self.now
        self.sense(now)
        speed = self._loop.trajectories.get("speed")
        blown = speed.target if isinstance(speed, Relaxation) else 0.0
        wall, loop = self.COOLING
        # What the wall has not taken is taken further down.
        rise = (1 - self.WALL_SHARE) * power / (wall + loop * blown)
        self.follow("temperature", Relaxation(now, self.temperature, AMBIENT + rise, self.WARMING))
        water: Any = self.plant.children["Chiller"]
        flow = max(float(water.trajectories["flow"].target if water.trajectories else 0.0),
                   0.05 * water.NOMINAL)
        warmer = min(self.WALL_SHARE * power / (4.18e6 * self.WALL_WATER * flow), 60.0)
        self.follow("wall_rise", Relaxation(now, self.wall_rise, warmer, self.WALL_TIME))
        self._watch_oxygen()

    def _arm(self) -> None:
        super()._arm()
        self._watch_oxygen()

    def _watch_oxygen(self) -> None:
        """Arm the analyser that is wired to the chain: it counts while a flame burns."""
        course = self.trajectories.get("oxygen_top")
        if not isinstance(course, Relaxation):
            return
        self._watch += 1
        if not self._burns:
            self._chain.switch(SafetyChain.OXYGEN, opens=False)
            return
        if course.source(self.now) < self.LIMIT < course.target:
            self.plant.run(self._analyse(course.crossing(self.LIMIT), self._watch))

    _watch = 0

    def _analyse(self, due: float, watch: int) -> Any:
        yield self.plant.env.at(due)
        if watch == self._watch and self._burns:
            self.log("interlock", "oxygen in the reactor with a flame")
            self._chain.switch(SafetyChain.OXYGEN, opens=True)

    def _anchor(self, added: float = 0.0) -> None:
        super()._anchor(added)
        if self.water_leak > 0 and self._power > 0:
            # Steam: it shows in the dew point at once.
            course = self.trajectories["moisture"]
            assert isinstance(course, Relaxation)
            wet = self.water_leak / 18e-3 * 0.02405 / max(self._inlet(), 1e-6) * ATMOSPHERE
            self.follow("moisture", Relaxation(self.now, self.moisture,
                                               min(course.target + wet, 4000.0), course.tau))

    def hidden_state(self) -> dict[str, Any]:
        return {**super().hidden_state(), "power": self._power, "burns": self._burns}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        super().restore_hidden(hidden)
        self._power, self._burns = hidden["power"], hidden["burns"]

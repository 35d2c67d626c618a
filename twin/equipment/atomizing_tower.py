"""Atomizing tower with its gas loop: vacuum, oxygen, pressure, cyclone, filter with back-pulse."""

from __future__ import annotations

from math import exp
from typing import Any

import numpy as np
import numpy.typing as npt

from twin.equipment.chamber import AIR_OXYGEN
from twin.equipment.gridded import Gridded, Guards
from twin.equipment.services import SafetyChain
from twin.machine import AMBIENT
from twin.physics.atomizing_gas import AMBIENT_PRESSURE, NITROGEN, AtomizingGas
from twin.powder.sizes import CENTRES
from twin.signals import actuator, fault, measured

__all__ = ["Separator", "Tower"]

Floats = npt.NDArray[np.float64]


class Tower(Gridded):
    """Melting chamber, tower and gas loop as one stirred volume.

    Pumped: V dp/dt = Q_leak + Q_des - S p. In operation gas flows through cyclone and filter back
    to the compressor, and what they resist is the tower's over-pressure. Oxygen: N dx/dt =
    q_leak (0.2095 - x) + q_in (x_in - x) - what the spray takes. Two analysers look at it, one at
    the tower and one behind the filter.
    """

    VOLUME = 12.0  # m3, default
    HEIGHT = 5.0  # m from nozzle to bottom, default
    PUMPING = 1.0  # m3/s of Roots and forepumps, default
    ULTIMATE = 0.3  # Pa, default
    TIGHT = 2e-3  # Pa m3/s that leaks into a sound vessel, default
    DESORPTION = 0.15  # Pa m3/s of walls that were open, default
    DESORPTION_TIME = 900.0  # s, default
    PURITY = 3e-6  # oxygen in the gas supply, default
    FILLING = 0.2  # m3/s at ambient through the filling valve, default
    BLEED = 2e-3  # m3/s of air through the passivation valve, default
    OUTLET = 1.5e3  # Pa over ambient that the loop's suction control holds, default
    RELIEF = 1.8e5  # Pa absolute of the bursting disc, default
    LIMIT = 1.5e5  # Pa absolute at which the pressure switch opens the chain, default
    LAGS = (5.0, 9.0)  # s of the two analysers, default
    WALL = 350.0  # W/K from gas to the water-cooled wall, default
    PUMP_POWER = 15_000.0  # W, default

    pressure = measured("mbar", low=0, high=2000, start=1013.25, noise=0.3, quantum=0.1,
                        companion="Monitoring/Process/TowerPressure",
                        doc="absolute pressure in the tower")
    vacuum = measured("mbar", low=0, high=1100, start=1013.25,
                      companion="Monitoring/Process/TowerVacuum",
                      doc="vacuum in the melting chamber, Pirani gauge")
    oxygen_a = measured("ppm", low=0, high=250_000, start=209_500, noise=1, quantum=1,
                        companion="Monitoring/Process/TowerOxygen",
                        doc="oxygen mole fraction in the tower, analyser A")
    oxygen_b = measured("ppm", low=0, high=250_000, start=209_500, noise=1, quantum=1,
                        companion="Monitoring/Process/LoopOxygen",
                        doc="oxygen mole fraction behind the filter, analyser B")
    gas_temperature = measured("degC", low=0, high=400, start=20, noise=0.2, quantum=0.1,
                               companion="Monitoring/Process/TowerGasTemperature",
                               doc="gas that leaves the tower")
    vacuum_pump = actuator(bool, doc="vacuum pumps and their valve")
    filling = actuator(bool, doc="filling valve: process gas into tower and melting chamber")
    outlet = actuator(bool, doc="outlet of the tower to cyclone, filter and loop open")
    bleed = actuator(bool, doc="air bleed for passivation")
    vent = actuator(bool, doc="vent to the hall")
    leak = fault("mbar.L/s", low=0, high=2000, doc="air leak into the melting chamber, which the "
                 "loop's suction keeps below the hall's pressure")
    outlet_stuck = fault(bool, doc="the outlet valve does not open")

    GUARDS: Guards = (("pressure", LIMIT, SafetyChain.OVER_PRESSURE, "tower pressure switch"),)

    def __init__(self, chain: SafetyChain) -> None:
        super().__init__()
        self.chain = chain
        self.gas: AtomizingGas = NITROGEN
        self.pure = AMBIENT_PRESSURE  # Pa
        self.oxygen = AIR_OXYGEN  # mole fraction
        self.warm = AMBIENT  # K of the gas that leaves
        self.open_since = 0.0
        self.leaving = 0.0  # kg/s through the outlet in the last step
        self.volume_flow = 0.0  # m3/s there
        self.passivated = 0.0  # 0 to 1: how far the oxide film is grown under control

    def air(self) -> None:
        """The tower stands open."""
        self.pure, self.oxygen, self.open_since = AMBIENT_PRESSURE, AIR_OXYGEN, self.now
        plant: Any = self.plant
        plant.wake()

    @property
    def oxygen_pressure(self) -> float:
        """Pa of oxygen."""
        return self.oxygen * self.pure

    @property
    def back(self) -> float:
        """Pa over ambient: the melting chamber is vented to the loop's suction."""
        return max(self.pure - AMBIENT_PRESSURE - self.OUTLET, 0.0)

    @property
    def resting(self) -> bool:
        """Whether nothing flows and the analysers have come to rest."""
        busy = self.vacuum_pump or self.filling or self.bleed or self.outlet
        far = abs(self.pure - AMBIENT_PRESSURE) > 50.0 and self.vent
        slow = abs(self.oxygen_b - self.oxygen) > 2e-6 + 1e-3 * self.oxygen
        return not (busy or far or slow or self.warm > AMBIENT + 2.0 or self.leaving > 0.0
                    or self.pure < 0.5 * AMBIENT_PRESSURE)

    def tick(self, step: float, entering: float, supplied: float, heat: float, taken: float,
             resistance: float) -> None:
        """Advance by a step (s).

        ``entering`` kg/s of atomizing gas with a mole fraction ``supplied`` of oxygen; ``heat``
        (W) that the spray gives; ``taken`` kg/s of oxygen that metal takes up; ``resistance`` Pa
        per m3/s of cyclone and filter.
        """
        self.sense(self.now)
        now, gas = self.now, self.gas
        carries = entering * gas.heat
        goal = (AMBIENT * (carries + self.WALL) + heat) / (carries + self.WALL)
        self.warm = goal + (self.warm - goal) * exp(-step / 6.0)
        density = gas.density(max(self.warm, AMBIENT))
        opened = self.outlet and not self.outlet_stuck
        leak = self.leak + self.TIGHT
        filled = self.FILLING if self.filling and self.pure < AMBIENT_PRESSURE + 2e3 else 0.0
        bled = self.BLEED if self.bleed else 0.0
        amount = self.VOLUME * self.pure / AMBIENT_PRESSURE * AMBIENT / self.warm  # m3, ambient
        self.leaving = self.volume_flow = 0.0
        pumped = False
        if self.vacuum_pump and self.plant.energised:
            pumped = True
            load = leak + self.DESORPTION * exp(-(now - self.open_since) / self.DESORPTION_TIME) \
                + (filled + bled) * AMBIENT_PRESSURE
            floor = self.ULTIMATE + load / self.PUMPING
            tau = self.VOLUME / self.PUMPING
            self.pure = floor + (self.pure - floor) * exp(-step / tau)
        elif opened and self.pure > 0.95 * AMBIENT_PRESSURE:
            self.leaving = entering
            self.volume_flow = entering / density
            goal = AMBIENT_PRESSURE + self.OUTLET + resistance * self.volume_flow
            self.pure = goal + (self.pure - goal) * exp(-step / 2.0)
        else:
            rate = (entering / density + filled + bled) * AMBIENT_PRESSURE / self.VOLUME
            if self.pure < AMBIENT_PRESSURE:
                rate += (leak + self.DESORPTION * exp(
                    -(now - self.open_since) / self.DESORPTION_TIME)) / self.VOLUME
            self.pure += rate * step
            if self.vent:
                self.pure = AMBIENT_PRESSURE + (self.pure - AMBIENT_PRESSURE) * exp(-step / 20.0)
        if self.pure > self.RELIEF:
            self.log("process", "bursting disc of the tower: gas blows off", pressure=self.pure)
            self.pure = AMBIENT_PRESSURE
        self._mix(step, entering, supplied, filled, bled, leak, taken, amount)
        self.draw(self.PUMP_POWER * pumped)
        self.take_gas(filled)
        self.show("pressure", step, self.pure, 0.1)
        self.show("vacuum", step, min(self.pure, 1.1e5), 0.5)
        self.show("oxygen_a", step, self.oxygen, self.LAGS[0])
        self.show("oxygen_b", step, self.oxygen, self.LAGS[1])
        self.show("gas_temperature", step, self.warm, 2.0)
        self.guard()

    def _mix(self, step: float, entering: float, supplied: float, filled: float, bled: float,
             leak: float, taken: float, amount: float) -> None:
        """Oxygen after a step."""
        if not self.chain.door_closed:
            self.air()
            return
        below = self.pure < 0.99 * AMBIENT_PRESSURE
        drawn = leak / AMBIENT_PRESSURE if below or entering > 0.0 else 0.1 * leak / 101_325.0
        blown = entering / self.gas.density(AMBIENT)
        if self.vent and self.pure < AMBIENT_PRESSURE:
            drawn += self.VOLUME * (AMBIENT_PRESSURE - self.pure) / AMBIENT_PRESSURE / 20.0
        source = filled * self.PURITY + blown * supplied + (drawn + bled) * AIR_OXYGEN
        through = filled + blown + drawn + bled
        mean = max(amount, 1e-3)
        if through > 0.0:
            goal = source / through
            self.oxygen = goal + (self.oxygen - goal) * exp(-through * step / mean)
        molar = 0.0319988
        held = mean * AMBIENT_PRESSURE / (8.314462618 * AMBIENT) * molar
        self.oxygen = max(self.oxygen - taken * step / held, 0.0)
        if 0.002 < self.oxygen < 0.05:
            # A film of full thickness takes ten minutes at 1 % of oxygen, default.
            self.passivated = min(self.passivated + step * self.oxygen / 0.01 / 600.0, 1.0)

    def offered(self, step: float) -> float:
        """kg/s of oxygen that the gas in the tower has for a spray at most."""
        amount = self.VOLUME * self.pure / (8.314462618 * max(self.warm, AMBIENT))
        return 0.5 * self.oxygen * amount * 0.0319988 / step

    def tripped(self, power_lost: bool) -> None:
        # The outlet opens without power, all else closes.
        self.vacuum_pump, self.filling, self.bleed = False, False, False
        self.outlet = True
        plant: Any = self.plant
        plant.wake()

    _STATE = ("pure", "oxygen", "warm", "open_since", "leaving", "volume_flow", "passivated")

    def hidden_state(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self._STATE}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        for name in self._STATE:
            setattr(self, name, hidden[name])


class Separator(Gridded):
    """Cyclone with rotary valve and cans, filter with back-pulse.

    Grade efficiency of the cyclone 1/(1 + (dc/d)^3) with dc falling as the gas goes faster;
    filter: dp = (R0 + k c) u with the cake c (kg) of dust. A pulse throws most of the cake off.
    """

    CUT = 6e-6  # m at the reference flow, default
    DUST = 1.2e-6  # m: what the filter keeps in its cake, the rest falls with the fines, default
    REFERENCE = 0.35  # m3/s, default
    CYCLONE = 2.5e3  # Pa per m3/s, default
    CLOTH = 1.2e3  # Pa per m3/s of the clean filter, default
    CAKE = 9.0e3  # Pa per m3/s and kg of cake, default
    CLEANED = 0.9  # share of the cake that a pulse takes off, default
    CONE = 25.0  # kg that the cyclone's cone holds before it fails, default
    COOLING = 1_500.0  # s in which powder in the cans cools, default
    BURST = 7_500.0  # Pa over the cloth at which its switch opens the chain, default

    filter_pressure = measured("mbar", low=0, high=100, noise=0.02, quantum=0.01,
                               companion="Monitoring/Health/FilterDifferentialPressure",
                               doc="differential pressure of the filter")
    powder_mass = measured("kg", low=0, high=500, noise=0.01, quantum=0.01,
                           companion="Monitoring/Process/PowderMass",
                           doc="load cell: powder in the cans")
    fines_mass = measured("kg", low=0, high=100, noise=0.005, quantum=0.005,
                          companion="Monitoring/Process/FinesMass",
                          doc="load cell: fines below the filter")
    powder_temperature = measured("degC", low=0, high=400, start=20, noise=0.2, quantum=0.1,
                                  companion="Monitoring/Process/PowderTemperature",
                                  doc="powder in the cans")
    pulses = measured(int, low=0, high=1_000_000, doc="back-pulses since the machine was set up")
    tail_can = measured(bool, doc="diverter stands on the quarantine can")
    discharged = measured(bool, doc="the cans are out")
    back_pulse = actuator(bool, edge=True, doc="back-pulse of the filter (rising edge)")
    rotary_valve = actuator(bool, doc="rotary valve of the cyclone turns")
    divert = actuator(bool, doc="powder goes to the quarantine can")
    quarantine = actuator(bool, doc="mark what comes out: on hold until it is tested")
    discharge = actuator(bool, edge=True, doc="take the cans out (rising edge)")
    pulse_stuck = fault(bool, doc="the back-pulse valve does not open")
    blinding = fault("%", low=0, high=95, doc="share of the filter cloth that is blocked for good")
    valve_jam = fault(bool, doc="the rotary valve jams")

    GUARDS: Guards = (("filter_pressure", BURST, SafetyChain.DUST_FILTER,
                       "filter differential pressure switch"),)

    def __init__(self, chain: SafetyChain) -> None:
        super().__init__()
        self.chain = chain
        self.cake = 0.0  # kg
        self.cone = 0.0  # kg in the cyclone
        self.hot = AMBIENT  # K of the powder
        self.out = 0.0  # kg/s of gas for pulses

    def empty(self) -> None:
        """Nothing is left in cyclone and cans."""
        self.cone = 0.0
        self.settle("powder_mass", 0.0)
        self.settle("fines_mass", 0.0)

    @property
    def resistance(self) -> float:
        """Pa per m3/s of cyclone and filter."""
        return self.CYCLONE + self.filter_resistance

    @property
    def filter_resistance(self) -> float:
        """Pa per m3/s of the filter."""
        return float((self.CLOTH + self.CAKE * self.cake) / (1.0 - self.blinding))

    def grades(self, volume_flow: float) -> tuple[Floats, Floats]:
        """Shares (40,) that go past the cyclone, and of these that stay in the filter's cake."""
        speed = max(volume_flow, 0.05) / self.REFERENCE
        cut = self.CUT / speed**0.5
        if self.cone > self.CONE:
            # A full cone stirs up what it caught.
            cut *= 1.0 + 3.0 * min((self.cone - self.CONE) / self.CONE, 3.0)
        past = 1.0 / (1.0 + (CENTRES / cut) ** 3)
        caked = 1.0 / (1.0 + (CENTRES / self.DUST) ** 2)
        return past, caked

    def driven(self, attribute: str) -> None:
        if attribute == "back_pulse" and self.back_pulse and self.plant.energised \
                and not self.pulse_stuck:
            self.cake *= 1.0 - self.CLEANED
            self.pulses += 1
        elif attribute == "divert":
            self.tail_can = self.divert
        elif attribute == "discharge" and self.discharge:
            plant: Any = self.plant
            plant.take_out()
        super().driven(attribute)

    @property
    def resting(self) -> bool:
        """Whether its powder is cold and nothing flows."""
        return self.hot < AMBIENT + 1.0 and self.filter_pressure == 0.0

    def tick(self, step: float, volume_flow: float, caught: float, dust: float,
             arriving: float, total: float, fines: float) -> None:
        """Advance by a step (s).

        ``caught`` kg/s of powder to the cyclone, ``dust`` kg/s to the cake, powder at ``arriving``
        (K); ``total`` and ``fines`` kg of powder in the cans and below the filter.
        """
        self.sense(self.now)
        self.cake += dust * step
        turning = self.rotary_valve and not self.valve_jam and bool(self.plant.energised)
        self.cone += caught * step
        passed = self.cone * (1.0 - exp(-step / 4.0)) if turning else 0.0
        self.cone -= passed
        visible = max(total - self.cone, 0.0)
        if passed > 0.0 and visible > 0.0:
            share = min(passed / visible, 1.0)
            self.hot += share * (arriving - self.hot)
        self.hot = AMBIENT + (self.hot - AMBIENT) * exp(-step / self.COOLING)
        self.show("filter_pressure", step, self.filter_resistance * volume_flow, 0.5)
        self.show("powder_mass", step, visible, 0.5)
        self.show("fines_mass", step, fines, 0.5)
        self.show("powder_temperature", step, self.hot, 5.0)
        self.guard()

    def hidden_state(self) -> dict[str, Any]:
        return {"cake": self.cake, "cone": self.cone, "hot": self.hot}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        self.cake, self.cone, self.hot = hidden["cake"], hidden["cone"], hidden["hot"]

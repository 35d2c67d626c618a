"""Tundish of a gas atomizer: heated vessel, melt level, delivery nozzle that freezes or wears."""

from __future__ import annotations

from math import exp, pi
from typing import Any

from twin.equipment.gridded import Gridded
from twin.equipment.services import SafetyChain
from twin.machine import AMBIENT
from twin.materials import Alloy
from twin.physics.melting import HeatContent, nozzle_rate, nozzle_steady
from twin.physics.spray import aspiration, melt_flow
from twin.signals import actuator, fault, measured

__all__ = ["Tundish"]


class Tundish(Gridded):
    """A heated tundish with a stopper over its nozzle.

    The nozzle takes heat from melt that flows and from the tundish and gives it to the gas. Below
    the liquidus metal freezes in its bore: dD/dt = -kf (Tliq - Tn); above, it melts off again.
    Melt flows by its head and by what the gas sucks (Bernoulli); where the gas presses back more
    than the head it blows through the nozzle into the tundish.
    """

    AREA = 0.008  # m2, default
    RIM = 0.35  # m of melt at which it overflows, default
    HEATER = 60_000.0  # W, default
    CAPACITY = 20_000.0  # J/K of the vessel, default
    CONDUCTANCE = 10.0  # W/K to the hall, default
    TO_MELT = 250.0  # W/K between vessel and melt at a full level, default
    FREEZING = 2.2e-6  # m/(K s) that the bore closes per K below the liquidus, default
    BLOCKED = 0.35  # share of the bore below which gas gets through against the melt, default
    BLOW = 0.02  # kg/s of melt thrown out by gas that blows back, default
    HEEL = 0.01  # share of what ran through that stays as a skull, default
    TOLERANCE = 0.005  # standard deviation of a melt tube's bore, of what is written on it, default

    temperature = measured("degC", low=0, high=1800, start=20, noise=0.5, quantum=0.1,
                           companion="Monitoring/Process/TundishTemperature",
                           doc="thermocouple in the tundish's wall")
    nozzle_temperature = measured("degC", low=0, high=1800, start=20, noise=0.5, quantum=0.1,
                                  companion="Monitoring/Process/NozzleTemperature",
                                  doc="thermocouple at the melt nozzle")
    level = measured("mm", low=0, high=400, noise=0.5, quantum=0.1,
                     companion="Monitoring/Process/TundishLevel", doc="melt level, radar")
    launder_temperature = measured("degC", low=0, high=1800, start=20, noise=0.5, quantum=0.1,
                                   doc="thermocouple in the launder: melt that runs over the rim "
                                       "makes it hot")
    heater_power = measured("kW", low=0, high=80, noise=0.05, quantum=0.01,
                            companion="Monitoring/Health/TundishHeaterPower",
                            doc="power of the tundish heater")
    heat = actuator(bool, doc="tundish heater on")
    target = actuator("degC", low=20, high=1750, start=20, doc="tundish temperature to regulate to")
    stopper = actuator(bool, doc="stopper lifted: the nozzle is open")
    heater_weakness = fault("%", low=0, high=100, doc="share of the heater's power that is missing")
    nozzle_wear = fault("%", low=0, high=50, doc="share by which the nozzle's bore has grown")

    def __init__(self, chain: SafetyChain) -> None:
        super().__init__()
        self.chain = chain
        self.metal: Alloy | None = None
        self.content: HeatContent | None = None
        self.bore = self.true_bore = 4e-3  # m: as designed, and of the tube that is in
        self.protrusion = 5e-3
        self.wall = AMBIENT
        self.nozzle = AMBIENT
        self.held = 0.0  # kg of melt
        self.enthalpy = 0.0  # J/kg
        self.oxygen = 0.0
        self.frozen = 0.0  # m by which the bore is closed
        self.through = 0.0  # kg that have run into it
        self.flow = 0.0  # kg/s out of the nozzle in the last step
        self.spilt = 0.0  # kg/s over the rim
        self.splashed = 0.0  # kg/s thrown out by gas
        self.suction = 0.0  # Pa

    def set_up(self, metal: Alloy | None, bore: float, protrusion: float) -> None:
        """The alloy; a new nozzle with a bore and a tube that stands out (m)."""
        self.metal = metal
        self.content = None if metal is None else HeatContent(metal)
        self.bore = self.true_bore = bore
        self.protrusion = protrusion

    def new_tube(self, name: str) -> None:
        """A new melt tube is put in: its bore is not quite what is written on it."""
        draw = float(self.plant.stream(f"melt tube {name}").standard_normal())
        self.true_bore = self.bore * (1.0 + self.TOLERANCE * draw)

    def clean(self) -> float:
        """Break out the skull (kg) and what is frozen in the nozzle."""
        left, self.held, self.frozen, self.through = self.held, 0.0, 0.0, 0.0
        self.enthalpy = 0.0
        return left

    @property
    def melt(self) -> float:
        """Temperature (K) of the melt; of the vessel if there is none."""
        if self.content is None or self.held <= 1e-6:
            return self.wall
        return self.content.temperature(self.enthalpy)

    @property
    def opening(self) -> float:
        """Free bore of the nozzle, m."""
        return float(max(self.true_bore * (1.0 + self.nozzle_wear) - self.frozen, 0.0))

    @property
    def resting(self) -> bool:
        """Whether nothing in it changes."""
        return not self.heat and max(self.wall, self.nozzle) < AMBIENT + 30.0 \
            and self.flow == 0.0 and self.heater_power == 0.0

    def tick(self, step: float, inflow: float, arriving: float, oxygen: float, gas: float,
             gas_pressure: float, gas_temperature: float, back: float) -> float:
        """Advance by a step (s); heater power (W).

        ``inflow`` (kg/s) of melt with heat content ``arriving`` (J/kg) and a mass fraction of
        ``oxygen``; atomizing ``gas`` (kg/s) at its pressure and temperature; ``back`` (Pa) by which
        the tower's pressure is above that over the melt.
        """
        self.sense(self.now)
        metal, content = self.metal, self.content
        self.flow = self.spilt = self.splashed = 0.0
        given = 0.0
        if self.heat and self.plant.energised:
            need = self.CONDUCTANCE * (self.wall - AMBIENT) \
                + self.CAPACITY * (self.target - self.wall) / 60.0
            given = min(max(need, 0.0), self.HEATER * (1.0 - self.heater_weakness))
        to_melt = 0.0
        if metal is not None and content is not None:
            if inflow > 0.0:
                new = inflow * step
                whole = self.held + new
                self.enthalpy = (self.enthalpy * self.held + arriving * new) / whole
                self.oxygen = (self.oxygen * self.held + oxygen * new) / whole
                self.held, self.through = whole, self.through + new
            if self.held > 1e-6:
                to_melt = self._run(step, metal, content, gas, gas_pressure, back)
        loss = self.CONDUCTANCE * (self.wall - AMBIENT)
        self.wall += step * (given - loss - to_melt) / self.CAPACITY
        wet = self.held > 1e-6
        end = nozzle_steady(self.melt, self.wall, gas_temperature, self.flow, gas, wet)
        rate = nozzle_rate(self.flow, gas, wet) * (4.0 if self.splashed > 0.0 else 1.0)
        self.nozzle = end + (self.nozzle - end) * exp(-rate * step)
        if metal is not None and self.through > 0.0:
            short = metal.liquidus - self.nozzle
            most = self.true_bore * (1.0 + self.nozzle_wear)
            if short < 0.0 or self.held > 1e-6:
                self.frozen = min(max(self.frozen + self.FREEZING * short * step, 0.0), most)
        self.show("temperature", step, self.wall, 2.0)
        self.show("nozzle_temperature", step, self.nozzle, 1.0)
        self.show("level", step, self._head, 0.5)
        self.show("heater_power", step, given, 0.0)
        # It sees a little of the vessel; melt in it heats it at once and leaves it slowly.
        seen = AMBIENT + 0.08 * (self.wall - AMBIENT)
        spills = self.spilt > 0.0
        self.show("launder_temperature", step, self.melt if spills else seen,
                  1.5 if spills else 300.0)
        self.draw(given)
        return given

    @property
    def _head(self) -> float:
        if self.metal is None or self.held <= 0.0:
            return 0.0
        return self.held / (float(self.metal.density(self.metal.liquidus)) * self.AREA)

    def _run(self, step: float, metal: Alloy, content: HeatContent, gas: float,
             pressure: float, back: float) -> float:
        """What flows out and over; heat (W) that the vessel gives to the melt."""
        wet = min(self._head / self.RIM, 1.0)
        to_melt = self.TO_MELT * wet * (self.wall - self.melt)
        # No further than to the same temperature.
        most = self.held * 800.0 * abs(self.wall - self.melt) / step
        to_melt = min(max(to_melt, -most), most)
        self.enthalpy = max(self.enthalpy + step * to_melt / self.held, 0.0)
        hot = self.melt
        density = float(metal.density(max(hot, metal.liquidus)))
        full = density * self.AREA * self.RIM
        if self.held > full:
            self.spilt = (self.held - full) / step
            self.held = full
        opening = self.opening
        head = self.held / (density * self.AREA)
        self.suction = (aspiration(self.protrusion, pressure) if gas > 0.01 else 0.0) - back
        liquid = self.enthalpy > content.solid
        if self.stopper and liquid:
            blocked = opening < self.BLOCKED * self.bore
            drives = density * 9.80665 * head + self.suction
            if gas > 0.01 and (blocked or drives <= 0.0):
                self.splashed = min(self.BLOW, self.held / step)
            if not blocked and drives > 0.0:
                wanted = melt_flow(opening, density, head, self.suction)
                # The last of it runs out as the level falls: what is there, at most.
                self.flow = min(wanted, (self.held / step) * (1.0 - exp(
                    -wanted * step / self.held)) if self.held > 0.0 else 0.0)
                heel = self.HEEL * self.through
                if self.held - self.flow * step < heel:
                    self.flow = max(self.held - heel, 0.0) / step
            self.held = max(self.held - (self.flow + self.splashed) * step, 0.0)
        return to_melt

    @property
    def area(self) -> float:
        """Free cross-section of the nozzle, m2."""
        return 0.25 * pi * self.opening**2

    def tripped(self, power_lost: bool) -> None:
        self.heat, self.stopper = False, False

    _STATE = ("bore", "true_bore", "protrusion", "wall", "nozzle", "held", "enthalpy", "oxygen",
              "frozen", "through", "flow", "spilt", "splashed", "suction")

    def hidden_state(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self._STATE}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        for name in self._STATE:
            setattr(self, name, hidden[name])

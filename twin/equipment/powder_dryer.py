"""Dryer of a powder line: heat, dry inert gas over the powder, water that leaves it or comes."""

from __future__ import annotations

from math import exp
from typing import Any

from twin.equipment.chamber import ATMOSPHERE, dew_point
from twin.equipment.inert_line import InertLine
from twin.equipment.powder_station import PowderLine, Station
from twin.machine import AMBIENT
from twin.physics.drying import DryingKinetics, monolayer
from twin.physics.powder_surface import film_growth
from twin.powder.lot import HYDROGEN_OF_WATER, PowderLot
from twin.powder.operations import Draw, renamed, water_elements, with_water
from twin.signals import actuator, fault, measured

__all__ = ["PowderDryer"]


class PowderDryer(Station):
    """A stirred, heated vessel swept with gas.

    Powder: C dT/dt = P - G (T - T_hall); water: dX/dt = -k0 exp(-Ea/RT) (X - Xeq), with Xeq of the
    gas's water vapour at the powder's temperature; oxide grows with what oxygen the line's gas
    holds. The exhaust's dew point tells the water that still comes.
    """

    STEP = 20.0
    POWER = 250.0  # W of the stirrer, default
    HEATER = 3000.0  # W, default
    VESSEL = 12_000.0  # J/K, default
    HEAT = 550.0  # J/(kg K) of powder, default
    LOSS = 9.0  # W/K, default
    COOLING = 60.0  # W/K of the jacket's water when it cools, default
    GAIN = 0.06  # share of the heater per K, default
    DRY_GAS = 2e-6  # mole fraction of water in the sweep gas, default
    KINETICS = DryingKinetics()
    MIXES = 0.2
    MOLAR_VOLUME = 0.02405  # m3/mol at 293 K

    powder_temperature = measured("degC", low=0, high=300, start=20, noise=0.05, quantum=0.1,
                                   companion="Monitoring/Process/DryerTemperature",
                                   doc="powder in the dryer")
    exhaust_dew_point = measured("degC", low=-80, high=40, start=-70, noise=0.1, quantum=0.1,
                                 companion="Monitoring/Process/DryerDewPoint",
                                 doc="dew point of the gas that leaves")
    heater_power = measured("W", low=0, high=5000, noise=2, quantum=1, doc="heater power")
    sweep = measured("L/min", low=0, high=200, noise=0.05, quantum=0.1, doc="sweep gas flow")
    heat = actuator(bool, doc="heater on")
    cool = actuator(bool, doc="cooling water through the jacket")
    target = actuator("degC", low=20, high=200, start=110, doc="powder temperature to go to")
    sweep_flow = actuator("L/min", low=0, high=100, start=20, doc="sweep gas demand")
    discharge = actuator(bool, edge=True, doc="the batch is dry: let it out (rising edge)")
    humid_gas = fault("ppm", low=0, high=20_000, doc="water in the sweep gas beyond what it should "
                      "hold: its dryer is spent")
    heater_failure = fault("%", low=0, high=100, doc="share of the heater that is open")

    def __init__(self, line: PowderLine, gas: InertLine) -> None:
        super().__init__(line, gas)
        self.true = AMBIENT
        self.water = 0.0  # kg that the batch has taken up (below 0: given off), not yet entered

    def temperature(self) -> float:
        return self.true

    def always(self) -> bool:
        return bool(self.true > AMBIENT + 3.0 or (self.heat and self._gas.permits))

    def begin(self) -> None:
        self.water = 0.0

    def driven(self, attribute: str) -> None:
        if attribute == "discharge":
            if self.discharge and self.begun and not self.done:
                self.finish()
                self.done = True
            return
        super().driven(attribute)

    def tripped(self, power_lost: bool) -> None:
        self.heat = self.cool = False
        super().tripped(power_lost)

    def work(self, now: float, step: float) -> bool:
        self._step(now, step)
        return False

    def passive(self, now: float, step: float) -> None:
        batch = self._line.batch
        if self.begun and not self.done and batch is not None:
            self._line.film = film_growth(self._line.film, self.true, self._gas.oxygen, step)
        self._step(now, step)

    def _step(self, now: float, step: float) -> None:
        batch = self._line.batch if self.begun and not self.done else None
        mass = batch.metal if batch is not None else 0.0
        on = self.heat and self._gas.permits
        share = min(max(self.GAIN * (self.target - self.true) + 0.25, 0.0), 1.0) if on else 0.0
        power = share * self.HEATER * (1.0 - self.heater_failure)
        loss = self.LOSS + (self.COOLING if self.cool and self.plant.energised else 0.0)
        capacity = self.VESSEL + mass * self.HEAT
        # Implicit in the loss, so that a light load at a long step stays stable.
        self.true = (self.true + step * (power + loss * AMBIENT) / capacity) / (
            1.0 + step * loss / capacity)
        flow = self.sweep_flow if on or self.working else 0.0
        self.take_gas(flow)
        vapour = (self.DRY_GAS + self.humid_gas) * ATMOSPHERE
        given = 0.0
        if batch is not None and mass > 0.0 and flow > 0.0:
            held = (batch.water + self.water) / mass
            layer = monolayer(batch.main.density, batch.d32)
            ends = layer * self.KINETICS.coverage(self.true, vapour)
            after = self.KINETICS.after(held, ends, self.true, step)
            given = (held - after) * mass
            self.water -= given
        moles = flow * step / self.MOLAR_VOLUME
        leaves = vapour
        if moles > 0.0:
            leaves += given / 0.018015 / moles * ATMOSPHERE
        self.show("powder_temperature", now, step, self.true)
        self.show("exhaust_dew_point", now, step, dew_point(max(leaves, 1e-3)))
        self.show("heater_power", now, step, power)
        self.show("sweep", now, step, flow)
        self.draw(power + self.POWER * self.working)

    def idle(self) -> None:
        self.settle("powder_temperature", self.true)
        self.settle("exhaust_dew_point", self.exhaust_dew_point)
        self.settle("heater_power", 0.0)
        self.settle("sweep", 0.0)
        self.take_gas(0.0)

    def finish(self) -> None:
        line, batch = self._line, self._line.batch
        if batch is None or batch.metal <= 0.0:
            return
        change = max(self.water, -batch.water)
        self.water = 0.0
        line.unmixed *= self.MIXES  # It is stirred.
        dry = renamed(with_water(batch, change), line.new_id(), parents=(batch.id,))
        dry, gained = line.oxidised(dry)
        lost: dict[str, float] = {}
        if change < 0.0:
            lost = water_elements(-change)
        elif change > 0.0:
            gained = {"O": gained.get("O", 0.0) + change * (1.0 - HYDROGEN_OF_WATER),
                      "H": change * HYDROGEN_OF_WATER}
        made = line.operate("dry", [Draw.all(batch)], [dry], gained=gained, lost=lost,
                            temperature=self.true)
        line.batch = next(o for o in made if isinstance(o, PowderLot))
        line.changed()

    def abandon(self) -> None:
        """Take out a batch that nobody looks after any more.

        It cools by itself in the gas that the line is full of, air if somebody opened it, and
        oxidises until it is cold.
        """
        batch = self._line.batch
        mass = batch.metal if batch is not None else 0.0
        fade = exp(-self.STEP * self.LOSS / (self.VESSEL + mass * self.HEAT))
        hot, oxygen = self.true, self._gas.oxygen
        while hot > AMBIENT + 10.0:
            self._line.film = film_growth(self._line.film, hot, oxygen, self.STEP)
            hot = AMBIENT + (hot - AMBIENT) * fade
        self.finish()

    def hidden_state(self) -> dict[str, Any]:
        return {**super().hidden_state(), "true": self.true, "water": self.water}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        super().restore_hidden(hidden)
        self.true, self.water = hidden["true"], hidden["water"]

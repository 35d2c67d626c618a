"""Gas supply of an atomizer: receiver, compressor of the closed loop, regulator, heater, nozzle."""

from __future__ import annotations

from math import exp, log
from typing import Any

from twin.equipment.gridded import Gridded
from twin.equipment.services import SafetyChain
from twin.machine import AMBIENT
from twin.physics.atomizing_gas import AMBIENT_PRESSURE, NITROGEN, AtomizingGas
from twin.signals import actuator, fault, measured

__all__ = ["GasSupply"]


class GasSupply(Gridded):
    """High-pressure gas from a receiver, which a compressor fills from the tower or from outside.

    Receiver: V/(R T) dp/dt = compressor + fresh gas - nozzle - curtain. The flow through the
    nozzle's gas slit is choked; the heater's outlet lags and cannot give more than its power.
    """

    VOLUME = 10.0  # m3, default
    NOMINAL = 100e5  # Pa, default
    FRESH = 0.15  # kg/s of fresh gas at most, default
    COMPRESSOR = 0.6  # kg/s of the loop compressor, default
    EFFICIENCY = 0.6  # of the compressor over isothermal work, default
    LOSS = 0.02  # share of the loop's gas that seals and back-pulses lose, default
    DROP = 5e5  # Pa that the regulator needs, default
    HEATER = 150_000.0  # W, default
    HEATER_LAG = 30.0  # s, default
    DISCHARGE = 0.9  # of the gas slit
    CURTAIN = 0.15  # kg/s of anti-satellite gas at most, default
    PURITY = 3e-6  # oxygen in fresh gas, default

    pressure = measured("bar", low=0, high=100, start=1.01, noise=0.02, quantum=0.01,
                        companion="Monitoring/Process/AtomizingPressure",
                        doc="absolute gas pressure before the nozzle")
    flow = measured("kg/min", low=0, high=60, noise=0.01, quantum=0.01,
                    companion="Monitoring/Process/AtomizingFlow", doc="atomizing gas flow")
    temperature = measured("degC", low=0, high=600, start=20, noise=0.2, quantum=0.1,
                           companion="Monitoring/Process/AtomizingTemperature",
                           doc="gas temperature before the nozzle")
    receiver_pressure = measured("bar", low=0, high=150, start=100, noise=0.02, quantum=0.01,
                                 companion="Monitoring/Health/ReceiverPressure",
                                 doc="pressure in the receiver")
    heater_power = measured("kW", low=0, high=200, noise=0.05, quantum=0.01,
                            doc="power of the gas heater")
    curtain_flow = measured("kg/min", low=0, high=10, noise=0.005, quantum=0.001,
                            companion="Monitoring/Process/CurtainFlow",
                            doc="anti-satellite gas along the spray")
    compressor_power = measured("kW", low=0, high=300, noise=0.1, quantum=0.1,
                                companion="Monitoring/Health/CompressorPower",
                                doc="power of the loop compressor")
    valve = actuator(bool, doc="atomizing gas valve open")
    target = actuator("bar", low=1, high=100, start=1.01, doc="pressure that the regulator holds")
    heat = actuator(bool, doc="gas heater on")
    heat_to = actuator("degC", low=20, high=500, start=20, doc="gas temperature to regulate to")
    curtain = actuator("kg/min", low=0, high=9, doc="anti-satellite gas flow demand")
    compressor = actuator(bool, doc="loop compressor on: the tower's gas is used again")
    supply_loss = fault("%", low=0, high=100, doc="share of the receiver's pressure that is lost "
                        "before the regulator")
    curtain_loss = fault("%", low=0, high=100, doc="share of the anti-satellite gas that is lost")
    heater_failure = fault("%", low=0, high=100, doc="share of the heater's power that is missing")

    def __init__(self, chain: SafetyChain) -> None:
        super().__init__()
        self.chain = chain
        self.gas: AtomizingGas = NITROGEN
        self.area = 24e-6
        self.stored = self.NOMINAL
        self.before = AMBIENT_PRESSURE  # Pa before the nozzle
        self.hot = AMBIENT  # K before the nozzle
        self.now_flow = 0.0  # kg/s
        self.now_curtain = 0.0  # kg/s
        self.oxygen = self.PURITY  # mole fraction in the receiver

    def set_up(self, gas: AtomizingGas, area: float) -> None:
        """The gas, and the nozzle's gas slit (m2)."""
        self.gas, self.area = gas, area

    @property
    def speed(self) -> float:
        """Speed (m/s) of the jet at the nozzle."""
        return self.gas.speed(self.before, self.hot)

    @property
    def resting(self) -> bool:
        """Whether nothing flows and nothing changes."""
        return not self.valve and self.now_flow == 0.0 and self.now_curtain == 0.0 \
            and not self.heat and abs(self.hot - AMBIENT) < 3.0 \
            and self.stored > 0.999 * self.NOMINAL and self.before < AMBIENT_PRESSURE + 500.0

    def tick(self, step: float, returned: float, oxygen: float) -> float:
        """Advance by a step (s).

        ``returned`` (kg/s): what the tower's outlet gives back, with a mole fraction of ``oxygen``.

        Returns kg/s into the tower.
        """
        self.sense(self.now)
        on = bool(self.plant.energised)
        able = self.stored * (1.0 - self.supply_loss) - self.DROP
        goal = min(self.target, max(able, AMBIENT_PRESSURE)) if self.valve and on \
            else AMBIENT_PRESSURE
        self.before = goal + (self.before - goal) * exp(-step / 0.8)
        self.now_flow = self.gas.flow(self.before, self.hot, self.area, self.DISCHARGE) \
            if self.valve and on else 0.0
        self.now_curtain = min(self.curtain, self.CURTAIN) * (1.0 - self.curtain_loss) * on \
            if able > 2e5 else 0.0
        power = self._warm(step, on)
        used = self.now_flow + self.now_curtain
        compressed, work = 0.0, 0.0
        if self.compressor and on:
            compressed = min(returned * (1.0 - self.LOSS), self.COMPRESSOR)
            rise = log(max(self.stored, 2e5) / AMBIENT_PRESSURE)
            work = 8_000.0 + compressed * self.gas.constant * AMBIENT * rise / self.EFFICIENCY
        holds = self.VOLUME / (self.gas.constant * AMBIENT)
        short = (self.NOMINAL - self.stored) * holds / step + used - compressed
        fresh = min(max(short, 0.0), self.FRESH)
        self.stored = max(self.stored + (fresh + compressed - used) * step / holds, 1e5)
        self.oxygen += (compressed * (oxygen - self.oxygen) + fresh * (self.PURITY - self.oxygen)
                        ) * step / (holds * self.stored)
        self.take_gas(fresh / self.gas.density(AMBIENT))
        self.draw(power + work)
        self.show("pressure", step, self.before, 0.05)
        self.show("flow", step, self.now_flow, 0.5)
        self.show("temperature", step, self.hot, 3.0)
        self.show("receiver_pressure", step, self.stored, 0.5)
        self.show("heater_power", step, power)
        self.show("curtain_flow", step, self.now_curtain, 0.5)
        self.show("compressor_power", step, work, 1.0)
        return used

    def _warm(self, step: float, on: bool) -> float:
        """Heater: its outlet and its power (W)."""
        most = self.HEATER * (1.0 - self.heater_failure) * on
        carries = self.now_flow * self.gas.heat
        goal = AMBIENT
        if self.heat:
            reach = AMBIENT + most / carries if carries > 1.0 else self.heat_to
            goal = min(self.heat_to, reach) if most > 0.0 else AMBIENT
        lag = self.HEATER_LAG if self.heat or carries > 1.0 else 600.0
        self.hot = goal + (self.hot - goal) * exp(-step / lag)
        if not self.heat:
            return 0.0
        needed = carries * max(self.hot - AMBIENT, 0.0) + 15.0 * (self.hot - AMBIENT)
        return float(min(needed + 400.0 * max(goal - self.hot, 0.0), most))

    def tripped(self, power_lost: bool) -> None:
        # Valves close without power, the heater is off.
        self.valve, self.heat, self.compressor, self.curtain = False, False, False, 0.0

    def hidden_state(self) -> dict[str, Any]:
        return {"stored": self.stored, "before": self.before, "hot": self.hot,
                "flow": self.now_flow, "curtain": self.now_curtain, "oxygen": self.oxygen}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        self.stored, self.before, self.hot = hidden["stored"], hidden["before"], hidden["hot"]
        self.now_flow, self.now_curtain = hidden["flow"], hidden["curtain"]
        self.oxygen = hidden["oxygen"]

"""Melting for atomization: generator, tilting crucible, and the water for their coils."""

from __future__ import annotations

from math import exp
from typing import Any

from twin.equipment.gridded import Gridded, Guards
from twin.equipment.services import Chiller, SafetyChain
from twin.machine import AMBIENT
from twin.materials import Alloy
from twin.physics.melting import HeatContent, bath_area, bath_loss
from twin.signals import actuator, fault, measured

__all__ = ["CoilWater", "Crucible", "Generator"]


class CoilWater(Chiller):
    """Cooling water of coils, tower and generator."""

    NOMINAL = 200e-3 / 60  # m3/s, default
    PUMP = 4_000.0  # W, default
    CUT_OUT = 313.15  # K, default

    flow = measured("L/min", low=0, high=500, noise=0.5, quantum=0.1,
                    companion="Monitoring/Health/WaterFlow", doc="cooling water flow")
    supply_temperature = measured("degC", low=0, high=60, start=20, noise=0.02, quantum=0.01,
                                  companion="Monitoring/Health/WaterSupplyTemperature",
                                  doc="water to coils and tower")
    return_temperature = measured("degC", low=0, high=60, start=20, noise=0.02, quantum=0.01,
                                  companion="Monitoring/Health/WaterReturnTemperature",
                                  doc="water from coils and tower")


class Generator(Gridded):
    """Frequency converter for the melting coil; off while the safety chain is open (no water).

    Vacuum or inert gas is what the program has to look after.
    """

    MAXIMUM = 250_000.0  # W, default
    RESISTANCE = 0.12  # ohm of the coil with its load at the working frequency, default
    TO_COIL = 0.30  # share of the power that heats the coil and with it the water, default

    power = measured("kW", low=0, high=300, noise=0.05, quantum=0.01,
                     companion="Monitoring/Process/GeneratorPower",
                     doc="power of the melting generator")
    current = measured("A", low=0, high=2000, noise=1, quantum=1,
                       companion="Monitoring/Health/CoilCurrent", doc="coil current")
    enable = actuator(bool, doc="generator on")
    limit = actuator("kW", low=0, high=250, doc="most power that it gives")
    weakness = fault("%", low=0, high=100, doc="share of the generator's power that is missing")

    def __init__(self, chain: SafetyChain, water: Chiller) -> None:
        super().__init__()
        self.chain = chain
        self._water = water
        self._told = 0.0

    def give(self, wanted: float, step: float) -> float:
        """Power (W) given in the coming step when so much is asked for."""
        able = self.enable and self.plant.energised
        most = min(self.limit, self.MAXIMUM * (1.0 - self.weakness))
        given = min(max(wanted, 0.0), most) if able else 0.0
        self.show("power", step, given, 0.5)
        self.show("current", step, (given / self.RESISTANCE) ** 0.5, 0.5)
        self.draw(given / 0.92)
        return given

    def warm(self, more: float, given: float) -> None:
        """Tell the water what it takes up (W): coil losses and `more`."""
        heat = self.TO_COIL * given + more
        if abs(heat - self._told) > max(0.05 * self._told, 500.0):
            self._told = heat
            self._water.heat(heat)

    def tripped(self, power_lost: bool) -> None:
        self.enable = False
        self.settle("power", 0.0)
        self.settle("current", 0.0)
        self.draw(0.0)
        self._told = 0.0
        plant: Any = self.plant
        plant.wake()

    def hidden_state(self) -> dict[str, Any]:
        return {"told": self._told}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        self._told = hidden["told"]


class Crucible(Gridded):
    """A tilting induction crucible: heat content of its charge, oxygen in it, what it pours.

    m dh/dt = eta P - losses; the generator is regulated on the pyrometer. What is above the lip at
    the present tilt runs out within a few seconds; a skull stays.
    """

    COUPLING = 0.65  # share of the generator's power that heats the charge, default
    EARTH_LIMIT = 50e-3  # A of leakage at which the earth relay opens the chain, default
    CAPACITIVE = 3e-3  # A that leaks from a sound coil at full power, default
    EARTH_GROWTH = 8e-3  # A/s as melt finds its way to the coil, default
    TILT_SPEED = 0.05  # rad/s, default
    CREEP = 0.02  # rad/s of a cylinder whose valve leaks, default
    FULL_TILT = 1.6  # rad at which a full crucible would be empty, default
    RUN = 2.0  # s in which what is above the lip runs out, default
    SKULL = 0.015  # share of the charge that stays, default
    PICK_UP = 4e-6  # kg/(m2 s Pa) of oxygen from the gas over the bath, default
    REGULATION = 5.0  # s, default

    temperature = measured("degC", low=600, high=2000, start=600, noise=1.0, quantum=0.1,
                           companion="Monitoring/Process/MeltTemperature",
                           doc="melt, two-colour pyrometer; shows 600 degC below its range")
    mass = measured("kg", low=0, high=500, noise=0.01, quantum=0.01,
                    companion="Monitoring/Process/ChargeMass",
                    doc="load cell: charge in the crucible")
    earth_leakage = measured("mA", low=0, high=200, start=0.9, noise=0.1, quantum=0.1,
                             companion="Monitoring/Health/EarthLeakage",
                             doc="earth leakage current of the coil: rises when melt comes near")
    tilt = measured("deg", low=0, high=100, noise=0.02, quantum=0.01, doc="tilt of the crucible")
    heat = actuator(bool, doc="the generator heats the crucible")
    target = actuator("degC", low=20, high=1950, start=20, doc="melt temperature to regulate to")
    tilting = actuator("deg", low=0, high=100, doc="tilt to go to")
    charging = actuator(bool, edge=True, doc="put the next charge in (rising edge)")
    crack = fault(bool, doc="the crucible cracks: melt on its way to the coil")
    tilt_creep = fault(bool, doc="the tilting cylinder's valve leaks: the crucible tilts by itself")

    GUARDS: Guards = (("earth_leakage", EARTH_LIMIT, SafetyChain.EARTH,
                       "earth leakage: melt near the coil"),)

    def __init__(self, chain: SafetyChain, generator: Generator) -> None:
        super().__init__()
        self.chain = chain
        self._generator = generator
        self.metal: Alloy | None = None
        self.content: HeatContent | None = None
        self.charge = 0.0  # kg put in
        self.left = 0.0  # kg in it now
        self.oxygen = 0.0  # mass fraction
        self.enthalpy = 0.0  # J/kg
        self.gained = 0.0  # kg of oxygen taken from the gas
        self._tilt = 0.0
        self.poured = 0.0  # kg/s in the last step

    def set_up(self, metal: Alloy | None) -> None:
        """The alloy to melt."""
        self.metal = metal
        self.content = None if metal is None else HeatContent(metal)

    def fill(self, mass: float, oxygen: float) -> None:
        """Put a charge (kg, mass fraction of oxygen) into the empty crucible."""
        self.charge = self.left = mass
        self.oxygen, self.enthalpy, self.gained, self.poured = oxygen, 0.0, 0.0, 0.0
        self.settle("mass", mass)

    def empty(self) -> float:
        """Break out what is left (kg)."""
        left, self.left, self.charge, self.enthalpy = self.left, 0.0, 0.0, 0.0
        self.settle("mass", 0.0)
        return left

    def driven(self, attribute: str) -> None:
        if attribute == "charging" and self.charging:
            plant: Any = self.plant
            plant.put_in()
        super().driven(attribute)

    @property
    def true(self) -> float:
        """Temperature (K) of the charge."""
        if self.content is None or self.left <= 0.0:
            return AMBIENT
        return self.content.temperature(self.enthalpy)

    @property
    def was_molten(self) -> bool:
        """Whether any of the charge that is in it has been melt."""
        return self.gained > 0.0 or self.left < self.charge

    @property
    def molten(self) -> bool:
        """Whether all of the charge is liquid."""
        return self.content is not None and self.left > 0.0 \
            and self.enthalpy >= self.content.liquid

    @property
    def resting(self) -> bool:
        """Whether nothing in it changes."""
        still = self._tilt == (self.FULL_TILT if self.tilt_creep else self.tilting)
        return not self.heat and self.true < AMBIENT + 30.0 and still \
            and self.earth_leakage <= 1e-3

    def tick(self, step: float, oxygen_pressure: float) -> float:
        """Advance by a step (s) under so much oxygen (Pa); generator power given (W)."""
        self.sense(self.now)
        true, wanted = self.true, 0.0
        metal, content = self.metal, self.content
        moved = self.TILT_SPEED * step
        if self.tilt_creep:
            self._tilt = min(self._tilt + self.CREEP * step, self.FULL_TILT)
        else:
            self._tilt += min(max(self.tilting - self._tilt, -moved), moved)
        self.show("tilt", step, self._tilt)
        self.poured = 0.0
        if metal is not None and content is not None and self.left > 0.0:
            loss = bath_loss(true, self.left, metal.emissivity)
            if self.heat:
                ahead = content.at(self.target) - self.enthalpy
                wanted = (loss + self.left * ahead / self.REGULATION) / self.COUPLING
        given = self._generator.give(wanted, step)
        if metal is not None and content is not None and self.left > 0.0:
            self.enthalpy = max(
                self.enthalpy + step * (self.COUPLING * given - loss) / self.left, 0.0)
            if self.enthalpy > content.solid:
                # The more it holds, the more slowly it takes up: half at 1000 ppm, default.
                new = self.PICK_UP * bath_area(self.left) * oxygen_pressure * step \
                    / (1.0 + self.oxygen / 1e-3)
                self.gained += new
                self.oxygen = (self.oxygen * self.left + new) / (self.left + new)
                self.left += new
            if self.molten and self._tilt > 0.0:
                hold = max(self.charge * (1.0 - self._tilt / self.FULL_TILT), 0.0)
                above = max(self.left - max(hold, self.SKULL * self.charge), 0.0)
                self.poured = above * (1.0 - exp(-step / self.RUN)) / step
                self.left -= self.poured * step
        self.show("temperature", step, max(self.true, 873.15), 0.3)
        self.show("mass", step, self.left, 0.5)
        leaking = self.crack and self.left > 0.0 and content is not None \
            and self.enthalpy > content.solid
        sound = self.CAPACITIVE * (0.3 + given / self._generator.MAXIMUM)
        leakage = self.earth_leakage + self.EARTH_GROWTH * step if leaking else sound
        self.show("earth_leakage", step, min(leakage, 0.2), 0.0 if leaking else 2.0)
        self.guard()
        return given

    def tripped(self, power_lost: bool) -> None:
        # The tilting cylinder's valve falls back: the crucible rights itself.
        self.heat, self.tilting = False, 0.0

    def hidden_state(self) -> dict[str, Any]:
        return {"charge": self.charge, "left": self.left, "oxygen": self.oxygen,
                "enthalpy": self.enthalpy, "gained": self.gained, "tilt": self._tilt,
                "poured": self.poured}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        self.charge, self.left = hidden["charge"], hidden["left"]
        self.oxygen, self.enthalpy = hidden["oxygen"], hidden["enthalpy"]
        self.gained, self._tilt = hidden["gained"], hidden["tilt"]
        self.poured = hidden["poured"]

"""Electrode for crucible-free melting: a rod that turns and drips in an induction coil."""

from __future__ import annotations

from math import exp, pi
from typing import Any

from twin.equipment.gridded import Gridded, Guards
from twin.equipment.melting import Generator
from twin.equipment.services import SafetyChain
from twin.machine import AMBIENT
from twin.materials import STEFAN_BOLTZMANN, Alloy
from twin.physics.melting import HeatContent, coupling, rod_melting_rate
from twin.physics.spray import stream_diameter
from twin.signals import actuator, fault, measured

__all__ = ["Electrode"]


class Electrode(Gridded):
    """A rod fed into a conical coil: m = eta(x) P / (h(tip) - h0), dx/dt = feed - m/(rho A).

    The coupling eta falls with the tip's distance from its best place in the coil, so that a rod
    fed too slowly melts more slowly. One that is fed too fast comes to touch the coil.
    """

    COUPLING = 0.30  # share of the power at the best place, default
    PLACE = (0.030, 0.022)  # m: best depth of the tip in the coil and width of the fall, default
    TOUCH = 0.055  # m of depth at which the rod touches the coil, default
    SUPERHEAT = 100.0  # K of the film at 60 kW, set so that it drips at 1800 degC there
    TIP = (1.2, 0.3)  # kg that must be hot before it drips; at most this share of the rod, default
    FALL = 0.10  # m from the tip to the gas nozzle, default
    EARTH_LIMIT = 50e-3  # A, default
    CAPACITIVE = 3e-3  # A that leaks from a sound coil at full power, default
    EVEN = 4.0  # turns per minute that even the melting of the tip, default

    mass = measured("kg", low=0, high=200, noise=0.005, quantum=0.005,
                    companion="Monitoring/Process/RodMass", doc="load cell: rod")
    position = measured("mm", low=-100, high=100, noise=0.05, quantum=0.01,
                        companion="Monitoring/Process/RodTip",
                        doc="depth of the tip in the coil, camera")
    feed_rate = measured("mm/min", low=0, high=200, noise=0.05, quantum=0.01,
                         companion="Monitoring/Process/RodFeed", doc="feed of the rod, encoder")
    rotation = measured("rpm", low=0, high=20, noise=0.01, quantum=0.01, doc="turning of the rod")
    wobble = measured("mm", low=0, high=20, noise=0.01, quantum=0.01,
                      companion="Monitoring/Health/RodWobble",
                      doc="wobble of the tip while the rod turns, camera")
    temperature = measured("degC", low=600, high=2000, start=600, noise=1.0, quantum=0.1,
                           companion="Monitoring/Process/TipTemperature",
                           doc="tip of the rod, two-colour pyrometer")
    earth_leakage = measured("mA", low=0, high=200, start=0.9, noise=0.1, quantum=0.1,
                             companion="Monitoring/Health/RodEarthLeakage",
                             doc="earth leakage current of the coil: rises when the rod is near")
    heat = actuator(bool, doc="the generator heats the rod")
    feed = actuator("mm/min", low=0, high=200, doc="feed of the rod")
    turn = actuator("rpm", low=0, high=20, doc="turning of the rod")
    charging = actuator(bool, edge=True, doc="hang the next rod in (rising edge)")
    feed_slip = fault("%", low=0, high=100, doc="share of the feed that slips")
    bow = fault("mm", low=0, high=10, doc="the rod is bent: its tip wobbles in the coil")

    GUARDS: Guards = (("earth_leakage", EARTH_LIMIT, SafetyChain.EARTH, "rod touches the coil"),)

    def __init__(self, chain: SafetyChain, generator: Generator) -> None:
        super().__init__()
        self.chain = chain
        self._generator = generator
        self.metal: Alloy | None = None
        self.content: HeatContent | None = None
        self.diameter = 0.05
        self.left = 0.0  # kg
        self.charge = 0.0
        self.oxygen = 0.0
        self.tip = AMBIENT
        self.depth = 0.0  # m
        self.flow = 0.0  # kg/s that drips

    def set_up(self, metal: Alloy | None, diameter: float) -> None:
        """The alloy and the diameter (m) of the rods."""
        self.metal, self.diameter = metal, diameter
        self.content = None if metal is None else HeatContent(metal)

    def fill(self, mass: float, oxygen: float) -> None:
        """Hang a rod in (kg, mass fraction of oxygen), its tip above the best place."""
        self.charge = self.left = mass
        self.oxygen, self.tip, self.depth, self.flow = oxygen, AMBIENT, 0.02, 0.0
        self.settle("mass", mass)
        self.settle("position", self.depth)

    def empty(self) -> float:
        """Take the stub out (kg)."""
        left, self.left, self.charge = self.left, 0.0, 0.0
        self.settle("mass", 0.0)
        return left

    def driven(self, attribute: str) -> None:
        if attribute == "charging" and self.charging:
            plant: Any = self.plant
            plant.put_in()
        super().driven(attribute)

    @staticmethod
    def radiated(metal: Alloy, diameter: float, temperature: float | None = None) -> float:
        """Heat (W) that the tip of a rod (m) radiates at a temperature (K; default liquidus)."""
        hot = metal.liquidus if temperature is None else temperature
        return float(metal.emissivity * STEFAN_BOLTZMANN * 0.5 * pi * diameter**2 * (
            hot**4 - AMBIENT**4))

    @property
    def superheat(self) -> float:
        """K of the film that drips off."""
        return float(self.SUPERHEAT * (max(self._generator.power, 0.0) / 60e3) ** 0.5)

    @property
    def resting(self) -> bool:
        """Whether nothing in it changes."""
        return not self.heat and self.tip < AMBIENT + 30.0 and self.flow == 0.0 \
            and self.feed == 0.0 and self.rotation == 0.0 and self.turn == 0.0

    @property
    def ripple(self) -> float:
        """Relative amplitude of the melt rate: a bent rod, or one that does not turn."""
        uneven = 0.25 * exp(-self.rotation * 60.0 / self.EVEN)
        wobble = self.bow / self.PLACE[1]
        return float((0.05**2 + uneven**2 + wobble**2) ** 0.5)

    def stream(self, flow: float) -> float:
        """Diameter (m) of the stream that has fallen to the gas nozzle."""
        if self.metal is None:
            return 0.0
        hot = max(self.tip, self.metal.liquidus)
        return stream_diameter(flow, float(self.metal.density(hot)), self.FALL)

    def tick(self, step: float) -> float:
        """Advance by a step (s); generator power given (W)."""
        self.sense(self.now)
        metal, content = self.metal, self.content
        fed = self.feed * (1.0 - self.feed_slip) * self.plant.energised
        self.flow = 0.0
        wanted = self._generator.limit if self.heat and self.left > 0.0 else 0.0
        given = self._generator.give(wanted, step)
        if metal is not None and content is not None and self.left > 0.0:
            share = self.COUPLING * coupling(self.depth, *self.PLACE)
            area = 0.25 * pi * self.diameter**2
            hot = metal.liquidus + self.superheat
            if self.tip < metal.liquidus or share * given <= 0.0:
                gained = share * given - self.radiated(metal, self.diameter, self.tip)
                capacity = min(self.TIP[0], self.TIP[1] * self.charge) * float(metal.specific_heat(
                    min(max(self.tip, AMBIENT), metal.solidus)))
                self.tip = max(self.tip + step * gained / capacity, AMBIENT)
            else:
                self.tip = hot
                self.flow = min(rod_melting_rate(given, share, content, hot), self.left / step)
                self.left -= self.flow * step
            burnt = self.flow / (float(metal.density(AMBIENT)) * area)
            self.depth += (fed - burnt) * step
        self.show("mass", step, self.left, 0.5)
        self.show("position", step, self.depth, 0.3)
        self.show("feed_rate", step, fed, 0.3)
        self.show("rotation", step, self.turn * self.plant.energised, 1.0)
        self.show("wobble", step, (self.bow + 2e-4) * (self.rotation > 0.0), 1.0)
        self.show("temperature", step, max(self.tip, 873.15), 0.3)
        near = self.left > 0.0 and self.depth + self.bow > self.TOUCH
        sound = self.CAPACITIVE * (0.3 + given / self._generator.MAXIMUM)
        self.show("earth_leakage", step, 0.15 if near else sound, 0.5)
        self.guard()
        return given

    def tripped(self, power_lost: bool) -> None:
        self.heat, self.feed = False, 0.0

    _STATE = ("diameter", "left", "charge", "oxygen", "tip", "depth", "flow")

    def hidden_state(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self._STATE}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        for name in self._STATE:
            setattr(self, name, hidden[name])

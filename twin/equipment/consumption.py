"""Meters of what a machine takes and gives: electrical energy, gas, feedstock, built volume."""

from __future__ import annotations

from collections.abc import Callable
from math import fsum
from typing import Any

from twin.machine import Equipment
from twin.signals import measured
from twin.trajectory import Growth

__all__ = ["Consumption"]


class Consumption(Equipment):
    """Meters since the machine was switched on; equipment says what it takes.

    Power and gas flow are steps between events, so energy and gas grow in straight lines.
    """

    power = measured("kW", low=0, high=500, quantum=0.01,
                     companion="Monitoring/Process/ElectricalPower",
                     doc="electrical power of the whole machine")
    energy = measured("kWh", low=0, high=1e6, quantum=0.001,
                      doc="electrical energy since the machine was switched on")
    gas = measured("L", low=0, high=1e9, quantum=0.1,
                   doc="gas taken from the supply, at ambient pressure")
    feedstock = measured("kg", low=0, high=1e6, quantum=0.001,
                         doc="powder, wire, green parts, charges or rods taken from the supply")
    built_volume = measured("cm3", low=0, high=1e7, quantum=0.001,
                            doc="volume of the parts built; of powder, as solid metal")

    def __init__(self, base: float) -> None:
        """`base`: power (W) of control cabinet, lights and drives at rest."""
        super().__init__()
        self._powers: dict[str, float] = {"": base}
        self._flows: dict[str, float] = {}
        self.listeners: list[Callable[[float, float], None]] = []
        """Told power (W) and gas flow (m3/s) when they change."""

    def started(self) -> None:
        if not self.trajectories:
            self._anchor()

    def draws(self, consumer: str, power: float) -> None:
        """A consumer takes so much electrical power (W) from now on."""
        if self._powers.get(consumer, 0.0) != power:
            self._powers[consumer] = power
            self._anchor()

    def flows(self, consumer: str, rate: float) -> None:
        """A consumer takes so much gas (m3/s at ambient) from now on."""
        if self._flows.get(consumer, 0.0) != rate:
            self._flows[consumer] = rate
            self._anchor()

    def used(self, mass: float) -> None:
        """So much feedstock (kg) has left the supply."""
        self.feedstock += mass

    def built(self, volume: float) -> None:
        """So much of the part (m3) has been made."""
        self.built_volume += volume

    def _anchor(self) -> None:
        now = self.now
        self.sense(now)
        # Exact sums: a snapshot does not keep the order in which consumers came.
        self.power = fsum(self._powers.values())
        self.follow("energy", Growth(now, self.energy, self.power))
        flow = fsum(self._flows.values())
        self.follow("gas", Growth(now, self.gas, flow))
        for listen in self.listeners:
            listen(self.power, flow)

    def hidden_state(self) -> dict[str, Any]:
        return {"powers": dict(self._powers), "flows": dict(self._flows)}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        self._powers, self._flows = dict(hidden["powers"]), dict(hidden["flows"])

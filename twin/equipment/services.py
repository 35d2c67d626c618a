"""What every machine stands on: safety chain, cooling water, electrical supply."""

from __future__ import annotations

from collections.abc import Generator
from math import inf
from typing import Any

from twin.machine import AMBIENT, Equipment
from twin.signals import actuator, fault, measured
from twin.trajectory import Relaxation

__all__ = ["Chiller", "SafetyChain"]



class SafetyChain(Equipment):
    """Hard-wired chain: faster than any scan, and no program can bypass it."""

    CAUSES = ("none", "emergency stop", "door", "cooling water", "over-pressure", "watchdog",
              "power loss", "x-ray", "collision", "flammable gas", "over-temperature",
              "optics",
              "oxygen", "earth fault", "dust filter", "explosion isolation",
              "vibration")
    COOLING_WATER = 3
    OVER_PRESSURE = 4
    POWER_LOSS = 6
    X_RAY = 7
    COLLISION = 8
    FLAMMABLE_GAS = 9
    OVER_TEMPERATURE = 10
    OPTICS = 11
    OXYGEN = 12
    EARTH = 13
    DUST_FILTER = 14
    EXPLOSION = 15
    VIBRATION = 16

    door_closed = measured(bool, start=True, doc="door switch")
    door_locked = measured(bool, doc="door lock feedback")
    chain_closed = measured(bool, start=True, doc="safety chain closed: hazardous energy possible")
    reset_possible = measured(bool, start=True, doc="nothing keeps the safety chain open")
    first_out = measured(int, choices=CAUSES, doc="what opened the safety chain first")
    door_lock = actuator(bool, doc="lock the door")
    reset = actuator(bool, edge=True, doc="close the safety chain again (rising edge), if nothing "
                     "keeps it open")
    emergency_stop = fault(bool, doc="somebody presses the emergency stop button")
    door_forced = fault(bool, doc="somebody opens the door, locked or not")
    power_loss = fault(bool, doc="mains voltage is lost while true")
    watchdog_expired = fault(bool, doc="the external controller stopped writing")

    def __init__(self) -> None:
        super().__init__()
        self._switches: set[int] = set()

    def causes(self) -> list[int]:
        """What holds the chain open now, as numbers of `CAUSES`."""
        held = [(1, self.emergency_stop), (2, not self.door_closed), (5, self.watchdog_expired),
                (6, self.power_loss)]
        return sorted({*(number for number, on in held if on), *self._switches})

    def switch(self, cause: int, opens: bool) -> None:
        """A switch of the equipment's, such as flow or over-temperature, opens or closes."""
        (self._switches.add if opens else self._switches.discard)(cause)
        self._judge()

    def open(self, cause: int) -> None:
        """Open the chain at this very moment."""
        if not self.chain_closed:
            return
        self.chain_closed = False
        self.first_out = cause
        self.log("interlock", f"safety chain opened: {self.CAUSES[cause]}", cause=cause)
        self.plant.trip(power_lost=cause == self.POWER_LOSS)

    def driven(self, attribute: str) -> None:
        match attribute:
            case "door_lock":
                self.door_locked = self.door_lock and self.door_closed
            case "door_forced":
                self.door_closed = not self.door_forced
                self.door_locked = self.door_lock and self.door_closed
                self.log("process", "door opened" if self.door_forced else "door closed")
            case "reset" if self.reset and not self.chain_closed and not self.causes():
                self.chain_closed = True
                self.first_out = 0
                self.log("interlock", "safety chain closed")
        self._judge()

    def _judge(self) -> None:
        held = self.causes()
        self.reset_possible = not held
        if held:
            self.open(held[0])

    def hidden_state(self) -> dict[str, Any]:
        return {"switches": sorted(self._switches)}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        self._switches = set(hidden["switches"])


class Chiller(Equipment):
    """Cooling water for laser and optics; loss of flow opens the safety chain."""

    NOMINAL = 12e-3 / 60  # m3/s, default
    LOW_FLOW = 0.5  # share of the nominal flow at which the flow switch opens the chain
    TRANSPORT = 4.0  # s for water through laser and optics, default
    RESPONSE = 1.0  # s, default
    RESERVOIR = 60.0  # s in which the water warms when nothing cools it, default
    UNCOOLED = 25.0  # K that it then warms by, default
    PUMP = 400.0  # W of the circulation pump, default
    PERFORMANCE = 3.0  # heat removed per electrical power, default
    CUT_OUT = inf  # K of the water it supplies at which the motor protection stops its pump
    AGAIN = 5.0  # K below that at which the pump runs again, default
    STARTING = 10.0  # s in which a pump must bring the flow before the switch counts, default

    flow = measured("L/min", low=0, high=30, noise=0.05, quantum=0.01,
                    companion="Monitoring/Health/ChillerFlow", doc="cooling water flow")
    supply_temperature = measured("degC", low=0, high=60, start=20, noise=0.02, quantum=0.01,
                                  companion="Monitoring/Health/ChillerSupplyTemperature",
                                  doc="cooling water to the machine")
    return_temperature = measured("degC", low=0, high=60, start=20, noise=0.02, quantum=0.01,
                                  companion="Monitoring/Health/ChillerReturnTemperature",
                                  doc="cooling water back from the machine")
    run = actuator(bool, doc="chiller on")
    cooling_loss = fault("%", low=0, high=100, doc="share of the refrigeration that is lost: the "
                         "water warms, its flow stays unless its pump trips")
    flow_loss = fault("%", low=0, high=100, doc="share of the flow that is lost")

    def __init__(self, chain: SafetyChain) -> None:
        super().__init__()
        self._chain = chain
        self._heat = 0.0
        self._overheated = False
        self._epoch = 0

    def heat(self, power: float) -> None:
        """Heat (W) that laser and optics give to the water from now on."""
        self._heat = power
        self._anchor()

    def driven(self, attribute: str) -> None:
        self._anchor()

    def started(self) -> None:
        if self.trajectories:
            self._arm()

    def tripped(self, power_lost: bool) -> None:
        self._heat = 0.0
        self.run = self.run and not power_lost
        self._anchor()

    def _anchor(self) -> None:
        now = self.now
        self.sense(now)
        target = self.NOMINAL * (1 - self.flow_loss) * (self.run and not self._overheated)
        pump = self.PUMP * (not self._overheated)
        self.draw((pump + self._heat / self.PERFORMANCE) * self.run)
        self.follow("flow", Relaxation(now, self.flow, target, self.RESPONSE))
        # Water: rho c = 4.18 MJ/m3K; at no flow the heat stays in the laser (shown by its own
        # temperature), so the rise is limited to what the loop can hold.
        rise = min(self._heat / (4.18e6 * max(target, 0.1 * self.NOMINAL)), 25.0)
        warm = AMBIENT + self.UNCOOLED * self.cooling_loss * self.run
        self.follow("supply_temperature",
                    Relaxation(now, self.supply_temperature, warm, self.RESERVOIR))
        # The rise over the laser comes on top of what the supply will become.
        self.follow("return_temperature",
                    Relaxation(now, self.supply_temperature + rise, warm + rise, self.RESERVOIR,
                               self.TRANSPORT, self.return_temperature))
        self._arm()

    def _arm(self) -> None:
        """Wait for the flow to pass the flow switch, which counts only while the pump runs."""
        self._epoch += 1
        flow = self.trajectories["flow"]
        low = self.LOW_FLOW * self.NOMINAL
        if not self.run:
            self._chain.switch(SafetyChain.COOLING_WATER, opens=False)
        elif isinstance(flow, Relaxation) and (flow.first - low) * (flow.target - low) < 0:
            falls = flow.target < low
            self.plant.run(self._switch(flow.crossing(low), falls, self._epoch))
        elif isinstance(flow, Relaxation) and flow.target < low \
                and SafetyChain.COOLING_WATER not in self._chain.causes():
            # It never came: a pump that fails from the start is lost water, too.
            self.plant.run(self._switch(flow.since + self.STARTING, True, self._epoch))
        supply = self.trajectories["supply_temperature"]
        level = self.CUT_OUT - self.AGAIN * self._overheated
        if isinstance(supply, Relaxation) \
                and (supply.target > level) != self._overheated \
                and (supply.first - level) * (supply.target - level) < 0:
            self.plant.run(self._protect(supply.crossing(level), self._epoch))

    def _protect(self, due: float, epoch: int) -> Generator[Any, Any, None]:
        yield self.plant.env.at(due)
        if epoch == self._epoch:
            self._overheated = not self._overheated
            self.log("interlock", "pump stopped by its motor protection: water hot"
                     if self._overheated else "pump runs again")
            self._anchor()

    def _switch(self, due: float, falls: bool, epoch: int) -> Generator[Any, Any, None]:
        yield self.plant.env.at(due)
        if epoch == self._epoch:
            if falls:
                self.log("interlock", "cooling water flow low")
            self._chain.switch(SafetyChain.COOLING_WATER, opens=falls)

    def hidden_state(self) -> dict[str, float]:
        return {"heat": self._heat, "overheated": self._overheated}

    def restore_hidden(self, hidden: dict[str, float]) -> None:
        self._heat, self._overheated = hidden["heat"], bool(hidden["overheated"])

"""Plasma torch that burns an arc to the face of a rod: voltage by gap and gas, supply, losses."""

from __future__ import annotations

from collections.abc import Callable, Generator
from math import exp
from typing import Any

from twin.equipment.services import Chiller, SafetyChain
from twin.machine import AMBIENT, Equipment
from twin.physics import rotating_electrode as physics
from twin.signals import actuator, fault, measured
from twin.trajectory import Polyline, Relaxation

__all__ = ["PlasmaArc", "TorchWater"]


class TorchWater(Chiller):
    """Cooling water of torch, supply and chamber walls."""

    NOMINAL = 120e-3 / 60  # m3/s, default
    PUMP = 2500.0  # W, default
    CUT_OUT = 313.15  # K, default

    flow = measured("L/min", low=0, high=300, noise=0.2, quantum=0.1,
                    companion="Monitoring/Health/ChillerFlow", doc="cooling water flow")



class PlasmaArc(Equipment):
    """Power-controlled supply and torch: V = V0 + E g, E by the gas in the chamber.

    The supply itself gives up when the arc is too long, when the rod touches the torch, without
    plasma gas and when the safety chain opens; whoever enables it again strikes it anew.
    """

    SHEATH = 38.0  # V at electrode and rod, default
    COLUMN = (550.0, 1100.0)  # V/m in argon, in helium, default
    WEAR_VOLTAGE = 12.0  # V more of a torch that is worn out, default
    BEST = 0.50  # share of the power that the rod takes up at the usual gap, default
    TORCHES = 0.02  # standard deviation of ln of a torch's own share about that, default
    WEAR_LOSS = 0.45  # share of that which a worn-out torch loses, default
    TO_GAS = 0.35  # share of the rest that heats the chamber's gas, default; water takes the rest
    BY_DROPS = 0.7  # share of the rod's heat that its drops give to the gas, default
    USUAL = 20e-3  # m of gap, default
    IGNITION = 0.5  # s, default
    STRIKES = 25e-3  # m of gap over which it strikes, default
    LONGEST = 45e-3  # m of gap at which it breaks, default
    HIGHEST = 140.0  # V of the supply, default
    SHORT = 1e-3  # m of gap at which rod and torch touch, default
    STRONGEST = 3000.0  # A, default
    LEAST_GAS = 20e-3 / 60  # m3/s without which there is no arc, default
    SUPPLY = 0.9  # efficiency of the supply, default
    NOZZLE = (6e-3, 15.0)  # K of the nozzle per W of loss, s: default

    voltage = measured("V", low=0, high=150, noise=0.2, quantum=0.1,
                       companion="Monitoring/Process/ArcVoltage", doc="arc voltage")
    current = measured("A", low=0, high=3000, noise=2, quantum=1,
                       companion="Monitoring/Process/ArcCurrent", doc="arc current")
    burning = measured(bool, doc="arc burns")
    shorted = measured(bool, doc="the supply saw a short circuit and gave up; enable it again to "
                       "reset")
    nozzle_temperature = measured("degC", low=0, high=600, start=20, noise=0.5, quantum=0.1,
                                  companion="Monitoring/Health/NozzleTemperature",
                                  doc="copper nozzle of the torch, behind its water; higher with "
                                      "a worn electrode")
    gas_flow = measured("L/min", low=0, high=300, noise=0.2, quantum=0.1,
                        doc="plasma gas flow through the torch")
    enable = actuator(bool, doc="strike the arc and keep it")
    power = actuator("kW", low=0, high=200, doc="arc power demand")
    gas = actuator("L/min", low=0, high=300, doc="plasma gas flow demand")
    electrode_wear = fault("%", low=0, high=100, doc="wear of the torch's electrode")
    voltage_drift = fault("V", low=-30, high=30, doc="arc voltage at the same gap is off: "
                          "impure gas, a spot that wanders")
    gas_loss = fault(bool, doc="no plasma gas comes")

    def __init__(self, chain: SafetyChain, water: Chiller) -> None:
        super().__init__()
        self._chain, self._water = chain, water
        self._due: float | None = None  # when it strikes
        self._epoch = 0
        self.best = self.BEST  # of this torch
        self._lost = 0.0  # W last told to gas and water
        self.gap: Callable[[], float] = lambda: 1.0
        """Gap to the rod (m), now."""
        self.helium: Callable[[], float] = lambda: 0.0
        """Helium share around the arc, now."""
        self.changed: Callable[[], None] = lambda: None
        """Told just before the arc comes or goes or its power changes."""
        self.after: Callable[[], None] = lambda: None
        """Told just after."""
        self.gave_heat: Callable[[float], None] = lambda power: None
        """Told of the heat (W) to the chamber's gas."""
        self.gave_gas: Callable[[float], None] = lambda flow: None
        """Told of the gas (m3/s) into the chamber."""

    # -- arc now ------------------------------------------------------------------------------

    def column(self, gap: float) -> float:
        """Voltage (V) of an arc over a gap (m)."""
        argon, helium = self.COLUMN
        field = argon + self.helium() * (helium - argon)
        return float(self.SHEATH + self.WEAR_VOLTAGE * self.electrode_wear + self.voltage_drift
                     + field * max(gap, 0.0))

    def efficiency(self, gap: float) -> float:
        """Share of the arc's power that goes into the rod."""
        best = self.best * (1.0 - self.WEAR_LOSS * self.electrode_wear)
        return physics.arc_efficiency(best, gap, self.USUAL)

    @property
    def watts(self) -> float:
        """Power of the arc, W."""
        if not self.burning:
            return 0.0
        return float(min(self.power, self.STRONGEST * self.column(self.gap())))

    def show(self, now_gap: float, next_gap: float, until: float) -> None:
        """Let voltage and current follow the gap up to ``until`` (s)."""
        if not self.burning:
            self.settle("voltage", 0.0)
            self.settle("current", 0.0)
            return
        times = (self.now, until)
        a, b = self.column(now_gap), self.column(next_gap)
        self.follow("voltage", Polyline(times, (a, b)))
        self.follow("current", Polyline(times, tuple(
            min(self.power / max(v, 1.0), self.STRONGEST) for v in (a, b))))

    def balance(self) -> None:
        """Tell water, gas and meter what becomes of the power."""
        self.sense(self.now)
        watts = self.watts
        lost = watts * (1.0 - self.efficiency(self.gap())) if watts else 0.0
        self.draw(round(watts / self.SUPPLY, -1))
        if abs(lost - self._lost) > 0.02 * max(lost, self._lost):
            self._lost = lost
            per_watt, tau = self.NOZZLE
            self.follow("nozzle_temperature", Relaxation(
                self.now, self.nozzle_temperature, AMBIENT + per_watt * lost, tau))
            self.gave_heat(self.TO_GAS * lost + self.BY_DROPS * (watts - lost))
            self._water.heat((1.0 - self.TO_GAS) * lost)

    # -- supply -------------------------------------------------------------------------------

    def driven(self, attribute: str) -> None:
        if attribute in ("gas", "gas_loss"):
            flow = 0.0 if self.gas_loss else float(self.gas)
            self.gas_flow = flow
            self.gave_gas(flow)
            self.take_gas(flow)
            if self.burning and flow < self.LEAST_GAS:
                self.out("plasma gas lost")
            return
        if attribute == "enable":
            self._epoch += 1
            self.shorted = self.shorted and not self.enable
            if self.enable and not self.burning:
                self._due = self.now + self.IGNITION
                self.plant.run(self._strike(self._due, self._epoch))
            elif not self.enable:
                self._due = None
                if self.burning:
                    self.out("")
            self.after()
            return
        self.changed()
        self.after()

    def started(self) -> None:
        own = float(self.plant.stream("torch").standard_normal())
        self.best = self.BEST * exp(self.TORCHES * own)
        if self._due is not None:
            self.plant.run(self._strike(self._due, self._epoch))

    def tripped(self, power_lost: bool) -> None:
        self._epoch += 1
        self.enable, self._due = False, None
        if power_lost and self.gas > 0:
            self.gas = 0.0
            self.driven("gas")
        if self.burning:
            self.out("safety chain open")

    def _strike(self, due: float, epoch: int) -> Generator[Any, Any, None]:
        yield self.plant.env.at(due)
        if epoch != self._epoch or not self.enable:
            return
        self._due = None
        gap = self.gap()
        if not (self._chain.chain_closed and self.gas_flow >= self.LEAST_GAS
                and self.SHORT < gap <= self.STRIKES):
            self.log("process", "arc did not strike", gap=gap)
            return
        self.changed()
        self.burning = True
        self.log("process", "arc burns")
        self.balance()
        self.after()

    def judge(self) -> None:
        """At a tick: an arc that is too long breaks, a rod that touches shorts it."""
        gap = self.gap()
        if gap <= self.SHORT:
            self.shorted = True
            self.out("rod touches the torch")
        elif gap > self.LONGEST or self.column(gap) > self.HIGHEST:
            self.out("arc too long")

    def out(self, why: str) -> None:
        """The arc goes out."""
        self.changed()
        self.burning = False
        if why:
            self.log("process", f"arc went out: {why}")
        self.balance()
        self.after()

    def hidden_state(self) -> dict[str, Any]:
        return {"due": self._due, "lost": self._lost}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        self._due, self._lost = hidden["due"], hidden["lost"]

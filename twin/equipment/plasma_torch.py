"""Induction plasma torch: generator, confinement tube and its gases."""

from __future__ import annotations

from collections.abc import Callable, Generator
from math import inf, sqrt
from typing import Any

from twin.equipment.services import SafetyChain
from twin.machine import AMBIENT, Equipment
from twin.signals import actuator, fault, measured
from twin.trajectory import Relaxation

__all__ = ["PlasmaGas", "PlasmaTorch"]

LITRE_PER_MIN = 1e-3 / 60


def _nothing() -> None:
    """Nobody wants to know."""


class PlasmaGas(Equipment):
    """Gas panel of the torch: central, sheath and carrier argon, hydrogen; argon may be reused.

    Hydrogen flows only while the flame burns: its valve is wired to the flame detector.
    """

    RESPONSE = 0.8  # s, default
    SUPPLY = 6e5  # Pa over ambient, default
    COMPRESSOR = 220e3  # J per m3 of reused gas: compression and purification, default
    MOST_REUSED = 0.95  # of the argon that comes back as argon, default

    central_flow = measured("L/min", low=0, high=200, noise=0.1, quantum=0.1,
                            companion="Monitoring/Process/CentralGasFlow", doc="central argon")
    sheath_flow = measured("L/min", low=0, high=300, noise=0.2, quantum=0.1,
                           companion="Monitoring/Process/SheathGasFlow",
                           doc="argon along the confinement tube")
    hydrogen_flow = measured("L/min", low=0, high=60, noise=0.05, quantum=0.01,
                             companion="Monitoring/Process/HydrogenFlow",
                             doc="hydrogen in the sheath gas")
    carrier_flow = measured("L/min", low=0, high=40, noise=0.02, quantum=0.01,
                            companion="Monitoring/Process/CarrierGasFlow",
                            doc="carrier argon through the powder probe")
    supply_pressure = measured("bar", low=0, high=20, start=6, noise=0.01, quantum=0.01,
                               doc="argon supply over ambient")
    hydrogen_open = measured(bool, doc="hydrogen valve open, as the flame detector allows")
    central_demand = actuator("L/min", low=0, high=150, doc="central argon demand")
    sheath_demand = actuator("L/min", low=0, high=250, doc="sheath argon demand")
    hydrogen_demand = actuator("L/min", low=0, high=50, doc="hydrogen demand")
    carrier_demand = actuator("L/min", low=0, high=30, doc="carrier argon demand")
    reuse = actuator("%", low=0, high=100, doc="share of the argon that is cleaned and used again")
    supply_failure = fault(bool, doc="no argon comes from the supply")
    sheath_loss = fault("%", low=0, high=100, doc="share of the sheath gas that is lost: leak of "
                        "the torch head")
    hydrogen_loss = fault("%", low=0, high=100, doc="share of the hydrogen that does not come")

    def __init__(self, changed: Callable[[], None] = _nothing) -> None:
        super().__init__()
        self._changed = changed
        self.resistance = 0.0
        """Share of the carrier gas that a clogged probe holds back."""

    @property
    def argon(self) -> float:
        """Argon let in (m3/s) once flows have settled."""
        flows = ("central_flow", "sheath_flow", "carrier_flow")
        return sum(self._target(name) for name in flows)

    def inlet(self) -> float:
        """Gas that will flow into the chamber, m3/s at ambient."""
        return self.argon + self._target("hydrogen_flow")

    def bought(self) -> float:
        """Gas that has to come from the supply, m3/s at ambient."""
        return self.inlet() - self.reused()

    def reused(self) -> float:
        """Argon that is cleaned and used again, m3/s at ambient."""
        return float(self.argon * min(self.reuse, self.MOST_REUSED))

    def _target(self, name: str) -> float:
        match name:
            case "central_flow":
                wanted = self.central_demand
            case "sheath_flow":
                wanted = self.sheath_demand * (1 - self.sheath_loss)
            case "carrier_flow":
                wanted = self.carrier_demand * (1 - self.resistance)
            case _:
                return float(self.hydrogen_demand * (1 - self.hydrogen_loss) * self.hydrogen_open)
        return 0.0 if self.supply_failure else float(wanted)

    def clog(self, resistance: float) -> None:
        """The powder probe holds back this share of the carrier gas from now on."""
        if resistance != self.resistance:
            self.resistance = resistance
            self._anchor()

    def flame(self, lit: bool) -> None:
        """The flame detector sees a flame, or none: then the hydrogen valve shuts."""
        if not lit and self.hydrogen_open:
            self.log("interlock", "hydrogen shut off: no flame")
        self.hydrogen_open = bool(lit and self.hydrogen_demand > 0)
        self._lit = lit
        self._anchor()

    _lit = False

    def driven(self, attribute: str) -> None:
        self.hydrogen_open = bool(self._lit and self.hydrogen_demand > 0)
        self._anchor()

    def started(self) -> None:
        if not self.trajectories:
            self._anchor()

    def tripped(self, power_lost: bool) -> None:
        self.hydrogen_demand = 0.0
        self.hydrogen_open = False
        if power_lost:
            self.central_demand = self.sheath_demand = self.carrier_demand = 0.0
        self._anchor()

    def _anchor(self) -> None:
        now = self.now
        self.sense(now)
        for name in ("central_flow", "sheath_flow", "hydrogen_flow", "carrier_flow"):
            self.follow(name, Relaxation(now, getattr(self, name), self._target(name),
                                         self.RESPONSE))
        pressure = 0.0 if self.supply_failure else self.SUPPLY
        self.follow("supply_pressure", Relaxation(now, self.supply_pressure, pressure, 2.0))
        self.draw(self.COMPRESSOR * self.reused())
        self._changed()

    def hidden_state(self) -> dict[str, Any]:
        return {"lit": self._lit, "resistance": self.resistance}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        self._lit, self.resistance = hidden["lit"], hidden["resistance"]


class PlasmaTorch(Equipment):
    """Coil and tube: plate power in, a flame out, the rest into cooling water.

    The flame needs plate power and argon; it goes out the moment one of them is too low. The tube
    is cooled by sheath gas; its thermocouple is wired into the safety chain.
    """

    MOST = 100e3  # W of plate power, default
    LEAST = 5e3  # W below which no flame is held, default
    LEAST_ARGON = 20 * LITRE_PER_MIN  # m3/s of central and sheath argon, default
    COUPLING = 0.33  # share of the plate power that stays in the gas, default
    EFFICIENCY = 0.65  # of the generator, mains to plate, default
    COOLED = 0.95  # share of what does not stay in the gas that the water takes, default
    RESPONSE = 1.5  # s of the generator's regulator, default
    SHUT = 0.1  # s in which the plate power is gone when the high voltage is, default
    VOLTAGE = 12e3  # V at full power, default
    TUBE = (380.0, 60e3, 0.25)  # K over ambient at W with nominal sheath gas; floor, default
    SHEATH = 60 * LITRE_PER_MIN  # m3/s, nominal, default
    TUBE_TIME = 12.0  # s, default
    TUBE_LIMIT = 1_173.15  # K at which the chain opens, default
    SPARK = 2.0  # s from the spark to a stable flame, default

    plate_power = measured("kW", low=0, high=120, noise=0.02, quantum=0.01,
                           companion="Monitoring/Process/PlatePower",
                           doc="plate power of the generator")
    plate_voltage = measured("kV", low=0, high=20, noise=0.005, quantum=0.01,
                             doc="plate voltage")
    plate_current = measured("A", low=0, high=20, noise=0.01, quantum=0.01, doc="plate current")
    lit = measured(bool, doc="flame detector sees the plasma")
    spark_ready = measured(bool, start=True, doc="spark generator charged and its gap in order")
    emission = measured("%", low=0, high=150, noise=0.2, quantum=0.1,
                        companion="Monitoring/Process/PlasmaEmission",
                        doc="argon line of the flame, over that of a new torch at full power")
    tube_temperature = measured("degC", low=0, high=1500, start=20, noise=0.5, quantum=0.1,
                                companion="Monitoring/Health/TubeTemperature",
                                doc="wall of the confinement tube")
    power = actuator("kW", low=0, high=100, doc="plate power demand")
    enable = actuator(bool, doc="high voltage of the generator")
    ignite = actuator(bool, edge=True, doc="ignition spark (rising edge)")
    plate_sag = fault("%", low=0, high=100, doc="share of the plate power that is lacking: mains, "
                      "worn valve")
    torch_wear = fault("%", low=0, high=60, doc="share of the coupled power that a worn or "
                       "metallised tube takes away from the gas")
    ignition_failure = fault(bool, doc="no spark comes")

    def __init__(self, chain: SafetyChain, gas: PlasmaGas,
                 changed: Callable[[], None] = _nothing) -> None:
        super().__init__()
        self._chain, self._gas, self._changed = chain, gas, changed
        self._epoch = 0
        self._due: float | None = None

    # -- power --------------------------------------------------------------------------------

    @property
    def gas_power(self) -> float:
        """W in the gas now."""
        course = self.trajectories.get("plate_power")
        power = course.at(self.now) if course is not None else float(self.plate_power)
        return float(power * self.COUPLING * (1 - self.torch_wear) * self.lit)

    @property
    def water_heat(self) -> float:
        """W that torch and coil give to the cooling water once power has settled."""
        in_gas = self.COUPLING * (1 - self.torch_wear) * self.lit
        return float(self._target * (1 - in_gas) * self.COOLED)

    @property
    def _target(self) -> float:
        on = self.enable and self.plant.energised
        return float(min(float(self.power), self.MOST) * (1 - self.plate_sag) * on)

    def driven(self, attribute: str) -> None:
        if attribute == "ignite" and self.ignite:
            self._spark()
        if attribute == "ignition_failure":
            self.spark_ready = not self.ignition_failure
        if attribute in ("power", "enable", "plate_sag", "torch_wear"):
            self.anchor()

    def tripped(self, power_lost: bool) -> None:
        self.enable = False
        self._put_out("safety chain")
        self.anchor()

    def started(self) -> None:
        if self.trajectories:
            self._arm()
        if self._due is not None:
            self.plant.run(self._lighten(self._due))

    def anchor(self) -> None:
        """Power or gas has changed: take up the courses anew."""
        now = self.now
        self.sense(now)
        target = self._target
        tau = self.RESPONSE if self.enable and self.plant.energised else self.SHUT
        self.follow("plate_power", Relaxation(now, self.plate_power, target, tau))
        # Voltage and current both go with the root of the power: a tube of constant resistance.
        volts = self.VOLTAGE * sqrt(target / self.MOST)
        self.follow("plate_voltage", Relaxation(now, self.plate_voltage, volts, tau))
        amperes = target / volts if volts > 0 else 0.0
        self.follow("plate_current", Relaxation(now, self.plate_current, amperes, tau))
        light = target / self.MOST * (1 - self.torch_wear) * self.lit
        self.follow("emission", Relaxation(now, self.emission, light, tau))
        rise, at, floor = self.TUBE
        sheath = min(self._gas._target("sheath_flow") / self.SHEATH, 1.0)
        hot = rise * target / at * (1 + self.torch_wear) / (floor + (1 - floor) * sheath)
        self.follow("tube_temperature",
                    Relaxation(now, self.tube_temperature, AMBIENT + hot * self.lit,
                               self.TUBE_TIME))
        self.draw(target / self.EFFICIENCY)
        self._arm()
        self._changed()

    # -- flame --------------------------------------------------------------------------------

    def _spark(self) -> None:
        if self.lit or self.ignition_failure or not (self.enable and self.plant.energised):
            return
        self._due = self.now + self.SPARK
        self.plant.run(self._lighten(self._due))

    def _lighten(self, due: float) -> Generator[Any, Any, None]:
        yield self.plant.env.at(due)
        if self._due != due:
            return
        self._due = None
        self.sense(self.now)
        self._gas.sense(self.now)
        if self.enable and self.plant.energised and self.plate_power >= self.LEAST \
                and self._argon >= self.LEAST_ARGON and not self.lit:
            self.lit = True
            self.log("process", "plasma lit")
            self._gas.flame(True)
            self.anchor()

    @property
    def _argon(self) -> float:
        return float(self._gas.central_flow + self._gas.sheath_flow)

    def _put_out(self, why: str) -> None:
        self._due = None
        if not self.lit:
            return
        self.lit = False
        self.log("process", f"plasma out: {why}")
        self._gas.flame(False)

    def _arm(self) -> None:
        """Wait for power or argon to become too low, and for the tube to become too hot."""
        self._epoch += 1
        if self.lit:
            due = min(self._falls(self.trajectories["plate_power"], self.LEAST), self._thins())
            if due < inf:
                self.plant.run(self._extinguish(due, self._epoch))
        tube = self.trajectories["tube_temperature"]
        opened = SafetyChain.OVER_TEMPERATURE in self._chain.causes()
        level = self.TUBE_LIMIT - 100.0 if opened else self.TUBE_LIMIT
        if isinstance(tube, Relaxation):
            due = tube.crossing(level)
            if due < inf and (tube.target < tube.first) == opened:
                self.plant.run(self._limit(due, not opened, self._epoch))

    @staticmethod
    def _falls(course: Any, level: float) -> float:
        falls = isinstance(course, Relaxation) and course.target < level <= course.first
        return course.crossing(level) if falls else inf

    def _thins(self) -> float:
        """When the argon falls below what holds a flame; infinity if it does not."""
        flows = [self._gas.trajectories[f"{name}_flow"] for name in ("central", "sheath")]
        if sum(f.target for f in flows if isinstance(f, Relaxation)) >= self.LEAST_ARGON:
            return inf
        # Both follow the same law from the same moment, so their sum does.
        both = Relaxation(flows[0].since, sum(f.first for f in flows),  # type: ignore[attr-defined]
                          sum(f.target for f in flows), self._gas.RESPONSE)  # type: ignore[attr-defined]
        return max(both.crossing(self.LEAST_ARGON), self.now) if both.first > self.LEAST_ARGON \
            else self.now

    def _extinguish(self, due: float, epoch: int) -> Generator[Any, Any, None]:
        yield self.plant.env.at(due)
        if epoch == self._epoch and self.lit:
            self._put_out("power or argon too low")
            self.anchor()

    def _limit(self, due: float, opens: bool, epoch: int) -> Generator[Any, Any, None]:
        yield self.plant.env.at(due)
        if epoch == self._epoch:
            if opens:
                self.log("interlock", "confinement tube too hot")
            self._chain.switch(SafetyChain.OVER_TEMPERATURE, opens=opens)
            self._arm()

    def hidden_state(self) -> dict[str, Any]:
        return {"due": self._due}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        self._due = hidden["due"]

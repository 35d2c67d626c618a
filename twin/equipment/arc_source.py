"""Welding power source with torch: constant voltage, ignition, short circuit, loss of the arc."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import numpy as np
import numpy.typing as npt

from twin.equipment.wire_feeder import WireFeeder
from twin.machine import Equipment
from twin.physics.arc import Arc, ArcState, shielding
from twin.signals import actuator, fault, measured
from twin.trajectory import Relaxation, Steps

__all__ = ["ArcSource", "Torch"]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def _nothing() -> None:
    pass


class Torch(Equipment):
    """Gas nozzle and contact tip: shielding of the pool, wear of the tip."""

    LAG = 0.4  # s, hose from valve to nozzle, default
    WEAR = 1.0e-6  # Ohm of tip resistance per metre of wire, default

    gas_flow = measured("L/min", low=0, high=40, noise=0.05, quantum=0.01,
                        companion="Monitoring/Process/ShieldingGasFlow",
                        doc="shielding gas at the torch's flow meter")
    nozzle_temperature = measured("degC", low=0, high=400, start=22, noise=0.3, quantum=0.1,
                                  companion="Monitoring/Health/NozzleTemperature",
                                  doc="gas nozzle temperature")
    gas_demand = actuator("L/min", low=0, high=30, doc="shielding gas flow demand")
    gas_loss = fault("%", low=0, high=100, doc="share of the shielding gas that is lost (hose, "
                                               "bottle, spatter in the nozzle)")
    draught = fault("m/s", low=0, high=10, doc="draught across the torch")
    tip_wear = fault("mOhm", low=0, high=100, doc="resistance of a worn contact tip")

    NOZZLE = (0.012, 45.0)  # K per W of arc, s, default

    def __init__(self) -> None:
        super().__init__()
        self.changed: Callable[[], None] = _nothing
        self.used = 0.0
        """Ohm of tip resistance by wear so far."""

    def driven(self, attribute: str) -> None:
        self._anchor()
        self.changed()

    def started(self) -> None:
        if not self.trajectories:
            self._anchor()

    def tripped(self, power_lost: bool) -> None:
        if power_lost:
            self.gas_demand = 0.0
            self._anchor()

    def _anchor(self) -> None:
        now = self.now
        self.sense(now)
        flow = self.gas_demand * (1 - self.gas_loss)
        self.follow("gas_flow", Relaxation(now, self.gas_flow, flow, self.LAG))
        self.take_gas(self.gas_demand)

    def warm(self, power: float) -> None:
        """The arc gives `power` (W) from now on, of which the nozzle takes its share."""
        now = self.now
        self.sense(now)
        per_watt, time = self.NOZZLE
        self.follow("nozzle_temperature", Relaxation(
            now, self.nozzle_temperature, 295.15 + per_watt * power, time))

    @property
    def resistance(self) -> float:
        """Ohm that the tip adds to the circuit."""
        ohms: float = self.tip_wear + self.used
        return ohms

    def wear(self, length: float) -> None:
        """So much wire (m) rubbed through the tip."""
        self.used += self.WEAR * length

    def cover(self, distance: npt.ArrayLike, times: Floats, air: float = 1.0) -> Floats:
        """How well gas covers the pool (0..1) at nozzle `distance` (m) at times (s), (n,) each.

        `air`: share of air in what surrounds it; without any nothing can go wrong.
        """
        flow = self.trajectories.get("gas_flow")
        there = np.full(len(times), self.gas_flow)
        if isinstance(flow, Relaxation):
            decay = np.exp((flow.since - times) / flow.tau)
            there = flow.target + (flow.first - flow.target) * decay
        return np.asarray(1 - air * (1 - shielding(there, distance, self.draught)))

    def hidden_state(self) -> dict[str, Any]:
        return {"used": self.used}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        self.used = hidden["used"]


class ArcSource(Equipment):
    """Constant-voltage source with its own sequencer: what happens within milliseconds.

    Enabled, it strikes when the head stands at the start of a pass: the wire runs in, touches, and
    the arc burns. Readings are averages over the drops of an arc, as a welding monitor shows them.
    A length of about 0 is a short circuit, too long an arc goes out.
    """

    STRIKE = 0.12  # s from the order to strike to the burning arc, default
    TOUCH = 0.09  # s from that order until the wire touches, default
    RISE = 4e-3  # s, inductance of the source into a short circuit, default
    COLLAPSE = 1.0e-3  # s, default
    METER = 5e-3  # s, response of the monitor, default
    EFFICIENCY = 0.85  # electrical, default
    IDLE = 60.0  # W, default
    SHORTEST = 0.4e-3  # m of arc below which drops bridge it for good, default
    STRUCK = 70.0  # N that a wire pushes on the part in a short circuit, default
    SYNERGY = 66.0  # V per m/s of wire, 1.1 V per m/min: arc length about kept, default
    FREEZE = 2.0  # s after which a wire that struck has frozen into the bead, default

    voltage = measured("V", low=0, high=100, noise=0.15, quantum=0.05,
                       companion="Monitoring/Process/{name}Voltage",
                       doc="voltage from contact tip to part, mean")
    current = measured("A", low=0, high=600, noise=1.0, quantum=0.5,
                       companion="Monitoring/Process/{name}Current", doc="arc current, mean")
    arc_established = measured(bool, doc="arc burns: current flows at arc voltage")
    short_circuit = measured(bool, doc="wire and part touch for longer than a drop takes")
    arc_missing = measured(bool, doc="open circuit although the arc should burn")
    enable = actuator(bool, doc="the arc may burn: it strikes at the start of a pass")
    voltage_demand = actuator("V", low=10, high=45, start=24, doc="voltage setting of the source")
    ignition_failure = fault(bool, doc="the arc does not strike: cold start, slag on the wire")
    arc_disturbance = fault(bool, doc="the arc is blown out (magnetic blow, oxide film) while true")
    voltage_error = fault("V", low=-15, high=15, doc="voltage above or below the setting")

    def __init__(self, feeder: WireFeeder, torch: Torch) -> None:
        super().__init__()
        self._feeder, self._torch = feeder, torch
        self.arc: Arc | None = None
        self.state = "off"
        """off, ignition, arc, short circuit, no arc."""
        self.changed: Callable[[], None] = _nothing
        """Called when a setting changes or the arc strikes, shorts or goes out."""
        self._epoch = 0

    def load(self, arc: Arc | None) -> None:
        """The wire's arc constants."""
        self.arc = arc

    @property
    def setting(self) -> float:
        """True voltage (V) that the source holds."""
        volts: float = self.voltage_demand + self.voltage_error
        return volts

    @property
    def burning(self) -> bool:
        """Whether the arc burns."""
        return self.state == "arc"

    @property
    def allowed(self) -> bool:
        """Whether the arc may burn."""
        return bool(self.enable and self.plant.energised and self.arc is not None)

    def driven(self, attribute: str) -> None:
        match attribute:
            case "enable" if not self.allowed:
                self.quench()
            case "arc_disturbance" if self.arc_disturbance and self.burning:
                self.lose("blown out")
            case "voltage_demand" | "voltage_error" if self.burning:
                self.changed()

    def tripped(self, power_lost: bool) -> None:
        self.enable = False
        self.quench()

    def strike(self) -> None:
        """The head stands at the start of a pass: run the wire in and strike the arc."""
        if not self.allowed or self.state != "off":
            return
        assert self.arc is not None
        self._epoch += 1
        self._enter("ignition")
        self._feeder.let(run=True)
        self._electrical(self.arc.open_circuit, 0.0, self.COLLAPSE)
        self.plant.run(self._ignite(self._epoch))

    def quench(self) -> None:
        """End the arc and stop the wire."""
        self._feeder.let(run=False)
        if self.state == "off":
            return
        self._epoch += 1
        was = self.state
        self._enter("off")
        self._electrical(0.0, 0.0, self.COLLAPSE)
        if was == "short circuit":
            self._feeder.press(0.0)
            self.plant.run(self._freeze(self._epoch))
        if was in ("arc", "short circuit"):
            self.changed()

    def _freeze(self, epoch: int) -> Generator[Any, Any, None]:
        """A wire that struck freezes into the bead unless it is drawn back in time."""
        way = self._feeder.drawn
        yield self.plant.env.timeout(self.FREEZE)
        if epoch == self._epoch and self._feeder.drawn - way < self._feeder.PULL_FREE:
            self._feeder.stick("bead")

    def _ignite(self, epoch: int) -> Generator[Any, Any, None]:
        yield self.plant.env.timeout(self.TOUCH)
        if epoch != self._epoch:
            return
        arc, feeder = self.arc, self._feeder
        assert arc is not None
        if feeder.settled_speed <= 0 and not feeder.stuck:
            self.lose("no wire")
            return
        self._electrical(self._short_volts(), arc.short_current, self.RISE)
        yield self.plant.env.timeout(self.STRIKE - self.TOUCH)
        if epoch != self._epoch:
            return
        if self.ignition_failure or feeder.stuck:
            self.short("the wire sticks" if feeder.stuck else "cold start")
            return
        if self.arc_disturbance:
            self.lose("blown out")
            return
        self._enter("arc")
        self.changed()

    def _short_volts(self) -> float:
        assert self.arc is not None
        return self.arc.short_current * (self.arc.ohms * 0.010 + self._torch.resistance)

    def steady(self, distance: npt.ArrayLike, trim: npt.ArrayLike = 1.0) -> ArcState:
        """The arc at contact-tip `distance` (m) and the speed that the wire comes to.

        `trim`: factors on that speed; arrays broadcast. Where a regulator or a program asks for
        another feed than the setpoint, the voltage follows as on a synergic line, `SYNERGY`.
        """
        assert self.arc is not None
        feeder = self._feeder
        feed = max(feeder.settled_speed, 1e-3) * np.asarray(trim, float)
        asked = feeder.feed_demand * feeder.factor * np.asarray(trim, float)
        volts = self.setting + self.SYNERGY * (asked - feeder.feed_demand)
        return self.arc.steady(feed, distance, volts, self._torch.resistance)

    def fails(self, state: ArcState) -> tuple[Bools, Bools]:
        """Where a steady arc would short, and where it would go out."""
        assert self.arc is not None
        out = (state.length > self.arc.longest) | (state.current < self.arc.least)
        return np.asarray(state.length < self.SHORTEST), np.asarray(out)

    def burn(self, times: Floats, state: ArcState) -> None:
        """Show an arc over times (s), (n,) each; the first value is approached as it regulates."""
        assert self.arc is not None
        now = self.now
        self.sense(now)
        mean = float(np.mean(state.power))
        tau = self.METER + self.arc.regulation_time(
            float(np.mean(state.current)), float(np.mean(state.extension)))
        for name, values in (("current", state.current), ("voltage", state.voltage)):
            if len(times) < 2 or float(np.ptp(values)) < 1e-9:
                self.follow(name, Relaxation(now, getattr(self, name), float(values[-1]), tau))
            else:
                self.follow(name, Steps(times, values))
        self._torch.warm(mean)
        self.draw(self.IDLE + mean / self.EFFICIENCY)

    def short(self, cause: str) -> None:
        """The wire strikes the part: voltage falls, current rises, then the drive strains."""
        assert self.arc is not None
        self._epoch += 1
        self._enter("short circuit")
        self.log("process", f"wire stub: {cause}", cause=cause)
        self._electrical(self._short_volts(), self.arc.short_current, self.RISE)
        self._feeder.press(self.STRUCK)
        self.changed()

    def lose(self, cause: str) -> None:
        """The arc goes out: voltage rises to that of the open circuit, current ends."""
        assert self.arc is not None
        self._epoch += 1
        self._enter("no arc")
        self.log("process", f"arc lost: {cause}", cause=cause)
        self._electrical(self.arc.open_circuit, 0.0, self.COLLAPSE)
        self.changed()

    def _enter(self, state: str) -> None:
        self.state = state
        self.arc_established = state == "arc"
        self.short_circuit = state == "short circuit"
        self.arc_missing = state == "no arc"

    def _electrical(self, volts: float, amps: float, tau: float) -> None:
        now = self.now
        self.sense(now)
        self.follow("voltage", Relaxation(now, self.voltage, volts, self.COLLAPSE))
        self.follow("current", Relaxation(now, self.current, amps, tau))
        self._torch.warm(0.0)
        self.draw(self.IDLE + volts * amps / self.EFFICIENCY)

    def hidden_state(self) -> dict[str, Any]:
        return {"state": self.state}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        self.state = hidden["state"]

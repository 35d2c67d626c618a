"""The soft PLC of an induction plasma spheroidizer: its sequence and interlocks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from emulators.controllers.base import Watch
from emulators.controllers.build import INTERRUPTED, WORKING, BuildController, Program
from emulators.controllers.build_signals import Feedstock
from emulators.controllers.spheroidizer_service import Service
from emulators.controllers.spheroidizer_signals import (
    BATCH_PHASES,
    Alarms,
    Batches,
    Machine,
    Process,
)
from emulators.controllers.states import MachineState
from twin.image import Readings
from twin.machines.spheroidizer import Spheroidizer

__all__ = ["SpheroidizerController"]

_EMPTY = 2e-3  # kg at which the hopper reads empty
_READY = 0.97  # of the plate power's setpoint, from which powder may come


class SpheroidizerController(BuildController):
    """Load, close, purge, ignite, batches {charge, feed, collect}, shut down, discharge."""

    LAYERS = BATCH_PHASES
    COMPLETE = "shutdown"
    CHECKPOINT = "charge"
    RESET = ("plasma_lost", "ignition_fails", "plate_power_low", "feed_lost", "gas_low", "gas_hot",
             "supply_empty", "oxygen_high", "dew_point_high", "water_warm")
    WATER = 70e-3 / 60
    LOOK = 2.0  # s between two looks at what has no level of its own
    LOOK_AFTER = 0.05  # s after the feeder's grid, so that one scan serves both
    PURGE = 3600.0  # s that a purge may take
    IGNITION = 20.0  # s in which the flame should be lit
    DRAIN = 6.0  # s in which the feeder comes to rest: three of its lag times
    AGAIN = 30.0  # s from one back-pulse of the filter to the next
    SETTLE = 20.0  # s after which the feed should be what was asked for
    MOST = 100e3  # W of the light that the emission is told over
    plant: Spheroidizer

    def __init__(self, plant: Spheroidizer, readings: Readings,
                 programs: Mapping[str, Program]) -> None:
        self.process, alarms = Process(), Alarms()
        super().__init__(plant, readings, programs, Machine, self.process, Feedstock(), alarms)
        self.batches = self.add("Batches", Batches())
        self.add("Service", Service(plant, lambda: self.state not in WORKING))
        self.pulsed = -1e9  # when the filter was last cleaned
        self.assemble()

    def memory(self) -> Any:
        return (super().memory(), self.batches.spark, self.pulsed)

    def load(self, program: Program) -> None:
        super().load(program)
        self.batches.pulses = self.batches.spark = 0
        lots = self.plant.feeder.lots
        if lots:
            self.feedstock.identifier, self.feedstock.cycle = lots[0].id, lots[0].cycle

    # -- looking ------------------------------------------------------------------------------

    def observe(self) -> dict[str, bool]:
        io = self.io
        self.feedstock.remaining_quantity = float(round(io.feeder.supply, 3))
        # What a hold has switched off is no alarm of its own.
        working = self.state in WORKING
        return {
            "plasma_lost": working and not io.torch.lit,
            "ignition_fails": working and self.now >= self.since + self.IGNITION
            and not io.torch.lit,
            "purge_fails": working and self.now >= self.since + self.PURGE,
            "supply_empty": working and self.now >= self.since + 5.0 and io.feeder.mass < _EMPTY,
            "sphericity_low": io.collector.batches > 0
            and bool(io.collector.sphericity < self.process.sphericity_limit),
            **self.looks(working and self.phase in BATCH_PHASES),
        }

    def look(self) -> dict[str, bool]:
        io, process = self.io, self.process
        feeding = self.phase == "feed"
        late = feeding and self.now > self.since + self.SETTLE
        expected = io.torch.plate_power / self.MOST
        # A loaded filter is cleaned, but not again and again.
        if io.loop.blower > 0 and self.now >= self.pulsed + self.AGAIN \
                and io.loop.filter_differential_pressure > process.pulse_pressure:
            self.pulsed = self.now
            self.batches.pulses += 1
            io.loop.back_pulse = True
        argon = io.gas.central_flow + io.gas.sheath_flow
        return {
            "plate_power_low": feeding and bool(io.torch.plate_power < 0.93 * process.plate_power),
            "torch_worn": feeding and bool(io.torch.emission < process.wear_limit * expected),
            "feed_deviates": late and bool(
                abs(io.feeder.rate - process.feed_rate) > 0.15 * process.feed_rate)
            and io.feeder.mass > 10 * _EMPTY,
            "feed_lost": late and bool(io.feeder.rate < 0.4 * process.feed_rate)
            and io.feeder.mass > 10 * _EMPTY,
            "gas_low": bool(argon < 0.9 * (process.central_flow + process.sheath_flow)),
            "hydrogen_low": feeding and bool(io.gas.hydrogen_flow < 0.8 * self._hydrogen),
        }

    @property
    def _hydrogen(self) -> float:
        return 0.0 if self.process.inert_only else float(self.process.hydrogen_flow)

    def regulate(self) -> None:
        io = self.io
        # Gas, loop and water serve what is hot until it no longer is, however the job ended.
        if self.state in (MachineState.FINISHED, MachineState.ABORTED):
            self.rest()
        elif self.state in INTERRUPTED and (io.safety.chain_closed or io.safety.reset_possible) \
                and not self.cold():
            io.chiller.run = True

    # -- hold, abort, end ---------------------------------------------------------------------

    def stop_work(self) -> None:
        io = self.io
        io.feeder.demand = 0.0
        io.gas.hydrogen_demand = 0.0
        io.torch.enable = False
        io.torch.power = 0.0
        io.collector.passivate = False

    def make_safe(self) -> None:
        self.io.reactor.purge_flow = self.process.purge_flow

    def restore_supplies(self) -> None:
        super().restore_supplies()
        self.io.loop.blower = self.process.blower

    def release(self) -> None:
        """Flame off; gas, loop and water only once it is cold, see `rest`."""
        self.stop_work()
        self.rest()

    def rest(self) -> None:
        io = self.io
        if not self.cold():
            if io.safety.chain_closed:
                io.chiller.run = True
            return
        for name in ("central", "sheath", "carrier"):
            setattr(io.gas, f"{name}_demand", 0.0)
        io.reactor.purge_flow = io.reactor.process_flow = 0.0
        io.loop.blower = 0.0
        io.chiller.run = False
        io.safety.door_lock = False

    def cold(self) -> bool:
        return bool(self.io.reactor.temperature < self.process.unload_temperature)

    # -- preparing ----------------------------------------------------------------------------

    def loaded(self) -> bool:
        return self.waited(5.0) and self.cold()

    def closed(self) -> str:
        return "purge"

    def _begin_purge(self) -> None:
        io = self.io
        io.reactor.purge_flow = self.process.purge_flow
        io.reactor.process_flow = self.process.window_flow
        io.loop.blower = self.process.blower

    def _purge(self) -> None:
        if self.waited(1.0) and self.io.reactor.oxygen_top < self.process.oxygen_limit:
            self.enter("ignite")
            return
        if self.now < self.since + self.PURGE:
            self.wake = min(self.wake, self.since + self.PURGE)

    def _begin_ignite(self) -> None:
        io, process = self.io, self.process
        self.batches.spark = 0
        self._argon()
        io.gas.reuse = process.reuse
        io.reactor.purge_flow = 0.0
        io.torch.power = process.ignition_power
        io.torch.enable = True

    def _argon(self) -> None:
        gas, process = self.io.gas, self.process
        gas.central_demand, gas.sheath_demand = process.central_flow, process.sheath_flow
        gas.carrier_demand = process.carrier_flow

    def _ignite(self) -> None:
        io, process = self.io, self.process
        if not io.torch.lit:
            if not self.waited(self.IGNITION) and self.waited(5.0 * (self.batches.spark + 1)):
                self.batches.spark += 1
                io.torch.ignite = True
            return
        io.torch.power = process.plate_power
        if io.torch.plate_power > _READY * process.plate_power:
            self.begin_layers("charge")

    def follow_setpoints(self) -> None:
        io, process = self.io, self.process
        if self.phase in BATCH_PHASES:
            self._argon()
            io.torch.power = process.plate_power
            io.gas.hydrogen_demand = self._hydrogen
            io.gas.reuse = process.reuse
            io.loop.blower = process.blower
            io.reactor.process_flow = process.window_flow
            io.feeder.demand = process.feed_rate if self.phase == "feed" else 0.0

    # -- batches ------------------------------------------------------------------------------

    def _begin_charge(self) -> None:
        self.io.feeder.batch = self.process.batch
        self.io.feeder.charge = True

    def _charge(self) -> None:
        if self.waited(2.0) and self.io.feeder.mass > _EMPTY:
            self.enter("feed")
        elif not self.waited(5.0):
            return

    def _feed(self) -> None:
        if self.waited(2.0) and self.io.feeder.mass < _EMPTY:
            self.io.feeder.demand = 0.0
            self.enter("collect")

    def _collect(self) -> None:
        io = self.io
        # What is on its way comes down, then the camera looks at a sample.
        if self.waited(self.DRAIN) and io.collector.batches <= self.job.layer:
            io.collector.collect = True
        if io.collector.batches > self.job.layer and self.waited(self.DRAIN + 1.0):
            self.batches.sphericity = float(round(io.collector.sphericity, 3))
            self.layer_finished("charge")

    # -- completing ---------------------------------------------------------------------------

    def _begin_shutdown(self) -> None:
        io = self.io
        io.feeder.demand = 0.0
        io.gas.hydrogen_demand = 0.0
        io.torch.enable = False
        io.torch.power = 0.0
        # A batch that was broken off is one too.
        io.collector.collect = True
        io.reactor.purge_flow = self.process.purge_flow

    def _shutdown(self) -> None:
        if self.waited(10.0) and self.cold():
            self.enter("passivate" if self.process.passivate and not self.io.collector.passivated
                       else "discharge")

    def _begin_passivate(self) -> None:
        io = self.io
        for name in ("central", "sheath", "carrier"):
            setattr(io.gas, f"{name}_demand", 0.0)
        io.reactor.purge_flow = 0.0
        io.collector.passivate = True

    def _passivate(self) -> None:
        self.io.collector.passivate = True
        if self.io.collector.passivated:
            self.io.collector.passivate = False
            self.enter("discharge")

    def _begin_discharge(self) -> None:
        self.io.collector.discharge = True

    def _discharge(self) -> None:
        if self.waited(5.0):
            self.release()
            self.finished()

    # -- what to watch, what to keep ----------------------------------------------------------

    def watches(self) -> list[Watch]:
        level = self.level
        found: list[Watch] = []
        cold = level("Reactor.Temperature", "UnloadTemperature")
        ready = self.process.plate_power * _READY / 1e3
        match self.phase:
            case "load" | "shutdown" | "none":
                found.append(cold)
            case "purge":
                found.append(level("Reactor.OxygenTop", "OxygenLimit"))
            case "ignite":
                found.append(Watch("Torch.PlatePower", ready))
            case "charge" | "feed":
                found.append(Watch("Feeder.Mass", _EMPTY))
            case "collect":
                found.append(level("Collector.Sphericity", "SphericityLimit"))
        if self.phase == "charge":
            found.append(level("Collector.Sphericity", "SphericityLimit"))
        if self.state in INTERRUPTED:
            found.append(cold)
        return found

    def snapshot(self) -> dict[str, Any]:
        taken = super().snapshot()
        taken["own"] |= {"pulsed": self.pulsed}
        return taken

    def reinstate(self, snapshot: dict[str, Any]) -> None:
        super().reinstate(snapshot)
        self.pulsed = snapshot["own"]["pulsed"]

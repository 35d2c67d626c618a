"""The base of the wire machines' programs: wire drive, failures of the source, restart."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from math import isnan
from typing import Any

from emulators.controllers.base import Watch
from emulators.controllers.build import MachineCommands, Program
from emulators.controllers.build_signals import Feedstock
from emulators.controllers.ded import DedController, DedService
from emulators.controllers.ded_wire_signals import WireAlarms, WireProcess
from emulators.controllers.states import MachineState
from twin.equipment.wire_plant import WirePlant
from twin.image import Readings
from twin.signals import command

__all__ = ["WireController", "WireService"]


class WireService(DedService):
    """What an operator does with his hands at a wire machine while it stands."""

    _plant: WirePlant

    @command()
    def dress_stop(self) -> str:
        """Scan where the pass stopped, and grind lump and bead end down to the layer below."""
        work = self.begin("stop dressed")
        taken = self._plant.head.dress()
        self._plant.head.log("process", work, volume=taken)
        return work

    @command()
    def cut_wire(self) -> str:
        """Cut the wire free of part or tip and clean its end."""
        work = self.begin("wire cut and clean")
        self._plant.feeder.thread()
        return self.tell(work, self._plant.feeder)

    @command()
    def change_spool(self) -> str:
        """Put on a fresh spool and thread the wire to the tip."""
        work = self.begin("spool changed")
        self._plant.feeder.fresh()
        return self.tell(work, self._plant.feeder)

    @command()
    def service_feeder(self) -> str:
        """Set the drive rolls, change liner and contact tip."""
        work = self.begin("wire drive serviced")
        plant, nozzle = self._plant, self._plant.nozzle.path
        for path, value in (("WireFeeder.Slip", 0.0), ("WireFeeder.LinerFriction", 1.0),
                            (f"{nozzle}.TipWear", 0.0)):
            plant.drive(path, value)
        plant.nozzle.used = 0.0
        plant.feeder.log("process", work)
        return work

    @command()
    def mend_gas(self) -> str:
        """Mend the gas hose, clean the nozzle, close the curtain."""
        work = self.begin("shielding mended")
        nozzle = self._plant.nozzle
        for fault in ("GasLoss", "Draught"):
            self._plant.drive(f"{nozzle.path}.{fault}", 0.0)
        nozzle.log("process", work)
        return work


class WireController(DedController, ABC):
    """Sequence of the deposition machines with wire.

    When wire or source fail the head stops, the source goes off and the wire is drawn back; the
    job is held with its place marked. Resumed, the pass goes on with an overlap. A source that
    fails again right after that ends the job.
    """

    AGAIN = 4.0  # s of a resumed pass in which a failure counts as the same one
    RUNAWAY = 973.15  # K found by a layer above which the bead does not stand
    HELD = 0.4e-3  # m of the stand-off's mean error that is left to the feed's regulator
    NEARER = 0.8  # share of what goes beyond that the next step makes good
    STEP_BAND = (0.3, 1.5)  # of the planned step, what the head may go up by
    plant: WirePlant
    process: WireProcess

    def __init__(self, plant: WirePlant, readings: Readings, programs: Mapping[str, Program],
                 machine: type[MachineCommands], process: WireProcess, alarms: WireAlarms,
                 service: WireService) -> None:
        super().__init__(plant, readings, programs, machine, process, Feedstock(), alarms)
        self.add("Service", service)
        self._resumed = -1e9  # when a pass that had failed went on
        self._failed = False  # whether the present hold is a failure of wire or source
        self._interpass = 0.0  # K that the present layer has found
        self._passes = 0  # passes of the layer that were over when last looked at
        self._paused = 0.0  # when the last of them ended
        self.assemble()

    # -- what a machine says ------------------------------------------------------------------

    @abstractmethod
    def failures(self) -> tuple[bool, bool]:
        """Whether the wire strikes, and whether the source is lost, at this moment."""

    @property
    def gas(self) -> Any:
        """Terminals of the nozzle that shields the pool."""
        return getattr(self.io, self.plant.nozzle.path.lower())

    # -- what the base asks -------------------------------------------------------------------

    def follow_setpoints(self) -> None:
        super().follow_setpoints()
        io, process = self.io, self.process
        io.height.regulate = process.height_control
        io.height.gain, io.height.authority = process.height_gain, process.height_authority
        io.head.overlap = process.restart_overlap
        io.wire_feeder.retract_length = process.retract_length
        if self.gas.gas_demand > 0:
            self.shield(True)
        if io.wire_feeder.feed_demand > 0:
            self.feed(True)

    def feed(self, on: bool) -> None:
        self.io.wire_feeder.feed_demand = self.process.wire_feed if on else 0.0

    def shield(self, on: bool) -> None:
        self.gas.gas_demand = self.process.shield_flow if on else 0.0

    def shielded(self) -> bool:
        return bool(self.gas.gas_flow > 0.95 * self.process.shield_flow)

    def _step(self, number: int) -> float:
        planned, head = super()._step(number), self.io.head
        if not self.process.track_surface or isnan(head.layer_stand_off):
            return planned
        # As planned while the feed's regulator can hold it; then the head gives way.
        near = self.process.stand_off - head.layer_stand_off
        off = near - min(max(near, -self.HELD), self.HELD)
        low, high = self.STEP_BAND
        return float(min(max(planned + self.NEARER * off, low * planned), high * planned))

    def _begin_pass(self) -> None:
        if self.io.head.layer != self.job.layer + 1:
            self._interpass = self.io.part.temperature
            self._passes = 0
        super()._begin_pass()

    def _pass(self) -> None:
        head = self.io.head
        if head.layer_done != self.job.layer + 1 and not head.depositing and self._pauses():
            return
        starts = not head.run
        if starts:
            self.feed(True)
        super()._pass()
        if starts and head.run and self._failed:
            self._failed, self._resumed = False, self.now

    def _pauses(self) -> bool:
        """Between passes, too, the part is left to cool: a small one would melt."""
        head, process = self.io.head, self.process
        if head.passes_done != self._passes:
            # A pass is over.
            self._passes = head.passes_done
            self._paused = self.now
        due = self._paused + process.pass_dwell
        hot = process.adaptive_dwell and self.io.part.temperature >= process.interpass_limit
        waits = self._passes > 0 and self.now < due
        if waits:
            self.wake = min(self.wake, due)
        if (waits or hot) and head.run:
            head.run = False
            self.energise(False)
            self.feed(False)
        return bool(waits or hot)

    # -- failures -----------------------------------------------------------------------------

    def hold(self, state: MachineState, reason: str) -> None:
        super().hold(state, reason)
        names = {self._alarm_names[alarm.path] for alarm in self.acting("B")}
        if names & {"wire_stub", "source_lost", "spool_empty"}:
            self._failed = True
            if "wire_stub" in names and self.process.retract_length > 0:
                self.io.wire_feeder.retract = True

    def observe(self) -> dict[str, bool]:
        io, process = self.io, self.process
        feeder = io.wire_feeder
        if not isnan(feeder.spool_mass):
            self.feedstock.remaining_quantity = round(feeder.spool_mass, 2)
        strikes, lost = self.failures()
        watched = process.monitoring
        again = self.phase == "pass" and self.now - self._resumed < self.AGAIN
        return {
            **super().observe(),
            "wire_stub": strikes and watched and not again,
            "source_lost": lost and watched and not again,
            "restart_failed": (strikes or lost) and again,
            "spool_empty": not (feeder.wire_present and feeder.at_tip),
            "height_saturated": bool(io.height.saturated),
            "interpass_high": self._interpass > process.interpass_alarm,
            "interpass_runaway": self._interpass > self.RUNAWAY,
        }

    def watches(self) -> list[Watch]:
        found = super().watches()
        if self.phase == "purge":
            found.append(Watch(f"{self.plant.nozzle.path}.GasFlow",
                               0.95 * self.process.shield_flow * 6e4))
        if self.phase == "pass":
            found.append(self.level("Part.Temperature", "InterpassLimit"))
        return found

    def snapshot(self) -> dict[str, Any]:
        kept = super().snapshot()
        kept["own"] |= {"resumed": self._resumed, "failed": self._failed,
                        "interpass": self._interpass, "passes": self._passes,
                        "paused": self._paused}
        return kept

    def reinstate(self, snapshot: dict[str, Any]) -> None:
        super().reinstate(snapshot)
        own = snapshot["own"]
        self._resumed, self._failed = own["resumed"], own["failed"]
        self._interpass = own["interpass"]
        self._passes, self._paused = own["passes"], own["paused"]

"""The soft PLC of an arc deposition machine: source, wire, gas, and their interlocks."""

from __future__ import annotations

from collections.abc import Mapping

from emulators.controllers.build import Program
from emulators.controllers.ded_arc_signals import Alarms, Machine, Process
from emulators.controllers.ded_wire import WireController, WireService
from twin.image import Readings
from twin.machines.ded_arc import DedArc
from twin.signals import command

__all__ = ["DedArcController"]

M_PER_MIN = 1 / 60


class Service(WireService):
    """What an operator does with his hands at the machine while it stands."""

    _plant: DedArc

    @command()
    def mend_source(self) -> str:
        """Clean earth clamp and wire end, degauss, calibrate the source."""
        work = self.begin("source mended")
        for name, value in (("IgnitionFailure", False), ("ArcDisturbance", False),
                            ("VoltageError", 0.0)):
            self._plant.drive(f"Arc.{name}", value)
        return self.tell(work, self._plant.source)


class DedArcController(WireController):
    """Sequence of the arc deposition machine: the arc strikes at the start of every pass."""

    plant: DedArc
    process: Process

    def __init__(self, plant: DedArc, readings: Readings,
                 programs: Mapping[str, Program]) -> None:
        service = Service(plant, self.standing)
        super().__init__(plant, readings, programs, Machine, Process(), Alarms(), service)

    def follow_setpoints(self) -> None:
        super().follow_setpoints()
        process = self.process
        faster = (process.wire_feed - process.wire_reference) / M_PER_MIN
        volts = process.voltage + process.synergy * faster
        self.io.arc.voltage_demand = round(min(max(volts, 10.0), 45.0), 2)

    def energise(self, on: bool) -> None:
        self.io.arc.enable = on

    def failures(self) -> tuple[bool, bool]:
        return bool(self.io.arc.short_circuit), bool(self.io.arc.arc_missing)

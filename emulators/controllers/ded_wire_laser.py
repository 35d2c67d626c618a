"""The soft PLC of a wire-laser machine: laser, wire, hot wire, gas, and their interlocks."""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt

from emulators.controllers.base import Watch
from emulators.controllers.build import Program
from emulators.controllers.ded import LaserHeadService
from emulators.controllers.ded_wire import WireController, WireService
from emulators.controllers.ded_wire_laser_signals import Alarms, Machine, Process
from twin.image import Readings
from twin.machines.ded_wire_laser import DedWireLaser
from twin.signals import command

__all__ = ["DedWireLaserController"]


class Service(WireService, LaserHeadService):
    """What an operator does with his hands at the machine while it stands."""

    _plant: DedWireLaser

    @command()
    def calibrate(self) -> str:
        """Measure laser power on the part and hot-wire current, and set both right."""
        work = self.begin("laser and hot wire calibrated")
        for path in ("Laser.PowerDrift", "HotWire.CurrentError"):
            self._plant.drive(path, 0.0)
        return self.tell(work, self._plant.laser)


class DedWireLaserController(WireController):
    """Sequence of the wire-laser machine, with cold or hot wire."""

    STRUCK = 1.0  # N m of the wire drive above which the wire sticks
    CONTACT = (0.3, 0.85)  # share of the time in which the wire touches: off, and dripping
    plant: DedWireLaser
    process: Process

    def __init__(self, plant: DedWireLaser, readings: Readings,
                 programs: Mapping[str, Program]) -> None:
        service = Service(plant, self.standing)
        super().__init__(plant, readings, programs, Machine, Process(), Alarms(), service)

    def load(self, program: Program) -> None:
        super().load(program)
        process = self.process
        if process.width_control and process.bead_width <= 0:
            process.bead_width = program.job.settings.width

    def follow_setpoints(self) -> None:
        super().follow_setpoints()
        io, process = self.io, self.process
        io.laser.power = process.laser_power
        io.pool.regulate = process.width_control and process.bead_width > 0
        io.pool.width_demand = process.bead_width
        io.pool.authority = process.regulator_authority
        amps = process.hot_wire_current * sqrt(process.wire_feed / process.wire_reference)
        io.hot_wire.current_demand = round(min(amps, 350.0), 1)

    def energise(self, on: bool) -> None:
        self.io.laser.enable = on
        self.io.hot_wire.enable = on and self.process.hot_wire_current > 0

    def failures(self) -> tuple[bool, bool]:
        io = self.io
        dark = io.head.depositing and not io.laser.emitting
        return bool(io.wire_feeder.motor_torque > self.STRUCK), bool(dark)

    def observe(self) -> dict[str, bool]:
        io, (off, drips) = self.io, self.CONTACT
        joins = io.bead.contact_share if io.head.depositing else 1.0
        return {
            **super().observe(),
            "pool_saturated": bool(io.pool.saturated),
            "wire_drips": bool(joins < drips),
            "wire_off": bool(joins < off),
        }

    def watches(self) -> list[Watch]:
        found = super().watches()
        if self.phase == "pass":
            found.append(Watch("WireFeeder.MotorTorque", self.STRUCK))
            found += [Watch("Bead.ContactShare", 100 * share) for share in self.CONTACT]
        return found

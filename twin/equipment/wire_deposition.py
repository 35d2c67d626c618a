"""What becomes of laser and wire along a pass: contact, beads, heat, and a wire that sticks."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from math import isnan
from typing import Any

import numpy as np
import numpy.typing as npt

from twin.equipment.arc_source import Torch
from twin.equipment.deposition import Deposit, DepositionJob, Stretch
from twin.equipment.deposition_head import DepositionHead
from twin.equipment.deposition_laser import DepositionLaser, PoolCamera
from twin.equipment.height_regulator import HeightRegulator
from twin.equipment.wire_account import WireAccount
from twin.equipment.wire_feeder import HotWireSource, WireFeeder
from twin.machine import AMBIENT, Equipment
from twin.materials import Alloy
from twin.parts.passes import Pass
from twin.physics.arc import porosity_of_shielding
from twin.physics.deposition import PoolLaw
from twin.physics.wire import (
    ABSORBED,
    Contact,
    WireContact,
    contact,
    laser_bead_width,
    wire_area,
)
from twin.signals import measured
from twin.trajectory import Steps

__all__ = ["SpotCamera", "WireDeposition", "WireSettings"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class WireSettings:
    """What a wire-laser job tells of wire and optics."""

    wire_diameter: float = 1.2e-3
    """m."""
    spot: float = 6e-3
    """Width of the laser's spot on the part, m."""
    stick_out: float = 45e-3
    """Wire from contact tip to pool, m."""
    preheat: float = 400.0
    """Interpass temperature of the working point, K."""
    width: float = 0.0
    """Width of the pool at the working point, m."""


class SpotCamera(PoolCamera):
    """Camera and pyrometer over a pool that is as wide as a large spot."""

    OVERHEAT = 350.0  # K of the surface over the liquidus at the working point, default

    def load(self, alloy: Alloy, power: float, speed: float, sigma: float,
             temperature: float) -> PoolLaw:
        """The pool about a working point; `sigma` is a quarter of the spot's width (m)."""
        spot = 4 * sigma

        def width(watts: float, feed: float, part: float) -> float:
            return float(laser_bead_width(alloy, ABSORBED * watts, feed, part, spot))

        low, high = temperature - 50.0, temperature + 50.0
        self.absorptivity = ABSORBED
        self.law = PoolLaw(
            width(power, speed, temperature), power, speed, temperature,
            (width(1.05 * power, speed, temperature) - width(0.95 * power, speed, temperature))
            / (0.1 * power),
            (width(power, 0.95 * speed, temperature) - width(power, 1.05 * speed, temperature))
            / (0.1 * speed),
            (width(power, speed, high) - width(power, speed, low)) / 100.0,
            2 * spot / speed)
        peak = alloy.liquidus + self.OVERHEAT
        # Heat flux through the same spot: the surface rises in proportion to the power.
        self._peak = (peak, (peak - AMBIENT) / power)
        return self.law


def _nothing() -> None:
    pass


class WireDeposition(Equipment):
    """Beads of a wire that is melted by a laser, cold or heated by a current of its own."""

    WIRE_IN = 0.25  # s until the wire has come to the pool, default
    STRAY = 0.5  # of the laser's power, what warms the nozzle as much as an arc would, default
    POOL = 0.45  # depth of the pool over the width of the spot, default
    STICKS = 1.2  # s of stubbing after which the wire has frozen onto the part, default
    CAUGHT = 0.3  # s of stubbing that a stop of the pass does not melt clear, default
    FREEZE = 2.0  # s after a stop in which a stubbing wire can still be drawn off, default
    RIPPLE = (0.6, 6e-3)  # amplitude and length (m) of the humps that drops leave, default
    PUSHED = 0.75  # width of a bead of stubbing wire over that of a sound one, default
    FUME = 1e-3  # share of the wire that evaporates off the pool, default
    DARK_BEAD = 0.3  # share of the spot below which a pool does not take the wire, default

    transfer = measured(int, choices=("none", "droplet", "smooth", "stub", "fused"),
                        doc="how the wire joins the pool, as the side camera classifies it")
    contact_share = measured("%", low=0, high=100, noise=0.5, quantum=0.1,
                             companion="Monitoring/Process/ContactShare",
                             doc="share of the time in which wire and pool touch, from the "
                                 "contact-voltage monitor")
    wire_gap = measured("mm", low=-20, high=40, noise=0.05, quantum=0.01,
                        doc="way from the wire's aim to the surface, side camera; 0 as planned")
    discolouration = measured("%", low=0, high=100, noise=0.5, quantum=0.1,
                              companion="Monitoring/Process/Discolouration",
                              doc="oxidised share of the bead behind the pool, colour camera")

    def __init__(self, laser: DepositionLaser, camera: SpotCamera, hot: HotWireSource,
                 nozzle: Torch, feeder: WireFeeder, height: HeightRegulator) -> None:
        super().__init__()
        self._height = height
        self._laser, self._camera, self._hot = laser, camera, hot
        self._nozzle, self._feeder = nozzle, feeder
        self._job: DepositionJob | None = None
        self._settings = WireSettings()
        self.air: Callable[[], float] = lambda: 1.0
        """Tells the share of air in what surrounds the head."""
        self.replan: Callable[[], None] = _nothing
        """Asks the head to apply present settings to what of the pass is not yet done."""
        self.heats: Callable[[float], None] = lambda power: None
        """Told the laser's mean power (W)."""
        self.account: Callable[[], WireAccount] = WireAccount
        """Tells the account of the job."""
        self._running = False
        self._stubbing = False
        self._since = 0.0  # when it began to stub
        self._tick = DepositionHead.TICK  # s between the times of the pass
        self._epoch = 0
        hot.tip = lambda: nozzle.resistance
        hot.changed = nozzle.changed = feeder.changed = height.changed = self._changed

    def prepare(self, job: DepositionJob | None) -> None:
        """Take wire, optics and working point of a job."""
        self._job = job
        if job is None:
            return
        self._settings = settings = job.settings if job.settings is not None else WireSettings()
        self._feeder.load(float(job.alloy.density(300.0)), settings.wire_diameter)
        self._feeder.let(run=False)
        self._camera.load(job.alloy, job.source * DepositionLaser.WINDOW, job.feed,
                          settings.spot / 4, settings.preheat)

    def _changed(self) -> None:
        if self._running:
            self.replan()

    def approach(self, run: Pass) -> None:
        """A program's own wire feed, in m/min, is set on the way to its pass."""
        assert self._job is not None
        own = run.feedstock / 60
        self._feeder.program(1.0 if isnan(own) else own / self._job.feedstock)

    def ready_after(self) -> float:
        """Run the wire to the part; the laser opens as the head starts."""
        self._running = True
        self._feeder.let(run=True)
        return self.WIRE_IN

    def _joins(self, job: DepositionJob, feed: Floats, power: Floats, gap: Floats,
               amps: Floats) -> WireContact:
        settings = self._settings
        return contact(job.alloy, settings.wire_diameter, feed, power=power, gap=gap,
                       length=settings.stick_out, current=amps, supply=HotWireSource.OPEN,
                       depth=self.POOL * settings.spot)

    def deposit(self, stretch: Stretch, state: dict[str, float]) -> Deposit:
        """Beads by mass balance on a pool as wide as power and spot allow."""
        job, camera, laser = stretch.job, self._camera, self._laser
        n, settings = len(stretch.speed), self._settings
        own = stretch.run.demand
        demand = laser.demand(1.0 if isnan(own) else own / job.source)
        width = settings.spot * 0.8 if stretch.first else state.get("width", 0.0)
        begun = 0.0 if stretch.first else state["age"]
        ages = begun + stretch.times - stretch.times[0]
        asked, widths, integral = camera.march(
            laser, demand, stretch.speed, stretch.interpass, stretch.step, width,
            state.get("integral", 0.0), ages[1:])
        metered = laser.source(asked)
        power = metered * laser.transmission
        mean = (widths[1:] + widths[:-1]) / 2
        gap = stretch.stand_off - job.stand_off
        trim = self._height.trim(gap, job.step)
        feed = self._feeder.settled_speed * trim
        cover = self._nozzle.cover(stretch.stand_off, stretch.middle, self.air())
        wire = np.zeros(n)
        # The source follows a trim of the feed, so that the wire stays as hot.
        amps = self._hot.heating * np.sqrt(trim)
        if feed[0] > 0:
            found = self._joins(job, feed, power, gap, amps)
            mode, touching, volts = found.mode, found.touching, found.voltage
            force, melt, hot = found.force, found.melt_length, found.temperature
            wire = feed * wire_area(settings.wire_diameter) / stretch.speed
        else:
            stuck = bool(self._feeder.stuck)
            mode = np.full(n, int(Contact.STUB if stuck else Contact.DROPLET))
            touching = np.full(n, 1.0 if stuck else 0.0)
            volts, melt = np.zeros(n), np.zeros(n)
            force = np.full(n, WireFeeder.GRIP if stuck else 0.0)
            hot = np.full(n, AMBIENT)
        stub, drips = mode == Contact.STUB, (mode == Contact.DROPLET) | (mode == Contact.FUSED)
        height, wave = self.RIPPLE
        way = np.cumsum(stretch.step * stretch.speed)
        humps = 1 + np.where(drips, height * np.sin(2 * np.pi * way / wave), 0.0)
        laid = np.where(stub, self.PUSHED, 1.0) * mean
        heat = ABSORBED * power + amps * touching * volts
        fields = {
            "power": power, "metered": metered, "feed": feed, "trim": trim, "melt_length": melt,
            "wire_temperature": hot, "contact_voltage": volts, "touching": touching,
            "force": force, "dripping": drips.astype(float), "stubbing": stub.astype(float),
            "unfused": ((mean < self.DARK_BEAD * settings.spot) | stub).astype(float),
            "mode": mode.astype(float), "gap": gap, "cover": cover,
            "porosity": porosity_of_shielding(cover), "pool_temperature": camera.peak(power),
            "correction": asked / demand - 1 if demand > 0 else np.zeros(n),
        }
        return Deposit(wire * humps, laid, heat, fields, {
            "width": widths, "integral": integral, "age": ages})

    def show(self, times: Floats, deposit: Deposit) -> None:
        """Sensors follow a pass; a wire that stubs for long sticks."""
        begin, fields, step = times[:-1], deposit.fields, np.diff(times)
        whole = max(float(step.sum()), 1e-9)
        mean = float((fields["metered"] * step).sum() / whole)
        self._laser.show(begin, fields["metered"], ABSORBED, mean)
        self._camera.show(begin, deposit.width, fields["pool_temperature"], fields["correction"],
                          self._laser, deposit.state["age"][1:])
        self._hot.show(begin, fields["touching"] * np.sqrt(fields["trim"]),
                       fields["contact_voltage"])
        self._height.show(begin, fields["trim"])
        self._feeder.pace(begin, fields["feed"])
        self._feeder.strain(begin, fields["force"])
        modes = fields["mode"]
        now = int(np.clip(np.searchsorted(times, self.now, "right") - 1, 0, len(modes) - 1))
        self._classify(modes, now)
        for name, values in (("contact_share", fields["touching"]), ("wire_gap", fields["gap"]),
                             ("discolouration", 1 - fields["cover"])):
            self.follow(name, Steps(begin, values))
        self.heats(mean)
        self._nozzle.warm(self.STRAY * mean)
        self._epoch += 1
        self._tick = float(times[1] - times[0])
        self._await(times, modes, now)

    def _classify(self, modes: Floats, now: int) -> None:
        before, self.transfer = self.transfer, 1 + int(modes[now]) if len(modes) else 0
        if self.transfer == 1 + Contact.FUSED != before:
            self.log("process", "the hot wire has melted before the pool")
        stubs = self.transfer == 1 + Contact.STUB
        if stubs and not self._stubbing:
            self._since = self.now
        self._stubbing = stubs

    def _await(self, times: Floats, modes: Floats, now: int) -> None:
        """Wait for the next change of transfer, and for the wire to stick."""
        changes = np.flatnonzero(modes[now + 1:] != modes[now]) + now + 1
        if len(changes):
            due = float(times[int(changes[0])])
            self.plant.run(self._turn(due, times, modes, int(changes[0]), self._epoch))
        if self._stubbing and not self._feeder.stuck:
            before = np.flatnonzero(modes[: now + 1] != modes[now])
            since = float(times[int(before[-1]) + 1]) if len(before) else float(times[0])
            until = float(times[int(changes[0])]) if len(changes) else float(times[-1])
            due = max(since + self.STICKS, self.now)
            # On a coarse grid the end of a short stub is not seen: there the whole pass tells.
            coarse = self._tick > 2 * DepositionHead.TICK
            lasts = not coarse or float(np.mean(modes == modes[now])) > 0.5
            if due < until and lasts:
                self.plant.run(self._stick(due, self._epoch))

    def _turn(self, due: float, times: Floats, modes: Floats, index: int,
              epoch: int) -> Generator[Any, Any, None]:
        yield self.plant.env.at(due)
        if epoch == self._epoch and self._running:
            self._classify(modes, index)
            self._await(times, modes, index)

    def _stick(self, due: float, epoch: int) -> Generator[Any, Any, None]:
        yield self.plant.env.at(due)
        if epoch == self._epoch and self._running:
            self.log("process", "wire stub: the wire strikes solid metal")
            self._feeder.stick("bead")

    def rest(self) -> None:
        """The pass is over, or was cut off: light, wire and current end."""
        self._epoch += 1
        least = self.CAUGHT + 4 * max(self._tick - DepositionHead.TICK, 0.0)
        caught = self._stubbing and self.now - self._since >= least
        if caught and not self._feeder.stuck:
            self.plant.run(self._freeze(self._feeder.drawn, self._epoch))
        self._running = self._stubbing = False
        self._laser.dark()
        self._camera.dark()
        self._hot.rest()
        self._height.rest()
        self._feeder.let(run=False)
        self.heats(0.0)
        self._nozzle.warm(0.0)
        self.transfer = 0
        self.sense(self.now)
        for name in ("wire_gap", "discolouration"):
            self.settle(name, getattr(self, name))
        self.settle("contact_share", 0.0)

    def _freeze(self, drawn: float, epoch: int) -> Generator[Any, Any, None]:
        yield self.plant.env.timeout(self.FREEZE)
        if epoch == self._epoch and self._feeder.drawn - drawn < WireFeeder.PULL_FREE:
            self._feeder.stick("bead")

    def laid(self, mass: float, deposit: Deposit, step: Floats, way: Floats) -> None:
        """The window fouls, the contact tip wears; a little evaporates, cold wire joins nothing."""
        masses, fields = deposit.masses(mass, way), deposit.fields
        lit = fields["power"] > 0
        melted = np.where(lit, masses, 0.0)
        self.account().laid((1 - self.FUME) * melted, fields["porosity"],
                            fume=self.FUME * float(melted.sum()),
                            loose=float(masses[~lit].sum()))
        self._laser.fouled(float((deposit.fields["power"] * step).sum()))
        self._nozzle.wear(mass / self._feeder.mass_per_length)

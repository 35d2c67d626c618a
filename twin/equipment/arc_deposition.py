"""What becomes of arc, wire and gas along a pass: beads, heat, cover, and where the arc fails."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from math import isnan
from typing import Any

import numpy as np
import numpy.typing as npt

from twin.equipment.arc_source import ArcSource, Torch
from twin.equipment.deposition import Deposit, DepositionJob, Stretch
from twin.equipment.height_regulator import HeightRegulator
from twin.equipment.wire_account import WireAccount
from twin.equipment.wire_feeder import WireFeeder
from twin.machine import Equipment
from twin.materials import Alloy
from twin.parts.passes import Pass
from twin.physics.arc import (
    ARC_EFFICIENCY,
    ArcState,
    arc_bead,
    arc_for,
    heat_input,
    porosity_of_shielding,
)
from twin.physics.wire import wire_area
from twin.signals import measured
from twin.trajectory import Steps

__all__ = ["ArcDeposition", "ArcSettings"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ArcSettings:
    """What an arc job tells of its wire."""

    wire_diameter: float = 1.2e-3
    """m."""


def _nothing() -> None:
    pass


class ArcDeposition(Equipment):
    """Beads of a gas metal arc, and the monitor that looks at them."""

    SPATTER = 0.02  # share of the wire that does not stay on the part, default
    FUME = 0.3  # of that, what leaves as fume: 6 g for each kg of wire, default
    READY = ArcSource.STRIKE + 0.03  # s from the order to strike until the head may move
    HEAP = 0.6  # width of what a wire without arc heaps up over that of its bead, default

    width = measured("mm", low=0, high=40, noise=0.05, quantum=0.01,
                     companion="Monitoring/Process/BeadWidth",
                     doc="width of the pool, weld camera")
    heat_input = measured("kJ/mm", low=0, high=10, quantum=0.001,
                          companion="Monitoring/Process/HeatInput",
                          doc="heat per length of bead: 0.8 x voltage x current over travel speed")
    tip_distance = measured("mm", low=0, high=80, noise=0.15, quantum=0.05,
                            companion="Monitoring/Process/ContactTipDistance",
                            doc="distance from contact tip to part, from current, voltage and wire "
                                "speed (through-arc sensing)")
    discolouration = measured("%", low=0, high=100, noise=0.5, quantum=0.1,
                              companion="Monitoring/Process/Discolouration",
                              doc="oxidised share of the bead behind the torch, colour camera")

    def __init__(self, source: ArcSource, torch: Torch, feeder: WireFeeder,
                 height: HeightRegulator) -> None:
        super().__init__()
        self._source, self._torch, self._feeder = source, torch, feeder
        self._height = height
        self._job: DepositionJob | None = None
        self._metal: Alloy | None = None
        self._diameter = 1.2e-3
        self.air: Callable[[], float] = lambda: 1.0
        """Tells the share of air in what surrounds the head."""
        self.replan: Callable[[], None] = _nothing
        """Asks the head to apply present settings to what of the pass is not yet done."""
        self.heats: Callable[[float], None] = lambda power: None
        """Told the arc's mean power (W), of which cooling water takes its share."""
        self.account: Callable[[], WireAccount] = WireAccount
        """Tells the account of the job."""
        self._epoch = 0
        source.changed = self._changed
        torch.changed = self._changed
        feeder.changed = self._changed
        height.changed = self._changed

    def prepare(self, job: DepositionJob | None) -> None:
        """Take wire and arc constants of a job."""
        self._source.quench()
        self._source.load(None)
        self._job = job
        if job is None:
            self._metal = None
            return
        settings = job.settings if job.settings is not None else ArcSettings()
        self._metal, self._diameter = job.alloy, settings.wire_diameter
        self._feeder.load(float(job.alloy.density(300.0)), self._diameter)
        self._source.load(arc_for(job.alloy, self._diameter))

    def _changed(self) -> None:
        if self._source.state != "off":
            self.replan()

    def approach(self, run: Pass) -> None:
        """A program's own wire feed, in m/min, is set on the way to its pass."""
        assert self._job is not None
        own = run.feedstock / 60
        self._feeder.program(1.0 if isnan(own) else own / self._job.feedstock)

    def ready_after(self) -> float:
        """Strike the arc; the head waits until it burns."""
        self._source.strike()
        return self.READY

    def deposit(self, stretch: Stretch, state: dict[str, float]) -> Deposit:
        """Beads by mass balance and pool width; a wire without arc heaps up, no wire is no bead."""
        n, speed, gap = len(stretch.speed), stretch.speed, stretch.stand_off
        metal, source = self._metal, self._source
        cover = self._torch.cover(gap, stretch.middle, self.air())
        trim = self._height.trim(gap - stretch.job.stand_off, stretch.job.step)
        nothing = np.zeros(n)
        if metal is None or source.state not in ("arc", "short circuit"):
            return Deposit(nothing, np.full(n, 1e-3), nothing,
                           self._fields(nothing, nothing, nothing, nothing, cover, speed, trim))
        feed = self._feeder.settled_speed * trim
        arc = source.steady(gap, trim)
        width, _, area = arc_bead(metal, self._diameter, feed, speed, arc.power, stretch.interpass)
        area = area * (1 - self.SPATTER)
        if source.state == "short circuit":
            # The wire goes on and is pushed in or aside; resistance alone heats it.
            heat = np.full(n, 0.5 * source.voltage * source.current)
            return Deposit(feed * wire_area(self._diameter) / speed,
                           self.HEAP * width, heat,
                           self._fields(nothing, nothing, nothing, nothing, cover, speed, trim))
        return Deposit(area, width, ARC_EFFICIENCY * arc.power, self._fields(
            arc.current, arc.voltage, arc.length, arc.extension, cover, speed, trim))

    @staticmethod
    def _fields(current: Floats, voltage: Floats, length: Floats, extension: Floats,
                cover: Floats, speed: Floats, trim: Floats) -> dict[str, Floats]:
        return {"current": current, "voltage": voltage, "arc_length": length,
                "extension": extension, "heat_input": heat_input(voltage, current, speed),
                "trim": trim, "cover": cover, "porosity": porosity_of_shielding(cover)}

    def show(self, times: Floats, deposit: Deposit) -> None:
        """Let source, monitor and cameras follow the pass, and the arc fail where it must."""
        fields, begin = deposit.fields, times[:-1]
        self.follow("width", Steps(begin, deposit.width))
        self.follow("discolouration", Steps(begin, 1.0 - fields["cover"]))
        self._height.show(begin, fields["trim"])
        self._epoch += 1
        if not self._source.burning:
            self.settle("heat_input", 0.0)
            return
        state = ArcState(fields["current"], fields["voltage"], fields["arc_length"],
                         fields["extension"])
        self._source.burn(begin, state)
        self._feeder.pace(begin, self._feeder.settled_speed * fields["trim"])
        self.heats(float(np.mean(state.power)))
        self.follow("heat_input", Steps(begin, fields["heat_input"]))
        self.follow("tip_distance", Steps(begin, state.length + state.extension))
        shorts, outs = self._source.fails(state)
        failing = np.flatnonzero((shorts | outs) & (times[1:] > self.now))
        if len(failing):
            first = int(failing[0])
            cause = "feed above melting rate" if shorts[first] else "arc too long for its voltage"
            if outs[first] and self._feeder.settled_speed <= 0:
                cause = "no wire"
            due = max(float(times[first]), self.now)
            self.plant.run(self._fail(due, bool(shorts[first]), cause, self._epoch))

    def _fail(self, due: float, shorts: bool, cause: str, epoch: int) -> Generator[Any, Any, None]:
        yield self.plant.env.at(due)
        if epoch == self._epoch and self._source.burning:
            if shorts:
                self._source.short(cause)
            else:
                self._source.lose(cause)

    def rest(self) -> None:
        """The pass is over, or was cut off."""
        self._epoch += 1
        self._source.quench()
        self._height.rest()
        self.heats(0.0)
        self.sense(self.now)
        for name in ("tip_distance", "discolouration"):
            self.settle(name, getattr(self, name))
        for name in ("width", "heat_input"):
            self.settle(name, 0.0)

    def laid(self, mass: float, deposit: Deposit, step: Floats, way: Floats) -> None:
        """So much wire went through the tip; where the arc burned, a share did not stay."""
        masses, fields = deposit.masses(mass, way), deposit.fields
        burned = float(masses[fields["current"] > 0].sum())
        off = burned * self.SPATTER / (1 - self.SPATTER)
        self.account().laid(masses, fields["porosity"], spatter=(1 - self.FUME) * off,
                            fume=self.FUME * off)
        self._torch.wear(mass / self._feeder.mass_per_length)

"""The deposition head: it runs a layer's passes, and the surface follows from what is deposited."""

from __future__ import annotations

from collections.abc import Callable, Generator
from math import isnan
from typing import Any

import numpy as np
import numpy.typing as npt

from twin.equipment.deposition import (
    DepositionJob,
    LayerRecord,
    LayerResult,
    Process,
    Stretch,
)
from twin.equipment.height_map import HeightMap
from twin.equipment.pass_course import PassCourse, Spots, lengths, on, probes
from twin.equipment.services import SafetyChain
from twin.equipment.substrate import DepositedPart
from twin.machine import Equipment
from twin.parts.passes import PassLayer
from twin.signals import actuator, fault, measured, series
from twin.trajectory import Polyline, Steps

__all__ = ["DepositionHead"]

Floats = npt.NDArray[np.float64]


class DepositionHead(Equipment):
    """Head on its axes: passes, travel and dwells of a layer, stand-off, collision."""

    TICK = 0.05  # s: grid of what has no closed form within a pass
    TRAVEL = 0.08  # m/s between passes, default
    ACCELERATION = 0.5  # m/s2, default
    LIFT = 0.05  # m over the part when parked, default
    COLLISION = 3e-3  # m: the head touches what is nearer to the nozzle, default
    PROFILE = 64  # points of the profile

    busy = measured(bool, doc="running the passes of a layer")
    depositing = measured(bool, doc="a pass is under way: source and feed work on the part")
    layer_done = measured(int, low=0, high=1_000_000, doc="number of the last layer finished")
    passes_done = measured(int, low=0, high=1_000_000, doc="passes of this layer finished")
    progress = measured("%", low=0, high=100, quantum=0.1, doc="share of the layer's path that is "
                        "deposited")
    x = measured("mm", low=-5000, high=5000, quantum=0.01, doc="head position, x axis")
    y = measured("mm", low=-5000, high=5000, quantum=0.01, doc="head position, y axis")
    z = measured("mm", low=-100, high=3000, quantum=0.01,
                 doc="height of the nozzle over the plate, by the z axis' encoder")
    speed = measured("mm/s", low=0, high=1000, noise=0.01, quantum=0.01,
                     companion="Monitoring/Process/TravelSpeed", doc="speed along the path")
    stand_off = measured("mm", low=0, high=100, noise=0.02, quantum=0.01,
                         companion="Monitoring/Process/StandOff",
                         doc="distance from the nozzle to the surface, line scanner")
    height = measured("mm", low=-10, high=3000, noise=0.02, quantum=0.01,
                      doc="mean height of the last layer's top over the plate, line scanner")
    layer_height = measured("mm", low=-10, high=50, noise=0.02, quantum=0.01,
                            companion="Monitoring/Process/LayerHeight",
                            doc="mean height that the last layer added, line scanner")
    parked = measured(bool, start=True, doc="head parked over the part")
    collided = measured(bool, doc="collision switch of the head")
    ready = measured(bool, start=True, doc="axis drives without error")
    layer_stand_off = measured("mm", low=0, high=100, noise=0.02, quantum=0.01,
                               doc="mean stand-off over the last layer, line scanner")
    profile = series("mm", doc="heights over the plate along the last layer's passes, line scanner")
    layer = actuator(int, low=0, high=1_000_000, doc="layer to deposit, from 1")
    run = actuator(bool, doc="run the demanded layer while true; false stops within the pass")
    feed = actuator("mm/s", low=0.1, high=500, start=10, doc="travel speed of a pass")
    z_demand = actuator("mm", low=-10, high=3000, doc="height of the surface that the layer is "
                        "laid on, as the program counts it")
    stand_off_demand = actuator("mm", low=1, high=60, start=10, doc="nozzle over that surface")
    park = actuator(bool, start=True, doc="head up and out of the way")
    overlap = actuator("mm", low=0, high=50, doc="by which a pass that was interrupted is run "
                       "again when it goes on")
    drive_fault = fault(bool, doc="an axis drive fails")
    obstacle = fault(bool, doc="a clamp or tool left in the way of the head's passes")
    step_error = fault("%", low=-90, high=200, doc="share by which the z axis goes further than "
                       "its encoder says")

    def __init__(self, chain: SafetyChain, part: DepositedPart, process: Process,
                 solidified: Callable[[LayerResult], None], tick: float = TICK) -> None:
        super().__init__()
        self.job: DepositionJob | None = None
        self.map: HeightMap | None = None
        self.tick = tick
        self.ground = 0.0
        """m3 that were cut off the part of the job again."""
        self._chain, self._part, self._process = chain, part, process
        self._solidified = solidified
        self._epoch = 0  # of the motion; what waits for an older one has nothing to do
        self._plan_epoch = 0  # of the pass
        self._layer: PassLayer | None = None
        self._next = 0  # pass to run
        self._from = 0.0  # arc length from which it is run, m
        self._run: PassCourse | None = None
        self._state: dict[str, float] = {}  # of the process at the end of the last pass
        self._at = np.zeros(2)
        self._true_z = self._asked_z = self._top = 0.0
        self._before: tuple[Spots, Floats] | None = None  # probes and the heights there
        self._begun = self._stopped = 0.0
        self._worked = 0.0  # s of the layer before the last interruption
        self._record = LayerRecord()

    # -- orders -------------------------------------------------------------------------------

    def load(self, job: DepositionJob | None) -> None:
        """A job on a clean plate."""
        self.forget()
        self.job = job
        self.map = HeightMap(job.plan.bounds, job.plan.style.bead_width) if job else None
        self.layer_done, self._state, self.ground = 0, {}, 0.0
        self._true_z = self._asked_z = self.z_demand = self._top = 0.0
        self.height = self.layer_height = 0.0
        self.profile = ()
        self._process.prepare(job)
        self._show_z()

    def forget(self) -> None:
        """Lose the place in a layer that is not finished."""
        self._stop()
        self._layer, self._next, self._from = None, 0, 0.0
        self._record, self._before = LayerRecord(), None
        self.passes_done = 0
        self.settle("progress", 0.0)

    def driven(self, attribute: str) -> None:
        match attribute:
            case "run":
                if self.run:
                    self._begin()
                else:
                    self._stop()
            case "feed" | "stand_off_demand" | "z_demand" | "step_error":
                self._true_z += (self.z_demand - self._asked_z) * (1 + self.step_error)
                self._asked_z = self.z_demand
                self._show_z()
                self.replan()
            case "obstacle":
                self._bump()
            case "park":
                self._park()
            case "drive_fault":
                self.ready = not self.drive_fault
                if self.drive_fault:
                    self.log("process", "axis drive error, head stopped")
                    self._stop()

    def tripped(self, power_lost: bool) -> None:
        self._stop()
        self.run = False

    @property
    def interrupted(self) -> bool:
        """Whether a layer has been begun and not finished."""
        return self._layer is not None

    def interrupt(self, why: str) -> None:
        """Stop at once because the process has failed; `run` has to be given again."""
        if self.busy:
            self.log("process", f"head stopped: {why}")
            self._stop()
            self.run = False

    def free(self) -> None:
        """Somebody has freed the head after a collision, and ground away what it struck."""
        self.obstacle = False
        if self.collided:
            self.collided = False
            if self.map is not None:
                self.ground += self.map.grind(self._true_z)
            self._chain.switch(SafetyChain.COLLISION, opens=False)

    def dress(self) -> float:
        """Somebody scans and grinds where a pass has stopped; the volume taken, m3.

        Of the stretch that is run again, and half a bead beyond it, all is cut down to what was
        there before the layer: the end of the bead and the lump of a wire that struck.
        """
        layer = self._layer
        if self.busy or layer is None or self.map is None or self._next >= len(layer.passes):
            return 0.0
        run = layer.passes[self._next]
        bead = self._bead()
        along = lengths(run.points)
        at = np.arange(max(self._from - self.overlap, 0.0),
                       min(self._from + 0.5 * bead, float(along[-1])), 0.25 * bead)
        spots = on(run.points[:, :2], along, at) if len(at) else self._at[None, :]
        assert self._before is not None
        seen, heights = self._before
        nearest = ((spots[:, None] - seen.points[None]) ** 2).sum(axis=2).argmin(axis=1)
        taken = self.map.cut(spots, 0.4 * bead, heights[nearest])
        self.ground += taken
        return taken

    def _park(self) -> None:
        if self.park:
            self._stop()
        self.parked = self.park
        self._show_z()

    def _show_z(self) -> None:
        lift = self.LIFT if self.parked else 0.0
        self.z = self.z_demand + self.stand_off_demand + lift
        if self._run is None:
            above = self._true_z + self.stand_off_demand - self._top
            self.settle("stand_off", max(above, 0.0))

    # -- the layer ----------------------------------------------------------------------------

    def _begin(self) -> None:
        job = self.job
        if (self.busy or self.parked or not self.ready or self.collided or job is None
                or not self.plant.energised):
            return
        if not 1 <= self.layer <= len(job.plan) or self.layer == self.layer_done:
            self.log("process", f"nothing to deposit for layer {self.layer}")
            return
        if self._layer is None or self._layer.index != self.layer - 1:
            self.forget()
            self._layer = job.plan.layer(self.layer - 1)
            spots = probes(self._layer, 4 * self.PROFILE)
            self._before = spots, self._under(spots)
            self._begun, self._worked = self.now, 0.0
        else:
            self._from = max(self._from - self.overlap, 0.0)
        self.busy, self._stopped = True, self.now
        self._travel()

    def _under(self, spots: Spots) -> Floats:
        """Heights of the surface at places on the paths."""
        assert self.map is not None
        return self.map.under(spots.points, spots.normals, self._bead())

    def _bead(self) -> float:
        assert self.job is not None
        return self.job.plan.style.bead_width

    def _travel(self) -> None:
        """Go to the start of the next pass, or finish the layer."""
        layer = self._layer
        assert layer is not None
        if self._next >= len(layer.passes):
            self._epoch += 1
            self.plant.run(self._finish(self.now + layer.pause, self._epoch))
            return
        run = layer.passes[self._next]
        self._process.approach(run)
        start = on(run.points[:, :2], lengths(run.points), np.array([self._from]))[0]
        way = float(np.hypot(*(start - self._at)))
        moved = way / self.TRAVEL + (self.TRAVEL / self.ACCELERATION if way > 1e-6 else 0.0)
        pause = run.pause if self._from == 0.0 else 0.0
        arrives = self.now + moved + pause
        self._epoch += 1
        if way > 1e-6:
            for name, a, b in (("x", self._at[0], start[0]), ("y", self._at[1], start[1])):
                self.follow(name, Polyline((self.now, self.now + moved), (float(a), float(b))))
        self._at = start
        self.plant.run(self._arrive(arrives, self._epoch))

    def _arrive(self, due: float, epoch: int) -> Generator[Any, Any, None]:
        yield self.plant.env.at(due)
        if epoch != self._epoch:
            return
        wait = self._process.ready_after()
        if wait > 0:
            yield self.plant.env.at(due + wait)
        if epoch == self._epoch:
            self._strike()

    def _finish(self, due: float, epoch: int) -> Generator[Any, Any, None]:
        yield self.plant.env.at(due)
        if epoch == self._epoch:
            self._conclude()

    # -- one pass -----------------------------------------------------------------------------

    def _strike(self) -> None:
        layer, number = self._layer, self._next
        assert layer is not None
        self._run = PassCourse.at(number, layer.passes[number], self._from, self.now)
        self.depositing = True
        self._plan(0)
        self._bump()

    def replan(self) -> None:
        """Apply present settings to what of the pass is not yet done."""
        run = self._run
        if run is None:
            return
        # An interval that has begun stays as it is.
        k = int(np.searchsorted(run.times, self.now, side="left"))
        if k < len(run.times) - 1:
            self._plan(k)

    def _plan(self, k: int) -> None:
        """Plan the pass from its time number `k` on."""
        job, run, layer, process = self.job, self._run, self._layer, self._process
        assert job is not None
        assert run is not None
        assert layer is not None
        own = run.run.feed
        feed = self.feed if isnan(own) else own * self.feed / job.feed
        times, reached = run.ahead(k, feed, self.tick)
        ticks = len(times) - 1
        # A coarse grid looks at the surface in several places of an interval, on the path.
        looks = int(min(max(np.ceil(feed * self.tick / (2 * self._bead())), 1), 8))
        spots, above = run.looks(reached, looks)
        nozzle = self._true_z + self.stand_off_demand + above
        stand_off: Floats = (nozzle - self._under(spots)).reshape(ticks, looks).mean(axis=1)
        struck = np.flatnonzero(stand_off < self.COLLISION)
        warm = self._part.interpass(float(run.times[0])) if k == 0 else self._warm
        self._warm = warm
        speed = np.full(ticks, feed)
        stretch = Stretch(job, layer, run.run, times, run.points(reached)[:, :2], speed,
                          stand_off, np.full(ticks, warm), k == 0)
        state = self._state if k == 0 else {
            name: float(values[k]) for name, values in run.deposit.state.items()}
        made = process.deposit(stretch, state)
        run.renew(k, times, reached, speed, stand_off, made)
        self._display(run)
        self._plan_epoch += 1
        if len(struck):
            self.plant.run(self._strike_part(float(times[k + struck[0]]), self._plan_epoch))
        else:
            self.plant.run(self._end(float(times[-1]), self._plan_epoch))

    def _display(self, run: PassCourse) -> None:
        times, made = run.times, run.deposit
        begin = times[:-1]
        self.follow("speed", Steps(begin, run.speed))
        self.follow("stand_off", Steps(begin, run.stand_off))
        for axis, name in enumerate("xy"):
            spots = np.interp(run.reached, run.length, run.run.points[:, axis])
            self.follow(name, Steps(times, spots))
        layer = self._layer
        assert layer is not None
        whole = max(layer.length, 1e-9)
        before = sum(p.length for p in layer.passes[: run.number])
        self.follow("progress", Steps(times, np.minimum((before + run.reached) / whole, 1.0)))
        left = times[1:] > self.now
        ahead = np.minimum(times[1:], times[-1]) - np.maximum(begin, self.now)
        energy = float((made.heat[left] * ahead[left]).sum())
        self._part.heat(energy / max(float(times[-1]) - self.now, 1e-9))
        self._process.show(times, made)

    def _end(self, due: float, epoch: int) -> Generator[Any, Any, None]:
        yield self.plant.env.at(due)
        if epoch == self._plan_epoch and self._run is not None:
            self._settle_pass(len(self._run.deposit.area))
            self._next, self._from = self._next + 1, 0.0
            self.passes_done = self._next
            self._travel()

    def _strike_part(self, due: float, epoch: int) -> Generator[Any, Any, None]:
        yield self.plant.env.at(due)
        if epoch == self._plan_epoch and self._run is not None:
            self.collided = True
            self.log("interlock", "the head touched the part")
            self._chain.switch(SafetyChain.COLLISION, opens=True)

    def _bump(self) -> None:
        """What lies in the way is struck as soon as a pass runs."""
        if self.obstacle and self._run is not None:
            self._plan_epoch += 1
            self.plant.run(self._strike_part(self.now, self._plan_epoch))

    def _settle_pass(self, n: int) -> None:
        """The first `n` intervals of the pass have been deposited: surface, heat, record."""
        run, job, layer = self._run, self.job, self._layer
        assert run is not None
        assert job is not None
        assert layer is not None
        assert self.map is not None
        self._run = None
        self._plan_epoch += 1
        self.depositing = False
        made, times = run.deposit.kept(n), run.times[: n + 1]
        spots, ways, own = run.pieces(n)
        if n:
            self.map.add(spots[:-1], spots[1:], made.area[own], made.width[own], ways)
        self._at = spots[-1]
        for name, value in (("x", spots[-1][0]), ("y", spots[-1][1]), ("speed", 0.0)):
            self.settle(name, float(value))
        if n:
            self.settle("stand_off", float(run.stand_off[n - 1]))
        self.sense(self.now)
        self.settle("progress", self.progress)
        self._state = {name: float(values[-1]) for name, values in made.state.items()}
        step, way = np.diff(times), np.diff(run.reached[: n + 1])
        density = float(job.alloy.density(300.0))
        volume = float((made.area * way).sum())
        energy, length = float((made.heat * step).sum()), float(way.sum())
        self._part.heat(0.0)
        self._process.rest()
        if not n or length <= 0:
            return
        self._part.laid(volume * density, layer.area,
                        layer.z, energy / length)
        self._process.laid(volume * density, made, step, way)
        if self.plant.meter is not None:
            self.plant.meter.built(volume)
        self._record.note(run.row(made, way, n, volume=volume, energy=energy,
                                  interpass_temperature=self._warm))

    # -- the end ------------------------------------------------------------------------------

    def _stop(self) -> None:
        """Stop where it is: the interval under way is finished as it is."""
        if not self.busy:
            return
        self.busy = False
        self._epoch += 1
        self._worked += self.now - self._stopped
        run = self._run
        if run is not None:
            k = int(np.searchsorted(run.times, self.now, side="left"))
            self._from = float(run.reached[k])
            self._settle_pass(k)

    def _conclude(self) -> None:
        layer, job = self._layer, self.job
        assert layer is not None
        assert job is not None
        assert self._before is not None
        spots, before = self._before
        after = self._under(spots)
        self._worked += self.now - self._stopped
        self.busy, self.layer_done = False, self.layer
        self.settle("progress", 1.0)
        self._top = float(after.mean())
        self.height, self.layer_height = self._top, float((after - before).mean())
        shown = np.linspace(0, len(after) - 1, min(self.PROFILE, len(after))).round().astype(int)
        self.profile = tuple((np.round(after[shown], 5)).tolist())
        record, self._record = self._record, LayerRecord()
        result = LayerResult(layer, record.rows, [])
        self._layer, self._next, self._from, self._before = None, 0, 0.0, None
        self._epoch += 1
        self._solidified(result)
        self.layer_stand_off = (record.mean("stand_off") if record.rows
                                else float(self.stand_off_demand))
        self.log("layer", f"layer {self.layer_done} deposited", **{
            "layer": self.layer_done, "z": layer.z, "area": layer.area,
            "passes": len(layer.passes), "duration": self.now - self._begun,
            "work": self._worked, "height": self.height, "layer_height": self.layer_height,
            "height_spread": float(after.std()), "profile_low": float(after.min()),
            "part_temperature": self._part.interpass(self.now), "defects": len(result.defects),
            **record.figures()})

    def hidden_state(self) -> dict[str, Any]:
        return {"map": self.map.store() if self.map is not None else None, "state": self._state,
                "at": [float(v) for v in self._at], "true_z": self._true_z,
                "asked_z": self._asked_z, "top": self._top, "ground": self.ground}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        # The job was loaded before, a layer in work is begun again.
        if self.map is not None and hidden["map"] is not None:
            self.map.restore(hidden["map"])
        self._state = dict(hidden["state"])
        self._at = np.array(hidden["at"])
        self._true_z, self._asked_z = hidden["true_z"], hidden["asked_z"]
        self._top, self.ground = hidden["top"], hidden["ground"]
        self._run, self._layer, self._next, self._from = None, None, 0, 0.0
        self._record, self._before = LayerRecord(), None

    _warm = 0.0  # K that the pass in work has found

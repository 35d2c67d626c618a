"""Deflection leads beams along a layer's vectors; melt pools follow from where they were."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from math import floor
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from twin.equipment.beam import Beam
from twin.equipment.exposure import (
    BuildJob,
    Exposure,
    ExposureResult,
    Floats,
    Ints,
    Track,
    VectorSet,
    seen,
)
from twin.equipment.live_pool import Joined, LivePool, PoolModels
from twin.equipment.marking import Pace, Rows, VectorRows, groups
from twin.machine import AMBIENT, Equipment
from twin.materials import Alloy
from twin.meltpool import BeamPath, MeltPool
from twin.parts.layers import Role
from twin.parts.summaries import LayerSummary, SummaryPlan
from twin.signals import actuator, diagnostic, measured
from twin.trajectory import Polyline, Steps

if TYPE_CHECKING:
    from twin.equipment.powder_bed import Recoater, Stage
    from twin.parts.layers import Layer

__all__ = ["Deflection"]


class _Mapped(NamedTuple):
    """Pools along the paths: whose, how many of its stretches have theirs now, which these are."""

    beam: int
    stretches: int
    stretch: Ints
    pool: MeltPool


class Deflection(Equipment):
    """Marks a layer's vectors with one or more beams; layer time follows from the vectors.

    A change of power, focus, window or gas acts at once: the vector that is being marked goes on
    with it. A change of scan speed acts from the next vector on. A machine declares its own kind
    with the faults of its deflection, which call `fail` and `recover`.
    """

    FLICKER = 0.3  # standard deviation of the plume's loss over its mean, default
    SHADE = 0.3  # share of the pool's light that grains lifted from the powder take, default
    SHADE_DEPTH = 30e-6  # m of powder for most of that, default
    AHEAD = 0.2  # s: pools along the paths are computed for so much marking at a time
    HISTORY = 0.5  # s of earlier marking that heats a pool; older heat is the part's
    FRAME_EVERY = 0.2  # s between two coaxial frames, default
    POWDER_STEP = 5e-6  # m: powder layers that differ by less are one to the path models
    PREHEAT_STEP = 10.0  # K: so are temperatures

    busy = measured(bool, doc="marking a layer")
    layer_done = measured(int, low=0, high=1_000_000, doc="number of the last layer finished")
    progress = measured("%", low=0, high=100, quantum=0.1, doc="share of the layer that is marked")
    position_error = measured("um", low=0, high=10_000, noise=1, quantum=1,
                              companion="Monitoring/Health/ScannerPositionError",
                              doc="largest position error of a beam, on the plate")
    ready = measured(bool, start=True, doc="deflection without error")
    layer = actuator(int, low=0, high=1_000_000, doc="layer to mark, from 1")
    scan_speed = actuator("mm/s", low=1, high=20_000, start=1000, doc="scan speed for the hatch")
    run = actuator(bool, doc="mark the demanded layer while true; false pauses between vectors")
    late_pools = diagnostic(int, low=0, high=2**31 - 1, doc="melt-pool results that simulated time "
                            "had to wait for")

    def __init__(
        self,
        beams: Sequence[Beam],
        models: PoolModels,
        platform: Stage,
        recoater: Recoater,
        gas: Callable[[Floats], tuple[Floats, Floats]],
        heat: Callable[[float], None],
        exposed: Callable[[ExposureResult], None],
        pictures: bool = False,
    ) -> None:
        """`gas` gives gas speed (m/s) and the share of power that the plume takes, at times (s).

        With `pictures` the beams' cameras take frames while they mark.
        """
        super().__init__()
        self.beams = tuple(beams)
        self.job: BuildJob | None = None
        self._models = models
        self._live = LivePool(models) if models.solver is not None else None
        self._gas = gas
        self._platform = platform
        self._recoater = recoater
        self._heat = heat
        self._exposed = exposed
        self._pictures = pictures
        self.coupling = 1.0  # absorbed power over that of the usual powder's surface
        self._exposure: Exposure | None = None
        self._epoch = 0  # of the plan; what waits for an older one has nothing to do
        self._following: int | None = None  # number of the process that ticks for the solver
        self._followers = 0
        self._ended = False  # all is marked, the solver's last results have yet to join
        self._begun = 0.0  # when marking last began or went on
        self._since: float | None = None
        for beam in beams:
            beam.scanner = self

    # -- orders -------------------------------------------------------------------------------

    def load(self, job: BuildJob | None) -> None:
        """Take a job's vectors; the plate is at its first layer again.

        `ValueError` for summaries of layers where pools along the paths or frames are asked for.
        """
        followed = self._models.paths is not None or self._live is not None
        if job is not None and isinstance(job.plan, SummaryPlan) and (followed or self._pictures):
            raise ValueError(f"job {job.name} is summaries of layers: melt pools along the paths "
                             "and pictures need every vector")
        self._pause()
        self.forget()
        self.job = job
        self.layer_done = 0

    def forget(self) -> None:
        """Lose the place in a layer that is not finished: it would be marked from its start."""
        self._drop()
        self.settle("progress", 0.0)

    def _drop(self) -> None:
        self._epoch += 1
        self._exposure, self._ended, self._following = None, False, None
        if self._live is not None:
            self._live.reset()

    def driven(self, attribute: str) -> None:
        if attribute == "run" and self.run:
            self._begin()
        elif attribute == "run":
            self._pause()
        elif attribute == "scan_speed":
            self.replan()

    def fail(self, message: str, position_error: float) -> None:
        """A fault of the deflection stops marking within a vector, `position_error` (m) off."""
        self.ready, self.position_error = False, position_error
        self.log("process", message)
        self._pause(cut=True)

    def interrupt(self) -> None:
        """The beams are cut off for a moment: the vector under way is marked again."""
        self._pause(cut=True)

    def recover(self) -> None:
        """The fault is gone."""
        self.ready, self.position_error = True, 0.0

    def tripped(self, power_lost: bool) -> None:
        self._pause(cut=True)
        self.run = False
        if power_lost:
            self.forget()

    @property
    def marking(self) -> bool:
        """Whether a layer is being marked."""
        return bool(self.busy)

    @property
    def interrupted(self) -> bool:
        """Whether a layer has been begun and not finished."""
        return self._exposure is not None

    def _begin(self) -> None:
        if self.busy or not self.ready or self.job is None or not self.plant.energised:
            return
        if not 1 <= self.layer <= len(self.job.plan) or self.layer == self.layer_done:
            self.log("process", f"nothing to mark for layer {self.layer}")
            return
        if self._exposure is None or self._exposure.layer.index != self.layer - 1:
            self.forget()
            self._exposure = self._blank(self.job, self.job.plan.layer(self.layer - 1))
        self.busy, self._begun = True, self.now
        # The laws hold up to the mushy range; a part that hot has other troubles.
        self._exposure.preheat = np.minimum(
            self._platform.interlayer(self._exposure.rows.island), self.job.alloy.solidus - 60.0)
        if self._live is not None:
            self._live.resume(self.now)
            if self._following is None:
                self._followers += 1
                self._following = self._followers
                self.plant.run(self._follow(self._following))
        self._plan(self.now)

    def _blank(self, job: BuildJob, layer: Layer | LayerSummary) -> Exposure:
        island = self._platform.lay(job.plan, layer.index, job.alloy)
        self._platform.sense(self.now)
        plume = self.plant.stream("plume", layer.index)
        rows: Rows
        if isinstance(layer, LayerSummary):
            rows = groups(layer, island, self._recoater.height(layer.cell), plume)
        else:
            powder = self._recoater.powder((layer.start + layer.end) / 2)
            flicker = plume.standard_normal(len(island)).clip(-3, 3)
            rows = VectorRows.of(layer, island, powder, flicker)
        return Exposure(
            layer=layer, rows=rows, tracks=[Track.empty() for _ in self.beams],
            mapped=[0] * len(self.beams), preheat=np.full(len(rows), AMBIENT),
            covered=self._recoater.covered,
            interlayer_temperature=self._platform.part_temperature)

    # -- planning -----------------------------------------------------------------------------

    def replan(self) -> None:
        """Apply present settings to all that is not marked yet."""
        if self.busy:
            self._plan(self.now)

    def _plan(self, now: float) -> None:
        job, exposure = self._work()
        self._count(now)
        # Temperatures of this moment, whenever somebody looked last.
        for part in (self, self._platform, *self.beams):
            part.sense(now)
        self._epoch += 1
        finishes = []
        ahead = Track.empty()
        for number, beam in enumerate(self.beams):
            begun = exposure.tracks[number].begun(now)
            planned = self._stretches(job, exposure, beam, number, begun, now)
            exposure.tracks[number] = Track.joined(begun, planned)
            exposure.mapped[number] = min(exposure.mapped[number], len(begun))
            if not len(planned):
                beam.beam(0.0)
                continue
            mark = planned.lit
            beam.beam(float((planned.demand * mark).sum() / max(float(mark.sum()), 1e-9)))
            self._show(number)
            finishes.append((float(planned.end[-1]), beam))
            ahead = Track.joined(ahead, planned)
        end = max((finish for finish, _ in finishes), default=now)
        for finish, beam in finishes:
            if finish < end:
                self.plant.run(self._extinguish(beam, finish, self._epoch))
        self._since = now
        if end > now:
            self.follow("progress", Polyline((now, end), (self.progress, 1.0)))
        self._platform.expose(exposure.rows.island[ahead.vector], ahead.begin, ahead.end,
                              ahead.absorbed)
        emitted = sum(beam.demand for beam in self.beams)
        self._heat(emitted * (1 / self.beams[0].WALL_PLUG - 1))
        self.plant.run(self._finish(end, self._epoch))
        if self._pictures:
            self.plant.run(self._take_frames(self._epoch))
        if any(map(self._by_paths, range(len(self.beams)))):
            self.plant.run(self._look_ahead(self._epoch))

    def _stretches(self, job: BuildJob, exposure: Exposure, beam: Beam, number: int,
                   begun: Track, now: float) -> Track:
        """What a beam has still to mark; cuts the stretch under way, if there is one, at `now`."""
        rows = exposure.rows
        sets = [job.sets.get(role, VectorSet()) for role in range(len(Role))]
        factors = np.array([[s.power, s.speed, s.spot, s.dwell] for s in sets])
        pace = Pace(factors[rows.role, 1] * self.scan_speed, factors[rows.role, 3],
                    job.jump_speed, job.laser_delay + job.mark_delay)
        vector, begin, end, start, stop, speed, duty, share = rows.schedule(
            number, pace, begun, now, self._begun)
        power, _, spot, dwell = factors[rows.role[vector]].T
        powder = rows.powder[vector]
        demand = power * beam.demand
        gas_speed, plume = self._gas(begin)
        plume = plume * (1 + self.FLICKER * rows.flicker[vector])
        plate = beam.plate_power(demand, plume) * self.coupling
        sigma = beam.radius(job.sigma, spot, demand, start)
        shade = self.SHADE * -np.expm1(-powder / self.SHADE_DEPTH)
        n = len(vector)
        track = Track(
            vector=vector, begin=begin, end=end, start=start, stop=stop, demand=demand,
            metered=beam.source_power(demand), power=plate, speed=speed, sigma=sigma,
            powder=powder, gas_speed=gas_speed,
            back=beam.back(plume) * (1 - shade),
            duty=duty, share=share, counts=np.ones(n, bool), samples=np.zeros(n),
            photodiode=np.zeros(n), pyrometer=np.zeros(n),
            pool=beam.pools(
                self._models.steady, job.alloy, plate, speed, sigma, exposure.preheat[vector],
                powder / job.alloy.powder_packing, dwell) if n else Track.empty().pool)
        track.sense(job.alloy)
        return track

    def _show(self, number: int) -> None:
        """Let a beam's readings follow its track."""
        _, exposure = self._work()
        beam, track = self.beams[number], exposure.tracks[number]
        if not beam.emitting:
            return
        shown = beam.track_readings(track)
        if self._live is None or number > 0:
            shown |= beam.pool_readings(track.pool, track.photodiode, track.pyrometer)
        for name, values in shown.items():
            beam.follow(name, Steps(track.begin, values))

    def _work(self) -> tuple[BuildJob, Exposure]:
        assert self.job is not None
        assert self._exposure is not None
        return self.job, self._exposure

    # -- melt pools along the paths -----------------------------------------------------------

    def _by_paths(self, number: int) -> bool:
        """Whether a beam's pools come from the beams' paths; the first one may have a solver."""
        return self._models.paths is not None and (self._live is None or number > 0)

    def _look_ahead(self, epoch: int) -> Generator[Any, Any, None]:
        """Take the pools of stretches from the paths of all beams before they are marked.

        What begins before the next point of the grid is computed at once; the worker has a whole
        interval of the grid for what begins in the next one.
        """
        number = floor(self.now / self.AHEAD) + 1
        self._take_paths(self._along(number * self.AHEAD)())
        while not self._all_mapped():
            number += 1
            pending = self._models.worker.submit(self._along(number * self.AHEAD))
            yield self.plant.env.at((number - 1) * self.AHEAD)
            if epoch != self._epoch:
                return
            self.late_pools += not pending.done()
            self._take_paths(pending.result())

    def _all_mapped(self) -> bool:
        _, exposure = self._work()
        return all(exposure.mapped[number] >= len(track)
                   for number, track in enumerate(exposure.tracks) if self._by_paths(number))

    def _along(self, horizon: float) -> Callable[[], list[_Mapped]]:
        """The work of finding the pools of all stretches that begin before `horizon` (s)."""
        job, exposure = self._work()
        assert self._models.paths is not None
        model, alloy = self._models.paths, job.alloy
        calls: list[tuple[int, int, Ints, Callable[[], MeltPool]]] = []
        for number in filter(self._by_paths, range(len(self.beams))):
            track, metal = exposure.tracks[number], self.beams[number].material(alloy)
            last = track.first_from(horizon)
            times, stretch = track.sample_times(exposure.mapped[number], last)
            if not len(times):
                continue
            lit = [
                (other, path) for other, its in enumerate(exposure.tracks)
                if len(path := its.path(times[0] - self.HISTORY, times[-1]))
            ]
            paths = [path for _, path in lit]
            beam = [other for other, _ in lit].index(number)
            layers = track.powder / alloy.powder_packing
            preheat = exposure.preheat[track.vector[stretch]]
            alike = np.column_stack([np.round(layers[stretch] / self.POWDER_STEP),
                                     np.round(preheat / self.PREHEAT_STEP)])
            kinds, kind = np.unique(alike, axis=0, return_inverse=True)
            for each in range(len(kinds)):
                chosen = kind == each
                at, which = times[chosen], stretch[chosen]

                def call(
                    paths: list[BeamPath] = paths, at: Floats = at, beam: int = beam,
                    powder: float = float(layers[which].mean()),
                    warm: float = float(preheat[chosen].mean()),
                    metal: Alloy = metal,
                    wavelength: float = self.beams[number].wavelength,
                ) -> MeltPool:
                    return model().along(metal, paths, at, preheat=warm, wavelength=wavelength,
                                         powder_layer=powder, beam=beam)

                calls.append((number, last, which, call))
        return lambda: [_Mapped(number, last, which, call()) for number, last, which, call in calls]

    def _take_paths(self, found: list[_Mapped]) -> None:
        job, exposure = self._work()
        for number, last, stretch, pool in found:
            exposure.tracks[number].take(stretch, pool, job.alloy)
            exposure.mapped[number] = last
        for number in {each.beam for each in found}:
            self._show(number)

    # -- the melt pool that a solver follows --------------------------------------------------

    def _follow(self, process: int) -> Generator[Any, Any, None]:
        """Tick for the solver on its grid, until all that was handed over has joined."""
        tick = self._models.tick
        number = floor(self.now / tick)
        assert self._live is not None
        while True:
            number += 1
            yield self.plant.env.at(number * tick)
            if process != self._following:
                return
            job, exposure = self._work()
            track = exposure.tracks[0]
            self._live.hand_over(track, number * tick, self.beams[0].material(job.alloy),
                                 exposure.preheat, self.beams[0].wavelength)
            joined = self._live.join()
            if joined is not None:
                self._take(job, track, joined)
            if not self._live.waiting and (self._ended or not self.busy):
                self._following = None
                if self._ended:
                    self._conclude()
                return

    def _take(self, job: BuildJob, track: Track, joined: Joined) -> None:
        """Record what the solver says of some stretches; the newest sample is the reading."""
        beam, (stretch, pool, late) = self.beams[0], joined
        self.late_pools += late
        track.take(stretch, pool, job.alloy)
        if not beam.emitting:
            return
        photodiode, pyrometer = seen(pool, job.alloy, track.back[stretch])
        for name, values in beam.pool_readings(pool, photodiode, pyrometer).items():
            beam.settle(name, float(values[-1]))

    def _take_frames(self, epoch: int) -> Generator[Any, Any, None]:
        """Let the beams' cameras take frames on a grid of their own."""
        number = floor(self.now / self.FRAME_EVERY)
        while True:
            number += 1
            yield self.plant.env.at(number * self.FRAME_EVERY)
            if epoch != self._epoch:
                return
            job, exposure = self._work()
            for beam, track in zip(self.beams, exposure.tracks, strict=True):
                begun = track.first_from(self.now)
                if not beam.emitting or not begun:
                    continue
                # Of a beam with a solver, the newest stretch that has its result.
                sampled = np.flatnonzero(track.samples[:begun])
                i = int(sampled[-1]) if len(sampled) else begun - 1
                step = track.stop[i] - track.start[i]
                beam.take_frame(
                    track.pools(slice(i, i + 1)), job.alloy,
                    float(exposure.preheat[track.vector[i]]), float(np.arctan2(step[1], step[0])),
                    float(track.back[i]), number)

    # -- the end ------------------------------------------------------------------------------

    def _extinguish(self, beam: Beam, finish: float,
                    epoch: int) -> Generator[Any, Any, None]:
        yield self.plant.env.timeout(finish - self.now)
        if epoch == self._epoch:
            beam.beam(0.0)

    def _count(self, now: float) -> None:
        """Add the time since the last plan to the layer's."""
        _, exposure = self._work()
        exposure.duration += now - self._since if self._since is not None else 0.0
        self._since = None

    def _pause(self, cut: bool = False) -> None:
        """Stop: a vector that has begun is finished as it is, or `cut` and marked again."""
        if not self.busy:
            return
        job, exposure = self._work()
        now = self.now
        self._count(now)
        if self._live is not None and self._following is not None:
            # What was marked since the last tick is not forgotten when marking goes on.
            self._live.hand_over(exposure.tracks[0], now, self.beams[0].material(job.alloy),
                                 exposure.preheat, self.beams[0].wavelength)
        for number, track in enumerate(exposure.tracks):
            begun = exposure.tracks[number] = track.begun(now)
            exposure.mapped[number] = min(exposure.mapped[number], len(begun))
            exposure.rows.stop(begun, now, cut)
        self.sense(now)
        self.settle("progress", self.progress)
        self._epoch += 1
        self._ended = False
        self.busy = False
        self._darken()

    def _darken(self) -> None:
        nothing = Track.empty()
        self._platform.expose(nothing.vector, nothing.begin, nothing.end, nothing.absorbed)
        for beam in self.beams:
            beam.beam(0.0)
        self._heat(0.0)

    def _finish(self, end: float, epoch: int) -> Generator[Any, Any, None]:
        yield self.plant.env.at(end)
        if epoch != self._epoch:
            return
        self._count(self.now)
        self._epoch += 1
        self.settle("progress", 1.0)
        self._darken()
        if self._live is None:
            self._conclude()
        else:
            self._ended = True

    def _conclude(self) -> None:
        _, exposure = self._work()
        self.layer_done, self.busy = self.layer, False
        self._drop()
        self._exposed(exposure.result())

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        self._drop()

"""The course of a job that is repeated from its summary: where it is, what it takes and makes."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from twin.equipment.consumption import Consumption
from twin.equipment.powder_lots import PowderLots
from twin.equipment.wire_spools import WireSpools
from twin.machine import Equipment
from twin.meltpool.defects import DefectKind
from twin.powder.ageing import Use
from twin.powder.effects import NEUTRAL, Effects
from twin.powder.lot import PowderLot
from twin.trajectory import Polyline
from twin.works.repeat import Rules, is_virgin, repeat_operations
from twin.works.stores import Thing, revived
from twin.works.stores import plain as plain_thing
from twin.works.summary import COUNTS, Interruption, JobSummary

__all__ = ["Columns", "Work"]

Columns = dict[str, npt.NDArray[Any]]
_BUILDING = 3  # number of the state in which layers are made


class Work(Equipment):
    """The course of the job: a position in the summary that moves with time, or stands.

    ``position(t) = min(stopped, place + max(t - since, 0))`` while it moves; an interruption
    re-anchors it. Positions and times in s.
    """

    GAS_SCATTER = 1.0  # share of the gas that powder brings which stays in the part, default

    def __init__(self, meter: Consumption, powder: PowderLots | WireSpools | None) -> None:
        super().__init__()
        self._meter, self._powder = meter, powder
        self.summary: JobSummary | None = None
        self._original: JobSummary | None = None  # as it was before powder changed it
        self.waiting: list[Thing] = []
        """Material at a machine that is no powder-bed or powder-fed build machine."""
        self.loaded: list[Thing] = []
        """What of it is in the machine."""
        self.rules: Rules | None = None
        self.effect: Effects = NEUTRAL
        self.jobs = 0
        self.factor = 1.0
        """Material in the machine over that of the summary."""
        self.moving = False
        self.interrupted = False
        self.power_lost = False
        self.ordered = 0.0
        """When the job was ordered to go on, s."""
        self.way: Interruption | None = None
        self.most_layers = 0
        """Layers that there will be: fewer than planned once the job was stopped."""
        self.ready = 0.0
        """When an idle machine can be opened, s."""
        self.found: dict[str, dict[int, int]] = {}
        """Defects and indications of the present job by kind."""
        self._place = self._since = self._stood = self._began = 0.0
        self._jumped = False
        self._told = 0  # layers whose rows were given away
        self._fed = self._grown = 0.0  # meters when the job began
        self._tables: list[tuple[str, Columns]] = []
        self._counts: dict[str, npt.NDArray[np.int64]] = {}
        self._epoch = 0
        self._stale = False

    # -- where the job is -----------------------------------------------------------------------

    def position(self, time: float) -> float:
        """Place in the summary at `time`."""
        if self.summary is None or not self.moving:
            return self._place
        return min(self._place + max(time - self._since, 0.0), self.summary.duration)

    def due(self, position: float) -> float:
        """When the work comes to a place of the summary, if nothing happens before."""
        return self._since + (position - self._place)

    def layers(self, time: float) -> int:
        """Layers finished at `time`."""
        if self.summary is None:
            return 0
        return min(self.summary.layers_at(self.position(time) + 1e-6), self.most_layers)

    @property
    def fed(self) -> float:
        """Feedstock that the present job has taken, kg."""
        return float(self._meter.feedstock - self._fed)

    # -- what the program orders ------------------------------------------------------------------

    def load(self, summary: JobSummary | None) -> None:
        """Begin a job at its start; None: nothing is loaded."""
        self._original = self.summary = summary
        if summary is None:
            return
        self.jobs += 1
        self.moving, self.interrupted, self.power_lost, self.way = True, False, False, None
        self._place, self._since, self._told, self._jumped = 0.0, self.now, 0, False
        self._began = self.now
        self.most_layers = summary.layers
        self.loaded, self.waiting = self.waiting, []
        self.factor = self._batch(summary)
        self._prepare()
        self._meter.sense(self.now)
        self._fed, self._grown = self._meter.feedstock, self._meter.built_volume
        self.found = {name: {} for name in COUNTS}
        self._follow()
        self._arm()

    def _batch(self, summary: JobSummary) -> float:
        """Powder at the machine over that of the summary: 1 for a machine that takes none."""
        then = [lot for lot in map(PowderLot.of, summary.supplied) if not is_virgin(lot)] \
            or list(map(PowderLot.of, summary.supplied))
        lots = [t for t in self.loaded if isinstance(t, PowderLot)]
        now = [lot for lot in lots if not is_virgin(lot)] or lots
        if self._powder is not None or not then or not now:
            return 1.0
        return sum(lot.mass for lot in now) / sum(lot.mass for lot in then)

    def _prepare(self) -> None:
        """What the powder at hand makes of the summary."""
        summary = self.summary = self._original
        assert summary is not None
        if self.factor != 1.0:
            self.summary = summary = summary.stretched(
                self.factor, _BUILDING, self.rules.proportional if self.rules else ())
        if self._powder is not None:
            self.effect = self._powder.effects(summary.alloy)
            if self.effect.density != 1.0:
                self.summary = replace(summary, feed=summary.feed * self.effect.density)
        self._draw_counts()

    def _draw_counts(self) -> None:
        """Numbers of melt-pool defects vary from job to job as rare events do (Poisson).

        More spatter lands in the bed where powder is oxidised or wet (`twin.powder.effects`). What
        is found of whole parts, such as their density, is as it was.
        """
        assert self.summary is not None
        for name in COUNTS:
            told = getattr(self.summary, name)
            mean = told[:, 2] * np.where(
                told[:, 1] == int(DefectKind.SPATTER), self.effect.spatter, 1.0)
            chance = self.plant.stream(f"coarse {name}", self.jobs).poisson(mean)
            draws = np.where(told[:, 1] <= max(DefectKind), chance, told[:, 2])
            self._counts[name] = np.column_stack([told[:, :2], draws])

    def pause(self, power_lost: bool = False) -> None:
        """Stop where it is; a second order changes nothing."""
        if self.summary is None or self.interrupted:
            return
        now = self.now
        place = self.position(now)
        self._hand_rows(self.layers(now))
        self._settle()
        self.moving, self.interrupted, self.power_lost = False, True, power_lost
        self._place, self._stood = place, now
        self._epoch += 1
        meanwhile = self.summary.interruption(power_lost, 0.0)
        self._take(meanwhile.power, meanwhile.gas)

    def resume(self, anew: bool = False, at_once: bool = False) -> Interruption:
        """Go on by way of what the interruption cost; `anew`: from the start of the job.

        `at_once`: with no way back. Gives what the way back is; if the job cannot go on, nothing
        moves.
        """
        assert self.summary is not None
        now = self.now
        way = self.summary.interruption(self.power_lost, now - self._stood)
        if at_once or anew:
            way = Interruption(way.cause, way.outage, 0.0, 0.0, resumes=True)
        if not way.resumes:
            return way
        self.way, self.ordered = way, now
        self.interrupted, self.power_lost, self.moving = False, False, True
        self._place = 0.0 if anew else self._place
        self._since = now + way.duration
        if anew:
            self._fed, self._grown = self._meter.feedstock, self._meter.built_volume
        self._follow()
        self._arm()
        return way

    def jump(self, position: float) -> None:
        """Leave out what lies before a place: no more layers are made."""
        assert self.summary is not None
        now = self.now
        self.most_layers = self.layers(now)
        self._hand_rows(self.most_layers)
        self._settle()
        self._jumped = True
        self._place, self._since = position, now
        self.moving, self.interrupted = True, False
        self._arm()

    def end(self) -> None:
        """The job is over, complete or not: what it made, and what is left, leaves the machine."""
        summary = self.summary
        if summary is None:
            return
        now = self.now
        place = self.position(now)
        # The program ends a job in the scan in which it is due, to the last bit or so.
        over = place >= summary.duration - 1e-3
        done = min(summary.layers_at(place + 1e-6), self.most_layers)
        self._hand_rows(done)
        self._settle()
        complete = over and not self._jumped
        # What has been heated must cool before the door opens, as it did after the last layer.
        hot = place >= summary.preparation
        last = float(summary.layer_end[-1]) if len(summary.layer_end) else summary.duration
        left = summary.ready - (summary.duration if over else last)
        self.ready = now + (max(left, 0.0) if hot else 0.0)
        self.moving = self.interrupted = False
        self._place = place
        self._epoch += 1
        self.rest()
        if over and summary.after[0] > 0:
            self._take(*summary.after)
        if complete:
            for _, source, message, fields in summary.parts:
                self.log("part", message, source=source, **fields)
        share = 1.0 if complete else self._share(summary, place)
        if self._powder is not None:
            self._give_back(summary, share, done, complete)
        else:
            self._give(summary, summary.duration if complete else place)
        self.summary = None
        self.factor, self.effect = 1.0, NEUTRAL

    def rest(self) -> None:
        """The machine is idle: it draws its standby power and no gas."""
        self.draw(0.0)
        self.take_gas(0.0)

    def _give_back(self, summary: JobSummary, share: float, done: int, complete: bool) -> None:
        """What a build made of its powder, and what comes back (`twin.powder.ageing`)."""
        assert self._powder is not None
        uses = {}
        for alloy, told in summary.uses.items():
            use = Use(**told)
            about = {**use.about, "layers": done, "complete": complete}
            if "defects" in about:
                about["defects"] = sum(self.found["defects"].values())
            if "porosity" in about:
                about["porosity"] += self.GAS_SCATTER * max(self.effect.gas, 0.0)
            uses[alloy] = replace(
                use, melted=use.melted * share, spread=use.spread * share * self.effect.density,
                overflow=use.overflow * share * self.effect.density,
                spatter=use.spatter * share * self.effect.spatter, fume=use.fume * share,
                ground=use.ground * share, hours=(self.now - self._began) / 3600.0, about=about,
                pieces=use.pieces if complete else tuple(
                    (part, {**known, "complete": False}) for part, known in use.pieces),
                added={element: mass * share for element, mass in use.added.items()})
        self._powder.close(uses)

    def _give(self, summary: JobSummary, until: float) -> None:
        """What the operations of the job make of what is in the machine."""
        repeat_operations(self.plant, summary.operations, summary.supplied, self.loaded, until,
                          self.rules)
        self.loaded = []

    def _share(self, summary: JobSummary, place: float) -> float:
        """Share of the whole job's feedstock (or, without any, of its layers) taken so far."""
        whole = float(summary.feed[-1]) if len(summary.feed) else 0.0
        if self._jumped:
            return min(self.most_layers / max(summary.layers, 1), 1.0)
        if whole > 0:
            fed = float(np.interp(place, summary.feed_times, summary.feed))
            return min(max(fed / whole, 0.0), 1.0)
        return min(summary.layers_at(place) / max(summary.layers, 1), 1.0)

    # -- meters -----------------------------------------------------------------------------------

    def _follow(self) -> None:
        """Feedstock and built volume as courses from here on."""
        summary = self.summary
        assert summary is not None
        shift = self._since - self._place
        for name, times, values, base in (
                ("feedstock", summary.feed_times, summary.feed, self._fed),
                ("built_volume", summary.built_times, summary.built, self._grown)):
            if len(times):
                course = Polyline(tuple((times + shift).tolist()), tuple((values + base).tolist()))
                self._meter.follow(name, course)

    def _settle(self) -> None:
        meter = self._meter
        meter.sense(self.now)
        meter.settle("feedstock", meter.feedstock)
        meter.settle("built_volume", meter.built_volume)

    def _take(self, power: float, gas: float) -> None:
        assert self.summary is not None
        self.draw(power - self.summary.standby)
        self.take_gas(gas)

    def _arm(self) -> None:
        """Draw what the present stretch of the summary took, and wait for the next one."""
        self._epoch += 1
        if self.moving:
            self.plant.run(self._stretches(self._epoch))

    def _stretches(self, epoch: int) -> Generator[Any, Any, None]:
        summary = self.summary
        assert summary is not None
        env = self.plant.env
        if self.way is not None and self.way.duration > 0 and self._since > self.now:
            # The way back took what it cost on top of standing still.
            lasts = self.way.duration
            self._take(self.way.energy / lasts, self.way.gas_volume / lasts)
            yield env.at(self._since)
            if epoch != self._epoch:
                return
        knots = summary.knots
        first = max(int(np.searchsorted(knots, self.position(self.now) + 1e-6, "right")), 1)
        for number in range(first, len(knots)):
            lasts = float(knots[number] - knots[number - 1])
            self._take(float(summary.energy[number] - summary.energy[number - 1]) / lasts,
                       float(summary.gas[number] - summary.gas[number - 1]) / lasts)
            yield env.at(self.due(float(knots[number])))
            if epoch != self._epoch:
                return

    def started(self) -> None:
        if self._stale:
            # The summary was loaded as it is kept; all lots are there again now.
            self._stale = False
            self._prepare()
        if self.moving:
            self._arm()

    def tripped(self, power_lost: bool) -> None:
        self.pause(power_lost)

    # -- tables -----------------------------------------------------------------------------------

    def _hand_rows(self, done: int) -> None:
        """Give away the rows of layers finished since the last time."""
        summary, first = self.summary, self._told
        if summary is None or done <= first:
            return
        self._told = done
        if summary.rows:
            layer = summary.rows.get("layer", 1 + np.arange(len(summary.rows["time"])))
            chosen = (layer > first) & (layer <= done)
            rows: Columns = {name: column[chosen] for name, column in summary.rows.items()}
            rows["time"] = rows["time"] + (self.now - self.position(self.now))
            self._tables.append(("layers", rows))
        for name in COUNTS:
            told = self._counts[name]
            new = told[(told[:, 0] > first) & (told[:, 0] <= done) & (told[:, 2] > 0)]
            for kind in np.unique(new[:, 1]).tolist():
                own = self.found[name]
                own[kind] = own.get(kind, 0) + int(new[new[:, 1] == kind, 2].sum())
            if len(new):
                self._tables.append((name, {
                    "layer": new[:, 0].astype(np.int32), "kind": new[:, 1].astype(np.int8),
                    "number": new[:, 2].astype(np.int32)}))

    def tables(self) -> list[tuple[str, Columns]]:
        """Rows not given away yet."""
        taken, self._tables = self._tables, []
        return taken

    # -- snapshots --------------------------------------------------------------------------------

    _KEPT = ("jobs", "factor", "moving", "interrupted", "power_lost", "ordered", "most_layers",
             "ready", "_began", "_place", "_since", "_stood", "_jumped", "_told", "_fed", "_grown")

    def hidden_state(self) -> dict[str, Any]:
        return {**{name: getattr(self, name) for name in self._KEPT},
                "working": self.summary is not None,
                "way": self.way.plain() if self.way else None,
                "waiting": [plain_thing(t) for t in self.waiting],
                "loaded": [plain_thing(t) for t in self.loaded],
                "found": {t: {str(k): n for k, n in of.items()} for t, of in self.found.items()}}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        for name in self._KEPT:
            setattr(self, name, hidden[name])
        self.way = Interruption.of(hidden["way"]) if hidden["way"] else None
        self.waiting = [revived(t) for t in hidden["waiting"]]
        self.loaded = [revived(t) for t in hidden["loaded"]]
        self.found = {t: {int(k): n for k, n in of.items()} for t, of in hidden["found"].items()}
        if not hidden["working"]:
            self.summary = None
        elif self.summary is not None:
            self._stale = True

"""The soft PLC of a recycling line: its sequence and interlocks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from emulators.controllers.base import Watch
from emulators.controllers.build import WORKING, BuildController, Program
from emulators.controllers.build_signals import Feedstock
from emulators.controllers.recycling_line_batch import compared, judge, virgin_needed
from emulators.controllers.recycling_line_service import Service
from emulators.controllers.recycling_line_signals import (
    BATCH_PHASES,
    Alarms,
    Batch,
    Machine,
    Process,
)
from emulators.controllers.states import MachineState
from twin.image import Readings
from twin.machines.recycling_line import RecyclingLine

__all__ = ["RecyclingLineController"]

_STATIONS = {"recover": "conveyor", "magnet": "magnet", "sieve": "sieve", "separate": "separator",
             "dry": "dryer", "surface": "surface", "blend": "blender"}
_MIXED = ", mixed"
_SWITCHES = {"magnet": "use_magnet", "sieve": "use_sieve", "separate": "use_separator",
             "heat": "use_dryer", "dry": "use_dryer", "cool": "use_dryer",
             "surface": "use_surface", "sample": "use_blender", "blend": "use_blender"}


class RecyclingLineController(BuildController):
    """Load, close, purge, batches {recover … decide}, empty, open."""

    LAYERS = BATCH_PHASES
    CHECKPOINT = "recover"
    COMPLETE = "empty"
    RESET = ("oxygen_high", "sieve_blinded", "coil_weak", "classifier_off")
    LOOK = 10.0  # s between two looks at what has no level of its own
    PURGE = 7200.0  # s that a purge may take
    FAN = 0.8  # fan speed while powder is in the air
    BLINDED = (0.7, 0.2)  # sieved over fed below which, with oversize over fed above which, it is
    DEBLIND = 120.0  # s with the feed cut and full ultrasound
    SLOWER = 0.7  # factor on the feed after each deblinding
    TRIES = 3  # deblindings of a batch before the line is held
    LAG = 5400.0  # s that the dryer may take to its temperature
    SAFE_EARTH = 1e3  # Ohm above which continuity counts as lost
    plant: RecyclingLine

    def __init__(self, plant: RecyclingLine, readings: Readings,
                 programs: Mapping[str, Program]) -> None:
        self.process, alarms = Process(), Alarms()
        super().__init__(plant, readings, programs, Machine, self.process, Feedstock(), alarms)
        self.batch = self.add("Batch", Batch())
        self.add("Service", Service(plant, lambda: self.state not in WORKING, self.cleaned))
        self.dirty_with = ""  # what went through the line since it was cleaned: alloy, or a mix
        self.deblinding = -1.0  # when deblinding began; below 0: it does not
        self.blinded = 0  # looks in a row at which the sieve was blinded
        self.dried = 0.0  # s of drying that are over
        self.prolonged = False
        self.asked = ""  # phase whose sample was taken
        self.short = False  # too little virgin powder
        self.process_name = "pbf-lb"
        self.assemble()

    def memory(self) -> Any:
        return (super().memory(), self.deblinding, self.blinded, self.dried,
                self.prolonged, self.asked, self.short, self.batch.suspect)

    def load(self, program: Program) -> None:
        super().load(program)
        self.asked, self.short = "", False
        self.process_name = program.recipe.quality.process
        batch = self.batch
        batch.suspect = False
        batch.released = batch.held = batch.scrapped = 0.0
        waits = self.plant.line.feed
        self.feedstock.identifier = waits[0].id[:64] if waits else ""
        self.feedstock.cycle = max((lot.cycle for lot in waits), default=0)

    def cleaned(self) -> None:
        """Somebody has cleaned the line."""
        self.dirty_with = ""

    def _powder(self) -> str:
        """What the job in work leaves in the line: powder of its alloy, or a mix to be sorted."""
        program = self.programs.get(self.job.program)
        mixed = program is not None and program.job.separate != "none"
        return f"{self.feedstock.name}{_MIXED if mixed else ''}"

    # -- looking ------------------------------------------------------------------------------

    def observe(self) -> dict[str, bool]:
        io = self.io
        decide = self.phase == "decide"
        return {
            "earth_lost": bool(io.bonding.earth_resistance > self.SAFE_EARTH),
            "isolation_lost": not io.bonding.isolation_ready,
            "purge_fails": self.phase == "purge" and self.now >= self.since + self.PURGE,
            "sieve_blinding": self.phase == "sieve" and self.deblinding >= 0.0,
            "sieve_blinded": self.phase == "sieve" and self.batch.deblinded > self.TRIES,
            "dryer_lags": self.phase == "heat" and self.now >= self.since + self.LAG,
            "gas_humid": self.phase == "dry" and self.prolonged,
            "virgin_short": self.short,
            "not_cleaned": self.dirty_with not in ("", self.feedstock.name, self._powder()),
            "not_separable": self.phase == "separate" and not io.separator.possible,
            "batch_held": decide and self.batch.decision == "hold",
            "batch_scrapped": decide and self.batch.decision == "scrap",
            **self.looks(self.phase in BATCH_PHASES),
        }

    def look(self) -> dict[str, bool]:
        io, process = self.io, self.process
        sieve = io.sieve
        runs = self.state is MachineState.BUILDING
        if io.filter.differential_pressure > 5000.0 and not io.filter.back_pulse and runs:
            io.filter.back_pulse = True
        if self.phase == "sieve" and self.deblinding < 0.0 and sieve.rate > 0.0:
            low, high = self.BLINDED
            bad = sieve.product_rate < low * sieve.rate \
                and sieve.oversize_rate > high * sieve.rate and sieve.run
            self.blinded = self.blinded + 1 if bad else 0
        return compared(io, process, self.phase, runs)

    # -- hold, abort, end ---------------------------------------------------------------------

    def stop_work(self) -> None:
        io = self.io
        if self.phase == "dry":
            self.dried += self.now - self.since
        for name in _STATIONS.values():
            getattr(io, name).run = False
        io.dryer.heat = False
        io.separator.coil = io.separator.gas = 0.0
        io.surface.plasma = io.surface.hydrogen = io.surface.rotor = 0.0
        io.sieve.feed = 0.0
        self.deblinding = -1.0

    def hold(self, state: MachineState, reason: str) -> None:
        bad = [self._alarm_names[a.path] for a in self.acting("B")]
        if {"oxygen_high", "analysers_disagree"} & set(bad):
            # Inert purge, nothing is opened; what the laboratory finds alone does not clear it.
            self.io.line.purge_flow = self.process.purge_flow
            self.batch.suspect = True
        super().hold(state, reason)

    def resume(self) -> None:
        if self.batch.deblinded > self.TRIES:
            self.batch.deblinded = 0
        super().resume()

    def make_safe(self) -> None:
        # The line stays closed under argon until it is cleared.
        self.batch.suspect = True
        self.io.line.purge_flow = self.process.purge_flow
        self.io.filter.fan = 0.0

    def reset_drives(self) -> None:
        super().reset_drives()
        self.io.line.reset_purge = bool(self.io.line.safe_purge)

    def restore_supplies(self) -> None:
        super().restore_supplies()
        self.io.line.reset_purge = bool(self.io.line.safe_purge)

    def release(self) -> None:
        """Argon off, and the line may be opened: what was in it has left."""
        io = self.io
        io.dryer.heat = io.dryer.cool = False
        io.filter.fan = 0.0
        io.line.armed = False
        io.line.purge_flow = 0.0
        io.line.reset_purge = bool(io.line.safe_purge)
        io.safety.door_lock = False

    # -- preparing ----------------------------------------------------------------------------

    def _begin_load(self) -> None:
        self.io.bins.count = 0
        self._arm(False)

    def _arm(self, on: bool) -> None:
        self.io.line.armed = on

    def loaded(self) -> bool:
        return self.waited(3.0)

    def closed(self) -> str:
        return "purge"

    def _begin_purge(self) -> None:
        io, process = self.io, self.process
        io.line.oxygen_trip = process.oxygen_trip
        io.line.reset_purge = bool(io.line.safe_purge)
        io.line.purge_flow = process.purge_flow

    def _purge(self) -> None:
        gas = self.io.line
        limit = self.process.oxygen_limit
        if gas.oxygen_a < limit and gas.oxygen_b < limit:
            gas.purge_flow = self.process.hold_flow
            self.io.filter.fan = self.FAN
            self._arm(True)
            self.begin_layers("recover")
        elif self.now < self.since + self.PURGE:
            self.wake = min(self.wake, self.since + self.PURGE)

    # -- batches ------------------------------------------------------------------------------

    def _next(self) -> None:
        """The next phase of the batch that is in use."""
        following = BATCH_PHASES[BATCH_PHASES.index(self.phase) + 1:]
        self.enter(next(name for name in following
                        if name not in _SWITCHES or getattr(self.process, _SWITCHES[name])))

    def _pass(self) -> None:
        """Go on when the station is through."""
        station = getattr(self.io, _STATIONS[self.phase])
        if station.done and self.waited(1.0):
            station.run = False
            self._next()

    def _begin_recover(self) -> None:
        io, batch = self.io, self.batch
        left = max(self.job.layers_planned - self.job.layer, 1)
        # Before a batch is begun, not on the way back from a hold.
        if batch.number != self.job.layer + 1 or self.job.layer == 0:
            batch.number = self.job.layer + 1
            batch.deblinded, self.dried, self.prolonged = 0, 0.0, False
            self.asked, self.short, self.blinded = "", False, 0
            batch.virgin_share = batch.used_oxygen = 0.0
        self.dirty_with = self._powder()  # on the way back from a hold, too: it may be clean now
        self.feedstock.remaining_quantity = io.bins.waiting
        io.conveyor.charge = 0.0 if left == 1 else io.bins.waiting / left
        io.conveyor.run = True

    def _recover(self) -> None:
        self._pass()

    def follow_setpoints(self) -> None:
        io, process = self.io, self.process
        io.conveyor.feed, io.magnet.feed = process.recovery_feed, process.magnet_feed
        io.separator.feed, io.surface.feed = process.separator_feed, process.surface_feed
        io.dryer.target, io.dryer.sweep_flow = process.drying_temperature, process.sweep
        io.sieve.aperture, io.sieve.fine_aperture = max(process.mesh, 1e-5), process.fine_mesh
        io.laboratory.mesh = max(process.mesh, 1e-5)
        io.separator.frequency, io.separator.passes = process.frequency, process.passes

    def _begin_magnet(self) -> None:
        self.io.magnet.run = True

    def _magnet(self) -> None:
        self._pass()

    def _begin_sieve(self) -> None:
        self._sieve_on()
        self.io.sieve.run = True

    def _sieve_on(self) -> None:
        sieve, process = self.io.sieve, self.process
        sieve.feed = process.sieve_feed * self.SLOWER**self.batch.deblinded
        sieve.amplitude, sieve.ultrasonic = process.amplitude, process.ultrasonic

    def _sieve(self) -> None:
        sieve = self.io.sieve
        if sieve.done:
            self.deblinding = -1.0
            self._pass()
            return
        if self.deblinding >= 0.0:
            if self.now < self.deblinding + self.DEBLIND:
                self.wake = min(self.wake, self.deblinding + self.DEBLIND)
                return
            self.deblinding, self.blinded = -1.0, 0
            sieve.resieve = True
            self._sieve_on()
        elif self.blinded >= 2:
            self.batch.deblinded += 1
            self.deblinding, self.blinded = self.now, 0
            sieve.feed, sieve.amplitude, sieve.ultrasonic = 0.0, 1.0, 1.0
        else:
            self._sieve_on()

    def _begin_separate(self) -> None:
        sorter, method = self.io.separator, self.programs[self.job.program].job.separate
        sorter.coil = self.process.coil if method != "density" else 0.0
        sorter.gas = 1.0 if method != "eddy current" else 0.0
        sorter.run = True

    def _separate(self) -> None:
        sorter = self.io.separator
        if self.programs[self.job.program].job.separate == "auto" and self.waited(5.0):
            # What the batch is sorted by is known by now: the other one is not needed.
            if sorter.sub_cuts > 0:
                sorter.coil = 0.0
            else:
                sorter.gas = 0.0
        if sorter.done:
            sorter.coil = sorter.gas = 0.0
        self._pass()

    def _begin_heat(self) -> None:
        dryer = self.io.dryer
        dryer.run = dryer.heat = True
        dryer.cool = False

    def _heat(self) -> None:
        if self.io.dryer.powder_temperature >= self.process.drying_temperature - 5.0:
            self.enter("dry")
        elif self.now < self.since + self.LAG:
            self.wake = min(self.wake, self.since + self.LAG)

    def _begin_dry(self) -> None:
        self.io.dryer.run = self.io.dryer.heat = True

    def _dry(self) -> None:
        planned = self.process.drying_time
        if not self.waited(max(planned - self.dried, 0.0)):
            return
        wet = self.io.dryer.exhaust_dew_point > self.process.dew_limit
        if wet and not self.waited(max(2.0 * planned - self.dried, 0.0)):
            self.prolonged = True
            return
        self._next()

    def _begin_cool(self) -> None:
        dryer = self.io.dryer
        dryer.heat, dryer.cool, dryer.run = False, True, True

    def _cool(self) -> None:
        dryer = self.io.dryer
        if dryer.done:
            dryer.cool = dryer.run = False
            self._next()
        elif dryer.powder_temperature < self.process.unload_temperature:
            dryer.discharge = True

    def _begin_surface(self) -> None:
        unit, process = self.io.surface, self.process
        unit.rotor, unit.plasma, unit.hydrogen = process.rotor, process.plasma, process.hydrogen
        unit.run = True

    def _surface(self) -> None:
        unit = self.io.surface
        if unit.done:
            unit.rotor = unit.plasma = unit.hydrogen = 0.0
        self._pass()

    # -- laboratory and blend -----------------------------------------------------------------

    def _ask(self, tests: int) -> None:
        if self.asked == self.phase:
            return
        self.asked = self.phase
        lab = self.io.laboratory
        lab.tests = tests
        lab.repeats = max(int(self.process.repeats), 2 if self.batch.suspect else 1)
        lab.sample = True

    def _begin_sample(self) -> None:
        self._ask(2)

    def _sample(self) -> None:
        if self.waited(1.0) and self.io.laboratory.ready:
            self.batch.used_oxygen = self.io.laboratory.oxygen
            self._next()

    def _begin_blend(self) -> None:
        io, process, batch = self.io, self.process, self.batch
        share, rule = virgin_needed(process, batch.used_oxygen)
        batch.virgin_rule = rule
        wanted = io.bins.batch * share / max(1.0 - share, 0.05)
        dose = min(wanted, max(io.bins.virgin, 0.0))
        self.short = wanted > io.bins.virgin + 0.05
        batch.virgin_share = dose / (dose + io.bins.batch) if dose > 0 else 0.0
        io.blender.dose, io.blender.drum = dose, process.blender_speed
        io.blender.run = True

    def _blend(self) -> None:
        blender = self.io.blender
        if blender.done:
            blender.run = False
            self._next()
        elif self.waited(self.process.blending_time + 15.0):
            blender.discharge = True

    def _begin_laboratory(self) -> None:
        self._ask(int(self.process.tests))

    def _laboratory(self) -> None:
        if self.waited(1.0) and self.io.laboratory.ready:
            self.enter("decide")

    def _begin_decide(self) -> None:
        io, batch = self.io, self.batch
        status, reason = judge(self.io.laboratory, self.process, self.feedstock.name,
                               self.process_name, bool(batch.suspect), int(io.laboratory.repeats))
        batch.decision, batch.reason = status, reason.encode()[:120].decode(errors="ignore")
        mass = io.bins.batch
        total = {"released": "released", "hold": "held", "scrap": "scrapped"}[status]
        setattr(batch, total, getattr(batch, total) + max(mass, 0.0))
        io.bins.decision = {"released": 1, "hold": 2, "scrap": 3}[status]
        io.bins.discharge = True
        self.feedstock.ready_for_production = status == "released"
        self.tell("Batch", "decision", f"batch {batch.number}: {status}. {reason}"[:200], 200,
                  decision=status)

    def _decide(self) -> None:
        if not self.waited(3.0):
            return
        # A batch that begins under good gas is not suspect for what the last one met.
        self.batch.suspect = False
        self.io.bins.count = self.job.layer + 1
        self.layer_finished("recover")

    # -- completing ---------------------------------------------------------------------------

    def _begin_empty(self) -> None:
        io = self.io
        for name in _STATIONS.values():
            getattr(io, name).run = False
        io.dryer.heat, io.dryer.cool = False, True

    def _empty(self) -> None:
        io = self.io
        if io.dryer.powder_temperature < self.process.unload_temperature and self.waited(10.0):
            io.dryer.cool = False
            io.bins.decision, io.bins.discharge = 0, True
            self.enter("open")

    def _begin_open(self) -> None:
        self.io.filter.fan = 0.0

    def _open(self) -> None:
        if self.waited(10.0):
            self.release()
            self.finished()

    # -- what to watch, what to keep ----------------------------------------------------------

    def watches(self) -> list[Watch]:
        level = self.level
        unload = level("Dryer.PowderTemperature", "UnloadTemperature")
        match self.phase:
            case "purge":
                return [level("Line.OxygenA", "OxygenLimit"), level("Line.OxygenB", "OxygenLimit")]
            case "heat":
                return [level("Dryer.PowderTemperature", "DryingTemperature", -5.0)]
            case "dry" if self.now >= self.since + self.process.drying_time - self.dried:
                # Before, the dew point decides nothing.
                return [level("Dryer.ExhaustDewPoint", "DewLimit")]
            case "cool" | "empty":
                return [unload]
        return []

    def snapshot(self) -> dict[str, Any]:
        taken = super().snapshot()
        taken["own"] |= {"deblinding": self.deblinding, "blinded": self.blinded,
                         "dried": self.dried, "prolonged": self.prolonged, "asked": self.asked,
                         "short": self.short, "process": self.process_name,
                         "dirty_with": self.dirty_with}
        return taken

    def reinstate(self, snapshot: dict[str, Any]) -> None:
        super().reinstate(snapshot)
        own = snapshot["own"]
        self.deblinding, self.blinded, self.dried, self.prolonged = (
            own["deblinding"], own["blinded"], own["dried"], own["prolonged"])
        self.asked, self.short, self.process_name = own["asked"], own["short"], own["process"]
        self.dirty_with = own["dirty_with"]



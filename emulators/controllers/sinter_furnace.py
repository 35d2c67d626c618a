"""The soft PLC of a sinter furnace: its sequence and interlocks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import inf
from typing import Any

from emulators.controllers.base import Watch
from emulators.controllers.build import INTERRUPTED, WORKING, BuildController, Program
from emulators.controllers.build_signals import Feedstock
from emulators.controllers.sinter_furnace_service import Service
from emulators.controllers.sinter_furnace_signals import (
    SEGMENT_PHASES,
    Alarms,
    Machine,
    Process,
    Programme,
)
from emulators.controllers.states import MachineState
from twin.image import Readings
from twin.machine import AMBIENT
from twin.machines.sinter_furnace import SinterFurnace, SinterSegment

__all__ = ["SinterFurnaceController"]

_HYDROGEN_SAFE = 0.01  # oxygen above which no hydrogen is let in
_FULL = 100_500.0  # Pa from which a retort counts as filled
_LEAN = 0.04  # hydrogen below which it cannot burn and the pilot may go out


class SinterFurnaceController(BuildController):
    """Load, close, evacuate, leak check, purge, segments {gas, ramp, soak}, cool, unload."""

    LAYERS = SEGMENT_PHASES
    CHECKPOINT = "gas"
    RESET = ("leak_found", "flame_out", "zone_lags", "thermocouples_disagree", "hydrogen_low")
    WATER = 10e-3 / 60
    LOOK = 30.0
    LAG = 3600.0  # s that the load may lag on top of the whole way from the hall's temperature
    PURGE = 3600.0  # s that a purge may take
    plant: SinterFurnace

    def __init__(self, plant: SinterFurnace, readings: Readings,
                 programs: Mapping[str, Program]) -> None:
        self.process, alarms = Process(), Alarms()
        super().__init__(plant, readings, programs, Machine, self.process, Feedstock(), alarms)
        self.programme = self.add("Programme", Programme())
        self.add("Service", Service(plant, lambda: self.state not in WORKING))
        self.soaked = 0.0  # s of this segment's time at temperature that are over
        self.held_hot = inf  # since when, in a hold, the load is at temperature all the same
        self.first_pressure = 0.0  # Pa at the start of the leak check
        self.leaks = False
        self.assemble()

    def memory(self) -> Any:
        return (super().memory(), self.soaked, self.held_hot, self.leaks)

    def load(self, program: Program) -> None:
        super().load(program)
        self.soaked, self.held_hot, self.leaks = 0.0, inf, False

    def segment(self) -> SinterSegment:
        """The segment in work, with the setpoints as they are now."""
        job, process = self.programs[self.job.program].job, self.process
        made: SinterSegment = job.segments[min(self.job.layer, len(job.segments) - 1)]
        gas = "argon" if made.gas == "hydrogen" and process.inert_only else made.gas
        if made.name == "sinter":
            return replace(made, gas=gas, target=process.sinter_temperature,
                           hold=process.sinter_hold, rate=process.sinter_rate)
        if made.name.startswith("debind"):
            return replace(made, gas=gas, hold=process.debind_hold, rate=process.debind_rate)
        return replace(made, gas=gas, rate=process.sinter_rate)

    def observe(self) -> dict[str, bool]:
        io = self.io
        return {
            "leak_found": self.leaks,
            "purge_fails": self.phase == "purge" and self.now >= self.since + self.PURGE,
            "flame_out": not io.retort.flame and bool(
                io.retort.hydrogen_flow > 0 or io.retort.hydrogen > _LEAN),
            "parts_rejected": io.inspection.done and io.inspection.parts_rejected > 0,
            **self.looks(self.phase in SEGMENT_PHASES),
        }

    def look(self) -> dict[str, bool]:
        io, process, wanted = self.io, self.process, self.segment()
        zones = self._zones()
        # An element that is whole draws in proportion to what its controller asks for.
        asked = [z.current / z.demand for z in zones if z.demand > 0.1]
        heated = self.phase in ("ramp", "soak")
        lag = max(io.furnace.setpoint - z.temperature for z in zones)
        middle = zones[len(zones) // 2].temperature
        return {
            "zone_lags": bool(heated and lag > process.lag_limit),
            "load_lags": self.phase == "ramp" and bool(
                io.furnace.setpoint >= wanted.target - 0.5) and self.now > self.since
            + self.LAG + (wanted.target - AMBIENT) / wanted.rate,
            "element_current_low": bool(len(asked) > 1 and min(asked) < 0.7 * max(asked)),
            "thermocouples_disagree": bool(
                abs(io.furnace.limiter_temperature - middle)
                > process.disagree_limit),
            "hydrogen_low": wanted.gas == "hydrogen" and heated and bool(
                io.retort.flow < 0.5 * io.retort.hydrogen_flow
                or (io.retort.hydrogen < 0.5 and self.now > self.since + 600.0)),
            "pressure_low": wanted.gas != "vacuum" and bool(io.retort.pressure < 100_800.0),
        }

    def _zones(self) -> list[Any]:
        return [getattr(self.io, f"zone{i + 1}") for i in range(len(self.plant.zones))]

    def regulate(self) -> None:
        # Gas and water serve what is hot until it no longer is, however the job ended.
        if self.state in (MachineState.FINISHED, MachineState.ABORTED):
            self.rest()
        elif self.state in INTERRUPTED:
            self._cool_shell()
            if self.phase == "soak":
                self._count_on()

    def _cool_shell(self) -> None:
        """Water for what is hot, as soon as there is power for it."""
        safety = self.io.safety
        if (safety.chain_closed or safety.reset_possible) and not self.cold():
            self.io.chiller.run = True

    def _count_on(self) -> None:
        """The load sinters in a hold too, as long as it is hot."""
        hot = self.io.furnace.load_temperature >= self.segment().target - self.process.soak_band
        if hot and self.held_hot == inf:
            self.held_hot = self.now
        elif not hot:
            self._counted()

    def _counted(self) -> None:
        if self.held_hot < inf:
            self.soaked += self.now - self.held_hot
            self.held_hot = inf

    def hindrance(self, wish: str) -> str:
        retort = self.io.retort
        # A pilot that lost its power is lit on the way back; one that is on and burns not is out.
        if wish == "resume" and self.conditions.get("flame_out") and retort.pilot \
                and self.phase in SEGMENT_PHASES and not retort.flame:
            return "burn-off flame not proven: relight the pilot"
        return super().hindrance(wish)

    # -- hold, abort, end ---------------------------------------------------------------------

    def stop_work(self) -> None:
        # Hot parts are best off where they are: the setpoint stays, the gas flows on.
        self.io.furnace.freeze = True
        if self.phase == "soak":
            self.soaked += self.now - self.since

    def hold(self, state: MachineState, reason: str) -> None:
        super().hold(state, reason)
        if self.phase in SEGMENT_PHASES:
            # The way back sets gas and temperature anew.
            self.resume_phase = "gas"
        if self.phase == "soak":
            self.since = self.now

    def resume(self) -> None:
        self._counted()
        super().resume()

    def reset_drives(self) -> None:
        super().reset_drives()
        self.io.retort.reset_safety = self.io.retort.safe_purge

    def restore_supplies(self) -> None:
        super().restore_supplies()
        self.io.retort.pilot = self.io.retort.hydrogen > _LEAN

    def make_safe(self) -> None:
        io = self.io
        io.furnace.enable = False
        if io.retort.hydrogen_flow > 0 or io.retort.hydrogen > _LEAN:
            io.retort.hydrogen_flow = 0.0
            io.retort.nitrogen_flow = self.process.purge_flow
        io.retort.vacuum_pump = False

    def release(self) -> None:
        """Heat off; gas, pilot and water only once nothing needs them, see `rest`."""
        self.make_safe()
        self.rest()

    def rest(self) -> None:
        io = self.io
        if not self.cold():
            self._cool_shell()
            return
        # The door opens only on a retort that holds no hydrogen, at the hall's pressure.
        if io.retort.hydrogen > _LEAN or io.retort.pressure < _FULL:
            io.retort.vacuum_pump = False
            io.retort.nitrogen_flow = self.process.purge_flow
            return
        self._end_safe_purge()
        io.retort.nitrogen_flow = io.retort.argon_flow = io.retort.hydrogen_flow = 0.0
        io.retort.pilot = False
        io.furnace.cooling_fan = False
        io.safety.door_lock = False
        io.chiller.run = False

    def _end_safe_purge(self) -> bool:
        """Acknowledge the gas safety unit if it purges; whether it does."""
        retort = self.io.retort
        if retort.safe_purge:
            retort.reset_safety = True
            self.wake = min(self.wake, self.now + 1.0)
        return bool(retort.safe_purge)

    def cold(self) -> bool:
        limit = self.process.unload_temperature
        zones = all(zone.temperature < limit for zone in self._zones())
        return bool(zones and self.io.furnace.load_temperature < limit)

    # -- preparing ----------------------------------------------------------------------------

    def _begin_load(self) -> None:
        io = self.io
        io.furnace.count = 0
        io.furnace.enable = False
        io.furnace.cooling_fan = False

    def loaded(self) -> bool:
        # Green parts are not put into a hot furnace.
        return self.waited(5.0) and self.cold()

    def closed(self) -> str:
        # What is hot, or has begun, is not evacuated again.
        return "purge" if self.resume_phase or not self.cold() else "evacuate"

    def _begin_evacuate(self) -> None:
        io = self.io
        io.retort.hydrogen_flow = io.retort.nitrogen_flow = io.retort.argon_flow = 0.0
        io.retort.vacuum_pump = True
        self.leaks = False

    def _evacuate(self) -> None:
        if self.io.retort.pressure < self.process.evacuation_pressure:
            self.enter("leak check")

    def _begin_leak_check(self) -> None:
        self.io.retort.vacuum_pump = False
        self.first_pressure = 0.0

    def _leak_check(self) -> None:
        # The pressure settles for a while, then it is watched.
        settle = 30.0
        if not self.waited(settle):
            return
        if self.first_pressure == 0.0:
            self.first_pressure = self.io.retort.pressure
        if not self.waited(settle + self.process.leak_time):
            return
        rise = self.io.retort.pressure - self.first_pressure
        rate = max(rise, 0.0) * self.plant.retort.VOLUME / self.process.leak_time
        self.programme.leak_rate = round(rate, 4)
        if rate > self.process.leak_limit:
            self.leaks = True
        else:
            self.enter("purge")

    def _begin_purge(self) -> None:
        io = self.io
        io.retort.vacuum_pump = False
        if self.resume_phase and io.retort.oxygen < self.process.oxygen_limit:
            return
        io.retort.hydrogen_flow = io.retort.argon_flow = 0.0
        io.retort.nitrogen_flow = self.process.purge_flow

    def _purge(self) -> None:
        io = self.io
        # After a hold the retort is full; before a job it comes from the leak check.
        full = io.retort.pressure > (_FULL if self.resume_phase else 101_500.0)
        if full and io.retort.oxygen < self.process.oxygen_limit:
            self.begin_layers("gas")
            return
        if self.now < self.since + self.PURGE:
            self.wake = min(self.wake, self.since + self.PURGE)
        if not full and io.retort.hydrogen_flow + io.retort.argon_flow == 0:
            io.retort.nitrogen_flow = self.process.purge_flow

    # -- segments -----------------------------------------------------------------------------

    def _begin_gas(self) -> None:
        io = self.io
        io.furnace.count = self.job.layer
        wanted = self.segment()
        shown = self.programme
        shown.segment, shown.gas, shown.target = wanted.name, wanted.gas, wanted.target
        shown.hold_left = round(max(wanted.hold - self.soaked, 0.0), 1)
        io.retort.pilot = wanted.gas == "hydrogen" or io.retort.hydrogen > _LEAN

    def _gas(self) -> None:
        io = self.io
        wanted = self.segment()
        sinter = not wanted.name.startswith("debind")
        flow = self.process.sinter_flow if sinter else self.process.gas_flow
        if not self.waited(2.0) or self._end_safe_purge():
            return
        if wanted.gas == "hydrogen":
            if not (io.retort.flame and io.retort.oxygen < _HYDROGEN_SAFE):
                return
            io.retort.vacuum_pump = False
            io.retort.hydrogen_flow = flow
            io.retort.nitrogen_flow = io.retort.argon_flow = 0.0
        else:
            io.retort.hydrogen_flow = 0.0
            io.retort.nitrogen_flow = flow if wanted.gas == "nitrogen" else 0.0
            io.retort.argon_flow = flow if wanted.gas == "argon" else 0.0
            io.retort.vacuum_pump = wanted.gas == "vacuum"
        self.enter("ramp")

    def _begin_ramp(self) -> None:
        io, wanted = self.io, self.segment()
        io.furnace.target, io.furnace.ramp = wanted.target, wanted.rate
        io.furnace.enable, io.furnace.freeze = True, False

    def follow_setpoints(self) -> None:
        if self.phase in ("ramp", "soak"):
            wanted = self.segment()
            self.io.furnace.target, self.io.furnace.ramp = wanted.target, wanted.rate

    def _ramp(self) -> None:
        io, wanted = self.io, self.segment()
        near = wanted.target - self.process.soak_band
        if io.furnace.setpoint >= wanted.target - 0.5 and io.furnace.load_temperature >= near:
            self.enter("soak")

    def _soak(self) -> None:
        if self.waited(max(self.segment().hold - self.soaked, 0.0)):
            self.soaked = 0.0
            self.layer_finished("gas")

    # -- completing ---------------------------------------------------------------------------

    def _begin_cool(self) -> None:
        io = self.io
        io.furnace.count = self.job.layer
        io.furnace.enable = False
        io.retort.hydrogen_flow = 0.0
        io.retort.vacuum_pump = False
        gas = self.programs[self.job.program].recipe.cooling.gas
        io.retort.nitrogen_flow = self.process.cooling_flow if gas == "nitrogen" else 0.0
        io.retort.argon_flow = self.process.cooling_flow if gas == "argon" else 0.0
        self.soaked = 0.0

    def _cool(self) -> None:
        io = self.io
        if io.furnace.load_temperature < self.process.fan_below:
            io.furnace.cooling_fan = True
        if io.retort.hydrogen < _LEAN:
            io.retort.pilot = False
            self._end_safe_purge()
        if self.cold():
            self.enter("unload")

    def _begin_unload(self) -> None:
        self.io.furnace.unload = True

    def _unload(self) -> None:
        if self.io.inspection.done and self.waited(1.0):
            self.release()
            self.finished()

    # -- what to watch, what to keep ----------------------------------------------------------

    def watches(self) -> list[Watch]:
        level = self.level
        cold = [level(f"Zone{i + 1}.Temperature", "UnloadTemperature")
                for i in range(len(self.plant.zones))]
        cold.append(level("Furnace.LoadTemperature", "UnloadTemperature"))
        lean = Watch("Retort.Hydrogen", _LEAN * 100)
        match self.phase:
            case "load" | "close":
                return cold
            case "evacuate":
                return [level("Retort.Pressure", "EvacuationPressure")]
            case "purge":
                return [Watch("Retort.Oxygen", self.process.oxygen_limit * 100),
                        Watch("Retort.Pressure", 1015.0), Watch("Retort.Pressure", 1005.0)]
            case "gas":
                return [Watch("Retort.Oxygen", _HYDROGEN_SAFE * 100), lean]
            case "ramp":
                target = self.segment().target
                return [Watch("Furnace.Setpoint", target - 0.5 - 273.15),
                        Watch("Furnace.LoadTemperature",
                              target - self.process.soak_band - 273.15)]
            case "cool":
                return [*cold, lean, level("Furnace.LoadTemperature", "FanBelow")]
            case "none":
                return [*cold, lean, Watch("Retort.Pressure", _FULL / 100)]
            case "soak":
                return [Watch("Furnace.LoadTemperature",
                              self.segment().target - self.process.soak_band - 273.15)]
        return []

    def snapshot(self) -> dict[str, Any]:
        taken = super().snapshot()
        taken["own"] |= {"soaked": self.soaked,
                         "held_hot": None if self.held_hot == inf else self.held_hot,
                         "first_pressure": self.first_pressure,
                         "leaks": self.leaks}
        return taken

    def reinstate(self, snapshot: dict[str, Any]) -> None:
        super().reinstate(snapshot)
        own = snapshot["own"]
        self.soaked, self.first_pressure = own["soaked"], own["first_pressure"]
        self.held_hot = inf if own["held_hot"] is None else own["held_hot"]
        self.leaks = own["leaks"]



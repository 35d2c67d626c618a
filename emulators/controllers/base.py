"""The base of every soft-PLC program: its terminals, its scan, its alarms."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, nan
from typing import Any

from plc_interfaces.host import Event
from twin.alarms import Alarm
from twin.image import Quality, Readings
from twin.machine import Plant
from twin.signals import Component, Kind, SignalTable, status

__all__ = ["AlarmBank", "Controller", "Rack", "Terminals", "Watch"]


class Terminals:
    """A component of the plant as the controller is wired to it: readings in, outputs out."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"no terminal {self._path}.{name}")


@dataclass(frozen=True, slots=True)
class Watch:
    """A level (engineering unit) of a reading at which the controller would act."""

    path: str
    level: float


class Rack:
    """The I/O rack: terminals for every measured signal and actuator of a plant."""

    def __init__(self, plant: Plant, readings: Readings) -> None:
        self._plant = plant
        self._readings = readings
        self.root = Terminals("")
        nodes: dict[int, Terminals] = {}
        for path, component in plant.walk():
            node = nodes.setdefault(id(component), Terminals(path) if path else self.root)
            for name, child in component.children.items():
                nodes[id(child)] = Terminals(f"{path}.{name}" if path else name)
                setattr(node, _attribute(name), nodes[id(child)])
        table = readings.table
        self._inputs = [
            (nodes[id(table.owners[s.path])], s.attribute, i,
             s.unit.to_si if s.type is float else None)
            for i, s in enumerate(readings.signals)
        ]
        self._outputs = [
            (nodes[id(table.owners[s.path])], s.attribute, s.path, table.owners[s.path])
            for s in table.of_kind(Kind.ACTUATOR)
        ]
        self._pulses = [i for i, (_, _, path, _) in enumerate(self._outputs) if table[path].edge]
        self._last: list[Any] = []
        self.reset()

    def reset(self) -> None:
        """Take the outputs as the plant has them."""
        self._last = [None] * len(self._outputs)
        self._read_back()

    def _read_back(self) -> None:
        # The plant may have dropped an output by itself, as a safety chain does.
        for i, (node, attribute, _, owner) in enumerate(self._outputs):
            present = getattr(owner, attribute)
            if present != self._last[i]:
                self._last[i] = present
                setattr(node, attribute, present)

    def read(self) -> None:
        """Copy the latched readings to the input terminals, SI; end pulses that were given."""
        values, quality = self._readings.values, self._readings.quality
        for node, attribute, i, to_si in self._inputs:
            node.__dict__[attribute] = values[i] if to_si is None else to_si(values[i])
        if any(quality):
            for node, attribute, i, to_si in self._inputs:
                if quality[i] == Quality.BAD and to_si is not None:
                    # No comparison with it is true, so nothing that waits for a value goes on.
                    node.__dict__[attribute] = nan
        self._read_back()
        for i in self._pulses:
            if self._last[i]:
                setattr(self._outputs[i][0], self._outputs[i][1], False)

    def write(self) -> bool:
        """Drive what changed on the output terminals; True if anything did."""
        changed = False
        for i, (node, attribute, path, _) in enumerate(self._outputs):
            value = getattr(node, attribute)
            if value != self._last[i]:
                self._last[i] = value
                self._plant.drive(path, value)
                changed = True
        return changed


def _attribute(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() and i else c.lower() for i, c in enumerate(name))


class AlarmBank(Component):
    """Base of the component that declares a controller's alarms; counts and first-out."""

    unacknowledged = status(int, low=0, high=1000, doc="alarms waiting for acknowledgement")
    active = status(int, low=0, high=1000, doc="alarms active, shelved ones too")
    first_out = status(str, length=32, doc="alarm that came first since none was active")


class Controller(Component):
    """A program that is scanned: readings in, outputs and states out.

    A subclass adds components with its signals, declares alarms on an `AlarmBank` named ``Alarms``
    and overrides `program`. It must not keep anything that `state` does not give, and it must not
    depend on how often it is scanned while nothing changes.
    """

    def __init__(self, plant: Plant, readings: Readings) -> None:
        super().__init__()
        self.plant = plant
        self.readings = readings
        self.rack = Rack(plant, readings)
        self.io: Any = self.rack.root
        self.now = 0.0
        self.events: list[Event] = []
        self.conditions: dict[str, bool] = {}
        self.phase = "none"
        self.wake = inf
        """When the program next wants to be scanned though nothing happens, simulated s."""

    def assemble(self) -> None:
        """Connect the finished tree; call once at the end of a controller's constructor."""
        self.table = SignalTable(self)
        bank = self.table.of_kind(Kind.ALARM)
        self.alarms: dict[str, Alarm] = {
            s.path: Alarm(s.alarm, s.path) for s in bank if s.alarm is not None
        }
        self._alarm_names = {s.path: s.attribute for s in bank}
        self.changed_alarms: list[Alarm] = []

    @property
    def over(self) -> bool:
        """Whether the job has ended, in whatever way, and a scan has passed since."""
        return False

    @property
    def checkpoint(self) -> int | None:
        """The layer or lot at whose boundary the program stands and can be re-entered, if any."""
        return None

    def inputs(self) -> None:
        """Look at the inputs before the alarms are evaluated; sets `conditions`."""

    def program(self) -> None:
        """One pass of the program; inputs are on `io`, outputs are set there."""
        raise NotImplementedError(f"{type(self).__name__} has no program")

    def watches(self) -> list[Watch]:
        """Levels that the program waits for at the moment."""
        return []

    def scan(self, now: float) -> bool:
        """One scan at `now` (s); True if anything changed, so that another should follow."""
        self.now = now
        self.rack.read()
        before = len(self.events)
        mark = self.memory()
        self.wake = inf
        self.inputs()
        alarms = self._evaluate()
        self.program()
        driven = self.rack.write()
        return driven or alarms or len(self.events) != before or mark != self.memory()

    def memory(self) -> Any:
        """What tells whether a scan changed the program; cheap to compare."""
        return self.phase

    def _limit(self, limit: float | str | None) -> float:
        if isinstance(limit, str):
            signal = self.table[limit]
            owner = self.table.owners[limit]
            return float(signal.from_si(getattr(owner, signal.attribute)))
        assert limit is not None
        return limit

    def _relevant(self, alarm: Alarm) -> bool:
        phases = alarm.definition.phases
        return not phases or self.phase in phases

    def _evaluate(self) -> bool:
        changed = False
        values, index = self.readings.values, self.readings.index
        quality = self.readings.quality
        for path, alarm in self.alarms.items():
            definition = alarm.definition
            value = 0.0
            if definition.source:
                value = values[index[definition.source]]
                limit = definition.high if definition.high is not None else definition.low
                # A sensor that has failed may hide what the alarm is for: that counts as beyond.
                # For a hold or a warning; a dead sensor alone is no reason to end a build.
                bad = quality[index[definition.source]] == Quality.BAD
                blind = bad and definition.action != "A"
                beyond = blind or alarm.raw(value, self._limit(limit))
                raw = self._relevant(alarm) and beyond
            else:
                raw = self._relevant(alarm) and self.conditions.get(self._alarm_names[path], False)
            was = alarm.active
            if alarm.update(self.now, raw, value):
                self.note(alarm, None if was == alarm.active else alarm.active)
                changed = True
        return changed

    def note(self, alarm: Alarm, edge: bool | None = None) -> None:
        """An alarm's state changed: count again and pass it on; `edge`: it came or went."""
        self.changed_alarms.append(alarm)
        bank: Any = self.children.get("Alarms")
        if bank is None:
            return
        before = bank.active
        shown = [a for a in self.alarms.values() if not (a.suppressed or a.out_of_service)]
        bank.active = sum(a.active for a in shown)
        bank.unacknowledged = sum(not a.acknowledged for a in shown)
        if edge and before == 0:
            bank.first_out = alarm.path.rpartition(".")[2]
        elif bank.active == 0:
            bank.first_out = ""

    def acting(self, action: str) -> list[Alarm]:
        """Active alarms whose action is `action`."""
        return [a for a in self.alarms.values() if a.acts and a.definition.action == action]

    def levels(self) -> list[Watch]:
        """All levels that matter now: of alarms that can come or go, and of the program."""
        found = self.watches()
        for alarm in self.alarms.values():
            definition = alarm.definition
            if definition.source and self._relevant(alarm):
                rising = definition.high is not None
                limit = self._limit(definition.high if rising else definition.low)
                if alarm.active:
                    limit += -definition.deadband if rising else definition.deadband
                found.append(Watch(definition.source, limit))
        return found

    def next_look(self) -> float:
        """When the controller must be scanned next if nothing happens before (s)."""
        return min([self.wake, *(a.next_look() for a in self.alarms.values())])

    def tell(
        self, source: str, kind: str, message: str, severity: int = 100, **fields: Any
    ) -> None:
        """Tell of a change of state."""
        self.events.append(Event(0.0, self.now, source, kind, message, severity, fields))

    def snapshot(self) -> dict[str, Any]:
        """The state of the whole controller as plain data."""
        return {
            "phase": self.phase,
            "conditions": dict(self.conditions),
            "components": {path: c.keep() for path, c in self.walk()},
            "alarms": {path: alarm.store() for path, alarm in self.alarms.items()},
        }

    def reload(self, snapshot: dict[str, Any]) -> None:
        """Load into the plant what a snapshot takes for granted, such as the job's vectors."""

    def reinstate(self, snapshot: dict[str, Any]) -> None:
        """Take back what `snapshot` gave."""
        self.phase = snapshot["phase"]
        self.conditions = dict(snapshot["conditions"])
        for path, component in self.walk():
            component.restore(snapshot["components"][path])
        for path, alarm in self.alarms.items():
            alarm.restore(snapshot["alarms"][path])
        self.rack.reset()

"""Acts from outside: what is checked at once, and what each does when its scan has come."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import isfinite
from typing import Any

from emulators.canonical import plain
from emulators.controllers.base import Controller
from plc_interfaces.host import Act, ActKind, Event
from twin.faults import SensorFault, SensorFaultKind
from twin.image import Readings
from twin.machine import Plant
from twin.signals import Kind, Refused, SignalTable

__all__ = ["Performer", "checked"]

_LONGEST_TEXT = 256
_FASTEST = 1e9


def checked(act: Act, table: SignalTable, external_control: bool) -> Act:
    """The act with its value in the signal's type; `Refused` for what can be told at once."""
    # What a client sends as text need not be text.
    act = replace(act, value=_clean(act.value), user=_clean(act.user))
    if act.kind is ActKind.AUDIT:
        return act
    value = act.value
    if act.kind in (ActKind.SPEED, ActKind.STEP):
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        least, most = (1, 1_000_000) if act.kind is ActKind.STEP else (0, _FASTEST)
        if not number or not least <= value <= most:
            raise Refused(f"{act.kind.value} takes {least} to {most:g}, not {value!r}", "range")
        return act
    try:
        signal = table[act.path]
    except KeyError:
        raise Refused(f"no signal {act.path!r}", "unknown") from None
    allowed = {
        ActKind.WRITE: (
            Kind.SETPOINT,
            Kind.PARAMETER,
            *((Kind.ACTUATOR,) if external_control else ()),
        ),
        ActKind.CALL: (Kind.COMMAND,),
        ActKind.FAULT: (Kind.FAULT,),
        ActKind.SENSOR_FAULT: (Kind.MEASURED,),
        ActKind.FORCE: (Kind.MEASURED,),
        ActKind.UNFORCE: (Kind.MEASURED,),
    }.get(act.kind, (Kind.ALARM,))
    if signal.fixed and act.kind is ActKind.WRITE:
        raise Refused(f"{act.path} is what the job was planned with: it cannot be written",
                      "read-only")
    if signal.kind not in allowed:
        raise Refused(
            f"{act.path} is a {signal.kind.value}: {act.kind.value} is not possible", "read-only"
        )
    if act.kind in (ActKind.WRITE, ActKind.FAULT, ActKind.FORCE):
        value = signal.check(value)
    elif act.kind is ActKind.CALL:
        value = _arguments(signal.path, signal.arguments, value)
    elif act.kind is ActKind.SENSOR_FAULT and value is not None:
        value = _sensor_fault(act.path, value)
    try:
        value = plain(value, act.path, finite=True)  # What the journal could not keep.
    except ValueError as error:
        raise Refused(str(error), "range") from None
    return Act(act.kind, act.path, value, act.user, act.source)


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, (list, tuple)):
        return [_clean(each) for each in value]
    if isinstance(value, dict):
        return {_clean(key): _clean(each) for key, each in value.items()}
    return value


def _arguments(path: str, declared: Mapping[str, type], given: Any) -> list[Any]:
    values = list(given or ())
    if len(values) != len(declared):
        raise Refused(
            f"{path} takes {len(declared)} arguments ({', '.join(declared)}), not {len(values)}",
            "type",
        )
    for (name, kind), value in zip(declared.items(), values, strict=True):
        if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
            raise Refused(f"{path}: {name} takes {kind.__name__}, not {value!r}", "type")
        if isinstance(value, float) and not isfinite(value):
            raise Refused(f"{path}: {name} takes a finite number, not {value}", "range")
        if isinstance(value, str) and len(value.encode()) > _LONGEST_TEXT:
            raise Refused(f"{path}: {name} takes at most {_LONGEST_TEXT} bytes", "range")
        if isinstance(value, str) and not value.isprintable():
            raise Refused(f"{path}: {name} takes printable text, not {value!r}", "range")
    return values


def _sensor_fault(path: str, value: Any) -> dict[str, Any]:
    kinds = [k.value for k in SensorFaultKind]
    if not isinstance(value, dict) or value.get("kind") not in kinds:
        raise Refused(f"{path}: a sensor fault has a kind: {', '.join(kinds)}", "range")
    magnitude = value.get("magnitude", 0.0)
    number = isinstance(magnitude, (int, float)) and not isinstance(magnitude, bool)
    if not number or not isfinite(magnitude):
        raise Refused(f"{path}: magnitude of a sensor fault is a number, not {magnitude!r}", "type")
    return {"kind": value["kind"], "magnitude": float(magnitude)}


class Performer:
    """Does what acts say to a machine; `do` is called in the scan that applies them."""

    def __init__(
        self,
        table: SignalTable,
        plant: Plant,
        controller: Controller | None,
        readings: Readings,
        note: Callable[[Event], None],
    ) -> None:
        self._table, self._plant, self._controller = table, plant, controller
        self._readings, self._note = readings, note

    def do(self, act: Act, time: float) -> str:
        """Apply a checked act at simulated `time` (s); a command's answer, or `Refused`."""
        if act.kind in (ActKind.SPEED, ActKind.STEP, ActKind.AUDIT):
            return ""  # Of the emulation or for the audit: nothing in the machine changes.
        signal, owner = self._table[act.path], self._table.owners[act.path]
        match act.kind:
            case ActKind.WRITE if signal.kind is not Kind.ACTUATOR:
                setattr(owner, signal.attribute, signal.to_si(act.value))
            case ActKind.WRITE | ActKind.FAULT:
                self._plant.drive(act.path, signal.to_si(act.value))
                if act.kind is ActKind.FAULT:
                    self._note(
                        Event(
                            0.0,
                            time,
                            act.path,
                            "fault",
                            f"{act.path} = {act.value}",
                            100,
                            {"value": act.value},
                        )
                    )
            case ActKind.CALL:
                return str(getattr(owner, signal.attribute)(*act.value))
            case ActKind.SENSOR_FAULT:
                self._break(act, time)
            case ActKind.FORCE:
                self._readings.forced[act.path] = act.value
            case ActKind.UNFORCE:
                self._readings.forced.pop(act.path, None)
            case _:
                self._alarm(act, time)
        return ""

    def _break(self, act: Act, time: float) -> None:
        fault = None
        if act.value is not None:
            held = self._readings.values[self._readings.index[act.path]]
            fault = SensorFault(
                SensorFaultKind(act.value["kind"]),
                act.value["magnitude"],
                time,
                float(held) if isinstance(held, (int, float)) else 0.0,
            )
        self._readings.set_fault(act.path, fault)
        self._note(Event(0.0, time, act.path, "fault", f"sensor fault {act.value}", 100))

    def _alarm(self, act: Act, time: float) -> None:
        controller = self._controller
        if controller is None:
            raise Refused("a machine under external control has no alarms of its own")
        alarm = controller.alarms[act.path]
        match act.kind:
            case ActKind.ACKNOWLEDGE:
                if not alarm.acknowledge(str(act.value or "")):
                    raise Refused(f"{act.path} is acknowledged already")
            case ActKind.COMMENT:
                alarm.comment = str(act.value or "")
            case ActKind.SHELVE:
                try:
                    alarm.shelve(time, float(act.value))
                except (TypeError, ValueError) as error:
                    raise Refused(str(error), "range") from None
            case ActKind.UNSHELVE:
                alarm.unshelve()
            case _:
                raise Refused(f"{act.kind.value} is not possible for {act.path}")
        controller.note(alarm)

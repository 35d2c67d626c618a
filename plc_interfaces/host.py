"""What a wire serves: a machine's signals, frames, alarms and events, and a way in for acts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any, Protocol

from twin.alarms import AlarmDefinition, AlarmState
from twin.image import Frame
from twin.signals import Kind, Signal, SignalTable, Value

__all__ = [
    "Act",
    "ActKind",
    "AlarmStatus",
    "Event",
    "Host",
    "Identity",
    "Role",
    "Update",
    "role_to_write",
]


class Role(IntEnum):
    """The ladder of users; each may do what those below it may."""

    OBSERVER = 0
    OPERATOR = 1
    ENGINEER = 2


def role_to_write(signal: Signal, external_control: bool = False) -> Role | None:
    """The least role that may write or call a signal; None if nobody may over a wire.

    Under external control the client is the PLC: it writes actuators as an operator.
    """
    if signal.fixed:
        return None
    match signal.kind:
        case Kind.SETPOINT | Kind.COMMAND:
            return Role.OPERATOR
        case Kind.PARAMETER:
            return Role.ENGINEER
        case Kind.ACTUATOR if external_control:
            return Role.OPERATOR
    return None


class ActKind(StrEnum):
    """What an external act does."""

    WRITE = "write"
    CALL = "call"
    ACKNOWLEDGE = "acknowledge"
    COMMENT = "comment"
    SHELVE = "shelve"
    UNSHELVE = "unshelve"
    FORCE = "force"
    UNFORCE = "unforce"
    FAULT = "fault"
    """A process fault: path of a fault signal, value in its engineering unit."""
    SENSOR_FAULT = "sensor fault"
    """Path of a measured signal, value {"kind": …, "magnitude": …} or None to end it."""
    STEP = "step"
    """Freeze the clock and let so many scans pass."""
    AUDIT = "audit"
    """Somebody was refused: a login, a write, a call. Kept in the journal, alters nothing."""
    SPEED = "speed"
    """The pace of simulated against wall time changed; it alters nothing in the run."""


@dataclass(frozen=True, slots=True)
class Act:
    """Something done to a machine from outside; every one is journaled before it is applied."""

    kind: ActKind
    path: str
    value: Any = None
    """Value written, list of a command's arguments, comment of an acknowledgement, seconds of a
    shelving."""
    user: str = ""
    source: str = "local"
    """local, opcua, modbus or instructor."""


@dataclass(frozen=True, slots=True)
class AlarmStatus:
    """An alarm at one moment, safe to hand between threads."""

    path: str
    definition: AlarmDefinition
    state: AlarmState
    active: bool
    acknowledged: bool
    retained: bool
    shelved_until: float
    """Simulated time (s); minus infinity if not shelved."""
    value: float
    comment: str
    stamp: float
    """Source time of this state, POSIX s."""


@dataclass(frozen=True, slots=True)
class Event:
    """A change of state or another fact worth telling, once."""

    stamp: float
    time: float
    source: str
    """Path of the component or signal it is about, such as ``Job``."""
    kind: str
    """state, job, process, audit, interlock or fault (fault: the instructor and record only)."""
    message: str
    severity: int = 100
    fields: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Update:
    """What listeners get after a published scan."""

    frame: Frame
    changed: tuple[int, ...]
    """Indices in the signal table of the values that changed since the last update."""
    alarms: tuple[AlarmStatus, ...]
    """Alarms whose state changed."""
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class Identity:
    """Nameplate of a machine."""

    name: str
    """Instance name, such as ``PBF-LB-01``; part of every node id."""
    machine: str
    """Machine type in the catalogue, such as ``pbf-lb``."""
    technology: str
    """Process category after ISO/ASTM 52900 as OPC 40540 abbreviates it: BJT, DED, PBF …; empty
    for a machine that builds nothing."""
    model: str
    serial: str
    manufacturer: str = "amtwin"
    software: str = ""
    location: str = ""


class Host(Protocol):
    """A machine as the wires see it. All methods may be called from any thread."""

    @property
    def identity(self) -> Identity:
        """Its nameplate."""
        ...

    @property
    def table(self) -> SignalTable:
        """Its signals."""
        ...

    @property
    def alarms(self) -> Mapping[str, AlarmDefinition]:
        """Alarm definitions by path."""
        ...

    @property
    def external_control(self) -> bool:
        """Whether the client is the PLC."""
        ...

    def frame(self) -> Frame:
        """The newest frame."""
        ...

    def alarm_states(self) -> list[AlarmStatus]:
        """Every alarm as it is now."""
        ...

    def listen(self, listener: Callable[[Update], None]) -> Callable[[], None]:
        """Call `listener` after published scans, on the emulation's thread; returns the way out.

        A listener must return at once (hand over to its own thread or loop).
        """
        ...

    def submit(self, act: Act) -> Future[Any]:
        """Check an act, journal it and apply it at the next scan.

        Raises `Refused` at once for what can be checked at once (unknown path, type, range,
        read-only); the future gives the command's answer (text) or raises `Refused`.
        """
        ...

"""Alarms after ISA-18.2 / IEC 62682: definition, limits, delays and life cycle."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import IntEnum, StrEnum
from math import inf
from typing import Any

__all__ = ["Alarm", "AlarmDefinition", "AlarmState", "Priority"]


class Priority(IntEnum):
    """Alarm priority; OPC UA severities follow from it."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3
    URGENT = 4

    @property
    def severity(self) -> int:
        """OPC UA severity 1 to 1000 (OPC 10000-9: 1-333 low, 334-666 medium, above high)."""
        return {1: 200, 2: 500, 3: 750, 4: 950}[self]


class AlarmState(StrEnum):
    """State of an alarm as the operator sees it (ISA-18.2, 5.3)."""

    NORMAL = "normal"
    UNACKNOWLEDGED = "unacknowledged"
    ACKNOWLEDGED = "acknowledged"
    RETURNED = "returned unacknowledged"
    SHELVED = "shelved"
    SUPPRESSED = "suppressed by design"
    OUT_OF_SERVICE = "out of service"


@dataclass(frozen=True, slots=True)
class AlarmDefinition:
    """What makes an alarm and what an operator should know about it.

    An alarm with a `source` and one of `high` or `low` compares that signal's reading with the
    limit, a number in the signal's engineering unit or the path of a setpoint or parameter that
    holds it; an alarm without limit follows a condition of the controller's program. ``{name}``
    in the source stands for the name of the component that declares the alarm, so that one
    declaration serves several lasers or hoppers.
    """

    message: str
    priority: Priority
    cause: str
    consequence: str
    response: str
    action: str = "C"
    """A = trip at once, B = finish the safe step and hold, C = warn."""
    source: str = ""
    high: float | str | None = None
    low: float | str | None = None
    deadband: float = 0.0
    on_delay: float = 0.0
    off_delay: float = 0.0
    phases: tuple[str, ...] = ()
    """Phases of the program in which it can come; in others it is suppressed by design. Empty:
    always."""


@dataclass(slots=True)
class Alarm:
    """One alarm's life; `update` and the operator's acts return the states it passed into."""

    definition: AlarmDefinition
    path: str
    active: bool = False
    acknowledged: bool = True
    shelved_until: float = -inf
    suppressed: bool = False
    out_of_service: bool = False
    raised_at: float = -inf
    value: float = 0.0
    comment: str = ""
    pending_since: float | None = None
    """When the raw condition last began to differ from `active`; None while they agree."""

    @property
    def state(self) -> AlarmState:
        """The one state shown, by rank: out of service, suppressed, shelved, then the cycle."""
        if self.out_of_service:
            return AlarmState.OUT_OF_SERVICE
        if self.suppressed:
            return AlarmState.SUPPRESSED
        if self.shelved_until > -inf:
            return AlarmState.SHELVED
        if self.active:
            return AlarmState.ACKNOWLEDGED if self.acknowledged else AlarmState.UNACKNOWLEDGED
        return AlarmState.NORMAL if self.acknowledged else AlarmState.RETURNED

    @property
    def retained(self) -> bool:
        """Whether a client should still see it (Part 9 Retain)."""
        return not self.out_of_service and (self.active or not self.acknowledged)

    @property
    def acts(self) -> bool:
        """Whether its action (trip, hold) applies now."""
        return self.active and not (self.suppressed or self.out_of_service)

    def raw(self, reading: float, limit: float) -> bool:
        """Whether a reading is beyond the limit, with the deadband on the way back."""
        back = self.definition.deadband if self.active else 0.0
        if self.definition.high is not None:
            return reading > limit - back
        return reading < limit + back

    def update(self, now: float, raw: bool, value: float = 0.0) -> bool:
        """Advance to `now` (s) with the raw condition; True if what is shown changed."""
        if raw == self.active and self.pending_since is None and self.shelved_until == -inf:
            return False  # Nothing under way: most alarms, most of the time.
        before = (self.state, self.active)
        if self.shelved_until <= now:
            self.shelved_until = -inf
        if raw == self.active:
            self.pending_since = None
        else:
            if self.pending_since is None:
                self.pending_since = now
            delay = self.definition.on_delay if raw else self.definition.off_delay
            if now >= self.pending_since + delay:
                self.pending_since = None
                self.active = raw
                if raw:
                    self.acknowledged = False
                    self.raised_at = now
                    self.value = value
                    self.comment = ""
                elif self.definition.priority is Priority.LOW:
                    # A low-priority alarm that went away by itself asks nothing of anybody.
                    self.acknowledged = True
        return before != (self.state, self.active)

    def next_look(self) -> float:
        """When a running delay or shelving ends (s); infinity if none runs."""
        due = self.shelved_until if self.shelved_until > -inf else inf
        if self.pending_since is not None:
            d = self.definition
            due = min(due, self.pending_since + (d.off_delay if self.active else d.on_delay))
        return due

    def acknowledge(self, comment: str = "") -> bool:
        """Operator's acknowledgement; False if there was nothing to acknowledge."""
        if self.acknowledged:
            return False
        self.acknowledged = True
        self.comment = comment
        return True

    def shelve(self, now: float, duration: float) -> None:
        """Hide the alarm for `duration` s; `ValueError` outside 1 s to 24 h."""
        if not 1.0 <= duration <= 86_400.0:
            raise ValueError(f"shelving time must be 1 to 86400 s, not {duration:g}")
        self.shelved_until = now + duration

    def unshelve(self) -> None:
        """Show the alarm again."""
        self.shelved_until = -inf

    def store(self) -> dict[str, Any]:
        """The life so far as plain data."""
        data = asdict(self)
        del data["definition"], data["path"]
        # JSON knows no infinity; the two times are finite or minus infinity.
        return {k: None if v == -inf else v for k, v in data.items()}

    def restore(self, data: dict[str, Any]) -> None:
        """Take back what `store` gave."""
        for name, value in data.items():
            never = value is None and name in ("shelved_until", "raised_at")
            setattr(self, name, -inf if never else value)

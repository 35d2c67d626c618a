"""Signals, declared once on a component; wires, lists, screens and documents follow from them.

A plant declares ``measured``, ``actuator``, ``fault`` (and ``image``, ``series``); a controller
declares ``setpoint``, ``parameter``, ``status``, ``command`` and ``alarm``. Inside, attributes
are plain SI floats and bools; limits and start values in a declaration are in the engineering
unit that the wire shows.
"""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, ClassVar, TypeVar

from twin.alarms import AlarmDefinition
from twin.trajectory import Trajectory, revive, store
from twin.units import Unit, unit

__all__ = [
    "Component",
    "Kind",
    "Refused",
    "Signal",
    "SignalTable",
    "Value",
    "actuator",
    "alarm",
    "command",
    "diagnostic",
    "fault",
    "image",
    "measured",
    "parameter",
    "public_name",
    "series",
    "setpoint",
    "status",
]

Value = float | int | bool | str | bytes | tuple[float, ...]


class Kind(StrEnum):
    """What a signal is for; see the table in the documentation."""

    MEASURED = "measured"
    ACTUATOR = "actuator"
    STATUS = "status"
    SETPOINT = "setpoint"
    PARAMETER = "parameter"
    COMMAND = "command"
    ALARM = "alarm"
    IMAGE = "image"
    SERIES = "series"
    FAULT = "fault"
    DIAGNOSTIC = "diagnostic"


class Refused(Exception):  # noqa: N818 - it is an answer, not a defect
    """A write or a call that was not accepted; the message says why and what would be."""

    def __init__(self, reason: str, code: str = "refused") -> None:
        super().__init__(reason)
        self.code = code
        """``type``, ``range``, ``read-only``, ``unknown``, ``role`` or ``refused`` (by state)."""


@dataclass(frozen=True, slots=True)
class Signal:
    """One declaration; `path` is filled in when a component tree is walked."""

    kind: Kind
    type: type
    unit: Unit
    low: float | None
    high: float | None
    start: Value
    doc: str
    noise: float = 0.0
    """Standard deviation of a reading, engineering unit."""
    quantum: float = 0.0
    """Step of a reading, engineering unit."""
    choices: tuple[str, ...] = ()
    """Names of the values 0, 1, … of an integer."""
    length: int = 32
    """Longest text, bytes of UTF-8."""
    edge: bool = False
    """A bool that acts when it rises; a controller gives it for one scan."""
    companion: str = ""
    """Where the companion specification wants the value: a browse path below the machine."""
    fixed: bool = False
    """A setpoint or parameter that nobody can write, as nothing would follow it."""
    arguments: Mapping[str, builtins.type] = field(default_factory=dict)
    alarm: AlarmDefinition | None = None
    attribute: str = ""
    path: str = ""

    @property
    def writable(self) -> bool:
        """Whether clients may write it with the right role (actuators are a mode of their own)."""
        return self.kind in (Kind.SETPOINT, Kind.PARAMETER) and not self.fixed

    def to_si(self, value: Any) -> Any:
        """Wire value to the value inside."""
        return self.unit.to_si(value) if self.type is float else value

    def from_si(self, value: Any) -> Any:
        """Value inside to wire value."""
        return self.unit.from_si(value) if self.type is float else value

    def check(self, value: object) -> Value:
        """`value` as this signal's type and within its range, or `Refused` naming both."""
        name = self.path or self.attribute
        if self.type is bool:
            if isinstance(value, bool):
                return value
            raise Refused(f"{name} takes true or false, not {value!r}", "type")
        if self.type is str:
            if not isinstance(value, str):
                raise Refused(f"{name} takes text, not {value!r}", "type")
            if len(value.encode()) > self.length:
                raise Refused(f"{name} takes at most {self.length} bytes of text", "range")
            return value
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise Refused(f"{name} takes a number, not {value!r}", "type")
        if self.type is int and value != int(value if math.isfinite(value) else 0.5):
            raise Refused(f"{name} takes a whole number, not {value!r}", "type")
        low = -math.inf if self.low is None else self.low
        high = math.inf if self.high is None else self.high
        if not math.isfinite(value) or not low <= value <= high:
            raise Refused(
                f"{name} takes {low:g} to {high:g} {self.unit.symbol}".rstrip()
                + f", not {value!r}",
                "range",
            )
        return self.type(value)  # type: ignore[no-any-return]


def _declare(kind: Kind, what: str | type, **more: Any) -> Any:
    value_type: type = float if isinstance(what, str) else what
    start = more.pop("start", None)
    if start is None:
        start = value_type() if value_type is not tuple else ()
    if isinstance(start, int) and value_type is float:
        start = float(start)
    choices = more.get("choices", ())
    if choices:
        more.setdefault("low", 0)
        more.setdefault("high", len(choices) - 1)
    return Signal(
        kind=kind,
        type=value_type,
        unit=unit(what if isinstance(what, str) else ""),
        low=more.pop("low", None),
        high=more.pop("high", None),
        start=start,
        doc=more.pop("doc"),
        **more,
    )


def measured(what: str | type, *, doc: str, **more: Any) -> Any:
    """A sensor reading. `what` is a unit (then a float) or bool, int, str.

    More: low, high, start, noise, quantum, choices, companion (see `Signal`).
    """
    return _declare(Kind.MEASURED, what, doc=doc, **more)


def actuator(what: str | type, *, doc: str, **more: Any) -> Any:
    """What the controller drives."""
    return _declare(Kind.ACTUATOR, what, doc=doc, **more)


def fault(what: str | type, *, doc: str, **more: Any) -> Any:
    """A malfunction of the process; its start value means none."""
    return _declare(Kind.FAULT, what, doc=doc, **more)


def status(what: str | type, *, doc: str, **more: Any) -> Any:
    """Controller state, counter or text."""
    return _declare(Kind.STATUS, what, doc=doc, **more)


def setpoint(what: str | type, *, doc: str, **more: Any) -> Any:
    """A value an operator may write."""
    return _declare(Kind.SETPOINT, what, doc=doc, **more)


def parameter(what: str | type, *, doc: str, **more: Any) -> Any:
    """A value an engineer may write."""
    return _declare(Kind.PARAMETER, what, doc=doc, **more)


def diagnostic(what: str | type, *, doc: str, **more: Any) -> Any:
    """A fact about the emulation on the wall clock; outside every hash."""
    return _declare(Kind.DIAGNOSTIC, what, doc=doc, **more)


def image(*, doc: str, **more: Any) -> Any:
    """A picture, as PNG bytes."""
    return _declare(Kind.IMAGE, bytes, doc=doc, **more)


def series(what: str, *, doc: str, **more: Any) -> Any:
    """A row of numbers, such as a profile or a spectrum, in the given unit."""
    return replace(_declare(Kind.SERIES, what, doc=doc, **more), type=tuple, start=())


def alarm(*, doc: str, **definition: Any) -> Any:
    """A condition; see `AlarmDefinition` for what it takes."""
    return replace(
        _declare(Kind.ALARM, bool, doc=doc), alarm=AlarmDefinition(message=doc, **definition)
    )


_F = TypeVar("_F", bound=Callable[..., Any])


def command(**arguments: type) -> Callable[[_F], _F]:
    """Make a controller's method a command that clients may call; its docstring is its text."""

    def wrap(method: _F) -> _F:
        signal = _declare(Kind.COMMAND, str, doc=(method.__doc__ or "").strip())
        method.__signal__ = replace(signal, arguments=arguments)  # type: ignore[attr-defined]
        return method

    return wrap


def public_name(attribute: str) -> str:
    """``oxygen_top`` → ``OxygenTop``."""
    return "".join(part[:1].upper() + part[1:] for part in attribute.split("_"))


class Component:
    """A node of a machine's tree: declared signals as attributes, and named children."""

    signals: ClassVar[dict[str, Signal]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # Of all bases, so that a class may mix in what another one declares.
        merged: dict[str, Signal] = {}
        for base in reversed(cls.__mro__[1:]):
            # What it only inherits counts less than what a class before it declares anew.
            merged |= {name: signal for name, signal in vars(base).get("signals", {}).items()
                       if name in vars(base) or name not in merged}
        for name, value in list(vars(cls).items()):
            signal = value if isinstance(value, Signal) else getattr(value, "__signal__", None)
            if isinstance(signal, Signal):
                if hasattr(Component, name):
                    raise TypeError(f"{cls.__name__}: a signal cannot be called {name}")
                merged[name] = replace(signal, attribute=name)
        cls.signals = merged

    def __init__(self) -> None:
        self.children: dict[str, Component] = {}
        self.trajectories: dict[str, Trajectory] = {}
        for name, signal in self.signals.items():
            if signal.kind not in (Kind.COMMAND, Kind.ALARM):
                setattr(self, name, signal.to_si(signal.start))

    def add(self, name: str, child: _C) -> _C:
        """Make `child` part of this component under `name`."""
        if name in self.children:
            raise ValueError(f"{type(self).__name__} has a {name} already")
        self.children[name] = child
        return child

    def walk(self, prefix: str = "") -> Iterator[tuple[str, Component]]:
        """The component and all below it, each with its path."""
        yield prefix, self
        for name, child in self.children.items():
            yield from child.walk(f"{prefix}.{name}" if prefix else name)

    def follow(self, attribute: str, trajectory: Trajectory) -> None:
        """Let an attribute follow a closed form from now on."""
        self.trajectories[attribute] = trajectory

    def settle(self, attribute: str, value: Any) -> None:
        """Set an attribute and end whatever it followed."""
        self.trajectories.pop(attribute, None)
        setattr(self, attribute, value)

    def sense(self, time: float) -> None:
        """Bring the attributes that follow a closed form to `time`; changes nothing else."""
        for attribute, trajectory in self.trajectories.items():
            setattr(self, attribute, trajectory.at(time))

    def span(self, attribute: str, start: float, end: float) -> tuple[float, float]:
        """The lowest and highest value within [start, end] if no event comes between."""
        trajectory = self.trajectories.get(attribute)
        if trajectory is None:
            value = float(getattr(self, attribute))
            return value, value
        return trajectory.span(start, end)

    def driven(self, attribute: str) -> None:
        """Called after an actuator or a fault of this component changed; models react here."""

    def keep(self) -> dict[str, Any]:
        """Everything needed to go on from here, as plain data, this component only."""
        return {
            "values": {
                name: getattr(self, name)
                for name, s in self.signals.items()
                if s.kind not in (Kind.COMMAND, Kind.ALARM, Kind.IMAGE, Kind.DIAGNOSTIC)
                and name not in self.trajectories
            },
            "trajectories": {name: store(t) for name, t in self.trajectories.items()},
            "hidden": self.hidden_state(),
        }

    def hidden_state(self) -> dict[str, Any]:
        """State that no signal shows; override together with `restore_hidden`."""
        return {}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        """Take back what `hidden_state` gave."""

    def restore(self, state: dict[str, Any]) -> None:
        """Take back what `keep` gave."""
        for name, value in state["values"].items():
            kind = self.signals[name].type
            setattr(self, name, tuple(value) if kind is tuple else value)
        self.trajectories = {name: revive(t) for name, t in state["trajectories"].items()}
        self.restore_hidden(state["hidden"])


_C = TypeVar("_C", bound=Component)


class SignalTable(Mapping[str, Signal]):
    """All signals of one or more component trees by path, in declaration order."""

    def __init__(self, *roots: Component) -> None:
        self._signals: dict[str, Signal] = {}
        self.owners: dict[str, Component] = {}
        for root in roots:
            for prefix, component in root.walk():
                for name, signal in component.signals.items():
                    path = f"{prefix}.{public_name(name)}" if prefix else public_name(name)
                    if path in self._signals:
                        raise ValueError(f"two signals are called {path}")
                    own = prefix.rpartition(".")[2]
                    definition = signal.alarm and replace(
                        signal.alarm, source=signal.alarm.source.format(name=own)
                    )
                    self._signals[path] = replace(
                        signal,
                        path=path,
                        companion=signal.companion.format(name=own),
                        alarm=definition,
                    )
                    self.owners[path] = component
        self.index = {path: i for i, path in enumerate(self._signals)}

    def __getitem__(self, path: str) -> Signal:
        try:
            return self._signals[path]
        except KeyError:
            raise KeyError(f"no signal {path!r}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._signals)

    def __len__(self) -> int:
        return len(self._signals)

    def of_kind(self, *kinds: Kind) -> list[Signal]:
        """The signals of the given kinds, in order."""
        return [s for s in self._signals.values() if s.kind in kinds]

"""Signal declarations: types, ranges, units, tables, and the state of a component."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.alarms import Priority
from twin.signals import (
    Component,
    Kind,
    Refused,
    SignalTable,
    actuator,
    alarm,
    command,
    fault,
    measured,
    series,
    setpoint,
    status,
)
from twin.trajectory import Ramp
from twin.units import UNITS, unit


class Oven(Component):
    """Things to declare."""

    temperature = measured("degC", low=0, high=500, start=20, doc="temperature")
    layers = measured(int, low=0, high=100, doc="count")
    profile = series("degC", doc="profile")
    heater = actuator("W", low=0, high=1000, doc="power")
    burnt = fault(bool, doc="wire burnt")
    target = setpoint("degC", low=20, high=400, start=80, doc="target")
    on = setpoint(bool, doc="on")
    name = setpoint(str, length=4, doc="name")
    mode = status(int, choices=("off", "on"), doc="mode")

    @command(speed=float)
    def go(self, speed: float) -> str:
        """Go."""
        return f"{speed}"


class OvenAlarms(Component):
    """One alarm, for any oven."""

    hot = alarm(doc="hot", priority=Priority.LOW, cause="c", consequence="c", response="r",
                source="{name}.Temperature", high=300)


def tree() -> tuple[Component, Oven]:
    root = Component()
    alarms = root.add("Alarms", Component())
    oven = root.add("Left", Oven())
    alarms.add("Left", OvenAlarms())
    root.add("Right", Oven())
    alarms.add("Right", OvenAlarms())
    return root, oven


def test_attributes_are_si() -> None:
    _, oven = tree()
    assert oven.temperature == 293.15
    assert oven.target == 353.15
    assert Oven.signals["target"].from_si(oven.target) == pytest.approx(80)


def test_table() -> None:
    root, oven = tree()
    table = SignalTable(root)
    assert table["Left.Temperature"].path == "Left.Temperature"
    assert table.owners["Left.Temperature"] is oven
    assert table["Alarms.Right.Hot"].alarm.source == "Right.Temperature"  # type: ignore[union-attr]
    assert [s.path for s in table.of_kind(Kind.FAULT)] == ["Left.Burnt", "Right.Burnt"]
    assert table["Left.Go"].arguments == {"speed": float}
    assert [table.index[p] for p in table] == list(range(len(table)))
    with pytest.raises(KeyError, match=r"no signal 'Left\.Cold'"):
        table["Left.Cold"]
    with pytest.raises(ValueError, match="two signals"):
        SignalTable(root, root)
    with pytest.raises(ValueError, match="has a Left already"):
        root.add("Left", Oven())


def test_a_signal_cannot_hide_a_component_s_own_name() -> None:
    with pytest.raises(TypeError, match="cannot be called follow"):
        type("Bad", (Component,), {"follow": measured("m", doc="x")})


REFUSALS: list[tuple[str, Any, str, str]] = [
    ("target", "80", "type", "takes a number"),
    ("target", True, "type", "takes a number"),
    ("target", math.nan, "range", "20 to 400 degC"),
    ("target", math.inf, "range", "20 to 400 degC"),
    ("target", 400.1, "range", "20 to 400 degC, not 400.1"),
    ("target", None, "type", "takes a number"),
    ("on", 1, "type", "true or false"),
    ("name", "äää", "range", "at most 4 bytes"),
    ("name", 5, "type", "takes text"),
    ("mode", 2, "range", "0 to 1"),
    ("mode", 0.5, "type", "whole number"),
    ("mode", math.inf, "type", "whole number"),
]


@pytest.mark.parametrize(("name", "value", "code", "message"), REFUSALS)
def test_bad_values_are_refused(name: str, value: object, code: str, message: str) -> None:
    with pytest.raises(Refused, match=message) as refusal:
        Oven.signals[name].check(value)
    assert refusal.value.code == code


@given(st.floats(20, 400))
def test_good_values_pass_unchanged(value: float) -> None:
    assert Oven.signals["target"].check(value) == value


@given(st.sampled_from(list(UNITS)), st.floats(-1e9, 1e9))
def test_units_there_and_back(symbol: str, value: float) -> None:
    u = unit(symbol)
    assert u.from_si(u.to_si(value)) == pytest.approx(value, rel=1e-12, abs=1e-6 / u.factor * 1e-6)


@pytest.mark.parametrize(
    ("symbol", "value", "si"),
    [("degC", 20, 293.15), ("mbar", 1, 100), ("L/min", 60, 1e-3), ("mbar.L/s", 1, 0.1),
     ("ppm", 1, 1e-6), ("um", 1, 1e-6), ("deg", 180, math.pi), ("kWh", 1, 3.6e6)],
)
def test_units(symbol: str, value: float, si: float) -> None:
    assert unit(symbol).to_si(value) == pytest.approx(si)


def test_unece_codes() -> None:
    # OPC UA publishes these very numbers for degree Celsius and millimetre.
    assert unit("degC").unit_id == 4_408_652
    assert unit("mm").unit_id == 5_066_068
    codes = [u.code for u in UNITS.values() if u.code]
    assert len(set(codes)) == len(codes)
    with pytest.raises(KeyError, match="unknown unit 'furlong'; known"):
        unit("furlong")


def test_following_and_settling() -> None:
    _, oven = tree()
    oven.follow("temperature", Ramp(0.0, 300.0, 400.0, 1.0))
    oven.sense(25.0)
    assert oven.temperature == 325.0
    assert oven.span("temperature", 10.0, 20.0) == (310.0, 320.0)
    oven.settle("temperature", 350.0)
    oven.sense(99.0)
    assert oven.temperature == 350.0
    assert oven.span("temperature", 10.0, 20.0) == (350.0, 350.0)


def test_state_crosses_a_snapshot() -> None:
    _, oven = tree()
    oven.follow("temperature", Ramp(0.0, 300.0, 400.0, 1.0))
    oven.profile = (1.0, 2.0)
    oven.name = "ab"
    other = Oven()
    other.restore(json.loads(json.dumps(oven.keep())))
    other.sense(7.0)
    assert other.temperature == 307.0
    assert other.profile == (1.0, 2.0)
    assert other.keep() == oven.keep()


def test_a_class_may_mix_in_what_others_declare() -> None:
    class Base(Component):
        speed = measured("m/s", low=0, high=1, doc="base")

    class Fast(Base):
        speed = measured("m/s", low=0, high=9, doc="faster")

    class Hot(Base):
        heat = measured("W", low=0, high=5, doc="hot")

    class Both(Fast, Hot):
        light = measured(bool, doc="own")

    assert list(Both.signals) == ["speed", "heat", "light"]
    assert Both.signals["speed"].doc == "faster"

    class Other(Hot, Fast):
        """The other way round: as an attribute, too, the speed is the faster one."""

    assert Other.signals["speed"].doc == Other.speed.doc == "faster"

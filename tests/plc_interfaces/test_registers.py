"""Register tables: allocation only ever adds, the CSV form, its errors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plc_interfaces.allocation import allocate
from plc_interfaces.registers import (
    INSTANCES,
    RegisterMap,
    Table,
    load_table,
    template,
)
from plc_interfaces.tables import table_of
from tests.fakes import FakeHost
from twin.signals import Component, SignalTable, actuator, command, measured, setpoint, status

EMPTY = RegisterMap((), "machine.csv")


def machine(declared: list[tuple[str, str, str]]) -> SignalTable:
    """A machine from (component, signal, what it is)."""

    def call(self: object, number: int, text: str) -> str:
        """Do it."""
        return f"{number}{text}"

    makers: dict[str, Callable[[], object]] = {
        "float": lambda: measured("W", doc="a float"),
        "bool": lambda: actuator(bool, doc="a bool"),
        "text": lambda: status(str, length=9, doc="a text"),
        "int": lambda: setpoint(int, low=0, high=9, doc="an int"),
        "call": lambda: command(number=int, text=str)(call),
    }
    body: dict[str, dict[str, object]] = {}
    for component, signal, what in declared:
        # A command decorates one function, so each gets its own.
        made = makers[what]()
        body.setdefault(component, {})[f"{signal}_{what}"] = made
    root = Component()
    for name, attributes in body.items():
        root.add(name, type(name, (Component,), attributes)())
    return SignalTable(root)


declarations = st.lists(
    st.tuples(
        st.sampled_from(["Chamber", "Laser1", "Laser2", "Laser12", "Hopper3", "Laser13"]),
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from(["float", "bool", "text", "int", "call"]),
    ),
    min_size=1,
    max_size=20,
)


def addresses(registers: RegisterMap, path: str) -> tuple[object, object]:
    row = registers.locate(path)
    return row.read, row.write


@settings(max_examples=60, deadline=None)
@given(declarations, declarations)
def test_a_grown_machine_keeps_every_address(
    first: list[tuple[str, str, str]], more: list[tuple[str, str, str]]
) -> None:
    old = machine(first)
    before, _ = allocate(old, EMPTY)
    kept = {path: addresses(before, path) for path in old}
    # RegisterMap itself refuses tables in which anything overlaps.
    after, added = allocate(machine(first + more), before)
    assert {path: addresses(after, path) for path in old} == kept
    assert after.rows[: len(before.rows)] == before.rows
    assert after.rows[len(before.rows) :] == tuple(added)
    assert allocate(machine(first + more), after)[1] == []
    # A machine that lost signals does not free their registers.
    assert allocate(old, after)[0].rows == after.rows
    assert RegisterMap.parse(after.text(), "again").rows == after.rows


def test_repeated_components_have_room_from_the_start() -> None:
    one, _ = allocate(FakeHost(lasers=1).table, EMPTY)
    twelve, added = allocate(FakeHost(lasers=INSTANCES).table, one)
    assert added == []
    reads = [twelve.locate(f"Laser{k}.Power").read for k in range(1, INSTANCES + 1)]
    steps = {b.address - a.address for a, b in pairwise(reads) if a and b}
    assert len(steps) == 1
    with pytest.raises(KeyError, match="Laser13"):
        twelve.locate("Laser13.Power")


def test_template() -> None:
    assert template("Laser2.Power") == ("Laser#.Power", 2)
    assert template("Optics.Laser12.Scanner3.X") == ("Optics.Laser#.Scanner3.X", 12)
    assert template("Laser13.Power") == ("Laser13.Power", 0)
    assert template("Chamber.Oxygen1") == ("Chamber.Oxygen1", 0)


def test_a_signal_cannot_change_its_type() -> None:
    before, _ = allocate(machine([("Chamber", "a", "float")]), EMPTY)
    changed = machine([("Chamber", "a", "float")])
    changed._signals["Chamber.AFloat"] = replace(changed["Chamber.AFloat"], type=bool)
    with pytest.raises(ValueError, match=r"Chamber\.AFloat was float .* another name"):
        allocate(changed, before)


def test_signals_survive_the_table(fake_host: FakeHost, fake_registers: RegisterMap) -> None:
    back = table_of(row.signal() for row, k in fake_registers.instances() if k <= 2)
    assert set(fake_host.table) - set(back) == {"Chamber.Leak", "Chamber.View", "Chamber.Profile"}
    for path, signal in back.items():
        declared = fake_host.table[path]
        for name in ("kind", "type", "unit", "low", "high", "choices", "arguments", "path"):
            assert getattr(signal, name) == getattr(declared, name), (path, name)


def test_save_and_load(tmp_path: Path, fake_registers: RegisterMap) -> None:
    fake_registers.save("fake", tmp_path)
    assert load_table("fake", tmp_path).rows == fake_registers.rows
    assert load_table("nothing", tmp_path).rows == ()


HEADER = "path,kind,type,unit,low,high,length,read_table,read_address,write_table,write_address\n"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("A.B,measured,float,W,,,,input,70000,,", "map.csv, line 2, read_address: 0 to 65535"),
        ("A.B,measured,float,W,,,,input,,,", "line 2, read_address: 0 to 65535, not empty"),
        ("A.B,measured,float,W,,,,output,1,,", "read_table: one of coil, discrete"),
        ("A.B,sensor,float,W,,,,input,1,,", "kind: one of measured"),
        ("A.B,measured,double,W,,,,input,1,,", "type: one of float"),
        ("A.B,measured,float,furlong,,,,input,1,,", "unit: unknown unit 'furlong'"),
        ("A.B,measured,float,W,low,,,input,1,,", "low: a number, not 'low'"),
        (",measured,float,W,,,,input,1,,", "path: a signal's path"),
        ("A.B,measured,float,W,,,,input,65535,,", "A.B ends beyond input 65535"),
        ("A.B,measured,float,W,,,,input,4,,\nA.C,measured,float,W,,,,input,5,,", "overlaps A.B"),
        ("A.B,measured,float,W,,,,input,4,,\nA.B,measured,float,W,,,,input,6,,", "occurs twice"),
    ],
)
def test_errors_name_file_line_and_field(line: str, message: str) -> None:
    with pytest.raises(ValueError, match=message.replace(".", r"\.")) as caught:
        RegisterMap.parse(HEADER + line + "\n", "map.csv")
    assert str(caught.value).startswith("map.csv")


def test_missing_column() -> None:
    with pytest.raises(ValueError, match=r"map\.csv: no column .*read_address"):
        RegisterMap.parse("path,kind,type\n", "map.csv")


def test_end_counts_reserved_room(fake_registers: RegisterMap) -> None:
    last = fake_registers.locate(f"Laser{INSTANCES}.PowerDemand").write
    assert last is not None
    assert fake_registers.end(Table.HOLDING) > last.address + 1

"""The signal list."""

from __future__ import annotations

import json

import pytest

from plc_interfaces.mapping import node_id, render, signal_list
from plc_interfaces.registers import RegisterMap
from tests.fakes import FakeHost


def test_list(fake_host: FakeHost, fake_registers: RegisterMap) -> None:
    listed = signal_list("FAKE-01", fake_host.table, fake_registers)
    by_path = {item.row.path: item for item in listed}
    assert "Chamber.Leak" not in by_path
    assert by_path["Chamber.View"].row.read is None
    assert by_path["Atmosphere.OxygenLimit"].role == "operator"
    assert by_path["Atmosphere.PurgeCycles"].role == "engineer"
    assert by_path["Chamber.OxygenTop"].role == ""
    assert by_path["Chamber.FanSpeed"].role == ""
    assert by_path["Laser2.Power"].row.read == fake_registers.locate("Laser2.Power").read
    assert "Laser3" not in by_path
    assert node_id("FAKE-01", "Laser2.Power") == by_path["Laser2.Power"].node_id
    assert by_path["Laser2.Power"].node_id == "nsu=urn:amtwin:FAKE-01;s=FAKE-01.Laser2.Power"


def test_under_external_control_actuators_may_be_written(
    fake_host: FakeHost, fake_registers: RegisterMap
) -> None:
    listed = signal_list("FAKE-01", fake_host.table, fake_registers, external_control=True)
    assert {i.row.path: i.role for i in listed}["Chamber.FanSpeed"] == "operator"


def test_csv_is_a_register_map(fake_host: FakeHost, fake_registers: RegisterMap) -> None:
    listed = signal_list("FAKE-01", fake_host.table, fake_registers)
    back = RegisterMap.parse(render(listed, "csv"))
    for path in fake_host.table:
        assert (path in back) == (path in fake_registers), path
        if path in back:
            assert back.locate(path) == fake_registers.locate(path)


def test_json_and_table_agree(fake_host: FakeHost, fake_registers: RegisterMap) -> None:
    listed = signal_list("FAKE-01", fake_host.table, fake_registers)
    data = json.loads(render(listed, "json"))
    lines = render(listed, "table").splitlines()[1:]
    assert [d["path"] for d in data] == [line.split()[0] for line in lines]
    start = next(d for d in data if d["path"] == "Job.Start")
    assert start["arguments"] == {"part": "str", "layers": "int"}
    assert start["write"]["words"] == 1 + 32 + 2


def test_unknown_format() -> None:
    with pytest.raises(ValueError, match="one of table, csv, json"):
        render([], "xml")

"""Modbus clients nobody here wrote read what OPC UA shows, and write, on a real machine."""

from __future__ import annotations

import json
import struct
import subprocess
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import pytest
from pyModbusTCP.client import ModbusClient

from plc_interfaces.registers import Place, RegisterMap, Table, load_table
from tests.conftest import NODE_FOLDER
from tests.machines import Machine

Words = list[int]
Answer = list[Any] | bool | int
"""What was read; True for a write that was accepted; the code of an exception."""


def words_of(value: float) -> Words:
    return list(struct.unpack(">HH", struct.pack(">f", value)))


def number(words: Words) -> float:
    return float(struct.unpack(">f", struct.pack(">HH", *words))[0])


class PyModbusTcp:
    """The Python package pyModbusTCP."""

    def __init__(self, machine: Machine, environment: dict[str, str]) -> None:
        self.client = ModbusClient("127.0.0.1", machine.modbus_port, unit_id=1, auto_open=True)

    def read(self, place: Place, count: int) -> Answer:
        ask = {
            Table.INPUT: self.client.read_input_registers,
            Table.HOLDING: self.client.read_holding_registers,
            Table.DISCRETE: self.client.read_discrete_inputs,
            Table.COIL: self.client.read_coils,
        }[place.table]
        found: Answer = ask(place.address, count) or self.client.last_except
        return found

    def write(self, place: Place, values: Words) -> Answer:
        if place.table is Table.COIL:
            done = self.client.write_single_coil(place.address, bool(values[0]))
        else:
            done = self.client.write_multiple_registers(place.address, values)
        return True if done else self.client.last_except

    def close(self) -> None:
        self.client.close()


class ModbusSerial:
    """The npm package modbus-serial."""

    def __init__(self, machine: Machine, environment: dict[str, str]) -> None:
        self.port, self.environment = machine.modbus_port, environment

    def _ask(self, method: str, *arguments: Any) -> Answer:
        wanted = {"port": self.port, "unit": 1, "steps": [[method, *arguments]]}
        done = subprocess.run(
            ["node", str(NODE_FOLDER / "modbus_client.js"), json.dumps(wanted)],
            capture_output=True,
            text=True,
            timeout=30,
            env=self.environment,
        )
        assert done.returncode == 0, done.stderr
        (answer,) = json.loads(done.stdout)
        return int(answer["code"]) if isinstance(answer, dict) else answer

    def read(self, place: Place, count: int) -> Answer:
        method = {
            Table.INPUT: "readInputRegisters",
            Table.HOLDING: "readHoldingRegisters",
            Table.DISCRETE: "readDiscreteInputs",
            Table.COIL: "readCoils",
        }[place.table]
        answer = self._ask(method, place.address, count)
        # Bits come in whole bytes.
        return answer[:count] if isinstance(answer, list) else answer

    def write(self, place: Place, values: Words) -> Answer:
        if place.table is Table.COIL:
            return self._ask("writeCoil", place.address, bool(values[0]))
        return self._ask("writeRegisters", place.address, values)

    def close(self) -> None:
        pass


class Mbpoll:
    """The Debian program mbpoll."""

    KINDS = MappingProxyType(
        {Table.COIL: "0", Table.DISCRETE: "1", Table.INPUT: "3:hex", Table.HOLDING: "4:hex"}
    )
    CODES = MappingProxyType({"Illegal data address": 2, "Illegal data value": 3})

    def __init__(self, machine: Machine, environment: dict[str, str]) -> None:
        self.port = str(machine.modbus_port)

    def _run(self, place: Place, options: list[str], values: list[str]) -> str:
        done = subprocess.run(
            [
                "mbpoll",
                "-m",
                "tcp",
                "-p",
                self.port,
                "-a",
                "1",
                "-0",
                "-1",
                "-r",
                str(place.address),
                *options,
                "127.0.0.1",
                *values,
            ],
            capture_output=True,
            text=True,
            timeout=30,
        )
        return done.stdout + done.stderr

    def _code(self, out: str) -> int:
        return next((code for text, code in self.CODES.items() if text in out), 0)

    def read(self, place: Place, count: int) -> Answer:
        out = self._run(place, ["-t", self.KINDS[place.table], "-c", str(count)], [])
        shown = [line.split()[1] for line in out.splitlines() if line.startswith("[")]
        return [int(text, 0) for text in shown] if shown else self._code(out)

    def write(self, place: Place, values: Words) -> Answer:
        kind = self.KINDS[place.table].partition(":")[0]
        out = self._run(place, ["-t", kind], [str(int(v)) for v in values])
        return True if f"Written {len(values)} references" in out else self._code(out)

    def close(self) -> None:
        pass


@pytest.fixture(
    params=[
        pytest.param(PyModbusTcp, id="pyModbusTCP"),
        pytest.param(ModbusSerial, id="modbus-serial", marks=pytest.mark.foreign("modbus-serial")),
        pytest.param(Mbpoll, id="mbpoll", marks=pytest.mark.foreign("mbpoll")),
    ]
)
def visitor(
    request: pytest.FixtureRequest, stepped: Machine, node_environment: dict[str, str]
) -> Any:
    made: Any = request.param(stepped, node_environment)
    yield made
    made.close()


@pytest.fixture(scope="module")
def registers(machine_type: str) -> RegisterMap:
    return load_table(machine_type)


@pytest.fixture(scope="module")
def at(registers: RegisterMap) -> Callable[..., Place]:
    def place(path: str, write: bool = False) -> Place:
        row = registers.locate(path)
        found = row.write if write else row.read
        assert found is not None
        return found

    return place


async def test_reads_what_opc_ua_shows(
    stepped: Machine, visitor: Any, at: Callable[..., Place]
) -> None:
    opcua = await stepped.device("opcua", "ob")
    try:
        reading, counter = stepped.trial.reading, stepped.trial.counter
        words = visitor.read(at(reading), 2)
        assert number(words) == pytest.approx((await opcua.read(reading)).value, rel=1e-6)
        high, low = visitor.read(at(counter), 2)
        assert (high << 16) + low == (await opcua.read(counter)).value
        assert low >= 2
        alarm = stepped.trial.interlock[1]
        assert [bool(b) for b in visitor.read(at(alarm), 1)] == [(await opcua.read(alarm)).value]
        switch = stepped.trial.switch
        assert [bool(b) for b in visitor.read(at(switch, True), 1)] == [False]
        assert (await opcua.read(switch)).value is False
    finally:
        await opcua.close()


def test_writes_a_register_and_a_coil(
    stepped: Machine, visitor: Any, at: Callable[..., Place]
) -> None:
    path, good, bad = stepped.trial.setpoint
    wanted = (
        good + {"PyModbusTcp": 0.0, "ModbusSerial": 0.25, "Mbpoll": 0.5}[type(visitor).__name__]
    )
    place, switch = at(path, True), at(stepped.trial.switch, True)
    assert visitor.write(place, words_of(wanted)) is True
    stepped.step()
    assert stepped.value(path) == wanted
    assert number(visitor.read(place, 2)) == wanted
    for on in (True, False):
        assert visitor.write(switch, [int(on)]) is True
        stepped.step()
        assert stepped.value(stepped.trial.switch) is on

    assert visitor.write(place, words_of(bad)) == 3
    assert visitor.write(place, words_of(float("nan"))) == 3
    assert visitor.write(place, words_of(wanted)[:1]) == 3, "half of a value"
    assert visitor.write(Place(Table.HOLDING, 65_000), [1]) == 2, "not mapped"
    stepped.step()
    assert stepped.value(path) == wanted

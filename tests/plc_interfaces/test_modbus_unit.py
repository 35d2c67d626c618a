"""A machine's registers, without sockets."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymodbus.constants import ExcCodes

from plc_interfaces.codecs import WordOrder, decode, encode
from plc_interfaces.host import ActKind, Host
from plc_interfaces.modbus_unit import CallResult, ModbusError, ModbusUnit, WatchdogState
from plc_interfaces.registers import Place, Quality16, RegisterMap, Table
from tests.fakes import FakeHost
from twin.image import Quality
from twin.signals import Kind, Value

MAPPED = (Kind.MEASURED, Kind.ACTUATOR, Kind.STATUS, Kind.SETPOINT, Kind.PARAMETER, Kind.ALARM)


class Bench:
    """A unit and shorthands to reach it by path."""

    def __init__(self, host: FakeHost, registers: RegisterMap, **options: object) -> None:
        self.host = host
        self.registers = registers
        self.unit = ModbusUnit(host, registers, **options)  # type: ignore[arg-type]

    def place(self, path: str, write: bool = False) -> Place:
        row = self.registers.locate(path)
        place = row.write if write else row.read
        assert place is not None
        return place

    def value(self, path: str) -> Value:
        row, place = self.registers.locate(path), self.place(path)
        words = self.unit.read(place.table, place.address, row.words)
        return decode(words, row.value_type, self.unit.order)

    def put(self, path: str, value: Value) -> None:
        row, place = self.registers.locate(path), self.place(path, write=True)
        self.unit.write(
            place.table, place.address, encode(value, row.value_type, row.words, self.unit.order)
        )

    def link(self, name: str) -> int:
        row = self.registers.link(name)
        assert row is not None
        assert row.read is not None
        return self.unit.read(row.read.table, row.read.address, 1)[0]

    def beat(self, count: int) -> None:
        self.unit.write(Table.HOLDING, 0, [count])

    def refused(self, table: Table, address: int, values: Sequence[int]) -> ExcCodes:
        before = list(self.host.acts)
        with pytest.raises(ModbusError) as caught:
            self.unit.write(table, address, values)
        assert self.host.acts == before
        return caught.value.code


@pytest.fixture
def bench(fake_host: FakeHost, fake_registers: RegisterMap) -> Bench:
    return Bench(fake_host, fake_registers)


@pytest.fixture
def station(make_host: Callable[..., FakeHost], fake_registers: RegisterMap) -> Bench:
    """Under external control, with a watchdog on a clock that the test moves."""
    clock = [0.0]
    bench = Bench(
        make_host(external_control=True), fake_registers, watchdog_ms=100, clock=lambda: clock[0]
    )
    bench.clock = clock  # type: ignore[attr-defined]
    return bench


@pytest.mark.parametrize("order", WordOrder)
def test_every_value_is_that_of_the_frame(
    fake_host: FakeHost, fake_registers: RegisterMap, order: WordOrder
) -> None:
    bench = Bench(fake_host, fake_registers, order=order)
    fake_host.put("Chamber.OxygenTop", 812.5)
    fake_host.put("Laser2.Power", 285.25)
    fake_host.put("Job.Layer", 70_000)
    fake_host.put("Job.Name", "Brückenträger")
    fake_host.raise_alarm("Atmosphere.OxygenHigh")
    fake_host.step()
    for path, signal in fake_host.table.items():
        if signal.kind in MAPPED:
            assert bench.value(path) == fake_host.frame().values[fake_host.table.index[path]], path


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.sampled_from(Table), st.integers(0, 800), st.integers(1, 125))
def test_a_block_is_its_registers(bench: Bench, table: Table, address: int, count: int) -> None:
    end = bench.registers.end(table)
    if address + count > end:
        with pytest.raises(ModbusError) as caught:
            bench.unit.read(table, address, count)
        assert caught.value.code == ExcCodes.ILLEGAL_ADDRESS
    else:
        single = [bench.unit.read(table, address + k, 1)[0] for k in range(count)]
        assert bench.unit.read(table, address, count) == single


def test_gaps_read_0_and_cannot_be_written(bench: Bench) -> None:
    absent = bench.place("Laser3.PowerDemand", write=True)
    assert bench.unit.read(absent.table, absent.address, 2) == [0, 0]
    assert bench.refused(absent.table, absent.address, [0, 0]) == ExcCodes.ILLEGAL_ADDRESS


def test_a_write_becomes_an_act(bench: Bench) -> None:
    bench.put("Atmosphere.OxygenLimit", 500.0)
    bench.put("Atmosphere.PurgeCycles", 5)
    bench.put("Atmosphere.PurgeAutomatic", False)
    bench.put("Job.Recipe", "Ti64-40")
    assert [(a.kind, a.path, a.value, a.source) for a in bench.host.acts] == [
        (ActKind.WRITE, "Atmosphere.OxygenLimit", 500.0, "modbus"),
        (ActKind.WRITE, "Atmosphere.PurgeCycles", 5, "modbus"),
        (ActKind.WRITE, "Atmosphere.PurgeAutomatic", False, "modbus"),
        (ActKind.WRITE, "Job.Recipe", "Ti64-40", "modbus"),
    ]
    assert bench.value("Atmosphere.PurgeCycles") == 5


def test_rewriting_what_stands_is_no_act(bench: Bench) -> None:
    for value in (500.0, 500.0, 600.0, 600.0, 500.0):
        bench.put("Atmosphere.OxygenLimit", value)
    assert [a.value for a in bench.host.acts] == [500.0, 600.0, 500.0]
    bench.host.put("Atmosphere.OxygenLimit", 900.0)
    bench.host.step()
    bench.put("Atmosphere.OxygenLimit", 500.0)
    assert bench.host.acts[-1].value == 500.0
    assert len(bench.host.acts) == 4


@pytest.mark.parametrize("value", [9.0, 10_001.0, math.nan, math.inf, -math.inf])
def test_out_of_range(bench: Bench, value: float) -> None:
    place = bench.place("Atmosphere.OxygenLimit", write=True)
    words = encode(value, float, 2)
    assert bench.refused(place.table, place.address, words) == ExcCodes.ILLEGAL_VALUE


def test_half_a_value(bench: Bench) -> None:
    place = bench.place("Atmosphere.OxygenLimit", write=True)
    for address, words in ((0, [1]), (1, [1]), (1, [1, 0, 3])):
        code = bench.refused(place.table, place.address + address, words)
        assert code == ExcCodes.ILLEGAL_VALUE


def test_one_bad_value_stops_the_whole_request(bench: Bench) -> None:
    place = bench.place("Atmosphere.OxygenLimit", write=True)
    good, bad = encode(500.0, float, 2), encode(99, int, 2)
    assert bench.refused(place.table, place.address, good + bad) == ExcCodes.ILLEGAL_VALUE


def test_read_only_and_unmapped(bench: Bench) -> None:
    demand = bench.place("Chamber.FanSpeed", write=True)
    words = encode(50.0, float, 2)
    assert bench.refused(demand.table, demand.address, words) == ExcCodes.ILLEGAL_ADDRESS
    assert bench.refused(Table.HOLDING, 60_000, [1]) == ExcCodes.ILLEGAL_ADDRESS


def test_actuators_under_external_control(station: Bench) -> None:
    station.put("Chamber.FanSpeed", 50.0)
    station.put("Chamber.PurgeValve", True)
    assert station.value("Chamber.FanSpeed") == 50.0
    assert station.value("Chamber.PurgeValve") is True


def test_text_that_is_none(bench: Bench) -> None:
    place = bench.place("Job.Recipe", write=True)
    assert bench.refused(place.table, place.address, [0xFFFF] * 8) == ExcCodes.ILLEGAL_VALUE


def answer(bench: Bench, path: str) -> tuple[int, CallResult, str]:
    row, place = bench.registers.locate(path), bench.place(path)
    words = bench.unit.read(place.table, place.address, row.read_words)
    return words[0], CallResult(words[1]), str(decode(words[2:], str))


def test_command(bench: Bench) -> None:
    trigger = bench.place("Job.Start", write=True)
    arguments = encode("bracket", str, 32) + encode(3, int, 2)
    assert answer(bench, "Job.Start") == (0, CallResult.IDLE, "")
    bench.unit.write(trigger.table, trigger.address, [1, *arguments])
    assert answer(bench, "Job.Start") == (1, CallResult.ACCEPTED, "started bracket")
    assert bench.value("Job.State") == 1
    # The same trigger again is what a master writes in every cycle, and calls nothing.
    bench.unit.write(trigger.table, trigger.address, [1, *arguments])
    assert len(bench.host.acts) == 1
    bench.unit.write(trigger.table, trigger.address, [2])
    assert answer(bench, "Job.Start") == (2, CallResult.REFUSED, "a job is running already")
    bench.unit.write(trigger.table, trigger.address, [0])
    assert answer(bench, "Job.Start") == (0, CallResult.IDLE, "")


def test_arguments_before_the_trigger(bench: Bench) -> None:
    trigger = bench.place("Job.Start", write=True)
    layers = trigger.address + 33
    assert bench.refused(trigger.table, layers, [0]) == ExcCodes.ILLEGAL_VALUE
    bench.unit.write(trigger.table, trigger.address + 1, encode("ring", str, 32))
    bench.unit.write(trigger.table, layers, encode(8, int, 2))
    assert bench.unit.read(trigger.table, layers, 2) == encode(8, int, 2)
    bench.unit.write(trigger.table, trigger.address, [7])
    assert answer(bench, "Job.Start") == (7, CallResult.ACCEPTED, "started ring")


def test_a_call_is_pending_until_its_scan(
    make_host: Callable[..., FakeHost], fake_registers: RegisterMap
) -> None:
    bench = Bench(make_host(auto=False), fake_registers)
    trigger = bench.place("Job.Abort", write=True)
    bench.unit.write(trigger.table, trigger.address, [1])
    assert answer(bench, "Job.Abort") == (1, CallResult.PENDING, "")
    assert bench.refused(trigger.table, trigger.address, [2]) == ExcCodes.DEVICE_BUSY
    bench.host.step()
    assert answer(bench, "Job.Abort") == (1, CallResult.ACCEPTED, "aborted")


def test_quality_words(bench: Bench) -> None:
    def quality(component: str) -> int:
        row = bench.registers.component(component)
        assert row is not None
        assert row.read is not None
        return bench.unit.read(row.read.table, row.read.address, 1)[0]

    bench.host.put("Laser2.Power", 0.0, Quality.BAD)
    bench.host.put("Chamber.OxygenTop", 1.0, Quality.UNCERTAIN)
    bench.host.raise_alarm("Job.DoorOpen")
    bench.host.step()
    assert quality("Laser1") == Quality16.PRESENT
    assert quality("Laser2") == Quality16.PRESENT | Quality16.BAD
    assert quality("Laser3") == 0
    assert quality("Chamber") == Quality16.PRESENT | Quality16.UNCERTAIN
    assert quality("Job") == Quality16.PRESENT | Quality16.ALARM


def test_first_out(bench: Bench) -> None:
    assert bench.link("FirstOut") == 0
    bench.host.raise_alarm("Atmosphere.OxygenHigh")
    bench.host.step()
    bench.host.raise_alarm("Job.DoorOpen")
    bench.host.step()
    assert bench.link("FirstOut") == 1 + bench.place("Atmosphere.OxygenHigh").address
    for path in ("Atmosphere.OxygenHigh", "Job.DoorOpen"):
        bench.host.raise_alarm(path, active=False)
    bench.host.step()
    assert bench.link("FirstOut") != 0, "unacknowledged alarms keep it"
    for alarm in bench.host._alarms.values():
        alarm.acknowledge()
    bench.host.step()
    assert bench.link("FirstOut") == 0


def test_heartbeat_and_time(bench: Bench) -> None:
    before = bench.link("Heartbeat")
    bench.host.step(3)
    assert bench.link("Heartbeat") == before + 3
    words = bench.unit.read(Table.INPUT, 3, 3)
    stamp = int(decode(words[:2], int)) + words[2] / 1000  # type: ignore[arg-type]
    assert stamp == pytest.approx(bench.host.frame().stamp, abs=1e-3)


def test_watchdog(station: Bench) -> None:
    unit, clock = station.unit, station.clock  # type: ignore[attr-defined]
    station.put("Chamber.FanSpeed", 50.0)
    assert unit.watchdog is WatchdogState.RUNNING
    for count in (1, 2, 3):
        station.beat(count)
        clock[0] += 0.09
        assert not unit.check_watchdog()
    station.beat(3)  # the same value is no sign of life
    clock[0] += 0.05
    assert unit.check_watchdog()
    assert not unit.check_watchdog(), "it trips once"
    assert station.link("Watchdog") == WatchdogState.TRIPPED
    assert station.value("Chamber.FanSpeed") == 0.0
    station.beat(4)
    assert station.link("Watchdog") == WatchdogState.RUNNING
    station.put("Chamber.FanSpeed", 50.0)
    assert station.value("Chamber.FanSpeed") == 50.0


def test_without_heartbeats_any_write_is_a_sign_of_life(station: Bench) -> None:
    unit, clock = station.unit, station.clock  # type: ignore[attr-defined]
    clock[0] += 10.0
    assert not unit.check_watchdog(), "it waits for the client's first write"
    for _ in range(3):
        station.put("Chamber.FanSpeed", 50.0)
        clock[0] += 0.09
        assert not unit.check_watchdog()
    clock[0] += 0.09
    assert unit.check_watchdog()


def test_watchdog_only_under_external_control(
    fake_host: FakeHost, fake_registers: RegisterMap
) -> None:
    def never(_: Host) -> None:
        raise AssertionError

    bench = Bench(fake_host, fake_registers, watchdog_ms=1, on_watchdog=never, clock=lambda: 1e9)
    bench.beat(1)
    assert bench.link("Watchdog") == WatchdogState.OFF
    assert not bench.unit.check_watchdog()


def test_a_machine_without_its_registers(fake_host: FakeHost) -> None:
    with pytest.raises(ValueError, match=r"amtwin signals fake --allocate"):
        ModbusUnit(fake_host, RegisterMap((), "fake.csv"))

"""The sequence of a PBF-LB machine: phases, hold and resume, stop, abort, clear, modes."""

from __future__ import annotations

import json

import numpy as np
import pytest

from emulators.controllers.pbf_lb_signals import PHASES
from emulators.controllers.states import MachineState as S
from plc_interfaces.host import ActKind
from tests.bench import Bench, block, program
from twin.signals import Kind, Refused

LAYER = ["recoat", "settle", "expose", "lower"]


def phases(bench: Bench) -> list[str]:
    told = [e.message for e in bench.events if e.kind == "process" and e.source == "Machine"]
    return [m.removeprefix("phase ") for m in told]


def energies(bench: Bench) -> list[float]:
    return [layer["energy_absorbed"] for layer in bench.layers()]


@pytest.fixture(scope="module")
def undisturbed() -> Bench:
    return Bench().start().finish()


def test_sequence(undisturbed: Bench) -> None:
    layers = 6
    assert phases(undisturbed) == [
        "load",
        "close",
        "purge",
        "preheat",
        *(LAYER * layers)[:-1],
        "cool",
        "unload",
        "none",
    ]
    states = [e.message for e in undisturbed.events if e.kind == "state"]
    assert states == ["preparing", "building", "completing", "finished"]
    assert undisturbed.raised() == []
    assert undisturbed.read("Job.State") == 5
    assert undisturbed.read("Feedstock.Cycle") == 1
    assert undisturbed.read("Machine.OperationCycleCounter") == 1
    hours = undisturbed.read("Machine.OperationDuration")
    assert hours * 3600 == pytest.approx(undisturbed.time, abs=1)


def test_layers_lie_on_each_other(undisturbed: Bench) -> None:
    layers = undisturbed.layers()
    assert [e["layer"] for e in layers] == [1, 2, 3, 4, 5, 6]
    assert np.allclose(np.diff([e["z"] for e in layers]), 40e-6)
    assert all(e["covered"] == 1.0 for e in layers)
    assert undisturbed.read("Platform.Z") == pytest.approx(0.2)


def test_interlocks_of_the_sequence(undisturbed: Bench) -> None:
    bench = Bench().start().to("preheat")
    limit = bench.read("Process.OxygenLimit")
    assert max(bench.read("Chamber.OxygenTop"), bench.read("Chamber.OxygenBottom")) < limit
    assert bench.read("Safety.DoorLocked")
    assert bench.read("Chiller.Flow") > 10
    bench.to("expose")
    assert bench.read("Platform.Temperature") >= bench.read("Process.PreheatTemperature") - 2.2
    assert not undisturbed.read("Safety.DoorLocked")
    assert undisturbed.read("Platform.PartTemperature") < 91


@pytest.mark.parametrize("phase", ["load", "close", "purge", "preheat", *LAYER])
def test_hold_and_resume_in_every_phase(phase: str, undisturbed: Bench) -> None:
    bench = Bench(program(temperature__preheat=313.15))
    bench.start().to(phase, 2 if phase in LAYER else 0)
    bench.job("Pause")
    assert bench.state is S.HELD
    assert bench.read("Machine.Reason") == "operator"
    assert bench.read("Job.State") == 4
    assert bench.read("Job.Substate") == 1
    bench.rest(20)
    assert not bench.plant.lasers[0].emitting
    assert bench.controller.phase == phase
    bench.job("Resume")
    bench.finish()
    assert [e["layer"] for e in bench.layers()] == [1, 2, 3, 4, 5, 6]
    assert energies(bench) == pytest.approx(energies(undisturbed), rel=0.02)
    assert all(e["covered"] == 1.0 for e in bench.layers())
    assert bench.read("Platform.Z") == pytest.approx(0.2)


@pytest.mark.parametrize("after", [0.05, 0.2, 0.4, 0.6])
def test_hold_within_a_layer_marks_the_rest_of_it(after: float) -> None:
    def built() -> Bench:
        return Bench(program([block((10e-3, 10e-3, 1.2e-4))])).start().to("expose", 1)

    straight = built().finish()
    bench = built().rest(after)
    exposure = bench.plant.scanner._exposure
    assert exposure is not None
    bench.job("Pause")
    done = exposure.tracks[0]
    progress = bench.read("Scanner.Progress")
    bench.rest(10)
    assert bench.read("Scanner.Progress") == progress
    vectors = len(exposure.layer.start)
    assert 0 <= len(done) < vectors
    bench.job("Resume")
    resumed = bench.time
    bench.until(lambda: bench.plant.scanner.busy)
    track = exposure.tracks[0]
    assert np.array_equal(track.begin[: len(done)], done.begin), "what is marked stays marked"
    assert (track.begin[len(done) :] > resumed).all()
    assert sorted(track.vector) == list(range(vectors)), "no vector twice"
    bench.finish()
    assert energies(bench) == pytest.approx(energies(straight), rel=5e-3)
    assert bench.layers()[1]["duration"] == pytest.approx(
        straight.layers()[1]["duration"], abs=0.02
    )


def test_stop_in_a_layer_finishes_it_and_cools() -> None:
    bench = Bench().start().to("expose", 2)
    bench.job("Stop")
    bench.finish()
    assert len(bench.layers()) == 3
    assert phases(bench)[-3:] == ["cool", "unload", "none"]
    assert bench.read("Job.State") == 5


@pytest.mark.parametrize("phase", ["purge", "recoat"])
def test_stop_of_what_stands_or_has_not_begun_cools_at_once(phase: str) -> None:
    bench = Bench().start().to(phase, 0)
    if phase == "recoat":
        bench.job("Pause")
    bench.job("Stop")
    assert bench.state is S.COMPLETING
    bench.finish()
    assert not bench.layers()


def test_abort_and_clear() -> None:
    bench = Bench().start().to("expose", 1)
    bench.job("Abort")
    assert bench.state is S.ABORTED
    assert not bench.plant.scanner.busy
    assert bench.read("Platform.TemperatureDemand") == 20
    with pytest.raises(Refused, match="aborted"):
        bench.job("Resume")
    bench.call("Machine.Clear")
    assert bench.state is S.IDLE
    bench.job("Clear")
    assert bench.read("Job.Orders") == "[]"
    assert bench.read("Feedstock.Cycle") == 0


def test_the_door_stays_locked_while_the_part_is_hot() -> None:
    built = program(temperature__preheat=373.15, temperature__unpack=333.15)
    bench = Bench(built).start().to("expose", 1)
    bench.job("Abort")
    bench.call("Machine.Clear")
    assert bench.plant.safety.door_locked
    bench.until(lambda: not bench.plant.safety.door_locked, 7200)
    assert bench.read("Platform.Temperature") < 60.5


def test_what_cools_down_cannot_be_held() -> None:
    bench = Bench(program(temperature__preheat=353.15, temperature__unpack=333.15))
    bench.start().to("cool")
    for wish in ("Pause", "Stop"):
        with pytest.raises(Refused, match="being completed"):
            bench.job(wish)
    bench.fault("Gas.FlowLoss", 100)
    bench.fault("Chamber.Leak", 500)
    bench.rest(10)
    assert bench.state is S.COMPLETING
    bench.finish()


def test_without_power_cooling_waits_for_the_operator() -> None:
    bench = Bench(program(temperature__preheat=353.15, temperature__unpack=333.15))
    bench.start().to("cool")
    bench.fault("Safety.PowerLoss", True)
    assert bench.state is S.SUSPENDED
    bench.fault("Safety.PowerLoss", False)
    bench.job("Resume")
    assert (bench.state, bench.controller.phase) == (S.COMPLETING, "cool")
    assert bench.plant.safety.chain_closed
    bench.rest(10)
    assert bench.read("Chiller.Flow") > 11
    bench.finish()


def test_a_hot_machine_takes_no_job() -> None:
    built = program(temperature__preheat=373.15, temperature__unpack=333.15)
    bench = Bench(built).start().to("expose", 1)
    bench.job("Abort")
    bench.call("Machine.Clear")
    bench.call("Job.StoreAndStart", "J2", bench.name)
    bench.rest(5)
    assert bench.state is S.IDLE
    assert "StartBlocked" in bench.raised()
    assert bench.layer == 1
    bench.until(lambda: bench.state is S.PREPARING, 7200)
    assert bench.read("Platform.Temperature") < 61


def test_cooling_ends_with_an_emergency_stop() -> None:
    bench = Bench(program(temperature__preheat=353.15, temperature__unpack=333.15))
    bench.start().to("cool")
    bench.fault("Safety.EmergencyStop", True)
    assert bench.state is S.ABORTED


@pytest.mark.parametrize("state", ["held", "suspended"])
def test_a_trip_while_the_job_is_interrupted_aborts_it(state: str) -> None:
    bench = Bench().start().to("expose", 1)
    if state == "held":
        bench.job("Pause")
    else:
        bench.fault("Scanner.GalvoFault", True)
        bench.to_state(S.SUSPENDED, 1)
    bench.fault("Safety.DoorForced", True)
    assert bench.state is S.ABORTED


def test_much_oxygen_ends_an_exposure_but_not_a_hold() -> None:
    bench = Bench().start().to("expose", 1)
    bench.sensor_fault("Chamber.OxygenBottom", "bias", 40_000)
    assert bench.state is S.ABORTED
    assert "OxygenDangerous" in bench.raised()
    bench = Bench().start().to("expose", 1)
    bench.job("Pause")
    bench.sensor_fault("Chamber.OxygenBottom", "bias", 40_000)
    bench.rest(5)
    assert bench.state is S.HELD
    with pytest.raises(Refused, match="oxygen above the limit at the build plane"):
        bench.job("Resume")


def test_alarm_b_while_preparing_holds_and_is_resumed() -> None:
    bench = Bench()
    bench.fault("Recoater.Jam", True)
    bench.act(ActKind.FORCE, "Recoater.FaultActive", True)
    bench.start().to_state(S.SUSPENDED, 60)
    bench.fault("Recoater.Jam", False)
    bench.act(ActKind.UNFORCE, "Recoater.FaultActive")
    bench.job("Resume")
    bench.finish()


def test_maintenance_only_from_idle() -> None:
    bench = Bench()
    bench.call("Machine.Maintenance", True)
    assert bench.state is S.MAINTENANCE
    bench.start().rest(5)
    assert bench.state is S.MAINTENANCE, "orders wait"
    with pytest.raises(Refused, match="maintenance"):
        bench.call("Machine.Maintenance", True)
    bench.call("Machine.Maintenance", False)
    bench.to_state(S.PREPARING, 5)
    with pytest.raises(Refused, match="preparing"):
        bench.call("Machine.Maintenance", True)
    with pytest.raises(Refused, match="nothing to clear"):
        bench.call("Machine.Clear")


def test_orders_are_built_one_after_the_other() -> None:
    bench = Bench().start()
    bench.call("Job.StoreAndStart", "J2", bench.name)
    bench.until(lambda: bench.controller.machine.operation_cycle_counter == 2)
    assert len(bench.layers()) == 12
    states = {o["id"]: o["state"] for o in json.loads(bench.read("Job.Orders"))}
    assert states == {"J1": 5, "J2": 5}


def test_remaining_time_is_near_the_truth() -> None:
    bench = Bench(program([block((6e-3, 6e-3, 8e-4))])).start().to("recoat", 6)
    estimate, now = bench.read("Job.RemainingTime"), bench.time
    bench.to_state(S.COMPLETING)
    assert estimate == pytest.approx(bench.time - now, rel=0.1)


def test_setpoints_work_while_building() -> None:
    bench = Bench().start().to("lower", 2)
    usual = bench.layers()[-1]
    for path, value in (
        ("LaserPower", 200),
        ("ScanSpeed", 1500),
        ("Focus", 2.0),
        ("PreheatTemperature", 60),
    ):
        bench.write(f"Process.{path}", value)
    bench.to("lower", 3)
    layer = bench.layers()[-1]
    assert layer["power_mean"] == pytest.approx(usual["power_mean"] * 200 / 285, rel=0.01)
    assert layer["duration"] < usual["duration"]
    assert layer["depth_mean"] < usual["depth_mean"]
    assert bench.read("Platform.TemperatureDemand") == 60


@pytest.mark.parametrize("field", ["atmosphere__process_flow", "atmosphere__purge_flow"])
def test_a_recipe_beyond_the_machine_is_refused(field: str) -> None:
    name = field.partition("__")[2]
    with pytest.raises(ValueError, match=rf"program block, recipe IN718: {name} takes .* L/min"):
        Bench(program(**{field: 1.5e-3 if "process" in field else 10e-3}))


def test_vacuum() -> None:
    bench = Bench(program(atmosphere__vacuum=True)).start().to("pump down")
    bench.to("expose")
    assert 20 * 60 < bench.time < 40 * 60
    assert bench.read("Chamber.Vacuum") < 0.011
    assert bench.read("Gas.Blower") == 0
    bench.to("recoat", 2)
    bench.fault("Chamber.Leak", 5)
    bench.to_state(S.SUSPENDED, 120)
    assert bench.raised() == ["VacuumLost"]
    bench.fault("Chamber.Leak", 0)
    bench.until(lambda: not bench.controller.acting("B"), 3600)
    bench.job("Resume")
    bench.finish()
    assert len(bench.layers()) == 6


@pytest.mark.parametrize("lasers", [2, 4])
def test_more_lasers_are_quicker(lasers: int) -> None:
    parts = [block((24e-3, 24e-3, 8e-5))]

    def run(number: int) -> Bench:
        return Bench(program(parts, lasers=number), lasers=number).start().finish()

    one, many = run(1), run(lasers)
    for first, second in zip(one.layers(), many.layers(), strict=True):
        assert second["duration"] < first["duration"] / (0.6 * lasers)
        assert second["energy_absorbed"] == pytest.approx(first["energy_absorbed"], rel=0.05)
    assert not many.plant.scanner.busy
    assert not any(laser.emitting for laser in many.plant.lasers)


@pytest.mark.parametrize("wavelength", [515e-9, 450e-9])
def test_green_and_blue_light_is_absorbed_better(wavelength: float) -> None:
    parts = [block((4e-3, 4e-3, 4e-5))]
    weak = {"hatch__power": 60.0, "alloy": "316L"}
    red = Bench(program(parts, **weak)).start().finish()  # type: ignore[arg-type]
    other = Bench(program(parts, wavelength=wavelength, **weak)).start().finish()  # type: ignore[arg-type]
    assert other.layers()[0]["energy_absorbed"] > 1.03 * red.layers()[0]["energy_absorbed"]


def test_every_phase_is_entered_somewhere() -> None:
    entered = set(phases(Bench().start().finish()))
    entered |= set(phases(Bench(program(atmosphere__vacuum=True)).start().to("preheat")))
    assert entered == set(PHASES)


ELSEWHERE = {  # alarms that other tests of this folder raise from causes
    "SafetyChain",
    "PowerLoss",
    "OxygenHigh",
    "OxygenBottomHigh",
    "OxygenDangerous",
    "VacuumLost",
    "GasSpeedLow",
    "FilterHigh",
    "FilterFull",
    "BlowerPowerHigh",
    "ChillerFlowLow",
    "ChillerWarm",
    "RecoaterFault",
    "RecoaterTorqueHigh",
    "ShortFeed",
    "BladeDamaged",
    "PlateCold",
    "ScannerFault",
    "Laser1.PowerLow",
    "Laser1.WindowWarm",
    "StartBlocked",
}


def test_remaining_alarms_can_come() -> None:
    bench = Bench(program([block((4e-3, 4e-3, 4e-3))])).start().to("recoat", 1)
    bench.fault("Chamber.SupplyFailure", True)
    bench.until(lambda: "PressureLow" in bench.raised(), 120)
    bench = Bench(program([block((4e-3, 4e-3, 4e-3))])).start().to("recoat", 1)
    bench.plant.recoater.powder_level = 0.103
    bench.until(lambda: "PowderLow" in bench.raised(), 400)
    bench.plant.recoater.powder_level = 0.012
    bench.to_state(S.SUSPENDED, 400)
    assert bench.raised()[-2:] == ["PowderLow", "PowderEmpty"]
    names = {p.removeprefix("Alarms.") for p in bench.controller.alarms}
    assert names == ELSEWHERE | {"PressureLow", "PowderLow", "PowderEmpty"}


def test_alarm_definitions_are_complete() -> None:
    bench = Bench(lasers=2)
    table = bench.emulator.table
    for signal in table.of_kind(Kind.ALARM):
        definition = signal.alarm
        assert definition is not None
        assert all(
            (definition.message, definition.cause, definition.consequence, definition.response)
        ), signal.path
        assert definition.action in "ABCP"
        assert set(definition.phases) <= set(PHASES)
        if definition.source:
            assert table[definition.source].kind is Kind.MEASURED
            assert (definition.high is None) != (definition.low is None)
            limit = definition.low if definition.high is None else definition.high
            if isinstance(limit, str):
                assert table[limit].writable
            else:
                source = table[definition.source]
                assert source.low is not None
                assert source.high is not None
                assert source.low < limit < source.high
    sources = [
        bench.controller.alarms[f"Alarms.Laser{i}.WindowWarm"].definition.source for i in (1, 2)
    ]
    assert sources == ["Laser1.WindowTemperature", "Laser2.WindowTemperature"]


def test_every_signal_is_driven_by_something() -> None:
    """Over a few eventful builds each reading, actuator and status takes more than one value."""
    seen: dict[str, set[object]] = {}

    def look(bench: Bench) -> None:
        bench.publish()
        for path, value in zip(bench.emulator.table, bench.emulator.frame().values, strict=True):
            seen.setdefault(path, set()).add(value)

    def follow(bench: Bench, until: S) -> Bench:
        bench.emulator.listen(lambda _: None)
        while bench.state is not until:
            bench.step()
            look(bench)
        return bench

    for built in (program(), program(atmosphere__vacuum=True)):
        bench = Bench(built)
        look(bench)
        follow(bench.start(), S.BUILDING)
        bench.write("Process.Focus", 1.0)
        bench.write("Process.DosingFactor", 2.5)
        bench.write("Process.GasSpeed", 18.0)
        bench.fault("Recoater.BladeNick", 50)
        bench.fault("Recoater.ShortFeed", 70)
        bench.fault("Chiller.CoolingLoss", 30)
        bench.to("recoat", 2)
        bench.fault("Scanner.GalvoFault", True)
        bench.fault("Recoater.Jam", True)
        follow(bench, S.SUSPENDED)
        look(bench)
        bench.fault("Scanner.GalvoFault", False)
        bench.fault("Recoater.Jam", False)
        bench.rest(5)
        look(bench)
        bench.job("Resume")
        look(bench)
        follow(bench, S.FINISHED)
        bench.fault("Safety.DoorForced", True)
        look(bench)
        bench.fault("Safety.DoorForced", False)
        bench.call("Machine.Clear")
        look(bench)
        bench.call("Machine.Maintenance", True)
        look(bench)
    kinds = (Kind.MEASURED, Kind.ACTUATOR, Kind.STATUS)
    table = Bench().emulator.table
    constant = {s.path for s in table.of_kind(*kinds) if len(seen[s.path]) < 2}
    # What says who and which, not how.
    assert constant == {
        "Feedstock.Identifier",
        "Feedstock.ReadyForProduction",
        "Job.Number",
        "Job.OrdersLimit",
    }

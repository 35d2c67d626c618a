"""Every declared fault: what it shows, in which order, what saves the build and what does not."""

from __future__ import annotations

import pytest

from emulators.controllers.states import MachineState as S
from plc_interfaces.host import ActKind
from tests.bench import Bench, block, program
from twin.signals import Kind, Refused

INF = float("inf")


def exposing(bench: Bench, layer: int = 2) -> Bench:
    """In the midst of marking a layer."""
    bench.start().to("expose", layer)
    with bench.closely():
        return bench.until(lambda: bench.plant.scanner.busy).rest(0.2)


def long_layers(**more: float) -> Bench:
    """A machine whose layers take some ten seconds to mark."""
    return Bench(program([block((16e-3, 16e-3, 2.4e-4))], hatch__speed=0.5, **more))


def test_oxygen_leak() -> None:
    bench = exposing(long_layers())
    bench.watch("Chamber.OxygenBottom", "Chamber.OxygenTop", "Chamber.Pressure")
    bench.fault("Chamber.Leak", 200)
    with bench.closely():
        bench.to_state(S.SUSPENDED, 300)
    asked = bench.time if bench.plant.chamber.purge_flow else INF
    assert asked < INF, "purge demand rises before the limit is reached"
    assert not bench.plant.scanner.busy
    assert not bench.plant.lasers[0].enable
    held = bench.time
    assert bench.departs("Chamber.OxygenBottom", 0.2) < bench.departs("Chamber.OxygenTop", 0.2)
    assert bench.departs("Chamber.Pressure", 0.2) < held
    assert bench.read("Machine.Reason").startswith("oxygen above the limit")
    with pytest.raises(Refused, match="oxygen above the limit"):
        bench.job("Resume")
    bench.fault("Chamber.Leak", 0)
    bench.until(lambda: not bench.controller.acting("B"))
    bench.job("Resume")
    bench.finish()
    assert len(bench.layers()) == 6


def test_gas_flow_loss() -> None:
    bench = exposing(long_layers())
    bench.to("expose", bench.layer + 1)
    usual = bench.layers()[-1]
    bench.watch("Gas.Speed", "Gas.FilterDifferentialPressure")
    bench.fault("Gas.FlowLoss", 70)
    with bench.closely():
        bench.to_state(S.SUSPENDED, 60)
    bench.ordered("Gas.Speed", "Gas.FilterDifferentialPressure", share=0.05)
    assert bench.raised()[0] == "GasSpeedLow"
    with pytest.raises(Refused, match="gas speed"):
        bench.job("Resume")
    # Whoever bridges the sensor builds in the plume.
    bench.act(ActKind.FORCE, "Gas.Speed", 20.0)
    bench.rest(5).job("Resume")
    bench.to("lower", bench.layer + 2)
    shrouded = bench.layers()[-1]
    assert shrouded["power_mean"] < 0.97 * usual["power_mean"]
    assert shrouded["photodiode_deviation"] > 1.5 * usual["photodiode_deviation"]
    assert shrouded["spatter"] > 1.2 * usual["spatter"]


def test_filter_clog() -> None:
    bench = Bench(program([block((4e-3, 4e-3, 4e-3))])).start().to("recoat", 2)
    bench.watch("Gas.FilterDifferentialPressure", "Gas.Speed", "Gas.BlowerPower")
    bench.fault("Gas.FilterClog", 12)
    with bench.closely():
        bench.rest(40)
    bench.ordered("Gas.FilterDifferentialPressure", "Gas.Speed", "Gas.BlowerPower")
    bench.to_state(S.SUSPENDED, 3000)
    assert bench.raised()[0] == "FilterHigh"
    assert set(bench.raised()) == {"FilterHigh", "BlowerPowerHigh", "FilterFull"}
    bench.fault("Gas.FilterClog", 1)
    bench.rest(20).job("Resume")
    bench.finish()


def test_dirty_window() -> None:
    bench = exposing(long_layers())
    bench.rest(2)
    laser = bench.plant.lasers[0]
    names = ["Photodiode", "Pyrometer", "PowerMeter", "WindowTemperature", "PoolWidth"]
    before = {n: bench.read(f"Laser1.{n}") for n in names}
    sigma = laser.sigma(20e-6)
    bench.fault("Laser1.Contamination", 25)
    bench.rest(2)
    after = {n: bench.read(f"Laser1.{n}") for n in names}
    assert after["Photodiode"] < 0.7 * before["Photodiode"]
    assert after["Pyrometer"] < before["Pyrometer"] - 30
    assert after["PowerMeter"] == pytest.approx(before["PowerMeter"], abs=5)
    assert after["PoolWidth"] < before["PoolWidth"]
    bench.rest(5)
    assert bench.read("Laser1.WindowTemperature") > before["WindowTemperature"] + 3
    laser.sense(bench.time)
    assert laser.sigma(20e-6) > sigma


def test_window_that_stays_dirty_raises_the_alarm_of_its_own_laser() -> None:
    built = program([block((40e-3, 20e-3, 1.2e-4))], lasers=2, hatch__speed=0.2)
    bench = Bench(built, lasers=2)
    bench.start().to("expose")
    bench.fault("Laser2.Contamination", 60)
    bench.until(lambda: "Laser2.WindowWarm" in bench.raised(), 600)
    assert "Laser1.WindowWarm" not in bench.raised()


@pytest.mark.parametrize(
    ("path", "value", "meter", "pool"),
    [
        ("Laser1.PowerDrift", 15, "falls", "shrinks"),
        ("Laser1.CalibrationError", -15, "stays", "shrinks"),
        ("Laser1.CalibrationError", 15, "stays", "grows"),
        ("Laser1.FocusError", 6, "stays", "changes"),
    ],
)
def test_laser_faults(path: str, value: float, meter: str, pool: str) -> None:
    bench = Bench().start().to("lower", 2)
    bench.until(lambda: bench.controller.phase == "expose")
    usual = bench.layers()[-1]
    bench.fault(path, value)
    bench.rest(0.05)
    power = bench.read("Laser1.PowerMeter")
    bench.to("lower", bench.layer + 1).to("lower", bench.layer + 1)
    layer = bench.layers()[-1]
    assert (power < 0.87 * 285) == (meter == "falls")
    # Only what the laser's own meter sees can raise its alarm.
    assert ("Laser1.PowerLow" in bench.raised()) == (meter == "falls")
    depth = layer["depth_mean"] / usual["depth_mean"]
    if pool == "changes":
        assert abs(depth - 1) > 0.1
    else:
        assert (depth < 0.95) == (pool == "shrinks")
        assert (layer["photodiode_mean"] < 0.95 * usual["photodiode_mean"]) == (pool == "shrinks")


def test_short_feed_shows_bare_metal_then_a_thick_layer() -> None:
    parts = [block((4e-3, 4e-3, 4e-3), "near"), block((4e-3, 4e-3, 4e-3), "far")]
    built = program(parts, positions=[(-0.1, 0, 0), (0.13, 0, 0)])
    bench = Bench(built).start().to("lower", 2)
    usual = bench.layers()[-1]
    bench.fault("Recoater.ShortFeed", 55)
    bench.to("expose", bench.layer).until(lambda: bench.plant.scanner.busy)
    powder = bench.plant.scanner._exposure.rows.powder  # type: ignore[union-attr]
    assert {0.0, 4e-5} == set(powder.round(9)), "full at the near part, bare at the far one"
    assert bench.read("Recoater.BedBrightness") < 65
    bench.to("lower", bench.layer + 1)
    bare = bench.layers()[-1]
    assert bare["photodiode_mean"] > 1.02 * usual["photodiode_mean"]
    # The right answer: more powder. The next layer is thick where powder was missing.
    bench.write("Process.DosingFactor", 5)
    bench.to("lower", bench.layer + 1)
    thick = bench.layers()[-1]
    assert thick["covered"] == 1.0
    assert thick["porosity"] > usual["porosity"]
    assert "ShortFeed" in bench.raised()
    bench.to("lower", bench.layer + 2)
    healed = bench.layers()[-1]
    assert healed["photodiode_mean"] == pytest.approx(usual["photodiode_mean"], rel=0.02)


def test_short_feed_left_alone_stays() -> None:
    bench = Bench().start().to("lower", 1)
    bench.fault("Recoater.ShortFeed", 60)
    bench.to("lower", 4)
    assert bench.layers()[-1]["covered"] < 1


def test_blade_nick_leaves_a_streak() -> None:
    bench = Bench().start().to("lower", 2)
    usual = bench.layers()[-1]
    bench.fault("Recoater.BladeNick", 150)
    bench.to("lower", 4)
    assert bench.read("Recoater.BedStreak") > 40
    assert "BladeDamaged" in bench.raised()
    assert bench.layers()[-1]["porosity"] > 1.2 * usual["porosity"]


def test_recoater_jam() -> None:
    bench = Bench().start().to("recoat", 2)
    with bench.closely():
        bench.rest(0.5)
        bench.watch("Recoater.Torque", "Recoater.PositionError", "Recoater.FaultActive")
        bench.fault("Recoater.Jam", True)
        bench.to_state(S.SUSPENDED, 5)
    bench.ordered("Recoater.Torque", "Recoater.FaultActive", share=0.5, floor=0.5)
    assert bench.departs("Recoater.PositionError", 0, 1.0) <= bench.departs(
        "Recoater.FaultActive", 0, 0.5
    )
    assert not bench.read("Recoater.AtHome")
    # Resuming resets the drive; while the blade is blocked that does not help.
    bench.job("Resume")
    bench.to_state(S.SUSPENDED, 60)
    bench.fault("Recoater.Jam", False)
    bench.job("Resume")
    bench.finish()
    assert len(bench.layers()) == 6


def test_recoater_crash_on_a_curled_part() -> None:
    bench = Bench(program([block((4e-3, 4e-3, 4e-4))])).start().to("lower", 2)
    bench.watch("Recoater.Torque")
    bench.plant.recoater.protrusion = 30e-6
    bench.to_state(S.SUSPENDED, 60)
    assert {"RecoaterFault", "RecoaterTorqueHigh"} <= set(bench.raised())
    crash = [e for e in bench.events if e.message == "recoater crash"]
    assert crash[0].fields["blade"] == "hard"
    bench.job("Resume")
    bench.finish()
    soft = Bench(program([block((4e-3, 4e-3, 4e-4))]), blade="soft").start().to("lower", 2)
    soft.plant.recoater.protrusion = 30e-6
    soft.finish()
    assert "RecoaterFault" not in soft.raised()


def test_chiller_loss() -> None:
    bench = exposing(long_layers())
    bench.rest(1)
    bench.watch("Chiller.SupplyTemperature", "Chiller.ReturnTemperature", "Chiller.Flow",
                "Laser1.Emitting")
    bench.fault("Chiller.CoolingLoss", 100)
    bench.rest(5)
    assert bench.departs("Chiller.ReturnTemperature", 0, 0.3) < INF
    begun = bench.time
    bench.fault("Chiller.FlowLoss", 100)
    with bench.closely():
        bench.to_state(S.ABORTED, 2)
    bench.ordered("Chiller.ReturnTemperature", "Chiller.Flow", share=0.02)
    assert bench.departs("Laser1.Emitting", 0.5) - begun < 1.0
    assert bench.read("Safety.FirstOut") == 3


def test_chiller_weakness_warns_and_stops_nothing() -> None:
    bench = Bench(program([block((4e-3, 4e-3, 2e-3))])).start().to("recoat", 1)
    bench.fault("Chiller.FlowLoss", 30)
    bench.fault("Chiller.CoolingLoss", 100)
    bench.until(lambda: {"ChillerFlowLow", "ChillerWarm"} <= set(bench.raised()), 600)
    assert bench.state is S.BUILDING


def test_galvo_fault_stops_mid_vector_and_the_layer_is_completed() -> None:
    quiet = long_layers().start().finish()
    bench = exposing(long_layers())
    bench.watch("Scanner.PositionError", "Scanner.Busy")
    bench.fault("Scanner.GalvoFault", True)
    assert not bench.plant.scanner.busy
    bench.to_state(S.SUSPENDED, 2)
    assert bench.raised() == ["ScannerFault"]
    assert bench.read("Scanner.PositionError") > 1000
    assert 0 < bench.read("Scanner.Progress") < 100
    with pytest.raises(Refused, match="scanner stopped"):
        bench.job("Resume")
    bench.fault("Scanner.GalvoFault", False)
    bench.job("Resume")
    bench.finish()
    told = bench.layers()[2]["energy_absorbed"]
    usual = quiet.layers()[2]["energy_absorbed"]
    # The vector that was cut is marked once more.
    assert usual < told < 1.1 * usual


def test_emergency_stop() -> None:
    bench = exposing(Bench())
    bench.fault("Safety.EmergencyStop", True)
    assert not bench.plant.lasers[0].emitting
    stop = next(e for e in bench.events if e.kind == "interlock")
    assert stop.message == "safety chain opened: emergency stop"
    bench.to_state(S.ABORTED, 1)
    assert bench.raised() == ["SafetyChain"]
    with pytest.raises(Refused, match="emergency stop"):
        bench.call("Machine.Clear")
    bench.fault("Safety.EmergencyStop", False)
    bench.call("Machine.Clear")
    assert bench.state is S.IDLE
    # The machine works again: outputs that the chain took away are given anew.
    bench.call("Job.StoreAndStart", "J2", bench.name)
    bench.finish()
    assert bench.layers()[-1]["depth_mean"] > 0


def test_door_opened_while_exposing() -> None:
    bench = exposing(Bench())
    bench.fault("Safety.DoorForced", True)
    bench.to_state(S.ABORTED, 1)
    assert bench.read("Safety.FirstOut") == 2
    assert not bench.read("Safety.DoorLocked")
    with pytest.raises(Refused, match="door"):
        bench.call("Machine.Clear")


def test_a_job_waits_for_the_door() -> None:
    bench = Bench()
    bench.fault("Safety.DoorForced", True)
    bench.start().rest(5)
    assert bench.state is S.IDLE
    assert "StartBlocked" in bench.raised()
    bench.fault("Safety.DoorForced", False)
    bench.call("Machine.Clear")
    bench.finish()


def test_watchdog() -> None:
    bench = exposing(Bench())
    bench.fault("Safety.WatchdogExpired", True)
    bench.to_state(S.ABORTED, 1)
    assert bench.read("Safety.FirstOut") == 5


def test_over_pressure() -> None:
    bench = exposing(long_layers())
    bench.watch("Chamber.Pressure", "Safety.ChainClosed")
    bench.fault("Chamber.RegulatorFailure", True)
    with bench.closely():
        bench.to_state(S.ABORTED, 30)
    bench.ordered("Chamber.Pressure", "Safety.ChainClosed", share=0.2)
    assert bench.read("Safety.FirstOut") == 4
    assert max(v for _, v in bench.traces["Chamber.Pressure"]) == pytest.approx(60, abs=2)


@pytest.mark.parametrize("phase", ["purge", "preheat", "recoat", "settle", "expose", "lower"])
def test_power_loss_is_survived(phase: str) -> None:
    bench = Bench(program(temperature__preheat=333.15, temperature__unpack=373.15))
    layer = 0 if phase in ("purge", "preheat") else 2
    bench.start().to(phase, layer).rest(0.1)
    part = bench.read("Platform.PartTemperature")
    bench.fault("Safety.PowerLoss", True)
    bench.to_state(S.SUSPENDED, 1)
    assert bench.raised() == ["PowerLoss"]
    assert not any((bench.plant.scanner.busy, bench.plant.chiller.run, bench.plant.gas.blower,
                    bench.plant.chamber.process_flow))
    with pytest.raises(Refused, match="safety chain"):
        bench.job("Resume")
    bench.rest(120)
    if layer:
        assert bench.read("Platform.PartTemperature") < part - 1
    bench.fault("Safety.PowerLoss", False)
    bench.job("Resume")
    bench.finish()
    assert [e["layer"] for e in bench.layers()] == [1, 2, 3, 4, 5, 6]
    assert bench.read("Platform.Z") == pytest.approx(0.2)


def test_heater_failure() -> None:
    bench = Bench(program([block((4e-3, 4e-3, 8e-3))], temperature__preheat=353.15))
    bench.start().to("recoat", 1)
    bench.fault("Platform.HeaterFailure", True)
    bench.until(lambda: "PlateCold" in bench.raised(), 3000)
    assert bench.state is S.BUILDING
    bench.fault("Platform.HeaterFailure", False)
    bench.until(lambda: not bench.controller.alarms["Alarms.PlateCold"].active, 600)


def test_every_declared_fault_changes_a_run() -> None:
    """No fault is declared for nothing: each gives another record than no fault."""

    def run(path: str = "", value: float | bool = 0) -> str:
        bench = Bench(program([block((4e-3, 4e-3, 1.2e-4))])).start().to("expose", 1)
        if path:
            bench.fault(path, value)
        else:
            bench.rest(0.05)
        bench.rest(20)
        return str(bench.emulator.trace.hexdigest)

    untouched = run()
    signals = Bench().plant.table.of_kind(Kind.FAULT)
    values = {s.path: True if s.type is bool else s.high for s in signals}
    same = [path for path, value in values.items() if run(path, value) == untouched]
    assert not same

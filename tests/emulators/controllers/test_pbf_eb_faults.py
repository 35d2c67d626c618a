"""Faults of a PBF-EB machine: signals in the order of the process, right and wrong responses."""

from __future__ import annotations

import pytest

from emulators.controllers.states import MachineState
from tests.bench import block
from tests.eb_bench import EbBench, eb_program
from twin.signals import Refused

SMALL = block((8e-3, 8e-3, 4e-4))


def building(layer: int = 1, **changes: object) -> EbBench:
    """Amid its layers, about to rake."""
    bench = EbBench(eb_program([SMALL], **changes)).start()
    return bench.to("rake", layer)


def smoked() -> EbBench:
    """A bad powder lot has smoked once."""
    bench = building()
    bench.fault("Platform.OxidisedPowder", 6.0)
    bench.to_state(MachineState.SUSPENDED, 200.0)
    return bench


# -- smoke ----------------------------------------------------------------------------------------


def test_smoke_shows_in_order() -> None:
    bench = building()
    bench.to("settle", 1)
    bench.watch("HighVoltage.PeakCurrent", "HighVoltage.ArcTrips", "Vacuum.ChamberPressure",
                "Imaging.DarkShare", "Rake.Torque", "Platform.Temperature")
    bench.fault("Platform.OxidisedPowder", 6.0)
    with bench.closely():
        bench.to_state(MachineState.SUSPENDED, 100.0)
        bench.call("Service.ChangePowder")
        bench.job("Resume")
        bench.to("melt", 1, 200.0)
    order = [
        bench.departs("HighVoltage.PeakCurrent", 0.0, 50.0),
        bench.departs("HighVoltage.ArcTrips", 0.0, 0.5),
        bench.departs("Vacuum.ChamberPressure", 0.1),
        bench.departs("Imaging.DarkShare", 0.0, 1.0),
        bench.departs("Rake.Torque", 0.0, 1.2),
        bench.departs("Platform.Temperature", 0.0, 5.0),
    ]
    assert order == sorted(order), order
    assert order[-1] < float("inf"), order
    assert "Smoke" in bench.raised()


def test_smoke_is_over_in_milliseconds_and_the_beam_is_off_in_ten() -> None:
    bench = smoked()
    happened = [e for e in bench.events if e.kind in ("interlock", "process")]
    begin = next(e.time for e in happened if e.message.startswith("smoke"))
    arcs = [e.time for e in happened if e.message == "arc trip"]
    assert arcs[0] == pytest.approx(begin)
    assert 3 <= len(arcs) <= 4
    assert arcs[-1] - begin < 10e-3
    assert bench.read("HighVoltage.Latched")
    assert not bench.plant.beams[0].emitting
    assert not bench.plant.preheater.busy


def test_the_right_response_saves_the_build() -> None:
    bench = smoked()
    bench.call("Service.ChangePowder")
    bench.job("Resume")
    bench.to("inspect", 1)
    bench.to("rake", 1)
    dark = bench.read("Imaging.DarkShare")
    assert dark > 1.0
    began = bench.to("preheat 1", 1).time
    assert bench.read("Preheat.Current") == pytest.approx(0.6 * 4.0, abs=0.2)
    assert bench.to("preheat 2", 1).time - began > 2 * 6.0
    bench.finish()
    assert bench.read("Machine.SmokeEvents") == 1
    layers = bench.layers()
    assert [layer["layer"] for layer in layers] == list(range(1, 9))
    assert all(layer["covered"] == 1.0 for layer in layers)


def test_resuming_without_finding_the_cause_ends_the_build_with_the_second_event() -> None:
    bench = smoked()
    bench.job("Resume")
    bench.to_state(MachineState.ABORTED, 1000.0)
    assert bench.read("Machine.SmokeEvents") == 2
    assert "SmokeAgain" in bench.raised()
    assert bench.layer < 8
    with pytest.raises(Refused):
        bench.job("Resume")


def test_without_raking_again_there_is_nothing_to_melt_where_it_was_blown_away() -> None:
    def next_layer(recovery: bool) -> dict[str, float]:
        bench = building()
        bench.plant.stream = _in_the_middle(bench)  # type: ignore[method-assign]
        bench.write("Process.SmokeRecovery", recovery)
        bench.fault("Platform.OxidisedPowder", 6.0)
        bench.to_state(MachineState.SUSPENDED, 200.0)
        bench.call("Service.ChangePowder")
        bench.job("Resume")
        bench.to("rake", 2, 2000.0)
        return bench.layers()[1]

    right, wrong = next_layer(True), next_layer(False)
    assert right["covered"] == 1.0
    assert wrong["covered"] < 1.0


def _in_the_middle(bench: EbBench) -> object:
    """Smoke comes where the part is."""
    usual = bench.plant.stream

    class Middle:
        def uniform(self, low: float, high: float, size: int | None = None) -> object:
            return 0.03 if size is None else (0.0, 0.0)

    return lambda name, number=0: Middle() if name == "smoke" else usual(name, number)


def test_a_bed_that_cools_smokes_and_the_alarm_comes_before() -> None:
    bench = EbBench(eb_program([block((8e-3, 8e-3, 5e-3))], preheat__fixed=True)).start()
    bench.to("rake", 1)
    bench.watch("Platform.SurfaceTemperature")
    bench.fault("Platform.ShieldDamage", 5.0)
    bench.to_state(MachineState.SUSPENDED, 3000.0)
    raised = bench.raised()
    assert raised.index("BedCold") < raised.index("Smoke")
    temperatures = [value for _, value in bench.traces["Platform.SurfaceTemperature"]]
    assert temperatures[0] - temperatures[-1] > 60.0


def test_the_machines_own_heat_model_holds_a_bed_that_a_fixed_preheat_loses() -> None:
    def coldest(fixed: bool) -> float:
        bench = EbBench(eb_program([block((8e-3, 8e-3, 1e-3))], preheat__fixed=fixed)).start()
        bench.to("rake", 1)
        bench.fault("Platform.ShieldDamage", 3.0)
        bench.to("rake", 16, 2000.0)
        return min(layer["bed_temperature"] for layer in bench.layers()[1:])

    assert coldest(False) > coldest(True) + 10.0


# -- vacuum ---------------------------------------------------------------------------------------


def test_a_leak_first_takes_the_place_of_helium_then_lifts_the_pressure_then_the_column() -> None:
    bench = building(vacuum__start_pressure=0.05)
    bench.watch("Vacuum.HeliumShare", "Vacuum.ChamberPressure", "Vacuum.ColumnPressure")
    bench.fault("Vacuum.Leak", 0.9)
    bench.to("rake", 3, 200.0)
    assert bench.read("Vacuum.ChamberPressure") == pytest.approx(4e-3, rel=0.25)
    assert bench.read("Vacuum.HeliumShare") < 70.0
    bench.fault("Vacuum.Leak", 8.0)
    bench.to_state(MachineState.SUSPENDED, 100.0)
    assert "ChamberPressureHigh" in bench.raised()
    share = bench.departs("Vacuum.HeliumShare", 0.25)
    pressure = bench.departs("Vacuum.ChamberPressure", 1.0)
    assert share < pressure


def test_mending_the_leak_saves_the_build_and_leaving_it_does_not_let_go_on() -> None:
    bench = building()
    bench.fault("Vacuum.Leak", 8.0)
    bench.to_state(MachineState.SUSPENDED, 200.0)
    with pytest.raises(Refused):
        bench.job("Resume")
    bench.call("Service.MendLeak")
    bench.rest(10.0)
    bench.job("Resume")
    bench.finish()
    assert len(bench.layers()) == 8


def test_air_in_the_column_cuts_the_high_voltage_before_any_scan_and_ends_the_job() -> None:
    bench = building()
    bench.to("melt", 1)
    bench.fault("Vacuum.ColumnLeak", 0.05)
    bench.to_state(MachineState.ABORTED, 100.0)
    relay = next(e for e in bench.events if "relay" in e.message)
    assert relay.time < bench.time
    assert "ColumnPressureHigh" in bench.raised()
    assert not bench.plant.high_voltage.ready


def test_wet_powder_makes_pump_down_slow_and_dry_powder_begins() -> None:
    bench = EbBench(eb_program([SMALL], vacuum__start_pressure=0.02)).start().to("pump down")
    bench.fault("Vacuum.WetPowder", 50.0)
    bench.rest(5500.0)
    assert bench.controller.phase == "pump down"
    assert "PumpDownSlow" in bench.raised()
    bench.job("Pause")
    bench.call("Service.ChangePowder")
    bench.job("Resume")
    bench.to("rake", 1)


def test_helium_gone_is_told_and_a_new_bottle_brings_it_back() -> None:
    bench = building(layer=3, vacuum__start_pressure=0.05)
    bench.fault("Vacuum.HeliumFailure", True)
    bench.to("rake", 4)
    assert bench.read("Vacuum.HeliumShare") < 5.0
    assert "HeliumLow" in bench.raised()
    bench.job("Pause")
    bench.call("Service.ChangeHelium")
    bench.job("Resume")
    bench.to("rake", 5)
    assert bench.read("Vacuum.HeliumShare") > 50.0


# -- gun ------------------------------------------------------------------------------------------


def test_a_dirty_insulator_holds_the_job_and_conditioning_saves_it() -> None:
    bench = building()
    bench.fault("HighVoltage.Arcing", 90.0)
    bench.to_state(MachineState.SUSPENDED, 400.0)
    assert {"ArcRateHigh", "Smoke"} & set(bench.raised())
    with pytest.raises(Refused):
        bench.job("Resume")
    bench.call("Service.ConditionGun")
    bench.rest(70.0)
    bench.job("Resume")
    bench.finish()
    assert len(bench.layers()) == 8


def test_a_single_arc_amid_melting_costs_milliseconds_and_no_vector() -> None:
    def melted(arcs: bool) -> tuple[float, float]:
        bench = building()
        bench.to("melt", 1)
        if arcs:
            bench.rest(0.05)
            bench.plant.high_voltage.arc()
        bench.to("image", 1)
        layer = bench.plant.imaging.open
        assert layer is not None
        assert float(layer.result.power.min()) > 100.0
        return layer.result.duration, float(layer.result.rows.count.sum())

    (usual, vectors), (cut, again) = melted(False), melted(True)
    assert again == vectors
    assert cut == pytest.approx(usual, abs=5e-3)


def test_a_worn_cathode_shows_in_the_bias_then_in_the_current_then_in_the_bed() -> None:
    bench = building(layer=2)
    bench.watch("Beam1.Bias", "Beam1.CurrentRatio")
    for wear in (60.0, 84.0, 94.0):
        bench.fault("Beam1.CathodeWear", wear)
        bench.to("rake", bench.layer + 1, 200.0)
    raised = bench.raised()
    assert raised.index("Beam1.CathodeWorn") < raised.index("Beam1.CurrentLow")
    energy = [layer["area_energy"] for layer in bench.layers()]
    assert energy[-1] < 0.8 * energy[1]
    bench.job("Pause")
    bench.rest(1.0)
    for work in ("ChangeCathode", "ChangeHeatShields"):
        with pytest.raises(Refused, match="hot or under vacuum"):
            bench.call(f"Service.{work}")
    bench.job("Resume")
    bench.finish()
    bench.call("Service.ChangeCathode")
    bench.call("Job.StoreAndStart", "J2", bench.name)
    bench.to("melt")
    bench.to("rake", 1, 200.0)
    assert bench.layers()[-1]["area_energy"] == pytest.approx(energy[1], rel=0.02)


def test_current_lost_on_the_way_is_seen_by_nothing_but_the_pool_and_the_image() -> None:
    bench = EbBench(eb_program([block((20e-3, 20e-3, 4e-4))])).start().to("rake", 2)
    bench.fault("Beam1.CalibrationLoss", 45.0)
    bench.to("rake", 4, 200.0)
    before, after = bench.layers()[1], bench.layers()[3]
    assert after["area_energy"] == pytest.approx(before["area_energy"], rel=0.01)
    assert after["depth_mean"] < 0.7 * before["depth_mean"]
    assert after["porosity"] > before["porosity"]
    assert after["indications"] > before["indications"]
    assert "LayerFlagged" in bench.raised()


def test_a_gap_in_the_shield_ends_the_job_before_the_next_scan() -> None:
    bench = building()
    bench.to("preheat 1", 1)
    bench.fault("HighVoltage.ShieldGap", True)
    bench.to_state(MachineState.ABORTED, 20.0)
    opened = next(e for e in bench.events if "safety chain opened" in e.message)
    assert "x-ray" in opened.message
    assert not bench.plant.high_voltage.enable


# -- rake, deflection, water ----------------------------------------------------------------------


def test_a_jammed_rake_holds_the_job_and_is_freed() -> None:
    bench = building()
    bench.watch("Rake.Torque", "Rake.PositionError")
    bench.rest(0.3)
    bench.fault("Rake.Jam", True)
    with bench.closely():
        bench.to_state(MachineState.SUSPENDED, 50.0)
    bench.ordered("Rake.Torque", "Rake.PositionError", share=0.0, floor=1.5)
    assert "RakeFault" in bench.raised()
    bench.job("Resume")
    bench.to_state(MachineState.SUSPENDED, 100.0)
    bench.call("Service.FreeRake")
    bench.job("Resume")
    bench.finish()
    assert len(bench.layers()) == 8


def test_short_feed_leaves_the_far_end_bare_and_more_powder_covers_it() -> None:
    bench = building(layer=2)
    bench.fault("Rake.ShortFeed", 60.0)
    bench.to("rake", 4, 200.0)
    assert "ShortFeed" in bench.raised()
    assert bench.layers()[-1]["covered"] < 0.95
    assert bench.read("Imaging.DarkShare") > 5.0
    bench.write("Process.DosingFactor", 4.5)
    bench.to("rake", 6, 200.0)
    assert bench.layers()[-1]["covered"] == 1.0


def test_loss_of_cooling_water_switches_the_beam_off_within_a_second() -> None:
    bench = building()
    bench.to("preheat 2", 1)
    since = bench.time
    bench.fault("Chiller.FlowLoss", 100.0)
    bench.to_state(MachineState.ABORTED, 20.0)
    off = next(e.time for e in bench.events if "safety chain opened" in e.message)
    assert off - since < 1.0
    assert not bench.plant.beams[0].emitting


def test_a_deflection_amplifier_that_fails_stops_amid_a_vector_and_the_layer_is_finished() -> None:
    bench = EbBench(eb_program([block((30e-3, 30e-3, 2e-4))])).start().to("melt", 1)
    bench.fault("Deflection.AmplifierFault", True)
    bench.to_state(MachineState.SUSPENDED, 20.0)
    assert "DeflectionFault" in bench.raised()
    bench.fault("Deflection.AmplifierFault", False)
    bench.rest(1.0)
    bench.job("Resume")
    bench.finish()
    assert len(bench.layers()) == 4


def test_beam_drift_is_told_and_opens_seams_between_two_guns() -> None:
    def porosity(drift: float) -> float:
        bench = EbBench(eb_program([SMALL], guns=2), guns=2).start().to("rake", 1)
        bench.fault("Deflection.Drift", drift)
        bench.to("rake", 3, 200.0)
        if drift:
            assert "BeamDrift" in bench.raised()
        return float(bench.layers()[-1]["porosity"])

    assert porosity(400.0) > porosity(0.0)


def test_loss_of_power_is_survived_if_it_comes_back_soon() -> None:
    bench = building()
    bench.fault("Safety.PowerLoss", True)
    bench.to_state(MachineState.SUSPENDED, 10.0)
    bench.fault("Safety.PowerLoss", False)
    bench.rest(1.0)
    bench.job("Resume")
    bench.finish()
    assert len(bench.layers()) == 8


def test_loss_of_power_while_cooling_waits_for_the_operator() -> None:
    bench = EbBench(eb_program([block((8e-3, 8e-3, 5e-5))])).start().to("cool")
    bench.rest(60.0)
    bench.fault("Safety.PowerLoss", True)
    bench.to_state(MachineState.SUSPENDED, 10.0)
    bench.fault("Safety.PowerLoss", False)
    bench.rest(1.0)
    bench.job("Resume")
    bench.rest(1.0)
    assert bench.read("Vacuum.RoughingPump")
    bench.finish()


def test_after_an_abort_the_chamber_is_vented_once_it_is_cool_and_then_opens() -> None:
    bench = building()
    bench.job("Abort")
    bench.to_state(MachineState.ABORTED, 10.0)
    bench.call("Machine.Clear")
    assert bench.read("Safety.DoorLocked")
    assert not bench.plant.vacuum.vented
    bench.until(lambda: not bench.plant.safety.door_locked, 100_000.0)
    assert bench.plant.vacuum.vented
    assert bench.plant.stage.around < 880.0
    assert not bench.plant.vacuum.vent_valve

"""Faults of powder deposition: the order of the signals, and what the right and wrong answer do."""

from __future__ import annotations

import pytest

from emulators.controllers.states import MachineState
from tests.ded_bench import DedBench, at_layer, ded_program
from twin.parts import Role

pytestmark = pytest.mark.timeout(60)


# -- dirty window: set power steady, pool and pyrometer fall, window scatters and warms ----------


def _without_regulator(layers: int = 12) -> DedBench:
    return at_layer(built=ded_program(layers=layers, laser__regulate=False))


def test_dirty_window_order_of_signals() -> None:
    bench = _without_regulator()
    bench.watch("Laser.PowerMeter", "Pool.Width", "Pool.Temperature", "Laser.WindowScatter",
                "Laser.WindowTemperature")
    # Passes are short: long enough for pool and window to answer in one of them, a contour.
    bench.until(lambda: not bench.plant.head.depositing)
    bench.until(lambda: (run := bench.plant.head._run) is not None
                and run.run.role is Role.CONTOUR)
    bench.rest(1.0)
    bench.traces = {path: [] for path in bench.traces}
    with bench.closely():
        bench.step()
        bench.fault("Laser.Contamination", 25.0)
        bench.rest(2.0)
    departs = bench.departs
    scatter, pyro = departs("Laser.WindowScatter", 0.3), departs("Pool.Temperature", 0.03)
    pool, window = departs("Pool.Width", 0.1), departs("Laser.WindowTemperature", 0.1)
    assert departs("Laser.PowerMeter", 0.02) == float("inf"), "the pick-off is blind to it"
    # Light is at once; the pool follows with its own time; the window warms slowly.
    assert scatter <= pyro <= pool < window < float("inf")


def test_the_regulator_does_not_hide_a_dirty_window() -> None:
    bench = at_layer(4)
    bench.fault("Laser.Contamination", 40.0)
    bench.to_state(MachineState.SUSPENDED, 300)
    assert "PoolSaturated" in bench.raised()
    assert "WindowDirty" in bench.raised()
    assert "WindowHot" not in bench.raised()
    # Right: change the window, go on. The layers that were finished with it stay in the record.
    bench.call("Service.ChangeWindow")
    bench.rest(60)
    bench.job("Resume")
    bench.finish()
    assert bench.late_layers("dilution") > 0.1
    assert bench.late_layers("width") > 1.6e-3


def test_going_on_with_a_dirty_window_ends_the_build() -> None:
    bench = at_layer(4)
    bench.fault("Laser.Contamination", 40.0)
    bench.to_state(MachineState.SUSPENDED, 300)
    # Wrong: the regulator is made quiet and the power raised instead of looking at the window.
    bench.write("Process.PoolRegulation", False)
    bench.write("Process.LaserPower", 1500.0)
    bench.job("Resume")
    bench.to_state(MachineState.ABORTED, 600)
    assert "WindowHot" in bench.raised() or "SafetyChain" in bench.raised()


def test_power_drift_is_seen_by_the_pick_off() -> None:
    bench = _without_regulator()
    bench.watch("Laser.PowerRatio", "Pool.Width", "Laser.WindowScatter")
    with bench.closely():
        bench.step()
        bench.fault("Laser.PowerDrift", 15.0)
        bench.rest(1.0)
    assert bench.departs("Laser.PowerRatio") < float("inf")
    assert bench.departs("Laser.WindowScatter", 0.3) == float("inf")
    bench.rest(3.0)
    assert "PowerLow" in bench.raised()


# -- powder: clog, pulsation, empty hopper -------------------------------------------------------


def test_clog_order_of_signals() -> None:
    bench = at_layer(2, ded_program(layers=30))
    bench.watch("Feeder.Hopper1.Torque", "Feeder.Hopper1.MassFlow")
    with bench.closely():
        bench.step()
        bench.fault("Feeder.Hopper1.Clog", 50.0)
        bench.rest(12.0)
    # The disc's motor feels it at once, the scales some seconds later, the surface layers later.
    bench.ordered("Feeder.Hopper1.Torque", "Feeder.Hopper1.MassFlow", share=0.2)
    bench.until(lambda: "PowderFlowLow" in bench.raised(), 100)
    assert "StandOffFar" not in bench.raised()
    bench.until(lambda: "StandOffFar" in bench.raised(), 1000)
    assert bench.layers()[-1]["catchment"] > 0, "something is still caught"


def test_clog_right_and_wrong_answer() -> None:
    right = at_layer(2, ded_program(layers=14))
    right.fault("Feeder.Hopper1.Clog", 60.0)
    right.until(lambda: "PowderFlowLow" in right.raised(), 100)
    right.job("Pause")
    right.call("Service.ClearFeeder")
    right.job("Resume")
    right.finish()
    wrong = at_layer(2, ded_program(layers=14))
    wrong.fault("Feeder.Hopper1.Clog", 60.0)
    wrong.finish()
    planned = 14 * 0.4e-3
    assert right.layers()[-1]["height"] > 0.85 * planned
    assert wrong.layers()[-1]["height"] < 0.65 * planned
    assert wrong.layers()[-1]["stand_off"] > right.layers()[-1]["stand_off"] + 1.5e-3


def test_pulsation_makes_the_bead_uneven() -> None:
    def spread(percent: float) -> float:
        bench = at_layer(2, ded_program(layers=4))
        bench.fault("Feeder.Hopper1.Pulsation", percent)
        bench.rest(4.0)
        bench.until(lambda: (run := bench.plant.head._run) is not None
                    and run.run.role is Role.CONTOUR)
        # The pass in work: what is caught goes up and down with the disc's grooves.
        run = bench.plant.head._run
        assert run is not None
        assert run.deposit is not None
        area = run.deposit.area[10:]
        return float(area.std() / area.mean())

    assert spread(40.0) > 4 * spread(0.0)


def test_empty_hopper_is_held_and_refilled() -> None:
    bench = at_layer(2)
    mass = float(bench.plant.feeder.hoppers[0].mass)
    bench.fault("Feeder.Hopper1.Missing", mass - 0.4)
    bench.rest(3.0)
    bench.fault("Feeder.Hopper1.Missing", mass - 0.025)
    bench.to_state(MachineState.SUSPENDED, 300)
    raised = bench.raised()
    assert raised.index("PowderLow") < raised.index("PowderEmpty")
    # Wrong: resume without powder; it is held again.
    with pytest.raises(Exception, match="powder supply empty"):
        bench.job("Resume")
    bench.call("Service.Refill")
    bench.rest(2.0)
    bench.job("Resume")
    bench.finish()
    assert bench.layers()[-1]["height"] > 0.8 * 12 * 0.4e-3


# -- layer height runs away ----------------------------------------------------------------------


def test_too_far_catchment_and_shielding_are_lost_then_it_is_held() -> None:
    """A step too large for the feed: beyond the focus less is caught each layer, faster each."""
    bench = at_layer(2, ded_program(layers=60))
    bench.write("Process.LayerStep", 0.75)
    bench.to_state(MachineState.SUSPENDED, 2000)
    raised = bench.raised()
    assert raised.index("StandOffFar") < raised.index("StandOffLost")
    layers = bench.layers()[3:]
    caught = [layer["catchment"] for layer in layers]
    oxygen = [layer["oxygen"] for layer in layers]
    best = caught.index(max(caught))
    assert 0 < best < len(caught) - 3, "the focus was passed on the way"
    assert caught[-1] < 0.75 * caught[best]
    assert oxygen[-1] > 2 * oxygen[best]
    falls = [b - a for a, b in zip(caught[best:], caught[best + 1:], strict=False)]
    assert min(falls[-3:]) < 0


def test_too_near_collides_unless_the_head_goes_up() -> None:
    def overfed(step: float | None) -> DedBench:
        bench = at_layer(2, ded_program(layers=40))
        bench.fault("Head.StepError", -90.0)
        bench.until(lambda: "StandOffNear" in bench.raised(), 2000)
        if step is not None:
            bench.write("Process.LayerStep", step)
        bench.until(lambda: bench.state not in (MachineState.BUILDING,), 4000)
        return bench

    wrong = overfed(None)
    assert wrong.state is MachineState.ABORTED
    assert {"StandOffNear", "Collision", "SafetyChain"} <= set(wrong.raised())
    assert wrong.plant.safety.first_out == wrong.plant.safety.COLLISION
    # Right: steps that make up for what the axis loses.
    right = overfed(0.4 / 0.1)
    assert right.state is MachineState.COMPLETING
    assert "Collision" not in right.raised()


def test_after_a_collision_the_head_is_freed_before_the_machine_is_cleared() -> None:
    bench = at_layer(2, ded_program(layers=40))
    bench.fault("Head.StepError", -90.0)
    bench.to_state(MachineState.ABORTED, 4000)
    with pytest.raises(Exception, match="collision"):
        bench.call("Machine.Clear")
    bench.call("Service.FreeHead")
    bench.call("Machine.Clear")
    assert bench.state is MachineState.IDLE


# -- interpass temperature runs away -------------------------------------------------------------


def test_interpass_temperature_runs_away_without_adaptive_dwell() -> None:
    def hottest(adaptive: bool) -> DedBench:
        bench = at_layer(1, ded_program(layers=16, thermal__adaptive=adaptive,
                                        thermal__interpass_limit=473.15))
        bench.fault("Part.CoolingLoss", 90.0)
        bench.until(lambda: bench.state is not MachineState.BUILDING, 6000)
        return bench

    wrong, right = hottest(False), hottest(True)
    first = [layer["interpass_temperature"] for layer in wrong.layers()]
    assert first[-1] > first[3] > first[1], "up with every layer"
    assert "InterpassHigh" in wrong.raised()
    # Hot layers are wide, so the regulator takes power away.
    assert wrong.late_layers("correction") < right.late_layers("correction") - 0.02
    assert wrong.late_layers("interpass_temperature") > right.late_layers(
        "interpass_temperature") + 60
    assert right.state is MachineState.COMPLETING
    waited = sum(layer["duration"] for layer in right.layers())
    assert right.time > wrong.time
    assert waited > 0


# -- gas, water ----------------------------------------------------------------------------------


def test_shield_gas_warning_hold_and_mend_or_burn() -> None:
    bench = at_layer(2)
    bench.watch("Gas.ShieldFlow", "Gas.CarrierFlow")
    with bench.closely():
        bench.step()
        bench.fault("Gas.ShieldLoss", 30.0)
        bench.rest(4.0)
    assert bench.departs("Gas.ShieldFlow") < float("inf")
    assert bench.departs("Gas.CarrierFlow") == float("inf")
    assert "ShieldLow" in bench.raised()
    assert bench.state is MachineState.BUILDING
    bench.job("Pause")
    bench.call("Service.MendGas")
    bench.job("Resume")
    bench.finish()
    wrong = at_layer(2)
    wrong.fault("Gas.ShieldLoss", 30.0)
    wrong.rest(5.0)
    wrong.fault("Gas.ShieldLoss", 75.0)
    wrong.to_state(MachineState.ABORTED, 100)
    raised = wrong.raised()
    assert raised.index("ShieldLow") < raised.index("ShieldLost")


def test_gas_supply_out_stops_powder_before_it_settles_in_the_hose() -> None:
    bench = at_layer(2)
    bench.watch("Gas.SupplyPressure", "Gas.CarrierFlow", "Gas.ShieldFlow")
    with bench.closely():
        bench.step()
        bench.fault("Gas.SupplyFailure", True)
        bench.rest(3.0)
    assert bench.state in (MachineState.SUSPENDED, MachineState.ABORTED)
    assert bench.departs("Gas.CarrierFlow") < float("inf")


def test_chiller_loss_stops_the_laser_within_a_second() -> None:
    bench = at_layer(2)
    bench.watch("Chiller.Flow", "Laser.PowerMeter")
    with bench.closely():
        bench.step()
        bench.fault("Chiller.FlowLoss", 100.0)
        began = bench.time
        bench.rest(3.0)
    off = next(t for t, watts in bench.traces["Laser.PowerMeter"] if watts < 5)
    low = bench.departs("Chiller.Flow")
    assert low <= off < began + 1.0
    assert bench.state in (MachineState.SUSPENDED, MachineState.ABORTED)


def test_lost_refrigeration_is_held_and_goes_on() -> None:
    bench = at_layer(2, ded_program(layers=20))
    bench.watch("Chiller.ReturnTemperature", "Chiller.Flow")
    bench.fault("Chiller.CoolingLoss", 100.0)
    bench.to_state(MachineState.SUSPENDED, 600)
    assert bench.raised()[-1] == "ChillerWarm"
    bench.fault("Chiller.CoolingLoss", 0.0)
    bench.rest(300)
    bench.job("Resume")
    bench.rest(60)
    assert bench.state is MachineState.BUILDING


def test_oxygen_in_an_inert_enclosure() -> None:
    bench = at_layer(1, ded_program(recipe="Ti-6Al-4V", layers=4,
                                    atmosphere__oxygen_limit=2000e-6))
    bench.fault("Enclosure.Leak", 300.0)
    bench.to_state(MachineState.SUSPENDED, 3000)
    assert "OxygenHigh" in bench.raised()
    bench.fault("Enclosure.Leak", 0.0)
    bench.until(lambda: bench.read("Enclosure.OxygenBottom") < 1900, 6000)
    bench.job("Resume")
    bench.finish()


def test_a_drive_fault_stops_within_the_pass_which_then_goes_on() -> None:
    bench = at_layer(2)
    done = bench.plant.head.passes_done
    bench.fault("Head.DriveFault", True)
    bench.to_state(MachineState.SUSPENDED, 10)
    assert not bench.plant.head.busy
    bench.call("Service.ReferenceAxes")
    bench.rest(1.0)
    bench.job("Resume")
    bench.until(lambda: bench.plant.head.passes_done > done, 100)
    bench.finish()
    lengths = [layer["path_length"] for layer in bench.layers()]
    assert lengths[2] == pytest.approx(lengths[0], rel=0.02), "nothing was left out"

"""Faults of the rotating electrode: the order of the signals, right and wrong answers to them."""

from __future__ import annotations

from itertools import pairwise
from math import inf, log

import pytest

from emulators.controllers.states import MachineState
from tests.prep_bench import PrepBench, atomizing, prep_bench_program
from twin.powder.operations import Item
from twin.signals import Refused

pytestmark = pytest.mark.timeout(60)

LONG = {"rods__length": 0.5, "rods__count": 1}


def _atomizing(after: float = 60.0, **changes: object) -> PrepBench:
    return atomizing(prep_bench_program(**{**LONG, **changes}), after=after)


def _stopped(bench: PrepBench) -> PrepBench:
    bench.until(lambda: bench.plant.face._due is None, 600)
    return bench


# -- unbalance and bow: vibration and phase, bearing temperature, scatter of the drops ------------


def _bowing(bench: PrepBench, until: float = 10.0, step: float = 0.6) -> None:
    """A rod that bows more and more (um)."""
    bow = 0.0
    while bow < until and bench.state is MachineState.BUILDING:
        bow += step
        bench.fault("Spindle.RodBow", bow)
        bench.rest(3)


def test_bow_order_of_signals() -> None:
    bench = _atomizing()
    bench.watch("Spindle.VibrationX", "Spindle.BearingTemperature", "Canister.DropSpread",
                "Arc.Current", "Spindle.Speed")
    bench.step()
    bench.fault("Spindle.RodBow", 7.0)
    bench.rest(200)
    departs = bench.departs
    vibration, spread = departs("Spindle.VibrationX", 0.5), departs("Canister.DropSpread", 0.01)
    bearing = departs("Spindle.BearingTemperature", 0.06)
    assert vibration <= spread < bearing < inf
    assert bench.state is MachineState.BUILDING
    assert bench.raised().index("VibrationRising") >= 0


def test_bowed_rod_is_held_arc_first_then_down_without_a_stop() -> None:
    bench = _atomizing()
    bench.watch("Spindle.VibrationX", "Arc.Current", "Spindle.Speed")
    _bowing(bench, 20.0)
    assert bench.state is MachineState.SUSPENDED
    assert bench.raised()[-1] in ("VibrationXHigh", "VibrationYHigh")
    assert "VibrationRising" in bench.raised()
    _stopped(bench)
    assert bench.departs("Arc.Current", 0.5) <= bench.departs("Spindle.Speed", 0.02)
    # Down through the critical speed in one go: the monitor's level is raised for it.
    assert bench.plant.safety.chain_closed
    assert bench.plant.spindle.bow < 0.3e-6
    # Right: balance, go on, and the rod is used up.
    bench.call("Service.Balance")
    bench.job("Resume")
    bench.finish()
    assert bench.layers()[0]["stub"] == pytest.approx(50e-3, abs=1e-3)


def test_staying_with_a_bowed_rod_bends_it_further_and_trips() -> None:
    bench = _atomizing()
    bench.write("Process.VibrationLimit", 7.0)
    bench.fault("Spindle.RodBow", 10.0)
    first = bench.plant.spindle.vibration
    assert 4.5e-3 < first < 7e-3
    bench.to_state(MachineState.ABORTED, 400)
    assert bench.read("Safety.FirstOut") == bench.plant.safety.VIBRATION
    assert bench.plant.spindle.bow > 1e-6
    trip = next(e for e in bench.events if "vibration monitor" in e.message)
    assert trip.fields["vibration"] == pytest.approx(7e-3, rel=0.02)
    bench.rest(1)
    assert not bench.plant.arc.burning
    _stopped(bench)
    bench.call("Machine.Clear")
    bench.rest(2)
    assert all(op.error() < 1e-9 for op in bench.operations)


def test_controller_lets_it_run_down_without_dwelling() -> None:
    bench = _atomizing()
    bench.fault("Spindle.RodBow", 5.0)
    bench.watch("Spindle.Speed")
    bench.job("Pause")
    _stopped(bench)
    assert bench.plant.spindle.bow == 0.0
    assert bench.plant.safety.chain_closed
    assert bench.state is MachineState.HELD
    down = [v for _, v in bench.traces["Spindle.Speed"]]
    assert max(b - a for a, b in pairwise(down)) < 10


def test_vibration_scatters_the_drops() -> None:
    calm, shaken = _atomizing(), _atomizing()
    shaken.fault("Spindle.RodBow", 6.5)
    assert 3.5e-3 < shaken.plant.spindle.vibration < 4.5e-3
    scatter = []
    for bench in (calm, shaken):
        sizes = []
        for _ in range(25):
            bench.rest(1)
            sizes.append(log(bench.plant.canister.drop_size))
        mean = sum(sizes) / len(sizes)
        scatter.append((sum((s - mean) ** 2 for s in sizes) / len(sizes)) ** 0.5)
    assert scatter[1] > 3 * scatter[0]
    whole = [bench.during(20) for bench in (calm, shaken)]
    assert whole[1].d90 / whole[1].d10 > 1.05 * whole[0].d90 / whole[0].d10


# -- burn-off that crosses a critical speed -------------------------------------------------------


def _crossing(skip: bool) -> PrepBench:
    """A speed above the critical one of the whole rod and below that of its stub."""
    bench = atomizing(prep_bench_program(
        rods__length=0.5, rods__count=1, rotation__speed=9400 / 60, arc__power=120e3,
        rotation__band=0.1), after=0)
    if not skip:
        bench.write("Process.SkipBand", False)
    return bench


def test_burn_off_crosses_the_critical_speed() -> None:
    bench = _crossing(False)
    bench.fault("Spindle.Unbalance", 0.4)
    bench.watch("Spindle.VibrationX", "Spindle.Phase")
    first = bench.plant.spindle.critical()
    assert first < 9400 / 60
    bench.until(lambda: bench.state is not MachineState.BUILDING
                or bench.controller.phase != "atomize", 900)
    assert "NearCritical" in bench.raised()
    phases = [value for _, value in bench.traces["Spindle.Phase"]]
    assert max(phases) > 100 > 80 > min(p for p in phases if p > 0)
    peak = max(value for _, value in bench.traces["Spindle.VibrationX"])
    assert peak > 2 * bench.traces["Spindle.VibrationX"][0][1]


def test_skip_band_moves_the_speed_across() -> None:
    peaks = []
    for skip in (False, True):
        bench = _crossing(skip)
        bench.fault("Spindle.Unbalance", 0.4)
        bench.watch("Spindle.VibrationX", "Spindle.Speed")
        bench.to("stub", limit=900)
        shaken = bench.traces["Spindle.VibrationX"]
        peaks.append(sum(v**2 * (after - t) for (t, v), (after, _) in pairwise(shaken)))
        if skip:
            speeds = [v for _, v in bench.traces["Spindle.Speed"]]
            critical = bench.plant.spindle.critical() * 60
            assert max(speeds) > 9500
            assert speeds[-1] < critical * 0.98
            assert "SpeedOff" not in bench.raised()
    assert peaks[1] < 0.7 * peaks[0]


def test_excess_preload_brings_the_critical_speed_up_to_the_running_one() -> None:
    bench = _atomizing()
    before = bench.plant.spindle.vibration
    bench.watch("Spindle.BearingTemperature")
    bench.fault("Spindle.Preload", 380.0)
    assert bench.plant.spindle.vibration > 2 * before
    bench.until(lambda: "NearCritical" in bench.raised(), 200)
    bench.rest(60)
    worst = bench.plant.spindle.vibration
    assert bench.departs("Spindle.BearingTemperature", 0.3) < inf
    # Right: away from it.
    bench.write("Process.Speed", 27_000.0)
    bench.rest(40)
    assert bench.plant.spindle.vibration < 0.6 * worst
    assert not bench.read("Alarms.NearCritical")


def test_worn_bearing_shakes_and_runs_hot() -> None:
    bench = _atomizing(rotation__speed=30_000 / 60)
    bench.watch("Spindle.VibrationX", "Spindle.BearingTemperature",
                "Spindle.RearBearingTemperature")
    bench.step()
    bench.fault("Spindle.BearingWear", 100.0)
    bench.rest(200)
    assert bench.departs("Spindle.VibrationX", 0.3) < bench.departs(
        "Spindle.BearingTemperature", 0.1) < inf
    bench.until(lambda: "BearingTooHot" in bench.raised(), 900)
    assert bench.raised().index("BearingHot") < bench.raised().index("BearingTooHot")
    assert bench.state is MachineState.SUSPENDED
    _stopped(bench)
    bench.call("Service.ChangeBearings")
    assert bench.plant.spindle.worn == 0.0


def test_drive_that_fails_cuts_the_arc() -> None:
    bench = _atomizing()
    bench.watch("Spindle.Speed", "Arc.Current")
    bench.step()
    bench.fault("Spindle.DriveFailure", True)
    bench.to_state(MachineState.SUSPENDED, 60)
    assert bench.raised()[-1] == "SpeedOff"
    assert bench.departs("Spindle.Speed", 0.02) < bench.departs("Arc.Current", 0.5)
    _stopped(bench)
    bench.call("Service.RepairDrive")
    bench.job("Resume")
    bench.to("atomize")


# -- arc and feed ---------------------------------------------------------------------------------


def test_feed_that_slips_is_made_up_for_until_the_drive_is_at_its_end() -> None:
    bench = _atomizing(after=80)
    bench.watch("Feed.FeedRate", "Feed.StandOff", "Arc.Voltage", "Arc.Current")
    bench.step()
    bench.fault("Feed.Slip", 50.0)
    bench.rest(90)
    assert "FeedHigh" in bench.raised()
    assert bench.plant.arc.burning
    assert bench.plant.feed.gap == pytest.approx(20.3e-3, abs=2e-3)
    bench.fault("Feed.Slip", 100.0)
    bench.to_state(MachineState.SUSPENDED, 300)
    assert bench.raised()[-1] == "ArcLost"
    voltage, gone = bench.departs("Arc.Voltage", 0.1), bench.departs("Arc.Current", 0.9)
    assert voltage < gone < inf
    _stopped(bench)
    bench.call("Service.TightenRollers")
    bench.job("Resume")
    bench.to("atomize")
    bench.rest(60)
    assert bench.plant.feed.gap == pytest.approx(20.3e-3, abs=2e-3)


@pytest.mark.parametrize(("drift", "ends"), [(-25.0, "ArcLost"), (25.0, "ArcShorted")])
def test_voltage_that_drifts_takes_the_gap_along(drift: float, ends: str) -> None:
    bench = _atomizing(after=80)
    bench.watch("Feed.StandOff", "Arc.Voltage")
    bench.fault("Arc.VoltageDrift", drift / 5.0)
    bench.rest(60)
    shift = -drift / 5.0 / 935.0
    assert bench.plant.feed.gap == pytest.approx(20.3e-3 + shift, abs=1.5e-3)
    assert bench.read("Arc.Voltage") == pytest.approx(57.0, abs=1.0), "the voltage hides it"
    bench.fault("Arc.VoltageDrift", drift / 2.2)
    bench.rest(50)
    assert "GapOff" in bench.raised()
    # Right: believe the camera and correct the setpoint.
    if drift > 0:
        bench.write("Process.Voltage", 57.0 + drift / 2.2)
        bench.rest(60)
        assert bench.plant.feed.gap == pytest.approx(20.3e-3, abs=2e-3)
        bench.write("Process.Voltage", 57.0)
    # Wrong: go on by the voltage.
    bench.fault("Arc.VoltageDrift", drift * 1.2)
    bench.to_state(MachineState.SUSPENDED, 600)
    assert ends in bench.raised()


def test_worn_electrode_melts_less_and_warms_the_nozzle() -> None:
    bench = _atomizing(after=80)
    bench.watch("Feed.FeedRate", "Arc.NozzleTemperature")
    before = bench.during(10)
    bench.fault("Arc.ElectrodeWear", 60.0)
    bench.rest(100)
    after = bench.during(10)
    assert after.mass < 0.85 * before.mass
    assert "FeedLow" in bench.raised()
    assert bench.departs("Arc.NozzleTemperature", 0.02) < inf
    energy = [60e3 * 10 / lot.mass for lot in (before, after)]
    assert energy[1] > 1.15 * energy[0]


def test_plasma_gas_lost_is_the_arc_lost() -> None:
    bench = _atomizing()
    bench.fault("Arc.GasLoss", True)
    bench.to_state(MachineState.SUSPENDED, 20)
    assert bench.raised()[-1] == "ArcLost"
    _stopped(bench)
    bench.job("Resume")
    bench.to_state(MachineState.SUSPENDED, 400)
    assert bench.raised()[-1] == "ArcNotStruck", "there is still none"
    _stopped(bench)
    bench.call("Service.ChangeElectrode")
    bench.job("Resume")
    bench.to("atomize", limit=400)


def test_length_gauge_that_errs_ends_at_the_limit_switch() -> None:
    bench = atomizing(prep_bench_program(rods__count=1, rods__length=0.12), after=20)
    bench.fault("Feed.GaugeError", 45.0)
    bench.to_state(MachineState.SUSPENDED, 300)
    assert "LimitSwitch" in bench.raised()
    assert bench.plant.feed.rod.length == pytest.approx(25e-3, abs=2e-3)
    assert not bench.plant.arc.burning


def test_magazine_that_jams_holds_the_job() -> None:
    bench = PrepBench(prep_bench_program(**{**LONG, "rods__length": 0.1}))
    bench.start().to("fill")
    bench.fault("Feed.Jam", True)
    bench.to_state(MachineState.SUSPENDED, 400)
    assert bench.raised()[-1] == "NoRod"
    bench.call("Service.ClearMagazine")
    bench.job("Resume")
    bench.finish()
    assert bench.layer == 1


# -- gas and water --------------------------------------------------------------------------------


def test_leak_order_of_signals_and_powder_on_hold() -> None:
    bench = _atomizing(gas__vacuum=0.5)
    bench.watch("Chamber.Oxygen", "Arc.Current")
    clean = bench.during(10)
    bench.fault("Chamber.Leak", 40.0)
    bench.to_state(MachineState.SUSPENDED, 900)
    raised = bench.raised()
    assert raised.index("OxygenRising") < raised.index("OxygenHigh")
    assert bench.departs("Chamber.Oxygen", 0.5) < bench.departs("Arc.Current", 0.5)
    # Wrong: a higher limit and on with it; the powder takes up oxygen and is held.
    bench.write("Process.OxygenLimit", 3000.0)
    _stopped(bench)
    bench.job("Resume")
    bench.to("atomize")
    bench.rest(80)
    dirty = bench.during(10)
    assert dirty.oxygen - 800e-6 > 3 * (clean.oxygen - 800e-6)
    bench.finish()
    assert bench.lot.status == "hold"


def test_leak_mended_is_pumped_and_filled_anew() -> None:
    bench = _atomizing(gas__vacuum=0.5, rods__length=0.2)
    bench.fault("Chamber.Leak", 40.0)
    bench.to_state(MachineState.SUSPENDED, 900)
    _stopped(bench)
    bench.call("Service.MendSeals")
    bench.job("Resume")
    bench.finish()
    phases = [e.message.removeprefix("phase ") for e in bench.events
              if e.message.startswith("phase ")]
    assert phases.count("pump") == 2
    assert bench.lot.status == "new"


def test_helium_that_runs_out_makes_splats() -> None:
    bench = _atomizing(gas__helium=0.7, rotation__speed=13_000 / 60, after=40)
    bench.watch("Chamber.Helium", "Feed.StandOff")
    before = bench.plant.canister.stream.splats / bench.plant.canister.stream.melted
    bench.fault("Chamber.HeliumLoss", True)
    bench.write("Process.PurgeFlow", 300.0)
    bench.until(lambda: "HeliumLow" in bench.raised(), 600)
    first = bench.plant.canister.stream
    splats, melted = first.splats, first.melted
    bench.rest(60)
    late = bench.plant.canister.stream
    assert (late.splats - splats) / (late.melted - melted) > 1.2 * before
    assert bench.departs("Chamber.Helium", 0.05) < inf
    assert bench.plant.feed.gap > 21e-3, "argon: a longer arc at the same voltage"


@pytest.mark.parametrize(("phase", "fault", "value", "name"), [
    ("close", "Chamber.Leak", 500.0, "PumpFails"),
    ("pump", "Chamber.SupplyFailure", True, "FillFails"),
    ("rod", "Chiller.FlowLoss", 30.0, "ChillerFlowLow"),
])
def test_what_does_not_get_on_is_told(phase: str, fault: str, value: float, name: str) -> None:
    bench = PrepBench(prep_bench_program(gas__vacuum=1.0))
    bench.start().to(phase)
    bench.fault(fault, value)
    bench.until(lambda: name in bench.raised(), 7000)
    assert bench.state in (MachineState.PREPARING, MachineState.BUILDING)


def test_much_power_warms_the_gas_and_bad_drops_are_told() -> None:
    bench = _atomizing(arc__power=180e3, rods__length=1.0)
    bench.until(lambda: "ChamberHot" in bench.raised(), 400)
    bench.fault("Spindle.DriveFailure", True)
    bench.to_state(MachineState.SUSPENDED, 60)
    other = _atomizing(after=80)
    other.sensor_fault("Canister.DropSize", "bias", 40.0)
    other.until(lambda: "DropsOff" in other.raised(), 60)


def test_water_lost_cuts_the_arc_at_once_and_the_rod_is_kept() -> None:
    bench = _atomizing()
    bench.watch("Chiller.Flow", "Arc.Current", "Spindle.Speed")
    with bench.closely():
        bench.step()
        bench.fault("Chiller.FlowLoss", 100.0)
        bench.to_state(MachineState.SUSPENDED, 10)
        bench.rest(1)
    bench.ordered("Chiller.Flow", "Arc.Current", share=0.3)
    assert bench.departs("Arc.Current", 0.9) - bench.departs("Chiller.Flow", 0.3) < 1.0
    assert bench.read("Safety.FirstOut") == bench.plant.safety.COOLING_WATER
    assert "WaterLost" in bench.raised()
    _stopped(bench)
    # Right: closed until there is water again; the gas is still good, the rod is used up.
    with pytest.raises(Refused, match="keeps the safety chain open"):
        bench.job("Resume")
    assert bench.plant.chamber.true_oxygen < 200e-6
    bench.fault("Chiller.FlowLoss", 0.0)
    bench.rest(5)
    bench.job("Resume")
    bench.finish()
    assert bench.layers()[0]["stub"] == pytest.approx(50e-3, abs=1e-3)
    assert bench.lot.status == "new"


def test_power_loss_coasts_and_the_rod_is_taken_up_again() -> None:
    bench = _atomizing()
    bench.fault("Safety.PowerLoss", True)
    bench.to_state(MachineState.SUSPENDED, 5)
    bench.fault("Safety.PowerLoss", False)
    _stopped(bench)
    bench.job("Resume")
    bench.finish()
    assert all(op.error() < 1e-9 for op in bench.operations)
    kinds = [o.kind for o in bench.operations[0].outputs if isinstance(o, Item)]
    assert kinds == ["scrap", "stub"]

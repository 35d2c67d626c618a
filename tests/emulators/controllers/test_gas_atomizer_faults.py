"""Faults of a gas atomizer: which signals move first, the right answer and the wrong one."""

from __future__ import annotations

import pytest

from emulators.controllers.states import MachineState as S
from tests.atomizer_bench import AtomizerBench, Poured, first, kept, program
from twin.equipment.services import SafetyChain
from twin.powder.lot import PowderLot
from twin.signals import Refused


@pytest.fixture(scope="module")
def melting() -> Poured:
    return kept(program(), lambda b: b.to("melt").rest(20))


@pytest.fixture(scope="module")
def pouring() -> Poured:
    return kept(program(), lambda b: b.to("steady").rest(15))


@pytest.fixture(scope="module")
def dripping() -> Poured:
    return kept(program("Ti-6Al-4V"), lambda b: b.to("steady").rest(30))


# -- gas ---------------------------------------------------------------------------------------


def test_supply_pressure_drop(pouring: Poured) -> None:
    """Pressure, flow and ratio fall, then the powder is coarser; it warns."""
    bench = AtomizerBench.at(*pouring)
    bench.watch("Gas.Pressure", "Gas.Flow", "Spray.GasToMetal", "Spray.D50")
    bench.rest(1)
    bench.fault("Gas.SupplyLoss", 65.0)
    bench.rest(25)
    bench.ordered("Gas.Pressure", "Gas.Flow", "Spray.GasToMetal")
    assert bench.departs("Spray.D50", 0.05) > bench.departs("Gas.Pressure", 0.1)
    assert bench.raised() == ["GasPressureLow"]
    assert bench.state is S.BUILDING


def test_supply_lost_stops_the_pour(pouring: Poured) -> None:
    bench = AtomizerBench.at(*pouring)
    bench.fault("Gas.SupplyLoss", 97.0)
    bench.to_state(S.SUSPENDED, 60)
    assert "GasLost" in bench.raised()
    assert not bench.plant.tundish.stopper
    bench.fault("Gas.SupplyLoss", 0.0)
    bench.rest(5)
    bench.job("Resume")
    bench.finish()
    assert bench.lots()[0].status == "new"
    assert bench.lots("quarantined tail")[0].status == "hold"


def test_a_pour_does_not_begin_without_gas(melting: Poured) -> None:
    bench = AtomizerBench.at(*melting)
    bench.to("superheat")
    bench.fault("Gas.SupplyLoss", 90.0)
    bench.to("cool")
    assert bench.raised() == ["GasPressureLow"]
    bench.finish()
    assert bench.lots() == []
    assert bench.scrap()["skull"] == pytest.approx(16.0, rel=1e-3)


def test_a_tundish_that_fills_slowly_is_no_lack_of_gas() -> None:
    bench = AtomizerBench(program(nozzle__bore=1.2e-3, pour__level=0.2, charge__hold=0.0))
    bench.start()
    begun = bench.to("pour start").time
    bench.to("steady", limit=2000)
    assert bench.time - begun > 250.0
    assert bench.raised() == []


def test_weak_gas_heater(pouring: Poured) -> None:
    bench = AtomizerBench.at(*pouring)
    bench.write("Process.GasTemperature", 150.0)
    bench.rest(40)
    hot = bench.read("Gas.Temperature")
    fine = bench.read("Spray.D50")
    assert hot > 100
    bench.fault("Gas.HeaterFailure", 100.0)
    bench.rest(30)
    assert bench.read("Gas.Temperature") < hot - 40
    assert bench.read("Spray.D50") > fine
    assert "GasCold" in bench.raised()


# -- tower and filter --------------------------------------------------------------------------


def test_clogged_filter_slows_the_melt(pouring: Poured) -> None:
    """Differential pressure, tower pressure, then melt flow down and the ratio drifts up."""
    bench = AtomizerBench.at(*pouring)
    bench.watch("Separator.FilterPressure", "Tower.Pressure", "Spray.MeltFlow", "Spray.GasToMetal")
    bench.rest(1)
    bench.fault("Separator.Blinding", 85.0)
    bench.rest(30)
    bench.ordered("Separator.FilterPressure", "Tower.Pressure", "Spray.MeltFlow", share=0.015)
    assert bench.traces["Spray.GasToMetal"][-1][1] > 1.03 * bench.traces["Spray.GasToMetal"][0][1]
    assert "FilterLoaded" in bench.raised()
    # Pulses do not help a cloth that is blocked for good.
    assert bench.plant.separator.pulses > 3


def test_stuck_back_pulse(pouring: Poured) -> None:
    well, stuck = AtomizerBench.at(*pouring), AtomizerBench.at(*pouring)
    stuck.fault("Separator.PulseStuck", True)
    for bench in (well, stuck):
        bench.write("Process.FilterPulse", 4.0)
        bench.plant.separator.cake = 0.4
        bench.rest(20)
    assert well.plant.separator.cake < 0.1 < stuck.plant.separator.cake
    assert well.plant.separator.pulses > 0 == stuck.plant.separator.pulses
    assert "FilterLoaded" in stuck.raised()
    assert stuck.read("Spray.MeltFlow") < well.read("Spray.MeltFlow")


def test_filter_clog_is_held_then_tripped(pouring: Poured) -> None:
    """B at its limit; whoever raises that meets the switch that is wired, A."""
    bench = AtomizerBench.at(*pouring)
    bench.fault("Separator.Blinding", 92.0)
    bench.to_state(S.SUSPENDED, 60)
    assert bench.raised()[-1] == "FilterBlocked"
    assert not bench.plant.gas.valve
    with pytest.raises(Refused, match="fresh dust would burn"):
        bench.call("Service.ChangeFilter")
    # Wrong: on with it.
    bench.write("Process.FilterLimit", 95.0)
    bench.rest(30)
    bench.job("Resume")
    bench.to("steady", 0, 1000).fault("Separator.Blinding", 95.0)
    bench.to_state(S.ABORTED, 100)
    assert bench.plant.safety.first_out == SafetyChain.DUST_FILTER
    opened = next(e for e in bench.events if "filter differential" in e.message)
    assert opened.time % 0.05 > 1e-6, "faster than a scan"


def test_blinded_filter_is_changed_after_passivation(pouring: Poured) -> None:
    bench = AtomizerBench.at(*pouring)
    bench.write("Process.Passivation", 900.0)
    bench.fault("Separator.Blinding", 92.0)
    bench.to_state(S.SUSPENDED, 60)
    bench.job("Stop")
    bench.finish()
    assert bench.call("Service.ChangeFilter") == "filter changed"
    assert bench.plant.separator.filter_resistance == pytest.approx(1200.0)
    # What had been made when the filter blocked is a sound lot.
    assert bench.lots()[0].status == "new"
    assert bench.operations[0].error() < 1e-9


def test_outlet_that_does_not_open_trips_the_pressure_switch(pouring: Poured) -> None:
    bench = AtomizerBench.at(*pouring)
    bench.write("Process.FreezeResponse", False)
    bench.fault("Tower.OutletStuck", True)
    bench.to_state(S.ABORTED, 120)
    assert bench.plant.safety.first_out == SafetyChain.OVER_PRESSURE
    assert "PressureHigh" in bench.raised()
    # The switch was faster than a scan: it opened between two.
    opened = next(e for e in bench.events if "tower pressure switch" in e.message)
    assert opened.time % 0.05 > 1e-6


def test_jammed_rotary_valve_fills_the_cyclone(pouring: Poured) -> None:
    bench = AtomizerBench.at(*pouring)
    bench.fault("Separator.ValveJam", True)
    bench.rest(55)
    assert "RotaryValveStuck" in bench.raised()
    assert bench.plant.separator.cone > 2.0


# -- oxygen ------------------------------------------------------------------------------------


def test_air_leak_stops_the_pour(pouring: Poured) -> None:
    """Analyser A at the tower sees it before B behind the filter; what came out is on hold."""
    bench = AtomizerBench.at(*pouring)
    bench.watch("Tower.OxygenA", "Tower.OxygenB")
    bench.write("Process.OxygenLimit", 400.0)
    bench.write("Process.DisagreeLimit", 2000.0)
    bench.fault("Tower.Leak", 1500.0)
    bench.to_state(S.SUSPENDED, 120)
    a, b = (first(bench, p, lambda v: v > 300) for p in ("Tower.OxygenA", "Tower.OxygenB"))
    assert a < b
    assert bench.raised() == ["OxygenHigh"]
    assert not bench.plant.generator.enable
    assert not bench.plant.gas.valve
    bench.rest(2)
    assert bench.plant.gas.curtain > 0.0
    bench.call("Service.TightenVessel")
    bench.job("Resume")
    bench.finish()
    assert bench.lots()[0].status == "hold"


def test_disagreeing_analysers_are_a_fault(pouring: Poured) -> None:
    bench = AtomizerBench.at(*pouring)
    bench.sensor_fault("Tower.OxygenB", "bias", 900.0)
    bench.to_state(S.SUSPENDED, 60)
    assert bench.raised() == ["AnalysersDisagree"]
    assert bench.read("Pour.Quarantined") is True
    bench.rest(20)
    # Inert purge; no heat, no transport, no opening.
    plant = bench.plant
    assert plant.gas.now_curtain > 0.1
    assert plant.tower.outlet
    assert plant.generator.power < 1e-3
    assert plant.tundish.heater_power == 0.0
    assert not plant.separator.rotary_valve
    assert not plant.gas.compressor
    assert plant.safety.door_locked
    with pytest.raises(Refused, match="disagree"):
        bench.job("Resume")
    bench.sensor_fault("Tower.OxygenB", None)
    bench.rest(20)
    assert plant.gas.now_curtain == 0.0
    bench.job("Resume")
    bench.finish()
    # Whatever was made is on hold until its oxygen is tested.
    assert {lot.status for lot in bench.operations[0].outputs if isinstance(lot, PowderLot)} == {
        "hold"}


def test_a_failed_analyser_does_not_let_melt_be_poured_in_air(melting: Poured) -> None:
    """A shows nothing, B the leak: neither alone is believed."""
    bench = AtomizerBench.at(*melting)
    bench.to("superheat").sensor_fault("Tower.OxygenA", "stuck")
    bench.fault("Tower.Leak", 2000.0)
    bench.plant.tower.oxygen = 4e-3
    bench.to_state(S.SUSPENDED, 200)
    assert "AnalysersDisagree" in bench.raised()
    assert not bench.plant.generator.enable
    assert "oxygen" in bench.read("Pour.Hindrance")


def test_an_analyser_that_tells_nothing_stops_the_heat(melting: Poured) -> None:
    bench = AtomizerBench.at(*melting)
    bench.rest(60)
    bench.sensor_fault("Tower.OxygenB", "dropout")
    bench.to_state(S.SUSPENDED, 60)
    assert bench.raised() == ["AnalysersDisagree"]
    assert not bench.plant.generator.enable
    assert not bench.plant.tundish.heat


def test_a_tower_that_does_not_get_clean_is_held() -> None:
    bench = AtomizerBench(program())
    bench.start().to("fill")
    bench.fault("Tower.Leak", 2000.0)
    bench.write("Process.OxygenLimit", 5.0)
    bench.to_state(S.SUSPENDED, 2500)
    assert bench.raised()[-1] == "FillSlow"
    bench.call("Service.TightenVessel")
    bench.write("Process.OxygenLimit", 2000.0)
    bench.job("Resume")
    bench.to("melt", 0, 2000)


def test_leak_test_finds_a_leak() -> None:
    bench = AtomizerBench(program(chamber__leak_limit=0.3))
    bench.start().to("pump")
    bench.fault("Tower.Leak", 100.0)
    bench.to_state(S.SUSPENDED, 2000)
    assert bench.raised() == ["LeakFound"]
    assert bench.read("Pour.LeakRate") == pytest.approx(100.0, rel=0.2)
    bench.call("Service.TightenVessel")
    bench.job("Resume")
    bench.to("melt", 0, 3000)


# -- hard trips --------------------------------------------------------------------------------


def test_loss_of_water_cuts_the_power_within_a_second(melting: Poured) -> None:
    bench = AtomizerBench.at(*melting)
    with bench.closely():
        bench.watch("Chiller.Flow", "Generator.Power")
        bench.fault("Chiller.FlowLoss", 100.0)
        began = bench.time
        bench.rest(2.0)
    assert first(bench, "Generator.Power", lambda v: v < 0.1) < began + 1.0
    bench.ordered("Chiller.Flow", "Generator.Power", share=0.3)
    assert bench.state is S.SUSPENDED
    assert bench.plant.safety.first_out == SafetyChain.COOLING_WATER
    # Right: closed and inert until there is water again; then it is melted as if nothing had been.
    with pytest.raises(Refused, match="keeps the safety chain open"):
        bench.job("Resume")
    bench.rest(300)
    assert bench.plant.tower.oxygen < 2e-3
    assert bench.plant.safety.door_locked
    bench.fault("Chiller.FlowLoss", 0.0)
    bench.rest(5)
    bench.job("Resume")
    bench.finish()
    assert bench.lots()[0].status == "new"
    assert "WaterLost" in bench.raised()


def test_chiller_loss_is_heat_then_no_flow_then_no_power(melting: Poured) -> None:
    """Refrigeration lost: return temperature, flow, power; held, inert, and on with it after."""
    bench = AtomizerBench.at(*melting)
    bench.watch("Chiller.ReturnTemperature", "Chiller.Flow", "Generator.Power")
    bench.rest(1)
    bench.fault("Chiller.CoolingLoss", 100.0)
    bench.to_state(S.SUSPENDED, 300)
    bench.rest(1)
    warm = first(bench, "Chiller.ReturnTemperature", lambda v: v > 35)
    dry = first(bench, "Chiller.Flow", lambda v: v < 120)
    off = first(bench, "Generator.Power", lambda v: v < 0.1)
    assert warm < dry <= off < dry + 1.0
    assert "WaterLost" in bench.raised()
    bench.fault("Chiller.CoolingLoss", 0.0)
    bench.until(lambda: bool(bench.plant.safety.reset_possible), 600)
    bench.job("Resume")
    bench.finish()
    assert bench.lots()[0].status == "new"


def test_power_needs_water_and_inert_gas(melting: Poured) -> None:
    """Water below the limit but above the flow switch: no power, no trip; it goes on with water."""
    bench = AtomizerBench.at(*melting)
    bench.fault("Chiller.FlowLoss", 40.0)
    bench.rest(12)
    assert bench.read("Generator.Power") < 0.1
    assert bench.plant.energised
    assert bench.raised() == ["WaterFlowLow"]
    bench.fault("Chiller.FlowLoss", 0.0)
    bench.rest(8)
    assert bench.read("Generator.Power") > 10.0


def test_cracked_crucible_warns_and_trips(melting: Poured) -> None:
    bench = AtomizerBench.at(*melting)
    bench.watch("Crucible.EarthLeakage", "Generator.Power")
    bench.to("superheat")
    bench.fault("Crucible.Crack", True)
    bench.to_state(S.ABORTED, 60)
    assert bench.raised()[:2] == ["CrucibleAlarms.EarthLeakage", "SafetyChain"]
    assert bench.plant.safety.first_out == SafetyChain.EARTH
    assert bench.plant.generator.power == 0.0


@pytest.mark.parametrize("mended", [True, False])
def test_creeping_tilt_is_told_and_held_before_the_tundish_runs_over(mended: bool) -> None:
    """Mended at once the charge is poured after all; left alone it runs over the rim."""
    bench = AtomizerBench(program(charge__mass=30.0))
    bench.start().to("superheat")
    bench.watch("Crucible.Tilt", "Tundish.Level", "Tundish.LaunderTemperature")
    bench.rest(1)
    bench.fault("Crucible.TiltCreep", True)
    bench.to_state(S.SUSPENDED, 10)
    assert bench.raised() == ["CrucibleAlarms.TiltCreeps"]
    assert not bench.plant.generator.enable
    if mended:
        bench.call("Service.MendTilting")
        bench.rest(60)
        bench.job("Resume")
    else:
        bench.rest(120)
        tilts, fills, spills = (bench.departs(path, 0.0, floor) for path, floor in (
            ("Crucible.Tilt", 0.5), ("Tundish.Level", 20.0), ("Tundish.LaunderTemperature", 200.0)))
        assert tilts < fills < spills < float("inf")
        with pytest.raises(Refused, match="tilts by itself"):
            bench.job("Resume")
        bench.job("Stop")
    bench.finish()
    powder = sum(lot.mass for lot in bench.lots())
    assert powder > 25 if mended else powder == 0.0
    assert (bench.scrap().get("overflow", 0.0) > 5.0) is not mended
    assert bench.operations[0].error() < 1e-9


def test_weak_generator_melts_slowly(melting: Poured) -> None:
    bench = AtomizerBench.at(*melting)
    bench.fault("Generator.Weakness", 96.0)
    bench.rest(1500)
    assert bench.controller.phase == "melt"
    assert "MeltingSlow" in bench.raised()


# -- rods --------------------------------------------------------------------------------------


def test_a_generator_that_fails_after_melting_is_told(dripping: Poured) -> None:
    rod = AtomizerBench.at(*dripping)
    rod.fault("Generator.Weakness", 100.0)
    rod.rest(60)
    crucible = AtomizerBench(program())
    crucible.start().to("superheat")
    crucible.fault("Generator.Weakness", 100.0)
    crucible.rest(2000)
    for bench in (rod, crucible):
        assert bench.raised() == ["MeltingSlow"]


def test_slipping_feed(dripping: Poured) -> None:
    """The tip rises in the coil, melts less, the ratio rises; it warns."""
    bench = AtomizerBench.at(*dripping)
    bench.watch("Electrode.FeedRate", "Electrode.Position", "Spray.MeltFlow", "Spray.GasToMetal")
    bench.rest(1)
    bench.fault("Electrode.FeedSlip", 100.0)
    bench.rest(40)
    bench.ordered("Electrode.FeedRate", "Electrode.Position", "Spray.MeltFlow")
    assert bench.traces["Spray.GasToMetal"][-1][1] > 1.2 * bench.traces["Spray.GasToMetal"][0][1]
    assert "RodAlarms.RodLags" in bench.raised()


def test_bent_rod_widens_the_powder(dripping: Poured) -> None:
    straight, bent = AtomizerBench.at(*dripping), AtomizerBench.at(*dripping)
    bent.fault("Electrode.Bow", 6.0)
    for bench in (straight, bent):
        bench.finish()
    assert "RodAlarms.RodWobbles" in bent.raised()
    assert bent.layers()[0]["deviation"] > straight.layers()[0]["deviation"] + 0.01


def test_rod_fed_into_the_coil_trips(dripping: Poured) -> None:
    bench = AtomizerBench.at(*dripping)
    bench.watch("Electrode.Position", "Electrode.EarthLeakage")
    bench.fault("Generator.Weakness", 97.0)
    bench.write("Process.RodDepth", 50.0)
    bench.write("Process.RodFeed", 200.0)
    bench.fault("Electrode.Bow", 8.0)
    bench.to_state(S.ABORTED, 120)
    assert bench.plant.safety.first_out == SafetyChain.EARTH
    assert bench.plant.generator.power == 0.0

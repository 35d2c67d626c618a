"""A melt nozzle that freezes: order of the signals, right and wrong answers, lots told apart."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from emulators.controllers.states import MachineState as S
from tests.atomizer_bench import AtomizerBench, Poured, first, kept, program


@pytest.fixture(scope="module")
def melting() -> Poured:
    return kept(program(), lambda b: b.to("melt").rest(20))


@pytest.fixture(scope="module")
def cold() -> Poured:
    """The tundish heater fails while the melt waits, and the interlock is bypassed."""

    def go(bench: AtomizerBench) -> None:
        tundish = bench.plant.tundish
        bench.to("superheat").write("Process.Bypass", True)
        bench.until(lambda: tundish.wall > 1690.0)
        bench.fault("Tundish.HeaterWeakness", 100.0)
        bench.until(lambda: tundish.wall < 1605.0)
        bench.write("Process.Hold", 0.0)
        bench.to("pour start", 0, 100)

    return kept(program(charge__mass=40.0, charge__hold=9000.0, pour__level=0.15), go)


SIGNS = ("Tundish.NozzleTemperature", "Spray.MeltFlow", "Spray.GasToMetal", "Spray.D50",
         "Spray.StreamDiameter", "Tundish.Level", "Gas.Flow", "Tundish.LaunderTemperature",
         "Crucible.Tilt")


def freezing(cold: Poured, answer: bool) -> AtomizerBench:
    bench = AtomizerBench.at(*cold)
    bench.watch(*SIGNS)
    bench.write("Process.FreezeResponse", answer)
    bench.to("steady")
    return bench


def test_freeze_off_signals_come_in_order(cold: Poured) -> None:
    """Nozzle thermocouple, melt flow, gas to metal, size down, stream lost, overflow."""
    bench = freezing(cold, answer=False)
    start = bench.time + 12.0  # the load cells' slope needs that long
    liquidus = bench.plant.job.alloy.liquidus - 273.15
    bench.to_state(S.SUSPENDED, 600)
    traces = {p: [(t, v) for t, v in bench.traces[p] if t >= start] for p in SIGNS}
    peak = {p: max(v for _, v in traces[p]) for p in ("Spray.MeltFlow", "Spray.D50")}
    low_ratio = traces["Spray.GasToMetal"][0][1]

    def when(path: str, holds: Callable[[float], bool]) -> float:
        return next((t for t, v in traces[path] if holds(v)), float("inf"))

    below = first(bench, "Tundish.NozzleTemperature", lambda v: v < liquidus)
    flow = when("Spray.MeltFlow", lambda v: v < 0.8 * peak["Spray.MeltFlow"])
    ratio = when("Spray.GasToMetal", lambda v: v > 1.5 * low_ratio)
    size = when("Spray.D50", lambda v: v < 0.8 * peak["Spray.D50"])
    lost = when("Spray.StreamDiameter", lambda v: v < 0.05)
    full = when("Tundish.LaunderTemperature", lambda v: v > 350)
    assert below < flow < ratio < size < lost < full < float("inf")


def test_freeze_off_answered_wrongly_blows_back_and_overflows(cold: Poured) -> None:
    bench = freezing(cold, answer=False)
    bench.to_state(S.SUSPENDED, 600)
    raised = [name.partition(".")[2] for name in bench.raised()]
    order = [raised.index(name) for name in ("NozzleCold", "Freezing", "StreamLost", "Overflow")]
    assert order == sorted(order)
    accounts = bench.plant.accounts
    assert accounts.spilt["splash"] > 0.3
    assert accounts.spilt["overflow"] > 1e-3
    # The nozzle that gas blew through is far too cold for a restart.
    assert bench.plant.tundish.nozzle < bench.plant.job.alloy.liquidus - 150


def test_freeze_off_answered_rightly(cold: Poured) -> None:
    """Gas off before it blows back, tilt back, heat; not over the liquidus again: drained."""
    bench = freezing(cold, answer=True)
    bench.to("restart", 0, 600)
    # The gas stops while the nozzle still lets melt through, and nothing has been thrown out.
    assert bench.plant.spray.stream
    assert "splash" not in bench.plant.accounts.spilt
    bench.rest(3)
    assert bench.read("Gas.Flow") < 1.0
    assert bench.plant.crucible.tilting == 0.0
    assert not bench.plant.tundish.stopper
    assert "CrucibleAlarms.Freezing" in bench.raised()
    assert bench.read("Pour.Quarantined") is True
    bench.finish()
    assert bench.read("Pour.Restarts") == 0
    assert {"overflow", "splash"}.isdisjoint(bench.scrap())
    assert bench.scrap()["skull"] > 25
    # From the moment that the nozzle was cold all powder went into the second can.
    assert all(lot.mass < 0.5 for lot in bench.lots())
    (apart,) = bench.lots("quarantined tail")
    assert apart.status == "hold"
    assert apart.mass > 2
    assert bench.operations[0].error() < 1e-9


def test_freeze_off_one_restart_when_the_heater_is_back(cold: Poured) -> None:
    bench = freezing(cold, answer=True)
    bench.to("restart", 0, 600)
    frozen = bench.plant.tundish.frozen
    assert frozen > 0
    bench.fault("Tundish.HeaterWeakness", 0.0)
    bench.until(lambda: bench.controller.pour.restarts == 1, 600)
    bench.to("steady", 0, 200)
    assert bench.plant.tundish.frozen < frozen
    bench.finish()
    # What came after the restart went into the quarantine can.
    (tail,) = bench.lots("quarantined tail")
    assert tail.mass > 20
    assert tail.status == "hold"
    assert bench.operations[0].error() < 1e-9


def test_freeze_off_powder_of_the_freezing_stream_is_finer(cold: Poured) -> None:
    bench = freezing(cold, answer=False)
    bench.rest(12)
    before = bench.plant.accounts.tail.mass
    at_first = bench.read("Spray.D50")
    bench.until(lambda: not bench.plant.spray.stream, 300)
    assert bench.plant.accounts.tail.mass > before, "it is kept apart"
    smallest = min(v for _, v in bench.traces["Spray.D50"][-200:])
    assert smallest < 0.7 * at_first


def test_cold_nozzle_is_not_poured_through(melting: Poured) -> None:
    bench = AtomizerBench.at(*melting)
    bench.fault("Tundish.HeaterWeakness", 100.0)
    bench.to("superheat", 0, 2000).rest(700)
    assert bench.controller.phase == "superheat"
    assert bench.read("Pour.Hindrance") == "nozzle cold"
    assert "PourBlocked" in bench.raised()


# -- by hand -----------------------------------------------------------------------------------


def by_hand(cold: Poured) -> AtomizerBench:
    """The program leaves it to the operator, who is told that the nozzle is near the liquidus."""
    bench = freezing(cold, answer=False)
    bench.until(lambda: "CrucibleAlarms.NozzleCold" in bench.raised(), 100)
    return bench


def test_operator_who_stops_gas_and_pour_at_once_saves_the_charge(cold: Poured) -> None:
    bench = by_hand(cold)
    bench.job("Pause")
    bench.rest(2)
    assert not bench.plant.gas.valve
    assert not bench.plant.tundish.stopper
    assert bench.plant.crucible.tilting == 0.0
    bench.call("Service.RepairHeating")
    bench.write("Process.Bypass", False)
    bench.until(lambda: bench.plant.tundish.nozzle > bench.plant.job.alloy.liquidus + 100, 1200)
    bench.job("Resume")
    bench.finish()
    assert {"overflow", "splash"}.isdisjoint(bench.scrap())
    (apart,) = bench.lots("quarantined tail")
    assert apart.mass > 25
    assert apart.status == "hold"
    assert bench.operations[0].error() < 1e-9


def test_operator_who_pours_on_loses_the_charge(cold: Poured) -> None:
    bench = by_hand(cold)
    bench.to_state(S.SUSPENDED, 600)
    bench.job("Stop")
    bench.finish()
    scrap = bench.scrap()
    assert scrap["splash"] > 0.3
    assert scrap["skull"] > 25
    assert bench.operations[0].error() < 1e-9

"""Equipment of a gas atomizer against its own balances and limits."""

from __future__ import annotations

from math import exp, pi

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.equipment.powder_accounts import Charge, PowderAccounts
from twin.equipment.services import SafetyChain
from twin.equipment.spray import Nozzle
from twin.machines.gas_atomizer import AtomizerJob, GasAtomizer, Melting
from twin.materials import alloy
from twin.physics.atomizing_gas import ARGON, NITROGEN
from twin.powder.sizes import lognormal


def job(melting: Melting = "VIGA", name: str = "316L", mass: float = 20.0, gas: str = "nitrogen"
        ) -> AtomizerJob:
    return AtomizerJob("job", alloy(name), melting, 1, mass, 1e-4,
                       Nozzle(77.5, 1.75, 0.03, 3.5e-3, 5e-3, 24e-6), gas, 0.05)


def plant(melting: Melting = "VIGA", **more: object) -> GasAtomizer:
    made = GasAtomizer(1, (melting,))
    made.name = "ATM"
    made.load(job(melting, **more))  # type: ignore[arg-type]
    made.put_in()
    return made


def test_idle_plant_has_no_events() -> None:
    made = GasAtomizer(1)
    assert made.next_event() == float("inf")
    made.load(job())
    assert made.next_event() == float("inf")


def test_verification_evacuation_is_exponential() -> None:
    """The pressure falls with V/S to the floor that leak and desorption leave."""
    made = plant()
    made.drive("Tower.VacuumPump", True)
    made.advance(60.5)  # sixty ticks, the first before the first whole second
    tower = made.tower
    tau = tower.VOLUME / tower.PUMPING
    assert tower.pure == pytest.approx(101_325 * exp(-60 / tau) + 0.5, rel=0.05)


def test_verification_leak_raises_the_pressure() -> None:
    made = plant()
    made.drive("Tower.VacuumPump", True)
    made.advance(200.0)
    made.drive("Tower.VacuumPump", False)
    made.drive("Tower.Leak", 10.0)  # 100 mbar.L/s = 10 Pa m3/s
    made.advance(210.0)
    before = made.tower.pure
    made.advance(310.0)
    assert (made.tower.pure - before) * made.tower.VOLUME / 100.0 == pytest.approx(10.1, rel=0.02)


def test_verification_oxygen_of_a_leak_while_gas_flows() -> None:
    """Steady: x = q_leak 0.2095 / (q_gas + q_leak), and what the supply brings."""
    made = plant()
    made.tower.oxygen = 1e-5
    for path, value in (("Tower.Outlet", True), ("Gas.Target", 40e5), ("Gas.Valve", True),
                        ("Tower.Leak", 20.0)):
        made.drive(path, value)
    made.advance(600.0)
    leak = (20.0 + made.tower.TIGHT) / 101_325
    gas = made.gas.now_flow / NITROGEN.density(293.15)
    assert made.tower.oxygen == pytest.approx(
        (leak * 0.2095 + gas * made.gas.oxygen) / (gas + leak), rel=0.02)


def test_verification_receiver_balance() -> None:
    """What flows out less what comes in, over V/(R T)."""
    made = plant(gas="argon")
    for path, value in (("Tower.Outlet", True), ("Gas.Target", 40e5), ("Gas.Valve", True)):
        made.drive(path, value)
    made.gas.FRESH = 0.0
    made.advance(20.0)
    before, flow = made.gas.stored, made.gas.now_flow
    made.advance(120.0)
    lost = flow * 100.0 * ARGON.constant * 293.15 / made.gas.VOLUME
    assert before - made.gas.stored == pytest.approx(lost, rel=0.01)


def test_closed_loop_takes_little_fresh_gas() -> None:
    used = []
    for loop in (False, True):
        made = plant()
        for path, value in (("Tower.Outlet", True), ("Gas.Target", 40e5), ("Gas.Valve", True),
                            ("Gas.Compressor", loop)):
            made.drive(path, value)
        made.advance(600.0)
        made.consumption.sense(600.0)
        used.append(made.consumption.gas)
    assert used[1] < 0.1 * used[0]


def test_verification_melting_takes_the_energy_of_the_charge() -> None:
    """Time at full power: content over coupled power, losses apart."""
    made = plant()
    crucible = made.crucible
    assert crucible is not None
    assert crucible.content is not None
    for path, value in (("Generator.Enable", True), ("Generator.Limit", 100e3),
                        ("Crucible.Target", 1893.0), ("Crucible.Heat", True)):
        made.drive(path, value)
    seconds = 0.0
    while not crucible.molten:
        seconds += 1.0
        made.advance(seconds)
    ideal = 20.0 * crucible.content.liquid / (0.65 * 100e3)
    assert ideal < seconds < 1.15 * ideal + 5


def test_load_cell_tells_what_has_run_out() -> None:
    made = plant()
    crucible = made.crucible
    assert crucible is not None
    assert crucible.content is not None
    crucible.enthalpy = crucible.content.at(1900.0)
    made.tower.oxygen = 0.0
    made.drive("Crucible.Tilting", 0.8)
    made.advance(60.0)
    assert crucible.left == pytest.approx(20.0 * (1 - 0.8 / crucible.FULL_TILT), rel=0.02)
    assert made.tundish is not None
    assert made.tundish.held + crucible.left == pytest.approx(20.0, abs=1e-2)


def test_earth_relay_opens_where_the_line_crosses_its_level() -> None:
    made = plant()
    crucible = made.crucible
    assert crucible is not None
    assert crucible.content is not None
    crucible.enthalpy = crucible.content.at(1900.0)
    made.drive("Crucible.Crack", True)
    made.advance(30.0)
    event = next(e for e in made.happened if e.kind == "interlock")
    grown = (crucible.EARTH_LIMIT - 0.9e-3) / crucible.EARTH_GROWTH
    assert event.time == pytest.approx(grown, abs=1.0)
    assert made.safety.first_out == SafetyChain.EARTH
    assert not made.energised


def test_bursting_disc_limits_the_pressure() -> None:
    made = plant()
    for path, value in (("Gas.Target", 60e5), ("Gas.Valve", True), ("Tower.OutletStuck", True)):
        made.drive(path, value)
    made.tower.GUARDS = ()
    made.advance(120.0)
    assert any("bursting disc" in e.message for e in made.happened)
    assert made.tower.pure < made.tower.RELIEF * 1.05


def test_a_pulse_throws_the_cake_off() -> None:
    made = plant()
    separator = made.separator
    separator.cake = 1.0
    dirty = separator.filter_resistance
    made.drive("Separator.BackPulse", True)
    assert separator.cake == pytest.approx(0.1)
    assert separator.filter_resistance < 0.3 * dirty
    assert separator.pulses == 1


def test_cyclone_catches_coarse_and_loses_more_when_full() -> None:
    made = plant()
    past, caked = made.separator.grades(0.35)
    assert np.all(np.diff(past) < 0)
    assert past[0] > 0.9
    assert past[-1] < 1e-5
    assert np.all(caked <= 1)
    made.separator.cone = 80.0
    worse, _ = made.separator.grades(0.35)
    assert np.all(worse >= past)


def test_verification_rod_melts_at_its_feed_and_keeps_its_place() -> None:
    """dx/dt = feed - m/(rho A): with the feed of the melting rate the tip stands still."""
    made = plant("EIGA", name="Ti-6Al-4V", mass=8.0, gas="argon")
    rod = made.electrode
    assert rod is not None
    for path, value in (("Generator.Enable", True), ("Generator.Limit", 60e3),
                        ("Electrode.Heat", True), ("Electrode.Turn", 5 / 60)):
        made.drive(path, value)
    seconds = 0.0
    while rod.flow == 0.0:
        seconds += 1.0
        made.advance(seconds)
    area = 0.25 * pi * 0.05**2
    made.drive("Electrode.Feed", rod.flow / (float(alloy("Ti-6Al-4V").density(293.15)) * area))
    before = rod.depth
    made.advance(seconds + 60.0)
    assert rod.depth == pytest.approx(before, abs=2e-3)
    # Without feed the tip rises and melts less.
    flow = rod.flow
    made.drive("Electrode.Feed", 0.0)
    made.advance(seconds + 90.0)
    assert rod.flow < 0.8 * flow


@settings(max_examples=40, deadline=None)
@given(d50=st.floats(5e-6, 2e-4), s=st.floats(1.2, 3.0), spilt=st.floats(0, 5),
       oxygen=st.floats(0, 5e-3), passivated=st.floats(0, 1), tail=st.floats(0, 1))
def test_property_every_account_closes(d50: float, s: float, spilt: float, oxygen: float,
                                       passivated: float, tail: float) -> None:
    metal = alloy("IN718")
    accounts = PowderAccounts()
    made = 12.0 * lognormal(d50, s)
    for can, share in ((accounts.powder, 1 - tail), (accounts.tail, tail)):
        can.masses += made * share
        can.hollow += 0.01 * made * share
        can.oxygen += float(made.sum()) * share * oxygen / (1 - oxygen)
    accounts.spill("overflow", spilt, oxygen)
    accounts.melt_oxygen = 1e-4
    count = iter(range(100))
    operation = accounts.close(
        Charge("c", 20.0, oxygen, 0.0, 0.0, 0.0), metal, machine="ATM", time=1.0, name="test",
        passivated=passivated, held=False, new_id=lambda kind: f"{kind}-{next(count)}", about={})
    assert operation.error() < 1e-9
    assert PowderAccounts.of(accounts.plain()).plain() == accounts.plain()


def test_more_out_than_in_is_refused() -> None:
    accounts = PowderAccounts()
    accounts.spill("overflow", 30.0, 0.0)
    with pytest.raises(ValueError, match="more came out"):
        accounts.close(Charge("c", 20.0, 0.0, 0.0, 0.0, 0.0), alloy("316L"), machine="A", time=0.0,
                       name="x", passivated=1.0, held=False, new_id=lambda kind: kind, about={})

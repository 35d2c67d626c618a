"""Print head, dryer, oven, roller and furnace gas against their own equations."""

from __future__ import annotations

from itertools import pairwise
from math import exp, log

import numpy as np
import pytest
from scipy.integrate import quad, solve_ivp

from tests.jet_bench import green, jet, sinter
from twin.equipment.charge import ChargedPart, Gas
from twin.equipment.curing import CuringOven
from twin.equipment.dryer import Dryer, Extraction
from twin.equipment.furnace_gas import Retort
from twin.equipment.print_head import PrintHead, wicked
from twin.machine import AMBIENT
from twin.machines.binder_jet import BinderJet
from twin.machines.sinter_furnace import SinterFurnace
from twin.materials import STEFAN_BOLTZMANN
from twin.physics.binder import cure_rate, drying_flux, vapour_pressure

HYDROGEN = Gas(1.0, 0.0, 0.0, 1.0)


def machine() -> BinderJet:
    plant = BinderJet(3)
    plant.load(jet().job)
    return plant


# -- print head --------------------------------------------------------------------------------


def test_wicking_keeps_the_liquid_and_halves_a_gap() -> None:
    dose = np.ones(21)
    dose[10] = 0.0
    spread = wicked(dose)
    assert spread.sum() == pytest.approx(dose.sum())
    assert spread[10] == pytest.approx(0.5)
    assert spread[9] == pytest.approx(0.75)
    dose[9] = dose[11] = 1.5
    assert wicked(dose)[10] == pytest.approx(0.75)


def test_swaths_cover_every_column_once() -> None:
    head = machine().head
    for first, columns, shift in ((0, 4400, 0), (1000, 30, 0), (1000, 2500, 7), (5, 1, 3)):
        swaths = head._swaths(first, columns, shift)
        assert swaths[0][0] == 0
        assert swaths[-1][1] == columns
        for (_, end), (begin, _) in pairwise(swaths):
            assert end == begin
        for begin, end in swaths:
            nozzle = (first + np.arange(begin, end) + shift) % head.NOZZLES
            assert len(set(nozzle.tolist())) == end - begin <= head.NOZZLES


def test_drops_follow_pressure_temperature_and_drift() -> None:
    plant = machine()
    head = plant.head
    plant.drive("Head.DropDemand", 60e-15)
    assert head.true_drop() == pytest.approx(60e-15, rel=1e-6)
    plant.drive("Head.DropDrift", 0.2)
    assert head.true_drop() == pytest.approx(72e-15, rel=1e-6)
    assert head.velocity() == pytest.approx(1.2 * head.VELOCITY)
    plant.drive("Head.DropDrift", 0.0)
    plant.drive("Head.PressureError", -1000.0)
    plant.advance(60.0)
    assert head.true_drop() == pytest.approx(60e-15 * (1 - head.BY_PRESSURE * 1000), rel=1e-3)
    plant.drive("Head.PressureError", -4500.0)
    plant.advance(120.0)
    head.sense(120.0)
    assert head.starved
    assert not head.open_nozzles().any()


def test_purges_free_soft_plugs_first() -> None:
    plant = machine()
    head = plant.head
    plant.drive("Head.NozzleClog", 0.1)
    counts = [int((head.hardness > 0).sum())]
    assert counts[0] == round(0.1 * head.NOZZLES)
    for number in range(3):
        plant.drive("Head.Purge", True)
        plant.drive("Head.Purge", False)
        plant.advance(20.0 * (number + 1))
        counts.append(int((head.hardness > 0).sum()))
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] < 0.2 * counts[0]
    assert head.binder_level == pytest.approx(1 - 3 * PrintHead.SPENT)
    assert np.abs(head.gain - 1).max() < 0.1


# -- drying and cure ---------------------------------------------------------------------------


def test_verification_bed_and_moisture_follow_their_equations() -> None:
    plant = machine()
    dryer, hood, ink = plant.dryer, plant.hood, plant.dryer.binder
    plant.drive("Hood.Fan", 0.8)
    dryer.wet(0.015, 0.01)
    plant.drive("Dryer.Lamp", 0.5)
    heat = 0.5 * Dryer.POWER * Dryer.ABSORBED / dryer._area
    ambient = Extraction.HUMIDITY * vapour_pressure(AMBIENT)

    def rates(_: float, y: list[float]) -> list[float]:
        t, m = y[0], max(y[1], 0.0)
        flux = drying_flux(t, ambient, Dryer.TRANSFER, ink) * min(m / Dryer.LAST, 1.0)
        lost = (Dryer.TRANSFER + Dryer.INTO_BOX) * (t - AMBIENT)
        lost += Dryer.EMISSIVITY * STEFAN_BOLTZMANN * (t**4 - AMBIENT**4)
        return [(heat - lost - ink.latent_heat * max(flux, 0.0)) / Dryer.CAPACITY, -max(flux, 0.0)]

    truth = solve_ivp(rates, (0, 10), [AMBIENT, 0.015], t_eval=[2, 5, 10], rtol=1e-8)
    for time, t, m in zip(truth.t, *truth.y, strict=True):
        dryer.sense(time)
        assert dryer.bed_temperature == pytest.approx(t, abs=1.0)
        assert dryer.moisture == pytest.approx(m, abs=4e-4)
    assert hood.flow == pytest.approx(0.8 * Extraction.FLOW + Extraction.BREATHING)


def test_looking_often_changes_nothing() -> None:
    def run(looks: int) -> float:
        plant = machine()
        plant.dryer.wet(0.02, 0.01)
        plant.drive("Dryer.Lamp", 0.7)
        for time in np.linspace(0, 8, looks):
            plant.advance(float(time))
            plant.dryer.sense(float(time))
            plant.hood.sense(float(time))
        plant.drive("Dryer.Lamp", 0.0)
        plant.advance(20.0)
        plant.dryer.sense(20.0)
        return float(plant.dryer.bed_temperature)

    assert run(2) == run(200)


def test_verification_cure_is_the_integral_over_the_box() -> None:
    plant = machine()
    oven = plant.oven
    oven.fill = lambda: None  # type: ignore[method-assign]
    plant.drive("Oven.TemperatureDemand", 463.15)
    end = 4 * 3600.0
    course = oven.trajectories["box_temperature"]
    truth = quad(lambda t: float(cure_rate(course.at(t))), 0, end, epsrel=1e-9, limit=200)[0]
    plant.advance(end)
    assert oven.cured == pytest.approx(1 - exp(-truth), abs=1e-6)
    plant.drive("Oven.TemperatureDemand", AMBIENT)
    assert oven.cured == pytest.approx(1 - exp(-truth), abs=1e-6)
    assert CuringOven.CORE > CuringOven.RESPONSE


# -- furnace -----------------------------------------------------------------------------------


def test_verification_purge_follows_its_exponential() -> None:
    plant = SinterFurnace()
    plant.load(sinter().job)
    flow = 100e-3 / 60
    plant.drive("Retort.NitrogenFlow", flow)
    wanted = Retort.VOLUME / flow * log(0.2095 / 0.01)
    plant.advance(wanted + 20.0)
    assert plant.retort.mix["oxygen"] == pytest.approx(0.01, rel=0.15)
    assert sum(plant.retort.mix.values()) == pytest.approx(1.0, abs=1e-6)


def test_hydrogen_needs_flame_and_no_air() -> None:
    plant = SinterFurnace()
    plant.load(sinter().job)
    plant.drive("Retort.HydrogenFlow", 1e-3)
    assert not plant.retort.hydrogen_open
    plant.drive("Retort.Pilot", True)
    assert plant.retort.flame
    assert not plant.retort.hydrogen_open
    plant.retort.mix |= {"oxygen": 1e-4}
    plant.drive("Retort.HydrogenFlow", 2e-3)
    assert plant.retort.hydrogen_open
    plant.drive("Retort.PilotFailure", True)
    assert not plant.retort.hydrogen_open
    assert plant.retort.safe_purge


def test_a_resting_furnace_does_not_tick() -> None:
    plant = SinterFurnace()
    plant.load(sinter().job)
    assert plant.next_event() == float("inf")
    plant.drive("Retort.NitrogenFlow", 1e-3)
    assert plant.next_event() < 20.0
    plant.drive("Retort.NitrogenFlow", 0.0)
    plant.advance(100.0)
    assert plant.next_event() == float("inf")


def test_oxide_nitrogen_and_carbon_do_what_they_should_to_a_part() -> None:
    material = sinter().job.material

    def after(gas: Gas, resin: float = 0.008, hold: float = 1643.15) -> ChargedPart:
        part = ChargedPart.of(green(resin=resin), 0, material)
        for _ in range(60):
            part.advance(750.0, 750.0, 60.0, gas, material)
        for _ in range(60):
            part.advance(hold, hold, 60.0, gas, material)
        return part

    usual = after(HYDROGEN)
    nitrogen = after(Gas(0.0, 1.0, 0.0, 1.0))
    wet = after(Gas(1.0, 0.0, 0.0, 3e4))
    # Without resin: the carbon that nitrogen leaves would make liquid, and that densifies.
    clean = after(Gas(0.0, 1.0, 0.0, 1.0), resin=0.0)
    assert clean.density(material) < usual.density(material) - 0.002
    assert wet.density(material) < usual.density(material) - 0.1
    assert nitrogen.carbon == pytest.approx(usual.carbon * 0.05 / 0.012, rel=1e-6)
    # So much carbon that the solidus falls below the sinter temperature: liquid, and it slumps.
    sooty = after(Gas(0.0, 0.0, 0.0, 1.0), resin=0.04)
    assert sooty.liquid > 0.5
    spanned = [ChargedPart.of(green(resin=r, span=10e-3, span_height=3e-3), 0, material)
               for r in (0.008, 0.04)]
    for part in spanned:
        for temperature in (750.0, 1643.15):
            for _ in range(60):
                part.advance(temperature, temperature, 60.0, Gas(0.0, 0.0, 0.0, 1.0), material)
    assert spanned[1].sag > 20 * spanned[0].sag

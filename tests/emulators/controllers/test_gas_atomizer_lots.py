"""What a disturbance of the pour does to the lot: in which direction, and by how much."""

from __future__ import annotations

from functools import cache
from math import log
from typing import Any

import numpy as np
import pytest

from tests.atomizer_bench import AtomizerBench, program
from twin.materials import alloy
from twin.physics.atomizing_gas import NITROGEN
from twin.physics.spray import OXIDES, Melt, aspiration, lubanska, melt_flow
from twin.powder.lot import PowderLot
from twin.powder.sizes import CENTRES

STEEL = alloy("316L")


@cache
def made(**changes: Any) -> tuple[PowderLot, dict[str, Any], AtomizerBench]:
    """Powder, its row, and the bench, of a quick charge of 316L; SI, __ for a dot."""
    bench = AtomizerBench(program(**changes))
    bench.start().finish()
    (lot,), (row,) = bench.lots(), bench.layers()
    return lot, row, bench


def expected(level: float = 0.12, pressure: float = 40e5, superheat: float = 200.0,
             bore: float = 3.5e-3) -> float:
    """Median (m), but for the nozzle's constant, that a steady pour should give."""
    melt = Melt.of(STEEL, STEEL.liquidus + superheat)
    flow = melt_flow(bore, melt.density, level, aspiration(5e-3, pressure))
    ratio = NITROGEN.flow(pressure, 293.15, 24e-6, 0.9) / flow
    return lubanska(1.0, bore, melt, NITROGEN.speed(pressure, 293.15), NITROGEN.kinematic(), ratio)


@cache
def steady(**changes: Any) -> tuple[float, float, float, AtomizerBench]:
    """True head (m) and superheat (K) of the melt over the nozzle, and the median (m) seen."""
    bench = AtomizerBench(program(**changes))
    bench.start().to("steady").rest(35)
    tundish = bench.plant.tundish
    sizes = []
    for _ in range(20):
        bench.rest(0.5)
        sizes.append(bench.read("Spray.D50") * 1e-6)
    return tundish._head, tundish.melt - STEEL.liquidus, float(np.mean(sizes)), bench


def test_superheat_is_finer_rounder_and_has_more_satellites() -> None:
    (_, cool, coarse, _), (_, hot, fine, _) = (steady(charge__superheat=t) for t in (120.0, 350.0))
    # What counts is the melt at the nozzle: the tundish is nearer to its own temperature.
    assert 80 < cool < 130 < 170 < hot < 350
    change = expected(superheat=hot) / expected(superheat=cool)
    assert change < 0.95
    assert fine / coarse == pytest.approx(change, rel=0.015)
    cold, warm = made(charge__superheat=120.0)[0], made(charge__superheat=350.0)[0]
    assert warm.d50 / cold.d50 == pytest.approx(change, rel=0.03)
    assert warm.satellites > 1.15 * cold.satellites
    assert warm.main.irregular.max() < cold.main.irregular.max()


def test_a_lower_head_is_less_melt_more_gas_per_melt_and_finer_powder() -> None:
    low = steady(pour__level=0.07, pour__tail_level=0.05)
    high = steady(pour__level=0.25, charge__mass=30.0)
    assert low[0] < 0.08 < 0.2 < high[0]
    heads = [melt_flow(3.5e-3, 6900.0, case[0], aspiration(5e-3, 40e5)) for case in (high, low)]
    ratios = [case[3].read("Spray.GasToMetal") for case in (low, high)]
    assert ratios[0] / ratios[1] == pytest.approx(heads[0] / heads[1], rel=0.05)
    change = expected(low[0], superheat=low[1]) / expected(high[0], superheat=high[1])
    assert low[2] / high[2] == pytest.approx(change, rel=0.02)


def test_a_head_that_falls_drifts_and_widens() -> None:
    """The tail of a charge, let into the can with the rest."""
    bench = AtomizerBench(program(pour__quarantine=False, pour__tail_level=0.05,
                                  pour__level=0.30, charge__mass=20.0))
    bench.start().finish()
    (row,) = bench.layers()
    usual = made()[1]
    assert row["gas_to_metal_drift"] > 1.3 * usual["gas_to_metal_drift"]
    assert row["deviation"] > usual["deviation"]


def test_pressure_goes_into_the_size_as_lubanska_says() -> None:
    weak, strong = made(gas__pressure=25e5), made(gas__pressure=60e5)
    change = expected(pressure=60e5) / expected(pressure=25e5)
    assert strong[0].d50 / weak[0].d50 == pytest.approx(change, rel=0.04)
    # Coarser grains are hollow more often, with the square of their size.
    for lot, _, bench in (weak, strong):
        share = np.minimum(bench.plant.nozzle.hollow * (CENTRES / 100e-6) ** 2, 0.5)
        told = float((lot.masses * share).sum() / lot.mass)
        assert lot.hollow == pytest.approx(told, rel=0.05)
    assert weak[0].hollow > 1.4 * strong[0].hollow
    # Finer powder has more surface and so more oxygen, by the thickness of the film.
    films = []
    for lot, _, _ in (weak, strong):
        film = 1.5 * OXIDES["Fe"].film  # not passivated to speak of
        share = OXIDES["Fe"].oxygen(CENTRES, float(STEEL.density(293.15)), film)
        films.append(float((lot.masses * np.asarray(share)).sum() / lot.mass))
    assert strong[0].oxygen - weak[0].oxygen == pytest.approx(films[1] - films[0], rel=0.25)


def test_satellites_fall_with_the_gas_that_keeps_fines_away() -> None:
    bare, half, full = (made(gas__curtain=g / 60)[0].satellites for g in (0.0, 1.5, 3.0))
    assert bare > half > full
    assert full / bare == pytest.approx(0.15, abs=0.05)
    assert half / bare == pytest.approx(0.575, abs=0.08)


def test_ripple_of_a_rod_that_does_not_turn_widens_the_powder() -> None:
    spreads = []
    for turns in (0.0, 5 / 60):
        bench = AtomizerBench(program("Ti-6Al-4V", rod__rotation=turns))
        bench.start().finish()
        spreads.append(bench.layers()[0]["deviation"])
        own = bench.plant.nozzle.spread
    assert spreads[0] > spreads[1]
    # Variances of ln d add: a quarter of ripple, halved, on the nozzle's own.
    gained = log(spreads[0]) ** 2 - log(spreads[1]) ** 2
    assert gained == pytest.approx((0.5 * 0.25) ** 2, rel=0.4)
    assert spreads[1] == pytest.approx(own, rel=0.05)


def test_a_dip_of_pressure_is_a_lot_of_its_own() -> None:
    """Half a minute at less than two thirds of the pressure: coarse powder, apart and on hold."""
    built = program(charge__mass=24.0)
    calm, dipped = AtomizerBench(built), AtomizerBench(built)
    for bench in (calm, dipped):
        bench.start().to("steady").rest(15)
    before = dipped.plant.accounts.tail.mass
    dipped.fault("Gas.SupplyLoss", 72.0)
    dipped.rest(30)
    apart = dipped.plant.accounts.tail.mass - before
    dipped.fault("Gas.SupplyLoss", 0.0)
    for bench in (calm, dipped):
        bench.finish()
    (sound,), (other,) = dipped.lots(), dipped.lots("quarantined tail")
    assert (sound.status, other.status) == ("new", "hold")
    assert sound.d50 == pytest.approx(calm.lots()[0].d50, rel=0.01)
    assert sound.d90 == pytest.approx(calm.lots()[0].d90, rel=0.01)
    assert other.d50 > 1.05 * sound.d50
    assert apart == pytest.approx(0.5 * dipped.read("Process.ExpectedFlow"), rel=0.25)
    assert dipped.raised() == ["GasPressureLow"]


# -- what nobody wrote down --------------------------------------------------------------------


def test_no_nozzle_is_quite_as_it_was_designed_and_no_recipe_knows() -> None:
    built = program()
    wrote = built.job.nozzle
    found = []
    for seed in (1, 2, 3, 4):
        bench = AtomizerBench(built, seed=seed)
        bench.start().to("pump")
        true = bench.plant.nozzle
        found.append((true.constant, bench.plant.tundish.true_bore))
        assert true.constant == pytest.approx(wrote.constant, rel=0.1)
        assert bench.plant.tundish.true_bore == pytest.approx(wrote.bore, rel=0.03)
        assert bench.plant.tundish.bore == wrote.bore
    assert len(set(found)) == 4
    again = AtomizerBench(built, seed=1)
    again.start().to("pump")
    assert (again.plant.nozzle.constant, again.plant.tundish.true_bore) == found[0]


def test_every_charge_has_a_melt_tube_of_its_own_and_one_gas_nozzle() -> None:
    bench = AtomizerBench(program(charge__count=2, charge__mass=6.0))
    bench.start().to("melt")
    first, nozzle = bench.plant.tundish.true_bore, bench.plant.nozzle
    bench.to("melt", 1)
    assert bench.plant.tundish.true_bore != first
    assert bench.plant.nozzle == nozzle

"""Part heat against one-dimensional conduction, energy balance, geometry and layer time."""

from __future__ import annotations

import json
from dataclasses import replace
from math import exp, inf, pi, sqrt, tanh

import numpy as np
import pytest

from twin.materials import alloy
from twin.meltpool.part_heat import HeatLoss, PartHeat, solid

T0 = 300.0
LAYER = 4e-5
DOSE = 1.7e6  # J/m2 per layer
DENSITY, HEAT, K = 8000.0, 500.0, 20.0
DIFFUSIVITY = K / (DENSITY * HEAT)
BARE = HeatLoss(gas_transfer=0.0, emissivity=0.0, powder_conductivity=0.0, contact=0.0)


def metal(_: float) -> tuple[float, float, float]:
    return DENSITY, HEAT, K


def plate(_: float) -> float:
    return T0


def column(height: float, loss: HeatLoss = BARE, area: float = 1e-4) -> PartHeat:
    """A square column at rest, as warm as the plate."""
    part = PartHeat(loss)
    for _ in range(round(height / LAYER)):
        lay(part, area)
    return part


def lay(part: PartHeat, *areas: float, contacts: list[tuple[int, int, float]] | None = None,
        support: float = 0.0) -> None:
    """Square islands on top; without contacts each lies wholly on the one before."""
    if contacts is None:
        contacts = [(i, i, min(a, b)) for i, (a, b) in enumerate(zip(areas, part.areas,
                                                                     strict=False))]
    part.lay(LAYER, areas, [4 * sqrt(a) for a in areas], contacts, metal, T0, support)


def build(part: PartHeat, layers: int, *areas: float, pause: float = 9.0,
          exposure: float = 1.0, begin: float = 0.0) -> tuple[float, np.ndarray]:
    """Mark layers one after the other; time and tops before the next one.

    Heat per area as 170 W absorbed, 1 m/s and 0.1 mm of hatch spacing give it.
    """
    time = begin
    for _ in range(layers):
        part.advance(time)
        lay(part, *areas)
        part.heat([(i, time, time + exposure, DOSE / exposure * a) for i, a in enumerate(areas)])
        part.follow(plate, T0)
        time += exposure + pause
    return time, part.tops(time)


def test_heated_slab_follows_carslaw_and_jaeger() -> None:
    # Carslaw and Jaeger 1959, section 3.8: constant flux into one face, the other one held.
    length, area, power = 0.02, 1e-4, 20.0
    part = column(length, area=area)
    part.heat([(0, 0.0, inf, power)])
    part.follow(plate, T0)
    odd = 2 * np.arange(200) + 1
    middle = length - HeatLoss().block / 4  # of a top block that is half full
    for time in (3.0, 10.0, 30.0, 100.0, 1000.0):
        terms = (-1.0) ** np.arange(200) / odd**2 * np.sin(odd * pi * middle / (2 * length))
        series = float(np.sum(terms * np.exp(-((odd * pi / length / 2) ** 2) * DIFFUSIVITY * time)))
        rise = power / (K * area) * (middle - 8 * length / pi**2 * series)
        assert part.tops(time)[0] - T0 == pytest.approx(rise, rel=0.02), time


def test_cooling_slab_follows_its_first_mode() -> None:
    # Carslaw and Jaeger 1959, section 3.4: one face insulated, the other one held.
    length = 0.01
    part = column(length)
    part.heat([(0, 0.0, 60.0, 50.0)])
    part.follow(plate, T0)
    tau = 4 * length**2 / (pi**2 * DIFFUSIVITY)
    late, later = part.tops(75.0)[0] - T0, part.tops(75.0 + tau)[0] - T0
    assert later / late == pytest.approx(exp(-1), rel=0.03)


def test_fin_in_powder() -> None:
    # Carslaw and Jaeger 1959, section 4.5: a rod that loses heat along its length.
    length, area, power = 0.03, 4e-6, 0.5
    loss = HeatLoss(gas_transfer=0.0, emissivity=0.0, contact=0.0, block=2e-4, coarsening=0.1)
    part = column(length, loss, area)
    part.heat([(0, 0.0, inf, power)])
    part.follow(plate, T0)
    m = sqrt(loss.powder_transfer * 4 * sqrt(area) / (K * area))
    rise = power / (K * area * m) * tanh(m * length)
    assert m * length > 1.0
    assert part.tops(1e5)[0] - T0 == pytest.approx(rise, rel=0.015)


@pytest.mark.parametrize("layers", [1, 3, 10])
def test_thin_metal_cools_without_swinging(layers: int) -> None:
    part = PartHeat()
    time, _ = build(part, layers, 4e-5, pause=0.0)
    part.advance(time)
    part.follow(plate, T0)
    tops = [part.tops(time + t)[0] - T0 for t in np.linspace(0.0, 5.0, 200)]
    assert tops[0] > 5
    assert min(tops) > -0.02 * tops[0]


def test_top_loses_to_gas_and_walls() -> None:
    # A column on a bad contact is one lump: its balance is that of the top alone.
    loss = HeatLoss(powder_conductivity=0.0, contact=1e3)
    part = column(0.002, loss)
    power, area = 2.0, 1e-4
    part.heat([(0, 0.0, inf, power)])
    part.follow(plate, T0)
    top = part.tops(1e5)[0]
    radiated = loss.emissivity * 5.670374e-8 * (top**4 - T0**4)
    assert area * (loss.gas_transfer * (top - T0) + radiated) == pytest.approx(power, rel=0.02)


def test_blocks_coarsen_without_changing_heat_or_resistance() -> None:
    coarse, fine = column(0.04), column(0.04, HeatLoss(**{
        f: getattr(BARE, f) for f in BARE.__slots__ if f not in ("block", "coarsening")},
        block=1e-4, coarsening=0.02))
    assert len(coarse) < 30 < 100 < len(fine)
    rises = []
    for part in (coarse, fine):
        part.heat([(0, 0.0, inf, 10.0)])
        part.follow(plate, T0)
        rises.append(np.array([part.tops(t)[0] - T0 for t in (2.0, 20.0, 200.0, 1e5)]))
        assert part.mass == pytest.approx(DENSITY * 0.04 * 1e-4)
        assert part.content() == pytest.approx(DENSITY * 0.04 * 1e-4 * HEAT * T0)
    # The middle of the top block lies 0.2 mm deeper in the coarse one.
    assert rises[1] - rises[0] == pytest.approx(10.0 / (K * 1e-4) * 2e-4, abs=0.2)


def bridge(part: PartHeat, time: float = 0.0) -> float:
    """Two legs, a bridge over both, a tower on it, all marked; the time at the end."""
    time, _ = build(part, 40, 1e-5, 4e-5, begin=time)
    for over, areas, contacts in (
        (30, (1e-4,), [(0, 0, 1e-5), (0, 1, 4e-5)]),
        (30, (2e-5,), [(0, 0, 2e-5)]),
    ):
        part.advance(time)
        lay(part, *areas, contacts=contacts)
        part.follow(plate, T0)
        time, _ = build(part, over, *areas, begin=time)
    return time


def test_energy_is_conserved_through_splits_and_merges() -> None:
    part = PartHeat()
    part.advance(bridge(part))
    books = part.energy
    given = books["plate"] + books["powder"] + books["gas"]
    taken = books["absorbed"] + books["laid"]
    volume = LAYER * (40 * 5e-5 + 31 * 1e-4 + 31 * 2e-5)
    assert books["absorbed"] == pytest.approx(DOSE * (volume / LAYER - 1.2e-4), rel=1e-9)
    assert part.mass == pytest.approx(DENSITY * volume)
    assert taken - given == pytest.approx(part.content(), rel=1e-11)
    assert all(books[k] > 0 for k in ("plate", "powder", "gas"))


def test_a_beam_on_one_leg_warms_the_other_through_the_bridge() -> None:
    part = PartHeat(HeatLoss(contact=1e-3))
    for _ in range(50):
        lay(part, 1e-5, 1e-5)
    lay(part, 4e-5, contacts=[(0, 0, 1e-5), (0, 1, 1e-5)])
    lay(part, 1e-5, 1e-5, contacts=[(0, 0, 1e-5), (1, 0, 1e-5)])
    for _ in range(20):
        lay(part, 1e-5, 1e-5)
    part.heat([(0, 0.0, inf, 1.0)])
    part.follow(plate, T0)
    heated, other = part.tops(100.0) - T0
    assert heated > other > 0.5 * heated
    part.heat([(1, 0.0, inf, 1.0)])
    part.follow(plate, T0)
    assert part.tops(100.0)[::-1] - T0 == pytest.approx([heated, other], rel=1e-9)


def test_neck_and_overhang_are_warmer() -> None:
    def warmth(neck: float, support: float = 0.0) -> float:
        part = PartHeat()
        time, _ = build(part, 50, 1e-4)
        if neck < 1e-4:
            time, _ = build(part, 5, neck, begin=time)
        part.advance(time)
        lay(part, 1e-4, support=support)
        part.follow(plate, T0)
        return float(build(part, 50, 1e-4, begin=time)[1][0])

    plain, necked, thin = warmth(1e-4), warmth(1e-5), warmth(1e-6)
    assert thin > necked + 20 > plain + 40
    assert plain < warmth(1e-6, support=0.2) < thin


def test_constriction_of_a_neck() -> None:
    # Cooper, Mikic and Yovanovich 1969: (1 - a/b)^1.5 / (2 k a) on each side of a round spot.
    big, spot, power = 1e-4, 1e-6, 1.0
    part = PartHeat(BARE)
    lay(part, big)
    lay(part, big, contacts=[(0, 0, spot)])
    part.heat([(0, 0.0, inf, power)])
    part.follow(plate, T0)
    radius = sqrt(spot / pi)
    wanted = 2 * (1 - 0.1) ** 1.5 / (2 * K * radius) + 1.5 * LAYER / (K * big)
    assert part.tops(1e5)[0] - T0 == pytest.approx(power * wanted, rel=1e-6)


def test_small_section_marked_alone_is_warmer_than_a_block() -> None:
    # As much heat per area and the same recoating, but less time for each layer.
    small, block = (build(PartHeat(), 500, area, exposure=area / 1e-4, pause=8.0)[1][0]
                    for area in (4e-5, 4e-4))
    assert small > block + 20


@pytest.mark.parametrize("layers", [100, 600])
def test_longer_layers_are_cooler(layers: int) -> None:
    tops = [build(PartHeat(BARE), layers, 4e-5, pause=p)[1][0] - T0 for p in (4.0, 9.0, 19.0)]
    assert tops == sorted(tops, reverse=True)
    if layers == 600:
        # A tall column is steady in the mean: its rise goes with the mean power, less what the
        # last layer has lost since.
        flux = DOSE / (10.0 * K)
        assert 0.6 * flux * 0.024 < tops[1] < flux * 0.024
        assert tops[1] / tops[2] == pytest.approx(2.0, rel=0.25)


def test_looking_and_restoring_change_no_bit() -> None:
    quiet, watched = PartHeat(), PartHeat()
    time = bridge(quiet)
    bridge(watched)
    for part in (quiet, watched):
        part.advance(time)
        part.heat([(0, time, time + 2.0, 5.0)])
        part.follow(plate, T0)
    for t in np.linspace(time, time + 9, 50):
        watched.tops(t)
    copy = PartHeat()
    copy.restore(json.loads(json.dumps(watched.state())))
    copy.follow(plate, T0)
    for part in (quiet, watched, copy):
        part.advance(time + 7.3)
        lay(part, 2e-5)
        part.follow(plate, T0)
    assert quiet.state() == watched.state() == copy.state()
    assert (quiet.tops(time + 99) == copy.tops(time + 99)).all()


def test_alloy_properties_below_the_solidus() -> None:
    steel = alloy("316L")
    at = solid(steel)
    assert at(600.0)[2] == float(steel.conductivity(600.0))
    assert at(5000.0) == at(steel.solidus)


def test_bad_input_is_named() -> None:
    part = PartHeat()
    with pytest.raises(ValueError, match="layer thickness 0"):
        part.lay(0.0, [1e-4], [0.04], [], metal, T0)
    with pytest.raises(ValueError, match="layer area -1"):
        part.lay(LAYER, [-1.0], [0.04], [], metal, T0)
    with pytest.raises(ValueError, match="powder_distance"):
        HeatLoss(powder_distance=0.0)
    part.advance(5.0)
    with pytest.raises(ValueError, match="time 4 s"):
        part.advance(4.0)


def test_support_walls_carry_heat_to_the_plate() -> None:
    area, power, walls, at, layers = 1e-5, 0.2, 0.05, 50, 80
    loss = replace(BARE, block=8e-5)
    part = PartHeat(loss)
    for layer in range(layers):
        lay(part, area, support=walls if layer == at else 0.0)
    part.heat([(0, 0.0, inf, power)])
    part.follow(plate, T0)
    below = (at + 0.5) * LAYER / (K * area)
    wall = at * LAYER / (K * walls * loss.wall)
    wanted = 1 / (1 / below + 1 / wall) + (layers - at - 1) * LAYER / (K * area)
    assert part.tops(1e5)[0] - T0 == pytest.approx(power * wanted, rel=0.02)


def test_new_metal_is_as_warm_as_what_it_lies_on() -> None:
    part = PartHeat()
    time, tops = build(part, 200, 4e-5)
    rises = []
    for _ in range(30):
        part.advance(time)
        before = tops[0]
        lay(part, 4e-5)
        part.follow(plate, T0)
        rises.append((part.tops(time)[0] - T0) / (before - T0))
        part.heat([(0, time, time + 1.0, DOSE * 4e-5)])
        part.follow(plate, T0)
        time += 10.0
        tops = part.tops(time)
    assert 0.85 < min(rises) < max(rises) < 1.0


def test_coarse_blocks_keep_branches_apart() -> None:
    # A narrow foot, an overhang held by supports and a tower: heat has two ways to the plate.
    tops = []
    for block, coarsening in ((5e-4, 0.25), (1e-4, 0.05)):
        part = PartHeat(replace(BARE, block=block, coarsening=coarsening))
        time, _ = build(part, 60, 1e-6)
        part.advance(time)
        lay(part, 5e-5, support=0.2)
        part.follow(plate, T0)
        _, top = build(part, 250, 5e-5, begin=time)
        tops.append(top[0] - T0)
    assert tops[0] == pytest.approx(tops[1], rel=0.02)

"""The plants of the wire machines without a controller: mass, heat, current, width, height."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from emulators.recipes.files import recipe_names
from tests.wire_bench import PLANTS, WireBench, wire_job
from twin.physics.arc import ARC_EFFICIENCY
from twin.physics.wire import wire_area

AREA = wire_area(1.2e-3)


def plant(machine: str, recipe: str = "", **actuators: float) -> Any:
    """A plant that has deposited a layer of a block, with some demands of its own."""
    built = wire_job(machine, recipe, layers=3)
    job, chosen = built.job, built.recipe
    made = PLANTS[machine](1)
    made.load(job)
    source: dict[str, float] = {"Arc.VoltageDemand": job.source, "Torch.GasDemand": 16e-3 / 60}
    if machine == "ded-wire-laser":
        source = {"Laser.Power": job.source, "Nozzle.GasDemand": 16e-3 / 60,
                  "HotWire.CurrentDemand": chosen.hot_wire.current}
    demands = {"WireFeeder.FeedDemand": job.feedstock, "Head.Feed": job.feed,
               "Head.StandOffDemand": job.stand_off, **source, **actuators}
    for path, value in demands.items():
        made.drive(path, value)
    for path in ("Arc.Enable", "Laser.Enable", "HotWire.Enable", "Chiller.Run"):
        if path in made.table:
            made.drive(path, True)
    made.drive("Head.Park", False)
    made.advance(3.0)
    made.drive("Head.Layer", 1)
    made.drive("Head.Run", True)
    made.advance(4.0)
    for _, component in made.walk():
        component.sense(4.0)
    return made


def layer(made: Any) -> dict[str, Any]:
    """The first layer, run to its end."""
    made.advance(400.0)
    assert not made.head.busy
    return next(e.fields for e in made.happened if e.kind == "layer")


@pytest.mark.parametrize("machine", sorted(PLANTS))
def test_metal_is_conserved(machine: str) -> None:
    made = plant(machine)
    told = layer(made)
    length = told["path_length"]
    feed = wire_job(machine).job.feedstock
    spatter = 0.98 if machine == "ded-arc" else 1.0
    assert told["volume"] == pytest.approx(
        feed * AREA * length / told["speed"] * spatter, rel=1e-3)
    assert made.head.map.volume == pytest.approx(told["volume"], rel=1e-9)
    used = made.meter.feedstock / float(made.head.job.alloy.density(300.0))
    assert used == pytest.approx(told["volume"] / spatter, rel=0.06)  # the wire runs in each time


@pytest.mark.parametrize("machine", sorted(PLANTS))
@pytest.mark.parametrize("factor", [0.8, 1.2])
def test_wire_feed_and_travel_speed_set_the_bead(machine: str, factor: float) -> None:
    usual = layer(plant(machine))
    feed, speed = (getattr(wire_job(machine).job, name) for name in ("feedstock", "feed"))
    fed = layer(plant(machine, **{"WireFeeder.FeedDemand": factor * feed}))
    assert fed["area"] / usual["area"] == pytest.approx(factor, rel=1e-6)
    moved = layer(plant(machine, **{"Head.Feed": factor * speed}))
    assert moved["area"] / usual["area"] == pytest.approx(1 / factor, rel=1e-6)
    assert (moved["width"] > usual["width"]) == (factor < 1)


def test_the_arc_heats_by_its_power() -> None:
    told = layer(plant("ded-arc"))
    power = told["current"] * told["voltage"]
    assert told["energy_absorbed"] == pytest.approx(
        ARC_EFFICIENCY * power * told["path_length"] / told["speed"], rel=5e-3)
    assert told["heat_input"] == pytest.approx(ARC_EFFICIENCY * power / told["speed"], rel=5e-3)


def test_farther_from_the_part_the_arc_has_less_current() -> None:
    near, far = (plant("ded-arc", **{"Head.StandOffDemand": d}) for d in (12e-3, 18e-3))
    assert far.source.current < near.source.current - 15
    for made, wanted in ((near, 12e-3), (far, 18e-3)):
        assert made.bead.tip_distance == pytest.approx(wanted, abs=0.3e-3)
        assert made.source.arc_established


def test_hot_wire_carries_its_current_and_tells_its_way() -> None:
    made = plant("ded-wire-laser", "308L")
    demand = made.hot.current_demand
    assert made.hot.current == pytest.approx(demand, rel=0.01)
    assert made.bead.transfer == 2  # smooth
    low = plant("ded-wire-laser", "308L", **{"Head.StandOffDemand": 15.5e-3})
    assert low.hot.resistance > 1.003 * made.hot.resistance
    off = plant("ded-wire-laser", "308L", **{"Head.StandOffDemand": 21e-3})
    assert off.bead.transfer in (1, 4)  # drops, or molten before it comes there
    assert off.bead.contact_share < 0.9


def test_more_light_makes_a_wider_bead_up_to_the_spot() -> None:
    widths = [layer(plant("ded-wire-laser", **{"Laser.Power": p}))["width"]
              for p in (3000.0, 4000.0, 5500.0)]
    assert widths == sorted(widths)
    assert widths[-1] < 6.2e-3


def test_the_height_regulator_fills_a_hollow() -> None:
    for machine in PLANTS:
        made = plant(machine)
        step = made.head.job.step
        error = np.array([-0.5, 0.0, 0.5, 5.0]) * step
        assert made.height.trim(error, step) == pytest.approx(1.0)  # off
        made.drive("Height.Regulate", True)
        limit = 1 + made.height.authority
        assert made.height.trim(error, step) == pytest.approx([0.8, 1.0, 1.2, limit])


@pytest.mark.parametrize(("machine", "recipe"), [
    (machine, recipe) for machine in sorted(PLANTS) for recipe in recipe_names(machine)])
def test_every_recipe_builds(machine: str, recipe: str) -> None:
    quick = {"atmosphere__oxygen_limit": 2e-2, "wire__pass_dwell": 30.0}
    bench = WireBench(machine, wire_job(machine, recipe, layers=3, **quick)).start().finish()
    assert bench.layer == 3
    assert set(bench.raised()) <= {"HeightSaturated"}
    rate = bench.plant.meter.feedstock / sum(told["work"] for told in bench.layers()) * 3600
    least, most = (1.6, 4.5) if machine == "ded-arc" else (0.8, 4.6)
    assert least < rate < most  # kg/h under the arc or light
    if recipe == "308L" and machine == "ded-wire-laser":
        assert rate > 3.5  # heated wire


def test_a_part_of_metres_in_one_pass_is_quick() -> None:
    bench = WireBench("ded-arc", wire_job("ded-arc", layers=2, size=(1.8, 7e-3)))
    bench.start().finish()
    told = bench.layers()[-1]
    assert told["path_length"] > 1.5
    assert told["height_spread"] < 1.5e-3
    assert bench.plant.feeder.spool_mass < bench.plant.SPOOL - 0.3

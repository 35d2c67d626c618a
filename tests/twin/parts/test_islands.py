"""Islands of a layer: areas, contacts, supports, vectors."""

import numpy as np
import pytest
import shapely

from twin.parts import BuildPlan, HatchStyle, Role, SupportStyle, arrange, example_part
from twin.parts.examples import _standing
from twin.parts.geometry import part_from_mesh
from twin.parts.islands import islands, locate

LAYER = 1e-4
DEEP = 3e-3
# mm: legs 2 and 4 wide under a bridge of 10, a tower of 2 on it.
PROFILE = shapely.Polygon(np.array([
    (0, 0), (2, 0), (2, 1), (6, 1), (6, 0), (10, 0), (10, 2), (5, 2), (5, 3), (3, 3), (3, 2),
    (0, 2)]))


@pytest.fixture(scope="module")
def plan() -> BuildPlan:
    part = part_from_mesh(_standing(PROFILE, DEEP * 1e3), "bridge", "bridge")
    return BuildPlan(arrange([part]), LAYER, HatchStyle(), SupportStyle())


def test_islands_of_a_bridge(plan: BuildPlan) -> None:
    legs, bridge, tower = (islands(plan, i) for i in (4, 12, 25))
    assert sorted(legs.area) == pytest.approx([2e-3 * DEEP, 4e-3 * DEEP])
    assert sorted(legs.outline) == pytest.approx([10e-3, 14e-3])
    assert bridge.area == pytest.approx([10e-3 * DEEP])
    assert tower.area == pytest.approx([2e-3 * DEEP])
    for same in (legs, bridge, tower):
        assert [c[:2] for c in same.contacts] == [(i, i) for i in range(len(same.area))]
        assert [c[2] for c in same.contacts] == pytest.approx(same.area)
        assert not same.support.any()
    assert islands(plan, 0).contacts == ()
    with pytest.raises(IndexError):
        islands(plan, len(plan))


def test_contacts_where_islands_merge_and_part(plan: BuildPlan) -> None:
    onto, off = islands(plan, 10), islands(plan, 20)
    assert [c[:2] for c in onto.contacts] == [(0, 0), (0, 1)]
    assert sorted(c[2] for c in onto.contacts) == pytest.approx([2e-3 * DEEP, 4e-3 * DEEP])
    assert off.contacts == ((0, 0, pytest.approx(2e-3 * DEEP)),)
    # Walls of 4 x 3 mm, 1 mm apart both ways, end under the bridge.
    below = plan.layer(9)
    walls = below.role == Role.SUPPORT
    length = np.hypot(*(below.end - below.start)[walls].T).sum()
    assert onto.support == pytest.approx([length])
    assert 0.01 < length < 0.05


def test_vectors_know_their_island(plan: BuildPlan) -> None:
    layer, found = plan.layer(4), islands(plan, 4)
    middle = (layer.start + layer.end) / 2
    support = layer.role == Role.SUPPORT
    assert support.any()
    assert (found.vector[support] == -1).all()
    left = int(np.argmin(found.area))
    edge = layer.start[:, 0].min() + 3e-3
    assert ((found.vector == left) == (~support & (middle[:, 0] < edge))).all()
    assert (locate(plan, 4, middle[~support]) == found.vector[~support]).all()


def test_islands_of_several_parts_are_numbered_part_by_part() -> None:
    plan = BuildPlan(arrange([example_part("cube"), example_part("pyramid")]), LAYER, HatchStyle())
    found, layer = islands(plan, 5), plan.layer(5)
    assert (found.vector == layer.part).all()
    assert found.area == pytest.approx(layer.part_area)
    assert [c[:2] for c in found.contacts] == [(0, 0), (1, 1)]
    assert sum(c[2] for c in found.contacts) == pytest.approx(layer.area - layer.overhang_area)

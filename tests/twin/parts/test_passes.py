"""Passes: they cover the section, alternate, keep to the part, and come from a file as it says."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import shapely
import trimesh

from twin.parts.geometry import PartError, part_from_mesh
from twin.parts.layers import Role
from twin.parts.passes import PassPlan, PassStyle
from twin.parts.plate import Placement

REAL = Path(__file__).parents[4] / "shared" / "parts" / "lens450_lines.gcode"
STYLE = PassStyle(bead_width=1.5e-3)


def _box(*size: float) -> Placement:
    mesh = trimesh.creation.box(size)
    mesh.apply_translation([0, 0, size[2] / 2])
    return Placement(part_from_mesh(mesh, "box", "box"))


def test_verification_the_passes_cover_the_section() -> None:
    plan = PassPlan([_box(20e-3, 12e-3, 5e-3)], 0.5e-3, STYLE)
    assert len(plan) == 10
    layer = plan.layer(3)
    beads = shapely.union_all([
        shapely.buffer(shapely.LineString(p.points[:, :2]), STYLE.bead_width / 2)
        for p in layer.passes])
    section = shapely.box(-10e-3, -6e-3, 10e-3, 6e-3)
    assert shapely.area(shapely.intersection(beads, section)) > 0.99 * shapely.area(section)
    assert shapely.area(shapely.difference(beads, section)) < 1e-3 * shapely.area(section)
    assert layer.area == pytest.approx(240e-6)
    # Less the flank of the outermost bead, half of what beads cover of each other.
    inner = (20e-3 - STYLE.bead_width + STYLE.pitch) * (12e-3 - STYLE.bead_width + STYLE.pitch)
    assert layer.length == pytest.approx(inner / STYLE.pitch, rel=0.03)


def test_directions_turn_and_order_alternates() -> None:
    plan = PassPlan([_box(20e-3, 12e-3, 5e-3)], 0.5e-3, STYLE)
    first, second = plan.layer(0), plan.layer(1)
    along = [np.abs(np.diff([p.points[0], p.points[-1]], axis=0)[0, :2]) for p in (
        first.passes[-1], second.passes[0])]
    assert along[0][1] < 1e-9 < along[0][0]
    assert along[1][0] < 1e-9 < along[1][1]
    assert first.passes[0].role is Role.CONTOUR
    assert second.passes[-1].role is Role.CONTOUR
    again = PassPlan([_box(20e-3, 12e-3, 5e-3)], 0.5e-3, STYLE)
    assert again.digest == plan.digest
    assert (again.layer(1).passes[2].points == second.passes[2].points).all()


@pytest.mark.parametrize("size", [(30e-3, 1e-3, 2e-3), (1.1e-3, 40e-3, 2e-3)])
def test_a_wall_thinner_than_a_bead_is_one_pass_along_its_middle(
        size: tuple[float, float, float]) -> None:
    (only,) = PassPlan([_box(*size)], 0.5e-3, STYLE).layer(0).passes
    assert only.length == pytest.approx(max(size), rel=0.06)
    assert np.abs(only.points[:, :2]).min(axis=1).max() < 0.1e-3


def test_a_thin_ring_is_one_closed_pass() -> None:
    mesh = trimesh.creation.annulus(9.5e-3, 10.5e-3, 2e-3, sections=64)
    mesh.apply_translation([0, 0, 1e-3])
    (only,) = PassPlan([Placement(part_from_mesh(mesh, "ring", "ring"))], 0.5e-3,
                       STYLE).layer(1).passes
    assert only.length == pytest.approx(2 * math.pi * 10e-3, rel=0.01)
    assert (only.points[0] == only.points[-1]).all()


def test_a_part_of_a_metre() -> None:
    plan = PassPlan([_box(1.0, 0.4, 0.9)], 3e-3, PassStyle(bead_width=8e-3))
    layer = plan.layer(250)
    assert layer.z == pytest.approx(251 * 3e-3)
    assert layer.length == pytest.approx(0.4 / plan.style.pitch, rel=0.05)
    assert len(layer.passes) < 200


def test_bad_settings() -> None:
    with pytest.raises(PartError, match="overlap"):
        PassStyle(overlap=1.0)
    with pytest.raises(PartError, match="no part"):
        PassPlan([], 1e-3)
    with pytest.raises(PartError, match="layer_thickness"):
        PassPlan([_box(1e-2, 1e-2, 1e-2)], 0.0)


def test_layers_feeds_and_dwells_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "wall.nc"
    path.write_text("""G21 G90 G0 X0 Y0 Z5
M302 P3
G4 P2
M3 S400
G1 X10 F600
X20
M5
G4 P30
G0 Z5.5
M3 S500
G1 X0 F300
M5
G4 P9
M30
""")
    plan = PassPlan.from_gcode(path)
    assert len(plan) == 2
    low, high = plan.layer(0), plan.layer(1)
    assert (low.base, high.base) == (0.0, pytest.approx(0.5e-3))
    assert low.passes[0].points[:, 0].tolist() == pytest.approx([0, 10e-3, 20e-3])
    assert (low.passes[0].feed, low.passes[0].demand, low.passes[0].feedstock,
            low.passes[0].pause) == (pytest.approx(10e-3), 400, 3, 2)
    assert (high.passes[0].feed, high.passes[0].pause, high.pause) == (pytest.approx(5e-3), 30, 9)
    assert plan.describe()["layers"] == 2
    path.write_text("G0 X1")
    with pytest.raises(PartError, match=r"wall\.nc: no stroke"):
        PassPlan.from_gcode(path)


def test_a_source_without_a_demand_is_the_recipe_s(tmp_path: Path) -> None:
    path = tmp_path / "wall.nc"
    path.write_text("G21 G0 X0 Y0 Z0\nM3\nG1 X10 F600\nG1 Y5\nM5")
    (only,) = PassPlan.from_gcode(path).layer(0).passes
    assert len(only.points) == 3
    assert math.isnan(only.demand)
    assert math.isnan(only.feedstock)


@pytest.mark.skipif(not REAL.exists(), reason="the file is not part of the project")
def test_the_real_file_builds_a_plan() -> None:
    plan = PassPlan.from_gcode(REAL)
    assert [len(plan.layer(i).passes) for i in range(len(plan))] == [55] * 5
    assert plan.layer_thickness == pytest.approx(0.254e-3)
    assert plan.layer(4).base == pytest.approx(4 * 0.254e-3)
    assert sum(p.pause for i in range(5) for p in plan.layer(i).passes) == pytest.approx(55 * 45)


def _spiral(path: Path, turns: int, pitch: float, points: int) -> Path:
    angle = np.linspace(0.0, 2 * math.pi * turns, turns * points + 1)
    lines = [f"G1 X{10 * math.cos(a):.4f} Y{10 * math.sin(a):.4f} Z{pitch * a / 2 / math.pi:.4f}"
             for a in angle[1:]]
    path.write_text("\n".join(["G21 G90", "G0 X10 Y0 Z0", "M3 S900", "F600", *lines, "M5"]))
    return path


@pytest.mark.parametrize("points", [36, 4, 500])
def test_a_spiral_is_a_layer_for_each_turn(points: int, tmp_path: Path) -> None:
    plan = PassPlan.from_gcode(_spiral(tmp_path / "s.nc", 30, 0.2, points), STYLE)
    assert 29 <= len(plan) <= 31
    assert plan.layer_thickness == pytest.approx(0.2e-3, rel=0.03)
    assert plan.height == pytest.approx(6e-3, rel=0.05)
    turn = 2 * points * 10e-3 * math.sin(math.pi / points)
    assert sum(plan.layer(i).length for i in range(len(plan))) == pytest.approx(30 * turn, rel=0.01)
    for index in range(1, len(plan)):
        (before,), (after,) = plan.layer(index - 1).passes, plan.layer(index).passes
        assert after.points[0, :2] == pytest.approx(before.points[-1, :2])


def test_layers_without_a_break_and_a_ramp(tmp_path: Path) -> None:
    path = tmp_path / "wall.nc"
    path.write_text("G21 G90\nM3 S900\nF600\nG1 X30\nG1 Z0.5\nG1 X0\nG1 Z1\nG1 X30\nM5")
    plan = PassPlan.from_gcode(path, STYLE)
    assert [plan.layer(i).base for i in range(len(plan))] == pytest.approx([0, 0.5e-3, 1e-3])
    path.write_text("G21 G90\nM3 S900\nF600\nG1 X30 Z3\nM5")
    assert len(PassPlan.from_gcode(path, STYLE)) == 1


def test_a_pass_below_the_first_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "down.nc"
    path.write_text("G21 G90\nF600\nG0 Z2\nM3 S900\nG1 X30\nM5\nG0 Z1\nM3 S900\nG1 X0\nM5")
    with pytest.raises(PartError, match="1 mm below the first one"):
        PassPlan.from_gcode(path)
    # Part after part: down to the plate again is no fault, and the height is the highest.
    path.write_text("G21 G90\nF600\nM3 S900\nG1 X30\nM5\nG0 X0 Z1\nM3 S900\nG1 X30\nM5\n"
                    "G0 X0 Y20 Z0\nM3 S900\nG1 X30\nM5")
    assert PassPlan.from_gcode(path).height == pytest.approx(2e-3)

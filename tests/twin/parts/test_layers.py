"""Build plans: lazy, the same in any order, and complete."""

import json
import math

import numpy as np
import pytest
import shapely
import trimesh

from twin.parts.cli_format import read_cli
from twin.parts.examples import example_part
from twin.parts.geometry import PartError, part_from_mesh
from twin.parts.hatching import HatchStyle
from twin.parts.layers import BuildPlan, Role
from twin.parts.plate import Placement, arrange
from twin.parts.slicing import Slicer
from twin.parts.supports import SupportStyle

THICKNESS = 100e-6
COARSE = HatchStyle(hatch_spacing=0.3e-3, stripe_width=3e-3)
SKINS = HatchStyle(hatch_spacing=0.3e-3, upskin_layers=2, downskin_layers=2)


def plan_of(*names, style=COARSE, **options):
    parts = [example_part(name) for name in names]
    return BuildPlan(arrange(parts), THICKNESS, style, **options)


def length(layer, chosen=slice(None)):
    return np.hypot(*(layer.end - layer.start)[chosen].T).sum()


def arrays(layer):
    return (layer.start, layer.end, layer.role, layer.part, layer.laser, layer.field)


def assert_equal(one, other):
    for a, b in zip(arrays(one), arrays(other), strict=True):
        np.testing.assert_array_equal(a, b)
    assert (one.z, one.area, one.part_area, one.overhang_area) == (
        other.z, other.area, other.part_area, other.overhang_area
    )  # fmt: skip


def test_any_order_of_access_gives_the_same_layers():
    options = {"style": SKINS, "supports": SupportStyle(), "lasers": 2}
    forward, random = plan_of("bracket", "cube", **options), plan_of("bracket", "cube", **options)
    order = np.random.default_rng(4).permutation(len(forward))[:40]
    jumped = {int(i): random.layer(int(i)) for i in order}
    for index in range(len(forward)):
        layer = forward.layer(index)
        if index in jumped:
            assert_equal(layer, jumped[index])


def test_layers_stack_up_to_the_height_of_the_highest_part():
    plan = plan_of("cube", "bracket")
    assert len(plan) == 250
    assert plan.layer_thickness == THICKNESS
    assert plan.height == pytest.approx(0.025)
    assert plan.layer(0).z == pytest.approx(THICKNESS)
    assert plan.layer(249).z == pytest.approx(plan.height)
    assert plan.parts == ("cube", "bracket")
    assert plan.layer(99).part_area[0] > 0 == plan.layer(100).part_area[0]
    assert set(plan.layer(99).part) == {0, 1}
    assert set(plan.layer(100).part) == {1}


@pytest.mark.parametrize(("thickness", "layers"), [(3e-3, 3), (3.9e-3, 3), (4.1e-3, 2), (5e-3, 2)])
def test_the_last_layer_still_cuts_the_part(thickness, layers):
    plan = BuildPlan([Placement(example_part("cube"))], thickness)
    assert len(plan) == layers
    assert plan.layer(layers - 1).area == pytest.approx(1e-4)


def test_areas_and_hatch_lengths_agree():
    layer = plan_of("cube").layer(50)
    assert layer.area == layer.part_area[0] == pytest.approx(1e-4)
    side = 0.01 - 2 * COARSE.hatch_offset
    hatched = length(layer, layer.role == Role.HATCH) * COARSE.hatch_spacing
    assert hatched == pytest.approx(side**2, rel=0.04)
    contour = length(layer, layer.role == Role.CONTOUR)
    assert contour == pytest.approx(4 * (0.01 - 2 * COARSE.beam_offset))
    for array in arrays(layer):
        assert len(array) == len(layer.start)
        assert not array.flags.writeable


@pytest.mark.parametrize("contour_first", [False, True])
def test_marking_order_is_part_by_part_and_role_by_role(contour_first):
    style = HatchStyle(
        hatch_spacing=0.3e-3, contour_first=contour_first, upskin_layers=1, downskin_layers=1
    )
    plan = plan_of("bracket", "bracket", style=style, supports=SupportStyle(), lasers=2)
    after = [Role.DOWNSKIN, Role.HATCH, Role.UPSKIN]
    order = [Role.SUPPORT, Role.CONTOUR, *after] if contour_first else [
        Role.SUPPORT, *after, Role.CONTOUR
    ]  # fmt: skip
    rank = np.array([order.index(role) for role in Role])
    for index in (39, 170, 220):
        layer = plan.layer(index)
        keys = layer.laser.astype(int) * 100 + layer.part * 10 + rank[layer.role]
        assert (np.diff(keys) >= 0).all()
        assert set(layer.laser) == {0, 1}
    assert Role.SUPPORT in plan.layer(170).role
    assert Role.UPSKIN in plan.layer(39).role


def test_skins_face_the_powder_below_and_the_gas_above():
    plan = plan_of("cantilever", style=SKINS)
    roles = [{Role(r) for r in plan.layer(i).role} - {Role.CONTOUR} for i in range(len(plan))]
    # Teeth of 5 mm carry a beam of 3 mm.
    assert roles[0] == roles[49] == {Role.HATCH}
    assert roles[50] == roles[51] == {Role.HATCH, Role.DOWNSKIN}
    assert roles[52] == roles[77] == {Role.HATCH}
    assert roles[78] == roles[79] == {Role.UPSKIN}
    foot = (10 + 8) * 6e-6
    assert plan.layer(49).area == pytest.approx(foot)
    assert plan.layer(50).overhang_area == pytest.approx(48 * 6e-6 - foot)
    assert plan.layer(51).overhang_area == plan.layer(0).overhang_area == 0
    layer = plan.layer(50)
    middle = (layer.start + layer.end) / 2
    assert (middle[layer.role == Role.DOWNSKIN, 0] > -14e-3).all()


def test_skins_share_the_area_with_the_core():
    plain, skinned = plan_of("bracket"), plan_of("bracket", style=SKINS)
    for index in (39, 40, 160, 180, 216):
        one, other = plain.layer(index), skinned.layer(index)
        hatched = length(one, one.role == Role.HATCH)
        split = length(other, other.role != Role.CONTOUR)
        assert split == pytest.approx(hatched, rel=0.03)


def test_overhang_of_a_slope_is_what_it_gains_per_layer():
    plan = plan_of("pyramid")
    for index in (1, 50, 119):
        gained = plan.layer(index).area - plan.layer(index - 1).area
        assert plan.layer(index).overhang_area == pytest.approx(gained, rel=1e-3)


@pytest.mark.parametrize("pattern", ["meander", "stripes", "islands"])
@pytest.mark.parametrize("lasers", [2, 4])
def test_lasers_together_mark_what_one_laser_marks(pattern, lasers):
    style = HatchStyle(pattern=pattern, hatch_spacing=0.3e-3, stripe_width=3e-3)
    one = plan_of("bracket", "cube", style=style)
    many = plan_of("bracket", "cube", style=style, lasers=lasers)
    for index in (0, 61):
        single, shared = one.layer(index), many.layer(index)
        assert set(shared.laser) == set(range(lasers))
        for role in Role:
            a, b = (length(layer, layer.role == role) for layer in (single, shared))
            assert b == pytest.approx(a, rel=1e-9)
        assert set(shared.field) == set(single.field)
        assert shared.area == single.area


def test_a_high_part_starts_at_once(monkeypatch):
    cut = []
    section = Slicer.section
    monkeypatch.setattr(Slicer, "section", lambda self, z: cut.append(z) or section(self, z))
    tower = trimesh.creation.box(extents=(5e-3, 5e-3, 0.12))
    plan = BuildPlan([Placement(part_from_mesh(tower, "tower", "test"))], 40e-6)
    assert len(plan) == 3000
    assert plan.height == pytest.approx(0.12)
    assert cut == []
    assert plan.layer(2999).area == pytest.approx(25e-6)
    assert plan.layer(2999) is plan.layer(2999)
    assert len(cut) == 2


def test_digest_is_the_identity_of_geometry_and_settings():
    base = plan_of("cube")
    assert plan_of("cube").digest == base.digest
    others = [
        plan_of("bracket"),
        plan_of("cube", "cube"),
        plan_of("cube", style=SKINS),
        plan_of("cube", supports=SupportStyle()),
        plan_of("cube", lasers=2),
        BuildPlan([Placement(example_part("cube"), x=1e-3)], THICKNESS, COARSE),
        BuildPlan([Placement(example_part("cube"))], 50e-6, COARSE),
    ]
    digests = {plan.digest for plan in others} | {base.digest}
    assert len(digests) == 8
    assert all(len(digest) == 64 for digest in digests)


def test_description_is_plain_data():
    text = json.dumps(plan_of("bracket", supports=SupportStyle(), lasers=2).describe())
    described = json.loads(text)
    assert described["layers"] == 250
    assert described["parts"][0]["name"] == "bracket"
    assert described["parts"][0]["size"] == pytest.approx([0.03, 0.02, 0.025])
    assert described["hatch"]["rotation"] == pytest.approx(math.radians(67))
    assert described["supports"]["kind"] == "block"
    assert described["lasers"]["lasers"] == 2


@pytest.mark.parametrize("index", [-1, 100])
def test_layer_outside_the_build(index):
    with pytest.raises(IndexError, match="outside 0 to 99"):
        plan_of("cube").layer(index)


@pytest.mark.parametrize("thickness", [0.0, -4e-5, math.nan, 1.0])
def test_layer_thickness_out_of_range_is_refused(thickness):
    with pytest.raises(PartError, match=r"layer_thickness is .*, allowed 5e-06 to 0\.005"):
        BuildPlan([Placement(example_part("cube"))], thickness)


def test_plan_without_parts_is_refused():
    with pytest.raises(PartError, match="no part on the plate"):
        BuildPlan([], THICKNESS)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A bracket and a cube with supports, as planned and as a CLI file."""
    thick = BuildPlan(
        arrange([example_part("bracket"), example_part("cube")]), 1e-3, COARSE, SupportStyle()
    )
    path = tmp_path_factory.mktemp("cli") / "build.cli"
    thick.export_cli(path)
    return thick, path


def test_exported_plan_comes_back_as_marked(exported):
    made, path = exported
    read = BuildPlan.from_cli(path)
    assert read.parts == made.parts
    assert len(read) == len(made)
    assert read.height == pytest.approx(made.height)
    assert read.layer_thickness == pytest.approx(1e-3)
    for index in range(len(made)):
        one, other = made.layer(index), read.layer(index)
        np.testing.assert_allclose(other.start, one.start, atol=1e-12)
        np.testing.assert_allclose(other.end, one.end, atol=1e-12)
        np.testing.assert_array_equal(other.part, one.part)
        np.testing.assert_array_equal(other.role == Role.CONTOUR, one.role == Role.CONTOUR)
        assert other.z == pytest.approx(one.z)
        # The outlines of the file are contours, half a beam inside the surface.
        assert 0.9 * one.area < other.area < one.area
    assert read.digest == BuildPlan.from_cli(path).digest != made.digest


def test_outlines_of_a_file_can_be_filled_anew(exported):
    _, path = exported
    read = BuildPlan.from_cli(path, style=HatchStyle(hatch_spacing=0.2e-3), lasers=2)
    layer = read.layer(5)
    hatches = layer.role == Role.HATCH
    assert length(layer, hatches) * 0.2e-3 == pytest.approx(layer.area, rel=0.12)
    outlines = shapely.union_all(
        [shapely.Polygon(i.points) for i in read_cli(path).layers[5].items if i.outline]
    )
    lines = shapely.linestrings(np.stack([layer.start, layer.end], axis=1))
    assert shapely.covers(outlines.buffer(2e-6), lines).all()
    assert read.digest != BuildPlan.from_cli(path).digest


def test_lasers_do_not_change_an_export(exported, tmp_path):
    _, path = exported
    shared = BuildPlan(
        arrange([example_part("bracket"), example_part("cube")]), 1e-3, COARSE, SupportStyle(), 4
    )
    shared.export_cli(tmp_path / "four.cli")
    assert (tmp_path / "four.cli").read_bytes() == path.read_bytes()


HEADER = "$$HEADERSTART\n$$ASCII\n$$UNITS/1\n$$HEADEREND\n$$GEOMETRYSTART\n"
SQUARE = "$$POLYLINE/7,1,5,0,0,10,0,10,10,0,10,0,0\n"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("$$LAYER/0.1\n$$LAYER/0.2\n", "no layer holds a polyline or a hatch"),
        ("$$LAYER/0.1\n$$HATCHES/7,1,0,0,1,1\n", "part 7 has no closed polyline"),
        (f"$$LAYER/0.2\n{SQUARE}$$LAYER/0.2\n{SQUARE}", "layer 1 is not above layer 0"),
        (f"$$LAYER/0\n{SQUARE}", "the only layer has no height"),
    ],
)
def test_layer_file_without_a_build_is_refused(tmp_path, body, message):
    path = tmp_path / "a.cli"
    path.write_text(HEADER + body + "$$GEOMETRYEND\n")
    with pytest.raises(PartError, match=rf"a\.cli: {message}"):
        BuildPlan.from_cli(path)


def test_layer_file_on_supports_is_seated_on_the_plate(tmp_path):
    path = tmp_path / "a.cli"
    body = "".join(f"$$LAYER/{z}\n{SQUARE}" for z in (5.0, 5.05, 5.10, 5.2))
    path.write_text(HEADER + body + "$$GEOMETRYEND\n")
    plan = BuildPlan.from_cli(path)
    assert plan.parts == ("part 7",)
    assert [plan.layer(i).z for i in range(4)] == pytest.approx([5e-5, 1e-4, 1.5e-4, 2.5e-4])
    assert plan.layer(3).thickness == pytest.approx(1e-4)
    assert plan.layer(3).area == pytest.approx(1e-4)

"""Reading parts: units, repairs, and refusals with one clear error."""

import io
import warnings
import zipfile

import numpy as np
import pytest
import trimesh
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from twin.parts.examples import EXAMPLES, example_part
from twin.parts.geometry import PartError, load_part, open_edges, part_from_mesh

MILLIMETRES = 1e3


def write(path, mesh, **options):
    path.write_bytes(_bytes(mesh.export(file_type=path.suffix[1:], **options)))
    return path


def _bytes(content):
    return content.encode() if isinstance(content, str) else content


@pytest.fixture
def box():
    """Box of 10 × 20 × 30, away from the origin."""
    mesh = trimesh.creation.box(extents=(10, 20, 30))
    mesh.apply_translation((100, -50, 7))
    return mesh


@pytest.mark.parametrize("file_type", ["stl", "stl_ascii"])
def test_stl_is_in_millimetres_and_seated(tmp_path, box, file_type):
    path = tmp_path / "box.stl"
    path.write_bytes(_bytes(box.export(file_type=file_type)))
    part = load_part(path)
    assert part.name == "box"
    assert part.source == str(path)
    assert part.notes == ("unit taken: mm",)
    np.testing.assert_allclose(part.mesh.bounds, [[-0.005, -0.01, 0], [0.005, 0.01, 0.03]])
    assert part.volume == pytest.approx(6e-6)


@pytest.mark.parametrize(
    ("unit", "metres"),
    [("um", 1e-6), ("mm", 1e-3), ("cm", 1e-2), ("m", 1), ("in", 0.0254), ("Inch", 0.0254),
     ("ft", 0.3048)],
)  # fmt: skip
def test_unit_of_an_stl_can_be_named(tmp_path, unit, metres):
    side = 0.02 / metres
    path = write(tmp_path / "a.stl", trimesh.creation.box(extents=(side,) * 3))
    assert load_part(path, unit).size == pytest.approx((0.02,) * 3)


@pytest.fixture
def write_3mf(tmp_path):
    """Write two boxes, 1 and 2 units wide and 3 apart, into one 3MF file of a given unit."""

    def write_unit(unit):
        scene = trimesh.Scene()
        for i, side in enumerate((1.0, 2.0)):
            place = trimesh.transformations.translation_matrix((3.0 * i, 0, side / 2))
            scene.add_geometry(trimesh.creation.box(extents=(side,) * 3), transform=place)
        path = tmp_path / "two.3mf"
        # The writer of trimesh always says millimetre.
        with (
            zipfile.ZipFile(io.BytesIO(scene.export(file_type="3mf"))) as made,
            zipfile.ZipFile(path, "w") as changed,
        ):
            for name in made.namelist():
                old, new = b'unit="millimeter"', f'unit="{unit}"'.encode() if unit else b""
                changed.writestr(name, made.read(name).replace(old, new))
        return path

    return write_unit


@pytest.mark.parametrize(
    ("unit", "metres"), [("inch", 0.0254), ("centimeter", 0.01), ("foot", 0.3048), ("", 1e-3)]
)
def test_3mf_unit_bodies_and_transforms_are_honoured(write_3mf, unit, metres):
    part = load_part(write_3mf(unit))
    assert part.size == pytest.approx([4.5 * metres, 2 * metres, 2 * metres])
    assert part.volume == pytest.approx(9 * metres**3)
    assert part.notes == (f"unit read: {unit or 'millimeters'}",)


def test_3mf_unit_may_be_confirmed_but_not_contradicted(write_3mf):
    path = write_3mf("inch")
    assert load_part(path, "in").size == load_part(path).size
    with pytest.raises(PartError, match=r"two\.3mf: unit 'mm' contradicts .*'inch'"):
        load_part(path, "mm")


def test_3mf_of_unknown_unit_is_refused(write_3mf):
    with pytest.raises(PartError, match="unit 'parsec' is not known; allowed: um"):
        load_part(write_3mf("parsec"))


def drop_one(mesh):
    mesh.update_faces(np.arange(len(mesh.faces)) != 3)


def turn_some(mesh):
    faces = mesh.faces.copy()
    faces[::3] = faces[::3, ::-1]
    mesh.faces = faces


def t_junction(mesh):
    """Split one face at the middle of an edge, without its neighbour knowing."""
    a, b, c = mesh.faces[0]
    middle = (mesh.vertices[a] + mesh.vertices[b]) / 2
    mesh.vertices = np.vstack([mesh.vertices, middle])
    new = len(mesh.vertices) - 1
    mesh.faces = np.vstack([mesh.faces[1:], [[a, new, c], [new, b, c]]])


@pytest.mark.parametrize(
    ("damage", "note"),
    [(drop_one, "filled holes"), (turn_some, "same way round"), (t_junction, "split edges")],
)
def test_repairable_mesh_is_repaired_and_noted(tmp_path, box, damage, note):
    damage(box)
    assert open_edges(box)
    part = load_part(write(tmp_path / "a.stl", box))
    assert open_edges(part.mesh) == 0
    assert part.volume == pytest.approx(6e-6)
    assert note in part.notes[1]


def test_inside_out_body_is_turned_and_a_cavity_is_kept(tmp_path):
    shell = trimesh.creation.box(extents=(10, 10, 10))
    cavity = trimesh.creation.box(extents=(4, 4, 4))
    cavity.invert()
    apart = trimesh.creation.box(extents=(2, 2, 2))
    apart.apply_translation((20, 0, 0))
    apart.invert()
    part = load_part(write(tmp_path / "a.stl", trimesh.util.concatenate([shell, cavity, apart])))
    assert part.volume == pytest.approx(1000e-9 - 64e-9 + 8e-9)
    assert "turned 1 inside-out" in part.notes[-1]


def test_open_mesh_is_refused(tmp_path):
    ball = trimesh.creation.icosphere(subdivisions=2, radius=10)
    ball.update_faces(np.random.default_rng(1).random(len(ball.faces)) < 0.5)
    with pytest.raises(PartError, match=r"a\.stl: the mesh is not watertight: \d+ open edges"):
        load_part(write(tmp_path / "a.stl", ball))


def nothing(mesh):
    mesh.update_faces(np.zeros(len(mesh.faces), dtype=bool))


def flatten(mesh):
    mesh.vertices = mesh.vertices * (1, 1, 0)


def not_finite(mesh):
    mesh.vertices = np.where(mesh.vertices == mesh.vertices.max(), np.nan, mesh.vertices)


@pytest.mark.parametrize(
    ("damage", "unit", "message"),
    [
        (nothing, None, "triangle|empty|readable"),
        (flatten, None, "encloses no volume"),
        (not_finite, None, "not finite"),
        (lambda mesh: None, "m", "longest edge is 30 m, allowed 0.0001 to 10 m"),
        (lambda mesh: None, "um", "longest edge is 3e-05 m"),
        (lambda mesh: None, "furlong", "unit 'furlong' is not known; allowed: um"),
        (lambda mesh: None, "", "unit '' is not known"),
    ],
)
def test_what_cannot_be_built_is_refused(tmp_path, box, damage, unit, message):
    damage(box)
    path = tmp_path / "a.stl"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write(path, box)
    with pytest.raises(PartError, match=message) as error:
        load_part(path, unit)
    assert "a.stl" in str(error.value)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.stl", None, "cannot be read"),
        ("empty.stl", b"", "is empty"),
        ("empty.3mf", b"", "is empty"),
        ("none.stl", b"\0" * 84, "no triangle"),
        ("cut.stl", b"\0" * 80 + b"\xff\xff\xff\xff" + b"\0" * 50, "readable|triangle"),
        ("text.stl", b"hello", "readable|triangle"),
        ("text.3mf", b"hello", "not a readable 3MF"),
        ("part.gcode", b"G1 X0", "file type 'gcode' is not known; allowed: .stl, .3mf"),
    ],
)
def test_unreadable_file_is_refused(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(PartError, match=message):
        load_part(tmp_path / name)


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    kind=st.sampled_from(["stl", "3mf"]),
    damage=st.lists(st.tuples(st.integers(0, 2**16), st.integers(0, 255)), max_size=12),
    keep=st.floats(0, 1),
)
def test_damaged_bytes_never_raise_anything_else(tmp_path, kind, damage, keep):
    content = bytearray(_bytes(trimesh.creation.box(extents=(9, 9, 9)).export(file_type=kind)))
    for at, value in damage:
        content[at % len(content)] = value
    path = tmp_path / f"damaged.{kind}"
    path.write_bytes(content[: int(len(content) * keep)] if keep < 0.7 else content)
    try:
        assert open_edges(load_part(path).mesh) == 0
    except PartError as error:
        assert path.name in str(error)  # noqa: PT017  only this error, and it names the file


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_parts_need_no_repair(name):
    part = example_part(name)
    assert part.notes == ()
    assert part.mesh.is_watertight
    assert part.volume > 0
    assert part.mesh.bounds[0, 2] == 0


def test_unknown_example_is_refused():
    with pytest.raises(PartError, match="'teapot' is not known; allowed: bracket"):
        example_part("teapot")


def test_nearly_equal_vertices_are_merged():
    mesh = trimesh.creation.box(extents=(0.01,) * 3)
    apart = trimesh.Trimesh(
        mesh.triangles.reshape(-1, 3), np.arange(36).reshape(-1, 3), process=False
    )
    apart.vertices = apart.vertices + np.random.default_rng(2).uniform(-4e-9, 4e-9, (36, 3))
    part = part_from_mesh(apart, "a", "test")
    assert "merged close vertices" in part.notes[0]
    assert part.volume == pytest.approx(1e-6, rel=1e-4)

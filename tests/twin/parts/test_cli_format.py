"""Common Layer Interface: round trips, both encodings, errors that name the place."""

import struct

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from twin.parts.cli_format import CliFile, CliItem, CliLayer, polyline, read_cli, write_cli
from twin.parts.geometry import PartError

ASCII = b"$$HEADERSTART\n$$ASCII\n$$UNITS/0.5\n$$LABEL/3,lug\n$$HEADEREND\n$$GEOMETRYSTART\n"
BINARY = b"$$HEADERSTART\n$$BINARY\n$$UNITS/0.5\n%b$$HEADEREND"
FUNCTION_SCOPE = [HealthCheck.function_scoped_fixture]


@pytest.fixture
def read(tmp_path):
    """Read a file with the given bytes."""

    def read_bytes(content):
        path = tmp_path / "a.cli"
        path.write_bytes(content)
        return read_cli(path)

    return read_bytes


coordinates = st.floats(-0.2, 0.2)
hatches = st.lists(st.tuples(*[coordinates] * 4), max_size=5).map(
    lambda rows: CliItem(1, None, np.array(rows, dtype=float).reshape(-1, 2))
)
lines = st.lists(st.tuples(coordinates, coordinates), min_size=2, max_size=6, unique=True)
open_lines = lines.map(lambda rows: polyline(2, np.array(rows)))
closed_lines = lines.map(lambda rows: polyline(2, np.array([*rows, rows[0]])))


@st.composite
def files(draw):
    heights = np.cumsum(draw(st.lists(st.floats(1e-5, 1e-3), min_size=1, max_size=4)))
    items = st.lists(st.one_of(hatches, open_lines, closed_lines), max_size=4).map(tuple)
    return CliFile(tuple(CliLayer(float(z), draw(items)) for z in heights), {1: "a", 2: "b"})


@settings(deadline=None, max_examples=60, suppress_health_check=FUNCTION_SCOPE)
@given(file=files(), binary=st.booleans(), unit=st.sampled_from([1e-3, 5e-6, 0.0254]))
def test_round_trip(tmp_path, file, binary, unit):
    path = tmp_path / "a.cli"
    write_cli(path, file, binary=binary, unit=unit)
    read = read_cli(path)
    tolerance = 2e-8 if binary else 1e-15
    assert read.labels == file.labels
    assert len(read.layers) == len(file.layers)
    for one, other in zip(file.layers, read.layers, strict=True):
        assert other.z == pytest.approx(one.z, abs=tolerance)
        assert len(one.items) == len(other.items)
        for a, b in zip(one.items, other.items, strict=True):
            assert (a.part, a.direction, a.outline) == (b.part, b.direction, b.outline)
            np.testing.assert_allclose(b.points, a.points, atol=tolerance)


def test_ascii_units_labels_and_comments(read):
    file = read(
        ASCII + b"// a remark // $$LAYER/2 // and one more //\r\n\r\n"
        b"$$POLYLINE/3,0,3,0,0,0,2,2,0\n$$HATCHES/3,1,0,0,4,6\n$$GEOMETRYEND\n"
    )
    (layer,) = file.layers
    outline, hatch = layer.items
    assert file.labels == {3: "lug"}
    assert layer.z == pytest.approx(1e-3)
    np.testing.assert_allclose(hatch.points, [(0, 0), (2e-3, 3e-3)])
    # The writer left out the repeated corner; the outline is an inner one, so clockwise.
    np.testing.assert_allclose(outline.points[[0, -1]], 0)
    np.testing.assert_allclose(outline.wound(), np.array([(0, 0), (0, 1), (1, 0)]) * 1e-3)


def test_direction_decides_which_way_round_an_outline_is(read):
    ring = b"0,0,0,2,2,0,0,0"
    body = b"$$LAYER/1\n$$POLYLINE/1,0,4,%b\n$$POLYLINE/1,1,4,%b\n$$GEOMETRYEND" % (ring, ring)
    inner, outer = read(ASCII + body).layers[0].items
    np.testing.assert_array_equal(np.roll(outer.wound()[::-1], 1, axis=0), inner.wound())


def short_commands(align):
    fill = b"\0\0" if align else b""
    return (
        struct.pack("<H", 128) + fill + struct.pack("<H", 40) + fill
        + struct.pack("<H", 129) + fill + struct.pack("<9H", 3, 2, 3, 0, 0, 10, 0, 10, 20) + fill
        + struct.pack("<H", 131) + fill + struct.pack("<6H", 3, 1, 1, 2, 3, 4)
    )  # fmt: skip


@pytest.mark.parametrize("align", [False, True])
@pytest.mark.parametrize("line_end", [b"", b"\n", b"\r\n"])
def test_short_binary_commands(read, align, line_end):
    header = BINARY % (b"$$ALIGN\n" if align else b"") + line_end
    (layer,) = read(header + short_commands(align)).layers
    line, hatch = layer.items
    assert layer.z == pytest.approx(0.02)
    assert (line.part, line.direction, hatch.direction) == (3, 2, None)
    np.testing.assert_allclose(line.points, np.array([(0, 0), (10, 0), (10, 20)]) * 0.5e-3)
    np.testing.assert_allclose(hatch.points, np.array([(1, 2), (3, 4)]) * 0.5e-3)


END = b"$$GEOMETRYEND\n"
LAYER = struct.pack("<Hf", 127, 1.0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"not a CLI file"),
        (b"$$HEADERSTART\n$$ASCII\n", r"not a CLI file"),
        (ASCII.replace(b"$$ASCII", b""), r"exactly one of \$\$ASCII and \$\$BINARY"),
        (ASCII.replace(b"$$UNITS/0.5", b""), r"no \$\$UNITS"),
        (ASCII.replace(b"0.5", b"-1"), r"line 3: \$\$UNITS is -1, allowed above 0"),
        (ASCII.replace(b"0.5", b"mm"), r"line 3: \$\$UNITS is 'mm', which is not a finite number"),
        (ASCII + END, r"holds no layer"),
        (ASCII + b"$$LAYER/1\n", r"ends without \$\$GEOMETRYEND"),
        (ASCII + b"$$LAYER/one\n" + END, r"line 7: \$\$LAYER is 'one'"),
        (ASCII + b"$$LAYER/1e9\n" + END, r"line 7: layer height is .* allowed -10 to 10 m"),
        (ASCII + b"$$HATCHES/1,0\n" + END, r"line 7: geometry before the first layer"),
        (ASCII + b"$$LAYER/1\nfoo\n" + END, r"line 8: 'foo' is not a CLI command"),
        (ASCII + b"$$LAYER/1\n$$HATCHES/1,2,0,0,1,1\n" + END, r"promises 8 coordinates and has 4"),
        (ASCII + b"$$LAYER/1\n$$HATCHES/1,1,0,0,1,x\n" + END, r"line 8: \$\$HATCHES: could not"),
        (ASCII + b"$$LAYER/1\n$$HATCHES/1,1,0,0,1,nan\n" + END, r"line 8: a coordinate is out of"),
        (ASCII + b"$$LAYER/1\n$$POLYLINE/1,5,2,0,0,1,1\n" + END, r"direction is 5, allowed 0, 1"),
        (ASCII + b"$$LAYER/1\n$$POLYLINE/1,2,1,0,0\n" + END, r"a polyline has 1 points"),
        (ASCII + b"$$LAYER/1\n$$POLYLINE/0.5,2\n" + END, r"begin with 3 whole numbers"),
        (BINARY % b"" + b"\x01\x00", r"offset 46: 1 is not a CLI command, allowed 127 to 132"),
        (BINARY % b"" + LAYER[:4], r"offset 48: the file ends in the middle"),
        (BINARY % b"" + LAYER + struct.pack("<Hii", 132, 1, 9), r"offset 52: 9 elements do not"),
        (BINARY % b"" + LAYER + struct.pack("<Hii", 132, 1, -9), r"offset 52: -9 elements do not"),
    ],
)
def test_malformed_file_names_the_place(read, content, message):
    with pytest.raises(PartError, match=rf"a\.cli: .*{message}"):
        read(content)


def test_missing_file(tmp_path):
    with pytest.raises(PartError, match="cannot be read"):
        read_cli(tmp_path / "none.cli")


@settings(deadline=None, max_examples=100, suppress_health_check=FUNCTION_SCOPE)
@given(
    binary=st.booleans(),
    damage=st.lists(st.tuples(st.integers(0, 2**16), st.integers(0, 255)), max_size=6),
    keep=st.floats(0, 2),
)
def test_damaged_bytes_never_raise_anything_else(tmp_path, binary, damage, keep):
    ring = polyline(1, np.array([(0, 0), (1, 0), (0, 1), (0, 0)]) * 1e-3)
    hatch = CliItem(1, None, np.array([(0, 0), (1, 1)]) * 1e-3)
    path = tmp_path / "a.cli"
    write_cli(path, CliFile((CliLayer(1e-4, (ring, hatch)),), {1: "a"}), binary=binary)
    content = bytearray(path.read_bytes())
    for at, value in damage:
        content[at % len(content)] = value
    path.write_bytes(content[: int(len(content) * keep)])
    try:
        assert read_cli(path).layers
    except PartError as error:
        assert "a.cli" in str(error)  # noqa: PT017  only this error, and it names the file

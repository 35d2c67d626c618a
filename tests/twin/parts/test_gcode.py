"""G-code: dialects of dwell, arcs against geometry, a real file, and input that is not G-code."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from twin.parts.gcode import CHORD, GcodeError, Pause, Stroke, read_gcode

REAL = Path(__file__).parents[4] / "shared" / "parts" / "lens450_lines.gcode"


def _read(tmp_path: Path, text: str, **more: str) -> list[Stroke | Pause]:
    path = tmp_path / "test.nc"
    path.write_text(text)
    return list(read_gcode(path, **more).strokes)  # type: ignore[arg-type]


def test_feed_power_and_units(tmp_path: Path) -> None:
    on, off = _read(tmp_path, "G20 G90\nM302 P2\nN10 G1 X1 F60 M3 S250 (on) ; and on\nM5\nG0 x0 y1")
    assert isinstance(on, Stroke)
    assert isinstance(off, Stroke)
    assert on.points.tolist() == [[0, 0, 0], [pytest.approx(25.4e-3), 0, 0]]
    assert on.feed == pytest.approx(25.4e-3)
    assert (on.on, on.demand, on.feedstock, on.line) == (True, 250, 2, 3)
    assert off.feed == math.inf
    assert not off.on


def test_incremental_and_set_position(tmp_path: Path) -> None:
    strokes = _read(tmp_path, "G21 G91 F60\nG1 X10\nX10 Y5\nG90\nG92 X0\nG1 X1\nG92.1\nG1 X1")
    ends = [tuple(np.round(s.points[-1] * 1e3, 9)) for s in strokes if isinstance(s, Stroke)]
    assert ends == [(10, 0, 0), (20, 5, 0), (21, 5, 0), (1, 5, 0)]


@pytest.mark.parametrize(("line", "sweep"), [
    ("G3 X0 Y10 I-10 J0", math.pi / 2), ("G2 X0 Y10 I-10 J0", 1.5 * math.pi),
    ("G3 X0 Y10 R10", math.pi / 2), ("G3 X0 Y10 R-10", 1.5 * math.pi),
    ("G2 X0 Y10 R10", math.pi / 2), ("G3 I-10", 2 * math.pi), ("G3 X10 Z4 I-10", 2 * math.pi),
])
def test_verification_arcs_have_length_and_stay_on_the_circle(
        tmp_path: Path, line: str, sweep: float) -> None:
    stroke = _read(tmp_path, f"G0 X10\nF600\n{line}")[-1]
    assert isinstance(stroke, Stroke)
    flat = stroke.points[:, :2]
    length = np.hypot(*np.diff(flat, axis=0).T).sum()
    assert length == pytest.approx(10e-3 * sweep, rel=2e-3)
    centre = np.array([10e-3, 10e-3]) if line == "G2 X0 Y10 R10" else np.zeros(2)
    if "R-10" in line:
        centre = np.array([10e-3, 10e-3])
    assert np.hypot(*(flat - centre).T) == pytest.approx(10e-3, abs=1e-9)
    middle = (flat[1:] + flat[:-1]) / 2
    assert (10e-3 - np.hypot(*(middle - centre).T)).max() <= CHORD * (1 + 1e-9)


@pytest.mark.parametrize(("line", "unit", "seconds"), [
    ("G4 P1.5", "auto", 1.5), ("G04 P45000", "auto", 45.0), ("G4 P200", "ms", 0.2),
    ("G4 P900", "s", 900.0), ("G4 S2", "auto", 2.0), ("G4 X4.13", "ms", 4.13), ("G4 F3", "s", 3.0),
])
def test_dwell_dialects(tmp_path: Path, line: str, unit: str, seconds: float) -> None:
    (pause,) = _read(tmp_path, line, dwell_unit=unit)
    assert pause == Pause(seconds, 1)


@pytest.mark.parametrize(("text", "line", "word"), [
    ("G1 X1", 1, "G1"), ("G21\nG1 F60 X1 E5", 2, "E5"), ("G41 D1", 1, "D1"), ("G18", 1, "G18"),
    ("M98 P1", 1, "M98"), ("G1 F60 X", 1, "X"), ("G0 X1.2.3", 1, "X1.2.3"), ("(open", 1, r"\("),
    ("G0 X1 X2", 1, "X2"), ("G0 G1 X1 F1", 1, "G1"), ("G4", 1, "G4"), ("G4 P-1", 1, "P-1"),
    ("F0", 1, "F0"), ("G3 F60 X1 Y1", 1, "G3"), ("G0 X1e9", 1, "E9"), ("X1", 1, "X"),
    ("G0 X999999999", 1, "X999999999"), ("G3 F60 X10 R1", 1, "R1"), ("G0 X5 P2", 1, "P2"),
    ("G3 F60 X5 I1", 1, "G3"), ("M302", 1, "M302"), ("@", 1, "@"),
])
def test_errors_name_file_line_and_word(tmp_path: Path, text: str, line: int, word: str) -> None:
    with pytest.raises(GcodeError, match=rf"test\.nc, line {line}, word {word}"):
        _read(tmp_path, text)


def test_harmless_words_are_notes(tmp_path: Path) -> None:
    path = tmp_path / "a.nc"
    path.write_text("%\nO100\nG17 G40 G49 G80 G94\nM8\nT1 M6\n/G0 X1\nG28\nM30\nnot read any more")
    program = read_gcode(path)
    text = " ".join(program.notes)
    assert all(word in text for word in ("G40", "G49", "G80", "M8", "T1", "M6", "block", "G28"))
    assert len(program.strokes) == 2


_TEXT = st.text(st.sampled_from("GMXYZIJRFSPTN0123456789.-+ ()\n;%/eqä\t"), max_size=200)


@settings(max_examples=150, deadline=None, suppress_health_check=[
    HealthCheck.function_scoped_fixture])
@given(_TEXT)
def test_any_text_is_read_or_refused_with_its_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "any.nc"
    path.write_text(text)
    try:
        strokes = read_gcode(path).strokes
    except GcodeError as found:
        refusal = str(found)
    else:
        refusal = ""
    if refusal:
        assert "any.nc, line " in refusal
        return
    before = np.zeros(3)
    for stroke in strokes:
        if isinstance(stroke, Stroke):
            assert np.isfinite(stroke.points).all()
            assert (stroke.points[0] == before).all()
            before = stroke.points[-1]


@settings(max_examples=60, deadline=None, suppress_health_check=[
    HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(*[st.floats(-500, 500).map(lambda v: round(v, 3))] * 3), min_size=1,
                max_size=8))
def test_written_moves_come_back(tmp_path: Path, ends: list[tuple[float, float, float]]) -> None:
    text = "G21 G90 F600\n" + "\n".join(f"G1 X{x:.3f} Y{y:.3f} Z{z:.3f}" for x, y, z in ends)
    strokes = _read(tmp_path, text)
    found = [s.points[-1] for s in strokes if isinstance(s, Stroke)]
    assert np.allclose(found, np.array(ends) * 1e-3, atol=1e-12)


@pytest.mark.skipif(not REAL.exists(), reason="the file is not part of the project")
def test_a_real_file_of_a_powder_machine() -> None:
    program = read_gcode(REAL)
    marked = [s for s in program.strokes if isinstance(s, Stroke) and s.on]
    pauses = [s for s in program.strokes if isinstance(s, Pause)]
    assert len(marked) == 275
    assert {s.demand for s in marked} == {100, 150, 200, 250, 300}
    assert sorted({s.feedstock for s in marked})[::10] == [2, 7]
    assert all(s.feed == pytest.approx(6.35e-3) for s in marked)
    assert sum(np.hypot(*np.diff(s.points[:, :2], axis=0).T).sum() for s in marked
               ) == pytest.approx(275 * 6.35e-3)
    # The comment in the file says 8 seconds; Mach reads what is written, as milliseconds.
    assert {pause.seconds for pause in pauses} == {45.0}
    assert sorted({round(float(s.points[0, 2]) / 25.4e-3, 6) for s in marked}
                  ) == [0, 0.01, 0.02, 0.03, 0.04]
    assert any("milliseconds" in note for note in program.notes)

"""`amtwin meltpool`: numbers as the models give them, JSON alone on stdout, pictures, refusals."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.image import imread
from typer.testing import CliRunner

from scenarios.cli import app
from scenarios.levels import BadInputError, Process, Spent, model
from scenarios.melting import (
    ProcessMap,
    Section,
    path_from_file,
    path_section,
    steady_section,
    track_pools,
    window,
)
from scenarios.pictures import PictureError, draw_pool
from tests.machines import block, invoke
from twin.materials import alloy
from twin.meltpool import BeamPath, Laws

POINT = ("--alloy=IN718", "--power-w=285", "--speed-mm-s=960", "--d4sigma-um=67",
         "--preheat-c=23.5")


def run(*arguments: str | Path) -> list[dict[str, Any]]:
    code, rows, err = invoke("meltpool", *arguments, "--json")
    assert code == 0, err
    assert err == ""
    return rows


def one(*arguments: str | Path) -> dict[str, Any]:
    (row,) = run(*arguments)
    return row


def picture(path: Path) -> np.ndarray:
    """Pixels (n, 3) of a picture that was written."""
    return np.asarray(imread(path))[..., :3].reshape(-1, 3)


def test_point_is_what_the_model_says() -> None:
    row = one("point", *POINT)
    pool = Laws().pools(alloy("IN718"), 285.0, 0.96, 67e-6 / 4, 23.5 + 273.15)
    for name, value in (("length_um", pool.length), ("width_um", pool.width),
                        ("depth_um", pool.depth)):
        assert row[name] == pytest.approx(value[0] * 1e6, abs=0.01)
    assert row["peak_k"] == pytest.approx(pool.peak_temperature[0], abs=0.1)
    assert row["cooling_rate_k_s"] == pytest.approx(pool.cooling_rate[0], rel=1e-5)
    assert row["absorptivity"] == pytest.approx(pool.absorptivity[0], abs=1e-4)
    assert row["time_above_melting_ms"] == pytest.approx(pool.length[0] / 0.96 * 1e3, rel=1e-3)
    assert row["mode"] == "keyhole"
    assert 0 < row["wall_s"] < 5
    assert row["compile_s"] >= 0


def test_point_takes_aliases_powder_and_wavelength() -> None:
    plain = one("point", "--alloy=Ti64", *POINT[1:])
    assert plain["alloy"] == "Ti-6Al-4V"
    assert one("point", *POINT, "--powder-um=60")["absorptivity"] != one("point", *POINT)[
        "absorptivity"]
    assert one("point", *POINT, "--wavelength-nm=515")["absorptivity"] != one("point", *POINT)[
        "absorptivity"]


def test_json_is_alone_on_stdout_and_a_table_is_for_people() -> None:
    told = CliRunner().invoke(app, ["meltpool", "point", *POINT, "--json"])
    assert told.stdout.count("\n") == 1
    assert told.stdout.startswith("{")
    shown = CliRunner().invoke(app, ["meltpool", "point", *POINT])
    assert "width_um" in shown.stdout
    assert "keyhole" in shown.stdout


@pytest.mark.parametrize(
    "arguments", [["--help"], ["run", "--help"], ["meltpool", "point", *POINT, "--json"]]
)
def test_nothing_heavy_is_imported_unasked(arguments: list[str]) -> None:
    """A start must not pay for compilers and pictures that it does not use."""
    heavy = ["numba", "matplotlib", *([] if "point" in arguments else ["scipy", "numpy"])]
    code = (
        "import sys\nfrom typer.testing import CliRunner\nfrom scenarios.cli import app\n"
        f"assert CliRunner().invoke(app, {arguments!r}).exit_code == 0\n"
        f"sys.exit(','.join(name for name in {heavy!r} if name in sys.modules) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_track_times_and_samples() -> None:
    row = one("track", *POINT, "--length-mm=4", "--samples=20")
    assert row["physical_s"] == pytest.approx(4e-3 / 0.96, rel=1e-3)
    assert row["real_time_factor"] == pytest.approx(row["wall_s"] / row["physical_s"], rel=2e-3)
    assert len(row["samples"]) == 20
    assert row["samples"][-1]["x_mm"] == pytest.approx(4.0)
    assert row["width_um"] == one("point", *POINT)["width_um"]


def test_raster_turns_around_with_the_beam_off() -> None:
    row = one("track", *POINT, "--length-mm=2", "--tracks=3", "--hatch-um=120", "--turn-ms=2",
              "--samples=60")
    jump = 0.12e-3 / 6.0
    assert row["physical_s"] == pytest.approx(3 * 2e-3 / 0.96 + 2 * (2e-3 + jump), rel=1e-4)
    assert {sample["y_mm"] for sample in row["samples"]} == {0.0, 0.12, 0.24}
    dark = [sample for sample in row["samples"] if sample["power_w"] == 0.0]
    assert len(dark) == pytest.approx(60 * 2 * (2e-3 + jump) / row["physical_s"], abs=2)


def path_file(folder: Path, text: str) -> Path:
    path = folder / "path.csv"
    path.write_text(text)
    return path


def test_a_path_file_holds_lines_jumps_and_spots(tmp_path: Path) -> None:
    file = path_file(
        tmp_path,
        "x_mm, y_mm, power_w, speed_mm_s, dwell_ms\n"
        "0, 0, 0, ,\n"
        "3, 4, 200, 1000,\n"  # a line of 5 mm
        "3, 0, 0, 4000,\n"  # a jump of 4 mm
        "1, 1, 150, , 2\n",  # a spot
    )
    path = path_from_file(file, 20e-6)
    assert path.begin == pytest.approx([0.0, 6e-3])
    assert path.end == pytest.approx([5e-3, 8e-3])
    assert path.length == pytest.approx([5e-3, 0.0])
    assert path.power == pytest.approx([200.0, 150.0])
    way = ("track", "--alloy=316L", "--d4sigma-um=80", f"--path={file}", "--samples=16")
    refused(*way, named=["level laws", "dwell_ms", "sources"])
    row = one(*way, "--level=sources")
    assert row["physical_s"] == pytest.approx(8e-3)
    assert [s["power_w"] for s in row["samples"]] == [200.0] * 10 + [0.0] * 2 + [150.0] * 4
    assert row["samples"][-1]["x_mm"] == 1.0
    assert row["samples"][-1]["time_above_melting_ms"] is None


@pytest.mark.parametrize("level", ["sources", "table", "solver"])
def test_finer_levels_take_the_same_options(
    level: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wide spot of AMB2018-02 AMMT A, 147.9 +- 3.7 um (Lane et al. 2020): conduction."""
    monkeypatch.setenv("AMTWIN_HOME", str(tmp_path))
    case = ("--alloy=IN625", "--power-w=137.9", "--speed-mm-s=400", "--d4sigma-um=170")
    code, (row,), err = invoke("meltpool", "point", *case, f"--level={level}", "--json")
    assert code == 0
    assert row["level"] == level
    assert row["mode"] == "conduction"
    assert row["width_um"] == pytest.approx(147.9, rel=0.2)
    assert ("held-out" in err) == (level == "table")


@pytest.mark.parametrize("level", ["sources", "solver"])
def test_a_track_begins_small_and_ends_steady(level: str) -> None:
    row = one("track", *POINT, f"--level={level}", "--length-mm=4", "--samples=40")
    lengths = [sample["length_um"] for sample in row["samples"]]
    assert lengths[0] < 0.5 * lengths[-1]
    steady = one("point", *POINT, f"--level={level}")
    assert row["length_um"] == pytest.approx(steady["length_um"], rel=0.05)
    assert row["width_um"] == pytest.approx(steady["width_um"], rel=0.02)


@pytest.mark.parametrize(("name", "coarse"), [("sources", 6e-6), ("solver", 20e-6)])
def test_the_section_shows_the_pool_that_is_told(name: str, coarse: float) -> None:
    """Width and depth inside the solidus line are those of the pool, whatever way it is going."""
    process = Process(alloy("IN718"), 285.0, 0.96, 67e-6 / 4, 300.0)
    level = model(name)
    path = BeamPath.vectors([[1e-3, 0.0]], [[1e-3, -3e-3]], power=285.0, speed=0.96,
                            sigma=67e-6 / 4)
    found = track_pools(level, process, path, 30, lambda share: None, Spent())
    section = path_section(level, process, found)
    assert section is not None
    pool, molten = found.pool, alloy("IN718").solidus + 1.0
    width = np.ptp(section.y[(section.top > molten).any(axis=0)])
    depth = section.z[(section.side > molten).any(axis=0)].max()
    assert width == pytest.approx(pool.width[found.shown], abs=coarse)
    assert depth == pytest.approx(pool.depth[found.shown], abs=coarse)
    # The beam goes towards +x: it is hotter behind than ahead.
    middle = section.top[:, len(section.y) // 2]
    assert np.interp(-1e-4, section.x, middle) > np.interp(1e-4, section.x, middle)


def test_a_level_of_sizes_alone_has_no_section() -> None:
    process = Process(alloy("IN718"), 285.0, 0.96, 67e-6 / 4, 300.0)
    assert steady_section(Laws(), process, process.pools(Laws())) is None


HEADER = "x_mm,y_mm,power_w,speed_mm_s\n0,0,0,\n"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("x_mm,y_mm,power\n0,0,0\n", ["row 1", "power_w"]),
        (HEADER + "1,0,-5,800\n", ["row 3", "power_w -5", "100000"]),
        (HEADER + "1,0,200,0\n", ["row 3", "speed_mm_s 0"]),
        (HEADER + "1,0,200,800\n2,0,200,fast\n", ["row 4", "speed_mm_s fast"]),
        (HEADER + "1,nan,200,800\n", ["row 3", "y_mm nan"]),
        (HEADER + "\n1,0,,800\n", ["row 4", "power_w missing"]),
        (HEADER + "1,0,200,800,7\n", ["row 3", "more cells"]),
        (HEADER + "0,0,200,800\n", ["row 3", "dwell_ms"]),
        (HEADER + "1,0,0,800\n", ["power_w above 0"]),
        ("", ["row 1", "x_mm"]),
    ],
)
def test_a_bad_row_is_named(text: str, named: list[str], tmp_path: Path) -> None:
    file = path_file(tmp_path, text)
    with pytest.raises(BadInputError) as caught:
        path_from_file(file, 20e-6)
    for word in ["path.csv", *named]:
        assert word in str(caught.value)


def test_map_finds_the_recipe_sound_and_the_corners_not() -> None:
    *rows, summary = run("map", "--recipe=IN718", "--power-w=40:500", "--speed-mm-s=100:3000",
                         "--points=12")
    cells = [row for row in rows if row["event"] == "cell"]
    recipe = {row["vectors"]: row for row in rows if row["event"] == "recipe"}
    assert len(cells) == 144
    at = {(row["power_w"], row["speed_mm_s"]): row for row in cells}
    assert "lack of fusion" in at[40.0, 3000.0]["verdict"]
    assert at[40.0, 3000.0]["mode"] == "conduction"
    assert "keyhole pores" in at[500.0, 100.0]["verdict"]
    assert recipe["hatch"]["verdict"] == "sound"
    assert recipe["hatch"]["power_w"] == 285
    sound = sum(row["verdict"] == "sound" for row in cells) / len(cells)
    assert summary["sound_share"] == pytest.approx(sound, abs=1e-4)
    assert sum(summary[f"{mode}_share"] for mode in ("none", "conduction", "transition",
                                                     "keyhole")) == pytest.approx(1.0, abs=1e-3)


def test_map_of_an_alloy_without_a_recipe_needs_the_rest() -> None:
    options = ("--points=4", "--d4sigma-um=80", "--hatch-um=100", "--layer-um=40")
    rows = run("map", "--alloy=W", *options)
    assert len(rows) == 17
    refused("map", "--alloy=W", "--points=4", named=["recipe", "W"])


def test_shares_of_a_map() -> None:
    found = ProcessMap(
        power=np.array([1.0, 2.0]), speed=np.array([1.0, 2.0]),
        mode=np.array([[0, 1], [2, 3]], np.uint8), fusion=np.array([[np.inf, 1.2], [0.8, 0.5]]),
        pores=np.array([[0.0, 0.0], [0.0, 50.0]]), balling=np.array([[0.0, 1.0], [2.0, 1.0]]),
    )
    assert found.shares() == {
        "none_share": 0.25, "conduction_share": 0.25, "transition_share": 0.25,
        "keyhole_share": 0.25, "lack_of_fusion_share": 0.5, "keyhole_pores_share": 0.25,
        "balling_share": 0.0, "sound_share": 0.25,
    }


def test_layer_covers_the_section_in_the_time_of_its_vectors(tmp_path: Path) -> None:
    part, picture_file = block(tmp_path, 4, side=6.0), tmp_path / "layer.png"
    row = one("layer", f"--part={part}", "--unit=mm", "--layer=2", "--recipe=IN718",
              f"--picture={picture_file}")
    # 6 mm square, drawn in by 50 + 100 um for the contour and the hatch, 110 um apart.
    hatched, contour = (6.0 - 2 * 0.15) ** 2 / 0.110, 4 * (6.0 - 2 * 0.05)
    assert row["track_mm"] == pytest.approx(hatched + contour, rel=0.02)
    marking = hatched / 960 + contour / 700
    assert marking < row["physical_s"] < marking + row["vectors"] * 1e-3
    assert row["real_time_factor"] == pytest.approx(row["wall_s"] / row["physical_s"], rel=1e-2)
    assert row["keyhole_share"] == 1.0
    assert row["unfused_share"] == 0.0
    assert row["width_p5_um"] <= row["width_p50_um"] <= row["width_p95_um"]
    assert len(np.unique(picture(picture_file), axis=0)) > 50


def test_a_starved_recipe_leaves_the_layer_unfused(tmp_path: Path) -> None:
    from tests.machines import recipe

    starved = recipe(tmp_path, hatch__power=60)
    row = one("layer", f"--part={block(tmp_path, 4)}", "--unit=mm", f"--recipe={starved}")
    assert 0.05 < row["unfused_share"] <= 1.0


def test_validate_writes_the_page_and_tells_every_case(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    rows = run("validate", "--level=laws", f"--write={page}")
    told = [row for row in rows if row["event"] == "case"]
    assert {row["level"] for row in told} == {"laws"}
    from twin.meltpool.validation import cases

    assert len(told) == sum(len(case.measured) for case in cases())
    assert rows[-1]["event"] == "times"
    assert page.read_text().count("| AMB2018-02 AMMT |") == 3
    assert "--level laws" in page.read_text()


@pytest.mark.parametrize(
    ("command", "options", "kind"),
    [
        ("point", POINT, "svg"),
        ("track", (*POINT, "--samples=20", "--tracks=2"), "png"),
        ("map", ("--recipe=316L", "--points=8"), "png"),
    ],
)
def test_pictures_are_written(
    command: str, options: tuple[str, ...], kind: str, tmp_path: Path,
) -> None:
    file = tmp_path / f"picture.{kind}"
    run(command, *options, f"--picture={file}")
    if kind == "png":
        assert len(np.unique(picture(file), axis=0)) > 20
    else:
        assert "<svg" in file.read_text()[:2000]


@pytest.mark.parametrize(("peak", "drawn"), [(2500.0, True), (1200.0, False)])
def test_the_solidus_is_a_line_where_something_melts(
    peak: float, drawn: bool, tmp_path: Path
) -> None:
    x, y, z = np.linspace(-4e-4, 1e-4, 90), np.linspace(-1e-4, 1e-4, 41), np.linspace(0, 1e-4, 21)

    def field(other: np.ndarray) -> np.ndarray:
        return 300 + (peak - 300) * np.exp(-((x[:, None] / 2e-4) ** 2) - (other / 5e-5) ** 2)

    pool = Laws().pools(alloy("IN718"), 200.0, 0.9, 20e-6, 300.0)
    file = tmp_path / "section.png"
    draw_pool(file, "title", pool, Section(x, y, z, field(y), field(z)), 1533.0, 3000.0)
    cyan = np.array([0x5F, 0xF0, 0xFF]) / 255
    found = (np.abs(picture(file) - cyan) < 0.02).all(axis=1).sum()
    # The bar of colours carries the line in any case.
    assert (found > 600) == drawn


def test_a_picture_that_cannot_be_written(tmp_path: Path) -> None:
    refused("point", *POINT, f"--picture={tmp_path / 'nowhere' / 'a.png'}", named=["picture", "a"])
    refused("point", *POINT, f"--picture={tmp_path / 'a.docx'}", named=["picture", "docx"])
    assert issubclass(PictureError, ValueError)


def refused(*arguments: str | Path, named: list[str]) -> None:
    code, rows, err = invoke("meltpool", *arguments, "--json")
    assert code == 2
    assert rows == []
    assert err.startswith("amtwin: "), err
    assert err.count("\n") == 1, err
    for word in named:
        assert word in err


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("--power-w=-5", ["power-w -5", "to 100000"]),
        ("--speed-mm-s=0", ["speed-mm-s 0", "1 to 1e+06"]),
        ("--speed-mm-s=0.96", ["speed-mm-s 0.96", "1 to"]),  # m/s taken for mm/s
        ("--speed-mm-s=nan", ["speed-mm-s nan"]),
        ("--d4sigma-um=0", ["d4sigma-um 0", "1 to 10000"]),
        ("--d4sigma-um=0.067", ["d4sigma-um 0.067"]),  # mm taken for um
        ("--preheat-c=1400", ["preheat-c 1400", "-23 to 1209.85"]),
        ("--preheat-c=-100", ["preheat-c -100"]),
        ("--powder-um=-1", ["powder-um -1", "0 to 5000"]),
        ("--wavelength-nm=10600", ["wavelength-nm 10600", "430 to 1100"]),
        ("--alloy=Unobtainium", ["Unobtainium", "IN718"]),
        ("--level=oracle", ["level", "oracle", "solver"]),
        ("--cell-um=0", ["cell-um", "0", "2 to 200"]),
    ],
)
@pytest.mark.parametrize("command", ["point", "track"])
def test_bad_input_is_refused_by_name(command: str, change: str, named: list[str]) -> None:
    refused(command, *POINT, change, named=named)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["track", "--alloy=IN718", "--d4sigma-um=67"], ["power-w", "--path"]),
        (["track", *POINT, "--path=a.csv"], ["power-w", "--path"]),
        (["track", "--alloy=IN718", "--d4sigma-um=67", "--path=nowhere.csv"], ["nowhere.csv"]),
        (["track", *POINT, "--tracks=0"], ["tracks", "0"]),
        (["track", *POINT, "--length-mm=-1"], ["length-mm", "-1"]),
        (["track", *POINT, "--samples=1"], ["samples", "1"]),
        (["track", *POINT, "--power-w=0"], ["power-w 0", "1 to"]),
        (["point", *POINT, "--level=solver", "--cell-um=40"], ["cell-um 40", "2 to 33.5", "spot"]),
        (["point", *POINT, "--picture=."], ["picture", ".png"]),
        (["map", "--recipe=IN718", "--preheat-c=2000"], ["preheat-c 2000"]),
        (["layer", "--part=example:cube", "--preheat-c=2000"], ["preheat-c 2000"]),
        (["map"], ["alloy", "recipe"]),
        (["map", "--recipe=IN999"], ["IN999"]),
        (["map", "--recipe=IN718", "--alloy=Ti64"], ["Ti64", "IN718"]),
        (["map", "--recipe=IN718", "--power-w=500:50"], ["power-w", "500:50"]),
        (["map", "--recipe=IN718", "--speed-mm-s=fast"], ["speed-mm-s", "fast"]),
        (["map", "--recipe=IN718", "--points=1"], ["points", "1"]),
        (["map", "--recipe=IN718", "--hatch-um=0"], ["hatch-um", "0"]),
        (["layer", "--part=nowhere.stl"], ["nowhere.stl"]),
        (["layer", "--part=example:teapot"], ["teapot"]),
        (["layer", "--part=example:cube", "--layer=0"], ["layer 0", "1 to 250"]),
        (["layer", "--part=example:cube", "--layer=999"], ["layer 999", "1 to 250"]),
        (["layer", "--part=example:cube", "--level=solver"], ["level", "solver"]),
        (["layer", "--part=example:cube", "--colour=red"], ["colour", "red"]),
        (["layer", "--part=example:cube", "--every-um=1"], ["every-um", "1"]),
        (["validate", "--level=oracle"], ["level", "oracle"]),
        (["validate", "--level=table"], ["level", "table", "sources"]),
        (["validate", "--write=nowhere/page.md"], ["nowhere"]),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(arguments: list[str], named: list[str]) -> None:
    refused(*arguments, named=named)


def test_compilation_is_not_wall_time() -> None:
    """What numba does inside a computation counts as start-up."""
    import time

    import numba  # noqa: F401
    from numba.core import event

    spent = Spent()
    with spent.computing(), event.trigger_event("numba:compiler_lock"):
        time.sleep(0.05)
    assert spent.compiling >= 0.05
    assert spent.wall < 0.04


def test_windows_are_even_and_checked() -> None:
    assert window("100:300", "power-w", 3) == pytest.approx([100.0, 200.0, 300.0])
    assert window("100:300", "speed-mm-s", 2, 1e-3) == pytest.approx([0.1, 0.3])

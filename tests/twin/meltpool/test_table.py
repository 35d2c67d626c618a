"""The response table against the level it was computed from: error, limits, cache."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twin.materials import alloy
from twin.meltpool import INFRARED, BeamPath, Laws, MeltPool, Mode
from twin.meltpool.table import Ranges, ResponseTable, ranges_for, table_for

IN718 = alloy("IN718")
RANGES = Ranges((60.0, 400.0), (0.5, 2.0), (18e-6, 36e-6), (300.0, 900.0), (0.0, 1e-4))
WITHIN = {"width": 0.02, "depth": 0.02, "length": 0.02, "peak_temperature": 0.01,
          "cooling_rate": 0.03, "absorptivity": 0.02, "normalised_enthalpy": 0.02}


@dataclass(frozen=True)
class Counted(Laws):
    """The laws, and how many pools were asked of them."""

    name: str = "counted"
    calls: Any = None

    def pools(self, *args: Any, **more: Any) -> MeltPool:
        pools = super().pools(*args, **more)
        self.calls.append(len(pools))
        return pools

    def __repr__(self) -> str:
        return "Counted()"


@pytest.fixture(scope="module")
def table() -> ResponseTable:
    return table_for(IN718, Laws(), RANGES)


def inside(n: int, seed: int = 7) -> list[np.ndarray]:
    """Points within the ranges: power, speed, sigma, preheat, powder."""
    stream = np.random.default_rng(seed)
    return [stream.uniform(*getattr(RANGES, f.name), n) for f in fields(RANGES)]


def read(model: Any, points: list[np.ndarray]) -> MeltPool:
    *first, powder = points
    pool: MeltPool = model.pools(IN718, *first, INFRARED, powder)
    return pool


def test_table_gives_what_the_level_gives(table: ResponseTable) -> None:
    points = inside(3000)
    got, truth = read(table, points), read(Laws(), points)
    sigma = points[2]
    for name, limit in WITHIN.items():
        a, b = getattr(got, name), getattr(truth, name)
        floor = sigma if name in ("width", "depth", "length") else 1e-9
        error = np.abs(a - b) / np.maximum(b, floor)
        error = error[(got.width > 0) & (truth.width > 0)]
        assert np.quantile(error, 0.95) < limit, name
        assert np.median(error) < limit / 3, name
    assert np.mean(got.mode == truth.mode) > 0.98
    assert set(truth.mode.tolist()) == {Mode.CONDUCTION, Mode.TRANSITION, Mode.KEYHOLE}


def test_errors_are_those_at_held_out_points(table: ResponseTable) -> None:
    points = inside(3000, seed=11)
    got, truth = read(table, points), read(Laws(), points)
    error = np.abs(got.depth - truth.depth) / np.maximum(truth.depth, points[2])
    median, high, worst = table.errors["depth"]
    assert median <= high <= worst
    assert np.quantile(error, 0.95) == pytest.approx(high, rel=0.6)
    text = table.describe()
    assert f"{100 * high:.2f} %" in text
    assert "held-out" in text
    assert "cooling_rate" in text


def test_uncertainty_adds_the_tables_own(table: ResponseTable) -> None:
    points = inside(50)
    got, truth = read(table, points), read(Laws(), points)
    same = (got.mode == truth.mode) & (got.mode > 0)
    assert table.own_scatter > 0
    plain = replace(table, own_scatter=0.0)
    wanted = np.hypot(read(plain, points).uncertainty, table.own_scatter)
    assert got.uncertainty[same] == pytest.approx(wanted[same])
    assert read(plain, points).uncertainty[same] == pytest.approx(truth.uncertainty[same], rel=0.2)


def test_corners_of_the_ranges_are_there(table: ResponseTable) -> None:
    ends = [getattr(RANGES, f.name) for f in fields(RANGES)]
    corners = [g.ravel() for g in np.meshgrid(*ends, indexing="ij")]
    pool = read(table, corners)
    assert all(np.isfinite(getattr(pool, f.name)).all() for f in fields(pool))
    # Each pool by itself is the same as among others.
    alone = [read(table, [c[i : i + 1] for c in corners]).width[0] for i in range(len(corners[0]))]
    assert pool.width.tolist() == alone


def test_sizes_never_fall_when_power_rises(table: ResponseTable) -> None:
    power = np.linspace(*RANGES.power, 4000)
    for speed, sigma, preheat in ((0.61, 21e-6, 333.0), (1.7, 34e-6, 777.0)):
        pool = table.pools(IN718, power, speed, sigma, preheat, INFRARED, 33e-6)
        for name in ("width", "depth", "length", "peak_temperature"):
            assert (np.diff(getattr(pool, name)) > -1e-12).all(), name
        assert (np.diff(pool.mode.astype(int)) >= 0).all()


def test_onset_of_melting_lies_where_the_level_has_it() -> None:
    ranges = Ranges((5.0, 60.0), (1.0, 1.0), (25e-6, 25e-6), (300.0, 900.0), (0.0, 0.0))
    table = table_for(IN718, Laws(), ranges)
    power = np.linspace(*ranges.power, 3000)
    for preheat in (300.0, 455.0, 900.0):
        onset = [power[np.argmax(m.pools(IN718, power, 1.0, 25e-6, preheat).width > 0)]
                 for m in (table, Laws())]
        assert onset[0] == pytest.approx(onset[1], rel=0.01)
    pool = table.pools(IN718, 5.0, 1.0, 25e-6, 300.0)
    assert pool.mode[0] == Mode.NONE
    assert pool.width[0] == pool.depth[0] == pool.cooling_rate[0] == pool.uncertainty[0] == 0
    assert pool.peak_temperature[0] == pytest.approx(
        Laws().pools(IN718, 5.0, 1.0, 25e-6, 300.0).peak_temperature[0], rel=0.01)


def test_no_power_no_pool(table: ResponseTable) -> None:
    pool = table.pools(IN718, [0.0, 200.0], 1.0, 25e-6, 400.0)
    nothing = [getattr(pool, f.name)[0] for f in fields(pool)]
    assert not any(nothing)
    assert pool.width[1] > 0
    assert not table.pools(IN718, 0.0, 99.0, 1.0, 0.0).width.any()


@pytest.mark.parametrize(("field", "value", "text"), [
    ("power", 900.0, "power 900 W: the table holds 60 to 400 W"),
    ("speed", 0.1, "speed 0.1 m/s: the table holds 0.5 to 2 m/s"),
    ("sigma", 5e-5, "sigma 5e-05 m: the table holds 1.8e-05 to 3.6e-05 m"),
    ("preheat", float("nan"), "preheat nan K: the table holds 300 to 900 K"),
    ("powder_layer", 2e-4, "powder 0.0002 m: the table holds 0 to 0.0001 m"),
    ("wavelength", 515e-9, "wavelength 5.15e-07 m: the table holds 1.07e-06 m"),
    ("alloy", alloy("316L"), "alloy 316L: the table holds IN718"),
])
def test_what_is_outside_is_refused_by_name(
    table: ResponseTable, field: str, value: Any, text: str
) -> None:
    good: dict[str, Any] = {"alloy": IN718, "power": 200.0, "speed": 1.0, "sigma": 25e-6,
                            "preheat": 400.0}
    table.pools(**good)
    with pytest.raises(ValueError, match=text):
        table.pools(**(good | {field: value}))


def test_along_a_path_the_state_decides(table: ResponseTable) -> None:
    path = BeamPath.raster(1e-3, 2, 1e-4, power=250.0, speed=1.0, sigma=25e-6)
    times = [5e-4, 1.1e-3, 2e-3]  # on the first line, between the lines, on the second
    pool = table.along(IN718, [path], times, preheat=lambda at: 400.0 + 1e6 * at[:, 1],
                       powder_layer=4e-5)
    steady = table.pools(IN718, 250.0, 1.0, 25e-6, [400.0, 500.0], INFRARED, 4e-5)
    assert pool.width[1] == 0.0
    assert pool.width[[0, 2]] == pytest.approx(steady.width, rel=1e-12)
    with pytest.raises(ValueError, match="beam 1: allowed 0 to 0"):
        table.along(IN718, [path], times, beam=1)


def test_file_holds_good_until_something_changes(tmp_path: Path) -> None:
    ranges = Ranges((100.0, 300.0), (1.0, 1.0), (25e-6, 25e-6), (300.0, 500.0), (0.0, 0.0))
    calls: list[int] = []
    model = Counted(calls=calls)
    shares: list[float] = []

    def get(of: Any = IN718, within: Ranges = ranges, **more: Any) -> tuple[ResponseTable, int]:
        calls.clear()
        table = table_for(of, model, within, tmp_path, shares.append, budget=800, **more)
        return table, sum(calls)

    first, asked = get()
    assert 0 < asked <= 800 + 1000
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    again, asked = get()
    assert asked == 0
    assert again.describe() == first.describe()
    power = np.linspace(100, 300, 99)
    assert (again.pools(IN718, power, 1.0, 25e-6, 400.0).depth
            == first.pools(IN718, power, 1.0, 25e-6, 400.0).depth).all()
    # Alike but for one figure of the alloy, one range, one setting.
    assert get(replace(IN718, boiling=IN718.boiling + 1.0))[1] > 0
    assert get(within=replace(ranges, preheat=(300.0, 501.0)))[1] > 0
    assert get(tolerance=0.02)[1] > 0
    files = sorted(tmp_path.iterdir())
    assert len(files) == 4
    assert all(f.suffix == ".npz" for f in files)
    whole = [file.read_bytes() for file in files]
    for file, content, cut in zip(files, whole, (500, 0, 2000, len(whole[3]) // 2), strict=True):
        file.write_bytes(content[:cut])
    mended, asked = get()
    assert asked > 0
    assert mended.describe() == first.describe()
    assert get()[1] == 0
    file = next(f for f, content in zip(files, whole, strict=True) if f.read_bytes() == content)
    scratched = bytearray(file.read_bytes())
    scratched[300:900] = bytes(600)
    file.write_bytes(scratched)
    mended, asked = get()
    assert asked > 0
    assert mended.describe() == first.describe()


def test_settings_must_show_in_the_key(tmp_path: Path) -> None:
    class Hidden(Laws):
        __repr__ = object.__repr__

    with pytest.raises(TypeError, match="Hidden must show its settings"):
        table_for(IN718, Hidden(), RANGES, tmp_path)


def test_bad_ranges_are_named() -> None:
    with pytest.raises(ValueError, match="table power 9 to 5 W"):
        replace(RANGES, power=(9.0, 5.0))
    with pytest.raises(ValueError, match="table speed 0 to 1 m/s"):
        replace(RANGES, speed=(0.0, 1.0))
    with pytest.raises(ValueError, match="table preheat 1600 K: allowed up to 1483 K"):
        table_for(IN718, Laws(), replace(RANGES, preheat=(300.0, 1600.0)))
    with pytest.raises(ValueError, match="budget 10: allowed"):
        table_for(IN718, Laws(), RANGES, budget=10)


def test_ranges_around_a_recipe() -> None:
    ranges = ranges_for([285.0, 150.0], [0.96, 0.8], 20e-6, 353.15, 7e-5)
    for name, low, high in (("power", 7.5, 655.5), ("speed", 0.2, 1.92), ("sigma", 18e-6, 80e-6),
                            ("preheat", 290.0, 953.15), ("powder", 0.0, 2.1e-4)):
        assert getattr(ranges, name) == pytest.approx((low, high))

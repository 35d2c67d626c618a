"""Summaries of layers say what the layers say, and a second time without slicing anything."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import trimesh

from twin.machines.pbf_lb import PbfLb
from twin.parts import (
    BuildPlan,
    HatchStyle,
    Placement,
    SupportStyle,
    example_part,
    slicing,
    summaries,
)
from twin.parts.geometry import part_from_mesh
from twin.parts.islands import islands
from twin.parts.summaries import PLACES, summaries_for, summarise

CELLS = PbfLb.CELLS


def block(size: tuple[float, float, float] = (8e-3, 6e-3, 2e-4)) -> Placement:
    return Placement(part_from_mesh(trimesh.creation.box(extents=size), "block", "block"), 0.04)


def bracket(lasers: int = 2) -> BuildPlan:
    style = HatchStyle(upskin_layers=2, downskin_layers=2)
    return BuildPlan([Placement(example_part("bracket")), block()], 5e-4, style, SupportStyle(),
                     lasers)


@pytest.mark.parametrize("index", [0, 9, 30, 49])
def test_sums_of_groups_are_those_of_the_vectors(index: int) -> None:
    plan = bracket()
    layer, (summary, found) = plan.layer(index), summarise(plan, index, CELLS)
    length = np.hypot(*(layer.end - layer.start).T)
    assert summary.count.sum() == len(length)
    assert (summary.area, summary.z, summary.part_area) == (layer.area, layer.z, layer.part_area)
    for name in ("role", "part", "laser"):
        ours, theirs = getattr(summary, name), getattr(layer, name)
        assert set(ours) == set(theirs)
        for value in set(ours):
            mine, its = ours == value, theirs == value
            assert summary.count[mine].sum() == its.sum()
            assert summary.length[mine].sum() == pytest.approx(length[its].sum(), rel=1e-12)
    for laser in set(layer.laser):
        its = layer.laser == laser
        ways = np.hypot(*(layer.start[its][1:] - layer.end[its][:-1]).T).sum()
        assert summary.jump[summary.laser == laser].sum() == pytest.approx(ways, rel=1e-12)
    vectors = islands(plan, index).vector
    for island in set(vectors):
        assert summary.length[found.vector == island].sum() == pytest.approx(
            length[vectors == island].sum(), rel=1e-12)


def test_blocks_are_in_marking_order_and_groups_lie_where_they_say() -> None:
    plan = bracket()
    layer, (summary, _) = plan.layer(9), summarise(plan, 9, CELLS)
    assert (np.diff(summary.block) >= 0).all()
    kinds = np.column_stack([layer.laser, layer.part, layer.role])
    first = np.sort(np.unique(kinds, axis=0, return_index=True)[1])
    _, begins = np.unique(summary.block, return_index=True)
    blocks = np.column_stack([summary.laser, summary.part, summary.role])[begins]
    assert (blocks == kinds[first]).all()
    lines = {tuple(line) for line in np.hstack([layer.start, layer.end]).tolist()}
    shown = np.hstack([summary.place_start, summary.place_end])
    assert all(tuple(line) in lines for line in shown.tolist())
    middle = (summary.place_start + summary.place_end) / 2
    assert (CELLS.of(middle) == summary.cell[summary.place]).all()
    each = np.bincount(summary.place, minlength=len(summary.count))
    assert (each == np.minimum(summary.count, PLACES)).all()


def test_what_is_kept_is_read_without_slicing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shares: list[float] = []
    fresh = summaries_for(bracket(), CELLS, tmp_path, shares.append)
    assert (shares[-1], len(shares)) == (1.0, len(fresh))

    def never(*arguments: object) -> None:
        raise AssertionError("sliced once more")

    monkeypatch.setattr(slicing.Slicer, "__init__", never)
    monkeypatch.setattr(summaries, "summarise", never)
    again = summaries_for(bracket(), CELLS, tmp_path)
    assert again.describe() == fresh.describe()
    for index in range(len(fresh)):
        one, other = fresh.layer(index), again.layer(index)
        for name in vars(one):
            assert np.array_equal(getattr(one, name), getattr(other, name)), name
        mine, its = fresh.islands(index), again.islands(index)
        assert mine.contacts == its.contacts
        assert np.array_equal(mine.area, its.area)
        assert np.array_equal(mine.vector, its.vector)
    with pytest.raises(IndexError):
        again.layer(len(again))


def test_islands_of_a_summary_are_those_of_the_plan(tmp_path: Path) -> None:
    plan, kept = bracket(), summaries_for(bracket(), CELLS, tmp_path)
    for index in range(0, len(plan), 7):
        mine, its = islands(kept, index), islands(plan, index)
        assert mine.contacts == its.contacts
        for name in ("area", "outline", "support"):
            assert np.array_equal(getattr(mine, name), getattr(its, name)), name


def test_another_build_or_bed_has_another_file(tmp_path: Path) -> None:
    def plan(size: float) -> BuildPlan:
        return BuildPlan([block((size, 6e-3, 2e-4))], 5e-5)

    other = summaries.Cells("one", lambda points: np.zeros(len(points), np.intp))
    for number, (each, cells) in enumerate(
        [(plan(8e-3), CELLS), (plan(8e-3), CELLS), (plan(9e-3), CELLS), (plan(8e-3), other)]
    ):
        summaries_for(each, cells, tmp_path)
        assert len(list(tmp_path.glob("*"))) == (1, 1, 2, 3)[number]


@pytest.mark.parametrize("harm", ["cut", "nonsense", "empty"])
def test_a_file_that_is_broken_is_made_anew(tmp_path: Path, harm: str) -> None:
    plan = BuildPlan([block()], 5e-5)
    usual = summaries_for(plan, CELLS, tmp_path)
    (file,) = tmp_path.glob("*.npz")
    data = file.read_bytes()
    file.write_bytes({"cut": data[: len(data) // 2], "nonsense": b"nonsense", "empty": b""}[harm])
    found = summaries_for(plan, CELLS, tmp_path)
    assert np.array_equal(found.layer(1).length, usual.layer(1).length)
    assert [each.name for each in tmp_path.glob("*")] == [file.name]
    assert len(file.read_bytes()) > 1000

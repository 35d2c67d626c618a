"""A run at layer fidelity beside the same one vector by vector: how far they may differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh

from emulators.catalog import build
from emulators.controllers.build import Program
from emulators.controllers.states import MachineState as S
from emulators.settings import Settings, SettingsError
from plc_interfaces.host import Act, ActKind, Event
from tests.bench import Bench, block, program
from tests.machines import Machine, trial
from tests.pools import SteadyAlong
from twin.equipment.exposure import BuildJob
from twin.equipment.live_pool import PoolModels
from twin.machines.pbf_lb import PbfLb
from twin.parts import Part
from twin.parts.geometry import part_from_mesh
from twin.parts.summaries import summaries_for

Scene = Callable[[Bench], None]


def both(
    folder: Path, parts: Sequence[Part], lasers: int = 1, scene: Scene | None = None, **more: Any
) -> tuple[Bench, Bench]:
    """The same job, vector by vector and by summaries."""
    made = []
    for summed in (False, True):
        built = program(parts, lasers=lasers, **more)
        if summed:
            built = with_sums(built, folder)
        bench = Bench(built, lasers=lasers).start()
        if scene is not None:
            scene(bench)
        made.append(bench.finish())
    return made[0], made[1]


def with_sums(built: Program, folder: Path) -> Program:
    plan = summaries_for(built.job.plan, PbfLb.CELLS, folder)
    return replace(built, job=replace(built.job, plan=plan))


def column(bench: Bench, name: str) -> np.ndarray[Any, Any]:
    return np.array([layer[name] for layer in bench.layers()])


def table() -> Part:
    """Two legs, two islands, under a top that hangs over."""
    bodies = [((4e-3, 5e-3, 8e-4), (-5e-3, 0, 4e-4)), ((2e-3, 5e-3, 8e-4), (5e-3, 0, 4e-4)),
              ((16e-3, 5e-3, 4e-4), (0, 0, 9e-4))]
    boxes = []
    for size, centre in bodies:
        boxes.append(trimesh.creation.box(extents=size))
        boxes[-1].apply_translation(centre)
    joined: Any = trimesh.util.concatenate(boxes)
    return part_from_mesh(joined, "table", "table")


PAIR = [block((16e-3, 5e-3, 2.4e-4), "wide"), block((4e-3, 9e-3, 2.4e-4), "deep")]


@pytest.mark.parametrize(
    ("parts", "lasers"),
    [
        pytest.param([block((9e-3, 7e-3, 2.4e-4))], 1, id="block"),
        pytest.param(PAIR, 2, id="two parts, two lasers"),
        pytest.param([table()], 1, id="islands, overhang, supports"),
    ],
)
def test_layers_differ_by_the_plume_s_chance_only(
    tmp_path: Path, parts: list[Part], lasers: int
) -> None:
    fine, sums = both(tmp_path, parts, lasers)
    for name in ("area", "overhang_area", "vectors", "layer"):
        assert np.array_equal(column(fine, name), column(sums, name)), name
    assert column(sums, "duration") == pytest.approx(column(fine, "duration"), rel=1e-9)
    assert column(sums, "scan_length") == pytest.approx(column(fine, "scan_length"), rel=1e-12)
    assert sums.time == pytest.approx(fine.time, abs=0.1)
    # Means over vectors whose plume flickers: two draws, some standard deviations apart at most.
    chance = 1 / np.sqrt(column(fine, "vectors"))
    for name, (within, spread) in {
        "energy_absorbed": (1e-3, 0.1), "photodiode_mean": (1e-3, 0.15),
        "pyrometer_mean": (1e-4, 0.01), "width_mean": (1e-4, 0.05), "depth_mean": (1e-3, 0.15),
        "power_mean": (1e-4, 0.05), "fume": (2e-3, 0.3), "interlayer_temperature": (1e-3, 0.0),
        "photodiode_deviation": (0.05, 5.0),
    }.items():
        miss = np.abs(column(sums, name) / column(fine, name) - 1.0)
        assert (miss < within + spread * chance).all(), (name, (miss / chance).max(), miss.max())
    pores = (column(bench, "porosity").mean() for bench in (fine, sums))
    assert next(pores) == pytest.approx(next(pores), rel=0.1)
    for name in ("defects", "spatter"):
        some, others = column(fine, name).sum(), column(sums, name).sum()
        # Two Poisson draws, five standard deviations, and half a per cent of the mean.
        assert abs(some - others) < 5 * np.sqrt(some + others) + 0.005 * some, name
    assert fine.raised() == sums.raised() == []
    assert (column(fine, "overhang_area").max() > 0) == (parts[0].name == "table")


def contaminated(bench: Bench) -> None:
    bench.to("expose", 1).rest(0.2)
    bench.fault("Laser1.Contamination", 35.0)


def starved(bench: Bench) -> None:
    bench.to("expose", 1)
    bench.fault("Recoater.ShortFeed", 65.0)
    bench.to("expose", 3)
    bench.fault("Recoater.ShortFeed", 0.0)


def nicked(bench: Bench) -> None:
    bench.fault("Recoater.BladeNick", 60.0)


def drifting(bench: Bench) -> None:
    bench.to("expose", 1)
    bench.fault("Laser1.PowerDrift", 12.0)


def interrupted(bench: Bench) -> None:
    for _ in range(2):
        bench.to("expose", bench.layer + 1).rest(0.15)
        bench.job("Pause")
        bench.rest(4)
        bench.job("Resume")


def broken_mirror(bench: Bench) -> None:
    bench.to("expose", 2).rest(0.1)
    bench.fault("Scanner.GalvoFault", True)
    bench.to_state(S.SUSPENDED)
    bench.fault("Scanner.GalvoFault", False)
    bench.rest(1)
    bench.job("Resume")


@pytest.mark.parametrize(
    "scene", [contaminated, starved, nicked, drifting, interrupted, broken_mirror]
)
def test_faults_and_holds_have_the_same_alarms_and_consequences(
    tmp_path: Path, scene: Scene
) -> None:
    fine, sums = both(tmp_path, [block((16e-3, 10e-3, 2.4e-4))], scene=scene)
    assert sums.raised() == fine.raised()
    for name, within in {
        # A vector that a hold or a replan met is finished as it was, at vector fidelity.
        "duration": 0.01, "photodiode_mean": 0.02, "width_mean": 0.01, "depth_mean": 0.02,
        "energy_absorbed": 0.02, "covered": 1e-12,
    }.items():
        assert column(sums, name) == pytest.approx(column(fine, name), rel=within), name
    some, others = column(fine, "defects"), column(sums, "defects")
    assert np.all(np.abs(some - others) < 6 * np.sqrt(some + others + 1) + 0.03 * some)
    assert column(sums, "porosity") == pytest.approx(column(fine, "porosity"), rel=0.05, abs=1e-4)


def test_defects_lie_on_the_part_they_belong_to(tmp_path: Path) -> None:
    built = with_sums(program(PAIR), tmp_path)
    bench = Bench(built)
    kept: list[Any] = []

    def take_tables(vectors: bool) -> list[Any]:
        kept.extend(bench.plant.finished)
        bench.plant.finished.clear()
        return []

    bench.plant.take_tables = take_tables  # type: ignore[method-assign]
    bench.start().finish()
    (wide, deep) = (placed for placed in built.job.plan.describe()["parts"])
    for result, defects in kept:
        settled = defects[defects["kind"] != 4]  # Spatter flies.
        part = result.rows.part[settled["vector"]]
        for number, placed in enumerate((wide, deep)):
            mine = settled[part == number]
            for axis in "xy":
                half = placed["size"]["xy".index(axis)] / 2 + 1e-4
                assert (np.abs(mine[axis] - placed[axis]) < half).all()


def _layers(machine: Machine, count: int) -> list[Mapping[str, Any]]:
    """What a machine tells of its first layers."""
    events: list[Event] = []
    machine.emulator.listen(lambda update: events.extend(update.events))
    machine.order()
    machine.scan_until(lambda: bool(machine.value("Job.Layer") >= count))
    return [event.fields for event in events if event.kind == "layer"]


def test_an_electron_beam_machine_has_it_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AMTWIN_HOME", str(tmp_path))
    told: list[list[Mapping[str, Any]]] = []
    for fidelity in ("vector", "layer"):
        settings = replace(trial("pbf-eb").settings(tmp_path, 4), fidelity=fidelity)
        told.append(_layers(Machine(settings, tmp_path), 4))
    fine, sums = told
    assert len(fine) == len(sums) == 4
    for one, other in zip(fine, sums, strict=True):
        assert other["vectors"] == one["vectors"]
        for name in ("duration", "scan_length", "area_energy", "energy_absorbed"):
            assert other[name] == pytest.approx(one[name], rel=1e-9), name
        for name, within in {"width_mean": 1e-3, "depth_mean": 5e-3, "aluminium_loss": 5e-3,
                             "interlayer_temperature": 5e-3, "bed_temperature": 0.03}.items():
            # A layer that was melted once more after its image was is warmer for a while.
            assert other[name] == pytest.approx(one[name], rel=within), name


def test_what_needs_vectors_is_refused() -> None:
    for asked in ({"melt_pool": "sources"}, {"melt_pool": "solver"}, {"pictures": True},
                  {"vectors": True}):
        with pytest.raises(SettingsError, match="needs 'vector'"):
            build(Settings(parts=("example:cube",), fidelity="layer", **asked))
    with pytest.raises(SettingsError, match="batch"):
        build(Settings(parts=("example:cube",), fidelity="batch"))


def test_a_plant_with_paths_refuses_summaries(tmp_path: Path) -> None:
    job: BuildJob = with_sums(program(), tmp_path).job
    for plant in (PbfLb(1, models=PoolModels(paths=SteadyAlong)), PbfLb(1, pictures=True)):
        with pytest.raises(ValueError, match="need every vector"):
            plant.load(job)


def test_the_same_run_again_reads_its_layers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AMTWIN_HOME", str(tmp_path))
    settings = Settings(parts=("example:cube",), fidelity="layer", seed=3)
    first, second = build(settings), build(settings)
    assert len(list((tmp_path / "layers").glob("*.npz"))) == 1
    for built in (first, second):
        start = Act(ActKind.CALL, "Job.StoreAndStart", ["J1", built.programs[0]])
        built.emulator.script({1: [start]})
        while built.emulator.plant.layers_done < 3:
            built.emulator.scan(built.emulator.next_scan)
    assert first.emulator.trace.hexdigest == second.emulator.trace.hexdigest
    assert first.about["plan_digest"] == second.about["plan_digest"]

"""Melt-pool levels of a run: what they load, what the record keeps, snapshots under way."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emulators.catalog import Settings, SettingsError, build
from emulators.melt_pools import melt_pools
from emulators.recipes import recipe_for
from emulators.record import open_run
from emulators.runs import begin, finish, replay, resume, summarise
from plc_interfaces.host import Act, ActKind
from tests.machines import EPOCH, trial
from twin.materials import alloy

LEVELS = ("laws", "sources", "solver")
CELL_UM = 40.0


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"melt_pool": "cfd"}, "melt_pool must be laws or table or sources or solver"),
        ({"melt_pool_cell_um": 1.0}, "melt_pool_cell_um must be 5 to 100, not 1"),
        ({"melt_pool_lag": 21}, "melt_pool_lag must be 0 to 20, not 21"),
        ({"melt_pool_lag": -1}, "melt_pool_lag must be 0 to 20, not -1"),
    ],
)
def test_bad_settings_are_refused_by_name(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        build(replace(Settings(), **changes))


def test_settings_survive_the_record() -> None:
    settings = Settings(melt_pool="solver", melt_pool_cell_um=30.0, melt_pool_lag=3)
    assert Settings.of(settings.plain()) == settings


def test_laws_load_no_other_level() -> None:
    code = (
        "import sys; from emulators.melt_pools import melt_pools; "
        "from emulators.recipes import recipe_for; "
        "melt_pools('laws', recipe_for('IN718'), lasers=1, cell=2e-5, lag=2, scan_period=0.05)"
        ".warm(); "
        "print(*(m for m in sys.modules if m.rpartition('.')[2] in "
        "('sources', 'solver', 'table') and m.startswith('twin.meltpool')))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == []


@pytest.mark.parametrize("level", LEVELS)
def test_a_run_cut_off_within_a_layer_goes_on_as_the_same_run(tmp_path: Path, level: str) -> None:
    settings = replace(
        trial("pbf-lb").settings(tmp_path, 3), melt_pool=level, melt_pool_cell_um=CELL_UM)

    def until_marking(emulator: Any, layer: int) -> None:
        scanner = emulator.plant.scanner
        while not (scanner.busy and scanner.layer == layer and scanner.progress > 0.0):
            emulator.scan(emulator.next_scan)

    built = begin(settings, tmp_path / "run", EPOCH)
    emulator, program = built.emulator, built.programs[0]
    emulator.pacer.set_factor(float("inf"))
    emulator.submit(Act(ActKind.CALL, "Job.StoreAndStart", ["J", program], "test", "local"))
    until_marking(emulator, 2)
    assert emulator.recorder is not None
    emulator.recorder.flush()
    emulator.journal.close()  # type: ignore[union-attr]
    # What a power cut leaves behind.
    again = resume(tmp_path / "run").emulator
    again.pacer.set_factor(float("inf"))
    until_marking(again, 3)
    again.submit(Act(ActKind.WRITE, "Process.LaserPower", 200.0, "test", "local"))
    again.run(lambda e: e.controller is not None and e.controller.over)
    finish(again, summarise(again, 1.0))
    assert again.plant.layers_done == 3
    assert replay(tmp_path / "run").same
    run = open_run(tmp_path / "run")
    assert run.meta["settings"]["melt_pool"] == level
    depths = [row[0] for row in run.sql("select depth_mean from layers order by layer").fetchall()]
    assert len(depths) == 3
    assert depths[2] < 0.95 * depths[1], "the last layer was weaker from somewhere on"


def test_a_table_answers_like_its_model_and_keeps_its_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AMTWIN_HOME", str(tmp_path))
    shares: list[float] = []
    recipe = recipe_for("IN718")
    chosen: dict[str, Any] = {"lasers": 1, "cell": 2e-5, "lag": 2, "scan_period": 0.05}
    made = melt_pools("table", recipe, **chosen, progress=shares.append)
    assert shares == sorted(shares)
    assert len(shares) > 2
    errors = made.about["melt_pool_table"]["errors"]
    assert 0 < errors["depth"]["median"] < errors["depth"]["p95"] < 0.05
    assert any("held-out" in note for note in made.notes)

    metal, model = alloy("IN718"), melt_pools("sources", recipe, **chosen).models.paths
    assert model is not None
    # The last row is far outside the recipe: a client may ask for it, and gets the model itself.
    power, speed = np.array([285.0, 200.0, 0.0, 900.0]), np.array([0.96, 0.8, 0.96, 3.0])
    rows = (metal, power, speed, recipe.hatch.spot_d4sigma / 4, 350.0, recipe.wavelength, 7e-5)
    found, wanted = made.models.steady.pools(*rows), model().pools(*rows)
    assert np.allclose(found.depth, wanted.depth, rtol=errors["depth"]["worst"])
    assert found.depth[2] == 0
    assert found.depth[3] == wanted.depth[3]
    again = melt_pools("table", recipe, **chosen).models.steady.pools(*rows)
    assert np.array_equal(again.depth, found.depth), "read from the cache"

"""The package ships the job summaries that its ready-made plans need, and none besides.

Who changes a model, a recipe or a plan makes those anew that it concerns, in some minutes::

    AMTWIN_UPDATE_SUMMARIES=1 pytest tests/golden/test_ready_summaries.py
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from emulators.canonical import canonical_json
from emulators.catalog import Settings
from emulators.works.build import jobs_of
from emulators.works.keys import summary_key
from emulators.works.plan import load_plan, plan_names
from emulators.works.preparing import missing, prepare
from emulators.works.rehearsal import rehearse
from emulators.works.summaries import SHIPPED, load, save, summarise

COMMAND = "AMTWIN_UPDATE_SUMMARIES=1 pytest tests/golden/test_ready_summaries.py"


def wanted() -> dict[str, tuple[str, Settings]]:
    """Jobs of the ready-made plans by key, each with words for it."""
    return {summary_key(job): (f"{plan}: {machine} ({program})", job)
            for plan in plan_names()
            for (machine, program), job in jobs_of(load_plan(plan), 50.0).items()}


def renew(jobs: dict[str, tuple[str, Settings]]) -> None:
    """Make what is missing, delete what no plan needs any more."""
    for file in SHIPPED.glob("*"):
        if file.stem not in jobs:
            file.unlink()
    prepare([*missing({key: job for key, (_, job) in jobs.items()}).values()])
    for key, (_, job) in jobs.items():
        if not (file := SHIPPED / f"{key}.npz").is_file():
            save(file, summarise(job))


@pytest.mark.timeout(1800 if os.environ.get("AMTWIN_UPDATE_SUMMARIES") else 120)
def test_they_are_all_there_and_up_to_date() -> None:
    jobs = wanted()
    if os.environ.get("AMTWIN_UPDATE_SUMMARIES") == "1":
        renew(jobs)
    shipped = {file.name for file in SHIPPED.glob("*")}
    stale = [words for key, (words, _) in jobs.items() if f"{key}.npz" not in shipped]
    assert not stale, "\n".join(
        [f"`amtwin run` would make these summaries anew, for their models changed: {COMMAND}",
         *stale])
    assert shipped == {f"{key}.npz" for key in jobs}, f"nobody needs some any more: {COMMAND}"
    damaged = [words for key, (words, _) in jobs.items() if load(SHIPPED / f"{key}.npz") is None]
    assert not damaged, f"damaged: {damaged}; delete them, then {COMMAND}"


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("machine", ["SINTER-01", "PREP-01", "DED-01"])
def test_one_made_now_is_the_shipped_one(
    machine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To rounding: another processor or numpy may do sums in another order."""
    monkeypatch.setenv("AMTWIN_HOME", str(tmp_path))
    key, job = next((key, job) for key, (words, job) in wanted().items() if machine in words)
    shipped = load(SHIPPED / f"{key}.npz")
    assert shipped is not None, COMMAND
    save(tmp_path / "made.npz", rehearse(replace(job, name="")))
    made = load(tmp_path / "made.npz")
    assert made is not None
    (about, arrays), (about_made, arrays_made) = shipped.stored(), made.stored()
    assert _told(about) == _told(about_made)
    assert arrays.keys() == arrays_made.keys()
    for name, array in arrays.items():
        if array.dtype.kind == "f":
            np.testing.assert_allclose(arrays_made[name], array, 1e-9, 1e-12, err_msg=name)
        else:
            np.testing.assert_array_equal(arrays_made[name], array, err_msg=name)


def _told(about: object) -> str:
    """Plain data with numbers to nine digits."""
    if isinstance(about, dict):
        return canonical_json({key: _told(value) for key, value in about.items()})
    if isinstance(about, list | tuple):
        return canonical_json([_told(value) for value in about])
    return f"{about:.9g}" if isinstance(about, float) else canonical_json(about)

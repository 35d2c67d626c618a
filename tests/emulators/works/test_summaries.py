"""Job summaries: kept by content, made again when damaged, refused for jobs that do not end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from emulators.canonical import canonical_json
from emulators.catalog import Settings
from emulators.works import summaries
from emulators.works.keys import source_digest, summary_key
from emulators.works.summaries import SummaryError, summarise
from tests.coarse_bench import quick
from tests.machines import recipe
from twin.works.summary import JobSummary

KIND = "sinter-furnace"  # the quickest


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AMTWIN_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "summaries"


def _same(one: JobSummary, other: JobSummary) -> bool:
    (about, arrays), (about2, arrays2) = one.stored(), other.stored()
    return (canonical_json(about) == canonical_json(about2) and arrays.keys() == arrays2.keys()
            and all(np.array_equal(arrays[name], arrays2[name]) for name in arrays))


def test_kept_and_made_again_when_damaged(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(summaries, "_HOLDS", (("hold", 60.0),))
    runs = []
    run = summaries._run
    monkeypatch.setattr(summaries, "_run", lambda *a: (runs.append(1), run(*a))[1])
    settings = quick(KIND, tmp_path)
    seen: list[float] = []
    first = summarise(settings, seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    assert len(first.interruptions) == 1
    (file,) = home.iterdir()  # nothing half written beside it
    kept = summarise(replace(settings, name="OTHER-01"))
    assert len(runs) == 1
    assert _same(kept, first)
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    again = summarise(settings)
    assert len(runs) == 2
    assert _same(again, first)
    file.write_bytes(b"")
    assert _same(summarise(settings), first)
    assert len(runs) == 3


def test_the_key_is_of_the_content(tmp_path: Path) -> None:
    """Other parts, recipes, seeds, lots are other jobs; another place or name is not."""
    settings = quick(KIND, tmp_path)
    key = summary_key(settings)
    assert summary_key(replace(settings, name="FURNACE-07", vectors=True)) == key
    (part,) = settings.parts
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    moved = elsewhere / Path(part).name
    moved.write_bytes(Path(part).read_bytes())
    other = [replace(settings, seed=1), replace(settings, alloy="316L"),
             replace(settings, lots=("316l-fresh",)), replace(settings, parts=(part, part))]
    keys = {summary_key(s) for s in other}
    assert len(keys | {key}) == len(other) + 1
    moved.write_bytes(Path(part).read_bytes() + b" ")
    assert summary_key(replace(settings, parts=(str(moved),))) != key
    assert settings.recipe is not None
    text = Path(settings.recipe).read_text(encoding="utf-8")
    Path(settings.recipe).write_text(text + "\n# another\n", encoding="utf-8")
    assert summary_key(settings) != key


def test_the_program_text_is_part_of_the_key() -> None:
    """A machine's own modules and those they import, and no other machine's."""
    from emulators.works import keys

    digests = {kind: source_digest(kind) for kind in ("pbf-lb", "pbf-eb", KIND)}
    assert len(set(digests.values())) == 3
    found = keys.sources(KIND)
    names = {str(path) for path in found}
    assert any(name.endswith("twin/equipment/furnace.py") for name in names)
    assert any(name.endswith("materials/alloys.toml") for name in names)
    assert not any(name.endswith(("controllers/pbf_eb.py", "works/coarse.py")) for name in names)


def test_a_job_that_is_held_for_good_has_no_summary(tmp_path: Path) -> None:
    """A leaky retort never gets past its leak check: the summary says which phase, and why."""
    (tmp_path / "sub").mkdir()
    settings = quick(KIND, tmp_path)
    bad = recipe(tmp_path / "sub", "316L", KIND, purging__leak_limit=0.01, purging__leak_time=10)
    with pytest.raises(SummaryError, match=r"sinter-furnace, program .*"):
        summarise(replace(settings, recipe=str(bad)))


def test_external_control_has_no_jobs() -> None:
    with pytest.raises(ValueError, match="external control"):
        summarise(Settings(KIND, control="external"))

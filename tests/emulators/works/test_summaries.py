"""Job summaries: kept by content, made again when damaged, refused for jobs that do not end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from emulators.canonical import canonical_json
from emulators.catalog import Settings, SettingsError
from emulators.works import rehearsal, summaries
from emulators.works.keys import source_digest, summary_key
from emulators.works.rehearsal import SummaryError
from emulators.works.summaries import summarise
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
    monkeypatch.setattr(rehearsal, "_HOLDS", (("hold", 60.0),))
    runs = []
    run = rehearsal._run
    monkeypatch.setattr(rehearsal, "_run", lambda *a: (runs.append(1), run(*a))[1])
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


def test_a_shipped_one_comes_first_and_needs_no_folder(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rehearsal, "_HOLDS", (("hold", 60.0),))
    settings, shipped = quick(KIND, tmp_path), tmp_path / "shipped"
    first = summarise(settings)
    (file,) = home.iterdir()
    shipped.mkdir()
    # Told from the user's by a figure.
    summaries.save(shipped / file.name, replace(first, standby=first.standby + 1.0))
    monkeypatch.setattr(summaries, "SHIPPED", shipped)
    assert summarise(settings).standby == first.standby + 1.0
    (shipped / file.name).write_bytes(b"damaged")
    assert summarise(settings).standby == first.standby
    summaries.save(shipped / file.name, first)
    file.unlink()
    home.rmdir()
    home.write_bytes(b"no folder")
    assert _same(summarise(settings), first)
    with pytest.raises(SettingsError, match="cannot be kept in"):
        summarise(replace(settings, seed=1))


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
    assert summary_key(replace(settings, parts=(str(moved),))) == key
    moved.write_bytes(Path(part).read_bytes() + b" ")
    assert summary_key(replace(settings, parts=(str(moved),))) != key
    assert settings.recipe is not None
    text = Path(settings.recipe).read_text(encoding="utf-8")
    Path(settings.recipe).write_text(text + "\n# another\n", encoding="utf-8")
    assert summary_key(settings) != key


def test_a_lot_is_what_is_in_it(tmp_path: Path) -> None:
    """A lot's file may be anywhere, with any comment: its state is part of the key."""
    def key(folder: str, d50: float, comment: str = "") -> str:
        (tmp_path / folder).mkdir(exist_ok=True)
        lot = tmp_path / folder / "lot.toml"
        lot.write_text(f"""{comment}
alloy = "316L"
mass = {{ value = 9, unit = "kg" }}
sizes = {{ d50 = {{ value = {d50}, unit = "um" }}, s = {{ value = 1.4, unit = "1" }} }}
""", encoding="utf-8")
        return summary_key(Settings("binder-jet", lots=(str(lot),)))

    assert key("one", 12.0) == key("two", 12.0, "# the same") != key("one", 13.0)


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

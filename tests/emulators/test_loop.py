"""Several machines in one environment do what each does alone."""

from __future__ import annotations

from math import inf
from pathlib import Path

import pytest

from emulators.catalog import build
from emulators.emulator import Emulator
from emulators.loop import Loop
from emulators.pacer import Pacer
from plc_interfaces.host import Act, ActKind
from tests.machines import TRIALS
from twin.machine import Clockwork

KINDS = ("pbf-lb", "binder-jet", "sinter-furnace")


def _member(kind: str, folder: Path) -> Emulator:
    settings = TRIALS[kind].settings(folder, 2)
    built = build(settings)
    built.emulator.submit(
        Act(ActKind.CALL, "Job.StoreAndStart", ["JOB-0001", built.programs[0]]))
    return built.emulator


def _over(emulator: Emulator) -> bool:
    return emulator.controller is not None and emulator.controller.over


def _together(folder: Path, factor: float, last: int) -> dict[str, str]:
    members = [_member(kind, folder) for kind in KINDS]
    whole, pacer = Clockwork(), Pacer(factor, scan_period=members[0].scan_period)
    for member in members:
        member.plant.join(whole)
        member.keep_time(pacer)
    loop = Loop(members, pacer)
    loop.run(lambda: loop.number >= last, last)
    assert all(_over(m) for m in members)
    return {m.identity.machine: m.trace.hexdigest for m in members}


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, dict[str, str]]:
    """The scan at which all are done, and the hash of each then."""
    folder = tmp_path_factory.mktemp("alone")
    ends = []
    for kind in KINDS:
        emulator = _member(kind, folder)
        emulator.pacer.set_factor(inf)
        emulator.run(_over)
        ends.append(emulator.scan_number)
    last = max(ends) + 100
    hashes = {}
    for kind in KINDS:
        emulator = _member(kind, folder)
        emulator.pacer.set_factor(inf)
        emulator.run_to(last)
        hashes[kind] = emulator.trace.hexdigest
    return last, hashes


@pytest.mark.parametrize("factor", [inf, 2000.0])
def test_company_changes_nothing(
    alone: tuple[int, dict[str, str]], factor: float, tmp_path: Path
) -> None:
    last, hashes = alone
    assert _together(tmp_path, factor, last) == hashes


def test_scan_periods_must_agree(tmp_path: Path) -> None:
    slow, quick = (
        build(TRIALS["pbf-lb"].settings(tmp_path, 1)).emulator for _ in range(2))
    quick.scan_period = 0.01
    with pytest.raises(ValueError, match="one scan period"):
        Loop([slow, quick], Pacer(1.0))

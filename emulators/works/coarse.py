"""Machines of a works at layer fidelity: emulators that repeat job summaries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from emulators.catalog import MACHINES, SettingsError, signal_trees
from emulators.controllers.build import Program
from emulators.controllers.coarse import coarse_controller
from emulators.emulator import Emulator
from emulators.pacer import Pacer
from emulators.settings import release
from emulators.works.rules import rules_of
from plc_interfaces.host import Identity
from twin.image import Readings
from twin.works.coarse import CoarseJob, CoarseMachine
from twin.works.summary import JobSummary

__all__ = ["HASH_PERIOD", "RECORD_PERIOD", "coarse_member"]

HASH_PERIOD = 3600.0
"""Simulated s between images in the trace hash, where nothing happens."""
RECORD_PERIOD = 600.0
"""Simulated s between recorded rows of signals."""


@dataclass(frozen=True)
class SummaryRecipe:
    """What a job was summarised with, SI; it has gone into the figures."""

    name: str
    settings: Mapping[str, Any]


def coarse_member(
    kind: str,
    name: str,
    programs: Mapping[str, JobSummary],
    *,
    seed: int = 0,
    scan_ms: float = 50.0,
    pacer: Pacer | None = None,
    every_scan: bool = False,
    hash_period: float = HASH_PERIOD,
) -> Emulator:
    """A machine of type `kind` that repeats the summaries of its `programs`.

    Paths of its signals, node ids and registers are those of the real one. Raises `SettingsError`
    for an unknown type or summaries of another one.
    """
    if kind not in MACHINES:
        raise SettingsError(f"no machine {kind!r}; there are: {', '.join(MACHINES)}")
    wrong = [n for n, s in programs.items() if s.machine != kind]
    if wrong or not programs:
        raise SettingsError(f"machine {name}: a {kind} needs summaries of its own jobs"
                            + (f", not {', '.join(wrong)}" if wrong else ""))
    standby = next(iter(programs.values())).standby
    plant = CoarseMachine(seed, kind, standby)
    plant.name = name
    readings = Readings(plant, seed)
    loaded = {n: Program(CoarseJob(n, s, rules_of(s)), SummaryRecipe(n, s.settings))
              for n, s in programs.items()}
    try:
        controller = coarse_controller(plant, readings, loaded, signal_trees(kind)[1])
    except ValueError as error:
        raise SettingsError(f"machine {name}: {error}") from None
    identity = Identity(
        name, kind, MACHINES[kind].technology, f"amtwin {kind.upper()}", f"AMT-{seed:06d}",
        software=release(), location="emulated")
    emulator = Emulator(
        plant, controller, identity, scan_period=scan_ms / 1000, readings=readings, pacer=pacer,
        record_period=RECORD_PERIOD, every_scan=every_scan)
    emulator.hash_period = hash_period
    return emulator

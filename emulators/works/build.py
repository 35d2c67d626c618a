"""A works, put together from its plan: members, dispatcher, one environment, one loop."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from emulators.catalog import MACHINES, Progress, Settings, SettingsError, build
from emulators.emulator import Emulator
from emulators.loop import Loop
from emulators.pacer import Pacer
from emulators.works.plan import MachinePlan, Plan, ProgramPlan
from twin.machine import Clockwork

__all__ = ["FIDELITIES", "BuiltWorks", "Member", "build_members", "member_seed", "settings_of"]

FIDELITIES = ("layer", "vector")
_OF_THE_PLAN = ("machine", "name", "parts", "unit", "recipe", "alloy", "seed", "scan_ms", "control")
"""Settings of a run that a program may not say under ``settings``."""


@dataclass(frozen=True)
class Member:
    """A machine of a works, whatever its fidelity."""

    plan: MachinePlan
    emulator: Emulator
    programs: Mapping[str, str]
    """Names of the machine's build files, by the plan's programs."""


@dataclass(frozen=True)
class BuiltWorks:
    """A works ready to run."""

    plan: Plan
    fidelity: str
    works: Emulator
    members: tuple[Member, ...]
    loop: Loop
    notes: tuple[str, ...] = ()

    @property
    def emulators(self) -> list[Emulator]:
        """The works and its machines, in the order of their unit ids."""
        return [self.works, *(m.emulator for m in self.members)]

    @property
    def trace_hash(self) -> str:
        """One hash of all that happened: of the members' hashes, by name."""
        told = sorted(f"{e.identity.name}:{e.trace.hexdigest}" for e in self.emulators)
        return hashlib.sha256("\n".join(told).encode()).hexdigest()


def member_seed(seed: int, name: str) -> int:
    """A machine's own seed in a works with `seed`."""
    digest = hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "little") >> 1


def settings_of(
    machine: MachinePlan, program: ProgramPlan, seed: int, fidelity: str, scan_ms: float
) -> Settings:
    """The settings of a run of one machine that does this program.

    Raises `SettingsError` naming machine, program and setting.
    """
    where = f"machines ({machine.name}).programs ({program.name}).settings"
    known = {f.name for f in fields(Settings)}
    for name in program.settings:
        if name not in known or name in _OF_THE_PLAN:
            allowed = ", ".join(sorted(known - {*_OF_THE_PLAN}))
            raise SettingsError(f"{where}.{name} is unknown; known here: {allowed}")
    own = {name: tuple(value) if isinstance(value, list) else value
           for name, value in program.settings.items()}
    return Settings(**{
        "fidelity": fidelity, **own,
        "machine": machine.type, "name": machine.name, "parts": program.parts,
        "unit": program.unit, "recipe": program.recipe, "alloy": program.alloy,
        "seed": seed, "scan_ms": scan_ms})


def _named(machine: MachinePlan, program: ProgramPlan, make: Callable[[], Any]) -> Any:
    """What `make` gives; a `SettingsError` or other complaint of it names machine and program."""
    try:
        return make()
    except ValueError as error:
        raise SettingsError(
            f"machines ({machine.name}).programs ({program.name}): {error}") from None


def _full(machine: MachinePlan, seed: int, scan_ms: float, progress: Progress) -> Member:
    """The catalogue's machine with all programs of the plan."""
    built = []
    for number, program in enumerate(machine.programs):
        settings = settings_of(machine, program, seed, "vector", scan_ms)
        built.append(_named(machine, program, lambda s=settings: build(s)))
        progress((number + 1) / len(machine.programs))
    first = built[0].emulator
    controller: Any = first.controller
    names = {}
    for program, other in zip(machine.programs, built, strict=True):
        loaded: Any = other.emulator.controller
        (entry,) = loaded.programs.values()
        controller.programs[program.name] = entry
        names[program.name] = program.name
    for name in built[0].programs:
        if name not in names:
            del controller.programs[name]
    return Member(machine, first, names)


def _coarse(machine: MachinePlan, seed: int, scan_ms: float, progress: Progress) -> Member:
    """A machine that repeats summaries of its jobs."""
    from emulators.works.coarse import coarse_member
    from emulators.works.summaries import SummaryError, summarise

    summaries = {}
    for number, program in enumerate(machine.programs):
        # Summaries are for any works: made with a seed of their own and kept.
        settings = settings_of(machine, program, 0, "layer", scan_ms)
        done = number / len(machine.programs)
        try:
            summaries[program.name] = _named(machine, program, lambda s=settings, d=done: summarise(
                s, lambda share: progress(d + share / len(machine.programs))))
        except SummaryError as error:
            raise SettingsError(
                f"machines ({machine.name}).programs ({program.name}): {error}") from None
    emulator = coarse_member(machine.type, machine.name, summaries, seed=seed, scan_ms=scan_ms)
    return Member(machine, emulator, {name: name for name in summaries})


def build_members(
    plan: Plan, seed: int, fidelity: str, scan_ms: float = 50.0,
    progress: Progress = lambda share: None,
) -> tuple[Member, ...]:
    """The machines of a plan, not yet together. Raises `SettingsError` and what `build` raises."""
    if fidelity not in FIDELITIES:
        raise SettingsError(f"fidelity must be {' or '.join(FIDELITIES)}, not {fidelity!r}")
    make = _full if fidelity == "vector" else _coarse
    made = []
    for number, machine in enumerate(plan.machines):
        if machine.type not in MACHINES:
            raise SettingsError(f"machines ({machine.name}).type: no machine {machine.type!r}; "
                                f"there are: {', '.join(MACHINES)}")
        before = number / len(plan.machines)
        made.append(make(machine, member_seed(seed, machine.name), scan_ms,
                         lambda share, b=before: progress(b + share / len(plan.machines))))
    return tuple(made)


def together(members: Sequence[Member], works: Emulator, pacer: Pacer) -> Loop:
    """All plants in one environment, all emulators on one clock; the works stands last."""
    whole = Clockwork()
    for emulator in [*(m.emulator for m in members), works]:
        emulator.plant.join(whole)
        emulator.keep_time(pacer)
    return Loop([m.emulator for m in members], pacer, leader=works)

"""A works, put together from its plan: members, dispatcher, one environment, one loop."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from emulators.catalog import Progress, Settings, SettingsError, build
from emulators.controllers.works import Dispatcher, Expectation
from emulators.emulator import Emulator
from emulators.loop import Loop
from emulators.pacer import Pacer
from emulators.settings import in_range, release
from emulators.works.hints import check_programs, hints
from emulators.works.plan import MachinePlan, Plan, ProgramPlan
from emulators.works.plant import make_works
from emulators.works.station import Station
from plc_interfaces.host import Identity
from twin.image import Readings
from twin.machine import Clockwork

if TYPE_CHECKING:
    from twin.works.summary import JobSummary

__all__ = ["FIDELITIES", "BuiltWorks", "Member", "build_members", "build_works", "jobs_of",
           "member_seed", "settings_of"]

FIDELITIES = ("layer", "vector")
Given = Mapping[tuple[str, str], "JobSummary"]
"""Summaries that are at hand, by machine and program of the plan."""
_OF_THE_PLAN = ("machine", "name", "parts", "unit", "recipe", "alloy", "seed", "scan_ms", "control")
"""Settings of a run that a program may not say under ``settings``."""


@dataclass(frozen=True)
class Member:
    """A machine of a works, whatever its fidelity."""

    plan: MachinePlan
    emulator: Emulator
    programs: Mapping[str, str]
    """Names of the machine's build files, by the plan's programs."""
    expectations: Mapping[str, Expectation]
    """What each program will take, as far as is known."""
    summaries: Mapping[str, JobSummary] = field(default_factory=dict)
    """What it repeats, by the plan's programs; nothing at vector fidelity."""


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
    whole: dict[str, Any] = {
        "fidelity": fidelity, **own,
        "machine": machine.type, "name": machine.name, "parts": program.parts * program.copies,
        "unit": program.unit, "recipe": program.recipe, "alloy": program.alloy,
        "seed": seed, "scan_ms": scan_ms}
    return Settings(**whole)


def _share(progress: Progress, number: int, count: int) -> Progress:
    """The progress of one of `count` equal pieces of work."""
    return lambda share: progress((number + share) / count)


def _named(machine: MachinePlan, program: ProgramPlan, make: Callable[[], Any]) -> Any:
    """What `make` gives; a `SettingsError` or other complaint of it names machine and program."""
    try:
        return make()
    except (ValueError, TypeError) as error:
        # A setting of a wrong type gets as far as where it is compared.
        raise SettingsError(
            f"machines ({machine.name}).programs ({program.name}): {error}") from None


def _full(
    machine: MachinePlan, seed: int, scan_ms: float, progress: Progress
) -> Member:
    """The catalogue's machine with all programs of the plan."""
    built = []
    for number, program in enumerate(machine.programs):
        settings = settings_of(machine, program, seed, "vector", scan_ms)
        built.append(_named(machine, program, partial(build, settings)))
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
    return Member(machine, first, names, {p.name: _expected(p) for p in machine.programs})


def _expected(program: ProgramPlan, summary: JobSummary | None = None) -> Expectation:
    """What the plan says of a program, and else its summary."""
    hours, power = program.hours, program.power_kw
    return Expectation(
        hours * 3600.0 if hours is not None else summary.duration if summary else 0.0,
        power * 1e3 if power is not None else summary.highest_power if summary else 0.0,
        float(summary.gas[-1]) if summary else 0.0,
        _steps(summary) if summary else ())


def _steps(summary: JobSummary) -> tuple[tuple[float, float], ...]:
    """Energy (J) and gas (m3) that each operation of a job took since the one before."""
    ends = [0.0, *(float(op["time"]) for op in summary.operations)]
    energy, gas = (np.diff(np.interp(ends, summary.knots, course))
                   for course in (summary.energy, summary.gas))
    return tuple(zip(energy.tolist(), gas.tolist(), strict=True))


def _enough(plan: Plan, machine: MachinePlan, program: ProgramPlan, summary: JobSummary) -> None:
    """`SettingsError` for a program that is given less powder than its job needs."""
    given: dict[str, float] = {}
    for take in program.takes:
        if take.kg is not None and not take.top_up:
            kind = plan.store(take.store).alloy
            given[kind] = given.get(kind, 0.0) + take.kg
    for kind, mass in summary.needs.items() if given else ():
        if given.get(kind, 0.0) < mass:
            raise SettingsError(
                f"machines ({machine.name}).programs ({program.name}).takes: {kind} must be at "
                f"least {mass:.4g} kg, not {given.get(kind, 0.0):g} kg")


def jobs_of(plan: Plan, scan_ms: float) -> dict[tuple[str, str], Settings]:
    """What is summarised for a plan, by machine and program. Raises `SettingsError`."""
    return {(machine.name, program.name): _job(machine, program, scan_ms)
            for machine in plan.machines for program in machine.programs}


def _job(machine: MachinePlan, program: ProgramPlan, scan_ms: float) -> Settings:
    # Summaries are for any works: made with a seed of their own and kept.
    return settings_of(machine, program, 0, "layer", scan_ms)


def _coarse(
    plan: Plan, given: Given, machine: MachinePlan, seed: int, scan_ms: float, progress: Progress
) -> Member:
    """A machine that repeats summaries of its jobs."""
    from emulators.works.coarse import coarse_member
    from emulators.works.rehearsal import SummaryError
    from emulators.works.summaries import summarise

    summaries = {}
    for number, program in enumerate(machine.programs):
        if (machine.name, program.name) in given:
            summaries[program.name] = given[machine.name, program.name]
            continue
        settings = _job(machine, program, scan_ms)
        part = _share(progress, number, len(machine.programs))
        try:
            summaries[program.name] = _named(machine, program, partial(summarise, settings, part))
        except SummaryError as error:
            raise SettingsError(
                f"machines ({machine.name}).programs ({program.name}): {error}") from None
    emulator = coarse_member(machine.type, machine.name, summaries, seed=seed, scan_ms=scan_ms)
    for program in machine.programs:
        _enough(plan, machine, program, summaries[program.name])
    expectations = {p.name: _expected(p, summaries[p.name]) for p in machine.programs}
    return Member(machine, emulator, {name: name for name in summaries}, expectations, summaries)


def build_members(
    plan: Plan, seed: int, fidelity: str, scan_ms: float = 50.0,
    progress: Progress = lambda share: None, given: Given | None = None,
    tell: Callable[[str], None] = lambda text: None,
) -> tuple[Member, ...]:
    """The machines of a plan, not yet together.

    At layer fidelity job summaries that are not `given` are looked up or made; before they are
    made, which takes long, it says so (`tell`). Raises `SettingsError` and what `build` raises.
    """
    if fidelity not in FIDELITIES:
        raise SettingsError(f"fidelity must be {' or '.join(FIDELITIES)}, not {fidelity!r}")
    check_programs(plan)
    make = _full if fidelity == "vector" else partial(_coarse, plan, given or {})
    if fidelity == "layer" and given is None:
        from emulators.works.preparing import missing, prepare

        if wanted := missing(jobs_of(plan, scan_ms)):
            jobs = ", ".join(f"{machine} ({program})" for machine, program in wanted)
            tell(f"jobs that are run once now, whole, so that they can be repeated by their sums; "
                 f"this may take minutes, the next time it will not: {jobs}")
            prepare([*wanted.values()], _share(progress, 0, 2))
            progress = _share(progress, 1, 2)
    made = []
    for number, machine in enumerate(plan.machines):
        made.append(make(machine, member_seed(seed, machine.name), scan_ms,
                         _share(progress, number, len(plan.machines))))
    return tuple(made)


def build_works(
    plan: Plan, seed: int = 0, fidelity: str = "layer", scan_ms: float = 50.0,
    progress: Progress = lambda share: None, given: Given | None = None,
    tell: Callable[[str], None] = lambda text: None,
) -> BuiltWorks:
    """A works of a plan: all plants in one environment, all emulators on one clock.

    Raises what `build_members` raises.
    """
    in_range("scan_ms", scan_ms, 1, 1000)
    members = build_members(plan, seed, fidelity, scan_ms, progress, given, tell)
    plant = make_works(plan, seed)
    stations = [Station(m.emulator, m.programs, m.expectations) for m in members]
    readings = Readings(plant, seed)
    pacer = Pacer(scan_period=scan_ms / 1000)
    identity = Identity(
        plant.name, "works", "", "amtwin WORKS", f"AMT-{seed:06d}", software=release(),
        location="emulated")
    works = Emulator(
        plant, Dispatcher(plant, readings, plan, stations), identity,
        scan_period=scan_ms / 1000, readings=readings, pacer=pacer, record_period=3600.0)
    works.hash_period = 3600.0
    whole = Clockwork()
    for emulator in [*(m.emulator for m in members), works]:
        emulator.plant.join(whole)
        emulator.keep_time(pacer)
    for station in stations:
        station.connect(plant)
    loop = Loop([m.emulator for m in members], pacer, leader=works)
    expected = {(m.plan.name, name): found for m in members
                for name, found in m.expectations.items()}
    return BuiltWorks(plan, fidelity, works, members, loop, hints(plan, plant, expected))

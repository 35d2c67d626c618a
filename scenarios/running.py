"""`amtwin run`: a machine or a works from settings to summary, with ports and a status line."""

from __future__ import annotations

import gc
import json
import signal
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass
from math import floor, inf, isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from scenarios.terminal import show

if TYPE_CHECKING:
    from emulators.catalog import Built
    from emulators.emulator import Emulator
    from emulators.loop import Loop
    from emulators.serving import Serving

__all__ = ["RunOptions", "Subject", "run"]

DONE, FAILED, BAD_INPUT = 0, 1, 2


@dataclass(frozen=True)
class RunOptions:
    """The command line of `amtwin run`, checked for form only."""

    settings: dict[str, Any]
    speed: float
    until: float
    """Simulated s; negative: until the job is complete; infinity: until stopped."""
    host: str
    opcua_port: int
    modbus_port: int
    instructor_port: int | None
    insecure: bool
    modbus_write: tuple[str, ...]
    watchdog_ms: float | None
    offline: bool
    wait: bool
    record: Path | None
    no_record: bool
    resume: Path | None
    as_json: bool
    timing_report: bool
    plant: str | None = None
    """Plant file of a works, or the name of a ready-made one; None: a single machine."""


class _Stopwatch:
    """Where the time to the first connection goes."""

    def __init__(self) -> None:
        self.last = time.perf_counter()
        self.spans: dict[str, float] = {}

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.spans[name], self.last = now - self.last, now


Prepare = Callable[["Subject"], None]
Bar = Callable[[float], None]


class Subject(Protocol):
    """What is run: one machine or a works of several."""

    @property
    def emulators(self) -> Sequence[Emulator]:
        """All that have ports; unit ids are counted in this order, from 1."""
        ...

    @property
    def loop(self) -> Loop:
        """What runs them."""
        ...

    @property
    def notes(self) -> Sequence[str]:
        """What the user should know before it runs."""
        ...

    def warm(self) -> None:
        """Load in the background what will be needed soon."""
        ...

    def begin(self) -> Future[str] | None:
        """Give the first order, if there is one to give; its answer."""
        ...

    def end(self) -> tuple[Callable[[], bool], float]:
        """When it is over: a condition, and the last scan."""
        ...

    def status(self) -> tuple[str, float]:
        """A line for people, and the share that is done."""
        ...

    def close(self, wall_s: float, state: str) -> list[dict[str, Any]]:
        """Finish the records; the summaries, one per emulator."""
        ...

    def report(self) -> str:
        """The summary for people as Markdown, if it is in a record; empty otherwise."""
        ...

    def failed(self, stopped: bool) -> bool:
        """Whether the run failed, once it is over."""
        ...


class MachineSubject:
    """A single machine."""

    def __init__(self, options: RunOptions, built: Built) -> None:
        from emulators.catalog import MACHINES

        self.options, self.built = options, built
        self.emulator = built.emulator
        self.emulators, self.loop, self.notes = [built.emulator], built.emulator.loop, built.notes
        self.began_at = built.emulator.time
        self.summary: dict[str, Any] = {}
        self.counts = MACHINES[built.emulator.identity.machine].counts

    def warm(self) -> None:
        self.built.warm()

    def begin(self) -> Future[str] | None:
        from plc_interfaces.host import Act, ActKind

        options = self.options
        if options.resume is not None or options.wait or self.emulator.controller is None:
            return None
        order = ["JOB-0001", self.built.programs[0]]
        return self.emulator.submit(
            Act(ActKind.CALL, "Job.StoreAndStart", order, "amtwin", "local"))

    def end(self) -> tuple[Callable[[], bool], float]:
        from emulators.runs import finished, stranded

        options, emulator = self.options, self.emulator
        if options.until < 0 and options.offline:
            # Without ports nobody can resume a job that waits for somebody.
            return (lambda: finished(emulator) or stranded(emulator)), inf
        if options.until < 0:
            return (lambda: finished(emulator)), inf
        last = scans(options.until, emulator.scan_period)
        return (lambda: emulator.scan_number >= last), last

    def status(self) -> tuple[str, float]:
        controller: Any = self.emulator.controller
        if controller is None:
            return f"{self.emulator.time:.0f} s simulated, external control", 0.0
        job = controller.job
        reason = f" ({controller.machine.reason})" if controller.machine.reason else ""
        text = (
            f"{controller.state.name.lower()}{reason}, {controller.phase}, {job.layer} of "
            f"{job.layers_planned} {self.counts}, {self.emulator.time / 3600:.2f} h simulated, "
            f"{controller.bank.active} alarms active"
        )
        return text, job.layer / job.layers_planned if job.layers_planned else 0.0

    def close(self, wall_s: float, state: str) -> list[dict[str, Any]]:
        from emulators.runs import finish, summarise

        self.summary = summarise(self.emulator, wall_s, self.began_at)
        finish(self.emulator, self.summary, state)
        return [self.summary]

    def report(self) -> str:
        summary = self.summary
        if summary["record"]:
            return (Path(summary["record"]) / "summary.md").read_text(encoding="utf-8")
        because = f" ({summary['reason']})" if summary["reason"] else ""
        return (
            f"{summary['state']}{because}: {summary['layers']} {self.counts}, "
            f"{summary['simulated_s']:.0f} s simulated in {summary['wall_s']:.1f} s, trace hash "
            f"{summary['trace_hash'][:16]}…"
        )

    def failed(self, stopped: bool) -> bool:
        state, to_the_end = self.summary["state"], self.options.until < 0 and not stopped
        return state == "aborted" or (to_the_end and state in ("held", "suspended"))


def scans(seconds: float, period: float) -> float:
    """How many whole scans there are in so much simulated time (s)."""
    return floor(seconds / period + 1e-9) if isfinite(seconds) else inf


def run(options: RunOptions) -> int:
    """Run it; the exit code: 0 done, 1 failed or aborted, 2 bad input."""
    say = Console(stderr=options.as_json, highlight=False)
    watch = _Stopwatch()
    # Collection during start-up walks a growing heap again and again for nothing.
    gc.disable()
    try:
        subject, serving = _prepare(options, watch)
    except Exception as error:
        if not _is_bad_input(error):
            raise
        _complain(error)
        return BAD_INPUT
    finally:
        gc.enable()
    for note in subject.notes:
        say.print(f"note: {note}", markup=False, soft_wrap=True)
    # Before anybody is told that the machine is there: whoever is told may stop it at once.
    stopped = _stop_when_told(subject.loop)
    _announce(options, say, subject.emulators, serving)
    if not options.as_json:
        _announce_users(say, serving)
    subject.warm()  # The ports are open; what takes long is needed at the first exposure.
    if options.timing_report:
        spans = ", ".join(f"{name} {span:.2f} s" for name, span in watch.spans.items())
        say.print(f"start-up: {spans}, together {sum(watch.spans.values()):.2f} s")
    return _run(options, say, subject, serving, stopped)


def _complain(error: Exception) -> None:
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"amtwin: {error}", markup=False)


def _is_bad_input(error: Exception) -> bool:
    from emulators.catalog import SettingsError
    from emulators.journal import JournalError
    from emulators.recipes import RecipeError
    from emulators.record import RecordError
    from emulators.snapshots import SnapshotError
    from plc_interfaces.opcua.security import SecurityError
    from twin.materials import MaterialError
    from twin.parts import PartError
    from twin.signals import Refused

    return isinstance(
        error,
        (
            SettingsError,
            RecipeError,
            RecordError,
            JournalError,
            SnapshotError,
            SecurityError,
            PartError,
            MaterialError,
            Refused,
            OSError,
        ),
    )


def _prepare(options: RunOptions, watch: _Stopwatch) -> tuple[Subject, Serving | None]:
    watch.lap("imports")
    serving: Serving | None = None
    made: Path | None = None

    def serve(subject: Subject) -> None:
        nonlocal serving
        subject.loop.pacer.set_factor(options.speed)
        watch.lap("part, plant, controller")
        if options.offline:
            return
        from emulators.serving import Ports, Serving

        watch.lap("imports of the wires")
        serving = Serving(
            subject.emulators,
            Ports(
                options.host,
                options.opcua_port,
                options.modbus_port,
                options.instructor_port,
                options.insecure,
                modbus_write=options.modbus_write,
                watchdog_ms=options.watchdog_ms,
            ),
        )
        serving.start()
        watch.lap("servers")

    try:
        with ExitStack() as stack:
            bars: list[tuple[Progress, TaskID]] = []

            def progress(share: float) -> None:
                if not bars:
                    bar = Progress(console=Console(stderr=True), transient=True)
                    bars.append((bar, bar.add_task("preparing", total=1.0)))
                    stack.enter_context(bar)
                bars[0][0].update(bars[0][1], completed=share)

            folder = None if options.no_record else options.record
            if folder is None and not options.no_record and options.resume is None:
                from emulators.runs import new_folder

                folder = made = new_folder("works" if options.plant
                                           else options.settings["machine"])
            if options.plant is not None:
                from scenarios.works import works_subject

                subject: Subject = works_subject(options, folder, serve, progress)
            else:
                subject = _machine(options, folder, serve, progress)
    except BaseException:
        if serving is not None:
            serving.stop()
        if made is not None and not any(made.iterdir()):
            made.rmdir()
        raise
    return subject, serving


def _machine(
    options: RunOptions, folder: Path | None, serve: Prepare, progress: Bar
) -> MachineSubject:
    from emulators.catalog import Settings, SettingsError
    from emulators.runs import begin, resume

    if options.resume is not None:
        subject = MachineSubject(options, resume(options.resume))
        serve(subject)
        return subject
    settings = Settings(**options.settings)
    if options.watchdog_ms is not None and settings.control != "external":
        raise SettingsError("watchdog_ms goes with control external: it watches your PLC")
    built = begin(
        settings, folder, prepare=lambda built: serve(MachineSubject(options, built)),
        progress=progress)
    return MachineSubject(options, built)


def _announce(
    options: RunOptions, say: Console, emulators: Sequence[Emulator], serving: Serving | None
) -> None:
    """Tell where they can be reached: a line of JSON each, or what people want to know."""
    opcua = serving.opcua.url if serving and serving.opcua else ""
    modbus = f"{options.host}:{serving.modbus.port}" if serving and serving.modbus else ""
    instructor = serving.instructor.url if serving and serving.instructor else ""
    if options.as_json:
        for unit, emulator in enumerate(emulators, 1):
            ready = {
                "event": "ready",
                "machine": emulator.identity.machine,
                "name": emulator.identity.name,
                "opcua": opcua,
                "modbus": modbus,
                "unit": unit,
                "instructor": instructor,
                "record": str(emulator.recorder.folder) if emulator.recorder else "",
            }
            print(json.dumps(ready), flush=True)
        return
    first, *others = emulators
    say.print(f"[bold]{first.identity.name}[/bold]"
              + (f" and {len(others)} machines" if others else ""))
    names = [emulator.identity.name for emulator in emulators]
    units = ", ".join(f"{unit} {name}" for unit, name in enumerate(names, 1)) if others else "1"
    if serving is not None:
        say.print(f"  OPC UA  {opcua}", markup=False)
        say.print(f"  Modbus  {modbus} unit {units}", markup=False, soft_wrap=True)
        if instructor:
            whose = "?machine=NAME" if others else ""
            say.print(f"  instructor  {instructor}{whose}", markup=False)
    if first.recorder is not None:
        say.print(f"  record  {first.recorder.folder}", markup=False)


def _announce_users(say: Console, serving: Serving | None) -> None:
    if serving is None:
        return
    if serving.passwords:
        say.print("OPC UA users made now; their passwords are shown this once:")
        for name, password in serving.passwords.items():
            say.print(f"    {name:<14} {password}", markup=False)
    else:
        say.print(
            f"OPC UA users  {serving.folder / 'users.toml'} (amtwin user --help)", markup=False)


def _stop_when_told(loop: Loop) -> list[int]:
    """End the run in order on an interrupt; the signals that came, as they come."""
    stopped: list[int] = []

    def stop(number: int, frame: object) -> None:
        stopped.append(number)
        loop.stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    return stopped


def _run(
    options: RunOptions, say: Console, subject: Subject, serving: Serving | None,
    stopped: list[int],
) -> int:
    begun = subject.begin()
    wall = time.perf_counter()
    subject.loop.start(*subject.end())
    failure: Exception | None = None
    try:
        _watch(options, say, subject, begun)
    except Exception as error:
        failure = error
    finally:
        subject.loop.stop()
        if serving is not None:
            serving.stop()
    if failure is not None:
        if not _is_bad_input(failure):
            raise failure
        _complain(failure)
        return FAILED
    summaries = subject.close(time.perf_counter() - wall, "stopped" if stopped else "finished")
    if options.as_json:
        for summary in summaries:
            print(json.dumps({"event": "summary", **summary}), flush=True)
    else:
        show(say, subject.report())
        if summaries[0]["record"]:
            say.print(f"record: {summaries[0]['record']}", markup=False)
        sys.stdout.flush()
    return FAILED if subject.failed(bool(stopped)) else DONE


def _watch(
    options: RunOptions, say: Console, subject: Subject, begun: Future[str] | None
) -> None:
    """Wait for the end with a live status line on a terminal, a line a minute elsewhere."""
    live = say.is_terminal and not options.as_json
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:.0f}%"),
        console=say,
        transient=True,
        disable=not live,
    ) as bar:
        task = bar.add_task("starting", total=1.0)
        said = time.monotonic()
        while not subject.loop.join(0.2):
            if begun is not None and begun.done():
                begun.result()  # A job that was refused would be waited for in vain.
            text, share = subject.status()
            bar.update(task, completed=share, description=text)
            if not live and not options.as_json and time.monotonic() > said + 10:
                said = time.monotonic()
                say.print(text, markup=False)

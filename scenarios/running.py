"""`amtwin run`: one machine from settings to summary, with its ports and a live status line."""

from __future__ import annotations

import gc
import json
import signal
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markdown import Markdown
from rich.progress import BarColumn, Progress, TaskID, TextColumn

if TYPE_CHECKING:
    from emulators.catalog import Built
    from emulators.emulator import Emulator
    from emulators.serving import Serving

__all__ = ["RunOptions", "run_machine"]

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


class _Stopwatch:
    """Where the time to the first connection goes."""

    def __init__(self) -> None:
        self.last = time.perf_counter()
        self.spans: dict[str, float] = {}

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.spans[name], self.last = now - self.last, now


def run_machine(options: RunOptions) -> int:
    """Run it; the exit code: 0 done, 1 failed or aborted, 2 bad input."""
    say = Console(stderr=options.as_json, highlight=False)
    watch = _Stopwatch()
    # Collection during start-up walks a growing heap again and again for nothing.
    gc.disable()
    try:
        built, serving = _prepare(options, watch)
    except Exception as error:
        if not _is_bad_input(error):
            raise
        Console(stderr=True, highlight=False, soft_wrap=True).print(
            f"amtwin: {error}", markup=False
        )
        return BAD_INPUT
    finally:
        gc.enable()
    emulator = built.emulator
    for note in built.notes:
        say.print(f"note: {note}", markup=False, soft_wrap=True)
    # Before anybody is told that the machine is there: whoever is told may stop it at once.
    stopped = _stop_when_told(emulator)
    _announce(options, say, emulator, serving)
    built.warm()  # The ports are open; what takes long is needed at the first exposure.
    if options.timing_report:
        spans = ", ".join(f"{name} {span:.2f} s" for name, span in watch.spans.items())
        say.print(f"start-up: {spans}, together {sum(watch.spans.values()):.2f} s")
    return _run(options, say, built, serving, stopped)


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


def _prepare(options: RunOptions, watch: _Stopwatch) -> tuple[Built, Serving | None]:
    from emulators.catalog import Settings, SettingsError
    from emulators.runs import begin, new_folder, resume

    watch.lap("imports")
    serving: Serving | None = None
    made: Path | None = None

    def serve(built: Built) -> None:
        nonlocal serving
        built.emulator.pacer.set_factor(options.speed)
        watch.lap("part, plant, controller")
        if options.offline:
            return
        from emulators.serving import Ports, Serving

        watch.lap("imports of the wires")
        serving = Serving(
            [built.emulator],
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
        if options.resume is not None:
            built = resume(options.resume)
            serve(built)
        else:
            settings = Settings(**options.settings)
            if options.watchdog_ms is not None and settings.control != "external":
                raise SettingsError("watchdog_ms goes with control external: it watches your PLC")
            folder = None if options.no_record else options.record
            if folder is None and not options.no_record:
                folder = made = new_folder(settings.machine)
            with ExitStack() as stack:
                bars: list[tuple[Progress, TaskID]] = []

                def progress(share: float) -> None:
                    if not bars:
                        bar = Progress(console=Console(stderr=True), transient=True)
                        bars.append((bar, bar.add_task("preparing", total=1.0)))
                        stack.enter_context(bar)
                    bars[0][0].update(bars[0][1], completed=share)

                built = begin(settings, folder, prepare=serve, progress=progress)
    except BaseException:
        if serving is not None:
            serving.stop()
        if made is not None and not any(made.iterdir()):
            made.rmdir()
        raise
    return built, serving


def _announce(
    options: RunOptions, say: Console, emulator: Emulator, serving: Serving | None
) -> None:
    opcua = serving.opcua.url if serving and serving.opcua else ""
    modbus = f"{options.host}:{serving.modbus.port}" if serving and serving.modbus else ""
    instructor = serving.instructor.url if serving and serving.instructor else ""
    record = str(emulator.recorder.folder) if emulator.recorder else ""
    if options.as_json:
        ready = {
            "event": "ready",
            "machine": emulator.identity.machine,
            "name": emulator.identity.name,
            "opcua": opcua,
            "modbus": modbus,
            "unit": 1,
            "instructor": instructor,
            "record": record,
        }
        print(json.dumps(ready), flush=True)
        return
    say.print(f"[bold]{emulator.identity.name}[/bold]")
    if serving is not None:
        say.print(f"  OPC UA  {opcua}", markup=False)
        say.print(f"  Modbus  {modbus} unit 1", markup=False)
        if instructor:
            say.print(f"  instructor  {instructor}", markup=False)
        if serving.passwords:
            say.print("  OPC UA users made now; their passwords are shown this once:")
            for name, password in serving.passwords.items():
                say.print(f"    {name:<14} {password}", markup=False)
        else:
            say.print(
                f"  OPC UA users  {serving.folder / 'users.toml'} (amtwin user --help)",
                markup=False,
            )
    if record:
        say.print(f"  record  {record}", markup=False)


def _until(options: RunOptions) -> Callable[[Emulator], bool] | float:
    from emulators.runs import finished, stranded

    if options.until < 0:
        # Without ports nobody can resume a job that waits for somebody.
        return (lambda e: finished(e) or stranded(e)) if options.offline else finished
    return options.until if isfinite(options.until) else lambda emulator: False


def _stop_when_told(emulator: Emulator) -> list[int]:
    """End the run in order on an interrupt; the signals that came, as they come."""
    stopped: list[int] = []

    def stop(number: int, frame: object) -> None:
        stopped.append(number)
        emulator.stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    return stopped


def _run(
    options: RunOptions, say: Console, built: Built, serving: Serving | None, stopped: list[int]
) -> int:
    from emulators.runs import finish, summarise
    from plc_interfaces.host import Act, ActKind

    emulator = built.emulator
    begun: Future[str] = Future()
    if options.resume is None and not options.wait and emulator.controller is not None:
        order = ["JOB-0001", built.programs[0]]
        begun = emulator.submit(Act(ActKind.CALL, "Job.StoreAndStart", order, "amtwin", "local"))
    began_at, wall = emulator.time, time.perf_counter()
    emulator.start(_until(options))
    failure: Exception | None = None
    try:
        _watch(options, say, emulator, begun)
    except Exception as error:
        failure = error
    finally:
        emulator.stop()
        if serving is not None:
            serving.stop()
    summary = summarise(emulator, time.perf_counter() - wall, began_at)
    if failure is not None:
        if not _is_bad_input(failure):
            raise failure
        Console(stderr=True, highlight=False, soft_wrap=True).print(
            f"amtwin: {failure}", markup=False
        )
        return FAILED
    finish(emulator, summary, "stopped" if stopped else "finished")
    _report(options, say, summary)
    failed = summary["state"] == "aborted" or (options.until < 0 and not stopped
                                               and summary["state"] in ("held", "suspended"))
    return FAILED if failed else DONE


def _watch(options: RunOptions, say: Console, emulator: Emulator, begun: Future[str]) -> None:
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
        while not emulator.join(0.2):
            if begun.done():
                begun.result()  # A job that was refused would be waited for in vain.
            _show(bar, task, emulator)
            if not live and not options.as_json and time.monotonic() > said + 10:
                said = time.monotonic()
                say.print(_status(emulator), markup=False)


def _status(emulator: Emulator) -> str:
    controller: Any = emulator.controller
    if controller is None:
        return f"{emulator.time:.0f} s simulated, external control"
    job = controller.job
    hours = emulator.time / 3600
    reason = f" ({controller.machine.reason})" if controller.machine.reason else ""
    return (
        f"{controller.state.name.lower()}{reason}, {controller.phase}, layer {job.layer} of "
        f"{job.layers_planned}, {hours:.2f} h simulated, {controller.bank.active} alarms active"
    )


def _show(bar: Progress, task: TaskID, emulator: Emulator) -> None:
    controller: Any = emulator.controller
    share = 0.0
    if controller is not None and controller.job.layers_planned:
        share = controller.job.layer / controller.job.layers_planned
    bar.update(task, completed=share, description=_status(emulator))


def _report(options: RunOptions, say: Console, summary: dict[str, Any]) -> None:
    if options.as_json:
        print(json.dumps({"event": "summary", **summary}), flush=True)
        return
    if summary["record"]:
        text = (Path(summary["record"]) / "summary.md").read_text(encoding="utf-8")
        say.print(Markdown(text))
        say.print(f"record: {summary['record']}", markup=False)
    else:
        because = f" ({summary['reason']})" if summary["reason"] else ""
        say.print(
            f"{summary['state']}{because}: {summary['layers']} layers, "
            f"{summary['simulated_s']:.0f} s "
            f"simulated in {summary['wall_s']:.1f} s, trace hash "
            f"{summary['trace_hash'][:16]}…",
            markup=False,
        )
    sys.stdout.flush()

"""`amtwin run works`: a works from its plan to its summary."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from scenarios.running import RunOptions, Subject, scans

if TYPE_CHECKING:
    from emulators.emulator import Emulator
    from emulators.loop import Loop
    from emulators.works.build import BuiltWorks

__all__ = ["WorksSubject", "works_subject"]


class WorksSubject:
    """A works as something that is run."""

    def __init__(self, options: RunOptions, built: BuiltWorks) -> None:
        self.options, self.built = options, built
        self.began_at = built.loop.number * built.loop.scan_period
        self.summaries: list[dict[str, Any]] = []

    @property
    def emulators(self) -> Sequence[Emulator]:
        return self.built.emulators

    @property
    def loop(self) -> Loop:
        return self.built.loop

    @property
    def notes(self) -> Sequence[str]:
        return self.built.notes

    def warm(self) -> None:
        """All that a works needs is there before its ports open."""

    def begin(self) -> Future[str] | None:
        """The plan's orders come by themselves."""
        return None

    def end(self) -> tuple[Callable[[], bool], float]:
        dispatcher: Any = self.built.works.controller
        loop = self.built.loop
        if self.options.until < 0:
            return (lambda: bool(dispatcher.over)), inf
        last = scans(self.options.until, loop.scan_period)
        return (lambda: loop.number >= last), last

    def status(self) -> tuple[str, float]:
        dispatcher: Any = self.built.works.controller
        now = self.built.loop.number * self.built.loop.scan_period
        share = min(now / self.options.until, 1.0) if 0 < self.options.until < inf else 0.0
        return f"day {now / 86_400:.2f}: {dispatcher.told()}", share

    def close(self, wall_s: float, state: str) -> list[dict[str, Any]]:
        from emulators.works.runs import close

        self.summaries = close(self.built, wall_s, self.began_at, state)
        return self.summaries

    def report(self) -> str:
        from emulators.works.report import report

        recorder = self.built.works.recorder
        if recorder is not None:
            return (recorder.folder / "summary.md").read_text(encoding="utf-8")
        return report(self.built, self.summaries[0])

    def failed(self, stopped: bool) -> bool:
        """A works that ran to its end has not failed, whatever became of its orders."""
        return False


def works_subject(
    options: RunOptions,
    folder: Path | None,
    serve: Callable[[Subject], None],
    progress: Callable[[float], None],
) -> WorksSubject:
    """A works with its ports open and its record begun. Raises what `begin` and `resume` raise."""
    from emulators.works.runs import WorksRun, begin, resume

    if options.resume is not None:
        subject = WorksSubject(options, resume(options.resume, progress))
        serve(subject)
        return subject
    assert options.plant is not None
    settings = options.settings
    run = WorksRun(options.plant, settings["seed"], settings["fidelity"], settings["scan_ms"])
    say = Console(stderr=True, highlight=False, soft_wrap=True)
    built = begin(run, folder, lambda built: serve(WorksSubject(options, built)), progress,
                  tell=lambda text: say.print(f"note: {text}", markup=False))
    return WorksSubject(options, built)

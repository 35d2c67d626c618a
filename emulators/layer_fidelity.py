"""Layer fidelity of powder bed fusion: a program whose layers are summaries, kept on disk."""

from __future__ import annotations

from dataclasses import replace

from emulators.controllers.build import Program
from emulators.settings import Progress, Settings, SettingsError
from plc_interfaces.home import home
from twin.parts import BuildPlan
from twin.parts.summaries import Cells, summaries_for

__all__ = ["check_fidelity", "with_fidelity"]

LEVELS = ("laws", "table")
"""Levels of melt-pool physics that need no paths."""


def check_fidelity(settings: Settings) -> None:
    """`SettingsError` for a fidelity that lacks what else is asked for."""
    if settings.fidelity != "layer":
        return
    for wrong, asked in (
        (settings.melt_pool not in LEVELS, f"melt_pool {settings.melt_pool!r}"),
        (settings.vectors, "a record of vectors"),
        (settings.pictures, "pictures"),
    ):
        if wrong:
            raise SettingsError(f"fidelity 'layer' knows no single vectors; {asked} needs 'vector'")


def with_fidelity(
    program: Program, settings: Settings, cells: Cells, progress: Progress
) -> Program:
    """The program at the settings' fidelity; `cells`: how the machine's powder bed is divided.

    At layer fidelity the layers are summarised now, unless they were before: then their summaries
    are read from the user's folder and nothing is sliced or hatched. `SettingsError` if the folder
    cannot be written.
    """
    if settings.fidelity != "layer":
        return program
    plan: BuildPlan = program.job.plan
    folder = home() / "layers"
    try:
        plan_of_sums = summaries_for(plan, cells, folder, progress)
    except OSError as error:
        raise SettingsError(f"layer summaries cannot be kept in {folder}: {error}") from None
    return replace(program, job=replace(program.job, plan=plan_of_sums))

"""What machines decide about powder, for those that repeat job summaries: the same functions."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

from emulators.controllers.recycling_line_batch import judge, virgin_needed
from emulators.controllers.recycling_line_signals import Process
from twin.equipment.powder_laboratory import oversize
from twin.powder.lot import PowderLot, Status
from twin.works.repeat import Rules
from twin.works.summary import JobSummary

__all__ = ["RecyclingRules", "rules_of"]


class RecyclingRules:
    """Blend rule and verdict of a recycling line, with the settings of its summary."""

    proportional = ("recover", "magnet", "sieve", "separate", "surface")
    """Stations that powder runs through; it is dried, mixed and analysed all at once."""

    def __init__(self, summary: JobSummary) -> None:
        self.process = Process()
        for name, value in summary.settings.items():
            setattr(self.process, name, value)
        self.alloy, self.use = summary.alloy, summary.use

    def virgin_share(self, lot: PowderLot) -> float:
        """Of the blend: by the reading of the used lot, or without any by what it holds."""
        return virgin_needed(self.process, lot.measured.get("oxygen", lot.oxygen))[0]

    def oversize(self, lot: PowderLot) -> float:
        """Share of grains coarser than a tenth over the mesh."""
        return oversize(lot, self.process.mesh)

    def judge(self, lot: PowderLot) -> Status:
        """By its readings."""
        status, _ = judge(SimpleNamespace(**lot.measured), self.process, self.alloy, self.use,
                          suspect=False, repeats=int(self.process.repeats))
        return cast("Status", status)


def rules_of(summary: JobSummary) -> Rules | None:
    """The rules of a summary's machine; None if it decides nothing about powder."""
    return RecyclingRules(summary) if summary.machine == "recycling-line" else None

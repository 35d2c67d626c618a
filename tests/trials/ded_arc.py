"""A quick trial of the arc deposition machine."""

from __future__ import annotations

from pathlib import Path

from emulators.catalog import Settings
from tests.trials.trial import Trial
from tests.trials.wire import THOROUGH, wall

__all__ = ["TRIAL"]


def _quick(folder: Path, layers: int) -> Settings:
    return wall(folder, layers, "ded-arc", "ER70S-6", 2.5)


def _thorough(folder: Path, layers: int) -> Settings:
    """In an inert tent."""
    return wall(folder, layers, "ded-arc", "ER70S-6", 2.5, **THOROUGH)


TRIAL = Trial(
    settings=_quick,
    counter="Job.Layer",
    setpoint=("Process.WireFeed", 8.25, 50.0),
    switch="Process.Inert",
    reading="Head.StandOff",
    failure=("WireFeeder.SpoolMass", -17.5, "Alarms.SpoolLow"),
    fault=("WireFeeder.Slip", 4.0),
    interlock=("Safety.EmergencyStop", "Alarms.SafetyChain"),
    thorough=_thorough,
)

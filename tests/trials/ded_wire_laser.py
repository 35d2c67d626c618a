"""A quick trial of the laser wire deposition machine."""

from __future__ import annotations

from pathlib import Path

from emulators.catalog import Settings
from tests.trials.trial import Trial
from tests.trials.wire import THOROUGH, wall

__all__ = ["TRIAL"]


def _quick(folder: Path, layers: int) -> Settings:
    return wall(folder, layers, "ded-wire-laser", "316L", 1.4, laser__regulate=False)


def _thorough(folder: Path, layers: int) -> Settings:
    """Hot wire in an inert cell."""
    return wall(folder, layers, "ded-wire-laser", "308L", 2.4, **THOROUGH)


TRIAL = Trial(
    settings=_quick,
    counter="Job.Layer",
    setpoint=("Process.WireFeed", 2.75, 50.0),
    switch="Process.Inert",
    reading="Head.StandOff",
    failure=("WireFeeder.SpoolMass", -14.5, "Alarms.SpoolLow"),
    fault=("WireFeeder.Slip", 4.0),
    interlock=("Safety.EmergencyStop", "Alarms.SafetyChain"),
    thorough=_thorough,
)

"""A quick trial of the laser powder bed machine."""

from __future__ import annotations

from pathlib import Path

from emulators.catalog import Settings
from tests.trials.trial import Trial, block, recipe

__all__ = ["TRIAL"]


def _quick(folder: Path, layers: int) -> Settings:
    quick = recipe(
        folder,
        atmosphere__purge_flow=400,
        atmosphere__oxygen_limit=5000,
        temperature__preheat=30,
        temperature__unpack=90,
        recoating__speed=250,
    )
    return Settings("pbf-lb", parts=(str(block(folder, layers)),), unit="mm", recipe=str(quick))


TRIAL = Trial(
    settings=_quick,
    counter="Job.Layer",
    setpoint=("Process.LaserPower", 250.5, 5000.0),
    switch="Process.Vacuum",
    reading="Chamber.OxygenTop",
    failure=("Gas.FilterDifferentialPressure", 90.0, "Alarms.FilterHigh"),
    fault=("Laser1.Contamination", 8.0),
    interlock=("Safety.EmergencyStop", "Alarms.SafetyChain"),
)

"""A quick trial of the powder deposition machine."""

from __future__ import annotations

from pathlib import Path

import trimesh

from emulators.catalog import Settings
from tests.trials.trial import Trial, recipe

__all__ = ["TRIAL"]


def _quick(folder: Path, layers: int) -> Settings:
    quick = recipe(
        folder,
        "316L",
        "ded-powder",
        passes__layer_height=0.4,
        thermal__interpass_limit=320,
        thermal__unpack=290,
        thermal__dwell=25,
        powder__lead=3,
    )
    part = folder / f"beads{layers}.stl"
    trimesh.creation.box(extents=(12.0, 6.0, layers * 0.4)).export(part)
    return Settings("ded-powder", parts=(str(part),), unit="mm", recipe=str(quick))


TRIAL = Trial(
    settings=_quick,
    counter="Job.Layer",
    setpoint=("Process.LaserPower", 950.5, 50_000.0),
    switch="Process.Inert",
    reading="Head.StandOff",
    failure=("Laser.WindowScatter", 10.0, "Alarms.WindowDirty"),
    fault=("Laser.Contamination", 8.0),
    interlock=("Safety.EmergencyStop", "Alarms.SafetyChain"),
)

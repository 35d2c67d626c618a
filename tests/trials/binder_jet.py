"""A quick trial of the binder-jet machine."""

from __future__ import annotations

from pathlib import Path

import trimesh

from emulators.catalog import Settings
from tests.trials.trial import Trial, block, recipe

__all__ = ["TRIAL"]


def _quick(folder: Path, layers: int) -> Settings:
    quick = recipe(
        folder,
        "316L",
        "binder-jet",
        layer_thickness=40,
        shrinkage__compensate=False,
        printing__head_temperature=26,
        printing__wipe_every=0,
        spreading__speed=500,
        drying__time=4,
        drying__lamp=80,
        drying__box_temperature=20,
        drying__dry_limit=10,
        curing__time=0,
        depowdering__time=0.1,
    )
    return Settings(
        "binder-jet", parts=(str(block(folder, layers)),), unit="mm", recipe=str(quick)
    )


def _thorough(folder: Path, layers: int) -> Settings:
    """Warm box, cured, with a strip so thin that it breaks."""
    strip = folder / "strip.stl"
    trimesh.creation.box(extents=(20, 0.5, layers * 0.04)).export(strip)
    quick = recipe(
        folder,
        "316L",
        "binder-jet",
        layer_thickness=40,
        shrinkage__compensate=False,
        drying__box_temperature=30,
        curing__time=1,
        depowdering__time=0.1,
    )
    parts = (str(block(folder, layers)), str(strip))
    return Settings("binder-jet", parts=parts, unit="mm", recipe=str(quick))


TRIAL = Trial(
    settings=_quick,
    counter="Job.Layer",
    setpoint=("Process.Saturation", 65.5, 500.0),
    switch="Process.Remap",
    reading="Dryer.BedTemperature",
    failure=("Hood.Vapour", 15.0, "Alarms.VapourRising"),
    fault=("Head.DropDrift", 5.0),
    interlock=("Safety.EmergencyStop", "Alarms.SafetyChain"),
    thorough=_thorough,
)

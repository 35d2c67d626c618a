"""A quick trial of the PREP."""

from __future__ import annotations

from pathlib import Path

from emulators.catalog import Settings
from tests.trials.trial import Trial, recipe

__all__ = ["TRIAL"]


def _quick(folder: Path, layers: int) -> Settings:
    """So many rods; they count as layers."""
    quick = recipe(
        folder,
        "Ti-6Al-4V",
        "prep",
        rods__count=layers,
        rods__length=63,
        rods__stub=60,
        rods__loading=0.02,
        rods__change=1,
        gas__vacuum=20,
        gas__fill_flow=6000,
        gas__oxygen_limit=5000,
        rotation__speed=5000,
        rotation__acceleration=2000,
        rotation__braking=2000,
        arc__power=100,
        arc__approach=6,
        cooling__unload=60,
    )
    return Settings("prep", recipe=str(quick))


def _thorough(folder: Path, layers: int) -> Settings:
    """Clean gas, drops by the other equation, tungsten."""
    quick = recipe(
        folder,
        "W",
        "prep",
        rods__count=layers,
        rods__length=80,
        rods__loading=0.1,
        rods__change=2,
        gas__vacuum=0.2,
        gas__fill_flow=3000,
        rotation__acceleration=2000,
        rotation__braking=1000,
        arc__approach=6,
        drops__model="champagne-angers",
        drops__factor=5.27,
    )
    return Settings("prep", recipe=str(quick))


TRIAL = Trial(
    settings=_quick,
    counter="Job.Layer",
    setpoint=("Process.Power", 81.5, 5000.0),
    switch="Process.ArgonOnly",
    reading="Arc.Voltage",
    failure=("Spindle.BearingTemperature", 68.0, "Alarms.BearingHot"),
    fault=("Arc.ElectrodeWear", 5.0),
    interlock=("Safety.EmergencyStop", "Alarms.SafetyChain"),
    thorough=_thorough,
)

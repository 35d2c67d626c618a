"""A quick trial of the plasma spheroidizer."""

from __future__ import annotations

from pathlib import Path

from emulators.catalog import Settings
from tests.trials.trial import Trial, recipe

__all__ = ["TRIAL"]


def _quick(folder: Path, layers: int) -> Settings:
    """So many batches; they count as layers."""
    quick = recipe(
        folder,
        "316L",
        "spheroidizer",
        gas__purge=400,
        gas__oxygen_limit=100_000,
        gas__oxygen_hold=150_000,
        gas__dew_hold=30,
        feed__rate=18,
        feed__batch=0.025,
        feed__batches={"value": layers},
        quality__sphericity=0,
        cooling__unload=150,
        cooling__passivate={"value": False},
    )
    return Settings("spheroidizer", recipe=str(quick))


def _thorough(folder: Path, layers: int) -> Settings:
    """Little oxygen, reused argon, a batch that lasts, soot that is passivated."""
    quick = recipe(
        folder,
        "316L",
        "spheroidizer",
        gas__purge=400,
        gas__reuse=50,
        feed__rate=6,
        feed__batch=0.1,
        feed__batches={"value": layers},
        quality__sphericity=0,
    )
    return Settings("spheroidizer", recipe=str(quick))


TRIAL = Trial(
    settings=_quick,
    counter="Job.Layer",
    setpoint=("Process.FeedRate", 16.75, 500.0),
    switch="Process.InertOnly",
    reading="Torch.PlatePower",
    failure=("Loop.FilterDifferentialPressure", 50.0, "Alarms.FilterLoaded"),
    fault=("Feeder.Surge", 10.0),
    interlock=("Safety.EmergencyStop", "Alarms.SafetyChain"),
    thorough=_thorough,
)

"""A quick trial of the recycling line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from emulators.catalog import Settings
from tests.trials.trial import Trial, recipe

__all__ = ["TRIAL"]

_RECYCLED: dict[str, Any] = {
    "gas__purge": 2000,
    "gas__limiting_oxygen": 15,
    "gas__start_oxygen": 8_000,
    "drying__temperature": 30,
    "drying__time": 0.5,
    "drying__dew_point": 20,
    "drying__unload": 60,
}


def _quick(folder: Path, layers: int) -> Settings:
    """So many batches of half a kilogram; they count as layers."""
    quick = recipe(
        folder,
        "316L",
        "recycling-line",
        **_RECYCLED,
        stock__used=0.1 * layers,
        recovery__batches=layers,
        recovery__feed=60,
        magnet__use=False,
        sieving__feed=1000,
        drying__use=False,
        surface__use=False,
        blending__use=False,
        quality__tests="none",
    )
    return Settings("recycling-line", recipe=str(quick))


def _thorough(folder: Path, layers: int) -> Settings:
    """Mixed powder by both methods, plasma with hydrogen, virgin powder, a fine deck."""
    thorough = recipe(
        folder,
        "AlSi10Mg-from-316L",
        "recycling-line",
        **_RECYCLED,
        stock__used=0.5 * layers,
        stock__moisture=60,
        stock__coarse=0.5,
        recovery__batches=layers,
        magnet__use=True,
        sieving__fine_mesh=15,
        separating__method="both",
        separating__passes=1,
        surface__use=True,
        surface__plasma=20,
        surface__hydrogen=5,
        blending__time=2,
        blending__least=10,
    )
    return Settings("recycling-line", recipe=str(thorough))


TRIAL = Trial(
    settings=_quick,
    counter="Job.Layer",
    setpoint=("Process.DryingTime", 30.5, 5000.0),
    switch="Process.RetestReleases",
    reading="Line.OxygenA",
    failure=("Filter.DifferentialPressure", 60.0, "Alarms.FilterClogged"),
    fault=("Sieve.Blinding", 3.0),
    interlock=("Safety.EmergencyStop", "Alarms.SafetyChain"),
    thorough=_thorough,
)

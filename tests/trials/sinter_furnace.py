"""A quick trial of the sinter furnace."""

from __future__ import annotations

from pathlib import Path

import trimesh

from emulators.catalog import Settings
from tests.trials.trial import Trial, block, recipe

__all__ = ["TRIAL"]


def _quick(folder: Path, layers: int) -> Settings:
    """So many segments; they count as layers."""
    quick = recipe(
        folder,
        "316L",
        "sinter-furnace",
        purging__flow=250,
        purging__vacuum=400,
        purging__leak_time=10,
        purging__leak_limit=10,
        purging__oxygen_limit=10_000,
        debinding__first=25,
        debinding__last=25,
        debinding__steps=layers - 1,
        debinding__rate=50,
        debinding__time=0,
        debinding__gas="argon",
        presintering__hold=0,
        sintering__temperature=25,
        sintering__rate=50,
        sintering__soak_band=20,
        sintering__hold=0,
        sintering__gas="argon",
        cooling__unload=200,
    )
    return Settings("sinter-furnace", parts=(str(block(folder, 100)),), unit="mm",
                    recipe=str(quick))


def _thorough(folder: Path, layers: int) -> Settings:
    """Hydrogen and heat, a part that passes a lenient inspection and a thick one that cracks."""
    thick = folder / "thick.stl"
    trimesh.creation.box(extents=(40, 40, 40)).export(thick)
    quick = recipe(
        folder,
        "316L",
        "sinter-furnace",
        purging__flow=400,
        debinding__first=350,
        debinding__last=450,
        debinding__steps=layers - 1,
        debinding__rate=30,
        debinding__time=30,
        presintering__hold=0,
        sintering__temperature=700,
        sintering__rate=30,
        sintering__hold=5,
        sintering__soak_band=30,
        cooling__unload=200,
        quality__density=50,
        quality__tolerance=20,
        quality__carbon=20_000,
        green__compensated=False,
    )
    parts = (str(block(folder, 100)), str(thick))
    return Settings("sinter-furnace", parts=parts, unit="mm", recipe=str(quick))


TRIAL = Trial(
    settings=_quick,
    counter="Job.Layer",
    setpoint=("Process.GasFlow", 300.5, 5000.0),
    switch="Process.InertOnly",
    reading="Furnace.LoadTemperature",
    failure=("Furnace.ShellTemperature", 50.0, "Alarms.ShellHot"),
    fault=("Zone1.ElementFailure", 10.0),
    interlock=("Safety.EmergencyStop", "Alarms.SafetyChain"),
    thorough=_thorough,
)

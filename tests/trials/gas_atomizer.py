"""A quick trial of the gas atomizer."""

from __future__ import annotations

from pathlib import Path

from emulators.catalog import Settings
from tests.trials.trial import Trial, recipe

__all__ = ["TRIAL"]


def _quick(folder: Path, layers: int) -> Settings:
    """So many short rods that are soon cool, atomized in air; they count as layers."""
    quick = recipe(
        folder,
        "AlSi10Mg",
        "gas-atomizer",
        charge__melting={"value": "EIGA"},
        charge__count=layers,
        charge__mass=0.5,
        charge__time=0,
        charge__power=250,
        rod={"diameter": {"value": 80, "unit": "mm"}, "feed": {"value": 130, "unit": "mm/min"},
             "stub": {"value": 0.3, "unit": "kg"}},
        chamber__vacuum=1100,
        chamber__leak_time=1,
        chamber__leak_limit=10_000,
        chamber__oxygen_limit=250_000,
        chamber__settling=4,
        cooling__powder=300,
        cooling__vessel=1400,
        cooling__passivation=0,
        cooling__discharge=0,
    )
    return Settings("gas-atomizer", recipe=str(quick))


def _thorough(folder: Path, layers: int) -> Settings:
    """Small charges from a crucible, with hot gas and a filter that is pulsed all the time."""
    quick = recipe(
        folder,
        "AlSi10Mg",
        "gas-atomizer",
        charge__count=layers,
        charge__mass=2,
        charge__time=1,
        charge__power=200,
        charge__superheat=150,
        charge__hold=0,
        chamber__vacuum=120,
        chamber__leak_time=5,
        chamber__leak_limit=100,
        chamber__oxygen_limit=40_000,
        nozzle__preheat=60,
        nozzle__margin=-10,
        pour__level=25,
        pour__tail_level=10,
        gas__temperature=120,
        filter__pulse=1,
        cooling__powder=300,
        cooling__vessel=1000,
        cooling__passivation=1,
        cooling__discharge=1,
    )
    return Settings("gas-atomizer", recipe=str(quick))


TRIAL = Trial(
    settings=_quick,
    counter="Job.Layer",
    setpoint=("Process.Pressure", 31.5, 500.0),
    switch="Process.Bypass",
    reading="Tower.Pressure",
    failure=("Chiller.ReturnTemperature", 50.0, "Alarms.WaterHot"),
    fault=("Separator.Blinding", 8.0),
    interlock=("Safety.EmergencyStop", "Alarms.SafetyChain"),
    thorough=_thorough,
)

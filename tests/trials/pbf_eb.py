"""A quick trial of the electron beam powder bed machine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from emulators.catalog import Settings
from tests.trials.trial import Trial, block, recipe

__all__ = ["TRIAL"]


def _quick(folder: Path, layers: int) -> Settings:
    """A small build tank is hot within a minute."""
    quick = recipe(
        folder,
        "Ti-6Al-4V",
        "pbf-eb",
        layer_thickness=40,
        raking__speed=500,
        preheat__tank=60,
        preheat__edge=50,
        preheat__bed=800,
        preheat__start=780,
        preheat__plate_current=50,
        preheat__current_1=5,
        preheat__time_1=1,
        preheat__current_2=8,
        preheat__time_2=3,
        vacuum__start_pressure=1e-2,
        temperature__unpack=600,
    )
    return Settings("pbf-eb", parts=(str(block(folder, layers)),), unit="mm", recipe=str(quick))


def _thorough(folder: Path, layers: int) -> Settings:
    """A part that is melted for longer than a scan."""
    usual = _quick(folder, layers)
    return replace(usual, parts=(str(block(folder, layers, side=24.0)),))


TRIAL = Trial(
    settings=_quick,
    counter="Job.Layer",
    setpoint=("Process.MeltCurrent", 15.5, 500.0),
    switch="Process.FixedPreheat",
    reading="Platform.Temperature",
    failure=("HighVoltage.DoseRate", 2.0, "Alarms.XrayHigh"),
    fault=("Beam1.CathodeWear", 8.0),
    interlock=("Safety.EmergencyStop", "Alarms.SafetyChain"),
    thorough=_thorough,
)

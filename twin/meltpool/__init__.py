"""Melt pools: closed-form laws behind one interface, sensors and defects derived from the pool."""

from twin.meltpool.laws import Laws
from twin.meltpool.path import BeamPath, BeamState
from twin.meltpool.pool import (
    BLUE,
    GREEN,
    INFRARED,
    MeltPool,
    MeltPoolModel,
    Mode,
    PathModel,
    Preheat,
    defocused_sigma,
)

__all__ = [
    "BLUE",
    "GREEN",
    "INFRARED",
    "BeamPath",
    "BeamState",
    "Laws",
    "MeltPool",
    "MeltPoolModel",
    "Mode",
    "PathModel",
    "Preheat",
    "defocused_sigma",
]

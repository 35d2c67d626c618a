"""Melt pools: closed-form laws behind one interface, sensors and defects derived from the pool."""

from twin.meltpool.laws import Laws
from twin.meltpool.pool import (
    BLUE,
    GREEN,
    INFRARED,
    Beam,
    MeltPool,
    MeltPoolModel,
    Mode,
    defocused_sigma,
)

__all__ = [
    "BLUE",
    "GREEN",
    "INFRARED",
    "Beam",
    "Laws",
    "MeltPool",
    "MeltPoolModel",
    "Mode",
    "defocused_sigma",
]
